package webhooksim

import (
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/certify"
	"github.com/knutpunkt/knutpunkt/hub"
)

// Subject is what it takes to examine a connector that sends signed webhooks.
func Subject() certify.Subject {
	return certify.Subject{
		Config: "url: {{URL}}/knutpunkt\nsecrets: [\"{{SECRET}}\"]\n",
		Fake:   func() certify.Fake { return newFake() },
		Told:   hub.Ref{System: "karlskrona.json", ID: "1001"},
	}
}

// A fake is the simulator. It is told of cases, and has none.
type fake struct{ *Sim }

func newFake() fake {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	sim, err := New(Options{Clock: func() time.Time { return now }, Secrets: []string{certify.Secret}})
	if err != nil {
		panic(err) // in memory there is nothing that can fail
	}
	return fake{sim}
}

func (fake) Cases() int  { return 0 }
func (f fake) Told() int { return f.Heard() }
