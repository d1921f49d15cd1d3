package storetest

import (
	"errors"
	"slices"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// settle plans a claimed form with one delivery to the diarium, and says who else may follow
// its case; nil says nothing of it.
func (w *world) settle(c hub.Claim, f *hub.Following) hub.Case {
	w.Helper()
	after, _, err := w.store.Settle(w.ctx, c.Case.ID, w.planned(c, hub.Lookup, diarium), hub.Facts{Following: f})
	w.must(err, "settle")
	return after
}

func others(ps ...hub.PersonID) *hub.Following { return &hub.Following{Persons: ps} }

// seenBy fails unless these of the suite's persons see a case, and no other.
func (w *world) seenBy(when string, id hub.CaseID, want ...hub.PersonID) {
	w.Helper()
	for i, p := range []hub.PersonID{anna, bertil, cecilia} {
		_, err := w.store.Case(w.ctx, hub.AsCitizen(p), id)
		switch sees := slices.Contains(want, p); {
		case sees && err != nil:
			w.Errorf("%s: person %d: %v, want to see it", when, i+1, err)
		case !sees && !errors.Is(err, hub.ErrNotFound):
			w.Errorf("%s: person %d: %v, want ErrNotFound", when, i+1, err)
		}
	}
}

// testFollowers: who sent a form in sees its case at once, and others when it is settled
// that they may.
func testFollowers(w *world) {
	both := from(hub.Party{Role: "sökande", ID: anna, Follows: true}, hub.Party{Role: "medsökande", ID: bertil, Follows: true})
	id := w.receive("1", both).Case.ID
	w.seenBy("received", id, anna)
	first := w.claimSubmissions(1)[0]

	stale := w.planned(first, hub.Lookup, diarium)
	stale.Lease.Token++
	_, _, err := w.store.Settle(w.ctx, id, stale, hub.Facts{Following: others(bertil)})
	if !errors.Is(err, hub.ErrLost) {
		w.Errorf("a worker that is too late: %v, want ErrLost", err)
	}
	w.seenBy("after a worker that was too late", id, anna)

	w.settle(first, others(bertil, cecilia))
	w.seenBy("settled", id, anna, bertil, cecilia)
	w.restart()
	w.seenBy("after a restart", id, anna, bertil, cecilia)

	w.receive("1", version("2"), containing("more"), from(hub.Party{Role: "ombud", ID: bertil, Follows: true}))
	w.settle(w.claimSubmissions(1)[0], others())
	w.seenBy("a completion of one of them, with which nobody else may follow it", id, anna, bertil)

	alone := w.receive("2", both).Case.ID
	w.settle(w.claimSubmissions(1)[0], others())
	w.seenBy("settled for nobody else", alone, anna)
	silent := w.receive("3", both).Case.ID
	w.settle(w.claimSubmissions(1)[0], nil)
	w.seenBy("settled without a word of it", silent, anna)
}

// testFollowingLasts: who did not send a form in follows its case for a day, unless it is
// said again that she may.
func testFollowingLasts(w *world) {
	id := w.receive("1").Case.ID
	w.settle(w.claimSubmissions(1)[0], others(bertil, cecilia))
	overdue := func(when string, v hub.Viewer, want ...hub.CaseID) {
		w.Helper()
		ids, err := w.store.Overdue(w.ctx, v, w.clock())
		if err != nil || !slices.Equal(ids, want) {
			w.Errorf("%s: overdue are %v %v, want %v", when, ids, err, want)
		}
	}
	w.pass(hub.FollowingLasts - time.Nanosecond)
	w.seenBy("within a day", id, anna, bertil, cecilia)
	overdue("within a day", hub.AsCitizen(cecilia))
	w.pass(time.Nanosecond)
	w.seenBy("after a day", id, anna)
	overdue("after a day", hub.AsCitizen(cecilia), id)
	overdue("of who sent it in under another number", hub.AsCitizen(anna, cecilia))
	overdue("of who sent it", hub.AsCitizen(anna))
	overdue("of a handler", hub.AsHandler("h", "1080"))

	follow := func(ps ...hub.PersonID) {
		w.Helper()
		w.must(w.store.Follow(w.ctx, id, *others(ps...), w.clock()), "follow")
	}
	follow(cecilia)
	w.seenBy("when it is said again of one", id, anna, cecilia)
	overdue("when it is said again", hub.AsCitizen(cecilia))
	w.restart()
	w.pass(hub.FollowingLasts)
	w.seenBy("another day later", id, anna)
	follow(anna, bertil)
	w.pass(hub.FollowingLasts)
	w.seenBy("who sent it in is named too", id, anna)
	follow()
	overdue("when it is taken back", hub.AsCitizen(bertil))
	if err := w.store.Follow(w.ctx, "nothing", *others(anna), w.clock()); !errors.Is(err, hub.ErrNotFound) {
		w.Errorf("following what is not there: %v, want ErrNotFound", err)
	}
}

// testPreviousNumbers: a citizen sees what came in under each number that she has had, in
// every municipality, and nobody else's.
func testPreviousNumbers(w *world) {
	var cases []hub.Case
	var ids []hub.ID
	var blobs []hub.Blob
	for _, of := range []struct {
		instance string
		m        hub.Municipality
		who      hub.PersonID
	}{{"now", "1080", anna}, {"before", "1082", cecilia}, {"another's", "1082", bertil}} {
		in, put := w.put([]byte("a drawing"))
		a := w.arrival(of.instance, by(of.m), from(hub.Party{Role: "sökande", ID: of.who, Follows: true}))
		a.Intake, a.Submission.Attachments = in, []hub.Attachment{{Name: "ritning.pdf", Blob: put[0]}}
		got, err := w.store.Receive(w.ctx, a)
		w.must(err, "receive")
		cases = append(cases, w.settle(w.claimSubmissions(1)[0], nil))
		ids, blobs = append(ids, got.Submission.ID), append(blobs, put[0])
	}
	for _, tc := range []struct {
		name string
		v    hub.Viewer
		sees []bool
	}{
		{"with her number", hub.AsCitizen(anna), []bool{true, false, false}},
		{"with the number before", hub.AsCitizen(cecilia), []bool{false, true, false}},
		{"with both", hub.AsCitizen(anna, cecilia), []bool{true, true, false}},
		{"with one that is nobody's", hub.AsCitizen(hub.PersonID{}, anna), []bool{true, false, false}},
		{"another", hub.AsCitizen(bertil), []bool{false, false, true}},
	} {
		for i, c := range cases {
			for name, err := range w.reads(tc.v, ids[i], c, blobs[i]) {
				if sees := tc.sees[i]; sees && err != nil || !sees && !errors.Is(err, hub.ErrNotFound) {
					w.Errorf("%s: %s of form %d: %v, and she is to see it: %v", tc.name, name, i+1, err, sees)
				}
			}
		}
	}
}

func testSessions(w *world) {
	begun := w.clock()
	first, second := hub.Session{ID: [32]byte{1}, Sealed: []byte("sealed"), Begun: begun, Seen: begun},
		hub.Session{ID: [32]byte{2}, Sealed: []byte("also"), Begun: begun.Add(30 * time.Second), Seen: begun}
	w.must(w.store.KeepSession(w.ctx, first), "keep session")
	w.must(w.store.KeepSession(w.ctx, second), "keep session")
	is := func(when string, want hub.Session) {
		w.Helper()
		got, err := w.store.Session(w.ctx, want.ID)
		if err != nil || string(got.Sealed) != string(want.Sealed) || !got.Begun.Equal(want.Begun) || !got.Seen.Equal(want.Seen) {
			w.Errorf("%s: it begins %v and was seen %v: %v; want %v, %v", when, got.Begun, got.Seen, err, want.Begun, want.Seen)
		}
	}
	gone := func(when string, id [32]byte) {
		w.Helper()
		if _, err := w.store.Session(w.ctx, id); !errors.Is(err, hub.ErrNotFound) {
			w.Errorf("%s: %v, want ErrNotFound", when, err)
		}
	}
	is("begun", first)
	is("begun in the middle of a minute", second)
	gone("one that is not there", [32]byte{3})

	used := first
	used.Seen = begun.Add(10 * time.Minute)
	w.must(w.store.KeepSession(w.ctx, used), "keep session")
	late := first
	late.Seen = begun.Add(9 * time.Minute)
	w.must(w.store.KeepSession(w.ctx, late), "keep session")
	w.restart()
	is("in use, and told of it in the wrong order", used)

	w.must(w.store.EndSession(w.ctx, first.ID, time.Time{}), "end session")
	gone("ended", first.ID)
	is("another's", second)
	if err := w.store.KeepSession(w.ctx, used); !errors.Is(err, hub.ErrNotFound) {
		w.Errorf("a page that was being read when its session ended: %v, want ErrNotFound", err)
	}
	gone("ended, and a page was being read", first.ID)

	third := hub.Session{ID: [32]byte{3}, Sealed: []byte("x"), Begun: begun.Add(time.Hour), Seen: begun.Add(time.Hour)}
	w.must(w.store.KeepSession(w.ctx, third), "keep session")
	w.must(w.store.EndSession(w.ctx, [32]byte{}, begun.Add(time.Hour)), "end old sessions")
	gone("old", second.ID)
	is("not so old", third)
}

// testTail reads the feed as the hub does for all who follow: each line once, with the marks
// of exactly those who see its case.
func testTail(w *world) {
	if end, err := w.store.FeedEnd(w.ctx); end != 0 || err != nil {
		w.Errorf("the feed of nothing ends at %d, %v", end, err)
	}
	w.receive("1")
	w.settle(w.claimSubmissions(1)[0], others(cecilia))
	w.deliver(diarium, "BN 2026-1")
	w.receive("2", by("1082"), from(hub.Party{Role: "sökande", ID: bertil, Follows: true}))
	w.settle(w.claimSubmissions(1)[0], nil)
	w.restart()
	w.pass(time.Minute)
	w.deliver(diarium, "BN 2026-2")

	all, err := w.store.Statuses(w.ctx, hub.AsHub(), "", 0, 0)
	w.must(err, "read statuses")
	var told []hub.Told
	for after := uint64(0); ; after = told[len(told)-1].Seq {
		page, err := w.store.Tail(w.ctx, after, 3)
		w.must(err, "read tail")
		if told = append(told, page...); len(page) == 0 {
			break
		}
	}
	if end, err := w.store.FeedEnd(w.ctx); len(told) != 4 || len(all) != 4 || end != 4 || err != nil {
		w.Fatalf("the tail has %d lines, the feed %d, and it ends at %d: %v", len(told), len(all), end, err)
	}
	for i, line := range told {
		if line.Status != all[i] {
			w.Errorf("line %d is %+v, want %+v", i+1, line.Status, all[i])
		}
	}
	w.marked("while the register's word is fresh", told[:2], anna, cecilia)
	w.marked("another's", told[2:], bertil)
	w.pass(hub.FollowingLasts)
	told, err = w.store.Tail(w.ctx, 0, 2)
	w.must(err, "read tail")
	w.marked("when it is not", told, anna)

	for name, v := range map[string]hub.Viewer{"a handler": hub.AsHandler("h", "1080"), "the hub": hub.AsHub(), "nobody": hub.AsCitizen(hub.PersonID{})} {
		if marks := w.store.Marks(v); len(marks) != 0 {
			w.Errorf("%s has marks", name)
		}
	}
	if both := w.store.Marks(hub.AsCitizen(anna, cecilia)); len(both) < 2 {
		w.Errorf("a citizen with two numbers has %d marks", len(both))
	}
}

// marked fails unless lines carry the marks of these of the suite's persons, and no other.
func (w *world) marked(when string, lines []hub.Told, want ...hub.PersonID) {
	w.Helper()
	for _, line := range lines {
		for i, p := range []hub.PersonID{anna, bertil, cecilia} {
			hers := slices.ContainsFunc(w.store.Marks(hub.AsCitizen(p)), func(m hub.Mark) bool { return slices.Contains(line.Followers, m) })
			if hers != slices.Contains(want, p) {
				w.Errorf("%s: line %d is marked for person %d: %v", when, line.Seq, i+1, hers)
			}
		}
	}
}

// testTellers: whom a route names when the form is planned is told beside the platform.
func testTellers(w *world) {
	const other hub.SystemID = "shared.aviseringar"
	id := w.receive("1").Case.ID
	claim := w.claimSubmissions(1)[0]
	planned := w.planned(claim, hub.Lookup, diarium)
	planned.Tellers = []hub.SystemID{platform, other}
	w.apply(id, planned)
	w.restart()
	if c := w.caseOf(id); !slices.Equal(c.Tellers, planned.Tellers) {
		w.Errorf("%v are told, want %v", c.Tellers, planned.Tellers)
	}
	w.deliver(diarium, "BN 2026-1")
	for _, s := range planned.Tellers {
		if claims := w.claimDeliveries(s, 10); len(claims) != 1 || claims[0].Case.Find(claims[0].Key).Step != hub.Registrerat {
			w.Errorf("%d tellings to %s are due, want one of Registrerat", len(claims), s)
		}
	}
	if c := w.receive("2").Case; !slices.Equal(c.Tellers, []hub.SystemID{platform}) {
		w.Errorf("%v are told of what has only been received", c.Tellers)
	}
}

// testLooked: who has read what a citizen sees is in the log, with the reason.
func testLooked(w *world) {
	c := w.routed("1", hub.Lookup, diarium)
	before, err := w.store.Acts(w.ctx, hub.AsHub(), c.ID)
	w.must(err, "read acts")
	w.apply(c.ID, hub.Looked{When: w.at(), By: "gruppledare", Reason: why})
	w.restart()
	acts, err := w.store.Acts(w.ctx, hub.AsHub(), c.ID)
	w.must(err, "read acts")
	if len(acts) != len(before)+1 {
		w.Fatalf("a look made %d lines", len(acts)-len(before))
	}
	if a := acts[len(acts)-1]; a.By != "gruppledare" || a.Reason != why || a.What == "" || !a.At.Equal(w.clock()) {
		w.Errorf("the log says that %q did %q at %v, for a reason that it has: %v", a.By, a.What, a.At, a.Reason == why)
	}
	if end, _ := w.store.FeedEnd(w.ctx); end != 1 {
		w.Errorf("a look is told to the citizen: the feed ends at %d", end)
	}
}
