package envelope_test

import (
	"errors"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
	"github.com/knutpunkt/knutpunkt/hub/envelope"
)

const whole = `{"municipality":"1080","service":"702","formVersion":"3","submitted":"2026-03-02T09:00:00+01:00",
	"source":{"system":"oep","id":"4711","version":"2"},"applicant":{"personalIdentityNumber":"189001019802"},
	"answers":{"fastighet":"Eken 4"}}`

func TestSubmission(t *testing.T) {
	e, err := envelope.Read([]byte(whole))
	if err != nil || len(e.Faults()) != 0 {
		t.Fatal(err, e.Faults())
	}
	s := e.Submission("karlskrona.oep")
	want := hub.Ref{System: "karlskrona.oep", ID: "4711", Version: "2"}
	if s.Source != want || s.Municipality != "1080" || s.Service != "702" || s.FormVersion != "3" || s.Submitted.Unix() != 1772438400 {
		t.Errorf("the submission is of %+v, %s, %s, %s, %v", s.Source, s.Municipality, s.Service, s.FormVersion, s.Submitted)
	}
	if len(s.Parties) != 1 || s.Parties[0].Role != "sökande" || !s.Parties[0].Follows || s.Parties[0].ID.Reveal() != "189001019802" {
		t.Error("the applicant is no party who follows the case")
	}
}

func TestFaults(t *testing.T) {
	tests := []struct{ name, change, with, pointer, code string }{
		{"no municipality", `"1080"`, `""`, "/municipality", "required"},
		{"three digits", `"1080"`, `"108"`, "/municipality", "not-a-kommunkod"},
		{"no service", `"702"`, `""`, "/service", "required"},
		{"no number", `"4711"`, `""`, "/source/id", "required"},
		{"a long number", `"4711"`, `"` + strings.Repeat("4", 201) + `"`, "/source/id", "too-long"},
		{"two lines", `"4711"`, `"47\n11"`, "/source/id", "control-character"},
		{"no time", `+01:00`, ``, "/submitted", "not-a-time"},
		{"nobody", `189001019802`, `189001019803`, "/applicant/personalIdentityNumber", "invalid-identity"},
		{"no answers", `{"fastighet":"Eken 4"}`, `null`, "/answers", "required"},
		{"another version", `{"municipality"`, `{"v":2,"municipality"`, "/v", "unsupported-version"},
	}
	for _, test := range tests {
		e, err := envelope.Read([]byte(strings.Replace(whole, test.change, test.with, 1)))
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if faults := e.Faults(); len(faults) != 1 || faults[0] != (envelope.Fault{Pointer: test.pointer, Code: test.code}) {
			t.Errorf("%s: %v, want %s at %s", test.name, faults, test.code, test.pointer)
		}
	}
}

// FuzzEnvelope: whatever is posted, reading it neither breaks nor lets through what
// cannot be a form.
func FuzzEnvelope(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"v":1}`, `{"municipality":"1080","service":"1","source":{"system":"oep","id":"1"},"answers":{}}`,
		`{"municipality":"1080","applicant":{"personalIdentityNumber":"198810032386"},"answers":{"a":[1,null,"x"]}}`,
		`{"attachments":[{"name":"a","size":-1,"sha256":"zz"}]}`, `{"submitted":"2026-01-01T00:00:00Z"}`, "null", `{"v":1e400}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := envelope.Read(text)
		var syntax *document.SyntaxError
		var field *document.FieldError
		switch {
		case errors.As(err, &syntax), errors.As(err, &field):
			return
		case err != nil:
			t.Fatal("an error that nobody can be told of")
		case len(e.Faults()) > 0:
			return
		}
		s := e.Submission("karlskrona.portal")
		if !envelope.IsKommunkod(string(s.Municipality)) || s.Service == "" || s.Source.ID == "" || s.Answers.Reveal() == nil {
			t.Fatal("half a form was let through")
		}
		for _, p := range s.Parties {
			if p.ID.IsZero() == p.Org.IsZero() {
				t.Fatal("a party that is nobody, or two")
			}
		}
	})
}

// FuzzDisplayName: no name of a file leads anywhere or hides anything.
func FuzzDisplayName(f *testing.F) {
	for _, seed := range []string{"a.pdf", "../x", `C:\x`, "a\r\nb", ".htaccess", "\u202e", "CON", "", "\xff\xf6", strings.Repeat("å", 200) + ".pdf"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, sent string) {
		name := envelope.DisplayName(sent, 0)
		hides := strings.ContainsFunc(name, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) })
		if name == "" || len(name) > envelope.MostText || !utf8.ValidString(name) || strings.ContainsAny(name, `/\`) ||
			hides || strings.HasPrefix(name, ".") {
			t.Fatalf("%q", name)
		}
	})
}
