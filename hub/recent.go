package hub

import "sync"

// recent keeps what the hub has just had in its hands, so that the fast path does
// not read back what it wrote a moment ago. It is bounded: when it is full it takes
// nothing new, since what is in it is what will be asked for next. What has come to
// rest is forgotten, and everything can be had from the Store.
type recent struct {
	mu    sync.Mutex
	room  int
	bytes int64 // of what is in it, as far as it is counted
	known map[ID]*remembered
}

// recentBytes is how much recent holds at the most, and handedBytes how large a form
// may be to be handed on in memory at all: larger ones are read back when their turn
// comes.
const (
	recentBytes = 64 << 20
	handedBytes = 64 << 10
)

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
	if m.known[id] != nil || len(m.known) >= m.room || m.bytes+r.size() > recentBytes {
		return
	}
	m.known[id] = r
	m.bytes += r.size()
}

// size is what is counted of r: the form as it came, and its documents.
func (r *remembered) size() int64 {
	n := r.submission.Original.Size
	for _, d := range r.documents {
		n += int64(len(d.Reveal()))
	}
	return n
}

// forget lets go of what nobody needs any more.
func (m *recent) forget(id ID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.known[id]; r != nil {
		m.bytes -= r.size()
		delete(m.known, id)
	}
}

func (m *recent) get(id ID) *remembered {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.known[id]
}
