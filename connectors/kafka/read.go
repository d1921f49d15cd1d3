package kafka

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"slices"
	"strconv"
	"strings"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
	"github.com/knutpunkt/knutpunkt/hub/envelope"
)

// The ways in which a well-formed record is no form that can be received, beside the codes of an envelope's
// faults.
const (
	NotAnEvent         = "not-a-cloudevent"           // it says that it is one, and lacks what every one has
	NotJSON            = "data-not-json"              // its data is something else
	UnknownSystem      = "unknown-system"             // it names another platform than this topic is
	ForbiddenTenant    = "municipality-forbidden"     // of a shared system: not one of its municipalities
	FetchUnsupported   = "fetch-not-supported"        // nobody can be asked for the file
	AttachmentEncoding = "attachment-encoding"        // not base64
	AttachmentMismatch = "attachment-hash-mismatch"   // not the file that was declared
	ContentMissing     = "attachment-content-missing" // declared, and not there
)

// mostForm is how large a form may be, in bytes, with the files that come in it: as at POST /v1/submissions.
const mostForm = 2 << 20

// Read makes a Submission of a form in Knutpunkt's own JSON (package envelope), as it is or as the data of a
// CloudEvent 1.0 in structured mode. What is not as it must be is a *hub.Malformed; the answers may be
// anything. A form without an id of its own is known by where it lay.
func (f *forms) Read(ctx context.Context, in hub.Incoming, b hub.Blobs) (hub.Submission, error) {
	text, err := io.ReadAll(io.LimitReader(in.Body, mostForm+1))
	switch {
	case err != nil:
		return hub.Submission{}, fmt.Errorf("read form: %w", err)
	case len(text) > mostForm:
		return hub.Submission{}, &hub.Malformed{Kind: string(document.TooLarge), Detail: "a form is 2 MiB at the most, with the files in it"}
	}
	if text, err = unwrapped(in.Type, text); err != nil {
		return hub.Submission{}, err
	}
	e, err := envelope.Read(text)
	if err != nil {
		return hub.Submission{}, unfit(err)
	}
	if err := f.fault(&e, in.Place); err != nil {
		return hub.Submission{}, err
	}
	s := e.Submission(f.env.ID)
	s.Attachments, err = attachments(ctx, e.Attachments, b)
	return s, err
}

// structured is the media type of a CloudEvent that has its data in it (CloudEvents 1.0, JSON format).
const structured = "application/cloudevents+json"

// unwrapped gives the data of a CloudEvent, and anything else as it is. What else an event says is between
// those who send it: the form is what counts.
func unwrapped(mediaType string, text []byte) ([]byte, error) {
	if media, _, _ := mime.ParseMediaType(mediaType); media != structured {
		return text, nil
	}
	tree, err := document.ReadJSON(text, document.Limits{})
	if err != nil {
		return nil, unfit(err)
	}
	event, _ := tree.(map[string]any)
	for _, name := range []string{"id", "source", "type"} {
		if said, _ := event[name].(string); said == "" {
			return nil, &hub.Malformed{Kind: NotAnEvent, Detail: "a CloudEvent has " + name}
		}
	}
	if event["specversion"] != "1.0" {
		return nil, &hub.Malformed{Kind: NotAnEvent, Detail: "specversion is 1.0"}
	}
	if _, isForm := event["data"].(map[string]any); !isForm {
		return nil, &hub.Malformed{Kind: NotJSON, Detail: "data is the form, as a JSON object"}
	}
	data, err := json.Marshal(event["data"])
	if err != nil {
		return nil, &hub.Malformed{Kind: NotJSON, Detail: "data is the form, as a JSON object"}
	}
	return data, nil
}

// unfit keeps what an error says to whoever sent the form.
func unfit(err error) error {
	var field *document.FieldError
	var syntax *document.SyntaxError
	switch {
	case errors.As(err, &field):
		return &hub.Malformed{Kind: field.Code, Detail: "the form has at " + field.Pointer + ": " + field.Code}
	case errors.As(err, &syntax):
		return &hub.Malformed{Kind: string(syntax.Kind), Detail: syntax.Error()}
	}
	return fmt.Errorf("read form: %w", err)
}

// fault gives the first fault of an envelope. It need not say what is known anyway: which system it comes
// from, whose a system in a municipality's own folder is, and what it is called where it lay.
func (f *forms) fault(e *envelope.Envelope, place string) error {
	if e.Source.ID == "" {
		e.Source.ID = place
	}
	_, own, _ := strings.Cut(string(f.env.ID), ".")
	if e.Source.System == "" {
		e.Source.System = own
	}
	for _, fault := range e.Faults() {
		if fault.Pointer != "/municipality" || fault.Code != "required" {
			return &hub.Malformed{Kind: fault.Code, Detail: "the form has at " + fault.Pointer + ": " + fault.Code}
		}
	}
	shared := f.conf.Forms.Municipalities
	switch {
	case e.Source.System != own && e.Source.System != string(f.env.ID):
		return &hub.Malformed{Kind: UnknownSystem, Detail: "the form has at /source/system: " + UnknownSystem}
	case len(shared) > 0 && !slices.Contains(shared, hub.Municipality(e.Municipality)):
		return &hub.Malformed{Kind: ForbiddenTenant, Detail: "the form is of a municipality that this system does not post for"}
	}
	return nil
}

// attachments puts away the files that came in the form.
func attachments(ctx context.Context, declared []envelope.File, b hub.Blobs) ([]hub.Attachment, error) {
	var all []hub.Attachment
	for i, f := range declared {
		at := "/attachments/" + strconv.Itoa(i)
		switch {
		case f.Fetch != nil:
			return nil, &hub.Malformed{Kind: FetchUnsupported, Detail: at + " is to be fetched, and nobody can be asked: files lie in content, as base64"}
		case f.Content == nil:
			return nil, &hub.Malformed{Kind: ContentMissing, Detail: at + " has no content"}
		}
		content, err := base64.StdEncoding.Strict().DecodeString(*f.Content)
		if err != nil {
			return nil, &hub.Malformed{Kind: AttachmentEncoding, Detail: at + " is not base64"}
		}
		blob, err := b.Put(ctx, bytes.NewReader(content))
		if err != nil {
			return nil, fmt.Errorf("put file: %w", err)
		}
		if !f.Fits(blob) {
			return nil, &hub.Malformed{Kind: AttachmentMismatch, Detail: at + " is not the file that the form says"}
		}
		all = append(all, hub.Attachment{
			Name: envelope.DisplayName(f.Name, i), Type: envelope.PlainType(f.Type), Size: blob.Size, Blob: blob,
		})
	}
	return all, nil
}
