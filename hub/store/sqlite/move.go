package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/hub/seal"
	"github.com/knutpunkt/knutpunkt/hub/store/move"
	"github.com/knutpunkt/knutpunkt/hub/store/rows"
)

// Leaving is a database that is carried over to another engine: the Source of a move.
type Leaving struct {
	s      *Store
	locked bool
}

var _ move.Source = (*Leaving)(nil)

// Leave opens the database at path to carry it over, also beside the hub that runs on it.
// Nothing is written to it before Left. It refuses keys that do not open what is stored, and
// a database that is not of the present schema.
func Leave(ctx context.Context, path string, keys *seal.Keys, clock func() time.Time) (*Leaving, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("there is no store at %s: there is nothing to move", path)
	}
	s, err := newStore(path, keys, Options{Clock: clock})
	if err != nil {
		return nil, err
	}
	if s.read, err = openReaders(s.path()); err == nil {
		err = checkVersion(ctx, s.read)
	}
	if err == nil {
		err = s.KnowsKeys(ctx)
	}
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("open store: %w", damaged(err))
	}
	return &Leaving{s: s}, nil
}

// Name names the database among all others, whoever copies or restores it; and how often it
// has been put back from an older copy of itself, before which its numbers are not the same.
func (l *Leaving) Name(ctx context.Context) (name string, returns int, err error) {
	row := l.s.read.QueryRowContext(ctx, `SELECT coalesce((SELECT name FROM boots ORDER BY n LIMIT 1), ''),
		(SELECT count(*) FROM restores)`)
	if err := row.Scan(&name, &returns); err != nil {
		return "", 0, fmt.Errorf("read its name: %w", damaged(err))
	}
	if name == "" {
		return "", 0, errors.New("no hub has run on it yet: there is nothing to move")
	}
	return name, returns, nil
}

// Size is about how many bytes there are to carry: of the database, and of all large files.
func (l *Leaving) Size() (size int64, err error) {
	for _, end := range []string{"", "-wal"} {
		if about, err := os.Stat(l.s.path() + end); err == nil {
			size += about.Size()
		}
	}
	entries, err := os.ReadDir(l.s.files.path)
	if errors.Is(err, os.ErrNotExist) {
		return size, nil
	}
	for _, entry := range entries {
		if about, err := entry.Info(); err == nil {
			size += about.Size()
		}
	}
	return size, err
}

// Runner gives the process that has the database; 0 for none.
func (l *Leaving) Runner() int { return runner(l.s.path() + ".lock") }

// Take has the database alone from now on: no hub runs on it, and none can be started before
// Close. ErrRunning says that one does.
func (l *Leaving) Take(ctx context.Context) (err error) {
	if l.locked {
		return nil
	}
	if l.s.lock, err = lockFile(l.s.path() + ".lock"); err != nil {
		return err
	}
	if l.s.database, err = ownDatabase(l.s.path()); err != nil {
		l.s.lock.Close()
		l.s.lock = nil
		return err
	}
	l.locked = true
	beside, ok, err := readMark(l.s.markPath())
	if err != nil {
		return err
	}
	h, err := readHistory(ctx, l.s.read)
	if err != nil {
		return err
	}
	if why := h.doubt(beside, ok); why != "" || h.pending {
		return fmt.Errorf("the database is an older copy, put back%s: start knutpunkt serve on it once, which finds out what "+
			"became of what was under way, and then move", strings.TrimRight(": "+why, ": "))
	}
	return nil
}

// Left marks the database, durably, as one that is somewhere else now.
func (l *Leaving) Left(ctx context.Context, address string, now time.Time) error {
	db, err := openWriter(l.s.path())
	if err != nil {
		return err
	}
	defer db.Close()
	conn, err := db.Conn(ctx)
	if err != nil {
		return damaged(err)
	}
	defer conn.Close()
	_, err = conn.ExecContext(ctx, "INSERT INTO moved (one, address, at) VALUES (1, ?, ?) ON CONFLICT DO NOTHING", address, rows.Nanos(now))
	if err != nil {
		return fmt.Errorf("mark the database as moved: %w", err)
	}
	return checkpoint(ctx, conn)
}

// Address gives where the database has been moved; "" where it has not.
func (l *Leaving) Address(ctx context.Context) (string, error) {
	address, _, err := movedTo(ctx, l.s.read)
	return address, err
}

// Close lets go of the database.
func (l *Leaving) Close() error { return l.s.Close() }

// File gives the bytes of a large file as they lie.
func (l *Leaving) File(id string) (io.ReadCloser, error) { return os.Open(l.s.files.file(id)) }

// Look has read see the database as it is at one instant. What a hub writes meanwhile stays in
// the log beside it, as it does under a backup.
func (l *Leaving) Look(ctx context.Context, read func(move.Reader) error) error {
	conn, err := l.s.read.Conn(ctx)
	if err != nil {
		return damaged(err)
	}
	defer conn.Close()
	tx, err := conn.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return damaged(err)
	}
	defer tx.Rollback()
	return read(leavingReader{tx})
}

// leavingReader reads tables within one transaction.
type leavingReader struct{ tx *sql.Tx }

func (r leavingReader) Columns(ctx context.Context, t move.Table) ([]string, error) {
	found, err := r.tx.QueryContext(ctx, "SELECT name FROM pragma_table_info(?) ORDER BY cid", t.Name)
	if err != nil {
		return nil, damaged(err)
	}
	defer found.Close()
	var columns []string
	for found.Next() {
		var name string
		if err := found.Scan(&name); err != nil {
			return nil, damaged(err)
		}
		columns = append(columns, name)
	}
	return columns, damaged(found.Err())
}

func (r leavingReader) Count(ctx context.Context, t move.Table) (n int64, err error) {
	err = r.tx.QueryRowContext(ctx, "SELECT count(*) FROM "+move.Quoted(t.Name)).Scan(&n)
	return n, damaged(err)
}

// A page is as many rows as there are in pageRows, or fewer when they are large.
const (
	pageRows  = 2000
	pageBytes = 4 * mib
)

func (r leavingReader) Page(ctx context.Context, t move.Table, columns []string, in move.Span) ([]move.Row, error) {
	text, args := in.Select(t, columns, func(int) string { return "?" })
	found, err := r.tx.QueryContext(ctx, fmt.Sprintf("%s LIMIT %d", text, pageRows), args...)
	if err != nil {
		return nil, damaged(err)
	}
	defer found.Close()
	var page []move.Row
	for size := int64(0); size < pageBytes && found.Next(); {
		row, into := make(move.Row, len(columns)), make([]any, len(columns))
		for i := range row {
			into[i] = &row[i]
		}
		if err := found.Scan(into...); err != nil {
			return nil, damaged(err)
		}
		page = append(page, row)
		size += row.Size()
	}
	return page, damaged(found.Err())
}

// unlessMoved refuses a database that is somewhere else now: what was received here would be
// received twice, and what was delivered there delivered again.
func unlessMoved(ctx context.Context, db rowQuerier) error {
	address, at, err := movedTo(ctx, db)
	if err != nil || address == "" {
		return err
	}
	return fmt.Errorf("%w to %s, %s: write store: %s in knutpunkt.yaml. What is here is as it was then",
		ErrMoved, address, at.Format(time.RFC3339), address)
}

// movable is the first version of the schema in which a database can say that it has been moved.
const movable = 6

// ErrMoved says that everything has been carried over to another engine.
var ErrMoved = errors.New("the database has been moved")

func movedTo(ctx context.Context, db rowQuerier) (address string, at time.Time, err error) {
	var nanos int64
	switch err := db.QueryRowContext(ctx, "SELECT address, at FROM moved").Scan(&address, &nanos); {
	case errors.Is(err, sql.ErrNoRows):
		return "", time.Time{}, nil
	case err != nil:
		return "", time.Time{}, fmt.Errorf("read whether it has been moved: %w", damaged(err))
	}
	return address, rows.Instant(nanos), nil
}
