package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// A pointer is the way to something in a document: the segments of a JSON Pointer (RFC 6901), or the
// local names of XML elements, the last of which may be @ and the name of an attribute. Nil is
// nowhere; an empty one is the whole.
type pointer []string

var unescapePointer = strings.NewReplacer("~1", "/", "~0", "~")

// parsePointer reads what systems.yaml says. "" is nowhere and "/" the whole.
func parsePointer(text string) (pointer, error) {
	switch {
	case text == "":
		return nil, nil
	case text == "/":
		return pointer{}, nil
	case !strings.HasPrefix(text, "/"), strings.HasSuffix(text, "/"), strings.Contains(text, "//"):
		return nil, errors.New("a path into a document is written /NAME/NAME")
	}
	p := strings.Split(text[1:], "/")
	for i, segment := range p {
		p[i] = unescapePointer.Replace(segment)
	}
	return p, nil
}

// A node is a value of a JSON document as document.ReadJSON gives it, or a *document.Element.
type node any

// in gives what stands at p in n; nil for nothing.
func (p pointer) in(n node) node {
	for i, name := range p {
		switch at := n.(type) {
		case map[string]any:
			n = at[name]
		case *document.Element:
			if attribute, is := strings.CutPrefix(name, "@"); is && i == len(p)-1 {
				return at.Attr(attribute)
			}
			child := at.Child(name)
			if child == nil {
				return nil
			}
			n = child
		case []any:
			n = item(at, name)
		default:
			return nil
		}
	}
	return n
}

// item gives one item of a list by its number, from 0.
func item(list []any, number string) node {
	for i := range list {
		if fmt.Sprint(i) == number {
			return list[i]
		}
	}
	return nil
}

// longest is how long a number, a word or a cursor may be: what is longer is none.
const longest = 1000

// text gives the text or the number that stands at p, without surrounding blanks; "" for anything
// else, and for what is no name of anything.
func (p pointer) text(n node) string {
	if p == nil {
		return ""
	}
	var text string
	switch v := p.in(n).(type) {
	case string:
		text = v
	case json.Number:
		text = v.String()
	case *document.Element:
		if len(v.Children) == 0 {
			text = v.Text
		}
	}
	text = strings.TrimSpace(text)
	if len(text) > longest || strings.ContainsFunc(text, isControl) {
		return ""
	}
	return text
}

// yes reports whether true stands at p.
func (p pointer) yes(n node) bool {
	return p != nil && (p.in(n) == true || p.text(n) == "true")
}

// list gives the items that stand at p, and whether there is a list there. In XML a list is all
// elements of the last name; its parent must be there, so that a wholly different document is not
// an empty list.
func (p pointer) list(n node) (items []node, is bool) {
	if root, isXML := n.(*document.Element); isXML {
		if len(p) == 0 {
			return nil, false
		}
		last := len(p) - 1
		parent, _ := p[:last].in(root).(*document.Element)
		for _, e := range parent.All(p[last]) {
			items = append(items, e)
		}
		return items, parent != nil
	}
	all, is := p.in(n).([]any)
	for _, one := range all {
		items = append(items, one)
	}
	return items, is
}

// parseTime reads RFC 3339, or the same without a zone, which is Swedish time.
func parseTime(text string) (time.Time, bool) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, true
	}
	t, err := time.ParseInLocation("2006-01-02T15:04:05", text, hub.Stockholm)
	return t, err == nil
}

// A template is the end of an address, with places to fill in.
type template struct {
	text   string
	places []string
}

// parseAddress reads the end of an address as systems.yaml has it; allowed are the places that have a
// value there.
func parseAddress(text string, allowed ...string) (template, error) {
	t, example, err := parseTemplate(text, allowed)
	if err != nil {
		return t, err
	}
	u, err := url.Parse("https://x" + example)
	switch {
	case !strings.HasPrefix(text, "/") || err != nil:
		return t, errors.New("it must begin with / and be the end of an address")
	case strings.Contains(example, "#"):
		return t, errors.New("an address ends before its #")
	case slices.Contains(strings.Split(u.Path, "/"), ".."):
		return t, errors.New("it must not lead upwards")
	}
	return t, nil
}

// parseTemplate finds the places in a text, and gives an example of how it looks filled in.
func parseTemplate(text string, allowed []string) (t template, example string, err error) {
	t.text = text
	for rest := text; ; {
		before, after, more := strings.Cut(rest, "{")
		if example += before; strings.Contains(before, "}") {
			return t, "", errors.New("a } has no {")
		}
		if !more {
			return t, example, nil
		}
		place, tail, closed := strings.Cut(after, "}")
		if !closed || !slices.Contains(allowed, place) && !isReceiptPlace(place) {
			return t, "", fmt.Errorf("only {%s}, {case.LEG.number} and {case.LEG.ref} can stand there",
				strings.Join(allowed, "}, {"))
		}
		t.places = append(t.places, place)
		rest, example = tail, example+"x"
	}
}

// isReceiptPlace reports whether a place is what the case got before: case.LEG.number or case.LEG.ref.
func isReceiptPlace(place string) bool {
	parts := strings.Split(place, ".")
	return len(parts) == 3 && parts[0] == "case" && parts[1] != "" && (parts[2] == "number" || parts[2] == "ref")
}

func (t template) has(place string) bool { return slices.Contains(t.places, place) }

// values are what can be filled in.
type values map[string]string

// valuesOf gives what is known of a delivery before it is sent.
func valuesOf(d hub.Delivery) values {
	v := values{"key": string(d.Key)}
	for leg, r := range d.Receipts {
		v["case."+leg+".number"], v["case."+leg+".ref"] = r.Number, refOf(r)
	}
	return v
}

func refOf(r hub.Receipt) string {
	if r.Ref != "" {
		return r.Ref
	}
	return r.Number
}

// errPlace says that an address lacks a part: a case has no receipt of that leg, or the system has
// called something by what cannot be part of an address.
var errPlace = errors.New("a part of the address is not known, or cannot be one")

// fill gives the end of an address, each value escaped for where it stands.
func (t template) fill(v values) (string, error) {
	var address strings.Builder
	rest, escape := t.text, url.PathEscape
	for _, place := range t.places {
		before, after, _ := strings.Cut(rest, "{"+place+"}")
		address.WriteString(before)
		if strings.Contains(before, "?") {
			escape = url.QueryEscape
		}
		value, known := v[place]
		if !known || value == "." || value == ".." || value == "" && place != "cursor" {
			return "", errPlace
		}
		address.WriteString(escape(value))
		rest = after
	}
	return address.String() + rest, nil
}

// plain fills in a text that is no address.
func (t template) plain(v values) string {
	var pairs []string
	for _, place := range t.places {
		pairs = append(pairs, "{"+place+"}", v[place])
	}
	return strings.NewReplacer(pairs...).Replace(t.text)
}
