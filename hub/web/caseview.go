package web

import (
	"errors"
	"strconv"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A caseView is one case in the words of the console. It has no content: what a form
// says, and of whom, is not here; and why people decided as they did is shown only to
// who has said who she is.
type caseView struct {
	ID                             hub.CaseID
	Title, Municipality, Ref, News string
	Steps                          []stepView
	Submissions                    []submissionView
	Acts                           []actView
}

// An actView is a line of the audit log.
type actView struct{ At, What, Key, Note, By, Reason string }

type stepView struct {
	Name, Text string
	Class      string // done, now or coming
}

type submissionView struct {
	ID                hub.ID
	Name, State, Note string
	Held              *heldView
	Choices           *choicesView // of a form that does not rest
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
// who sent the form, who can put it right, and what is safe; and what can be decided.
type heldView struct {
	Where, Note string
	reason
	Choices choicesView
}

func (h heldView) What() string    { return h.what }
func (h heldView) Citizen() string { return h.citizen }
func (h heldView) Who() string     { return h.who }
func (h heldView) Safe() string    { return h.safe }

// caseView reads a case by its own ID or by that of one of its submissions.
func (s *Server) caseView(c *call) (caseView, error) {
	ctx, by := c.r.Context(), c.as
	of, err := s.caseBy(ctx, by, c.r.PathValue("id"))
	if err != nil {
		return caseView{}, err
	}
	return s.viewOf(c, of)
}

func (s *Server) viewOf(call *call, c hub.Case) (caseView, error) {
	ctx, by := call.r.Context(), call.as
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
		if p.Ended() {
			sub.Note = ""
		}
		if p.State == hub.EnrichWait {
			sub.State += ", nytt försök " + clock(p.Due)
		}
		if sub.Held = s.heldOf(call, c, p, ""); sub.Held != nil {
			sub.Note = ""
		} else if choices := s.choicesFor(call, c, p); len(choices.Choices) > 0 {
			sub.Choices = &choices
		}
		for _, d := range c.Deliveries {
			if d.Submission != p.Submission {
				continue
			}
			row, err := s.deliveryView(call, c, d)
			if err != nil {
				return caseView{}, err
			}
			sub.Deliveries = append(sub.Deliveries, row)
		}
		v.Submissions = append(v.Submissions, sub)
	}
	v.Acts, err = s.actViews(call, c.ID)
	return v, err
}

func (s *Server) actViews(c *call, id hub.CaseID) ([]actView, error) {
	acts, err := s.store.Acts(c.r.Context(), c.as, id)
	if errors.Is(err, hub.ErrContents) { // how the case stands is known without them
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var views []actView
	for _, a := range acts {
		v := actView{At: clock(a.At), What: actText(a.What), Key: string(a.Key), Note: a.Note, By: a.By}
		if c.operator != "" {
			v.Reason = a.Reason
		}
		views = append(views, v)
	}
	return views, nil
}

func (s *Server) deliveryView(c *call, of hub.Case, d hub.Progress) (deliveryView, error) {
	to := string(d.System)
	if d.Kind == hub.TellingKind {
		to += " (besked om " + d.Step.Swedish() + ")"
	} else if d.Operation != "" {
		to += " (" + d.Operation + ")"
	}
	v := deliveryView{
		Key: d.Key, To: to, State: stateWords[d.State], Note: d.Note,
		Tries: strconv.Itoa(d.Attempts) + " försök", Held: s.heldOf(c, of, d, to),
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
	attempts, err := s.store.Attempts(c.r.Context(), c.as, d.Key)
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
func (s *Server) heldOf(c *call, of hub.Case, p hub.Progress, where string) *heldView {
	if p.State != hub.Held {
		return nil
	}
	return &heldView{where, p.Note, reasonOf(p.Reason, p.Kind, p.Doubt), s.choicesFor(c, of, p)}
}

// clock writes a time as people in Sweden read it.
func clock(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(hub.Stockholm).Format(time.DateTime)
}
