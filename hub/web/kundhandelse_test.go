package web

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// TestEveryStepIsTold as the standard has it, and of the protected nothing but the e-service.
func TestEveryStepIsTold(t *testing.T) {
	r := &hub.Route{Municipality: "1080", From: "karlskrona.portal", Service: "altan", Title: "Bygglov för altan", Kundhandelse: "KARLSKRONA.ALTAN"}
	s := &Server{Options: Options{Hub: hub.New(hub.Options{Clock: time.Now, Bundle: &hub.Bundle{
		Routes: []*hub.Route{r}, Municipalities: map[hub.Municipality]hub.MunicipalityText{"1080": {Code: "1080", Name: "Karlskrona kommun"}},
	}})}}
	of := &nationalCase{Case: hub.Case{ID: "01", Municipality: "1080", Source: r.From, Service: r.Service}, route: r}
	typ := regexp.MustCompile(`^[A-Z]+(?:\.[A-Z0-9_]+){2,}$`)
	told := map[string]bool{}
	for _, step := range hub.Steps {
		line := hub.Status{
			Seq: 7, Case: "01", Step: step, At: time.Date(2026, 7, 1, 22, 30, 0, 0, time.UTC), Ball: hub.BallAt(step), Ref: "SBN 2026/1", Owner: "1080",
		}
		k := s.kundhandelse(of, line)
		if k.Rubrik == "" || told[k.Rubrik] || len(k.Rubrik) > 255 || !typ.MatchString(k.Typ) || k.ID != "01-7" || k.Producent != "Karlskrona kommun" {
			t.Errorf("%s is told as %+v", step, k)
		}
		if told[k.Rubrik] = true; k.Tidpunkt != "2026-07-02T00:30:00+02:00" || k.Beskrivning != "Bygglov för altan. Diarienummer SBN 2026/1." {
			t.Errorf("%s is told as %+v", step, k)
		}
		if k.KraverKundatgard != (step == hub.KompletteringBehov) || k.Klart != (step.Rank() >= hub.Beslutat.Rank()) {
			t.Errorf("%s: waits for her %v, done %v", step, k.KraverKundatgard, k.Klart)
		}
		hidden := *of
		hidden.protected = true
		if k := s.kundhandelse(&hidden, line); k.Rubrik != r.Title || k.Beskrivning != r.Title {
			t.Errorf("of the protected %s is told as %q %q", step, k.Rubrik, k.Beskrivning)
		}
	}
}

// FuzzReport: whatever a system sends, reading it neither breaks nor lets through what is no
// report, and none of it comes back.
func FuzzReport(f *testing.F) {
	for _, seed := range []string{
		`{"event":"1","ref":"SBN 2026/1","word":"Beslutat","at":"2026-03-02T09:00:00+01:00"}`,
		`{"event":"1","key":"01ARZ3NDEKTSV4RRFFQ69G5FAV-diarium","word":"x","at":"2026-03-02T09:00:00Z","correction":true}`,
		`{"event":"1","ref":"x","word":"<b>","at":"x","note":"198810032386"}`, `{"word":"\u202e198810032386"}`, `[]`, `null`, ``, `{"at":1e400}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var r report
		if err := document.DecodeJSON(text, &r); err != nil {
			if p := problemOf(err); p.status < 400 || p.status >= 500 {
				t.Fatalf("answered with %d", p.status)
			}
			return
		}
		if len(r.faults()) > 0 {
			return
		}
		told := r.report()
		if told.ID == "" || told.Ref == "" && told.Key == "" || hub.Normal(told.Word) == "" || told.At.Year() < 2000 {
			t.Fatal("half a report was let through")
		}
		if strings.ContainsAny(told.Word, "<>\n\r\t\x00") || mentionsPerson(told.Word) || len([]rune(told.Word)) > longestWord {
			t.Fatalf("the word %q was let through", told.Word)
		}
	})
}

// FuzzKundhandelseFraga: whatever is asked, reading it does not break, and what is let through
// can be answered.
func FuzzKundhandelseFraga(f *testing.F) {
	for _, seed := range []string{
		`{"fraga":{"parter":[{"kund":{"identifierare":"198810032386","typ":"Personnummer"}}]},"anvandare":"198810032386"}`,
		`{"fraga":{"parter":[{"arende":{"identifierare":"x","typ":"Diarienummer"}}],"behandling":{"sortering":[{"attribut":"RUBRIK","stigande":false}],"paginering":{"offset":9,"limit":1}}},"anvandare":"198810032386"}`,
		`{"fraga":{"parter":[null],"behandling":{"sortering":[{}],"paginering":{}}}}`, `{"fraga":null}`, `{}`, ``,
	} {
		f.Add([]byte(seed))
	}
	all := []kundhandelse{{Rubrik: "b", of: &nationalCase{}}, {Rubrik: "a", of: &nationalCase{}}}
	f.Fuzz(func(t *testing.T, text []byte) {
		var q kundhandelseFraga
		if err := document.DecodeJSON(text, &q); err != nil || len(q.faults()) > 0 {
			return
		}
		for _, p := range q.Fraga.Parter {
			if chosen := q.choose(p, all); len(q.Fraga.Behandling.page(chosen)) > len(chosen) || len(chosen) > len(all) {
				t.Fatal("more is told than there is")
			}
		}
	})
}
