package sqlite_test

import (
	"bytes"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/seal"
	"github.com/knutpunkt/knutpunkt/hub/store/sqlite"
)

const kir hub.SystemID = "karlskrona.kir"

var usual = sqlite.Options{Boot: "b", Clock: still}

func resident(t testing.TB, number string) hub.Person {
	t.Helper()
	id, err := hub.ParsePersonID(number)
	if err != nil {
		t.Fatal(err)
	}
	return hub.Person{ID: id, Given: "Kanarina", Family: "Kanarievik", Address: &hub.Address{Street: "KANARIEGATAN 1"}}
}

func keep(t testing.TB, s *sqlite.Store, at hub.Bookmark, told []hub.Person, gone ...hub.PersonID) {
	t.Helper()
	if err := s.KeepResidents(t.Context(), kir, "1080", at, told, gone); err != nil {
		t.Fatal(err)
	}
}

// TestResidentsAreSealed: nothing of a person's is in the files of a Store, and what is there opens
// for nobody without her municipality's key.
func TestResidentsAreSealed(t *testing.T) {
	dir, keys := t.TempDir(), newKeys(t)
	s := open(t, dir, keys, usual)
	p := resident(t, "198604069883")
	keep(t, s, hub.Bookmark{Files: 1, Shown: 1, From: 1}, []hub.Person{p})
	for _, part := range []string{"knutpunkt.db", "knutpunkt.db-wal"} {
		content, err := os.ReadFile(filepath.Join(dir, part))
		if err != nil {
			t.Fatal(err)
		}
		for _, canary := range []string{"198604069883", "8604069883", "Kanarina", "Kanarievik", "KANARIEGATAN"} {
			if bytes.Contains(content, []byte(canary)) {
				t.Errorf("%s is in %s", canary, part)
			}
		}
	}
	s.Close()
	path := filepath.Join(t.TempDir(), "others.json")
	if err := seal.Init(path, "1082"); err != nil {
		t.Fatal(err)
	}
	others, err := seal.Open("file:" + path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(t.Context(), filepath.Join(dir, "knutpunkt.db"), others, usual); !errors.Is(err, seal.ErrNoKey) {
		t.Errorf("with another's keys: %v, want %v", err, seal.ErrNoKey)
	}
	change(t, dir, "UPDATE residents SET municipality = '1082'")
	s = open(t, dir, keys, usual)
	if _, err := s.Residents(t.Context(), kir, []hub.PersonID{p.ID}, false); !errors.Is(err, hub.ErrContents) {
		t.Errorf("as another municipality's: %v, want %v", err, hub.ErrContents)
	}
}

// TestResidentsWithoutAKey: what cannot be sealed is not kept.
func TestResidentsWithoutAKey(t *testing.T) {
	s := open(t, t.TempDir(), newKeys(t), usual)
	err := s.KeepResidents(t.Context(), kir, "2480", hub.Bookmark{Files: 1, Shown: 1, From: 1}, []hub.Person{resident(t, "198604069883")}, nil)
	if !errors.Is(err, seal.ErrNoKey) {
		t.Errorf("%v, want %v", err, seal.ErrNoKey)
	}
	if at, err := s.Bookmark(t.Context(), kir); err != nil || at != (hub.Bookmark{}) {
		t.Errorf("the bookmark is %+v (%v)", at, err)
	}
}

// TestResidentsWithoutRoom: forms go before registers.
func TestResidentsWithoutRoom(t *testing.T) {
	s := open(t, t.TempDir(), newKeys(t), sqlite.Options{Boot: "b", Clock: still, LowWater: 1000, DiskFree: func() (int64, int64, error) { return 10, 1 << 40, nil }})
	err := s.KeepResidents(t.Context(), kir, "1080", hub.Bookmark{Files: 1, Shown: 1, From: 1}, nil, nil)
	if !errors.Is(err, hub.ErrStorage) {
		t.Errorf("%v, want %v", err, hub.ErrStorage)
	}
}

// TestWhatNoLongerCountsIsDeleted: what has been replaced, who has left, and what was read in vain.
func TestWhatNoLongerCountsIsDeleted(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, newKeys(t), usual)
	anna, nils, otto := resident(t, "198604069883"), resident(t, "198207059299"), resident(t, "201803022399")
	rows := func(when string, want int) {
		t.Helper()
		if got := count(t, filepath.Join(dir, "knutpunkt.db"), "SELECT count(*) FROM residents"); got != want {
			t.Errorf("%s: %d rows, want %d", when, got, want)
		}
	}
	keep(t, s, hub.Bookmark{Files: 1, Shown: 1, From: 1}, []hub.Person{anna, nils})
	rows("a file", 2)
	keep(t, s, hub.Bookmark{Files: 1, Shown: 1, From: 1, Posts: 1}, []hub.Person{anna}, nils.ID)
	rows("half the next", 4)
	keep(t, s, hub.Bookmark{Files: 2, Shown: 2, From: 1}, nil)
	rows("the next", 1)
	keep(t, s, hub.Bookmark{Files: 2, Shown: 2, From: 1, Posts: 1}, []hub.Person{anna, nils, otto})
	keep(t, s, hub.Bookmark{Files: 2, Shown: 2, From: 1}, nil)
	rows("one in vain", 1)
	keep(t, s, hub.Bookmark{Files: 3, Shown: 2, From: 1}, []hub.Person{otto})
	keep(t, s, hub.Bookmark{Files: 4, Shown: 4, From: 3}, []hub.Person{nils})
	rows("an extract of two files", 2)
}

// TestResidentsInABackup: they are in it, are opened, and one that is damaged is told of.
func TestResidentsInABackup(t *testing.T) {
	dir, keys := t.TempDir(), newKeys(t)
	s := open(t, dir, keys, usual)
	keep(t, s, hub.Bookmark{Files: 1, Shown: 1, From: 1}, []hub.Person{resident(t, "198604069883"), resident(t, "198207059299")})
	s.Close()
	backup := func(name string) sqlite.Account {
		t.Helper()
		file, path := filepath.Join(dir, name), filepath.Join(dir, "knutpunkt.db")
		if _, err := sqlite.Backup(t.Context(), path, keys, file, backupOptions); err != nil {
			t.Fatal(err)
		}
		a, err := sqlite.Verify(t.Context(), file, keys, backupOptions)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	if a := backup("whole"); len(a.Damaged) > 0 {
		t.Errorf("damaged: %+v", a.Damaged)
	}
	change(t, dir, "UPDATE residents SET sealed = zeroblob(100) WHERE person = (SELECT min(person) FROM residents)")
	if a := backup("damaged"); len(a.Damaged) != 1 || a.Damaged[0].File != "what karlskrona.kir tells of 1 residents" {
		t.Errorf("damaged: %+v", a.Damaged)
	}
}

// direct opens a database beside the Store.
func direct(t testing.TB, dir string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, "knutpunkt.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func change(t testing.TB, dir, text string) {
	t.Helper()
	if _, err := direct(t, dir).ExecContext(t.Context(), text); err != nil {
		t.Fatal(err)
	}
}
