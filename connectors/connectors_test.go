package connectors_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/knutpunkt/knutpunkt/connectors"
	"github.com/knutpunkt/knutpunkt/connectors/connectortest"
	"github.com/knutpunkt/knutpunkt/hub"
)

// kits are the folders here that are no connectors: what examines them, and what they share.
var kits = []string{"certify", "connectortest", "simledger", "simfault", "simfolder", "declared", "folder", "folkbokforing"}

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
			opened := connectortest.Sample(t, c, filepath.Join(name, "README.md"), "..")
			if plays(opened) && !hasConformance(t, name) {
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

// plays reports whether a system has a role that a certificate could speak of.
func plays(s hub.System) bool {
	return s.Source != nil || s.Register != nil || s.Destination != nil || s.Tracker != nil ||
		s.Poller != nil || s.Importer != nil || s.Fetcher != nil || s.Teller != nil
}
