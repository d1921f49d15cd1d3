package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// testWall looks at one case through every read as everybody who may come.
func testWall(w *world) {
	in, blobs := w.put([]byte("a drawing"))
	a := w.arrival("1")
	a.Intake, a.Submission.Attachments = in, []hub.Attachment{{Name: "ritning.pdf", Blob: blobs[0]}}
	got, err := w.store.Receive(w.ctx, a)
	w.must(err, "receive")
	w.receive("other", by("1082"), from(hub.Party{Role: "sökande", ID: bertil, Follows: true}))
	c := w.plan(w.claimSubmissions(10)[0], hub.Lookup, diarium)
	if c.ID != got.Case.ID {
		c = w.plan(w.claimSubmissions(10)[0], hub.Lookup, diarium)
	}
	for _, tc := range []struct {
		name string
		v    hub.Viewer
		sees bool
	}{
		{"the hub", hub.AsHub(), true},
		{"a handler of the municipality", hub.AsHandler("h", "1080"), true},
		{"a handler of another", hub.AsHandler("h", "1082"), false},
		{"a client with all services", hub.AsClient("c", []hub.Municipality{"1082", "1080"}, []string{"*"}), true},
		{"a client with the service", hub.AsClient("c", []hub.Municipality{"1080"}, []string{"bygglov-altan"}), true},
		{"a client with another service", hub.AsClient("c", []hub.Municipality{"1080"}, []string{"forskola"}), false},
		{"a client of another municipality", hub.AsClient("c", []hub.Municipality{"1082"}, []string{"*"}), false},
		{"a client without municipalities", hub.AsClient("c", nil, []string{"*"}), false},
		{"the applicant", hub.AsCitizen(anna), true},
		{"another citizen", hub.AsCitizen(bertil), false},
		{"a citizen who is nobody", hub.AsCitizen(hub.PersonID{}), false},
		{"no viewer at all", hub.Viewer{}, false},
	} {
		for name, err := range w.reads(tc.v, got.Submission.ID, c, blobs[0]) {
			if tc.sees && err != nil {
				w.Errorf("%s: %s: %v, want to see it", tc.name, name, err)
			}
			if !tc.sees && !errors.Is(err, hub.ErrNotFound) {
				w.Errorf("%s: %s: %v, want ErrNotFound", tc.name, name, err)
			}
		}
	}
	if err := w.reads(hub.AsHub(), "01ARZ3NDEKTSV4RRFFQ69G5FAV", hub.Case{ID: "nothing", Deliveries: c.Deliveries}, blobs[0])["Submission"]; !errors.Is(err, hub.ErrNotFound) {
		w.Errorf("what is not there: %v, want ErrNotFound", err)
	}
}

// reads reads everything there is of a case, and gives what each read said. A list that
// leaves it out is ErrNotFound here.
func (w *world) reads(v hub.Viewer, id hub.ID, c hub.Case, b hub.Blob) map[string]error {
	said := map[string]error{}
	_, said["Submission"] = w.store.Submission(w.ctx, v, id)
	_, said["Facts"] = w.store.Facts(w.ctx, v, id)
	_, said["Case"] = w.store.Case(w.ctx, v, c.ID)
	_, said["CaseOf"] = w.store.CaseOf(w.ctx, v, id)
	_, said["Statuses of the case"] = w.store.Statuses(w.ctx, v, c.ID, 0, 0)
	_, said["Attempts"] = w.store.Attempts(w.ctx, v, c.Deliveries[0].Key)
	_, said["Acts"] = w.store.Acts(w.ctx, v, c.ID)
	named, err := w.store.Named(w.ctx, v, string(id))
	if err == nil && !slices.Contains(named, c.ID) {
		err = hub.ErrNotFound
	}
	said["Named"] = err
	r, err := w.store.Open(w.ctx, v, id, b)
	if err == nil {
		r.Close()
	}
	said["Open"] = err
	lines, err := w.store.List(w.ctx, v, hub.Filter{})
	if err == nil && !slices.ContainsFunc(lines, func(l hub.Line) bool { return l.Case.ID == c.ID }) {
		err = hub.ErrNotFound
	}
	said["List"] = err
	feed, err := w.store.Statuses(w.ctx, v, "", 0, 0)
	if err == nil && !slices.ContainsFunc(feed, func(s hub.Status) bool { return s.Case == c.ID }) {
		err = hub.ErrNotFound
	}
	said["Statuses"] = err
	return said
}

// testFeed reads the feed while eight write it: what a reader has seen is never added to.
func testFeed(w *world) {
	const writers, each = 8, 25
	var all sync.WaitGroup
	for i := range writers {
		all.Go(func() {
			for j := range each {
				if _, err := w.store.Receive(w.ctx, w.arrival(fmt.Sprint(i, "-", j))); err != nil {
					w.Errorf("receive: %v", err)
				}
			}
		})
	}
	written := make(chan struct{})
	go func() { all.Wait(); close(written) }()
	last := uint64(0)
	for done := false; !done; {
		select {
		case <-written:
			done = true // one more look
		default:
		}
		last = w.follow(hub.AsHub(), last)
	}
	for last != w.follow(hub.AsHub(), last) {
	}
	if last != writers*each {
		w.Errorf("the feed ends at %d, want %d", last, writers*each)
	}
	if n := w.follow(hub.AsHandler("h", "1080"), 0); n != 100 {
		w.Errorf("without a limit %d lines are given, want 100", n)
	}
	mine, err := w.store.Statuses(w.ctx, hub.AsCitizen(anna), "", last-3, 10)
	w.must(err, "read statuses")
	if len(mine) != 3 {
		w.Errorf("the citizen reads %d lines after the third last, want 3", len(mine))
	}
}

// follow reads on after a number and gives the last that it read; each must be the next.
func (w *world) follow(v hub.Viewer, after uint64) uint64 {
	lines, err := w.store.Statuses(w.ctx, v, "", after, 0)
	w.must(err, "read statuses")
	for _, line := range lines {
		if line.Seq != after+1 {
			w.Errorf("after %d comes %d", after, line.Seq)
		}
		after = line.Seq
	}
	return after
}

func testReports(w *world) {
	c := w.routed("1", hub.Lookup, diarium)
	other := w.routed("2", hub.Lookup, bygg)
	c = w.deliver(diarium, "BN 2026-1")
	handling := hub.Report{ID: "e1", Ref: "BN 2026-1", Word: "utreds", Step: hub.UnderHandlaggning, At: w.clock()}
	decided := hub.Report{ID: "e2", Ref: "BN 2026-1", Word: "beslut", Step: hub.Beslutat, At: w.clock()}
	for _, tc := range []struct {
		name   string
		system hub.SystemID
		rs     []hub.Report
		step   hub.Step
		lines  int
	}{
		{"a report", diarium, []hub.Report{handling}, hub.UnderHandlaggning, 1},
		{"the same again", diarium, []hub.Report{handling}, hub.UnderHandlaggning, 0},
		{"the same and the next", diarium, []hub.Report{handling, decided, decided}, hub.Beslutat, 1},
		{"a step back", diarium, []hub.Report{{ID: "e3", Ref: "BN 2026-1", Step: hub.UnderHandlaggning}}, hub.Beslutat, 0},
		{"a correction", diarium, []hub.Report{{ID: "e4", Ref: "BN 2026-1", Step: hub.UnderHandlaggning, Correction: true}}, hub.UnderHandlaggning, 1},
		{"the same id of another system", bygg, []hub.Report{{ID: "e1", Ref: "BN 2026-1", Step: hub.Avslutat}}, hub.UnderHandlaggning, 0},
		{"another system with our key", bygg, []hub.Report{{ID: "e5", Key: c.Deliveries[0].Key, Ref: "x", Step: hub.Avslutat}}, hub.UnderHandlaggning, 0},
	} {
		heard, err := w.store.Report(w.ctx, tc.system, tc.rs, "", w.clock())
		w.must(err, tc.name)
		lines := 0
		for _, h := range heard {
			lines += len(h.Effects.Statuses)
		}
		if step := w.caseOf(c.ID).Step; step != tc.step || lines != tc.lines {
			w.Errorf("%s: the case is at %s with %d new lines, want %s with %d", tc.name, step, lines, tc.step, tc.lines)
		}
	}
	w.state(w.caseOf(other.ID), other.Deliveries[0].Key, hub.Ready)
	w.testHearing(c, handling)
}

// testHearing: of each report it is told what became of it.
func (w *world) testHearing(c hub.Case, before hub.Report) {
	unknown := hub.Report{ID: "h1", Ref: "BN 2026-404", Word: "utreds"}
	for _, tc := range []struct {
		name   string
		system hub.SystemID
		r      hub.Report
		want   hub.Hearing
	}{
		{"heard before", diarium, before, hub.Hearing{Case: c, Again: true}},
		{"by our key", diarium, hub.Report{ID: "h2", Key: c.Deliveries[0].Key}, hub.Hearing{Case: c}},
		{"about what is not known", diarium, unknown, hub.Hearing{}},
		{"about what is not known, again", diarium, unknown, hub.Hearing{Again: true}},
		{"about another system's delivery", bygg, hub.Report{ID: "h3", Key: c.Deliveries[0].Key}, hub.Hearing{Foreign: true}},
		{"about another system's delivery, again", bygg, hub.Report{ID: "h3", Key: c.Deliveries[0].Key}, hub.Hearing{Foreign: true}},
	} {
		heard, err := w.store.Report(w.ctx, tc.system, []hub.Report{tc.r}, "", w.clock())
		w.must(err, tc.name)
		if len(heard) != 1 {
			w.Errorf("%s: %d outcomes of one report", tc.name, len(heard))
			continue
		}
		got := heard[0]
		if got.Case.ID != tc.want.Case.ID || got.Again != tc.want.Again || got.Foreign != tc.want.Foreign {
			w.Errorf("%s: case %q, again %v, foreign %v", tc.name, got.Case.ID, got.Again, got.Foreign)
		}
		if got.Case.ID != "" && len(got.Case.Deliveries) == 0 {
			w.Errorf("%s: the case is given without its rows", tc.name)
		}
	}
}

func testEarlyReports(w *world) {
	c := w.routed("1", hub.Lookup, diarium)
	d := w.claimDeliveries(diarium, 1)[0]
	w.start(d)
	_, err := w.store.Report(w.ctx, diarium, []hub.Report{
		{ID: "e1", Ref: "BN 2026-1", Step: hub.UnderHandlaggning, At: w.clock()},
		{ID: "e2", Ref: "BN 2026-77", Step: hub.Avslutat, At: w.clock()},
	}, "", w.clock())
	w.must(err, "report what is not known")
	if step := w.caseOf(c.ID).Step; step != hub.Inkommet {
		w.Errorf("a report about nobody moved the case to %s", step)
	}
	w.restart()
	after, fx, err := w.store.Apply(w.ctx, c.ID, w.yes(d, "BN 2026-1"))
	w.must(err, "deliver")
	if after.Step != hub.UnderHandlaggning || len(fx.Statuses) != 2 {
		w.Errorf("with the receipt the case is at %s with %d lines, want %s with 2", after.Step, len(fx.Statuses), hub.UnderHandlaggning)
	}

	c = w.routed("2", hub.Lookup, diarium)
	d = w.claimDeliveries(diarium, 1)[0]
	w.start(d)
	lost := w.yes(d, "")
	lost.Answer = hub.DontKnow
	_, _, err = w.store.Apply(w.ctx, c.ID, lost)
	w.must(err, "lose the answer")
	_, err = w.store.Report(w.ctx, diarium, []hub.Report{{ID: "e3", Key: d.Key, Ref: "BN 2026-2", Step: hub.Registrerat, At: w.clock()}}, "", w.clock())
	w.must(err, "report by key")
	after = w.caseOf(c.ID)
	if p := after.Find(d.Key); p.State != hub.Unknown || p.Due.After(w.clock()) || after.Step != hub.Registrerat {
		w.Errorf("a report that names our key leaves it %s until %s, at %s; want it asked about at once", p.State, p.Due, after.Step)
	}
}

func testCursorsAndBundles(w *world) {
	if cursor, err := w.store.Cursor(w.ctx, diarium); cursor != "" || err != nil {
		w.Errorf("the beginning is %q %v", cursor, err)
	}
	_, err := w.store.Report(w.ctx, diarium, nil, "17", w.clock())
	w.must(err, "store cursor")
	_, err = w.store.Report(w.ctx, diarium, []hub.Report{{ID: "pushed", Ref: "?"}}, "", w.clock())
	w.must(err, "report without cursor")
	if _, err := w.store.Bundle(w.ctx, ""); !errors.Is(err, hub.ErrNotFound) {
		w.Errorf("no bundle: %v, want ErrNotFound", err)
	}
	w.must(w.store.SaveBundle(w.ctx, "r1", []byte("one"), w.clock()), "save bundle")
	w.must(w.store.SaveBundle(w.ctx, "r2", []byte("two"), w.clock()), "save bundle")
	w.restart()
	if cursor, _ := w.store.Cursor(w.ctx, diarium); cursor != "17" {
		w.Errorf("the cursor is %q, want 17", cursor)
	}
	for revision, want := range map[string]string{"": "two", "r1": "one", "r2": "two"} {
		if got, err := w.store.Bundle(w.ctx, revision); string(got) != want || err != nil {
			w.Errorf("bundle %q is %q %v, want %q", revision, got, err, want)
		}
	}
	w.must(w.store.SaveBundle(w.ctx, "r1", []byte("one"), w.clock()), "go back")
	if got, _ := w.store.Bundle(w.ctx, ""); string(got) != "one" {
		w.Errorf("the active bundle is %q, want the old one again", got)
	}
}

func testPaging(w *world) {
	var ids []hub.ID
	for i := range 7 {
		ids = append(ids, w.receive(fmt.Sprint(i)).Submission.ID)
		w.pass(time.Millisecond)
	}
	var got []hub.ID
	after := hub.ID("")
	for len(got) <= len(ids) {
		lines, err := w.store.List(w.ctx, hub.AsHandler("h", "1080"), hub.Filter{After: after, Limit: 3})
		w.must(err, "list")
		if len(lines) == 0 {
			break
		}
		for _, l := range lines {
			after = hub.ID(l.Submission.Key)
			got = append(got, after)
		}
	}
	if !slices.Equal(got, ids) {
		w.Errorf("pages give %v, want %v", got, ids)
	}
}
