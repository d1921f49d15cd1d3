package web

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A caseView is one case in the words of the console. It has no content: what a form
// says, and of whom, is not here.
type caseView struct {
	ID                             hub.CaseID
	Title, Municipality, Ref, News string
	Steps                          []stepView
	Submissions                    []submissionView
}

type stepView struct {
	Name, Text string
	Class      string // done, now or coming
}

type submissionView struct {
	ID                hub.ID
	Name, State, Note string
	Held              *heldView
	Deliveries        []deliveryView
}

type deliveryView struct {
	Key                      hub.Key
	To, State, Note, Receipt string
	Tries                    string
	Attempts                 []string
	Held                     *heldView
}

// A heldView tells why something rests with a person: what happened, what it means to
// the citizen, and what can be done.
type heldView struct{ Where, Note, What, Citizen, Do string }

// caseView reads a case by its own ID or by that of one of its submissions.
func (s *Server) caseView(ctx context.Context, id string) (caseView, error) {
	by := s.Options.Operator
	c, err := s.store.Case(ctx, by, hub.CaseID(id))
	if errors.Is(err, hub.ErrNotFound) {
		c, err = s.store.CaseOf(ctx, by, hub.ID(id))
	}
	if err != nil {
		return caseView{}, err
	}
	lines, err := s.store.Statuses(ctx, by, c.ID, 0, mostLines)
	if err != nil {
		return caseView{}, err
	}
	v := caseView{ID: c.ID, Ref: c.Ref, Steps: stepsOf(c, lines)}
	v.Title, v.Municipality = s.names(c)
	v.News = c.Step.Swedish()
	if v.Ref != "" {
		v.News += ", diarienummer " + v.Ref
	}
	for i, p := range c.Submissions {
		sub := submissionView{ID: p.Submission, Name: "Formuläret", State: stateWords[p.State], Note: p.Note}
		if i > 0 {
			sub.Name = "Komplettering " + strconv.Itoa(i)
		}
		if p.State == hub.EnrichWait {
			sub.State += ", nytt försök " + clock(p.Due)
		}
		if sub.Held = heldOf(p, ""); sub.Held != nil {
			sub.Note = ""
		}
		for _, d := range c.Deliveries {
			if d.Submission != p.Submission {
				continue
			}
			row, err := s.deliveryView(ctx, d)
			if err != nil {
				return caseView{}, err
			}
			sub.Deliveries = append(sub.Deliveries, row)
		}
		v.Submissions = append(v.Submissions, sub)
	}
	return v, nil
}

func (s *Server) deliveryView(ctx context.Context, d hub.Progress) (deliveryView, error) {
	to := string(d.System)
	if d.Kind == hub.TellingKind {
		to += " (besked om " + d.Step.Swedish() + ")"
	} else if d.Operation != "" {
		to += " (" + d.Operation + ")"
	}
	v := deliveryView{
		Key: d.Key, To: to, State: stateWords[d.State], Note: d.Note,
		Tries: strconv.Itoa(d.Attempts) + " försök", Held: heldOf(d, to),
	}
	switch d.State {
	case hub.RetryWait, hub.Unknown:
		v.State += " " + clock(d.Due)
	case hub.Blocked:
		if d.After != "" {
			v.State = "Väntar på kvittensen från " + d.After
		}
	}
	if d.Receipt != nil {
		v.Receipt = d.Receipt.Number
		if d.Kind == hub.TellingKind {
			v.Receipt = "mottaget"
		}
	}
	if v.Held != nil {
		v.Note = ""
	}
	if d.Attempts == 0 {
		return v, nil
	}
	attempts, err := s.store.Attempts(ctx, s.Options.Operator, d.Key)
	for _, a := range attempts {
		v.Attempts = append(v.Attempts, attemptText(a))
	}
	return v, err
}

func attemptText(a hub.Attempt) string {
	text := clock(a.Started) + ": " + answerWords[a.Answer]
	if a.Note != "" {
		text += " (" + a.Note + ")"
	}
	return text
}

// stepsOf gives the four steps that every case goes through, with what else has become
// of this one.
func stepsOf(c hub.Case, lines []hub.Status) []stepView {
	at := map[hub.Step]time.Time{}
	for _, line := range lines {
		at[line.Step] = line.At
	}
	now := c.Step
	main := []hub.Step{hub.Inkommet, hub.Registrerat, hub.UnderHandlaggning, hub.Beslutat}
	switch now {
	case hub.Avslutat, hub.Atertaget, hub.Avvisat:
		main = append(main, now)
	case hub.KompletteringBehov:
		main[2] = now
	}
	var steps []stepView
	for _, step := range main {
		v := stepView{Name: step.Swedish(), Class: "coming", Text: "inte än"}
		when, reached := at[step]
		switch {
		case step == now:
			v.Class, v.Text = "now", clock(c.StepAt)
		case reached:
			v.Class, v.Text = "done", clock(when)
		case step.Rank() < now.Rank():
			v.Text = "hoppades över"
		case !c.Expect[step].IsZero():
			v.Text = "väntas senast " + c.Expect[step].In(hub.Stockholm).Format(time.DateOnly)
		}
		steps = append(steps, v)
	}
	return steps
}

// heldOf tells why a row rests with a person; nil when it does not.
func heldOf(p hub.Progress, where string) *heldView {
	if p.State != hub.Held {
		return nil
	}
	r := reasons[p.Reason]
	return &heldView{where, p.Note, r.what, r.citizen, r.do}
}

// clock writes a time as people in Sweden read it.
func clock(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(hub.Stockholm).Format(time.DateTime)
}
