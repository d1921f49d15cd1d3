package hub_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A secretive system tells nothing by itself, and how one case is getting on to who asks.
type secretive struct {
	mu    sync.Mutex
	words map[string]string // by its number
	asked []hub.Key
	down  error
	mute  map[string]bool // about which it answers nothing that can be understood
}

func (s *secretive) Poll(_ context.Context, d hub.Delivery, r hub.Receipt) ([]hub.Report, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(d.Document.Reveal()) == 0 {
		return nil, errors.New("the delivery comes without its document")
	}
	s.asked = append(s.asked, d.Key)
	word := s.words[r.Number]
	if s.mute[r.Number] {
		return nil, hub.Strange(errors.New("nobody can read this"))
	}
	if s.down != nil || word == "" {
		return nil, s.down
	}
	return []hub.Report{{ID: r.Number + " " + word, Ref: r.Number, Word: word, At: time.Now()}}, nil
}

// says has the system call a case by a word.
func (s *secretive) says(number, word string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.words[number] = word
}

// times counts how often it has been asked, since it was counted last.
func (s *secretive) times() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.asked)
	s.asked = nil
	return n
}

func polling(f func(*stage, *secretive)) func(*stage) {
	return func(s *stage) {
		system := &secretive{words: map[string]string{}}
		s.tune = func(o *hub.Options) {
			for i := range o.Systems {
				if o.Systems[i].ID == "k.diarium" {
					o.Systems[i].Tracker, o.Systems[i].Poller, o.Systems[i].Poll = nil, system, time.Minute
				}
			}
		}
		s.restart()
		f(s, system)
	}
}

// numberOf is what the diarium calls a case.
func numberOf(c hub.Case) string { return c.FirstReceipts()["diarium"].Number }

// TestPolling asks about each case until it is decided, and not after.
func TestPolling(t *testing.T) {
	played(t, polling(func(s *stage, system *secretive) {
		first, second := s.send("4711", "1"), s.send("4712", "1")
		number := numberOf(s.completed(first))
		s.completed(second)
		system.says(number, "Under handläggning")
		s.until(first, "being handled", func(c hub.Case, _ hub.Progress) bool { return c.Step == hub.UnderHandlaggning })
		system.says(number, "Beslutat")
		s.until(first, "decided", func(c hub.Case, _ hub.Progress) bool { return c.Step == hub.Beslutat })
		s.restart()
		time.Sleep(time.Second) // virtual
		system.times()
		time.Sleep(10 * time.Minute) // virtual
		if n := system.times(); n != 10 {
			s.t.Errorf("asked %d times in ten minutes about the one case that is not decided, want 10", n)
		}
	}))
}

// TestPollingStopsAtAnOutage: who does not answer about one case is not asked about all the
// others, and the cases come on when it is there again.
func TestPollingStopsAtAnOutage(t *testing.T) {
	played(t, polling(func(s *stage, system *secretive) {
		var sent []hub.Received
		for _, instance := range []string{"1", "2", "3", "4"} {
			sent = append(sent, s.send(instance, "1"))
		}
		for _, r := range sent {
			system.says(numberOf(s.completed(r)), "Beslutat")
			system.mu.Lock()
			system.down = hub.Unavailable(errors.New("nobody answers"), hub.Down)
			system.mu.Unlock()
		}
		system.times()
		time.Sleep(90 * time.Second) // virtual
		if n := system.times(); n > 2 {
			s.t.Errorf("asked %d times in a minute and a half while it is down, want each poll to stop at the first", n)
		}
		system.mu.Lock()
		system.down = nil
		system.mu.Unlock()
		there := time.Now() // virtual
		for _, r := range sent {
			s.until(r, "decided", func(c hub.Case, _ hub.Progress) bool { return c.Step == hub.Beslutat })
		}
		if took := time.Since(there); took > 2*time.Minute+time.Second {
			s.t.Errorf("it took %v to ask about four cases, want one round to its end, and the next", took)
		}
	}))
}

// TestPollingIsNotKeptBack: cases about which a system answers strangely neither keep others
// from being asked about, nor deliveries from being sent.
func TestPollingIsNotKeptBack(t *testing.T) {
	played(t, polling(func(s *stage, system *secretive) {
		system.mute = map[string]bool{}
		for _, instance := range []string{"1", "2", "3", "4", "5"} {
			number := numberOf(s.completed(s.send(instance, "1")))
			system.mu.Lock()
			system.mute[number] = true
			system.mu.Unlock()
		}
		last := s.send("6", "1")
		system.says(numberOf(s.completed(last)), "Beslutat")
		s.until(last, "decided", func(c hub.Case, _ hub.Progress) bool { return c.Step == hub.Beslutat })
		for _, c := range s.hub.Circuits() {
			if c.Cause != "" {
				s.t.Errorf("%s is not called: %s", c.System, c.Cause)
			}
		}
	}))
}
