package declared

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// A Node is a value of a JSON document as document.ReadJSON gives it, or a *document.Element, of which a
// path begins with the name of a child.
type Node any

// What an answer may be, in bytes.
const (
	MaxAnswer = 1 << 20 // about one thing
	MaxList   = 8 << 20 // a list, and a document
)

// ReadNode reads a document of at most so many bytes. In XML a path begins with the name of the root.
func ReadNode(text []byte, isXML bool, most int64) (Node, error) {
	limits := document.Limits{Bytes: most, Elements: 1_000_000, Text: int(most)}
	if !isXML {
		return document.ReadJSON(text, limits)
	}
	root, err := document.ReadXML(bytes.NewReader(text), limits)
	if err != nil {
		return nil, err
	}
	return &document.Element{Children: []*document.Element{root}}, nil
}

// A Pointer is the way to something in a document: the segments of a JSON Pointer (RFC 6901), or the
// local names of XML elements, the last of which may be @ and the name of an attribute. Nil is
// nowhere; an empty one is the whole.
type Pointer []string

var (
	unescapePointer = strings.NewReplacer("~1", "/", "~0", "~")
	escapePointer   = strings.NewReplacer("/", "~1", "~", "~0")
)

// parsePointer reads what systems.yaml says. "" is nowhere and "/" the whole.
func parsePointer(text string) (Pointer, error) {
	switch {
	case text == "":
		return nil, nil
	case text == "/":
		return Pointer{}, nil
	case !strings.HasPrefix(text, "/"), strings.HasSuffix(text, "/"), strings.Contains(text, "//"):
		return nil, errors.New("a path into a document is written /NAME/NAME")
	}
	p := strings.Split(text[1:], "/")
	for i, segment := range p {
		p[i] = unescapePointer.Replace(segment)
	}
	return p, nil
}

// String gives a path that is somewhere as systems.yaml has it.
func (p Pointer) String() string {
	segments := make([]string, len(p))
	for i, name := range p {
		segments[i] = escapePointer.Replace(name)
	}
	return "/" + strings.Join(segments, "/")
}

// in gives what stands at p in n; nil for nothing.
func (p Pointer) in(n Node) Node {
	for i, name := range p {
		switch at := n.(type) {
		case map[string]any:
			n = at[name]
		case *document.Element:
			if attribute, is := strings.CutPrefix(name, "@"); is && i == len(p)-1 {
				return at.Attr(attribute)
			}
			child := at.Child(name)
			if child == nil {
				return nil
			}
			n = child
		case []any:
			n = item(at, name)
		default:
			return nil
		}
	}
	return n
}

// item gives one item of a list by its number, from 0.
func item(list []any, number string) Node {
	for i := range list {
		if fmt.Sprint(i) == number {
			return list[i]
		}
	}
	return nil
}

// longest is how long a number, a word or a cursor may be: what is longer is none.
const longest = 1000

// text gives the text or the number that stands at p, without surrounding blanks; "" for anything
// else, and for what is no name of anything.
func (p Pointer) text(n Node) string {
	if p == nil {
		return ""
	}
	var text string
	switch v := p.in(n).(type) {
	case string:
		text = v
	case json.Number:
		text = v.String()
	case *document.Element:
		if len(v.Children) == 0 {
			text = v.Text
		}
	}
	text = strings.TrimSpace(text)
	if len(text) > longest || strings.ContainsFunc(text, isControl) {
		return ""
	}
	return text
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// yes reports whether true stands at p.
func (p Pointer) yes(n Node) bool {
	return p != nil && (p.in(n) == true || p.text(n) == "true")
}

// list gives the items that stand at p, and whether there is a list there. In XML a list is all
// elements of the last name, but those that say of themselves that they are nothing (xsi:nil); its parent
// must be there, so that a wholly different document is not an empty list.
func (p Pointer) list(n Node) (items []Node, is bool) {
	if root, isXML := n.(*document.Element); isXML {
		if len(p) == 0 {
			return nil, false
		}
		last := len(p) - 1
		parent, _ := p[:last].in(root).(*document.Element)
		for _, e := range parent.All(p[last]) {
			if !isNil(e) {
				items = append(items, e)
			}
		}
		return items, parent != nil
	}
	all, is := p.in(n).([]any)
	for _, one := range all {
		items = append(items, one)
	}
	return items, is
}

func isNil(e *document.Element) bool {
	return len(e.Children) == 0 && (e.Attr("nil") == "true" || e.Attr("nil") == "1")
}

// A Word is where a system's own word stands: at one path, or at several, and then it is what stands
// there with a blank between.
type Word []Pointer

// String gives a Word as systems.yaml has it.
func (w Word) String() string {
	paths := make([]string, len(w))
	for i, p := range w {
		paths[i] = p.String()
	}
	return strings.Join(paths, " + ")
}

func (w Word) text(n Node) string {
	var said []string
	for _, p := range w {
		if text := p.text(n); text != "" {
			said = append(said, text)
		}
	}
	return strings.Join(said, " ")
}

// layouts are how systems write a time without a zone, which is Swedish.
var layouts = []string{"2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", time.DateOnly}

// parseTime reads RFC 3339, or a time without a zone.
func parseTime(text string) (time.Time, bool) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, true
	}
	var read time.Time
	is := slices.ContainsFunc(layouts, func(layout string) bool {
		t, err := time.ParseInLocation(layout, text, hub.Stockholm)
		read = t
		return err == nil
	})
	return read, is
}
