package hub_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/knutpunkt/knutpunkt/hub"
)

// An answering register always says the same.
type answering struct {
	person hub.Person
	err    error
	asked  int
}

func (a *answering) Lookup(context.Context, hub.PersonID) (hub.Person, error) {
	a.asked++
	return a.person, a.err
}

// TestThen: a second register is asked about whom the first does not know, or not well enough, and
// the stronger of their marks holds.
func TestThen(t *testing.T) {
	home := &hub.Address{City: "KARLSKRONA"}
	says := func(family string, p hub.Protection) hub.Person {
		return hub.Person{ID: alva, Family: family, Protection: p, Address: home, Property: "PROV 1:1"}
	}
	for _, tc := range []struct {
		name, why  string
		kir, navet answering
		want       hub.Person // of the answer; zero where there is none
		by         hub.SystemID
		held       hub.Reason // "" when it goes on, or waits
		waits      bool
	}{
		{"the first knows", "and the second costs nothing",
			answering{person: says("kir", hub.NotProtected)}, answering{err: errLine}, says("kir", hub.NotProtected), "k.kir", "", false},
		{"a miss", "children who are placed here, and new arrivals, are in no register of ours",
			answering{err: hub.ErrNotFound}, answering{person: says("navet", hub.NotProtected)}, says("navet", hub.NotProtected), "k.navet", "", false},
		{"a miss in both", "the last one's word counts",
			answering{err: hub.ErrNotFound}, answering{err: hub.ErrNotFound}, hub.Person{}, "", hub.ReasonNoPerson, false},
		{"known in part", "the second one's word counts",
			answering{person: says("kir", hub.NotProtected), err: hub.ErrPartly}, answering{person: says("navet", hub.NotProtected)}, says("navet", hub.NotProtected), "k.navet", "", false},
		{"the first does not know the mark", "that is no word about it",
			answering{person: says("kir", hub.ProtectionUnknown), err: hub.ErrPartly}, answering{person: says("navet", hub.NotProtected)}, says("navet", hub.NotProtected), "k.navet", "", false},
		{"the first has a mark", "a later source does not lower it",
			answering{person: says("kir", hub.Marked), err: hub.ErrPartly}, answering{person: says("navet", hub.NotProtected)}, says("navet", hub.Marked), "k.navet", hub.ReasonProtected, false},
		{"the second has a mark", "it counts from wherever",
			answering{person: says("kir", hub.NotProtected), err: hub.ErrPartly}, answering{person: says("navet", hub.Marked)}, says("navet", hub.Marked), "k.navet", hub.ReasonProtected, false},
		{"the second does not know the mark", "unknown is handled as protected",
			answering{person: says("kir", hub.NotProtected), err: hub.ErrPartly}, answering{person: says("navet", hub.ProtectionUnknown)}, says("navet", hub.ProtectionUnknown), "k.navet", hub.ReasonProtected, false},
		{"the first has skyddad folkbokföring", "the second one's address is not used either",
			answering{person: says("kir", hub.ProtectedRegistration), err: hub.ErrPartly}, answering{person: says("navet", hub.NotProtected)},
			hub.Person{ID: alva, Family: "navet", Protection: hub.ProtectedRegistration}, "k.navet", hub.ReasonProtected, false},
		{"the second cannot answer", "what is known in part is not enough",
			answering{person: says("kir", hub.NotProtected), err: hub.ErrPartly}, answering{err: errLine}, hub.Person{}, "", "", true},
		{"the second knows in part, too", "it may know more later",
			answering{err: hub.ErrNotFound}, answering{person: says("navet", hub.NotProtected), err: hub.ErrPartly}, hub.Person{}, "", "", true},
		{"the first cannot answer", "which is no miss",
			answering{err: errLine}, answering{person: says("navet", hub.NotProtected)}, hub.Person{}, "", "", true},
		{"the first answers about somebody else", "nobody else's word mends that",
			answering{err: hub.ErrMismatch}, answering{person: says("navet", hub.NotProtected)}, hub.Person{}, "", hub.ReasonMismatch, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Log(tc.why)
			played(t, func(s *stage) {
				s.route.Enrich[0].Register, s.route.Enrich[0].Then = "k.kir", "k.navet"
				s.tune = func(o *hub.Options) {
					o.Systems[0].Register = &tc.navet
					o.Systems = append(o.Systems, hub.Opened{ID: "k.kir", System: hub.System{Register: &tc.kir}})
				}
				s.restart()
				r := s.send("320342", "1")
				switch {
				case tc.waits:
					s.until(r, "waiting", func(_ hub.Case, p hub.Progress) bool { return p.State == hub.EnrichWait })
				case tc.held != "":
					s.held(r, tc.held)
				default:
					s.completed(r)
				}
				s.answered(r, tc.want, tc.by)
				if tc.by == "k.kir" && tc.navet.asked > 0 {
					t.Error("the second was asked for nothing")
				}
			})
		})
	}
}

// TestAMarkIsNotMissed: where the answer can be done without, the mark that a register knows of
// cannot.
func TestAMarkIsNotMissed(t *testing.T) {
	for _, tc := range []struct {
		name  string
		kir   hub.Protection
		navet error
		until func(hub.Progress) bool
	}{
		{"no mark", hub.NotProtected, errLine, func(p hub.Progress) bool { return p.State == hub.Completed }},
		{"nobody knows", hub.ProtectionUnknown, errLine, func(p hub.Progress) bool { return p.State == hub.Completed }},
		{"a mark, and the second cannot answer", hub.Marked, errLine, func(p hub.Progress) bool { return p.State == hub.EnrichWait }},
		{"a mark, and the second does not know her", hub.ProtectedRegistration, hub.ErrNotFound, func(p hub.Progress) bool {
			return p.State == hub.Held && p.Reason == hub.ReasonNoPerson
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			played(t, func(s *stage) {
				e := &s.route.Enrich[0]
				e.Register, e.Then, e.Optional = "k.kir", "k.navet", true
				s.tune = func(o *hub.Options) {
					o.Systems[0].Register = &answering{err: tc.navet}
					o.Systems = append(o.Systems, hub.Opened{ID: "k.kir", System: hub.System{
						Register: &answering{person: hub.Person{ID: alva, Protection: tc.kir}, err: hub.ErrPartly},
					}})
				}
				s.restart()
				s.until(s.send("320342", "1"), tc.name, func(_ hub.Case, p hub.Progress) bool { return tc.until(p) })
			})
		})
	}
}

// answered fails unless this is the person that is stored, and who said it.
func (s *stage) answered(r hub.Received, want hub.Person, by hub.SystemID) {
	s.t.Helper()
	facts, err := s.store.Facts(context.Background(), hub.AsHub(), r.Submission.ID)
	if err != nil {
		s.t.Fatal(err)
	}
	if want.ID.IsZero() {
		for _, a := range facts.Answers {
			if len(a.Persons) > 0 {
				s.t.Error("there is an answer")
			}
		}
		return
	}
	if len(facts.Answers) != 1 || len(facts.Answers[0].Persons) != 1 {
		s.t.Fatalf("%d answers", len(facts.Answers))
	}
	got := facts.Answers[0].Persons[0]
	if got.Family != want.Family || got.Protection != want.Protection || (got.Address != nil) != (want.Address != nil) || got.Property != want.Property || got.By != by {
		s.t.Errorf("%s says %s, protection %d, an address: %v; want %s, %s, %d, %v",
			got.By, got.Family, got.Protection, got.Address != nil, by, want.Family, want.Protection, want.Address != nil)
	}
}

// A feeding register takes files, and says when one begins.
type feeding struct{ begun, end chan struct{} }

func (f *feeding) Import(context.Context, io.Reader, func(hub.Imported)) (hub.Imported, error) {
	f.begun <- struct{}{}
	<-f.end
	return hub.Imported{Posts: 1}, nil
}

func (f *feeding) Fed(context.Context) (hub.Fed, error) { return hub.Fed{Next: "nästa"}, nil }

// TestImport: one file is read into a register at a time, and only into one that files feed.
func TestImport(t *testing.T) {
	played(t, func(s *stage) {
		kir := &feeding{begun: make(chan struct{}), end: make(chan struct{})}
		s.tune = func(o *hub.Options) {
			o.Systems = append(o.Systems, hub.Opened{ID: "k.kir", System: hub.System{Importer: kir}})
		}
		s.restart()
		ctx := context.Background()
		for _, id := range []hub.SystemID{"k.navet", "k.nothing"} {
			if _, err := s.hub.Import(ctx, id, nil, nil); !errors.Is(err, hub.ErrNotFound) {
				t.Errorf("%s: %v", id, err)
			}
			if _, _, err := s.hub.Fed(ctx, id); !errors.Is(err, hub.ErrNotFound) {
				t.Errorf("%s: %v", id, err)
			}
		}
		ended := make(chan error)
		go func() {
			_, err := s.hub.Import(ctx, "k.kir", nil, nil)
			ended <- err
		}()
		<-kir.begun
		if _, err := s.hub.Import(ctx, "k.kir", nil, nil); !errors.Is(err, hub.ErrConflict) {
			t.Errorf("two at a time: %v", err)
		}
		if _, importing, err := s.hub.Fed(ctx, "k.kir"); !importing || err != nil {
			t.Errorf("importing %v (%v)", importing, err)
		}
		close(kir.end)
		if err := <-ended; err != nil {
			t.Errorf("the first: %v", err)
		}
		if _, importing, _ := s.hub.Fed(ctx, "k.kir"); importing {
			t.Error("it is still importing")
		}
	})
}
