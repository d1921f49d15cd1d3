package config

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/knutpunkt/knutpunkt/hub/document"
	"github.com/knutpunkt/knutpunkt/hub/mapping"
)

// checkForms finds slips in the schemas of forms. Each is right by the book, and would show only when
// every form that comes is held, or when one is taken that should not be. Against a schema with a slip
// nothing else is held: it would be told of once for each test.
func (c *configuration) checkForms() {
	read := map[string]bool{}
	for _, file := range sortedKeys(c.forms) {
		if c.forms[file] == nil {
			continue
		}
		before := len(c.problems)
		c.slips(file, read)
		if len(c.problems) > before {
			c.forms[file] = nil
		}
	}
}

// slips goes through a schema's file and those that it refers to, each once.
func (c *configuration) slips(file string, read map[string]bool) {
	if read[file] {
		return
	}
	read[file] = true
	text, err := fs.ReadFile(c.fsys, file)
	if err != nil {
		return
	}
	tree, err := document.ReadJSON(text, document.Limits{})
	if err != nil {
		return
	}
	s := slipping{file: file, text: text}
	s.schema(tree, "", nil)
	c.problems = append(c.problems, s.problems...)
	for _, other := range s.refers {
		c.slips(other, read)
	}
}

// A slipping looks for slips in one file.
type slipping struct {
	file     string
	text     []byte
	problems []mapping.Problem
	refers   []string // the other files that it refers to
}

// What a keyword of JSON Schema holds: a schema or a list of them, schemas by the writer's own names,
// or neither. The keywords are those of every draft that is understood.
var (
	ofSchemas = strings.Fields(`items prefixItems additionalItems unevaluatedItems contains additionalProperties
		unevaluatedProperties propertyNames contentSchema not if then else allOf anyOf oneOf`)
	ofNamed = strings.Fields(`properties patternProperties dependentSchemas dependencies $defs definitions`)
	ofElse  = strings.Fields(`$schema $id $ref $anchor $comment $vocabulary $dynamicRef $dynamicAnchor $recursiveRef $recursiveAnchor
		title description default examples deprecated readOnly writeOnly type enum const format pattern minLength maxLength
		minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minItems maxItems uniqueItems minContains maxContains
		required minProperties maxProperties dependentRequired contentEncoding contentMediaType`)
	keywords = slices.Concat(ofSchemas, ofNamed, ofElse)

	// besides holds what is asked of the very same object.
	besides = []string{"allOf", "anyOf", "oneOf", "then", "else"}
)

// schema looks in a schema, or a list of them, that stands where the pointer says. Only are the members
// of the object that it is about where it takes no others; else nil.
func (s *slipping) schema(tree any, pointer string, only map[string]any) {
	if list, is := tree.([]any); is {
		for i, item := range list {
			s.schema(item, fmt.Sprintf("%s/%d", pointer, i), only)
		}
	}
	object, _ := tree.(map[string]any)
	if own, is := object["properties"].(map[string]any); is && object["additionalProperties"] == false && object["patternProperties"] == nil {
		only = own
	}
	s.required(object["required"], pointer+"/required", only)
	s.reference(object["$ref"])
	for _, name := range slices.Sorted(maps.Keys(object)) {
		s.keyword(name, object[name], pointer+"/"+document.PointerStep(name), only)
	}
}

func (s *slipping) keyword(name string, value any, pointer string, only map[string]any) {
	switch {
	case slices.Contains(besides, name):
		s.schema(value, pointer, only)
	case slices.Contains(ofSchemas, name):
		s.schema(value, pointer, nil)
	case slices.Contains(ofNamed, name):
		named, _ := value.(map[string]any)
		for _, own := range slices.Sorted(maps.Keys(named)) {
			s.schema(named[own], pointer+"/"+document.PointerStep(own), nil)
		}
	case !slices.Contains(keywords, name):
		if meant := misspelt(name); meant != "" {
			s.tell(pointer, "JSON Schema has no %s, so it asks nothing; did you mean %s?", name, meant)
		}
	}
}

// misspelt gives the keyword that was meant; "" for one that people have added for themselves, as they
// may. Short ones are as near to other words, and OpenAPI has an example.
func misspelt(name string) string {
	const shortest = 5
	if len(name) < shortest || name == "example" {
		return ""
	}
	return mapping.Nearest(name, keywords)
}

func (s *slipping) required(names any, pointer string, only map[string]any) {
	list, _ := names.([]any)
	for i, item := range list {
		name, _ := item.(string)
		if _, there := only[name]; only != nil && !there {
			s.tell(fmt.Sprintf("%s/%d", pointer, i), "%s is required, but the object has no such member and takes no others%s",
				name, perhaps(name, sortedKeys(only)))
		}
	}
}

func (s *slipping) reference(to any) {
	address, _ := to.(string)
	if file, _, _ := strings.Cut(address, "#"); file != "" && !strings.Contains(file, ":") {
		s.refers = append(s.refers, path.Join(path.Dir(s.file), file))
	}
}

func (s *slipping) tell(pointer, format string, args ...any) {
	line, column := document.Pointed(s.text, pointer)
	s.problems = append(s.problems, mapping.Problem{File: s.file, Line: line, Column: column, Text: fmt.Sprintf(format, args...)})
}
