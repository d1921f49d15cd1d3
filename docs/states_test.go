package docs

import (
	"cmp"
	"hash/maphash"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// TestStatesAreAsDrawn holds the pictures in states.md against hub.Next: whatever is
// drawn can happen, and nothing happens that is not drawn.
func TestStatesAreAsDrawn(t *testing.T) {
	t.Parallel()
	drawn := pictures(t, "states.md")
	if len(drawn) != 4 {
		t.Fatalf("states.md has %d pictures, want those of a submission, a delivery, a restored delivery and the citizen's step", len(drawn))
	}
	happened := search()
	compare(t, "submission", drawn[0], happened.submission)
	compare(t, "delivery", drawn[1], happened.delivery)
	compare(t, "restored delivery", drawn[2], happened.restored)
	compare(t, "step", withSkips(drawn[3]), happened.step)
}

// An edge is a transition; from is start for what was not there before.
type edge struct{ from, to string }

const start = "[*]"

func compare(t *testing.T, what string, drawn, happened map[edge]bool) {
	t.Helper()
	for _, e := range sorted(drawn) {
		if !happened[e] {
			t.Errorf("%s: %s → %s is drawn and cannot happen", what, e.from, e.to)
		}
	}
	for _, e := range sorted(happened) {
		if !drawn[e] {
			t.Errorf("%s: %s → %s happens and is not drawn", what, e.from, e.to)
		}
	}
}

func sorted(edges map[edge]bool) []edge {
	var all []edge
	for e := range edges {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b edge) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to)) })
	return all
}

// pictures reads the Mermaid state diagrams of a page. An arrow from a group of states
// is one from each of them.
func pictures(t *testing.T, file string) []map[edge]bool {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []map[edge]bool
	for _, b := range blocksOf(file, string(text)) {
		if b.lang == "mermaid" {
			all = append(all, picture(b.text))
		}
	}
	return all
}

func picture(text string) map[edge]bool {
	drawn, members, inside := map[edge]bool{}, map[string][]string{}, ""
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), ":")
		from, to, arrow := strings.Cut(line, " --> ")
		switch {
		case strings.HasPrefix(line, "state ") && strings.HasSuffix(line, "{"):
			words := strings.Fields(line)
			inside = words[len(words)-2]
		case line == "}":
			inside = ""
		case arrow && inside != "":
			members[inside] = append(members[inside], from, to)
			drawn[edge{from, to}] = true
		case arrow && members[from] != nil:
			for _, m := range members[from] {
				drawn[edge{m, strings.TrimSpace(to)}] = true
			}
		case arrow:
			drawn[edge{from, strings.TrimSpace(to)}] = true
		}
	}
	return drawn
}

// withSkips adds the way past any number of states: a system need not tell of each.
func withSkips(drawn map[edge]bool) map[edge]bool {
	all := map[edge]bool{}
	for e := range drawn {
		all[e] = true
	}
	for changed := true; changed; {
		changed = false
		for a := range all {
			for b := range all {
				skip := edge{a.from, b.to}
				if a.to == b.from && a.from != b.to && a.from != start && !all[skip] {
					all[skip], changed = true, true
				}
			}
		}
	}
	return all
}

// transitions are what hub.Next was seen to do.
type transitions struct{ submission, delivery, restored, step map[edge]bool }

// search lets every event happen in every state that events lead to, breadth first,
// and notes what moved. Cases are told apart by all that decides what they do next,
// and not by when: so the search comes to an end.
func search() transitions {
	seen := transitions{map[edge]bool{}, map[edge]bool{}, map[edge]bool{}, map[edge]bool{}}
	for _, level := range []hub.Level{hub.Blind, hub.Lookup, hub.Idempotent} {
		seen.search(world{level: level, legs: 1, attempts: hub.MaxAttempts})
		seen.search(world{level: level, legs: 1, attempts: 1, people: true})
		seen.search(world{level: level, legs: 2, attempts: 1})
	}
	seen.search(world{level: hub.Lookup, legs: 0, attempts: 1, people: true})
	return seen
}

// A world is what is searched: a form whose route has so many legs of one level.
type world struct {
	level    hub.Level
	legs     int
	attempts int // beyond which nothing new is looked for
	people   bool
}

// A moment is a case at a time. What was ever sent is remembered, since only that can
// bring evidence of having been taken.
type moment struct {
	c    hub.Case
	at   time.Time
	sent string
}

func (seen transitions) search(w world) {
	queue := []moment{{at: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}}
	known := map[uint64]bool{}
	for len(queue) > 0 {
		now := queue[0]
		queue = queue[1:]
		for _, later := range []time.Duration{time.Hour, 26 * time.Hour} {
			at := now.at.Add(later)
			for _, e := range w.events(now, at) {
				after, _, err := hub.Next(now.c, e)
				if err != nil {
					continue
				}
				seen.note(now.c, after)
				seen.restore(now.c, at)
				next := moment{after, at, now.sent}
				if s, ok := e.(hub.Started); ok {
					next.sent += string(s.Key) + " "
				}
				if id := w.alike(next); !known[id] {
					known[id] = true
					queue = append(queue, next)
				}
			}
		}
	}
}

// note writes down what moved between two states of a case.
func (seen transitions) note(before, after hub.Case) {
	for _, p := range after.Submissions {
		moved(seen.submission, stateOf(before, p.Key), string(p.State))
	}
	for _, p := range after.Deliveries {
		if p.Kind == hub.DocumentKind {
			moved(seen.delivery, stateOf(before, p.Key), string(p.State))
		}
	}
	moved(seen.step, cmp.Or(string(before.Step), start), string(after.Step))
}

// restore notes what a restore makes of a case's deliveries. It may come at any moment.
func (seen transitions) restore(before hub.Case, at time.Time) {
	after, _, _ := hub.Next(before, hub.Restored{When: hub.When{At: at}})
	for _, p := range after.Deliveries {
		if p.Kind == hub.DocumentKind {
			moved(seen.restored, stateOf(before, p.Key), string(p.State))
		}
	}
}

func moved(edges map[edge]bool, from, to string) {
	if from != to {
		edges[edge{from, to}] = true
	}
}

func stateOf(c hub.Case, k hub.Key) string {
	if p := c.Find(k); p != nil {
		return string(p.State)
	}
	return start
}

// A standing is all of a row that decides what can come of it.
type standing struct {
	state    hub.State
	reason   hub.Reason
	boot     string
	proposed hub.Verb

	waiting, onWire, alone, due, asked, replaces, doubt, sent bool

	crashes, misses, attempts int
}

var seed = maphash.MakeSeed()

// alike are moments of which the same can come: by a hash, since there are a great many.
func (w world) alike(m moment) uint64 {
	var id maphash.Hash
	id.SetSeed(seed)
	maphash.WriteComparable(&id, m.c.Step)
	maphash.WriteComparable(&id, m.sent != "")
	for _, rows := range [][]hub.Progress{m.c.Submissions, m.c.Deliveries} {
		for _, p := range rows {
			if p.Kind != hub.TellingKind {
				maphash.WriteComparable(&id, w.standing(m, p))
			}
		}
	}
	return id.Sum64()
}

func (w world) standing(m moment, p hub.Progress) standing {
	s := standing{state: p.State, sent: strings.Contains(m.sent, string(p.Key))}
	if p.Settled() || p.Ended() {
		return s
	}
	s.reason, s.boot, s.proposed = p.Reason, p.Lease.Boot, proposed(p)
	s.waiting, s.onWire, s.alone, s.replaces = p.Waiting, p.OnWire, p.Alone, p.Replaces != ""
	s.due, s.asked = p.Due.Sub(m.at) > time.Hour, m.at.Sub(p.Asking) > hub.AskFor
	s.doubt, s.crashes, s.misses, s.attempts = p.Doubt, p.Crashes, p.Misses, min(p.Attempts-p.Spent, w.attempts)
	return s
}

func proposed(p hub.Progress) hub.Verb {
	if p.Proposal == nil {
		return ""
	}
	return p.Proposal.Verb
}

// events are everything that can happen at a moment, by whoever has a row in hand or by
// those who tell of it. Corrections are left out: they may take the citizen's step
// anywhere, as the page says.
func (w world) events(m moment, at time.Time) []hub.Event {
	when := hub.When{At: at}
	if m.c.ID == "" {
		a := hub.Arrived{When: when, Submission: "S", Case: "S", Source: "p", Service: "s", Voice: "d"}
		handedOn := a
		handedOn.Lease = hub.Lease{Boot: "boot", Token: 1}
		return []hub.Event{a, handedOn}
	}
	form := m.c.Submissions[0]
	all := []hub.Event{
		hub.Claimed{When: when, Key: form.Key, Lease: nextLease(form)},
		hub.Looking{When: when, Key: form.Key, Lease: form.Lease},
		hub.Postponed{When: when, Key: form.Key, Lease: form.Lease, Until: at.Add(time.Minute)},
		hub.Stopped{When: when, Key: form.Key, Lease: form.Lease, Reason: hub.ReasonRule},
		hub.Lapsed{When: when, Key: form.Key, Lease: form.Lease},
		hub.Suspected{When: when, Key: form.Key, Lease: form.Lease},
		w.planned(when, form),
	}
	all = append(all, w.decisions(form, when)...)
	for _, d := range m.c.Deliveries {
		all = append(all, eventsInHand(d, when)...)
		all = append(all, w.decisions(d, when)...)
		if strings.Contains(m.sent, string(d.Key)) {
			all = append(all, evidence(d, when)...)
		}
	}
	return all
}

// decisions are what people can decide about a row, and a second person approve.
func (w world) decisions(p hub.Progress, when hub.When) []hub.Event {
	withdraw := hub.Decided{When: when, Key: p.Key, Decision: hub.Decision{Verb: hub.Withdraw, By: "oep"}}
	if !w.people || p.Kind == hub.TellingKind {
		return []hub.Event{withdraw}
	}
	var all []hub.Event
	for _, verb := range hub.Verbs {
		all = append(all, hub.Decided{When: when, Key: p.Key, Decision: hub.Decision{Verb: verb, By: "a", Number: "n"}})
	}
	if p.Proposal != nil {
		all = append(all, hub.Approved{When: when, Key: p.Key, Proposed: p.Proposal.At, By: "b"})
	}
	if p.Kind == hub.DocumentKind && p.Replaces == "" {
		anew := hub.Plan{Leg: p.Leg, System: p.System, Operation: p.Operation, Level: p.Level, After: p.After, Step: p.Step}
		all = append(all, hub.Decided{When: when, Key: p.Key,
			Decision: hub.Decision{Verb: hub.Release, By: "a", Anew: &anew, Revision: "r2"}})
	}
	return all
}

// nextLease is that of a claim: its token is another each time.
func nextLease(p hub.Progress) hub.Lease {
	return hub.Lease{Boot: "boot", Token: p.Since.UnixNano()}
}

func (w world) planned(when hub.When, form hub.Progress) hub.Event {
	legs := []hub.Plan{
		{Leg: "diarium", System: "d", Operation: "case", Level: w.level, Step: hub.Registrerat},
		{Leg: "bygg", System: "b", Operation: "file", Level: w.level, After: "diarium"},
	}
	return hub.Planned{
		When: when, Key: form.Key, Lease: form.Lease, Revision: "r", Voice: "d", Deliveries: legs[:w.legs],
	}
}

// eventsInHand are what becomes of a delivery in the hands of a process.
func eventsInHand(d hub.Progress, when hub.When) []hub.Event {
	all := []hub.Event{
		hub.Claimed{When: when, Key: d.Key, Lease: nextLease(d)},
		hub.Lapsed{When: when, Key: d.Key, Lease: d.Lease},
		hub.Suspected{When: when, Key: d.Key, Lease: d.Lease},
	}
	switch {
	case d.State == hub.Sending && !d.Waiting:
		all = append(all,
			hub.Stopped{When: when, Key: d.Key, Lease: d.Lease, Reason: hub.ReasonMapping},
			hub.Started{When: when, Key: d.Key, Lease: d.Lease, SHA256: [32]byte{1}},
			hub.Started{When: when, Key: d.Key, Lease: d.Lease, SHA256: [32]byte{1}, Announced: true})
	case d.State == hub.Sending:
		all = append(all, hub.OnWire{When: when, Key: d.Key, Lease: d.Lease})
		for _, a := range []hub.Answer{hub.No, hub.NotNow, hub.DontKnow} {
			all = append(all, hub.Answered{When: when, Key: d.Key, Lease: d.Lease, Answer: a})
		}
		all = append(all, hub.Answered{When: when, Key: d.Key, Lease: d.Lease, Answer: hub.NotNow, Cause: hub.Down})
	case d.State == hub.Reconciling:
		for _, f := range []hub.Finding{hub.NotThere, hub.CannotTell, hub.Broken} {
			all = append(all, hub.Asked{When: when, Key: d.Key, Lease: d.Lease, Finding: f})
		}
	}
	return all
}

// evidence is what tells that a delivery was taken: its receipt, however late, an
// answer to Find, and what the system reports of it.
func evidence(d hub.Progress, when hub.When) []hub.Event {
	receipt := hub.Receipt{Number: "n", At: when.At}
	all := []hub.Event{
		hub.Answered{When: when, Key: d.Key, Answer: hub.Yes, Receipt: receipt},
		hub.Asked{When: when, Key: d.Key, Finding: hub.Found, Receipt: receipt},
	}
	for _, s := range []hub.Step{
		"", hub.Inkommet, hub.Registrerat, hub.UnderHandlaggning, hub.KompletteringBehov, hub.Beslutat,
		hub.Avslutat, hub.Atertaget, hub.Avvisat,
	} {
		all = append(all, hub.Reported{When: when, Key: d.Key, Report: hub.Report{Key: d.Key, Ref: "n", Step: s, At: when.At}})
	}
	return all
}
