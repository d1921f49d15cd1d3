package meter

import (
	"context"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// Store counts what is received, found and taken over. A Store that several processes share
// may tell more, by a method
//
//	Gauges(context.Context) (map[string]float64, error)
//
// whose names are those of the series that it alone can tell of, without knutpunkt_.
func (m *Meter) Store(s hub.Store) hub.Store {
	if more, tells := s.(interface {
		Gauges(context.Context) (map[string]float64, error)
	}); tells {
		m.gauges = more.Gauges
	}
	return &store{s, m}
}

type store struct {
	hub.Store
	m *Meter
}

func (s *store) Receive(ctx context.Context, a hub.Arrival) (hub.Received, error) {
	begun := s.m.clock()
	r, err := s.Store.Receive(ctx, a)
	result := "new"
	if err != nil {
		result = "refused"
	} else if r.Replayed {
		result = "replayed"
	}
	s.m.accept.WithLabelValues(result).Observe(s.m.clock().Sub(begun).Seconds())
	if err == nil {
		s.m.traces.received(ctx, r, begun)
	}
	return r, err
}

// What makes a loop look for rows.
const (
	byWake  = "wake"
	bySweep = "sweep"
)

func (s *store) ClaimSubmissions(ctx context.Context, l hub.Lease, now time.Time, n int) ([]hub.Claim, error) {
	claims, err := s.Store.ClaimSubmissions(ctx, l, now, n)
	s.m.finds(ctx, len(claims))
	return claims, err
}

func (s *store) ClaimDeliveries(ctx context.Context, id hub.SystemID, l hub.Lease, now time.Time, n int) ([]hub.Claim, error) {
	claims, err := s.Store.ClaimDeliveries(ctx, id, l, now, n)
	s.m.finds(ctx, len(claims))
	return claims, err
}

func (m *Meter) finds(ctx context.Context, n int) {
	by := byWake
	if hub.Swept(ctx) {
		by = bySweep
	}
	m.found.WithLabelValues(by).Add(float64(n))
}

func (s *store) Recover(ctx context.Context, boot string, now time.Time) (int, error) {
	n, err := s.Store.Recover(ctx, boot, now)
	s.m.takeovers.Add(float64(n))
	return n, err
}

func (s *store) Lead(ctx context.Context, duty string) (end func(), held bool, err error) {
	let, held, err := s.Store.Lead(ctx, duty)
	has := err == nil && !held
	s.m.leads.has(duty, has)
	if !has {
		return let, held, err
	}
	return func() {
		s.m.leads.has(duty, false)
		let()
	}, held, err
}

// Apply and Settle tell, within a Stage, of the Statuses that it brought; Report, of those
// that a system's words brought.
func (s *store) Apply(ctx context.Context, c hub.CaseID, e hub.Event) (hub.Case, hub.Effects, error) {
	after, fx, err := s.Store.Apply(ctx, c, e)
	s.m.traces.brought(ctx, fx)
	return after, fx, err
}

func (s *store) Settle(ctx context.Context, c hub.CaseID, e hub.Event, facts hub.Facts) (hub.Case, hub.Effects, error) {
	after, fx, err := s.Store.Settle(ctx, c, e, facts)
	s.m.traces.brought(ctx, fx)
	return after, fx, err
}

func (s *store) Report(ctx context.Context, id hub.SystemID, rs []hub.Report, next hub.Cursor, now time.Time) ([]hub.Hearing, error) {
	begun := s.m.clock()
	all, err := s.Store.Report(ctx, id, rs, next, now)
	for _, heard := range all {
		s.m.traces.reported(ctx, id, heard, begun)
	}
	return all, err
}

// Bus counts wakes. One with a broker behind it tells by a method Up() bool whether it
// answers, and any by Dropped() and Ignored() uint64 how many wakes it has dropped, and how
// much it has heard that is no wake.
func (m *Meter) Bus(b hub.Bus) hub.Bus {
	if broker, has := b.(interface{ Up() bool }); has {
		m.broker = broker.Up
	}
	if drops, counts := b.(interface{ Dropped() uint64 }); counts {
		m.dropped = drops.Dropped
	}
	if ignores, counts := b.(interface{ Ignored() uint64 }); counts {
		m.ignored = ignores.Ignored
	}
	return &bus{b, m}
}

type bus struct {
	hub.Bus
	m *Meter
}

func (b *bus) Wake(ctx context.Context, w hub.Wake) {
	b.m.wakes.Inc()
	b.Bus.Wake(ctx, w)
}
