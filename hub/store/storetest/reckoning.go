package storetest

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// testDays lists what came in between two times, page by page.
func testDays(w *world) {
	start := w.clock()
	var ids []hub.ID
	for i := range 6 { // they came in a minute before they were received
		ids = append(ids, w.receive(fmt.Sprint(i)).Submission.ID)
		w.pass(24 * time.Hour)
	}
	late := w.arrival("sent long ago")
	late.Submission.Submitted = start.Add(25 * time.Hour)
	got, err := w.store.Receive(w.ctx, late)
	w.must(err, "receive")
	ids = append(ids, got.Submission.ID)
	w.receive("another's", by("1082"), from(hub.Party{Role: "sökande", ID: bertil, Follows: true}))
	claim := w.claimSubmissions(1)[0]
	w.apply(claim.Case.ID, hub.Stopped{When: w.at(), Key: claim.Key, Lease: held(claim), Reason: hub.ReasonRule})

	day := func(n int) time.Time { return start.Add(time.Duration(n)*24*time.Hour - time.Minute) }
	for _, tc := range []struct {
		name string
		f    hub.Filter
		want []hub.ID
	}{
		{"all", hub.Filter{}, ids},
		{"from", hub.Filter{From: day(4)}, ids[4:6]},
		{"until", hub.Filter{Until: day(1)}, ids[:1]},
		{"between", hub.Filter{From: day(1), Until: day(3)}, []hub.ID{ids[1], ids[2], ids[6]}},
		{"a day of nothing", hub.Filter{From: day(2).Add(time.Hour), Until: day(3)}, nil},
		{"what came later than all", hub.Filter{From: day(99)}, nil},
		{"what is held of them", hub.Filter{State: hub.Held, Until: day(1)}, ids[:1]},
		{"what is held of others", hub.Filter{State: hub.Held, From: day(1)}, nil},
	} {
		for _, v := range []hub.Viewer{
			hub.AsHandler("h", "1080"), hub.AsClient("c", []hub.Municipality{"1080", "0114"}, []string{"*"}), hub.AsCitizen(anna, cecilia),
		} {
			if got := w.pages(v, tc.f); !slices.Equal(got, tc.want) {
				w.Errorf("%s, as %s: %v, want %v", tc.name, v.Actor(), got, tc.want)
			}
		}
	}
}

// pages lists two at a time.
func (w *world) pages(v hub.Viewer, f hub.Filter) (ids []hub.ID) {
	w.Helper()
	for f.Limit = 2; ; f.After = ids[len(ids)-1] {
		lines, err := w.store.List(w.ctx, v, f)
		w.must(err, "list")
		for _, l := range lines {
			ids = append(ids, l.Submission.Submission)
		}
		if len(lines) == 0 || len(ids) > 100 {
			return ids
		}
	}
}

// testReferences looks for cases by everything that anybody calls them.
func testReferences(w *world) {
	w.receive("F-1")
	w.plan(w.claimSubmissions(1)[0], hub.Lookup, diarium, bygg)
	w.deliver(diarium, "BN 2026-1")
	c := w.deliver(bygg, "B-1")
	w.plan(w.claimOf(w.receive("F-1", version("2"), containing("more"))), hub.Lookup, diarium)
	elsewhere := w.receive("F-1", by("1082"), from(hub.Party{Role: "sökande", ID: bertil, Follows: true})).Case
	c = w.caseOf(c.ID)
	w.restart()
	for _, tc := range []struct {
		name, reference string
		v               hub.Viewer
		want            []hub.CaseID
	}{
		{"our own", string(c.ID), hub.AsHub(), []hub.CaseID{c.ID}},
		{"our own of a completion", string(c.Submissions[1].Submission), hub.AsHub(), []hub.CaseID{c.ID}},
		{"the diarienummer", "BN 2026-1", hub.AsHandler("h", "1080"), []hub.CaseID{c.ID}},
		{"another system's number", "B-1", hub.AsHandler("h", "1080"), []hub.CaseID{c.ID}},
		{"the platform's own, which two have", "F-1", hub.AsHub(), []hub.CaseID{c.ID, elsewhere.ID}},
		{"of one municipality", "F-1", hub.AsHandler("h", "1080"), []hub.CaseID{c.ID}},
		{"of the other", "F-1", hub.AsHandler("h", "1082"), []hub.CaseID{elsewhere.ID}},
		{"of neither", "F-1", hub.AsHandler("h", "0114"), nil},
		{"a citizen's own", "F-1", hub.AsCitizen(bertil), []hub.CaseID{elsewhere.ID}},
		{"not a citizen's own", "BN 2026-1", hub.AsCitizen(bertil), nil},
		{"a service that the client does not see", "BN 2026-1", hub.AsClient("c", []hub.Municipality{"1080"}, []string{"forskola"}), nil},
		{"nothing's", "BN 2026-2", hub.AsHub(), nil},
		{"none", "", hub.AsHub(), nil},
		{"another system's key", string(c.Deliveries[0].Key), hub.AsHandler("h", "1082"), nil},
	} {
		got, err := w.store.Named(w.ctx, tc.v, tc.reference)
		w.must(err, "look for a reference")
		slices.Sort(got)
		slices.Sort(tc.want)
		if !slices.Equal(got, tc.want) {
			w.Errorf("%s names %v, want %v", tc.name, got, tc.want)
		}
	}
	for _, tc := range []struct {
		name string
		v    hub.Viewer
		of   hub.Municipality
		want map[string]hub.ID
	}{
		{"of the municipality", hub.AsHandler("h", "1080"), "1080", map[string]hub.ID{"F-1": hub.ID(c.ID)}},
		{"of the other", hub.AsHub(), "1082", map[string]hub.ID{"F-1": hub.ID(elsewhere.ID)}},
		{"of the other, to who may not see it", hub.AsHandler("h", "1080"), "1082", map[string]hub.ID{}},
	} {
		got, err := w.store.Has(w.ctx, tc.v, platform, tc.of, []string{"F-1", "F-2", ""})
		w.must(err, "look for references")
		if !reflect.DeepEqual(got, tc.want) {
			w.Errorf("%s: %v have been received, want %v", tc.name, got, tc.want)
		}
	}
	if got, _ := w.store.Has(w.ctx, hub.AsHub(), diarium, "1080", []string{"F-1"}); len(got) != 0 {
		w.Error("another platform's reference has been received")
	}
}

// claimOf claims the form that was just received.
func (w *world) claimOf(got hub.Received) hub.Claim {
	w.Helper()
	for _, c := range w.claimSubmissions(100) {
		if c.Key == hub.Key(got.Submission.ID) {
			return c
		}
	}
	w.Fatalf("%s was not claimed", got.Submission.ID)
	return hub.Claim{}
}

// testHandling measures how long cases have taken.
func testHandling(w *world) {
	start := w.clock()
	for i := range 10 {
		w.receive(fmt.Sprint(i))
	}
	w.receive("another's", by("1082"))
	for _, c := range w.claimSubmissions(100) {
		w.plan(c, hub.Lookup, diarium)
	}
	for i := range 11 { // one hour after another, and one municipality's before the other's
		w.pass(time.Hour)
		w.deliver(diarium, fmt.Sprint("BN ", i))
	}
	w.receive("withdrawn")
	gone := w.claimSubmissions(1)[0]
	w.apply(gone.Case.ID, hub.Decided{When: w.at(), Key: gone.Key, Decision: hub.Decision{Verb: hub.Withdraw, By: "oep"}})
	w.restart()
	handling := func(m hub.Municipality, after time.Time) map[hub.Step]hub.Spread {
		w.Helper()
		all, err := w.store.Handling(w.ctx, m, "bygglov-altan", after)
		w.must(err, "read handling times")
		return all
	}
	of1082 := handling("1082", start)[hub.Registrerat]
	if of1082.N != 1 || of1082.Median != of1082.Ninety {
		w.Errorf("of one case: %+v", of1082)
	}
	want := tenOf(11, int(of1082.Median/time.Hour))
	is := func(when string, got map[hub.Step]hub.Spread) {
		w.Helper()
		if len(got) != 1 || got[hub.Registrerat] != want {
			w.Errorf("%s: %+v, want %+v for one step", when, got, want)
		}
	}
	is("ten cases", handling("1080", start))
	if none := handling("1080", w.clock()); len(none) != 0 {
		w.Errorf("since now: %+v", none)
	}
	if none, err := w.store.Handling(w.ctx, "1080", "forskola", start); len(none) != 0 || err != nil {
		w.Errorf("of another service: %+v, %v", none, err)
	}
	half := w.clock()
	w.pass(time.Hour)
	for i, r := range []hub.Report{{Step: hub.UnderHandlaggning}, {Step: hub.Registrerat, Correction: true}, {Step: hub.UnderHandlaggning}} {
		r.ID, r.Ref = fmt.Sprint(i), "BN 5"
		w.pass(time.Hour)
		w.report(r)
	}
	w.restart()
	if again := handling("1080", start); again[hub.Registrerat] != want || again[hub.UnderHandlaggning].N != 1 {
		w.Errorf("a step that was taken twice counts twice: %+v", again)
	}
	if later := handling("1080", half); len(later) != 1 || later[hub.UnderHandlaggning].N != 1 {
		w.Errorf("what was reached first before a time counts after it: %+v", later)
	}
}

// tenOf gives the spread of 1 to n hours without one of them, and a minute to each.
func tenOf(n, without int) hub.Spread {
	var ds []time.Duration
	for i := 1; i <= n; i++ {
		if i != without {
			ds = append(ds, time.Duration(i)*time.Hour+time.Minute)
		}
	}
	return hub.Spread{N: 10, Median: ds[4], Ninety: ds[8]}
}

func testTallies(w *world) {
	tally := func(m hub.Municipality, service string, day hub.Date, ids ...string) hub.Tally {
		t := hub.Tally{Municipality: m, Source: platform, Service: service, Day: day, Sent: len(ids), IDs: ids, By: "etjanst", At: w.clock()}
		w.must(w.store.SaveTally(w.ctx, t), "save tally")
		return t
	}
	tally("1080", "bygglov-altan", "2026-11-19", "F-1")
	w.pass(time.Hour)
	again := tally("1080", "bygglov-altan", "2026-11-19", "F-1", "F-2")
	next := tally("1080", "bygglov-altan", "2026-11-20")
	other := tally("1080", "forskola", "2026-11-20", "F-3")
	elsewhere := tally("1082", "bygglov-altan", "2026-11-20", "F-4")
	shared := tally("", "bygglov-altan", "2026-11-20", "F-5")
	w.restart()
	for _, tc := range []struct {
		name     string
		v        hub.Viewer
		from, to hub.Date
		want     []hub.Tally
	}{
		{"a handler", hub.AsHandler("h", "1080"), "2026-11-19", "2026-11-20", []hub.Tally{again, next, other}},
		{"one day", hub.AsHandler("h", "1080"), "2026-11-19", "2026-11-19", []hub.Tally{again}},
		{"no day", hub.AsHandler("h", "1080"), "2026-11-21", "2026-11-30", nil},
		{"another handler", hub.AsHandler("h", "1082"), "2026-11-01", "2026-11-30", []hub.Tally{elsewhere}},
		{"a client of a service", hub.AsClient("c", []hub.Municipality{"1080"}, []string{"forskola"}), "2026-11-01", "2026-11-30", []hub.Tally{other}},
		{"a citizen", hub.AsCitizen(anna), "2026-11-01", "2026-11-30", nil},
		{"nobody", hub.Viewer{}, "2026-11-01", "2026-11-30", nil},
		{"the hub", hub.AsHub(), "2026-11-20", "2026-11-20", []hub.Tally{shared, next, other, elsewhere}},
	} {
		got, err := w.store.Tallies(w.ctx, tc.v, tc.from, tc.to)
		w.must(err, "read tallies")
		if !reflect.DeepEqual(got, tc.want) {
			w.Errorf("%s reads %d tallies\n%+v, want %d\n%+v", tc.name, len(got), got, len(tc.want), tc.want)
		}
	}
}

func testNotices(w *world) {
	soon := hub.Notice{Municipality: "1080", Swedish: "Stängt på lördag.", English: "Closed on Saturday.",
		From: w.clock().Add(time.Hour), Until: w.clock().Add(2 * time.Hour), By: "kommunikatör"}
	now := hub.Notice{Swedish: "Det går långsamt just nu.", From: w.clock(), Until: w.clock().Add(time.Hour), By: "drift"}
	for _, n := range []*hub.Notice{&soon, &now} {
		saved, err := w.store.SaveNotice(w.ctx, *n)
		w.must(err, "save notice")
		if n.ID = saved.ID; n.ID == "" || *n != saved {
			w.Errorf("a notice is saved as %+v, want %+v with an ID", saved, *n)
		}
	}
	w.restart()
	is := func(when string, want ...hub.Notice) {
		w.Helper()
		got, err := w.store.Notices(w.ctx, w.clock())
		w.must(err, "read notices")
		if !slices.Equal(got, want) {
			w.Errorf("%s there are %+v, want %+v", when, got, want)
		}
	}
	is("at first", now, soon)
	soon.Swedish, soon.English, soon.Until = "Stängt på söndag.", "", w.clock().Add(26*time.Hour)
	saved, err := w.store.SaveNotice(w.ctx, soon)
	w.must(err, "change notice")
	if saved.ID != soon.ID {
		w.Errorf("a changed notice has another ID")
	}
	is("when one was changed", now, soon)
	w.pass(time.Hour)
	is("when one has ended", soon)
	soon.Until = w.clock()
	_, err = w.store.SaveNotice(w.ctx, soon)
	w.must(err, "end notice")
	is("when one was ended")
}
