package mapping

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser"

	"github.com/knutpunkt/knutpunkt/hub/document"
)

// A Place is one to which something that is known goes: an element, an attribute or a
// member of a document, a condition in it, or a value of a route.
type Place struct {
	File    string
	Line    int
	Where   string // "Ansokan/Sokande/Epost", "parties: sökande"
	Source  string // the expression
	Through string // what carries it there, "parties.sökande"; "" for nothing
}

func (p Place) String() string {
	text := fmt.Sprintf("%s:%d: %s ← %s", p.File, p.Line, p.Where, p.Source)
	if p.Through != "" {
		text += ", through " + p.Through
	}
	return text
}

// A RouteValue is an expression of a route.
type RouteValue struct {
	File string
	Line int
	For  string // what the route takes it for: "parties: sökande"
	Text string // with its ${ }
	As   string // what its value is called from there on: "parties.sökande"; "" where it goes no further
}

// Trace gives every place to which something goes: answers.FIELD with all that lies below
// it, parties.ROLE, NAME.field of a register's answer, any name that mappings have. Where
// a route's value takes it up under another name, as a party or to ask a register about,
// it is followed further under that.
func Trace(path string, values []RouteValue, mappings ...*Mapping) []Place {
	return trace(withoutIndexes(path), "", values, mappings, map[string]bool{})
}

func trace(path, through string, values []RouteValue, mappings []*Mapping, done map[string]bool) (places []Place) {
	if done[path] {
		return nil
	}
	done[path] = true
	var onwards []string
	for _, v := range values {
		_, source, _ := cutValue(v.Text)
		if source == nil || !reads(*source, nil, path, true) {
			continue
		}
		places = append(places, Place{v.File, v.Line, v.For, *source, strings.TrimPrefix(through, *source)})
		if v.As != "" {
			onwards = append(onwards, v.As)
		}
	}
	for _, m := range mappings {
		t := tracing{m, path, through, nil}
		t.branch(m.root, m.root.names(), nil)
		places = append(places, t.places...)
	}
	for _, name := range onwards {
		places = append(places, trace(name, name, values, mappings, done)...)
	}
	return places
}

// names begin the path of a document's root: in JSON it has no name.
func (b *branch) names() []string {
	if b.name == "" {
		return nil
	}
	return []string{b.name}
}

// withoutIndexes lets answers.barn[0].namn mean the answer of every child.
func withoutIndexes(path string) string {
	var b strings.Builder
	for path != "" {
		before, after, found := strings.Cut(path, "[")
		b.WriteString(before)
		if !found {
			break
		}
		inside, rest, _ := strings.Cut(after, "]")
		if name := strings.Trim(inside, `"'`); name != inside {
			b.WriteString("." + name)
		}
		path = rest
	}
	return b.String()
}

// A tracing goes through one mapping.
type tracing struct {
	mapping       *Mapping
	path, through string
	places        []Place
}

// branch looks at a branch and what is below it; path are the names that lead to it, and
// loops say what loops around it call their items.
func (t *tracing) branch(b *branch, path []string, loops map[string]string) {
	where := cmp.Or(strings.Join(path, "/"), "the document")
	if b.each != nil {
		within := withLoop(loops, b.each)
		t.expression(b.each.list, where+", $for", loops, within[b.each.item] == "") // what the items are of is lost
		loops = within
	}
	if b.when != nil {
		t.expression(b.when, where+", $if", loops, true)
	}
	for _, a := range b.attrs {
		t.leaf(a.value, where+"/@"+a.name, loops)
	}
	if b.value != nil {
		t.leaf(b.value, where, loops)
	}
	for _, child := range b.children {
		t.branch(child, append(slices.Clip(path), child.name), loops)
	}
	for _, item := range b.items {
		t.branch(item, path, loops)
	}
}

// withLoop says, beside what loops around it call their items, what a loop does; "" for those
// of a list that stands nowhere, but is put together.
func withLoop(loops map[string]string, l *loop) map[string]string {
	path, _ := pathOf(l.list.source, loops)
	return withName(loops, l.item, path)
}

func (t *tracing) leaf(l *leaf, where string, loops map[string]string) {
	for _, part := range l.parts {
		if part.value != nil {
			t.expression(part.value, where, loops, true)
		}
	}
}

func (t *tracing) expression(x *expression, where string, loops map[string]string, whole bool) {
	if reads(x.source, loops, t.path, whole) {
		t.places = append(t.places, Place{t.mapping.path, x.at.line, where, x.source, t.through})
	}
}

// reads reports whether an expression reads what a path names: itself, something in it, or,
// where it takes groups of answers whole, a group that it is in.
func reads(source string, loops map[string]string, path string, whole bool) bool {
	tree, err := parser.ParseWithConfig(source, newConfig(map[string]any{}))
	if err != nil {
		return false
	}
	r := &references{names: loops}
	r.visit(tree.Node)
	return slices.ContainsFunc(r.found, func(f reference) bool {
		return f.path == path || strings.HasPrefix(f.path, path+".") ||
			whole && f.whole && strings.HasPrefix(path, "answers.") && strings.HasPrefix(path, f.path+".")
	})
}

// A reference is what an expression reads, whatever the answers are: a path without the
// numbers of items. It is whole unless only things in it are read.
type reference struct {
	path  string
	whole bool
}

// references collects them.
type references struct {
	names map[string]string // what loops and let call something, by the path of it; "" for what has none
	items []string          // the paths of what predicates go through, the innermost last
	found []reference
}

func (r *references) add(path string, whole bool) {
	if path != "" {
		r.found = append(r.found, reference{path, whole})
	}
}

func (r *references) visit(n ast.Node) {
	if path, is := r.path(n); is {
		r.add(path, true)
		return
	}
	switch n := n.(type) {
	case *ast.BuiltinNode:
		r.builtin(n)
		return
	case *ast.VariableDeclaratorNode:
		path, is := r.path(n.Value)
		if !is {
			r.visit(n.Value)
		}
		before := r.names
		r.names = withName(before, n.Name, path)
		r.visit(n.Expr)
		r.names = before
		return
	}
	for _, below := range childrenOf(n) {
		r.visit(below)
	}
}

func withName(names map[string]string, name, path string) map[string]string {
	inner := map[string]string{}
	maps.Copy(inner, names)
	inner[name] = path
	return inner
}

// builtin goes through a list and what is asked of each of its items.
func (r *references) builtin(n *ast.BuiltinNode) {
	list, is := r.path(n.Arguments[0])
	predicate := slices.ContainsFunc(n.Arguments, func(a ast.Node) bool { _, is := a.(*ast.PredicateNode); return is })
	if is {
		r.add(list, !predicate)
	} else {
		r.visit(n.Arguments[0])
	}
	r.items = append(r.items, list)
	for _, argument := range n.Arguments[1:] {
		r.visit(argument)
	}
	r.items = r.items[:len(r.items)-1]
}

// ofItems are the functions that give items of the list that they are given, or a list of
// such.
var ofItems = []string{"filter", "find", "first", "flatten", "last", "reverse", "sort", "sortBy", "take", "uniq"}

// path gives where the value of an expression stands, if it stands somewhere and is not
// made. What is read on the way to it is noted.
func (r *references) path(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.IdentifierNode:
		if path, named := r.names[n.Value]; named {
			return path, true
		}
		return n.Value, true
	case *ast.PointerNode:
		if len(r.items) > 0 {
			return r.items[len(r.items)-1], true
		}
	case *ast.BinaryNode:
		if _, is := r.path(n.Right); n.Operator == "??" && !is {
			return r.path(n.Left) // or something else that is written there
		}
	case *ast.ChainNode:
		return r.path(n.Node)
	case *ast.SliceNode:
		return r.path(n.Node)
	case *ast.MemberNode:
		return r.member(n)
	case *ast.BuiltinNode:
		if slices.Contains(ofItems, n.Name) {
			r.builtin(n)
			return r.path(n.Arguments[0])
		}
	}
	return "", false
}

func (r *references) member(n *ast.MemberNode) (string, bool) {
	of, is := r.path(n.Node)
	if !is {
		return "", false
	}
	name, named := n.Property.(*ast.StringNode)
	switch {
	case named && of != "":
		return of + "." + name.Value, true
	case !isConstant(n.Property):
		r.visit(n.Property) // the word that is looked up in a table
	}
	return of, true
}

// childrenOf gives what a node is made of.
func childrenOf(n ast.Node) []ast.Node {
	switch n := n.(type) {
	case *ast.UnaryNode:
		return []ast.Node{n.Node}
	case *ast.BinaryNode:
		return []ast.Node{n.Left, n.Right}
	case *ast.ChainNode:
		return []ast.Node{n.Node}
	case *ast.MemberNode:
		return []ast.Node{n.Node, n.Property}
	case *ast.SliceNode:
		return []ast.Node{n.Node}
	case *ast.CallNode:
		return n.Arguments
	case *ast.PredicateNode:
		return []ast.Node{n.Node}
	case *ast.SequenceNode:
		return n.Nodes
	case *ast.ConditionalNode:
		return []ast.Node{n.Cond, n.Exp1, n.Exp2}
	case *ast.ArrayNode:
		return n.Nodes
	case *ast.MapNode:
		return n.Pairs
	case *ast.PairNode:
		return []ast.Node{n.Key, n.Value}
	}
	return nil
}

// UnknownAnswer tells which field of a path, answers.FIELD, a form does not have, and which
// one may have been meant; "" where it has all of them, or nobody knows.
func UnknownAnswer(path string, form *document.Type) string {
	at, rest := form, strings.Split(withoutIndexes(path), ".")
	if rest[0] != "answers" {
		return ""
	}
	for _, name := range rest[1:] {
		for at != nil && at.Kind == document.ArrayType {
			at = at.Items
		}
		if at == nil || at.Kind != document.ObjectType || len(at.Fields) == 0 {
			return ""
		}
		if at.Fields[name] == nil {
			return "there is no " + name + near(name, at.Names())
		}
		at = at.Fields[name]
	}
	return ""
}
