package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A sequencer gives numbers to the lines of the feed and of the audit log, and to submissions,
// when they have been committed. Writers beside one another commit in another order than they
// began, so a number that was taken while writing could become visible after a greater one, and
// a reader would have passed it by. Here one process at a time numbers what it sees, and its own
// commit makes all of that visible at once.
type sequencer struct {
	s         *Store
	poked     chan struct{}
	stopping  chan struct{}
	stopped   sync.WaitGroup
	committed atomic.Int64 // how often this process has committed something without numbers

	mu       sync.Mutex
	numbered int64         // how much of committed has its numbers
	progress chan struct{} // closed, and made anew, when that has grown
}

func newSequencer(s *Store) *sequencer {
	return &sequencer{s: s, poked: make(chan struct{}, 1), stopping: make(chan struct{}), progress: make(chan struct{})}
}

// numberEvery is how often a sequencer looks when nobody pokes it: another process may have died
// between its commit and the numbers.
const numberEvery = 200 * time.Millisecond

// run numbers until the Store is closed, and then what is left.
func (q *sequencer) run() {
	tick := time.NewTicker(numberEvery)
	defer tick.Stop()
	for {
		select {
		case <-q.poked:
			q.number()
		case <-tick.C:
			q.number()
		case <-q.stopping:
			q.number()
			return
		}
	}
}

// poke tells that lines were committed without numbers.
func (q *sequencer) poke(int) {
	q.committed.Add(1)
	select {
	case q.poked <- struct{}{}:
	default:
	}
}

// number numbers all that has been committed so far. What fails is tried again soon.
func (q *sequencer) number() {
	until := q.committed.Load()
	ctx, cancel := context.WithTimeout(context.Background(), transactionWithin)
	defer cancel()
	for more := true; more; {
		var err error
		if more, err = q.numberSome(ctx); err != nil {
			if err = told(err); !errors.Is(err, hub.ErrUnreachable) {
				q.s.o.Log.Warn("what was committed has no numbers yet", "error", err)
			}
			return
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if until > q.numbered {
		q.numbered = until
		close(q.progress)
		q.progress = make(chan struct{})
	}
}

// numberedAtOnce bounds one transaction.
const numberedAtOnce = 2000

// giveNumbers numbers what has none, in the order in which it was written, after the last that
// has one.
var giveNumbers = []string{
	giveNumber("feed", "n", "seq"),
	giveNumber("audit", "n", "seq"),
	giveNumber("submissions", "arrival", "n"),
}

func giveNumber(table, order, number string) string {
	return fmt.Sprintf(`UPDATE %[1]s t SET %[3]s = w.place + (SELECT coalesce(max(%[3]s), 0) FROM %[1]s)
		FROM (SELECT %[2]s, row_number() OVER (ORDER BY %[2]s) AS place FROM %[1]s WHERE %[3]s IS NULL ORDER BY %[2]s LIMIT %[4]d) w
		WHERE t.%[2]s = w.%[2]s AND t.%[3]s IS NULL`, table, order, number, numberedAtOnce)
}

const unnumbered = `SELECT EXISTS (SELECT 1 FROM feed WHERE seq IS NULL) OR EXISTS (SELECT 1 FROM audit WHERE seq IS NULL)
	OR EXISTS (SELECT 1 FROM submissions WHERE n IS NULL)`

// numberSome numbers some; more says that there was more of something than that. Each statement
// sees what had been committed when it began, so the lock comes first.
func (q *sequencer) numberSome(ctx context.Context) (more bool, err error) {
	conn, err := connection(ctx, q.s.pools.write)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	var any bool
	if err := conn.QueryRowContext(ctx, unnumbered).Scan(&any); err != nil || !any {
		return false, err
	}
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1, 0)", numbering); err != nil {
		return false, err
	}
	for _, give := range giveNumbers {
		n, err := affected(tx.ExecContext(ctx, give))
		if err != nil {
			return false, err
		}
		more = more || n == numberedAtOnce
	}
	return more, tx.Commit()
}

func affected(result sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// wait returns when all that this process had committed has its numbers, so that it reads what
// it wrote.
func (q *sequencer) wait(ctx context.Context) error {
	until := q.committed.Load()
	late := time.NewTimer(dialWithin)
	defer late.Stop()
	for {
		q.mu.Lock()
		done, progress := q.numbered >= until, q.progress
		q.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-progress:
		case <-ctx.Done():
			return ctx.Err()
		case <-late.C:
			return fmt.Errorf("%w: what was written has no number yet", hub.ErrUnreachable)
		}
	}
}

// close numbers what is left.
func (q *sequencer) close() {
	close(q.stopping)
	q.stopped.Wait()
}
