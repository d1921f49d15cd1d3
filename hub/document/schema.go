package document

import (
	"fmt"
	"strings"
)

// A Validator holds documents against one compiled schema. It is safe for concurrent use.
type Validator interface {
	// Validate returns nil, a *SyntaxError where doc is no document, or a *ValidationError with
	// everything that was found.
	Validate(doc []byte) error

	// Shape tells of the schema what can be told before there is a document; nil for nothing. In
	// XML it is that of the place where the root element stands.
	Shape() *Shape
}

// A SchemaError says what is wrong with a schema itself, and where. It quotes the schema.
type SchemaError struct {
	File   string // its name in the folder of schemas
	Line   int    // from 1
	Column int    // from 1; 0 where it is not known
	Text   string
}

func (e *SchemaError) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Text) }

// A ValidationError lists where a document breaks its schema.
type ValidationError struct{ Violations []Violation }

// A Violation is one broken rule. It says where and which, and never which value broke it.
type Violation struct {
	Line    int      // in XML, from 1
	Path    string   // of element names in XML; a pointer in JSON, where a name the schema lacks is *
	Rule    string   // the schema's word where there is one ("enumeration", "required"), or "content" and such
	Allowed []string // what the schema would have taken, where the rule is a list
}

func (v Violation) String() string {
	var s strings.Builder
	if v.Line > 0 {
		fmt.Fprintf(&s, "line %d: ", v.Line)
	}
	fmt.Fprintf(&s, "%s breaks %s", v.Path, v.Rule)
	if len(v.Allowed) > 0 {
		fmt.Fprintf(&s, ", which allows %s", strings.Join(v.Allowed, ", "))
	}
	return s.String()
}

func (e *ValidationError) Error() string {
	lines := make([]string, len(e.Violations))
	for i, v := range e.Violations {
		lines[i] = v.String()
	}
	return "does not fit its schema: " + strings.Join(lines, "; ")
}
