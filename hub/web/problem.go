package web

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// problemType is the media type of RFC 9457.
const problemType = "application/problem+json"

// A problem is a refusal as the caller reads it. It never repeats what the caller
// sent: only which rule was broken, and where.
type problem struct {
	slug   string
	status int    // the slug's own, unless said otherwise
	said   string // what is wrong, in Swedish, by who knows the format; before what the slug means
	why    string // in place of what the slug means: which conflict, in the hub's own words
	code   string // which of the slug's rules, where it has several
	place  string // where, in words of the format: "byte 17", "line 3"
	faults []fault
	header http.Header
}

// A fault is one field that was refused.
type fault struct {
	Pointer string `json:"pointer"` // RFC 6901
	Code    string `json:"code"`
}

// noting gives what adds a fault where something is so.
func noting(faults *[]fault) func(is bool, pointer, code string) {
	return func(is bool, pointer, code string) {
		if is {
			*faults = append(*faults, fault{pointer, code})
		}
	}
}

func (p *problem) Error() string { return p.slug }

// refusal gives the problem with a slug of the catalogue.
func refusal(slug string) *problem { return &problem{slug: slug, status: catalogue[slug].status} }

// refusedFields gives the problem of an envelope with faults. When they are all of one
// sort that has a name of its own, that is the problem's name.
func refusedFields(faults ...fault) *problem {
	slug := faults[0].Code
	for _, f := range faults {
		if f.Code != slug {
			slug = "validation-failed"
		}
	}
	if _, named := catalogue[slug]; !named {
		slug = "validation-failed"
	}
	p := refusal(slug)
	p.status, p.faults = http.StatusUnprocessableEntity, faults
	return p
}

// problemOf gives what a caller is told of an error. Errors that are no fault of the
// caller's are not told.
func problemOf(err error) *problem {
	var known *problem
	var field *document.FieldError
	var syntax *document.SyntaxError
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &field):
		return refusedFields(fault{field.Pointer, field.Code})
	case errors.As(err, &syntax):
		return malformed("malformed-json", string(syntax.Kind), syntax.Error())
	case errors.As(err, &tooLong), errors.Is(err, hub.ErrTooLarge):
		return refusal("payload-too-large")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return refusal("request-timeout")
	case errors.Is(err, hub.ErrStorage):
		return retryLater("storage-degraded", "60")
	case errors.Is(err, hub.ErrUnreachable):
		return retryLater("unavailable", "5")
	case errors.Is(err, hub.ErrKeyReused):
		return refusal("idempotency-key-reused")
	case errors.Is(err, hub.ErrNotFound):
		return refusal("not-found")
	case errors.Is(err, hub.ErrFourEyes):
		return refusal("four-eyes-required")
	case errors.Is(err, hub.ErrOutdated):
		return refusal("version-conflict")
	case errors.Is(err, hub.ErrConflict):
		return stateConflict(err)
	case errors.Is(err, context.Canceled):
		return refusal("malformed-request") // the caller is gone; nobody reads it
	}
	return refusal("internal-error")
}

// malformed gives the problem of a text that breaks its format in a certain way; text
// is an error of ours that tells where.
func malformed(slug, kind, text string) *problem {
	if kind == string(document.TooLarge) {
		slug = "payload-too-large"
	}
	p := refusal(slug)
	p.code = kind
	if _, place, found := strings.Cut(text, " at "); found {
		p.place = place
	}
	return p
}

// stateConflict gives the problem of what the state of a row forbids.
func stateConflict(err error) *problem {
	p := refusal("state-conflict")
	_, p.why, _ = strings.Cut(err.Error(), hub.ErrConflict.Error()+": ")
	return p
}

// means gives what a problem means, in a language.
func (p *problem) means(language string) string {
	said := p.why
	if language == "sv" {
		said = conflicts[p.why]
	}
	said = cmp.Or(said, catalogue[p.slug].in(language).means)
	if p.said != "" {
		said = upper(p.said) + ". " + said
	}
	return said
}

func retryLater(slug, seconds string) *problem {
	p := refusal(slug)
	p.header = http.Header{"Retry-After": {seconds}}
	return p
}

// refuse answers with a problem. Where the rest of what the caller sends is not worth
// reading, the connection is closed.
func (f *face) refuse(c *call, err error) {
	p := problemOf(err)
	if p.slug == "internal-error" {
		f.Hub.Log.Error("call failed", "request", c.id, "route", c.route, "error", err)
	}
	if c.w.status != 0 { // a stream that broke off: it can only end
		return
	}
	h := c.w.Header()
	for name, values := range p.header {
		h[name] = values
	}
	if b, is := c.r.Body.(*body); is && !b.ended || p.status == http.StatusRequestEntityTooLarge {
		h.Set("Connection", "close")
	}
	if c.route == kundhandelsePattern {
		c.refuseNationally(p)
		return
	}
	if f.isForPeople(c) {
		f.explainPage(c, p)
		return
	}
	h.Set("Content-Type", problemType)
	h.Set("Content-Language", language(c.r.Header))
	c.w.WriteHeader(p.status)
	c.w.Write(p.json(c))
}

// isForPeople reports whether a refusal is to be a page. On the public listener it is where
// there are pages for citizens, and for who asks for pages in so many words, as browsers do.
func (f *face) isForPeople(c *call) bool {
	switch {
	case strings.HasPrefix(c.r.URL.Path, "/v1/"):
		return false
	case f.pages:
		return accepts(c.r.Header, "text/html")
	}
	return f.Login != nil && slices.Contains(preferences(c.r.Header, "Accept"), "text/html")
}

func (p *problem) json(c *call) []byte {
	text := catalogue[p.slug].in(language(c.r.Header))
	detail := p.means(language(c.r.Header))
	if p.code != "" {
		detail += " (" + p.code
		if p.place != "" {
			detail += ", " + p.place
		}
		detail += ")"
	}
	out, _ := json.Marshal(struct {
		Type     string  `json:"type"`
		Title    string  `json:"title"`
		Status   int     `json:"status"`
		Detail   string  `json:"detail"`
		Instance string  `json:"instance"`
		Code     string  `json:"code,omitempty"`
		Errors   []fault `json:"errors,omitempty"`
	}{"/problems/" + p.slug, text.title, p.status, detail, "urn:uuid:" + c.id, p.code, p.faults})
	return append(out, '\n')
}
