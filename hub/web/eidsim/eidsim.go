// Package eidsim is a development e-ID: an OpenID Connect provider at which anybody may
// say that she is any of the test persons that it lists. It is for the demo and for tests,
// and the installation that municipalities run has no way of starting it. It is strict
// about what a provider must be strict about, so that who logs in there does so as at a
// real one: the client and its secret, the address to send browsers back to, PKCE, codes
// that work once.
package eidsim

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/knutpunkt/knutpunkt/hub"
)

// The levels of assurance that a person can choose, of Myndigheten för digital förvaltning.
const (
	LoA2 = "http://id.elegnamnden.se/loa/1.0/loa2"
	LoA3 = "http://id.elegnamnden.se/loa/1.0/loa3"
)

// Options are what a Provider is made of.
type Options struct {
	Issuer  string // its own address, without a / at its end
	Client  string // who may send people here
	Secret  hub.Secret
	Back    []string // where it may have them sent back to after a login
	Ended   []string // and after a logout
	Persons []Person
	Clock   func() time.Time

	// For tests: numbers are told by userinfo alone, as some providers do, and what the ID
	// token says is made into something that no provider should say.
	NumbersApart bool
	Bend         func(claims map[string]any)
}

// A Person is somebody whom one can be: one of Skatteverket's official test persons.
type Person struct {
	Number hub.PersonID // a personnummer, or the samordningsnummer of who has none
	Before hub.PersonID // a samordningsnummer that she had before, if any
	About  string       // what a reader should know of her, such as "har ärenden i två kommuner"
}

// A Provider answers for e-IDs. Its own key lives as long as it does.
type Provider struct {
	Options
	key *ecdsa.PrivateKey

	mu      sync.Mutex
	granted map[string]*grant // by code, and by access token
}

// A grant is one login.
type grant struct {
	person               Person
	level, nonce, back   string
	challenge, requested string
	until                time.Time
	token                string // that it was traded for; "" while it was not
}

const grantLasts = time.Minute

// New makes a Provider with a key of its own. It must answer on this machine only.
func New(o Options) (*Provider, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	return &Provider{Options: o, key: key, granted: map[string]*grant{}}, err
}

// ServeHTTP answers browsers and the hub.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	base, err := url.Parse(p.Issuer)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	switch r.Method + " " + strings.TrimPrefix(r.URL.Path, base.Path) {
	case "GET /.well-known/openid-configuration":
		p.describe(w)
	case "GET /keys":
		answer(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: p.key.Public(), KeyID: "eidsim", Algorithm: "ES256", Use: "sig"}}})
	case "GET /authorize":
		p.ask(w, r)
	case "POST /authorize":
		p.choose(w, r)
	case "POST /token":
		p.trade(w, r)
	case "GET /userinfo":
		p.tell(w, r)
	case "GET /logout":
		p.logOut(w, r)
	default:
		http.NotFound(w, r)
	}
}

// describe answers with what OpenID Connect Discovery wants.
func (p *Provider) describe(w http.ResponseWriter) {
	answer(w, http.StatusOK, map[string]any{
		"issuer": p.Issuer, "authorization_endpoint": p.Issuer + "/authorize", "token_endpoint": p.Issuer + "/token",
		"userinfo_endpoint": p.Issuer + "/userinfo", "jwks_uri": p.Issuer + "/keys", "end_session_endpoint": p.Issuer + "/logout",
		"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
		"id_token_signing_alg_values_supported": []string{"ES256"}, "code_challenge_methods_supported": []string{"S256"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic"}, "claims_parameter_supported": true,
		"acr_values_supported": []string{LoA3, LoA2}, "scopes_supported": []string{"openid", numberScope},
		"authorization_response_iss_parameter_supported": true,
	})
}

// The claims of the Swedish OpenID Connect profile (oidc.se).
const (
	numberScope       = "https://id.oidc.se/scope/naturalPersonNumber"
	personnummerClaim = "https://id.oidc.se/claim/personalIdentityNumber"
	coordinationClaim = "https://id.oidc.se/claim/coordinationNumber"
	previousClaim     = "https://id.oidc.se/claim/previousCoordinationNumber"
)

// wrong says why a login cannot be asked for; "" when it can.
func (p *Provider) wrong(q url.Values) string {
	for _, said := range q {
		if len(said) > 1 {
			return "invalid_request"
		}
	}
	challenge, err := base64.RawURLEncoding.DecodeString(q.Get("code_challenge"))
	switch {
	case q.Get("response_type") != "code":
		return "unsupported_response_type"
	case !slices.Contains(strings.Fields(q.Get("scope")), "openid"):
		return "invalid_scope"
	case q.Get("state") == "", q.Get("nonce") == "", q.Get("code_challenge_method") != "S256", err != nil, len(challenge) != sha256.Size:
		return "invalid_request"
	}
	return ""
}

// ask shows the page where one chooses who to be. Whoever sends people here under a false
// name, or wants them sent back elsewhere, is told so here: they are sent nowhere.
func (p *Provider) ask(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	switch failure := p.wrong(q); {
	case q.Get("client_id") != p.Client || !slices.Contains(p.Back, q.Get("redirect_uri")):
		p.page(w, http.StatusBadRequest, false)
	case failure != "":
		p.sendBack(w, q, url.Values{"error": {failure}})
	default:
		p.page(w, http.StatusOK, true)
	}
}

// choose sends a browser back with a code for who was chosen.
func (p *Provider) choose(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("client_id") != p.Client || !slices.Contains(p.Back, q.Get("redirect_uri")) || p.wrong(q) != "" {
		p.page(w, http.StatusBadRequest, false)
		return
	}
	i := slices.Index(p.choices(), r.PostFormValue("person"))
	level := r.PostFormValue("level")
	if r.PostFormValue("cancel") != "" || i < 0 || level != LoA2 && level != LoA3 {
		p.sendBack(w, q, url.Values{"error": {"access_denied"}})
		return
	}
	code := rand.Text()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forgetOld()
	p.granted[code] = &grant{
		person: p.Persons[i], level: level, nonce: q.Get("nonce"), back: q.Get("redirect_uri"),
		challenge: q.Get("code_challenge"), requested: q.Get("claims"), until: p.Clock().Add(grantLasts),
	}
	p.sendBack(w, q, url.Values{"code": {code}})
}

// sendBack sends a browser back, and says who does it (RFC 9207).
func (p *Provider) sendBack(w http.ResponseWriter, asked, answer url.Values) {
	answer.Set("state", asked.Get("state"))
	answer.Set("iss", p.Issuer)
	w.Header().Set("Location", asked.Get("redirect_uri")+"?"+answer.Encode())
	w.WriteHeader(http.StatusSeeOther)
}

// forgetOld keeps what was granted from growing.
func (p *Provider) forgetOld() {
	now := p.Clock()
	for name, g := range p.granted {
		if now.Sub(g.until) > grantLasts {
			delete(p.granted, name)
		}
	}
}

// trade gives tokens for a code, once, to the client that it was granted to.
func (p *Provider) trade(w http.ResponseWriter, r *http.Request) {
	name, secret, _ := r.BasicAuth()
	name, err := url.QueryUnescape(name)
	secret, err2 := url.QueryUnescape(secret)
	if err != nil || err2 != nil || name != p.Client || subtle.ConstantTimeCompare([]byte(secret), []byte(p.Secret.Reveal())) != 1 {
		refuse(w, http.StatusUnauthorized, "invalid_client")
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	g, now := p.granted[r.PostFormValue("code")], p.Clock()
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	switch {
	case r.PostFormValue("grant_type") != "authorization_code":
		refuse(w, http.StatusBadRequest, "unsupported_grant_type")
		return
	case g != nil && g.token != "": // somebody else may have had it: what it gave is worth nothing now
		delete(p.granted, g.token)
		fallthrough
	case g == nil, !now.Before(g.until), g.back != r.PostFormValue("redirect_uri"),
		g.challenge != base64.RawURLEncoding.EncodeToString(sum[:]):
		refuse(w, http.StatusBadRequest, "invalid_grant")
		return
	}
	g.token = rand.Text()
	p.granted[g.token] = g
	signed, err := p.sign(p.claims(g, now))
	if err != nil {
		refuse(w, http.StatusInternalServerError, "server_error")
		return
	}
	answer(w, http.StatusOK, map[string]any{"access_token": g.token, "token_type": "Bearer", "expires_in": 60, "id_token": signed})
}

// claims are what the ID token says: the numbers only where they were asked for.
func (p *Provider) claims(g *grant, now time.Time) map[string]any {
	sum := sha256.Sum256([]byte(g.token))
	claims := map[string]any{
		"iss": p.Issuer, "sub": g.subject(), "aud": p.Client, "exp": now.Add(5 * time.Minute).Unix(), "iat": now.Unix(),
		"auth_time": now.Unix(), "nonce": g.nonce, "acr": g.level, "at_hash": base64.RawURLEncoding.EncodeToString(sum[:16]),
	}
	var asked struct {
		Token map[string]any `json:"id_token"`
	}
	json.Unmarshal([]byte(g.requested), &asked) // what cannot be read asks for nothing
	for claim, number := range g.person.numbers() {
		if _, wanted := asked.Token[claim]; wanted && !p.NumbersApart {
			claims[claim] = number
		}
	}
	if p.Bend != nil {
		p.Bend(claims)
	}
	return claims
}

func (p *Provider) sign(claims map[string]any) (string, error) {
	key := jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: p.key, KeyID: "eidsim"}}
	signer, err := jose.NewSigner(key, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", err
	}
	return jwt.Signed(signer).Claims(claims).Serialize()
}

// tell answers with who a token is for.
func (p *Provider) tell(w http.ResponseWriter, r *http.Request) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	p.mu.Lock()
	defer p.mu.Unlock()
	g := p.granted[token]
	if g == nil || g.token != token || p.Clock().After(g.until) {
		w.Header().Set("Www-Authenticate", `Bearer error="invalid_token"`)
		refuse(w, http.StatusUnauthorized, "invalid_token")
		return
	}
	told := map[string]any{"sub": g.subject()}
	for claim, number := range g.person.numbers() {
		told[claim] = number
	}
	answer(w, http.StatusOK, told)
}

// subject names the person in this provider's own way.
func (g *grant) subject() string {
	sum := sha256.Sum256([]byte("eidsim " + g.person.Number.Reveal()))
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

// numbers are the claims that a person has.
func (p Person) numbers() map[string]any {
	claims := map[string]any{personnummerClaim: p.Number.Reveal()}
	if p.Number.IsCoordination() {
		claims = map[string]any{coordinationClaim: p.Number.Reveal()}
	}
	if !p.Before.IsZero() {
		claims[previousClaim] = p.Before.Reveal()
	}
	return claims
}

// logOut sends a browser back: there is nothing to end, since nobody stays logged in here.
func (p *Provider) logOut(w http.ResponseWriter, r *http.Request) {
	back := r.URL.Query().Get("post_logout_redirect_uri")
	if r.URL.Query().Get("client_id") != p.Client || !slices.Contains(p.Ended, back) {
		p.page(w, http.StatusBadRequest, false)
		return
	}
	w.Header().Set("Location", back)
	w.WriteHeader(http.StatusSeeOther)
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

func refuse(w http.ResponseWriter, status int, failure string) {
	answer(w, status, map[string]string{"error": failure})
}
