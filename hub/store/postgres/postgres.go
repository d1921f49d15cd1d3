// Package postgres is the Store of several processes: one PostgreSQL database, and as many
// replicas of the hub beside one another as there is work for. It runs on PostgreSQL 13 and
// newer, and needs nothing there but a database of its own.
//
// # Who writes
//
// Each process has several writers. Each folds whatever waits into one transaction, as the one
// writer of hub/store/sqlite does, and sends what is to be written in as few round trips as it
// can. The row of a case is the lock of everything that belongs to the case: who changes any
// of it locks that row first. Claims pass over the cases that others have (SKIP LOCKED), so nobody
// waits for anybody who claims, and no transaction is open while a system is called.
//
// # Who lives
//
// A process lives for as long as its session lasts that holds the advisory lock on its number.
// When it dies the lock is free at once, or when its machine dies, after some ten seconds;
// others then take over what it had in hand. A process that has lost its session takes nothing
// in hand until it has one again. See liveness.
//
// # The feed has no gaps
//
// What was written beside each other becomes visible in any order. So lines of the feed and of
// the audit log are written without numbers, and get them when they have been committed. See
// sequencer.
//
// # What can be lost
//
// A server that is set to forget what it has committed is refused. One without a synchronous
// standby is pg-local: what it had committed last may be gone when another takes its place. That
// is found out at the next start, as for a backup that was put back. See epoch.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/seal"
	"github.com/knutpunkt/knutpunkt/hub/store/rows"
)

// A Store is a hub.Store in a PostgreSQL database.
type Store struct {
	*rows.Store
	o         Options
	config    *pgx.ConnConfig
	pools     pools
	reach     reach
	queue     *rows.Queue // nil in a Store that only reads
	liveness  *liveness
	sequencer *sequencer
	full      atomic.Bool            // the database had no room lately
	epoch     atomic.Pointer[string] // as which database it was found last; nil where that is not known
	patience  int                    // see the constant
	leaving   chan struct{}
	kept      sync.WaitGroup
	closed    sync.Once
}

var _ hub.Store = (*Store)(nil)

// Options are what a Store must be told.
type Options = rows.Options

// errReadOnly says that a Store was opened beside those that write.
var errReadOnly = errors.New("the database is open for reading only")

// Open connects to a database, makes its tables when they are not there, and brings them to the
// present schema. Other processes may have it open. What a killed process had in hand is for
// Recover.
func Open(ctx context.Context, at Address, keys *seal.Keys, o Options) (*Store, error) {
	return open(ctx, at, keys, o, patience)
}

func open(ctx context.Context, at Address, keys *seal.Keys, o Options, patience int) (*Store, error) {
	if o.Boot == "" || o.Clock == nil {
		return nil, errors.New("open store: Boot and Clock are required")
	}
	s, err := newStore(at, keys, o)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	s.patience = patience
	if err := s.start(ctx); err != nil {
		s.Close()
		return nil, fmt.Errorf("open store: %w", err)
	}
	return s, nil
}

// OpenReadOnly opens a database for reading, beside the processes that write it. Everything that
// would write is refused.
func OpenReadOnly(ctx context.Context, at Address, keys *seal.Keys, clock func() time.Time) (*Store, error) {
	s, err := newStore(at, keys, Options{Clock: clock})
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	conn, err := connect(ctx, s.config)
	if err == nil {
		err = checkVersion(ctx, conn)
		conn.Close(ctx)
	}
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("open store: %w", told(err))
	}
	return s, nil
}

func newStore(at Address, keys *seal.Keys, o Options) (*Store, error) {
	config, err := at.config()
	if err != nil {
		return nil, err
	}
	o = o.WithDefaults()
	config.RuntimeParams["application_name"] = strings.TrimSpace("knutpunkt " + o.Boot)
	s := &Store{o: o, config: config, leaving: make(chan struct{})}
	s.pools = openPools(config, s.assertSameEpoch)
	s.Store = rows.New(engine{s}, dialect, keys, o)
	return s, nil
}

// start looks at the database, brings it to the present schema, joins the others and begins to
// write.
func (s *Store) start(ctx context.Context) error {
	if err := s.prepare(ctx); err != nil {
		return err
	}
	if err := s.KnowsKeys(ctx); err != nil {
		return err
	}
	var err error
	if s.liveness, err = live(ctx, s); err != nil {
		return err
	}
	if err := s.begin(ctx); err != nil {
		return err
	}
	s.keepOnce(ctx)
	s.kept.Go(s.keepHouse)
	if err := s.finishRestore(ctx); err != nil {
		return err
	}
	return s.HeedClock(ctx)
}

// prepare leaves a database that this program can use, or an error that says why not.
func (s *Store) prepare(ctx context.Context) error {
	conn, err := connect(ctx, s.config)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if err := assertFit(ctx, conn); err != nil {
		return err
	}
	if err := assertRights(ctx, conn); err != nil {
		return err
	}
	if err := migrate(ctx, conn, s.o.Clock()); err != nil {
		return err
	}
	if err := unlessHalfMoved(ctx, conn); err != nil {
		return err
	}
	return s.beginEpoch(ctx, conn)
}

// foldedAtOnce is how many are written in one transaction at most. Each form takes a few locks in
// the server's memory, which as it comes has room for some 6,000 of all connections.
const foldedAtOnce = 64

// begin has the writers write, and the sequencer number what they have written.
func (s *Store) begin(ctx context.Context) error {
	var acted int64
	conn, err := connection(ctx, s.pools.read)
	if err == nil {
		defer conn.Close()
		err = conn.QueryRowContext(ctx, "SELECT coalesce((SELECT at FROM audit WHERE seq IS NOT NULL ORDER BY seq DESC LIMIT 1), 0)").Scan(&acted)
	}
	if err != nil {
		return fmt.Errorf("begin: %w", told(err))
	}
	s.Begin(s.liveness.number, rows.Instant(acted))
	s.sequencer = newSequencer(s)
	s.sequencer.stopped.Go(s.sequencer.run)
	s.sequencer.poke(0) // for what a process that was killed has left without numbers
	s.queue = rows.NewQueue(foldedAtOnce)
	for range writersAtOnce {
		s.queue.Serve(s.NewWriter(&writing{s: s}, 0, 0, s.sequencer.poke), func() {})
	}
	return nil
}

// Durability names how accepted forms are kept: "pg-sync" where each commit waits for a second
// server, else "pg-local"; "degraded" when nothing is to be accepted, and hub.Unreachable.
func (s *Store) Durability(context.Context) string {
	switch {
	case s.liveness == nil:
		return degraded
	case s.full.Load():
		return degraded
	}
	return s.liveness.durability()
}

// Lead makes this process the one that has a duty. Whoever has it asks again and again, and is
// told when it has been lost: then held is true, or the database cannot be reached.
func (s *Store) Lead(ctx context.Context, duty string) (end func(), held bool, err error) {
	if s.liveness == nil {
		return nil, false, errReadOnly
	}
	return s.liveness.lead(ctx, duty)
}

// Peers gives this process's place among those that live, in the order in which they began, as
// they were within the last second.
func (s *Store) Peers(context.Context) (place, of int, err error) {
	if s.liveness == nil {
		return 0, 0, errReadOnly
	}
	return s.liveness.place()
}

// Close waits for what is being written, and lets the others know that this process is no more.
func (s *Store) Close() (err error) {
	s.closed.Do(func() {
		close(s.leaving)
		s.kept.Wait()
		if s.queue != nil {
			s.queue.Close()
		}
		if s.sequencer != nil {
			s.sequencer.close()
		}
		err = s.pools.close()
		if s.liveness != nil {
			s.liveness.close()
		}
	})
	return err
}
