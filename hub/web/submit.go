package web

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
	"github.com/knutpunkt/knutpunkt/hub/envelope"
)

// How much a call may bring: the envelope, and everything with its files. What one
// file may have is the Store's to say.
const (
	mostEnvelope = 2 << 20
	mostBody     = 256 << 20
)

// submit receives a form in our own JSON, alone or with its files after it.
func (s *Server) submit(c *call) error {
	media, parameters, err := c.mediaType(jsonType, formType)
	if err != nil {
		return err
	}
	key, err := idempotencyKey(c.r.Header)
	if err != nil {
		return err
	}
	if key == "" && !c.client.DerivedKey {
		p := refusal("idempotency-key-missing")
		p.header = http.Header{"Link": {`</problems/idempotency-key-missing>; rel="help"`}}
		return p
	}
	most := int64(mostEnvelope)
	if media == formType {
		most = mostBody
	}
	return s.withIntake(c, most, func(b *body, intake hub.Intake) error {
		var form hub.Submission
		if media == formType {
			form, err = s.readParts(c, b, parameters["boundary"], intake)
		} else {
			form, _, err = s.readEnvelope(c, b, intake, false)
		}
		if b.failed != nil {
			return b.failed
		}
		if err != nil {
			return err
		}
		return s.receive(c, hub.Arrival{Submission: form, Key: key, Intake: intake})
	})
}

// withIntake finds room for one more form, and clears away what came of it when it
// was not received.
func (s *Server) withIntake(c *call, most int64, f func(*body, hub.Intake) error) error {
	ctx := c.r.Context()
	if c.r.ContentLength > most {
		return refusal("payload-too-large")
	}
	leave, err := s.arriving.take(c.client.Name)
	if err != nil {
		return err
	}
	defer leave()
	switch s.store.Durability(ctx) {
	case degraded:
		return retryLater("storage-degraded", "60")
	case hub.Unreachable:
		return hub.ErrUnreachable
	}
	intake, err := s.store.Intake(ctx)
	if err != nil {
		return err
	}
	defer intake.Close()
	b := openBody(c, most)
	defer b.Close()
	return f(b, intake)
}

// degraded is what a Store calls itself when 202 is not to be given.
const degraded = "degraded"

// receive makes a form durable and answers with its receipt.
func (s *Server) receive(c *call, a hub.Arrival) error {
	a.Client = c.client.Name
	r, err := s.Hub.Receive(c.r.Context(), a)
	if err != nil {
		return err
	}
	id := r.Submission.ID
	if p := r.Case.Find(hub.Key(id)); p != nil && p.State == hub.Purged {
		return refusal("gone-purged")
	}
	h := c.w.Header()
	h.Set("Location", "/v1/submissions/"+string(id))
	if r.Replayed {
		h.Set("Idempotent-Replayed", "true")
	}
	return c.json(http.StatusAccepted, struct {
		ID       hub.ID     `json:"id"`
		Case     hub.CaseID `json:"case"`
		Received time.Time  `json:"received"`
		Step     hub.Step   `json:"step"`
	}{id, r.Case.ID, r.Submission.Received.UTC(), r.Case.Step})
}

// readEnvelope reads the JSON of a form and keeps it as it came. Where no files
// follow, none may be declared.
func (s *Server) readEnvelope(c *call, from io.Reader, intake hub.Intake, filesFollow bool) (hub.Submission, []envelope.File, error) {
	text, err := io.ReadAll(io.LimitReader(from, mostEnvelope+1))
	if err != nil {
		return hub.Submission{}, nil, err
	}
	if len(text) > mostEnvelope {
		return hub.Submission{}, nil, refusal("payload-too-large")
	}
	e, err := envelope.Read(text)
	if err != nil {
		return hub.Submission{}, nil, err
	}
	if len(e.Attachments) > 0 && !filesFollow {
		return hub.Submission{}, nil, refusedFields(fault{"/attachments", "no-files"})
	}
	form, err := s.open(e, c.client)
	if err != nil {
		return hub.Submission{}, nil, err
	}
	form.OriginalType = "application/json"
	form.Original, err = intake.Put(c.r.Context(), bytes.NewReader(text))
	return form, e.Attachments, err
}

// open gives the submission that an envelope holds. Every field that is wrong is told
// at once.
func (s *Server) open(e envelope.Envelope, by *caller) (hub.Submission, error) {
	faults := faultsOf(e)
	m := hub.Municipality(e.Municipality)
	if envelope.IsKommunkod(e.Municipality) && e.Service != "" {
		if err := by.covers(m, e.Service); err != nil {
			return hub.Submission{}, err
		}
	}
	system, err := s.systemNamed(e.Source.System, []hub.Municipality{m})
	var p *problem
	switch {
	case e.Source.System == "":
	case errors.As(err, &p) && p.slug == "not-found":
		faults = append(faults, fault{"/source/system", "unknown-system"})
	case err != nil:
		return hub.Submission{}, err
	case !by.mayPostAs(system):
		return hub.Submission{}, refusal("forbidden-scope")
	}
	if len(faults) > 0 {
		return hub.Submission{}, refusedFields(faults...)
	}
	return e.Submission(system), nil
}

// faultsOf gives everything that is wrong with an envelope that is posted here. The bytes
// of its files follow it, and stand nowhere in it.
func faultsOf(e envelope.Envelope) []fault {
	var faults []fault
	for _, f := range e.Faults() {
		faults = append(faults, fault{f.Pointer, f.Code})
	}
	wrong := noting(&faults)
	for i, f := range e.Attachments {
		wrong(f.Content != nil || f.Fetch != nil, "/attachments/"+strconv.Itoa(i), document.UnknownProperty)
	}
	return faults
}
