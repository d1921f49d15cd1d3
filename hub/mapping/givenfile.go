package mapping

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// readGiven reads the report's file, a given.json, and tells what is wrong with it at its line. It
// reports whether the file can be rendered.
func (r *report) readGiven(fsys fs.FS) (hub.Known, bool) {
	known, err := ReadGiven(fsys, r.file)
	text, unreadable := fs.ReadFile(fsys, r.file)
	if unreadable != nil {
		r.add(1, "%v", err)
		return known, false
	}
	tree, broken := document.ReadJSON(text, document.Limits{})
	switch {
	case broken != nil:
		r.noDocument(text, broken)
		return known, false
	case err != nil:
		before := len(r.problems)
		r.strangers(text, "", tree, reflect.TypeFor[given]())
		if len(r.problems) == before {
			r.wrongGiven(text, err)
		}
	}
	r.realPersons(text)
	return known, err == nil
}

func (r *report) noDocument(text []byte, err error) {
	var syntax *document.SyntaxError
	if errors.As(err, &syntax) {
		r.tellAt(placeOfError(text, err), "%s", syntax.Explain())
		return
	}
	r.add(1, "%v", err)
}

// wrongGiven tells of the one thing that the reader stopped at, which it names by a pointer.
func (r *report) wrongGiven(text []byte, err error) {
	pointer, _, _ := strings.Cut(err.Error(), " ")
	if !strings.HasPrefix(pointer, "/") {
		pointer = ""
	}
	line, column := document.Pointed(text, pointer)
	r.tellAt(place{line, column}, "%v", err)
}

// strangers tells of keys that a given.json does not have.
func (r *report) strangers(text []byte, pointer string, tree any, of reflect.Type) {
	if of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	switch v := tree.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			below := pointer + "/" + document.PointerStep(name)
			if field, ok := memberOf(of, pointer, name); ok {
				r.strangers(text, below, v[name], field)
				continue
			}
			line, column := document.Pointed(text, below)
			r.tellAt(place{line, column}, "there is no key %s%s%s", name, inside(pointer), near(name, membersOf(of)))
		}
	case []any:
		if of.Kind() == reflect.Slice {
			of = of.Elem()
		}
		for i, item := range v {
			r.strangers(text, fmt.Sprintf("%s/%d", pointer, i), item, of)
		}
	}
}

func inside(pointer string) string {
	if pointer == "" {
		return ""
	}
	return " in " + pointer
}

// memberOf gives what a key holds. Who a register told of is a person, whatever the register is called.
func memberOf(of reflect.Type, pointer, name string) (reflect.Type, bool) {
	switch of.Kind() {
	case reflect.Map:
		if pointer == "/registers" {
			return reflect.TypeFor[givenPerson](), true
		}
		return of.Elem(), true
	case reflect.Struct:
		for i := range of.NumField() {
			if of.Field(i).Tag.Get("json") == name {
				return of.Field(i).Type, true
			}
		}
		return nil, false
	}
	return of, true
}

func membersOf(of reflect.Type) []string {
	var names []string
	for i := range of.NumField() {
		names = append(names, of.Field(i).Tag.Get("json"))
	}
	return names
}

var (
	twelveDigits = regexp.MustCompile(`"(\d{8})-?(\d{4})"`)
	tenDigits    = regexp.MustCompile(`"(\d{6})[-+](\d{4})"`)
)

// realPersons tells of personnummer that are not among the official test numbers, anywhere in a
// test: it may be somebody's own.
func (r *report) realPersons(text []byte) {
	for i, line := range bytes.Split(text, []byte("\n")) {
		for _, at := range twelveDigits.FindAllSubmatchIndex(line, -1) {
			r.mayBeReal(place{i + 1, at[0] + 1}, string(line[at[2]:at[3]])+string(line[at[4]:at[5]]))
		}
		for _, at := range tenDigits.FindAllSubmatchIndex(line, -1) {
			short := string(line[at[2]:at[3]]) + string(line[at[4]:at[5]])
			r.mayBeReal(place{i + 1, at[0] + 1}, "19"+short, "20"+short, "18"+short)
		}
	}
}

// mayBeReal tells of a number that may be a person's, in whatever century, and in none is for tests.
func (r *report) mayBeReal(at place, numbers ...string) {
	persons := 0
	for _, number := range numbers {
		if isTestNumber(number) {
			return
		}
		if _, err := hub.ParsePersonID(number); err == nil {
			persons++
		}
	}
	if persons > 0 {
		r.tellAt(at, "this personnummer may be somebody's: take one of Skatteverket's test numbers (testpersonnummer), which nobody has")
	}
}
