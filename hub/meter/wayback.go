package meter

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/knutpunkt/knutpunkt/hub"
)

// wayBack are the series of whether everything that was sent is where it should be.
type wayBack struct{ hub *hub.Hub }

var (
	gaps = desc("reconciliation_gaps",
		"Forms of the last 14 days that are not where they should be, by what is the matter; municipality shared: nobody's yet.", "municipality", "kind")
	unexplained = desc("reconciliation_unexplained", "Forms of the last 14 days that are unaccounted for: should be 0.")
	untold      = desc("reconciliation_untold", "E-services and days of the last 14 for which the platform has not said what it sent.")
	streams     = desc("streams", "Streams that are open, by who follows: case for clients, citizen, console.", "kind")
)

func (w *wayBack) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{gaps, unexplained, untold} {
		ch <- d
	}
}

// Collect tells of the days as the hub has counted them last.
func (w *wayBack) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v int, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
	}
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
		gauge(gaps, v, string(s.m), string(s.k))
	}
	gauge(unexplained, lost)
	gauge(untold, silent)
}

// Streams adds how many streams are open, which open tells by kind each time that somebody
// asks.
func (m *Meter) Streams(open func() map[string]int) { m.registry.MustRegister(openStreams(open)) }

type openStreams func() map[string]int

func (o openStreams) Describe(ch chan<- *prometheus.Desc) { ch <- streams }

func (o openStreams) Collect(ch chan<- prometheus.Metric) {
	for kind, n := range o() {
		ch <- prometheus.MustNewConstMetric(streams, prometheus.GaugeValue, float64(n), kind)
	}
}
