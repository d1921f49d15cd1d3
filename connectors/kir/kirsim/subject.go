package kirsim

import (
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/certify"
)

// Subject is what it takes to examine a connector that keeps a register of residents.
func Subject() certify.Subject {
	const another, unknown = "198604069883", "198207059299"
	sim, err := New(Options{
		Day: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Residents: 600,
		Persons: []Person{
			{ID: certify.Number, Given: "Alva", Family: certify.Name, Street: "EXEMPELGATAN 12", Code: "24131", City: "ESLÖV"},
			{ID: another, Given: "Hedvig", Family: "Testsson", Street: "EXEMPELGATAN 12", Code: "24131", City: "ESLÖV"},
			{ID: "200704102391", Given: "Skyddad", Family: "Exempel", Protected: true, Special: "BOX 2820"},
		},
	})
	if err != nil {
		panic(err) // the Options above are right
	}
	var extract, changes strings.Builder
	sim.Extract(&extract, 1) // a strings.Builder takes everything
	sim.Changes(&changes, 2, time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC),
		Post{ID: another, Parts: Registered(Municipality) + Addresses(Home("NYA GATAN 1", "24131", "ESLÖV"))})
	return certify.Subject{
		Config: "municipality: \"" + Municipality + "\"\norder: " + Order + "\n",
		Feed:   []string{extract.String(), changes.String()},
		Persons: certify.Persons{
			Known:     certify.Number,
			Another:   another,
			Unknown:   unknown,
			Protected: "200704102391",
		},
	}
}
