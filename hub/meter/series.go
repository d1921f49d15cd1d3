package meter

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// A Series is one that Page tells of, under its name.
type Series struct {
	Name   string // with knutpunkt_ before it
	Help   string
	Labels []string
	Shared bool // read from the Store: processes that share one tell the same, so it is not to be added up
	desc   *prometheus.Desc
}

// Catalogue gives every series of ours that Page can have, in order of name. Beside them it
// has those of the Go runtime and of the process, as Prometheus's own library names them.
func Catalogue() []Series {
	all := slices.Clone(catalogue)
	slices.SortFunc(all, func(a, b Series) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return all
}

var catalogue []Series

// shared describes what is read from the Store, and ours what is this process's own.
func shared(name, help string, labels ...string) Series { return describe(name, help, labels, true) }
func ours(name, help string, labels ...string) Series   { return describe(name, help, labels, false) }

func describe(name, help string, labels []string, isShared bool) Series {
	name = "knutpunkt_" + name
	s := Series{name, help, labels, isShared, prometheus.NewDesc(name, help, labels, nil)}
	catalogue = append(catalogue, s)
	return s
}

// seconds are buckets from a millisecond to what a call may take at the most.
var seconds = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

func (s Series) histogram() *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: s.Name, Help: s.Help, Buckets: seconds}, s.Labels)
}

func (s Series) counters() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: s.Name, Help: s.Help}, s.Labels)
}

func (s Series) counter() prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: s.Name, Help: s.Help})
}

// gauge is what is told of a series that is read when somebody asks.
type gauge func(s Series, value float64, labels ...string)

func gaugeTo(ch chan<- prometheus.Metric) gauge {
	return func(s Series, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(s.desc, prometheus.GaugeValue, value, labels...)
	}
}
