package rows

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A database that is an older copy knows nothing of what was delivered since it was made. An
// engine that finds that out writes a line in table restores, and has FinishRestore run before
// anybody gets the Store.

// toldAtOnce is how many cases are told of a restore in one transaction.
const toldAtOnce = 200

// FinishRestore tells every case with anything unsettled that it comes from an older copy,
// and goes on where a killed process stopped. Until it is done nobody has the Store.
func (s *Store) FinishRestore(ctx context.Context) error {
	for done := false; !done; {
		var err error
		if done, err = s.tellSome(ctx); err != nil {
			return fmt.Errorf("restore: %w", err)
		}
	}
	return nil
}

// tellSome tells some cases; done is true when there are no more, or never were.
func (s *Store) tellSome(ctx context.Context) (done bool, err error) {
	var r restore
	err = s.commit(ctx, func(b *Tx) (err error) {
		if r, done, err = b.restoreToFinish(); err != nil || done {
			return err
		}
		if r.after == "" {
			act := hub.Act{What: "restored", Note: r.why}
			if err := b.writeEffects(hub.Case{}, &hub.Effects{Acts: []hub.Act{act}}); err != nil {
				return err
			}
		}
		done, err = b.tell(&r)
		return err
	})
	if err == nil && done && r.n != 0 {
		s.o.Log.Warn("the database is an older copy: what it does not know the end of is asked about or rests with a person",
			"why", r.why, "cases", r.cases)
	}
	return done, err
}

// A restore is a line of table restores whose cases have not all been told.
type restore struct {
	n     int64
	why   string
	after hub.CaseID
	cases int
}

func (b *Tx) restoreToFinish() (r restore, none bool, err error) {
	found, err := one(b, "SELECT n, why, after, cases FROM restores WHERE NOT done ORDER BY n DESC LIMIT 1", nil,
		&r.n, &r.why, &r.after, &r.cases)
	return r, !found, err
}

func (b *Tx) tell(r *restore) (done bool, err error) {
	ids, err := b.unsettledAfter(r.after)
	if err != nil {
		return false, err
	}
	for _, id := range ids {
		if _, _, err := b.apply(id, hub.Restored{When: hub.When{At: b.s.o.Clock()}}); err != nil {
			return false, err
		}
		r.after = id
		r.cases++
	}
	if len(ids) == toldAtOnce {
		return false, b.Exec("UPDATE restores SET after = ?, cases = ? WHERE n = ?", r.after, r.cases, r.n)
	}
	if err := b.Exec("UPDATE restores SET cases = ? WHERE n = ?", r.cases, r.n); err != nil {
		return false, err
	}
	return true, b.Exec("UPDATE restores SET done = TRUE")
}

func (b *Tx) unsettledAfter(after hub.CaseID) ([]hub.CaseID, error) {
	var ids []hub.CaseID
	err := each(b, `SELECT DISTINCT case_id FROM progress WHERE case_id > ? AND `+Unsettled+`
		ORDER BY case_id LIMIT ?`, []any{after, toldAtOnce}, func(rows *sql.Rows) error {
		var id hub.CaseID
		err := rows.Scan(&id)
		ids = append(ids, id)
		return err
	})
	return ids, err
}

// Unsettled is the condition on progress of what a restore is about: a form that has not ended, and a document that is
// not settled. A telling may be told twice.
const Unsettled = `(kind = 'form' AND state NOT IN ('COMPLETED', 'REJECTED', 'WITHDRAWN', 'PURGED')
	OR kind = 'document' AND state NOT IN ('DELIVERED', 'CONFIRMED', 'WAIVED', 'CANCELLED'))`

// Restored gives since when the database is known to be an older copy that was put back,
// and how many of its cases had anything unsettled; zero when it never was one.
func (s *Store) Restored(ctx context.Context) (since time.Time, cases int, err error) {
	err = s.look(ctx, func(q Asker) error {
		var at int64
		_, err := one(q, "SELECT since, cases FROM restores ORDER BY n DESC LIMIT 1", nil, &at, &cases)
		since = Instant(at)
		return err
	})
	if err != nil {
		return time.Time{}, 0, fmt.Errorf("read restores: %w", err)
	}
	return since, cases, nil
}
