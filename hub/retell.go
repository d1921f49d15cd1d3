package hub

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// A Retelling is what a Teller is to be told again: of each case what it was told from a
// time on, and before another, and all that it was told of that case since. Without the
// latter a platform that shows what it heard last would show where the case once was.
type Retelling struct {
	System      SystemID
	From, Until time.Time
}

// An Extent is how much a Retelling is about. What was told of the same cases since becomes
// more while somebody reads the count; what was told in the period does not.
type Extent struct {
	Tellings       int // of the period
	Later          int // tellings of the same Cases, which go again after them
	Cases          int
	Municipalities int
}

// ErrAnotherCount says that a Retelling is about another number of tellings than who wants
// it has read.
var ErrAnotherCount = errors.New("it is about another number of tellings")

// Limits of a Retelling.
const (
	MostRetold    = 20_000 // tellings: more than that is retold a part at a time
	retoldAtATime = 64     // cases, which share the Store's commits
)

// Retell has a Teller told again what it was told in a period, and since, of the cases that
// v may see: each telling under the Key that it had, and of each case in order, so that the
// Teller ends where the case is. Documents are never delivered again. Somebody has counted
// first: it gives ErrAnotherCount when the period has not as many tellings as expected, and
// then does nothing. What is retold already when it fails is no longer of the period, so that
// who does the same again goes on from there.
func (h *Hub) Retell(ctx context.Context, v Viewer, r Retelling, expected int) (Extent, error) {
	extent, err := h.Store.CountTold(ctx, v, r)
	switch {
	case err != nil:
		return extent, err
	case r.Until.After(h.Clock()):
		return extent, conflict("what is not told yet cannot be told again")
	case extent.Tellings != expected:
		return extent, ErrAnotherCount
	case extent.Tellings+extent.Later > MostRetold:
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

// begins reports whether a row was told in the period, so that what is told again of its
// case begins with it, or before it.
func (r Retelling) begins(p Progress) bool {
	return r.speaks(p) && p.State == Delivered && !p.Since.Before(r.From) && p.Since.Before(r.Until)
}

// speaks reports whether a row tells the Teller something.
func (r Retelling) speaks(p Progress) bool { return p.Kind == TellingKind && p.System == r.System }

// retell has tellings go once more, from the first of the period on. What the Teller has
// not heard yet of the same case goes after them.
func (t *transition) retell(e Retold) error {
	begun := false
	for i := range t.c.Deliveries {
		p := &t.c.Deliveries[i]
		begun = begun || e.begins(*p)
		switch {
		case !begun || !e.speaks(*p):
		case p.State == Delivered:
			t.tellAgain(p)
		case p.State == Ready || p.State == RetryWait:
			t.move(p, Blocked, time.Time{})
		}
	}
	if !begun {
		return ErrLost
	}
	t.actBy("told again", t.c.Submissions[0].Key, string(e.System), e.By, "")
	return nil
}

// tellAgain has a telling go once more, in its turn and with all its attempts.
func (t *transition) tellAgain(p *Progress) {
	t.move(p, Blocked, time.Time{})
	p.Spent, p.Crashes, p.Receipt = p.Attempts, 0, nil
}

// outOfTurn reports whether a Teller has heard a telling while one before it is still to be
// told again: it was under way when somebody had the others told again.
func (t *transition) outOfTurn(p *Progress) bool {
	for _, other := range t.c.Deliveries {
		if other.Key == p.Key {
			return false
		}
		if p.Kind == TellingKind && other.Kind == TellingKind && other.System == p.System && !other.Settled() {
			return true
		}
	}
	return false
}
