package hub

import (
	"context"
	"strings"
	"time"
)

// track asks a system what has happened to its cases, again and again, and moves
// them on.
func (h *Hub) track(ctx context.Context, s Opened) {
	poll := s.Poll
	if poll == 0 {
		poll = 30 * time.Second
	}
	silent := false
	every(ctx, poll, func() {
		for range mostRounds {
			if !h.changes(ctx, s, &silent) {
				break
			}
		}
	})
}

// mostRounds bounds how often a system is asked at one poll: one whose cursor moves at every
// question is not asked without end.
const mostRounds = 1000

// changes takes one answer of a Tracker in. The reports and the cursor are stored
// together, so that a death in between repeats the question and loses nothing. That a
// system has fallen silent is said once, and not at every question of a long weekend.
func (h *Hub) changes(ctx context.Context, s Opened, silent *bool) (more bool) {
	since, err := h.Store.Cursor(ctx, s.ID)
	if err != nil {
		h.Log.Error("read cursor", "system", s.ID, "error", err)
		return false
	}
	var reports []Report
	next := since
	_, err = h.gates[s.ID].visit(ctx, func() (err error) {
		reports, next, err = s.Tracker.Changes(ctx, since)
		return err
	})
	if err != nil && !*silent {
		h.Log.Warn("a system does not tell what has changed", "system", s.ID, "cause", noteOf(err))
	}
	if *silent = err != nil; err != nil {
		return false
	}
	if len(reports) == 0 && next == since {
		return false
	}
	for i := range reports {
		reports[i].System, reports[i].Step = s.ID, h.stepFor(s, reports[i])
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
// the Step, and the log tells in which report it stands.
func (h *Hub) stepFor(s Opened, r Report) Step {
	step, ok := s.Words[strings.ToLower(strings.TrimSpace(r.Word))]
	if !ok && r.Word != "" {
		h.Log.Warn("a word of the system has no Step", "system", s.ID, "report", r.ID)
	}
	return step
}
