package verbs

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/knutpunkt/knutpunkt"
)

// TestCheckAsPeopleRunIt: the real binary on a copy of what ships, right and with one mistake.
func TestCheckAsPeopleRunIt(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, knutpunkt.Files); err != nil {
		t.Fatal(err)
	}
	says := func(args ...string) (code int, out, errs string) {
		p := start(t, append([]string{"check"}, args...)...)
		code = p.finish(t)
		return code, p.out.String(), p.errs.String()
	}
	if code, out, _ := says(dir); code != 0 || out != "No problems.\n" {
		t.Errorf("exit %d: %s", code, out)
	}
	if code, out, _ := says("--json", dir); code != 0 || out != "[]\n" {
		t.Errorf("exit %d: %s", code, out)
	}
	for _, args := range [][]string{{filepath.Join(dir, "nowhere")}, {filepath.Join(dir, "knutpunkt.yaml")}, {dir, dir}, {"--jsson"}} {
		if code, out, errs := says(args...); code != exitUsage || out != "" || errs == "" {
			t.Errorf("%v: exit %d: %s%s", args, code, out, errs)
		}
	}

	file := filepath.Join(dir, "mappings", "bygg", "ansokan.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	misspelt := strings.Replace(string(text), "Postnummer: ${postcode(sökande.address", "Postnumer: ${postcode(sökande.address", 1)
	if err := os.WriteFile(file, []byte(misspelt), 0o600); err != nil {
		t.Fatal(err)
	}
	const place, what = "mappings/bygg/ansokan.yaml:28: ", "schemas/bygg/ansokan-1.0.xsd has no element Postnumer in Adress; is it Postnummer?"
	if code, out, _ := says(dir); code != exitFailed || out != place+what+" (column 11)\n" {
		t.Errorf("exit %d: %s", code, out)
	}
	code, out, _ := says("--json", dir)
	var told []map[string]any
	if err := json.Unmarshal([]byte(out), &told); err != nil || code != exitFailed {
		t.Fatalf("exit %d: %s: %v", code, out, err)
	}
	want := []map[string]any{{"file": "mappings/bygg/ansokan.yaml", "line": 28.0, "column": 11.0, "text": what}}
	if !reflect.DeepEqual(told, want) {
		t.Errorf("told %v", told)
	}
	// What the check does not let pass does not start either, nor is it taken into use later.
	if _, err := readBundle(dir); err == nil || err.Error() != place+what+" (column 11)" {
		t.Errorf("serve would say %v", err)
	}
}
