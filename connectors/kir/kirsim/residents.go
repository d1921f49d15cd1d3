package kirsim

import (
	"fmt"
	"time"
)

// mostResidents is how many families of four there are test numbers for, times four.
const mostResidents = 4 * 10 * childDays

// The days on which made-up residents are born: as many dates as these, from these days on.
const (
	parentDays, childDays = 12_000, 4_500
)

var (
	parentsFrom  = time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC)
	childrenFrom = time.Date(2010, 1, 1, 0, 0, 0, 0, time.UTC)
)

var (
	womensNames = []string{"Alva", "Beda", "Cissi", "Doris", "Ebba", "Frida", "Gärda", "Hedda", "Inez", "Julia", "Åsa"}
	mensNames   = []string{"Anton", "Björn", "Casper", "David", "Elis", "Folke", "Göran", "Hugo", "Ivar", "Jon", "Örjan", "Ulf", "Vide"}
	families    = []string{"Provdal", "Exempelgren", "Testsson", "Påhittström", "Övningsby", "Mallberg", "Skisslund"}
	streets     = []string{"EXEMPELGATAN", "PROVVÄGEN", "TESTGRÄND", "ÖVNINGSSTIGEN", "MALLBACKEN"}
)

// made makes up one resident: of two parents and two children, who live together.
func (s *Sim) made(n int) Person {
	family, member := n/4, n%4
	id := func(member int) string {
		if member < 2 {
			return testNumber(parentsFrom, family, 7919, parentDays, member)
		}
		return testNumber(childrenFrom, family, 4799, childDays, member-2)
	}
	p := Person{
		ID: id(member), Family: families[family%len(families)],
		Street: fmt.Sprintf("%s %d", streets[family%len(streets)], 1+family/len(streets)), Code: fmt.Sprint(24100 + family%80), City: "ESLÖV",
		Marked: n%997 == 500,
	}
	given := mensNames
	if member%2 == 0 {
		given = womensNames
	}
	p.Given = given[(family+member)%len(given)] + " " + given[family%len(given)]
	if p.Protected = family%499 == 250; p.Protected {
		p.Special = "BOX 2820"
	}
	if member < 2 {
		p.Children = []string{id(2), id(3)}
	} else {
		p.Guardians = []string{id(0), id(1)}
	}
	return p
}

// testNumber gives the number of the nth of two born on the same day, in the series that is kept for
// tests: even serials are women's, odd ones men's.
func testNumber(from time.Time, family, stride, days, nth int) string {
	day := from.AddDate(0, 0, family%days*stride%days)
	return withCheckDigit(fmt.Sprintf("%s%03d", day.Format("20060102"), 980+2*(family/days)+nth))
}

// withCheckDigit adds what makes eleven digits a number, by the modulus-10 rule.
func withCheckDigit(digits string) string {
	sum := 0
	for i, d := range digits[2:] {
		n := int(d - '0')
		if i%2 == 0 {
			n *= 2
		}
		sum += n/10 + n%10
	}
	return fmt.Sprintf("%s%d", digits, (10-sum%10)%10)
}

func birth(id string) string { return id[:8] }

// News makes up what happens on a day: some move, some move away, somebody dies and somebody is given a
// protected identity. It is the same for the same day.
func (s *Sim) News(n int) []Post {
	var posts []Post
	for k := range max(s.Residents/500, 4) {
		p := s.made((n*7 + k*131) % max(s.Residents, 1))
		switch k % 4 {
		case 0:
			posts = append(posts, Post{ID: p.ID, Parts: Registered(s.Municipality) + Addresses(Home(fmt.Sprintf("NYA GATAN %d", k+1), "24131", "ESLÖV"))})
		case 1:
			posts = append(posts, Post{ID: p.ID, Parts: Registered("1283")})
		case 2:
			posts = append(posts, Post{ID: p.ID, Parts: Left("AV", "20260406", "")})
		case 3:
			posts = append(posts, Post{ID: p.ID, Flags: Flag("Sekretessmarkering", "J")})
		}
	}
	return posts
}
