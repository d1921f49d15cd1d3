package document

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// ReadJSON reads one JSON document into map[string]any, []any, string, bool, nil and, for numbers,
// json.Number of encoding/json: the digits as they were written, whatever their size.
//
// It refuses, with a *SyntaxError, a name that comes twice in an object (also in another case), bytes
// that are not UTF-8, a byte order mark, a lone surrogate, anything before or after the one value, and
// what exceeds the limits.
func ReadJSON(data []byte, limits Limits) (any, error) {
	limits = limits.or(Limits{Bytes: 2 << 20, Depth: 64, Elements: 50_000, Text: 1 << 20})
	if kind, at := unreadable(data, limits); kind != "" {
		return nil, &SyntaxError{Kind: kind, Offset: at}
	}
	r := jsonReader{
		// Twins are found by us, since they include those that differ in case.
		tokens: jsontext.NewDecoder(bytes.NewReader(data), jsontext.AllowDuplicateNames(true)),
		limits: limits,
	}
	v, err := r.value()
	if err == nil {
		_, err = r.tokens.ReadToken()
		if err == io.EOF {
			return v, nil
		}
		err = r.fault(Trailing)
	}
	return nil, r.explain(data, err)
}

// unreadable finds what can be seen without knowing JSON.
func unreadable(data []byte, limits Limits) (Kind, int64) {
	switch {
	case int64(len(data)) > limits.Bytes:
		return TooLarge, limits.Bytes
	case bytes.HasPrefix(data, []byte(byteOrderMark)):
		return Encoding, 0
	case !utf8.Valid(data):
		return Encoding, int64(validLength(data))
	case len(data) > 1 && (data[0] == 0 || data[1] == 0): // UTF-16 of ASCII is valid UTF-8
		return Encoding, 0
	case isBlank(data):
		return Empty, 0
	}
	return "", 0
}

type jsonReader struct {
	tokens *jsontext.Decoder
	limits Limits
	values int
}

func (r *jsonReader) value() (any, error) {
	token, err := r.tokens.ReadToken()
	if err != nil {
		return nil, err
	}
	if r.values++; r.values > r.limits.Elements {
		return nil, r.fault(TooLarge)
	}
	if r.tokens.StackDepth() > r.limits.Depth {
		return nil, r.fault(TooDeep)
	}
	switch token.Kind() {
	case jsontext.KindBeginObject:
		return r.object()
	case jsontext.KindBeginArray:
		return r.array()
	case jsontext.KindString:
		return r.text(token)
	case jsontext.KindNumber:
		literal, err := r.text(token)
		return stdjson.Number(literal), err
	case jsontext.KindNull:
		return nil, nil
	}
	return token.Bool(), nil
}

func (r *jsonReader) object() (any, error) {
	object := make(map[string]any)
	var folded map[string]bool // the names in one case, from the first on that has another
	for r.tokens.PeekKind() != jsontext.KindEndObject {
		token, err := r.tokens.ReadToken()
		if err != nil {
			return nil, err
		}
		name, err := r.text(token)
		if err != nil {
			return nil, err
		}
		key := foldCase(name)
		if folded == nil && key != name {
			folded = make(map[string]bool, 2*len(object))
			for before := range object {
				folded[before] = true
			}
		}
		if _, twin := object[name]; twin || folded[key] {
			return nil, r.fault(DuplicateKey)
		}
		if folded != nil {
			folded[key] = true
		}
		if object[name], err = r.value(); err != nil {
			return nil, err
		}
	}
	_, err := r.tokens.ReadToken()
	return object, err
}

// foldCase gives one form to names that differ in case only.
func foldCase(name string) string {
	if strings.IndexFunc(name, func(r rune) bool { return r >= utf8.RuneSelf }) < 0 {
		return strings.ToLower(name)
	}
	return strings.ToLower(strings.ToUpper(name))
}

func (r *jsonReader) array() (any, error) {
	array := []any{}
	for r.tokens.PeekKind() != jsontext.KindEndArray {
		v, err := r.value()
		if err != nil {
			return nil, err
		}
		array = append(array, v)
	}
	_, err := r.tokens.ReadToken()
	return array, err
}

func (r *jsonReader) text(token jsontext.Token) (string, error) {
	text := token.String()
	if len(text) > r.limits.Text {
		return "", r.fault(TooLarge)
	}
	return text, nil
}

func (r *jsonReader) fault(kind Kind) error {
	return &SyntaxError{Kind: kind, Offset: r.tokens.InputOffset()}
}

// explain puts the library's error, which quotes the data, in our words.
func (r *jsonReader) explain(data []byte, err error) error {
	var ours *SyntaxError
	if errors.As(err, &ours) {
		return ours
	}
	kind, at := Malformed, r.tokens.InputOffset()
	var theirs *jsontext.SyntacticError
	if errors.As(err, &theirs) {
		at = theirs.ByteOffset
	}
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF) || err == io.EOF:
		kind, at = Truncated, int64(len(data))
	case isSurrogate(data[at:]):
		kind = Encoding // \ud800 alone
	}
	return &SyntaxError{Kind: kind, Offset: at}
}

func isSurrogate(escape []byte) bool {
	return len(escape) >= 4 && escape[0] == '\\' && escape[1] == 'u' && escape[2]|0x20 == 'd' &&
		strings.IndexByte("89abcdef", escape[3]|0x20) >= 0
}
