package hub

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"
)

// A Connector teaches the hub one kind of system. Define makes one; the list of
// those that ship is connectors.All.
type Connector struct {
	Name    string
	Summary string
	Fields  []Field      // what systems.yaml may say about such a system
	Config  reflect.Type // the struct that its entry fills
	open    func(context.Context, Env, Decode) (System, error)

	held         bool // to its certificates: see Certified
	certificates []Certificate
}

// Decode fills a connector's config strictly: an unknown, missing or mistyped
// field is an error with file and line. hub/config makes it.
type Decode func(into any) error

// A Field is one line of a connector's config.
type Field struct {
	Name     string
	Type     string // text, number, yes/no, duration, secret, list, table
	Doc      string
	Required bool
	Link     bool // an address that people are shown, and that nobody calls
	Names    bool // what looks like an address in it is a name, such as a namespace, and leads nowhere
	Own      bool // the kommunkod of the municipality whose the system is, which its folder says too
}

// Define makes a connector whose config is a C: a struct whose fields have the
// tags yaml (the name, and ",omitempty" for what may be left out) and doc; link:"yes" where an
// address is for people to follow, and not for the hub to call; names:"yes" where what looks
// like addresses are names; and own:"yes" where a kommunkod says whose the system is.
func Define[C any](name, summary string, open func(context.Context, Env, C) (System, error)) Connector {
	return Connector{
		Name: name, Summary: summary, Fields: fieldsOf(reflect.TypeFor[C](), ""), Config: reflect.TypeFor[C](),
		open: func(ctx context.Context, env Env, decode Decode) (System, error) {
			var c C
			if err := decode(&c); err != nil {
				return System{}, err
			}
			return open(ctx, env, c)
		},
	}
}

// Open makes a system of this kind. It reaches for nothing yet.
func (c Connector) Open(ctx context.Context, env Env, decode Decode) (System, error) {
	s, err := c.open(ctx, env, decode)
	if c.held {
		s.Can = c.hold(s.Can, env.ID)
	}
	return s, err
}

// fieldsOf reads a config struct's tags; a nested struct gives dotted names, and one under
// names that people choose stands under NAME.
func fieldsOf(t reflect.Type, prefix string) []Field {
	var fields []Field
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		field := Field{
			Name: prefix + name, Type: typeName(f.Type), Doc: f.Tag.Get("doc"),
			Required: !strings.Contains(options, "omitempty"), Link: f.Tag.Get("link") == "yes",
			Names: f.Tag.Get("names") == "yes", Own: f.Tag.Get("own") == "yes",
		}
		fields = append(fields, field)
		switch kind := f.Type.Kind(); {
		case kind == reflect.Struct && field.Type == "table":
			fields = append(fields, fieldsOf(f.Type, prefix+name+".")...)
		case kind == reflect.Map && f.Type.Elem().Kind() == reflect.Struct && typeName(f.Type.Elem()) == "table":
			fields = append(fields, fieldsOf(f.Type.Elem(), prefix+name+".NAME.")...)
		}
	}
	return fields
}

func typeName(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t {
	case reflect.TypeFor[Secret]():
		return "secret"
	case reflect.TypeFor[time.Duration]():
		return "duration"
	}
	switch t.Kind() {
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "yes/no"
	case reflect.Int, reflect.Int64:
		return "number"
	case reflect.Slice:
		return "list"
	}
	return "table"
}

// Env lends a connector what it may use. It owns none of it, and all of it goes
// through the one door out.
//
// What the clients' transport gives as an error is an answer already: Unavailable
// when nothing was sent, a *don't know* when anything was. A connector hands it on
// wrapped, or as it is, and never judges by what lies inside.
type Env struct {
	ID    SystemID
	HTTP  *http.Client // for deliveries: one try, no redirects, no retries of its own
	Reads *http.Client // for look-ups only: a few short retries inside the call
	Dial  func(ctx context.Context, network, address string) (net.Conn, error)
	TLS   *tls.Config // for what is dialed: the system's own authorities, and our certificate; nil for the machine's
	Log   *slog.Logger
	Clock func() time.Time

	Mapping   func(name string) (Mapping, error) // compiles mappings/NAME.yaml, for who reads forms by one
	Residents Residents                          // what the hub keeps of a register that files feed
}

// A System is an opened connector: the roles it can play, the rest nil.
type System struct {
	Source      Source
	Collector   Collector
	Collects    []string // where the Collector finds forms, such as a topic, as HOST:PORT/NAME of each broker
	Register    Register
	Destination Destination
	Checker     Checker
	Importer    Importer
	Tracker     Tracker
	Poller      Poller
	Fetcher     Fetcher
	Teller      Teller
	Notifies    bool // its Teller writes to citizens, who hear twice what they are told twice
	Counter     Counter
	Can         Capabilities
	Close       func() error
}

// A Source reads a platform's own format.
type Source interface {
	// Read makes a Submission of what came in: everything but ID, Case, Received
	// and Inkommen. Files that came along go to b as they are read. It gives a
	// *Malformed for what breaks the format; content that merely is not understood
	// is left in the Answers, for a person.
	Read(ctx context.Context, in Incoming, b Blobs) (Submission, error)
}

// An Incoming is a form on its way in.
type Incoming struct {
	Type  string // media type
	Body  io.Reader
	Place string // of what a Collector found: what it is called where it lay, for a form that has no id of its own
}

// Malformed says how what came in breaks its format. It never repeats what came.
type Malformed struct {
	Kind   string // a slug: "doctype-not-allowed", "too-deep", "encoding", "duplicate-key" …
	Detail string // for whoever sent it
}

func (m *Malformed) Error() string { return m.Detail }

// Blobs take files as they stream in.
type Blobs interface {
	// Put seals what r gives, to its end. Small files are kept in memory until the
	// form is received; larger ones go to disk, sealed, as they come. It gives
	// ErrTooLarge once r gives more than one file may have.
	Put(ctx context.Context, r io.Reader) (Blob, error)
}

// A Register answers about persons.
type Register interface {
	// Lookup gives ErrNotFound for who is not in the register, ErrMismatch when the
	// answer is about somebody else, and any other error when it could not answer. With
	// ErrPartly it gives what it knows, which is not enough to go on alone.
	Lookup(ctx context.Context, id PersonID) (Person, error)
}

// A Destination takes deliveries. It must never mix up the four answers.
type Destination interface {
	// Deliver hands over d: a Receipt; or an error wrapped by Reject, by Later, or by
	// neither ("don't know"). Where a delivery is several calls it resumes under its
	// Key and looks before each create. A Receipt beside a Reject says that a part was
	// taken before it.
	Deliver(ctx context.Context, d Delivery) (Receipt, error)
	// Find returns the Receipt of an earlier attempt when every part is there,
	// ErrNotFound, or ErrCannotTell. Any other error is asked again.
	Find(ctx context.Context, d Delivery) (Receipt, error)
}

// A Checker knows what its system takes beyond what a schema can tell. It calls nobody, so
// that a mapping's tests can be held against it before any citizen is involved.
type Checker interface {
	// Check gives every Breach of the system's rules in a delivery's document. Of the
	// delivery it is given the Key, the Operation and the Document.
	Check(d Delivery) []Breach
}

// A Breach is one place where a document breaks a rule of the system that is to have it.
type Breach struct {
	Path string // of element names in XML, as "paxml/header/version"; a pointer in JSON
	Text string // names the rule and the place, and never a value
}

// A Tracker tells what has happened to cases, in a system's own words.
type Tracker interface {
	// Changes gives what has happened since the cursor, and the cursor to ask from
	// next time. It may repeat itself. The empty cursor is the beginning.
	Changes(ctx context.Context, since Cursor) ([]Report, Cursor, error)
}

// A Poller tells how one case is getting on, where a system can be asked for nothing
// more.
type Poller interface {
	// Poll asks about a delivery that the system has taken, which is given as Find gets it.
	// What it tells may be what it told before: each Report has the ID that it had then.
	Poll(ctx context.Context, d Delivery, r Receipt) ([]Report, error)
}

// A Cursor is a place in a system's own history, in its own terms.
type Cursor string

// A Fetcher gets the files that a form only refers to.
type Fetcher interface {
	// Fetch writes the file to w, or gives ErrGone when it is no longer to be had.
	Fetch(ctx context.Context, ref Fetch, w io.Writer) error
}

// A Teller tells somebody how a case is getting on: the platform that the form came
// from, another that wants to know, or the citizen herself. Told twice is heard once.
type Teller interface {
	// Tell tells of one Status. Its errors are read like those of Deliver.
	Tell(ctx context.Context, t Telling) error
}

// A Telling is one Status, for one Teller.
type Telling struct {
	Key      Key // the same each time that the same is told: what a repeat is known by
	Ref      Ref // what the platform calls the form
	Status   Status
	Receipts []Receipt // of the system that the citizen hears, earliest first
	To       []Contact // who follows the case and may be told outside Mina ärenden; for a Teller that Notifies
}

// StepsTold are the Steps that a Teller's configuration has it tell of: when there are none,
// all.
type StepsTold []Step

// Check finds what is no Step.
func (all StepsTold) Check() error {
	for _, s := range all {
		if s.Rank() == 0 {
			return fmt.Errorf("steps: %s is no Step", s)
		}
	}
	return nil
}

// Has reports whether a Step is told of.
func (all StepsTold) Has(s Step) bool { return len(all) == 0 || slices.Contains(all, s) }

// A Contact is where somebody who follows a case wants to hear that there is news. One
// who is protected, or whom no register has been asked about, is given only to a Teller
// whose Capabilities say that it can carry the mark, and without addresses.
type Contact struct {
	Person PersonID
	Email  string
	Phone  string
}

// A Counter tells what citizens have sent in at a platform, so that nothing is missed
// between the two.
type Counter interface {
	// Sent gives the platform's own references of what was submitted of an e-service,
	// from a time on and before another.
	Sent(ctx context.Context, service string, from, until time.Time) ([]Sent, error)
}

// Sent is one form that a platform says was submitted.
type Sent struct {
	ID string // the platform's own instance, as in Ref
	At time.Time
}

func (c Contact) Format(f fmt.State, _ rune)   { io.WriteString(f, "contact") }
func (c Contact) LogValue() slog.Value         { return slog.StringValue("contact") }
func (c Contact) MarshalJSON() ([]byte, error) { return []byte(`"contact"`), nil }
