package mapping

import (
	"fmt"
	"strings"

	"github.com/knutpunkt/knutpunkt/hub"
)

// What a rendering tells.

// begins tells that a branch is made once, and ends that it has been made.
func (a *account) begins(b *branch) error {
	if a == nil {
		return nil
	}
	t := &told{branch: b, name: b.name, line: b.line, many: b.list}
	if in := a.in(); in.many {
		t.number = 1 + len(in.below)
	}
	if b.each != nil {
		t.item = a.items[b.each.item]
	}
	a.put(t)
	if err := a.charge(stepCost); err != nil {
		return &fault{b.line, hub.ReasonMapping, "the document " + reasonOf(err)}
	}
	return nil
}

func (a *account) ends(b *branch) {
	if a == nil {
		return
	}
	t := a.in()
	if b.value == nil && b.optional && len(t.below) == 0 {
		a.leave(t, "nothing came of what is in it")
	}
	a.shut()
}

// repeats tells that a loop begins, item which of its items is next, and repeated that it
// is over.
func (a *account) repeats(b *branch, list []any) {
	if a == nil {
		return
	}
	path := b.each.list.source
	if of, known := a.known[spot(list)]; known {
		path = of.path
	}
	a.loops = append(a.loops, path)
	a.put(&told{branch: b, name: b.name, line: b.line, many: true})
	if len(list) == 0 {
		a.omit(b.line, a.path(), b.each.list.source+" is empty, so there is nothing to repeat")
	}
}

func (a *account) item(l *loop, i int, item any) {
	if a == nil {
		return
	}
	path := fmt.Sprintf("%s[%d]", a.loops[len(a.loops)-1], i)
	if of, known := a.known[spot(item)]; known {
		path = of.path
	}
	a.items[l.item] = path
	a.items[l.number] = "the number of " + path
}

// repeated puts what a loop has made where the document has it: beside its other elements
// in XML, among the other items of its list in JSON.
func (a *account) repeated(l *loop) {
	if a == nil {
		return
	}
	t := a.in()
	t.gone = len(t.below) == 0 && t.branch.optional
	a.shut()
	if in := a.in(); !t.gone && (!a.json || in.many) {
		in.below = append(in.below[:len(in.below)-1], t.below...)
		for i, item := range in.below {
			if in.many {
				item.number = 1 + i
			}
		}
	}
	a.loops = a.loops[:len(a.loops)-1]
	delete(a.items, l.item)
	delete(a.items, l.number)
}

// nothingToRepeat tells of a loop over what is absent, where that may be.
func (a *account) nothingToRepeat(b *branch) {
	if a != nil {
		a.omit(b.line, a.pathOf(b), a.whyAbsent(b.each.list)+", so there is nothing to repeat")
	}
}

// forbidden tells of a branch whose condition does not hold.
func (a *account) forbidden(b *branch) {
	if a != nil {
		a.omit(b.when.at.line, a.pathOf(b), "$if does not hold: "+b.when.source)
	}
}

// attribute tells of an attribute, and whether it is there.
func (a *account) attribute(at attr, value string, present bool) {
	if a == nil {
		return
	}
	a.put(&told{name: "@" + at.name})
	a.fill(at.value, value, present, at.optional)
	a.shut()
}

// text tells of the text of the element that is being made, and whether it is there.
func (a *account) text(b *branch, text string, present bool) {
	if a != nil {
		a.fill(b.value, text, present, b.optional)
	}
}

// leaf tells of the value of the member that is being made, and whether it is there.
func (a *account) leaf(b *branch, value any, present bool) {
	if a != nil {
		a.fill(b.value, value, present, b.optional)
	}
}

// fill gives a value to what is being made. Where it has none and must have one, the
// rendering ends there, and tells why itself.
func (a *account) fill(l *leaf, value any, present, optional bool) {
	t := a.in()
	t.leaf, t.value, t.line = l, value, l.line
	switch {
	case !present && optional:
		a.leave(t, a.whyEmpty(l))
		return
	case !present:
		t.gone = true
		return
	}
	if text, is := value.(string); is {
		a.spent += len(text)
	}
	for _, part := range l.parts {
		if part.value != nil {
			t.worked = append(t.worked, a.worked[part.value])
		}
	}
}

// whyEmpty tells why a leaf is left out: for the first of its values that is absent, or
// because its text is empty.
func (a *account) whyEmpty(l *leaf) string {
	for _, part := range l.parts {
		if part.value != nil && a.worked[part.value].absent {
			return a.whyAbsent(part.value)
		}
	}
	return "it is empty"
}

// whyAbsent tells what an expression read that was not there.
func (a *account) whyAbsent(x *expression) string {
	absent := a.worked[x].absences()
	switch len(absent) {
	case 0:
		return x.String() + " is absent"
	case 1:
		return absent[0] + " is absent"
	}
	return strings.Join(absent[:len(absent)-1], ", ") + " and " + absent[len(absent)-1] + " are absent"
}

func (w worked) absences() (paths []string) {
	for _, r := range w.reads {
		if r.absent {
			paths = append(paths, r.path)
		}
	}
	return paths
}

// The tree of what is told.

func (a *account) in() *told { return a.open[len(a.open)-1] }

func (a *account) put(t *told) {
	in := a.in()
	in.below = append(in.below, t)
	a.open = append(a.open, t)
}

// shut goes back to what is around what has been made, and forgets what is left out.
func (a *account) shut() {
	t := a.in()
	a.open = a.open[:len(a.open)-1]
	if in := a.in(); t.gone {
		in.below = in.below[:len(in.below)-1]
	}
}

// leave notes that what is being made is left out, and why.
func (a *account) leave(t *told, why string) {
	t.gone = true
	a.omit(t.line, a.path(), why)
}

func (a *account) omit(line int, path, why string) {
	a.left = append(a.left, omission{path, line, why})
}

// path names what is being made, from the outermost.
func (a *account) path() string {
	var names []string
	for i, t := range a.open[1:] {
		if within := i + 2; t.many && within < len(a.open) {
			continue // its items have its name
		}
		if t.name != "" {
			names = append(names, a.label(t))
		}
	}
	return strings.Join(names, "/")
}

// pathOf names a branch in what is being made.
func (a *account) pathOf(b *branch) string {
	a.put(&told{name: b.name})
	defer func() { a.in().gone = true; a.shut() }()
	return a.path()
}

// label is the name of t, and which of several it is: from 1 in XML, as XPath counts, and
// from 0 in JSON, as a JSON pointer does.
func (a *account) label(t *told) string {
	switch {
	case t.number == 0:
		return t.name
	case a.json:
		return fmt.Sprintf("%s[%d]", t.name, t.number-1)
	}
	return fmt.Sprintf("%s[%d]", t.name, t.number)
}
