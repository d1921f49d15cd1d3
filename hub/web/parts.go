package web

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/envelope"
)

// formType is how a form comes with its files.
const formType = "multipart/form-data"

const (
	mostParts      = 1000
	mostPartHeader = 16 << 10
)

// readParts reads a form with its files: first the part "submission", the envelope,
// and then one part for each file. A file's part is called "file", or as the question
// that the file answers. Files stream to the intake as they come.
func (s *Server) readParts(c *call, b *body, boundary string, intake hub.Intake) (hub.Submission, error) {
	var form hub.Submission
	if len(boundary) < 1 || len(boundary) > 70 {
		return form, refusal("malformed-request")
	}
	all := &tail{from: b}
	parts := multipart.NewReader(all, boundary)
	first, err := nextPart(parts)
	if err != nil && err != io.EOF {
		return form, err
	}
	if err == io.EOF || first.name != "submission" {
		return form, refusedFields(fault{"", "submission-not-first"})
	}
	if first.media != "" && envelope.PlainType(first.media) != jsonType {
		return form, refusal("unsupported-media-type")
	}
	form, files, err := s.readEnvelope(c, first, intake, true)
	if err != nil {
		return form, err
	}
	for n := 0; ; n++ {
		p, err := nextPart(parts)
		switch {
		case err == io.EOF && !all.endsWith("--"+boundary+"--"):
			return form, refusal("malformed-request")
		case err == io.EOF && len(files) > n:
			return form, refusedFields(fault{"/attachments/" + strconv.Itoa(n), "file-missing"})
		case err == io.EOF:
			return form, nil
		case err != nil:
			return form, err
		case n+2 > mostParts:
			return form, refusal("too-many-parts")
		}
		file, err := p.attachment(c, intake, files, n)
		if err != nil {
			return form, err
		}
		form.Attachments = append(form.Attachments, file)
	}
}

// A tail remembers the end of what was read. To multipart, parts that break off in a
// part's header are whole.
type tail struct {
	from io.Reader
	last []byte
}

func (t *tail) Read(p []byte) (int, error) {
	n, err := t.from.Read(p)
	t.last = append(t.last, p[:n]...)
	t.last = t.last[max(0, len(t.last)-100):]
	return n, err
}

// endsWith reads what is left and reports whether it ends so, blanks aside.
func (t *tail) endsWith(text string) bool {
	_, err := io.Copy(io.Discard, t)
	return err == nil && strings.HasSuffix(strings.TrimRight(string(t.last), " \t\r\n"), text)
}

// A part is one part of a form that comes in several.
type part struct {
	io.Reader
	name     string
	filename string
	isFile   bool
	media    string
}

// nextPart gives io.EOF after the last one.
func nextPart(parts *multipart.Reader) (part, error) {
	p, err := parts.NextRawPart()
	if err == io.EOF {
		return part{}, io.EOF
	}
	if err != nil {
		return part{}, notFromCaller(err)
	}
	size := 0
	for name, values := range p.Header {
		size += len(name) + len(strings.Join(values, ""))
	}
	said := p.Header["Content-Disposition"]
	encoding := strings.ToLower(p.Header.Get("Content-Transfer-Encoding"))
	if size > mostPartHeader || len(said) != 1 || encoding != "" && encoding != "binary" && encoding != "8bit" && encoding != "7bit" {
		return part{}, refusal("malformed-request")
	}
	kind, parameters, err := mime.ParseMediaType(said[0])
	if err != nil || kind != "form-data" {
		return part{}, refusal("malformed-request")
	}
	filename, isFile := parameters["filename"]
	return part{cut{p}, parameters["name"], filename, isFile, p.Header.Get("Content-Type")}, nil
}

// notFromCaller keeps our own refusals and hides the texts of multipart, which quote.
func notFromCaller(err error) error {
	var known *problem
	if errors.As(err, &known) {
		return known
	}
	return refusal("malformed-request")
}

// cut is a part's content, whose errors are ours.
type cut struct{ from io.Reader }

func (c cut) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	if err != nil && err != io.EOF {
		err = notFromCaller(err)
	}
	return n, err
}

// attachment takes in the n-th file. What the envelope declared of it stands before
// what its part says.
func (p part) attachment(c *call, intake hub.Intake, files []envelope.File, n int) (hub.Attachment, error) {
	pointer := "/attachments/" + strconv.Itoa(n)
	switch {
	case !p.isFile:
		return hub.Attachment{}, refusedFields(fault{"", "part-without-filename"})
	case p.name == "" || p.name == "submission" || len(p.name) > envelope.MostText || !utf8.ValidString(p.name):
		return hub.Attachment{}, refusedFields(fault{"", "unknown-part"})
	case len(files) > 0 && n >= len(files):
		return hub.Attachment{}, refusedFields(fault{pointer, "file-not-declared"})
	}
	blob, err := intake.Put(c.r.Context(), p)
	if err != nil {
		return hub.Attachment{}, err
	}
	a := hub.Attachment{
		Name: envelope.DisplayName(p.filename, n), Type: envelope.PlainType(p.media), Size: blob.Size, Blob: blob,
	}
	if p.name != "file" {
		a.Question = p.name
	}
	if len(files) == 0 {
		return a, nil
	}
	if !files[n].Fits(blob) {
		return hub.Attachment{}, refusedFields(fault{pointer, "attachment-hash-mismatch"})
	}
	if files[n].Name != "" {
		a.Name = envelope.DisplayName(files[n].Name, n)
	}
	if files[n].Type != "" {
		a.Type = envelope.PlainType(files[n].Type)
	}
	return a, nil
}
