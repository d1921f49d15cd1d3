package edlevosim

import (
	"fmt"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/hub/document"
)

// An Entry is one thing that the Sim took, or that happened to an application. A child stands in it as a hash;
// but what was saved stands in it as it came, since it is shown again. A Sim is for test persons.
type Entry struct {
	Kind     Kind      `json:"kind"`
	At       time.Time `json:"at"`
	Of       string    `json:"of,omitempty"`       // the element that was saved: applicationnextyear …
	Child    string    `json:"child,omitempty"`    // a hash
	ID       string    `json:"id,omitempty"`       // of the application, in braces
	Document string    `json:"document,omitempty"` // the element as XML
	Replaced bool      `json:"replaced,omitempty"` // it took the place of another
	Word     string    `json:"word,omitempty"`     // what an application came to, or was answered
	Visible  time.Time `json:"visible,omitzero"`   // when it can be seen
}

// A Kind tells what an Entry is about.
type Kind string

const (
	SavedEntry    Kind = "saved"
	AnsweredEntry Kind = "answered"
	MovedEntry    Kind = "moved"
)

// Ledger gives all that has been taken and done, in order.
func (s *Sim) Ledger() []Entry { return s.ledger.Entries() }

// A Count is how often what belongs to one child has been saved.
type Count struct {
	Saved    int // applications, and words that none is made
	Replaced int // those of them that took the place of another
	Answered int
}

// Count counts what has been saved about a child, by her number; about all children, by "".
func (s *Sim) Count(child string) (n Count) {
	for _, e := range s.Ledger() {
		if child != "" && e.Child != hash(child) {
			continue
		}
		switch e.Kind {
		case SavedEntry:
			n.Saved++
			if e.Replaced {
				n.Replaced++
			}
		case AnsweredEntry:
			n.Answered++
		}
	}
	return n
}

// record makes an entry durable and then true.
func (s *Sim) record(e Entry) error {
	if err := s.ledger.Append(e); err != nil {
		return err
	}
	return s.apply(e)
}

// apply makes an entry true. All that the Sim knows comes about here.
func (s *Sim) apply(e Entry) error {
	switch e.Kind {
	case MovedEntry:
		a := s.byID[e.ID]
		a.word, a.moved = e.Word, e.At
	case AnsweredEntry:
		s.byID[e.ID].consent = e.Word
	case SavedEntry:
		text, err := document.ReadXML(strings.NewReader(e.Document), document.Limits{})
		if err != nil {
			return fmt.Errorf("read the ledger: %w", err)
		}
		c := s.childOf(e.Child)
		if e.Of == "applicationnotapplying" {
			c.unmade = text
			return nil
		}
		c.applications[e.Of] = &anApplication{Entry: e, text: text}
		s.byID[e.ID] = c.applications[e.Of]
	}
	return nil
}
