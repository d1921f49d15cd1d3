// Package sifsim is a Public 360 as far as its SIF interface (JSON RPC) shows one: it refuses what
// the real one would refuse, remembers what it took in a ledger on disk, moves its cases on by its
// clock, and fails in every way that it is told to.
//
// It does not promise what the real one does not: two cases may have the same ExternalId.
package sifsim

import (
	"container/heap"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/simfault"
	"github.com/knutpunkt/knutpunkt/connectors/simledger"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// Options are what a Sim is made of.
type Options struct {
	Dir      string // where the ledger is kept; "" keeps it in memory only
	Clock    func() time.Time
	AuthKey  string          // what callers must say; "" accepts any
	ClientID string          // what callers must say, in the query or a header; "" accepts any
	Prefix   string          // of case numbers; "" means BUN
	Lag      time.Duration   // how long a new case is invisible to searches
	Pace     []time.Duration // when, after it was made, a case comes to each of Words; the rest come by Advance
}

// Words are what the Status of a case says, one after the other, after the one it was made with.
var Words = []string{"Tilldelat för handläggning", "Under handläggning", "Beslutat"}

// A Sim is one municipality's Public 360. It is an http.Handler, and safe for concurrent use.
type Sim struct {
	Options
	ledger *simledger.Ledger[Entry]
	faults simfault.Queue[Fault]

	mu        sync.Mutex
	cases     []*aCase // in the order of their recnos
	byNumber  map[string]*aCase
	byKey     map[string][]*aCase // by ExternalId.Id
	documents map[string]*aDocument
	contacts  map[string]int // recno by what the contact is known by, hashed
	known     map[int]bool   // recnos of contacts
	changes   []Entry        // statuses, for GetEvents
	recno     int
	due       agenda
}

type aCase struct {
	Entry
	word      string
	changed   time.Time
	step      int // how many of Words have come
	documents []*aDocument
}

type aDocument struct {
	Entry
	files []File
}

// New opens the ledger in o.Dir, if there is one, and is what it was when that was written.
func New(o Options) (*Sim, error) {
	if o.Prefix == "" {
		o.Prefix = "BUN"
	}
	s := &Sim{
		Options: o, byNumber: map[string]*aCase{}, byKey: map[string][]*aCase{},
		documents: map[string]*aDocument{}, contacts: map[string]int{}, known: map[int]bool{}, recno: 200000,
	}
	var err error
	if s.ledger, err = simledger.Open[Entry](o.Dir, "sif.jsonl"); err != nil {
		return nil, err
	}
	for _, e := range s.ledger.Entries() {
		s.apply(e)
	}
	return s, nil
}

// Close closes the ledger.
func (s *Sim) Close() error { return s.ledger.Close() }

// Advance moves a case on to the next of Words. It does nothing after the last.
func (s *Sim) Advance(caseNumber string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.byNumber[caseNumber]
	switch {
	case c == nil:
		return errNoCase
	case c.step == len(Words):
		return nil
	}
	return s.record(s.statusOf(c, Words[c.step], s.Clock()))
}

// Move gives a case any Status, such as one that asks for a completion. The steps by Pace go on.
func (s *Sim) Move(caseNumber, word string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.byNumber[caseNumber]
	if c == nil {
		return errNoCase
	}
	e := s.statusOf(c, word, s.Clock())
	e.Aside = true
	return s.record(e)
}

var errNoCase = errors.New("no case has that number")

// moveOn brings all cases to where the clock says that they are.
func (s *Sim) moveOn() error {
	var entries []Entry
	for now := s.Clock(); len(s.due) > 0 && !s.due[0].at.After(now); {
		d := heap.Pop(&s.due).(due)
		if d.c.step == d.step { // else somebody advanced it
			e := s.statusOf(d.c, Words[d.step], d.at)
			entries = append(entries, e)
			s.apply(e)
		}
	}
	return s.ledger.Append(entries...)
}

func (s *Sim) statusOf(c *aCase, word string, at time.Time) Entry {
	s.recno++
	return Entry{Kind: StatusEntry, At: at, Recno: s.recno, Number: c.Number, Word: word}
}

// ServeHTTP answers POST …/{Service}/{Method}.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	method := path.Base(path.Dir(r.URL.Path)) + "/" + path.Base(r.URL.Path)
	fault := s.fault(method)
	switch {
	case fault.instead(w):
		return
	case !s.admits(r):
		http.Error(w, "Unauthorized", http.StatusUnauthorized)
		return
	case r.Method != http.MethodPost || calls[method] == nil:
		http.NotFound(w, r)
		return
	}
	parameter, ok := readParameter(r.Body)
	if !ok {
		http.Error(w, "Bad Request", http.StatusBadRequest)
		return
	}
	answer, err := s.answer(method, parameter, fault)
	if err != nil { // the ledger cannot be written: nothing was taken
		http.Error(w, "Internal Server Error", http.StatusInternalServerError)
		return
	}
	fault.reply(w, r, answer)
}

// answer makes the call. Only one is made at a time.
func (s *Sim) answer(method string, parameter object, fault Fault) (object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.moveOn(); err != nil {
		return nil, err
	}
	if refused := fault.refusal(); refused != nil {
		return refused, nil
	}
	answer, err := calls[method](s, parameter, fault)
	if err != nil {
		return nil, err
	}
	for name, value := range (object{"Successful": true, "ErrorMessage": nil, "ErrorDetails": nil}) {
		if _, said := answer[name]; !said {
			answer[name] = value
		}
	}
	return answer, nil
}

func (s *Sim) admits(r *http.Request) bool {
	key, isKey := strings.CutPrefix(r.Header.Get("Authorization"), "authkey ")
	client := r.URL.Query().Get("clientId")
	if client == "" {
		client = r.Header.Get("clientid")
	}
	return isKey && (s.AuthKey == "" || key == s.AuthKey) && (s.ClientID == "" || client == s.ClientID)
}

// maxText bounds a request without its files.
const maxText = 4 << 20

// readParameter reads {"parameter": {…}}, with the digest of each file in the place of its bytes.
func readParameter(body io.Reader) (object, bool) {
	text, err := digestFiles(body)
	if err != nil {
		return nil, false
	}
	tree, err := document.ReadJSON(text, document.Limits{Bytes: maxText})
	if err != nil {
		return nil, false
	}
	request, _ := tree.(object)
	parameter, ok := request["parameter"].(object)
	return parameter, ok && len(request) == 1
}

// An object is a JSON object.
type object = map[string]any

func text(o object, name string) string {
	s, _ := o[name].(string)
	return strings.TrimSpace(s)
}

func number(o object, name string, otherwise int) int {
	literal, _ := o[name].(json.Number)
	n, err := literal.Int64()
	if err != nil || n < 0 {
		return otherwise
	}
	return int(n)
}

func objects(list any) []object {
	var found []object
	items, _ := list.([]any)
	for _, item := range items {
		o, _ := item.(object)
		found = append(found, o)
	}
	return found
}

// An agenda holds what is to happen to cases, the earliest first.
type agenda []due

type due struct {
	at   time.Time
	c    *aCase
	step int // what its case is to have come to until then
}

func (a agenda) Len() int           { return len(a) }
func (a agenda) Less(i, j int) bool { return a[i].at.Before(a[j].at) }
func (a agenda) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(x any)        { *a = append(*a, x.(due)) }
func (a *agenda) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}
