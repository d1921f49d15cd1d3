package hub_test

import (
	"context"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// TestTheSameIsToldTheSame: a telling keeps what it tells. The case has been registered, and
// has come to a Step for the second time, since it was told first.
func TestTheSameIsToldTheSame(t *testing.T) {
	playedFamily(t, false, func(s *stage, told *notices) {
		s.tune = alsoWords(s.tune, string(hub.UnderHandlaggning), string(hub.KompletteringBehov))
		s.restart()
		began := time.Now()
		s.register.slow = time.Minute
		r := s.send("1", "1")
		c := s.completed(r)
		for i, step := range []hub.Step{hub.UnderHandlaggning, hub.KompletteringBehov, hub.UnderHandlaggning} {
			s.diarium.tells(hub.Report{ID: string(rune('a' + i)), Ref: c.Ref, Word: string(step), At: time.Now()})
			time.Sleep(time.Hour)
		}
		s.told(r)
		p := hub.Retelling{System: "k.notiser", From: began, Until: time.Now()}
		e, err := s.store.CountTold(context.Background(), hub.AsHub(), p)
		if err != nil || e.Tellings == 0 {
			t.Fatalf("%d tellings: %v", e.Tellings, err)
		}
		if _, err := s.hub.Retell(context.Background(), hub.AsHub(), p, e.Tellings); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		s.told(r)
		times, first := map[hub.Key]int{}, map[hub.Key]hub.Status{}
		for _, x := range told.told {
			if times[x.Key]++; times[x.Key] == 1 {
				first[x.Key] = x.Status
			} else if had := first[x.Key]; had.Step != x.Status.Step || !had.At.Equal(x.Status.At) || !had.Expect.Equal(x.Status.Expect) || had.Ref != x.Status.Ref {
				t.Errorf("%s is %+v at first, and then %+v", x.Key, had, x.Status)
			}
		}
		for key, n := range times {
			if n != 2 {
				t.Errorf("%s was told %d times", key, n)
			}
		}
	})
}

// alsoWords has the diarium's table translate Steps by their own names too.
func alsoWords(tune func(*hub.Options), words ...string) func(*hub.Options) {
	return func(o *hub.Options) {
		tune(o)
		for _, s := range o.Systems {
			for _, w := range words {
				if s.ID == "k.diarium" {
					s.Words[w] = hub.Step(w)
				}
			}
		}
	}
}
