package storetest

import (
	"fmt"
	"slices"

	"github.com/knutpunkt/knutpunkt/hub"
)

// testUndecided: what a system has taken and not decided is given once each, a few at a time,
// and what is decided, or was never taken, is not.
func testUndecided(w *world) {
	var want []hub.Key
	for n := range 5 {
		c := w.registered(fmt.Sprint(n), fmt.Sprintf("BN %d", n))
		want = append(want, c.Deliveries[0].Key)
	}
	decided := w.registered("decided", "BN 100")
	w.report(hub.Report{ID: "1", Ref: "BN 100", Step: hub.Beslutat})
	w.stands("after it was decided", decided.ID, hub.Beslutat)
	w.receive("waits")
	w.plan(w.claimSubmissions(1)[0], hub.Lookup, diarium)
	w.restart()

	var got []hub.Key
	for after := hub.Key(""); ; {
		claims, err := w.store.Undecided(w.ctx, diarium, after, 2)
		w.must(err, "read what is undecided")
		for _, claim := range claims {
			after = claim.Key
			got = append(got, after)
			if p := claim.Case.Find(after); p == nil || p.Receipt == nil {
				w.Errorf("%s comes without its receipt", after)
			}
		}
		if len(claims) < 2 {
			break
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		w.Errorf("undecided are %v, want %v", got, want)
	}
	if claims, err := w.store.Undecided(w.ctx, "another.system", "", 10); err != nil || len(claims) != 0 {
		w.Errorf("another system has %d undecided, %v", len(claims), err)
	}
}
