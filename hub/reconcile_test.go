package hub_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A counter is a platform that can be asked what it sent.
type counter struct {
	mu    sync.Mutex
	sent  []hub.Sent
	err   error
	asked map[hub.Date][]time.Time // when, about which day
}

func (c *counter) Sent(_ context.Context, service string, from, until time.Time) ([]hub.Sent, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asked == nil {
		c.asked = map[hub.Date][]time.Time{}
	}
	c.asked[hub.DayOf(from)] = append(c.asked[hub.DayOf(from)], time.Now())
	if service != "702" || until.Sub(from) < 23*time.Hour {
		return nil, errors.New("that was not asked")
	}
	return c.sent, c.err
}

func (c *counter) say(err error, sent ...hub.Sent) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent, c.err = sent, err
}

func (c *counter) about(day hub.Date) []time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.asked[day])
}

// counted plays on a stage whose platform can be asked, from a morning on.
func counted(t *testing.T, f func(*stage, *counter)) {
	played(t, func(s *stage) {
		c := &counter{}
		s.tune = func(o *hub.Options) {
			o.Sweep = 10 * time.Minute // these tests take days
			for i := range o.Systems {
				o.Systems[i].Poll = time.Hour
				if o.Systems[i].ID == "shared.oep" {
					o.Systems[i].Counter = c
				}
			}
		}
		from, _, _ := hub.DayOf(time.Now()).Bounds()
		s.end()
		time.Sleep(time.Until(from.AddDate(0, 0, 1).Add(9 * time.Hour)))
		s.begin()
		f(s, c)
	})
}

func (s *stage) balance(day hub.Date) hub.Balance {
	s.t.Helper()
	balances, err := s.hub.Reconciliation(context.Background(), day, day)
	if err != nil || len(balances) != 1 {
		s.t.Fatalf("%+v, %v", balances, err)
	}
	return balances[0]
}

// The platform is asked about a day when it has ended, and again the next nights for as
// long as something of it is missing.
func TestThePlatformIsAskedAfterMidnight(t *testing.T) {
	counted(t, func(s *stage, c *counter) {
		day := hub.DayOf(time.Now())
		r := s.send("320342", "1")
		s.completed(r)
		at := time.Now()
		c.say(nil, hub.Sent{ID: "320342", At: at}, hub.Sent{ID: "320343", At: at}, hub.Sent{ID: "320341", At: at.AddDate(0, 0, -1)})
		if b := s.balance(day); b.Told || b.Received != 1 || len(c.about(day)) > 0 {
			t.Errorf("before midnight: %+v", b)
		}
		_, midnight, _ := day.Bounds()
		time.Sleep(time.Until(midnight.Add(15 * time.Minute)))
		asked := c.about(day)
		if len(asked) != 1 || asked[0].Before(midnight) {
			t.Fatalf("asked at %v", asked)
		}
		if b := s.balance(day); b.Sent != 2 || b.Count(hub.NotReceived) != 1 || b.Gaps[0].Ref != "320343" || b.Unexplained != 0 {
			t.Errorf("%+v", b)
		}
		time.Sleep(24 * time.Hour)
		if n := len(c.about(day)); n != 2 {
			t.Errorf("asked %d times by the second night, want 2", n)
		}
		s.completed(s.send("320343", "1")) // it was sent again, two days late
		time.Sleep(2 * time.Minute)
		if b := s.balance(day); b.Count(hub.NotReceived) != 0 || b.Count(hub.OtherDay) != 1 || b.Unexplained != 0 {
			t.Errorf("%+v", b)
		}
		late := s.balance(hub.DayOf(time.Now()))
		c.say(nil)
		time.Sleep(24 * time.Hour)
		late = s.balance(late.Day)
		if !late.Told || late.Sent != 0 || late.Count(hub.EarlierDay) != 1 || late.Unexplained != 0 || late.Count(hub.Surplus) != 0 {
			t.Errorf("the day on which it came: %+v", late)
		}
		time.Sleep(24 * time.Hour)
		if n := len(c.about(day)); n > 3 {
			t.Errorf("asked %d times although everything is here", n)
		}
	})
}

// A platform that does not answer is asked again in an hour, and a hub that was not up at
// midnight asks when it is.
func TestAPlatformThatDoesNotAnswerIsAskedAgain(t *testing.T) {
	counted(t, func(s *stage, c *counter) {
		day := hub.DayOf(time.Now())
		s.completed(s.send("320342", "1"))
		c.say(hub.Unavailable(errLine, hub.Down))
		_, midnight, _ := day.Bounds()
		time.Sleep(time.Until(midnight.Add(3*time.Hour + 30*time.Minute)))
		if n := len(c.about(day)); n != 4 {
			t.Errorf("asked %d times in three hours, want once an hour", n)
		}
		s.end()
		c.say(nil, hub.Sent{ID: "320342", At: midnight.Add(-time.Hour)})
		time.Sleep(2 * 24 * time.Hour)
		s.begin()
		time.Sleep(2 * time.Minute)
		if b := s.balance(day); !b.Told || b.Sent != 1 || b.Count(hub.NotReceived) != 0 {
			t.Errorf("after two days: %+v", b)
		}
		if n := len(s.hub.Reconciled()); n == 0 {
			t.Error("nothing is kept for the metrics")
		}
	})
}

// A form that came late is known for what it is without a search for everything that was sent
// in the month before, and one that no platform has named is not.
func TestLateFormsAreFoundAmongThemselves(t *testing.T) {
	played(t, func(s *stage) {
		asked := &searched{}
		s.before = func(inner hub.Store) hub.Store {
			asked.Store = inner
			return asked
		}
		s.restart()
		today := hub.DayOf(time.Now())
		sent := func(day hub.Date, ids ...string) {
			t.Helper()
			tally := hub.Tally{Source: "shared.oep", Service: "702", Day: day, Sent: len(ids), IDs: ids}
			if _, _, err := s.hub.TakeTally(context.Background(), hub.AsHub(), tally); err != nil {
				t.Fatal(err)
			}
		}
		s.completed(s.send("on time", "1"))
		s.completed(s.send("late", "1"))
		s.completed(s.send("unheard of", "1"))
		for n := 1; n <= 31; n++ {
			sent(today.Before(n), "late "+fmt.Sprint(n), "lost "+fmt.Sprint(n))
		}
		sent(today.Before(31), "late", "lost 31")
		sent(today, "on time")
		asked.n = 0
		b := s.balance(today)
		if b.Sent != 1 || b.Begun != 3 || b.Count(hub.EarlierDay) != 1 || b.Count(hub.Surplus) != 1 || b.Unexplained != 0 {
			t.Errorf("%+v", b)
		}
		if asked.n != 1 {
			t.Errorf("%d references were looked for, want the day's own", asked.n)
		}
		sent(today, "on time", "late") // as some platforms have it: of the day on which it was paid for
		if b := s.balance(today); b.Sent != 2 || b.Count(hub.EarlierDay) != 0 || b.Count(hub.Surplus) != 1 || b.Unexplained != 0 {
			t.Errorf("named on two days: %+v", b)
		}
	})
}

// searched is a Store that counts the references that it is asked to look for.
type searched struct {
	hub.Store
	n int
}

func (s *searched) Has(ctx context.Context, v hub.Viewer, source hub.SystemID, m hub.Municipality, ids []string) (map[string]hub.ID, error) {
	s.n += len(ids)
	return s.Store.Has(ctx, v, source, m, ids)
}

// Who gives up does not wait for who counts.
func TestWhoGivesUpDoesNotWaitForTheCount(t *testing.T) {
	played(t, func(s *stage) {
		day := hub.DayOf(time.Now())
		counting, goOn, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
		s.before = func(inner hub.Store) hub.Store { return &slowList{Store: inner, counting: counting, goOn: goOn} }
		s.restart()
		go func() {
			defer close(done)
			s.hub.Reconciliation(context.Background(), day, day)
		}()
		<-counting
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := s.hub.Reconciliation(ctx, day, day); !errors.Is(err, context.Canceled) {
			t.Errorf("given up: %v", err)
		}
		close(goOn)
		<-done
	})
}

// slowList is a Store that takes its time to list, the first time.
type slowList struct {
	hub.Store
	once           sync.Once
	counting, goOn chan struct{}
}

func (s *slowList) List(ctx context.Context, v hub.Viewer, f hub.Filter) ([]hub.Line, error) {
	s.once.Do(func() {
		close(s.counting)
		<-s.goOn
	})
	return s.Store.List(ctx, v, f)
}
