package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A system is one kind of business system, as every municipality has it: small, honest about what it
// has taken, and able to fail in every way that systems fail. Each has its own cases; all of a kind
// keep one ledger.
type system struct {
	kind   string
	plan   *plan
	ledger *ledger[call]
	hook   *hook
	sink   string // where redirects lead, besides elsewhere
	sunk   *atomic.Int64
	healed atomic.Bool
	script func(call) fault // of a directed scenario, in the place of chance; nil for none
	silent bool             // tells nothing of its cases
	lag    time.Duration    // how long what was made cannot be found

	mu     sync.Mutex
	cases  map[string]*taken   // by the system's own id
	byKey  map[string][]*taken // by municipality and what the document calls itself
	posts  map[string]int      // how often what came, by what it was about
	begun  int                 // documents, answered or not
	news   map[string]*news    // by municipality
	unread int                 // documents that were cut off
}

// taken is a case that a system has made.
type taken struct {
	folder, key string
	number, id  string
	sha256      string // of the document
	at          time.Time
	files       map[int]string
}

// A call is a line of a system's ledger: what came, and what became of it.
type call struct {
	At      time.Time `json:"at"`
	Kind    string    `json:"kind"`
	Folder  string    `json:"folder"`
	What    string    `json:"what"`          // post, file, find
	Key     string    `json:"key,omitempty"` // submission and leg, as the document says
	Form    string    `json:"form,omitempty"`
	Leg     string    `json:"leg,omitempty"`
	SHA256  string    `json:"sha256,omitempty"`
	Nth     int       `json:"nth,omitempty"`  // which post of the key, from 1
	File    int       `json:"file,omitempty"` // which file, from 1
	Fault   fault     `json:"fault,omitempty"`
	Stored  bool      `json:"stored,omitempty"`
	Number  string    `json:"number,omitempty"`
	ID      string    `json:"id,omitempty"`
	Header  string    `json:"header,omitempty"` // Idempotency-Key
	Foreign string    `json:"foreign,omitempty"`
	Body    string    `json:"body,omitempty"` // of a document that is not what it should be
}

func newSystem(kind string, p *plan, l *ledger[call], h *hook, sink string, sunk *atomic.Int64) *system {
	return &system{
		kind: kind, plan: p, ledger: l, hook: h, sink: sink, sunk: sunk, lag: lag, cases: map[string]*taken{},
		byKey: map[string][]*taken{}, posts: map[string]int{}, news: map[string]*news{},
	}
}

// heal ends all faults.
func (s *system) heal() { s.healed.Store(true) }

// ServeHTTP answers below the folder of each municipality.
func (s *system) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case len(parts) == 2 && parts[1] == elsewhere: // a redirect was followed
		s.sunk.Add(1)
		writeJSON(w, http.StatusCreated, map[string]string{"number": "SUNK", "id": "sunk"})
	case len(parts) == 2 && parts[1] == "cases" && r.Method == http.MethodPost:
		s.post(w, r, parts[0])
	case len(parts) == 2 && parts[1] == "cases":
		s.find(w, r, parts[0])
	case len(parts) == 2 && parts[1] == "changes":
		s.changes(w, r, parts[0])
	case len(parts) == 5 && parts[3] == "files" && r.Method == http.MethodPut:
		s.putFile(w, r, parts[2], parts[4])
	case len(parts) == 4 && parts[3] == "files":
		s.listFiles(w, parts[2])
	default:
		http.NotFound(w, r)
	}
}

// A document is what the harness reads of one to know what it is about.
type document struct {
	Reference, Form, Version, Leg, Submission, Municipality, Canary string
}

func (s *system) post(w http.ResponseWriter, r *http.Request, folder string) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 8<<20))
	if err != nil { // it was cut off on its way: nothing is made of half a document
		s.mu.Lock()
		s.unread++
		s.mu.Unlock()
		panic(http.ErrAbortHandler)
	}
	c := s.read(folder, body)
	c.Header = r.Header.Get("Idempotency-Key")
	c.Fault = s.fault(&c)
	answer := s.take(&c, body)
	if err := s.ledger.add(c); err != nil {
		panic(http.ErrAbortHandler) // what is not in the ledger has not happened
	}
	s.hook.reached(duringSend)
	c.Fault.answer(w, r, s.sink, answer)
	if c.Fault == "" || c.Fault == trickle {
		http.NewResponseController(w).Flush()
		s.hook.reached(afterAnswer)
	}
}

func (s *system) read(folder string, body []byte) call {
	c := call{At: time.Now(), Kind: s.kind, Folder: folder, What: "post", SHA256: hexSHA256(body)}
	var d document
	if json.Unmarshal(body, &d) != nil || d.Form == "" {
		c.Body = string(body)
	}
	c.Key, c.Form, c.Leg = d.Submission+"-"+d.Leg, d.Form+"@"+d.Version, d.Leg
	for _, m := range s.plan.municipalities {
		if m.Folder == folder && (m.Canary != d.Canary || m.Code != d.Municipality) {
			c.Foreign = d.Municipality
		}
	}
	return c
}

func (s *system) fault(c *call) fault {
	s.mu.Lock()
	s.begun++
	s.posts[c.Folder+c.Key]++
	c.Nth = s.posts[c.Folder+c.Key]
	script := s.script
	s.mu.Unlock()
	switch {
	case script != nil:
		return script(*c)
	case s.healed.Load():
		return ""
	}
	return drawFault(s.kind, s.plan.chance("fault", s.kind, c.Form, c.Leg, c.Nth), c.Nth)
}

// take makes the case, where the fault lets it, and gives what the system answers.
func (s *system) take(c *call, body []byte) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !c.Fault.stores() {
		return nil
	}
	known := s.byKey[c.Folder+c.Key]
	if s.kind == recognises && len(known) > 0 {
		c.Number, c.ID = known[0].number, known[0].id
		return map[string]string{"number": c.Number, "id": c.ID, "reference": c.Header}
	}
	n := len(s.cases) + 1
	t := &taken{
		folder: c.Folder, key: c.Key, number: fmt.Sprintf("%s %s/%05d", strings.ToUpper(s.kind[:2]), c.Folder, n),
		id: fmt.Sprintf("%s-%d", s.kind[:1], n), sha256: c.SHA256, at: c.At, files: map[int]string{},
	}
	s.cases[t.id], s.byKey[c.Folder+c.Key] = t, append(known, t)
	c.Stored, c.Number, c.ID = true, t.number, t.id
	if !s.silent {
		s.newsOf(c.Folder).about(s, t)
	}
	answer := map[string]string{"number": t.number, "id": t.id, "reference": c.Header}
	if s.kind == tells {
		answer["reference"] = c.Key
	}
	if c.Fault == crossed {
		answer["reference"], answer["number"], answer["id"] = "01KA0000000000000000000001-other", "OTHER/1", "other-1"
	}
	if c.Fault == noNumber {
		delete(answer, "number")
	}
	return answer
}

// find tells what a reference has led to, when it has been there for a while.
func (s *system) find(w http.ResponseWriter, r *http.Request, folder string) {
	key := r.URL.Query().Get("reference")
	s.hook.reached(duringFind)
	s.mu.Lock()
	s.posts["find"+folder+key]++
	nth := s.posts["find"+folder+key]
	found := []map[string]string{}
	for _, t := range s.byKey[folder+key] {
		if time.Since(t.at) >= s.lag*9/10 {
			found = append(found, map[string]string{"number": t.number, "id": t.id, "reference": key})
		}
	}
	s.mu.Unlock()
	c := call{At: time.Now(), Kind: s.kind, Folder: folder, What: "find", Key: key, Nth: nth, Stored: len(found) > 0}
	if !s.healed.Load() && s.plan.chance("find", key, nth) < 0.1 {
		c.Fault = errorBefore
	}
	if s.ledger.add(c) != nil || c.Fault != "" {
		http.Error(w, "Internal Server Error", http.StatusInternalServerError)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"cases": found})
}

func (s *system) putFile(w http.ResponseWriter, r *http.Request, id, place string) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	n, err := strconv.Atoi(place)
	s.mu.Lock()
	t := s.cases[id]
	s.mu.Unlock()
	sum := hexSHA256(body)
	if t == nil || err != nil || r.Header.Get("X-SHA256") != sum {
		http.Error(w, "Bad Request", http.StatusBadRequest)
		return
	}
	c := call{At: time.Now(), Kind: s.kind, Folder: t.folder, What: "file", Key: t.key, File: n, SHA256: sum, ID: id}
	c.Fault = s.fileFault(&c)
	if c.Fault.stores() {
		s.mu.Lock()
		c.Stored, t.files[n] = true, sum
		s.mu.Unlock()
	}
	if s.ledger.add(c) != nil {
		panic(http.ErrAbortHandler)
	}
	s.hook.reached(duringSend)
	c.Fault.answer(w, r, s.sink, map[string]string{"id": fmt.Sprintf("%s-f%d", id, n)})
}

func (s *system) fileFault(c *call) fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	about := fmt.Sprintf("file %s %s %d", c.Folder, c.Key, c.File)
	s.posts[about]++
	c.Nth = s.posts[about]
	if s.healed.Load() || c.Nth > 1 {
		return ""
	}
	switch n := s.plan.chance("file", s.kind, c.Key, c.File); {
	case n < 0.02:
		return errorBefore
	case n < 0.04:
		return lost
	}
	return ""
}

func (s *system) listFiles(w http.ResponseWriter, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	files := []map[string]any{}
	if t := s.cases[id]; t != nil {
		for n, sum := range t.files {
			files = append(files, map[string]any{"n": strconv.Itoa(n), "sha256": sum, "id": fmt.Sprintf("%s-f%d", id, n)})
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{"files": files})
}

func (s *system) changes(w http.ResponseWriter, r *http.Request, folder string) {
	since, _ := strconv.Atoi(r.URL.Query().Get("since"))
	s.mu.Lock()
	told, next := s.newsOf(folder).since(since, time.Now(), s.healed.Load())
	s.mu.Unlock()
	writeJSON(w, http.StatusOK, map[string]any{"changes": told, "next": strconv.Itoa(next)})
	if len(told) > 0 {
		http.NewResponseController(w).Flush()
		s.hook.reached(afterNews)
	}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

// News are what a system tells has happened to its cases, in the order in which it comes to tell it:
// early, twice, and the later before the earlier.
type news struct {
	told   []change
	coming []change
	seq    int
}

// A change is one report, as it is told.
type change struct {
	ID        string    `json:"id"`
	CaseID    string    `json:"caseId"`
	Reference string    `json:"reference,omitempty"`
	Word      string    `json:"word"`
	At        time.Time `json:"at"`

	tell time.Time
}

func (s *system) newsOf(folder string) *news {
	if s.news[folder] == nil {
		s.news[folder] = &news{}
	}
	return s.news[folder]
}

// words are a system's own, in the order in which cases mostly go.
var words = []string{"Registrerat", "Under handläggning", "Komplettering begärd", "Under handläggning", "Beslutat", "Avslutat"}

// ranks are what the words mean to the citizen, as steps and their order.
var ranks = map[string]int{
	"inkommet": 10, "registrerat": 20, "under-handlaggning": 30, "komplettering": 35, "beslutat": 40, "avslutat": 50,
	"Registrerat": 20, "Under handläggning": 30, "Komplettering begärd": 35, "Beslutat": 40, "Avslutat": 50,
}

// about draws what will be told of a case: some of the words, some too early, some twice.
func (n *news) about(s *system, t *taken) {
	far := int(s.plan.chance("far", t.folder, t.key) * float64(len(words)+1))
	for i, word := range words[:far] {
		n.seq++
		c := change{ID: fmt.Sprintf("%s-%s-%d", s.kind[:1], t.folder, n.seq), CaseID: t.id, Word: word, At: t.at.Add(time.Duration(i) * time.Second)}
		if s.kind != forgets {
			c.Reference = t.key
		}
		chance := s.plan.chance("tell", t.folder, t.key, i)
		c.tell = c.At.Add(time.Duration(chance*4000) * time.Millisecond) // beyond a second the order is not that of what happened
		n.coming = append(n.coming, c)
		if chance < 0.2 {
			n.coming = append(n.coming, c) // the same again
		}
	}
	if s.plan.chance("odd", t.folder, t.key) < 0.1 {
		n.seq++
		odd := change{ID: fmt.Sprintf("%s-%s-%d", s.kind[:1], t.folder, n.seq), CaseID: "nobody's", Word: "Vilande", At: t.at, tell: t.at}
		n.coming = append(n.coming, odd)
	}
}

// since gives what has not been told yet. Once everything is healed nothing waits for its time.
func (n *news) since(seq int, now time.Time, all bool) (told []change, next int) {
	slices.SortStableFunc(n.coming, func(a, b change) int { return cmp.Compare(a.tell.UnixNano(), b.tell.UnixNano()) })
	for len(n.coming) > 0 && (all || n.coming[0].tell.Before(now)) {
		n.told, n.coming = append(n.told, n.coming[0]), n.coming[1:]
	}
	seq = min(max(seq, 0), len(n.told))
	return append([]change{}, n.told[seq:min(len(n.told), seq+50)]...), min(len(n.told), seq+50)
}
