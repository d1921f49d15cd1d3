package oepsim

import (
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// An Entry is one line of the ledger. It says which forms there are and what became
// of them, and nothing that a citizen wrote.
type Entry struct {
	At       time.Time `json:"at"`
	What     What      `json:"what"`
	Instance int       `json:"instance"`
	Version  string    `json:"version,omitempty"` // of what was sent in or posted: its LastSubmitted

	// Of a form that was sent in: what it is filled from.
	Kind      Kind      `json:"kind,omitempty"`
	Seed      int       `json:"seed,omitempty"`
	Submitted time.Time `json:"submitted,omitzero"`
	Completed time.Time `json:"completed,omitzero"`
	SHA256    string    `json:"sha256,omitempty"`

	Status  int    `json:"status,omitempty"`  // the HTTP status that a post came to
	Receipt string `json:"receipt,omitempty"` // the hub's ID for what was posted

	Word   string `json:"word,omitempty"`   // the status that was set, or the line that was added
	Event  int    `json:"event,omitempty"`  // what was answered; 0 for a repeat
	Number string `json:"number,omitempty"` // the diarienummer that was confirmed
	System string `json:"system,omitempty"` // and whose it is
}

// What tells the entries apart.
type What string

const (
	SentIn     What = "sent-in"   // a citizen sent a form in
	Posted     What = "posted"    // the hub answered for it, with 2xx or with a refusal
	StatusSet  What = "status"    // a status was set
	Repeated   What = "repeated"  // a status that was set already, or a delivery that was confirmed already
	Confirmed  What = "confirmed" // a delivery was confirmed
	EventAdded What = "event"     // a line was added that the citizen reads
)

func sentIn(f Form) Entry {
	sum := sha256.Sum256(f.Body)
	return Entry{
		What: SentIn, Instance: f.Instance, Version: f.Version, Kind: f.Kind, Seed: f.Seed,
		Submitted: f.Submitted, Completed: f.Completed, SHA256: hex.EncodeToString(sum[:]),
	}
}

// form fills the form in again, as it was.
func (e Entry) form() Form {
	f := Fill(e.Kind, e.Seed, e.Submitted)
	if !e.Completed.IsZero() {
		f = f.Complete(e.Completed)
	}
	return f
}
