package hub

import (
	"context"
	"sync"
	"time"
)

// lookups has those who ask a register about the same person at the same time share one
// call, and keeps the answer for a short while: a family that applies for each of its
// children is asked about once. A municipality never shares with another one, and an
// answer about who is protected is shared with nobody.
type lookups struct {
	mu   sync.Mutex
	made map[question]*lookup
}

// A question is what a register is asked, and for whom.
type question struct {
	register     SystemID
	municipality Municipality
	person       PersonID
}

// A lookup is one call, under way until done is closed.
type lookup struct {
	done   chan struct{}
	person Person
	err    error
}

// keepLookups is how long an answer is kept in memory, and mostLookups how many.
const (
	keepLookups = 10 * time.Minute
	mostLookups = 4096
)

func newLookups() *lookups { return &lookups{made: map[question]*lookup{}} }

// ask gives what was answered to the question a moment ago, or waits for who is asking it
// now, or calls. Who has waited as long as one waits for room gets errFull.
func (l *lookups) ask(ctx context.Context, q question, call func() (Person, error)) (Person, error) {
	made, first := l.take(q)
	if first {
		defer l.end(q, made)
		made.person, made.err = call()
		return made.person, made.err
	}
	patience := time.NewTimer(queueFor)
	defer patience.Stop()
	select {
	case <-made.done:
	case <-patience.C:
		return Person{}, errFull
	case <-ctx.Done():
		return Person{}, ctx.Err()
	}
	if made.err == nil && made.person.Protected() {
		return call()
	}
	return made.person, made.err
}

// take gives the call that answers a question; first says that it is still to be made.
func (l *lookups) take(q question) (made *lookup, first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if made := l.made[q]; made != nil {
		return made, false
	}
	made = &lookup{done: make(chan struct{}), err: errUnready}
	l.made[q] = made
	return made, true
}

// end lets those go on who wait for a call, and keeps its answer or forgets it.
func (l *lookups) end(q question, made *lookup) {
	close(made.done)
	l.mu.Lock()
	defer l.mu.Unlock()
	if made.err != nil || made.person.Protected() || len(l.made) > mostLookups {
		delete(l.made, q)
		return
	}
	time.AfterFunc(keepLookups, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.made, q)
	})
}
