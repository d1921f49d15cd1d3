package document

import (
	"encoding"
	"errors"
	"reflect"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// DecodeJSON reads data, under ReadJSON's rules and default limits, into a struct: members match by
// exact name, and one that the struct does not declare is a *FieldError, as are null where the struct
// has no pointer, map, slice or any to hold it, and control characters in a string. Members of type any,
// map[string]any and []any are content: they take what ReadJSON makes, and in them nothing is refused.
func DecodeJSON(data []byte, into any) error {
	tree, err := ReadJSON(data, Limits{})
	if err != nil {
		return err
	}
	err = json.Unmarshal(data, into, json.RejectUnknownMembers(true), json.WithUnmarshalers(
		json.UnmarshalFromFunc(func(in *jsontext.Decoder, into any) error { return strictly(in, into, tree) })))
	if err == nil {
		return nil
	}
	return explainField(reflect.TypeOf(into), err)
}

var (
	errControlCharacter = errors.New("control character")
	errNull             = errors.New("null where a value must be")
)

// strictly is asked before every value is read; errors.ErrUnsupported leaves the value to the library.
// Content is not read a second time but taken out of the tree of the whole.
func strictly(in *jsontext.Decoder, into, tree any) error {
	target := reflect.ValueOf(into).Elem()
	switch kind := in.PeekKind(); {
	case isContent(target.Type(), kind):
		if err := in.SkipValue(); err != nil {
			return err
		}
		if content := valueAt(tree, in.StackPointer()); content != nil {
			target.Set(reflect.ValueOf(content))
		}
		return nil
	case kind == jsontext.KindNull && !canBeNil(target.Kind()):
		return errNull
	case kind == jsontext.KindString && target.Kind() == reflect.String && !readsItself(into):
		token, err := in.ReadToken()
		if err != nil {
			return err
		}
		text := token.String()
		if hasControl(text) {
			return errControlCharacter
		}
		target.SetString(text)
		return nil
	}
	return errors.ErrUnsupported
}

func valueAt(tree any, pointer jsontext.Pointer) any {
	for name := range pointer.Tokens() {
		switch below := tree.(type) {
		case map[string]any:
			tree = below[name]
		case []any:
			index, _ := strconv.Atoi(name)
			tree = below[index]
		}
	}
	return tree
}

// isContent says whether a value of that kind goes into one of the types that ReadJSON itself makes.
func isContent(t reflect.Type, kind jsontext.Kind) bool {
	switch t {
	case reflect.TypeFor[any]():
		return true
	case reflect.TypeFor[map[string]any]():
		return kind == jsontext.KindBeginObject
	case reflect.TypeFor[[]any]():
		return kind == jsontext.KindBeginArray
	}
	return false
}

func canBeNil(k reflect.Kind) bool {
	return k == reflect.Pointer || k == reflect.Map || k == reflect.Slice || k == reflect.Interface
}

func readsItself(into any) bool {
	switch into.(type) {
	case encoding.TextUnmarshaler, json.Unmarshaler, json.UnmarshalerFrom:
		return true
	}
	return false
}

// hasControl finds NUL and the other C0 controls, except the three that text is laid out with, and DEL.
func hasControl(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool {
		return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0x7F
	})
}

func explainField(t reflect.Type, err error) error {
	var where *json.SemanticError
	if !errors.As(err, &where) {
		return &FieldError{Code: WrongType}
	}
	e := &FieldError{Pointer: declared(t, where.JSONPointer), Code: WrongType}
	switch {
	case errors.Is(err, json.ErrUnknownName):
		e.Code = UnknownProperty
	case errors.Is(err, errControlCharacter):
		e.Code = ControlCharacter
	}
	return e
}

// declared cuts a pointer before the first name that is the caller's and not the receiving type's.
func declared(t reflect.Type, pointer jsontext.Pointer) string {
	var known jsontext.Pointer
	for name := range pointer.Tokens() {
		for t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		switch t.Kind() {
		case reflect.Slice, reflect.Array:
			if _, err := strconv.Atoi(name); err != nil {
				return string(known)
			}
			t = t.Elem()
		case reflect.Struct:
			member, is := memberNamed(t, name)
			if !is {
				return string(known)
			}
			t = member
		default:
			return string(known)
		}
		known = known.AppendToken(name)
	}
	return string(known)
}

func memberNamed(t reflect.Type, name string) (reflect.Type, bool) {
	for _, f := range reflect.VisibleFields(t) {
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if tag == "" {
			tag = f.Name
		}
		if f.IsExported() && !f.Anonymous && tag == name {
			return f.Type, true
		}
	}
	return nil, false
}
