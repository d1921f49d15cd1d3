package hub_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// outside is whoever follows all cases from outside: it takes what it is told, or is away.
type outside struct {
	mu    sync.Mutex
	away  bool
	told  []uint64
	tries int
	most  int // lines that it has been told at once
}

func (o *outside) Publish(_ context.Context, lines []hub.Status) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tries++
	o.most = max(o.most, len(lines))
	for i, line := range lines {
		if o.away && i == 1 {
			return errors.New("gone in the middle")
		}
		o.told = append(o.told, line.Seq)
	}
	if o.away {
		return errors.New("gone")
	}
	return nil
}

func (o *outside) goes(away bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.away = away
}

func (o *outside) tried() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.tries
}

// known gives what it has been told when nothing moves any more.
func (o *outside) known() []uint64 {
	time.Sleep(time.Minute)
	synctest.Wait()
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.told)
}

// upTo gives the numbers from 1.
func upTo(n uint64) (all []uint64) {
	for seq := uint64(1); seq <= n; seq++ {
		all = append(all, seq)
	}
	return all
}

// published begins a hub whose feed is made known to o.
func (s *stage) published(o *outside) {
	s.tune = func(options *hub.Options) { options.Publisher = o }
	s.restart()
}

// end of the feed, as the Store has it.
func (s *stage) lines() uint64 {
	end, err := s.store.FeedEnd(context.Background())
	if err != nil {
		s.t.Fatal(err)
	}
	return end
}

// TestTheFeedIsMadeKnown: every line once and in order, from the first there ever was, and on
// from where it was when a process has ended.
func TestTheFeedIsMadeKnown(t *testing.T) {
	played(t, func(s *stage) {
		o := &outside{}
		s.completed(s.send("1", "1")) // before anybody was told
		s.published(o)
		if got := o.known(); len(got) == 0 || !slices.Equal(got, upTo(s.lines())) {
			t.Errorf("of %d lines it knows %d", s.lines(), got)
		}
		s.completed(s.send("2", "1"))
		s.restart()
		s.completed(s.send("3", "1"))
		if got := o.known(); !slices.Equal(got, upTo(s.lines())) {
			t.Errorf("of %d lines it knows %d", s.lines(), got)
		}
	})
}

// TestALongFeedIsMadeKnownPieceByPiece: so much at a time as slow brokers can take.
func TestALongFeedIsMadeKnownPieceByPiece(t *testing.T) {
	played(t, func(s *stage) {
		const most = 64
		for n := 1; s.lines() <= 2*most; n++ {
			s.completed(s.send(strconv.Itoa(n), "1"))
		}
		o := &outside{}
		s.published(o)
		if got := o.known(); !slices.Equal(got, upTo(s.lines())) || o.most != most {
			t.Errorf("of %d lines it knows %d, and %d were told at once", s.lines(), len(got), o.most)
		}
	})
}

// TestNobodyIsThereToBeTold: the journey goes on, it is said once, and when somebody is there
// again she is told all that she has missed, though she may have heard the first of it.
func TestNobodyIsThereToBeTold(t *testing.T) {
	played(t, func(s *stage) {
		o := &outside{}
		said := &sayings{Handler: slog.DiscardHandler}
		s.tune = func(options *hub.Options) { options.Publisher, options.Log = o, slog.New(said) }
		s.restart()
		o.goes(true)
		s.completed(s.send("1", "1"))
		time.Sleep(time.Hour)
		if tries := o.tried(); tries < 10 || said.count("its lines wait") != 1 {
			t.Errorf("it was tried %d times, and said %d times", tries, said.count("its lines wait"))
		}
		o.goes(false)
		got := o.known()
		if want := upTo(s.lines()); len(got) < len(want) || !slices.Equal(got[len(got)-len(want):], want) {
			t.Errorf("of %d lines it knows, in the end, %d", s.lines(), got)
		}
		if said.count("made known outside again") != 1 {
			t.Error("that it is told again is not said")
		}
	})
}

// TestTheirPlaceIsLost: what was told, and not noted down, is told again. Nothing is skipped.
func TestTheirPlaceIsLost(t *testing.T) {
	played(t, func(s *stage) {
		o := &outside{}
		s.before = func(store hub.Store) hub.Store { return losing{store} }
		s.published(o)
		s.completed(s.send("1", "1"))
		o.known()
		s.before = nil
		s.restart()
		got, want := o.known(), upTo(s.lines())
		if len(got) <= len(want) || !slices.Equal(got[len(got)-len(want):], want) {
			t.Errorf("of %d lines it knows, in the end, %d", s.lines(), got)
		}
	})
}

// losing is a Store that keeps nobody's place.
type losing struct{ hub.Store }

func (f losing) Report(ctx context.Context, s hub.SystemID, rs []hub.Report, next hub.Cursor, now time.Time) ([]hub.Hearing, error) {
	if len(rs) == 0 {
		return nil, errors.New("not written")
	}
	return f.Store.Report(ctx, s, rs, next, now)
}

// TestAnotherProcessTells: then this one does not, until the other has ended.
func TestAnotherProcessTells(t *testing.T) {
	played(t, func(s *stage) {
		o := &outside{}
		other := &otherLeads{}
		s.before = func(store hub.Store) hub.Store { other.Store = store; return other }
		other.held.Store(true)
		s.published(o)
		s.completed(s.send("1", "1"))
		if got := o.known(); len(got) > 0 {
			t.Errorf("it tells %d", got)
		}
		other.held.Store(false)
		if got := o.known(); !slices.Equal(got, upTo(s.lines())) {
			t.Errorf("of %d lines it tells %d", s.lines(), got)
		}
		s.before = nil
		s.restart()
		if other.ended.Load() == 0 {
			t.Error("at its end it does not give the duty up")
		}
	})
}

// otherLeads is a Store where another process may have every duty.
type otherLeads struct {
	hub.Store
	held  atomic.Bool
	ended atomic.Int64
}

func (l *otherLeads) Lead(context.Context, string) (end func(), held bool, err error) {
	return func() { l.ended.Add(1) }, l.held.Load(), nil
}

// sayings are what is logged.
type sayings struct {
	slog.Handler
	mu  sync.Mutex
	all []string
}

func (s *sayings) Enabled(context.Context, slog.Level) bool { return true }

func (s *sayings) Handle(_ context.Context, r slog.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, r.Message)
	return nil
}

func (s *sayings) count(part string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, text := range s.all {
		if strings.Contains(text, part) {
			n++
		}
	}
	return n
}
