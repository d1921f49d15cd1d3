package web

import "sync"

// seats are counted, so that nobody takes more than a share of what is to be had.
type seats struct {
	each, all int
	mu        sync.Mutex
	taken     map[string]int
	sum       int
}

func newSeats(each, all int) *seats { return &seats{each: each, all: all, taken: map[string]int{}} }

// take gives name a seat and what gives it back, or the problem that there is none.
func (s *seats) take(name string) (leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.sum >= s.all:
		return nil, retryLater("overloaded", "2")
	case s.taken[name] >= s.each:
		return nil, retryLater("rate-limited", "2")
	}
	s.taken[name]++
	s.sum++
	return func() { s.leave(name) }, nil
}

func (s *seats) leave(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken[name]--; s.taken[name] == 0 {
		delete(s.taken, name)
	}
	s.sum--
}

// open counts the seats that are taken.
func (s *seats) open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sum
}

// Streams counts those that are open, by who follows: a client a case, a citizen her own,
// an operator on the console.
func (s *Server) Streams() map[string]int {
	return map[string]int{"case": s.following.open(), "citizen": s.mine.open(), "console": s.watching.open()}
}
