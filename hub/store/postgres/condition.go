package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/seal"
	"github.com/knutpunkt/knutpunkt/hub/store/rows"
)

// A Condition is how a Store was found, by somebody who only looked. What comes after Lacks is
// zero where something is lacking, and what comes after Empty for a database with nothing of ours
// in it.
type Condition struct {
	Server            string        // its version, such as 15.14
	Standby           bool          // nothing can be written there
	Shut              bool          // somebody has set it to take no writes
	Forgets           []string      // settings by which a commit could be lost, each name=value
	Mode              string        // how commits are kept, as hub.Store's Durability has it
	Size              int64         // bytes of the database
	Connections       int           // to the server, of all who use it
	MaxConnections    int           // that it takes
	OldestTransaction time.Duration // how long the oldest open transaction in the database has been open

	Lacks []string // tables that the user may not read and write, and the schema when nothing can be made in it

	Known           int  // the newest version of the schema that this program knows
	Empty           bool // nothing of ours is in it
	Half            bool // a move to it has begun and has not come to its end
	Version         int  // of its schema
	Keys            error
	Peers           []Peer        // the processes that live
	Unnumbered      int64         // lines of the feed and of the audit log that no reader sees yet
	UnnumberedSince time.Duration // how long the oldest of them has waited
	Last            time.Time     // of the last line of the audit log; zero without any
}

// A Peer is a process that lives.
type Peer struct {
	Boot    string
	Started time.Time
}

// Examine looks at a database, also beside the processes that write it, and changes nothing.
// The error is for what cannot be looked at; what was found wrong is in the Condition.
func Examine(ctx context.Context, at Address, keys *seal.Keys) (c Condition, err error) {
	s, err := newStore(at, keys, Options{Clock: func() time.Time { return time.Time{} }})
	if err != nil {
		return c, fmt.Errorf("examine store: %w", err)
	}
	defer s.Close()
	conn, err := connect(ctx, s.config)
	if err != nil {
		return c, fmt.Errorf("examine store: %w", err)
	}
	defer conn.Close(ctx)
	if err := c.server(ctx, conn); err != nil {
		return c, fmt.Errorf("examine store: %w", told(err))
	}
	if c.Lacks, err = lacking(ctx, conn); err != nil || len(c.Lacks) > 0 {
		return c, err
	}
	if err := c.schema(ctx, conn); err != nil || c.Empty || c.Version > c.Known {
		return c, err
	}
	if err := c.contents(ctx, conn); err != nil {
		return c, fmt.Errorf("examine store: %w", told(err))
	}
	if err := s.KnowsKeys(ctx); errors.Is(err, hub.ErrUnreachable) {
		return c, fmt.Errorf("examine store: %w", err)
	} else if err != nil {
		c.Keys = err
	}
	return c, nil
}

// server looks at what any database has.
func (c *Condition) server(ctx context.Context, conn *pgx.Conn) (err error) {
	var state serverState
	if err := state.read(ctx, conn); err != nil {
		return err
	}
	c.Standby, c.Mode = state.standby, state.durability()
	if c.Forgets, err = forgetting(ctx, conn); err != nil {
		return err
	}
	var oldest float64
	row := conn.QueryRow(ctx, `SELECT current_setting('server_version'), pg_database_size(current_database()),
		(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'), current_setting('max_connections')::int,
		current_setting('default_transaction_read_only') = 'on', `+oldestOpen)
	err = row.Scan(&c.Server, &c.Size, &c.Connections, &c.MaxConnections, &c.Shut, &oldest)
	c.OldestTransaction = seconds(oldest)
	return err
}

// oldestOpen is for how many seconds the oldest transaction of this database has been open,
// whose ever it is.
const oldestOpen = `(SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::float8 FROM pg_stat_activity
	WHERE datname = current_database() AND xact_start IS NOT NULL AND pid <> pg_backend_pid() AND backend_type <> 'walsender')`

func seconds(s float64) time.Duration { return max(0, time.Duration(s*float64(time.Second))) }

func (c *Condition) schema(ctx context.Context, conn *pgx.Conn) error {
	steps, err := migrationTexts()
	if err != nil {
		return err
	}
	c.Known = len(steps)
	c.Version, err = schemaVersion(ctx, conn)
	c.Empty = c.Version == 0
	return err
}

// contents looks at what is in our tables.
func (c *Condition) contents(ctx context.Context, conn *pgx.Conn) error {
	var last, since int64
	row := conn.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM moves WHERE ended = 0),
		coalesce((SELECT at FROM audit WHERE seq IS NOT NULL ORDER BY seq DESC LIMIT 1), 0),
		(SELECT count(*) FROM feed WHERE seq IS NULL) + (SELECT count(*) FROM audit WHERE seq IS NULL), `+oldestUnnumbered)
	if err := row.Scan(&c.Half, &last, &c.Unnumbered, &since); err != nil {
		return err
	}
	c.Last, c.UnnumberedSince = rows.Instant(last), time.Duration(since)
	peers, err := conn.Query(ctx, "SELECT name, started FROM boots JOIN pg_locks ON n = objid::bigint WHERE "+ours+" ORDER BY n", alive)
	if err != nil {
		return err
	}
	c.Peers, err = pgx.CollectRows(peers, func(row pgx.CollectableRow) (p Peer, err error) {
		var started int64
		err = row.Scan(&p.Boot, &started)
		p.Started = rows.Instant(started)
		return p, err
	})
	return err
}

// oldestUnnumbered is for how many nanoseconds the oldest line has waited for a number: since it
// was written, by the clock of who wrote it.
const oldestUnnumbered = `greatest(0, (SELECT coalesce((extract(epoch FROM clock_timestamp()) * 1e9)::bigint - min(at), 0) FROM (
	(SELECT at FROM audit WHERE seq IS NULL ORDER BY n LIMIT 1) UNION ALL (SELECT at FROM feed WHERE seq IS NULL ORDER BY n LIMIT 1)) w))`

// Gauges gives what the metrics tell of a Store that several processes share, by name.
func (s *Store) Gauges(ctx context.Context) (map[string]float64, error) {
	conn, err := connection(ctx, s.pools.read)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	var oldest float64
	var lag, theirs int64
	began := s.o.Clock()
	row := conn.QueryRowContext(ctx, "SELECT "+oldestOpen+", "+oldestUnnumbered+", (extract(epoch FROM clock_timestamp()) * 1e9)::bigint")
	if err := row.Scan(&oldest, &lag, &theirs); err != nil {
		return nil, fmt.Errorf("read gauges: %w", unlessLeft(ctx, err))
	}
	ours := began.Add(s.o.Clock().Sub(began) / 2)
	pool := s.pools.stats()
	return map[string]float64{
		"db_oldest_xact_seconds":           max(0, oldest),
		"sequencer_lag_seconds":            time.Duration(lag).Seconds(),
		"clock_skew_seconds":               ours.Sub(rows.Instant(theirs)).Seconds(),
		"db_connections":                   float64(pool.InUse),
		"db_connection_wait_seconds_total": pool.WaitDuration.Seconds(),
	}, nil
}

// Counts gives the numbers that the metrics are made of, with the lines that no reader sees yet.
func (s *Store) Counts(ctx context.Context, now time.Time) (hub.Counts, error) {
	c, err := s.Store.Counts(ctx, now)
	if err != nil {
		return c, err
	}
	err = engine{s}.Look(ctx, func(q rows.Asker) error {
		found, err := q.Query("SELECT count(*) FROM feed WHERE seq IS NULL")
		if err != nil {
			return err
		}
		defer found.Close()
		for found.Next() {
			err = found.Scan(&c.Unnumbered)
		}
		return errors.Join(err, found.Err())
	})
	return c, err
}
