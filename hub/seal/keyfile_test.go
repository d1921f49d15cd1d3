package seal_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/knutpunkt/knutpunkt/hub/seal"
)

func TestInitNeverOverwrites(t *testing.T) {
	path := keyFile(t)
	before := content(t, path)
	if err := seal.Init(path, karlskrona); err == nil || !strings.Contains(err.Error(), "never overwritten") {
		t.Errorf("a second Init: %v", err)
	}
	if !bytes.Equal(content(t, path), before) {
		t.Error("the key file was changed")
	}
	alone(t, path)
}

func TestInitRefusesWhatIsNoMunicipality(t *testing.T) {
	for _, code := range []string{"", "80", "01080", "KARL", "108O", "１０８０"} {
		path := filepath.Join(t.TempDir(), "keys.json")
		if err := seal.Init(path, code); err == nil {
			t.Errorf("%q was given a key", code)
		}
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: a key file was made all the same", code)
		}
	}
}

func TestEveryKeyFileHasAKeyForTheUnattributed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	if err := seal.Init(path); err != nil {
		t.Fatal(err)
	}
	if err := open(t, path).Need(seal.Unattributed); err != nil {
		t.Error(err)
	}
}

func TestKeyFileIsItsOwnersAlone(t *testing.T) {
	path := keyFile(t)
	if err := seal.Add(path, "2480"); err != nil {
		t.Fatal(err)
	}
	stat, err := os.Stat(path)
	if err != nil || stat.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v", stat.Mode(), err)
	}
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o620, 0o666} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := seal.Open("file:" + path); err == nil || !strings.Contains(err.Error(), "chmod 600 "+path) {
			t.Errorf("mode %o: %v", mode, err)
		}
		if err := seal.Rotate(path, karlskrona); err == nil {
			t.Errorf("mode %o: the open file was used to make another", mode)
		}
	}
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	open(t, path)
}

func TestOpenMakesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	if _, err := seal.Open("file:" + path); err == nil || !strings.Contains(err.Error(), "run: knutpunkt keys init") {
		t.Errorf("no key file: %v", err)
	}
	if err := seal.Add(path, karlskrona); err == nil || !strings.Contains(err.Error(), "keys init") {
		t.Errorf("Add without a key file: %v", err)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestOpenTakesFileReferencesOnly(t *testing.T) {
	for _, ref := range []string{"", "file:", "/etc/keys.json", "env:KEYS", "vault:transit/hemligt"} {
		_, err := seal.Open(ref)
		if err == nil || !strings.Contains(err.Error(), "file:PATH") || strings.Contains(err.Error(), "hemligt") {
			t.Errorf("%q: %v", ref, err)
		}
	}
	if _, err := seal.Open("file:" + t.TempDir()); err == nil {
		t.Error("a folder was taken for a key file")
	}
}

func TestUnreadableKeyFileIsRefused(t *testing.T) {
	good := string(content(t, keyFile(t)))
	edited := func(old, new string) string {
		t.Helper()
		if !strings.Contains(good, old) {
			t.Fatalf("a key file does not contain %s", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	tests := []struct{ name, file, says string }{
		{"empty", "", "restore"},
		{"not JSON", "hemligt", "restore"},
		{"cut", good[:len(good)/2], "restore"},
		{"newer", edited(`"format": 1`, `"format": 2, "new": "hemligt"`), "format version 2"},
		{"no version", edited(`"format": 1,`, ""), "format version 0"},
		{"a member too many", edited(`"format": 1`, `"format": 1, "hemligt": 1`), "restore"},
		{"no municipality", edited(`"1080"`, `"hemligt"`), "restore"},
		{"a damaged key", edited(`"value": "`, `"value": "hemligt!`), "restore"},
		{"another kind of key", edited(`AesGcmKey`, `AesGcmSivKey`), "municipality"},
		{"no index keys", edited(`"index"`, `"index": null, "was"`), "restore"},
		{"null in place of keys", edited(`"1080": {`, `"1080": null, "1081": {`), "municipality 1080"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "keys.json")
			if err := os.WriteFile(path, []byte(test.file), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := seal.Open("file:" + path)
			if err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "hemligt") {
				t.Errorf("Open: %v", err)
			}
			if err := seal.Add(path, "2480"); err == nil {
				t.Error("Add made a new file of it")
			}
			if string(content(t, path)) != test.file {
				t.Error("the file was changed")
			}
		})
	}
}

func TestOneChangeAtATime(t *testing.T) {
	path := keyFile(t)
	if err := os.WriteFile(path+".new", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	before := content(t, path)
	if err := seal.Add(path, "2480"); err == nil || !strings.Contains(err.Error(), path+".new") {
		t.Errorf("Add while another is at it: %v", err)
	}
	if _, err := os.Stat(path + ".new"); err != nil {
		t.Error("the other's unfinished file was removed")
	}
	if !bytes.Equal(content(t, path), before) {
		t.Error("the key file was changed")
	}
	open(t, path) // a crash during a change does not keep the hub from starting
}

func TestConcurrentChangesLoseNoKey(t *testing.T) {
	path := keyFile(t)
	codes := []string{"2480", "2481", "2482", "2505", "2506", "2510", "2513", "2514"}
	var changes sync.WaitGroup
	for _, code := range codes {
		changes.Go(func() {
			for seal.Add(path, code) != nil { // refused while another is at it
			}
		})
	}
	changes.Wait()
	if err := open(t, path).Need(append(codes, karlskrona)...); err != nil {
		t.Error(err)
	}
	alone(t, path)
}

func TestChangeFollowsSymbolicLink(t *testing.T) {
	path := keyFile(t)
	link := filepath.Join(t.TempDir(), "keys.json")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if err := seal.Add(link, "2480"); err != nil {
		t.Fatal(err)
	}
	if err := open(t, path).Need("2480"); err != nil {
		t.Errorf("the key is not in the file that is backed up: %v", err)
	}
}

// alone checks that no unfinished key file lies beside the one at path.
func alone(t *testing.T, path string) {
	t.Helper()
	beside, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(beside) != 1 {
		t.Errorf("beside the key file: %v, %v", beside, err)
	}
}

func content(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func FuzzKeyFile(f *testing.F) {
	f.Add(content(f, keyFile(f)))
	f.Add([]byte(`{"format":1,"index":null,"municipalities":{"1080":{}}}`))
	f.Add([]byte(`{"format":2}`))
	path := filepath.Join(f.TempDir(), "keys.json")
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		keys, err := seal.Open("file:" + path)
		if err != nil {
			return
		}
		keys.Indexes("person", "x")
		if keys.Need(karlskrona) == nil {
			newDataKey(t, keys)
		}
	})
}
