package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// A report is what a run came to.
type report struct {
	Seed       uint64    `json:"seed"`
	Revision   string    `json:"revision"`
	Binary     string    `json:"binary"`
	Began      time.Time `json:"began"`
	Verdict    string    `json:"verdict"`
	Failure    string    `json:"failure,omitempty"` // of the harness
	Scenarios  []played  `json:"scenarios"`
	Checks     []checked `json:"checks"`
	Gates      []gate    `json:"gates"`
	Tally      *tally    `json:"tally,omitempty"`
	Seen       []string  `json:"seen"`
	NotCovered []string  `json:"notCovered"`
	Blows      []blow    `json:"blows,omitempty"`
	Spells     []spell   `json:"spells,omitempty"`

	Takeovers []takeover `json:"takeovers,omitempty"`
	Away      []absence  `json:"away,omitempty"`
	Growth    []speed    `json:"growth,omitempty"`
}

// checked is how one invariant came out.
type checked struct {
	N          int      `json:"n"`
	Name       string   `json:"name"`
	What       string   `json:"what"`
	Violations []string `json:"violations"`
}

// judge checks everything.
func (r *report) judge(v *view) {
	for _, i := range invariants {
		bad := i.check(v)
		slices.Sort(bad)
		r.Checks = append(r.Checks, checked{i.N, i.Name, i.What, bad})
	}
	r.Gates = gatesOf(v)
	r.Tally = tallyOf(v)
	r.Seen = seen(v)
	r.NotCovered = append(r.NotCovered, notCovered...)
	r.Blows, r.Spells = v.blows, v.spells
	r.Takeovers, r.Away = v.takeovers, v.away
}

// mostShown is how many violations of one invariant are printed; the report's file has all.
const mostShown = 8

// print prints what the random run came to.
func (r *report) print(out io.Writer) {
	for _, s := range r.Seen {
		fmt.Fprintln(out, "  "+s)
	}
	for _, c := range r.Checks {
		verdict := "held"
		if len(c.Violations) > 0 {
			verdict = fmt.Sprintf("VIOLATED %d times", len(c.Violations))
		}
		fmt.Fprintf(out, "%3d %-13s %s: %s\n", c.N, c.Name, c.What, verdict)
		for _, v := range c.Violations[:min(len(c.Violations), mostShown)] {
			fmt.Fprintln(out, "      "+v)
		}
	}
	r.Tally.print(out)
	for _, g := range r.Gates {
		if !g.Passed {
			fmt.Fprintf(out, "the run shows nothing: %s: %d, and at least %d is wanted\n", g.What, g.Got, g.Want)
		}
	}
}

// add adds a scenario that was played.
func (r *report) add(out io.Writer, p played) {
	r.Scenarios = append(r.Scenarios, p)
	fmt.Fprintf(out, "scenario %-20s %-11s %3.0f s  %s\n", p.Name, p.Verdict, p.Took.Seconds(), cmp.Or(p.Why, p.What))
	for _, v := range p.Violations {
		fmt.Fprintln(out, "      "+v)
	}
}

// end gives the verdict, and writes the report's file.
func (r *report) end(out io.Writer, file string) int {
	code := exitHeld
	for _, s := range r.Scenarios {
		if s.Verdict == notPlayed {
			r.NotCovered = append(r.NotCovered, "scenario "+s.Name+": "+s.Why)
		}
	}
	if slices.ContainsFunc(r.Gates, func(g gate) bool { return !g.Passed }) {
		code = exitUnknown
	}
	if slices.ContainsFunc(r.Checks, func(c checked) bool { return len(c.Violations) > 0 }) ||
		slices.ContainsFunc(r.Scenarios, func(p played) bool { return p.Verdict == violated }) {
		code = exitViolated
	}
	if r.Checks == nil && r.Growth == nil && !slices.ContainsFunc(r.Scenarios, func(p played) bool { return p.Verdict != notPlayed }) {
		code = exitUnknown
	}
	for _, n := range r.NotCovered {
		fmt.Fprintln(out, "not covered:", n)
	}
	r.Verdict = []string{exitHeld: "held", exitViolated: "violated", exitUnknown: "unknown"}[code]
	fmt.Fprintln(out, "verdict:", r.Verdict)
	r.write(out, file)
	return code
}

// failed tells that the harness itself could not do its work: nothing is known.
func (r *report) failed(out io.Writer, file string, err error) int {
	r.Verdict, r.Failure = "unknown", err.Error()
	fmt.Fprintln(out, "verdict: unknown:", err)
	r.write(out, file)
	return exitUnknown
}

func (r *report) write(out io.Writer, file string) {
	if file == "" {
		return
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err == nil {
		err = os.WriteFile(file, append(text, '\n'), 0o644)
	}
	if err != nil {
		fmt.Fprintln(out, "the report could not be written:", err)
	}
}

// seen tells in numbers what the run was like.
func seen(v *view) []string {
	faults := map[fault]int{}
	resent := 0
	for _, c := range v.calls {
		if c.Fault != "" {
			faults[c.Fault]++
		}
		if c.What == "post" && c.Nth > 1 {
			resent++
		}
	}
	var list []string
	for _, f := range slices.Sorted(maps.Keys(faults)) {
		list = append(list, fmt.Sprintf("%s %d", f, faults[f]))
	}
	took, _, calm := v.calm()
	slices.Sort(took)
	p99 := time.Duration(0)
	if len(took) > 0 {
		p99 = took[len(took)*99/100]
	}
	return append(v.shared(), []string{
		fmt.Sprintf("struck at: %v", v.struck),
		fmt.Sprintf("systems' faults: %s", strings.Join(list, ", ")),
		fmt.Sprintf("%d deliveries sent again, %d spoiled lines, %d faults of registers and diaria", resent, len(v.spells), v.faults),
		fmt.Sprintf("%d posts in calm, p99 %v, slowest fsync here %v", calm, p99.Round(time.Millisecond), v.slowestSync.Round(time.Millisecond)),
		fmt.Sprintf("at rest %v after mending, but for %d with a next try that is minutes away; %d answers and %d files looked through",
			max(0, v.rested.Sub(v.mended)).Round(time.Second), len(v.patient), v.heard, v.searched),
		fmt.Sprintf("after: %+v, just begun: %+v", v.after, v.before),
	}...)
}

// shared tells what it was like for replicas to share the work.
func (v *view) shared() (lines []string) {
	var took []time.Duration
	rows := 0
	for _, t := range v.takeovers {
		took, rows = append(took, t.Took), rows+t.Rows
	}
	if slices.Sort(took); len(took) > 0 {
		lines = append(lines, fmt.Sprintf("%d rows in the hands of %d killed replicas were taken over in p50 %v, max %v",
			rows, len(took), took[len(took)/2].Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond)))
	}
	for _, a := range v.away {
		lines = append(lines, fmt.Sprintf("%s was away for %v, and %s", a.Of, a.To.Sub(a.From).Round(100*time.Millisecond), a.then(v)))
	}
	return lines
}

// A tally follows every form to where it is.
type tally struct {
	Sent      int `json:"sent"`     // forms that somebody tried to send
	Received  int `json:"received"` // that the hub shows
	Refused   int `json:"refused"`  // that were answered otherwise, and are not there
	Unheard   int `json:"unheard"`  // that nobody answered for, and that are not there
	Delivered int `json:"delivered"`
	Held      int `json:"held"`
	Behind    int `json:"behind"` // waits for a next try, or behind what rests
	Withdrawn int `json:"withdrawn"`
	Lost      int `json:"lost"`  // answered with 202 and not there
	Other     int `json:"other"` // received, and none of these
}

func tallyOf(v *view) *tally {
	t := &tally{Received: len(v.shown)}
	heard := map[string]outcome{}
	for _, p := range v.posts {
		if p.Salt > 0 || p.As != v.form[p.Form].Municipality.Folder {
			continue
		}
		if heard[p.Form] != ok {
			heard[p.Form] = p.What
		}
	}
	t.Sent = len(heard)
	for name, what := range heard {
		switch {
		case len(v.ids[name]) > 0:
		case what == fail:
			t.Refused++
		default:
			t.Unheard++
		}
	}
	for id := range v.oks {
		if _, there := v.shown[id]; !there {
			t.Lost++
		}
	}
	for id, x := range v.shown {
		switch {
		case x.State == "delivered":
			t.Delivered++
		case x.State == "held":
			t.Held++
		case x.State == "withdrawn":
			t.Withdrawn++
		case v.caseRests(id):
			t.Behind++
		default:
			t.Other++
		}
		if v.of[id] == nil {
			t.Unheard-- // nobody heard of it, and it is there
		}
	}
	return t
}

// difference is what cannot be explained.
func (t *tally) difference() int {
	return t.Sent - t.Refused - t.Unheard - t.Lost - t.Delivered - t.Held - t.Behind - t.Withdrawn - t.Other
}

func (t *tally) print(out io.Writer) {
	fmt.Fprintf(out, "%d sent = %d delivered + %d held + %d waiting behind what rests + %d withdrawn + %d refused + %d never received + %d lost + %d unexplained\n",
		t.Sent, t.Delivered, t.Held, t.Behind, t.Withdrawn, t.Refused, t.Unheard, t.Lost, t.Other+t.difference())
}

// versionOf gives what a binary says that it is.
func versionOf(ctx context.Context, binary string) string {
	out, err := exec.CommandContext(ctx, binary, "--version").Output()
	if err != nil {
		return binary
	}
	return strings.TrimSpace(string(out))
}
