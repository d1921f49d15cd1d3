package hub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// A gate stands before one system. It keeps to the system's pace and to how many
// calls it bears at a time, and it closes the way while the system is out of
// order: an outage is one incident, however many deliveries wait behind it.
type gate struct {
	clock  func() time.Time
	closed func(time.Time) bool // a planned window; nil for none
	calls  chan struct{}        // room for calls under way, of all processes
	blind  bool                 // what it may have taken can be neither asked about nor sent again

	mu       sync.Mutex
	owed     int           // of the room, what is other processes'
	lent     int           // of that, what they have: the rest is given up as calls come to their end
	between  time.Duration // one call and the next, from the pace
	paused   *Pause        // by a person; nil when it is not
	next     time.Time     // when the next call may begin
	circuit  Circuit       // its Cause is "" while it is closed; its Since is kept until all is as before
	until    time.Time     // when a probe may go
	probe    time.Duration // how long the latest probe was waited for
	ramp     int           // how many may go at once after an outage; 0 = all
	answered int           // answers since that was last raised
	strange  int           // answers in a row that were no answers
	unclear  int           // answers in a row that did not come
	turn     time.Time     // when the last of those who were sent away is to come back

	uncollected Circuit // why forms cannot be collected from it; its Cause is "" while they can
}

// Limits of a gate.
const (
	usualCalls     = 8                     // at a time, where nobody has written how many a system takes
	probeAfter     = 10 * time.Second      // how long an open circuit waits before one call may try again
	probeSeldom    = 30 * time.Second      // at the most, however long it has been open
	probeDearly    = time.Hour             // where an answer that does not come costs a person's time
	strangeAllowed = 3                     // answers that are no answers, before the circuit opens
	unclearAllowed = 5                     // answers that do not come, before the circuit opens
	queueFor       = time.Second           // how long a call waits for room, so that one slow system holds nobody up
	comeBackIn     = 5 * time.Second       // when there was no room
	elsewhereIn    = time.Second           // and when all of it is other processes', one of which will take it up
	betweenFull    = 10 * time.Millisecond // between those who come back then
	betweenClosed  = time.Second           // between those who come back to see whether it is over
	lastTurn       = 10 * time.Minute      // and nobody is sent away for longer than that
)

func newGate(s Opened, clock func() time.Time) *gate {
	g := &gate{
		clock: clock, closed: s.Closed, calls: make(chan struct{}, cmp.Or(s.Concurrency, usualCalls)), blind: s.Can.blind(),
		circuit: Circuit{System: s.ID},
	}
	g.keepTo(s.Pace)
	return g
}

// keepTo sets how many calls may begin in a second; 0 means no limit.
func (g *gate) keepTo(pace float64) {
	g.between = 0
	if pace > 0 {
		g.between = time.Duration(float64(time.Second) / pace)
	}
}

// share has the gate keep to the smaller of two parts, as it was at the look before and as it
// is now. It reports whether there is more room.
func (g *gate) share(before, now part) (more bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.keepTo(min(before.pace, now.pace))
	g.owed = cap(g.calls) - min(before.calls, now.calls)
	for ; g.lent > g.owed; g.lent-- {
		<-g.calls
		more = true
	}
	for ; g.lent < g.owed; g.lent++ {
		select {
		case g.calls <- struct{}{}:
		default:
			return more
		}
	}
	return more
}

// leave gives a place back, or to the process that it is owed to.
func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.lent < g.owed {
		g.lent++
		return
	}
	<-g.calls
}

// room is how many calls this process may have under way.
func (g *gate) room() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.own()
}

func (g *gate) own() int      { return cap(g.calls) - g.owed }
func (g *gate) underWay() int { return len(g.calls) - g.lent }

var (
	// errClosed says that a system is not to be called now.
	errClosed = errors.New("the system is out of order")
	// errFull says that a system has as much to do as it bears.
	errFull = errors.New("the system has as much to do as it bears")
	// errElsewhere says that all that a system bears is other processes' to ask of it.
	errElsewhere = fmt.Errorf("another process makes its calls: %w", errFull)
	// errNotCalled says that f found, when its turn came, that there was nothing to do.
	errNotCalled = errors.New("the system was not called")
)

// call runs f when the gate lets it, and learns from how it went. A connector that
// panics has given no answer. Where the way is closed or full, call gives Later at
// once, and f is not run.
func (g *gate) call(ctx context.Context, f func() error) error {
	called, err := g.visit(ctx, f)
	if called {
		g.learnFrom(err)
	}
	return err
}

// visit is call for what says little of how the system takes deliveries: nothing is
// learned from it.
func (g *gate) visit(ctx context.Context, f func() error) (called bool, err error) {
	if err := g.enter(ctx); err != nil {
		return false, err
	}
	defer g.leave()
	defer func() {
		if recover() != nil {
			called, err = true, Strange(errors.New("the connector panicked"))
		}
	}()
	return true, f()
}

// blind reports whether there are operations and every one of them is blind.
func (c Capabilities) blind() bool {
	for _, can := range c {
		if can.Level != Blind {
			return false
		}
	}
	return len(c) > 0
}

// enter takes a place among the calls under way.
func (g *gate) enter(ctx context.Context) error {
	if wait := g.closedFor(); wait > 0 {
		return Later(errClosed, g.comeBack(wait, betweenClosed))
	}
	if g.room() == 0 {
		return Later(errElsewhere, g.comeBack(elsewhereIn, betweenFull))
	}
	queue := time.NewTimer(queueFor)
	defer queue.Stop()
	select {
	case g.calls <- struct{}{}:
	case <-queue.C:
		return g.full()
	case <-ctx.Done():
		return Later(ctx.Err(), 0)
	}
	err := g.keepPace(ctx)
	if err == nil && !g.mayGo() { // while it waited, others found the system out of order
		err = errClosed
	}
	if err != nil {
		g.leave()
		return Later(err, g.comeBack(max(g.closedFor(), time.Second), betweenClosed))
	}
	return nil
}

// full sends somebody away for whom there is no room.
func (g *gate) full() error { return Later(errFull, g.comeBack(comeBackIn, betweenFull)) }

// comeBack gives who is sent away for at least so long a turn of its own: thousands who
// wait for one system do not all come back at once, each time in vain.
func (g *gate) comeBack(wait, between time.Duration) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.clock()
	if d := g.turn.Sub(now); d < wait || d > wait+lastTurn {
		g.turn = now.Add(wait)
	}
	wait = g.turn.Sub(now)
	g.turn = g.turn.Add(between)
	return wait
}

// mayGo reports whether who has a place may call.
func (g *gate) mayGo() bool {
	if g.closedFor() > 0 {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.ramp == 0 || g.underWay() <= g.ramp
}

// free is how many more calls may begin, when busy are claimed or under way.
func (g *gate) free(busy int) int {
	if g.closedFor() > 0 {
		return 0
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	limit := g.own()
	if g.ramp > 0 {
		limit = min(limit, g.ramp)
	}
	return max(limit-max(busy, g.underWay()), 0)
}

// closedFor is how long nothing may be sent: while the circuit is open, and, minute
// by minute, while a planned window or a person's pause lasts. A clock that was set back keeps nothing closed.
func (g *gate) closedFor() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.clock()
	wait := g.until.Sub(now)
	if wait > ClampWait(wait) {
		g.until, wait = now, 0
	}
	if g.rests(now) {
		wait = max(wait, time.Minute)
	}
	return wait
}

// rests reports whether the system is not to be called whatever it would answer: in a planned
// window, and while a person has paused it.
func (g *gate) rests(now time.Time) bool {
	return g.paused != nil || g.closed != nil && g.closed(now)
}

// open tells why the system is not called and since when; the Cause is "" when it is.
func (g *gate) open() Circuit {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.paused != nil:
		return Circuit{g.circuit.System, Paused, g.paused.Since, g.paused.By}
	case g.circuit.Cause == "":
		return Circuit{System: g.circuit.System}
	}
	return g.circuit
}

// keepPace waits until the system's pace allows another call.
func (g *gate) keepPace(ctx context.Context) error {
	g.mu.Lock()
	if g.between == 0 {
		g.mu.Unlock()
		return nil
	}
	now := g.clock()
	if queue := time.Duration(cap(g.calls)) * g.between; g.next.Before(now) || g.next.After(now.Add(queue)) {
		g.next = now
	}
	wait := g.next.Sub(now)
	g.next = g.next.Add(g.between)
	g.mu.Unlock()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// learnFrom reads how a call went. That somebody or something is not there is an
// answer like any other.
func (g *gate) learnFrom(err error) {
	switch a, wait, cause := AnswerOf(Receipt{Number: "asked"}, err); {
	case errors.Is(err, errNotCalled), errors.As(err, new(*stopped)): // what failed is ourselves
	case err == nil, errors.Is(err, ErrNotFound), errors.Is(err, ErrGone), errors.Is(err, ErrMismatch),
		errors.Is(err, ErrPartly):
		g.learn(Yes, 0, "", "")
	default:
		g.learn(a, wait, cause, noteOf(err))
	}
}

// learn opens the circuit on what is no fault of a document, and closes it, step by
// step, on answers. One lost answer is no outage, and a few in a row are; where the
// system is only just coming back, one is enough.
func (g *gate) learn(a Answer, wait time.Duration, cause Cause, note string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case cause == ContractBroken:
		if g.strange++; g.strange < strangeAllowed && g.ramp == 0 {
			return
		}
	case cause == "" && (a == DontKnow || a == NotNow):
		if g.unclear++; g.unclear < unclearAllowed && g.ramp == 0 {
			return
		}
		cause, wait = Down, 0
	}
	if cause == "" {
		g.rise()
		return
	}
	g.circuit.Cause, g.circuit.Note = cause, note
	g.shut(a, wait)
}

// shut keeps the way closed until the next probe. Who was on the way already when the
// circuit opened is no probe. An outage goes on until all is as before it: a relapse on
// the way there is the same outage.
func (g *gate) shut(a Answer, wait time.Duration) {
	now := g.clock()
	if g.ramp == 0 {
		g.circuit.Since = now
	}
	if wait == 0 && !now.Before(g.until) {
		g.probe = min(max(2*g.probe, probeAfter), g.longest(a))
		wait = g.probe
	}
	if until := now.Add(wait); g.until.Before(until) {
		g.until = until
	}
	g.ramp, g.answered = 1, 0
}

// longest is how long a probe is waited for at the most. Most cost a row in a log; one
// that a blind system may have taken costs a person's time.
func (g *gate) longest(a Answer) time.Duration {
	if g.blind && a == DontKnow {
		return probeDearly
	}
	return probeSeldom
}

// rise closes the circuit, and lets twice as many go at once when as many as may have
// been answered.
func (g *gate) rise() {
	g.strange, g.unclear, g.probe, g.until = 0, 0, 0, time.Time{}
	g.circuit.Cause, g.circuit.Note = "", ""
	if g.ramp == 0 {
		return
	}
	if g.answered++; g.answered < g.ramp {
		return
	}
	g.answered = 0
	if g.ramp *= 2; g.ramp >= g.own() {
		g.ramp = 0
	}
}
