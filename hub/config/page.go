package config

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"github.com/knutpunkt/knutpunkt/hub/mapping"
)

// A page is one YAML file under reading: it collects everything that is wrong with
// the file, each thing with its line, so that people mend all of it at once.
type page struct {
	name     string // as people are told it: routes/karlskrona/systems.yaml
	secrets  secrets
	problems []mapping.Problem
}

// largest is how many bytes of YAML a file may have. People write these files.
const largest = 1 << 20

// unreadable says why a file could not be read, without the path that the operating
// system puts before it.
func unreadable(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "there is no such file"
	case errors.Is(err, fs.ErrPermission):
		return "this process may not read the file"
	}
	return "the file cannot be read"
}

// add notes a problem at a line.
func (p *page) add(line int, format string, args ...any) {
	p.problems = append(p.problems, mapping.Problem{
		File: p.name, Line: max(line, 1), Text: fmt.Sprintf(format, args...),
	})
}

// at notes a problem with what stands at a node, and said one with a text.
func (p *page) at(n *yaml.Node, format string, args ...any) {
	p.add(n.Line, format, args...)
	p.problems[len(p.problems)-1].Column = n.Column
}

func (p *page) said(w word, format string, args ...any) {
	p.add(w.line, format, args...)
	p.problems[len(p.problems)-1].Column = w.column
}

// within notes what is wrong with the one value that a text holds, with the column of the place that
// the caret below it shows.
func (p *page) within(w word, problems []mapping.Problem) {
	_, before, _ := strings.Cut(w.text, "${")
	start := w.column + utf8.RuneCountInString(w.text[:len(w.text)-len(before)])
	if w.quoted {
		start++
	}
	for _, problem := range problems {
		lines := strings.Split(problem.Text, "\n")
		dots, caret := strings.CutSuffix(strings.TrimPrefix(lines[len(lines)-1], " | "), "^")
		if problem.Column = w.column; caret && len(lines) > 1 {
			problem.Column = start + len(dots)
		}
		p.problems = append(p.problems, problem)
	}
}

// where names a line of the page.
func (p *page) where(line int) string { return fmt.Sprintf("%s:%d", p.name, line) }

// parse gives the outermost mapping of a text, or nil.
func (p *page) parse(text []byte) *yaml.Node {
	if len(text) > largest {
		p.add(1, "the file is larger than 1 MiB")
		return nil
	}
	var doc yaml.Node
	err := yaml.Load(text, &doc)
	var wrong *yaml.LoadError
	switch {
	case errors.As(err, &wrong):
		at, why := explain(wrong, string(text))
		p.at(at, "%s", why)
		return nil
	case err != nil:
		p.add(1, "this is not YAML that can be read")
		return nil
	case len(doc.Content) == 0 || isNull(doc.Content[0]):
		p.add(1, "the file is empty")
		return nil
	}
	top := doc.Content[0]
	if top.Kind != yaml.MappingNode {
		p.at(top, "the file must consist of `key: value` lines")
		return nil
	}
	if !p.plain(top) {
		return nil
	}
	return top
}

// plain refuses what YAML has beyond a tree of keys, lists and texts: it surprises
// people, and an alias of an alias can fill any memory.
func (p *page) plain(n *yaml.Node) bool {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		p.at(n, "anchors and aliases (& and *) are not used here: write the text out, "+
			"or in quotes if it is a text")
		return false
	case n.ShortTag() == "!!merge" && n.Style == 0:
		p.at(n, "<< is not used here: write the keys out")
		return false
	case n.Style&yaml.TaggedStyle != 0:
		p.at(n, "tags (!) are not used here: write a text that begins with ! in quotes")
		return false
	}
	return !slices.ContainsFunc(n.Content, func(child *yaml.Node) bool { return !p.plain(child) })
}

// explain puts the YAML library's word for what is wrong in terms of what the
// writer most likely did, and where.
func explain(e *yaml.LoadError, text string) (at *yaml.Node, why string) {
	at = &yaml.Node{Line: e.Mark.Line, Column: max(e.Mark.Column, 1)}
	before := []rune(lineAt(text, at.Line))
	before = before[:min(len(before), at.Column-1)]
	lone := strings.Contains(e.Message, "mapping values are not allowed") && !strings.Contains(string(before), ": ")
	if lone || strings.Contains(e.Message, "could not find expected ':'") {
		return misplacedKey(at, text)
	}
	return at, explainLine(e, text)
}

// misplacedKey tells of a key that the library takes for the rest of what stands above: of the line
// above where that is a key without its colon.
func misplacedKey(at *yaml.Node, text string) (*yaml.Node, string) {
	for n := at.Line - 1; n > 0; n-- {
		above := lineAt(text, n)
		said := strings.TrimSpace(above)
		switch {
		case said == "" || strings.HasPrefix(said, "#"):
			continue
		case strings.Contains(said, ": "):
			return at, "the line is indented as if it went on with the text above: let it begin where that line does"
		}
		return &yaml.Node{Line: n, Column: 1 + len(above) - len(strings.TrimLeft(above, " "))}, "a colon is missing: a key ends with a colon and a space"
	}
	return at, "a colon is missing, or here is one too many"
}

func explainLine(e *yaml.LoadError, text string) string {
	line, column := lineAt(text, e.Mark.Line), e.Mark.Column
	from := ""
	if column >= 1 && column-1 < len([]rune(line)) {
		from = string([]rune(line)[column-1:])
	}
	switch {
	case strings.HasPrefix(from, "\t") || strings.HasPrefix(line, "\t"):
		return "the line is indented with a tab: use spaces"
	case strings.HasPrefix(from, "@"):
		return "a key or text cannot begin with @: write it in quotes, or an XML attribute under $attrs"
	case strings.HasPrefix(from, "`"), strings.HasPrefix(from, "%"):
		return "a text cannot begin with " + from[:1] + ": write it in quotes"
	case strings.Contains(e.Message, "mapping values are not allowed") && strings.Contains(line, "${"):
		return "a colon and a space inside ${ } end the text: write the whole value in quotes, " +
			"or choose with $if or a table instead of ? :"
	case strings.Contains(e.Message, "mapping values are not allowed"):
		return "a second colon and space on the line: write the value in quotes"
	case strings.Contains(e.ContextMsg, "flow") && strings.Contains(line, "${"):
		return "inside { } and [ ] a ${ } must be written in double quotes"
	case strings.Contains(e.ContextMsg, "flow mapping"):
		return "a { is not ended by its }, or a comma is missing"
	case strings.Contains(e.ContextMsg, "flow sequence"):
		return "a [ is not ended by its ], or a comma is missing"
	case strings.Contains(e.ContextMsg, "quoted scalar"):
		return "a text in quotes is not ended"
	case strings.Contains(e.Message, "no documents"):
		return "the file is empty"
	case strings.Contains(e.Message, "multiple"):
		return "one file is one document: --- begins a second one"
	case strings.Contains(e.Message, "UTF-8"), strings.Contains(e.Message, "control characters"):
		return "the file is not plain UTF-8 text: save it as UTF-8"
	}
	return "this is not YAML that can be read: " + e.Message
}

// lineAt gives a line of text, counted from 1.
func lineAt(text string, n int) string {
	for ; n > 1; n-- {
		_, after, found := strings.Cut(text, "\n")
		if !found {
			return ""
		}
		text = after
	}
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// isNull reports whether nothing is written in a place.
func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// folderOf and baseOf name the parts of routes/FOLDER/BASE.yaml.
func folderOf(name string) string { return path.Base(path.Dir(name)) }
func baseOf(name string) string   { return strings.TrimSuffix(path.Base(name), ".yaml") }
