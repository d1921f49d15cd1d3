package simledger_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/knutpunkt/knutpunkt/connectors/simledger"
)

func open(t *testing.T, dir string) *simledger.Ledger[string] {
	t.Helper()
	l, err := simledger.Open[string](dir, "test.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// TestWhatWasAnsweredForIsThere: a line that was cut by a death was not.
func TestWhatWasAnsweredForIsThere(t *testing.T) {
	dir := t.TempDir()
	if err := open(t, dir).Append("a", "b"); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(filepath.Join(dir, "test.jsonl"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	file.WriteString(`"hal`)
	file.Close()
	again := open(t, dir)
	if err := again.Append("c"); err != nil {
		t.Fatal(err)
	}
	if got := open(t, dir).Entries(); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("it remembers %q", got)
	}
}

func TestALineThatIsNoEntry(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "test.jsonl"), []byte("\"a\"\nno\n\"b\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := simledger.Open[string](dir, "test.jsonl"); err == nil || !strings.Contains(err.Error(), "byte 4 begins no entry") {
		t.Errorf("it is opened: %v", err)
	}
}

// TestWhatCouldNotBeWrittenIsNotThere: nobody is to be told of it.
func TestWhatCouldNotBeWrittenIsNotThere(t *testing.T) {
	l := open(t, t.TempDir())
	l.Close()
	if err := l.Append("a"); err == nil || len(l.Entries()) != 0 {
		t.Errorf("written after the end: %v, %q", err, l.Entries())
	}
}

func TestInNoFolderNothingIsKept(t *testing.T) {
	l := open(t, "")
	if err := l.Append("a"); err != nil || !slices.Equal(l.Entries(), []string{"a"}) {
		t.Errorf("%q, %v", l.Entries(), err)
	}
}
