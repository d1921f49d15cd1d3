package document

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// A valueRule is the schemas that all hold for a value in JSON.
type valueRule []*jsonschema.Schema

// wrong tells which rule a value breaks.
func (r valueRule) wrong(value any) (Violation, bool) {
	for _, schema := range r {
		var broken *jsonschema.ValidationError
		if errors.As(schema.Validate(value), &broken) {
			return firstLeaf(broken), true
		}
	}
	return Violation{}, false
}

func firstLeaf(e *jsonschema.ValidationError) Violation {
	for len(e.Causes) > 0 {
		e = e.Causes[0]
	}
	found := &ValidationError{}
	collect(found, nil, e)
	v := found.Violations[0]
	switch broken := e.ErrorKind.(type) {
	case *kind.MaxLength:
		v.Allowed = []string{strconv.Itoa(broken.Want)}
	case *kind.MinLength:
		v.Allowed = []string{strconv.Itoa(broken.Want)}
	case *kind.Maximum:
		v.Allowed = []string{broken.Want.RatString()}
	case *kind.Minimum:
		v.Allowed = []string{broken.Want.RatString()}
	}
	v.Path = ""
	return v
}

// A jsonShaper makes Shapes of a compiled JSON Schema: through its references and all that holds at
// once. Of alternatives it tells only which names one of must be there.
type jsonShaper map[string]*Shape // by the schemas that they are made of

// Nobody writes so many schemas for one place, nor so many places. A few schemas that refer back
// to themselves in turns can be put together in millions of ways.
const (
	mostTogether = 8
	mostShapes   = 10_000
)

func (j jsonShaper) shape(schemas ...*jsonschema.Schema) *Shape {
	of := ""
	for _, schema := range schemas {
		of += fmt.Sprintf(" %p", schema)
	}
	if made, ok := j[of]; ok {
		return made
	}
	if len(schemas) > mostTogether || len(j) > mostShapes { // nothing is told of it
		return nil
	}
	made := &Shape{values: schemas}
	j[of] = made
	var all []*jsonschema.Schema
	for _, schema := range schemas {
		all = together(schema, all)
	}
	j.fill(made, all)
	return made
}

// together lists a schema with all that hold where it does.
func together(schema *jsonschema.Schema, all []*jsonschema.Schema) []*jsonschema.Schema {
	if schema == nil || slices.Contains(all, schema) {
		return all
	}
	all = append(all, schema)
	all = together(schema.Ref, all)
	for _, part := range schema.AllOf {
		all = together(part, all)
	}
	for _, alternatives := range [][]*jsonschema.Schema{schema.AnyOf, schema.OneOf} {
		all = together(onlyBesideNull(alternatives), all)
	}
	return all
}

// onlyBesideNull gives the one alternative to null.
func onlyBesideNull(alternatives []*jsonschema.Schema) *jsonschema.Schema {
	rest := slices.DeleteFunc(slices.Clone(alternatives), func(s *jsonschema.Schema) bool {
		return s.Types != nil && slices.Equal(s.Types.ToStrings(), []string{"null"})
	})
	if len(rest) == 1 && len(alternatives) == 2 {
		return rest[0]
	}
	return nil
}

func (j jsonShaper) fill(s *Shape, schemas []*jsonschema.Schema) {
	s.Open = true
	members := map[string]*Shape{}
	needed := map[string]bool{}
	for _, schema := range schemas {
		var t Type
		if t.narrow(schema.Types); t.Kind != "" {
			s.Kind = t.Kind
		}
		if schema.AdditionalProperties == false && len(schema.PatternProperties) == 0 {
			s.Open = false
		}
		for name, member := range schema.Properties {
			if before := members[name]; before != nil && !slices.Contains(before.values, member) {
				members[name] = j.shape(append(slices.Clone(before.values), member)...)
			} else if before == nil {
				members[name] = j.shape(member)
			}
		}
		for _, name := range schema.Required {
			needed[name] = true
		}
		if items := itemsOf(schema); items != nil && s.Items == nil && len(schema.PrefixItems) == 0 {
			s.Items = j.shape(items)
		}
		s.OneOf = append(s.OneOf, eitherOf(schema.AnyOf)...)
		s.OneOf = append(s.OneOf, eitherOf(schema.OneOf)...)
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if !slices.ContainsFunc(schemas, func(schema *jsonschema.Schema) bool { return shuts(schema, name) }) {
			s.Parts = append(s.Parts, Part{Name: Name{Local: name}, Shape: members[name], Needed: needed[name], Most: 1})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(needed)) {
		if members[name] == nil {
			s.Parts = append(s.Parts, Part{Name: Name{Local: name}, Needed: true, Most: 1})
		}
	}
}

// shuts tells whether a schema by itself refuses a member.
func shuts(schema *jsonschema.Schema, name string) bool {
	return schema.AdditionalProperties == false && len(schema.PatternProperties) == 0 && schema.Properties[name] == nil
}

// eitherOf gives the names of which one must be there, where each alternative requires some.
func eitherOf(alternatives []*jsonschema.Schema) [][]Name {
	if onlyBesideNull(alternatives) != nil {
		return nil
	}
	var names []Name
	for _, alternative := range alternatives {
		var required []string
		for _, schema := range together(alternative, nil) {
			required = append(required, schema.Required...)
		}
		if len(required) == 0 {
			return nil
		}
		for _, name := range required {
			if !slices.Contains(names, Name{Local: name}) {
				names = append(names, Name{Local: name})
			}
		}
	}
	if names == nil {
		return nil
	}
	return [][]Name{names}
}
