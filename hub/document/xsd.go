package document

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/jacoelho/xsd"
	"github.com/jacoelho/xsd/xsderrors"
)

// CompileXSD compiles the XML Schema 1.0 in the file name of fsys, and all that it includes and
// imports. Each of those must stand in fsys, at the location given, relative to the file that names
// it: an import that is not there would otherwise silently check nothing. What is wrong with a file is
// a *SchemaError.
//
// Two things that Swedish schemas have, and the library does not take, are put right on the way in:
// ISO-8859-1, and \w inside a character class.
func CompileXSD(fsys fs.FS, name string) (Validator, error) {
	graph := schemaGraph{fsys: fsys, files: make(map[string][]byte), roots: make(map[string]*Element)}
	if err := graph.load(name); err != nil {
		return nil, fmt.Errorf("compile XML schema: %w", err)
	}
	if err := graph.checkReferences(); err != nil {
		return nil, fmt.Errorf("compile XML schema: %w", err)
	}
	shape, err := graph.shape(name)
	if err != nil {
		return nil, fmt.Errorf("compile XML schema: %w", err)
	}
	engine, err := xsd.Compile(xsd.Bytes(name, graph.files[name]).WithResolver(xsd.ResolverFunc(graph.resolve)))
	if err != nil {
		return nil, fmt.Errorf("compile XML schema: %w", schemaErrorOf(name, err))
	}
	return &xsdValidator{engine: engine, shape: shape, allowed: graph.enumerations()}, nil
}

// schemaErrorOf gives the first thing that the library says of a schema.
func schemaErrorOf(name string, err error) *SchemaError {
	for _, one := range xsderrors.Flatten(err) {
		var e *xsderrors.Error
		if errors.As(one, &e) {
			return &SchemaError{File: cmp.Or(e.Path(), name), Line: max(1, e.Line()), Column: e.Column(), Text: e.Message()}
		}
	}
	return &SchemaError{File: name, Line: 1, Text: err.Error()}
}

type xsdValidator struct {
	engine   *xsd.Engine
	shape    *Shape
	sessions sync.Pool // of *xsd.Session, each for one goroutine at a time
	allowed  map[string][]string
}

func (v *xsdValidator) Shape() *Shape { return v.shape }

func (v *xsdValidator) Validate(doc []byte) error {
	text, err := toUTF8(doc)
	if err != nil {
		return err
	}
	session, pooled := v.sessions.Get().(*xsd.Session)
	if !pooled {
		if session, err = v.engine.NewSession(xsd.ValidateOptions{}); err != nil {
			return fmt.Errorf("validate XML: %w", err)
		}
	}
	err = session.Validate(bytes.NewReader(text))
	v.sessions.Put(session)
	if err == nil {
		return nil
	}
	return v.explain(err)
}

// explain keeps code and place of what the library says and leaves its texts, which may quote.
func (v *xsdValidator) explain(err error) error {
	found := &ValidationError{}
	for _, one := range xsderrors.Flatten(err) {
		var e *xsderrors.Error
		if !errors.As(one, &e) {
			return errors.New("validate XML: the validator failed")
		}
		switch {
		case e.Code() == xsderrors.CodeUnsupportedDTD:
			return &SyntaxError{Kind: Doctype, Line: max(1, e.Line())}
		case e.Code() == xsderrors.CodeValidationXML || e.Category() == xsderrors.CategoryUnsupported:
			return &SyntaxError{Kind: Malformed, Line: max(1, e.Line())}
		}
		found.Violations = append(found.Violations, v.violation(e))
	}
	return found
}

var (
	faultyAttribute = regexp.MustCompile(`^invalid attribute ([\pL_][\pL\pN_.-]*):`)
	unexpectedChild = regexp.MustCompile(`^unexpected child element (?:\{[^{}]*\})?([\pL_][\pL\pN_.-]*)$`)
	faultyFacet     = regexp.MustCompile(`\b(length|minLength|maxLength|pattern|enumeration|` +
		`m(?:in|ax)(?:In|Ex)clusive|totalDigits|fractionDigits) facet failed$`)
)

// violation takes from the library's text words that cannot be a value: which attribute, which child
// and which facet. Where it says neither, the element and the code must do.
func (v *xsdValidator) violation(e *xsderrors.Error) Violation {
	_, rule, _ := strings.Cut(string(e.Code()), ".")
	found := Violation{Line: e.Line(), Path: e.Path(), Rule: rule}
	if m := faultyAttribute.FindStringSubmatch(e.Message()); m != nil {
		found.Path += "/@" + m[1]
	}
	if m := unexpectedChild.FindStringSubmatch(e.Message()); m != nil {
		found.Path += "/" + m[1]
	}
	if m := faultyFacet.FindStringSubmatch(e.Message()); m != nil {
		found.Rule = m[1]
	}
	if found.Rule == "enumeration" {
		found.Allowed = v.allowed[lastName(found.Path)]
	}
	return found
}

func lastName(place string) string {
	_, local := splitName(strings.TrimPrefix(path.Base(place), "@"))
	return local
}

// toUTF8 returns doc as UTF-8 with a declaration that says so, whatever charset it came in.
func toUTF8(doc []byte) ([]byte, error) {
	head, kind := readProlog(doc[:min(len(doc), longestProlog)])
	if kind != "" {
		return nil, &SyntaxError{Kind: kind, Line: 1}
	}
	text := []byte(`<?xml version="1.0" encoding="UTF-8"?>`)
	lines := bytes.Count(doc[:head.length], []byte("\n"))
	text = append(text, bytes.Repeat([]byte("\n"), lines)...)
	chars := charReader{charset: head.charset, wellFormedUTF8: true}
	decoded, kind := chars.decode(doc[head.length:])
	if kind == "" && chars.mislabelled() {
		kind = Encoding
	}
	if kind != "" {
		return nil, &SyntaxError{Kind: kind, Line: 1 + lines + bytes.Count(decoded, []byte("\n"))}
	}
	return append(text, decoded...), nil
}

// A schemaGraph is a schema file with all that it includes and imports, by their names in fsys.
type schemaGraph struct {
	fsys  fs.FS
	files map[string][]byte
	roots map[string]*Element
}

func (g *schemaGraph) load(name string) error {
	if _, loaded := g.files[name]; loaded {
		return nil
	}
	raw, err := fs.ReadFile(g.fsys, name)
	if err != nil {
		return &SchemaError{File: name, Line: 1, Text: "there is no such file"}
	}
	text, err := toUTF8(raw)
	if err != nil {
		return unreadableSchema(name, raw, err)
	}
	root, err := ReadXML(bytes.NewReader(text), Limits{Bytes: 64 << 20, Elements: 1_000_000})
	if err != nil {
		return unreadableSchema(name, raw, err)
	}
	g.files[name], g.roots[name] = openWordClasses(text), root
	for _, reference := range root.Children {
		location := reference.Attr("schemaLocation")
		if !isReference(reference) || location == "" {
			continue
		}
		other := path.Join(path.Dir(name), location)
		if _, err := fs.Stat(g.fsys, other); err != nil {
			return &SchemaError{File: name, Line: reference.Line(), Text: fmt.Sprintf("the %s does not resolve: there is no file %s", reference.Local(), location)}
		}
		if err := g.load(other); err != nil {
			return err
		}
	}
	return nil
}

// unreadableSchema says why a file is no document.
func unreadableSchema(name string, text []byte, err error) *SchemaError {
	var syntax *SyntaxError
	if !errors.As(err, &syntax) {
		return &SchemaError{File: name, Line: 1, Text: "the file cannot be read"}
	}
	line, column := syntax.In(text)
	return &SchemaError{File: name, Line: line, Column: column, Text: syntax.Explain()}
}

const xsdSpace = "http://www.w3.org/2001/XMLSchema"

func isReference(e *Element) bool {
	return e.Space() == xsdSpace && slices.Contains([]string{"include", "import", "redefine"}, e.Local())
}

// checkReferences finds imports without a location whose namespace no file of the graph defines, and
// what the library does not read. An include or a redefine names no namespace: it is that of its file.
func (g *schemaGraph) checkReferences() error {
	defined := map[string]bool{xmlSpace: true}
	for _, root := range g.roots {
		defined[root.Attr("targetNamespace")] = true
	}
	for _, name := range slices.Sorted(maps.Keys(g.roots)) {
		for _, e := range g.roots[name].Children {
			wrong := ""
			switch space := e.Attr("namespace"); {
			case !isReference(e) || e.Local() == "include":
			case e.Local() == "redefine":
				wrong = "xs:redefine is not read: include the file instead, and declare what differs under names of its own"
			case !defined[space]:
				wrong = "the import does not resolve: no file here has the namespace " + space
			}
			if wrong != "" {
				return &SchemaError{File: name, Line: e.Line(), Text: wrong}
			}
		}
	}
	return nil
}

func (g *schemaGraph) resolve(base, location string) (xsd.SchemaSource, error) {
	name := path.Join(path.Dir(base), location)
	text, loaded := g.files[name]
	if !loaded {
		return xsd.SchemaSource{}, xsderrors.ErrSchemaNotFound
	}
	return xsd.Bytes(name, text), nil
}

var (
	patternFacet   = regexp.MustCompile(`<(?:[\w.-]+:)?pattern\b[^>]*>`)
	characterClass = regexp.MustCompile(`\[(?:\\.|[^\]\\])*\]`)
)

// openWordClasses spells \w out where it stands in a character class: Go's regexp has no such class.
func openWordClasses(schema []byte) []byte {
	return patternFacet.ReplaceAllFunc(schema, func(facet []byte) []byte {
		return characterClass.ReplaceAllFunc(facet, func(class []byte) []byte {
			return bytes.ReplaceAll(class, []byte(`\w`), []byte(`\p{L}\p{M}\p{N}\p{S}`))
		})
	})
}

// enumerations lists, by the local name of an element or attribute, what its type enumerates. A name
// that is declared with different lists is left out, since the library does not say which was meant.
func (g *schemaGraph) enumerations() map[string][]string {
	types := make(map[string][]string)
	declared := make(map[string][]*Element)
	for _, root := range g.roots {
		eachElement(root, func(e *Element) {
			switch name := e.Attr("name"); {
			case name == "":
			case e.Local() == "simpleType":
				types[name] = enumerated(e)
			case e.Local() == "element" || e.Local() == "attribute":
				declared[name] = append(declared[name], e)
			}
		})
	}
	lists := make(map[string][]string)
	for name, declarations := range declared {
		for i, e := range declarations {
			list := enumerated(e.Child("simpleType"))
			if _, local := splitName(e.Attr("type")); list == nil {
				list = types[local]
			}
			if i > 0 && !slices.Equal(list, lists[name]) {
				delete(lists, name)
				break
			}
			lists[name] = list
		}
	}
	return lists
}

func eachElement(e *Element, visit func(*Element)) {
	visit(e)
	for _, c := range e.Children {
		eachElement(c, visit)
	}
}

func enumerated(simpleType *Element) (values []string) {
	for _, e := range simpleType.All("restriction/enumeration") {
		values = append(values, e.Attr("value"))
	}
	return values
}
