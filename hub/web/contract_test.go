package web

import (
	"encoding/json"
	"maps"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
	"github.com/knutpunkt/knutpunkt/hub/envelope"
)

// TestOpenAPI holds the written contracts against the routes, both ways.
func TestOpenAPI(t *testing.T) {
	for _, test := range []struct {
		name   string
		text   []byte
		routes []route
	}{
		{"public", openAPI, (&Server{}).publicRoutes()}, {"operators", operatorsAPI, (&Server{}).operatorRoutes(nil)},
	} {
		t.Run(test.name, func(t *testing.T) {
			var contract struct {
				Paths map[string]map[string]json.RawMessage
			}
			if err := json.Unmarshal(test.text, &contract); err != nil {
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
			for _, r := range test.routes {
				if name := r.method + " " + r.pattern; !written[name] {
					t.Errorf("%s is answered and not written", name)
				} else {
					delete(written, name)
				}
			}
			for name := range written {
				t.Errorf("%s is written and not answered", name)
			}
		})
	}
}

// TestOperatorsWords holds what operators are told and may post against the contract.
func TestOperatorsWords(t *testing.T) {
	type object struct {
		Required   []string
		Properties map[string]struct{ Enum []string }
	}
	var contract struct {
		Components struct{ Schemas map[string]object }
	}
	if err := json.Unmarshal(operatorsAPI, &contract); err != nil {
		t.Fatal(err)
	}
	schemas := contract.Components.Schemas
	for name, v := range map[string]any{
		"Decision": decision{}, "Approval": approval{}, "Outcome": outcome{}, "Row": row{}, "Act": act{},
		"Notice": notice{}, "NoticeWritten": noticeWritten{}, "Question": question{}, "Answered": answered{}, "Hit": hit{},
		"Seen": seen{}, "SeenStep": seenStep{}, "Expecting": expecting{},
		"System": systemState{}, "Paused": pauseState{}, "Pausing": pausing{}, "Retelling": retelling{}, "Retold": retold{},
		"Draft": draft{}, "Rehearsed": rehearsed{}, "Unmade": unmade{}, "Compared": compared{},
		"WorkList": board{}, "Card": card{}, "Queue": queue{},
		"Recount": recount{}, "Balance": balance{}, "LegBalance": hub.LegBalance{}, "Gap": gap{}, "Owner": hub.Owner{}, "Word": untranslated{},
		"Register": registerState{}, "Imported": imported{},
	} {
		var said []string
		for _, f := range reflect.VisibleFields(reflect.TypeOf(v)) {
			if tag, _, _ := strings.Cut(f.Tag.Get("json"), ","); tag != "-" && !f.Anonymous {
				said = append(said, tag)
			}
		}
		written := slices.Collect(maps.Keys(schemas[name].Properties))
		slices.Sort(said)
		slices.Sort(written)
		if !slices.Equal(said, written) {
			t.Errorf("%s has %v, and is written with %v", name, said, written)
		}
		for _, required := range schemas[name].Required {
			if !slices.Contains(written, required) {
				t.Errorf("%s must have %s, which is not there", name, required)
			}
		}
	}
	if written := schemas["Outcome"].Properties["outcome"].Enum; !slices.Equal(slices.Sorted(slices.Values(written)), sortedKeys(outcomeTexts)) {
		t.Errorf("the outcomes are written as %v", written)
	}
	for _, verb := range schemas["Decision"].Properties["verb"].Enum {
		if !slices.Contains(hub.Verbs, hub.Verb(verb)) {
			t.Errorf("%s is no verb", verb)
		}
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
	var e envelope.Envelope
	for name := range s.Envelope.Properties {
		if err := document.DecodeJSON([]byte(`{"`+name+`":true}`), &e); err != nil && strings.Contains(err.Error(), document.UnknownProperty) {
			t.Errorf("the envelope does not know %s", name)
		}
	}
}

// TestEverythingHasWords: nothing that the hub can say is without words for people.
func TestEverythingHasWords(t *testing.T) {
	for _, r := range hub.Reasons {
		for _, kind := range []hub.Kind{hub.FormKind, hub.DocumentKind, hub.TellingKind} {
			if w := reasonOf(r, kind, false); w.name == "" || w.what == "" || w.citizen == "" || w.who == "" || w.safe == "" {
				t.Errorf("the reason %s of a %s has no words", r, kind)
			}
		}
		inDoubt := reasonOf(r, hub.DocumentKind, true)
		if strings.Contains(inDoubt.safe, "inget blir dubbelt") || !strings.Contains(inDoubt.safe, "eta i systemet") {
			t.Errorf("%s, and it may be there already: %s", r, inDoubt.safe)
		}
	}
	for _, c := range []hub.Cause{hub.Down, hub.Credentials, hub.AddressChanged, hub.ContractBroken, hub.Busy, hub.Paused} {
		if w := causes[c]; w.name == "" || w.what == "" || w.citizen == "" || w.who == "" || w.safe == "" {
			t.Errorf("the cause %s has no words", c)
		}
	}
	for _, verb := range hub.Verbs {
		if verbTexts[verb] == "" || choiceTexts[verb].name == "" || choiceTexts[verb].means == "" {
			t.Errorf("the verb %s has no words", verb)
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

// TestTheHubsOwnWordsAreInSwedish: every conflict and every act that the hub can tell of
// has words for people.
func TestTheHubsOwnWordsAreInSwedish(t *testing.T) {
	conflict, done := regexp.MustCompile(`conflict\("([^"]+)"\)`), regexp.MustCompile(`\.act\("([^"]+)"`)
	files, err := filepath.Glob("../*.go")
	if err != nil || len(files) == 0 {
		t.Fatal("the hub's own text is not there")
	}
	told := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range conflict.FindAllStringSubmatch(string(text), -1) {
			if told[m[1]] = true; conflicts[m[1]] == "" {
				t.Errorf("%s: %q has no words in Swedish", file, m[1])
			}
		}
		for _, m := range done.FindAllStringSubmatch(string(text), -1) {
			if what := m[1]; !strings.HasSuffix(what, " ") && actText(what) == what {
				t.Errorf("%s: the act %q has no words in Swedish", file, what)
			}
		}
	}
	for text := range conflicts {
		if !told[text] {
			t.Errorf("there are words for %q, which is never said", text)
		}
	}
	for _, verb := range hub.Verbs {
		for _, what := range []string{string(verb), "proposed " + string(verb), "approved " + string(verb)} {
			if text := actText(what); text == what || strings.HasSuffix(text, ": ") {
				t.Errorf("the act %q has no words in Swedish", what)
			}
		}
	}
}

// TestTextsThatMentionPersons: a reason is no place for a personnummer, however it is
// written; other numbers may stand there.
func TestTextsThatMentionPersons(t *testing.T) {
	for text, want := range map[string]bool{
		"gäller 19881003-2386": true, "gäller 198810032386.": true, "881003-2386 har ringt": true, "881003 2386": true,
		"19881003 – 2386": true, "881003+2386": true, "pnr 8810032386": true, "(19881003\u00a02386)": true,
		"SBN 2026/1234 finns redan": false, "mappningen rättad rad 12": false, "ring 0455-30 30 00": false, "ärende 01ARZ3NDEKTSV4RRFFQ69G5FAV": false,
		"tele 070-123 45 67, dnr BN-2026-000123": false, "": false,
	} {
		if got := mentionsPerson(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// FuzzMentionsPerson: a personnummer is found in a text, whatever else is written there.
func FuzzMentionsPerson(f *testing.F) {
	for _, seed := range []string{"", "gäller", "123456", "dnr 2026-0001", "6f1c1b1e-1988", "0455-30 30 00", "-", "\u00a0"} {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, before, after string) {
		for _, number := range []string{"19881003-2386", "198810032386", "881003 2386", "881003-2386"} {
			if text := before + " " + number + " " + after; !mentionsPerson(text) {
				t.Errorf("not found in %q", text)
			}
		}
	})
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
		"form-8810032386-1": true, "702-198810032386": true, "1-8810032386": true, "2026-1-881003-2386": true, "2611220519": false, "198206822390": true, "202611220519": true, // a time is refused always, not one day in ten
		"6f1c1b1e-1988-1003-2386-198810032386": false, "2026-000123": false, "ord-1234567890": false,
		"01ARZ3NDEKTSV4RRFFQ69G5FAV": false, "oep-702-21314-2": false, "1763791163": false, "12345678901234567890": false,
	} {
		if got := looksLikePerson(key); got != want {
			t.Errorf("%s: %v", key, got)
		}
	}
}
