package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/store/rows"
)

// A server that takes another's place may lack what that one had committed last, and a copy that
// was put back does: it knows nothing of what was delivered since, and would have it delivered
// again. So the database keeps as which database, and on which timeline of its server, it was
// written last. PostgreSQL begins a new timeline whenever a server is promoted or restored to a
// time; a cluster that is made anew has another identifier, and what a dump is read into other
// numbers. Where commits had waited for a standby all along, and that has taken over, nothing is
// missing. A restore to a time looks the same from within the database, so only a process that
// was there before and lived through it says so: whoever begins at a new timeline doubts.

// databaseIdentity names the database that is written now: its server, its own number and that of
// a table; and last the timeline, which a standby has not.
const databaseIdentity = `SELECT concat_ws('/', (SELECT system_identifier FROM pg_control_system()),
	(SELECT oid FROM pg_database WHERE datname = current_database()), 'cases'::regclass::oid,
	CASE WHEN pg_is_in_recovery() THEN '' ELSE substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END)`

// beginEpoch finds out whether another server has written the database last, and notes that every
// case with anything unsettled is to be told so, before anything is delivered.
func (s *Store) beginEpoch(ctx context.Context, conn *pgx.Conn) error {
	var id string
	var refusal *refused
	if err := told(conn.QueryRow(ctx, databaseIdentity).Scan(&id)); errors.As(err, &refusal) && refusal.code == forbidden {
		s.o.Log.Warn("this user may not ask which server this is, so a failover that loses something is not found out")
		return nil
	} else if err != nil {
		return fmt.Errorf("begin epoch: %w", err)
	}
	var state serverState
	if err := state.read(ctx, conn); err != nil {
		return fmt.Errorf("begin epoch: %w", told(err))
	}
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1, 0)", migrating); err != nil {
			return err
		}
		why, err := s.doubt(ctx, tx, id)
		if err == nil && why != "" {
			err = s.noteRestore(ctx, tx, why)
		}
		if err == nil {
			_, err = tx.Exec(ctx, `INSERT INTO epoch (one, id, before) VALUES (1, $1, $2)
				ON CONFLICT (one) DO UPDATE SET id = excluded.id, before = excluded.before
				WHERE epoch.id <> excluded.id OR epoch.before <> excluded.before`, id, state.durability())
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("begin epoch: %w", told(err))
	}
	s.epoch.Store(&id)
	return nil
}

// assertSameEpoch hands out no connection to a server that has taken over and of which this process
// has not found out yet what it lacks: what is claimed there may have been delivered already.
func (s *Store) assertSameEpoch(ctx context.Context, conn *pgx.Conn) error {
	known := s.epoch.Load()
	if known == nil {
		return nil
	}
	var id string
	err := conn.QueryRow(ctx, databaseIdentity).Scan(&id)
	if err == nil && id != *known {
		err = fmt.Errorf("%w as the server that it was: another has taken over, which is looked at first", hub.ErrUnreachable)
	}
	return err
}

// doubt says why the database may be an older copy; "" when it is not, or is known to be one.
func (s *Store) doubt(ctx context.Context, tx pgx.Tx, id string) (why string, err error) {
	var last, kept string
	var cases, pending bool
	row := tx.QueryRow(ctx, `SELECT coalesce((SELECT id FROM epoch), ''), coalesce((SELECT before FROM epoch), ''),
		EXISTS (SELECT 1 FROM cases), EXISTS (SELECT 1 FROM restores WHERE NOT done)`)
	if err := row.Scan(&last, &kept, &cases, &pending); err != nil {
		return "", err
	}
	switch {
	case last == "", last == id, !cases, pending:
		return "", nil
	case !isSameDatabase(last, id):
		return "it is another database than the one that was written last, and may lack what that had", nil
	case kept == synchronous && s.wasThere(last):
		return "", nil
	}
	return "another server, or another of its timelines, has taken over, which may lack what was committed last", nil
}

// wasThere reports whether this process was at the database as it was written last.
func (s *Store) wasThere(last string) bool {
	known := s.epoch.Load()
	return known != nil && *known == last
}

// isSameDatabase compares two identities apart from their timelines.
func isSameDatabase(a, b string) bool {
	a, b = a[:strings.LastIndex(a, "/")+1], b[:strings.LastIndex(b, "/")+1]
	return a == b
}

// noteRestore has every unsettled case told. Nobody is logged in by an older copy: who was may
// have logged out since.
func (s *Store) noteRestore(ctx context.Context, tx pgx.Tx, why string) error {
	if _, err := tx.Exec(ctx, "DELETE FROM sessions"); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "INSERT INTO restores (since, why, after, cases, done) VALUES ($1, $2, '', 0, FALSE)",
		rows.Nanos(s.o.Clock()), why)
	return err
}

// noteKept remembers how commits are kept from now on, for whoever finds another server here. It
// does not wait for a standby: that there is none may be what it notes.
func noteKept(ctx context.Context, conn *pgx.Conn, durability string) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "SET LOCAL synchronous_commit = local")
		if err == nil {
			_, err = tx.Exec(ctx, "UPDATE epoch SET before = $1 WHERE before <> $1", durability)
		}
		return err
	})
}

// isToFinish reports whether a restore has cases that have not been told.
func isToFinish(ctx context.Context, q querier) (pending bool, err error) {
	err = q.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM restores WHERE NOT done)").Scan(&pending)
	return pending, told(err)
}

// finishRestore tells what a restore is about, one process at a time; the others wait, since
// nothing is delivered before it is done.
func (s *Store) finishRestore(ctx context.Context) error {
	conn, err := pgx.ConnectConfig(ctx, s.config)
	if err != nil {
		return told(err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1, 0)", restoring); err != nil {
		return told(err)
	}
	return s.FinishRestore(ctx)
}
