package hub_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A witness follows all cases of one person, as a stream does.
type witness struct {
	s     *stage
	v     hub.Viewer
	after uint64
	told  []hub.Step // since all was told anew
	anew  int

	watching *hub.Watching
	end      func()
}

func (s *stage) witness(id hub.PersonID) *witness {
	w := &witness{s: s, v: hub.AsCitizen(id)}
	w.watching, w.end = s.hub.WatchPerson(w.v)
	return w
}

// look waits until nothing moves, and gives what has been told.
func (w *witness) look() []hub.Step {
	w.s.t.Helper()
	synctest.Wait()
	news := w.watching.News()
	if news.Anew {
		w.after, w.told, w.anew = 0, nil, w.anew+1
	}
	w.tell(news.Lines)
	if news.Behind {
		lines, err := w.s.store.Statuses(context.Background(), w.v, "", w.after, 100)
		if err != nil {
			w.s.t.Fatal(err)
		}
		w.tell(lines)
	}
	return w.told
}

func (w *witness) tell(lines []hub.Status) {
	for _, line := range lines {
		if line.Seq > w.after {
			w.after = line.Seq
			w.told = append(w.told, line.Step)
		}
	}
}

// seldom begins the process again as one that looks for work so seldom that a day is soon
// over.
func (s *stage) seldom(every time.Duration) {
	tune := s.tune
	s.tune = func(o *hub.Options) {
		tune(o)
		o.Sweep = every
		for i := range o.Systems {
			o.Systems[i].Poll = every
		}
	}
	s.restart()
}

// TestWatchPerson: who sent a form in is told from the start; who a register names, as soon
// as it has, and then from the beginning; and nobody else is told anything.
func TestWatchPerson(t *testing.T) {
	playedFamily(t, false, func(s *stage, _ *notices) {
		hers, others, childs := s.witness(alva), s.witness(other), s.witness(child)
		defer func() { hers.end(); others.end(); childs.end() }()
		s.register.slow = time.Minute
		r := s.send("1", "1")
		if got := hers.look(); !slices.Equal(got, []hub.Step{hub.Inkommet}) {
			t.Errorf("who sent it in is told %v", got)
		}
		if got := others.look(); len(got) != 0 {
			t.Errorf("before a register has named her the other is told %v", got)
		}
		s.completed(r)
		want := []hub.Step{hub.Inkommet, hub.Registrerat}
		if got := others.look(); !slices.Equal(got, want) || others.anew != 1 {
			t.Errorf("the other is told %v, %d times anew", got, others.anew)
		}
		if got := hers.look(); !slices.Equal(got, want) || hers.anew != 0 {
			t.Errorf("who sent it in is told %v, %d times anew", got, hers.anew)
		}
		if got := childs.look(); len(got) != 0 {
			t.Errorf("the child is told %v", got)
		}
	})
}

// TestWatchingThroughARenewal: while nobody vouches for who follows she is told nothing;
// when a register does again she has missed nothing, and whose following never lapsed is
// told nothing twice.
func TestWatchingThroughARenewal(t *testing.T) {
	playedFamily(t, false, func(s *stage, _ *notices) {
		s.seldom(10 * time.Minute)
		r := s.send("1", "1")
		s.completed(r)
		hers, others := s.witness(alva), s.witness(other)
		defer func() { hers.end(); others.end() }()
		hers.look()
		others.look()
		time.Sleep(25 * time.Hour)
		s.diarium.tells(hub.Report{ID: "1", Ref: "SBN 2026/1", Word: "beslutat", At: time.Now()})
		time.Sleep(11 * time.Minute)
		want := []hub.Step{hub.Inkommet, hub.Registrerat, hub.Beslutat}
		if got := hers.look(); !slices.Equal(got, want) {
			t.Errorf("who sent it in is told %v", got)
		}
		if got := others.look(); !slices.Equal(got, want[:2]) {
			t.Errorf("who nobody vouches for is told %v", got)
		}
		if hidden := s.hub.Renew(context.Background(), others.v); hidden != 0 {
			t.Errorf("%d cases stay hidden", hidden)
		}
		if got := others.look(); !slices.Equal(got, want) {
			t.Errorf("when a register vouches for her again she has been told %v", got)
		}
		s.hub.Renew(context.Background(), others.v)
		if hers.look(); hers.anew != 0 || others.anew != 1 {
			t.Errorf("they were told anew %d and %d times", hers.anew, others.anew)
		}
	})
}
