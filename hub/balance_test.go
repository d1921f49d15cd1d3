package hub

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const monday Date = "2026-01-19"

// lineOf is a form's line, as a Store lists it.
func lineOf(c Case, k Key) Line {
	l := Line{Case: c, Submission: *c.Find(k)}
	for _, d := range c.Deliveries {
		if d.Submission == l.Submission.Submission {
			l.Deliveries = append(l.Deliveries, d)
		}
	}
	return l
}

// named gives a case another name, so that a day can have several.
func named(c Case, n int) Case {
	name := func(id ID) ID { return ID(fmt.Sprintf("C%d%s", n, id)) }
	c = c.clone()
	c.ID = CaseID(name(ID(c.ID)))
	for i := range c.Submissions {
		p := &c.Submissions[i]
		p.Submission, p.Key = name(p.Submission), Key(name(ID(p.Key)))
	}
	for i := range c.Deliveries {
		d := &c.Deliveries[i]
		d.Submission, d.Key = name(d.Submission), Key(name(ID(d.Key)))
		if d.Replaces != "" {
			d.Replaces = Key(name(ID(d.Replaces)))
		}
	}
	return c
}

var altanRoutes = &Bundle{
	Municipalities: map[Municipality]MunicipalityText{"1080": {}, "1285": {}},
	Routes:         []*Route{{Municipality: "1080", From: "shared.oep", Service: "702", Owner: "altan@karlskrona.example"}},
}

func everyoneTells(SystemID) bool { return true }

// Whatever has happened to whichever forms, and whatever the platform says of them, every
// form is accounted for and none is twice.
func TestEveryDayAddsUp(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		var lines []Line
		tally := Said{Tally: Tally{Municipality: "1080", Source: "shared.oep", Service: "702", Day: monday}, Found: map[string]Place{}}
		before := Said{Tally: Tally{Municipality: "1080", Source: "shared.oep", Service: "702", Day: monday.Before(1)}, Found: map[string]Place{}}
		for n := range rapid.IntRange(0, 5).Draw(r, "cases") {
			c := named(anyCase(r), n)
			for _, s := range c.Submissions {
				lines = append(lines, lineOf(c, s.Key))
			}
			ref := fmt.Sprint("ref-", n)
			switch rapid.SampledFrom([]string{"today", "yesterday", "never"}).Draw(r, "named by the platform") {
			case "today":
				tally.IDs = append(tally.IDs, ref)
				tally.Found[ref] = Place{"1080", c.ID}
			case "yesterday":
				before.Found[ref] = Place{"1080", c.ID}
			}
		}
		missing, otherDay := rapid.IntRange(0, 3).Draw(r, "missing"), rapid.IntRange(0, 3).Draw(r, "other day")
		for n := range missing {
			tally.IDs = append(tally.IDs, fmt.Sprint("missing-", n))
		}
		for n := range otherDay {
			ref := fmt.Sprint("other-", n)
			tally.IDs = append(tally.IDs, ref)
			tally.Found[ref] = Place{"1080", CaseID(fmt.Sprint("O", n))}
		}
		tally.Sent = len(tally.IDs) + rapid.IntRange(0, 3).Draw(r, "unnamed")
		all := Reckon(monday, lines, []Said{tally, before}, altanRoutes, everyoneTells)
		if len(all) != 1 {
			r.Fatalf("%d balances", len(all))
		}
		addsUp(r, all[0], lines)
		b := all[0]
		if b.Sent != tally.Sent || b.Count(OtherDay) != otherDay || b.Count(NotReceived) < missing {
			r.Fatalf("%d sent, %d on another day, %d not received: %+v", b.Sent, b.Count(OtherDay), b.Count(NotReceived), tally)
		}
		if b.Sent-b.Count(NotReceived)-b.Count(OtherDay)+b.Count(Surplus)+b.Count(EarlierDay) != b.Begun || b.Count(EarlierDay) != len(before.Found) {
			r.Fatalf("what was sent is not what was received: %+v", b)
		}
	})
}

// addsUp holds a balance against the forms themselves.
func addsUp(t rapid.TB, b Balance, lines []Line) {
	if b.Unexplained != 0 {
		t.Fatalf("%d are unexplained: %+v", b.Unexplained, b)
	}
	if b.Received != len(lines) {
		t.Fatalf("%d received of %d", b.Received, len(lines))
	}
	seen := map[string]bool{}
	open := map[Key]bool{}
	for _, g := range b.Gaps {
		name := string(g.Kind) + string(g.Key) + g.Ref
		if g.Kind != Surplus && g.Kind != OtherDay && g.Kind != EarlierDay && g.Key != "" {
			name = string(g.Key)
		}
		if seen[name] {
			t.Fatalf("%s is told of twice", name)
		}
		seen[name] = true
		if g.Kind.IsOpen() && g.Owner.Who == NobodyNow {
			t.Fatalf("nobody owns %+v", g)
		}
		if !slices.Contains(GapKinds, g.Kind) {
			t.Fatalf("%s is no kind", g.Kind)
		}
		open[g.Key] = open[g.Key] || g.Kind.IsOpen()
	}
	accepted := 0
	for _, l := range lines {
		for _, p := range append(slices.Clone(l.Deliveries), l.Submission) {
			if p.Kind != TellingKind && p.State == Held && !open[p.Key] {
				t.Fatalf("%s rests with a person and is in no gap: %+v", p.Key, b.Gaps)
			}
		}
		legs := map[string]bool{}
		for _, d := range l.Deliveries {
			if d.Kind == DocumentKind && (d.State == Delivered || d.State == Confirmed) {
				legs[d.Leg] = true
			}
		}
		accepted += len(legs)
	}
	for _, leg := range b.Legs {
		accepted -= leg.Accepted
	}
	if accepted != 0 {
		t.Fatalf("%d more are delivered than accepted", accepted)
	}
}

// anyCase is what becomes of a case by any events.
func anyCase(r *rapid.T) (c Case) {
	at := t0
	keys := []Key{"S1", "S2", "S1-diarium", "S1-bygg", "S2-komplettering", "S1-diarium-r2", "S1-bygg-r2"}
	for range rapid.IntRange(1, 40).Draw(r, "events") {
		at = at.Add(time.Duration(rapid.IntRange(0, 20_000).Draw(r, "later")) * time.Second)
		k := rapid.SampledFrom(keys).Draw(r, "key")
		e := anyEvent(r, c, k, alive, at)
		if _, of := e.(Postponed); of && k != "S1" && k != "S2" {
			continue // only forms wait for a register
		}
		after, _, err := Next(c, e)
		if err != nil && !errors.Is(err, ErrLost) && !errors.Is(err, ErrConflict) && !errors.Is(err, ErrFourEyes) {
			r.Fatal(err)
		}
		c = after
	}
	return c
}

// TestWhatAFormIsInABalance: each way in which a form can stand, and who owns it.
func TestWhatAFormIsInABalance(t *testing.T) {
	route, operations := Owner{TheRoute, "altan@karlskrona.example"}, Owner{Who: TheOperations}
	diarium := Owner{TheSystem, "k.diarium"}
	arrived := Arrived{When{t0}, "S1", "S1", "1080", "shared.oep", "702", "", nil, nil, alive, false}
	play := func(c Case, events ...Event) Case { c, _ = play(t, c, events...); return c }
	byTwo := func(c Case, k Key, d Decision) Case {
		c = play(c, Decided{When{t0}, k, d})
		return play(c, Approved{When{t0}, k, t0, "gruppledare", ""})
	}
	held := play(Case{}, arrived, Stopped{When{t0}, "S1", alive, ReasonRule, ""})
	refused := play(sending(t, Lookup), came(No))
	delivered := play(sending(t, Lookup), came(Yes))
	anew := byTwo(play(sending(t, Blind), came(DontKnow)), "S1-diarium",
		Decision{Verb: Release, By: "registrator", Anew: &Plan{System: "k.diarium", Level: Blind}, Revision: "r2"})
	for _, tc := range []struct {
		name, why string
		c         Case
		gaps      []Gap // as far as they are said here
		accepted  int
		confirmed int
	}{
		{"on its way", "the register has not answered yet", play(Case{}, arrived), []Gap{{Kind: OnItsWay, Key: "S1", Owner: operations}}, 0, 0},
		{"held", "a rule forbids it", held, []Gap{{Kind: Resting, Key: "S1", Reason: ReasonRule, Owner: route}}, 0, 0},
		{"rejected", "it will not be processed", byTwo(held, "S1", Decision{Verb: Dismiss, By: "registrator"}),
			[]Gap{{Kind: TurnedAway, Key: "S1"}}, 0, 0},
		{"form by hand", "a person registered it", byTwo(held, "S1", Decision{Verb: Waive, By: "registrator", Number: "7"}),
			[]Gap{{Kind: ByHand, Key: "S1", Number: "7"}}, 0, 0},
		{"form not needed", "a person let it be", byTwo(held, "S1", Decision{Verb: Waive, By: "registrator"}),
			[]Gap{{Kind: WithoutNumber, Key: "S1"}}, 0, 0},
		{"withdrawn", "nothing had been sent", play(routed(t, Lookup), Decided{When{t0}, "S1", Decision{Verb: Withdraw, By: "oep"}}),
			[]Gap{{Kind: TakenBack, Key: "S1"}}, 0, 0},
		{"waiting", "its turn has not come; what waits for it is the same one's to see to", routed(t, Lookup),
			[]Gap{{Kind: WaitsFor, Key: "S1-bygg", Owner: diarium}, {Kind: WaitsFor, Key: "S1-diarium", Owner: diarium}}, 0, 0},
		{"refused", "a person must look, also before the next can go", refused,
			[]Gap{{Kind: Resting, Key: "S1-diarium", Reason: ReasonRefused, Owner: route}, {Kind: WaitsFor, Key: "S1-bygg", Owner: route}}, 0, 0},
		{"by hand", "a person registered it", byTwo(refused, "S1-diarium", Decision{Verb: Waive, By: "registrator", Number: "8"}),
			[]Gap{{Kind: WaitsFor, Key: "S1-bygg"}, {Kind: ByHand, Key: "S1-diarium", Number: "8"}}, 0, 0},
		{"delivered", "the diarium has said nothing of it since", delivered,
			[]Gap{{Kind: WaitsFor, Key: "S1-bygg"}, {Kind: Unconfirmed, Key: "S1-diarium", Owner: diarium}}, 1, 0},
		{"confirmed", "it has", play(delivered, Reported{When{t0}, "S1-diarium", Report{Ref: "SBN 2026/1", Step: Beslutat}}),
			[]Gap{{Kind: WaitsFor, Key: "S1-bygg"}}, 1, 1},
		{"made anew", "the new one stands in its place", anew,
			[]Gap{{Kind: WaitsFor, Key: "S1-bygg"}, {Kind: WaitsFor, Key: "S1-diarium-r2"}}, 0, 0},
		{"made anew, and both", "the first came through after all, when the second had been tried", play(anew,
			Claimed{When{t0}, "S1-diarium-r2", alive}, Started{When{t0}, "S1-diarium-r2", alive, [32]byte{9}, false}, came(Yes)),
			[]Gap{{Kind: Doubled, Key: "S1-diarium-r2", Owner: route}, {Kind: WaitsFor, Key: "S1-bygg"}, {Kind: Unconfirmed, Key: "S1-diarium"}}, 1, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			all := Reckon(monday, []Line{lineOf(tc.c, "S1")}, nil, altanRoutes, everyoneTells)
			b := all[0]
			accepted, confirmed := 0, 0
			for _, l := range b.Legs {
				accepted, confirmed = accepted+l.Accepted, confirmed+l.Confirmed
			}
			if b.Unexplained != 0 || b.Told || accepted != tc.accepted || confirmed != tc.confirmed {
				t.Errorf("%d unexplained, %d accepted, %d confirmed: %s: %+v", b.Unexplained, accepted, confirmed, tc.why, b)
			}
			if len(b.Gaps) != len(tc.gaps) {
				t.Fatalf("the gaps are %+v: %s", b.Gaps, tc.why)
			}
			for i, want := range tc.gaps {
				got := b.Gaps[i]
				if got.Kind != want.Kind || got.Key != want.Key || got.Reason != want.Reason || got.Number != want.Number ||
					want.Owner.Who != NobodyNow && got.Owner != want.Owner {
					t.Errorf("gap %d is %+v, want %+v: %s", i, got, want, tc.why)
				}
			}
		})
	}
}

// TestWhatIsInNoStateIsUnexplained: what the words of a balance do not cover is not left out
// in silence.
func TestWhatIsInNoStateIsUnexplained(t *testing.T) {
	lost := routed(t, Lookup)
	lost.Find("S1-diarium").State = "LOST"
	nowhere := routed(t, Lookup)
	nowhere.Deliveries = nil
	cancelled := routed(t, Lookup)
	cancelled.Find("S1-bygg").State = Cancelled
	for name, c := range map[string]Case{"an unknown state": lost, "on its way with nothing": nowhere, "taken back by nobody": cancelled} {
		if b := Reckon(monday, []Line{lineOf(c, "S1")}, nil, altanRoutes, everyoneTells)[0]; b.Unexplained != 1 || b.Closed() {
			t.Errorf("%s: %d are unexplained", name, b.Unexplained)
		}
	}
}

// TestASharedPlatform: it cannot say whose its forms are. Those that are here are their
// municipality's, the rest nobody's.
func TestASharedPlatform(t *testing.T) {
	karlskrona := named(routed(t, Lookup), 1)
	eslov := named(routed(t, Lookup), 2)
	eslov.Municipality = "1285"
	lines := []Line{lineOf(karlskrona, "C1S1"), lineOf(eslov, "C2S1")}
	tally := Said{
		Tally: Tally{Source: "shared.oep", Service: "702", Day: monday, Sent: 3, IDs: []string{"1", "2", "3"}},
		Found: map[string]Place{"1": {"1080", "C1S1"}, "2": {"1285", "C2S1"}},
	}
	all := Reckon(monday, lines, []Said{tally}, altanRoutes, everyoneTells)
	if len(all) != 3 || all[0].Municipality != "" || all[0].Sent != 1 || all[0].Count(NotReceived) != 1 {
		t.Fatalf("%+v", all)
	}
	for _, b := range all[1:] {
		if !b.Told || b.Sent != 1 || b.Received != 1 || b.Unexplained != 0 || b.Count(NotReceived)+b.Count(Surplus) != 0 {
			t.Errorf("%+v", b)
		}
	}
	tally.IDs, tally.Sent = tally.IDs[:1], 1
	all = Reckon(monday, lines, []Said{tally}, altanRoutes, everyoneTells)
	if len(all) != 2 || all[1].Municipality != "1285" || all[1].Count(Surplus) != 1 || all[1].Gaps[0].Owner != (Owner{ThePlatform, "shared.oep"}) {
		t.Errorf("what the platform does not count: %+v", all)
	}
}

// TestANumberWithoutReferences: who says only how many is told how many are missing.
func TestANumberWithoutReferences(t *testing.T) {
	lines := []Line{lineOf(named(routed(t, Lookup), 1), "C1S1"), lineOf(named(routed(t, Lookup), 2), "C2S1")}
	for sent, want := range map[int][2]int{2: {0, 0}, 5: {3, 0}, 1: {0, 1}, 0: {0, 2}} {
		tally := Said{Tally: Tally{Municipality: "1080", Source: "shared.oep", Service: "702", Day: monday, Sent: sent}}
		b := Reckon(monday, lines, []Said{tally}, altanRoutes, everyoneTells)[0]
		if got := [2]int{b.Count(NotReceived), b.Count(Surplus)}; got != want || b.Unexplained != 0 {
			t.Errorf("of %d sent: %v not received and surplus, want %v", sent, got, want)
		}
	}
}

// TestDays: a day is Swedish, also when it is an hour shorter or longer than others.
func TestDays(t *testing.T) {
	for day, hours := range map[Date]float64{"2026-01-19": 24, "2026-03-29": 23, "2026-10-25": 25} {
		from, until, err := day.Bounds()
		if err != nil || until.Sub(from).Hours() != hours || DayOf(from) != day || DayOf(until.Add(-1)) != day || DayOf(until) == day {
			t.Errorf("%s is %v to %v, %v", day, from, until, err)
		}
	}
	if got := Date("2026-03-01").Before(1); got != "2026-02-28" {
		t.Errorf("the day before is %s", got)
	}
	if _, _, err := Date("2026-02-30").Bounds(); err == nil {
		t.Error("the thirtieth of February is a day")
	}
}
