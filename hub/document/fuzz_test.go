package document

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// What ReadXML accepts, etree and encoding/xml would read, too, and writing it gives it back.
func FuzzReadXML(f *testing.F) {
	for _, seed := range []string{
		`<?xml version="1.0" encoding="ISO-8859-1" standalone="no"?><F xmlns="urn:f"><V><![CDATA[x]]>&#8211;</V></F>`,
		`<?xml version="1.1"?><a>&#1;</a>`, `<p:a xmlns:p="u" p:b="1&#xA;"><!-- c --><p:c/></p:a>`,
		`<!DOCTYPE a [<!ENTITY b "x">]><a>&b;</a>`, `<a>]]]>]></a>`, "\xEF\xBB\xBF<a>å</a>", `<a/><b/>`, `<a>x<b/>y</a>`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		root, err := ReadXML(bytes.NewReader(doc), Limits{})
		if err != nil {
			var syntax *SyntaxError
			if !errors.As(err, &syntax) || syntax.Line < 1 {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		trickled, err := ReadXML(&trickle{string(doc)}, Limits{})
		if err != nil || !reflect.DeepEqual(trickled, root) {
			t.Fatalf("the borders between reads matter: %v", err)
		}
		written, err := WriteXML(root, Style{})
		if err != nil {
			return // mixed content, or a control character from XML 1.1
		}
		again, err := ReadXML(bytes.NewReader(written), Limits{Depth: 200, Bytes: 50 << 20})
		if err != nil || !reflect.DeepEqual(forget(again), forget(root)) {
			t.Fatalf("%q is read back as something else: %v", written, err)
		}
	})
}

func FuzzReadJSON(f *testing.F) {
	for _, seed := range []string{
		`{"a":[1,1e400,"\u00e5",null,true,{}]}`, `{"pnr":1,"PNR":2}`, `"\ud800"`, `{}{}`, `[1,]`, "\xEF\xBB\xBF{}", `{"a":`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		tree, err := ReadJSON(doc, Limits{})
		if err != nil {
			var syntax *SyntaxError
			if !errors.As(err, &syntax) || syntax.Offset < 0 || syntax.Offset > int64(len(doc)) {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		written, err := Canonical(tree)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ReadJSON(written, Limits{Bytes: 50 << 20})
		if err != nil || !reflect.DeepEqual(again, tree) {
			t.Fatalf("%q is read back as something else: %v", written, err)
		}
	})
}

// Whatever names, texts and values come in, what is written is one element with exactly these.
func FuzzWriteXML(f *testing.F) {
	f.Add("a", "b", "å\r\n\t<&\"']]>", "x", false)
	f.Add(`root><evil a="1"`, `b=""`, "\x00", "€", true)
	f.Add("xmlns", "xmlns:p", "urn:x", " ", true)
	f.Fuzz(func(t *testing.T, name, attribute, value, text string, latin bool) {
		style := Style{}
		if latin {
			style.Charset = Latin1
		}
		root := &Element{Name: name, Attrs: []Attr{{attribute, value}}, Text: text}
		written, err := WriteXML(root, style)
		if err != nil {
			return
		}
		if !latin && !utf8.Valid(written) {
			t.Fatalf("not UTF-8: %q", written)
		}
		read, err := ReadXML(bytes.NewReader(written), Limits{})
		var syntax *SyntaxError
		if errors.As(err, &syntax) && (syntax.Kind == TooLarge || strings.Contains(attribute, "xmlns") || looksLikeUTF8(written, latin)) {
			return
		}
		if err != nil || !reflect.DeepEqual(forget(read), root) {
			t.Fatalf("%q is read as something else: %v", written, err)
		}
	})
}

// looksLikeUTF8 says whether ReadXML must take ISO-8859-1 for mislabelled.
func looksLikeUTF8(written []byte, latin bool) bool { return latin && utf8.Valid(written) }
