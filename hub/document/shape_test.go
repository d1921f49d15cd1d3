package document

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

const shapeSchema = `<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="urn:a" targetNamespace="urn:a" elementFormDefault="qualified">
<xs:import namespace="urn:b" schemaLocation="b.xsd"/>
<xs:include schemaLocation="included.xsd"/>
<xs:element name="Case" type="Case"/>
<xs:complexType name="Base"><xs:sequence><xs:element name="Id" type="Code"/><xs:element name="Note" minOccurs="0" type="xs:string"/></xs:sequence>
	<xs:attribute name="version" use="required" type="xs:decimal"/><xs:attribute name="kind" fixed="case"/></xs:complexType>
<xs:complexType name="Case"><xs:complexContent><xs:extension base="Base"><xs:sequence>
	<xs:choice><xs:element name="Person" type="Person"/><xs:element name="Firm"><xs:complexType/></xs:element></xs:choice>
	<xs:choice><xs:sequence><xs:element name="From" type="xs:date"/><xs:element name="To" type="xs:date"/></xs:sequence>
		<xs:sequence><xs:element name="Year" type="xs:date"/><xs:element name="To" type="xs:date"/></xs:sequence></xs:choice>
	<xs:group ref="Places" minOccurs="0"/>
	<xs:element name="Size" type="Size" maxOccurs="2"/>
	<xs:element ref="Head" minOccurs="0"/>
</xs:sequence><xs:attributeGroup ref="Marks"/></xs:extension></xs:complexContent></xs:complexType>
<xs:complexType name="Person"><xs:all><xs:element name="Name"/><xs:element name="Guardian" type="Person" minOccurs="0"/></xs:all></xs:complexType>
<xs:complexType name="Size"><xs:simpleContent><xs:extension base="Metres"><xs:attribute name="of" use="required"/></xs:extension></xs:simpleContent></xs:complexType>
<xs:group name="Places"><xs:sequence><xs:element name="Place" maxOccurs="unbounded" type="xs:string"/><xs:element name="City" type="xs:string"/></xs:sequence></xs:group>
<xs:attributeGroup name="Marks"><xs:attribute name="open" type="xs:boolean"/><xs:attribute ref="xml:lang"/></xs:attributeGroup>
<xs:element name="Head"/><xs:element name="Tail" substitutionGroup="Head"/>
<xs:simpleType name="Code"><xs:restriction base="xs:string"><xs:maxLength value="4"/><xs:pattern value="[\w]+"/></xs:restriction></xs:simpleType>
<xs:simpleType name="Metres"><xs:restriction base="xs:decimal"><xs:maxInclusive value="10"/></xs:restriction></xs:simpleType>
</xs:schema>`

func shapeFiles() fstest.MapFS {
	return files("a.xsd", shapeSchema,
		"b.xsd", `<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:b"><xs:element name="B"/></xs:schema>`,
		"included.xsd", `<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="Open"><xs:complexType><xs:sequence>`+
			`<xs:element name="X"/><xs:any/></xs:sequence><xs:anyAttribute/></xs:complexType></xs:element></xs:schema>`)
}

func TestShapeOfXML(t *testing.T) {
	v, err := CompileXSD(shapeFiles(), "a.xsd")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range v.Shape().Parts {
		names = append(names, p.Space+" "+p.Local)
	}
	if want := []string{"urn:b B", "urn:a Case", "urn:a Head", "urn:a Open", "urn:a Tail"}; !slices.Equal(names, want) {
		t.Errorf("roots %v, want %v", names, want)
	}
	root, _ := v.Shape().Part(Name{"urn:a", "Case"})
	var told []string
	for _, p := range root.Shape.Parts {
		told = append(told, fmt.Sprintf("%s %v %d %d", p.Local, p.Needed, p.Most, p.Rank))
	}
	want := []string{"Id true 1 1", "Note false 1 2", "Person false 1 3", "Firm false 1 3", "From false 1 4", "To true 0 4", "Year false 1 4",
		"Place false 0 5", "City false 1 6", "Size true 2 7"}
	if !slices.Equal(told, want) {
		t.Errorf("parts\n%s\nwant\n%s", strings.Join(told, "\n"), strings.Join(want, "\n"))
	}
	if got := fmt.Sprint(root.Shape.OneOf); got != "[[{urn:a Person} {urn:a Firm}]]" {
		t.Errorf("one of %s", got)
	}
	if !root.Shape.Open || root.Shape.OpenAttrs || len(root.Shape.Attrs) != 4 {
		t.Errorf("%+v", root.Shape)
	}
	if open, _ := v.Shape().Part(Name{"urn:a", "Open"}); !open.Shape.Open || !open.Shape.OpenAttrs {
		t.Error("a wildcard lets others in")
	}
	person, _ := root.Shape.Part(Name{"urn:a", "Person"})
	if guardian, ok := person.Shape.Part(Name{"urn:a", "Guardian"}); !ok || guardian.Shape != person.Shape {
		t.Error("a type that comes back to itself is one shape")
	}
}

func TestShapeOfTexts(t *testing.T) {
	v, err := CompileXSD(shapeFiles(), "a.xsd")
	if err != nil {
		t.Fatal(err)
	}
	root, _ := v.Shape().Part(Name{"urn:a", "Case"})
	for _, row := range []struct{ part, text, rule, why string }{
		{"Id", "Ö12", "", "\\w holds Ö"},
		{"Id", "12345", "maxLength", "five characters"},
		{"Id", "a b", "pattern", "a blank is no word character"},
		{"From", "2026-03-02", "", "a day"},
		{"From", "2/3 2026", "type", "no day as XML Schema has them"},
		{"Size", " 9.5 ", "", "blanks around a number are nothing"},
		{"Size", "11", "maxInclusive", "a number beyond what the type of an extension takes"},
		{"Size", "nio", "type", "no number"},
	} {
		part, ok := root.Shape.Part(Name{"urn:a", row.part})
		if !ok {
			t.Fatal(row.part)
		}
		broken, is := part.Shape.Wrong(row.text)
		if is != (row.rule != "") || broken.Rule != row.rule {
			t.Errorf("%s %q: %+v, want %q: %s", row.part, row.text, broken, row.rule, row.why)
		}
	}
	if kind, _ := root.Shape.Attr(Name{"", "kind"}); true {
		if _, is := kind.Shape.Wrong("other"); !is {
			t.Error("a fixed value is another")
		}
	}
}

func TestSchemaErrorsTellWhere(t *testing.T) {
	const head = `<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">` + "\n"
	for _, row := range []struct {
		name   string
		folder fstest.MapFS
		want   string
	}{
		{"a type that nobody declares", files("a.xsd", head+`<xs:element name="A" type="Nope"/></xs:schema>`), "a.xsd:2: no type is called Nope"},
		{"an import that is not there", files("x/a.xsd", head+`<xs:import namespace="urn:b" schemaLocation="b.xsd"/></xs:schema>`),
			"x/a.xsd:2: the import does not resolve: there is no file b.xsd"},
		{"one further down", files("x/a.xsd", head+`<xs:include schemaLocation="b.xsd"/></xs:schema>`, "x/b.xsd", head+"\n"+`<xs:include schemaLocation="c.xsd"/></xs:schema>`),
			"x/b.xsd:3: the include does not resolve: there is no file c.xsd"},
		{"an import without a place", files("x/a.xsd", head+`<xs:import namespace="urn:b"/></xs:schema>`),
			"x/a.xsd:2: the import does not resolve: no file here has the namespace urn:b"},
		{"no XML", files("x/a.xsd", head+`<xs:element name="A">`), "x/a.xsd:2: the XML ends in the middle: something is not closed"},
		{"an unknown element", files("x/a.xsd", head+`<xs:elment name="A"/></xs:schema>`), "x/a.xsd:2: invalid top-level schema child elment"},
		{"JSON with a comma too many", files("x/a.json", "{\n  \"type\": \"object\",\n}"), "x/a.json:2: this is no JSON from here on: a comma, a quote or a bracket is missing, or there is one too many"},
		{"an unknown type", files("x/a.json", "{\n  \"properties\": {\n    \"a\": {\"type\": \"strin\"}}}"),
			"x/a.json:3: at '/properties/a/type': value must be one of 'array', 'boolean', 'integer', 'null', 'number', 'object', 'string'"},
		{"a pointer to nothing", files("x/a.json", "{\n  \"properties\": {\n    \"a\": {\"$ref\": \"#/$defs/no\"}}}"), "x/a.json:3: the $ref x/a.json#/$defs/no leads nowhere"},
		{"a file that is not there", files("x/a.json", "{\n  \"properties\": {\n    \"a\": {\"$ref\": \"no.json\"}}}"), "x/a.json:3: the $ref does not resolve: there is no file x/no.json"},
	} {
		t.Run(row.name, func(t *testing.T) {
			name := slices.Sorted(func(yield func(string) bool) {
				for name := range row.folder {
					if !yield(name) {
						return
					}
				}
			})[0]
			_, err := CompileXSD(row.folder, name)
			if path.Ext(name) == ".json" {
				_, err = CompileJSONSchema(row.folder, name)
			}
			var wrong *SchemaError
			if !errors.As(err, &wrong) || wrong.Error() != row.want {
				t.Errorf("got  %v\nwant %s", wrong, row.want)
			}
		})
	}
}

func TestShapeOfJSON(t *testing.T) {
	v, err := CompileJSONSchema(files("a.json", `{"type": "object", "additionalProperties": false, "required": ["id"],
		"properties": {"id": {"$ref": "#/$defs/id"}, "kids": {"type": "array", "items": {"$ref": "#"}},
			"who": {"oneOf": [{"type": "null"}, {"$ref": "#/$defs/who"}]}, "either": {"anyOf": [{"type": "string"}, {"type": "object", "properties": {"x": {}}}]}},
		"$defs": {"id": {"type": "string", "maxLength": 3}, "who": {"type": "object", "properties": {"a": {}, "b": {}},
			"oneOf": [{"required": ["a"]}, {"required": ["b"]}], "additionalProperties": false}}}`), "a.json")
	if err != nil {
		t.Fatal(err)
	}
	s := v.Shape()
	if s.Open || s.Kind != ObjectType || len(s.Parts) != 4 {
		t.Errorf("%+v", s)
	}
	id, _ := s.Part(Name{Local: "id"})
	if broken, is := id.Shape.Wrong("1234"); !id.Needed || !is || broken.Reason() != "is longer than 3 characters" {
		t.Errorf("%+v: %+v", id, broken)
	}
	kids, _ := s.Part(Name{Local: "kids"})
	if kids.Shape.Kind != ArrayType || len(kids.Shape.Items.Parts) != 4 {
		t.Error("a schema that comes back to itself is told once")
	}
	who, _ := s.Part(Name{Local: "who"})
	if who.Shape.Open || fmt.Sprint(who.Shape.OneOf) != "[[{ a} { b}]]" {
		t.Errorf("the one thing beside null: %+v", who.Shape)
	}
	if _, is := who.Shape.Wrong(nil); is {
		t.Error("null is refused")
	}
	if either, _ := s.Part(Name{Local: "either"}); !either.Shape.Open || either.Shape.Kind != "" {
		t.Error("something is told of alternatives")
	}
}

// TestShapesOfJSONEnd where each of two that hold at once come back to themselves.
func TestShapesOfJSONEnd(t *testing.T) {
	v, err := CompileJSONSchema(files("a.json", `{"allOf": [{"properties": {"a": {"$ref": "#"}}}, {"properties": {"a": {"$ref": "#", "maxProperties": 3}}}]}`), "a.json")
	if err != nil {
		t.Fatal(err)
	}
	below, ok := v.Shape(), true
	for range 20 {
		var part Part
		if part, ok = below.Part(Name{Local: "a"}); !ok {
			t.Fatal("there is no a")
		}
		below = part.Shape
	}
}

// refusals holds a document against a shape as the check of a mapping does.
func (s *Shape) refusals(at string, e *Element, spaces map[string]string) (all []string) {
	if s == nil {
		return nil
	}
	spaces = spacesOf(e, spaces)
	count, rank := map[Name]int{}, 0
	for _, a := range e.Attrs {
		prefix, local := splitName(a.Name)
		if a.Name == "xmlns" || prefix == "xmlns" {
			continue
		}
		name := Name{Local: local}
		if prefix != "" {
			name.Space = spaces[prefix]
		}
		if strings.HasSuffix(name.Space, "XMLSchema-instance") {
			if local == "type" || local == "nil" {
				return nil
			}
			continue
		}
		count[Name{"@" + name.Space, name.Local}]++
		part, ok := s.Attr(name)
		if !ok && !s.OpenAttrs {
			all = append(all, at+": unknown attribute "+local)
		}
		if v, is := part.Shape.Wrong(a.Value); is {
			all = append(all, at+"/@"+local+" "+v.Reason())
		}
	}
	for _, c := range e.Children {
		name := Name{c.Space(), c.Local()}
		count[name]++
		part, ok := s.Part(name)
		switch {
		case !ok && !s.Open:
			all = append(all, at+": unknown element "+c.Local())
		case ok && part.Rank > 0 && part.Rank < rank:
			all = append(all, at+": misplaced element "+c.Local())
		case ok:
			rank = max(rank, part.Rank)
			if part.Most > 0 && count[name] > part.Most {
				all = append(all, at+": too many of "+c.Local())
			}
			all = append(all, part.Shape.refusals(at+"/"+c.Local(), c, spaces)...)
		}
	}
	for _, p := range s.Parts {
		if p.Needed && count[p.Name] == 0 {
			all = append(all, at+": lacks "+p.Local)
		}
	}
	for _, p := range s.Attrs {
		if p.Needed && count[Name{"@" + p.Space, p.Local}] == 0 {
			all = append(all, at+": lacks attribute "+p.Local)
		}
	}
	for _, names := range s.OneOf {
		if !slices.ContainsFunc(names, func(n Name) bool { return count[n] > 0 }) {
			all = append(all, at+": lacks one of some")
		}
	}
	if len(e.Children) == 0 && (e.Text != "" || s.Text) {
		if v, is := s.Wrong(e.Text); is {
			all = append(all, at+" "+v.Reason())
		}
		if !s.Text && strings.TrimSpace(e.Text) != "" {
			all = append(all, at+" holds text")
		}
	}
	return all
}

// TestShapesOfTheAuthoritiesSchemas: each compiles, and none refuses what it takes.
func TestShapesOfTheAuthoritiesSchemas(t *testing.T) {
	root := os.Getenv("KNUTPUNKT_FORMATS")
	if root == "" {
		t.Skip("KNUTPUNKT_FORMATS names no folder with the authorities' schemas")
	}
	folder := os.DirFS(root)
	var schemas, documents []string
	err := fs.WalkDir(folder, ".", func(name string, _ fs.DirEntry, err error) error {
		switch path.Ext(name) {
		case ".xsd":
			schemas = append(schemas, name)
		case ".xml":
			documents = append(documents, name)
		}
		return err
	})
	if err != nil || len(schemas) < 50 {
		t.Fatalf("%d schemas: %v", len(schemas), err)
	}
	compiled := map[string]Validator{}
	for _, name := range schemas {
		v, err := CompileXSD(folder, name)
		switch why := incomplete[path.Base(name)]; {
		case err != nil && (why == "" || !strings.Contains(err.Error(), why)):
			t.Errorf("%s: %v", name, err)
		case err == nil && why != "":
			t.Errorf("%s compiles, though %s", name, why)
		case err == nil:
			compiled[name] = v
		}
	}
	taken := 0
	for _, name := range documents {
		doc, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		top, err := ReadXML(bytes.NewReader(doc), Limits{})
		if err != nil {
			continue
		}
		for schema, v := range compiled {
			part, ok := v.Shape().Part(Name{top.Space(), top.Local()})
			err := v.Validate(doc)
			if !ok && err == nil {
				t.Errorf("%s takes %s, and its shape does not know the root", schema, name)
			}
			if !ok || err != nil {
				continue
			}
			taken++
			for _, refused := range part.Shape.refusals(top.Local(), top, nil) {
				t.Errorf("%s takes %s, and its shape does not: %s", schema, name, refused)
			}
		}
	}
	t.Logf("%d schemas of %d, %d documents taken", len(compiled), len(schemas), taken)
	if taken < 20 {
		t.Errorf("only %d documents were held against their schemas", taken)
	}
}

// incomplete are the authorities' schemas that lack something, and what.
var incomplete = map[string]string{}
