package mapping

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// A Mapping is one compiled file under mappings/. It is safe for concurrent use.
type Mapping struct {
	path      string
	operation string
	json      bool
	charset   document.Charset
	schema    string // its path, for people; "" for none
	unclaimed bool   // it says that it has none
	validator document.Validator
	tables    map[string]table
	codes     map[string][]code // what the tables give, by table, with where it stands
	root      *branch
	wrong     []Problem // what was told when it was compiled: then it can be checked further, and makes nothing
}

// Compile reads the mapping in the file name of fsys, the folder of a configuration,
// which holds mappings/ and schemas/. What can be known without a route is checked:
// the file's form, its expressions and functions, the names that every mapping has, and
// its schema. All problems are given, not the first only; with problems there is no
// Mapping.
func Compile(fsys fs.FS, name string) (*Mapping, []Problem) {
	m, problems := CompileToCheck(fsys, name)
	if len(problems) > 0 {
		return nil, problems
	}
	return m, nil
}

// CompileToCheck is Compile for who looks for everything that is wrong: where only values are, the
// Mapping is given beside the problems, to be held against its schema and its routes. It makes no
// documents then.
func CompileToCheck(fsys fs.FS, name string) (*Mapping, []Problem) {
	r := &report{file: name}
	m := &Mapping{path: name, charset: document.UTF8}
	if top := r.open(fsys, name); top != nil {
		m.read(r, fsys, top)
	}
	if len(r.problems) > r.unread {
		return nil, r.sorted() // of a tree in pieces more would be told than is wrong
	}
	m.checkNames(r)
	m.checkTypes(r, openNames(m.tables))
	m.wrong = r.sorted()
	return m, m.wrong
}

// Path gives the file that the mapping stands in: "mappings/diarium/arende.yaml".
func (m *Mapping) Path() string { return m.path }

// Operation is what the system is to do with the document.
func (m *Mapping) Operation() string { return m.operation }

// CheckFor tells what is wrong with the mapping where one leg of one route uses it:
// names that are not there, fields that the form or the register does not have, and
// values of the wrong sort.
func (m *Mapping) CheckFor(env Env) []Problem {
	r := &report{file: m.path}
	env.checkNames(r)
	m.checkTypes(r, env.names(m.tables))
	news := slices.DeleteFunc(r.sorted(), func(p Problem) bool { return slices.Contains(m.wrong, p) })
	return env.explain(news)
}

// Render makes the document. Every error is a *hub.MappingError that names file, line
// and expression, and no value.
func (m *Mapping) Render(known hub.Known) (hub.Document, error) {
	return m.render(newRendering(known, m.tables))
}

func (m *Mapping) render(r *rendering) (hub.Document, error) {
	doc, err := m.write(r)
	if err != nil {
		return hub.Document{}, m.explain(err)
	}
	if err := m.validate(doc); err != nil {
		return hub.Document{}, m.explain(err)
	}
	if m.json {
		return hub.NewDocument("application/json", doc), nil
	}
	return hub.NewDocument("application/xml; charset="+strings.ToLower(string(m.charset)), doc), nil
}

func (m *Mapping) write(r *rendering) ([]byte, error) {
	if m.json {
		return r.writeJSON(m.root)
	}
	return r.writeXML(m.root, m.charset)
}

// validate holds what was rendered against the system's schema. The place in the
// document is turned into the place in the mapping that made it.
func (m *Mapping) validate(doc []byte) error {
	if m.validator == nil {
		return nil
	}
	err := m.validator.Validate(doc)
	var broken *document.ValidationError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &broken) || len(broken.Violations) == 0:
		return &fault{m.root.line, hub.ReasonMapping, "the document cannot be held against " + m.schema}
	}
	first := broken.Violations[0]
	first.Line = 0 // a line of a document that nobody sees
	text := fmt.Sprintf("the document does not fit %s: %s", m.schema, first)
	if more := len(broken.Violations) - 1; more > 0 {
		text += fmt.Sprintf(" (and %d more)", more)
	}
	return &fault{m.lineOf(first.Path), hub.ReasonMapping, text}
}

// explain makes of any error while rendering one that can be shown: file, line and
// expression.
func (m *Mapping) explain(err error) error {
	line, reason, text := m.root.line, hub.ReasonMapping, "the document cannot be written"
	var f *fault
	var character *document.CharacterError
	switch {
	case errors.As(err, &f):
		line, reason, text = f.line, f.reason, f.text
	case errors.As(err, &character):
		line, reason = m.lineOf(character.Path), hub.ReasonUnmappable
		text = fmt.Sprintf("a character in %s is %s", character.Path, character.Class)
	}
	return &hub.MappingError{Where: fmt.Sprintf("%s:%d", m.path, line), Reason: reason, Text: text}
}

// A fault is why a document cannot be rendered, and on which line of the mapping.
type fault struct {
	line   int
	reason hub.Reason
	text   string
}

func (f *fault) Error() string { return f.text }

// lineOf finds the line that made the place of a document with a path: of element
// names, or a JSON pointer.
func (m *Mapping) lineOf(path string) int {
	at := m.root
	for name := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		name, _, _ = strings.Cut(name, "[")
		if below := at.find(name); below != nil {
			at = below
		}
	}
	return at.line
}

// read takes the head of the file apart.
func (m *Mapping) read(r *report, fsys fs.FS, top *yaml.Node) {
	keys := r.keys(top, head.names()...)
	if keys == nil {
		return
	}
	for _, k := range head {
		if k.required && keys[k.name] == nil {
			r.add(top.Line, "%s: is missing", k.name)
		}
	}
	m.operation = r.text(keys["operation"])
	m.readOutput(r, keys["output"], keys["charset"])
	m.tables, m.codes = r.tables(keys["tables"])
	m.readSchema(r, fsys, keys["schema"])
	if keys["document"] != nil {
		m.root = treeReader{r, m.json}.root(keys["document"])
	}
}

func (m *Mapping) readOutput(r *report, output, charset *yaml.Node) {
	switch kind := r.text(output); kind {
	case "json":
		m.json = true
	case "xml", "":
	default:
		r.at(output, "output: is xml or json, not %s", kind)
	}
	if charset == nil {
		return
	}
	switch name := r.text(charset); {
	case m.json:
		r.at(charset, "charset: is for xml; json is always utf-8")
	case name == "iso-8859-1":
		m.charset = document.Latin1
	case name != "utf-8":
		r.at(charset, "charset: is utf-8 or iso-8859-1, not %s", name)
	}
}

func (m *Mapping) readSchema(r *report, fsys fs.FS, node *yaml.Node) {
	name := r.text(node)
	if name == "" || name == noSchema {
		m.unclaimed = name == noSchema
		return
	}
	m.schema = path.Join("schemas", name)
	if !fs.ValidPath(name) {
		r.at(node, "schema: %s does not stand under schemas/", name)
		return
	}
	if _, err := fs.Stat(fsys, m.schema); err != nil {
		r.at(node, "schema: there is no file %s", m.schema)
		return
	}
	if ending := path.Ext(name); ending == ".xsd" && m.json || ending == ".json" && !m.json {
		r.at(node, "schema: an XSD is for output: xml, and a JSON Schema for output: json")
		return
	}
	schemas, err := fs.Sub(fsys, "schemas")
	if err == nil && m.json {
		m.validator, err = document.CompileJSONSchema(schemas, name)
	} else if err == nil {
		m.validator, err = document.CompileXSD(schemas, name)
	}
	var wrong *document.SchemaError // it quotes the schema, which is people's own text
	switch {
	case errors.As(err, &wrong):
		r.problems = append(r.problems, SchemaProblem(wrong))
	case err != nil:
		r.at(node, "schema: %v", err)
	}
}

// noSchema is what a mapping says whose documents are held against nothing.
const noSchema = "none"

// Claims reports whether the mapping names a schema, or says that there is none.
func (m *Mapping) Claims() bool { return m.schema != "" || m.unclaimed }

// SchemaProblem tells what is wrong with a schema where it is wrong.
func SchemaProblem(e *document.SchemaError) Problem {
	return Problem{File: path.Join("schemas", e.File), Line: e.Line, Column: e.Column, Text: e.Text}
}
