// Package soap hands deliveries to any business system that speaks SOAP 1.1 or 1.2, and asks it what has
// happened to its cases. What its calls look like stands in systems.yaml, with the requests written out as
// XML, and what an operation can be trusted with stands there too: the system itself says neither.
//
// The mapping makes the element that the operation wants; the connector puts it in an envelope and changes
// nothing in it. What the connector has in common with every system that is described so is in package
// declared. Here is what is SOAP's own: envelopes, actions, Faults, and files as base64.
package soap

import (
	"context"

	"github.com/knutpunkt/knutpunkt/connectors/declared"
	"github.com/knutpunkt/knutpunkt/hub"
)

// New is the connector, for connectors.All.
var New = hub.Define("soap", "Hands documents and files to any system that speaks SOAP, and asks how they get on.", open)

func open(_ context.Context, env hub.Env, c Config) (hub.System, error) {
	r := reader{env: env}
	r.system(c)
	taking := &declared.Destination{Env: env, Operations: map[string]declared.Operation{}}
	for name, o := range c.Operations {
		taking.Operations[name] = r.operation(name, o)
	}
	changes, status := r.changes(c.Changes), r.status(c.Status)
	if err := r.Err(); err != nil {
		return hub.System{}, err
	}
	return declared.System(taking, changes, status), nil
}
