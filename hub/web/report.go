package web

import (
	"errors"
	"io"
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

// How many reports may be under way at a time, of one system and in all. Who sends one is
// not known until it has been read.
const (
	reportingEach = 64
	reportingAll  = 512
)

// hear takes a report from a system, which shows by its signature who it is. Whose
// signature is not taken is told nothing of what there is.
func (s *Server) hear(c *call) error {
	if _, _, err := c.mediaType(jsonType); err != nil {
		return err
	}
	from, err := s.reporter(c.r.PathValue("system"))
	if err != nil {
		return err
	}
	leave, err := s.reporting.take(string(from.ID))
	if err != nil {
		return err
	}
	defer leave()
	text, err := readReport(c)
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
// may not is like one that is not there: without an ID, and with a secret that nobody has.
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
		return hub.Opened{Reports: nobodys}, nil
	case 1:
		return found[0], nil
	}
	return hub.Opened{}, refusal("ambiguous-system")
}

// nobodys is held against what comes for a system that is not there, so that it takes as
// long as for one that is.
var nobodys = []hub.Secret{hub.NewSecret("whsec_bm9ib2R5IHNpZ25zIHdpdGggdGhpcyBzZWNyZXQ=")}

func readReport(c *call) ([]byte, error) {
	if c.r.ContentLength > mostReport {
		return nil, refusal("payload-too-large")
	}
	b := openBody(c, mostReport)
	defer b.Close()
	return io.ReadAll(b)
}

// isFrom lets a system in that has signed what it sends, as often as a client.
func (s *Server) isFrom(from hub.Opened, c *call, text []byte) error {
	err := hub.VerifyWebhook(from.Reports, c.r.Header, text, s.Hub.Clock())
	switch {
	case from.ID == "":
		return refusal("not-found")
	case err != nil:
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
	if errors.Is(err, hub.ErrStorage) || c.r.Context().Err() != nil {
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
	wrong := func(is bool, pointer, code string) {
		if is {
			faults = append(faults, fault{pointer, code})
		}
	}
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

// isUnprintable finds what cannot be seen in a word, or changes how the rest is seen.
func isUnprintable(r rune) bool {
	return r != ' ' && !unicode.IsPrint(r)
}

// report gives what a report without faults says.
func (r report) report() hub.Report {
	at, _ := time.Parse(time.RFC3339, r.At)
	return hub.Report{ID: r.Event, Ref: r.Ref, Key: hub.Key(r.Key), Word: strings.TrimSpace(r.Word), At: at, Correction: r.Correction}
}
