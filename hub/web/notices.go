package web

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/envelope"
)

// A service notice (driftmeddelande) is written once, by an operator, and is then shown on
// every page of those whom it is for: everybody, or one municipality's citizens. It is
// plain text, and says nothing about anybody.

// A noticeText is a service notice as a citizen reads it.
type noticeText struct {
	ID           string
	Municipality string // its name; "" for a notice to all
	Text         string
	Language     string // of the text: Swedish where there is no English
	From, Until  time.Time
}

// noticesFor gives the present notices to some municipalities, and to all.
func (s *Server) noticesFor(ctx context.Context, ms []hub.Municipality, language string) ([]noticeText, error) {
	present, err := s.presentNotices(ctx, ms)
	if err != nil {
		return nil, err
	}
	var texts []noticeText
	for _, n := range present {
		t := noticeText{ID: n.ID, Text: n.Swedish, Language: "sv", From: n.From, Until: n.Until}
		if n.Municipality != "" {
			t.Municipality = s.municipalityName(n.Municipality)
		}
		if language == "en" && n.English != "" {
			t.Text, t.Language = n.English, "en"
		}
		texts = append(texts, t)
	}
	return texts, nil
}

func (s *Server) presentNotices(ctx context.Context, ms []hub.Municipality) ([]hub.Notice, error) {
	now := s.Hub.Clock()
	all, err := s.notices.at(ctx, s.store, now)
	if err != nil {
		return nil, err
	}
	var present []hub.Notice
	for _, n := range all {
		if !n.From.After(now) && n.Until.After(now) && (n.Municipality == "" || slices.Contains(ms, n.Municipality)) {
			present = append(present, n)
		}
	}
	return present, nil
}

// — what is told of them —

// A notice is a service notice as JSON tells of it.
type notice struct {
	ID           string           `json:"id"`
	Municipality hub.Municipality `json:"municipality,omitempty"` // "" for all
	Swedish      string           `json:"swedish"`
	English      string           `json:"english,omitempty"`
	From         time.Time        `json:"from"`
	Until        time.Time        `json:"until"`
	By           string           `json:"by,omitempty"` // who wrote it last; operators only are told
}

func noticeOf(n hub.Notice) notice {
	return notice{n.ID, n.Municipality, n.Swedish, n.English, n.From.UTC(), n.Until.UTC(), n.By}
}

// tellNotices answers anybody who asks with the present notices to one municipality and
// to all.
func (s *Server) tellNotices(c *call) error {
	asked := c.r.URL.Query()
	m := hub.Municipality(asked.Get("municipality"))
	if len(asked) > 1 || len(asked["municipality"]) != 1 || !envelope.IsKommunkod(string(m)) {
		return badQuery("municipality")
	}
	present, err := s.presentNotices(c.r.Context(), []hub.Municipality{m})
	if err != nil {
		return err
	}
	told := []notice{}
	for _, n := range present {
		n.By = ""
		told = append(told, noticeOf(n))
	}
	c.w.Header().Set("Cache-Control", "public, max-age=10")
	return c.json(http.StatusOK, map[string]any{"notices": told})
}

// listNotices answers an operator with the present and coming notices that she may see.
func (s *Server) listNotices(c *call) error {
	if err := s.mustBeOperator(c); err != nil {
		return err
	}
	if err := noQuery(c.r); err != nil {
		return err
	}
	seen, err := s.noticesOf(c)
	if err != nil {
		return err
	}
	told := []notice{}
	for _, n := range seen {
		told = append(told, noticeOf(n))
	}
	return c.json(http.StatusOK, map[string]any{"notices": told})
}

// noticesOf gives the notices that have not ended, to the caller's municipalities and to
// all, as they are now.
func (s *Server) noticesOf(c *call) ([]hub.Notice, error) {
	all, err := s.store.Notices(c.r.Context(), s.Hub.Clock())
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(n hub.Notice) bool { return n.Municipality != "" && !c.as.Sees(n.Municipality, "") }), nil
}

// — how they are written —

// A noticeWritten is what an operator posts: a new notice, what one is to become, or that
// one is to end.
type noticeWritten struct {
	ID           string `json:"id"`           // of the notice that is changed; "" for a new one
	Municipality string `json:"municipality"` // "*" for all; a notice stays with whom it was written for
	Swedish      string `json:"swedish"`
	English      string `json:"english"` // "" for none
	From         string `json:"from"`    // "" for at once
	Until        string `json:"until"`
	End          bool   `json:"end"` // at once, as it is
}

// everybody is what is written in the place of a municipality in a notice to all, so that
// none is shown to all because somebody forgot to say to whom.
const everybody = "*"

// How long a notice may be, in letters, and how far ahead it may end.
const (
	mostNotice = 500
	noticeEnds = 366 * 24 * time.Hour
)

// writeNotice stores what an operator has written.
func (s *Server) writeNotice(c *call, w noticeWritten) (notice, error) {
	n, err := s.saveNotice(c, w)
	return noticeOf(n), err
}

func (s *Server) saveNotice(c *call, w noticeWritten) (hub.Notice, error) {
	n, err := s.noticeFrom(c, w)
	if err != nil {
		return n, err
	}
	n.By = c.operator
	if n, err = s.store.SaveNotice(c.r.Context(), n); err != nil {
		return n, err
	}
	s.notices.forget()
	s.Hub.Log.Info("notice written", "notice", n.ID, "by", n.By)
	return n, nil
}

// noticeFrom gives the notice as it is to become, if the caller may write it.
func (s *Server) noticeFrom(c *call, w noticeWritten) (hub.Notice, error) {
	n, now := hub.Notice{Municipality: w.audience()}, s.Hub.Clock()
	if w.ID != "" {
		var err error
		if n, err = s.noticeNamed(c, w.ID); err != nil {
			return n, err
		}
	} else if w.Municipality == "" {
		return n, refusedFields(fault{"/municipality", "required"})
	}
	if !s.writesFor(c, n.Municipality) || w.Municipality != "" && w.audience() != n.Municipality {
		return n, refusedFields(fault{"/municipality", "enum"})
	}
	if w.End && w.ID != "" {
		n.Until = now
		return n, nil
	}
	w.Swedish, w.English = oneLine(w.Swedish), oneLine(w.English)
	faults := w.faults(now)
	if len(faults) > 0 {
		return n, refusedFields(faults...)
	}
	n.Swedish, n.English = w.Swedish, w.English
	n.From, n.Until, _ = w.times(now)
	return n, nil
}

// oneLine is a text as it is shown, however it was broken into lines in its field.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

func (w noticeWritten) audience() hub.Municipality {
	if w.Municipality == everybody {
		return ""
	}
	return hub.Municipality(w.Municipality)
}

// noticeNamed gives a notice that has not ended by its ID.
func (s *Server) noticeNamed(c *call, id string) (hub.Notice, error) {
	seen, err := s.noticesOf(c)
	if err != nil {
		return hub.Notice{}, err
	}
	for _, n := range seen {
		if n.ID == id {
			return n, nil
		}
	}
	return hub.Notice{}, hub.ErrNotFound
}

// writesFor reports whether the caller may write to a municipality's citizens, or, where
// there is no municipality, to all: that takes somebody who has them all.
func (s *Server) writesFor(c *call, m hub.Municipality) bool {
	if _, there := s.Hub.Bundle().Municipalities[m]; m != "" {
		return there && c.operator != "" && c.as.Sees(m, "")
	}
	return slices.ContainsFunc(*s.colleagues.Load(), func(o *colleague) bool {
		return o.Name == c.operator && slices.Contains(o.Municipalities, "*")
	})
}

func (w noticeWritten) faults(now time.Time) []fault {
	var faults []fault
	if w.Swedish == "" {
		faults = append(faults, fault{"/swedish", "required"})
	}
	for _, said := range []struct{ pointer, text string }{{"/swedish", w.Swedish}, {"/english", w.English}} {
		switch {
		case utf8.RuneCountInString(said.text) > mostNotice:
			faults = append(faults, fault{said.pointer, "length"})
		case strings.ContainsFunc(said.text, isUnprintable):
			faults = append(faults, fault{said.pointer, "control-character"})
		case mentionsPerson(said.text):
			faults = append(faults, fault{said.pointer, "personal-number"})
		}
	}
	if _, _, wrong := w.times(now); wrong != nil {
		faults = append(faults, *wrong)
	}
	return faults
}

// times reads from when until when the notice is shown.
func (w noticeWritten) times(now time.Time) (from, until time.Time, wrong *fault) {
	var err error
	if from = now; w.From != "" {
		if from, err = time.Parse(time.RFC3339, w.From); err != nil {
			return from, until, &fault{"/from", "date-time"}
		}
	}
	if w.Until == "" {
		return from, until, &fault{"/until", "required"}
	}
	until, err = time.Parse(time.RFC3339, w.Until)
	switch {
	case err != nil:
		return from, until, &fault{"/until", "date-time"}
	case !until.After(from) || !until.After(now):
		return from, until, &fault{"/until", "too-early"}
	case until.Sub(now) > noticeEnds:
		return from, until, &fault{"/until", "too-late"}
	}
	return from, until, nil
}

// — the page —

// A noticeView is a notice as the page shows it, and its form.
type noticeView struct {
	hub.Notice
	To          string // whom it is for
	Present     bool
	Writes      bool       // the reader may change it
	Audiences   []audience // whom a new one may be for
	Form        string     // names the fields of its form
	Begin, Over string     // as the form's fields have them, in Swedish time
}

// An audience is whom a notice may be for.
type audience struct{ Code, Name string }

// consoleNotices shows the present and coming notices, and lets who has signed in write.
func (s *Server) consoleNotices(c *call) error {
	seen, err := s.noticesOf(c)
	if err != nil {
		return err
	}
	v := struct {
		Notices []noticeView
		New     *noticeView // nil for who may write none
		Sign    signed
	}{nil, nil, s.signed(c, "driftmeddelanden")}
	v.Sign.Said = noticeOutcomes[c.r.URL.Query().Get("said")]
	for _, n := range seen {
		v.Notices = append(v.Notices, s.noticeView(c, n))
	}
	if audiences := s.audiencesOf(c); len(audiences) > 0 {
		v.New = &noticeView{Audiences: audiences, Form: "new"}
	}
	return c.page(http.StatusOK, page{Language: "sv", Title: "Driftmeddelanden", Console: true}, "notices", v)
}

func (s *Server) noticeView(c *call, n hub.Notice) noticeView {
	v := noticeView{
		Notice: n, To: "Alla kommuner", Present: !n.From.After(s.Hub.Clock()), Writes: s.writesFor(c, n.Municipality),
		Form: n.ID, Begin: n.From.In(hub.Stockholm).Format(fieldTime), Over: n.Until.In(hub.Stockholm).Format(fieldTime),
	}
	if n.Municipality != "" {
		v.To = s.municipalityName(n.Municipality)
	}
	return v
}

// audiencesOf gives those whom the caller may write to.
func (s *Server) audiencesOf(c *call) []audience {
	var audiences []audience
	if s.writesFor(c, "") {
		audiences = append(audiences, audience{everybody, "Alla kommuner"})
	}
	for _, m := range sortedKeys(s.Hub.Bundle().Municipalities) {
		if s.writesFor(c, m) {
			audiences = append(audiences, audience{string(m), s.municipalityName(m)})
		}
	}
	return audiences
}

// writeNoticeOnPage is writeNotice for a browser without scripts.
func (s *Server) writeNoticeOnPage(c *call) error {
	f, err := s.readFields(c, "id", "municipality", "swedish", "english", "from", "until", "end")
	if err != nil {
		return err
	}
	outcome := "written"
	if f["end"] != "" {
		outcome = "ended"
	}
	_, err = s.saveNotice(c, noticeWritten{
		ID: f["id"], Municipality: f["municipality"], Swedish: f["swedish"], English: f["english"],
		From: fromField(f["from"]), Until: fromField(f["until"]), End: f["end"] != "",
	})
	if err != nil {
		return err
	}
	return c.seeOther("/console/driftmeddelanden?said=" + outcome)
}

// fieldTime is how a browser's field for a time writes it, and reads it.
const fieldTime = "2006-01-02T15:04"

// fromField gives a time that was written as it is in Sweden as the API has it. A time
// that is none is given as it is, and so is one that the clocks leap over in spring.
func fromField(text string) string {
	t, err := time.ParseInLocation(fieldTime, text, hub.Stockholm)
	if err != nil || t.Format(fieldTime) != text {
		return text
	}
	return t.Format(time.RFC3339)
}

// noticesLast is how long what was read of the notices holds: every citizen's page asks
// for them.
const noticesLast = 3 * time.Second

// A noticeBoard remembers the notices for a moment.
type noticeBoard struct {
	mu   sync.Mutex
	read time.Time
	all  []hub.Notice
}

// at gives the notices that have not ended, as they were not long before now.
func (b *noticeBoard) at(ctx context.Context, from hub.Store, now time.Time) ([]hub.Notice, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.read.IsZero() && now.Sub(b.read) < noticesLast {
		return b.all, nil
	}
	all, err := from.Notices(ctx, now)
	if err != nil {
		return nil, err
	}
	b.all, b.read = all, now
	return all, nil
}

// forget has what somebody has just written be read at once.
func (b *noticeBoard) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.read = time.Time{}
}
