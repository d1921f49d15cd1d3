package sqlite_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/knutpunkt/knutpunkt/hub/seal"
	"github.com/knutpunkt/knutpunkt/hub/store/sqlite"
)

// FuzzVerify: no file but a backup of ours is taken for one, and why is always said in
// the same way.
func FuzzVerify(f *testing.F) {
	dir := f.TempDir()
	if err := seal.Init(filepath.Join(dir, "keys.json"), "1080"); err != nil {
		f.Fatal(err)
	}
	keys, err := seal.Open("file:" + filepath.Join(dir, "keys.json"))
	if err != nil {
		f.Fatal(err)
	}
	open(f, dir, keys, sqlite.Options{Boot: "a", Clock: still})
	file := filepath.Join(dir, "backup")
	if _, err := sqlite.Backup(f.Context(), filepath.Join(dir, "knutpunkt.db"), keys, file, backupOptions); err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(file)
	if err != nil {
		f.Fatal(err)
	}
	head := whole[:bytes.IndexByte(whole, '\n')+1]
	f.Add(whole)
	f.Add(whole[:len(whole)-1])
	f.Add(whole[:len(head)+40])
	f.Add(head)
	f.Add(bytes.Replace(whole, []byte(" 1 "), []byte(" 2 "), 1))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := sqlite.Verify(t.Context(), file, keys, backupOptions)
		if err == nil && !bytes.Equal(content, whole) {
			t.Error("another file is taken for the backup")
		}
		if err != nil && !errors.Is(err, sqlite.ErrBackup) {
			t.Errorf("a file that is none gives %v", err)
		}
	})
}
