package soap

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/declared"
	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// A system is one business system, as calls reach it.
type system struct {
	env     hub.Env
	url     string
	space   string // of the version's envelope
	line    *declared.Line
	secrets map[string]hub.Secret // by the places in the header
}

// A demand is one call as systems.yaml has it.
type demand struct {
	action   string
	envelope declared.Template // all of it
	faults   declared.Meanings
	statuses declared.Meanings
	none     string // the Fault that says that there is none
	outcome  *declared.Outcome
	lag      time.Duration
}

// call makes a call and gives the Body of its answer, when the answer is none of the four but yes.
func (s *system) call(ctx context.Context, client *http.Client, q *demand, b declared.Body, header http.Header) (declared.Node, error) {
	a, err := s.line.Make(ctx, client, declared.Call{
		Method: http.MethodPost, Address: s.url, Header: s.headers(q, header), Body: b, Statuses: q.statuses, Lag: q.lag,
	})
	if err != nil {
		return nil, err
	}
	body, unreadable := readEnvelope(a)
	if names := faultNames(body); len(names) > 0 && !saysMore(a.Status) {
		return nil, q.judge(a, names)
	}
	switch err := a.Judge(); {
	case err != nil:
		return nil, err
	case isParts(a):
		return nil, hub.Strange(errors.New("the answer comes in parts (MTOM), which are not read"))
	case unreadable != nil:
		return nil, hub.Strange(fmt.Errorf("the answer cannot be read: %w", unreadable))
	}
	return body, q.outcome.Judge(a, body)
}

// headers say which operation is called, as the version has it.
func (s *system) headers(q *demand, more http.Header) http.Header {
	h := http.Header{}
	if s.space == space12 {
		h.Set("Content-Type", `application/soap+xml; charset=utf-8; action="`+q.action+`"`)
	} else {
		h.Set("Content-Type", "text/xml; charset=utf-8")
		h.Set("SOAPAction", `"`+q.action+`"`)
	}
	for name, values := range more {
		h[name] = values
	}
	return h
}

func isParts(a *declared.Answer) bool {
	said, _, err := mime.ParseMediaType(a.Header.Get("Content-Type"))
	return err == nil && strings.HasPrefix(said, "multipart/")
}

// with adds what places in the header are filled in with.
func (s *system) with(q *demand, v declared.Values) declared.Values {
	v = v.With("action", q.action)
	for place, secret := range s.secrets {
		v = v.With(place, secret.Reveal())
	}
	return v
}

// making hands over a document: as the Body, or as a text in the operation's request.
func (s *system) making(q *demand, keyHeader string) declared.Making {
	return func(ctx context.Context, d hub.Delivery) (declared.Node, error) {
		text, err := s.fill(q, d)
		if err != nil {
			return nil, hub.Reject(err)
		}
		header := http.Header{}
		if keyHeader != "" {
			header.Set(keyHeader, string(d.Key))
		}
		return s.call(ctx, s.env.HTTP, q, declared.Bytes(text), header)
	}
}

// fill puts a document in its envelope.
func (s *system) fill(q *demand, d hub.Delivery) ([]byte, error) {
	v := s.with(q, declared.ValuesOf(d))
	if !q.envelope.Has("body") {
		document, err := asText(d.Document)
		if err != nil {
			return nil, errNoXML
		}
		text, err := q.envelope.Text(v.With("document", string(document)), escape)
		return []byte(text), err
	}
	document, err := inBody(d.Document)
	if err != nil {
		return nil, errNoXML
	}
	before, after, err := cut(q.envelope, "body", v)
	return append(append(before, document...), after...), err
}

var errNoXML = errors.New("the document is no XML that can stand in an envelope")

// cut fills in what stands before and after a place that is filled in otherwise.
func cut(t declared.Template, place string, v declared.Values) (before, after []byte, err error) {
	first, last := t.Cut(place)
	start, err := first.Text(v, escape)
	if err != nil {
		return nil, nil, err
	}
	end, err := last.Text(v, escape)
	return []byte(start), []byte(end), err
}

// handing hands over a file, which is made base64 while it is read: however large, it costs a buffer.
func (s *system) handing(q *demand) declared.Handing {
	return func(ctx context.Context, f declared.Handed, v declared.Values) (declared.Node, error) {
		v = s.with(q, v).With("name", f.As).With("type", f.MediaType()).With("size", strconv.FormatInt(f.Blob.Size, 10))
		before, after, err := cut(q.envelope, "content", v)
		if err != nil {
			return nil, hub.Reject(err)
		}
		body := declared.Wrapped(before, declared.Base64(declared.Content(f.File)), after)
		return s.call(ctx, s.env.HTTP, q, body, nil)
	}
}

// question asks what changes nothing.
func (s *system) question(q *demand) declared.Question {
	return func(ctx context.Context, client *http.Client, v declared.Values) (declared.Node, error) {
		text, err := q.envelope.Text(s.with(q, v), escape)
		if err != nil {
			return nil, err
		}
		return s.call(ctx, client, q, declared.Bytes([]byte(text)), nil)
	}
}

// bodyPlace is a Body that something is put into.
var bodyPlace = &document.Element{Name: "soap:Body", Text: "{body}"}
