//go:build chaos

package verbs

import (
	"context"
	"io"
	"time"

	"github.com/knutpunkt/knutpunkt/hub/store/move"
)

// The places of a move: left, carry-TABLE, keep-file and whole.

func (ps failpoints) origin(o origin) origin { return &failingOrigin{o, ps} }

type failingOrigin struct {
	origin
	ps failpoints
}

func (o *failingOrigin) Left(ctx context.Context, address string, now time.Time) error {
	return o.ps.around("left", address, func() error { return o.origin.Left(ctx, address, now) })
}

func (ps failpoints) destination(d destination) destination { return &failingDestination{d, ps} }

type failingDestination struct {
	destination
	ps failpoints
}

func (d *failingDestination) Write(ctx context.Context, t move.Table, columns []string, c move.Changes, check func([]move.Row) error) error {
	return d.ps.around("carry-"+t.Name, "", func() error { return d.destination.Write(ctx, t, columns, c, check) })
}

func (d *failingDestination) Keep(ctx context.Context, id string, content io.Reader, check func(io.Reader) error) error {
	return d.ps.around("keep-file", id, func() error { return d.destination.Keep(ctx, id, content, check) })
}

func (d *failingDestination) Whole(ctx context.Context, now time.Time) error {
	return d.ps.around("whole", "", func() error { return d.destination.Whole(ctx, now) })
}
