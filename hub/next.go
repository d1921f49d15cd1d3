package hub

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// ErrLost says that an event came too late: somebody else has moved the row on.
// Nothing has changed and nothing needs to be done.
var ErrLost = errors.New("somebody else has moved it on")

// ErrConflict says that a person or a client asked for what the state forbids.
var ErrConflict = errors.New("the state forbids it")

// An Event is something that happened to a submission or a delivery. The types
// that implement it are the whole list.
type Event interface{ at() time.Time }

// When is embedded in each Event.
type When struct{ At time.Time }

func (w When) at() time.Time { return w.At }

type (
	// Arrived: a form was received. It belongs to the case that Next is given,
	// or begins it.
	Arrived struct {
		When
		Submission   ID
		Case         CaseID
		Municipality Municipality
		Source       SystemID
		Service      string
		Voice        SystemID           // of the route, "" when there is none yet
		Tellers      []SystemID         // who want to be told: the source, where it can be, and those of the route
		Expect       map[Step]time.Time // what the route promises
		Lease        Lease              // of the process that goes on with it at once
		Waits        bool               // for a register or a file, as far as its route can tell: Looking is then said already
	}

	// Claimed: a process took a row in hand.
	Claimed struct {
		When
		Key   Key
		Lease Lease
	}

	// Looking: the submission now waits for a register or a referred file; or that is
	// over, and everything is there.
	Looking struct {
		When
		Key   Key
		Lease Lease
		Over  bool
	}

	// Postponed: a register, or the place of a referred file, cannot answer now.
	Postponed struct {
		When
		Key   Key
		Lease Lease
		Until time.Time
		Note  string
	}

	// Planned: all facts are there and the deliveries are decided.
	Planned struct {
		When
		Key        Key
		Lease      Lease
		Revision   string
		Voice      SystemID
		Tellers    []SystemID
		Expect     map[Step]time.Time
		Deliveries []Plan
	}

	// Stopped: nothing more can be done without a person.
	Stopped struct {
		When
		Key    Key
		Lease  Lease
		Reason Reason
		Note   string
	}

	// Started: the attempt row of a delivery, committed before the first byte leaves.
	Started struct {
		When
		Key       Key
		Lease     Lease
		SHA256    [32]byte
		Announced bool // OnWire is said before the first byte leaves
	}

	// OnWire: the first byte of an attempt is about to leave. It is said where nothing
	// but a person can settle a *don't know*, so that there are fewer of them.
	OnWire struct {
		When
		Key   Key
		Lease Lease
	}

	// Answered: an attempt came to an end.
	Answered struct {
		When
		Key     Key
		Lease   Lease
		Answer  Answer
		Receipt Receipt       // of a Yes
		Partly  bool          // of a No: a part of the delivery was taken before it
		Wait    time.Duration // of a NotNow: what the system asked for, 0 for nothing
		Cause   Cause         // why the system is out of order, which is no fault of the document
		Reason  Reason        // why a person must look, whatever the system answered; "" for what the answer leads to
		Note    string
		Jitter  float64 // 0 to 1
	}

	// Asked: Find came back.
	Asked struct {
		When
		Key     Key
		Lease   Lease
		Finding Finding
		Receipt Receipt
		Note    string
		Jitter  float64
	}

	// Lapsed: whoever had the row in hand is dead, or has held it too long.
	Lapsed struct {
		When
		Key   Key
		Lease Lease // the one that lapsed
	}

	// Reported: a system told about the case in its own words.
	Reported struct {
		When
		Key    Key // the delivery that the report is about
		Report Report
	}

	// Suspected: what was in hand at a death is about to be decoded or rendered, by itself;
	// or that is over.
	Suspected struct {
		When
		Key   Key
		Lease Lease
		Over  bool
	}

	// Decided: a person, or the platform, decides about a row.
	Decided struct {
		When
		Key Key
		Decision
	}

	// Looked: a named person has read what the case's citizen sees, or more, and why.
	Looked struct {
		When
		By     string
		Reason string
		Leg    string // whose document she has read, made by a draft; "" for none
	}

	// Retold: a person has a Teller told again what it was told in a period, and since.
	Retold struct {
		When
		Retelling
		By string
	}

	// Approved: a second person approves what was proposed.
	Approved struct {
		When
		Key      Key
		Proposed time.Time // the Proposal's At: what she has read
		By       string
		Reason   string
	}

	// Restored: the case comes from a backup. What was not settled then may have been
	// settled since, by a hub whose memory is lost.
	Restored struct{ When }
)

// A Plan is one delivery that a route wants made.
type Plan struct {
	Leg       string
	System    SystemID
	Operation string
	Level     Level
	Lag       time.Duration
	After     string
	Step      Step
	SHA256    [32]byte // of the document, where it could be rendered already
}

// A Finding is what Find said about an earlier attempt.
type Finding string

const (
	Found      Finding = "found"
	NotThere   Finding = "not-there"
	CannotTell Finding = "cannot-tell"
	Broken     Finding = "broken"       // the question itself failed
	OutOfOrder Finding = "out-of-order" // so did everything else that the system was asked
)

// Effects are what a transition brings with it, written in the same transaction.
type Effects struct {
	Statuses []Status   // lines for those who read the case's feed
	Acts     []Act      // lines for the audit log
	Wake     []SystemID // systems that have something to do now
}

// An Act is a line of the audit log: acceptance, routing, receipts, holds, what
// people do.
type Act struct {
	Seq    uint64    // its place in the log; given by the Store
	At     time.Time // given by the Store
	What   string
	Key    Key
	Note   string
	By     string // the person or client whose act it is, "" for the hub itself
	Reason string // in that person's own words: the Store seals it
}

// Limits of the engine, for the whole installation.
const (
	MaxAttempts = 20             // after which a delivery is held: about six days
	MaxCrashes  = 3              // after which content is held that takes the process with it
	AskFor      = 24 * time.Hour // how long a broken Find is asked again
	NeedMisses  = 2              // how often Find must miss before we send again
)

// backoff is the schedule of the attempts: 10s 30s 2m 10m 30m 1h 3h 6h and then
// every 12h, each ±20 %. Twenty attempts take about six days.
var backoff = []time.Duration{
	10 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute,
	time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
}

// Backoff gives the wait after n attempts; jitter is between 0 and 1.
func Backoff(n int, jitter float64) time.Duration {
	d := backoff[min(max(n-1, 0), len(backoff)-1)]
	return time.Duration(float64(d) * (0.8 + 0.4*jitter))
}

// ClampWait keeps what a system asks for between one second and six hours.
func ClampWait(d time.Duration) time.Duration { return min(max(d, time.Second), 6*time.Hour) }

// Next is the state core: what a case becomes when something happens, and what
// comes with it. It is pure. Every Store runs it inside the transaction that
// writes its result, so that there is one set of rules, whatever the engine.
//
// It gives ErrLost when the row has moved on since, ErrConflict when a person asks
// for what the state forbids; the case is then unchanged.
func Next(before Case, e Event) (Case, Effects, error) {
	t := &transition{c: before.clone(), now: e.at()}
	if err := t.apply(e); err != nil {
		return before, Effects{}, err
	}
	t.derive()
	return t.c, t.fx, nil
}

// A transition is one run of Next.
type transition struct {
	c   Case
	now time.Time
	fx  Effects
}

func (t *transition) apply(e Event) error {
	switch e := e.(type) {
	case Arrived:
		return t.arrive(e)
	case Claimed:
		return t.claim(e)
	case Looking:
		return t.held(e.Key, e.Lease, func(p *Progress) error { p.Waiting = !e.Over; return nil })
	case Postponed:
		return t.held(e.Key, e.Lease, func(p *Progress) error { return t.postpone(p, e) })
	case Planned:
		return t.held(e.Key, e.Lease, func(p *Progress) error { return t.plan(p, e) })
	case Stopped:
		return t.held(e.Key, e.Lease, func(p *Progress) error { t.hold(p, e.Reason, e.Note); return nil })
	case Started:
		return t.held(e.Key, e.Lease, func(p *Progress) error { return t.start(p, e) })
	case Answered:
		return t.answered(e)
	case Asked:
		return t.asked(e)
	case Lapsed:
		return t.held(e.Key, e.Lease, func(p *Progress) error { return t.lapse(p) })
	case Reported:
		return t.reported(e)
	case OnWire:
		return t.held(e.Key, e.Lease, func(p *Progress) error { p.OnWire = true; return nil })
	case Suspected:
		return t.held(e.Key, e.Lease, func(p *Progress) error { p.Alone = !e.Over; return nil })
	case Decided:
		return t.decided(e)
	case Approved:
		return t.approved(e)
	case Looked:
		what := "looked at"
		if e.Leg != "" {
			what = "looked at document"
		}
		t.actBy(what, t.c.Submissions[0].Key, e.Leg, e.By, e.Reason)
		return nil
	case Retold:
		return t.retell(e)
	case Restored:
		return t.restored()
	}
	return fmt.Errorf("next: unknown event %T", e)
}

// held runs f on the row that the lease is about, or gives ErrLost.
func (t *transition) held(k Key, l Lease, f func(*Progress) error) error {
	p := t.c.Find(k)
	if p == nil || p.Lease.Token != l.Token || p.Lease.Boot != l.Boot || p.Lease.Boot == "" {
		return ErrLost
	}
	return f(p)
}

// move brings a row into a state; who had it in hand has it no longer.
func (t *transition) move(p *Progress, s State, due time.Time) {
	p.State, p.Since, p.Due = s, t.now, due
	p.Reason, p.Lease, p.Proposal = "", Lease{}, nil
	p.Waiting, p.OnWire, p.Alone = false, false, false
}

func (t *transition) hold(p *Progress, r Reason, note string) {
	t.move(p, Held, time.Time{})
	p.Reason, p.Note = r, note
	t.act("held "+string(r), p.Key, note)
}

func (t *transition) act(what string, k Key, note string) {
	t.actBy(what, k, note, "", "")
}

func (t *transition) actBy(what string, k Key, note, by, reason string) {
	t.fx.Acts = append(t.fx.Acts, Act{What: what, Key: k, Note: note, By: by, Reason: reason})
}

// — submissions —

func (t *transition) arrive(e Arrived) error {
	anew := t.c.ID != "" && t.c.Begins(Key(e.Submission))
	if t.c.ID == "" {
		t.c = Case{
			ID: e.Case, Municipality: e.Municipality, Source: e.Source, Service: e.Service,
			Voice: e.Voice, Tellers: e.Tellers, Expect: e.Expect,
		}
	}
	t.c.Submissions = append(t.c.Submissions, Progress{
		Key: Key(e.Submission), Kind: FormKind, State: Accepted, Since: t.now, Due: t.now,
		Submission: e.Submission, Lease: e.Lease, Waiting: e.Waits && e.Lease.Boot != "",
	})
	t.act("accepted", Key(e.Submission), "")
	switch {
	case t.c.Step == "":
		t.step(Inkommet, e.Submission, t.now, false)
	case anew: // what was taken back or rejected is sent in again
		t.c.Voice, t.c.Expect = e.Voice, e.Expect
		t.step(Inkommet, e.Submission, t.now, true)
	}
	return nil
}

func (t *transition) claim(e Claimed) error {
	p := t.c.Find(e.Key)
	if p == nil || p.Lease.Boot != "" || p.Due.After(t.now) {
		return ErrLost
	}
	switch p.State {
	case Accepted, EnrichWait:
		p.State = Enriching
	case Ready, RetryWait:
		p.State = Sending
	case Unknown:
		p.State = Reconciling
	default:
		return ErrLost
	}
	p.Since, p.Lease = t.now, e.Lease
	return nil
}

func (t *transition) postpone(p *Progress, e Postponed) error {
	t.move(p, EnrichWait, e.Until)
	p.Note, p.Crashes = e.Note, 0
	p.Attempts++
	return nil
}

func (t *transition) plan(p *Progress, e Planned) error {
	if len(e.Deliveries) == 0 { // a form leaves us by being delivered, and not in silence
		t.hold(p, ReasonNoRoute, "no leg of the route is for this form")
		return nil
	}
	t.move(p, Routed, time.Time{})
	p.Revision, p.Note, p.Crashes, p.Attempts = e.Revision, "", 0, 0
	t.act("routed", p.Key, e.Revision)
	if t.c.Voice == "" {
		t.c.Voice = e.Voice
	}
	if t.c.Expect == nil {
		t.c.Expect = e.Expect
	}
	for _, s := range e.Tellers { // there was no route when it arrived, or it has been mended since
		if !slices.Contains(t.c.Tellers, s) {
			t.c.Tellers = append(t.c.Tellers, s)
		}
	}
	for _, d := range e.Deliveries {
		delivery := Progress{
			Key: KeyOf(p.Submission, d.Leg), Kind: DocumentKind, State: Blocked, Since: t.now,
			Submission: p.Submission, Leg: d.Leg, Doubt: p.Doubt,
		}
		delivery.plan(d, e.Revision)
		if delivery.Doubt && delivery.Level == Blind {
			t.hold(&delivery, ReasonUnclear, fromBackup)
		}
		t.c.Deliveries = append(t.c.Deliveries, delivery)
	}
	return nil
}

// — deliveries —

// start opens an attempt. After the first one a document that differs is never
// sent under the same Key.
func (t *transition) start(p *Progress, e Started) error {
	if p.State != Sending {
		return ErrLost
	}
	if p.Attempts > 0 && p.SHA256 != e.SHA256 {
		t.hold(p, ReasonHashMismatch, "")
		return nil
	}
	if p.SHA256 != e.SHA256 {
		if p.SHA256 != ([32]byte{}) {
			t.act("document pinned anew", p.Key, "")
		}
		p.SHA256 = e.SHA256
	}
	p.Attempts++
	p.Crashes, p.Waiting, p.OnWire = 0, true, !e.Announced
	return nil
}

// answered settles an attempt. A success is never discarded, however late.
func (t *transition) answered(e Answered) error {
	p := t.c.Find(e.Key)
	if p == nil || p.Kind == FormKind {
		return ErrLost
	}
	if e.Answer == Yes && t.evidence(p, e.Receipt) {
		return nil
	}
	return t.held(e.Key, e.Lease, func(p *Progress) error {
		if p.State != Sending {
			return ErrLost
		}
		p.Note = e.Note
		switch {
		case e.Reason != "":
			p.Doubt = p.Doubt || e.Answer == DontKnow
			t.hold(p, e.Reason, e.Note)
		case e.Answer == No:
			p.Doubt = p.Doubt || e.Partly
			t.hold(p, ReasonRefused, e.Note)
		case e.Answer == NotNow:
			t.retry(p, e)
		default:
			if e.Cause != "" && p.tries() > 1 {
				p.Spent++ // it counts as no try
			}
			t.doubt(p, e.Jitter)
		}
		return nil
	})
}

// retry waits for the next attempt. What is no fault of the document does not use up
// tries: an outage may last for weeks. Where nobody answered, nothing has been sent
// either, and the form can still be taken back.
func (t *transition) retry(p *Progress, e Answered) {
	switch {
	case !p.Waiting:
	case e.Cause == Down:
		p.Attempts--
	case e.Cause != "":
		p.Spent++
	}
	if p.tries() >= MaxAttempts {
		t.hold(p, ReasonGaveUp, e.Note)
		return
	}
	wait := Backoff(max(p.tries(), 1), e.Jitter)
	if e.Wait != 0 {
		wait = ClampWait(e.Wait)
	}
	t.move(p, RetryWait, t.now.Add(wait))
}

// doubt is the fourth answer: it may have been taken. What follows is decided by
// what the system can.
func (t *transition) doubt(p *Progress, jitter float64) {
	p.Doubt = true
	switch {
	case p.Level == Idempotent && p.tries() >= MaxAttempts:
		t.hold(p, ReasonGaveUp, p.Note)
	case p.Level == Idempotent:
		t.move(p, RetryWait, t.now.Add(Backoff(p.tries(), jitter)))
	case p.Level == Lookup:
		t.move(p, Unknown, t.now.Add(max(p.Lag, time.Second)))
		p.Misses, p.Asking = 0, t.now
	default:
		t.hold(p, ReasonUnclear, p.Note)
	}
}

func (t *transition) asked(e Asked) error {
	p := t.c.Find(e.Key)
	if p != nil && p.Kind != FormKind && e.Finding == Found && t.evidence(p, e.Receipt) {
		return nil
	}
	return t.held(e.Key, e.Lease, func(p *Progress) error {
		if p.State != Reconciling {
			return ErrLost
		}
		p.Note = e.Note
		switch {
		case e.Finding == CannotTell && p.Level == Idempotent:
			t.move(p, RetryWait, t.now.Add(Backoff(p.tries(), e.Jitter)))
		case e.Finding == CannotTell:
			t.hold(p, ReasonUnclear, e.Note)
		case e.Finding == OutOfOrder: // for weeks, if need be: the time to answer begins when it is over
			t.move(p, Unknown, t.now.Add(Backoff(2, e.Jitter)))
			p.Asking = t.now
		case e.Finding == NotThere && p.Misses+1 < NeedMisses:
			t.move(p, Unknown, t.now.Add(max(p.Lag, time.Second)))
			p.Misses++
		case e.Finding == NotThere && p.tries() >= MaxAttempts:
			t.hold(p, ReasonGaveUp, e.Note)
			p.Doubt = false
		case e.Finding == NotThere:
			t.move(p, RetryWait, t.now.Add(Backoff(p.tries(), e.Jitter)))
			p.Asking, p.Doubt = time.Time{}, false
		case t.now.Sub(p.Asking) > AskFor:
			t.hold(p, ReasonUnclear, e.Note)
		default:
			t.move(p, Unknown, t.now.Add(Backoff(2, e.Jitter)))
		}
		return nil
	})
}

// tries counts the attempts since the start, or since a person released it.
func (p *Progress) tries() int { return p.Attempts - p.Spent }

// lapse takes a row out of dead hands. What had an attempt row is a don't know; what
// had none, or was not on the wire yet, never left us.
func (t *transition) lapse(p *Progress) error {
	waiting, onWire := p.Waiting, p.OnWire
	switch p.State {
	case Enriching:
		t.backTo(p, Accepted, waiting)
	case Accepted:
		p.Lease, p.Waiting = Lease{}, false
	case Reconciling:
		t.backTo(p, Unknown, waiting)
	case Sending:
		if onWire {
			t.doubt(p, 0.5)
			return nil
		}
		if waiting {
			p.Attempts--
		}
		t.backTo(p, Ready, waiting)
	default:
		return ErrLost
	}
	return nil
}

// backTo lets a row be claimed again, and counts the crash when the row may have caused
// it: content that takes the process with it must not do so for ever. The first time
// everything is suspected that was not waiting for others; from then on, what was alone.
func (t *transition) backTo(p *Progress, s State, waiting bool) {
	crashes := p.Crashes
	if !waiting && (crashes == 0 || p.Alone) {
		crashes++
	}
	if crashes >= MaxCrashes {
		t.hold(p, ReasonCrashLoop, "")
		return
	}
	t.move(p, s, t.now)
	p.Crashes = crashes
}

// evidence takes a system's word that it has a delivery, whenever it comes: also when
// a person has seen to it since, or had it made anew. It reports whether it was news.
func (t *transition) evidence(p *Progress, r Receipt) bool {
	switch {
	case !p.Settled():
		t.deliver(p, r)
	case p.State == Cancelled && p.Attempts > 0: // another was made in its place
		t.act("receipt came late", p.Key, "")
		key := p.Key
		t.deliver(p, r)
		t.spare(key)
	case p.State == Waived && p.Receipt == nil:
		t.act("receipt came late", p.Key, "")
		p.Receipt = &r
	default:
		return false
	}
	return true
}

// spare takes back what was made in a delivery's place, unless it has been tried.
func (t *transition) spare(k Key) {
	for i := range t.c.Deliveries {
		d := &t.c.Deliveries[i]
		if d.Replaces != k {
			continue
		}
		if d.Attempts == 0 && !d.Doubt && !d.Settled() {
			t.move(d, Cancelled, time.Time{})
		}
		t.spare(d.Key) // what was made in its place in turn
	}
}

// deliver settles a delivery with its receipt.
func (t *transition) deliver(p *Progress, r Receipt) {
	if t.outOfTurn(p) {
		t.tellAgain(p)
		return
	}
	t.move(p, Delivered, time.Time{})
	p.Receipt, p.Note, p.Asking, p.Misses, p.Doubt = &r, "", time.Time{}, 0, false
	if p.Kind != DocumentKind {
		return
	}
	t.act("receipt", p.Key, "")
	if p.System == t.c.Voice {
		t.number(r.Number)
	}
	t.step(p.Step, p.Submission, t.now, false)
}

// — after a restore —

// fromBackup is the note of what a backup cannot know the end of.
const fromBackup = "restored from a backup: it may have been sent since"

// restored doubts all that was not settled when the backup was made. What can be asked
// about is asked, what the system recognises is sent again, the rest a person looks up.
func (t *transition) restored() error {
	t.act("restored", "", "")
	for i := range t.c.Submissions {
		if p := &t.c.Submissions[i]; !p.Ended() {
			p.Doubt = true
		}
	}
	for i := range t.c.Deliveries {
		if d := &t.c.Deliveries[i]; d.Kind == DocumentKind && !d.Settled() {
			t.distrust(d)
		}
	}
	return nil
}

func (t *transition) distrust(d *Progress) {
	d.Doubt = true
	switch {
	case d.State == Held:
	case d.Level == Blind:
		t.hold(d, ReasonUnclear, fromBackup)
	default:
		t.move(d, Blocked, time.Time{}) // derive lets it go on: by asking, where that can be
	}
}

// — what systems tell —

// reported takes what a system says of a case: evidence that it has what we were
// unsure of, and, when it is the case's voice, a Step.
func (t *transition) reported(e Reported) error {
	p := t.c.Find(e.Key)
	if p == nil || p.Kind == FormKind {
		return ErrLost
	}
	if e.Report.Key == p.Key {
		t.spokenOf(p)
	}
	if p.State == Delivered && e.Report.Step.Rank() >= Registrerat.Rank() {
		t.move(p, Confirmed, time.Time{})
	}
	if p.System == t.c.Voice && t.c.Over() == "" && !t.overtaken(e.Report) {
		t.step(e.Report.Step, p.Submission, e.Report.At, e.Report.Correction)
	}
	return nil
}

// overtaken reports whether a report tells of what was so before the present Step: of the
// two that follow each other both ways, only their times say which is the later.
func (t *transition) overtaken(r Report) bool {
	bothWays := func(s Step) bool { return s == UnderHandlaggning || s == KompletteringBehov }
	return !r.Correction && bothWays(t.c.Step) && bothWays(r.Step) && r.At.Before(t.c.StepAt)
}

// spokenOf hears that a system knows a delivery by its Key. That is no receipt: it may have
// the document and not all of the files, and what people call the case is not said. But
// who can tell more is asked at once, and nothing is sent again in ignorance.
func (t *transition) spokenOf(p *Progress) {
	if p.Settled() || p.State == Sending || p.State == Reconciling {
		return // a call's own answer tells more
	}
	p.Doubt = true
	if p.Level == Blind {
		if p.State != Held || p.Note != toldOf { // told again it is no news, and a proposal stands
			t.hold(p, ReasonUnclear, toldOf)
		}
		return
	}
	t.move(p, Blocked, time.Time{}) // derive has it asked about, or sent again under the same Key
}

// toldOf is the note of what rests with a person and is in the system's own reports.
const toldOf = "the system itself tells of it: it has the document at least"

// step moves the case on, tells those who follow it, and has the platform told.
func (t *transition) step(s Step, of ID, at time.Time, correction bool) {
	if !t.c.Step.Moves(s, correction) {
		return
	}
	t.c.Step, t.c.StepAt = s, at
	_, expect := t.c.promise(s)
	status := Status{
		Case: t.c.ID, Submission: of, Step: s, At: at, Expect: expect, Ref: t.c.Ref,
		Ball: BallAt(s), Owner: t.c.Municipality,
	}
	t.fx.Statuses = append(t.fx.Statuses, status)
	for _, teller := range t.c.Tellers {
		if s != Inkommet || teller != t.c.Source { // the platform heard Inkommet in its 202
			t.tell(teller, status)
		}
	}
}

func (t *transition) tell(teller SystemID, s Status) {
	told := 0
	for _, d := range t.c.Deliveries {
		if d.Kind == TellingKind {
			told++
		}
	}
	t.c.Deliveries = append(t.c.Deliveries, Progress{
		Key: Key(fmt.Sprintf("%s-tell-%d", t.c.ID, told+1)), Kind: TellingKind, State: Blocked,
		Since: t.now, Submission: s.Submission, Leg: "tell", System: teller, Level: Idempotent, Step: s.Step, Told: &s,
	})
}

// — what follows by itself —

// derive brings the case in order after any event: who no longer has anybody
// before it may go, and a submission is what its deliveries make of it.
func (t *transition) derive() {
	for i := range t.c.Deliveries {
		d := &t.c.Deliveries[i]
		if d.State == Blocked && t.clear(i) {
			t.unblock(d)
		}
	}
	for i := range t.c.Submissions {
		t.sum(&t.c.Submissions[i])
	}
}

// unblock lets a delivery go. What may be there already is asked about first.
func (t *transition) unblock(d *Progress) {
	if d.Doubt && d.Level == Lookup {
		t.move(d, Unknown, t.now)
		d.Misses, d.Asking = 0, t.now
	} else {
		t.move(d, Ready, t.now)
	}
	t.wake(d.System)
}

// clear reports whether nothing unsettled stands before delivery i: an earlier form
// of the case that is not planned yet, an earlier delivery to the same system, an
// earlier form's that gives the case its number, or the leg that it waits for.
func (t *transition) clear(i int) bool {
	d := t.c.Deliveries[i]
	if d.Kind == DocumentKind && t.formsBefore(d.Submission) {
		return false
	}
	for j, other := range t.c.Deliveries {
		if j == i || other.Settled() || other.Kind != d.Kind {
			continue
		}
		if t.precedes(j, i) && (other.System == d.System || t.numbers(other, d)) {
			return false
		}
		if d.After != "" && other.Leg == d.After && other.Submission == d.Submission {
			return false
		}
	}
	return true
}

// formsBefore reports whether an earlier form of the case may still bring deliveries.
func (t *transition) formsBefore(id ID) bool {
	for _, s := range t.c.Submissions {
		if s.Submission == id {
			return false
		}
		switch s.State {
		case Accepted, Enriching, EnrichWait, Held:
			return true
		}
	}
	return false
}

// numbers reports whether a delivery gives the case the number that one of a later
// form may speak of: it goes to the system that the citizen hears.
func (t *transition) numbers(other, d Progress) bool {
	return other.System == t.c.Voice && other.Submission != d.Submission && d.Kind == DocumentKind
}

// precedes reports whether delivery j goes before delivery i: by when their forms
// arrived, and not by which of them was planned first.
func (t *transition) precedes(j, i int) bool {
	a, b := t.arrival(t.c.Deliveries[j].Submission), t.arrival(t.c.Deliveries[i].Submission)
	if a != b && t.c.Deliveries[i].Kind == DocumentKind {
		return a < b
	}
	return t.place(j) < t.place(i)
}

// place is where a delivery stands in the order of planning. What was made in another's
// place stands there.
func (t *transition) place(i int) int {
	for replaced := t.c.Deliveries[i].Replaces; replaced != ""; replaced = t.c.Deliveries[i].Replaces {
		i = slices.IndexFunc(t.c.Deliveries, func(d Progress) bool { return d.Key == replaced })
	}
	return i
}

func (t *transition) arrival(id ID) int {
	for i, s := range t.c.Submissions {
		if s.Submission == id {
			return i
		}
	}
	return -1
}

// sum derives a routed submission's state from its deliveries.
func (t *transition) sum(p *Progress) {
	if p.State != Routed && p.State != Attention {
		return
	}
	state := Completed
	for _, d := range t.c.Deliveries {
		if d.Submission != p.Submission || d.Kind != DocumentKind || d.Settled() {
			continue
		}
		if d.State == Held {
			state = Attention
			break
		}
		state = Routed
	}
	if p.State != state {
		t.move(p, state, time.Time{})
		if state != Routed {
			t.act(map[State]string{Completed: "completed", Attention: "attention"}[state], p.Key, "")
		}
	}
}

func (t *transition) wake(s SystemID) {
	for _, w := range t.fx.Wake {
		if w == s {
			return
		}
	}
	t.fx.Wake = append(t.fx.Wake, s)
}
