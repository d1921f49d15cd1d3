package navetsim

import (
	"io"
	"net/http"
)

// A Fault is one way in which a register fails.
type Fault string

const (
	Down      Fault = "down"      // the line is cut before an answer
	Hang      Fault = "hang"      // no answer comes until the caller gives up
	Page      Fault = "page"      // 200 and a page for people
	Garbage   Fault = "garbage"   // 200 and bytes that are no XML
	Truncated Fault = "truncated" // 200 and half the answer
	Stranger  Fault = "stranger"  // an answer about somebody else
	OddFlag   Fault = "odd-flag"  // a Sekretessmarkering that is neither J nor N
	Busy      Fault = "busy"      // 503 with a Retry-After
	TooMany   Fault = "too-many"  // 429 with a Retry-After
	Refusal   Fault = "refusal"   // a SOAP fault, as for wrong parameters
)

// RetryAfter is how long Busy and TooMany ask for, in seconds.
const RetryAfter = "7"

// Fail makes the next calls fail, one for each fault.
func (s *Sim) Fail(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = append(s.next, faults...)
}

// FailAlways makes every call fail until Mend.
func (s *Sim) FailAlways(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.always = f
}

// Mend ends all faults.
func (s *Sim) Mend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next, s.always = nil, ""
}

func (s *Sim) takeFault() Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.next) == 0 {
		return s.always
	}
	f := s.next[0]
	s.next = s.next[1:]
	return f
}

// failUnread answers for the faults that do not depend on the question, and reports whether it did.
func (s *Sim) failUnread(f Fault, w http.ResponseWriter, r *http.Request) bool {
	switch f {
	case Down:
		panic(http.ErrAbortHandler)
	case Hang:
		io.Copy(io.Discard, r.Body) // before that, net/http does not notice that the caller has gone
		select {
		case <-r.Context().Done():
		case <-s.closed:
		}
		panic(http.ErrAbortHandler)
	case Page:
		page(w, http.StatusOK, "Tjänsten är stängd för underhåll")
	case Garbage:
		reply(w, http.StatusOK, []byte("\x00\xff<<&&"))
	case Busy, TooMany:
		w.Header().Set("Retry-After", RetryAfter)
		status := http.StatusServiceUnavailable
		if f == TooMany {
			status = http.StatusTooManyRequests
		}
		page(w, status, "Försök senare")
	case Refusal:
		refuse(w)
	default:
		return false
	}
	return true
}
