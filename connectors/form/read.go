package form

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
	"github.com/knutpunkt/knutpunkt/hub/envelope"
)

// mostForm is how large a form may be, in bytes, with the files that come in it. Larger files are
// referred to, and fetched.
const mostForm = 16 << 20

// The ways in which a well-formed document is no form that can be received, beside the codes of an
// envelope's faults.
const (
	UnknownForm        = "unknown-form"        // no mapping is for it
	NotUnderstood      = "not-understood"      // its mapping cannot make a submission of it
	AttachmentEncoding = "attachment-encoding" // not base64
	AttachmentMismatch = "attachment-hash-mismatch"
)

// Read makes a Submission of a form, by its mapping.
//
// What the mapping cannot make a submission of is a *hub.Malformed, with file and line: nothing has been
// received, the platform still has the form, and posts it again when the mapping has been mended. So a
// mapping should read what makes a form a form (which e-service, which number, when) and hand all the
// rest on as answers, where the route's own schema and mappings judge it, and a person can.
func (p *platform) Read(ctx context.Context, in hub.Incoming, b hub.Blobs) (hub.Submission, error) {
	tree, err := p.tree(in.Body)
	if err != nil {
		return hub.Submission{}, err
	}
	files := takeOut(tree, p.conf.Content)
	e, err := p.envelope(tree)
	if err != nil {
		return hub.Submission{}, err
	}
	s := e.Submission(p.env.ID)
	s.Attachments, err = p.attachments(ctx, e.Attachments, files, b)
	return s, err
}

// tree reads the form as expressions will see it.
func (p *platform) tree(from io.Reader) (any, error) {
	if p.conf.Format == "xml" {
		root, err := document.ReadXML(from, document.Limits{Bytes: mostForm})
		if err != nil {
			return nil, unreadable(err)
		}
		return treeOf(root), nil
	}
	text, err := io.ReadAll(io.LimitReader(from, mostForm+1))
	if err != nil {
		return nil, unreadable(err)
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // many platforms write a byte order mark
	tree, err := document.ReadJSON(text, document.Limits{Bytes: mostForm, Text: mostForm})
	if err != nil {
		return nil, unreadable(err)
	}
	return tree, nil
}

// unreadable keeps what an error says to whoever sent the form.
func unreadable(err error) error {
	var syntax *document.SyntaxError
	if errors.As(err, &syntax) {
		return &hub.Malformed{Kind: string(syntax.Kind), Detail: syntax.Error()}
	}
	return fmt.Errorf("read form: %w", err)
}

// envelope has the form's mapping make our own JSON of it.
func (p *platform) envelope(tree any) (envelope.Envelope, error) {
	m := p.mappings[""]
	if p.conf.Kind != "" {
		if m = p.mappings[textAt(tree, p.conf.Kind)]; m == nil {
			return envelope.Envelope{}, &hub.Malformed{Kind: UnknownForm, Detail: "no mapping is for what the form has at " + p.conf.Kind}
		}
	}
	doc, err := m.Render(hub.Known{Submission: hub.Submission{Answers: hub.NewAnswers(tree)}})
	if err != nil { // a *hub.MappingError, which holds no value
		return envelope.Envelope{}, &hub.Malformed{Kind: NotUnderstood, Detail: err.Error()}
	}
	e, err := envelope.Read(doc.Reveal())
	if err != nil {
		return e, unfit(err)
	}
	return e, p.faultIn(&e)
}

// unfit says what is wrong with our own JSON as the mapping made it.
func unfit(err error) error {
	var field *document.FieldError
	if errors.As(err, &field) {
		return &hub.Malformed{Kind: field.Code, Detail: "what the mapping makes of the form has at " + field.Pointer + ": " + field.Code}
	}
	return unreadable(err)
}

// faultIn gives the first fault of an envelope. It need not say what is known anyway: which system the
// form comes from, and whose a system in a municipality's own folder is.
func (p *platform) faultIn(e *envelope.Envelope) error {
	if e.Source.System == "" {
		e.Source.System = string(p.env.ID)
	}
	for _, f := range e.Faults() {
		if f.Pointer == "/municipality" && f.Code == "required" {
			continue
		}
		return &hub.Malformed{Kind: f.Code, Detail: "what the mapping makes of the form has at " + f.Pointer + ": " + f.Code}
	}
	return nil
}

// treeOf gives an element as expressions see it: a leaf is its text, what has children a group of them
// by local name, and one that comes several times a list. Attributes are called @NAME, and the text of
// an element that has some #text.
func treeOf(e *document.Element) any {
	group := map[string]any{}
	for _, a := range e.Attrs {
		_, local, prefixed := strings.Cut(a.Name, ":")
		switch {
		case a.Name == "xmlns" || strings.HasPrefix(a.Name, "xmlns:"):
		case prefixed:
			group["@"+local] = a.Value
		default:
			group["@"+a.Name] = a.Value
		}
	}
	if len(e.Children) == 0 && len(group) == 0 {
		return e.Text
	}
	if strings.TrimSpace(e.Text) != "" {
		group["#text"] = e.Text
	}
	for _, child := range e.Children {
		name, v := child.Local(), treeOf(child)
		switch before := group[name].(type) {
		case nil:
			group[name] = v
		case []any:
			group[name] = append(before, v)
		default:
			group[name] = []any{before, v}
		}
	}
	return group
}

// textAt gives the text at the end of a path; "" where there is none.
func textAt(tree any, path string) string {
	for name := range strings.SplitSeq(path, ".") {
		group, _ := tree.(map[string]any)
		tree = group[name]
	}
	text, _ := tree.(string)
	return strings.TrimSpace(text)
}
