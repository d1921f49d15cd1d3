package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/store/rows"
)

// transactionWithin is how long one transaction may take: then nobody believes in it any more.
const transactionWithin = 15 * time.Second

// A writing is the connection of one who writes. What is to be written goes over the network
// together with what comes after it: the next question, or COMMIT. So a transaction costs a few
// round trips, however many forms are in it.
type writing struct {
	s      *Store
	conn   *sql.Conn // of the present transaction
	queued *pgx.Batch
	ctx    context.Context
	end    context.CancelFunc
}

// Begin begins a transaction, on another connection where one was lost.
func (w *writing) Begin() (err error) {
	if w.conn, err = w.s.reach.connection(w.s.pools.write); err != nil {
		return err
	}
	w.ctx, w.end = context.WithTimeout(context.Background(), transactionWithin)
	w.queued = &pgx.Batch{}
	w.queued.Queue("BEGIN ISOLATION LEVEL READ COMMITTED")
	return nil
}

// Exec has something written before the next question is answered, or at the end: then its
// error comes.
func (w *writing) Exec(text string, args ...any) error {
	args, err := plain(args)
	if err == nil {
		w.queued.Queue(numbered(text), args...)
	}
	return err
}

// Query asks, when all before it has been written.
func (w *writing) Query(text string, args ...any) (*sql.Rows, error) {
	args, err := plain(args)
	if err != nil {
		return nil, err
	}
	if _, err := w.flush(); err != nil {
		return nil, beforeCommit(err)
	}
	found, err := w.conn.QueryContext(w.ctx, numbered(text), args...)
	if err != nil {
		return nil, beforeCommit(err)
	}
	return found, nil
}

// beforeCommit tells that nothing has been committed where a connection was lost.
func beforeCommit(err error) error {
	err = told(err)
	if said := (*refused)(nil); errors.As(err, &said) && !said.fatal || !errors.Is(err, hub.ErrUnreachable) {
		return err
	}
	return errCut
}

// flush sends what is queued, and gives what PostgreSQL calls the last of it.
func (w *writing) flush() (last string, err error) {
	if w.queued.Len() == 0 {
		return "", nil
	}
	batch := w.queued
	w.queued = &pgx.Batch{}
	err = w.conn.Raw(func(conn any) error {
		results := conn.(*stdlib.Conn).Conn().SendBatch(w.ctx, batch)
		for range batch.Len() {
			tag, err := results.Exec()
			if err != nil {
				results.Close()
				return err
			}
			last = tag.String()
		}
		if err := results.Close(); last != committed {
			return err
		}
		return nil // what breaks after a commit is found out when the connection is used next
	})
	return last, err
}

// committed is what PostgreSQL calls a COMMIT that was one. Of a transaction that has failed it
// says ROLLBACK, and gives no error.
const committed = "COMMIT"

// Commit ends the transaction. An error that is rows.ErrUnknown says that it may have been
// committed all the same.
func (w *writing) Commit() error {
	w.queued.Queue(committed)
	switch last, err := w.flush(); {
	case err != nil:
		return afterCommit(err)
	case last != committed:
		return errors.New("commit: PostgreSQL rolled it back")
	}
	w.release()
	return nil
}

// afterCommit judges an error of what was sent together with COMMIT. A server that refused, and
// goes on, has committed nothing; of a connection that was lost nobody knows.
func afterCommit(err error) error {
	err = told(err)
	var said *refused
	if errors.As(err, &said) && !said.fatal {
		return err
	}
	return fmt.Errorf("commit: %w", rows.ErrUnknown)
}

// Rollback ends a transaction that has failed, or changed nothing. A connection that does not
// even do that is not used again.
func (w *writing) Rollback() {
	if w.conn == nil {
		return
	}
	if _, err := w.conn.ExecContext(w.ctx, "ROLLBACK"); err != nil {
		w.conn.Raw(func(any) error { return driver.ErrBadConn })
	}
	w.release()
}

func (w *writing) release() {
	w.conn.Close()
	w.end()
	w.conn, w.queued = nil, nil
}
