package web_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
	"github.com/knutpunkt/knutpunkt/hub/web"
)

const (
	nationalToken = "nationell-hemlighet-4"
	asksNational  = "/1080/kundhandelseFragaSynkron"
	correlation   = "skv_client_correlation_id: 0c5e1f3e-6f0e-4c39-9d0a-1b9a6a2b7c11"
	another       = "199001012385" // one of Skatteverket's official test numbers
)

// national is a bed whose e-service is shown in the national Mina ärenden, and which asks no
// register, so that it does not know whom something protects.
func national(t testing.TB) *bed {
	t.Helper()
	b := makeBed(t)
	b.shape = func(of *hub.Bundle) {
		of.Routes[0].Kundhandelse, of.Routes[0].Title = "KARLSKRONA.BYGGLOV_ALTAN", "Bygglov för altan"
	}
	b.tune = func(o *web.Options) {
		o.Clients = append(o.Clients, web.Client{
			Name: "mina-arenden", Municipalities: []hub.Municipality{"1080"}, Services: []string{"*"}, Secrets: secrets(nationalToken), Kundhandelser: true,
		})
	}
	b.start(t)
	return b
}

// asksOf gives a question about a person's own cases; fraga is what else it asks.
func asksOf(person, fraga string) string {
	return fmt.Sprintf(`{"fraga":{"parter":[{"kund":{"identifierare":%q,"typ":"Personnummer"}}]%s},"anvandare":%[1]q}`, person, fraga)
}

func (b *bed) askNationally(t testing.TB, body string) answer {
	t.Helper()
	return ask(t, b.public, "POST", asksNational, body, bearer(nationalToken), jsonBody, correlation)
}

// A svar is what the tests read of an answer.
type svar struct {
	Kundhandelser []struct {
		Totalt  int            `json:"totaltAntalKundhandelser"`
		ForPart []kundhandelse `json:"kundhandelserForPart"`
	}
	Delfragor []struct {
		Producent, Status string
		HTTPCode          int
	}
}

type kundhandelse struct {
	ID               string `json:"kundhandelseId"`
	Rubrik           string
	Beskrivning      string
	Producent        string
	Tidpunkt         string
	Typ              string `json:"kundhandelseTyp"`
	KraverKundatgard bool   `json:"producentarendetKraverKundatgard"`
	Klart            bool   `json:"producentarendetKlart"`
}

// handelser gives what is told of the first part.
func (b *bed) handelser(t testing.TB, body string) (total int, told []kundhandelse) {
	t.Helper()
	a := b.askNationally(t, body)
	if a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	var s svar
	decode(t, a, &s)
	if len(s.Kundhandelser) == 0 || len(s.Kundhandelser) != len(s.Delfragor) || s.Delfragor[0].Status != "OK" || s.Delfragor[0].HTTPCode != 200 {
		t.Fatalf("%s", a.body)
	}
	return s.Kundhandelser[0].Totalt, s.Kundhandelser[0].ForPart
}

func types(ks []kundhandelse) []string {
	var all []string
	for _, k := range ks {
		all = append(all, strings.TrimPrefix(k.Typ, "KARLSKRONA.BYGGLOV_ALTAN."))
	}
	return all
}

func TestKundhandelser(t *testing.T) {
	b := national(t)
	r, c := b.registered(t, "1")
	b.tell(t, diariumTells, diariumNew, reported("e-1", c.Ref, "Beslutat", `at="`+time.Now().Format(time.RFC3339Nano)+`"`)).mustBe(t, "decided", 202, "taken")
	b.submit(t, "2", `applicant={"personalIdentityNumber":"`+another+`"}`)
	b.submit(t, "3", "applicant=", `service="okänd"`)

	total, all := b.handelser(t, asksOf(canary, ""))
	if got := types(all); total != 3 || !slices.Equal(got, []string{"BESLUTAT", "REGISTRERAT", "INKOMMET"}) {
		t.Fatalf("%d: %v", total, got)
	}
	if _, again := b.handelser(t, asksOf(canary, "")); !slices.Equal(again, all) {
		t.Error("the same question has another answer")
	}
	first, last := all[2], all[0]
	if first.KraverKundatgard || first.Klart || !last.Klart || last.Producent != "Karlskrona kommun" ||
		!regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+0[12]:00$`).MatchString(last.Tidpunkt) {
		t.Errorf("%+v %+v", first, last)
	}
	if last.Rubrik != "Bygglov för altan" || last.Beskrivning != last.Rubrik {
		t.Errorf("no register has said that nobody is protected, and it is told: %q %q", last.Rubrik, last.Beskrivning)
	}

	now := time.Now().In(hub.Stockholm)
	today, yesterday := now.Format(time.DateOnly), now.AddDate(0, 0, -1).Format(time.DateOnly)
	named := func(kind, name string) string {
		return fmt.Sprintf(`{"fraga":{"parter":[{"arende":{"identifierare":%q,"typ":%q}}]},"anvandare":%q}`, name, kind, canary)
	}
	const byTime = `"sortering":[{"attribut":"TIDPUNKT","stigande":true}]`
	for _, tc := range []struct {
		name, body string
		total      int
		want       []string
	}{
		{"oldest first", asksOf(canary, `,"behandling":{`+byTime+`}`), 3, []string{"INKOMMET", "REGISTRERAT", "BESLUTAT"}},
		{"by type", asksOf(canary, `,"behandling":{"sortering":[{"attribut":"PRODUCENTARENDETKLART","stigande":false},{"attribut":"KUNDHANDELSETYP","stigande":true}]}`), 3,
			[]string{"BESLUTAT", "INKOMMET", "REGISTRERAT"}},
		{"a page", asksOf(canary, `,"behandling":{`+byTime+`,"paginering":{"offset":1,"limit":1}}`), 3, []string{"REGISTRERAT"}},
		{"the rest", asksOf(canary, `,"behandling":{`+byTime+`,"paginering":{"offset":1}}`), 3, []string{"REGISTRERAT", "BESLUTAT"}},
		{"beyond the end", asksOf(canary, `,"behandling":{`+byTime+`,"paginering":{"offset":9}}`), 3, nil},
		{"of a type", asksOf(canary, `,"kundhandelseTyper":["KARLSKRONA.BYGGLOV_ALTAN.BES","KARLSKRONA.SKOLA"]`), 1, []string{"BESLUTAT"}},
		{"of another type", asksOf(canary, `,"kundhandelseTyper":["ESLOV"]`), 0, nil},
		{"with a tag", asksOf(canary, `,"taggar":["bygglov"]`), 0, nil},
		{"today", asksOf(canary, `,"startDatum":"`+today+`","slutDatum":"`+today+`"`), 3, []string{"BESLUTAT", "REGISTRERAT", "INKOMMET"}},
		{"until yesterday", asksOf(canary, `,"slutDatum":"`+yesterday+`"`), 0, nil},
		{"of a diarienummer", named("Diarienummer", c.Ref), 3, types(all)},
		{"of the case's id", named("Producentarendereferens", string(c.ID)), 3, types(all)},
		{"of the receipt", named("Kvittensnummer", r.ID), 3, types(all)},
		{"of the platform's reference", named("Konsumentreferens", "1"), 3, types(all)},
		{"of the platform's reference of another's", named("Konsumentreferens", "2"), 0, nil},
		{"of a diarienummer as another kind", named("Kvittensnummer", c.Ref), 0, nil},
		{"of another kund", `{"fraga":{"parter":[{"kund":{"identifierare":"` + another + `","typ":"Personnummer"}}]},"anvandare":"` + canary + `"}`, 0, nil},
		{"of an organisation", `{"fraga":{"parter":[{"kund":{"identifierare":"162021004748","typ":"Organisationsnummer"}}]},"anvandare":"` + canary + `"}`, 0, nil},
		{"of nobody", asksOf("199001012386", ""), 0, nil},
		{"of herself, who has none", asksOf("198206822390", ""), 0, nil},
	} {
		if total, told := b.handelser(t, tc.body); total != tc.total || !slices.Equal(types(told), tc.want) {
			t.Errorf("%s: %d %v, want %d %v", tc.name, total, types(told), tc.total, tc.want)
		}
	}
	if strings.Contains(b.log.String(), canary) {
		t.Error("a personnummer is in the log")
	}
}

// TestKundhandelseOfInkommet: the case came in when its citizen sent it, here as on her own page.
func TestKundhandelseOfInkommet(t *testing.T) {
	b := national(t)
	sent := time.Now().In(hub.Stockholm).AddDate(0, 0, -1).Truncate(time.Second)
	b.submit(t, "1", `submitted="`+sent.Format(time.RFC3339)+`"`)
	yesterday := sent.Format(time.DateOnly)
	_, told := b.handelser(t, asksOf(canary, `,"startDatum":"`+yesterday+`","slutDatum":"`+yesterday+`"`))
	if len(told) != 1 || told[0].Tidpunkt != sent.Format("2006-01-02T15:04:05-07:00") {
		t.Errorf("of yesterday is told %+v", told)
	}
}

func TestQuestionsThatAreNotAnswered(t *testing.T) {
	b := national(t)
	good := asksOf(canary, "")
	for _, tc := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
	}{
		{"no token", "POST", asksNational, good, []string{jsonBody, correlation}, 401},
		{"a platform's token", "POST", asksNational, good, []string{jsonBody, correlation, bearer(portalToken)}, 401},
		{"another municipality", "POST", "/1285/kundhandelseFragaSynkron", good, []string{jsonBody, correlation, bearer(nationalToken)}, 404},
		{"no municipality", "POST", "/0000/kundhandelseFragaSynkron", good, []string{jsonBody, correlation, bearer(nationalToken)}, 404},
		{"another method", "GET", asksNational, "", []string{correlation, bearer(nationalToken)}, 405},
		{"XML", "POST", asksNational, "<fraga/>", []string{"Content-Type: text/xml", correlation, bearer(nationalToken)}, 415},
		{"no correlation", "POST", asksNational, good, []string{jsonBody, bearer(nationalToken)}, 400},
		{"an empty correlation", "POST", asksNational, good, []string{jsonBody, "skv_client_correlation_id: \u00e5", bearer(nationalToken)}, 400},
		{"no JSON", "POST", asksNational, "fraga", []string{jsonBody, correlation, bearer(nationalToken)}, 400},
		{"a question too long", "POST", asksNational, strings.Repeat(" ", 128<<10) + good, []string{jsonBody, correlation, bearer(nationalToken)}, 400},
		{"an unknown member", "POST", asksNational, asksOf(canary, `,"sok":"x"`), []string{jsonBody, correlation, bearer(nationalToken)}, 400},
		{"nobody asks", "POST", asksNational, `{"fraga":{"parter":[{"kund":{"identifierare":"` + canary + `","typ":"Personnummer"}}]}}`, []string{jsonBody, correlation, bearer(nationalToken)}, 400},
		{"ten digits", "POST", asksNational, asksOf(canary[2:], ""), []string{jsonBody, correlation, bearer(nationalToken)}, 400},
		{"no part", "POST", asksNational, `{"fraga":{"parter":[]},"anvandare":"` + canary + `"}`, []string{jsonBody, correlation, bearer(nationalToken)}, 400},
		{"an empty part", "POST", asksNational, `{"fraga":{"parter":[{}]},"anvandare":"` + canary + `"}`, []string{jsonBody, correlation, bearer(nationalToken)}, 400},
		{"a kind that is none", "POST", asksNational, strings.Replace(good, "Personnummer", "Passnummer", 1), []string{jsonBody, correlation, bearer(nationalToken)}, 400},
		{"a type in small letters", "POST", asksNational, asksOf(canary, `,"kundhandelseTyper":["karlskrona"]`), []string{jsonBody, correlation, bearer(nationalToken)}, 400},
		{"a day that is none", "POST", asksNational, asksOf(canary, `,"startDatum":"2026-02-30"`), []string{jsonBody, correlation, bearer(nationalToken)}, 400},
		{"paging without an order", "POST", asksNational, asksOf(canary, `,"behandling":{"paginering":{"offset":0}}`), []string{jsonBody, correlation, bearer(nationalToken)}, 400},
		{"an order that is none", "POST", asksNational, asksOf(canary, `,"behandling":{"sortering":[{"attribut":"PRIS","stigande":true}]}`), []string{jsonBody, correlation, bearer(nationalToken)}, 400},
		{"a page of nothing", "POST", asksNational, asksOf(canary, `,"behandling":{"sortering":[{"attribut":"RUBRIK","stigande":true}],"paginering":{"offset":0,"limit":0}}`),
			[]string{jsonBody, correlation, bearer(nationalToken)}, 400},
	} {
		a := ask(t, b.public, tc.method, tc.path, tc.body, tc.headers...)
		var said map[string]string
		if err := json.Unmarshal([]byte(a.body), &said); err != nil || a.status != tc.status || len(said) != 1 || said["message"] == "" {
			t.Errorf("%s: %d %s, want %d and a message", tc.name, a.status, a.body, tc.status)
		}
		if strings.Contains(a.body, canary) {
			t.Errorf("%s: what was asked comes back: %s", tc.name, a.body)
		}
	}
	if a := ask(t, b.public, "GET", "/v1/submissions", "", bearer(nationalToken)); a.status != 403 {
		t.Errorf("who asks nationally reads the forms too: %d", a.status)
	}
	b.store.Close()
	if a := b.askNationally(t, good); a.status != 500 {
		t.Errorf("without a store: %d %s", a.status, a.body)
	}
}

// TestAnEServiceThatIsNotShown in the national Mina ärenden is not, whoever asks.
func TestAnEServiceThatIsNotShown(t *testing.T) {
	b := makeBed(t)
	b.tune = func(o *web.Options) {
		o.Clients = append(o.Clients, web.Client{
			Name: "mina-arenden", Municipalities: []hub.Municipality{"1080"}, Services: []string{"*"}, Secrets: secrets(nationalToken), Kundhandelser: true,
		})
	}
	b.start(t)
	b.registered(t, "1")
	if total, told := b.handelser(t, asksOf(canary, "")); total != 0 || len(told) != 0 {
		t.Errorf("%d: %v", total, told)
	}
}

// TestKundhandelserConform holds questions and answers against the authority's description of
// them, and asks its own example.
func TestKundhandelserConform(t *testing.T) {
	folder := os.Getenv("KNUTPUNKT_FORMATS")
	if folder == "" {
		t.Skip("KNUTPUNKT_FORMATS does not say where the authorities' files are")
	}
	read := func(name string) []byte {
		text, err := os.ReadFile(filepath.Join(folder, "mina-arenden", name))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	request, response := schemaOf(t, read("kundhandelse-fraga-6.1-openapi.yaml"), "Request"), schemaOf(t, read("kundhandelse-fraga-6.1-openapi.yaml"), "Response")
	if err := request.Validate(read("fraga-request.json")); err != nil {
		t.Fatalf("the example does not follow its own description: %v", err)
	}
	b := national(t)
	_, c := b.registered(t, "1")
	b.tell(t, diariumTells, diariumNew, reported("e-1", c.Ref, "Beslutat")).mustBe(t, "decided", 202, "taken")
	for name, question := range map[string]string{
		"the example": string(read("fraga-request.json")),
		"her own":     asksOf(canary, ""),
		"all of it": `{"fraga":{"parter":[{"kund":{"identifierare":"` + canary + `","typ":"Personnummer","tillagg":null},"arende":{"identifierare":"` + c.Ref + `","typ":"Diarienummer"}}],` +
			`"kundhandelseTyper":["KARLSKRONA"],"taggar":[],"startDatum":"2020-01-01","slutDatum":"2099-12-31","behandling":{"sortering":[{"attribut":"RUBRIK","stigande":true}],` +
			`"paginering":{"offset":0,"limit":10}}},"anvandare":"` + canary + `"}`,
	} {
		if err := request.Validate([]byte(question)); err != nil {
			t.Errorf("%s: the question: %v", name, err)
		}
		a := ask(t, b.public, "POST", asksNational, question, bearer(nationalToken), jsonBody, correlation, "Accept-Language: sv-SE, en;q=0.5")
		if a.status != 200 {
			t.Fatalf("%s: %d %s", name, a.status, a.body)
		}
		if err := response.Validate([]byte(a.body)); err != nil {
			t.Errorf("%s: the answer: %v", name, err)
		}
	}
	var theirs, ours struct{ Metadata, Delfragor any }
	if err := json.Unmarshal(read("fraga-response.json"), &theirs); err != nil {
		t.Fatal(err)
	}
	decode(t, b.askNationally(t, string(read("fraga-request.json"))), &ours)
	if theirText, ourText := asJSON(theirs.Metadata), asJSON(ours.Metadata); !bytes.Equal(theirText, ourText) {
		t.Errorf("the question is understood as\n%s, want\n%s", ourText, theirText)
	}
}

func asJSON(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return text
}

// schemaOf gives one schema of an OpenAPI description.
func schemaOf(t testing.TB, description []byte, name string) document.Validator {
	t.Helper()
	var whole struct{ Components map[string]any }
	if err := yaml.Unmarshal(description, &whole); err != nil {
		t.Fatal(err)
	}
	text := asJSON(map[string]any{"$ref": "#/components/schemas/" + name, "components": whole.Components})
	v, err := document.CompileJSONSchema(fstest.MapFS{"schema.json": {Data: text}}, "schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return v
}
