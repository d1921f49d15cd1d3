package hub

import (
	"context"
	"errors"
	"time"
)

// A Pause is a person's word that a system is not to be called until somebody takes it up
// again, whatever it would answer.
type Pause struct {
	System SystemID
	Since  time.Time
	By     string // who, by the name that knutpunkt.yaml has for her
	Reason string // in her own words, which may say anything: the Store seals it
}

// Paused is the Cause of a system that somebody has paused; its Circuit's Note is who.
const Paused Cause = "paused"

// Pause has a system called no more until Resume. What is for it waits, in order and
// without using up attempts, also over a restart; what is under way comes to its end. It
// gives ErrNotFound when no such system is connected, ErrConflict when it is paused already.
func (h *Hub) Pause(ctx context.Context, p Pause) error {
	if h.gates[p.System] == nil {
		return ErrNotFound
	}
	h.pausing.Lock()
	defer h.pausing.Unlock()
	p.Since = h.Clock()
	err := h.Store.Pause(ctx, p)
	if errors.Is(err, ErrConflict) {
		return conflict("the system is paused already")
	}
	if err != nil {
		return err
	}
	h.Log.Info("paused", "system", p.System, "by", p.By)
	h.heed(p.System, &p)
	return nil
}

// Resume has a system called again. It gives ErrConflict when it is not paused.
func (h *Hub) Resume(ctx context.Context, id SystemID, by, reason string) error {
	h.pausing.Lock()
	defer h.pausing.Unlock()
	err := h.Store.Resume(ctx, id, by, reason, h.Clock())
	if errors.Is(err, ErrConflict) {
		return conflict("the system is not paused")
	}
	if err != nil {
		return err
	}
	h.Log.Info("resumed", "system", id, "by", by)
	h.heed(id, nil)
	return nil
}

// heedPauses has every gate know whether its system is paused. The lock is for who pauses one
// meanwhile: what was read before that must not be heeded after it.
func (h *Hub) heedPauses(ctx context.Context) error {
	h.pausing.Lock()
	defer h.pausing.Unlock()
	all, err := h.Store.Pauses(ctx)
	if err != nil {
		h.failed("read which systems are paused", err)
		return err
	}
	paused := map[SystemID]*Pause{}
	for _, p := range all {
		paused[p.System] = &p
	}
	for id := range h.gates {
		h.heed(id, paused[id])
	}
	return nil
}

// heed has a system's gate know of its pause, and its dispatcher of the end of one.
func (h *Hub) heed(id SystemID, p *Pause) {
	if g := h.gates[id]; g != nil && g.heed(p) {
		poke(h.dispatchers[id].wake)
	}
}

// heed closes the way while somebody wants it closed. It reports whether it was opened now.
func (g *gate) heed(p *Pause) (opened bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	opened = g.paused != nil && p == nil
	g.paused = p
	return opened
}
