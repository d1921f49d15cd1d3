package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/time/rate"

	"github.com/knutpunkt/knutpunkt/hub"
)

// An Operator is a person who may decide about what rests with people.
type Operator struct {
	Name           string
	Municipalities []hub.Municipality // "*" for every one of the configuration
	Secret         hub.Secret
}

// A colleague is an operator as she is recognised, and held back when somebody guesses
// at her secret.
type colleague struct {
	Operator
	token   [sha256.Size]byte
	guesses *rate.Limiter
}

// How often somebody may show the wrong secret: some times at once, and then now and then.
const (
	guessesAtOnce = 10
	guessesPer    = rate.Limit(0.2) // a second
)

// AllowOperators lets these persons decide, and no others from now on.
func (s *Server) AllowOperators(operators []Operator) {
	colleagues := make([]*colleague, len(operators))
	for i, o := range operators {
		colleagues[i] = &colleague{o, sha256.Sum256([]byte(o.Secret.Reveal())), rate.NewLimiter(guessesPer, guessesAtOnce)}
	}
	s.colleagues.Store(&colleagues)
}

// forMachines are the addresses that nobody needs to be protected from: what watches the
// hub may know it by any name.
var forMachines = []string{"/healthz", "/readyz", "/metrics"}

// admitOperator lets a call in on the operators' listener. A page of another site must
// not get at it by giving its own name our address, so all that people use answers only
// to an address, or to localhost; and nobody else's page makes a decision.
func (s *Server) admitOperator(c *call) error {
	if slices.Contains(forMachines, c.route) {
		return nil
	}
	if !isAddress(c.r.Host) || isForeign(c.r) && !isNavigation(c.r) {
		return refusal("cross-origin")
	}
	return s.signIn(c)
}

func isAddress(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil || host == "localhost"
}

// isNavigation reports whether somebody follows a link to here.
func isNavigation(r *http.Request) bool {
	return r.Header.Get("Sec-Fetch-Mode") == "navigate" && (r.Method == http.MethodGet || r.Method == http.MethodHead)
}

// signIn finds out who calls, where the call says so. Then all that she sees is confined
// to her municipalities; who does not say sees what the host's administrator sees.
func (s *Server) signIn(c *call) error {
	c.operator, c.as = "", s.Options.Operator
	if c.r.Header.Get("Authorization") == "" || !s.hasOperators() {
		return nil
	}
	if !s.isSecure(c.r) {
		return refusal("insecure-transport")
	}
	name, secret, _ := c.r.BasicAuth()
	found, guesses := s.colleague(name, secret)
	now := s.Hub.Clock()
	if guesses.TokensAt(now) < 1 { // not even the right secret, or guessing would go on
		return retryLater("rate-limited", "5")
	}
	if found == nil {
		guesses.AllowN(now, 1)
		s.Hub.Log.Warn("an operator was not let in", "request", c.id)
		return challenge()
	}
	c.operator, c.as = found.Name, s.viewerOf(found.Operator)
	return nil
}

// colleague gives who has a name and a secret, or nil, and how often her secret, or that
// of nobody, may be guessed at. It takes the same time for every secret.
func (s *Server) colleague(name, secret string) (found *colleague, guesses *rate.Limiter) {
	shown := sha256.Sum256([]byte(secret))
	guesses = s.strangers
	for _, o := range *s.colleagues.Load() {
		right := subtle.ConstantTimeCompare(o.token[:], shown[:]) == 1
		if o.Name != name {
			continue
		}
		guesses = o.guesses
		if right {
			found = o
		}
	}
	return found, guesses
}

func (s *Server) hasOperators() bool { return len(*s.colleagues.Load()) > 0 }

func (s *Server) viewerOf(o Operator) hub.Viewer {
	ms := o.Municipalities
	if slices.Contains(ms, "*") {
		ms = slices.Sorted(maps.Keys(s.Hub.Bundle().Municipalities))
	}
	return hub.AsHandler(o.Name, ms...)
}

// challenge asks a browser for a name and a secret.
func challenge() *problem {
	p := refusal("unknown-operator")
	p.header = http.Header{"Www-Authenticate": {`Basic realm="Knutpunkt", charset="UTF-8"`}}
	return p
}

// mustBeOperator refuses who has not said who she is.
func (s *Server) mustBeOperator(c *call) error {
	switch {
	case c.operator != "":
		return nil
	case !s.hasOperators():
		return refusal("no-operators")
	}
	return challenge()
}

// login has a browser ask for a name and a secret, which it then shows on every page, and
// leads back.
func (s *Server) login(c *call) error {
	if err := s.mustBeOperator(c); err != nil {
		return err
	}
	to, back := "/console", c.r.URL.Query().Get("to")
	switch {
	case slices.Contains(consolePages, back):
		to += "/" + back
	case segments["{id}"].MatchString(back):
		to += "/cases/" + back
	}
	return c.seeOther(to)
}

// consolePages are the console's pages beside the work list.
var consolePages = []string{"fraga", "driftmeddelanden", "words", "avstamning", "system"}

// seeOther sends a browser on to one of our own pages.
func (c *call) seeOther(to string) error {
	c.w.Header().Set("Location", to)
	c.w.WriteHeader(http.StatusSeeOther)
	return nil
}
