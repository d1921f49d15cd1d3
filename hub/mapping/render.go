package mapping

import (
	"encoding/json"
	"strings"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// A rendering is one document under way.
type rendering struct {
	values   map[string]any // what the names stand for, those of loops among them
	branches int
	account  *account // of how the document comes about; nil when nobody asks
}

// maxBranches bounds a document: a loop within a loop over long lists ends here.
const maxBranches = 200_000

func newRendering(known hub.Known, tables map[string]table) *rendering {
	return &rendering{values: valuesOf(&known, tables)}
}

// value works an expression out.
func (r *rendering) value(x *expression) (any, error) {
	if r.account != nil {
		return r.account.value(x, r.values)
	}
	return x.value(r.values)
}

// repeat makes a branch as often as it is to be there: once, or for each item of its
// loop, and only where its condition holds.
func (r *rendering) repeat(b *branch, make func() error) error {
	if b.each == nil {
		return r.once(b, make)
	}
	v, err := r.value(b.each.list)
	if err != nil {
		return err
	}
	if v == nil && b.optional {
		r.account.nothingToRepeat(b)
		return nil
	}
	list, ok := listOf(v).([]any)
	if !ok {
		return b.each.list.missing()
	}
	r.account.repeats(b, list)
	defer r.forget(b.each)
	for i, item := range list {
		r.account.item(b.each, i, item)
		r.values[b.each.item] = item
		if b.each.number != "" {
			r.values[b.each.number] = i + 1
		}
		if err := r.once(b, make); err != nil {
			return err
		}
	}
	return nil
}

func (r *rendering) forget(l *loop) {
	delete(r.values, l.item)
	delete(r.values, l.number)
	r.account.repeated(l)
}

func (r *rendering) once(b *branch, make func() error) error {
	if r.branches++; r.branches > maxBranches {
		return &fault{b.line, hub.ReasonMapping, "the document becomes too large"}
	}
	if b.when != nil {
		v, err := r.value(b.when)
		if err != nil {
			return err
		}
		switch v {
		case true:
		case false:
			r.account.forbidden(b)
			return nil
		case nil:
			return b.when.missing()
		default:
			return b.when.fault("is not yes or no")
		}
	}
	if err := r.account.begins(b); err != nil {
		return err
	}
	err := make()
	r.account.ends(b)
	return err
}

// text writes a leaf as text. It is absent where a value in it is, which is an error
// unless it may be.
func (r *rendering) text(l *leaf, optional bool) (text string, present bool, err error) {
	if len(l.parts) == 1 {
		text, present, err = r.part(l.parts[0], optional)
		return text, present && (!optional || text != ""), err
	}
	var b strings.Builder
	for _, p := range l.parts {
		written, present, err := r.part(p, optional)
		if err != nil || !present {
			return "", false, err
		}
		b.WriteString(written)
	}
	return b.String(), !optional || b.Len() > 0, nil
}

func (r *rendering) part(p leafPart, optional bool) (text string, present bool, err error) {
	if p.value == nil {
		return p.text, true, nil
	}
	v, err := r.value(p.value)
	switch {
	case err != nil:
		return "", false, err
	case v == nil && optional:
		return "", false, nil
	case v == nil:
		return "", false, p.value.missing()
	}
	if text, err = textOf(v); err != nil {
		return "", false, p.value.fault(reasonOf(err))
	}
	return text, true, nil
}

// writeXML makes the document with its elements in the order of the mapping.
func (r *rendering) writeXML(root *branch, charset document.Charset) ([]byte, error) {
	var top document.Element
	if err := r.elements(root, &top); err != nil {
		return nil, err
	}
	return document.WriteXML(top.Children[0], document.Style{Charset: charset})
}

// elements hangs what a branch makes under its parent.
func (r *rendering) elements(b *branch, under *document.Element) error {
	if b.list {
		for _, item := range b.items {
			if err := r.elements(item, under); err != nil {
				return err
			}
		}
		return nil
	}
	return r.repeat(b, func() error {
		e, err := r.element(b)
		if e != nil {
			under.Children = append(under.Children, e)
		}
		return err
	})
}

// element gives nil for one that may be left out and has nothing in it.
func (r *rendering) element(b *branch) (*document.Element, error) {
	e := &document.Element{Name: b.name}
	for _, a := range b.attrs {
		value, present, err := r.text(a.value, a.optional)
		if err != nil {
			return nil, err
		}
		r.account.attribute(a, value, present)
		if present {
			e.Attrs = append(e.Attrs, document.Attr{Name: a.name, Value: value})
		}
	}
	if b.value != nil {
		text, present, err := r.text(b.value, b.optional)
		r.account.text(b, text, present && err == nil)
		if err != nil || !present {
			return nil, err
		}
		e.Text = text
		return e, nil
	}
	if len(b.children) > 0 {
		e.Children = make([]*document.Element, 0, len(b.children))
	}
	for _, c := range b.children {
		if err := r.elements(c, e); err != nil {
			return nil, err
		}
	}
	if b.optional && len(e.Children) == 0 && len(e.Attrs) == 0 {
		return nil, nil
	}
	return e, nil
}

// writeJSON makes the document with its members in the order of the mapping.
func (r *rendering) writeJSON(root *branch) ([]byte, error) {
	v, present, err := r.member(root)
	if err != nil {
		return nil, err
	}
	if !present {
		return nil, &fault{root.line, hub.ReasonMapping, "the document is left out"}
	}
	return document.WriteJSON(v)
}

// member gives the value of a branch, and whether it is there at all.
func (r *rendering) member(b *branch) (v any, present bool, err error) {
	if b.each != nil {
		list := []any{}
		err := r.append(b, &list)
		return list, !b.optional || len(list) > 0, err
	}
	err = r.once(b, func() error {
		v, present, err = r.content(b)
		return err
	})
	return v, present, err
}

// append puts what a branch makes at the end of a list.
func (r *rendering) append(b *branch, list *[]any) error {
	return r.repeat(b, func() error {
		v, present, err := r.content(b)
		if present {
			*list = append(*list, v)
		}
		return err
	})
}

func (r *rendering) content(b *branch) (any, bool, error) {
	switch {
	case b.value != nil:
		v, present, err := r.typed(b.value, b.optional)
		r.account.leaf(b, v, present && err == nil)
		return v, present, err
	case b.list:
		list := []any{}
		for _, item := range b.items {
			if err := r.append(item, &list); err != nil {
				return nil, false, err
			}
		}
		return list, !b.optional || len(list) > 0, nil
	}
	object := make(document.Object, 0, len(b.children))
	for _, c := range b.children {
		v, present, err := r.member(c)
		if err != nil {
			return nil, false, err
		}
		if present {
			object = append(object, document.Member{Name: c.name, Value: v})
		}
	}
	return object, !b.optional || len(object) > 0, nil
}

// typed gives a leaf for JSON: a value alone keeps its type.
func (r *rendering) typed(l *leaf, optional bool) (any, bool, error) {
	if l.parts == nil {
		return l.literal, true, nil
	}
	x := l.alone()
	if x == nil {
		return r.text(l, optional)
	}
	v, err := r.value(x)
	if err != nil {
		return nil, false, err
	}
	if v == nil || optional && isEmpty(v) {
		if !optional {
			return nil, false, x.missing()
		}
		return nil, false, nil
	}
	if v, err = plain(v); err != nil {
		return nil, false, x.fault(reasonOf(err))
	}
	return v, true, nil
}

func isEmpty(v any) bool {
	switch v := v.(type) {
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

var errMissing = refusal("has a list in which a value is missing")

// plain gives a value as JSON has it. Persons and times have no form of their own in
// it, and a list in which one is missing is refused; within an answer null stays null.
func plain(v any) (any, error) {
	switch v := v.(type) {
	case string, bool, json.Number, int:
		return v, nil
	case float64:
		s, err := textOf(v)
		return json.Number(s), err
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			if item == nil {
				return nil, errMissing
			}
			var err error
			if list[i], err = plain(item); err != nil {
				return nil, err
			}
		}
		return list, nil
	case map[string]any:
		group := make(map[string]any, len(v))
		for name, field := range v {
			var err error
			if group[name], err = plainOrNull(field); err != nil {
				return nil, err
			}
		}
		return group, nil
	}
	_, err := textOf(v)
	return nil, err
}

func plainOrNull(v any) (any, error) {
	if v == nil {
		return nil, nil
	}
	return plain(v)
}
