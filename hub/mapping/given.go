package mapping

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// ReadGiven reads the given.json of a mapping's test: a Known, written by hand with
// invented persons and official test numbers. Its keys are those of the structs given,
// givenSubmission and givenPerson; an unknown key is an error. Only municipality, title
// and submission must be there. The package doc has an example.
func ReadGiven(fsys fs.FS, name string) (hub.Known, error) {
	text, err := fs.ReadFile(fsys, name)
	if err != nil {
		return hub.Known{}, errors.New("there is no given.json that can be read")
	}
	var g given
	if err := document.DecodeJSON(text, &g); err != nil {
		return hub.Known{}, err
	}
	return g.known()
}

type given struct {
	Municipality struct {
		Code string `json:"code"`
		Name string `json:"name"`
	} `json:"municipality"`
	Title      string                  `json:"title"`
	Key        hub.Key                 `json:"key"` // of the delivery; made from the submission's id when it is not said
	Submission givenSubmission         `json:"submission"`
	Registers  map[string]any          `json:"registers"` // a person, a list of persons, or null for a look-up that was missed
	Receipts   map[string]givenReceipt `json:"receipts"`  // by leg
	Case       map[string]givenReceipt `json:"case"`      // by leg
	Withhold   *bool                   `json:"withhold"`  // as a protected person makes it, unless it is said
}

type givenSubmission struct {
	ID      string `json:"id"`
	Case    string `json:"case"`
	Service string `json:"service"`
	Version string `json:"version"` // of the form
	Source  struct {
		System  string `json:"system"`
		ID      string `json:"id"`
		Version string `json:"version"`
	} `json:"source"`
	Inkommen    string            `json:"inkommen"` // RFC 3339
	Parties     []givenParty      `json:"parties"`
	Answers     any               `json:"answers"`
	Attachments []givenAttachment `json:"attachments"`
}

type givenParty struct {
	Role         string `json:"role"`
	ID           string `json:"id"`           // twelve digits
	Organisation string `json:"organisation"` // ten digits
	Given        string `json:"given"`
	Family       string `json:"family"`
	Birth        string `json:"birth"`
	Follows      bool   `json:"follows"`
}

type givenAttachment struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Size     int64  `json:"size"`
	Question string `json:"question"`
	SHA256   string `json:"sha256"`
	Print    bool   `json:"print"`
}

type givenReceipt struct {
	Number string `json:"number"`
	Ref    string `json:"ref"`
	At     string `json:"at"` // RFC 3339
}

type givenPerson struct {
	ID         string          `json:"id"`
	Given      string          `json:"given"`
	Calling    string          `json:"calling"`
	Middle     string          `json:"middle"`
	Family     string          `json:"family"`
	Birth      string          `json:"birth"`
	Protection string          `json:"protection"` // none, marked, registration or unknown; must be said
	Address    *givenAddress   `json:"address"`
	Special    *givenAddress   `json:"special"`
	Abroad     *givenForeign   `json:"abroad"`
	Registered string          `json:"registered"` // kommunkod
	Property   string          `json:"property"`
	Civil      string          `json:"civil"`
	Left       givenDeparture  `json:"left"`
	Guardians  []givenRelative `json:"guardians"`
	Children   []givenRelative `json:"children"`
	Changed    string          `json:"changed"`
	AsOf       string          `json:"asOf"` // RFC 3339
}

type givenAddress struct {
	CareOf   string `json:"careOf"`
	Street   string `json:"street"`
	Extra    string `json:"extra"`
	Postcode string `json:"postcode"`
	City     string `json:"city"`
}

type givenForeign struct {
	Lines   []string `json:"lines"`
	Country string   `json:"country"`
}

type givenDeparture struct {
	Reason string `json:"reason"` // AV, UV …
	Date   string `json:"date"`
}

type givenRelative struct {
	ID     string `json:"id"`
	Birth  string `json:"birth"`
	Given  string `json:"given"`
	Family string `json:"family"`
}

func (g given) known() (hub.Known, error) {
	d := &decoding{}
	k := hub.Known{
		Submission: g.Submission.submission(d, hub.Municipality(g.Municipality.Code)),
		Title:      g.Title,
		Council:    hub.MunicipalityText{Code: hub.Municipality(g.Municipality.Code), Name: g.Municipality.Name},
		Answers:    map[string]hub.RegisterAnswer{},
		Receipts:   receiptsOf(d, "/receipts", g.Receipts),
		Case:       receiptsOf(d, "/case", g.Case),
	}
	if k.Key = g.Key; k.Key == "" {
		k.Key = hub.KeyOf(k.Submission.ID, "leverans")
	}
	for name, v := range g.Registers {
		a := d.registerAnswer(name, v)
		for _, p := range a.Persons {
			k.Withhold = k.Withhold || p.Protected()
		}
		k.Answers[name] = a
	}
	if g.Withhold != nil {
		k.Withhold = *g.Withhold
	}
	return k, d.err
}

func (s givenSubmission) submission(d *decoding, m hub.Municipality) hub.Submission {
	at := d.time("/submission/inkommen", s.Inkommen)
	made := hub.Submission{
		ID: hub.ID(s.ID), Case: hub.CaseID(s.Case), Municipality: m, Service: s.Service, FormVersion: s.Version,
		Source:    hub.Ref{System: hub.SystemID(s.Source.System), ID: s.Source.ID, Version: s.Source.Version},
		Submitted: at, Received: at, Inkommen: at, Answers: hub.NewAnswers(s.Answers),
	}
	for i, p := range s.Parties {
		where := fmt.Sprintf("/submission/parties/%d", i)
		made.Parties = append(made.Parties, hub.Party{
			Role: p.Role, ID: d.personID(where+"/id", p.ID), Org: d.orgNumber(where+"/organisation", p.Organisation),
			Given: p.Given, Family: p.Family, Birth: hub.Date(p.Birth), Follows: p.Follows,
		})
	}
	for i, a := range s.Attachments {
		made.Attachments = append(made.Attachments, hub.Attachment{
			Name: a.Name, Type: a.Type, Size: a.Size, Question: a.Question, Print: a.Print,
			Blob: hub.Blob{Size: a.Size, SHA256: d.sum(fmt.Sprintf("/submission/attachments/%d/sha256", i), a.SHA256)},
		})
	}
	return made
}

func receiptsOf(d *decoding, where string, given map[string]givenReceipt) map[string]hub.Receipt {
	receipts := map[string]hub.Receipt{}
	for leg, r := range given {
		receipts[leg] = hub.Receipt{Number: r.Number, Ref: r.Ref, At: d.time(where+"/"+leg+"/at", r.At)}
	}
	return receipts
}

// A decoding keeps the first thing that is wrong in a given.json, by its place.
type decoding struct{ err error }

func (d *decoding) wrong(where, text string) {
	if d.err == nil {
		d.err = fmt.Errorf("%s %s", where, text)
	}
}

func (d *decoding) registerAnswer(name string, v any) hub.RegisterAnswer {
	a := hub.RegisterAnswer{As: name, Missed: v == nil}
	items, list := v.([]any)
	switch {
	case list:
		a.List = true
	case v != nil:
		items = []any{v}
	}
	for i, item := range items {
		where := "/registers/" + name
		if list {
			where += fmt.Sprintf("/%d", i)
		}
		a.Persons = append(a.Persons, d.person(where, item))
		a.AsOf = a.Persons[i].AsOf
	}
	return a
}

var protectionNames = map[string]hub.Protection{
	"none": hub.NotProtected, "marked": hub.Marked, "registration": hub.ProtectedRegistration, "unknown": hub.ProtectionUnknown,
}

func (d *decoding) person(where string, v any) hub.Person {
	var g givenPerson
	text, err := document.WriteJSON(v)
	if err == nil {
		err = document.DecodeJSON(text, &g)
	}
	if err != nil {
		d.wrong(where, "is no person: "+err.Error())
		return hub.Person{}
	}
	protection, known := protectionNames[g.Protection]
	if !known {
		d.wrong(where+"/protection", "must be none, marked, registration or unknown")
	}
	return hub.Person{
		ID: d.personID(where+"/id", g.ID), Given: g.Given, Calling: g.Calling, Middle: g.Middle, Family: g.Family,
		Birth: hub.Date(g.Birth), Protection: protection, Address: (*hub.Address)(g.Address),
		Special: (*hub.Address)(g.Special), Abroad: (*hub.Foreign)(g.Abroad), Registered: hub.Municipality(g.Registered),
		Property: g.Property, Civil: g.Civil, Left: hub.Departure{Reason: g.Left.Reason, Date: hub.Date(g.Left.Date)},
		Guardians: d.relatives(where+"/guardians", g.Guardians), Children: d.relatives(where+"/children", g.Children),
		Delivered: hub.Blocks{Name: true, Address: true, Relations: true},
		Changed:   hub.Date(g.Changed), AsOf: d.time(where+"/asOf", g.AsOf),
	}
}

func (d *decoding) relatives(where string, given []givenRelative) []hub.Relative {
	var rs []hub.Relative
	for i, g := range given {
		rs = append(rs, hub.Relative{
			ID: d.personID(fmt.Sprintf("%s/%d/id", where, i), g.ID), Birth: hub.Date(g.Birth), Given: g.Given, Family: g.Family,
		})
	}
	return rs
}

func (d *decoding) personID(where, s string) hub.PersonID {
	if s == "" {
		return hub.PersonID{}
	}
	id, err := hub.ParsePersonID(s)
	if err != nil {
		d.wrong(where, "must be a personnummer of twelve digits")
	}
	return id
}

func (d *decoding) orgNumber(where, s string) hub.OrgNumber {
	if s == "" {
		return hub.OrgNumber{}
	}
	o, err := hub.ParseOrgNumber(s)
	if err != nil {
		d.wrong(where, "must be an organisationsnummer of ten digits")
	}
	return o
}

func (d *decoding) time(where, s string) time.Time {
	if s == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		d.wrong(where, "must be a time such as 2026-03-02T10:00:00+01:00")
	}
	return t
}

func (d *decoding) sum(where, s string) (sum [32]byte) {
	if s == "" {
		return sum
	}
	decoded, err := hex.DecodeString(s)
	if err != nil || len(decoded) != len(sum) {
		d.wrong(where, "must be 64 hexadecimal digits")
		return sum
	}
	return [32]byte(decoded)
}
