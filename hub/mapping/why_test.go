package mapping

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

func explained(t testing.TB, m *Mapping, k hub.Known, form *document.Type) Explanation {
	t.Helper()
	_, why, err := m.Explain(t.Context(), k, form)
	if err != nil {
		t.Fatal(err)
	}
	return why
}

// TestExplain holds explanations as people read them: an XML document with everything that
// can choose a value, and a JSON one with lists in lists.
func TestExplain(t *testing.T) {
	xml := `operation: arende
output: xml
tables:
  skydd: { true: SEKRETESS, false: ÖPPET }
document:
  Arende:
    $attrs: { version: "1.2", typ?: "${answers.typ}" }
    Titel: ${service.title}, ${answers.fastighet}
    Skydd: ${tables.skydd[sökande.protected]}
    Sokande:
      Personnummer: ${personnummer(parties.sökande)}
      Gata: ${sökande.address.street}
    Epost?: ${answers.epost}
    Kontakt: ${answers.epost ?? answers.adress.ort}
    Inget?:
      $if: sökande.protected
      $text: OSL 21:3
    Barn?:
      $for: b, nr in answers.barn
      $attrs: { nr: "${nr}" }
      Namn: ${b.namn}
    Syskon?:
      $for: s in answers.syskon
      Namn: ${s.namn}
    Fil:
      $for: fil in attachments
      $if: fil.size > 100
      $text: ${fil.name}
    Diarienummer: ${diarium.number}
`
	json := `operation: arende
output: json
document:
  antal: 2
  adress: ${answers.adress}
  barn:
    - $for: b in answers.barn
      namn: ${b.namn}
    - namn: ${sökande.name}
  filer:
    $for: fil in attachments
    $value: ${fil.name}
  tomma:
    $for: x in answers.tomma
    $value: ${x}
`
	tests := []struct{ name, text, want, why string }{
		{"xml", xml, `Arende
  @version: 1.2                     ← as it is written · mappings/diarium/arende.yaml:7
  Titel: Bygglov för altan, Eken 4  ← service.title + answers.fastighet "Fastighet", by "${service.title}, ${answers.fastighet}" · mappings/diarium/arende.yaml:8
  Skydd: ÖPPET                      ← sökande.protected (karlskrona.navet, as of 2026-03-02 10:00) + tables.skydd[false] (line 4), by tables.skydd[sökande.protected] · mappings/diarium/arende.yaml:9
  Sokande
    Personnummer: 189001019802      ← parties.sökande, by personnummer(parties.sökande) · mappings/diarium/arende.yaml:11
    Gata: Storgatan 1               ← sökande.address.street (karlskrona.navet, as of 2026-03-02 10:00) · mappings/diarium/arende.yaml:12
  Kontakt: Karlskrona               ← answers.adress.ort "Var", by answers.epost ?? answers.adress.ort, since answers.epost is absent · mappings/diarium/arende.yaml:14
  Barn                              ← answers.barn[0] · mappings/diarium/arende.yaml:18
    @nr: 1                          ← the number of answers.barn[0], by nr · mappings/diarium/arende.yaml:20
    Namn: Kim                       ← answers.barn[0].namn "Barnets namn", by b.namn · mappings/diarium/arende.yaml:21
  Barn                              ← answers.barn[1] · mappings/diarium/arende.yaml:18
    @nr: 2                          ← the number of answers.barn[1], by nr · mappings/diarium/arende.yaml:20
    Namn: Bo                        ← answers.barn[1].namn "Barnets namn", by b.namn · mappings/diarium/arende.yaml:21
  Fil: plan & fasad.pdf             ← attachments[1].name, by fil.name · for attachments[1] · since fil.size > 100 · mappings/diarium/arende.yaml:28
  Diarienummer: SBN 2026-114        ← diarium.number (receipt of 2026-03-02 10:00) · mappings/diarium/arende.yaml:29

left out:
  Arende/@typ: answers.typ is absent · mappings/diarium/arende.yaml:7
  Arende/Epost: answers.epost is absent · mappings/diarium/arende.yaml:13
  Arende/Inget: $if does not hold: sökande.protected · mappings/diarium/arende.yaml:16
  Arende/Syskon: answers.syskon is absent, so there is nothing to repeat · mappings/diarium/arende.yaml:22
  Arende/Fil: $if does not hold: fil.size > 100 · mappings/diarium/arende.yaml:27
`, ""},
		{"json", json, `antal: 2                                           ← as it is written · mappings/diarium/arende.yaml:4
adress: {"gata":"Storgatan 1","ort":"Karlskrona"}  ← answers.adress "Var" · mappings/diarium/arende.yaml:5
barn
  -                                                ← answers.barn[0] · mappings/diarium/arende.yaml:7
    namn: "Kim"                                    ← answers.barn[0].namn "Barnets namn", by b.namn · mappings/diarium/arende.yaml:8
  -                                                ← answers.barn[1] · mappings/diarium/arende.yaml:7
    namn: "Bo"                                     ← answers.barn[1].namn "Barnets namn", by b.namn · mappings/diarium/arende.yaml:8
  -
    namn: "Åsa Öberg"                              ← sökande.name (karlskrona.navet, as of 2026-03-02 10:00) · mappings/diarium/arende.yaml:9
filer
  -: "ansökan.pdf"                                 ← attachments[0].name, by fil.name · for attachments[0] · mappings/diarium/arende.yaml:12
  -: "plan & fasad.pdf"                            ← attachments[1].name, by fil.name · for attachments[1] · mappings/diarium/arende.yaml:12
tomma: []

left out:
  tomma: answers.tomma is empty, so there is nothing to repeat · mappings/diarium/arende.yaml:13
`, "a group that is taken whole is one value"},
	}
	form, err := document.CompileForm(files("form.json", `{"type": "object", "properties": {
	  "fastighet": {"type": "string", "title": "Fastighet"},
	  "adress": {"type": "object", "title": "Var", "properties": {"gata": {"type": "string"}, "ort": {"type": "string"}}},
	  "barn": {"type": "array", "items": {"type": "object", "properties": {"namn": {"type": "string", "title": "Barnets namn"}}}}}}`), "form.json")
	if err != nil {
		t.Fatal(err)
	}
	k := toExplain(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := compiled(t, tt.text)
			if got := string(explained(t, m, k, form.Type()).Reveal()); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s(%s)", got, tt.want, tt.why)
			}
		})
	}
}

func toExplain(t testing.TB) hub.Known {
	k := known(t, `{"fastighet": "Eken 4", "adress": {"gata": "Storgatan 1", "ort": "Karlskrona"}, "barn": [{"namn": "Kim"}, {"namn": "Bo"}], "tomma": []}`)
	k.Submission.Attachments[0].Size, k.Submission.Attachments[1].Size = 10, 1000
	for i := range k.Answers["sökande"].Persons {
		p := &k.Answers["sökande"].Persons[i]
		p.By, p.AsOf = "karlskrona.navet", k.Submission.Inkommen
	}
	k.Receipts = map[string]hub.Receipt{"diarium": {Number: "SBN 2026-114", At: k.Submission.Inkommen}}
	return k
}

// TestExplainHowFarItCame: a document that cannot be made is told of up to where it ends.
func TestExplainHowFarItCame(t *testing.T) {
	m := compiled(t, "operation: x\noutput: xml\ndocument:\n  A:\n    B: ${service.title}\n    C: ${answers.saknas}\n    D: d\n")
	_, why, err := m.Explain(t.Context(), known(t, `{}`), nil)
	_, wanted := m.Render(known(t, `{}`))
	if err == nil || err.Error() != wanted.Error() {
		t.Errorf("%v, and rendered %v", err, wanted)
	}
	if text := string(why.Reveal()); !strings.Contains(text, "B: Bygglov för altan") || strings.Contains(text, "D") || strings.Contains(text, "left out") {
		t.Errorf("%s", text)
	}
}

// TestEveryValueHasAnOrigin: of every document that is shipped as a test, the explanation
// has each value, in the document's order, with where it came from; and the document is the
// one that is sent.
func TestEveryValueHasAnOrigin(t *testing.T) {
	shipped := os.DirFS("../..")
	mappings, err := fs.Glob(shipped, "mappings/*/*.yaml")
	if err != nil || len(mappings) == 0 {
		t.Fatal("there are no mappings", err)
	}
	tried := 0
	for _, file := range mappings {
		m, problems := Compile(shipped, file)
		if problems != nil {
			t.Fatal(problems)
		}
		for _, name := range Cases(shipped, m) {
			k, err := ReadGiven(shipped, path.Join(m.testFolder(), name, "given.json"))
			if err != nil {
				t.Fatal(err)
			}
			tried++
			t.Run(file+"/"+name, func(t *testing.T) { valuesAreTheDocuments(t, m, k) })
		}
	}
	for _, output := range []string{"xml", "json"} {
		t.Run(output, func(t *testing.T) { valuesAreTheDocuments(t, wideMapping(t, output), known(t, wideForm)) })
	}
	if tried < 10 {
		t.Errorf("only %d documents were tried", tried)
	}
}

func valuesAreTheDocuments(t *testing.T, m *Mapping, k hub.Known) {
	t.Helper()
	sent, wanted := m.Render(k)
	doc, why, err := m.Explain(t.Context(), k, nil)
	if (err == nil) != (wanted == nil) || doc.SHA256() != sent.SHA256() {
		t.Fatalf("another document than is sent: %v, %v", err, wanted)
	}
	if err != nil {
		t.Skip("it makes no document")
	}
	p := &outline{Explanation: why}
	var values []string
	why.top.leaves(func(leaf *told) {
		values = append(values, flat(leaf.value)...)
		if from := p.from(leaf); !strings.Contains(from, m.path+":") {
			t.Errorf("%s has no origin: %q", leaf.name, from)
		}
	})
	is := valuesOfDocument(t, sent, m.json)
	values = slices.DeleteFunc(values, func(s string) bool { return s == "" }) // an empty element may have no text at all
	is = slices.DeleteFunc(is, func(s string) bool { return s == "" })
	if !slices.Equal(values, is) {
		t.Errorf("told of\n%q, and the document has\n%q", values, is)
	}
}

// leaves visits the values below t in the document's order.
func (t *told) leaves(visit func(*told)) {
	for _, below := range t.below { // of an element with a text, its attributes
		below.leaves(visit)
	}
	if t.leaf != nil {
		visit(t)
	}
}

// flat gives the single values in a value, in order.
func flat(v any) (all []string) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			all = append(all, flat(item)...)
		}
	case map[string]any:
		names := make([]string, 0, len(v))
		for name := range v {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			all = append(all, flat(v[name])...)
		}
	case nil:
	default:
		all = append(all, fmt.Sprint(v))
	}
	return all
}

func valuesOfDocument(t *testing.T, doc hub.Document, isJSON bool) (all []string) {
	if isJSON {
		d := json.NewDecoder(bytes.NewReader(doc.Reveal()))
		d.UseNumber()
		return valuesOfJSON(d)
	}
	root, err := document.ReadXML(bytes.NewReader(doc.Reveal()), wide)
	if err != nil {
		t.Fatal(err)
	}
	return valuesOfXML(root)
}

func valuesOfXML(e *document.Element) (all []string) {
	for _, a := range e.Attrs {
		all = append(all, a.Value)
	}
	if len(e.Children) == 0 {
		return append(all, e.Text)
	}
	for _, c := range e.Children {
		all = append(all, valuesOfXML(c)...)
	}
	return all
}

// valuesOfJSON reads values as they stand, in which names are told from texts by their
// place.
func valuesOfJSON(d *json.Decoder) (all []string) {
	token, err := d.Token()
	if err != nil {
		return nil
	}
	switch token {
	case json.Delim('{'):
		for d.More() {
			d.Token()
			all = append(all, valuesOfJSON(d)...)
		}
		d.Token()
	case json.Delim('['):
		for d.More() {
			all = append(all, valuesOfJSON(d)...)
		}
		d.Token()
	case nil:
	default:
		all = []string{fmt.Sprint(token)}
	}
	return all
}

// TestDraftsAreBounded: what somebody sends to be tried cannot take the hub's memory or
// time, though each of these is a right mapping.
func TestDraftsAreBounded(t *testing.T) {
	many := `[` + strings.Repeat(`{"a":"x"},`, 20_000) + `{"a":"x"}]`
	long := strings.Repeat("a", 1<<20)
	form := `{"lista": ` + many + `, "lang": "` + long + `"}`
	tests := []struct{ name, value, want, why string }{
		{"loops", "${count(answers.lista, count(answers.lista, .a == \"x\") > 0)}", "costs more", "four hundred million steps"},
		{"doubling", "${let a = answers.lang + answers.lang; let b = a + a + a + a; let c = b + b + b + b; len(c)}", "costs more", "a text of 64 MiB"},
		{"replacing", "${replace(answers.lang, \"a\", answers.lang)}", "becomes too large", "a text of a TiB, in one call"},
		{"joining", "${join(map(answers.lista, .a), answers.lang)}", "becomes too large", "20 GiB, in one call"},
		{"copies", "${join(map(answers.lista, answers.lang), \"\")}", "costs more", ""},
		{"lists", "${count(answers.lista, len(split(answers.lang, \"a\")) > 1 || len(split(answers.lang + \"b\", \"b\")) > 5)}", "costs more", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := compiled(t, "operation: x\noutput: json\ndocument:\n  a: '"+tt.value+"'\n")
			_, _, err := m.Explain(t.Context(), known(t, form), nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v (%s)", err, tt.why)
			}
		})
	}
	t.Run("branches", func(t *testing.T) {
		m := compiled(t, "operation: x\noutput: json\ndocument:\n  a:\n    $for: x in answers.lista\n    $value: ${answers.lang}\n")
		if _, _, err := m.Explain(t.Context(), known(t, form), nil); err == nil || !strings.Contains(err.Error(), "costs more") {
			t.Errorf("%v", err)
		}
	})
	t.Run("time", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		m := compiled(t, "operation: x\noutput: json\ndocument:\n  a: ${service.title}\n")
		if _, _, err := m.Explain(ctx, known(t, form), nil); err == nil || !strings.Contains(err.Error(), "takes too long") {
			t.Errorf("%v", err)
		}
	})
}

// TestReadingMuchCostsNoMoreThanItIs: what an expression has read is gone through once, and not
// once for each thing that it has read.
func TestReadingMuchCostsNoMoreThanItIs(t *testing.T) {
	const items = 2000
	form := known(t, `{"lista": [`+strings.Repeat(`{"a":"x"},`, items-1)+`{"a":"x"}]}`)
	for _, value := range []string{`${count(answers.lista, .a == "x")}`, `${count(answers.lista, len(answers.lista) > 0)}`} {
		m := compiled(t, "operation: x\noutput: json\ndocument:\n  a: '"+value+"'\n")
		allocations := testing.AllocsPerRun(1, func() {
			_, why, err := m.Explain(t.Context(), form, nil)
			if err != nil || !bytes.Contains(why.Reveal(), []byte("lista")) {
				t.Errorf("%s: %v", value, err)
			}
		})
		if allocations > 100*items {
			t.Errorf("%s: %.0f allocations for %d items", value, allocations, items)
		}
	}
}

// TestExplanationsDoNotPrint: an Explanation holds what the document does.
func TestExplanationsDoNotPrint(t *testing.T) {
	why := explained(t, compiled(t, "operation: x\noutput: json\ndocument:\n  a: ${answers.fastighet}\n"), known(t, `{"fastighet": "Eken 4"}`), nil)
	text, err := json.Marshal(why)
	if printed := fmt.Sprintf("%v %+v %#v %s %s", why, why, why, text, why.LogValue()); err != nil || strings.Contains(printed, "Eken") {
		t.Errorf("%s %v", printed, err)
	}
}
