package mapping

import (
	"encoding/json"
	"errors"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// A branch is one key of the document's tree with what stands under it: an element in
// XML, a member in JSON. An item of a list is a branch with its list's name.
type branch struct {
	name     string
	line     int
	column   int
	optional bool        // the key ends with ?
	each     *loop       // $for
	when     *expression // $if
	attrs    []attr      // $attrs
	value    *leaf       // text, $text or $value
	children []*branch
	items    []*branch
	list     bool // a YAML list stands under the key
}

// A loop repeats its branch for each item of a list.
type loop struct {
	item, number string // the names in the branch; number may be ""
	list         *expression
}

// An attr is an attribute in XML.
type attr struct {
	name     string
	at       place
	optional bool
	value    *leaf
}

// A leaf is a text with values in it, one value alone, or, in JSON, a literal.
type leaf struct {
	line    int
	column  int
	parts   []leafPart
	literal any  // of JSON, where nothing is to be worked out; then there are no parts
	bare    bool // it stands without quotes
}

// A leafPart is text, or a value.
type leafPart struct {
	text  string
	value *expression
}

// alone gives the one value of a leaf that has no text around it, or nil.
func (l *leaf) alone() *expression {
	if len(l.parts) == 1 {
		return l.parts[0].value
	}
	return nil
}

// find gives the branch of a name in the document below b; in a list any item may have
// it.
func (b *branch) find(name string) *branch {
	for _, c := range b.children {
		if c.name == name {
			return c
		}
	}
	for _, item := range b.items {
		if below := item.find(name); below != nil {
			return below
		}
	}
	return nil
}

// open reads the file's YAML and gives its outermost node, or nil.
func (r *report) open(fsys fs.FS, name string) *yaml.Node {
	text, err := fs.ReadFile(fsys, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.add(1, "there is no such file")
		return nil
	case err != nil:
		r.add(1, "the file cannot be read")
		return nil
	case len(text) > 1<<20:
		r.add(1, "the file is larger than 1 MiB")
		return nil
	case !utf8.Valid(text):
		r.add(1, "the file is not UTF-8")
		return nil
	}
	var doc yaml.Node
	err = yaml.Load(text, &doc)
	var wrong *yaml.LoadError
	switch {
	case errors.As(err, &wrong) && strings.Contains(wrong.Message, "no documents"), err == nil && len(doc.Content) == 0:
		r.add(1, "the file is empty")
	case errors.As(err, &wrong):
		r.tellAt(place{wrong.Mark.Line, wrong.Mark.Column}, "%s", explainYAML(wrong.Message, line(string(text), wrong.Mark.Line)))
	case err != nil:
		r.add(1, "this is not YAML that can be read")
	default:
		return doc.Content[0]
	}
	return nil
}

// explainYAML names the traps that people step into, and else says what YAML says.
func explainYAML(message, line string) string {
	line = strings.TrimSpace(line)
	_, value, _ := strings.Cut(line, ": ")
	value = strings.TrimSpace(value)
	switch {
	case strings.HasPrefix(line, "@") || strings.HasPrefix(value, "@"):
		return "nothing can begin with @ in YAML; an attribute stands under $attrs"
	case strings.Contains(line, "${") && (strings.HasPrefix(value, "{") || strings.HasPrefix(value, "[")):
		return "between { } or [ ] a text with ${ } must stand in quotes"
	case strings.Contains(message, "mapping values are not allowed") && strings.Contains(value, ": "):
		return "a text that holds `: ` must stand in quotes"
	case strings.Contains(message, "cannot start any token"):
		return "a line is indented with blanks, never with a tab, and a text begins with a letter or stands in quotes"
	}
	return "this is not YAML: " + message
}

func line(text string, n int) string {
	lines := strings.Split(text, "\n")
	if n < 1 || n > len(lines) {
		return ""
	}
	return lines[n-1]
}

// keys gives the values of a YAML mapping that may have only some keys.
func (r *report) keys(node *yaml.Node, known ...string) map[string]*yaml.Node {
	if node.Kind != yaml.MappingNode {
		r.at(node, "here `key: value` lines must stand")
		return nil
	}
	found := map[string]*yaml.Node{}
	for key, value := range r.pairs(node) {
		if !slices.Contains(known, key.Value) {
			r.at(key, "there is no key %s%s", key.Value, near(key.Value, known))
			continue
		}
		found[key.Value] = value
	}
	return found
}

// pairs goes through a YAML mapping in order, and tells of keys that cannot stand there.
func (r *report) pairs(node *yaml.Node) func(func(key, value *yaml.Node) bool) {
	return func(yield func(key, value *yaml.Node) bool) {
		seen := map[string]bool{}
		for i := 0; i+1 < len(node.Content); i += 2 {
			key, value := node.Content[i], node.Content[i+1]
			switch {
			case key.Kind != yaml.ScalarNode || key.Value == "":
				r.at(key, "a key must be a name")
			case key.Value == "<<" || key.Anchor != "" || value.Anchor != "" || value.Kind == yaml.AliasNode:
				r.at(key, "anchors and aliases (&, * and <<) are not part of the language; write it out")
			case seen[key.Value]:
				r.at(key, "the key %s comes twice; a list under one key repeats it", key.Value)
			default:
				seen[key.Value] = true
				if !yield(key, value) {
					return
				}
			}
		}
	}
}

// text gives a single value as it is written; "" of nil.
func (r *report) text(node *yaml.Node) string {
	if node == nil {
		return ""
	}
	if node.Kind != yaml.ScalarNode || node.Value == "" {
		r.at(node, "here a text must stand")
		return ""
	}
	return node.Value
}

// tables reads the tables: what people write for each of their words.
func (r *report) tables(node *yaml.Node) (tables map[string]table, codes map[string][]code) {
	if node == nil {
		return nil, nil
	}
	if node.Kind != yaml.MappingNode {
		r.at(node, "tables: holds tables by name")
		return nil, nil
	}
	tables, codes = map[string]table{}, map[string][]code{}
	for name, entries := range r.pairs(node) {
		if entries.Kind != yaml.MappingNode {
			r.at(entries, "a table consists of `word: code` lines")
			continue
		}
		t := table{}
		for word, value := range r.pairs(entries) {
			if value.Kind != yaml.ScalarNode {
				r.at(value, "a table gives one value for each word")
				continue
			}
			t[word.Value] = r.scalar(value)
			codes[name.Value] = append(codes[name.Value], code{word.Value, t[word.Value], place{value.Line, value.Column}})
		}
		tables[name.Value] = t
	}
	return tables, codes
}

// A code is what a table gives for a word, and where it stands.
type code struct {
	word  string
	value any
	at    place
}

var (
	jsonNumber  = regexp.MustCompile(`^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$`)
	leadingZero = regexp.MustCompile(`^0\d+$`)
)

// scalar gives a literal with the type that YAML shows: a number keeps its digits.
func (r *report) scalar(node *yaml.Node) any {
	if node.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return node.Value
	}
	switch node.ShortTag() {
	case "!!null":
		return nil
	case "!!bool":
		return strings.EqualFold(node.Value, "true")
	case "!!int", "!!float":
		switch {
		case jsonNumber.MatchString(node.Value):
			return json.Number(node.Value)
		case leadingZero.MatchString(node.Value):
			r.at(node, "%s must stand in quotes: without them its zero is lost in many tools", node.Value)
		default:
			r.at(node, "%s must stand in quotes: as a number it would be read in several ways", node.Value)
		}
	}
	return node.Value
}

// A treeReader compiles the document's tree.
type treeReader struct {
	*report
	json bool
}

// root reads what stands under document:.
func (t treeReader) root(node *yaml.Node) *branch {
	if t.json {
		return t.branch("", node, node)
	}
	if node.Kind != yaml.MappingNode || len(node.Content) != 2 {
		t.at(node, "document: holds one key, the root element")
		return nil
	}
	for key, value := range t.pairs(node) {
		root := t.branch(key.Value, key, value)
		if root.optional || root.each != nil || root.when != nil || root.list {
			t.at(key, "the root element must always be there, once")
		}
		return root
	}
	return nil
}

// branch reads a key and what stands under it.
func (t treeReader) branch(key string, at, node *yaml.Node) *branch {
	b := &branch{line: at.Line, column: at.Column}
	b.name, b.optional = strings.CutSuffix(key, "?")
	if strings.HasPrefix(b.name, "$$") {
		b.name = b.name[1:]
	}
	t.fill(b, node)
	return b
}

func (t treeReader) fill(b *branch, node *yaml.Node) {
	switch node.Kind {
	case yaml.ScalarNode:
		b.value = t.leaf(node, t.json)
	case yaml.SequenceNode:
		b.list = true
		for _, item := range node.Content {
			b.items = append(b.items, t.item(b.name, item))
		}
	case yaml.MappingNode:
		for key, value := range t.pairs(node) {
			if strings.HasPrefix(key.Value, "$") && !strings.HasPrefix(key.Value, "$$") {
				t.instruction(b, key, value)
				continue
			}
			b.children = append(b.children, t.branch(key.Value, key, value))
		}
		t.checkMixture(b)
	default:
		t.at(node, "anchors and aliases (&, * and <<) are not part of the language; write it out")
	}
}

func (t treeReader) item(name string, node *yaml.Node) *branch {
	item := &branch{name: name, line: node.Line, column: node.Column}
	if node.Kind == yaml.SequenceNode && !t.json {
		t.at(node, "a list in a list has no element in xml")
		return item
	}
	t.fill(item, node)
	return item
}

func (t treeReader) checkMixture(b *branch) {
	switch {
	case b.value != nil && len(b.children) > 0:
		t.tellAt(b.at(), "%s has both a text and keys below it", b.label())
	case t.twins(b):
		t.tellAt(b.at(), "%s has the same key twice, with and without ?", b.label())
	}
}

func (t treeReader) twins(b *branch) bool {
	seen := map[string]bool{}
	for _, c := range b.children {
		seen[c.name] = true
	}
	return len(seen) < len(b.children)
}

func (b *branch) label() string {
	if b.name == "" {
		return "the document"
	}
	return b.name
}

var instructions = []string{"$if", "$for", "$attrs", "$text", "$value"}

// instruction reads a key that begins with $.
func (t treeReader) instruction(b *branch, key, node *yaml.Node) {
	switch {
	case key.Value == "$if":
		b.when = t.bare(node)
	case key.Value == "$for":
		b.each = t.loop(node)
	case key.Value == "$attrs" && !t.json:
		b.attrs = t.attrs(node)
	case key.Value == "$text" && !t.json, key.Value == "$value" && t.json:
		if node.Kind != yaml.ScalarNode {
			t.at(node, "%s: here a text or a ${ } must stand", key.Value)
			return
		}
		b.value = t.leaf(node, t.json)
	case key.Value == "$attrs", key.Value == "$text":
		t.at(key, "%s is for xml%s", key.Value, map[string]string{"$text": "; in json write $value"}[key.Value])
	case key.Value == "$value":
		t.at(key, "$value is for json; in xml write $text")
	default:
		t.at(key, "no instruction is called %s%s", key.Value, near(key.Value, instructions))
	}
}

// bare reads an expression that stands without ${ }.
func (t treeReader) bare(node *yaml.Node) *expression {
	source := t.text(node)
	if source == "" {
		return nil
	}
	if strings.Contains(source, "${") {
		t.at(node, "after $if and $for the expression stands without ${ }")
		return nil
	}
	return compileValue(t.report, source, placeOf(node, 0), true)
}

var loopHead = regexp.MustCompile(`^([\pL_][\pL\pN_]*)(?:\s*,\s*([\pL_][\pL\pN_]*))?\s+in\s+`)

func (t treeReader) loop(node *yaml.Node) *loop {
	source := t.text(node)
	if source == "" {
		return nil
	}
	m := loopHead.FindStringSubmatch(source)
	switch {
	case m == nil:
		t.at(node, "write `$for: NAME in LIST`, or `$for: NAME, NUMBER in LIST`")
		return nil
	case strings.Contains(source, "${"):
		t.at(node, "after $if and $for the expression stands without ${ }")
		return nil
	case m[1] == m[2]:
		t.at(node, "the name %s stands for two things", m[1])
	}
	return &loop{m[1], m[2], compileValue(t.report, source[len(m[0]):], placeOf(node, utf8.RuneCountInString(m[0])), true)}
}

func (t treeReader) attrs(node *yaml.Node) []attr {
	if node.Kind != yaml.MappingNode {
		t.at(node, "$attrs: holds `name: text` lines")
		return nil
	}
	var attrs []attr
	for key, value := range t.pairs(node) {
		if value.Kind != yaml.ScalarNode {
			t.at(value, "an attribute has one text")
			continue
		}
		a := attr{at: place{key.Line, key.Column}, value: t.leaf(value, false)}
		a.name, a.optional = strings.CutSuffix(key.Value, "?")
		attrs = append(attrs, a)
	}
	return attrs
}

// leaf reads a text with values in it. Typed, a plain number or yes/no is one.
func (t treeReader) leaf(node *yaml.Node, typed bool) *leaf {
	l := &leaf{line: node.Line, column: node.Column, bare: node.Style == 0}
	if !strings.Contains(node.Value, "${") {
		l.parts = []leafPart{{text: node.Value}}
		if typed {
			l.literal = t.scalar(node)
			l.parts = nil
		}
		return l
	}
	rest, at := node.Value, 0
	for rest != "" {
		text, source, after := cutValue(rest)
		if text != "" {
			l.parts = append(l.parts, leafPart{text: text})
		}
		switch {
		case source == nil && after == "":
		case source == nil:
			t.at(node, "a ${ is not closed by a }")
			return l
		default:
			at += utf8.RuneCountInString(rest[:strings.Index(rest, *source+"}")])
			l.parts = append(l.parts, leafPart{value: compileValue(t.report, *source, placeOf(node, at), false)})
			at += utf8.RuneCountInString(*source) + 1
		}
		rest = after
	}
	return l
}

// cutValue takes the text before the next ${ }, what stands in it, and the rest. A
// nil source with a rest is a ${ that is not closed; $${ is the text ${.
func cutValue(s string) (text string, source *string, after string) {
	var before strings.Builder
	for {
		i := strings.Index(s, "${")
		if i < 0 {
			before.WriteString(s)
			return before.String(), nil, ""
		}
		if i > 0 && s[i-1] == '$' {
			before.WriteString(s[:i] + "{")
			s = s[i+2:]
			continue
		}
		before.WriteString(s[:i])
		inside := s[i+2:]
		end := closing(inside)
		if end < 0 {
			return before.String(), nil, inside + " "
		}
		source := inside[:end]
		return before.String(), &source, inside[end+1:]
	}
}

// closing finds the } that ends an expression: not one within quotes, nor one that
// closes a brace of the expression's own.
func closing(s string) int {
	depth, quote := 0, byte(0)
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case quote != 0 && c == '\\' && quote != '`':
			i++
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
		case c == '"' || c == '\'' || c == '`':
			quote = c
		case c == '{':
			depth++
		case c == '}' && depth == 0:
			return i
		case c == '}':
			depth--
		}
	}
	return -1
}

// placeOf says where a character of a YAML text stands in the file. Of a text on
// several lines only the line on which it begins is known.
func placeOf(node *yaml.Node, character int) place {
	switch {
	case node.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 || strings.Contains(node.Value, "\n"):
		return place{node.Line, 0}
	case node.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0:
		character++
	}
	return place{node.Line, node.Column + character}
}
