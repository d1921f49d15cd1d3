package soap

import (
	"bytes"
	"encoding/xml"
	"errors"
	"maps"
	"mime"
	"slices"
	"strings"

	"github.com/knutpunkt/knutpunkt/connectors/declared"
	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// The namespaces of the two versions' envelopes.
const (
	space11 = "http://schemas.xmlsoap.org/soap/envelope/"
	space12 = "http://www.w3.org/2003/05/soap-envelope"
)

// A frame is what stands around the Body of every call. The prefix soap is the envelope's.
type frame struct {
	space   string
	attrs   []document.Attr // the namespaces that requests and header may use
	headers []*document.Element
}

func newFrame(space string, namespaces map[string]string) *frame {
	f := &frame{space: space, attrs: []document.Attr{{Name: "xmlns:soap", Value: space}}}
	for _, prefix := range slices.Sorted(maps.Keys(namespaces)) {
		f.attrs = append(f.attrs, document.Attr{Name: "xmlns:" + prefix, Value: namespaces[prefix]})
	}
	return f
}

// parse reads XML that is to stand in an envelope.
func (f *frame) parse(text string) ([]*document.Element, error) {
	var start strings.Builder
	start.WriteString("<soap:Body")
	for _, a := range f.attrs {
		start.WriteString(" " + a.Name + `="` + escape(a.Value) + `"`)
	}
	start.WriteString(">")
	whole, err := document.ReadXML(strings.NewReader(start.String()+text+"</soap:Body>"), document.Limits{})
	switch {
	case err != nil:
		return nil, err
	case len(whole.Children) == 0 || strings.TrimSpace(whole.Text) != "":
		return nil, errors.New("it must be XML elements")
	}
	return whole.Children, nil
}

// around writes an envelope around what is in its Body.
func (f *frame) around(body *document.Element) (string, error) {
	envelope := &document.Element{Name: "soap:Envelope", Attrs: f.attrs}
	if len(f.headers) > 0 {
		envelope.Children = append(envelope.Children, &document.Element{Name: "soap:Header", Children: f.headers})
	}
	envelope.Children = append(envelope.Children, body)
	text, err := document.WriteXML(envelope, document.Style{})
	return string(text), err
}

// escape writes a text so that it can stand anywhere in XML, in quotes too.
func escape(text string) string {
	var out bytes.Buffer
	xml.EscapeText(&out, []byte(text)) // writing to a buffer does not fail
	return out.String()
}

// inBody gives a document as it can stand in a Body: in UTF-8, and without a declaration of its own.
func inBody(d hub.Document) ([]byte, error) { return rewritten(d, document.Style{Bare: true}) }

// asText gives a document as a text, in UTF-8.
func asText(d hub.Document) ([]byte, error) { return rewritten(d, document.Style{}) }

func rewritten(d hub.Document, style document.Style) ([]byte, error) {
	root, err := document.ReadXML(bytes.NewReader(d.Reveal()), document.Limits{Bytes: declared.MaxList, Elements: 1_000_000})
	if err != nil {
		return nil, err
	}
	return document.WriteXML(root, style)
}

// readEnvelope gives the Body of an answer; an error for what is no envelope.
func readEnvelope(a *declared.Answer) (*document.Element, error) {
	text := slices.Concat(missingDeclaration(a), a.Text)
	root, err := document.ReadXML(bytes.NewReader(text), document.Limits{
		Bytes: declared.MaxList, Elements: 1_000_000, Text: declared.MaxList,
	})
	body := root.Child("Body")
	switch {
	case err != nil:
		return nil, err
	case root.Local() != "Envelope" || root.Space() != space11 && root.Space() != space12 || body.Space() != root.Space():
		return nil, errors.New("it is no SOAP envelope")
	}
	return body, nil
}

// missingDeclaration says in which charset an answer is, where only its Content-Type has said so.
func missingDeclaration(a *declared.Answer) []byte {
	_, said, err := mime.ParseMediaType(a.Header.Get("Content-Type"))
	charset := strings.ToLower(said["charset"])
	if err != nil || charset != "iso-8859-1" && charset != "windows-1252" || bytes.HasPrefix(a.Text, []byte("<?xml")) {
		return nil
	}
	return []byte(`<?xml version="1.0" encoding="` + charset + `"?>`)
}
