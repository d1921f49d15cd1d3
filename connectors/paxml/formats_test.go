package paxml_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/knutpunkt/knutpunkt/connectors/paxml"
	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// formats gives the folder of the formats' own files, which are not ours to keep here.
func formats(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("KNUTPUNKT_FORMATS")
	if dir == "" {
		t.Skip("KNUTPUNKT_FORMATS names no folder of the formats' own files")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Fatal("the folder that KNUTPUNKT_FORMATS names cannot be read")
	}
	return dir
}

// theirs is the consortium's own schema.
func theirs(t *testing.T) document.Validator {
	t.Helper()
	v, err := document.CompileXSD(os.DirFS(filepath.Join(formats(t), "payroll")), "paxml-2.0.xsd")
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestSamples: files that are judged already are judged so here, and for the same reason.
func TestSamples(t *testing.T) {
	tests := []struct {
		name, place string // where it is wrong; "" where it is not
		schema      bool   // the schema sees it
		rule        string // the rule that it breaks; "" for none
	}{
		{"paxml-codes-and-units-valid.xml", "", false, ""},
		{"paxml-sick-leave-valid.xml", "", false, ""},
		{"paxml-two-periods-valid.xml", "", false, ""},
		{"paxml-invalid-persnr-10-digits.xml", "persnr", true, "twelve digits"},
		{"paxml-invalid-zone-name.xml", "tidpunkt", true, "name of a zone"},
		{"paxml-rule-broken-interval-with-hours.xml", "timmar", false, "rule 3"},
	}
	s, err := opened(t, paxml.Config{Folder: "/srv/in"})
	if err != nil {
		t.Fatal(err)
	}
	dir, theirs := formats(t), theirs(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(dir, "handmade", test.name))
			if err != nil {
				t.Fatal(err)
			}
			for whose, v := range map[string]document.Validator{"ours": ours(t), "theirs": theirs} {
				if err := v.Validate(text); (err != nil) != test.schema || test.schema && !strings.Contains(err.Error(), test.place) {
					t.Errorf("by %s: %v", whose, err)
				}
			}
			found := s.Checker.Check(hub.Delivery{Operation: "payroll", Document: hub.NewDocument("application/xml", text)})
			if test.rule == "" && len(found) > 0 {
				t.Errorf("it breaks %+v", found)
			}
			if test.rule != "" && !slices.ContainsFunc(found, func(b hub.Breach) bool { return strings.Contains(b.Text, test.rule) }) {
				t.Errorf("found %+v, want %s", found, test.rule)
			}
		})
	}
}

// TestOurs: every file in these tests is one by the consortium's schema, but for those that break it.
func TestOurs(t *testing.T) {
	v := theirs(t)
	for name, text := range taken {
		if err := v.Validate([]byte(text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestWhateverWeCallValidIsValid: what our schema takes, the consortium's takes.
func TestWhateverWeCallValidIsValid(t *testing.T) {
	ours, theirs := ours(t), theirs(t)
	valid := 0
	rapid.Check(t, func(t *rapid.T) {
		text := []byte(file(rapid.SliceOfN(rapid.Custom(record), 1, 4).Draw(t, "records")...))
		if ours.Validate(text) != nil {
			return
		}
		valid++
		if err := theirs.Validate(text); err != nil {
			t.Fatalf("%v:\n%s", err, text)
		}
	})
	if valid == 0 {
		t.Error("none was valid, so nothing was tried")
	}
}

// record makes a record about time, of which not everything is right.
func record(t *rapid.T) string {
	one := func(name string, values ...string) string { return rapid.SampledFrom(values).Draw(t, name) }
	day := func(name string) string {
		return fmt.Sprintf("2026-%02d-%02d", rapid.IntRange(1, 12).Draw(t, name+" month"), rapid.IntRange(1, 28).Draw(t, name+" day"))
	}
	parts := []string{"<tidkod>" + one("tidkod", "SEM", "SEM_FÖR", "VAB", "TJL", "ÖT1", "NV9", "SJK_LÖN", "FLX", "XXX") + "</tidkod>"}
	when := one("when", "day", "interval", "clock")
	switch when {
	case "day":
		parts = append(parts, "<datum>"+day("day")+"</datum>")
	case "interval":
		parts = append(parts, "<datumfrom>"+day("from")+"</datumfrom>", "<datumtom>"+day("to")+"</datumtom>")
	case "clock":
		parts = append(parts, "<starttid>"+day("from")+"T08:00:00</starttid>", "<sluttid>"+day("to")+"T12:00:00+02:00</sluttid>")
	}
	optional := map[string][]string{
		"timmar": {"4", "4.5", "-4", "4,5"}, "omfattning": {"100", "0", "62.50", "62.505", "100.5"}, "barn": {"202302142399", "2302142399"},
		"info": {"L-1/2", "åäö", ""}, "semgrund": {"true", "ja"}, "kontonr": {"7210"}, "samlingsid": {"1"},
		"resenheter": {`<resenhet dim="1" id="110"/>`, `<resenhet dim="100" id="1"/>`, `<resenhet dim="6" id="12345678901"/>`, ""},
	}
	for _, name := range []string{"timmar", "omfattning", "barn", "info", "semgrund", "kontonr", "samlingsid", "resenheter"} {
		if rapid.IntRange(0, 3).Draw(t, name+"?") == 0 {
			parts = append(parts, "<"+name+">"+one(name, optional[name]...)+"</"+name+">")
		}
	}
	order := rapid.Permutation(parts).Draw(t, "order")
	return `<tidtrans ` + one("who", `persnr="189001019802"`, `anstid="101"`, `postid="1" anstid="1" persnr="189001019802"`, `persnr="1"`, "") + `>` +
		strings.Join(order, "") + `</tidtrans>`
}
