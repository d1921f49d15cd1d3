package hub_test

import (
	"context"
	"errors"
	"fmt"
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
}

func (s *secretive) Poll(_ context.Context, d hub.Delivery, r hub.Receipt) ([]hub.Report, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(d.Document.Reveal()) == 0 {
		return nil, errors.New("the delivery comes without its document")
	}
	s.asked = append(s.asked, d.Key)
	word := s.words[r.Number]
	switch {
	case s.down != nil || word == "":
		return nil, s.down
	case word == "fails":
		return nil, errors.New("the answer cannot be read")
	}
	return []hub.Report{{ID: r.Number + " " + word, Ref: r.Number, Word: word, At: time.Now()}}, nil
}

// says has the system call a case by a word.
func (s *secretive) says(number, word string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.words[number] = word
}

// fails has the system answer nobody, until it is nil.
func (s *secretive) fails(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = err
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

// TestPollingThroughAnOutage: who does not answer is not asked about each case in vain, and
// when it is there again all are asked about, also behind one that it has nothing to tell of.
func TestPollingThroughAnOutage(t *testing.T) {
	played(t, polling(func(s *stage, system *secretive) {
		var numbers []string
		var sent []hub.Received
		for n := range 8 {
			sent = append(sent, s.send(fmt.Sprint(n), "1"))
			numbers = append(numbers, numberOf(s.completed(sent[n])))
		}
		system.fails(hub.Unavailable(errors.New("nobody answers"), hub.Down))
		system.times()
		time.Sleep(10 * time.Minute) // virtual
		if n := system.times(); n > 30 {
			s.t.Errorf("asked %d times in ten minutes while it is down, want at most three a minute", n)
		}
		system.fails(nil)
		for _, number := range numbers[1:] {
			system.says(number, "Under handläggning")
		}
		for _, r := range sent[1:] {
			s.until(r, "being handled", func(c hub.Case, _ hub.Progress) bool { return c.Step == hub.UnderHandlaggning })
		}
	}))
}

// TestPollingPastWhatCannotBeTold: cases that a system fails at each time do not stand before
// the others for ever, nor keep deliveries from it.
func TestPollingPastWhatCannotBeTold(t *testing.T) {
	played(t, polling(func(s *stage, system *secretive) {
		var last hub.Received
		for n := range 8 {
			last = s.send(fmt.Sprint(n), "1")
			number := numberOf(s.completed(last))
			system.says(number, "fails")
		}
		c, err := s.store.CaseOf(context.Background(), hub.AsHub(), last.Submission.ID)
		if err != nil {
			s.t.Fatal(err)
		}
		system.says(numberOf(c), "Beslutat")
		s.until(last, "decided", func(c hub.Case, _ hub.Progress) bool { return c.Step == hub.Beslutat })
		for _, c := range s.hub.Circuits() {
			if c.Cause != "" {
				s.t.Errorf("%s is not called: %s", c.System, c.Cause)
			}
		}
	}))
}
