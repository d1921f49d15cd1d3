package hub_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// An asked system remembers when it was asked what has happened.
type asked struct {
	mu   sync.Mutex
	when []time.Time
}

func (a *asked) Changes(_ context.Context, since hub.Cursor) ([]hub.Report, hub.Cursor, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.when = append(a.when, time.Now())
	return nil, since, nil
}

// TestSystemsAreNotAskedAllAtOnce: after a start each system is asked when it is its turn,
// at its own pace, and no two that have the same pace need be asked in the same moment.
func TestSystemsAreNotAskedAllAtOnce(t *testing.T) {
	const many, poll = 40, 10 * time.Minute
	played(t, func(s *stage) {
		s.end()
		systems := make([]*asked, many)
		s.tune = func(o *hub.Options) {
			for i := range systems {
				systems[i] = &asked{}
				o.Systems = append(o.Systems, hub.Opened{
					ID: hub.SystemID(fmt.Sprintf("k.s%d", i)), System: hub.System{Tracker: systems[i]}, Poll: poll,
				})
			}
			var mu sync.Mutex
			dealt := 0
			o.Jitter = func() float64 {
				mu.Lock()
				defer mu.Unlock()
				dealt++
				return float64(dealt%(many+1)) / (many + 1)
			}
		}
		s.begin()
		begun := time.Now()
		time.Sleep(3*poll - time.Second) // virtual
		perMinute := map[int]int{}
		for i, a := range systems {
			a.mu.Lock()
			if len(a.when) != 3 || a.when[2].Sub(a.when[1]) != poll || a.when[1].Sub(a.when[0]) != poll {
				t.Errorf("system %d was asked %d times in three intervals", i, len(a.when))
			} else {
				perMinute[int(a.when[0].Sub(begun)/time.Minute)]++
			}
			a.mu.Unlock()
		}
		for minute, n := range perMinute {
			if n > 2*many/10 {
				t.Errorf("in minute %d of ten, %d of %d were asked first", minute, n, many)
			}
		}
	})
}

// TestWhatOvertakesWhat: of what follows each other both ways, the times decide; a word that
// comes late does not bring back what has passed.
func TestWhatOvertakesWhat(t *testing.T) {
	played(t, func(s *stage) {
		c := s.completed(s.send("320342", "1"))
		noon := time.Now()
		tell := func(id string, step hub.Step, at time.Time, correction bool) {
			r := []hub.Report{{ID: id, Ref: c.Ref, Step: step, At: at, Correction: correction}}
			if _, err := s.store.Report(context.Background(), "k.diarium", r, "", time.Now()); err != nil {
				t.Fatal(err)
			}
		}
		for _, tc := range []struct {
			step       hub.Step
			at         time.Duration
			correction bool
			want       hub.Step
		}{
			{hub.KompletteringBehov, 2 * time.Hour, false, hub.KompletteringBehov},
			{hub.UnderHandlaggning, time.Hour, false, hub.KompletteringBehov},
			{hub.UnderHandlaggning, time.Hour, true, hub.UnderHandlaggning},
			{hub.KompletteringBehov, 3 * time.Hour, false, hub.KompletteringBehov},
			{hub.UnderHandlaggning, 3 * time.Hour, false, hub.UnderHandlaggning},
			{hub.KompletteringBehov, 2 * time.Hour, false, hub.UnderHandlaggning},
			{hub.Beslutat, time.Hour, false, hub.Beslutat},
		} {
			tell(fmt.Sprint(tc), tc.step, noon.Add(tc.at), tc.correction)
			now, err := s.store.Case(context.Background(), hub.AsHub(), c.ID)
			if err != nil || now.Step != tc.want {
				t.Fatalf("%s of %s leads to %s, want %s (%v)", tc.step, tc.at, now.Step, tc.want, err)
			}
		}
	})
}
