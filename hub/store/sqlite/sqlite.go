// Package sqlite is the Store of one machine: one SQLite database, one process that
// writes it, and a folder beside it for files that are too large for rows.
//
// All writing goes through one goroutine, which folds whatever waits into one transaction,
// so that one fsync serves many forms, claims and receipts. Reading has connections of its
// own and never waits for writing.
//
// What is in the rows, and how they are written and read, is store/rows's. There is one
// transaction at a time here, so its writer numbers the lines of the feed and of the audit
// log: a number is taken by the row that is committed next, and given back when the
// transaction is not. The order of the numbers is the order of the commits.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/seal"
	"github.com/knutpunkt/knutpunkt/hub/store/rows"
)

// A Store is a hub.Store in a SQLite database.
type Store struct {
	*rows.Store
	keys      *seal.Keys
	o         Options
	lock      io.Closer // by the name of the database
	database  io.Closer // by the file itself
	write     *sql.DB
	read      *sql.DB
	readers   chan *reader
	files     folder
	disk      *watermark
	queue     *rows.Queue // nil in a Store that only reads
	writer    *rows.Writer
	broken    atomic.Pointer[error] // the disk has failed
	epoch     string                // names this run of the hub
	marked    int64                 // how far the epoch file has the audit log
	unwatched chan struct{}         // closed when nobody keeps watch any more
	closed    sync.Once
	done      chan struct{}
}

var _ hub.Store = (*Store)(nil)

// Options are what a Store must be told. Boot and Clock are required.
type Options struct {
	Boot       string           // names this process in its leases, as no other before it
	Clock      func() time.Time // the present
	Log        *slog.Logger     // nil discards
	Fatal      func(error)      // the disk has failed: end the process, with status 74. It must be set in serve
	File       int64            // the most bytes of a file, 0 for 100 MiB
	Submission int64            // the most bytes of all files of a submission, 0 for 250 MiB
	NewID      func() string    // nil for ULIDs
	LowWater   int64            // free bytes below which nothing is accepted, 0 for 5 % of the disk but at least 1 GiB
	Ballast    int64            // bytes to keep of the disk for when it is full, 0 for none
	DiskFree   func() (free, total int64, err error)
}

const mib = 1 << 20 // bytes

func (o Options) withDefaults(path string) Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Fatal == nil {
		o.Fatal = func(error) {}
	}
	if o.DiskFree == nil {
		o.DiskFree = func() (int64, int64, error) { return diskFree(filepath.Dir(path)) }
	}
	return o
}

// foldedAtOnce is how many are written in one transaction at most.
const foldedAtOnce = 256

// errReadOnly says that a Store was opened beside the one that writes.
var errReadOnly = errors.New("the database is open for reading only")

// Open opens the database at path, makes it when it is not there, and brings it to
// the present schema. There is one Store for each database: where another process has
// it, Open says which. What a killed process left half done is swept away; what it had
// in hand is for Recover.
func Open(ctx context.Context, path string, keys *seal.Keys, o Options) (*Store, error) {
	if o.Boot == "" || o.Clock == nil {
		return nil, errors.New("open store: Boot and Clock are required")
	}
	s, err := newStore(path, keys, o)
	if err != nil {
		return nil, err
	}
	if s.lock, err = lockFile(s.path() + ".lock"); err != nil {
		return nil, err
	}
	if err := s.start(ctx); err != nil {
		s.Close()
		return nil, fmt.Errorf("open store: %w", err)
	}
	return s, nil
}

// OpenReadOnly opens the database at path for reading, also beside the process that
// writes it. Everything that would write is refused.
func OpenReadOnly(ctx context.Context, path string, keys *seal.Keys, clock func() time.Time) (*Store, error) {
	s, err := newStore(path, keys, Options{Clock: clock})
	if err != nil {
		return nil, err
	}
	if s.read, err = openReaders(s.path()); err != nil {
		return nil, err
	}
	err = checkVersion(ctx, s.read)
	if err == nil {
		err = unlessMoved(ctx, s.read)
	}
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("open store: %w", err)
	}
	return s, nil
}

func newStore(path string, keys *seal.Keys, o Options) (*Store, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, errors.New("open store: the path cannot be made absolute")
	}
	o = o.withDefaults(path)
	s := &Store{
		keys: keys, o: o, files: folder{path + ".files"}, readers: newReaders(), done: make(chan struct{}),
		disk: &watermark{measure: o.DiskFree, low: o.LowWater, ballast: ballast{path + ".ballast", o.Ballast}},
	}
	s.Store = rows.New(engine{s}, dialect, keys, rows.Options{
		Boot: o.Boot, Clock: o.Clock, Log: o.Log, File: o.File, Submission: o.Submission, NewID: o.NewID,
	})
	return s, nil
}

// path is the database's.
func (s *Store) path() string { return s.files.path[:len(s.files.path)-len(".files")] }

func (s *Store) start(ctx context.Context) (err error) {
	if err := s.unlessHalfRestored(); err != nil {
		return err
	}
	if err := s.unlessGone(); err != nil {
		return err
	}
	if s.database, err = ownDatabase(s.path()); err != nil {
		return err
	}
	if s.write, err = openWriter(s.path()); err != nil {
		return err
	}
	if err := s.take(ctx); err != nil {
		return err
	}
	if err := s.KnowsKeys(ctx); err != nil {
		return err
	}
	if err := s.sweep(ctx); err != nil {
		return err
	}
	if err := s.FinishRestore(ctx); err != nil {
		return err
	}
	if err := s.HeedClock(ctx); err != nil {
		return err
	}
	s.disk.room() // takes the ballast aboard
	return nil
}

// take looks at the database, brings it to the present schema and to a new epoch, and
// begins to write it.
func (s *Store) take(ctx context.Context) error {
	conn, err := s.write.Conn(ctx)
	if err != nil {
		return damaged(err)
	}
	err = s.checkAtStart(ctx, conn)
	if err == nil {
		err = migrate(ctx, conn, s.o.Clock())
	}
	if err == nil {
		err = unlessMoved(ctx, conn)
	}
	if err == nil {
		err = s.beginEpoch(ctx, conn)
	}
	if err == nil {
		s.read, err = openReaders(s.path())
	}
	if err == nil {
		err = s.beginWriting(ctx, conn)
	}
	if err != nil {
		conn.Close()
		return err
	}
	s.unwatched = make(chan struct{})
	go s.keepWatch()
	return nil
}

// beginWriting gives this process its number, and the connection to the one who writes.
func (s *Store) beginWriting(ctx context.Context, conn *sql.Conn) error {
	result, err := conn.ExecContext(ctx, "INSERT INTO boots (name, started) VALUES (?, ?)", s.o.Boot, rows.Nanos(s.o.Clock()))
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	number, err := result.LastInsertId()
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	var feed, audit, acted int64
	row := conn.QueryRowContext(ctx, `SELECT (SELECT coalesce(max(seq), 0) FROM feed), coalesce(max(seq), 0),
		coalesce((SELECT at FROM audit ORDER BY seq DESC LIMIT 1), 0) FROM audit`)
	if err := row.Scan(&feed, &audit, &acted); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	s.Begin(number, rows.Instant(acted))
	w := &writing{s: s, conn: conn, asked: statements{prepare: conn.PrepareContext}}
	s.writer, s.queue = s.NewWriter(w, feed, audit, nil), rows.NewQueue(foldedAtOnce)
	s.queue.Serve(s.writer, w.end)
	return nil
}

// ownDatabase makes the database's file, if need be, so that nobody else can read it, and
// locks it: the lock beside it is by a name, and a file can have several. SQLite's own
// locks are of another kind, but would be lost if this were closed before SQLite is done.
func ownDatabase(path string) (io.Closer, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lock(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("%w, under another name of the same file", err)
	}
	return f, nil
}

// unlessGone refuses to begin from nothing where there was a database: what platforms send
// again would be taken for new.
func (s *Store) unlessGone() error {
	_, there, err := readMark(s.markPath())
	if err != nil || !there {
		return err
	}
	if about, err := os.Stat(s.path()); err == nil && about.Size() > 0 {
		return nil
	}
	return fmt.Errorf("the database is gone, and there was one here: put a backup in its place (knutpunkt restore), "+
		"or remove %s to begin from nothing", s.markPath())
}

// Durability names how accepted forms are kept: "degraded" below the watermark of the
// disk, and after an error of the disk itself.
func (s *Store) Durability(context.Context) string {
	if s.queue == nil || s.broken.Load() != nil || !s.disk.room() {
		return "degraded"
	}
	return "sqlite-full"
}

// Close waits for what is being written and lets go of the database.
func (s *Store) Close() (err error) {
	s.closed.Do(func() {
		if s.queue != nil {
			s.queue.Close()
			<-s.unwatched
		}
		close(s.done)
		for range readersAtOnce {
			if r := <-s.readers; r.conn != nil { // waits for who is reading still
				r.asked.close()
				r.conn.Close()
			}
		}
		for _, db := range []*sql.DB{s.read, s.write} {
			if db != nil {
				err = errors.Join(err, db.Close())
			}
		}
		for _, held := range []io.Closer{s.database, s.lock} {
			if held != nil {
				err = errors.Join(err, held.Close())
			}
		}
	})
	return err
}

// Lead gives every duty to who asks: there is one process.
func (s *Store) Lead(context.Context, string) (end func(), held bool, err error) {
	return func() {}, false, nil
}

// Peers tells that there is one process.
func (s *Store) Peers(context.Context) (place, of int, err error) { return 0, 1, nil }
