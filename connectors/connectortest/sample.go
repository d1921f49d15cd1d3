package connectortest

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/config"
)

var (
	sample    = regexp.MustCompile("(?s)```yaml\n(.*?)```")
	variable  = regexp.MustCompile(`\benv:(\w+)`)
	reference = regexp.MustCompile(`\bfile:[^\s,}]+`)
)

// Sample opens a connector by the first ```yaml block of its README that is an entry of
// systems.yaml for it, with something behind each secret and file that it refers to. It is closed
// again: what is given tells which roles it plays. A mapping that it names stands in the
// configuration in dir.
func Sample(t *testing.T, c hub.Connector, readme, dir string) (opened hub.System) {
	t.Helper()
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	blocks := sample.FindAllStringSubmatch(string(text), -1)
	at := slices.IndexFunc(blocks, func(block []string) bool { return strings.Contains(block[1], "\n  connector: "+c.Name+"\n") })
	if at < 0 {
		t.Fatalf("%s has no ```yaml block with an entry of systems.yaml for %s", readme, c.Name)
	}
	entry := reference.ReplaceAllString(blocks[at][1], "file:secret.pem")
	for _, name := range variable.FindAllStringSubmatch(entry, -1) {
		t.Setenv(name[1], "hemligt")
	}
	written := t.TempDir()
	write(t, filepath.Join(written, "secret.pem"), "hemligt")
	write(t, filepath.Join(written, "routes", "karlskrona", "systems.yaml"), entry)
	systems, err := config.Systems(written, []hub.Connector{c})
	if err != nil {
		t.Fatalf("%s: %v", readme, err)
	}
	for _, s := range systems {
		if s.Connector != c.Name {
			t.Errorf("%s: the entry is for %q", readme, s.Connector)
		}
		system, err := c.Open(t.Context(), idle(s.ID, dir), s.Decode)
		if err != nil {
			t.Errorf("%s: %v", readme, err)
		}
		if system.Close != nil {
			system.Close()
		}
		opened = system
	}
	return opened
}

// idle lends what reaches nobody.
func idle(id hub.SystemID, dir string) hub.Env {
	dial := func(context.Context, string, string) (net.Conn, error) { return nil, net.ErrClosed }
	client := &http.Client{Transport: &http.Transport{DialContext: dial}}
	now := func() time.Time { return time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC) }
	mapping := func(name string) (hub.Mapping, error) { return config.Mapping(os.DirFS(dir), name) }
	return hub.Env{ID: id, HTTP: client, Reads: client, Dial: dial, Log: slog.New(slog.DiscardHandler), Clock: now, Mapping: mapping}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
