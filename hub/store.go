package hub

import (
	"context"
	"errors"
	"io"
	"time"
)

// A Store remembers. Every method is atomic, and durable when it returns. Every
// read names its Viewer; what the Viewer may not see is ErrNotFound, as if it were
// not there. Errors never carry content.
type Store interface {
	// Intake opens a place for the files of a form that is on its way in.
	Intake(ctx context.Context) (Intake, error)
	// Receive makes a submission durable: content, files, case row, status line
	// and idempotency record together. The Store gives it its ID, Case and Received.
	// What was received before is given again, Replayed. It gives ErrKeyReused when
	// the key or the source's reference was used for other content, ErrStorage when
	// there is no room.
	Receive(ctx context.Context, a Arrival) (Received, error)

	// Apply runs Next on a case and writes what differs. It gives what Next gives.
	Apply(ctx context.Context, c CaseID, e Event) (Case, Effects, error)
	// Settle is Apply for a worker that has more to store with its event: what
	// registers said (sealed), files that were fetched.
	Settle(ctx context.Context, c CaseID, e Event, facts Facts) (Case, Effects, error)
	// ClaimSubmissions takes up to n submissions in hand that are due.
	ClaimSubmissions(ctx context.Context, l Lease, now time.Time, n int) ([]Claim, error)
	// ClaimDeliveries takes up to n deliveries to a system in hand that are due.
	ClaimDeliveries(ctx context.Context, s SystemID, l Lease, now time.Time, n int) ([]Claim, error)
	// Lead makes this process the one that has a duty which one process is enough for, such
	// as asking a system what is new, for as long as it lives or until it ends it; held says
	// that another one has it. One that dies loses it within seconds. Who has it asks again to
	// know that it still has.
	Lead(ctx context.Context, duty string) (end func(), held bool, err error)
	// Peers gives this process's place among those that share the Store now, from 0, and how
	// many they are.
	Peers(ctx context.Context) (place, of int, err error)
	// Recover takes out of dead hands: leases of processes that are no more, and leases that
	// ran out, of another process that lives only when that is a while ago, since clocks differ;
	// and leases that this process was given by a transaction whose end nobody knows. It gives
	// how many rows it moved.
	Recover(ctx context.Context, boot string, now time.Time) (int, error)
	// Report stores what a system tells, once for each of its IDs, and moves the
	// cases on. Reports about what is not known yet are kept and matched later. The
	// cursor is stored with them. It gives what became of each report, in their order.
	Report(ctx context.Context, s SystemID, rs []Report, next Cursor, now time.Time) ([]Hearing, error)
	// Cursor gives where a system's Tracker is to go on from.
	Cursor(ctx context.Context, s SystemID) (Cursor, error)
	// Translate gives the reports whose word had no Step, and has one now, the Step that
	// the table gives it, and moves their cases on.
	Translate(ctx context.Context, s SystemID, words map[string]Step, now time.Time) ([]Effects, error)
	// Untranslated gives the words that systems have used and no table translates, the
	// latest first.
	Untranslated(ctx context.Context, v Viewer) ([]Word, error)

	// Undecided gives the documents that a system has taken and whose citizen has not read
	// Beslutat or an end of her case, in an order of their own, after one; at most n.
	Undecided(ctx context.Context, s SystemID, after Key, n int) ([]Claim, error)

	// Residents gives those of some persons whom a register that files feed tells of; or,
	// coming, whom it will tell of once all that has been kept is shown.
	Residents(ctx context.Context, s SystemID, ids []PersonID, coming bool) ([]Person, error)
	// Bookmark gives how far a register's files have been read; zero for one that is empty.
	Bookmark(ctx context.Context, s SystemID) (Bookmark, error)
	// KeepResidents stores what a part of a file says, sealed for a municipality, together
	// with how far that is: who is told of, and who is in the register no more. What a file
	// says is seen by nobody until the bookmark says that it is shown; what is not, and what
	// has been replaced, is forgotten. It gives ErrConflict when at does not follow where the
	// register is.
	KeepResidents(ctx context.Context, s SystemID, m Municipality, at Bookmark, told []Person, gone []PersonID) error

	// Fetched seals the bytes of a referred file, beside the submission.
	Fetched(ctx context.Context, id ID, attachment int, fill func(io.Writer) error) (Blob, error)
	// Open gives a file's bytes, verified against their hash as they are read.
	Open(ctx context.Context, v Viewer, id ID, b Blob) (io.ReadCloser, error)

	// Follow says who may follow a case beside who sent its forms in, in the place of who
	// could before. It gives ErrNotFound for a case that is not there.
	Follow(ctx context.Context, c CaseID, f Following, now time.Time) error
	// Overdue gives the cases that a citizen follows through a register that has to be
	// asked again before she sees them.
	Overdue(ctx context.Context, v Viewer, now time.Time) ([]CaseID, error)
	// KeepSession stores a citizen's login, or that it is still in use: Seen is after Begun
	// then, and one that has been ended since is ErrNotFound.
	KeepSession(ctx context.Context, s Session) error
	// Session gives a login by its ID, or ErrNotFound.
	Session(ctx context.Context, id [32]byte) (Session, error)
	// EndSession forgets a login, and all that were last in use before a time.
	EndSession(ctx context.Context, id [32]byte, before time.Time) error

	// SaveNotice stores a service notice, or what it has become, and gives it its ID.
	SaveNotice(ctx context.Context, n Notice) (Notice, error)
	// Notices gives the service notices that have not ended, of all municipalities.
	Notices(ctx context.Context, now time.Time) ([]Notice, error)
	// Pause stores that a system is paused. It gives ErrConflict when it is already.
	Pause(ctx context.Context, p Pause) error
	// Resume stores that a system is no longer paused, by whom and why. It gives ErrConflict
	// when it is not paused.
	Resume(ctx context.Context, s SystemID, by, reason string, now time.Time) error
	// Pauses gives the systems that are paused.
	Pauses(ctx context.Context) ([]Pause, error)
	// SaveTally stores what a platform says that it has sent, in the place of what it said
	// of the same day before.
	SaveTally(ctx context.Context, t Tally) error
	// Tallies gives what platforms have said of the days from a day to another, both
	// included.
	Tallies(ctx context.Context, v Viewer, from, to Date) ([]Tally, error)
	// Has tells which of a platform's own references are forms that have been received.
	Has(ctx context.Context, v Viewer, source SystemID, m Municipality, ids []string) (map[string]ID, error)

	// SaveBundle stores a configuration under its revision and makes it active.
	SaveBundle(ctx context.Context, revision string, archive []byte, now time.Time) error
	// Bundle gives a stored configuration; "" names the active one.
	Bundle(ctx context.Context, revision string) (archive []byte, err error)

	// Submission gives a submission's content.
	Submission(ctx context.Context, v Viewer, id ID) (Submission, error)
	// Facts gives what is stored beside it.
	Facts(ctx context.Context, v Viewer, id ID) (Facts, error)
	// Case gives how a case stands.
	Case(ctx context.Context, v Viewer, id CaseID) (Case, error)
	// CaseOf gives how the case of a submission stands.
	CaseOf(ctx context.Context, v Viewer, id ID) (Case, error)
	// Statuses gives the lines of the feed after seq, in its order: of one case, or
	// of all that the Viewer may see when c is "".
	Statuses(ctx context.Context, v Viewer, c CaseID, after uint64, limit int) ([]Status, error)
	// Tail gives the lines of the feed after seq, in its order, with who follows each case:
	// what the hub itself reads once, for all who follow.
	Tail(ctx context.Context, after uint64, limit int) ([]Told, error)
	// FeedEnd gives the number of the feed's last line, 0 when it is empty.
	FeedEnd(ctx context.Context) (uint64, error)
	// Marks gives what a citizen is known by in Tail.
	Marks(v Viewer) []Mark
	// Named gives the cases that a reference is the name of: our own ID of the case or of a
	// form in it, a number that a system gave, or the platform's own reference.
	Named(ctx context.Context, v Viewer, reference string) ([]CaseID, error)
	// Handling gives how long an e-service's cases have taken from when they came in, for
	// each Step that they came to after a time.
	Handling(ctx context.Context, m Municipality, service string, after time.Time) (map[Step]Spread, error)
	// List gives submissions with their deliveries, newest last, after a cursor.
	List(ctx context.Context, v Viewer, f Filter) ([]Line, error)
	// CountTold gives how much a Retelling is about, of the cases that v may see: what a
	// Teller was told of them in the period, and what it was told of the same ones since.
	CountTold(ctx context.Context, v Viewer, r Retelling) (Extent, error)
	// CasesTold gives some of those cases, at most n.
	CasesTold(ctx context.Context, v Viewer, r Retelling, n int) ([]CaseID, error)
	// Attempts gives a delivery's attempts, oldest first.
	Attempts(ctx context.Context, v Viewer, k Key) ([]Attempt, error)
	// Acts gives the lines of the audit log about a case, in their order.
	Acts(ctx context.Context, v Viewer, c CaseID) ([]Act, error)
	// WorkList gives what rests with people and what waits for others, gathered by
	// cause, the longest first.
	WorkList(ctx context.Context, v Viewer) ([]Heap, error)
	// Counts gives the numbers that the metrics are made of.
	Counts(ctx context.Context, now time.Time) (Counts, error)
	// Durability names how accepted forms are kept: "sqlite-full", "pg-local", "pg-sync" where
	// a second server has them too; or "degraded" when 202 is not to be given, and Unreachable.
	Durability(ctx context.Context) string
	Close() error
}

// ErrKeyReused says that an idempotency key, or a source's own reference, has been
// used before for other content.
var ErrKeyReused = errors.New("used before for other content")

// ErrStorage says that there is no room for more.
var ErrStorage = errors.New("no room for more")

// ErrUnreachable says that the Store cannot be asked at present. Whether what was to be
// written has been written nobody knows.
var ErrUnreachable = errors.New("the store cannot be reached")

// Unreachable is the Durability of a Store that cannot be asked at present.
const Unreachable = "unreachable"

// ErrTooLarge says that a file is larger than a file may be.
var ErrTooLarge = errors.New("larger than a file may be")

// An Intake holds the files of a form that is on its way in. What was not received
// when it is closed is gone.
type Intake interface {
	Blobs
	Close() error
}

// An Arrival is a form that is to be received.
type Arrival struct {
	Submission  Submission // without ID, Case, Received, Inkommen
	Own         bool       // the platform's word on when it was submitted counts
	Client      string     // who posted it
	Key         string     // the client's idempotency key, "" for none
	Fingerprint [32]byte   // of the content
	Intake      Intake     // where its files went
	Now         time.Time  // our durable accept
	Voice       SystemID
	Tellers     []SystemID
	Followers   []PersonID                                  // whose case it is in Mina ärenden from now on
	Expect      func(inkommen time.Time) map[Step]time.Time // nil for none
	Lease       Lease                                       // of the process that goes on with it at once
	Waits       bool                                        // for registers or files: see Arrived
}

// Received is what became of an Arrival.
type Received struct {
	Submission Submission
	Case       Case
	Replayed   bool
	Effects    Effects
}

// A Claim is a row that was taken in hand: the case as it then stood, and the key
// of the row.
type Claim struct {
	Case Case
	Key  Key
}

// A Hearing is what became of a Report.
type Hearing struct {
	Case    Case // as it stands now; zero when the report is kept until it fits one
	Again   bool // it had been heard before
	Foreign bool // it names another system's delivery by our Key, and is not kept
	Effects Effects
}

// Facts are what is found out about a submission after it was received.
type Facts struct {
	Answers   []RegisterAnswer
	Fetched   map[int]Blob // by the attachment's place
	Following *Following   // who else may follow the case; nil leaves it as it is
}

// A Following says who may follow a case beside who sent its forms in: whom the forms and
// the registers name. It holds for a day: then the registers must be asked again, or they
// see nothing.
type Following struct{ Persons []PersonID }

// FollowingLasts is how long a register's word on who may follow a case holds.
const FollowingLasts = 24 * time.Hour

// A Mark stands for a person who follows a case, and tells nothing about her.
type Mark string

// A Told line is a Status with the marks of who follows its case.
type Told struct {
	Status
	Followers []Mark
}

// A Spread is how long something has taken, for half of the cases and for nine of ten.
type Spread struct {
	N      int
	Median time.Duration
	Ninety time.Duration
}

// A Session is a citizen's login. Who she is can be opened only with the secret that her
// browser holds.
type Session struct {
	ID     [32]byte // the hash of that secret
	Sealed []byte
	Begun  time.Time
	Seen   time.Time // when it was last in use, to the minute
}

// A Notice tells citizens of something that concerns the pages, such as a planned stop.
type Notice struct {
	ID           string
	Municipality Municipality // "" for all
	Swedish      string
	English      string // "" where there is none
	From, Until  time.Time
	By           string // who wrote it
}

// A Tally is what a platform says that citizens sent in of one e-service on one day. That
// of a platform which several share and which cannot say whose they are has no Municipality.
type Tally struct {
	Municipality Municipality
	Source       SystemID
	Service      string
	Day          Date     // in Swedish time
	Sent         int      // forms that were sent in for the first time, and not what completes them later
	IDs          []string // the platform's own references of them, where it names them; sealed
	By           string   // the client that said so; "" for what the hub asked the platform for
	At           time.Time
}

// A Word is one of a system's own words that no table translates.
type Word struct {
	System      SystemID
	Text        string // may say anything: the Store seals it
	Cases       int    // of which it was used the last thousand times
	First, Last time.Time
}

// An Attempt is one try to deliver, or to ask.
type Attempt struct {
	N       int
	Boot    string
	Started time.Time
	Ended   time.Time // zero: it never came to an end
	Answer  Answer    // "" while it has none
	Note    string
}

// A Filter chooses what List gives.
type Filter struct {
	State  State     // of the submission or of any of its deliveries; "" for all
	Reason Reason    // "" for all
	From   time.Time // give what came in (Inkommen) then or later; zero for all
	Until  time.Time // and before then; zero for all
	After  ID        // give what arrived after this one
	Limit  int       // at most; 0 means 100
}

// A Line is a submission in a list.
type Line struct {
	Case       Case
	Submission Progress
	Received   time.Time
	Inkommen   time.Time
	Deliveries []Progress // the submission's own
}

// A Heap is what rests, or waits, for one cause at one municipality.
type Heap struct {
	Municipality Municipality
	State        State  // HELD; ENRICH_WAIT; or "" for deliveries that wait for their system
	Reason       Reason // of what is held
	Kind         Kind
	System       SystemID // of deliveries
	Leg          string   // of what is held
	Service      string   // of what is held
	Note         string   // that all of it has
	Doubt        bool     // of deliveries that are held: an earlier attempt may have been taken
	Count        int
	Cases        int
	Since        time.Time // of the first
	Proposed     int       // of them, that wait for a second person
	Keys         []Key     // of what is held: the oldest, at most HeapKeys
}

// HeapKeys is how many of a heap's keys are named.
const HeapKeys = 20

// Counts are read from the rows, so that they are right after any restart.
type Counts struct {
	Accepted    map[Municipality]int64
	States      map[State]int64            // of submissions
	Held        map[Reason]int64           // submissions and deliveries that rest with a person
	Waiting     map[SystemID]int64         // deliveries that are due or will be
	OldestReady map[SystemID]time.Duration // how long the oldest one has been ready
	DiskFree    int64                      // bytes; -1 where the Store's disk is another machine's
	Unnumbered  int64                      // feed rows that no reader sees yet
	Orphans     int64                      // reports of systems that have fitted no delivery for a day
	Words       map[SystemID]int64         // that a system has used and no table translates
}

// A Viewer says who is asking. There is no default.
type Viewer struct {
	kind           viewerKind
	municipalities []Municipality
	services       []string
	persons        []PersonID
	actor          string
}

type viewerKind uint8

const (
	nobody viewerKind = iota
	theHub
	aHandler
	aClient
	aCitizen
)

// AsHub views as the hub itself, which must read everything to do its work.
func AsHub() Viewer { return Viewer{kind: theHub, actor: "hub"} }

// AsHandler views as a person of some municipalities, who sees those ones' cases.
func AsHandler(actor string, ms ...Municipality) Viewer {
	return Viewer{kind: aHandler, municipalities: ms, actor: actor}
}

// AsClient views as a platform or a system that calls, which sees what its
// credential names: municipalities, and services ("*" for all).
func AsClient(name string, ms []Municipality, services []string) Viewer {
	return Viewer{kind: aClient, municipalities: ms, services: services, actor: name}
}

// AsCitizen views as a person, who sees all of her own cases in every municipality, also
// those that came in under a number that she had before.
func AsCitizen(p PersonID, before ...PersonID) Viewer {
	return Viewer{kind: aCitizen, persons: append([]PersonID{p}, before...), actor: "citizen"}
}

// Actor names who is asking, for the audit log.
func (v Viewer) Actor() string { return v.actor }

// Citizen gives the numbers that a citizen has or has had; ok is false for any other
// Viewer.
func (v Viewer) Citizen() (ps []PersonID, ok bool) { return v.persons, v.kind == aCitizen }

// Sees reports whether v may see a case of a municipality and service, when v is
// not a citizen: whose cases are hers only the Store can tell.
func (v Viewer) Sees(m Municipality, service string) bool {
	if v.kind == theHub {
		return true
	}
	if v.kind != aHandler && v.kind != aClient || !among(m, v.municipalities) {
		return false
	}
	return v.kind == aHandler || among("*", v.services) || among(service, v.services)
}

// Municipalities gives those that v is confined to; all is true for the hub.
func (v Viewer) Municipalities() (ms []Municipality, all bool) {
	return v.municipalities, v.kind == theHub
}

func among[T comparable](x T, xs []T) bool {
	for _, y := range xs {
		if x == y {
			return true
		}
	}
	return false
}
