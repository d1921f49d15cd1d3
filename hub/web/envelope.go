package web

import (
	"encoding/hex"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/knutpunkt/knutpunkt/hub"
)

// An envelope is our own JSON for a form. It is read strictly: what it does not know
// is refused. Only the answers are content, where nothing is.
type envelope struct {
	V            any            `json:"v"` // 1, or left out
	Municipality string         `json:"municipality"`
	Service      string         `json:"service"`
	FormVersion  string         `json:"formVersion"`
	Source       source         `json:"source"`
	Submitted    string         `json:"submitted"` // RFC 3339, or left out
	Applicant    *applicant     `json:"applicant"`
	Answers      map[string]any `json:"answers"`
	Attachments  []declared     `json:"attachments"` // the files that follow, in their order
}

type source struct {
	System  string `json:"system"`
	ID      string `json:"id"`
	Version string `json:"version"`
}

// An applicant is shorthand for the one party, who may follow the case.
type applicant struct {
	PersonalIdentityNumber string `json:"personalIdentityNumber"`
	OrganisationNumber     string `json:"organisationNumber"`
}

// A declared file is what the envelope says of a file that follows. What is left out
// is not checked.
type declared struct {
	Name   string `json:"name"`
	Type   string `json:"type"`
	SHA256 string `json:"sha256"` // hexadecimal
	Size   *int64 `json:"size"`   // in bytes
}

// mostText bounds the envelope's own texts, in bytes.
const mostText = 200

// faults gives everything that is wrong with the envelope by itself.
func (e envelope) faults() []fault {
	var faults []fault
	wrong := noting(&faults)
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
		wrong(len(t.text) > mostText, t.pointer, "too-long")
		wrong(strings.ContainsAny(t.text, "\t\r\n"), t.pointer, "control-character") // the others are refused when it is read
	}
	wrong(e.Municipality != "" && !isKommunkod(e.Municipality), "/municipality", "not-a-kommunkod")
	_, err := e.submitted()
	wrong(err != nil, "/submitted", "not-a-time")
	wrong(e.Answers == nil, "/answers", "required")
	if e.Applicant != nil {
		faults = append(faults, e.Applicant.faults()...)
	}
	for i, d := range e.Attachments {
		wrong(!d.isWellFormed(), "/attachments/"+strconv.Itoa(i), "not-a-file")
	}
	return faults
}

func (a applicant) faults() []fault {
	_, personErr := hub.ParsePersonID(a.PersonalIdentityNumber)
	_, orgErr := hub.ParseOrgNumber(a.OrganisationNumber)
	switch person, org := a.PersonalIdentityNumber != "", a.OrganisationNumber != ""; {
	case person && org, !person && !org:
		return []fault{{"/applicant", "one-of"}}
	case person && personErr != nil:
		return []fault{{"/applicant/personalIdentityNumber", "invalid-identity"}}
	case org && orgErr != nil:
		return []fault{{"/applicant/organisationNumber", "invalid-identity"}}
	}
	return nil
}

func (e envelope) submitted() (time.Time, error) {
	if e.Submitted == "" {
		return time.Time{}, nil
	}
	return time.Parse(time.RFC3339, e.Submitted)
}

// submission gives what an envelope without faults holds.
func (e envelope) submission(from hub.SystemID) hub.Submission {
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

func (d declared) isWellFormed() bool {
	sum, err := hex.DecodeString(d.SHA256)
	return err == nil && (len(sum) == 0 || len(sum) == 32) && (d.Size == nil || *d.Size >= 0) &&
		len(d.Name) <= 4*mostText && utf8.ValidString(d.Name) && len(d.Type) <= mostText
}

// fits reports whether a file that came is the one that was declared.
func (d declared) fits(b hub.Blob) bool {
	sum, _ := hex.DecodeString(d.SHA256)
	return (len(sum) == 0 || string(sum) == string(b.SHA256[:])) && (d.Size == nil || *d.Size == b.Size)
}

var kommunkod = regexp.MustCompile(`^[0-9]{4}$`)

func isKommunkod(s string) bool { return kommunkod.MatchString(s) }
