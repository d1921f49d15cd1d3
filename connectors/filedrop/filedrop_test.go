package filedrop_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/knutpunkt/knutpunkt/connectors/certify"
	"github.com/knutpunkt/knutpunkt/connectors/connectortest"
	"github.com/knutpunkt/knutpunkt/connectors/filedrop"
	"github.com/knutpunkt/knutpunkt/connectors/filedrop/filedropsim"
	"github.com/knutpunkt/knutpunkt/connectors/simfolder"
	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

const ansokan = `<?xml version="1.0" encoding="UTF-8"?><Ansokan><Diarienummer>SBN 2026/00123</Diarienummer></Ansokan>`

const schema = `<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="Ansokan"><xs:complexType>
	<xs:sequence><xs:element name="Diarienummer" type="xs:string"/></xs:sequence></xs:complexType></xs:element></xs:schema>`

// A site is a folder between a hub and a building system.
type site struct {
	t            *testing.T
	now          time.Time
	sim          *filedropsim.Sim
	system       hub.System
	ledger       string
	folder, done string
}

func newSite(t *testing.T, change func(*filedrop.Config)) *site {
	t.Helper()
	home := t.TempDir()
	s := &site{
		t: t, now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC), ledger: filepath.Join(home, "ledger"),
		folder: filepath.Join(home, "in"), done: filepath.Join(home, "done"),
	}
	s.open()
	c := filedrop.Config{Folder: s.folder, Done: s.done}
	if change != nil {
		change(&c)
	}
	system, err := filedrop.New.Open(t.Context(), hub.Env{Clock: s.clock}, func(into any) error { *into.(*filedrop.Config) = c; return nil })
	if err != nil {
		t.Fatal(err)
	}
	s.system = system
	return s
}

// open starts the building system.
func (s *site) open() {
	valid, err := document.CompileXSD(fstest.MapFS{"a.xsd": {Data: []byte(schema)}}, "a.xsd")
	if err != nil {
		s.t.Fatal(err)
	}
	s.sim, err = filedropsim.New(filedropsim.Options{
		Dir: s.ledger, Folder: s.folder, Done: s.done, Refused: s.folder + "-refused", Schema: valid, Clock: s.clock,
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) clock() time.Time { return s.now }

func (s *site) deliver(d hub.Delivery) (hub.Receipt, error) {
	s.now = s.now.Add(time.Minute)
	return s.system.Destination.Deliver(s.t.Context(), d)
}

// want demands an answer.
func (s *site) want(d hub.Delivery, answer hub.Answer, cause hub.Cause, why string) hub.Receipt {
	s.t.Helper()
	r, err := s.deliver(d)
	if a, _, c := hub.AnswerOf(r, err); a != answer || c != cause {
		s.t.Errorf("the answer is %s (%s), want %s (%s): %s; %v", a, c, answer, cause, why, err)
	}
	if err != nil && strings.Contains(err.Error(), s.folder) {
		s.t.Errorf("the error quotes a path: %v", err)
	}
	return r
}

func delivery(key, content string) hub.Delivery {
	return hub.Delivery{
		Key: hub.Key(key), Operation: "file", Document: hub.NewDocument("application/xml; charset=utf-8", []byte(content)),
		Files: []hub.File{
			connectortest.File("../../etc/Alva Exempelsson.pdf", "application/pdf", "%PDF"),
			connectortest.File("formulär", "application/octet-stream", "<FlowInstance/>"),
		},
	}
}

func TestOneFile(t *testing.T) {
	s := newSite(t, nil)
	d := delivery("01JH-bygg", ansokan)
	first := s.want(d, hub.Yes, "", "there is nothing in the way")
	if first.Number != "01JH-bygg.xml" || !first.At.Equal(s.now) || first.Parts != nil {
		t.Errorf("receipt %+v", first)
	}
	if got, _ := os.ReadFile(filepath.Join(s.folder, first.Number)); string(got) != ansokan {
		t.Errorf("the file is %q", got)
	}
	again := s.want(d, hub.Yes, "", "the same bytes are the same delivery")
	if !cmp.Equal(first, again) {
		t.Errorf("again %+v, want %+v", again, first)
	}
	if n, err := s.sim.Step(); n != 1 || err != nil {
		t.Fatalf("the other system looks: %d, %v", n, err)
	}
	if again = s.want(d, hub.Yes, "", "it is among the done ones"); !cmp.Equal(first, again) {
		t.Errorf("after it was taken: %+v, want %+v", again, first)
	}
	if n, _ := s.sim.Step(); n != 0 || s.sim.Taken("01JH-bygg") != 1 {
		t.Errorf("it was taken %d times", s.sim.Taken("01JH-bygg"))
	}
	if e := s.sim.Ledger()[0]; e.Diarienummer != "SBN 2026/00123" || e.SHA256 != hexOf(d.Document.SHA256()) {
		t.Errorf("the ledger has %+v", e)
	}
}

func hexOf(sum [32]byte) string { return hex.EncodeToString(sum[:]) }

func TestFolderOfFiles(t *testing.T) {
	s := newSite(t, func(c *filedrop.Config) { c.Attachments = true })
	d := delivery("01JH-bygg", ansokan)
	first := s.want(d, hub.Yes, "", "there is nothing in the way")
	want := []hub.Part{
		{SHA256: hexOf(sha256.Sum256([]byte("%PDF"))), Ref: "01JH-bygg/bilaga-01.pdf"},
		{SHA256: hexOf(sha256.Sum256([]byte("<FlowInstance/>"))), Ref: "01JH-bygg/bilaga-02.bin"},
	}
	if diff := cmp.Diff(want, first.Parts); diff != "" || first.Number != "01JH-bygg" {
		t.Errorf("receipt %s (-want +got):\n%s", first.Number, diff)
	}
	if again := s.want(d, hub.Yes, "", "the same bytes"); !cmp.Equal(first, again) {
		t.Errorf("again %+v, want %+v", again, first)
	}
	s.sim.Step()
	if again := s.want(d, hub.Yes, "", "it is done"); !cmp.Equal(first, again) {
		t.Errorf("done %+v, want %+v", again, first)
	}
	if e := s.sim.Ledger(); len(e) != 1 || e[0].Refused != "" || len(e[0].Files) != 2 {
		t.Errorf("the ledger has %+v", e)
	}
	other := d
	other.Files = []hub.File{connectortest.File("a.pdf", "application/pdf", "%PDF en annan"), d.Files[1]}
	s.want(other, hub.No, "", "another attachment is another delivery")
}

func TestNeverWrittenOver(t *testing.T) {
	for _, taken := range []bool{false, true} {
		s := newSite(t, nil)
		s.want(delivery("01JH-bygg", ansokan), hub.Yes, "", "")
		if taken {
			s.sim.Step()
		}
		changed := strings.Replace(ansokan, "00123", "00124", 1)
		s.want(delivery("01JH-bygg", changed), hub.No, "", "the name is taken by other bytes")
		s.sim.Step()
		if e := s.sim.Ledger(); len(e) != 1 || e[0].Diarienummer != "SBN 2026/00123" {
			t.Errorf("taken %v: the ledger has %+v", taken, e)
		}
	}
	s := newSite(t, nil)
	if err := os.Mkdir(filepath.Join(s.folder, "01JH-bygg.xml"), 0o700); err != nil {
		t.Fatal(err)
	}
	s.want(delivery("01JH-bygg", ansokan), hub.No, "", "a folder is no file")
}

func TestWhatIsInTheWay(t *testing.T) {
	tests := []struct {
		name  string
		do    func(*site) error
		cause hub.Cause
	}{
		{"the folder is gone", func(s *site) error { return s.sim.Fail(simfolder.Absent) }, hub.AddressChanged},
		{"the done ones are gone", func(s *site) error { return os.Remove(s.done) }, hub.AddressChanged},
		{"the folder is a file", func(s *site) error {
			return errors.Join(os.Remove(s.folder), os.WriteFile(s.folder, nil, 0o600))
		}, hub.AddressChanged},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newSite(t, nil)
			if err := test.do(s); err != nil {
				t.Fatal(err)
			}
			s.want(delivery("01JH-bygg", ansokan), hub.NotNow, test.cause, "nothing was written")
			if _, err := s.system.Destination.Find(t.Context(), delivery("01JH-bygg", ansokan)); errors.Is(err, hub.ErrNotFound) || err == nil {
				t.Errorf("find: %v; nobody knows what lies there", err)
			}
		})
	}
	s := newSite(t, nil)
	s.sim.Fail(simfolder.Absent)
	s.deliver(delivery("01JH-bygg", ansokan))
	s.sim.Heal()
	s.want(delivery("01JH-bygg", ansokan), hub.Yes, "", "it has been mended")
}

// TestHalfWritten: what a crash left under the hidden name is read by nobody, and begun again.
func TestHalfWritten(t *testing.T) {
	for _, attachments := range []bool{false, true} {
		s := newSite(t, func(c *filedrop.Config) { c.Attachments = attachments })
		left := filepath.Join(s.folder, ".01JH-bygg.xml.4711.part", "01JH-bygg.xml")
		if attachments {
			left = filepath.Join(s.folder, ".01JH-bygg.4711.part", "bilaga-01.pdf")
		}
		if err := os.Mkdir(filepath.Dir(left), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(left, []byte("<Ans"), 0o600); err != nil {
			t.Fatal(err)
		}
		if n, _ := s.sim.Step(); n != 0 {
			t.Error("the other system read half a file")
		}
		if _, err := s.system.Destination.Find(t.Context(), delivery("01JH-bygg", ansokan)); !errors.Is(err, hub.ErrNotFound) {
			t.Errorf("find: %v", err)
		}
		s.want(delivery("01JH-bygg", ansokan), hub.Yes, "", "it is begun again")
		s.sim.Step()
		if left, _ := os.ReadDir(s.folder); len(left) != 0 || s.sim.Taken("01JH-bygg") != 1 {
			t.Errorf("%d files are left, and it was taken %d times", len(left), s.sim.Taken("01JH-bygg"))
		}
	}
}

func TestFileThatCannotBeRead(t *testing.T) {
	s := newSite(t, func(c *filedrop.Config) { c.Attachments = true })
	for name, open := range map[string]func(context.Context) (io.ReadCloser, error){
		"gone":  func(context.Context) (io.ReadCloser, error) { return nil, errors.New("Alva") },
		"other": func(context.Context) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("%PDF!")), nil },
	} {
		d := delivery("01JH-bygg", ansokan)
		d.Files[0].Open = open
		s.want(d, hub.NotNow, "", name)
		if left, _ := os.ReadDir(s.folder); len(left) != 0 {
			t.Errorf("%s: %d names are left", name, len(left))
		}
	}
	s.want(delivery("01JH-bygg", ansokan), hub.Yes, "", "it can be read again")
}

func TestWithoutDone(t *testing.T) {
	s := newSite(t, func(c *filedrop.Config) { c.Done = "" })
	if level := s.system.Can.Of("file").Level; level != hub.Blind {
		t.Errorf("the level is %s: a file that was taken cannot be told from one that was never written", level)
	}
	d := delivery("01JH-bygg", ansokan)
	s.want(d, hub.Yes, "", "")
	s.want(d, hub.Yes, "", "it lies there still")
	s.sim.Step()
	if _, err := s.system.Destination.Find(t.Context(), d); !errors.Is(err, hub.ErrCannotTell) {
		t.Errorf("find: %v, want %v", err, hub.ErrCannotTell)
	}
	if level := newSite(t, nil).system.Can.Of("file").Level; level != hub.Idempotent {
		t.Errorf("with done the level is %s", level)
	}
}

// TestNames: nothing in a Key or a name leads out of the folder.
func TestNames(t *testing.T) {
	s := newSite(t, func(c *filedrop.Config) { c.Attachments = true })
	for key, want := range map[string]string{
		"01JH-bygg-r2": "01JH-bygg-r2", "../../etc/passwd": "%2E%2E%2F%2E%2E%2Fetc%2Fpasswd", "..": "%2E%2E",
		"01JH-förskola": "01JH-f%C3%B6rskola", `a\b:c`: "a%5Cb%3Ac", "a%2Fb": "a%252Fb",
	} {
		if r := s.want(delivery(key, ansokan), hub.Yes, "", key); r.Number != want {
			t.Errorf("the key %q is the file %q, want %q", key, r.Number, want)
		}
	}
	around, err := os.ReadDir(filepath.Dir(s.folder))
	if err != nil || len(around) != 4 { // in, in-refused, done, ledger
		t.Errorf("beside the folder lie %v, %v", around, err)
	}
}

func TestManyAtOnce(t *testing.T) {
	s := newSite(t, nil)
	var all sync.WaitGroup
	for i := range 40 { // each key twice at the same time, as after a lease that ran out
		all.Go(func() {
			s.system.Destination.Deliver(t.Context(), delivery(fmt.Sprintf("01JH%02d-bygg", i/2), ansokan))
		})
	}
	all.Wait()
	s.sim.Step()
	for i := range 20 {
		d := delivery(fmt.Sprintf("01JH%02d-bygg", i), ansokan)
		s.want(d, hub.Yes, "", "in the end it is there")
		s.sim.Step()
		if n := s.sim.Taken(string(d.Key)); n != 1 {
			t.Errorf("%s was taken %d times", d.Key, n)
		}
	}
}

func TestConfig(t *testing.T) {
	for name, c := range map[string]filedrop.Config{
		"no folder": {}, "done is the folder": {Folder: "/srv/in", Done: "/srv/in/"}, "ending without dot": {Folder: "/srv/in", Ending: "xml"},
		"ending with slash": {Folder: "/srv/in", Ending: "./../xml"},
	} {
		if _, err := filedrop.New.Open(t.Context(), hub.Env{}, func(into any) error { *into.(*filedrop.Config) = c; return nil }); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	s := newSite(t, func(c *filedrop.Config) { c.Ending = ".ans" })
	if r := s.want(delivery("01JH-bygg", ansokan), hub.Yes, "", ""); r.Number != "01JH-bygg.ans" {
		t.Errorf("the file is %s", r.Number)
	}
}

// TestSimulator: what the building system does with what comes from elsewhere.
func TestSimulator(t *testing.T) {
	s := newSite(t, nil)
	for name, content := range map[string]string{
		"half.xml": ansokan[:60], "other.xml": `<Annat/>`, "empty.xml": ``, "good.xml": ansokan,
		"still.xml.part": ansokan, ".hidden": ansokan,
	} {
		if err := os.WriteFile(filepath.Join(s.folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := s.sim.Step(); n != 4 || err != nil {
		t.Errorf("looked at %d, %v", n, err)
	}
	refused := map[string]bool{}
	for _, e := range s.sim.Ledger() {
		refused[e.Name] = e.Refused != ""
	}
	if diff := cmp.Diff(map[string]bool{"half.xml": true, "other.xml": true, "empty.xml": true, "good.xml": false}, refused); diff != "" {
		t.Error(diff)
	}
	os.WriteFile(filepath.Join(s.folder, "good.xml"), []byte(ansokan), 0o600)
	s.sim.Close()
	s.open() // after a restart it remembers
	s.sim.Step()
	if n := s.sim.Taken("good"); n != 2 {
		t.Errorf("a file that came twice was taken %d times", n)
	}
	if err := os.Rename(filepath.Join(s.done, "good.xml.2"), filepath.Join(s.folder, "again.xml")); err != nil {
		t.Fatal(err)
	}
	s.sim.Fail(simfolder.Idle)
	if n, _ := s.sim.Step(); n != 0 {
		t.Error("it is idle, and takes a file")
	}
	s.sim.Heal()
	s.sim.Fail(simfolder.Strict)
	if s.sim.Step(); s.sim.Taken("again") != 0 {
		t.Error("it is strict, and takes a file")
	}
	s.sim.Close()
}

func TestConformance(t *testing.T) {
	for name, s := range map[string]certify.Subject{"alone": filedropsim.Subject(), "with files": filedropsim.SubjectWithFiles()} {
		t.Run(name, func(t *testing.T) {
			s.Connector = filedrop.New
			connectortest.Run(t, s)
		})
	}
}

// TestREADME holds the sample in the README against what systems.yaml may say.
func TestREADME(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, sample, _ := bytes.Cut(text, []byte("```yaml\n"))
	sample, _, _ = bytes.Cut(sample, []byte("```"))
	if !bytes.Contains(sample, []byte("connector: filedrop")) {
		t.Fatal("there is no sample of systems.yaml")
	}
	known := []string{"connector"}
	for _, f := range filedrop.New.Fields {
		known = append(known, f.Name)
	}
	for _, m := range regexp.MustCompile(`(?m)^  ([a-z-]+):`).FindAllSubmatch(sample, -1) {
		if !slices.Contains(known, string(m[1])) {
			t.Errorf("the sample has the field %s, which is none", m[1])
		}
	}
}
