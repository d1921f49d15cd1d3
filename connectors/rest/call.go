package rest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/declared"
	"github.com/knutpunkt/knutpunkt/hub"
)

// A system is one business system, as calls reach it.
type system struct {
	env  hub.Env
	url  string // without a slash at its end
	xml  bool   // answers in XML
	line *declared.Line
}

// A sending is how something is sent: a document or a file.
type sending struct {
	method   string
	path     declared.Template
	statuses declared.Meanings
	outcome  *declared.Outcome
	lag      time.Duration
}

// send sends what is to be taken, and gives what judges the answer.
func (s *system) send(ctx context.Context, q sending, v declared.Values, header http.Header, b declared.Body) (
	*declared.Answer, error) {
	end, err := q.path.Address(v)
	if err != nil {
		return nil, hub.Reject(err)
	}
	a, err := s.line.Make(ctx, s.env.HTTP, declared.Call{
		Method: q.method, Address: s.url + end, Header: header, Body: b, Statuses: q.statuses, Lag: q.lag,
	})
	if err != nil {
		return nil, err
	}
	return a, a.Judge()
}

// making hands over a document.
func (s *system) making(q sending, keyHeader string) declared.Making {
	return func(ctx context.Context, d hub.Delivery) (declared.Node, error) {
		header := http.Header{"Content-Type": {d.Document.Type}}
		if keyHeader != "" {
			header.Set(keyHeader, string(d.Key))
		}
		a, err := s.send(ctx, q, declared.ValuesOf(d), header, declared.Bytes(d.Document.Reveal()))
		if err != nil {
			return nil, err
		}
		return s.read(a, declared.MaxAnswer, q.outcome)
	}
}

// question asks with GET. The status none says that there is none.
func (s *system) question(path declared.Template, none int, outcome *declared.Outcome) declared.Question {
	return func(ctx context.Context, client *http.Client, v declared.Values) (declared.Node, error) {
		end, err := path.Address(v)
		if err != nil {
			return nil, err
		}
		a, err := s.line.Make(ctx, client, declared.Call{Method: http.MethodGet, Address: s.url + end, None: none})
		if err != nil {
			return nil, err
		}
		if err := a.Judge(); err != nil {
			return nil, err
		}
		return s.read(a, declared.MaxList, outcome)
	}
}

// read reads an answer of at most so many bytes. One that cannot be read is no answer at all.
func (s *system) read(a *declared.Answer, most int64, outcome *declared.Outcome) (declared.Node, error) {
	tree, err := declared.ReadNode(a.Text, s.xml, most)
	switch {
	case err == nil:
		return tree, outcome.Judge(a, tree)
	case s.xml && begins(a.Text, "{["):
		err = errors.New("the answer begins as JSON does, and format says xml")
	case !s.xml && begins(a.Text, "<"):
		err = errors.New("the answer begins as XML does, and format says json")
	default:
		err = fmt.Errorf("the answer cannot be read: %w", err)
	}
	return nil, hub.Strange(err)
}

// begins reports whether a text, as people see it, begins with one of the characters.
func begins(text []byte, with string) bool {
	text = bytes.TrimLeft(text, "\ufeff \t\r\n")
	return len(text) > 0 && strings.IndexByte(with, text[0]) >= 0
}
