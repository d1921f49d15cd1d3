package mapping

import (
	"errors"
	"maps"
	"reflect"
	"slices"

	"github.com/expr-lang/expr/checker/nature"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/types"

	"github.com/knutpunkt/knutpunkt/hub/document"
)

// A typeChecker goes through a mapping's tree as a render would, with types for values.
type typeChecker struct {
	*report
	json   bool
	names  types.Map
	config *conf.Config
	asked  map[*leaf]document.TypeKind // of values in JSON, where the schema asks for one kind
	schema string
}

func newTypeChecker(r *report, json bool, names types.Map) typeChecker {
	return typeChecker{report: r, json: json, names: names, config: configFor(names)}
}

// configFor lets expr check against names: strictly, unless they are open.
func configFor(names types.Map) *conf.Config {
	known := maps.Clone(names)
	_, open := known[types.Extra]
	delete(known, types.Extra)
	config := newConfig(known)
	config.Strict = !open
	return config
}

// checkTypes finds values of the wrong sort, unknown names and unknown fields.
func (m *Mapping) checkTypes(r *report, names types.Map) {
	c := newTypeChecker(r, m.json, names)
	c.asked, c.schema = m.kinds(), m.schema
	c.branch(m.root)
}

func (c typeChecker) branch(b *branch) {
	if b.each != nil {
		c = c.within(b.each)
	}
	if b.when != nil {
		c.condition(b.when)
	}
	for _, a := range b.attrs {
		c.leaf(a.value, false)
	}
	if b.value != nil {
		c.leaf(b.value, c.json)
	}
	for _, below := range slices.Concat(b.children, b.items) {
		c.branch(below)
	}
}

// within checks a loop's list and gives the checker for what the loop repeats.
func (c typeChecker) within(l *loop) typeChecker {
	inner := maps.Clone(c.names)
	inner[l.item] = types.Any
	if nt, ok := c.typeOf(l.list); ok {
		switch {
		case nt.IsArray():
			inner[l.item] = madeOf{nt.Elem(&c.config.NtCache)}
		case isIdentified(nt):
			inner[l.item] = madeOf{nt}
		case !nt.IsUnknown(&c.config.NtCache):
			c.wrong(l.list, "is "+sortOf(nt.String())+" and no list")
		}
	}
	for _, name := range []string{l.item, l.number} {
		if _, taken := c.names[name]; taken || name == "tables" {
			c.wrong(l.list, "gives its items the name "+name+", which is taken")
		}
	}
	if l.number != "" {
		inner[l.number] = types.Int
	}
	c.names, c.config = inner, configFor(inner)
	return c
}

func (c typeChecker) condition(x *expression) {
	nt, ok := c.typeOf(x)
	if ok && !nt.IsBool() && !nt.IsUnknown(&c.config.NtCache) {
		c.wrong(x, "is "+sortOf(nt.String())+", and not yes or no")
	}
}

// leaf checks what a text is made of. A value alone in JSON may be a list or a group.
func (c typeChecker) leaf(l *leaf, typed bool) {
	for _, part := range l.parts {
		if part.value == nil {
			continue
		}
		nt, ok := c.typeOf(part.value)
		if !ok {
			continue
		}
		if text := c.unwritable(nt, part.value, typed && l.alone() != nil); text != "" {
			c.wrong(part.value, text)
		} else if text := c.misfit(nt, l); text != "" && l.alone() != nil {
			c.wrong(part.value, text)
		}
	}
}

// misfit says that a value is never of the kind that the schema asks for; "" where it may be.
func (c typeChecker) misfit(nt nature.Nature, l *leaf) string {
	is, write := "", ""
	switch kind := c.asked[l]; {
	case nt.IsString() && (kind == document.NumberType || kind == document.IntegerType):
		is, write = "a text", "; write number(…) around it"
	case nt.IsString() && kind == document.BooleanType:
		is, write = "a text", "; compare it with the text that stands for true"
	case kind == document.StringType && nt.IsNumber():
		is, write = "a number", "; write string(…) around it"
	case kind == document.StringType && nt.IsBool():
		is, write = "true or false", "; look its text up in a table"
	}
	if is == "" {
		return ""
	}
	return "is " + is + ", and " + c.schema + " has " + kinds[c.asked[l]] + " there" + write
}

// unwritable says why a value cannot stand in a document; "" when it can.
func (c typeChecker) unwritable(nt nature.Nature, x *expression, typed bool) string {
	switch {
	case isIdentified(nt), x.person && nt.IsUnknown(&c.config.NtCache):
		return "is a person; write ${personnummer(" + x.source + ")}"
	case nt.IsUnknown(&c.config.NtCache):
		return ""
	case nt.Nil:
		return "has never a value"
	case nt.IsTime():
		return "is a time; write ${isodate(" + x.source + ")}"
	case nt.IsString(), nt.IsBool(), nt.IsNumber():
		return ""
	case nt.IsArray():
		return c.unwritableList(nt, x, typed)
	case typed && nt.Type == reflect.TypeFor[map[string]any]():
		return ""
	}
	return "is " + sortOf(nt.String()) + "; name one of its fields"
}

func (c typeChecker) unwritableList(nt nature.Nature, x *expression, typed bool) string {
	item := nt.Elem(&c.config.NtCache)
	switch {
	case isIdentified(item):
		return "is a list of persons; write $for, and personnummer(…) for each"
	case !typed:
		return "is a list; write $for, or join(…) around it"
	}
	return c.unwritable(item, x, typed)
}

func isIdentified(nt nature.Nature) bool {
	return nt.Type != nil && nt.Type.Implements(reflect.TypeFor[identified]())
}

// typeOf gives what an expression makes, or tells what is wrong with it.
func (c typeChecker) typeOf(x *expression) (nature.Nature, bool) {
	nt, fault := x.typeIn(c.config)
	if fault != nil {
		c.addAt(x.at, fault, x.source)
		return nt, false
	}
	return nt, true
}

func (c typeChecker) wrong(x *expression, text string) {
	c.problems = append(c.problems, Problem{File: c.file, Line: x.at.line, Column: x.at.column, Text: x.String() + " " + text})
}

// madeOf is the type that an expression was found to have.
type madeOf struct{ nature nature.Nature }

func (m madeOf) Nature() nature.Nature   { return m.nature }
func (m madeOf) Equal(t types.Type) bool { return t == m }
func (m madeOf) String() string          { return m.nature.String() }

// checkNames finds element and attribute names that XML cannot have, by writing the
// document without its contents.
func (m *Mapping) checkNames(r *report) {
	if m.json || m.root == nil {
		return
	}
	_, err := document.WriteXML(skeleton(m.root), document.Style{Charset: m.charset})
	var name *document.NameError
	if errors.As(err, &name) {
		r.add(m.lineOf(name.Path), "%s in %s", name.Fault, name.Path)
	}
	var character *document.CharacterError
	if errors.As(err, &character) {
		r.add(m.lineOf(character.Path), "a character in %s is %s", character.Path, character.Class)
	}
}

// skeleton is what the tree makes when everything is there once. Its text is that which
// stands in the mapping, so that what the charset lacks is found, too.
func skeleton(b *branch) *document.Element {
	e := &document.Element{Name: b.name}
	for _, a := range b.attrs {
		e.Attrs = append(e.Attrs, document.Attr{Name: a.name, Value: a.value.fixedText()})
	}
	if b.value != nil {
		e.Text = b.value.fixedText()
	}
	for _, c := range b.children {
		if !c.list {
			e.Children = append(e.Children, skeleton(c))
		}
		for _, item := range c.items {
			e.Children = append(e.Children, skeleton(item))
		}
	}
	return e
}

// fixedText is the text of a leaf, with x for its values.
func (l *leaf) fixedText() string {
	text := ""
	for _, part := range l.parts {
		if part.value != nil {
			text += "x"
		}
		text += part.text
	}
	return text
}
