package hub

import (
	"slices"
	"sync"
	"time"
)

// recent keeps what the hub has just had in its hands, so that the fast path does
// not read back what it wrote a moment ago. It is bounded: when it is full it takes
// nothing new, since what is in it is what will be asked for next; but what has not come to
// rest here for long may have been delivered by another process. What has come to
// rest is forgotten, and everything can be had from the Store.
type recent struct {
	clock func() time.Time
	mu    sync.Mutex
	room  int
	bytes int64 // of what is in it, as far as it is counted
	known map[ID]*remembered
	order []kept // in which they were kept, some of which are forgotten
}

// kept names something that was kept, and when.
type kept struct {
	id ID
	at time.Time
}

// recentFor is how long something is kept at the most where there is no room.
const recentFor = 10 * time.Minute

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
	kept       time.Time
}

func newRecent(room int, clock func() time.Time) *recent {
	return &recent{clock: clock, room: room, known: map[ID]*remembered{}}
}

// keep remembers r, if there is room.
func (m *recent) keep(r *remembered) {
	m.mu.Lock()
	defer m.mu.Unlock()
	id := r.submission.ID
	r.kept = m.clock()
	if m.known[id] != nil || !m.makeRoom(r) {
		return
	}
	m.known[id], m.order = r, append(m.order, kept{id, r.kept})
	m.bytes += r.size()
}

// makeRoom forgets what has been there for long, the oldest first, as far as there is no room.
func (m *recent) makeRoom(r *remembered) bool {
	if len(m.order) >= 2*m.room {
		m.order = slices.DeleteFunc(m.order, func(k kept) bool { return !m.has(k) })
	}
	for !m.hasRoom(r) && len(m.order) > 0 {
		oldest := m.order[0]
		if m.has(oldest) {
			if r.kept.Sub(oldest.at) <= recentFor {
				return false
			}
			m.drop(oldest.id)
		}
		m.order = m.order[1:]
	}
	return m.hasRoom(r)
}

func (m *recent) hasRoom(r *remembered) bool {
	return len(m.known) < m.room && m.bytes+r.size() <= recentBytes
}

func (m *recent) has(k kept) bool {
	r := m.known[k.id]
	return r != nil && r.kept.Equal(k.at)
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
	m.drop(id)
}

func (m *recent) drop(id ID) {
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
