package hub_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// These tests run several Hubs over one Store, as processes behind a load balancer do. The
// bus is silent, so that what one of them has to know of another it has out of the Store.

// several is what processes share: the Store, and who of them is alive.
type several struct {
	*stage
	options hub.Options // of each of them, but for what is its own
	all     []*replica

	mu     sync.Mutex
	duties map[string]*replica
	buried map[string]bool // the boots of the dead that have nothing in hand any more
	cut    bool            // nobody reaches the Store
	asked  []time.Time     // when the diarium was asked what is new
}

// A replica is one process: a Hub, and the Store as it sees it.
type replica struct {
	hub.Store
	of    *several
	boot  string
	hub   *hub.Hub
	clock time.Duration // how far its clock is ahead
	alive bool
	stop  func()
	done  []error // what the Store's next writes give, though they are carried out

	claimed map[hub.SystemID]int // deliveries that it took in hand
	read    int                  // forms that it read out of the Store
}

// shared begins n processes, on systems as tuned.
func shared(t *testing.T, n int, tune func(*several, *hub.Options), f func(*several)) {
	played(t, func(s *stage) {
		all := &several{stage: s, duties: map[string]*replica{}, buried: map[string]bool{}}
		s.tune = func(o *hub.Options) {
			o.Sweep = time.Second
			if tune != nil {
				tune(all, o)
			}
			all.options = *o
		}
		s.restart()
		time.Sleep(time.Second)
		s.stop() // the first of them is one like the others
		for range n {
			all.another()
		}
		s.stop = func() {
			for _, r := range all.all {
				r.stop()
			}
		}
		s.hub = all.all[0].hub
		f(all)
	})
}

// another begins one more process.
func (s *several) another() *replica { return s.like(func(*replica, *hub.Options) {}) }

// like begins a process that differs from the others.
func (s *several) like(differs func(*replica, *hub.Options)) *replica {
	s.t.Helper()
	o := s.options
	r := &replica{Store: s.store, of: s, boot: fmt.Sprintf("replica-%d", len(s.all)+1), alive: true, claimed: map[hub.SystemID]int{}}
	o.Store, o.Boot = r, r.boot
	o.Clock = func() time.Time { return time.Now().Add(r.clock) }
	differs(r, &o)
	r.hub = hub.New(o)
	if err := r.hub.Activate(context.Background(), o.Bundle); err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	s.all = append(s.all, r)
	s.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { r.hub.Run(ctx); close(ended) }()
	r.stop = func() { cancel(); <-ended }
	return r
}

// dies ends a process as kill -9 does: what it has under way reaches nobody any more.
func (r *replica) dies() {
	r.of.mu.Lock()
	defer r.of.mu.Unlock()
	r.alive = false
	for duty, by := range r.of.duties {
		if by == r {
			delete(r.of.duties, duty)
		}
	}
}

// reaches gives the error of a process that does not reach the Store.
func (r *replica) reaches() error {
	r.of.mu.Lock()
	defer r.of.mu.Unlock()
	if !r.alive || r.of.cut {
		return hub.ErrUnreachable
	}
	return nil
}

// written gives what a process is told of a write that was carried out.
func (r *replica) written(err error) error {
	r.of.mu.Lock()
	defer r.of.mu.Unlock()
	if err == nil && len(r.done) > 0 {
		err, r.done = r.done[0], r.done[1:]
	}
	return err
}

// losesAnswers has a process hear nothing of its next n writes, which are carried out.
func (r *replica) losesAnswers(n int) {
	r.of.mu.Lock()
	defer r.of.mu.Unlock()
	r.done = slices.Repeat([]error{hub.ErrUnreachable}, n)
}

func (s *several) cuts(cut bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut = cut
}

func (r *replica) Lead(_ context.Context, duty string) (end func(), held bool, err error) {
	if err := r.reaches(); err != nil {
		return nil, false, err
	}
	r.of.mu.Lock()
	defer r.of.mu.Unlock()
	if by := r.of.duties[duty]; by != nil && by != r {
		return nil, true, nil
	}
	r.of.duties[duty] = r
	return func() {
		r.of.mu.Lock()
		defer r.of.mu.Unlock()
		if r.of.duties[duty] == r {
			delete(r.of.duties, duty)
		}
	}, false, nil
}

func (r *replica) Peers(context.Context) (place, of int, err error) {
	if err := r.reaches(); err != nil {
		return 0, 0, err
	}
	r.of.mu.Lock()
	defer r.of.mu.Unlock()
	for _, other := range r.of.all {
		if other == r {
			place = of
		}
		if other.alive {
			of++
		}
	}
	return place, of, nil
}

// Recover takes the rows of those that are dead.
func (r *replica) Recover(ctx context.Context, _ string, now time.Time) (moved int, err error) {
	if err := r.reaches(); err != nil {
		return 0, err
	}
	alive, dead := map[string]bool{"": true}, []string{}
	r.of.mu.Lock()
	for _, other := range r.of.all {
		alive[other.boot] = other.alive
		if !other.alive && !r.of.buried[other.boot] {
			dead = append(dead, other.boot)
		}
	}
	r.of.mu.Unlock()
	if len(dead) == 0 {
		return 0, nil
	}
	lines, err := r.Store.List(ctx, hub.AsHub(), hub.Filter{Limit: 500})
	for _, line := range lines {
		for _, p := range append(line.Deliveries, line.Submission) {
			if alive[p.Lease.Boot] {
				continue
			}
			if _, _, err := r.Store.Apply(ctx, line.Case.ID, hub.Lapsed{When: hub.When{At: now}, Key: p.Key, Lease: p.Lease}); err == nil {
				moved++
			}
		}
	}
	if moved == 0 && err == nil {
		r.of.mu.Lock()
		defer r.of.mu.Unlock()
		for _, boot := range dead {
			r.of.buried[boot] = true
		}
	}
	return moved, err
}

func (r *replica) Receive(ctx context.Context, a hub.Arrival) (got hub.Received, err error) {
	if err = r.reaches(); err == nil {
		got, err = r.Store.Receive(ctx, a)
	}
	return got, err
}

func (r *replica) Apply(ctx context.Context, id hub.CaseID, e hub.Event) (c hub.Case, fx hub.Effects, err error) {
	if err = r.reaches(); err == nil {
		c, fx, err = r.Store.Apply(ctx, id, e)
	}
	return c, fx, r.written(err)
}

func (r *replica) Settle(ctx context.Context, id hub.CaseID, e hub.Event, f hub.Facts) (c hub.Case, fx hub.Effects, err error) {
	if err = r.reaches(); err == nil {
		c, fx, err = r.Store.Settle(ctx, id, e, f)
	}
	return c, fx, r.written(err)
}

func (r *replica) ClaimSubmissions(ctx context.Context, l hub.Lease, now time.Time, n int) (cs []hub.Claim, err error) {
	if err = r.reaches(); err == nil {
		cs, err = r.Store.ClaimSubmissions(ctx, l, now, n)
	}
	return cs, err
}

func (r *replica) ClaimDeliveries(ctx context.Context, s hub.SystemID, l hub.Lease, now time.Time, n int) (cs []hub.Claim, err error) {
	if err = r.reaches(); err == nil {
		cs, err = r.Store.ClaimDeliveries(ctx, s, l, now, n)
	}
	r.of.mu.Lock()
	defer r.of.mu.Unlock()
	r.claimed[s] += len(cs)
	return cs, err
}

func (r *replica) Submission(ctx context.Context, v hub.Viewer, id hub.ID) (hub.Submission, error) {
	r.of.mu.Lock()
	r.read++
	r.of.mu.Unlock()
	return r.Store.Submission(ctx, v, id)
}

// reads gives how often it has read a form back.
func (r *replica) reads() int {
	r.of.mu.Lock()
	defer r.of.mu.Unlock()
	return r.read
}

func (r *replica) Cursor(ctx context.Context, s hub.SystemID) (c hub.Cursor, err error) {
	if err = r.reaches(); err == nil {
		c, err = r.Store.Cursor(ctx, s)
	}
	return c, err
}

func (r *replica) Report(ctx context.Context, s hub.SystemID, rs []hub.Report, next hub.Cursor, now time.Time) (hs []hub.Hearing, err error) {
	if err = r.reaches(); err == nil {
		hs, err = r.Store.Report(ctx, s, rs, next, now)
	}
	return hs, err
}

// sends has the n-th process receive a form.
func (s *several) sends(n int, instance string) hub.Received {
	s.t.Helper()
	s.hub = s.all[n].hub
	return s.send(instance, "1")
}

// noRegister is a route that asks nobody.
func noRegister(s *several, o *hub.Options) { s.route.Enrich = nil }

// What one process has in hand when it dies another one takes over within seconds: it asks
// about what may have been sent, and sends nothing twice.
func TestAnotherProcessTakesOver(t *testing.T) {
	for _, tc := range []struct {
		name, why string
		hang      func(*several)
		inHand    func(*several, hub.Case) hub.Lease // of what is under way
	}{
		{"while the system is called", "what may have been taken is asked about",
			func(s *several) { s.diarium.slow = time.Hour }, func(s *several, c hub.Case) hub.Lease {
				if s.diarium.seen() == 0 {
					return hub.Lease{}
				}
				return c.Deliveries[0].Lease
			}},
		{"while a register is asked", "it is asked again",
			func(s *several) { s.register.slow = time.Hour }, func(_ *several, c hub.Case) hub.Lease { return c.Submissions[0].Lease }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			shared(t, 2, nil, func(s *several) {
				tc.hang(s)
				r := s.sends(0, "1")
				time.Sleep(time.Second) // whoever takes it up has done so, and waits
				var had hub.Lease
				s.until(r, "in hand", func(c hub.Case, _ hub.Progress) bool { had = tc.inHand(s, c); return had.Boot != "" })
				s.all[slices.IndexFunc(s.all, func(r *replica) bool { return r.boot == had.Boot })].dies()
				s.diarium.hurries()
				s.register.hurries()
				died := time.Now()
				s.until(r, "delivered", func(c hub.Case, _ hub.Progress) bool { return c.Step == hub.Registrerat })
				if took := time.Since(died); took > 8*time.Second { // two looks, and the questions that a lag of 2 s wants
					t.Errorf("it took %s: %s", took, tc.why)
				}
				s.completed(r)
				if n := s.diarium.seen(); n != 1 {
					t.Errorf("%d posts, want 1: %s", n, tc.why)
				}
			})
		})
	}
}

// One of the processes asks a system what is new; when it is no more another one does, not
// more seldom than it was asked before.
func TestOneProcessAsksWhatIsNew(t *testing.T) {
	shared(t, 3, func(s *several, o *hub.Options) {
		o.Systems[1].Poll, o.Systems[1].Concurrency = 30*time.Second, 1 // which two of them have no part in
		o.Systems[1].Tracker = inquired{s.diarium, s}
	}, func(s *several) {
		time.Sleep(10 * time.Minute)
		if n := len(s.questions()); n < 19 || n > 21 {
			t.Fatalf("asked %d times in ten minutes, want each half minute", n)
		}
		leader := s.duties["track k.diarium"]
		leader.dies()
		before := len(s.questions())
		time.Sleep(10 * time.Minute)
		after := s.questions()[before-1:]
		for i, at := range after[1:] {
			if gap := at.Sub(after[i]); gap > 31*time.Second {
				t.Errorf("not asked for %s", gap)
			}
		}
		if n := len(after) - 1; n < 19 || n > 21 {
			t.Errorf("asked %d times in the ten minutes after a death", n)
		}
	})
}

// inquired is a Tracker that is counted how often it is asked.
type inquired struct {
	hub.Tracker
	by *several
}

func (i inquired) Changes(ctx context.Context, since hub.Cursor) ([]hub.Report, hub.Cursor, error) {
	i.by.mu.Lock()
	i.by.asked = append(i.by.asked, time.Now())
	i.by.mu.Unlock()
	return i.Tracker.Changes(ctx, since)
}

func (s *several) questions() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

// A platform is asked once what it sent on a day, and not by each process.
func TestAPlatformIsCountedOnce(t *testing.T) {
	asked := &tally{}
	shared(t, 3, func(_ *several, o *hub.Options) { o.Systems[3].Counter = asked }, func(s *several) {
		time.Sleep(30 * time.Minute)
		asked.mu.Lock()
		defer asked.mu.Unlock()
		for day, n := range asked.days {
			if n != 1 {
				t.Errorf("asked %d times about %s", n, day)
			}
		}
		if len(asked.days) == 0 {
			t.Error("not asked")
		}
	})
}

// A tally is a platform that sent nothing, and says so; it counts the questions.
type tally struct {
	mu   sync.Mutex
	days map[hub.Date]int
}

func (c *tally) Sent(_ context.Context, _ string, from, _ time.Time) ([]hub.Sent, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.days == nil {
		c.days = map[hub.Date]int{}
	}
	c.days[hub.DayOf(from)]++
	return nil, nil
}

// One file is read into a register at a time, also by different processes; and the next one may
// be when that has ended, or its process.
func TestOneFileIsReadAtATime(t *testing.T) {
	for _, tc := range []struct {
		name string
		ends func(first *replica, reading importer)
	}{
		{"read to its end", func(_ *replica, reading importer) { reading <- struct{}{} }},
		{"its process died", func(first *replica, _ importer) { first.dies() }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var reading importer
			shared(t, 2, func(_ *several, o *hub.Options) {
				reading = make(importer)
				o.Systems[0].Importer = reading
			}, func(s *several) {
				feed := func(r *replica) error {
					_, err := r.hub.Import(context.Background(), "k.navet", strings.NewReader(""), nil)
					return err
				}
				go feed(s.all[0])
				time.AfterFunc(10*time.Second, func() { close(reading) })
				time.Sleep(time.Second)
				if err := feed(s.all[1]); !errors.Is(err, hub.ErrImporting) {
					t.Errorf("while another process reads one: %v", err)
				}
				tc.ends(s.all[0], reading)
				time.Sleep(time.Second)
				if err := feed(s.all[1]); err != nil {
					t.Errorf("afterwards: %v", err)
				}
			})
		})
	}
}

// An importer has read a file when it is told so.
type importer chan struct{}

func (i importer) Import(context.Context, io.Reader, func(hub.Imported)) (hub.Imported, error) {
	<-i
	return hub.Imported{}, nil
}

func (i importer) Fed(context.Context) (hub.Fed, error) { return hub.Fed{}, nil }

// A limit that somebody has written is what the system stands, of all processes together;
// they use all of it, also when there are fewer of them; and where nobody has written one,
// more processes do more.
func TestALimitIsShared(t *testing.T) {
	for _, tc := range []struct {
		name, why   string
		concurrency int
		least, most int // calls at a time, at the peak
		then, still int // when one of three has died
	}{
		{"one call at a time", "one of them makes it", 1, 1, 1, 1, 1},
		{"four", "what cannot be divided is somebody's", 4, 4, 4, 4, 4},
		{"nobody has written it", "each makes the usual eight, or nearly", 0, 17, 24, 9, 16},
	} {
		t.Run(tc.name, func(t *testing.T) {
			shared(t, 3, func(s *several, o *hub.Options) {
				noRegister(s, o)
				o.Systems[1].Concurrency = tc.concurrency
			}, func(s *several) {
				s.diarium.slow = 10 * time.Second
				time.Sleep(10 * time.Second)
				for n := range 4 * tc.most {
					s.sends(n%3, fmt.Sprint(n))
				}
				time.Sleep(25 * time.Second)
				if peak := s.diarium.peak(); peak < tc.least || peak > tc.most {
					t.Errorf("%d at a time, want %d to %d: %s", peak, tc.least, tc.most, tc.why)
				}
				s.all[1].dies()
				time.Sleep(30 * time.Second) // what it had under way comes to its end
				s.diarium.peak()
				for n := range 4 * tc.still {
					s.sends(n%2*2, fmt.Sprint("then ", n))
				}
				time.Sleep(25 * time.Second)
				if peak := s.diarium.peak(); peak < tc.then || peak > tc.still {
					t.Errorf("%d at a time, want %d to %d, when one of the processes is no more: %s", peak, tc.then, tc.still, tc.why)
				}
			})
		})
	}
}

// A register that takes one call at a time is asked by the process whose it is, and forms that
// came to another one find their way there.
func TestARegisterThatOneProcessAsks(t *testing.T) {
	shared(t, 3, func(_ *several, o *hub.Options) { o.Systems[0].Concurrency = 1 }, func(s *several) {
		time.Sleep(10 * time.Second)
		var all []hub.Received
		for n := range 30 {
			all = append(all, s.sends(n%3, fmt.Sprint(n)))
		}
		begun := time.Now()
		for _, r := range all {
			s.completed(r)
		}
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

// A pace is shared too.
func TestAPaceIsShared(t *testing.T) {
	shared(t, 3, func(s *several, o *hub.Options) {
		noRegister(s, o)
		o.Systems[1].Pace = 3
	}, func(s *several) {
		time.Sleep(10 * time.Second)
		for n := range 100 {
			s.sends(n%3, fmt.Sprint(n))
		}
		time.Sleep(20 * time.Second)
		if n := s.diarium.seen(); n < 55 || n > 66 {
			t.Errorf("%d calls in 20 s, want about 60", n)
		}
	})
}

// What is paused at one process is called by none, two looks later at the latest.
func TestAPauseIsHeededByAll(t *testing.T) {
	shared(t, 3, noRegister, func(s *several) {
		s.hub = s.all[2].hub
		s.pause("k.diarium")
		time.Sleep(2*time.Second + time.Millisecond)
		for n, r := range s.all {
			if c := r.hub.Circuits()[1]; c.Cause != hub.Paused {
				t.Errorf("at process %d the circuit says %q", n, c.Cause)
			}
			s.sends(n, fmt.Sprint(n))
		}
		time.Sleep(time.Minute)
		if n := s.diarium.seen(); n != 0 {
			t.Errorf("%d calls of a system that is paused", n)
		}
	})
}

// For some minutes nobody reaches the Store. What was under way is written down afterwards,
// nothing is sent twice, and the log tells of it once.
func TestTheStoreIsGoneForMinutes(t *testing.T) {
	var said bytes.Buffer
	shared(t, 3, func(s *several, o *hub.Options) {
		noRegister(s, o)
		o.Log = slog.New(slog.NewTextHandler(&locked{w: &said}, nil))
	}, func(s *several) {
		s.diarium.slow = 5 * time.Second
		var all []hub.Received
		for n := range 12 {
			all = append(all, s.sends(n%3, fmt.Sprint(n)))
		}
		time.Sleep(2 * time.Second)
		s.cuts(true)
		time.Sleep(150 * time.Second)
		if _, err := s.hub.Receive(context.Background(), hub.Arrival{}); !errors.Is(err, hub.ErrUnreachable) {
			t.Errorf("a form that comes meanwhile: %v", err)
		}
		s.cuts(false)
		back := time.Now()
		for _, r := range all {
			s.completed(r)
		}
		if took := time.Since(back); took > 30*time.Second {
			t.Errorf("it took %s until all was as before", took)
		}
		if n := s.diarium.seen(); n != len(all) {
			t.Errorf("%d posts for %d forms", n, len(all))
		}
		if n := strings.Count(said.String(), "level=ERROR"); n != len(s.all) {
			t.Errorf("%d errors in the log, want one of each process:\n%s", n, said.String())
		}
	})
}

// locked is a writer for many at a time.
type locked struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// A write whose answer is lost on the way from the Store is made once, whatever it was, and
// the case goes on.
func TestAnAnswerOfTheStoreIsLost(t *testing.T) {
	for n := range 6 {
		t.Run(fmt.Sprint("the first ", n+1), func(t *testing.T) {
			shared(t, 1, nil, func(s *several) {
				s.all[0].losesAnswers(n + 1)
				s.completed(s.sends(0, "1"))
				if n := s.diarium.seen(); n != 1 {
					t.Errorf("%d posts, want 1", n)
				}
			})
		})
	}
}

// What a process that stops has not begun with is taken up by another at once.
func TestAStopHandsBack(t *testing.T) {
	shared(t, 2, nil, func(s *several) {
		s.register.slow = 20 * time.Second
		var all []hub.Received
		for n := range 60 { // more than are looked up at a time
			all = append(all, s.sends(0, fmt.Sprint(n)))
		}
		time.Sleep(time.Second)
		go s.all[0].stop()
		time.Sleep(time.Second)
		waiting := 0
		for _, r := range all {
			c, err := s.store.CaseOf(context.Background(), hub.AsHub(), r.Submission.ID)
			if err != nil {
				t.Fatal(err)
			}
			p := c.Find(hub.Key(r.Submission.ID))
			if p.State == hub.Accepted && p.Lease.Boot == "replica-1" && !p.Waiting {
				waiting++
			}
		}
		if waiting > 0 {
			t.Errorf("%d forms still wait in the memory of a process that stops", waiting)
		}
		late := s.sends(0, "late")
		if p := late.Case.Find(hub.Key(late.Submission.ID)); p.Lease.Boot != "" {
			t.Errorf("a form that came to it last waits in its memory")
		}
		for _, r := range append(all, late) {
			s.completed(r)
		}
	})
}

// What a process keeps in memory of forms that others have delivered does not fill it for ever.
func TestWhatOthersDeliveredIsForgotten(t *testing.T) {
	shared(t, 2, func(s *several, o *hub.Options) {
		s.route.Enrich, s.route.Legs = nil, []hub.Leg{{Name: "diarium", To: "k.diarium", On: hub.First, Mapping: volume{}}}
		o.Systems[1].Can = hub.Capabilities{"case": {Level: hub.Idempotent}}
		o.Systems[1].Concurrency = 1
		o.Systems[3].Teller = nil
	}, func(s *several) {
		time.Sleep(10 * time.Second)
		s.completed(s.sends(0, "whose turn it is"))
		s.mu.Lock()
		delivers := slices.IndexFunc(s.all, func(r *replica) bool { return r.claimed["k.diarium"] > 0 })
		s.mu.Unlock()
		plans := 1 - delivers
		for n := range 8 {
			s.completed(s.sends(plans, fmt.Sprint(n)))
		}
		s.all[delivers].dies()
		time.Sleep(15 * time.Minute)
		before := s.all[plans].reads()
		s.completed(s.sends(plans, "last"))
		if n := s.all[plans].reads() - before; n != 0 {
			t.Errorf("what had just come in was read back %d times", n)
		}
	})
}

// volume is a mapping that makes much of little.
type volume struct{}

func (volume) Operation() string { return "case" }

func (volume) Render(hub.Known) (hub.Document, error) {
	return hub.NewDocument("text/plain", bytes.Repeat([]byte("x"), 9<<20)), nil
}

// While configurations change one process at a time, one that has the older one holds nothing
// for want of what the others know of.
func TestAnOlderConfigurationHoldsNothing(t *testing.T) {
	shared(t, 1, noRegister, func(s *several) {
		older := s.all[0]
		later := s.like(func(r *replica, o *hub.Options) {
			o.Bundle = &hub.Bundle{Revision: "rev2", Archive: []byte("y"), Municipalities: o.Bundle.Municipalities}
			added := *s.route
			added.Service = "703"
			added.Legs = []hub.Leg{{Name: "nytt", To: "k.nytt", Mapping: paper{"case"}, On: hub.First}}
			o.Bundle.Routes = []*hub.Route{s.route, &added}
			o.Systems = append(slices.Clone(o.Systems), hub.Opened{ID: "k.nytt", Concurrency: 1, System: hub.System{
				Destination: s.bygg, Can: hub.Capabilities{"case": {Level: hub.Idempotent}},
			}})
		})
		s.bygg.slow = time.Minute
		var all []hub.Received
		for n := range 5 {
			for _, r := range []*replica{older, later} {
				s.hub = r.hub
				all = append(all, s.sendFor("703", fmt.Sprint(r.boot, n), "1"))
			}
		}
		for _, r := range all {
			c := s.until(r, "done", func(_ hub.Case, p hub.Progress) bool {
				return p.State == hub.Completed || p.State == hub.Held || p.State == hub.Attention
			})
			if p := c.Find(hub.Key(r.Submission.ID)); p.State != hub.Completed {
				t.Errorf("%s: %s %s", p.State, p.Reason, p.Note)
			}
		}
	})
}

// Clocks that stand some seconds apart make no two processes work on the same row.
func TestClocksThatDiffer(t *testing.T) {
	shared(t, 1, noRegister, func(s *several) {
		s.like(func(r *replica, _ *hub.Options) { r.clock = 5 * time.Second })
		s.like(func(r *replica, _ *hub.Options) { r.clock = -5 * time.Second })
		s.diarium.slow = time.Second
		var all []hub.Received
		for n := range 60 {
			all = append(all, s.sends(n%3, fmt.Sprint(n)))
		}
		for _, r := range all {
			s.completed(r)
		}
		if n := s.diarium.seen(); n != len(all) {
			t.Errorf("%d posts for %d forms", n, len(all))
		}
	})
}

// A bus that cannot be heard at the start costs latency and nothing else.
func TestABusThatCannotBeHeard(t *testing.T) {
	shared(t, 2, func(s *several, o *hub.Options) { noRegister(s, o); o.Bus = deaf{} }, func(s *several) {
		s.completed(s.sends(0, "1"))
	})
}

// deaf is a bus that is down.
type deaf struct{ silence }

func (deaf) Wakes(context.Context) (<-chan hub.Wake, error) { return nil, errors.New("no broker") }
