package storetest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"pgregory.net/rapid"

	"github.com/knutpunkt/knutpunkt/hub"
)

// testInvariants lets anything happen in any order, by workers that may be late, and looks
// after each step that what the hub promises still holds.
func testInvariants(w *world) {
	round, earlier := 0, hub.ID("")
	rapid.Check(w.T, func(t *rapid.T) {
		round++
		j := &journey{
			T: t, w: w, earlier: earlier, was: map[hub.Key]hub.State{},
			instance: fmt.Sprintf("round %d", round),
			systems:  []hub.SystemID{hub.SystemID(fmt.Sprintf("k.a%d", round)), hub.SystemID(fmt.Sprintf("k.b%d", round))},
			teller:   hub.SystemID(fmt.Sprintf("k.teller%d", round)),
		}
		j.receive()
		t.Repeat(map[string]func(*rapid.T){
			"receive": func(*rapid.T) { j.receive() },
			"claim":   func(*rapid.T) { j.claim() },
			"work":    func(t *rapid.T) { j.work(t) },
			"report":  func(t *rapid.T) { j.report(t) },
			"recover": func(t *rapid.T) { j.recover(t) },
			"wait":    func(t *rapid.T) { w.pass(time.Duration(rapid.IntRange(1, 7200).Draw(t, "seconds")) * time.Second) },
			"take back": func(t *rapid.T) {
				j.apply(hub.Decided{When: w.at(), Key: rapid.SampledFrom(j.c.Submissions).Draw(t, "form").Key, Decision: hub.Decision{Verb: hub.Withdraw, By: "oep"}})
			},
			"": func(*rapid.T) { j.look() },
		})
		earlier = j.c.Submissions[len(j.c.Submissions)-1].Submission
		j.leave()
	})
}

// A journey is one case on its way.
type journey struct {
	*rapid.T
	w        *world
	instance string
	systems  []hub.SystemID
	teller   hub.SystemID
	c        hub.Case
	forms    int
	reports  int
	hands    []hub.Claim // what workers think that they have in hand
	was      map[hub.Key]hub.State
	earlier  hub.ID // the last form of the round before
}

func (j *journey) receive() {
	if j.forms == 3 {
		return
	}
	j.forms++
	a := j.w.arrival(j.instance, version(fmt.Sprint(j.forms)), containing(fmt.Sprint(j.instance, j.forms)))
	a.Tellers = []hub.SystemID{j.teller}
	got, err := j.w.store.Receive(j.w.ctx, a)
	if err != nil {
		j.Fatalf("receive: %v", err)
	}
	j.c = got.Case
}

func (j *journey) claim() {
	claims, err := j.w.store.ClaimSubmissions(j.w.ctx, j.w.lease(), j.w.clock(), 1000)
	for _, s := range append(j.systems, j.teller) {
		more, e := j.w.store.ClaimDeliveries(j.w.ctx, s, j.w.lease(), j.w.clock(), 1000)
		claims, err = append(claims, more...), errors.Join(err, e)
	}
	if err != nil {
		j.Fatalf("claim: %v", err)
	}
	for _, c := range claims {
		if c.Case.ID == j.c.ID {
			j.hands = append(j.hands, c)
		}
	}
}

// work does something that the holder of a claim may do, also one who lost it long ago.
func (j *journey) work(t *rapid.T) {
	if len(j.hands) == 0 {
		return
	}
	c := rapid.SampledFrom(j.hands).Draw(t, "in hand")
	p := c.Case.Find(c.Key)
	if p.Kind == hub.FormKind {
		j.apply(rapid.SampledFrom([]hub.Event{
			j.w.planned(c, rapid.SampledFrom([]hub.Level{hub.Blind, hub.Lookup, hub.Idempotent}).Draw(t, "level"), j.systems...),
			hub.Looking{When: j.w.at(), Key: c.Key, Lease: held(c)},
			hub.Postponed{When: j.w.at(), Key: c.Key, Lease: held(c), Until: j.w.clock().Add(time.Minute)},
			hub.Stopped{When: j.w.at(), Key: c.Key, Lease: held(c), Reason: hub.ReasonMapping},
		}).Draw(t, "event"))
		return
	}
	j.apply(rapid.SampledFrom([]hub.Event{
		j.w.started(c), j.w.started(c), j.w.yes(c, "BN "+string(c.Key)),
		hub.Started{When: j.w.at(), Key: c.Key, Lease: held(c), SHA256: sha256.Sum256([]byte("other"))},
		hub.Answered{When: j.w.at(), Key: c.Key, Lease: held(c), Answer: hub.No},
		hub.Answered{When: j.w.at(), Key: c.Key, Lease: held(c), Answer: hub.NotNow},
		hub.Answered{When: j.w.at(), Key: c.Key, Lease: held(c), Answer: hub.DontKnow},
		hub.Asked{When: j.w.at(), Key: c.Key, Lease: held(c), Finding: hub.NotThere},
		hub.Asked{When: j.w.at(), Key: c.Key, Lease: held(c), Finding: hub.CannotTell},
		hub.Asked{When: j.w.at(), Key: c.Key, Lease: held(c), Finding: hub.Found, Receipt: hub.Receipt{Number: "BN " + string(c.Key)}},
	}).Draw(t, "event"))
}

func (j *journey) apply(e hub.Event) {
	after, _, err := j.w.store.Apply(j.w.ctx, j.c.ID, e)
	if err != nil && !errors.Is(err, hub.ErrLost) && !errors.Is(err, hub.ErrConflict) {
		j.Fatalf("apply %T: %v", e, err)
	}
	if err == nil {
		j.c = after
	}
}

func (j *journey) report(t *rapid.T) {
	j.reports++
	r := hub.Report{
		ID: fmt.Sprint(j.instance, j.reports), At: j.w.clock(), Correction: rapid.Bool().Draw(t, "correction"),
		Step: rapid.SampledFrom([]hub.Step{"", hub.Registrerat, hub.UnderHandlaggning, hub.Beslutat}).Draw(t, "step"),
	}
	if len(j.c.Deliveries) > 0 {
		d := rapid.SampledFrom(j.c.Deliveries).Draw(t, "delivery")
		r.Ref = "BN " + string(d.Key)
		if rapid.Bool().Draw(t, "by key") {
			r.Key = d.Key
		}
	}
	system := rapid.SampledFrom(j.systems).Draw(t, "system")
	if _, err := j.w.store.Report(j.w.ctx, system, []hub.Report{r}, "", j.w.clock()); err != nil {
		j.Fatalf("report: %v", err)
	}
}

func (j *journey) recover(t *rapid.T) {
	boot := rapid.SampledFrom([]string{j.w.boot, "another boot"}).Draw(t, "boot")
	if _, err := j.w.store.Recover(j.w.ctx, boot, j.w.clock()); err != nil {
		j.Fatalf("recover: %v", err)
	}
}

// look reads the case as it is stored and holds it against the promise.
func (j *journey) look() {
	c, err := j.w.store.Case(j.w.ctx, hub.AsHub(), j.c.ID)
	if err != nil {
		j.Fatalf("read case: %v", err)
	}
	j.c = c
	sending := map[hub.SystemID]hub.Key{}
	for _, p := range append(c.Submissions[:len(c.Submissions):len(c.Submissions)], c.Deliveries...) {
		if (p.State == hub.Held) != (p.Reason != "") {
			j.Fatalf("%s is %s for the reason %q", p.Key, p.State, p.Reason)
		}
		if was := j.was[p.Key]; was == hub.Delivered && p.State != hub.Delivered && p.State != hub.Confirmed ||
			was == hub.Confirmed && p.State != hub.Confirmed {
			j.Fatalf("%s went from %s to %s", p.Key, was, p.State)
		}
		if p.State != j.was[p.Key] {
			j.listed(p)
		}
		j.was[p.Key] = p.State
		if p.State == hub.Sending && p.Kind == hub.DocumentKind {
			if other := sending[p.System]; other != "" {
				j.Fatalf("%s and %s are both on their way to one system", other, p.Key)
			}
			sending[p.System] = p.Key
		}
	}
	j.evidence()
}

// leave takes the forms of this round out of the way of the next.
func (j *journey) leave() {
	j.w.pass(3 * time.Hour)
	if _, err := j.w.store.Recover(j.w.ctx, j.w.boot, j.w.clock()); err != nil {
		j.Fatalf("recover: %v", err)
	}
	for _, c := range j.w.claimSubmissions(1000) {
		j.w.apply(c.Case.ID, hub.Stopped{When: j.w.at(), Key: c.Key, Lease: held(c), Reason: hub.ReasonRule})
	}
}

// listed fails unless the list of a row's state has it.
func (j *journey) listed(p hub.Progress) {
	f := hub.Filter{State: p.State, Reason: p.Reason, After: j.earlier, Limit: 1000}
	lines, err := j.w.store.List(j.w.ctx, hub.AsHub(), f)
	if err != nil {
		j.Fatalf("list: %v", err)
	}
	for _, l := range lines {
		if l.Submission.Submission == p.Submission {
			return
		}
	}
	j.Fatalf("the list of %s %s leaves out %s", p.State, p.Reason, p.Key)
}

// evidence fails unless every delivery that was tried has the rows to show for it.
func (j *journey) evidence() {
	for _, d := range j.c.Deliveries {
		attempts, err := j.w.store.Attempts(j.w.ctx, hub.AsHub(), d.Key)
		if err != nil {
			j.Fatalf("read attempts: %v", err)
		}
		if d.Attempts > len(attempts) {
			j.Fatalf("%s was tried %d times and has %d rows", d.Key, d.Attempts, len(attempts))
		}
	}
}
