package edlevo_test

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/edlevo"
	"github.com/knutpunkt/knutpunkt/connectors/edlevo/edlevosim"
	"github.com/knutpunkt/knutpunkt/hub"
)

func TestPollTellsTheWordThatItIsAt(t *testing.T) {
	for _, kind := range []string{"NextYear", "CurrentYear", "Reelection"} {
		tw := newTown(t, edlevosim.Options{Pace: []time.Duration{time.Hour, 3 * time.Hour}}, edlevo.Config{})
		d := form{kind, mother, hers.at, []string{"3011", "!4102"}}.delivery()
		receipt, err := tw.deliver(d)
		if err != nil {
			t.Fatal(err)
		}
		said := map[string]string{} // word by the ID of its report
		expect := func(word string) {
			t.Helper()
			for range 2 {
				reports, err := tw.poll(d, receipt)
				if err != nil || len(reports) != 1 {
					t.Fatalf("%s: Poll gives %v, %v", kind, reports, err)
				}
				r := reports[0]
				if r.Word != word || r.Key != d.Key || r.Ref != receipt.Ref || r.At.IsZero() || r.Correction {
					t.Errorf("%s: the report is %+v, want the word %s", kind, r, word)
				}
				if before, known := said[r.ID]; known && before != word || strings.Contains(r.ID, child[2:]) {
					t.Errorf("%s: the ID %s is of %s and of %s", kind, r.ID, before, word)
				}
				said[r.ID] = word
			}
		}
		expect("Utskickad")
		tw.pass(time.Hour)
		expect("Påbörjad")
		tw.sim.Move(receipt.Number, "Oense")
		expect("Oense")
		tw.pass(2 * time.Hour)
		expect("Accepterad")
		if len(said) != 4 {
			t.Errorf("%s: four words have %d IDs", kind, len(said))
		}
	}
}

func TestPollAsksNothingAboutWhatHasNoProgress(t *testing.T) {
	tw := newTown(t, edlevosim.Options{}, edlevo.Config{})
	for _, d := range []hub.Delivery{unmade("Unknown"), consent("{17084B40-08F5-4BCD-A739-C0D08C176BAD}", father, "Agree")} {
		if reports, err := tw.poll(d, hub.Receipt{Number: "1"}); err != nil || len(reports) > 0 || len(tw.asked) > 0 {
			t.Errorf("Poll gives %v, %v", reports, err)
		}
	}
}

// answering gives a system that answers everything with what said is then.
func answering(t testing.TB, said *string) hub.System {
	t.Helper()
	client := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(*said)), Request: r}, nil
	})}
	e := hub.Env{HTTP: client, Reads: client, Log: slog.New(slog.DiscardHandler), Clock: time.Now}
	return opened(t, e, edlevo.Config{URL: "http://edlevo.example", Status: "http://edlevo.example", License: hub.NewSecret(license)})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// told is what is told of a child's applications.
func told(applications string) string {
	return `<?xml version="1.0" encoding="utf-16"?><PersonApplication xmlns="http://open.tieto.com/edu/applicationstatus/v1">` +
		`<properties><datetime>2026-03-05T06:00:00</datetime><datasource>Edlevo</datasource><type>CompletePreschoolApplicationStatus</type></properties>` +
		`<person><personid>` + child + `</personid><firstname>Ture</firstname><lastname>Exempelsson</lastname>` + applications +
		`<timestamp>2026-03-05T06:00:00</timestamp></person></PersonApplication>`
}

func one(id, day, word string, schools ...string) string {
	text := "<application><id>" + id + "</id><applicationdate>" + day + "</applicationdate><status>" + word + "</status>"
	for _, s := range schools {
		text += "<schoolchoice><unit>" + s + "</unit></schoolchoice>"
	}
	return text + "</application>"
}

// TestWhichApplicationIsOurs: the answer has all of a child's applications, may know them by other ids than
// those that were read back, and has more in it than the schema allows.
func TestWhichApplicationIsOurs(t *testing.T) {
	const id = "{17084B40-08F5-4BCD-A739-C0D08C176BAD}"
	schools := []string{"Sundskolan", "Friskolan Linden", "centralskolan "}
	for _, c := range []struct {
		name, said, want string
	}{
		{"by its id", one("x", "2026-03-02", "Hanterad", schools...) + one(strings.ToLower(id), "2025-01-01", "Sparad"), "Sparad"},
		{"by its schools", one("x", "2026-03-02", "Påbörjad", schools...) + one("y", "2026-03-02", "Oense", "Sundskolan"), "Påbörjad"},
		{"of a year ago", one("x", "2025-03-02", "Påbörjad", schools...), ""},
		{"of two the same", one("x", "2026-03-02", "Påbörjad", schools...) + one("y", "2026-03-03", "Oense", schools...), ""},
		{"none", "", ""},
		{"without a word", one(id, "2026-03-02", ""), ""},
		{"of the preschool", `<application><id>` + id + `</id><status> Kö </status><preschoolleisuretimecenter><queuenumber>första</queuenumber>` +
			`<queuedate>snart</queuedate></preschoolleisuretimecenter></application>`, "Kö"},
	} {
		t.Run(c.name, func(t *testing.T) {
			said := told(c.said)
			reports, err := answering(t, &said).Poller.Poll(t.Context(), hers.delivery(), hub.Receipt{Number: strings.Trim(id, "{}"), Ref: id})
			switch {
			case c.want == "" && (!errors.Is(err, hub.ErrNotFound) || len(reports) > 0):
				t.Errorf("Poll gives %v, %v", reports, err)
			case c.want != "" && (err != nil || len(reports) != 1 || reports[0].Word != c.want):
				t.Errorf("Poll gives %v, %v, want %s", reports, err, c.want)
			case c.want != "" && !reports[0].At.Equal(time.Date(2026, 3, 5, 6, 0, 0, 0, hub.Stockholm)):
				t.Errorf("it happened at %s", reports[0].At)
			}
		})
	}
	said := strings.Replace(told(one(id, "2026-03-02", "Accepterad")), child, "201801042381", 1)
	if reports, err := answering(t, &said).Poller.Poll(t.Context(), hers.delivery(), hub.Receipt{Number: strings.Trim(id, "{}")}); err == nil {
		t.Errorf("of another child Poll gives %v", reports)
	}
}

// FuzzAnswers: whatever is answered, what comes of it is whole, and says nothing of it.
func FuzzAnswers(f *testing.F) {
	f.Add(told(one("{17084B40-08F5-4BCD-A739-C0D08C176BAD}", "2026-03-02", "Accepterad")))
	f.Add(`<schoolsearch xmlns="http://open.tieto.com/edu/schoolsearch/v4"><result status="OK"/></schoolsearch>`)
	f.Add(`<schoolsearch xmlns="http://open.tieto.com/edu/schoolsearch/v4"><child><ssn>` + child + `</ssn><hasappliedtonextyear>1</hasappliedtonextyear></child></schoolsearch>`)
	f.Add("\xFF\xFE<\x00?\x00x\x00m\x00l\x00")
	f.Add("\uFEFF<?xml version='1.0' encoding='utf-16'?><schoolsearch/>")
	said := ""
	system := answering(f, &said)
	f.Fuzz(func(t *testing.T, text string) {
		said = text
		d := hers.delivery()
		r, err := system.Destination.Deliver(t.Context(), d)
		if err == nil && (r.Number == "" || r.At.IsZero()) {
			t.Errorf("half a receipt: %+v", r)
		}
		if _, err := system.Destination.Find(t.Context(), d); err != nil && strings.Contains(err.Error(), child) {
			t.Error("an error says whom it is about")
		}
		reports, _ := system.Poller.Poll(t.Context(), d, hub.Receipt{Number: "17084B40-08F5-4BCD-A739-C0D08C176BAD"})
		for _, r := range reports {
			if r.ID == "" || r.Word == "" || r.At.IsZero() {
				t.Errorf("half a report: %+v", r)
			}
		}
	})
}
