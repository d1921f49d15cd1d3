package postgres

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/knutpunkt/knutpunkt/hub/store/move"
	"github.com/knutpunkt/knutpunkt/hub/store/rows"
)

// Coming is a database that an installation is carried over to: the Target of a move. Until
// it is Whole nobody serves it.
type Coming struct {
	conn   *pgx.Conn
	config *pgx.ConnConfig
	truths map[string]bool // the columns, as table.column, that are true or false
	whole  bool
}

var _ move.Target = (*Coming)(nil)

// Come opens a database for a move out of another one, which name names, and makes its tables.
// One move at a time may be under way to it. Where the same move was stopped it goes on; a
// database that holds anything else is refused. Returns tells how often the other one has been
// put back from an older copy of itself.
func Come(ctx context.Context, at Address, name string, returns int, now time.Time) (*Coming, error) {
	config, err := at.config()
	if err != nil {
		return nil, err
	}
	config.RuntimeParams["statement_timeout"] = "0"
	config.RuntimeParams["lock_timeout"] = "5s" // one that was killed may have its session for a moment yet
	conn, err := connect(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", at, err)
	}
	c := &Coming{conn: conn, config: config}
	if err := c.begin(ctx, fmt.Sprintf("%s %d", name, returns), now); err != nil {
		c.Close()
		return nil, fmt.Errorf("move to %s: %w", at, told(err))
	}
	return c, nil
}

// moving is the advisory lock of who moves: "move" in ASCII.
const moving = 0x6d6f7665

func (c *Coming) begin(ctx context.Context, source string, now time.Time) error {
	if _, err := c.conn.Exec(ctx, "SELECT pg_advisory_lock($1)", moving); err != nil {
		if e := (*refused)(nil); errors.As(told(err), &e) && e.code == lockNotAvailable {
			return errors.New("another knutpunkt move is under way to it")
		}
		return err
	}
	if err := assertFit(ctx, c.conn); err != nil {
		return err
	}
	if err := assertDurable(ctx, c.conn); err != nil {
		return err
	}
	if err := assertRights(ctx, c.conn); err != nil {
		return err
	}
	if err := c.makeTables(ctx, now); err != nil {
		return err
	}
	if err := c.meant(ctx, source, now); err != nil {
		return err
	}
	return c.readTruths(ctx)
}

// makeTables brings an empty database to the present schema, and refuses any other that is
// not of it already.
func (c *Coming) makeTables(ctx context.Context, now time.Time) error {
	version, err := schemaVersion(ctx, c.conn)
	if err != nil {
		return err
	}
	var relations int
	err = c.conn.QueryRow(ctx, `SELECT count(*) FROM pg_class
		WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f')`).Scan(&relations)
	if err != nil {
		return err
	}
	known, err := migrationTexts()
	switch {
	case err != nil:
		return err
	case version == 0 && relations > 0:
		return errors.New("it has tables of its own: make an empty database for Knutpunkt alone")
	case version == 0:
		return migrate(ctx, c.conn, now)
	case version != len(known):
		return fmt.Errorf("its tables have version %d, and this knutpunkt makes version %d: make an empty database, "+
			"or go on with the knutpunkt that began", version, len(known))
	}
	return nil
}

// meant notes which database comes here, unless one is on its way already: the same one then.
func (c *Coming) meant(ctx context.Context, source string, now time.Time) error {
	_, err := c.conn.Exec(ctx, `INSERT INTO moves (one, source, began, ended) SELECT true, $1, $2, 0
		WHERE NOT EXISTS (SELECT 1 FROM boots) ON CONFLICT DO NOTHING`, source, rows.Nanos(now))
	if err != nil {
		return err
	}
	var there string
	var ended int64
	err = c.conn.QueryRow(ctx, "SELECT source, ended FROM moves").Scan(&there, &ended)
	name, _, _ := strings.Cut(source, " ")
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return errors.New("it is another installation's: a hub has run on it. Make an empty database for this one")
	case err != nil:
		return err
	case !strings.HasPrefix(there, name+" "):
		return errors.New("another installation has been moved there, in whole or in part: make an empty database for this one")
	}
	c.whole = ended != 0
	if there != source && !c.whole { // whose numbers may have been used again, for something else
		return errors.New("the database that it comes from has been put back from an older copy since: make an empty database, and begin again")
	}
	return nil
}

func (c *Coming) readTruths(ctx context.Context) error {
	found, err := c.conn.Query(ctx, `SELECT table_name || '.' || column_name FROM information_schema.columns
		WHERE table_schema = current_schema() AND data_type = 'boolean'`)
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(found, pgx.RowTo[string])
	c.truths = map[string]bool{}
	for _, name := range names {
		c.truths[name] = true
	}
	return err
}

// IsWhole reports whether the move was ended before: then the database is served.
func (c *Coming) IsWhole() bool { return c.whole }

// Whole ends a move: from now on the database may be served, and numbers go on after those
// that have come.
func (c *Coming) Whole(ctx context.Context, now time.Time) error {
	err := pgx.BeginFunc(ctx, c.conn, func(tx pgx.Tx) error {
		if err := goOnNumbering(ctx, tx); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "UPDATE moves SET ended = $1 WHERE ended = 0", rows.Nanos(now))
		return err
	})
	if err != nil {
		return fmt.Errorf("end the move: %w", told(err))
	}
	c.whole = true
	return nil
}

// goOnNumbering sets every sequence that numbers a column past the column's greatest number.
func goOnNumbering(ctx context.Context, tx pgx.Tx) error {
	found, err := tx.Query(ctx, `SELECT quote_ident(c.relname), quote_ident(a.attname), pg_get_serial_sequence(quote_ident(c.relname), a.attname)
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
		WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
		AND a.attnum > 0 AND NOT a.attisdropped AND pg_get_serial_sequence(quote_ident(c.relname), a.attname) IS NOT NULL`)
	if err != nil {
		return err
	}
	type numbered struct{ Table, Column, Sequence string }
	all, err := pgx.CollectRows(found, pgx.RowToStructByPos[numbered])
	for _, n := range all {
		if err != nil {
			break
		}
		_, err = tx.Exec(ctx, fmt.Sprintf("SELECT setval($1, max(%s)) FROM %s HAVING max(%[1]s) > 0", n.Column, n.Table), n.Sequence)
	}
	return err
}

// Analyze has PostgreSQL look at what came, so that it finds its ways in it from the start.
func (c *Coming) Analyze(ctx context.Context) error {
	_, err := c.conn.Exec(ctx, "ANALYZE")
	return told(err)
}

// Free gives how many bytes the server's disk has left; known is false where that is another
// machine's, or not ours to see.
func (c *Coming) Free(ctx context.Context) (bytes int64, known bool) {
	ip, err := netip.ParseAddr(c.config.Host)
	if here := filepath.IsAbs(c.config.Host) || c.config.Host == "localhost" || err == nil && ip.IsLoopback(); !here {
		return 0, false
	}
	var folder string
	if c.conn.QueryRow(ctx, "SHOW data_directory").Scan(&folder) != nil {
		return 0, false
	}
	var fs syscall.Statfs_t
	if syscall.Statfs(folder, &fs) != nil {
		return 0, false
	}
	return int64(fs.Bavail) * int64(fs.Bsize), true
}

// Close lets go of the database.
func (c *Coming) Close() error { return c.conn.Close(context.Background()) }

// Between gives all rows in a span.
func (c *Coming) Between(ctx context.Context, t move.Table, columns []string, in move.Span) ([]move.Row, error) {
	text, args := in.Select(t, columns, func(n int) string { return fmt.Sprintf("$%d", n) })
	found, err := c.conn.Query(ctx, text, args...)
	if err != nil {
		return nil, told(err)
	}
	all, err := pgx.CollectRows(found, func(row pgx.CollectableRow) (move.Row, error) {
		values, err := row.Values()
		for i, value := range values {
			if truth, is := value.(bool); is { // which is a number where there are no truths
				values[i] = int64(0)
				if truth {
					values[i] = int64(1)
				}
			}
		}
		return values, err
	})
	return all, told(err)
}

// Write makes changes, and commits them if check finds what is then there to be right.
func (c *Coming) Write(ctx context.Context, t move.Table, columns []string, changes move.Changes, check func([]move.Row) error) error {
	err := pgx.BeginFunc(ctx, c.conn, func(tx pgx.Tx) error {
		if err := c.change(ctx, tx, t, columns, changes); err != nil {
			return err
		}
		if err := c.add(ctx, tx, t, columns, changes.New); err != nil {
			return err
		}
		if changes.Carried > 0 {
			if err := note(ctx, tx, t, changes.Carried); err != nil {
				return err
			}
		}
		back, err := c.Between(ctx, t, columns, changes.Span)
		if err != nil {
			return err
		}
		return check(back)
	})
	return told(err)
}

// change takes away what is to go, and writes over what has changed.
func (c *Coming) change(ctx context.Context, tx pgx.Tx, t move.Table, columns []string, changes move.Changes) error {
	var all pgx.Batch
	for _, key := range changes.Gone {
		all.Queue("DELETE FROM "+move.Quoted(t.Name)+" WHERE "+equal(t.Key, 1, " AND "), key...)
	}
	update := "UPDATE " + move.Quoted(t.Name) + " SET " + equal(columns, 1, ", ") + " WHERE " + equal(t.Key, len(columns)+1, " AND ")
	for _, row := range changes.Changed {
		args := c.values(t, columns, row)
		for _, name := range t.Key {
			args = append(args, row[slices.Index(columns, name)])
		}
		all.Queue(update, args...)
	}
	if all.Len() == 0 {
		return nil
	}
	return tx.SendBatch(ctx, &all).Close()
}

func equal(columns []string, first int, between string) string {
	var all []string
	for i, name := range columns {
		all = append(all, fmt.Sprintf("%s = $%d", move.Quoted(name), first+i))
	}
	return strings.Join(all, between)
}

// besides are columns that only we have and that the rows of one machine have in another:
// what a line is sealed to, and ordered by before it is numbered, is its number there.
var besides = map[string]struct{ ours, theirs string }{
	"feed": {"n", "seq"}, "audit": {"n", "seq"}, "submissions": {"arrival", "n"},
}

// add copies rows in.
func (c *Coming) add(ctx context.Context, tx pgx.Tx, t move.Table, columns []string, all []move.Row) error {
	if len(all) == 0 {
		return nil
	}
	into, from := slices.Clone(columns), -1
	if b, has := besides[t.Name]; has {
		into, from = append(into, b.ours), slices.Index(columns, b.theirs)
	}
	_, err := tx.CopyFrom(ctx, pgx.Identifier{t.Name}, into, pgx.CopyFromSlice(len(all), func(i int) ([]any, error) {
		values := c.values(t, columns, all[i])
		if from >= 0 {
			values = append(values, all[i][from])
		}
		return values, nil
	}))
	return err
}

// values gives a row's values as our columns have them.
func (c *Coming) values(t move.Table, columns []string, row move.Row) []any {
	values := slices.Clone([]any(row))
	for i, name := range columns {
		if n, is := values[i].(int64); is && c.truths[t.Name+"."+name] {
			values[i] = n != 0
		}
	}
	return values
}

// Carried gives how far a table has been carried.
func (c *Coming) Carried(ctx context.Context, t move.Table) (through int64, err error) {
	err = c.conn.QueryRow(ctx, "SELECT coalesce((SELECT through FROM carried WHERE what = $1), 0)", t.Name).Scan(&through)
	return through, told(err)
}

// Note notes it.
func (c *Coming) Note(ctx context.Context, t move.Table, carried int64) error {
	return told(pgx.BeginFunc(ctx, c.conn, func(tx pgx.Tx) error { return note(ctx, tx, t, carried) }))
}

func note(ctx context.Context, tx pgx.Tx, t move.Table, carried int64) error {
	_, err := tx.Exec(ctx, `INSERT INTO carried (what, through) VALUES ($1, $2)
		ON CONFLICT (what) DO UPDATE SET through = excluded.through`, t.Name, carried)
	return err
}

// Count counts the rows of a table.
func (c *Coming) Count(ctx context.Context, t move.Table) (n int64, err error) {
	err = c.conn.QueryRow(ctx, "SELECT count(*) FROM "+move.Quoted(t.Name)).Scan(&n)
	return n, told(err)
}

// Lacking names the large files that rows tell of and that are not there.
func (c *Coming) Lacking(ctx context.Context) ([]string, error) {
	found, err := c.conn.Query(ctx, `SELECT id FROM blobs b WHERE content IS NULL
		AND NOT EXISTS (SELECT 1 FROM parts p WHERE p.blob = b.id) ORDER BY id`)
	if err != nil {
		return nil, told(err)
	}
	ids, err := pgx.CollectRows(found, pgx.RowTo[string])
	return ids, told(err)
}

// Keep stores a large file, and commits it if check finds what is read back to be right.
func (c *Coming) Keep(ctx context.Context, id string, content io.Reader, check func(io.Reader) error) error {
	err := pgx.BeginFunc(ctx, c.conn, func(tx pgx.Tx) error {
		source := &partsOf{id: id, from: content}
		if _, err := tx.CopyFrom(ctx, pgx.Identifier{"parts"}, []string{"blob", "n", "content"}, source); err != nil {
			return err
		}
		found, err := tx.Query(ctx, "SELECT content FROM parts WHERE blob = $1 ORDER BY n", id)
		if err != nil {
			return err
		}
		defer found.Close()
		return check(&joined{parts: found})
	})
	return told(err)
}

// partsOf cuts a file into rows of table parts.
type partsOf struct {
	id   string
	from io.Reader
	n    int64
	part []byte
	err  error
}

func (p *partsOf) Next() bool {
	if p.part == nil {
		p.part, p.n = make([]byte, partSize), -1
	}
	read, err := io.ReadFull(p.from, p.part[:partSize])
	p.part, p.n = p.part[:read], p.n+1
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		p.err = err
	}
	return read > 0 && p.err == nil
}

func (p *partsOf) Values() ([]any, error) { return []any{p.id, p.n, p.part}, nil }
func (p *partsOf) Err() error             { return p.err }

// joined reads the parts of a file one after another.
type joined struct {
	parts pgx.Rows
	part  bytes.Reader
}

func (j *joined) Read(p []byte) (int, error) {
	for j.part.Len() == 0 {
		if !j.parts.Next() {
			return 0, cmp.Or(j.parts.Err(), io.EOF)
		}
		var content []byte
		if err := j.parts.Scan(&content); err != nil {
			return 0, err
		}
		j.part.Reset(content)
	}
	return j.part.Read(p)
}

// isHalfMoved reports whether an installation is still on its way here.
func isHalfMoved(ctx context.Context, q querier) (half bool, err error) {
	err = q.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM moves WHERE ended = 0)").Scan(&half)
	return half, told(err)
}

// unlessHalfMoved refuses a database to which an installation is still on its way: what has not
// come would be received once more, and what has would be delivered from both.
func unlessHalfMoved(ctx context.Context, q querier) error {
	half, err := isHalfMoved(ctx, q)
	if err == nil && half {
		err = errors.New("an installation is on its way here, and not all of it has come: run knutpunkt move again, to its end")
	}
	return err
}
