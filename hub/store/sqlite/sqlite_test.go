package sqlite_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/seal"
	"github.com/knutpunkt/knutpunkt/hub/store/sqlite"
	"github.com/knutpunkt/knutpunkt/hub/store/storetest"
)

func TestStore(t *testing.T) { storetest.Run(t, newBed) }

// A bed is a folder. To kill its process is to go on with a copy of the folder as it is
// on disk, while whoever has the old one open keeps it.
type bed struct {
	dir   string
	keys  *seal.Keys
	clock func() time.Time
}

func newBed(t testing.TB, clock func() time.Time) storetest.Bed {
	return &bed{t.TempDir(), newKeys(t), clock}
}

func (b *bed) Open(t testing.TB, boot string) hub.Store {
	t.Helper()
	return open(t, b.dir, b.keys, sqlite.Options{Boot: boot, Clock: b.clock})
}

func (b *bed) Kill(t testing.TB) {
	t.Helper()
	dead := b.dir
	b.dir = t.TempDir()
	if err := os.CopyFS(b.dir, os.DirFS(dead)); err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, dir string, keys *seal.Keys, o sqlite.Options) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(dir, "knutpunkt.db"), keys, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func newKeys(t testing.TB) *seal.Keys {
	t.Helper()
	return newKeysAt(t, filepath.Join(t.TempDir(), "keys.json"))
}

func newKeysAt(t testing.TB, path string) *seal.Keys {
	t.Helper()
	if err := seal.Init(path, storetest.Municipalities...); err != nil {
		t.Fatal(err)
	}
	keys, err := seal.Open("file:" + path)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}
