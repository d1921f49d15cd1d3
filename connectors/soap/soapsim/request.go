package soapsim

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/knutpunkt/knutpunkt/hub/document"
)

// A request is what was asked for.
type request struct {
	operation string
	body      *document.Element // the operation's element; the content of a file is not in it
	sum       string            // of the operation's element, SHA-256
	file      *content
}

const (
	dataSpace = "urn:exempel:arende"
	space11   = "http://schemas.xmlsoap.org/soap/envelope/"
	space12   = "http://www.w3.org/2003/05/soap-envelope"
)

func (s *Sim) space() string {
	if s.SOAP12 {
		return space12
	}
	return space11
}

// read reads a request strictly. When it is none, fault is the code of the Fault that says so.
func (s *Sim) read(r *http.Request) (q request, fault string) {
	q.file = &content{sum: sha256.New()}
	envelope, err := document.ReadXMLDiverting(r.Body, document.Limits{Bytes: 8 << 20}, func(path []string) io.Writer {
		if path[len(path)-1] == "Innehall" {
			return q.file
		}
		return nil
	})
	body := envelope.Child("Body")
	switch {
	case err != nil:
		return q, "Client"
	case envelope.Local() != "Envelope" || envelope.Space() != s.space():
		return q, "VersionMismatch"
	case body == nil || len(body.Children) != 1:
		return q, "Client"
	}
	q.body = body.Children[0]
	q.operation = q.body.Local()
	switch action := s.action(r); {
	case !s.knows(envelope.Path("Header/Security/UsernameToken")):
		return q, "FailedAuthentication"
	case action != dataSpace+"/"+q.operation:
		return q, "ActionNotSupported"
	}
	text, err := alone(envelope, body, q.body)
	if err != nil || s.schema.Validate(text) != nil || q.file.broken() {
		return q, "Client"
	}
	sum := sha256.Sum256(text)
	q.sum = hex.EncodeToString(sum[:])
	return q, ""
}

// action gives the soapAction, from where the version has it.
func (s *Sim) action(r *http.Request) string {
	said, more, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case err != nil:
		return ""
	case s.SOAP12 && said == "application/soap+xml":
		return more["action"]
	case !s.SOAP12 && said == "text/xml":
		return strings.Trim(r.Header.Get("SOAPAction"), `"`)
	}
	return ""
}

// knows reports whether a caller is let in.
func (s *Sim) knows(token *document.Element) bool {
	return s.Secret == "" || token.Value("Password") == s.Secret && token.Value("Username") != ""
}

// alone writes an element as a document of its own, with the prefixes that were declared around it.
func alone(envelope, body, e *document.Element) ([]byte, error) {
	one := *e
	one.Attrs = slices.Clone(e.Attrs)
	for _, a := range slices.Concat(body.Attrs, envelope.Attrs) {
		declares := strings.HasPrefix(a.Name, "xmlns")
		if declares && !slices.ContainsFunc(one.Attrs, func(b document.Attr) bool { return b.Name == a.Name }) {
			one.Attrs = append(one.Attrs, a)
		}
	}
	return document.WriteXML(&one, document.Style{})
}

// A content takes base64 as it streams by, and keeps its hash.
type content struct {
	rest []byte // less than four characters
	sum  hash.Hash
	size int64
	bad  bool
}

func (c *content) Write(p []byte) (int, error) {
	for _, b := range p {
		if b > ' ' {
			c.rest = append(c.rest, b)
		}
	}
	whole := len(c.rest) / 4 * 4
	raw, err := base64.StdEncoding.AppendDecode(nil, c.rest[:whole])
	c.bad = c.bad || err != nil
	c.sum.Write(raw)
	c.size += int64(len(raw))
	c.rest = append(c.rest[:0], c.rest[whole:]...)
	return len(p), nil
}

func (c *content) broken() bool { return c.bad || len(c.rest) > 0 }

func (c *content) hash() string { return hex.EncodeToString(c.sum.Sum(nil)) }
