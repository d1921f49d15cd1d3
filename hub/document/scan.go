package document

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// A scanner reads one XML document from characters to a tree, in one pass and in little memory. Its
// methods leave by panicking with a failure, which readXML alone catches: a grammar of twenty small
// functions reads as a grammar only without an error check behind every call.
type scanner struct {
	chars  *charReader
	xml11  bool
	limits Limits
	reading

	window []byte // characters not yet taken
	over   error  // why no more will come: io.EOF or a *charError
	line   int
	kept   int64 // bytes taken, diverted ones not counted

	root     *Element
	open     []frame
	path     []string // the local names of open
	bindings []binding
	elements int
	listed   bool // the list of records has begun

	text []byte           // the text run that is being read
	seen map[binding]bool // the attributes of one element, for finding twins
}

// A reading is what shall be done with a document beside holding it: nothing, when it is zero.
type reading struct {
	divert  Divert
	records *Records
}

// A frame is an element whose end tag has not come.
type frame struct {
	element   *Element
	bindings  int       // how many were in force outside it
	sink      io.Writer // takes its text, when diverted
	mixed     []byte    // its text so far that stands beside children
	commented bool
}

// A binding is a namespace prefix and its URI; in scanner.seen, an attribute's local name and its URI.
type binding struct{ name, space string }

type failure struct{ err error }

func readXML(r io.Reader, limits Limits, as reading) (root *Element, err error) {
	start := make([]byte, longestProlog)
	n, err := io.ReadFull(r, start)
	if err != nil && err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("read XML: %w", err)
	}
	start = start[:n]
	head, kind := readProlog(start)
	if kind != "" {
		return nil, &SyntaxError{Kind: kind, Line: 1}
	}
	s := &scanner{
		chars:  newCharReader(io.MultiReader(bytes.NewReader(start[head.length:]), r), head.charset),
		xml11:  head.xml11,
		limits: limits, reading: as,
		line: 1 + bytes.Count(start[:head.length], []byte("\n")),
		kept: int64(head.length),
		seen: make(map[binding]bool),
	}
	defer func() {
		if left := recover(); left != nil {
			failed, ours := left.(failure)
			if !ours {
				panic(left)
			}
			root, err = nil, failed.err
		}
	}()
	s.document()
	return s.root, nil
}

func (s *scanner) fail(kind Kind) { panic(failure{&SyntaxError{Kind: kind, Line: s.line}}) }

// document = misc* element misc*, where misc is blanks and comments.
func (s *scanner) document() {
	for s.blanks(); !s.atEnd(); s.blanks() {
		if s.next() != '<' {
			s.fail(s.outside())
		}
		switch c := s.peek(); {
		case c == '!':
			s.next()
			s.comment()
		case s.root != nil && c != '?':
			s.fail(Trailing)
		default:
			s.element()
		}
	}
	if s.root == nil {
		s.fail(Empty)
	}
}

func (s *scanner) outside() Kind {
	if s.root != nil {
		return Trailing
	}
	return Malformed
}

// element reads from behind the '<' of a start tag to its end tag, with all that is between. It does not
// call itself: the depth of a document is not the depth of our stack.
func (s *scanner) element() {
	s.startTag()
	for len(s.open) > 0 {
		s.characters()
		s.next() // '<'
		switch s.peek() {
		case '/':
			s.next()
			s.endTag()
		case '!':
			s.next()
			if s.peek() == '[' {
				s.cdata()
			} else {
				s.comment()
				s.open[len(s.open)-1].commented = true
			}
		default:
			s.startTag()
		}
	}
}

func (s *scanner) startTag() {
	e := &Element{Name: s.name(), line: s.line}
	if s.elements++; s.elements > s.limits.Elements {
		s.fail(TooLarge)
	}
	s.hang(e)
	outside := len(s.bindings)
	empty := s.attributes(e)
	s.resolve(e)
	s.open = append(s.open, frame{element: e, bindings: outside})
	s.path = append(s.path, e.Local())
	if len(s.open) > s.limits.Depth {
		s.fail(TooDeep)
	}
	if s.divert != nil {
		s.open[len(s.open)-1].sink = s.divert(s.path)
	}
	s.beginList()
	if empty {
		s.close()
	}
}

// hang puts e where it belongs in the tree and settles the text before it: blanks between elements are
// layout.
func (s *scanner) hang(e *Element) {
	if len(s.open) == 0 {
		s.root = e
		return
	}
	parent := &s.open[len(s.open)-1]
	if parent.sink != nil {
		s.fail(Malformed) // only a leaf can be diverted
	}
	s.keepMixed(parent)
	parent.element.Children = append(parent.element.Children, e)
}

func (s *scanner) keepMixed(f *frame) {
	if !isBlank(s.text) {
		if s.isList() {
			s.fail(Malformed)
		}
		f.mixed = append(f.mixed, s.text...)
	}
	s.text = s.text[:0]
}

func (s *scanner) endTag() {
	var buffer [64]byte
	name := s.nameBytes(buffer[:0])
	s.blanks()
	if s.next() != '>' || string(name) != s.open[len(s.open)-1].element.Name {
		s.fail(Malformed)
	}
	s.close()
}

func (s *scanner) close() {
	f := &s.open[len(s.open)-1]
	e := f.element
	if s.isList() && !isBlank(s.text) {
		s.fail(Malformed) // nobody would ever hear of it
	}
	switch {
	case f.sink != nil:
		s.drain(f.sink)
	case len(f.element.Children) > 0:
		s.keepMixed(f)
		f.element.Text = string(f.mixed)
	default:
		f.element.Text = string(s.text)
		s.text = s.text[:0]
	}
	if f.commented && (f.sink != nil || !isBlank(f.element.Text)) {
		s.fail(Malformed) // 1912<!-- -->12121212 is read in two ways
	}
	s.bindings = s.bindings[:f.bindings]
	s.open = s.open[:len(s.open)-1]
	s.path = s.path[:len(s.path)-1]
	s.handOver(e)
}

// attributes reads up to the end of the start tag and says whether the element ends there, too.
func (s *scanner) attributes(e *Element) (empty bool) {
	for {
		spaced := s.blanks()
		switch s.peek() {
		case '>':
			s.next()
			return false
		case '/':
			s.next()
			if s.next() != '>' {
				s.fail(Malformed)
			}
			return true
		}
		if !spaced {
			s.fail(Malformed)
		}
		if len(e.Attrs) == s.limits.Attributes {
			s.fail(TooLarge)
		}
		name := s.name()
		s.blanks()
		if s.next() != '=' {
			s.fail(Malformed)
		}
		s.blanks()
		e.Attrs = append(e.Attrs, Attr{name, s.attributeValue()})
	}
}

func (s *scanner) attributeValue() string {
	quote := s.next()
	if quote != '"' && quote != '\'' {
		s.fail(Malformed)
	}
	value := make([]byte, 0, 32)
	for {
		switch c := s.next(); c {
		case quote:
			return string(value)
		case '<':
			s.fail(Malformed)
		case '&':
			value = s.reference(value)
		case '\r':
			if s.peek() != '\n' {
				value = append(value, ' ')
			}
		case '\n', '\t':
			value = append(value, ' ')
		default:
			value = append(value, c)
		}
		if len(value) > s.limits.Text {
			s.fail(TooLarge)
		}
	}
}

const (
	xmlSpace   = "http://www.w3.org/XML/1998/namespace"
	xmlnsSpace = "http://www.w3.org/2000/xmlns/"
)

// resolve finds the namespaces of an element and its attributes, and refuses twins among these: also
// two prefixes for one namespace.
func (s *scanner) resolve(e *Element) {
	for _, a := range e.Attrs {
		prefix, local := splitName(a.Name)
		switch {
		case a.Name == "xmlns":
			s.bind("", a.Value, a.Value != xmlSpace && a.Value != xmlnsSpace)
		case prefix == "xmlns" && local == "xml":
			s.bind("xml", a.Value, a.Value == xmlSpace)
		case prefix == "xmlns":
			s.bind(local, a.Value, local != "xmlns" && a.Value != "" &&
				a.Value != xmlSpace && a.Value != xmlnsSpace)
		}
	}
	prefix, _ := splitName(e.Name)
	e.space = s.spaceOf(prefix)
	clear(s.seen)
	for _, a := range e.Attrs {
		prefix, local := splitName(a.Name)
		key := binding{name: local}
		if prefix != "" {
			key.space = s.spaceOf(prefix)
		}
		if len(e.Attrs) == 1 {
			return
		}
		if s.seen[key] {
			s.fail(Malformed)
		}
		s.seen[key] = true
	}
}

func (s *scanner) bind(prefix, space string, allowed bool) {
	if !allowed {
		s.fail(Malformed)
	}
	s.bindings = append(s.bindings, binding{prefix, space})
	if len(s.bindings) > s.limits.Attributes {
		s.fail(TooLarge) // each name looks through all that are in force
	}
}

func (s *scanner) spaceOf(prefix string) string {
	for i := len(s.bindings) - 1; i >= 0; i-- {
		if s.bindings[i].name == prefix {
			return s.bindings[i].space
		}
	}
	switch prefix {
	case "":
		return ""
	case "xml":
		return xmlSpace
	case "xmlns":
		return xmlnsSpace
	}
	s.fail(Malformed)
	return ""
}

const longestName = 1024

// name reads an element's or attribute's name.
func (s *scanner) name() string {
	var buffer [64]byte
	name := string(s.nameBytes(buffer[:0]))
	if !isQualifiedName(name) {
		s.fail(Malformed)
	}
	return name
}

func (s *scanner) nameBytes(name []byte) []byte {
	for isNameByte(s.peek()) {
		name = append(name, s.next())
		if len(name) > longestName {
			s.fail(TooLarge)
		}
	}
	return name
}

func (s *scanner) expect(literal string) {
	for i := range len(literal) {
		if s.next() != literal[i] {
			s.fail(Malformed)
		}
	}
}

// blanks skips white space and says whether there was any.
func (s *scanner) blanks() (any bool) {
	for !s.atEnd() {
		switch s.peek() {
		case ' ', '\t', '\r', '\n':
			s.next()
			any = true
		default:
			return any
		}
	}
	return any
}

func isBlank[T string | []byte](text T) bool {
	for i := range len(text) {
		if c := text[i]; c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return false
		}
	}
	return true
}

func (s *scanner) next() byte {
	c := s.peek()
	if c == '\n' {
		s.line++
	}
	s.advance(1)
	return c
}

func (s *scanner) peek() byte {
	if len(s.window) == 0 {
		s.fill()
	}
	return s.window[0]
}

// fill makes sure that there are characters to take.
func (s *scanner) fill() {
	if s.atEnd() {
		s.fail(Truncated)
	}
}

// atEnd says whether the document is over, waiting for more of it where that is not known.
func (s *scanner) atEnd() bool {
	for len(s.window) == 0 && s.over == nil {
		s.window, s.over = s.chars.more()
	}
	if len(s.window) > 0 {
		return false
	}
	var bad *charError
	switch {
	case s.over == io.EOF:
		return true
	case errors.As(s.over, &bad):
		s.fail(bad.kind)
	}
	panic(failure{fmt.Errorf("read XML: %w", s.over)})
}

func (s *scanner) advance(n int) {
	s.window = s.window[n:]
	if len(s.open) > 0 && s.open[len(s.open)-1].sink != nil {
		return
	}
	if s.kept += int64(n); s.kept > s.limits.Bytes {
		s.fail(TooLarge)
	}
}
