package hub_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A box is where a platform leaves forms: PLACE MUNICIPALITY ID TEXT. What has been taken is
// gone from it, and what has not is handed over again after a while.
type box struct {
	mu      sync.Mutex
	left    []string
	taken   []string
	mumbled int   // times, each in other words
	locked  error // why nobody can get at what lies there
	damaged error // why it cannot be read, once one is there
	patient bool  // it waits for more
}

func (b *box) leave(form ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left = append(b.left, form...)
}

func (b *box) breaks(locked, damaged error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.locked, b.damaged = locked, damaged
}

func (b *box) waits() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.locked, b.patient = nil, true
}

func (b *box) first() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.left) == 0 {
		return ""
	}
	return b.left[0]
}

func (b *box) Collect(ctx context.Context, reading func(), take func(context.Context, hub.Collected) error) error {
	b.mu.Lock()
	locked, damaged, patient := b.locked, b.damaged, b.patient
	b.mu.Unlock()
	if locked != nil {
		return locked
	}
	reading()
	if damaged != nil {
		return damaged
	}
	if patient {
		<-ctx.Done()
	}
	for form := b.first(); form != "" && ctx.Err() == nil; form = b.first() {
		place, _, _ := strings.Cut(form, " ")
		if take(ctx, hub.Collected{Place: place, Type: "text/plain", Body: []byte(form), Keeper: "1080"}) != nil {
			return nil
		}
		b.mu.Lock()
		b.left, b.taken = b.left[1:], append(b.taken, form)
		b.mu.Unlock()
	}
	return nil
}

func (b *box) Read(_ context.Context, in hub.Incoming, _ hub.Blobs) (hub.Submission, error) {
	text, err := io.ReadAll(in.Body)
	if err != nil {
		return hub.Submission{}, err
	}
	words := strings.Fields(string(text))
	switch {
	case words[1] == "mumbles":
		b.mumbled++
		return hub.Submission{}, &hub.Malformed{Kind: "not-four-words", Detail: fmt.Sprintf("it mumbles, %d", b.mumbled)}
	case len(words) != 4:
		return hub.Submission{}, &hub.Malformed{Kind: "not-four-words", Detail: "a form is four words"}
	case words[3] == "panics":
		panic("a form that nobody can read")
	}
	m, id := words[1], words[2]
	if m == "-" {
		m = ""
	}
	if id == "-" {
		id = in.Place
	}
	return hub.Submission{
		Municipality: hub.Municipality(m), Service: "702", Source: hub.Ref{ID: id}, Answers: hub.NewAnswers(map[string]any{"text": words[3]}),
	}, nil
}

// collecting plays on a stage that has a box in a municipality's folder.
func collecting(t *testing.T, id hub.SystemID, f func(*stage, *box)) {
	b := &box{}
	played(t, func(s *stage) {
		s.tune = func(o *hub.Options) {
			o.Bundle.Municipalities = map[hub.Municipality]hub.MunicipalityText{"1080": {Code: "1080", Folder: "k"}, "1285": {Code: "1285", Folder: "e"}}
			o.Systems = append(o.Systems, hub.Opened{ID: id, System: hub.System{Source: b, Collector: b}})
		}
		s.restart()
		f(s, b)
	})
}

// receivedBy gives what there is of a municipality's.
func (s *stage) receivedBy(m hub.Municipality) []hub.Line {
	s.t.Helper()
	lines, err := s.store.List(context.Background(), hub.AsHandler("anna", m), hub.Filter{})
	if err != nil {
		s.t.Fatal(err)
	}
	return lines
}

func TestWhatIsCollectedIsReceivedOrHeld(t *testing.T) {
	for _, c := range []struct {
		name, why string
		system    hub.SystemID
		left      []string
		held      []string // what the notes of what is held as unreadable say
		forms     int      // beside those
	}{
		{"a form", "", "k.box", []string{"p-1 1080 a hej"}, nil, 1},
		{"of whose folder it is", "a folder's system posts for its municipality", "k.box", []string{"p-1 - a hej"}, nil, 1},
		{"the same again", "a death before it is let go of hands it over twice", "k.box", []string{"p-1 1080 a hej", "p-2 1080 a hej"}, nil, 1},
		{"without an id", "it is known by where it lay", "k.box", []string{"p-1 1080 - hej", "p-1 1080 - hej", "p-2 1080 - hej"}, nil, 2},
		{"no form", "and those after it are read", "k.box", []string{"p-1 nonsense", "p-2 1080 a hej"}, []string{"not-four-words"}, 1},
		{"no form, twice", "", "k.box", []string{"p-1 nonsense", "p-1 nonsense"}, []string{"not-four-words"}, 0},
		{"another's", "a folder's system posts for no other", "k.box", []string{"p-1 1285 a hej"}, []string{"municipality-mismatch"}, 0},
		{"nobody's", "", "shared.box", []string{"p-1 - a hej"}, []string{"municipality-missing"}, 0},
		{"an id again", "what comes second is not lost", "k.box", []string{"p-1 1080 a hej", "p-2 1080 a hopp"}, []string{"id-reused"}, 1},
		{"an id again, twice", "", "k.box", []string{"p-1 1080 a hej", "p-2 1080 a hopp", "p-2 1080 a hopp"}, []string{"id-reused"}, 1},
		{"another where one lay", "a topic that is made anew begins to number again", "k.box", []string{"p-1 1080 - hej", "p-1 1080 - hopp", "p-2 1080 b hej"}, []string{"id-reused"}, 2},
		{"no form where one lay", "", "k.box", []string{"p-1 1080 - hej", "p-1 nonsense", "p-2 1080 b hej"}, []string{"not-four-words"}, 2},
		{"a form where none lay", "what could not be read may be read later", "k.box", []string{"p-1 nonsense", "p-1 1080 - hej"}, []string{"not-four-words"}, 1},
		{"said otherwise", "by a later release: it is held already", "k.box", []string{"p-1 mumbles", "p-1 mumbles", "p-2 1080 a hej"}, []string{"not-four-words"}, 1},
		{"what panics", "one form must not stop all", "k.box", []string{"p-1 1080 a panics", "p-2 1080 b hej"}, []string{"panic"}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			collecting(t, c.system, func(s *stage, b *box) {
				b.leave(c.left...)
				time.Sleep(time.Minute)
				synctest.Wait()
				if b.first() != "" {
					t.Errorf("%s is left: %s", b.first(), c.why)
				}
				forms := 0
				var held []string
				for _, l := range s.receivedBy("1080") {
					if l.Submission.Reason == hub.ReasonUnreadable && l.Case.Service == hub.Unread {
						held = append(held, l.Submission.Note)
					} else {
						forms++
					}
				}
				if forms != c.forms || len(held) != len(c.held) {
					t.Fatalf("%d are received and %q are held: %s", forms, held, c.why)
				}
				for i, note := range held {
					if !strings.Contains(note, c.held[i]) || !strings.Contains(note, "p-") {
						t.Errorf("what is held is noted as %q", note)
					}
				}
				if len(s.receivedBy("1285")) > 0 {
					t.Error("another municipality sees something of it")
				}
			})
		})
	}
}

// closing is a Store that receives nothing for a while.
type closing struct {
	hub.Store
	until time.Time
}

func (c *closing) Receive(ctx context.Context, a hub.Arrival) (hub.Received, error) {
	if time.Now().Before(c.until) {
		return hub.Received{}, errors.New("the database is away")
	}
	return c.Store.Receive(ctx, a)
}

// TestCollectedWaits: what cannot be received now stays where it lies, and nothing is held for that.
func TestCollectedWaits(t *testing.T) {
	collecting(t, "k.box", func(s *stage, b *box) {
		s.before = func(store hub.Store) hub.Store { return &closing{store, time.Now().Add(10 * time.Minute)} }
		s.restart()
		b.leave("p-1 1080 a hej")
		time.Sleep(9 * time.Minute)
		if b.first() == "" {
			t.Error("it was let go of before it was received")
		}
		time.Sleep(2 * time.Minute)
		if lines := s.receivedBy("1080"); b.first() != "" || len(lines) != 1 || lines[0].Submission.Reason == hub.ReasonUnreadable {
			t.Errorf("it is not received when it can be: %+v", lines)
		}
	})
}

// TestCollectedPaused: a system that a person has paused is not collected from.
func TestCollectedPaused(t *testing.T) {
	collecting(t, "k.box", func(s *stage, b *box) {
		s.pause("k.box")
		b.leave("p-1 1080 a hej")
		time.Sleep(10 * time.Minute)
		if b.first() == "" {
			t.Error("it was taken while the system was paused")
		}
		s.resume("k.box")
		time.Sleep(2 * time.Minute)
		if b.first() != "" {
			t.Error("it was not taken afterwards")
		}
	})
}

// TestUncollectedIsTold: whose forms lie where nobody can get at them is told at once, as one outage,
// until they have been read for a while.
func TestUncollectedIsTold(t *testing.T) {
	collecting(t, "k.box", func(s *stage, b *box) {
		b.breaks(hub.Unavailable(errors.New("no key fits"), hub.Credentials), nil)
		time.Sleep(time.Minute)
		since := time.Now()
		told := s.hub.Uncollected()
		if len(told) != 1 || told[0].System != "k.box" || told[0].Cause != hub.Credentials || told[0].Note != "no key fits" || since.Sub(told[0].Since) < 50*time.Second {
			t.Fatalf("it is told as %+v", told)
		}
		s.pause("k.box")
		if told := s.hub.Uncollected(); len(told) > 0 {
			t.Errorf("what a person has paused is told as %+v", told)
		}
		s.resume("k.box")
		if again := s.hub.Uncollected(); len(again) != 1 || again[0].Since != told[0].Since {
			t.Errorf("after a pause it is told as %+v", again)
		}
		b.breaks(nil, errors.New("what lies there is damaged"))
		time.Sleep(10 * time.Minute)
		if again := s.hub.Uncollected(); len(again) != 1 || again[0].Cause != hub.Down || again[0].Note != "what lies there is damaged" || again[0].Since != told[0].Since {
			t.Errorf("what breaks as soon as it is read is told as %+v", again)
		}
		b.breaks(nil, nil)
		b.leave("p-1 1080 a hej")
		time.Sleep(30 * time.Second)
		if b.first() != "" || len(s.hub.Uncollected()) > 0 {
			t.Errorf("it can be read again, and is told as %+v", s.hub.Uncollected())
		}
	})
}

// TestWhoReadsOnIsNotUncollected: a Collector that never begins anew is taken at its word after a while.
func TestWhoReadsOnIsNotUncollected(t *testing.T) {
	collecting(t, "k.box", func(s *stage, b *box) {
		b.breaks(errors.New("gone"), nil)
		time.Sleep(time.Minute)
		b.waits()
		time.Sleep(15 * time.Second)
		if len(s.hub.Uncollected()) == 0 {
			t.Error("what may break at once is believed at once")
		}
		time.Sleep(time.Minute)
		if told := s.hub.Uncollected(); len(told) > 0 {
			t.Errorf("it reads, and is told as %+v", told)
		}
	})
}
