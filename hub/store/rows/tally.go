package rows

import "github.com/knutpunkt/knutpunkt/hub"

// A tallied is something that is counted as it happens, since counting a million rows
// at each look at the metrics would cost as much as moving them.
type tallied struct{ what, label string }

const (
	tallyAccepted = "accepted" // by municipality
	tallyState    = "state"    // submissions, by state
	tallyHeld     = "held"     // rows, by reason
	tallyWaiting  = "waiting"  // deliveries, by system
)

// count counts a row as it is now instead of as it was.
func (b *Tx) count(was, now hub.Progress) {
	for _, t := range talliesOf(was) {
		b.tally[t]--
	}
	for _, t := range talliesOf(now) {
		b.tally[t]++
	}
}

func talliesOf(p hub.Progress) []tallied {
	var ts []tallied
	if p.Kind == hub.FormKind {
		ts = append(ts, tallied{tallyState, string(p.State)})
	} else if queue := queueOf(p); queue != "" {
		ts = append(ts, tallied{tallyWaiting, queue})
	}
	if p.State == hub.Held {
		ts = append(ts, tallied{tallyHeld, string(p.Reason)})
	}
	return ts
}

func (b *Tx) writeTallies() error {
	for t, n := range b.tally {
		if n == 0 {
			continue
		}
		err := b.Exec(b.s.dialect.Count, t.what, t.label, n)
		if err != nil {
			return err
		}
	}
	return nil
}
