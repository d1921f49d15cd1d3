package web_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/mapping"
)

const (
	letter = "mappings/diarium/arende.yaml"
	sent   = "operation: arende\noutput: json\ndocument:\n  titel: ${service.title}\n  fastighet: ${answers.fastighet}\n"
	whyNew = "ny åtkomstkod i diariet"
)

// A rehearsedDraft is what is told of one.
type rehearsedDraft struct {
	Case, Delivery, Leg, System, State, Type, SHA256, Why string
	Document                                              []byte
	Fault                                                 *struct{ Where, Reason, Text string }
	Made                                                  *struct {
		Same                      bool
		SHA256, Where, Has, Draft string
	}
}

// draftOf is the body of a rehearsal; members replace its own, or, with nil, leave them out.
func draftOf(id, text string, members map[string]any) string {
	body := map[string]any{
		"submission": id, "mapping": letter, "reason": whyNew, "why": true,
		"files": map[string]string{letter: base64.StdEncoding.EncodeToString([]byte(text))},
	}
	for name, v := range members {
		if body[name] = v; v == nil {
			delete(body, name)
		}
	}
	out, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return string(out)
}

// drafting is a bed whose diarium gets the document of a mapping, and a form in it.
func drafting(t *testing.T) (*bed, receipt) {
	t.Helper()
	b := makeBed(t)
	m, problems := mapping.CompileDraft(map[string][]byte{letter: []byte(sent)}, letter)
	if problems != nil {
		t.Fatal(problems)
	}
	b.shape = func(routes *hub.Bundle) { routes.Routes[0].Legs[0].Mapping = m }
	b.start(t)
	r := b.submit(t, "2026-4711")
	b.await(t, r.Case, hub.Registrerat)
	b.awaitState(t, r, r.ID, hub.Completed)
	return b, r
}

func (b *bed) rehearse(t testing.TB, who, body string) answer {
	t.Helper()
	return ask(t, b.operator, "POST", "/v1/rehearsals", body, who, jsonBody)
}

// readDocuments gives who has read a document of a case, and why.
func (b *bed) readDocuments(t testing.TB, id string) (whoAndWhy []string) {
	t.Helper()
	acts, err := b.store.Acts(t.Context(), hub.AsHub(), hub.CaseID(id))
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range acts {
		if a.What == "looked at document" {
			whoAndWhy = append(whoAndWhy, a.By+" "+a.Note+": "+a.Reason)
		}
	}
	return whoAndWhy
}

// TestRehearsal: a draft's document is shown with where each value came from, and how it
// differs from what was sent; nothing is sent, and who looked, and why, is written down.
func TestRehearsal(t *testing.T) {
	b, r := drafting(t)
	tests := []struct {
		name, text string
		check      func(rehearsedDraft) bool
	}{
		{"the same", sent, func(d rehearsedDraft) bool {
			return d.Made != nil && d.Made.Same && d.Made.SHA256 == d.SHA256 && string(d.Document) == `{"titel":"Bygglov för <altan>","fastighet":"Exemplet 4:12"}`
		}},
		{"the same, written otherwise", "operation: arende\noutput: json\ndocument:\n  fastighet: ${answers.fastighet}\n  titel: ${service.title}\n", func(d rehearsedDraft) bool {
			return d.Made != nil && !d.Made.Same && d.Made.Where == ""
		}},
		{"another value", strings.Replace(sent, "${service.title}", "Altan", 1), func(d rehearsedDraft) bool {
			return d.Made != nil && d.Made.Where == "/titel" && d.Made.Has == `"Bygglov för <altan>"` && d.Made.Draft == `"Altan"` &&
				strings.Contains(d.Why, `fastighet: "Exemplet 4:12"  ← answers.fastighet · `+letter+":5")
		}},
		{"of another type", "operation: arende\noutput: xml\ndocument:\n  A: ${answers.fastighet}\n", func(d rehearsedDraft) bool {
			return d.Made != nil && d.Made.Where == "the document" && d.Type == "application/xml; charset=utf-8"
		}},
		{"no document", sent + "  saknas: ${answers.saknas}\n", func(d rehearsedDraft) bool {
			return d.Fault != nil && d.Fault.Where == letter+":6" && d.Fault.Text == "${answers.saknas} has no value" && d.Document == nil && strings.Contains(d.Why, "Exemplet")
		}},
		{"too costly", sent + `  a: '${let a = answers.fastighet + answers.fastighet + answers.fastighet + answers.fastighet; let b = replace(a, "e", a); let c = replace(b, "e", b); let d = replace(c, "e", c); len(replace(d, "e", d))}'` + "\n",
			func(d rehearsedDraft) bool { return d.Fault != nil && d.Fault.Reason == "mapping-error" }},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := b.rehearse(t, registrator, draftOf(r.ID, tt.text, nil))
			var got rehearsedDraft
			if decode(t, a, &got); a.status != http.StatusOK || !tt.check(got) {
				t.Errorf("%d %s", a.status, a.body)
			}
			if got.Case != r.Case || got.Delivery != r.ID+"-diarium" || got.Leg != "diarium" || got.System != "karlskrona.diarium" {
				t.Errorf("it is about %+v", got)
			}
			if read := b.readDocuments(t, r.Case); len(read) != i+1 || read[i] != "registrator diarium: "+whyNew {
				t.Errorf("written down: %q", read)
			}
		})
	}
	if b.diarium.taken != 1 {
		t.Errorf("the diarium has taken %d", b.diarium.taken)
	}
	if log := b.log.String(); strings.Contains(log, whyNew) || strings.Contains(log, "Exemplet") {
		t.Error("the log has a reason or a value")
	}
	page := ask(t, b.operator, "GET", "/console/cases/"+r.Case, "", registrator)
	if !strings.Contains(page.body, "En hel handling lästes, gjord av ett utkast") || !strings.Contains(page.body, whyNew) {
		t.Error("the case's page does not tell who has read a document, and why")
	}
}

// TestRehearsalRefused: nothing is shown or written down of what the caller may not see, or
// of a draft that cannot be used.
func TestRehearsalRefused(t *testing.T) {
	b, r := drafting(t)
	large := map[string]string{letter: base64.StdEncoding.EncodeToString([]byte(sent + "#" + strings.Repeat("x", 256<<10)))}
	tests := []struct {
		name, who, body string
		status          int
		want            string
	}{
		{"nobody", "X-None: x", draftOf(r.ID, sent, nil), 401, "unknown-operator"},
		{"another municipality's", eslovare, draftOf(r.ID, sent, nil), 404, "not-found"},
		{"no such form", registrator, draftOf("01ARZ3NDEKTSV4RRFFQ69G5FAV", sent, nil), 404, "not-found"},
		{"no reason", registrator, draftOf(r.ID, sent, map[string]any{"reason": ""}), 422, "/reason"},
		{"a personnummer", registrator, draftOf(r.ID, sent, map[string]any{"reason": "gäller 19881003-2386"}), 422, "personal-number"},
		{"no form named", registrator, draftOf("", sent, nil), 422, "/submission"},
		{"a file elsewhere", registrator, draftOf(r.ID, sent, map[string]any{"mapping": "mappings/../secrets/x.yaml"}), 422, "/mapping"},
		{"no such file", registrator, draftOf(r.ID, sent, map[string]any{"files": map[string]string{}}), 422, "/files"},
		{"too large a mapping", registrator, draftOf(r.ID, sent, map[string]any{"files": large}), 422, "/files"},
		{"unknown members", registrator, draftOf(r.ID, sent, map[string]any{"send": true}), 422, "unknown-property"},
		{"too large", registrator, `{"x":"` + strings.Repeat("x", 5<<20) + `"}`, 413, "payload-too-large"},
		{"a mapping with mistakes", registrator, draftOf(r.ID, sent+"  a: ${isodat(inkommen)}\n", nil), 422, "no function is called isodat; is it isodate?"},
		{"a schema that did not come along", registrator, draftOf(r.ID, "schema: a.json\n"+sent, nil), 422, "there is no file schemas/a.json"},
		{"a mapping that no leg uses", registrator, draftOf(r.ID, sent, map[string]any{
			"mapping": "mappings/annat/brev.yaml", "files": map[string]string{"mappings/annat/brev.yaml": base64.StdEncoding.EncodeToString([]byte(sent))},
		}), 409, "state-conflict"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if a := b.rehearse(t, tt.who, tt.body); a.status != tt.status || !strings.Contains(a.body, tt.want) || strings.Contains(a.body, "Exemplet") {
				t.Errorf("%d %.300s", a.status, a.body)
			}
		})
	}
	if read := b.readDocuments(t, r.Case); len(read) != 0 {
		t.Errorf("written down: %q", read)
	}
}
