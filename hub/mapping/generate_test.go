package mapping

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// ground is a route with a child, whose guardians are asked about, and its applicant.
func ground(t testing.TB, form string) Ground {
	t.Helper()
	m := compiled(t, `operation: arende
output: json
tables:
  skäl: { flytt: F, annat: A }
document:
  barn: ${personnummer(barn)}
  vem: ${personnummer(find(vårdnadshavare, personnummer(#) == personnummer(parties.sökande)))}
  skäl: ${tables.skäl[lower(trim(answers.skäl))]}
  från: ${isodate(answers.från)}
  kostnad: ${number(answers.kostnad ?? answers.annan)}
  postnr: ${postcode(answers.var.nr)}
  org: ${organisationsnummer(answers.firma)}
  syskon:
    $for: s in answers.syskon
    född: ${isodate(s.född)}
  diarienummer: ${diarium.number}
  ärende: ${case.diarium.number}
  fil: ${attachments[0].sha256}
`)
	env := Env{Parties: map[string]bool{"sökande": false, "barn": false}, Lookups: map[string]bool{"barn": false}}
	g := Ground{
		Mapping: m, After: []string{"diarium"}, Council: hub.MunicipalityText{Code: "1285", Name: "Eslövs kommun"},
		Route: &hub.Route{
			Title: "Skolval", From: "eslov.webb", Service: "skolval", Municipality: "1285",
			Legs: []hub.Leg{{Name: "diarium"}, {Name: "skola"}},
		},
	}
	find := func(text, as string, line int) func(hub.Known) ([]hub.Party, error) {
		g.Values = append(g.Values, RouteValue{File: "routes/eslov/skolval.yaml", Line: line, For: as, Text: text, As: as})
		f, _, problems := CompileFind(text, env, "routes/eslov/skolval.yaml", line)
		if problems != nil {
			t.Fatal(problems)
		}
		return f
	}
	nobody := func(hub.Known) ([]hub.Party, error) { return nil, nil }
	g.Route.Parties = []hub.PartyRule{{Role: "sökande", Follows: true, Find: nobody}, {Role: "barn", Find: find("${answers.barn.pnr}", "parties.barn", 5)}}
	g.Route.Enrich = []hub.Enrichment{
		{Register: "eslov.navet", As: "barn", Find: find("${parties.barn}", "barn", 7)},
		{Register: "eslov.navet", As: "vårdnadshavare", List: true, Find: find("${barn.guardians}", "vårdnadshavare", 8)},
	}
	if form != "" {
		var err error
		if g.Form, err = document.CompileForm(files("f.json", form), "f.json"); err != nil {
			t.Fatal(err)
		}
	}
	return g
}

const schoolForm = `{"type": "object", "properties": {
  "barn": {"type": "object", "properties": {"pnr": {"type": "string"}, "fornamn": {"type": "string"}}, "required": ["pnr"]},
  "kontakt": {"type": "object", "properties": {"personnummer": {"type": "string"}}}, "make": {"type": "object", "properties": {"pnr": {"type": "string"}}},
  "skäl": {"type": "string"}, "från": {"type": "string"}, "kostnad": {"type": "string"}, "annan": {"type": "string"},
  "var": {"type": "object", "properties": {"nr": {"type": "string"}}}, "firma": {"type": "string"}, "epost": {"type": "string", "format": "email"},
  "syskon": {"type": "array", "items": {"type": "object", "properties": {"född": {"type": "string"}}}}},
  "required": ["barn"], "additionalProperties": false}`

// TestGiven: what is made up fits the form, is read as any other given, and makes a document
// at once, of who is protected too; the same each time.
func TestGiven(t *testing.T) {
	g := ground(t, schoolForm)
	for _, name := range []string{"flytt", "skyddad"} {
		t.Run(name, func(t *testing.T) {
			text, err := g.Given(name)
			if err != nil {
				t.Fatal(err)
			}
			for range 10 { // maps go another way each time
				if again, _ := g.Given(name); !bytes.Equal(text, again) {
					t.Fatal("another one the second time")
				}
			}
			k, err := ReadGiven(files("given.json", string(text)), "given.json")
			if err != nil {
				t.Fatal(err)
			}
			doc, err := g.Mapping.Render(k)
			if err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			if _, err := g.Form.Fit(k.Submission.Answers.Reveal()); err != nil {
				t.Error(err)
			}
			if anyProtected(k) != (name == skyddad) || k.Withhold != (name == skyddad) {
				t.Error("protected by mistake, or not at all")
			}
			for _, want := range []string{`"skäl":"A"`, `"från":"2026-05-01"`, `"kostnad":12`, `"postnr":"371 33"`, `"org":"2021004748"`, `"född":"2026-05-01"`, `"ärende":"SBN`} {
				if !strings.Contains(string(doc.Reveal()), want) {
					t.Errorf("no %s in %s", want, doc.Reveal())
				}
			}
		})
	}
	one, _ := g.Given("en")
	if other, _ := g.Given("annan"); bytes.Equal(one, other) {
		t.Error("two cases are the same")
	}
}

// TestGivenHasOfficialTestNumbersAlone: nobody who lives has a number in what is made up.
func TestGivenHasOfficialTestNumbersAlone(t *testing.T) {
	folder := os.Getenv("KNUTPUNKT_FORMATS")
	if folder == "" {
		t.Skip("KNUTPUNKT_FORMATS names no folder with the authorities' files")
	}
	official, err := os.ReadFile(folder + "/testnumbers/skatteverket-test-identities-subset.csv")
	if err != nil {
		t.Fatal(err)
	}
	for _, number := range append(append([]string{}, grownUps...), children...) {
		if !strings.Contains(string(official), "\n"+number+",") {
			t.Errorf("%s is no official test number", number)
		}
	}
}

// TestGivenSaysWhatIsLacking: what cannot be made up is told, beside what could.
func TestGivenSaysWhatIsLacking(t *testing.T) {
	tests := []struct {
		name, form, test, want string
		change                 func(*Ground)
	}{
		{name: "no schema", test: "a", want: "the route has no schema for the form: fill in /submission/answers"},
		{name: "a schema that nothing fits", test: "a", form: `{"properties": {"a": {"type": "string", "not": {}}}, "required": ["a"]}`, want: "mend /submission/answers"},
		{name: "nobody to protect", test: skyddad, form: schoolForm, want: "nobody in the given is protected", change: func(g *Ground) { g.Route.Enrich = nil }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := ground(t, tt.form)
			if tt.change != nil {
				tt.change(&g)
			}
			text, err := g.Given(tt.test)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(string(text), `"Skolval"`) {
				t.Errorf("%v, with %s", err, text)
			}
		})
	}
}
