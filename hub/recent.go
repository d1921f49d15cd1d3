package hub

import "sync"

// recent keeps what the hub has just had in its hands, so that the fast path does
// not read back what it wrote a moment ago. It is bounded: when it is full it takes
// nothing new, since what is in it is what will be asked for next. What has come to
// rest is forgotten, and everything can be had from the Store.
type recent struct {
	mu    sync.Mutex
	room  int
	known map[ID]*remembered
}

// remembered is a submission with all that is known of it, and the documents that
// were rendered when its deliveries were planned.
type remembered struct {
	submission Submission
	answers    []RegisterAnswer
	documents  map[Key]Document
	read       string // the revision by which its answers are typed and its parties found; "" for none
}

func newRecent(room int) *recent { return &recent{room: room, known: map[ID]*remembered{}} }

// keep remembers r, if there is room.
func (m *recent) keep(r *remembered) {
	m.mu.Lock()
	defer m.mu.Unlock()
	id := r.submission.ID
	if m.known[id] == nil && len(m.known) >= m.room {
		return
	}
	m.known[id] = r
}

// forget lets go of what nobody needs any more.
func (m *recent) forget(id ID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.known, id)
}

func (m *recent) get(id ID) *remembered {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.known[id]
}
