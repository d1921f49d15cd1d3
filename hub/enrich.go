package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// enrichers is how many submissions may be looked up at a time. They mostly wait.
const enrichers = 32

// longestWait is how long a submission waits at the most before a register that did
// not answer is asked again: a citizen's case is not to sleep through its recovery.
const longestWait = 30 * time.Second

// leftToOthers is how often a form is put off that this process knows no route for, while others
// have a later configuration: until all of them have, or nobody has.
const leftToOthers = 20

// work is one row in this process's hands.
type work struct {
	c          Case
	key        Key
	lease      Lease
	submission *Submission // when it was handed on in memory
	read       reading     // what was read of it then
}

func (h *Hub) enrichArrivals(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case w := <-h.arrivals:
			<-h.slots
			h.enrich(ctx, w)
		}
	}
}

// enrichDue takes up what waits in the Store: what memory had no room for, what a
// register could not answer for, what an earlier process left.
func (h *Hub) enrichDue(ctx context.Context) {
	var busy crew
	defer busy.wait()
	h.sweep(ctx, h.submissions, func(ctx context.Context) (more bool) {
		free := enrichers - busy.size()
		if free <= 0 {
			return false
		}
		claims, err := h.Store.ClaimSubmissions(ctx, h.lease(), h.turn(), free)
		if err != nil {
			h.failed("claim submissions", err)
			return false
		}
		for _, c := range claims {
			busy.start(func() {
				h.enrich(ctx, work{c: c.Case, key: c.Key, lease: c.Case.Find(c.Key).Lease})
				poke(h.submissions)
			})
		}
		return len(claims) == free
	})
}

// turn is the time until which what is due is taken up. Who has an older configuration than
// others leaves it to them for a while; and so does who has just had to leave a form to the
// process that makes a register's calls, or it would take the same form again and again.
func (h *Hub) turn() time.Time {
	now := h.Clock()
	if left := time.Unix(0, h.left.Load()); h.behind.Load() || now.Sub(left) < 2*othersFirst {
		return now.Add(-othersFirst)
	}
	return now
}

const othersFirst = 5 * time.Second

// enrich finds out what a submission needs to be known and plans its deliveries,
// or holds it, or puts it off. Whatever panics on the way is held, not repeated.
func (h *Hub) enrich(ctx context.Context, w work) {
	ctx, done := h.stage(context.WithoutCancel(ctx), stageOf(w.c, *w.c.Find(w.key)))
	limited, cancel := context.WithTimeout(ctx, w.lease.Until.Sub(h.Clock())-fence)
	j := &journey{Hub: h, w: w}
	e := j.decide(limited)
	cancel()
	p := *w.c.Find(w.key)
	p.Lease = w.lease // of one that was handed on in memory too
	var fx Effects
	var after Case
	e, facts := j.facts(ctx, e)
	letIn := h.lettingIn(ctx, w.c.ID, facts.Following)
	sure := false
	written := h.insist(p, func() (err error) {
		after, fx, err = h.Store.Settle(ctx, w.c.ID, e, facts)
		sure = err == nil
		return err
	})
	done(outcomeOf(e))
	if !written {
		return
	}
	letIn()
	switch e := e.(type) {
	case Planned:
		if sure { // it may be another process that asked and planned
			h.recent.keep(j.rendered)
		}
		if len(after.Submissions) > 1 {
			h.reconsider(ctx, after, j.route) // another of its forms may have been planned meanwhile
		}
	case Stopped:
		h.Log.Warn("held", "submission", w.key, "reason", e.Reason)
	case Postponed:
		h.Log.Info("postponed", "submission", w.key, "cause", e.Note)
	}
	h.follow(fx)
}

// decide gives the event that a submission comes to.
func (j *journey) decide(ctx context.Context) (e Event) {
	defer func() {
		if r := recover(); r != nil {
			e = Stopped{When{j.Clock()}, j.w.key, j.w.lease, ReasonCrashLoop, "panic while it was decoded or rendered"}
		}
	}()
	p := *j.w.c.Find(j.w.key)
	err := j.cautiously(ctx, j.w.c.ID, p, func() error { return j.begin(ctx) })
	if err == nil {
		err = j.enrich(ctx)
	}
	if err == nil {
		err = j.cautiously(ctx, j.w.c.ID, p, func() error { e = j.planned(ctx); return nil })
	}
	if err != nil {
		return j.outcome(j.w, err)
	}
	return e
}

// outcome reads what an error of the enrichment means to the submission.
func (h *Hub) outcome(w work, err error) Event {
	var stop *stopped
	if errors.As(err, &stop) {
		return Stopped{When{h.Clock()}, w.key, w.lease, stop.reason, stop.note}
	}
	if errors.Is(err, errElsewhere) {
		h.left.Store(h.Clock().UnixNano())
	}
	_, wait, _ := AnswerOf(Receipt{}, err)
	if wait == 0 {
		wait = min(Backoff(w.c.Find(w.key).Attempts+1, h.Jitter()), longestWait)
	}
	var waits *waiting
	note := "could not be enriched"
	if errors.As(err, &waits) {
		note = waits.what
	}
	return Postponed{When{h.Clock()}, w.key, w.lease, h.Clock().Add(ClampWait(wait)), note}
}

// stopped is an error that a person must look at.
type stopped struct {
	reason Reason
	note   string
}

func (s *stopped) Error() string { return string(s.reason) }

func stop(r Reason, format string, args ...any) error {
	return &stopped{r, fmt.Sprintf(format, args...)}
}

// waiting is an error that goes away by itself.
type waiting struct {
	what string
	err  error
}

func (w *waiting) Error() string { return w.what }
func (w *waiting) Unwrap() error { return w.err }

// A journey is one submission between being received and being planned.
type journey struct {
	*Hub
	w        work
	bundle   *Bundle
	route    *Route
	known    Known
	had      Facts       // from an earlier try
	rendered *remembered // what was planned, for who delivers it
}

// begin finds the submission and its route and types its answers.
func (j *journey) begin(ctx context.Context) error {
	j.bundle = j.Hub.bundle.Load()
	if j.w.submission != nil {
		j.known.Submission = *j.w.submission
	} else {
		r, err := j.remember(ctx, ID(j.w.key))
		if err != nil {
			return err
		}
		j.known.Submission = r.submission
		if j.had, err = j.Store.Facts(ctx, AsHub(), ID(j.w.key)); err != nil {
			return damaged(err)
		}
	}
	s := &j.known.Submission
	if s.Service == Unread {
		return whyUnread(*s)
	}
	if j.route = j.bundle.Route(s.Municipality, s.Source.System, s.Service); j.route == nil {
		if j.w.c.Find(j.w.key).Attempts < leftToOthers && j.isBehind(ctx) {
			return &waiting{"another configuration is in use elsewhere", errUnready}
		}
		return stop(ReasonNoRoute, "no route for this e-service")
	}
	return j.read()
}

// read types the answers and finds the parties, unless that was done when it arrived.
func (j *journey) read() error {
	read := j.w.read
	if read.by != j.route {
		read = j.route.read(j.known.Submission)
	}
	if read.err != nil {
		return read.err
	}
	j.known.Submission.Answers, j.known.Submission.Parties = read.answers, read.parties
	j.known.Title, j.known.Council = j.route.Title, j.bundle.Municipalities[j.route.Municipality]
	j.known.Answers = map[string]RegisterAnswer{}
	return nil
}

// enrich fetches what the form refers to, looks at whether its files are what they say,
// and asks the registers, in the route's order, and lets the route's rules judge.
func (j *journey) enrich(ctx context.Context) error {
	if !j.route.waits(j.known.Submission) {
		return j.inspect(ctx)
	}
	if !j.w.c.Find(j.w.key).Waiting {
		if err := j.look(ctx, false); err != nil {
			return err
		}
	}
	if err := j.fetchAll(ctx); err != nil {
		return err
	}
	if err := j.inspect(ctx); err != nil {
		return err
	}
	for _, e := range j.route.Enrich {
		answer, err := j.ask(ctx, e)
		if err != nil {
			return err
		}
		j.known.Answers[e.As] = answer
	}
	if err := j.look(ctx, true); err != nil {
		return err
	}
	return j.judge()
}

// look writes down that the submission now waits for others, and when that is over,
// with what they said. A death in between is no fault of its content; one after it
// may be, and asks nobody again.
func (j *journey) look(ctx context.Context, over bool) error {
	e := Looking{When{j.Clock()}, j.w.key, j.w.lease, over}
	_, _, err := j.Store.Settle(ctx, j.w.c.ID, e, Facts{Answers: j.known.list(j.route)})
	return err
}

// waits reports whether a form needs others before it can be planned: registers, or
// files that it only refers to.
func (r *Route) waits(s Submission) bool {
	return len(r.Enrich) > 0 || slices.ContainsFunc(s.Attachments, func(a Attachment) bool { return !a.Fetch.IsZero() })
}

// fetchAll gets the files that the form only refers to. Without them the case is
// not whole, so it waits or is held; only the platform's own print of the form can
// be done without, since the form itself is here.
func (j *journey) fetchAll(ctx context.Context) error {
	files := append([]Attachment(nil), j.known.Submission.Attachments...)
	for i := range files {
		a := &files[i]
		if a.Fetch.IsZero() {
			continue
		}
		if b, ok := j.had.Fetched[i]; ok {
			a.Blob = b
			continue
		}
		blob, err := j.fetch(ctx, i, a.Fetch)
		switch {
		case errors.Is(err, ErrGone) && a.Print:
			continue
		case errors.As(err, new(*stopped)):
			return err
		case errors.Is(err, ErrGone):
			return stop(ReasonAttachment, "file %d is no longer at the platform", i+1)
		case errors.Is(err, ErrTooLarge):
			return stop(ReasonAttachment, "file %d is larger than a file may be", i+1)
		case err != nil:
			return &waiting{string(j.known.Submission.Source.System) + " cannot give a file", err}
		case a.Size != 0 && blob.Size != a.Size:
			return stop(ReasonAttachment, "file %d is not of the announced size", i+1)
		}
		a.Blob = blob
	}
	j.known.Submission.Attachments = present(files)
	return nil
}

// present leaves out a print that the platform did not have: what is not there, no
// document speaks of.
func present(files []Attachment) []Attachment {
	var there []Attachment
	for _, a := range files {
		if a.Blob.ID != "" {
			there = append(there, a)
		}
	}
	return there
}

func (j *journey) fetch(ctx context.Context, i int, ref Fetch) (Blob, error) {
	d := j.dispatchers[j.known.Submission.Source.System]
	if d == nil || d.system.Fetcher == nil {
		return Blob{}, stop(ReasonNoConnector, "the platform's files cannot be fetched: nothing is connected for it")
	}
	return j.Store.Fetched(ctx, j.known.Submission.ID, i, func(w io.Writer) error {
		return d.gate.call(ctx, func() error { return d.system.Fetcher.Fetch(ctx, ref, w) })
	})
}

// ask puts one enrichment's persons to its register. A person without a number
// keeps what the form or an earlier answer said.
func (j *journey) ask(ctx context.Context, e Enrichment) (RegisterAnswer, error) {
	answer := RegisterAnswer{As: e.As, Register: e.Register, List: e.List, AsOf: j.Clock()}
	parties, err := e.Find(j.known)
	if err != nil {
		return answer, stop(ReasonRule, "%s", err)
	}
	for _, had := range j.had.Answers {
		if had.As == e.As && had.Register == e.Register && had.isAbout(parties) && j.fresh(had) {
			return had, nil
		}
	}
	if len(parties) == 0 && !e.List && !e.Optional {
		return answer, stop(ReasonNoPerson, "the form names nobody to ask %s about", e.Register)
	}
	for _, p := range parties {
		person, err := j.lookUp(ctx, e, p)
		switch {
		case err != nil && e.Optional && missable(person, err):
			answer.Missed = true
			return answer, nil
		case err != nil:
			return answer, err
		case person.AsOf.Before(answer.AsOf):
			answer.AsOf = person.AsOf
		}
		answer.Persons = append(answer.Persons, person)
	}
	return answer, nil
}

// missable reports whether a case may go on without the answer, when registers have told so
// much of a person and then err. It may not when one has told of a mark, or answered about
// somebody else; and that we have much to ask is no fault of the register.
func missable(told Person, err error) bool {
	if told.Protection.isMark() {
		return false
	}
	var stop *stopped
	if errors.As(err, &stop) {
		return stop.reason != ReasonMismatch
	}
	return !errors.Is(err, errFull)
}

// isAbout reports whether an answer is about these persons: the route may have been
// mended since it was given.
func (a RegisterAnswer) isAbout(parties []Party) bool {
	if len(a.Persons) != len(parties) {
		return false
	}
	for i, p := range a.Persons {
		if asked := parties[i].ID; !asked.IsZero() && p.ID != asked && !slices.Contains(p.Previous, asked) {
			return false
		}
	}
	return true
}

// fresh reports whether a committed answer may still be used: a day, and never for
// who must be handled as protected.
func (j *journey) fresh(a RegisterAnswer) bool {
	for _, p := range a.Persons {
		if p.Protected() {
			return false
		}
	}
	return !a.Missed && j.Clock().Sub(a.AsOf) < 24*time.Hour
}

// lookUp asks an enrichment's registers about one person, in turn, until one of them knows
// enough. Beside an error it gives what those before have told.
func (j *journey) lookUp(ctx context.Context, e Enrichment, p Party) (found Person, missing error) {
	if p.ID.IsZero() {
		// Who was never registered has no mark in any register, so there is none to miss.
		return Person{
			Given: p.Given, Family: p.Family, Birth: p.Birth, Protection: NotProtected,
			Delivered: Blocks{Name: p.Given+p.Family != ""}, AsOf: j.Clock(),
		}, nil
	}
	told := Person{Protection: NotProtected}
	for _, register := range e.registers() {
		person, err := j.lookUpIn(ctx, register, p.ID)
		switch {
		case err == nil:
			return person.strictestOf(told), nil
		case errors.Is(err, ErrPartly):
			told = person.strictestOf(told)
		case !errors.Is(err, ErrNotFound):
			return told, explain(register, err)
		}
		missing = explain(register, err)
	}
	return told, missing
}

// registers are those that an enrichment asks, in order.
func (e Enrichment) registers() []SystemID {
	if e.Then == "" {
		return []SystemID{e.Register}
	}
	return []SystemID{e.Register, e.Then}
}

// lookUpIn asks one register about one person.
func (j *journey) lookUpIn(ctx context.Context, register SystemID, id PersonID) (Person, error) {
	d := j.dispatchers[register]
	if d == nil || d.system.Register == nil {
		return Person{}, stop(ReasonNoConnector, "%s is no register that is connected", register)
	}
	person, err := j.lookups.ask(ctx, question{register, j.route.Municipality, id}, func() (Person, error) {
		return d.lookUp(ctx, id)
	})
	if err == errFull {
		err = &waiting{string(register) + " has others to answer", d.gate.full()}
	}
	return person, err
}

// explain says what it means to a case that a register has not answered.
func explain(register SystemID, err error) error {
	switch {
	case errors.As(err, new(*stopped)), errors.As(err, new(*waiting)):
		return err
	case errors.Is(err, ErrNotFound):
		return stop(ReasonNoPerson, "%s does not know the person", register)
	case errors.Is(err, ErrMismatch):
		return stop(ReasonMismatch, "%s answered about somebody else", register)
	case errors.Is(err, ErrPartly):
		return &waiting{string(register) + " does not know enough, or nothing recent enough", err}
	case refused(err):
		return stop(ReasonRefused, "%s refuses the question: %s", register, noteOf(err))
	}
	return &waiting{string(register) + " cannot answer", err}
}

// strictestOf puts together what two registers say of one person: the later one's word,
// under the stronger of their marks; an earlier one that does not know has said nothing. Under
// skyddad folkbokföring nothing that says where she lives is kept of either.
func (p Person) strictestOf(earlier Person) Person {
	if earlier.Protection != ProtectionUnknown {
		p.Protection = p.Protection.Strictest(earlier.Protection)
	}
	if p.Protection == ProtectedRegistration {
		p.Address, p.Abroad, p.Property = nil, nil, ""
	}
	return p
}

// lookUp asks the register through its gate.
func (d *dispatcher) lookUp(ctx context.Context, id PersonID) (person Person, err error) {
	asked := d.Clock()
	err = d.gate.call(ctx, func() (err error) {
		person, err = d.system.Register.Lookup(ctx, id)
		return err
	})
	if person.AsOf.IsZero() {
		person.AsOf = asked
	}
	person.By = d.system.ID
	return person, err
}

// refused reports whether asking again would be answered no again.
func refused(err error) bool {
	a, _, _ := AnswerOf(Receipt{}, err)
	return a == No
}

// judge lets the route's rules stop a case before anything leaves.
func (j *journey) judge() error {
	for _, e := range j.route.Enrich {
		for _, p := range j.known.Answers[e.As].Persons {
			switch {
			case e.Alive && p.Left.Reason != "" && !p.Protected():
				return stop(ReasonRule, "%s: no longer registered", e.As)
			case !p.Protected():
			case j.route.Protected == Withhold:
				j.known.Withhold = true
			default:
				return stop(ReasonProtected, "%s", e.As)
			}
		}
	}
	return nil
}

// facts are what is stored with what a submission came to. Where the case's other forms
// cannot be read, nobody can tell who else may follow it, and it is tried again.
func (j *journey) facts(ctx context.Context, e Event) (Event, Facts) {
	f := Facts{Answers: j.known.list(j.route)}
	if _, planned := e.(Planned); !planned {
		return e, f
	}
	all, err := j.everybodyIn(ctx, j.w.c, j.w.key)
	if err != nil {
		return j.outcome(j.w, err), f
	}
	all.join(j.known.Submission.Parties, f.Answers)
	f.Following = &Following{all.others(j.route)}
	return e, f
}

// list gives the answers in the route's order, as they are stored.
func (k Known) list(r *Route) []RegisterAnswer {
	if r == nil {
		return nil
	}
	var all []RegisterAnswer
	for _, e := range r.Enrich {
		if a, ok := k.Answers[e.As]; ok {
			all = append(all, a)
		}
	}
	return all
}
