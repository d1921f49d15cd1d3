package hub

import (
	"errors"
	"testing"
	"time"
)

// held is a case whose delivery to the diarium rests with a person.
func held(t *testing.T, level Level, a Answer) Case {
	c, _ := play(t, sending(t, level), came(a))
	if c.Find("S1-diarium").State != Held {
		t.Fatalf("after %s the delivery is %s, want HELD", a, c.Find("S1-diarium").State)
	}
	return c
}

func decide(k Key, d Decision) Decided {
	if d.By == "" {
		d.By = "registrator"
	}
	return Decided{When{t0}, k, d}
}

func approve(by string) Approved {
	return Approved{When{t0}, "S1-diarium", t0, by, "tittat i systemet"}
}

func TestAReleaseSendsAgain(t *testing.T) {
	c, fx := play(t, held(t, Lookup, No), decide("S1-diarium", Decision{Verb: Release, Reason: "rättat i systemet"}))
	p := c.Find("S1-diarium")
	if p.State != Ready || c.Submissions[0].State != Routed || len(fx.Wake) == 0 {
		t.Errorf("released: %s, form %s, wake %v", p.State, c.Submissions[0].State, fx.Wake)
	}
	if len(fx.Acts) == 0 || fx.Acts[0].By != "registrator" || fx.Acts[0].Reason == "" {
		t.Errorf("the audit log does not say who and why: %+v", fx.Acts)
	}
	if _, _, err := Next(c, decide("S1-diarium", Decision{Verb: Release})); !errors.Is(err, ErrConflict) {
		t.Errorf("released twice: %v", err)
	}
}

func TestAReleaseGivesAllAttemptsAgain(t *testing.T) {
	c := sending(t, Lookup)
	c.Find("S1-diarium").Attempts = MaxAttempts
	c, _ = play(t, c, came(NotNow))
	if got := c.Find("S1-diarium"); got.Reason != ReasonGaveUp {
		t.Fatalf("%s %s", got.State, got.Reason)
	}
	c, _ = play(t, c, decide("S1-diarium", Decision{Verb: Release}), Claimed{When{t0}, "S1-diarium", alive},
		Started{When{t0}, "S1-diarium", alive, [32]byte{1}, false}, came(NotNow))
	p := c.Find("S1-diarium")
	if p.State != RetryWait || !p.Due.Equal(t0.Add(Backoff(1, 0.5))) {
		t.Errorf("after a release the first attempt leads to %s until %s", p.State, p.Due)
	}
	if _, _, err := Next(c, decide("S1", Decision{Verb: Withdraw})); !errors.Is(err, ErrConflict) {
		t.Errorf("a form that was tried to be sent can be taken back: %v", err)
	}
}

// TestWhatMayBeThere: who releases what may have been taken has the system asked first;
// to send it unasked, or where nobody can be asked, takes two.
func TestWhatMayBeThere(t *testing.T) {
	asked := Asked{When: When{t0}, Key: "S1-diarium", Lease: alive, Finding: CannotTell}
	lookup, _ := play(t, sending(t, Lookup), came(DontKnow),
		Claimed{When{t0.Add(time.Minute)}, "S1-diarium", alive}, asked)
	for _, tt := range []struct {
		name     string
		c        Case
		d        Decision
		at, then State
	}{
		{"a system that can be asked", lookup, Decision{Verb: Release}, Unknown, ""},
		{"unasked", lookup, Decision{Verb: Release, Unasked: true}, Held, Ready},
		{"a blind one", held(t, Blind, DontKnow), Decision{Verb: Release}, Held, Ready},
		{"a blind one that said no", held(t, Blind, No), Decision{Verb: Release}, Ready, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := play(t, tt.c, decide("S1-diarium", tt.d))
			if got := c.Find("S1-diarium").State; got != tt.at {
				t.Fatalf("after the first person %s, want %s", got, tt.at)
			}
			if tt.then == "" {
				return
			}
			if _, _, err := Next(c, approve("registrator")); !errors.Is(err, ErrFourEyes) {
				t.Errorf("who proposed it approves it: %v", err)
			}
			stale := approve("gruppledare")
			stale.Proposed = t0.Add(-time.Second)
			if _, _, err := Next(c, stale); !errors.Is(err, ErrConflict) {
				t.Errorf("another proposal than the one that was read is approved: %v", err)
			}
			c, _ = play(t, c, approve("gruppledare"))
			if got := c.Find("S1-diarium").State; got != tt.then {
				t.Errorf("after the second person %s, want %s", got, tt.then)
			}
			if _, _, err := Next(c, approve("gruppledare")); !errors.Is(err, ErrConflict) {
				t.Errorf("approved twice: %v", err)
			}
		})
	}
}

func TestAWaiveIsAReceiptWithAName(t *testing.T) {
	c := held(t, Lookup, No)
	if _, _, err := Next(c, decide("S1-diarium", Decision{Verb: Waive})); !errors.Is(err, ErrConflict) {
		t.Errorf("waived without the number that the building system reads: %v", err)
	}
	c, _ = play(t, c, decide("S1-diarium", Decision{Verb: Waive, Number: "SBN 2026/7"}), approve("gruppledare"))
	p := c.Find("S1-diarium")
	if p.State != Waived || p.Receipt == nil || c.Ref != "SBN 2026/7" || c.Step != Registrerat {
		t.Errorf("%s, ref %q, step %s", p.State, c.Ref, c.Step)
	}
	if got := c.Find("S1-bygg").State; got != Ready {
		t.Errorf("who waited for the number is %s", got)
	}
}

func TestAFormThatPeopleSeeTo(t *testing.T) {
	arrived := func() Case {
		c, _ := play(t, Case{}, Arrived{When{t0}, "S1", "S1", "1080", "shared.oep", "702", "", []SystemID{"shared.oep"}, nil, alive, false},
			Stopped{When{t0}, "S1", alive, ReasonProtected, "sökande"})
		return c
	}
	approved := Approved{When{t0}, "S1", t0, "gruppledare", ""}

	c, _ := play(t, arrived(), decide("S1", Decision{Verb: Release}))
	if p := c.Submissions[0]; p.State != Accepted || p.Due.After(t0) || p.Reason != "" {
		t.Errorf("tried again: %+v", p)
	}
	c, fx := play(t, arrived(), decide("S1", Decision{Verb: Waive, Number: "SBN 2026/8"}), approved)
	if p := c.Submissions[0]; p.State != Completed || c.Step != Registrerat || c.Ref != "SBN 2026/8" || len(fx.Statuses) != 1 {
		t.Errorf("registered by hand: %s, %s, %q", p.State, c.Step, c.Ref)
	}
	c, _ = play(t, arrived(), decide("S1", Decision{Verb: Dismiss}))
	if got := c.Submissions[0].State; got != Held {
		t.Errorf("one person rejected a form: %s", got)
	}
	c, _ = play(t, c, approved)
	if got := c.Submissions[0].State; got != Rejected || c.Step != Avvisat {
		t.Errorf("rejected: %s, step %s", got, c.Step)
	}
}

// TestAnew: other bytes are another delivery. It stands where the first one stood.
func TestAnew(t *testing.T) {
	anew := Decision{Verb: Release, Revision: "rev2",
		Anew: &Plan{Leg: "diarium", System: "k.diarium", Operation: "case", Level: Lookup, Step: Registrerat}}
	c, _ := play(t, held(t, Lookup, No), decide("S1-diarium", anew))
	if was := c.Find("S1-diarium"); was.State != Cancelled {
		t.Errorf("what was refused is %s", was.State)
	}
	p := c.Find("S1-diarium-r2")
	if p == nil || p.State != Ready || p.Revision != "rev2" || p.SHA256 != ([32]byte{}) {
		t.Fatalf("made anew: %+v", p)
	}
	if got := c.Find("S1-bygg").State; got != Blocked {
		t.Errorf("who waits for it is %s", got)
	}
	again := came(No)
	again.Key = p.Key
	c, _ = play(t, c, Claimed{When{t0}, p.Key, alive}, Started{When{t0}, p.Key, alive, [32]byte{2}, false}, again,
		decide(p.Key, anew))
	if c.Find("S1-diarium-r3") == nil || c.Find("S1-diarium-r2-r2") != nil {
		t.Error("the third revision is not -r3")
	}

	t.Run("before anything was tried it keeps its key", func(t *testing.T) {
		c, _ := play(t, routed(t, Lookup), Claimed{When{t0}, "S1-diarium", alive}, Stopped{When{t0}, "S1-diarium", alive, ReasonMapping, ""},
			decide("S1-diarium", anew))
		if p := c.Find("S1-diarium"); p.State != Ready || p.Revision != "rev2" {
			t.Errorf("%s by %s", p.State, p.Revision)
		}
	})
	t.Run("a late receipt spares it", func(t *testing.T) {
		c, _ := play(t, held(t, Lookup, No), decide("S1-diarium", anew), came(Yes))
		if was, now := c.Find("S1-diarium").State, c.Find("S1-diarium-r2").State; was != Delivered || now != Cancelled {
			t.Errorf("the first is %s, the second %s", was, now)
		}
	})
}

// TestABlindAttemptThatNeverLeft: a death before the first byte is no doubt (K13).
func TestABlindAttemptThatNeverLeft(t *testing.T) {
	begun, _ := play(t, routed(t, Blind), Claimed{When{t0}, "S1-diarium", alive},
		Started{When{t0}, "S1-diarium", alive, [32]byte{1}, true})
	c, _ := play(t, begun, Lapsed{When{t0}, "S1-diarium", alive})
	if p := c.Find("S1-diarium"); p.State != Ready || p.Attempts != 0 || p.Crashes != 0 {
		t.Errorf("nothing left, and it is %s with %d attempts and %d crashes", p.State, p.Attempts, p.Crashes)
	}
	c, _ = play(t, begun, OnWire{When{t0}, "S1-diarium", alive}, Lapsed{When{t0}, "S1-diarium", alive})
	if p := c.Find("S1-diarium"); p.State != Held || p.Reason != ReasonUnclear || !p.Doubt {
		t.Errorf("it was on the wire, and is %s %s", p.State, p.Reason)
	}
}

// TestRestored: after a restore what is not settled may be there already.
func TestRestored(t *testing.T) {
	for _, tt := range []struct {
		level Level
		want  State
	}{{Lookup, Unknown}, {Idempotent, Ready}, {Blind, Held}} {
		c, _ := play(t, routed(t, tt.level), Restored{When{t0}})
		if got := c.Find("S1-diarium").State; got != tt.want {
			t.Errorf("%s: %s, want %s", tt.level, got, tt.want)
		}
		if got := c.Find("S1-bygg").State; got != Blocked {
			t.Errorf("%s: who waits for it is %s", tt.level, got)
		}
	}
	t.Run("a form that was not planned then", func(t *testing.T) {
		c, _ := play(t, Case{},
			Arrived{When{t0}, "S1", "S1", "1080", "shared.oep", "702", "k.diarium", nil, nil, alive, false}, Restored{When{t0}},
			Planned{When{t0}, "S1", alive, "rev1", "k.diarium", nil, nil, []Plan{
				{Leg: "diarium", System: "k.diarium", Level: Lookup}, {Leg: "fil", System: "k.fil", Level: Blind}}})
		if a, b := c.Find("S1-diarium").State, c.Find("S1-fil"); a != Unknown || b.State != Held || b.Reason != ReasonUnclear {
			t.Errorf("planned after a restore: %s and %s %s", a, b.State, b.Reason)
		}
	})
	t.Run("not there, twice", func(t *testing.T) {
		miss := Asked{When: When{t0.Add(time.Hour)}, Key: "S1-diarium", Lease: alive, Finding: NotThere}
		claim := Claimed{When{t0.Add(time.Hour)}, "S1-diarium", alive}
		c, _ := play(t, routed(t, Lookup), Restored{When{t0}}, claim, miss)
		c, _ = play(t, c, Claimed{When{t0.Add(2 * time.Hour)}, "S1-diarium", alive}, miss)
		if p := c.Find("S1-diarium"); p.State != RetryWait || p.Doubt {
			t.Errorf("%s, in doubt %t", p.State, p.Doubt)
		}
	})
}

// TestACaseRegisteredByHandHasItsNumber: completions read ${case.diarium.number}, also
// where it was people who gave it.
func TestACaseRegisteredByHandHasItsNumber(t *testing.T) {
	route := &Route{Legs: []Leg{
		{Name: "diarium", To: "k.diarium", Voice: true}, {Name: "komplettering", To: "k.diarium"}, {Name: "bygg", To: "k.bygg"},
	}}
	c, _ := play(t, Case{}, Arrived{When{t0}, "S1", "S1", "1080", "shared.oep", "702", "k.diarium", []SystemID{"shared.oep"}, nil, alive, false},
		Stopped{When{t0}, "S1", alive, ReasonProtected, "sökande"},
		decide("S1", Decision{Verb: Waive, Number: "SBN 2026/8"}), Approved{When{t0}, "S1", t0, "gruppledare", ""})
	got := route.receipts(c)
	if got["diarium"].Number != "SBN 2026/8" {
		t.Errorf("the case's number is %q", got["diarium"].Number)
	}
	if _, there := got["bygg"]; there {
		t.Error("the building system is said to have it")
	}
	delivered, _ := play(t, sending(t, Lookup), came(Yes))
	if got := route.receipts(delivered)["diarium"].Number; got != "SBN 2026/1" {
		t.Errorf("the system's own receipt gives %q", got)
	}
}

// TestDoubtIsNotForgotten: a part that was taken is not untaken by what stops the rest.
func TestDoubtIsNotForgotten(t *testing.T) {
	partly, damaged := came(No), came(DontKnow)
	partly.Partly = true
	damaged.Reason = ReasonCorrupt
	for name, answer := range map[string]Answered{"a no to a file of it": partly, "a damaged file after a don't know": damaged} {
		for _, level := range []Level{Lookup, Idempotent} {
			c, _ := play(t, sending(t, level), answer)
			if p := c.Find("S1-diarium"); p.State != Held || !p.Doubt {
				t.Errorf("%s, %s: %s in doubt %t", name, level, p.State, p.Doubt)
			}
			anew := Decision{Verb: Release, Revision: "rev2", Anew: &Plan{Leg: "diarium", System: "k.diarium", Level: level}}
			if c, _ = play(t, c, decide("S1-diarium", anew)); c.Find("S1-diarium-r2") != nil {
				t.Errorf("%s, %s: one person made another of it", name, level)
			}
		}
	}
}

func TestARestoredFormIsNotTakenBack(t *testing.T) {
	c, _ := play(t, Case{}, Arrived{When{t0}, "S1", "S1", "1080", "shared.oep", "702", "", nil, nil, Lease{}, false}, Restored{When{t0}})
	if _, _, err := Next(c, decide("S1", Decision{Verb: Withdraw})); !errors.Is(err, ErrConflict) {
		t.Errorf("it may have been delivered since, and is taken back: %v", err)
	}
}

// TestAnewWaitsForNobodyBehind: two that waited for each other would be on no list.
func TestAnewWaitsForNobodyBehind(t *testing.T) {
	c, _ := play(t, routed(t, Lookup), Claimed{When{t0}, "S1-diarium", alive}, Stopped{When{t0}, "S1-diarium", alive, ReasonMapping, ""})
	anew := Decision{Verb: Release, Revision: "rev2", Anew: &Plan{Leg: "diarium", System: "k.diarium", Level: Lookup, After: "bygg"}}
	if _, _, err := Next(c, decide("S1-diarium", anew)); !errors.Is(err, ErrConflict) {
		t.Errorf("it is to wait for what waits for it: %v", err)
	}
}

func TestALateReceiptSparesAllThatWasMadeInItsPlace(t *testing.T) {
	anew := Decision{Verb: Release, Revision: "rev2",
		Anew: &Plan{Leg: "diarium", System: "k.diarium", Operation: "case", Level: Lookup, Step: Registrerat}}
	no := came(No)
	no.Key = "S1-diarium-r2"
	c, _ := play(t, held(t, Lookup, No), decide("S1-diarium", anew), Claimed{When{t0}, no.Key, alive},
		Started{When{t0}, no.Key, alive, [32]byte{2}, false}, no, decide(no.Key, anew), came(Yes))
	if first, third := c.Find("S1-diarium").State, c.Find("S1-diarium-r3").State; first != Delivered || third != Cancelled {
		t.Errorf("the first is %s, the third %s", first, third)
	}
}

// TestToldAgainIsNoNews: a proposal stands while the system repeats itself.
func TestToldAgainIsNoNews(t *testing.T) {
	told := Reported{When{t0}, "S1-diarium", Report{System: "k.diarium", ID: "1", Key: "S1-diarium", Ref: "r-1", At: t0}}
	c, _ := play(t, held(t, Blind, DontKnow), told, decide("S1-diarium", Decision{Verb: Waive, Number: "n"}), told)
	if c.Find("S1-diarium").Proposal == nil {
		t.Error("the proposal is gone")
	}
}
