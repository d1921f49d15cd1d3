package hub

import "context"

// A Bus wakes. It carries ids only, and may lose, repeat, delay or reorder what it
// carries: that costs latency, never a submission, since the sweeper alone drains
// the Store.
type Bus interface {
	// Wake says that there is something to do. It never blocks for long, and what
	// cannot be said is dropped.
	Wake(ctx context.Context, w Wake)
	// Wakes gives what others said, until ctx is done.
	Wakes(ctx context.Context) (<-chan Wake, error)
	Close() error
}

// A Wake names what has something to do: a system, or, when System is "", the
// submissions that wait to be enriched; or, with a Case only, that its feed has a
// new line.
type Wake struct {
	System SystemID
	Case   CaseID
}
