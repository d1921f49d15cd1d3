package hub

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Reconciliation (avstämning): what citizens sent in at a platform is what was received,
// and what was received is what the systems have. What it is made of is in Reckon; here a
// day's rows are read, and platforms that can be asked are asked what they sent.

// DayOf gives the day of a time, in Swedish time.
func DayOf(t time.Time) Date { return Date(t.In(Stockholm).Format(time.DateOnly)) }

// Bounds gives when a day begins and when the next one does, in Swedish time. It gives an
// error for what is no day.
func (d Date) Bounds() (from, until time.Time, err error) {
	from, err = time.ParseInLocation(time.DateOnly, string(d), Stockholm)
	if err != nil {
		return from, from, errors.New("no day: YYYY-MM-DD")
	}
	return from, from.AddDate(0, 0, 1), nil
}

// Before gives the day that lies n days before a day.
func (d Date) Before(n int) Date {
	from, _, err := d.Bounds()
	if err != nil {
		return d
	}
	return DayOf(from.AddDate(0, 0, -n))
}

// Balances reads a day out of the Store and makes its balances, of all municipalities.
func Balances(ctx context.Context, s Store, b *Bundle, tells func(SystemID) bool, day Date) ([]Balance, error) {
	from, until, err := day.Bounds()
	if err != nil {
		return nil, err
	}
	var lines []Line
	for after := ID(""); ; after = lines[len(lines)-1].Submission.Submission {
		page, err := s.List(ctx, AsHub(), Filter{From: from, Until: until, After: after, Limit: listedAtOnce})
		if err != nil {
			return nil, fmt.Errorf("reconcile %s: %w", day, err)
		}
		lines = append(lines, page...)
		if len(page) < listedAtOnce {
			break
		}
	}
	said, err := whatWasSaid(ctx, s, b, day)
	if err != nil {
		return nil, fmt.Errorf("reconcile %s: %w", day, err)
	}
	balances := Reckon(day, lines, said, b, tells)
	left := leftOver(lines, said, balances)
	if len(left) == 0 {
		return balances, nil
	}
	before, err := saidBefore(ctx, s, day, left)
	if err != nil {
		return nil, fmt.Errorf("reconcile %s: %w", day, err)
	}
	return Reckon(day, lines, append(said, before...), b, tells), nil
}

// whatWasSaid gives the tallies of a day, with where their references were found.
func whatWasSaid(ctx context.Context, s Store, b *Bundle, day Date) ([]Said, error) {
	tallies, err := s.Tallies(ctx, AsHub(), day, day)
	if err != nil {
		return nil, err
	}
	var said []Said
	for _, t := range tallies {
		found, err := search(ctx, s, AsHub(), b, t)
		if err != nil {
			return nil, err
		}
		said = append(said, Said{t, found})
	}
	return said, nil
}

// leftOver gives the cases that began on a day and that may be surplus: those that no tally
// of the day names, where it has fewer.
func leftOver(lines []Line, said []Said, balances []Balance) (left []Case) {
	named := map[CaseID]bool{}
	for _, t := range said {
		for _, of := range t.Found {
			named[of.Case] = true
		}
	}
	for _, l := range lines {
		c := l.Case
		if Key(c.ID) == l.Submission.Key && !named[c.ID] && slices.ContainsFunc(balances, func(b Balance) bool {
			return b.Municipality == c.Municipality && b.Source == c.Source && b.Service == c.Service && b.Count(Surplus) > 0
		}) {
			left = append(left, c)
		}
	}
	return left
}

// daysLate is how many days before it was received a form may have been sent, so that it
// is known for what it is.
const daysLate = 31

// saidBefore looks for cases in the tallies of the days before: they are few, and what was
// sent in a month is not. A form that cannot be read any more is not found.
func saidBefore(ctx context.Context, s Store, day Date, left []Case) ([]Said, error) {
	tallies, err := s.Tallies(ctx, AsHub(), day.Before(daysLate), day.Before(1))
	if err != nil || len(tallies) == 0 {
		return nil, err
	}
	type sentIn struct {
		source  SystemID
		service string
		ref     string
	}
	of := map[sentIn][]Case{} // of several municipalities, a reference may be each one's own
	for _, c := range left {
		form, err := s.Submission(ctx, AsHub(), ID(c.ID))
		if errors.Is(err, ErrContents) || errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		k := sentIn{c.Source, c.Service, form.Source.ID}
		of[k] = append(of[k], c)
	}
	var said []Said
	for _, t := range tallies {
		found := map[string]Place{}
		for _, ref := range t.IDs {
			for _, c := range of[sentIn{t.Source, t.Service, ref}] {
				if _, already := found[ref]; t.Municipality == c.Municipality || !already && t.isShared() {
					found[ref] = Place{c.Municipality, c.ID}
				}
			}
		}
		said = append(said, Said{t, found})
	}
	return said, nil
}

// isShared reports whether a tally may speak of several municipalities' forms: a platform that
// they share need not know whose its forms are.
func (t Tally) isShared() bool { return strings.HasPrefix(string(t.Source), sharedFolder) }

const listedAtOnce = 500

// search looks for a platform's references, as far as a Viewer may see: where the tally says
// that they are, and, of a platform that several share, at each of them.
func search(ctx context.Context, s Store, v Viewer, b *Bundle, t Tally) (map[string]Place, error) {
	found := map[string]Place{}
	among := []Municipality{t.Municipality}
	if t.isShared() {
		for _, m := range slices.Sorted(maps.Keys(b.Municipalities)) {
			if m != t.Municipality {
				among = append(among, m)
			}
		}
	}
	left := t.IDs
	for _, m := range among {
		if m == "" || len(left) == 0 {
			continue
		}
		has, err := s.Has(ctx, v, t.Source, m, left)
		if err != nil {
			return nil, err
		}
		for ref, id := range has {
			found[ref] = Place{m, CaseID(id)}
		}
		left = slices.DeleteFunc(slices.Clone(left), func(ref string) bool { _, there := has[ref]; return there })
	}
	return found, nil
}

// sharedFolder begins the names of systems that several municipalities share.
const sharedFolder = "shared."

// — what the hub keeps of it —

// DaysKept is how many days back the hub itself reconciles, today among them.
const DaysKept = 14

// How old what is kept of a day may be, before it is counted again for who asks.
const (
	lateAge = 5 * time.Second // of today and yesterday
	openAge = time.Minute     // of a day before that on which something is open
	oldAge  = 3 * time.Hour
)

// books are the balances of the last days, as they were counted last.
type books struct {
	counting chan struct{} // holds one while somebody counts, so that many who look do not count the same

	mu   sync.Mutex
	days map[Date]counted
	news int // tallies that have come

	asking sync.Mutex
	next   map[inquiry]time.Time // when it may be put again
}

type counted struct {
	at       time.Time
	balances []Balance
}

// isFresh reports whether nothing needs to be counted anew; late is of the last two days.
func (c counted) isFresh(now time.Time, late bool) bool {
	age := oldAge
	switch {
	case late:
		age = lateAge
	case slices.ContainsFunc(c.balances, func(b Balance) bool { return !b.Closed() }):
		age = openAge
	}
	return now.Sub(c.at) < age && !now.Before(c.at)
}

// An inquiry is what a platform is asked once a day.
type inquiry struct {
	source  SystemID
	service string
	day     Date
}

func newBooks() *books {
	return &books{counting: make(chan struct{}, 1), days: map[Date]counted{}, next: map[inquiry]time.Time{}}
}

func (b *books) forget(day Date) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.news++
	delete(b.days, day)
}

// get gives what is kept of a day, if it is fresh, and how much news there has been.
func (b *books) get(day, today Date, now time.Time) (kept []Balance, news int, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	had, ok := b.days[day]
	return had.balances, b.news, ok && had.isFresh(now, day >= today.Before(1))
}

// keep stores what was counted of a day, unless there has been news meanwhile, and forgets
// the days that are long ago.
func (b *books) keep(day, today Date, c counted, news int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.news == news {
		b.days[day] = c
	}
	for old := range b.days {
		if old <= today.Before(DaysKept) {
			delete(b.days, old)
		}
	}
}

// Reconciliation gives the balances of days, the latest first, from one day to another, both
// included. Those of the last two days are seconds old, others up to a minute while something
// is open, and up to three hours when nothing is.
func (h *Hub) Reconciliation(ctx context.Context, from, to Date) ([]Balance, error) {
	var all []Balance
	for day := to; day >= from; day = day.Before(1) {
		balances, err := h.reconciled(ctx, day)
		if err != nil {
			return nil, err
		}
		all = append(all, balances...)
	}
	return all, nil
}

// reconciled gives one day's balances, out of the books where those are fresh.
func (h *Hub) reconciled(ctx context.Context, day Date) ([]Balance, error) {
	today := DayOf(h.Clock())
	if kept, _, ok := h.books.get(day, today, h.Clock()); ok {
		return kept, nil
	}
	select {
	case h.books.counting <- struct{}{}:
		defer func() { <-h.books.counting }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	now := h.Clock()
	kept, news, ok := h.books.get(day, today, now)
	if ok {
		return kept, nil
	}
	balances, err := Balances(ctx, h.Store, h.bundle.Load(), h.tells, day)
	if err == nil {
		h.books.keep(day, today, counted{now, balances}, news)
	}
	return balances, err
}

// Reconciled gives the balances of the last days as they were counted last, without
// counting anything: for the metrics.
func (h *Hub) Reconciled() []Balance {
	h.books.mu.Lock()
	defer h.books.mu.Unlock()
	var all []Balance
	for _, day := range h.books.days {
		all = append(all, day.balances...)
	}
	return all
}

// tells reports whether a system can be expected to say what has become of a case.
func (h *Hub) tells(id SystemID) bool {
	return slices.ContainsFunc(h.Systems, func(s Opened) bool { return s.ID == id && len(s.Words) > 0 })
}

// — what platforms say —

// TakeTally stores what a platform says that it sent, and gives how many of it have not
// been received, and which, where it named them: as far as the Viewer may see.
func (h *Hub) TakeTally(ctx context.Context, v Viewer, t Tally) (missing []string, n int, err error) {
	t.At = h.Clock()
	if err := h.Store.SaveTally(ctx, t); err != nil {
		return nil, 0, err
	}
	h.books.forget(t.Day)
	found, err := search(ctx, h.Store, v, h.bundle.Load(), t)
	if err != nil {
		return nil, 0, err
	}
	for _, ref := range t.IDs {
		if _, there := found[ref]; !there {
			missing = append(missing, ref)
		}
	}
	if n = len(missing); t.Sent > len(t.IDs) {
		n, err = h.notReceived(ctx, t)
	}
	return missing, n, err
}

// notReceived counts what a tally speaks of that has not been received, by the number of
// what has.
func (h *Hub) notReceived(ctx context.Context, t Tally) (int, error) {
	balances, err := h.Reconciliation(ctx, t.Day, t.Day)
	for _, b := range balances {
		if b.Municipality == t.Municipality && b.Source == t.Source && b.Service == t.Service {
			return b.Count(NotReceived), err
		}
	}
	return t.Sent, err
}

// Count asks every platform that can be asked what it sent on a day. It gives
// ErrCannotTell when there is none.
func (h *Hub) Count(ctx context.Context, day Date) error {
	err := ErrCannotTell
	var failed []error
	for _, q := range h.inquiries(day) {
		err = nil
		failed = append(failed, h.ask(ctx, q))
	}
	return errors.Join(append(failed, err)...)
}

// When platforms are asked by the hub itself.
const (
	daysAsked     = 7                // how far back, while a day has gaps that the platform owns
	afterMidnight = 10 * time.Minute // before a day that has ended is asked about
	askedAgain    = time.Hour        // after a question that failed
	countTakes    = 5 * time.Minute  // at the most
)

// reconcile asks the platforms, once a day and after midnight, and keeps the books.
func (h *Hub) reconcile(ctx context.Context) {
	var booked time.Time
	every(ctx, time.Minute, func() {
		h.askPlatforms(ctx)
		if now := h.Clock(); now.Sub(booked) >= h.Book || now.Before(booked) {
			booked = now
			today := DayOf(now)
			if _, err := h.Reconciliation(ctx, today.Before(DaysKept-1), today); err != nil && ctx.Err() == nil {
				h.failed("reconcile", err)
			}
		}
	})
}

// askPlatforms puts the questions whose time has come: about yesterday, and about each of
// the days before of which it is not known that everything is here.
func (h *Hub) askPlatforms(ctx context.Context) {
	now := h.Clock()
	today := DayOf(now.Add(-afterMidnight))
	leads := map[SystemID]bool{}
	for _, s := range h.Systems {
		leads[s.ID] = s.Counter != nil && h.leads(ctx, "count", s.ID)
	}
	for n := 1; n <= daysAsked; n++ {
		for _, q := range h.inquiries(today.Before(n)) {
			if !leads[q.source] || !h.books.turn(q, now) || n > 1 && h.hasAll(ctx, q) {
				continue
			}
			if err := h.ask(ctx, q); err != nil && ctx.Err() == nil {
				h.books.later(q, now.Add(askedAgain))
				h.Log.Warn("a platform does not say what it sent", "system", q.source, "cause", noteOf(err))
			}
		}
	}
}

// turn reports whether a question may be put now, and if so not again today.
func (b *books) turn(q inquiry, now time.Time) bool {
	b.asking.Lock()
	defer b.asking.Unlock()
	if now.Before(b.next[q]) {
		return false
	}
	today := DayOf(now)
	for old := range b.next {
		if old.day < today.Before(daysAsked+1) {
			delete(b.next, old)
		}
	}
	_, tomorrow, _ := today.Bounds()
	b.next[q] = tomorrow.Add(afterMidnight)
	return true
}

// later lets a question be put again at a time.
func (b *books) later(q inquiry, at time.Time) {
	b.asking.Lock()
	defer b.asking.Unlock()
	b.next[q] = at
}

// inquiries are what there is to ask about a day: each e-service of each platform that can
// be asked.
func (h *Hub) inquiries(day Date) []inquiry {
	var all []inquiry
	for _, s := range h.Systems {
		if s.Counter == nil {
			continue
		}
		for _, r := range h.bundle.Load().Routes {
			if q := (inquiry{s.ID, r.Service, day}); r.From == s.ID && !slices.Contains(all, q) {
				all = append(all, q)
			}
		}
	}
	return all
}

// hasAll reports whether the platform has said what it sent, and all of it is here and
// nothing more.
func (h *Hub) hasAll(ctx context.Context, q inquiry) bool {
	balances, err := h.Reconciliation(ctx, q.day, q.day)
	if err != nil {
		return true // there is no saying; the next day will
	}
	told := false
	for _, b := range balances {
		if b.Source == q.source && b.Service == q.service {
			told = told || b.Told
			if b.Count(NotReceived) > 0 || b.Count(Surplus) > 0 {
				return false
			}
		}
	}
	return told
}

// ask puts one question, through the system's gate, and stores the answer.
func (h *Hub) ask(ctx context.Context, q inquiry) error {
	from, until, err := q.day.Bounds()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(h.Systems, func(s Opened) bool { return s.ID == q.source })
	ctx, cancel := context.WithTimeout(ctx, countTakes)
	defer cancel()
	var sent []Sent
	_, err = h.gates[q.source].visit(ctx, func() (err error) {
		sent, err = h.Systems[i].Counter.Sent(ctx, q.service, from, until)
		return err
	})
	if err != nil {
		return fmt.Errorf("ask what was sent: %w", err)
	}
	ids := references(sent, from, until)
	_, _, err = h.TakeTally(ctx, AsHub(), Tally{
		Municipality: h.sole(q.source, q.service), Source: q.source, Service: q.service, Day: q.day, Sent: len(ids), IDs: ids,
	})
	return err
}

// references gives what was sent within a day, each once.
func references(sent []Sent, from, until time.Time) []string {
	ids := []string{}
	for _, s := range sent {
		if !s.At.Before(from) && s.At.Before(until) {
			ids = append(ids, s.ID)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// sole gives the one municipality that has a route from a platform for an e-service, or ""
// when there are several.
func (h *Hub) sole(source SystemID, service string) Municipality {
	var m Municipality
	for _, r := range h.bundle.Load().Routes {
		if r.From != source || r.Service != service || r.Municipality == m {
			continue
		}
		if m != "" {
			return ""
		}
		m = r.Municipality
	}
	return m
}
