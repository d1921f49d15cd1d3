package hub

import (
	"maps"
	"sync"
)

// A Reached remembers who has heard of a Telling that did not reach everybody, so that nobody
// is told twice because somebody else could not be. It is for a Teller that tells persons
// one by one, and remembers as long as the process lives. The zero value remembers nobody.
type Reached struct {
	mu sync.Mutex
	by map[Key]map[PersonID]bool
}

// Each has tell tell everybody whom t is for and who has not heard, and gives the answer.
// ordinal is her place among them, from 1, and always the same. Whom a *not now* or a *don't
// know* is about is told when t is told again; unless it is about the whole system, it keeps
// nobody else from hearing. Nor does a *no*, which is the answer only when nobody has heard.
func (r *Reached) Each(t Telling, tell func(ordinal int, c Contact) error) error {
	heard := r.of(t.Key)
	var refused, waiting error
	for i, c := range t.To {
		if heard[c.Person] {
			continue
		}
		err := tell(i+1, c)
		a, _, cause := AnswerOf(Receipt{Number: "heard"}, err)
		switch a {
		case Yes:
			heard[c.Person] = true
		case No:
			refused = err
		default:
			waiting = err
		}
		if a == DontKnow || cause != "" {
			break
		}
	}
	switch {
	case waiting != nil:
		r.keep(t.Key, heard)
		return waiting
	case len(heard) > 0:
		refused = nil
	}
	r.keep(t.Key, nil)
	return refused
}

func (r *Reached) of(k Key) map[PersonID]bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	heard := map[PersonID]bool{}
	maps.Copy(heard, r.by[k])
	return heard
}

// mostReached bounds what is remembered: what a person has settled is not told again, and
// nobody says so.
const mostReached = 10_000

func (r *Reached) keep(k Key, heard map[PersonID]bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case len(heard) == 0:
		delete(r.by, k)
	case r.by == nil || len(r.by) >= mostReached:
		r.by = map[Key]map[PersonID]bool{k: heard}
	default:
		r.by[k] = heard
	}
}
