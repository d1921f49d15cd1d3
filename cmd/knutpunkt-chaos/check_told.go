package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

func checkReceived(v *view) (bad []string) {
	begun := map[string]time.Time{}
	for _, p := range v.posts {
		if _, there := begun[p.Form]; !there {
			begun[p.Form] = p.At
		}
	}
	for id, posts := range v.oks {
		first := posts[0].Received
		for _, p := range posts {
			if !p.Received.Equal(first) {
				bad = append(bad, fmt.Sprintf("%s was received at %s and, when it was sent again, at %s", id, clock(first), clock(p.Received)))
			}
		}
		if shown := v.shown[id].Received; !shown.Equal(first) && !shown.IsZero() {
			bad = append(bad, fmt.Sprintf("%s was received at %s and is shown as received at %s", id, clock(first), clock(shown)))
		}
		if first.Before(begun[posts[0].Form].Add(-time.Second)) || first.After(posts[0].At.Add(time.Second)) {
			bad = append(bad, fmt.Sprintf("%s is said to be received at %s, when it was not", id, clock(first)))
		}
	}
	return bad
}

func checkSameKey(v *view) (bad []string) {
	named := map[string]string{}
	for _, p := range append(slices.Clone(v.posts), v.again...) {
		if p.What != ok {
			continue
		}
		key := p.As + " " + p.Key
		if id, known := named[key]; known && id != p.ID {
			bad = append(bad, fmt.Sprintf("the key %s is %s and %s", p.Key, id, p.ID))
		}
		named[key] = p.ID
		if p.Salt > 0 {
			bad = append(bad, fmt.Sprintf("other content under the key %s was taken as %s", p.Key, p.ID))
		}
	}
	for _, p := range append(slices.Clone(v.posts), v.again...) {
		if p.Salt > 0 && p.What == fail && p.Status != http.StatusUnprocessableEntity {
			bad = append(bad, fmt.Sprintf("other content under the key %s was refused with %d", p.Key, p.Status))
		}
	}
	for _, p := range v.again {
		if p.Salt == 0 && p.What == ok && !p.Replayed {
			bad = append(bad, fmt.Sprintf("%s was sent again and is not said to be a repeat", p.ID))
		}
		if p.Salt == 0 && p.What != ok {
			bad = append(bad, fmt.Sprintf("%s was sent again under its key and answered with %d", p.Form, p.Status))
		}
	}
	return bad
}

func checkStatus(v *view) (bad []string) {
	for _, r := range v.readings {
		bad = append(bad, backwards(r.ID, r.Lines)...)
		for i, l := range r.Lines {
			if i > 0 && l.Seq <= r.Lines[i-1].Seq {
				bad = append(bad, fmt.Sprintf("whoever follows %s was told line %d after line %d", r.ID, l.Seq, r.Lines[i-1].Seq))
			}
		}
		feed := v.feeds[r.ID]
		if len(r.Lines) > len(feed) || !slices.EqualFunc(r.Lines, feed[:min(len(r.Lines), len(feed))], sameLine) {
			bad = append(bad, fmt.Sprintf("whoever follows %s was told %s, and the feed is %s", r.ID, steps(r.Lines), steps(feed)))
		}
	}
	v.each(func(f *form, id string) { bad = append(bad, v.checkStep(f, id)...) })
	return bad
}

func sameLine(a, b line) bool { return a.Seq == b.Seq && a.Step == b.Step && a.At.Equal(b.At) }

func steps(lines []line) string {
	var all []string
	for _, l := range lines {
		all = append(all, fmt.Sprintf("%d %s", l.Seq, l.Step))
	}
	return "[" + strings.Join(all, ", ") + "]"
}

// backwards tells where a step went down; 30 and 35 follow each other both ways.
func backwards(id string, lines []line) (bad []string) {
	for i := 1; i < len(lines); i++ {
		a, b := ranks[lines[i-1].Step], ranks[lines[i].Step]
		if b < a && (a != 35 || b != 30) && b > 0 {
			bad = append(bad, fmt.Sprintf("%s went from %s back to %s", id, lines[i-1].Step, lines[i].Step))
		}
	}
	return bad
}

// checkStep holds the step that is shown against the furthest that the voice has told of the case.
func (v *view) checkStep(f *form, id string) (bad []string) {
	far := 0
	for name := range v.ids {
		if !strings.HasPrefix(name, f.Source+"@") || f.Oddity != "" {
			continue
		}
		other := v.form[name]
		for _, l := range other.expected() {
			for oid := range v.ids[name] {
				if d := v.listed[oid].Deliveries[l.Name]; d.State != "DELIVERED" && d.State != "CONFIRMED" {
					continue
				}
				for _, c := range stored(v.sentTo(other, l, oid)) {
					if l.Voice || l.Number != "" {
						far = max(far, 20, v.highest[c.Kind+c.Folder+c.ID])
					}
				}
			}
		}
	}
	if got := ranks[v.shown[id].Step]; got > 0 && got < far && (got != 30 || far != 35) {
		bad = append(bad, fmt.Sprintf("%s is shown as %s, and its system has told more", id, v.shown[id].Step))
	}
	return bad
}

func checkWalls(v *view) (bad []string) {
	bad = append(bad, v.walls...)
	for _, p := range v.posts {
		if f := v.form[p.Form]; f != nil && p.As != f.Municipality.Folder && (p.What == ok || p.What == fail && p.Status != http.StatusForbidden) {
			bad = append(bad, fmt.Sprintf("%s posted a form of %s and was answered with %d", p.As, f.Municipality.Folder, p.Status))
		}
	}
	for _, c := range v.calls {
		if c.Foreign != "" || c.Body != "" {
			bad = append(bad, fmt.Sprintf("%s of %s got %s, which is not theirs", c.Kind, c.Folder, c.Key))
		}
	}
	return bad
}

func checkCanaries(v *view) []string { return v.spilled }

func checkTruth(v *view) (bad []string) {
	v.each(func(f *form, id string) {
		if r := v.listed[id]; r.State == "HELD" && f.Oddity == "" && !v.mayBlame(id, r.Reason) {
			bad = append(bad, fmt.Sprintf("%s is held as %s, and there is nothing odd about it", id, r.Reason))
		}
		for _, l := range f.expected() {
			bad = append(bad, v.checkStanding(f, l, id)...)
			bad = append(bad, v.checkCause(f, l, id)...)
		}
	})
	for id, r := range v.listed {
		if !agree(r, v.shown[id]) {
			bad = append(bad, fmt.Sprintf("%s is %s on the command line and %s in the API", id, r.State, v.shown[id].State))
		}
	}
	if len(v.listed) != len(v.shown) {
		bad = append(bad, fmt.Sprintf("the command line lists %d forms and the API %d", len(v.listed), len(v.shown)))
	}
	return bad
}

func (v *view) checkStanding(f *form, l leg, id string) (bad []string) {
	n, number, _ := v.times(f, l, id)
	d := v.listed[id].Deliveries[l.Name]
	delivered := d.State == "DELIVERED" || d.State == "CONFIRMED"
	if delivered && n == 0 {
		return []string{fmt.Sprintf("%s-%s is said to be at %s, and is not", id, l.Name, l.To)}
	}
	if delivered && d.Detail != number {
		bad = append(bad, fmt.Sprintf("%s-%s is said to be %q at %s, and is %q", id, l.Name, d.Detail, l.To, number))
	}
	if calls := v.sentTo(f, l, id); len(calls) > 0 && n > 0 && !delivered && v.plainYes(calls[len(calls)-1]) {
		bad = append(bad, fmt.Sprintf("%s-%s was taken by %s, which said so, and is %s %s", id, l.Name, l.To, d.State, d.Detail))
	}
	return bad
}

// checkCause tells what a person is asked about without a cause that the ledgers know.
func (v *view) checkCause(f *form, l leg, id string) (bad []string) {
	calls := v.sentTo(f, l, id)
	d := v.listed[id].Deliveries[l.Name]
	if d.State != "HELD" || l.To == diary {
		return nil
	}
	if v.mayBlame(id, d.Detail) {
		return nil
	}
	switch d.Detail {
	case "refused":
		if slices.ContainsFunc(calls, func(c call) bool { return c.Fault == refuses }) {
			return nil
		}
	case "unclear": // it may have been cut off on its way there
		if l.To == forgets {
			return nil
		}
	}
	return []string{fmt.Sprintf("%s-%s is held as %s, for which %s gave no cause", id, l.Name, d.Detail, l.To)}
}

// deathsToBlame is how many deaths content is held for.
const deathsToBlame = 3

// mayBlame reports whether a form may be held for the deaths of the process. A hub that is killed
// each time just as it tries what was in hand by itself cannot know that it was not the content.
func (v *view) mayBlame(id, reason string) bool {
	if reason != "crash-loop" || len(v.oks[id]) == 0 {
		return false
	}
	since := v.oks[id][0].Received
	with := slices.DeleteFunc(deaths(v.blows), func(at time.Time) bool { return at.Before(since) })
	return len(with) >= deathsToBlame
}

// plainYes reports whether a system said yes, files and all, when nothing kept the hub from hearing it.
func (v *view) plainYes(c call) bool {
	if v.withoutStore(c.At.Add(-time.Second), c.At.Add(5*time.Second)) {
		return false
	}
	for _, b := range v.blows {
		if b.At.After(c.At.Add(-time.Second)) && b.At.Before(c.At.Add(5*time.Second)) {
			return false
		}
	}
	for _, s := range v.spells {
		if s.System == c.Kind && s.To.After(c.At.Add(-time.Second)) && s.From.Before(c.At.Add(5*time.Second)) {
			return false
		}
	}
	return c.Fault.said() && !slices.ContainsFunc(v.calls, func(file call) bool {
		return file.What == "file" && file.Key == c.Key && file.Kind == c.Kind && file.Fault != ""
	})
}

// agree reports whether the two places where people look say the same of a form.
func agree(r row, s submission) bool {
	want := map[string]string{
		"COMPLETED": "delivered", "HELD": "held", "ATTENTION": "held", "WITHDRAWN": "withdrawn", "ROUTED": "on-its-way",
		"ACCEPTED": "received", "ENRICHING": "looking-up", "ENRICH_WAIT": "waiting", "REJECTED": "rejected",
	}[r.State]
	return want == s.State
}

func checkMetrics(v *view) (bad []string) {
	same := func(name string, want int) {
		if got, there := v.metrics[name]; !there || int(got) != want {
			bad = append(bad, fmt.Sprintf("%s is %v and should be %d", name, got, want))
		}
	}
	held := 0
	for _, r := range v.listed {
		if r.State == "HELD" {
			held++
		}
		for _, d := range r.Deliveries {
			if d.State == "HELD" {
				held++
			}
		}
	}
	same("knutpunkt_submissions_accepted_total", len(v.shown))
	same("knutpunkt_held", held)
	return bad
}

func clock(t time.Time) string { return t.Format("15:04:05.000") }
