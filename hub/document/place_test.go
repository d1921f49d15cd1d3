package document

import "testing"

func TestPointed(t *testing.T) {
	text := []byte("{\n  \"a\": {\"b\": 1, \"å\\\"\": [1,\n    {\"c\": \"x\"}]},\n  \"ab\": true\n}")
	for _, row := range []struct {
		pointer      string
		line, column int
		why          string
	}{
		{"", 1, 1, "the whole"},
		{"/a", 2, 8, "a member's value, and not its name"},
		{"/a/b", 2, 14, "one below it"},
		{"/a/å\"/0", 2, 25, "in a list, under a name with what must be escaped"},
		{"/a/å\"/1/c", 3, 11, "a text"},
		{"/ab", 4, 9, "not the one whose name it begins with"},
		{"/a/none", 2, 8, "what is not there stands where it would be"},
		{"/none", 1, 1, "as does what is nowhere"},
	} {
		if line, column := Pointed(text, row.pointer); line != row.line || column != row.column {
			t.Errorf("%s is at %d:%d, want %d:%d: %s", row.pointer, line, column, row.line, row.column, row.why)
		}
	}
	if line, column := Pointed([]byte("{"), "/a"); line != 1 || column != 1 {
		t.Errorf("half a text: %d:%d", line, column)
	}
}
