package document

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestShapesEnd: a schema that comes back to itself, or grows beyond measure, ends in an error or a shape.
func TestShapesEnd(t *testing.T) {
	const head = `<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">`
	const endless = "this comes back to itself, or grows beyond measure"
	var laughs strings.Builder
	for i := range 12 {
		fmt.Fprintf(&laughs, `<xs:group name="g%d"><xs:sequence>%s</xs:sequence></xs:group>`, i, strings.Repeat(fmt.Sprintf(`<xs:group ref="g%d"/>`, i+1), 10))
	}
	for _, row := range []struct {
		name, schema string
		ends         string
	}{
		{"an extension of itself", `<xs:complexType name="A"><xs:complexContent><xs:extension base="B"/></xs:complexContent></xs:complexType>` +
			`<xs:complexType name="B"><xs:complexContent><xs:extension base="A"/></xs:complexContent></xs:complexType>`, endless},
		{"a group of itself", `<xs:group name="g"><xs:sequence><xs:element name="a"/><xs:group ref="g" minOccurs="0"/></xs:sequence></xs:group><xs:element name="A"><xs:complexType><xs:group ref="g"/></xs:complexType></xs:element>`, endless},
		{"attributes of themselves", `<xs:attributeGroup name="g"><xs:attribute name="a"/><xs:attributeGroup ref="g"/></xs:attributeGroup><xs:element name="A"><xs:complexType><xs:attributeGroup ref="g"/></xs:complexType></xs:element>`, endless},
		{"a text of itself", `<xs:simpleType name="a"><xs:restriction base="b"/></xs:simpleType><xs:simpleType name="b"><xs:restriction base="a"/></xs:simpleType><xs:element name="A" type="a"/>`, endless},
		{"groups of groups", laughs.String() + `<xs:group name="g12"><xs:sequence><xs:element name="a" minOccurs="0"/></xs:sequence></xs:group><xs:element name="A"><xs:complexType><xs:group ref="g0"/></xs:complexType></xs:element>`, endless},
		{"an element of itself", `<xs:element name="A"><xs:complexType><xs:sequence><xs:element ref="A" minOccurs="0"/></xs:sequence></xs:complexType></xs:element>`, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			began := time.Now()
			_, err := CompileXSD(files("a.xsd", head+row.schema+"</xs:schema>"), "a.xsd")
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
			if (err == nil) != (row.ends == "") || err != nil && !strings.HasSuffix(err.Error(), row.ends) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestShapesOfJSONInTurnsEnd: a few schemas that refer back to themselves in turns can be put together in
// millions of ways, of which some are told.
func TestShapesOfJSONInTurnsEnd(t *testing.T) {
	var defs, all []string
	for _, turns := range []int{2, 3, 5, 7, 11, 13, 17, 19} {
		for i := range turns {
			defs = append(defs, fmt.Sprintf(`"%d-%d": {"properties": {"p": {"$ref": "#/$defs/%[1]d-%d"}}}`, turns, i, (i+1)%turns))
		}
		all = append(all, fmt.Sprintf(`{"$ref": "#/$defs/%d-0"}`, turns))
	}
	text := `{"$defs": {` + strings.Join(defs, ",") + `}, "allOf": [` + strings.Join(all, ",") + `]}`
	began := time.Now()
	schema, err := CompileJSONSchema(files("a.json", text), "a.json")
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	if _, told := schema.Shape().Part(Name{Local: "p"}); !told {
		t.Error("nothing is told of what stands near")
	}
}
