// Package folkbokforing reads a Folkbokforingspost, which is how Skatteverket tells of one person,
// whether Navet was asked about her or a file of changes (avisering) brings the news.
//
// The contract is Skatteverket's Navetavisering.xsd of release 7_2.28. What is sent has since moved
// beyond it, so posts are read by local name, what is not known is passed over, and nothing is held
// against the schema. What is read is never guessed.
//
// A Post says what it carried, and not what that means: of who was asked about, what is not there is
// not so; in a change, what is absent or blank is as it was. Whole is the first reading; who keeps a
// register makes the second.
package folkbokforing

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// Delivers are the blocks that an order with Skatteverket delivers, as configuration lists them. None
// listed means all.
type Delivers []string

// The blocks.
const (
	Protection = "protection" // the terms 01003 and 01020
	Names      = "names"
	Addresses  = "addresses"
	Relations  = "relations"
)

var everything = Delivers{Protection, Names, Addresses, Relations}

// Check finds what is no block, or is there twice.
func (d Delivers) Check() error {
	for i, block := range d {
		if !slices.Contains(everything, block) || slices.Contains(d[:i], block) {
			return fmt.Errorf("delivers: must be some of %v, each once", []string(everything))
		}
	}
	return nil
}

// Has reports whether the order delivers a block.
func (d Delivers) Has(block string) bool { return d == nil || slices.Contains(d, block) }

// Blocks are those that a Person tells of.
func (d Delivers) Blocks() hub.Blocks {
	return hub.Blocks{Name: d.Has(Names), Address: d.Has(Addresses), Relations: d.Has(Relations)}
}

// A Post is one Folkbokforingspost.
type Post struct {
	// Person is what the post says. A field that it did not carry, or that was blank, is empty;
	// Delivered are the blocks that were there; Protection, the relatives and Previous stand
	// below, as they came.
	Person       hub.Person
	Secrecy      Mark           // Sekretessmarkering, 01003
	Registration Mark           // SkyddadFolkbokforing, 01020
	Calling      string         // Tilltalsnamnsmarkering: which of the given names, see CallingName
	Relations    []Relation     // of custody
	References   []hub.PersonID // other numbers of the same person, older and newer
	Total        bool           // the post is said to be whole (totalpost), and no news alone
}

// What makes a post one that cannot be read.
var (
	ErrNoPerson   = errors.New("the post holds no person that can be read")
	ErrNoNumber   = errors.New("the post has no number that can be read")
	ErrNoRelative = errors.New("a guardian or child in the post cannot be read")
)

// Read reads one record. Its errors quote nothing of it.
func Read(record *document.Element) (Post, error) {
	personal := record.Child("Personpost")
	if record.Local() != "Folkbokforingspost" || len(record.All("Personpost")) != 1 {
		return Post{}, ErrNoPerson
	}
	id, err := hub.ParsePersonID(firstOf(personal.Child("PersonId"), "PersonNr", "TilldelatPersonNrSamordningsNr"))
	if err != nil {
		return Post{}, ErrNoNumber
	}
	matter := record.Child("Arendeuppgift")
	p := Post{
		Person: hub.Person{
			ID:         id,
			Birth:      date(personal.Value("Fodelsedatum")),
			Registered: municipality(personal.Child("Folkbokforing")),
			Property:   personal.Value("Folkbokforing/Fastighetsbeteckning"),
			Civil:      personal.Value("Civilstand/CivilstandKod"),
			Left:       departure(personal),
			Changed:    date(firstDigits(matter.Attr("andringstidpunkt"), 8)),
			Delivered: hub.Blocks{
				Name:      personal.Child("Namn") != nil,
				Address:   personal.Child("Adresser") != nil,
				Relations: personal.Child("Relationer") != nil,
			},
		},
		Secrecy:      markOf(record, "Sekretessmarkering"),
		Registration: markOf(record, "SkyddadFolkbokforing"),
		References:   references(personal),
		Total:        matter.Attr("totalpost") == "J",
	}
	p.readName(personal.Child("Namn"))
	p.readAddresses(personal.Child("Adresser"))
	p.Relations, err = relations(personal.Child("Relationer"))
	return p, err
}

// Replaced reports whether somebody who has left a number has another one now: GN is an older
// personnummer, GS an older samordningsnummer.
func Replaced(d hub.Departure) bool { return d.Reason == "GN" || d.Reason == "GS" }

// Whole gives the person of a post that says all that the order delivers of her: of that, what is not
// there is not so. Her relatives are those of a day.
func (p Post) Whole(d Delivers, today time.Time) hub.Person { return OfDay(p.Entire(d), today) }

// Entire is Whole with the relatives of every day, to keep until somebody asks.
func (p Post) Entire(d Delivers) hub.Person {
	person := p.Person
	if person.Left.Reason != "" {
		person.Registered = ""
	}
	if !Replaced(person.Left) {
		person.Previous = p.References
	}
	b := d.Blocks()
	person.Delivered = hub.Blocks{
		Name:      b.Name || person.Delivered.Name,
		Address:   b.Address || person.Delivered.Address,
		Relations: b.Relations || person.Delivered.Relations,
	}
	for _, r := range p.Relations {
		if !r.Over() {
			r.AddTo(&person)
		}
	}
	p.protect(&person, d)
	return person
}

func firstOf(e *document.Element, names ...string) string {
	for _, name := range names {
		if v := e.Value(name); v != "" {
			return v
		}
	}
	return ""
}
