package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/knutpunkt/knutpunkt/hub"
)

// mostAtOnce bounds a transaction, so that nobody waits long for many others.
const mostAtOnce = 256

// A committer is the only writer of the database. What it holds in memory is what the
// database holds, and belongs to its goroutine.
type committer struct {
	s     *Store
	conn  *sql.Conn
	asked statements

	ops     chan *op
	quit    chan struct{}
	stopped chan struct{}
	once    sync.Once
	broken  atomic.Pointer[error] // the disk has failed

	boot    int64        // number of this process
	tokens  int64        // leases that it gave
	feed    int64        // last number in the feed
	audit   int64        // last number in the audit log
	acted   int64        // time of its last line
	audited atomic.Int64 // audit, for those beside the committer
	cases   *recent[hub.CaseID, hub.Case]
	turns   map[string]hub.Municipality // who was served last, by queue
	wraps   map[wrapping]bool           // that table wraps is known to have
	origins map[origin]bool             // that table origins is known to have
	commits atomic.Int64
}

// A wrapping is one key of a municipality, as it can be told from the wraps that it made.
type wrapping struct {
	municipality hub.Municipality
	head         string
}

// An origin is a platform of a municipality, from which cases come.
type origin struct {
	municipality hub.Municipality
	source       hub.SystemID
}

// An op is something to write. Its do decides before it writes: an error without a
// write is a refusal that concerns nobody else. It may be run twice.
type op struct {
	ctx  context.Context
	do   func(*batch) error
	err  error
	done chan struct{}
}

func newCommitter(ctx context.Context, s *Store, conn *sql.Conn) (*committer, error) {
	c := &committer{
		s: s, conn: conn, ops: make(chan *op, 2*mostAtOnce),
		quit: make(chan struct{}), stopped: make(chan struct{}),
		cases: newRecent[hub.CaseID, hub.Case](4096), turns: map[string]hub.Municipality{},
		wraps: map[wrapping]bool{}, origins: map[origin]bool{},
	}
	c.asked.prepare = conn.PrepareContext
	result, err := conn.ExecContext(ctx, "INSERT INTO boots (name, started) VALUES (?, ?)",
		s.o.Boot, nanos(s.o.Clock()))
	if err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	if c.boot, err = result.LastInsertId(); err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	row := conn.QueryRowContext(ctx, `SELECT (SELECT coalesce(max(seq), 0) FROM feed), coalesce(max(seq), 0),
		coalesce((SELECT at FROM audit ORDER BY seq DESC LIMIT 1), 0) FROM audit`)
	if err := row.Scan(&c.feed, &c.audit, &c.acted); err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	c.audited.Store(c.audit)
	go c.run()
	return c, nil
}

// commit has do run in a transaction and returns when that is durable. Once it has been
// queued it is waited for: a caller that left could not know what became of it.
func (s *Store) commit(ctx context.Context, do func(*batch) error) error {
	if s.c == nil {
		return errReadOnly
	}
	o := &op{ctx: ctx, do: do, done: make(chan struct{})}
	select {
	case s.c.ops <- o:
	case <-s.c.quit:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-o.done:
		return o.err
	case <-s.c.stopped:
	}
	select {
	case <-o.done:
		return o.err
	default:
		return errClosed
	}
}

func (c *committer) stop() {
	c.once.Do(func() { close(c.quit) })
	<-c.stopped
}

func (c *committer) run() {
	defer close(c.stopped)
	defer c.conn.Close()
	defer c.asked.close()
	for {
		select {
		case first := <-c.ops:
			runtime.Gosched() // let those who are about to ask be folded in
			c.serve(c.waiting(first))
		case <-c.quit:
			for len(c.ops) > 0 {
				c.serve(c.waiting(<-c.ops))
			}
			c.foldLog()
			return
		}
	}
}

// foldLog moves everything from the log into the database itself, so that after a clean
// stop it is one file.
func (c *committer) foldLog() {
	if c.broken.Load() != nil {
		return
	}
	if _, err := c.conn.ExecContext(background, "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		c.s.o.Log.Warn("the log was not moved into the database; it is read at the next start", "error", err)
	}
}

// waiting gives the first and everything else that waits now.
func (c *committer) waiting(first *op) []*op {
	ops := []*op{first}
	for len(ops) < mostAtOnce {
		select {
		case o := <-c.ops:
			ops = append(ops, o)
		default:
			return ops
		}
	}
	return ops
}

// serve runs ops in one transaction. When that fails they are run again one by one, so
// that each gets an answer of its own; but not after the disk has failed, since then a
// second try may seem to succeed.
func (c *committer) serve(ops []*op) {
	if err := c.transact(ops); err != nil {
		c.s.judge(err)
		for _, o := range ops {
			if err := c.transact([]*op{o}); err != nil {
				o.err = c.s.judge(err)
			}
		}
	}
	for _, o := range ops {
		close(o.done)
	}
}

// transact runs ops and commits. An error says that nothing of it has happened.
func (c *committer) transact(ops []*op) error {
	if broken := c.broken.Load(); broken != nil {
		return *broken
	}
	b := &batch{
		committer: c, feed: c.feed, audit: c.audit, acted: c.acted,
		cases: map[hub.CaseID]hub.Case{}, tally: map[tallied]int64{},
		wraps: map[wrapping]bool{}, origins: map[origin]bool{},
	}
	if _, err := c.conn.ExecContext(background, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	if err := b.run(ops); err != nil {
		c.conn.ExecContext(background, "ROLLBACK") // SQLite may have done so already
		return err
	}
	if b.writes == 0 {
		_, err := c.conn.ExecContext(background, "ROLLBACK")
		return err
	}
	if _, err := c.conn.ExecContext(background, "COMMIT"); err != nil {
		c.conn.ExecContext(background, "ROLLBACK")
		return err
	}
	c.commits.Add(1)
	b.keep()
	return nil
}

// background is the context of the committer: what is being committed is not to be
// cancelled halfway.
var background = context.Background()

// A batch is one transaction and what it would change in the committer's memory.
type batch struct {
	*committer
	writes  int
	feed    int64
	audit   int64
	acted   int64
	cases   map[hub.CaseID]hub.Case
	tally   map[tallied]int64
	wraps   map[wrapping]bool
	origins map[origin]bool
}

func (b *batch) run(ops []*op) error {
	for _, o := range ops {
		before := b.writes
		if o.err = o.ctx.Err(); o.err == nil {
			o.err = o.do(b)
		}
		if o.err != nil && (b.writes > before || !isRefusal(o.err)) {
			return o.err
		}
	}
	return b.writeTallies()
}

// isRefusal tells the errors that are decisions: nothing is wrong with the transaction.
func isRefusal(err error) bool {
	for _, refusal := range []error{
		hub.ErrLost, hub.ErrConflict, hub.ErrFourEyes, hub.ErrKeyReused, hub.ErrNotFound, hub.ErrStorage,
		context.Canceled, context.DeadlineExceeded,
	} {
		if errors.Is(err, refusal) {
			return true
		}
	}
	return false
}

// keep makes the committer remember what has been committed.
func (b *batch) keep() {
	b.committer.feed, b.committer.audit, b.committer.acted = b.feed, b.audit, b.acted
	b.audited.Store(b.audit)
	maps.Copy(b.committer.wraps, b.wraps)
	maps.Copy(b.committer.origins, b.origins)
	for id, c := range b.cases {
		b.committer.cases.put(id, c)
	}
}

// actAt is the time of a new line of the audit log: never before that of the line above it,
// however the clock is set.
func (b *batch) actAt() int64 {
	b.acted = max(b.acted, nanos(b.s.o.Clock()))
	return b.acted
}

func (b *batch) exec(text string, args ...any) error {
	b.writes++
	stmt, err := b.asked.get(background, text)
	if err == nil {
		_, err = stmt.ExecContext(background, args...)
	}
	return err
}

func (b *batch) query(text string, args ...any) (*sql.Rows, error) {
	stmt, err := b.asked.get(background, text)
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(background, args...)
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

// An asker reads within one transaction.
type asker interface {
	query(text string, args ...any) (*sql.Rows, error)
}

// one reads a single row; found is false when there is none.
func one(q asker, text string, args []any, into ...any) (found bool, err error) {
	rows, err := q.query(text, args...)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	if !rows.Next() {
		return false, rows.Err()
	}
	if err := rows.Scan(into...); err != nil {
		return false, err
	}
	return true, nil
}

// each reads rows one by one.
func each(q asker, text string, args []any, scan func(*sql.Rows) error) error {
	rows, err := q.query(text, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// errEnough ends each early.
var errEnough = errors.New("enough")
