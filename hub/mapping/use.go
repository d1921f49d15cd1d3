package mapping

import (
	"maps"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser"
)

// A use is what a field of the answers is taken for.
type use struct {
	sort string // date, number, postcode, person, organisation, word
	word string // of a person: the role; of a word: one that the table has
}

// uses finds out by the expressions of the mapping and the route what the answers must be
// like.
func (g Ground) uses() map[string]use {
	all := map[string]use{}
	for _, v := range g.Values {
		if _, source, _ := cutValue(v.Text); source != nil && strings.HasPrefix(v.As, "parties.") {
			usesIn(*source, nil, g.Mapping.tables, func(path string, u use) { all[path] = u })
			if path, is := pathOf(*source, nil); is {
				all[path] = use{"person", strings.TrimPrefix(v.As, "parties.")}
			}
		}
	}
	g.Mapping.root.withLoops(nil, func(x *expression, loops map[string]string) {
		usesIn(x.source, loops, g.Mapping.tables, func(path string, u use) {
			if _, is := all[path]; !is {
				all[path] = u
			}
		})
	})
	return all
}

// withLoops visits each expression below b, with what loops around it call their items.
func (b *branch) withLoops(loops map[string]string, visit func(*expression, map[string]string)) {
	alone := &branch{attrs: b.attrs, value: b.value, when: b.when}
	if b.each != nil {
		visit(b.each.list, loops)
		loops = withLoop(loops, b.each)
	}
	alone.expressions(func(x *expression) { visit(x, loops) })
	for _, below := range slices.Concat(b.children, b.items) {
		below.withLoops(loops, visit)
	}
}

func pathOf(source string, loops map[string]string) (string, bool) {
	tree, err := parser.ParseWithConfig(source, newConfig(map[string]any{}))
	if err != nil {
		return "", false
	}
	return (&references{names: loops}).path(tree.Node)
}

// sortsOfUse are what functions take.
var sortsOfUse = map[string]string{
	"isodate": "date", "isodatetime": "date", "formatdate": "date", "number": "number", "decimal": "number", "postcode": "postcode",
	"personnummer": "person", "personnummer10": "person", "personnummer11": "person", "personnummer13": "person",
	"organisationsnummer": "organisation", "organisationsnummer11": "organisation", "organisationsnummer12": "organisation",
}

func usesIn(source string, loops map[string]string, tables map[string]table, found func(path string, u use)) {
	tree, err := parser.ParseWithConfig(source, newConfig(map[string]any{}))
	if err == nil {
		ast.Walk(&tree.Node, &usage{references{names: loops}, tables, found})
	}
}

// A usage looks at what an expression does with what it reads.
type usage struct {
	references
	tables map[string]table
	found  func(path string, u use)
}

// Visit implements ast.Visitor.
func (v *usage) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.CallNode:
		if name, is := n.Callee.(*ast.IdentifierNode); is && len(n.Arguments) > 0 && sortsOfUse[name.Value] != "" {
			v.note(n.Arguments[0], use{sort: sortsOfUse[name.Value]})
		}
	case *ast.MemberNode:
		table, is := v.path(n.Node)
		if name, isTable := strings.CutPrefix(table, "tables."); is && isTable && !isConstant(n.Property) {
			v.note(n.Property, use{"word", firstWord(v.tables[name])})
		}
	}
}

// note tells what a value is taken for, also where it is only trimmed first, or has another
// beside it.
func (v *usage) note(n ast.Node, u use) {
	switch call := n.(type) {
	case *ast.CallNode:
		if len(call.Arguments) > 0 {
			v.note(call.Arguments[0], u)
		}
		return
	case *ast.BinaryNode:
		if call.Operator == "??" {
			v.note(call.Left, u)
			v.note(call.Right, u)
		}
		return
	}
	if path, is := v.path(n); is && strings.HasPrefix(path, "answers.") {
		v.found(path, u)
	}
}

func firstWord(t table) string {
	words := slices.Sorted(maps.Keys(t))
	if len(words) == 0 {
		return ""
	}
	return words[0]
}
