// Package json is the connector of a platform that posts Knutpunkt's own JSON.
//
// There is nothing to connect: such a form comes to POST /v1/submissions, whose client stands in
// knutpunkt.yaml. What systems.yaml needs is that the platform has a name, so that a route can say whose
// forms it is for.
package json

import (
	"context"

	"github.com/knutpunkt/knutpunkt/hub"
)

// New is the connector, for connectors.All.
var New = hub.Define("json", "Names a platform that posts Knutpunkt's own JSON; nothing is called.", open)

// Config is empty: whoever may post, and how, stands with the clients in knutpunkt.yaml.
type Config struct{}

func open(context.Context, hub.Env, Config) (hub.System, error) { return hub.System{}, nil }
