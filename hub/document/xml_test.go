package document

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestReadXMLRefuses(t *testing.T) {
	deep := strings.Repeat("<a>", 101) + strings.Repeat("</a>", 101)
	attributes := "<a"
	for i := range 257 {
		attributes += " a" + strings.Repeat("x", i) + `=""`
	}
	manyNamespaces := ""
	for i := range 90 {
		manyNamespaces += fmt.Sprintf(`<a xmlns:p%d="u" xmlns:q%d="u" xmlns:r%d="u">`, i, i, i)
	}
	for _, c := range []struct {
		name, why string
		text      string
		want      Kind
	}{
		{"nothing", "", "", Empty},
		{"blanks only", "", "  \n ", Empty},
		{"declaration only", "", `<?xml version="1.0"?>`, Empty},
		{"external DTD", "XXE", `<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>`, Doctype},
		{"web DTD", "XXE over HTTP", `<?xml version="1.0"?><!DOCTYPE a PUBLIC "x" "http://127.0.0.1/x.dtd"><a/>`, Doctype},
		{"billion laughs", "", `<!DOCTYPE a [<!ENTITY b "x"><!ENTITY c "&b;&b;">]><a>&c;</a>`, Doctype},
		{"unused entity", "any DOCTYPE is one too many", `<!DOCTYPE a [<!ENTITY b "x">]><a/>`, Doctype},
		{"empty DTD", "", `<!DOCTYPE a><a/>`, Doctype},
		{"lower case", "", `<!doctype html><html/>`, Doctype},
		{"DOCTYPE inside", "", `<a><!DOCTYPE a></a>`, Doctype},
		{"undeclared entity", "", `<a>&x;</a>`, Malformed},
		{"entity declaration inside", "", `<a><!ENTITY x "y"></a>`, Malformed},
		{"two roots", "etree takes both", `<a/><b/>`, Trailing},
		{"text before", "", `x<a/>`, Malformed},
		{"text behind", "", `<a/>x`, Trailing},
		{"CDATA behind", "", `<a/><![CDATA[x]]>`, Malformed},
		{"text only", "", `hello`, Malformed},
		{"instruction before", "", `<?php x?><a/>`, Malformed},
		{"instruction inside", "", `<a><?x y?></a>`, Malformed},
		{"instruction behind", "", `<a/><?x y?>`, Malformed},
		{"stylesheet", "", `<?xml-stylesheet href="http://x/"?><a/>`, Malformed},
		{"declaration twice", "", `<?xml version="1.0"?><?xml version="1.0"?><a/>`, Malformed},
		{"declaration late", "", ` <?xml version="1.0"?><a/>`, Malformed},
		{"version 2", "", `<?xml version="2.0"?><a/>`, Malformed},
		{"too deep", "", deep, TooDeep},
		{"too many elements", "", "<a>" + strings.Repeat("<b/>", 50_000) + "</a>", TooLarge},
		{"too many attributes", "", attributes + "/>", TooLarge},
		{"too long", "", "<a>" + strings.Repeat("x", 5<<20) + "</a>", TooLarge},
		{"long comment", "what is skipped counts, too", "<a><!--" + strings.Repeat("x", 5<<20) + "--></a>", TooLarge},
		{"attribute twice", "etree keeps the last", `<a b="1" b="2"/>`, Malformed},
		{"attribute twice by namespace", "", `<a xmlns:p="u" xmlns:q="u" p:b="1" q:b="2"/>`, Malformed},
		{"element prefix", "", `<p:a/>`, Malformed},
		{"attribute prefix", "", `<a p:b=""/>`, Malformed},
		{"prefix out of scope", "", `<a><b xmlns:p="u"/><p:c/></a>`, Malformed},
		{"prefix unbound", "", `<a xmlns:p="u"><b xmlns:p=""/></a>`, Malformed},
		{"too many namespaces in force", "each name looks through them", manyNamespaces, TooLarge},
		{"xml rebound", "", `<a xmlns:xml="u"/>`, Malformed},
		{"two colons", "", `<a:b:c/>`, Malformed},
		{"comment in a value", "1912 or 191212121212?", `<pnr>1912<!-- -->12121212</pnr>`, Malformed},
		{"comment before a value", "", `<pnr><!-- -->1912</pnr>`, Malformed},
		{"comment with two dashes", "", `<a><!-- -- --></a>`, Malformed},
		{"wrong end tag", "", `<a></b>`, Malformed},
		{"cut in a tag", "", `<a`, Truncated},
		{"cut in text", "", `<a>x`, Truncated},
		{"cut in CDATA", "", `<a><![CDATA[x]]`, Truncated},
		{"cut in a comment", "", `<a><!-- `, Truncated},
		{"brackets in text", "", `<a>]]></a>`, Malformed},
		{"three brackets in text", "", `<a>]]]></a>`, Malformed},
		{"angle in attribute", "", `<a b="<"/>`, Malformed},
		{"bare ampersand", "", `<a>&</a>`, Malformed},
		{"unquoted attribute", "", `<a b=1/>`, Malformed},
		{"attributes run together", "", `<a b="1"c="2"/>`, Malformed},
		{"control character", "", "<a>\x01</a>", Malformed},
		{"NUL", "", "<root>\x00</root>", Malformed},
		{"control reference in 1.0", "", `<a>&#1;</a>`, Malformed},
		{"NUL reference in 1.1", "", `<?xml version="1.1"?><a>&#0;</a>`, Malformed},
		{"surrogate reference", "", `<a>&#xD800;</a>`, Malformed},
		{"noncharacter", "", "<a>\uFFFF</a>", Malformed},
		{"reference beyond Unicode", "", `<a>&#x110000;</a>`, Malformed},
		{"empty reference", "", `<a>&#;</a>`, Malformed},
		{"UTF-16 with mark", "", "\xFF\xFE<\x00a\x00/\x00>\x00", Encoding},
		{"UTF-16 big-endian", "", "\xFE\xFF\x00<\x00a\x00/\x00>", Encoding},
		{"UTF-16 without mark", "", "<\x00a\x00/\x00>\x00", Encoding},
		{"other charset", "", `<?xml version="1.0" encoding="EBCDIC"?><a/>`, Encoding},
		{"UTF-7", "", `<?xml version="1.0" encoding="UTF-7"?><a/>`, Encoding},
		{"latin bytes as UTF-8", "", "<a>\xE5</a>", Encoding},
		{"UTF-8 labelled latin", "å would become Ã¥", "<?xml version='1.0' encoding='ISO-8859-1'?><a>å</a>", Encoding},
		{"marked and labelled latin", "", "\xEF\xBB\xBF<?xml version='1.0' encoding='ISO-8859-1'?><a/>", Encoding},
		{"no such byte", "", "<?xml version='1.0' encoding='windows-1252'?><a>\x81</a>", Encoding},
		{"half a character at the end", "", "<a/>\xC3", Encoding},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ReadXML(strings.NewReader(c.text), Limits{})
			var syntax *SyntaxError
			if !errors.As(err, &syntax) || syntax.Kind != c.want || syntax.Line < 1 {
				t.Errorf("got %v, want %s. %s", err, c.want, c.why)
			}
		})
	}
}

func TestReadXMLAccepts(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"UTF-8 mark", "\xEF\xBB\xBF<a>å</a>", "å"},
		{"latin", "<?xml version='1.0' encoding=\"ISO-8859-1\" standalone=\"no\"?><a>Anm\xE4lan om sjukfr\xE5nvaro</a>", "Anmälan om sjukfrånvaro"},
		{"latin whose bytes are partly UTF-8", "<?xml version='1.0' encoding='latin1'?><a>\xC3\xA5 \xE5</a>", "Ã¥ å"},
		{"windows", "<?xml version='1.0' encoding='windows-1252'?><a>\x80 \x96 \xE5</a>", "€ – å"},
		{"1.1", `<?xml version="1.1" encoding="UTF-8"?><a>å</a>`, "å"},
		{"control reference in 1.1", `<?xml version="1.1"?><a>x&#1;y</a>`, "x\x01y"},
		{"text in pieces", `<a>2019<![CDATA[ ]]>&#8211;<![CDATA[ 2020]]></a>`, "2019 – 2020"},
		{"CDATA with brackets", `<a><![CDATA[a]]]]><![CDATA[>b]]]></a>`, "a]]>b]"},
		{"entities", `<a>&lt;&amp;&gt;&quot;&apos;&#x41;&#65;</a>`, `<&>"'AA`},
		{"line ends", "<a>x\r\ny\rz</a>", "x\ny\nz"},
		{"kept carriage return", "<a>x&#13;</a>", "x\r"},
		{"blanks are a value", "<a>  </a>", "  "},
		{"comments around", "<!-- a --><a>x</a><!-- b -->\n", "x"},
		{"brackets", "<a>x]] ]</a>", "x]] ]"},
		{"Swedish names", "<åäö>x</åäö>", "x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, slow := range []bool{false, true} {
				var r io.Reader = strings.NewReader(c.text)
				if slow {
					r = &trickle{c.text}
				}
				e, err := ReadXML(r, Limits{})
				if err != nil || e.Text != c.want {
					t.Errorf("slow %v: got %q, %v, want %q", slow, e.Value(""), err, c.want)
				}
			}
		})
	}
}

// A trickle gives one byte at a time: each border between two reads is tried.
type trickle struct{ rest string }

func (r *trickle) Read(b []byte) (int, error) {
	if r.rest == "" {
		return 0, io.EOF
	}
	b[0], r.rest = r.rest[0], r.rest[1:]
	return 1, nil
}

func TestElement(t *testing.T) {
	root, err := ReadXML(strings.NewReader(`<s:Envelope xmlns:s="urn:soap" xmlns="urn:body">
	<s:Body id="1" s:lang="sv">
		<!-- two persons -->
		<Person><Name> Adam </Name></Person>
		<Person><Name>Eva</Name><Empty/></Person>
	</s:Body>
</s:Envelope>`), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	body := root.Child("Body")
	check := func(what string, got, want any) {
		t.Helper()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %#v, want %#v", what, got, want)
		}
	}
	check("local", root.Local(), "Envelope")
	check("space", root.Space(), "urn:soap")
	check("default space", body.Child("Person").Space(), "urn:body")
	check("line", body.Child("Person").Line(), 4)
	check("attribute", body.Attr("lang"), "sv")
	check("namespace declarations are no attributes", root.Attr("s"), "")
	check("path", root.Path("Body/Person/Name").Text, " Adam ")
	check("value", root.Value("Body/Person/Name"), "Adam")
	check("absent", root.Path("Body/Nobody/Name").Child("x").Value("y"), "")
	check("all", len(root.All("Body/Person/Name")), 2)
	check("tree", root.Tree(), map[string]any{"Body": map[string]any{"Person": []any{
		map[string]any{"Name": " Adam "}, map[string]any{"Name": "Eva", "Empty": ""}}}})
}

func TestDivert(t *testing.T) {
	text := `<F><File><Name>a</Name><EncodedData>  aGVq<![CDATA[IQ==]]>&#10;</EncodedData></File><File><EncodedData/></File></F>`
	var file bytes.Buffer
	root, err := ReadXMLDiverting(strings.NewReader(text), Limits{}, func(path []string) io.Writer {
		if strings.Join(path, "/") == "F/File/EncodedData" {
			return &file
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := file.String(), "  aGVqIQ==\n"; got != want {
		t.Errorf("diverted %q, want %q", got, want)
	}
	if got := root.Path("File/EncodedData"); got == nil || got.Text != "" || root.Value("File/Name") != "a" {
		t.Errorf("the diverted leaf must stay, empty: %+v", got)
	}
}

func TestDivertFails(t *testing.T) {
	full := errors.New("disk full")
	_, err := ReadXMLDiverting(strings.NewReader("<a>x</a>"), Limits{}, func([]string) io.Writer {
		return writerFunc(func([]byte) (int, error) { return 0, full })
	})
	if !errors.Is(err, full) {
		t.Errorf("a writer's error must come back: %v", err)
	}
	for _, text := range []string{"<a>x<b/></a>", "<a>x<!-- -->y</a>"} {
		_, err := ReadXMLDiverting(strings.NewReader(text), Limits{}, func(path []string) io.Writer { return io.Discard })
		var syntax *SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("%s: only a leaf can be diverted: %v", text, err)
		}
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// A form with a file of 100 MiB must cost no more memory than one without.
func TestDivertHoldsNothing(t *testing.T) {
	const size = 100 << 20
	r := io.MultiReader(strings.NewReader("<F><EncodedData>"),
		io.LimitReader(endless{}, size), strings.NewReader("</EncodedData></F>"))
	var before, during runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	written := 0
	_, err := ReadXMLDiverting(r, Limits{}, func(path []string) io.Writer {
		if len(path) == 1 {
			return nil
		}
		return writerFunc(func(b []byte) (int, error) { written += len(b); return len(b), nil })
	})
	runtime.ReadMemStats(&during)
	if err != nil || written != size {
		t.Fatalf("wrote %d bytes: %v", written, err)
	}
	if grown := during.TotalAlloc - before.TotalAlloc; grown > 1<<20 {
		t.Errorf("allocated %d KiB on the way, want at most 1024", grown>>10)
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = "QUJD"[i%4]
	}
	return len(b), nil
}

func TestReaderError(t *testing.T) {
	broken := errors.New("connection reset")
	for _, before := range []string{"", "<a>" + strings.Repeat("x", 4096)} {
		r := io.MultiReader(strings.NewReader(before), errorReader{broken})
		if _, err := ReadXML(r, Limits{}); !errors.Is(err, broken) {
			t.Errorf("after %d bytes: got %v", len(before), err)
		}
	}
}

type errorReader struct{ err error }

func (r errorReader) Read([]byte) (int, error) { return 0, r.err }

// What is within the limits must be cheap to read, however it is put together.
func TestReadXMLHasNoCostlyInput(t *testing.T) {
	var namespaces, attributes strings.Builder
	for i := range 200 {
		fmt.Fprintf(&namespaces, ` xmlns:p%d="u"`, i)
		fmt.Fprintf(&attributes, ` p0:a%d=""`, i)
	}
	for name, text := range map[string]string{
		"mixed content":     "<a>" + strings.Repeat("x"+strings.Repeat(" ", 90)+"<b/>", 49_000) + "</a>",
		"many prefixes":     "<a" + namespaces.String() + ">" + strings.Repeat("<b"+attributes.String()+"/>", 2000) + "</a>",
		"pieces of CDATA":   "<a>" + strings.Repeat("<![CDATA[]]]>", 350_000) + "</a>",
		"brackets":          "<a><![CDATA[" + strings.Repeat("]", 1_000_000) + "]]></a>",
		"references":        "<a>" + strings.Repeat("&#x10FFFF;", 500_000) + "</a>",
		"comments":          "<a>" + strings.Repeat("<!---->", 700_000) + "</a>",
		"long line of ends": "<a>" + strings.Repeat("\r", 1_000_000) + "</a>",
	} {
		start := time.Now()
		if _, err := ReadXML(strings.NewReader(text), Limits{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		// One that costs the square of its length takes minutes; none takes a second on a quiet machine.
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%s: took %v", name, took)
		}
	}
}

// A DOCTYPE is refused where it begins, however much follows it.
func TestDoctypeIsNotReadOn(t *testing.T) {
	read := 0
	rest := readerFunc(func(b []byte) (int, error) { read += len(b); return endless{}.Read(b) })
	_, err := ReadXML(io.MultiReader(strings.NewReader("<!DOCTYPE a ["), rest), Limits{})
	var syntax *SyntaxError
	if !errors.As(err, &syntax) || syntax.Kind != Doctype {
		t.Errorf("got %v", err)
	}
	if read > 64<<10 {
		t.Errorf("read on for %d bytes", read)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

func TestErrorsHoldNoValue(t *testing.T) {
	const secret = "191212121212"
	for _, text := range []string{
		"<a>" + secret + "&x;</a>", "<a>" + secret, "<a b='" + secret + "' b=''/>", "<p:a" + secret + "/>",
		"<a" + secret + "></b>", "<a>&" + secret + ";</a>", secret, "<a/>" + secret,
	} {
		if _, err := ReadXML(strings.NewReader(text), Limits{}); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{
		`{"` + secret + `":1,"` + secret + `":2}`, `{"a":` + secret + `x}`, `{"a":"\ud800` + secret + `"}`,
		`"` + secret, secret + " " + secret, `{"` + secret + `":1}`, `{"v":` + secret + `.5}`, `{"t":"` + secret + `"}`,
	} {
		var into struct {
			V int       `json:"v"`
			T time.Time `json:"t"`
		}
		if err := DecodeJSON([]byte(text), &into); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestDivertedBase64Decodes(t *testing.T) {
	want := bytes.Repeat([]byte("%PDF-1.7 åäö "), 10_000)
	text := "<F>" + base64.StdEncoding.EncodeToString(want) + "</F>"
	var encoded bytes.Buffer
	if _, err := ReadXMLDiverting(strings.NewReader(text), Limits{Bytes: 100}, func([]string) io.Writer { return &encoded }); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, &encoded))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
}
