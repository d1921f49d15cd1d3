package soap_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/knutpunkt/knutpunkt/connectors/soap"
	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/config"
)

// TestMistakesStandAtTheirLines: what is wrong with a description is found by a check, each thing at the key
// where it stands, or at the last on the way to one that is missing.
func TestMistakesStandAtTheirLines(t *testing.T) {
	const entry = `miljo:
  connector: soap
  url: https://miljo.example/Arende.svc
  namespaces: { a: "http://miljo.example/not-an-address?x#y" }
  operations:
    case:
      action: urn:x/Ny
      level: lookup
      key: { document: Ny/Ref }
      receipt:
        number: /A/B
      find:
        request: <a:F>{personnummer}</a:F>
        list: /S/L
        number: /N
        echo: /K
      files:
        request: <a:F>
  status:
    request: <b:C/>
    word: /S/W
`
	problems := config.Check(fstest.MapFS{"routes/karlskrona/systems.yaml": {Data: []byte(entry)}}, []hub.Connector{soap.New})
	for line, says := range map[int]string{
		9:  "key.document: a path into a document",
		13: "find.request: only {key}",
		18: "files.request: XML:",
		20: "status.request: XML:",
	} {
		prefix := fmt.Sprintf("routes/karlskrona/systems.yaml:%d: ", line)
		found := false
		for _, p := range problems {
			found = found || strings.HasPrefix(p.String(), prefix) && strings.Contains(p.String(), says)
		}
		if !found {
			t.Errorf("nobody says %q at line %d", says, line)
		}
	}
	for _, p := range problems {
		if strings.Contains(p.String(), "address") {
			t.Errorf("a name is taken for an address: %s", p)
		}
	}
	if t.Failed() {
		t.Log(problems)
	}
}
