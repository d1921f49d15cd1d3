package hub

import (
	"bytes"
	"net/http"
	"testing"
	"time"
)

// FuzzIdentity: what is taken for a number of somebody's is one, is kept as it was
// written, and is never said again.
func FuzzIdentity(f *testing.F) {
	for _, seed := range []string{"199001012385", "198206822390", "2021004748", "162021004748", "", "19121212+1212", "19900101-2385", "199002312385", "１９９００１０１２３８５"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if id, err := ParsePersonID(text); err == nil && (id.Reveal() != text || len(text) != 12 || id.IsZero()) {
			t.Errorf("%q is kept as another number", text)
		} else if err != nil && (err != ErrIdentity || !id.IsZero()) {
			t.Errorf("%q gives %v", text, err)
		}
		if org, err := ParseOrgNumber(text); err == nil && (len(org.Reveal()) != 10 || text[len(text)-10:] != org.Reveal()) {
			t.Errorf("%q is kept as another number", text)
		} else if err != nil && (err != ErrIdentity || !org.IsZero()) {
			t.Errorf("%q gives %v", text, err)
		}
	})
}

// FuzzRetryAfter: whatever a system says, we wait between a second and six hours, or
// as if it had said nothing.
func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"", "120", "-1", "0", "1e3", "99999999999999999999", "Fri, 31 Dec 1999 23:59:59 GMT", "Mon, 02 Mar 2026 09:00:10 GMT", "soon", "9223372036854775807"} {
		f.Add(seed)
	}
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, said string) {
		wait := RetryAfter(http.Header{"Retry-After": {said}}, now)
		if wait != 0 && (wait < time.Second || wait > 6*time.Hour) {
			t.Errorf("%q makes us wait %s", said, wait)
		}
		if ClampWait(wait) < time.Second {
			t.Errorf("%q makes us wait for nothing", said)
		}
	})
}

// FuzzContents: what lies sealed is read back as it was written, and nothing else is
// taken for it.
func FuzzContents(f *testing.F) {
	id, _ := ParsePersonID("199001012385")
	whole, err := Submission{
		Source: Ref{"shared.oep", "320342", "1"}, Parties: []Party{{Role: "sökande", ID: id}}, OriginalType: "text/xml",
		Answers:     NewAnswers(map[string]any{"text": "hej"}),
		Attachments: []Attachment{{Name: "a.pdf", Blob: Blob{ID: "b", Size: 3}, Fetch: Fetch{Kind: "file"}}},
	}.RevealContents()
	if err != nil {
		f.Fatal(err)
	}
	answers, err := RevealAnswers([]RegisterAnswer{{As: "sökande", Persons: []Person{{ID: id, Address: &Address{City: "LYCKEBY"}}}}})
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range [][]byte{whole, answers, []byte(`{"Format":2}`), []byte(`{"Format":1,"Answers":[1e400]}`), whole[:len(whole)/2], {}} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var s Submission
		if err := s.RestoreContents(b); err == nil {
			restored(t, s)
		}
		if answers, err := RestoreAnswers(b); err == nil {
			if _, err := RevealAnswers(answers); err != nil {
				t.Errorf("register answers that were read cannot be written: %v", err)
			}
		}
	})
}

// restored requires that a submission which was read is written and read the same.
func restored(t *testing.T, s Submission) {
	t.Helper()
	once, err := s.RevealContents()
	if err != nil {
		t.Fatalf("what was read cannot be written: %v", err)
	}
	var again Submission
	if err := again.RestoreContents(once); err != nil {
		t.Fatalf("what was written cannot be read: %v", err)
	}
	if twice, err := again.RevealContents(); err != nil || !bytes.Equal(once, twice) {
		t.Errorf("it is read back as something else: %v", err)
	}
}
