// Package docs holds what the pages here show against what Knutpunkt does: every
// example is run, every link leads somewhere, every picture is true.
package docs

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/knutpunkt/knutpunkt/connectors"
	"github.com/knutpunkt/knutpunkt/connectors/oep"
	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/config"
	"github.com/knutpunkt/knutpunkt/hub/mapping"
)

// TestLinksLeadSomewhere looks for the files and headings that pages refer to.
func TestLinksLeadSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, page := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(prose(read(t, page)), -1) {
			target, heading, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			file := page
			if target != "" {
				file = filepath.Join(filepath.Dir(page), target)
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s links to %s, which is not there", page, m[1])
			} else if heading != "" && !hasHeading(read(t, file), heading) {
				t.Errorf("%s links to %s, which has no such heading", page, m[1])
			}
		}
	}
}

// TestEveryReasonIsExplained holds the list of reasons against the closed one.
func TestEveryReasonIsExplained(t *testing.T) {
	for _, page := range []string{"states.md", "sv/felkorg.md"} {
		text := read(t, page)
		for _, r := range hub.Reasons {
			if !strings.Contains(text, "`"+string(r)+"`") {
				t.Errorf("%s does not tell of the reason %s", page, r)
			}
		}
	}
}

// TestTheGuideIsAConfiguration puts the files that the guide to routes shows in a
// folder and checks it as `knutpunkt check` does.
func TestTheGuideIsAConfiguration(t *testing.T) {
	for _, p := range config.Check(guide(t), connectors.All) {
		t.Error(p)
	}
}

// TestTheFormBecomesItsAnswers reads the form that the guide shows and holds it
// against the answers that the guide says it becomes.
func TestTheFormBecomesItsAnswers(t *testing.T) {
	files := guide(t)
	decode := config.Decode("url: https://e-tjanster.exempelby.example\nuser: knutpunkt\npassword: env:X\nmunicipality: \"0001\"\n",
		func(string) (string, bool) { return "hemligt", true })
	system, err := oep.New.Open(t.Context(), hub.Env{ID: "exempelby.oep"}, decode)
	if err != nil {
		t.Fatal(err)
	}
	in := hub.Incoming{Type: "application/xml", Body: bytes.NewReader(files["formulär.xml"].Data)}
	form, err := system.Source.Read(t.Context(), in, nowhere{})
	if err != nil {
		t.Fatal(err)
	}
	route := bundleOf(t, files).Route(form.Municipality, form.Source.System, form.Service)
	if route == nil {
		t.Fatal("the guide's form does not find the guide's route")
	}
	fitted, err := route.Form(form.FormVersion).Fit(form.Answers)
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(fitted.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	if want := files["answers.json"].Data; !sameJSON(t, got, want) {
		t.Errorf("the form becomes\n%s\nand the guide says\n%s", got, want)
	}
}

// TestMappingExamples runs what the guide to mappings shows, in the place of one of the
// mappings of the guide to routes: a document, and below it what comes of it.
func TestMappingExamples(t *testing.T) {
	blocks := blocksOf("sv/mappning.md", read(t, "sv/mappning.md"))
	schemas := fstest.MapFS{}
	for i, b := range blocks {
		if b.file != "" {
			schemas[b.file] = &fstest.MapFile{Data: []byte(b.text)}
		}
		if b.lang != "yaml" {
			continue
		}
		shown := blocks[i+1]
		output := map[string]string{"xml": "xml", "json": "json", "text": "xml"}[shown.lang]
		head := "operation: file\noutput: " + output + "\n"
		if !strings.HasPrefix(b.text, "schema:") {
			head += "schema: none\n"
		}
		files := withMapping(t, b.text+head)
		maps.Copy(files, schemas)
		got := problems(files, wanted)
		if shown.lang != "text" {
			got = problems(files, wanted, shownByTests) // the guide's other forms answer less
		}
		if shown.lang != "text" && got == "" {
			got = rendered(t, files)
		}
		if got != shown.text {
			t.Errorf("%s:%d: comes\n%s\nand the page says\n%s", b.page, b.line, got, shown.text)
		}
	}
}

// TestExpressions works out every expression in the tables of the guide to mappings.
func TestExpressions(t *testing.T) {
	var text strings.Builder
	text.WriteString("operation: file\noutput: json\nschema: none\ndocument:\n")
	rows := rowsOf(t, "sv/mappning.md", "| uttryck | ger |")
	for i, row := range rows {
		fmt.Fprintf(&text, "  v%d?: %s\n", i, quoted(row[0]))
	}
	files := withMapping(t, text.String())
	if got := problems(files, wanted, shownByTests); got != "" {
		t.Fatal(got)
	}
	var got map[string]json.RawMessage
	if err := json.Unmarshal([]byte(rendered(t, files)), &got); err != nil {
		t.Fatal(err)
	}
	for i, row := range rows {
		value, is := got[fmt.Sprintf("v%d", i)]
		came := strings.Trim(string(value), `"`)
		if !is {
			came = "saknas"
		}
		if came != row[1] {
			t.Errorf("%s gives %q, and the page says %q", row[0], came, row[1])
		}
	}
}

// TestErrorsReadAsShown holds what is said of a mistake against what the guide says.
func TestErrorsReadAsShown(t *testing.T) {
	place := regexp.MustCompile(`^[^:]+:\d+: |, as \S+ uses it| \(column \d+\)$`)
	for _, row := range rowsOf(t, "sv/mappning.md", "| skrivet | felet |") {
		files := withMapping(t, "operation: file\noutput: xml\nschema: none\ndocument:\n  Brev:\n    V: "+quoted(row[0])+"\n")
		first, _, _ := strings.Cut(problems(files, wanted, shownByTests), "\n")
		if got := place.ReplaceAllString(first, ""); got != row[1] {
			t.Errorf("%s: %q, and the page says %q", row[0], got, row[1])
		}
	}
}

// exampleMapping is the one in whose place examples stand.
const exampleMapping = "mappings/odling/ansokan.yaml"

func withMapping(t *testing.T, text string) fstest.MapFS {
	t.Helper()
	files := guide(t)
	files[exampleMapping] = &fstest.MapFile{Data: []byte(text)}
	return files
}

// wanted are the problems of who is in another mapping's place: its tests want something
// else. What the tests themselves have shown is told apart by mapping.Problem.
func wanted(p mapping.Problem) bool { return strings.Contains(p.File, "/want.") }

func shownByTests(p mapping.Problem) bool { return p.IsShown() }

// problems are what check says, but for some.
func problems(files fstest.MapFS, but ...func(mapping.Problem) bool) string {
	var lines strings.Builder
	for _, p := range config.Check(files, connectors.All) {
		if !slices.ContainsFunc(but, func(leftOut func(mapping.Problem) bool) bool { return leftOut(p) }) {
			lines.WriteString(p.String() + "\n")
		}
	}
	return lines.String()
}

// rendered gives the document that the example makes of the guide's form, without
// XML's first line.
func rendered(t *testing.T, files fstest.MapFS) string {
	t.Helper()
	m, wrong := mapping.Compile(files, exampleMapping)
	if len(wrong) > 0 {
		t.Fatal(wrong)
	}
	known, err := mapping.ReadGiven(files, "mappings/odling/ansokan.test/två-områden/given.json")
	if err != nil {
		t.Fatal(err)
	}
	document, err := m.Render(known)
	if err != nil {
		t.Fatal(err)
	}
	text := string(mapping.Pretty(document))
	if _, after, isXML := strings.Cut(text, "?>\n"); isXML {
		return after
	}
	return text
}

func quoted(expression string) string {
	return "'${" + strings.ReplaceAll(expression, "'", "''") + "}'"
}

// rowsOf gives the rows of the table with a head, without the marks of code.
func rowsOf(t *testing.T, page, head string) [][2]string {
	t.Helper()
	_, table, found := strings.Cut(read(t, page), "\n"+head+"\n")
	if !found {
		t.Fatalf("%s has no table %s", page, head)
	}
	table, _, _ = strings.Cut(table, "\n\n")
	var rows [][2]string
	for _, line := range strings.Split(table, "\n")[1:] { // below the line under the head
		left, right, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(line, "| "), " |"), " | ")
		rows = append(rows, [2]string{strings.Trim(left, "`"), strings.Trim(right, "`")})
	}
	return rows
}

// nowhere takes the files of a form that are of no interest.
type nowhere struct{}

func (nowhere) Put(_ context.Context, r io.Reader) (hub.Blob, error) {
	size, err := io.Copy(io.Discard, r)
	return hub.Blob{Size: size}, err
}

func bundleOf(t *testing.T, files fstest.MapFS) *hub.Bundle {
	t.Helper()
	archive, err := config.Read(files)
	if err != nil {
		t.Fatal(err)
	}
	bundle, err := config.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	return bundle
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y any
	if err := json.Unmarshal(a, &x); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &y); err != nil {
		t.Fatal(err)
	}
	return reflect.DeepEqual(x, y)
}

// guide gives the files that the guide to routes shows.
func guide(t *testing.T) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	for _, b := range blocksOf("sv/route.md", read(t, "sv/route.md")) {
		if b.file == "" {
			continue
		}
		if _, twice := files[b.file]; twice {
			t.Fatalf("%s:%d: %s is shown twice", b.page, b.line, b.file)
		}
		files[b.file] = &fstest.MapFile{Data: []byte(b.text)}
	}
	for name, file := range shipped(t) {
		if strings.HasPrefix(name, "schemas/diarium/") { // which the guide says come with Knutpunkt
			files[name] = file
		}
	}
	return files
}

// pages are all that people read in this repository, but for the connectors' own.
func pages(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"../*.md", "*.md", "*/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, found...)
	}
	return all
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A block is a fenced block of a page. It is the content of a file when the line
// above it is that file's name alone, as code.
type block struct {
	page  string
	line  int // on which its content begins
	above string
	lang  string
	file  string
	text  string
}

func blocksOf(page, text string) []block {
	var all []block
	var open *block
	above := ""
	for i, line := range strings.Split(text, "\n") {
		switch {
		case open == nil && strings.HasPrefix(line, "```"):
			open = &block{page: page, line: i + 2, above: above, lang: strings.TrimPrefix(line, "```"), file: fileNamed(above)}
		case open != nil && line == "```":
			all = append(all, *open)
			open, above = nil, ""
		case open != nil:
			open.text += line + "\n"
		case strings.TrimSpace(line) != "":
			above = strings.TrimSpace(line)
		}
	}
	return all
}

// fileNamed gives the file that a line of a page names, when it names one and says no
// more.
func fileNamed(line string) string {
	if len(line) > 2 && line[0] == '`' && strings.IndexByte(line[1:], '`') == len(line)-2 {
		return line[1 : len(line)-1]
	}
	return ""
}

// prose gives a page without its fenced blocks.
func prose(page string) string {
	var b strings.Builder
	for i, part := range strings.Split(page, "\n```") {
		if i%2 == 0 {
			b.WriteString(part + "\n")
		}
	}
	return b.String()
}

// hasHeading tells whether a page has a heading that forges give an anchor.
func hasHeading(page, anchor string) bool {
	for line := range strings.Lines(prose(page)) {
		title, isHeading := strings.CutPrefix(strings.TrimLeft(line, "#"), " ")
		if isHeading && strings.HasPrefix(line, "#") && anchorOf(title) == anchor {
			return true
		}
	}
	return false
}

var notInAnchors = regexp.MustCompile(`[^\pL\pN \-_]`)

func anchorOf(title string) string {
	title = notInAnchors.ReplaceAllString(strings.ToLower(strings.TrimSpace(title)), "")
	return strings.ReplaceAll(title, " ", "-")
}
