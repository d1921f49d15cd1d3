package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/store/sqlite"
)

// backlogPrice is what a claim costs while n deliveries to a system wait, against while a
// tenth of them do.
func backlogPrice(n int) (float64, error) {
	dir, err := os.MkdirTemp("", "knutpunkt-bench-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	keys, err := openKeys(dir)
	if err != nil {
		return 0, err
	}
	o := sqlite.Options{Boot: "bench", Clock: time.Now}
	store, err := sqlite.Open(context.Background(), databaseIn(dir), keys, o)
	if err != nil {
		return 0, err
	}
	defer store.Close()
	b := &backlog{store: store}
	if err := b.fill(n / 10); err != nil {
		return 0, err
	}
	few, err := b.claim()
	if err != nil {
		return 0, err
	}
	if err := b.fill(n - n/10); err != nil {
		return 0, err
	}
	many, err := b.claim()
	return ratio(many, few), err
}

// A backlog is a Store in which deliveries wait for a system that is not called.
type backlog struct {
	store  *sqlite.Store
	leases atomic.Int64
}

const slowSystem = hub.SystemID("karlskrona.diarium")

// fill receives n forms and plans one delivery for each.
func (b *backlog) fill(n int) error {
	const atOnce = 256
	var all sync.WaitGroup
	failed := make(chan error, atOnce)
	var left atomic.Int64
	left.Store(int64(n))
	for range atOnce {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				if err := b.add(); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	all.Wait()
	close(failed)
	return <-failed
}

func (b *backlog) add() error {
	at, lease := time.Now(), b.lease()
	r, err := b.store.Receive(context.Background(), hub.Arrival{
		Submission: hub.Submission{
			Municipality: municipality, Service: "bygglov", Answers: hub.NewAnswers(map[string]any{}),
			Source: hub.Ref{System: "karlskrona.hemsidan"},
		},
		Now: at, Lease: lease,
	})
	if err != nil {
		return err
	}
	_, _, err = b.store.Apply(context.Background(), r.Case.ID, hub.Planned{
		When: hub.When{At: at}, Key: hub.Key(r.Submission.ID), Lease: lease,
		Deliveries: []hub.Plan{{Leg: "diarium", System: slowSystem, Level: hub.Idempotent}},
	})
	return err
}

// claim gives the median time of a claim of sixteen.
func (b *backlog) claim() (time.Duration, error) {
	const times, n = 50, 16
	took := make([]time.Duration, times)
	for i := range took {
		begun := time.Now()
		claims, err := b.store.ClaimDeliveries(context.Background(), slowSystem, b.lease(), begun, n)
		took[i] = time.Since(begun)
		if err != nil {
			return 0, err
		}
		if len(claims) != n {
			return 0, fmt.Errorf("%d deliveries were claimed, want %d", len(claims), n)
		}
	}
	slices.Sort(took)
	return took[times/2], nil
}

func (b *backlog) lease() hub.Lease {
	return hub.Lease{Boot: "bench", Token: -b.leases.Add(1), Until: time.Now().Add(time.Hour)}
}
