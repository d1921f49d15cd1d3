package kir

import (
	"cmp"
	"slices"

	"github.com/knutpunkt/knutpunkt/connectors/folkbokforing"
	"github.com/knutpunkt/knutpunkt/hub"
)

// A slate has whom the posts of a part are about, as the register will have them: first as they
// were, then as each post in turn changes them.
type slate struct {
	*importing
	persons map[hub.PersonID]hub.Person // no longer there are those who are gone
	written []hub.PersonID              // in the order in which they first were
}

// slate reads those whom the posts are about, and whom they refer to.
func (i *importing) slate() (*slate, error) {
	s := &slate{importing: i, persons: map[hub.PersonID]hub.Person{}}
	var ids []hub.PersonID
	for _, p := range i.posts {
		ids = append(append(ids, p.Person.ID), p.References...)
	}
	coming, err := i.env.Residents.Coming(i.ctx, ids...)
	for _, p := range coming {
		s.persons[p.ID] = p
	}
	return s, err
}

// outcome gives whom the register is to tell of, and who is gone.
func (s *slate) outcome() (told []hub.Person, gone []hub.PersonID) {
	for _, id := range s.written {
		if p, there := s.persons[id]; there {
			told = append(told, p)
		} else {
			gone = append(gone, id)
		}
	}
	return told, gone
}

func (s *slate) put(p hub.Person) {
	s.touch(p.ID)
	s.persons[p.ID] = p
}

func (s *slate) touch(id hub.PersonID) {
	if !slices.Contains(s.written, id) {
		s.written = append(s.written, id)
	}
}

// write has a post change the one whom it is about.
func (s *slate) write(post folkbokforing.Post) {
	had, known := s.persons[post.Person.ID]
	var now hub.Person
	if s.file.Extract {
		now = post.Entire(s.conf.Delivers)
	} else {
		now = changed(had, post)
	}
	now.Protection = s.protection(had.Protection, post)
	for _, id := range post.References {
		if former, there := s.persons[id]; there && folkbokforing.Replaced(former.Left) {
			folkbokforing.Raise(&now, former.Protection) // another number does not lower a mark
		}
	}
	closeTo(&now, had.Protection, post)
	switch {
	case folkbokforing.Replaced(now.Left):
		s.renumber(had, known, now, post.References)
	case s.hasLeft(now):
		delete(s.persons, now.ID)
		s.touch(now.ID)
	default:
		s.put(settled(now))
	}
}

// hasLeft reports whether somebody is no longer a resident. The dead stay, as dead.
func (s *slate) hasLeft(p hub.Person) bool {
	if p.Left.Reason != "" && !p.Left.Deceased() {
		return true
	}
	return p.Registered != "" && string(p.Registered) != s.conf.Municipality
}

// settled takes from the dead what only the living have.
func settled(p hub.Person) hub.Person {
	if p.Left.Deceased() {
		p.Registered, p.Guardians, p.Children = "", nil, nil
		folkbokforing.CloseAddresses(&p)
	}
	return p
}

// renumber leaves of an old number that it is one, and where it leads; what was known of its holder is
// known under the new one.
func (s *slate) renumber(had hub.Person, known bool, now hub.Person, references []hub.PersonID) {
	for _, id := range references {
		current, there := s.persons[id]
		switch {
		case there && folkbokforing.Replaced(current.Left):
			continue
		case !there && (!known || len(references) > 1 || folkbokforing.Replaced(had.Left)):
			continue
		case !there:
			current = had
			current.ID, current.Birth, current.Left = id, folkbokforing.BirthOf(id), hub.Departure{}
		}
		folkbokforing.Raise(&current, now.Protection)
		current.Previous = union([]hub.PersonID{now.ID}, without(current.Previous, id))
		s.put(current)
	}
	s.put(hub.Person{ID: now.ID, Previous: references, Left: now.Left, Protection: now.Protection, Changed: now.Changed})
}

func without(ids []hub.PersonID, id hub.PersonID) []hub.PersonID {
	return slices.DeleteFunc(slices.Clone(ids), func(other hub.PersonID) bool { return other == id })
}

// changed is what is known of somebody after a change. What the post did not carry is as it was; an
// address is one field, and so is a list of relations in a post that is whole.
func changed(had hub.Person, post folkbokforing.Post) hub.Person {
	now, news := had, post.Person
	now.ID = news.ID
	now.Given, now.Middle, now.Family = cmp.Or(news.Given, had.Given), cmp.Or(news.Middle, had.Middle), cmp.Or(news.Family, had.Family)
	if post.Total && news.Delivered.Name {
		now.Middle = news.Middle
	}
	if news.Given != "" || post.Calling != "" {
		now.Calling = folkbokforing.CallingName(now.Given, post.Calling)
	}
	now.Birth, now.Civil = cmp.Or(news.Birth, had.Birth), cmp.Or(news.Civil, had.Civil)
	now.Registered, now.Property = cmp.Or(news.Registered, had.Registered), cmp.Or(news.Property, had.Property)
	now.Address, now.Special, now.Abroad = cmp.Or(news.Address, had.Address), cmp.Or(news.Special, had.Special), cmp.Or(news.Abroad, had.Abroad)
	now.Left, now.Changed = cmp.Or(news.Left, had.Left), cmp.Or(news.Changed, had.Changed)
	now.Previous = union(had.Previous, post.References)
	has := &now.Delivered
	has.Name = has.Name || now.Given != "" && now.Family != ""
	has.Address = has.Address || news.Address != nil || news.Special != nil
	has.Relations = has.Relations || post.Total && news.Delivered.Relations
	relate(&now, post)
	return now
}

// relate changes somebody's relatives. A post that is whole lists them all; another one tells what
// has become of some. What the authority means by its other words about a relation is not public, so
// that nothing is told of relatives after one of them until all are listed again.
func relate(p *hub.Person, post folkbokforing.Post) {
	if post.Total && post.Person.Delivered.Relations {
		p.Guardians, p.Children = nil, nil
	}
	for _, r := range post.Relations {
		switch {
		case r.Over(), r.Status == "AS", r.Status == "AV": // ended, and dead
			r.TakeFrom(p)
		case r.Status == "", r.Status == "NY":
			r.TakeFrom(p) // what it was before
			r.AddTo(p)
		default:
			p.Delivered.Relations = false
		}
	}
}

// protection is how somebody is protected after a post. A blank never clears a mark, not in a
// grunduttag either, and a N counts from an order that delivers marks alone. A mark that cannot be read
// counts as set for who is marked already, and is unknown for others.
func (s *slate) protection(had hub.Protection, post folkbokforing.Post) hub.Protection {
	secrecy, registration := post.Secrecy, post.Registration
	if !s.conf.Delivers.Has(folkbokforing.Protection) {
		secrecy, registration = onlySet(secrecy), onlySet(registration)
	}
	marked := had == hub.Marked || had == hub.ProtectedRegistration
	unread := func(m folkbokforing.Mark) bool { return m == folkbokforing.Unreadable }
	switch {
	case registration == folkbokforing.Set,
		had == hub.ProtectedRegistration && registration != folkbokforing.Unset,
		unread(registration) && (marked || secrecy == folkbokforing.Set):
		return hub.ProtectedRegistration
	case secrecy == folkbokforing.Set, marked && secrecy != folkbokforing.Unset:
		return hub.Marked
	case unread(secrecy), unread(registration):
		return hub.ProtectionUnknown
	case marked, had == hub.NotProtected:
		return hub.NotProtected
	case s.file.Extract && s.conf.Delivers.Has(folkbokforing.Protection),
		secrecy == folkbokforing.Unset && registration == folkbokforing.Unset:
		return hub.NotProtected
	}
	return hub.ProtectionUnknown
}

func onlySet(m folkbokforing.Mark) folkbokforing.Mark {
	if m == folkbokforing.Set {
		return m
	}
	return folkbokforing.Blank
}

// closeTo takes away the home address of who has, or may have, skyddad folkbokföring, also one that an
// earlier file gave. When that is over the address is not known until it is told.
func closeTo(p *hub.Person, had hub.Protection, post folkbokforing.Post) {
	closed := func(q hub.Protection) bool { return q == hub.ProtectedRegistration || q == hub.ProtectionUnknown }
	if closed(p.Protection) {
		folkbokforing.CloseAddresses(p)
	}
	if p.Protection == hub.ProtectionUnknown ||
		had == hub.ProtectedRegistration && !closed(p.Protection) && post.Person.Address == nil {
		p.Delivered.Address = false
	}
}
