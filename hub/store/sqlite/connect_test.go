package sqlite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/knutpunkt/knutpunkt/hub/store/rows"
)

// What SQLite forgets by itself must be said to every connection, so every one is looked at.
func TestEveryConnection(t *testing.T) {
	s := newTestStore(t, Options{})
	want := map[string]string{
		"journal_mode": "wal", "synchronous": "2", "busy_timeout": "5000",
		"foreign_keys": "1", "secure_delete": "1", "trusted_schema": "0",
	}
	for range readersAtOnce {
		r := <-s.readers
		if err := r.begin(t.Context(), s.read); err != nil {
			t.Fatal(err)
		}
		for name, value := range want {
			var got any
			if err := r.conn.QueryRowContext(t.Context(), "PRAGMA "+name).Scan(&got); err != nil || fmt.Sprint(got) != value {
				t.Errorf("a reader has %s=%v, want %s: %v", name, got, value, err)
			}
		}
		if _, err := r.conn.ExecContext(t.Context(), "DELETE FROM cases"); err == nil {
			t.Error("a reader can write")
		}
		defer func() { s.readers <- r }()
	}
	err := engine{s}.Commit(t.Context(), func(b *rows.Tx) error {
		for name, value := range want {
			var got any
			read, err := b.Query("PRAGMA " + name)
			if err != nil {
				return err
			}
			for read.Next() {
				err = read.Scan(&got)
			}
			if err := errors.Join(err, read.Close()); err != nil || fmt.Sprint(got) != value {
				t.Errorf("the writer has %s=%v, want %s: %v", name, got, value, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestWeakConnections(t *testing.T) {
	for _, weak := range [][]string{
		{"journal_mode(WAL)", "synchronous(NORMAL)"}, {"journal_mode(DELETE)", "synchronous(FULL)"}, nil,
	} {
		db, err := open(filepath.Join(t.TempDir(), "weak.db"), "rwc", weak, "_txlock=immediate")
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Ping(); err == nil {
			t.Errorf("a connection with %v was taken", weak)
		}
		db.Close()
	}
}

func TestFilesAreTheOwners(t *testing.T) {
	s := newTestStore(t, Options{})
	if _, err := s.Receive(t.Context(), form("1")); err != nil {
		t.Fatal(err)
	}
	for _, end := range []string{"", "-wal", "-shm", ".lock"} {
		stat, err := os.Stat(s.path() + end)
		if err != nil {
			t.Fatal(err)
		}
		if mode := stat.Mode().Perm(); mode != 0o600 {
			t.Errorf("%s has mode %04o, want 0600", stat.Name(), mode)
		}
	}
}
