package hub_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A doubter is a system that notes since when what it is handed, or asked about, is in doubt.
type doubter struct {
	*system
	mu                 sync.Mutex
	handed, since, ask []time.Time
}

func (w *doubter) Deliver(ctx context.Context, d hub.Delivery) (hub.Receipt, error) {
	w.mu.Lock()
	w.handed, w.since = append(w.handed, time.Now()), append(w.since, d.InDoubt)
	w.mu.Unlock()
	return w.system.Deliver(ctx, d)
}

func (w *doubter) Find(ctx context.Context, d hub.Delivery) (hub.Receipt, error) {
	w.mu.Lock()
	w.ask = append(w.ask, d.InDoubt)
	w.mu.Unlock()
	return w.system.Find(ctx, d)
}

// TestSinceWhenADeliveryIsInDoubt: since the first attempt that may have been taken; what was certainly not
// taken is in no doubt.
func TestSinceWhenADeliveryIsInDoubt(t *testing.T) {
	played(t, func(s *stage) {
		w := &doubter{system: s.diarium}
		s.tune = func(o *hub.Options) {
			for i := range o.Systems {
				if o.Systems[i].ID == "k.diarium" {
					o.Systems[i].Destination = w
				}
			}
		}
		s.restart()
		s.diarium.refusals = []error{hub.Later(errLine, time.Minute), errLine, errLine}
		s.completed(s.send("320342", "1"))
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.since) != 4 || len(w.ask) == 0 || !w.since[0].IsZero() || !w.since[1].IsZero() {
			t.Fatalf("handed over in doubt since %v, and asked about since %v", w.since, w.ask)
		}
		for _, since := range append(w.since[2:], w.ask...) {
			if late := since.Sub(w.handed[1]); late > 0 || late < -time.Second {
				t.Errorf("it is in doubt since %v, and was handed over at %v", since, w.handed)
			}
		}
	})
}
