package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/navet/navetsim"
)

// The business systems that every municipality has, by what can be known of an earlier attempt.
const (
	recognises = "recognises" // our key: the same twice is one case (idempotent)
	tells      = "tells"      // when it is asked, after a while (lookup)
	forgets    = "forgets"    // it can neither (blind)
	diary      = "diary"      // a diarium of the shipped kind; some municipalities have one
)

// A service is an e-service and its route, the same in every municipality.
type service struct {
	Name     string
	register bool // its route asks the register about the applicant
	files    bool // its forms may have some
	diarium  bool
	legs     []leg
}

// A leg is one delivery of a route.
type leg struct {
	Name   string
	To     string
	On     string // first, completion or both
	After  string // its document has the number of this leg
	Number string // its document has the case's first number from this leg
	Voice  bool
}

// services are chosen so that every level meets files, completions, a leg that waits and a register.
var services = []*service{
	{Name: "plain", files: true, legs: []leg{
		{Name: recognises, To: recognises, On: "first", Voice: true},
		{Name: "again", To: recognises, On: "completion", Number: recognises},
	}},
	{Name: "chain", files: true, legs: []leg{
		{Name: tells, To: tells, On: "first", Voice: true},
		{Name: recognises, To: recognises, On: "first", After: tells},
		{Name: "again", To: tells, On: "completion", Number: tells},
	}},
	{Name: "blind", files: true, legs: []leg{
		{Name: forgets, To: forgets, On: "first", Voice: true},
		{Name: recognises, To: recognises, On: "both"},
		{Name: "again", To: forgets, On: "completion", Number: forgets},
	}},
	{Name: "person", register: true, legs: []leg{
		{Name: tells, To: tells, On: "first", Voice: true},
		{Name: recognises, To: recognises, On: "both"},
		{Name: "again", To: tells, On: "completion", Number: tells},
	}},
	{Name: "diary", register: true, files: true, diarium: true, legs: []leg{
		{Name: diary, To: diary, On: "first", Voice: true},
		{Name: recognises, To: recognises, On: "first", After: diary},
		{Name: "again", To: diary, On: "completion", Number: diary},
	}},
}

// expected gives the legs that a form is to go by.
func (f *form) expected() (legs []leg) {
	if f.Oddity != "" {
		return nil
	}
	for _, l := range f.Service.legs {
		if l.On == "both" || (l.On == "first") == f.first() {
			legs = append(legs, l)
		}
	}
	return legs
}

// legNamed gives a leg of the service.
func (s *service) legNamed(name string) (leg, bool) {
	for _, l := range s.legs {
		if l.Name == name {
			return l, true
		}
	}
	return leg{}, false
}

// known is what a document says that its form does not: what the hub made, and what others answered.
type known struct {
	submission string
	came       time.Time
	before     string // the number that its After leg got
	number     string // the number that the case first got
	person     *navetsim.Person
}

// golden gives the bytes that a system must get of a form: what the mapping says, worked out by
// somebody else than the hub.
func (f *form) golden(l leg, k known) []byte {
	var o object
	if l.To == tells {
		o.add("reference", k.submission+"-"+l.Name)
	}
	o.add("form", f.Source)
	o.add("version", f.Version)
	o.add("leg", l.Name)
	o.add("submission", k.submission)
	o.add("municipality", f.Municipality.Code)
	o.add("service", f.Service.Name)
	o.add("came", k.came.In(stockholm).Format(time.RFC3339))
	o.add("canary", f.Municipality.Canary)
	o.add("text", f.Text)
	o.add("amount", f.Amount)
	lines := []any{}
	for i, text := range f.Lines {
		lines = append(lines, object{{"n", i + 1}, {"text", text}})
	}
	o.add("lines", lines)
	if k.person != nil {
		o.add("person", object{{"number", k.person.ID}, {"name", k.person.Given + " " + k.person.Family}})
	}
	if l.After != "" {
		o.add("before", k.before)
	}
	if l.Number != "" {
		o.add("case", k.number)
	}
	files := []any{}
	for _, file := range f.Files {
		files = append(files, object{{"name", file.Name}, {"size", file.Size}, {"sha256", file.sha256()}})
	}
	o.add("files", files)
	text, err := o.MarshalJSON()
	if err != nil {
		panic(err) // it is made of texts and numbers
	}
	return text
}

// An object is a JSON object whose members keep their order.
type object []member

type member struct {
	name  string
	value any
}

func (o *object) add(name string, value any) { *o = append(*o, member{name, value}) }

func (o object) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	out.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			out.WriteByte(',')
		}
		for j, v := range []any{m.name, m.value} {
			if j > 0 {
				out.WriteByte(':')
			}
			var text bytes.Buffer
			write := json.NewEncoder(&text)
			write.SetEscapeHTML(false)
			if err := write.Encode(v); err != nil {
				return nil, err
			}
			out.WriteString(strings.TrimSuffix(text.String(), "\n"))
		}
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// came gives the day and time that a form's documents must say that it came in: the platform's word,
// unless that is later than the form itself.
func (f *form) came(received time.Time) time.Time {
	said, err := time.Parse(time.RFC3339, f.Submitted)
	if err != nil || said.After(received) {
		return received
	}
	return said
}

var stockholm = func() *time.Location {
	l, err := time.LoadLocation("Europe/Stockholm")
	if err != nil {
		panic(err) // the zones are in the binary
	}
	return l
}()
