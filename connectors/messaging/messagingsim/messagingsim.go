// Package messagingsim is a municipality's messaging system, with the register that knows what persons are
// called in it and the place where tokens are given:
//
//	POST /token                                a token, by client credentials
//	POST /party/{municipality}/PRIVATE/partyIds  what persons are called
//	POST /messaging/{municipality}/messages      messages to them
//
// It refuses what such a system refuses, remembers what it sent in a ledger on disk, and what it sent again,
// and fails in every way that it is told to. It sends nothing to anybody.
package messagingsim

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/simfault"
	"github.com/knutpunkt/knutpunkt/connectors/simledger"
)

// Options are what a Sim is made of.
type Options struct {
	Dir            string // where the ledger is kept; "" keeps it in memory only
	Clock          func() time.Time
	Client, Secret string   // who may have a token; "" lets anybody in without one
	Unknown        []string // personnummer of persons whom it does not know
}

// A Sim is one messaging system. It is an http.Handler, and safe for concurrent use.
type Sim struct {
	Options
	ledger *simledger.Ledger[Entry]
	mux    *http.ServeMux
	faults simfault.Queue[Fault]

	mu     sync.Mutex
	sent   map[string]bool // by party and reference
	tokens map[string]time.Time
}

// An Entry is one message that was sent to somebody.
type Entry struct {
	At        time.Time `json:"at"`
	ID        string    `json:"id"`
	Party     string    `json:"party"`     // what the person is called here, and nowhere else
	Reference string    `json:"reference"` // what the sender calls it
	Text      string    `json:"text"`
	Repeat    bool      `json:"repeat,omitempty"`
}

// New opens the ledger in o.Dir, if there is one, and remembers what is in it.
func New(o Options) (*Sim, error) {
	s := &Sim{Options: o, sent: map[string]bool{}, tokens: map[string]time.Time{}, mux: http.NewServeMux()}
	s.mux.HandleFunc("POST /token", s.at(Token, s.giveToken))
	s.mux.HandleFunc("POST /party/{municipality}/PRIVATE/partyIds", s.at(Parties, s.name))
	s.mux.HandleFunc("POST /messaging/{municipality}/messages", s.at(Messages, s.send))
	var err error
	if s.ledger, err = simledger.Open[Entry](o.Dir, "messages.jsonl"); err != nil {
		return nil, err
	}
	for _, e := range s.ledger.Entries() {
		s.sent[e.Party+" "+e.Reference] = true
	}
	return s, nil
}

// Close closes the ledger.
func (s *Sim) Close() error { return s.ledger.Close() }

// Ledger gives all that has been sent, in order, repeats among it.
func (s *Sim) Ledger() []Entry { return s.ledger.Entries() }

// Sent counts what has been sent to somebody, each thing once.
func (s *Sim) Sent() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sent)
}

// PartyID is what the system calls a person.
func PartyID(number string) string {
	digits := fmt.Sprintf("%x", sha256.Sum256([]byte(number)))
	return fmt.Sprintf("%s-%s-5%s-a%s-%s", digits[:8], digits[8:12], digits[12:15], digits[15:18], digits[18:30])
}

// A Fault is one way to fail. It strikes one call, the next that is made at At.
type Fault struct {
	Way Way
	At  Place // "" means Messages
}

// A Place is one of the calls.
type Place string

const (
	Token    Place = "token"
	Parties  Place = "parties"
	Messages Place = "messages"
)

// A Way to fail.
type Way string

const (
	Passes     Way = ""    // lets one call by
	Busy       Way = "503" // Retry-After: 7
	Refused    Way = "400" // it quotes what came
	Denied     Way = "401"
	Gateway    Way = "502"         // sent all the same
	LoginPage  Way = "page"        // status 200 and a page
	Lost       Way = "lost"        // sent, and the line is cut
	Failed     Way = "FAILED"      // what is said of a message that could not be sent
	NotWanted  Way = "NOT_WANTED"  // she wants none
	NoSettings Way = "NO_SETTINGS" // she has not said where
	NewWord    Way = "NEW_WORD"    // a status that nobody has heard of
	Empty      Way = "empty"       // an answer that names no message
)

// Fail chooses faults, in the order in which they shall strike.
func (s *Sim) Fail(faults ...Fault) { s.faults.Fail(faults...) }

func (s *Sim) fault(at Place) Way {
	return s.faults.Next(func(f Fault) simfault.Terms {
		return simfault.Terms{Fits: f.At == at || f.At == "" && at == Messages}
	}).Way
}

// ServeHTTP answers one call.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// A call answers with a status and what it says.
type call func(r *http.Request, text []byte, f Way) (int, any)

// at makes of a call what answers at a place, with the faults that strike there.
func (s *Sim) at(p Place, do call) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		f := s.fault(p)
		switch {
		case f == Busy:
			w.Header().Set("Retry-After", "7")
			problem(w, http.StatusServiceUnavailable, "")
			return
		case f == Refused:
			problem(w, http.StatusBadRequest, string(text))
			return
		case f == LoginPage:
			simfault.LoginPage(w)
			return
		case f == Denied || p != Token && !s.letsIn(r):
			problem(w, http.StatusUnauthorized, "")
			return
		}
		status, answer := do(r, text, f)
		switch f {
		case Lost:
			panic(http.ErrAbortHandler)
		case Gateway:
			status, answer = http.StatusBadGateway, nil
		}
		if status/100 != 2 {
			problem(w, status, "")
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(answer)
	}
}

func problem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{"title": http.StatusText(status), "status": status, "detail": detail})
}

// tokenLasts is how long a token is good for.
const tokenLasts = 15 * time.Minute

func (s *Sim) giveToken(r *http.Request, text []byte, _ Way) (int, any) {
	client, secret, _ := r.BasicAuth()
	if client != s.Client || secret != s.Secret {
		return http.StatusUnauthorized, nil
	}
	if string(text) != "grant_type=client_credentials" {
		return http.StatusBadRequest, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	token := fmt.Sprintf("token-%d", len(s.tokens)+1)
	s.tokens[token] = s.Clock().Add(tokenLasts)
	return http.StatusOK, map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": int(tokenLasts.Seconds())}
}

// Tokens counts the tokens that have been given.
func (s *Sim) Tokens() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.tokens)
}

func (s *Sim) letsIn(r *http.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	until, given := s.tokens[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
	return s.Client == "" || given && s.Clock().Before(until)
}
