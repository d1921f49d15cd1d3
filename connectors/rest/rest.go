// Package rest hands deliveries to any business system that has an HTTP interface with JSON or XML, and
// asks it what has happened to its cases. What its calls look like stands in systems.yaml, and what an
// operation can be trusted with stands there too: the system itself says neither.
//
// What it has in common with every system that is described so is in package declared. Here is what is
// HTTP's own: methods, addresses, and files that are sent as they are or in forms.
package rest

import (
	"context"

	"github.com/knutpunkt/knutpunkt/connectors/declared"
	"github.com/knutpunkt/knutpunkt/hub"
)

// New is the connector, for connectors.All.
var New = hub.Define("rest", "Hands documents and files to any system with an HTTP interface, and asks how they get on.", open)

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
