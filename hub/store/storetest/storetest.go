// Package storetest decides whether something is a hub.Store. What it asks is what the
// hub's promise rests on; an engine that passes may be put under the hub.
//
//	func TestStore(t *testing.T) { storetest.Run(t, newBed) }
//
// It is imported from tests only.
package storetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A Bed is where a Store lies. It outlives the processes that have it open.
type Bed interface {
	// Open opens the Store as a process would that is named boot. After the first time
	// it is called only when the Store before was closed or killed.
	Open(t testing.TB, boot string) hub.Store
	// Kill ends the process that has the Store open as kill -9 would: nothing is closed,
	// flushed or released.
	Kill(t testing.TB)
}

// A NewBed makes an empty Bed, whose Stores go by the clock, have keys for the
// Municipalities, and take files of the usual size.
type NewBed func(t testing.TB, clock func() time.Time) Bed

// Municipalities are those that the suite has forms for.
var Municipalities = []string{"1080", "1082", "0114"}

// Run runs the whole suite, each part on a bed of its own.
func Run(t *testing.T, newBed NewBed) {
	for _, part := range []struct {
		name string
		test func(*world)
	}{
		{"a form's life", testLife},
		{"content comes back as it was", testContent},
		{"what was received is received once", testReplay},
		{"marks outlive the process", testReplayAfterKill},
		{"twins", testTwins},
		{"twins by the source's reference", testTwinsBySource},
		{"a completion joins its case", testCompletion},
		{"order within a case", testOrder},
		{"a claim is one worker's", testClaimsAreExclusive},
		{"claims are fair", testClaimsAreFair},
		{"claims wait until due", testClaimsAreDue},
		{"late workers", testLateWorkers},
		{"the attempt row comes first", testAttempts},
		{"kill at each point", testKill},
		{"leases that ran out", testExpiredLeases},
		{"the wall", testWall},
		{"who follows a case", testFollowers},
		{"what a register says lasts a day", testFollowingLasts},
		{"citizens who have had other numbers", testPreviousNumbers},
		{"sessions", testSessions},
		{"the feed has no gaps", testFeed},
		{"the tail of the feed", testTail},
		{"who is told", testTellers},
		{"lists have pages", testPaging},
		{"lists of some days", testDays},
		{"references", testReferences},
		{"handling times", testHandling},
		{"tallies", testTallies},
		{"notices", testNotices},
		{"pauses", testPauses},
		{"what was told", testTold},
		{"what was told since", testToldSince},
		{"reports are heard once", testReports},
		{"reports that come early", testEarlyReports},
		{"words that nobody has translated", testWords},
		{"words that are translated", testTranslate},
		{"words that are translated late", testLateNews},
		{"words of many reports", testManyReports},
		{"what is not decided", testUndecided},
		{"what people decide", testDecisions},
		{"who has looked", testLooked},
		{"made anew", testAnew},
		{"what was announced", testAnnounced},
		{"the work list", testWorkList},
		{"cursors and bundles", testCursorsAndBundles},
		{"facts and fetched files", testFacts},
		{"residents", testResidents},
		{"residents of a file that was read in vain", testResidentsInVain},
		{"residents of files that belong together", testResidentsTogether},
		{"residents that somebody else keeps", testResidentsConflict},
		{"many residents", testManyResidents},
		{"files", testFiles},
		{"large files stream", testLargeFiles},
		{"numbers agree with rows", testCounts},
		{"whatever happens", testInvariants},
	} {
		t.Run(part.name, func(t *testing.T) { part.test(newWorld(t, newBed)) })
	}
}

// A world is one test's: a store, a clock that stands still until it is moved, and a
// process that is named by its boot.
type world struct {
	*testing.T
	ctx   context.Context
	bed   Bed
	store hub.Store
	boot  string
	boots int

	mu  sync.Mutex
	now time.Time
}

// Systems of the suite.
const (
	platform hub.SystemID = "karlskrona.etjanst"
	diarium  hub.SystemID = "karlskrona.diarium"
	bygg     hub.SystemID = "karlskrona.bygg"
)

// Persons of the suite: Skatteverket's test numbers.
var (
	anna    = mustPerson("189001019802")
	bertil  = mustPerson("189104019816")
	cecilia = mustPerson("189206309818")
)

func mustPerson(digits string) hub.PersonID {
	p, err := hub.ParsePersonID(digits)
	if err != nil {
		panic(err)
	}
	return p
}

func newWorld(t *testing.T, newBed NewBed) *world {
	w := &world{T: t, ctx: t.Context(), now: time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)}
	w.bed = newBed(t, w.clock)
	w.open()
	t.Cleanup(func() { w.store.Close() })
	return w
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) open() {
	w.Helper()
	w.boots++
	w.boot = fmt.Sprintf("boot-%d", w.boots)
	w.store = w.bed.Open(w.T, w.boot)
}

// restart kills the process and starts another one.
func (w *world) restart() {
	w.Helper()
	w.bed.Kill(w.T)
	w.open()
}

func (w *world) must(err error, doing string) {
	w.Helper()
	if err != nil {
		w.Fatalf("%s: %v", doing, err)
	}
}

// A change makes an arrival differ from the usual one.
type change func(*hub.Arrival)

func by(m hub.Municipality) change { return func(a *hub.Arrival) { a.Submission.Municipality = m } }
func keyed(client, key string) change {
	return func(a *hub.Arrival) { a.Client, a.Key = client, key }
}
func containing(text string) change {
	return func(a *hub.Arrival) {
		a.Submission.Answers = hub.NewAnswers(map[string]any{"arende": text})
		a.Fingerprint = sha256.Sum256([]byte(text))
	}
}
func version(v string) change     { return func(a *hub.Arrival) { a.Submission.Source.Version = v } }
func handedOn(l hub.Lease) change { return func(a *hub.Arrival) { a.Lease = l } }

// from has a form come from persons, of whom the first follows its case at once.
func from(ps ...hub.Party) change {
	return func(a *hub.Arrival) { a.Submission.Parties, a.Followers = ps, []hub.PersonID{ps[0].ID} }
}

// arrival is a form of the platform's instance; "" makes it one without a reference.
func (w *world) arrival(instance string, changes ...change) hub.Arrival {
	a := hub.Arrival{
		Submission: hub.Submission{
			Municipality: "1080", Service: "bygglov-altan", FormVersion: "3",
			Source:    hub.Ref{System: platform, ID: instance, Version: "1"},
			Submitted: w.clock().Add(-time.Minute),
			Parties:   []hub.Party{{Role: "sökande", ID: anna, Follows: true}},
			Answers:   hub.NewAnswers(map[string]any{"arende": instance}),
		},
		Own: true, Client: "etjanst", Fingerprint: sha256.Sum256([]byte(instance)), Now: w.clock(),
		Voice: diarium, Tellers: []hub.SystemID{platform}, Followers: []hub.PersonID{anna},
	}
	for _, change := range changes {
		change(&a)
	}
	return a
}

func (w *world) receive(instance string, changes ...change) hub.Received {
	w.Helper()
	got, err := w.store.Receive(w.ctx, w.arrival(instance, changes...))
	w.must(err, "receive "+instance)
	return got
}

// lease is what a worker of this process claims with.
func (w *world) lease() hub.Lease {
	return hub.Lease{Boot: w.boot, Until: w.clock().Add(time.Minute)}
}

func (w *world) at() hub.When { return hub.When{At: w.clock()} }

func (w *world) claimSubmissions(n int) []hub.Claim {
	w.Helper()
	claims, err := w.store.ClaimSubmissions(w.ctx, w.lease(), w.clock(), n)
	w.must(err, "claim submissions")
	return claims
}

func (w *world) claimDeliveries(s hub.SystemID, n int) []hub.Claim {
	w.Helper()
	claims, err := w.store.ClaimDeliveries(w.ctx, s, w.lease(), w.clock(), n)
	w.must(err, "claim deliveries")
	return claims
}

// held gives the lease with which a claimed row is held.
func held(c hub.Claim) hub.Lease { return c.Case.Find(c.Key).Lease }

func (w *world) apply(c hub.CaseID, e hub.Event) (hub.Case, hub.Effects) {
	w.Helper()
	after, fx, err := w.store.Apply(w.ctx, c, e)
	w.must(err, fmt.Sprintf("apply %T", e))
	return after, fx
}

// plan routes a claimed submission to a leg for each system.
func (w *world) plan(c hub.Claim, level hub.Level, systems ...hub.SystemID) hub.Case {
	w.Helper()
	after, _ := w.apply(c.Case.ID, w.planned(c, level, systems...))
	return after
}

func (w *world) planned(c hub.Claim, level hub.Level, systems ...hub.SystemID) hub.Planned {
	e := hub.Planned{When: w.at(), Key: c.Key, Lease: held(c), Revision: "r1", Voice: diarium}
	for _, s := range systems {
		_, name, _ := strings.Cut(string(s), ".")
		e.Deliveries = append(e.Deliveries, hub.Plan{
			Leg: name, System: s, Operation: "create", Level: level, Lag: time.Second, Step: hub.Registrerat,
		})
	}
	return e
}

// routed receives a form and plans it.
func (w *world) routed(instance string, level hub.Level, systems ...hub.SystemID) hub.Case {
	w.Helper()
	got := w.receive(instance)
	for _, c := range w.claimSubmissions(1000) {
		after := w.plan(c, level, systems...)
		if c.Key == hub.Key(got.Submission.ID) {
			return after
		}
	}
	w.Fatalf("%s was not claimed", instance)
	return hub.Case{}
}

func (w *world) start(c hub.Claim) {
	w.Helper()
	w.apply(c.Case.ID, w.started(c))
}

func (w *world) started(c hub.Claim) hub.Started {
	return hub.Started{When: w.at(), Key: c.Key, Lease: held(c), SHA256: sha256.Sum256([]byte(c.Key))}
}

func (w *world) yes(c hub.Claim, number string) hub.Answered {
	return hub.Answered{When: w.at(), Key: c.Key, Lease: held(c), Answer: hub.Yes,
		Receipt: hub.Receipt{Number: number, At: w.clock()}}
}

// deliver takes the one due delivery of a system and has it answered with a number.
func (w *world) deliver(s hub.SystemID, number string) hub.Case {
	w.Helper()
	claims := w.claimDeliveries(s, 1)
	if len(claims) != 1 {
		w.Fatalf("%d deliveries to %s are due, want 1", len(claims), s)
	}
	w.start(claims[0])
	after, _ := w.apply(claims[0].Case.ID, w.yes(claims[0], number))
	return after
}

func (w *world) caseOf(id hub.CaseID) hub.Case {
	w.Helper()
	c, err := w.store.Case(w.ctx, hub.AsHub(), id)
	w.must(err, "read case")
	return c
}

// put brings files in and gives the intake with them.
func (w *world) put(files ...[]byte) (hub.Intake, []hub.Blob) {
	w.Helper()
	in, err := w.store.Intake(w.ctx)
	w.must(err, "open intake")
	var blobs []hub.Blob
	for _, f := range files {
		b, err := in.Put(w.ctx, bytes.NewReader(f))
		w.must(err, "put file")
		blobs = append(blobs, b)
	}
	return in, blobs
}

// state fails unless a row stands in a state.
func (w *world) state(c hub.Case, k hub.Key, want hub.State) {
	w.Helper()
	p := c.Find(k)
	if p == nil {
		w.Fatalf("%s is not in its case", k)
	}
	if p.State != want {
		w.Errorf("%s is %s %s, want %s", k, p.State, p.Reason, want)
	}
}
