package postgres_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/store/postgres"
)

const (
	platform hub.SystemID = "karlskrona.etjanst"
	diarium  hub.SystemID = "karlskrona.diarium"
)

// Replicas are several processes on one database.
type replicas struct {
	testing.TB
	url string
	all []*postgres.Store
}

func start(t testing.TB, url string, n int) *replicas {
	r := &replicas{TB: t, url: url}
	keys := newKeys(t)
	for i := range n {
		r.all = append(r.all, open(t, url, keys, postgres.Options{Boot: boot(i), Clock: time.Now}))
	}
	return r
}

func boot(i int) string { return fmt.Sprintf("replica-%d", i) }

// each has every replica do something at once, and waits for them.
func (r *replicas) each(do func(i int, s *postgres.Store)) {
	var all sync.WaitGroup
	for i, s := range r.all {
		all.Go(func() { do(i, s) })
	}
	all.Wait()
}

// arrival is a form of a platform's instance.
func arrival(instance, version string) hub.Arrival {
	return hub.Arrival{
		Submission: hub.Submission{
			Municipality: "1080", Service: "bygglov-altan", FormVersion: "3",
			Source:    hub.Ref{System: platform, ID: instance, Version: version},
			Submitted: time.Now(), Answers: hub.NewAnswers(map[string]any{"arende": instance}),
		},
		Own: true, Client: "etjanst", Fingerprint: sha256.Sum256([]byte(instance + version)), Now: time.Now(),
		Voice: diarium, Tellers: []hub.SystemID{platform},
	}
}

func (r *replicas) receive(s *postgres.Store, a hub.Arrival) hub.Received {
	got, err := s.Receive(r.Context(), a)
	if err != nil {
		r.Errorf("receive: %v", err)
	}
	return got
}

func lease(i int) hub.Lease { return hub.Lease{Boot: boot(i), Until: time.Now().Add(time.Hour)} }

func (r *replicas) claim(i, n int) []hub.Claim {
	claims, err := r.all[i].ClaimSubmissions(r.Context(), lease(i), time.Now(), n)
	if err != nil {
		r.Errorf("claim: %v", err)
	}
	return claims
}

func held(c hub.Claim) hub.Lease { return c.Case.Find(c.Key).Lease }

func (r *replicas) apply(s *postgres.Store, c hub.CaseID, e hub.Event) hub.Case {
	after, _, err := s.Apply(r.Context(), c, e)
	if err != nil {
		r.Errorf("apply %T: %v", e, err)
	}
	return after
}

// planned routes a claimed form to the diarium.
func planned(c hub.Claim) hub.Planned {
	return hub.Planned{
		When: hub.When{At: time.Now()}, Key: c.Key, Lease: held(c), Revision: "r1", Voice: diarium,
		Deliveries: []hub.Plan{{Leg: "diarium", System: diarium, Operation: "create", Level: hub.Lookup, Step: hub.Registrerat}},
	}
}

// delivering receives a form at the first replica, and has it on its way to the diarium.
func (r *replicas) delivering(instance string) hub.Claim {
	r.Helper()
	r.receive(r.all[0], arrival(instance, "1"))
	for _, c := range r.claim(0, 1) {
		r.apply(r.all[0], c.Case.ID, planned(c))
	}
	claims, err := r.all[0].ClaimDeliveries(r.Context(), diarium, lease(0), time.Now(), 1)
	if err != nil || len(claims) != 1 {
		r.Fatalf("claim: %d, %v", len(claims), err)
	}
	c := claims[0]
	r.apply(r.all[0], c.Case.ID, hub.Started{When: hub.When{At: time.Now()}, Key: c.Key, Lease: held(c), SHA256: sha256.Sum256([]byte(c.Key))})
	return c
}

func TestClaimsOfReplicasAreExclusive(t *testing.T) {
	r := start(t, newDatabase(t), 3)
	const forms = 120
	for i := range forms {
		r.receive(r.all[0], arrival(fmt.Sprint(i), "1"))
	}
	var mu sync.Mutex
	times, tokens := map[hub.Key]int{}, map[int64]bool{}
	r.each(func(i int, s *postgres.Store) {
		for claims := r.claim(i, 5); len(claims) > 0; claims = r.claim(i, 5) {
			mu.Lock()
			for _, c := range claims {
				times[c.Key]++
				tokens[held(c).Token] = true
			}
			mu.Unlock()
		}
	})
	if len(times) != forms || len(tokens) != forms {
		t.Errorf("%d forms were claimed with %d tokens, want %d", len(times), len(tokens), forms)
	}
	for k, n := range times {
		if n != 1 {
			t.Errorf("%s was claimed %d times", k, n)
		}
	}
}

// A reader follows the feed while three processes write it, and reads every line, none after a
// greater one, and those of a case in their order.
func TestFeedOfReplicasHasNoGaps(t *testing.T) {
	r := start(t, newDatabase(t), 3)
	const forms = 40
	written := make(chan struct{})
	var reading sync.WaitGroup
	var lines []hub.Told
	reading.Go(func() {
		for after, ended := uint64(0), false; ; {
			some, err := r.all[2].Tail(t.Context(), after, 7)
			if err != nil {
				t.Errorf("tail: %v", err)
				return
			}
			lines = append(lines, some...)
			if len(some) > 0 {
				after = some[len(some)-1].Seq
				continue
			}
			if ended {
				return
			}
			select {
			case <-written:
				ended = true
			default:
			}
		}
	})
	r.each(func(i int, s *postgres.Store) {
		var writing sync.WaitGroup
		for worker := range 4 {
			writing.Go(func() {
				for n := range forms / 4 {
					for version := range 3 {
						r.receive(s, arrival(fmt.Sprint(i, worker, n), fmt.Sprint(version)))
					}
					for _, c := range r.claim(i, 2) {
						r.apply(s, c.Case.ID, hub.Stopped{When: hub.When{At: time.Now()}, Key: c.Key, Lease: held(c), Reason: hub.ReasonRule})
					}
				}
			})
		}
		writing.Wait()
		if _, err := s.FeedEnd(t.Context()); err != nil { // waits until this process's lines are numbered
			t.Errorf("end of the feed: %v", err)
		}
	})
	close(written)
	reading.Wait()
	cases := map[hub.CaseID]int{}
	for i, line := range lines {
		if line.Seq != uint64(i+1) {
			t.Fatalf("line %d has number %d", i+1, line.Seq)
		}
		cases[line.Case]++
	}
	if len(cases) != 3*forms {
		t.Errorf("lines of %d cases were read, want %d", len(cases), 3*forms)
	}
	if end, err := r.all[0].FeedEnd(t.Context()); err != nil || end != uint64(len(lines)) {
		t.Errorf("the feed ends at %d, and %d lines were read: %v", end, len(lines), err)
	}
	for id := range cases {
		acts, err := r.all[0].Acts(t.Context(), hub.AsHub(), id)
		for i, a := range acts {
			if i > 0 && a.Seq <= acts[i-1].Seq {
				t.Errorf("acts of a case are not in their order")
			}
		}
		if err != nil {
			t.Errorf("acts: %v", err)
		}
	}
}

func TestTwinsAtTwoReplicas(t *testing.T) {
	r := start(t, newDatabase(t), 3)
	for round := range 20 {
		var mu sync.Mutex
		ids, fresh := map[hub.ID]bool{}, 0
		r.each(func(_ int, s *postgres.Store) {
			got := r.receive(s, arrival(fmt.Sprint(round), "1"))
			mu.Lock()
			defer mu.Unlock()
			ids[got.Submission.ID] = true
			if !got.Replayed {
				fresh++
			}
		})
		if len(ids) != 1 || fresh != 1 {
			t.Fatalf("one form that came three times at once became %d, of which %d new", len(ids), fresh)
		}
	}
}

// A completion and its first form come to two processes at once: both are of one case.
func TestCompletionsAtTwoReplicas(t *testing.T) {
	r := start(t, newDatabase(t), 3)
	for round := range 20 {
		var mu sync.Mutex
		cases := map[hub.CaseID]bool{}
		r.each(func(i int, s *postgres.Store) {
			got := r.receive(s, arrival(fmt.Sprint(round), fmt.Sprint(i)))
			mu.Lock()
			defer mu.Unlock()
			cases[got.Case.ID] = true
		})
		if len(cases) != 1 {
			t.Fatalf("three versions of one form became %d cases", len(cases))
		}
		for id := range cases {
			c, err := r.all[0].Case(t.Context(), hub.AsHub(), id)
			if err != nil || len(c.Submissions) != 3 {
				t.Fatalf("a case has %d forms, want 3: %v", len(c.Submissions), err)
			}
		}
	}
}

// A system's word about a delivery comes at one replica, while the answer that says what the
// system calls it comes at another.
func TestReportMeetsItsReceipt(t *testing.T) {
	r := start(t, newDatabase(t), 2)
	for round := range 20 {
		c := r.delivering(fmt.Sprint(round))
		number := fmt.Sprintf("BN 2026-%d", round)
		r.each(func(i int, s *postgres.Store) {
			if i == 0 {
				r.apply(s, c.Case.ID, hub.Answered{When: hub.When{At: time.Now()}, Key: c.Key, Lease: held(c), Answer: hub.Yes,
					Receipt: hub.Receipt{Number: number, At: time.Now()}})
				return
			}
			told := hub.Report{ID: number, Ref: number, Step: hub.Beslutat, At: time.Now()}
			if _, err := s.Report(t.Context(), diarium, []hub.Report{told}, "", time.Now()); err != nil {
				t.Errorf("report: %v", err)
			}
		})
		after, err := r.all[1].Case(t.Context(), hub.AsHub(), c.Case.ID)
		if err != nil || after.Step != hub.Beslutat {
			t.Fatalf("the case is %s after both, want %s: %v", after.Step, hub.Beslutat, err)
		}
	}
}

func TestOneOfTheSameReportsAtTwoReplicas(t *testing.T) {
	r := start(t, newDatabase(t), 3)
	c := r.delivering("1")
	var mu sync.Mutex
	fresh := 0
	r.each(func(_ int, s *postgres.Store) {
		told := hub.Report{ID: "1", Key: c.Key, Step: hub.UnderHandlaggning, Word: "pågår", At: time.Now()}
		heard, err := s.Report(t.Context(), diarium, []hub.Report{told}, "", time.Now())
		if err != nil || len(heard) != 1 {
			t.Errorf("report: %v", err)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if !heard[0].Again {
			fresh++
		}
	})
	if fresh != 1 {
		t.Errorf("one report was heard %d times", fresh)
	}
}

func TestPausedOnceByReplicas(t *testing.T) {
	r := start(t, newDatabase(t), 3)
	var mu sync.Mutex
	paused := 0
	r.each(func(_ int, s *postgres.Store) {
		err := s.Pause(t.Context(), hub.Pause{System: diarium, Since: time.Now(), By: "operator", Reason: "flytt"})
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err == nil:
			paused++
		case !errors.Is(err, hub.ErrConflict):
			t.Errorf("pause: %v", err)
		}
	})
	if paused != 1 {
		t.Errorf("%d have paused the system, want 1", paused)
	}
}
