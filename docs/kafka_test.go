package docs

import (
	"bytes"
	"os"
	"slices"
	"testing"

	"github.com/knutpunkt/knutpunkt/connectors"
	"github.com/knutpunkt/knutpunkt/hub/config"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// TestTheBusIsWrittenAsShown puts what the page on Kafka shows in the settings that ship, in
// the place of their own bus, and reads the record that it shows by the schema.
func TestTheBusIsWrittenAsShown(t *testing.T) {
	const page = "sv/kafka.md"
	files := shipped(t)
	schema, err := document.CompileJSONSchema(os.DirFS("../schemas"), "knutpunkt/status-1.json")
	if err != nil {
		t.Fatal(err)
	}
	var shown []string
	for _, b := range blocksOf(page, read(t, page)) {
		shown = append(shown, b.lang)
		switch b.lang {
		case "yaml":
			settings := files["knutpunkt.yaml"]
			settings.Data = slices.Concat(bytes.ReplaceAll(settings.Data, []byte("bus: memory\n"), nil), []byte("\n"+b.text))
		case "json":
			if err := schema.Validate([]byte(b.text)); err != nil {
				t.Error(err)
			}
		}
	}
	if !slices.Equal(shown, []string{"yaml", "json"}) {
		t.Errorf("it shows %q", shown)
	}
	for _, p := range config.Check(files, connectors.All) {
		t.Error(p)
	}
}
