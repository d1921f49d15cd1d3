package edlevosim

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/knutpunkt/knutpunkt/hub/document"
)

// The namespaces of the two interfaces.
const (
	space       = "http://open.tieto.com/edu/schoolsearch/v4"
	statusSpace = "http://open.tieto.com/edu/applicationstatus/v1"
)

// element makes an element with others below it.
func element(name string, children ...*document.Element) *document.Element {
	return &document.Element{Name: name, Children: slices.DeleteFunc(children, func(c *document.Element) bool { return c == nil })}
}

func leaf(name, text string) *document.Element { return &document.Element{Name: name, Text: text} }

func yes(name string, is bool) *document.Element { return leaf(name, strconv.FormatBool(is)) }

func root(name, space string, children ...*document.Element) *document.Element {
	e := element(name, children...)
	e.Attrs = []document.Attr{{Name: "xmlns", Value: space}}
	return e
}

var accepted = reply{root: root("schoolsearch", space, result("OK"))}

func refused(messages ...string) reply {
	return reply{root: root("schoolsearch", space, result("ERROR", messages...))}
}

func result(status string, messages ...string) *document.Element {
	e := &document.Element{Name: "result", Attrs: []document.Attr{{Name: "status", Value: status}}}
	for _, m := range messages {
		e.Children = append(e.Children, leaf("errormessage", m))
	}
	return e
}

// getChild shows a child with its applications.
func (s *Sim) getChild(r request) (reply, error) {
	number := r.query("child")
	if number == "" {
		return reply{status: http.StatusBadRequest, text: "child is missing"}, nil
	}
	if r.fault.Way == Crossed {
		return reply{root: root("schoolsearch", space, s.shown("201803022399"))}, nil
	}
	return reply{root: root("schoolsearch", space, s.shown(number))}, nil
}

func (s *Sim) shown(number string) *document.Element {
	c := s.childBy(number)
	next, now, again := s.visible(c, "applicationnextyear"), s.visible(c, "applicationcurrentyear"), s.visible(c, "applicationreelection")
	child := element("child", append(s.person(number), next, now, again,
		yes("hasappliedtonextyear", next != nil), yes("hasappliedtocurrentyear", now != nil),
		yes("hasappliedtoreelection", again != nil), yes("existsindatabase", true),
		yes("notapplying", c.unmade != nil),
		leaf("notappliedtonextyearreason", cmp.Or(c.unmade.Value("reason"), "None")),
		leaf("notappliedtonextyearreasontext", c.unmade.Value("reasontext")),
		leaf("legalguardiancount", strconv.Itoa(max(1, len(s.Guardians[number])))),
	)...)
	return child
}

func (s *Sim) person(number string) []*document.Element {
	return []*document.Element{
		leaf("ssn", number), leaf("firstname", "Elev"), leaf("lastname", "Exempelsson"), leaf("streetaddress", "Provgatan 1"),
		leaf("zipcode", "24131"), leaf("postalarea", "ESLÖV"), leaf("careofaddress", ""),
		yes("protectedidentity", false), yes("notinmunicipality", false),
	}
}

// visible shows an application as it was saved, with what Edlevo adds; nil for none that can be seen yet.
func (s *Sim) visible(c *aChild, of string) *document.Element {
	a := c.applications[of]
	if a == nil || s.Clock().Before(a.Visible) {
		return nil
	}
	shown := element(of)
	for _, part := range a.text.Children {
		switch part.Local() {
		case "applicationid", "updatedat", "consentinfo":
			continue
		case "createdat":
			shown.Children = append(shown.Children, leaf("updatedat", localTime(a.At)))
			if s.Stamps {
				part = leaf("createdat", localTime(a.At))
			}
		}
		shown.Children = append(shown.Children, part)
		switch part.Local() {
		case "childssn":
			shown.Children = append(shown.Children, leaf("applicationid", a.ID))
		case "searchedgrade":
			if g := s.otherGuardian(a); g != "" {
				shown.Children = append(shown.Children, element("consentinfo",
					leaf("applicationownerssn", g), leaf("consentstatus", cmp.Or(a.consent, "AwaitingAnswer"))))
			}
		}
	}
	return shown
}

// getChildren lists a guardian's children.
func (s *Sim) getChildren(r request) (reply, error) {
	if r.query("ssn") == "" {
		return reply{status: http.StatusBadRequest, text: "ssn is missing"}, nil
	}
	var persons []*document.Element
	for _, child := range slices.Sorted(maps.Keys(s.Guardians)) {
		if slices.Contains(s.Guardians[child], r.query("ssn")) {
			persons = append(persons, element("person", s.person(child)...))
		}
	}
	return reply{root: root("schoolsearch", space, persons...)}, nil
}

func (s *Sim) getChoices(r request) (reply, error) {
	return s.told(r, "CompleteSchoolChoiceApplicationStatus", "applicationnextyear", "applicationreelection")
}

func (s *Sim) getChanges(r request) (reply, error) {
	return s.told(r, "CompleteSchoolChangeApplicationStatus", "applicationcurrentyear")
}

// told tells how a child's applications of some sorts are getting on.
func (s *Sim) told(r request, kind string, sorts ...string) (reply, error) {
	number, now := r.query("PersonId"), localTime(s.Clock())
	if number == "" {
		return reply{status: http.StatusBadRequest, text: "PersonId is missing"}, nil
	}
	person := element("person", leaf("personid", number), leaf("firstname", "Elev"), leaf("lastname", "Exempelsson"),
		&document.Element{Name: "privacy", Text: "false", Attrs: []document.Attr{{Name: "level", Value: "0"}}})
	for _, sort := range sorts {
		if a := s.childBy(number).applications[sort]; a != nil && !s.Clock().Before(a.Visible) {
			person.Children = append(person.Children, s.progress(a))
		}
	}
	person.Children = append(person.Children, leaf("timestamp", now))
	properties := element("properties", leaf("datetime", now), leaf("datasource", "Edlevo"), leaf("type", kind))
	return reply{root: root("PersonApplication", statusSpace, properties, person)}, nil
}

func (s *Sim) progress(a *anApplication) *document.Element {
	day, _, _ := strings.Cut(a.text.Value("createdat"), "T")
	grade := "Skolår " + a.text.Value("searchedgrade")
	shown := element("application", leaf("id", a.ID), leaf("applicationdate", day), leaf("status", s.wordOf(a)), leaf("unitdomain", "Grundskola"))
	for _, list := range []string{"connectedschoolchoices", "notconnectedschoolchoices"} {
		for _, c := range a.text.All(list) {
			n := strconv.Itoa(len(shown.Children) - 3)
			shown.Children = append(shown.Children, element("schoolchoice", leaf("priority", n), leaf("id", idOf(a.ID, n)),
				leaf("unit", c.Value("schoolname")), leaf("grade", grade), leaf("incomingdate", day)))
		}
	}
	return shown
}
