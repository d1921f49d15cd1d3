package hub

import (
	"context"
	"errors"
	"slices"
	"time"
)

// How much is asked of registers while a citizen waits for a page.
const (
	renewAtOnce = 20
	renewWithin = 5 * time.Second
)

// Renew asks registers again about the cases that a citizen follows because one of them
// said so, where that was a day ago or more. It gives how many cases she is not shown until
// a register answers: what nobody vouches for is not shown.
func (h *Hub) Renew(ctx context.Context, v Viewer) (hidden int) {
	ids, err := h.Store.Overdue(ctx, v, h.Clock())
	if err != nil {
		h.Log.Error("read followed cases", "error", err)
		return 0
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	ctx, cancel := context.WithTimeout(ctx, renewWithin)
	defer cancel()
	for i, id := range ids {
		if i >= renewAtOnce || !h.renew(ctx, id) {
			hidden++
		}
	}
	return hidden
}

// renew asks who may follow a case now. It reports whether anybody could tell.
func (h *Hub) renew(ctx context.Context, id CaseID) bool {
	c, err := h.Store.Case(ctx, AsHub(), id)
	if err != nil {
		return false
	}
	j := &journey{Hub: h, w: work{c: c, key: c.Submissions[0].Key}}
	fs, err := j.following(ctx)
	if err != nil {
		return false
	}
	letIn := h.lettingIn(ctx, id, fs)
	if err := h.Store.Follow(ctx, id, fs, h.Clock()); err != nil {
		h.Log.Error("write followers", "case", id, "error", err)
		return false
	}
	letIn()
	return true
}

// following asks every register of the form's route anew. One that answers that there is
// no such person, or about another, has answered: nobody follows through it.
func (j *journey) following(ctx context.Context) ([]Following, error) {
	if err := j.begin(ctx); err != nil {
		return nil, err
	}
	j.had = Facts{}
	for _, e := range j.route.Enrich {
		answer, err := j.ask(ctx, e)
		if errors.As(err, new(*stopped)) {
			answer.Missed = true
		} else if err != nil {
			return nil, err
		}
		j.known.Answers[e.As] = answer
	}
	return following(j.route, j.known.Submission.Parties, j.known.list(j.route)), nil
}
