package kirsim

import (
	"encoding/xml"
	"strconv"
	"strings"
)

// A Person is a resident.
type Person struct {
	ID                  string // twelve digits
	Given, Family       string
	Street, Code, City  string
	Marked, Protected   bool // sekretessmarkering, skyddad folkbokföring
	Guardians, Children []string
	Special             string   // the street of a särskild postadress
	Relations           []string // further ones, as XML
}

// A Post is one Folkbokforingspost. What stands in Flags and Parts is XML, in the schema's order.
type Post struct {
	ID    string
	Flags string // before Arendeuppgift: Flag makes one
	Total bool   // all is said, and no news alone
	Parts string // behind PersonId: see Name, Home and the others
}

// post is the whole of what is known of p.
func (p Person) post(municipality string) Post {
	flags := ""
	if p.Marked || p.Protected {
		flags = Flag("Sekretessmarkering", "J")
	}
	if p.Protected {
		flags += Flag("SkyddadFolkbokforing", "J")
	}
	home := Home(p.Street, p.Code, p.City)
	if p.Protected {
		home = ""
	}
	if p.Special != "" {
		home += element("SarskildPostadress", leaf("Utdelningsadress2", p.Special), leaf("PostNr", "40320"), leaf("Postort", "GÖTEBORG"))
	}
	var relations strings.Builder
	for _, id := range p.Guardians {
		relations.WriteString(Relation("V", id, ""))
	}
	for _, id := range p.Children {
		relations.WriteString(Relation("VF", id, ""))
	}
	relations.WriteString(strings.Join(p.Relations, ""))
	return Post{ID: p.ID, Flags: flags, Total: true, Parts: leaf("Fodelsedatum", birth(p.ID)) + Name(p.Given, p.Family) + Registered(municipality) +
		element("Adresser", home) + element("Relationer", relations.String())}
}

// Flag marks a post: Sekretessmarkering or SkyddadFolkbokforing, J or N.
func Flag(name, value string) string { return leaf(name, value) }

// Name says what somebody is called.
func Name(given, family string) string {
	return element("Namn", leaf("Tilltalsnamnsmarkering", "10"), leaf("Fornamn", given), leaf("Efternamn", family))
}

// Registered says in which municipality somebody is registered.
func Registered(municipality string) string {
	return element("Folkbokforing", leaf("Folkbokforingsdatum", "20260401"), leaf("LanKod", municipality[:2]), leaf("KommunKod", municipality[2:]))
}

// Home is an address, to stand in Addresses.
func Home(street, code, city string) string {
	if street == "" {
		return ""
	}
	return element("Folkbokforingsadress", leaf("Utdelningsadress2", street), leaf("PostNr", code), leaf("Postort", city))
}

// Addresses says where somebody lives.
func Addresses(addresses string) string { return element("Adresser", addresses) }

// Left says that a number is out of use, and, where another one is in its place, which.
func Left(reason, date, reference string) string {
	left := element("Avregistrering", leaf("AvregistreringsorsakKod", reason), leaf("Avregistreringsdatum", date))
	if reference == "" {
		return left
	}
	return `<Hanvisningar><Hanvisning status="NY">` + leaf("HanvisningsPersonNr", reference) + "</Hanvisning></Hanvisningar>" + left
}

// Relations says whose guardian somebody is, and who hers are.
func Relations(relations ...string) string { return element("Relationer", relations...) }

// Relation is one of V (guardian) and VF (child), with what has become of it: NY, AS, …
func Relation(kind, id, status string) string {
	begin := "<Relation>"
	if status != "" {
		begin = `<Relation status="` + status + `">`
	}
	return begin + element("RelationId", leaf("PersonNr", id)) + leaf("Relationstyp", kind) + "</Relation>"
}

func (p Post) xml() string {
	total := ""
	if p.Total {
		total = ` totalpost="J"`
	}
	return element("Folkbokforingspost", p.Flags, `<Arendeuppgift andringstidpunkt="20260406121712"`+total+`/>`,
		element("Personpost", element("PersonId", leaf("PersonNr", p.ID)), p.Parts))
}

func element(name string, content ...string) string {
	inner := strings.Join(content, "")
	if inner == "" {
		return ""
	}
	return "<" + name + ">" + inner + "</" + name + ">"
}

func leaf(name, text string) string {
	if text == "" {
		return ""
	}
	var escaped strings.Builder
	xml.EscapeText(&escaped, []byte(text))
	return "<" + name + ">" + escaped.String() + "</" + name + ">"
}

func number(name string, n int) string { return leaf(name, strconv.Itoa(n)) }
