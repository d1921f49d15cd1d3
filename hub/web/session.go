package web

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/seal"
)

// A citizen's session is a random secret in her browser's cookie, and a row in the Store
// that is found by the secret's hash and opened by the secret. The row survives a restart;
// alone it tells neither who is logged in nor how to seem so.

// sessionCookie holds the secret. By its name browsers keep it to this very host, over
// TLS, for every path. Over plain HTTP from the very machine, as in the demo, Chromium takes
// it all the same; a browser that does not, such as Safari, cannot log in there.
const sessionCookie = "__Host-session"

// How long a session lasts: after its last use, and in all. Each use is noted at most once
// in a while, so that reading pages does not write as often.
const (
	idle       = 15 * time.Minute
	longest    = 8 * time.Hour
	notedEvery = time.Minute
)

// sealedPerson is what a session's row holds, sealed.
type sealedPerson struct {
	Person string   `json:"person"`
	Before []string `json:"before,omitempty"` // numbers that she had earlier
	Level  string   `json:"level"`
}

// loggedIn gives who a call's cookie says is logged in, or ErrNotFound.
func (s *Server) loggedIn(r *http.Request) (*citizen, error) {
	secret, ok := shownSecret(r)
	if !ok {
		return nil, hub.ErrNotFound
	}
	row, err := s.running(r.Context(), sha256.Sum256(secret[:]))
	if err != nil {
		return nil, err
	}
	c, err := s.citizenOf(secret, row)
	if err != nil {
		s.Hub.Log.Error("a citizen's session cannot be opened: she has to log in again", "error", err)
		return nil, hub.ErrNotFound
	}
	if !isUse(r) {
		return c, nil
	}
	if err := s.touch(r.Context(), row); err != nil {
		return nil, err
	}
	return c, nil
}

// isUse reports whether a call shows that somebody is there. A page that only stands open
// fetches itself again by script, and that keeps nobody logged in.
func isUse(r *http.Request) bool {
	mode := r.Header.Get("Sec-Fetch-Mode")
	return mode == "" || mode == "navigate"
}

// shownSecret gives the secret that a call's cookie holds. Where two are shown, nobody can
// tell which one is the browser's own.
func shownSecret(r *http.Request) (secret [32]byte, ok bool) {
	shown := r.CookiesNamed(sessionCookie)
	if len(shown) != 1 {
		return secret, false
	}
	return decodeSecret(shown[0].Value)
}

// decodeSecret reads 32 bytes as encodeSecret writes them, and in no other way.
func decodeSecret(text string) (secret [32]byte, ok bool) {
	bytes, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(bytes) != len(secret) || len(text) != base64.RawURLEncoding.EncodedLen(len(secret)) {
		return secret, false
	}
	return [32]byte(bytes), true
}

func encodeSecret(secret [32]byte) string { return base64.RawURLEncoding.EncodeToString(secret[:]) }

func newSecret() (secret [32]byte) {
	rand.Read(secret[:])
	return secret
}

// running gives a session that has not come to its end, or ErrNotFound.
func (s *Server) running(ctx context.Context, id [32]byte) (hub.Session, error) {
	row, err := s.store.Session(ctx, id)
	if err != nil {
		return hub.Session{}, err
	}
	if now := s.Hub.Clock(); now.Sub(row.Seen) >= idle || now.Sub(row.Begun) >= longest {
		return hub.Session{}, hub.ErrNotFound
	}
	return row, nil
}

// citizenOf opens a session's row.
func (s *Server) citizenOf(secret [32]byte, row hub.Session) (*citizen, error) {
	text, err := seal.HolderOf(secret, "session").Open(row.Sealed)
	if err != nil {
		return nil, err
	}
	var p sealedPerson
	if json.Unmarshal(text, &p) != nil {
		return nil, errSession
	}
	var numbers []hub.PersonID
	for _, digits := range append([]string{p.Person}, p.Before...) {
		number, err := hub.ParsePersonID(digits)
		if err != nil {
			return nil, errSession
		}
		numbers = append(numbers, number)
	}
	return &citizen{row.ID, hub.AsCitizen(numbers[0], numbers[1:]...), p.Level, s}, nil
}

var errSession = errors.New("what is sealed is no session")

// touch notes that a session is in use. It gives ErrNotFound when the session was ended
// meanwhile. Who cannot be noted is logged out the sooner, and reads on until then.
func (s *Server) touch(ctx context.Context, row hub.Session) error {
	now := s.Hub.Clock()
	if now.Sub(row.Seen) < notedEvery {
		return nil
	}
	row.Seen = now
	err := s.store.KeepSession(ctx, row)
	if err != nil && !errors.Is(err, hub.ErrNotFound) {
		s.Hub.Log.Warn("that a citizen's session is in use cannot be noted", "error", err)
		return nil
	}
	return err
}

// beginSession logs a person in, in the place of whoever was logged in before her in the
// same browser.
func (s *Server) beginSession(c *call, who identity) error {
	secret, now, ctx := newSecret(), s.Hub.Clock(), c.r.Context()
	p := sealedPerson{Person: who.person.Reveal(), Level: who.level}
	for _, number := range who.before {
		p.Before = append(p.Before, number.Reveal())
	}
	text, err := json.Marshal(p)
	if err != nil {
		return errSession
	}
	sealed, err := seal.HolderOf(secret, "session").Seal(text)
	if err != nil {
		return err
	}
	row := hub.Session{ID: sha256.Sum256(secret[:]), Sealed: sealed, Begun: now, Seen: now}
	if err := s.store.KeepSession(ctx, row); err != nil {
		return err
	}
	if err := s.endSession(c); err != nil {
		return err
	}
	c.setCookie(sessionCookie, encodeSecret(secret), 0)
	return nil
}

// endSession forgets the login of a call's browser, if it has one, and all that have come
// to their end by themselves.
func (s *Server) endSession(c *call) error {
	var id [32]byte // of no session
	if secret, ok := shownSecret(c.r); ok {
		id = sha256.Sum256(secret[:])
	}
	return s.store.EndSession(c.r.Context(), id, s.Hub.Clock().Add(-idle))
}

// setCookie gives the browser a cookie for as long as it runs, or for a time; a time below
// zero takes it back.
func (c *call) setCookie(name, value string, lasts time.Duration) {
	cookie := http.Cookie{Name: name, Value: value, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if cookie.MaxAge = int(lasts.Seconds()); lasts < 0 {
		cookie.MaxAge = -1
	}
	http.SetCookie(c.w, &cookie)
}

// logOut ends a session, here and, where the configuration says so, at the provider.
func (s *Server) logOut(c *call) error {
	if s.Login == nil {
		return refusal("not-found")
	}
	if !s.isOwnPage(c.r) {
		return refusal("cross-origin")
	}
	c.setCookie(sessionCookie, "", -1) // also when it cannot be forgotten here
	if err := s.endSession(c); err != nil {
		return err
	}
	if elsewhere := s.provider.endOfSession(c.r.Context()); elsewhere != "" {
		return s.logOutThere(c, elsewhere)
	}
	return c.seeOther("/logout")
}

// logOutThere shows a page that leads on to the provider's own logout. A redirect would be
// part of the form's submission, which may only lead to this site.
func (s *Server) logOutThere(c *call, elsewhere string) error {
	c.w.Header().Set("Refresh", "0; url="+elsewhere)
	return s.logoutPage(c, elsewhere)
}

// loggedOut is where a logout ends; who is logged in can log out there.
func (s *Server) loggedOut(c *call) error {
	err := s.mustBeCitizen(c)
	var p *problem
	if err != nil && !(errors.As(err, &p) && p.slug == "not-logged-in") {
		return err
	}
	return s.logoutPage(c, "")
}

func (s *Server) logoutPage(c *call, elsewhere string) error {
	t := s.tongueOf(c)
	v := struct {
		tongue
		Title     string
		LoggedIn  bool
		Elsewhere string // where to log out too; "" for nowhere
	}{t, t.of(texts["out-title"]), c.citizen != nil, elsewhere}
	if v.LoggedIn {
		v.Title = t.of(texts["log-out"])
	}
	return s.framed(c, http.StatusOK, frame{tongue: t, Title: v.Title}, "citizen-logout", v)
}

// isOwnPage reports whether one of our own pages posts. Every browser of today says so in
// one of the two headers; what says nothing is no browser.
func (s *Server) isOwnPage(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin":
		return true
	case "":
	default:
		return false
	}
	origin := r.Header.Get("Origin")
	from, err := url.Parse(origin)
	return origin == s.Login.Address || err == nil && from.Host != "" && from.Host == r.Host
}
