package navet

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// A post is what Navet said about one number.
type post struct {
	person     hub.Person
	references []hub.PersonID // other numbers of the same person, older and newer
}

// replaced reports whether the person has another number now: GN is an older personnummer, GS an
// older samordningsnummer.
func (p post) replaced() bool {
	return p.person.Left.Reason == "GN" || p.person.Left.Reason == "GS"
}

var (
	errNoPost     = hub.Strange(errors.New("the answer holds no post that can be read"))
	errNoNumber   = hub.Strange(errors.New("the post has no number that can be read"))
	errNoRelative = errors.New("a guardian or child in the post cannot be read")
)

// readPost reads the one post that a list may hold, which must be about asked.
func (r *register) readPost(list *document.Element, asked hub.PersonID) (post, error) {
	if len(list.Children) == 0 && strings.TrimSpace(list.Text) == "" {
		return post{}, hub.ErrNotFound
	}
	record, personal := list.Child("Folkbokforingspost"), list.Path("Folkbokforingspost/Personpost")
	if len(list.All("Folkbokforingspost")) != 1 || len(record.All("Personpost")) != 1 {
		return post{}, errNoPost
	}
	id, err := hub.ParsePersonID(firstOf(personal.Child("PersonId"), "PersonNr", "TilldelatPersonNrSamordningsNr"))
	if err != nil {
		return post{}, errNoNumber
	}
	if id != asked {
		return post{}, hub.ErrMismatch
	}
	p := post{
		person: hub.Person{
			ID:         id,
			Birth:      date(personal.Value("Fodelsedatum")),
			Registered: municipality(personal.Child("Folkbokforing")),
			Property:   personal.Value("Folkbokforing/Fastighetsbeteckning"),
			Civil:      personal.Value("Civilstand/CivilstandKod"),
			Left:       departure(personal),
			Changed:    date(firstDigits(record.Child("Arendeuppgift").Attr("andringstidpunkt"), 8)),
		},
		references: references(personal),
	}
	p.readName(personal.Child("Namn"))
	p.readAddresses(personal.Child("Adresser"))
	if err := p.readRelations(personal.Child("Relationer"), r.today()); err != nil {
		return post{}, err
	}
	if p.person.Left.Reason != "" {
		p.person.Registered = ""
	}
	if !p.replaced() {
		p.person.Previous = p.references
	}
	p.person.Delivered = hub.Blocks{
		Name:      r.delivers(deliversNames) || personal.Child("Namn") != nil,
		Address:   r.delivers(deliversAddresses) || personal.Child("Adresser") != nil,
		Relations: r.delivers(deliversRelations) || personal.Child("Relationer") != nil,
	}
	r.readProtection(&p.person, record)
	return p, nil
}

func (r *register) delivers(block string) bool { return slices.Contains(r.conf.Delivers, block) }

func (r *register) today() time.Time { return r.env.Clock().In(hub.Stockholm) }

func firstOf(e *document.Element, names ...string) string {
	for _, name := range names {
		if v := e.Value(name); v != "" {
			return v
		}
	}
	return ""
}

// references reads the three places where Navet has written a person's other numbers: one alone, a
// list, and, since 2026, inside the PersonId.
func references(personal *document.Element) (ids []hub.PersonID) {
	places := slices.Concat(
		personal.All("PersonId/Hanvisning"),
		personal.All("Hanvisningar/Hanvisning/HanvisningsPersonNr"),
		personal.All("HanvisningsPersonNr"),
	)
	for _, place := range places {
		id, err := hub.ParsePersonID(strings.TrimSpace(place.Text))
		if err == nil && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// departure tells why a number is no longer in use, and since when.
func departure(personal *document.Element) hub.Departure {
	left := personal.Child("Avregistrering")
	d := hub.Departure{
		Reason: left.Value("AvregistreringsorsakKod"),
		Date:   date(left.Value("Avregistreringsdatum")),
	}
	found := date(left.Value("AntraffadDod"))
	if found != "" && (d.Reason == "" || d.Reason == "AV" && d.Date == "") {
		return hub.Departure{Reason: "AV", Date: found}
	}
	if d.Reason != "" {
		return d
	}
	// The death of who has a samordningsnummer stands among the particulars of the number.
	if dead := date(personal.Value("Samordningsnummeruppgifter/DatumAvliden")); dead != "" {
		return hub.Departure{Reason: "AV", Date: dead}
	}
	return statusDeparture(personal.Path("PersonId/Identitetsstatus"))
}

// statusDeparture reads the status of a samordningsnummer. One that is out of use for a reason without
// a code of its own is given in Skatteverket's word, such as VILANDEFORKLARAT: dormant.
func statusDeparture(status *document.Element) hub.Departure {
	d := hub.Departure{Reason: status.Value("IdentitetsstatusVarde"), Date: date(status.Value("IdentitetsstatusDatum"))}
	switch d.Reason {
	case "", "AKTIVT", "EJ_AKTUELLT":
		return hub.Departure{}
	}
	switch status.Value("IdentitetsstatusOrsak") {
	case "AVLIDEN":
		d.Reason = "AV"
	case "ERSATT":
		d.Reason = "GS"
	case "FELAKTIGT_REGISTRERAT":
		d.Reason = "AS"
	}
	return d
}

func (p *post) readName(name *document.Element) {
	p.person.Given = name.Value("Fornamn")
	p.person.Calling = callingName(p.person.Given, name.Value("Tilltalsnamnsmarkering"))
	p.person.Middle = name.Value("Mellannamn")
	p.person.Family = name.Value("Efternamn")
}

// readRelations finds whose guardian the person is, and who theirs are, on the day it is. The register
// is not asked to close what a birthday closes, so that age counts here too.
func (p *post) readRelations(relations *document.Element, today time.Time) error {
	born := p.person.Birth
	if born == "" {
		born = birthOf(p.person.ID)
	}
	for _, r := range relations.All("Relation") {
		kind := r.Value("Relationstyp")
		if kind != "V" && kind != "VF" || !inForce(r, today) {
			continue
		}
		relative, err := readRelative(r)
		if err != nil {
			return err
		}
		switch {
		case kind == "V" && !isAdult(born, today):
			p.person.Guardians = with(p.person.Guardians, relative)
		case kind == "VF" && !isAdult(relative.Birth, today):
			p.person.Children = with(p.person.Children, relative)
		}
	}
	return nil
}

// with adds a relative who is not there already: a relation that was renewed comes twice.
func with(all []hub.Relative, one hub.Relative) []hub.Relative {
	if slices.Contains(all, one) {
		return all
	}
	return append(all, one)
}

// inForce reports whether a relation has neither ended nor lost the other person.
func inForce(relation *document.Element, today time.Time) bool {
	if departure(relation).Reason != "" {
		return false
	}
	return !isPast(date(relation.Value("RelationTomdatum")), today)
}

// readRelative reads who stands at the other end of a relation. Who was never registered has a birth
// date with zeros after it, and a name.
func readRelative(relation *document.Element) (hub.Relative, error) {
	who := hub.Relative{
		Given:  relation.Value("Namn/Fornamn"),
		Family: relation.Value("Namn/Efternamn"),
	}
	if number := relation.Value("RelationId/PersonNr"); number != "" {
		id, err := hub.ParsePersonID(number)
		if err != nil {
			return who, errNoRelative
		}
		who.ID, who.Birth = id, birthOf(id)
		return who, nil
	}
	who.Birth = date(firstDigits(relation.Value("RelationId/FodelsetidNr"), 8))
	if who == (hub.Relative{}) {
		return who, errNoRelative
	}
	return who, nil
}
