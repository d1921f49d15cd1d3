package rest_test

import (
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/connectortest"
	"github.com/knutpunkt/knutpunkt/connectors/rest"
	"github.com/knutpunkt/knutpunkt/connectors/rest/restsim"
	"github.com/knutpunkt/knutpunkt/hub"
)

const changesConfig = `
changes:
  path: /changes?since={cursor}
  list: /changes
  next: /next
  id: /id
  ref: /caseId
  key: /reference
  word: /word
  at: /at
`

const receiptConfig = `
    receipt: { number: /number, ref: /id, echo: /reference }
`

const findConfig = receiptConfig + `
    find: { path: "/cases?reference={key}", list: /cases, number: /number, ref: /id, echo: /reference }
`

const findFilesConfig = `
      find: { path: "/cases/{ref}/files", list: /files, n: /n, sha256: /sha256, ref: /id }
`

// levels are one system of each level, as systems.yaml has it.
var levels = map[hub.Level]string{
	hub.Idempotent: `
operations:
  case:
    path: /cases
    level: idempotent
    key: { header: Idempotency-Key }` + findConfig + `
    files:
      path: /cases/{ref}/files/{n}
      sha256: X-SHA256
      ref: /id` + findFilesConfig + changesConfig,

	hub.Lookup: `
operations:
  case:
    path: /cases?reference={key}
    level: lookup
    lag: 3s` + findConfig + `
    files:
      method: POST
      path: /cases/{ref}/files
      as: multipart
      fields: { n: "{n}", sha256: "{sha256}" }
      ref: /id` + findFilesConfig + changesConfig,

	hub.Blind: `
operations:
  case:
    path: /cases?reference={key}` + receiptConfig + `
    files:
      path: /cases/{ref}/files/{n}
      ref: /id` + changesConfig,
}

func TestConformance(t *testing.T) {
	document := hub.NewDocument("application/json", []byte(
		`{"sokande":{"personnummer":"`+connectortest.Number+`","namn":"`+connectortest.Name+`"}}`))
	for level, config := range levels {
		t.Run(string(level), func(t *testing.T) {
			connectortest.Run(t, connectortest.Case{
				Connector: rest.New,
				Config:    "url: {{URL}}\ntoken: {{SECRET}}\n" + config,
				Fake:      func() connectortest.Fake { return newFake(t, level) },
				Deliveries: map[string]hub.Delivery{
					"case": {Document: document, Files: []hub.File{
						connectortest.File(connectortest.Name+".pdf", "application/pdf", "%PDF ritning"),
						connectortest.File(connectortest.Name+".pdf", "application/pdf", "%PDF ritning"),
						connectortest.File("formulär.xml", "text/xml", "<a/>"),
					}},
				},
			})
		})
	}
}

// A fake is the simulator on a clock that goes on when it is told to.
type fake struct {
	*restsim.Sim
	now *time.Time
}

func newFake(t *testing.T, level hub.Level) fake {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	o := restsim.Options{Level: level, Token: connectortest.Secret, Clock: func() time.Time { return now }}
	if level == hub.Lookup {
		o.Lag = 2 * time.Second
	}
	sim, err := restsim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return fake{sim, &now}
}

func (f fake) Cases() int { return f.count(restsim.CaseEntry) }
func (f fake) Parts() int { return f.count(restsim.FileEntry) }

func (f fake) count(kind restsim.Kind) (n int) {
	for _, e := range f.Ledger() {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

func (f fake) Move(number, word string, at time.Time) { f.Sim.Move(number, word, at) }
func (f fake) Pass(d time.Duration)                   { *f.now = f.now.Add(d) }
