// Package edlevosim is an Edlevo as far as its School Search and its Application Status show one: it refuses
// what the real one would refuse, remembers what it took in a ledger on disk, shows it again, moves
// applications on by its clock, and fails in every way that it is told to.
//
// It does not promise what the real one does not: an application that is saved over another takes its place.
package edlevosim

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"path"
	"sync"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/simfault"
	"github.com/knutpunkt/knutpunkt/connectors/simledger"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// Options are what a Sim is made of.
type Options struct {
	Dir       string // where the ledger is kept; "" keeps it in memory only
	Clock     func() time.Time
	License   string              // what callers must say, as LicenseKey in the query or a header; "" accepts any
	Schema    document.Validator  // what documents are held against: schemas/edlevo/schoolsearch-4.xsd; nil for nothing
	Schools   []School            // that can be chosen; Schools when nil
	Most      int                 // choices in each of an application's two lists; 3 when 0
	Guardians map[string][]string // of each child, all by number: who must answer the other's application
	Stamps    bool                // it writes its own time as createdat
	Lag       time.Duration       // how long what was saved is invisible
	Pace      []time.Duration     // when, after it was saved, an application comes to each of Words but the first
}

// A School is one that can be chosen.
type School struct {
	Unit        int // its number, unitid
	Name        string
	Independent bool
}

// Schools are those that can be chosen where the Options name none. They are invented.
var Schools = []School{
	{3011, "Centralskolan", false}, {3017, "Sundskolan", false}, {3024, "Norrevångsskolan", false},
	{3031, "Sallerupsskolan", false}, {4102, "Friskolan Linden", true}, {4108, "Bäckens friskola", true},
}

// Words are what an application is at, one after the other.
var Words = []string{"Utskickad", "Påbörjad", "Accepterad"}

// A Sim is one municipality's Edlevo. It is an http.Handler, and safe for concurrent use.
type Sim struct {
	Options
	ledger *simledger.Ledger[Entry]
	faults simfault.Queue[Fault]

	mu       sync.Mutex
	children map[string]*aChild // by the hash of the number
	byID     map[string]*anApplication
}

type aChild struct {
	applications map[string]*anApplication // by the element that each is
	unmade       *document.Element         // the word that none is made; nil for none
}

// An anApplication is one as it was saved last.
type anApplication struct {
	Entry
	text    *document.Element
	consent string // what the other guardian has answered; "" for nothing yet
	word    string // what it was moved to by hand, and when
	moved   time.Time
}

// New opens the ledger in o.Dir, if there is one, and is what it was when that was written.
func New(o Options) (*Sim, error) {
	if o.Schools == nil {
		o.Schools = Schools
	}
	if o.Most == 0 {
		o.Most = 3
	}
	s := &Sim{Options: o, children: map[string]*aChild{}, byID: map[string]*anApplication{}}
	var err error
	if s.ledger, err = simledger.Open[Entry](o.Dir, "edlevo.jsonl"); err != nil {
		return nil, err
	}
	for _, e := range s.ledger.Entries() {
		if err := s.apply(e); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Close closes the ledger.
func (s *Sim) Close() error { return s.ledger.Close() }

// Move has an application come to any word, as when a person works on it. The steps by Pace go on. The id is
// as Edlevo writes it, in braces, or as people see it, without.
func (s *Sim) Move(id, word string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.byID[braced(id)]
	if a == nil {
		return errors.New("no application has that id")
	}
	return s.record(Entry{Kind: MovedEntry, At: s.Clock(), ID: a.ID, Word: word})
}

// wordOf gives what an application is at.
func (s *Sim) wordOf(a *anApplication) string {
	word, since := Words[0], a.At
	for i, after := range s.Pace {
		if at := a.At.Add(after); i+1 < len(Words) && !at.After(s.Clock()) {
			word, since = Words[i+1], at
		}
	}
	if a.word != "" && !a.moved.Before(since) {
		return a.word
	}
	return word
}

// A service answers one call: a document, or text for another status than 200. With an error nothing was taken.
type service struct {
	method string
	answer func(s *Sim, r request) (reply, error)
}

type request struct {
	service string
	query   func(name string) string
	body    []byte
	fault   Fault
}

type reply struct {
	status int // 0 is 200
	text   string
	root   *document.Element
}

// services are what the Sim can be asked to do.
var services = map[string]service{
	"SaveApplicationNextYear":               {http.MethodPost, (*Sim).save},
	"SaveApplicationReelection":             {http.MethodPost, (*Sim).save},
	"SaveApplicationCurrentYear":            {http.MethodPost, (*Sim).save},
	"SaveNotApplying":                       {http.MethodPost, (*Sim).save},
	"SaveApplicationAnswer":                 {http.MethodPost, (*Sim).save},
	"GetChildWithApplication":               {http.MethodGet, (*Sim).getChild},
	"GetChildren":                           {http.MethodGet, (*Sim).getChildren},
	"GetCompulsorySchoolChoiceApplications": {http.MethodGet, (*Sim).getChoices},
	"GetCompulsorySchoolChangeApplications": {http.MethodGet, (*Sim).getChanges},
}

// largest bounds a document, in bytes.
const largest = 4 << 20

// ServeHTTP answers …/{Service}.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := path.Base(r.URL.Path)
	do, known := services[name]
	f := s.fault(name)
	switch {
	case f.instead(w):
		return
	case !known:
		http.NotFound(w, r)
		return
	case r.Method != do.method:
		http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
		return
	case !s.admits(r):
		http.Error(w, "API is not authenticated", http.StatusUnauthorized)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, largest+1))
	if err != nil {
		return
	}
	answer, err := s.answer(do, request{name, r.URL.Query().Get, body, f})
	if err != nil { // the ledger cannot be written: nothing was taken
		http.Error(w, "Internal Server Error", http.StatusInternalServerError)
		return
	}
	f.reply(w, r, answer)
}

func (s *Sim) answer(do service, r request) (reply, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.fault.Way == Errors {
		return refused("Skolval är inte öppet för 199001012385 Alva Exempelsson", "Okänd skola 3011"), nil
	}
	return do.answer(s, r)
}

func (s *Sim) admits(r *http.Request) bool {
	said := r.URL.Query().Get("LicenseKey")
	if said == "" {
		said = r.Header.Get("LicenseKey")
	}
	return said != "" && (s.License == "" || said == s.License)
}

// read reads what is to be saved; "" where it is right.
func (s *Sim) read(body []byte) (wanted *document.Element, wrong string) {
	root, err := document.ReadXML(bytes.NewReader(body), document.Limits{Bytes: largest})
	switch {
	case err != nil, root.Local() != "schoolsearch", root.Space() != space:
		return nil, "Error in given XML"
	case s.Schema != nil && s.Schema.Validate(body) != nil:
		return nil, "Error in given XML: it does not follow the schema"
	case len(root.Children) != 1:
		return nil, "Error in given XML: one thing can be saved at a time"
	}
	return root.Children[0], ""
}
