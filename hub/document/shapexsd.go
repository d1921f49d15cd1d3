package document

import (
	"cmp"
	"maps"
	"path"
	"slices"
	"strconv"
)

// A shaper makes Shapes of the files of a schema for XML: through named types, extensions, groups,
// includes and imports.
type shaper struct {
	globals     map[component]declaration
	shapes      map[declarationAt]*Shape
	substituted map[Name]bool // the elements that others may stand in for
	lost        *SchemaError  // the first reference to what no file declares, or the end of our patience
	steps       int
	depth       int
}

// A schema in which groups hold groups can ask for any memory, and one that comes back to itself has no
// end. No real one is near these.
const (
	mostSteps = 200_000
	deepest   = 500
)

// follow tells whether to go on into a declaration, after which the caller must go back.
func (s *shaper) follow(d declaration) bool {
	s.steps++
	s.depth++
	if s.steps < mostSteps && s.depth < deepest {
		return true
	}
	if s.lost == nil {
		s.lost = &SchemaError{File: d.file.name, Line: d.Line(), Text: "this comes back to itself, or grows beyond measure"}
	}
	return false
}

func (s *shaper) back() { s.depth-- }

// A component is what a schema file declares by name at its outermost level.
type component struct {
	kind string // element, attribute, type, group or attributeGroup
	Name
}

func (c component) compare(other component) int {
	return cmp.Or(cmp.Compare(c.Local, other.Local), cmp.Compare(c.Space, other.Space), cmp.Compare(c.kind, other.kind))
}

// A declaration is an element of a schema file, with what its names mean there.
type declaration struct {
	*Element
	file            *schemaFile
	spaces          map[string]string // by prefix
	elements, attrs bool              // local ones belong to the namespace
}

// A schemaFile has a namespace of its own, or takes that of whoever includes it.
type schemaFile struct {
	name, space string
	taken       bool
}

type declarationAt struct {
	element *Element
	space   string // that of its file, which may be taken in several ways
}

// shape gives the shape of the whole document: a place where one of the global elements stands. The
// error is a *SchemaError.
func (g *schemaGraph) shape(name string) (*Shape, error) {
	s := &shaper{
		globals: map[component]declaration{}, shapes: map[declarationAt]*Shape{}, substituted: map[Name]bool{},
	}
	s.collect(g, name, "", map[schemaFile]bool{})
	for _, global := range s.globals {
		if head := global.Attr("substitutionGroup"); head != "" {
			s.substituted[global.name(head)] = true
		}
	}
	top := &Shape{}
	for _, c := range slices.SortedFunc(maps.Keys(s.globals), component.compare) {
		global := s.globals[c]
		switch c.kind {
		case "element":
			top.Parts = append(top.Parts, Part{Name: c.Name, Shape: s.element(global), Most: 1})
		case "type":
			s.typed(global)
		}
		if s.lost != nil {
			return nil, s.lost
		}
	}
	return top, nil
}

// collect finds what the files declare.
func (s *shaper) collect(g *schemaGraph, name, above string, seen map[schemaFile]bool) {
	root := g.roots[name]
	file := schemaFile{name: name, space: root.Attr("targetNamespace")}
	if file.space == "" {
		file.space, file.taken = above, true
	}
	if root == nil || seen[file] {
		return
	}
	seen[file] = true
	top := declaration{
		Element: root, file: &file, spaces: spacesOf(root, nil),
		elements: root.Attr("elementFormDefault") == "qualified", attrs: root.Attr("attributeFormDefault") == "qualified",
	}
	for _, e := range root.Children {
		if e.Space() != xsdSpace {
			continue
		}
		kind, location := e.Local(), e.Attr("schemaLocation")
		switch kind {
		case "include", "redefine", "import":
			inherited := file.space
			if kind == "import" {
				inherited = ""
			}
			if location != "" {
				s.collect(g, path.Join(path.Dir(name), location), inherited, seen)
			}
			continue
		case "simpleType", "complexType":
			kind = "type"
		}
		s.globals[component{kind, Name{file.space, e.Attr("name")}}] = top.below(e)
	}
}

func spacesOf(e *Element, above map[string]string) map[string]string {
	spaces, own := above, false
	for _, a := range e.Attrs {
		prefix, local := splitName(a.Name)
		if a.Name != "xmlns" && prefix != "xmlns" {
			continue
		}
		if !own {
			spaces, own = map[string]string{}, true
			maps.Copy(spaces, above)
		}
		if prefix == "" {
			local = ""
		}
		spaces[local] = a.Value
	}
	return spaces
}

func (d declaration) below(e *Element) declaration {
	d.Element, d.spaces = e, spacesOf(e, d.spaces)
	return d
}

// each gives the schema's own elements below d.
func (d declaration) each() []declaration {
	var all []declaration
	for _, e := range d.Children {
		if e.Space() == xsdSpace && e.Local() != "annotation" {
			all = append(all, d.below(e))
		}
	}
	return all
}

// child gives the first below d with one of some names.
func (d declaration) child(locals ...string) (declaration, bool) {
	for _, c := range d.each() {
		if slices.Contains(locals, c.Local()) {
			return c, true
		}
	}
	return declaration{}, false
}

// name tells what a name in the text of d means.
func (d declaration) name(written string) Name {
	prefix, local := splitName(written)
	space := d.spaces[prefix]
	if prefix == "xml" {
		space = xmlSpace
	}
	if prefix == "" && space == "" && d.file.taken {
		space = d.file.space
	}
	return Name{space, local}
}

func (d declaration) at() declarationAt { return declarationAt{d.Element, d.file.space} }

// find gives what a reference refers to.
func (s *shaper) find(kind string, d declaration, written string) (declaration, bool) {
	name := d.name(written)
	found, ok := s.globals[component{kind, name}]
	if !ok && name.Space != xsdSpace && name.Space != xmlSpace && s.lost == nil {
		s.lost = &SchemaError{File: d.file.name, Line: d.Line(), Text: "no " + kind + " is called " + written}
	}
	return found, ok
}

// element gives the shape of an element's declaration; nil where anything may stand.
func (s *shaper) element(d declaration) *Shape {
	if name := d.Attr("type"); name != "" {
		return s.named(d, name)
	}
	if anonymous, is := d.child("complexType", "simpleType"); is {
		return s.typed(anonymous)
	}
	return nil
}

// named gives the shape of a type by its name.
func (s *shaper) named(d declaration, written string) *Shape {
	if name := d.name(written); name.Space == xsdSpace {
		return builtIn(name.Local)
	}
	if found, ok := s.find("type", d, written); ok {
		return s.typed(found)
	}
	return nil
}

func builtIn(local string) *Shape {
	if local == "anyType" {
		return nil
	}
	return &Shape{Text: true, rule: &textRule{base: local}}
}

func (s *shaper) typed(d declaration) *Shape {
	if made, ok := s.shapes[d.at()]; ok {
		return made
	}
	made := &Shape{}
	s.shapes[d.at()] = made
	if d.Local() == "simpleType" {
		made.Text, made.rule = true, s.rule(d)
		return made
	}
	c := s.content(d)
	made.Text, made.rule = c.text, c.rule
	made.Attrs, made.OpenAttrs = c.attrs, c.openAttrs
	made.spread(particle{kind: "sequence", min: 1, max: 1, below: c.particles})
	if c.unknown || d.Attr("abstract") == "true" {
		made.Open, made.OpenAttrs, made.Text, made.rule, made.OneOf = true, true, true, nil, nil
	}
	return made
}

// A content is what a complex type lets stand in its elements.
type content struct {
	particles []particle
	attrs     []Part
	openAttrs bool
	text      bool
	rule      *textRule
	unknown   bool // it comes of what is not told here
}

func (s *shaper) content(d declaration) content {
	var c content
	defer s.back()
	if !s.follow(d) {
		return c
	}
	c.text = d.Attr("mixed") == "true"
	of, derived := d.child("simpleContent", "complexContent")
	if !derived {
		s.add(&c, d)
		return c
	}
	how, ok := of.child("extension", "restriction")
	if !ok {
		return content{unknown: true}
	}
	base := s.base(how)
	switch {
	case of.Local() == "simpleContent":
		c = content{text: true, rule: base.rule, attrs: base.attrs, openAttrs: base.openAttrs, unknown: base.unknown}
	case how.Local() == "extension":
		c = base
		c.text = c.text || of.Attr("mixed") == "true" || d.Attr("mixed") == "true"
	default:
		c = content{attrs: base.attrs, openAttrs: base.openAttrs, unknown: base.unknown}
		c.text = of.Attr("mixed") == "true" || d.Attr("mixed") == "true"
	}
	c.particles, c.attrs = slices.Clip(c.particles), slices.Clone(c.attrs)
	s.add(&c, how)
	return c
}

// base gives what an extension or a restriction begins with.
func (s *shaper) base(how declaration) content {
	written := how.Attr("base")
	if name := how.name(written); name.Space == xsdSpace {
		return content{rule: &textRule{base: name.Local}, openAttrs: name.Local == "anyType"}
	}
	found, ok := s.find("type", how, written)
	switch {
	case !ok:
		return content{unknown: true}
	case found.Local() == "simpleType":
		return content{rule: s.rule(found)}
	}
	return s.content(found)
}

// add puts in what stands directly below a type, an extension or a group of attributes.
func (s *shaper) add(c *content, d declaration) {
	defer s.back()
	if !s.follow(d) {
		return
	}
	for _, e := range d.each() {
		switch e.Local() {
		case "sequence", "choice", "all", "group":
			c.particles = append(c.particles, s.particle(e))
		case "attribute":
			s.attribute(c, e)
		case "attributeGroup":
			if found, ok := s.find("attributeGroup", e, e.Attr("ref")); ok {
				s.add(c, found)
			} else {
				c.openAttrs = true
			}
		case "anyAttribute":
			c.openAttrs = true
		}
	}
}

func (s *shaper) attribute(c *content, d declaration) {
	part := Part{Name: Name{Local: d.Attr("name")}, Needed: d.Attr("use") == "required", Most: 1}
	of := d
	if ref := d.Attr("ref"); ref != "" {
		part.Name = d.name(ref)
		found, ok := s.find("attribute", d, ref)
		if ok {
			of = found
		}
	} else if form := d.Attr("form"); form == "qualified" || form == "" && d.attrs {
		part.Space = d.file.space
	}
	if part.Shape = s.element(of); of.Attr("fixed") != "" {
		part.Shape = &Shape{Text: true, rule: &textRule{base: "string", allowed: []string{of.Attr("fixed")}}}
	}
	c.attrs = slices.DeleteFunc(c.attrs, func(before Part) bool { return before.Name == part.Name })
	if d.Attr("use") != "prohibited" {
		c.attrs = append(c.attrs, part)
	}
}

// particle gives what an element of a content model lets stand there.
func (s *shaper) particle(d declaration) particle {
	defer s.back()
	if !s.follow(d) {
		return particle{}
	}
	p := particle{kind: d.Local(), min: occurs(d, "minOccurs"), max: occurs(d, "maxOccurs")}
	if d.Attr("maxOccurs") == "0" {
		return particle{kind: "sequence"}
	}
	switch p.kind {
	case "element":
		return s.elementParticle(d, p)
	case "group":
		p.kind = "any"
		if found, ok := s.find("group", d, d.Attr("ref")); ok {
			p.kind = "sequence"
			for _, e := range found.each() {
				p.below = append(p.below, s.particle(e))
			}
		}
	default:
		for _, e := range d.each() {
			p.below = append(p.below, s.particle(e))
		}
	}
	return p
}

func (s *shaper) elementParticle(d declaration, p particle) particle {
	p.part.Name = Name{Local: d.Attr("name")}
	of := d
	if ref := d.Attr("ref"); ref != "" {
		p.part.Name = d.name(ref)
		found, ok := s.find("element", d, ref)
		if !ok || s.substituted[p.part.Name] || found.Attr("abstract") == "true" {
			p.kind = "any"
			return p
		}
		of = found
	} else if form := d.Attr("form"); form == "qualified" || form == "" && d.elements {
		p.part.Space = d.file.space
	}
	p.part.Shape = s.element(of)
	return p
}

// occurs reads minOccurs or maxOccurs; unbounded is 0, as none is for minOccurs.
func occurs(d declaration, attr string) int {
	switch written := d.Attr(attr); written {
	case "":
		return 1
	case "unbounded":
		return 0
	default:
		n, _ := strconv.Atoi(written)
		return n
	}
}
