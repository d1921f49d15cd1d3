package edlevo_test

import (
	"bytes"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/knutpunkt/knutpunkt/connectors/edlevo"
	"github.com/knutpunkt/knutpunkt/connectors/edlevo/edlevosim"
	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/config"
	"github.com/knutpunkt/knutpunkt/hub/document"
	"github.com/knutpunkt/knutpunkt/hub/mapping"
)

// formats names the folder of the vendor's contract, which is not part of the project.
func formats(t *testing.T) string {
	t.Helper()
	folder := os.Getenv("KNUTPUNKT_FORMATS")
	if folder == "" {
		t.Skip("KNUTPUNKT_FORMATS does not say where the vendor's contract is")
	}
	return folder
}

func fits(t *testing.T, v document.Validator, name string, text []byte) {
	t.Helper()
	if err := v.Validate(text); err != nil {
		t.Errorf("%s: %v", name, err)
	}
}

// TestOurSchemasAreTheContract: what others have written by the vendor's contract fits ours, and what our
// mapping has made in its tests fits the vendor's.
func TestOurSchemasAreTheContract(t *testing.T) {
	folder := formats(t)
	for ours, c := range map[string]struct{ theirs, samples string }{
		"edlevo/schoolsearch-4.xsd":      {"tieto-edu-schoolsearch-v4.xsd", "edlevo-schoolsearch-*.xml"},
		"edlevo/applicationstatus-1.xsd": {"tieto-edu-applicationstatus-v1.xsd", "edlevo-applicationstatus-*.xml"},
	} {
		mine, vendors := schema(t, "../../schemas", ours), schema(t, filepath.Join(folder, "school/edlevo"), c.theirs)
		samples, _ := filepath.Glob(filepath.Join(folder, "handmade", c.samples))
		if len(samples) == 0 {
			t.Fatalf("no sample %s", c.samples)
		}
		for _, name := range samples {
			fits(t, mine, name+" by ours", read(t, name))
			fits(t, vendors, name+" by the vendor's", read(t, name))
		}
	}
	vendors := schema(t, filepath.Join(folder, "school/edlevo"), "tieto-edu-schoolsearch-v4.xsd")
	wanted, _ := filepath.Glob("../../mappings/edlevo/*.test/*/want.xml")
	if len(wanted) < 10 {
		t.Fatalf("the mappings have %d tests", len(wanted))
	}
	for _, name := range wanted {
		fits(t, vendors, name, read(t, name))
	}
}

// TestTheSimulatorSpeaksTheContract: what the simulator answers fits the vendor's schemas.
func TestTheSimulatorSpeaksTheContract(t *testing.T) {
	folder := filepath.Join(formats(t), "school/edlevo")
	search, status := schema(t, folder, "tieto-edu-schoolsearch-v4.xsd"), schema(t, folder, "tieto-edu-applicationstatus-v1.xsd")
	for name, text := range answersOfTheSimulator(t) {
		if strings.HasPrefix(name, "GetCompulsory") {
			fits(t, status, name, text)
		} else {
			fits(t, search, name, text)
		}
	}
}

// answersOfTheSimulator are one of each sort, by the service that gave it.
func answersOfTheSimulator(t *testing.T) map[string][]byte {
	answers := map[string][]byte{}
	tw := newTown(t, edlevosim.Options{}, edlevo.Config{})
	for i, d := range []hub.Delivery{hers.delivery(), hers.delivery(), unmade("None")} {
		service := []string{"SaveApplicationNextYear", "SaveApplicationReelection", "SaveNotApplying"}[i]
		r := httptest.NewRequest("POST", "/"+service+"?LicenseKey="+license, bytes.NewReader(d.Document.Reveal()))
		w := httptest.NewRecorder()
		if tw.sim.ServeHTTP(w, r); w.Code == 200 {
			answers[service] = w.Body.Bytes()
		}
	}
	for service, about := range map[string]string{
		"GetChildWithApplication": "child=" + child, "GetChildren": "ssn=" + father,
		"GetCompulsorySchoolChoiceApplications": "PersonId=" + child, "GetCompulsorySchoolChangeApplications": "PersonId=" + child,
	} {
		w := httptest.NewRecorder()
		tw.sim.ServeHTTP(w, httptest.NewRequest("GET", "/"+service+"?"+about+"&LicenseKey="+license, nil))
		answers[service] = w.Body.Bytes()
	}
	if len(answers) != 6 || !bytes.Contains(answers["GetChildWithApplication"], []byte("AwaitingAnswer")) {
		t.Fatalf("%d answers", len(answers))
	}
	return answers
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestWhateverIsChosenFits: of any form, what the shipped route makes for Edlevo fits our schema, which the
// mapping sees to, and the vendor's; and holds the child, the guardian and each school that was chosen, once.
func TestWhateverIsChosenFits(t *testing.T) {
	render := legOf(t, "edlevo")
	vendors := document.Validator(nil)
	if folder := os.Getenv("KNUTPUNKT_FORMATS"); folder != "" {
		vendors = schema(t, filepath.Join(folder, "school/edlevo"), "tieto-edu-schoolsearch-v4.xsd")
	}
	rapid.Check(t, func(r *rapid.T) {
		known, schools := aForm(r)
		doc, err := render(known)
		if err != nil {
			r.Fatalf("render: %v", err)
		}
		text := doc.Reveal()
		if vendors != nil {
			if err := vendors.Validate(text); err != nil {
				r.Errorf("the vendor's: %v", err)
			}
		}
		if !strings.Contains(string(text), ">"+child+"<") || !strings.Contains(string(text), ">"+mother+"<") {
			r.Error("the child or the guardian is missing")
		}
		if n := strings.Count(string(text), "<unitid>"); n != schools {
			r.Errorf("%d schools of %d", n, schools)
		}
	})
}

// TestWhatCannotBeApplied: what a person must look at is not rendered, and nobody is named when it is said.
func TestWhatCannotBeApplied(t *testing.T) {
	render := legOf(t, "edlevo")
	school := []any{map[string]any{"enhet": "3011", "namn": "Centralskolan"}}
	for name, c := range map[string]struct {
		answers   map[string]any
		guardians []string
		says      string
	}{
		"no choices":                   {map[string]any{"årskurs": "1"}, []string{mother, father}, "answers.skolor"},
		"no grade":                     {map[string]any{"skolor": school}, []string{mother}, "answers.årskurs"},
		"who applies is no guardian":   {map[string]any{"årskurs": "1", "skolor": school}, []string{father}, "vårdnadshavare"},
		"none, and no reason for that": {map[string]any{"val": "avstår"}, []string{mother}, "skäl"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := render(knownOf(c.answers, c.guardians...))
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("render gives %v", err)
			}
			if err != nil && (strings.Contains(err.Error(), child) || strings.Contains(err.Error(), mother)) {
				t.Errorf("%v holds a number", err)
			}
		})
	}
}

// TestWhoIsRegisteredHasAGuardian: of who is registered nowhere no register names any, and who applies is
// taken at his word; a child that is registered, and has none, is for a person.
func TestWhoIsRegisteredHasAGuardian(t *testing.T) {
	render := legOf(t, "edlevo")
	for registered, applied := range map[hub.Municipality]bool{"": true, "1285": false} {
		known := knownOf(map[string]any{"årskurs": "1", "skolor": []any{map[string]any{"enhet": "3011", "namn": "Centralskolan"}}})
		known.Answers["barn"].Persons[0].Registered = registered
		if _, err := render(known); (err == nil) != applied {
			t.Errorf("registered in %q: %v", registered, err)
		}
	}
}

// TestATemporaryNumberIsAPersons: a number such as a school gives who has none is no identity number to the
// hub. Nobody is found for it, so that the form is held and says why, and nothing is sent.
func TestATemporaryNumberIsAPersons(t *testing.T) {
	bundle := shipped(t)
	route := bundle.Route("1285", "eslov.hemsidan", "skolval")
	known := knownOf(map[string]any{"barn": map[string]any{"personnummer": "20130101TF01"}})
	for _, rule := range route.Parties {
		if rule.Role == "barn" {
			if parties, err := rule.Find(known); err == nil || strings.Contains(err.Error(), "TF01") {
				t.Errorf("the child is found to be %d parties, %v", len(parties), err)
			}
			return
		}
	}
	t.Error("the route has no child")
}

func shipped(t *testing.T) *hub.Bundle {
	t.Helper()
	archive, err := config.Read(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	bundle, err := config.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	return bundle
}

// legOf gives what renders a leg's document, as the shipped route types a form's answers.
func legOf(t *testing.T, name string) func(hub.Known) (hub.Document, error) {
	t.Helper()
	route := shipped(t).Route("1285", "eslov.hemsidan", "skolval")
	for _, leg := range route.Legs {
		if leg.Name == name {
			return func(known hub.Known) (hub.Document, error) {
				answers, err := route.Form("1").Fit(known.Submission.Answers)
				if err != nil {
					return hub.Document{}, err
				}
				known.Submission.Answers = answers
				return leg.Mapping.Render(known)
			}
		}
	}
	t.Fatalf("the route has no leg %s", name)
	return nil
}

// knownOf is what is known of a form: of the child and these guardians, the mother being who applies.
func knownOf(answers map[string]any, guardians ...string) hub.Known {
	if answers["barn"] == nil {
		answers["barn"] = map[string]any{"personnummer": child}
	}
	at := time.Date(2026, 3, 2, 8, 59, 30, 0, time.UTC)
	known := hub.Known{
		Key: "01KA0000000000000000000400-edlevo", Title: "Skolval",
		Submission: hub.Submission{
			ID: "01KA0000000000000000000400", Service: "skolval", Inkommen: at, Answers: hub.NewAnswers(answers),
			Parties: []hub.Party{{Role: "sökande", ID: number(mother)}, {Role: "barn", ID: number(child)}},
		},
		Answers: map[string]hub.RegisterAnswer{
			"barn":           {As: "barn", Persons: []hub.Person{{ID: number(child), Family: "Hagtest", Protection: hub.NotProtected}}},
			"vårdnadshavare": {As: "vårdnadshavare", List: true},
		},
	}
	list := known.Answers["vårdnadshavare"]
	for _, g := range guardians {
		list.Persons = append(list.Persons, hub.Person{ID: number(g), Family: "Hagtest", Protection: hub.NotProtected})
	}
	known.Answers["vårdnadshavare"] = list
	return known
}

// number reads an official test number; none is nobody.
func number(s string) hub.PersonID {
	id, err := hub.ParsePersonID(s)
	if err != nil && s != "" {
		panic("a test number is none")
	}
	return id
}

// aForm draws a form that a guardian may send in, and how many schools are to come of it.
func aForm(r *rapid.T) (known hub.Known, schools int) {
	text := rapid.StringOf(rapid.RuneFrom([]rune("aåÄö é<>&\"'-_.,+@ 09\u00a0\u2019ß")))
	answers := map[string]any{"årskurs": rapid.SampledFrom([]string{"0", "1", "9"}).Draw(r, "grade")}
	maybe := func(name string, value func() any) {
		if rapid.Bool().Draw(r, "has "+name) {
			answers[name] = value()
		}
	}
	for _, name := range []string{"epost", "telefon", "annanTelefon", "annanSkola"} {
		maybe(name, func() any { return text.Draw(r, name) })
	}
	for _, name := range []string{"telefonHemlig", "annanTelefonHemlig"} {
		maybe(name, func() any { return rapid.Bool().Draw(r, name) })
	}
	maybe("val", func() any {
		return rapid.SampledFrom([]string{"nästa läsår", "byte", "omval", "avstår"}).Draw(r, "val")
	})
	if answers["val"] == "avstår" {
		answers["avstår"] = map[string]any{
			"skäl": rapid.SampledFrom([]string{"annan kommun", "fristående skola", "skolgång önskas inte", "annat", "vill inte säga"}).Draw(r, "why"),
			"text": text.Draw(r, "text"),
		}
	} else {
		answers["skolor"], schools = someSchools(r, text)
	}
	guardians := rapid.SampledFrom([][]string{{mother}, {mother, father}, {father, mother}, {mother, ""}, nil}).Draw(r, "guardians")
	known = knownOf(answers, guardians...)
	known.Submission.Inkommen = known.Submission.Inkommen.Add(time.Duration(rapid.Int64Range(0, 1<<60).Draw(r, "after")))
	return known, schools
}

func someSchools(r *rapid.T, text *rapid.Generator[string]) (schools []any, n int) {
	n = rapid.IntRange(1, 3).Draw(r, "schools")
	for range n {
		s := map[string]any{"enhet": rapid.SampledFrom([]string{"1", "3011", "99999"}).Draw(r, "unit"), "namn": text.Draw(r, "school")}
		for _, name := range []string{"namnMedÅrskurs", "profil"} {
			if rapid.Bool().Draw(r, "has "+name) {
				s[name] = text.Draw(r, name)
			}
		}
		for _, name := range []string{"fristående", "syskonförtur"} {
			if rapid.Bool().Draw(r, "has "+name) {
				s[name] = rapid.Bool().Draw(r, name)
			}
		}
		schools = append(schools, s)
	}
	return schools, n
}

// TestEveryTestOfTheMappingsIsTaken: an Edlevo takes what the mappings make in their tests.
func TestEveryTestOfTheMappingsIsTaken(t *testing.T) {
	givens, _ := filepath.Glob("../../mappings/edlevo/skolval.test/*/given.json")
	if len(givens) == 0 {
		t.Fatal("the mapping has no tests")
	}
	render := legOf(t, "edlevo")
	for _, name := range givens {
		known, err := mapping.ReadGiven(os.DirFS(filepath.Dir(name)), "given.json")
		if err != nil {
			t.Fatal(err)
		}
		doc, err := render(known)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		d := hers.delivery()
		d.Document = doc
		if r, err := newTown(t, edlevosim.Options{}, edlevo.Config{}).deliver(d); err != nil || r.Number == "" {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}
