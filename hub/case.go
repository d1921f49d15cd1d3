package hub

import (
	"slices"
	"time"
)

// A Case is an ärende as far as the hub is concerned: the first form and its
// completions, the deliveries that they made, and how far the citizen has been
// told that it has come. It is the unit of order and of change: the Store loads
// it, Next decides, the Store writes what differs. It holds no personal data.
type Case struct {
	ID           CaseID
	Municipality Municipality
	Source       SystemID // the platform
	Service      string
	Step         Step
	StepAt       time.Time
	Ref          string     // the diarienummer that the citizen knows
	Voice        SystemID   // the system that the citizen hears
	Tellers      []SystemID // who want to be told of each Status, the platform among them
	Expect       map[Step]time.Time
	Submissions  []Progress // in order of arrival
	Deliveries   []Progress // in order of planning, which is the order of sending
}

// A State is where a submission or a delivery stands. Which of them it can be in,
// and who moves it, is in Next and in docs/states.md.
type State string

// States of a submission.
const (
	Accepted   State = "ACCEPTED"
	Enriching  State = "ENRICHING"
	EnrichWait State = "ENRICH_WAIT"
	Routed     State = "ROUTED"
	Attention  State = "ATTENTION"
	Completed  State = "COMPLETED"
	Rejected   State = "REJECTED"
	Withdrawn  State = "WITHDRAWN"
	Purged     State = "PURGED"
)

// States of a delivery.
const (
	Blocked     State = "BLOCKED"
	Ready       State = "READY"
	Sending     State = "SENDING"
	RetryWait   State = "RETRY_WAIT"
	Unknown     State = "UNKNOWN"
	Reconciling State = "RECONCILING"
	Delivered   State = "DELIVERED"
	Confirmed   State = "CONFIRMED"
	Waived      State = "WAIVED"
	Cancelled   State = "CANCELLED"
)

// Held is a state of both: it rests with a person, for a Reason.
const Held State = "HELD"

// A Reason says why something is held. The list is closed.
type Reason string

const (
	ReasonRefused      Reason = "refused"    // the system said no
	ReasonUnclear      Reason = "unclear"    // a don't know that only a person can settle
	ReasonGaveUp       Reason = "gave-up"    // attempts spent
	ReasonNoRoute      Reason = "no-route"   // no route, or an unknown service
	ReasonUnreadable   Reason = "unreadable" // the content does not fit the form's schema
	ReasonAttachment   Reason = "attachment-missing"
	ReasonMapping      Reason = "mapping-error"
	ReasonRule         Reason = "rule" // a rule of the route forbids it
	ReasonNoPerson     Reason = "no-such-person"
	ReasonMismatch     Reason = "register-mismatch"
	ReasonProtected    Reason = "protected"
	ReasonUnmappable   Reason = "unmappable-character"
	ReasonCrashLoop    Reason = "crash-loop"
	ReasonCorrupt      Reason = "corrupt"
	ReasonInfected     Reason = "infected"
	ReasonScanLimit    Reason = "scan-limit"
	ReasonNoConnector  Reason = "no-connector"
	ReasonHashMismatch Reason = "hash-mismatch"
)

// Reasons is the closed list, for those who must show or count each.
var Reasons = []Reason{
	ReasonRefused, ReasonUnclear, ReasonGaveUp, ReasonNoRoute, ReasonUnreadable,
	ReasonAttachment, ReasonMapping, ReasonRule, ReasonNoPerson, ReasonMismatch,
	ReasonProtected, ReasonUnmappable, ReasonCrashLoop, ReasonCorrupt, ReasonInfected,
	ReasonScanLimit, ReasonNoConnector, ReasonHashMismatch,
}

// Kind tells the rows of a case apart.
type Kind string

const (
	FormKind     Kind = "form"     // a submission
	DocumentKind Kind = "document" // a delivery of a document to a business system
	TellingKind  Kind = "telling"  // a delivery of a Status to the platform
)

// Progress is how one submission or one delivery of a case stands.
type Progress struct {
	Key        Key // a submission's is its ID
	Kind       Kind
	State      State
	Reason     Reason    // when HELD, and never otherwise
	Note       string    // what an operator needs to know about it: codes and places, never a value
	Since      time.Time // when it came into its State
	Due        time.Time // when the hub is to take it up again
	Lease      Lease     // who has it in hand
	Attempts   int       // of a delivery: that reached, or may have reached, the other side; of a submission: to enrich it
	Crashes    int       // how often the process may have died of it
	Alone      bool      // in hand, and decoded or rendered as the only suspect: a death now is its own
	Waiting    bool      // in hand, and waiting for others: a register, a file, or, with an attempt open, the system
	Revision   string    // the configuration it is bound to
	Submission ID        // of a delivery: whose it is; of a submission: itself
	Doubt      bool      // it may have been taken, and nobody has been able to tell; of a submission: its deliveries may have been
	Proposal   *Proposal // what waits for a second person's approval

	// Of a delivery only.
	Leg       string
	System    SystemID
	Operation string
	Level     Level
	Lag       time.Duration
	After     string    // the leg whose Receipt it waits for
	Step      Step      // what its Receipt tells the citizen; of a telling, what is told
	Told      *Status   // of a telling, the whole of it but its place in the feed
	SHA256    [32]byte  // of the first render; zero before it
	Receipt   *Receipt  // when it has one
	Misses    int       // how often Find did not find it since the last attempt
	Asking    time.Time // since when it has been asked about; zero when it is not
	OnWire    bool      // with an attempt open: its first byte may have left
	Spent     int       // of the Attempts, those before a person last released it, and those that say nothing of the document
	Replaces  Key       // the delivery in whose place it was made, when a person had it made anew
}

// A Lease says which process has a row in hand, and for how long. The token
// changes with each claim, so that a stale worker can be told from the present.
type Lease struct {
	Boot  string // the process; "" for nobody
	Token int64
	Until time.Time
}

// Settled reports whether a delivery stands in nobody's way any more.
func (p Progress) Settled() bool {
	switch p.State {
	case Delivered, Confirmed, Waived, Cancelled:
		return true
	}
	return false
}

// Ended reports whether a submission needs nothing more.
func (p Progress) Ended() bool {
	switch p.State {
	case Completed, Rejected, Withdrawn, Purged:
		return true
	}
	return false
}

// Find gives the row with the key, or nil.
func (c *Case) Find(k Key) *Progress {
	for i := range c.Submissions {
		if c.Submissions[i].Key == k {
			return &c.Submissions[i]
		}
	}
	for i := range c.Deliveries {
		if c.Deliveries[i].Key == k {
			return &c.Deliveries[i]
		}
	}
	return nil
}

// Begins reports whether a form is the one that its case begins with: none came before
// it but such as were taken back or rejected.
func (c *Case) Begins(k Key) bool {
	for _, s := range c.Submissions {
		if s.Key == k {
			return true
		}
		if s.State != Withdrawn && s.State != Rejected {
			return false
		}
	}
	return true
}

// Over gives WITHDRAWN or PURGED when that is what all of a case's forms are, and else "":
// nothing that a system says of it reaches anybody any more.
func (c *Case) Over() State {
	if len(c.Submissions) == 0 {
		return ""
	}
	state := c.Submissions[0].State
	for _, p := range c.Submissions {
		if p.State != state || state != Withdrawn && state != Purged {
			return ""
		}
	}
	return state
}

// Receipts gives what the case has, by leg: a later submission's receipt stands
// before an earlier one's.
func (c *Case) Receipts() map[string]Receipt {
	got := map[string]Receipt{}
	for _, d := range c.Deliveries {
		if d.Kind == DocumentKind && d.Receipt != nil {
			got[d.Leg] = *d.Receipt
		}
	}
	return got
}

// FirstReceipts gives the case's earliest receipt of each leg: the one that made
// the case, which ${case.LEG.number} means.
func (c *Case) FirstReceipts() map[string]Receipt {
	got := map[string]Receipt{}
	for _, d := range c.Deliveries {
		if _, there := got[d.Leg]; !there && d.Kind == DocumentKind && d.Receipt != nil {
			got[d.Leg] = *d.Receipt
		}
	}
	return got
}

// clone copies the case so that Next never changes what it was given.
func (c Case) clone() Case {
	c.Tellers = slices.Clone(c.Tellers)
	c.Submissions = append([]Progress(nil), c.Submissions...)
	c.Deliveries = append([]Progress(nil), c.Deliveries...)
	return c
}
