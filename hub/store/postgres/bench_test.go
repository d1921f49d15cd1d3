package postgres_test

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/store/postgres"
)

// waiting lays n deliveries to the diarium in wait, as they would lie had they come in.
func waiting(b *testing.B, url string, n int) {
	b.Helper()
	db := ask(b, url)
	for _, statement := range []string{`INSERT INTO cases SELECT 'case' || i, NULL, (ARRAY['1080', '1082', '0114'])[1 + i % 3], 'karlskrona.etjanst', 'bygglov', 'inkommet', 1, '', '', '', NULL
			FROM generate_series(1, $1) i`,
		`INSERT INTO progress SELECT 'case' || i || '/diarium', 'case' || i, 1, (ARRAY['1080', '1082', '0114'])[1 + i % 3], 'karlskrona.diarium', NULL, 'document', 'READY', '', '', 1, i, '', 0, 0,
			0, 0, FALSE, 'r1', 'case' || i, 'diarium', 'karlskrona.diarium', 'create', 'lookup', 0, '', 'registrerat', NULL, NULL, 0, 0, FALSE, FALSE, NULL
			FROM generate_series(1, $1) i`} {
		if _, err := db.Exec(statement, n); err != nil {
			b.Fatal(err)
		}
	}
	for _, table := range []string{"cases", "progress"} {
		if _, err := db.Exec("VACUUM ANALYZE " + table); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkClaim claims eight deliveries at a time, before queues of different lengths.
func BenchmarkClaim(b *testing.B) {
	for _, backlog := range []int{10_000, 100_000} {
		b.Run(fmt.Sprint(backlog), func(b *testing.B) {
			url := newDatabase(b)
			r := start(b, url, 1)
			waiting(b, url, backlog)
			var took []time.Duration
			for b.Loop() {
				began := time.Now()
				claims, err := r.all[0].ClaimDeliveries(b.Context(), diarium, lease(0), time.Now(), 8)
				if err != nil || len(claims) == 0 {
					b.Fatalf("%d claimed: %v", len(claims), err)
				}
				took = append(took, time.Since(began))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
		})
	}
}

// BenchmarkReceive receives forms from many at once.
func BenchmarkReceive(b *testing.B) {
	for _, n := range []int{1, 3} {
		b.Run(fmt.Sprint(n, " replicas"), func(b *testing.B) {
			r := start(b, newDatabase(b), n)
			var next atomic.Int64
			b.SetParallelism(64)
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					i := next.Add(1)
					if _, err := r.all[i%int64(n)].Receive(b.Context(), arrival(fmt.Sprint(i), "1")); err != nil {
						b.Error(err)
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "forms/s")
		})
	}
}

// BenchmarkDeliver takes deliveries all the way: claimed, begun, answered.
func BenchmarkDeliver(b *testing.B) {
	for _, n := range []int{1, 3} {
		b.Run(fmt.Sprint(n, " replicas"), func(b *testing.B) {
			url := newDatabase(b)
			r := start(b, url, n)
			waiting(b, url, 100_000)
			b.ResetTimer()
			var done atomic.Int64
			r.each(func(i int, s *postgres.Store) {
				for done.Load() < int64(b.N) {
					claims, err := s.ClaimDeliveries(b.Context(), diarium, lease(i), time.Now(), 32)
					if err != nil {
						b.Error(err)
						return
					}
					parallel(claims, func(c hub.Claim) {
						at := hub.When{At: time.Now()}
						r.apply(s, c.Case.ID, hub.Started{When: at, Key: c.Key, Lease: held(c)})
						r.apply(s, c.Case.ID, hub.Answered{When: at, Key: c.Key, Lease: held(c), Answer: hub.Yes, Receipt: hub.Receipt{Number: string(c.Key)}})
						done.Add(1)
					})
				}
			})
			b.ReportMetric(float64(done.Load())/b.Elapsed().Seconds(), "deliveries/s")
		})
	}
}

func parallel(claims []hub.Claim, do func(hub.Claim)) {
	ended := make(chan struct{})
	for _, c := range claims {
		go func() {
			do(c)
			ended <- struct{}{}
		}()
	}
	for range claims {
		<-ended
	}
}
