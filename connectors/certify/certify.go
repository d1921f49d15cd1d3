// Package certify decides whether something is a connector.
//
// It opens the connector against a fake of the system that it is for, the smallest
// believable one, and puts a fault switch of its own between the two: a system that
// says no, says not now, cannot be reached, answers with a login page or a fault inside a
// 200, in another charset than it says, a byte at a time, with what it said of another
// case, or makes the case and loses the answer. It then holds what the connector says
// against what the fake really has. What it looks for stands with each case, as its why.
// Certify gives what is proved so.
//
// The author fills in a Subject: the Connector; the Config as it would stand in
// systems.yaml, with {{URL}}, {{ADDRESS}} or {{DIR}} where the fake is; the Fake; and, for the
// roles that the connector plays, examples of what it gets. A role without its
// examples is a Finding: what nobody tried is not certified.
//
//	Destination   Deliveries, where an example is more than a small document; Refusal, Fault
//	Register      Persons
//	Importer      Feed
//	Source        Forms, and Broken ones
//	Fetcher       Files
//	Tracker       a Fake that is a Mover; a Poller too
//	Teller        Told, To where it tells persons, and a Fake that is a Listener
//
// A Teller or a Destination that speaks no HTTP has a Peer instead of a Fake.
//
// Everything happens on this machine, in memory or in a temporary folder; but for Try, which
// proves what somebody has written of one system against the vendor's own test system.
package certify

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A Subject is a connector and what it takes to examine it.
type Subject struct {
	Connector hub.Connector
	// Config is the connector's part of an entry in systems.yaml, as YAML. {{URL}}
	// becomes the address of the fake, without a final slash; {{ADDRESS}} the same without
	// http://; {{DIR}} an empty folder; {{SECRET}} a reference to the secret that is called
	// Secret.
	Config string
	// Decode reads such a text, strictly. hub/config has one.
	Decode func(text string) hub.Decode
	// Mapping compiles a mapping that Config names, where the connector reads forms by one.
	Mapping func(name string) (hub.Mapping, error)

	// Fake makes a new system that speaks HTTP; nil for a connector that calls nobody.
	Fake func() Fake
	// Peer makes a new system that speaks something else; nil for one that speaks HTTP.
	Peer func() Peer
	// Folder makes a new system that reads the files in a folder; nil for one that does not.
	Folder func(dir string) Folder
	// Patience is how long a call may take, 3 s when it is 0: more, where the system is no fake.
	Patience time.Duration

	// Deliveries are examples, one for each operation. The Key, and where they are
	// empty the rest, are filled in. An operation without one gets a small XML document.
	Deliveries map[string]hub.Delivery
	// Vary makes of an example the one with that number, for a system that knows a delivery by
	// what it is about and not by its Key; nil where the Key is enough.
	Vary func(example hub.Delivery, number int) hub.Delivery
	// Refusal is how the system says no to a delivery when it is not by HTTP status 422.
	// It should quote Number and Name, as systems do.
	Refusal http.HandlerFunc
	// Fault is how the system says with status 200 that something went wrong, where it does.
	// It should quote as Refusal does.
	Fault http.HandlerFunc

	Persons Persons
	Feed    []string // the files that make a register that files feed the one that has the Persons
	Forms   []Form
	Broken  []Form               // must be refused as *hub.Malformed; cut and emptied Forms are added
	Files   map[hub.Fetch]string // what the fake gives for each reference
	Told    hub.Ref              // a form that the fake knows, for a Teller to tell about
	To      []hub.Contact        // two persons that the fake can reach, for a Teller that tells persons
}

// Persons are the numbers, twelve digits each, that a fake register knows what to
// say about.
type Persons struct {
	Known     string // is in the register, without any mark
	Another   string // is in the register too
	Unknown   string // is not
	Protected string // has skyddad folkbokföring: is in the register, without an address
}

// A Form is one as a platform posts it.
type Form struct {
	Name string // for Findings
	Type string // media type
	Body string
}

// A Finding is one thing that a connector does wrong.
type Finding struct {
	Role string // "destination OPERATION", "register", …
	Case string // the case that found it, such as "don't know"
	What string // what happened
	Why  string // what the case is for
}

func (f Finding) String() string {
	return fmt.Sprintf("%s, %s: %s\n\twhy: %s", f.Role, f.Case, f.What, f.Why)
}

// Check examines a connector and gives everything that is wrong with it: nothing,
// when it may be trusted with deliveries.
func Check(ctx context.Context, s Subject) []Finding { return examine(ctx, s).findings }

// examine has a connector sit the whole exam.
func examine(ctx context.Context, s Subject) *exam {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.Connector = s.Connector.AsCoded()
	e := &exam{Subject: s, ctx: ctx}
	roles, ok := e.config()
	if !ok {
		return e
	}
	e.can = roles.Can
	if roles.Destination != nil {
		for _, operation := range e.operations(roles.Can) {
			e.destination(operation, roles.Can.Of(operation))
		}
	}
	if roles.Register != nil {
		e.register()
	}
	if roles.Importer != nil {
		e.importer()
	}
	if roles.Source != nil {
		e.source()
	}
	if roles.Fetcher != nil {
		e.fetcher()
	}
	if roles.Tracker != nil {
		e.tracker()
	}
	if roles.Poller != nil {
		e.poller()
	}
	if roles.Teller != nil {
		e.teller()
	}
	return e
}

// operations are those that the system declares and those that have an example.
func (e *exam) operations(can hub.Capabilities) []string {
	var names []string
	for name := range can {
		names = append(names, name)
	}
	for name := range e.Deliveries {
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// An exam is one connector under examination.
type exam struct {
	Subject
	ctx      context.Context
	role     string
	current  test
	can      hub.Capabilities // as its code says
	findings []Finding
	stuck    bool          // a call has not returned
	more     time.Duration // how much longer than usual a call may take
}

// A test is one case of the certificate.
type test struct{ name, why string }

// begin says which case the Findings that follow are of.
func (e *exam) begin(role string, t test) { e.role, e.current = role, t }

// fail adds a Finding of the present case. What has been found once is not said
// again.
func (e *exam) fail(format string, args ...any) { e.failFor(e.current.why, format, args...) }

func (e *exam) failFor(why, format string, args ...any) {
	f := Finding{Role: e.role, Case: e.current.name, What: fmt.Sprintf(format, args...), Why: why}
	if !slices.Contains(e.findings, f) {
		e.findings = append(e.findings, f)
	}
}

// config opens the connector as systems.yaml would, and tells which roles it plays.
func (e *exam) config() (hub.System, bool) {
	e.begin("connector", test{"config", "a config is read strictly, and explains itself"})
	if e.Decode == nil {
		e.fail("the Subject has no Decode")
		return hub.System{}, false
	}
	e.fields()
	t := e.trial()
	defer t.close()
	if t.broken {
		return hub.System{}, false
	}
	if t.line.count() > 0 {
		e.fail("Open calls the system: it reaches for nothing yet")
	}
	if _, err := e.open(t, e.Config+"\nno-such-field: 1\n"); err == nil {
		e.fail("an unknown field is not refused: read the config with the Decode that Define is given")
	}
	return t.system, e.plays(t.system)
}

// fields looks at what the connector says of itself.
func (e *exam) fields() {
	c := e.Connector
	if c.Name == "" || c.Name != strings.ToLower(c.Name) || strings.ContainsAny(c.Name, " _.") {
		e.fail("a connector's name is lower-case letters, digits and -")
	}
	if !strings.HasSuffix(c.Summary, ".") {
		e.fail("the Summary is no sentence")
	}
	for _, f := range c.Fields {
		if f.Doc == "" || f.Name == "" || strings.HasSuffix(f.Name, ".") {
			e.fail("the field %s has no tag yaml or no tag doc", cmp.Or(f.Name, "?"))
		}
	}
}

// plays demands some role, and that a Destination says what it can do.
func (e *exam) plays(s hub.System) bool {
	if s.Destination != nil && len(e.operations(s.Can)) == 0 {
		e.fail("Capabilities name no operation")
	}
	if s.Destination == nil && s.Register == nil && s.Source == nil && s.Tracker == nil &&
		s.Poller == nil && s.Fetcher == nil && s.Teller == nil && s.Importer == nil {
		e.fail("the system plays no role")
		return false
	}
	return true
}
