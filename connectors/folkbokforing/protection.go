package folkbokforing

import (
	"strings"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// A Mark is what a post says of one of the two flags.
type Mark uint8

const (
	Blank      Mark = iota // absent, nil or empty
	Unset                  // N
	Set                    // J
	Unreadable             // neither J nor N, so that nobody can tell
)

// markOf reads one flag of a record. It is looked for in the whole record and not in its place only,
// since a flag that a later release has moved must not be taken for one that is absent.
func markOf(record *document.Element, name string) Mark {
	m := Blank
	for _, value := range valuesOf(record, name) {
		switch {
		case value == "J":
			return Set
		case value == "N" && m == Blank:
			m = Unset
		case value != "N" && value != "":
			m = Unreadable
		}
	}
	return m
}

// valuesOf gives the texts of every element with a local name below e.
func valuesOf(e *document.Element, name string) (values []string) {
	for _, c := range e.Children {
		if c.Local() == name {
			values = append(values, strings.TrimSpace(c.Text))
		}
		values = append(values, valuesOf(c, name)...)
	}
	return values
}

// In gives what a mark says in a post that is whole. From an order that delivers marks, a blank means
// N: that is its default in the schema. From another order only a J says anything.
func (m Mark) In(d Delivers) Mark {
	switch {
	case m == Set:
		return Set
	case !d.Has(Protection):
		return Unreadable
	case m == Blank:
		return Unset
	}
	return m
}

// protect gives a person the marks of a post that is whole, and takes away the addresses that a mark
// forbids.
func (p Post) protect(person *hub.Person, d Delivers) {
	secrecy, registration := p.Secrecy.In(d), p.Registration.In(d)
	person.Protection = hub.ProtectionUnknown
	switch {
	case registration == Set:
		person.Protection = hub.ProtectedRegistration
	case secrecy == Set:
		person.Protection = hub.Marked
	case secrecy == Unset && registration == Unset:
		person.Protection = hub.NotProtected
	}
	if registration != Unset {
		CloseAddresses(person)
	}
}

// CloseAddresses takes away the addresses of who has, or may have, skyddad folkbokföring, whatever
// came: only the special postal address may be used.
func CloseAddresses(p *hub.Person) { p.Address, p.Abroad, p.Property = nil, nil, "" }

// Raise carries a mark from an older number's record over to the newer one's, where it is the stronger.
// What the newer record leaves unknown stays unknown.
func Raise(p *hub.Person, earlier hub.Protection) {
	if earlier == hub.Marked || earlier == hub.ProtectedRegistration {
		p.Protection = p.Protection.Strictest(earlier)
	}
	if p.Protection == hub.ProtectedRegistration {
		CloseAddresses(p)
	}
}
