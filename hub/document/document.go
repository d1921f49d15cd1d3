// Package document reads and writes the documents that cross Knutpunkt's border: XML and JSON from
// form platforms, registers and business systems, and XML and JSON to them. It trusts nothing that
// it reads and writes nothing that the reader would understand differently from the writer.
//
// It is the only door to four libraries (etree, xsd, jsonschema, go-json-experiment), because each
// of them is safe only with the checks that stand here, and each of them quotes data in its errors.
// No error of this package holds a value, a name or a number out of a document: only what kind of
// fault it is and where it stands.
//
// XML is read by a scanner of our own and not by etree, for three reasons. The platforms send what
// encoding/xml, on which etree stands, cannot read: XML 1.1, references to control characters, and
// ISO-8859-1. A form may carry a file of 100 MiB in one leaf, which encoding/xml would hold whole
// in memory. And etree accepts two roots, undeclared prefixes, duplicate attributes and a DOCTYPE.
// XML is written with etree, after names and characters have been checked.
//
// The package imports nothing of ours.
package document

import (
	"fmt"
)

// Limits bound what reading one document may cost. A zero field means the default.
type Limits struct {
	Bytes      int64 // of the document, diverted leaves not counted; 5 MiB for XML, 2 MiB for JSON
	Depth      int   // of nesting; 100 for XML, 64 for JSON
	Elements   int   // elements in XML, values in JSON; 50,000
	Attributes int   // of one element, and namespaces in force at once; 256
	Text       int   // bytes of one text; as Bytes for XML, 1 MiB for JSON
}

func (l Limits) or(d Limits) Limits {
	if l.Bytes == 0 {
		l.Bytes = d.Bytes
	}
	if l.Depth == 0 {
		l.Depth = d.Depth
	}
	if l.Elements == 0 {
		l.Elements = d.Elements
	}
	if l.Attributes == 0 {
		l.Attributes = d.Attributes
	}
	if l.Text == 0 {
		l.Text = d.Text
	}
	return l
}

// A Kind says in which way a document is not one. It is the same word in the problem that a caller
// is answered with.
type Kind string

const (
	Malformed    Kind = "malformed"           // breaks the grammar, or our narrower reading of it
	Empty        Kind = "empty"               // nothing, or only blanks
	Truncated    Kind = "truncated"           // ends in the middle
	Trailing     Kind = "trailing"            // something follows the one document
	DuplicateKey Kind = "duplicate-key"       // a member named twice, also when only upper and lower case differ
	Encoding     Kind = "encoding"            // not the characters that it says, or a charset we do not read
	Doctype      Kind = "doctype-not-allowed" // a DOCTYPE, of any sort
	TooDeep      Kind = "too-deep"            // nested beyond Limits.Depth
	TooLarge     Kind = "too-large"           // beyond another of the Limits
)

// A SyntaxError says that what was read is no document. It holds nothing of what was read.
type SyntaxError struct {
	Kind   Kind
	Line   int   // in XML, from 1
	Offset int64 // in JSON, bytes from the start
}

func (e *SyntaxError) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("XML: %s at line %d", e.Kind, e.Line)
	}
	return fmt.Sprintf("JSON: %s at byte %d", e.Kind, e.Offset)
}

// A FieldError says that a well-formed envelope has the wrong thing in one place. Pointer is an RFC
// 6901 pointer made of names that the receiving type declares: a name the caller made up is cut off.
type FieldError struct {
	Pointer string
	Code    string // UnknownProperty, WrongType or ControlCharacter
}

// The codes of a FieldError.
const (
	UnknownProperty  = "unknown-property"
	WrongType        = "wrong-type"
	ControlCharacter = "control-character"
)

func (e *FieldError) Error() string { return fmt.Sprintf("JSON: %s at %q", e.Code, e.Pointer) }
