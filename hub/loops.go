package hub

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// sweep runs take when woken and each Sweep, and again at once while there is more.
func (h *Hub) sweep(ctx context.Context, wake <-chan struct{}, take func() (more bool)) {
	tick := time.NewTicker(h.Sweep)
	defer tick.Stop()
	for ctx.Err() == nil {
		if take() {
			continue
		}
		select {
		case <-ctx.Done():
		case <-wake:
		case <-tick.C:
		}
	}
}

// insist writes what came of a row in hand, and tries again while the Store cannot, for as
// long as the row is ours. It reports whether it was written.
func (h *Hub) insist(p Progress, write func() error) bool {
	for wait := time.Second; ; wait *= 2 {
		err := write()
		if err == nil || errors.Is(err, ErrLost) {
			return err == nil
		}
		h.Log.Error("write what came of it", "key", p.Key, "error", err)
		if !h.Clock().Add(wait).Before(p.Lease.Until) {
			return false
		}
		time.Sleep(wait)
	}
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
