package meter

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// System counts what one system is asked and what it answers.
func (m *Meter) System(id hub.SystemID, connector string, s hub.System) hub.System {
	m.connectors[id] = connector
	to := called{m, id, connector}
	if s.Destination != nil {
		s.Destination = &destination{s.Destination, to}
	}
	if s.Register != nil {
		s.Register = &register{s.Register, to}
	}
	if s.Fetcher != nil {
		s.Fetcher = &fetcher{s.Fetcher, to}
	}
	if s.Teller != nil {
		s.Teller = &teller{s.Teller, to}
	}
	if s.Tracker != nil {
		s.Tracker = &tracker{s.Tracker, to}
	}
	if s.Poller != nil {
		s.Poller = &poller{s.Poller, to}
	}
	if s.Counter != nil {
		s.Counter = &counter{s.Counter, to}
	}
	return s
}

// called is a system that calls are made to.
type called struct {
	m         *Meter
	id        hub.SystemID
	connector string
}

// call begins one, in a role, and gives what ends it with what was answered: it is timed
// and, within a Stage, traced.
func (c called) call(ctx context.Context, role string) (context.Context, func(outcome string)) {
	begun := c.m.clock()
	ctx, end := c.m.traces.called(ctx, role, c.id, c.connector)
	return ctx, func(outcome string) {
		c.m.calls.WithLabelValues(c.connector, role, outcome).Observe(c.m.clock().Sub(begun).Seconds())
		end(outcome)
	}
}

// answerTo reads an outcome out of what was answered: one of the four Answers, or that the
// question was answered with less than what was asked for.
func answerTo(err error) string {
	switch {
	case errors.Is(err, hub.ErrNotFound), errors.Is(err, hub.ErrGone):
		return string(hub.NotThere)
	case errors.Is(err, hub.ErrCannotTell):
		return string(hub.CannotTell)
	case errors.Is(err, hub.ErrPartly):
		return "partly"
	}
	a, _, _ := hub.AnswerOf(hub.Receipt{Number: "answered"}, err)
	return string(a)
}

type destination struct {
	hub.Destination
	to called
}

func (d *destination) Deliver(ctx context.Context, del hub.Delivery) (hub.Receipt, error) {
	ctx, end := d.to.call(ctx, "deliver")
	r, err := d.Destination.Deliver(ctx, del)
	a, _, _ := hub.AnswerOf(r, err)
	end(string(a))
	return r, err
}

func (d *destination) Find(ctx context.Context, del hub.Delivery) (hub.Receipt, error) {
	ctx, end := d.to.call(ctx, "find")
	r, err := d.Destination.Find(ctx, del)
	end(answerTo(err))
	return r, err
}

type register struct {
	hub.Register
	to called
}

func (r *register) Lookup(ctx context.Context, id hub.PersonID) (hub.Person, error) {
	ctx, end := r.to.call(ctx, "lookup")
	p, err := r.Register.Lookup(ctx, id)
	end(answerTo(err))
	return p, err
}

type fetcher struct {
	hub.Fetcher
	to called
}

func (f *fetcher) Fetch(ctx context.Context, ref hub.Fetch, w io.Writer) error {
	ctx, end := f.to.call(ctx, "fetch")
	err := f.Fetcher.Fetch(ctx, ref, w)
	end(answerTo(err))
	return err
}

type teller struct {
	hub.Teller
	to called
}

func (t *teller) Tell(ctx context.Context, telling hub.Telling) error {
	ctx, end := t.to.call(ctx, "tell")
	err := t.Teller.Tell(ctx, telling)
	end(answerTo(err))
	return err
}

type tracker struct {
	hub.Tracker
	to called
}

func (t *tracker) Changes(ctx context.Context, since hub.Cursor) ([]hub.Report, hub.Cursor, error) {
	ctx, end := t.to.call(ctx, "changes")
	rs, next, err := t.Tracker.Changes(ctx, since)
	end(answerTo(err))
	return rs, next, err
}

type poller struct {
	hub.Poller
	to called
}

func (p *poller) Poll(ctx context.Context, d hub.Delivery, r hub.Receipt) ([]hub.Report, error) {
	ctx, end := p.to.call(ctx, "poll")
	rs, err := p.Poller.Poll(ctx, d, r)
	end(answerTo(err))
	return rs, err
}

type counter struct {
	hub.Counter
	to called
}

func (c *counter) Sent(ctx context.Context, service string, from, until time.Time) ([]hub.Sent, error) {
	ctx, end := c.to.call(ctx, "sent")
	sent, err := c.Counter.Sent(ctx, service, from, until)
	end(answerTo(err))
	return sent, err
}
