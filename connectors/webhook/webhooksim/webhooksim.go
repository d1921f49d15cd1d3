// Package webhooksim is somebody who receives webhooks: it believes those alone that are signed, in
// time, with a secret of its own; it remembers what it heard in a ledger on disk, and what it heard
// again; and it fails in every way that it is told to.
package webhooksim

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/simfault"
	"github.com/knutpunkt/knutpunkt/connectors/simledger"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// Options are what a Sim is made of.
type Options struct {
	Dir     string // where the ledger is kept; "" keeps it in memory only
	Clock   func() time.Time
	Secrets []string // that it believes in, as whsec_…; without any it believes everybody
}

// A Sim is one receiver. It is an http.Handler, and safe for concurrent use.
type Sim struct {
	Options
	ledger *simledger.Ledger[Entry]
	faults simfault.Queue[Fault]

	mu    sync.Mutex
	heard map[string]bool
}

// An Entry is one webhook that was believed.
type Entry struct {
	At     time.Time `json:"at"`
	ID     string    `json:"id"`
	Case   string    `json:"case"`
	Step   string    `json:"step"`
	Repeat bool      `json:"repeat,omitempty"` // one of that id had been heard before
}

// New opens the ledger in o.Dir, if there is one, and remembers what is in it.
func New(o Options) (*Sim, error) {
	s := &Sim{Options: o, heard: map[string]bool{}}
	var err error
	if s.ledger, err = simledger.Open[Entry](o.Dir, "webhooks.jsonl"); err != nil {
		return nil, err
	}
	for _, e := range s.ledger.Entries() {
		s.heard[e.ID] = true
	}
	return s, nil
}

// Close closes the ledger.
func (s *Sim) Close() error { return s.ledger.Close() }

// Ledger gives all that has been heard, in order, repeats among it.
func (s *Sim) Ledger() []Entry { return s.ledger.Entries() }

// Heard counts what has been heard, each thing once.
func (s *Sim) Heard() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.heard)
}

// A Fault is one way to fail.
type Fault string

const (
	Gone      Fault = "410"  // it wants no more
	Busy      Fault = "503"  // Retry-After: 7
	Broken    Fault = "500"  // heard all the same
	Moved     Fault = "302"  // to where nobody should go
	LoginPage Fault = "page" // status 200 and a page
	Lost      Fault = "lost" // heard, and the line is cut
	Endless   Fault = "long" // heard, and an answer of very many bytes
)

// Fail chooses faults, in the order in which they shall strike, one webhook each.
func (s *Sim) Fail(faults ...Fault) { s.faults.Fail(faults...) }

func (s *Sim) fault() Fault { return s.faults.Next(simfault.Once) }

// ServeHTTP takes one webhook.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f := s.fault()
	switch f {
	case Gone:
		http.Error(w, "Gone", http.StatusGone)
		return
	case Busy:
		simfault.Busy(w)
		return
	case Moved:
		w.Header().Set("Location", "http://169.254.169.254/latest/meta-data/")
		w.WriteHeader(http.StatusFound)
		return
	case LoginPage:
		simfault.LoginPage(w)
		return
	}
	text, err := io.ReadAll(io.LimitReader(r.Body, largest+1))
	switch {
	case err != nil:
		panic(http.ErrAbortHandler)
	case r.Method != http.MethodPost || len(text) > largest:
		http.Error(w, "a webhook is a POST of less than 20 kB", http.StatusBadRequest)
		return
	case !s.believes(r.Header, text):
		http.Error(w, "the webhook is not signed with a secret of ours, now", http.StatusUnauthorized)
		return
	}
	if status := s.hear(r.Header.Get("webhook-id"), text); status != http.StatusNoContent {
		http.Error(w, http.StatusText(status), status)
		return
	}
	switch f {
	case Lost:
		panic(http.ErrAbortHandler)
	case Broken:
		http.Error(w, "Internal Server Error", http.StatusInternalServerError)
	case Endless:
		for range 1 << 14 {
			io.WriteString(w, strings.Repeat("ok ", 1<<10))
		}
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

const (
	largest = 20 << 10        // bytes of a webhook
	window  = 5 * time.Minute // how far from now it may have been signed
)

// believes holds a webhook's signatures against the secrets.
func (s *Sim) believes(h http.Header, text []byte) bool {
	seconds, err := strconv.ParseInt(h.Get("webhook-timestamp"), 10, 64)
	if err != nil || s.Clock().Sub(time.Unix(seconds, 0)).Abs() > window {
		return false
	}
	if len(s.Secrets) == 0 {
		return true
	}
	signed := append([]byte(h.Get("webhook-id")+"."+h.Get("webhook-timestamp")+"."), text...)
	shown := strings.Fields(h.Get("webhook-signature"))
	return slices.ContainsFunc(s.Secrets, func(secret string) bool {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		if err != nil {
			return false
		}
		mac := hmac.New(sha256.New, key)
		mac.Write(signed)
		return slices.Contains(shown, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	})
}

// hear remembers a webhook, and gives the status to answer with.
func (s *Sim) hear(id string, text []byte) int {
	if _, err := document.ReadJSON(text, document.Limits{Bytes: largest}); err != nil {
		return http.StatusUnprocessableEntity
	}
	var said struct {
		Type      string
		Timestamp time.Time
		Data      struct{ Case, Submission, Step string }
	}
	if json.Unmarshal(text, &said) != nil || said.Type == "" || said.Timestamp.IsZero() || said.Data.Case == "" ||
		said.Data.Submission == "" || said.Data.Step == "" || id == "" {
		return http.StatusUnprocessableEntity
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e := Entry{At: s.Clock(), ID: id, Case: said.Data.Case, Step: said.Data.Step, Repeat: s.heard[id]}
	if s.ledger.Append(e) != nil {
		return http.StatusInternalServerError
	}
	s.heard[id] = true
	return http.StatusNoContent
}
