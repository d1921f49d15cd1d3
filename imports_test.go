package knutpunkt

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/knutpunkt/knutpunkt/"

// doors say which folders may import a library. What is not here may be imported
// anywhere.
var doors = map[string][]string{
	"github.com/ThreeDotsLabs/watermill":       {"hub/bus"},
	"github.com/ThreeDotsLabs/watermill-kafka": {"hub/bus"},
	"github.com/xdg-go/scram":                  {"hub/brokers"},
	"github.com/jackc/pgx":                     {"hub/store/postgres"},
	"github.com/ory/dockertest":                {"hub/enginetest"},
	"github.com/IBM/sarama":                    {"hub/brokers", "hub/bus", "connectors/kafka"},
	"modernc.org/sqlite":                       {"hub/store/sqlite"},
	"github.com/expr-lang/expr":                {"hub/mapping"},
	"go.yaml.in/yaml":                          {"hub/mapping", "hub/config"},
	"github.com/beevik/etree":                  {"hub/document"},
	"github.com/jacoelho/xsd":                  {"hub/document"},
	"github.com/santhosh-tekuri/jsonschema":    {"hub/document"},
	"github.com/go-json-experiment/json":       {"hub/document"},
	"github.com/tink-crypto/tink-go":           {"hub/seal"},
	"github.com/hashicorp/go-retryablehttp":    {"hub/outbound"},
	"github.com/prometheus/client_golang":      {"hub/meter"},
	"go.opentelemetry.io":                      {"hub/meter"},
	"google.golang.org/protobuf":               {"hub/meter"},
	"golang.org/x/time":                        {"hub/web"},
	"github.com/spf13/cobra":                   {"cmd/knutpunkt/verbs", "cmd/knutpunkt-chaos"},
	"github.com/schollz/progressbar":           {"cmd/knutpunkt/verbs"},
	"golang.org/x/term":                        {"cmd/knutpunkt/verbs"},
	"golang.org/x/oauth2":                      {"connectors/declared", "connectors/messaging", "hub/web"},
	"github.com/coreos/go-oidc":                {"hub/web"},
	"github.com/go-jose/go-jose":               {"hub/web", "hub/web/eidsim"},
	"github.com/wneessen/go-mail":              {"connectors/mail"},
}

// lower says which of hub's folders another one of them may import: only what lies
// below it.
var lower = map[string][]string{
	"hub/enginetest/install": {"hub/enginetest"},
	"hub/bus":                {"hub/brokers"},
	"hub/mapping":            {"hub/document"},
	"hub/config":             {"hub/document", "hub/mapping"},
	"hub/envelope":           {"hub/document"},
	"hub/store/rows":         {"hub/seal"},
	"hub/store/postgres":     {"hub/seal", "hub/store/rows", "hub/store/move"},
	"hub/store/sqlite":       {"hub/seal", "hub/store/rows", "hub/store/move"},
	"hub/web":                {"hub/document", "hub/mapping", "hub/envelope", "hub/seal"},
}

type listed struct {
	ImportPath string
	Imports    []string
}

// TestWhoMayImportWhom keeps the architecture that the folder list promises: hub
// knows nobody of ours, connectors know hub and not each other, each library has one
// door, and what is for tests stays in tests.
func TestWhoMayImportWhom(t *testing.T) {
	for _, p := range packages(t) {
		from := strings.TrimPrefix(p.ImportPath, module)
		for _, imported := range p.Imports {
			if to, ours := strings.CutPrefix(imported, module); ours {
				if why := forbidden(from, to); why != "" {
					t.Errorf("%s imports %s: %s", from, to, why)
				}
				continue
			}
			for library, folders := range doors {
				if (imported == library || strings.HasPrefix(imported, library+"/")) && !slices.Contains(folders, from) {
					t.Errorf("%s imports %s, whose door is %s", from, imported, strings.Join(folders, ", "))
				}
			}
		}
	}
}

// parts are what several connectors are made of: a format or a way of speaking that they
// share. They are no connectors themselves, and simulators do without them.
var parts = []string{"connectors/declared", "connectors/folder", "connectors/folkbokforing"}

// simulated are what several simulators are made of, and nobody else.
var simulated = []string{"connectors/simledger", "connectors/simfault", "connectors/simfolder"}

func forbidden(from, to string) string {
	connector := func(path string) string {
		name, isConnector := strings.CutPrefix(path, "connectors/")
		name, _, _ = strings.Cut(name, "/")
		ours := name == "certify" || name == "connectortest" || slices.Contains(simulated, path) || slices.Contains(parts, path)
		if !isConnector || ours {
			return ""
		}
		return name
	}
	sim := strings.HasSuffix(from, "sim") || slices.Contains(simulated, from)
	switch {
	case strings.HasPrefix(from, "cmd/"), from == "connectors", from == "connectors/connectortest", from == "hub/store/storetest":
		return ""
	case from == "hub":
		return "hub knows nobody of ours"
	case to == "hub":
		return ""
	case strings.HasPrefix(from, "hub/"):
		if slices.Contains(lower[from], to) {
			return ""
		}
		return "it does not lie below"
	case sim && (slices.Contains(simulated, to) || to == "connectors/certify"):
		return ""
	case sim && (slices.Contains(parts, to) || connector(to) != "") && to != from:
		return "a simulator shares no code with what it tests"
	case slices.Contains(parts, to) && strings.HasPrefix(from, "connectors/"):
		return ""
	case connector(from) != "" && connector(to) != "" && connector(from) != connector(to):
		return "no connector knows another"
	case (from == "connectors/form" || from == "connectors/kafka") && to == "hub/envelope":
		return "" // what a mapping makes, and what lies on a topic, is our own JSON
	case from == "connectors/kafka" && to == "hub/brokers":
		return "" // the brokers are the same, and are told the same of who we are
	case strings.HasPrefix(from, "connectors/") && to != "hub/document":
		return "a connector knows hub, hub/document, and its own protocol library"
	}
	return ""
}

// TestKitsStayInTests keeps what decides whether something is a Store or a connector
// out of the binary, and testing with it.
func TestKitsStayInTests(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "./cmd/knutpunkt").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range strings.Fields(string(out)) {
		if p == "testing" || strings.HasSuffix(p, "/storetest") || strings.HasSuffix(p, "/enginetest") || strings.HasSuffix(p, "/connectortest") {
			t.Errorf("the binary links %s", p)
		}
	}
}

func packages(t *testing.T) []listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []listed
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}
