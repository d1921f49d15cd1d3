package hub

import (
	"context"
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
