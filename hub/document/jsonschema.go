package document

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// CompileJSONSchema compiles the JSON Schema (2020-12 unless it says otherwise) in the file name of
// fsys. Formats are asserted, and every $ref must stay within fsys. What is wrong with a file is a
// *SchemaError.
func CompileJSONSchema(fsys fs.FS, name string) (Validator, error) {
	schema, err := compileJSONSchema(fsys, name)
	if err != nil {
		return nil, err
	}
	return &jsonValidator{schema, describe(schema), jsonShaper{}.shape(schema)}, nil
}

type jsonValidator struct {
	schema *jsonschema.Schema
	root   *Type
	shape  *Shape
}

func (v *jsonValidator) Shape() *Shape { return v.shape }

func (v *jsonValidator) Validate(doc []byte) error {
	tree, err := ReadJSON(doc, Limits{})
	if err != nil {
		return err
	}
	return validateTree(v.schema, v.root, tree)
}

// within is the address under which the library knows fsys.
const within = "schemas:///"

func compileJSONSchema(fsys fs.FS, name string) (*jsonschema.Schema, error) {
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	compiler.UseLoader(schemaLoader{fsys})
	schema, err := compiler.Compile(within + (&url.URL{Path: name}).EscapedPath())
	if err != nil {
		return nil, fmt.Errorf("compile JSON schema: %w", jsonSchemaError(fsys, name, err))
	}
	return schema, nil
}

// jsonSchemaError finds which file is wrong, and where in it, as far as the library tells.
func jsonSchemaError(fsys fs.FS, name string, err error) *SchemaError {
	var invalid *jsonschema.SchemaValidationError
	var unloaded *jsonschema.LoadURLError
	var broken *jsonschema.ValidationError
	switch {
	case errors.As(err, &unloaded):
		return unloadedSchema(fsys, name, unloaded)
	case errors.As(err, &invalid) && errors.As(invalid.Err, &broken):
		file, pointer := nameOf(invalid.URL)
		leaf := firstCause(broken)
		return schemaErrorAt(fsys, file, pointer+pointerOf(leaf.InstanceLocation), leaf.Error())
	}
	if m := quotedAddress.FindStringSubmatch(err.Error()); m != nil { // a pointer to what is not there
		if file, pointer := nameOf(m[1]); pointer != "" {
			return &SchemaError{File: name, Line: referring(fsys, name, pointer), Text: "the $ref " + file + "#" + pointer + " leads nowhere"}
		}
	}
	return &SchemaError{File: name, Line: 1, Text: strings.ReplaceAll(err.Error(), within, "")}
}

var quotedAddress = regexp.MustCompile(`"(schemas:///[^"]*)"`)

// unloadedSchema tells of a file that is no JSON where it is not, and of one that is not there where
// it is referred to.
func unloadedSchema(fsys fs.FS, name string, unloaded *jsonschema.LoadURLError) *SchemaError {
	file, _ := nameOf(unloaded.URL)
	text, err := fs.ReadFile(fsys, file)
	var syntax *SyntaxError
	switch {
	case err == nil && errors.As(unloaded.Err, &syntax):
		return unreadableSchema(file, text, syntax)
	case file == name:
		return &SchemaError{File: name, Line: 1, Text: "there is no such file"}
	}
	return &SchemaError{File: name, Line: referring(fsys, name, path.Base(file)), Text: "the $ref does not resolve: there is no file " + file}
}

// nameOf parts an address into the file's name and the pointer within it.
func nameOf(address string) (file, pointer string) {
	file, pointer, _ = strings.Cut(strings.TrimPrefix(address, within), "#")
	if plain, err := url.PathUnescape(file); err == nil {
		file = plain
	}
	if plain, err := url.PathUnescape(pointer); err == nil {
		pointer = plain
	}
	return file, pointer
}

// referring finds the line of a file on which a $ref ends so; the first where it is not seen.
func referring(fsys fs.FS, name, end string) int {
	text, _ := fs.ReadFile(fsys, name)
	for i, line := range bytes.Split(text, []byte("\n")) {
		if bytes.Contains(line, []byte(`"$ref"`)) && bytes.Contains(line, []byte(end)) {
			return i + 1
		}
	}
	return 1
}

func schemaErrorAt(fsys fs.FS, file, pointer, text string) *SchemaError {
	found := &SchemaError{File: file, Line: 1, Text: text}
	if raw, err := fs.ReadFile(fsys, file); err == nil {
		found.Line, found.Column = Pointed(raw, pointer)
	}
	return found
}

// firstCause gives the leaf of the library's tree of errors that says the most: at the deepest place.
func firstCause(e *jsonschema.ValidationError) *jsonschema.ValidationError {
	deepest := e
	for _, cause := range e.Causes {
		if leaf := firstCause(cause); len(deepest.Causes) > 0 || len(leaf.InstanceLocation) > len(deepest.InstanceLocation) {
			deepest = leaf
		}
	}
	return deepest
}

type schemaLoader struct{ fsys fs.FS }

func (l schemaLoader) Load(address string) (any, error) {
	escaped, inside := strings.CutPrefix(address, within)
	name, err := url.PathUnescape(escaped)
	if !inside || err != nil {
		return nil, errors.New("a $ref leaves the folder of schemas")
	}
	text, err := fs.ReadFile(l.fsys, name)
	if err != nil {
		return nil, err
	}
	return ReadJSON(text, Limits{Bytes: 64 << 20, Elements: 1_000_000})
}

func validateTree(schema *jsonschema.Schema, root *Type, tree any) error {
	if endless := endlessNumbers(root, tree, nil); len(endless) > 0 {
		return &ValidationError{endless}
	}
	err := schema.Validate(tree)
	if err == nil {
		return nil
	}
	var broken *jsonschema.ValidationError
	if !errors.As(err, &broken) {
		return errors.New("validate JSON: the validator failed")
	}
	found := &ValidationError{}
	collect(found, root, broken)
	return found
}

// endlessNumbers finds numbers that would cost the library, which computes with all their digits,
// milliseconds each: 1e999999 is eight bytes and a million digits.
func endlessNumbers(root *Type, tree any, location []string) (found []Violation) {
	switch v := tree.(type) {
	case map[string]any:
		for name := range v {
			found = append(found, endlessNumbers(root, v[name], append(location, name))...)
		}
	case []any:
		for i, item := range v {
			found = append(found, endlessNumbers(root, item, append(location, strconv.Itoa(i)))...)
		}
	case stdjson.Number:
		const longest = 1000 // digits
		_, exponent, _ := strings.Cut(strings.ToLower(string(v)), "e")
		power, err := strconv.Atoi(exponent)
		if len(v) > longest || exponent != "" && (err != nil || max(power, -power) > longest) {
			return []Violation{{Path: knownPath(root, location), Rule: "number"}}
		}
	}
	return found
}

// collect gathers the leaves of the library's tree of errors: what is above them only repeats them.
func collect(found *ValidationError, root *Type, e *jsonschema.ValidationError) {
	for _, cause := range e.Causes {
		collect(found, root, cause)
	}
	if len(e.Causes) > 0 {
		return
	}
	violation := Violation{Path: knownPath(root, e.InstanceLocation), Rule: "schema"}
	if keywords := e.ErrorKind.KeywordPath(); len(keywords) > 0 {
		violation.Rule = keywords[0]
	}
	switch broken := e.ErrorKind.(type) {
	case *kind.Enum:
		for _, v := range broken.Want {
			violation.Allowed = append(violation.Allowed, fmt.Sprint(v))
		}
	case *kind.Type:
		violation.Allowed = broken.Want
	case *kind.Required:
		for _, missing := range broken.Missing { // the schema's names
			found.Violations = append(found.Violations,
				Violation{Path: violation.Path + "/" + PointerStep(missing), Rule: "required"})
		}
		return
	}
	found.Violations = append(found.Violations, violation)
}

// knownPath writes a pointer in which a name that the schema does not have, and so the sender chose,
// is a star.
func knownPath(t *Type, location []string) string {
	var pointer strings.Builder
	for _, name := range location {
		var below *Type
		known := false
		switch {
		case t == nil:
		case t.Kind == ArrayType:
			below, known = t.Items, true
		default:
			below, known = t.Fields[name]
		}
		if !known {
			name = "*"
		}
		pointer.WriteString("/" + PointerStep(name))
		t = below
	}
	return pointer.String()
}
