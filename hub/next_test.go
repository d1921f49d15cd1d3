package hub

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var t0 = time.Date(2026, 1, 16, 16, 0, 0, 0, time.UTC)

var alive = Lease{Boot: "boot", Token: 7, Until: t0.Add(time.Hour)}

// play runs events over a case and fails the test when one is refused.
func play(t *testing.T, c Case, events ...Event) (Case, Effects) {
	t.Helper()
	var fx Effects
	var err error
	for i, e := range events {
		if c, fx, err = Next(c, e); err != nil {
			t.Fatalf("event %d, %T: %v", i, e, err)
		}
	}
	return c, fx
}

// routed is a case whose form has been planned: a diarium, and a building system
// that waits for it.
func routed(t *testing.T, level Level) Case {
	c, _ := play(t, Case{},
		Arrived{When{t0}, "S1", "S1", "1080", "shared.oep", "702", "k.diarium", []SystemID{"shared.oep"}, nil, alive, false},
		Looking{When{t0}, "S1", alive, false},
		Planned{When{t0}, "S1", alive, "rev1", "k.diarium", nil, nil, []Plan{
			{Leg: "diarium", System: "k.diarium", Operation: "case", Level: level, Lag: 2 * time.Second, Step: Registrerat},
			{Leg: "bygg", System: "k.bygg", Operation: "file", Level: Idempotent, After: "diarium"},
		}})
	return c
}

// sending is routed with the first delivery under way.
func sending(t *testing.T, level Level) Case {
	c, _ := play(t, routed(t, level),
		Claimed{When{t0}, "S1-diarium", alive},
		Started{When{t0}, "S1-diarium", alive, [32]byte{1}, false})
	return c
}

func came(a Answer) Answered {
	return Answered{When: When{t0}, Key: "S1-diarium", Lease: alive, Answer: a, Jitter: 0.5,
		Receipt: Receipt{Number: "SBN 2026/1", At: t0}}
}

func TestTheJourney(t *testing.T) {
	c, fx := play(t, sending(t, Lookup), came(Yes))
	if c.Step != Registrerat || c.Ref != "SBN 2026/1" || len(fx.Statuses) != 1 {
		t.Errorf("after the receipt: step %s, ref %q, %d status lines", c.Step, c.Ref, len(fx.Statuses))
	}
	if got := c.Find("S1-bygg").State; got != Ready {
		t.Errorf("who waited for the receipt is %s, want READY", got)
	}
	if tell := c.Find("S1-tell-1"); tell == nil || tell.State != Ready || tell.System != "shared.oep" {
		t.Errorf("the platform is not told: %+v", tell)
	}
	c, _ = play(t, c,
		Claimed{When{t0}, "S1-bygg", alive},
		Started{When{t0}, "S1-bygg", alive, [32]byte{2}, false},
		Answered{When: When{t0}, Key: "S1-bygg", Lease: alive, Answer: Yes, Receipt: Receipt{Number: "f"}})
	if got := c.Submissions[0].State; got != Completed {
		t.Errorf("with all delivered the form is %s; telling must not hold it up", got)
	}
}

func TestWhatAnAnswerBringsWithIt(t *testing.T) {
	later := came(NotNow)
	later.Wait = 999999 * time.Hour
	down := came(NotNow)
	down.Cause = Down
	for _, tc := range []struct {
		name, why string
		level     Level
		e         Event
		state     State
		reason    Reason
		wait      time.Duration
		attempts  int
	}{
		{"yes", "a receipt settles", Lookup, came(Yes), Delivered, "", 0, 1},
		{"no", "a person must look", Lookup, came(No), Held, ReasonRefused, 0, 1},
		{"not now", "the schedule's first wait", Lookup, came(NotNow), RetryWait, "", 10 * time.Second, 1},
		{"not now, for years", "a system's wish is clamped", Lookup, later, RetryWait, "", 6 * time.Hour, 1},
		{"not now, system down", "an outage uses up no attempts", Lookup, down, RetryWait, "", 10 * time.Second, 0},
		{"don't know, can be asked", "ask first, after the lag", Lookup, came(DontKnow), Unknown, "", 2 * time.Second, 1},
		{"don't know, knows our key", "send the same again", Idempotent, came(DontKnow), RetryWait, "", 10 * time.Second, 1},
		{"don't know, neither", "never send again by ourselves", Blind, came(DontKnow), Held, ReasonUnclear, 0, 1},
		{"death during the attempt", "an attempt without a result is a don't know", Lookup, Lapsed{When{t0}, "S1-diarium", alive}, Unknown, "", 2 * time.Second, 1},
		{"death during a blind attempt", "the same", Blind, Lapsed{When{t0}, "S1-diarium", alive}, Held, ReasonUnclear, 0, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, _ := play(t, sending(t, tc.level), tc.e)
			d := c.Find("S1-diarium")
			if d.State != tc.state || d.Reason != tc.reason || d.Attempts != tc.attempts {
				t.Errorf("%s %s after %d attempts, want %s %s after %d: %s",
					d.State, d.Reason, d.Attempts, tc.state, tc.reason, tc.attempts, tc.why)
			}
			if tc.wait != 0 && d.Due.Sub(t0) != tc.wait {
				t.Errorf("due in %v, want %v: %s", d.Due.Sub(t0), tc.wait, tc.why)
			}
			if d.Lease.Boot != "" {
				t.Error("still in somebody's hands")
			}
			if want := map[State]State{Held: Attention}[tc.state]; want != "" && c.Submissions[0].State != want {
				t.Errorf("the form is %s, want %s", c.Submissions[0].State, want)
			}
		})
	}
}

func TestAskingComesBeforeSendingAgain(t *testing.T) {
	ask := func(c Case, at time.Time, f Finding) Case {
		c, _ = play(t, c, Claimed{When{at}, "S1-diarium", alive},
			Asked{When: When{at}, Key: "S1-diarium", Lease: alive, Finding: f, Receipt: Receipt{Number: "SBN 2026/1"}, Jitter: 0.5})
		return c
	}
	doubt, _ := play(t, sending(t, Lookup), came(DontKnow))
	at := t0.Add(time.Minute)
	for _, tc := range []struct {
		name     string
		findings []Finding
		state    State
		reason   Reason
	}{
		{"found", []Finding{Found}, Delivered, ""},
		{"not there, once", []Finding{NotThere}, Unknown, ""},
		{"not there, twice", []Finding{NotThere, NotThere}, RetryWait, ""},
		{"cannot tell", []Finding{CannotTell}, Held, ReasonUnclear},
		{"the question fails", []Finding{Broken, Broken, Broken}, Unknown, ""},
		{"not there, then there", []Finding{NotThere, Found}, Delivered, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := doubt
			for i, f := range tc.findings {
				c = ask(c, at.Add(time.Duration(i)*time.Hour), f)
			}
			if d := c.Find("S1-diarium"); d.State != tc.state || d.Reason != tc.reason {
				t.Errorf("%s %s, want %s %s", d.State, d.Reason, tc.state, tc.reason)
			}
		})
	}
	t.Run("the question fails for more than a day", func(t *testing.T) {
		c := ask(doubt, t0.Add(25*time.Hour), Broken)
		if d := c.Find("S1-diarium"); d.State != Held || d.Reason != ReasonUnclear {
			t.Errorf("%s %s, want HELD unclear", d.State, d.Reason)
		}
	})
}

func TestALateSuccessIsNeverDiscarded(t *testing.T) {
	stale := came(Yes)
	stale.Lease = Lease{Boot: "dead", Token: 1}
	for _, before := range []Event{came(DontKnow), came(NotNow), came(No)} {
		c, _ := play(t, sending(t, Lookup), before, stale)
		if d := c.Find("S1-diarium"); d.State != Delivered {
			t.Errorf("after %v: %s, want DELIVERED", before.(Answered).Answer, d.State)
		}
	}
	settled, _ := play(t, sending(t, Lookup), came(Yes))
	if _, _, err := Next(settled, stale); !errors.Is(err, ErrLost) {
		t.Errorf("a second success: %v, want ErrLost", err)
	}
}

// A report may name our Key before our own receipt has come. It says that the system
// knows the delivery, and not that it has all of it: what follows is a question, the
// same once more, or a person.
func TestAReportThatNamesOurKey(t *testing.T) {
	for _, tt := range []struct {
		level  Level
		before Answer
		want   State
	}{
		{Lookup, DontKnow, Unknown}, {Lookup, NotNow, Unknown}, {Lookup, No, Unknown},
		{Idempotent, DontKnow, Ready}, {Idempotent, NotNow, Ready},
		{Blind, DontKnow, Held}, {Blind, NotNow, Held}, {Blind, No, Held},
	} {
		c, _ := play(t, sending(t, tt.level), came(tt.before), Reported{When{t0}, "S1-diarium", Report{
			System: "k.diarium", ID: "1", Key: "S1-diarium", Ref: "r-1", Step: Registrerat, At: t0,
		}})
		d := c.Find("S1-diarium")
		if d.State != tt.want || d.Due.After(t0) || !d.Doubt || d.Receipt != nil || c.Step != Registrerat {
			t.Errorf("%s, after %s: %s in doubt %t, the citizen sees %s; want %s at once", tt.level, tt.before, d.State, d.Doubt, c.Step, tt.want)
		}
		if tt.want == Held && d.Reason != ReasonUnclear {
			t.Errorf("%s, after %s: held %s", tt.level, tt.before, d.Reason)
		}
	}
}

func TestAStaleWorkerMovesNothing(t *testing.T) {
	for _, e := range []Event{came(No), came(NotNow), came(DontKnow)} {
		a := e.(Answered)
		a.Lease.Token++
		if _, _, err := Next(sending(t, Lookup), a); !errors.Is(err, ErrLost) {
			t.Errorf("%s with a stale lease: %v, want ErrLost", a.Answer, err)
		}
	}
}

func TestOrderWithinACase(t *testing.T) {
	c, _ := play(t, sending(t, Lookup),
		Arrived{When{t0}, "S2", "S1", "1080", "shared.oep", "702", "k.diarium", []SystemID{"shared.oep"}, nil, alive, false},
		Planned{When{t0}, "S2", alive, "rev1", "k.diarium", nil, nil, []Plan{
			{Leg: "komplettering", System: "k.diarium", Operation: "document", Level: Lookup}}})
	if got := c.Find("S2-komplettering").State; got != Blocked {
		t.Fatalf("the completion is %s while the case is being made, want BLOCKED", got)
	}
	held, _ := play(t, c, came(No))
	if got := held.Find("S2-komplettering").State; got != Blocked {
		t.Errorf("the completion is %s although the case was refused, want BLOCKED", got)
	}
	c, _ = play(t, c, came(Yes))
	if got := c.Find("S2-komplettering").State; got != Ready {
		t.Errorf("the completion is %s when the case is made, want READY", got)
	}
}

// The completion's facts may be there before those of the form that makes the case.
func TestOrderIsThatOfArrival(t *testing.T) {
	arrived := func(id ID) Arrived {
		return Arrived{When{t0}, id, "S1", "1080", "shared.oep", "702", "k.diarium", []SystemID{"shared.oep"}, nil, alive, false}
	}
	completion := Planned{When{t0}, "S2", alive, "rev1", "k.diarium", nil, nil, []Plan{
		{Leg: "komplettering", System: "k.diarium", Operation: "document", Level: Lookup}}}
	first := Planned{When{t0}, "S1", alive, "rev1", "k.diarium", nil, nil, []Plan{
		{Leg: "diarium", System: "k.diarium", Operation: "case", Level: Lookup, Step: Registrerat}}}
	c, _ := play(t, Case{}, arrived("S1"), arrived("S2"), completion)
	if got := c.Find("S2-komplettering").State; got != Blocked {
		t.Fatalf("the completion is %s before the first form is planned, want BLOCKED", got)
	}
	c, _ = play(t, c, first)
	if a, b := c.Find("S1-diarium").State, c.Find("S2-komplettering").State; a != Ready || b != Blocked {
		t.Errorf("the case is %s and its completion %s, want READY and BLOCKED", a, b)
	}
	held, _ := play(t, c, Claimed{When{t0}, "S1-diarium", alive}, Started{When{t0}, "S1-diarium", alive, [32]byte{1}, false}, came(Yes))
	if got := held.Find("S2-komplettering").State; got != Ready {
		t.Errorf("the completion is %s when the case is made, want READY", got)
	}
	withdrawn, _ := play(t, c, Decided{When{t0}, "S1", Decision{Verb: Withdraw, By: "oep"}})
	if got := withdrawn.Find("S2-komplettering").State; got != Ready {
		t.Errorf("the completion is %s when the first form is withdrawn, want READY", got)
	}
}

// A completion for another system may speak of the case's number, so it waits for it.
func TestACompletionWaitsForTheNumber(t *testing.T) {
	c, _ := play(t, sending(t, Lookup),
		Arrived{When{t0}, "S2", "S1", "1080", "shared.oep", "702", "k.diarium", []SystemID{"shared.oep"}, nil, alive, false},
		Planned{When{t0}, "S2", alive, "rev1", "k.diarium", nil, nil, []Plan{{Leg: "till-bygg", System: "k.arkiv", Level: Idempotent}}})
	if got := c.Find("S2-till-bygg").State; got != Blocked {
		t.Fatalf("it is %s while the case has no number, want BLOCKED", got)
	}
	c, _ = play(t, c, came(Yes))
	if got := c.Find("S2-till-bygg").State; got != Ready {
		t.Errorf("it is %s when the case has its number, want READY", got)
	}
}

func TestADocumentThatDiffersIsNotSentAgain(t *testing.T) {
	c, _ := play(t, sending(t, Idempotent), came(DontKnow),
		Claimed{When{t0.Add(time.Hour)}, "S1-diarium", alive},
		Started{When{t0.Add(time.Hour)}, "S1-diarium", alive, [32]byte{99}, false})
	if d := c.Find("S1-diarium"); d.State != Held || d.Reason != ReasonHashMismatch {
		t.Errorf("%s %s, want HELD hash-mismatch", d.State, d.Reason)
	}
}

func TestContentThatKillsIsHeldAndARestartHoldsNobody(t *testing.T) {
	again := func(before ...Event) Progress {
		c, _ := play(t, Case{}, Arrived{When{t0}, "S1", "S1", "1080", "shared.oep", "702", "", nil, nil, Lease{}, false})
		for range MaxCrashes {
			c, _ = play(t, c, Claimed{When{t0}, "S1", alive})
			c, _ = play(t, c, before...)
			c, _ = play(t, c, Lapsed{When{t0}, "S1", alive})
		}
		return c.Submissions[0]
	}
	alone, cleared := Suspected{When{t0}, "S1", alive, false}, Suspected{When{t0}, "S1", alive, true}
	looks, has := Looking{When{t0}, "S1", alive, false}, Looking{When{t0}, "S1", alive, true}
	if p := again(alone); p.State != Held || p.Reason != ReasonCrashLoop {
		t.Errorf("three deaths while it was decoded alone: %s %s", p.State, p.Reason)
	}
	if p := again(); p.State != Accepted || p.Crashes != 1 {
		t.Errorf("three deaths beside others: %s with %d crashes, want ACCEPTED and 1", p.State, p.Crashes)
	}
	if p := again(alone, cleared); p.State != Accepted || p.Crashes != 1 {
		t.Errorf("three deaths after it had been decoded: %s with %d crashes, want ACCEPTED and 1", p.State, p.Crashes)
	}
	if p := again(looks); p.State != Accepted {
		t.Errorf("three deaths while it waited for a register: %s, want ACCEPTED", p.State)
	}
	if p := again(looks, has, alone); p.State != Held || p.Reason != ReasonCrashLoop {
		t.Errorf("three deaths while it was rendered, with what the register said: %s %s", p.State, p.Reason)
	}
}

func TestAFormThatNoLegIsForIsHeld(t *testing.T) {
	c, _ := play(t, Case{},
		Arrived{When{t0}, "S1", "S1", "1080", "shared.oep", "702", "", nil, nil, alive, false},
		Planned{When{t0}, "S1", alive, "rev1", "", nil, nil, nil})
	if p := c.Submissions[0]; p.State != Held || p.Reason != ReasonNoRoute {
		t.Errorf("%s %s, want HELD no-route: nobody was told of it", p.State, p.Reason)
	}
}

// A question that could not be put must not become a second post.
func TestOnlyAnAttemptIsAnswered(t *testing.T) {
	at := t0.Add(time.Minute)
	c, _ := play(t, sending(t, Lookup), came(DontKnow), Claimed{When{at}, "S1-diarium", alive})
	for _, a := range []Answer{No, NotNow, DontKnow} {
		e := came(a)
		e.At = at
		if _, _, err := Next(c, e); !errors.Is(err, ErrLost) {
			t.Errorf("%s while it is asked about: %v, want ErrLost", a, err)
		}
	}
}

func TestTwentyAttemptsAreAboutSixDays(t *testing.T) {
	var total time.Duration
	for n := 1; n < MaxAttempts; n++ {
		total += Backoff(n, 0.5)
	}
	if days := total.Hours() / 24; days < 5.5 || days > 6.5 {
		t.Errorf("the schedule takes %.1f days", days)
	}
	c := sending(t, Idempotent)
	at := t0
	for range MaxAttempts {
		d := c.Find("S1-diarium")
		if d.State == RetryWait {
			at = d.Due
			c, _ = play(t, c, Claimed{When{at}, "S1-diarium", alive}, Started{When{at}, "S1-diarium", alive, [32]byte{1}, false})
		}
		c, _ = play(t, c, Answered{When: When{at}, Key: "S1-diarium", Lease: alive, Answer: NotNow, Jitter: 0.5})
	}
	if d := c.Find("S1-diarium"); d.State != Held || d.Reason != ReasonGaveUp {
		t.Errorf("after %d attempts: %s %s", MaxAttempts, d.State, d.Reason)
	}
}

func TestStepsDoNotGoBackwards(t *testing.T) {
	report := func(s Step, correction bool) Reported {
		return Reported{When{t0}, "S1-diarium", Report{System: "k.diarium", ID: string(s), Ref: "SBN 2026/1", Step: s, At: t0, Correction: correction}}
	}
	c, _ := play(t, sending(t, Lookup), came(Yes))
	for _, tc := range []struct {
		e    Reported
		want Step
		why  string
	}{
		{report(UnderHandlaggning, false), UnderHandlaggning, "forwards"},
		{report(KompletteringBehov, false), KompletteringBehov, "30 to 35"},
		{report(UnderHandlaggning, false), UnderHandlaggning, "35 to 30"},
		{report(Beslutat, false), Beslutat, "forwards"},
		{report(UnderHandlaggning, false), Beslutat, "late news"},
		{report("", false), Beslutat, "a word without a Step"},
		{report(UnderHandlaggning, true), UnderHandlaggning, "reopened"},
	} {
		if c, _ = play(t, c, tc.e); c.Step != tc.want {
			t.Fatalf("%s: the citizen sees %s, want %s", tc.why, c.Step, tc.want)
		}
	}
	if d := c.Find("S1-diarium"); d.State != Confirmed {
		t.Errorf("the system speaks of the case, and its delivery is %s", d.State)
	}
}

func TestWithdrawOnlyBeforeAnythingWasSent(t *testing.T) {
	c, fx := play(t, routed(t, Lookup), Decided{When{t0}, "S1", Decision{Verb: Withdraw, By: "oep"}})
	if c.Submissions[0].State != Withdrawn || c.Find("S1-diarium").State != Cancelled || c.Step != Atertaget || len(fx.Statuses) != 1 {
		t.Errorf("withdrawn: %s, %s, %s", c.Submissions[0].State, c.Find("S1-diarium").State, c.Step)
	}
	if _, _, err := Next(sending(t, Lookup), Decided{When{t0}, "S1", Decision{Verb: Withdraw, By: "oep"}}); !errors.Is(err, ErrConflict) {
		t.Errorf("after an attempt: %v, want ErrConflict", err)
	}
	for cause, sent := range map[Cause]bool{Down: false, Busy: true, Credentials: true} {
		refused := came(NotNow)
		refused.Cause = cause
		c, _ := play(t, sending(t, Lookup), refused)
		if _, _, err := Next(c, Decided{When{t0}, "S1", Decision{Verb: Withdraw, By: "oep"}}); errors.Is(err, ErrConflict) != sent {
			t.Errorf("after %s: %v", cause, err)
		}
		if d := c.Find("S1-diarium"); d.Attempts-d.Spent != 0 {
			t.Errorf("%s has used up a try", cause)
		}
	}
}

// Whatever happens in whatever order, these hold.
func TestInvariants(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		c := Case{}
		at := t0
		keys := []Key{"S1", "S2", "S1-diarium", "S1-bygg", "S2-komplettering", "S1-tell-1", "S1-tell-2", "S1-diarium-r2", "S1-bygg-r2"}
		for range rapid.IntRange(1, 60).Draw(r, "events") {
			at = at.Add(time.Duration(rapid.IntRange(0, 20_000).Draw(r, "later")) * time.Second)
			k := rapid.SampledFrom(keys).Draw(r, "key")
			lease := Lease{Boot: rapid.SampledFrom([]string{"a", "b"}).Draw(r, "boot"), Token: int64(rapid.IntRange(1, 2).Draw(r, "token"))}
			before := c.clone()
			e := anyEvent(r, c, k, lease, at)
			after, _, err := Next(c, e)
			if err != nil && !errors.Is(err, ErrLost) && !errors.Is(err, ErrConflict) && !errors.Is(err, ErrFourEyes) {
				r.Fatal(err)
			}
			c = after
			check(r, before, c, e)
			checkBlind(r, before, c, e)
		}
	})
}

func anyEvent(r *rapid.T, c Case, k Key, l Lease, at time.Time) Event {
	w := When{at}
	if c.ID == "" {
		return Arrived{w, "S1", "S1", "1080", "shared.oep", "702", "k.diarium", []SystemID{"shared.oep"}, nil, l, rapid.Bool().Draw(r, "waits")}
	}
	answers := []Answer{Yes, No, NotNow, DontKnow}
	findings := []Finding{Found, NotThere, CannotTell, Broken}
	levels := []Level{Blind, Lookup, Idempotent}
	level := rapid.SampledFrom(levels).Draw(r, "level")
	by := rapid.SampledFrom([]string{"registrator", "gruppledare"}).Draw(r, "by")
	switch rapid.IntRange(0, 15).Draw(r, "event") {
	case 0:
		if c.Find("S2") == nil {
			return Arrived{w, "S2", "S1", "1080", "shared.oep", "702", "k.diarium", []SystemID{"shared.oep"}, nil, l, rapid.Bool().Draw(r, "waits")}
		}
		return Looking{w, k, l, rapid.Bool().Draw(r, "over")}
	case 1:
		return Postponed{w, k, l, at.Add(time.Minute), ""}
	case 2:
		if k == "S1" {
			return Planned{w, k, l, "r", "k.diarium", nil, nil, []Plan{
				{Leg: "diarium", System: "k.diarium", Level: level, Step: Registrerat},
				{Leg: "bygg", System: "k.bygg", Level: level, After: "diarium"}}}
		}
		return Planned{w, "S2", l, "r", "k.diarium", nil, nil, []Plan{{Leg: "komplettering", System: "k.diarium", Level: level}}}
	case 3:
		return Stopped{w, k, l, ReasonRule, ""}
	case 4:
		return Started{w, k, l, [32]byte{1}, rapid.Bool().Draw(r, "announced")}
	case 5, 6:
		return Answered{When: w, Key: k, Lease: l, Answer: rapid.SampledFrom(answers).Draw(r, "answer"), Receipt: Receipt{Number: "n"}}
	case 7:
		return Asked{When: w, Key: k, Lease: l, Finding: rapid.SampledFrom(findings).Draw(r, "finding"), Receipt: Receipt{Number: "n"}}
	case 8:
		return Lapsed{w, k, l}
	case 9:
		return Reported{w, k, Report{Ref: "n", Key: k, Step: rapid.SampledFrom([]Step{Registrerat, UnderHandlaggning, Beslutat, ""}).Draw(r, "step"), At: at}}
	case 10:
		return OnWire{w, k, l}
	case 11:
		d := Decision{Verb: rapid.SampledFrom(Verbs).Draw(r, "verb"), By: by, Unasked: rapid.Bool().Draw(r, "unasked")}
		if d.Verb == Release && k != "S1" && k != "S2" && rapid.Bool().Draw(r, "anew") {
			d.Anew, d.Revision = &Plan{System: "k.diarium", Level: level}, "r2"
		}
		if rapid.Bool().Draw(r, "number") {
			d.Number = "by hand"
		}
		return Decided{w, k, d}
	case 12:
		if p := c.Find(k); p != nil && p.Proposal != nil {
			return Approved{w, k, p.Proposal.At, by, ""}
		}
		return Approved{w, k, at, by, ""}
	case 13:
		if rapid.IntRange(0, 20).Draw(r, "disaster") == 0 {
			return Restored{w}
		}
	case 14:
		return Retold{w, Retelling{"shared.oep", t0, at}, by}
	}
	return Claimed{w, k, l}
}

// checkBlind: what may have been taken by a system that can neither recognise it nor be
// asked goes on only by two persons' will, or by evidence.
func checkBlind(r *rapid.T, before, after Case, e Event) {
	for _, was := range before.Deliveries {
		if was.Level != Blind || !was.Doubt {
			continue
		}
		p := after.Find(was.Key)
		if _, two := e.(Approved); two || p.Settled() || p.State == Held {
			continue
		}
		r.Fatalf("%s, in doubt and blind, went from %s to %s by %T", p.Key, was.State, p.State, e)
	}
}

func check(r *rapid.T, before, after Case, e Event) {
	under := map[SystemID]int{}
	for _, p := range append(append([]Progress(nil), after.Submissions...), after.Deliveries...) {
		if (p.State == Held) != (p.Reason != "") {
			r.Fatalf("%s is %s with reason %q", p.Key, p.State, p.Reason)
		}
		if p.Kind == DocumentKind && (p.State == Sending || p.State == Reconciling) {
			under[p.System]++
		}
		if was := before.Find(p.Key); was != nil {
			late := was.State == Cancelled && was.Attempts > 0 && p.State == Delivered
			_, retold := e.(Retold)
			if was.Settled() && p.State != was.State && p.State != Confirmed && !late && !(retold && p.Kind == TellingKind) {
				r.Fatalf("%s left %s for %s", p.Key, was.State, p.State)
			}
			if was.Ended() && p.State != was.State {
				r.Fatalf("%s left %s for %s", p.Key, was.State, p.State)
			}
		}
		if p.Kind == DocumentKind && p.State == Delivered && p.Receipt == nil {
			r.Fatalf("%s is delivered without a receipt", p.Key)
		}
	}
	for s, n := range under {
		if n > 1 {
			r.Fatalf("%d deliveries of one case are under way to %s", n, s)
		}
	}
	for _, s := range after.Submissions {
		if s.State == Completed {
			for _, d := range after.Deliveries {
				if d.Submission == s.Submission && d.Kind == DocumentKind && !d.Settled() {
					r.Fatalf("%s is completed with %s in %s", s.Key, d.Key, d.State)
				}
			}
		}
	}
	begunAnew := after.Step == Inkommet && len(after.Submissions) > len(before.Submissions)
	if after.Step.Rank() < before.Step.Rank() && !begunAnew && !(before.Step == KompletteringBehov && after.Step == UnderHandlaggning) {
		r.Fatalf("the citizen saw %s after %s", after.Step, before.Step)
	}
}

// Who takes a form back and sends it in again begins anew, and is not told that it was
// taken back.
func TestACaseBeginsAnew(t *testing.T) {
	c, _ := play(t, routed(t, Lookup), Decided{When{t0}, "S1", Decision{Verb: Withdraw, By: "oep"}})
	if c.Step != Atertaget {
		t.Fatalf("taken back, it is at %s", c.Step)
	}
	c, fx := play(t, c, Arrived{When{t0}, "S2", "S1", "1080", "shared.oep", "702", "k.diarium", []SystemID{"shared.oep"}, nil, alive, false})
	if c.Step != Inkommet || len(fx.Statuses) != 1 || !c.Begins("S2") {
		t.Errorf("sent in again it is at %s with %d lines", c.Step, len(fx.Statuses))
	}
	c, _ = play(t, routed(t, Lookup), Arrived{When{t0}, "S2", "S1", "1080", "shared.oep", "702", "k.diarium", []SystemID{"shared.oep"}, nil, alive, false})
	if c.Begins("S2") || !c.Begins("S1") {
		t.Error("a completion begins the case")
	}
}
