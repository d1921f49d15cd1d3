package hub

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// A Retelling is what a Teller is to be told again: what it was told from a time on, and
// before another.
type Retelling struct {
	System      SystemID
	From, Until time.Time
}

// An Extent is how much a Retelling is about.
type Extent struct{ Tellings, Cases, Municipalities int }

// ErrAnotherCount says that a Retelling is about another number of tellings than who wants
// it has read.
var ErrAnotherCount = errors.New("it is about another number of tellings")

// Limits of a Retelling.
const (
	MostRetold    = 20_000 // tellings: more than that is retold a part at a time
	retoldAtATime = 64     // cases, which share the Store's commits
)

// Retell has a Teller told again what it was told in a period of the cases that v may see,
// each telling under the Key that it had, and of each case in order. Documents are never
// delivered again. Somebody has counted first: it gives ErrAnotherCount when there are not as
// many tellings as expected, and then does nothing. What is retold already when it fails is
// no longer of the period, so that who does the same again goes on from there.
func (h *Hub) Retell(ctx context.Context, v Viewer, r Retelling, expected int) (Extent, error) {
	extent, err := h.Store.CountTold(ctx, v, r)
	switch {
	case err != nil:
		return extent, err
	case r.Until.After(h.Clock()):
		return extent, conflict("what is not told yet cannot be told again")
	case extent.Tellings != expected:
		return extent, ErrAnotherCount
	case extent.Tellings > MostRetold:
		return extent, conflict("that is more than is told again at a time")
	}
	ids, err := h.Store.CasesTold(ctx, v, r, MostRetold)
	if err != nil {
		return extent, err
	}
	h.Log.Info("told again", "system", r.System, "tellings", extent.Tellings, "by", v.Actor())
	for some := range slices.Chunk(ids, retoldAtATime) {
		if err := h.retellCases(ctx, some, Retold{When{h.Clock()}, r, v.Actor()}); err != nil {
			return extent, err
		}
	}
	return extent, nil
}

// retellCases applies a Retold to some cases at once.
func (h *Hub) retellCases(ctx context.Context, ids []CaseID, e Retold) error {
	var all sync.WaitGroup
	failed := make(chan error, len(ids))
	for _, id := range ids {
		all.Go(func() {
			_, fx, err := h.Store.Apply(ctx, id, e)
			if err == nil {
				h.follow(fx)
			} else if !errors.Is(err, ErrLost) { // somebody else retells the same
				failed <- err
			}
		})
	}
	all.Wait()
	close(failed)
	return <-failed
}

// covers reports whether a row is a telling that was told in the period.
func (r Retelling) covers(p Progress) bool {
	return p.Kind == TellingKind && p.System == r.System && p.State == Delivered && !p.Since.Before(r.From) && p.Since.Before(r.Until)
}

// retell has tellings go once more. What the Teller has not heard yet of the same case goes
// after what it is told again, so that it hears all of it in order.
func (t *transition) retell(e Retold) error {
	again := false
	for i := range t.c.Deliveries {
		p := &t.c.Deliveries[i]
		switch {
		case e.covers(*p):
			again = true
			t.move(p, Blocked, time.Time{})
			p.Spent, p.Crashes, p.Receipt = p.Attempts, 0, nil
		case again && p.Kind == TellingKind && p.System == e.System && (p.State == Ready || p.State == RetryWait):
			t.move(p, Blocked, time.Time{})
		}
	}
	if !again {
		return ErrLost
	}
	t.actBy("told again", t.c.Submissions[0].Key, string(e.System), e.By, "")
	return nil
}
