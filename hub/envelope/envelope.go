// Package envelope is Knutpunkt's own JSON for a form: what POST /v1/submissions takes, and what a mapping
// makes of another platform's form. There is one reader of it, and it stands here.
package envelope

import (
	"encoding/hex"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// An Envelope is one form. Only its answers are content, where nothing is refused.
type Envelope struct {
	V            any            `json:"v"` // 1, or left out
	Municipality string         `json:"municipality"`
	Service      string         `json:"service"`
	FormVersion  string         `json:"formVersion"`
	Source       Source         `json:"source"`
	Submitted    string         `json:"submitted"` // RFC 3339, or left out
	Applicant    *Applicant     `json:"applicant"`
	Answers      map[string]any `json:"answers"`
	Attachments  []File         `json:"attachments"` // in their order
}

// A Source is what the platform calls the form.
type Source struct {
	System  string `json:"system"`
	ID      string `json:"id"`
	Version string `json:"version"`
}

// An Applicant is shorthand for the one party, who may follow the case.
type Applicant struct {
	PersonalIdentityNumber string `json:"personalIdentityNumber"`
	OrganisationNumber     string `json:"organisationNumber"`
}

// A File is what the envelope says of one of the form's files. What is left out is not
// checked. At POST /v1/submissions the bytes follow as a part of their own; in what a
// mapping makes they stand in Content, or File says where they can be fetched.
type File struct {
	Name    string  `json:"name"`
	Type    string  `json:"type"`
	SHA256  string  `json:"sha256"` // hexadecimal
	Size    *int64  `json:"size"`   // in bytes
	Content *string `json:"content"`
	Fetch   *string `json:"fetch"` // in the platform's own terms
}

// A Fault is one thing that is wrong with an envelope.
type Fault struct {
	Pointer string // RFC 6901
	Code    string // "required", "too-long", "invalid-identity" …
}

// MostText bounds the envelope's own texts, in bytes.
const MostText = 200

// Read reads an envelope strictly: what it does not know is refused, with a
// *document.SyntaxError or a *document.FieldError.
func Read(text []byte) (Envelope, error) {
	var e Envelope
	err := document.DecodeJSON(text, &e)
	return e, err
}

// Faults gives everything that is wrong with the envelope by itself.
func (e Envelope) Faults() []Fault {
	var faults []Fault
	wrong := func(is bool, pointer, code string) {
		if is {
			faults = append(faults, Fault{pointer, code})
		}
	}
	wrong(e.V != nil && e.V != any(json.Number("1")), "/v", "unsupported-version")
	texts := []struct {
		pointer, text string
		required      bool
	}{
		{"/municipality", e.Municipality, true}, {"/service", e.Service, true},
		{"/formVersion", e.FormVersion, false}, {"/source/system", e.Source.System, true},
		{"/source/id", e.Source.ID, true}, {"/source/version", e.Source.Version, false},
	}
	for _, t := range texts {
		wrong(t.required && t.text == "", t.pointer, "required")
		wrong(len(t.text) > MostText, t.pointer, "too-long")
		wrong(strings.ContainsAny(t.text, "\t\r\n"), t.pointer, "control-character") // the others are refused when it is read
	}
	wrong(e.Municipality != "" && !IsKommunkod(e.Municipality), "/municipality", "not-a-kommunkod")
	_, err := e.submitted()
	wrong(err != nil, "/submitted", "not-a-time")
	wrong(e.Answers == nil, "/answers", "required")
	if e.Applicant != nil {
		faults = append(faults, e.Applicant.faults()...)
	}
	for i, f := range e.Attachments {
		wrong(!f.isWellFormed(), "/attachments/"+strconv.Itoa(i), "not-a-file")
	}
	return faults
}

func (a Applicant) faults() []Fault {
	_, personErr := hub.ParsePersonID(a.PersonalIdentityNumber)
	_, orgErr := hub.ParseOrgNumber(a.OrganisationNumber)
	switch person, org := a.PersonalIdentityNumber != "", a.OrganisationNumber != ""; {
	case person && org, !person && !org:
		return []Fault{{"/applicant", "one-of"}}
	case person && personErr != nil:
		return []Fault{{"/applicant/personalIdentityNumber", "invalid-identity"}}
	case org && orgErr != nil:
		return []Fault{{"/applicant/organisationNumber", "invalid-identity"}}
	}
	return nil
}

func (e Envelope) submitted() (time.Time, error) {
	if e.Submitted == "" {
		return time.Time{}, nil
	}
	return time.Parse(time.RFC3339, e.Submitted)
}

// Submission gives what an envelope without faults holds, but for its files.
func (e Envelope) Submission(from hub.SystemID) hub.Submission {
	s := hub.Submission{
		Municipality: hub.Municipality(e.Municipality), Service: e.Service, FormVersion: e.FormVersion,
		Source:  hub.Ref{System: from, ID: e.Source.ID, Version: e.Source.Version},
		Answers: hub.NewAnswers(map[string]any(e.Answers)),
	}
	s.Submitted, _ = e.submitted()
	if e.Applicant != nil {
		party := hub.Party{Role: "sökande", Follows: true}
		if e.Applicant.PersonalIdentityNumber != "" {
			party.ID, _ = hub.ParsePersonID(e.Applicant.PersonalIdentityNumber)
		} else {
			party.Org, _ = hub.ParseOrgNumber(e.Applicant.OrganisationNumber)
		}
		s.Parties = []hub.Party{party}
	}
	return s
}

func (f File) isWellFormed() bool {
	sum, err := hex.DecodeString(f.SHA256)
	return err == nil && (len(sum) == 0 || len(sum) == 32) && (f.Size == nil || *f.Size >= 0) &&
		len(f.Name) <= 4*MostText && utf8.ValidString(f.Name) && len(f.Type) <= MostText
}

// Fits reports whether a file that came is the one that was declared.
func (f File) Fits(b hub.Blob) bool {
	sum, _ := hex.DecodeString(f.SHA256)
	return (len(sum) == 0 || string(sum) == string(b.SHA256[:])) && (f.Size == nil || *f.Size == b.Size)
}

var kommunkod = regexp.MustCompile(`^[0-9]{4}$`)

// IsKommunkod reports whether s is written as one.
func IsKommunkod(s string) bool { return kommunkod.MatchString(s) }
