// Package meter counts and traces. It wraps the Store, the Bus, the systems and the way out
// to them, so that the journey itself says nothing of metrics, and it reads what must survive
// a restart from the rows themselves.
//
// Every label comes from a closed set: kommunkoder, connectors, systems, states, outcomes,
// reasons, kinds. Nothing about a case, and nobody's number, can become a label. A span of a
// trace names ids of our own beside those, and nothing else.
package meter

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A Meter holds one process's series, and its traces when somebody wants them.
type Meter struct {
	registry   *prometheus.Registry
	clock      func() time.Time
	accept     *prometheus.HistogramVec
	calls      *prometheus.HistogramVec
	wakes      prometheus.Counter
	found      *prometheus.CounterVec
	takeovers  prometheus.Counter
	connectors map[hub.SystemID]string
	leads      leads
	clocks     clocks
	gauges     func(context.Context) (map[string]float64, error) // of a Store that tells more; else nil
	broker     func() bool                                       // whether there is one, and it answers; nil without
	dropped    func() uint64                                     // by a bus that counts what it drops; else nil
	ignored    func() uint64                                     // by a bus that counts what it hears and passes over; else nil
	traces     *tracing                                          // nil while nobody wants any
}

var (
	acceptSeconds = ours("accept_seconds", "How long it took to make a form durable, by what became of it: new, replayed, refused.", "result")
	callSeconds   = ours("call_seconds", "How long systems took to answer, by connector, role and what they answered.", "connector", "role", "outcome")
	wakesTotal    = ours("wakes_total", "Wakes that were put on the bus since this process began.")
	foundTotal    = ours("found_total", "Due rows that this process has taken in hand, by what made it look: wake or sweep.", "by")
	takeovers     = ours("takeovers_total", "Rows that this process has taken out of dead hands.")
)

// New makes a Meter with nothing counted.
func New(clock func() time.Time) *Meter {
	m := &Meter{
		registry: prometheus.NewRegistry(), clock: clock, connectors: map[hub.SystemID]string{},
		accept: acceptSeconds.histogram(), calls: callSeconds.histogram(), wakes: wakesTotal.counter(),
		found: foundTotal.counters(), takeovers: takeovers.counter(),
	}
	for _, by := range []string{byWake, bySweep} {
		m.found.WithLabelValues(by)
	}
	m.registry.MustRegister(m.accept, m.calls, m.wakes, m.found, m.takeovers, &engines{m},
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
