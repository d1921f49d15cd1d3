package soap_test

import (
	"testing"

	"github.com/knutpunkt/knutpunkt/connectors/connectortest"
	"github.com/knutpunkt/knutpunkt/connectors/soap"
	"github.com/knutpunkt/knutpunkt/connectors/soap/soapsim"
	"github.com/knutpunkt/knutpunkt/hub"
)

func TestConformance(t *testing.T) {
	for _, level := range []hub.Level{hub.Idempotent, hub.Lookup, hub.Blind} {
		t.Run(string(level), func(t *testing.T) {
			s := soapsim.Subject(level)
			s.Connector = soap.New
			connectortest.Run(t, s)
		})
	}
}
