package edlevo_test

import (
	"testing"

	"github.com/knutpunkt/knutpunkt/connectors/connectortest"
	"github.com/knutpunkt/knutpunkt/connectors/edlevo"
	"github.com/knutpunkt/knutpunkt/connectors/edlevo/edlevosim"
)

func TestConformance(t *testing.T) {
	s := edlevosim.Subject()
	s.Connector = edlevo.New
	connectortest.Run(t, s)
}
