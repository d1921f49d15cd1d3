package sqlite_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf16"

	_ "modernc.org/sqlite"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/store/sqlite"
)

// noon is when these tests take place.
var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func still() time.Time { return noon }

func arrival(instance string) hub.Arrival {
	return hub.Arrival{
		Submission: hub.Submission{
			Municipality: "1080", Service: "bygglov-altan",
			Source:  hub.Ref{System: "karlskrona.etjanst", ID: instance, Version: "1"},
			Answers: hub.NewAnswers(map[string]any{"arende": instance}),
		},
		Client: "etjanst", Key: "key-of-" + instance, Fingerprint: sha256.Sum256([]byte(instance)), Now: noon,
	}
}

func TestSecondProcess(t *testing.T) {
	dir, keys := t.TempDir(), newKeys(t)
	first := open(t, dir, keys, sqlite.Options{Boot: "a", Clock: still})
	_, err := sqlite.Open(t.Context(), filepath.Join(dir, "knutpunkt.db"), keys, sqlite.Options{Boot: "b", Clock: still})
	if want := fmt.Sprintf("already running (pid %d)", os.Getpid()); !errors.Is(err, sqlite.ErrRunning) || err.Error() != want {
		t.Errorf("the second one says %q, want %q", err, want)
	}
	first.Close()
	open(t, dir, keys, sqlite.Options{Boot: "b", Clock: still})
}

func TestReadOnly(t *testing.T) {
	dir, keys := t.TempDir(), newKeys(t)
	path := filepath.Join(dir, "knutpunkt.db")
	if _, err := sqlite.OpenReadOnly(t.Context(), path, keys, still); err == nil {
		t.Error("a database that is not there was opened")
	}
	server := open(t, dir, keys, sqlite.Options{Boot: "a", Clock: still})
	for _, when := range []string{"beside the server", "after it"} {
		got, err := server.Receive(t.Context(), arrival(when))
		if err != nil {
			t.Fatal(err)
		}
		if when == "after it" {
			server.Close()
		}
		reader, err := sqlite.OpenReadOnly(t.Context(), path, keys, still)
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		if sub, err := reader.Submission(t.Context(), hub.AsHub(), got.Submission.ID); err != nil || sub.Source.ID != when {
			t.Errorf("%s: %v", when, err)
		}
		if _, err := reader.Receive(t.Context(), arrival("x")); err == nil {
			t.Errorf("%s: it took a form", when)
		}
		if _, err := reader.Intake(t.Context()); err == nil {
			t.Errorf("%s: it took a file", when)
		}
		reader.Close()
	}
}

func TestNewerSchema(t *testing.T) {
	dir, keys := t.TempDir(), newKeys(t)
	path := filepath.Join(dir, "knutpunkt.db")
	open(t, dir, keys, sqlite.Options{Boot: "a", Clock: still}).Close()
	alter(t, path, "INSERT INTO migrations VALUES (99, 0)")
	_, err := sqlite.Open(t.Context(), path, keys, sqlite.Options{Boot: "b", Clock: still})
	if err == nil || !strings.Contains(err.Error(), "the database has version 99") {
		t.Errorf("a newer schema: %v", err)
	}
	if _, err := sqlite.OpenReadOnly(t.Context(), path, keys, still); err == nil {
		t.Error("a newer schema was opened for reading")
	}
}

func TestOtherKeys(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, newKeys(t), sqlite.Options{Boot: "a", Clock: still})
	if _, err := s.Receive(t.Context(), arrival("1")); err != nil {
		t.Fatal(err)
	}
	s.Close()
	_, err := sqlite.Open(t.Context(), filepath.Join(dir, "knutpunkt.db"), newKeys(t), sqlite.Options{Boot: "b", Clock: still})
	if err == nil || !strings.Contains(err.Error(), "1080") {
		t.Errorf("with another key file: %v, want the municipality whose key is gone", err)
	}
}

// A row that is given to another municipality, or another submission, does not open there.
func TestSwappedRows(t *testing.T) {
	dir, keys := t.TempDir(), newKeys(t)
	s := open(t, dir, keys, sqlite.Options{Boot: "a", Clock: still})
	var ids []hub.ID
	for _, instance := range []string{"1", "2"} {
		got, err := s.Receive(t.Context(), arrival(instance))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, got.Submission.ID)
	}
	s.Close()
	alter(t, filepath.Join(dir, "knutpunkt.db"),
		"UPDATE submissions SET contents = (SELECT contents FROM submissions WHERE id = '"+string(ids[0])+"')")
	s = open(t, dir, keys, sqlite.Options{Boot: "b", Clock: still})
	if _, err := s.Submission(t.Context(), hub.AsHub(), ids[0]); err != nil {
		t.Errorf("the row itself: %v", err)
	}
	if _, err := s.Submission(t.Context(), hub.AsHub(), ids[1]); !errors.Is(err, hub.ErrContents) {
		t.Errorf("another's content: %v, want ErrContents", err)
	}
}

func alter(t *testing.T, path, text string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(text); err != nil {
		t.Fatal(err)
	}
}

// The disk fills up and is emptied: accepting stops below the mark and begins again only
// well above it, while what is here already moves on.
func TestWatermark(t *testing.T) {
	var free atomic.Int64
	free.Store(1000)
	s := open(t, t.TempDir(), newKeys(t), sqlite.Options{Boot: "a", Clock: still, LowWater: 100,
		DiskFree: func() (int64, int64, error) { return free.Load(), 10000, nil }})
	if _, err := s.Receive(t.Context(), arrival("1")); err != nil {
		t.Fatal(err)
	}
	for i, step := range []struct {
		free       int64
		room       bool
		durability string
	}{
		{100, true, "sqlite-full"}, {99, false, "degraded"}, {101, false, "degraded"}, {124, false, "degraded"},
		{125, true, "sqlite-full"}, {101, true, "sqlite-full"},
	} {
		free.Store(step.free)
		_, err := s.Receive(t.Context(), arrival(fmt.Sprint("form ", i)))
		if errors.Is(err, hub.ErrStorage) == step.room {
			t.Errorf("with %d free: %v", step.free, err)
		}
		if _, err := s.Intake(t.Context()); errors.Is(err, hub.ErrStorage) == step.room {
			t.Errorf("with %d free, a file: %v", step.free, err)
		}
		if d := s.Durability(t.Context()); d != step.durability {
			t.Errorf("with %d free: %s", step.free, d)
		}
	}
	free.Store(1)
	claims, err := s.ClaimSubmissions(t.Context(), hub.Lease{Boot: "a"}, noon, 1)
	if len(claims) != 1 || err != nil {
		t.Errorf("on a full disk nothing can be claimed: %v", err)
	}
}

// What a killed process left half written is swept, and what was received is not.
func TestSweep(t *testing.T) {
	dir, keys := t.TempDir(), newKeys(t)
	files := filepath.Join(dir, "knutpunkt.db.files")
	s := open(t, dir, keys, sqlite.Options{Boot: "a", Clock: still})
	in, err := s.Intake(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	large := bytes.Repeat([]byte("x"), 100<<10)
	blob, err := in.Put(t.Context(), bytes.NewReader(large))
	if err != nil {
		t.Fatal(err)
	}
	a := arrival("1")
	a.Intake, a.Submission.Attachments = in, []hub.Attachment{{Name: "f", Blob: blob}}
	got, err := s.Receive(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	abandoned, err := s.Intake(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := abandoned.Put(t.Context(), bytes.NewReader(large)); err != nil {
		t.Fatal(err)
	}
	s.Close()
	orphan := filepath.Join(files, "ORPHAN")
	if err := os.WriteFile(orphan, large, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(orphan, noon, noon); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		later time.Duration
		left  int
	}{{time.Hour, 2}, {25 * time.Hour, 1}} {
		s = open(t, dir, keys, sqlite.Options{Boot: "b", Clock: func() time.Time { return noon.Add(step.later) }})
		entries, err := os.ReadDir(files)
		if err != nil || len(entries) != step.left {
			t.Errorf("after %v there are %d files, want %d", step.later, len(entries), step.left)
		}
		r, err := s.Open(t.Context(), hub.AsHub(), got.Submission.ID, blob)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(r); err != nil || !bytes.Equal(b, large) {
			t.Errorf("what was received is damaged: %v", err)
		}
		r.Close()
		s.Close()
	}
}

// What is closed is let go of, and is one file.
func TestClose(t *testing.T) {
	p := place{t.TempDir(), newKeys(t)}
	s := p.open(t)
	withFiles(t, s, "1")
	list(t, s)
	s.Close()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("this machine does not tell what is open")
	}
	for _, fd := range fds {
		if file, _ := os.Readlink(filepath.Join("/proc/self/fd", fd.Name())); strings.HasPrefix(file, p.dir) {
			t.Errorf("%s is open still", file)
		}
	}
	for _, end := range []string{"-wal", "-shm"} {
		if _, err := os.Stat(p.path(end)); err == nil {
			t.Errorf("the database's %s is there still", end)
		}
	}
}

// No byte on the disk tells who wrote, in any encoding that somebody might have used.
func TestCanaries(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, newKeys(t), sqlite.Options{Boot: "a", Clock: still})
	person, err := hub.ParsePersonID("189001019802")
	if err != nil {
		t.Fatal(err)
	}
	canaries := []string{
		"189001019802", "9001019802", "Rosalinda", "Kanariefågel", "kanarie-ritning.pdf", "kanarie-svar",
		"kanarie-instans", "kanarie-register", "kanarie-fil", "kanarie-nyckel", "kanarie-fritext",
		"kanarie-ord", "kanarie-referens", "kanarie-nummer-6",
	}
	in, err := s.Intake(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	small, err := in.Put(t.Context(), strings.NewReader("kanarie-fil"))
	if err != nil {
		t.Fatal(err)
	}
	large, err := in.Put(t.Context(), strings.NewReader(strings.Repeat("kanarie-fil", 20000)))
	if err != nil {
		t.Fatal(err)
	}
	a := arrival("kanarie-instans")
	a.Key, a.Intake, a.Submission.Original = "kanarie-nyckel", in, small
	a.Submission.Parties = []hub.Party{{Role: "sökande", ID: person, Given: "Rosalinda", Follows: true, Email: "kanarie-nummer-6@example.com"}}
	a.Followers = []hub.PersonID{person}
	a.Submission.Attachments = []hub.Attachment{{Name: "kanarie-ritning.pdf", Blob: large}}
	a.Submission.Answers = hub.NewAnswers(map[string]any{"svar": "kanarie-svar"})
	got, err := s.Receive(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	claims, err := s.ClaimSubmissions(t.Context(), hub.Lease{Boot: "a"}, noon, 1)
	if err != nil {
		t.Fatal(err)
	}
	c := claims[0].Case
	_, _, err = s.Settle(t.Context(), c.ID, hub.Planned{When: hub.When{At: noon}, Key: claims[0].Key, Lease: c.Find(claims[0].Key).Lease},
		hub.Facts{
			Answers:   []hub.RegisterAnswer{{As: "kanarie-register", Persons: []hub.Person{{ID: person, Family: "Kanariefågel"}}}},
			Following: &hub.Following{Persons: []hub.PersonID{person}},
		})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Report(t.Context(), "karlskrona.diarium", []hub.Report{
		{ID: "1", Word: "kanarie-ord"}, {ID: "2", Word: strings.Repeat("kanarie-fritext ", 100)},
	}, "", noon); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveTally(t.Context(), hub.Tally{Municipality: "1080", Day: "2026-11-20", IDs: []string{"kanarie-referens"}}); err != nil {
		t.Fatal(err)
	}
	hashes := [][]byte{large.SHA256[:], small.SHA256[:], a.Fingerprint[:]}
	for name, content := range everyFile(t, dir) {
		for _, canary := range canaries {
			if bytes.Contains(content, []byte(canary)) || bytes.Contains(content, inUTF16(canary)) {
				t.Errorf("%s tells %q", name, canary)
			}
		}
		for _, hash := range hashes {
			if bytes.Contains(content, hash) || bytes.Contains(content, fmt.Appendf(nil, "%x", hash)) {
				t.Errorf("%s tells the hash of a file", name)
			}
		}
		if strings.Contains(name, "kanarie") {
			t.Errorf("a file is called %s", name)
		}
	}
	if sub, err := s.Submission(t.Context(), hub.AsHub(), got.Submission.ID); err != nil || sub.Parties[0].Given != "Rosalinda" {
		t.Errorf("what was looked for is not there at all: %v", err)
	}
	if words, err := s.Untranslated(t.Context(), hub.AsHub()); err != nil || len(words) != 1 || words[0].Text != "kanarie-ord" {
		t.Errorf("there are %d words, want the one that is no free text: %v", len(words), err)
	}
}

// everyFile reads all files beside the database, while it is open: also its log.
func everyFile(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files[path], err = os.ReadFile(path)
		}
		return err
	})
	if err != nil || len(files) < 4 { // database, log, its index, lock, a large file
		t.Fatalf("found %d files, %v", len(files), err)
	}
	return files
}

func inUTF16(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = append(b, byte(u), byte(u>>8))
	}
	return b
}

// A caller that gives up before its turn has done nothing.
func TestCancelled(t *testing.T) {
	s := open(t, t.TempDir(), newKeys(t), sqlite.Options{Boot: "a", Clock: still})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Receive(ctx, arrival("1")); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that gave up: %v", err)
	}
	got, err := s.Receive(t.Context(), arrival("1"))
	if err != nil || got.Replayed {
		t.Errorf("afterwards: replayed %v, %v", got.Replayed, err)
	}
}
