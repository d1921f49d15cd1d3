package mapping

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// An Explanation tells of one document where each of its values came from, and what was
// left out and why. It holds what the document holds, so it does not print.
type Explanation struct {
	mapping *Mapping
	known   hub.Known
	form    *document.Type
	top     *told
	left    []omission
}

// Explain makes the document as Render does, and tells how it came about; form is that of
// the answers, nil where it is not known. What one document may cost is bounded here, and
// so is the time by ctx: a mapping that nobody has looked at yet can be tried. Where the
// document cannot be made, the Explanation tells how far it came.
func (m *Mapping) Explain(ctx context.Context, known hub.Known, form *document.Type) (hub.Document, Explanation, error) {
	r := newRendering(known, m.tables)
	r.account = newAccount(ctx, m.json)
	r.values = rooted(r.values)
	doc, err := m.render(r)
	return doc, Explanation{m, known, form, r.account.open[0], r.account.left}, err
}

func (e Explanation) Format(f fmt.State, _ rune)   { io.WriteString(f, "explanation") }
func (e Explanation) LogValue() slog.Value         { return slog.StringValue("explanation") }
func (e Explanation) MarshalJSON() ([]byte, error) { return []byte(`"explanation"`), nil }

// Reveal writes it for people: the document as an outline, beside each value where it came
// from, and below it what was left out.
func (e Explanation) Reveal() []byte {
	p := &outline{Explanation: e}
	for _, t := range e.top.below {
		p.add(t, 0)
	}
	return p.text()
}

// An outline is an Explanation under writing.
type outline struct {
	Explanation
	lines []outlined
}

// outlined is one line: a piece of the document and where it came from.
type outlined struct{ what, from string }

func (p *outline) add(t *told, depth int) {
	if t.branch == nil || t.branch != p.mapping.root || t.name != "" {
		p.lines = append(p.lines, outlined{strings.Repeat("  ", depth) + p.what(t), p.from(t)})
		depth++
	}
	for _, below := range t.below {
		p.add(below, depth)
	}
}

func (p *outline) what(t *told) string {
	name := t.name
	if p.mapping.json && t.number > 0 {
		name = "-"
	}
	switch {
	case t.leaf != nil:
		return name + ": " + p.written(t.value)
	case p.mapping.json && len(t.below) == 0 && t.many:
		return name + ": []"
	case p.mapping.json && len(t.below) == 0:
		return name + ": {}"
	}
	return name
}

// written is a value as the document has it, on one line.
func (p *outline) written(v any) string {
	if !p.mapping.json {
		return strings.NewReplacer("\r", "", "\n", "⏎").Replace(v.(string))
	}
	return show(v)
}

// from tells where a thing came from: what it is made for, the rule that it is there by,
// and its line.
func (p *outline) from(t *told) string {
	var said []string
	if t.item != "" && t.leaf == nil {
		said = append(said, p.describe(reading{path: t.item}))
	}
	if t.leaf != nil {
		said = append(said, p.origin(t))
	}
	if b := t.branch; b != nil && !t.many {
		if b.each != nil && t.leaf != nil {
			said = append(said, "for "+t.item)
		}
		if b.when != nil {
			said = append(said, "since "+b.when.source)
		}
	}
	if len(said) == 0 {
		return ""
	}
	return strings.Join(append(said, p.where(t.line)), " · ")
}

func (p *outline) where(line int) string { return fmt.Sprintf("%s:%d", p.mapping.path, line) }

// origin tells what a value was made of.
func (p *outline) origin(t *told) string {
	if len(t.worked) == 0 {
		return "as it is written"
	}
	var found, described, absent []string
	told := map[string]bool{}
	for _, w := range t.worked {
		for _, r := range w.reads {
			if !r.absent && !told[r.path] {
				told[r.path] = true
				found, described = append(found, r.path), append(described, p.describe(r))
			}
		}
		absent = append(absent, w.absences()...)
	}
	said := strings.Join(described, " + ")
	if source := t.leaf.source(); !slices.Equal(found, []string{source}) {
		said = strings.TrimPrefix(said+", by "+source, ", ")
	}
	for _, path := range slices.Compact(absent) {
		said += ", since " + path + " is absent"
	}
	return said
}

// source is a leaf as it is written; a value alone without its ${ }.
func (l *leaf) source() string {
	if x := l.alone(); x != nil {
		return x.source
	}
	var b strings.Builder
	for _, part := range l.parts {
		if part.value != nil {
			b.WriteString(part.value.String())
		}
		b.WriteString(part.text)
	}
	return strconv.Quote(b.String())
}

// describe says what something that was read is: a question's title, which register said
// it and when, when a receipt was given, on which line a table has it.
func (p *outline) describe(r reading) string {
	name, rest := cutRoot(r.path)
	switch {
	case name == "answers":
		if title := titleOf(p.form, rest); title != "" {
			return r.path + " " + strconv.Quote(title)
		}
	case name == "tables":
		return r.path + p.lineOfEntry(rest)
	case name == "case":
		leg, _ := cutRoot(strings.TrimPrefix(rest, "."))
		return r.path + receiptText(p.known.Case[leg])
	}
	if answer, is := p.known.Answers[name]; is {
		return r.path + answerText(answer, rest)
	}
	if receipt, is := p.known.Receipts[name]; is {
		return r.path + receiptText(receipt)
	}
	return r.path
}

// lineOfEntry says where a table has what a path, .NAME[word], leads to.
func (p *outline) lineOfEntry(path string) string {
	name, word := cutRoot(strings.TrimPrefix(path, "."))
	for _, c := range p.mapping.codes[name] {
		if "["+c.word+"]" == word {
			return fmt.Sprintf(" (line %d)", c.at.line)
		}
	}
	return ""
}

// cutRoot parts the name that a path begins with from the rest.
func cutRoot(path string) (name, rest string) {
	if i := strings.IndexAny(path, ".["); i >= 0 {
		return path[:i], path[i:]
	}
	return path, ""
}

const minutely = "2006-01-02 15:04"

func receiptText(r hub.Receipt) string {
	if r.At.IsZero() {
		return " (receipt)"
	}
	return " (receipt of " + r.At.In(hub.Stockholm).Format(minutely) + ")"
}

// answerText says which register told of a person, and as of when.
func answerText(a hub.RegisterAnswer, rest string) string {
	i := 0
	if a.List {
		fmt.Sscanf(rest, "[%d]", &i)
	}
	by, at := a.Register, a.AsOf
	if i < len(a.Persons) {
		by, at = a.Persons[i].By, a.Persons[i].AsOf
	}
	said := string(by)
	if said == "" {
		said = "register"
	}
	if !at.IsZero() {
		said += ", as of " + at.In(hub.Stockholm).Format(minutely)
	}
	return " (" + said + ")"
}

// titleOf finds what a form's schema calls the question that a path leads to; of the field
// itself, or else of the nearest group around it.
func titleOf(t *document.Type, path string) (title string) {
	for path != "" && t != nil {
		if path[0] == '[' {
			_, path, _ = strings.Cut(path, "]")
			if t.Items == nil {
				break
			}
			t = t.Items
		} else {
			var name string
			name, path = cutRoot(path[1:])
			t = t.Fields[name]
		}
		if t != nil && t.Title != "" {
			title = t.Title
		}
	}
	return title
}

// widest is how far to the right the second column may be pushed.
const widest = 64

func (p *outline) text() []byte {
	width := 0
	for _, line := range p.lines {
		if n := utf8.RuneCountInString(line.what); n <= widest && line.from != "" {
			width = max(width, n)
		}
	}
	var b strings.Builder
	for _, line := range p.lines {
		b.WriteString(line.what)
		if line.from != "" {
			b.WriteString(strings.Repeat(" ", max(0, width-utf8.RuneCountInString(line.what))) + "  ← " + line.from)
		}
		b.WriteByte('\n')
	}
	for i, o := range p.left {
		if i == 0 {
			b.WriteString("\nleft out:\n")
		}
		fmt.Fprintf(&b, "  %s: %s · %s\n", o.path, o.why, p.where(o.line))
	}
	return []byte(b.String())
}
