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
	unclear int           // answers in a row that did not come
}

// Limits of a gate.
const (
	probeAfter     = 10 * time.Second // how long an open circuit waits before one call may try again
	strangeAllowed = 3                // answers that are no answers, before the circuit opens
	unclearAllowed = 5                // answers that do not come, before the circuit opens
	queueFor       = time.Second      // how long a call waits for room, so that one slow system holds nobody up
	comeBackIn     = 5 * time.Second  // when there was no room
)

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

var (
	// errClosed says that a system is not to be called now.
	errClosed = errors.New("the system is out of order")
	// errFull says that a system has as much to do as it bears.
	errFull = errors.New("the system has as much to do as it bears")
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
	defer func() { <-g.calls }()
	defer func() {
		if recover() != nil {
			called, err = true, Strange(errors.New("the connector panicked"))
		}
	}()
	return true, f()
}

// enter takes a place among the calls under way.
func (g *gate) enter(ctx context.Context) error {
	if wait := g.closedFor(); wait > 0 {
		return Later(errClosed, wait)
	}
	queue := time.NewTimer(queueFor)
	defer queue.Stop()
	select {
	case g.calls <- struct{}{}:
	case <-queue.C:
		return Later(errFull, comeBackIn)
	case <-ctx.Done():
		return Later(ctx.Err(), 0)
	}
	err := g.keepPace(ctx)
	if err == nil && !g.mayGo() { // while it waited, others found the system out of order
		err = errClosed
	}
	if err != nil {
		<-g.calls
		return Later(err, max(g.closedFor(), time.Second))
	}
	return nil
}

// mayGo reports whether who has a place may call.
func (g *gate) mayGo() bool {
	if g.closedFor() > 0 {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.ramp == 0 || len(g.calls) <= g.ramp
}

// free is how many more calls may begin, when busy are claimed or under way.
func (g *gate) free(busy int) int {
	if g.closedFor() > 0 {
		return 0
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	limit := cap(g.calls)
	if g.ramp > 0 {
		limit = g.ramp
	}
	return max(limit-max(busy, len(g.calls)), 0)
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

// learnFrom reads how a call went. That somebody or something is not there is an
// answer like any other.
func (g *gate) learnFrom(err error) {
	switch a, wait, cause := AnswerOf(Receipt{Number: "asked"}, err); {
	case errors.Is(err, errNotCalled):
	case errors.Is(err, ErrNotFound), errors.Is(err, ErrGone), errors.Is(err, ErrMismatch):
		g.learn(Yes, 0, "")
	default:
		g.learn(a, wait, cause)
	}
}

// learn opens the circuit on what is no fault of a document, and closes it, step by
// step, on answers. One lost answer is no outage, and a few in a row are.
func (g *gate) learn(a Answer, wait time.Duration, cause Cause) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case cause == ContractBroken:
		if g.strange++; g.strange < strangeAllowed {
			return
		}
	case a == DontKnow && cause == "":
		if g.unclear++; g.unclear < unclearAllowed {
			return
		}
		cause = Down
	}
	if cause != "" {
		g.shut(cause, wait)
		return
	}
	g.strange, g.unclear, g.cause, g.until = 0, 0, "", time.Time{}
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
