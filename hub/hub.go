// Package hub is the junction between a municipality's form platform and its
// business systems, told in five verbs:
//
//	Receive → Enrich → Map → Deliver → Report
//
// A completed form is made durable and answered (Receive). The population
// registers are asked about its persons (Enrich). A document is rendered for each
// system that wants one (Map). Each document is delivered until its system has
// given a receipt or a person has taken over (Deliver). And what the systems say
// of the case afterwards is told to the citizen and to the platform (Report).
//
// Receive begins here, in Hub.Receive, and so do the loops that do the rest, in
// Hub.Run; enrich.go asks, plan.go maps, dispatch.go delivers and tells the platform,
// track.go hears what systems report. What follows from anything that happens is
// decided in one place, Next.
//
// The Store remembers and the Bus wakes: all truth is rows, written by Next in one
// transaction each, and every loop here could be killed between any two lines and
// begin again from the rows. Whatever is handed on in memory is handed on only to
// be quick.
package hub

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Options are what a Hub is made of.
type Options struct {
	Store     Store
	Bus       Bus
	Bundle    *Bundle                               // the active configuration
	Reopen    func(archive []byte) (*Bundle, error) // for deliveries that are bound to an older one
	Publisher Publisher                             // makes the feed known outside; nil where nobody is told so
	Systems   []Opened                              // every system of every municipality
	Boot      string                                // this process, among all that ever ran
	Clock     func() time.Time
	Jitter    func() float64 // between 0 and 1
	Log       *slog.Logger
	Sweep     time.Duration // how often rows are looked for without being woken; 0 means 1 s
	Book      time.Duration // how often the days are balanced, whoever looks at them; 0 means 30 min
	// Trace begins a Stage of the work on a submission, and gives what ends it; what is called by
	// the context belongs to it. Nil traces nothing.
	Trace func(context.Context, Stage) (context.Context, func(Outcome))
}

// An Opened system is one that a municipality has, ready to be used.
type Opened struct {
	System
	ID          SystemID
	Connector   string               // which sort of system it is, for people; "" where nobody says
	Words       map[string]Step      // its own words, lower case and trimmed: what they mean to the citizen
	Concurrency int                  // calls at a time; 0 means 8
	Pace        float64              // calls a second; 0 means no limit
	Poll        time.Duration        // how often its Tracker is asked, 0 means 30 s, or its Poller, 0 means 5 min
	Closed      func(time.Time) bool // its maintenance windows; nil means always open
	Reports     []Secret             // by any of which it may sign what it tells unasked; none means that it may not
}

// A Hub runs the journey. All its methods may be called at the same time.
type Hub struct {
	Options
	bundle      atomic.Pointer[Bundle]
	older       sync.Map // revision: *Bundle
	gates       map[SystemID]*gate
	dispatchers map[SystemID]*dispatcher
	arrivals    chan work
	slots       chan struct{} // room among the arrivals
	ending      sync.RWMutex  // shared by who hands an arrival on
	ended       bool          // nobody takes arrivals any more
	tokens      atomic.Int64
	suspects    sync.RWMutex // held by the one that is decoded or rendered; shared by who is no suspect
	recent      *recent
	lookups     *lookups
	feed        *feed
	submissions chan struct{} // a submission may be due
	unpublished chan struct{} // the feed may have lines that are not known outside
	books       *books
	importing   sync.Map   // SystemID: whose file is being read
	pausing     sync.Mutex // held by who reads which systems are paused, and heeds it
	place       place
	behind      atomic.Bool  // others have had a later configuration at the last look
	left        atomic.Int64 // when a form was last left to the process that makes a register's calls, in Unix ns
	cut         atomic.Bool  // it has been said that the Store cannot be reached
}

// arrivalsRoom is how many received forms may wait in memory to be enriched. What comes
// above that waits in the Store.
const arrivalsRoom = 4096

// New makes a Hub. It does nothing until Run.
func New(o Options) *Hub {
	if o.Sweep == 0 {
		o.Sweep = time.Second
	}
	if o.Book == 0 {
		o.Book = 30 * time.Minute
	}
	h := &Hub{
		Options: o, gates: map[SystemID]*gate{}, dispatchers: map[SystemID]*dispatcher{},
		arrivals: make(chan work, arrivalsRoom), slots: make(chan struct{}, arrivalsRoom),
		recent: newRecent(arrivalsRoom, o.Clock), lookups: newLookups(), feed: newFeed(), submissions: make(chan struct{}, 1), unpublished: make(chan struct{}, 1), books: newBooks(),
	}
	h.bundle.Store(o.Bundle)
	for _, s := range o.Systems {
		h.gates[s.ID] = newGate(s, o.Clock)
		h.dispatchers[s.ID] = &dispatcher{
			Hub: h, system: s, gate: h.gates[s.ID], wake: make(chan struct{}, 1),
		}
	}
	return h
}

// Receive makes a form durable and goes on with it at once. When it returns
// without an error the form is on disk, and 202 may be answered.
func (h *Hub) Receive(ctx context.Context, a Arrival) (Received, error) {
	read := h.prepare(&a)
	h.ending.RLock()
	defer h.ending.RUnlock()
	handed := h.reserve(&a)
	r, err := h.Store.Receive(ctx, a)
	if err != nil || r.Replayed {
		h.release(handed)
		return r, err
	}
	h.follow(r.Effects)
	if handed {
		h.arrivals <- work{c: r.Case, key: Key(r.Submission.ID), lease: a.Lease, submission: &r.Submission, read: read}
	} else {
		poke(h.submissions)
		h.Bus.Wake(ctx, Wake{})
	}
	h.Log.Info("received", "submission", r.Submission.ID, "municipality", a.Submission.Municipality)
	return r, nil
}

// Decide carries out what a person, or a client, decides about a row; where that takes
// two persons it is written down and waits for Approve. It gives ErrConflict, with a
// text for who tried, when the row's state forbids it.
func (h *Hub) Decide(ctx context.Context, c CaseID, k Key, d Decision) (Case, error) {
	return h.act(ctx, c, k, Decided{When{h.Clock()}, k, d})
}

// Approve carries out what was proposed at a time, for a second person who has read
// it. It gives ErrFourEyes when she is the first.
func (h *Hub) Approve(ctx context.Context, c CaseID, k Key, proposed time.Time, by, reason string) (Case, error) {
	return h.act(ctx, c, k, Approved{When{h.Clock()}, k, proposed, by, reason})
}

func (h *Hub) act(ctx context.Context, id CaseID, k Key, e Event) (Case, error) {
	c, fx, err := h.Store.Apply(ctx, id, e)
	if err != nil {
		return c, err
	}
	h.follow(fx)
	if p := c.Find(k); p != nil {
		h.recent.forget(p.Submission)
		if p.Kind == FormKind {
			poke(h.submissions)
			h.Bus.Wake(ctx, Wake{})
		}
	}
	for _, a := range fx.Acts {
		if a.By != "" {
			h.Log.Info("decided", "what", a.What, "key", a.Key, "by", a.By)
		}
	}
	return c, nil
}

// Anew has a release go by the present configuration: the leg as it is now decides to
// which system, by which mapping. It gives ErrConflict when there is no such leg.
func (h *Hub) Anew(c Case, k Key, d *Decision) error {
	p, b := c.Find(k), h.bundle.Load()
	if p == nil || p.Kind != DocumentKind {
		return conflict("only a delivery can be made anew")
	}
	if r := b.Route(c.Municipality, c.Source, c.Service); r != nil {
		for _, leg := range r.Legs {
			if leg.Name == p.Leg {
				plan := h.plan(leg)
				d.Anew, d.Revision = &plan, b.Revision
				return nil
			}
		}
	}
	return conflict("the present route has no such leg")
}

// Run does the rest of the journey until ctx is done, and then finishes what is
// under way: a clean stop leaves no delivery in doubt. It begins by taking over
// what earlier processes left unfinished.
func (h *Hub) Run(ctx context.Context) error {
	for !h.lookAround(ctx) && ctx.Err() == nil {
		pauseFor(ctx, h.Sweep)
	}
	h.translate(ctx)
	var all sync.WaitGroup
	all.Go(func() { h.listen(ctx) })
	all.Go(func() { every(ctx, 2*h.Sweep, func() { h.lookAround(ctx) }) })
	for range enrichers {
		all.Go(func() { h.enrichArrivals(ctx) })
	}
	all.Go(func() { h.enrichDue(ctx) })
	for _, d := range h.dispatchers {
		all.Go(func() { d.run(ctx) })
		if d.system.Tracker != nil {
			all.Go(func() { h.track(ctx, d.system) })
		}
		if d.system.Collector != nil {
			all.Go(func() { h.collect(ctx, d.system) })
		}
		if d.system.Poller != nil {
			all.Go(func() { h.poll(ctx, d.system) })
		}
	}
	all.Go(func() { h.adopt(ctx) })
	all.Go(func() { h.reconcile(ctx) })
	all.Go(func() { h.readFeed(ctx) })
	all.Go(func() { h.publishFeed(ctx) })
	all.Go(func() { <-ctx.Done(); h.handBack(context.WithoutCancel(ctx)) })
	all.Wait()
	return nil
}

// readFeed hands the feed's new lines to those who watch.
func (h *Hub) readFeed(ctx context.Context) {
	h.sweep(ctx, h.feed.wake, func(ctx context.Context) bool {
		more, err := h.feed.handOut(ctx, h.Store)
		if err != nil {
			h.failed("read the feed", err)
		}
		return more && err == nil
	})
}

// adopt looks for deliveries to systems that are no longer connected, and has them
// held: nobody else would ever take them up.
func (h *Hub) adopt(ctx context.Context) {
	known := map[SystemID]bool{}
	look := func() {
		counts, err := h.Store.Counts(ctx, h.Clock())
		if err != nil {
			return // told by whoever counts for the metrics
		}
		h.behind.Store(h.isBehind(ctx))
		for id, n := range counts.Waiting {
			if n == 0 || h.dispatchers[id] != nil || h.behind.Load() {
				continue
			}
			if !known[id] {
				h.Log.Warn("deliveries wait for a system that is not connected", "system", id)
			}
			known[id] = true
			gone := Opened{ID: id}
			d := &dispatcher{Hub: h, system: gone, gate: newGate(gone, h.Clock), wake: make(chan struct{}, 1)}
			for d.take(ctx) {
				d.busy.wait()
			}
			d.busy.wait()
		}
	}
	look()
	every(ctx, 10*h.Sweep, look)
}

// recover takes rows out of dead hands: of processes that are no more, and of
// work that has taken too long.
func (h *Hub) recover(ctx context.Context) error {
	n, err := h.Store.Recover(ctx, h.Boot, h.Clock())
	if err != nil {
		h.failed("recover", err)
		return err
	}
	if n > 0 {
		h.Log.Info("took over unfinished work", "rows", n)
		h.wakeAll()
	}
	return nil
}

// Activate makes a configuration the one by which new submissions go. Deliveries
// that are planned already keep theirs.
func (h *Hub) Activate(ctx context.Context, b *Bundle) error {
	if err := h.Store.SaveBundle(ctx, b.Revision, b.Archive, h.Clock()); err != nil {
		return err
	}
	if old := h.bundle.Swap(b); old != nil {
		h.older.Store(old.Revision, old) // deliveries are bound to it
	}
	h.Log.Info("configuration active", "revision", b.Revision)
	return nil
}

// isBehind reports whether another configuration than this process's has been activated since,
// by another process: then what this one does not know of, that one may.
func (h *Hub) isBehind(ctx context.Context) bool {
	active, err := h.Store.Bundle(ctx, "")
	return err == nil && !bytes.Equal(active, h.bundle.Load().Archive)
}

// Bundle gives the configuration by which this process goes.
func (h *Hub) Bundle() *Bundle { return h.bundle.Load() }

// WatchCase watches a case, or all cases (""), for new lines, until end is called.
func (h *Hub) WatchCase(c CaseID) (w *Watching, end func()) { return h.feed.watchCase(c) }

// WatchPerson watches all cases that a citizen follows, also those that she does not yet,
// until end is called. For any other Viewer there is nothing to watch.
func (h *Hub) WatchPerson(v Viewer) (w *Watching, end func()) {
	return h.feed.watchMarks(h.Store.Marks(v))
}

// A Circuit tells of one system whether it is called at present.
type Circuit struct {
	System SystemID
	Cause  Cause     // why it is not; "" when it is
	Since  time.Time // when the outage, or the pause, began
	Note   string    // what it answered last: codes, never a value; or who paused it
}

// Circuits gives every system's, in their order.
func (h *Hub) Circuits() []Circuit {
	all := make([]Circuit, 0, len(h.Systems))
	for _, s := range h.Systems {
		all = append(all, h.gates[s.ID].open())
	}
	return all
}

// follow does what a transition asks for beside its rows: it wakes who has
// something to do, here and in other processes.
func (h *Hub) follow(fx Effects) {
	for _, s := range fx.Wake {
		if d := h.dispatchers[s]; d == nil || poke(d.wake) {
			h.Bus.Wake(context.Background(), Wake{System: s})
		}
	}
	for _, s := range fx.Statuses {
		poke(h.feed.wake)
		poke(h.unpublished)
		h.Bus.Wake(context.Background(), Wake{Case: s.Case})
	}
}

// listen hears what other processes, or this one, said on the bus. Where there is nothing to
// be heard the sweeper finds everything, and it is tried again.
func (h *Hub) listen(ctx context.Context) {
	hear := func() {
		wakes, err := h.Bus.Wakes(ctx)
		for err == nil { // why it cannot be heard the bus tells
			select {
			case w, ok := <-wakes:
				if !ok {
					return
				}
				h.woken(w)
			case <-ctx.Done():
				return
			}
		}
	}
	hear()
	every(ctx, 10*h.Sweep, hear)
}

// woken has whoever a Wake is for look at once.
func (h *Hub) woken(w Wake) {
	switch d := h.dispatchers[w.System]; {
	case w.Case != "":
		poke(h.feed.wake)
		poke(h.unpublished)
	case w.System == "":
		poke(h.submissions)
	case d != nil:
		poke(d.wake)
	}
}

func (h *Hub) wakeAll() {
	poke(h.submissions)
	for _, d := range h.dispatchers {
		poke(d.wake)
	}
}

// poke says that there is something to do, and reports whether that was news.
func poke(c chan struct{}) (news bool) {
	select {
	case c <- struct{}{}:
		return true
	default:
		return false
	}
}
