// Package rows is what a Store remembers, whatever database holds it: which rows there
// are, how what hub.Next gives becomes rows, what is sealed in them, and how they are read.
// The engines, store/sqlite and store/postgres, bring the database: connections,
// transactions, the tables themselves, and where large files lie.
//
// # What is in the clear
//
// Kinds of things, states, times, ids of the hub's own, diarienummer. Everything that
// a person said, or a register said of her, the names and hashes of files, and what a
// platform calls its forms, is sealed by hub/seal under a data key of the submission's
// own, or is a blind index. What may say anything and is no form's, such as a system's own
// words, is sealed under data keys of its own.
//
// # The feed has no gaps
//
// Readers of the feed go on after a sequence number, so a number must never become
// visible after a greater one. An engine with one writer numbers the lines of the feed and
// of the audit log as it writes them; one where many transactions run at once leaves them
// without, and numbers what has been committed.
package rows

import (
	"cmp"
	"context"
	"database/sql"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/seal"
)

// A Store is all of a hub.Store but what is an engine's own.
type Store struct {
	engine   Engine
	dialect  Dialect
	keys     *seal.Keys
	o        Options
	dataKeys *recent[hub.ID, ownedKey]
	number   int64        // of this process, which begins the tokens of its leases
	tokens   atomic.Int64 // that it gave
	acted    atomic.Int64 // time of the last line of the audit log that it knows of
	turns    sync.Map     // who was served last, a municipality by queue

	doubting sync.Mutex
	doubtful []inHand // which nobody may have in hand
}

// Options are what a Store must be told. Boot and Clock are required.
type Options struct {
	Boot       string           // names this process in its leases, as no other before it
	Clock      func() time.Time // the present
	Log        *slog.Logger     // nil discards
	File       int64            // the most bytes of a file, 0 for 100 MiB
	Submission int64            // the most bytes of all files of a submission, 0 for 250 MiB
	NewID      func() string    // nil for ULIDs
}

// An Engine is the database that the rows are in.
type Engine interface {
	// Commit has do run in a transaction that writes, and returns when that is durable. Once it
	// has been taken it is waited for. It is mostly a Queue's.
	Commit(ctx context.Context, do func(*Tx) error) error
	// Look reads within one transaction, so that what it gives belongs together.
	Look(ctx context.Context, read func(Asker) error) error
	// Numbered waits until what this process has committed is numbered.
	Numbered(ctx context.Context) error
	// Living says why this process may take nothing in hand now: others think that it is dead.
	Living() error
	// Alive names the processes whose leases hold, this one included. Where it is not sure, as
	// when the database itself has just begun, nobody is to be called dead.
	Alive(ctx context.Context) (boots []string, sure bool, err error)
	// Files gives where large files lie.
	Files() Files
	// Room says why nothing new can be received now, such as hub.ErrStorage; nil when it can.
	Room() error
	// Full tells within a transaction what Room found last, without measuring.
	Full() bool
	// Judge makes of an error of the database, or of its disk, what the hub is to know of it.
	Judge(err error) error
	// Again reports whether a transaction failed only because of others beside it.
	Again(err error) bool
	// Free gives how many bytes the disk has left; -1 where that is another machine's.
	Free() (int64, error)
}

// Files are where files lie that are too large for rows: sealed already, and named by
// their blobs' IDs. What no row tells of was never received, and is swept away some day.
type Files interface {
	// Create begins a file. Once it has been closed it is whole, and durable together with the rows
	// that tell of it, apart from its name.
	Create(ctx context.Context, id string) (io.WriteCloser, error)
	// Keep gives closed files their names, before the transaction that tells of them.
	Keep(ids []string) error
	// Whole says within that transaction, which asks, that nothing of a closed file has been lost
	// since; an error is hub.ErrUnreachable then.
	Whole(q Asker, file io.WriteCloser) error
	// Open reads a file that was kept; os.ErrNotExist when it is not there.
	Open(ctx context.Context, id string) (io.ReadCloser, error)
	// Drop removes a file that no row tells of, finished or not.
	Drop(id string)
}

// A Dialect is what differs in what the engines are asked. Statements are written with ?.
type Dialect struct {
	// Numbers says that lines are numbered as they are written, by the one writer there is,
	// which then also remembers the cases that it wrote.
	Numbers bool
	// Unindexed goes before a column that no index is to be chosen for.
	Unindexed string
	// First joins tables in the order in which they are written.
	First string
	// Least names the function that gives the smaller of two.
	Least string
	// Due finds rows of a queue (of a municipality, due at a time, at most so many) that nobody else
	// takes at the same time.
	Due string
	// Act is the place of a line in the audit log that its reason is sealed to: a column and,
	// when it is written, an expression over a number that may be NULL.
	Act, NewAct string
	// NextAct gives such a number before the line is written.
	NextAct string
	// Count counts up one of the tallies: what, label, by how much.
	Count string
	// Lock, after what reads a case, keeps others from it until the transaction ends; TryLock
	// passes over a case that others have.
	Lock, TryLock string
	// Alone gives what takes n numbers as locks until the transaction ends, and gives whether it
	// got them: it waits for them, or does not. Nil where there is one writer.
	Alone func(n int, wait bool) string
}

// WithDefaults fills in what was left out.
func (o Options) WithDefaults() Options {
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	o.File = cmp.Or(o.File, 100<<20)
	o.Submission = cmp.Or(o.Submission, 250<<20)
	if o.NewID == nil {
		ids := &ulids{clock: o.Clock}
		o.NewID = ids.next
	}
	return o
}

// New makes the Store of an engine, which calls Begin before anything is written.
func New(e Engine, d Dialect, keys *seal.Keys, o Options) *Store {
	return &Store{engine: e, dialect: d, keys: keys, o: o.WithDefaults(), dataKeys: newRecent[hub.ID, ownedKey](4096)}
}

// Begin tells which number this process has among all that had the database open, and when
// the last line of the audit log was written.
func (s *Store) Begin(number int64, acted time.Time) {
	s.number = number
	s.acted.Store(Nanos(acted))
}

func (s *Store) commit(ctx context.Context, do func(*Tx) error) error {
	return s.engine.Commit(ctx, do)
}

func (s *Store) look(ctx context.Context, read func(Asker) error) error {
	return s.engine.Look(ctx, read)
}

// lookAtLines looks when every line that this process wrote has its number.
func (s *Store) lookAtLines(ctx context.Context, read func(Asker) error) error {
	if err := s.engine.Numbered(ctx); err != nil {
		return err
	}
	return s.engine.Look(ctx, read)
}

// An Asker reads within one transaction.
type Asker interface {
	Query(text string, args ...any) (*sql.Rows, error)
}

// KnowsKeys refuses a key file that cannot open what is stored: with it the hub would
// seal new forms under one key and never read the old ones again.
func (s *Store) KnowsKeys(ctx context.Context) error {
	return s.look(ctx, func(q Asker) error {
		return each(q, "SELECT municipality, head FROM wraps", nil, func(rows *sql.Rows) error {
			var municipality string
			var head []byte
			if err := rows.Scan(&municipality, &head); err != nil {
				return err
			}
			return s.keys.CanUnwrap(municipality, head)
		})
	})
}
