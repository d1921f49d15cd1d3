package document

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// An Object is a JSON object whose members are written in the order given.
type Object []Member

// A Member is one name and value of an Object.
type Member struct {
	Name  string
	Value any
}

// WriteJSON writes a tree of Object, map[string]any (sorted by name), []any, string, bool, nil,
// json.Number, int and int64. The same tree always gives the same bytes. A name twice in an Object, text
// that is not UTF-8, a json.Number that is no number, and any other type are errors.
func WriteJSON(v any) ([]byte, error) { return write(v, false) }

// Canonical writes v as WriteJSON does, with the members of every Object sorted by name (by bytes),
// too: equal content gives equal bytes, for fingerprints. Numbers keep their literal text, since two
// long numbers that differ must not become one.
func Canonical(v any) ([]byte, error) { return write(v, true) }

func write(v any, sorted bool) ([]byte, error) {
	out, err := jsonWriter{sorted}.append(nil, v)
	if err != nil {
		return nil, fmt.Errorf("write JSON: %w", err)
	}
	return out, nil
}

type jsonWriter struct{ sorted bool }

func (w jsonWriter) append(out []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(out, "null"...), nil
	case bool:
		return strconv.AppendBool(out, v), nil
	case string:
		return appendText(out, v)
	case stdjson.Number:
		if !isNumber(string(v)) {
			return nil, errors.New("a number that is none")
		}
		return append(out, v...), nil
	case int:
		return strconv.AppendInt(out, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(out, v, 10), nil
	case []any:
		return w.appendArray(out, v)
	case map[string]any:
		object := make(Object, 0, len(v))
		for _, name := range slices.Sorted(maps.Keys(v)) {
			object = append(object, Member{name, v[name]})
		}
		return w.appendObject(out, object)
	case Object:
		if hasTwins(v) {
			return nil, errors.New("a name twice in one object")
		}
		if w.sorted {
			v = slices.Clone(v)
			slices.SortFunc(v, func(a, b Member) int { return strings.Compare(a.Name, b.Name) })
		}
		return w.appendObject(out, v)
	}
	return nil, fmt.Errorf("a %T", v)
}

func (w jsonWriter) appendArray(out []byte, array []any) (_ []byte, err error) {
	out = append(out, '[')
	for i, v := range array {
		if i > 0 {
			out = append(out, ',')
		}
		if out, err = w.append(out, v); err != nil {
			return nil, err
		}
	}
	return append(out, ']'), nil
}

func (w jsonWriter) appendObject(out []byte, object Object) (_ []byte, err error) {
	out = append(out, '{')
	for i, m := range object {
		if i > 0 {
			out = append(out, ',')
		}
		if out, err = appendText(out, m.Name); err != nil {
			return nil, err
		}
		if out, err = w.append(append(out, ':'), m.Value); err != nil {
			return nil, err
		}
	}
	return append(out, '}'), nil
}

func hasTwins(object Object) bool {
	seen := make(map[string]bool, len(object))
	for _, m := range object {
		seen[m.Name] = true
	}
	return len(seen) < len(object)
}

func appendText(out []byte, text string) ([]byte, error) {
	out, err := jsontext.AppendQuote(out, text)
	if err != nil {
		return nil, errors.New("text that is not UTF-8")
	}
	return out, nil
}

// isNumber says whether literal is exactly a JSON number.
func isNumber(literal string) bool {
	v := jsontext.Value(literal)
	return v.Kind() == jsontext.KindNumber && v.IsValid() && len(bytes.TrimSpace(v)) == len(v)
}
