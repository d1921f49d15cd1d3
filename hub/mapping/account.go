package mapping

import (
	"context"
	"fmt"
	"reflect"
	"regexp"
	"slices"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"
)

// An account is kept of how one document comes about: a rendering tells it of each branch
// that it makes, and it works the rendering's expressions out itself, in such a way that
// it hears of everything that they read. It bounds what they may cost, too, so that a
// mapping that nobody has looked at can be tried. All methods that a rendering calls can be
// called on nil, and then do nothing.
type account struct {
	ctx      context.Context
	json     bool
	spent    int
	programs map[*expression]*vm.Program
	known    map[uintptr]located    // lists, groups and persons, by where they are in memory
	items    map[string]string      // paths of the items of loops, by the loop's name for them
	loops    []string               // paths of the lists of loops, the innermost last
	reads    []reading              // of the expression that is being worked out
	worked   map[*expression]worked // how each came to its value the last time
	open     []*told                // from the document to what is being made
	left     []omission
}

// A reading is one thing that an expression has looked at.
type reading struct {
	path   string // "answers.fastighet", "sökande.address.street", "tables.skydd[true]"
	absent bool
}

// worked is how an expression came to its value.
type worked struct {
	reads  []reading
	absent bool
}

// located is something that has fields or items, and where it stands. It is kept, so that
// nothing else takes its place in memory.
type located struct {
	path string
	is   any
}

// A told is one thing in the document as it is told of: an element, an attribute, a member,
// a list, or an item of one.
type told struct {
	branch *branch // nil of an attribute
	name   string
	line   int
	number int      // among the items of a list or a loop, from 1; 0 for what is none
	item   string   // of a loop: the path of what it is made for
	many   bool     // it stands for a list or a loop, and what is below it for the items
	gone   bool     // it is left out
	leaf   *leaf    // nil of what has others below it
	value  any      // of a leaf: a text in XML, and in JSON what JSON has
	worked []worked // of a leaf, for each of its expressions
	below  []*told
}

// An omission is something that the mapping has and the document has not.
type omission struct {
	path string
	line int
	why  string
}

// mostSpent is what one document may cost, in bytes of the texts and lists that are made on
// the way to it, and stepCost what each field that is read, function that is called and step
// of a predicate counts as. It is some hundred times what any business system takes.
const (
	mostSpent = 32 << 20
	stepCost  = 32
)

func newAccount(ctx context.Context, json bool) *account {
	return &account{
		ctx: ctx, json: json, programs: map[*expression]*vm.Program{}, known: map[uintptr]located{}, items: map[string]string{},
		worked: map[*expression]worked{}, open: []*told{{}},
	}
}

var (
	errTooCostly = refusal("costs more than one document may")
	errTooSlow   = refusal("takes too long")
)

// charge counts what has been spent.
func (a *account) charge(n int) error {
	a.spent += n
	switch {
	case a.spent > mostSpent:
		return errTooCostly
	case a.ctx.Err() != nil:
		return errTooSlow
	}
	return nil
}

// value works an expression out and remembers what it read.
func (a *account) value(x *expression, values map[string]any) (any, error) {
	program, err := a.program(x)
	if err != nil {
		return nil, x.fault("cannot be followed")
	}
	a.reads = nil
	machine := &vm.VM{MemoryBudget: memoryBudget}
	v, err := machine.Run(program, values)
	if err == nil {
		err = a.charge(stepCost + sizeOf(v))
	}
	if err != nil {
		return nil, x.fault(reasonOf(err))
	}
	a.worked[x] = worked{withoutOwners(a.reads), v == nil}
	return v, nil
}

// withoutOwners leaves out what was read only for something in it, and what was read before.
func withoutOwners(reads []reading) []reading {
	owners := map[string]bool{}
	for _, r := range reads {
		for i, c := range r.path {
			if c == '.' || c == '[' {
				owners[r.path[:i]] = true
			}
		}
	}
	var kept []reading
	seen := map[reading]bool{}
	for _, r := range reads {
		if !seen[r] && !owners[r.path] {
			kept = append(kept, r)
		}
		seen[r] = true
	}
	return kept
}

func sizeOf(v any) int {
	switch v := v.(type) {
	case string:
		return len(v)
	case []any:
		return 16 * len(v)
	}
	return 0
}

// program compiles an expression as it is compiled for every document, with functions that
// tell the account what they read and what they cost.
func (a *account) program(x *expression) (*vm.Program, error) {
	if p := a.programs[x]; p != nil {
		return p, nil
	}
	config := newConfig(map[string]any{})
	config.Strict = false
	a.lend(config)
	tree, err := parser.ParseWithConfig(x.source, config)
	if err != nil {
		return nil, err
	}
	ast.Walk(&tree.Node, naming(x.names))
	ast.Walk(&tree.Node, meaning{})
	ast.Walk(&tree.Node, costing{})
	p, err := finish(tree, config)
	a.programs[x] = p
	return p, err
}

func (a *account) lend(config *conf.Config) {
	for name, f := range functions {
		config.Functions[name] = a.costed(f.builtin(name))
	}
	for name, call := range map[string]func(...any) (any, error){
		" get": a.get, " name": a.name,
		" cost": func(args ...any) (any, error) { return args[0], a.charge(stepCost + sizeOf(args[0])) },
	} {
		config.Functions[name] = &builtin.Function{Name: name, Func: call}
	}
}

// costed charges for what a function makes.
func (a *account) costed(f *builtin.Function) *builtin.Function {
	call := f.Func
	f.Func = func(args ...any) (any, error) {
		v, err := call(args...)
		if err == nil {
			err = a.charge(stepCost + sizeOf(v))
		}
		return v, err
	}
	return f
}

// get is what reads a field, an entry or an item.
func (a *account) get(args ...any) (any, error) {
	v, err := get(args...)
	if err == nil {
		err = a.charge(stepCost)
	}
	if of, known := a.known[spot(args[0])]; err == nil && known {
		a.note(of.path+stepTo(args[0], args[1]), v)
	}
	return v, err
}

// name is what reads a name, its value beside it.
func (a *account) name(args ...any) (any, error) {
	path := args[1].(string)
	if of, known := a.known[spot(args[0])]; known {
		path = of.path
	} else if item, is := a.items[path]; is {
		path = item
	}
	a.note(path, args[0])
	return args[0], nil
}

func (a *account) note(path string, v any) {
	a.keep(path, v)
	a.reads = append(a.reads, reading{path, v == nil})
}

// keep remembers where something stands that more is read from.
func (a *account) keep(path string, v any) {
	at := spot(v)
	if at == 0 || a.known[at].path == path {
		return
	}
	a.known[at] = located{path, v}
	if list, is := v.([]any); is {
		for i, item := range list {
			a.keep(fmt.Sprintf("%s[%d]", path, i), item)
		}
	}
}

// spot tells things with fields or items apart; 0 for all others.
func spot(v any) uintptr {
	of := reflect.ValueOf(v)
	switch of.Kind() {
	case reflect.Slice:
		if of.Len() > 0 {
			return of.Pointer()
		}
	case reflect.Map, reflect.Pointer:
		return of.Pointer()
	}
	return 0
}

var plainName = regexp.MustCompile(`^[\pL_][\pL\pN_]*$`)

// stepTo writes a field, an entry or an item as expressions do.
func stepTo(of, key any) string {
	name, isName := key.(string)
	if _, isTable := of.(table); isTable {
		text, _ := scalarText(key)
		return "[" + text + "]"
	}
	switch {
	case isName && plainName.MatchString(name):
		return "." + name
	case isName:
		return fmt.Sprintf("[%q]", name)
	}
	return fmt.Sprintf("[%v]", key)
}

// A root is one of the names that every mapping has, with a place of its own in memory.
type root struct{ shown }

// rooted gives the values with such names.
func rooted(values map[string]any) map[string]any {
	for name, v := range values {
		if s, is := v.(shown); is && reflect.ValueOf(v).Kind() != reflect.Pointer {
			values[name] = &root{s}
		}
	}
	return values
}

// naming has each name of an expression read through the account. A function's is none.
type naming []string

// Visit implements ast.Visitor.
func (names naming) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		if slices.Contains(names, n.Value) {
			ast.Patch(node, internal(" name", n, &ast.StringNode{Value: n.Value}))
		}
	case *ast.CallNode:
		if named, is := n.Callee.(*ast.CallNode); is {
			n.Callee = named.Arguments[0]
		}
	}
}

// costing charges for what can grow or be repeated within an expression.
type costing struct{}

// Visit implements ast.Visitor.
func (costing) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.PredicateNode:
		n.Node = internal(" cost", n.Node)
	case *ast.BinaryNode:
		if n.Operator == "+" {
			ast.Patch(node, internal(" cost", n))
		}
	}
}
