package paxml_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/connectortest"
	"github.com/knutpunkt/knutpunkt/connectors/paxml"
	"github.com/knutpunkt/knutpunkt/connectors/paxml/paxmlsim"
	"github.com/knutpunkt/knutpunkt/connectors/simfolder"
	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// An office is a payroll office: the folder, and the system that reads it.
type office struct {
	t      *testing.T
	now    time.Time
	home   string
	sim    *paxmlsim.Sim
	system hub.System
}

func newOffice(t *testing.T, change func(*paxml.Config)) *office {
	t.Helper()
	o := &office{t: t, now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC), home: t.TempDir()}
	var err error
	o.sim, err = paxmlsim.New(paxmlsim.Options{
		Dir: o.path("ledger"), Folder: o.path("in"), Done: o.path("done"), Refused: o.path("refused"), Receipts: o.path("receipts"),
		Schema: ours(t), Clock: func() time.Time { return o.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.sim.Close() })
	c := paxml.Config{Folder: o.path("in"), Done: o.path("done"), Receipts: o.path("receipts")}
	if change != nil {
		change(&c)
	}
	if o.system, err = opened(t, c); err != nil {
		t.Fatal(err)
	}
	return o
}

func opened(t *testing.T, c paxml.Config) (hub.System, error) {
	env := hub.Env{ID: "karlstad.lon", Clock: func() time.Time { return time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC) }}
	return paxml.New.Open(t.Context(), env, func(into any) error { *into.(*paxml.Config) = c; return nil })
}

func (o *office) path(name string) string { return filepath.Join(o.home, name) }

// ours is the schema that mappings hold their documents against.
func ours(t testing.TB) document.Validator {
	t.Helper()
	v, err := document.CompileXSD(os.DirFS("../../schemas"), "paxml/paxml-2.0.xsd")
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func delivery(key, text string) hub.Delivery {
	return hub.Delivery{
		Key: hub.Key(key), Operation: "payroll", Document: hub.NewDocument("application/xml; charset=utf-8", []byte(text)),
		Files: []hub.File{connectortest.File("intyg.pdf", "application/pdf", "%PDF")},
	}
}

// file is a PAXml file with these records about time.
func file(records ...string) string {
	return `<?xml version="1.0" encoding="UTF-8"?><paxml><header><version>2.0</version><format>LÖNIN</format></header>` +
		`<tidtransaktioner>` + strings.Join(records, "") + `</tidtransaktioner></paxml>`
}

// about is a record about one of Skatteverket's test numbers.
func about(content string) string {
	return `<tidtrans persnr="189001019802">` + content + `</tidtrans>`
}

const holiday = `<tidkod>SEM</tidkod><datumfrom>2026-06-22</datumfrom><datumtom>2026-07-17</datumtom>`

func TestOneFormIsOneFile(t *testing.T) {
	o := newOffice(t, nil)
	latin, err := document.ReadXML(strings.NewReader(file(about(holiday+`<info>Föräldrar på Åland</info>`))), document.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := document.WriteXML(latin, document.Style{Charset: document.Latin1})
	if err != nil {
		t.Fatal(err)
	}
	first, err := o.system.Destination.Deliver(t.Context(), delivery("01JH-lon", string(text)))
	if err != nil || first.Number != "01JH-lon.xml" || first.Parts != nil {
		t.Fatalf("receipt %+v, %v; want the name of the file, and nothing of the attachment, which PAXml has no place for", first, err)
	}
	if written, _ := os.ReadFile(filepath.Join(o.path("in"), first.Number)); !bytes.Equal(written, text) {
		t.Error("the file is not the document, byte for byte")
	}
	if n, err := o.sim.Step(); n != 1 || err != nil || o.sim.Taken("01JH-lon") != 1 {
		t.Fatalf("the payroll system takes %d, %v: %+v", n, err, o.sim.Ledger())
	}
	again, err := o.system.Destination.Deliver(t.Context(), delivery("01JH-lon", string(text)))
	if err != nil || !again.At.Equal(first.At) || again.Number != first.Number {
		t.Errorf("again: %+v, %v; want the same receipt", again, err)
	}
	if n, _ := o.sim.Step(); n != 0 {
		t.Error("it was written twice")
	}
	want := paxmlsim.Time{Who: "189001019802", Code: "SEM", From: "2026-06-22", To: "2026-07-17", Info: "Föräldrar på Åland"}
	if got := o.sim.Ledger()[0].Times; len(got) != 1 || got[0] != want {
		t.Errorf("the ledger has %+v", got)
	}
}

const (
	timePath = "paxml/tidtransaktioner/tidtrans"
	lonePath = "paxml/lonetransaktioner/lonetrans"
	byClock  = `<tidkod>KOM</tidkod><starttid>2026-06-22T08:00:00</starttid><sluttid>2026-06-22T12:00:00</sluttid>`
)

// rules are documents that no payroll system should be given, each with the place and the rule. The
// simulated payroll system, which shares no code with the connector, refuses each of them too.
var rules = []struct{ name, text, place, rule string }{
	{"about nobody", file(`<tidtrans>` + holiday + `</tidtrans>`), timePath, "rule 1"},
	{"about nobody, with blanks", file(`<tidtrans anstid=" ">` + holiday + `</tidtrans>`), timePath, "rule 1"},
	{"pay of nobody", lonetrans(`<lonetrans><lonkod>UTLÄGG</lonkod><belopp>350.00</belopp></lonetrans>`), lonePath, "rule 1"},
	{"no day", file(about(`<tidkod>SEM</tidkod>`)), timePath, "rule 2"},
	{"half an interval", file(about(`<tidkod>SEM</tidkod><datumfrom>2026-06-22</datumfrom>`)), timePath, "rule 2"},
	{"a day and an interval", file(about(holiday + `<datum>2026-06-22</datum>`)), timePath, "rule 2"},
	{"a day and half an interval", file(about(`<tidkod>SEM</tidkod><datum>2026-06-22</datum><datumtom>2026-06-22</datumtom>`)),
		timePath, "rule 2"},
	{"the second of two", file(about(holiday), about(`<tidkod>SEM</tidkod><starttid>2026-06-22T08:00:00</starttid>`)),
		timePath + "[2]", "rule 2"},
	{"an interval with hours", file(about(holiday + `<timmar>16</timmar>`)), timePath + "/timmar", "rule 3"},
	{"an extent of overtime", file(about(`<tidkod>ÖT1</tidkod><datum>2026-06-22</datum><omfattning>50</omfattning>`)),
		timePath + "/omfattning", "rule 4"},
	{"an interval of overtime", file(about(strings.Replace(holiday, "SEM", "ÖT1", 1))), timePath + "/datumfrom", "rule 4"},
	{"by the clock, with an extent", file(about(byClock + `<omfattning>50</omfattning>`)), timePath + "/omfattning", "rule 5"},
	{"by the clock, with hours", file(about(byClock + `<timmar>4</timmar>`)), timePath + "/timmar", "rule 5"},
	{"negative hours", file(about(`<tidkod>KOM</tidkod><datum>2026-06-22</datum><timmar>-4</timmar>`)),
		timePath + "/timmar", "rule 6"},
	{"a negative amount", lonetrans(`<lonetrans anstid="101"><lonkod>UTLÄGG</lonkod><belopp>-350.00</belopp></lonetrans>`),
		lonePath + "/belopp", "rule 6"},
	{"semgrund", file(about(holiday + `<semgrund>true</semgrund>`)), timePath + "/semgrund", "rule 7"},
	{"ten digits", file(`<tidtrans persnr="9001019802">` + holiday + `</tidtrans>`), timePath + "/@persnr", "twelve digits"},
	{"ten digits and a hyphen", file(`<tidtrans persnr="0900101-9802">` + holiday + `</tidtrans>`),
		timePath + "/@persnr", "twelve digits"},
	{"a child with ten digits", file(about(`<tidkod>VAB</tidkod><datum>2026-03-09</datum><barn>2302142399</barn>`)),
		timePath + "/barn", "twelve digits"},
	{"the name of a zone", file(about(`<tidkod>KOM</tidkod><starttid>2026-06-22T08:00:00+02:00[Europe/Stockholm]</starttid><sluttid>2026-06-22T12:00:00+02:00[Europe/Stockholm]</sluttid>`)),
		timePath + "/starttid", "name of a zone"},
	{"backwards", file(about(`<tidkod>SEM</tidkod><datumfrom>2026-07-17</datumfrom><datumtom>2026-06-22</datumtom>`)),
		timePath + "/datumtom", "before the beginning"},
	{"hours and extent", file(about(`<tidkod>SEM</tidkod><datum>2026-06-22</datum><timmar>4</timmar><omfattning>50</omfattning>`)),
		timePath + "/omfattning", "two ways"},
	{"more hours of absence than a day has", file(about(`<tidkod>TJL</tidkod><datum>2026-03-09</datum><timmar>24.01</timmar>`)),
		timePath + "/timmar", "more than none, and 24"},
	{"absence of no hours", file(about(`<tidkod>VAB</tidkod><datum>2026-03-09</datum><timmar>0.00</timmar><barn>202302142399</barn>`)),
		timePath + "/timmar", "more than none, and 24"},
	{"version 2.2", strings.Replace(file(about(holiday)), "2.0", "2.2", 1), "paxml/header/version", "2.2, which this connector does not know"},
	{"no version", strings.Replace(file(about(holiday)), "<version>2.0</version>", "", 1), "paxml/header/version", "must be 2.0"},
	{"something else", `<annat/>`, "annat", "must be paxml"},
	{"in a namespace", strings.Replace(file(about(holiday)), "<paxml>", `<paxml xmlns="urn:x">`, 1), "paxml", "in no namespace"},
	{"half a file", file(about(holiday))[:150], "", "truncated"},
}

func lonetrans(records string) string {
	return `<?xml version="1.0" encoding="UTF-8"?><paxml><header><version>2.0</version></header><lonetransaktioner>` + records + `</lonetransaktioner></paxml>`
}

func TestRulesThatTheSchemaMisses(t *testing.T) {
	o := newOffice(t, nil)
	for i, test := range rules {
		t.Run(test.name, func(t *testing.T) {
			d := delivery(fmt.Sprintf("01JH%02d-lon", i), test.text)
			found := o.system.Checker.Check(d)
			if !slices.ContainsFunc(found, func(b hub.Breach) bool { return b.Path == test.place && strings.Contains(b.Text, test.rule) }) {
				t.Fatalf("found %+v, want %s at %s", found, test.rule, test.place)
			}
			r, err := o.system.Destination.Deliver(t.Context(), d)
			if a, _, _ := hub.AnswerOf(r, err); a != hub.No || !strings.Contains(err.Error(), test.place) {
				t.Errorf("the answer is %s, %v; want no, and the place", a, err)
			}
			for _, value := range []string{"189001019802", "9802", "2302142399", "350", "2026", "ÖT1"} {
				if strings.Contains(err.Error(), value) && !strings.Contains(test.rule, value) {
					t.Errorf("the error repeats a value: %v", err)
				}
			}
			if left, _ := os.ReadDir(o.path("in")); len(left) != 0 {
				t.Fatalf("%d files lie in the folder", len(left))
			}
			os.WriteFile(filepath.Join(o.path("in"), string(d.Key)+".xml"), []byte(test.text), 0o600)
			if o.sim.Step(); o.sim.Taken(string(d.Key)) != 0 {
				t.Error("the payroll system takes it, so who is wrong?")
			}
		})
	}
}

// taken are documents that are right, of every sort that a form can lead to.
var taken = map[string]string{
	"one day":                            file(about(`<tidkod>SEM</tidkod><datum>2026-03-09</datum>`)),
	"hours of a day":                     file(about(`<tidkod>TJL</tidkod><datum>2026-03-09</datum><timmar>4.5</timmar>`)),
	"all of a day":                       file(about(`<tidkod>TJL</tidkod><datum>2026-03-09</datum><timmar>24</timmar>`)),
	"a balance":                          file(about(`<tidkod>FLX</tidkod><datum>2026-03-09</datum><timmar>31.5</timmar>`)),
	"on call, the day that has 25 hours": file(about(`<tidkod>JR1</tidkod><datum>2026-10-25</datum><timmar>25</timmar>`)),
	"half a day":                         file(about(`<tidkod>TJL</tidkod><datum>2026-03-09</datum><omfattning>50</omfattning>`)),
	"an interval":                        file(about(holiday)),
	"half of a summer":                   file(about(holiday + `<omfattning>62.50</omfattning>`)),
	"by the clock":                       file(about(`<tidkod>KOM</tidkod><starttid>2026-03-09T13:00:00</starttid><sluttid>2026-03-09T17:00:00</sluttid>`)),
	"a child each":                       file(about(`<tidkod>VAB</tidkod><datum>2026-03-09</datum><barn>202302142399</barn>`), about(`<tidkod>VAB</tidkod><datum>2026-03-10</datum><barn>202301012395</barn>`)),
	"a coordination no.":                 file(`<tidtrans persnr="198206822390"><tidkod>SEM</tidkod><datum>2026-03-09</datum></tidtrans>`),
	"by employment":                      file(`<tidtrans anstid="101"><tidkod>SEM</tidkod><datum>2026-03-09</datum></tidtrans>`),
	"overtime":                           file(about(`<tidkod>ÖT1</tidkod><datum>2026-03-09</datum><timmar>2</timmar>`)),
	"an outlay":                          lonetrans(`<lonetrans anstid="101"><lonkod>UTLÄGG</lonkod><datum>2026-03-09</datum><belopp>350.00</belopp></lonetrans>`),
}

func TestWhatIsRightIsTaken(t *testing.T) {
	o := newOffice(t, nil)
	for name, text := range taken {
		key := strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' {
				return r
			}
			return '-'
		}, name)
		if _, err := o.system.Destination.Deliver(t.Context(), delivery(key, text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if o.sim.Step(); o.sim.Taken(key) != 1 {
			t.Errorf("%s: the payroll system refuses it: %+v", name, o.sim.Ledger())
		}
	}
}

func TestWhatMayBeLetThrough(t *testing.T) {
	o := newOffice(t, func(c *paxml.Config) { c.Corrections, c.Semgrund, c.Ending = true, true, ".pax" })
	r, err := o.system.Destination.Deliver(t.Context(), delivery("01JH-lon",
		file(about(`<tidkod>KOM</tidkod><datum>2026-06-22</datum><timmar>-4</timmar><semgrund>true</semgrund>`))))
	if err != nil || r.Number != "01JH-lon.pax" {
		t.Errorf("%+v, %v; want it delivered as a .pax", r, err)
	}
}

func TestReceipts(t *testing.T) {
	o := newOffice(t, nil)
	r, err := o.system.Destination.Deliver(t.Context(), delivery("01JH-lon", taken["one day"]))
	if err != nil {
		t.Fatal(err)
	}
	told := func(since hub.Cursor) ([]hub.Report, hub.Cursor) {
		reports, next, err := o.system.Tracker.Changes(t.Context(), since)
		if err != nil {
			t.Fatal(err)
		}
		return reports, next
	}
	none, begin := told("")
	if len(none) != 0 {
		t.Fatalf("%+v: a file that lies in the folder is delivered, and not read in", none)
	}
	o.now = o.now.Add(time.Hour)
	o.sim.Step()
	reports, next := told(begin)
	want := hub.Report{System: "karlstad.lon", ID: "01JH-lon.xml", Ref: r.Number, Word: "kvitterad", At: o.now}
	if len(reports) != 1 || reports[0].Ref != want.Ref || reports[0].Word != want.Word || !reports[0].At.Equal(want.At) {
		t.Errorf("told %+v, want %+v", reports, want)
	}
	if again, same := told(next); len(again) != 0 || same != next {
		t.Errorf("nothing is new, and it tells %+v", again)
	}
	os.RemoveAll(o.path("receipts"))
	if _, _, err := o.system.Tracker.Changes(t.Context(), next); err == nil || strings.Contains(err.Error(), o.home) {
		t.Errorf("a folder that is gone: %v; want an error that names no path", err)
	}
}

func TestConfig(t *testing.T) {
	for name, c := range map[string]paxml.Config{
		"no folder": {}, "done is the folder": {Folder: "/srv/in", Done: "/srv/in/"},
		"receipts in the folder": {Folder: "/srv/in", Receipts: "/srv/in"}, "ending without dot": {Folder: "/srv/in", Ending: "pax"},
	} {
		if _, err := opened(t, c); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	s, err := opened(t, paxml.Config{Folder: "/srv/in"})
	if can := s.Can.Of("payroll"); err != nil || can.Level != hub.Blind || can.Protected || s.Tracker != nil {
		t.Errorf("%+v, %v: what was taken cannot be told from what was never written, and PAXml has no mark of protection", can, err)
	}
	if can := newOffice(t, nil).system.Can.Of("payroll"); can.Level != hub.Idempotent {
		t.Errorf("with done the level is %s", can.Level)
	}
}

func TestConformance(t *testing.T) {
	s := paxmlsim.Subject()
	s.Connector = paxml.New
	connectortest.Run(t, s)
}

// TestSimulator: what a restart, and a bad day at the payroll office, do.
func TestSimulator(t *testing.T) {
	o := newOffice(t, nil)
	deliver := func(key string) error {
		_, err := o.system.Destination.Deliver(t.Context(), delivery(key, taken["one day"]))
		return err
	}
	o.sim.Fail(simfolder.Absent)
	if a, _, cause := hub.AnswerOf(hub.Receipt{}, deliver("01JH-lon")); a != hub.NotNow || cause != hub.AddressChanged {
		t.Errorf("a folder that is not there: %s (%s)", a, cause)
	}
	o.sim.Heal()
	o.sim.Fail(simfolder.Idle)
	if n, _ := o.sim.Step(); deliver("01JH-lon") != nil || n != 0 {
		t.Error("it is idle, and takes a file")
	}
	o.sim.Heal()
	o.sim.Fail(simfolder.Strict)
	if o.sim.Step(); o.sim.Ledger()[0].Refused == "" {
		t.Error("it is strict, and takes a file")
	}
	o.sim.Close()
	again, err := paxmlsim.New(o.sim.Options)
	if err != nil || len(again.Ledger()) != 1 {
		t.Errorf("after a restart it remembers %d files, %v", len(again.Ledger()), err)
	}
}

// TestREADME opens the connector by the sample in the README.
func TestREADME(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	sample := regexp.MustCompile("(?s)```yaml\nlon:\n  connector: paxml\n(.*?)```").FindSubmatch(text)
	if sample == nil {
		t.Fatal("there is no sample of systems.yaml")
	}
	fields := strings.ReplaceAll("\n"+string(sample[1]), "\n  ", "\n")
	s, err := paxml.New.Open(t.Context(), hub.Env{Clock: time.Now}, connectortest.Decode(t, paxml.New)(fields))
	if err != nil || s.Tracker == nil || s.Can.Of("payroll").Level != hub.Idempotent {
		t.Errorf("%+v, %v", s, err)
	}
}

func FuzzCheck(f *testing.F) {
	for _, test := range rules {
		f.Add([]byte(test.text))
	}
	for _, text := range taken {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := opened(t, paxml.Config{Folder: "/srv/in"})
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range s.Checker.Check(hub.Delivery{Operation: "payroll", Document: hub.NewDocument("application/xml", text)}) {
			if b.Text == "" {
				t.Error("a breach says nothing")
			}
		}
	})
}
