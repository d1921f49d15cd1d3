package hub

import (
	"fmt"
	"io"
	"log/slog"
	"time"
)

// An ID is given by the hub. It sorts by arrival and says nothing about anybody:
// twenty-six characters, a ULID.
type ID string

// A CaseID is the ID of the case's first submission in the hub. A case itself is
// (municipality, source system, the platform's own instance).
type CaseID string

// A Municipality is a kommunkod: always four digits, always text ("0114").
type Municipality string

// A SystemID names a system of one municipality, or one that several share, as
// MUNICIPALITY.NAME: "karlskrona.diarium", "shared.oep". The first part is the
// folder under routes/ whose systems.yaml describes it.
type SystemID string

// A Submission is one completed form, as the platform handed it over. It never
// changes after Receive.
type Submission struct {
	ID           ID
	Case         CaseID
	Municipality Municipality // who owns the case
	Service      string       // the e-service, by the platform's own number or name
	FormVersion  string       // the version of the form, "" where the platform has none
	Source       Ref          // unique together
	Submitted    time.Time    // what the platform says; zero when it says nothing
	Received     time.Time    // our durable accept
	Inkommen     time.Time    // the day of receipt that the diarium gets, see InkommenAt
	Parties      []Party      // none = anonymous
	Answers      Answers
	Attachments  []Attachment
	Original     Blob   // the bytes as they came
	OriginalType string // their media type
}

// InkommenAt decides when a submission came in: when the platform says that it
// was submitted, if the platform is the municipality's own and the time is not
// after our own accept; else when we accepted it.
func InkommenAt(submitted, received time.Time, own bool) time.Time {
	if own && !submitted.IsZero() && submitted.Year() > 2000 && !submitted.After(received) {
		return submitted
	}
	return received
}

// A Ref is what the source calls the form: its system, the platform's own
// instance and the version of that instance. The three are unique together.
type Ref struct {
	System  SystemID
	ID      string
	Version string
}

// A Party is a person or an organisation with a role in a submission.
type Party struct {
	Role          string // "sökande", "barn", "vårdnadshavare"
	ID            PersonID
	Org           OrgNumber
	Given, Family string // as delivered, for who has no number
	Birth         Date   // as delivered, for who has no number
	Follows       bool   // may follow the case in Mina ärenden
	Email, Phone  string // where she wants to hear that there is news; as the form says
}

// Answers are the form's answers, decoded strictly: map[string]any, []any,
// string, bool, nil, and numbers as json.Number, literal until the form's schema
// types them.
type Answers struct{ tree *any }

// NewAnswers holds tree, which must not change afterwards.
func NewAnswers(tree any) Answers { return Answers{&tree} }

// Reveal gives the tree; nil where there is none.
func (a Answers) Reveal() any {
	if a.tree == nil {
		return nil
	}
	return *a.tree
}

// A Blob is bytes that the Store keeps sealed: an attachment, or a form as it came.
type Blob struct {
	ID     string // given by the Store
	Size   int64  // in bytes
	SHA256 [32]byte
}

// An Attachment is a file that belongs to a submission: its bytes came with the
// form, or the form only refers to them and they are fetched after the 202.
type Attachment struct {
	Name     string // as the citizen called it; never in a path or a log
	Type     string // media type
	Size     int64  // as announced; of a fetched one with size 0, unknown
	Question string // the answer it belongs to, by the form's own name
	Blob     Blob   // zero until fetched
	Fetch    Fetch  // where to fetch it; zero when the bytes came along
	Print    bool   // the platform's own print (PDF) of the whole form
}

// A Fetch refers to a file at the source's system, in that system's own terms. It
// holds no address: the connector knows where.
type Fetch struct{ Kind, Instance, Question, File string }

// IsZero reports whether there is nothing to fetch.
func (f Fetch) IsZero() bool { return f == Fetch{} }

func (s Submission) Format(f fmt.State, _ rune)   { io.WriteString(f, string(s.ID)) }
func (s Submission) LogValue() slog.Value         { return slog.StringValue(string(s.ID)) }
func (s Submission) MarshalJSON() ([]byte, error) { return []byte(`"` + string(s.ID) + `"`), nil }
func (r Ref) Format(f fmt.State, _ rune)          { io.WriteString(f, string(r.System)) }
func (r Ref) LogValue() slog.Value                { return slog.StringValue(string(r.System)) }
func (r Ref) MarshalJSON() ([]byte, error)        { return []byte(`"` + string(r.System) + `"`), nil }
func (p Party) Format(f fmt.State, _ rune)        { io.WriteString(f, p.Role) }
func (p Party) LogValue() slog.Value              { return slog.StringValue(p.Role) }
func (p Party) MarshalJSON() ([]byte, error)      { return []byte(`"party"`), nil }
func (a Answers) Format(f fmt.State, _ rune)      { io.WriteString(f, "answers") }
func (a Answers) LogValue() slog.Value            { return slog.StringValue("answers") }
func (a Answers) MarshalJSON() ([]byte, error)    { return []byte(`"answers"`), nil }
func (a Attachment) Format(f fmt.State, _ rune)   { io.WriteString(f, "attachment "+a.Blob.ID) }
func (a Attachment) LogValue() slog.Value         { return slog.StringValue("attachment " + a.Blob.ID) }
func (a Attachment) MarshalJSON() ([]byte, error) { return []byte(`"attachment"`), nil }
