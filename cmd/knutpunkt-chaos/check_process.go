package main

import (
	"fmt"
	"slices"
	"time"
)

// Within these after everything was mended all must have come to rest. The hub's schedule makes a
// delivery that has failed three times wait for two minutes.
const (
	restWithin       = 60 * time.Second
	restAfterRetries = 200 * time.Second
)

func checkLiveness(v *view) (bad []string) {
	if v.rested.IsZero() && len(v.patient) == 0 {
		bad = append(bad, "it did not come to rest")
	}
	within := restWithin
	for _, calls := range v.sent {
		if len(calls) > 2 {
			within = restAfterRetries
		}
	}
	if took := v.rested.Sub(v.mended); took > within {
		bad = append(bad, fmt.Sprintf("it came to rest %v after everything was mended", took.Round(time.Second)))
	}
	for id, r := range v.listed {
		switch r.State {
		case "ACCEPTED", "ENRICHING", "ENRICH_WAIT":
			bad = append(bad, fmt.Sprintf("%s is still %s", id, r.State))
		}
		for leg, d := range r.Deliveries {
			if v.patient[id+"-"+leg] {
				continue
			}
			switch d.State {
			case "READY", "SENDING", "RETRY_WAIT", "UNKNOWN", "RECONCILING":
				bad = append(bad, fmt.Sprintf("%s-%s is still %s", id, leg, d.State))
			case "BLOCKED":
				if !v.caseRests(id) {
					bad = append(bad, fmt.Sprintf("%s-%s waits for nobody", id, leg))
				}
			}
		}
	}
	for _, t := range v.takeovers {
		if !t.Whole || t.Took > takeoverWithin {
			bad = append(bad, fmt.Sprintf("%d rows were in the hand of %s, killed at %s, for %v", t.Rows, t.From, clock(t.Killed), t.Took.Round(time.Millisecond)))
		}
	}
	return append(bad, v.failures...)
}

// linesEach is how many idle connections to a municipality's systems may be kept for the next call.
const linesEach = 6

func checkResources(v *view) (bad []string) {
	more := func(what string, before, after, some float64) {
		if after > before*1.1+some {
			bad = append(bad, fmt.Sprintf("%s: %.0f, and %.0f for one that has just begun", what, after, before))
		}
	}
	lines := float64(len(v.plan.municipalities) * linesEach)
	more("open files", float64(v.before.Files), float64(v.after.Files), 24+lines)
	more("threads", float64(v.before.Threads), float64(v.after.Threads), 12)
	more("goroutines", v.before.Goroutines, v.after.Goroutines, 60+2*lines)
	more("resident KiB", float64(v.before.Resident), float64(v.after.Resident), 128<<10)
	more("temporary files", float64(v.before.Left), float64(v.after.Left), 0)
	return bad
}

// acceptWithin is how long a form may take at the 99th percentile, on a disk that syncs at once.
const acceptWithin = 500 * time.Millisecond

func checkAvailability(v *view) (bad []string) {
	took, refused, calm := v.calm()
	if calm == 0 {
		return nil
	}
	if refused*100 > calm {
		bad = append(bad, fmt.Sprintf("%d of %d forms were turned away though nothing was wrong", refused, calm))
	}
	slices.Sort(took)
	limit := max(acceptWithin, 10*v.slowestSync)
	if n := len(took); n > 0 && took[n*99/100] > limit {
		bad = append(bad, fmt.Sprintf("one form in a hundred takes more than %v", took[n*99/100].Round(time.Millisecond)))
	}
	return bad
}

// calm gives how the posts went that nothing was done to the hub around.
func (v *view) calm() (took []time.Duration, refused, all int) {
	for _, p := range v.posts {
		if p.What == intent || p.What == withdrawn || v.disturbed(p.At.Add(-p.Took), p.At) || v.form[p.Form].Manner == impatient {
			continue
		}
		all++
		if p.Status >= 500 || p.Status == 0 {
			refused++
		}
		if p.What == ok {
			took = append(took, p.Took)
		}
	}
	return took, refused, all
}

// disturbed reports whether anything was done to the hub shortly before or during a while.
func (v *view) disturbed(from, to time.Time) bool {
	return v.withoutStore(from.Add(-4*time.Second), to.Add(time.Second)) || v.starting(from, to) || slices.ContainsFunc(v.blows, func(b blow) bool {
		return b.At.After(from.Add(-4*time.Second)) && b.At.Before(to.Add(time.Second))
	})
}

// starting reports whether a hub was on its way up at any time between two others.
func (v *view) starting(from, to time.Time) bool {
	begun := map[string]time.Time{}
	for _, b := range v.blows {
		switch {
		case b.What == "start":
			begun[b.To] = b.At
		case b.What == "ready" && begun[b.To].Before(to) && b.At.After(from):
			return true
		}
	}
	return false
}
