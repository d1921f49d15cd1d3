package mapping

import (
	"encoding/hex"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/expr-lang/expr/checker/nature"
	"github.com/expr-lang/expr/types"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// An Env tells which names one leg of one route gives its mapping, and of what sort
// their values are.
type Env struct {
	Answers *document.Type  // of the form; nil where the route has no schema for it
	Parties map[string]bool // the roles; true where several persons may have it
	Lookups map[string]bool // the answers of registers, by name; true for a list
	Legs    []string        // the legs whose Receipt is there before the document is rendered
	Case    []string        // the legs of the route, for the Receipts that the case may have
}

// A shown is something of the hub's as expressions see it: by its fields, and never
// whole. A field that has no value is nil.
type shown interface{ field(name string) any }

// fields are what expressions can read of a T. The table serves both the check, which
// needs the types, and the render, which needs the values.
type fields[T any] map[string]struct {
	of  types.Type
	get func(T) any
}

func (f fields[T]) read(from T, name string) any {
	if field, ok := f[name]; ok {
		return field.get(from)
	}
	return nil
}

// types gives what the checker sees of a T, under a Go type that sets it apart.
func (f fields[T]) types(as reflect.Type) types.Type {
	m := make(types.Map, len(f))
	for name, field := range f {
		m[name] = field.of
	}
	return named{m, as}
}

// named is a map type with a Go type of its own, by which functions and messages know
// a person from an address.
type named struct {
	types.Map
	as reflect.Type
}

func (n named) Nature() nature.Nature {
	nt := n.Map.Nature()
	nt.Type = n.as
	return nt
}

// The types that the checker sees. Those of somebody who has an identity number cannot
// stand in a document by themselves.
type (
	personType     map[string]any
	relativeType   map[string]any
	partyType      map[string]any
	addressType    map[string]any
	foreignType    map[string]any
	receiptType    map[string]any
	attachmentType map[string]any
)

// identified is who has, or may have, an identity number.
type identified interface{ identified() }

func (personType) identified()   {}
func (relativeType) identified() {}
func (partyType) identified()    {}

// somebody is an identified at run time.
type somebody interface {
	shown
	identity() (hub.PersonID, hub.OrgNumber)
}

// A person is who a register told of.
type person struct {
	*hub.Person
	withhold bool // a protected person is in the submission: nobody's address is to be had
}

func (p *person) field(name string) any                   { return personFields.read(p, name) }
func (p *person) identity() (hub.PersonID, hub.OrgNumber) { return p.ID, hub.OrgNumber{} }

func (p *person) address(a *hub.Address) any {
	if a == nil || p.withhold {
		return nil
	}
	return (*address)(a)
}

var personFields = fields[*person]{
	"given":      {types.String, func(p *person) any { return text(p.Given) }},
	"calling":    {types.String, func(p *person) any { return text(p.Calling) }},
	"middle":     {types.String, func(p *person) any { return text(p.Middle) }},
	"family":     {types.String, func(p *person) any { return text(p.Family) }},
	"name":       {types.String, func(p *person) any { return names(p.Given, p.Middle, p.Family) }},
	"birth":      {types.String, func(p *person) any { return text(string(p.Birth)) }},
	"protected":  {types.Bool, func(p *person) any { return p.Protected() }},
	"protection": {types.String, func(p *person) any { return protections[p.Protection] }},
	"address":    {addressFields.types(reflect.TypeFor[addressType]()), func(p *person) any { return p.address(p.Address) }},
	"special":    {addressFields.types(reflect.TypeFor[addressType]()), func(p *person) any { return p.address(p.Special) }},
	"abroad":     {foreignFields.types(reflect.TypeFor[foreignType]()), (*person).abroad},
	"registered": {types.String, func(p *person) any { return text(string(p.Registered)) }},
	"property":   {types.String, (*person).property},
	"civil":      {types.String, func(p *person) any { return text(p.Civil) }},
	"deceased":   {types.Bool, func(p *person) any { return p.Left.Deceased() }},
	"emigrated":  {types.Bool, func(p *person) any { return p.Left.Emigrated() }},
	"left":       {types.String, func(p *person) any { return text(string(p.Left.Date)) }},
	"guardians":  {types.Array(relativeShape), func(p *person) any { return relatives(p.Guardians) }},
	"children":   {types.Array(relativeShape), func(p *person) any { return relatives(p.Children) }},
	"changed":    {types.String, func(p *person) any { return text(string(p.Changed)) }},
	"asOf":       {types.TypeOf(time.Time{}), func(p *person) any { return instant(p.AsOf) }},
}

var protections = map[hub.Protection]string{
	hub.ProtectionUnknown: "unknown", hub.NotProtected: "none",
	hub.Marked: "marked", hub.ProtectedRegistration: "registration",
}

func (p *person) abroad() any {
	if p.Abroad == nil || p.withhold {
		return nil
	}
	return (*foreign)(p.Abroad)
}

func (p *person) property() any {
	if p.withhold {
		return nil
	}
	return text(p.Property)
}

// A relative is whom a register names beside a person.
type relative hub.Relative

func (r *relative) field(name string) any                   { return relativeFields.read(r, name) }
func (r *relative) identity() (hub.PersonID, hub.OrgNumber) { return r.ID, hub.OrgNumber{} }

var relativeFields = fields[*relative]{
	"given":  {types.String, func(r *relative) any { return text(r.Given) }},
	"family": {types.String, func(r *relative) any { return text(r.Family) }},
	"name":   {types.String, func(r *relative) any { return names(r.Given, r.Family) }},
	"birth":  {types.String, func(r *relative) any { return text(string(r.Birth)) }},
}

var relativeShape = relativeFields.types(reflect.TypeFor[relativeType]())

func relatives(rs []hub.Relative) []any {
	list := make([]any, len(rs))
	for i := range rs {
		list[i] = (*relative)(&rs[i])
	}
	return list
}

// A party is who has a role in the submission, as the form delivered them.
type party hub.Party

func (p *party) field(name string) any                   { return partyFields.read(p, name) }
func (p *party) identity() (hub.PersonID, hub.OrgNumber) { return p.ID, p.Org }

var partyFields = fields[*party]{
	"role":   {types.String, func(p *party) any { return text(p.Role) }},
	"given":  {types.String, func(p *party) any { return text(p.Given) }},
	"family": {types.String, func(p *party) any { return text(p.Family) }},
	"name":   {types.String, func(p *party) any { return names(p.Given, p.Family) }},
	"birth":  {types.String, func(p *party) any { return text(string(p.Birth)) }},
}

type address hub.Address

func (a *address) field(name string) any { return addressFields.read(a, name) }

var addressFields = fields[*address]{
	"careOf":   {types.String, func(a *address) any { return text(a.CareOf) }},
	"street":   {types.String, func(a *address) any { return text(a.Street) }},
	"extra":    {types.String, func(a *address) any { return text(a.Extra) }},
	"postcode": {types.String, func(a *address) any { return text(a.Postcode) }},
	"city":     {types.String, func(a *address) any { return text(a.City) }},
}

type foreign hub.Foreign

func (f *foreign) field(name string) any { return foreignFields.read(f, name) }

var foreignFields = fields[*foreign]{
	"country": {types.String, func(f *foreign) any { return text(f.Country) }},
	"lines": {types.Array(types.String), func(f *foreign) any {
		lines := make([]any, len(f.Lines))
		for i, line := range f.Lines {
			lines[i] = line
		}
		return lines
	}},
}

type receipt hub.Receipt

func (r *receipt) field(name string) any { return receiptFields.read(r, name) }

var receiptFields = fields[*receipt]{
	"number": {types.String, func(r *receipt) any { return text(r.Number) }},
	"ref": {types.String, func(r *receipt) any {
		if r.Ref == "" {
			return text(r.Number)
		}
		return r.Ref
	}},
	"at": {types.TypeOf(time.Time{}), func(r *receipt) any { return instant(r.At) }},
}

type attachment hub.Attachment

func (a *attachment) field(name string) any { return attachmentFields.read(a, name) }

var attachmentFields = fields[*attachment]{
	"name":     {types.String, func(a *attachment) any { return text(a.Name) }},
	"type":     {types.String, func(a *attachment) any { return text(a.Type) }},
	"question": {types.String, func(a *attachment) any { return text(a.Question) }},
	"print":    {types.Bool, func(a *attachment) any { return a.Print }},
	"size":     {types.Int, func(a *attachment) any { return int(max(a.Size, a.Blob.Size)) }},
	"sha256": {types.String, func(a *attachment) any {
		if a.Blob.SHA256 == [32]byte{} {
			return nil
		}
		return hex.EncodeToString(a.Blob.SHA256[:])
	}},
}

// The names that every mapping has. What they hold is fixed; a route adds its roles,
// register answers and legs.
var (
	serviceFields = fields[*hub.Known]{
		"title":   {types.String, func(k *hub.Known) any { return text(k.Title) }},
		"name":    {types.String, func(k *hub.Known) any { return text(k.Submission.Service) }},
		"version": {types.String, func(k *hub.Known) any { return text(k.Submission.FormVersion) }},
	}
	municipalityFields = fields[*hub.Known]{
		"code": {types.String, func(k *hub.Known) any { return text(string(k.Submission.Municipality)) }},
		"name": {types.String, func(k *hub.Known) any { return text(k.Council.Name) }},
	}
	submissionFields = fields[*hub.Known]{
		"id":   {types.String, func(k *hub.Known) any { return text(string(k.Submission.ID)) }},
		"case": {types.String, func(k *hub.Known) any { return text(string(k.Submission.Case)) }},
	}
	deliveryFields = fields[*hub.Known]{
		"key": {types.String, func(k *hub.Known) any { return text(string(k.Key)) }},
	}
	sourceFields = fields[*hub.Known]{
		"system":  {types.String, func(k *hub.Known) any { return text(string(k.Submission.Source.System)) }},
		"id":      {types.String, func(k *hub.Known) any { return text(k.Submission.Source.ID) }},
		"version": {types.String, func(k *hub.Known) any { return text(k.Submission.Source.Version) }},
	}
)

// fixedNames are taken: no register answer, leg or loop may have them.
var fixedNames = []string{
	"answers", "attachments", "case", "delivery", "inkommen", "municipality", "parties", "service", "source", "submission", "tables",
}

// Names lists those that every mapping has: what a path to follow can begin with, beside what a
// route calls its register answers and legs.
func Names() []string { return slices.Clone(fixedNames) }

// part shows one side of the Known.
type part struct {
	known  *hub.Known
	fields fields[*hub.Known]
}

func (p part) field(name string) any { return p.fields.read(p.known, name) }

// byRole shows the parties: who has the role, or a list where several have it.
type byRole []hub.Party

func (b byRole) field(role string) any {
	var found []any
	for i := range b {
		if b[i].Role == role {
			found = append(found, (*party)(&b[i]))
		}
	}
	switch len(found) {
	case 0:
		return nil
	case 1:
		return found[0]
	}
	return found
}

// receipts show what the legs of a case gave.
type receipts map[string]hub.Receipt

func (rs receipts) field(leg string) any {
	if r, ok := rs[leg]; ok {
		return (*receipt)(&r)
	}
	return nil
}

// A table holds what people wrote under tables: in the mapping.
type table map[string]any

// tables show the tables by name.
type tables map[string]table

func (ts tables) field(name string) any {
	if t, ok := ts[name]; ok {
		return t
	}
	return nil
}

// valuesOf gives what the names stand for in one submission.
func valuesOf(k *hub.Known, ts map[string]table) map[string]any {
	s := &k.Submission
	values := make(map[string]any, len(fixedNames)+len(k.Answers)+len(k.Receipts)+2)
	for leg, r := range k.Receipts {
		values[leg] = (*receipt)(&r)
	}
	for name, a := range k.Answers {
		values[name] = registerAnswer(a, k.Withhold)
	}
	attachments := make([]any, len(s.Attachments))
	for i := range s.Attachments {
		attachments[i] = (*attachment)(&s.Attachments[i])
	}
	values["answers"] = s.Answers.Reveal()
	values["attachments"] = attachments
	values["case"] = receipts(k.Case)
	values["delivery"] = part{k, deliveryFields}
	values["inkommen"] = instant(s.Inkommen)
	values["municipality"] = part{k, municipalityFields}
	values["parties"] = byRole(s.Parties)
	values["service"] = part{k, serviceFields}
	values["source"] = part{k, sourceFields}
	values["submission"] = part{k, submissionFields}
	values["tables"] = tables(ts)
	return values
}

func registerAnswer(a hub.RegisterAnswer, withhold bool) any {
	persons := make([]any, len(a.Persons))
	for i := range a.Persons {
		persons[i] = &person{&a.Persons[i], withhold}
	}
	switch {
	case a.Missed:
		return nil
	case a.List:
		return persons
	case len(persons) == 0:
		return nil
	}
	return persons[0]
}

// text gives a text that is there, nil for one that is not: the hub's own types have
// the empty text for what a register or platform did not deliver.
func text(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func instant(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t
}

func names(parts ...string) any {
	parts = slices.DeleteFunc(parts, func(s string) bool { return s == "" })
	return text(strings.Join(parts, " "))
}

// openNames are the names of a mapping that no route uses yet.
func openNames(ts map[string]table) types.Map {
	m := fixedTypes(ts)
	m["answers"] = types.Any
	m["parties"] = types.Map{types.Extra: types.Any}
	m["case"] = types.Map{types.Extra: receiptShape}
	m[types.Extra] = types.Any
	return m
}

// names are the names that the route gives.
func (e Env) names(ts map[string]table) types.Map {
	m := fixedTypes(ts)
	m["answers"] = answerType(e.Answers, nil)
	m["parties"] = e.roles()
	for name, several := range e.Lookups {
		m[name] = oneOrSeveral(personShape, several)
	}
	legs := types.Map{}
	for _, leg := range e.Case {
		legs[leg] = receiptShape
	}
	m["case"] = legs
	for _, leg := range e.Legs {
		m[leg] = receiptShape
	}
	return m
}

var strangeName = regexp.MustCompile(`^unknown name ([^\s;]+)`)

// explain tells of each unknown name once, where it is first read, and where the route would have to
// give it.
func (e Env) explain(problems []Problem) []Problem {
	often, explained := map[string]int{}, problems[:0]
	for _, p := range problems {
		if m := strangeName.FindStringSubmatch(p.Text); m != nil {
			if often[m[1]]++; often[m[1]] > 1 {
				continue
			}
		}
		explained = append(explained, p)
	}
	for i, p := range explained {
		if m := strangeName.FindStringSubmatch(p.Text); m != nil {
			explained[i].Text = e.origin(m[1], p.Text, often[m[1]])
		}
	}
	return explained
}

func (e Env) origin(name, text string, often int) string {
	first, below, _ := strings.Cut(text, "\n")
	switch {
	case strings.Contains(first, "; is it "):
	case slices.Contains(e.Case, name):
		first += "; it is a leg of the route: write after: " + name + " at this leg, which then waits for its receipt"
	default:
		first += "; the route asks no register for it: an answer is called as enrich says under as:"
	}
	if often > 1 {
		first += fmt.Sprintf(" (here and in %d more places)", often-1)
	}
	return strings.TrimSuffix(first+"\n"+below, "\n")
}

func (e Env) roles() types.Map {
	roles := types.Map{}
	for role, several := range e.Parties {
		roles[role] = oneOrSeveral(partyShape, several)
	}
	return roles
}

// checkNames finds names that a route gives to two things.
func (e Env) checkNames(r *report) {
	for name := range e.Lookups {
		if slices.Contains(fixedNames, name) || slices.Contains(e.Legs, name) {
			r.add(1, "the route calls a register's answer %s, which is the name of something else", name)
		}
	}
	for _, leg := range e.Legs {
		if slices.Contains(fixedNames, leg) {
			r.add(1, "the route calls a leg %s, which is the name of something else", leg)
		}
	}
}

var (
	personShape  = personFields.types(reflect.TypeFor[personType]())
	partyShape   = partyFields.types(reflect.TypeFor[partyType]())
	receiptShape = receiptFields.types(reflect.TypeFor[receiptType]())
)

func oneOrSeveral(of types.Type, several bool) types.Type {
	if several {
		return types.Array(of)
	}
	return of
}

func fixedTypes(ts map[string]table) types.Map {
	known := reflect.TypeFor[map[string]any]()
	named := types.Map{}
	for name := range ts {
		named[name] = types.Any // looked up by a text, a number, or yes and no
	}
	return types.Map{
		"attachments":  types.Array(attachmentFields.types(reflect.TypeFor[attachmentType]())),
		"delivery":     deliveryFields.types(known),
		"inkommen":     types.TypeOf(time.Time{}),
		"municipality": municipalityFields.types(known),
		"service":      serviceFields.types(known),
		"source":       sourceFields.types(known),
		"submission":   submissionFields.types(known),
		"tables":       named,
	}
}

// answerType turns the form's type into the checker's. A field that the schema does not
// name is unknown even where the schema lets it pass: a mapping reads what is described.
// Where a type comes back to itself, the check ends.
func answerType(t *document.Type, above []*document.Type) types.Type {
	if t == nil || slices.Contains(above, t) {
		return types.Any
	}
	above = append(above[:len(above):len(above)], t)
	switch t.Kind {
	case document.StringType:
		return types.String
	case document.NumberType:
		return types.Float64
	case document.IntegerType:
		return types.Int
	case document.BooleanType:
		return types.Bool
	case document.ArrayType:
		return types.Array(answerType(t.Items, above))
	case document.ObjectType:
		if len(t.Fields) == 0 {
			return types.Any
		}
		m := make(types.Map, len(t.Fields))
		for name, field := range t.Fields {
			m[name] = answerType(field, above)
		}
		return m
	}
	return types.Any
}
