package rest_test

import (
	"testing"

	"github.com/knutpunkt/knutpunkt/connectors/certify"
	"github.com/knutpunkt/knutpunkt/connectors/connectortest"
	"github.com/knutpunkt/knutpunkt/connectors/rest"
	"github.com/knutpunkt/knutpunkt/connectors/rest/restsim"
	"github.com/knutpunkt/knutpunkt/hub"
)

// levels are one system of each level, as systems.yaml has it.
var levels = map[hub.Level]string{
	hub.Idempotent: restsim.Config(hub.Idempotent),
	hub.Lookup:     restsim.Config(hub.Lookup),
	hub.Blind:      restsim.Config(hub.Blind),
}

func TestConformance(t *testing.T) {
	for name, s := range map[string]certify.Subject{
		"idempotent": restsim.Subject(hub.Idempotent), "lookup": restsim.Subject(hub.Lookup),
		"blind": restsim.Subject(hub.Blind), "asked about each case": restsim.SubjectAsked(),
	} {
		t.Run(name, func(t *testing.T) {
			s.Connector = rest.New
			connectortest.Run(t, s)
		})
	}
}
