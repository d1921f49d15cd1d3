// Package move carries all that one Store remembers over to a Store on another engine.
//
// Rows go over as they are: what is sealed is bound to its municipality and its place, and
// the places are the same on both. Each page of rows is held by its hash against what the
// other side has, written where it differs, and read back and held against it again before it
// is there for good; so is each file. Carrying is therefore the same thing the first time,
// when it goes on where it was killed, and when it takes the last that has happened: what is
// the same already is left alone.
//
// An engine brings a Source or a Target. A move carries twice: beside the hub that runs, when
// nearly all of it goes over, and once more when the hub has stopped.
package move

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// A Source is the Store that is left.
type Source interface {
	// Look has read see it as it is at one instant, also while a hub writes it.
	Look(ctx context.Context, read func(Reader) error) error
	// File gives the bytes of a large file as they lie, sealed; fs.ErrNotExist for one that is lost.
	File(id string) (io.ReadCloser, error)
}

// A Reader reads the Source's tables.
type Reader interface {
	// Columns names the columns of a table.
	Columns(ctx context.Context, t Table) ([]string, error)
	// Page gives rows in the order of their keys, from the first in a span on, as many as are
	// handy at once; none only where there are none.
	Page(ctx context.Context, t Table, columns []string, in Span) ([]Row, error)
	// Count counts the rows of a table.
	Count(ctx context.Context, t Table) (int64, error)
}

// A Target is the Store that all of it comes to. Nobody serves it yet.
type Target interface {
	// Between gives all rows in a span, in the order of their keys.
	Between(ctx context.Context, t Table, columns []string, in Span) ([]Row, error)
	// Write makes changes, all of them or none, and none unless check finds what Between
	// then gives of their span to be right.
	Write(ctx context.Context, t Table, columns []string, c Changes, check func([]Row) error) error
	// Carried gives what was last noted of how far a table has been carried; 0 for nothing.
	Carried(ctx context.Context, t Table) (int64, error)
	// Note notes it, where there was nothing to write.
	Note(ctx context.Context, t Table, carried int64) error
	// Count counts the rows of a table.
	Count(ctx context.Context, t Table) (int64, error)
	// Lacking names the large files that rows tell of and that are not there.
	Lacking(ctx context.Context) ([]string, error)
	// Keep stores a large file, unless check finds what is read back of it to be wrong.
	Keep(ctx context.Context, id string, content io.Reader, check func(io.Reader) error) error
}

// A Span is the rows after one key up to and with another; nil is no bound.
type Span struct{ After, UpTo Row }

// Changes make the rows in a span the same as the other side's. They are made in this order.
type Changes struct {
	Span
	Gone    []Row // keys
	Changed []Row
	New     []Row
	Carried int64 // how far a table that grows has been carried with them; 0 says nothing
}

// A Result is what has been carried, or was found to be there.
type Result struct {
	Rows    int64    // that are the same on both sides
	Written int64    // rows that were written or taken away
	Files   int64    // that were written
	Bytes   int64    // that were written, of rows and files
	Missing []string // files that rows tell of and that were lost before
}

// ErrDiffers says that what was read back is not what was written.
var ErrDiffers = errors.New("what was read back is not what was written")

// Carry makes the target the same as the source was at one instant. It may be killed
// anywhere and called again. Whoever watches is told how many rows are done, of how many.
func Carry(ctx context.Context, from Source, to Target, watch func(done, total int64)) (Result, error) {
	c := &carrier{to: to, watch: watch}
	err := from.Look(ctx, func(r Reader) error { return c.tables(ctx, r) })
	if err == nil {
		err = c.files(ctx, from)
	}
	return c.Result, err
}

// A carrier carries once.
type carrier struct {
	Result
	to          Target
	watch       func(done, total int64)
	done, total int64 // rows, and then files
}

// tell shows who watches that some more are done.
func (c *carrier) tell(more int64) {
	c.done += more
	if c.watch != nil {
		c.watch(min(c.done, c.total), c.total)
	}
}

func (c *carrier) tables(ctx context.Context, r Reader) error {
	counts := map[string]int64{}
	for _, t := range Tables {
		n, err := r.Count(ctx, t)
		if err != nil {
			return fmt.Errorf("count %s: %w", t.Name, err)
		}
		counts[t.Name] = n
		c.total += n
	}
	for _, t := range Tables {
		if err := c.table(ctx, r, t, counts[t.Name]); err != nil {
			return fmt.Errorf("carry %s: %w", t.Name, err)
		}
	}
	return nil
}

// table carries a table, from where it was carried to before, and counts it on the other side.
func (c *carrier) table(ctx context.Context, r Reader, t Table, count int64) error {
	columns, err := r.Columns(ctx, t)
	if err != nil {
		return err
	}
	carried, err := c.to.Carried(ctx, t)
	if err != nil {
		return err
	}
	whole, done := newCut(t, columns), c.done
	switch {
	case t.Kind == Growing && carried > 0:
		err = c.each(ctx, r, whole, Span{After: Row{carried}}, c.page)
	case t.Kind == Lasting && carried > 0:
		err = c.each(ctx, r, newCut(t, t.Key), Span{}, func(ctx context.Context, keys cut, in Span, rows []Row) error {
			return c.newcomers(ctx, r, keys, whole, in, rows)
		})
	default:
		err = c.each(ctx, r, whole, Span{}, c.page)
	}
	if err == nil && t.Kind == Lasting {
		err = c.to.Note(ctx, t, 1)
	}
	if err != nil {
		return err
	}
	switch there, err := c.to.Count(ctx, t); {
	case err != nil:
		return err
	case there != count:
		return fmt.Errorf("%w: %d rows, and there are %d", ErrDiffers, there, count)
	}
	c.Rows += count
	c.tell(done + count - c.done) // with what had been carried before
	return nil
}

// each has see every page in a span. The last one has no rows, and reaches to the span's end:
// there may be rows there on the other side.
func (c *carrier) each(ctx context.Context, r Reader, of cut, in Span, see func(context.Context, cut, Span, []Row) error) error {
	for {
		rows, err := r.Page(ctx, of.Table, of.columns, in)
		if err != nil {
			return err
		}
		page := in
		if len(rows) > 0 {
			page.UpTo = of.key(rows[len(rows)-1])
		}
		if err := see(ctx, of, page, rows); err != nil || len(rows) == 0 {
			return err
		}
		in.After = page.UpTo
	}
}

// page makes a page the same on the other side.
func (c *carrier) page(ctx context.Context, of cut, in Span, rows []Row) error {
	there, err := c.to.Between(ctx, of.Table, of.columns, in)
	if err != nil {
		return err
	}
	defer c.tell(int64(len(rows)))
	want := sum(rows)
	if sum(there) == want {
		return nil
	}
	changes := of.difference(rows, there)
	changes.Span = in
	if of.Kind == Growing && len(rows) > 0 {
		changes.Carried, _ = of.key(rows[len(rows)-1])[0].(int64)
	}
	c.count(changes)
	return c.to.Write(ctx, of.Table, of.columns, changes, func(back []Row) error {
		if sum(back) != want {
			return ErrDiffers
		}
		return nil
	})
}

// newcomers carries what has come into a page since its table was carried whole: rows that
// never change are known by their keys.
func (c *carrier) newcomers(ctx context.Context, r Reader, keys, whole cut, in Span, rows []Row) error {
	there, err := c.to.Between(ctx, keys.Table, keys.columns, in)
	if err != nil {
		return err
	}
	if sum(there) != sum(rows) {
		return c.each(ctx, r, whole, in, c.page)
	}
	c.tell(int64(len(rows)))
	return nil
}

func (c *carrier) count(changes Changes) {
	c.Written += int64(len(changes.Gone) + len(changes.Changed) + len(changes.New))
	for _, rows := range [][]Row{changes.Changed, changes.New} {
		for _, row := range rows {
			c.Bytes += row.Size()
		}
	}
}

// files carries the large files that the other side has rows of already.
func (c *carrier) files(ctx context.Context, from Source) error {
	ids, err := c.to.Lacking(ctx)
	if err != nil {
		return fmt.Errorf("look for files: %w", err)
	}
	c.done, c.total = 0, int64(len(ids))
	for _, id := range ids {
		switch err := c.file(ctx, from, id); {
		case errors.Is(err, fs.ErrNotExist): // one that is lost is no reason to lose the others
			c.Missing = append(c.Missing, id)
		case err != nil:
			return fmt.Errorf("carry file %s: %w", id, err)
		default:
			c.Files++
		}
		c.tell(1)
	}
	return nil
}

func (c *carrier) file(ctx context.Context, from Source, id string) error {
	f, err := from.File(id)
	if err != nil {
		return err
	}
	defer f.Close()
	given := sha256.New()
	counted := &counter{r: io.TeeReader(f, given), n: &c.Bytes}
	return c.to.Keep(ctx, id, counted, func(back io.Reader) error {
		got := sha256.New()
		if _, err := io.Copy(got, back); err != nil {
			return err
		}
		if [32]byte(got.Sum(nil)) != [32]byte(given.Sum(nil)) {
			return ErrDiffers
		}
		return nil
	})
}

// A counter counts what is read.
type counter struct {
	r io.Reader
	n *int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	*c.n += int64(n)
	return n, err
}
