package main

import "sync"

// A moment is one of the moments at which a process may die, as they can be seen from outside.
type moment string

const (
	anyTime     moment = "any"
	duringPost  moment = "accept"   // a form is on its way in
	after202    moment = "received" // a 202 has just been read
	duringAsk   moment = "enrich"   // the register is being asked
	duringSend  moment = "send"     // a system has a document and has not answered
	afterAnswer moment = "settle"   // a system has answered just now
	duringFind  moment = "find"     // a system is being asked about an earlier attempt
	afterNews   moment = "status"   // a system has told what has happened
)

// moments are those at which the nemesis strikes, in turn.
var moments = []moment{duringSend, after202, afterAnswer, duringAsk, duringFind, afterNews, duringPost, anyTime}

// A hook lets the nemesis strike at a moment that somebody else sees come.
type hook struct {
	mu     sync.Mutex
	armed  moment
	strike func()
}

// arm has strike called once, by whoever next sees the moment come.
func (h *hook) arm(m moment, strike func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.armed, h.strike = m, strike
}

// reached says that a moment has come. It returns when the nemesis is done.
func (h *hook) reached(m moment) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.armed != m || h.strike == nil {
		return
	}
	h.strike()
	h.strike = nil
}

// disarm takes back what was not reached, and reports whether it was reached after all.
func (h *hook) disarm() (struck bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	struck = h.strike == nil
	h.strike = nil
	return struck
}

// waiting reports whether the moment has not come yet.
func (h *hook) waiting() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.strike != nil
}
