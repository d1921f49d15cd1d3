package postgres_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/enginetest"
	"github.com/knutpunkt/knutpunkt/hub/seal"
	"github.com/knutpunkt/knutpunkt/hub/store/move"
	"github.com/knutpunkt/knutpunkt/hub/store/postgres"
	"github.com/knutpunkt/knutpunkt/hub/store/sqlite"
	"github.com/knutpunkt/knutpunkt/hub/store/storetest"
)

// Whatever is under way when an installation is moved, it goes on as if the process had only
// been started again: the whole suite runs on Stores that are in SQLite at first, and in
// PostgreSQL from the first time that they are opened anew.
func TestAStoreThatIsMoved(t *testing.T) {
	storetest.Run(t, func(t testing.TB, clock func() time.Time) storetest.Bed {
		return &movingBed{bed: bed{keys: newKeys(t), clock: clock}, dir: t.TempDir()}
	})
}

// A movingBed is a folder until its first process has ended, and then a database.
type movingBed struct {
	bed
	dir   string
	opens int
}

func (b *movingBed) path() string { return filepath.Join(b.dir, "knutpunkt.db") }

func (b *movingBed) Open(t testing.TB, boot string) hub.Store {
	t.Helper()
	if b.opens++; b.opens == 1 {
		s, err := sqlite.Open(t.Context(), b.path(), b.keys, sqlite.Options{Boot: boot, Clock: b.clock})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	if b.opens == 2 {
		b.needsDatabase(t)
		if err := b.move(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return b.bed.Open(t, boot)
}

// needsDatabase makes the database that most parts of the suite never come to.
func (b *movingBed) needsDatabase(t testing.TB) {
	if b.url == "" {
		b.url = enginetest.Postgres(t)
	}
}

// Kill ends the process: what it had in SQLite is carried over beside it first, and goes on as
// a copy of the folder as it is on disk.
func (b *movingBed) Kill(t testing.TB) {
	t.Helper()
	if b.opens > 1 {
		b.bed.Kill(t)
		return
	}
	b.needsDatabase(t)
	if _, err := b.carry(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	dead := b.dir
	b.dir = t.TempDir()
	if err := os.CopyFS(b.dir, os.DirFS(dead)); err != nil {
		t.Fatal(err)
	}
}

// carry carries over what there is, and then has end do what comes after.
func (b *movingBed) carry(ctx context.Context, end func(*sqlite.Leaving, *postgres.Coming) error) (move.Result, error) {
	from, err := sqlite.Leave(ctx, b.path(), b.keys, b.clock)
	if err != nil {
		return move.Result{}, err
	}
	defer from.Close()
	name, returns, err := from.Name(ctx)
	if err != nil {
		return move.Result{}, err
	}
	to, err := postgres.Come(ctx, postgres.Address{URL: b.url}, name, returns, b.clock())
	if err != nil {
		return move.Result{}, err
	}
	defer to.Close()
	r, err := move.Carry(ctx, from, to, nil)
	if err == nil && end != nil {
		err = end(from, to)
	}
	return r, err
}

// move carries everything over, to its end.
func (b *movingBed) move(ctx context.Context) error {
	_, err := b.carry(ctx, func(from *sqlite.Leaving, to *postgres.Coming) error {
		return errors.Join(from.Take(ctx), from.Left(ctx, b.url, b.clock()), to.Whole(ctx, b.clock()))
	})
	return err
}

// newMovingBed gives an installation on which a hub has run, and that has rows of all kinds.
func newMovingBed(t *testing.T) *movingBed {
	t.Helper()
	b := &movingBed{bed: bed{url: enginetest.Postgres(t), keys: newKeys(t), clock: time.Now}, dir: t.TempDir()}
	b.start(t, b.url).Close() // which is its name for good
	return b
}

func (b *movingBed) start(t *testing.T, boot string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), b.path(), b.keys, sqlite.Options{Boot: boot, Clock: b.clock})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ofTheWhole are tables that say something of the others.
var ofTheWhole = []string{"active", "wraps", "boots", "restores"}

// fill adds rows to every table, whatever they say, and changes and takes away some.
func (b *movingBed) fill(t *testing.T, round int) {
	t.Helper()
	db, err := sql.Open("sqlite", b.path())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, table := range move.Tables {
		if slices.Contains(ofTheWhole, table.Name) {
			continue
		}
		for n := range 40 {
			columns, values := randomRow(t, db, table, round*1000+n)
			text := fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s) ON CONFLICT DO NOTHING", table.Name, move.Quoted(columns...),
				strings.TrimSuffix(strings.Repeat("?, ", len(columns)), ", "))
			if _, err := db.Exec(text, values...); err != nil {
				t.Fatalf("%s: %v", table.Name, err)
			}
		}
		if table.Kind != move.Changing {
			continue
		}
		if table.Name != "cases" && table.Name != "bundles" {
			mustExec(t, db, fmt.Sprintf("DELETE FROM %s WHERE (%s) IN (SELECT %[2]s FROM %[1]s ORDER BY random() LIMIT 3)", table.Name, move.Quoted(table.Key...)))
		}
	}
	mustExec(t, db, "UPDATE cases SET step = 'beslutat', expect = NULL WHERE id IN (SELECT id FROM cases ORDER BY random() LIMIT 5)")
	mustExec(t, db, "UPDATE progress SET state = 'DELIVERED', queue = NULL, on_wire = 1 WHERE key IN (SELECT key FROM progress ORDER BY random() LIMIT 5)")
}

func mustExec(t *testing.T, db *sql.DB, text string) {
	t.Helper()
	if _, err := db.Exec(text); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

// truths are columns that hold one of two things.
var truths = []string{"waiting", "doubt", "on_wire", "correction"}

// randomRow makes up a row, which refers to what is there.
func randomRow(t *testing.T, db *sql.DB, table move.Table, n int) (columns []string, values []any) {
	t.Helper()
	found, err := db.Query("SELECT name, type, \"notnull\" FROM pragma_table_info(?)", table.Name)
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	for found.Next() {
		var name, kind string
		var must bool
		if err := found.Scan(&name, &kind, &must); err != nil {
			t.Fatal(err)
		}
		var value any
		switch isKey := slices.Contains(table.Key, name); {
		case name == "case_id" && table.Name != "reports" && table.Name != "audit":
			value = fmt.Sprint("å", n) // as cases has it
		case name == "submission" && table.Name == "blobs":
			value = fmt.Sprint("S", n)
		case name == "id" && table.Name == "submissions":
			value = fmt.Sprint("S", n)
		case slices.Contains(truths, name):
			value = rand.IntN(2)
		case kind == "TEXT" && isKey:
			value = fmt.Sprint("å", n)
		case kind == "BLOB" && isKey:
			value = fmt.Appendf(nil, "\x00\xff%d", n)
		case isKey:
			value = n + 1
		case !must && rand.IntN(2) == 0:
		case kind == "INTEGER":
			value = rand.Int64() - 1<<62
		case kind == "BLOB":
			value = fmt.Appendf(nil, "\x00\xff%d%s", n, strings.Repeat("x", rand.IntN(300)))
		default:
			value = strings.Repeat("ö\t\\\"'", rand.IntN(4)) + fmt.Sprint(n)
		}
		columns, values = append(columns, name), append(values, value)
	}
	return columns, values
}

// Every value of every table is the same on the other side, whatever happened between the two
// times that it was carried.
func TestEveryTableIsCarried(t *testing.T) {
	b := newMovingBed(t)
	for round := range 3 {
		b.fill(t, round)
		if _, err := b.carry(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.move(t.Context()); err != nil {
		t.Fatal(err)
	}
	here, there := connect(t, "sqlite", b.path()), connect(t, "pgx", b.url)
	for _, table := range move.Tables {
		text := fmt.Sprintf("SELECT %s FROM %s ORDER BY %s", move.Quoted(columnsOf(t, here, table.Name)...), table.Name, move.Quoted(table.Key...))
		want, got := everything(t, here, text), everything(t, there, text)
		if want != got {
			t.Errorf("%s is\n%.2000s\nwant\n%.2000s", table.Name, got, want)
		}
		if want == "" && !slices.Contains(ofTheWhole, table.Name) {
			t.Errorf("%s has no rows", table.Name)
		}
	}
	known := everything(t, here, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY 1")
	for name := range strings.Lines(known) {
		name = strings.Trim(name, "[]\"\n")
		carried := slices.ContainsFunc(move.Tables, func(t move.Table) bool { return t.Name == name })
		if own := []string{"migrations", "epoch", "moved"}; carried == slices.Contains(own, name) {
			t.Errorf("nobody has said whether %s is carried", name)
		}
	}
}

func connect(t *testing.T, driver, address string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func columnsOf(t *testing.T, db *sql.DB, table string) []string {
	t.Helper()
	found, err := db.Query("SELECT * FROM " + table + " LIMIT 0")
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	columns, err := found.Columns()
	if err != nil {
		t.Fatal(err)
	}
	return columns
}

// everything gives what a query finds, in words that are the same for both engines.
func everything(t *testing.T, db *sql.DB, text string) string {
	t.Helper()
	found, err := db.Query(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	defer found.Close()
	columns, err := found.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for found.Next() {
		row, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range row {
			into[i] = &row[i]
		}
		if err := found.Scan(into...); err != nil {
			t.Fatal(err)
		}
		for i, value := range row {
			if truth, is := value.(bool); is && truth {
				row[i] = int64(1)
			} else if is {
				row[i] = int64(0)
			}
		}
		fmt.Fprintf(&all, "%q\n", row)
	}
	return all.String()
}

// What a move may not come to, or begin from, and why.
func TestMovesThatAreRefused(t *testing.T) {
	for _, tc := range []struct {
		name, why string
		spoil     func(t *testing.T, b *movingBed)
		want      string
	}{
		{"tables of somebody's own", "they would be mixed", func(t *testing.T, b *movingBed) {
			mustExec(t, connect(t, "pgx", b.url), "CREATE TABLE invoices (n int)")
		}, "it has tables of its own"},
		{"a hub has run on it", "it is an installation", func(t *testing.T, b *movingBed) {
			s, err := postgres.Open(t.Context(), postgres.Address{URL: b.url}, b.keys, postgres.Options{Boot: "other", Clock: time.Now})
			if err != nil {
				t.Fatal(err)
			}
			s.Close()
		}, "it is another installation's"},
		{"another installation is on its way", "two would be one", func(t *testing.T, b *movingBed) {
			other := newMovingBed(t)
			other.url = b.url
			if _, err := other.carry(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
		}, "another installation has been moved there"},
		{"another schema", "rows would not fit", func(t *testing.T, b *movingBed) {
			if _, err := b.carry(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			mustExec(t, connect(t, "pgx", b.url), "INSERT INTO migrations VALUES (1000, 0)")
		}, "its tables have version 1000"},
		{"an older copy that was put back", "it does not know what was delivered", func(t *testing.T, b *movingBed) {
			if err := os.WriteFile(b.path()+".epoch", []byte(`{"epoch":"of another run","audit":7}`), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "start knutpunkt serve on it once"},
		{"it was put back from an older copy", "its numbers stand for something else", func(t *testing.T, b *movingBed) {
			if _, err := b.carry(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			mustExec(t, connect(t, "sqlite", b.path()), "INSERT INTO restores VALUES (1, 0, 'restored', '', 0, 1)")
		}, "begin again"},
		{"other keys", "nobody could read it", func(t *testing.T, b *movingBed) {
			db := connect(t, "sqlite", b.path())
			_, wrapped, err := newKeys(t).NewDataKey("1080", "row")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := db.Exec("INSERT INTO wraps VALUES ('1080', ?)", wrapped[:seal.HeadSize]); err != nil {
				t.Fatal(err)
			}
		}, "key"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newMovingBed(t)
			b.fill(t, 0)
			tc.spoil(t, b)
			err := b.move(t.Context())
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s: it ends in %v, want %q", tc.why, err, tc.want)
			}
		})
	}
}

// Whoever is half moved is served where it was, and nowhere else; who is whole is served there.
func TestOneSideIsServed(t *testing.T) {
	b := newMovingBed(t)
	at := postgres.Address{URL: b.url}
	if _, err := b.carry(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if s, err := postgres.Open(t.Context(), at, b.keys, postgres.Options{Boot: "early", Clock: time.Now}); err == nil {
		s.Close()
		t.Error("what is half moved is served")
	} else if !strings.Contains(err.Error(), "knutpunkt move again") {
		t.Errorf("it says %v", err)
	}
	b.start(t, "second").Close()
	if err := b.move(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(t.Context(), b.path(), b.keys, sqlite.Options{Boot: "late", Clock: time.Now}); !errors.Is(err, sqlite.ErrMoved) {
		t.Errorf("what has been moved gives %v", err)
	}
	if _, err := sqlite.OpenReadOnly(t.Context(), b.path(), b.keys, time.Now); !errors.Is(err, sqlite.ErrMoved) {
		t.Errorf("what has been moved is read: %v", err)
	}
	s, err := postgres.Open(t.Context(), at, b.keys, postgres.Options{Boot: "there", Clock: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if since, cases, err := s.Restored(t.Context()); err != nil || !since.IsZero() {
		t.Errorf("a move is taken for a restore: %v, %d cases, %v", since, cases, err)
	}
}

// BenchmarkMove carries 20 000 forms of 3 KB, with what belongs to them and 100 MB of large
// files; first all of it, and then a second time when nothing has happened.
func BenchmarkMove(b *testing.B) {
	const forms, files = 20_000, 10
	bed := &movingBed{bed: bed{keys: newKeys(b), clock: time.Now}, dir: b.TempDir()}
	s, err := sqlite.Open(b.Context(), bed.path(), bed.keys, sqlite.Options{Boot: "bench", Clock: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	s.Close()
	db, err := sql.Open("sqlite", bed.path())
	if err != nil {
		b.Fatal(err)
	}
	for _, text := range manyForms {
		if _, err := db.Exec(text, forms); err != nil {
			b.Fatalf("%s: %v", text, err)
		}
	}
	for n := range files {
		id := fmt.Sprintf("file%d", n)
		if _, err := db.Exec("INSERT INTO blobs VALUES (?, 'f00001', NULL)", id); err != nil {
			b.Fatal(err)
		}
		if err := errors.Join(os.MkdirAll(bed.path()+".files", 0o700), os.WriteFile(filepath.Join(bed.path()+".files", id), make([]byte, 10<<20), 0o600)); err != nil {
			b.Fatal(err)
		}
	}
	db.Close()
	for b.Loop() {
		bed.url = enginetest.Postgres(b)
		for _, name := range []string{"first", "again"} {
			began := time.Now()
			r, err := bed.carry(b.Context(), nil)
			if err != nil {
				b.Fatal(err)
			}
			took := time.Since(began).Seconds()
			b.ReportMetric(float64(r.Rows)/took, name+"-rows/s")
			b.ReportMetric(float64(r.Bytes)/1e6/took, name+"-MB/s")
		}
	}
}

// manyForms fill the tables that grow with the forms, as many as their argument says.
var manyForms = func() (all []string) {
	for _, rows := range []string{
		"cases (id, instance, municipality, source, service, step, step_at, ref, voice, teller) SELECT %s, randomblob(16), '1080', 'oep', '702', 'inkommet', n, '', 'k.d', '' FROM f",
		"submissions (n, id, case_id, municipality, service, form_version, system, submitted, received, inkommen, data_key, contents) SELECT n, %[1]s, %[1]s, '1080', '702', '1', 'oep', n, n, n, randomblob(66), randomblob(3000) FROM f",
		"seen SELECT randomblob(16), %s, randomblob(16) FROM f",
		"followers SELECT randomblob(16), %s, 0 FROM f",
		"blobs SELECT 'o' || %[1]s, %[1]s, randomblob(4000) FROM f",
		`progress (key, case_id, place, municipality, kind, state, reason, note, since, due, lease_boot, lease_token, lease_until, attempts, crashes, waiting,
			revision, submission, leg, system, operation, level, lag, after, step, sha256, receipt, misses, asking) SELECT k || %[1]s, %[1]s, 0, '1080', 'document', 'DELIVERED', '', '', n, 0, '', 0, 0, 1, 0, 0,
			hex(randomblob(16)), %[1]s, k, 'k.d', 'case', 'lookup', 0, '', 'registrerat', randomblob(32), '{"number":"KS 2026-1"}', 0, 0 FROM f, (SELECT 'a' k UNION SELECT 'b' UNION SELECT 'c')`,
		"attempts SELECT k || %s, 1, hex(randomblob(13)), n, n, n, 'yes', '' FROM f, (SELECT 'a' k UNION SELECT 'b')",
		"feed (case_id, municipality, service, submission, step, at, expect, ref, ball) SELECT %[1]s, '1080', '702', %[1]s, 'registrerat', n, 0, 'KS 2026-1', '' FROM f, (SELECT 1 UNION SELECT 2)",
		"audit (at, municipality, case_id, key, what, note) SELECT n, '1080', %[1]s, %[1]s, 'Answered', '' FROM f, (SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4)",
	} {
		all = append(all, "WITH RECURSIVE f (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM f WHERE n < ?) INSERT INTO "+fmt.Sprintf(rows, "printf('f%05d', n)"))
	}
	return all
}()
