package kir_test

import (
	"testing"

	"github.com/knutpunkt/knutpunkt/connectors/connectortest"
	"github.com/knutpunkt/knutpunkt/connectors/kir"
	"github.com/knutpunkt/knutpunkt/connectors/kir/kirsim"
)

func TestConformance(t *testing.T) {
	s := kirsim.Subject()
	s.Connector = kir.New
	connectortest.Run(t, s)
}
