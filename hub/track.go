package hub

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"
)

// track asks a system what has happened to its cases, again and again, and moves
// them on; of several processes the one that leads that does. When it is asked first is chance, so that systems which share a machine, or
// a way out, are not all asked in the same moment for as long as the hub runs.
func (h *Hub) track(ctx context.Context, s Opened) {
	poll := cmp.Or(s.Poll, 30*time.Second)
	silent := false
	ask := func() {
		for range mostRounds {
			if !h.leads(ctx, "track", s.ID) || !h.changes(ctx, s, &silent) {
				break
			}
		}
	}
	first := time.NewTimer(time.Duration(h.Jitter() * float64(poll)))
	defer first.Stop()
	select {
	case <-ctx.Done():
	case <-first.C:
		ask()
		every(ctx, poll, ask)
	}
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
		h.failed("read cursor", err, "system", s.ID)
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
	if _, err := h.hear(ctx, s, reports, next); err != nil {
		h.failed("store reports", err, "system", s.ID)
		return false
	}
	return next != since && len(reports) > 0
}

// poll asks a system about each of its cases that is not decided yet, one after the other,
// again and again. What it tells is heard as a Tracker's reports are. A round that breaks off
// goes on behind the case at which it did, so that none keeps the others from being asked
// about for ever.
func (h *Hub) poll(ctx context.Context, s Opened) {
	after := Key("")
	every(ctx, cmp.Or(s.Poll, betweenPolls), func() { after = h.pollFrom(ctx, s, after) })
}

// How often each case is asked about, how many are read from the Store at a time, and after
// how many that are not answered in a row a round breaks off.
const (
	betweenPolls = 5 * time.Minute
	pollsAtOnce  = 100
	pollsMissed  = 3
)

// pollFrom asks about the cases after one. It gives the case that the next round goes on
// after, "" when it has asked about all of them.
func (h *Hub) pollFrom(ctx context.Context, s Opened, after Key) Key {
	for missed := 0; ctx.Err() == nil && h.leads(ctx, "poll", s.ID); {
		claims, err := h.Store.Undecided(ctx, s.ID, after, pollsAtOnce)
		if err != nil {
			h.failed("read undecided cases", err, "system", s.ID)
			return after
		}
		for _, claim := range claims {
			called, err := h.pollOne(ctx, s, claim)
			if !called {
				return after
			}
			after = claim.Key
			if missed++; err == nil {
				missed = 0
			}
			if missed == pollsMissed || isOutage(err) {
				return after
			}
		}
		if len(claims) < pollsAtOnce {
			return ""
		}
	}
	return after
}

// pollOne asks about one case. Where the system was not to be called it was not; err is why it
// has not answered.
func (h *Hub) pollOne(ctx context.Context, s Opened, claim Claim) (called bool, err error) {
	p := *claim.Case.Find(claim.Key)
	d := h.dispatchers[s.ID]
	delivery, err := d.prepared(ctx, claim.Case, p)
	if err != nil {
		return true, nil // a person sees to what cannot be read: the others are asked about
	}
	var reports []Report
	called, err = d.gate.visit(ctx, func() (err error) {
		reports, err = s.Poller.Poll(ctx, delivery, *p.Receipt)
		return err
	})
	switch {
	case !called || errors.Is(err, ErrNotFound):
		return called, nil
	case err != nil:
		h.Log.Warn("a system does not tell how a case is getting on", "system", s.ID, "delivery", p.Key, "cause", noteOf(err))
		return true, err
	case len(reports) > 0:
		if _, err := h.hear(ctx, s, reports, ""); err != nil {
			h.failed("store reports", err, "system", s.ID)
		}
	}
	return true, nil
}

// isOutage reports whether an answer that did not come says of itself that others would not
// either.
func isOutage(err error) bool {
	_, _, cause := AnswerOf(Receipt{Number: "asked"}, err)
	return cause != "" && cause != ContractBroken
}

// Hear takes in what a system tells without having been asked, and gives what became of
// each report. When it returns without an error they are on disk, also those about what is
// not known yet. It gives ErrNotFound for a system that is not connected.
func (h *Hub) Hear(ctx context.Context, id SystemID, reports []Report) ([]Hearing, error) {
	for _, s := range h.Systems {
		if s.ID == id {
			return h.hear(ctx, s, reports, "")
		}
	}
	return nil, ErrNotFound
}

// hear stores reports with what their words mean, and tells who follows. Nobody is told of
// what is yet to come: what a system's clock is ahead of ours for happened now.
func (h *Hub) hear(ctx context.Context, s Opened, reports []Report, next Cursor) ([]Hearing, error) {
	now := h.Clock()
	for i := range reports {
		r := &reports[i]
		r.System = s.ID
		h.translateWord(s, r)
		if r.At.IsZero() || r.At.After(now) {
			r.At = now
		}
	}
	all, err := h.Store.Report(ctx, s.ID, reports, next, now)
	for _, heard := range all {
		if heard.Foreign {
			h.Log.Warn("a system told of another system's case", "system", s.ID)
		}
		h.follow(heard.Effects)
	}
	return all, err
}

// translate moves on the cases that wait for a word which a table translates now.
func (h *Hub) translate(ctx context.Context) {
	for _, s := range h.Systems {
		if len(s.Words) == 0 {
			continue
		}
		all, err := h.Store.Translate(ctx, s.ID, s.Words, h.Clock())
		if err != nil {
			h.failed("translate words", err, "system", s.ID)
		}
		for _, fx := range all {
			h.follow(fx)
		}
	}
}

// Normal is a system's word as tables of words have it: case and spaces around it say
// nothing.
func Normal(word string) string { return strings.ToLower(strings.TrimSpace(word)) }

// translateWord gives a report the Step of its word, which it then needs no more: also
// where a table says that a word means nothing to the citizen. One that nobody has
// translated keeps the Step. It may say anything, so the log tells only that it came; what
// it was is on the page of words.
func (h *Hub) translateWord(s Opened, r *Report) {
	step, known := s.Words[Normal(r.Word)]
	switch {
	case known:
		r.Step, r.Word = step, ""
	case Normal(r.Word) != "":
		h.Log.Warn("a word of the system has no Step", "system", s.ID)
	}
}
