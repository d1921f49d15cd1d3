package rows

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A Queue is what waits to be written, by one Writer or by several. Each folds whatever
// waits into one transaction, so that one fsync serves many forms, claims and receipts.
type Queue struct {
	most    int // that a transaction has in it
	ops     chan *op
	quit    chan struct{}
	stopped chan struct{}
	once    sync.Once
	writers sync.WaitGroup
}

// NewQueue makes a Queue that nobody serves yet. At most so many are folded into one transaction,
// so that nobody waits long for many others.
func NewQueue(most int) *Queue {
	return &Queue{most: most, ops: make(chan *op, 2*most), quit: make(chan struct{}), stopped: make(chan struct{})}
}

// An op is something to write. Its do decides before it writes: an error without a
// write is a refusal that concerns nobody else. It may be run twice.
type op struct {
	ctx  context.Context
	do   func(*Tx) error
	err  error
	done chan struct{}
}

// ErrClosed says that the Store has been closed.
var ErrClosed = errors.New("the store is closed")

// ErrUnknown says that a connection was lost while it committed: whether anything was written
// nobody knows.
var ErrUnknown = fmt.Errorf("%w while it was written to", hub.ErrUnreachable)

// Commit has do run in a transaction and returns when that is durable. Once it has been
// queued it is waited for: a caller that left could not know what became of it.
func (q *Queue) Commit(ctx context.Context, do func(*Tx) error) error {
	o := &op{ctx: ctx, do: do, done: make(chan struct{})}
	select {
	case q.ops <- o:
	case <-q.quit:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-o.done:
		return o.err
	case <-q.stopped:
	}
	select {
	case <-o.done:
		return o.err
	default:
		return ErrClosed
	}
}

// Waiting gives how many wait to be written.
func (q *Queue) Waiting() int { return len(q.ops) }

// Stopped is closed when everything has been written and nothing will be any more.
func (q *Queue) Stopped() <-chan struct{} { return q.stopped }

// Close has everything written that waits, and then nothing any more.
func (q *Queue) Close() {
	q.once.Do(func() {
		close(q.quit)
		q.writers.Wait()
		close(q.stopped)
	})
	<-q.stopped
}

// Serve has w write what waits, until the Queue is closed; then it calls done.
func (q *Queue) Serve(w *Writer, done func()) {
	q.writers.Go(func() {
		defer done()
		for {
			select {
			case first := <-q.ops:
				runtime.Gosched() // let those who are about to ask be folded in
				w.serve(q.waiting(first))
			case <-q.quit:
				for {
					select {
					case first := <-q.ops:
						w.serve(q.waiting(first))
					default:
						return
					}
				}
			}
		}
	})
}

// waiting gives the first and everything else that waits now.
func (q *Queue) waiting(first *op) []*op {
	ops := []*op{first}
	for len(ops) < q.most {
		select {
		case o := <-q.ops:
			ops = append(ops, o)
		default:
			return ops
		}
	}
	return ops
}

// A Conn is a connection that a Writer has for itself.
type Conn interface {
	Asker
	Begin() error
	Exec(text string, args ...any) error
	Commit() error
	Rollback() // what has failed, or changed nothing; it may have been done already
}

// A Writer writes on one connection. What it remembers of the rows belongs to the goroutine
// that serves with it.
type Writer struct {
	s       *Store
	conn    Conn
	feed    int64 // last number in the feed, where the Writer numbers
	audit   int64 // last number in the audit log
	audited atomic.Int64
	commits atomic.Int64
	cases   *recent[hub.CaseID, hub.Case] // nil where others write too
	wraps   map[wrapping]bool             // that table wraps is known to have
	origins map[origin]bool               // that table origins is known to have
	written func(lines int)               // hears how many lines without a number were committed; nil for nobody
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

// NewWriter makes a Writer that goes on after the last numbers in the feed and in the audit
// log. One that does not number tells written how many lines it has committed without.
func (s *Store) NewWriter(conn Conn, feed, audit int64, written func(lines int)) *Writer {
	w := &Writer{
		s: s, conn: conn, feed: feed, audit: audit,
		wraps: map[wrapping]bool{}, origins: map[origin]bool{}, written: written,
	}
	if s.dialect.Numbers {
		w.cases = newRecent[hub.CaseID, hub.Case](4096)
	}
	w.audited.Store(audit)
	return w
}

// Audited gives how far the audit log has been numbered, for those beside the Writer.
func (w *Writer) Audited() int64 { return w.audited.Load() }

// Commits gives how many transactions have been committed.
func (w *Writer) Commits() int64 { return w.commits.Load() }

// serve runs ops in one transaction. When that fails they are run again one by one, so
// that each gets an answer of its own; so are those that others had the rows of.
func (w *Writer) serve(ops []*op) {
	again := ops
	switch err := w.transact(ops, len(ops) == 1); {
	case err == nil:
		again = busy(ops)
	case errors.Is(err, ErrUnknown): // run again it might be done twice
		again = busy(ops)
		tell(ops, err)
	case errors.Is(err, hub.ErrUnreachable) && !w.s.engine.Again(err):
		again = nil
		tell(ops, w.s.engine.Judge(err))
	default:
		w.s.engine.Judge(err)
	}
	for _, o := range again {
		if err := w.insist(o); err != nil {
			o.err = w.s.engine.Judge(err)
		}
	}
	for _, o := range ops {
		close(o.done)
	}
}

// tell gives an error to those ops that have none of their own.
func tell(ops []*op, err error) {
	for _, o := range ops {
		if o.err == nil {
			o.err = err
		}
	}
}

// busy gives the ops that were passed over, since others had what they are about.
func busy(ops []*op) (passed []*op) {
	for _, o := range ops {
		if errors.Is(o.err, errBusy) {
			passed = append(passed, o)
		}
	}
	return passed
}

// mostTries bounds how often one op is run again because of others beside it.
const mostTries = 8

func (w *Writer) insist(o *op) (err error) {
	for range mostTries {
		if err = w.transact([]*op{o}, true); err == nil || !w.s.engine.Again(err) {
			return err
		}
	}
	return err
}

// transact runs ops and commits. An error says that nothing of it has happened, but for
// ErrUnknown. Who is patient waits for rows that others have.
func (w *Writer) transact(ops []*op, patient bool) error {
	b := &Tx{
		Writer: w, patient: patient, feed: w.feed, audit: w.audit, acted: w.s.acted.Load(),
		cases: map[hub.CaseID]hub.Case{}, tally: map[tallied]int64{},
		wraps: map[wrapping]bool{}, origins: map[origin]bool{},
	}
	if err := w.conn.Begin(); err != nil {
		return err
	}
	if err := b.run(ops); err != nil {
		w.conn.Rollback()
		return err
	}
	if b.writes == 0 {
		w.conn.Rollback()
		return nil
	}
	if err := w.conn.Commit(); err != nil {
		w.conn.Rollback()
		if errors.Is(err, ErrUnknown) {
			w.s.doubt(b.taken)
		}
		return err
	}
	w.commits.Add(1)
	b.keep()
	return nil
}

// A Tx is one transaction and what it would change in the Writer's memory.
type Tx struct {
	*Writer
	patient bool
	writes  int
	lines   int // without a number
	taken   []inHand
	feed    int64
	audit   int64
	acted   int64
	cases   map[hub.CaseID]hub.Case
	tally   map[tallied]int64
	wraps   map[wrapping]bool
	origins map[origin]bool
}

func (b *Tx) run(ops []*op) error {
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
		context.Canceled, context.DeadlineExceeded, errBusy,
	} {
		if errors.Is(err, refusal) {
			return true
		}
	}
	return false
}

// keep makes the Writer remember what has been committed.
func (b *Tx) keep() {
	b.Writer.feed, b.Writer.audit = b.feed, b.audit
	b.audited.Store(b.audit)
	for last := b.s.acted.Load(); b.acted > last && !b.s.acted.CompareAndSwap(last, b.acted); {
		last = b.s.acted.Load()
	}
	maps.Copy(b.Writer.wraps, b.wraps)
	maps.Copy(b.Writer.origins, b.origins)
	if b.Writer.cases != nil {
		for id, c := range b.cases {
			b.Writer.cases.put(id, c)
		}
	}
	if b.lines > 0 && b.written != nil {
		b.written(b.lines)
	}
}

// errBusy says that others have what an op is about. It is run once more by itself then,
// and waits for them.
var errBusy = errors.New("others are at it")

// alone keeps others from the same until the transaction ends, where several write: two
// forms under one key, a report and the receipt that it is about. It mostly comes before any
// write: after one, all that is folded together is run again one by one where others have it.
func (b *Tx) alone(what string, each ...[]byte) error {
	if b.s.dialect.Alone == nil || len(each) == 0 {
		return nil
	}
	var locks []any
	for _, one := range each {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s %x", what, one))
		locks = append(locks, int64(binary.BigEndian.Uint64(sum[:])))
	}
	slices.SortFunc(locks, func(a, b any) int { return cmp.Compare(a.(int64), b.(int64)) }) // so that no two wait for each other
	var got bool
	_, err := one(b, b.s.dialect.Alone(len(locks), b.patient), locks, &got)
	if err == nil && !got {
		err = errBusy
	}
	return err
}

// actAt is the time of a new line of the audit log: never before that of a line that this
// process wrote before it, however the clock is set.
func (b *Tx) actAt() int64 {
	b.acted = max(b.acted, Nanos(b.s.o.Clock()))
	return b.acted
}

// Exec writes.
func (b *Tx) Exec(text string, args ...any) error {
	b.writes++
	return b.conn.Exec(text, args...)
}

// Query reads what the transaction sees.
func (b *Tx) Query(text string, args ...any) (*sql.Rows, error) { return b.conn.Query(text, args...) }

// one reads a single row; found is false when there is none.
func one(q Asker, text string, args []any, into ...any) (found bool, err error) {
	rows, err := q.Query(text, args...)
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
	return true, rows.Close()
}

// each reads rows one by one.
func each(q Asker, text string, args []any, scan func(*sql.Rows) error) error {
	rows, err := q.Query(text, args...)
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
