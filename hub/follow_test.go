package hub_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A family: Alva has sent a form in about a child, whose other guardian is named by the
// register alone.
var (
	child, _ = hub.ParsePersonID("201506092384")
	other, _ = hub.ParsePersonID("200801012394")

	stranger, _ = hub.ParsePersonID("200801022385")
)

// family gives a stage a route about a child, and the register who its people are.
func (s *stage) family() {
	one := func(id hub.PersonID) func(hub.Known) ([]hub.Party, error) {
		return func(hub.Known) ([]hub.Party, error) { return []hub.Party{{ID: id}}, nil }
	}
	s.route.Parties = []hub.PartyRule{
		{Role: "sökande", Follows: true, Find: one(alva), Reach: func(hub.Known) (string, string) { return "alva@example.org", "" }},
		{Role: "barn", Find: one(child)},
	}
	s.route.Enrich = []hub.Enrichment{
		{Register: "k.navet", As: "barn", Find: one(child)},
		{Register: "k.navet", As: "vårdnadshavare", List: true, Follows: true, Find: func(k hub.Known) ([]hub.Party, error) {
			var all []hub.Party
			for _, g := range k.Answers["barn"].Persons[0].Guardians {
				all = append(all, hub.Party{ID: g.ID})
			}
			return all, nil
		}},
	}
	s.route.Protected, s.route.Tell = hub.Withhold, []hub.SystemID{"k.notiser"}
	s.guardians(alva, other)
	s.protection(hub.NotProtected, alva, other)
}

func (s *stage) guardians(ids ...hub.PersonID) {
	p := hub.Person{ID: child, Protection: hub.NotProtected}
	for _, id := range ids {
		p.Guardians = append(p.Guardians, hub.Relative{ID: id})
	}
	s.knows(p)
}

func (s *stage) protection(p hub.Protection, ids ...hub.PersonID) {
	for _, id := range ids {
		s.knows(hub.Person{ID: id, Protection: p})
	}
}

func (s *stage) knows(p hub.Person) {
	s.register.mu.Lock()
	defer s.register.mu.Unlock()
	if s.register.family == nil {
		s.register.family = map[hub.PersonID]hub.Person{}
	}
	s.register.family[p.ID] = p
}

// notices is a Teller that remembers whom it was asked to reach.
type notices struct {
	mu   sync.Mutex
	told []hub.Telling
}

func (n *notices) Tell(_ context.Context, t hub.Telling) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.told = append(n.told, t)
	return nil
}

// last gives whom the last telling of a Step was for.
func (n *notices) last(step hub.Step) (to []hub.Contact, told bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, t := range n.told {
		if t.Status.Step == step {
			to, told = t.To, true
		}
	}
	return to, told
}

// playedFamily is played with a family, and a Teller that can carry marks or not.
func playedFamily(t *testing.T, carries bool, f func(*stage, *notices)) {
	told := &notices{}
	played(t, func(s *stage) {
		s.tune = func(o *hub.Options) {
			o.Systems = append(o.Systems, hub.Opened{ID: "k.notiser", System: hub.System{
				Teller: told, Notifies: true, Can: hub.Capabilities{"": {Protected: carries}},
			}})
		}
		s.family()
		s.seldom(10 * time.Minute)
		f(s, told)
	})
}

func (s *stage) sees(id hub.PersonID, c hub.CaseID) bool {
	s.t.Helper()
	_, err := s.store.Case(context.Background(), hub.AsCitizen(id), c)
	if err != nil && !errors.Is(err, hub.ErrNotFound) {
		s.t.Fatal(err)
	}
	return err == nil
}

func TestTheRegisterSaysWhoElseFollows(t *testing.T) {
	playedFamily(t, false, func(s *stage, told *notices) {
		s.register.slow = time.Minute
		r := s.send("1", "1")
		if !s.sees(alva, r.Case.ID) || s.sees(other, r.Case.ID) {
			t.Error("before the register has answered only she who sent it in follows it")
		}
		s.completed(r)
		if !s.sees(alva, r.Case.ID) || !s.sees(other, r.Case.ID) || s.sees(child, r.Case.ID) {
			t.Error("each guardian follows it, and nobody else")
		}
		to, _ := told.last(hub.Registrerat)
		if len(to) != 2 || to[0].Person != alva || to[0].Email != "alva@example.org" || to[1].Person != other || to[1].Email != "" {
			t.Errorf("told %d, want Alva where the form says and the other by number", len(to))
		}
		if to, told := told.last(hub.Inkommet); !told || len(to) != 0 {
			t.Error("before registers have answered nobody's address goes anywhere")
		}
	})
}

// TestAGuardiansViewFollowsTheRegister: it lasts a day, and then the register is asked.
func TestAGuardiansViewFollowsTheRegister(t *testing.T) {
	playedFamily(t, false, func(s *stage, _ *notices) {
		r := s.send("1", "1")
		s.completed(r)
		renew := func(want int) {
			t.Helper()
			if hidden := s.hub.Renew(context.Background(), hub.AsCitizen(other)); hidden != want {
				t.Errorf("%d cases are hidden, want %d", hidden, want)
			}
		}
		time.Sleep(hub.FollowingLasts + time.Minute)
		if s.sees(other, r.Case.ID) || !s.sees(alva, r.Case.ID) {
			t.Error("after a day the register's word has to be renewed, and the form's has not")
		}
		s.register.errs = []error{hub.Unavailable(errors.New("down"), hub.Down)}
		renew(1)
		if s.sees(other, r.Case.ID) {
			t.Error("nobody vouches for it, and it is shown")
		}
		time.Sleep(time.Minute)
		renew(0)
		if !s.sees(other, r.Case.ID) {
			t.Error("the register vouches for it, and it is not shown")
		}
		time.Sleep(hub.FollowingLasts + time.Minute)
		s.guardians(alva)
		renew(0)
		if s.sees(other, r.Case.ID) || !s.sees(alva, r.Case.ID) {
			t.Error("who is guardian no longer does not see it any more")
		}
	})
}

func TestACounterpartOfAProtectedPersonSeesNothing(t *testing.T) {
	for _, tt := range []struct {
		name    string
		arrange func(*stage)
		why     string
	}{
		{"the child", func(s *stage) {
			s.knows(hub.Person{ID: child, Protection: hub.Marked, Guardians: []hub.Relative{{ID: alva}, {ID: other}}})
		}, "the other guardian may be whom the child is protected from"},
		{"who sent it in", func(s *stage) { s.protection(hub.ProtectedRegistration, alva) }, "where she turns is not to be known"},
		{"the other", func(s *stage) { s.protection(hub.Marked, other) }, "neither may hear of the other"},
		{"not known", func(s *stage) { s.protection(hub.ProtectionUnknown, other) }, "unknown counts as protected"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			playedFamily(t, true, func(s *stage, told *notices) {
				tt.arrange(s)
				r := s.send("1", "1")
				s.until(r, "enriched", func(_ hub.Case, p hub.Progress) bool {
					return p.State != hub.Accepted && p.State != hub.Enriching
				})
				if s.sees(other, r.Case.ID) || !s.sees(alva, r.Case.ID) {
					t.Error(tt.why)
				}
				if to, _ := told.last(hub.Registrerat); len(to) > 1 || len(to) == 1 && to[0].Person != alva {
					t.Error("the counterpart is told")
				}
			})
		})
	}
}

// TestAMarkThatComesLaterHidesTheCase: the register is asked again, also about the mark.
func TestAMarkThatComesLaterHidesTheCase(t *testing.T) {
	playedFamily(t, false, func(s *stage, _ *notices) {
		r := s.send("1", "1")
		s.completed(r)
		time.Sleep(hub.FollowingLasts + time.Minute)
		s.protection(hub.Marked, alva)
		s.hub.Renew(context.Background(), hub.AsCitizen(other))
		if s.sees(other, r.Case.ID) || !s.sees(alva, r.Case.ID) {
			t.Error("one of them is protected now, and the other sees the case still")
		}
	})
}

// TestWhomTheFormNamesIsNoExceptionToTheRule: who did not send it in sees it for as long as
// nobody in it is protected, whoever named her.
func TestWhomTheFormNamesIsNoExceptionToTheRule(t *testing.T) {
	playedFamily(t, false, func(s *stage, _ *notices) {
		s.route.Parties = append(s.route.Parties, hub.PartyRule{
			Role: "medsökande", Follows: true, Find: func(hub.Known) ([]hub.Party, error) { return []hub.Party{{ID: other}}, nil },
		})
		s.route.Enrich[1].Follows = false
		r := s.send("1", "1")
		s.completed(r)
		if !s.sees(other, r.Case.ID) {
			t.Fatal("who applies too does not see it")
		}
		s.protection(hub.Marked, alva)
		time.Sleep(hub.FollowingLasts + time.Minute)
		s.hub.Renew(context.Background(), hub.AsCitizen(other))
		if s.sees(other, r.Case.ID) || !s.sees(alva, r.Case.ID) {
			t.Error("a day after the mark she sees the case still, or who sent it in does not")
		}
	})
}

// TestTheWholeCaseDecides: a later form may leave out the one who is protected, or the
// child that others are guardians of.
func TestTheWholeCaseDecides(t *testing.T) {
	complete := func(s *stage, r hub.Received) {
		t.Helper()
		if s.register.slow == 0 {
			time.Sleep(time.Hour)
		}
		if again := s.send("1", "2"); again.Case.ID != r.Case.ID {
			t.Fatal("it is not the same case")
		} else {
			s.until(again, "planned", func(_ hub.Case, p hub.Progress) bool {
				return p.State != hub.Accepted && p.State != hub.Enriching && p.State != hub.EnrichWait
			})
		}
	}
	nobody := func(hub.Known) ([]hub.Party, error) { return nil, nil }
	t.Run("who is protected is left out", func(t *testing.T) {
		playedFamily(t, false, func(s *stage, _ *notices) {
			s.protection(hub.Marked, alva)
			r := s.send("1", "1")
			s.until(r, "enriched", func(_ hub.Case, p hub.Progress) bool { return p.State != hub.Accepted && p.State != hub.Enriching })
			s.guardians(other)
			s.route.Parties[0].Find = nobody
			complete(s, r)
			if s.sees(other, r.Case.ID) {
				t.Error("the counterpart of who is protected in the first form sees the case")
			}
		})
	})
	t.Run("both are under way at once", func(t *testing.T) {
		playedFamily(t, false, func(s *stage, _ *notices) {
			s.register.slow = time.Minute
			s.route.Parties = append(s.route.Parties, hub.PartyRule{Role: "medsökande", Find: func(k hub.Known) ([]hub.Party, error) {
				if k.Submission.Source.Version == "1" {
					return nil, nil
				}
				return []hub.Party{{ID: stranger}}, nil // whom no register is asked about
			}})
			r := s.send("1", "1")
			complete(s, r)
			s.completed(r)
			if s.sees(other, r.Case.ID) || !s.sees(alva, r.Case.ID) {
				t.Error("the later form's unknown person does not count, since both forms were planned at once")
			}
		})
	})
	t.Run("the child is left out", func(t *testing.T) {
		playedFamily(t, false, func(s *stage, _ *notices) {
			r := s.send("1", "1")
			s.completed(r)
			s.route.Enrich[0].List = true
			s.route.Enrich[0].Find, s.route.Enrich[1].Find = nobody, nobody
			complete(s, r)
			if !s.sees(other, r.Case.ID) {
				t.Error("a guardian has lost the case by a form that does not speak of the child")
			}
		})
	})
}

// TestAddressesOfTheProtectedGoNowhere, whatever a Teller can carry.
func TestAddressesOfTheProtectedGoNowhere(t *testing.T) {
	for _, carries := range []bool{false, true} {
		playedFamily(t, carries, func(s *stage, told *notices) {
			s.protection(hub.Marked, alva)
			s.diarium.goes(nil)
			r := s.send("1", "1")
			s.until(r, "enriched", func(_ hub.Case, p hub.Progress) bool { return p.State != hub.Accepted && p.State != hub.Enriching })
			for _, step := range hub.Steps {
				for _, c := range first(told.last(step)) {
					if !carries || c.Email != "" || c.Phone != "" {
						t.Errorf("carries %v: told at %s of a protected person", carries, step)
					}
				}
			}
		})
	}
}

func first[T any](t T, _ bool) T { return t }
