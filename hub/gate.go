package hub

import (
	"context"
	"errors"
	"sync"
	"time"
)

// A gate stands before one system. It keeps to the system's pace and to how many
// calls it bears at a time, and it closes the way while the system is out of
// order: an outage is one incident, however many deliveries wait behind it.
type gate struct {
	clock  func() time.Time
	closed func(time.Time) bool // a planned window; nil for none
	calls  chan struct{}        // room for calls under way

	mu      sync.Mutex
	pause   time.Duration // between calls, from the pace
	next    time.Time     // when the next call may begin
	cause   Cause         // why the circuit is open; "" when it is closed
	since   time.Time     // when it opened
	until   time.Time     // when a probe may go
	ramp    int           // how many may go at once after an outage; 0 = all
	strange int           // answers in a row that were no answers
}

// probeAfter is how long an open circuit waits before one call may try again.
const probeAfter = 10 * time.Second

// strangeAllowed is how many answers that are no answers open the circuit.
const strangeAllowed = 3

func newGate(s Opened, clock func() time.Time) *gate {
	n := s.Concurrency
	if n == 0 {
		n = 8
	}
	g := &gate{clock: clock, closed: s.Closed, calls: make(chan struct{}, n)}
	if s.Pace > 0 {
		g.pause = time.Duration(float64(time.Second) / s.Pace)
	}
	return g
}

// errClosed says that a system is not to be called now.
var errClosed = errors.New("the system is out of order")

// call runs f when the gate lets it, and learns from how it went. It does not wait
// for a closed circuit, but gives Later at once.
func (g *gate) call(ctx context.Context, f func() error) error {
	if wait := g.closedFor(); wait > 0 {
		return Later(errClosed, wait)
	}
	select {
	case g.calls <- struct{}{}:
	case <-ctx.Done():
		return Later(ctx.Err(), 0)
	}
	defer func() { <-g.calls }()
	if err := g.keepPace(ctx); err != nil {
		return Later(err, 0)
	}
	err := f()
	switch a, wait, cause := AnswerOf(Receipt{Number: "asked"}, err); {
	case errors.Is(err, ErrNotFound), errors.Is(err, ErrGone), errors.Is(err, ErrMismatch):
		g.learn(Yes, 0, "")
	default:
		g.learn(a, wait, cause)
	}
	return err
}

// free is how many more calls may begin now.
func (g *gate) free() int {
	if g.closedFor() > 0 {
		return 0
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	free := cap(g.calls) - len(g.calls)
	if g.ramp > 0 {
		free = min(free, g.ramp-len(g.calls))
	}
	return max(free, 0)
}

// closedFor is how long nothing may be sent: while the circuit is open, and, minute
// by minute, while a planned window lasts.
func (g *gate) closedFor() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.clock()
	wait := g.until.Sub(now)
	if g.closed != nil && g.closed(now) {
		wait = max(wait, time.Minute)
	}
	return wait
}

// open tells why the circuit is open and since when; cause is "" when it is not.
func (g *gate) open() (cause Cause, since time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.cause, g.since
}

// keepPace waits until the system's pace allows another call.
func (g *gate) keepPace(ctx context.Context) error {
	if g.pause == 0 {
		return nil
	}
	g.mu.Lock()
	now := g.clock()
	if g.next.Before(now) {
		g.next = now
	}
	wait := g.next.Sub(now)
	g.next = g.next.Add(g.pause)
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

// learn opens the circuit on what is no fault of a document, and closes it, step
// by step, on answers.
func (g *gate) learn(a Answer, wait time.Duration, cause Cause) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if cause == ContractBroken {
		g.strange++
		if g.strange < strangeAllowed {
			return
		}
	}
	if cause != "" {
		g.shut(cause, wait)
		return
	}
	if a == DontKnow {
		return // it may well work: one lost answer is no outage
	}
	g.strange, g.cause, g.until = 0, "", time.Time{}
	if g.ramp > 0 {
		if g.ramp *= 2; g.ramp >= cap(g.calls) {
			g.ramp = 0
		}
	}
}

func (g *gate) shut(cause Cause, wait time.Duration) {
	now := g.clock()
	if g.cause == "" {
		g.since = now
	}
	if wait == 0 {
		wait = probeAfter
	}
	g.cause, g.until, g.ramp = cause, now.Add(wait), 1
}
