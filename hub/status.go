package hub

import "time"

// A Step is how far a case has come, in the words that the citizen reads.
type Step string

const (
	Inkommet           Step = "inkommet"
	Registrerat        Step = "registrerat"
	UnderHandlaggning  Step = "under-handlaggning"
	KompletteringBehov Step = "komplettering"
	Beslutat           Step = "beslutat"
	Avslutat           Step = "avslutat"
	Atertaget          Step = "atertaget" // ends a case: withdrawn
	Avvisat            Step = "avvisat"   // ends a case: not processed
)

// Steps is the closed list, in order.
var Steps = []Step{
	Inkommet, Registrerat, UnderHandlaggning, KompletteringBehov, Beslutat, Avslutat, Atertaget, Avvisat,
}

var ranks = map[Step]int{
	Inkommet: 10, Registrerat: 20, UnderHandlaggning: 30, KompletteringBehov: 35,
	Beslutat: 40, Avslutat: 50, Atertaget: 90, Avvisat: 90,
}

// Rank orders the Steps; 0 for what is no Step.
func (s Step) Rank() int { return ranks[s] }

var swedish = map[Step]string{
	Inkommet: "Inkommet", Registrerat: "Registrerat", UnderHandlaggning: "Under handläggning",
	KompletteringBehov: "Komplettering behövs", Beslutat: "Beslutat", Avslutat: "Avslutat",
	Atertaget: "Återtaget", Avvisat: "Avvisat",
}

// Swedish is what people read for a Step; "" for what is no Step.
func (s Step) Swedish() string { return swedish[s] }

// Ball tells who is to act next.
type Ball string

const (
	Applicant Ball = "applicant"
	Council   Ball = "municipality"
	Other     Ball = "other"
	Nobody    Ball = ""
)

// BallAt tells who has the ball at a Step.
func BallAt(s Step) Ball {
	switch s {
	case KompletteringBehov:
		return Applicant
	case Inkommet, Registrerat, UnderHandlaggning:
		return Council
	}
	return Nobody
}

// A Status is one line in Mina ärenden, about a Case. It holds no text from any
// system.
type Status struct {
	Seq        uint64 // its place in the feed, without gaps; given by the Store
	Case       CaseID
	Submission ID // the submission that it came of
	Step       Step
	At         time.Time // when it became so
	Expect     time.Time // when the next Step is expected; zero for unknown
	Ref        string    // the diarienummer, as soon as there is one
	Ball       Ball
	Owner      Municipality
}

// A Report is what a business system says about a case, in its own words. A
// table in systems.yaml makes them Steps.
type Report struct {
	System     SystemID
	ID         string    // unique within the system: the same twice is heard once
	Ref        string    // what the system called the case in its Receipt, or
	Key        Key       // our own Key for it
	Word       string    // the system's own word
	Step       Step      // what the word means; "" keeps the Step
	At         time.Time // the system's time
	Correction bool      // allows a step backwards
}

// Moves reports whether a case at the Step now moves on to next. Only 30 and 35
// follow each other both ways; a correction may go anywhere.
func (now Step) Moves(next Step, correction bool) bool {
	switch {
	case next.Rank() == 0, next == now:
		return false
	case correction:
		return true
	case now == KompletteringBehov && next == UnderHandlaggning:
		return true
	}
	return next.Rank() > now.Rank()
}
