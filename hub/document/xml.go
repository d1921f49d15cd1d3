package document

import (
	"io"
	"strings"
)

// An Element is one XML element, read or to be written. What was read can be hung into what is written.
// The methods may be called on a nil Element, which has nothing: a missing element at the end of a
// long path is an empty text and not a panic.
type Element struct {
	Name     string // as it stands in the document, with its prefix
	Attrs    []Attr // xmlns declarations among them
	Text     string // of a leaf; text, CDATA and references joined
	Children []*Element

	space string
	line  int
}

// An Attr is one attribute, named as it stands in the document, with its prefix.
type Attr struct{ Name, Value string }

// A Divert is asked at each start tag, with the local names from the root down, where the text of
// that element shall go: nil keeps it in the tree, a writer receives it as it is read. The element
// itself stays in the tree as an empty leaf. The path is only lent.
type Divert func(path []string) io.Writer

// ReadXML reads one XML document.
//
// It reads UTF-8, ISO-8859-1 and windows-1252; XML 1.1 as 1.0, except that a reference to a control
// character, which 1.0 forbids, stays in the text. It refuses, with a *SyntaxError, any DOCTYPE or
// processing instruction, a second root, text outside the root, an undeclared prefix, a duplicate
// attribute, a comment within a leaf's text, and what exceeds the limits. Nothing is ever fetched.
// An error of r itself is returned wrapped.
func ReadXML(r io.Reader, limits Limits) (*Element, error) {
	return ReadXMLDiverting(r, limits, nil)
}

// ReadXMLDiverting reads as ReadXML does and streams the text of some leaves to writers instead of
// holding it. An error of such a writer ends the reading and is returned, wrapped.
func ReadXMLDiverting(r io.Reader, limits Limits, divert Divert) (*Element, error) {
	limits = limits.or(Limits{Bytes: 5 << 20, Depth: 100, Elements: 50_000, Attributes: 256})
	return readXML(r, limits.or(Limits{Text: int(limits.Bytes)}), reading{divert: divert})
}

// Local returns the name without its prefix.
func (e *Element) Local() string {
	if e == nil {
		return ""
	}
	_, local := splitName(e.Name)
	return local
}

// Space returns the URI of the namespace in which ReadXML found the element, or "".
func (e *Element) Space() string {
	if e == nil {
		return ""
	}
	return e.space
}

// Line returns the line on which ReadXML found the element, from 1.
func (e *Element) Line() int {
	if e == nil {
		return 0
	}
	return e.line
}

// Attr returns the value of the attribute with a local name, or "". Namespace declarations are not
// attributes here.
func (e *Element) Attr(local string) string {
	if e == nil {
		return ""
	}
	for _, a := range e.Attrs {
		if prefix, name := splitName(a.Name); name == local && prefix != "xmlns" && a.Name != "xmlns" {
			return a.Value
		}
	}
	return ""
}

// Child returns the first child with a local name, or nil.
func (e *Element) Child(local string) *Element {
	if e == nil {
		return nil
	}
	for _, c := range e.Children {
		if c.Local() == local {
			return c
		}
	}
	return nil
}

// Path returns the first element at the end of a path of local names ("Body/Response/Id"), or nil. It
// looks no further than the first element of each name on the way.
func (e *Element) Path(path string) *Element {
	for local := range strings.SplitSeq(path, "/") {
		e = e.Child(local)
	}
	return e
}

// All returns every element at the end of a path of local names, in document order.
func (e *Element) All(path string) []*Element {
	if e == nil {
		return nil
	}
	local, rest, more := strings.Cut(path, "/")
	var all []*Element
	for _, c := range e.Children {
		switch {
		case c.Local() != local:
		case more:
			all = append(all, c.All(rest)...)
		default:
			all = append(all, c)
		}
	}
	return all
}

// Value returns the text of the first element at the end of a path, without surrounding blanks, or "".
func (e *Element) Value(path string) string {
	if e = e.Path(path); e == nil {
		return ""
	}
	return strings.TrimSpace(e.Text)
}

// Tree returns the content of e for a form's schema to type: an element with children becomes a
// map[string]any by local names in which a repeated child is a []any and a single one stands alone; a
// leaf becomes its text. Attributes are not part of it, and text between children stands under "#text".
func (e *Element) Tree() any {
	if e == nil {
		return nil
	}
	if len(e.Children) == 0 {
		return e.Text
	}
	tree := make(map[string]any, len(e.Children))
	if e.Text != "" {
		tree["#text"] = e.Text
	}
	repeated := make(map[string]bool)
	for _, c := range e.Children {
		name := c.Local()
		before, is := tree[name]
		switch {
		case !is:
			tree[name] = c.Tree()
		case repeated[name]:
			tree[name] = append(before.([]any), c.Tree())
		default:
			tree[name] = []any{before, c.Tree()}
			repeated[name] = true
		}
	}
	return tree
}
