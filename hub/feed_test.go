package hub

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// A ledger is as much of a Store as a feed needs. Between what it reads and what comes of
// that, meanwhile is done once: what the feed could be interrupted by.
type ledger struct {
	Store
	lines     []Told
	follows   map[CaseID][]Mark
	read      int // lines that Tail has given
	meanwhile func()
	err       error
}

func (l *ledger) commit(c CaseID) {
	seq := uint64(len(l.lines) + 1)
	l.lines = append(l.lines, Told{Status: Status{Seq: seq, Case: c, Step: UnderHandlaggning}})
}

func (l *ledger) interrupt() {
	if do := l.meanwhile; do != nil {
		l.meanwhile = nil
		do()
	}
}

func (l *ledger) Tail(_ context.Context, after uint64, limit int) ([]Told, error) {
	lines := slices.Clone(l.lines[after:])
	lines = lines[:min(limit, len(lines))]
	for i := range lines {
		lines[i].Followers = l.follows[lines[i].Case]
	}
	l.interrupt()
	l.read += len(lines)
	return lines, l.err
}

func (l *ledger) FeedEnd(context.Context) (uint64, error) {
	end := uint64(len(l.lines))
	l.interrupt()
	return end, l.err
}

// seen gives the lines that somebody may see after seq: of a case, or of those with a mark.
func (l *ledger) seen(c CaseID, m Mark, after uint64) (lines []Status) {
	for _, line := range l.lines[after:] {
		if line.Case == c || slices.Contains(l.follows[line.Case], m) {
			lines = append(lines, line.Status)
		}
	}
	l.interrupt()
	return lines
}

// A follower of the tests does what a stream does.
type follower struct {
	l     *ledger
	of    CaseID // "" for who follows by marks
	marks []Mark
	after uint64
	told  []uint64 // since all was told anew

	watching *Watching
	end      func()
}

func (w *follower) connect(f *feed) {
	if w.of != "" {
		w.watching, w.end = f.watchCase(w.of)
	} else {
		w.watching, w.end = f.watchMarks(w.marks)
	}
}

func (w *follower) look() {
	news := w.watching.News()
	if news.Anew {
		w.after, w.told = 0, nil
	}
	w.tell(news.Lines)
	if news.Behind {
		w.tell(w.l.seen(w.of, w.marks[0], w.after))
	}
}

func (w *follower) tell(lines []Status) {
	for _, line := range lines {
		if line.Seq > w.after {
			w.after = line.Seq
			w.told = append(w.told, line.Seq)
		}
	}
}

// TestEachLineOnce: whatever is committed, read, overtaken, interrupted and begun again in
// whatever order, each who follows is told each line that is hers, in order, once.
func TestEachLineOnce(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		l := &ledger{follows: map[CaseID][]Mark{"a": {"m1", "m2", "n"}, "b": {"m1"}, "c": {"n"}}}
		f := newFeed()
		followers := []*follower{
			{l: l, of: "a", marks: []Mark{""}}, {l: l, of: "c", marks: []Mark{""}},
			{l: l, marks: []Mark{"m1", "m2"}}, {l: l, marks: []Mark{"n"}}, {l: l, marks: []Mark{"x"}},
		}
		handOut := func() {
			if _, err := f.handOut(t.Context(), l); err != nil && err != l.err {
				r.Fatal(err)
			}
		}
		for _, w := range followers {
			w.connect(f)
		}
		one := func() *follower { return rapid.SampledFrom(followers).Draw(r, "follower") }
		interruptions := map[string]func(){
			"commit": func() {
				for range rapid.SampledFrom([]int{1, 2, mostNews, mostNews + 1, tailAtOnce + 1}).Draw(r, "lines") {
					l.commit(rapid.SampledFrom([]CaseID{"a", "b", "c", "d"}).Draw(r, "case"))
				}
			},
			"reconnect": func() { w := one(); w.end(); w.connect(f) },
			"everybody leaves": func() {
				for _, w := range followers {
					w.end()
				}
				if rapid.Bool().Draw(r, "unseen") {
					f.handOut(t.Context(), l)
				}
				for _, w := range followers {
					w.connect(f)
				}
			},
			"let in": func() { // and poked, so that she looks before she could leave
				if l.follows["d"] == nil {
					l.follows["d"] = []Mark{"m2", "m1"}
					f.beginAnew([]Mark{"m1", "m2"})
					followers[2].look()
				}
			},
			"look": func() { one().look() },
		}
		names := slices.Sorted(maps.Keys(interruptions))
		interruption := func() func() { return interruptions[rapid.SampledFrom(names).Draw(r, "what")] }
		actions := map[string]func(*rapid.T){
			"hand out": func(*rapid.T) { handOut() },
			"hand out, interrupted": func(*rapid.T) {
				l.meanwhile = interruption()
				handOut()
			},
			"look, interrupted": func(*rapid.T) {
				l.meanwhile = func() { interruptions["commit"](); handOut() }
				one().look()
			},
			"the Store fails": func(*rapid.T) {
				l.err = errors.New("no answer")
				handOut()
				l.err = nil
			},
			"restart": func(*rapid.T) {
				f = newFeed()
				for _, w := range followers {
					w.connect(f)
				}
			},
			"": func(*rapid.T) {
				l.meanwhile = nil
				for _, w := range followers {
					for i, seq := range w.told {
						if i > 0 && seq <= w.told[i-1] {
							r.Fatalf("line %d comes after line %d", seq, w.told[i-1])
						}
					}
				}
			},
		}
		for name, do := range interruptions {
			actions[name] = func(*rapid.T) { do() }
		}
		r.Repeat(actions)

		for _, w := range followers {
			w.look()
		}
		for range 2 + len(l.lines)/tailAtOnce { // to find the end, and to come to it
			handOut()
		}
		for _, w := range followers {
			w.look()
			var want []uint64
			for _, line := range l.seen(w.of, w.marks[0], 0) {
				want = append(want, line.Seq)
			}
			if !slices.Equal(w.told, want) {
				r.Fatalf("%s%s was told %d, and may see %d", w.of, w.marks, w.told, want)
			}
		}
	})
}

// TestReadOnceForAll: a line is read once, however many watch, and not at all when nobody
// does.
func TestReadOnceForAll(t *testing.T) {
	l := &ledger{follows: map[CaseID][]Mark{"a": {"m", "former m"}}}
	f := newFeed()
	l.commit("a")
	handOut := func() {
		if more, err := f.handOut(t.Context(), l); more || err != nil {
			t.Fatalf("there is more: %v; %v", more, err)
		}
	}
	handOut()
	var all []*Watching
	var ends []func()
	for range 500 {
		w, end := f.watchMarks([]Mark{"m", "former m"})
		w2, end2 := f.watchCase("a")
		all, ends = append(all, w, w2), append(ends, end, end2)
	}
	handOut() // which finds the end
	for _, w := range all {
		if n := w.News(); !n.Behind {
			t.Fatalf("it begins with %+v", n)
		}
	}
	l.commit("a")
	l.commit("a")
	handOut()
	for i, w := range all {
		if n := w.News(); len(n.Lines) != 2 || n.Behind || n.Lines[0].Seq != 2 || n.Lines[1].Seq != 3 {
			t.Fatalf("the %dth was handed %+v", i, n)
		}
	}
	for _, end := range ends {
		end()
	}
	l.commit("a")
	handOut() // which finds that nobody watches
	_, end := f.watchCase("a")
	defer end()
	handOut()
	handOut()
	if l.read != 2 {
		t.Errorf("two lines for a thousand were read as %d", l.read)
	}
}

// TestWhoLeftIsForgotten: nothing is kept for who watches no more.
func TestWhoLeftIsForgotten(t *testing.T) {
	f := newFeed()
	var ends []func()
	for i := range 10 {
		_, end := f.watchCase(CaseID(fmt.Sprint(i % 3)))
		_, end2 := f.watchMarks([]Mark{Mark(fmt.Sprint(i % 3)), "m"})
		ends = append(ends, end, end2, end)
	}
	for _, end := range ends {
		end()
	}
	if len(f.cases)+len(f.marks) != 0 {
		t.Errorf("%d cases and %d marks are watched by nobody", len(f.cases), len(f.marks))
	}
}
