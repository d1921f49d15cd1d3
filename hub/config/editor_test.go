package config

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"go.yaml.in/yaml/v4"

	"github.com/knutpunkt/knutpunkt"
	shipped "github.com/knutpunkt/knutpunkt/connectors"
	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
	"github.com/knutpunkt/knutpunkt/hub/mapping"
)

// TestShippedFilesFitTheirSchemas: what check takes, an editor does not underline.
func TestShippedFilesFitTheirSchemas(t *testing.T) {
	editor := newEditor(t, shipped.All)
	seen := map[string]int{}
	err := fs.WalkDir(knutpunkt.Files, ".", func(name string, entry fs.DirEntry, err error) error {
		if kind := editor.kindOf(name); kind != "" && !entry.IsDir() {
			seen[kind]++
			if err := editor.underlines(knutpunkt.Files, name); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for kind := range editor.validators {
		if seen[kind] == 0 {
			t.Errorf("no file of the kind %s ships", kind)
		}
	}
}

// TestEditorsSeeWhatStrictReadingSees: unknown, missing and mistyped keys, and words that
// are not among those there are.
func TestEditorsSeeWhatStrictReadingSees(t *testing.T) {
	editor := newEditor(t, connectors)
	const route, mappingFile, given = "routes/vasby/altan.yaml", "mappings/box/arende.yaml", "mappings/box/arende.test/altan/given.json"
	for _, row := range []struct{ name, file, old, new string }{
		{"an unknown key", settingsFile, "clients:", "klients:"},
		{"an unknown key below", settingsFile, "services:", "service:"},
		{"a secret in the open", settingsFile, "env:OEP", "hemligt"},
		{"no list where one must be", settingsFile, `services: ["*"]`, `services: "*"`},
		{"a missing key", "routes/vasby/municipality.yaml", "name: Upplands Väsby kommun", ""},
		{"a bare kommunkod", "routes/vasby/municipality.yaml", `"0114"`, "0114"},
		{"an unknown connector", systemsFile, "connector: box", "connector: bax"},
		{"no connector", systemsFile, "connector: box", ""},
		{"another connector's key", systemsFile, "folder: /srv/in", "folder: /srv/in\n  order: A"},
		{"a connector's missing key", systemsFile, "folder: /srv/in", ""},
		{"a key of a connector, misspelt", systemsFile, "folder:", "foldar:"},
		{"a time without its unit", systemsFile, "folder: /srv/in", "folder: /srv/in\n  poll: 30"},
		{"a text where a number must be", systemsFile, "folder: /srv/in", "folder: /srv/in\n  size: stor"},
		{"neither yes nor no", systemsFile, "folder: /srv/in", "folder: /srv/in\n  quiet: kanske"},
		{"a missing key in a table", systemsFile, "folder: /srv/in", "folder: /srv/in\n  nested: {}"},
		{"a word that is no Step", systemsFile, "Öppet: registrerat", "Öppet: öppnat"},
		{"a system's name", systemsFile, "diarium:", "Diarium:"},
		{"a misspelt key of a route", route, "protected:", "proteced:"},
		{"a policy that is none", route, "protected: hold", "protected: holds"},
		{"a bare number", route, `service: "702"`, "service: 702"},
		{"a leg's key", route, "voice: true", "vioce: true"},
		{"a leg for neither", route, "on: first", "on: fist"},
		{"a promise about no Step", route, "expect: { beslutat:", "expect: { beslut:"},
		{"a list that is none", route, "enrich:\n  - {", "enrich:\n    {"},
		{"a missing owner", route, "owner: bygg@vasby.example", ""},
		{"a key of a mapping's head", mappingFile, "operation: case", "operatoin: case"},
		{"no schema, and no none", mappingFile, "schema: none\n", ""},
		{"an output that is none", mappingFile, "output: json", "output: yaml"},
		{"an instruction that is none", mappingFile, "hus?: ${answers.hus}", "hus: { $iff: \"true\", $value: a }"},
		{"an instruction of the other output", mappingFile, "hus?: ${answers.hus}", "hus: { $text: a }"},
		{"a loop without its list", mappingFile, "hus?: ${answers.hus}", "hus: { $for: fil, $value: a }"},
		{"a charset in JSON", mappingFile, "output: json", "output: json\ncharset: iso-8859-1"},
		{"two roots", mappingFile, "output: json", "output: xml"},
		{"an unknown key of what is given", given, `"title":`, `"titel":`},
		{"a number where a text must be", given, `"code":"0114"`, `"code":114`},
	} {
		t.Run(row.name, func(t *testing.T) {
			if !strings.Contains(string(small()[row.file].Data), row.old) {
				t.Fatalf("%s does not hold %s", row.file, row.old)
			}
			fsys := with(t, row.file, row.old, row.new)
			if len(Check(fsys, connectors)) == 0 {
				t.Error("strict reading finds nothing")
			}
			if err := editor.underlines(fsys, row.file); err == nil {
				t.Error("an editor underlines nothing")
			}
		})
	}
	for name := range small() {
		if kind := editor.kindOf(name); kind != "" && editor.underlines(small(), name) != nil {
			t.Errorf("an editor underlines %s, in which nothing is wrong", name)
		}
	}
}

// TestEveryKeyIsExplained, whatever of ours or of a connector's it is in.
func TestEveryKeyIsExplained(t *testing.T) {
	schemas, err := EditorSchemas(shipped.All)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range schemas {
		var tree any
		if err := json.Unmarshal(s.Text, &tree); err != nil {
			t.Fatal(err)
		}
		unexplained(tree, s.Name, func(where string) { t.Errorf("%s is not explained", where) })
	}
}

// unexplained goes through a schema's properties. Those in if and then repeat what stands
// outside them.
func unexplained(schema any, where string, tell func(where string)) {
	switch s := schema.(type) {
	case []any:
		for i, item := range s {
			unexplained(item, fmt.Sprint(where, "/", i), tell)
		}
	case map[string]any:
		properties, _ := s["properties"].(map[string]any)
		for name, below := range properties {
			about, _ := below.(map[string]any)
			if text, _ := about["description"].(string); text == "" {
				tell(where + "/" + name)
			}
		}
		for name, below := range s {
			if name != "if" && name != "then" && name != "else" && name != "allOf" {
				unexplained(below, where+"/"+name, tell)
			}
		}
	}
}

// TestWordsInTagsAreThoseThatAreRead: editors offer words that reading takes.
func TestWordsInTagsAreThoseThatAreRead(t *testing.T) {
	if got := wordsOf(tagOf(t, routeText{}, "Protected")); !reflect.DeepEqual(got, []string{string(hub.Hold), string(hub.Withhold)}) {
		t.Errorf("protected is one of %q", got)
	}
	if got := wordsOf(tagOf(t, legText{}, "On")); !reflect.DeepEqual(got, []string{string(hub.First), string(hub.Completion), string(hub.Both)}) {
		t.Errorf("on is one of %q", got)
	}
	if got := wordsOf(tagOf(t, clientText{}, "Key")); !reflect.DeepEqual(got, []string{string(Header), string(Derived)}) {
		t.Errorf("key is one of %q", got)
	}
}

func tagOf(t *testing.T, of any, field string) string {
	t.Helper()
	f, there := reflect.TypeOf(of).FieldByName(field)
	if !there {
		t.Fatalf("there is no field %s", field)
	}
	return f.Tag.Get("values")
}

// TestEditorFilesAreNoPartOfARevision: what is written for editors changes nothing that runs.
func TestEditorFilesAreNoPartOfARevision(t *testing.T) {
	plain, err := Read(small())
	if err != nil {
		t.Fatal(err)
	}
	fsys := small()
	for _, name := range []string{".knutpunkt/route.schema.json", ".vscode/settings.json", "routes/vasby/.knutpunkt/x.yaml", "schemas/.knutpunkt/x.json"} {
		fsys[name] = &fstest.MapFile{Data: []byte("{")}
	}
	if ps := Check(fsys, connectors); len(ps) > 0 {
		t.Errorf("check tells of %v", ps)
	}
	if with, err := Read(fsys); err != nil || string(with) != string(plain) {
		t.Errorf("the revision is another with them: %v", err)
	}
}

// An editor underlines as one does that knows the schemas.
type editor struct {
	schemas    []EditorSchema
	validators map[string]document.Validator
}

func newEditor(t *testing.T, kinds []hub.Connector) editor {
	t.Helper()
	schemas, err := EditorSchemas(kinds)
	if err != nil {
		t.Fatal(err)
	}
	e := editor{schemas, map[string]document.Validator{}}
	for _, s := range schemas {
		if e.validators[s.Name], err = document.CompileJSONSchema(fstest.MapFS{"s.json": {Data: s.Text}}, "s.json"); err != nil {
			t.Fatalf("%s: %v", s.Name, err)
		}
	}
	return e
}

// kindOf finds the schema that is for a file; "" for none.
func (e editor) kindOf(name string) string {
	for _, s := range e.schemas {
		is := false
		for _, pattern := range s.Files {
			pattern, not := strings.CutPrefix(pattern, "!")
			if matches, _ := path.Match(pattern, name); matches {
				is = !not
			}
		}
		if is {
			return s.Name
		}
	}
	return ""
}

func (e editor) underlines(fsys fs.FS, name string) error {
	text, err := fs.ReadFile(fsys, name)
	if err != nil {
		return err
	}
	if strings.HasSuffix(name, ".yaml") {
		p := &page{name: name}
		top := p.parse(text)
		if top == nil {
			return Problems(p.problems)
		}
		if text, err = json.Marshal(contentOf(top)); err != nil {
			return err
		}
	}
	return e.validators[e.kindOf(name)].Validate(text)
}

// contentOf gives what YAML 1.2 takes a node for, as editors do.
func contentOf(n *yaml.Node) any {
	switch {
	case n.Kind == yaml.MappingNode:
		table := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			table[n.Content[i].Value] = contentOf(n.Content[i+1])
		}
		return table
	case n.Kind == yaml.SequenceNode:
		list := []any{}
		for _, item := range n.Content {
			list = append(list, contentOf(item))
		}
		return list
	case isNull(n):
		return nil
	case n.ShortTag() == "!!bool":
		return strings.EqualFold(n.Value, "true")
	case n.ShortTag() == "!!int", n.ShortTag() == "!!float":
		return json.Number(strings.TrimLeft(n.Value, "0") + "0") // a number; which one is of no interest
	}
	return n.Value
}

// TestEveryInstructionHasAShape: what the language has, an editor completes.
func TestEveryInstructionHasAShape(t *testing.T) {
	text, err := json.Marshal(mapping.EditorSchema())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"$if", "$for", "$attrs", "$text", "$value"} {
		if !strings.Contains(string(text), `"`+name+`":{`) {
			t.Errorf("%s has none", name)
		}
	}
}
