package document

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func leaf(name, text string) *Element { return &Element{Name: name, Text: text} }

func TestWriteXML(t *testing.T) {
	root := &Element{Name: "p:Ärende", Attrs: []Attr{{"xmlns:p", "urn:x"}, {"id", "a\"<&\t\r\n"}}, Children: []*Element{
		leaf("p:Namn", "Åsa & <Örjan> \r\n]]>"), leaf("Tom", ""), leaf("Blank", "  "),
	}}
	for _, c := range []struct {
		name  string
		style Style
		want  string
	}{
		{"plain", Style{}, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" +
			`<p:Ärende xmlns:p="urn:x" id="a&quot;&lt;&amp;&#x9;&#xD;&#xA;"><p:Namn>Åsa &amp; &lt;Örjan&gt; &#xD;` +
			"\n]]&gt;</p:Namn><Tom/><Blank>  </Blank></p:Ärende>"},
		{"latin", Style{Charset: Latin1, Bare: true}, "<p:\xC4rende xmlns:p=\"urn:x\" id=\"a&quot;&lt;&amp;&#x9;&#xD;&#xA;\">" +
			"<p:Namn>\xC5sa &amp; &lt;\xD6rjan&gt; &#xD;\n]]&gt;</p:Namn><Tom/><Blank>  </Blank></p:\xC4rende>"},
		{"indented", Style{Indent: 2, Bare: true}, `<p:Ärende xmlns:p="urn:x" id="a&quot;&lt;&amp;&#x9;&#xD;&#xA;">` +
			"\n  <p:Namn>Åsa &amp; &lt;Örjan&gt; &#xD;\n]]&gt;</p:Namn>\n  <Tom/>\n  <Blank>  </Blank>\n</p:Ärende>\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := WriteXML(root, c.style)
			if err != nil || string(got) != c.want {
				t.Errorf("got\n%s\n%v, want\n%s", got, err, c.want)
			}
		})
	}
}

func TestWriteXMLRoundTrip(t *testing.T) {
	root := &Element{Name: "a", Attrs: []Attr{{"xmlns", "urn:a"}, {"b", " \t\r\n\"'<>&€"}}, Children: []*Element{
		leaf("text", "\r\n\t ]]> €<![CDATA[x]]>"), {Name: "q:c", Attrs: []Attr{{"xmlns:q", "urn:q"}, {"q:d", ""}}},
	}}
	for _, style := range []Style{{}, {Charset: Windows1252}, {Indent: 4}} {
		written, err := WriteXML(root, style)
		if err != nil {
			t.Fatal(err)
		}
		read, err := ReadXML(bytes.NewReader(written), Limits{})
		if err != nil {
			t.Fatalf("%s: %v", written, err)
		}
		if got, want := forget(read), forget(root); !reflect.DeepEqual(got, want) {
			t.Errorf("%+v: got %+v, want %+v", style, got, want)
		}
		if again, err := WriteXML(read, style); err != nil || !bytes.Equal(again, written) {
			t.Errorf("what was read is not written as it was: %s, %v", again, err)
		}
	}
}

// forget returns the tree without what only reading knows.
func forget(e *Element) *Element {
	plain := &Element{Name: e.Name, Attrs: e.Attrs, Text: e.Text}
	for _, c := range e.Children {
		plain.Children = append(plain.Children, forget(c))
	}
	return plain
}

func TestWriteXMLRefusesCharacters(t *testing.T) {
	for _, c := range []struct {
		name, text string
		charset    Charset
		want       string
	}{
		{"control", "a\x01", UTF8, "a control character"},
		{"NUL", "\x00", UTF8, "a control character"},
		{"noncharacter", "\uFFFE", UTF8, "a noncharacter"},
		{"broken", "\xE5", UTF8, "not UTF-8"},
		{"dash", "–", Latin1, "not in ISO-8859-1"},
		{"euro", "€", Latin1, "not in ISO-8859-1"},
		{"rare han", "𠮷", Windows1252, "not in windows-1252"},
		{"loose ring", "a\u030A", Latin1, "not in ISO-8859-1"},
		{"C1", "\u0081", Windows1252, "not in windows-1252"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, root := range []*Element{
				{Name: "a", Children: []*Element{leaf("b", c.text)}},
				{Name: "a", Children: []*Element{{Name: "b", Attrs: []Attr{{"x", c.text}}}}},
			} {
				_, err := WriteXML(root, Style{Charset: c.charset})
				var character *CharacterError
				if !errors.As(err, &character) || character.Class != c.want || character.Path != "/a/b" {
					t.Errorf("got %v", err)
				}
				if err != nil && strings.Contains(err.Error(), c.text) {
					t.Errorf("the error tells the character: %q", err)
				}
			}
		})
	}
}

func TestWriteXMLRefusesNames(t *testing.T) {
	for name, root := range map[string]*Element{
		"nothing":                     nil,
		"no name":                     {},
		"injection":                   leaf(`root><evil a="1"`, ""),
		"blank":                       leaf("a b", ""),
		"digit first":                 leaf("1a", ""),
		"two colons":                  leaf("a:b:c", ""),
		"undeclared prefix":           leaf("p:a", ""),
		"undeclared attribute prefix": {Name: "a", Attrs: []Attr{{"p:b", ""}}},
		"attribute injection":         {Name: "a", Attrs: []Attr{{`b="" onload`, ""}}},
		"attribute twice":             {Name: "a", Attrs: []Attr{{"b", "1"}, {"b", "2"}}},
		"unbound prefix":              {Name: "a", Attrs: []Attr{{"xmlns:p", ""}}},
		"prefix of a sister":          {Name: "a", Children: []*Element{{Name: "b", Attrs: []Attr{{"xmlns:p", "u"}}}, leaf("p:c", "")}},
		"text beside children":        {Name: "a", Text: "x", Children: []*Element{leaf("b", "")}},
		"nothing below":               {Name: "a", Children: []*Element{nil}},
	} {
		out, err := WriteXML(root, Style{})
		var bad *NameError
		if !errors.As(err, &bad) {
			t.Errorf("%s: wrote %s, %v", name, out, err)
		}
	}
	if _, err := WriteXML(leaf("Ärende", ""), Style{Charset: Latin1}); err != nil {
		t.Errorf("a name in the charset: %v", err)
	}
	if _, err := WriteXML(leaf("ŁÓDŹ", ""), Style{Charset: Latin1}); err == nil {
		t.Error("a name that the charset lacks must not be written")
	}
}
