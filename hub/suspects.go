package hub

import "context"

// A row that was in hand when the process died may be what killed it; or it only stood
// beside. Until that is known it is a suspect: while it is decoded or rendered nothing else
// is, and a mark that says so is on disk first. So a death under the mark is its own, and
// three restarts in a row hold nobody.

// cautiously runs f, which decodes or renders a row's content: under the mark, where the
// row is a suspect.
func (h *Hub) cautiously(ctx context.Context, id CaseID, p Progress, f func() error) error {
	if p.Crashes == 0 {
		h.suspects.RLock()
		defer h.suspects.RUnlock()
		return f()
	}
	h.suspects.Lock()
	defer h.suspects.Unlock()
	if err := h.suspect(ctx, id, p, false); err != nil {
		return err
	}
	defer h.suspect(ctx, id, p, true)
	return f()
}

func (h *Hub) suspect(ctx context.Context, id CaseID, p Progress, over bool) error {
	_, _, err := h.Store.Apply(ctx, id, Suspected{When{h.Clock()}, p.Key, p.Lease, over})
	return err
}
