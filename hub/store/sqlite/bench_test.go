package sqlite

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/store/rows"
)

// At 64 clients one fsync serves many forms: the bar is eight.
func TestCommitsPerForm(t *testing.T) {
	s := newTestStore(t, Options{})
	const clients, each = 64, 16
	before := s.writer.Commits()
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			for j := range each {
				if _, err := s.Receive(context.Background(), form(fmt.Sprint(i, "-", j))); err != nil {
					t.Errorf("receive: %v", err)
				}
			}
		})
	}
	all.Wait()
	commits := s.writer.Commits() - before
	t.Logf("%d forms in %d commits: 1/%d", clients*each, commits, clients*each/commits)
	if commits*8 > clients*each {
		t.Errorf("%d commits for %d forms, want at most one in eight", commits, clients*each)
	}
}

func BenchmarkReceive(b *testing.B) {
	for _, clients := range []int{1, 64} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			s := newTestStore(b, Options{})
			before := s.writer.Commits()
			var next atomic.Int64
			var all sync.WaitGroup
			b.ResetTimer()
			for range clients {
				all.Go(func() {
					for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
						if _, err := s.Receive(context.Background(), form(fmt.Sprint(i))); err != nil {
							b.Error(err)
						}
					}
				})
			}
			all.Wait()
			b.ReportMetric(float64(s.writer.Commits()-before)/float64(b.N), "commits/form")
		})
	}
}

// BenchmarkLife takes a form from Receive to the receipt of its one delivery, 64 at a time.
func BenchmarkLife(b *testing.B) {
	s := newTestStore(b, Options{})
	before := s.writer.Commits()
	var next atomic.Int64
	var all sync.WaitGroup
	b.ResetTimer()
	for range 64 {
		all.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				if err := live(s, i); err != nil {
					b.Error(err)
				}
			}
		})
	}
	all.Wait()
	b.ReportMetric(float64(s.writer.Commits()-before)/float64(b.N), "commits/form")
}

func live(s *Store, i int64) error {
	ctx, at := context.Background(), hub.When{At: noon}
	a := form(fmt.Sprint(i))
	a.Lease = hub.Lease{Boot: "test", Token: -i}
	got, err := s.Receive(ctx, a)
	if err != nil {
		return err
	}
	system := hub.SystemID(fmt.Sprintf("k.s%d", i%64))
	_, _, err = s.Settle(ctx, got.Case.ID, hub.Planned{When: at, Key: hub.Key(got.Submission.ID), Lease: a.Lease,
		Deliveries: []hub.Plan{{Leg: "d", System: system, Level: hub.Lookup, Step: hub.Registrerat}}},
		hub.Facts{Answers: []hub.RegisterAnswer{{As: "sokande"}}})
	if err != nil {
		return err
	}
	claims, err := s.ClaimDeliveries(ctx, system, hub.Lease{Boot: "test"}, noon, 8)
	if err != nil {
		return err
	}
	for _, c := range claims {
		lease := c.Case.Find(c.Key).Lease
		if _, _, err := s.Apply(ctx, c.Case.ID, hub.Started{When: at, Key: c.Key, Lease: lease, SHA256: sha256.Sum256(nil)}); err != nil {
			return err
		}
		_, _, err = s.Apply(ctx, c.Case.ID, hub.Answered{When: at, Key: c.Key, Lease: lease, Answer: hub.Yes,
			Receipt: hub.Receipt{Number: "BN " + string(c.Key), At: noon}})
		if err != nil {
			return err
		}
	}
	return nil
}

// BenchmarkClaim claims 32 deliveries at a time from a small and a large backlog of eight
// municipalities. The ratio of the two is what matters: it should be near 1.
func BenchmarkClaim(b *testing.B) {
	var small float64
	for _, backlog := range []int{10_000, 200_000} {
		b.Run(fmt.Sprintf("backlog=%d", backlog), func(b *testing.B) {
			s := newTestStore(b, Options{})
			fill(b, s, backlog)
			b.ResetTimer()
			for range b.N {
				claims, err := s.ClaimDeliveries(context.Background(), "shared.diarium", hub.Lease{Boot: "test"}, noon, 32)
				if err != nil || len(claims) != 32 {
					b.Fatalf("%d claims, %v", len(claims), err)
				}
				b.StopTimer()
				putBack(b, s, claims)
				b.StartTimer()
			}
			perClaim := float64(b.Elapsed()) / float64(b.N)
			if backlog == 10_000 {
				small = perClaim
			}
			b.ReportMetric(perClaim/small, "x-small-backlog")
		})
	}
}

// putBack lets claimed deliveries be due again, as after an outage.
func putBack(b *testing.B, s *Store, claims []hub.Claim) {
	for _, c := range claims {
		lease := c.Case.Find(c.Key).Lease
		for _, e := range []hub.Event{
			hub.Started{When: hub.When{At: noon}, Key: c.Key, Lease: lease},
			hub.Answered{When: hub.When{At: noon.Add(-time.Hour)}, Key: c.Key, Lease: lease,
				Answer: hub.NotNow, Cause: hub.Down, Wait: time.Minute},
		} {
			if _, _, err := s.Apply(context.Background(), c.Case.ID, e); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// fill writes a backlog of cases with one delivery each, without going through their lives.
func fill(b *testing.B, s *Store, n int) {
	err := engine{s}.Commit(context.Background(), func(tx *rows.Tx) error {
		const number = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) `
		err := tx.Exec(number+`INSERT INTO cases (id, municipality, source, service, step, step_at, ref, voice, teller)
			SELECT printf('case%022d', i), printf('%04d', 1000 + i % 8), 's', 's', '', 0, '', '', '' FROM n`, n)
		if err != nil {
			return err
		}
		return tx.Exec(number+`INSERT INTO progress (case_id, place, municipality, queue, `+rows.ProgressColumns+`)
			SELECT printf('case%022d', i), 1, printf('%04d', 1000 + i % 8), 'shared.diarium',
			printf('case%022d-d', i), 'document', 'READY', '', '', 0, i, '', 0, 0, 0, 0, 0, '',
			printf('case%022d', i), 'd', 'shared.diarium', '', 'lookup', 0, '', '', NULL, NULL, 0, 0, 0, 0, NULL FROM n`, n)
	})
	if err != nil {
		b.Fatal(err)
	}
}
