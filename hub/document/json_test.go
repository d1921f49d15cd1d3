package document

import (
	stdjson "encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestReadJSONRefuses(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       Kind
		offset     int64
	}{
		{"nothing", "", Empty, 0},
		{"blanks", " \n", Empty, 0},
		{"cut", `{"a":`, Truncated, 5},
		{"cut in text", `{"a":"x`, Truncated, 7},
		{"two documents", `{}{}`, Trailing, -1},
		{"trailing", `{} x`, Trailing, -1},
		{"duplicate", `{"pnr":1,"pnr":2}`, DuplicateKey, 14},
		{"duplicate by escape", `{"a":1,"\u0061":2}`, DuplicateKey, -1},
		{"case twin", `{"pnr":1,"PNR":2}`, DuplicateKey, 14},
		{"case twin in Swedish", `{"ÅR":1,"år":2}`, DuplicateKey, -1},
		{"case twin deep down", `{"answers":[{"x":{"Id":1,"ID":2}}]}`, DuplicateKey, -1},
		{"invalid UTF-8", "{\"a\":\"\xE5\"}", Encoding, 6},
		{"invalid UTF-8 in a name", "{\"\xE5\":1}", Encoding, 2},
		{"lone surrogate", `{"a":"x\ud800y"}`, Encoding, -1},
		{"lone low surrogate", `{"a":"\uDC00"}`, Encoding, -1},
		{"byte order mark", "\xEF\xBB\xBF{}", Encoding, 0},
		{"UTF-16", "{\x00}\x00", Encoding, 0},
		{"UTF-16 with mark", "\xFF\xFE{\x00}\x00", Encoding, 0},
		{"65 deep", strings.Repeat("[", 65) + strings.Repeat("]", 65), TooDeep, -1},
		{"10,000 deep", strings.Repeat(`{"a":`, 10_000), TooDeep, -1},
		{"100,000 fields", `[` + strings.Repeat("1,", 100_000) + `1]`, TooLarge, -1},
		{"1 MiB field", `["` + strings.Repeat("x", 1<<20+1) + `"]`, TooLarge, -1},
		{"over 2 MiB", `["` + strings.Repeat("x", 2<<20) + `"]`, TooLarge, -1},
		{"single quotes", `{'a':1}`, Malformed, -1},
		{"comma at the end", `[1,]`, Malformed, -1},
		{"comment", `{/* */}`, Malformed, -1},
		{"leading zero", `[01]`, Malformed, -1},
		{"not a number", `[NaN]`, Malformed, -1},
		{"raw control", "[\"\x01\"]", Malformed, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ReadJSON([]byte(c.text), Limits{})
			var syntax *SyntaxError
			if !errors.As(err, &syntax) || syntax.Kind != c.want || c.offset >= 0 && syntax.Offset != c.offset {
				t.Errorf("got %v, want %s at %d", err, c.want, c.offset)
			}
		})
	}
}

func TestReadJSONKeepsNumbers(t *testing.T) {
	got, err := ReadJSON([]byte(`{"n":[1e400,18446744073709551616,191212121212345678,1.0,-0],"s":"\u0000å","b":true,"z":null,"o":{}}`), Limits{})
	want := map[string]any{
		"n": []any{stdjson.Number("1e400"), stdjson.Number("18446744073709551616"),
			stdjson.Number("191212121212345678"), stdjson.Number("1.0"), stdjson.Number("-0")},
		"s": "\x00å", "b": true, "z": nil, "o": map[string]any{},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %#v, %v", got, err)
	}
	if _, err := ReadJSON([]byte(strings.Repeat("[", 64)+strings.Repeat("]", 64)), Limits{}); err != nil {
		t.Errorf("64 deep is allowed: %v", err)
	}
}

type envelope struct {
	Municipality kommunkod      `json:"municipality"`
	Version      int            `json:"v,omitzero"`
	Source       source         `json:"source"`
	Submitted    time.Time      `json:"submitted"`
	Parties      []source       `json:"parties"`
	Applicant    *source        `json:"applicant"`
	Labels       map[string]int `json:"labels"`
	Answers      map[string]any `json:"answers"`
}

type (
	kommunkod string
	source    struct {
		System string `json:"system"`
	}
)

func TestDecodeJSON(t *testing.T) {
	var e envelope
	err := DecodeJSON([]byte(`{"municipality":"1080","source":{"system":"å\n"},"applicant":null,
		"answers":{"n":191212121212345678,"list":[1.50,{"deep":1e400}],"text":"\u0001","null":null,"Municipality":"x"}}`), &e)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"n": stdjson.Number("191212121212345678"), "text": "\x01", "null": nil, "Municipality": "x",
		"list": []any{stdjson.Number("1.50"), map[string]any{"deep": stdjson.Number("1e400")}}}
	if !reflect.DeepEqual(e.Answers, want) || e.Municipality != "1080" || e.Source.System != "å\n" {
		t.Errorf("got %#v", e)
	}
}

func TestDecodeJSONRefuses(t *testing.T) {
	for _, c := range []struct{ name, text, pointer, code string }{
		{"a document that is none of ours", `[]`, "", WrongType},
		{"a text", `"x"`, "", WrongType},
		{"null", `null`, "", WrongType},
		{"unknown member", `{"state":"DELIVERED"}`, "", UnknownProperty},
		{"unknown member below", `{"source":{"tenant_id":"x"}}`, "/source", UnknownProperty},
		{"unknown member in a list", `{"parties":[{},{"id":1}]}`, "/parties/1", UnknownProperty},
		{"another case", `{"Municipality":"1080"}`, "", UnknownProperty},
		{"number for text", `{"municipality":1080}`, "/municipality", WrongType},
		{"text for number", `{"v":"1"}`, "/v", WrongType},
		{"fraction", `{"v":191212121212.5}`, "/v", WrongType},
		{"number too big", `{"v":18446744073709551616}`, "/v", WrongType},
		{"null for text", `{"source":{"system":null}}`, "/source/system", WrongType},
		{"null for an object", `{"source":null}`, "/source", WrongType},
		{"bad time", `{"submitted":"19121212-1212"}`, "/submitted", WrongType},
		{"NUL", `{"source":{"system":"a\u0000"}}`, "/source/system", ControlCharacter},
		{"escape", `{"municipality":"\u001b[2J"}`, "/municipality", ControlCharacter},
		{"a name of the caller's own", `{"labels":{"191212121212":"x"}}`, "/labels", WrongType},
	} {
		t.Run(c.name, func(t *testing.T) {
			var e envelope
			err := DecodeJSON([]byte(c.text), &e)
			var field *FieldError
			if !errors.As(err, &field) || field.Pointer != c.pointer || field.Code != c.code {
				t.Errorf("got %v, want %s at %q", err, c.code, c.pointer)
			}
		})
	}
	var syntax *SyntaxError
	if err := DecodeJSON([]byte(`{"answers":{"pnr":1,"PNR":2}}`), new(envelope)); !errors.As(err, &syntax) {
		t.Errorf("twins in the answers: %v", err)
	}
}

func TestWriteJSON(t *testing.T) {
	tree := Object{{"z", "å\"\n"}, {"a", []any{stdjson.Number("1.0"), 1, int64(2), true, nil, map[string]any{"c": "", "b": Object{}}}}}
	got, err := WriteJSON(tree)
	if want := `{"z":"å\"\n","a":[1.0,1,2,true,null,{"b":{},"c":""}]}`; err != nil || string(got) != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
	got, err = Canonical(tree)
	if want := `{"a":[1.0,1,2,true,null,{"b":{},"c":""}],"z":"å\"\n"}`; err != nil || string(got) != want {
		t.Errorf("canonical: got %s, %v, want %s", got, err, want)
	}
	if tree[0].Name != "z" {
		t.Error("Canonical must not sort what it was given")
	}
	for name, bad := range map[string]any{
		"twins": Object{{"a", 1}, {"a", 2}}, "not UTF-8": "\xE5", "name not UTF-8": Object{{"\xE5", 1}},
		"no number": stdjson.Number("1,5"), "blanks": stdjson.Number(" 1"), "two": stdjson.Number("1 2"),
		"no literal": stdjson.Number(""), "float": 1.5, "struct": struct{}{},
	} {
		if out, err := WriteJSON(bad); err == nil {
			t.Errorf("%s: wrote %s", name, out)
		}
	}
}
