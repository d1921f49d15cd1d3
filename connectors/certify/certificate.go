package certify

import (
	"context"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// Kit is the version of what is asked. It is raised when more is asked.
const Kit = 2

// Certify examines a connector by each Subject and gives what is proved of it: nothing, with
// Findings. What is written of one system, and not of its kind, is proved by Try.
func Certify(ctx context.Context, now time.Time, subjects ...Subject) (hub.Certificate, []Finding) {
	given := hub.Certificate{
		Against: hub.Simulator, Kit: Kit, At: now.UTC().Truncate(time.Second), Operations: map[string]hub.Level{},
	}
	var findings []Finding
	for _, s := range subjects {
		e := examine(ctx, s)
		given.Connector, findings = s.Connector.Name, append(findings, e.findings...)
		for operation, can := range e.can {
			if !can.Claimed && can.Level != hub.Blind {
				given.Operations[operation] = can.Level
			}
		}
	}
	if len(findings) > 0 {
		return hub.Certificate{}, findings
	}
	return given, nil
}
