package storetest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// testPauses: a system is paused once until it is taken up again, also by another process.
func testPauses(w *world) {
	is := func(when string, want ...hub.Pause) {
		w.Helper()
		got, err := w.store.Pauses(w.ctx)
		w.must(err, "read pauses")
		if !slices.Equal(got, want) {
			w.Errorf("%s there are %+v, want %+v", when, got, want)
		}
	}
	conflict := func(doing string, err error) {
		w.Helper()
		if !errors.Is(err, hub.ErrConflict) {
			w.Errorf("%s: %v, want ErrConflict", doing, err)
		}
	}
	is("at first")
	conflict("take up what is not paused", w.store.Resume(w.ctx, diarium, "gruppledare", why, w.clock()))
	one := hub.Pause{System: diarium, Since: w.clock(), By: "registrator", Reason: why}
	two := hub.Pause{System: bygg, Since: w.clock(), By: "gruppledare", Reason: "byte av server"}
	w.must(w.store.Pause(w.ctx, one), "pause")
	w.must(w.store.Pause(w.ctx, two), "pause")
	is("paused", two, one)
	w.pass(time.Hour)
	w.restart()
	is("after a restart", two, one)
	conflict("pause what is paused", w.store.Pause(w.ctx, hub.Pause{System: diarium, Since: w.clock(), By: "gruppledare", Reason: why}))
	is("paused twice", two, one)
	w.must(w.store.Resume(w.ctx, diarium, "gruppledare", "klart", w.clock()), "resume")
	is("when one is taken up", two)
	conflict("take it up twice", w.store.Resume(w.ctx, diarium, "gruppledare", "klart", w.clock()))
	again := hub.Pause{System: diarium, Since: w.clock(), By: "gruppledare", Reason: why}
	w.must(w.store.Pause(w.ctx, again), "pause in the moment in which it was taken up")
	is("paused again", two, again)
}

// testTold: what a Teller was told in a period is counted as far as a Viewer may see it, and
// what is told again is no longer of the period.
func testTold(w *world) {
	start := w.clock()
	var own []hub.CaseID
	for i := range 3 { // each an hour after the one before it
		own = append(own, w.routed(fmt.Sprint(i), hub.Lookup, diarium).ID)
		w.deliver(diarium, fmt.Sprint("BN ", i))
		w.pass(time.Hour)
		w.deliver(platform, "told")
	}
	other := w.receive("other", by("1082")).Case.ID
	w.plan(w.claimSubmissions(1)[0], hub.Lookup, diarium)
	w.deliver(diarium, "BN 9")
	w.deliver(platform, "told")
	w.routed("not told", hub.Lookup, diarium)
	w.deliver(diarium, "BN 10")
	w.restart()

	end := w.clock().Add(time.Second)
	handler := hub.AsHandler("h", "1080")
	for _, tc := range []struct {
		name string
		v    hub.Viewer
		r    hub.Retelling
		want []hub.CaseID
		in   int // municipalities
	}{
		{"all", hub.AsHub(), hub.Retelling{System: platform, From: start, Until: end}, append(slices.Clone(own), other), 2},
		{"one municipality's", handler, hub.Retelling{System: platform, From: start, Until: end}, own, 1},
		{"the other's", hub.AsHandler("h", "1082"), hub.Retelling{System: platform, From: start, Until: end}, []hub.CaseID{other}, 1},
		{"neither's", hub.AsHandler("h", "0114"), hub.Retelling{System: platform, From: start, Until: end}, nil, 0},
		{"a citizen's", hub.AsCitizen(anna), hub.Retelling{System: platform, From: start, Until: end}, nil, 0},
		{"a service that a client does not see", hub.AsClient("c", []hub.Municipality{"1080"}, []string{"forskola"}), hub.Retelling{System: platform, From: start, Until: end}, nil, 0},
		{"from a time on", handler, hub.Retelling{System: platform, From: start.Add(2 * time.Hour), Until: end}, own[1:], 1},
		{"before a time", handler, hub.Retelling{System: platform, From: start, Until: start.Add(2 * time.Hour)}, own[:1], 1},
		{"documents", handler, hub.Retelling{System: diarium, From: start, Until: end}, nil, 0},
	} {
		extent, err := w.store.CountTold(w.ctx, tc.v, tc.r)
		w.must(err, "count what was told")
		if want := (hub.Extent{Tellings: len(tc.want), Cases: len(tc.want), Municipalities: tc.in}); extent != want {
			w.Errorf("%s: %+v, want %+v", tc.name, extent, want)
		}
		ids, err := w.store.CasesTold(w.ctx, tc.v, tc.r, 10)
		w.must(err, "read what was told")
		if slices.Sort(ids); !slices.Equal(ids, tc.want) {
			w.Errorf("%s: the cases %v, want %v", tc.name, ids, tc.want)
		}
	}
	all := hub.Retelling{System: platform, From: start, Until: end}
	if ids, err := w.store.CasesTold(w.ctx, handler, all, 2); err != nil || !slices.Equal(ids, own[:2]) {
		w.Errorf("two of them are %v, %v; want the two that were told first", ids, err)
	}
	c, _ := w.apply(own[0], hub.Retold{When: w.at(), Retelling: all, By: "registrator"})
	w.sameAsStored(c)
	if extent, _ := w.store.CountTold(w.ctx, handler, all); extent.Tellings != 2 {
		w.Errorf("one is told again, and %d are left", extent.Tellings)
	}
	if claims := w.claimDeliveries(platform, 10); len(claims) != 2 {
		w.Errorf("%d tellings are due, want the one that was not told and the one that is told again", len(claims))
	}
}

// testToldSince: with what was told of a case in a period comes what was told of it since,
// and what is counted is what is told again.
func testToldSince(w *world) {
	start := w.clock()
	var own []hub.CaseID
	for i := range 2 { // told of three times, a day apart
		own = append(own, w.routed(fmt.Sprint(i), hub.Lookup, diarium).ID)
		w.deliver(diarium, fmt.Sprint("BN ", i))
	}
	for i, step := range []hub.Step{hub.Registrerat, hub.UnderHandlaggning, hub.Beslutat} {
		for n, id := range own {
			if i > 0 {
				w.report(hub.Report{ID: fmt.Sprint(i, n), Ref: fmt.Sprint("BN ", n), Step: step})
			}
			if w.deliver(platform, "told").ID != id {
				w.Fatal("another case's was due")
			}
			w.pass(time.Hour)
		}
		w.pass(22 * time.Hour)
	}
	day := func(n int) time.Time { return start.Add(time.Duration(n) * 24 * time.Hour) }
	for _, tc := range []struct {
		name        string
		from, until time.Time
		want        hub.Extent
	}{
		{"the first day's", day(0), day(1), hub.Extent{Tellings: 2, Later: 4, Cases: 2, Municipalities: 1}},
		{"the second day's", day(1), day(2), hub.Extent{Tellings: 2, Later: 2, Cases: 2, Municipalities: 1}},
		{"one case's", day(1), day(1).Add(time.Minute), hub.Extent{Tellings: 1, Later: 1, Cases: 1, Municipalities: 1}},
		{"two days'", day(0), day(2), hub.Extent{Tellings: 4, Later: 2, Cases: 2, Municipalities: 1}},
		{"none", day(1).Add(2 * time.Hour), day(2), hub.Extent{}},
	} {
		r := hub.Retelling{System: platform, From: tc.from, Until: tc.until}
		extent, err := w.store.CountTold(w.ctx, hub.AsHub(), r)
		w.must(err, "count what was told")
		ids, err := w.store.CasesTold(w.ctx, hub.AsHub(), r, 10)
		w.must(err, "read what was told")
		if extent != tc.want || len(ids) != tc.want.Cases {
			w.Errorf("%s: %+v in the cases %v, want %+v", tc.name, extent, ids, tc.want)
		}
		again := 0
		for _, id := range ids {
			c := w.caseOf(id)
			after, _, err := hub.Next(c, hub.Retold{When: w.at(), Retelling: r, By: "registrator"})
			w.must(err, "tell again")
			for i, p := range after.Deliveries {
				if p.State != c.Deliveries[i].State {
					again++
				}
			}
		}
		if again != extent.Tellings+extent.Later {
			w.Errorf("%s: %+v are counted, and %d told again", tc.name, extent, again)
		}
	}
}
