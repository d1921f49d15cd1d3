package mapping

import (
	"reflect"
	"strings"
)

// A Schema is a JSON Schema (2020-12) for editors, as a tree that JSON can be made of. It
// takes everything that the language takes, and refuses what strict reading refuses of
// keys and types; names and expressions are for check.
type Schema map[string]any

// head are the keys of a mapping's file.
var head = headKeys{
	{"operation", true, "what the system is to do with the document: one of the operations that its connector has"},
	{"output", true, "xml or json"},
	{"charset", false, "of xml: utf-8 (when left out) or iso-8859-1"},
	{"schema", false, "the system's own, under schemas/: XSD for xml, JSON Schema for json. Each document is held against it before it is " +
		"sent. none: the system has none"},
	{"tables", false, "your words, and the system's code for each: ${tables.NAME[word]}"},
	{"document", true, "the tree, shaped like the document. Text is text; ${ } holds a value; a key that begins with $ holds an " +
		"instruction; a key that ends with ? may be left out"},
}

type headKeys []struct {
	name     string
	required bool
	doc      string
}

func (ks headKeys) names() []string {
	var all []string
	for _, k := range ks {
		all = append(all, k.name)
	}
	return all
}

// instructionDocs say what each instruction in the document's tree is for.
var instructionDocs = map[string]string{
	"$if":    "only when this is true; the expression stands without ${ }",
	"$for":   "once for each: NAME in LIST, or NAME, NUMBER in LIST; without ${ }",
	"$attrs": "the attributes of an XML element",
	"$text":  "the text of an XML element that has $attrs, $if or $for too",
	"$value": "the value, where $if or $for stands beside it in JSON",
}

// EditorSchema describes a mapping's file.
func EditorSchema() Schema {
	properties, required := Schema{}, []string{"schema"} // as check has it: what was planned without one still compiles
	for _, k := range head {
		properties[k.name] = Schema{"description": k.doc}
		if k.required {
			required = append(required, k.name)
		}
	}
	key := func(name string) Schema { return properties[name].(Schema) }
	key("operation")["$ref"] = "#/$defs/text"
	key("schema")["$ref"] = "#/$defs/text"
	key("output")["enum"] = []string{"xml", "json"}
	key("charset")["enum"] = []string{"utf-8", "iso-8859-1"}
	key("tables")["type"] = "object"
	key("tables")["additionalProperties"] = Schema{"type": "object", "additionalProperties": Schema{"$ref": "#/$defs/scalar"}}
	return Schema{
		"type": "object", "properties": properties, "required": required, "additionalProperties": false,
		"if": Schema{"properties": Schema{"output": Schema{"const": "json"}}, "required": []string{"output"}},
		"then": Schema{"properties": Schema{
			"charset": false, "document": Schema{"$ref": "#/$defs/json"},
		}},
		"else": Schema{"properties": Schema{"document": Schema{
			"$ref": "#/$defs/element", "maxProperties": 1, "minProperties": 1, "propertyNames": Schema{"pattern": `^[^$].*[^?]$|^[^$?]$`},
		}}},
		"$defs": Schema{
			"text":    Schema{"type": "string", "minLength": 1},
			"scalar":  Schema{"type": []string{"string", "number", "boolean", "null"}},
			"xml":     content("element", "scalar", "element"),
			"element": tree("xml", "$if", "$for", "$attrs", "$text"),
			"json":    content("object", "json"),
			"object":  tree("json", "$if", "$for", "$value"),
		},
	}
}

// content is what may stand under a key: a text, a table of keys, or a list.
func content(table string, items ...string) Schema {
	var kinds []Schema
	for _, name := range items {
		kinds = append(kinds, Schema{"$ref": "#/$defs/" + name})
	}
	return Schema{"anyOf": []Schema{
		{"$ref": "#/$defs/scalar"},
		{"$ref": "#/$defs/" + table},
		{"type": "array", "items": Schema{"anyOf": kinds}},
	}}
}

// tree is a table of keys in a document, and the instructions that it may have.
func tree(below string, instructions ...string) Schema {
	shape := map[string]Schema{
		"$if": {"$ref": "#/$defs/scalar"}, "$for": {"type": "string", "pattern": `^\S+(\s*,\s*\S+)?\s+in\s+\S`},
		"$attrs": {"type": "object", "additionalProperties": Schema{"$ref": "#/$defs/scalar"}},
		"$text":  {"$ref": "#/$defs/scalar"}, "$value": {"$ref": "#/$defs/scalar"},
	}
	properties := Schema{}
	for _, name := range instructions {
		properties[name] = shape[name]
		shape[name]["description"] = instructionDocs[name]
	}
	return Schema{
		"type": "object", "properties": properties, "additionalProperties": false,
		"patternProperties": Schema{`^(\$\$|[^$])`: Schema{"$ref": "#/$defs/" + below}},
	}
}

// GivenSchema describes a given.json.
func GivenSchema() Schema {
	s := describe(reflect.TypeFor[given]())
	person := Schema{"$ref": "#/$defs/person"}
	registers := s["properties"].(Schema)["registers"].(Schema)
	registers["additionalProperties"] = Schema{
		"anyOf": []Schema{person, {"type": "array", "items": person}, {"type": "null"}},
	}
	described := describe(reflect.TypeFor[givenPerson]())
	described["properties"].(Schema)["protection"].(Schema)["enum"] = []string{"none", "marked", "registration", "unknown"}
	s["$defs"] = Schema{"person": described}
	return s
}

// describe gives the schema of what a struct of given.json takes. What Go can leave nil may
// be null.
func describe(t reflect.Type) Schema {
	switch t.Kind() {
	case reflect.String:
		return Schema{"type": "string"}
	case reflect.Bool:
		return Schema{"type": "boolean"}
	case reflect.Int64:
		return Schema{"type": "integer"}
	case reflect.Pointer:
		s := describe(t.Elem())
		s["type"] = []string{s["type"].(string), "null"}
		return s
	case reflect.Slice:
		return Schema{"type": []string{"array", "null"}, "items": describe(t.Elem())}
	case reflect.Map:
		return Schema{"type": []string{"object", "null"}, "additionalProperties": describe(t.Elem())}
	case reflect.Struct:
		return describeStruct(t)
	}
	return Schema{} // of any content
}

func describeStruct(t reflect.Type) Schema {
	properties, required := Schema{}, []string{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		s := describe(f.Type)
		s["description"] = f.Tag.Get("doc")
		properties[name] = s
		if f.Tag.Get("must") == "yes" {
			required = append(required, name)
		}
	}
	return Schema{"type": "object", "properties": properties, "required": required, "additionalProperties": false}
}
