package navetsim

import (
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/certify"
)

// Subject is what it takes to examine a connector that asks Navet.
func Subject() certify.Subject {
	return certify.Subject{
		Config: "url: {{URL}}" + Path + "\norg-number: \"" + OrgNumber + "\"\norder: " + Order + "\n",
		Fake: func() certify.Fake {
			sim, err := New(Options{Clock: springOf2026, Persons: []Person{
				{ID: certify.Number, Kind: Registered, Given: "Alva", Family: certify.Name},
			}})
			if err != nil {
				panic(err) // in memory there is nothing that could fail
			}
			return examined{sim}
		},
		Persons: certify.Persons{
			Known:     certify.Number,
			Another:   "198604069883",
			Unknown:   "189104019816",
			Protected: "200704102391",
		},
	}
}

// examined is the simulator. A register makes no cases.
type examined struct{ *Sim }

func (examined) Cases() int { return 0 }

func springOf2026() time.Time { return time.Date(2026, 4, 10, 9, 0, 0, 0, time.UTC) }
