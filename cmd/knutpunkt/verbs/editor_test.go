package verbs

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// TestEditorsAreTaught: schemas and settings are written, and somebody's own settings kept.
func TestEditorsAreTaught(t *testing.T) {
	dir := t.TempDir()
	teach := func() {
		t.Helper()
		if code := run(t.Context(), []string{"editor", dir}); code != 0 {
			t.Fatalf("it exits with %d", code)
		}
	}
	teach()
	var settings struct {
		YAML map[string][]string `json:"yaml.schemas"`
		JSON []struct {
			Files  []string `json:"fileMatch"`
			Schema string   `json:"url"`
		} `json:"json.schemas"`
	}
	name := filepath.Join(dir, ".vscode", "settings.json")
	text, err := os.ReadFile(name)
	if err != nil || json.Unmarshal(text, &settings) != nil || len(settings.YAML) != 5 || len(settings.JSON) != 1 {
		t.Fatalf("the settings are %s: %v", text, err)
	}
	for schema := range settings.YAML {
		if _, err := os.Stat(filepath.Join(dir, schema)); err != nil {
			t.Error(err)
		}
	}
	own := []byte(`{"editor.tabSize": 2}`)
	if err := os.WriteFile(name, own, 0o644); err != nil {
		t.Fatal(err)
	}
	teach()
	if kept, _ := os.ReadFile(name); string(kept) != string(own) {
		t.Errorf("they became %s", kept)
	}
}
