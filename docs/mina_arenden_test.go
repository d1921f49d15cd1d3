package docs

import (
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/knutpunkt/knutpunkt"
	"github.com/knutpunkt/knutpunkt/connectors"
	"github.com/knutpunkt/knutpunkt/hub/config"
)

// TestTheWayBackIsAConfiguration puts each block that the page on Mina ärenden shows in its
// place in the configuration that ships, and checks the whole as `knutpunkt check` does.
func TestTheWayBackIsAConfiguration(t *testing.T) {
	files := shipped(t)
	places := map[string]string{
		"login": "knutpunkt.yaml", "code": "routes/karlskrona/municipality.yaml", "diarium": "routes/karlskrona/systems.yaml",
		"enrich": "routes/karlskrona/forskoleplats.yaml", "tell": "routes/eslov/kulturskola.yaml",
	}
	for _, b := range blocksOf("sv/mina-arenden.md", read(t, "sv/mina-arenden.md")) {
		key, _, _ := strings.Cut(b.text, ":")
		file := files[places[key]]
		if b.lang != "yaml" || file == nil {
			t.Fatalf("%s:%d: it is not known where %s stands", b.page, b.line, key)
		}
		delete(places, key)
		file.Data = []byte(withBlock(string(file.Data), key, b.text))
	}
	for key := range places {
		t.Errorf("the page does not show %s any more", key)
	}
	for _, p := range config.Check(files, connectors.All) {
		t.Error(p)
	}
}

// withBlock gives a text with what stands under a key in another's place: all of it, but of
// a system, where the block's keys come first.
func withBlock(text, key, block string) string {
	if key == "code" {
		return block
	}
	if key == "diarium" {
		return strings.Replace(text, "\ndiarium:\n", "\ndiarium:\n"+line(block, "reports:"), 1)
	}
	under := regexp.MustCompile(`(?m)^` + key + `:.*\n(?:[ #-].*\n)*`)
	return under.ReplaceAllLiteralString(text, block)
}

func line(text, with string) string {
	lines := slices.Collect(strings.Lines(text))
	return lines[slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, with) })]
}

// shipped gives the configuration that ships, to be changed.
func shipped(t *testing.T) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	err := fs.WalkDir(knutpunkt.Files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(knutpunkt.Files, name)
		files[name] = &fstest.MapFile{Data: text}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
