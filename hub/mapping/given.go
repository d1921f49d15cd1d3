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
		Code string `json:"code" doc:"the kommunkod"`
		Name string `json:"name" doc:"as the citizen sees it"`
	} `json:"municipality" must:"yes" doc:"whose form it is"`
	Title      string                  `json:"title" must:"yes" doc:"of the route: ${service.title}"`
	Key        hub.Key                 `json:"key" doc:"of the delivery; made from the submission's id when it is left out"`
	Submission givenSubmission         `json:"submission" must:"yes" doc:"the form as it came"`
	Registers  map[string]any          `json:"registers" doc:"what registers answered, by the route's as: a person, a list of persons, or null for a look-up that was missed"`
	Receipts   map[string]givenReceipt `json:"receipts" doc:"of the legs that this one waits for, by leg"`
	Case       map[string]givenReceipt `json:"case" doc:"the receipts that the case has got before, by leg"`
	Withhold   *bool                   `json:"withhold" doc:"as a protected person makes it, unless it is said"`
}

type givenSubmission struct {
	ID      string `json:"id" doc:"what the hub calls the form"`
	Case    string `json:"case" doc:"what the hub calls the case"`
	Service string `json:"service" doc:"the e-service, by the source's own number or name"`
	Version string `json:"version" doc:"of the form"`
	Source  struct {
		System  string `json:"system" doc:"FOLDER.NAME, of systems.yaml"`
		ID      string `json:"id" doc:"what the source calls the form"`
		Version string `json:"version" doc:"which of its versions"`
	} `json:"source" doc:"where it came from"`
	Inkommen    string            `json:"inkommen" doc:"when it came in: 2026-03-02T10:00:00+01:00"`
	Parties     []givenParty      `json:"parties" doc:"the persons and organisations in the form"`
	Answers     any               `json:"answers" doc:"as they are after the form's schema: lists are lists, numbers are numbers"`
	Attachments []givenAttachment `json:"attachments" doc:"the files that came along"`
}

type givenParty struct {
	Role         string `json:"role" doc:"what mappings call it: parties.ROLE"`
	ID           string `json:"id" doc:"a personnummer of twelve digits: an official test number"`
	Organisation string `json:"organisation" doc:"an organisationsnummer of ten digits"`
	Given        string `json:"given" doc:"given names"`
	Family       string `json:"family" doc:"family name"`
	Birth        string `json:"birth" doc:"date of birth, of who has no number"`
	Follows      bool   `json:"follows" doc:"may follow the case"`
}

type givenAttachment struct {
	Name     string `json:"name" doc:"of the file"`
	Type     string `json:"type" doc:"media type"`
	Size     int64  `json:"size" doc:"bytes"`
	Question string `json:"question" doc:"that it answers"`
	SHA256   string `json:"sha256" doc:"64 hexadecimal digits"`
	Print    bool   `json:"print" doc:"the platform's own print of the form"`
}

type givenReceipt struct {
	Number string `json:"number" doc:"what people call the case: a diarienummer"`
	Ref    string `json:"ref" doc:"what the system calls it"`
	At     string `json:"at" doc:"when: 2026-03-02T10:00:05+01:00"`
}

type givenPerson struct {
	ID         string          `json:"id" doc:"a personnummer of twelve digits: an official test number"`
	Given      string          `json:"given" doc:"given names, all of them"`
	Calling    string          `json:"calling" doc:"the one that is used (tilltalsnamn)"`
	Middle     string          `json:"middle" doc:"middle name"`
	Family     string          `json:"family" doc:"family name"`
	Birth      string          `json:"birth" doc:"date of birth; may be incomplete: 1941-07"`
	Protection string          `json:"protection" must:"yes" doc:"none, marked (sekretessmarkering), registration (skyddad folkbokföring) or unknown"`
	Address    *givenAddress   `json:"address" doc:"where the person is registered"`
	Special    *givenAddress   `json:"special" doc:"the special postal address"`
	Abroad     *givenForeign   `json:"abroad" doc:"an address in another country"`
	Registered string          `json:"registered" doc:"the kommunkod of where the person is registered"`
	Property   string          `json:"property" doc:"the property where the person is registered"`
	Civil      string          `json:"civil" doc:"civil status, as Skatteverket's code"`
	Left       givenDeparture  `json:"left" doc:"that the person has left the register"`
	Guardians  []givenRelative `json:"guardians" doc:"vårdnadshavare"`
	Children   []givenRelative `json:"children" doc:"of whom the person is a guardian"`
	Changed    string          `json:"changed" doc:"when the register last changed what it says"`
	AsOf       string          `json:"asOf" doc:"when the register was asked: 2026-03-02T10:00:02+01:00"`
	By         string          `json:"by" doc:"which register said so: FOLDER.NAME, of systems.yaml"`
}

type givenAddress struct {
	CareOf   string `json:"careOf" doc:"at whose"`
	Street   string `json:"street" doc:"street and number"`
	Extra    string `json:"extra" doc:"a second line"`
	Postcode string `json:"postcode" doc:"five digits"`
	City     string `json:"city" doc:"postort"`
}

type givenForeign struct {
	Lines   []string `json:"lines" doc:"of the address, in order"`
	Country string   `json:"country" doc:"which country"`
}

type givenDeparture struct {
	Reason string `json:"reason" doc:"as Skatteverket's code: AV for who has died, UV for who has moved abroad …"`
	Date   string `json:"date" doc:"when"`
}

type givenRelative struct {
	ID     string `json:"id" doc:"a personnummer of twelve digits"`
	Birth  string `json:"birth" doc:"date of birth, of who has no number"`
	Given  string `json:"given" doc:"given names"`
	Family string `json:"family" doc:"family name"`
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

// protection finds what mappings call so.
func (d *decoding) protection(where, called string) hub.Protection {
	for protection, name := range protections {
		if name == called {
			return protection
		}
	}
	d.wrong(where, "must be none, marked, registration or unknown")
	return hub.ProtectionUnknown
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
	return hub.Person{
		ID: d.personID(where+"/id", g.ID), Given: g.Given, Calling: g.Calling, Middle: g.Middle, Family: g.Family,
		Birth: hub.Date(g.Birth), Protection: d.protection(where+"/protection", g.Protection), Address: (*hub.Address)(g.Address),
		Special: (*hub.Address)(g.Special), Abroad: (*hub.Foreign)(g.Abroad), Registered: hub.Municipality(g.Registered),
		Property: g.Property, Civil: g.Civil, Left: hub.Departure{Reason: g.Left.Reason, Date: hub.Date(g.Left.Date)},
		Guardians: d.relatives(where+"/guardians", g.Guardians), Children: d.relatives(where+"/children", g.Children),
		Delivered: hub.Blocks{Name: true, Address: true, Relations: true},
		Changed:   hub.Date(g.Changed), AsOf: d.time(where+"/asOf", g.AsOf), By: hub.SystemID(g.By),
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
