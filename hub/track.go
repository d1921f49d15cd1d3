package hub

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// track asks a system what has happened to its cases, again and again, and moves
// them on.
func (h *Hub) track(ctx context.Context, s Opened) {
	poll := s.Poll
	if poll == 0 {
		poll = 30 * time.Second
	}
	h.every(ctx, poll, func() {
		for h.changes(ctx, s) {
		}
	})
}

// changes takes one answer of a Tracker in. The reports and the cursor are stored
// together, so that a death in between repeats the question and loses nothing.
func (h *Hub) changes(ctx context.Context, s Opened) (more bool) {
	since, err := h.Store.Cursor(ctx, s.ID)
	if err != nil {
		h.Log.Error("read cursor", "system", s.ID, "error", err)
		return false
	}
	var reports []Report
	next := since
	err = h.gates[s.ID].call(ctx, func() (err error) {
		reports, next, err = s.Tracker.Changes(ctx, since)
		return err
	})
	if err != nil {
		h.Log.Warn("a system does not tell what has changed", "system", s.ID)
		return false
	}
	if len(reports) == 0 && next == since {
		return false
	}
	for i := range reports {
		reports[i].System, reports[i].Step = s.ID, h.stepFor(s, reports[i].Word)
	}
	all, err := h.Store.Report(ctx, s.ID, reports, next, h.Clock())
	if err != nil {
		h.Log.Error("store reports", "system", s.ID, "error", err)
		return false
	}
	for _, fx := range all {
		h.follow(fx)
	}
	return next != since && len(reports) > 0
}

// stepFor translates a system's own word. A word that nobody has translated keeps
// the Step, and the operator is told once a report.
func (h *Hub) stepFor(s Opened, word string) Step {
	step, ok := s.Words[strings.ToLower(strings.TrimSpace(word))]
	if !ok && word != "" {
		h.Log.Warn("a word of the system has no Step", "system", s.ID)
	}
	return step
}

// A crew is goroutines that can be counted and waited for.
type crew struct {
	all sync.WaitGroup
	n   atomic.Int64
}

func (c *crew) start(f func()) {
	c.n.Add(1)
	c.all.Go(func() {
		defer c.n.Add(-1)
		f()
	})
}

func (c *crew) size() int { return int(c.n.Load()) }
func (c *crew) wait()     { c.all.Wait() }
