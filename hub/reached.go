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
	by map[Key]map[PersonID]bool // true: she has heard; false: she will not
}

// Each has tell tell everybody whom t is for and who has not answered, and gives the answer.
// ordinal is her place among them, from 1, and always the same. Whom a *not now* or a *don't
// know* is about is told when t is told again; unless it is about the whole system, it keeps
// nobody else from hearing. Nor does a *no*, which is the answer only when nobody has heard,
// and is not asked for again.
func (r *Reached) Each(t Telling, tell func(ordinal int, c Contact) error) error {
	settled := r.of(t.Key)
	var refused, waiting error
	for i, c := range t.To {
		if _, answered := settled[c.Person]; answered {
			continue
		}
		err := tell(i+1, c)
		a, _, cause := AnswerOf(Receipt{Number: "heard"}, err)
		switch a {
		case Yes:
			settled[c.Person] = true
		case No:
			settled[c.Person], refused = false, err
		default:
			waiting = err
		}
		if a == DontKnow || cause != "" {
			break
		}
	}
	if waiting != nil {
		r.keep(t.Key, settled)
		return waiting
	}
	r.keep(t.Key, nil)
	for _, heard := range settled {
		if heard {
			return nil
		}
	}
	return refused
}

func (r *Reached) of(k Key) map[PersonID]bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	settled := map[PersonID]bool{}
	maps.Copy(settled, r.by[k])
	return settled
}

// mostReached bounds what is remembered: what a handler has settled is not told again, and
// nobody says so. Beyond it any one telling is forgotten for another.
const mostReached = 10_000

func (r *Reached) keep(k Key, settled map[PersonID]bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.by, k)
	if len(settled) == 0 {
		return
	}
	if r.by == nil {
		r.by = map[Key]map[PersonID]bool{}
	}
	for old := range r.by {
		if len(r.by) < mostReached {
			break
		}
		delete(r.by, old)
	}
	r.by[k] = settled
}
