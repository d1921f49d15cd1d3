package navet_test

import (
	"testing"

	"github.com/knutpunkt/knutpunkt/connectors/connectortest"
	"github.com/knutpunkt/knutpunkt/connectors/navet"
	"github.com/knutpunkt/knutpunkt/connectors/navet/navetsim"
)

func TestConformance(t *testing.T) {
	s := navetsim.Subject()
	s.Connector = navet.New
	connectortest.Run(t, s)
}
