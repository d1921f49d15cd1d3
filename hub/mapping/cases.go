package mapping

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// skyddad is the test that every mapping must have which reads a register: in it
// somebody has protected identity, so that what then goes out has been looked at.
const skyddad = "skyddad"

// Cases names a mapping's tests: the folders beside it, in DOCUMENT.test/.
func Cases(fsys fs.FS, m *Mapping) []string {
	entries, err := fs.ReadDir(fsys, m.testFolder())
	if err != nil {
		return nil
	}
	var cases []string
	for _, e := range entries {
		if e.IsDir() {
			cases = append(cases, e.Name())
		}
	}
	return cases
}

// RunTests holds the mapping against its schema, and renders every case beside it and compares the
// document with what is wanted. A mapping without tests is a problem; so is one that reads a register
// and has no case called skyddad, and a person who may be a real one.
func RunTests(fsys fs.FS, m *Mapping) []Problem {
	problems := m.fit()
	if len(m.wrong) > 0 {
		return problems
	}
	run := caseRun{Mapping: m, fsys: fsys, unfit: len(problems) > 0}
	run.each(func(got hub.Document, wanted *report) {
		want, err := fs.ReadFile(fsys, wanted.file)
		if err != nil {
			wanted.add(1, "there is no such file; `check --update` writes it")
			return
		}
		m.compare(wanted, want, got)
	})
	return append(problems, run.problems...)
}

// CheckCases tells which test a mapping lacks where one leg of one route uses it: that with a
// protected person, where the document holds what a register has told.
func CheckCases(fsys fs.FS, m *Mapping, env Env) []Problem {
	r := &report{file: m.path}
	cases := Cases(fsys, m)
	registers := map[string]bool{}
	for name := range env.Lookups {
		registers[name] = true
	}
	if read := m.readsAny(registers); read != "" && len(cases) > 0 && !slices.Contains(cases, skyddad) {
		r.lacksProtected(read)
	}
	return r.problems
}

func (r *report) lacksProtected(read string) {
	r.add(1, "the mapping reads %s from a register, so it must have a test called %s", read, skyddad)
}

// UpdateTests renders every case beside the mapping and writes down what came as what is
// wanted. A file that says the same already is left as people have written it.
func UpdateTests(fsys fs.FS, m *Mapping, write func(name string, content []byte) error) []Problem {
	run := caseRun{Mapping: m, fsys: fsys}
	run.each(func(got hub.Document, wanted *report) {
		before := &report{file: wanted.file}
		if want, err := fs.ReadFile(fsys, wanted.file); err == nil {
			if m.compare(before, want, got); len(before.problems) == 0 {
				return
			}
		}
		if err := write(wanted.file, Pretty(got)); err != nil {
			wanted.add(1, "cannot be written")
		}
	})
	return run.problems
}

// Pretty gives a document as people read it, with its lines indented. Its content is the
// same.
func Pretty(d hub.Document) []byte {
	if strings.HasPrefix(d.Type, "application/json") {
		var out bytes.Buffer
		if json.Indent(&out, d.Reveal(), "", "  ") != nil {
			return d.Reveal()
		}
		out.WriteByte('\n')
		return out.Bytes()
	}
	root, err := document.ReadXML(bytes.NewReader(d.Reveal()), wide)
	if err != nil {
		return d.Reveal()
	}
	pretty, err := document.WriteXML(root, document.Style{Indent: 2})
	if err != nil {
		return d.Reveal()
	}
	return pretty
}

var wide = document.Limits{Bytes: 64 << 20, Elements: 1_000_000}

func (m *Mapping) testFolder() string {
	return strings.TrimSuffix(m.path, path.Ext(m.path)) + ".test"
}

// A caseRun renders a mapping's cases, and gathers what is wrong with them.
type caseRun struct {
	*Mapping
	fsys     fs.FS
	unfit    bool // the tree is known not to fit the schema: what a document shows of that is told already
	faults   []caseFault
	problems []Problem
}

// A caseFault is a line of the mapping that cannot make the document of some cases.
type caseFault struct {
	at    place
	text  string
	cases []string
}

// each renders the cases and hands each document on, with a report on the file that has what is
// wanted.
func (run *caseRun) each(then func(got hub.Document, wanted *report)) {
	whole := &report{file: run.path}
	cases := Cases(run.fsys, run.Mapping)
	if len(cases) == 0 {
		whole.add(1, "there are no tests: a case is a folder in %s with given.json and %s", run.testFolder(), run.wantName())
	}
	registers := map[string]bool{}
	for _, name := range cases {
		folder := path.Join(run.testFolder(), name)
		given := &report{file: path.Join(folder, "given.json")}
		wanted := &report{file: path.Join(folder, run.wantName())}
		known, ok := given.readGiven(run.fsys)
		if ok {
			given.checkProtected(run.fsys, known, name)
			if got, err := run.Render(known); err != nil {
				run.note(err, name)
			} else {
				then(got, wanted)
			}
		}
		for answer := range known.Answers {
			registers[answer] = true
		}
		run.problems = slices.Concat(run.problems, given.problems, wanted.problems)
	}
	if read := run.readsAny(registers); read != "" && !slices.Contains(cases, skyddad) {
		whole.lacksProtected(read)
	}
	for _, f := range run.faults {
		whole.tellAt(f.at, "in the test %s: %s", strings.Join(f.cases, " and "), f.text)
		whole.problems[len(whole.problems)-1].shown = true
	}
	run.problems = append(whole.problems, run.problems...)
}

// note keeps why a case has no document: a fault of the mapping's, once for all cases that have it.
func (run *caseRun) note(err error, name string) {
	at, text := place{line: 1}, err.Error()
	var ours *hub.MappingError
	if errors.As(err, &ours) {
		text = ours.Text
		_, line, _ := strings.Cut(ours.Where, run.path+":")
		at.line, _ = strconv.Atoi(line)
	}
	if run.unfit && strings.Contains(text, " does not fit ") {
		return
	}
	for i, f := range run.faults {
		if f.at == at && f.text == text {
			run.faults[i].cases = append(f.cases, name)
			return
		}
	}
	run.faults = append(run.faults, caseFault{at, text, []string{name}})
}

// checkProtected sees to it that there is somebody in the test skyddad whose protection it shows.
func (r *report) checkProtected(fsys fs.FS, known hub.Known, name string) {
	if name != skyddad || anyProtected(known) {
		return
	}
	text, _ := fs.ReadFile(fsys, r.file)
	line, column := document.Pointed(text, "/registers")
	r.tellAt(place{line, column}, "nobody in the test %s has protected identity: write marked, registration or unknown as somebody's protection", skyddad)
}

func (m *Mapping) wantName() string {
	if m.json {
		return "want.json"
	}
	return "want.xml"
}

func anyProtected(k hub.Known) bool {
	for _, a := range k.Answers {
		if slices.ContainsFunc(a.Persons, hub.Person.Protected) {
			return true
		}
	}
	return false
}

// readsAny gives a name among those that the mapping reads, or "".
func (m *Mapping) readsAny(names map[string]bool) string {
	for _, name := range m.reads() {
		if names[name] {
			return name
		}
	}
	return ""
}

// reads lists the names that the mapping's expressions read.
func (m *Mapping) reads() []string {
	all := map[string]bool{}
	m.root.expressions(func(x *expression) {
		for _, name := range x.names {
			all[name] = true
		}
	})
	return slices.Sorted(maps.Keys(all))
}

// expressions visits each expression below b.
func (b *branch) expressions(visit func(*expression)) {
	if b.each != nil {
		visit(b.each.list)
	}
	if b.when != nil {
		visit(b.when)
	}
	leaves := []*leaf{b.value}
	for _, a := range b.attrs {
		leaves = append(leaves, a.value)
	}
	for _, l := range leaves {
		if l == nil {
			continue
		}
		for _, part := range l.parts {
			if part.value != nil {
				visit(part.value)
			}
		}
	}
	for _, below := range slices.Concat(b.children, b.items) {
		below.expressions(visit)
	}
}

// compare tells of the first place where what came is not what is wanted. Both are shown:
// a test's persons are invented.
func (m *Mapping) compare(r *report, want []byte, got hub.Document) {
	compare := differenceXML
	if m.json {
		compare = differenceJSON
	}
	if d := compare(want, got.Reveal()); d.where != "" {
		r.tellAt(d.at, "%s: wanted %s, came %s", d.where, d.wanted, d.came)
	}
}

// A difference is where a document is not what is wanted; the zero one is none.
type difference struct {
	at                  place // in the text of what is wanted
	where, wanted, came string
}

func differenceJSON(want, got []byte) difference {
	w, err := document.ReadJSON(want, wide)
	if err != nil {
		return difference{placeOfError(want, err), "the file", "JSON", err.Error()}
	}
	g, err := document.ReadJSON(got, wide)
	if err != nil {
		return difference{place{line: 1}, "the document", "JSON", err.Error()}
	}
	pointer, wanted, came := differ("", w, g)
	if pointer == "" {
		return difference{}
	}
	line, column := document.Pointed(want, strings.TrimSuffix(pointer, "/"))
	return difference{place{line, column}, pointer, wanted, came}
}

// placeOfError tells where a text ceases to be a document.
func placeOfError(text []byte, err error) place {
	var syntax *document.SyntaxError
	if !errors.As(err, &syntax) {
		return place{line: 1}
	}
	line, column := syntax.In(text)
	return place{line, column}
}

// differ gives the JSON pointer of the first difference, "" where there is none.
func differ(at string, want, got any) (where, wanted, came string) {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			break
		}
		for _, name := range slices.Sorted(maps.Keys(g)) {
			if _, both := w[name]; !both {
				return at + "/" + document.PointerStep(name), "nothing", show(g[name])
			}
		}
		for _, name := range slices.Sorted(maps.Keys(w)) {
			below := at + "/" + document.PointerStep(name)
			if _, both := g[name]; !both {
				return below, show(w[name]), "nothing"
			}
			if where, wanted, came = differ(below, w[name], g[name]); where != "" {
				return where, wanted, came
			}
		}
		return "", "", ""
	case []any:
		g, ok := got.([]any)
		if !ok {
			break
		}
		for i := range min(len(w), len(g)) {
			if where, wanted, came = differ(fmt.Sprintf("%s/%d", at, i), w[i], g[i]); where != "" {
				return where, wanted, came
			}
		}
		if len(w) != len(g) {
			return cmp.Or(at, "/"), fmt.Sprintf("%d items", len(w)), fmt.Sprintf("%d", len(g))
		}
		return "", "", ""
	}
	if show(want) == show(got) {
		return "", "", ""
	}
	return cmp.Or(at, "/"), show(want), show(got)
}

func show(v any) string {
	text, err := document.WriteJSON(v)
	if err != nil {
		return "something"
	}
	return string(text)
}

func differenceXML(want, got []byte) difference {
	w, err := document.ReadXML(bytes.NewReader(want), wide)
	if err != nil {
		return difference{placeOfError(want, err), "the file", "XML", err.Error()}
	}
	g, err := document.ReadXML(bytes.NewReader(got), wide)
	if err != nil {
		return difference{place{line: 1}, "the document", "XML", err.Error()}
	}
	return differXML("", w, g)
}

// differXML gives the first difference. Blanks between elements, the order of attributes and the
// file's charset are none.
func differXML(above string, want, got *document.Element) difference {
	at, line := above+"/"+want.Name, place{line: want.Line()}
	switch {
	case want.Name != got.Name:
		return difference{line, above + "/", "the element " + want.Name, got.Name}
	case attributes(want) != attributes(got):
		return difference{line, at, quote(attributes(want)), quote(attributes(got))}
	case contentOf(want) != contentOf(got):
		return difference{line, at, quote(contentOf(want)), quote(contentOf(got))}
	}
	for i := range min(len(want.Children), len(got.Children)) {
		if d := differXML(at, want.Children[i], got.Children[i]); d.where != "" {
			return d
		}
	}
	switch w, g := len(want.Children), len(got.Children); {
	case w > g:
		return difference{place{line: want.Children[g].Line()}, at, "the element " + want.Children[g].Name, "nothing"}
	case g > w:
		return difference{line, at, "nothing more", "the element " + got.Children[w].Name}
	}
	return difference{}
}

func attributes(e *document.Element) string {
	var all []string
	for _, a := range e.Attrs {
		all = append(all, fmt.Sprintf("%s=%q", a.Name, a.Value))
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func contentOf(e *document.Element) string {
	if len(e.Children) > 0 {
		return strings.TrimSpace(e.Text)
	}
	return e.Text
}

func quote(s string) string { return fmt.Sprintf("%q", s) }
