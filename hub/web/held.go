package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A row is one form or delivery of a case, as an operator is told of it.
type row struct {
	Key          hub.Key          `json:"key"`
	Case         hub.CaseID       `json:"case"`
	Municipality hub.Municipality `json:"municipality"`
	Service      string           `json:"service"`
	Kind         hub.Kind         `json:"kind"`
	State        hub.State        `json:"state"`
	Reason       hub.Reason       `json:"reason,omitempty"`
	System       hub.SystemID     `json:"system,omitempty"`
	Leg          string           `json:"leg,omitempty"`
	Note         string           `json:"note,omitempty"`
	Receipt      string           `json:"receipt,omitempty"` // the number that the system gave
	Since        time.Time        `json:"since"`
	Proposal     *proposal        `json:"proposal,omitempty"`
}

// A proposal waits for a second person.
type proposal struct {
	Verb    hub.Verb  `json:"verb"`
	By      string    `json:"by"`
	At      time.Time `json:"at"` // names it: see approval
	Number  string    `json:"number,omitempty"`
	Unasked bool      `json:"unasked,omitempty"`
	Anew    bool      `json:"anew,omitempty"`
	Text    string    `json:"text"` // the same, for people
}

func rowOf(c hub.Case, p hub.Progress) row {
	r := row{
		Key: p.Key, Case: c.ID, Municipality: c.Municipality, Service: c.Service, Kind: p.Kind, State: p.State,
		Reason: p.Reason, System: p.System, Leg: p.Leg, Note: p.Note, Since: p.Since.UTC(), Proposal: proposalOf(p),
	}
	if p.Receipt != nil {
		r.Receipt = p.Receipt.Number
	}
	return r
}

func proposalOf(p hub.Progress) *proposal {
	if p.Proposal == nil {
		return nil
	}
	d := p.Proposal
	return &proposal{d.Verb, d.By, d.At.UTC(), d.Number, d.Unasked, d.Anew != nil, proposalText(p)}
}

// proposalText says what is proposed, and what who approves must know of it.
func proposalText(p hub.Progress) string {
	d := p.Proposal.Decision
	text := verbTexts[d.Verb]
	switch {
	case d.Number != "":
		text += ", med nummer " + d.Number
	case d.Anew != nil:
		text += ", gjord på nytt enligt vägen som den var när det föreslogs"
	}
	if d.Unasked {
		text += ", utan att systemet tillfrågas först"
	}
	if p.Doubt && d.Verb == hub.Release {
		text += ". Ett tidigare försök kan ha kommit fram, och då blir det två ärenden"
	}
	return text
}

// An act is a line of the audit log, as an operator is told of it.
type act struct {
	At     time.Time `json:"at"`
	What   string    `json:"what"`
	Key    hub.Key   `json:"key,omitempty"`
	Note   string    `json:"note,omitempty"`
	By     string    `json:"by,omitempty"`
	Reason string    `json:"reason,omitempty"` // in her own words
	Text   string    `json:"text"`             // what was done, for people
}

// file answers with all that is known of a row's case but its content: its rows, and who
// has done what, and why.
func (s *Server) file(c *call) error {
	if err := s.mustBeOperator(c); err != nil {
		return err
	}
	if err := noQuery(c.r); err != nil {
		return err
	}
	of, _, err := s.caseOf(c.r.Context(), c.as, hub.Key(c.r.PathValue("key")))
	if err != nil {
		return err
	}
	acts, err := s.store.Acts(c.r.Context(), c.as, of.ID)
	if err != nil {
		return err
	}
	answer := struct {
		ID   hub.CaseID `json:"id"`
		Step hub.Step   `json:"step"`
		Ref  string     `json:"ref,omitempty"`
		Rows []row      `json:"rows"`
		Acts []act      `json:"acts"`
	}{ID: of.ID, Step: of.Step, Ref: of.Ref, Acts: []act{}}
	for _, p := range slices.Concat(of.Submissions, of.Deliveries) {
		answer.Rows = append(answer.Rows, rowOf(of, p))
	}
	for _, a := range acts {
		answer.Acts = append(answer.Acts, act{a.At.UTC(), a.What, a.Key, a.Note, a.By, a.Reason, actText(a.What)})
	}
	return c.json(http.StatusOK, answer)
}

// mostHeld is how many rows are told of at a time.
const mostHeld = 500

// held answers with what rests with people, in order of arrival: for who is to count it
// before she decides about all of it.
func (s *Server) held(c *call) error {
	if err := s.mustBeOperator(c); err != nil {
		return err
	}
	wanted, err := wantedOf(c.r.URL.RawQuery)
	if err != nil {
		return err
	}
	page := struct {
		Rows []row  `json:"rows"`
		Next hub.ID `json:"next,omitempty"` // what to give as after for the rest
	}{Rows: []row{}}
	page.Next, err = s.eachHeld(c.r.Context(), c.as, wanted.reason, wanted.after, mostHeld, func(of hub.Case, p hub.Progress) {
		if wanted.takes(of, p) {
			page.Rows = append(page.Rows, rowOf(of, p))
		}
	})
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, page)
}

// wanted is what a list of held rows is narrowed to.
type wanted struct {
	reason       hub.Reason
	system       hub.SystemID
	municipality hub.Municipality
	after        hub.ID
}

func (w wanted) takes(c hub.Case, p hub.Progress) bool {
	return (w.reason == "" || p.Reason == w.reason) && (w.system == "" || p.System == w.system) &&
		(w.municipality == "" || c.Municipality == w.municipality)
}

func wantedOf(query string) (w wanted, err error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return w, badQuery("query")
	}
	for name, said := range values {
		if len(said) != 1 || said[0] == "" {
			return w, badQuery("query")
		}
		switch name {
		case "reason":
			w.reason = hub.Reason(said[0])
		case "system":
			w.system = hub.SystemID(said[0])
		case "municipality":
			w.municipality = hub.Municipality(said[0])
		case "after":
			w.after = hub.ID(said[0])
		default:
			return w, badQuery("query")
		}
	}
	return w, nil
}

// eachHeld gives held rows to f, of the forms after one, in order of arrival; of most
// forms at the most. It gives the last of them when there may be more.
func (s *Server) eachHeld(ctx context.Context, by hub.Viewer, r hub.Reason, after hub.ID, most int,
	f func(hub.Case, hub.Progress)) (next hub.ID, err error) {
	lines, err := s.store.List(ctx, by, hub.Filter{State: hub.Held, Reason: r, After: after, Limit: most})
	if err != nil {
		return "", err
	}
	for _, l := range lines {
		for _, p := range append(l.Deliveries, l.Submission) {
			if p.State == hub.Held {
				f(l.Case, p)
			}
		}
	}
	if len(lines) == most {
		next = lines[most-1].Submission.Submission
	}
	return next, nil
}

// heap finds a heap of the work list by the name that the page has for it, and of its rows
// those that are wanted, up to most.
func (s *Server) heap(ctx context.Context, by hub.Viewer, id string, most int, wanted func(hub.Progress) bool) (h hub.Heap, rows []row, err error) {
	heaps, err := s.store.WorkList(ctx, by)
	if err != nil {
		return h, nil, err
	}
	for _, one := range heaps {
		if one.State == hub.Held && heapID(one) == id {
			h = one
		}
	}
	if h.State == "" {
		return h, nil, hub.ErrNotFound
	}
	for after, more := hub.ID(""), true; more && len(rows) < most; more = after != "" {
		after, err = s.eachHeld(ctx, by, h.Reason, after, mostHeld, func(c hub.Case, p hub.Progress) {
			same := hub.Heap{
				Municipality: c.Municipality, State: p.State, Reason: p.Reason, Kind: p.Kind, System: p.System, Leg: p.Leg, Service: c.Service, Note: p.Note, Doubt: p.Doubt,
			}
			if heapID(same) == id && len(rows) < most && wanted(p) {
				rows = append(rows, rowOf(c, p))
			}
		})
		if err != nil {
			return h, nil, err
		}
	}
	return h, rows, nil
}

// consoleHeap lists all that rests for one cause.
func (s *Server) consoleHeap(c *call) error {
	h, rows, err := s.heap(c.r.Context(), c.as, c.r.PathValue("id"), mostReleased, func(hub.Progress) bool { return true })
	if err != nil {
		return err
	}
	v := struct {
		Card card
		Rows []row
		More int
		Sign signed
	}{s.heldCard(h), rows, h.Count - len(rows), s.signed(c, "")}
	return c.page(http.StatusOK, page{Language: "sv", Title: v.Card.Title, Console: true}, "heap", v)
}

// mostReleased is how many rows are decided about at one press of a button.
const mostReleased = 500

// releaseHeap tries again with all that rested for one cause when the page was made, and
// whose second trial doubles nothing.
func (s *Server) releaseHeap(c *call) error {
	fields, err := s.readFields(c, "heap", "until", "reason")
	if err != nil {
		return err
	}
	until, err := time.Parse(time.RFC3339Nano, fields["until"])
	if err != nil {
		return refusal("malformed-request")
	}
	if faults := reasonFaults(fields["reason"]); len(faults) > 0 {
		return refusedFields(faults...)
	}
	rested := func(p hub.Progress) bool { return p.Proposal == nil && !p.Since.After(until) }
	h, rows, err := s.heap(c.r.Context(), c.as, fields["heap"], mostReleased, rested)
	if err != nil {
		return err
	}
	if !reasonOf(h.Reason, h.Kind, h.Doubt).again {
		return refusal("state-conflict")
	}
	released, proposed := 0, 0
	for _, r := range rows {
		o, err := s.carryOut(c, decision{Key: string(r.Key), Verb: string(hub.Release), Reason: fields["reason"]})
		switch {
		case err != nil && problemOf(err).status >= http.StatusInternalServerError:
			return err
		case err != nil: // somebody else has seen to it
		case o.Proposed != nil:
			proposed++
		default:
			released++
		}
	}
	left := max(h.Count-h.Proposed-len(rows), 0)
	return c.seeOther(fmt.Sprintf("/console?said=all&released=%d&proposed=%d&left=%d", released, proposed, left))
}
