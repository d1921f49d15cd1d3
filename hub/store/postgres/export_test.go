package postgres

import (
	"context"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub/seal"
)

// OpenImpatient opens a Store that calls others dead as soon as it does not see them.
func OpenImpatient(ctx context.Context, at Address, keys *seal.Keys, o Options) (*Store, error) {
	return open(ctx, at, keys, o, 0)
}

// Abandon has everything of a process end that would notice that its connections are gone.
func (s *Store) Abandon() {
	s.liveness.leave()
}

// NoPatienceForTheStill has a process call another dead that stands still for a while.
func (s *Store) NoPatienceForTheStill(d time.Duration) {
	s.liveness.using.Lock()
	defer s.liveness.using.Unlock()
	s.liveness.still = d
}

// BelongsTo has a process believe that it was at another server until now.
func (s *Store) BelongsTo(id string) { s.epoch.Store(&id) }

// NextVersion makes this program one of the next version, which does more to the tables.
func NextVersion(t testing.TB, migration string) {
	before := moreMigrations
	t.Cleanup(func() { moreMigrations = before })
	moreMigrations = append(before[:len(before):len(before)], migration)
}

// Keep keeps house, as the Store does now and then.
func (s *Store) Keep(ctx context.Context) error { return s.keep(ctx) }
