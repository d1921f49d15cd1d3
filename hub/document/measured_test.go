package document

import (
	stdjson "encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/beevik/etree"
)

// The tests of this file hold what was measured of the libraries below us, beside our own answer. One
// that fails after an upgrade says that a guard here may have become needless, or too weak.

func TestEtreeLetsThroughWhatWeRefuse(t *testing.T) {
	for name, text := range map[string]string{
		"two roots":           `<a/><b/>`,
		"garbage around":      `x<a/>y`,
		"text only":           `hello`,
		"empty":               ``,
		"instruction":         `<a><?x y?></a>`,
		"undeclared prefix":   `<p:a/>`,
		"duplicate attribute": `<a b="1" b="2"/>`,
		"DOCTYPE":             `<!DOCTYPE a SYSTEM "http://127.0.0.1/"><a/>`,
	} {
		if err := etree.NewDocument().ReadFromString(text); err != nil {
			t.Errorf("%s: etree now refuses: %v", name, err)
		}
		if _, err := ReadXML(strings.NewReader(text), Limits{}); err == nil {
			t.Errorf("%s: we accept", name)
		}
	}
}

func TestEtreeExpandsNoEntities(t *testing.T) {
	err := etree.NewDocument().ReadFromString(`<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>`)
	if err == nil {
		t.Error("etree expands entities")
	}
}

func TestEtreeBoundsDepth(t *testing.T) {
	deep := strings.Repeat("<a>", 1100) + strings.Repeat("</a>", 1100)
	if err := etree.NewDocument().ReadFromString(deep); !errors.Is(err, etree.ErrMaxDepth) {
		t.Errorf("etree is older than 1.7.0: %v", err)
	}
}

func TestEtreeCannotReadWhatThePlatformsSend(t *testing.T) {
	for name, text := range map[string]string{
		"latin": "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a>\xE5</a>",
		"1.1":   `<?xml version="1.1" encoding="UTF-8"?><a/>`,
	} {
		if err := etree.NewDocument().ReadFromString(text); err == nil {
			t.Errorf("%s: etree now reads it", name)
		}
		if _, err := ReadXML(strings.NewReader(text), Limits{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEtreeWritesNamesAndCharactersUnseen(t *testing.T) {
	doc := etree.NewDocument()
	doc.CreateElement(`root><evil a="1"`).SetText("\x00")
	if out, err := doc.WriteToString(); err != nil || !strings.Contains(out, "<evil a=") || !strings.Contains(out, "\uFFFD") {
		t.Errorf("etree now takes care: %s, %v", out, err)
	}
	doc = etree.NewDocument()
	doc.CreateElement("a").CreateAttr("b", "x\ny")
	if out, _ := doc.WriteToString(); !strings.Contains(out, "x\ny") {
		t.Errorf("etree now writes a line end in an attribute as a reference: %s", out)
	}
}

func TestStandardJSONLosesWhatWeKeep(t *testing.T) {
	var person struct {
		PNR string `json:"pnr"`
	}
	if err := stdjson.Unmarshal([]byte(`{"pnr":"a","PNR":"b"}`), &person); err != nil || person.PNR != "b" {
		t.Errorf("encoding/json now minds case: %q, %v", person.PNR, err)
	}
	var v map[string]any
	if err := stdjson.Unmarshal([]byte(`{"a":1,"a":191212121212345678}`), &v); err != nil || v["a"] != 191212121212345678.0 {
		t.Errorf("encoding/json now minds twins or digits: %v, %v", v, err)
	}
	var s string
	if err := stdjson.Unmarshal([]byte("\"\xE5\\ud800\""), &s); err != nil || s != "\uFFFD\uFFFD" {
		t.Errorf("encoding/json now minds encoding: %q, %v", s, err)
	}
}
