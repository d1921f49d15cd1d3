package storetest

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

func testClaimsAreExclusive(w *world) {
	const forms, workers = 60, 8
	for i := range forms {
		w.receive(fmt.Sprint(i))
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	times := map[hub.Key]int{}
	tokens := map[int64]bool{}
	for range workers {
		all.Go(func() {
			for {
				claims, err := w.store.ClaimSubmissions(w.ctx, w.lease(), w.clock(), 3)
				if err != nil {
					w.Errorf("claim: %v", err)
				}
				if len(claims) == 0 {
					return
				}
				mu.Lock()
				for _, c := range claims {
					times[c.Key]++
					tokens[held(c).Token] = true
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if len(times) != forms || len(tokens) != forms {
		w.Errorf("%d forms were claimed with %d tokens, want %d", len(times), len(tokens), forms)
	}
	for k, n := range times {
		if n != 1 {
			w.Errorf("%s was claimed %d times", k, n)
		}
	}
}

func testClaimsAreFair(w *world) {
	for i := range 30 {
		w.receive(fmt.Sprint(i))
	}
	w.pass(time.Second)
	w.receive("late", by("1082"))
	w.receive("late", by("0114"))
	served := map[hub.Municipality]int{}
	for range 3 {
		for _, c := range w.claimSubmissions(1) {
			served[c.Case.Municipality]++
		}
	}
	if len(served) != 3 {
		w.Errorf("three claims served %v: a flood made the others wait", served)
	}
	if n := len(w.claimSubmissions(100)); n != 29 {
		w.Errorf("the rest is %d, want 29", n)
	}
}

func testClaimsAreDue(w *world) {
	w.receive("1")
	c := w.claimSubmissions(1)[0]
	w.apply(c.Case.ID, hub.Postponed{When: w.at(), Key: c.Key, Lease: held(c), Until: w.clock().Add(time.Minute), Note: "navet 503"})
	if n := len(w.claimSubmissions(10)); n != 0 {
		w.Errorf("%d are claimed before they are due", n)
	}
	w.pass(time.Minute)
	w.restart()
	claims := w.claimSubmissions(10)
	if len(claims) != 1 {
		w.Fatalf("%d are claimed when they are due, want 1", len(claims))
	}
	w.plan(claims[0], hub.Idempotent, diarium)
	if n := len(w.claimDeliveries(bygg, 10)); n != 0 {
		w.Errorf("another system's queue gives %d", n)
	}
	d := w.claimDeliveries(diarium, 10)[0]
	w.start(d)
	w.apply(d.Case.ID, hub.Answered{When: w.at(), Key: d.Key, Lease: held(d), Answer: hub.NotNow, Wait: time.Hour})
	w.pass(59 * time.Minute)
	if n := len(w.claimDeliveries(diarium, 10)); n != 0 {
		w.Errorf("a retry is claimed before it is due")
	}
	w.pass(time.Minute)
	if n := len(w.claimDeliveries(diarium, 10)); n != 1 {
		w.Errorf("a retry is not claimed when it is due")
	}
}

func testLateWorkers(w *world) {
	c := w.routed("1", hub.Lookup, diarium)
	slow := w.claimDeliveries(diarium, 1)[0]
	w.start(slow)
	w.pass(2 * time.Minute)
	if n, err := w.store.Recover(w.ctx, w.boot, w.clock()); n != 1 || err != nil {
		w.Fatalf("recovered %d %v, want the lease that ran out", n, err)
	}
	w.pass(time.Minute)
	asking := w.claimDeliveries(diarium, 1)[0]
	if held(asking).Token <= held(slow).Token {
		w.Errorf("a later lease has token %d, not above %d", held(asking).Token, held(slow).Token)
	}
	w.state(w.caseOf(c.ID), slow.Key, hub.Reconciling)

	refused := hub.Answered{When: w.at(), Key: slow.Key, Lease: held(slow), Answer: hub.No}
	if _, _, err := w.store.Apply(w.ctx, c.ID, refused); !errors.Is(err, hub.ErrLost) {
		w.Errorf("a late no: %v, want ErrLost", err)
	}
	w.state(w.caseOf(c.ID), slow.Key, hub.Reconciling)

	after, _ := w.apply(c.ID, w.yes(slow, "BN 2026-1"))
	w.state(after, slow.Key, hub.Delivered)
	missed := hub.Asked{When: w.at(), Key: asking.Key, Lease: held(asking), Finding: hub.NotThere}
	if _, _, err := w.store.Apply(w.ctx, c.ID, missed); !errors.Is(err, hub.ErrLost) {
		w.Errorf("a question that came too late: %v, want ErrLost", err)
	}
	w.state(w.caseOf(c.ID), slow.Key, hub.Delivered)
}

func testAttempts(w *world) {
	c := w.routed("1", hub.Lookup, diarium)
	d := w.claimDeliveries(diarium, 1)[0]
	w.start(d)
	w.restart() // the row was there before the first byte left
	w.attempts(d.Key, hub.Attempt{N: 1, Boot: "boot-1", Started: w.clock()})

	_, err := w.store.Recover(w.ctx, w.boot, w.clock())
	w.must(err, "recover")
	w.pass(2 * time.Second)
	asking := w.claimDeliveries(diarium, 1)[0]
	w.apply(c.ID, hub.Asked{When: w.at(), Key: d.Key, Lease: held(asking), Finding: hub.Found,
		Receipt: hub.Receipt{Number: "BN 2026-1"}, Note: "by our key"})
	w.attempts(d.Key,
		hub.Attempt{N: 1, Boot: "boot-1", Started: w.clock().Add(-2 * time.Second)},
		hub.Attempt{N: 2, Boot: "boot-2", Started: w.clock(), Ended: w.clock(), Answer: hub.Yes, Note: "asked: found: by our key"})
	if _, err := w.store.Attempts(w.ctx, hub.AsHandler("x", "1082"), d.Key); !errors.Is(err, hub.ErrNotFound) {
		w.Errorf("another municipality reads attempts: %v", err)
	}
}

func (w *world) attempts(k hub.Key, want ...hub.Attempt) {
	w.Helper()
	got, err := w.store.Attempts(w.ctx, hub.AsHub(), k)
	w.must(err, "read attempts")
	if len(got) != len(want) {
		w.Fatalf("%d attempts, want %d", len(got), len(want))
	}
	for i, a := range got {
		b := want[i]
		if a.N != b.N || a.Boot != b.Boot || !a.Started.Equal(b.Started) || !a.Ended.Equal(b.Ended) ||
			a.Answer != b.Answer || a.Note != b.Note {
			w.Errorf("attempt is %+v, want %+v", a, b)
		}
	}
}

// testKill ends the process at each point of the journey and looks where the next one
// finds the row.
func testKill(w *world) {
	for i, tc := range []struct {
		name  string
		why   string
		level hub.Level
		until func(hub.Claim)
		want  hub.State
	}{
		{"claimed, no attempt row (K12)", "nothing left us", hub.Lookup, func(hub.Claim) {}, hub.Ready},
		{"attempt row, lookup (K13-K17)", "it may have been taken: ask", hub.Lookup, w.start, hub.Unknown},
		{"attempt row, idempotent", "the system will know the Key", hub.Idempotent, w.start, hub.RetryWait},
		{"attempt row, blind", "a person decides", hub.Blind, w.start, hub.Held},
	} {
		system := hub.SystemID(fmt.Sprintf("karlskrona.s%d", i))
		c := w.routed(tc.name, tc.level, system)
		d := w.claimDeliveries(system, 1)[0]
		tc.until(d)
		w.restart()
		n, err := w.store.Recover(w.ctx, w.boot, w.clock())
		w.must(err, "recover")
		if n != 1 {
			w.Errorf("%s: %d rows were recovered, want 1", tc.name, n)
		}
		c = w.caseOf(c.ID)
		if p := c.Find(d.Key); p.State != tc.want {
			w.Errorf("%s: %s, want %s: %s", tc.name, p.State, tc.want, tc.why)
		}
	}
	w.killedWithForms()
}

// killedWithForms kills a process that had a form in memory and another in hand.
func (w *world) killedWithForms() {
	w.receive("handed on in memory", handedOn(hub.Lease{Boot: w.boot, Token: -1, Until: w.clock().Add(time.Minute)}))
	if n := len(w.claimSubmissions(10)); n != 0 {
		w.Errorf("%d claim what another has in hand", n)
	}
	w.receive("in hand")
	w.claimSubmissions(10)
	w.restart()
	n, err := w.store.Recover(w.ctx, w.boot, w.clock())
	w.must(err, "recover")
	if claims := w.claimSubmissions(10); n != 2 || len(claims) != 2 {
		w.Errorf("%d recovered and %d claimed after a kill, want both forms", n, len(claims))
	}
}

func testExpiredLeases(w *world) {
	w.receive("1")
	w.claimSubmissions(1)
	if n, _ := w.store.Recover(w.ctx, w.boot, w.clock()); n != 0 {
		w.Errorf("%d live leases were taken away", n)
	}
	w.pass(time.Minute + time.Second)
	if n, _ := w.store.Recover(w.ctx, w.boot, w.clock()); n != 1 {
		w.Errorf("%d leases that ran out were taken away, want 1", n)
	}
	if n := len(w.claimSubmissions(10)); n != 1 {
		w.Errorf("%d can be claimed again, want 1", n)
	}
}
