package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A scenario is a short story that is told the same way each time: one thing that the random run may or
// may not meet. A hub that keeps its promise passes each; what must hold of the random run is checked
// of it, too.
type scenario struct {
	Name  string
	What  string
	needs func(o options) (why string) // why it cannot be played, "" when it can; nil for nothing
	tell  func(ctx context.Context, a *act)
	rests bool // everything comes to rest by itself in the end

	replicas int // how many processes it is about; 0 is one
}

// played is how a scenario went.
type played struct {
	Name       string        `json:"name"`
	What       string        `json:"what"`
	Verdict    verdict       `json:"verdict"`
	Why        string        `json:"why,omitempty"` // it was not played
	Violations []string      `json:"violations,omitempty"`
	Took       time.Duration `json:"took"`
}

type verdict string

const (
	held      verdict = "held"
	violated  verdict = "VIOLATED"
	notPlayed verdict = "not covered"
)

// What --scenario may name beside them: none is the random run, and growth how much more replicas deliver.
const (
	none   = "none"
	growth = "growth"
)

func scenarioNames() (names []string) {
	for _, s := range scenarios() {
		names = append(names, s.Name)
	}
	return names
}

func scenarioNamed(name string) *scenario {
	for _, s := range scenarios() {
		if s.Name == name {
			return &s
		}
	}
	return nil
}

// chosen gives the scenarios that are to be played.
func (o options) chosen() (all []scenario) {
	for _, s := range scenarios() {
		if len(o.scenarios) == 0 || slices.Contains(o.scenarios, s.Name) {
			all = append(all, s)
		}
	}
	return all
}

// atOnce is how many scenarios are played at the same time: mostly they wait.
const atOnce = 4

// playAll plays scenarios beside each other, and hands on how each went in their order.
func (o options) playAll(ctx context.Context, dir string, done func(played)) {
	all := o.chosen()
	results := make([]chan played, len(all))
	room := make(chan struct{}, atOnce)
	for i, s := range all {
		results[i] = make(chan played, 1)
		go func() {
			room <- struct{}{}
			results[i] <- s.play(ctx, filepath.Join(dir, s.Name), o)
			<-room
		}()
	}
	for _, r := range results {
		done(<-r)
	}
}

// An act is a scenario under way, on a stage of its own.
type act struct {
	*stage
	clockFile string
	moved     time.Duration // how much the hub's clock shows too much
	patience  time.Duration // how long rest is waited for
	bad       []string
}

// toldWithin bounds any scenario.
const toldWithin = 2 * time.Minute

func (s scenario) play(ctx context.Context, dir string, o options) (p played) {
	p = played{Name: s.Name, What: s.What, Verdict: notPlayed}
	if s.needs != nil {
		if p.Why = s.needs(o); p.Why != "" {
			return p
		}
	}
	began := time.Now()
	defer func() { p.Took = time.Since(began) }()
	ctx, cancel := context.WithTimeout(ctx, toldWithin)
	defer cancel()
	a, err := openAct(ctx, dir, s.replicas, o)
	if err != nil {
		p.Why = err.Error()
		return p
	}
	defer a.close()
	s.tell(ctx, a)
	if s.rests && len(a.bad) == 0 {
		a.conclude(ctx)
	}
	p.Violations, p.Verdict = a.bad, held
	if len(a.bad) > 0 {
		p.Verdict = violated
		return p // whoever looks for the reason has the database
	}
	o.engines.drop(a.database)
	return p
}

// openAct sets a stage for two municipalities, where nothing fails but what is told to.
func openAct(ctx context.Context, dir string, replicas int, o options) (*act, error) {
	a := &act{clockFile: filepath.Join(dir, "clock"), patience: o.patience}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	a.moveClock(0)
	env := append(slices.Clone(o.env), "KNUTPUNKT_CLOCK_OFFSET="+a.clockFile, "KNUTPUNKT_SWEEP=50ms")
	plan := draw(o.seed, 2, 0, time.Second)
	var err error
	if a.stage, err = o.openStage(ctx, dir, replicas, env, plan); err != nil {
		return nil, err
	}
	for _, x := range a.systems {
		x.heal()
		x.silent, x.lag = true, 0 // where the clock is moved, nobody can wait for anything to be found
	}
	return a, nil
}

// moveClock moves the hub's clock further, where the binary has a hand on it.
func (a *act) moveClock(by time.Duration) {
	a.moved += by
	if err := os.WriteFile(a.clockFile, []byte(a.moved.String()), 0o600); err != nil {
		a.bad = append(a.bad, err.Error())
	}
}

// needsClock says why a scenario cannot be played with a binary whose clock cannot be moved.
func needsClock(o options) string {
	program, err := os.ReadFile(o.binary)
	if err != nil || !bytes.Contains(program, []byte("KNUTPUNKT_CLOCK_OFFSET")) {
		return "the clock of this binary cannot be moved; a chaos build has one that can"
	}
	return ""
}

// start starts the hub. A hub that does not start is a violation.
func (a *act) start(ctx context.Context) {
	if err := a.hub.start(ctx); err != nil {
		a.bad = append(a.bad, err.Error())
	}
}

// form makes a form of a service for the first municipality, or a completion of it.
func (a *act) form(service string, number, version int) *form {
	m := a.plan.municipalities[0]
	f := &form{
		Municipality: m, Source: fmt.Sprintf("S-%04d", number), Version: fmt.Sprint(version),
		Key: fmt.Sprintf("scenario.%d.%d", number, version), Text: m.Canary + " text", Amount: "1250.50", Applicant: &m.people[0],
	}
	for _, s := range services {
		if s.Name == service {
			f.Service = s
		}
	}
	a.plan.cases = append(a.plan.cases, &aCase{Forms: []*form{f}})
	if version > 1 {
		for _, c := range a.plan.cases {
			if c.Forms[0].Source == f.Source && c.Forms[0] != f {
				a.plan.cases = a.plan.cases[:len(a.plan.cases)-1]
				c.Forms = append(c.Forms, f)
				break
			}
		}
	}
	return f
}

// post sends a form until somebody has answered for it.
func (a *act) post(ctx context.Context, f *form) post {
	return a.platforms.until(ctx, f, f.Key)
}

// expect notes a violation unless it is so.
func (a *act) expect(so bool, format string, args ...any) {
	if !so {
		a.bad = append(a.bad, fmt.Sprintf(format, args...))
	}
}

// await waits until it is so, and notes a violation when that does not come about. Where something did
// not hold already there is nothing to wait for.
func (a *act) await(ctx context.Context, what string, within time.Duration, so func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for len(a.bad) == 0 && !so() {
		if ctx.Err() != nil {
			a.bad = append(a.bad, what+" did not come about")
			return false
		}
		pause(ctx, 50*time.Millisecond)
	}
	return len(a.bad) == 0
}

// at tells how a delivery of a form stands, as the API says it.
func (a *act) at(ctx context.Context, id, system string) string {
	status, text := a.platforms.call(ctx, "GET", "/v1/submissions/"+id, a.plan.municipalities[0])
	var s submission
	if status != 200 || json.Unmarshal(text, &s) != nil {
		return fmt.Sprint(status)
	}
	for _, d := range s.Deliveries {
		if strings.HasSuffix(d.System, "."+system) {
			return d.State
		}
	}
	return s.State
}

// posts counts the documents that a system got, of one form or, without a name, of all.
func (a *act) posts(kind, form string) (n int) {
	for _, c := range a.systems[kind].ledger.all() {
		if c.What == "post" && (form == "" || c.Form == form) {
			n++
		}
	}
	return n
}

// script has a system answer as it is told to, from now on.
func (a *act) script(kind string, answer func(c call) fault) {
	s := a.systems[kind]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = answer
}

// hurry moves the hub's clock ahead until ctx is done, so that what waits need not wait as long as it
// says.
func (a *act) hurry(ctx context.Context) {
	for ctx.Err() == nil {
		a.moveClock(time.Second)
		pause(ctx, 50*time.Millisecond)
	}
}

// conclude waits for rest and holds what the hub says against the ledgers.
func (a *act) conclude(ctx context.Context) {
	e := &evidence{mended: time.Now()}
	hurrying, calm := context.WithCancel(ctx)
	hurried := make(chan struct{})
	go func() { a.hurry(hurrying); close(hurried) }()
	a.awaitRest(ctx, e, a.patience)
	calm()
	<-hurried
	e.feeds = map[string][]line{}
	if err := a.collect(ctx, e); err != nil {
		a.bad = append(a.bad, err.Error())
		return
	}
	for _, h := range a.hubs {
		h.kill("the end")
	}
	if _, err := a.spill.search(a.in.dir); err != nil {
		a.bad = append(a.bad, err.Error())
	}
	if e.spilled = a.spill.findings(); !e.rested.IsZero() {
		e.mended = e.rested
	}
	v := newView(e)
	for _, i := range invariants {
		if i.N == 6 || i.N == 17 || i.N == 18 { // they are about a run as a whole
			continue
		}
		for _, bad := range i.check(v) {
			a.bad = append(a.bad, fmt.Sprintf("%d %s: %s", i.N, i.Name, bad))
		}
	}
}
