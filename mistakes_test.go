package knutpunkt_test

import (
	"io/fs"
	"regexp"

	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/knutpunkt/knutpunkt"
	"github.com/knutpunkt/knutpunkt/connectors"
	"github.com/knutpunkt/knutpunkt/hub/config"
	"github.com/knutpunkt/knutpunkt/hub/mapping"
)

const (
	deckRoute        = "routes/karlskrona/bygglov-altan.yaml"
	school           = "routes/karlskrona/forskoleplats.yaml"
	karlskrona       = "routes/karlskrona/municipality.yaml"
	itsSystems       = "routes/karlskrona/systems.yaml"
	settings         = "knutpunkt.yaml"
	deckMapping      = "mappings/bygg/ansokan.yaml"
	caseMapping      = "mappings/diarium/arende.yaml"
	deckSchema       = "schemas/bygg/ansokan-1.0.xsd"
	caseSchema       = "schemas/diarium/sif-case.json"
	deckForm         = "schemas/services/bygglov-altan.json"
	deckGiven        = "mappings/bygg/ansokan.test/altan/given.json"
	deckWant         = "mappings/bygg/ansokan.test/altan/want.xml"
	caseWant         = "mappings/diarium/arende.test/altan/want.json"
	leaveRoute       = "routes/karlstad/ledighetsansokan.yaml"
	leaveForm        = "schemas/services/ledighetsansokan.json"
	leaveGiven       = "mappings/paxml/ledighet.test/semester/given.json"
	eslovsSystems    = "routes/eslov/systems.yaml"
	karlstadsSystems = "routes/karlstad/systems.yaml"
	protectedOne     = "mappings/bygg/ansokan.test/skyddad/given.json"
)

// A mistake is somebody's slip in the shipped configuration, and what the check says of it.
type mistake struct {
	name, file, old, new string
	at                   string // the file in which it is told, where that is another
	on                   string // a text on the line at which it is told; new where it is ""
	want                 string // a part of what is told
	why                  string
}

var mistakes = []mistake{
	// In a route.
	{"a misspelt key", deckRoute, "keep: 90", "kepp: 90", "", "", "there is no key called kepp; did you mean keep?", "what it would have said does not hold"},
	{"a missing key", deckRoute, "owner: sbf-integration@karlskrona.example", "", "", "title:", "owner is missing", "nobody answers for it"},
	{"no decision on retention", deckRoute, "decision: KS 2026-114", "", "", "title:", "decision is missing", "personal data are kept by no decision"},
	{"no policy for the protected", deckRoute, "protected: hold", "", "", "title:", "protected is missing", "there is no default"},
	{"a policy that is none", deckRoute, "protected: hold", "protected: yes", "", "", "protected is hold", "somebody's address would leave"},
	{"a key twice", deckRoute, "kundhandelser: true", "kundhandelser: true\nkundhandelser: false", "", "kundhandelser: false", "kundhandelser is written twice", "one of them would be read"},
	{"a bare number", deckRoute, `service: "702"`, "service: 0702", "", "", `write "0702" in quotes`, "many tools read octal"},
	{"a bare date", deckRoute, "decision: KS 2026-114", "decision: 2026-01-14", "", "", `decision is a text: write "2026-01-14" in quotes`, "YAML makes it a time"},
	{"a list for a table", deckRoute, "from: { system: oep, service: \"702\" }", "from: [oep, \"702\"]", "", "", "from must be a table", "a wrong type"},
	{"neither yes nor no", deckRoute, "voice: true", "voice: ja", "", "", "voice must be yes or no", "a wrong type"},
	{"an unknown system", deckRoute, "to: bygg", "to: byg", "", "", "no system is called byg in", "nobody would get it"},
	{"an unknown source", deckRoute, "system: oep", "system: opp", "", "", "did you mean oep?", "no form would come"},
	{"an unknown register", deckRoute, "register: navet", "register: navvet", "", "", "did you mean navet?", "nobody would be asked"},
	{"a register that takes deliveries", deckRoute, "register: navet", "register: diarium", "", "", "is no register", "it cannot be asked"},
	{"a leg to a register", deckRoute, "to: bygg", "to: navet", "", "", "takes no deliveries", "it takes nothing"},
	{"an unknown mapping", deckRoute, "mapping: bygg/ansokan", "mapping: bygg/ansökan", "", "", "did you mean bygg/ansokan?", "there would be no document"},
	{"an operation of another system", deckRoute, "mapping: bygg/ansokan", "mapping: diarium/arende # here", "", "", "cannot do case, which the mapping diarium/arende is for", "it would be refused at the first form"},
	{"an unknown form", deckRoute, "answers: services/bygglov-altan.json", "answers: services/bygglov-alta.json", "", "", "did you mean services/bygglov-altan.json?", "answers would have no types"},
	{"two voices", deckRoute, "after: diarium", "after: diarium\n    voice: true", "", "- to: bygg", "two legs have voice: true", "the citizen would hear two"},
	{"no voice", deckRoute, "    voice: true", "", "", "- to: diarium", "no leg has voice: true", "the citizen would hear nobody"},
	{"two legs of one name", deckRoute, "name: komplettering", "name: diarium", "", "", "two legs are called diarium", "their Keys would be the same"},
	{"after a leg that is not there", deckRoute, "after: diarium", "after: diariet", "", "", "no leg is called diariet", "it would wait for ever"},
	{"a circle", deckRoute, "    step: registrerat", "    step: registrerat\n    after: bygg", "", "after: bygg", "diarium would wait for itself", "both would wait for ever"},
	{"a step that is none", deckRoute, "step: registrerat", "step: registrerad", "", "", "registrerad is no step", "the citizen would be told nothing"},
	{"a term that is none", deckRoute, "keep: 90 dagar", "keep: 90d", "", "", "keep: write a number and", "nothing would be removed, or all"},
	{"an unknown field in a party", deckRoute, "answers.sokande.SocialSecurityNumber", "answers.sokande.SocialSecurityNumbr", "", "", "is it SocialSecurityNumber?", "there would be no applicant"},
	{"a role that nobody has", deckRoute, "${parties.sökande}", "${parties.sokande}", "", "", "is it sökande?", "nobody would be asked about"},
	{"a tab", deckRoute, "\nprotected: hold", "\n\tprotected: hold", "", "protected: hold", "tab", "YAML knows blanks only"},
	{"an alias", deckRoute, "title: Bygglov för altan", "title: &t Bygglov för altan", "", "", "anchors and aliases", "they surprise people"},

	// Who may call, and who the municipality is.
	{"a bare kommunkod", karlskrona, `code: "1080"`, "code: 0114", "", "", "code is a text: write \"0114\" in quotes", "in many tools it is 76"},
	{"a bare kommunkod in a list", settings, `["1080", "1285"] # for which it may post`, `[0114] # for which it may post`, "", "# for which it may post", `write "0114" in quotes`, "in many tools it is 76"},
	{"a municipality that is not there", settings, `["1080", "1285"] # for which it may post`, `["1080", "1286"] # for which it may post`, "", "# for which it may post", "no folder under routes/ has that kommunkod", "its forms would be refused"},
	{"a client of no such service", settings, "services: [kulturskola", "services: [kulturskolan", "", "", "no route of its municipalities takes the e-service kulturskolan", "its forms would rest"},
	{"a client that posts as nobody", settings, "systems: [oep]", "systems: [opp]", "", "", "no system of its municipalities is called opp; did you mean oep?", "its forms would be refused"},
	{"a secret as itself", settings, "secrets: [file:secrets/oep-client]", "secrets: [hemligt]", "", "", "never as the secret itself", "everybody who reads the file would have it"},

	// In systems.yaml.
	{"an unknown connector", itsSystems, "connector: sif # Public 360", "connector: siff", "", "diarium:", "there is no connector called siff; did you mean sif?", "nothing could be called"},
	{"an unknown key of a connector", itsSystems, "  authkey:", "  authkeys:", "", "", "did you mean authkey?", "it would be refused"},
	{"a word without a step", itsSystems, "Beslutat: beslutat", "Beslutat: beslut", "", "", "beslut is no step", "the citizen would not hear of the decision"},
	{"a voice without words", itsSystems, diariumsWords, "", "", "diarium:", "has no words", "the citizen would hear nothing"},
	{"another municipality's register", eslovsSystems, "connector: kir\n  municipality: \"1285\"", "connector: kir\n  municipality: \"1080\"", "", "municipality: \"1080\"", "what stands in routes/eslov/ is of 1285", "its residents would be another municipality's"},
	{"a place with an empty name", karlstadsSystems, "content: bilagor.innehall", "content: bilagor..innehall", "", "", "content: ", "no file would be taken out"},
	{"a colon that is missing", leaveRoute, "title: Ledighetsansökan", "title Ledighetsansökan", "", "", "a colon is missing", "YAML tells of the next line"},
	{"an address in the open", itsSystems, "http://127.0.0.1:8713", "http://diarium.karlskrona.example", "", "", "an address begins with https://", "what goes there can be read on the way"},
	{"an address with a password", itsSystems, "http://127.0.0.1:8713", "https://a:b@diarium.karlskrona.example", "", "", "no user and no password", "it would stand in logs"},

	// In a mapping.
	{"a misspelt field of the form", deckMapping, "answers.matt.Langd_m", "answers.matt.Längd_m", "", "", "unknown field Längd_m; is it Langd_m?", "it would be missing from every document"},
	{"a misspelt field of the register", deckMapping, "${sökande.name}", "${sökande.namn}", "", "", "is it name?", "it would be missing"},
	{"an unknown function", deckMapping, "isodate(inkommen)", "isodat(inkommen)", "", "", "is it isodate?", "nothing could be made"},
	{"an unknown table", caseMapping, "AccessCode: ${tables.åtkomst[sökande.protected]}", "AccessCode: ${tables.atkomst[sökande.protected]}", "", "", "is it åtkomst?", "it would be missing"},
	{"a person as a text", deckMapping, "${personnummer(sökande)}", "${sökande}", "", "", "is a person; write ${personnummer(sökande)}", "a number would slip in unseen"},
	{"a receipt that is not waited for", deckRoute, "    after: diarium # waits for that leg's receipt, and may use ${diarium.number}\n", "", deckMapping, "Diarienummer:", "write after: diarium at this leg", "there is no number yet"},
	{"an answer that no register is asked for", deckRoute, "as: sökande", "as: den_sökande", deckMapping, "skyddad:", "the route asks no register for it", "nobody is asked"},
	{"a misspelt element", deckMapping, "Postnummer: ${postcode(sökande.address", "Postnumer: ${postcode(sökande.address", "", "", "has no element Postnumer in Adress; is it Postnummer?", "the system would refuse the document"},
	{"a missing element", deckMapping, "      Namn: ${sökande.name}\n", "", "", "Sokande:", "requires the element Namn in Sokande", "the system would refuse the document"},
	{"a misplaced element", deckMapping, lengthThenWidth, widthThenLength, "", "Langd?:", "wants Langd before Bredd", "a schema has an order"},
	{"a misspelt attribute", deckMapping, "{ skyddad:", "{ skydad:", "", "", "has no attribute skydad in Sokande; is it skyddad?", "the system would not know who is protected"},
	{"a missing attribute", deckMapping, "      $attrs: { kod: \"${municipality.code}\" }\n", "", "", "Kommun:", "requires the attribute kod of Kommun", "the system would refuse the document"},
	{"a missing namespace", deckMapping, "xmlns: urn:knutpunkt:bygg:ansokan:1.0", "version: \"1\"", "", "Ansokan:", "write xmlns: urn:knutpunkt:bygg:ansokan:1.0 under $attrs", "the system would not know the document"},
	{"a fixed text of the wrong form", deckMapping, "{ kod: \"${municipality.code}\" }", "{ kod: Karlskrona }", "", "", "does not have the form", "a kommunkod is four digits"},
	{"a fixed text of the wrong type", deckMapping, "Inkommen: ${isodate(inkommen)}", "Inkommen: i dag", "", "", `"i dag" is no date`, "no day as XML has them"},
	{"a text where elements stand", deckMapping, "    Fastighet:\n", "    Fastighet: okänd\n    Annat:\n", "", "", "Fastighet has elements and no text", "the system would refuse the document"},
	{"a misspelt member", caseMapping, "    SubArchive: recno:60001", "    SubArkiv: recno:60001", "", "", "has no member SubArkiv in case", "the diarium would refuse it"},
	{"a missing member", caseMapping, "    StartDate: ${isodatetime(inkommen)}", "    #", "", "  case:", "requires the member StartDate in case", "the diarium would refuse it"},
	{"yes as a text", caseMapping, "        Active: true", "        Active: yes", "", "", "write true or false", "JSON would have the text yes"},
	{"a text for true", caseMapping, "        Active: true", "        Active: \"true\"", "", "", "is no boolean", "a wrong type"},
	{"a bare code", caseMapping, "CaseType: recno:2", "CaseType: 02", "", "", "02 must stand in quotes", "its zero would be lost"},
	{"a number with _", caseMapping, "CaseType: recno:2", "CaseType: 1_000", "", "", "1_000 must stand in quotes", "it is read in several ways"},
	{"no schema", deckMapping, "schema: bygg/ansokan-1.0.xsd", "#", "", "# An application", "schema is missing", "nothing would hold the document against anything"},
	{"an unknown schema", deckMapping, "ansokan-1.0.xsd", "ansokan-1.1.xsd", "", "", "there is no file schemas/bygg/ansokan-1.1.xsd", "nothing would hold the document against anything"},
	{"a character that the charset lacks", deckMapping, "output: xml", "output: xml\ncharset: iso-8859-1", "", "Namn: ${fil.name}", "is not in ISO-8859-1", "it would come out as another"},
	{"an unknown instruction", deckMapping, "      $for: val in", "      $foreach: val in", "", "", "no instruction is called $foreach", "it would be an element"},
	{"a ${ without its end", deckMapping, "${sökande.name}", "${sökande.name", "", "", "a ${ is not closed", "nothing could be made"},

	// In a schema.
	{"a schema of a type that is not there", deckSchema, `name="Arende" type="Text"`, `name="Arende" type="Texst"`, "", "", "no type is called Texst", "it would let anything pass"},
	{"a schema that is no XML", deckSchema, "</xs:simpleType>\n</xs:schema>\n", "</xs:simpleType><!-- cut -->", "", "<!-- cut -->", "ends in the middle", "it could hold nothing"},
	{"a schema whose import is not there", deckSchema, "<xs:element name=\"Ansokan\">", "<xs:import namespace=\"urn:x\" schemaLocation=\"x.xsd\"/><xs:element name=\"Ansokan\">", "", "", "there is no file x.xsd", "it would let anything pass"},
	{"a schema of an unknown type in JSON", caseSchema, `"type": "object"`, `"type": "objekt"`, "", "", "value must be one of", "it could hold nothing"},
	{"a form that is no JSON", deckForm, `"type": "object",`, `"type": "object"`, "", `"properties"`, "this is no JSON from here on", "answers would have no types"},

	{"a form that requires what it has not", leaveForm, `"required": ["anställd", "orsak", "perioder"]`, `"required": ["anställd", "orsak", "period"]`, "", "", "period is required, but the object has no such member and takes no others; did you mean perioder?", "every form would be held"},
	{"a form with a misspelt keyword", leaveForm, "  \"properties\": {\n    \"anställd\"", "  \"propertes\": {\n    \"anställd\"", "", "", "JSON Schema has no propertes, so it asks nothing; did you mean properties?", "every form would be held"},

	// In a test.
	{"an answer that the form has not", leaveGiven, `"orsak":`, `"orsakk": "", "orsak":`, "", "", "has no orsakk in /submission/answers; is it orsak?", "the mapping would be tested with what never comes"},
	{"a wanted text that does not come", deckWant, "<Namn>Jonatan Vikprov</Namn>", "<Namn>Jonathan Vikprov</Namn>", "", "", `wanted "Jonathan Vikprov", came "Jonatan Vikprov"`, "one of the two is wrong"},
	{"a wanted member that does not come", caseWant, `"SubArchive": "recno:60001"`, `"SubArchive": "recno:60002"`, "", "", "/case/SubArchive: wanted", "one of the two is wrong"},
	{"a person who may be real", deckGiven, `"id": "199110012391"`, `"id": "199110010098"`, "", "", "this personnummer may be somebody's", "a test is read by many"},
	{"a misspelt key of a test", deckGiven, `"given":`, `"givenn":`, "", "", "there is no key givenn", "it would be left out"},
	{"a wrong number of a test", deckGiven, `"id": "199110012391"`, `"id": "19911001"`, "", "", "must be a personnummer of twelve digits", "it is nobody's"},
	{"nobody protected in the test of it", protectedOne, `"protection": "marked"`, `"protection": "none"`, "", `"registers"`, "nobody in the test skyddad", "what leaves then has not been looked at"},
	{"a test that is no JSON", deckGiven, `"title":`, `"title"`, "", "", "this is no JSON from here on", "it cannot be run"},
}

const (
	lengthThenWidth = "      Langd?: ${trim(answers.matt.Langd_m)}\n      Bredd?: ${trim(answers.matt.Bredd_m)}\n"
	widthThenLength = "      Bredd?: ${trim(answers.matt.Bredd_m)}\n      Langd?: ${trim(answers.matt.Langd_m)}\n"
)

const diariumsWords = `  words: # the diarium's own word: the citizen's step. One that is not here changes nothing, and the operator is told
    Registrerat: registrerat
    Tilldelat för handläggning: under-handlaggning
    Under handläggning: under-handlaggning
    Komplettering begärd: komplettering
    Beslutat: beslutat
    Avslutat: avslutat
`

// TestMistakesAreFound: each in the right file, on the right line, with what was probably meant.
func TestMistakesAreFound(t *testing.T) {
	before := map[string][]mapping.Problem{}
	for _, folder := range []string{"", "karlskrona", "eslov", "karlstad"} {
		before[folder] = config.Check(without(folder, shipped(t)), connectors.All)
	}
	for _, m := range mistakes {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			folder := whose(t, m.file)
			fsys := without(folder, shipped(t))
			text := string(fsys[m.file].Data)
			if !strings.Contains(text, m.old) {
				t.Fatalf("%s does not hold %q", m.file, m.old)
			}
			fsys[m.file] = &fstest.MapFile{Data: []byte(strings.Replace(text, m.old, m.new, 1))}
			at, on := m.at, m.on
			if at == "" {
				at = m.file
			}
			if on == "" {
				on, _, _ = strings.Cut(m.new, "\n")
			}
			line := lineOf(string(fsys[at].Data), on)
			found := slices.DeleteFunc(config.Check(fsys, connectors.All), func(p mapping.Problem) bool { return slices.Contains(before[folder], p) })
			if !slices.ContainsFunc(found, func(p mapping.Problem) bool {
				return p.File == at && p.Line == line && strings.Contains(p.Text, m.want)
			}) {
				t.Errorf("not told at %s:%d: %s (%s); told", at, line, m.want, m.why)
			}
			for _, p := range found {
				t.Log(p)
			}
		})
	}
}

// TestMistakesInOneFileAreFoundAtOnce: a value that cannot be read hides nothing else that is wrong with its mapping.
func TestMistakesInOneFileAreFoundAtOnce(t *testing.T) {
	fsys := shipped(t)
	text := string(fsys[deckMapping].Data)
	for _, slip := range []struct{ old, new string }{
		{"isodate(inkommen)", "isodat(inkommen)"},
		{"${sökande.name}", "${sökande.namn}"},
		{"$for: fil in attachments", "$for: fil in (attachments"},
		{"answers.matt.Langd_m", "answers.matt.Längd_m"},
		{"      $attrs: { skyddad:", "      $attrs: { skydad:"},
	} {
		text = strings.Replace(text, slip.old, slip.new, 1)
	}
	fsys[deckMapping] = &fstest.MapFile{Data: []byte(text)}
	found := config.Check(fsys, connectors.All)
	wanted := []struct{ on, text string }{
		{"isodat(", "is it isodate?"},
		{"sökande.namn}", "is it name?"},
		{"skydad:", "is it skyddad?"},
		{"(attachments", "the expression ends too early"},
		{"Längd_m", "is it Langd_m?"},
	}
	for _, want := range wanted {
		line := lineOf(text, want.on)
		if !slices.ContainsFunc(found, func(p mapping.Problem) bool { return p.Line == line && strings.Contains(p.Text, want.text) }) {
			t.Errorf("not told at %s:%d: %s", deckMapping, line, want.text)
		}
	}
	for _, p := range found {
		if !slices.ContainsFunc(wanted, func(w struct{ on, text string }) bool {
			return p.Line == lineOf(text, w.on) || strings.HasSuffix(w.on, "skydad:") && p.Line == lineOf(text, "Sokande:")
		}) {
			t.Errorf("told besides: %s", p)
		}
	}
}

// TestAFileThatCannotBeReadIsToldOfAlone: what may stand in it is missing nowhere.
func TestAFileThatCannotBeReadIsToldOfAlone(t *testing.T) {
	fsys := shipped(t)
	text := string(fsys[itsSystems].Data)
	fsys[itsSystems] = &fstest.MapFile{Data: []byte(strings.Replace(text, "connector: navet", "connector navet", 1))}
	for _, p := range config.Check(fsys, connectors.All) {
		if p.File != itsSystems {
			t.Errorf("told besides: %s", p)
		}
	}
}

// TestWhatIsNotThereIsFound: a file that somebody forgot, told where it is asked for.
func TestWhatIsNotThereIsFound(t *testing.T) {
	before := config.Check(shipped(t), connectors.All)
	for _, row := range []struct {
		gone, at string
		line     int
		want     string
	}{
		{"mappings/bygg/ansokan.test/skyddad/", deckMapping, 1, "it must have a test called skyddad"},
		{"mappings/bygg/ansokan.test/", deckMapping, 1, "there are no tests"},
		{deckWant, deckWant, 1, "there is no such file"},
		{deckGiven, deckGiven, 1, "there is no given.json that can be read"},
		{karlskrona, karlskrona, 1, "there is no such file"},
		{deckMapping, deckRoute, 29, "there is no mapping bygg/ansokan"},
		{deckSchema, deckMapping, 7, "there is no file schemas/bygg/ansokan-1.0.xsd"},
		{"schemas/diarium/sif-parts.json", caseSchema, 6, "the $ref does not resolve: there is no file diarium/sif-parts.json"},
		{deckForm, deckRoute, 8, "there is no file schemas/services/bygglov-altan.json"},
	} {
		t.Run(row.gone, func(t *testing.T) {
			t.Parallel()
			fsys := shipped(t)
			for name := range fsys {
				if strings.HasPrefix(name, row.gone) {
					delete(fsys, name)
				}
			}
			found := slices.DeleteFunc(config.Check(fsys, connectors.All), func(p mapping.Problem) bool { return slices.Contains(before, p) })
			if !slices.ContainsFunc(found, func(p mapping.Problem) bool {
				return p.File == row.at && p.Line == row.line && strings.Contains(p.Text, row.want)
			}) {
				t.Errorf("not told at %s:%d: %s; told %v", row.at, row.line, row.want, found)
			}
		})
	}
}

// lineOf gives the first line that holds a text, from 1.
func lineOf(text, part string) int {
	before, _, _ := strings.Cut(text, part)
	return 1 + strings.Count(before, "\n")
}

// shipped gives the shipped configuration, to be changed.
func shipped(t *testing.T) fstest.MapFS {
	t.Helper()
	fsys := fstest.MapFS{}
	err := fs.WalkDir(knutpunkt.Files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := knutpunkt.Files.ReadFile(name)
		fsys[name] = &fstest.MapFile{Data: text}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return fsys
}

// whose gives the municipality that a file is of, by its folder or by a route that uses it; ""
// where it is of several.
func whose(t *testing.T, file string) string {
	t.Helper()
	if part := strings.Split(file, "/"); part[0] == "routes" && part[1] != "shared" {
		return part[1]
	}
	var users []string
	for name, f := range shipped(t) {
		if folder, is := strings.CutPrefix(name, "routes/"); is && slices.ContainsFunc(mappingsIn(f.Data), func(m string) bool { return strings.HasPrefix(file, m+".") }) {
			folder, _, _ = strings.Cut(folder, "/")
			users = append(users, folder)
		}
	}
	slices.Sort(users)
	if users = slices.Compact(users); len(users) == 1 {
		return users[0]
	}
	return ""
}

var named = regexp.MustCompile(`mapping: (\S+)`)

// mappingsIn gives the mappings that a file names, as files without their ending.
func mappingsIn(text []byte) (files []string) {
	for _, m := range named.FindAllSubmatch(text, -1) {
		files = append(files, "mappings/"+string(m[1]))
	}
	return files
}

// without leaves out what only other municipalities use, so that a check of one mistake costs
// what one municipality's costs; nothing where folder is "".
func without(folder string, fsys fstest.MapFS) fstest.MapFS {
	if folder == "" {
		return fsys
	}
	var used []string
	for name, f := range fsys {
		if in, is := strings.CutPrefix(name, "routes/"); is && !strings.HasPrefix(in, folder+"/") && !strings.HasPrefix(in, "shared/") {
			delete(fsys, name)
		} else if is {
			used = append(used, mappingsIn(f.Data)...)
		}
	}
	for name := range fsys {
		if strings.HasPrefix(name, "mappings/") && !slices.ContainsFunc(used, func(m string) bool { return strings.HasPrefix(name, m+".") }) {
			delete(fsys, name)
		}
	}
	return fsys
}

// BenchmarkCheck: people check at each change, and editors do.
func BenchmarkCheck(b *testing.B) {
	for b.Loop() {
		config.Check(knutpunkt.Files, connectors.All)
	}
}
