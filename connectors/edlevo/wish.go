package edlevo

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// A wish is what a delivery wants saved: one of the elements of kinds, in a schoolsearch.
type wish struct {
	kind
	about string            // whom it waits its turn for: the child, or the application that is answered
	child string            // "" in an answer, which does not say
	sent  *document.Element // the application, the word that none is made, or the answer
}

// A kind is one sort of what can be saved.
type kind struct {
	element   string
	operation string
	saves     string // the service that saves it
	flag      string // of a child: whether it has one
	progress  string // the service that tells how it is getting on; "" for none
}

var kinds = []kind{
	{"applicationnextyear", operationApplication, "SaveApplicationNextYear", "hasappliedtonextyear", schoolChoices},
	{"applicationreelection", operationApplication, "SaveApplicationReelection", "hasappliedtoreelection", schoolChoices},
	{"applicationcurrentyear", operationApplication, "SaveApplicationCurrentYear", "hasappliedtocurrentyear", schoolChanges},
	{notApplying, operationApplication, "SaveNotApplying", "notapplying", ""},
	{"applicationanswer", operationConsent, "SaveApplicationAnswer", "", ""},
}

const (
	nextYear    = "applicationnextyear"
	notApplying = "applicationnotapplying"
)

// maxDocument bounds a document and an answer, in bytes.
const maxDocument = 4 << 20

// readWish reads a delivery's document. Its errors name places, never values.
func readWish(d hub.Delivery) (*wish, error) {
	root, err := document.ReadXML(bytes.NewReader(d.Document.Reveal()), document.Limits{Bytes: maxDocument})
	if err != nil {
		return nil, fmt.Errorf("the document: %w", err)
	}
	if root.Local() != "schoolsearch" || root.Space() != schoolSearch || len(root.Children) != 1 {
		return nil, errors.New("the document must be a schoolsearch of version 4 with one thing to save in it")
	}
	w := &wish{sent: root.Children[0]}
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.element == w.sent.Local() && k.operation == d.Operation })
	if i < 0 {
		return nil, errors.New("the document: what is in it is nothing that the operation saves")
	}
	w.kind = kinds[i]
	switch w.operation {
	case operationConsent:
		w.about = w.sent.Value("applicationid")
	default:
		w.child = number(w.sent.Value("childssn") + w.sent.Value("childid"))
		w.about = w.child
	}
	if w.about == "" {
		return nil, errors.New("the document does not say whom or what it is about")
	}
	return w, nil
}

// inTheWay says why a wish is not saved.
func (w *wish) inTheWay() error {
	switch w.element {
	case notApplying, nextYear:
		return errors.New("another choice for the year to come is there for the child: saving would take its place")
	case "applicationanswer":
		return errors.New("the application has got another answer, or waits for none")
	}
	return errors.New("another application of this sort is there for the child: saving would take its place")
}

// A finding is what Edlevo has of a wish.
type finding struct {
	is standing
	id string    // of the application
	at time.Time // when Edlevo says that it was saved; zero when it does not say
}

type standing uint8

const (
	missing standing = iota
	ours
	another // of the same sort, and not what was sent
)

var errUnshown = hub.Strange(errors.New("GetChildWithApplication: what the child is said to have is not in the answer"))

// in looks for an application, or the word that none is made, in what Edlevo shows of the child.
func (w *wish) in(child *document.Element, stamps bool) (finding, error) {
	if w.element == notApplying {
		return w.unmade(child), nil
	}
	there := child.Child(w.element)
	switch {
	case there == nil && isYes(child, w.flag):
		return finding{}, errUnshown
	case there == nil && w.element == nextYear && isYes(child, "notapplying"):
		return finding{is: another}, nil
	case there == nil:
		return finding{}, nil
	}
	f := finding{is: another, id: there.Value("applicationid")}
	f.at, _ = parseTime(there.Value("updatedat"))
	if f.id == "" {
		return finding{}, errUnshown
	}
	if w.wants(there) && w.madeThen(there, stamps) {
		f.is = ours
	}
	return f, nil
}

// unmade looks for the word that no application is made.
func (w *wish) unmade(child *document.Element) finding {
	same := child.Value("notappliedtonextyearreason") == w.sent.Value("reason") &&
		child.Value("notappliedtonextyearreasontext") == w.sent.Value("reasontext")
	switch {
	case isYes(child, w.flag) && same:
		return finding{is: ours}
	case isYes(child, w.flag), isYes(child, "hasappliedtonextyear"):
		return finding{is: another}
	}
	return finding{}
}

// wants reports whether an application is the same guardian's, and for the same schools in the same order.
// How she wants to be reached is not compared: that may have been put right by hand since.
func (w *wish) wants(there *document.Element) bool {
	for _, whose := range []string{"childssn", "legalguardian1signedssn", "createdby"} {
		if number(there.Value(whose)) != number(w.sent.Value(whose)) {
			return false
		}
	}
	for _, what := range []string{"applicationtype", "searchedgrade"} {
		if there.Value(what) != w.sent.Value(what) {
			return false
		}
	}
	return slices.Equal(choices(there), choices(w.sent))
}

// choices are the schools of an application, in order.
func choices(application *document.Element) (units []string) {
	for _, list := range []string{"connectedschoolchoices", "notconnectedschoolchoices"} {
		for _, choice := range application.All(list) {
			units = append(units, list+" "+choice.Value("unitid"))
		}
	}
	return units
}

// madeThen reports whether an application was made when ours was. Where Edlevo writes its own time, it is one
// that was not made before ours came in, but for what two clocks may differ.
func (w *wish) madeThen(there *document.Element, stamps bool) bool {
	its, said := parseTime(there.Value("createdat"))
	mine, meant := parseTime(w.sent.Value("createdat"))
	if !said || !meant {
		return false
	}
	if stamps {
		return its.After(mine.Add(-5 * time.Minute))
	}
	return its.Truncate(time.Second).Equal(mine.Truncate(time.Second))
}

// answered looks for an answer in the application that it is to.
func (w *wish) answered(application *document.Element) finding {
	f := finding{id: application.Value("applicationid")}
	switch application.Value("consentinfo/consentstatus") {
	case "", "AwaitingAnswer", "MaxNotificatonsSent":
		return f
	case w.sent.Value("answer"):
		f.is = ours
		return f
	}
	f.is = another
	return f
}

// number writes an identity number as the contract's examples have it, to compare by: 201803022399, 20130101TF01.
func number(s string) string {
	return strings.ToUpper(strings.ReplaceAll(strings.TrimSpace(s), "-", ""))
}

// isYes reads a boolean of XML Schema.
func isYes(e *document.Element, path string) bool {
	value := e.Value(path)
	return value == "true" || value == "1"
}

// parseTime reads a time with a zone, or without one and then Swedish.
func parseTime(s string) (time.Time, bool) {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, true
	}
	t, err := time.ParseInLocation("2006-01-02T15:04:05", s, hub.Stockholm)
	return t, err == nil
}
