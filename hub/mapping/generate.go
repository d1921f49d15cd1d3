package mapping

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// A Ground is what the given.json of a test can be made up from: a mapping, and the route
// that uses it.
type Ground struct {
	Mapping *Mapping
	Route   *hub.Route
	Council hub.MunicipalityText
	Form    *document.Form // of the answers; nil where the route has no schema
	Values  []RouteValue   // the route's
	After   []string       // the legs that the mapping's leg waits for
}

// Given makes up the given.json of a test: answers that fit the form, with what the mapping
// and the route take their fields for, and the persons, register answers and receipts that
// the route leads to. Persons have invented names and Skatteverket's official test numbers;
// in the test called skyddad one of them is protected. The same Ground and name give the
// same text. With an error beside the text, a person must mend the given.
func (g Ground) Given(name string) ([]byte, error) {
	m := maker{Ground: g, seed: seedOf(name), uses: g.uses(), numbers: map[string]hub.PersonID{}}
	known, wrong := m.known()
	if name == skyddad {
		if err := protectOne(known, g.Route); wrong == nil {
			wrong = err
		}
	}
	text, err := document.WriteJSON(givenOf(known))
	if err != nil {
		return nil, errors.New("write given.json: the answers cannot be written as JSON")
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, text, "", "  "); err != nil {
		return nil, errors.New("write given.json: it is no JSON")
	}
	pretty.WriteByte('\n')
	return pretty.Bytes(), wrong
}

func seedOf(name string) int {
	sum := fnv.New32a()
	sum.Write([]byte(name))
	return int(sum.Sum32() % 1_000_000)
}

// Official test numbers of Skatteverket's (testpersonnummer), of grown-ups and of children.
var (
	grownUps = []string{
		"199110012391", "197910039283", "198810032386", "199011172393", "198604069883", "196011242820", "197504049292", "199409272383",
	}
	children = []string{"202001012398", "201506092384", "202106072388", "201803022399", "202307242384", "201605062395"}
)

// invented are names for them.
var invented = []struct{ given, calling, family string }{
	{"Elin Maria", "Elin", "Vikprov"}, {"Jonatan", "Jonatan", "Provsson"}, {"Klara", "Klara", "Exempelsson"}, {"Nils Erik", "Nils", "Provdal"},
	{"Alma", "Alma", "Stilltest"}, {"Robin", "Robin", "Dolprov"},
}

// inventedCity is where they live. The municipality's name would not do: it may be in the
// genitive (Eslövs kommun).
const inventedCity = "PROVSTAD"

// A maker makes up one given.
type maker struct {
	Ground
	seed    int
	uses    map[string]use          // of fields of the answers, by path
	numbers map[string]hub.PersonID // by role
	taken   int
}

// known is everything that the mapping is to be tried with.
func (m *maker) known() (hub.Known, error) {
	at := time.Date(2026, 3, 2+m.seed%20, 10, 0, 0, 0, hub.Stockholm)
	k := hub.Known{
		Title: m.Route.Title, Council: m.Council, Answers: map[string]hub.RegisterAnswer{},
		Receipts: map[string]hub.Receipt{}, Case: map[string]hub.Receipt{},
		Submission: hub.Submission{
			ID: hub.ID(fmt.Sprintf("01KA%022d", m.seed)), Case: hub.CaseID(fmt.Sprintf("01KA%022d", m.seed)), Municipality: m.Council.Code,
			Service: m.Route.Service, FormVersion: "1", Inkommen: at, Attachments: m.attachments(),
			Source: hub.Ref{System: m.Route.From, ID: fmt.Sprint(100000 + m.seed), Version: "1"},
		},
	}
	answers, wrong := m.answers()
	k.Submission.Answers = hub.NewAnswers(answers)
	if err := m.findParties(&k); wrong == nil {
		wrong = err
	}
	if err := m.askRegisters(&k); wrong == nil {
		wrong = err
	}
	receipt := hub.Receipt{Number: fmt.Sprintf("SBN 2026-%d", 100+m.seed%900), At: at.Add(5 * time.Second)}
	for _, leg := range m.After {
		k.Receipts[leg] = receipt
	}
	for _, leg := range m.Route.Legs {
		if len(m.readsOf("case."+leg.Name)) > 0 {
			k.Case[leg.Name] = receipt
		}
	}
	return k, wrong
}

func (m *maker) readsOf(path string) []Place { return Trace(path, nil, m.Mapping) }

func (m *maker) attachments() []hub.Attachment {
	if len(m.readsOf("attachments")) == 0 {
		return nil
	}
	return []hub.Attachment{{
		Name: "Bilaga.pdf", Type: "application/pdf", Size: 1024,
		Blob: hub.Blob{Size: 1024, SHA256: sha256.Sum256([]byte(fmt.Sprint(m.seed)))},
	}}
}

// answers are such as fit the form.
func (m *maker) answers() (any, error) {
	if m.Form == nil {
		return map[string]any{}, errors.New("the route has no schema for the form: fill in /submission/answers")
	}
	answers, err := m.Form.Sample(m.text)
	if err != nil {
		return answers, fmt.Errorf("mend /submission/answers: %w", err)
	}
	return answers, nil
}

// findParties lets the route find them among the answers; a role that it finds nobody for
// is one whom the platform names beside the form.
func (m *maker) findParties(k *hub.Known) error {
	for _, rule := range m.Route.Parties {
		found, err := rule.Find(*k)
		if err != nil {
			return fmt.Errorf("give the party %s in /submission/answers: %w", rule.Role, err)
		}
		if len(found) == 0 {
			found = []hub.Party{{ID: m.number(rule.Role)}}
		}
		for _, p := range found {
			p.Role, p.Follows = rule.Role, rule.Follows
			k.Submission.Parties = append(k.Submission.Parties, p)
		}
	}
	return nil
}

// askRegisters answers as the registers would that the route asks.
func (m *maker) askRegisters(k *hub.Known) error {
	for _, e := range m.Route.Enrich {
		asked, err := e.Find(*k)
		if err != nil {
			return fmt.Errorf("/registers/%s: %w", e.As, err)
		}
		if len(asked) == 0 {
			asked = []hub.Party{{ID: m.number(e.As)}}
		}
		answer := hub.RegisterAnswer{As: e.As, Register: e.Register, List: e.List, AsOf: k.Submission.Inkommen.Add(2 * time.Second)}
		for _, p := range asked {
			person := m.person(e, p)
			person.AsOf = answer.AsOf
			answer.Persons = append(answer.Persons, person)
		}
		k.Answers[e.As] = answer
	}
	return nil
}

// person makes up what a register says of somebody.
func (m *maker) person(e hub.Enrichment, p hub.Party) hub.Person {
	number := p.ID.Reveal()
	called := m.named(number)
	made := hub.Person{
		ID: p.ID, Given: cmp.Or(p.Given, called.given), Calling: called.calling, Family: cmp.Or(p.Family, called.family), Birth: p.Birth,
		Protection: hub.NotProtected, Registered: m.Council.Code, By: e.Register,
		Address: &hub.Address{Street: fmt.Sprintf("Provgatan %d", 1+m.seed%40), Postcode: "37133", City: inventedCity},
	}
	if len(number) == 12 && !p.ID.IsCoordination() {
		made.Birth = hub.Date(number[:4] + "-" + number[4:6] + "-" + number[6:8])
	}
	if m.isRead(e.As + ".middle") {
		made.Middle = "Mellanprov"
	}
	if m.isRead(e.As + ".property") {
		made.Property = "EKEN 4"
	}
	if m.isRead(e.As + ".civil") {
		made.Civil = "OG"
	}
	if m.isRead(e.As + ".guardians") {
		made.Guardians = []hub.Relative{m.relative(m.grownUp(e.As + " 1")), m.relative(e.As + " 2")}
	}
	if m.isRead(e.As + ".children") {
		made.Children = []hub.Relative{m.relative("barn")}
	}
	return made
}

func (m *maker) isRead(path string) bool { return len(Trace(path, m.Values, m.Mapping)) > 0 }

func (m *maker) relative(role string) hub.Relative {
	id := m.number(role)
	called := m.named(id.Reveal())
	return hub.Relative{ID: id, Given: called.given, Family: called.family}
}

// grownUp is the role of a grown-up party of the route, who is a guardian then: the child's
// form is sent in by one. Where there is none it is otherwise.
func (m *maker) grownUp(otherwise string) string {
	for _, rule := range m.Route.Parties {
		if !isChild(rule.Role) {
			return rule.Role
		}
	}
	return otherwise
}

// number gives who has a role a number of her own.
func (m *maker) number(role string) hub.PersonID {
	if id, has := m.numbers[role]; has {
		return id
	}
	from := grownUps
	if isChild(role) {
		from = children
	}
	id, err := hub.ParsePersonID(from[(m.seed+m.taken)%len(from)])
	if err != nil {
		panic("mapping: a test number is no number")
	}
	m.taken++
	m.numbers[role] = id
	return id
}

// isChild tells by what people call a role.
func isChild(role string) bool {
	role = strings.ToLower(role)
	return strings.HasPrefix(role, "barn") && !strings.Contains(role, " ") || strings.HasPrefix(role, "elev") || strings.HasPrefix(role, "syskon")
}

// named gives who has a number always the same name.
func (m *maker) named(number string) struct{ given, calling, family string } {
	return invented[seedOf(number)%len(invented)]
}

// protectOne marks one person, whom the route asked about first.
func protectOne(k hub.Known, r *hub.Route) error {
	for _, e := range r.Enrich {
		if persons := k.Answers[e.As].Persons; len(persons) > 0 {
			persons[0].Protection = hub.Marked
			return nil
		}
	}
	return errors.New("the route asks no register, so nobody in the given is protected")
}

// text is what stands in a field: what it is taken for says what it must be, and else its
// name says what it may be.
func (m *maker) text(path string) string {
	switch u := m.uses["answers."+path]; u.sort {
	case "date":
		return "2026-05-01"
	case "number":
		return "12"
	case "postcode":
		return "37133"
	case "person":
		return m.number(cmp.Or(u.word, path)).Reveal()
	case "organisation":
		return "2021004748"
	case "word":
		return u.word
	}
	return m.byName(strings.ToLower(path[strings.LastIndex(path, ".")+1:]))
}

// byName tells what fields with such names hold, in all forms; numbers of telephones are
// of those that Post- och telestyrelsen keeps for stories.
func (m *maker) byName(name string) string {
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(name, w) })
	}
	called := invented[m.seed%len(invented)]
	switch {
	case has("socialsecurity", "personnummer", "personnr", "pnr"):
		return m.number(name).Reveal()
	case has("organisationsn", "organizationn", "orgnr"):
		return "2021004748"
	case has("mail", "epost"):
		return strings.ToLower(called.calling) + "@example.com"
	case has("phone", "telefon", "mobil"):
		return fmt.Sprintf("070-17406%02d", 5+m.seed%95)
	case has("zipcode", "postnummer", "postnr", "postcode"):
		return "37133"
	case has("postaladdress", "postort", "city"):
		return inventedCity
	case has("firstname", "fornamn", "förnamn"):
		return called.given
	case has("lastname", "efternamn"):
		return called.family
	case has("address", "adress"):
		return "Provgatan 4"
	case has("datum", "date"):
		return "2026-05-01"
	}
	return ""
}
