package sif_test

import (
	"testing"

	"github.com/knutpunkt/knutpunkt/connectors/connectortest"
	"github.com/knutpunkt/knutpunkt/connectors/sif"
	"github.com/knutpunkt/knutpunkt/connectors/sif/sifsim"
)

func TestConformance(t *testing.T) {
	s := sifsim.Subject()
	s.Connector = sif.New
	connectortest.Run(t, s)
}
