// Package exercisesim is the system that the guide's tutorial connects: Felanmälan, in which
// people report what is broken in streets and parks. It is made up, and as such systems are:
// it takes XML that fits an XSD, refuses what does not, and answers in JSON, or in XML when
// it is asked to.
//
//	GET  /                           what it wants, what it has taken and how it is, for people
//	GET  /felanmalan-1.0.xsd         the schema of what it takes
//	POST /api/arenden                a report, as XML: 201 and the case
//	GET  /api/arenden?referens=REF   the cases that carry a reference
//	GET  /api/arenden/{nummer}       one case, and how far it has come
//	PUT  /ovning                     how it is to be from now on: one of the Moods
//
// It does not know a report that it gets twice: it takes two. What it took is in a ledger on
// disk before it answers.
package exercisesim

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/simledger"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// Options are what a Sim is made of.
type Options struct {
	Dir   string // where the ledger is kept; "" keeps it in memory only
	Clock func() time.Time
	Token string          // what callers must say as a bearer; "" accepts any
	Pace  []time.Duration // how long after it was taken a case comes to each of the words after the first
}

// A Mood is how the system is.
type Mood string

const (
	Up      Mood = "uppe"        // all is well
	Down    Mood = "nere"        // 503, and nothing is taken
	Forgets Mood = "tappar-svar" // reports are taken, and the answers lost on the way
	Refuses Mood = "nekar"       // 422, and nothing is taken
)

// maxBytes bounds a report.
const maxBytes = 1 << 20

// words are what a case comes to, in order.
var words = []string{"Mottaget", "Planerat", "Åtgärdat"}

// An Entry is a report that was taken. Who made it does not stand in it.
type Entry struct {
	Number   string    `json:"nummer"`
	Key      string    `json:"referens"`
	Category string    `json:"kategori"`
	At       time.Time `json:"inkommen"`
	SHA256   string    `json:"sha256"` // of the document, hexadecimal
}

// A Sim is one such system. It is an http.Handler, and safe for concurrent use.
type Sim struct {
	Options
	schema document.Validator
	ledger *simledger.Ledger[Entry]
	mux    *http.ServeMux

	mu   sync.Mutex
	mood Mood
}

//go:embed felanmalan-1.0.xsd
var files embed.FS

const schemaFile = "felanmalan-1.0.xsd"

// New opens the ledger in o.Dir, if there is one, and is what it was when that was written.
func New(o Options) (*Sim, error) {
	s := &Sim{Options: o, mux: http.NewServeMux(), mood: Up}
	var err error
	if s.schema, err = document.CompileXSD(files, schemaFile); err != nil {
		return nil, err
	}
	if s.ledger, err = simledger.Open[Entry](o.Dir, "felanmalan.jsonl"); err != nil {
		return nil, err
	}
	s.mux.HandleFunc("GET /{$}", s.show)
	s.mux.HandleFunc("GET /"+schemaFile, func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, files, schemaFile) })
	s.mux.HandleFunc("PUT /ovning", s.change)
	s.mux.HandleFunc("POST /api/arenden", s.asked(s.take))
	s.mux.HandleFunc("GET /api/arenden", s.asked(s.find))
	s.mux.HandleFunc("GET /api/arenden/{nummer}", s.asked(s.status))
	return s, nil
}

// Close closes the ledger.
func (s *Sim) Close() error { return s.ledger.Close() }

// Ledger gives all that has been taken, in order.
func (s *Sim) Ledger() []Entry { return s.ledger.Entries() }

// Feel changes how the system is.
func (s *Sim) Feel(m Mood) error {
	if !slices.Contains([]Mood{Up, Down, Forgets, Refuses}, m) {
		return errors.New("there is no such mood")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mood = m
	return nil
}

func (s *Sim) feels() Mood {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mood
}

// ServeHTTP answers one call.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// An object is what an answer says, in order: a JSON object, or an XML element.
type object = document.Object

// asked lets a program's call in, when the system is up and the caller is known.
func (s *Sim) asked(do func(r *http.Request) (status int, answer object)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case s.feels() == Down:
			w.Header().Set("Retry-After", "2")
			say(w, r, http.StatusServiceUnavailable, wrong("systemet är stängt"))
		case s.Token != "" && r.Header.Get("Authorization") != "Bearer "+s.Token:
			say(w, r, http.StatusUnauthorized, wrong("okänd avsändare"))
		default:
			status, answer := do(r)
			if status == http.StatusCreated && s.feels() == Forgets {
				panic(http.ErrAbortHandler)
			}
			say(w, r, status, answer)
		}
	}
}

func wrong(text string) object { return object{{Name: "fel", Value: text}} }

// take takes a report, if it fits the schema.
func (s *Sim) take(r *http.Request) (int, object) {
	text, err := io.ReadAll(io.LimitReader(r.Body, maxBytes))
	switch {
	case err != nil:
		return http.StatusBadRequest, wrong("anmälan gick inte att läsa")
	case !strings.Contains(r.Header.Get("Content-Type"), "xml"):
		return http.StatusUnsupportedMediaType, wrong("anmälan ska vara XML")
	case s.feels() == Refuses:
		return http.StatusUnprocessableEntity, wrong("inga anmälningar tas emot i dag")
	}
	if err := s.schema.Validate(text); err != nil {
		return http.StatusUnprocessableEntity, wrong(err.Error())
	}
	root, err := document.ReadXML(bytes.NewReader(text), document.Limits{})
	if err != nil {
		return http.StatusBadRequest, wrong("anmälan är inte XML")
	}
	e, err := s.record(field(root, "Referens"), field(root, "Kategori"), text)
	if err != nil {
		return http.StatusInternalServerError, wrong("anmälan gick inte att spara")
	}
	return http.StatusCreated, s.view(e)
}

// field gives the text of the root's child of a name.
func field(root *document.Element, name string) string {
	for _, child := range root.Children {
		if _, local, prefixed := strings.Cut(child.Name, ":"); child.Name == name || prefixed && local == name {
			return strings.TrimSpace(child.Text)
		}
	}
	return ""
}

// record makes an entry durable.
func (s *Sim) record(key, category string, text []byte) (Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sum, now := sha256.Sum256(text), s.Clock()
	e := Entry{
		Number: fmt.Sprintf("FEL-%05d", len(s.ledger.Entries())+1),
		Key:    key, Category: category, At: now, SHA256: hex.EncodeToString(sum[:]),
	}
	return e, s.ledger.Append(e)
}

// find lists the cases that carry a reference.
func (s *Sim) find(r *http.Request) (int, object) {
	found := []any{}
	for _, e := range s.Ledger() {
		if e.Key == r.URL.Query().Get("referens") {
			found = append(found, s.view(e))
		}
	}
	return http.StatusOK, object{{Name: "arenden", Value: found}}
}

// status gives one case.
func (s *Sim) status(r *http.Request) (int, object) {
	for _, e := range s.Ledger() {
		if e.Number == r.PathValue("nummer") {
			return http.StatusOK, s.view(e)
		}
	}
	return http.StatusNotFound, wrong("det finns inget sådant ärende")
}

// view is a case as it is now.
func (s *Sim) view(e Entry) object {
	word, since := s.wordOf(e)
	return object{
		{Name: "nummer", Value: e.Number}, {Name: "referens", Value: e.Key}, {Name: "kategori", Value: e.Category},
		{Name: "inkommen", Value: e.At.Format(time.RFC3339)}, {Name: "status", Value: word}, {Name: "andrad", Value: since.Format(time.RFC3339)},
	}
}

// wordOf gives how far a case has come, and since when.
func (s *Sim) wordOf(e Entry) (string, time.Time) {
	word, since := words[0], e.At
	for i, after := range s.Pace {
		if at := e.At.Add(after); i+1 < len(words) && !s.Clock().Before(at) {
			word, since = words[i+1], at
		}
	}
	return word, since
}

// say answers in JSON, or in XML where that is what is asked for.
func say(w http.ResponseWriter, r *http.Request, status int, answer object) {
	kind := "application/json"
	body, err := document.WriteJSON(answer)
	if accept := r.Header.Get("Accept"); strings.Contains(accept, "xml") && !strings.Contains(accept, "json") {
		kind = "application/xml; charset=utf-8"
		body, err = document.WriteXML(element("svar", answer), document.Style{})
	}
	if err != nil {
		http.Error(w, "Internal Server Error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	w.Write(body)
}

// element makes XML of an answer: a list is its element, repeated.
func element(name string, answer object) *document.Element {
	e := &document.Element{Name: name}
	for _, m := range answer {
		switch v := m.Value.(type) {
		case string:
			e.Children = append(e.Children, &document.Element{Name: m.Name, Text: v})
		case []any:
			for _, item := range v {
				e.Children = append(e.Children, element(strings.TrimSuffix(m.Name, "n"), item.(object)))
			}
		}
	}
	return e
}

// change has the system be in another mood.
func (s *Sim) change(w http.ResponseWriter, r *http.Request) {
	text, _ := io.ReadAll(io.LimitReader(r.Body, 100))
	if err := s.Feel(Mood(strings.TrimSpace(string(text)))); err != nil {
		http.Error(w, fmt.Sprintf("Systemet kan vara %s, %s, %s eller %s.", Up, Down, Forgets, Refuses), http.StatusBadRequest)
		return
	}
	fmt.Fprintf(w, "Systemet är nu: %s\n", s.feels())
}

// show tells people what the system wants, and what it has taken.
func (s *Sim) show(w http.ResponseWriter, _ *http.Request) {
	var text strings.Builder
	fmt.Fprintf(&text, `Felanmälan 1.0, ett påhittat system att öva på. Det är just nu: %s

POST /api/arenden               en anmälan, XML enligt /%s; svaret är ärendet
GET  /api/arenden?referens=…    ärendena med en referens
GET  /api/arenden/NUMMER        ett ärende
Svaren är JSON, eller XML för den som frågar efter det med Accept. Ett ärende har nummer,
referens, kategori, inkommen, status (%s) och andrad, tiden då det fick den.
Två anmälningar med samma referens blir två ärenden.

PUT  /ovning                    %s, %s, %s eller %s: så är systemet därefter

`, s.feels(), schemaFile, strings.Join(words, ", "), Up, Down, Forgets, Refuses)
	entries := s.Ledger()
	fmt.Fprintf(&text, "Mottagna anmälningar: %d\n", len(entries))
	for _, e := range entries {
		word, _ := s.wordOf(e)
		fmt.Fprintf(&text, "%s  %-9s  %-8s  %s\n", e.Number, e.Category, word, e.Key)
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	io.WriteString(w, text.String())
}
