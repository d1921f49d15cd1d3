package mapping

import (
	"bytes"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/knutpunkt/knutpunkt/hub/document"
)

// TestFitOfTheAuthoritiesSamples: a mapping that makes nothing but a document which its schema takes
// has nothing wrong with it, and one that makes that document with a name misspelt, or with an element
// less that must be there, has.
func TestFitOfTheAuthoritiesSamples(t *testing.T) {
	root := os.Getenv("KNUTPUNKT_FORMATS")
	if root == "" {
		t.Skip("KNUTPUNKT_FORMATS names no folder with the authorities' schemas and samples")
	}
	folder := os.DirFS(root)
	schemas := map[string]document.Validator{}
	var samples []string
	err := fs.WalkDir(folder, ".", func(name string, _ fs.DirEntry, err error) error {
		switch path.Ext(name) {
		case ".xsd":
			schemas[name], err = document.CompileXSD(folder, name)
		case ".xml":
			samples = append(samples, name)
		}
		return err
	})
	if err != nil || len(samples) < 20 {
		t.Fatalf("%d samples: %v", len(samples), err)
	}
	var right int
	tally := map[string]*struct{ refused, told, taken int }{}
	for _, name := range samples {
		text, err := fs.ReadFile(folder, name)
		if err != nil {
			t.Fatal(err)
		}
		for schema, validator := range schemas {
			sample := readSample(text)
			if sample == nil || validator.Validate(text) != nil {
				continue
			}
			right++
			for _, p := range fitOf(sample, validator) {
				t.Errorf("%s takes %s: %s", schema, name, p.Text)
			}
			eachMistake(sample, func(what, where string) {
				if tally[what] == nil {
					tally[what] = &struct{ refused, told, taken int }{}
				}
				found, of := fitOf(sample, validator), tally[what]
				switch refused := refused(sample, validator); {
				case refused && len(found) > 0:
					of.told++
					fallthrough
				case refused:
					of.refused++
				case len(found) > 0:
					t.Errorf("%s takes %s with %s %s: %s", schema, name, where, what, found[0].Text)
				default:
					of.taken++
				}
			})
		}
	}
	for what, of := range tally {
		t.Logf("%s: told %d of %d that are refused; %d are taken", what, of.told, of.refused, of.taken)
		if of.told*100 < of.refused*90 {
			t.Errorf("%s: too few are told", what)
		}
	}
	if right < 20 {
		t.Errorf("only %d samples", right)
	}
}

// eachMistake makes one mistake after another in a document, and undoes it.
func eachMistake(root *document.Element, made func(what, where string)) {
	for i, a := range root.Attrs {
		if !strings.HasPrefix(a.Name, "xmlns") {
			root.Attrs[i].Name = a.Name + "x"
			made("attribute misspelt", a.Name)
			root.Attrs[i].Name = a.Name
			root.Attrs = slices.Delete(root.Attrs, i, i+1)
			made("attribute left out", a.Name)
			root.Attrs = slices.Insert(root.Attrs, i, a)
		}
	}
	if len(root.Children) == 0 {
		before := root.Text
		for _, text := range []string{"¤", strings.Repeat("9", 300)} {
			root.Text = text
			made("of another text", root.Name)
		}
		root.Text = before
	}
	for i, c := range root.Children {
		before := c.Name
		c.Name += "x"
		made("misspelt", before)
		c.Name = before
		all := root.Children
		root.Children = slices.Delete(slices.Clone(all), i, i+1)
		made("left out", before)
		root.Children = slices.Insert(slices.Clone(all), i, c)
		made("twice", before)
		if i > 0 {
			root.Children = slices.Clone(all)
			root.Children[i-1], root.Children[i] = all[i], all[i-1]
			made("misplaced", before)
		}
		root.Children = all
		eachMistake(c, made)
	}
}

func readSample(text []byte) *document.Element {
	root, err := document.ReadXML(bytes.NewReader(text), wide)
	if err != nil {
		return nil
	}
	return root
}

func refused(root *document.Element, validator document.Validator) bool {
	text, err := document.WriteXML(root, document.Style{})
	return err == nil && validator.Validate(text) != nil
}

// fitOf holds the mapping that makes a document against its schema.
func fitOf(root *document.Element, validator document.Validator) []Problem {
	m := &Mapping{path: "sample", schema: "schema", validator: validator, root: branchOf(root)}
	return m.fit()
}

func branchOf(e *document.Element) *branch {
	b := &branch{name: e.Name, line: 1}
	for _, a := range e.Attrs {
		b.attrs = append(b.attrs, attr{name: a.Name, value: &leaf{parts: []leafPart{{text: a.Value}}}})
	}
	for _, c := range e.Children {
		b.children = append(b.children, branchOf(c))
	}
	if len(e.Children) == 0 && strings.TrimSpace(e.Text) != "" {
		b.value = &leaf{parts: []leafPart{{text: e.Text}}}
	}
	return b
}
