package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/time/rate"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A Client is a platform or a system that may call.
type Client struct {
	Name           string
	Municipalities []hub.Municipality
	Services       []string     // "*" for all
	Secrets        []hub.Secret // any of which it may show, so that they can be changed without a stop
	Systems        []string     // the sources that it may post as, by name or MUNICIPALITY.NAME; none named means any
	Kundhandelser  bool         // it asks for the national Mina ärenden, and does nothing else
	DerivedKey     bool         // it need not send an Idempotency-Key: the platform's own id of the form decides
}

// A caller is a client as it is recognised and held back.
type caller struct {
	Client
	viewer  hub.Viewer
	tokens  [][sha256.Size]byte
	limiter *rate.Limiter
}

// Allow lets these clients call, and no others from now on: a secret that is not
// among theirs is refused at once, and its streams end within 15 s.
func (s *Server) Allow(clients []Client) {
	callers := make([]*caller, len(clients))
	for i, c := range clients {
		callers[i] = &caller{
			Client: c, viewer: hub.AsClient(c.Name, c.Municipalities, c.Services),
			limiter: s.newLimiter(),
		}
		for _, secret := range c.Secrets {
			callers[i].tokens = append(callers[i].tokens, sha256.Sum256([]byte(secret.Reveal())))
		}
	}
	s.callers.Store(&callers)
}

// newLimiter holds one caller back.
func (s *Server) newLimiter() *rate.Limiter {
	return rate.NewLimiter(rate.Limit(s.Rate), int(2*s.Rate)+1)
}

// admitClient lets a call in on the public listener.
func (s *Server) admitClient(c *call) error {
	if !s.isSecure(c.r) {
		return refusal("insecure-transport")
	}
	path := c.r.URL.EscapedPath()
	if !strings.HasPrefix(path, "/v1/") || !isClean(path) {
		return nil // there is nothing to be had there that a client must be known for
	}
	if showsSecret(c.r.URL.RawQuery) {
		return refusal("token-in-query")
	}
	if strings.HasPrefix(path, "/v1/me/") {
		return nil // for citizens, who are no clients: mustBeCitizen stands there
	}
	if path == "/v1/notices" {
		return nil // for everybody
	}
	if c.route == reportPattern {
		return nil // a system's signature says who it is
	}
	if c.client = s.recognise(c.r); c.client == nil {
		p := refusal("unauthorized")
		p.header = http.Header{"Www-Authenticate": {`Bearer realm="knutpunkt"`}}
		return p
	}
	if c.as = c.client.viewer; c.client.Kundhandelser {
		return refusal("forbidden-scope")
	}
	if !c.client.limiter.AllowN(s.Hub.Clock(), 1) {
		return retryLater("rate-limited", "1")
	}
	return nil
}

// recognise gives who shows a token, or nil. It takes the same time for every token,
// known or not.
func (s *Server) recognise(r *http.Request) *caller {
	said := r.Header.Values("Authorization")
	if len(said) != 1 {
		return nil
	}
	scheme, token, _ := strings.Cut(said[0], " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return nil
	}
	shown := sha256.Sum256([]byte(token))
	var found *caller
	for _, c := range *s.callers.Load() {
		for _, t := range c.tokens {
			if subtle.ConstantTimeCompare(t[:], shown[:]) == 1 {
				found = c
			}
		}
	}
	return found
}

// isSecure reports whether nobody on the way could read the call: it came by TLS,
// from this machine, or from a proxy of ours, which must not say that it had it in
// the open. What anybody else says of itself in a header is not looked at.
func (s *Server) isSecure(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	peer, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	peer = peer.Unmap()
	for _, proxy := range s.Proxies {
		if proxy.Contains(peer) {
			return !strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "http")
		}
	}
	return peer.IsLoopback()
}

// isClean reports whether a path says where it leads: nothing empty, no dots.
func isClean(path string) bool {
	for i, segment := range strings.Split(path, "/") {
		if segment == "" && i > 0 || segment == "." || segment == ".." {
			return false
		}
	}
	return true
}

// showsSecret reports whether a query has a name that secrets are given by.
func showsSecret(query string) bool {
	for pair := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(strings.ToLower(pair), "=")
		switch name {
		case "access_token", "token", "api_key", "apikey", "authorization", "bearer", "secret", "key":
			return true
		}
	}
	return false
}

// covers gives why a client may not post a form, or nil. What the form says of itself
// is checked against the client's credential and never trusted.
func (c *caller) covers(m hub.Municipality, service string) error {
	switch {
	case !slices.Contains(c.Municipalities, m):
		return refusal("municipality-mismatch")
	case !c.viewer.Sees(m, service):
		return refusal("forbidden-scope")
	}
	return nil
}

// mayPostAs reports whether a client may post for a source.
func (c *caller) mayPostAs(id hub.SystemID) bool {
	_, name, _ := strings.Cut(string(id), ".")
	return len(c.Systems) == 0 || slices.Contains(c.Systems, name) || slices.Contains(c.Systems, string(id))
}
