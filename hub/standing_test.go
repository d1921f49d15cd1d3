package hub_test

import (
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// Forms of the tests, by when they came in: a ULID begins with the time.
const (
	firstForm = hub.ID("01KAGVN8R0AAAAAAAAAAAAAAAA")
	laterForm = hub.ID("01KAGX9W40AAAAAAAAAAAAAAAA")
)

var (
	firstCame = time.UnixMilli(1763649954560)
	lately    = firstCame.Add(time.Second)
	hourLater = firstCame.Add(time.Hour)
)

func standingForm(id hub.ID, s hub.State) hub.Progress {
	return hub.Progress{Key: hub.Key(id), Kind: hub.FormKind, State: s, Submission: id, Since: lately}
}

func standingDelivery(of hub.ID, system hub.SystemID, s hub.State) hub.Progress {
	return hub.Progress{Key: hub.KeyOf(of, "leg"), Kind: hub.DocumentKind, State: s, Submission: of, System: system, Since: lately}
}

// standing makes a case at a Step, of the rows given.
func standingCase(step hub.Step, rows ...hub.Progress) hub.Case {
	c := hub.Case{ID: hub.CaseID(firstForm), Step: step, StepAt: firstCame, Voice: "m.diarium"}
	for _, p := range rows {
		if p.Kind == hub.FormKind {
			c.Submissions = append(c.Submissions, p)
		} else {
			c.Deliveries = append(c.Deliveries, p)
		}
	}
	return c
}

// TestStandingOfEveryState: whatever state the rows are in, the citizen is told of a
// hindrance exactly when there is one, and who is on it.
func TestStandingOfEveryState(t *testing.T) {
	type want struct {
		soon, later hub.Hindrance // a second and an hour after the form came in
		who         hub.Keeper    // then
	}
	person := want{hub.WithPerson, hub.WithPerson, hub.Registrar}
	waits := want{"", hub.Delayed, hub.Operations}
	forms := map[hub.State]want{
		hub.Accepted: waits, hub.Enriching: waits, hub.EnrichWait: {hub.FactsWait, hub.FactsWait, hub.Operations},
		hub.Held: person, hub.Routed: {}, hub.Attention: {}, hub.Completed: {}, hub.Rejected: {}, hub.Withdrawn: {}, hub.Purged: {},
	}
	deliveries := map[hub.State]want{
		hub.Ready: waits, hub.Sending: waits, hub.RetryWait: waits, hub.Unknown: waits, hub.Reconciling: waits,
		hub.Held: person, hub.Blocked: {}, hub.Delivered: {}, hub.Confirmed: {}, hub.Waived: {}, hub.Cancelled: {},
	}
	check := func(t *testing.T, c hub.Case, w want) {
		t.Helper()
		if s := hub.StandingOf(c, nil, lately); s.Stuck != w.soon {
			t.Errorf("at once: %q, want %q", s.Stuck, w.soon)
		}
		s := hub.StandingOf(c, nil, hourLater)
		if s.Stuck != w.later || s.Who != w.who {
			t.Errorf("an hour later: %q with %q, want %q with %q", s.Stuck, s.Who, w.later, w.who)
		}
		if s.Stuck != "" && (s.Of != hub.WholeCase || s.Since.IsZero() || s.Since.After(lately)) {
			t.Errorf("%q of %q since %v", s.Stuck, s.Of, s.Since)
		}
	}
	for state, w := range forms {
		t.Run("form "+string(state), func(t *testing.T) { check(t, standingCase(hub.Inkommet, standingForm(firstForm, state)), w) })
	}
	for state, w := range deliveries {
		t.Run("delivery "+string(state), func(t *testing.T) {
			routed := standingForm(firstForm, hub.Routed)
			check(t, standingCase(hub.Inkommet, routed, standingDelivery(firstForm, "m.diarium", state)), w)
			telling := standingDelivery(firstForm, "m.portal", state)
			telling.Kind = hub.TellingKind
			check(t, standingCase(hub.Inkommet, routed, telling), want{}) // the citizen reads it here already
		})
	}
}

// TestStandingHidesReasons: of what rests with a person the citizen is told the same
// whatever the Reason, or a protected person's case could be told from others.
func TestStandingHidesReasons(t *testing.T) {
	for _, kind := range []hub.Kind{hub.FormKind, hub.DocumentKind} {
		var first hub.Standing
		for i, r := range hub.Reasons {
			form := standingForm(firstForm, hub.Held)
			held := &form
			rows := []hub.Progress{form}
			if kind == hub.DocumentKind {
				rows = []hub.Progress{standingForm(firstForm, hub.Attention), standingDelivery(firstForm, "m.diarium", hub.Held)}
				held = &rows[1]
			} else {
				held = &rows[0]
			}
			held.Reason, held.Note, held.Doubt = r, "a note on "+string(r), i%2 == 1
			s := hub.StandingOf(standingCase(hub.Inkommet, rows...), nil, hourLater)
			if i == 0 {
				first = s
			}
			if s != first || s.Stuck != hub.WithPerson || s.Who != hub.Registrar || s.Ball != hub.Council {
				t.Errorf("a %s held %s stands as %+v, one held %s as %+v", kind, r, s, hub.Reasons[0], first)
			}
		}
	}
}

func TestStanding(t *testing.T) {
	down := []hub.Circuit{{System: "m.diarium", Cause: hub.Down, Since: firstCame.Add(-time.Hour)}}
	locked := []hub.Circuit{{System: "m.diarium", Cause: hub.Credentials, Since: firstCame}}
	paused := []hub.Circuit{{System: "m.diarium", Cause: hub.Paused, Since: firstCame.Add(-time.Minute)}}
	promised := func(c hub.Case, s hub.Step, at time.Time) hub.Case {
		c.Expect = map[hub.Step]time.Time{s: at, hub.Avslutat: at.AddDate(1, 0, 0)}
		return c
	}
	routed, done := standingForm(firstForm, hub.Routed), standingForm(firstForm, hub.Completed)
	atDiarium := standingDelivery(firstForm, "m.diarium", hub.RetryWait)
	for _, test := range []struct {
		name     string
		c        hub.Case
		circuits []hub.Circuit
		now      time.Time
		want     hub.Standing
		why      string
	}{
		{
			"on its way", standingCase(hub.Inkommet, routed, standingDelivery(firstForm, "m.diarium", hub.Sending)), nil, lately,
			hub.Standing{Ball: hub.Council, Next: hub.Registrerat}, "a second is no delay",
		}, {
			"the system is down", standingCase(hub.Inkommet, routed, atDiarium), down, lately,
			hub.Standing{Ball: hub.Council, Next: hub.Registrerat, Stuck: hub.SystemOut, Of: hub.WholeCase, Since: firstCame.Add(-time.Hour), Who: hub.Supplier},
			"an outage is told of at once, since it began, and the case is the municipality's all the same",
		}, {
			"it does not let us in", standingCase(hub.Inkommet, routed, atDiarium), locked, lately,
			hub.Standing{Ball: hub.Council, Next: hub.Registrerat, Stuck: hub.SystemOut, Of: hub.WholeCase, Since: firstCame, Who: hub.Operations},
			"a key is ours to mend",
		}, {
			"a person has paused it", standingCase(hub.Inkommet, routed, atDiarium), paused, lately,
			hub.Standing{Ball: hub.Council, Next: hub.Registrerat, Stuck: hub.Halted, Of: hub.WholeCase, Since: firstCame, Who: hub.Operations},
			"it was not planned, and goes on when a person takes it up again",
		}, {
			"paused in a window", standingCase(hub.Inkommet, routed, atDiarium), append([]hub.Circuit{{System: "m.diarium", Cause: "planned"}}, paused...), lately,
			hub.Standing{Ball: hub.Council, Next: hub.Registrerat, Stuck: hub.Halted, Of: hub.WholeCase, Since: firstCame, Who: hub.Operations},
			"it does not go on when the window ends",
		}, {
			"a paused register", standingCase(hub.Inkommet, hub.Progress{Key: hub.Key(firstForm), Kind: hub.FormKind, State: hub.EnrichWait, Note: "m.diarium", Submission: firstForm, Since: lately}), paused, lately,
			hub.Standing{Ball: hub.Council, Next: hub.Registrerat, Stuck: hub.Halted, Of: hub.WholeCase, Since: firstCame, Who: hub.Operations},
			"it is not asked",
		}, {
			"another system is down", standingCase(hub.Inkommet, routed, standingDelivery(firstForm, "m.bygg", hub.Ready)), down, lately,
			hub.Standing{Ball: hub.Council, Next: hub.Registrerat}, "only what the case waits for concerns it",
		}, {
			"down, and registered", standingCase(hub.Registrerat, done, standingDelivery(firstForm, "m.diarium", hub.Delivered)), down, hourLater,
			hub.Standing{Ball: hub.Council, Next: hub.UnderHandlaggning}, "nothing waits for it",
		}, {
			"a person before an outage", standingCase(hub.Inkommet, routed, atDiarium, standingDelivery(firstForm, "m.bygg", hub.Held)), down, lately,
			hub.Standing{Ball: hub.Council, Next: hub.Registrerat, Stuck: hub.WithPerson, Of: hub.WholeCase, Since: lately, Who: hub.Registrar},
			"what does not pass by itself is told of first",
		}, {
			"another system holds it after it was registered", standingCase(hub.Registrerat, standingForm(firstForm, hub.Attention), standingDelivery(firstForm, "m.bygg", hub.Held)), nil, hourLater,
			hub.Standing{Ball: hub.Council, Next: hub.UnderHandlaggning, Stuck: hub.WithPerson, Of: hub.OneOfSystems, Since: lately, Who: hub.Registrar},
			"the registration stands",
		}, {
			"another system is slow after it was registered", standingCase(hub.Registrerat, routed, standingDelivery(firstForm, "m.bygg", hub.RetryWait)), nil, hourLater,
			hub.Standing{Ball: hub.Council, Next: hub.UnderHandlaggning}, "that is no news to the citizen",
		}, {
			"another system holds it after it was decided", standingCase(hub.Beslutat, standingForm(firstForm, hub.Attention), standingDelivery(firstForm, "m.bygg", hub.Held)), nil, hourLater,
			hub.Standing{}, "it concerns her no more",
		}, {
			"a completion is stuck", standingCase(hub.KompletteringBehov, done, standingForm(laterForm, hub.Held)), nil, hourLater,
			hub.Standing{Ball: hub.Council, Next: hub.UnderHandlaggning, Stuck: hub.WithPerson, Of: hub.LaterForm, Since: lately, Who: hub.Registrar},
			"she has done her part",
		}, {
			"a completion is asked for", standingCase(hub.KompletteringBehov, done), nil, hourLater,
			hub.Standing{Ball: hub.Applicant, Next: hub.UnderHandlaggning}, "she is to act",
		}, {
			"a completion was taken back", standingCase(hub.KompletteringBehov, done, standingForm(laterForm, hub.Withdrawn)), nil, hourLater,
			hub.Standing{Ball: hub.Applicant, Next: hub.UnderHandlaggning}, "she is still to act",
		}, {
			"a register was asked in vain", standingCase(hub.Inkommet, hub.Progress{Key: hub.Key(firstForm), Kind: hub.FormKind, State: hub.Enriching, Attempts: 2, Submission: firstForm, Since: lately}), nil, lately,
			hub.Standing{Ball: hub.Other, Next: hub.Registrerat, Stuck: hub.FactsWait, Of: hub.WholeCase, Since: firstCame, Who: hub.Operations},
			"being asked once more it waits as before",
		}, {
			"the promised day", promised(standingCase(hub.Registrerat, done), hub.Beslutat, hourLater), nil, hourLater.Add(time.Minute),
			hub.Standing{Ball: hub.Council, Next: hub.UnderHandlaggning, Promised: hub.Beslutat, By: hourLater}, "a day is kept to its end",
		}, {
			"the day after", promised(standingCase(hub.Registrerat, done), hub.Beslutat, hourLater), nil, hourLater.AddDate(0, 0, 1),
			hub.Standing{Ball: hub.Council, Next: hub.UnderHandlaggning, Promised: hub.Beslutat, By: hourLater, Late: true}, "the promise has passed",
		}, {
			"the day after, and she is waited for", promised(standingCase(hub.KompletteringBehov, done), hub.Beslutat, hourLater), nil, hourLater.AddDate(0, 0, 1),
			hub.Standing{Ball: hub.Applicant, Next: hub.UnderHandlaggning, Promised: hub.Beslutat, By: hourLater}, "nobody else is late",
		}, {
			"withdrawn", promised(standingCase(hub.Atertaget, standingForm(firstForm, hub.Withdrawn)), hub.Beslutat, lately), nil, hourLater.AddDate(0, 1, 0),
			hub.Standing{}, "it is at its end",
		}, {
			"IDs that are no ULIDs", standingCase(hub.Inkommet, standingForm("0001", hub.Accepted)), nil, hourLater,
			hub.Standing{Ball: hub.Council, Next: hub.Registrerat, Stuck: hub.Delayed, Of: hub.WholeCase, Since: lately, Who: hub.Operations},
			"the row's own time is the best there is",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			if s := hub.StandingOf(test.c, test.circuits, test.now); s != test.want {
				t.Errorf("%+v\nwant %+v: %s", s, test.want, test.why)
			}
		})
	}
}

// TestStandingInAWindow: a planned stop is told of as one, also of a system that does not
// answer during it.
func TestStandingInAWindow(t *testing.T) {
	h := hub.New(hub.Options{
		Clock:   func() time.Time { return lately },
		Systems: []hub.Opened{{ID: "m.diarium", Closed: func(now time.Time) bool { return now.Equal(lately) }}},
	})
	s := h.Standing(standingCase(hub.Inkommet, standingForm(firstForm, hub.Routed), standingDelivery(firstForm, "m.diarium", hub.RetryWait)))
	if s.Stuck != hub.PlannedStop || s.Who != hub.Supplier || s.Ball != hub.Council {
		t.Errorf("%+v", s)
	}
	for cause := range map[hub.Cause]bool{hub.Down: true, hub.Busy: true, hub.ContractBroken: true, hub.AddressChanged: true} {
		s := hub.StandingOf(standingCase(hub.Inkommet, standingForm(firstForm, hub.Routed), standingDelivery(firstForm, "m.diarium", hub.Ready)),
			[]hub.Circuit{{System: "m.diarium", Cause: cause, Since: firstCame}}, lately)
		if s.Stuck != hub.SystemOut || s.Who == "" {
			t.Errorf("%s: %+v", cause, s)
		}
	}
}
