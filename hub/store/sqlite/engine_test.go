package sqlite

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/seal"
	"github.com/knutpunkt/knutpunkt/hub/store/rows"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func newTestStore(t testing.TB, o Options) *Store {
	t.Helper()
	dir := t.TempDir()
	keyFile := filepath.Join(dir, "keys.json")
	if err := seal.Init(keyFile, "1080", "1082"); err != nil {
		t.Fatal(err)
	}
	keys, err := seal.Open("file:" + keyFile)
	if err != nil {
		t.Fatal(err)
	}
	o.Boot, o.Clock = "test", func() time.Time { return noon }
	if o.DiskFree == nil {
		o.DiskFree = func() (int64, int64, error) { return 1 << 40, 1 << 41, nil } // whatever this machine has
	}
	s, err := Open(context.Background(), filepath.Join(dir, "knutpunkt.db"), keys, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func form(instance string) hub.Arrival {
	return hub.Arrival{
		Submission: hub.Submission{
			Municipality: "1080", Service: "bygglov-altan",
			Source:  hub.Ref{System: "karlskrona.etjanst", ID: instance, Version: "1"},
			Answers: hub.NewAnswers(map[string]any{"arende": instance, "text": strings.Repeat("x", 1000)}),
		},
		Client: "etjanst", Key: "key-of-" + instance, Fingerprint: sha256.Sum256([]byte(instance)), Now: noon,
	}
}

// together has the committer find all ops waiting at once.
func together(s *Store, do ...func(*rows.Tx) error) []error {
	errs := make([]error, len(do))
	var all sync.WaitGroup
	gate := make(chan struct{})
	entered := make(chan struct{})
	all.Go(func() {
		engine{s}.Commit(context.Background(), func(*rows.Tx) error { close(entered); <-gate; return nil })
	})
	<-entered
	for i := range do {
		all.Go(func() { errs[i] = engine{s}.Commit(context.Background(), do[i]) })
	}
	for s.queue.Waiting() < len(do) {
		runtime.Gosched() // the queue has no signal of its own
	}
	close(gate)
	all.Wait()
	return errs
}

func TestGroupCommit(t *testing.T) {
	s := newTestStore(t, Options{})
	write := func(system string) func(*rows.Tx) error {
		return func(b *rows.Tx) error {
			return b.Exec("INSERT INTO cursors (system, cursor, saved) VALUES (?, 'x', 0)", system)
		}
	}
	refused := func(*rows.Tx) error { return hub.ErrLost }
	broken := func(b *rows.Tx) error { return b.Exec("INSERT INTO cursors (system) VALUES (NULL)") }
	half := func(b *rows.Tx) error {
		if err := write("half")(b); err != nil {
			return err
		}
		return hub.ErrConflict
	}
	for _, tc := range []struct {
		name, why string
		do        []func(*rows.Tx) error
		fails     []bool
		commits   int64
	}{
		{"three", "one fsync serves them", []func(*rows.Tx) error{write("1"), write("2"), write("3")}, []bool{false, false, false}, 1},
		{"a refusal among them", "it disturbs nobody", []func(*rows.Tx) error{write("4"), refused, write("5")}, []bool{false, true, false}, 1},
		{"an error of SQL", "the others are run again, each by itself", []func(*rows.Tx) error{write("6"), broken, write("7")}, []bool{false, true, false}, 2},
		{"a refusal after a write", "what it wrote is undone", []func(*rows.Tx) error{write("8"), half, write("9")}, []bool{false, true, false}, 2},
		{"refusals only", "there is nothing to commit", []func(*rows.Tx) error{refused, refused}, []bool{true, true}, 0},
	} {
		before := s.writer.Commits()
		for i, err := range together(s, tc.do...) {
			if (err != nil) != tc.fails[i] {
				t.Errorf("%s: number %d: %v: %s", tc.name, i, err, tc.why)
			}
		}
		if n := s.writer.Commits() - before; n != tc.commits {
			t.Errorf("%s: %d commits, want %d: %s", tc.name, n, tc.commits, tc.why)
		}
	}
	var n int
	if err := s.read.QueryRow("SELECT count(*) FROM cursors").Scan(&n); n != 9 || err != nil {
		t.Errorf("%d were written, want 9", n)
	}
}

// A full database refuses forms without keeping half of one, and takes them when there is
// room again.
func TestFullDisk(t *testing.T) {
	s := newTestStore(t, Options{})
	limit := func(pages string) {
		err := engine{s}.Commit(t.Context(), func(b *rows.Tx) error {
			rows, err := b.Query("PRAGMA max_page_count = " + pages)
			if err == nil {
				rows.Close()
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	limit("1") // no more than there are
	accepted, refused := 0, 0
	for i := range 200 {
		_, err := s.Receive(t.Context(), form(fmt.Sprint(i)))
		switch {
		case err == nil:
			accepted++
		case errors.Is(err, hub.ErrStorage):
			refused++
		default:
			t.Fatalf("on a full disk: %v", err)
		}
	}
	if accepted == 0 && refused == 0 || refused == 0 {
		t.Fatalf("%d accepted, %d refused: the disk was not full", accepted, refused)
	}
	limit("1000000")
	for i := range 200 {
		got, err := s.Receive(t.Context(), form(fmt.Sprint(i)))
		if err != nil {
			t.Fatal(err)
		}
		if got.Replayed {
			accepted--
		}
	}
	if accepted != 0 {
		t.Errorf("%d more had been accepted than are there", accepted)
	}
	lines, err := s.List(t.Context(), hub.AsHub(), hub.Filter{Limit: 1000})
	if err != nil || len(lines) != 200 {
		t.Errorf("%d forms are there, want 200: %v", len(lines), err)
	}
}

// TestBrokenDisk runs itself as a process whose files may not grow: a write that fails with
// another error than "no room" must end it, since nothing that the disk says afterwards can
// be believed.
func TestBrokenDisk(t *testing.T) {
	if os.Getenv("SQLITE_TEST_BROKEN_DISK") != "" {
		breakDisk(t)
		return
	}
	child := exec.Command(os.Args[0], "-test.run=^TestBrokenDisk$")
	child.Env = append(os.Environ(), "SQLITE_TEST_BROKEN_DISK=1")
	out, err := child.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 74 {
		t.Errorf("the process ended with %v, want status 74:\n%s", err, out)
	}
}

func breakDisk(t *testing.T) {
	s := newTestStore(t, Options{Fatal: func(error) { os.Exit(74) }})
	signal.Ignore(syscall.SIGXFSZ)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 64 << 10, Max: 64 << 10}); err != nil {
		t.Skip("files cannot be limited here")
	}
	for i := range 1000 {
		if _, err := s.Receive(t.Context(), form(fmt.Sprint(i))); err != nil {
			t.Fatalf("the process went on after: %v", err)
		}
	}
}
