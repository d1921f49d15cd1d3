package web

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"golang.org/x/oauth2"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A Login is how citizens show who they are: by a provider of e-IDs that speaks OpenID
// Connect, and says who somebody is as the Swedish profile has it (oidc.se).
type Login struct {
	Issuer  string        // the provider, exactly as it names itself
	Client  string        // what we are called there
	Secret  hub.Secret    // by which it knows us (client_secret_basic)
	Key     crypto.Signer // or this: what we sign with that we are we (private_key_jwt)
	KeyID   string        // what the provider calls Key, if it must be told
	Levels  []string      // of assurance (acr) that will do
	Address string        // of these pages, as browsers know it: https://HOST
	Logout  bool          // who logs out here is led to log out there too

	// HTTP and Reads lead to the provider and nowhere else, as in hub.Env.
	HTTP, Reads *http.Client
}

// The claims of the Swedish OpenID Connect profile that are numbers of a person, and the
// scope that some providers want for them.
const (
	personnummerClaim   = "https://id.oidc.se/claim/personalIdentityNumber"
	coordinationClaim   = "https://id.oidc.se/claim/coordinationNumber"
	previousNumberClaim = "https://id.oidc.se/claim/previousCoordinationNumber"
	numberScope         = "https://id.oidc.se/scope/naturalPersonNumber"
)

// A provider is asked how it is reached when somebody first logs in, and again when that
// has grown old, so that the hub starts and runs without it.
type provider struct {
	login *Login
	clock func() time.Time

	mu    sync.Mutex
	known *metadata
	err   error     // of having asked in vain
	until time.Time // when it is asked again
}

const (
	knownFor      = 24 * time.Hour   // how long the provider's word on how it is reached holds
	knownLonger   = time.Minute      // and how much longer each time that it does not answer then
	unknownFor    = 5 * time.Second  // how long it is left alone that has never answered
	providerTime  = 10 * time.Second // that it has, to describe itself or to say who somebody is
	largestAnswer = 1 << 20          // bytes, far above anything that OpenID Connect says
)

// meet gives what the provider has told of itself.
func (p *provider) meet(ctx context.Context) (*metadata, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.clock().Before(p.until) {
		return p.known, p.err
	}
	known, err := p.ask(context.WithoutCancel(ctx)) // for all who wait, not for the first alone
	switch now := p.clock(); {
	case err == nil:
		p.known, p.err, p.until = known, nil, now.Add(knownFor)
	case p.known != nil:
		p.until = now.Add(knownLonger)
	default:
		p.err, p.until = err, now.Add(unknownFor)
	}
	return p.known, p.err
}

// Metadata is what a provider has told of itself (OpenID Connect Discovery 1.0).
type metadata struct {
	login      *Login
	clock      func() time.Time
	op         *oidc.Provider
	keys       oidc.KeySet // that it signs with
	algorithms []string    // by which it may sign
	oauth      oauth2.Config
	saysIssuer bool   // it says who it is when it sends a browser back (RFC 9207)
	endSession string // where one logs out; "" for nowhere
}

// ask fetches the provider's own description.
func (p *provider) ask(ctx context.Context) (*metadata, error) {
	ctx, cancel := context.WithTimeout(oidc.ClientContext(ctx, bounded(p.login.Reads)), providerTime)
	defer cancel()
	op, err := oidc.NewProvider(ctx, p.login.Issuer)
	if err != nil {
		return nil, fmt.Errorf("ask how it is reached: %w", withoutContent(err))
	}
	var told struct {
		EndSession string   `json:"end_session_endpoint"`
		Keys       string   `json:"jwks_uri"`
		Algorithms []string `json:"id_token_signing_alg_values_supported"`
		SaysIssuer bool     `json:"authorization_response_iss_parameter_supported"`
		Scopes     []string `json:"scopes_supported"`
	}
	if op.Claims(&told) != nil {
		return nil, errNotOpenID
	}
	at := op.Endpoint()
	for _, address := range []string{at.AuthURL, at.TokenURL, told.EndSession, told.Keys} {
		if address != "" && !p.mayLead(address) {
			return nil, errors.New("ask how it is reached: an address that it gives is not https")
		}
	}
	at.AuthStyle = oauth2.AuthStyleInHeader
	if p.login.Key != nil {
		at.AuthStyle = oauth2.AuthStyleInParams
	}
	m := &metadata{
		login: p.login, clock: p.clock, op: op, saysIssuer: told.SaysIssuer, endSession: told.EndSession,
		keys:       oidc.NewRemoteKeySet(ctx, told.Keys),
		algorithms: slices.DeleteFunc(told.Algorithms, func(a string) bool { return !slices.Contains(publicKeyed, a) }),
		oauth: oauth2.Config{
			ClientID: p.login.Client, ClientSecret: p.login.Secret.Reveal(), Endpoint: at,
			RedirectURL: p.login.Address + "/login/done", Scopes: []string{oidc.ScopeOpenID},
		},
	}
	if slices.Contains(told.Scopes, numberScope) {
		m.oauth.Scopes = append(m.oauth.Scopes, numberScope)
	}
	return m, nil
}

// publicKeyed are the algorithms by which a word may be signed: with a key that its signer
// alone has. By any other who knows our secret, or nobody's, could write it.
var publicKeyed = []string{
	oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA,
}

// mayLead reports whether browsers and codes may be sent to an address: over TLS, or to
// where the issuer itself is, on this very machine.
func (p *provider) mayLead(address string) bool {
	to, err := url.Parse(address)
	issuer, err2 := url.Parse(p.login.Issuer)
	if err != nil || err2 != nil || to.Host == "" {
		return false
	}
	return to.Scheme == "https" || to.Scheme == issuer.Scheme && to.Host == issuer.Host
}

// address gives where a login leads a browser.
func (m *metadata) address(state string, a attempt, language string) string {
	return m.oauth.AuthCodeURL(state,
		oidc.Nonce(a.Nonce), oauth2.S256ChallengeOption(a.Verifier),
		oauth2.SetAuthURLParam("acr_values", strings.Join(m.login.Levels, " ")),
		oauth2.SetAuthURLParam("claims", m.wanted()),
		oauth2.SetAuthURLParam("ui_locales", language))
}

// wanted asks for a level of assurance that will do, and for the person's numbers: in the
// ID token and from userinfo, since providers give them in one of the two.
func (m *metadata) wanted() string {
	type asked map[string]any
	numbers := asked{personnummerClaim: nil, coordinationClaim: nil, previousNumberClaim: nil}
	inToken := asked{"acr": asked{"essential": true, "values": m.login.Levels}}
	for claim := range numbers {
		inToken[claim] = nil
	}
	text, _ := json.Marshal(asked{"id_token": inToken, "userinfo": numbers})
	return string(text)
}

// An identity is who has logged in.
type identity struct {
	person hub.PersonID
	before []hub.PersonID // numbers that she had earlier
	level  string
}

// identify trades a code for the provider's word on who somebody is, and trusts it only
// when it was given to us, for this very login, at a level that will do.
func (m *metadata) identify(ctx context.Context, code string, a attempt) (identity, error) {
	ctx, cancel := context.WithTimeout(oidc.ClientContext(ctx, bounded(m.login.HTTP)), providerTime)
	defer cancel()
	tokens, err := m.trade(ctx, code, a.Verifier)
	if err != nil {
		return identity{}, err
	}
	token, err := m.verify(ctx, tokens)
	if err != nil {
		return identity{}, err
	}
	var said struct {
		numbers
		Level string `json:"acr"`
		For   string `json:"azp"`
	}
	if token.Claims(&said) != nil {
		return identity{}, loginFailed("id-token")
	}
	switch {
	case !same(token.Nonce, a.Nonce):
		return identity{}, loginFailed("nonce")
	case len(token.Audience) > 1 && said.For == "", said.For != "" && said.For != m.login.Client:
		return identity{}, loginFailed("azp")
	case token.AccessTokenHash != "" && token.VerifyAccessToken(tokens.AccessToken) != nil:
		return identity{}, loginFailed("at-hash")
	case !slices.Contains(m.login.Levels, said.Level):
		return identity{}, refusal("acr-too-low")
	}
	if err := m.askMore(ctx, tokens, token.Subject, &said.numbers); err != nil {
		return identity{}, err
	}
	return said.identity(said.Level)
}

// trade gives the code, and gets tokens for it.
func (m *metadata) trade(ctx context.Context, code, verifier string) (*oauth2.Token, error) {
	options := []oauth2.AuthCodeOption{oauth2.VerifierOption(verifier)}
	if m.login.Key != nil {
		assertion, err := m.assertion()
		if err != nil {
			return nil, err
		}
		options = append(options,
			oauth2.SetAuthURLParam("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
			oauth2.SetAuthURLParam("client_assertion", assertion))
	}
	tokens, err := m.oauth.Exchange(ctx, code, options...)
	var refused *oauth2.RetrieveError
	switch {
	case errors.As(err, &refused) && refused.ErrorCode == "invalid_grant":
		return nil, loginFailed("code")
	case errors.As(err, &refused) && refused.ErrorCode == "invalid_client":
		return nil, errors.New("trade the code: it does not know us by our secret or key")
	case errors.As(err, &refused):
		return nil, fmt.Errorf("trade the code: HTTP status %d", refused.Response.StatusCode)
	case err != nil:
		return nil, fmt.Errorf("trade the code: %w", withoutContent(err))
	}
	return tokens, nil
}

// verify reads the provider's word, which it must have signed to us, and lately.
func (m *metadata) verify(ctx context.Context, tokens *oauth2.Token) (*oidc.IDToken, error) {
	raw, _ := tokens.Extra("id_token").(string)
	fetched := &fetchedKeys{KeySet: m.keys}
	config := &oidc.Config{ClientID: m.login.Client, SupportedSigningAlgs: m.algorithms, Now: m.clock}
	token, err := oidc.NewVerifier(m.login.Issuer, fetched, config).Verify(ctx, raw)
	switch {
	case fetched.failure != nil:
		return nil, fmt.Errorf("fetch the keys that it signs with: %w", withoutContent(fetched.failure))
	case err != nil:
		return nil, loginFailed("id-token")
	}
	return token, nil
}

// FetchedKeys are a provider's keys, which are fetched when they are first needed and when
// one is new. They remember when that failed: a word that cannot be checked is not one that
// was found false.
type fetchedKeys struct {
	oidc.KeySet
	failure error
}

func (k *fetchedKeys) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	payload, err := k.KeySet.VerifySignature(ctx, token)
	k.failure = errors.Unwrap(err) // of fetching; that no key fits is an error of its own
	return payload, err
}

// assertion signs that we are we (RFC 7523), for one minute.
func (m *metadata) assertion() (string, error) {
	algorithm := jose.RS256
	switch key := m.login.Key.(type) {
	case *ecdsa.PrivateKey:
		algorithm = map[int]jose.SignatureAlgorithm{256: jose.ES256, 384: jose.ES384, 521: jose.ES512}[key.Params().BitSize]
	case ed25519.PrivateKey:
		algorithm = jose.EdDSA
	}
	key := jose.SigningKey{Algorithm: algorithm, Key: jose.JSONWebKey{Key: m.login.Key, KeyID: m.login.KeyID}}
	signer, err := jose.NewSigner(key, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", errors.New("sign that we are we: the key is of a kind that cannot")
	}
	now := m.clock()
	signed, err := jwt.Signed(signer).Claims(jwt.Claims{
		Issuer: m.login.Client, Subject: m.login.Client, Audience: jwt.Audience{m.oauth.Endpoint.TokenURL},
		ID: encodeSecret(newSecret()), IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(time.Minute)),
	}).Serialize()
	if err != nil {
		return "", errors.New("sign that we are we: signing failed")
	}
	return signed, nil
}

// Numbers are what the provider says that somebody is and was called.
type numbers struct {
	Personnummer string `json:"https://id.oidc.se/claim/personalIdentityNumber"`
	Coordination string `json:"https://id.oidc.se/claim/coordinationNumber"`
	Previous     string `json:"https://id.oidc.se/claim/previousCoordinationNumber"`
}

// askMore adds what userinfo knows and the ID token does not say. The two must be of the
// same person.
func (m *metadata) askMore(ctx context.Context, tokens *oauth2.Token, subject string, n *numbers) error {
	if m.op.UserInfoEndpoint() == "" {
		return nil
	}
	told, err := m.op.UserInfo(ctx, oauth2.StaticTokenSource(tokens))
	if err != nil {
		return fmt.Errorf("ask for more of her: %w", withoutContent(err))
	}
	var more numbers
	if told.Claims(&more) != nil || told.Subject != subject {
		return loginFailed("userinfo")
	}
	for _, number := range []struct{ said, more *string }{
		{&n.Personnummer, &more.Personnummer}, {&n.Coordination, &more.Coordination}, {&n.Previous, &more.Previous},
	} {
		if *number.said == "" {
			*number.said = *number.more
		}
		if *number.more != "" && *number.more != *number.said {
			return loginFailed("userinfo")
		}
	}
	return nil
}

// identity makes a person of numbers: the personnummer, or the samordningsnummer of who
// has none, and those that she had before.
func (n numbers) identity(level string) (identity, error) {
	who := identity{level: level}
	for _, digits := range []string{n.Personnummer, n.Coordination, n.Previous} {
		if digits == "" {
			continue
		}
		number, err := hub.ParsePersonID(digits)
		switch {
		case err != nil:
			return identity{}, refusal("login-without-number")
		case who.person.IsZero():
			who.person = number
		case number != who.person && !slices.Contains(who.before, number):
			who.before = append(who.before, number)
		}
	}
	if n.Personnummer == "" && n.Coordination == "" {
		return identity{}, refusal("login-without-number")
	}
	return who, nil
}

// endOfSession gives where the provider logs out who has logged out here, "" for nowhere.
// It is not told who: that would stand in an address.
func (p *provider) endOfSession(ctx context.Context) string {
	if !p.login.Logout {
		return ""
	}
	known, err := p.meet(ctx)
	if err != nil || known.endSession == "" {
		return ""
	}
	to, err := url.Parse(known.endSession)
	if err != nil {
		return ""
	}
	query := to.Query()
	query.Set("client_id", p.login.Client)
	query.Set("post_logout_redirect_uri", p.login.Address+"/logout")
	to.RawQuery = query.Encode()
	return to.String()
}

var errNotOpenID = errors.New("its answer is not what OpenID Connect says")

// withoutContent gives what the door out said of a call. The libraries' own errors quote
// what came.
func withoutContent(err error) error {
	var transport *url.Error
	var mismatch *oidc.IssuerMismatchError
	switch {
	case errors.As(err, &transport):
		return hub.WithoutAddress(err)
	case errors.Is(err, context.DeadlineExceeded):
		return context.DeadlineExceeded
	case errors.As(err, &mismatch):
		return errors.New("it names itself otherwise than as the issuer in the configuration")
	}
	return errNotOpenID
}

// bounded makes a client read no answer past largestAnswer.
func bounded(client *http.Client) *http.Client {
	b := *client
	b.Transport = boundedAnswers{client.Transport}
	return &b
}

type boundedAnswers struct{ next http.RoundTripper }

func (b boundedAnswers) RoundTrip(r *http.Request) (*http.Response, error) {
	next := b.next
	if next == nil {
		next = http.DefaultTransport
	}
	resp, err := next.RoundTrip(r)
	if err == nil {
		resp.Body = http.MaxBytesReader(nil, resp.Body, largestAnswer)
	}
	return resp, err
}
