package hub

import (
	"context"
	"errors"
	"io"
)

// ErrImporting says that a file is being read into the register already.
var ErrImporting = conflict("another file is being read into the register")

// Import reads the next file of a register that files feed, and tells of each part that has been
// kept. One file is read into a register at a time. It gives ErrNotFound for a system that is no
// such register, ErrImporting, and what Importer.Import gives.
func (h *Hub) Import(ctx context.Context, id SystemID, file io.Reader, kept func(Imported)) (Imported, error) {
	importer := h.importer(id)
	if importer == nil {
		return Imported{}, ErrNotFound
	}
	if _, busy := h.importing.LoadOrStore(id, true); busy {
		return Imported{}, ErrImporting
	}
	defer h.importing.Delete(id)
	end, held, err := h.Store.Lead(ctx, "import "+string(id))
	if err != nil {
		return Imported{}, err
	}
	if held {
		return Imported{}, ErrImporting
	}
	defer end()
	begun := h.Clock()
	done, err := importer.Import(ctx, file, kept)
	log := h.Log.With("system", id, "posts", done.Posts, "ms", h.Clock().Sub(begun).Milliseconds())
	var broken *Malformed
	switch {
	case errors.As(err, &broken):
		log.Warn("a register's file is refused", "kind", broken.Kind)
	case errors.As(err, new(*Misplaced)):
		log.Warn("a register's file came in the wrong order")
	case err != nil:
		log.Error("a register's file was not read to its end", "error", err)
	default:
		log.Info("read a register's file", "again", done.Again, "more", done.More != "", "asOf", done.AsOf)
	}
	return done, err
}

// Fed tells how a register stands that files feed, and whether this process is reading one into
// it; or ErrNotFound.
func (h *Hub) Fed(ctx context.Context, id SystemID) (fed Fed, importing bool, err error) {
	importer := h.importer(id)
	if importer == nil {
		return fed, false, ErrNotFound
	}
	_, importing = h.importing.Load(id)
	fed, err = importer.Fed(ctx)
	return fed, importing, err
}

func (h *Hub) importer(id SystemID) Importer {
	if d := h.dispatchers[id]; d != nil {
		return d.system.Importer
	}
	return nil
}
