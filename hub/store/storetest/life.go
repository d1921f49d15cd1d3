package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

func testLife(w *world) {
	got := w.receive("1")
	if got.Replayed || len(got.Submission.ID) != 26 || got.Case.Step != hub.Inkommet {
		w.Fatalf("received %+v", got.Case)
	}
	if got.Submission.Inkommen != w.clock().Add(-time.Minute) || got.Submission.Received != w.clock() {
		w.Errorf("inkommen %v, received %v", got.Submission.Inkommen, got.Submission.Received)
	}
	claims := w.claimSubmissions(10)
	if len(claims) != 1 || claims[0].Key != hub.Key(got.Submission.ID) {
		w.Fatalf("claimed %v, want the form", claims)
	}
	w.plan(claims[0], hub.Lookup, diarium, bygg)
	w.deliver(diarium, "BN 2026-1")
	c := w.deliver(bygg, "B-1")
	w.state(c, hub.Key(got.Submission.ID), hub.Completed)
	if c.Step != hub.Registrerat || c.Ref != "BN 2026-1" {
		w.Errorf("the case is at %s with %s", c.Step, c.Ref)
	}
	w.tells(c.ID)
	w.sameAsStored(c)
}

// tells fails unless the platform is told of Registrerat, and no more.
func (w *world) tells(id hub.CaseID) {
	w.Helper()
	claims := w.claimDeliveries(platform, 10)
	if len(claims) != 1 || claims[0].Case.Find(claims[0].Key).Step != hub.Registrerat {
		w.Fatalf("%d tellings are due, want one of Registrerat", len(claims))
	}
	w.start(claims[0])
	w.apply(id, w.yes(claims[0], "told"))
	lines, err := w.store.Statuses(w.ctx, hub.AsHub(), id, 0, 0)
	w.must(err, "read statuses")
	if len(lines) != 2 || lines[0].Step != hub.Inkommet || lines[1].Step != hub.Registrerat {
		w.Errorf("the feed has %v, want Inkommet and Registrerat", lines)
	}
}

// sameAsStored fails unless a process that knows nothing reads the case as c has its rows.
func (w *world) sameAsStored(c hub.Case) {
	w.Helper()
	w.restart()
	stored := w.caseOf(c.ID)
	for _, p := range append(c.Submissions, c.Deliveries...) {
		if p.Kind == hub.TellingKind {
			continue // has moved on since
		}
		was, is := plain(w, p), plain(w, *stored.Find(p.Key))
		if !reflect.DeepEqual(was, is) {
			w.Errorf("%s is stored as\n%s\nwant\n%s", p.Key, is, was)
		}
	}
}

func plain(w *world, p hub.Progress) string {
	text, err := json.Marshal(p)
	w.must(err, "print a row")
	return string(text)
}

func testReplay(w *world) {
	first := w.receive("1", keyed("a", "key-1"))
	for _, tc := range []struct {
		name, why string
		a         hub.Arrival
		want      error
		replayed  bool
	}{
		{"the same again", "a platform that got no answer", w.arrival("1", keyed("a", "key-1")), nil, true},
		{"the same without a key", "the source's reference is enough", w.arrival("1"), nil, true},
		{"the same under another key", "as above", w.arrival("1", keyed("a", "key-2")), nil, true},
		{"other content, same key", "two forms under one key", w.arrival("2", keyed("a", "key-1"), containing("x")), hub.ErrKeyReused, false},
		{"other content, a key of a replay", "it has been used too", w.arrival("2", keyed("a", "key-2"), containing("x")), hub.ErrKeyReused, false},
		{"other content, same reference", "the source contradicts itself", w.arrival("1", containing("x")), hub.ErrKeyReused, false},
		{"a new version of the instance", "a completion", w.arrival("1", version("2"), containing("y")), nil, false},
		{"same key of another client", "keys are the client's own", w.arrival("3", keyed("b", "key-1"), containing("z")), nil, false},
		{"same key in another municipality", "and the municipality's", w.arrival("1", keyed("a", "key-1"), by("1082")), nil, false},
		{"no key and no reference", "nothing to know it by", w.arrival(""), nil, false},
		{"no key and no reference, again", "so it is new each time", w.arrival(""), nil, false},
	} {
		w.pass(time.Hour)
		got, err := w.store.Receive(w.ctx, tc.a)
		if !errors.Is(err, tc.want) || (tc.want == nil && err != nil) {
			w.Errorf("%s: %v, want %v: %s", tc.name, err, tc.want, tc.why)
			continue
		}
		if got.Replayed != tc.replayed {
			w.Errorf("%s: replayed %v: %s", tc.name, got.Replayed, tc.why)
		}
		if tc.replayed && (got.Submission.ID != first.Submission.ID || !got.Submission.Received.Equal(first.Submission.Received)) {
			w.Errorf("%s: the replay has another id or time", tc.name)
		}
	}
}

func testReplayAfterKill(w *world) {
	first := w.receive("1", keyed("a", "key-1"))
	w.restart()
	w.pass(365 * 24 * time.Hour)
	again := w.receive("1", keyed("a", "key-1"))
	if !again.Replayed || again.Submission.ID != first.Submission.ID || again.Case.ID != first.Case.ID {
		w.Errorf("after a restart and a year: replayed %v, want the first one", again.Replayed)
	}
	_, err := w.store.Receive(w.ctx, w.arrival("1", keyed("a", "key-1"), containing("other")))
	if !errors.Is(err, hub.ErrKeyReused) {
		w.Errorf("other content: %v, want ErrKeyReused", err)
	}
}

func testTwins(w *world)         { w.twins(keyed("a", "key-1")) }
func testTwinsBySource(w *world) { w.twins() }

// twins receives the same form a hundred times at once.
func (w *world) twins(changes ...change) {
	const n = 100
	var all sync.WaitGroup
	var mu sync.Mutex
	fresh, ids := 0, map[hub.ID]bool{}
	for range n {
		all.Go(func() {
			got, err := w.store.Receive(w.ctx, w.arrival("1", changes...))
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				w.Errorf("receive: %v", err)
				return
			}
			ids[got.Submission.ID] = true
			if !got.Replayed {
				fresh++
			}
		})
	}
	all.Wait()
	if fresh != 1 || len(ids) != 1 {
		w.Errorf("%d were new under %d ids, want one", fresh, len(ids))
	}
	lines, err := w.store.List(w.ctx, hub.AsHub(), hub.Filter{})
	w.must(err, "list")
	if len(lines) != 1 {
		w.Errorf("%d submissions, want 1", len(lines))
	}
}

func testCompletion(w *world) {
	first := w.receive("1")
	second := w.receive("1", version("2"), containing("more"))
	elsewhere := w.receive("1", by("1082"))
	if second.Case.ID != first.Case.ID || second.Submission.Case != first.Case.ID || len(second.Case.Submissions) != 2 {
		w.Errorf("the completion is in %s with %d submissions, want %s", second.Case.ID, len(second.Case.Submissions), first.Case.ID)
	}
	if elsewhere.Case.ID == first.Case.ID {
		w.Error("two municipalities share a case")
	}
	if len(second.Effects.Statuses) != 0 {
		w.Error("the citizen is told twice that it has come in")
	}
}

func testOrder(w *world) {
	w.receive("1")
	w.receive("1", version("2"), containing("more"))
	claims := w.claimSubmissions(10)
	var c hub.Case
	for _, claim := range claims {
		c = w.plan(claim, hub.Lookup, diarium)
	}
	due := w.claimDeliveries(diarium, 10)
	if len(due) != 1 || due[0].Key != c.Deliveries[0].Key {
		w.Fatalf("%d deliveries of one case may go at once, want the first only", len(due))
	}
	w.start(due[0])
	w.apply(c.ID, hub.Answered{When: w.at(), Key: due[0].Key, Lease: held(due[0]), Answer: hub.No, Note: "http 422"})
	if due := w.claimDeliveries(diarium, 10); len(due) != 0 {
		w.Errorf("the next one goes although the first is held")
	}
	w.restart()
	w.apply(c.ID, w.yes(due[0], "BN 2026-9")) // late, and taken all the same
	if due := w.claimDeliveries(diarium, 10); len(due) != 1 || due[0].Key != c.Deliveries[1].Key {
		w.Errorf("%d may go when the first is settled, want the second", len(due))
	}
}

func testContent(w *world) {
	in, blobs := w.put([]byte("the form as it came"), []byte("a drawing"))
	defer in.Close()
	a := w.arrival("1", from(
		hub.Party{Role: "sökande", ID: anna, Follows: true},
		hub.Party{Role: "medsökande", Given: "Ragnhild", Family: "Vanadis", Birth: "1941-07"},
	))
	a.Intake = in
	a.Submission.Original = blobs[0]
	a.Submission.Attachments = []hub.Attachment{
		{Name: "ritning.pdf", Type: "application/pdf", Size: 9, Blob: blobs[1]},
		{Name: "later.pdf", Fetch: hub.Fetch{Kind: "file", Instance: "1", File: "7"}},
	}
	a.Submission.Answers = hub.NewAnswers(map[string]any{"area": json.Number("12.50"), "where": []any{"here", nil, true}})
	got, err := w.store.Receive(w.ctx, a)
	w.must(err, "receive")
	w.restart()
	stored, err := w.store.Submission(w.ctx, hub.AsHub(), got.Submission.ID)
	w.must(err, "read submission")
	want := got.Submission
	if !reflect.DeepEqual(stored.Parties, want.Parties) || !reflect.DeepEqual(stored.Attachments, want.Attachments) ||
		!reflect.DeepEqual(stored.Answers.Reveal(), want.Answers.Reveal()) || stored.Source != want.Source ||
		stored.Original != want.Original {
		w.Error("parties, attachments, answers, source or original came back changed")
	}
	if !stored.Received.Equal(want.Received) || !stored.Inkommen.Equal(want.Inkommen) ||
		!stored.Submitted.Equal(want.Submitted) || stored.Service != want.Service ||
		stored.FormVersion != want.FormVersion || stored.Municipality != want.Municipality || stored.Case != want.Case {
		w.Error("what is known of the form came back changed")
	}
}

func testCounts(w *world) {
	for i := range 10 {
		w.receive(fmt.Sprint(i))
	}
	w.receive("x", by("1082"))
	claims := w.claimSubmissions(6)
	w.plan(claims[0], hub.Lookup, diarium)
	w.apply(claims[1].Case.ID, hub.Stopped{When: w.at(), Key: claims[1].Key, Lease: held(claims[1]), Reason: hub.ReasonNoRoute})
	w.report(hub.Report{ID: "1", Ref: "of nothing", Word: "noterat"}, hub.Report{ID: "2", Ref: "of nothing", Word: "NOTERAT"})
	w.pass(90 * time.Second)
	w.restart()
	c, err := w.store.Counts(w.ctx, w.clock())
	w.must(err, "count")
	want := hub.Counts{
		Accepted:    map[hub.Municipality]int64{"1080": 10, "1082": 1},
		States:      map[hub.State]int64{hub.Accepted: 5, hub.Enriching: 4, hub.Routed: 1, hub.Held: 1},
		Held:        map[hub.Reason]int64{hub.ReasonNoRoute: 1},
		Waiting:     map[hub.SystemID]int64{diarium: 1},
		OldestReady: map[hub.SystemID]time.Duration{diarium: 90 * time.Second},
		Words:       map[hub.SystemID]int64{diarium: 1},
	}
	want.DiskFree, want.Unnumbered = c.DiskFree, c.Unnumbered
	if !reflect.DeepEqual(c, want) {
		w.Errorf("counts are\n%v, want\n%v", c, want)
	}
	if c.DiskFree <= 0 && c.DiskFree != -1 {
		w.Errorf("%d free bytes on the disk", c.DiskFree)
	}
}
