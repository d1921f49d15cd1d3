package document

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/beevik/etree"
)

// form is a document of a common size: sixty questions with one answer each.
func form() *Element {
	values := &Element{Name: "Values"}
	for i := range 60 {
		values.Children = append(values.Children, leaf(fmt.Sprintf("Question%d", i), "Ett svar på en fråga & litet till"))
	}
	return &Element{Name: "FlowInstance", Attrs: []Attr{{"xmlns", "urn:form"}}, Children: []*Element{values}}
}

func formBytes(b *testing.B, charset Charset) []byte {
	b.Helper()
	text, err := WriteXML(form(), Style{Charset: charset, Indent: 2})
	if err != nil {
		b.Fatal(err)
	}
	return text
}

func BenchmarkReadXML(b *testing.B) {
	for _, charset := range []Charset{UTF8, Latin1} {
		b.Run(string(charset), func(b *testing.B) {
			text := formBytes(b, charset)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ReadXML(bytes.NewReader(text), Limits{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// The yardsticks for ReadXML: the same document through etree, and through encoding/xml alone.
func BenchmarkReadXMLYardstick(b *testing.B) {
	text := formBytes(b, UTF8)
	b.Run("etree", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		for b.Loop() {
			if err := etree.NewDocument().ReadFromBytes(text); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding-xml", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		for b.Loop() {
			tokens := xml.NewDecoder(bytes.NewReader(text))
			for {
				if _, err := tokens.Token(); err == io.EOF {
					break
				} else if err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

func BenchmarkDivert(b *testing.B) {
	const size = 16 << 20
	b.SetBytes(size)
	for b.Loop() {
		r := io.MultiReader(strings.NewReader("<F>"), io.LimitReader(endless{}, size), strings.NewReader("</F>"))
		if _, err := ReadXMLDiverting(r, Limits{}, func([]string) io.Writer { return io.Discard }); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWriteXML(b *testing.B) {
	for _, charset := range []Charset{UTF8, Latin1} {
		b.Run(string(charset), func(b *testing.B) {
			root := form()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := WriteXML(root, Style{Charset: charset}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkValidateXSD(b *testing.B) {
	v := compileCase(b)
	doc := []byte(`<Case xmlns="urn:case" pnr="191212121212"><Kind>bygglov</Kind><Place>x</Place></Case>`)
	b.ReportAllocs()
	for b.Loop() {
		if err := v.Validate(doc); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFit(b *testing.B) {
	f := compileForm(b)
	tree := map[string]any{"sokande": map[string]any{"namn": "Åsa"}, "matt": map[string]any{"antal": "3", "langd": "7.5"}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Fit(tree); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeJSON(b *testing.B) {
	answers := Object{}
	for i := range 60 {
		answers = append(answers, Member{fmt.Sprintf("question%d", i), "Ett svar på en fråga"})
	}
	text, err := WriteJSON(Object{{"municipality", "1080"}, {"answers", answers}})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		var e envelope
		if err := DecodeJSON(text, &e); err != nil {
			b.Fatal(err)
		}
	}
}
