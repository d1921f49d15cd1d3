package web

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// shared is the folder under routes/ of what belongs to no single municipality.
const shared = "shared"

// take receives a form in its platform's own format.
func (s *Server) take(c *call) error {
	id, err := s.systemNamed(c.r.PathValue("system"), c.client.Municipalities)
	if err != nil {
		return err
	}
	if s.systems[id].Source == nil {
		return refusal("not-found")
	}
	if !c.client.mayPostAs(id) {
		return refusal("forbidden-scope")
	}
	media, _, err := c.mediaType("application/xml", "text/xml", jsonType)
	if err != nil {
		return err
	}
	key, err := idempotencyKey(c.r.Header)
	if err != nil {
		return err
	}
	return s.withIntake(c, mostBody, func(b *body, intake hub.Intake) error {
		form, err := s.read(c.r.Context(), id, media, b, intake)
		if err != nil {
			return err
		}
		if err := c.client.covers(form.Municipality, form.Service); err != nil {
			return err
		}
		return s.receive(c, hub.Arrival{Submission: form, Key: key, Intake: intake})
	})
}

// read has a source read what comes in, and keeps the bytes as they came.
func (s *Server) read(ctx context.Context, id hub.SystemID, media string, b *body, intake hub.Intake) (hub.Submission, error) {
	var form hub.Submission
	original, err := keepOriginal(ctx, intake, b, func(r io.Reader) (err error) {
		form, err = s.systems[id].Source.Read(ctx, hub.Incoming{Type: media, Body: r}, intake)
		return err
	})
	var broken *hub.Malformed
	switch {
	case b.failed != nil:
		return form, b.failed // what the source says of half a form is beside the point
	case errors.As(err, &broken):
		return form, unreadable(broken, media)
	case err != nil:
		return form, err
	}
	form.Original, form.OriginalType = original, media
	return form, s.place(&form, id)
}

// keepOriginal puts away what read is given to read, and what it leaves unread. It
// begins before read has got a byte and ends after read is done, so that files which
// read puts away never meet it in the intake.
func keepOriginal(ctx context.Context, intake hub.Intake, from io.Reader, read func(io.Reader) error) (hub.Blob, error) {
	out, in := io.Pipe()
	type kept struct {
		blob hub.Blob
		err  error
	}
	done := make(chan kept, 1)
	go func() {
		blob, err := intake.Put(ctx, out)
		out.CloseWithError(err)
		done <- kept{blob, err}
	}()
	defer in.CloseWithError(io.ErrUnexpectedEOF) // when read panics
	err := read(io.TeeReader(from, in))
	if err == nil {
		_, err = io.Copy(in, from)
	}
	in.CloseWithError(err)
	k := <-done
	if errors.Is(k.err, hub.ErrTooLarge) || errors.Is(k.err, hub.ErrStorage) || err == nil {
		err = k.err
	}
	return k.blob, err
}

// place decides whose a form is. A source in a municipality's folder posts for that
// one; a shared one says it in the form.
func (s *Server) place(form *hub.Submission, id hub.SystemID) error {
	folder, _, _ := strings.Cut(string(id), ".")
	form.Source.System = id
	if folder != shared {
		own := s.municipalityIn(folder)
		if form.Municipality != "" && form.Municipality != own {
			return refusal("municipality-mismatch")
		}
		form.Municipality = own
	}
	if form.Municipality == "" {
		return refusedFields(fault{"", "municipality-missing"})
	}
	return nil
}

// unreadable gives the problem of a form that breaks its format. What breaks the
// grammar is a bad request; a well-formed text that is no such form is refused for
// what it lacks.
func unreadable(m *hub.Malformed, media string) error {
	switch document.Kind(m.Kind) {
	case document.Malformed, document.Empty, document.Truncated, document.Trailing, document.DuplicateKey,
		document.Encoding, document.Doctype, document.TooDeep, document.TooLarge:
		slug := "malformed-xml"
		if media == jsonType {
			slug = "malformed-json"
		}
		return malformed(slug, m.Kind, m.Detail)
	}
	p := refusedFields(fault{"", m.Kind})
	p.code, p.place = m.Kind, m.Detail
	return p
}

// systemNamed gives the system that a name means to who has these municipalities: one
// of theirs, or a shared one. MUNICIPALITY.NAME says which.
func (s *Server) systemNamed(name string, ms []hub.Municipality) (hub.SystemID, error) {
	folders := []string{shared}
	for _, m := range ms {
		if text, known := s.Hub.Bundle().Municipalities[m]; known {
			folders = append(folders, text.Folder)
		}
	}
	var found []hub.SystemID
	for _, folder := range folders {
		for _, id := range []string{name, folder + "." + name} {
			_, there := s.systems[hub.SystemID(id)]
			if there && strings.HasPrefix(id, folder+".") {
				found = append(found, hub.SystemID(id))
			}
		}
	}
	switch len(found) {
	case 0:
		return "", refusal("not-found")
	case 1:
		return found[0], nil
	}
	return "", refusal("ambiguous-system")
}

func (s *Server) municipalityIn(folder string) hub.Municipality {
	for code, text := range s.Hub.Bundle().Municipalities {
		if text.Folder == folder {
			return code
		}
	}
	return ""
}
