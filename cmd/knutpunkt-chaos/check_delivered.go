package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

func checkLost(v *view) (bad []string) {
	for id, posts := range v.oks {
		f := v.of[id]
		if _, there := v.shown[id]; !there {
			bad = append(bad, fmt.Sprintf("%s, received as %s at %s, is nowhere", posts[0].Form, id, clock(posts[0].At)))
			continue
		}
		if f == nil {
			continue // it is told as unexpected
		}
		if r := v.listed[id]; f.Oddity != "" && (r.State != "HELD" || r.Reason != string(f.Oddity)) && r.State != "WITHDRAWN" {
			bad = append(bad, fmt.Sprintf("%s should rest as %s and is %s %s", id, f.Oddity, r.State, r.Reason))
		}
		for _, l := range f.expected() {
			if n, _, _ := v.times(f, l, id); n == 0 && !v.rests(id, l.Name) {
				bad = append(bad, fmt.Sprintf("%s (%s) is not at %s, and nobody is told: %s %v", id, f.name(), l.To, v.listed[id].State, v.listed[id].Deliveries[l.Name]))
			}
		}
	}
	return bad
}

func checkUnexpected(v *view) (bad []string) {
	attempted := map[string]bool{}
	gone := map[string]bool{}
	for _, p := range v.posts {
		attempted[p.Form] = true
		if p.What == withdrawn {
			gone[p.ID] = true
		}
	}
	for _, c := range v.calls {
		if c.What != "post" {
			continue
		}
		f := v.form[c.Form]
		id, _, _ := strings.Cut(c.Key, "-")
		switch {
		case f == nil || !attempted[c.Form]:
			bad = append(bad, fmt.Sprintf("%s got %s, which nobody has sent", c.Kind, c.Key))
		case !slices.ContainsFunc(f.expected(), func(l leg) bool { return l.Name == c.Leg && l.To == c.Kind }):
			bad = append(bad, fmt.Sprintf("%s got %s of %s, whose route does not lead there", c.Kind, c.Key, c.Form))
		case gone[id]:
			bad = append(bad, fmt.Sprintf("%s got %s, which was taken back", c.Kind, c.Key))
		}
	}
	if v.sunk > 0 {
		bad = append(bad, fmt.Sprintf("redirects were followed %d times", v.sunk))
	}
	return bad
}

func checkRecovered(v *view) (bad []string) {
	unheard := 0
	for name, ids := range v.ids {
		if len(ids) > 1 {
			bad = append(bad, fmt.Sprintf("%s is there as %v", name, slices.Sorted(keys(ids))))
		}
		if len(ids) == 0 {
			unheard++
		}
	}
	unknown := 0
	for id := range v.shown {
		if v.of[id] == nil {
			unknown++ // a form that nobody has heard about, and that has come nowhere
		}
	}
	if unknown > unheard {
		bad = append(bad, fmt.Sprintf("the hub shows %d forms that nobody knows, and only %d could be there", unknown, unheard))
	}
	return bad
}

func checkDoubled(v *view) (bad []string) {
	v.each(func(f *form, id string) {
		for _, l := range f.expected() {
			if n, _, _ := v.times(f, l, id); n > 1 && l.To != forgets {
				bad = append(bad, fmt.Sprintf("%s-%s is at %s %d times", id, l.Name, l.To, n))
			}
		}
	})
	parts := map[string]int{}
	for _, c := range v.calls {
		if c.What == "file" && c.Stored && c.Kind == tells {
			at := fmt.Sprintf("file %d of %s", c.File, c.ID)
			if parts[at]++; parts[at] == 2 {
				bad = append(bad, at+" at "+c.Kind+" was handed over twice")
			}
		}
	}
	return bad
}

func checkBlind(v *view) (bad []string) {
	for _, calls := range v.sent {
		first := slices.IndexFunc(calls, func(c call) bool { return !c.Fault.clean() })
		if calls[0].Kind != forgets || first < 0 {
			continue
		}
		c := calls[first]
		if len(calls) > first+1 {
			bad = append(bad, fmt.Sprintf("%s may have been taken at %s (%q) and was sent again at %s", c.Key, clock(c.At), c.Fault, clock(calls[first+1].At)))
		}
		id, _, _ := strings.Cut(c.Key, "-")
		switch d := v.listed[id].Deliveries[c.Leg]; {
		case d.State == "DELIVERED", d.State == "CONFIRMED", d.State == "HELD" && d.Detail == "unclear":
		default:
			bad = append(bad, fmt.Sprintf("%s may have been taken and is %s %s: no person is asked", c.Key, d.State, d.Detail))
		}
	}
	return bad
}

func checkResends(v *view) (bad []string) {
	died := deaths(v.blows)
	for _, calls := range v.sent {
		for i := 1; i < len(calls); i++ {
			before, c := calls[i-1], calls[i]
			if !v.excused(before, c, died) {
				bad = append(bad, fmt.Sprintf("%s was sent to %s at %s and, for no reason, again at %s", c.Key, c.Kind, clock(before.At), clock(c.At)))
			}
		}
	}
	return bad
}

// excused reports whether something happened between two posts of one delivery.
func (v *view) excused(before, c call, died []time.Time) bool {
	if !before.Fault.said() || v.withoutStore(before.At.Add(-time.Second), c.At) {
		return true
	}
	for _, at := range died {
		if at.After(before.At.Add(-time.Second)) && at.Before(c.At) {
			return true
		}
	}
	for _, s := range v.spells {
		if s.System == c.Kind && s.To.After(before.At.Add(-time.Second)) && s.From.Before(c.At) {
			return true
		}
	}
	return slices.ContainsFunc(v.calls, func(file call) bool { // the document was taken, and a file of it was not
		return file.What == "file" && file.Key == c.Key && file.Kind == c.Kind && file.Fault != "" && file.At.After(before.At) && file.At.Before(c.At)
	})
}

func checkBytes(v *view) (bad []string) {
	v.each(func(f *form, id string) {
		for _, l := range f.expected() {
			for _, c := range v.sentTo(f, l, id) {
				if want := hexSHA256(f.golden(l, v.knownOf(f, l, id))); c.SHA256 != want {
					bad = append(bad, fmt.Sprintf("%s at %s, post %d, is not the document that it should be", c.Key, c.Kind, c.Nth))
				}
			}
			bad = append(bad, v.checkFiles(f, l, id)...)
		}
	})
	return bad
}

// knownOf gives what a document is to say beside what is in the form.
func (v *view) knownOf(f *form, l leg, id string) known {
	k := known{submission: id, came: f.came(v.shown[id].Received)}
	if f.Service.register {
		k.person = f.Applicant
	}
	if after, found := f.Service.legNamed(l.After); found {
		_, k.before, _ = v.times(f, after, id)
	}
	if first, found := f.Service.legNamed(l.Number); found {
		for begun := range v.ids[f.Source+"@1"] {
			_, k.number, _ = v.times(v.form[f.Source+"@1"], first, begun)
		}
	}
	return k
}

// checkFiles holds the files of what was delivered against the form's: each of them, and the form as
// it came last.
func (v *view) checkFiles(f *form, l leg, id string) (bad []string) {
	if d := v.listed[id].Deliveries[l.Name]; d.State != "DELIVERED" && d.State != "CONFIRMED" {
		return nil
	}
	var want []string
	for _, file := range f.Files {
		want = append(want, file.sha256())
	}
	want = append(want, hexSHA256(f.envelope()))
	if l.To == diary {
		return v.checkDiaryFiles(f, id+"-"+l.Name, want)
	}
	for _, got := range v.files[l.To+f.Municipality.Folder+id+"-"+l.Name] {
		for n, sum := range want {
			if got[n+1] != sum {
				bad = append(bad, fmt.Sprintf("file %d of %s-%s is not whole at %s", n+1, id, l.Name, l.To))
			}
		}
		if len(got) != len(want) {
			bad = append(bad, fmt.Sprintf("%s-%s has %d files at %s and should have %d", id, l.Name, len(got), l.To, len(want)))
		}
	}
	return bad
}

func (v *view) checkDiaryFiles(f *form, key string, want []string) (bad []string) {
	got := map[string]int{}
	for _, e := range v.diaria[f.Municipality.Folder] {
		for _, file := range e.Files {
			if file.Note == key {
				got[file.SHA256]++
			}
		}
	}
	for n, sum := range want {
		if got[sum] != 1 {
			bad = append(bad, fmt.Sprintf("file %d of %s is in the diarium %d times", n+1, key, got[sum]))
		}
	}
	return bad
}

func checkOrder(v *view) (bad []string) {
	for _, c := range v.plan.cases {
		for i, f := range c.Forms {
			for _, l := range f.expected() {
				for id := range v.ids[f.name()] {
					bad = append(bad, v.overtakes(c.Forms[:i], f, l, id)...)
				}
			}
		}
	}
	return bad
}

// overtakes tells which of what goes before a delivery it has overtaken: its leg's After, and what
// earlier forms of the case have for the same system.
func (v *view) overtakes(earlier []*form, f *form, l leg, id string) (bad []string) {
	first, sent := v.firstSent(f, l, id)
	if !sent {
		return nil
	}
	behind := func(before *form, bl leg, bid string) {
		n, _, at := v.times(before, bl, bid)
		last := at
		for _, c := range v.sentTo(before, bl, bid) {
			last = c.At
		}
		if n == 0 || first.Before(at) || first.Before(last) {
			bad = append(bad, fmt.Sprintf("%s-%s was sent to %s at %s, before %s-%s was settled", id, l.Name, l.To, clock(first), bid, bl.Name))
		}
	}
	if after, found := f.Service.legNamed(l.After); found {
		behind(f, after, id)
	}
	for _, before := range earlier {
		for _, bl := range before.expected() {
			for bid := range v.ids[before.name()] {
				if bl.To == l.To && v.listed[bid].State != "WITHDRAWN" {
					behind(before, bl, bid)
				}
			}
		}
	}
	return bad
}

// firstSent gives when a system first got a delivery, as far as its ledger tells.
func (v *view) firstSent(f *form, l leg, id string) (at time.Time, sent bool) {
	if l.To == diary {
		n, _, at := v.times(f, l, id)
		return at, n > 0
	}
	calls := v.sentTo(f, l, id)
	if len(calls) == 0 {
		return at, false
	}
	return calls[0].At, true
}
