package hub

import (
	"cmp"
	"slices"
	"time"
)

// A Balance holds against each other, for one e-service on one day, what citizens sent in
// according to the platform, what was received, and what each system has taken. Every form
// that is not everywhere it should be is a Gap, with a name and an Owner. It adds up:
//
//	Sent     = Begun − surplus − earlier-day + other-day + not-received
//	Received = forms with deliveries + the gaps of forms without
//	Forms    = Accepted + the gaps, of each leg
//
// What is left over is Unexplained, and must be 0.
type Balance struct {
	Municipality Municipality `json:"municipality,omitempty"` // "" for what a platform that several share has sent, and nobody has received
	Source       SystemID     `json:"source"`
	Service      string       `json:"service"`
	Day          Date         `json:"day"`      // in Swedish time; a form is of the day on which it came in (Inkommen)
	Told         bool         `json:"told"`     // the platform has said what it sent
	Sent         int          `json:"sent"`     // forms that were sent in for the first time that day, where it has
	Begun        int          `json:"begun"`    // forms that were received and are the first of their case
	Received     int          `json:"received"` // those, and what came to cases that were there already
	Planned      int          `json:"planned"`  // of the received, those that deliveries were made of
	Legs         []LegBalance `json:"legs"`
	Gaps         []Gap        `json:"gaps"`
	Unexplained  int          `json:"unexplained"`
}

// A LegBalance is what became of the forms that were to go to one system.
type LegBalance struct {
	Leg       string   `json:"leg"`
	System    SystemID `json:"system"`
	Forms     int      `json:"forms"`     // that were to go there
	Accepted  int      `json:"accepted"`  // that it has given its receipt for
	Confirmed int      `json:"confirmed"` // of them, those that it has said something about since
	Tells     bool     `json:"tells"`     // its words are in systems.yaml, so that it can be expected to
}

// A Gap is one form, or one delivery of it, that is not where it should be; or that is
// settled in another way than by a receipt.
type Gap struct {
	Kind   GapKind   `json:"kind"`
	Count  int       `json:"count"`         // 1, but for what the platform gave a number of and no references
	Ref    string    `json:"ref,omitempty"` // the platform's own reference, of what has not been received
	Case   CaseID    `json:"case,omitempty"`
	Key    Key       `json:"key,omitempty"` // of the form or the delivery
	Leg    string    `json:"leg,omitempty"`
	System SystemID  `json:"system,omitempty"`
	Reason Reason    `json:"reason,omitempty"` // of what is held
	Number string    `json:"number,omitempty"` // under which it was registered by hand
	Since  time.Time `json:"since,omitzero"`
	Owner  Owner     `json:"owner"`
}

// A GapKind says what a Gap is. The list is closed.
type GapKind string

const (
	NotReceived   GapKind = "not-received"   // sent, and not here
	Surplus       GapKind = "surplus"        // here, and not sent that day according to the platform
	OtherDay      GapKind = "other-day"      // sent that day, and here since another
	EarlierDay    GapKind = "earlier-day"    // here since that day, and sent on one before
	OnItsWay      GapKind = "on-its-way"     // received, and not planned yet
	WaitsFor      GapKind = "waiting"        // planned, and its system does not have it yet
	Resting       GapKind = "held"           // rests with a person
	Doubled       GapKind = "doubled"        // made anew, and both may be there
	Unconfirmed   GapKind = "unconfirmed"    // has a receipt, and the system has said nothing of it since
	ByHand        GapKind = "by-hand"        // registered by hand, under a number
	WithoutNumber GapKind = "without-number" // seen to by hand, and no number was given
	TakenBack     GapKind = "withdrawn"
	TurnedAway    GapKind = "rejected"
	Forgotten     GapKind = "purged"
)

// GapKinds is the closed list, those that somebody has to do something about first.
var GapKinds = []GapKind{
	NotReceived, Resting, Doubled, Surplus, WaitsFor, OnItsWay,
	Unconfirmed, OtherDay, EarlierDay, ByHand, WithoutNumber, TakenBack, TurnedAway, Forgotten,
}

// IsOpen reports whether somebody has to do something about such a gap, or to wait.
func (k GapKind) IsOpen() bool {
	switch k {
	case NotReceived, Resting, Doubled, Surplus, WaitsFor, OnItsWay:
		return true
	}
	return false
}

// ofLeg reports whether such a gap stands in the place of a receipt.
func (k GapKind) ofLeg() bool {
	switch k {
	case WaitsFor, Resting, ByHand, WithoutNumber, Forgotten:
		return true
	}
	return false
}

// An Owner is who has to do something about a gap.
type Owner struct {
	Who  Who    `json:"who"`
	Name string `json:"name,omitempty"` // of a route: who answers for it, as it says; of a platform or a system: which
}

// Who tells owners apart. The list is closed.
type Who string

const (
	NobodyNow     Who = ""           // nothing needs to be done
	ThePlatform   Who = "platform"   // whoever looks after the platform
	TheOperations Who = "operations" // whoever runs the hub
	TheRoute      Who = "route"      // whoever answers for the route
	TheSystem     Who = "system"     // whoever looks after the system
)

// Closed reports whether everything is explained and nobody has to do anything.
func (b Balance) Closed() bool {
	return b.Unexplained == 0 && !slices.ContainsFunc(b.Gaps, func(g Gap) bool { return g.Kind.IsOpen() })
}

// Count gives how many forms are in the gaps of a kind.
func (b Balance) Count(k GapKind) (n int) {
	for _, g := range b.Gaps {
		if g.Kind == k {
			n += g.Count
		}
	}
	return n
}

// A Said is a Tally, with where each of its references was found.
type Said struct {
	Tally
	Found map[string]Place
}

// A Place is where a platform's reference was found: the case that it is of.
type Place struct {
	Municipality Municipality
	Case         CaseID
}

// Reckon makes the balances of a day, of the forms that came in on it and of what the
// platforms have said, of that day and of days before. Systems that tell are expected to
// confirm what they have taken. It is pure.
func Reckon(day Date, lines []Line, said []Said, b *Bundle, tells func(SystemID) bool) []Balance {
	r := &reckoning{day: day, bundle: b, tells: tells, sheets: map[sheetKey]*sheet{}}
	for _, l := range lines {
		r.sheet(l.Case.Municipality, l.Case.Source, l.Case.Service).form(l)
	}
	for _, t := range said {
		if t.Day == day {
			r.say(t)
		} else {
			r.sayBefore(t)
		}
	}
	var all []Balance
	for _, s := range r.sheets {
		s.compare()
		s.close()
		all = append(all, s.Balance)
	}
	slices.SortFunc(all, func(a, b Balance) int {
		return cmp.Or(cmp.Compare(a.Municipality, b.Municipality), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Service, b.Service))
	})
	return all
}

// A reckoning is one run of Reckon.
type reckoning struct {
	day    Date
	bundle *Bundle
	tells  func(SystemID) bool
	sheets map[sheetKey]*sheet
}

type sheetKey struct {
	municipality Municipality
	source       SystemID
	service      string
}

// A sheet is a Balance that is being made.
type sheet struct {
	Balance
	owner   Owner // of the route
	tells   func(SystemID) bool
	begun   map[CaseID]Key    // the cases that began that day
	sent    map[string]CaseID // what was sent according to the platform; "" for what is not here
	unnamed int               // how many more it says it sent
	before  map[CaseID]bool   // what it says that it sent on days before
}

func (r *reckoning) sheet(m Municipality, source SystemID, service string) *sheet {
	key := sheetKey{m, source, service}
	if r.sheets[key] == nil {
		s := &sheet{tells: r.tells, owner: Owner{Who: TheOperations}, begun: map[CaseID]Key{}, sent: map[string]CaseID{}, before: map[CaseID]bool{}}
		s.Municipality, s.Source, s.Service, s.Day = m, source, service, r.day
		s.Legs, s.Gaps = []LegBalance{}, []Gap{}
		if route := r.bundle.Route(m, source, service); route != nil && route.Owner != "" {
			s.owner = Owner{TheRoute, route.Owner}
		}
		r.sheets[key] = s
	}
	return r.sheets[key]
}

// — what the platform says —

// say notes what a platform says that it sent: what is here on the sheet of the
// municipality whose it is, the rest on that of whom the tally is for.
func (r *reckoning) say(t Said) {
	own := r.sheet(t.Municipality, t.Source, t.Service)
	own.Told = true
	own.unnamed += max(t.Sent-len(t.IDs), 0)
	for _, id := range t.IDs {
		of, found := t.Found[id]
		if !found {
			own.sent[id] = ""
			continue
		}
		s := r.sheet(of.Municipality, t.Source, t.Service)
		s.Told = true
		s.sent[id] = of.Case
	}
	if t.Municipality == "" {
		r.sayForAll(t)
	}
}

// sayForAll notes that a platform which several share has said what it sent for each of
// them, also where that was nothing.
func (r *reckoning) sayForAll(t Said) {
	for key, s := range r.sheets {
		s.Told = s.Told || key.source == t.Source && key.service == t.Service
	}
	nobody := sheetKey{"", t.Source, t.Service}
	if s := r.sheets[nobody]; len(s.sent) == 0 && s.unnamed == 0 {
		delete(r.sheets, nobody) // every form of it is somebody's
	}
}

// sayBefore notes what a platform says that it sent on a day before, where the day that
// is reckoned has something of it.
func (r *reckoning) sayBefore(t Said) {
	for _, of := range t.Found {
		if s := r.sheets[sheetKey{of.Municipality, t.Source, t.Service}]; s != nil {
			s.before[of.Case] = true
		}
	}
}

// compare finds what is on one side only. Of forms that the platform counts and does not
// name, any that nobody has named may be one.
func (s *sheet) compare() {
	if !s.Told {
		return
	}
	s.Sent = len(s.sent) + s.unnamed
	surplus := map[CaseID]Key{}
	for c, k := range s.begun {
		if s.before[c] {
			s.gap(Gap{Kind: EarlierDay, Case: c, Key: k})
		} else {
			surplus[c] = k
		}
	}
	for ref, of := range s.sent {
		_, today := s.begun[of]
		switch {
		case of == "":
			s.gap(Gap{Kind: NotReceived, Ref: ref, Owner: s.platform()})
		case !today:
			s.gap(Gap{Kind: OtherDay, Case: of, Key: Key(of)})
		}
		delete(surplus, of)
	}
	if n := s.unnamed - len(surplus); n > 0 {
		s.gap(Gap{Kind: NotReceived, Count: n, Owner: s.platform()})
	}
	switch n := len(surplus) - s.unnamed; {
	case n > 0 && s.unnamed > 0:
		s.gap(Gap{Kind: Surplus, Count: n, Owner: s.platform()})
	case n > 0:
		for c, k := range surplus {
			s.gap(Gap{Kind: Surplus, Case: c, Key: k, Owner: s.platform()})
		}
	}
}

func (s *sheet) platform() Owner { return Owner{ThePlatform, string(s.Source)} }

// — what became of what was received —

// form accounts for one form: by each of its deliveries, or as a whole where there are none.
func (s *sheet) form(l Line) {
	s.Received++
	p := l.Submission
	if Key(l.Case.ID) == p.Key {
		s.Begun++
		s.begun[l.Case.ID] = p.Key
	}
	legs, order := map[string][]Progress{}, []string{}
	for _, d := range l.Deliveries {
		if d.Kind == DocumentKind {
			if legs[d.Leg] == nil {
				order = append(order, d.Leg)
			}
			legs[d.Leg] = append(legs[d.Leg], d)
		}
	}
	if len(order) == 0 || p.State == Withdrawn {
		s.whole(l.Case, p)
		return
	}
	s.Planned++
	for _, leg := range order {
		s.leg(l.Case, p, legs[leg])
	}
}

// whole accounts for a form that no delivery was made of, or whose deliveries were all
// taken back.
func (s *sheet) whole(c Case, p Progress) {
	g := Gap{Case: c.ID, Key: p.Key, Since: p.Since}
	switch p.State {
	case Accepted, Enriching, EnrichWait:
		g.Kind, g.Owner = OnItsWay, Owner{Who: TheOperations}
	case Held:
		g.Kind, g.Reason, g.Owner = Resting, p.Reason, s.owner
	case Completed:
		g.Kind, g.Number = ByHand, c.Ref
		if c.Ref == "" {
			g.Kind = WithoutNumber
		}
	case Withdrawn:
		g.Kind = TakenBack
	case Rejected:
		g.Kind = TurnedAway
	case Purged:
		g.Kind = Forgotten
	default:
		return // it is on its way with nothing: Unexplained
	}
	s.gap(g)
}

// leg accounts for a form at one leg, by the delivery that decides: what was made anew
// stands in the place of what was there before, unless that came through in the end.
func (s *sheet) leg(c Case, form Progress, all []Progress) {
	d := all[deciding(all)]
	at := s.at(d)
	at.Forms++
	g := Gap{Case: c.ID, Key: d.Key, Leg: d.Leg, System: d.System, Since: d.Since}
	switch d.State {
	case Confirmed:
		at.Accepted++
		at.Confirmed++
	case Delivered:
		at.Accepted++
		if at.Tells {
			g.Kind, g.Owner = Unconfirmed, Owner{TheSystem, string(d.System)}
			s.gap(g)
		}
	case Waived:
		g.Kind = WithoutNumber
		if d.Receipt != nil {
			g.Kind, g.Number = ByHand, d.Receipt.Number
		}
		s.gap(g)
	case Held:
		g.Kind, g.Reason, g.Owner = Resting, d.Reason, s.owner
		s.gap(g)
	case Blocked:
		g.Kind, g.Owner = WaitsFor, s.ownerOfWhatStandsBefore(c, d)
		s.gap(g)
	case Ready, Sending, RetryWait, Unknown, Reconciling:
		g.Kind, g.Owner = WaitsFor, Owner{TheSystem, string(d.System)}
		s.gap(g)
	case Cancelled:
		if form.State == Purged {
			g.Kind = Forgotten
			s.gap(g)
		}
	}
	for _, other := range all {
		if other.Key != d.Key && (!other.Settled() || other.Receipt != nil) {
			s.gap(Gap{Kind: Doubled, Case: c.ID, Key: other.Key, Leg: other.Leg, System: other.System, Since: other.Since, Owner: s.owner})
		}
	}
}

// deciding gives the place of the delivery that says how a form stands at a leg.
func deciding(all []Progress) int {
	best := 0
	for i, d := range all {
		if weight(d.State) >= weight(all[best].State) {
			best = i
		}
	}
	return best
}

func weight(s State) int {
	switch s {
	case Confirmed:
		return 4
	case Delivered:
		return 3
	case Waived:
		return 2
	case Cancelled:
		return 0
	}
	return 1
}

// at gives the line of a delivery's leg.
func (s *sheet) at(d Progress) *LegBalance {
	i := slices.IndexFunc(s.Legs, func(l LegBalance) bool { return l.Leg == d.Leg && l.System == d.System })
	if i < 0 {
		i = len(s.Legs)
		s.Legs = append(s.Legs, LegBalance{Leg: d.Leg, System: d.System, Tells: s.tells(d.System)})
	}
	return &s.Legs[i]
}

// ownerOfWhatStandsBefore gives who has to see to what a delivery waits for: another of
// the case's deliveries, or an earlier form that is not planned yet.
func (s *sheet) ownerOfWhatStandsBefore(c Case, d Progress) Owner {
	var before *Progress
	for i := range c.Deliveries {
		other := &c.Deliveries[i]
		if other.Key == d.Key || other.Kind != DocumentKind || other.Settled() || other.State == Blocked {
			continue
		}
		if before == nil || other.Leg == d.After && other.Submission == d.Submission {
			before = other
		}
	}
	switch {
	case before != nil && before.State == Held:
		return s.owner
	case before != nil:
		return Owner{TheSystem, string(before.System)}
	}
	for _, form := range c.Submissions {
		if form.State == Held {
			return s.owner
		}
	}
	return Owner{Who: TheOperations}
}

func (s *sheet) gap(g Gap) {
	g.Count = max(g.Count, 1)
	s.Gaps = append(s.Gaps, g)
}

// — closing —

// close puts the gaps in order and sees what is not explained: it adds up both sides anew,
// from the sums and from the gaps, and trusts neither.
func (s *sheet) close() {
	rank := func(g Gap) int { return slices.Index(GapKinds, g.Kind) }
	slices.SortFunc(s.Gaps, func(a, b Gap) int {
		return cmp.Or(rank(a)-rank(b), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Ref, b.Ref))
	})
	slices.SortFunc(s.Legs, func(a, b LegBalance) int {
		return cmp.Or(cmp.Compare(a.Leg, b.Leg), cmp.Compare(a.System, b.System))
	})
	if s.Told {
		s.Unexplained += distance(s.Sent, s.Begun-s.Count(Surplus)-s.Count(EarlierDay)+s.Count(OtherDay)+s.Count(NotReceived))
	}
	s.Unexplained += distance(s.Received, s.Planned+s.gapsAt("", "", formGap))
	for _, l := range s.Legs {
		s.Unexplained += distance(l.Forms, l.Accepted+s.gapsAt(l.Leg, l.System, GapKind.ofLeg))
	}
}

// gapsAt counts the gaps of a leg, or, for "", of whole forms.
func (s *sheet) gapsAt(leg string, system SystemID, of func(GapKind) bool) (n int) {
	for _, g := range s.Gaps {
		if g.Leg == leg && g.System == system && of(g.Kind) {
			n += g.Count
		}
	}
	return n
}

// formGap reports whether such a gap, of no leg, stands in the place of deliveries.
func formGap(k GapKind) bool {
	switch k {
	case OnItsWay, Resting, ByHand, WithoutNumber, TakenBack, TurnedAway, Forgotten:
		return true
	}
	return false
}

func distance(a, b int) int { return max(a-b, b-a) }
