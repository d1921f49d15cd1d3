package hub

import (
	"context"
	"slices"
)

// Who follows a case in Mina ärenden, and who is told outside it. Somebody in a case may
// be whom another in it is protected from, so only she who sent the form in sees it at
// once. Everybody else has been named, by her or by a register, and sees it when each
// person in the case is known not to be protected, which must be known anew each day.

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

// everybody is who is in a case, over all of its forms, and what registers have said of
// them. A later form may name a protected person whom the first did not, or leave her out.
type everybody struct {
	parties []Party
	answers []RegisterAnswer
	senders []PersonID
}

func (e *everybody) join(parties []Party, answers []RegisterAnswer) {
	e.parties, e.answers = append(e.parties, parties...), append(e.answers, answers...)
	e.senders = append(e.senders, sender(parties)...)
}

// others gives who may follow the case beside who sent its forms in; nobody, when somebody
// in it is protected.
func (e everybody) others(r *Route) []PersonID {
	if !Harmless(e.parties, e.answers) {
		return nil
	}
	var all []PersonID
	add := func(id PersonID) {
		if !id.IsZero() && !slices.Contains(all, id) && !slices.Contains(e.senders, id) {
			all = append(all, id)
		}
	}
	for _, p := range e.parties {
		if p.Follows {
			add(p.ID)
		}
	}
	for _, a := range e.answers {
		if r.letsFollow(a.As) {
			for _, p := range a.Persons {
				add(p.ID)
			}
		}
	}
	return all
}

// everybodyIn reads who is in a case's forms, but for one that the caller knows. Forms that
// were taken back or turned away are not the case's any more.
func (h *Hub) everybodyIn(ctx context.Context, c Case, but Key) (everybody, error) {
	var all everybody
	for _, p := range c.Submissions {
		if p.Key == but || p.State == Withdrawn || p.State == Rejected {
			continue
		}
		r, err := h.remember(ctx, p.Submission)
		if err != nil {
			return all, err
		}
		all.join(r.submission.Parties, r.answers)
	}
	return all, nil
}

// letsFollow reports whether whom a look-up names may follow the case.
func (r *Route) letsFollow(as string) bool {
	return r != nil && slices.ContainsFunc(r.Enrich, func(e Enrichment) bool { return e.As == as && e.Follows })
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
func (e everybody) contacts(r *Route, carries bool) []Contact {
	var to []Contact
	for _, id := range append(slices.Clone(e.senders), e.others(r)...) {
		c := e.contact(id)
		if protectionOf(id, e.answers).Protected() {
			c.Email, c.Phone = "", ""
			if !carries {
				continue
			}
		}
		if !slices.ContainsFunc(to, func(had Contact) bool { return had.Person == id }) {
			to = append(to, c)
		}
	}
	return to
}

// contact gives where somebody wants to be told, as the latest form says.
func (e everybody) contact(id PersonID) Contact {
	c := Contact{Person: id}
	for _, p := range e.parties {
		if p.ID == id && p.Email+p.Phone != "" {
			c.Email, c.Phone = p.Email, p.Phone
		}
	}
	return c
}
