package storetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// registered takes a form all the way to the diarium, which gives it a number.
func (w *world) registered(instance, number string, changes ...change) hub.Case {
	w.Helper()
	w.receive(instance, changes...)
	w.plan(w.claimSubmissions(1)[0], hub.Lookup, diarium)
	return w.deliver(diarium, number)
}

// report has the diarium tell something, and gives how many lines that made in the feed.
func (w *world) report(rs ...hub.Report) (lines int) {
	w.Helper()
	for i := range rs {
		rs[i].At = w.clock()
	}
	all, err := w.store.Report(w.ctx, diarium, rs, "", w.clock())
	w.must(err, "report")
	for _, heard := range all {
		lines += len(heard.Effects.Statuses)
	}
	return lines
}

// translate gives the diarium's words Steps, and gives how many lines that made in the feed.
func (w *world) translate(words map[string]hub.Step) (lines int) {
	w.Helper()
	fxs, err := w.store.Translate(w.ctx, diarium, words, w.clock())
	w.must(err, "translate")
	for _, fx := range fxs {
		lines += len(fx.Statuses)
	}
	return lines
}

// stands fails unless a case has come to a Step.
func (w *world) stands(when string, id hub.CaseID, want hub.Step) {
	w.Helper()
	if got := w.caseOf(id).Step; got != want {
		w.Errorf("%s: the case is at %s, want %s", when, got, want)
	}
}

// testWords: each word that has no Step is kept once, and is seen by those whose cases it is
// used of.
func testWords(w *world) {
	w.registered("1", "BN 1")
	w.registered("2", "BN 2")
	w.registered("3", "KS 3", by("1082"))
	first := w.clock()
	w.report(
		hub.Report{ID: "1", Ref: "BN 1", Word: " Utreds av byggnadsnämnden"},
		hub.Report{ID: "2", Ref: "BN 2", Word: "UTREDS AV BYGGNADSNÄMNDEN "},
		hub.Report{ID: "3", Ref: "KS 3", Word: "utreds av byggnadsnämnden"},
		hub.Report{ID: "4", Ref: "BN 1", Word: "registrerat", Step: hub.Registrerat},
		hub.Report{ID: "5", Ref: "BN 1"},
		hub.Report{ID: "6", Ref: "BN 1", Word: strings.Repeat("lång ", 1000)},
	)
	w.pass(time.Minute)
	w.report(hub.Report{ID: "7", Ref: "KS 3", Word: "utreds av byggnadsnämnden"}, hub.Report{ID: "7", Ref: "KS 3", Word: "the same report"})
	w.pass(time.Minute)
	w.report(hub.Report{ID: "8", Ref: "nothing", Word: "vilse"})
	w.restart()

	everything, err := w.store.Untranslated(w.ctx, hub.AsHub())
	w.must(err, "read words")
	if len(everything) != 2 || everything[0].Text != "vilse" || everything[0].Cases != 0 || everything[0].System != diarium {
		w.Fatalf("%d words, want what was said last of no case, and what was said of three", len(everything))
	}
	if u := everything[1]; strings.TrimSpace(u.Text) != "Utreds av byggnadsnämnden" || u.Cases != 3 || !u.First.Equal(first) || !u.Last.Equal(first.Add(time.Minute)) {
		w.Errorf("%q was said of %d cases from %v to %v", u.Text, u.Cases, u.First, u.Last)
	}
	for _, tc := range []struct {
		name  string
		v     hub.Viewer
		cases []int // of each word
	}{
		{"a handler", hub.AsHandler("h", "1080"), []int{2}},
		{"another's", hub.AsHandler("h", "1082"), []int{1}},
		{"one of both", hub.AsHandler("h", "1080", "1082"), []int{3}},
		{"one whose cases it is not used of", hub.AsHandler("h", "0114"), nil},
		{"a client with another service", hub.AsClient("c", []hub.Municipality{"1080"}, []string{"forskola"}), nil},
		{"a citizen", hub.AsCitizen(anna), nil},
		{"nobody", hub.Viewer{}, nil},
	} {
		words, err := w.store.Untranslated(w.ctx, tc.v)
		w.must(err, "read words")
		var cases []int
		for _, word := range words {
			cases = append(cases, word.Cases)
		}
		if fmt.Sprint(cases) != fmt.Sprint(tc.cases) {
			w.Errorf("%s sees words of %v cases, want %v", tc.name, cases, tc.cases)
		}
	}
}

// testTranslate: what was told in words that nobody knew is heard when they are known, once,
// and also what was told before the delivery was known.
func testTranslate(w *world) {
	c := w.registered("1", "BN 1")
	w.report(hub.Report{ID: "1", Ref: "BN 1", Word: "Utreds"}, hub.Report{ID: "2", Ref: "BN 2", Word: "utreds"},
		hub.Report{ID: "3", Ref: "BN 3", Word: "utreds"})
	w.receive("2")
	w.plan(w.claimSubmissions(1)[0], hub.Lookup, diarium)
	before := w.deliver(diarium, "BN 2")
	w.stands("nobody knows the word", c.ID, hub.Registrerat)
	w.stands("nor when it came before the receipt", before.ID, hub.Registrerat)
	w.restart()

	if n := w.translate(map[string]hub.Step{"beslut": hub.Beslutat}); n != 0 {
		w.Errorf("another word made %d lines", n)
	}
	if n := w.translate(map[string]hub.Step{"UTREDS ": hub.UnderHandlaggning, "beslut": hub.Beslutat}); n != 2 {
		w.Errorf("the word made %d lines, want one for each of two cases", n)
	}
	w.stands("translated", c.ID, hub.UnderHandlaggning)
	w.stands("translated, and it came before the receipt", before.ID, hub.UnderHandlaggning)
	if words, err := w.store.Untranslated(w.ctx, hub.AsHub()); len(words) != 0 || err != nil {
		w.Errorf("%d words are untranslated still, %v", len(words), err)
	}
	w.restart()
	again := w.translate(map[string]hub.Step{"utreds": hub.Beslutat})
	again += w.report(hub.Report{ID: "1", Ref: "BN 1", Word: "utreds", Step: hub.Avslutat})
	if again != 0 {
		w.Errorf("what has been heard is heard again: %d lines", again)
	}
	w.registered("3", "BN 3")
	lines, err := w.store.Statuses(w.ctx, hub.AsHub(), w.caseOf(w.named("BN 3")).ID, 0, 0)
	w.must(err, "read statuses")
	if len(lines) != 3 || lines[2].Step != hub.UnderHandlaggning {
		w.Errorf("what was told before the receipt, and translated before it, made %d lines in all", len(lines))
	}
	w.report(hub.Report{ID: "4", Ref: "BN 1", Word: "noteras"})
	if n := w.translate(map[string]hub.Step{"noteras": ""}); n != 0 {
		w.Errorf("a word that means nothing made %d lines", n)
	}
	if words, _ := w.store.Untranslated(w.ctx, hub.AsHub()); len(words) != 0 {
		w.Error("a word that means nothing is untranslated still")
	}
}

// named gives the one case that a reference names.
func (w *world) named(reference string) hub.CaseID {
	w.Helper()
	ids, err := w.store.Named(w.ctx, hub.AsHub(), reference)
	w.must(err, "look for a reference")
	if len(ids) != 1 {
		w.Fatalf("%s names %d cases, want one", reference, len(ids))
	}
	return ids[0]
}

// testLateNews: what is understood late moves a case as it would have at the time, and undoes
// nothing that the system has told since.
func testLateNews(w *world) {
	const asks, works, decides = "begärd komplettering", "utreds", "beslut"
	words := map[string]hub.Step{asks: hub.KompletteringBehov, works: hub.UnderHandlaggning, decides: hub.Beslutat}
	for i, tc := range []struct {
		name string
		told []hub.Report
		want hub.Step
	}{
		{"in the order in which they were told, and not of the words", []hub.Report{{Word: asks}, {Word: works}}, hub.UnderHandlaggning},
		{"and back again", []hub.Report{{Word: works}, {Word: asks}}, hub.KompletteringBehov},
		{"the system asks for more since", []hub.Report{{Word: works}, {Step: hub.KompletteringBehov}}, hub.KompletteringBehov},
		{"the system is less far since", []hub.Report{{Word: decides}, {Step: hub.UnderHandlaggning}}, hub.Beslutat},
		{"the system has corrected itself since", []hub.Report{{Word: decides}, {Step: hub.UnderHandlaggning, Correction: true}}, hub.UnderHandlaggning},
		{"a correction that is old", []hub.Report{{Word: works, Correction: true}, {Step: hub.Beslutat}}, hub.Beslutat},
		{"a correction", []hub.Report{{Step: hub.Beslutat}, {Word: works, Correction: true}}, hub.UnderHandlaggning},
		{"a step back", []hub.Report{{Step: hub.Beslutat}, {Word: works}}, hub.Beslutat},
	} {
		c := w.registered(tc.name, tc.name)
		for n, r := range tc.told { // all at one time: a system may know no more than the day
			r.ID, r.Ref = fmt.Sprint(i, " ", n), tc.name
			w.report(r)
		}
		w.restart()
		w.translate(words)
		w.stands(tc.name, c.ID, tc.want)
	}
	w.sameNumber(words)
	w.decidedSince(words)
}

// sameNumber has a system give one number twice: what it told of the one case is not told of
// the other.
func (w *world) sameNumber(words map[string]hub.Step) {
	older := w.routed("older", hub.Lookup, diarium)
	waiting := w.claimDeliveries(diarium, 1)[0]
	w.start(waiting)
	w.report(hub.Report{ID: "early", Ref: "twice", Word: "utreds"})
	younger := w.registered("younger", "twice")
	w.apply(older.ID, w.yes(waiting, "twice"))
	w.translate(words)
	w.stands("the one that the report was about", younger.ID, hub.UnderHandlaggning)
	w.stands("the other", older.ID, hub.Registrerat)
}

// decidedSince has a person decide about a delivery which the system has told of: what was
// told is not news again.
func (w *world) decidedSince(words map[string]hub.Step) {
	c := w.routed("in doubt", hub.Blind, diarium)
	d := w.claimDeliveries(diarium, 1)[0]
	w.start(d)
	w.apply(c.ID, hub.Answered{When: w.at(), Key: d.Key, Lease: held(d), Answer: hub.DontKnow})
	w.report(hub.Report{ID: "by key", Key: d.Key, Word: "utreds"})
	c, _ = w.apply(c.ID, hub.Decided{When: w.at(), Key: d.Key, Decision: hub.Decision{Verb: hub.Release, By: "registrator", Reason: why}})
	if p := c.Find(d.Key).Proposal; p != nil {
		c, _ = w.apply(c.ID, hub.Approved{When: w.at(), Key: d.Key, Proposed: p.At, By: "gruppledare"})
	}
	w.state(c, d.Key, hub.Ready)
	w.translate(words)
	w.state(w.caseOf(c.ID), d.Key, hub.Ready)
}

// testManyReports: a word may have been used more often than one transaction takes.
func testManyReports(w *world) {
	c := w.registered("1", "BN 1")
	var rs []hub.Report
	for i := range 500 {
		rs = append(rs, hub.Report{ID: fmt.Sprint(i), Ref: "BN 1", Word: "utreds"})
	}
	w.report(append(rs, hub.Report{ID: "last", Ref: "BN 1", Word: "beslut"})...)
	if n := w.translate(map[string]hub.Step{"utreds": hub.UnderHandlaggning, "beslut": hub.Beslutat}); n != 2 {
		w.Errorf("%d lines, want two", n)
	}
	w.stands("when all have been heard", c.ID, hub.Beslutat)
}
