package web

import (
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/knutpunkt/knutpunkt/hub"
)

// The first line answers who calls about a case (Fråga om ett ärende): an operator who has
// a reference and a reason sees exactly what the case's citizen sees, and what is expected
// next. That she looked, and why, is in the case's audit log before anything is shown.

// A question is what an operator posts. It is never part of an address, which is kept in
// logs and histories.
type question struct {
	Reference string `json:"reference"` // our ID of a case or a form, a diarienummer, or the platform's own number
	Reason    string `json:"reason"`    // for looking
}

// mostReference is how many letters a reference may have.
const mostReference = 64

func (q question) faults() []fault {
	faults := reasonFaults(q.Reason)
	switch reference := strings.TrimSpace(q.Reference); {
	case reference == "":
		faults = append(faults, fault{"/reference", "required"})
	case utf8.RuneCountInString(reference) > mostReference:
		faults = append(faults, fault{"/reference", "length"})
	case strings.ContainsFunc(reference, isUnprintable):
		faults = append(faults, fault{"/reference", "control-character"})
	case mentionsPerson(reference):
		faults = append(faults, fault{"/reference", "personal-number"})
	}
	return faults
}

// An answered question names the cases that the reference may mean. When it means one, that
// one is shown.
type answered struct {
	Cases []hit      `json:"cases"`
	Seen  *seen      `json:"seen,omitempty"`
	Next  *expecting `json:"next,omitempty"`
}

// A hit is a case that a reference may mean, told of by no more than a list tells.
type hit struct {
	ID           hub.CaseID `json:"id"` // as a reference it means this case and no other
	Title        string     `json:"title"`
	Municipality string     `json:"municipality"`
	Step         hub.Step   `json:"step"`
	Ref          string     `json:"ref,omitempty"`
}

// A seen case is what its citizen sees of it, in her words.
type seen struct {
	Citizen citizenCase `json:"-"` // the same, for the page

	Title     string     `json:"title"`
	CameIn    string     `json:"cameIn"`
	Step      string     `json:"step"`
	StepMeans string     `json:"stepMeans"`
	Ball      string     `json:"ball"` // who is to act
	BallMeans string     `json:"ballMeans"`
	Next      string     `json:"next,omitempty"`
	Late      string     `json:"late,omitempty"`
	Stuck     []string   `json:"stuck,omitempty"` // what keeps it, since when, who is on it, and what she is to do
	Track     []seenStep `json:"track"`
}

// A seenStep is one Step on the way, as the citizen sees it.
type seenStep struct {
	Name string `json:"name"`
	When string `json:"when,omitempty"`
	Said string `json:"said"` // done, here now, not yet …
}

func seenOf(v citizenCase) *seen {
	told := seen{
		Citizen: v, Title: v.Title, CameIn: v.CameIn.Text, Step: v.Step, StepMeans: v.Lead,
		Ball: v.Ball, BallMeans: v.Means, Next: v.Next, Late: v.Late, Track: []seenStep{},
	}
	if v.Stuck != nil {
		told.Stuck = []string{v.Stuck.Title, v.Stuck.What, v.Stuck.Since.Text, v.Stuck.Who, v.Stuck.You}
	}
	for _, step := range v.Track {
		told.Track = append(told.Track, seenStep{step.Name, step.When.Text, step.Said})
	}
	return &told
}

// An expecting says what is to happen to a case next.
type expecting struct {
	Step     hub.Step `json:"step,omitempty"`     // that it comes to if all goes well; "" at its end
	Promised hub.Step `json:"promised,omitempty"` // the first Step ahead that has a promised day, "" for none
	By       string   `json:"by,omitempty"`       // that day
	Late     bool     `json:"late"`               // it has passed
	Waits    []string `json:"waits"`              // what the hub itself is waiting for, in words
}

// answerTo finds what a reference means, as far as the operator may see it, and looks.
func (s *Server) answerTo(c *call, q question) (answered, error) {
	if faults := q.faults(); len(faults) > 0 {
		return answered{}, refusedFields(faults...)
	}
	ctx, a := c.r.Context(), answered{Cases: []hit{}}
	reference := strings.TrimSpace(q.Reference)
	ids, err := s.store.Named(ctx, c.as, reference)
	if err != nil {
		return a, err
	}
	if own := hub.CaseID(reference); slices.Contains(ids, own) { // a platform may number its forms like our cases
		ids = []hub.CaseID{own}
	}
	for _, id := range ids {
		of, err := s.store.Case(ctx, c.as, id)
		if err != nil {
			return a, err
		}
		title, municipality := s.names(of)
		a.Cases = append(a.Cases, hit{id, title, municipality, of.Step, of.Ref})
	}
	if len(ids) != 1 {
		return a, nil
	}
	return a, s.look(c, &a, ids[0], strings.TrimSpace(q.Reason))
}

// look shows what the citizen sees of a case, after it is written down who looked and why.
func (s *Server) look(c *call, a *answered, id hub.CaseID, why string) error {
	ctx := c.r.Context()
	of, _, err := s.store.Apply(ctx, id, hub.Looked{When: hub.When{At: s.Hub.Clock()}, By: c.operator, Reason: why})
	if err != nil {
		return err
	}
	s.Hub.Log.Info("looked at", "case", id, "by", c.operator)
	citizens, err := s.citizenCase(ctx, c.as, id, "sv")
	if err != nil {
		return err
	}
	a.Seen, a.Next = seenOf(citizens), s.expectingOf(c, of)
	return nil
}

func (s *Server) expectingOf(c *call, of hub.Case) *expecting {
	standing := s.Hub.Standing(of)
	e := expecting{Step: standing.Next, Promised: standing.Promised, Late: standing.Late, Waits: s.waitsOf(c, of)}
	if standing.Promised != "" {
		e.By = standing.By.In(hub.Stockholm).Format(time.DateOnly)
	}
	return &e
}

// waitsOf says what the hub waits for before a case can go on, and where it waits for
// nothing, whom it expects to hear.
func (s *Server) waitsOf(c *call, of hub.Case) []string {
	waits, out := []string{}, s.outages(c.as)
	for _, p := range of.Submissions {
		if p.State == hub.Accepted || p.State == hub.Enriching || p.State == hub.EnrichWait || p.State == hub.Held {
			waits = append(waits, s.waitOf(p, out))
		}
	}
	for _, p := range of.Deliveries {
		if !p.Settled() {
			waits = append(waits, s.waitOf(p, out))
		}
	}
	if len(waits) > 0 {
		return waits
	}
	if of.Voice == "" || hub.BallAt(of.Step) == hub.Nobody {
		return []string{"Inget. Allt är levererat, eller ordnat för hand."}
	}
	return []string{"Nästa besked från " + s.systemName(of.Voice) + ". Allt är levererat, eller ordnat för hand."}
}

// waitOf says what one row waits for.
func (s *Server) waitOf(p hub.Progress, outages []hub.Circuit) string {
	text := map[hub.Kind]string{
		hub.FormKind: "Formuläret", hub.DocumentKind: "Handlingen till " + s.systemName(p.System), hub.TellingKind: "Beskedet till " + s.systemName(p.System),
	}[p.Kind]
	switch p.State {
	case hub.Held:
		return text + " ligger i felkorgen sedan " + s.since(p.Since) + ": " + reasonOf(p.Reason, p.Kind, p.Doubt).name + "."
	case hub.Blocked:
		if p.After != "" {
			return text + ": väntar på kvittensen från " + p.After + "."
		}
	}
	text += ": " + stateWords[p.State]
	switch p.State {
	case hub.EnrichWait:
		text += ", nytt försök " + clock(p.Due)
	case hub.RetryWait, hub.Unknown:
		text += " " + clock(p.Due)
	}
	for _, o := range outages {
		if o.System == p.System {
			text += ". Systemet " + causes[o.Cause].nameFor(o.Note) + " sedan " + s.since(o.Since)
		}
	}
	if s.inWindow(p.System) {
		text += ". Systemet är stängt för planerat underhåll"
	}
	return text + "."
}

// — the page —

// consoleQuestion shows the form, to who has said who she is.
func (s *Server) consoleQuestion(c *call) error {
	if c.operator == "" && s.hasOperators() {
		return c.seeOther("/login?to=fraga")
	}
	return s.questionPage(c, nil, "")
}

// answerOnPage is answerQuestion for a browser without scripts.
func (s *Server) answerOnPage(c *call) error {
	fields, err := s.readFields(c, "reference", "reason")
	if err != nil {
		return err
	}
	a, err := s.answerTo(c, question{fields["reference"], fields["reason"]})
	if err != nil {
		return err
	}
	return s.questionPage(c, &a, strings.TrimSpace(fields["reason"]))
}

func (s *Server) questionPage(c *call, a *answered, why string) error {
	v := struct {
		Answered *answered
		Reason   string // given again with the hit that she picks
		Sign     signed
	}{a, why, s.signed(c, "fraga")}
	return c.page(http.StatusOK, page{Language: "sv", Title: "Fråga om ett ärende", Console: true, More: []string{caseStyle}}, "question", v)
}
