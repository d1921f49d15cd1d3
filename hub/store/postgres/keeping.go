package postgres

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/knutpunkt/knutpunkt/hub/store/rows"
)

// keepEvery is how often the house is kept. Each process does so: what one has done already is
// soon done again.
const keepEvery = 6 * time.Hour

// keepHouse keeps the house until the Store is closed.
func (s *Store) keepHouse() {
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.keepOnce(context.Background())
		case <-s.leaving:
			return
		}
	}
}

// keepOnce keeps the house as far as that can be done now. Nothing depends on it today.
func (s *Store) keepOnce(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := s.keep(ctx); err != nil {
		s.o.Log.Warn("the database was not tidied up; it will be", "error", err)
	}
}

// keep makes the months to come, gathers what has been counted by connections that are no
// more, and sweeps away what was never received.
func (s *Store) keep(ctx context.Context) error {
	conn, err := connection(ctx, s.pools.write)
	if err != nil {
		return err
	}
	defer conn.Close()
	var mine bool
	if err := conn.QueryRowContext(ctx, "SELECT pg_try_advisory_lock($1, 0)", keeping).Scan(&mine); err != nil || !mine {
		return told(err)
	}
	defer conn.ExecContext(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1, 0)", keeping)
	now := s.o.Clock()
	if err := makeMonths(ctx, conn, now, now.AddDate(0, monthsAhead, 0)); err != nil {
		return fmt.Errorf("make months: %w", told(err))
	}
	if err := gatherTallies(ctx, conn); err != nil {
		return fmt.Errorf("gather tallies: %w", told(err))
	}
	if err := s.sweepParts(ctx, conn); err != nil {
		return fmt.Errorf("sweep parts: %w", told(err))
	}
	return nil
}

// monthsAhead is for how many months there is a place before they begin.
const monthsAhead = 3

// byMonth are the tables that lie by months, by the time in a column at. A month that is long
// past can be moved elsewhere as one piece.
var byMonth = []string{"audit"}

// makeMonths makes places for the months from one time to another, in Coordinated Universal
// Time. A month of which something lies among the others already stays there.
func makeMonths(ctx context.Context, conn *sql.Conn, from, to time.Time) error {
	for month := monthOf(from); !month.After(to); month = month.AddDate(0, 1, 0) {
		for _, table := range byMonth {
			if err := makeMonth(ctx, conn, table, month); err != nil {
				return err
			}
		}
	}
	return nil
}

func monthOf(t time.Time) time.Time {
	t = t.UTC()
	return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
}

func makeMonth(ctx context.Context, conn *sql.Conn, table string, month time.Time) error {
	name := table + month.Format("_2006_01")
	first, next := rows.Nanos(month), rows.Nanos(month.AddDate(0, 1, 0))
	var there bool
	row := conn.QueryRowContext(ctx, `SELECT to_regclass($1) IS NOT NULL
		OR EXISTS (SELECT 1 FROM `+table+`_other WHERE at >= $2 AND at < $3)`, name, first, next)
	if err := row.Scan(&there); err != nil || there {
		return err
	}
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	// Everybody who writes waits behind one who waits to make a month: not for long.
	if _, err := tx.ExecContext(ctx, "SET LOCAL lock_timeout = '500ms'"); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("CREATE TABLE %s PARTITION OF %s FOR VALUES FROM (%d) TO (%d)", name, table, first, next)); err != nil {
		return err
	}
	return tx.Commit()
}

// gatherTallies adds up what connections have counted that are no more.
func gatherTallies(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, `WITH gone AS (
			DELETE FROM tallies WHERE writer <> 0 AND writer NOT IN (SELECT pid FROM pg_stat_activity) RETURNING what, label, n)
		INSERT INTO tallies (what, label, writer, n) SELECT what, label, 0, sum(n) FROM gone GROUP BY what, label
		ON CONFLICT (what, label, writer) DO UPDATE SET n = tallies.n + excluded.n`)
	return err
}
