package mapping

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/checker"
	"github.com/expr-lang/expr/checker/nature"
	"github.com/expr-lang/expr/compiler"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/optimizer"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"

	"github.com/knutpunkt/knutpunkt/hub"
)

// An expression is what stands in a ${ } or after $if and $for, in expr's language
// without what would make a document depend on anything but its Known: no clock, no
// ranges, no order of map keys, no computed names.
//
// It is compiled without types, so that absence is met in one way whatever the form's
// schema says, and checked with types apart from that.
type expression struct {
	source  string
	at      place
	bare    bool // it stands without ${ } in the file
	program *vm.Program
	names   []string // those that it reads, fixed ones and loops' among them
	person  bool     // it is ${parties.ROLE} and nothing more
}

func (x *expression) String() string {
	if x.bare {
		return x.source
	}
	return "${" + x.source + "}"
}

// A syntaxFault is what is wrong in an expression, and at which character from 0; -1
// where that is not known.
type syntaxFault struct {
	column int
	text   string
}

func (f *syntaxFault) Error() string { return f.text }

const (
	maxNodes     = 1000
	memoryBudget = 1_000_000
)

// compileExpression gives nil after it has told what is wrong.
func compileExpression(r *report, source string, at place, bare bool) *expression {
	x := &expression{source: source, at: at, bare: bare}
	if err := x.compile(); err != nil {
		r.addAt(at, faultOf(err), source)
		r.unread++
		return nil
	}
	return x
}

// compileValue gives, where compileExpression has nothing to give, a value that may be anything: what
// stands around it is looked at all the same.
func compileValue(r *report, source string, at place, bare bool) *expression {
	if x := compileExpression(r, source, at, bare); x != nil {
		return x
	}
	return &expression{source: source, at: at, bare: bare}
}

func (x *expression) compile() error {
	if strings.TrimSpace(x.source) == "" {
		return &syntaxFault{-1, "there is no value in ${ }"}
	}
	config := newConfig(map[string]any{})
	config.Strict = false
	tree, err := parser.ParseWithConfig(x.source, config)
	if err != nil {
		return err
	}
	review := reviewer{roots: map[string]bool{}, variables: map[string]bool{}}
	review.nodes(tree.Node)
	if review.fault != nil {
		return review.fault
	}
	x.names, x.person = review.names(), isParty(tree.Node)
	ast.Walk(&tree.Node, meaning{})
	x.program, err = finish(tree, config)
	return err
}

// finish makes a program of an expression that has got its meaning.
func finish(tree *parser.Tree, config *conf.Config) (*vm.Program, error) {
	if _, err := checker.Check(tree, config); err != nil {
		return nil, err
	}
	if err := optimizer.Optimize(&tree.Node, config); err != nil {
		return nil, err
	}
	return compiler.Compile(tree, config)
}

// newConfig sets expr up with our functions for an environment.
func newConfig(env any) *conf.Config {
	config := conf.CreateNew()
	config.MaxNodes = maxNodes
	for name, f := range builtins {
		config.Functions[name] = f
	}
	config.WithEnv(env)
	return config
}

// machines are expr's, reused: each is for one goroutine at a time.
var machines = sync.Pool{New: func() any { return &vm.VM{MemoryBudget: memoryBudget} }}

// value works the expression out. Nil is absent.
func (x *expression) value(values map[string]any) (any, error) {
	machine := machines.Get().(*vm.VM)
	v, err := machine.Run(x.program, values)
	machines.Put(machine)
	if err == nil {
		return v, nil
	}
	return nil, x.fault(reasonOf(err))
}

// reasonOf puts what went wrong in our words: expr's may quote what was calculated
// with.
func reasonOf(err error) string {
	var refused refusal
	if errors.As(err, &refused) {
		return string(refused)
	}
	if strings.Contains(err.Error(), "memory budget") {
		return "asks for too much memory"
	}
	return "cannot be worked out: a value in it is missing or of the wrong sort"
}

func (x *expression) fault(text string) error {
	return &fault{x.at.line, hub.ReasonMapping, x.String() + " " + text}
}

func (x *expression) missing() error {
	if strings.HasPrefix(x.source, "tables.") {
		return x.fault("has no value: the table has no such entry")
	}
	return x.fault("has no value")
}

// A reviewer refuses what a mapping may not do, and collects the names that it reads.
type reviewer struct {
	roots     map[string]bool
	variables map[string]bool // of let
	fault     *syntaxFault
}

func (v *reviewer) names() []string {
	for name := range v.variables {
		delete(v.roots, name)
	}
	return slices.Sorted(maps.Keys(v.roots))
}

func (v *reviewer) nodes(root ast.Node) { ast.Walk(&root, v) }

func (v *reviewer) refuse(n ast.Node, format string, args ...any) {
	if v.fault == nil {
		v.fault = &syntaxFault{n.Location().From, fmt.Sprintf(format, args...)}
	}
}

// allowed are the functions of expr's own that a mapping may use: pure, and the same
// whatever the order of a map's keys.
var allowed = []string{
	"abs", "all", "any", "ceil", "concat", "count", "filter", "find", "first", "flatten", "floor", "int", "last", "len",
	"map", "max", "mean", "min", "none", "one", "reverse", "round", "sort", "sortBy", "sum", "take", "uniq",
}

// Visit implements ast.Visitor.
func (v *reviewer) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		if n.Value == "$env" {
			v.refuse(n, "unknown name $env")
		}
		v.roots[n.Value] = true
	case *ast.VariableDeclaratorNode:
		v.variables[n.Name] = true
	case *ast.BuiltinNode:
		v.call(n, n.Name, slices.Contains(allowed, n.Name))
	case *ast.CallNode:
		name, ok := n.Callee.(*ast.IdentifierNode)
		if !ok {
			v.refuse(n, "a value has no functions of its own; write the function's name first")
			return
		}
		delete(v.roots, name.Value)
		v.call(n, name.Value, functions[name.Value].call != nil)
	case *ast.MemberNode:
		if !isConstant(n.Property) && !isTable(n.Node) {
			v.refuse(n.Property, "a computed name can only be looked up in a table: tables.NAME[…]")
		}
	case *ast.BinaryNode:
		if n.Operator == ".." {
			v.refuse(n, "a mapping has no ranges")
		}
	}
}

func (v *reviewer) call(n ast.Node, name string, known bool) {
	switch {
	case known:
	case name == "now" || name == "date" || name == "timezone" || name == "duration":
		v.refuse(n, "there is no %s(): a document must be the same whenever it is made; "+
			"dates have isodate, isodatetime and formatdate", name)
	default:
		known := slices.Concat(allowed, slices.Sorted(maps.Keys(functions)))
		v.refuse(n, "no function is called %s%s", name, near(name, known))
	}
}

func isConstant(n ast.Node) bool {
	if minus, ok := n.(*ast.UnaryNode); ok {
		n = minus.Node
	}
	switch n.(type) {
	case *ast.StringNode, *ast.IntegerNode:
		return true
	}
	return false
}

// isTable says whether n is tables.NAME.
func isTable(n ast.Node) bool { return isFieldOf(n, "tables") }

// isParty says whether n is parties.ROLE.
func isParty(n ast.Node) bool { return isFieldOf(n, "parties") }

func isFieldOf(n ast.Node, name string) bool {
	if chain, ok := n.(*ast.ChainNode); ok {
		n = chain.Node
	}
	m, ok := n.(*ast.MemberNode)
	if !ok || !isConstant(m.Property) {
		return false
	}
	root, ok := m.Node.(*ast.IdentifierNode)
	return ok && root.Value == name
}

// meaning puts our meaning of absence, of literal numbers and of lists into an
// expression, after it has been reviewed.
type meaning struct{}

// Visit implements ast.Visitor.
func (meaning) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.MemberNode:
		ast.Patch(node, internal(" get", n.Node, n.Property))
	case *ast.SliceNode:
		wrap(&n.Node, " literal")
	case *ast.UnaryNode:
		wrap(&n.Node, " value")
	case *ast.BinaryNode:
		switch n.Operator {
		case "==", "!=", "<", ">", "<=", ">=", "+", "-", "*", "/", "%", "^", "**", "in":
			wrap(&n.Left, " value")
			wrap(&n.Right, " value")
		case "contains", "startsWith", "endsWith", "matches":
			wrap(&n.Left, " literal")
			wrap(&n.Right, " literal")
		}
	case *ast.BuiltinNode:
		meaningOfCall(n)
	}
}

func meaningOfCall(n *ast.BuiltinNode) {
	switch n.Name {
	case "len":
	case "sum", "min", "max", "mean", "sort", "sortBy", "abs", "ceil", "floor", "round", "int":
		for i := range n.Arguments {
			if p, ok := n.Arguments[i].(*ast.PredicateNode); ok {
				wrap(&p.Node, " value")
				continue
			}
			wrap(&n.Arguments[i], " value")
		}
	default:
		wrap(&n.Arguments[0], " list")
	}
}

// wrap puts a function of ours around a node, unless it is a constant.
func wrap(node *ast.Node, name string) {
	switch (*node).(type) {
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NilNode, *ast.ArrayNode:
		return
	}
	call := internal(name, *node)
	call.SetLocation((*node).Location())
	*node = call
}

func internal(name string, arguments ...ast.Node) *ast.CallNode {
	return &ast.CallNode{Callee: &ast.IdentifierNode{Value: name}, Arguments: arguments}
}

// typeIn checks the expression against the names and gives what it makes.
func (x *expression) typeIn(config *conf.Config) (nature.Nature, *syntaxFault) {
	if x.program == nil {
		return nature.Nature{}, nil
	}
	tree, err := parser.ParseWithConfig(x.source, config)
	if err == nil {
		_, err = checker.Check(tree, config)
	}
	if err == nil {
		return *tree.Node.Nature(), nil
	}
	f := faultOf(err)
	if m := unknownName.FindStringSubmatch(f.text); m != nil {
		owner := ownerAt{column: f.column, fields: config.Env.Fields}
		ast.Walk(&tree.Node, &owner)
		f.text += near(m[1], slices.Sorted(maps.Keys(owner.fields)))
	}
	return nature.Nature{}, f
}

// ownerAt finds what the field at a column is asked of, to tell what it could have been.
type ownerAt struct {
	column int
	fields map[string]nature.Nature
}

// Visit implements ast.Visitor.
func (o *ownerAt) Visit(node *ast.Node) {
	m, ok := (*node).(*ast.MemberNode)
	if ok && m.Property.Location().From == o.column && m.Node.Nature().TypeData != nil {
		o.fields = m.Node.Nature().Fields
	}
}

// faultOf rewords what expr says of an expression. Its text quotes the expression,
// never what the expression is about.
func faultOf(err error) *syntaxFault {
	var ours *syntaxFault
	if errors.As(err, &ours) {
		return ours
	}
	var theirs *file.Error
	if !errors.As(err, &theirs) {
		return &syntaxFault{-1, "this is no expression"}
	}
	return &syntaxFault{theirs.From, reword(theirs.Message)}
}

var (
	unknownName   = regexp.MustCompile(`^unknown (?:name|field) (\S+)$`)
	noField       = regexp.MustCompile(`^type (.+) has no field (\S+)$`)
	wrongArgument = regexp.MustCompile(`^cannot use (.+) as argument \(type .+\) to call (\S+)\s*$`)
	argumentCount = regexp.MustCompile(`^(not enough|too many) arguments to call (\S+)$`)
	operation     = regexp.MustCompile(`^invalid operation: (\S+) \(mismatched types? (.+?)(?: and (.+))?\)$`)
	token         = regexp.MustCompile(`^unexpected token \w+\((".*")\)$`)
)

func reword(message string) string {
	if m := noField.FindStringSubmatch(message); m != nil {
		return fmt.Sprintf("%s has no field %s", sortOf(m[1]), m[2])
	}
	if m := wrongArgument.FindStringSubmatch(message); m != nil {
		return fmt.Sprintf("%s cannot take %s", m[2], sortOf(m[1]))
	}
	if m := argumentCount.FindStringSubmatch(message); m != nil {
		return fmt.Sprintf("%s is given %s values", m[2], strings.Replace(m[1], "not enough", "too few", 1))
	}
	if m := operation.FindStringSubmatch(message); m != nil && m[3] != "" {
		return fmt.Sprintf("%s cannot stand between %s and %s", m[1], sortOf(m[2]), sortOf(m[3]))
	} else if m != nil {
		return fmt.Sprintf("%s cannot stand before %s", m[1], sortOf(m[2]))
	}
	if m := token.FindStringSubmatch(message); m != nil {
		return fmt.Sprintf("%s cannot stand here", m[1])
	}
	switch {
	case message == "unexpected token EOF":
		return "the expression ends too early"
	case strings.HasPrefix(message, "array elements"):
		return "a list has no fields; write $for, or a number in brackets"
	}
	return message
}

// sortOf names a Go type as people do.
func sortOf(goType string) string {
	if name, ok := sorts[goType]; ok {
		return name
	}
	return "a value of this sort"
}

var sorts = map[string]string{
	"string": "a text", "bool": "yes or no", "int": "a number", "float64": "a number",
	"time.Time": "a time", "[]interface {}": "a list", "[]string": "a list", "map[string]interface {}": "a group of values",
	"mapping.personType": "a person", "mapping.partyType": "a person", "mapping.relativeType": "a person",
	"mapping.addressType": "an address", "mapping.foreignType": "an address",
	"mapping.receiptType": "a receipt", "mapping.attachmentType": "an attachment", "unknown": "nothing",
}
