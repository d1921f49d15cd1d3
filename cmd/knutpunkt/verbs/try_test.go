package verbs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/knutpunkt/knutpunkt/hub"
)

// tried runs knutpunkt try as it is shipped, and gives what it said and its exit code.
func tried(t *testing.T, dir string, args ...string) (text string, code int) {
	t.Helper()
	cmd := exec.Command(binary, append([]string{"try", "--config", dir}, args...)...)
	cmd.Env = append(os.Environ(), secretVariable+"=the-secret-of-registrator")
	p := startCommand(t, cmd)
	code = p.finish(t)
	return p.out.String() + p.errs.String(), code
}

// tryable is the shipped configuration, in a folder that a test may write to.
func tryable(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, folder := range []string{"routes", "mappings", "schemas"} {
		if err := os.CopyFS(filepath.Join(dir, folder), os.DirFS(filepath.Join("..", "..", "..", folder))); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestTry: what the command prints of a mapping that is shipped, in each of its ways.
func TestTry(t *testing.T) {
	dir := tryable(t)
	for _, tt := range []struct {
		name string
		args []string
		code int
		want []string
		why  string
	}{
		{"a document", []string{"bygg/ansokan", "altan"}, 0, []string{"<Diarienummer>SBN 2026-00123</Diarienummer>"}, ""},
		{"by its file", []string{"mappings/bygg/ansokan.yaml", "altan"}, 0, []string{"<Diarienummer>"}, "as a shell completes it"},
		{"why", []string{"bygg/ansokan", "altan", "--why"}, 0, []string{
			"Diarienummer: SBN 2026-00123", "← diarium.number (receipt of 2026-03-02 10:00) · mappings/bygg/ansokan.yaml:14",
			"← sökande.address.city (register) · mappings/bygg/ansokan.yaml:29", "left out:", "Ansokan/Fastighet/Adress: answers.fastighet.Address is absent · mappings/bygg/ansokan.yaml:44",
		}, ""},
		{"trace", []string{"--trace", "answers.sokande.Email"}, 0, []string{
			"routes/karlskrona/bygglov-altan.yaml:14: parties: sökande, email ← answers.sokande.Email\n",
			"mappings/bygg/ansokan.yaml:37: Ansokan/Sokande/Epost ← trim(answers.sokande.Email)\n",
		}, "through all routes"},
		{"trace by a route", []string{"--trace", "parties.sökande", "--route", "karlskrona/bygglov-altan"}, 0, []string{
			"routes/karlskrona/bygglov-altan.yaml:18: enrich: navet is asked for sökande ← parties.sökande\n", "personnummer(sökande), through sökande",
		}, ""},
		{"trace in a mapping", []string{"bygg/ansokan", "--trace", "answers.atgard.Alternative.ID"}, 0, []string{"mappings/bygg/ansokan.yaml:47: Ansokan/Atgard/@kod ← val.ID\n"}, ""},
		{"trace of what is no path", []string{"--trace", "telefon"}, 64, []string{"telefon is no path: write answers.FIELD"}, "that it went nowhere would not be true"},
		{"trace of a leg's receipt", []string{"--trace", "diarium.ref"}, 0, []string{"diarium.ref goes nowhere"}, ""},
		{"trace of what goes nowhere", []string{"--trace", "answers.sokande.CareOf", "--route", "karlskrona/bygglov-altan"}, 0, []string{"answers.sokande.CareOf goes nowhere"}, "an answer to who asks what is sent"},
		{"trace of what is misspelt", []string{"--trace", "answers.sokande.Emial", "--route", "karlskrona/bygglov-altan"}, 1, []string{"there is no Emial; is it Email?"}, ""},
		{"no such route", []string{"--trace", "answers.a", "--route", "karlskrona/finns-inte"}, exitUsage, []string{"there is no route karlskrona/finns-inte"}, ""},
		{"no case", []string{"bygg/ansokan"}, exitUsage, []string{"name a case", "altan, bara-adress"}, ""},
		{"no such case", []string{"bygg/ansokan", "plank"}, exitUsage, []string{"has no case plank; it has altan"}, ""},
		{"no mapping", nil, exitUsage, []string{"name a mapping"}, ""},
		{"no such mapping", []string{"bygg/finns-inte", "altan"}, 1, []string{"mappings/bygg/finns-inte.yaml:1: there is no such file"}, ""},
		{"no reason", []string{"bygg/ansokan", "--submission", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "--as", "registrator"}, exitUsage, []string{"--reason TEXT"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text, code := tried(t, dir, tt.args...)
			if code != tt.code {
				t.Errorf("exit %d, want %d (%s)", code, tt.code, tt.why)
			}
			for _, want := range tt.want {
				if !strings.Contains(text, want) {
					t.Errorf("%q is not in\n%s", want, text)
				}
			}
		})
	}
}

// TestTryGenerates: a case is made up, the same each time, and is one that check takes; and
// nothing that somebody has written is lost.
func TestTryGenerates(t *testing.T) {
	dir := tryable(t)
	given := filepath.Join(dir, "mappings/bygg/ansokan.test/ny/given.json")
	text, code := tried(t, dir, "--generate", "bygg/ansokan", "ny")
	if code != 0 || !strings.Contains(text, "<Arende>Bygglov för altan</Arende>") || !strings.Contains(text, "as routes/karlskrona/bygglov-altan.yaml gives it") {
		t.Fatalf("exit %d: %s", code, text)
	}
	first := read(given)
	if text, code := tried(t, dir, "--generate", "bygg/ansokan", "ny"); code != exitUsage || !strings.Contains(text, "--force") {
		t.Errorf("exit %d: %s", code, text)
	}
	if err := os.WriteFile(given, []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	if text, code := tried(t, dir, "--generate", "bygg/ansokan", "ny"); code != exitUsage || read(given) != "{}" {
		t.Errorf("what somebody wrote is gone; exit %d: %s", code, text)
	}
	if _, code := tried(t, dir, "--generate", "bygg/ansokan", "ny", "--force"); code != 0 || read(given) != first {
		t.Errorf("exit %d, and another given the second time", code)
	}
	for _, name := range []string{"../ut", "a/b", ".."} {
		if text, code := tried(t, dir, "--generate", "bygg/ansokan", name); code == 0 {
			t.Errorf("%s: %s", name, text)
		}
	}
	if err := os.RemoveAll(filepath.Join(dir, "mappings/diarium/kulturskola.test/skyddad")); err != nil {
		t.Fatal(err)
	}
	if text, code := tried(t, dir, "--generate", "diarium/kulturskola", "skyddad"); code != 0 || !strings.Contains(text, "Skyddade personuppgifter") {
		t.Errorf("exit %d: %s", code, text)
	}
	check := exec.Command(binary, "check", "--update", dir)
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("check: %v\n%s", err, out)
	}
}

// TestUpdateKeepsWhatIsRight: check --update rewrites what differs, and leaves alone what
// says the same in other blanks and order.
func TestUpdateKeepsWhatIsRight(t *testing.T) {
	dir := tryable(t)
	right := filepath.Join(dir, "mappings/diarium/arende.test/altan/want.json")
	wrong := filepath.Join(dir, "mappings/bygg/ansokan.test/altan/want.xml")
	before := strings.ReplaceAll(read(right), "\n", "\n ")
	shipped := read(wrong)
	for name, text := range map[string]string{right: before, wrong: strings.Replace(shipped, "SBN 2026-00123", "SBN 0", 1)} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command(binary, "check", "--update", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if read(right) != before {
		t.Error("what is right was rewritten")
	}
	if read(wrong) != shipped {
		t.Errorf("what was wrong is now\n%s", read(wrong))
	}
}

// TestTryRehearsesADraft: the hub that runs makes the document of a form that it has, by the
// mapping as it stands in another folder, tells whether it is what was sent, and sends nothing.
func TestTryRehearsesADraft(t *testing.T) {
	s := newStaff(t)
	hubRuns := s.run()
	form := s.accepted("kept", "rehearsed-1")
	await(t, "delivered", func() bool { return s.isAt(form.ID, hub.Delivered) })
	posts, _, _ := s.desk.total("kept")

	draft := t.TempDir()
	if err := os.CopyFS(filepath.Join(draft, "mappings"), os.DirFS(filepath.Join(s.dir, "mappings"))); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(draft, "mappings/desk/case.yaml")
	try := func(why string, args ...string) (string, int) {
		return tried(t, draft, append([]string{
			"desk/case", "--submission", string(form.ID), "--as", "registrator", "--reason", why, "--operator", fmt.Sprintf("127.0.0.1:%d", s.base+1),
		}, args...)...)
	}
	text, code := try("ska bli likadant")
	if code != 0 || !strings.Contains(text, `"text": "hej rehearsed-1"`) || !strings.Contains(text, "the same, byte for byte, as the document of "+string(form.ID)+"-kept to karlskrona.kept, which is DELIVERED") {
		t.Errorf("exit %d: %s", code, text)
	}
	shipped := read(file)
	if err := os.WriteFile(file, []byte(strings.Replace(shipped, "${service.title}", "En annan", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	text, code = try("ny titel", "--why")
	for _, want := range []string{`title: "En annan"`, "← answers.text · mappings/desk/case.yaml:7", `first at /title: it has "Ett", the draft makes "En annan"`} {
		if code != 0 || !strings.Contains(text, want) {
			t.Errorf("exit %d, without %q: %s", code, want, text)
		}
	}
	if err := os.WriteFile(file, []byte(shipped+"  saknas: ${answers.saknas}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, code = try("nytt fält"); code != 1 || !strings.Contains(text, "mappings/desk/case.yaml:8: ${answers.saknas} has no value") {
		t.Errorf("exit %d: %s", code, text)
	}
	if text, code = try("gäller 19881003-2386"); code != 1 || !strings.Contains(text, "personnummer") {
		t.Errorf("exit %d: %s", code, text)
	}
	if now, _, _ := s.desk.total("kept"); now != posts {
		t.Errorf("%d posts left us", now-posts)
	}
	store, leave := s.beside()
	defer leave()
	acts, err := store.Acts(t.Context(), hub.AsHub(), s.look(form.ID).ID)
	if err != nil {
		t.Fatal(err)
	}
	var looks []string
	for _, act := range acts {
		if act.What == "looked at document" {
			looks = append(looks, act.Note+", by "+act.By+": "+act.Reason)
		}
	}
	if want := []string{"kept, by registrator: ska bli likadant", "kept, by registrator: ny titel", "kept, by registrator: nytt fält"}; !slices.Equal(looks, want) {
		t.Errorf("written down: %q", looks)
	}
	hubRuns.end(syscall.SIGTERM)
	if log := hubRuns.errs.String(); strings.Contains(log, "ny titel") || strings.Contains(log, "hej rehearsed") {
		t.Error("the hub's log holds a reason or a value")
	}
}
