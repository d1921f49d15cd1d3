package hub

import (
	"context"
	"errors"
	"hash/fnv"
)

// Several processes may share one Store, each with the same systems. What one of them is
// enough for is done by the one that leads it. What a system stands, where somebody has
// written that, they share: each keeps to its part, and together they keep to the whole.

// lookAround is what a process does every so often, whatever it has in hand: it heeds who else
// there is, who waits for no more than that to make calls, and what people have paused; and it
// takes over from those that are no more, which may take long. It reports whether it could.
func (h *Hub) lookAround(ctx context.Context) bool {
	if h.heedPeers(ctx) != nil || h.heedPauses(ctx) != nil || h.recover(ctx) != nil {
		return false
	}
	if h.cut.Swap(false) {
		h.Log.Info("the store can be reached again")
		h.wakeAll()
	}
	return true
}

// failed says what could not be done. That the Store cannot be reached is said once, and
// not by each loop at each look.
func (h *Hub) failed(what string, err error, more ...any) {
	switch {
	case errors.Is(err, context.Canceled): // the hub is stopping
	case !errors.Is(err, ErrUnreachable):
		h.Log.Error(what, append(more, "error", err)...)
	case !h.cut.Swap(true):
		h.Log.Error("the store cannot be reached: nothing is received, and nothing sent", "error", err)
	}
}

// leads reports whether this process is the one that does something about a system, such as
// asking it what is new. One that has no part in what the system stands leaves it to another.
func (h *Hub) leads(ctx context.Context, duty string, s SystemID) bool {
	end, held, err := h.Store.Lead(ctx, duty+" "+string(s))
	switch {
	case err != nil:
		h.failed("take a duty", err, "system", s)
		return false
	case held:
		return false
	case h.gates[s].room() == 0:
		end()
		return false
	}
	return true
}

// A place is where a process stands among those that share the Store, from 0.
type place struct{ at, of int }

// heedPeers has every gate keep to this process's part of what its system stands. A part
// shrinks at once, and grows when it was as large at the look before: so that others have
// made room meanwhile, and nobody takes it whose line to the Store was cut for a moment.
func (h *Hub) heedPeers(ctx context.Context) error {
	at, of, err := h.Store.Peers(ctx)
	if err != nil {
		h.failed("read who shares the store", err)
		return err
	}
	before := h.place
	h.place = place{at, of}
	if before.of == 0 && of == 1 {
		before = h.place // nobody has to make room
	}
	for _, s := range h.Systems {
		if h.gates[s.ID].share(before.partOf(s), h.place.partOf(s)) {
			poke(h.dispatchers[s.ID].wake)
		}
	}
	return nil
}

// A part is what one process may use of what a system stands.
type part struct {
	calls int     // at a time
	pace  float64 // calls a second; 0 means no limit
}

// partOf gives a process's part. Where nobody has written how many calls a system takes at a
// time, each process makes as many as is usual, and only the pace is divided.
func (p place) partOf(s Opened) part {
	switch {
	case s.Concurrency == 0:
		return part{usualCalls, s.Pace / float64(max(p.of, 1))}
	case p.of == 0:
		return part{} // the others have yet to make room
	}
	calls := p.divide(s.ID, s.Concurrency)
	return part{calls, s.Pace * float64(calls) / float64(s.Concurrency)}
}

// divide gives an equal part of n, and of what is left over one each to some: to others at
// each system, so that those that take one call at a time are spread over the processes.
func (p place) divide(s SystemID, n int) int {
	name := fnv.New32a()
	name.Write([]byte(s))
	turn := (p.at + int(name.Sum32()%uint32(p.of))) % p.of
	if turn < n%p.of {
		return n/p.of + 1
	}
	return n / p.of
}
