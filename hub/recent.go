package hub

import (
	"slices"
	"sync"
)

// recent keeps what the hub has just had in its hands, so that the fast path does
// not read back what it wrote a moment ago. It is bounded, and it may forget at any
// time: everything in it can be had from the Store.
type recent struct {
	mu    sync.Mutex
	room  int
	order []ID
	known map[ID]*remembered
}

// remembered is a submission with all that is known of it, and the documents that
// were rendered when its deliveries were planned.
type remembered struct {
	submission Submission
	answers    []RegisterAnswer
	documents  map[Key]Document
}

func newRecent(room int) *recent { return &recent{room: room, known: map[ID]*remembered{}} }

// keep remembers r, and forgets the oldest when there is no room.
func (m *recent) keep(r *remembered) {
	m.mu.Lock()
	defer m.mu.Unlock()
	id := r.submission.ID
	if m.known[id] == nil {
		m.order = append(m.order, id)
	}
	m.known[id] = r
	if len(m.order) > m.room {
		delete(m.known, m.order[0])
		m.order = m.order[1:]
	}
}

// forget lets go of what nobody needs any more.
func (m *recent) forget(id ID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.known, id)
	if i := slices.Index(m.order, id); i >= 0 {
		m.order = slices.Delete(m.order, i, i+1)
	}
}

func (m *recent) get(id ID) *remembered {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.known[id]
}
