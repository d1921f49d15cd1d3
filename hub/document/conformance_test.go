package document

import (
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"
)

// authorities returns the folder with the files of other parties, which are not part of the project.
func authorities(t *testing.T) fs.FS {
	t.Helper()
	folder := os.Getenv("KNUTPUNKT_FORMATS")
	if folder == "" {
		t.Skip("KNUTPUNKT_FORMATS names no folder with the authorities' files")
	}
	if _, err := os.ReadDir(folder); err != nil {
		t.Fatal(err)
	}
	return os.DirFS(folder)
}

func matching(t *testing.T, folder fs.FS, patterns ...string) (names []string) {
	t.Helper()
	for _, pattern := range patterns {
		found, err := fs.Glob(folder, pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s matches nothing: %v", pattern, err)
		}
		names = append(names, found...)
	}
	return names
}

func TestConformanceReadsRealXML(t *testing.T) {
	folder := authorities(t)
	for _, name := range matching(t, folder, "oep/samples/*.xml", "handmade/*.xml", "navet/samples/*/*.xml") {
		t.Run(name, func(t *testing.T) {
			f, err := folder.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			root, err := ReadXML(f, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(path.Base(name), "flowinstance-") && root.Value("Header/Flow/FamilyID") == "" {
				t.Error("the form has no FamilyID")
			}
		})
	}
}

func TestConformanceReadsSwedishLetters(t *testing.T) {
	folder := authorities(t)
	f, err := folder.Open("oep/samples/flowinstance-832-sick-leave.xml")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	root, err := ReadXML(f, Limits{})
	if got, want := root.Value("Header/Flow/Name"), "Anmälan om sjukfrånvaro"; err != nil || got != want {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestConformanceCompilesRealSchemas(t *testing.T) {
	folder := authorities(t)
	compiled := 0
	err := fs.WalkDir(folder, ".", func(name string, _ fs.DirEntry, err error) error {
		if err != nil || path.Ext(name) != ".xsd" {
			return err
		}
		if _, err := CompileXSD(folder, name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		compiled++
		return nil
	})
	if err != nil || compiled == 0 {
		t.Errorf("compiled %d schemas: %v", compiled, err)
	}
}

func TestConformanceValidatesRealSamples(t *testing.T) {
	folder := authorities(t)
	for _, c := range []struct {
		schema string
		valid  string
		broken string
	}{
		{"payroll/paxml-2.0.xsd", "handmade/paxml-*-valid.xml", "handmade/paxml-invalid-*.xml"},
		{"handmade/oep-schema-9101.xsd", "handmade/oep-flowinstance-701-*.xml", "handmade/oep-flowinstance-702-*.xml"},
		{"handmade/oep-schema-9102.xsd", "handmade/oep-flowinstance-702-*.xml", "handmade/oep-flowinstance-701-*.xml"},
	} {
		v, err := CompileXSD(folder, c.schema)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range matching(t, folder, c.valid) {
			if err := v.Validate(read(t, folder, name)); err != nil {
				t.Errorf("%s against %s: %v", name, c.schema, err)
			}
		}
		for _, name := range matching(t, folder, c.broken) {
			if v.Validate(read(t, folder, name)) == nil {
				t.Errorf("%s fits %s", name, c.schema)
			}
		}
	}
}

// Navet's answer is the body of a SOAP envelope: it is cut out, written anew, and must fit the schema.
func TestConformanceValidatesNavetsBody(t *testing.T) {
	folder := authorities(t)
	v, err := CompileXSD(folder, "navet/contract/schema/Epersondata.xsd")
	if err != nil {
		t.Fatal(err)
	}
	root, err := ReadXML(strings.NewReader(string(read(t, folder, "navet/samples/soap/01-vardnadshavare-normal.xml"))), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	body, err := WriteXML(root.Child("Body").Children[0], Style{})
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Validate(body); err != nil {
		t.Errorf("%v in\n%s", err, body)
	}
}

func read(t *testing.T, folder fs.FS, name string) []byte {
	t.Helper()
	text, err := fs.ReadFile(folder, name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
