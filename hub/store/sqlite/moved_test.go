package sqlite

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub/seal"
)

// Nobody goes on copying a database that has been moved and believes that there are backups; and
// of a copy that was made all the same it is told where everything is.
func TestBackupOfADatabaseThatHasBeenMoved(t *testing.T) {
	const address = "postgres://knutpunkt@db.example/knutpunkt"
	s := newTestStore(t, Options{})
	path, backup := s.path(), filepath.Join(t.TempDir(), "backup")
	s.Close()
	keys, err := seal.Open("file:" + filepath.Join(filepath.Dir(path), "keys.json"))
	if err != nil {
		t.Fatal(err)
	}
	leaving, err := Leave(t.Context(), path, keys, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(leaving.Left(t.Context(), address, time.Now()), leaving.Close()); err != nil {
		t.Fatal(err)
	}
	o := BackupOptions{Clock: time.Now, By: "test"}
	if _, err := Backup(t.Context(), path, keys, backup, o); !errors.Is(err, ErrMoved) || !strings.Contains(err.Error(), address) {
		t.Errorf("a backup of it says %v", err)
	}
	if left, _ := filepath.Glob(backup + "*"); len(left) > 0 {
		t.Errorf("it left %v", left)
	}

	f, err := os.Create(backup)
	if err != nil {
		t.Fatal(err)
	}
	w := &backupWriter{o: o, files: folder{path + ".files"}}
	if err := errors.Join(w.write(t.Context(), path, keys, f), f.Close()); err != nil {
		t.Fatal(err)
	}
	if a, err := Verify(t.Context(), backup, keys, o); err != nil || a.Moved != address {
		t.Errorf("of the copy it is told that everything is at %q (%v)", a.Moved, err)
	}
}
