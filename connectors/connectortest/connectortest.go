// Package connectortest runs the certificate of package certify as a test:
//
//	func TestConformance(t *testing.T) {
//		connectortest.Run(t, connectortest.Case{
//			Connector: diarium.New,
//			Config:    "url: {{URL}}\ntoken: {{SECRET}}\nunit: KS\n",
//			Fake:      func() connectortest.Fake { return &fake{cases: map[string]string{}} },
//		})
//	}
//
// The author writes only the smallest believable system; the kit supplies every way
// to fail. See package certify for what to fill in when the connector does more.
package connectortest

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/knutpunkt/knutpunkt/connectors/certify"
	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/config"
)

type (
	// A Case is a connector and what it takes to examine it. Decode may be left out.
	Case = certify.Subject
	// A Fake is a small system that works.
	Fake = certify.Fake
	// A Peer is one that speaks another protocol than HTTP.
	Peer = certify.Peer
	// A Folder is a system that reads what is put in a folder.
	Folder = certify.Folder
	// Persons are the numbers that a fake register knows.
	Persons = certify.Persons
	// A Form is one as a platform posts it.
	Form = certify.Form
)

// What must never come out in a log, an error or an address. Examples should hold
// Number and Name; Secret is what {{SECRET}} refers to.
const (
	Number = certify.Number
	Name   = certify.Name
	Secret = certify.Secret
)

// File makes an attachment for an example of a delivery.
func File(name, mediaType, content string) hub.File {
	return certify.File(name, mediaType, content)
}

// Run fails t for everything that is wrong with a connector.
func Run(t *testing.T, c Case) {
	t.Helper()
	if c.Decode == nil {
		c.Decode = Decode(t, c.Connector)
	}
	for _, f := range certify.Check(t.Context(), c) {
		t.Error(f)
	}
}

// Decode reads configs of a connector, strictly, as serve does.
func Decode(t testing.TB, c hub.Connector) func(text string) hub.Decode {
	folder := t.TempDir()
	return func(text string) hub.Decode { return decode(folder, c, text) }
}

// decode reads a config as an entry of a systems.yaml is read.
func decode(folder string, c hub.Connector, text string) hub.Decode {
	return func(into any) error {
		entry := "system:\n  connector: " + c.Name + "\n" + indented(text)
		file := filepath.Join(folder, "routes", "karlskrona", "systems.yaml")
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(entry), 0o600); err != nil {
			return err
		}
		systems, err := config.Systems(folder, []hub.Connector{c})
		if err != nil {
			return err
		}
		if len(systems) != 1 {
			return errors.New("the config is not that of one system")
		}
		return systems[0].Decode(into)
	}
}

func indented(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n  ") + "\n"
}
