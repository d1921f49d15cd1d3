package mapping

import (
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser"
)

// constants lists what an expression may come to whatever is known: the texts and numbers that it
// ends in, and the codes of a table that it looks up in. What it may come to besides is not told.
func (x *expression) constants(codes map[string][]code) []code {
	config := newConfig(map[string]any{})
	config.Strict = false
	tree, err := parser.ParseWithConfig(x.source, config)
	if err != nil {
		return nil
	}
	return x.endsIn(tree.Node, codes)
}

func (x *expression) endsIn(node ast.Node, codes map[string][]code) []code {
	at := x.at
	if at.column > 0 {
		at.column += node.Location().From
	}
	switch n := node.(type) {
	case *ast.StringNode:
		return []code{{value: n.Value, at: at}}
	case *ast.IntegerNode:
		return []code{{value: n.Value, at: at}}
	case *ast.BoolNode:
		return []code{{value: n.Value, at: at}}
	case *ast.ConditionalNode:
		return append(x.endsIn(n.Exp1, codes), x.endsIn(n.Exp2, codes)...)
	case *ast.BinaryNode:
		if n.Operator == "??" {
			return append(x.endsIn(n.Left, codes), x.endsIn(n.Right, codes)...)
		}
	case *ast.ChainNode:
		return x.endsIn(n.Node, codes)
	case *ast.MemberNode:
		return codesOf(n, codes)
	}
	return nil
}

// codesOf gives the codes that tables.NAME[word] may come to.
func codesOf(n *ast.MemberNode, codes map[string][]code) []code {
	owner := n.Node
	if chain, is := owner.(*ast.ChainNode); is {
		owner = chain.Node
	}
	table, is := owner.(*ast.MemberNode)
	if !is || !isTable(table) {
		return nil
	}
	name, is := table.Property.(*ast.StringNode)
	if !is {
		return nil
	}
	all := codes[name.Value]
	word, is := n.Property.(*ast.StringNode)
	if !is {
		return all
	}
	for _, c := range all {
		if c.word == word.Value {
			return []code{c}
		}
	}
	return nil
}
