package web

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// Mina ärenden: what a citizen sees of her cases, on the public listener. It works without
// scripts; with them an open page follows what happens. Without a login none of it is there.

// showStart tells what this is, and for whom.
func (s *Server) showStart(c *call) error {
	switch err := s.mustBeCitizen(c); problemSlug(err) {
	case "", "not-logged-in":
	default:
		return err
	}
	v := struct {
		tongue
		LoggedIn bool
		Councils []wearer
	}{s.tongueOf(c), c.citizen != nil, nil}
	ms := sortedKeys(s.Hub.Bundle().Municipalities)
	for _, m := range ms {
		v.Councils = append(v.Councils, s.wearerOf(m))
	}
	slices.SortFunc(v.Councils, func(a, b wearer) int { return cmp.Compare(a.Name, b.Name) })
	title, _ := v.Say("start-title")
	return s.framed(c, http.StatusOK, frame{tongue: v.tongue, Title: title, Councils: ms, NoticesTo: ms}, "citizen-start", v)
}

func problemSlug(err error) string {
	if err == nil {
		return ""
	}
	return problemOf(err).slug
}

// showMine shows all of a citizen's cases, in every municipality, the newest first.
func (s *Server) showMine(c *call) error {
	if err := s.citizenPage(c); err != nil {
		return err
	}
	ctx := c.r.Context()
	hidden := s.Hub.Renew(ctx, c.as)
	all, err := s.ownCases(ctx, c.as)
	if err != nil {
		return err
	}
	v := struct {
		tongue
		Cases        []citizenCase
		Hidden       bool
		Older, Newer bool
		Before       hub.CaseID
	}{tongue: s.tongueOf(c), Hidden: hidden > 0}
	before := hub.CaseID(c.r.URL.Query().Get("before"))
	shown := olderThan(before, all)
	v.Newer, v.Older = before != "", len(shown) > mostMine
	if v.Older {
		shown = shown[:mostMine]
		v.Before = shown[mostMine-1].Case.ID
	}
	for _, l := range shown {
		statuses, err := s.store.Statuses(ctx, c.as, l.Case.ID, 0, mostLines)
		if err != nil {
			return err
		}
		v.Cases = append(v.Cases, s.citizenView(l.Case, l.Inkommen, statuses, v.tongue))
	}
	everybodys := sortedKeys(s.Hub.Bundle().Municipalities) // a case may come from any of them while the page is open
	f := frame{tongue: v.tongue, Councils: everybodys, NoticesTo: councilsOf(all), Live: true}
	f.Title, _ = v.Say("site")
	return s.framed(c, http.StatusOK, f, "citizen-cases", v)
}

func councilsOf(forms []hub.Line) []hub.Municipality {
	var ms []hub.Municipality
	for _, l := range forms {
		if !slices.Contains(ms, l.Case.Municipality) {
			ms = append(ms, l.Case.Municipality)
		}
	}
	return ms
}

// showCase shows one case.
func (s *Server) showCase(c *call) error {
	if err := s.citizenPage(c); err != nil {
		return err
	}
	ctx, t := c.r.Context(), s.tongueOf(c)
	hidden := s.Hub.Renew(ctx, c.as)
	id := hub.CaseID(c.r.PathValue("id"))
	view, err := s.citizenCase(ctx, c.as, id, string(t))
	if err != nil {
		return hiddenIs(err, hidden)
	}
	sent, err := s.sentBy(ctx, c.as, id)
	if err != nil {
		return err
	}
	v := struct {
		citizenCase
		Receipt bool
	}{view, len(sent) > 0}
	f := frameOf(&v.Wearer, t)
	f.Title, f.Live = v.Title, true
	return s.framed(c, http.StatusOK, f, "citizen-case-page", v)
}

// hiddenNow is the code of what is not shown now, and may be later.
const hiddenNow = "hidden-now"

// hiddenIs tells who asks for a case that a register must first vouch for that it may be
// there later.
func hiddenIs(err error, hidden int) error {
	if hidden > 0 && errors.Is(err, hub.ErrNotFound) {
		p := refusal("not-found")
		p.code = hiddenNow
		return p
	}
	return err
}

// — the receipt —

// A receiptView is what somebody keeps of a form that she sent in.
type receiptView struct {
	Form                     string // what it was: the first, or a completion
	ID                       hub.ID
	Number                   string // the e-service's own
	Inkommen, Received, Sent string
	Original                 string // the hash of what came in, "" where it is not kept
	OriginalSize             string
	Files                    []fileView
}

type fileView struct{ Name, Size, SHA256 string }

// showReceipt shows the receipt of the forms of a case that the caller sent in herself.
func (s *Server) showReceipt(c *call) error {
	if err := s.citizenPage(c); err != nil {
		return err
	}
	ctx, t := c.r.Context(), s.tongueOf(c)
	of, err := s.store.Case(ctx, c.as, hub.CaseID(c.r.PathValue("id")))
	if err != nil {
		return err
	}
	sent, err := s.sentBy(ctx, c.as, of.ID)
	if err != nil {
		return err
	}
	if len(sent) == 0 {
		return refusal("not-found")
	}
	v := struct {
		tongue
		Case                 hub.CaseID
		Wearer               wearer
		Title, TitleLanguage string
		Ref                  string
		Forms                []receiptView
		Fetched              string
	}{tongue: t, Case: of.ID, Wearer: s.wearerOf(of.Municipality), Ref: of.Ref, Fetched: exact(s.Hub.Clock())}
	v.Title, v.TitleLanguage = s.citizenTitle(of, t)
	for _, form := range sent {
		r, err := s.receiptOf(ctx, c.as, of, form, t)
		if err != nil {
			return err
		}
		v.Forms = append(v.Forms, r)
	}
	f := frameOf(&v.Wearer, t)
	f.Title, _ = t.Say("receipt-title")
	return s.framed(c, http.StatusOK, f, "citizen-receipt", v)
}

// sentBy gives the forms of a case that the Viewer sent in. What has been purged, or
// cannot be opened, has no receipt.
func (s *Server) sentBy(ctx context.Context, v hub.Viewer, id hub.CaseID) ([]hub.Submission, error) {
	of, err := s.store.Case(ctx, v, id)
	if err != nil {
		return nil, err
	}
	var sent []hub.Submission
	for _, p := range of.Submissions {
		form, err := s.store.Submission(ctx, v, p.Submission)
		switch {
		case errors.Is(err, hub.ErrContents), errors.Is(err, hub.ErrNotFound):
		case err != nil:
			return nil, err
		case form.SentBy(v):
			sent = append(sent, form)
		}
	}
	return sent, nil
}

func (s *Server) receiptOf(ctx context.Context, v hub.Viewer, of hub.Case, form hub.Submission, t tongue) (receiptView, error) {
	r := receiptView{
		Form: t.of(texts["first-form"]), ID: form.ID, Number: form.Source.ID,
		Inkommen: exact(form.Inkommen), Received: exact(form.Received), Sent: exact(form.Submitted),
	}
	if !of.Begins(hub.Key(form.ID)) {
		r.Form = t.of(texts["later-form"])
	}
	if form.Original.SHA256 != [32]byte{} {
		r.Original, r.OriginalSize = hex.EncodeToString(form.Original.SHA256[:]), t.size(form.Original.Size)
	}
	facts, err := s.store.Facts(ctx, v, form.ID)
	if err != nil && !errors.Is(err, hub.ErrContents) {
		return r, err
	}
	for i, a := range form.Attachments {
		blob := a.Blob
		if fetched, there := facts.Fetched[i]; there {
			blob = fetched
		}
		file := fileView{Name: a.Name, SHA256: t.of(texts["fetching"])}
		if blob.ID != "" {
			file.Size, file.SHA256 = t.size(blob.Size), hex.EncodeToString(blob.SHA256[:])
		}
		r.Files = append(r.Files, file)
	}
	return r, nil
}

// exact writes a time to the second, in Swedish time.
func exact(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.In(hub.Stockholm).Format("2006-01-02 15:04:05")
}

func (t tongue) size(bytes int64) string {
	return strconv.FormatInt(bytes, 10) + " " + t.of(texts["bytes"])
}

// — what stands around them —

var (
	frameStyle = readPage("pages/mina.css")
	caseStyle  = readPage("pages/citizen-case.css")
	liveScript = readPage("pages/mina.js")
)

// A frame is what stands around a citizen's page.
type frame struct {
	tongue
	Title     string
	Wearer    *wearer            // whose the page is; nil for nobody's
	Councils  []hub.Municipality // whose colours are on it
	NoticesTo []hub.Municipality
	Live      bool // the page follows what happens

	LoggedIn bool
	Path     string
	InOther  string // the address of the same page in the other language
	At       string
	Notices  []frameNotice
	Styles   []template.CSS
	Script   template.JS
	Body     template.HTML
}

// frameOf is what stands around a page of one municipality.
func frameOf(w *wearer, t tongue) frame {
	own := []hub.Municipality{w.Code}
	return frame{tongue: t, Wearer: w, Councils: own, NoticesTo: own}
}

// framed answers with the template body, filled with v, in its frame.
func (s *Server) framed(c *call, status int, f frame, body string, v any) error {
	inner, err := render(body, v)
	if err != nil {
		return err
	}
	notices, err := s.noticesFor(c.r.Context(), f.NoticesTo, f.Language())
	if err != nil {
		return err
	}
	now := s.Hub.Clock()
	for _, n := range notices {
		f.Notices = append(f.Notices, frameNotice{n, f.dated(n.Until, now)})
	}
	f.LoggedIn, f.Path, f.Body = c.citizen != nil, c.r.URL.Path, template.HTML(inner)
	f.At = now.In(hub.Stockholm).Format("15:04")
	f.InOther = inOther(c.r.URL.Query(), f.Other())
	f.Styles = []template.CSS{template.CSS(frameStyle), template.CSS(caseStyle), template.CSS(coloursOf(s.Hub.Bundle(), f.Councils))}
	f.Script = template.JS(liveScript)
	whole, err := render("citizen", f)
	if err != nil {
		return err
	}
	h := c.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", f.Language())
	h.Set("Content-Security-Policy", policyFor(f.Styles, f.Script)+"; img-src 'self'")
	if h.Get("Referrer-Policy") == "" {
		h.Set("Referrer-Policy", "same-origin")
	}
	h.Set("Vary", "Accept-Language, Cookie")
	c.w.WriteHeader(status)
	c.w.Write(whole)
	return nil
}

// A frameNotice is a notice with its end in words.
type frameNotice struct {
	noticeText
	Ends dated
}

// inOther is the address of the same page in another language.
func inOther(had url.Values, other tongue) string {
	query := url.Values{"lang": {string(other)}}
	if before := had.Get("before"); segments["{id}"].MatchString(before) {
		query.Set("before", before)
	}
	return "?" + query.Encode()
}

// sorry tells a citizen why she is not shown what she asked for.
func (s *Server) sorry(c *call, p *problem) error {
	t := s.tongueOf(c)
	v := struct {
		tongue
		Title, Means string
		LoggedIn     bool
		LogIn        bool // is the next step
	}{tongue: t, LoggedIn: c.citizen != nil, LogIn: isOfLogin(p.slug)}
	said := catalogue[p.slug].in(string(t))
	v.Title, v.Means = said.title, p.means(string(t))
	switch {
	case p.code == hiddenNow:
		v.Means = t.of(texts["hidden"])
	case p.slug == "not-found":
		v.Means = t.of(texts["not-found"])
	case p.slug == "internal-error":
		v.Title, v.Means = t.of(texts["sorry"]), t.of(texts["out-of-order"])
	}
	return s.framed(c, p.status, frame{tongue: t, Title: v.Title}, "citizen-sorry", v)
}
