// Package deploy holds the files that Knutpunkt is put into operation with against what they are about: the published
// schemas of their formats, the tools that read them, and a Knutpunkt that runs. README.md says what that leaves.
package deploy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"github.com/knutpunkt/knutpunkt/connectors"
	"github.com/knutpunkt/knutpunkt/hub/config"
)

// TestTheExampleIsAConfiguration checks the configuration that the examples mount, as `knutpunkt check` does.
func TestTheExampleIsAConfiguration(t *testing.T) {
	for _, problem := range config.Check(os.DirFS("configuration"), connectors.All) {
		t.Error(problem)
	}
}

// TestSettingsAreUnderstood reads the example as each hub here would, with what its environment says.
func TestSettingsAreUnderstood(t *testing.T) {
	in := install(t)
	for at, e := range environments(t) {
		var variables []string
		for name, value := range e {
			variables = append(variables, name+"="+text(value))
			if strings.HasPrefix(name, "KNUTPUNKT_") && len(config.Environment(variables[len(variables)-1:])) == 0 {
				t.Errorf("%s sets %s, which is no setting", at, name)
			}
		}
		s, err := config.ReadSettings(in.configuration, config.Environment(variables)...)
		if err != nil {
			t.Errorf("%s: %v", at, err)
		} else if len(s.Proxies) != 1 || len(s.Clients) != 1 {
			t.Errorf("%s: %+v", at, s)
		}
	}
}

// environments gives what each hub here is told in its environment, by where it stands.
func environments(t testing.TB) map[string]map[string]any {
	t.Helper()
	all := map[string]map[string]any{"settings.yaml": as[struct{ Data map[string]any }](t, documents(t, "kubernetes/settings.yaml")[0]).Data}
	for _, name := range composeFiles {
		for at, s := range compose(t, name).hubs() {
			all[name+", "+at] = s.Environment
		}
	}
	return all
}

// TestNothingIsWrittenTwice reads every YAML file here; a key that stands twice is an error of the format.
func TestNothingIsWrittenTwice(t *testing.T) {
	err := filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if filepath.Ext(path) == ".yaml" || filepath.Ext(path) == ".yml" {
			if len(documents(t, path)) == 0 {
				t.Errorf("%s says nothing", path)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// missing skips a test that lacks what it is run with; in CI nothing may be lacking.
func missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// tool finds a program of the package that brings it on Debian.
func tool(t testing.TB, name, from string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		missing(t, "there is no %s: apt-get install %s", name, from)
	}
	return path
}

// run runs a program to its end and gives what it said.
func run(t testing.TB, name string, args ...string) (said string, err error) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	return string(out), err
}

func read(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// documents gives what a YAML file says, document by document.
func documents(t testing.TB, path string) (all []map[string]any) {
	t.Helper()
	d := yaml.NewDecoder(strings.NewReader(read(t, path)))
	for {
		var one map[string]any
		if err := d.Decode(&one); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all = append(all, one)
	}
}

// shaped reads a file strictly as a T: what T does not know is a mistake.
func shaped[T any](t testing.TB, path string) (value T) {
	t.Helper()
	text := []byte(read(t, path))
	if filepath.Ext(path) != ".json" {
		whole := documents(t, path)
		if len(whole) != 1 {
			t.Fatalf("%s has %d documents, not one", path, len(whole))
		}
		text = asJSON(t, whole[0])
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&value); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return value
}

// as gives a part of a document as a T, and leaves out what T does not know.
func as[T any](t testing.TB, part any) (value T) {
	t.Helper()
	if err := json.Unmarshal(asJSON(t, part), &value); err != nil {
		t.Fatal(err)
	}
	return value
}

func asJSON(t testing.TB, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// fits holds a document against a schema.
func fits(t testing.TB, schema *jsonschema.Schema, name string, document any) {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON(t, document)))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(value); err != nil {
		t.Errorf("%s: %v", name, err)
	}
}

// fromModule gives a file of somebody's Go module, which the go command fetches, checks against the public record
// of what every version is, and keeps. It is no dependency of ours.
func fromModule(t testing.TB, module, file string) []byte {
	t.Helper()
	fetch := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", module)
	fetch.Dir = t.TempDir()
	said, err := fetch.Output()
	var got struct{ Dir string }
	if jsonErr := json.Unmarshal(said, &got); err != nil || jsonErr != nil {
		missing(t, "%s cannot be fetched: %v", module, errors.Join(err, jsonErr))
	}
	text, err := os.ReadFile(filepath.Join(got.Dir, file))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// inCache gives a folder that fetch fills once, and that appears whole.
func inCache(t testing.TB, name string, fetch func(folder string) error) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		missing(t, "%s: %v", name, err)
	}
	folder := filepath.Join(cache, "knutpunkt", name)
	if _, err := os.Stat(folder); err == nil {
		return folder
	}
	fresh := t.TempDir()
	if err := fetch(fresh); err != nil {
		missing(t, "%s is not here and cannot be fetched: %v", name, err)
	}
	unfinished := fmt.Sprintf("%s.%d", folder, os.Getpid())
	if err := errors.Join(os.CopyFS(unfinished, os.DirFS(fresh)), os.Rename(unfinished, folder)); err != nil && !errors.Is(err, fs.ErrExist) {
		t.Fatal(err)
	}
	return folder
}
