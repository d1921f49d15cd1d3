package sifsim

import (
	"container/heap"
	"time"
)

// An Entry is one thing that the Sim took or did. Whoever is registered stands in it only as a hash.
type Entry struct {
	Kind    Kind      `json:"kind"`
	At      time.Time `json:"at"`
	Recno   int       `json:"recno"`
	Number  string    `json:"number,omitempty"` // of the case or the document
	Case    string    `json:"case,omitempty"`   // of a document: its case
	Key     string    `json:"key,omitempty"`    // ExternalId.Id of a case, the Note of a document's files
	Type    string    `json:"type,omitempty"`   // ExternalId.Type of a case
	Title   string    `json:"title,omitempty"`
	Word    string    `json:"word,omitempty"`    // the Status of a case
	Aside   bool      `json:"aside,omitempty"`   // the Status is none of the steps
	Hash    string    `json:"hash,omitempty"`    // of what a contact is known by
	Visible time.Time `json:"visible,omitzero"`  // when a case can be found
	Access  string    `json:"access,omitempty"`  // AccessCode and Paragraph, as they were given
	Files   []File    `json:"files,omitempty"`   // of a document, made or added
	Parties int       `json:"parties,omitempty"` // how many contacts a case or document has
}

// A Kind tells what an Entry is about.
type Kind string

const (
	ContactEntry  Kind = "contact"
	CaseEntry     Kind = "case"
	DocumentEntry Kind = "document"
	FilesEntry    Kind = "files" // added to a document
	StatusEntry   Kind = "status"
)

// A File is one file of a document. Its bytes are not kept.
type File struct {
	Recno  int    `json:"recno"`
	Title  string `json:"title"`
	Format string `json:"format"`
	Note   string `json:"note"`
	SHA256 string `json:"sha256"` // hexadecimal
	Size   int64  `json:"size"`
}

// Ledger gives all that has been taken and done, in order.
func (s *Sim) Ledger() []Entry { return s.ledger.Entries() }

// A Count is how often what belongs to one key has been made.
type Count struct {
	Cases     int
	Documents int
	Files     map[string]int // by SHA-256
}

// Count counts what has been made under a key.
func (s *Sim) Count(key string) Count {
	count := Count{Files: map[string]int{}}
	for _, e := range s.Ledger() {
		switch {
		case e.Kind == CaseEntry && e.Key == key:
			count.Cases++
		case e.Kind == DocumentEntry && e.Key == key:
			count.Documents++
		}
		for _, f := range e.Files {
			if f.Note == key {
				count.Files[f.SHA256]++
			}
		}
	}
	return count
}

// record makes entries durable and then true.
func (s *Sim) record(entries ...Entry) error {
	if err := s.ledger.Append(entries...); err != nil {
		return err
	}
	for _, e := range entries {
		s.apply(e)
	}
	return nil
}

// apply makes an entry true. All that the Sim knows comes about here.
func (s *Sim) apply(e Entry) {
	s.recno = max(s.recno, e.Recno)
	for _, f := range e.Files {
		s.recno = max(s.recno, f.Recno)
	}
	switch e.Kind {
	case ContactEntry:
		s.contacts[e.Hash], s.known[e.Recno] = e.Recno, true
	case CaseEntry:
		c := &aCase{Entry: e, word: e.Word, changed: e.At}
		s.cases = append(s.cases, c)
		s.byNumber[e.Number] = c
		s.byKey[e.Key] = append(s.byKey[e.Key], c)
		s.expect(c)
	case DocumentEntry:
		d := &aDocument{Entry: e, files: e.Files}
		s.documents[e.Number] = d
		c := s.byNumber[e.Case]
		c.documents, c.changed = append(c.documents, d), e.At
	case FilesEntry:
		d := s.documents[e.Number]
		d.files = append(d.files, e.Files...)
		s.byNumber[d.Case].changed = e.At
	case StatusEntry:
		c := s.byNumber[e.Number]
		c.word, c.changed = e.Word, e.At
		s.changes = append(s.changes, e)
		if !e.Aside {
			c.step++
			s.expect(c)
		}
	}
}

// expect puts the next step of a case on the agenda.
func (s *Sim) expect(c *aCase) {
	if c.step < len(s.Pace) && c.step < len(Words) {
		heap.Push(&s.due, due{c.At.Add(s.Pace[c.step]), c, c.step})
	}
}
