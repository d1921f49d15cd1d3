package hub

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// sweep runs take when woken and each Sweep, and again at once while there is more.
func (h *Hub) sweep(ctx context.Context, wake <-chan struct{}, take func(context.Context) (more bool)) {
	tick := time.NewTicker(h.Sweep)
	defer tick.Stop()
	unwoken := context.WithValue(ctx, sweptKey{}, true)
	for by := unwoken; ctx.Err() == nil; {
		if take(by) {
			continue
		}
		select {
		case <-ctx.Done():
		case <-wake:
			by = ctx
		case <-tick.C:
			by = unwoken
		}
	}
}

type sweptKey struct{}

// Swept reports whether rows are being looked for because it was time to, and not because
// somebody was woken: what is found so and was due before waited for the sweeper.
func Swept(ctx context.Context) bool { return ctx.Value(sweptKey{}) != nil }

// insist writes what came of a row in hand, and tries again while the Store cannot, for as
// long as the row is ours. It reports whether it was written. Where the Store could not say so
// at first, what it then says is that somebody has moved the row on: that was we.
func (h *Hub) insist(p Progress, write func() error) bool {
	unclear := false
	for wait := time.Second; ; wait = min(2*wait, longestInsist) {
		err := write()
		if err == nil || errors.Is(err, ErrLost) {
			return err == nil || unclear
		}
		unclear = true
		h.failed("write what came of it", err, "key", p.Key)
		if !h.Clock().Add(wait).Before(p.Lease.Until) {
			return false
		}
		time.Sleep(wait)
	}
}

// longestInsist is how long is waited at the most before a Store that could not be written is
// tried again.
const longestInsist = 10 * time.Second

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

// every runs f each d until ctx is done.
func every(ctx context.Context, d time.Duration, f func()) {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			f()
		}
	}
}
