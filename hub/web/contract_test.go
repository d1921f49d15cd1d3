package web

import (
	"encoding/json"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// TestOpenAPI holds the written contract against the routes, both ways.
func TestOpenAPI(t *testing.T) {
	var contract struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(openAPI, &contract); err != nil {
		t.Fatal(err)
	}
	written := map[string]bool{}
	for path, operations := range contract.Paths {
		for method := range operations {
			if method != "parameters" {
				written[strings.ToUpper(method)+" "+path] = true
			}
		}
	}
	for _, r := range (&Server{}).publicRoutes() {
		if name := r.method + " " + r.pattern; !written[name] {
			t.Errorf("%s is answered and not written", name)
		} else {
			delete(written, name)
		}
	}
	for name := range written {
		t.Errorf("%s is written and not answered", name)
	}
}

// TestOpenAPIWords holds the words of the contract against those that are said.
func TestOpenAPIWords(t *testing.T) {
	var contract struct {
		Components struct {
			Schemas struct {
				Step, State struct{ Enum []string }
				Envelope    struct{ Properties map[string]any }
			}
		}
	}
	if err := json.Unmarshal(openAPI, &contract); err != nil {
		t.Fatal(err)
	}
	s := contract.Components.Schemas
	for _, step := range s.Step.Enum {
		if hub.Step(step).Rank() == 0 {
			t.Errorf("%s is no Step", step)
		}
	}
	for word := range asked {
		if !slices.Contains(s.State.Enum, word) {
			t.Errorf("the state %s is not written", word)
		}
	}
	if len(s.State.Enum) != len(asked) || len(s.Step.Enum) != len(hub.Steps) {
		t.Error("the contract has words that are never said")
	}
	var e envelope
	for name := range s.Envelope.Properties {
		if err := document.DecodeJSON([]byte(`{"`+name+`":true}`), &e); err != nil && strings.Contains(err.Error(), document.UnknownProperty) {
			t.Errorf("the envelope does not know %s", name)
		}
	}
}

// TestEverythingHasWords: nothing that the hub can say is without words for people.
func TestEverythingHasWords(t *testing.T) {
	for _, r := range hub.Reasons {
		if w := reasons[r]; w.what == "" || w.citizen == "" || w.do == "" {
			t.Errorf("the reason %s has no words", r)
		}
	}
	if len(reasons) != len(hub.Reasons) {
		t.Error("there are words for a reason that is none")
	}
	for state := range words {
		if stateWords[state] == "" {
			t.Errorf("the state %s has no words", state)
		}
	}
	for slug, k := range catalogue {
		for _, w := range []wording{k.sv, k.en} {
			if w.title == "" || w.means == "" || k.status < 400 {
				t.Errorf("the problem %s has no words", slug)
			}
		}
		if !segments["{slug}"].MatchString(slug) {
			t.Errorf("the problem %s has no page", slug)
		}
	}
}

// TestTransport: plain HTTP is taken from this machine and from our proxies, and what
// anybody else says of itself counts for nothing.
func TestTransport(t *testing.T) {
	s := &Server{Options: Options{Proxies: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}}}
	for _, test := range []struct {
		name, peer, header, value string
		want                      bool
	}{
		{"this machine", "127.0.0.1:5", "", "", true},
		{"this machine, IPv6", "[::1]:5", "", "", true},
		{"another", "192.0.2.1:5", "", "", false},
		{"another says https", "192.0.2.1:5", "X-Forwarded-Proto", "https", false},
		{"another says who it is", "192.0.2.1:5", "X-Forwarded-For", "127.0.0.1", false},
		{"another says Forwarded", "192.0.2.1:5", "Forwarded", "for=127.0.0.1;proto=https", false},
		{"a proxy", "10.1.2.3:5", "", "", true},
		{"a proxy says https", "10.1.2.3:5", "X-Forwarded-Proto", "https", true},
		{"a proxy says http", "10.1.2.3:5", "X-Forwarded-Proto", "http", false},
		{"a proxy, mapped", "[::ffff:10.1.2.3]:5", "", "", true},
		{"nobody", "@", "", "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/v1/submissions", nil)
			r.RemoteAddr = test.peer
			if test.header != "" {
				r.Header.Set(test.header, test.value)
			}
			if got := s.isSecure(r); got != test.want {
				t.Errorf("%v", got)
			}
		})
	}
}

func TestKeysThatLookLikePersons(t *testing.T) {
	for key, want := range map[string]bool{
		"198810032386": true, "19881003-2386": true, "a:881003-2386": true, "881003-2386": true,
		"form-8810032386-1": true, "198206822390": true, "202611220519": true, // a time is refused always, not one day in ten
		"6f1c1b1e-1988-1003-2386-198810032386": false, "2026-000123": false, "ord-1234567890": false,
		"01ARZ3NDEKTSV4RRFFQ69G5FAV": false, "oep-702-21314-2": false, "1763791163": false, "12345678901234567890": false,
	} {
		if got := looksLikePerson(key); got != want {
			t.Errorf("%s: %v", key, got)
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
		var e envelope
		if err := document.DecodeJSON(text, &e); err != nil {
			if p := problemOf(err); p.status < 400 || p.status >= 500 {
				t.Fatalf("answered with %d", p.status)
			}
			return
		}
		if len(e.faults()) > 0 {
			return
		}
		s := e.submission("karlskrona.portal")
		if !isKommunkod(string(s.Municipality)) || s.Service == "" || s.Source.ID == "" || s.Answers.Reveal() == nil {
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
		name := displayName(sent, 0)
		hides := strings.ContainsFunc(name, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) })
		if name == "" || len(name) > mostText || !utf8.ValidString(name) || strings.ContainsAny(name, `/\`) ||
			hides || strings.HasPrefix(name, ".") {
			t.Fatalf("%q", name)
		}
	})
}
