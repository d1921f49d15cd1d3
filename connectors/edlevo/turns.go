package edlevo

import (
	"context"
	"errors"
	"sync"
)

// turns have what is about one child go one at a time: two guardians who choose in the same minute would
// otherwise both find nothing there, and the later would take the earlier's place.
type turns struct {
	mu    sync.Mutex
	taken map[string]chan struct{} // closed when the turn is over
}

func newTurns() *turns { return &turns{taken: map[string]chan struct{}{}} }

var errTurn = errors.New("another delivery about the same child is under way")

// take waits for a turn, and gives what ends it.
func (t *turns) take(ctx context.Context, about string) (done func(), err error) {
	for {
		before, mine := t.try(about)
		if before == nil {
			return func() { t.end(about, mine) }, nil
		}
		select {
		case <-before:
		case <-ctx.Done():
			return nil, errTurn
		}
	}
}

// try takes the turn, or gives who has it.
func (t *turns) try(about string) (before, mine chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if before = t.taken[about]; before == nil {
		mine = make(chan struct{})
		t.taken[about] = mine
	}
	return before, mine
}

func (t *turns) end(about string, mine chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.taken, about)
	close(mine)
}
