package web

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/time/rate"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// A report is what a business system tells unasked of a case. It is read strictly: a free
// text that came along would be somebody's content in the wrong place.
type report struct {
	Event      string `json:"event"` // the system's own: the same again is the same report
	Ref        string `json:"ref"`   // what the system called the case in its receipt, or
	Key        string `json:"key"`   // our own Key for it
	Word       string `json:"word"`  // the system's own, which systems.yaml translates
	At         string `json:"at"`    // RFC 3339
	Correction bool   `json:"correction"`
}

// reportPattern is the address that systems tell at.
const reportPattern = "/v1/systems/{system}/status"

// mostReport bounds what a report may be, in bytes, and longestWord a word, in characters.
const (
	mostReport  = 64 << 10
	longestWord = 200
)

// How many reports may be under way at a time, from one peer and in all, and how long one
// may take to come. Which system sends one is not known until it has been read, so that
// nobody else can keep a system from being heard by seeming to be it.
const (
	reportingEach = 64
	reportingAll  = 512
	reportTakes   = 5 * time.Second
)

// hear takes a report from a system, which shows by its signature who it is. Whose
// signature is not taken is told nothing of any case.
func (s *Server) hear(c *call) error {
	if _, _, err := c.mediaType(jsonType); err != nil {
		return err
	}
	from, err := s.reporter(c.r.PathValue("system"))
	if err != nil {
		return err
	}
	leave, err := s.reporting.take(s.peerOf(c.r).String())
	if err != nil {
		return err
	}
	defer leave()
	text, err := c.readReport()
	if err != nil {
		return err
	}
	if err := s.isFrom(from, c, text); err != nil {
		return err
	}
	var r report
	if err := document.DecodeJSON(text, &r); err != nil {
		return err
	}
	if faults := r.faults(); len(faults) > 0 {
		return refusedFields(faults...)
	}
	heard, err := s.Hub.Hear(c.r.Context(), from.ID, []hub.Report{r.report()})
	if err != nil {
		return s.notKept(c, err)
	}
	return c.heard(heard[0])
}

// reporter finds the system that a name means, among those that may tell unasked. One that
// may not is like one that is not there.
func (s *Server) reporter(name string) (hub.Opened, error) {
	var found []hub.Opened
	for _, opened := range s.Hub.Systems {
		_, own, _ := strings.Cut(string(opened.ID), ".")
		if len(opened.Reports) > 0 && (name == string(opened.ID) || name == own) {
			found = append(found, opened)
		}
	}
	switch len(found) {
	case 0:
		return hub.Opened{}, refusal("not-found")
	case 1:
		return found[0], nil
	}
	return hub.Opened{}, refusal("ambiguous-system")
}

func (c *call) readReport() ([]byte, error) {
	late := time.AfterFunc(reportTakes, func() { http.NewResponseController(c.w).SetReadDeadline(longAgo) })
	defer late.Stop()
	return c.readBody(mostReport)
}

// isFrom lets a system in that has signed what it sends, as often as a client.
func (s *Server) isFrom(from hub.Opened, c *call, text []byte) error {
	if err := hub.VerifyWebhook(from.Reports, c.r.Header, text, s.Hub.Clock()); err != nil {
		s.Hub.Log.Warn("a report was not let in", "system", from.ID, "request", c.id, "error", err)
		return unsigned(err)
	}
	c.client = &caller{Client: Client{Name: string(from.ID)}} // who called, in the log of calls
	if !s.reporters[from.ID].AllowN(s.Hub.Clock(), 1) {
		return retryLater("rate-limited", "1")
	}
	return nil
}

// limitReporters says how often each system may tell unasked: as often as a client may call.
func (s *Server) limitReporters() map[hub.SystemID]*rate.Limiter {
	limits := map[hub.SystemID]*rate.Limiter{}
	for _, opened := range s.Hub.Systems {
		if len(opened.Reports) > 0 {
			limits[opened.ID] = s.newLimiter()
		}
	}
	return limits
}

func unsigned(err error) error {
	switch {
	case errors.Is(err, hub.ErrWebhookTime):
		return refusal("timestamp-out-of-range")
	case errors.Is(err, hub.ErrWebhookID):
		return refusal("webhook-id-invalid")
	}
	return refusal("signature-invalid")
}

// notKept says that a report is not on disk and is to be sent again. What the Store says of
// itself is for the log.
func (s *Server) notKept(c *call, err error) error {
	if errors.Is(err, hub.ErrStorage) || errors.Is(err, hub.ErrUnreachable) || c.r.Context().Err() != nil {
		return err
	}
	s.Hub.Log.Error("store a report", "request", c.id, "error", err)
	return retryLater("unavailable", "5")
}

// heard answers with what became of a report, which is on disk.
func (c *call) heard(h hub.Hearing) error {
	status, outcome := http.StatusAccepted, "taken"
	switch {
	case h.Foreign:
		return refusal("not-found")
	case h.Case.Over() == hub.Withdrawn:
		return refusal("state-conflict")
	case h.Case.Over() == hub.Purged:
		return refusal("gone-purged")
	case h.Again:
		status, outcome = http.StatusOK, "heard-before"
	case h.Case.ID == "":
		outcome = "kept"
	}
	return c.json(status, map[string]string{"outcome": outcome})
}

// faults gives everything that is wrong with a report by itself.
func (r report) faults() []fault {
	var faults []fault
	wrong := noting(&faults)
	for _, t := range []struct{ pointer, text string }{{"/event", r.Event}, {"/ref", r.Ref}, {"/key", r.Key}, {"/word", r.Word}} {
		wrong(utf8.RuneCountInString(t.text) > longestWord, t.pointer, "too-long")
		wrong(strings.ContainsFunc(t.text, isUnprintable), t.pointer, "control-character")
	}
	wrong(r.Event == "", "/event", "required")
	wrong(r.Ref == "" && r.Key == "", "/ref", "required")
	wrong(strings.TrimSpace(r.Word) == "", "/word", "required")
	wrong(strings.ContainsAny(r.Word, "<>"), "/word", "markup")
	wrong(mentionsPerson(r.Word), "/word", "mentions-a-person")
	at, err := time.Parse(time.RFC3339, r.At)
	wrong(err != nil || at.Year() < 2000, "/at", "not-a-time")
	return faults
}

// isUnprintable finds what cannot be seen in a text, or changes how the rest is seen.
func isUnprintable(r rune) bool {
	return !unicode.IsPrint(r) && !unicode.Is(unicode.Zs, r)
}

// nameless gives what a report is known by here: its own id, or where a personnummer may
// stand in that, which is kept in the clear, a hash of it.
func nameless(event string) string {
	if !mentionsPerson(event) {
		return event
	}
	sum := sha256.Sum256([]byte(event))
	return hex.EncodeToString(sum[:])
}

// report gives what a report without faults says.
func (r report) report() hub.Report {
	at, _ := time.Parse(time.RFC3339, r.At)
	return hub.Report{ID: nameless(r.Event), Ref: r.Ref, Key: hub.Key(r.Key), Word: strings.TrimSpace(r.Word), At: at, Correction: r.Correction}
}
