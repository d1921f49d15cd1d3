package config

import (
	"cmp"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/mapping"
)

// A word is a text and where it stands; or, for a setting that was not read
// from a file, where it came from.
type word struct {
	text   string
	line   int
	column int
	quoted bool
	from   string
}

var (
	wordType     = reflect.TypeFor[word]()
	secretType   = reflect.TypeFor[hub.Secret]()
	durationType = reflect.TypeFor[time.Duration]()
)

// decode fills into from n, strictly: an unknown, missing or mistyped key is a
// problem of the page. Structs have the tags of hub.Define: yaml:"NAME", and
// ",omitempty" for what may be left out; a field called Line gets the line. The YAML
// library's own decoder would take 0114 for a number, quote values in its errors
// and say nothing of what is missing.
func (p *page) decode(n *yaml.Node, into reflect.Value, key string) {
	switch t := into.Type(); {
	case t == wordType:
		text, _ := p.text(n, key)
		*into.Addr().Interface().(*word) = word{text: text, line: n.Line, column: n.Column, quoted: n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0}
	case t == secretType:
		p.secret(n, into.Addr().Interface().(*hub.Secret), key)
	case t == durationType:
		p.duration(n, into, key)
	case t.Kind() == reflect.String:
		if text, ok := p.text(n, key); ok {
			into.SetString(p.secrets.path(text))
		}
	case t.Kind() == reflect.Bool:
		p.yesNo(n, into, key)
	case into.CanInt():
		p.number(n, into, key)
	case t.Kind() == reflect.Struct:
		p.table(n, into, key)
	case t.Kind() == reflect.Pointer:
		into.Set(reflect.New(t.Elem()))
		p.decode(n, into.Elem(), key)
	case t.Kind() == reflect.Slice:
		p.list(n, into, key)
	case t.Kind() == reflect.Map:
		p.dictionary(n, into, key)
	default:
		p.at(n, "%s is of a type that no configuration can have", key)
	}
}

// fill is decode for the outermost mapping of a page; into points to a struct.
func (p *page) fill(top *yaml.Node, into any) { p.decode(top, reflect.ValueOf(into).Elem(), "") }

// table fills a struct. The outermost one has no key.
func (p *page) table(n *yaml.Node, into reflect.Value, key string) {
	entries, ok := p.entries(n, key)
	if !ok {
		return
	}
	fields := fieldsOf(into.Type())
	misspelt := map[string]bool{}
	for _, e := range entries {
		f, known := fields[e.key.Value]
		if !known {
			misspelt[mapping.Nearest(e.key.Value, sortedKeys(fields))] = true
			p.at(e.key, "there is no key called %s%s%s", e.key.Value, under(key), meant(e.key.Value, fields))
			continue
		}
		p.decode(e.value, into.Field(f.index), e.key.Value)
		delete(fields, e.key.Value)
	}
	for _, name := range sortedKeys(fields) {
		if fields[name].required && !written(entries, name) && !misspelt[name] {
			p.add(n.Line, "%s is missing%s", name, under(key))
		}
	}
	if line := into.FieldByName("Line"); line.IsValid() && line.CanInt() {
		line.SetInt(int64(n.Line))
	}
}

// An entry is one key of a mapping, with its value.
type entry struct{ key, value *yaml.Node }

// entries gives a mapping's keys in order, once each.
func (p *page) entries(n *yaml.Node, key string) ([]entry, bool) {
	if n.Kind != yaml.MappingNode {
		p.at(n, "%s must be a table of keys and values", cmp.Or(key, "this"))
		return nil, false
	}
	var es []entry
	for i := 0; i+1 < len(n.Content); i += 2 {
		e := entry{n.Content[i], n.Content[i+1]}
		switch {
		case e.key.Kind != yaml.ScalarNode:
			p.at(e.key, "a key must be a text")
		case written(es, e.key.Value):
			p.at(e.key, "%s is written twice%s", e.key.Value, under(key))
		default:
			es = append(es, e)
		}
	}
	return es, true
}

func written(es []entry, name string) bool {
	return slices.ContainsFunc(es, func(e entry) bool { return e.key.Value == name })
}

func (p *page) list(n *yaml.Node, into reflect.Value, key string) {
	if n.Kind != yaml.SequenceNode {
		p.at(n, "%s must be a list: [ … ], or one line with - for each", key)
		return
	}
	into.Set(reflect.MakeSlice(into.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		p.decode(item, into.Index(i), key)
	}
}

func (p *page) dictionary(n *yaml.Node, into reflect.Value, key string) {
	entries, ok := p.entries(n, key)
	if !ok {
		return
	}
	into.Set(reflect.MakeMap(into.Type()))
	for _, e := range entries {
		name, value := reflect.New(into.Type().Key()).Elem(), reflect.New(into.Type().Elem()).Elem()
		if name.Kind() == reflect.String {
			name.SetString(e.key.Value)
		} else {
			p.decode(e.key, name, "a key in "+key)
		}
		p.decode(e.value, value, e.key.Value)
		into.SetMapIndex(name, value)
	}
}

// text reads a text that is written as one. What YAML takes for something else must
// stand in quotes: nobody can see whether 0114 means 0114 or 76.
func (p *page) text(n *yaml.Node, key string) (text string, ok bool) {
	switch {
	case n.Kind != yaml.ScalarNode:
		p.at(n, "%s must be a text", key)
	case isNull(n) || n.Value == "":
		p.at(n, "%s has no value", key)
	case n.ShortTag() == "!!int" && strings.HasPrefix(n.Value, "0") && len(n.Value) > 1:
		p.at(n, "%s is a text: write \"%s\" in quotes, since many tools read a bare %s as another number",
			key, n.Value, n.Value)
	case n.ShortTag() != "!!str":
		p.at(n, "%s is a text: write \"%s\" in quotes", key, n.Value)
	default:
		return n.Value, true
	}
	return "", false
}

func (p *page) yesNo(n *yaml.Node, into reflect.Value, key string) {
	switch strings.ToLower(n.Value) {
	case "yes", "true":
		into.SetBool(true)
	case "no", "false":
		into.SetBool(false)
	default:
		p.at(n, "%s must be yes or no", key)
	}
}

func (p *page) number(n *yaml.Node, into reflect.Value, key string) {
	i, err := strconv.ParseInt(n.Value, 10, into.Type().Bits())
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int" || err != nil {
		p.at(n, "%s must be a whole number", key)
		return
	}
	into.SetInt(i)
}

func (p *page) duration(n *yaml.Node, into reflect.Value, key string) {
	d, err := time.ParseDuration(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil || d < 0 {
		p.at(n, "%s must be a time with its unit, such as 500ms, 30s or 5m", key)
		return
	}
	into.SetInt(int64(d))
}

func (p *page) secret(n *yaml.Node, into *hub.Secret, key string) {
	if n.Kind != yaml.ScalarNode {
		p.at(n, "%s %s", key, errNotReference)
		return
	}
	secret, err := p.secrets.read(n.Value)
	if err != nil {
		p.at(n, "%s %s", key, err)
	}
	*into = secret
}

// A fieldTag is what a struct says of one key.
type fieldTag struct {
	index    int
	required bool
}

// fieldsOf reads the tags of a struct, by key.
func fieldsOf(t reflect.Type) map[string]fieldTag {
	fields := map[string]fieldTag{}
	for i := range t.NumField() {
		name, options, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		if name != "" && name != "-" {
			fields[name] = fieldTag{i, !strings.Contains(options, "omitempty")}
		}
	}
	return fields
}

func under(key string) string {
	if key == "" {
		return ""
	}
	return " in " + key
}

// meant suggests the key that a misspelt one is closest to, and otherwise lists
// those there are.
func meant[V any](misspelt string, known map[string]V) string {
	names := sortedKeys(known)
	if len(names) == 0 {
		return ""
	}
	if near := perhaps(misspelt, names); near != "" {
		return near
	}
	if len(names) == 1 {
		return "; there is only " + names[0]
	}
	return "; there are " + strings.Join(names, ", ")
}

// perhaps suggests the name that a misspelt one is close to, if it is close to any.
func perhaps(misspelt string, names []string) string {
	if name := mapping.Nearest(misspelt, names); name != "" {
		return "; did you mean " + name + "?"
	}
	return ""
}

func sortedKeys[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
