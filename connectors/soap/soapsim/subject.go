package soapsim

import (
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/certify"
	"github.com/knutpunkt/knutpunkt/hub"
)

// Subject is what it takes to examine a connector to a system of a level.
func Subject(level hub.Level) certify.Subject {
	return certify.Subject{
		Config: "url: {{URL}}\nusername-token: { user: knut, secret: {{SECRET}} }\n" + Config(level),
		Fake:   func() certify.Fake { return newFake(level) },
		Deliveries: map[string]hub.Delivery{
			"case": {Document: hub.NewDocument("text/xml; charset=utf-8", []byte(example)), Files: []hub.File{
				certify.File(certify.Name+".pdf", "application/pdf", "%PDF ritning"),
				certify.File(certify.Name+".pdf", "application/pdf", "%PDF ritning"),
				certify.File("formulär.xml", "text/xml", "<a/>"),
			}},
		},
		Vary:    vary,
		Refusal: says("17"),
		Fault:   says("90"),
	}
}

const example = `<RegistreraArende xmlns="urn:exempel:arende"><Referens>KEY</Referens><Rubrik>Bygglov för altan</Rubrik>` +
	`<Sokande><Personnummer>` + certify.Number + `</Personnummer><Namn>` + certify.Name + `</Namn></Sokande></RegistreraArende>`

// vary writes the delivery's key in the document, as a mapping would.
func vary(d hub.Delivery, number int) hub.Delivery {
	text := strings.ReplaceAll(string(d.Document.Reveal()), "KEY", string(d.Key))
	d.Document = hub.NewDocument(d.Document.Type, []byte(text))
	return d
}

// says is how the system says with status 200 how it went.
func says(code string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `<s:Envelope xmlns:s="`+space11+`"><s:Body><RegistreraArendeResponse xmlns="`+dataSpace+`"><RegistreraArendeResult><Kod>`+
			code+`</Kod><Text>`+certify.Name+` `+certify.Number+`</Text></RegistreraArendeResult></RegistreraArendeResponse></s:Body></s:Envelope>`)
	}
}

// A fake is the simulator on a clock that goes on when it is told to.
type fake struct {
	*Sim
	now *time.Time
}

func newFake(level hub.Level) fake {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	o := Options{Level: level, Secret: certify.Secret, Clock: func() time.Time { return now }}
	if level == hub.Lookup {
		o.Lag = 2 * time.Second
	}
	sim, err := New(o)
	if err != nil {
		panic(err) // in memory there is nothing that can fail
	}
	return fake{sim, &now}
}

func (f fake) Cases() int { return f.count(CaseEntry) }
func (f fake) Parts() int { return f.count(FileEntry) }

func (f fake) count(kind Kind) (n int) {
	for _, e := range f.Ledger() {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

func (f fake) Move(number, word string, at time.Time) { f.Sim.Move(number, word, at) }
func (f fake) Pass(d time.Duration)                   { *f.now = f.now.Add(d) }
