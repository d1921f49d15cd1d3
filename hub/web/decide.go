package web

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// A decision is what an operator posts: what is to be done with one row, and why.
type decision struct {
	Key     string `json:"key"`
	Verb    string `json:"verb"` // one of hub.Verbs
	Reason  string `json:"reason"`
	Number  string `json:"number"`  // of a waive: under which it was registered by hand
	Unasked bool   `json:"unasked"` // of a release: without asking the system first
	Anew    bool   `json:"anew"`    // of a release: by the present configuration
}

// An approval is what the second person posts: which proposal she has read, and why.
type approval struct {
	Key      string `json:"key"`
	Proposed string `json:"proposed"` // the proposal's own time, as it was told
	Reason   string `json:"reason"`
}

// What an operator may write. A reason is kept sealed, and is still no place for a
// personnummer: it is read in lists, and outlives the form.
const leastReason, mostReason = 3, 500

var aNumber = regexp.MustCompile(`^[0-9A-Za-zÅÄÖåäö][0-9A-Za-zÅÄÖåäö /:._-]{0,63}$`)

func (d decision) faults() []fault {
	faults := reasonFaults(d.Reason)
	if !segments["{key}"].MatchString(d.Key) {
		faults = append(faults, fault{"/key", "pattern"})
	}
	if !slices.Contains(hub.Verbs, hub.Verb(d.Verb)) {
		faults = append(faults, fault{"/verb", "enum"})
	}
	switch {
	case d.Number != "" && !aNumber.MatchString(d.Number):
		faults = append(faults, fault{"/number", "pattern"})
	case mentionsPerson(d.Number):
		faults = append(faults, fault{"/number", "personal-number"})
	}
	return faults
}

func (a approval) faults() []fault {
	faults := reasonFaults(a.Reason)
	if !segments["{key}"].MatchString(a.Key) {
		faults = append(faults, fault{"/key", "pattern"})
	}
	if _, err := time.Parse(time.RFC3339Nano, a.Proposed); err != nil {
		faults = append(faults, fault{"/proposed", "date-time"})
	}
	return faults
}

func reasonFaults(reason string) []fault {
	switch n := utf8.RuneCountInString(strings.TrimSpace(reason)); {
	case n == 0:
		return []fault{{"/reason", "required"}}
	case n < leastReason || n > mostReason:
		return []fault{{"/reason", "length"}}
	case strings.ContainsFunc(reason, isUnprintable):
		return []fault{{"/reason", "control-character"}}
	case mentionsPerson(reason):
		return []fault{{"/reason", "personal-number"}}
	}
	return nil
}

// apart is how people write the two halves of a personnummer when they do not use a
// hyphen.
var apart = regexp.MustCompile(`([0-9]{6})[\s\p{Zs}]?[-+−\p{Pd}\s\p{Zs}][\s\p{Zs}]?([0-9]{4})\b`)

// mentionsPerson reports whether a personnummer may stand in a text.
func mentionsPerson(text string) bool {
	return looksLikePerson(apart.ReplaceAllString(text, "$1-$2"))
}

// answering reads what somebody who has said who she is wants done, has it done, and
// answers with what came of it.
func answering[W, A any](s *Server, do func(*call, W) (A, error)) func(*call) error {
	return func(c *call) error {
		var wanted W
		if err := s.readAct(c, &wanted); err != nil {
			return err
		}
		answer, err := do(c, wanted)
		if err != nil {
			return err
		}
		return c.json(http.StatusOK, answer)
	}
}

// readAct reads the JSON of who has said who she is.
func (s *Server) readAct(c *call, into any) error { return s.readLargeAct(c, mostAct, into) }

// readLargeAct is readAct for what may be larger than a decision is, in bytes.
func (s *Server) readLargeAct(c *call, most int64, into any) error {
	if err := s.mustBeOperator(c); err != nil {
		return err
	}
	if _, _, err := c.mediaType(jsonType); err != nil {
		return err
	}
	text, err := c.readBody(most)
	if err != nil {
		return err
	}
	return document.DecodeJSON(text, into)
}

// mostAct is more than a decision is.
const mostAct = 16 << 10

// carryOut has the hub decide.
func (s *Server) carryOut(c *call, d decision) (outcome, error) {
	if faults := d.faults(); len(faults) > 0 {
		return outcome{}, refusedFields(faults...)
	}
	ctx, key := c.r.Context(), hub.Key(d.Key)
	of, _, err := s.caseOf(ctx, c.as, key)
	if err != nil {
		return outcome{}, err
	}
	decided := hub.Decision{
		Verb: hub.Verb(d.Verb), By: c.operator, Reason: strings.TrimSpace(d.Reason), Number: strings.TrimSpace(d.Number), Unasked: d.Unasked,
	}
	if d.Anew {
		if err := s.Hub.Anew(of, key, &decided); err != nil {
			return outcome{}, err
		}
	}
	after, err := s.Hub.Decide(ctx, of.ID, key, decided)
	if err != nil {
		return outcome{}, err
	}
	return outcomeOf(after, key, decided), nil
}

// secondly has the hub carry out what was proposed.
func (s *Server) secondly(c *call, a approval) (outcome, error) {
	if faults := a.faults(); len(faults) > 0 {
		return outcome{}, refusedFields(faults...)
	}
	ctx, key := c.r.Context(), hub.Key(a.Key)
	of, p, err := s.caseOf(ctx, c.as, key)
	if err != nil {
		return outcome{}, err
	}
	if p.Proposal == nil {
		return outcome{}, hub.ErrOutdated
	}
	decided := p.Proposal.Decision
	proposed, _ := time.Parse(time.RFC3339Nano, a.Proposed)
	after, err := s.Hub.Approve(ctx, of.ID, key, proposed, c.operator, strings.TrimSpace(a.Reason))
	if err != nil {
		return outcome{}, err
	}
	return outcomeOf(after, key, decided), nil
}

// caseOf finds a row by its Key, and the case that it is of, if the Viewer may see it.
func (s *Server) caseOf(ctx context.Context, by hub.Viewer, k hub.Key) (hub.Case, *hub.Progress, error) {
	id, _, _ := strings.Cut(string(k), "-")
	c, err := s.caseBy(ctx, by, id)
	if err != nil {
		return c, nil, err
	}
	p := c.Find(k)
	if p == nil {
		return c, nil, hub.ErrNotFound
	}
	return c, p, nil
}

// caseBy finds a case by its own ID or by that of one of its submissions.
func (s *Server) caseBy(ctx context.Context, by hub.Viewer, id string) (hub.Case, error) {
	c, err := s.store.Case(ctx, by, hub.CaseID(id))
	if errors.Is(err, hub.ErrNotFound) {
		c, err = s.store.CaseOf(ctx, by, hub.ID(id))
	}
	return c, err
}

// An outcome is what came of a decision.
type outcome struct {
	Key      hub.Key    `json:"key"`
	Case     hub.CaseID `json:"case"`
	State    hub.State  `json:"state"`
	Outcome  string     `json:"outcome"`            // a word of outcomeTexts
	Proposed *time.Time `json:"proposed,omitempty"` // what waits for a second person is named by this
	Text     string     `json:"text"`               // the same, for people
}

func outcomeOf(after hub.Case, k hub.Key, d hub.Decision) outcome {
	p := after.Find(k)
	o := outcome{Key: k, Case: after.ID, State: p.State, Outcome: outcomeWord(*p, d)}
	if p.Proposal != nil {
		at := p.Proposal.At.UTC()
		o.Proposed = &at
	}
	o.Text = outcomeTexts[o.Outcome]
	return o
}

func outcomeWord(p hub.Progress, d hub.Decision) string {
	switch {
	case p.Proposal != nil:
		return "proposed"
	case d.Verb == hub.Waive:
		return "waived"
	case d.Verb == hub.Dismiss:
		return "rejected"
	case d.Verb == hub.Withdraw:
		return "withdrawn"
	case p.Kind == hub.FormKind:
		return "again"
	}
	return cmp.Or(map[hub.State]string{
		hub.Cancelled: "anew", hub.Unknown: "asked", hub.Reconciling: "asked", hub.Blocked: "queued",
	}[p.State], "sent")
}

// decideOnPage is decide for a browser without scripts: it leads back to the case, where
// the outcome is said.
func (s *Server) decideOnPage(c *call) error {
	fields, err := s.readFields(c, "key", "verb", "reason", "number", "unasked", "anew")
	if err != nil {
		return err
	}
	o, err := s.carryOut(c, decision{
		Key: fields["key"], Verb: fields["verb"], Reason: fields["reason"], Number: fields["number"],
		Unasked: fields["unasked"] != "", Anew: fields["anew"] != "",
	})
	if err != nil {
		return err
	}
	return c.seeOther("/console/cases/" + string(o.Case) + "?said=" + o.Outcome)
}

func (s *Server) approveOnPage(c *call) error {
	fields, err := s.readFields(c, "key", "proposed", "reason")
	if err != nil {
		return err
	}
	o, err := s.secondly(c, approval{fields["key"], fields["proposed"], fields["reason"]})
	if err != nil {
		return err
	}
	return c.seeOther("/console/cases/" + string(o.Case) + "?said=" + o.Outcome)
}

// postedType is what a page's form is sent as.
const postedType = "application/x-www-form-urlencoded"

// readFields reads a page's form, strictly. Lines of a reason become one.
func (s *Server) readFields(c *call, names ...string) (map[string]string, error) {
	if err := s.mustBeOperator(c); err != nil {
		return nil, err
	}
	if _, _, err := c.mediaType(postedType); err != nil {
		return nil, err
	}
	text, err := c.readBody(mostAct)
	if err != nil {
		return nil, err
	}
	values, err := url.ParseQuery(string(text))
	if err != nil || !utf8.Valid(text) {
		return nil, refusal("malformed-request")
	}
	fields := map[string]string{}
	for name, said := range values {
		if len(said) != 1 || !slices.Contains(names, name) || !utf8.ValidString(said[0]) {
			return nil, refusal("malformed-request")
		}
		fields[name] = strings.Join(strings.FieldsFunc(said[0], func(r rune) bool { return r == '\r' || r == '\n' }), " ")
	}
	return fields, nil
}
