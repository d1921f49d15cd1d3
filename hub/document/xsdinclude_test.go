package document

import (
	"errors"
	"testing"
	"testing/fstest"
)

// part is a file of a schema: attrs is what its outermost element says of namespaces.
func part(attrs, content string) string {
	return `<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" ` + attrs + ">\n" + content + "</xs:schema>"
}

const (
	own     = `targetNamespace="urn:m" xmlns:t="urn:m" elementFormDefault="qualified"`
	letters = `<xs:element name="Letter" type="t:Letter"/>`
	letter  = `<xs:complexType name="Letter"><xs:sequence><xs:element name="Row" type="xs:date"/></xs:sequence></xs:complexType>`
)

func TestXSDInSeveralFiles(t *testing.T) {
	const good, bad = `<Letter xmlns="urn:m"><Row>2026-08-01</Row></Letter>`, `<Letter xmlns="urn:m"><Row>soon</Row></Letter>`
	for _, row := range []struct {
		name   string
		folder fstest.MapFS
	}{
		{"one includes another of its namespace", files(
			"a.xsd", part(own, `<xs:include schemaLocation="b.xsd"/>`+letters), "b.xsd", part(own, letter))},
		{"one includes another without a namespace", files(
			"a.xsd", part(own, `<xs:include schemaLocation="b.xsd"/>`+letters),
			"b.xsd", part(`elementFormDefault="qualified"`, `<xs:include schemaLocation="c.xsd"/>`+letter),
			"c.xsd", part("", ""))},
		{"one without a namespace refers to what it declares itself", files(
			"a.xsd", part(own, `<xs:include schemaLocation="b.xsd"/><xs:element name="Letter" type="t:Letter"/>`),
			"b.xsd", part(`elementFormDefault="qualified"`, `<xs:simpleType name="Day"><xs:restriction base="xs:date"/></xs:simpleType>
				<xs:complexType name="Letter"><xs:sequence><xs:element name="Row" type="Day"/></xs:sequence></xs:complexType>`))},
		{"they are in folders", files(
			"a.xsd", part(own, `<xs:include schemaLocation="types/b.xsd"/>`+letters),
			"types/b.xsd", part(own, `<xs:include schemaLocation="../common/c.xsd"/>`),
			"common/c.xsd", part(own, `<xs:include schemaLocation="./deep/d.xsd"/>`), "common/deep/d.xsd", part(own, letter))},
		{"two include the same third", files(
			"a.xsd", part(own, `<xs:include schemaLocation="b.xsd"/><xs:include schemaLocation="c.xsd"/>`+letters),
			"b.xsd", part(own, `<xs:include schemaLocation="d.xsd"/>`), "c.xsd", part(own, `<xs:include schemaLocation="d.xsd"/>`),
			"d.xsd", part(own, letter))},
		{"two include each other", files(
			"a.xsd", part(own, `<xs:include schemaLocation="b.xsd"/>`+letters),
			"b.xsd", part(own, `<xs:include schemaLocation="a.xsd"/>`+letter))},
		{"what is imported includes", files(
			"a.xsd", part(own, `<xs:import namespace="urn:n" schemaLocation="n.xsd"/><xs:element name="Letter"><xs:complexType><xs:sequence>
				<xs:element name="Row" type="n:Day" xmlns:n="urn:n"/></xs:sequence></xs:complexType></xs:element>`),
			"n.xsd", part(`targetNamespace="urn:n"`, `<xs:include schemaLocation="n2.xsd"/>`),
			"n2.xsd", part(`targetNamespace="urn:n"`, `<xs:simpleType name="Day"><xs:restriction base="xs:date"/></xs:simpleType>`))},
		{"one imports what has no namespace", files(
			"a.xsd", part(own, `<xs:import schemaLocation="n.xsd"/><xs:element name="Letter"><xs:complexType><xs:sequence>
				<xs:element name="Row" type="Day"/></xs:sequence></xs:complexType></xs:element>`),
			"n.xsd", part("", `<xs:simpleType name="Day"><xs:restriction base="xs:date"/></xs:simpleType>`))},
		{"what is included imports without a place what the first one imports with one", files(
			"a.xsd", part(own, `<xs:import namespace="urn:n" schemaLocation="n.xsd"/><xs:include schemaLocation="b.xsd"/>`+letters),
			"b.xsd", part(own, `<xs:import namespace="urn:n"/><xs:complexType name="Letter"><xs:sequence>
				<xs:element name="Row" type="n:Day" xmlns:n="urn:n"/></xs:sequence></xs:complexType>`),
			"n.xsd", part(`targetNamespace="urn:n"`, `<xs:simpleType name="Day"><xs:restriction base="xs:date"/></xs:simpleType>`))},
		{"one namespace is imported from two files", files(
			"a.xsd", part(own, `<xs:import namespace="urn:n" schemaLocation="n.xsd"/><xs:import namespace="urn:n" schemaLocation="n2.xsd"/>
				<xs:element name="Letter"><xs:complexType><xs:sequence>
				<xs:element name="Row" type="n:Day" xmlns:n="urn:n"/></xs:sequence></xs:complexType></xs:element>`),
			"n.xsd", part(`targetNamespace="urn:n"`, `<xs:element name="Other"/>`),
			"n2.xsd", part(`targetNamespace="urn:n"`, `<xs:simpleType name="Day"><xs:restriction base="xs:date"/></xs:simpleType>`))},
	} {
		t.Run(row.name, func(t *testing.T) {
			v, err := CompileXSD(row.folder, "a.xsd")
			if err != nil {
				t.Fatal(err)
			}
			if err := v.Validate([]byte(good)); err != nil {
				t.Errorf("a letter as it shall be: %v", err)
			}
			var invalid *ValidationError
			if err := v.Validate([]byte(bad)); !errors.As(err, &invalid) {
				t.Errorf("a row that is no date: %v", err)
			}
			top, known := v.Shape().Part(Name{"urn:m", "Letter"})
			if !known {
				t.Fatal("the shape has no Letter")
			}
			day, known := top.Shape.Part(Name{"urn:m", "Row"})
			if !known {
				t.Fatalf("the shape has no Row: %+v", top.Shape)
			}
			if _, is := day.Shape.Wrong("soon"); !is {
				t.Error("the shape lets a row be no date")
			}
		})
	}
}

func TestXSDRefusesPartsThatDoNotBelong(t *testing.T) {
	for _, row := range []struct {
		name, top, part string
		want            string
	}{
		{"an include of another namespace", `<xs:include schemaLocation="b.xsd"/>`, part(`targetNamespace="urn:n"`, letter),
			"a.xsd:2: included schema targetNamespace does not match including schema"},
		{"an import of the own namespace", `<xs:import namespace="urn:m" schemaLocation="b.xsd"/>`, part(own, letter),
			"a.xsd:2: import namespace cannot match enclosing schema targetNamespace"},
		{"an import of another namespace than the file's", `<xs:import namespace="urn:x" schemaLocation="b.xsd"/>`, part(`targetNamespace="urn:n"`, ""),
			"a.xsd:2: the import does not resolve: no file here has the namespace urn:x"},
		{"a redefine", `<xs:redefine schemaLocation="b.xsd"/>`, part(own, letter),
			"a.xsd:2: xs:redefine is not read: include the file instead, and declare what differs under names of its own"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := CompileXSD(files("a.xsd", part(own, row.top), "b.xsd", row.part), "a.xsd")
			var wrong *SchemaError
			if !errors.As(err, &wrong) || wrong.Error() != row.want {
				t.Errorf("got %v\nwant %s", err, row.want)
			}
		})
	}
}
