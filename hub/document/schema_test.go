package document

import (
	stdjson "encoding/json"
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
)

// files is a folder of schemas: names and texts by turns.
func files(pairs ...string) fstest.MapFS {
	folder := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		folder[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return folder
}

const caseSchema = `<?xml version="1.0" encoding="ISO-8859-1"?>
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:c="urn:codes" xmlns="urn:case"
	targetNamespace="urn:case" elementFormDefault="qualified">
	<xs:import namespace="urn:codes" schemaLocation="../codes/codes.xsd"/>
	<xs:element name="Case"><xs:complexType><xs:sequence>
		<xs:element name="Kind" type="c:Kind"/>
		<xs:element name="Place">
			<xs:simpleType><xs:restriction base="xs:string"><xs:pattern value="[\w /]+"/></xs:restriction></xs:simpleType>
		</xs:element>
	</xs:sequence><xs:attribute name="pnr" use="required">
		<xs:simpleType><xs:restriction base="xs:string"><xs:pattern value="[0-9]{12}"/></xs:restriction></xs:simpleType>
	</xs:attribute></xs:complexType></xs:element>
</xs:schema>`

const codesSchema = `<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:codes">
	<xs:simpleType name="Kind"><xs:restriction base="xs:string">
		<xs:enumeration value="bygglov"/><xs:enumeration value="rivningslov"/></xs:restriction></xs:simpleType>
</xs:schema>`

func compileCase(t testing.TB) Validator {
	t.Helper()
	v, err := CompileXSD(files("case/case.xsd", caseSchema, "codes/codes.xsd", codesSchema), "case/case.xsd")
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestXSD(t *testing.T) {
	v := compileCase(t)
	const valid = `<Case xmlns="urn:case" pnr="191212121212"><Kind>bygglov</Kind><Place>Österåker 1</Place></Case>`
	latin := strings.Replace(`<?xml version="1.0" encoding="ISO-8859-1"?>`+valid, "Österåker", "\xD6ster\xE5ker", 1)
	for name, doc := range map[string]string{"UTF-8": valid, "latin": latin, "1.1": `<?xml version="1.1"?>` + valid,
		"a hint to elsewhere": strings.Replace(valid, " pnr", ` xmlns:x="http://www.w3.org/2001/XMLSchema-instance" x:schemaLocation="urn:case http://127.0.0.1:1/x.xsd" pnr`, 1)} {
		if err := v.Validate([]byte(doc)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, c := range []struct {
		name, doc string
		want      []Violation
	}{
		{"two faults", "<Case xmlns=\"urn:case\" pnr=\"1912\">\n<Kind>lov</Kind><Place>x</Place></Case>", []Violation{
			{Line: 1, Path: "/Case/@pnr", Rule: "pattern"},
			{Line: 2, Path: "/Case/Kind", Rule: "enumeration", Allowed: []string{"bygglov", "rivningslov"}}}},
		{"missing", `<Case xmlns="urn:case" pnr="191212121212"><Kind>bygglov</Kind></Case>`, []Violation{
			{Line: 1, Path: "/Case", Rule: "content"}}},
		{"misspelt", `<Case xmlns="urn:case" pnr="191212121212"><Kind>bygglov</Kind><Plaze>x</Plaze></Case>`, []Violation{
			{Line: 1, Path: "/Case/Plaze", Rule: "element"},
			{Line: 1, Path: "/Case", Rule: "content"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := v.Validate([]byte(c.doc))
			var invalid *ValidationError
			if !errors.As(err, &invalid) || !reflect.DeepEqual(invalid.Violations, c.want) {
				t.Errorf("got %+v, want %+v", err, c.want)
			}
			if strings.Contains(err.Error(), "1912") {
				t.Errorf("the error tells the value: %v", err)
			}
		})
	}
	for doc, want := range map[string]Kind{`<!DOCTYPE x><Case xmlns="urn:case"/>`: Doctype, `<Case`: Malformed, "<Case>\xE5": Encoding} {
		var syntax *SyntaxError
		if err := v.Validate([]byte(doc)); !errors.As(err, &syntax) || syntax.Kind != want {
			t.Errorf("%s: got %v, want %s", doc, err, want)
		}
	}
}

func TestXSDInParallel(t *testing.T) {
	v := compileCase(t)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				if err := v.Validate([]byte(`<Case xmlns="urn:case" pnr="191212121212"><Kind>bygglov</Kind><Place>x</Place></Case>`)); err != nil {
					t.Error(err)
				}
				if err := v.Validate([]byte(`<Case xmlns="urn:case" pnr="x"><Kind>bygglov</Kind><Place>x</Place></Case>`)); err == nil {
					t.Error("accepted")
				}
			}
		})
	}
	all.Wait()
}

func TestXSDImportsMustResolve(t *testing.T) {
	const head = `<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">`
	for name, folder := range map[string]fstest.MapFS{
		"file missing":         files("a.xsd", head+`<xs:import namespace="urn:b" schemaLocation="b.xsd"/></xs:schema>`),
		"include missing":      files("a.xsd", head+`<xs:include schemaLocation="b.xsd"/></xs:schema>`),
		"no location":          files("a.xsd", head+`<xs:import namespace="urn:b"/></xs:schema>`),
		"web":                  files("a.xsd", head+`<xs:import namespace="urn:b" schemaLocation="http://127.0.0.1:1/b.xsd"/></xs:schema>`),
		"outside":              files("a.xsd", head+`<xs:import namespace="urn:b" schemaLocation="../../etc/b.xsd"/></xs:schema>`),
		"missing further down": files("a.xsd", head+`<xs:include schemaLocation="b.xsd"/></xs:schema>`, "b.xsd", head+`<xs:include schemaLocation="c.xsd"/></xs:schema>`),
		"no schema":            files("a.xsd", "<a/>"),
		"doctype":              files("a.xsd", "<!DOCTYPE a>"+head+"</xs:schema>"),
	} {
		if _, err := CompileXSD(folder, "a.xsd"); err == nil {
			t.Errorf("%s: compiled", name)
		}
	}
}

const formSchema = `{
	"type": "object", "required": ["sokande", "matt"], "properties": {
		"sokande": {"$ref": "#/$defs/person"},
		"barn": {"type": "array", "items": {"$ref": "#/$defs/person"}},
		"matt": {"type": "object", "properties": {
			"langd": {"type": ["number", "null"]}, "antal": {"type": "integer"}, "klart": {"type": "boolean"}}},
		"fil": {"allOf": [{"$ref": "shared/file.json"}, {"required": ["Name"]}]},
		"val": {"enum": ["ja", "nej"]},
		"fritt": {}
	},
	"$defs": {"person": {"type": "object", "properties": {
		"namn": {"type": "string", "maxLength": 10}, "fodd": {"type": "string", "format": "date"},
		"vardnadshavare": {"type": "array", "items": {"$ref": "#/$defs/person"}}}}}
}`

const fileSchema = `{"type": "object", "properties": {"Size": {"type": "integer"}, "Name": {"type": "string"}}}`

func compileForm(t testing.TB) *Form {
	t.Helper()
	f, err := CompileForm(files("services/form å.json", formSchema, "services/shared/file.json", fileSchema), "services/form å.json")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFit(t *testing.T) {
	given := map[string]any{
		"sokande": map[string]any{"namn": " Åsa ", "vardnadshavare": map[string]any{"namn": "Eva"}},
		"barn":    map[string]any{"namn": "Bo"},
		"matt":    map[string]any{"langd": " 700.00 ", "antal": "3", "klart": "true", "extra": "x"},
		"fil":     map[string]any{"Size": "12", "Name": "a"},
		"fritt":   map[string]any{"n": "1"},
		"okänd":   "12",
	}
	got, err := compileForm(t).Fit(given)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"sokande": map[string]any{"namn": " Åsa ", "vardnadshavare": []any{map[string]any{"namn": "Eva"}}},
		"barn":    []any{map[string]any{"namn": "Bo"}},
		"matt":    map[string]any{"langd": stdjson.Number("700.00"), "antal": stdjson.Number("3"), "klart": true, "extra": "x"},
		"fil":     map[string]any{"Size": stdjson.Number("12"), "Name": "a"},
		"fritt":   map[string]any{"n": "1"},
		"okänd":   "12",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %#v", got)
	}
	if given["matt"].(map[string]any)["antal"] != "3" {
		t.Error("Fit must leave what it was given alone")
	}
	got, err = compileForm(t).Fit(map[string]any{"sokande": "\n\t", "matt": ""})
	if want := (map[string]any{"sokande": map[string]any{}, "matt": map[string]any{}}); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("empty leaves: got %#v, %v", got, err)
	}
}

func TestFitRefuses(t *testing.T) {
	person := func(fields ...string) map[string]any {
		p := map[string]any{}
		for i := 0; i < len(fields); i += 2 {
			p[fields[i]] = fields[i+1]
		}
		return p
	}
	for _, c := range []struct {
		name string
		tree any
		want Violation
	}{
		{"missing", map[string]any{"sokande": person()}, Violation{Path: "/matt", Rule: "required"}},
		{"no number", map[string]any{"sokande": person(), "matt": person("antal", "191212121212 st")},
			Violation{Path: "/matt/antal", Rule: "type", Allowed: []string{"integer"}}},
		{"blank number", map[string]any{"sokande": person(), "matt": person("antal", "")},
			Violation{Path: "/matt/antal", Rule: "type", Allowed: []string{"integer"}}},
		{"long", map[string]any{"sokande": person("namn", "191212121212"), "matt": ""},
			Violation{Path: "/sokande/namn", Rule: "maxLength"}},
		{"format", map[string]any{"sokande": person("fodd", "19121212-1212"), "matt": ""},
			Violation{Path: "/sokande/fodd", Rule: "format"}},
		{"not in the list", map[string]any{"sokande": "", "matt": "", "val": "191212121212"},
			Violation{Path: "/val", Rule: "enum", Allowed: []string{"ja", "nej"}}},
		{"a million digits", map[string]any{"sokande": "", "matt": person("langd", "1e999999")},
			Violation{Path: "/matt/langd", Rule: "number"}},
		{"beyond computing", map[string]any{"sokande": "", "matt": person("antal", "1e99999999999999999999")},
			Violation{Path: "/matt/antal", Rule: "number"}},
		{"in an item", map[string]any{"sokande": "", "matt": "", "barn": []any{"", person("fodd", "x")}},
			Violation{Path: "/barn/1/fodd", Rule: "format"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := compileForm(t).Fit(c.tree)
			var invalid *ValidationError
			if !errors.As(err, &invalid) || len(invalid.Violations) != 1 || !reflect.DeepEqual(invalid.Violations[0], c.want) {
				t.Fatalf("got %+v, want %+v", err, c.want)
			}
			if strings.Contains(err.Error(), "1912") {
				t.Errorf("the error tells the value: %v", err)
			}
		})
	}
}

func TestFormType(t *testing.T) {
	root := compileForm(t).Type()
	for name, want := range map[string]TypeKind{"sokande": ObjectType, "barn": ArrayType, "fil": ObjectType, "fritt": AnyType, "val": StringType} {
		if got := root.Fields[name].Kind; got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	langd := root.Fields["matt"].Fields["langd"]
	if langd.Kind != NumberType || !langd.Null || !root.Required["sokande"] || root.Required["barn"] || !root.Open {
		t.Errorf("got %+v in %+v", langd, root)
	}
	if fil := root.Fields["fil"]; !fil.Required["Name"] || fil.Fields["Size"].Kind != IntegerType {
		t.Errorf("allOf must add up: %+v", fil)
	}
	if person := root.Fields["sokande"]; person.Fields["vardnadshavare"].Items != person {
		t.Error("a schema that refers back to itself must give a type that does")
	}
}

func TestJSONSchemaPathsHideTheSendersNames(t *testing.T) {
	v, err := CompileJSONSchema(files("a.json", `{"additionalProperties": {"type": "integer"}, "properties": {"list": {"items": {"additionalProperties": false}}}}`), "a.json")
	if err != nil {
		t.Fatal(err)
	}
	err = v.Validate([]byte(`{"191212121212": "x", "list": [{"191212121212": 1}]}`))
	var invalid *ValidationError
	if !errors.As(err, &invalid) || len(invalid.Violations) != 2 || strings.Contains(err.Error(), "1912") {
		t.Errorf("got %v", err)
	}
	var syntax *SyntaxError
	if err := v.Validate([]byte(`{"a":1,"a":2}`)); !errors.As(err, &syntax) {
		t.Errorf("no document: %v", err)
	}
}

func TestJSONSchemaStaysInItsFolder(t *testing.T) {
	for name, ref := range map[string]string{"web": "http://127.0.0.1:1/x.json", "file": "file:///etc/passwd",
		"above": "../../../etc/passwd", "missing": "b.json"} {
		if _, err := CompileJSONSchema(files("a.json", `{"$ref": "`+ref+`"}`), "a.json"); err == nil {
			t.Errorf("%s: compiled", name)
		}
	}
}
