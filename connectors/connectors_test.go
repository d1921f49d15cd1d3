package connectors_test

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

	"github.com/knutpunkt/knutpunkt/connectors"
	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/config"
)

// kits are the folders here that are no connectors.
var kits = []string{"certify", "connectortest", "simledger"}

// TestEveryFolderIsAConnector keeps what CONTRIBUTING.md promises of a connector: it is
// listed, it is examined, and its README begins with an entry that works.
func TestEveryFolderIsAConnector(t *testing.T) {
	listed := map[string]hub.Connector{}
	for _, c := range connectors.All {
		if _, twice := listed[c.Name]; twice {
			t.Errorf("connectors.All lists %s twice", c.Name)
		}
		listed[c.Name] = c
	}
	folders := foldersHere(t)
	for _, name := range folders {
		t.Run(name, func(t *testing.T) {
			c, ok := listed[name]
			if !ok {
				t.Fatalf("connectors.All does not list a connector called %s", name)
			}
			if plays(openSample(t, c)) && !hasConformance(t, name) {
				t.Errorf("no func TestConformance in connectors/%s: see connectortest.Run", name)
			}
		})
	}
	for name := range listed {
		if !slices.Contains(folders, name) {
			t.Errorf("the connector %s stands in no folder of that name", name)
		}
	}
}

func foldersHere(t *testing.T) (names []string) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() && !slices.Contains(kits, e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names
}

func hasConformance(t *testing.T, folder string) bool {
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(files, func(file string) bool {
		text, err := os.ReadFile(file)
		return err == nil && strings.Contains(string(text), "\nfunc TestConformance(t *testing.T)") &&
			strings.Contains(string(text), "connectortest.Run(")
	})
}

var (
	sample    = regexp.MustCompile("(?s)```yaml\n(.*?)```")
	variable  = regexp.MustCompile(`\benv:(\w+)`)
	reference = regexp.MustCompile(`\bfile:[^\s,}]+`)
)

// openSample opens the connector by the first ```yaml block of its README, an entry of
// systems.yaml, with something behind each secret and file that it refers to.
func openSample(t *testing.T, c hub.Connector) (opened hub.System) {
	readme, err := os.ReadFile(filepath.Join(c.Name, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	block := sample.FindSubmatch(readme)
	if block == nil {
		t.Fatal("README.md has no ```yaml block with an entry of systems.yaml")
	}
	entry := reference.ReplaceAllString(string(block[1]), "file:secret.pem")
	for _, name := range variable.FindAllStringSubmatch(entry, -1) {
		t.Setenv(name[1], "hemligt")
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "secret.pem"), "hemligt")
	write(t, filepath.Join(dir, "routes", "karlskrona", "systems.yaml"), entry)
	systems, err := config.Systems(dir, []hub.Connector{c})
	if err != nil {
		t.Fatalf("README.md: %v", err)
	}
	for _, s := range systems {
		if s.Connector != c.Name {
			t.Errorf("README.md: the entry is for %q", s.Connector)
		}
		system, err := c.Open(t.Context(), idle(s.ID), s.Decode)
		if err != nil {
			t.Errorf("README.md: %v", err)
		}
		if system.Close != nil {
			system.Close()
		}
		opened = system
	}
	return opened
}

// plays reports whether a system has a role that a certificate could speak of.
func plays(s hub.System) bool {
	return s.Source != nil || s.Register != nil || s.Destination != nil || s.Tracker != nil ||
		s.Fetcher != nil || s.Teller != nil
}

// idle lends what reaches nobody.
func idle(id hub.SystemID) hub.Env {
	dial := func(context.Context, string, string) (net.Conn, error) { return nil, net.ErrClosed }
	client := &http.Client{Transport: &http.Transport{DialContext: dial}}
	now := func() time.Time { return time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC) }
	return hub.Env{ID: id, HTTP: client, Reads: client, Dial: dial, Log: slog.New(slog.DiscardHandler), Clock: now}
}

func write(t *testing.T, file, text string) {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
