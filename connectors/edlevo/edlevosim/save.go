package edlevosim

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// elements say what each service saves.
var elements = map[string]string{
	"SaveApplicationNextYear": "applicationnextyear", "SaveApplicationReelection": "applicationreelection",
	"SaveApplicationCurrentYear": "applicationcurrentyear", "SaveNotApplying": "applicationnotapplying",
	"SaveApplicationAnswer": "applicationanswer",
}

// types are the applicationtype of each sort of application.
var types = map[string]string{
	"applicationnextyear": "NextYear", "applicationreelection": "Reelection", "applicationcurrentyear": "CurrentYear",
}

// save takes an application, the word that none is made, or an answer.
func (s *Sim) save(r request) (reply, error) {
	wanted, wrong := s.read(r.body)
	switch {
	case wrong != "":
		return reply{status: http.StatusBadRequest, text: wrong}, nil
	case wanted.Local() != elements[r.service]:
		return reply{status: http.StatusBadRequest, text: "Error in given XML: it is of another service"}, nil
	}
	e := Entry{Kind: SavedEntry, At: s.Clock(), Of: wanted.Local(), Visible: s.Clock().Add(s.invisible(r.fault))}
	var messages []string
	switch wanted.Local() {
	case "applicationanswer":
		messages = s.answered(&e, wanted)
	case "applicationnotapplying":
		messages = s.unmade(&e, wanted)
	default:
		messages = s.applied(&e, wanted)
	}
	if len(messages) > 0 {
		return refused(messages...), nil
	}
	if err := s.record(e); err != nil {
		return reply{}, err
	}
	if r.fault.Way == Overtaken {
		return accepted, s.overtake(e)
	}
	return accepted, nil
}

// applied looks at an application, and makes an entry of it.
func (s *Sim) applied(e *Entry, a *document.Element) (wrong []string) {
	child := a.Value("childssn")
	if a.Value("applicationtype") != types[a.Local()] {
		wrong = append(wrong, "Fel ansökningstyp")
	}
	if grade, err := strconv.Atoi(a.Value("searchedgrade")); err != nil || grade < 0 || grade > 9 {
		wrong = append(wrong, "Okänd årskurs")
	}
	for _, list := range []string{"connectedschoolchoices", "notconnectedschoolchoices"} {
		chosen := a.All(list)
		if len(chosen) > s.Most {
			wrong = append(wrong, fmt.Sprintf("Högst %d skolor kan väljas för %s", s.Most, child))
		}
		for _, c := range chosen {
			if !s.offers(c.Value("unitid"), list == "notconnectedschoolchoices") {
				wrong = append(wrong, "Okänd skola "+c.Value("unitid"))
			}
		}
	}
	earlier := s.childBy(child).applications[a.Local()]
	if id := a.Value("applicationid"); id != "" && (earlier == nil || earlier.ID != braced(id)) {
		wrong = append(wrong, "Ansökan finns inte")
	}
	e.Child, e.ID, e.Document = hash(child), idOf(child, a.Local()), written(a)
	e.Replaced = earlier != nil
	return wrong
}

// unmade looks at the word that no application is made.
func (s *Sim) unmade(e *Entry, n *document.Element) (wrong []string) {
	e.Child, e.Document = hash(n.Value("childid")), written(n)
	e.Replaced = s.childBy(n.Value("childid")).unmade != nil
	if n.Value("reason") == "None" {
		wrong = append(wrong, "Ange skäl")
	}
	return wrong
}

// answered looks at the other guardian's answer.
func (s *Sim) answered(e *Entry, answer *document.Element) (wrong []string) {
	a := s.byID[braced(answer.Value("applicationid"))]
	switch {
	case a == nil:
		return []string{"Ansökan finns inte"}
	case a.consent != "":
		return []string{"Ansökan är redan besvarad"}
	case s.otherGuardian(a) != answer.Value("answeringguardianssn"):
		return []string{answer.Value("answeringguardianssn") + " är inte vårdnadshavare"}
	}
	e.Kind, e.Child, e.ID, e.Word = AnsweredEntry, a.Child, a.ID, answer.Value("answer")
	return nil
}

// offers reports whether a school can be chosen, in the list for independent ones or the other.
func (s *Sim) offers(unit string, independent bool) bool {
	return slices.ContainsFunc(s.Schools, func(o School) bool {
		return strconv.Itoa(o.Unit) == unit && o.Independent == independent
	})
}

// overtake has another guardian's application take the place of one that was just saved.
func (s *Sim) overtake(e Entry) error {
	e.Document = strings.NewReplacer("3011", "3024", "3017", "3024").Replace(e.Document)
	e.Replaced = true
	return s.record(e)
}

// otherGuardian is who must answer an application; "" where nobody must.
func (s *Sim) otherGuardian(a *anApplication) string {
	for _, g := range s.Guardians[a.text.Value("childssn")] {
		if g != a.text.Value("legalguardian1signedssn") {
			return g
		}
	}
	return ""
}

func (s *Sim) childBy(number string) *aChild { return s.childOf(hash(number)) }

func (s *Sim) childOf(hash string) *aChild {
	c := s.children[hash]
	if c == nil {
		c = &aChild{applications: map[string]*anApplication{}}
		s.children[hash] = c
	}
	return c
}

// hash is what the ledger knows a child by.
func hash(number string) string {
	sum := sha256.Sum256([]byte("barn " + number))
	return hex.EncodeToString(sum[:8])
}

// idOf makes the id of a child's application, which it keeps when another takes its place.
func idOf(number, element string) string {
	sum := sha256.Sum256([]byte(element + " " + number))
	h := strings.ToUpper(hex.EncodeToString(sum[:16]))
	return "{" + h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:] + "}"
}

func braced(id string) string { return "{" + strings.ToUpper(strings.Trim(id, "{}")) + "}" }

// written is an element as the ledger keeps it.
func written(e *document.Element) string {
	text, err := document.WriteXML(e, document.Style{Bare: true})
	if err != nil {
		panic(err) // it has been read
	}
	return string(text)
}

// localTime writes a time as Swedish systems mostly do: Swedish, without a zone.
func localTime(t time.Time) string { return t.In(hub.Stockholm).Format("2006-01-02T15:04:05") }
