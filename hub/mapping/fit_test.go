package mapping

import (
	"strings"
	"testing"

	"github.com/knutpunkt/knutpunkt/hub/document"
)

const fitSchema = `<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="urn:a" targetNamespace="urn:a" elementFormDefault="qualified">
<xs:element name="A"><xs:complexType><xs:sequence>
	<xs:element name="Kod" type="Kod"/>
	<xs:element name="Namn" minOccurs="0"><xs:simpleType><xs:restriction base="xs:string"><xs:maxLength value="5"/></xs:restriction></xs:simpleType></xs:element>
	<xs:choice><xs:element name="Person" type="Person"/><xs:element name="Firma" type="xs:string"/></xs:choice>
	<xs:element name="Antal" type="xs:int" minOccurs="0" maxOccurs="2"/>
	<xs:element name="Fritt" minOccurs="0"><xs:complexType><xs:sequence><xs:any minOccurs="0" maxOccurs="unbounded" processContents="skip"/></xs:sequence></xs:complexType></xs:element>
</xs:sequence><xs:attribute name="nr" type="xs:int"/></xs:complexType></xs:element>
<xs:complexType name="Person"><xs:sequence><xs:element name="Id" type="xs:string"/></xs:sequence></xs:complexType>
<xs:simpleType name="Kod"><xs:restriction base="xs:string"><xs:enumeration value="ANS"/><xs:enumeration value="BIL"/></xs:restriction></xs:simpleType>
</xs:schema>`

// fitHead comes before the tree of a mapping whose schema is fitSchema; it has six lines, and A stands on the sixth.
const fitHead = `operation: x
output: xml
schema: a.xsd
tables: { kod: { ansökan: ANS, bilaga: BILAGA } }
document:
  A:
    $attrs: { xmlns: "urn:a" }
`

func TestFitInXML(t *testing.T) {
	const right = "    Kod: ANS\n    Firma: ${answers.firma}\n"
	for _, row := range []struct{ name, tree, want, why string }{
		{"right", right, "", ""},
		{"all of it", "    Kod: ${answers.kod}\n    Namn?: Knut\n    Person: { Id: '${answers.id}' }\n    Antal: [1, '${answers.n}']\n    Fritt: { Vad: som, Helst: x }\n", "", ""},
		{"either by condition", "    Kod: ANS\n    Person: { $if: answers.p, Id: x }\n    Firma: { $if: '!answers.p', $text: x }\n", "", "which of them is there only a document shows"},

		{"misspelt", "    Kodd: ANS\n    Firma: x\n", "8: schemas/a.xsd has no element Kodd in A; is it Kod? (column 5)", "and Kod is not told to be missing, too"},
		{"nothing near", right + "    Xyz: x\n", "10: schemas/a.xsd has no element Xyz in A; there are Kod, Namn, Person, Firma, Antal, Fritt (column 5)", ""},
		{"missing", "    Firma: x\n", "6: schemas/a.xsd requires the element Kod in A, and the mapping has none (column 3)", ""},
		{"missing further down", "    Kod: ANS\n    Person: { $attrs: {} }\n", "9: schemas/a.xsd requires the element Id in Person, and the mapping has none (column 5)", ""},
		{"missing in an empty one", "    Kod: ANS\n    Person:\n", "9: schemas/a.xsd requires the element Id in Person, and the mapping has none (column 5)", ""},
		{"nothing but attributes", "    Kod: { $attrs: {} }\n    Firma: x\n", `8: Kod: "" is none of ANS, BIL, and schemas/a.xsd refuses it (column 5)`, ""},
		{"none of a choice", "    Kod: ANS\n", "6: schemas/a.xsd requires one of Person, Firma in A, and the mapping has none (column 3)", ""},
		{"misplaced", "    Firma: x\n    Kod: ANS\n", "9: schemas/a.xsd wants Kod before Firma: documents have the order of the mapping (column 5)", ""},
		{"too often", right + "    Antal: [1, 2, 3]\n", "10: schemas/a.xsd takes Antal 2 times, and here is one more (column 19)", ""},
		{"as often as there are", right + "    Antal: { $for: n in answers.alla, $text: '${n}' }\n", "", "only a document shows how many"},

		{"not of the list", "    Kod: ANSÖKAN\n    Firma: x\n", `8: Kod: "ANSÖKAN" is none of ANS, BIL, and schemas/a.xsd refuses it (column 10)`, ""},
		{"a table's code", "    Kod: ${tables.kod[answers.typ]}\n    Firma: x\n", `4: Kod: "BILAGA" is none of ANS, BIL, and schemas/a.xsd refuses it (column 40)`, "at the table"},
		{"a table's code that is not read", "    Kod: '${tables.kod[\"ansökan\"]}'\n    Firma: x\n", "", "the other code is not for here"},
		{"what else", "    Kod: ${answers.kod ?? \"INGEN\"}\n    Firma: x\n", `8: Kod: "INGEN" is none of ANS, BIL, and schemas/a.xsd refuses it (column 27)`, "at the text"},
		{"too long", "    Kod: ANS\n    Namn: Knutpunkt\n    Firma: x\n", `9: Namn: "Knutpunkt" is longer than 5 characters, and schemas/a.xsd refuses it (column 11)`, ""},
		{"not the type", right + "    Antal: nio\n", `10: Antal: "nio" is no int, and schemas/a.xsd refuses it (column 12)`, ""},
		{"text for elements", "    Kod: ANS\n    Person: ${answers.id}\n", "9: Person has elements and no text in schemas/a.xsd; there is only Id (column 5)", ""},
		{"elements for text", "    Kod: { X: ANS }\n    Firma: x\n", "8: Kod has no elements below it in schemas/a.xsd (column 5)", ""},
		{"without its namespace", "    Kod: { $attrs: { xmlns: '' }, $text: ANS }\n    Firma: x\n",
			"8: schemas/a.xsd has the element Kod in A in another namespace: write xmlns: urn:a under $attrs (column 5)", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			m := compiled(t, fitHead+row.tree, "schemas/a.xsd", fitSchema)
			checkProblems(t, m.fit(), row.want)
			if t.Failed() {
				t.Log(row.why)
			}
		})
	}
}

func TestFitOfAttributes(t *testing.T) {
	for _, row := range []struct{ name, attrs, want string }{
		{"right", `nr: "1"`, ""},
		{"of a value", `nr: "${answers.nr}"`, ""},
		{"misspelt", `n: "1"`, "7: schemas/a.xsd has no attribute n in A; there is only nr (column 31)"},
		{"not the type", `nr: ett`, `7: A/@nr: "ett" is no int, and schemas/a.xsd refuses it (column 35)`},
		{"a namespace that only a value tells", `"xmlns:x": "${answers.ns}", "x:y": z`, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			text := strings.Replace(fitHead, `"urn:a" }`, `"urn:a", `+row.attrs+" }", 1) + "    Kod: ANS\n    Firma: x\n"
			checkProblems(t, compiled(t, text, "schemas/a.xsd", fitSchema).fit(), row.want)
		})
	}
}

// What the form says that a value is can never be what the schema asks for.
func TestFitOfTypes(t *testing.T) {
	const schema = `{"properties": {"antal": {"type": "integer"}, "namn": {"type": ["string", "null"]}, "klart": {"type": "boolean"}, "vad": {}}}`
	env := Env{Answers: &document.Type{Kind: document.ObjectType, Fields: map[string]*document.Type{
		"text": {Kind: document.StringType}, "tal": {Kind: document.IntegerType}, "ja": {Kind: document.BooleanType}, "fritt": {Kind: document.AnyType},
	}}}
	for _, row := range []struct{ tree, want string }{
		{"antal: ${answers.tal}", ""}, {"antal: ${answers.fritt}", ""}, {"namn: ${answers.text}", ""}, {"vad: ${answers.tal}", ""},
		{"antal: ${number(answers.text)}", ""}, {"namn: ${answers.tal} st", ""}, {"klart: ${answers.text == \"ja\"}", ""},
		{"antal: ${answers.text}", "5: ${answers.text} is a text, and schemas/a.json has a whole number there; write number(…) around it (column 12)"},
		{"namn: ${answers.tal}", "5: ${answers.tal} is a number, and schemas/a.json has a text there; write string(…) around it (column 11)"},
		{"namn: ${answers.ja}", "5: ${answers.ja} is true or false, and schemas/a.json has a text there; look its text up in a table (column 11)"},
		{"klart: ${answers.text}", "5: ${answers.text} is a text, and schemas/a.json has true or false there; compare it with the text that stands for true (column 12)"},
	} {
		t.Run(row.tree, func(t *testing.T) {
			m := compiled(t, "operation: x\noutput: json\nschema: a.json\ndocument:\n  "+row.tree+"\n", "schemas/a.json", schema)
			checkProblems(t, m.CheckFor(env), row.want)
		})
	}
}

func TestFitInJSON(t *testing.T) {
	const schema = `{"type": "object", "additionalProperties": false, "required": ["kod"], "properties": {
		"kod": {"enum": ["ANS", "BIL"]}, "antal": {"type": "integer", "maximum": 5}, "klart": {"type": "boolean"},
		"namn": {"type": "string", "maxLength": 5}, "barn": {"type": "array", "items": {"$ref": "#/$defs/barn"}}, "fritt": {"type": "object"}},
		"$defs": {"barn": {"type": "object", "properties": {"namn": {"type": "string"}, "nr": {}}, "required": ["namn"],
			"anyOf": [{"required": ["nr"]}, {"required": ["id"]}]}}}`
	const head = "operation: x\noutput: json\nschema: a.json\ndocument:\n  kod: ANS\n"
	for _, row := range []struct{ name, tree, want string }{
		{"right", "  antal: 3\n  klart: ${answers.ja}\n  namn?: ${answers.namn}\n  fritt: { a: 1 }\n  barn:\n    $for: b in answers.barn\n    namn: ${b.namn}\n    nr: 1\n", ""},
		{"misspelt", "  antall: 3\n", "6: schemas/a.json has no member antall in the document; is it antal? (column 3)"},
		{"a text for a number", "  antal: \"3\"\n", `6: antal: "3" is no integer, and schemas/a.json refuses it (column 10)`},
		{"a text around a number", "  antal: ${answers.n} st\n", "6: antal is a text here, and a whole number in schemas/a.json (column 10)"},
		{"too large", "  antal: 6\n", "6: antal: 6 is more than 5, and schemas/a.json refuses it (column 10)"},
		{"too long", "  namn: Knutpunkt\n", `6: namn: "Knutpunkt" is longer than 5 characters, and schemas/a.json refuses it (column 9)`},
		{"chosen", "  klart: '${answers.n == 1 ? \"ja\" : true}'\n", `6: klart: "ja" is no boolean, and schemas/a.json refuses it (column 30)`},
		{"a bare yes", "  namn: yes\n", `6: yes is a text here: write true or false, or "yes" in quotes, since many tools read a bare yes as one of them (column 9)`},
		{"a yes in quotes", "  namn: \"yes\"\n", ""},
		{"a group for a list", "  barn: { namn: x }\n", "6: barn is a group of members here, and a list in schemas/a.json (column 3)"},
		{"a list for a group", "  fritt: [1]\n", "6: fritt is a list here, and a group of members in schemas/a.json (column 3)"},
		{"in a list", "  barn:\n    - { nr: 1 }\n", "7: schemas/a.json requires the member namn in barn, and the mapping has none (column 7)"},
		{"the other of two, which only an alternative names", "  barn:\n    - { namn: x, id: y }\n", ""},
		{"one of two", "  barn:\n    - { namn: x }\n", "7: schemas/a.json requires one of nr, id in barn, and the mapping has none (column 7)"},
	} {
		t.Run(row.name, func(t *testing.T) {
			checkProblems(t, compiled(t, head+row.tree, "schemas/a.json", schema).fit(), row.want)
		})
	}
}

// Whatever somebody writes as a mapping and as its schema: what is told has a place, and nothing panics.
func FuzzFit(f *testing.F) {
	f.Add(fitHead+"    Kod: ANS\n    Firma: x\n", fitSchema)
	f.Add(fitHead+"    Kod: ${tables.kod[answers.x] ?? 'a'}\n    Person: { Id?: '', $attrs: { a: b } }\n", fitSchema)
	f.Add("operation: x\noutput: json\nschema: a.xsd\ndocument: { a: [ { $for: x in answers.y, b: '${x}' }, 1, yes ], c: ~ }",
		`{"properties": {"a": {"type": "array", "items": {"oneOf": [{"required": ["b"]}, {"type": "null"}]}}, "c": {"allOf": [{"$ref": "#"}]}}}`)
	f.Fuzz(func(t *testing.T, text, schema string) {
		text = strings.ReplaceAll(text, "a.xsd", "a.schema") // for whichever output
		m, _ := Compile(files(arende, text, "schemas/a.schema", schema), arende)
		if m == nil {
			return
		}
		for _, p := range m.fit() {
			if p.File != arende || p.Line < 1 || p.Text == "" {
				t.Errorf("no place or text: %#v", p)
			}
		}
	})
}
