package meter_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
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
	store := m.Store(inner)
	defer store.Close()
	log := slog.New(slog.DiscardHandler)
	wakes := m.Bus(bus.Memory(log))
	defer wakes.Close()
	h := hub.New(hub.Options{
		Store: store, Bus: wakes, Bundle: &hub.Bundle{Municipalities: map[hub.Municipality]hub.MunicipalityText{"1080": {}}}, Clock: time.Now, Log: log,
		Systems: []hub.Opened{{ID: "k.diarium", System: m.System("k.diarium", "sif", hub.System{}), Words: map[string]hub.Step{"beslutat": hub.Beslutat}},
			{ID: "k.kir", System: m.System("k.kir", "kir", hub.System{Importer: fed{}})},
			{ID: "k.asked", System: m.System("k.asked", "soap", hub.System{Poller: asked{}})}},
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
	w := httptest.NewRecorder()
	m.Page().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
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
	})
	for _, want := range []string{
		`knutpunkt_submissions_accepted_total{municipality="1080"} 1`,
		`knutpunkt_submissions{state="ACCEPTED"} 1`,
		`knutpunkt_accept_seconds_count{result="new"} 1`,
		`knutpunkt_accept_seconds_count{result="replayed"} 1`,
		`knutpunkt_delivery_attempts_total{answer="yes",connector="sif"} 1`,
		`knutpunkt_delivery_attempts_total{answer="no",connector="sif"} 1`,
		`knutpunkt_delivery_attempts_total{answer="not-now",connector="sif"} 1`,
		`knutpunkt_delivery_attempts_total{answer="dont-know",connector="sif"} 1`,
		`knutpunkt_register_lookups_total{connector="navet",outcome="found"} 1`,
		`knutpunkt_register_lookups_total{connector="navet",outcome="not-found"} 1`,
		`knutpunkt_register_lookups_total{connector="navet",outcome="failed"} 1`,
		`knutpunkt_register_lookups_total{connector="navet",outcome="partly"} 1`,
		`knutpunkt_register_recent{system="k.kir"} 1`,
		`knutpunkt_held{reason="protected"} 0`,
		`knutpunkt_circuit_open{cause="down",connector="sif"} 0`,
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

// Whoever adds a series adds a closed set of labels: no id and no path may become one.
func TestLabelsAreOfClosedSets(t *testing.T) {
	text := page(t, func(_ *meter.Meter, s hub.Store) { receive(t, s, "1") })
	allowed := map[string]bool{
		"municipality": true, "state": true, "reason": true, "connector": true, "cause": true, "mode": true,
		"result": true, "answer": true, "role": true, "outcome": true, "le": true, "kind": true, "system": true,
	}
	for _, line := range strings.Split(text, "\n") {
		if !strings.HasPrefix(line, "knutpunkt_") {
			continue
		}
		for _, label := range regexp.MustCompile(`[{,](\w+)="`).FindAllStringSubmatch(line, -1) {
			if !allowed[label[1]] {
				t.Errorf("%s has the label %s", line, label[1])
			}
		}
	}
}
