// Package soapsim is a business system with a SOAP interface, as connectors/soap can be told to speak to. It
// is made up. It takes what fits its schema (arende-1.0.xsd), remembers what it took in a ledger on disk
// before it answers, tells what happens to its cases, and fails in every way that it is told to.
//
//	RegistreraArende   a case, with the caller's own Referens: Arendenummer and ArendeId
//	LaggTillFil        a file of a case, as base64: FilId
//	HittaArenden       the cases of a Referens
//	ListaFiler         the files of a case
//	HamtaHandelser     what has happened since
//	HamtaArende        one case, and all that has happened to it
//
// How a call went stands in Kod, as such systems have it: 0 is well, 17 is refused, 90 is come back later.
// The soapAction is urn:exempel:arende/ and the operation. It plays a system of each level, and promises no
// more than that level does.
package soapsim

import (
	"embed"
	"net/http"
	"sync"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/simfault"
	"github.com/knutpunkt/knutpunkt/connectors/simledger"
	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// Options are what a Sim is made of.
type Options struct {
	Dir   string // where the ledger is kept; "" keeps it in memory only
	Clock func() time.Time
	// Level is what the system can. Idempotent knows a case by its Referens and a file by its number: the
	// same twice is one. Lookup takes whatever comes, and can be asked. Blind, and "", can neither.
	Level  hub.Level
	Lag    time.Duration // how long a new case is invisible to searches
	Secret string        // the password that callers must say by WS-Security; "" accepts any
	SOAP12 bool          // speaks SOAP 1.2, and else 1.1
	Prefix string        // of case numbers; "" means MK
}

// A Sim is one such system. It is an http.Handler, and safe for concurrent use.
type Sim struct {
	Options
	ledger *simledger.Ledger[Entry]
	schema document.Validator
	faults simfault.Queue[Fault]

	mu    sync.Mutex
	cases []*aCase
	byID  map[string]*aCase
	byKey map[string][]*aCase
	news  []Entry
}

type aCase struct {
	Entry
	files []Entry
	news  []Entry
}

//go:embed arende-1.0.xsd
var schemas embed.FS

// New opens the ledger in o.Dir, if there is one, and is what it was when that was written.
func New(o Options) (*Sim, error) {
	if o.Prefix == "" {
		o.Prefix = "MK"
	}
	s := &Sim{Options: o, byID: map[string]*aCase{}, byKey: map[string][]*aCase{}}
	var err error
	if s.schema, err = document.CompileXSD(schemas, "arende-1.0.xsd"); err != nil {
		return nil, err
	}
	if s.ledger, err = simledger.Open[Entry](o.Dir, "soap.jsonl"); err != nil {
		return nil, err
	}
	for _, e := range s.ledger.Entries() {
		s.apply(e)
	}
	return s, nil
}

// Close closes the ledger.
func (s *Sim) Close() error { return s.ledger.Close() }

// ServeHTTP answers one call.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q, fault := s.read(r)
	f := s.fault(placeOf(q.operation))
	switch {
	case f.instead(w, s, q):
		return
	case fault != "":
		s.say(w, http.StatusInternalServerError, s.faultOf(fault, ""))
		return
	}
	answer, err := s.answer(q, f)
	if err != nil {
		s.say(w, http.StatusInternalServerError, s.faultOf("Server", ""))
		return
	}
	f.reply(w, r, s, answer)
}

// answer does what a request asks for. With an error nothing was taken.
func (s *Sim) answer(q request, f Fault) (*document.Element, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch q.operation {
	case "RegistreraArende":
		return s.register(q, f)
	case "LaggTillFil":
		return s.addFile(q)
	case "HittaArenden":
		return s.find(q), nil
	case "ListaFiler":
		return s.list(q), nil
	case "HamtaHandelser":
		return s.tell(q), nil
	}
	return s.show(q), nil
}
