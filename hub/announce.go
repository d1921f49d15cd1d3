package hub

import (
	"context"
	"sync"
	"time"
)

// An announcer hears, once for each attempt, that the first byte of it is about to
// leave.
type announcer func(context.Context) error

type announcerKey struct{}

// Announce says that the first byte of an attempt is about to leave. Where a system can
// neither be asked nor recognise a Key, the hub writes that down, and what was never
// announced never left: so a death before it is no *don't know*. An error means that it
// could not be written down, and nothing may be sent.
//
// What goes through Env.HTTP is announced by the door. A connector that sends by other
// means calls Announce itself, or leaves Capability.Announces unset.
func Announce(ctx context.Context) error {
	if f, ok := ctx.Value(announcerKey{}).(announcer); ok {
		return f(ctx)
	}
	return nil
}

// announced gives a context by which the attempt of a row will be announced.
func (d *dispatcher) announced(ctx context.Context, c Case, p Progress) context.Context {
	var mu sync.Mutex
	done := false
	return context.WithValue(ctx, announcerKey{}, announcer(func(ctx context.Context) error {
		mu.Lock()
		defer mu.Unlock()
		if done {
			return nil
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), announceFor)
		defer cancel()
		_, _, err := d.Store.Apply(ctx, c.ID, OnWire{When{d.Clock()}, p.Key, p.Lease})
		if err != nil {
			return Later(errUnready, time.Minute)
		}
		done = true
		return nil
	}))
}

// announceFor is how long an open connection waits for the announcement to be written.
const announceFor = 5 * time.Second

// announces reports whether a row's attempt is announced: only where that can spare a
// person a look in the system.
func (d *dispatcher) announces(p Progress) bool {
	return p.Kind == DocumentKind && p.Level == Blind && d.system.Can.Of(p.Operation).Announces
}
