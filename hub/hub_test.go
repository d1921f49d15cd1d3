package hub_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/seal"
	"github.com/knutpunkt/knutpunkt/hub/store/sqlite"
)

// These tests run the whole journey over a real Store, in a bubble where time is
// virtual: a register that is down for a day is down for a moment of ours.

var alva, _ = hub.ParsePersonID("199001012385")

// A stage is a hub with its surroundings. The bus is silent: the sweeper alone must
// drain the system.
type stage struct {
	t        *testing.T
	dir      string
	keys     *seal.Keys
	boots    int
	route    *hub.Route
	register *register
	diarium  *system
	bygg     *system
	platform *platform
	closed   func(time.Time) bool // the building system's windows

	store  *sqlite.Store
	before func(hub.Store) hub.Store // stands before the Store; nil for nothing
	tune   func(*hub.Options)        // changes what a Hub is made of; nil for nothing
	hub    *hub.Hub
	stop   func()
}

// played sets a stage up, runs f on it and takes it down, in virtual time.
func played(t *testing.T, f func(*stage)) {
	synctest.Test(t, func(t *testing.T) {
		s := &stage{t: t, dir: t.TempDir(), route: route()}
		s.register = &register{person: hub.Person{ID: alva, Given: "Alva", Family: "Exempelsson", Protection: hub.NotProtected}}
		s.diarium, s.bygg, s.platform = newSystem("SBN 2026/"), newSystem("fil-"), &platform{}
		path := filepath.Join(s.dir, "keys.json")
		if err := seal.Init(path, "1080", "1285"); err != nil {
			t.Fatal(err)
		}
		keys, err := seal.Open("file:" + path)
		if err != nil {
			t.Fatal(err)
		}
		s.keys = keys
		s.begin()
		defer func() { s.end() }()
		f(s)
	})
}

// begin starts a process: a Store and a Hub of its own.
func (s *stage) begin() {
	s.t.Helper()
	s.boots++
	boot := fmt.Sprintf("boot-%d", s.boots)
	var err error
	s.store, err = sqlite.Open(context.Background(), filepath.Join(s.dir, "k.db"), s.keys, sqlite.Options{
		Boot: boot, Clock: time.Now, DiskFree: func() (int64, int64, error) { return 1 << 40, 1 << 41, nil },
	})
	if err != nil {
		s.t.Fatal(err)
	}
	bundle := &hub.Bundle{
		Revision: "rev1", Archive: []byte("x"), Routes: []*hub.Route{s.route},
		Municipalities: map[hub.Municipality]hub.MunicipalityText{"1080": {Code: "1080", Name: "Karlskrona kommun"}},
	}
	var store hub.Store = s.store
	if s.before != nil {
		store = s.before(store)
	}
	o := hub.Options{
		Store: store, Bus: silence{}, Bundle: bundle, Boot: boot, Clock: time.Now,
		Reopen: func([]byte) (*hub.Bundle, error) { return nil, errors.New("not in these tests") },
		Jitter: func() float64 { return 0.5 }, Log: slog.New(slog.DiscardHandler), Sweep: 5 * time.Second, Book: 24 * time.Hour,
		Systems: []hub.Opened{
			{ID: "k.navet", System: hub.System{Register: s.register}},
			{ID: "k.diarium", System: hub.System{Destination: s.diarium, Tracker: s.diarium, Can: hub.Capabilities{
				"case": {Level: hub.Lookup, Lag: 2 * time.Second, Protected: true}, "document": {Level: hub.Lookup, Lag: 2 * time.Second},
			}}, Words: map[string]hub.Step{"under handläggning": hub.UnderHandlaggning, "beslutat": hub.Beslutat}, Poll: 5 * time.Second},
			{ID: "k.bygg", System: hub.System{Destination: s.bygg, Can: hub.Capabilities{"file": {Level: hub.Idempotent}}}, Closed: s.closed},
			{ID: "shared.oep", System: hub.System{Teller: s.platform, Fetcher: s.platform}},
		},
	}
	if s.tune != nil {
		s.tune(&o)
	}
	s.hub = hub.New(o)
	if err := s.hub.Activate(context.Background(), bundle); err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { s.hub.Run(ctx); close(done) }()
	s.stop = func() { cancel(); <-done }
}

func (s *stage) end() {
	s.stop()
	if err := s.store.Close(); err != nil {
		s.t.Error(err)
	}
}

// die begins another process without ending the one that is: whatever that one had
// in its hands it can no longer write down.
func (s *stage) die() {
	before := s.stop
	if err := s.store.Close(); err != nil {
		s.t.Error(err)
	}
	s.begin()
	present := s.stop
	s.stop = func() { present(); before() }
}

// restart ends the process and begins another.
func (s *stage) restart() { s.end(); s.begin() }

// send posts a form, with its files.
func (s *stage) send(instance, version string, attachments ...hub.Attachment) hub.Received {
	s.t.Helper()
	return s.sendFor("702", instance, version, attachments...)
}

// sendFor posts a form of an e-service.
func (s *stage) sendFor(service, instance, version string, attachments ...hub.Attachment) hub.Received {
	s.t.Helper()
	in, err := s.store.Intake(context.Background())
	if err != nil {
		s.t.Fatal(err)
	}
	defer in.Close()
	original, err := in.Put(context.Background(), strings.NewReader("<FlowInstance/>"+version))
	if err != nil {
		s.t.Fatal(err)
	}
	r, err := s.hub.Receive(context.Background(), hub.Arrival{Client: "oep", Intake: in, Submission: hub.Submission{
		Municipality: "1080", Service: service, Source: hub.Ref{System: "shared.oep", ID: instance, Version: version},
		Answers: hub.NewAnswers(map[string]any{"vad": "altan"}), Attachments: attachments, Original: original,
	}})
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// until lets time pass until the submission's case is as wanted, or a week is over.
func (s *stage) until(r hub.Received, what string, ok func(hub.Case, hub.Progress) bool) hub.Case {
	s.t.Helper()
	var c hub.Case
	for begun := time.Now(); time.Since(begun) < 7*24*time.Hour; {
		var err error
		if c, err = s.store.CaseOf(context.Background(), hub.AsHub(), r.Submission.ID); err != nil {
			s.t.Fatal(err)
		}
		if ok(c, *c.Find(hub.Key(r.Submission.ID))) {
			return c
		}
		time.Sleep(max(time.Second, min(time.Since(begun)/60, time.Minute))) // virtual
	}
	s.t.Fatalf("after a week it is not %s, but %+v", what, c)
	return c
}

func (s *stage) completed(r hub.Received) hub.Case {
	s.t.Helper()
	return s.until(r, "completed", func(_ hub.Case, p hub.Progress) bool { return p.State == hub.Completed })
}

func (s *stage) held(r hub.Received, want hub.Reason) hub.Case {
	s.t.Helper()
	c := s.until(r, "held", func(_ hub.Case, p hub.Progress) bool { return p.State == hub.Held || p.State == hub.Attention })
	got := c.Find(hub.Key(r.Submission.ID)).Reason
	for _, d := range c.Deliveries {
		if d.State == hub.Held && got == "" {
			got = d.Reason
		}
	}
	if got != want {
		s.t.Errorf("held for %q, want %q", got, want)
	}
	return c
}

func route() *hub.Route {
	whole := func(k hub.Known) ([]hub.Party, error) { return []hub.Party{{ID: alva}}, nil }
	return &hub.Route{
		Name: "altan", Municipality: "1080", Title: "Bygglov för altan", From: "shared.oep", Service: "702", Own: true,
		Parties: []hub.PartyRule{{Role: "sökande", Follows: true, Find: whole}},
		Enrich:  []hub.Enrichment{{Register: "k.navet", As: "sökande", Find: whole}},
		Legs: []hub.Leg{
			{Name: "diarium", To: "k.diarium", On: hub.First, Mapping: paper{"case"}, Step: hub.Registrerat, Voice: true},
			{Name: "bygg", To: "k.bygg", On: hub.First, After: "diarium", Mapping: paper{"file"}},
			{Name: "komplettering", To: "k.diarium", On: hub.Completion, Mapping: paper{"document"}},
		},
		Protected: hub.Hold,
	}
}

// paper is a mapping that writes down all that it may know.
type paper struct{ operation string }

func (p paper) Operation() string { return p.operation }

func (p paper) Render(k hub.Known) (hub.Document, error) {
	if p.operation == "file" && k.Receipts["diarium"].Number == "" {
		return hub.Document{}, &hub.MappingError{Where: "bygg.yaml:1", Reason: hub.ReasonMapping, Text: "${diarium.number} has no value"}
	}
	for _, a := range k.Submission.Attachments {
		if a.Blob.ID == "" {
			return hub.Document{}, &hub.MappingError{Where: "x.yaml:1", Reason: hub.ReasonMapping, Text: "${fil.sha256} has no value"}
		}
	}
	text := fmt.Sprintln(k.Title, k.Receipts["diarium"].Number, k.Case["diarium"].Number, len(k.Answers["sökande"].Persons))
	return hub.NewDocument("text/plain", []byte(text)), nil
}

// A system takes deliveries and remembers them by their Key, in the ways that
// systems do.
type system struct {
	mu       sync.Mutex
	prefix   string
	taken    map[hub.Key]hub.Receipt
	posts    []hub.Key
	files    map[hub.Key][]string
	answers  []func() error // what happens to the next posts, after they were taken
	refusals []error        // what happens to the next posts instead of being taken
	down     error          // what happens to every post instead, until it is nil
	slow     time.Duration  // how long a post takes
	now      int            // posts under way
	most     []int          // how many were under way, post by post
	reports  []hub.Report
}

func newSystem(prefix string) *system {
	return &system{prefix: prefix, taken: map[hub.Key]hub.Receipt{}, files: map[hub.Key][]string{}}
}

// peak gives how many posts were under way at the most since it was last asked.
func (s *system) peak() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	most := slices.Max(append(s.most, 0))
	s.most = nil
	return most
}

// hurries has every post take no time from now on.
func (s *system) hurries() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slow = 0
}

func (s *system) Deliver(ctx context.Context, d hub.Delivery) (hub.Receipt, error) {
	r, answer, err := s.take(ctx, d)
	s.mu.Lock()
	slow := s.slow
	s.mu.Unlock()
	time.Sleep(slow) // virtual
	s.mu.Lock()
	s.now--
	s.mu.Unlock()
	if err == nil && answer != nil {
		err = answer()
	}
	if err != nil {
		return hub.Receipt{}, err
	}
	return r, nil
}

// take remembers a delivery, once, and gives what is to become of the answer.
func (s *system) take(ctx context.Context, d hub.Delivery) (r hub.Receipt, answer func() error, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.posts = append(s.posts, d.Key)
	s.now++
	s.most = append(s.most, s.now)
	if s.down != nil {
		return r, nil, s.down
	}
	if len(s.refusals) > 0 {
		err, s.refusals = s.refusals[0], s.refusals[1:]
		return r, nil, err
	}
	if len(s.answers) > 0 {
		answer, s.answers = s.answers[0], s.answers[1:]
	}
	if _, there := s.taken[d.Key]; !there {
		s.taken[d.Key] = hub.Receipt{Number: fmt.Sprintf("%s%d", s.prefix, len(s.taken)+1), At: time.Now()}
		for _, f := range d.Files {
			r, err := f.Open(ctx)
			if err != nil {
				return hub.Receipt{}, nil, err
			}
			content, _ := io.ReadAll(r)
			r.Close()
			s.files[d.Key] = append(s.files[d.Key], string(content))
		}
	}
	return s.taken[d.Key], answer, nil
}

func (s *system) Find(_ context.Context, d hub.Delivery) (hub.Receipt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r, ok := s.taken[d.Key]; ok {
		return r, nil
	}
	return hub.Receipt{}, hub.ErrNotFound
}

func (s *system) Changes(_ context.Context, since hub.Cursor) ([]hub.Report, hub.Cursor, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.reports) > 0 && s.reports[0].ID == "panic" {
		s.reports = nil
		panic("a connector's bug")
	}
	return slices.Clone(s.reports), hub.Cursor(fmt.Sprint(len(s.reports))), nil
}

// seen counts the posts so far.
func (s *system) seen() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.posts)
}

// goes sets whether the system is out of order.
func (s *system) goes(down error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

func (s *system) tells(r hub.Report) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reports = append(s.reports, r)
}

// A register knows one person, or a family.
type register struct {
	mu     sync.Mutex
	person hub.Person
	family map[hub.PersonID]hub.Person
	errs   []error
	slow   time.Duration
}

func (r *register) Lookup(_ context.Context, id hub.PersonID) (hub.Person, error) {
	r.mu.Lock()
	slow := r.slow
	r.mu.Unlock()
	time.Sleep(slow) // virtual
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.errs) > 0 {
		err := r.errs[0]
		r.errs = r.errs[1:]
		return hub.Person{}, err
	}
	if p, ok := r.family[id]; ok {
		return p, nil
	}
	return r.person, nil
}

// hurries has every question take no time from now on.
func (r *register) hurries() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.slow = 0
}

// A platform has files and is told how its forms get on.
type platform struct {
	mu       sync.Mutex
	told     []hub.Step
	errs     []error
	contents map[string]string // of files, where it matters
}

func (p *platform) Tell(_ context.Context, t hub.Telling) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t.Status.Step == hub.Registrerat && (len(t.Receipts) == 0 || t.Status.Ref == "") {
		return hub.Reject(errors.New("told of Registrerat without a receipt"))
	}
	p.told = append(p.told, t.Status.Step)
	return nil
}

func (p *platform) Fetch(_ context.Context, ref hub.Fetch, w io.Writer) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.errs) > 0 {
		err := p.errs[0]
		p.errs = p.errs[1:]
		return err
	}
	_, err := io.WriteString(w, cmp.Or(p.contents[ref.File], "content of "+ref.File))
	return err
}

// silence is a bus that loses everything.
type silence struct{}

func (silence) Wake(context.Context, hub.Wake) {}
func (silence) Wakes(ctx context.Context) (<-chan hub.Wake, error) {
	return make(chan hub.Wake), nil
}
func (silence) Close() error { return nil }
