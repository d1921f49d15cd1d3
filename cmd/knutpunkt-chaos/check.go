package main

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/sif/sifsim"
)

// An invariant is something that holds whatever happens. The numbers are those of the promise.
type invariant struct {
	N     int
	Name  string
	What  string
	check func(*view) []string
}

// invariants are all that this harness can see of the promise.
var invariants = []invariant{
	{1, "lost", "what was answered with 202 is at every system of its route, or rests where a person sees it", checkLost},
	{2, "unexpected", "nothing is anywhere that nobody sent there", checkUnexpected},
	{3, "recovered", "a form that nobody heard about is there once or not at all", checkRecovered},
	{4, "doubled", "where a system recognises our key or can be asked, each delivery is there once", checkDoubled},
	{5, "blind", "where it can neither, nothing is sent again after it may have been taken, and a person sees it", checkBlind},
	{6, "re-sends", "what is sent again has a reason", checkResends},
	{7, "bytes", "documents and files are byte for byte what they should be, each time", checkBytes},
	{8, "order", "within a case and system nothing overtakes", checkOrder},
	{9, "received", "the day it came in is the same wherever it is told", checkReceived},
	{10, "same key", "the same key is the same form for ever, and other content is refused", checkSameKey},
	{11, "status", "the step never goes back, and a stream has no gap and no repeat", checkStatus},
	{12, "walls", "nobody sees, sends or gets what is another municipality's", checkWalls},
	{13, "canaries", "personal data are in no file, log, answer or metric", checkCanaries},
	{16, "liveness", "soon after everything is mended, nothing moves any more", checkLiveness},
	{17, "resources", "who has been through it all takes no more than who has just begun", checkResources},
	{18, "availability", "forms are taken quickly and not turned away", checkAvailability},
	{19, "truth", "what the hub says of a delivery is what the system says", checkTruth},
	{21, "metrics", "the metrics count what is there", checkMetrics},
}

// notCovered is what the promise has and this harness cannot see, and why.
var notCovered = []string{
	"14 audit: there is no tamper-evident audit log yet",
	"20 gallring: there is no purge yet",
	"13 for core files: the run writes none",
	"16 with the bus switched off, but where it is a broker that goes away (--bus kafka); and how long the oldest ready delivery waits",
	"17 for disk: the store keeps what it has received",
	"18 for a municipality that floods the others: forms come in at one pace",
	"7 for documents at the shipped diarium: its simulator keeps no bytes, so titles, counts and files are checked there",
	"1, 15 for power loss: a kill does not lose what was written and not synced; fsyncs are counted instead",
}

// A view is evidence with the ways through it that the checks go.
type view struct {
	*evidence
	form map[string]*form           // by name
	ids  map[string]map[string]bool // by form: every submission that anybody knows it as
	of   map[string]*form           // by submission
	oks  map[string][]post          // by submission: everything that was answered with 202
	sent map[string][]call          // documents, by kind, folder and key, earliest first
}

func newView(e *evidence) *view {
	v := &view{
		evidence: e, form: map[string]*form{}, ids: map[string]map[string]bool{}, of: map[string]*form{},
		oks: map[string][]post{}, sent: map[string][]call{},
	}
	for _, f := range e.plan.forms() {
		v.form[f.name()], v.ids[f.name()] = f, map[string]bool{}
	}
	for _, p := range append(slices.Clone(e.posts), e.again...) {
		if p.What == ok {
			v.oks[p.ID] = append(v.oks[p.ID], p)
			v.know(p.Form, p.ID)
		}
	}
	for _, c := range e.calls {
		if c.What == "post" {
			at := c.Kind + c.Folder + c.Key
			v.sent[at] = append(v.sent[at], c)
			id, _, _ := strings.Cut(c.Key, "-")
			v.know(c.Form, id)
		}
	}
	for _, calls := range v.sent {
		slices.SortStableFunc(calls, func(a, b call) int { return a.At.Compare(b.At) })
	}
	v.knowDiaria()
	return v
}

func (v *view) know(name, id string) {
	if f := v.form[name]; f != nil && id != "" {
		v.ids[name][id], v.of[id] = true, f
	}
}

// knowDiaria learns what forms became from the titles in the diaria.
func (v *view) knowDiaria() {
	for _, entries := range v.diaria {
		for _, e := range entries {
			if id, _, found := strings.Cut(e.Key, "-"); found && (e.Kind == sifsim.CaseEntry || e.Kind == sifsim.DocumentEntry) {
				v.know(e.Title, id)
			}
		}
	}
}

// sentTo gives the documents that a system got of one delivery.
func (v *view) sentTo(f *form, l leg, id string) []call {
	return v.sent[l.To+f.Municipality.Folder+id+"-"+l.Name]
}

// stored gives the calls by which a case was made.
func stored(calls []call) (made []call) {
	for _, c := range calls {
		if c.Stored {
			made = append(made, c)
		}
	}
	return made
}

// times tells how often a system has a delivery, and the number that it gave it first.
func (v *view) times(f *form, l leg, id string) (n int, number string, at time.Time) {
	if l.To != diary {
		made := stored(v.sentTo(f, l, id))
		if len(made) > 0 {
			number, at = made[0].Number, made[0].At
		}
		return len(made), number, at
	}
	want := sifsim.CaseEntry
	if l.Number != "" {
		want = sifsim.DocumentEntry
	}
	for _, e := range v.diaria[f.Municipality.Folder] {
		if e.Kind == want && e.Key == id+"-"+l.Name {
			if n++; n == 1 {
				number, at = cmp.Or(e.Case, e.Number), e.At // a document goes by the number of its case
			}
		}
	}
	return n, number, at
}

// each gives every submission that came of a form of the plan, in the plan's order.
func (v *view) each(do func(f *form, id string)) {
	for _, f := range v.plan.forms() {
		for _, id := range slices.Sorted(keys(v.ids[f.name()])) {
			do(f, id)
		}
	}
}

func keys[K comparable, V any](m map[K]V) func(func(K) bool) {
	return func(yield func(K) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// rests reports whether a delivery waits for a person, itself or behind another that does, or for a next
// try that is minutes away.
func (v *view) rests(id, leg string) bool {
	r := v.listed[id]
	switch r.State {
	case "HELD", "WITHDRAWN":
		return true
	}
	d := r.Deliveries[leg]
	return v.patient[id+"-"+leg] || d.State == "HELD" || d.State == "CANCELLED" || d.State == "BLOCKED" && v.caseRests(id)
}

// caseRests reports whether anything in a submission's case rests.
func (v *view) caseRests(id string) bool {
	for other, x := range v.shown {
		if x.Case != v.shown[id].Case {
			continue
		}
		r := v.listed[other]
		if r.State == "HELD" || r.State == "ATTENTION" {
			return true
		}
		for leg := range r.Deliveries {
			if v.patient[other+"-"+leg] {
				return true
			}
		}
	}
	return false
}
