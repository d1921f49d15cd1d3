package meter

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/knutpunkt/knutpunkt/hub"
)

// rows are the series that are read when they are asked for, so that they are
// right after any restart.
type rows struct {
	m   *Meter
	hub *hub.Hub
	s   hub.Store
	log *slog.Logger
}

var (
	accepted    = shared("submissions_accepted_total", "Submissions that were answered with 202, ever.", "municipality")
	states      = shared("submissions", "Submissions by state.", "state")
	held        = shared("held", "Submissions and deliveries that rest with a person.", "reason")
	waiting     = shared("deliveries_waiting", "Deliveries that are due or will be.", "connector")
	oldest      = shared("oldest_ready_seconds", "How long the oldest delivery has been ready.", "connector")
	circuits    = ours("circuit_open", "1 while this process does not call a system, by cause.", "connector", "cause")
	uncollected = ours("uncollected", "1 while this process cannot collect forms from where a platform leaves them.", "system")
	diskFree    = shared("disk_free_bytes", "Room on the disk that holds the Store; absent where that is another machine's.")
	unnumbered  = shared("unnumbered_rows", "Feed rows that no reader sees yet.")
	unpublished = shared("unpublished_rows", "Feed rows that are not known on the public topic yet; absent where there is none.")
	orphans     = shared("orphan_reports", "Reports of systems that have fitted no delivery for a day.")
	words       = shared("untranslated_words", "Words that a system has used and no table translates.", "system")
	registered  = shared("register_age_seconds", "How long ago it is that a register which files feed was right; 0 while it is empty.", "system")
	recent      = shared("register_recent", "1 while the word of a register which files feed is recent enough to go by.", "system")
	durability  = shared("durability", "1 for the mode in which forms are accepted.", "mode")
	replicas    = shared("replicas", "Processes that share the Store and are alive.")
)

// countFor is how long a scrape may take.
const countFor = 5 * time.Second

func (r *rows) Describe(ch chan<- *prometheus.Desc) {
	for _, s := range []Series{
		accepted, states, held, waiting, oldest, circuits, uncollected, diskFree, unnumbered, unpublished, orphans, words, registered, recent, durability, replicas,
	} {
		ch <- s.desc
	}
}

func (r *rows) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), countFor)
	defer cancel()
	gauge := gaugeTo(ch)
	gauge(durability, 1, r.s.Durability(ctx))
	if _, of, err := r.s.Peers(ctx); err == nil {
		gauge(replicas, float64(of))
	}
	if r.hub.Publisher != nil {
		if n, err := r.hub.Unpublished(ctx); err == nil {
			gauge(unpublished, float64(n))
		}
	}
	r.circuits(gauge)
	r.collecting(gauge)
	r.registers(ctx, gauge)
	c, err := r.s.Counts(ctx, r.m.clock())
	if err != nil {
		r.log.Error("count rows for metrics", "error", err)
		return
	}
	for m, n := range c.Accepted {
		ch <- prometheus.MustNewConstMetric(accepted.desc, prometheus.CounterValue, float64(n), string(m))
	}
	r.counts(c, gauge)
}

func (r *rows) counts(c hub.Counts, gauge gauge) {
	for s, n := range c.States {
		gauge(states, float64(n), string(s))
	}
	for _, reason := range hub.Reasons {
		gauge(held, float64(c.Held[reason]), string(reason))
	}
	for connector, n := range r.byConnector(c.Waiting) {
		gauge(waiting, float64(n), connector)
	}
	for connector, age := range r.oldest(c.OldestReady) {
		gauge(oldest, age.Seconds(), connector)
	}
	if c.DiskFree >= 0 {
		gauge(diskFree, float64(c.DiskFree))
	}
	gauge(unnumbered, float64(c.Unnumbered))
	gauge(orphans, float64(c.Orphans))
	for _, s := range r.hub.Systems {
		if s.Tracker != nil || s.Poller != nil || len(s.Words)+len(s.Reports) > 0 {
			gauge(words, float64(c.Words[s.ID]), string(s.ID))
		}
	}
}

// registers tells of those that files feed.
func (r *rows) registers(ctx context.Context, gauge gauge) {
	for _, s := range r.hub.Systems {
		if s.Importer == nil {
			continue
		}
		fed, err := s.Importer.Fed(ctx)
		if err != nil {
			r.log.Error("read a register's state for metrics", "system", s.ID, "error", err)
			continue
		}
		age, isRecent := 0.0, false
		if now := r.m.clock(); !fed.AsOf.IsZero() {
			age, isRecent = now.Sub(fed.AsOf).Seconds(), now.Before(fed.Until)
		}
		gauge(registered, age, string(s.ID))
		gauge(recent, oneIf(isRecent), string(s.ID))
	}
}

// byConnector adds up what systems of one kind have.
func (r *rows) byConnector(of map[hub.SystemID]int64) map[string]int64 {
	sum := map[string]int64{}
	for _, connector := range r.m.connectors {
		sum[connector] = 0
	}
	for s, n := range of {
		if connector, ok := r.m.connectors[s]; ok {
			sum[connector] += n
		}
	}
	return sum
}

func (r *rows) oldest(of map[hub.SystemID]time.Duration) map[string]time.Duration {
	worst := map[string]time.Duration{}
	for _, connector := range r.m.connectors {
		worst[connector] = 0
	}
	for s, age := range of {
		if connector, ok := r.m.connectors[s]; ok {
			worst[connector] = max(worst[connector], age)
		}
	}
	return worst
}

func (r *rows) circuits(gauge gauge) {
	type series struct{ connector, cause string }
	open := map[series]float64{}
	causes := []hub.Cause{hub.Down, hub.Credentials, hub.AddressChanged, hub.ContractBroken, hub.Busy, hub.Paused}
	for _, connector := range r.m.connectors {
		for _, cause := range causes {
			open[series{connector, string(cause)}] = 0
		}
	}
	for _, c := range r.hub.Circuits() {
		if c.Cause != "" {
			open[series{r.m.connectors[c.System], string(c.Cause)}] = 1
		}
	}
	for s, v := range open {
		gauge(circuits, v, s.connector, s.cause)
	}
}

// collecting tells of those that forms are collected from.
func (r *rows) collecting(gauge gauge) {
	broken := r.hub.Uncollected()
	for _, s := range r.hub.Systems {
		if s.Collector != nil {
			is := slices.ContainsFunc(broken, func(c hub.Circuit) bool { return c.System == s.ID })
			gauge(uncollected, oneIf(is), string(s.ID))
		}
	}
}
