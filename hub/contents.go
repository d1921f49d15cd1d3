package hub

import (
	"encoding/json"
	"errors"
	"strings"
)

// What the Store seals of a submission is JSON made here, and here only: the types
// themselves refuse to be printed. Format numbers let a later version read what an
// earlier one wrote.
const contentsFormat = 1

// ErrContents says that stored content cannot be read.
var ErrContents = errors.New("stored content cannot be read")

type contents struct {
	Format      int
	Source      plainRef
	Parties     []plainParty      `json:",omitempty"`
	Answers     any               `json:",omitempty"`
	Attachments []plainAttachment `json:",omitempty"`
	Original    string            `json:",omitempty"` // media type
}

type (
	plainRef        Ref
	plainAttachment Attachment
	plainPerson     Person
	plainRelative   Relative
	plainAddress    Address
	plainForeign    Foreign
)

type plainParty struct {
	Role, ID, Org, Given, Family string
	Birth                        Date
	Follows                      bool
	Email, Phone                 string `json:",omitempty"`
}

// RevealContents gives the personal part of a submission as bytes, for sealing.
func (s Submission) RevealContents() ([]byte, error) {
	c := contents{
		Format: contentsFormat, Source: plainRef(s.Source), Answers: s.Answers.Reveal(), Original: s.OriginalType,
	}
	for _, p := range s.Parties {
		c.Parties = append(c.Parties, plainParty{
			p.Role, p.ID.Reveal(), p.Org.Reveal(), p.Given, p.Family, p.Birth, p.Follows, p.Email, p.Phone,
		})
	}
	for _, a := range s.Attachments {
		c.Attachments = append(c.Attachments, plainAttachment(a))
	}
	b, err := json.Marshal(c)
	if err != nil {
		return nil, ErrContents
	}
	return b, nil
}

// RestoreContents puts back what RevealContents gave.
func (s *Submission) RestoreContents(b []byte) error {
	var c contents
	dec := json.NewDecoder(strings.NewReader(string(b)))
	dec.UseNumber()
	if err := dec.Decode(&c); err != nil || c.Format != contentsFormat {
		return ErrContents
	}
	s.Source, s.OriginalType = Ref(c.Source), c.Original
	s.Answers = NewAnswers(c.Answers)
	s.Parties, s.Attachments = nil, nil
	for _, p := range c.Parties {
		party := Party{Role: p.Role, Given: p.Given, Family: p.Family, Birth: p.Birth, Follows: p.Follows, Email: p.Email, Phone: p.Phone}
		if p.ID != "" {
			party.ID, _ = ParsePersonID(p.ID)
		}
		if p.Org != "" {
			party.Org, _ = ParseOrgNumber(p.Org)
		}
		s.Parties = append(s.Parties, party)
	}
	for _, a := range c.Attachments {
		s.Attachments = append(s.Attachments, Attachment(a))
	}
	return nil
}

// storedAnswer is a RegisterAnswer with its persons in the open.
type storedAnswer struct {
	RegisterAnswer
	Persons []storedPerson
}

// storedPerson carries beside a person the numbers and addresses that refuse to
// be written by themselves.
type storedPerson struct {
	plainPerson
	ID                  string
	Previous            []string
	Address, Special    *plainAddress
	Abroad              *plainForeign
	Guardians, Children []storedRelative
}

type storedRelative struct {
	plainRelative
	ID string
}

// RevealAnswers gives what registers said as bytes, for sealing.
func RevealAnswers(answers []RegisterAnswer) ([]byte, error) {
	stored := make([]storedAnswer, len(answers))
	for i, a := range answers {
		stored[i].RegisterAnswer = a
		for _, p := range a.Persons {
			stored[i].Persons = append(stored[i].Persons, storePerson(p))
		}
		stored[i].RegisterAnswer.Persons = nil
	}
	b, err := json.Marshal(struct {
		Format  int
		Answers []storedAnswer
	}{contentsFormat, stored})
	if err != nil {
		return nil, ErrContents
	}
	return b, nil
}

// RestoreAnswers puts back what RevealAnswers gave.
func RestoreAnswers(b []byte) ([]RegisterAnswer, error) {
	var c struct {
		Format  int
		Answers []storedAnswer
	}
	if err := json.Unmarshal(b, &c); err != nil || c.Format != contentsFormat {
		return nil, ErrContents
	}
	answers := make([]RegisterAnswer, len(c.Answers))
	for i, a := range c.Answers {
		answers[i] = a.RegisterAnswer
		for _, p := range a.Persons {
			answers[i].Persons = append(answers[i].Persons, p.restore())
		}
	}
	return answers, nil
}

func storePerson(p Person) storedPerson {
	s := storedPerson{
		plainPerson: plainPerson(p), ID: p.ID.Reveal(),
		Address: (*plainAddress)(p.Address), Special: (*plainAddress)(p.Special),
		Abroad: (*plainForeign)(p.Abroad), Guardians: storeRelatives(p.Guardians),
		Children: storeRelatives(p.Children),
	}
	for _, id := range p.Previous {
		s.Previous = append(s.Previous, id.Reveal())
	}
	return s
}

func (s storedPerson) restore() Person {
	p := Person(s.plainPerson)
	p.ID, _ = ParsePersonID(s.ID)
	p.Previous = nil
	for _, id := range s.Previous {
		if previous, err := ParsePersonID(id); err == nil {
			p.Previous = append(p.Previous, previous)
		}
	}
	p.Address, p.Special = (*Address)(s.Address), (*Address)(s.Special)
	p.Abroad = (*Foreign)(s.Abroad)
	p.Guardians, p.Children = restoreRelatives(s.Guardians), restoreRelatives(s.Children)
	return p
}

func storeRelatives(rs []Relative) []storedRelative {
	var stored []storedRelative
	for _, r := range rs {
		stored = append(stored, storedRelative{plainRelative(r), r.ID.Reveal()})
	}
	return stored
}

func restoreRelatives(stored []storedRelative) []Relative {
	var rs []Relative
	for _, s := range stored {
		r := Relative(s.plainRelative)
		r.ID, _ = ParsePersonID(s.ID)
		rs = append(rs, r)
	}
	return rs
}
