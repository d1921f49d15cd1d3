// Package meter counts. It wraps the Store, the Bus and the systems, so that the
// journey itself says nothing of metrics, and it reads what must survive a restart
// from the rows themselves.
//
// Every label comes from a closed set: kommunkoder, connectors, systems, states, answers,
// reasons, kinds. Nothing about a case, and nobody's number, can become a label.
package meter

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A Meter holds one installation's series.
type Meter struct {
	registry   *prometheus.Registry
	clock      func() time.Time
	accept     *prometheus.HistogramVec
	attempts   *prometheus.CounterVec
	calls      *prometheus.HistogramVec
	lookups    *prometheus.CounterVec
	wakes      prometheus.Counter
	connectors map[hub.SystemID]string
}

// seconds are buckets from a millisecond to what a call may take at the most.
var seconds = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

// New makes a Meter with nothing counted.
func New(clock func() time.Time) *Meter {
	m := &Meter{
		registry: prometheus.NewRegistry(), clock: clock, connectors: map[hub.SystemID]string{},
		accept: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "knutpunkt_accept_seconds", Buckets: seconds,
			Help: "How long it took to make a form durable, by what became of it: new, replayed, refused.",
		}, []string{"result"}),
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "knutpunkt_delivery_attempts_total",
			Help: "Attempts to deliver since this process began, by connector and answer: yes, no, not-now, dont-know.",
		}, []string{"connector", "answer"}),
		calls: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "knutpunkt_call_seconds", Buckets: seconds,
			Help: "How long systems took to answer, by connector and role.",
		}, []string{"connector", "role"}),
		lookups: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "knutpunkt_register_lookups_total",
			Help: "Look-ups since this process began, by connector and outcome: found, partly, not-found, failed.",
		}, []string{"connector", "outcome"}),
		wakes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "knutpunkt_wakes_total", Help: "Wakes that were put on the bus since this process began.",
		}),
	}
	m.registry.MustRegister(m.accept, m.attempts, m.calls, m.lookups, m.wakes,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Watch adds the series that are read from the rows, and from the hub, each time
// somebody asks.
func (m *Meter) Watch(h *hub.Hub, s hub.Store, log *slog.Logger) {
	m.registry.MustRegister(&rows{m, h, s, log}, &wayBack{h})
}

// Page serves the series in Prometheus's text format.
func (m *Meter) Page() http.Handler { return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}) }

// Store counts what is received.
func (m *Meter) Store(s hub.Store) hub.Store { return &store{s, m} }

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
	return r, err
}

// Bus counts wakes.
func (m *Meter) Bus(b hub.Bus) hub.Bus { return &bus{b, m} }

type bus struct {
	hub.Bus
	m *Meter
}

func (b *bus) Wake(ctx context.Context, w hub.Wake) {
	b.m.wakes.Inc()
	b.Bus.Wake(ctx, w)
}

// System counts what one system is asked and what it answers.
func (m *Meter) System(id hub.SystemID, connector string, s hub.System) hub.System {
	m.connectors[id] = connector
	if s.Destination != nil {
		s.Destination = &destination{s.Destination, m, connector}
	}
	if s.Register != nil {
		s.Register = &register{s.Register, m, connector}
	}
	return s
}

// timed notes how long a call took.
func (m *Meter) timed(connector, role string) func() {
	begun := m.clock()
	return func() { m.calls.WithLabelValues(connector, role).Observe(m.clock().Sub(begun).Seconds()) }
}

type destination struct {
	hub.Destination
	m         *Meter
	connector string
}

func (d *destination) Deliver(ctx context.Context, del hub.Delivery) (hub.Receipt, error) {
	defer d.m.timed(d.connector, "deliver")()
	r, err := d.Destination.Deliver(ctx, del)
	a, _, _ := hub.AnswerOf(r, err)
	d.m.attempts.WithLabelValues(d.connector, string(a)).Inc()
	return r, err
}

func (d *destination) Find(ctx context.Context, del hub.Delivery) (hub.Receipt, error) {
	defer d.m.timed(d.connector, "find")()
	return d.Destination.Find(ctx, del)
}

type register struct {
	hub.Register
	m         *Meter
	connector string
}

func (r *register) Lookup(ctx context.Context, id hub.PersonID) (hub.Person, error) {
	defer r.m.timed(r.connector, "lookup")()
	p, err := r.Register.Lookup(ctx, id)
	outcome := "found"
	switch {
	case errors.Is(err, hub.ErrNotFound):
		outcome = "not-found"
	case errors.Is(err, hub.ErrPartly):
		outcome = "partly"
	case err != nil:
		outcome = "failed"
	}
	r.m.lookups.WithLabelValues(r.connector, outcome).Inc()
	return p, err
}
