// Package oepsim is an Open ePlatform for the demo and the tests. Citizens fill in
// its two forms, it posts them to the hub as a good platform does, and it answers
// over REST and SOAP as a platform answers. What it is sent is held against a schema
// of its own, it refuses what a platform would refuse, and it remembers what it was
// told in a ledger that outlives it.
package oepsim

import (
	"crypto/subtle"
	"embed"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/simledger"
	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// Options are what a simulated platform is made of.
type Options struct {
	Dir            string           // of the ledger; "" keeps it in memory
	Clock          func() time.Time // required
	User, Password string           // of the account that may call; "" takes anybody

	// Wait is what Submit waits for between two tries; nil means time.After.
	Wait func(time.Duration) <-chan time.Time
}

// A Sim is the platform. It is an http.Handler.
type Sim struct {
	Options
	mux      *http.ServeMux
	envelope document.Validator
	closed   chan struct{}

	mu        sync.Mutex
	ledger    *simledger.Ledger[Entry]
	instances map[int]*instance
	events    int // the last eventID that was given
	once      []Fault
	lasting   []Fault
}

// An instance is a form that a citizen has sent in.
type instance struct {
	form      Form // the latest version
	status    string
	confirmed bool
	added     time.Time
}

//go:embed envelope.xsd callback.xsd
var schemas embed.FS

// New opens a platform, with what its ledger remembers.
func New(o Options) (*Sim, error) {
	if o.Wait == nil {
		o.Wait = time.After
	}
	s := &Sim{Options: o, closed: make(chan struct{}), instances: map[int]*instance{}}
	var err error
	if s.envelope, err = document.CompileXSD(schemas, "envelope.xsd"); err != nil {
		return nil, err
	}
	if s.ledger, err = simledger.Open[Entry](o.Dir, "oepsim.jsonl"); err != nil {
		return nil, err
	}
	for _, e := range s.ledger.Entries() {
		s.apply(e)
	}
	s.mux = s.routes()
	return s, nil
}

// Close lets go of the ledger and of everybody who was left hanging.
func (s *Sim) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.closed:
		return nil
	default:
		close(s.closed)
	}
	return s.ledger.Close()
}

// Ledger gives everything that has happened, oldest first.
func (s *Sim) Ledger() []Entry { return s.ledger.Entries() }

// Status gives the name of an instance's status, as its citizen reads it.
func (s *Sim) Status(instance int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := s.instances[instance]; i != nil {
		return i.status
	}
	return ""
}

// Unanswered gives the forms that were sent in and that no hub has answered for, in
// order: what a platform goes on posting after a restart.
func (s *Sim) Unanswered() []Form {
	s.mu.Lock()
	defer s.mu.Unlock()
	var waiting []Form
	for _, e := range s.ledger.Entries() {
		switch e.What {
		case SentIn:
			waiting = append(waiting, e.form())
		case Posted:
			waiting = slices.DeleteFunc(waiting, func(f Form) bool {
				return f.Instance == e.Instance && f.Version == e.Version
			})
		}
	}
	return waiting
}

// A Fault is something that a platform does at times.
type Fault string

const (
	FaultText   Fault = "500-fault"    // the callback does nothing and answers a fault that nobody promised
	Busy        Fault = "503"          // anything answers 503, Retry-After: 7
	Hang        Fault = "hang"         // anything is heard and not answered until the caller gives up
	ReplyLost   Fault = "reply-lost"   // the callback does what it was asked, and then the line is cut
	LoginPage   Fault = "login-page"   // anything answers 200 and a page
	XML11       Fault = "xml-1.1"      // getinstance gives the form as XML 1.1 in UTF-8
	BareList    Fault = "bare-list"    // getinstances answers without a prolog
	TwiceInList Fault = "twice"        // getinstances lists the first instance twice
	FileGone    Fault = "file-gone"    // getfile answers 404
	OtherBytes  Fault = "other-bytes"  // getfile gives other bytes than the form announced
	CutShort    Fault = "cut-short"    // getfile breaks off in the middle
	PrintBroken Fault = "print-broken" // getinstance gives a page where a PDF should be
)

// Fail makes each fault happen once, at the first request that it can happen to.
func (s *Sim) Fail(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.once = append(s.once, faults...)
}

// Break makes faults happen at every request until Heal.
func (s *Sim) Break(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lasting = append(s.lasting, faults...)
}

// Heal ends all faults.
func (s *Sim) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.once, s.lasting = nil, nil
}

// fails reports whether a fault is to happen now, and uses up one that happens once.
func (s *Sim) fails(f Fault) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(s.lasting, f) {
		return true
	}
	i := slices.Index(s.once, f)
	if i >= 0 {
		s.once = slices.Delete(s.once, i, i+1)
	}
	return i >= 0
}

// record makes an entry durable and then true. The caller holds mu.
func (s *Sim) record(e Entry) error {
	e.At = s.Clock()
	if s.ledger.Append(e) != nil {
		return errNotRecorded
	}
	s.apply(e)
	return nil
}

// apply makes an entry of the ledger true.
func (s *Sim) apply(e Entry) {
	i := s.instances[e.Instance]
	switch {
	case e.What == SentIn && i == nil:
		f := e.form()
		s.instances[e.Instance] = &instance{form: f, status: f.Kind.flow().Statuses[0].Name, added: e.Submitted}
	case e.What == SentIn:
		i.form = e.form()
	case e.What == StatusSet && i != nil:
		i.status = e.Word
		s.events = max(s.events, e.Event)
	case e.What == EventAdded:
		s.events = max(s.events, e.Event)
	case e.What == Confirmed && i != nil:
		i.confirmed = true
	}
}

func (s *Sim) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/callback", s.callback)
	mux.HandleFunc("GET /api/fileuploadqueryapi/getfile/{instance}/{query}/{file}", s.getFile)
	mux.HandleFunc("GET /api/instanceapi/getinstance/{instance}/{as}", s.getInstance)
	mux.HandleFunc("GET /api/instanceapi/getstatus/{instance}", s.getStatus)
	mux.HandleFunc("GET /api/instanceapi/getinstances/family/{family}", s.getInstances)
	mux.HandleFunc("GET /api/instanceapi/getinstances/family/{family}/{status}", s.getInstances)
	return mux
}

func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case !s.knows(r):
		w.Header().Set("WWW-Authenticate", `Basic realm="Open ePlatform"`)
		http.Error(w, "Unauthorized", http.StatusUnauthorized)
	case s.fails(Busy):
		w.Header().Set("Retry-After", "7")
		http.Error(w, "Service Unavailable", http.StatusServiceUnavailable)
	case s.fails(LoginPage):
		page(w)
	case s.fails(Hang):
		s.hang(r)
	default:
		s.mux.ServeHTTP(w, r)
	}
}

func (s *Sim) knows(r *http.Request) bool {
	user, password, _ := r.BasicAuth()
	given, right := []byte(user+"\n"+password), []byte(s.User+"\n"+s.Password)
	return s.User == "" || subtle.ConstantTimeCompare(given, right) == 1
}

func page(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html; charset=ISO-8859-1")
	fmt.Fprint(w, "<!DOCTYPE html><html><head><title>Logga in</title></head><body>Logga in</body></html>")
}

// hang takes in the whole request, since a server does not see a caller leave before
// that, and then waits for the caller to leave.
func (s *Sim) hang(r *http.Request) {
	readAll(r)
	select {
	case <-r.Context().Done():
	case <-s.closed:
	}
}

// find gives the instance that a request names. The caller holds mu.
func (s *Sim) find(number string) *instance {
	n, err := strconv.Atoi(number)
	if err != nil {
		return nil
	}
	return s.instances[n]
}

var errNotRecorded = errors.New("the ledger could not be written")

// stockholm is how a platform writes times: without a zone, as Swedish clocks show.
func stockholm(t time.Time) string { return t.In(hub.Stockholm).Format("2006-01-02T15:04:05") }
