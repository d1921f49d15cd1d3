package verbs

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestAConnectorOfOnesOwn begins a connector out of tree, as somebody elsewhere would: it compiles at
// once, its test says what to fill in, and when that is done it can be trusted with deliveries.
func TestAConnectorOfOnesOwn(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it compiles a Knutpunkt")
	}
	own := filepath.Join(t.TempDir(), "eget")
	if out, err := command(filepath.Join("..", "..", ".."), binary, "connectors", "new", "arendeprov", "--dir", own); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, err := command(own, "go", "build", "./..."); err != nil {
		t.Fatalf("what is begun does not compile: %v\n%s", err, out)
	}
	expectFirst(t, own, "Find in arendeprov.go is not written")
	fillIn(t, own, "func (s *system) Find(")
	expectFirst(t, own, "receiptIn in arendeprov.go is not written")
	fillIn(t, own, "func receiptIn(")
	if out, err := command(own, "go", "test", "./arendeprov"); err != nil {
		t.Fatalf("what is filled in is not passed: %v\n%s", err, out)
	}
	made := filepath.Join(own, "knutpunkt")
	if out, err := command(own, "go", "build", "-o", made, "."); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, err := command(own, made, "connectors"); err != nil || !strings.Contains(out, "arendeprov") {
		t.Errorf("its Knutpunkt does not know it: %v\n%s", err, out)
	}
	if out, err := command(own, made, "connectors", "certify", "arendeprov", "--write"); err != nil || !strings.Contains(out, "idempotent") {
		t.Errorf("what is filled in is not certified: %v\n%s", err, out)
	}
	text, err := os.ReadFile(filepath.Join(own, "arendeprov", "certificate.json"))
	if err != nil || !strings.Contains(string(text), `"case": "idempotent"`) {
		t.Errorf("the certificate is not kept: %v\n%s", err, text)
	}
}

// command runs one in a folder, offline.
func command(dir, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOPROXY=off", "GOFLAGS=-mod=mod", "GOWORK=off")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// expectFirst demands that the test of what is begun fails, and what it says first.
func expectFirst(t *testing.T, own, says string) {
	t.Helper()
	out, err := command(own, "go", "test", "./arendeprov")
	_, said, _ := strings.Cut(out, "_test.go:")
	said, _, _ = strings.Cut(said, "why:")
	if err == nil || !strings.Contains(said, says) {
		t.Errorf("the test does not say first that %q, but\n%s", says, out)
	}
}

// fillIn replaces a function of what is begun by the one that testdata has, with the comment before it.
func fillIn(t *testing.T, own, function string) {
	t.Helper()
	file := filepath.Join(own, "arendeprov", "arendeprov.go")
	begun, filled := read(file), read(filepath.Join("testdata", "filled.go.txt"))
	text := strings.Replace(begun, functionIn(t, begun, function), functionIn(t, filled, function), 1)
	for library, after := range map[string]string{"net/url": "net/http", ourModule + "/hub/document": ourModule + "/hub"} {
		if strings.Contains(text, filepath.Base(library)+".") && !strings.Contains(text, strconv.Quote(library)) {
			text = strings.Replace(text, strconv.Quote(after)+"\n", strconv.Quote(after)+"\n\t"+strconv.Quote(library)+"\n", 1)
		}
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// functionIn gives a function, from its first line to its last.
func functionIn(t *testing.T, text, function string) string {
	t.Helper()
	_, body, found := strings.Cut(text, "\n"+function)
	body, _, ended := strings.Cut(body, "\n}\n")
	if !found || !ended {
		t.Fatalf("there is no %s", function)
	}
	return function + body + "\n}\n"
}
