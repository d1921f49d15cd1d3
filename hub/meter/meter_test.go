package meter_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/bus"
	"github.com/knutpunkt/knutpunkt/hub/meter"
	"github.com/knutpunkt/knutpunkt/hub/seal"
	"github.com/knutpunkt/knutpunkt/hub/store/sqlite"
)

// answers is a system that gives what it is told to.
type answers struct{ err error }

func (a answers) Deliver(context.Context, hub.Delivery) (hub.Receipt, error) {
	return hub.Receipt{Number: "SBN 2026/1"}, a.err
}
func (a answers) Find(context.Context, hub.Delivery) (hub.Receipt, error) {
	return hub.Receipt{}, a.err
}
func (a answers) Lookup(context.Context, hub.PersonID) (hub.Person, error) {
	return hub.Person{}, a.err
}

// fed is a register whose latest file is of an hour ago.
type fed struct{ hub.Importer }

func (fed) Fed(context.Context) (hub.Fed, error) {
	return hub.Fed{Bookmark: hub.Bookmark{AsOf: time.Now().Add(-time.Hour)}, Until: time.Now().Add(time.Hour)}, nil
}

// asked is a system that is asked about each case.
type asked struct{ hub.Poller }

// page opens a store and a hub under a meter, does something, and gives the page.
func page(t *testing.T, do func(*meter.Meter, hub.Store)) string {
	t.Helper()
	return pageOver(t, func(s hub.Store) hub.Store { return s }, func(b hub.Bus) hub.Bus { return b }, do)
}

// pageOver is page, over what engines there are.
func pageOver(t *testing.T, stored func(hub.Store) hub.Store, said func(hub.Bus) hub.Bus, do func(*meter.Meter, hub.Store)) string {
	t.Helper()
	m := meter.New(time.Now)
	path := filepath.Join(t.TempDir(), "keys.json")
	if err := seal.Init(path, "1080"); err != nil {
		t.Fatal(err)
	}
	keys, err := seal.Open("file:" + path)
	if err != nil {
		t.Fatal(err)
	}
	inner, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "k.db"), keys, sqlite.Options{Boot: "b", Clock: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	store := m.Store(stored(inner))
	defer store.Close()
	log := slog.New(slog.DiscardHandler)
	wakes := m.Bus(said(bus.Memory(log)))
	defer wakes.Close()
	h := hub.New(hub.Options{
		Store: store, Bus: wakes, Bundle: &hub.Bundle{Municipalities: map[hub.Municipality]hub.MunicipalityText{"1080": {}}}, Clock: time.Now, Log: log,
		Systems: []hub.Opened{{ID: "k.diarium", System: m.System("k.diarium", "sif", hub.System{}), Words: map[string]hub.Step{"beslutat": hub.Beslutat}},
			{ID: "k.kir", System: m.System("k.kir", "kir", hub.System{Importer: fed{}})},
			{ID: "k.asked", System: m.System("k.asked", "soap", hub.System{Poller: asked{}})},
			{ID: "k.torg", System: m.System("k.torg", "kafka", hub.System{Collector: locked{}})}},
	})
	m.Watch(h, store, log)
	do(m, store)
	today := hub.DayOf(time.Now())
	if _, missing, err := h.TakeTally(t.Context(), hub.AsHub(), hub.Tally{
		Municipality: "1080", Source: "shared.oep", Service: "702", Day: today, Sent: 3, IDs: []string{"1", "2", "3"},
	}); err != nil || missing != 2 {
		t.Fatalf("%d are missing: %v", missing, err)
	}
	if _, err := h.Reconciliation(t.Context(), today, today); err != nil {
		t.Fatal(err)
	}
	m.Streams(func() map[string]int { return map[string]int{"citizen": 3} })
	return pageOf(m)
}

func TestWhatIsCounted(t *testing.T) {
	text := page(t, func(m *meter.Meter, s hub.Store) {
		receive(t, s, "1")
		receive(t, s, "1")
		if _, err := s.Report(t.Context(), "k.diarium", []hub.Report{{ID: "1", Ref: "x", Word: "noterat", At: time.Now()}}, "", time.Now()); err != nil {
			t.Fatal(err)
		}
		for _, err := range []error{nil, hub.Reject(io.EOF), hub.Later(io.EOF, 0), io.EOF} {
			d := m.System("k.diarium", "sif", hub.System{Destination: answers{err}}).Destination
			d.Deliver(t.Context(), hub.Delivery{})
		}
		for _, err := range []error{nil, hub.ErrNotFound, errors.New("down"), hub.ErrPartly} {
			m.System("k.navet", "navet", hub.System{Register: answers{err}}).Register.Lookup(t.Context(), hub.PersonID{})
		}
		lead(t, s)
		takeOver(t, s)
	})
	for _, want := range []string{
		`knutpunkt_submissions_accepted_total{municipality="1080"} 1`,
		`knutpunkt_submissions{state="ACCEPTED"} 1`,
		`knutpunkt_accept_seconds_count{result="new"} 1`,
		`knutpunkt_accept_seconds_count{result="replayed"} 1`,
		`knutpunkt_call_seconds_count{connector="sif",outcome="yes",role="deliver"} 1`,
		`knutpunkt_call_seconds_count{connector="sif",outcome="no",role="deliver"} 1`,
		`knutpunkt_call_seconds_count{connector="sif",outcome="not-now",role="deliver"} 1`,
		`knutpunkt_call_seconds_count{connector="sif",outcome="dont-know",role="deliver"} 1`,
		`knutpunkt_call_seconds_count{connector="navet",outcome="yes",role="lookup"} 1`,
		`knutpunkt_call_seconds_count{connector="navet",outcome="not-there",role="lookup"} 1`,
		`knutpunkt_call_seconds_count{connector="navet",outcome="dont-know",role="lookup"} 1`,
		`knutpunkt_call_seconds_count{connector="navet",outcome="partly",role="lookup"} 1`,
		`knutpunkt_register_recent{system="k.kir"} 1`,
		`knutpunkt_held{reason="protected"} 0`,
		`knutpunkt_circuit_open{cause="down",connector="sif"} 0`,
		`knutpunkt_uncollected{system="k.torg"} 0`,
		`knutpunkt_durability{mode="sqlite-full"} 1`,
		`knutpunkt_unnumbered_rows 0`,
		`knutpunkt_orphan_reports 0`,
		`knutpunkt_reconciliation_gaps{kind="not-received",municipality="1080"} 2`,
		`knutpunkt_reconciliation_gaps{kind="on-its-way",municipality="1080"} 1`,
		`knutpunkt_reconciliation_gaps{kind="held",municipality="1080"} 0`,
		`knutpunkt_reconciliation_unexplained 0`,
		`knutpunkt_reconciliation_untold 0`,
		`knutpunkt_untranslated_words{system="k.diarium"} 1`,
		`knutpunkt_untranslated_words{system="k.asked"} 0`,
		`knutpunkt_streams{kind="citizen"} 3`,
		`knutpunkt_replicas 1`,
		`knutpunkt_leads_held 1`,
		`knutpunkt_takeovers_total 1`,
		`knutpunkt_found_total{by="sweep"} 0`,
		`knutpunkt_found_total{by="wake"} 1`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("the page lacks %s", want)
		}
	}
}

func receive(t *testing.T, s hub.Store, instance string) {
	t.Helper()
	in, err := s.Intake(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if _, err := s.Receive(t.Context(), hub.Arrival{Intake: in, Now: time.Now(), Submission: hub.Submission{
		Municipality: "1080", Service: "702", Source: hub.Ref{System: "shared.oep", ID: instance, Version: "1"},
	}}); err != nil {
		t.Fatal(err)
	}
}

// lead takes two duties on, one of them again, and ends the other twice.
func lead(t *testing.T, s hub.Store) {
	t.Helper()
	for _, duty := range []string{"ask what is new", "ask what is new", "count"} {
		end, held, err := s.Lead(t.Context(), duty)
		if err != nil || held {
			t.Fatal(held, err)
		}
		if duty == "count" {
			end()
			end()
		}
	}
}

// takeOver lets a process find a row, and keep it until another one takes it over.
func takeOver(t *testing.T, s hub.Store) {
	t.Helper()
	claims, err := s.ClaimSubmissions(t.Context(), hub.Lease{Boot: "b", Until: time.Now().Add(-time.Hour)}, time.Now(), 10)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := s.Recover(t.Context(), "another", time.Now()); err != nil || len(claims) != 1 || n != 1 {
		t.Fatalf("%d were found and %d taken over: %v", len(claims), n, err)
	}
}

// elsewhere is a Store on another machine, which tells more than a Store must.
type elsewhere struct{ hub.Store }

func (e elsewhere) Gauges(context.Context) (map[string]float64, error) {
	return map[string]float64{
		"db_oldest_xact_seconds": 2.5, "sequencer_lag_seconds": 0.25, "clock_skew_seconds": -1.5, "db_connections": 7,
		"db_connection_wait_seconds_total": 0.5, "what a store happens to know": 1,
	}, nil
}

func (e elsewhere) Counts(ctx context.Context, now time.Time) (hub.Counts, error) {
	c, err := e.Store.Counts(ctx, now)
	c.DiskFree = -1
	return c, err
}

func (e elsewhere) Peers(context.Context) (place, of int, err error) { return 1, 3, nil }

// broker is a bus with one behind it, which is down.
type broker struct{ hub.Bus }

func (broker) Up() bool        { return false }
func (broker) Dropped() uint64 { return 12 }
func (broker) Ignored() uint64 { return 3 }

// TestWhatOnlyTheEnginesKnow: a Store and a Bus may tell more, under names that are known
// beforehand; and of what there is not, nothing is said.
func TestWhatOnlyTheEnginesKnow(t *testing.T) {
	some := func(_ *meter.Meter, s hub.Store) { receive(t, s, "1") }
	alone := page(t, some)
	shared := pageOver(t, func(s hub.Store) hub.Store { return elsewhere{s} }, func(b hub.Bus) hub.Bus { return broker{b} }, some)
	for _, want := range []string{
		`knutpunkt_db_oldest_xact_seconds 2.5`, `knutpunkt_sequencer_lag_seconds 0.25`, `knutpunkt_clock_skew_seconds{against="store"} -1.5`,
		`knutpunkt_db_connections 7`, `knutpunkt_db_connection_wait_seconds_total 0.5`, `knutpunkt_broker_up 0`,
	} {
		if !strings.Contains(shared, want+"\n") {
			t.Errorf("the page lacks %s", want)
		}
		name, _, _ := strings.Cut(want, " ")
		name, _, _ = strings.Cut(name, "{")
		if strings.Contains(alone, name) {
			t.Errorf("with SQLite alone there is no %s", name)
		}
	}
	if !strings.Contains(shared, "\nknutpunkt_replicas 3\n") || !strings.Contains(shared, "\nknutpunkt_wakes_dropped_total 12\n") ||
		!strings.Contains(shared, "\nknutpunkt_wakes_ignored_total 3\n") {
		t.Error("the page does not tell of three replicas, of twelve wakes that were dropped, and of three that were none")
	}
	if !strings.Contains(alone, "\nknutpunkt_disk_free_bytes ") || strings.Contains(shared, "\nknutpunkt_disk_free_bytes ") {
		t.Error("the room on a disk is told where it is this machine's, and only there")
	}
	if strings.Contains(shared, "happens") {
		t.Error("the page has a series that nobody knows of")
	}
}

// TestOurClockIsHeldAgainstTheSystems: each answer says what time it is there. One system whose
// clock is wrong does not make ours wrong, and what was said long ago is said no more.
func TestOurClockIsHeldAgainstTheSystems(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	m := meter.New(func() time.Time { return now })
	ask := func(id hub.SystemID, behind time.Duration) {
		t.Helper()
		said := func(*http.Request) (*http.Response, error) {
			return &http.Response{Header: http.Header{"Date": {now.Add(-behind).Format(http.TimeFormat)}}, Body: http.NoBody}, nil
		}
		if _, err := m.Calls(id)(goes(said)).RoundTrip(httptest.NewRequest("GET", "/", nil)); err != nil {
			t.Fatal(err)
		}
	}
	if said := skewOf(m); said != "" {
		t.Errorf("nobody has been asked, and the page says %s", said)
	}
	ask("k.diarium", 4*time.Second)
	ask("k.wrong", -72*time.Hour)
	ask("k.bygg", 4*time.Second)
	if said := skewOf(m); said != `knutpunkt_clock_skew_seconds{against="systems"} 3.5` {
		t.Errorf("four seconds ahead of two systems of three, and the page says %q", said)
	}
	now = now.Add(2 * time.Hour)
	if said := skewOf(m); said != "" {
		t.Errorf("two hours later the page still says %s", said)
	}
}

func skewOf(m *meter.Meter) string {
	for line := range strings.Lines(pageOf(m)) {
		if strings.HasPrefix(line, "knutpunkt_clock_skew") {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

func pageOf(m *meter.Meter) string {
	w := httptest.NewRecorder()
	m.Page().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

// goes is a way out.
type goes func(*http.Request) (*http.Response, error)

func (g goes) RoundTrip(req *http.Request) (*http.Response, error) { return g(req) }

// TestLabelsAreOfClosedSets: whoever adds a series adds labels whose values are all known
// beforehand. No id, no path and no word of anybody's may become one, whatever forms say.
func TestLabelsAreOfClosedSets(t *testing.T) {
	const canary = "199001012385"
	text := page(t, func(m *meter.Meter, s hub.Store) {
		receive(t, s, "1")
		receive(t, s, canary)
		d := m.System("k.diarium", "sif", hub.System{Destination: answers{errors.New(canary)}}).Destination
		d.Deliver(t.Context(), hub.Delivery{Key: canary, Operation: canary})
		r := hub.Report{ID: canary, Ref: canary, Word: canary, At: time.Now()}
		if _, err := s.Report(t.Context(), "k.diarium", []hub.Report{r}, canary, time.Now()); err != nil {
			t.Fatal(err)
		}
	})
	if strings.Contains(text, canary) {
		t.Error("what a form, a key or a system says is on the page")
	}
	line := regexp.MustCompile(`^(knutpunkt_\w+?)(?:_bucket|_sum|_count)?(?:\{(.*)\})? \S+$`)
	label := regexp.MustCompile(`(\w+)="([^"]*)"`)
	for one := range strings.Lines(text) {
		m := line.FindStringSubmatch(strings.TrimSpace(one))
		if m == nil {
			if strings.HasPrefix(one, "knutpunkt_") {
				t.Errorf("cannot be read: %s", one)
			}
			continue
		}
		for _, l := range label.FindAllStringSubmatch(m[2], -1) {
			if values := closed[l[1]]; values == nil || !values.MatchString(l[2]) {
				t.Errorf("%s has the label %s=%q", m[1], l[1], l[2])
			}
		}
	}
}

// closed are the labels that there are, each with the values that it can have.
var closed = map[string]*regexp.Regexp{
	"municipality": regexp.MustCompile(`^(1080|shared)$`),
	"connector":    regexp.MustCompile(`^(sif|kir|soap|navet|kafka)$`),
	"system":       regexp.MustCompile(`^k\.(diarium|kir|asked|torg)$`),
	"state":        regexp.MustCompile(`^[A-Z_]+$`),
	"reason":       oneOf(hub.Reasons),
	"kind":         oneOf(append(hub.GapKinds, "citizen")),
	"cause":        oneOf([]hub.Cause{hub.Down, hub.Credentials, hub.AddressChanged, hub.ContractBroken, hub.Busy, hub.Paused}),
	"mode":         regexp.MustCompile(`^(sqlite-full|pg-local|pg-sync|degraded|unreachable)$`),
	"result":       regexp.MustCompile(`^(new|replayed|refused|sent|dropped)$`),
	"role":         regexp.MustCompile(`^(deliver|find|lookup|fetch|tell|changes|poll|sent)$`),
	"outcome":      regexp.MustCompile(`^(yes|no|not-now|dont-know|not-there|cannot-tell|partly)$`),
	"by":           regexp.MustCompile(`^(wake|sweep)$`),
	"against":      regexp.MustCompile(`^(systems|store)$`),
	"le":           regexp.MustCompile(`^([0-9.]+|\+Inf)$`),
}

// oneOf matches each of some words.
func oneOf[T ~string](words []T) *regexp.Regexp {
	var all []string
	for _, w := range words {
		all = append(all, regexp.QuoteMeta(string(w)))
	}
	return regexp.MustCompile("^(" + strings.Join(all, "|") + ")$")
}

// TestEveryLabelHasAClosedSet: also of the series that were not on the page above.
func TestEveryLabelHasAClosedSet(t *testing.T) {
	for _, s := range meter.Catalogue() {
		for _, l := range s.Labels {
			if closed[l] == nil {
				t.Errorf("%s has a label %s, and nobody says what its values can be", s.Name, l)
			}
		}
	}
}

// topic takes the feed's lines while it can.
type topic struct{ down atomic.Bool }

func (p *topic) Publish(context.Context, []hub.Status) error {
	if p.down.Load() {
		return errors.New("no broker")
	}
	return nil
}

// TestWhatIsNotKnownOutside: how many lines wait for the public topic is seen while they do.
func TestWhatIsNotKnownOutside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, public := newJourney(t), &topic{}
		public.down.Store(true)
		j.public = public
		j.begin(t, meter.New(time.Now), "b")
		defer func() { j.stop() }()
		j.until(t, j.send(t, "1"), hub.Registrerat)
		if text := pageOf(j.meter); !strings.Contains(text, "\nknutpunkt_unpublished_rows 2\n") {
			t.Error("two lines wait, and the page does not say so")
		}
		public.down.Store(false)
		time.Sleep(time.Minute)
		if text := pageOf(j.meter); !strings.Contains(text, "\nknutpunkt_unpublished_rows 0\n") {
			t.Error("nothing waits any more, and the page does not say so")
		}
	})
}

// locked is where forms lie and nobody gets at them.
type locked struct{}

func (locked) Collect(context.Context, func(), func(context.Context, hub.Collected) error) error {
	return errors.New("no broker")
}

// TestFormsThatCannotBeFetched are seen while they cannot.
func TestFormsThatCannotBeFetched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJourney(t)
		j.collects = locked{}
		j.begin(t, meter.New(time.Now), "b")
		defer func() { j.stop() }()
		synctest.Wait()
		if text := pageOf(j.meter); !strings.Contains(text, `knutpunkt_uncollected{system="k.torg"} 1`) {
			t.Error("nobody gets at the forms, and the page does not say so")
		}
	})
}
