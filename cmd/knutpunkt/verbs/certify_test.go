package verbs

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors"
	"github.com/knutpunkt/knutpunkt/connectors/certify"
	"github.com/knutpunkt/knutpunkt/connectors/rest/restsim"
	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/config"
)

// reads reports whether a connector is examined with forms.
func reads(c hub.Connector) bool {
	return slices.ContainsFunc(subjects[c.Name], func(subject func() certify.Subject) bool { return len(subject().Forms) > 0 })
}

// TestCertificatesAreWhatTheKitProves holds what ships beside each connector against what the kit
// proves today: `knutpunkt connectors certify NAME --write` mends it.
func TestCertificatesAreWhatTheKitProves(t *testing.T) {
	for _, c := range connectors.All {
		t.Run(c.Name, func(t *testing.T) {
			if !reads(c) { // what reading a large form costs is measured by what the whole process takes
				t.Parallel()
			}
			if len(subjects[c.Name]) == 0 {
				if c.Name != "json" { // it plays no role
					t.Fatal("there is nothing to examine it with")
				}
				return
			}
			proved, findings, err := prove(t.Context(), c)
			if err != nil || len(findings) > 0 {
				t.Fatal(err, findings)
			}
			text, err := os.ReadFile(filepath.Join("..", "..", "..", "connectors", c.Name, "certificate.json"))
			switch {
			case err != nil && len(proved.Operations) > 0:
				t.Errorf("it has no certificate.json, and %v is proved", proved.Operations)
			case err == nil && !sameProof(text, proved):
				t.Errorf("its certificate.json does not say that %v is proved, by kit %d", proved.Operations, proved.Kit)
			}
		})
	}
}

func TestCertifyTellsWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		name  string
		args  []string
		code  int
		wants string
	}{
		{"a connector that is none", []string{"certify", "platina"}, exitUsage, ""},
		{"neither", []string{"certify"}, exitUsage, ""},
		{"both", []string{"certify", "sif", "--system", "karlskrona.arende"}, exitUsage, ""},
		{"no case", []string{"certify", "--system", "karlskrona.arende"}, exitUsage, ""},
		{"not said to be a test system", []string{"certify", "--system", "karlskrona.arende", "--mapping", "a/b", "--case", "c"}, exitUsage, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if code := run(t.Context(), append([]string{"connectors"}, c.args...)); code != c.code {
				t.Errorf("the exit code is %d, not %d", code, c.code)
			}
		})
	}
}

// A vendor is a test system, and a configuration that describes it, rightly or not.
type vendor struct {
	*testing.T
	dir string
	sim *restsim.Sim
	out bytes.Buffer
}

const idempotentText = "level: idempotent, key: { header: Idempotency-Key }, receipt: { number: /number, ref: /id, echo: /reference }"

const lookupText = `level: lookup, lag: 10ms, receipt: { number: /number, ref: /id, echo: /reference },
            find: { path: "/cases?reference={key}", list: /cases, number: /number, ref: /id, echo: /reference }`

// newVendor starts a system of a level, and writes of it what somebody believes.
func newVendor(t *testing.T, level hub.Level, operation string, change func(http.Handler) http.Handler) *vendor {
	t.Helper()
	sim, err := restsim.New(restsim.Options{Level: level, Clock: time.Now, Token: "hemligt", Lag: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	handler := http.Handler(sim)
	if change != nil {
		handler = change(sim)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	v := &vendor{T: t, dir: t.TempDir(), sim: sim}
	v.write("routes/karlskrona/municipality.yaml", "code: \"1080\"\nname: Karlskrona kommun\n")
	v.write("secrets/arende", "hemligt")
	v.write("routes/karlskrona/systems.yaml", fmt.Sprintf(`portal: { connector: json }
arende:
  connector: rest
  url: %s
  token: file:secrets/arende
  operations:
    case: { %s }
`, server.URL, operation))
	v.write("routes/karlskrona/ett.yaml", route("ett", "  - { to: arende, mapping: desk/case, step: registrerat, voice: true }\n"))
	for _, name := range []string{"mappings/desk/case.yaml", "mappings/desk/case.test/one/given.json", "mappings/desk/case.test/one/want.json"} {
		v.write(name, siteFiles[name])
	}
	return v
}

func (v *vendor) write(name, text string) {
	path := filepath.Join(v.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		v.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		v.Fatal(err)
	}
}

// certify certifies the system, as its owner would.
func (v *vendor) certify() error {
	trial := systemTrial{dir: v.dir, id: "karlskrona.arende", mapping: "desk/case", example: "one", isTest: true, yes: true}
	return trial.run(v.Context(), &v.out)
}

// level gives what the hub would do after a lost answer.
func (v *vendor) level() hub.Level {
	systems, err := config.Systems(v.dir, connectors.All)
	if err != nil {
		v.Fatal(err)
	}
	for _, s := range systems {
		if s.ID != "karlskrona.arende" {
			continue
		}
		c, err := connectorCalled(s.Connector)
		if err != nil {
			v.Fatal(err)
		}
		opened, err := c.Certified(s.Certificates...).Open(v.Context(), hub.Env{ID: s.ID, HTTP: http.DefaultClient, Reads: http.DefaultClient}, s.Decode)
		if err != nil {
			v.Fatal(err)
		}
		return opened.Can.Of("case").Level
	}
	v.Fatal("the system is not there")
	return ""
}

// TestASystemIsCertified: what is written of a system is blind, until its own test system has proved it,
// and again when what is written has been changed.
func TestASystemIsCertified(t *testing.T) {
	for _, c := range []struct {
		level     hub.Level
		operation string
	}{
		{hub.Idempotent, "path: /cases, " + idempotentText},
		{hub.Lookup, `path: "/cases?reference={key}", ` + lookupText},
	} {
		t.Run(string(c.level), func(t *testing.T) {
			v := newVendor(t, c.level, c.operation, nil)
			unproved := config.Check(os.DirFS(v.dir), connectors.All)
			if len(unproved) != 1 || unproved[0].Line != 2 || !strings.Contains(unproved[0].Text, "no certificate proves it") {
				t.Fatalf("the check says %v, not that the level is not proved", unproved)
			}
			if level := v.level(); level != hub.Blind {
				t.Fatalf("what is not proved is %s", level)
			}
			if err := v.certify(); err != nil {
				t.Fatalf("%v\n%s", err, v.out.String())
			}
			if problems := config.Check(os.DirFS(v.dir), connectors.All); len(problems) > 0 {
				t.Errorf("the check says of what is proved: %v", problems)
			}
			if level := v.level(); level != c.level {
				t.Errorf("what is proved is %s", level)
			}
			for _, e := range v.sim.Ledger() {
				if e.Kind == restsim.CaseEntry && !strings.Contains(v.out.String(), "made: "+e.Number+", under the key "+e.Key+"\n") {
					t.Errorf("%s is made, and it is not told:\n%s", e.Number, v.out.String())
				}
				if n := v.sim.Count(e.Key).Cases; n != 1 {
					t.Errorf("a key has %d cases", n)
				}
			}
			v.write("routes/karlskrona/systems.yaml", strings.Replace(v.read("routes/karlskrona/systems.yaml"), "/number, ref", "/nummer, ref", 1))
			if level := v.level(); level != hub.Blind {
				t.Errorf("of an operation that has been changed since it is %s", level)
			}
		})
	}
}

func (v *vendor) read(name string) string {
	text, err := os.ReadFile(filepath.Join(v.dir, filepath.FromSlash(name)))
	if err != nil {
		v.Fatal(err)
	}
	return string(text)
}

// TestASystemThatCannotIsNotCertified: a vendor's word is not enough.
func TestASystemThatCannotIsNotCertified(t *testing.T) {
	for _, c := range []struct {
		name, why string
		really    hub.Level
		operation string
		change    func(http.Handler) http.Handler
		finds     string
	}{
		{"makes a second case", "it is said to know the key, and does not",
			hub.Lookup, "path: \"/cases?reference={key}\", " + strings.Replace(idempotentText, "key: { header: Idempotency-Key }, ", "", 1), nil, "two cases"},
		{"finds nothing", "who cannot be asked must not say that there is nothing",
			hub.Lookup, `path: "/cases?reference={key}", ` + lookupText, hides, "Find"},
		{"finds anybody's", "one citizen's number would be told to another",
			hub.Lookup, `path: "/cases?reference={key}", ` + strings.ReplaceAll(lookupText, "/reference }", "/id }"), nil, "Deliver"},
		{"blind", "that needs no proof", hub.Blind, "path: /cases, receipt: { number: /number }", nil, "blind"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := newVendor(t, c.really, c.operation, c.change)
			if err := v.certify(); err == nil {
				t.Errorf("it is certified: %s", c.why)
			}
			if out := v.out.String(); !strings.Contains(out, c.finds) {
				t.Errorf("it does not say %q:\n%s", c.finds, out)
			}
			if _, err := os.Stat(filepath.Join(v.dir, "certificates")); err == nil {
				t.Error("there is a certificate")
			}
		})
	}
}

// TestCertifySaysWhy: who has written an entry is told which line of it is wrong, in words that are no Go,
// and hears of each case that the attempt has made at the vendor's.
func TestCertifySaysWhy(t *testing.T) {
	const noOther, proved = "there must be no other", "stands every case of the kit"
	news := func(way string) string { return "  " + way + "\n  token:" }
	for _, c := range []struct {
		name, is, was string // in systems.yaml
		says          []string
	}{
		{"all is well", "", "", []string{noOther, proved}},
		{"the secret of another", "secrets/arende", "secrets/annan", []string{"Find of what was never delivered says not now: HTTP status 401", "Nothing was made there"}},
		{"a wrong port", "http://127.0.0.1:", "http://127.0.0.1:1", []string{"Find of what was never delivered says not now: nothing was sent: no connection"}},
		{"XML for JSON", "  token:", "  format: xml\n  token:", []string{"Find of what was never delivered fails: the answer begins as JSON does, and format says xml"}},
		{"a question at a wrong path", `find: { path: "/cases`, `find: { path: "/arenden`, []string{"Find of what was never delivered says not now: HTTP status 404"}},
		{"a question by a wrong name", "cases?reference={key}\", list", "cases?ref={key}\", list",
			[]string{"Find of a delivery that is there finds nothing: there is no hit at /cases", noOther}},
		{"a list that is none", "list: /cases", "list: /arenden", []string{"Find of what was never delivered fails: no list in the answer: there is none at /arenden"}},
		{"a hit's number", "list: /cases, number: /number", "list: /cases, number: /nummer",
			[]string{"Find of a delivery that is there fails: hit 1 of /cases: no receipt in the answer: nothing can be read at /nummer",
				"Deliver under the same Key again says not now: case: find: hit 1 of /cases: no receipt"}},
		{"a document at a wrong path", `path: "/cases?reference={key}", level`, `path: "/arenden?reference={key}", level`,
			[]string{"Deliver says not now: case: HTTP status 404", "Nothing was made there"}},
		{"the receipt's number", "receipt: { number: /number", "receipt: { number: /nummer",
			[]string{"Deliver fails: case: no receipt in the answer: nothing can be read at /nummer", "0 cases are known, and 1 more may have been made"}},
		{"the receipt's echo", "ref: /id, echo: /reference },\n", "ref: /id, echo: /number },\n",
			[]string{"Deliver fails: case: the answer is about another key: what stands at /number is not the delivery's", "0 cases are known, and 1 more may have been made"}},
		{"who is asked about each case", "  token:", news(`status: { path: "/cases/{ref}/status", list: /history, word: /word, at: /at }`), []string{noOther, proved}},
		{"a case's word", "  token:", news(`status: { path: "/cases/{ref}/status", word: /lage }`),
			[]string{"asked how a case is getting on that is there, the system fails: status: no word in the answer: nothing can be read at /lage", noOther}},
		{"a case at a wrong path", "  token:", news(`status: { path: "/cases/{number}/status", word: /lage }`),
			[]string{"asked how a case is getting on that is there, the system finds nothing: HTTP status 404"}},
		{"who tells of all cases", "  token:", news(`changes: { path: "/changes?since={cursor}", list: /changes, next: /next, ref: /caseId, word: /word, at: /at }`), []string{noOther, proved}},
		{"a list of changes that is none", "  token:", news(`changes: { path: "/changes?since={cursor}", list: /handelser, next: /next, ref: /caseId, word: /word, at: /at }`),
			[]string{"asked what has happened to its cases, the system fails: changes: no list in the answer: there is none at /handelser"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := newVendor(t, hub.Lookup, `path: "/cases?reference={key}", `+lookupText, nil)
			entry := v.read("routes/karlskrona/systems.yaml")
			v.write("secrets/annan", "annans")
			v.write("routes/karlskrona/systems.yaml", strings.Replace(entry, c.is, c.was, 1))
			err := v.certify()
			out := v.out.String()
			if (err == nil) != slices.Contains(c.says, proved) {
				t.Errorf("certifying it gives %v", err)
			}
			for _, text := range c.says {
				if !strings.Contains(out, text) {
					t.Errorf("it does not say %q:\n%s", text, out)
				}
			}
			if strings.Contains(out, "more may have been made") && strings.Contains(out, noOther) {
				t.Errorf("it says of what may be there that it must not be:\n%s", out)
			}
			for _, e := range v.sim.Ledger() {
				told := strings.Contains(out, "made: "+e.Number+", under the key "+e.Key+"\n") ||
					strings.Contains(out, "sent: no number could be read, under the key "+e.Key+"\n")
				if e.Kind == restsim.CaseEntry && !told {
					t.Errorf("%s is made under %s, and that is not told:\n%s", e.Number, e.Key, out)
				}
			}
		})
	}
}

// hides has a system say of everything that is looked for that it is not there.
func hides(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			fmt.Fprint(w, `{"cases":[]}`)
			return
		}
		next.ServeHTTP(w, r)
	})
}
