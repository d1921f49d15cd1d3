package main

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/sif/sifsim"
)

// A checker that has never found anything proves nothing: each of these spoils evidence that is right in
// one way, and the invariant that it breaks must say so.
func TestEveryInvariantFindsItsViolation(t *testing.T) {
	spoil := []struct {
		name string
		n    int // the invariant
		do   func(*evidence)
	}{
		{"a received form is nowhere", 1, func(e *evidence) { delete(e.shown, "ID1") }},
		{"a delivery is nowhere and nobody is told", 1, func(e *evidence) { e.calls = without(e.calls, "ID1-recognises") }},
		{"an odd form is not held", 1, func(e *evidence) { e.form("C-1@1").Oddity = unreadable }},
		{"a system has what nobody sent", 2, func(e *evidence) { e.calls[0].Form = "C-9@1" }},
		{"a system has what is not on the route", 2, func(e *evidence) { e.calls[0].Leg = "elsewhere" }},
		{"a system has what was taken back", 2, func(e *evidence) {
			e.posts = append(e.posts, post{What: withdrawn, Form: "C-1@1", ID: "ID1", As: "m01"})
		}},
		{"a redirect was followed", 2, func(e *evidence) { e.sunk = 1 }},
		{"one form is two submissions", 3, func(e *evidence) {
			p := e.posts[1]
			p.ID, p.Key = "ID9", "other"
			e.posts = append(e.posts, p)
		}},
		{"a submission that nobody knows", 3, func(e *evidence) { e.shown["ID9"] = submission{ID: "ID9"} }},
		{"two cases", 4, func(e *evidence) { e.calls = append(e.calls, again(e.calls[0], 5)) }},
		{"a file twice", 4, func(e *evidence) { e.calls = append(e.calls, e.call("file", tells)) }},
		{"a diarium has two cases", 4, func(e *evidence) { e.diaria["m01"] = append(e.diaria["m01"], e.diaria["m01"][0]) }},
		{"blind and sent again", 5, func(e *evidence) {
			c := e.call("post", forgets)
			c.At = c.At.Add(time.Second)
			e.calls = append(e.calls, c)
		}},
		{"blind, unclear, and no person is asked", 5, func(e *evidence) {
			e.listed["ID3"].Deliveries[forgets] = standing{"HELD", "refused"}
		}},
		{"sent again for no reason", 6, func(e *evidence) {
			c := again(e.calls[0], 2)
			c.Stored = false
			e.calls = append(e.calls, c)
		}},
		{"another document", 7, func(e *evidence) { e.calls[0].SHA256 = "0000" }},
		{"a file is missing", 7, func(e *evidence) { delete(e.files[tells+"m01ID2-"+tells][0], 1) }},
		{"a file is another", 7, func(e *evidence) { e.files[tells+"m01ID2-"+tells][0][1] = "0000" }},
		{"a diarium lacks a file", 7, func(e *evidence) { e.diaria["m01"][0].Files = nil }},
		{"a completion comes first", 8, func(e *evidence) { e.moved("ID1b-again", -time.Hour) }},
		{"a leg does not wait", 8, func(e *evidence) { e.moved("ID2-recognises", -time.Hour) }},
		{"received at another time", 9, func(e *evidence) {
			x := e.shown["ID1"]
			x.Received = x.Received.Add(time.Second)
			e.shown["ID1"] = x
		}},
		{"received at another time when sent again", 9, func(e *evidence) {
			p := e.posts[1]
			p.Received = p.Received.Add(time.Second)
			e.posts = append(e.posts, p)
		}},
		{"received before it was sent", 9, func(e *evidence) {
			x := e.shown["ID1"]
			x.Received = x.Received.Add(-time.Hour)
			e.shown["ID1"], e.posts[1].Received = x, x.Received
		}},
		{"the same key is another", 10, func(e *evidence) { e.again[0].ID = "ID2" }},
		{"other content is taken", 10, func(e *evidence) { e.again[1].What = ok }},
		{"other content is refused otherwise", 10, func(e *evidence) { e.again[1].Status = http.StatusBadRequest }},
		{"a repeat is no repeat", 10, func(e *evidence) { e.again[0].Replayed = false }},
		{"a step back", 11, func(e *evidence) { e.feeds["ID1"][0].Step, e.readings[0].Lines[0].Step = "beslutat", "beslutat" }},
		{"a gap", 11, func(e *evidence) { e.readings[0].Lines = e.readings[0].Lines[1:] }},
		{"a line twice", 11, func(e *evidence) {
			e.readings[0].Lines = append(e.readings[0].Lines, e.readings[0].Lines[1])
		}},
		{"a report was not heard", 11, func(e *evidence) { e.highest[recognises+"m01r-1"] = 40 }},
		{"somebody sees another's", 12, func(e *evidence) { e.walls = []string{"seen"} }},
		{"somebody posts for another", 12, func(e *evidence) { e.posts[1].As = "m02" }},
		{"a system gets another's", 12, func(e *evidence) { e.calls[0].Foreign = "0102" }},
		{"a name in the log", 13, func(e *evidence) { e.spilled = []string{"the log"} }},
		{"no rest", 16, func(e *evidence) { e.rested = time.Time{} }},
		{"rest comes late", 16, func(e *evidence) { e.rested = e.mended.Add(10 * time.Minute) }},
		{"something moves for ever", 16, func(e *evidence) { e.listed["ID1"].Deliveries[recognises] = standing{"SENDING", ""} }},
		{"something waits for nobody", 16, func(e *evidence) { e.listed["ID1"].Deliveries[recognises] = standing{"BLOCKED", ""} }},
		{"a hub that does not start", 16, func(e *evidence) { e.failures = []string{"it did not start"} }},
		{"a dead replica keeps what it has in hand", 16, func(e *evidence) { e.takeovers = []takeover{{Rows: 1, Took: time.Second}} }},
		{"a dead replica is seen late", 16, func(e *evidence) { e.takeovers = []takeover{{Rows: 1, Took: time.Minute, Whole: true}} }},
		{"open files grow", 17, func(e *evidence) { e.after.Files = 500 }},
		{"memory grows", 17, func(e *evidence) { e.after.Resident = 1 << 20 }},
		{"temporary files stay", 17, func(e *evidence) { e.after.Left = 1 }},
		{"forms are turned away", 18, func(e *evidence) { e.posts[1].What, e.posts[1].Status = info, 503 }},
		{"forms take long", 18, func(e *evidence) { e.posts[1].Took = 3 * time.Second }},
		{"delivered, and not there", 19, func(e *evidence) { e.calls = without(e.calls, "ID1-recognises") }},
		{"another number", 19, func(e *evidence) { e.listed["ID1"].Deliveries[recognises] = standing{"DELIVERED", "X 1"} }},
		{"a yes that is not believed", 19, func(e *evidence) { e.listed["ID1"].Deliveries[recognises] = standing{"RETRY_WAIT", ""} }},
		{"held for no cause", 19, func(e *evidence) { e.listed["ID1"].Deliveries[recognises] = standing{"HELD", "hash-mismatch"} }},
		{"held for two deaths", 19, func(e *evidence) { e.blamed(2) }},
		{"two places say two things", 19, func(e *evidence) {
			x := e.shown["ID1"]
			x.State = "held"
			e.shown["ID1"] = x
		}},
		{"a metric counts wrong", 21, func(e *evidence) { e.metrics["knutpunkt_submissions_accepted_total"]++ }},
		{"what is held is not counted", 21, func(e *evidence) { e.metrics["knutpunkt_held"] = 0 }},
	}
	covered := map[int]bool{}
	for _, s := range spoil {
		t.Run(s.name, func(t *testing.T) {
			covered[s.n] = true
			e := rightEvidence(t)
			s.do(e)
			for _, i := range invariants {
				if i.N == s.n && len(i.check(newView(e))) == 0 {
					t.Errorf("invariant %d, %s, holds", i.N, i.Name)
				}
			}
		})
	}
	for _, i := range invariants {
		if !covered[i.N] {
			t.Errorf("invariant %d, %s, is never violated here", i.N, i.Name)
		}
	}
}

func TestRightEvidenceHolds(t *testing.T) {
	v := newView(rightEvidence(t))
	for _, i := range invariants {
		for _, bad := range i.check(v) {
			t.Errorf("%d %s: %s", i.N, i.Name, bad)
		}
	}
	if d := tallyOf(v).difference(); d != 0 {
		t.Errorf("%d forms are unexplained", d)
	}
}

// What was in hand at three deaths may be held for them.
func TestThreeDeathsAreACause(t *testing.T) {
	e := rightEvidence(t)
	e.blamed(3)
	if bad := checkTruth(newView(e)); len(bad) > 0 {
		t.Errorf("%q", bad)
	}
}

// blamed has a delivery held, never sent, for so many deaths since its form came in.
func (e *evidence) blamed(deaths int) {
	e.calls = without(e.calls, "ID1-recognises")
	e.listed["ID1"].Deliveries[recognises] = standing{"HELD", "crash-loop"}
	for n := range deaths {
		at := e.shown["ID1"].Received.Add(time.Duration(n+1) * time.Second)
		e.blows = append(e.blows, blow{At: at, To: "1", What: "kill"})
	}
}

func TestTheTallyShowsWhatIsLost(t *testing.T) {
	e := rightEvidence(t)
	delete(e.shown, "ID1")
	if got := tallyOf(newView(e)); got.Lost != 1 || got.difference() != 0 {
		t.Errorf("%+v", got)
	}
}

// A run in which nothing happened is not green.
func TestGatesStopAnEmptyRun(t *testing.T) {
	e := &evidence{plan: draw(1, 4, 100, time.Minute), struck: map[moment]int{}}
	for _, g := range gatesOf(newView(e)) {
		if g.Passed {
			t.Errorf("%s passes with %d", g.What, g.Got)
		}
	}
}

func TestTheVerdict(t *testing.T) {
	tests := []struct {
		name string
		r    report
		want int
	}{
		{"all of it held", report{Checks: []checked{{N: 1}}, Gates: []gate{{Passed: true}}}, exitHeld},
		{"something did not", report{Checks: []checked{{N: 1, Violations: []string{"lost"}}}, Gates: []gate{{}}}, exitViolated},
		{"a scenario did not", report{Checks: []checked{{N: 1}}, Scenarios: []played{{Verdict: violated}}}, exitViolated},
		{"a gate was not passed", report{Checks: []checked{{N: 1}}, Gates: []gate{{}}}, exitUnknown},
		{"nothing was played", report{Scenarios: []played{{Verdict: notPlayed}}}, exitUnknown},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := test.r.end(t.Output(), ""); got != test.want {
				t.Errorf("exit %d, want %d", got, test.want)
			}
		})
	}
}

// Everything random comes from the seed.
func TestTheSamePlanComesOfTheSameSeed(t *testing.T) {
	text := func(seed uint64) string {
		var all []string
		for _, f := range draw(seed, 16, 100, time.Minute).forms() {
			all = append(all, string(f.envelope()), f.Key, string(f.Manner), string(f.Oddity))
		}
		return strings.Join(all, "\n")
	}
	seven, again, eight := text(7), text(7), text(8)
	if seven != again || seven == eight {
		t.Error("the plan does not follow from the seed alone")
	}
}

func TestSearchFindsWordsInEveryEncoding(t *testing.T) {
	n := newNeedles([]string{"kanarieå", "198810032386"})
	for name, text := range map[string]string{
		"UTF-8": "x kanarieå y", "Latin-1": "x kanarie\xe5", "UTF-16LE": "k\x00a\x00n\x00a\x00r\x00i\x00e\x00\xe5\x00",
		"UTF-16BE": "x\x00k\x00a\x00n\x00a\x00r\x00i\x00e\x00\xe5", "digits": "19198810032386",
	} {
		if len(n.in([]byte(text))) == 0 {
			t.Errorf("%s: not found", name)
		}
	}
	if len(n.in([]byte("kanarie 19881003238"))) > 0 {
		t.Error("something was found that is not there")
	}
}

func TestTheTableOfDeliveriesIsRead(t *testing.T) {
	listed := readTable("FORM  RECEIVED  MUNICIPALITY  SERVICE  STEP  STATE  DELIVERIES\n" +
		"01A  2026-11-22 09:00:00  0101  blind  inkommet  ATTENTION  forgets HELD unclear, recognises DELIVERED RE m01/00001\n" +
		"01B  2026-11-22 09:00:00  0101  x  inkommet  HELD no-route\n")
	a, b := listed["01A"], listed["01B"]
	if a.State != "ATTENTION" || a.Deliveries[forgets] != (standing{"HELD", "unclear"}) ||
		a.Deliveries[recognises] != (standing{"DELIVERED", "RE m01/00001"}) || b.Reason != "no-route" {
		t.Errorf("%+v", listed)
	}
}

// rightEvidence is that of a small run in which all went as it should: a form with a completion, one
// whose second leg waits, one that is unclear, and one in a diarium.
func rightEvidence(t *testing.T) *evidence {
	t.Helper()
	p := draw(1, 2, 0, time.Second)
	e := &evidence{
		plan: p, diaria: map[string][]sifsim.Entry{}, files: map[string][]map[int]string{}, highest: map[string]int{},
		struck: map[moment]int{}, feeds: map[string][]line{}, shown: map[string]submission{}, listed: map[string]row{},
		metrics: map[string]float64{},
	}
	at := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	e.mended, e.rested = at.Add(time.Minute), at.Add(80*time.Second)
	for n, sent := range []struct{ id, service, source, version string }{
		{"ID1", "plain", "C-1", "1"}, {"ID1b", "plain", "C-1", "2"}, {"ID2", "chain", "C-2", "1"},
		{"ID3", "blind", "C-3", "1"}, {"ID4", "diary", "C-4", "1"},
	} {
		e.receive(newForm(p.municipalities[0], sent.service, sent.source, sent.version), sent.id, at.Add(time.Duration(n)*10*time.Second))
	}
	e.deliverAll(at)
	first := e.posts[1]
	first.Replayed = true
	refused := first
	refused.ID, refused.Salt, refused.What, refused.Status = "", 1, fail, http.StatusUnprocessableEntity
	e.again = []post{first, refused}
	lines := []line{{1, "inkommet", at}, {4, "registrerat", at}}
	e.readings = []reading{{ID: "ID1", Folder: "m01", Lines: slices.Clone(lines)}}
	e.feeds["ID1"] = slices.Clone(lines)
	e.metrics["knutpunkt_submissions_accepted_total"], e.metrics["knutpunkt_held"] = float64(len(e.shown)), 1
	return e
}

func newForm(m *municipality, service, source, version string) *form {
	f := &form{
		Municipality: m, Source: source, Version: version, Key: source + "." + version + ".key", Text: "text",
		Amount: json.Number("1"), Applicant: &m.people[0], Files: []file{{Name: "a.pdf", Type: "application/pdf", Size: 100}},
	}
	for _, s := range services {
		if s.Name == service {
			f.Service = s
		}
	}
	return f
}

// receive has a form sent in, answered with 202, and delivered by its route.
func (e *evidence) receive(f *form, id string, at time.Time) {
	if f.first() {
		e.plan.cases = append(e.plan.cases, &aCase{})
	}
	c := e.plan.cases[len(e.plan.cases)-1]
	c.Forms = append(c.Forms, f)
	p := post{At: at, What: intent, Form: f.name(), Key: f.Key, As: f.Municipality.Folder}
	got := p
	got.What, got.ID, got.Status, got.Received, got.At, got.Took = ok, id, http.StatusAccepted, at, at, time.Millisecond
	e.posts = append(e.posts, p, got)
	e.shown[id] = submission{ID: id, Case: f.Source, Municipality: f.Municipality.Code, Received: at, State: "delivered", Step: "registrerat"}
	e.listed[id] = row{Municipality: f.Municipality.Code, State: "COMPLETED", Deliveries: map[string]standing{}}
}

// deliverAll has every form's legs taken by their systems, a second apart.
func (e *evidence) deliverAll(at time.Time) {
	for n, p := range e.posts {
		if p.What != ok {
			continue
		}
		f := e.form(p.Form)
		for i, l := range f.expected() {
			e.deliver(f, l, p.ID, at.Add(time.Duration(n*10+i)*time.Second))
		}
	}
	e.listed["ID3"] = row{Municipality: "0101", State: "ATTENTION", Deliveries: map[string]standing{
		forgets: {"HELD", "unclear"}, recognises: e.listed["ID3"].Deliveries[recognises],
	}}
	x := e.shown["ID3"]
	x.State = "held"
	e.shown["ID3"] = x
	for i := range e.calls {
		if e.calls[i].Kind == forgets {
			e.calls[i].Fault = lost
		}
	}
}

func (e *evidence) deliver(f *form, l leg, id string, at time.Time) {
	key, number := id+"-"+l.Name, "N "+id+l.Name
	e.listed[id].Deliveries[l.Name] = standing{"DELIVERED", number}
	sums := map[int]string{}
	for i, file := range f.Files {
		sums[i+1] = file.sha256()
	}
	sums[len(sums)+1] = hexSHA256(f.envelope())
	if l.To == diary {
		entry := sifsim.Entry{Kind: sifsim.CaseEntry, At: at, Number: number, Key: key, Title: f.name()}
		for _, sum := range sums {
			entry.Files = append(entry.Files, sifsim.File{Note: key, SHA256: sum})
		}
		e.diaria[f.Municipality.Folder] = append(e.diaria[f.Municipality.Folder], entry)
		return
	}
	sum := hexSHA256(f.golden(l, newView(e).knownOf(f, l, id)))
	e.calls = append(e.calls, call{
		At: at, Kind: l.To, Folder: f.Municipality.Folder, What: "post", Key: key, Form: f.name(), Leg: l.Name,
		SHA256: sum, Nth: 1, Stored: true, Number: number, ID: l.To[:1] + "-1",
	})
	for n, sum := range sums {
		e.calls = append(e.calls, call{
			At: at, Kind: l.To, Folder: f.Municipality.Folder, What: "file", Key: key, File: n, SHA256: sum, Stored: true, ID: l.To[:1] + id,
		})
	}
	e.files[l.To+f.Municipality.Folder+key] = []map[int]string{sums}
}

func (e *evidence) form(name string) *form {
	for _, f := range e.plan.forms() {
		if f.name() == name {
			return f
		}
	}
	return nil
}

// call gives the first call of a sort at a kind of system.
func (e *evidence) call(what, kind string) call {
	return e.calls[slices.IndexFunc(e.calls, func(c call) bool { return c.What == what && c.Kind == kind })]
}

// moved has the calls of a delivery come at another time.
func (e *evidence) moved(key string, by time.Duration) {
	for i := range e.calls {
		if e.calls[i].Key == key {
			e.calls[i].At = e.calls[i].At.Add(by)
		}
	}
}

func again(c call, later time.Duration) call {
	c.At, c.Nth = c.At.Add(later*time.Second), 2
	return c
}

func without(calls []call, key string) []call {
	return slices.DeleteFunc(calls, func(c call) bool { return c.Key == key })
}
