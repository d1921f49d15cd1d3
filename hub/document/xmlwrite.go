package document

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/beevik/etree"
)

// A Style says how WriteXML lays a document out.
type Style struct {
	Charset Charset // UTF8 when empty
	Indent  int     // blanks per level; 0 writes everything on one line
	Bare    bool    // no XML declaration: a fragment that will stand inside another document
}

// WriteXML writes root and everything below it. The same tree always gives the same bytes. It never
// mangles: a character that XML or the charset lacks is a *CharacterError; a name that is no XML name,
// comes twice or has an undeclared prefix is a *NameError; so is text beside children, the order of
// which an Element cannot tell.
func WriteXML(root *Element, style Style) ([]byte, error) {
	if style.Charset == "" {
		style.Charset = UTF8
	}
	w := xmlWriter{charset: style.Charset}
	tree, err := w.build(root, place{})
	if err != nil {
		return nil, err
	}
	doc := etree.NewDocumentWithRoot(tree)
	// The canonical forms keep CR, LF and TAB as references where a reader would otherwise change them.
	doc.WriteSettings = etree.WriteSettings{CanonicalText: true, CanonicalAttrVal: true}
	if style.Indent > 0 {
		indent := etree.NewIndentSettings()
		indent.Spaces = style.Indent
		indent.PreserveLeafWhitespace = true
		doc.IndentWithSettings(indent)
	}
	var out bytes.Buffer
	if !style.Bare {
		fmt.Fprintf(&out, "<?xml version=\"1.0\" encoding=%q?>\n", style.Charset)
	}
	if _, err := doc.WriteTo(&out); err != nil {
		return nil, fmt.Errorf("write XML: %w", err)
	}
	return style.Charset.fromUTF8(out.Bytes()), nil
}

// A CharacterError says that a text holds a character which cannot be written. Path is made of element
// names; the character itself is not told.
type CharacterError struct {
	Path  string
	Class string // "a control character", "a noncharacter", "not UTF-8" or "not in ISO-8859-1"
}

func (e *CharacterError) Error() string {
	return fmt.Sprintf("write XML: a character in %s is %s", e.Path, e.Class)
}

// A NameError says that an element cannot be written as it is named or put together. Path is made of
// the element names above it.
type NameError struct {
	Path  string
	Fault string
}

func (e *NameError) Error() string {
	return fmt.Sprintf("write XML: %s in %s", e.Fault, e.Path)
}

type xmlWriter struct {
	charset  Charset
	bindings []string // the prefixes in force
}

// A place is where an element stands: its name and the places above.
type place struct {
	above *place
	name  string
}

func (p *place) String() string {
	if p == nil || p.name == "" {
		return "/"
	}
	return strings.TrimSuffix(p.above.String(), "/") + "/" + p.name
}

func (w *xmlWriter) build(e *Element, above place) (*etree.Element, error) {
	if e == nil || !w.isName(e.Name) {
		return nil, &NameError{above.String(), "a name that XML does not allow"}
	}
	here := place{&above, e.Name}
	if e.Text != "" && len(e.Children) > 0 {
		return nil, &NameError{here.String(), "text beside children"}
	}
	outside := len(w.bindings)
	defer func() { w.bindings = w.bindings[:outside] }()
	prefix, local := splitName(e.Name)
	made := &etree.Element{Space: prefix, Tag: local}
	if err := w.addAttributes(made, e, here); err != nil {
		return nil, err
	}
	if !w.declared(prefix) {
		return nil, &NameError{above.String(), "a prefix that is not declared"}
	}
	if e.Text != "" {
		if class := w.unwritable(e.Text); class != "" {
			return nil, &CharacterError{here.String(), class}
		}
		made.SetText(e.Text)
	}
	for _, c := range e.Children {
		child, err := w.build(c, here)
		if err != nil {
			return nil, err
		}
		made.AddChild(child)
	}
	return made, nil
}

func (w *xmlWriter) addAttributes(made *etree.Element, e *Element, here place) error {
	made.Attr = make([]etree.Attr, 0, len(e.Attrs))
	for _, a := range e.Attrs {
		if !w.isName(a.Name) {
			return &NameError{here.String(), "an attribute name that XML does not allow"}
		}
		if class := w.unwritable(a.Value); class != "" {
			return &CharacterError{here.String(), class}
		}
		prefix, local := splitName(a.Name)
		for _, before := range made.Attr {
			if before.Space == prefix && before.Key == local {
				return &NameError{here.String(), "an attribute twice"}
			}
		}
		if prefix == "xmlns" {
			if a.Value == "" {
				return &NameError{here.String(), "a prefix for no namespace"}
			}
			w.bindings = append(w.bindings, local)
		}
		made.Attr = append(made.Attr, etree.Attr{Space: prefix, Key: local, Value: a.Value})
	}
	for _, a := range made.Attr {
		if !w.declared(a.Space) {
			return &NameError{here.String(), "an attribute prefix that is not declared"}
		}
	}
	return nil
}

func (w *xmlWriter) declared(prefix string) bool {
	if prefix == "" || prefix == "xml" || prefix == "xmlns" {
		return true
	}
	for _, known := range w.bindings {
		if known == prefix {
			return true
		}
	}
	return false
}

func (w *xmlWriter) isName(name string) bool {
	return isQualifiedName(name) && w.unwritable(name) == ""
}

// unwritable returns the class of the first character in text that cannot be written, or "".
func (w *xmlWriter) unwritable(text string) string {
	for i := 0; i < len(text); {
		if b := text[i]; b >= ' ' && b < utf8.RuneSelf {
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			return "not UTF-8"
		case r < ' ' && !isCharacter(r):
			return "a control character"
		case !isCharacter(r):
			return "a noncharacter"
		}
		if w.charset != UTF8 {
			if _, ok := w.charset.encode(r); !ok {
				return "not in " + string(w.charset)
			}
		}
		i += size
	}
	return ""
}

// fromUTF8 turns text of which every character is known to be in the charset into its bytes.
func (c Charset) fromUTF8(text []byte) []byte {
	if c == UTF8 {
		return text
	}
	out := make([]byte, 0, len(text))
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		b, _ := c.encode(r)
		out = append(out, b)
		text = text[size:]
	}
	return out
}
