package hub

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// told is a case whose platform has been told so many times, an hour apart from t0 on; what
// comes after that waits for it in vain.
func told(t *testing.T, times int, then ...Event) Case {
	t.Helper()
	c, _ := play(t, sending(t, Lookup), came(Yes))
	for n, s := range []Step{UnderHandlaggning, Beslutat, Avslutat} {
		c, _ = play(t, c, Reported{When{t0}, "S1-diarium", Report{System: "k.diarium", ID: fmt.Sprint(n), Step: s, At: t0}})
	}
	for n := range times {
		at := t0.Add(time.Duration(n) * time.Hour)
		key := Key(fmt.Sprint("S1-tell-", n+1))
		c, _ = play(t, c, Claimed{When{at}, key, alive}, Started{When{at}, key, alive, [32]byte{}, false},
			Answered{When: When{at}, Key: key, Lease: alive, Answer: Yes, Receipt: Receipt{Number: "told"}})
	}
	c, _ = play(t, c, then...)
	return c
}

func TestWhatIsToldAgain(t *testing.T) {
	at := t0.Add(10 * time.Hour)
	fails := []Event{
		Claimed{When{at}, "S1-tell-3", alive}, Started{When{at}, "S1-tell-3", alive, [32]byte{}, false},
		Answered{When: When{at}, Key: "S1-tell-3", Lease: alive, Answer: NotNow, Jitter: 0.5},
	}
	hour := func(n int) time.Time { return t0.Add(time.Duration(n) * time.Hour) }
	for _, tc := range []struct {
		name, why   string
		c           Case
		system      SystemID
		from, until time.Time
		want        [4]State // of the four tellings
	}{
		{"all", "in order: one waits for the one before it", told(t, 4), "shared.oep", hour(0), hour(9), [4]State{Ready, Blocked, Blocked, Blocked}},
		{"the middle", "what was told after it follows, or the Teller would end there", told(t, 4), "shared.oep", hour(1), hour(3), [4]State{Delivered, Ready, Blocked, Blocked}},
		{"from is included", "the period decides where it begins", told(t, 4), "shared.oep", hour(2), hour(3), [4]State{Delivered, Delivered, Ready, Blocked}},
		{"until is not included", "two periods side by side do not begin with the same", told(t, 4), "shared.oep", hour(2).Add(1), hour(3), [4]State{Delivered, Delivered, Delivered, Delivered}},
		{"what waits goes after it", "the Teller hears all of it in order", told(t, 2, fails...), "shared.oep", hour(0), hour(2), [4]State{Ready, Blocked, Blocked, Blocked}},
		{"what stands in turn", "it would have gone at once", told(t, 1), "shared.oep", hour(0), hour(1), [4]State{Ready, Blocked, Blocked, Blocked}},
		{"another period", "nothing was told then", told(t, 2), "shared.oep", hour(5), hour(9), [4]State{Delivered, Delivered, Ready, Blocked}},
		{"another system", "a document is never delivered again", told(t, 4), "k.diarium", t0.Add(-time.Hour), hour(9), [4]State{Delivered, Delivered, Delivered, Delivered}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, fx, err := Next(tc.c, Retold{When{at}, Retelling{tc.system, tc.from, tc.until}, "registrator"})
			if err != nil && !errors.Is(err, ErrLost) {
				t.Fatal(err)
			}
			for i, want := range tc.want {
				if p := c.Find(Key(fmt.Sprint("S1-tell-", i+1))); p.State != want {
					t.Errorf("telling %d is %s, want %s: %s", i+1, p.State, want, tc.why)
				}
			}
			if c.Find("S1-diarium").State != Confirmed || c.Step != Avslutat || len(fx.Statuses) != 0 {
				t.Errorf("the document is %s, the citizen sees %s, and is told %d times", c.Find("S1-diarium").State, c.Step, len(fx.Statuses))
			}
			if again := err == nil; again && (len(fx.Acts) != 1 || fx.Acts[0].By != "registrator" || fx.Acts[0].What != "told again") {
				t.Errorf("the log is told %+v", fx.Acts)
			}
		})
	}
}

// Whatever was lost, and whatever happens meanwhile: what the Teller hears last is where the
// case is.
func TestATellerEndsWhereTheCaseIs(t *testing.T) {
	const last = Key("S1-tell-4")
	at := t0.Add(10 * time.Hour)
	goes := []Event{Claimed{When{at}, last, alive}, Started{When{at}, last, alive, [32]byte{}, false}}
	answer := func(a Answer) Event {
		return Answered{When: When{at}, Key: last, Lease: alive, Answer: a, Jitter: 0.5}
	}
	for _, tc := range []struct {
		name  string
		c     Case
		until time.Time
		then  []Event // before anything is told again
	}{
		{"the first alone is lost", told(t, 4), t0.Add(time.Hour), nil},
		{"the last is being told, and heard", told(t, 3, goes...), at, []Event{answer(Yes)}},
		{"the last is being told, and not heard", told(t, 3, goes...), at, []Event{answer(NotNow)}},
		{"the last was heard, and the answer comes late", told(t, 3, append(goes, answer(DontKnow))...), at, []Event{answer(Yes)}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, _ := play(t, tc.c, append([]Event{Retold{When{at}, Retelling{"shared.oep", t0, tc.until}, "registrator"}}, tc.then...)...)
			later := at.Add(time.Hour)
			for n := range 4 {
				key := Key(fmt.Sprint("S1-tell-", n+1))
				if p := c.Find(last); p.Settled() {
					t.Fatalf("%s is told again, and the last is %s before it", key, p.State)
				}
				c, _ = play(t, c, Claimed{When{later}, key, alive}, Started{When{later}, key, alive, [32]byte{}, false},
					Answered{When: When{later}, Key: key, Lease: alive, Answer: Yes, Receipt: Receipt{Number: "told"}})
			}
			if p := c.Find(last); !p.Settled() || p.Step != c.Step {
				t.Errorf("the last is %s and tells of %s, and the case is at %s", p.State, p.Step, c.Step)
			}
		})
	}
}

// Whenever what is told again, and however it goes: nothing counts as told while something
// before it is not.
func TestToldAgainInOrder(t *testing.T) {
	whole := told(t, 0)
	rapid.Check(t, func(r *rapid.T) {
		c, at := whole, t0
		number := func(what string, most int) int { return rapid.IntRange(1, most).Draw(r, what) }
		for range number("events", 80) {
			at = at.Add(time.Hour)
			key := Key(fmt.Sprint("S1-tell-", number("telling", 4)))
			var e Event
			switch number("event", 9) {
			case 1:
				from := t0.Add(time.Duration(number("from", 80)) * time.Hour)
				e = Retold{When{at}, Retelling{"shared.oep", from, from.Add(time.Duration(number("hours", 20)) * time.Hour)}, "registrator"}
			case 2, 3, 4:
				e = Claimed{When{at}, key, alive}
			case 5, 6:
				e = Started{When{at}, key, alive, [32]byte{}, false}
			default:
				e = Answered{When: When{at}, Key: key, Lease: alive, Answer: rapid.SampledFrom([]Answer{Yes, NotNow, DontKnow}).Draw(r, "answer")}
			}
			if after, _, err := Next(c, e); err == nil {
				c = after
			}
			waits := Key("")
			for _, p := range c.Deliveries {
				switch {
				case p.Kind != TellingKind:
				case !p.Settled():
					waits = p.Key
				case waits != "":
					r.Fatalf("%T: %s is %s before %s", e, p.Key, p.State, waits)
				}
			}
		}
	})
}

// Who asks for the same again while it waits, or when it has been told, changes nothing; and
// a telling that is told again has all its attempts.
func TestToldAgainOnce(t *testing.T) {
	at := t0.Add(10 * time.Hour)
	again := Retold{When{at}, Retelling{"shared.oep", t0, at}, "registrator"}
	c, _ := play(t, told(t, 4), again)
	if _, _, err := Next(c, again); !errors.Is(err, ErrLost) {
		t.Errorf("while it waits: %v, want ErrLost", err)
	}
	for n := range 4 {
		key := Key(fmt.Sprint("S1-tell-", n+1))
		p := c.Find(key)
		if p.Receipt != nil || p.tries() != 0 {
			t.Errorf("%s has %d tries and the receipt %v", key, p.tries(), p.Receipt)
		}
		c, _ = play(t, c, Claimed{When{at}, key, alive}, Started{When{at}, key, alive, [32]byte{}, false},
			Answered{When: When{at}, Key: key, Lease: alive, Answer: Yes, Receipt: Receipt{Number: "told"}})
	}
	if _, _, err := Next(c, again); !errors.Is(err, ErrLost) {
		t.Errorf("when it has been told: %v, want ErrLost", err)
	}
}
