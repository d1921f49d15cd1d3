// Package simfault is how simulators are told to fail: faults that are chosen beforehand, each of which
// strikes the next call that it fits, and the answers that failing HTTP systems of all kinds have in common.
// What a fault is, and which calls it fits, is each simulator's own. It is for simulators alone: they share
// nothing with the connectors that they test.
package simfault

import (
	"slices"
	"sync"
)

// A Queue holds faults of a simulator's own kind, in the order in which they shall strike. The zero Queue
// holds none. Its methods may be called at the same time.
type Queue[F any] struct {
	mu     sync.Mutex
	chosen []chosen[F]
}

type chosen[F any] struct {
	fault  F
	passed int // how many calls that fit have been let by
}

// Terms are what a fault says of one call.
type Terms struct {
	Fits   bool // the call is one that it may strike
	After  int  // so many calls that fit are let by first
	Always bool // it strikes until Heal, and else once
}

// Once are the terms of a fault that strikes any call, one time.
func Once[F any](F) Terms { return Terms{Fits: true} }

// Fail chooses faults, to strike after those that have been chosen.
func (q *Queue[F]) Fail(faults ...F) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, f := range faults {
		q.chosen = append(q.chosen, chosen[F]{fault: f})
	}
}

// Heal clears all faults that have been chosen.
func (q *Queue[F]) Heal() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.chosen = nil
}

// Next gives the fault that strikes a call, of which each fault has its terms; the zero fault when none does.
func (q *Queue[F]) Next(terms func(F) Terms) (struck F) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range q.chosen {
		c := &q.chosen[i]
		t := terms(c.fault)
		switch {
		case !t.Fits:
			continue
		case c.passed < t.After:
			c.passed++
			continue
		}
		struck = c.fault
		if !t.Always {
			q.chosen = slices.Delete(q.chosen, i, i+1)
		}
		return struck
	}
	return struck
}
