package rest

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"slices"

	"github.com/knutpunkt/knutpunkt/connectors/declared"
)

// A parcel is how a file is sent.
type parcel struct {
	sending
	form        bool
	field       string // of the form: what the file is called there
	fields      map[string]declared.Template
	sumHeader   string
	disposition bool
	silent      bool // nothing in the answer need be understood
}

// landsTwice reports whether a file that is sent again takes its own place.
func (p *parcel) landsTwice() bool {
	return p.method == http.MethodPut && (p.path.Has("n") || p.path.Has("sha256"))
}

// handing hands over a file.
func (s *system) handing(p *parcel) declared.Handing {
	return func(ctx context.Context, f declared.Handed, v declared.Values) (declared.Node, error) {
		body, header := p.pack(f, v)
		a, err := s.send(ctx, p.sending, v, header, body)
		if err != nil || p.silent {
			return nil, err
		}
		return s.read(a, declared.MaxAnswer, p.outcome)
	}
}

// pack gives what is sent of a file, and what is said of it.
func (p *parcel) pack(f declared.Handed, v declared.Values) (body declared.Body, header http.Header) {
	if p.form {
		body, header = p.formWith(f, v)
	} else {
		body, header = declared.Content(f.File), http.Header{"Content-Type": {f.MediaType()}}
		if p.disposition {
			named := map[string]string{"filename": f.As}
			header.Set("Content-Disposition", mime.FormatMediaType("attachment", named))
		}
	}
	if p.sumHeader != "" {
		header.Set(p.sumHeader, f.Sum())
	}
	return body, header
}

// formWith makes a form with the file and the fields beside it. Its boundary is made of the file's own
// hash, which no file can hold; the name stands in UTF-8 as it is, as RFC 7578 has it.
func (p *parcel) formWith(f declared.Handed, v declared.Values) (declared.Body, http.Header) {
	var before bytes.Buffer
	form := multipart.NewWriter(&before)
	form.SetBoundary("knutpunkt-" + f.Sum()[:40])
	for _, field := range slices.Sorted(maps.Keys(p.fields)) {
		form.WriteField(field, p.fields[field].Plain(v))
	}
	form.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {fmt.Sprintf(`form-data; name="%s"; filename="%s"`, p.field, f.As)},
		"Content-Type":        {f.MediaType()},
	})
	start := bytes.Clone(before.Bytes())
	before.Reset()
	form.Close()
	end := before.Bytes()
	return declared.Wrapped(start, declared.Content(f.File), end), http.Header{"Content-Type": {form.FormDataContentType()}}
}
