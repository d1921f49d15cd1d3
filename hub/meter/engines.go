package meter

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/knutpunkt/knutpunkt/hub"
)

// engines are the series of what this process stands on: the clock, the broker, a database
// that it shares with others.
type engines struct{ m *Meter }

var (
	leadsHeld    = ours("leads_held", "Duties that one process of all is enough for, and that this one has.")
	brokerUp     = ours("broker_up", "1 while the broker that carries wakes answers; absent where there is none.")
	wakesDropped = ours("wakes_dropped_total", "Wakes that were not said, for want of room or of a broker: the sweeper finds what they were about.")
	wakesIgnored = ours("wakes_ignored_total", "What was heard on the bus that is no wake of this release: it was passed over.")
	clockSkew    = ours("clock_skew_seconds",
		"How far this process's clock is ahead, to about a second: of the median of the systems called in the last hour, or of the store's.", "against")
	oldestTransaction = shared("db_oldest_xact_seconds", "How long the oldest open transaction of the database has been open; absent with SQLite.")
	sequencerLag      = shared("sequencer_lag_seconds", "How long the oldest row that has no number yet has waited for one; absent with SQLite.")
	connections       = ours("db_connections", "Connections to the database that this process is using; absent with SQLite.")
	connectionWait    = ours("db_connection_wait_seconds_total", "How long this process has waited for a connection to the database; absent with SQLite.")
)

// gauged are the names that a Store's own Gauges may have. What has another one is left out:
// a name is no place for what a Store happens to know.
var gauged = map[string]Series{
	"db_oldest_xact_seconds": oldestTransaction, "sequencer_lag_seconds": sequencerLag, "db_connections": connections,
}

func (e *engines) Describe(ch chan<- *prometheus.Desc) {
	for _, s := range []Series{leadsHeld, brokerUp, wakesDropped, wakesIgnored, clockSkew, oldestTransaction, sequencerLag, connections, connectionWait} {
		ch <- s.desc
	}
}

func (e *engines) Collect(ch chan<- prometheus.Metric) {
	gauge := gaugeTo(ch)
	gauge(leadsHeld, float64(e.m.leads.count()))
	if skew, known := e.m.clocks.median(e.m.clock()); known {
		gauge(clockSkew, skew.Seconds(), "systems")
	}
	if e.m.broker != nil {
		gauge(brokerUp, oneIf(e.m.broker()))
	}
	if e.m.dropped != nil {
		ch <- prometheus.MustNewConstMetric(wakesDropped.desc, prometheus.CounterValue, float64(e.m.dropped()))
	}
	if e.m.ignored != nil {
		ch <- prometheus.MustNewConstMetric(wakesIgnored.desc, prometheus.CounterValue, float64(e.m.ignored()))
	}
	if e.m.gauges == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), countFor)
	defer cancel()
	told, err := e.m.gauges(ctx)
	if err != nil {
		return // the Store's other series are absent too, and that is logged there
	}
	for name, value := range told {
		if s, known := gauged[name]; known {
			gauge(s, value)
		}
	}
	if skew, known := told["clock_skew_seconds"]; known {
		gauge(clockSkew, skew, "store")
	}
	if wait, known := told["db_connection_wait_seconds_total"]; known {
		ch <- prometheus.MustNewConstMetric(connectionWait.desc, prometheus.CounterValue, wait)
	}
}

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// leads are the duties that this process has.
type leads struct {
	mu   sync.Mutex
	held map[string]bool
}

func (l *leads) has(duty string, yes bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil {
		l.held = map[string]bool{}
	}
	if delete(l.held, duty); yes {
		l.held[duty] = true
	}
}

func (l *leads) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.held)
}

// clocks are how far ours is ahead of the systems', by what each said last.
type clocks struct {
	mu   sync.Mutex
	said map[hub.SystemID]clockSaid
}

type clockSaid struct {
	ahead time.Duration
	at    time.Time
}

// heedFor is how long a system's word on what time it is counts.
const heedFor = time.Hour

// hear takes in what a system's Date said, which is given in whole seconds, downwards.
func (c *clocks) hear(s hub.SystemID, date, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.said == nil {
		c.said = map[hub.SystemID]clockSaid{}
	}
	c.said[s] = clockSaid{now.Sub(date.Add(time.Second / 2)), now}
}

// median tells how far ours is ahead of half of them: one system whose clock is wrong does
// not make ours wrong.
func (c *clocks) median(now time.Time) (ahead time.Duration, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []time.Duration
	for _, s := range c.said {
		if now.Sub(s.at).Abs() < heedFor {
			all = append(all, s.ahead)
		}
	}
	if len(all) == 0 {
		return 0, false
	}
	slices.Sort(all)
	return all[(len(all)-1)/2], true
}
