package hub_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// at reads a time on the wall in Sweden.
func at(wall string) time.Time {
	t, err := time.ParseInLocation("2006-01-02 15:04:05", wall+":00"[:19-len(wall)], hub.Stockholm)
	if err != nil {
		panic(err)
	}
	return t
}

// sleepUntil lets time pass until it is so late.
func sleepUntil(wall string) { time.Sleep(time.Until(at(wall))) }

// A fragile system is out of order at times: then every call ends in fault. It keeps a
// ledger of what reached it.
type fragile struct {
	mu        sync.Mutex
	prefix    string
	fault     func() error // what every call comes to; nil while the system is in order
	takes     bool         // it takes what it is given, and then the fault is what is seen of it
	slow      time.Duration
	posts     []post
	accepted  []hub.Key // in the order in which they were taken
	documents map[hub.Key]string
	refused   hub.Key // will never be taken
	now       int

	protection hub.Protection // of whom a register knows
}

// A post is one call of Deliver.
type post struct {
	key   hub.Key
	at    time.Time
	under int // how many were under way, with this one
	went  bool
}

func newFragile(prefix string) *fragile {
	return &fragile{prefix: prefix, documents: map[hub.Key]string{}, protection: hub.NotProtected}
}

func (f *fragile) Deliver(_ context.Context, d hub.Delivery) (hub.Receipt, error) {
	f.mu.Lock()
	f.now++
	fault := f.fault
	if fault == nil && d.Key == f.refused {
		fault = gives(hub.Reject(errors.New("HTTP status 422")))
	}
	if _, there := f.documents[d.Key]; !there && (fault == nil || f.takes) {
		f.accepted = append(f.accepted, d.Key)
		f.documents[d.Key] = string(d.Document.Reveal())
	}
	f.posts = append(f.posts, post{d.Key, time.Now(), f.now, fault == nil})
	r := f.receipt(d.Key)
	slow := f.slow
	f.mu.Unlock()
	time.Sleep(slow) // virtual
	f.mu.Lock()
	f.now--
	f.mu.Unlock()
	if fault != nil {
		return hub.Receipt{}, fault()
	}
	return r, nil
}

// receipt has a number that is the delivery's for ever.
func (f *fragile) receipt(k hub.Key) hub.Receipt {
	return hub.Receipt{Number: fmt.Sprintf("%s%d", f.prefix, slices.Index(f.accepted, k)+1), At: time.Now()}
}

func (f *fragile) Find(_ context.Context, d hub.Delivery) (hub.Receipt, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fault != nil {
		return hub.Receipt{}, f.fault()
	}
	if _, there := f.documents[d.Key]; there {
		return f.receipt(d.Key), nil
	}
	return hub.Receipt{}, hub.ErrNotFound
}

func (f *fragile) Lookup(_ context.Context, id hub.PersonID) (hub.Person, error) {
	f.mu.Lock()
	f.posts = append(f.posts, post{at: time.Now(), went: f.fault == nil})
	fault, slow := f.fault, f.slow
	f.mu.Unlock()
	time.Sleep(slow) // virtual
	if fault != nil {
		return hub.Person{}, fault()
	}
	return hub.Person{ID: id, Protection: f.protection}, nil
}

// breaks sets what every call comes to from now on; nil for what it should.
func (f *fragile) breaks(fault func() error) { f.set(func(f *fragile) { f.fault = fault }) }

// set changes how the system is, while others may be calling it.
func (f *fragile) set(change func(*fragile)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

// taken gives the keys of what was taken, in that order.
func (f *fragile) taken() []hub.Key {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.accepted)
}

// document gives the document of a delivery that was taken.
func (f *fragile) document(k hub.Key) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.documents[k]
}

// ledger gives what reached the system since the n-th post.
func (f *fragile) ledger(n int) []post {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.posts[min(n, len(f.posts)):])
}

// failed counts the calls that met a fault.
func (f *fragile) failed() (n int) {
	for _, p := range f.ledger(0) {
		if !p.went {
			n++
		}
	}
	return n
}

// dated is a mapping that writes down the day on which a form came in.
type dated struct{ operation string }

func (d dated) Operation() string { return d.operation }

func (d dated) Render(k hub.Known) (hub.Document, error) {
	day := k.Submission.Inkommen.In(hub.Stockholm).Format("2006-01-02 15:04:05")
	return hub.NewDocument("text/plain", []byte("inkom "+day)), nil
}

// weather sets up two municipalities, Karlskrona and Eslöv, each with a system that can
// be asked, one that recognises a Key and a register, and begins at a time.
type weather struct {
	*stage
	diarium, bygg, navet *fragile // Karlskrona's
	eslov, eslovNavet    *fragile
	concurrency          int
	closed               func(time.Time) bool // the diarium's windows
	karlskrona, eslovs   *hub.Route
	sweep                time.Duration
}

func weathered(t *testing.T, wall string, sweep time.Duration, f func(*weather)) {
	played(t, func(s *stage) {
		w := &weather{
			stage: s, sweep: sweep, diarium: newFragile("SBN "), bygg: newFragile("fil "), navet: newFragile(""),
			eslov: newFragile("ES "), eslovNavet: newFragile(""),
		}
		w.karlskrona, w.eslovs = aRoute("1080", "k"), aRoute("1285", "e")
		s.tune = w.furnish
		s.end()
		sleepUntil(wall)
		s.begin()
		f(w)
	})
}

// aRoute has a case and a file for each form, and a document for each completion.
func aRoute(m hub.Municipality, folder string) *hub.Route {
	return &hub.Route{
		Name: "altan", Municipality: m, Title: "Bygglov", From: "shared.oep", Service: "702", Own: true, Protected: hub.Hold,
		Legs: []hub.Leg{
			{Name: "diarium", To: hub.SystemID(folder + ".diarium"), On: hub.First, Mapping: dated{"case"}, Step: hub.Registrerat, Voice: true},
			{Name: "bygg", To: hub.SystemID(folder + ".bygg"), On: hub.First, Mapping: dated{"file"}},
			{Name: "komplettering", To: hub.SystemID(folder + ".diarium"), On: hub.Completion, Mapping: dated{"document"}},
		},
	}
}

func (w *weather) furnish(o *hub.Options) {
	lookup := hub.Capability{Level: hub.Lookup, Lag: 2 * time.Second}
	diarium := func(f *fragile) hub.System {
		return hub.System{Destination: f, Can: hub.Capabilities{"case": lookup, "document": lookup}}
	}
	file := hub.Capabilities{"file": {Level: hub.Idempotent}}
	o.Sweep = w.sweep
	o.Bundle.Routes = []*hub.Route{w.karlskrona, w.eslovs}
	o.Bundle.Municipalities["1285"] = hub.MunicipalityText{Code: "1285", Name: "Eslövs kommun"}
	o.Systems = []hub.Opened{
		{ID: "k.diarium", System: diarium(w.diarium), Concurrency: w.concurrency, Closed: w.closed},
		{ID: "k.bygg", System: hub.System{Destination: w.bygg, Can: file}, Closed: w.closed},
		{ID: "k.navet", System: hub.System{Register: w.navet}, Closed: w.closed},
		{ID: "e.diarium", System: diarium(w.eslov)},
		{ID: "e.bygg", System: hub.System{Destination: newFragile("fil "), Can: file}},
		{ID: "e.navet", System: hub.System{Register: w.eslovNavet}},
		{ID: "shared.oep", System: hub.System{}},
	}
}

// receives has the n-th form of a municipality arrive: version 1 begins a case.
func (w *weather) receives(m hub.Municipality, n, version int) hub.Received {
	w.t.Helper()
	r, err := w.post(m, n, version)
	if err != nil {
		w.t.Error(err)
	}
	return r
}

func (w *weather) post(m hub.Municipality, n, version int) (hub.Received, error) {
	in, err := w.store.Intake(context.Background())
	if err != nil {
		return hub.Received{}, err
	}
	defer in.Close()
	original, err := in.Put(context.Background(), strings.NewReader(fmt.Sprint(m, n, version)))
	if err != nil {
		return hub.Received{}, err
	}
	return w.hub.Receive(context.Background(), hub.Arrival{Client: "oep", Own: true, Intake: in, Submission: hub.Submission{
		Municipality: m, Service: "702", Source: hub.Ref{System: "shared.oep", ID: fmt.Sprint(n), Version: fmt.Sprint(version)},
		Submitted: time.Now().Add(-30 * time.Second), Original: original,
		Answers: hub.NewAnswers(map[string]any{"vad": "altan"}),
	}})
}

// circuit gives a system's.
func (w *weather) circuit(id hub.SystemID) hub.Circuit {
	for _, c := range w.hub.Circuits() {
		if c.System == id {
			return c
		}
	}
	return hub.Circuit{}
}

// held counts what rests with a person.
func (w *weather) held() int64 {
	w.t.Helper()
	counts, err := w.store.Counts(context.Background(), time.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	n := int64(0)
	for _, held := range counts.Held {
		n += held
	}
	return n
}

func (w *weather) caseOf(r hub.Received) hub.Case {
	w.t.Helper()
	c, err := w.store.CaseOf(context.Background(), hub.AsHub(), r.Submission.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// wantDone demands that each form has been delivered, by itself and once, and that its
// document says when it came in, and not when it was delivered.
func (w *weather) wantDone(all []hub.Received) {
	w.t.Helper()
	undone := 0
	for _, r := range all {
		c := w.caseOf(r)
		if s := c.Find(hub.Key(r.Submission.ID)); s.State != hub.Completed {
			if undone++; undone == 1 {
				w.t.Errorf("%s is %s: %+v", r.Submission.ID, s.State, c.Deliveries)
			}
			continue
		}
		inkom := "inkom " + r.Submission.Inkommen.In(hub.Stockholm).Format("2006-01-02 15:04:05")
		for _, d := range c.Deliveries {
			if f := w.systems()[d.System]; d.Submission == r.Submission.ID && f != nil && f.document(d.Key) != inkom {
				w.t.Errorf("the document of %s says %q, want %q", d.Key, f.document(d.Key), inkom)
			}
			if tries := d.Attempts - d.Spent; tries > 5 { // as many as show that it is an outage
				w.t.Errorf("%s has used up %d attempts", d.Key, tries)
			}
		}
	}
	if undone > 0 {
		w.t.Errorf("%d of %d are not done", undone, len(all))
	}
}

func (w *weather) systems() map[hub.SystemID]*fragile {
	return map[hub.SystemID]*fragile{"k.diarium": w.diarium, "k.bygg": w.bygg, "e.diarium": w.eslov}
}
