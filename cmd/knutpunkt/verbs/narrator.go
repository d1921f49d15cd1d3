package verbs

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A narrator tells the demo's story: a line for each thing that happens to a case.
// It stands before the Store, where everything that happens passes.
type narrator struct {
	w      io.Writer
	silent bool // the story is only counted
	colour bool

	bundle *hub.Bundle // by which forms go

	mu   sync.Mutex
	seen map[hub.CaseID]string // what a case is about
}

func newNarrator(w *os.File, silent bool) *narrator {
	return &narrator{
		w: w, silent: silent, seen: map[hub.CaseID]string{},
		colour: term.IsTerminal(int(w.Fd())) && os.Getenv("NO_COLOR") == "",
	}
}

// store puts the narrator before s.
func (n *narrator) store(s hub.Store) hub.Store { return &narrated{s, n} }

// narrated is a Store whose events are told.
type narrated struct {
	hub.Store
	n *narrator
}

func (t *narrated) Receive(ctx context.Context, a hub.Arrival) (hub.Received, error) {
	r, err := t.Store.Receive(ctx, a)
	if err == nil && !r.Replayed {
		t.n.arrived(r)
	}
	return r, err
}

func (t *narrated) Apply(ctx context.Context, id hub.CaseID, e hub.Event) (hub.Case, hub.Effects, error) {
	c, fx, err := t.Store.Apply(ctx, id, e)
	t.n.happened(c, e, err)
	return c, fx, err
}

func (t *narrated) Settle(ctx context.Context, id hub.CaseID, e hub.Event, f hub.Facts) (hub.Case, hub.Effects, error) {
	c, fx, err := t.Store.Settle(ctx, id, e, f)
	t.n.happened(c, e, err)
	return c, fx, err
}

func (t *narrated) Report(ctx context.Context, s hub.SystemID, rs []hub.Report, next hub.Cursor, now time.Time) ([]hub.Hearing, error) {
	all, err := t.Store.Report(ctx, s, rs, next, now)
	for _, heard := range all {
		for _, status := range heard.Effects.Statuses {
			t.n.say(green, status.Case, fmt.Sprintf("the citizen sees %s: %s says so", status.Step.Swedish(), s))
		}
	}
	return all, err
}

func (n *narrator) arrived(r hub.Received) {
	what := r.Case.Service
	if route := n.bundle.Route(r.Case.Municipality, r.Case.Source, r.Case.Service); route != nil {
		what = route.Title
	}
	n.mu.Lock()
	n.seen[r.Case.ID] = what
	n.mu.Unlock()
	if len(r.Case.Submissions) > 1 {
		n.say(plain, r.Case.ID, "a completion came in to the same case, and is on disk")
		return
	}
	n.say(plain, r.Case.ID, "a form came in and is on disk; the platform has its 202")
}

// happened tells of what an event brought.
func (n *narrator) happened(c hub.Case, e hub.Event, err error) {
	if err != nil {
		return
	}
	switch e := e.(type) {
	case hub.Planned:
		n.say(plain, c.ID, "registers have answered and the documents are rendered")
	case hub.Postponed:
		n.say(yellow, c.ID, "waits: "+e.Note)
	case hub.Stopped:
		n.say(red, c.ID, fmt.Sprintf("rests with a person (%s): %s", e.Reason, e.Note))
	case hub.Asked:
		n.say(yellow, c.ID, fmt.Sprintf("asked whether an earlier attempt had arrived: %s", e.Finding))
	case hub.Answered:
		n.answered(c, c.Find(e.Key), e)
	}
}

func (n *narrator) answered(c hub.Case, d *hub.Progress, e hub.Answered) {
	switch {
	case d.Kind == hub.TellingKind && e.Answer == hub.Yes:
		n.say(plain, c.ID, fmt.Sprintf("%s was told: %s", d.System, d.Step.Swedish()))
	case e.Answer == hub.Yes:
		n.say(green, c.ID, fmt.Sprintf("%s gave a receipt: %s", d.System, e.Receipt.Number))
	case e.Answer == hub.No:
		n.say(red, c.ID, fmt.Sprintf("%s refused it; it rests with a person", d.System))
	case e.Answer == hub.NotNow:
		n.say(yellow, c.ID, fmt.Sprintf("%s does not take it now; next try %s", d.System, swedish(d.Due)))
	case d.State == hub.Unknown:
		n.say(yellow, c.ID, fmt.Sprintf("the answer from %s was lost: it is asked before anything is sent again", d.System))
	default:
		n.say(yellow, c.ID, fmt.Sprintf("the answer from %s was lost: %s", d.System, standing(*d)))
	}
}

// Colours of the terminal.
const (
	plain  = ""
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	reset  = "\x1b[0m"
)

func (n *narrator) say(colour string, c hub.CaseID, text string) {
	if n.silent {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.colour && colour != plain {
		text = colour + text + reset
	}
	short := string(c)[max(0, len(c)-6):]
	fmt.Fprintf(n.w, "%s  …%s  %-26s %s\n", time.Now().In(hub.Stockholm).Format(time.TimeOnly), short, n.seen[c], text)
}

// bar gives a function that moves a progress bar by one. There is none where no
// terminal would show it.
func (n *narrator) bar(total int) func() {
	if !n.silent || !term.IsTerminal(int(os.Stderr.Fd())) {
		return func() {}
	}
	bar := progressbar.NewOptions(total, progressbar.OptionSetWriter(os.Stderr), progressbar.OptionShowCount(),
		progressbar.OptionSetDescription("forms sent in"), progressbar.OptionClearOnFinish())
	return func() { bar.Add(1) }
}
