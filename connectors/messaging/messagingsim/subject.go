package messagingsim

import (
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/certify"
	"github.com/knutpunkt/knutpunkt/hub"
)

// Subject is what it takes to examine a connector to such a messaging system.
func Subject() certify.Subject {
	return certify.Subject{
		Config: "url: {{URL}}/messaging\nparty: {{URL}}/party\nmunicipality: \"1080\"\ntoken: {{SECRET}}\n" +
			"page: https://e-tjanster.karlskrona.example/mina-arenden\nsms: Karlskrona\n",
		Fake: func() certify.Fake { return newFake() },
		Told: hub.Ref{System: "karlskrona.oep", ID: "320115"},
		To:   []hub.Contact{{Person: certify.Person(certify.Number)}, {Person: certify.Person("199001012385")}},
	}
}

// A fake is the simulator. It is told of cases, and has none.
type fake struct{ *Sim }

func newFake() fake {
	now := time.Date(2026, 3, 2, 11, 0, 0, 0, time.UTC)
	sim, err := New(Options{Clock: func() time.Time { return now }})
	if err != nil {
		panic(err) // in memory there is nothing that can fail
	}
	return fake{sim}
}

func (fake) Cases() int  { return 0 }
func (f fake) Told() int { return f.Sent() }
