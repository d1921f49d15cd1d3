package document

import (
	"bytes"
	"testing"
	"testing/fstest"
)

// TestSample: what is made up fits the schema that it is made up for, the same each time.
func TestSample(t *testing.T) {
	tests := []struct{ name, schema, want, why string }{
		{"all fields", `{"properties": {"b": {"type": "string"}, "a": {"type": "boolean"}}}`, `{"a":true,"b":"b"}`, ""},
		{"what is said", `{"properties": {"said": {"type": "string"}}}`, `{"said":"so"}`, ""},
		{"what is said and does not fit", `{"properties": {"said": {"type": "string", "enum": ["Ja", "Nej"]}}}`, `{"said":"Ja"}`, ""},
		{"formats", `{"properties": {"d": {"type": "string", "format": "date"}, "m": {"type": "string", "format": "email"}}}`, `{"d":"2026-03-02","m":"kim@example.com"}`, ""},
		{"pattern", `{"properties": {"p": {"type": "string", "pattern": "^[A-ZÅÄÖ]{3}-\\d{2}(x|y)?$"}}}`, `{"p":"AAA-11"}`, ""},
		{"lengths", `{"properties": {"long": {"type": "string", "minLength": 9}, "avlangt": {"type": "string", "maxLength": 2}}}`, `{"avlangt":"av","long":"longlongl"}`, ""},
		{"examples", `{"properties": {"e": {"type": "string", "examples": ["Eken 4"]}, "d": {"type": "string", "default": "x"}}}`, `{"d":"x","e":"Eken 4"}`, ""},
		{"numbers", `{"properties": {"i": {"type": "integer", "minimum": 3}, "e": {"type": "number", "exclusiveMinimum": 2.5}, "m": {"type": "integer", "multipleOf": 7}, "x": {"type": "integer", "maximum": -2}}}`,
			`{"e":3.5,"i":3,"m":7,"x":-2}`, ""},
		{"lists", `{"properties": {"l": {"type": "array", "minItems": 2, "items": {"type": "object", "properties": {"n": {"type": "string"}}}}}}`, `{"l":[{"n":"n"},{"n":"n"}]}`, ""},
		{"references", `{"$ref": "#/$defs/a", "$defs": {"a": {"type": "object", "properties": {"n": {"const": 1}}}}}`, `{"n":1}`, ""},
		{"a schema in itself", `{"$defs": {"n": {"type": "object", "properties": {"namn": {"type": "string"}, "barn": {"type": "array", "items": {"$ref": "#/$defs/n"}}}}}, "$ref": "#/$defs/n"}`, `{"barn":[{"namn":"namn"}],"namn":"namn"}`, "once, or it would never end"},
		{"all of", `{"allOf": [{"properties": {"a": {"type": "string"}}}, {"required": ["a"], "properties": {"b": {"type": "string"}}}]}`, `{"a":"a","b":"b"}`, ""},
		{"one of", `{"type": "object", "properties": {"dag": {"type": "string"}, "fran": {"type": "string"}, "till": {"type": "string"}, "not": {"type": "string"}},
		  "oneOf": [{"required": ["dag"]}, {"required": ["fran", "till"]}]}`, `{"dag":"dag","not":"not"}`, "the first choice, and nothing of the other"},
		{"null or text", `{"properties": {"n": {"type": ["null", "string"]}}}`, `{"n":"n"}`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			form, err := CompileForm(fstest.MapFS{"f.json": {Data: []byte(tt.schema)}}, "f.json")
			if err != nil {
				t.Fatal(err)
			}
			say := func(path string) string { return map[string]string{"said": "so"}[path] }
			var got []byte
			for range 3 {
				made, err := form.Sample(say)
				if err != nil {
					t.Fatal(err)
				}
				text, err := WriteJSON(made)
				if err != nil || got != nil && !bytes.Equal(got, text) {
					t.Fatalf("%v: %s, and then %s", err, got, text)
				}
				got = text
			}
			if string(got) != tt.want {
				t.Errorf("%s, want %s (%s)", got, tt.want, tt.why)
			}
		})
	}
}

// TestSampleSaysWhatItCannotMakeUp.
func TestSampleSaysWhatItCannotMakeUp(t *testing.T) {
	form, err := CompileForm(fstest.MapFS{"f.json": {Data: []byte(`{"properties": {"a": {"type": "string", "not": {"minLength": 0}}}, "required": ["a"]}`)}}, "f.json")
	if err != nil {
		t.Fatal(err)
	}
	if made, err := form.Sample(func(string) string { return "" }); err == nil || made == nil {
		t.Errorf("%v %v", made, err)
	}
}
