package web

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A standing is how a submission stands, in the words that a platform is told.
type standing struct {
	ID           hub.ID           `json:"id"`
	Case         hub.CaseID       `json:"case"`
	Municipality hub.Municipality `json:"municipality"`
	Service      string           `json:"service"`
	Received     *time.Time       `json:"received,omitempty"`
	Step         hub.Step         `json:"step"`
	Ref          string           `json:"ref,omitempty"` // the diarienummer
	State        string           `json:"state"`
	Deliveries   []handedOn       `json:"deliveries"`
}

// A handedOn delivery tells where the form has gone.
type handedOn struct {
	System  hub.SystemID `json:"system"`
	State   string       `json:"state"`
	Receipt string       `json:"receipt,omitempty"` // the number that the system gave
}

// words tell a platform of states. Why something rests with a person is that person's
// business and not told.
var words = map[hub.State]string{
	hub.Accepted: "received", hub.Enriching: "looking-up", hub.EnrichWait: "waiting",
	hub.Routed: "on-its-way", hub.Attention: "held", hub.Held: "held", hub.Completed: "delivered",
	hub.Rejected: "rejected", hub.Withdrawn: "withdrawn", hub.Purged: "purged",

	hub.Blocked: "waiting", hub.Ready: "on-its-way", hub.Sending: "on-its-way",
	hub.RetryWait: "retrying", hub.Unknown: "unclear", hub.Reconciling: "unclear",
	hub.Delivered: "delivered", hub.Confirmed: "delivered", hub.Waived: "settled-by-hand",
	hub.Cancelled: "withdrawn",
}

// asked are the words that a list can be asked for.
var asked = map[string]hub.State{
	"received": hub.Accepted, "looking-up": hub.Enriching, "waiting": hub.EnrichWait,
	"on-its-way": hub.Routed, "held": hub.Held, "delivered": hub.Completed,
	"rejected": hub.Rejected, "withdrawn": hub.Withdrawn, "purged": hub.Purged,
}

// standingOf tells of one submission of a case.
func standingOf(c hub.Case, p hub.Progress, received time.Time) standing {
	s := standing{
		ID: p.Submission, Case: c.ID, Municipality: c.Municipality, Service: c.Service,
		Step: c.Step, Ref: c.Ref, State: words[p.State], Deliveries: []handedOn{},
	}
	if !received.IsZero() {
		received = received.UTC()
		s.Received = &received
	}
	for _, d := range c.Deliveries {
		if d.Submission != p.Submission || d.Kind != hub.DocumentKind {
			continue
		}
		told := handedOn{System: d.System, State: words[d.State]}
		if d.Receipt != nil {
			told.Receipt = d.Receipt.Number
		}
		s.Deliveries = append(s.Deliveries, told)
	}
	return s
}

// show tells how a submission stands.
func (s *Server) show(c *call) error {
	ctx, id := c.r.Context(), c.submission()
	if err := noQuery(c.r); err != nil {
		return err
	}
	of, p, err := s.progress(c)
	if err != nil {
		return err
	}
	form, err := s.store.Submission(ctx, c.as, id)
	if err != nil && !errors.Is(err, hub.ErrContents) { // how it stands is known without what it says
		return err
	}
	return c.json(http.StatusOK, standingOf(of, p, form.Received))
}

// progress finds the submission in the path, if the caller may see it and it is not
// purged.
func (s *Server) progress(c *call) (hub.Case, hub.Progress, error) {
	of, err := s.store.CaseOf(c.r.Context(), c.as, c.submission())
	if err != nil {
		return of, hub.Progress{}, err
	}
	p := of.Find(hub.Key(c.submission()))
	switch {
	case p == nil:
		return of, hub.Progress{}, hub.ErrNotFound
	case p.State == hub.Purged:
		return of, *p, refusal("gone-purged")
	}
	return of, *p, nil
}

// withdraw takes a submission back, as long as nothing has been sent on. Withdrawn
// twice is withdrawn once.
func (s *Server) withdraw(c *call) error {
	of, p, err := s.progress(c)
	if err != nil {
		return err
	}
	if p.State != hub.Withdrawn {
		d := hub.Decision{Verb: hub.Withdraw, By: c.as.Actor()}
		if _, err := s.Hub.Decide(c.r.Context(), of.ID, p.Key, d); err != nil {
			return err
		}
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// How many submissions a list gives.
const (
	usualList = 100
	mostList  = 500
)

// list gives the caller's submissions in order of arrival, a page at a time.
func (s *Server) list(c *call) error {
	f, err := filterOf(c.r.URL.RawQuery)
	if err != nil {
		return err
	}
	lines, err := s.store.List(c.r.Context(), c.as, f)
	if err != nil {
		return err
	}
	page := struct {
		Submissions []standing `json:"submissions"`
		Next        hub.ID     `json:"next,omitempty"` // what to give as after for the rest
	}{Submissions: []standing{}}
	for _, l := range lines {
		page.Submissions = append(page.Submissions, standingOf(l.Case, l.Submission, l.Received))
	}
	if len(lines) == f.Limit {
		page.Next = lines[len(lines)-1].Submission.Submission
	}
	return c.json(http.StatusOK, page)
}

// filterOf reads the query of a list: strictly, so that a filter which is not there
// is not taken for one that matched everything.
func filterOf(query string) (hub.Filter, error) {
	f := hub.Filter{Limit: usualList}
	values, err := url.ParseQuery(query)
	if err != nil {
		return f, badQuery("query")
	}
	for name, said := range values {
		if len(said) != 1 {
			return f, badQuery(name)
		}
		switch text := said[0]; name {
		case "after":
			if !segments["{id}"].MatchString(text) {
				return f, badQuery("after")
			}
			f.After = hub.ID(text)
		case "limit":
			f.Limit, err = strconv.Atoi(text)
			if err != nil {
				return f, badQuery("limit")
			}
			if f.Limit < 1 || f.Limit > mostList {
				p := badQuery("limit")
				p.status = http.StatusUnprocessableEntity
				return f, p
			}
		case "state":
			state, known := asked[text]
			if !known {
				return f, badQuery("state")
			}
			f.State = state
		default:
			return f, badQuery("query")
		}
	}
	return f, nil
}

// badQuery gives the problem of a parameter, named as the contract names it.
func badQuery(name string) *problem {
	p := refusal("validation-failed")
	p.status, p.code = http.StatusBadRequest, name
	if name != "after" && name != "limit" && name != "state" {
		p.code = "query"
	}
	return p
}

// noQuery refuses parameters where there are none.
func noQuery(r *http.Request) error {
	if r.URL.RawQuery != "" {
		return badQuery("query")
	}
	return nil
}
