package navet

import (
	"strings"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// readProtection reads the two marks of a record, Sekretessmarkering (01003) and SkyddadFolkbokforing
// (01020), and takes away the addresses that a mark forbids.
func (r *register) readProtection(p *hub.Person, record *document.Element) {
	secrecy, registration := r.mark(record, "Sekretessmarkering"), r.mark(record, "SkyddadFolkbokforing")
	switch {
	case registration == set:
		p.Protection = hub.ProtectedRegistration
	case secrecy == set:
		p.Protection = hub.Marked
	case secrecy == unset && registration == unset:
		p.Protection = hub.NotProtected
	}
	if registration != unset {
		closeAddresses(p)
	}
}

// A mark is one of the two flags. Its zero value is that nobody can tell.
type mark uint8

const (
	unreadable mark = iota
	unset
	set
)

// mark reads one flag of a record. In a record from an order that delivers them, one that is absent,
// nil or empty means N: that is its default in the schema. From another order only a J says anything.
// It is looked for in the whole record and not in its place only, since a flag that a later release
// has moved must not be taken for one that is absent.
func (r *register) mark(record *document.Element, name string) mark {
	m := unset
	if !r.delivers(deliversProtection) {
		m = unreadable
	}
	for _, value := range valuesOf(record, name) {
		switch value {
		case "J":
			return set
		case "N", "":
		default:
			m = unreadable
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

// closeAddresses takes away the addresses of who has, or may have, skyddad folkbokföring, whatever
// came: only the special postal address may be used.
func closeAddresses(p *hub.Person) { p.Address, p.Abroad, p.Property = nil, nil, "" }

// raise carries a mark from an older number's record over to the newer one's, where it is the stronger.
// What the newer record leaves unknown stays unknown.
func raise(p *hub.Person, earlier hub.Protection) {
	if earlier == hub.Marked || earlier == hub.ProtectedRegistration {
		p.Protection = p.Protection.Strictest(earlier)
	}
	if p.Protection == hub.ProtectedRegistration {
		closeAddresses(p)
	}
}
