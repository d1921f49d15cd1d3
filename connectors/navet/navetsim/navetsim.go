// Package navetsim is a small Navet for demonstrations and tests: it takes the SOAP question
// personpostXML V4 over HTTP, or over HTTPS with mutual TLS, and answers it out of a register of
// invented persons whose numbers are Skatteverket's official test numbers.
//
// It is as strict as the real one about what it is asked and by whose order, and can be told to
// fail in every way that a register fails.
package navetsim

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/simledger"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// Path is where the service is, on every host.
const Path = "/na/na_epersondata/V4/personpostXML"

// The order that a simulator answers when Options name no other.
const (
	OrgNumber = "162021004748"
	Order     = "00000236-FO01-0002"
)

// Options say what a simulator is.
type Options struct {
	Dir       string           // of the ledger; "" keeps it in memory
	Clock     func() time.Time // required
	OrgNumber string           // twelve digits; "" = the constant of that name
	Order     string           // "" = the constant of that name
	Persons   []Person         // beside Persons(), or in place of those with the same number
}

// A Sim is a Navet. It is safe for concurrent use.
type Sim struct {
	clock      func() time.Time
	org, order string
	persons    map[string]Person
	ledger     *simledger.Ledger[Entry]
	key        []byte // that the ledger's persons are hashed under
	closed     chan struct{}
	shut       func() error

	mu     sync.Mutex
	next   []Fault
	always Fault
}

// New makes a simulator and reads again what an earlier one wrote in its ledger.
func New(o Options) (*Sim, error) {
	if o.Clock == nil {
		return nil, errors.New("navetsim: a clock is required")
	}
	ledger, key, err := openLedger(o.Dir)
	if err != nil {
		return nil, err
	}
	s := &Sim{
		clock: o.Clock, org: o.OrgNumber, order: o.Order,
		persons: make(map[string]Person), ledger: ledger, key: key, closed: make(chan struct{}),
	}
	s.shut = sync.OnceValue(func() error {
		close(s.closed)
		return ledger.Close()
	})
	if s.org == "" {
		s.org = OrgNumber
	}
	if s.order == "" {
		s.order = Order
	}
	for _, p := range append(Persons(), o.Persons...) {
		s.persons[p.ID] = p
	}
	return s, nil
}

// Close ends what hangs and closes the ledger. It may be called again.
func (s *Sim) Close() error { return s.shut() }

// Ledger gives every look-up that was answered, oldest first.
func (s *Sim) Ledger() []Entry { return s.ledger.Entries() }

// Counts gives how many look-ups were answered, by kind of person.
func (s *Sim) Counts() map[Kind]int {
	counts := make(map[Kind]int)
	for _, e := range s.Ledger() {
		counts[e.Kind]++
	}
	return counts
}

func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path != Path:
		page(w, http.StatusNotFound, "Sidan kan inte hittas")
		return
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		page(w, http.StatusMethodNotAllowed, "Metoden stöds inte")
		return
	case !isXML(r.Header.Get("Content-Type")):
		page(w, http.StatusUnsupportedMediaType, "Saknar stöd för Content-Type")
		return
	}
	fault := s.takeFault()
	if s.failUnread(fault, w, r) {
		return
	}
	id, ok := s.readQuestion(r.Body)
	if !ok {
		refuse(w)
		return
	}
	answer, err := s.answer(id, fault)
	if err == nil {
		err = s.ledger.Append(s.entry(id))
	}
	if err != nil {
		page(w, http.StatusInternalServerError, "Tekniskt fel")
		return
	}
	if fault == Truncated {
		answer = answer[:len(answer)/2]
	}
	reply(w, http.StatusOK, answer)
}

// answer composes what is sent about a number; an unknown one gives no post.
func (s *Sim) answer(id string, fault Fault) ([]byte, error) {
	p, known := s.persons[id]
	switch {
	case !known:
		return write(response())
	case fault == Stranger:
		p = s.stranger(id)
	case fault == OddFlag:
		p.odd = true
	}
	return write(response(s.post(p)))
}

// stranger gives a person with another number.
func (s *Sim) stranger(id string) Person {
	for _, p := range Persons() {
		if p.ID != id {
			return p
		}
	}
	return Person{}
}

func (s *Sim) entry(id string) Entry {
	kind := NoHit
	if p, known := s.persons[id]; known {
		kind = p.Kind
	}
	hash := hmac.New(sha256.New, s.key)
	io.WriteString(hash, id)
	return Entry{At: s.clock().UTC(), Kind: kind, Person: hex.EncodeToString(hash.Sum(nil)[:8])}
}

func isXML(contentType string) bool {
	media, params, err := mime.ParseMediaType(contentType)
	return err == nil && media == "text/xml" && strings.EqualFold(params["charset"], "utf-8")
}

// readQuestion gives the number that is asked about, when the question has the contract's names in
// the contract's order and comes for the order that is known here.
func (s *Sim) readQuestion(body io.Reader) (id string, ok bool) {
	envelope, err := document.ReadXML(body, document.Limits{Bytes: 64 << 10})
	if err != nil || !is(envelope, soapSpace, "Envelope") {
		return "", false
	}
	in := envelope.Child("Body")
	if !is(in, soapSpace, "Body") || len(in.Children) != 1 {
		return "", false
	}
	question := in.Children[0]
	order := question.Child("Bestallning")
	if !is(question, personSpace, "PersonpostRequest") ||
		!holds(question, "Bestallning", "PersonId") || !holds(order, "OrgNr", "BestallningsId") {
		return "", false
	}
	id = question.Value("PersonId")
	known := order.Value("OrgNr") == s.org && order.Value("BestallningsId") == s.order
	return id, known && len(id) == 12 && strings.Trim(id, "0123456789") == ""
}

func is(e *document.Element, space, local string) bool {
	return e.Space() == space && e.Local() == local
}

// holds reports whether e has exactly these children in this order.
func holds(e *document.Element, names ...string) bool {
	if e == nil || len(e.Children) != len(names) {
		return false
	}
	for i, name := range names {
		if !is(e.Children[i], personSpace, name) {
			return false
		}
	}
	return true
}

func reply(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "text/xml;charset=utf-8")
	w.WriteHeader(status)
	w.Write(body)
}

// refuse answers as the real one does to a wrong OrgNr or BestallningsId. The number of the fault is
// invented: Skatteverket's list is not public.
func refuse(w http.ResponseWriter) {
	body, err := write(soapFault(1, "Felaktiga inparametrar"))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	reply(w, http.StatusInternalServerError, body)
}

func page(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/html;charset=utf-8")
	w.WriteHeader(status)
	io.WriteString(w, "<!DOCTYPE html><html><head><title>"+text+"</title></head><body><h1>"+text+"</h1></body></html>")
}
