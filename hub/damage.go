package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
)

// A damage remembers that a file of a delivery is not, or is no longer, what was
// received. No attempt can send such a file, whatever its system would have answered, so
// it is a person's from then on.
type damage struct{ file atomic.Int32 } // which one, from 1; 0 for none

// file gives the n-th file of a delivery, and has d hear when it cannot be read.
func (h *Hub) file(id ID, a Attachment, n int, d *damage) File {
	return File{a, func(ctx context.Context) (io.ReadCloser, error) {
		r, err := h.Store.Open(ctx, AsHub(), id, a.Blob)
		if d.hears(n, err); err != nil {
			return nil, err
		}
		return &watched{r, n, d}, nil
	}}
}

// watched is a file that is being read.
type watched struct {
	io.ReadCloser
	n      int
	damage *damage
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	w.damage.hears(w.n, err)
	return n, err
}

// hears tells content that never mends itself from a disk that may answer next time.
func (d *damage) hears(n int, err error) {
	if errors.Is(err, ErrContents) || errors.Is(err, ErrNotFound) {
		d.file.Store(int32(n))
	}
}

// explain gives the error of an attempt with what was the matter with ourselves.
func (d *damage) explain(err error) error {
	if n := d.file.Load(); err != nil && n != 0 {
		return fmt.Errorf("%w: %w", stop(ReasonCorrupt, "file %d cannot be read as it was received: see the backup", n), err)
	}
	return err
}
