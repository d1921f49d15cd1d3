package hub

import "slices"

// Who follows a case in Mina ärenden, and who is told outside it. Somebody in a case may
// be whom another in it is protected from, so only she who sent the form in sees it at
// once. Everybody else has been named, by her or by a register, and sees it when each
// person in the case is known not to be protected.

// sender gives whose case a form is as soon as it has come in: the first of its parties
// that follows.
func sender(parties []Party) []PersonID {
	for _, p := range parties {
		if p.Follows && !p.ID.IsZero() {
			return []PersonID{p.ID}
		}
	}
	return nil
}

// following gives who else may follow it. Each way to be named is in it, also when it
// names nobody, so that what it gave before is taken back.
func following(r *Route, parties []Party, answers []RegisterAnswer) []Following {
	named := Following{Persons: []PersonID{}}
	for _, p := range parties {
		if p.Follows && !p.ID.IsZero() {
			named.Persons = append(named.Persons, p.ID)
		}
	}
	all := []Following{named}
	for _, a := range answers {
		if r.letsFollow(a.As) {
			all = append(all, Following{Through: a.As, Persons: identified(a.Persons)})
		}
	}
	if !Harmless(parties, answers) {
		all[0].Persons = sender(parties)
		for i := range all[1:] {
			all[1+i].Persons = nil
		}
	}
	return all
}

// letsFollow reports whether whom a look-up names may follow the case.
func (r *Route) letsFollow(as string) bool {
	return r != nil && slices.ContainsFunc(r.Enrich, func(e Enrichment) bool { return e.As == as && e.Follows })
}

func identified(persons []Person) []PersonID {
	var ids []PersonID
	for _, p := range persons {
		if !p.ID.IsZero() {
			ids = append(ids, p.ID)
		}
	}
	return ids
}

// Harmless reports whether registers have said of each person in a case that nothing
// protects her. Whom no register has been asked about counts as protected.
func Harmless(parties []Party, answers []RegisterAnswer) bool {
	for _, a := range answers {
		if a.Missed || slices.ContainsFunc(a.Persons, Person.Protected) {
			return false
		}
	}
	return !slices.ContainsFunc(parties, func(p Party) bool {
		return !p.ID.IsZero() && protectionOf(p.ID, answers).Protected()
	})
}

// protectionOf gives the strictest word on a person; unknown where nobody has been asked.
func protectionOf(id PersonID, answers []RegisterAnswer) Protection {
	said, found := NotProtected, false
	for _, a := range answers {
		for _, p := range a.Persons {
			if p.ID == id || slices.Contains(p.Previous, id) {
				said, found = said.Strictest(p.Protection), true
			}
		}
	}
	if !found {
		return ProtectionUnknown
	}
	return said
}

// contacts gives who is told of a case's news outside Mina ärenden, and where. Of somebody
// who may be protected only a Teller that can carry the mark hears at all, and never where
// she is reached.
func contacts(r *Route, parties []Party, answers []RegisterAnswer, carries bool) []Contact {
	var to []Contact
	add := func(c Contact) {
		if protectionOf(c.Person, answers).Protected() {
			if !carries {
				return
			}
			c.Email, c.Phone = "", ""
		}
		if !slices.ContainsFunc(to, func(had Contact) bool { return had.Person == c.Person }) {
			to = append(to, c)
		}
	}
	may := map[PersonID]bool{}
	for _, f := range following(r, parties, answers) {
		for _, id := range f.Persons {
			may[id] = true
		}
	}
	for _, p := range parties {
		if p.Follows && may[p.ID] {
			add(Contact{p.ID, p.Email, p.Phone})
		}
	}
	for _, a := range answers {
		for _, p := range a.Persons {
			if r.letsFollow(a.As) && may[p.ID] {
				add(Contact{Person: p.ID})
			}
		}
	}
	return to
}
