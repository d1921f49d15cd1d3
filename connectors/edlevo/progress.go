package edlevo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// The services that tell how applications are getting on.
const (
	schoolChoices = "GetCompulsorySchoolChoiceApplications"
	schoolChanges = "GetCompulsorySchoolChangeApplications"
)

// Poll asks how an application is getting on, and gives the one word that it is at. A word that comes again
// is the same Report: Edlevo does not say when an application came to it.
//
// The answer is not held against the vendor's schema, which has no type for some of what it sends.
func (s *site) Poll(ctx context.Context, d hub.Delivery, r hub.Receipt) ([]hub.Report, error) {
	w, err := readWish(d)
	if err != nil || w.progress == "" {
		return nil, err
	}
	root, err := s.ask(ctx, s.env.Reads, s.conf.Status, w.progress, url.Values{"PersonId": {w.child}})
	if err != nil {
		return nil, err
	}
	person := root.Child("person")
	if person == nil || number(person.Value("personid")) != w.child {
		return nil, hub.ErrNotFound
	}
	application := w.among(person.All("application"), r)
	word := application.Value("status")
	if word == "" {
		return nil, hub.ErrNotFound
	}
	sum := sha256.Sum256([]byte(hub.Normal(word)))
	report := hub.Report{ID: r.Number + "." + hex.EncodeToString(sum[:4]), Key: d.Key, Ref: r.Ref, Word: word, At: s.env.Clock()}
	if at, ok := parseTime(person.Value("timestamp")); ok {
		report.At = at
	}
	return []hub.Report{report}, nil
}

// among finds an application among those that are told of: by its id; or, where none of them has it, the only
// one that is for the same schools and no older.
func (w *wish) among(applications []*document.Element, r hub.Receipt) *document.Element {
	var alike []*document.Element
	for _, a := range applications {
		if sameID(a.Value("id"), r.Number) {
			return a
		}
		if w.isLike(a) {
			alike = append(alike, a)
		}
	}
	if len(alike) == 1 {
		return alike[0]
	}
	return nil
}

func sameID(a, b string) bool { return strings.EqualFold(strings.Trim(a, "{}"), strings.Trim(b, "{}")) }

// isLike reports whether an application that is told of may be ours.
func (w *wish) isLike(a *document.Element) bool {
	made, _, _ := strings.Cut(w.sent.Value("createdat"), "T")
	date, _, _ := strings.Cut(a.Value("applicationdate"), "T")
	var wanted, told []string
	for _, list := range []string{"connectedschoolchoices", "notconnectedschoolchoices"} {
		for _, c := range w.sent.All(list) {
			wanted = append(wanted, hub.Normal(c.Value("schoolname")))
		}
	}
	for _, c := range a.All("schoolchoice") {
		told = append(told, hub.Normal(c.Value("unit")))
	}
	slices.Sort(wanted) // the two lists of a choice have no common order
	slices.Sort(told)
	return date >= made && len(wanted) > 0 && slices.Equal(wanted, told)
}
