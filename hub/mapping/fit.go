package mapping

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/knutpunkt/knutpunkt/hub/document"
)

// A fitting holds a mapping's tree against its schema before any document is made: elements,
// attributes and members that the schema does not have in their place, those that it requires and
// the tree lacks, and fixed texts that it refuses. What only a document can show is left to the
// tests.
type fitting struct {
	*report
	m     *Mapping
	kinds map[*leaf]document.TypeKind // what the schema asks of each value in JSON
}

// fit tells where the mapping cannot make what its schema asks for.
func (m *Mapping) fit() []Problem {
	f := fitting{&report{file: m.path}, m, nil}
	if m.json {
		f.traps(m.root)
	}
	f.whole()
	return f.sorted()
}

// kinds gives what the schema asks of each value in JSON, where it asks for one kind.
func (m *Mapping) kinds() map[*leaf]document.TypeKind {
	f := fitting{&report{}, m, map[*leaf]document.TypeKind{}}
	if m.json {
		f.whole()
	}
	return f.kinds
}

func (f fitting) whole() {
	if f.m.validator == nil {
		return
	}
	if top := f.m.validator.Shape(); f.m.json {
		f.member(f.m.root, top)
	} else if top != nil {
		f.instance(f.m.root, f.m.root, top, nil, &tally{})
	}
}

// traps tells of words that YAML had for true and false once, and that are texts now.
func (f fitting) traps(b *branch) {
	if l := b.value; l != nil && l.bare {
		word, _ := l.literal.(string)
		if slices.Contains([]string{"yes", "no", "on", "off"}, strings.ToLower(word)) {
			f.tellAt(l.at(), "%s is a text here: write true or false, or \"%s\" in quotes, since many tools read a bare %s as one of them", word, word, word)
		}
	}
	for _, below := range slices.Concat(b.children, b.items) {
		f.traps(below)
	}
}

func (b *branch) at() place { return place{b.line, b.column} }
func (l *leaf) at() place   { return place{l.line, l.column} }

// isFixed tells whether a leaf is the same in every document.
func (l *leaf) isFixed() bool {
	return !slices.ContainsFunc(l.parts, func(p leafPart) bool { return p.value != nil })
}

func (l *leaf) isEmpty() bool { return l.isFixed() && l.fixedText() == "" }

// spaces are the namespaces in force, by prefix. One that only a value tells is unsaid.
type spaces map[string]string

const unsaid = "\x00"

// with gives the namespaces in force at a branch.
func (s spaces) with(b *branch) spaces {
	within := maps.Clone(s)
	for _, a := range b.attrs {
		if prefix, is := a.declares(); is {
			if within == nil {
				within = spaces{}
			}
			if within[prefix] = unsaid; a.value.isFixed() {
				within[prefix] = a.value.fixedText()
			}
		}
	}
	return within
}

// declares gives the prefix that an attribute declares, "" for the namespace of names without one.
func (a attr) declares() (prefix string, is bool) {
	if a.name == "xmlns" {
		return "", true
	}
	return strings.CutPrefix(a.name, "xmlns:")
}

// name gives what the name of an element means.
func (s spaces) name(written string) document.Name {
	prefix, local, prefixed := strings.Cut(written, ":")
	if !prefixed {
		prefix, local = "", written
	}
	return document.Name{Space: s[prefix], Local: local}
}

// A tally is what a branch has of what its shape has.
type tally struct {
	often  map[document.Name]int // how many times it surely comes; 0 where it may
	meant  []string              // what was probably meant by what the shape does not have
	unsure bool                  // there is what may be anything
	last   document.Part         // the one of the highest rank
}

func (t *tally) has(name document.Name) bool {
	_, there := t.often[name]
	return there || t.unsure || slices.Contains(t.meant, name.Local)
}

// element holds a branch against the shape of its place.
func (f fitting) element(b *branch, shape *document.Shape, in spaces) {
	if shape == nil || f.attributes(b, shape, in) {
		return
	}
	simple := shape.Text && len(shape.Parts) == 0
	switch {
	case b.value != nil && !shape.Text && !b.value.isEmpty():
		f.tellAt(b.at(), "%s has elements and no text in %s%s", b.label(), f.m.schema, listed(shape.Parts))
		return
	case b.value != nil && simple:
		f.text(b.value, b.name, shape, b.optional)
		return
	case len(b.children) > 0 && len(shape.Parts) == 0 && !shape.Open:
		f.tellAt(b.at(), "%s has no elements below it in %s", b.label(), f.m.schema)
		return
	case len(b.children) == 0 && simple && !b.optional:
		f.wrong(b.at(), b.name, "", shape)
	}
	var seen tally
	for _, child := range b.children {
		if !child.list {
			f.instance(b, child, shape, in, &seen)
		}
		for _, item := range child.items {
			f.instance(b, item, shape, in, &seen)
		}
	}
	f.lacking(b, shape, &seen, "element")
}

// instance holds one element below a branch against what may stand there.
func (f fitting) instance(above, b *branch, shape *document.Shape, in spaces, seen *tally) {
	within := in.with(b)
	name := within.name(b.name)
	part, known := shape.Part(name)
	switch {
	case name.Space == unsaid:
		seen.unsure = true
	case known:
		f.standing(b, part, shape, seen)
		f.element(b, part.Shape, within)
	case !shape.Open:
		f.unknown(b.at(), "element", name, shape.Parts, f.whereIn(above, b), seen)
	default:
		seen.unsure = true
	}
}

// whereIn says in words where a branch stands.
func (f fitting) whereIn(above, b *branch) string {
	if above == b {
		return "as the root"
	}
	return "in " + above.label()
}

// standing sees to it that elements come in the schema's order, and not more often than it takes.
func (f fitting) standing(b *branch, part document.Part, shape *document.Shape, seen *tally) {
	if part.Rank > 0 && part.Rank < seen.last.Rank {
		f.tellAt(b.at(), "%s wants %s before %s: documents have the order of the mapping", f.m.schema, part.Local, seen.last.Local)
	} else if part.Rank > seen.last.Rank {
		seen.last = part
	}
	if seen.often == nil {
		seen.often = map[document.Name]int{}
	}
	if seen.often[part.Name] += 0; !b.optional && b.when == nil && b.each == nil {
		seen.often[part.Name]++
	}
	if part.Most > 0 && seen.often[part.Name] == part.Most+1 {
		f.tellAt(b.at(), "%s takes %s %s, and here is one more", f.m.schema, part.Local, times(part.Most))
	}
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// unknown tells of a name that the schema does not have in its place, and what it may have meant.
func (f fitting) unknown(at place, kind string, name document.Name, parts []document.Part, where string, seen *tally) {
	names := make([]string, 0, len(parts))
	for _, part := range parts {
		if part.Local == name.Local {
			seen.meant = append(seen.meant, name.Local)
			f.tellAt(at, "%s has the %s %s %s in another namespace: %s", f.m.schema, kind, name.Local, where, namespaceHint(kind, part.Space))
			return
		}
		names = append(names, part.Local)
	}
	hint, meant := listed(parts), Nearest(name.Local, names)
	if meant != "" {
		hint = "; is it " + meant + "?"
		seen.meant = append(seen.meant, meant)
	}
	f.tellAt(at, "%s has no %s %s %s%s", f.m.schema, kind, name.Local, where, hint)
}

func namespaceHint(kind, space string) string {
	switch {
	case space == "":
		return "write it without one"
	case kind == "attribute":
		return "declare a prefix for " + space + " and write it before the name"
	}
	return "write xmlns: " + space + " under $attrs"
}

// listed names what there is, where that is short enough to be read.
func listed(parts []document.Part) string {
	const most = 12
	var names []string
	for _, part := range parts[:min(len(parts), most)] {
		names = append(names, part.Local)
	}
	switch {
	case len(names) == 0:
		return ""
	case len(parts) == 1:
		return "; there is only " + names[0]
	case len(parts) > most:
		return "; there are " + strings.Join(names, ", ") + " …"
	}
	return "; there are " + strings.Join(names, ", ")
}

// lacking tells of what the schema requires and a branch does not make.
func (f fitting) lacking(b *branch, shape *document.Shape, seen *tally, kind string) {
	for _, part := range shape.Parts {
		if part.Needed && !seen.has(part.Name) {
			f.tellAt(b.at(), "%s requires the %s %s in %s, and the mapping has none", f.m.schema, kind, part.Local, b.label())
		}
	}
	for _, names := range shape.OneOf {
		if !slices.ContainsFunc(names, seen.has) {
			f.tellAt(b.at(), "%s requires one of %s in %s, and the mapping has none", f.m.schema, locals(names), b.label())
		}
	}
}

func locals(names []document.Name) string {
	var all []string
	for _, name := range names {
		if !slices.Contains(all, name.Local) {
			all = append(all, name.Local)
		}
	}
	return strings.Join(all, ", ")
}

const instanceSpace = "http://www.w3.org/2001/XMLSchema-instance"

// attributes holds those of an element against its shape. Where one of them says that the element
// is of another type, or nothing, the shape is not its own.
func (f fitting) attributes(b *branch, shape *document.Shape, in spaces) (other bool) {
	seen := tally{often: map[document.Name]int{}}
	for _, a := range b.attrs {
		if _, declares := a.declares(); declares {
			continue
		}
		name := in.name(a.name)
		if !strings.Contains(a.name, ":") {
			name.Space = ""
		}
		part, known := shape.Attr(name)
		switch {
		case name.Space == instanceSpace:
			other = other || name.Local == "type" || name.Local == "nil"
		case name.Space == unsaid, strings.HasPrefix(a.name, "xml:"):
			seen.unsure = true
		case known:
			seen.often[name] = 1
			f.text(a.value, b.label()+"/@"+a.name, part.Shape, a.optional)
		case !shape.OpenAttrs:
			f.unknown(a.at, "attribute", name, shape.Attrs, "in "+b.label(), &seen)
		}
	}
	for _, part := range shape.Attrs {
		if part.Needed && !seen.has(part.Name) && !other {
			f.tellAt(b.at(), "%s requires the attribute %s of %s, and the mapping has none", f.m.schema, part.Local, b.label())
		}
	}
	return other
}

// text holds what is fixed in a text against its type.
func (f fitting) text(l *leaf, label string, shape *document.Shape, optional bool) {
	if shape == nil {
		return
	}
	if l.isFixed() {
		if text := l.fixedText(); text != "" || !optional {
			f.wrong(l.at(), label, text, shape)
		}
		return
	}
	if x := l.alone(); x != nil {
		for _, c := range x.constants(f.m.codes) {
			if text, err := textOf(c.value); err == nil && c.value != nil {
				f.wrong(c.at, label, text, shape)
			}
		}
	}
}

func (f fitting) wrong(at place, label string, value any, shape *document.Shape) {
	if broken, is := shape.Wrong(value); is {
		f.tellAt(at, "%s: %s %s, and %s refuses it", label, show(value), broken.Reason(), f.m.schema)
	}
}

// member holds a branch of JSON against the shape of its place.
func (f fitting) member(b *branch, shape *document.Shape) {
	if shape == nil {
		return
	}
	if b.each != nil {
		if f.isA(b, shape, document.ArrayType) {
			f.content(b, shape.Items)
		}
		return
	}
	f.content(b, shape)
}

func (f fitting) content(b *branch, shape *document.Shape) {
	switch {
	case shape == nil:
	case b.value != nil:
		f.value(b.value, b.label(), shape, b.optional)
	case b.list:
		if f.isA(b, shape, document.ArrayType) {
			for _, item := range b.items {
				f.content(item, shape.Items)
			}
		}
	case f.isA(b, shape, document.ObjectType):
		f.members(b, shape)
	}
}

func (f fitting) members(b *branch, shape *document.Shape) {
	seen := tally{often: map[document.Name]int{}}
	for _, child := range b.children {
		name := document.Name{Local: child.name}
		part, known := shape.Part(name)
		switch {
		case known:
			seen.often[name] = 1
			f.member(child, part.Shape)
		case !shape.Open:
			f.unknown(child.at(), "member", name, shape.Parts, "in "+b.label(), &seen)
		default: // one of several alternatives may ask for it
			seen.often[name] = 1
		}
	}
	f.lacking(b, shape, &seen, "member")
}

// isA tells whether a branch makes the kind that the schema asks for.
func (f fitting) isA(b *branch, shape *document.Shape, kind document.TypeKind) bool {
	if shape.Kind == "" || shape.Kind == kind {
		return true
	}
	f.tellAt(b.at(), "%s is %s here, and %s in %s", b.label(), kinds[kind], kinds[shape.Kind], f.m.schema)
	return false
}

var kinds = map[document.TypeKind]string{
	document.ObjectType: "a group of members", document.ArrayType: "a list", document.StringType: "a text",
	document.NumberType: "a number", document.IntegerType: "a whole number", document.BooleanType: "true or false", "null": "null",
}

// value holds what is fixed in a leaf of JSON against its schema.
func (f fitting) value(l *leaf, label string, shape *document.Shape, optional bool) {
	x := l.alone()
	if f.kinds != nil {
		f.kinds[l] = shape.Kind
	}
	switch {
	case l.parts == nil && !(optional && isEmpty(l.literal)):
		f.wrong(l.at(), label, l.literal, shape)
	case x != nil:
		for _, c := range x.constants(f.m.codes) {
			if number, is := c.value.(int); is {
				c.value = json.Number(fmt.Sprint(number))
			}
			f.wrong(c.at, label, c.value, shape)
		}
	case l.parts != nil && l.isFixed():
		f.wrong(l.at(), label, l.fixedText(), shape)
	case l.parts != nil && shape.Kind != "" && shape.Kind != document.StringType:
		f.tellAt(l.at(), "%s is a text here, and %s in %s", label, kinds[shape.Kind], f.m.schema)
	}
}
