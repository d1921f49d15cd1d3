package meter

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/knutpunkt/knutpunkt/hub"
)

// wayBack are the series of whether everything that was sent is where it should be.
type wayBack struct{ hub *hub.Hub }

var (
	gaps = shared("reconciliation_gaps",
		"Forms of the last 14 days that are not where they should be, by what is the matter; municipality shared: nobody's yet.", "municipality", "kind")
	unexplained = shared("reconciliation_unexplained", "Forms of the last 14 days that are unaccounted for: should be 0.")
	untold      = shared("reconciliation_untold", "E-services and days of the last 14 for which the platform has not said what it sent.")
	streams     = ours("streams", "Streams that are open, by who follows: case for clients, citizen, console.", "kind")
)

func (w *wayBack) Describe(ch chan<- *prometheus.Desc) {
	for _, s := range []Series{gaps, unexplained, untold} {
		ch <- s.desc
	}
}

// Collect tells of the days as the hub has counted them last.
func (w *wayBack) Collect(ch chan<- prometheus.Metric) {
	gauge := gaugeTo(ch)
	type series struct {
		m hub.Municipality
		k hub.GapKind
	}
	n := map[series]int{}
	for m := range w.hub.Bundle().Municipalities {
		for _, k := range hub.GapKinds {
			n[series{m, k}] = 0
		}
	}
	lost, silent := 0, 0
	for _, b := range w.hub.Reconciled() {
		lost += b.Unexplained
		if !b.Told {
			silent++
		}
		m := b.Municipality
		if m == "" {
			m = "shared"
		}
		for _, g := range b.Gaps {
			n[series{m, g.Kind}] += g.Count
		}
	}
	for s, v := range n {
		gauge(gaps, float64(v), string(s.m), string(s.k))
	}
	gauge(unexplained, float64(lost))
	gauge(untold, float64(silent))
}

// Streams adds how many streams are open, which open tells by kind each time that somebody
// asks.
func (m *Meter) Streams(open func() map[string]int) { m.registry.MustRegister(openStreams(open)) }

type openStreams func() map[string]int

func (o openStreams) Describe(ch chan<- *prometheus.Desc) { ch <- streams.desc }

func (o openStreams) Collect(ch chan<- prometheus.Metric) {
	gauge := gaugeTo(ch)
	for kind, n := range o() {
		gauge(streams, float64(n), kind)
	}
}
