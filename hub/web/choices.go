package web

import (
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A choicesView is what can be decided about one row, as a page offers it.
type choicesView struct {
	Key      hub.Key
	Decides  bool // there are operators, so that somebody can
	Proposal *proposalView
	Choices  []choice
}

// A proposalView is what waits for a second person.
type proposalView struct {
	By, At, What, Reason string
	Proposed             string // names it
	Own                  bool   // of who reads the page: she cannot approve it
}

// A choice is one thing that can be decided.
type choice struct {
	Key     hub.Key
	Verb    hub.Verb
	Name    string // what the button says
	Means   string // what comes of it
	Two     bool   // somebody else must approve it
	Number  string // "", "may" or "must" be given
	Unasked bool   // it can be said that the system need not be asked
	Anew    bool   // it can be said that the document be made anew
}

// choicesFor finds out what the state of a row allows by trying it, on a copy: Next
// knows, and nothing else needs to.
func (s *Server) choicesFor(c *call, of hub.Case, p hub.Progress) choicesView {
	v := choicesView{Key: p.Key, Decides: s.hasOperators(), Proposal: s.proposalView(c, of, p)}
	if p.State != hub.Held && (p.Kind != hub.FormKind || p.Ended()) {
		return v
	}
	for _, verb := range hub.Verbs {
		one := choice{Key: p.Key, Verb: verb, Name: choiceTexts[verb].name, Means: choiceTexts[verb].means}
		allowed, two := s.tried(of, p, hub.Decision{Verb: verb})
		if verb == hub.Waive {
			one.Number = "may"
			if !allowed {
				allowed, two = s.tried(of, p, hub.Decision{Verb: verb, Number: "1"})
				one.Number = "must"
			}
		}
		if !allowed {
			continue
		}
		if one.Two = two; verb == hub.Release && p.Kind == hub.FormKind {
			one.Name, one.Means = "Försök igen", "Formuläret tas om från början, enligt vägen som den är nu."
		} else if verb == hub.Release {
			one.Unasked = p.Doubt && p.Level != hub.Blind
			one.Anew = p.Kind == hub.DocumentKind
		}
		v.Choices = append(v.Choices, one)
	}
	return v
}

// tried reports whether a decision would be allowed now, and whether it takes two.
func (s *Server) tried(of hub.Case, p hub.Progress, d hub.Decision) (allowed, two bool) {
	after, _, err := hub.Next(of, hub.Decided{When: hub.When{At: s.Hub.Clock()}, Key: p.Key, Decision: d})
	if err != nil {
		return false, false
	}
	return true, after.Find(p.Key).Proposal != nil
}

func (s *Server) proposalView(c *call, of hub.Case, p hub.Progress) *proposalView {
	if p.Proposal == nil {
		return nil
	}
	v := &proposalView{
		By: p.Proposal.By, At: clock(p.Proposal.At), What: proposalText(p),
		Proposed: p.Proposal.At.UTC().Format(time.RFC3339Nano), Own: c.operator == p.Proposal.By,
	}
	if c.operator == "" {
		return v
	}
	acts, err := s.store.Acts(c.r.Context(), c.as, of.ID)
	if err != nil {
		return v // it can be read further down when it can be read
	}
	for _, a := range acts { // the last one of the proposer's own is the proposal
		if a.Key == p.Key && a.By == v.By {
			v.Reason = a.Reason
		}
	}
	return v
}
