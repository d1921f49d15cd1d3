package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/knutpunkt/knutpunkt/connectors"
	"github.com/knutpunkt/knutpunkt/hub/config"
)

// TestSystemsToConnectAreRead puts the entries that the page on connecting systems shows in
// the configuration that ships, and checks the whole as `knutpunkt check` does. What it may
// say is that no route names them yet, and that their levels are not proved.
func TestSystemsToConnectAreRead(t *testing.T) {
	const page = "sv/koppla-system.md"
	files, entries := shipped(t), 0
	const systems = "routes/karlskrona/systems.yaml"
	for _, b := range blocksOf(page, read(t, page)) {
		switch {
		case b.lang != "yaml":
		case b.file != "":
			files[b.file] = &fstest.MapFile{Data: []byte(b.text)}
		default:
			entries++
			files[systems].Data = append(files[systems].Data, "\n"+b.text...)
		}
	}
	if entries < 3 {
		t.Errorf("only %d entries are shown", entries)
	}
	for _, p := range config.Check(files, connectors.All) {
		expected := p.File == systems && (strings.Contains(p.Text, "no certificate proves it") || strings.Contains(p.Text, "no route names")) ||
			strings.Contains(p.Text, "there are no tests")
		if !expected {
			t.Error(p)
		}
	}
}

// TestAMainElsewhereCompiles: the main that the page shows, with a connector that `connectors
// new` has made, built as if it stood in this module.
func TestAMainElsewhereCompiles(t *testing.T) {
	t.Parallel()
	binary, dir := built(t), t.TempDir()
	const page = "sv/koppla-system.md"
	var main string
	for _, b := range blocksOf(page, read(t, page)) {
		switch b.lang {
		case "console":
			for _, c := range commandsOf(b.text) {
				c.run(t, binary, dir)
			}
		case "go":
			main = b.text
		}
	}
	made := filepath.Join(dir, "parkering")
	if err := os.WriteFile(filepath.Join(made, "main.go"), []byte(main), 0o600); err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile("../go.sum")
	if err != nil {
		t.Fatal(err)
	}
	module := strings.Replace(read(t, "../go.mod"), "module github.com/knutpunkt/knutpunkt\n", "module example.com/parkering\n", 1) +
		"\nrequire github.com/knutpunkt/knutpunkt v0.0.0\n\nreplace github.com/knutpunkt/knutpunkt => " + root + "\n"
	for name, text := range map[string]string{"go.mod": module, "go.sum": string(sums)} {
		if err := os.WriteFile(filepath.Join(made, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.Command("go", "build", "-mod=mod", "-o", filepath.Join(dir, "own"), ".")
	build.Dir, build.Env = made, append(os.Environ(), "GOFLAGS=", "GOPROXY=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.Command(filepath.Join(dir, "own"), "connectors", "parkering").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "parkering: ") {
		t.Errorf("it says %v\n%s", err, out)
	}
}
