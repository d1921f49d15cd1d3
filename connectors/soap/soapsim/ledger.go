package soapsim

import (
	"errors"
	"fmt"
	"time"
)

// An Entry is one thing that the Sim took, or that happened to one of its cases. Whom a case is about does
// not stand in it.
type Entry struct {
	Kind    Kind      `json:"kind"`
	At      time.Time `json:"at"`
	ID      string    `json:"id"`
	Key     string    `json:"key,omitempty"`    // of the case that it is, or belongs to
	Number  string    `json:"number,omitempty"` // of a case
	Case    string    `json:"case,omitempty"`   // of a file or a word: the id of its case
	N       string    `json:"n,omitempty"`      // of a file: its number, as it was said
	Name    string    `json:"name,omitempty"`   // of a file
	Size    int64     `json:"size,omitempty"`   // of a file
	SHA256  string    `json:"sha256,omitempty"` // of a document or a file, hexadecimal
	Word    string    `json:"word,omitempty"`   // what a case has come to
	Visible time.Time `json:"visible,omitzero"` // when a case can be found
}

// A Kind tells what an Entry is about.
type Kind string

const (
	CaseEntry Kind = "case"
	FileEntry Kind = "file"
	WordEntry Kind = "word"
)

// Ledger gives all that has been taken and has happened, in order.
func (s *Sim) Ledger() []Entry { return s.ledger.Entries() }

// A Count is how often what belongs to one key has been taken.
type Count struct {
	Cases int
	Files map[string]int // by SHA-256
}

// Count counts what has been taken under a key.
func (s *Sim) Count(key string) Count {
	count := Count{Files: map[string]int{}}
	for _, e := range s.Ledger() {
		switch {
		case e.Key != key:
		case e.Kind == CaseEntry:
			count.Cases++
		case e.Kind == FileEntry:
			count.Files[e.SHA256]++
		}
	}
	return count
}

// Move has a case come to a word at a time, as when a person works on it.
func (s *Sim) Move(number, word string, at time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.cases {
		if c.Number == number {
			return s.record(Entry{
				Kind: WordEntry, At: at, ID: fmt.Sprintf("h%d", len(s.news)+1), Case: c.ID, Key: c.Key, Word: word,
			})
		}
	}
	return errors.New("no case has that number")
}

// record makes an entry durable and then true.
func (s *Sim) record(e Entry) error {
	if err := s.ledger.Append(e); err != nil {
		return err
	}
	s.apply(e)
	return nil
}

// apply makes an entry true. All that the Sim knows comes about here.
func (s *Sim) apply(e Entry) {
	switch e.Kind {
	case CaseEntry:
		c := &aCase{Entry: e}
		s.cases = append(s.cases, c)
		s.byID[e.ID] = c
		s.byKey[e.Key] = append(s.byKey[e.Key], c)
	case FileEntry:
		c := s.byID[e.Case]
		c.files = append(c.files, e)
	case WordEntry:
		c := s.byID[e.Case]
		c.news = append(c.news, e)
		s.news = append(s.news, e)
	}
}
