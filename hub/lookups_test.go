package hub_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// Those who ask about the same person at the same time share one call, and its answer is
// good for ten minutes.
func TestOneQuestionIsAskedOnce(t *testing.T) {
	weathered(t, "2026-03-06 16:00", time.Second, func(w *weather) {
		asks(w.karlskrona, "k.navet")
		asks(w.eslovs, "e.navet")
		w.navet.set(func(f *fragile) { f.slow = 300 * time.Millisecond })
		var all []hub.Received
		for n := range 20 {
			all = append(all, w.receives("1080", n, 1))
		}
		time.Sleep(time.Minute)
		if n := len(w.navet.ledger(0)); n != 1 {
			t.Errorf("twenty forms about one person made %d calls", n)
		}
		time.Sleep(8 * time.Minute)
		all = append(all, w.receives("1080", 20, 1))
		time.Sleep(time.Minute)
		if n := len(w.navet.ledger(0)); n != 1 {
			t.Errorf("after nine minutes there are %d calls", n)
		}
		facts, err := w.store.Facts(context.Background(), hub.AsHub(), all[20].Submission.ID)
		if age := time.Since(facts.Answers[0].AsOf); err != nil || age < 10*time.Minute {
			t.Errorf("the answer says that it is %s old, %v", age, err)
		}
		time.Sleep(time.Minute)
		all = append(all, w.receives("1080", 21, 1), w.receives("1285", 1, 1))
		time.Sleep(time.Minute)
		if k, e := len(w.navet.ledger(0)), len(w.eslovNavet.ledger(0)); k != 2 || e != 1 {
			t.Errorf("after eleven minutes there are %d calls, and %d for another municipality", k, e)
		}
		w.wantDone(all)
	})
}

// A municipality that shares a register with another one does not share its answers.
func TestMunicipalitiesShareNoAnswers(t *testing.T) {
	weathered(t, "2026-03-06 16:00", time.Second, func(w *weather) {
		asks(w.karlskrona, "k.navet")
		asks(w.eslovs, "k.navet")
		all := []hub.Received{w.receives("1080", 1, 1), w.receives("1285", 1, 1)}
		time.Sleep(time.Minute)
		w.wantDone(all)
		if n := len(w.navet.ledger(0)); n != 2 {
			t.Errorf("%d calls, want one for each municipality", n)
		}
	})
}

// An answer about who is protected is asked for each time: it may change, and it is in
// memory no longer than it must be.
func TestProtectedPersonsAreAskedAboutEachTime(t *testing.T) {
	for _, p := range []hub.Protection{hub.Marked, hub.ProtectedRegistration, hub.ProtectionUnknown} {
		weathered(t, "2026-03-06 16:00", time.Second, func(w *weather) {
			asks(w.karlskrona, "k.navet")
			w.navet.set(func(f *fragile) { f.protection = p })
			w.navet.set(func(f *fragile) { f.slow = 300 * time.Millisecond })
			for n := range 6 {
				w.receives("1080", n, 1)
			}
			time.Sleep(time.Minute)
			if n := len(w.navet.ledger(0)); n != 6 || w.held() != 6 {
				t.Errorf("protection %v: %d calls, %d held; want 6 of each", p, n, w.held())
			}
		})
	}
}

// What went wrong is not an answer: it is shared by those who waited for it, and not kept.
func TestAFailedQuestionIsAskedAgain(t *testing.T) {
	weathered(t, "2026-03-06 16:00", time.Second, func(w *weather) {
		asks(w.karlskrona, "k.navet")
		w.navet.set(func(f *fragile) { f.slow = 300 * time.Millisecond })
		w.navet.breaks(gives(hub.Later(errors.New("HTTP status 429"), time.Minute)))
		var all []hub.Received
		for n := range 20 {
			all = append(all, w.receives("1080", n, 1))
		}
		time.Sleep(30 * time.Second)
		if n := len(w.navet.ledger(0)); n != 1 {
			t.Errorf("twenty forms about one person made %d calls", n)
		}
		w.navet.breaks(nil)
		time.Sleep(2 * time.Minute)
		if n := len(w.navet.ledger(0)); n != 2 {
			t.Errorf("there are %d calls", n)
		}
		w.wantDone(all)
	})
}

// A call that takes its time holds those up who wait for it, and nobody else.
func TestASlowQuestionHoldsNobodyElseUp(t *testing.T) {
	weathered(t, "2026-03-06 16:00", time.Second, func(w *weather) {
		asks(w.karlskrona, "k.navet")
		w.navet.set(func(f *fragile) { f.slow = 29 * time.Second })
		var all []hub.Received
		for n := range 100 {
			all = append(all, w.receives("1080", n, 1))
		}
		eslov := w.receives("1285", 1, 1)
		time.Sleep(5 * time.Second)
		w.wantDone([]hub.Received{eslov})
		time.Sleep(time.Minute)
		w.wantDone(all)
		if n := len(w.navet.ledger(0)); n != 1 {
			t.Errorf("there are %d calls", n)
		}
	})
}

// An optional look-up may be missed when the register does not answer: not when it answers
// about somebody else, and not because we have much to ask.
func TestWhatAnOptionalLookUpMayMiss(t *testing.T) {
	weathered(t, "2026-03-06 16:00", time.Second, func(w *weather) {
		asks(w.karlskrona, "k.navet")
		w.karlskrona.Enrich[0].Optional = true
		w.navet.set(func(f *fragile) { f.slow = 20 * time.Second })
		var all []hub.Received
		for n := range 60 {
			all = append(all, w.receives("1080", n, 1))
		}
		time.Sleep(5 * time.Minute)
		w.wantDone(all)
		for _, r := range all {
			facts, err := w.store.Facts(context.Background(), hub.AsHub(), r.Submission.ID)
			if err != nil || facts.Answers[0].Missed {
				t.Fatalf("the register answers, and its answer was missed: %v", err)
			}
		}
		time.Sleep(10 * time.Minute)
		w.navet.breaks(gives(hub.ErrMismatch))
		r := w.receives("1080", 60, 1)
		time.Sleep(time.Minute)
		c := w.caseOf(r)
		if s := c.Find(hub.Key(r.Submission.ID)); s.Reason != hub.ReasonMismatch {
			t.Errorf("about somebody else: %s %s", s.State, s.Reason)
		}
	})
}
