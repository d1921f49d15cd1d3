package storetest

import (
	"errors"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

const why = "sökanden ringde, och handlingen är inlagd för hand"

// refused has the delivery of a form held, since its system said no.
func (w *world) refused(instance, note string) (hub.Case, hub.Key) {
	w.Helper()
	w.routed(instance, hub.Blind, diarium)
	claims := w.claimDeliveries(diarium, 1)
	if len(claims) != 1 {
		w.Fatalf("%d deliveries are due, want 1", len(claims))
	}
	w.start(claims[0])
	c, _ := w.apply(claims[0].Case.ID, hub.Answered{
		When: w.at(), Key: claims[0].Key, Lease: held(claims[0]), Answer: hub.No, Note: note,
	})
	w.state(c, claims[0].Key, hub.Held)
	return c, claims[0].Key
}

// testDecisions: what people decide outlives the process, and the log says who and why.
func testDecisions(w *world) {
	c, k := w.refused("1", "422")
	waive := hub.Decision{Verb: hub.Waive, By: "registrator", Reason: why, Number: "BN 2026-9"}
	c, _ = w.apply(c.ID, hub.Decided{When: w.at(), Key: k, Decision: waive})
	w.state(c, k, hub.Held)
	w.sameAsStored(c)
	proposed := c.Find(k).Proposal.At
	_, _, err := w.store.Apply(w.ctx, c.ID, hub.Approved{When: w.at(), Key: k, Proposed: proposed, By: "registrator"})
	if !errors.Is(err, hub.ErrFourEyes) {
		w.Errorf("approved by who proposed it: %v", err)
	}
	w.pass(time.Hour)
	c, _ = w.apply(c.ID, hub.Approved{When: w.at(), Key: k, Proposed: proposed, By: "gruppledare", Reason: "stämmer"})
	w.state(c, k, hub.Waived)
	w.sameAsStored(c)

	acts, err := w.store.Acts(w.ctx, hub.AsHub(), c.ID)
	w.must(err, "read acts")
	var who, reasons []string
	for i, a := range acts {
		if i > 0 && (a.Seq <= acts[i-1].Seq || a.At.Before(acts[i-1].At)) {
			w.Errorf("act %d is not after the one before it", i)
		}
		if a.By != "" {
			who, reasons = append(who, a.By+" "+a.What), append(reasons, a.Reason)
		}
	}
	if len(who) != 2 || who[0] != "registrator proposed waive" || who[1] != "gruppledare approved waive" ||
		reasons[0] != why || reasons[1] != "stämmer" {
		w.Errorf("the log has %q for %q", who, reasons)
	}
	other := hub.AsClient("other", []hub.Municipality{"1082"}, []string{"*"})
	if _, err := w.store.Acts(w.ctx, other, c.ID); !errors.Is(err, hub.ErrNotFound) {
		w.Errorf("another municipality reads the log: %v", err)
	}
}

// testAnew: a delivery that was made anew stands in its case after a restart, under its
// own Key, bound to what it was planned by.
func testAnew(w *world) {
	c, k := w.refused("1", "422")
	plan := hub.Plan{Leg: "diarium", System: bygg, Operation: "other", Level: hub.Lookup, Lag: time.Second, Step: hub.Registrerat}
	anew := hub.Decision{Verb: hub.Release, By: "registrator", Reason: why, Anew: &plan, Revision: "r2"}
	c, _ = w.apply(c.ID, hub.Decided{When: w.at(), Key: k, Decision: anew})
	w.state(c, k, hub.Cancelled)
	w.state(c, k+"-r2", hub.Ready)
	w.sameAsStored(c)
	if got := w.deliver(bygg, "B-1"); got.Find(k+"-r2").State != hub.Delivered {
		w.Errorf("made anew for another system, it is %s", got.Find(k+"-r2").State)
	}
}

// testAnnounced: what was not announced never left, also when the process is killed.
func testAnnounced(w *world) {
	for _, announced := range []bool{false, true} {
		w.routed(map[bool]string{false: "1", true: "2"}[announced], hub.Blind, diarium)
		claim := w.claimDeliveries(diarium, 1)[0]
		started := w.started(claim)
		started.Announced = true
		w.apply(claim.Case.ID, started)
		if announced {
			w.apply(claim.Case.ID, hub.OnWire{When: w.at(), Key: claim.Key, Lease: held(claim)})
		}
		w.restart()
		_, err := w.store.Recover(w.ctx, w.boot, w.clock())
		w.must(err, "recover")
		want := map[bool]hub.State{false: hub.Ready, true: hub.Held}[announced]
		c := w.caseOf(claim.Case.ID)
		w.state(c, claim.Key, want)
		if want == hub.Ready {
			w.deliver(diarium, "BN 2026-1")
		}
	}
}

// testWorkList: what rests is gathered by cause, and each sees the own municipality's.
func testWorkList(w *world) {
	w.refused("1", "422 register")
	_, second := w.refused("2", "422 register")
	w.pass(time.Minute)
	c, third := w.refused("3", "413")
	w.apply(c.ID, hub.Decided{When: w.at(), Key: third, Decision: hub.Decision{Verb: hub.Waive, By: "registrator", Number: "n"}})
	w.routed("4", hub.Lookup, bygg)
	w.receive("5", by("1082"))
	claim := w.claimSubmissions(10)[0]
	w.apply(claim.Case.ID, hub.Postponed{When: w.at(), Key: claim.Key, Lease: held(claim), Until: w.clock().Add(time.Hour), Note: "navet cannot answer"})

	heaps, err := w.store.WorkList(w.ctx, hub.AsHub())
	w.must(err, "read work list")
	find := func(matches func(hub.Heap) bool) hub.Heap {
		for _, h := range heaps {
			if matches(h) {
				return h
			}
		}
		w.Errorf("it is not among %+v", heaps)
		return hub.Heap{}
	}
	refused := find(func(h hub.Heap) bool { return h.Note == "422 register" })
	if refused.Count != 2 || refused.Reason != hub.ReasonRefused || refused.System != diarium || refused.Leg != "diarium" ||
		len(refused.Keys) != 2 || refused.Keys[1] != second || refused.Proposed != 0 {
		w.Errorf("one cause is %+v", refused)
	}
	if h := find(func(h hub.Heap) bool { return h.Note == "413" }); h.Proposed != 1 || h.Since.Before(refused.Since) {
		w.Errorf("what waits for a second person is %+v", h)
	}
	if h := find(func(h hub.Heap) bool { return h.State == hub.EnrichWait }); h.Count != 1 || h.Municipality != "1082" {
		w.Errorf("what waits for a register is %+v", h)
	}
	if h := find(func(h hub.Heap) bool { return h.System == bygg && h.State == "" }); h.Count != 1 {
		w.Errorf("what waits for a system is %+v", h)
	}
	own, err := w.store.WorkList(w.ctx, hub.AsClient("a", []hub.Municipality{"1082"}, []string{"*"}))
	w.must(err, "read work list")
	if len(own) != 1 || own[0].State != hub.EnrichWait {
		w.Errorf("the other municipality's list is %+v", own)
	}
}
