package mapping

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/knutpunkt/knutpunkt/hub"
)

const givenAltan = `{
  "municipality": {"code": "1080", "name": "Karlskrona kommun"},
  "title": "Bygglov för altan",
  "submission": {
    "id": "01JQ", "case": "01JQ", "service": "702", "version": "1",
    "source": {"system": "karlskrona.oep", "id": "4711", "version": "1"},
    "inkommen": "2026-03-02T10:00:00+01:00",
    "parties": [{"role": "sökande", "id": "189001019802", "follows": true}, {"role": "firma", "organisation": "2021004748"}],
    "answers": {"fastighet": "Eken 4", "antal": 2.50},
    "attachments": [{"name": "ritning.pdf", "type": "application/pdf", "size": 1024, "question": "ritning",
      "sha256": "0100000000000000000000000000000000000000000000000000000000000000"}]
  },
  "registers": {
    "sökande": {"id": "189001019802", "given": "Åsa", "family": "Öberg", "protection": "none",
      "address": {"street": "Storgatan 1", "postcode": "37133", "city": "Karlskrona"},
      "guardians": [{"given": "Ali", "birth": "1990"}], "asOf": "2026-03-02T10:00:01+01:00"},
    "alla": [{"given": "Bo", "protection": "none"}],
    "missad": null
  },
  "receipts": {"diarium": {"number": "SBN 2026-114", "at": "2026-03-02T10:00:05+01:00"}},
  "case": {"diarium": {"number": "SBN 2026-100", "ref": "100"}}
}`

func TestReadGiven(t *testing.T) {
	k, err := ReadGiven(files("given.json", givenAltan), "given.json")
	if err != nil {
		t.Fatal(err)
	}
	m := compiled(t, whole("json", `document: '${municipality.code} ${service.title} ${service.name} ${source.id} ${isodatetime(inkommen)} `+
		`${personnummer(parties.sökande)} ${organisationsnummer(parties.firma)} ${answers.antal} ${attachments[0].sha256} `+
		`${sökande.address.city} ${sökande.guardians[0].birth} ${alla[0].given} ${missad.given ?? "-"} ${diarium.number} ${case.diarium.ref}'`))
	got, err := m.Render(k)
	if err != nil {
		t.Fatal(err)
	}
	want := `"1080 Bygglov för altan 702 4711 2026-03-02T10:00:00+01:00 189001019802 2021004748 2.50 ` +
		`01` + strings.Repeat("0", 62) + ` Karlskrona 1990 Bo - SBN 2026-114 100"`
	if string(got.Reveal()) != want {
		t.Errorf("got  %s\nwant %s", got.Reveal(), want)
	}
	if k.Withhold || !k.Submission.Parties[0].Follows {
		t.Errorf("withhold %v, follows %v", k.Withhold, k.Submission.Parties[0].Follows)
	}
}

// What the package doc shows works.
func TestDoc(t *testing.T) {
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	shown := ""
	for line := range strings.Lines(string(text)) {
		if code, ok := strings.CutPrefix(line, "//\t"); ok {
			shown += code
		} else if shown != "" {
			blocks, shown = append(blocks, shown), ""
		}
	}
	const schema = `<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="Arende"/></xs:schema>`
	m := compiled(t, blocks[0], "schemas/diarium/arende-1.2.xsd", schema)
	k, err := ReadGiven(files("given.json", blocks[len(blocks)-1]), "given.json")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Render(k); err != nil {
		t.Error(err)
	}
}

func TestReadGivenErrors(t *testing.T) {
	tests := []struct{ name, old, new, want string }{
		{"unknown key", `"title":`, `"titel":`, `JSON: unknown-property at ""`},
		{"unknown key of a person", `"given": "Bo"`, `"namn": "Bo"`, `/registers/alla/0 is no person: JSON: unknown-property at ""`},
		{"protection", `"protection": "none"}]`, `"protection": ""}]`, `/registers/alla/0/protection must be none, marked, registration or unknown`},
		{"number", `"id": "189001019802", "follows"`, `"id": "19121212-1212", "follows"`, `/submission/parties/0/id must be a personnummer of twelve digits`},
		{"time", `"inkommen": "2026-03-02T10:00:00+01:00"`, `"inkommen": "2026-03-02"`, `/submission/inkommen must be a time such as 2026-03-02T10:00:00+01:00`},
		{"sum", `"0100000`, `"zz`, `/submission/attachments/0/sha256 must be 64 hexadecimal digits`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.Replace(givenAltan, tt.old, tt.new, 1)
			if _, err := ReadGiven(files("given.json", text), "given.json"); err == nil || err.Error() != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

const protectedGiven = `{"title": "x", "submission": {"inkommen": "2026-03-02T10:00:00+01:00", "answers": {"fastighet": "Eken 4"}},
  "registers": {"sökande": {"given": "Åsa", "protection": "marked", "address": {"city": "Karlskrona"}}}}`

const testedXML = "operation: x\noutput: xml\ndocument:\n  A:\n    Titel: ${answers.fastighet}\n    Namn: ${sökande.given}\n" +
	"    Ort?: ${sökande.address.city}\n"

const tests1 = "mappings/diarium/arende.test/"

func TestRunTests(t *testing.T) {
	altan := `<A> <Titel>Eken 4</Titel> <Namn>Åsa</Namn> <Ort>Karlskrona</Ort> </A>`
	protected := `<A><Titel>Eken 4</Titel><Namn>Åsa</Namn></A>`
	all := func(more ...string) fstest.MapFS {
		return files(append([]string{
			arende, testedXML,
			tests1 + "altan/given.json", givenAltan, tests1 + "altan/want.xml", altan,
			tests1 + "skyddad/given.json", protectedGiven, tests1 + "skyddad/want.xml", protected,
		}, more...)...)
	}
	without := func(names ...string) fstest.MapFS {
		fsys := all()
		for _, name := range names {
			delete(fsys, tests1+name)
		}
		return fsys
	}
	tests := []struct {
		name string
		fsys fstest.MapFS
		want string
	}{
		{"all well", all(), ""},
		{"text differs", all(tests1+"altan/want.xml", "<A>\n<Titel>Eken 4</Titel>\n<Namn>Åke</Namn>\n</A>"),
			tests1 + `altan/want.xml:3: /A/Namn: wanted "Åke", came "Åsa"`},
		{"too little", all(tests1+"skyddad/want.xml", altan), tests1 + `skyddad/want.xml:1: /A: wanted the element Ort, came nothing`},
		{"too much", all(tests1+"altan/want.xml", protected), tests1 + `altan/want.xml:1: /A: wanted nothing more, came the element Ort`},
		{"attribute", all(tests1+"skyddad/want.xml", `<A a="1"><Titel>Eken 4</Titel><Namn>Åsa</Namn></A>`),
			tests1 + `skyddad/want.xml:1: /A: wanted "a=\"1\"", came ""`},
		{"no want", without("altan/want.xml"), tests1 + "altan/want.xml:1: there is no such file; `check --update` writes it"},
		{"no given", without("altan/given.json"), tests1 + "altan/given.json:1: there is no given.json that can be read"},
		{"cannot render", all(tests1+"altan/given.json", strings.Replace(givenAltan, `"fastighet": "Eken 4", `, "", 1)),
			arende + ":5: in the test altan: ${answers.fastighet} has no value"},
		{"no skyddad", without("skyddad/given.json", "skyddad/want.xml"),
			arende + ":1: the mapping reads sökande from a register, so it must have a test called skyddad"},
		{"nobody protected", all(tests1+"skyddad/given.json", strings.Replace(protectedGiven, "marked", "none", 1), tests1+"skyddad/want.xml", altan),
			tests1 + "skyddad/given.json:2: nobody in the test skyddad has protected identity: write marked, registration or unknown as somebody's protection (column 16)"},
		{"no tests", files(arende, testedXML),
			arende + ":1: there are no tests: a case is a folder in mappings/diarium/arende.test with given.json and want.xml"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, problems := Compile(tt.fsys, arende)
			if problems != nil {
				t.Fatal(problems)
			}
			var got []string
			for _, p := range RunTests(tt.fsys, m) {
				got = append(got, p.String())
			}
			if s := strings.Join(got, "\n"); s != tt.want {
				t.Errorf("got\n%s\nwant\n%s", s, tt.want)
			}
		})
	}
}

func TestUpdateTests(t *testing.T) {
	for _, output := range []string{"xml", "json"} {
		fsys := files(arende, strings.Replace(testedXML, "xml", output, 1), tests1+"skyddad/given.json", protectedGiven)
		m, problems := Compile(fsys, arende)
		if problems != nil {
			t.Fatal(problems)
		}
		write := func(name string, content []byte) error {
			fsys[name] = &fstest.MapFile{Data: content}
			return nil
		}
		if problems := UpdateTests(fsys, m, write); problems != nil {
			t.Fatal(problems)
		}
		if problems := RunTests(fsys, m); problems != nil {
			t.Errorf("what was written is not what is wanted: %v", problems)
		}
		if lines := strings.Count(string(fsys[tests1+"skyddad/want."+output].Data), "\n"); lines < 4 {
			t.Errorf("%s: nobody reads %d lines", output, lines)
		}
	}
}

func TestDifferencesInJSON(t *testing.T) {
	tests := []struct{ name, want, got, shown string }{
		{"same", `{"a": [1, null], "b": {}}`, `{"b":{},"a":[1,null]}`, ""},
		{"value", `{"a": {"b": 1.0}}`, `{"a":{"b":1}}`, `/a/b: wanted 1.0, came 1 (column 13)`},
		{"missing", `{"a": 1, "b": 2}`, `{"a":1}`, `/b: wanted 2, came nothing (column 15)`},
		{"more", `{"a": 1}`, `{"a":1,"b":2}`, `/b: wanted nothing, came 2 (column 1)`},
		{"sort", `{"a": {}}`, `{"a":[]}`, `/a: wanted {}, came [] (column 7)`},
		{"item", `[1, 2]`, `[1,3]`, `/1: wanted 2, came 3 (column 5)`},
		{"items", `[1, 2]`, `[1]`, `/: wanted 2 items, came 1 (column 1)`},
		{"a slash in a name", `{"a/b": 1}`, `{"a/b":2}`, `/a~1b: wanted 1, came 2 (column 9)`},
		{"no JSON", `{`, `{}`, `the file: wanted JSON, came JSON: truncated at byte 1 (column 2)`},
	}
	m := &Mapping{json: true}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &report{file: arende}
			m.compare(r, []byte(tt.want), hub.NewDocument("application/json", []byte(tt.got)))
			want := ""
			if tt.shown != "" {
				want = "1: " + tt.shown
			}
			checkProblems(t, r.problems, want)
		})
	}
}
