package web

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A citizenCase is one case in the words that its citizen reads. The operators' console
// shows the very same to who answers questions about it.
type citizenCase struct {
	tongue
	ID            hub.CaseID
	Wearer        wearer
	Title         string
	TitleLanguage string // when it is not the page's; "" when it is
	Ref           string
	CameIn        dated
	Step          string // where it is now
	Lead          string // what that means
	Track         []trackStep
	Ball, Means   string // who is to act, and what that means to her
	Yours         bool   // she is
	Next          string // what is expected, and by when; "" when nothing is
	Stuck         *stuckView
	Late          string // what was promised and has passed; "" when nothing has
	Times         []timesLine
	Ended         bool
}

// A trackStep is one Step on the way.
type trackStep struct {
	Name  string
	When  dated
	Class string // done, now, coming, stuck or yours
	Said  string // what a screen reader is told of the Class
	Key   string // the same as long as the same is told; "" for what has not happened
	News  string // what is told of it when it has just happened
}

// A stuckView tells of what keeps a case from going on.
type stuckView struct {
	Title, What, Who, You string
	Since                 dated
	Key, News             string
}

// A timesLine tells what is promised of a Step, beside what is measured.
type timesLine struct{ Step, Promised, Measured string }

// citizenCase gives a case as its citizen reads it, if the Viewer may see it.
func (s *Server) citizenCase(ctx context.Context, v hub.Viewer, id hub.CaseID, language string) (citizenCase, error) {
	c, err := s.store.Case(ctx, v, id)
	if err != nil {
		return citizenCase{}, err
	}
	lines, err := s.store.Statuses(ctx, v, id, 0, mostLines)
	if err != nil {
		return citizenCase{}, err
	}
	came, err := s.cameIn(ctx, v, c)
	if err != nil {
		return citizenCase{}, err
	}
	view := s.citizenView(c, came, lines, tongue(language))
	view.Times = s.timesOf(ctx, c, tongue(language))
	return view, nil
}

// cameIn gives when a case came in, as far as its first form is still there to say so.
func (s *Server) cameIn(ctx context.Context, v hub.Viewer, c hub.Case) (time.Time, error) {
	if len(c.Submissions) == 0 {
		return time.Time{}, nil
	}
	form, err := s.store.Submission(ctx, v, c.Submissions[0].Submission)
	if errors.Is(err, hub.ErrContents) || errors.Is(err, hub.ErrNotFound) {
		return time.Time{}, nil
	}
	return form.Inkommen, err
}

// citizenView tells of a case that has been read already: when it came in, and its lines
// of status.
func (s *Server) citizenView(c hub.Case, came time.Time, lines []hub.Status, t tongue) citizenCase {
	now, standing := s.Hub.Clock(), s.Hub.Standing(c)
	v := citizenCase{
		tongue: t, ID: c.ID, Wearer: s.wearerOf(c.Municipality), Ref: c.Ref,
		Step: t.of(stepTexts[c.Step]), Lead: t.of(leadTexts[c.Step]),
		Ball: t.of(ballTexts[standing.Ball]), Means: t.of(ballMeans[standing.Ball]), Yours: standing.Ball == hub.Applicant,
		Ended: standing.Next == "" && standing.Ball == hub.Nobody,
	}
	v.Title, v.TitleLanguage = s.citizenTitle(c, t)
	if c.Step == hub.KompletteringBehov && !v.Yours {
		v.Lead = t.of(answeredText)
	}
	if came.IsZero() && len(lines) > 0 {
		came = lines[0].At
	}
	v.CameIn = t.dated(came, now)
	v.Stuck = stuckOf(v, standing, now)
	if standing.Late {
		v.Late = t.put("promise", t.of(reachedTexts[standing.Promised]), t.day(standing.By, now))
	}
	v.Next = nextOf(t, standing, now)
	v.Track = trackOf(v, c, standing, lines, now)
	return v
}

// citizenTitle is what the citizen knows her e-service by.
func (s *Server) citizenTitle(c hub.Case, t tongue) (title, language string) {
	r := s.Hub.Bundle().Route(c.Municipality, c.Source, c.Service)
	switch {
	case r == nil || r.Title == "":
		return t.put("e-service", c.Service), ""
	case t == "sv":
		return r.Title, ""
	case r.English != "":
		return r.English, ""
	}
	return r.Title, "sv"
}

// nextOf says what is expected, and by when: the next Step, and where a later one is what
// was promised, that.
func nextOf(t tongue, standing hub.Standing, now time.Time) string {
	if standing.Next == "" {
		return ""
	}
	next := t.of(stepTexts[standing.Next])
	if standing.Promised == "" || standing.Late {
		return next
	}
	promised := t.put("by-day", t.of(stepTexts[standing.Promised]), t.day(standing.By, now))
	if standing.Promised == standing.Next {
		return promised
	}
	return next + ". " + promised
}

func stuckOf(v citizenCase, standing hub.Standing, now time.Time) *stuckView {
	if standing.Stuck == "" {
		return nil
	}
	you, special := youTexts[standing.Stuck]
	if !special {
		you = youTexts[""]
	}
	stuck := stuckView{
		Title: v.of(stuckTitles[standing.Of]), What: v.of(stuckWhats[standing.Stuck]), Who: v.of(keeperTexts[standing.Who]),
		You: v.of(you), Since: v.dated(standing.Since, now),
		Key: fmt.Sprintf("%s stuck %s %s %d", v.ID, standing.Of, standing.Stuck, standing.Since.Unix()),
	}
	stuck.News = v.put("news", v.Title, stuck.Title+". "+stuck.What)
	return &stuck
}

// trackOf gives the Steps that a case goes through, with when it came to each, and what
// has taken the place of one.
func trackOf(v citizenCase, c hub.Case, standing hub.Standing, lines []hub.Status, now time.Time) []trackStep {
	came := map[hub.Step]hub.Status{}
	for _, line := range lines {
		came[line.Step] = line
	}
	var track []trackStep
	for _, step := range stepsToShow(c.Step, came) {
		at, reached := came[step]
		one := trackStep{Name: v.of(stepTexts[step]), Class: "coming", Said: v.of(texts["not-yet"])}
		switch {
		case step == c.Step:
			one.Class, one.Said, one.When = "now", v.of(texts["here-now"]), v.dated(c.StepAt, now)
			if v.Yours {
				one.Class = "yours"
			}
		case step.Rank() < c.Step.Rank():
			one.Class, one.Said = "done", v.of(texts["done"])
			if reached {
				one.When = v.dated(at.At, now)
			}
		case step == standing.Next && standing.Stuck != "" && standing.Of == hub.WholeCase:
			one.Class, one.Said, one.When.Text = "stuck", "", v.of(texts["waits-here"])
		case !c.Expect[step].IsZero():
			one.When = expected(v.tongue, c.Expect[step], now)
		}
		if step == hub.Inkommet {
			one.When = v.CameIn // which may be before we had it
		}
		if reached && one.Class != "coming" && one.Class != "stuck" {
			one.Key = fmt.Sprintf("%s %d", v.ID, at.Seq)
			one.News = v.put("news", v.Title, one.Name)
		}
		track = append(track, one)
	}
	return track
}

// expected says by when a Step was promised.
func expected(t tongue, by, now time.Time) dated {
	by, now = by.In(hub.Stockholm), now.In(hub.Stockholm)
	text := "expected-by"
	if by.Format(time.DateOnly) < now.Format(time.DateOnly) {
		text = "was-by"
	}
	return dated{t.of(texts[text]) + " " + t.day(by, now), by.Format(time.DateOnly)}
}

// stepsToShow gives the four Steps, with that which the case is at in the place of one, or
// at the end of those that it came to.
func stepsToShow(now hub.Step, came map[hub.Step]hub.Status) []hub.Step {
	steps := []hub.Step{hub.Inkommet, hub.Registrerat, hub.UnderHandlaggning, hub.Beslutat}
	switch now {
	case hub.KompletteringBehov:
		steps[2] = now
	case hub.Atertaget, hub.Avvisat, hub.Avslutat:
		steps = slices.DeleteFunc(steps, func(s hub.Step) bool { _, there := came[s]; return !there })
		steps = append(steps, now)
	}
	return steps
}
