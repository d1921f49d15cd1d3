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

// heartbeat is how often an idle stream says that it is there, and asks whether who
// follows still may. That is asked before each word too.
const heartbeat = 15 * time.Second

// mostLines is how many lines are read at a time, and more than a case has.
const mostLines = 1000

// follow streams how a submission's case gets on: each line of its feed once, in
// order, from the Last-Event-ID on.
func (s *Server) follow(c *call) error {
	after, err := goesOnAfter(c.r)
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
	w, end := s.Hub.WatchCase(of.ID)
	defer end()
	lost, err := s.isBeyond(c, of.ID, after)
	if err != nil {
		return err
	}
	return s.tell(&telling{
		call: c, watching: w, of: of.ID, after: after, lost: lost,
		may: func() bool { return s.recognise(c.r) != nil },
	})
}

// A telling is one stream of lines: of a case, or of all that a citizen follows.
type telling struct {
	*call
	watching *hub.Watching
	of       hub.CaseID  // "" for all that the caller follows
	after    uint64      // the last line that was told
	behind   bool        // lines are missing that the Store has
	lost     bool        // it is from no line that is told here, so where the caller stood cannot be known
	may      func() bool // reports whether the caller still may
}

// tell goes on until the caller leaves, may no longer follow, or the hub stops.
func (s *Server) tell(t *telling) error {
	out, err := s.openStream(t.call)
	if err != nil {
		return err
	}
	if t.lost {
		t.anew(out)
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for begun := false; ; begun = true {
		if err := s.tellNews(t, out); err != nil {
			return err
		}
		if begun && !aside(t.may) { // when all is read, so that nothing is said after she has logged out
			return nil
		}
		if err := out.flush(); err != nil {
			return nil // who followed has left
		}
		select {
		case <-t.r.Context().Done():
			return nil
		case <-s.ending:
			return nil
		case <-t.watching.Poked():
		case <-beat.C:
			out.write(": still here\n\n")
		}
	}
}

// aside asks in a goroutine of its own, and takes a panic for a no. What reads the Store
// needs a deep stack, which a stream that asked by itself would keep while it is idle.
func aside(ask func() bool) (yes bool) {
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		defer func() { recover() }()
		yes = ask()
	}()
	<-asked
	return yes
}

// tellNews tells each line that the caller has not been told. What the Store cannot be asked for
// is told when there is more to tell, or at the next beat.
func (s *Server) tellNews(t *telling, out *stream) error {
	news := t.watching.News()
	if news.Anew {
		t.anew(out)
	}
	if t.behind = t.behind || news.Behind; !t.behind {
		t.write(out, news.Lines)
	}
	for t.behind {
		lines, err := s.store.Statuses(t.r.Context(), t.as, t.of, t.after, mostLines)
		if errors.Is(err, hub.ErrUnreachable) {
			return nil
		}
		if err != nil {
			return err
		}
		t.write(out, lines)
		t.behind = len(lines) == mostLines
	}
	return nil
}

// anew says that all is told from the beginning, whatever was told before.
func (t *telling) anew(out *stream) {
	t.after = 0
	out.write("event: resync\ndata: {}\n\n")
}

// write tells lines. One that was read from the Store before it was handed on is passed over.
func (t *telling) write(out *stream, lines []hub.Status) {
	for _, line := range lines {
		if line.Seq > t.after {
			t.after = line.Seq
			out.write(fmt.Sprintf("id: %d\nevent: status\ndata: %s\n\n", line.Seq, statusLine(line)))
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
	}{st.Case, st.Step, st.At.UTC(), known(st.Expect), st.Ball}
	text, _ := json.Marshal(line)
	return text
}

// known gives a time as JSON has it, null for none.
func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// isBeyond reports whether a number is greater than that of a case's last line.
func (s *Server) isBeyond(c *call, of hub.CaseID, after uint64) (bool, error) {
	if after == 0 {
		return false, nil
	}
	lines, err := s.store.Statuses(c.r.Context(), c.as, of, 0, mostLines)
	return len(lines) > 0 && after > lines[len(lines)-1].Seq, err
}

// goesOnAfter gives the last line that who asks for a stream has seen, 0 for none.
func goesOnAfter(r *http.Request) (uint64, error) {
	if isForeign(r) {
		return 0, refusal("cross-origin")
	}
	if err := noQuery(r); err != nil {
		return 0, err
	}
	return lastSeen(r)
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

// Who followed comes back after a time between these two, each after her own, so that not
// all are there at once when the hub has been restarted.
const soonestBack, latestBack = 2 * time.Second, 5 * time.Second

// openStream begins to answer. From here on the call may last for days.
func (s *Server) openStream(c *call) (*stream, error) {
	out := &stream{w: c.w, control: http.NewResponseController(c.w)}
	if err := out.control.SetReadDeadline(time.Time{}); err != nil {
		return nil, errors.New("open stream: the connection has no deadlines")
	}
	out.control.SetWriteDeadline(time.Time{})
	h := c.w.Header()
	h.Set("Content-Type", streamType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	c.w.WriteHeader(http.StatusOK)
	back := soonestBack + time.Duration(s.Hub.Jitter()*float64(latestBack-soonestBack))
	out.write(fmt.Sprintf("retry: %d\n\n", back.Milliseconds()))
	return out, nil
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
	s.pending = nil // an idle stream keeps nothing
	if err != nil {
		return err
	}
	return s.control.Flush()
}
