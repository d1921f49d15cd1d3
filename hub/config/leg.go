package config

import (
	"regexp"
	"slices"
	"strings"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/mapping"
)

// A use is one leg's use of a mapping: which names it has there, by each version of
// the form.
type use struct {
	where   string // the leg's file:line
	to      hub.SystemID
	mapping *mapping.Mapping
	asks    mapping.Asking
	envs    []mapping.Env
}

// deliver compiles the legs.
func (w *way) deliver() {
	if len(w.text.Deliver) == 0 {
		w.page.add(1, "deliver names no system: a form that nobody gets is lost")
	}
	for _, leg := range w.text.Deliver {
		w.leg(leg)
	}
	w.checkVoice()
	for i, leg := range w.text.Deliver {
		w.checkAfter(leg, w.route.Legs[i])
	}
	for _, leg := range w.route.Legs {
		w.env.Case = append(w.env.Case, leg.Name)
	}
	for i, leg := range w.text.Deliver {
		w.useMapping(leg, i)
	}
}

func (w *way) leg(text legText) {
	leg := hub.Leg{
		Name: legName(text), To: w.system(text.To), On: hub.On(text.On.text), After: text.After.text,
		Step: w.page.step(text.Step), Voice: text.Voice,
	}
	if leg.On == "" {
		leg.On = hub.Both
	}
	if leg.On != hub.First && leg.On != hub.Completion && leg.On != hub.Both {
		w.page.said(text.On, "on is first, completion or both")
	}
	where := text.Name
	if where.text == "" {
		where = text.To
	}
	where.text = leg.Name
	if leg.Name != "" && (!isName(leg.Name) || correction.MatchString(leg.Name)) {
		w.page.said(where, "a leg is called by lower-case letters a–z, digits, - and _, beginning with a letter, "+
			"and not ending as a correction does (-r2)")
	}
	if slices.ContainsFunc(w.route.Legs, func(l hub.Leg) bool { return l.Name == leg.Name && l.Name != "" }) {
		w.page.said(where, "two legs are called %s: give one of them a name of its own", leg.Name)
	} else {
		w.takeName(where)
	}
	w.route.Legs = append(w.route.Legs, leg)
}

// correction is how the Key of a corrected delivery ends.
var correction = regexp.MustCompile(`-r[0-9]+$`)

// legName is the leg's own, or that of the system without its folder.
func legName(text legText) string {
	if text.Name.text != "" {
		return text.Name.text
	}
	return text.To.text[strings.LastIndex(text.To.text, ".")+1:]
}

// checkVoice sees to it that the citizen hears one system.
func (w *way) checkVoice() {
	var voices []legText
	for _, leg := range w.text.Deliver {
		if leg.Voice {
			voices = append(voices, leg)
		}
	}
	switch {
	case len(w.text.Deliver) > 0 && len(voices) == 0:
		w.page.add(w.text.Deliver[0].Line, "no leg has voice: true, so the citizen would hear nobody: "+
			"say which one tells how the case is getting on")
	case len(voices) > 1:
		w.page.add(voices[1].Line, "two legs have voice: true: the citizen hears one system")
	}
}

// checkAfter sees to it that what a leg waits for comes: it is a leg of the route, of
// every submission that this leg is for, and does not wait for this leg in turn.
func (w *way) checkAfter(text legText, leg hub.Leg) {
	if leg.After == "" {
		return
	}
	before := w.named(leg.After)
	switch {
	case before == nil:
		known := map[string]bool{}
		for _, other := range w.route.Legs {
			known[other.Name] = true
		}
		delete(known, leg.Name)
		w.page.said(text.After, "no leg is called %s%s", leg.After, meant(leg.After, known))
	case slices.Contains(w.chain(leg), leg.Name):
		w.page.said(text.After, "%s would wait for itself", leg.Name)
	case w.line(before.Name) > w.line(leg.Name):
		w.page.said(text.After, "%s stands below: write it above %s, since what goes to one system goes in the order of the lines",
			before.Name, leg.Name)
	case before.On != hub.Both && before.On != leg.On:
		w.page.said(text.After, "%s is only for on: %s, so %s would wait for ever: write the same on: here",
			before.Name, before.On, leg.Name)
	}
}

// line is where a leg stands among the route's.
func (w *way) line(name string) int {
	return slices.IndexFunc(w.route.Legs, func(l hub.Leg) bool { return l.Name == name })
}

func (w *way) named(name string) *hub.Leg {
	for i := range w.route.Legs {
		if w.route.Legs[i].Name == name {
			return &w.route.Legs[i]
		}
	}
	return nil
}

// chain names the legs whose receipts are there when a leg's document is made. A
// circle is gone round once.
func (w *way) chain(leg hub.Leg) []string {
	var names []string
	for leg.After != "" && !slices.Contains(names, leg.After) {
		before := w.named(leg.After)
		if before == nil {
			break
		}
		names = append(names, before.Name)
		leg = *before
	}
	return names
}

// useMapping finds a leg's mapping and notes what it is used for.
func (w *way) useMapping(text legText, i int) {
	leg := &w.route.Legs[i]
	m := w.mapping(text.Mapping)
	if m != nil {
		leg.Mapping = m
	}
	w.checkDestination(text, *leg)
	if m == nil {
		return
	}
	u := use{where: w.page.where(text.Mapping.line), to: leg.To, mapping: m, asks: w.asks()}
	for _, answers := range w.types {
		env := w.env
		env.Answers, env.Legs = answers, w.chain(*leg)
		u.envs = append(u.envs, env)
	}
	w.uses = append(w.uses, u)
}

// mapping compiles the mapping that SYSTEM/DOCUMENT names; nil when there is none
// that can be used.
func (w *way) mapping(name word) *mapping.Mapping {
	if name.text == "" {
		return nil
	}
	file := "mappings/" + name.text + ".yaml"
	if _, compiled := w.mappings[file]; !compiled && !exists(w.fsys, file) {
		w.page.said(name, "there is no mapping %s: it would be in %s%s", name.text, file, perhaps(name.text, w.called("mappings/*/*.yaml", "mappings/", ".yaml")))
		return nil
	}
	return w.compileMapping(file)
}

// compileMapping compiles a mapping once.
func (c *configuration) compileMapping(file string) *mapping.Mapping {
	if m, compiled := c.mappings[file]; compiled {
		return m
	}
	m, problems := mapping.CompileToCheck(c.fsys, file)
	c.problems = append(c.problems, problems...)
	c.mappings[file] = m
	return m
}

// checkMappings compiles every mapping that there is, runs its tests, and holds both against the forms
// and registers of the routes that use it. What leaves is held against a schema, or the mapping says
// that the system has none.
func (c *configuration) checkMappings() {
	c.checkForms()
	for _, file := range c.files("mappings/*/*.yaml") {
		m := c.compileMapping(file)
		if m == nil {
			continue
		}
		if !m.Claims() {
			c.add(file, 1, "schema is missing: name the system's own XSD or JSON Schema, under schemas/, or write schema: none if it has none")
		}
		c.problems = append(c.problems, mapping.RunTests(c.fsys, m)...)
	}
	for _, name := range c.files("mappings/*/*.yml") {
		c.add(name, 1, "the file is not read: its name must end in .yaml")
	}
	c.checkUses()
	c.checkTaken()
	c.leaveShown()
}

// leaveShown leaves out what a mapping's tests show of a line that is known to be wrong without them.
func (c *configuration) leaveShown() {
	type line struct {
		file string
		n    int
	}
	told := map[line]bool{}
	for _, p := range c.problems {
		told[line{p.File, p.Line}] = told[line{p.File, p.Line}] || !p.IsShown()
	}
	c.problems = slices.DeleteFunc(c.problems, func(p mapping.Problem) bool { return p.IsShown() && told[line{p.File, p.Line}] })
}

// checkUses tells once what is wrong with a mapping where legs use it, and which legs those are.
func (c *configuration) checkUses() {
	users := map[mapping.Problem][]string{}
	routes := map[*mapping.Mapping][]mapping.Asking{}
	for _, u := range c.uses {
		routes[u.mapping] = append(routes[u.mapping], u.asks)
		for _, env := range u.envs {
			c.problems = append(c.problems, mapping.CheckCases(c.fsys, u.mapping, env)...)
			for _, problem := range u.mapping.CheckFor(env) {
				if !slices.Contains(users[problem], u.where) {
					users[problem] = append(users[problem], u.where)
				}
			}
		}
	}
	for m, asking := range routes {
		c.problems = append(c.problems, mapping.CheckAnswers(c.fsys, m, asking)...)
	}
	for problem, legs := range users {
		text, caret, _ := strings.Cut(problem.Text, "\n")
		uses := legs[0] + " uses it"
		if len(legs) > 1 {
			uses = strings.Join(legs, " and ") + " use it"
		}
		problem.Text = strings.TrimSuffix(text+", as "+uses+"\n"+caret, "\n")
		c.problems = append(c.problems, problem)
	}
}
