package simfolder_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/simfolder"
)

// An entry is what the system of these tests notes.
type entry struct{ simfolder.Look }

// A system takes every file but those that say no. It remembers what it acknowledged, and may fail to.
type system struct {
	acknowledged []string
	fails        bool
}

func (*system) Judge(l simfolder.Look, path string) (entry, error) {
	text, err := os.ReadFile(path)
	if l.SHA256 = string(text); l.Refused == "" && l.SHA256 == "no" {
		l.Refused = "no"
	}
	return entry{l}, err
}

func (s *system) Acknowledge(path string) error {
	if s.fails {
		return errors.New("the power goes")
	}
	s.acknowledged = append(s.acknowledged, filepath.Base(path))
	return nil
}

// A site is a system with its folders.
type site struct {
	t   *testing.T
	dir string
	system
	*simfolder.Reader[entry]
}

func newSite(t *testing.T, dir string) *site {
	t.Helper()
	s := &site{t: t, dir: dir}
	places := simfolder.Places{Folder: s.path("in"), Done: s.path("done"), Refused: s.path("refused")}
	var err error
	if s.Reader, err = simfolder.New(s.path("ledger"), "l.jsonl", places, time.Now, &s.system); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

func (s *site) put(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.path("in"), name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) step(want int) {
	s.t.Helper()
	if n, err := s.Step(); n != want || err != nil {
		s.t.Errorf("Step gives %d, %v, want %d", n, err, want)
	}
}

func (s *site) has(folder string, want ...string) {
	s.t.Helper()
	entries, err := os.ReadDir(s.path(folder))
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if !slices.Equal(names, want) || err != nil {
		s.t.Errorf("%s has %q (%v), want %q", folder, names, err, want)
	}
}

func TestStep(t *testing.T) {
	s := newSite(t, t.TempDir())
	s.put("a.xml", "yes")
	s.put("b.xml", "no")
	s.put(".c.xml", "yes")
	s.put("d.xml.part", "yes")
	s.step(2)
	s.has("in", ".c.xml", "d.xml.part")
	s.has("done", "a.xml")
	s.has("refused", "b.xml")
	if s.Taken("a") != 1 || s.Taken("b") != 0 || !slices.Equal(s.acknowledged, []string{"a.xml"}) {
		t.Errorf("taken %d and %d, acknowledged %q", s.Taken("a"), s.Taken("b"), s.acknowledged)
	}
	s.put("a.xml", "yes")
	s.step(1)
	s.has("done", "a.xml", "a.xml.2")
	if s.Taken("a") != 2 {
		t.Errorf("what comes again is taken %d times: a payroll system pays it twice", s.Taken("a"))
	}
}

// TestInterrupted stops between the ledger and the move: the file is taken once.
func TestInterrupted(t *testing.T) {
	dir := t.TempDir()
	s := newSite(t, dir)
	s.put("a.xml", "yes")
	s.fails = true
	if _, err := s.Step(); err == nil {
		t.Fatal("Step hides an error")
	}
	s.has("in", "a.xml")
	again := newSite(t, dir)
	again.step(1)
	again.has("done", "a.xml")
	if again.Taken("a") != 1 {
		t.Errorf("taken %d times", again.Taken("a"))
	}
}

func TestFaults(t *testing.T) {
	s := newSite(t, t.TempDir())
	s.put("a.xml", "yes")
	for _, fault := range []simfolder.Fault{simfolder.Idle, simfolder.Absent} {
		if err := s.Fail(fault); err != nil {
			t.Fatal(err)
		}
		s.step(0)
		if _, err := os.Stat(s.path("in")); (err != nil) != (fault == simfolder.Absent) {
			t.Errorf("%s: the folder: %v", fault, err)
		}
		if err := s.Heal(); err != nil {
			t.Fatal(err)
		}
	}
	s.Fail(simfolder.Strict)
	s.step(1)
	s.has("refused", "a.xml")
}

func TestInbox(t *testing.T) {
	dir := t.TempDir()
	in := simfolder.NewInbox(dir)
	for _, folder := range []string{"in/b", "in/.half"} {
		if err := os.Mkdir(filepath.Join(dir, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"in/a.xml", "in/b/b.xml", "in/b/bilaga-01.pdf", "in/.half/c.xml"} {
		if err := os.WriteFile(filepath.Join(dir, file), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if in.Cases() != 2 || in.Parts() != 2 {
			t.Errorf("%d cases with %d parts, want 2 with 2", in.Cases(), in.Parts())
		}
		in.Take()
	}
	if left, err := os.ReadDir(filepath.Join(dir, "in")); len(left) != 1 || err != nil {
		t.Errorf("%d are left (%v), and only the hidden one should be", len(left), err)
	}
}
