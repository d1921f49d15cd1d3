package sqlite_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/seal"
	"github.com/knutpunkt/knutpunkt/hub/store/sqlite"
)

var backupOptions = sqlite.BackupOptions{Clock: still, By: "test"}

// withFiles receives a form with a small file and a large one.
func withFiles(t *testing.T, s *sqlite.Store, instance string) hub.Submission {
	t.Helper()
	a := arrival(instance)
	in, err := s.Intake(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{100, 200 << 10} {
		blob, err := in.Put(t.Context(), strings.NewReader(strings.Repeat(instance, size)[:size]))
		if err != nil {
			t.Fatal(err)
		}
		a.Submission.Attachments = append(a.Submission.Attachments, hub.Attachment{Name: fmt.Sprint(size), Blob: blob})
	}
	a.Intake = in
	got, err := s.Receive(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	return got.Submission
}

func backUp(t *testing.T, p place) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "backup")
	if _, err := sqlite.Backup(t.Context(), p.path(""), p.keys, to, backupOptions); err != nil {
		t.Fatal(err)
	}
	return to
}

// everything gives what each form says, and its files.
func everything(t *testing.T, s *sqlite.Store) map[hub.ID]string {
	t.Helper()
	all := map[hub.ID]string{}
	for after := hub.ID(""); ; {
		lines, err := s.List(t.Context(), hub.AsHub(), hub.Filter{After: after, Limit: 500})
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range lines {
			after = l.Submission.Submission
			all[after] = formText(t, s, after)
		}
		if len(lines) == 0 {
			return all
		}
	}
}

func formText(t *testing.T, s *sqlite.Store, id hub.ID) string {
	t.Helper()
	sub, err := s.Submission(t.Context(), hub.AsHub(), id)
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprint(sub.Answers.Reveal())
	for _, a := range sub.Attachments {
		r, err := s.Open(t.Context(), hub.AsHub(), id, a.Blob)
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		r.Close()
		if err != nil {
			t.Fatal(err)
		}
		text += " " + a.Name + " " + string(content)
	}
	return text
}

// A backup that is made while forms come in holds those that had come at one instant,
// with all of their files, and is the same again where it is restored.
func TestBackupUnderLoad(t *testing.T) {
	p := place{t.TempDir(), newKeys(t)}
	s := p.open(t)
	for i := range 20 {
		withFiles(t, s, fmt.Sprint("before ", i))
	}
	ctx, stop := context.WithCancel(t.Context())
	var load sync.WaitGroup
	for w := range 4 {
		load.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				if _, err := s.Receive(t.Context(), arrival(fmt.Sprint("during ", w, " ", i))); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	to := backUp(t, p)
	stop()
	load.Wait()
	a, err := sqlite.Verify(t.Context(), to, p.keys, backupOptions)
	if err != nil {
		t.Fatal(err)
	}
	at := place{t.TempDir(), p.keys}
	if _, err := sqlite.Restore(t.Context(), to, at.path(""), p.keys, backupOptions); err != nil {
		t.Fatal(err)
	}
	restored := everything(t, at.open(t))
	if n := a.Holds.AllForms(); n < 20 || n != len(restored) || a.Unsettled.Forms != n {
		t.Errorf("it is said to hold %d forms, %d of them not planned, and holds %d", n, a.Unsettled.Forms, len(restored))
	}
	original := everything(t, s)
	for id, text := range restored {
		if original[id] != text {
			t.Errorf("form %s is not what it was", id)
		}
	}
	first := len(restored)
	for _, l := range list(t, s)[:first] { // none that came earlier is missing
		if _, there := restored[l]; !there {
			t.Errorf("form %s came before others that are there", l)
		}
	}
}

func list(t *testing.T, s *sqlite.Store) (ids []hub.ID) {
	t.Helper()
	lines, err := s.List(t.Context(), hub.AsHub(), hub.Filter{Limit: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lines {
		ids = append(ids, l.Submission.Submission)
	}
	return ids
}

// TestOneDamageLosesNoOther: what is gone or has rotted stops no backup and no restore of
// all the rest, and is named.
func TestOneDamageLosesNoOther(t *testing.T) {
	p := place{t.TempDir(), newKeys(t)}
	s := p.open(t)
	damaged := withFiles(t, s, "1").ID
	whole, err := s.Receive(t.Context(), arrival("2"))
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	files, _ := filepath.Glob(p.path(".files/*"))
	if len(files) == 0 {
		t.Fatal("there is no large file")
	}
	for _, tc := range []struct {
		name   string
		damage func(place)
	}{
		{"a file is gone", func(p place) { os.Remove(filepath.Join(p.path(".files"), filepath.Base(files[0]))) }},
		{"a file has rotted", func(p place) {
			name := filepath.Join(p.path(".files"), filepath.Base(files[0]))
			content := read(t, name)
			content[len(content)/2] ^= 1
			os.WriteFile(name, content, 0o600)
		}},
		{"a small file has rotted", func(p place) {
			alter(t, p.path(""), "UPDATE blobs SET content = zeroblob(100) WHERE content IS NOT NULL")
		}},
		{"what was said has rotted", func(p place) {
			alter(t, p.path(""), "UPDATE submissions SET contents = zeroblob(100) WHERE id = '"+string(damaged)+"'")
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := p.copied(t)
			tc.damage(p)
			at := place{t.TempDir(), p.keys}
			a, err := sqlite.Restore(t.Context(), backUp(t, p), at.path(""), p.keys, backupOptions)
			if err != nil || len(a.Damaged) != 1 || a.Damaged[0].Form != damaged {
				t.Fatalf("restored with damage %v: %v", a.Damaged, err)
			}
			if _, err := at.open(t).Submission(t.Context(), hub.AsHub(), whole.Submission.ID); err != nil {
				t.Errorf("the other form: %v", err)
			}
		})
	}
}

func TestVerifySaysWhatIsWrong(t *testing.T) {
	p := place{t.TempDir(), newKeys(t)}
	s := p.open(t)
	withFiles(t, s, "1")
	whole := read(t, backUp(t, p))
	s.Close()
	newer := p.copied(t)
	alter(t, newer.path(""), "INSERT INTO migrations VALUES (99, 0)")
	for _, tc := range []struct {
		name    string
		content []byte
		keys    *seal.Keys
		want    string
	}{
		{"nothing", nil, p.keys, "no backup made by knutpunkt"},
		{"another file", []byte("PK\x03\x04 and so on"), p.keys, "no backup made by knutpunkt"},
		{"a newer format", bytes.Replace(whole, []byte("backup 1 "), []byte("backup 2 "), 1), p.keys, "format 2"},
		{"other keys", whole, newKeys(t), "other keys"},
		{"another's name", bytes.Replace(whole, whole[19:25], []byte("AAAAAA"), 1), p.keys, "damaged or cut short"},
		{"cut within the key", whole[:60], p.keys, "cut short"},
		{"cut by a byte", whole[:len(whole)-1], p.keys, "damaged or cut short"},
		{"cut in the middle", whole[:len(whole)/2], p.keys, "damaged or cut short"},
		{"lengthened", append(bytes.Clone(whole), 0), p.keys, "damaged or cut short"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "backup")
			if err := os.WriteFile(file, tc.content, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := sqlite.Verify(t.Context(), file, tc.keys, backupOptions)
			if !errors.Is(err, sqlite.ErrBackup) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("it says %v, want %q", err, tc.want)
			}
			at := place{t.TempDir(), tc.keys}
			if _, err := sqlite.Restore(t.Context(), file, at.path(""), tc.keys, backupOptions); err == nil {
				t.Error("it was restored")
			}
			if left, _ := filepath.Glob(at.path("*")); len(left) != 1 { // the lock
				t.Errorf("a restore that failed left %v", left)
			}
		})
	}
	if _, err := sqlite.Backup(t.Context(), newer.path(""), p.keys, filepath.Join(t.TempDir(), "b"), backupOptions); err == nil || !strings.Contains(err.Error(), "version 99") {
		t.Errorf("a newer database: %v", err)
	}
}

// Wherever a bit is flipped it is found.
func TestFlippedBits(t *testing.T) {
	p := place{t.TempDir(), newKeys(t)}
	withFiles(t, p.open(t), "1")
	whole := read(t, backUp(t, p))
	file := filepath.Join(t.TempDir(), "backup")
	for range 30 {
		at := rand.IntN(len(whole))
		flipped := bytes.Clone(whole)
		flipped[at] ^= 1 << rand.IntN(8)
		if err := os.WriteFile(file, flipped, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := sqlite.Verify(t.Context(), file, p.keys, backupOptions); !errors.Is(err, sqlite.ErrBackup) {
			t.Errorf("a bit of byte %d of %d is flipped: %v", at, len(whole), err)
		}
	}
}

func TestNothingIsWrittenOver(t *testing.T) {
	p := place{t.TempDir(), newKeys(t)}
	s := p.open(t)
	withFiles(t, s, "1")
	to := backUp(t, p)
	before := read(t, to)
	if _, err := sqlite.Backup(t.Context(), p.path(""), p.keys, to, backupOptions); err == nil || !bytes.Equal(read(t, to), before) {
		t.Errorf("a backup was written over another: %v", err)
	}
	if _, err := sqlite.Restore(t.Context(), to, p.path(""), p.keys, backupOptions); !errors.Is(err, sqlite.ErrRunning) {
		t.Errorf("under a hub that runs: %v", err)
	}
	s.Close()
	if _, err := sqlite.Restore(t.Context(), to, p.path(""), p.keys, backupOptions); err == nil || !strings.Contains(err.Error(), "move "+p.path("")) {
		t.Errorf("over a database: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(to), "*")); len(left) != 1 {
		t.Errorf("beside the backup there is %v", left)
	}
}

// What a restored hub finds is in doubt, however clean everything looks; and a restore that
// was stopped half way does not become an empty hub.
func TestRestoredIsMarked(t *testing.T) {
	p := place{t.TempDir(), newKeys(t)}
	s := p.open(t)
	c := planned(t, s, "1")
	sub := withFiles(t, s, "2")
	to := backUp(t, p)
	deliverAll(t, s)
	s.Close()
	for _, end := range []string{"", "-wal", "-shm"} { // the database is lost, and nothing else
		os.Remove(p.path(end))
	}
	if err := os.MkdirAll(p.path(".restoring"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := sqlite.Open(t.Context(), p.path(""), p.keys, sqlite.Options{Boot: "b", Clock: still})
	if err == nil || !strings.Contains(err.Error(), "stopped half way") {
		t.Errorf("half restored: %v", err)
	}
	a, err := sqlite.Restore(t.Context(), to, p.path(""), p.keys, backupOptions)
	if err != nil {
		t.Fatal(err)
	}
	if want := (sqlite.Unsettled{Cases: 2, Forms: 1, Ask: 1, Again: 1, Held: 1}); a.Unsettled != want {
		t.Errorf("it says %+v, want %+v", a.Unsettled, want)
	}
	s = p.open(t)
	if since, cases, err := s.Restored(t.Context()); err != nil || since.IsZero() || cases != 2 {
		t.Errorf("since %v, %d cases: %v", since, cases, err)
	}
	compareRestored(t, s, c.ID)
	if text := formText(t, s, sub.ID); !strings.Contains(text, "2222") {
		t.Error("the files have not come")
	}
}

// Nothing of a backup can be read without its keys, and nobody but its owner reads it.
func TestBackupsAreSealed(t *testing.T) {
	p := place{t.TempDir(), newKeys(t)}
	withFiles(t, p.open(t), "1")
	to := backUp(t, p)
	for _, canary := range []string{"SQLite format", "bygglov-altan", "karlskrona", "manifest", "1080"} {
		if bytes.Contains(read(t, to), []byte(canary)) {
			t.Errorf("the backup tells %q", canary)
		}
	}
	if stat, err := os.Stat(to); err != nil || stat.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600", stat.Mode())
	}
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// TestKilledInTheMiddleOfIt runs itself as a process that backs up, or restores, and kills it at some
// time. A backup that is there is whole; a database that is there is all that the backup
// holds, in doubt; and where neither is, nothing begins from nothing.
func TestKilledInTheMiddleOfIt(t *testing.T) {
	if verb := os.Getenv("SQLITE_TEST_VERB"); verb != "" {
		killable(t, verb)
		return
	}
	p := place{t.TempDir(), nil}
	keyFile := filepath.Join(p.dir, "keys.json")
	p.keys = newKeysAt(t, keyFile)
	s := p.open(t)
	const forms = 40
	for i := range forms {
		withFiles(t, s, fmt.Sprint(i))
	}
	s.Close()
	whole := backUp(t, p)
	child := func(verb, from, to string) (killed bool) {
		c := exec.Command(os.Args[0], "-test.run=^TestKilledInTheMiddleOfIt$")
		c.Env = append(os.Environ(), "SQLITE_TEST_VERB="+verb, "SQLITE_TEST_FROM="+from, "SQLITE_TEST_TO="+to, "SQLITE_TEST_KEYS="+keyFile)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		killer := time.AfterFunc(time.Duration(20+rand.IntN(200))*time.Millisecond, func() { c.Process.Kill() })
		defer killer.Stop()
		return c.Wait() != nil
	}
	kills := 0
	for range 8 {
		to := filepath.Join(t.TempDir(), "backup")
		if child("backup", p.path(""), to) {
			kills++
		}
		if _, err := os.Stat(to); err == nil {
			if _, err := sqlite.Verify(t.Context(), to, p.keys, backupOptions); err != nil {
				t.Errorf("a backup that is there: %v", err)
			}
		} else if _, err := sqlite.Backup(t.Context(), p.path(""), p.keys, to, backupOptions); err != nil {
			t.Errorf("a backup after one that was killed: %v", err)
		}
	}
	for range 8 {
		at := place{t.TempDir(), p.keys}
		if child("restore", whole, at.path("")) {
			kills++
		}
		if _, err := os.Stat(at.path("")); err != nil {
			if _, err := os.Stat(at.path(".restoring")); err == nil {
				if _, err := sqlite.Open(t.Context(), at.path(""), at.keys, sqlite.Options{Boot: "b", Clock: still}); err == nil {
					t.Error("a hub began from nothing where a restore had begun")
				}
			}
			if _, err := sqlite.Restore(t.Context(), whole, at.path(""), p.keys, backupOptions); err != nil {
				t.Errorf("a restore after one that was killed: %v", err)
			}
		}
		s := at.open(t)
		since, cases, err := s.Restored(t.Context())
		if n := len(everything(t, s)); n != forms || cases != forms || since.IsZero() || err != nil {
			t.Errorf("%d forms are there, %d in doubt since %v: %v", n, cases, since, err)
		}
		s.Close()
		if _, err := os.Stat(at.path(".restoring")); err == nil {
			t.Error("what it was unpacked in is there still")
		}
	}
	t.Logf("%d of 16 were killed", kills)
}

func killable(t *testing.T, verb string) {
	keys, err := seal.Open("file:" + os.Getenv("SQLITE_TEST_KEYS"))
	if err != nil {
		t.Fatal(err)
	}
	from, to := os.Getenv("SQLITE_TEST_FROM"), os.Getenv("SQLITE_TEST_TO")
	if verb == "backup" {
		_, err = sqlite.Backup(t.Context(), from, keys, to, backupOptions)
	} else {
		_, err = sqlite.Restore(t.Context(), from, to, keys, backupOptions)
	}
	if err != nil {
		t.Fatal(err)
	}
}
