package web

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/hub/seal"
)

// A login leads a browser to the e-ID provider and back. What we must know of it when it
// comes back waits in a cookie of that browser, sealed under the state that the provider
// carries: neither of the two alone is worth anything, nothing is kept here, and whoever
// comes back with somebody else's state has no cookie that it opens.

// An attempt is one login on its way, as its cookie holds it.
type attempt struct {
	Nonce    string    `json:"nonce"`    // that the provider's word must be for
	Verifier string    `json:"verifier"` // of PKCE: without it the code is worth nothing
	To       string    `json:"to"`       // which of our pages it leads to
	Until    time.Time `json:"until"`
}

const (
	attemptCookie  = "__Host-login-" // and a part of its own, so that two logins may go on at once
	attemptLasts   = 10 * time.Minute
	attemptsAtOnce = 4 // in one browser
)

// usualPage is where a login leads that was not asked for by a page.
const usualPage = "/mina-arenden"

// beginLogin leads a browser to the e-ID provider.
func (s *Server) beginLogin(c *call) error {
	if err := s.admitLogin(c); err != nil {
		return err
	}
	to, err := whereTo(c.r.URL.RawQuery)
	if err != nil {
		return err
	}
	known, err := s.provider.meet(c.r.Context())
	if err != nil {
		return s.unavailable(c, err)
	}
	state := newSecret()
	a := attempt{
		Nonce: encodeSecret(newSecret()), Verifier: encodeSecret(newSecret()),
		To: to, Until: s.Hub.Clock().Add(attemptLasts),
	}
	value, err := a.seal(state)
	if err != nil {
		return err
	}
	if begun := attemptsIn(c.r); len(begun) >= attemptsAtOnce {
		for _, name := range begun { // they were left, and cookies make every call heavier
			c.setCookie(name, "", -1)
		}
	}
	c.setCookie(attemptCookieOf(state), value, attemptLasts)
	return c.seeOther(known.address(encodeSecret(state), a, string(s.tongueOf(c))))
}

// finishLogin is where the provider sends a browser back to.
func (s *Server) finishLogin(c *call) error {
	if err := s.admitLogin(c); err != nil {
		return err
	}
	back, err := readReturn(c.r.URL.RawQuery)
	if err != nil {
		return err
	}
	a, err := s.attemptOf(c.r, back.state)
	if err != nil {
		return err
	}
	c.setCookie(attemptCookieOf(back.state), "", -1)
	who, err := s.identify(c.r.Context(), back, a)
	if err != nil {
		return s.unavailable(c, err)
	}
	if err := s.beginSession(c, who); err != nil {
		return err
	}
	return c.seeOther(a.To)
}

// admitLogin stands before all that costs the provider something, or shows a code.
func (s *Server) admitLogin(c *call) error {
	if s.Login == nil {
		return refusal("not-found")
	}
	c.w.Header().Set("Referrer-Policy", "no-referrer") // the address may hold a code and a state
	if !s.peers.allow(s.peerOf(c.r), s.Hub.Clock()) {
		return retryLater("rate-limited", "10")
	}
	return nil
}

// identify makes a person of what the provider sent a browser back with.
func (s *Server) identify(ctx context.Context, back providersReturn, a attempt) (identity, error) {
	known, err := s.provider.meet(ctx)
	if err != nil {
		return identity{}, err
	}
	if back.iss != "" && back.iss != s.Login.Issuer || back.iss == "" && known.saysIssuer {
		return identity{}, loginFailed("iss")
	}
	if back.failure != "" {
		return identity{}, refusedThere(back.failure)
	}
	return known.identify(ctx, back.code, a)
}

// unavailable tells a citizen in plain words that the provider cannot be used, and the log
// why; a refusal is handed on.
func (s *Server) unavailable(c *call, err error) error {
	var refused *problem
	if errors.As(err, &refused) {
		s.Hub.Log.Info("a login was refused", "request", c.id, "problem", refused.slug, "code", refused.code)
		return err
	}
	s.Hub.Log.Warn("the e-ID provider cannot be used", "request", c.id, "error", err)
	return retryLater("login-unavailable", "30")
}

// loginFailed gives the problem of a login that must begin anew; code says which rule was
// broken.
func loginFailed(code string) *problem {
	p := refusal("login-failed")
	p.code = code
	return p
}

// isOfLogin reports whether a problem is one that logging in, once more, may help against.
func isOfLogin(slug string) bool {
	switch slug {
	case "not-logged-in", "login-failed", "login-cancelled", "login-unavailable", "login-without-number", "acr-too-low":
		return true
	}
	return false
}

// refusedThere gives the problem of a login that the provider did not carry through.
func refusedThere(failure string) error {
	switch failure {
	case "access_denied":
		return refusal("login-cancelled")
	case "unmet_authentication_requirements":
		return refusal("acr-too-low")
	case "server_error", "temporarily_unavailable":
		return errors.New("it says that it cannot answer at the moment")
	}
	return loginFailed("refused")
}

// ownPath is what a path of our pages looks like: nothing escaped, nothing that could mean
// another host.
var ownPath = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)+$`)

// whereTo reads where a login is to lead: one of our own pages, and nothing else may be
// asked for.
func whereTo(query string) (string, error) {
	refused := refusal("validation-failed")
	refused.status, refused.code = http.StatusBadRequest, "to"
	values, err := url.ParseQuery(query)
	if err != nil {
		return "", refused
	}
	for name, said := range values {
		if name != "to" && name != "lang" || len(said) > 1 {
			return "", refused
		}
	}
	to := values.Get("to")
	switch {
	case to == "":
		return usualPage, nil
	case len(to) > 200, !ownPath.MatchString(to), !isClean(to), strings.HasPrefix(to, "/login"):
		return "", refused
	}
	return to, nil
}

// A providersReturn is what a browser comes back with.
type providersReturn struct {
	state   [32]byte
	code    string
	iss     string // who says so (RFC 9207); "" where the provider does not
	failure string // in place of a code
}

// readReturn reads it. What is said twice could be understood in two ways; what is not
// known is passed over, as OAuth wants it.
func readReturn(query string) (back providersReturn, err error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return back, loginFailed("query")
	}
	for _, said := range values {
		if len(said) > 1 {
			return back, loginFailed("query")
		}
	}
	state, ok := decodeSecret(values.Get("state"))
	if !ok {
		return back, loginFailed("state")
	}
	back = providersReturn{state, values.Get("code"), values.Get("iss"), values.Get("error")}
	if (back.code == "") == (back.failure == "") {
		return back, loginFailed("code")
	}
	return back, nil
}

func (a attempt) seal(state [32]byte) (string, error) {
	text, err := json.Marshal(a)
	if err != nil {
		return "", errors.New("a login cannot be written as JSON")
	}
	sealed, err := seal.HolderOf(state, "login").Seal(text)
	return base64.RawURLEncoding.EncodeToString(sealed), err
}

// attemptOf finds the login that a browser comes back from.
func (s *Server) attemptOf(r *http.Request, state [32]byte) (attempt, error) {
	shown := r.CookiesNamed(attemptCookieOf(state))
	if len(shown) != 1 {
		return attempt{}, loginFailed("cookie")
	}
	a, ok := openAttempt(shown[0].Value, state)
	if !ok {
		return attempt{}, loginFailed("cookie")
	}
	if !s.Hub.Clock().Before(a.Until) {
		return attempt{}, loginFailed("expired")
	}
	return a, nil
}

// openAttempt opens a cookie's value, if it was sealed under the state.
func openAttempt(value string, state [32]byte) (a attempt, ok bool) {
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(value)
	if err != nil {
		return attempt{}, false
	}
	text, err := seal.HolderOf(state, "login").Open(sealed)
	if err != nil || json.Unmarshal(text, &a) != nil {
		return attempt{}, false
	}
	return a, true
}

// attemptCookieOf names the cookie of a login, and tells nothing of its state.
func attemptCookieOf(state [32]byte) string {
	sum := sha256.Sum256(state[:])
	return attemptCookie + base64.RawURLEncoding.EncodeToString(sum[:6])
}

// attemptsIn names the cookies of the logins that a browser has begun.
func attemptsIn(r *http.Request) (names []string) {
	for _, cookie := range r.Cookies() {
		if strings.HasPrefix(cookie.Name, attemptCookie) && !slices.Contains(names, cookie.Name) {
			names = append(names, cookie.Name)
		}
	}
	return names
}

// same compares without telling by its time how far it came.
func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
