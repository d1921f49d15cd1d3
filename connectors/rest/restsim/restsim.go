// Package restsim is a business system with an HTTP and JSON interface, as connectors/rest can be told to
// speak to: it takes cases and their files, remembers what it took in a ledger on disk, tells what happens
// to its cases, and fails in every way that it is told to.
//
//	POST /cases                      a JSON document, with Idempotency-Key, "reference" in it, or ?reference=
//	GET  /cases?reference=KEY        the cases of a key
//	PUT  /cases/{id}/files/{n}       a file as it is, with Content-Type and X-SHA256
//	POST /cases/{id}/files           a file in a form: file, n and sha256
//	GET  /cases/{id}/files           the files of a case
//	GET  /changes?since=CURSOR       what has happened since
//	GET  /cases/{id}/status          what has happened to one case
//
// It plays a system of each level, and promises no more than that level does.
package restsim

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
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
	// Level is what the system can. Idempotent knows a case by Idempotency-Key and a file by its number:
	// the same twice is one. Lookup takes whatever comes, and can be asked by reference. Blind, and "",
	// can neither.
	Level  hub.Level
	Lag    time.Duration // how long a new case is invisible to searches
	Token  string        // what callers must say as a bearer; "" accepts any
	Prefix string        // of case numbers; "" means ÄR
}

// A Sim is one such system. It is an http.Handler, and safe for concurrent use.
type Sim struct {
	Options
	ledger *simledger.Ledger[Entry]
	mux    *http.ServeMux
	faults simfault.Queue[Fault]

	mu      sync.Mutex
	cases   []*aCase
	byID    map[string]*aCase
	byKey   map[string][]*aCase
	changes []Entry
}

type aCase struct {
	Entry
	files []Entry
}

// New opens the ledger in o.Dir, if there is one, and is what it was when that was written.
func New(o Options) (*Sim, error) {
	if o.Prefix == "" {
		o.Prefix = "ÄR"
	}
	s := &Sim{Options: o, byID: map[string]*aCase{}, byKey: map[string][]*aCase{}, mux: http.NewServeMux()}
	s.mux.HandleFunc("POST /cases", s.at(Create, s.create))
	s.mux.HandleFunc("GET /cases", s.at(Find, s.find))
	s.mux.HandleFunc("PUT /cases/{id}/files/{n}", s.at(File, s.put))
	s.mux.HandleFunc("POST /cases/{id}/files", s.at(File, s.post))
	s.mux.HandleFunc("GET /cases/{id}/files", s.at(Files, s.files))
	s.mux.HandleFunc("GET /changes", s.at(Changes, s.tell))
	s.mux.HandleFunc("GET /cases/{id}/status", s.at(Status, s.status))
	var err error
	if s.ledger, err = simledger.Open[Entry](o.Dir, "rest.jsonl"); err != nil {
		return nil, err
	}
	for _, e := range s.ledger.Entries() {
		s.apply(e)
	}
	return s, nil
}

// Close closes the ledger.
func (s *Sim) Close() error { return s.ledger.Close() }

// Move has a case come to a word at a time, as when a person works on it.
func (s *Sim) Move(number, word string, at time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.cases {
		if c.Number == number {
			return s.record(Entry{
				Kind: WordEntry, At: at, ID: fmt.Sprintf("h%d", len(s.changes)+1), Case: c.ID, Key: c.Key, Word: word,
			})
		}
	}
	return errors.New("no case has that number")
}

// ServeHTTP answers one call.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// An object is a JSON object.
type object = map[string]any

// A call answers a request: a status and what it says. With an error nothing was taken.
type call func(r *http.Request, f Fault) (status int, answer object, err error)

// at makes of a call what answers at a place, with the faults that strike there.
func (s *Sim) at(p Place, do call) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f := s.fault(p)
		switch {
		case f.instead(w):
			return
		case s.Token != "" && r.Header.Get("Authorization") != "Bearer "+s.Token:
			http.Error(w, "Unauthorized", http.StatusUnauthorized)
			return
		}
		status, answer, err := do(r, f)
		if err != nil {
			http.Error(w, "Internal Server Error", http.StatusInternalServerError)
			return
		}
		f.reply(w, r, status, answer)
	}
}

// largest bounds a document.
const largest = 8 << 20

// create takes a case. Who is idempotent refuses another document under a key that it has.
func (s *Sim) create(r *http.Request, f Fault) (int, object, error) {
	text, err := io.ReadAll(io.LimitReader(r.Body, largest))
	if err != nil {
		return 0, nil, err
	}
	tree, err := document.ReadJSON(text, document.Limits{Bytes: largest})
	given, isObject := tree.(object)
	if err != nil || !isObject {
		return http.StatusBadRequest, object{"error": "the document is no JSON object"}, nil
	}
	key := s.keyOf(r, given)
	sum := sha256.Sum256(text)
	s.mu.Lock()
	defer s.mu.Unlock()
	if earlier := s.byKey[key]; s.Level == hub.Idempotent && key != "" && len(earlier) > 0 {
		if earlier[0].SHA256 != hex.EncodeToString(sum[:]) {
			return http.StatusUnprocessableEntity, object{"error": "another document has that key"}, nil
		}
		return http.StatusOK, earlier[0].view(), nil
	}
	e := s.newCase(key, hex.EncodeToString(sum[:]))
	if f.Way == Twice {
		if err := s.record(e); err != nil {
			return 0, nil, err
		}
		e = s.newCase(key, e.SHA256)
	}
	if err := s.record(e); err != nil {
		return 0, nil, err
	}
	return http.StatusCreated, s.byID[e.ID].view(), nil
}

// keyOf finds the key: at an idempotent system in its header, else where the caller has written it.
func (s *Sim) keyOf(r *http.Request, given object) string {
	if key := r.Header.Get("Idempotency-Key"); s.Level == hub.Idempotent && key != "" {
		return key
	}
	if key := r.URL.Query().Get("reference"); key != "" {
		return key
	}
	key, _ := given["reference"].(string)
	return key
}

func (s *Sim) newCase(key, sum string) Entry {
	now, n := s.Clock(), len(s.cases)+1
	return Entry{
		Kind: CaseEntry, At: now, ID: fmt.Sprintf("c%d", n), Number: fmt.Sprintf("%s %d/%05d", s.Prefix, now.Year(), n),
		Key: key, SHA256: sum, Visible: now.Add(s.Lag),
	}
}

func (c *aCase) view() object { return object{"number": c.Number, "id": c.ID, "reference": c.Key} }

// find lists the visible cases of a key.
func (s *Sim) find(r *http.Request, _ Fault) (int, object, error) {
	if !s.canBeAsked() {
		return http.StatusNotFound, object{"error": "no such address"}, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found := []object{}
	for _, c := range s.byKey[r.URL.Query().Get("reference")] {
		if !s.Clock().Before(c.Visible) {
			found = append(found, c.view())
		}
	}
	return http.StatusOK, object{"cases": found}, nil
}

func (s *Sim) canBeAsked() bool { return s.Level == hub.Idempotent || s.Level == hub.Lookup }

// put takes a file as it is.
func (s *Sim) put(r *http.Request, _ Fault) (int, object, error) {
	n, err := strconv.Atoi(r.PathValue("n"))
	if err != nil || n < 1 {
		return http.StatusBadRequest, object{"error": "files are numbered from 1"}, nil
	}
	e := Entry{N: n, Case: r.PathValue("id"), Type: r.Header.Get("Content-Type")}
	return s.take(r.Body, e, r.Header.Get("X-SHA256"))
}

// post takes a file in a form, whose fields n and sha256 come before it.
func (s *Sim) post(r *http.Request, _ Fault) (int, object, error) {
	form, err := r.MultipartReader()
	if err != nil {
		return http.StatusBadRequest, object{"error": "no form"}, nil
	}
	fields := map[string]string{}
	for {
		part, err := form.NextPart()
		if err != nil {
			return http.StatusBadRequest, object{"error": "no file in the form"}, nil
		}
		if part.FormName() == "file" {
			n, _ := strconv.Atoi(fields["n"])
			e := Entry{N: n, Case: r.PathValue("id"), Type: part.Header.Get("Content-Type"), Name: part.FileName()}
			return s.take(part, e, fields["sha256"])
		}
		text, err := io.ReadAll(io.LimitReader(part, 1000))
		if err != nil {
			return 0, nil, err
		}
		fields[part.FormName()] = string(text)
	}
}

// take reads a file to its end and keeps its hash. Only who is idempotent knows one that it has.
func (s *Sim) take(content io.Reader, e Entry, said string) (int, object, error) {
	sum := sha256.New()
	size, err := io.Copy(sum, content)
	if err != nil {
		return 0, nil, err
	}
	e.Kind, e.SHA256, e.Size = FileEntry, hex.EncodeToString(sum.Sum(nil)), size
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.byID[e.Case]
	switch {
	case c == nil:
		return http.StatusNotFound, object{"error": "no such case"}, nil
	case said != "" && said != e.SHA256:
		return http.StatusBadRequest, object{"error": "the file is not the one that was meant"}, nil
	}
	for _, f := range c.files {
		if s.Level == hub.Idempotent && f.N == e.N {
			if f.SHA256 != e.SHA256 {
				return http.StatusConflict, object{"error": "another file has that number"}, nil
			}
			return http.StatusOK, object{"id": f.ID}, nil
		}
	}
	e.At, e.Key, e.ID = s.Clock(), c.Key, fmt.Sprintf("%s-f%d", c.ID, len(c.files)+1)
	if err := s.record(e); err != nil {
		return 0, nil, err
	}
	return http.StatusCreated, object{"id": e.ID}, nil
}

// files lists the files of a case.
func (s *Sim) files(r *http.Request, _ Fault) (int, object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.byID[r.PathValue("id")]
	if c == nil || !s.canBeAsked() {
		return http.StatusNotFound, object{"error": "no such case"}, nil
	}
	list := []object{}
	for _, f := range c.files {
		list = append(list, object{"n": f.N, "sha256": f.SHA256, "id": f.ID, "name": f.Name})
	}
	return http.StatusOK, object{"files": list}, nil
}

// most is how many changes are told at a time.
const most = 100

// tell lists what has happened since a cursor, which is how many changes have been told.
func (s *Sim) tell(r *http.Request, _ Fault) (int, object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	told, _ := strconv.Atoi(r.URL.Query().Get("since"))
	told = min(max(told, 0), len(s.changes))
	list := []object{}
	for _, c := range s.changes[told:min(told+most, len(s.changes))] {
		list = append(list, object{
			"id": c.ID, "reference": c.Key, "caseId": c.Case, "word": c.Word, "at": c.At.Format(time.RFC3339Nano),
		})
	}
	return http.StatusOK, object{"changes": list, "next": strconv.Itoa(told + len(list))}, nil
}

// status tells what has happened to one case. It has no ids for it.
func (s *Sim) status(r *http.Request, _ Fault) (int, object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.byID[r.PathValue("id")]
	if c == nil {
		return http.StatusNotFound, object{"error": "no such case"}, nil
	}
	history := []object{}
	for _, e := range s.changes {
		if e.Case == c.ID {
			history = append(history, object{"word": e.Word, "at": e.At.Format(time.RFC3339Nano)})
		}
	}
	return http.StatusOK, object{"history": history}, nil
}
