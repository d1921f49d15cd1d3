package config

import (
	"maps"
	"slices"
	"strings"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
	"github.com/knutpunkt/knutpunkt/hub/mapping"
)

// routeText is a route as it is written.
type routeText struct {
	Title     word            `yaml:"title" doc:"what the citizen sees the case called; ${service.title} in mappings"`
	English   word            `yaml:"title-en,omitempty" doc:"the same in English"`
	From      fromText        `yaml:"from" doc:"where the forms come from"`
	Answers   word            `yaml:"answers,omitempty" doc:"the form's JSON Schema, under schemas/; for every version that versions does not name"`
	Versions  map[string]word `yaml:"versions,omitempty" doc:"other schemas, by the version of the form"`
	Parties   []partyText     `yaml:"parties,omitempty" doc:"the persons and organisations in the form"`
	Enrich    []enrichText    `yaml:"enrich,omitempty" doc:"what registers are asked, in order"`
	Deliver   []legText       `yaml:"deliver" doc:"who gets what: a leg for each document"`
	Tell      []word          `yaml:"tell,omitempty" doc:"systems that are told of each Status, beside the platform"`
	National  bool            `yaml:"kundhandelser,omitempty" doc:"yes: the national Mina ärenden is told of these cases"`
	Protected word            `yaml:"protected" values:"hold withhold" doc:"what becomes of a case with a protected person in it: hold, and a person decides; or withhold, and it goes on without addresses"`
	Expect    map[string]word `yaml:"expect,omitempty" keys:"Step" doc:"what the citizen is promised, by Step: \"2 arbetsdagar\", \"6 veckor\""`
	Keep      word            `yaml:"keep" doc:"how long what is personal is kept: \"90 dagar\", \"1 år\""`
	Decision  word            `yaml:"decision" doc:"the decision on retention (gallringsbeslut) that keep follows"`
	Owner     word            `yaml:"owner" doc:"who answers for the route"`
}

type fromText struct {
	System  word `yaml:"system" doc:"the source, by its name in systems.yaml"`
	Service word `yaml:"service" doc:"the e-service, by the source's own number or name, in quotes where it is a number"`
}

type partyText struct {
	Role    word `yaml:"role" doc:"what mappings call them: parties.ROLE"`
	ID      word `yaml:"id,omitempty" doc:"an expression that gives a personnummer or an organisationsnummer; left out for the applicant whom our own JSON names"`
	Follows bool `yaml:"follows,omitempty" doc:"yes: may follow the case in Mina ärenden"`
	Email   word `yaml:"email,omitempty" doc:"an expression that gives where they want to hear of news; needs follows"`
	Phone   word `yaml:"phone,omitempty" doc:"an expression that gives where they want to hear of news; needs follows"`
	Line    int
}

type enrichText struct {
	Register word `yaml:"register" doc:"which register, by its name in systems.yaml"`
	Then     word `yaml:"then,omitempty" doc:"another register, which is asked where the first knows nothing, or not enough"`
	Person   word `yaml:"person" doc:"who is asked about: ${parties.sökande}, or somebody whom an earlier answer names"`
	As       word `yaml:"as" doc:"what mappings call the answer"`
	Optional bool `yaml:"optional,omitempty" doc:"yes: the case goes on without an answer"`
	Alive    bool `yaml:"alive,omitempty" doc:"yes: a person looks first when the register says that this one has died or moved abroad"`
	Follows  bool `yaml:"follows,omitempty" doc:"yes: whoever is found may follow the case"`
}

type legText struct {
	To      word `yaml:"to" doc:"the system that gets the document, by its name in systems.yaml"`
	Name    word `yaml:"name,omitempty" doc:"what the leg is called, where two have the same system; the system's name when left out"`
	Mapping word `yaml:"mapping" doc:"what makes the document: SYSTEM/DOCUMENT, under mappings/"`
	On      word `yaml:"on,omitempty" values:"first completion both" doc:"first: the first form of a case; completion: those that come after; both, when left out"`
	After   word `yaml:"after,omitempty" doc:"the leg whose receipt this one waits for, and may read: ${diarium.number}"`
	Step    word `yaml:"step,omitempty" values:"Step" doc:"what its receipt means to the citizen"`
	Voice   bool `yaml:"voice,omitempty" doc:"yes, at one leg: the system that the citizen hears"`
	Line    int
}

// A way is a route under compilation: what of it is known so far.
type way struct {
	*configuration
	page  *page
	text  routeText
	route *hub.Route
	env   mapping.Env      // what expressions may name
	types []*document.Type // of the answers, by each version of the form; nil alone where there is no schema
}

// route compiles a file; nil when it cannot even be read.
func (c *configuration) route(name string) *hub.Route {
	p, top := c.open(name)
	defer c.close(p)
	if top == nil {
		return nil
	}
	w := &way{configuration: c, page: p, env: mapping.Env{Parties: map[string]bool{}, Lookups: map[string]bool{}}}
	c.ways = append(c.ways, w)
	p.fill(top, &w.text)
	council := c.councils[folderOf(name)]
	w.route = &hub.Route{
		Name: baseOf(name), Where: p.where(top.Line), Municipality: council.Code,
		Title: w.text.Title.text, English: w.text.English.text, Service: w.text.From.Service.text,
		Decision: w.text.Decision.text, Owner: w.text.Owner.text,
	}
	w.from()
	w.form()
	w.parties()
	w.enrich()
	w.deliver()
	w.tell()
	w.promises()
	return w.route
}

// ownJSON is the connector of whoever posts Knutpunkt's own JSON.
const ownJSON = "json"

// from finds the source. It is the municipality's own platform, whose word on when a
// form was submitted counts, when it stands in the municipality's folder, and when it
// is a form platform that municipalities run together. Somebody who posts our own JSON
// to several municipalities is nobody's own platform.
func (w *way) from() {
	w.route.From = w.system(w.text.From.System)
	w.checkSource()
	w.route.Own = !strings.HasPrefix(string(w.route.From), shared+".") || w.names[w.route.From] != ownJSON
}

// system finds the system that a route names: one of the municipality's own, or else
// one that is shared. FOLDER.NAME names one of the two and no other.
func (w *way) system(name word) hub.SystemID {
	folder := folderOf(w.page.name)
	candidates := []string{folder + "." + name.text, shared + "." + name.text}
	if in, _, full := strings.Cut(name.text, "."); full && (in == folder || in == shared) {
		candidates = []string{name.text}
	}
	for _, id := range candidates {
		if _, there := w.names[hub.SystemID(id)]; there {
			return hub.SystemID(id)
		}
	}
	if name.text != "" && !w.hidden[folder] && !w.hidden[shared] {
		w.page.said(name, "no system is called %s in routes/%s/systems.yaml or routes/shared/systems.yaml%s",
			name.text, folder, meant(name.text, w.namesIn(folder)))
	}
	return ""
}

// namesIn gives what a municipality's routes can call systems.
func (c *configuration) namesIn(folder string) map[string]bool {
	names := map[string]bool{}
	for id := range c.names {
		if in, name, _ := strings.Cut(string(id), "."); in == folder || in == shared {
			names[name] = true
		}
	}
	return names
}

// form compiles the schemas of the answers.
func (w *way) form() {
	usual, versions := w.schema(w.text.Answers), map[string]*form{}
	for _, version := range sortedKeys(w.text.Versions) {
		if f := w.schema(w.text.Versions[version]); f != nil {
			versions[version] = f
			w.types = append(w.types, f.Type())
		}
	}
	if usual != nil {
		w.types = append([]*document.Type{usual.Type()}, w.types...)
	}
	if len(w.types) == 0 {
		w.types = []*document.Type{nil}
	}
	w.env.Answers = w.types[0]
	w.route.Form = func(version string) hub.Form {
		if f := versions[version]; f != nil {
			return f
		}
		if usual != nil {
			return usual
		}
		return nil
	}
}

// schema compiles one schema; nil where none is named, or it does not compile.
func (w *way) schema(name word) *form {
	if name.text == "" {
		return nil
	}
	file := "schemas/" + name.text
	f, known := w.forms[file]
	if !known {
		var err error
		if f, err = compileForm(w.fsys, file); err != nil {
			w.unusable(name, file, err)
		}
		w.forms[file] = f
	}
	return f
}

// asks tells what the route holds forms against, for the tests of its mappings. A schema that cannot be
// used is told of by itself.
func (w *way) asks() mapping.Asking {
	return mapping.Asking{Municipality: w.route.Municipality, Service: w.route.Service,
		Form: func(version string) (*document.Form, string) {
			schema, named := w.text.Versions[version]
			if !named {
				schema = w.text.Answers
			}
			file := "schemas/" + schema.text
			if f := w.forms[file]; f != nil {
				return f.Form, file
			}
			return nil, file
		}}
}

// parties compiles the rules that find persons. One without an id is for a person
// whom the platform names outside the answers: the applicant of our own JSON.
func (w *way) parties() {
	roles := map[string]bool{}
	for _, party := range w.text.Parties {
		rule := hub.PartyRule{Role: party.Role.text, Follows: party.Follows, Find: nobody, Reach: w.reach(party)}
		_, several := roles[party.Role.text]
		if party.ID.text != "" {
			var list bool
			rule.Find, list = w.find(party.ID)
			several = several || list
		}
		roles[party.Role.text] = several
		w.route.Parties = append(w.route.Parties, rule)
	}
	w.env.Parties = roles
}

// reach compiles where a party wants to be told that there is news; nil for nowhere.
func (w *way) reach(party partyText) func(hub.Known) (email, phone string) {
	if party.Email.text == "" && party.Phone.text == "" {
		return nil
	}
	if !party.Follows {
		w.page.add(party.Line, "%s is told of nothing: write follows: true too, or leave email and phone out", party.Role.text)
	}
	email, phone := w.textOf(party.Email), w.textOf(party.Phone)
	return func(k hub.Known) (string, string) { return email(k), phone(k) }
}

// textOf compiles an expression that gives a text, against every version of the form.
func (w *way) textOf(expression word) (text func(hub.Known) string) {
	if expression.text != "" {
		for _, answers := range slices.Backward(w.types) {
			env := w.env
			env.Answers = answers
			var problems []mapping.Problem
			text, problems = mapping.CompileText(expression.text, env, w.page.name, expression.line)
			w.page.within(expression, problems)
		}
	}
	if text == nil {
		return func(hub.Known) string { return "" }
	}
	return text
}

func nobody(hub.Known) ([]hub.Party, error) { return nil, nil }

// find compiles an expression that says who, against every version of the form.
func (w *way) find(expression word) (find func(hub.Known) ([]hub.Party, error), list bool) {
	for _, answers := range slices.Backward(w.types) {
		env := w.env
		env.Answers = answers
		var problems []mapping.Problem
		find, list, problems = mapping.CompileFind(expression.text, env, w.page.name, expression.line)
		w.page.within(expression, problems)
	}
	if find == nil {
		find = nobody
	}
	return find, list
}

// enrich compiles the look-ups, each of which may name what those before it gave.
func (w *way) enrich() {
	for _, e := range w.text.Enrich {
		find, list := w.find(e.Person)
		register, then := w.system(e.Register), w.system(e.Then)
		w.checkRegister(e.Register, register)
		w.checkRegister(e.Then, then)
		if then == register && then != "" {
			w.page.said(e.Then, "%s is asked already: then names another register", then)
		}
		w.route.Enrich = append(w.route.Enrich, hub.Enrichment{
			Register: register, Then: then, As: e.As.text, List: list, Find: find,
			Optional: e.Optional, Alive: e.Alive, Follows: e.Follows,
		})
		if w.takeName(e.As) {
			w.env.Lookups = maps.Clone(w.env.Lookups)
			w.env.Lookups[e.As.text] = list
		}
	}
}

// reserved are the names that every mapping has.
var reserved = []string{
	"answers", "attachments", "case", "inkommen", "municipality", "parties", "service", "source", "submission", "tables",
}

// takeName sees to it that what mappings call one thing is called so alone.
func (w *way) takeName(name word) bool {
	_, asked := w.env.Lookups[name.text]
	switch {
	case name.text == "":
		return false
	case slices.Contains(reserved, name.text):
		w.page.said(name, "%s means something else in mappings: choose another name", name.text)
	case asked, slices.ContainsFunc(w.route.Legs, func(l hub.Leg) bool { return l.Name == name.text && l.Name != "" }):
		w.page.said(name, "%s is the name of something else in this route", name.text)
	default:
		return true
	}
	return false
}

// tell finds who is told of each Status beside the platform, and what the case is called
// in the national Mina ärenden.
func (w *way) tell() {
	for _, name := range w.text.Tell {
		id := w.system(name)
		w.checkTeller(name, id)
		switch {
		case id == w.route.From && id != "":
			w.page.said(name, "%s is told already, since the forms come from it", name.text)
		case slices.Contains(w.route.Tell, id) && id != "":
			w.page.said(name, "%s is named twice", name.text)
		default:
			w.route.Tell = append(w.route.Tell, id)
		}
	}
	if w.text.National {
		w.route.Kundhandelse = national(folderOf(w.page.name), false) + "." + national(w.route.Name, true)
	}
}

// national writes a name as the national Mina ärenden has them: A to Z and, but for who the
// municipality is, digits and _.
func national(name string, digits bool) string {
	name = strings.NewReplacer("å", "a", "ä", "a", "ö", "o", "é", "e", "-", "_").Replace(strings.ToLower(name))
	return strings.ToUpper(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || digits && (r >= '0' && r <= '9' || r == '_') {
			return r
		}
		return -1
	}, name))
}

// promises reads what is promised to the citizen, and what becomes of the case.
func (w *way) promises() {
	policy := w.text.Protected
	w.route.Protected = hub.Policy(policy.text)
	if policy.text != "" && w.route.Protected != hub.Hold && w.route.Protected != hub.Withhold {
		w.page.said(policy, "protected is hold (a person decides) or withhold (it goes on without addresses)")
	}
	w.route.Keep = w.term(w.text.Keep, "keep")
	for _, name := range sortedKeys(w.text.Expect) {
		promise := w.text.Expect[name]
		if step := w.page.step(word{text: name, line: promise.line}); step != "" {
			if w.route.Expect == nil {
				w.route.Expect = map[hub.Step]hub.Term{}
			}
			w.route.Expect[step] = w.term(promise, name)
		}
	}
}

func (w *way) term(text word, key string) hub.Term {
	if text.text == "" {
		return hub.Term{}
	}
	term, err := hub.ParseTerm(text.text)
	if err != nil || len(strings.Fields(text.text)) != 2 {
		w.page.said(text, "%s: %s", key, hub.ErrTerm)
	}
	return term
}
