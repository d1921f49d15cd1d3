package paxml_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"pgregory.net/rapid"

	"github.com/knutpunkt/knutpunkt/connectors"
	"github.com/knutpunkt/knutpunkt/connectors/paxml"
	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/config"
	"github.com/knutpunkt/knutpunkt/hub/document"
	"github.com/knutpunkt/knutpunkt/hub/mapping"
)

// shipped is the configuration that Karlstad's leave stands in.
var shipped = os.DirFS("../..")

// leave is Karlstad's form on its way to the payroll system.
type leave struct {
	form    *document.Form
	mapping *mapping.Mapping
	system  hub.System
}

func newLeave(t *testing.T) leave {
	t.Helper()
	schemas, err := fs.Sub(shipped, "schemas")
	if err != nil {
		t.Fatal(err)
	}
	form, err := document.CompileForm(schemas, "services/ledighetsansokan.json")
	if err != nil {
		t.Fatal(err)
	}
	m, problems := mapping.Compile(shipped, "mappings/paxml/ledighet.yaml")
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	s, err := opened(t, paxml.Config{Folder: "/srv/in"})
	if err != nil {
		t.Fatal(err)
	}
	return leave{form, m, s}
}

// file makes the payroll file of what an employee writes, as the hub does.
func (l leave) file(orsak, perioder string) (hub.Document, error) {
	tree, err := document.ReadJSON([]byte(`{"anställd":{"personnummer":"199001012385","anställningsnummer":"101"},"orsak":"`+
		orsak+`","perioder":`+perioder+`}`), document.Limits{})
	if err == nil {
		tree, err = l.form.Fit(tree)
	}
	if err != nil {
		return hub.Document{}, err
	}
	id, _ := hub.ParsePersonID("199001012385")
	at := time.Date(2026, 3, 2, 7, 15, 0, 0, time.UTC)
	return l.mapping.Render(hub.Known{
		Submission: hub.Submission{Municipality: "1780", Inkommen: at, Answers: hub.NewAnswers(tree)},
		Council:    hub.MunicipalityText{Code: "1780", Name: "Karlstads kommun"},
		Answers:    map[string]hub.RegisterAnswer{"anställd": {Persons: []hub.Person{{ID: id, Protection: hub.NotProtected}}}},
		Receipts:   map[string]hub.Receipt{"diarium": {Number: "HR 2026-1", At: at}},
	})
}

func TestLeaveThatComesOutWhole(t *testing.T) {
	l := newLeave(t)
	tests := []struct{ name, orsak, perioder, want string }{
		{"a day", "Semester", `[{"dag":"2026-03-09"}]`, `<tidkod>SEM</tidkod><datum>2026-03-09</datum><info>HR 2026-1/1</info>`},
		{"in capitals, with blanks", " SEMESTER ", `[{"dag":" 2026-03-09 "}]`, `<tidkod>SEM</tidkod><datum>2026-03-09</datum>`},
		{"a day with a time of day", "Semester", `[{"dag":"2026-03-09T00:00:00+01:00"}]`, `<datum>2026-03-09</datum>`},
		{"a day in digits alone", "Semester", `[{"dag":"20260309"}]`, `<datum>2026-03-09</datum>`},
		{"hours with a comma", "kompledighet", `[{"dag":"2026-03-09","timmar":"4,5"}]`, `<tidkod>KOM</tidkod><datum>2026-03-09</datum><timmar>4.5</timmar>`},
		{"hours as a number", "kompledighet", `[{"dag":"2026-03-09","timmar":4.50}]`, `<timmar>4.50</timmar>`},
		{"half time", "Tjänstledighet", `[{"från":"2026-04-01","till":"2026-06-30","omfattning":"50 %"}]`,
			`<tidkod>TJL</tidkod><datumfrom>2026-04-01</datumfrom><datumtom>2026-06-30</datumtom><omfattning>50</omfattning>`},
		{"by the clock", "Permission", `[{"start":"2026-03-10T13:00","slut":"2026-03-10T17:00"}]`,
			`<tidkod>PEM</tidkod><starttid>2026-03-10T13:00:00</starttid><sluttid>2026-03-10T17:00:00</sluttid>`},
		{"by the clock, after the summer time began", "Permission", `[{"start":"2026-03-30T08:00:00+02:00","slut":"2026-03-30T12:00:00+02:00"}]`,
			`<starttid>2026-03-30T08:00:00</starttid><sluttid>2026-03-30T12:00:00</sluttid>`},
		{"a child each", "Vård av barn", `[{"dag":"2026-03-09","barn":"20230214-2399"},{"dag":"2026-03-10","barn":"202301012395"}]`,
			`<barn>202302142399</barn><info>HR 2026-1/1</info></tidtrans><tidtrans postid="2" anstid="101" persnr="199001012385"><tidkod>VAB</tidkod><datum>2026-03-10</datum><barn>202301012395</barn>`},
		{"åäö, and what is blank", "närståendevård", `[{"dag":"2026-03-09","omfattning":" ","barn":"","anmärkning":"Åker till Örebro"}]`,
			`<tidkod>NÄR</tidkod><datum>2026-03-09</datum><info>HR 2026-1/1 Åker till Örebro</info>`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d, err := l.file(test.orsak, test.perioder)
			if err != nil {
				t.Fatal(err)
			}
			if broken := l.system.Checker.Check(hub.Delivery{Operation: "payroll", Document: d}); len(broken) > 0 {
				t.Errorf("it breaks %+v", broken)
			}
			root, err := document.ReadXML(strings.NewReader(string(d.Reveal())), document.Limits{})
			if err != nil || !strings.Contains(d.Type, "iso-8859-1") {
				t.Fatalf("%s: %v", d.Type, err)
			}
			utf8, _ := document.WriteXML(root, document.Style{})
			if !strings.Contains(string(utf8), test.want) {
				t.Errorf("the file is %s, want %s in it", utf8, test.want)
			}
		})
	}
}

// TestLeaveThatWaitsForAPerson: what cannot be told right is found, and never guessed.
func TestLeaveThatWaitsForAPerson(t *testing.T) {
	l := newLeave(t)
	tests := []struct{ name, orsak, perioder, found string }{
		{"hours of an interval", "Semester", `[{"från":"2026-03-09","till":"2026-03-13","timmar":"16"}]`, "/perioder/0"},
		{"half an interval", "Semester", `[{"från":"2026-03-09"}]`, "/perioder/0"},
		{"no period", "Semester", `[]`, "/perioder"},
		{"a reason that the table lacks", "vill inte", `[{"dag":"2026-03-09"}]`, "the table has no such entry"},
		{"no child", "Vård av barn", `[{"dag":"2026-03-09"}]`, "${personnummer(p.barn)} has no value"},
		{"a child with ten digits", "Vård av barn", `[{"dag":"2026-03-09","barn":"230214-2399"}]`, "no Swedish identity number"},
		{"a day that is written otherwise", "Semester", `[{"dag":"9 mars"}]`, "is no date"},
		{"a character that ISO-8859-1 lacks", "Semester", `[{"dag":"2026-03-09","anmärkning":"till Łódź"}]`, "not in ISO-8859-1"},
		{"more than all of it", "Semester", `[{"dag":"2026-03-09","omfattning":"150"}]`, "omfattning"},
	}
	for _, test := range tests {
		_, err := l.file(test.orsak, test.perioder)
		if err == nil || !strings.Contains(err.Error(), test.found) {
			t.Errorf("%s: %v, want %s", test.name, err, test.found)
		}
		if err != nil && (strings.Contains(err.Error(), "2399") || strings.Contains(err.Error(), "mars") || strings.Contains(err.Error(), "Łódź")) {
			t.Errorf("%s: the error repeats what the employee wrote: %v", test.name, err)
		}
	}
}

// TestFoundBeforeAnyCitizen: a mapping that makes what the payroll system would refuse is found by
// `knutpunkt check`, at its line.
func TestFoundBeforeAnyCitizen(t *testing.T) {
	const file = "mappings/paxml/ledighet.yaml"
	tests := []struct{ name, change, with, rule, at string }{
		{"hours of all that is asked for", `- $if: trim(p.timmar ?? "") != ""`, `- $if: "true"`, "rule 3", "timmar:"},
		{"negative hours", "${decimal(p.timmar)}", "-${decimal(p.timmar)}", "rule 6", "timmar:"},
		{"an extent of overtime", "kompledighet: KOM", "kompledighet: ÖT1", "rule 4", "omfattning:"},
		{"no day", "datum?: ${isodate(p.dag)}", `samlingsid: "1"`, "rule 2", "tidtrans:"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			fsys := copied(t, shipped)
			text := strings.Replace(string(fsys[file].Data), test.change, test.with, 1)
			if text == string(fsys[file].Data) {
				t.Fatalf("the mapping has no %s", test.change)
			}
			text = strings.Replace(text, `$text: ${decimal(p.timmar)}`, `$text: ${decimal(p.timmar ?? "8")}`, 1)
			fsys[file] = &fstest.MapFile{Data: []byte(text)}
			line := 1 + strings.Count(text[:strings.Index(text, " "+test.at)], "\n")
			problems := config.Check(fsys, connectors.All)
			found := func(p mapping.Problem) bool {
				return p.File == file && p.Line == line && strings.Contains(p.Text, test.rule)
			}
			if !slices.ContainsFunc(problems, found) {
				t.Errorf("found %v, want %s at line %d", problems, test.rule, line)
			}
		})
	}
}

// copied is a configuration that can be changed.
func copied(t *testing.T, from fs.FS) fstest.MapFS {
	t.Helper()
	all := fstest.MapFS{}
	for _, folder := range []string{"routes", "mappings", "schemas"} {
		err := fs.WalkDir(from, folder, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := fs.ReadFile(from, name)
			all[name] = &fstest.MapFile{Data: text}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// TestWhateverIsAskedForIsValid: whatever employees write, a file is right by our schema, the rules and
// the consortium's schema, or there is none.
func TestWhateverIsAskedForIsValid(t *testing.T) {
	l, theirs := newLeave(t), theirs(t)
	made := 0
	rapid.Check(t, func(t *rapid.T) {
		one := func(name string, values ...string) string { return rapid.SampledFrom(values).Draw(t, name) }
		var perioder []string
		for range rapid.IntRange(1, 4).Draw(t, "periods") {
			day := fmt.Sprintf("2026-%02d-%02d", rapid.IntRange(1, 12).Draw(t, "month"), rapid.IntRange(1, 31).Draw(t, "day"))
			period := one("when", `"dag":"`+day+`"`, `"från":"`+day+`","till":"2027-01-01"`, `"start":"`+day+`T08:00","slut":"`+day+`T12:30:00"`) +
				one("how much", "", `,"timmar":"4,5"`, `,"timmar":8`, `,"omfattning":"50 %"`, `,"omfattning":62.5`, `,"omfattning":"0"`, `,"timmar":"-1"`)
			perioder = append(perioder, "{"+period+one("child", "", `,"barn":"202302142399"`, `,"barn":"2302142399"`)+one("remark", "", `,"anmärkning":"åäö & <x>"`, `,"anmärkning":"€"`)+"}")
		}
		d, err := l.file(one("reason", "semester", "Vård av barn", "Föräldraledighet", "permission", "utbildning"), "["+strings.Join(perioder, ",")+"]")
		var unmade *hub.MappingError
		var unfit *document.ValidationError
		switch {
		case errors.As(err, &unmade), errors.As(err, &unfit):
			return
		case err != nil:
			t.Fatal(err)
		}
		made++
		if err := theirs.Validate(d.Reveal()); err != nil {
			t.Fatalf("%v:\n%s", err, d.Reveal())
		}
		for _, b := range l.system.Checker.Check(hub.Delivery{Operation: "payroll", Document: d}) {
			if !strings.Contains(b.Text, "rule 6") {
				t.Fatalf("%v:\n%s", b, d.Reveal())
			}
		}
	})
	if made == 0 {
		t.Error("no file was made, so nothing was tried")
	}
}
