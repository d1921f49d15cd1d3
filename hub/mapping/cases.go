package mapping

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
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

// RunTests renders every case beside the mapping and compares it with what is wanted. A
// mapping without tests is a problem; so is one that reads a register and has no case
// called skyddad.
func RunTests(fsys fs.FS, m *Mapping) []Problem {
	return m.eachCase(fsys, func(got hub.Document, wanted *report) {
		want, err := fs.ReadFile(fsys, wanted.file)
		if err != nil {
			wanted.add(1, "there is no such file; `check --update` writes it")
			return
		}
		m.compare(wanted, want, got)
	})
}

// UpdateTests renders every case beside the mapping and writes down what came as what is
// wanted.
func UpdateTests(fsys fs.FS, m *Mapping, write func(name string, content []byte) error) []Problem {
	return m.eachCase(fsys, func(got hub.Document, wanted *report) {
		if err := write(wanted.file, Pretty(got)); err != nil {
			wanted.add(1, "cannot be written")
		}
	})
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

// eachCase renders the cases and hands each document on, with a report on the file that
// has what is wanted.
func (m *Mapping) eachCase(fsys fs.FS, then func(got hub.Document, wanted *report)) []Problem {
	whole := &report{file: m.path}
	cases := Cases(fsys, m)
	if len(cases) == 0 {
		whole.add(1, "there are no tests: a case is a folder in %s with given.json and %s", m.testFolder(), m.wantName())
	}
	var problems []Problem
	registers := map[string]bool{}
	for _, name := range cases {
		folder := path.Join(m.testFolder(), name)
		given := &report{file: path.Join(folder, "given.json")}
		wanted := &report{file: path.Join(folder, m.wantName())}
		known, err := ReadGiven(fsys, given.file)
		if err != nil {
			given.add(1, "%v", err)
		} else if got, ok := m.renderCase(given, known, name); ok {
			then(got, wanted)
		}
		for answer := range known.Answers {
			registers[answer] = true
		}
		problems = slices.Concat(problems, given.problems, wanted.problems)
	}
	if read := m.readsAny(registers); read != "" && !slices.Contains(cases, skyddad) {
		whole.add(1, "the mapping reads %s from a register, so it must have a test called %s", read, skyddad)
	}
	return append(whole.problems, problems...)
}

func (m *Mapping) renderCase(given *report, known hub.Known, name string) (hub.Document, bool) {
	if name == skyddad && !anyProtected(known) {
		given.add(1, "nobody in the test %s has protected identity", skyddad)
	}
	got, err := m.Render(known)
	if err != nil { // a *hub.MappingError
		given.add(1, "%v", err)
	}
	return got, err == nil
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
	if where, wanted, came := compare(want, got.Reveal()); where != "" {
		r.add(lineHolding(want, wanted), "%s: wanted %s, came %s", where, wanted, came)
	}
}

// lineHolding finds the line of the wanted document that a difference is about; the
// first where it cannot be told.
func lineHolding(text []byte, wanted string) int {
	wanted = strings.Trim(wanted, `"`)
	if at := bytes.Index(text, []byte(wanted)); at > 0 && wanted != "" {
		return 1 + bytes.Count(text[:at], []byte("\n"))
	}
	return 1
}

func differenceJSON(want, got []byte) (where, wanted, came string) {
	w, err := document.ReadJSON(want, wide)
	if err != nil {
		return "the file", "JSON", err.Error()
	}
	g, err := document.ReadJSON(got, wide)
	if err != nil {
		return "the document", "JSON", err.Error()
	}
	return differ("", w, g)
}

// differ gives the JSON pointer of the first difference, "" where there is none.
func differ(at string, want, got any) (where, wanted, came string) {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			break
		}
		names := slices.Sorted(maps.Keys(w))
		for _, name := range slices.Sorted(maps.Keys(g)) {
			if _, both := w[name]; !both {
				return at + "/" + name, "nothing", show(g[name])
			}
		}
		for _, name := range names {
			if _, both := g[name]; !both {
				return at + "/" + name, show(w[name]), "nothing"
			}
			if where, wanted, came = differ(at+"/"+name, w[name], g[name]); where != "" {
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

func differenceXML(want, got []byte) (where, wanted, came string) {
	w, err := document.ReadXML(bytes.NewReader(want), wide)
	if err != nil {
		return "the file", "XML", err.Error()
	}
	g, err := document.ReadXML(bytes.NewReader(got), wide)
	if err != nil {
		return "the document", "XML", err.Error()
	}
	return differXML("", w, g)
}

// differXML gives the path of the first difference. Blanks between elements, the order of
// attributes and the file's charset are none.
func differXML(above string, want, got *document.Element) (where, wanted, came string) {
	at := above + "/" + want.Name
	switch {
	case want.Name != got.Name:
		return above + "/", "the element " + want.Name, got.Name
	case attributes(want) != attributes(got):
		return at, quote(attributes(want)), quote(attributes(got))
	case contentOf(want) != contentOf(got):
		return at, quote(contentOf(want)), quote(contentOf(got))
	}
	for i := range min(len(want.Children), len(got.Children)) {
		if where, wanted, came = differXML(at, want.Children[i], got.Children[i]); where != "" {
			return where, wanted, came
		}
	}
	switch w, g := len(want.Children), len(got.Children); {
	case w > g:
		return at, "the element " + want.Children[g].Name, "nothing"
	case g > w:
		return at, "nothing more", "the element " + got.Children[w].Name
	}
	return "", "", ""
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
