package document

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
)

var posts = []string{"Avisering", "Poster"}

// records reads a document and tells what was told: of the head, and of each record.
func records(r io.Reader, limits Limits) (told []string, err error) {
	err = ReadXMLRecords(r, limits, Records{
		List: posts,
		Head: func(root *Element) error {
			told = append(told, fmt.Sprintf("head %s %s", root.Local(), root.Value("Information/LopNr")))
			return nil
		},
		Each: func(e *Element) error {
			told = append(told, fmt.Sprintf("%s %s", e.Local(), e.Value("Namn")))
			return nil
		},
	})
	return told, err
}

func TestReadXMLRecords(t *testing.T) {
	for _, c := range []struct {
		name, why, text string
		want            []string
		kind            Kind // of the fault; "" for none
	}{
		{"records", "in their order", `<Avisering><Information><LopNr>7</LopNr></Information><Poster><Post><Namn>Å</Namn></Post> <Post/></Poster></Avisering>`,
			[]string{"head Avisering 7", "Post Å", "Post "}, ""},
		{"an empty list", "a day without changes", `<Avisering><Poster/></Avisering>`, []string{"head Avisering "}, ""},
		{"no list", "", `<Avisering><Post/></Avisering>`, nil, ""},
		{"another root", "", `<Poster><Post/></Poster>`, nil, ""},
		{"a list further in", "", `<Avisering><X><Poster><Post/></Poster></X></Avisering>`, nil, ""},
		{"prefixed", "names are local", `<a:Avisering xmlns:a="u"><a:Poster><Post/></a:Poster></a:Avisering>`, []string{"head Avisering ", "Post "}, ""},
		{"something after the list", "it is read, too", `<Avisering><Poster><Post/></Poster><Slut/></Avisering>`, []string{"head Avisering ", "Post "}, ""},
		{"ISO-8859-1", "", "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><Avisering><Poster><Post><Namn>\xC5sa</Namn></Post></Poster></Avisering>",
			[]string{"head Avisering ", "Post Åsa"}, ""},
		{"two lists", "which one counts?", `<Avisering><Poster><Post/></Poster><Poster><Post/></Poster></Avisering>`, []string{"head Avisering ", "Post "}, Malformed},
		{"text beside records", "nobody would hear of it", `<Avisering><Poster>Tekniskt fel<Post/></Poster></Avisering>`, []string{"head Avisering "}, Malformed},
		{"text behind records", "", `<Avisering><Poster><Post/>Tekniskt fel</Poster></Avisering>`, []string{"head Avisering ", "Post "}, Malformed},
		{"text alone", "", `<Avisering><Poster>Tekniskt fel</Poster></Avisering>`, []string{"head Avisering "}, Malformed},
		{"cut in a record", "", `<Avisering><Poster><Post/><Post>`, []string{"head Avisering ", "Post "}, Truncated},
		{"cut behind the last record", "the end is what says that it is whole", `<Avisering><Poster><Post/>`, []string{"head Avisering ", "Post "}, Truncated},
		{"a second document", "", `<Avisering><Poster><Post/></Poster></Avisering><Avisering/>`, []string{"head Avisering ", "Post "}, Trailing},
		{"a DOCTYPE", "", `<!DOCTYPE Avisering><Avisering><Poster><Post/></Poster></Avisering>`, nil, Doctype},
		{"a large record", "each is bounded", `<Avisering><Poster><Post/><Post><Namn>` + strings.Repeat("x", 3000) + `</Namn></Post></Poster></Avisering>`,
			[]string{"head Avisering ", "Post "}, TooLarge},
		{"a deep record", "", `<Avisering><Poster>` + strings.Repeat("<a>", 200), []string{"head Avisering "}, TooDeep},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Log(c.why)
			got, err := records(strings.NewReader(c.text), Limits{Bytes: 2000})
			var syntax *SyntaxError
			if c.kind == "" && err != nil || c.kind != "" && (!errors.As(err, &syntax) || syntax.Kind != c.kind) {
				t.Errorf("%v, want %q", err, c.kind)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("told %q, want %q", got, c.want)
			}
		})
	}
}

func TestRecordsEndWhenNobodyWantsMore(t *testing.T) {
	enough := errors.New("enough")
	n := 0
	err := ReadXMLRecords(strings.NewReader(`<Avisering><Poster><Post/><Post/>`), Limits{}, Records{
		List: posts, Head: func(*Element) error { return nil },
		Each: func(*Element) error { n++; return enough },
	})
	if err != enough || n != 1 {
		t.Errorf("%v after %d records", err, n)
	}
	if err := ReadXMLRecords(strings.NewReader(`<Avisering><Poster>`), Limits{}, Records{
		List: posts, Head: func(*Element) error { return enough },
	}); err != enough {
		t.Errorf("an error about the head: %v", err)
	}
}

// A list of any length takes the memory of one record.
func TestRecordsTakeNoMemory(t *testing.T) {
	const n = 100_000
	post := "<Post><Namn>" + strings.Repeat("x", 1000) + "</Namn></Post>"
	var readers []io.Reader
	readers = append(readers, strings.NewReader("<Avisering><Poster>"))
	for range n {
		readers = append(readers, strings.NewReader(post))
	}
	readers = append(readers, strings.NewReader("</Poster></Avisering>"))
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	var before, most uint64
	seen := 0
	err := ReadXMLRecords(io.MultiReader(readers...), Limits{}, Records{
		List: posts, Head: func(*Element) error { before = heap(); return nil },
		Each: func(*Element) error {
			if seen++; seen%25_000 == 0 {
				most = max(most, heap())
			}
			return nil
		},
	})
	if err != nil || seen != n {
		t.Fatalf("%d records (%v)", seen, err)
	}
	if grown := int64(most) - int64(before); grown > 1<<20 {
		t.Errorf("%d bytes are held after 100 MB", grown)
	}
}

// FuzzReadXMLRecords holds that a document is read in records as it is read whole: accepted by
// both or by neither, but for what only a list forbids, and with the same records.
func FuzzReadXMLRecords(f *testing.F) {
	for _, seed := range []string{
		`<Avisering><Information/><Poster><Post a="1"><Namn>å</Namn></Post><Post/></Poster></Avisering>`,
		`<?xml version="1.0" encoding="ISO-8859-1"?><Avisering><Poster><!-- --><Post/></Poster><X/></Avisering>`,
		`<Avisering><Poster>x</Poster></Avisering>`, `<Avisering><Poster/><Poster/></Avisering>`, `<a/><b/>`, `<Avisering><Poster><Post>`,
		`<!DOCTYPE a [<!ENTITY b "x">]><Avisering><Poster>&b;</Poster></Avisering>`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		limits := Limits{Bytes: 1 << 20, Elements: 1000}
		var streamed []any
		err := ReadXMLRecords(&trickle{string(doc)}, limits, Records{
			List: posts, Head: func(*Element) error { return nil },
			Each: func(e *Element) error { streamed = append(streamed, e.Tree()); return nil },
		})
		whole, wholeErr := ReadXML(bytes.NewReader(doc), limits)
		if wholeErr == nil && err == nil {
			list := whole.Path("Poster")
			if whole.Local() != "Avisering" {
				list = nil
			}
			var held []any
			if list != nil {
				for _, e := range list.Children {
					held = append(held, e.Tree())
				}
			}
			if fmt.Sprint(held) != fmt.Sprint(streamed) {
				t.Fatalf("%q are read as %q", held, streamed)
			}
		}
		var syntax, wholeSyntax *SyntaxError
		if err != nil && !errors.As(err, &syntax) {
			t.Fatalf("%T: %v", err, err)
		}
		if err == nil && errors.As(wholeErr, &wholeSyntax) && wholeSyntax.Kind != TooLarge {
			t.Fatalf("read in records, and not whole: %v", wholeErr)
		}
		if wholeErr == nil && syntax != nil && syntax.Kind != Malformed {
			t.Fatalf("read whole, and not in records: %v", err)
		}
	})
}
