package folkbokforing

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// CallingName picks the names that somebody is called by out of all given names. The marking is two
// digits, each the place of a name, 0 for none; the parts of a hyphenated name have places of their
// own. Of "Eva Ulla-Karin Isa", 40 is "Isa" and 23 is "Ulla-Karin". It gives "" where no calling name
// is registered, or where the marking does not fit the names.
func CallingName(given, marking string) string {
	if len(marking) != 2 {
		return ""
	}
	names, hyphen := nameParts(given)
	var calling strings.Builder
	before := -1
	for _, digit := range marking {
		if digit == '0' {
			continue
		}
		i := int(digit - '1')
		if i < 0 || i >= len(names) {
			return ""
		}
		switch {
		case before < 0:
		case i == before+1 && hyphen[i]:
			calling.WriteByte('-')
		default:
			calling.WriteByte(' ')
		}
		calling.WriteString(names[i])
		before = i
	}
	return calling.String()
}

// nameParts splits given names at blanks and hyphens, and tells for each part whether a hyphen joins
// it to the one before.
func nameParts(given string) (names []string, hyphen []bool) {
	for name := range strings.FieldsSeq(given) {
		for i, part := range strings.FieldsFunc(name, func(r rune) bool { return r == '-' }) {
			names, hyphen = append(names, part), append(hyphen, i > 0)
		}
	}
	return names, hyphen
}

// date reads Navet's yyyyMMdd, in which zeros stand for what is not known: as much of it as is a date.
// 0 is no date, 19410000 is 1941, 19410700 is 1941-07.
func date(digits string) hub.Date {
	if len(digits) != 8 || !isDigits(digits) || digits[:4] == "0000" {
		return ""
	}
	year, month, day := digits[:4], digits[4:6], digits[6:]
	known := year
	if _, err := time.Parse("01", month); err == nil {
		known += "-" + month
		if _, err := time.Parse(time.DateOnly, known+"-"+day); err == nil {
			known += "-" + day
		}
	}
	return hub.Date(known)
}

// BirthOf reads a birth date out of a number, in which a samordningsnummer has 60 added to its day. It
// is the next best after the registered one: numbers run out, and then a neighbouring day's is given.
func BirthOf(id hub.PersonID) hub.Date {
	digits := []byte(id.Reveal()[:8])
	if id.IsCoordination() {
		digits[6] -= 6
	}
	return date(string(digits))
}

// ofAge is how old one is when custody ends.
const ofAge = 18

// isAdult reports whether somebody is certainly of age. Of an unknown birth date nothing is certain.
func isAdult(born hub.Date, today time.Time) bool {
	birthday := fmt.Sprintf("%04d-%02d-%02d", today.Year()-ofAge, today.Month(), today.Day())
	return string(born) == birthday || isBefore(born, birthday)
}

// isPast reports whether a date is certainly before today.
func isPast(d hub.Date, today time.Time) bool { return isBefore(d, today.Format(time.DateOnly)) }

// isBefore compares as far as d is known; no date is before no day.
func isBefore(d hub.Date, day string) bool { return d != "" && string(d) < day[:len(d)] }

// municipality is where somebody is registered: the codes of county and municipality together.
func municipality(registration *document.Element) hub.Municipality {
	code := registration.Value("LanKod") + registration.Value("KommunKod")
	if len(code) != 4 || !isDigits(code) {
		return ""
	}
	return hub.Municipality(code)
}

func (p *Post) readName(name *document.Element) {
	p.Person.Given = name.Value("Fornamn")
	p.Calling = name.Value("Tilltalsnamnsmarkering")
	p.Person.Calling = CallingName(p.Person.Given, p.Calling)
	p.Person.Middle = name.Value("Mellannamn")
	p.Person.Family = name.Value("Efternamn")
}

func (p *Post) readAddresses(addresses *document.Element) {
	p.Person.Address = address(addresses.Child("Folkbokforingsadress"))
	p.Person.Special = address(addresses.Child("SarskildPostadress"))
	p.Person.Abroad = foreign(addresses.Child("Utlandsadress"))
}

// address gives nil for one in which nothing stands. The street is normally on the second line and the
// first is empty.
func address(e *document.Element) *hub.Address {
	a := hub.Address{
		CareOf:   e.Value("CareOf"),
		Street:   e.Value("Utdelningsadress2"),
		Extra:    e.Value("Utdelningsadress1"),
		Postcode: postcode(e.Value("PostNr")),
		City:     e.Value("Postort"),
	}
	if a.Street == "" {
		a.Street, a.Extra = a.Extra, ""
	}
	if a == (hub.Address{}) {
		return nil
	}
	return &a
}

func foreign(e *document.Element) *hub.Foreign {
	f := hub.Foreign{Country: e.Value("Land")}
	for _, line := range []string{"Utdelningsadress1", "Utdelningsadress2", "Utdelningsadress3"} {
		if text := e.Value(line); text != "" {
			f.Lines = append(f.Lines, text)
		}
	}
	if f.Lines == nil && f.Country == "" {
		return nil
	}
	return &f
}

// postcode gives five digits: Navet sends a number, which has lost its leading zeros.
func postcode(number string) string {
	digits := strings.Join(strings.FieldsFunc(number, unicode.IsSpace), "")
	if digits == "" || len(digits) > 5 || !isDigits(digits) || strings.Trim(digits, "0") == "" {
		return ""
	}
	return strings.Repeat("0", 5-len(digits)) + digits
}

func isDigits(s string) bool {
	return strings.Trim(s, "0123456789") == ""
}

func firstDigits(s string, n int) string {
	return s[:min(n, len(s))]
}
