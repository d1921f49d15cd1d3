package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/store/rows"
)

// dialect is what PostgreSQL is asked. Many write at once, in many processes: the row of a case
// is the lock of everything in it.
var dialect = rows.Dialect{
	First: "JOIN", Least: "least",
	Due: `SELECT p.key, p.case_id FROM progress p JOIN cases c ON c.id = p.case_id
		WHERE p.queue = ? AND p.municipality = ? AND p.due <= ? ORDER BY p.due LIMIT ? FOR UPDATE OF c SKIP LOCKED`,
	Act: "n", NewAct: "coalesce(?::bigint, nextval('audit_n'))", NextAct: "SELECT nextval('audit_n')",
	Count: `INSERT INTO tallies (what, label, writer, n) VALUES (?, ?, pg_backend_pid(), ?)
		ON CONFLICT (what, label, writer) DO UPDATE SET n = tallies.n + excluded.n`,
	Lock: " FOR UPDATE", TryLock: " FOR UPDATE SKIP LOCKED",
	Alone: alone,
}

// alone takes locks that transactions hold to their ends: where it need not wait, it gives
// whether it got them all.
func alone(n int, wait bool) string {
	keys := "(VALUES " + strings.TrimSuffix(strings.Repeat("(?::bigint), ", n), ", ") + ") AS wanted (key)"
	if wait {
		return "SELECT count(pg_advisory_xact_lock(key)) > 0 FROM " + keys
	}
	return "SELECT bool_and(pg_try_advisory_xact_lock(key)) FROM " + keys
}

// An engine is what the rows know of a Store.
type engine struct{ *Store }

// Commit hands on to those who write.
func (e engine) Commit(ctx context.Context, do func(*rows.Tx) error) error {
	if e.queue == nil {
		return errReadOnly
	}
	return told(e.queue.Commit(ctx, do))
}

// Look reads within one transaction, so that what it gives belongs together.
func (e engine) Look(ctx context.Context, read func(rows.Asker) error) error {
	conn, err := connection(ctx, e.pools.read)
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	defer conn.Close()
	tx, err := conn.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return fmt.Errorf("read: %w", unlessLeft(ctx, err))
	}
	defer tx.Rollback()
	return unlessLeft(ctx, read(glance{ctx, tx}))
}

// unlessLeft gives the error of who left as that, and those of the database as they may be told.
func unlessLeft(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return told(err)
}

// A glance is the Asker of one look.
type glance struct {
	ctx context.Context
	tx  *sql.Tx
}

func (g glance) Query(text string, args ...any) (*sql.Rows, error) {
	args, err := plain(args)
	if err != nil {
		return nil, err
	}
	found, err := g.tx.QueryContext(g.ctx, numbered(text), args...)
	return found, unlessLeft(g.ctx, err)
}

// Numbered waits until what this process has committed is numbered.
func (e engine) Numbered(ctx context.Context) error {
	if e.sequencer == nil {
		return nil
	}
	return e.sequencer.wait(ctx)
}

func (e engine) Living() error {
	if e.liveness == nil {
		return errReadOnly
	}
	return e.liveness.living()
}

func (e engine) Alive(ctx context.Context) (boots []string, sure bool, err error) {
	if e.liveness == nil {
		return nil, false, errReadOnly
	}
	return e.liveness.alive(ctx)
}

func (e engine) Files() rows.Files { return parts(e) }

// Room says that the database cannot be reached, or had no room when it was last asked.
func (e engine) Room() error {
	switch {
	case e.queue == nil:
		return errReadOnly
	case e.Full():
		return hub.ErrStorage
	}
	return e.liveness.living()
}

func (e engine) Full() bool { return e.full.Load() }

// fullFor is how long nothing is received after the database had no room: what it still has is
// for what has been received already.
const fullFor = 10 * time.Second

// Judge makes of an error what the hub is to know of it.
func (e engine) Judge(err error) error {
	if err = told(err); errors.Is(err, hub.ErrStorage) && e.full.CompareAndSwap(false, true) {
		e.o.Log.Error("the database has no room", "error", err)
		time.AfterFunc(fullFor, func() { e.full.Store(false) })
	}
	return err
}

func (e engine) Again(err error) bool { return isBeside(err) }

// Free tells nothing: the disk is another machine's.
func (e engine) Free() (int64, error) { return -1, nil }
