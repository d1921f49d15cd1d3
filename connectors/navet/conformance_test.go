package navet_test

import (
	"testing"

	"github.com/knutpunkt/knutpunkt/connectors/connectortest"
	"github.com/knutpunkt/knutpunkt/connectors/navet"
	"github.com/knutpunkt/knutpunkt/connectors/navet/navetsim"
)

func TestConformance(t *testing.T) {
	connectortest.Run(t, connectortest.Case{
		Connector: navet.New,
		Config: "url: {{URL}}" + navetsim.Path + "\n" +
			"org-number: \"" + navetsim.OrgNumber + "\"\norder: " + navetsim.Order + "\n",
		Fake: func() connectortest.Fake {
			return fake{simulator(t, navetsim.Person{
				ID: connectortest.Number, Kind: navetsim.Registered, Given: "Alva", Family: connectortest.Name,
			})}
		},
		Persons: connectortest.Persons{
			Known:     connectortest.Number,
			Another:   "198604069883",
			Unknown:   "189104019816",
			Protected: "200704102391",
		},
	})
}

// A fake is the simulator. A register makes no cases.
type fake struct{ *navetsim.Sim }

func (fake) Cases() int { return 0 }
