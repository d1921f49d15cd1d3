package sif_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/connectortest"
	"github.com/knutpunkt/knutpunkt/connectors/sif"
	"github.com/knutpunkt/knutpunkt/connectors/sif/sifsim"
	"github.com/knutpunkt/knutpunkt/hub"
)

func TestConformance(t *testing.T) {
	caseText := strings.NewReplacer("199001012385", connectortest.Number, "Alva", connectortest.Name).Replace(caseDocument)
	documentText := fmt.Sprintf(documentDocument, "BUN 2026/00001")
	connectortest.Run(t, connectortest.Case{
		Connector: sif.New,
		Config:    "url: {{URL}}\nauthkey: {{SECRET}}\n",
		Fake:      func() connectortest.Fake { return newFake(t) },
		Deliveries: map[string]hub.Delivery{
			"case": {
				Document: hub.NewDocument("application/json", []byte(caseText)),
				Files:    []hub.File{connectortest.File("Ritning.pdf", "application/pdf", "%PDF"), printed(connectortest.File("formulär.xml", "text/xml", "<a/>"))},
			},
			"document": {
				Document: hub.NewDocument("application/json", []byte(documentText)),
				Files:    []hub.File{printed(connectortest.File("formulär.xml", "text/xml", "<a/>"))},
			},
		},
		Refusal: func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, `{"Recno":0,"Successful":false,"ErrorMessage":"SI.Biz.Core.ServiceFramework.BizException: `+
				connectortest.Name+` `+connectortest.Number+` is locked","ErrorDetails":null}`)
		},
	})
}

// A fake is the simulator, with one case in it, on a clock that goes on by a second whenever
// something is moved.
type fake struct {
	*sifsim.Sim
	moved *atomic.Int64
}

func newFake(t *testing.T) fake {
	f := fake{moved: new(atomic.Int64)}
	sim, err := sifsim.New(sifsim.Options{AuthKey: connectortest.Secret, Clock: func() time.Time {
		return time.Date(2026, 3, 2, 9, 0, int(f.moved.Load()), 0, time.UTC)
	}})
	if err != nil {
		t.Fatal(err)
	}
	f.Sim = sim
	r := httptest.NewRequest("POST", "/CaseService/CreateCase", strings.NewReader(`{"parameter":{"Title":"Ett ärende"}}`))
	r.Header.Set("Authorization", "authkey "+connectortest.Secret)
	sim.ServeHTTP(httptest.NewRecorder(), r)
	return f
}

func (f fake) Cases() int { return f.count(sifsim.CaseEntry) }

func (f fake) Parts() int {
	parts := f.count(sifsim.DocumentEntry)
	for _, e := range f.Ledger() {
		parts += len(e.Files)
	}
	return parts
}

func (f fake) count(kind sifsim.Kind) (n int) {
	for _, e := range f.Ledger() {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// Move notes a word when it is told, as the product does, whatever day it is given.
func (f fake) Move(number, word string, _ time.Time) {
	f.moved.Add(1)
	f.Sim.Move(number, word)
}
