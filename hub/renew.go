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

// Renew asks registers again about the cases that a citizen follows without having sent
// them in, where they were asked a day ago or more. It gives how many cases she is not shown until
// a register answers: what nobody vouches for is not shown.
func (h *Hub) Renew(ctx context.Context, v Viewer) (hidden int) {
	ids, err := h.Store.Overdue(ctx, v, h.Clock())
	if err != nil {
		h.failed("read followed cases", err)
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
	others, err := h.othersNow(ctx, c)
	if err != nil {
		return false
	}
	letIn := h.lettingIn(ctx, id, &others)
	if err := h.Store.Follow(ctx, id, others, h.Clock()); err != nil {
		h.failed("write followers", err, "case", id)
		return false
	}
	letIn()
	return true
}

// othersNow asks every register of the case's route anew, about each of its forms.
func (h *Hub) othersNow(ctx context.Context, c Case) (Following, error) {
	var all everybody
	var route *Route
	for _, p := range c.Submissions {
		if p.State == Withdrawn || p.State == Rejected {
			continue
		}
		j := &journey{Hub: h, w: work{c: c, key: p.Key}}
		if err := j.askAnew(ctx); err != nil {
			return Following{}, err
		}
		route = j.route
		all.join(j.known.Submission.Parties, j.known.list(j.route))
	}
	return Following{all.others(route)}, nil
}

// askAnew asks about a form as if nobody had been asked before. A register that answers that
// there is no such person, or about another, has answered, and vouches for nobody.
func (j *journey) askAnew(ctx context.Context) error {
	if err := j.begin(ctx); err != nil {
		return err
	}
	j.had = Facts{}
	for _, e := range j.route.Enrich {
		answer, err := j.ask(ctx, e)
		if errors.As(err, new(*stopped)) {
			answer.Missed = true
		} else if err != nil {
			return err
		}
		j.known.Answers[e.As] = answer
	}
	return nil
}

// reconsider says who else may follow a case by all that is stored of its forms, without
// asking anybody: two of them may have been planned at the same time, neither knowing what
// registers said of the other.
func (h *Hub) reconsider(ctx context.Context, c Case, r *Route) {
	all, err := h.everybodyIn(ctx, c, "")
	var others Following
	if err == nil {
		others.Persons = all.others(r)
	}
	letIn := h.lettingIn(ctx, c.ID, &others)
	if err := h.Store.Follow(ctx, c.ID, others, h.Clock()); err != nil {
		h.failed("write followers", err, "case", c.ID)
		return
	}
	letIn()
}
