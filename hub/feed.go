package hub

import "sync"

// A feed tells those who follow a case that there may be something to read. It
// carries nothing and may tell once too often: the lines are in the Store.
type feed struct {
	mu       sync.Mutex
	watchers map[CaseID]map[chan struct{}]struct{}
}

func newFeed() *feed { return &feed{watchers: map[CaseID]map[chan struct{}]struct{}{}} }

func (f *feed) watch(c CaseID) (<-chan struct{}, func()) {
	ch := make(chan struct{}, 1)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.watchers[c] == nil {
		f.watchers[c] = map[chan struct{}]struct{}{}
	}
	f.watchers[c][ch] = struct{}{}
	return ch, func() { f.unwatch(c, ch) }
}

func (f *feed) unwatch(c CaseID, ch chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.watchers[c], ch)
	if len(f.watchers[c]) == 0 {
		delete(f.watchers, c)
	}
}

// tell pokes those who watch c, and those who watch all cases ("").
func (f *feed) tell(c CaseID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, of := range []CaseID{c, ""} {
		for ch := range f.watchers[of] {
			poke(ch)
		}
	}
}
