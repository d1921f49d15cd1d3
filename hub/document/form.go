package document

import (
	"cmp"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// A Form is the JSON Schema of one e-service's answers: it types what a platform sent as text. It is
// safe for concurrent use.
type Form struct {
	schema *jsonschema.Schema
	root   *Type
}

// CompileForm compiles the JSON Schema in the file name of fsys, as CompileJSONSchema does.
func CompileForm(fsys fs.FS, name string) (*Form, error) {
	schema, err := compileJSONSchema(fsys, name)
	if err != nil {
		return nil, fmt.Errorf("form: %w", err)
	}
	return &Form{schema, describe(schema)}, nil
}

// Type describes what Fit returns, for those who check expressions before any form has come. It may
// refer back to itself where the schema does.
func (f *Form) Type() *Type { return f.root }

// Fit returns the tree with the types that the schema gives it, having validated the result; the tree
// given is left alone. A single value where the schema has an array becomes a list of one; a text
// where it has a number, an integer or a boolean becomes one (numbers stay literal), without its
// surrounding blanks; a blank text where it has an object becomes an empty object. What is absent
// stays absent, and fields the schema does not name are kept. The error is a *ValidationError.
func (f *Form) Fit(tree any) (any, error) {
	fitted := f.root.fit(tree)
	if err := validateTree(f.schema, f.root, fitted); err != nil {
		return nil, err
	}
	return fitted, nil
}

// Misfits holds answers that are as Fit gives them against the schema, and tells of each rule that they
// break. It names what the schema lacks, which a sender chose, with the names that are Allowed there: it
// is for tests, which people write.
func (f *Form) Misfits(tree any) []Violation {
	if endless := endlessNumbers(f.root, tree, nil); len(endless) > 0 {
		return endless
	}
	var broken *jsonschema.ValidationError
	if !errors.As(f.schema.Validate(tree), &broken) {
		return nil
	}
	return f.misfits(broken)
}

func (f *Form) misfits(e *jsonschema.ValidationError) (found []Violation) {
	for _, cause := range e.Causes {
		found = append(found, f.misfits(cause)...)
	}
	if len(e.Causes) > 0 {
		return found
	}
	at := pointerOf(e.InstanceLocation)
	switch broken := e.ErrorKind.(type) {
	case *kind.AdditionalProperties:
		known := f.root.at(e.InstanceLocation).Names()
		for _, name := range slices.Sorted(slices.Values(broken.Properties)) {
			found = append(found, Violation{Path: at + "/" + PointerStep(name), Rule: "additionalProperties", Allowed: known})
		}
		return found
	case *kind.Required:
		for _, name := range broken.Missing {
			found = append(found, Violation{Path: at + "/" + PointerStep(name), Rule: "required"})
		}
		return found
	}
	v := firstLeaf(e)
	v.Path = at
	return []Violation{v}
}

func pointerOf(location []string) string {
	pointer := ""
	for _, step := range location {
		pointer += "/" + PointerStep(step)
	}
	return pointer
}

// at gives the type of what is somewhere below; nil where the schema does not say.
func (t *Type) at(location []string) *Type {
	for _, step := range location {
		switch {
		case t == nil:
			return nil
		case t.Kind == ArrayType:
			t = t.Items
		default:
			t = t.Fields[step]
		}
	}
	return t
}

// A Type describes the values in one place of a form's answers.
type Type struct {
	Kind     TypeKind
	Title    string           // what people call it; "" where the schema has no title
	Fields   map[string]*Type // of an object
	Required map[string]bool  // of an object: the fields that are always there
	Open     bool             // of an object: it may have fields beyond Fields
	Items    *Type            // of an array
	Null     bool             // the value may be null
}

// A TypeKind is a JSON type, or AnyType where the schema leaves it open.
type TypeKind string

const (
	AnyType     TypeKind = "any"
	ObjectType  TypeKind = "object"
	ArrayType   TypeKind = "array"
	StringType  TypeKind = "string"
	NumberType  TypeKind = "number"
	IntegerType TypeKind = "integer"
	BooleanType TypeKind = "boolean"
)

func (t *Type) fit(v any) any {
	if t == nil {
		return v
	}
	switch t.Kind {
	case ArrayType:
		return t.fitArray(v)
	case ObjectType:
		return t.fitObject(v)
	case NumberType, IntegerType, BooleanType:
		if text, is := v.(string); is {
			return t.fitText(text)
		}
	}
	return v
}

func (t *Type) fitArray(v any) any {
	given, is := v.([]any)
	if !is {
		if v == nil && t.Null {
			return nil
		}
		given = []any{v}
	}
	fitted := make([]any, len(given))
	for i, item := range given {
		fitted[i] = t.Items.fit(item)
	}
	return fitted
}

func (t *Type) fitObject(v any) any {
	if text, is := v.(string); is && isBlank(text) {
		return map[string]any{}
	}
	given, is := v.(map[string]any)
	if !is {
		return v
	}
	fitted := make(map[string]any, len(given))
	for name, field := range given {
		fitted[name] = t.Fields[name].fit(field)
	}
	return fitted
}

// fitText types a text where it can, and otherwise leaves it for the schema to refuse.
func (t *Type) fitText(text string) any {
	trimmed := strings.TrimSpace(text)
	switch {
	case t.Kind == BooleanType && trimmed == "true":
		return true
	case t.Kind == BooleanType && trimmed == "false":
		return false
	case t.Kind != BooleanType && isNumber(trimmed):
		return stdjson.Number(trimmed)
	}
	return text
}

// describe finds the types that a compiled schema gives, through its references and all that it asks
// for at once (allOf). What it offers as alternatives (anyOf, oneOf, if) is left open.
func describe(schema *jsonschema.Schema) *Type {
	return describer{}.describe(schema)
}

// A describer remembers the schemas on its way, since a schema may refer back to itself.
type describer map[*jsonschema.Schema]*Type

func (d describer) describe(schema *jsonschema.Schema) *Type {
	if t, known := d[schema]; known {
		return t
	}
	t := &Type{Kind: AnyType, Open: true}
	d[schema] = t
	if isOnlyReference(schema) {
		d[schema] = d.describe(schema.Ref)
		return d[schema]
	}
	d.add(t, schema, map[*jsonschema.Schema]bool{})
	return t
}

func isOnlyReference(s *jsonschema.Schema) bool {
	return s.Ref != nil && s.Title == "" && s.Types == nil && s.Enum == nil && len(s.Properties) == 0 &&
		len(s.Required) == 0 && len(s.AllOf) == 0 && s.AdditionalProperties == nil && itemsOf(s) == nil
}

// add narrows t by one schema and by those that hold together with it.
func (d describer) add(t *Type, schema *jsonschema.Schema, added map[*jsonschema.Schema]bool) {
	if added[schema] {
		return
	}
	added[schema] = true
	t.Title = cmp.Or(t.Title, schema.Title)
	t.narrow(schema.Types)
	for name, property := range schema.Properties {
		if t.Fields == nil {
			t.Fields = make(map[string]*Type)
		}
		if field := d.describe(property); t.Fields[name] == nil || field.Kind != AnyType {
			t.Fields[name] = field
		}
	}
	for _, name := range schema.Required {
		if t.Required == nil {
			t.Required = make(map[string]bool)
		}
		t.Required[name] = true
	}
	if schema.AdditionalProperties == false {
		t.Open = false
	}
	if items := itemsOf(schema); items != nil {
		t.Items = d.describe(items)
	}
	if schema.Ref != nil {
		d.add(t, schema.Ref, added)
	}
	for _, part := range schema.AllOf {
		d.add(t, part, added)
	}
	switch {
	case t.Kind != AnyType || schema.Types != nil:
	case len(schema.Properties) > 0:
		t.Kind = ObjectType
	case schema.Enum != nil && areTexts(schema.Enum.Values):
		t.Kind = StringType
	}
}

func areTexts(values []any) bool {
	return !slices.ContainsFunc(values, func(v any) bool {
		_, is := v.(string)
		return !is
	})
}

func itemsOf(schema *jsonschema.Schema) *jsonschema.Schema {
	if schema.Items2020 != nil {
		return schema.Items2020
	}
	items, _ := schema.Items.(*jsonschema.Schema)
	return items
}

// narrow takes a schema's list of types: one of them, null aside, is the type; of several none is.
func (t *Type) narrow(types *jsonschema.Types) {
	if types == nil || types.IsEmpty() {
		return
	}
	names := types.ToStrings()
	t.Null = slices.Contains(names, "null")
	names = slices.DeleteFunc(names, func(name string) bool { return name == "null" })
	if len(names) == 1 {
		t.Kind = TypeKind(names[0])
	}
}

// Names lists the fields of an object in order; none of nil.
func (t *Type) Names() []string {
	if t == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(t.Fields))
}
