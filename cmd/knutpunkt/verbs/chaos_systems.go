//go:build chaos

package verbs

import (
	"context"
	"io"

	"github.com/knutpunkt/knutpunkt/hub"
)

// system puts the failpoints around the roles that a system plays.
func (ps failpoints) system(id hub.SystemID, s hub.System) hub.System {
	f := failingSystem{ps, string(id), s}
	if s.Destination != nil {
		s.Destination = f
	}
	if s.Register != nil {
		s.Register = f
	}
	if s.Tracker != nil {
		s.Tracker = f
	}
	if s.Fetcher != nil {
		s.Fetcher = f
	}
	if s.Teller != nil {
		s.Teller = f
	}
	return s
}

type failingSystem struct {
	ps failpoints
	id string
	hub.System
}

func (s failingSystem) Deliver(ctx context.Context, d hub.Delivery) (r hub.Receipt, err error) {
	err = s.ps.around("deliver", s.id+" "+string(d.Key), func() error {
		r, err = s.Destination.Deliver(ctx, d)
		return err
	})
	return r, err
}

func (s failingSystem) Find(ctx context.Context, d hub.Delivery) (r hub.Receipt, err error) {
	err = s.ps.around("find", s.id+" "+string(d.Key), func() error {
		r, err = s.Destination.Find(ctx, d)
		return err
	})
	return r, err
}

func (s failingSystem) Lookup(ctx context.Context, id hub.PersonID) (p hub.Person, err error) {
	err = s.ps.around("lookup", s.id, func() error {
		p, err = s.Register.Lookup(ctx, id)
		return err
	})
	return p, err
}

func (s failingSystem) Changes(ctx context.Context, since hub.Cursor) (rs []hub.Report, next hub.Cursor, err error) {
	err = s.ps.around("changes", s.id, func() error {
		rs, next, err = s.Tracker.Changes(ctx, since)
		return err
	})
	return rs, next, err
}

func (s failingSystem) Fetch(ctx context.Context, ref hub.Fetch, w io.Writer) error {
	return s.ps.around("fetch", s.id, func() error { return s.Fetcher.Fetch(ctx, ref, w) })
}

func (s failingSystem) Tell(ctx context.Context, t hub.Telling) error {
	return s.ps.around("tell", s.id+" "+string(t.Status.Case), func() error { return s.Teller.Tell(ctx, t) })
}
