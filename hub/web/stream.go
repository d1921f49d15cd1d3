package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// heartbeat is how often an idle stream says that it is there. What a lost wake kept
// from it is found then too.
const heartbeat = 15 * time.Second

// mostLines is more lines of status than a case has.
const mostLines = 1000

// follow streams how a submission's case gets on: each line of its feed once, in
// order, from the Last-Event-ID on.
func (s *Server) follow(c *call) error {
	if isForeign(c.r) {
		return refusal("cross-origin")
	}
	if err := noQuery(c.r); err != nil {
		return err
	}
	after, err := lastSeen(c.r)
	if err != nil {
		return err
	}
	of, err := s.store.CaseOf(c.r.Context(), c.as, c.submission())
	if err != nil {
		return err
	}
	leave, err := s.following.take(c.client.Name)
	if err != nil {
		return err
	}
	defer leave()
	poked, end := s.Hub.Watch(of.ID)
	defer end()
	lines, err := s.store.Statuses(c.r.Context(), c.as, of.ID, 0, mostLines)
	if err != nil {
		return err
	}
	out, err := openStream(c)
	if err != nil {
		return err
	}
	if len(lines) > 0 && after > lines[len(lines)-1].Seq {
		after = 0 // it is from no line of this case, so where it stood cannot be known
		out.write("event: resync\ndata: {}\n\n")
	}
	return s.tellLines(c, out, of.ID, after, poked)
}

// tellLines goes on telling until the caller leaves, may no longer see the case, or
// the hub stops.
func (s *Server) tellLines(c *call, out *stream, of hub.CaseID, after uint64, poked <-chan struct{}) error {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		lines, err := s.store.Statuses(c.r.Context(), c.as, of, after, mostLines)
		if err != nil {
			return err
		}
		for _, line := range lines {
			after = line.Seq
			out.write(fmt.Sprintf("id: %d\nevent: status\ndata: %s\n\n", line.Seq, statusLine(line)))
		}
		if err := out.flush(); err != nil {
			return nil // who followed has left
		}
		select {
		case <-c.r.Context().Done():
			return nil
		case <-s.ending:
			return nil
		case <-poked:
		case <-beat.C:
			if s.recognise(c.r) == nil {
				return nil
			}
			out.write(": still here\n\n")
		}
	}
}

// statusLine is a Status as those who follow a case are told it.
func statusLine(st hub.Status) []byte {
	line := struct {
		Case   hub.CaseID `json:"case"`
		Step   hub.Step   `json:"step"`
		At     time.Time  `json:"at"`
		Expect *time.Time `json:"expect"`
		Ball   hub.Ball   `json:"ball"`
	}{Case: st.Case, Step: st.Step, At: st.At.UTC(), Ball: st.Ball}
	if !st.Expect.IsZero() {
		expect := st.Expect.UTC()
		line.Expect = &expect
	}
	text, _ := json.Marshal(line)
	return text
}

// lastSeen reads where a caller had come; 0 when it begins.
func lastSeen(r *http.Request) (uint64, error) {
	said := r.Header.Values("Last-Event-ID")
	if len(said) == 0 {
		return 0, nil
	}
	seq, err := strconv.ParseUint(said[0], 10, 63)
	if err != nil || len(said) > 1 {
		p := refusal("validation-failed")
		p.status, p.code = http.StatusBadRequest, "last-event-id"
		return 0, p
	}
	return seq, nil
}

// isForeign reports whether another site's page makes the call. A browser's own word on
// that stands before the Origin, which a page that tells nobody where it is has none of.
func isForeign(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return false
	case "":
	default:
		return true
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	from, err := url.Parse(origin)
	return err != nil || from.Host != r.Host
}

// A stream is an answer without an end (Server-Sent Events). Nobody who has stopped
// reading holds it for longer than patience.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	pending []byte
}

const patience = 10 * time.Second

// openStream begins to answer. From here on the call may last for days.
func openStream(c *call) (*stream, error) {
	s := &stream{w: c.w, control: http.NewResponseController(c.w)}
	if err := s.control.SetReadDeadline(time.Time{}); err != nil {
		return nil, errors.New("open stream: the connection has no deadlines")
	}
	s.control.SetWriteDeadline(time.Time{})
	h := c.w.Header()
	h.Set("Content-Type", streamType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	c.w.WriteHeader(http.StatusOK)
	s.write("retry: 2000\n\n")
	return s, nil
}

func (s *stream) write(text string) { s.pending = append(s.pending, text...) }

// flush sends what has been written, if anything.
func (s *stream) flush() error {
	if len(s.pending) == 0 {
		return nil
	}
	timer := time.AfterFunc(patience, func() { s.control.SetWriteDeadline(longAgo) })
	defer timer.Stop()
	_, err := s.w.Write(s.pending)
	s.pending = s.pending[:0]
	if err != nil {
		return err
	}
	return s.control.Flush()
}
