package document

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// In tells at which line and column of the text, both from 1, what is no document ceases to be one.
// Column is 0 in XML.
func (e *SyntaxError) In(text []byte) (line, column int) {
	if e.Line > 0 {
		return e.Line, 0
	}
	return placeIn(text, int(e.Offset))
}

// Explain says to whoever wrote the text what to look for at the place that In tells.
func (e *SyntaxError) Explain() string {
	format, look := "JSON", "a comma, a quote or a bracket is missing, or there is one too many"
	if e.Line > 0 {
		format, look = "XML", "a <, a quote or an end tag is missing, or there is one too many"
	}
	switch e.Kind {
	case Malformed:
		return "this is no " + format + " from here on: " + look
	case Truncated:
		return "the " + format + " ends in the middle: something is not closed"
	case Empty:
		return "the file is empty"
	case Trailing:
		return "something stands after the end of the " + format
	case DuplicateKey:
		return "a name comes twice in the same place, also when only upper and lower case differ"
	}
	return e.Error()
}

// PointerStep writes a member's name as a step of a JSON pointer (RFC 6901).
func PointerStep(name string) string { return pointerSteps.Replace(name) }

// PointerName gives the member's name that such a step is of.
func PointerName(step string) string { return pointerNames.Replace(step) }

var (
	pointerSteps = strings.NewReplacer("~", "~0", "/", "~1")
	pointerNames = strings.NewReplacer("~1", "/", "~0", "~")
)

// Pointed tells at which line and column of a JSON text, both from 1, the value of a pointer (RFC
// 6901) begins; of what is not there, where that begins which it would be in.
func Pointed(text []byte, pointer string) (line, column int) {
	tokens := jsontext.NewDecoder(bytes.NewReader(text), jsontext.AllowDuplicateNames(true))
	deepest, at := 0, 0
	for {
		token, err := tokens.ReadToken()
		if err != nil {
			return placeIn(text, at)
		}
		here := string(tokens.StackPointer())
		if isEnd(token) || isMemberName(tokens) || !leads(here, pointer) {
			continue
		}
		if end := int(tokens.InputOffset()); len(here) > deepest || here == "" {
			deepest, at = len(here), end-lengthOf(token, text, end)
		}
		if here == pointer {
			return placeIn(text, at)
		}
	}
}

func isEnd(token jsontext.Token) bool {
	return token.Kind() == jsontext.KindEndObject || token.Kind() == jsontext.KindEndArray
}

// leads tells whether a pointer is another, or that of something which the other's is in.
func leads(pointer, to string) bool {
	return len(pointer) <= len(to) && to[:len(pointer)] == pointer && (len(pointer) == len(to) || to[len(pointer)] == '/')
}

// isMemberName tells whether the token that was read last is the name of a member, and its value comes yet.
func isMemberName(tokens *jsontext.Decoder) bool {
	kind, length := tokens.StackIndex(tokens.StackDepth())
	return kind == jsontext.KindBeginObject && length%2 == 1
}

// lengthOf counts the bytes of a token that ends at a place of the text.
func lengthOf(token jsontext.Token, text []byte, end int) int {
	if token.Kind() != jsontext.KindString {
		return len(token.String())
	}
	start := bytes.LastIndexByte(text[:end-1], '"')
	for start > 0 && text[start-1] == '\\' {
		start = bytes.LastIndexByte(text[:start-1], '"')
	}
	return end - start
}

// placeIn tells the line and the column of a byte, both from 1.
func placeIn(text []byte, offset int) (line, column int) {
	before := text[:min(max(offset, 0), len(text))]
	start := bytes.LastIndexByte(before, '\n') + 1
	return 1 + bytes.Count(before, []byte("\n")), 1 + utf8.RuneCount(before[start:])
}
