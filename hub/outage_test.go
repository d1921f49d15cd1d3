package hub_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/config"
)

// An outage is a normal state: these tests take systems away for hours, weekends and
// weeks, and count what a person would have had to do about it.

// status gives what a connector says of an HTTP status.
func status(code int, header http.Header) func() error {
	return func() error { return hub.ByStatus(&http.Response{StatusCode: code, Header: header}, time.Now()) }
}

func gives(err error) func() error { return func() error { return err } }

// outages are the ways in which a system is out of order, as a connector tells of them.
var outages = []struct {
	name  string
	fault func() error
	takes bool // the system takes what it is given, and nobody hears of it
	cause hub.Cause
	note  string
}{
	{"nobody answers", gives(hub.Unavailable(errors.New("nothing was sent: no connection"), hub.Down)), false, hub.Down, "nothing was sent: no connection"},
	{"its name is not found", gives(fmt.Errorf("call: %w", hub.Unavailable(errors.New("nothing was sent: no connection"), hub.Down))), false, hub.Down, "call: nothing was sent: no connection"},
	{"401", status(401, nil), false, hub.Credentials, "HTTP status 401"},
	{"404", status(404, nil), false, hub.AddressChanged, "HTTP status 404"},
	{"302", status(302, nil), true, hub.AddressChanged, "HTTP status 302"},
	{"500", status(500, nil), true, hub.Down, "HTTP status 500"},
	{"503", status(503, nil), false, hub.Busy, "HTTP status 503"},
	{"a login page", gives(hub.Strange(errors.New("the answer is no reply"))), false, hub.ContractBroken, "the answer is no reply"},
	{"silence, with the form in it", gives(errors.New("sent, but no answer came")), true, hub.Down, "sent, but no answer came"},
	{"silence, with nothing in it", gives(errors.New("sent, but no answer came")), false, hub.Down, "sent, but no answer came"},
	{"its own look-ups fail", gives(hub.Later(errors.New("GetCases: HTTP status 500"), 0)), false, hub.Down, "GetCases: HTTP status 500"},
}

// From Friday 17:00 to Monday 08:00 the diarium is out of order, and forms and completions
// come in all the time. On Monday all are delivered, and nobody has touched anything.
func TestAWeekendIsANormalState(t *testing.T) {
	for _, o := range outages {
		t.Run(o.name, func(t *testing.T) {
			weathered(t, "2026-03-06 16:00", time.Hour, func(w *weather) {
				var all, firsts []hub.Received
				arrive := func() {
					n := len(firsts)
					firsts = append(firsts, w.receives("1080", n, 1))
					all = append(all, firsts[n])
					if n%3 == 2 { // and a completion of an earlier case
						all = append(all, w.receives("1080", n-1, 2))
					}
				}
				arrive()
				sleepUntil("2026-03-06 17:00")
				w.diarium.set(func(f *fragile) { f.takes = o.takes })
				w.diarium.breaks(o.fault)
				incidents := map[time.Time]bool{}
				for time.Now().Before(at("2026-03-09 08:00")) {
					arrive()
					time.Sleep(2 * time.Hour)
					c := w.circuit("k.diarium")
					if len(firsts) > 10 && (c.Cause != o.cause || c.Note != o.note) {
						t.Fatalf("at %s the circuit says %+v, want %s, %q", time.Now(), c, o.cause, o.note)
					}
					if c.Cause != "" {
						incidents[c.Since] = true
					}
					if n := w.held(); n != 0 {
						t.Fatalf("at %s, %d rest with a person", time.Now(), n)
					}
					last := w.caseOf(firsts[len(firsts)-1])
					if last.Step != hub.Inkommet || w.circuit("k.bygg").Cause != "" {
						t.Fatalf("the citizen reads %s; the building system's circuit %+v", last.Step, w.circuit("k.bygg"))
					}
				}
				if len(incidents) != 1 {
					t.Errorf("one outage is %d incidents", len(incidents))
				}
				w.diarium.breaks(nil)
				time.Sleep(8 * time.Hour)
				w.wantDone(all)
				w.wantOrder(all)
				if n := w.held(); n != 0 || w.circuit("k.diarium").Cause != "" {
					t.Errorf("%d rest with a person, the circuit says %+v", n, w.circuit("k.diarium"))
				}
				w.wantAsked(o.takes)
			})
		})
	}
}

// wantOrder demands that the diarium took each case before its completions.
func (w *weather) wantOrder(all []hub.Received) {
	w.t.Helper()
	latest, taken := map[hub.CaseID]int{}, w.diarium.taken()
	for _, r := range all {
		for _, d := range w.caseOf(r).Deliveries {
			if d.Submission != r.Submission.ID || d.System != "k.diarium" {
				continue
			}
			place := slices.Index(taken, d.Key)
			if before, later := latest[r.Case.ID]; later && place < before {
				w.t.Errorf("%s was taken before what came before it", d.Key)
			}
			latest[r.Case.ID] = place
		}
	}
}

// wantAsked demands that what the diarium had taken was never sent again, and that
// nothing was sent again after a don't know without a question.
func (w *weather) wantAsked(takes bool) {
	w.t.Helper()
	posts := map[hub.Key]int{}
	for _, p := range w.diarium.ledger(0) {
		if posts[p.key]++; takes && posts[p.key] > 1 {
			w.t.Errorf("%s was taken, and was sent again", p.key)
		}
	}
	if n := len(slices.Collect(maps.Keys(posts))); n != len(w.diarium.taken()) {
		w.t.Errorf("%d were sent and %d taken", n, len(w.diarium.taken()))
	}
}

// From 20 December to 7 January three systems are out of order, each in its own way: the
// diarium is silent, the building system is silent and recognises what it has, and the
// register refuses our certificate.
func TestChristmasIsANormalState(t *testing.T) {
	weathered(t, "2025-12-19 08:00", 3*time.Hour, func(w *weather) {
		asks(w.karlskrona, "k.navet")
		all := []hub.Received{w.receives("1080", 0, 1)}
		sleepUntil("2025-12-20 15:00")
		w.diarium.set(func(f *fragile) { f.takes = true })
		w.diarium.breaks(gives(errLine))
		w.bygg.breaks(gives(errLine))
		for n := 1; n < 8; n++ { // planned before the register goes
			all = append(all, w.receives("1080", n, 1))
		}
		sleepUntil("2025-12-20 20:00")
		w.navet.breaks(gives(hub.Unavailable(errLine, hub.Credentials)))
		for _, wall := range []string{
			"2025-12-24 15:00", "2025-12-26 09:00", "2025-12-31 23:59:59", "2026-01-01 00:00:10", "2026-01-06 12:00",
		} {
			sleepUntil(wall)
			all = append(all, w.receives("1080", len(all), 1))
		}
		sleepUntil("2026-01-07 07:59")
		if n := w.held(); n != 0 {
			t.Errorf("%d rest with a person", n)
		}
		for id, began := range map[hub.SystemID]string{
			"k.diarium": "2025-12-20 15:00", "k.bygg": "2025-12-20 15:00", "k.navet": "2025-12-24 15:00",
		} {
			if c := w.circuit(id); c.Cause == "" || c.Since.Before(at(began)) || c.Since.After(at(began).Add(24*time.Hour)) {
				t.Errorf("the circuit says %+v, want an outage since %s", c, began)
			}
		}
		for _, f := range []*fragile{w.diarium, w.bygg, w.navet} {
			f.breaks(nil)
		}
		time.Sleep(12 * time.Hour)
		w.wantDone(all)
		w.wantAsked(true)
		newYear := hub.KeyOf(all[10].Submission.ID, "diarium")
		if got := w.diarium.document(newYear); got != "inkom 2025-12-31 23:59:29" {
			t.Errorf("what came in last year says %q", got)
		}
	})
}

// asks has a route ask a register.
func asks(r *hub.Route, register hub.SystemID) {
	whom := func(hub.Known) ([]hub.Party, error) { return []hub.Party{{ID: alva}}, nil }
	r.Enrich = []hub.Enrichment{{Register: register, As: "sökande", Find: whom}}
}

// After an outage one call tries, and then twice as many as were answered may go at once.
// What waited longest goes first.
func TestRecoveryIsARamp(t *testing.T) {
	weathered(t, "2026-03-06 16:00", time.Second, func(w *weather) {
		w.diarium.breaks(status(401, nil))
		var all []hub.Received
		for n := range 60 {
			all = append(all, w.receives("1080", n, 1))
			time.Sleep(time.Millisecond)
		}
		time.Sleep(25 * time.Second)
		before := len(w.diarium.ledger(0))
		w.diarium.set(func(f *fragile) { f.slow = 5 * time.Second })
		w.diarium.breaks(nil)
		time.Sleep(3 * time.Minute)
		w.wantDone(all)
		posts := w.diarium.ledger(0)
		probed, waited, most := map[hub.Key]bool{}, []hub.Key{}, 0
		for _, p := range posts[:before] {
			probed[p.key] = true
		}
		for _, p := range posts[before:] {
			answers := int(p.at.Sub(posts[before].at) / (5 * time.Second)) // that each who goes at once has had
			if limit := 1 << min(answers, 3); p.under > limit {
				t.Errorf("%s after the first, %d are under way, want at most %d", p.at.Sub(posts[before].at), p.under, limit)
			}
			if most = max(most, p.under); !probed[p.key] {
				waited = append(waited, p.key)
			}
		}
		if most != 8 {
			t.Errorf("%d were under way at the most, want all 8 that the system bears", most)
		}
		for i, k := range slices.Sorted(slices.Values(waited)) {
			if place := slices.Index(waited, k); place < i-8 || place > i+8 {
				t.Errorf("the one that came as number %d went as number %d", i+1, place+1)
			}
		}
	})
}

// A system that goes down again on its way up is in the same outage, and is left alone
// but for its probes.
func TestARelapseIsTheSameOutage(t *testing.T) {
	weathered(t, "2026-03-06 16:00", time.Second, func(w *weather) {
		w.diarium.breaks(gives(hub.Unavailable(errLine, hub.Down)))
		var all []hub.Received
		for n := range 40 {
			all = append(all, w.receives("1080", n, 1))
		}
		time.Sleep(time.Minute)
		began := w.circuit("k.diarium").Since
		w.diarium.set(func(f *fragile) { f.slow = 5 * time.Second })
		w.diarium.breaks(nil)
		for len(w.diarium.ledger(0))-w.diarium.failed() < 3 {
			time.Sleep(100 * time.Millisecond)
		}
		w.diarium.set(func(f *fragile) { f.slow = 0 })
		w.diarium.breaks(gives(hub.Unavailable(errLine, hub.Down)))
		time.Sleep(30 * time.Second)
		before := len(w.diarium.ledger(0))
		time.Sleep(10 * time.Minute)
		if n := len(w.diarium.ledger(before)); n < 15 || n > 25 {
			t.Errorf("%d probes in ten minutes, want one each half minute", n)
		}
		if c := w.circuit("k.diarium"); !c.Since.Equal(began) {
			t.Errorf("the outage began at %s, and now at %s", began, c.Since)
		}
		w.diarium.breaks(nil)
		time.Sleep(10 * time.Minute)
		w.wantDone(all)
	})
}

// A question that could not be put because of an outage is not one that was not answered:
// the day that a system has to answer begins when it is in order.
func TestTheDayToAnswerBeginsAfterTheOutage(t *testing.T) {
	now := at("2026-03-06 17:00")
	lease := hub.Lease{Boot: "b", Token: 1, Until: now.Add(time.Hour)}
	c := hub.Case{Deliveries: []hub.Progress{{Key: "k", Kind: hub.DocumentKind, State: hub.Unknown, Level: hub.Lookup, Attempts: 1, Asking: now, Due: now}}}
	for _, step := range []struct {
		after   time.Duration
		finding hub.Finding
		want    hub.State
	}{
		{time.Hour, hub.Broken, hub.Unknown},
		{63 * time.Hour, hub.OutOfOrder, hub.Unknown},
		{64 * time.Hour, hub.Broken, hub.Unknown},
		{86 * time.Hour, hub.Broken, hub.Unknown},
		{88 * time.Hour, hub.Broken, hub.Held},
	} {
		when := hub.When{At: now.Add(step.after)}
		claimed, _, err := hub.Next(c, hub.Claimed{When: when, Key: "k", Lease: lease})
		if err != nil {
			t.Fatal(err)
		}
		if c, _, err = hub.Next(claimed, hub.Asked{When: when, Key: "k", Lease: lease, Finding: step.finding}); err != nil {
			t.Fatal(err)
		}
		if got := c.Deliveries[0].State; got != step.want {
			t.Errorf("after %s and %s it is %s, want %s", step.after, step.finding, got, step.want)
		}
	}
}

// A system that goes up and down is asked little while it is down, and everything gets
// there.
func TestASystemThatFlaps(t *testing.T) {
	for _, fault := range []error{hub.Unavailable(errLine, hub.Down), errLine} {
		weathered(t, "2026-03-06 16:00", 5*time.Second, func(w *weather) {
			w.diarium.set(func(f *fragile) { f.slow = 20 * time.Second })
			var all []hub.Received
			for n := range 100 {
				all = append(all, w.receives("1080", n, 1))
			}
			for range 10 {
				w.diarium.breaks(gives(fault))
				time.Sleep(time.Minute)
				w.diarium.breaks(nil)
				time.Sleep(time.Minute)
			}
			time.Sleep(20 * time.Minute)
			if n := w.held(); n != 0 {
				t.Errorf("%d rest with a person", n)
			}
			w.wantDone(all)
			if n := len(w.diarium.ledger(0)); n > 500 {
				t.Errorf("%d posts for 100 forms", n)
			}
		})
	}
}

// To who can neither recognise nor be asked, a probe that is not answered costs a
// person's time: a weekend costs few.
func TestAWeekendCostsABlindSystemLittle(t *testing.T) {
	weathered(t, "2026-03-06 16:00", 5*time.Minute, func(w *weather) {
		w.karlskrona.Legs = []hub.Leg{{Name: "blind", To: "k.bygg", Mapping: dated{"unknown"}}}
		w.tune = func(o *hub.Options) {
			w.furnish(o)
			o.Systems[1].Can = hub.Capabilities{"unknown": {Level: hub.Blind}}
		}
		w.restart()
		w.bygg.breaks(gives(errLine))
		for n := range min(150, many/10) {
			w.receives("1080", n, 1)
			time.Sleep(24 * time.Minute)
		}
		if n := w.held(); n == 0 || n > 80 {
			t.Errorf("%d rest with a person after %s, want one an hour at the most", n, 150*24*time.Minute)
		}
		w.bygg.breaks(nil)
	})
}

// What a system asks for is heard, within reason.
func TestRetryAfterIsHeardWithinReason(t *testing.T) {
	for _, tc := range []struct {
		header      string
		least, most time.Duration
	}{
		{"999999999", 6 * time.Hour, 6*time.Hour + 3*time.Minute},
		{"99999999999999999999999", 6 * time.Hour, 6*time.Hour + 3*time.Minute},
		{"-1", time.Second, 20 * time.Second},
		{"0", time.Second, 20 * time.Second},
		{"Fri, 31 Dec 1999 23:59:59 GMT", time.Second, 20 * time.Second},
		{"Sat, 07 Mar 2026 15:00:00 GMT", 6 * time.Hour, 6*time.Hour + 3*time.Minute},
		{"tomorrow", time.Second, 20 * time.Second},
		{"1800", 30 * time.Minute, 31 * time.Minute},
	} {
		for _, code := range []int{429, 503} {
			t.Run(fmt.Sprint(code, " ", tc.header), func(t *testing.T) {
				weathered(t, "2026-03-06 16:00", min(tc.most/5, 2*time.Minute), func(w *weather) {
					w.diarium.breaks(status(code, http.Header{"Retry-After": {tc.header}}))
					r := w.receives("1080", 1, 1)
					time.Sleep(500 * time.Millisecond)
					w.diarium.breaks(nil)
					time.Sleep(tc.most + time.Minute)
					w.wantDone([]hub.Received{r})
					posts := w.diarium.ledger(0)
					if len(posts) != 2 {
						t.Fatalf("%d posts", len(posts))
					}
					if wait := posts[1].at.Sub(posts[0].at); wait < tc.least || wait > tc.most {
						t.Errorf("it waited %s, want %s to %s", wait, tc.least, tc.most)
					}
				})
			})
		}
	}
}

// A planned window is an outage that nobody is alarmed by.
func TestAPlannedWindow(t *testing.T) {
	for _, tc := range []struct {
		name                string
		window              config.Window
		begin, during, ends string
		length              time.Duration
	}{
		{"mon 18:00-20:00", config.Window{Day: time.Monday, From: 18 * 60, Until: 20 * 60},
			"2026-03-09 17:30", "2026-03-09 18:00", "2026-03-09 20:00", 2 * time.Hour},
		{"over midnight", config.Window{Day: time.Wednesday, From: 23 * 60, Until: 2 * 60},
			"2025-12-31 22:00", "2025-12-31 23:00", "2026-01-01 02:00", 3 * time.Hour},
		{"when summer begins", config.Window{Day: time.Sunday, From: 60, Until: 4 * 60},
			"2026-03-29 00:30", "2026-03-29 01:00", "2026-03-29 04:00", 2 * time.Hour},
		{"when summer ends", config.Window{Day: time.Sunday, From: 60, Until: 4 * 60},
			"2026-10-25 00:30", "2026-10-25 01:00", "2026-10-25 04:00", 4 * time.Hour},
	} {
		t.Run(tc.name, func(t *testing.T) {
			weathered(t, tc.begin, 5*time.Minute, func(w *weather) {
				asks(w.karlskrona, "k.navet")
				w.closed = tc.window.Holds
				w.restart()
				begin, ends := at(tc.during), at(tc.ends)
				if d := ends.Sub(begin); d != tc.length {
					t.Fatalf("the window lasts %s, want %s", d, tc.length)
				}
				all := []hub.Received{w.receives("1080", 0, 1)}
				for n := 1; time.Now().Before(ends.Add(-21 * time.Minute)); n++ {
					time.Sleep(20 * time.Minute)
					all = append(all, w.receives("1080", n, 1))
					for _, c := range w.hub.Circuits() {
						if c.Cause != "" {
							t.Fatalf("an incident in the window: %+v", c)
						}
					}
				}
				time.Sleep(time.Until(ends.Add(15 * time.Minute)))
				w.wantDone(all)
				if n := w.held(); n != 0 {
					t.Errorf("%d rest with a person", n)
				}
				for _, f := range []*fragile{w.diarium, w.bygg, w.navet} {
					for _, p := range f.ledger(0) {
						if !p.at.Before(begin) && p.at.Before(ends) {
							t.Fatalf("a call at %s", p.at.In(hub.Stockholm))
						}
					}
				}
			})
		})
	}
}

// A register that is down for days costs its own municipality's forms time, and nothing
// else. It is asked now and then, however many wait for it.
func TestARegisterIsDownForDays(t *testing.T) {
	weathered(t, "2026-03-06 16:00", 30*time.Minute, func(w *weather) {
		asks(w.karlskrona, "k.navet")
		asks(w.eslovs, "e.navet")
		w.navet.breaks(gives(hub.Unavailable(errLine, hub.Credentials)))
		var waiting, eslov []hub.Received
		for n := range 6 {
			waiting = append(waiting, w.receives("1080", n, 1))
		}
		for n := range 24 {
			eslov = append(eslov, w.receives("1285", n, 1))
			time.Sleep(30 * time.Minute)
			if c := w.caseOf(eslov[n]); c.Step != hub.Registrerat {
				t.Fatalf("a form of another municipality is at %s", c.Step)
			}
			time.Sleep(150 * time.Minute)
		}
		for _, r := range waiting {
			c := w.caseOf(r)
			if s := c.Find(hub.Key(r.Submission.ID)); s.State != hub.EnrichWait && s.State != hub.Enriching || c.Step != hub.Inkommet || s.Crashes != 0 {
				t.Fatalf("it is %+v", s)
			}
		}
		if n := len(w.navet.ledger(0)); n > 72*2*6 {
			t.Errorf("%d calls in three days, want one each time that the six look", n)
		}
		if c := w.circuit("k.navet"); c.Cause != hub.Credentials || time.Since(c.Since) < 71*time.Hour {
			t.Errorf("the circuit says %+v", c)
		}
		if n := w.held(); n != 0 {
			t.Errorf("%d rest with a person", n)
		}
		w.navet.breaks(nil)
		time.Sleep(3 * time.Hour)
		w.wantDone(append(waiting, eslov...))
	})
}

// However many wait for a register, they come back one by one to see whether it is there
// again: waiting costs the hub little.
func TestManyWhoWaitCostLittle(t *testing.T) {
	weathered(t, "2026-03-06 16:00", time.Second, func(w *weather) {
		asks(w.karlskrona, "k.navet")
		postponed := &counting{}
		w.before = func(s hub.Store) hub.Store { postponed.Store = s; return postponed }
		w.restart()
		w.navet.breaks(gives(hub.Unavailable(errLine, hub.Down)))
		var all []hub.Received
		for n := range min(150, many/10) {
			all = append(all, w.receives("1080", n, 1))
		}
		time.Sleep(10 * time.Minute)
		if n := postponed.n.Load(); n < int64(len(all)) || n > 900 {
			t.Errorf("in ten minutes, forms were taken up %d times, want about one a second", n)
		}
		w.navet.breaks(nil)
		time.Sleep(5 * time.Minute)
		w.wantDone(all)
	})
}

// counting is a Store that counts how often a form is put off.
type counting struct {
	hub.Store
	n atomic.Int64
}

func (c *counting) Settle(ctx context.Context, id hub.CaseID, e hub.Event, f hub.Facts) (hub.Case, hub.Effects, error) {
	if _, ok := e.(hub.Postponed); ok {
		c.n.Add(1)
	}
	return c.Store.Settle(ctx, id, e, f)
}

// many is how many deliveries wait: fewer where each costs ten times as much.
var many = 5000

// Five thousand deliveries wait for one system. It is one incident, it costs little memory,
// and afterwards each case goes by itself: one that a person must see to holds up only itself.
func TestFiveThousandWait(t *testing.T) {
	weathered(t, "2026-03-06 16:00", time.Minute, func(w *weather) {
		w.karlskrona.Legs = slices.Delete(w.karlskrona.Legs, 1, 2)
		w.restart()
		w.diarium.breaks(gives(hub.Unavailable(errLine, hub.Down)))
		all := make([]hub.Received, many)
		var senders sync.WaitGroup
		for s := range 50 {
			senders.Go(func() {
				for n := s; n < many/2; n += 50 {
					all[2*n], all[2*n+1] = w.receives("1080", n, 1), w.receives("1080", n, 2)
				}
			})
		}
		senders.Wait()
		time.Sleep(time.Hour)
		w.restart() // nothing of it is needed in memory
		before := heap()
		time.Sleep(time.Hour)
		if grown := heap() - before; grown > 16<<20 {
			t.Errorf("waiting has cost %d MiB", grown>>20)
		}
		if c := w.circuit("k.diarium"); c.Cause != hub.Down || w.held() != 0 {
			t.Errorf("the circuit says %+v, %d rest with a person", c, w.held())
		}
		w.diarium.set(func(f *fragile) { f.refused = hub.KeyOf(all[0].Submission.ID, "diarium") })
		w.diarium.breaks(nil)
		time.Sleep(time.Hour)
		if n := w.held(); n != 1 {
			t.Errorf("%d rest with a person, want the one case", n)
		}
		if n := len(w.diarium.taken()); n != many-2 {
			t.Errorf("%d of %d have been taken", n, many-2)
		}
		w.wantDone(all[2:])
		w.wantOrder(all[2:])
	})
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A municipality that floods a system that others share does not make them wait.
func TestMunicipalitiesTakeTurns(t *testing.T) {
	weathered(t, "2026-03-06 16:00", time.Second, func(w *weather) {
		for _, r := range []*hub.Route{w.karlskrona, w.eslovs} {
			r.Legs = []hub.Leg{{Name: "diarium", To: "k.diarium", Mapping: dated{"case"}, Step: hub.Registrerat, Voice: true}}
		}
		w.diarium.set(func(f *fragile) { f.slow = time.Second })
		w.diarium.breaks(gives(hub.Unavailable(errLine, hub.Down)))
		for n := range 200 {
			w.receives("1080", n, 1)
		}
		time.Sleep(time.Minute)
		eslov := w.receives("1285", 1, 1)
		w.diarium.breaks(nil)
		for w.caseOf(eslov).Step != hub.Registrerat {
			time.Sleep(100 * time.Millisecond)
		}
		if n := len(w.diarium.taken()); n > 20 {
			t.Errorf("it waited for %d of another municipality", n)
		}
		w.diarium.set(func(f *fragile) { f.slow = 0 })
		time.Sleep(time.Minute)
	})
}

// While forms come in as fast as they can be received, those that have come in are
// delivered: accepting never starves delivering.
func TestAFloodStarvesNoDelivery(t *testing.T) {
	weathered(t, "2026-03-06 16:00", time.Second, func(w *weather) {
		const senders, each = 16, 50
		var flood sync.WaitGroup
		var mu sync.Mutex
		var all []hub.Received
		for s := range senders {
			flood.Go(func() {
				for n := range each {
					r, err := w.post("1080", s*each+n, 1)
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					all = append(all, r)
					mu.Unlock()
				}
			})
		}
		flood.Wait()
		delivered := len(w.diarium.ledger(0))
		if delivered < len(all)/20 {
			t.Errorf("only %d of %d were delivered while the others came in", delivered, len(all))
		}
		time.Sleep(time.Minute)
		w.wantDone(all)
	})
}
