package hub

import (
	"errors"
	"fmt"
	"time"
)

// A Bundle is everything that a municipality's people write and that decides what
// happens to a form: routes, mappings and schemas, compiled. It is known by the
// hash of its text, its Revision, and is never changed.
type Bundle struct {
	Revision       string
	Archive        []byte // the texts, as they are stored so that a later process can open them
	Municipalities map[Municipality]MunicipalityText
	Routes         []*Route
}

// A MunicipalityText is what citizens are shown of a municipality.
type MunicipalityText struct {
	Code   Municipality
	Name   string // "Karlskrona kommun"
	Folder string // under routes/
	Colour string // of its pages, "#0b5c3a"; "" for Knutpunkt's own
	Logo   *Logo  // nil for none
	Help   string // whom citizens ask: "Kontaktcenter, 0455-30 30 00"; "" for nobody
}

// A Logo is a municipality's picture, as its people put it beside municipality.yaml.
type Logo struct {
	Type  string // image/svg+xml or image/png
	Bytes []byte
}

// Route finds the way of a form: by municipality, source system and service. Nil
// where there is none.
func (b *Bundle) Route(m Municipality, source SystemID, service string) *Route {
	for _, r := range b.Routes {
		if r.Municipality == m && r.From == source && r.Service == service {
			return r
		}
	}
	return nil
}

// A Route says who gets what of one e-service in one municipality.
type Route struct {
	Name         string // the file's, without its ending: "bygglov-altan"
	Where        string // file:line, for people
	Municipality Municipality
	Title        string
	From         SystemID // the source
	Service      string
	Own          bool                      // the source is the municipality's own platform, whose word on times counts
	Form         func(version string) Form // the schema of the answers; nil for none
	Parties      []PartyRule
	Enrich       []Enrichment
	Legs         []Leg
	Protected    Policy
	Tell         []SystemID // who are told of each Status, beside the platform
	English      string     // the title in English; "" for none
	Kundhandelse string     // what the e-service is called in the national Mina ärenden, PREFIX.E_SERVICE; "" where it is not shown there
	Expect       map[Step]Term
	Keep         Term
	Decision     string // gallringsbeslut
	Owner        string
}

// A Form is the schema of a form's answers.
type Form interface {
	// Fit types literal answers by the schema: what is a list, what is a number.
	// Content that does not fit is an error that names the place, never the value.
	Fit(Answers) (Answers, error)
}

// A PartyRule finds persons among the answers.
type PartyRule struct {
	Role    string
	Follows bool
	Find    func(Known) ([]Party, error)
	Reach   func(Known) (email, phone string) // where those whom Find finds want to be told; nil for nowhere
}

// An Enrichment asks a register about persons: those that a role has, or that an
// earlier answer named.
type Enrichment struct {
	Register SystemID
	Then     SystemID                     // asked where the first knows nothing, or not enough; "" for nobody
	As       string                       // the name of the answer in mappings
	List     bool                         // a list of persons was asked about, so a list is the answer
	Find     func(Known) ([]Party, error) // whom to ask about; one without a number keeps what was delivered
	Optional bool                         // the case may go on without, unless a register has told of a mark
	Alive    bool                         // the route needs a living person who is registered
	Follows  bool                         // whom the register names may follow the case, for as long as it names them
}

// A Leg is one delivery that a route wants.
type Leg struct {
	Name    string
	To      SystemID
	On      On
	After   string // the leg whose Receipt it waits for
	Mapping Mapping
	Step    Step // what its Receipt tells the citizen
	Voice   bool // the citizen hears this system
}

// On tells which submissions of a case a leg is for.
type On string

const (
	First      On = "first"
	Completion On = "completion"
	Both       On = "both"
)

// Fits reports whether a leg is for a case's first submission, or for a later one.
func (o On) Fits(first bool) bool {
	return o == Both || o == "" || (o == First) == first
}

// A Policy says what becomes of a case with a protected person in it.
type Policy string

const (
	Hold     Policy = "hold"     // a person decides
	Withhold Policy = "withhold" // it goes on without addresses, to systems that can carry the mark
)

// A Mapping makes the document that one system wants. It is pure: the same Known
// gives the same bytes, whenever.
type Mapping interface {
	// Operation is what the system is to do with the document.
	Operation() string
	// Render gives the document, or an error that names file, line and expression
	// and no value: a *MappingError.
	Render(Known) (Document, error)
}

// A MappingError is why a document could not be rendered.
type MappingError struct {
	Where  string // file:line
	Reason Reason // ReasonMapping, ReasonUnmappable
	Text   string // for people; names places and expressions, never values
}

func (e *MappingError) Error() string { return e.Where + ": " + e.Text }

// Known is all that a document may be made of.
type Known struct {
	Key        Key        // of the delivery
	Submission Submission // its Answers typed by the form's schema
	Title      string     // of the route
	Council    MunicipalityText
	Answers    map[string]RegisterAnswer // what registers said, by the name that the route gives it
	Receipts   map[string]Receipt        // of the legs that this delivery waits for
	Case       map[string]Receipt        // the case's first receipt of each leg
	Withhold   bool                      // a protected person is in it: addresses are not to be had
}

// A RegisterAnswer is what one Enrichment gave. It is stored sealed with the submission
// and purged with it.
type RegisterAnswer struct {
	As       string
	Register SystemID
	List     bool
	Persons  []Person  // in the order asked for
	AsOf     time.Time // when the register was asked
	Missed   bool      // an optional look-up that could not be made
}

// A Term is a time that a municipality promises or keeps, in its own unit.
type Term struct {
	N    int
	Unit Unit
}

// A Unit of a Term.
type Unit string

const (
	WorkingDays Unit = "arbetsdagar"
	Days        Unit = "dagar"
	Weeks       Unit = "veckor"
	Months      Unit = "månader"
	Years       Unit = "år"
)

// ErrTerm says that a text is no term of time.
var ErrTerm = errors.New(`write a number and arbetsdagar, dagar, veckor, månader or år, such as "10 veckor"`)

// ParseTerm reads "2 arbetsdagar", "10 veckor", "1 dag".
func ParseTerm(s string) (Term, error) {
	var n int
	var unit string
	if _, err := fmt.Sscanf(s, "%d %s", &n, &unit); err != nil || n < 0 {
		return Term{}, ErrTerm
	}
	units := map[string]Unit{
		"arbetsdag": WorkingDays, "arbetsdagar": WorkingDays, "dag": Days, "dagar": Days,
		"vecka": Weeks, "veckor": Weeks, "månad": Months, "månader": Months, "år": Years,
	}
	u, ok := units[unit]
	if !ok {
		return Term{}, ErrTerm
	}
	return Term{n, u}, nil
}

// After gives the day that lies a term after t, in Swedish time.
func (d Term) After(t time.Time) time.Time {
	t = t.In(Stockholm)
	switch d.Unit {
	case WorkingDays:
		return addWorkingDays(t, d.N)
	case Weeks:
		return t.AddDate(0, 0, 7*d.N)
	case Months:
		return t.AddDate(0, d.N, 0)
	case Years:
		return t.AddDate(d.N, 0, 0)
	}
	return t.AddDate(0, 0, d.N)
}

// Promised gives the dates that a route promises a submission that came in at t.
func (r *Route) Promised(t time.Time) map[Step]time.Time {
	if r == nil || len(r.Expect) == 0 {
		return nil
	}
	at := make(map[Step]time.Time, len(r.Expect))
	for step, term := range r.Expect {
		at[step] = term.After(t)
	}
	return at
}

// Voice gives the system that the citizen hears.
func (r *Route) Voice() SystemID {
	if r != nil {
		for _, l := range r.Legs {
			if l.Voice {
				return l.To
			}
		}
	}
	return ""
}
