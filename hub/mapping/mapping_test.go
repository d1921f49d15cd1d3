package mapping

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// The numbers are among Skatteverket's official test numbers.
const (
	applicant = "189001019802"
	guardian  = "189104019816"
)

const caseSchema = `<?xml version="1.0" encoding="UTF-8"?>
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:exempel:diarium:1"
    xmlns="urn:exempel:diarium:1" elementFormDefault="qualified">
  <xs:element name="Arende">
    <xs:complexType>
      <xs:sequence>
        <xs:element name="Titel" type="xs:string"/>
        <xs:element name="Inkommet" type="xs:date"/>
        <xs:element name="Sekretess" type="xs:string" minOccurs="0"/>
        <xs:element name="Sokande">
          <xs:complexType>
            <xs:sequence>
              <xs:element name="Personnummer"><xs:simpleType><xs:restriction base="xs:string"><xs:pattern value="\d{12}"/></xs:restriction></xs:simpleType></xs:element>
              <xs:element name="Namn" type="xs:string"/>
              <xs:element name="Epost" type="xs:string" minOccurs="0"/>
              <xs:element name="Adress" minOccurs="0">
                <xs:complexType>
                  <xs:sequence>
                    <xs:element name="Gata" type="xs:string"/>
                    <xs:element name="Postnr"><xs:simpleType><xs:restriction base="xs:string"><xs:pattern value="\d{5}"/></xs:restriction></xs:simpleType></xs:element>
                    <xs:element name="Ort" type="xs:string"/>
                  </xs:sequence>
                </xs:complexType>
              </xs:element>
            </xs:sequence>
          </xs:complexType>
        </xs:element>
        <xs:element name="Handling" minOccurs="0" maxOccurs="unbounded">
          <xs:complexType>
            <xs:sequence><xs:element name="Filnamn" type="xs:string"/></xs:sequence>
            <xs:attribute name="typ" use="required"><xs:simpleType><xs:restriction base="xs:string">
              <xs:enumeration value="ANS"/><xs:enumeration value="RIT"/></xs:restriction></xs:simpleType></xs:attribute>
          </xs:complexType>
        </xs:element>
      </xs:sequence>
      <xs:attribute name="version" use="required"/>
    </xs:complexType>
  </xs:element>
</xs:schema>`

const caseMapping = `# a case in the diarium. One form, one Arende.
operation: arende
output: xml
schema: diarium/arende-1.2.xsd

tables:
  handlingstyp:
    ansökan: ANS
    ritning: RIT

document:
  Arende:
    $attrs:
      xmlns: urn:exempel:diarium:1
      version: "1.2"
    Titel: ${service.title}, ${answers.fastighet}
    Inkommet: ${isodate(inkommen)}
    Sekretess:
      $if: sökande.protected
      $text: OSL 21:3
    Sokande:
      Personnummer: ${personnummer(parties.sökande)}
      Namn: ${sökande.given} ${sökande.family}
      Epost?: ${answers.epost}
      Adress:
        $if: sökande.address != nil
        Gata: ${sökande.address.street}
        Postnr: ${digits(sökande.address.postcode)}
        Ort: ${sökande.address.city}
    Handling:
      $for: fil in attachments
      $attrs:
        typ: ${tables.handlingstyp[fil.question]}
      Filnamn: ${fil.name}
`

const caseDocument = `<?xml version="1.0" encoding="UTF-8"?>
<Arende xmlns="urn:exempel:diarium:1" version="1.2"><Titel>Bygglov för altan, Eken 4</Titel>` +
	`<Inkommet>2026-03-02</Inkommet><Sokande><Personnummer>189001019802</Personnummer>` +
	`<Namn>Åsa Öberg</Namn><Adress><Gata>Storgatan 1</Gata><Postnr>37133</Postnr><Ort>Karlskrona</Ort></Adress></Sokande>` +
	`<Handling typ="ANS"><Filnamn>ansökan.pdf</Filnamn></Handling><Handling typ="RIT"><Filnamn>plan &amp; fasad.pdf</Filnamn></Handling></Arende>`

func files(pairs ...string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for i := 0; i+1 < len(pairs); i += 2 {
		fsys[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return fsys
}

const arende = "mappings/diarium/arende.yaml"

func compiled(t testing.TB, text string, more ...string) *Mapping {
	t.Helper()
	m, problems := Compile(files(append(more, arende, text)...), arende)
	for _, p := range problems {
		t.Errorf("%v", p)
	}
	if m == nil {
		t.FailNow()
	}
	return m
}

func personID(t testing.TB, s string) hub.PersonID {
	t.Helper()
	id, err := hub.ParsePersonID(s)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func answers(t testing.TB, text string) hub.Answers {
	t.Helper()
	tree, err := document.ReadJSON([]byte(text), document.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return hub.NewAnswers(tree)
}

// known is a submission with everything in it.
func known(t testing.TB, form string) hub.Known {
	t.Helper()
	org, err := hub.ParseOrgNumber("2021004748")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	return hub.Known{
		Title:   "Bygglov för altan",
		Council: hub.MunicipalityText{Code: "1080", Name: "Karlskrona kommun"},
		Submission: hub.Submission{
			ID: "01JQ", Case: "01JP", Municipality: "1080", Service: "702", FormVersion: "2",
			Source:   hub.Ref{System: "karlskrona.oep", ID: "4711", Version: "1"},
			Inkommen: at, Answers: answers(t, form),
			Parties: []hub.Party{
				{Role: "sökande", ID: personID(t, applicant)},
				{Role: "byggherre", Org: org},
				{Role: "barn", Given: "Bo", Family: "Ek", Birth: "2020-01-02"},
				{Role: "barn", ID: personID(t, guardian)},
			},
			Attachments: []hub.Attachment{
				{Name: "ansökan.pdf", Type: "application/pdf", Question: "ansökan", Size: 10, Blob: hub.Blob{SHA256: [32]byte{1}}},
				{Name: "plan & fasad.pdf", Type: "application/pdf", Question: "ritning", Size: 20},
			},
		},
		Answers: map[string]hub.RegisterAnswer{
			"sökande": {As: "sökande", Persons: []hub.Person{{
				ID: personID(t, applicant), Given: "Åsa", Family: "Öberg", Birth: "1890-01-01", Protection: hub.NotProtected,
				Address: &hub.Address{Street: "Storgatan 1", Postcode: "371 33", City: "Karlskrona"}, Registered: "1080",
				Guardians: []hub.Relative{{ID: personID(t, guardian), Given: "Eva", Family: "Ek"}, {Birth: "1990-05", Given: "Ali", Family: "Ek"}},
				AsOf:      at,
			}}},
			"vårdnadshavare": {As: "vårdnadshavare", List: true, Persons: []hub.Person{{Given: "Eva", Family: "Ek", Protection: hub.NotProtected}}},
			"gammal":         {As: "gammal", Missed: true},
		},
		Receipts: map[string]hub.Receipt{"diarium": {Number: "SBN 2026-114", At: at}},
		Case:     map[string]hub.Receipt{"diarium": {Number: "SBN 2026-100", Ref: "100", At: at}},
	}
}

func TestTheSketch(t *testing.T) {
	m := compiled(t, caseMapping, "schemas/diarium/arende-1.2.xsd", caseSchema)
	if m.Operation() != "arende" || m.Path() != arende {
		t.Errorf("operation %q, path %q", m.Operation(), m.Path())
	}
	got, err := m.Render(known(t, `{"fastighet": "Eken 4"}`))
	if err != nil {
		t.Fatal(err)
	}
	if string(got.Reveal()) != caseDocument {
		t.Errorf("got\n%s\nwant\n%s", got.Reveal(), caseDocument)
	}
	if got.Type != "application/xml; charset=utf-8" {
		t.Errorf("type %q", got.Type)
	}
	form := &document.Type{Kind: document.ObjectType, Fields: map[string]*document.Type{
		"fastighet": {Kind: document.StringType}, "epost": {Kind: document.StringType},
	}}
	env := Env{Answers: form, Parties: map[string]bool{"sökande": false}, Lookups: map[string]bool{"sökande": false}}
	for _, p := range m.CheckFor(env) {
		t.Errorf("%v", p)
	}
}

func TestWithheldAddress(t *testing.T) {
	m := compiled(t, caseMapping, "schemas/diarium/arende-1.2.xsd", caseSchema)
	k := known(t, `{"fastighet": "Eken 4"}`)
	k.Answers["sökande"].Persons[0].Protection = hub.Marked
	k.Withhold = true
	got, err := m.Render(k)
	if err != nil {
		t.Fatal(err)
	}
	if text := string(got.Reveal()); strings.Contains(text, "Adress") || !strings.Contains(text, "<Sekretess>OSL 21:3</Sekretess>") {
		t.Errorf("got %s", text)
	}
}

const form = `{"text": "Å & Ä", "tom": "", "belopp": 6.50, "stort": 191212121212345678, "ja": true, "kommatal": "1 250,5",
  "lista": ["a", "b"], "hål": ["a", null], "barn": [{"namn": "Bo", "ålder": 7}, {"namn": "Li", "ålder": 5}],
  "grupp": {"b": 1, "a": null}, "ort": "371 33 X", "pnr": "189001019802", "pnr2": "18900101-9802", "masked": "************"}`

// json1 makes the mapping of one JSON value.
func json1(value string) string {
	return "operation: x\noutput: json\ntables:\n  t: { ritning: RIT, \"7\": sju, ja: 1 }\ndocument:\n  v: " + value + "\n"
}

func TestValuesInJSON(t *testing.T) {
	tests := []struct{ name, value, want, why string }{
		{"text", `${answers.text}`, `"Å & Ä"`, "a value alone keeps its type"},
		{"number keeps its digits", `${answers.belopp}`, `6.50`, ""},
		{"long number", `${answers.stort}`, `191212121212345678`, "float64 would lose the end"},
		{"bool", `${answers.ja}`, `true`, ""},
		{"list", `${answers.lista}`, `["a","b"]`, ""},
		{"group", `${answers.grupp}`, `{"a":null,"b":1}`, ""},
		{"number in text", `nr ${answers.belopp}`, `"nr 6.50"`, ""},
		{"literal number", `7.10`, `7.10`, ""},
		{"literal text", `"7"`, `"7"`, ""},
		{"literal bool", `true`, `true`, ""},
		{"literal null", `~`, `null`, ""},
		{"escaped", `$${x}`, `"${x}"`, ""},
		{"braces within", `'${map(answers.barn, {.namn})}'`, `["Bo","Li"]`, "the } of the predicate does not end the value"},
		{"brace in quotes", `'${"}" + answers.text}'`, `"}Å & Ä"`, ""},
		{"arithmetic", `${answers.belopp * 2}`, `13`, ""},
		{"comparison", `${answers.belopp > 6 and answers.barn[0].ålder == 7}`, `true`, "literal numbers can be compared"},
		{"default", `${answers.inget ?? "-"}`, `"-"`, ""},
		{"default far away", `${answers.inget.alls.här ?? "-"}`, `"-"`, "what is absent has only absent fields"},
		{"default of a function", `${upper(answers.inget) ?? "-"}`, `"-"`, "absent in, absent out"},
		{"nil comparison", `${answers.inget == "x"}`, `false`, ""},
		{"filter", `'${join(map(filter(answers.barn, .ålder > 6), .namn), ", ")}'`, `"Bo"`, ""},
		{"count one", `${count(parties.sökande, true)}`, `1`, "a role that one has is a list of one"},
		{"several", `${len(parties.barn)}`, `2`, ""},
		{"last", `${answers.lista[-1]}`, `"b"`, ""},
		{"slice", `'${answers.pnr[0:4]}'`, `"1890"`, ""},
		{"sum", `${sum(answers.barn, .ålder)}`, `12`, ""},
		{"in", `${answers.barn[0].ålder in [7, 8]}`, `true`, ""},
		{"sortBy", `'${map(sortBy(answers.barn, .ålder), .namn)}'`, `["Li","Bo"]`, ""},
		{"table", `${tables.t[attachments[1].question]}`, `"RIT"`, ""},
		{"table by number", `${tables.t[answers.barn[0].ålder]}`, `"sju"`, ""},
		{"table of numbers", `${tables.t.ja}`, `1`, ""},
		{"let", `'${let b = answers.barn[0]; b.namn}'`, `"Bo"`, ""},
		{"pipe", `'${answers.text | lower()}'`, `"å & ä"`, ""},

		{"personnummer", `${personnummer(parties.sökande)}`, `"189001019802"`, ""},
		{"personnummer10", `${personnummer10(sökande)}`, `"9001019802"`, ""},
		{"personnummer11", `${personnummer11(answers.pnr)}`, `"900101-9802"`, ""},
		{"personnummer13", `${personnummer13(answers.pnr2)}`, `"18900101-9802"`, ""},
		{"organisationsnummer", `${organisationsnummer(parties.byggherre)}`, `"2021004748"`, ""},
		{"organisationsnummer11", `${organisationsnummer11(parties.byggherre)}`, `"202100-4748"`, ""},
		{"organisationsnummer12", `${organisationsnummer12("202100-4748")}`, `"162021004748"`, ""},
		{"who has none", `${personnummer(parties.byggherre) ?? "org"}`, `"org"`, ""},
		{"relative", `${personnummer(sökande.guardians[0])}`, `"189104019816"`, ""},
		{"relative without", `${personnummer(sökande.guardians[1]) ?? sökande.guardians[1].birth}`, `"1990-05"`, ""},
		{"name of a party", `${parties.barn[0].name}`, `"Bo Ek"`, ""},
		{"isodate", `${isodate(inkommen)}`, `"2026-03-02"`, ""},
		{"isodate at midnight", `${isodate("2026-01-01T23:30:00Z")}`, `"2026-01-02"`, "the day is that of Stockholm"},
		{"isodatetime", `${isodatetime(inkommen)}`, `"2026-03-02T10:00:00+01:00"`, ""},
		{"formatdate", `'${formatdate(inkommen, "yyyyMMdd HH:mm:ss")}'`, `"20260302 10:00:00"`, ""},
		{"digits", `${digits(answers.ort)}`, `"37133"`, ""},
		{"postcode", `${postcode("37133")}`, `"371 33"`, ""},
		{"decimal", `${decimal(answers.kommatal)}`, `"1250.5"`, ""},
		{"number", `${number("6,50")}`, `6.50`, ""},
		{"printable", `'${printable("a\u0007b\nc")}'`, `"a b\nc"`, ""},
		{"trim", `'${trim("  a ")}'`, `"a"`, ""},
		{"split", `'${split("a | b | ", " | ")}'`, `["a","b"]`, ""},
		{"replace", `'${replace(answers.text, "&", "och")}'`, `"Å och Ä"`, ""},
		{"substring", `'${substring("Åäö", 1, 9)}'`, `"äö"`, ""},
		{"string", `${string(answers.belopp)}`, `"6.50"`, ""},

		{"service", `${service.title} ${service.name} ${service.version}`, `"Bygglov för altan 702 2"`, ""},
		{"municipality", `${municipality.code} ${municipality.name}`, `"1080 Karlskrona kommun"`, ""},
		{"submission", `${submission.id} ${submission.case}`, `"01JQ 01JP"`, ""},
		{"source", `${source.system} ${source.id} ${source.version}`, `"karlskrona.oep 4711 1"`, ""},
		{"receipt", `${diarium.number} ${diarium.ref} ${isodate(diarium.at)}`, `"SBN 2026-114 SBN 2026-114 2026-03-02"`, ""},
		{"case", `${case.diarium.number} ${case["diarium"].ref}`, `"SBN 2026-100 100"`, ""},
		{"missed look-up", `${gammal.given ?? "okänd"}`, `"okänd"`, ""},
		{"list of persons", `'${map(vårdnadshavare, .name)}'`, `["Eva Ek"]`, ""},
		{"attachment", `${attachments[0].size}`, `10`, ""},
		{"no hash yet", `${attachments[1].sha256 ?? ""}`, `""`, ""},
		{"protection", `${sökande.protection}`, `"none"`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := compiled(t, json1(tt.value)).Render(known(t, form))
			if err != nil {
				t.Fatalf("%v (%s)", err, tt.why)
			}
			if want := `{"v":` + tt.want + `}`; string(got.Reveal()) != want {
				t.Errorf("got %s, want %s (%s)", got.Reveal(), want, tt.why)
			}
		})
	}
}

func TestTreesInJSON(t *testing.T) {
	tests := []struct{ name, document, want string }{
		{"order", "{ b: x, a: y }", `{"b":"x","a":"y"}`},
		{"optional", `{ "a?": "${answers.inget}", "b?": "${answers.tom}", "c?": "${filter(answers.lista, false)}", "d": 1 }`, `{"d":1}`},
		{"optional group", `{ "a?": { "b?": "${answers.inget}" }, "c": { "b?": "${answers.inget}" } }`, `{"c":{}}`},
		{"optional text", `{ "a?": "c/o ${answers.inget}" }`, `{}`},
		{"for", `{ barn: { $for: "b in answers.barn", namn: "${b.namn}" } }`, `{"barn":[{"namn":"Bo"},{"namn":"Li"}]}`},
		{"for with number", `{ barn: { $for: "b, nr in answers.barn", $value: "${nr} ${b.namn}" } }`, `{"barn":["1 Bo","2 Li"]}`},
		{"for and if", `{ barn: { $for: b in answers.barn, $if: b.ålder > 6, $value: "${b.ålder}" } }`, `{"barn":[7]}`},
		{"for of one", `{ s: { $for: p in parties.sökande, $value: "${personnummer(p)}" } }`, `{"s":["189001019802"]}`},
		{"for absent", `{ "s?": { $for: p in answers.inget, $value: "${p}" } }`, `{}`},
		{"if", `{ a: { $if: answers.ja, $value: 1 }, b: { $if: "!answers.ja", c: 1 } }`, `{"a":1}`},
		{"list", `{ a: [ 1, "${answers.text}", { $for: x in answers.lista, $value: "${x}" }, { $if: "false", $value: no }, { b: 1 } ] }`,
			`{"a":[1,"Å & Ä","a","b",{"b":1}]}`},
		{"list of lists", `{ a: [ [ 1 ] ] }`, `{"a":[[1]]}`},
		{"dollar", `{ $$schema: x }`, `{"$schema":"x"}`},
		{"array at the top", `{ $for: x in answers.lista, $value: "${x}" }`, `["a","b"]`},
		{"text at the top", `"${answers.ja}"`, `true`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := compiled(t, "operation: x\noutput: json\ndocument: "+tt.document+"\n").Render(known(t, form))
			if err != nil {
				t.Fatal(err)
			}
			if string(got.Reveal()) != tt.want {
				t.Errorf("got %s, want %s", got.Reveal(), tt.want)
			}
			if got.Type != "application/json" {
				t.Errorf("type %q", got.Type)
			}
		})
	}
}

func TestTreesInXML(t *testing.T) {
	tests := []struct{ name, root, want string }{
		{"list repeats", "R: { a: [ x, { $attrs: { n: 1 }, $text: y } ] }", `<R><a>x</a><a n="1">y</a></R>`},
		{"empty element", "R: { a: }", `<R><a/></R>`},
		{"left out", `R: { "a?": "${answers.inget}", "b?": "${answers.tom}", "c?": { "d?": "${answers.inget}" } }`, `<R/>`},
		{"empty text", `R: { a: "${answers.tom}" }`, `<R><a/></R>`},
		{"optional attribute", `R: { $attrs: { "a?": "${answers.inget}", b: "${answers.ja}" } }`, `<R b="true"/>`},
		{"leading zero", "R: { kod: 0114 }", `<R><kod>0114</kod></R>`},
		{"prefix", `R: { $attrs: { "xmlns:p": "urn:x" }, "p:a": 1 }`, `<R xmlns:p="urn:x"><p:a>1</p:a></R>`},
		{"loop in loop", `R: { a: { $for: x in answers.lista, b: { $for: y in answers.lista, $text: "${x}${y}" } } }`,
			`<R><a><b>aa</b><b>ab</b></a><a><b>ba</b><b>bb</b></a></R>`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := compiled(t, "operation: x\noutput: xml\ndocument: { "+tt.root+" }\n").Render(known(t, form))
			if err != nil {
				t.Fatal(err)
			}
			_, body, _ := strings.Cut(string(got.Reveal()), "?>\n")
			if body != tt.want {
				t.Errorf("got %s, want %s", body, tt.want)
			}
		})
	}
}

func TestCharset(t *testing.T) {
	m := compiled(t, "operation: x\noutput: xml\ncharset: iso-8859-1\ndocument:\n  R:\n    a: ok\n    b: ${answers.text}\n")
	got, err := m.Render(known(t, `{"text": "Å"}`))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(got.Reveal()), "<b>\xC5</b>") || got.Type != "application/xml; charset=iso-8859-1" {
		t.Errorf("got %q, %s", got.Reveal(), got.Type)
	}
	_, err = m.Render(known(t, `{"text": "Łukasz"}`))
	var failed *hub.MappingError
	if !errors.As(err, &failed) || failed.Reason != hub.ReasonUnmappable || failed.Where != arende+":7" {
		t.Errorf("got %v", err)
	}
	if strings.Contains(err.Error(), "Ł") {
		t.Error("the character is told")
	}
}

// What cannot be rendered is told with file, line and expression, and never a value.
func TestRenderErrors(t *testing.T) {
	tests := []struct{ name, value, want string }{
		{"missing", `${answers.inget}`, `${answers.inget} has no value`},
		{"missing in text", `a ${answers.inget}`, `${answers.inget} has no value`},
		{"missing far away", `${sökande.special.street}`, `${sökande.special.street} has no value`},
		{"missing in list", `${answers.hål}`, `${answers.hål} has a list in which a value is missing`},
		{"no entry", `${tables.t["x"]}`, `${tables.t["x"]} has no value: the table has no such entry`},
		{"string of missing", `${string(answers.inget)}`, `${string(answers.inget)} has no value`},
		{"nil in sum", `'${"c/o " + answers.inget}'`, `${"c/o " + answers.inget} cannot be worked out: a value in it is missing or of the wrong sort`},
		{"mixed", `${answers.text + 1}`, `${answers.text + 1} cannot be worked out: a value in it is missing or of the wrong sort`},
		{"masked", `${personnummer(answers.masked)}`, `${personnummer(answers.masked)} holds no Swedish identity number`},
		{"no date", `${isodate(answers.text)}`, `${isodate(answers.text)} is no date, such as 2026-03-02 or 2026-03-02T10:00:00+01:00`},
		{"no number", `${decimal(answers.text)}`, `${decimal(answers.text)} is no number`},
		{"no postcode", `${postcode(answers.text)}`, `${postcode(answers.text)} is no postcode of five digits`},
		{"pattern", `'${formatdate(inkommen, "ÅÅMM")}'`, `${formatdate(inkommen, "ÅÅMM")} has a pattern that is not made of yyyy, yy, MM, dd, HH, mm and ss`},
		{"person by the back door", `'${parties.barn ?? ""}'`, `${parties.barn ?? ""} is a person; write personnummer(…) around it`},
		{"person from a route", `${sökande}`, `${sökande} is a person; write personnummer(…) around it`},
		{"address", `${sökande.address}`, `${sökande.address} is a group of values; name one of them`},
		{"group in text", `a ${answers.grupp}`, `${answers.grupp} is a group of values; name one of them`},
		{"list in text", `a ${answers.lista}`, `${answers.lista} is a list; write $for, or join(…) around it`},
		{"field of a list", `${answers.lista.namn}`, `${answers.lista.namn} asks a list for a field; write $for, or a number in brackets`},
		{"field of a text", `${answers.text.namn}`, `${answers.text.namn} asks a single value for namn`},
		{"several", `${personnummer(parties.barn)}`, `${personnummer(parties.barn)} is neither a person nor a text`},
		{"memory", `'${len(flatten(map(answers.stora, {answers.stora})))}'`, `${len(flatten(map(answers.stora, {answers.stora})))} asks for too much memory`},
		{"if", "{ $if: answers.text, $value: 1 }", `answers.text is not yes or no`},
		{"if missing", "{ $if: answers.inget, $value: 1 }", `answers.inget has no value`},
		{"for missing", "{ $for: x in answers.inget, $value: 1 }", `answers.inget has no value`},
		{"missing in optional group", `{ "a?": { b: "${answers.inget}" } }`, `${answers.inget} has no value`},
	}
	k := known(t, form)
	tree := k.Submission.Answers.Reveal().(map[string]any)
	tree["stora"] = make([]any, 1100)
	for i := range tree["stora"].([]any) {
		tree["stora"].([]any)[i] = json.Number("1")
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := compiled(t, json1(tt.value)).Render(k)
			want := arende + ":6: " + tt.want
			if err == nil || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
			var failed *hub.MappingError
			if !errors.As(err, &failed) || failed.Reason != hub.ReasonMapping {
				t.Errorf("%T is no MappingError for %s", err, hub.ReasonMapping)
			}
		})
	}
}

func TestSchemaErrors(t *testing.T) {
	schema := `{"type": "object", "properties": {"v": {"enum": ["A", "B"]}}}`
	tests := []struct {
		name, text, schemaPath, schema, want string
	}{
		{"xml", strings.Replace(caseMapping, "digits(", "string(", 1), "schemas/diarium/arende-1.2.xsd", caseSchema,
			arende + ":28: the document does not fit schemas/diarium/arende-1.2.xsd: /Arende/Sokande/Adress/Postnr breaks pattern"},
		{"json", strings.Replace(json1("${answers.fastighet}"), "tables:", "schema: s.json\ntables:", 1), "schemas/s.json", schema,
			arende + ":7: the document does not fit schemas/s.json: /v breaks enum, which allows A, B"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := compiled(t, tt.text, tt.schemaPath, tt.schema).Render(known(t, `{"fastighet": "Hemligheten 1"}`))
			if err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

// The same Known gives the same bytes, whenever and however often.
func TestRenderIsPure(t *testing.T) {
	for _, m := range []*Mapping{wideMapping(t, "xml"), wideMapping(t, "json"), compiled(t, caseMapping, "schemas/diarium/arende-1.2.xsd", caseSchema)} {
		first, err := m.Render(known(t, wideForm))
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			again, err := m.Render(known(t, wideForm))
			if err != nil || again.SHA256() != first.SHA256() || string(again.Reveal()) != string(first.Reveal()) {
				t.Fatalf("another document: %v", err)
			}
		}
	}
}

func TestRenderSideBySide(t *testing.T) {
	m, k := wideMapping(t, "xml"), known(t, wideForm)
	first, err := m.Render(k)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	for range 8 {
		go func() {
			for range 50 {
				if got, err := m.Render(k); err != nil || got.SHA256() != first.SHA256() {
					done <- fmt.Errorf("another document: %w", err)
					return
				}
			}
			done <- nil
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

var _ hub.Mapping = (*Mapping)(nil)

const wideForm = `{"fastighet": "Eken 4", "epost": "x@example.org", "belopp": 6.50, "ja": true, "adress": {"gata": "G 1", "ort": "K"}}`

// wideMapping has sixty leaves, as a case for a real diarium has.
func wideMapping(t testing.TB, output string) *Mapping {
	var b strings.Builder
	fmt.Fprintf(&b, "operation: x\noutput: %s\ndocument:\n  R:\n", output)
	leaves := []string{
		"${answers.fastighet}", "${service.title}, ${answers.fastighet}", "${isodate(inkommen)}", "${personnummer(parties.sökande)}",
		"fast text", "${sökande.address.city}", "${answers.adress.gata} ${answers.adress.ort}", "${answers.belopp}", "${answers.epost ?? \"-\"}",
		"${digits(sökande.address.postcode)}",
	}
	for i := range 60 {
		fmt.Fprintf(&b, "    k%d: %s\n", i, leaves[i%len(leaves)])
	}
	return compiled(t, b.String())
}

func BenchmarkRender(b *testing.B) {
	for _, output := range []string{"xml", "json"} {
		b.Run(output, func(b *testing.B) {
			m, k := wideMapping(b, output), known(b, wideForm)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := m.Render(k); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	var fsys fs.FS = files(arende, caseMapping, "schemas/diarium/arende-1.2.xsd", caseSchema)
	for b.Loop() {
		if _, problems := Compile(fsys, arende); problems != nil {
			b.Fatal(problems)
		}
	}
}
