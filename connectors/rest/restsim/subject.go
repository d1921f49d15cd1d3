package restsim

import (
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/certify"
	"github.com/knutpunkt/knutpunkt/hub"
)

// Subject is what it takes to examine a connector to a system of a level.
func Subject(level hub.Level) certify.Subject { return subject(level, Config(level)) }

// SubjectAsked is the same for a system that is asked how each case is getting on.
func SubjectAsked() certify.Subject { return subject(hub.Blind, ConfigAsked()) }

func subject(level hub.Level, config string) certify.Subject {
	return certify.Subject{
		Config: "url: {{URL}}\ntoken: {{SECRET}}\n" + config,
		Fake:   func() certify.Fake { return newFake(level) },
		Deliveries: map[string]hub.Delivery{
			"case": {
				Document: hub.NewDocument("application/json", []byte(
					`{"sokande":{"personnummer":"`+certify.Number+`","namn":"`+certify.Name+`"}}`)),
				Files: []hub.File{
					certify.File(certify.Name+".pdf", "application/pdf", "%PDF ritning"),
					certify.File(certify.Name+".pdf", "application/pdf", "%PDF ritning"),
					certify.File("formulär.xml", "text/xml", "<a/>"),
				},
			},
		},
	}
}

// A fake is the simulator on a clock that goes on when it is told to.
type fake struct {
	*Sim
	now *time.Time
}

func newFake(level hub.Level) fake {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	o := Options{Level: level, Token: certify.Secret, Clock: func() time.Time { return now }}
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
