package document

import (
	"cmp"
	stdjson "encoding/json"
	"maps"
	"math/big"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Sample makes answers that fit the form, with every field that its schema names: the first
// of a list of values, the lowest of numbers, one item of a list. text says what stands
// where a text may stand freely, by the field's path ("sokande.Email", whatever the item);
// what it says is taken where the schema allows it. The same form and text give the same
// answers. Where a schema asks for what nobody can make up, the answers come with the
// *ValidationError that tells what.
func (f *Form) Sample(text func(path string) string) (any, error) {
	s := sampler{text, nil}
	made := s.value(f.schema, "")
	return made, validateTree(f.schema, f.root, made)
}

type sampler struct {
	text  func(path string) string
	above []*jsonschema.Schema // on the way, since a schema may refer back to itself
}

// value makes one that fits a schema, as far as that can be told from it.
func (s sampler) value(schema *jsonschema.Schema, path string) any {
	parts := s.parts(schema, nil)
	s.above = append(slices.Clip(s.above), schema)
	for _, p := range parts {
		if p.Const != nil {
			return *p.Const
		}
		if p.Enum != nil && len(p.Enum.Values) > 0 {
			return p.Enum.Values[0]
		}
	}
	switch kindOf(parts) {
	case ObjectType:
		return s.object(parts, path)
	case ArrayType:
		return s.array(parts, path)
	case BooleanType:
		return true
	case NumberType, IntegerType:
		return fitting(parts, numbersFor(parts), stdjson.Number("1"))
	}
	return fitting(parts, s.textsFor(parts, path), any(path))
}

// parts are all schemas that hold for one place: through references, all that is asked for
// at once, and the first of what can be chosen from.
func (s sampler) parts(schema *jsonschema.Schema, found []*jsonschema.Schema) []*jsonschema.Schema {
	if schema == nil || slices.Contains(found, schema) {
		return found
	}
	found = append(found, schema)
	found = s.parts(schema.Ref, found)
	for _, part := range schema.AllOf {
		found = s.parts(part, found)
	}
	for _, choice := range [][]*jsonschema.Schema{schema.AnyOf, schema.OneOf} {
		if len(choice) > 0 {
			found = s.parts(choice[0], found)
		}
	}
	return found
}

func kindOf(parts []*jsonschema.Schema) TypeKind {
	for _, p := range parts {
		if p.Types != nil && !p.Types.IsEmpty() {
			for _, name := range p.Types.ToStrings() {
				if name != "null" {
					return TypeKind(name)
				}
			}
		}
	}
	for _, p := range parts {
		switch {
		case len(p.Properties) > 0 || len(p.Required) > 0:
			return ObjectType
		case itemsOf(p) != nil || len(p.PrefixItems) > 0:
			return ArrayType
		case p.Minimum != nil || p.Maximum != nil || p.MultipleOf != nil:
			return NumberType
		}
	}
	return StringType
}

func (s sampler) object(parts []*jsonschema.Schema, path string) any {
	made, required := map[string]any{}, map[string]bool{}
	for _, p := range parts {
		for _, name := range p.Required {
			required[name] = true
		}
	}
	for _, p := range parts {
		for _, name := range slices.Sorted(maps.Keys(p.Properties)) {
			property := p.Properties[name]
			if _, there := made[name]; there && property.Types == nil && property.Ref == nil {
				continue
			}
			if !required[name] && s.isWithin(property) {
				continue
			}
			made[name] = s.value(property, strings.TrimPrefix(path+"."+name, "."))
		}
	}
	if takenBy(parts, made) {
		return made
	}
	return jointly(parts, made, required)
}

func takenBy(parts []*jsonschema.Schema, v any) bool {
	return !slices.ContainsFunc(parts, func(p *jsonschema.Schema) bool { return p.Validate(v) != nil })
}

// jointly leaves out what cannot stand beside what must be there: fields that only
// another choice of the schema asks for, and then each that the schema refuses.
func jointly(parts []*jsonschema.Schema, made map[string]any, required map[string]bool) any {
	kept, chosen := map[string]any{}, map[string]bool{}
	for _, p := range parts {
		for _, choice := range slices.Concat(p.AnyOf, p.OneOf) {
			for _, name := range choice.Required {
				chosen[name] = true
			}
		}
	}
	for name := range required {
		kept[name] = made[name]
	}
	for _, name := range slices.Sorted(maps.Keys(made)) {
		if required[name] || chosen[name] {
			continue
		}
		kept[name] = made[name]
		if !takenBy(parts, kept) {
			delete(kept, name)
		}
	}
	return kept
}

// isWithin reports whether a schema is one that a value is being made for already.
func (s sampler) isWithin(schema *jsonschema.Schema) bool {
	return slices.ContainsFunc(s.parts(schema, nil), func(p *jsonschema.Schema) bool {
		return slices.Contains(s.above, p) || itemsOf(p) != nil && slices.Contains(s.above, itemsOf(p))
	})
}

func (s sampler) array(parts []*jsonschema.Schema, path string) any {
	least, most, made := 1, -1, []any{}
	var items *jsonschema.Schema
	for _, p := range parts {
		if p.MinItems != nil {
			least = max(least, *p.MinItems)
		}
		if p.MaxItems != nil {
			most = *p.MaxItems
		}
		for i, item := range p.PrefixItems {
			if i >= len(made) {
				made = append(made, s.value(item, path))
			}
		}
		if of := itemsOf(p); of != nil {
			items = of
		}
	}
	for len(made) < least && len(made) != most {
		if items == nil {
			made = append(made, cmp.Or(s.text(path), "a"))
			continue
		}
		made = append(made, s.value(items, path))
	}
	return made
}

// fitting gives the first of some values that every schema takes.
func fitting[V any](parts []*jsonschema.Schema, candidates []V, otherwise any) any {
	for _, v := range candidates {
		if takenBy(parts, v) {
			return v
		}
	}
	if len(candidates) > 0 {
		return candidates[0]
	}
	return otherwise
}

// numbersFor are numbers that may fit.
func numbersFor(parts []*jsonschema.Schema) (all []stdjson.Number) {
	add := func(n *big.Rat, and int64) {
		if n == nil {
			return
		}
		sum := new(big.Rat).Add(n, new(big.Rat).SetInt64(and))
		text := strings.TrimSuffix(strings.TrimRight(sum.FloatString(6), "0"), ".")
		all = append(all, stdjson.Number(text))
	}
	for _, p := range parts {
		add(p.Minimum, 0)
		add(p.ExclusiveMinimum, 1)
		add(p.MultipleOf, 0)
		add(p.ExclusiveMaximum, -1)
		add(p.Maximum, 0)
	}
	return append(all, "12", "1", "0")
}

// formats have a text each that is right.
var formats = map[string]string{
	"date": "2026-03-02", "date-time": "2026-03-02T10:00:00+01:00", "time": "10:00:00+01:00", "duration": "P1D",
	"email": "kim@example.com", "idn-email": "kim@example.com", "hostname": "example.com", "idn-hostname": "example.com",
	"uri": "https://example.com/", "iri": "https://example.com/", "uri-reference": "/", "iri-reference": "/",
	"uuid": "00000000-0000-4000-8000-000000000001", "ipv4": "192.0.2.1", "ipv6": "2001:db8::1", "json-pointer": "/a", "regex": "a",
}

// textsFor are texts that may fit, the best to read first.
func (s sampler) textsFor(parts []*jsonschema.Schema, path string) (all []any) {
	said, least := s.text(path), 0
	if said != "" {
		all = append(all, said)
	}
	for _, p := range parts {
		all = append(all, p.Examples...)
		if p.Default != nil {
			all = append(all, *p.Default)
		}
		if p.Format != nil && formats[p.Format.Name] != "" {
			all = append(all, formats[p.Format.Name])
		}
		if p.Pattern != nil {
			all = append(all, exampleOf(p.Pattern.String()))
		}
	}
	plain := []rune(cmp.Or(said, path[strings.LastIndex(path, ".")+1:], "a"))
	all = append(all, string(plain))
	for _, p := range parts {
		if p.MinLength != nil {
			least = max(least, *p.MinLength)
		}
		if p.MaxLength != nil && len(plain) > *p.MaxLength {
			all = append(all, string(plain[:*p.MaxLength]))
		}
	}
	if len(plain) < least {
		all = append(all, string([]rune(strings.Repeat(string(plain), least/len(plain)+1))[:least]))
	}
	return all
}

// exampleOf gives a short text that a pattern matches, where that can be told.
func exampleOf(pattern string) string {
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return ""
	}
	var b strings.Builder
	writeExample(&b, tree.Simplify())
	return b.String()
}

func writeExample(b *strings.Builder, re *syntax.Regexp) {
	switch re.Op {
	case syntax.OpLiteral:
		b.WriteString(string(re.Rune))
	case syntax.OpCharClass:
		b.WriteRune(easiestOf(re.Rune))
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		b.WriteByte('a')
	case syntax.OpAlternate, syntax.OpPlus, syntax.OpCapture:
		writeExample(b, re.Sub[0])
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			writeExample(b, sub)
		}
	case syntax.OpRepeat:
		for range re.Min {
			writeExample(b, re.Sub[0])
		}
	}
}

// easiestOf gives a character of a class, which comes as pairs of first and last: one that is
// easy to read, if there is one.
func easiestOf(class []rune) rune {
	for _, easy := range "1aA" {
		for i := 0; i+1 < len(class); i += 2 {
			if class[i] <= easy && easy <= class[i+1] {
				return easy
			}
		}
	}
	if len(class) == 0 {
		return 'a'
	}
	return class[0]
}
