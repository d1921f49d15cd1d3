package web

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// What is done about a system as a whole: it is paused and taken up again by who has all
// the municipalities that it is for, and one that is told of statuses is told again what it
// has lost, counted first and never beyond the municipalities of who asks.

// A systemState tells of one system.
type systemState struct {
	System      hub.SystemID `json:"system"`
	Name        string       `json:"name"`                // what people call it
	Connector   string       `json:"connector,omitempty"` // which sort of system it is
	Waiting     int          `json:"waiting"`             // forms and deliveries that wait for it
	Cases       int          `json:"cases"`               // that have them
	Cause       hub.Cause    `json:"cause,omitempty"`     // why it is not called
	Since       time.Time    `json:"since,omitzero"`
	Uncollected time.Time    `json:"uncollected,omitzero"` // since when forms cannot be fetched from it
	Note        string       `json:"note,omitempty"`
	Paused      *pauseState  `json:"paused,omitempty"`
	Pauses      bool         `json:"pauses"` // the caller may pause it, and take it up again
	Tells       bool         `json:"tells"`  // it can be told again
	Text        string       `json:"text"`   // how it stands, for people
}

type pauseState struct {
	By     string    `json:"by"`
	Since  time.Time `json:"since"`
	Reason string    `json:"reason,omitempty"` // in her own words; operators only are told
}

// listSystems answers with the systems that the caller knows of.
func (s *Server) listSystems(c *call) error {
	if err := s.mustBeOperator(c); err != nil {
		return err
	}
	if err := noQuery(c.r); err != nil {
		return err
	}
	all, err := s.systemStates(c)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, map[string]any{"systems": all})
}

// systemStates gives them in the order of the configuration, and then those that are paused
// and no longer connected.
func (s *Server) systemStates(c *call) ([]systemState, error) {
	pauses, err := s.store.Pauses(c.r.Context())
	if err != nil {
		return nil, err
	}
	heaps, err := s.store.WorkList(c.r.Context(), c.as)
	if err != nil {
		return nil, err
	}
	all := []systemState{}
	add := func(st systemState) {
		if s.knowsOf(c.as, st.System) {
			all = append(all, s.filled(c, st, pauses, heaps))
		}
	}
	since := map[hub.SystemID]time.Time{}
	for _, c := range s.Hub.Uncollected() {
		since[c.System] = c.Since
	}
	circuits := s.Hub.Circuits()
	for i, o := range s.Hub.Systems {
		out := circuits[i]
		add(systemState{
			System: o.ID, Connector: o.Connector, Tells: o.Teller != nil && !o.Notifies, Cause: out.Cause, Since: out.Since, Note: out.Note,
			Uncollected: since[o.ID],
		})
	}
	for _, p := range pauses {
		if _, connected := s.systems[p.System]; !connected {
			add(systemState{System: p.System, Cause: hub.Paused, Since: p.Since, Note: p.By})
		}
	}
	return all, nil
}

// filled adds what rows tell of a system, and what the caller may do.
func (s *Server) filled(c *call, st systemState, pauses []hub.Pause, heaps []hub.Heap) systemState {
	st.Name, st.Pauses = s.systemName(st.System), s.mayPause(c, st.System)
	for _, h := range heaps {
		if awaited(h) == st.System {
			st.Waiting, st.Cases = st.Waiting+h.Count, st.Cases+h.Cases
		}
	}
	for _, p := range pauses {
		if p.System != st.System {
			continue
		}
		st.Paused = &pauseState{By: p.By, Since: p.Since.UTC()}
		if c.operator != "" {
			st.Paused.Reason = p.Reason
		}
	}
	st.Text = s.stateText(st)
	return st
}

func (s *Server) stateText(st systemState) string {
	switch {
	case st.Cause != "":
		return upper(causeName(hub.Circuit{Cause: st.Cause, Note: st.Note})) + " sedan " + s.since(st.Since) + "."
	case s.inWindow(st.System):
		return "I ett planerat stopp."
	case !st.Uncollected.IsZero():
		return "Formulär kan inte hämtas därifrån sedan " + s.since(st.Uncollected) + "."
	}
	return "I bruk."
}

// mayPause reports whether the caller has all the municipalities that a system is for.
func (s *Server) mayPause(c *call, id hub.SystemID) bool {
	folder, _, _ := strings.Cut(string(id), ".")
	m := s.municipalityIn(folder)
	return (m != "" || folder == "shared") && s.writesFor(c, m)
}

// — pauses —

// A pausing is what an operator posts: that a system is to be paused, or taken up again.
type pausing struct {
	System string `json:"system"`
	Paused *bool  `json:"paused"`
	Reason string `json:"reason"`
}

func (p pausing) faults() []fault {
	faults := reasonFaults(p.Reason)
	if p.System == "" {
		faults = append(faults, fault{"/system", "required"})
	}
	if p.Paused == nil {
		faults = append(faults, fault{"/paused", "required"})
	}
	return faults
}

// pause has a system paused or taken up again, and answers with how it stands then.
func (s *Server) pause(c *call, p pausing) (systemState, error) {
	if err := s.setPaused(c, p); err != nil {
		return systemState{}, err
	}
	return s.stateOf(c, p.System)
}

func (s *Server) setPaused(c *call, p pausing) error {
	if faults := p.faults(); len(faults) > 0 {
		return refusedFields(faults...)
	}
	st, err := s.stateOf(c, p.System)
	switch {
	case err != nil:
		return err
	case !st.Pauses:
		return refusedFields(fault{"/system", "enum"})
	}
	ctx, reason := c.r.Context(), strings.TrimSpace(p.Reason)
	if *p.Paused {
		return s.Hub.Pause(ctx, hub.Pause{System: st.System, By: c.operator, Reason: reason})
	}
	return s.Hub.Resume(ctx, st.System, c.operator, reason)
}

// stateOf gives how a system stands that the caller knows of.
func (s *Server) stateOf(c *call, id string) (systemState, error) {
	all, err := s.systemStates(c)
	if err != nil {
		return systemState{}, err
	}
	for _, st := range all {
		if st.System == hub.SystemID(id) {
			return st, nil
		}
	}
	return systemState{}, hub.ErrNotFound
}

// — what is told again —

// A retelling is what an operator posts: who is to be told again what it was told in a
// period, and of the same cases since; and, when she has counted, how many tellings the
// period has.
type retelling struct {
	System string `json:"system"`
	From   string `json:"from"`
	Until  string `json:"until"`  // "" for now
	Expect *int   `json:"expect"` // without it they are only counted
}

// A retold is how much a retelling is about, and whether it was done.
type retold struct {
	System         hub.SystemID `json:"system"`
	From           time.Time    `json:"from"`
	Until          time.Time    `json:"until"`
	Tellings       int          `json:"tellings"`
	Later          int          `json:"later"` // tellings of the same cases since, which go again after them
	Cases          int          `json:"cases"`
	Municipalities int          `json:"municipalities"`
	Done           bool         `json:"done"`
	Text           string       `json:"text"` // the same, for people
}

// toldAgain counts what a system was told in a period, or has it told again.
func (s *Server) toldAgain(c *call, r retelling) (retold, error) {
	period, err := s.periodOf(c, r)
	if err != nil {
		return retold{}, err
	}
	var extent hub.Extent
	if r.Expect == nil {
		extent, err = s.store.CountTold(c.r.Context(), c.as, period)
	} else {
		extent, err = s.Hub.Retell(c.r.Context(), c.as, period, *r.Expect)
	}
	if errors.Is(err, hub.ErrAnotherCount) {
		return retold{}, refusal("count-conflict")
	}
	if err != nil {
		return retold{}, err
	}
	return retold{
		System: period.System, From: period.From.UTC(), Until: period.Until.UTC(), Tellings: extent.Tellings, Later: extent.Later,
		Cases: extent.Cases, Municipalities: extent.Municipalities, Done: r.Expect != nil, Text: extentText(extent),
	}, nil
}

func extentText(e hub.Extent) string {
	text := plural(e.Tellings, "besked", "besked") + " i " + plural(e.Cases, "ärende", "ärenden") + ", " + plural(e.Municipalities, "kommun", "kommuner")
	if e.Later > 0 {
		text += ", och " + plural(e.Later, "senare besked", "senare besked") + " i samma ärenden"
	}
	return text
}

// periodOf reads what is to be told again, of a system that the caller knows of.
func (s *Server) periodOf(c *call, r retelling) (hub.Retelling, error) {
	period, now := hub.Retelling{System: hub.SystemID(r.System), Until: s.Hub.Clock()}, s.Hub.Clock()
	var faults []fault
	wrong := noting(&faults)
	wrong(r.System == "", "/system", "required")
	wrong(r.From == "", "/from", "required")
	var err error
	if r.From != "" {
		period.From, err = time.Parse(time.RFC3339, r.From)
		wrong(err != nil, "/from", "date-time")
	}
	if r.Until != "" {
		period.Until, err = time.Parse(time.RFC3339, r.Until)
		wrong(err != nil, "/until", "date-time")
	}
	wrong(len(faults) == 0 && (!period.Until.After(period.From) || period.Until.After(now)), "/until", "out-of-range")
	if len(faults) > 0 {
		return period, refusedFields(faults...)
	}
	switch of, connected := s.systems[period.System]; {
	case !connected || !s.knowsOf(c.as, period.System):
		return period, hub.ErrNotFound
	case of.Teller == nil:
		return period, refusedFields(fault{"/system", "not-told"})
	case of.Notifies:
		return period, refusedFields(fault{"/system", "writes-to-people"})
	}
	return period, nil
}

// — the page —

// consoleSystems shows every system, and lets who has signed in do something about hers.
func (s *Server) consoleSystems(c *call) error { return s.systemsPage(c, nil) }

// systemsPage shows what has been counted first, where something has.
func (s *Server) systemsPage(c *call, counted *retold) error {
	all, err := s.systemStates(c)
	if err != nil {
		return err
	}
	v := struct {
		Systems []systemState
		Counted *retold
		Name    string // of whom it was counted for
		Sign    signed
	}{all, counted, "", s.signed(c, "system")}
	v.Sign.Said = systemOutcomes[c.r.URL.Query().Get("said")]
	if counted != nil {
		v.Name = s.systemName(counted.System)
	}
	return c.page(http.StatusOK, page{Language: "sv", Title: "System", Console: true}, "systems", v)
}

// Sort is how the system's card looks.
func (st systemState) Sort() string {
	switch {
	case st.Cause == hub.Paused:
		return "paused"
	case st.Cause != "", !st.Uncollected.IsZero():
		return "outage"
	}
	return "fine"
}

// pauseOnPage is pause for a browser: it leads back to the page.
func (s *Server) pauseOnPage(c *call) error {
	f, err := s.readFields(c, "system", "paused", "reason")
	if err != nil {
		return err
	}
	paused, said := f["paused"] != "", "resumed"
	if paused {
		said = "paused"
	}
	if err := s.setPaused(c, pausing{f["system"], &paused, f["reason"]}); err != nil {
		return err
	}
	return c.seeOther("/console/system?said=" + said)
}

// retellOnPage is retell for a browser, in two steps: what was counted is shown on the page
// with a button that goes on.
func (s *Server) retellOnPage(c *call) error {
	f, err := s.readFields(c, "system", "from", "until", "expect")
	if err != nil {
		return err
	}
	r := retelling{System: f["system"], From: fromField(f["from"]), Until: fromField(f["until"])}
	if f["expect"] != "" {
		expect, err := strconv.Atoi(f["expect"])
		if err != nil {
			return refusal("malformed-request")
		}
		r.Expect = &expect
	}
	done, err := s.toldAgain(c, r)
	switch {
	case err != nil:
		return err
	case done.Done:
		return c.seeOther("/console/system?said=retold")
	}
	return s.systemsPage(c, &done)
}
