package postgres

import (
	"database/sql/driver"
	"fmt"
	"strconv"
	"strings"
	"sync"
)

// numbered gives a statement that is written with ? as PostgreSQL has it, with $1, $2 …
// There is no ? in any statement but for an argument.
func numbered(text string) string {
	if known, ok := numberedTexts.Load(text); ok {
		return known.(string)
	}
	var out strings.Builder
	parts := strings.Split(text, "?")
	for i, part := range parts {
		if i > 0 {
			out.WriteString("$" + strconv.Itoa(i))
		}
		out.WriteString(part)
	}
	numberedTexts.Store(text, out.String())
	return out.String()
}

// numberedTexts remembers them: there are as many as there are statements in the code, and a
// few more for lists of different lengths.
var numberedTexts sync.Map

// plain gives arguments as the few types that PostgreSQL is sent: a type of the hub's own is
// what is under it, and never what it prints as.
func plain(args []any) ([]any, error) {
	out := make([]any, len(args))
	for i, arg := range args {
		value, err := driver.DefaultParameterConverter.ConvertValue(arg)
		if err != nil {
			return nil, fmt.Errorf("argument %d is a %T, which cannot be stored", i+1, arg)
		}
		if text, ok := value.(string); ok {
			value = storable(text)
		}
		out[i] = value
	}
	return out, nil
}

// storable gives a text that PostgreSQL takes: it has no NUL and nothing that is not UTF-8.
// The same text becomes the same each time, so what is stored by it is found by it.
func storable(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}
