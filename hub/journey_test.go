package hub_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

var errLine = errors.New("the line was cut")

func TestAFormGoesAllTheWay(t *testing.T) {
	played(t, func(s *stage) {
		r := s.send("320342", "1")
		c := s.completed(r)
		if c.Step != hub.Registrerat || c.Ref != "SBN 2026/1" {
			t.Errorf("the citizen sees %s, %s", c.Step, c.Ref)
		}
		s.diarium.tells(hub.Report{ID: "1", Ref: "SBN 2026/1", Word: "Under handläggning ", At: time.Now()})
		s.diarium.tells(hub.Report{ID: "2", Ref: "SBN 2026/1", Word: "ett nytt ord", At: time.Now()})
		s.diarium.tells(hub.Report{ID: "3", Ref: "SBN 2026/1", Word: "Beslutat", At: time.Now()})
		s.until(r, "decided", func(c hub.Case, _ hub.Progress) bool { return c.Step == hub.Beslutat })
		s.until(r, "told", func(c hub.Case, _ hub.Progress) bool {
			for _, d := range c.Deliveries {
				if d.Kind == hub.TellingKind && !d.Settled() {
					return false
				}
			}
			return true
		})
		if want := []hub.Step{hub.Registrerat, hub.UnderHandlaggning, hub.Beslutat}; !reflect.DeepEqual(s.platform.told, want) {
			t.Errorf("the platform was told %v, want %v", s.platform.told, want)
		}
		lines, err := s.store.Statuses(context.Background(), hub.AsCitizen(alva), c.ID, 0, 100)
		if err != nil || len(lines) != 4 || lines[0].Step != hub.Inkommet || lines[3].Step != hub.Beslutat {
			t.Errorf("the citizen's stream: %+v, %v", lines, err)
		}
		for i, l := range lines {
			if l.Seq != uint64(i+1) {
				t.Errorf("line %d has number %d: there is a gap", i, l.Seq)
			}
		}
	})
}

func TestALostAnswerNeverMakesTwo(t *testing.T) {
	played(t, func(s *stage) {
		s.diarium.answers = []func() error{func() error { return errLine }}
		s.bygg.answers = []func() error{func() error { return errLine }}
		c := s.completed(s.send("320342", "1"))
		if n := len(s.diarium.posts); n != 1 {
			t.Errorf("the diarium, which can be asked, saw %d posts, want 1", n)
		}
		if n := len(s.bygg.posts); n != 2 || len(s.bygg.taken) != 1 {
			t.Errorf("the building system, which knows our key, saw %d posts and has %d", n, len(s.bygg.taken))
		}
		if c.Ref != "SBN 2026/1" {
			t.Errorf("reference %s", c.Ref)
		}
	})
}

func TestAnAttemptThatNeverArrivedIsSentAgain(t *testing.T) {
	played(t, func(s *stage) {
		s.diarium.refusals = []error{errLine}
		s.completed(s.send("320342", "1"))
		if n := len(s.diarium.posts); n != 2 || len(s.diarium.taken) != 1 {
			t.Errorf("%d posts, %d cases", n, len(s.diarium.taken))
		}
	})
}

func TestARefusalRestsWithAPerson(t *testing.T) {
	played(t, func(s *stage) {
		s.diarium.refusals = []error{hub.Reject(errors.New("HTTP status 422"))}
		c := s.held(s.send("320342", "1"), hub.ReasonRefused)
		if d := c.Deliveries[1]; d.State != hub.Blocked {
			t.Errorf("the building system's file is %s, want BLOCKED: it needs the diarienummer", d.State)
		}
	})
}

func TestAnOutageUsesUpNoAttempts(t *testing.T) {
	played(t, func(s *stage) {
		for range 60 {
			s.diarium.refusals = append(s.diarium.refusals, hub.Unavailable(errLine, hub.Down))
		}
		c := s.completed(s.send("320342", "1"))
		if a := c.Deliveries[0].Attempts; a != 1 {
			t.Errorf("%d attempts were counted, want 1", a)
		}
	})
}

// An hour out of order costs a probe each ten seconds, however many wait; and when it
// is over, they go one, two, four at a time.
func TestOneOutageIsOneIncident(t *testing.T) {
	played(t, func(s *stage) {
		s.diarium.goes(hub.Unavailable(errLine, hub.Credentials))
		var all []hub.Received
		for i := range 40 {
			all = append(all, s.send(fmt.Sprint(i), "1"))
		}
		time.Sleep(time.Hour)
		if n := s.diarium.seen(); n > 3600/10+8 {
			t.Errorf("%d posts in an hour", n)
		}
		c := s.hub.Circuits()[1]
		if c.System != "k.diarium" || c.Cause != hub.Credentials || time.Since(c.Since) < 59*time.Minute {
			t.Errorf("the circuit says %+v", c)
		}
		before := s.diarium.seen()
		s.diarium.slow = 5 * time.Second
		s.diarium.goes(nil)
		for _, r := range all {
			s.completed(r)
		}
		if most := s.diarium.most[before:]; most[0] != 1 || slices.Max(most[:3]) > 2 || slices.Max(most[:7]) > 4 {
			t.Errorf("under way after the outage: %v, want 1, then at most 2, then 4", most)
		}
	})
}

// To a system that can neither recognise nor be asked, each unclear answer costs a
// person's time: a few show that it is out of order, and the rest wait.
func TestAnOutageDoesNotSpendBlindDeliveries(t *testing.T) {
	played(t, func(s *stage) {
		s.route.Legs = []hub.Leg{{Name: "blind", To: "k.diarium", Mapping: paper{"unknown operation"}}}
		s.diarium.goes(errLine)
		for i := range 200 {
			s.send(fmt.Sprint(i), "1")
		}
		time.Sleep(time.Minute)
		counts, err := s.store.Counts(context.Background(), time.Now())
		if n := counts.Held[hub.ReasonUnclear]; err != nil || n == 0 || n > 20 {
			t.Errorf("%d of 200 rest with a person, want a few: %v", n, err)
		}
		s.diarium.goes(nil)
	})
}

func TestASlowRegisterHoldsNobodyElseUp(t *testing.T) {
	played(t, func(s *stage) {
		s.register.slow = 29 * time.Second
		for i := range 200 {
			s.send(fmt.Sprint(i), "1")
		}
		s.end()
		s.route.Enrich = nil // from now on, nobody is asked about
		s.begin()
		begun := time.Now()
		s.completed(s.send("another", "1"))
		if d := time.Since(begun); d > 30*time.Second {
			t.Errorf("a form that asks no register waited %v", d)
		}
	})
}

func TestAPlannedWindowIsWaitedFor(t *testing.T) {
	played(t, func(s *stage) {
		until := time.Now().Add(2 * time.Hour)
		s.closed = func(now time.Time) bool { return now.Before(until) }
		s.restart()
		s.completed(s.send("1", "1"))
		if time.Now().Before(until) || s.bygg.seen() != 1 {
			t.Errorf("%d posts, the last at %v, in a window until %v", s.bygg.seen(), time.Now(), until)
		}
	})
}

func TestAConnectorThatPanicsHurtsOnlyItself(t *testing.T) {
	played(t, func(s *stage) {
		s.diarium.tells(hub.Report{ID: "panic"})
		s.diarium.answers = []func() error{func() error { panic("a connector's bug") }}
		s.completed(s.send("1", "1"))
		if s.diarium.seen() != 1 {
			t.Errorf("%d posts: what panicked may have been taken", s.diarium.seen())
		}
	})
}

// The answer comes when the time for it is over, and it is yes.
func TestALateYesCounts(t *testing.T) {
	played(t, func(s *stage) {
		s.diarium.slow = 11 * time.Minute
		r := s.send("1", "1")
		c := s.until(r, "delivered", func(c hub.Case, _ hub.Progress) bool {
			return len(c.Deliveries) > 0 && c.Deliveries[0].State == hub.Delivered
		})
		if n := s.diarium.seen(); n != 1 || c.Ref == "" {
			t.Errorf("%d posts, reference %q", n, c.Ref)
		}
		s.diarium.hurries()
		s.completed(r)
	})
}

// The Store cannot write what came of an attempt, for a while.
func TestWhatCameOfAnAttemptIsKept(t *testing.T) {
	played(t, func(s *stage) {
		s.before = func(inner hub.Store) hub.Store { return &forgetful{Store: inner, times: 5} }
		s.restart()
		s.completed(s.send("1", "1"))
		if n := s.diarium.seen(); n != 1 {
			t.Errorf("%d posts", n)
		}
	})
}

// forgetful is a Store that cannot write answers, a few times.
type forgetful struct {
	hub.Store
	mu    sync.Mutex
	times int
}

func (f *forgetful) Apply(ctx context.Context, c hub.CaseID, e hub.Event) (hub.Case, hub.Effects, error) {
	f.mu.Lock()
	_, answered := e.(hub.Answered)
	fail := answered && f.times > 0
	if fail {
		f.times--
	}
	f.mu.Unlock()
	if fail {
		return hub.Case{}, hub.Effects{}, errors.New("the disk does not answer")
	}
	return f.Store.Apply(ctx, c, e)
}

func TestARegisterThatIsDownIsWaitedFor(t *testing.T) {
	played(t, func(s *stage) {
		for range 6 {
			s.register.errs = append(s.register.errs, hub.Unavailable(errLine, hub.Down))
		}
		r := s.send("320342", "1")
		s.until(r, "waiting", func(_ hub.Case, p hub.Progress) bool { return p.State == hub.EnrichWait })
		s.restart()
		s.completed(r)
	})
}

func TestWhatTheRegisterSaysDecides(t *testing.T) {
	for _, tc := range []struct {
		name   string
		set    func(*stage)
		reason hub.Reason
	}{
		{"nobody by that number", func(s *stage) { s.register.errs = []error{hub.ErrNotFound} }, hub.ReasonNoPerson},
		{"somebody else", func(s *stage) { s.register.errs = []error{hub.ErrMismatch} }, hub.ReasonMismatch},
		{"sekretessmarkering", func(s *stage) { s.register.person.Protection = hub.Marked }, hub.ReasonProtected},
		{"protection not known", func(s *stage) { s.register.person.Protection = hub.ProtectionUnknown }, hub.ReasonProtected},
		{"protected, withheld, to a system that cannot carry it", func(s *stage) {
			s.route.Protected, s.register.person.Protection = hub.Withhold, hub.Marked
		}, hub.ReasonProtected},
		{"deceased", func(s *stage) {
			s.route.Enrich[0].Alive, s.register.person.Left = true, hub.Departure{Reason: "AV"}
		}, hub.ReasonRule},
		{"not connected", func(s *stage) { s.route.Enrich[0].Register = "k.kir" }, hub.ReasonNoConnector},
	} {
		t.Run(tc.name, func(t *testing.T) {
			played(t, func(s *stage) {
				tc.set(s)
				s.held(s.send("320342", "1"), tc.reason)
				if n := len(s.diarium.posts) + len(s.bygg.posts); n != 0 {
					t.Errorf("%d posts left us", n)
				}
			})
		})
	}
}

func TestAnOptionalLookUpMayBeMissed(t *testing.T) {
	played(t, func(s *stage) {
		s.route.Enrich[0].Optional = true
		s.register.errs = []error{errLine}
		r := s.send("320342", "1")
		s.completed(r)
		facts, err := s.store.Facts(context.Background(), hub.AsHub(), r.Submission.ID)
		if err != nil || len(facts.Answers) != 1 || !facts.Answers[0].Missed {
			t.Errorf("facts %+v, %v", facts, err)
		}
	})
}

func TestACompletionIsADocumentInTheSameCase(t *testing.T) {
	played(t, func(s *stage) {
		s.diarium.refusals = []error{hub.Later(errLine, 30*time.Minute)}
		first := s.send("320342", "1")
		second := s.send("320342", "2")
		if first.Case.ID != second.Case.ID {
			t.Fatal("the completion made a case of its own")
		}
		s.completed(first)
		c := s.completed(second)
		if len(s.diarium.posts) != 3 || s.diarium.posts[2] != hub.KeyOf(second.Submission.ID, "komplettering") {
			t.Errorf("the diarium saw %v: the case comes first", s.diarium.posts)
		}
		if len(c.Submissions) != 2 || c.FirstReceipts()["diarium"].Number != "SBN 2026/1" {
			t.Errorf("%+v", c)
		}
	})
}

func TestFilesThatAreReferredToAreFetched(t *testing.T) {
	ref := func(file string, size int64, isPrint bool) hub.Attachment {
		return hub.Attachment{Name: file, Size: size, Print: isPrint, Fetch: hub.Fetch{Kind: "file", File: file}}
	}
	whole := []string{"content of a.pdf", "content of print"}
	for _, tc := range []struct {
		name   string
		files  []hub.Attachment
		errs   []error
		want   []string
		reason hub.Reason
	}{
		{"file and print", []hub.Attachment{ref("a.pdf", 16, false), ref("print", 0, true)}, nil, whole, ""},
		{"the platform is down for a while", []hub.Attachment{ref("a.pdf", 16, false), ref("print", 0, true)}, []error{errLine, errLine}, whole, ""},
		{"gone", []hub.Attachment{ref("a.pdf", 16, false)}, []error{hub.ErrGone}, nil, hub.ReasonAttachment},
		{"of another size", []hub.Attachment{ref("a.pdf", 17, false)}, nil, nil, hub.ReasonAttachment},
		{"no print: the form itself goes along", []hub.Attachment{ref("print", 0, true)}, []error{hub.ErrGone}, []string{"<FlowInstance/>1"}, ""},
		{"no files at all", nil, nil, []string{"<FlowInstance/>1"}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			played(t, func(s *stage) {
				s.platform.errs = tc.errs
				s.diarium.refusals = []error{hub.Later(errLine, time.Hour)}
				r := s.send("320342", "1", tc.files...)
				if tc.reason != "" {
					s.held(r, tc.reason)
					return
				}
				s.until(r, "put off", func(hub.Case, hub.Progress) bool { return s.diarium.seen() == 1 })
				s.restart() // nothing in memory: all is read back
				s.completed(r)
				if got := s.diarium.files[hub.KeyOf(r.Submission.ID, "diarium")]; !reflect.DeepEqual(got, tc.want) {
					t.Errorf("the diarium got %q, want %q", got, tc.want)
				}
			})
		})
	}
}

func TestAnUnknownServiceIsReceivedAndHeld(t *testing.T) {
	played(t, func(s *stage) {
		s.route.Service = "999"
		s.held(s.send("320342", "1"), hub.ReasonNoRoute)
	})
}

// A process that dies while a delivery is under way leaves a don't know behind, and
// the next process asks.
func TestDeathDuringAnAttempt(t *testing.T) {
	played(t, func(s *stage) {
		hang := make(chan struct{})
		s.diarium.answers = []func() error{func() error { <-hang; return nil }}
		r := s.send("320342", "1")
		s.until(r, "under way", func(hub.Case, hub.Progress) bool { return s.diarium.seen() == 1 })
		s.die()
		s.completed(r)
		attempts, err := s.store.Attempts(context.Background(), hub.AsHub(), hub.KeyOf(r.Submission.ID, "diarium"))
		if n := s.diarium.seen(); n != 1 || len(attempts) != 2 || attempts[0].Answer != "" || err != nil {
			t.Errorf("%d posts, attempts %+v, %v; want one that never ended and a question", n, attempts, err)
		}
		close(hang)
	})
}

// A clean stop lets what is under way come to its end: it makes no don't know.
func TestACleanStopLeavesNoDoubt(t *testing.T) {
	played(t, func(s *stage) {
		s.diarium.slow = 20 * time.Second
		r := s.send("320342", "1")
		s.until(r, "under way", func(hub.Case, hub.Progress) bool { return s.diarium.seen() == 1 })
		s.restart()
		c, err := s.store.CaseOf(context.Background(), hub.AsHub(), r.Submission.ID)
		if err != nil || c.Deliveries[0].State != hub.Delivered {
			t.Errorf("after the stop the delivery is %s, want DELIVERED: %v", c.Deliveries[0].State, err)
		}
		s.diarium.slow = 0
		s.completed(r)
	})
}

// Deliveries that are planned keep the configuration that they were planned with.
func TestAChangedConfigurationDoesNotChangeADocument(t *testing.T) {
	played(t, func(s *stage) {
		s.diarium.refusals = []error{errLine} // lost: it must be sent again, byte for byte
		r := s.send("320342", "1")
		s.until(r, "sent once", func(hub.Case, hub.Progress) bool { return s.diarium.seen() == 1 })
		other := *s.route
		other.Title = "En annan titel"
		err := s.hub.Activate(context.Background(), &hub.Bundle{Revision: "rev2", Archive: []byte("y"), Routes: []*hub.Route{&other}})
		if err != nil {
			t.Fatal(err)
		}
		s.completed(r)
	})
}

func TestACompletionThatNoLegIsForIsHeld(t *testing.T) {
	played(t, func(s *stage) {
		s.route.Legs = s.route.Legs[:2]
		s.completed(s.send("320342", "1"))
		s.held(s.send("320342", "2"), hub.ReasonNoRoute)
	})
}

func TestTheSameAgainIsTheSame(t *testing.T) {
	played(t, func(s *stage) {
		r := s.send("320342", "1")
		again := s.send("320342", "1")
		if !again.Replayed || again.Submission.ID != r.Submission.ID {
			t.Errorf("sent again: %v, replayed %v", again.Submission.ID, again.Replayed)
		}
		s.completed(r)
		if len(s.diarium.taken) != 1 {
			t.Errorf("%d cases", len(s.diarium.taken))
		}
	})
}

// TestASystemThatIsNoLongerConnected: what waits for it would otherwise wait for ever,
// and nobody would know.
func TestASystemThatIsNoLongerConnected(t *testing.T) {
	played(t, func(s *stage) {
		s.diarium.goes(hub.Unavailable(errLine, hub.Down))
		r := s.send("320342", "1")
		time.Sleep(time.Minute)
		s.tune = func(o *hub.Options) {
			o.Systems = slices.DeleteFunc(o.Systems, func(sys hub.Opened) bool { return sys.ID == "k.diarium" })
		}
		s.restart()
		c := s.held(r, hub.ReasonNoConnector)
		s.tune = nil
		s.diarium.goes(nil)
		s.restart()
		release := hub.Decision{Verb: hub.Release, By: "registrator", Reason: "ansluten igen"}
		if _, err := s.hub.Decide(context.Background(), c.ID, c.Deliveries[0].Key, release); err != nil {
			t.Fatal(err)
		}
		s.completed(r)
	})
}

// TestAWordThatMeansNothingIsNotAskedAbout: a table may say so, and nobody is to be told
// that it is missing.
func TestAWordThatMeansNothingIsNotAskedAbout(t *testing.T) {
	played(t, func(s *stage) {
		s.tune = func(o *hub.Options) {
			for i := range o.Systems {
				if o.Systems[i].ID == "k.diarium" {
					o.Systems[i].Words["arkivkontroll"] = ""
				}
			}
		}
		s.restart()
		c := s.completed(s.send("1", "1"))
		tell := func(id, word string) {
			number := c.Deliveries[0].Receipt.Ref
			if _, err := s.hub.Hear(context.Background(), "k.diarium", []hub.Report{{ID: id, Ref: number, Word: word, At: time.Now()}}); err != nil {
				t.Fatal(err)
			}
		}
		tell("1", "Arkivkontroll")
		tell("2", "Remitterat")
		words, err := s.store.Untranslated(context.Background(), hub.AsHub())
		if err != nil || len(words) != 1 || words[0].Text != "Remitterat" {
			t.Errorf("%d words are to be translated, want the one that no table has: %v", len(words), err)
		}
	})
}
