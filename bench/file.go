package main

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"time"

	_ "modernc.org/sqlite" // the library that Knutpunkt's own Store uses
)

// A file is the floor's database. One goroutine writes it: it folds whatever waits into
// one transaction, so that one fsync serves many.
type file struct {
	db      *sql.DB
	conn    *sql.Conn
	known   map[string]*sql.Stmt
	writes  chan *write
	stopped chan struct{}
}

type write struct {
	do   func(*transaction) error
	err  error
	done chan struct{}
}

// A transaction is what a write is done in.
type transaction struct{ *file }

const tables = `
CREATE TABLE IF NOT EXISTS submissions (
	id       TEXT NOT NULL PRIMARY KEY,
	received INTEGER NOT NULL,
	step     TEXT NOT NULL,
	data_key BLOB NOT NULL,
	form     BLOB NOT NULL, -- sealed
	person   BLOB           -- sealed: what the register said
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS unfinished ON submissions (id) WHERE step <> 'completed';
CREATE TABLE IF NOT EXISTS seen (
	mark        BLOB NOT NULL PRIMARY KEY,
	submission  TEXT NOT NULL,
	fingerprint BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS attempts (
	key     TEXT NOT NULL PRIMARY KEY,
	sha256  BLOB NOT NULL,
	started INTEGER NOT NULL,
	ended   INTEGER,
	receipt TEXT
) STRICT, WITHOUT ROWID;`

func openFile(path string) (*file, error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)"+
		"&_pragma=busy_timeout(5000)&_pragma=secure_delete(ON)&_pragma=cache_size(-32768)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	f := &file{
		db: db, known: map[string]*sql.Stmt{}, writes: make(chan *write, 512), stopped: make(chan struct{}),
	}
	if f.conn, err = db.Conn(background); err != nil {
		return nil, err
	}
	if _, err := f.conn.ExecContext(background, tables); err != nil {
		return nil, err
	}
	go f.run()
	return f, nil
}

var background = context.Background()

func (f *file) close() {
	close(f.writes)
	<-f.stopped
	f.conn.Close()
	f.db.Close()
}

// commit returns when what do writes is durable.
func (f *file) commit(do func(*transaction) error) error {
	w := &write{do: do, done: make(chan struct{})}
	f.writes <- w
	<-w.done
	return w.err
}

func (f *file) run() {
	defer close(f.stopped)
	for first := range f.writes {
		batch := []*write{first}
		for len(batch) < 256 && len(f.writes) > 0 {
			batch = append(batch, <-f.writes)
		}
		err := f.transact(batch)
		for _, w := range batch {
			w.err = err
			close(w.done)
		}
	}
}

func (f *file) transact(batch []*write) error {
	if _, err := f.conn.ExecContext(background, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	for _, w := range batch {
		if err := w.do(&transaction{f}); err != nil {
			f.conn.ExecContext(background, "ROLLBACK")
			return err
		}
	}
	_, err := f.conn.ExecContext(background, "COMMIT")
	if err != nil {
		f.conn.ExecContext(background, "ROLLBACK")
	}
	return err
}

func (f *file) prepared(text string) (*sql.Stmt, error) {
	if stmt := f.known[text]; stmt != nil {
		return stmt, nil
	}
	stmt, err := f.conn.PrepareContext(background, text)
	f.known[text] = stmt
	return stmt, err
}

func (tx *transaction) exec(text string, args ...any) error {
	stmt, err := tx.prepared(text)
	if err == nil {
		_, err = stmt.ExecContext(background, args...)
	}
	return err
}

func (tx *transaction) one(text string, args []any, into ...any) (found bool, err error) {
	stmt, err := tx.prepared(text)
	if err != nil {
		return false, err
	}
	err = stmt.QueryRowContext(background, args...).Scan(into...)
	if err == sql.ErrNoRows {
		return false, nil
	}
	return err == nil, err
}

// begin writes an attempt: from here on, silence may mean that the system has it.
func (tx *transaction) begin(key string, text []byte) error {
	sum := sha256.Sum256(text)
	return tx.exec("INSERT INTO attempts (key, sha256, started) VALUES (?, ?, ?)"+
		" ON CONFLICT (key) DO UPDATE SET started = excluded.started", key, sum[:], time.Now().UnixNano())
}

// end writes what a system answered, and how far the application has come.
func (tx *transaction) end(id, system string, got receipt, step string) error {
	err := tx.exec("UPDATE attempts SET ended = ?, receipt = ? WHERE key = ?",
		time.Now().UnixNano(), got.Number, id+"-"+system)
	if err != nil {
		return err
	}
	return tx.exec("UPDATE submissions SET step = ? WHERE id = ?", step, id)
}

// unfinished gives each submission that has not come all the way.
func (f *file) unfinished(each func(id string, wrapped, form, person []byte, number string) error) error {
	return f.commit(func(*transaction) error {
		rows, err := f.conn.QueryContext(background, `SELECT id, data_key, form, person, coalesce(receipt, '')
			FROM submissions LEFT JOIN attempts ON key = id || '-diarium' WHERE step <> 'completed'`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id, number string
			var wrapped, form, person []byte
			if err := rows.Scan(&id, &wrapped, &form, &person, &number); err != nil {
				return err
			}
			if err := each(id, wrapped, form, person, number); err != nil {
				return err
			}
		}
		return rows.Err()
	})
}
