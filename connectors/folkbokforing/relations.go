package folkbokforing

import (
	"slices"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// A Relation is one of custody: Who is guardian of the person, or the person of Who.
type Relation struct {
	Guardian bool   // Who is the guardian
	Status   string // in a change, what has become of it: NY is new, or as it was; "" where nothing is said
	Who      hub.Relative
	Left     hub.Departure // of Who
}

// Over reports whether Who is gone, whatever the relation's days are.
func (r Relation) Over() bool { return r.Left.Reason != "" }

// AddTo gives p the relative, once: a relation that was renewed comes twice, and lasts as long as the
// longer of them.
func (r Relation) AddTo(p *hub.Person) {
	all := r.in(p)
	i := slices.IndexFunc(*all, r.IsOf)
	switch {
	case i < 0:
		*all = append(slices.Clone(*all), r.Who)
	case (*all)[i].Until != "" && (r.Who.Until == "" || r.Who.Until > (*all)[i].Until):
		*all = slices.Clone(*all)
		(*all)[i] = r.Who
	}
}

// TakeFrom takes the relative from p.
func (r Relation) TakeFrom(p *hub.Person) {
	all := r.in(p)
	*all = slices.DeleteFunc(slices.Clone(*all), r.IsOf)
}

func (r Relation) in(p *hub.Person) *[]hub.Relative {
	if r.Guardian {
		return &p.Guardians
	}
	return &p.Children
}

// IsOf reports whether the relation is of this one.
func (r Relation) IsOf(who hub.Relative) bool {
	who.Until = r.Who.Until
	return who == r.Who
}

// relations reads those of custody, as they came.
func relations(block *document.Element) (all []Relation, err error) {
	for _, e := range block.All("Relation") {
		kind := e.Value("Relationstyp")
		if kind != "V" && kind != "VF" {
			continue
		}
		r := Relation{Guardian: kind == "V", Status: e.Attr("status"), Left: departure(e)}
		if r.Who, err = relative(e); err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// relative reads who stands at the other end of a relation. Who was never registered has a birth
// date with zeros after it, and a name.
func relative(relation *document.Element) (hub.Relative, error) {
	who := hub.Relative{
		Given:  relation.Value("Namn/Fornamn"),
		Family: relation.Value("Namn/Efternamn"),
	}
	if number := relation.Value("RelationId/PersonNr"); number != "" {
		id, err := hub.ParsePersonID(number)
		if err != nil {
			return who, ErrNoRelative
		}
		who.ID, who.Birth = id, BirthOf(id)
	} else {
		who.Birth = date(firstDigits(relation.Value("RelationId/FodelsetidNr"), 8))
	}
	if who == (hub.Relative{}) {
		return who, ErrNoRelative
	}
	who.Until = date(relation.Value("RelationTomdatum"))
	return who, nil
}

// OfDay leaves of a person's relatives those who are it on a day. The register is not asked to close
// what a birthday closes, so that age counts here too.
func OfDay(p hub.Person, today time.Time) hub.Person {
	born := p.Birth
	if born == "" {
		born = BirthOf(p.ID)
	}
	over := func(r hub.Relative) bool { return isPast(r.Until, today) }
	p.Guardians = without(p.Guardians, func(r hub.Relative) bool { return isAdult(born, today) || over(r) })
	p.Children = without(p.Children, func(r hub.Relative) bool { return isAdult(r.Birth, today) || over(r) })
	return p
}

// without leaves out those of whom something is so, and is nil when nobody is left.
func without(all []hub.Relative, is func(hub.Relative) bool) (left []hub.Relative) {
	for _, r := range all {
		if !is(r) {
			left = append(left, r)
		}
	}
	return left
}
