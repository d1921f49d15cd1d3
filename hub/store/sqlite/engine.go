package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"sync"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/store/rows"
)

// dialect is what SQLite is asked. It has one writer, who numbers the lines that he writes.
var dialect = rows.Dialect{
	Numbers: true, Unindexed: "+", First: "CROSS JOIN", Least: "min",
	Due: `SELECT key, case_id FROM progress
	WHERE queue = ? AND municipality = ? AND due <= ? ORDER BY due LIMIT ?`,
	Act: "seq", NewAct: "?",
	Count: `INSERT INTO tallies (what, label, n) VALUES (?, ?, ?)
			ON CONFLICT (what, label) DO UPDATE SET n = tallies.n + excluded.n`,
}

// An engine is what the rows know of a Store.
type engine struct{ *Store }

// Commit hands on to the one who writes.
func (e engine) Commit(ctx context.Context, do func(*rows.Tx) error) error {
	if e.queue == nil {
		return errReadOnly
	}
	return e.queue.Commit(ctx, do)
}

// Numbered has nothing to wait for: lines have their numbers when they are committed.
func (e engine) Numbered(context.Context) error { return nil }

// Living is always so, for the one process that there is.
func (e engine) Living() error { return nil }

// Alive names this process, which alone has the database.
func (e engine) Alive(context.Context) (boots []string, sure bool, err error) {
	return []string{e.o.Boot}, true, nil
}

func (e engine) Files() rows.Files { return e }

// Room says that the disk is below its watermark, or that the Store was opened for reading.
func (e engine) Room() error {
	switch {
	case e.queue == nil:
		return errReadOnly
	case !e.disk.room():
		return hub.ErrStorage
	}
	return nil
}

func (e engine) Full() bool            { return e.disk.isBelow() }
func (e engine) Judge(err error) error { return e.judge(err) }

// Again is never so: nobody else writes.
func (e engine) Again(error) bool { return false }

func (e engine) Free() (int64, error) {
	free, _, err := e.o.DiskFree()
	return free, err
}

// background is the context of the writer: what is being committed is not to be
// cancelled halfway.
var background = context.Background()

// A writing is the connection of the one who writes. After the disk has failed it does
// nothing more: a second try may seem to succeed.
type writing struct {
	s     *Store
	conn  *sql.Conn
	asked statements
}

func (w *writing) Begin() error {
	if broken := w.s.broken.Load(); broken != nil {
		return *broken
	}
	return w.do("BEGIN IMMEDIATE")
}

func (w *writing) Commit() error { return w.do("COMMIT") }
func (w *writing) Rollback()     { w.do("ROLLBACK") } // SQLite may have done so already

func (w *writing) do(text string) error {
	_, err := w.conn.ExecContext(background, text)
	return err
}

func (w *writing) Exec(text string, args ...any) error {
	stmt, err := w.asked.get(background, text)
	if err == nil {
		_, err = stmt.ExecContext(background, args...)
	}
	return err
}

func (w *writing) Query(text string, args ...any) (*sql.Rows, error) {
	stmt, err := w.asked.get(background, text)
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(background, args...)
}

// end lets go of the connection, when all has been written.
func (w *writing) end() {
	w.foldLog()
	w.asked.close()
	w.conn.Close()
}

// foldLog moves everything from the log into the database itself, so that after a clean
// stop it is one file.
func (w *writing) foldLog() {
	if w.s.broken.Load() != nil {
		return
	}
	if err := w.do("PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		w.s.o.Log.Warn("the log was not moved into the database; it is read at the next start", "error", err)
	}
}

// statements keeps what has been prepared, by its text.
type statements struct {
	prepare func(ctx context.Context, text string) (*sql.Stmt, error)
	known   sync.Map
}

func (s *statements) get(ctx context.Context, text string) (*sql.Stmt, error) {
	if stmt, ok := s.known.Load(text); ok {
		return stmt.(*sql.Stmt), nil
	}
	stmt, err := s.prepare(ctx, text)
	if err != nil {
		return nil, err
	}
	if other, lost := s.known.LoadOrStore(text, stmt); lost {
		stmt.Close()
		return other.(*sql.Stmt), nil
	}
	return stmt, nil
}

// close lets go of what has been prepared: a connection with anything prepared on it is
// not closed, whatever is said to it.
func (s *statements) close() {
	s.known.Range(func(_, stmt any) bool {
		stmt.(*sql.Stmt).Close()
		return true
	})
}

// Look reads within one transaction, so that what it gives belongs together.
func (e engine) Look(ctx context.Context, read func(rows.Asker) error) error {
	s := e.Store
	var r *reader
	select {
	case r = <-s.readers:
		defer func() { s.readers <- r }()
	case <-s.done:
		return rows.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := r.begin(ctx, s.read); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	defer r.conn.ExecContext(background, "ROLLBACK")
	return read(glance{ctx, r})
}

// readersAtOnce is how many may look at the same time.
const readersAtOnce = 8

// A reader is a connection that reads, with the statements that it has prepared.
type reader struct {
	conn  *sql.Conn
	asked statements
}

func newReaders() chan *reader {
	readers := make(chan *reader, readersAtOnce)
	for range readersAtOnce {
		readers <- &reader{}
	}
	return readers
}

// begin begins a transaction, which sees the database as it is now.
func (r *reader) begin(ctx context.Context, db *sql.DB) (err error) {
	if r.conn == nil {
		if r.conn, err = db.Conn(ctx); err != nil {
			r.conn = nil
			return err
		}
		r.asked.prepare = r.conn.PrepareContext
	}
	_, err = r.conn.ExecContext(ctx, "BEGIN")
	return err
}

// A glance is the Asker of one look.
type glance struct {
	ctx context.Context
	r   *reader
}

func (g glance) Query(text string, args ...any) (*sql.Rows, error) {
	stmt, err := g.r.asked.get(g.ctx, text)
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(g.ctx, args...)
}
