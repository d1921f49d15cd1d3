package hub_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

const byhand = "servern byts"

func (s *stage) pause(id hub.SystemID) {
	s.t.Helper()
	if err := s.hub.Pause(context.Background(), hub.Pause{System: id, By: "registrator", Reason: byhand}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) resume(id hub.SystemID) {
	s.t.Helper()
	if err := s.hub.Resume(context.Background(), id, "gruppledare", "klart"); err != nil {
		s.t.Fatal(err)
	}
}

// For a week the diarium is paused, over a restart. It is not called once, nobody's attempts
// are used up, and everything else goes on; when it is taken up again all goes, in order.
func TestAPauseOfAWeek(t *testing.T) {
	weathered(t, "2026-03-06 16:00", 15*time.Minute, func(w *weather) {
		began := time.Now()
		w.pause("k.diarium")
		var all []hub.Received
		for n := range 10 {
			all = append(all, w.receives("1080", n, 1), w.receives("1080", n, 2))
			time.Sleep(time.Hour)
		}
		elsewhere := []hub.Received{w.receives("1285", 0, 1)}
		time.Sleep(3 * 24 * time.Hour)
		w.restart()
		time.Sleep(4 * 24 * time.Hour)
		if n := len(w.diarium.ledger(0)); n != 0 {
			t.Errorf("it was called %d times", n)
		}
		w.wantDone(elsewhere)
		if n := len(w.bygg.taken()); n != 10 || w.held() != 0 {
			t.Errorf("the building system has %d files, want 10; %d rest with a person", n, w.held())
		}
		if c := w.circuit("k.diarium"); c.Cause != hub.Paused || !c.Since.Equal(began) || c.Note != "registrator" {
			t.Errorf("the circuit says %+v", c)
		}
		first := w.caseOf(all[0])
		if d := first.Find(hub.KeyOf(all[0].Submission.ID, "diarium")); d.State != hub.Ready || d.Attempts != 0 {
			t.Errorf("what waits is %s after %d attempts", d.State, d.Attempts)
		}
		if s := w.hub.Standing(first); s.Stuck != hub.Halted || s.Who != hub.Operations || s.Ball != hub.Council {
			t.Errorf("the citizen is told of %s", s.Stuck)
		}
		w.resume("k.diarium")
		time.Sleep(time.Hour)
		w.wantDone(all)
		w.wantOrder(all)
		if n := len(w.diarium.ledger(0)); n != len(all) || w.circuit("k.diarium").Cause != "" {
			t.Errorf("%d posts for %d deliveries; the circuit says %+v", n, len(all), w.circuit("k.diarium"))
		}
	})
}

// A register that is paused is not asked, and the forms that need it wait.
func TestAPausedRegister(t *testing.T) {
	weathered(t, "2026-03-06 16:00", 15*time.Minute, func(w *weather) {
		asks(w.karlskrona, "k.navet")
		w.pause("k.navet")
		all := []hub.Received{w.receives("1080", 0, 1), w.receives("1080", 1, 1)}
		time.Sleep(24 * time.Hour)
		if n := len(w.navet.ledger(0)); n != 0 || w.held() != 0 {
			t.Errorf("it was asked %d times, and %d rest with a person", n, w.held())
		}
		w.resume("k.navet")
		time.Sleep(7 * time.Hour)
		w.wantDone(all)
	})
}

// What is under way when a system is paused comes to its end.
func TestAPauseInTheMiddle(t *testing.T) {
	weathered(t, "2026-03-06 16:00", time.Second, func(w *weather) {
		w.diarium.set(func(f *fragile) { f.slow = 20 * time.Second })
		r := w.receives("1080", 0, 1)
		for len(w.diarium.ledger(0)) == 0 {
			time.Sleep(time.Second)
		}
		w.pause("k.diarium")
		later := w.receives("1080", 1, 1)
		time.Sleep(time.Hour)
		w.wantDone([]hub.Received{r})
		if n := len(w.diarium.ledger(0)); n != 1 {
			t.Errorf("%d posts, want the one that was under way", n)
		}
		w.resume("k.diarium")
		time.Sleep(time.Hour)
		w.wantDone([]hub.Received{r, later})
	})
}

// Whoever paused a system, and in which process, every process heeds it within ten sweeps; and
// it is paused once, and taken up once.
func TestWhoPauses(t *testing.T) {
	played(t, func(s *stage) {
		ctx := context.Background()
		if err := s.hub.Pause(ctx, hub.Pause{System: "k.faxen", By: "registrator"}); !errors.Is(err, hub.ErrNotFound) {
			t.Errorf("a system that there is not: %v", err)
		}
		if err := s.hub.Resume(ctx, "k.diarium", "registrator", byhand); !errors.Is(err, hub.ErrConflict) {
			t.Errorf("taken up, and not paused: %v", err)
		}
		elsewhere := hub.Pause{System: "k.diarium", Since: time.Now(), By: "gruppledare", Reason: byhand}
		if err := s.store.Pause(ctx, elsewhere); err != nil {
			t.Fatal(err)
		}
		time.Sleep(51 * time.Second)
		if c := s.hub.Circuits()[1]; c.Cause != hub.Paused || c.Note != "gruppledare" {
			t.Errorf("another process paused it, and the circuit says %+v", c)
		}
		if err := s.hub.Pause(ctx, elsewhere); !errors.Is(err, hub.ErrConflict) {
			t.Errorf("paused twice: %v", err)
		}
		s.resume("k.diarium")
		if c := s.hub.Circuits()[1]; c.Cause != "" {
			t.Errorf("taken up, the circuit says %+v", c)
		}
	})
}

// A platform that has lost what it was told is told it again: as much as was counted, by who
// may see it, and once.
func TestAPlatformIsToldAgain(t *testing.T) {
	played(t, func(s *stage) {
		ctx, began := context.Background(), time.Now()
		var all []hub.Received
		for _, id := range []string{"1", "2", "3"} {
			r := s.send(id, "1")
			s.completed(r)
			s.told(r)
			all = append(all, r)
		}
		posts := s.diarium.seen()
		time.Sleep(time.Hour)
		period := hub.Retelling{System: "shared.oep", From: began, Until: time.Now()}
		handler := hub.AsHandler("registrator", "1080")
		for _, tc := range []struct {
			name, why string
			v         hub.Viewer
			r         hub.Retelling
			expected  int
			want      error
		}{
			{"another number", "who counted read another one", handler, period, 2, hub.ErrAnotherCount},
			{"another municipality", "there is nothing that she may see", hub.AsHandler("eslovare", "1285"), period, 3, hub.ErrAnotherCount},
			{"what is to come", "it is never over", handler, hub.Retelling{System: "shared.oep", From: began, Until: time.Now().Add(time.Second)}, 3, hub.ErrConflict},
			{"a Destination", "documents are not delivered again", handler, hub.Retelling{System: "k.diarium", From: began, Until: time.Now()}, 3, hub.ErrAnotherCount},
		} {
			if _, err := s.hub.Retell(ctx, tc.v, tc.r, tc.expected); !errors.Is(err, tc.want) {
				t.Errorf("%s: %v, want %v: %s", tc.name, err, tc.want, tc.why)
			}
		}
		extent, err := s.hub.Retell(ctx, handler, period, 3)
		if err != nil || extent != (hub.Extent{Tellings: 3, Cases: 3, Municipalities: 1}) {
			t.Fatalf("%+v, %v", extent, err)
		}
		time.Sleep(time.Minute)
		for _, r := range all {
			s.told(r)
		}
		if want := slices.Repeat([]hub.Step{hub.Registrerat}, 6); !slices.Equal(s.platform.told, want) {
			t.Errorf("the platform was told %v", s.platform.told)
		}
		if _, err := s.hub.Retell(ctx, handler, period, 0); err != nil || len(s.platform.told) != 6 || s.diarium.seen() != posts {
			t.Errorf("the same again: %v, told %d times, %d posts", err, len(s.platform.told), s.diarium.seen())
		}
	})
}

// told waits until the platform has been told all there is of a case.
func (s *stage) told(r hub.Received) {
	s.t.Helper()
	s.until(r, "told", func(c hub.Case, _ hub.Progress) bool {
		return !slices.ContainsFunc(c.Deliveries, func(d hub.Progress) bool { return d.Kind == hub.TellingKind && !d.Settled() })
	})
}

// A pause holds from when it is said, and ends when that is said, also while the Store cannot be
// read, and for who hung up.
func TestAPauseHoldsAtOnce(t *testing.T) {
	played(t, func(s *stage) {
		store := &unread{}
		s.before = func(inner hub.Store) hub.Store {
			store.Store = inner
			return store
		}
		s.restart()
		store.fails.Store(true)
		s.pause("k.diarium")
		if c := s.hub.Circuits()[1]; c.Cause != hub.Paused || c.Note != "registrator" {
			t.Errorf("paused, and the circuit says %+v", c)
		}
		s.resume("k.diarium")
		if c := s.hub.Circuits()[1]; c.Cause != "" {
			t.Errorf("taken up, and the circuit says %+v", c)
		}
	})
}

// unread is a Store that at times cannot say what is paused.
type unread struct {
	hub.Store
	fails atomic.Bool
}

func (u *unread) Pauses(ctx context.Context) ([]hub.Pause, error) {
	if u.fails.Load() {
		return nil, errors.New("the disk does not answer")
	}
	return u.Store.Pauses(ctx)
}
