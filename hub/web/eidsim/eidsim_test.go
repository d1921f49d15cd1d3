package eidsim_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/web/eidsim"
)

const (
	back     = "https://pages.example/login/done"
	verifier = "0123456789-0123456789-0123456789-0123456789"
	canary   = "198810032386"
)

type bed struct {
	*httptest.Server
	now time.Time
}

func newBed(t *testing.T) *bed {
	t.Helper()
	b := &bed{now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	var p *eidsim.Provider
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.ServeHTTP(w, r) }))
	t.Cleanup(b.Close)
	b.Client().CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	var persons []eidsim.Person
	for _, digits := range []string{canary, "195012742390"} {
		number, err := hub.ParsePersonID(digits)
		if err != nil {
			t.Fatal(err)
		}
		persons = append(persons, eidsim.Person{Number: number, About: "har <ärenden> i två kommuner"})
	}
	var err error
	p, err = eidsim.New(eidsim.Options{
		Issuer: b.URL, Client: "knut", Secret: hub.NewSecret("hemlig+ord/%"), Back: []string{back}, Ended: []string{"https://pages.example/logout"},
		Persons: persons, Clock: func() time.Time { return b.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bed) call(t *testing.T, r *http.Request) (int, http.Header, string) {
	t.Helper()
	resp, err := b.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(text)
}

// asked is a login that is asked for rightly, but for what is changed ("name=value").
func asked(changes ...string) url.Values {
	sum := sha256.Sum256([]byte(verifier))
	q := url.Values{
		"response_type": {"code"}, "client_id": {"knut"}, "redirect_uri": {back}, "scope": {"openid"}, "state": {"s"}, "nonce": {"n"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
	for _, change := range changes {
		name, value, _ := strings.Cut(change, "=")
		if q.Set(name, value); value == "" {
			q.Del(name)
		}
	}
	return q
}

func post(address string, form url.Values) *http.Request {
	r, _ := http.NewRequest("POST", address, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

// code chooses the first person and gives the code for her.
func (b *bed) code(t *testing.T) string {
	t.Helper()
	status, h, _ := b.call(t, post(b.URL+"/authorize?"+asked().Encode(), url.Values{"person": {"1"}, "level": {eidsim.LoA3}}))
	to, err := url.Parse(h.Get("Location"))
	if err != nil || status != 303 || to.Query().Get("iss") != b.URL || to.Query().Get("state") != "s" {
		t.Fatalf("%d %v", status, to)
	}
	return to.Query().Get("code")
}

// trade gives a code, as the client should but for what is changed.
func (b *bed) trade(t *testing.T, code string, changes ...string) (int, map[string]any) {
	t.Helper()
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {back}, "code_verifier": {verifier}}
	name, secret := "knut", "hemlig+ord/%"
	for _, change := range changes {
		switch key, value, _ := strings.Cut(change, "="); key {
		case "name":
			name = value
		case "secret":
			secret = value
		default:
			form.Set(key, value)
		}
	}
	r := post(b.URL+"/token", form)
	r.SetBasicAuth(url.QueryEscape(name), url.QueryEscape(secret))
	status, _, body := b.call(t, r)
	var said map[string]any
	if err := json.Unmarshal([]byte(body), &said); err != nil {
		t.Fatalf("%d %s", status, body)
	}
	return status, said
}

// TestWhoMayAsk: who is not the client, or wants people sent elsewhere, gets a page that
// leads nowhere; what is asked for wrongly is sent back with its fault.
func TestWhoMayAsk(t *testing.T) {
	b := newBed(t)
	for _, test := range []struct {
		name, change string
		status       int
		failure      string
	}{
		{"rightly", "", 200, ""},
		{"another client", "client_id=another", 400, ""},
		{"another address", "redirect_uri=https://evil.example", 400, ""},
		{"an address with a tail", "redirect_uri=" + back + "/x", 400, ""},
		{"an address with a query", "redirect_uri=" + back + "?x=1", 400, ""},
		{"no address", "redirect_uri=", 400, ""},
		{"a token at once", "response_type=token", 303, "unsupported_response_type"},
		{"not OpenID", "scope=profile", 303, "invalid_scope"},
		{"no state", "state=", 303, "invalid_request"},
		{"no nonce", "nonce=", 303, "invalid_request"},
		{"no challenge", "code_challenge=", 303, "invalid_request"},
		{"the challenge in the open", "code_challenge_method=plain", 303, "invalid_request"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var q url.Values
			if q = asked(); test.change != "" {
				q = asked(test.change)
			}
			r, _ := http.NewRequest("GET", b.URL+"/authorize?"+q.Encode(), nil)
			status, h, body := b.call(t, r)
			to, _ := url.Parse(h.Get("Location"))
			if status != test.status || to.Query().Get("error") != test.failure || strings.Contains(body, canary) {
				t.Errorf("%d %v", status, to)
			}
			if status == 400 && (h.Get("Location") != "" || strings.Contains(body, "evil")) {
				t.Error("it leads somewhere")
			}
			if status != 200 {
				status, h, _ := b.call(t, post(b.URL+"/authorize?"+q.Encode(), url.Values{"person": {"1"}, "level": {eidsim.LoA3}}))
				if status != 400 || h.Get("Location") != "" {
					t.Errorf("chosen all the same: %d", status)
				}
			}
		})
	}
	r, _ := http.NewRequest("GET", b.URL+"/authorize?"+asked().Encode(), nil)
	if _, _, body := b.call(t, r); !strings.Contains(body, "Testperson 2, född 1950") || !strings.Contains(body, "&lt;ärenden&gt;") {
		t.Error("the page does not tell whom one can be")
	}
}

// TestWhoGetsTokens: the client that asked, once, soon, with its secret and its verifier.
func TestWhoGetsTokens(t *testing.T) {
	b := newBed(t)
	for _, test := range []struct {
		name, change string
		status       int
		failure      string
	}{
		{"another client", "name=another", 401, "invalid_client"},
		{"another secret", "secret=another", 401, "invalid_client"},
		{"another kind of grant", "grant_type=password", 400, "unsupported_grant_type"},
		{"another code", "code=another", 400, "invalid_grant"},
		{"another address", "redirect_uri=https://evil.example", 400, "invalid_grant"},
		{"another verifier", "code_verifier=another", 400, "invalid_grant"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if status, said := b.trade(t, b.code(t), test.change); status != test.status || said["error"] != test.failure {
				t.Errorf("%d %v", status, said["error"])
			}
		})
	}
	late := b.code(t)
	b.now = b.now.Add(time.Minute)
	if status, _ := b.trade(t, late); status != 400 {
		t.Errorf("after a minute: %d", status)
	}
	code := b.code(t)
	status, said := b.trade(t, code)
	if status != 200 || said["id_token"] == "" {
		t.Fatalf("%d %v", status, said["error"])
	}
	userinfo := func() int {
		r, _ := http.NewRequest("GET", b.URL+"/userinfo", nil)
		r.Header.Set("Authorization", "Bearer "+said["access_token"].(string))
		status, _, _ := b.call(t, r)
		return status
	}
	if status := userinfo(); status != 200 {
		t.Errorf("userinfo: %d", status)
	}
	if status, _ := b.trade(t, code); status != 400 {
		t.Errorf("the code again: %d", status)
	}
	if status := userinfo(); status != 401 {
		t.Errorf("the token of a code that came again: %d", status)
	}
	r, _ := http.NewRequest("GET", b.URL+"/userinfo", nil)
	r.Header.Set("Authorization", "Bearer "+b.code(t))
	if status, _, _ := b.call(t, r); status != 401 {
		t.Errorf("a code in the place of a token: %d", status)
	}
}

// TestLoggingOut leads back to the client's own page and nowhere else.
func TestLoggingOut(t *testing.T) {
	b := newBed(t)
	for to, want := range map[string]int{"https://pages.example/logout": 303, "https://evil.example": 400, "": 400} {
		r, _ := http.NewRequest("GET", b.URL+"/logout?"+url.Values{"client_id": {"knut"}, "post_logout_redirect_uri": {to}}.Encode(), nil)
		if status, h, _ := b.call(t, r); status != want || h.Get("Location") != map[int]string{303: to}[want] {
			t.Errorf("%q: %d", to, status)
		}
	}
}
