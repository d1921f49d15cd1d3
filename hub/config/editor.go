package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/mapping"
)

// An EditorSchema tells an editor what a kind of file may hold, as a JSON Schema (2020-12):
// what it completes, explains and underlines by.
type EditorSchema struct {
	Name  string   // "route"
	Files []string // which files, from the configuration's folder; after a ! which of them not
	YAML  bool     // or else JSON
	Text  []byte
}

// EditorSchemas describes the files that people write. They are made of the very structs
// that read these files, so that an editor refuses the keys and types that strict reading
// refuses, and explains each key as its struct does.
func EditorSchemas(connectors []hub.Connector) ([]EditorSchema, error) {
	var all []EditorSchema
	for _, kind := range []struct {
		name, title string
		files       []string
		schema      mapping.Schema
	}{
		{"settings", "knutpunkt.yaml", []string{settingsFile}, describe(reflect.TypeFor[settingsText]())},
		{"municipality", "Who a municipality is", []string{"routes/*/municipality.yaml"}, describe(reflect.TypeFor[councilText]())},
		{"systems", "The systems that a municipality has", []string{"routes/*/systems.yaml"}, systemsSchema(connectors)},
		{"route", "Who gets what of an e-service", []string{"routes/*/*.yaml", "!routes/*/municipality.yaml", "!routes/*/systems.yaml"},
			describe(reflect.TypeFor[routeText]())},
		{"mapping", "The document that a system gets", []string{"mappings/*/*.yaml"}, mapping.EditorSchema()},
		{"given", "What is known, in a test of a mapping", []string{"mappings/*/*.test/*/given.json"}, mapping.GivenSchema()},
	} {
		kind.schema["$schema"], kind.schema["title"] = "https://json-schema.org/draft/2020-12/schema", kind.title
		text, err := asJSON(kind.schema)
		if err != nil {
			return nil, fmt.Errorf("describe %s for editors: %w", kind.name, err)
		}
		isYAML := strings.HasSuffix(kind.files[0], ".yaml")
		all = append(all, EditorSchema{Name: kind.name, Files: kind.files, YAML: isYAML, Text: text})
	}
	return all, nil
}

func asJSON(schema mapping.Schema) ([]byte, error) {
	var text bytes.Buffer
	out := json.NewEncoder(&text)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	err := out.Encode(schema)
	return text.Bytes(), err
}

// systemsSchema describes a systems.yaml, where the connector that an entry names decides
// which keys it has.
func systemsSchema(connectors []hub.Connector) mapping.Schema {
	var names []string
	var cases []mapping.Schema
	kinds := mapping.Schema{}
	for _, c := range connectors {
		names = append(names, c.Name)
		kinds["kind-"+c.Name] = entrySchema(c)
		cases = append(cases, mapping.Schema{
			"if": mapping.Schema{
				"properties": mapping.Schema{"connector": mapping.Schema{"const": c.Name}}, "required": []string{"connector"},
			},
			"then": mapping.Schema{"$ref": "#/$defs/kind-" + c.Name},
		})
	}
	connector := describe(reflect.TypeFor[systemText]())["properties"].(mapping.Schema)["connector"].(mapping.Schema)
	restrict(connector, names)
	kinds["system"] = mapping.Schema{
		"type": "object", "required": []string{"connector"}, "properties": mapping.Schema{"connector": connector}, "allOf": cases,
	}
	return mapping.Schema{
		"type": "object", "propertyNames": mapping.Schema{"pattern": `^[a-z][a-z0-9_-]*$`},
		"additionalProperties": mapping.Schema{"$ref": "#/$defs/system"}, "$defs": kinds,
	}
}

// entrySchema describes an entry of one kind: what is common to all, and what its connector
// wants to know. A key that both have is the connector's to explain.
func entrySchema(c hub.Connector) mapping.Schema {
	entry, theirs := describe(reflect.TypeFor[systemText]()), describe(c.Config)
	maps.Copy(entry["properties"].(mapping.Schema), theirs["properties"].(mapping.Schema))
	required := append(entry["required"].([]string), theirs["required"].([]string)...)
	slices.Sort(required)
	entry["required"], entry["description"] = slices.Compact(required), c.Summary
	return entry
}

var (
	stepType  = reflect.TypeFor[hub.Step]()
	levelType = reflect.TypeFor[hub.Level]()
)

// describe gives the schema of what decode takes for a type.
func describe(t reflect.Type) mapping.Schema {
	switch {
	case t == secretType:
		return mapping.Schema{"type": "string", "pattern": "^(env|file):."}
	case t == durationType:
		return mapping.Schema{"type": "string", "pattern": `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`}
	case t == stepType:
		return mapping.Schema{"enum": hub.Steps}
	case t == levelType:
		return mapping.Schema{"enum": []hub.Level{hub.Blind, hub.Lookup, hub.Idempotent}}
	case t == wordType, t.Kind() == reflect.String:
		return mapping.Schema{"type": "string", "minLength": 1}
	case t.Kind() == reflect.Bool:
		return mapping.Schema{"enum": []any{true, false, "yes", "no"}}
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Int64:
		return mapping.Schema{"type": "integer"}
	case t.Kind() == reflect.Pointer:
		return describe(t.Elem())
	case t.Kind() == reflect.Slice:
		return mapping.Schema{"type": "array", "items": describe(t.Elem())}
	case t.Kind() == reflect.Map:
		return mapping.Schema{"type": "object", "additionalProperties": describe(t.Elem())}
	}
	return describeTable(t)
}

// describeTable gives the schema of a struct. Beside the tags that decode reads a key has
// doc, which explains it, and where only certain words will do, values or, of a table's
// keys, keys: the words, or Step for the Steps.
func describeTable(t reflect.Type) mapping.Schema {
	properties, required := mapping.Schema{}, []string{}
	for _, name := range sortedKeys(fieldsOf(t)) {
		tag := fieldsOf(t)[name]
		f := t.Field(tag.index)
		s := describe(f.Type)
		s["description"] = f.Tag.Get("doc")
		if words, only := f.Tag.Lookup("keys"); only {
			s["propertyNames"] = mapping.Schema{"enum": wordsOf(words)}
		}
		if words, only := f.Tag.Lookup("values"); only {
			restrict(s, wordsOf(words))
		}
		if tag.required {
			required = append(required, name)
		}
		properties[name] = s
	}
	return mapping.Schema{"type": "object", "properties": properties, "required": required, "additionalProperties": false}
}

// restrict lets a text, or what stands under the keys of a table, be certain words only.
func restrict(s mapping.Schema, words []string) {
	if under, isTable := s["additionalProperties"].(mapping.Schema); isTable {
		s = under
	}
	delete(s, "minLength")
	s["enum"] = words
}

func wordsOf(tag string) []string {
	if tag != "Step" {
		return strings.Fields(tag)
	}
	var steps []string
	for _, s := range hub.Steps {
		steps = append(steps, string(s))
	}
	return steps
}
