package form_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/knutpunkt/knutpunkt/connectors/connectortest"
	"github.com/knutpunkt/knutpunkt/connectors/form"
	"github.com/knutpunkt/knutpunkt/connectors/form/formsim"
	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/config"
)

// mappings are a configuration's folder: the mapping of the README, one for XML, and one that delivers.
func mappings(t testing.TB) fstest.MapFS {
	t.Helper()
	schema, err := os.ReadFile("../../schemas/knutpunkt/submission.json")
	if err != nil {
		t.Fatal(err)
	}
	return fstest.MapFS{
		"schemas/knutpunkt/submission.json": {Data: schema},
		"mappings/intranat/ledighet.yaml":   {Data: []byte(sample(t, "operation: submission"))},
		"mappings/intranat/xml.yaml": {Data: []byte(`operation: submission
output: json
schema: knutpunkt/submission.json
document:
  municipality: "1780"
  service: ${answers.Huvud["@typ"]}
  source: { id: "${answers.Huvud.Nummer}" }
  answers: ${answers.Svar}
  attachments:
    $for: b in answers.Bilagor.Bilaga ?? []
    name: ${b["@namn"]}
    content?: ${b.Data}
    fetch?: ${b.Plats}
    size?: ${int(b["@storlek"])}
`)},
		"mappings/diarium/arende.yaml": {Data: []byte("operation: case\noutput: json\ndocument: { Title: Ledighet }\n")},
	}
}

// sample gives the block of the README that begins so.
func sample(t testing.TB, begin string) string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```yaml\n(" + regexp.QuoteMeta(begin) + ".*?)```").FindSubmatch(text)
	if block == nil {
		t.Fatalf("the README has no sample that begins with %s", begin)
	}
	return string(block[1])
}

func open(t testing.TB, c form.Config) (hub.System, error) {
	fsys := mappings(t)
	env := hub.Env{ID: "karlstad.intranat", Clock: time.Now, Mapping: func(name string) (hub.Mapping, error) { return config.Mapping(fsys, name) }}
	return form.New.Open(t.Context(), env, func(into any) error { *into.(*form.Config) = c; return nil })
}

var (
	jsonForms = form.Config{Format: "json", Mapping: "intranat/ledighet", Content: "bilagor.innehall"}
	xmlForms  = form.Config{Format: "xml", Mapping: "intranat/xml", Content: "Bilagor.Bilaga.Data", Files: "https://127.0.0.1/bilagor"}
)

// files are the Blobs of a Read.
type files struct{ put []string }

func (f *files) Put(_ context.Context, r io.Reader) (hub.Blob, error) {
	content, err := io.ReadAll(r)
	if len(content) > 100 {
		return hub.Blob{}, hub.ErrTooLarge
	}
	f.put = append(f.put, string(content))
	return hub.Blob{ID: "blob", Size: int64(len(content))}, err
}

func read(t testing.TB, c form.Config, body string) (hub.Submission, []string, error) {
	t.Helper()
	s, err := open(t, c)
	if err != nil {
		t.Fatal(err)
	}
	put := &files{}
	form, err := s.Source.Read(t.Context(), hub.Incoming{Type: "application/" + c.Format, Body: strings.NewReader(body)}, put)
	return form, put.put, err
}

var pdf = base64.StdEncoding.EncodeToString([]byte("%PDF-1.7"))

var aForm = `{"blankett":"ledighetsansokan","nummer":"L-1","version":"2","inskickad":"2026-03-02T09:00:00",
	"svar":{"anställd":{"personnummer":"189001019802"},"timmar":4.50,"tomt":null,"perioder":[{"från":"2026-03-09"}]},
	"bilagor":[{"namn":"../intyg.pdf","typ":"application/pdf","innehall":"` + pdf + `"}]}`

func TestJSON(t *testing.T) {
	s, put, err := read(t, jsonForms, aForm)
	if err != nil {
		t.Fatal(err)
	}
	if want := (hub.Ref{System: "karlstad.intranat", ID: "L-1", Version: "2"}); s.Source != want || s.Service != "ledighetsansokan" || s.Municipality != "" {
		t.Errorf("of %q %q %q, %q, %q", s.Source.System, s.Source.ID, s.Source.Version, s.Service, s.Municipality)
	}
	if want := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC); !s.Submitted.Equal(want) {
		t.Errorf("submitted %v, want %v: without a zone it is Swedish time", s.Submitted, want)
	}
	answers, err := s.RevealContents()
	if err != nil || !bytes.Contains(answers, []byte(`4.50`)) || !bytes.Contains(answers, []byte(`"från"`)) || bytes.Contains(answers, []byte(pdf)) {
		t.Errorf("the contents are not the answers as they came, without the file: %v", err)
	}
	want := []hub.Attachment{{Name: "intyg.pdf", Type: "application/pdf", Size: 8, Blob: hub.Blob{ID: "blob", Size: 8}}}
	if !reflect.DeepEqual(s.Attachments, want) || len(put) != 1 || put[0] != "%PDF-1.7" {
		t.Errorf("%d attachments, put %q", len(s.Attachments), put)
	}
}

const anXMLForm = `<?xml version="1.0" encoding="ISO-8859-1"?>
<Blankett xmlns="urn:intranat">
  <Huvud typ="ledighetsansokan"><Nummer>L-2</Nummer></Huvud>
  <Svar><Period><Dag>2026-03-09</Dag></Period><Period nr="2"><Dag zon="lokal">2026-03-10</Dag></Period><Anm>f` + "\xf6r" + `sta</Anm></Svar>
  <Bilagor><Bilaga namn="intyg.pdf" storlek="8"><Data>JVBE
Ri0xLjc=</Data></Bilaga><Bilaga namn="annat.pdf" storlek="99"><Plats>17/annat.pdf</Plats></Bilaga></Bilagor>
</Blankett>`

func TestXML(t *testing.T) {
	s, put, err := read(t, xmlForms, anXMLForm)
	if err != nil {
		t.Fatal(err)
	}
	if s.Source.ID != "L-2" || s.Service != "ledighetsansokan" || s.Municipality != "1780" {
		t.Errorf("of %q, %q, %q", s.Source.ID, s.Service, s.Municipality)
	}
	want := map[string]any{
		"Period": []any{map[string]any{"Dag": "2026-03-09"}, map[string]any{"@nr": "2", "Dag": map[string]any{"@zon": "lokal", "#text": "2026-03-10"}}},
		"Anm":    "första",
	}
	if diff := cmp.Diff(want, s.Answers.Reveal()); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	if len(put) != 1 || put[0] != "%PDF-1.7" || len(s.Attachments) != 2 || s.Attachments[1].Size != 99 ||
		s.Attachments[1].Fetch != (hub.Fetch{Kind: "file", File: "17/annat.pdf"}) {
		t.Errorf("%d attachments, put %q", len(s.Attachments), put)
	}
}

func TestByKind(t *testing.T) {
	c := form.Config{
		Format: "json", Kind: "blankett", Content: "bilagor.innehall",
		Mappings: map[string]string{"ledighetsansokan": "intranat/ledighet", "annan": "intranat/xml"},
	}
	if s, _, err := read(t, c, aForm); err != nil || s.Service != "ledighetsansokan" {
		t.Errorf("%v", err)
	}
	_, _, err := read(t, c, strings.Replace(aForm, "ledighetsansokan", "hemlig", 1))
	wantMalformed(t, "no mapping", err, form.UnknownForm, "blankett")
}

// TestByteOrderMark: many platforms write one, and it is no part of the form.
func TestByteOrderMark(t *testing.T) {
	for _, c := range []struct {
		of   form.Config
		body string
	}{{jsonForms, aForm}, {xmlForms, `<Blankett xmlns="urn:intranat"><Huvud typ="x"><Nummer>L-2</Nummer></Huvud><Svar><Dag>2026-03-09</Dag></Svar></Blankett>`}} {
		if s, _, err := read(t, c.of, "\ufeff"+c.body); err != nil || s.Source.ID == "" {
			t.Errorf("%s: %v", c.of.Format, err)
		}
	}
}

func wantMalformed(t *testing.T, name string, err error, kind, detail string) {
	t.Helper()
	var m *hub.Malformed
	switch {
	case !errors.As(err, &m):
		t.Errorf("%s: %v, want a *hub.Malformed", name, err)
	case m.Kind != kind || !strings.Contains(m.Detail, detail):
		t.Errorf("%s: %s (%s), want %s (%s)", name, m.Kind, m.Detail, kind, detail)
	case strings.Contains(m.Detail, "189001019802") || strings.Contains(m.Detail, "hemlig"):
		t.Errorf("%s: it repeats what came: %s", name, m.Detail)
	}
}

func TestRefused(t *testing.T) {
	tests := []struct{ name, change, with, kind, detail string }{
		{"no number", `"nummer":"L-1",`, ``, form.NotUnderstood, "mappings/intranat/ledighet.yaml:8: ${answers.nummer} has no value"},
		{"a blank number", `"L-1"`, `""`, form.NotUnderstood, "ledighet.yaml:8"},
		{"no time", `2026-03-02T09:00:00`, `hemligt`, form.NotUnderstood, "ledighet.yaml:10"},
		{"answers that are a text", `"svar":{`, `"svar":"hemligt","x":{`, form.NotUnderstood, "ledighet.yaml:11"},
		{"not base64", pdf, `hemligt!`, form.AttachmentEncoding, "not base64"},
		{"a name twice", `"nummer"`, `"blankett":"x","nummer"`, "duplicate-key", ""},
		{"half", aForm[100:], ``, "truncated", ""},
		{"not JSON", aForm, `<form/>`, "malformed", ""},
	}
	for _, test := range tests {
		_, _, err := read(t, jsonForms, strings.Replace(aForm, test.change, test.with, 1))
		wantMalformed(t, test.name, err, test.kind, test.detail)
	}
	_, _, err := read(t, jsonForms, strings.Replace(aForm, pdf, base64.StdEncoding.EncodeToString(make([]byte, 200)), 1))
	if !errors.Is(err, hub.ErrTooLarge) {
		t.Errorf("a file that is too large: %v", err)
	}
	_, _, err = read(t, jsonForms, `{"x":"`+strings.Repeat("x", 17<<20)+`"}`)
	wantMalformed(t, "too large", err, "too-large", "")
	_, _, err = read(t, xmlForms, strings.Replace(anXMLForm, "?>", `?><!DOCTYPE Blankett [<!ENTITY x "hemligt">]>`, 1))
	wantMalformed(t, "a DOCTYPE", err, "doctype-not-allowed", "")
	inXML := xmlForms
	inXML.Files = ""
	_, _, err = read(t, inXML, anXMLForm)
	wantMalformed(t, "nowhere to fetch it", err, form.NotUnderstood, "attachments/1")
}

func TestConfig(t *testing.T) {
	for name, c := range map[string]form.Config{
		"no format": {Mapping: "intranat/ledighet"}, "no mapping": {Format: "json"},
		"two ways":                   {Format: "json", Mapping: "intranat/ledighet", Kind: "blankett"},
		"a place with an empty name": {Format: "json", Mapping: "intranat/ledighet", Content: "bilagor..innehall"},
		"a kind with an empty name":  {Format: "json", Kind: ".kod", Mappings: map[string]string{"a": "intranat/ledighet"}},
		"no such file":               {Format: "json", Mapping: "intranat/ledigt"}, "one that delivers": {Format: "json", Mapping: "diarium/arende"},
	} {
		if _, err := open(t, c); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if s, err := open(t, jsonForms); err != nil || s.Fetcher != nil {
		t.Errorf("%v, %v: what says nowhere to fetch from fetches nothing", s.Fetcher, err)
	}
}

func TestConformance(t *testing.T) {
	s := formsim.Subject()
	s.Connector = form.New
	connectortest.Run(t, s)
}

// TestFetchLeadsNowhereElse: what a form says of where its file is stays below the platform's address.
func TestFetchLeadsNowhereElse(t *testing.T) {
	s, err := open(t, xmlForms)
	if err != nil {
		t.Fatal(err)
	}
	for _, place := range []string{"", "/", "..", "a/../../b", "a//b", "./a"} {
		err := s.Fetcher.Fetch(t.Context(), hub.Fetch{Kind: "file", File: place}, io.Discard)
		if !errors.Is(err, hub.ErrGone) {
			t.Errorf("%q: %v, want %v", place, err, hub.ErrGone)
		}
	}
}

// TestREADME reads the samples of systems.yaml as serve does.
func TestREADME(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	samples := regexp.MustCompile("(?s)```yaml\nintranat:\n  connector: form\n(.*?)```").FindAllSubmatch(text, -1)
	if len(samples) != 2 {
		t.Fatalf("there are %d samples of systems.yaml", len(samples))
	}
	for _, sample := range samples {
		fields := strings.ReplaceAll("\n"+string(sample[1]), "\n  ", "\n")
		fields = strings.Replace(fields, "file:secrets/intranat-bilagor", "env:TOKEN", 1)
		var c form.Config
		env := func(string) (string, bool) { return "en token", true }
		if err := config.Decode(fields, env)(&c); err != nil {
			t.Errorf("%v", err)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(false, []byte(aForm))
	f.Add(true, []byte(anXMLForm))
	f.Add(false, []byte(`{"svar":{},"nummer":"1","blankett":"x","bilagor":{"innehall":"="}}`))
	inJSON, err := open(f, jsonForms)
	inXML, err2 := open(f, xmlForms)
	if err != nil || err2 != nil {
		f.Fatal(err, err2)
	}
	f.Fuzz(func(t *testing.T, isXML bool, body []byte) {
		source := inJSON.Source
		if isXML {
			source = inXML.Source
		}
		s, err := source.Read(t.Context(), hub.Incoming{Body: bytes.NewReader(body)}, &files{})
		var m *hub.Malformed
		if err != nil && !errors.As(err, &m) && !errors.Is(err, hub.ErrTooLarge) {
			t.Fatalf("%v is nothing that a platform can be told", err)
		}
		if err == nil && (s.Source.ID == "" || s.Service == "" || s.Answers.Reveal() == nil) {
			t.Fatal("half a form was let through")
		}
	})
}
