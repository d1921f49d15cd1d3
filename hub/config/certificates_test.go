package config

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/mapping"
)

// described is a connector to whatever systems.yaml describes.
var described = hub.Define("described", "Does what is written of it.", func(_ context.Context, _ hub.Env, c describedConfig) (hub.System, error) {
	can := hub.Capabilities{}
	for name, o := range c.Operations {
		can[name] = hub.Capability{Level: hub.Level(o.Level), Claimed: true}
	}
	return hub.System{Can: can}, nil
})

type describedConfig struct {
	URL        string                        `yaml:"url" doc:"where"`
	User       string                        `yaml:"user,omitempty" doc:"who"`
	Token      hub.Secret                    `yaml:"token,omitempty" doc:"a secret"`
	Operations map[string]describedOperation `yaml:"operations" doc:"what"`
}

type describedOperation struct {
	Path  string `yaml:"path" doc:"to where"`
	Level string `yaml:"level" doc:"how surely"`
}

const describedEntry = `
arende:
  connector: described
  url: https://test.example
  user: prov
  token: env:PROV
  poll: 5m
  operations:
    case: { path: /cases, level: lookup }
`

// TestCertificatesOfAnEntry: what was proved holds for the calls that were tried, wherever and by whom
// they are made, and for no others.
func TestCertificatesOfAnEntry(t *testing.T) {
	given := certificate(t, describedEntry)
	for _, c := range []struct {
		name, old, new string
		says           string // of the level; "" for nothing
	}{
		{"as it was tried", "", "", ""},
		{"another address", "test.example", "skarp.example", ""},
		{"another account", "prov", "knutpunkt", ""},
		{"another secret", "env:PROV", "file:secrets/skarp", ""},
		{"what is the hub's own", "poll: 5m", "poll: 1m", ""},
		{"laid out otherwise", "{ path: /cases, level: lookup }", "{ level: lookup, path: \"/cases\" }  # the same", ""},
		{"another path", "/cases", "/arenden", "before the entry was changed"},
		{"another level", "lookup", "idempotent", "before the entry was changed"},
		{"another operation", "case:", "arende:", "before the entry was changed"},
		{"an operation more", "    case:", "    note: { path: /notes, level: blind }\n    case:", "before the entry was changed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fsys := fstest.MapFS{
				"routes/karlskrona/systems.yaml":      {Data: []byte(strings.Replace(describedEntry, c.old, c.new, 1))},
				"certificates/karlskrona.arende.json": {Data: given},
			}
			expectLevel(t, fsys, c.says)
		})
	}
	for _, c := range []struct {
		name, text, says string
	}{
		{"no certificate", "", "no certificate proves it"},
		{"a torn one", string(given[:len(given)/2]), "proves nothing of it"},
		{"somebody else's", strings.Replace(string(given), "karlskrona.arende", "eslov.arende", 1), "proves nothing of it"},
		{"of another level", strings.Replace(string(given), "lookup", "idempotent", 1), "does not prove it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fsys := fstest.MapFS{"routes/karlskrona/systems.yaml": {Data: []byte(describedEntry)}}
			if c.text != "" {
				fsys["certificates/karlskrona.arende.json"] = &fstest.MapFile{Data: []byte(c.text)}
			}
			expectLevel(t, fsys, c.says)
		})
	}
}

func TestACertificateOfNobody(t *testing.T) {
	fsys := fstest.MapFS{
		"routes/karlskrona/systems.yaml":       {Data: []byte(describedEntry)},
		"certificates/karlskrona.arende.json":  {Data: certificate(t, describedEntry)},
		"certificates/karlskrona.arenden.json": {Data: certificate(t, describedEntry)},
	}
	problems := Check(fsys, []hub.Connector{described})
	if !slices.ContainsFunc(problems, func(p mapping.Problem) bool { return p.File == "certificates/karlskrona.arenden.json" }) {
		t.Errorf("the misspelt certificate is not found: %v", problems)
	}
}

// certificate is what the kit gives for an entry.
func certificate(t *testing.T, entry string) []byte {
	t.Helper()
	dir := write(t, fstest.MapFS{"routes/karlskrona/systems.yaml": {Data: []byte(entry)}})
	t.Setenv("PROV", "hemligt")
	systems, err := Systems(dir, []hub.Connector{described})
	if err != nil {
		t.Fatal(err)
	}
	text, err := hub.Certificate{
		Connector: "described", System: systems[0].ID, Entry: systems[0].Entry, Against: hub.TestSystem, Kit: 1,
		Operations: map[string]hub.Level{"case": hub.Lookup},
	}.Text()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// expectLevel demands that the check says a thing of the level at the entry's line, or nothing.
func expectLevel(t *testing.T, fsys fstest.MapFS, says string) {
	t.Helper()
	var found []string
	for _, p := range Check(fsys, []hub.Connector{described}) {
		if strings.Contains(p.Text, "is said to be") {
			found = append(found, p.Text)
			if p.File != "routes/karlskrona/systems.yaml" || p.Line != 2 {
				t.Errorf("it stands at %s:%d", p.File, p.Line)
			}
		}
	}
	if says == "" && len(found) > 0 || says != "" && (len(found) != 1 || !strings.Contains(found[0], says)) {
		t.Errorf("the check says %q, and not %q", found, says)
	}
}
