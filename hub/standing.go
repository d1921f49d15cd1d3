package hub

import (
	"slices"
	"strings"
	"time"
)

// A Standing is how a case stands between the citizen and those who have it: who is to
// act, what comes next and by when that was promised, and what keeps it from going on. It
// holds no more than the citizen may know: not which system, not what it answered, and of
// what rests with a person never for which Reason, since a protected person's case must
// look like any other.
type Standing struct {
	Ball     Ball
	Next     Step      // that the case comes to if all goes well; "" at its end
	Promised Step      // the first Step ahead that the municipality promised a day for; "" for none
	By       time.Time // that day
	Late     bool      // it has passed, and not because the citizen was waited for

	Stuck Hindrance // "" for a case that goes on by itself
	Of    Piece     // what is stuck
	Since time.Time // when that began
	Who   Keeper    // is on it
}

// A Hindrance keeps a case from going on.
type Hindrance string

const (
	Delayed     Hindrance = "delayed"      // it is tried again and again, or has only not had its turn
	FactsWait   Hindrance = "facts"        // a register, or the place of a file, does not answer
	PlannedStop Hindrance = "planned-stop" // the system that is to have it is closed for maintenance
	SystemOut   Hindrance = "system-out"   // the system that is to have it is out of order
	Halted      Hindrance = "halted"       // a person has paused the system that is to have it, or is to be asked
	WithPerson  Hindrance = "with-person"  // somebody at the municipality must see to it by hand
)

// severity orders Hindrances by what the citizen is to be told of first.
var severity = map[Hindrance]int{Delayed: 1, FactsWait: 2, PlannedStop: 3, SystemOut: 4, Halted: 5, WithPerson: 6}

// A Piece of a case is what may be stuck while the rest goes on.
type Piece string

const (
	WholeCase    Piece = "case"       // it has not been registered
	LaterForm    Piece = "completion" // what was sent in afterwards
	OneOfSystems Piece = "part"       // it has been registered, and another system is to have it too
)

// A Keeper is who is on what is stuck.
type Keeper string

const (
	Registrar  Keeper = "registrar"  // a person of the municipality
	Operations Keeper = "operations" // those who run the hub
	Supplier   Keeper = "supplier"   // those who run the system that is closed, or does not answer
)

// promptly is how long a form may be on its way before that is worth a word.
const promptly = 20 * time.Second

// Standing gives how a case stands now.
func (h *Hub) Standing(c Case) Standing {
	now := h.Clock()
	circuits := h.Circuits()
	for _, s := range h.Systems {
		if s.Closed != nil && s.Closed(now) {
			circuits = append(circuits, Circuit{System: s.ID, Cause: planned})
		}
	}
	return StandingOf(c, circuits, now)
}

// planned stands for a maintenance window among the causes of outages. It wins over them:
// what does not answer then is as it should be.
const planned Cause = "planned"

// StandingOf gives how a case stands at a time, with the systems' circuits as they are.
func StandingOf(c Case, circuits []Circuit, now time.Time) Standing {
	s := Standing{Ball: BallAt(c.Step), Next: nextStep[c.Step]}
	if c.Step == Atertaget || c.Step == Avvisat {
		return s
	}
	if s.Ball == Applicant && c.completed() {
		s.Ball = Council
	}
	s.Promised, s.By = c.promise(c.Step)
	s.Late = s.Promised != "" && s.Ball != Applicant && DayOf(s.By) < DayOf(now)
	for _, p := range c.Submissions {
		s.worse(c, hindranceOfForm(p, circuits, now))
	}
	for _, p := range c.Deliveries {
		if p.Kind == DocumentKind {
			s.worse(c, hindranceOfDelivery(p, circuits, now))
		}
	}
	if s.Stuck == FactsWait && s.Ball == Council {
		s.Ball = Other // a register is not the municipality's; what waits for its own systems is
	}
	return s
}

// nextStep is what each Step leads to when all goes well.
var nextStep = map[Step]Step{
	Inkommet: Registrerat, Registrerat: UnderHandlaggning, KompletteringBehov: UnderHandlaggning, UnderHandlaggning: Beslutat,
}

// completed reports whether something was sent in after the case came to its Step.
func (c *Case) completed() bool {
	for i, p := range c.Submissions {
		if i > 0 && p.State != Withdrawn && p.State != Rejected && p.arrived().After(c.StepAt) {
			return true
		}
	}
	return false
}

// promise gives the first Step after one that has a promised day.
func (c *Case) promise(after Step) (Step, time.Time) {
	var first Step
	for s := range c.Expect {
		if s.Rank() > after.Rank() && (first == "" || s.Rank() < first.Rank()) {
			first = s
		}
	}
	return first, c.Expect[first]
}

// A hindrance is one row's.
type hindrance struct {
	Hindrance
	row   Progress
	since time.Time
	who   Keeper
}

// worse has the Standing tell of a hindrance, when that is what the citizen is to be told
// of first. When the case has been decided, only what she has sent in since concerns her;
// and that another system than the one she hears has not got it yet does when it may last.
func (s *Standing) worse(c Case, h hindrance) {
	of := c.part(h.row)
	if severity[h.Hindrance] <= severity[s.Stuck] {
		return
	}
	if of == OneOfSystems && (h.Hindrance == Delayed || c.Step.Rank() >= Beslutat.Rank()) {
		return
	}
	s.Stuck, s.Of, s.Since, s.Who = h.Hindrance, of, h.since, h.who
}

func (c *Case) part(p Progress) Piece {
	switch {
	case c.Step.Rank() < Registrerat.Rank():
		return WholeCase
	case !c.Begins(Key(p.Submission)):
		return LaterForm
	}
	return OneOfSystems
}

func hindranceOfForm(p Progress, circuits []Circuit, now time.Time) hindrance {
	asked, _, _ := strings.Cut(p.Note, " ") // of what waits for a register's answer
	switch {
	case p.State == Held:
		return hindrance{WithPerson, p, p.Since, Registrar}
	case p.State == EnrichWait && paused(circuits, SystemID(asked)):
		return hindrance{Halted, p, p.arrived(), Operations}
	case p.State == EnrichWait, p.State == Enriching && p.Attempts > 0:
		return hindrance{FactsWait, p, p.arrived(), Operations}
	case p.State == Accepted, p.State == Enriching:
		return slow(p, now)
	}
	return hindrance{row: p}
}

func hindranceOfDelivery(p Progress, circuits []Circuit, now time.Time) hindrance {
	switch p.State {
	case Held:
		return hindrance{WithPerson, p, p.Since, Registrar}
	case Ready, Sending, RetryWait, Unknown, Reconciling:
	default:
		return hindrance{row: p}
	}
	if paused(circuits, p.System) {
		return hindrance{Halted, p, p.arrived(), Operations}
	}
	h := slow(p, now)
	for _, circuit := range circuits {
		switch {
		case circuit.System != p.System:
		case circuit.Cause == planned:
			return hindrance{PlannedStop, p, p.arrived(), Supplier}
		case circuit.Cause == Credentials, circuit.Cause == AddressChanged:
			h = hindrance{SystemOut, p, circuit.Since, Operations}
		case circuit.Cause != "":
			h = hindrance{SystemOut, p, circuit.Since, Supplier}
		}
	}
	return h
}

// paused reports whether a person has paused a system: whatever else is the matter with it,
// it is not called until a person takes it up again.
func paused(circuits []Circuit, system SystemID) bool {
	return slices.ContainsFunc(circuits, func(c Circuit) bool { return c.System == system && c.Cause == Paused })
}

func slow(p Progress, now time.Time) hindrance {
	if now.Sub(p.arrived()) < promptly {
		return hindrance{row: p}
	}
	return hindrance{Delayed, p, p.arrived(), Operations}
}

// arrived gives when a row's form came in, which a ULID begins with; when the row came
// into its State, where the Store gives other IDs.
func (p Progress) arrived() time.Time {
	const digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	if len(p.Submission) != 26 {
		return p.Since
	}
	var millis int64
	for _, r := range p.Submission[:10] {
		value := strings.IndexRune(digits, r)
		if value < 0 {
			return p.Since
		}
		millis = millis<<5 | int64(value)
	}
	return time.UnixMilli(millis)
}

// SentBy reports whether a citizen is who sent a form in. Others that it or a register
// names may follow the case; what she sent in is hers.
func (s Submission) SentBy(v Viewer) bool {
	persons, _ := v.Citizen()
	for _, p := range sender(s.Parties) {
		if slices.Contains(persons, p) {
			return true
		}
	}
	return false
}
