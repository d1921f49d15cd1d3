package document

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// This file is the half of the scanner that reads what stands between tags.

// characters reads text up to the next '<', which it leaves.
func (s *scanner) characters() {
	brackets := 0
	for {
		s.plain(&endsText)
		c := s.peek()
		if c == '<' {
			return
		}
		s.next()
		switch c {
		case '&':
			s.text = s.reference(s.text)
		case '\r':
			s.newline()
		case ']':
			s.text = append(s.text, ']')
			if s.peek() == ']' {
				brackets++
				continue
			}
			if brackets > 0 && s.peek() == '>' {
				s.fail(Malformed) // ]]> may not stand in text
			}
		}
		brackets = 0
	}
}

// cdata reads from the '[' of "<![CDATA[" to behind its "]]>".
func (s *scanner) cdata() {
	s.expect("[CDATA[")
	for {
		s.plain(&endsCDATA)
		if s.next() == '\r' {
			s.newline()
			continue
		}
		brackets := 1 // one has been taken
		for s.peek() == ']' {
			s.next()
			brackets++
		}
		if brackets >= 2 && s.peek() == '>' {
			s.next()
			s.text = append(s.text, strings.Repeat("]", brackets-2)...)
			return
		}
		s.text = append(s.text, strings.Repeat("]", brackets)...)
	}
}

func (s *scanner) newline() {
	if s.peek() != '\n' {
		s.text = append(s.text, '\n')
	}
}

// The bytes at which a stretch of plain characters ends.
var (
	endsText  = [256]bool{'<': true, '&': true, '\r': true, ']': true}
	endsCDATA = [256]bool{'\r': true, ']': true}
)

// plain takes the text up to a byte that ends it.
func (s *scanner) plain(ends *[256]bool) {
	for {
		s.fill()
		n := 0
		for n < len(s.window) && !ends[s.window[n]] {
			n++
		}
		s.text = append(s.text, s.window[:n]...)
		s.line += bytes.Count(s.window[:n], []byte("\n"))
		s.advance(n)
		s.bound()
		if len(s.window) > 0 {
			return
		}
	}
}

// bound keeps the text run within its limit, and hands on what is diverted.
func (s *scanner) bound() {
	if sink := s.open[len(s.open)-1].sink; sink != nil {
		s.drain(sink)
	} else if len(s.text) > s.limits.Text {
		s.fail(TooLarge)
	}
}

func (s *scanner) drain(sink io.Writer) {
	if len(s.text) == 0 {
		return
	}
	if _, err := sink.Write(s.text); err != nil {
		panic(failure{fmt.Errorf("divert XML text: %w", err)})
	}
	s.text = s.text[:0]
}

// comment reads from behind "<!" to behind "-->". Nothing else that begins so is let in.
func (s *scanner) comment() {
	if c := s.peek(); c == 'D' || c == 'd' {
		s.fail(Doctype)
	}
	s.expect("--")
	for dashes := 0; dashes < 2; {
		if s.next() == '-' {
			dashes++
		} else {
			dashes = 0
		}
	}
	s.expect(">")
}

// reference appends to text what stands between '&', already taken, and ';'.
func (s *scanner) reference(text []byte) []byte {
	var spelt [10]byte
	n := 0
	for c := s.next(); c != ';'; c = s.next() {
		if n == len(spelt) || c != '#' && !isNameByte(c) {
			s.fail(Malformed)
		}
		spelt[n] = c
		n++
	}
	switch name := string(spelt[:n]); name {
	case "amp":
		return append(text, '&')
	case "lt":
		return append(text, '<')
	case "gt":
		return append(text, '>')
	case "quot":
		return append(text, '"')
	case "apos":
		return append(text, '\'')
	default:
		r, ok := referredRune(name)
		if !ok || !isCharacter(r) && !(s.xml11 && 0 < r && r < ' ') {
			s.fail(Malformed)
		}
		return utf8.AppendRune(text, r)
	}
}

// referredRune reads "#65" or "#x41".
func referredRune(spelt string) (rune, bool) {
	digits, numeric := strings.CutPrefix(spelt, "#")
	base := rune(10)
	if hex, is := strings.CutPrefix(digits, "x"); is {
		digits, base = hex, 16
	}
	if !numeric || digits == "" {
		return 0, false
	}
	var r rune
	for _, c := range []byte(digits) {
		d := rune(strings.IndexByte("0123456789abcdef", c|0x20))
		if c < 'A' {
			d = rune(c) - '0'
		}
		if d < 0 || d >= base {
			return 0, false
		}
		if r = r*base + d; r > utf8.MaxRune {
			return 0, false
		}
	}
	return r, true
}

// isCharacter is XML 1.0's Char.
func isCharacter(r rune) bool {
	return r >= ' ' && r < 0xD800 || r == '\t' || r == '\n' || r == '\r' ||
		r >= 0xE000 && r < 0xFFFE || r >= 0x10000 && r <= utf8.MaxRune
}
