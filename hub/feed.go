package hub

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// A feed hands each new line of the Store's feed to those who watch. The line is read once
// for all of them, however many they are. Nobody is waited for: who takes what she is
// handed too slowly is told that she is behind, and reads the Store.
type feed struct {
	wake chan struct{} // there may be something to read

	mu     sync.Mutex
	handed uint64 // every line after it is yet to be handed out
	known  bool   // handed is known; nobody keeps count while nobody watches
	cases  watchers[CaseID]
	marks  watchers[Mark]
}

func newFeed() *feed {
	return &feed{wake: make(chan struct{}, 1), cases: watchers[CaseID]{}, marks: watchers[Mark]{}}
}

// A Watching is told of the new lines of one case, or of all that one citizen follows.
type Watching struct {
	feed  *feed
	poked chan struct{}
	news  News
}

// News is what there is to tell a Watching since it asked last.
type News struct {
	Lines  []Status // in the feed's order
	Behind bool     // lines are missing here: read the Store, after the last line that was told
	Anew   bool     // and lines before that one are seen now, which were not: tell all from the beginning
}

// mostNews is how many lines are kept for a Watching that does not ask for them.
const mostNews = 16

// Poked gives a channel with something in it when there may be more News.
func (w *Watching) Poked() <-chan struct{} { return w.poked }

// News gives what has come since it was called last. It is Behind the first time: who
// reads the Store whenever it is, and passes over lines that have been told, misses none.
func (w *Watching) News() News {
	w.feed.mu.Lock()
	defer w.feed.mu.Unlock()
	n := w.news
	w.news = News{}
	return n
}

// handOut reads the feed on from where it stood, for all who watch. It reports whether
// there may be more.
func (f *feed) handOut(ctx context.Context, s Store) (more bool, err error) {
	after, known, watched := f.position()
	if !watched {
		return false, nil
	}
	if !known {
		return false, f.begin(ctx, s)
	}
	lines, err := s.Tail(ctx, after, tailAtOnce)
	f.hand(lines)
	return len(lines) == tailAtOnce, err
}

// tailAtOnce is how many lines are read at a time.
const tailAtOnce = 256

// position gives where the feed stands. It stands nowhere when nobody has watched.
func (f *feed) position() (after uint64, known, watched bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	watched = len(f.cases)+len(f.marks) > 0
	f.known = f.known && watched
	return f.handed, f.known, watched
}

// begin places the feed at its end. Who watches by then reads herself what came before.
func (f *feed) begin(ctx context.Context, s Store) error {
	end, err := s.FeedEnd(ctx)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.handed, f.known = end, true
	f.cases.each((*Watching).fallBehind)
	f.marks.each((*Watching).fallBehind)
	return nil
}

func (f *feed) hand(lines []Told) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, line := range lines {
		f.handed = line.Seq
		for _, of := range []CaseID{line.Case, ""} {
			for _, w := range f.cases[of] {
				w.take(line.Status)
			}
		}
		for _, mark := range line.Followers {
			for _, w := range f.marks[mark] {
				w.take(line.Status)
			}
		}
	}
}

// take keeps a line until it is asked for. One that follows by two marks takes it once.
func (w *Watching) take(line Status) {
	n := len(w.news.Lines)
	switch {
	case w.news.Behind, n == mostNews:
		w.fallBehind()
	case n > 0 && w.news.Lines[n-1].Seq == line.Seq:
	default:
		w.news.Lines = append(w.news.Lines, line)
		poke(w.poked)
	}
}

func (w *Watching) fallBehind() {
	w.news.Lines, w.news.Behind = nil, true
	poke(w.poked)
}

// watchCase adds somebody who watches a case, or all of them ("").
func (f *feed) watchCase(c CaseID) (*Watching, func()) {
	w := newWatching(f)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cases.add(c, w)
	poke(f.wake)
	return w, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.cases.remove(c, w)
	}
}

// watchMarks adds somebody who watches each case whose followers have one of her marks.
func (f *feed) watchMarks(marks []Mark) (*Watching, func()) {
	w := newWatching(f)
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, mark := range marks {
		f.marks.add(mark, w)
	}
	poke(f.wake)
	return w, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, mark := range marks {
			f.marks.remove(mark, w)
		}
	}
}

func newWatching(f *feed) *Watching {
	return &Watching{feed: f, poked: make(chan struct{}, 1), news: News{Behind: true}}
}

// watchers are those who watch, by what they watch.
type watchers[K comparable] map[K][]*Watching

func (ws watchers[K]) add(k K, w *Watching) { ws[k] = append(ws[k], w) }

func (ws watchers[K]) remove(k K, w *Watching) {
	if ws[k] = slices.DeleteFunc(ws[k], func(x *Watching) bool { return x == w }); len(ws[k]) == 0 {
		delete(ws, k)
	}
}

func (ws watchers[K]) each(do func(*Watching)) {
	for _, of := range ws {
		for _, w := range of {
			do(w)
		}
	}
}

// lettingIn notes who of those that may follow a case cannot see it yet. What it gives is
// called when they can, and has them told of the case from its beginning if they watch.
func (h *Hub) lettingIn(ctx context.Context, c CaseID, f *Following) (letIn func()) {
	var marks []Mark
	if f != nil {
		for _, p := range f.Persons {
			if _, err := h.Store.Case(ctx, AsCitizen(p), c); errors.Is(err, ErrNotFound) {
				marks = append(marks, h.Store.Marks(AsCitizen(p))...)
			}
		}
	}
	return func() { h.feed.beginAnew(marks) }
}

func (f *feed) beginAnew(marks []Mark) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, mark := range marks {
		for _, w := range f.marks[mark] {
			w.news.Anew = true
			w.fallBehind()
		}
	}
}
