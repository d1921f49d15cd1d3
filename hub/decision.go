package hub

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What people decide about the work list. The rows that rest with a person leave it
// by a decision that has a name and a reason, and where something could be doubled,
// dropped or refused for good, by two.

// A Verb is what a person can do with something that rests with people.
type Verb string

const (
	Release  Verb = "release"  // try again: a form from the beginning, a delivery once more
	Waive    Verb = "waive"    // it was registered by hand, or is not needed
	Dismiss  Verb = "reject"   // the form will not be processed
	Withdraw Verb = "withdraw" // the applicant takes the form back, and nothing has been sent
)

// Verbs is the closed list.
var Verbs = []Verb{Release, Waive, Dismiss, Withdraw}

// A Decision is what a named person, or a client, decides about one row.
type Decision struct {
	Verb    Verb
	By      string // who, by the name that knutpunkt.yaml has for her
	Reason  string // in her own words, which may say anything: the Store seals it
	Number  string // of a Waive: under which it was registered by hand
	Unasked bool   // of a Release: send without asking the system first whether it has it
	Anew    *Plan  // of a Release: by the present configuration, and no longer by its own
	// Revision is the present configuration's, where there is an Anew.
	Revision string
}

// A Proposal is a decision that waits for a second person. It has no reason: that is
// in the audit log, sealed.
type Proposal struct {
	Decision
	At time.Time // names the proposal: who approves says which one she has read
}

// ErrFourEyes says that who proposed something cannot also approve it.
var ErrFourEyes = errors.New("another person must approve it")

// ErrOutdated says that what is approved is not, or is no longer, what is proposed. It
// is an ErrConflict.
var ErrOutdated = fmt.Errorf("%w: it is not what is proposed now", ErrConflict)

// conflict is ErrConflict with what a person can read about it.
func conflict(text string) error { return fmt.Errorf("%w: %s", ErrConflict, text) }

// decided carries a decision out, or, where it takes two, writes it down as a
// proposal. A later proposal takes an earlier one's place.
func (t *transition) decided(e Decided) error {
	p := t.c.Find(e.Key)
	if p == nil {
		return conflict("there is nothing of that name")
	}
	if err := t.allowed(p, e.Decision); err != nil {
		return err
	}
	if !p.needsTwo(e.Decision) {
		return t.carryOut(p, e.Decision, string(e.Verb), e.By, e.Reason)
	}
	proposal := &Proposal{Decision: e.Decision, At: t.now}
	proposal.Reason = ""
	p.Proposal = proposal
	t.actBy("proposed "+string(e.Verb), p.Key, e.Number, e.By, e.Reason)
	return nil
}

// approved carries a proposal out, for a second person who has read it.
func (t *transition) approved(e Approved) error {
	p := t.c.Find(e.Key)
	switch {
	case p == nil || p.Proposal == nil || !p.Proposal.At.Equal(e.Proposed):
		return ErrOutdated
	case p.Proposal.By == e.By:
		return ErrFourEyes
	}
	d := p.Proposal.Decision
	if err := t.allowed(p, d); err != nil {
		return err
	}
	return t.carryOut(p, d, "approved "+string(d.Verb), e.By, e.Reason)
}

// needsTwo reports whether a decision takes a second person: where a case may become
// two, or leaves us undelivered.
func (p *Progress) needsTwo(d Decision) bool {
	switch d.Verb {
	case Waive, Dismiss:
		return true
	case Release:
		return p.Doubt && p.Kind == DocumentKind && (p.Level == Blind || d.Unasked || d.Anew != nil)
	}
	return false
}

// allowed says why a row cannot be decided about so, in words for who tried.
func (t *transition) allowed(p *Progress, d Decision) error {
	form := p.Kind == FormKind
	switch d.Verb {
	case Release:
		if p.State != Held {
			return conflict("it is not held")
		}
		if form && d.Anew != nil {
			return conflict("a form always goes by the present configuration")
		}
		if d.Anew != nil && t.standsBefore(p, d.Anew.After) {
			return conflict("it would wait for a delivery that waits for it")
		}
	case Waive:
		if p.State != Held {
			return conflict("it is not held")
		}
		if d.Number == "" && t.isRead(p) {
			return conflict("another delivery needs its number")
		}
	case Dismiss:
		if !form || p.State != Held {
			return conflict("only a form that is held can be rejected")
		}
	case Withdraw:
		return t.withdrawable(p)
	default:
		return conflict("nobody can decide that")
	}
	return nil
}

// standsBefore reports whether a delivery goes before its form's leg of that name, so that
// the two would wait for each other if it were to wait for that one.
func (t *transition) standsBefore(p *Progress, leg string) bool {
	i := slices.IndexFunc(t.c.Deliveries, func(d Progress) bool { return d.Key == p.Key })
	for j, d := range t.c.Deliveries {
		if d.Leg == leg && d.Submission == p.Submission && !d.Settled() && t.place(j) >= t.place(i) {
			return true
		}
	}
	return false
}

// isRead reports whether another delivery waits for a row's receipt.
func (t *transition) isRead(p *Progress) bool {
	for _, d := range t.c.Deliveries {
		if d.Submission == p.Submission && p.Leg != "" && d.After == p.Leg && !d.Settled() {
			return true
		}
	}
	return false
}

// carryOut does what was decided. The act is written first: it says why what follows
// happened.
func (t *transition) carryOut(p *Progress, d Decision, act, by, reason string) error {
	t.actBy(act, p.Key, d.Number, by, reason)
	switch d.Verb {
	case Release:
		t.release(p, d)
	case Waive:
		t.waive(p, d)
	case Dismiss:
		t.move(p, Rejected, time.Time{})
		t.endCase(Avvisat, p.Submission)
	case Withdraw:
		t.withdraw(p)
	}
	return nil
}

// release lets a row go on. What may have been taken already is asked about first,
// where the system can be asked and nobody has said that it need not be.
func (t *transition) release(p *Progress, d Decision) {
	if p.Kind == FormKind {
		t.move(p, Accepted, t.now)
		p.Note, p.Attempts, p.Crashes = "", 0, 0
		return
	}
	if d.Anew != nil && (p.Attempts > 0 || p.Doubt) {
		t.supersede(p, d)
		return
	}
	if d.Anew != nil {
		p.plan(*d.Anew, d.Revision)
	}
	if d.Unasked || p.Level == Blind {
		p.Doubt = false // a person has looked
	}
	t.move(p, Blocked, time.Time{})
	p.Spent, p.Crashes, p.Note = p.Attempts, 0, ""
}

// supersede makes a new delivery in the place of one that has been tried: other bytes
// are another delivery, and have a Key of their own.
func (t *transition) supersede(p *Progress, d Decision) {
	after := Progress{
		Key: revised(*p), Kind: p.Kind, State: Blocked, Since: t.now, Submission: p.Submission,
		Leg: p.Leg, Replaces: p.Key,
	}
	after.plan(*d.Anew, d.Revision)
	t.move(p, Cancelled, time.Time{})
	t.c.Deliveries = append(t.c.Deliveries, after) // p is not to be used after this
}

// revised gives the Key of a row's next revision: -r2, then -r3.
func revised(p Progress) Key {
	base, n := string(p.Key), 1
	if p.Replaces != "" {
		cut := strings.LastIndex(base, "-r")
		n, _ = strconv.Atoi(base[cut+2:]) // ours, so it is a number
		base = base[:cut]
	}
	return Key(base + "-r" + strconv.Itoa(n+1))
}

// plan binds a delivery that has not been tried to what a configuration says of it.
func (p *Progress) plan(d Plan, revision string) {
	p.System, p.Operation, p.Level, p.Lag = d.System, d.Operation, d.Level, d.Lag
	p.After, p.Step, p.SHA256, p.Revision = d.After, d.Step, d.SHA256, revision
}

// waive settles a row that a person has seen to. With a number it is as if the system
// had given the receipt.
func (t *transition) waive(p *Progress, d Decision) {
	if p.Kind == FormKind {
		t.move(p, Completed, time.Time{})
		if d.Number != "" {
			t.number(d.Number)
			t.step(Registrerat, p.Submission, t.now, false)
		}
		return
	}
	t.move(p, Waived, time.Time{})
	if d.Number == "" {
		return
	}
	p.Receipt = &Receipt{Number: d.Number, At: t.now}
	if p.Kind == DocumentKind {
		if p.System == t.c.Voice {
			t.number(d.Number)
		}
		t.step(p.Step, p.Submission, t.now, false)
	}
}

// number makes the case known by a number, unless it has one.
func (t *transition) number(n string) {
	if t.c.Ref == "" {
		t.c.Ref = n
	}
}

// withdrawable says why a form cannot be taken back.
func (t *transition) withdrawable(p *Progress) error {
	if p.Kind != FormKind || p.Ended() {
		return conflict("there is no form that can be taken back")
	}
	if p.Doubt && p.State != Routed && p.State != Attention { // restored: planned and sent, maybe, by a hub that is forgotten
		return conflict("it has been sent on, or may have been")
	}
	for _, d := range t.c.Deliveries {
		if d.Submission == p.Submission && d.Kind == DocumentKind && (d.Attempts > 0 || d.Doubt || d.Settled()) {
			return conflict("it has been sent on, or may have been")
		}
	}
	return nil
}

func (t *transition) withdraw(p *Progress) {
	for i := range t.c.Deliveries {
		if d := &t.c.Deliveries[i]; d.Submission == p.Submission && d.Kind == DocumentKind {
			t.move(d, Cancelled, time.Time{})
		}
	}
	t.move(p, Withdrawn, time.Time{})
	t.endCase(Atertaget, p.Submission)
}

// endCase tells the citizen that a case has ended without being processed, when there
// is nothing left of it.
func (t *transition) endCase(s Step, of ID) {
	for _, form := range t.c.Submissions {
		if form.State != Withdrawn && form.State != Rejected {
			return
		}
	}
	t.step(s, of, t.now, false)
}
