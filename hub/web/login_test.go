package web_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/outbound"
	"github.com/knutpunkt/knutpunkt/hub/web"
	"github.com/knutpunkt/knutpunkt/hub/web/eidsim"
)

// Who logs in, by the number of the choice on the e-ID's page. All are of Skatteverket's
// official test numbers.
const (
	elin   = "1" // who sends in the forms of the tests
	marta  = "2"
	newly  = "3" // has a samordningsnummer alone
	oskar  = "4" // has a personnummer, and had a samordningsnummer
	newlys = "195012742390"
	oskars = "199011172393"
	before = "194209882390" // Oskar's
	eidKey = "e-id-hemlighet"
)

func number(t testing.TB, digits string) hub.PersonID {
	t.Helper()
	p, err := hub.ParsePersonID(digits)
	if err != nil {
		t.Fatal("not a number")
	}
	return p
}

// A town is a bed where citizens can log in: its pages stand at one address however often
// the hub is started, and so does the e-ID. Its clock is moved by hand.
type town struct {
	*bed
	pages, op *httptest.Server
	eid       *eidsim.Provider
	login     *web.Login
	wire      *wire
	ahead     atomic.Int64 // of the real time
	serving   atomic.Pointer[http.Handler]
}

func newTown(t testing.TB, tune ...func(*town)) *town {
	t.Helper()
	w := &town{bed: makeBed(t), wire: &wire{}}
	w.clock = func() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }
	w.pages = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { (*w.serving.Load()).ServeHTTP(rw, r) }))
	t.Cleanup(w.pages.Close)
	w.op = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.eid.ServeHTTP(rw, r) }))
	t.Cleanup(w.op.Close)
	var err error
	w.eid, err = eidsim.New(eidsim.Options{
		Issuer: w.op.URL + "/op", Client: "knutpunkt", Secret: hub.NewSecret(eidKey), Clock: w.clock,
		Back: []string{w.pages.URL + "/login/done"}, Ended: []string{w.pages.URL + "/logout"},
		Persons: []eidsim.Person{
			{Number: number(t, canary)}, {Number: number(t, "199409272383")},
			{Number: number(t, newlys)}, {Number: number(t, oskars), Before: number(t, before)},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: w.wire, CheckRedirect: stay}
	w.login = &web.Login{
		Issuer: w.op.URL + "/op", Client: "knutpunkt", Secret: hub.NewSecret(eidKey), Levels: []string{eidsim.LoA3},
		Address: w.pages.URL, Logout: true, HTTP: client, Reads: client,
	}
	for _, f := range tune {
		f(w)
	}
	w.tune = func(o *web.Options) { o.Login = w.login }
	w.begin(t)
	return w
}

// begin starts the hub, or starts it again.
func (w *town) begin(t testing.TB) {
	t.Helper()
	w.start(t)
	h := w.web.Public()
	w.serving.Store(&h)
}

func (w *town) later(d time.Duration) { w.ahead.Add(int64(d)) }

func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// A wire leads to the e-ID, and may be cut, or change what is said.
type wire struct {
	cut   atomic.Bool
	asked atomic.Int64 // how often the e-ID has been called
	mu    sync.Mutex
	bend  func(*http.Request, *http.Response)
	sends func(*http.Request)
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.asked.Add(1)
	if w.cut.Load() {
		return nil, hub.Unavailable(errors.New("nothing was sent: no connection"), hub.Down)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.sends != nil {
		w.sends(r)
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err == nil && w.bend != nil {
		w.bend(r, resp)
	}
	return resp, err
}

// says makes the e-ID say something else at one of its addresses.
func says(path string, change func(map[string]any)) func(*http.Request, *http.Response) {
	return func(r *http.Request, resp *http.Response) {
		if !strings.HasSuffix(r.URL.Path, path) {
			return
		}
		var v map[string]any
		json.NewDecoder(resp.Body).Decode(&v)
		resp.Body.Close()
		change(v)
		text, _ := json.Marshal(v)
		resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	}
}

// A visitor has a browser, which keeps cookies, and takes this machine for safe, as Chromium and Firefox do.
type visitor struct {
	t      testing.TB
	town   *town
	client http.Client
}

type jar struct{ kept *cookiejar.Jar }

func safe(u *url.URL) *url.URL {
	v := *u
	v.Scheme = "https"
	return &v
}

func (j jar) SetCookies(u *url.URL, cs []*http.Cookie) { j.kept.SetCookies(safe(u), cs) }
func (j jar) Cookies(u *url.URL) []*http.Cookie        { return j.kept.Cookies(safe(u)) }

func (w *town) visitor(t testing.TB) *visitor {
	kept, _ := cookiejar.New(nil)
	return &visitor{t: t, town: w, client: http.Client{Jar: jar{kept}, CheckRedirect: stay}}
}

// visit calls an address, of our pages or in full.
func (b *visitor) visit(method, address, body string, headers ...string) answer {
	b.t.Helper()
	if strings.HasPrefix(address, "/") {
		address = b.town.pages.URL + address
	}
	req, err := http.NewRequest(method, address, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ":")
		req.Header.Add(name, strings.TrimSpace(value))
	}
	resp, err := b.client.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(text)}
}

func (b *visitor) get(address string, headers ...string) answer {
	b.t.Helper()
	return b.visit("GET", address, "", headers...)
}

// leave begins a login, and gives where the browser is led.
func (b *visitor) leave(path string) string {
	b.t.Helper()
	a := b.get(path)
	if a.status != http.StatusSeeOther {
		b.t.Fatalf("%s: %d %s", path, a.status, a.body)
	}
	return a.header.Get("Location")
}

// choose shows who one is at the e-ID, and gives where it leads back.
func (b *visitor) choose(at, person, level string) string {
	b.t.Helper()
	form := url.Values{"person": {person}, "level": {level}}
	a := b.visit("POST", at, form.Encode(), "Content-Type: application/x-www-form-urlencoded")
	if a.status != http.StatusSeeOther {
		b.t.Fatalf("the e-ID: %d %s", a.status, a.body)
	}
	return a.header.Get("Location")
}

// logIn goes all the way, and gives the last answer.
func (b *visitor) logIn(person string) answer {
	b.t.Helper()
	return b.get(b.choose(b.leave("/login"), person, eidsim.LoA3))
}

func (b *visitor) mustLogIn(person string) {
	b.t.Helper()
	if a := b.logIn(person); a.status != http.StatusSeeOther || a.header.Get("Location") != "/mina-arenden" {
		b.t.Fatalf("not logged in: %d %s", a.status, a.body)
	}
}

// cases gives the statuses of a look at one's own cases, and how many there are.
func (b *visitor) cases() (status, count int) {
	b.t.Helper()
	a := b.get("/v1/me/cases")
	var said struct{ Cases []any }
	json.Unmarshal([]byte(a.body), &said)
	return a.status, len(said.Cases)
}

func (b *visitor) mustBeOut(why string) {
	b.t.Helper()
	if status, _ := b.cases(); status != http.StatusUnauthorized {
		b.t.Errorf("%s: somebody is logged in: %d", why, status)
	}
}

// send posts a form of a person.
func (w *town) send(t testing.TB, id, person string) {
	t.Helper()
	text := form(id, `applicant={"personalIdentityNumber":"`+person+`"}`)
	if a := ask(t, w.public, "POST", "/v1/submissions", text, bearer(portalToken), jsonBody, "Idempotency-Key: login-"+id); a.status != 202 {
		t.Fatalf("%d %s", a.status, a.body)
	}
}

func slugIn(a answer) string {
	var p struct{ Type string }
	json.Unmarshal([]byte(a.body), &p)
	return strings.TrimPrefix(p.Type, "/problems/")
}

// TestLogIn: who shows her e-ID sees her own cases and nobody else's, for as long as she
// is logged in, and nothing that is written anywhere says who she is.
func TestLogIn(t *testing.T) {
	w := newTown(t)
	w.send(t, "h1", canary)
	w.send(t, "h2", canary)
	w.send(t, "h3", "199409272383")
	b := w.visitor(t)
	b.mustBeOut("before")

	page := b.get("/mina-arenden")
	if to := page.header.Get("Location"); page.status != 303 || to != "/login?to=%2Fmina-arenden" {
		t.Fatalf("led to %q with %d", to, page.status)
	}
	at := b.leave(page.header.Get("Location"))
	sent, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	q := sent.Query()
	if q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" || q.Get("acr_values") != eidsim.LoA3 ||
		q.Get("redirect_uri") != w.pages.URL+"/login/done" || !strings.Contains(q.Get("scope"), "openid") || q.Get("ui_locales") != "sv" ||
		!strings.Contains(q.Get("claims"), `"acr":{"essential":true,"values":["`+eidsim.LoA3+`"]}`) ||
		!strings.Contains(q.Get("claims"), "https://id.oidc.se/claim/previousCoordinationNumber") {
		t.Errorf("asked the e-ID %v", q)
	}
	back := b.choose(at, elin, eidsim.LoA3)
	in := b.get(back)
	if in.status != 303 || in.header.Get("Location") != "/mina-arenden" || in.header.Get("Referrer-Policy") != "no-referrer" {
		t.Fatalf("%d %v", in.status, in.header)
	}
	var session string
	for _, cookie := range in.header.Values("Set-Cookie") {
		name, rest, _ := strings.Cut(cookie, "=")
		value, flags, _ := strings.Cut(rest, "; ")
		switch {
		case name == "__Host-session":
			if session = value; flags != "Path=/; HttpOnly; Secure; SameSite=Lax" {
				t.Errorf("the cookie is %s", flags)
			}
		case !strings.HasPrefix(name, "__Host-login-") || !strings.Contains(flags, "Max-Age=0"):
			t.Errorf("the cookie %s is set", name)
		}
	}
	if len(session) != 43 {
		t.Fatal("no session")
	}
	if status, count := b.cases(); status != 200 || count != 2 {
		t.Errorf("she sees %d cases with %d", count, status)
	}
	other := w.visitor(t)
	other.mustLogIn(marta)
	if status, count := other.cases(); status != 200 || count != 1 {
		t.Errorf("another sees %d cases with %d", count, status)
	}
	b.mustLogIn(marta) // in the same browser
	if _, count := b.cases(); count != 1 {
		t.Errorf("who logged in last sees %d cases", count)
	}

	state, _ := url.Parse(back)
	for _, secret := range []string{canary, canary[2:], session, state.Query().Get("code"), state.Query().Get("state"), q.Get("nonce"), eidKey} {
		if strings.Contains(w.log.String(), secret) {
			t.Errorf("the log holds %.4s…", secret)
		}
	}
	if !strings.Contains(w.log.String(), `"client":"citizen"`) {
		t.Error("the log does not tell that a citizen called")
	}
}

// TestADatabaseAloneLogsNobodyIn: what the Store keeps holds neither the cookie nor the
// person.
func TestADatabaseAloneLogsNobodyIn(t *testing.T) {
	w := newTown(t)
	b := w.visitor(t)
	b.mustLogIn(elin)
	db, err := sql.Open("sqlite", "file:"+filepath.Join(w.dir, "knutpunkt.db")+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var id, sealed []byte
	if err := db.QueryRow("SELECT id, sealed FROM sessions").Scan(&id, &sealed); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, []byte(canary)) {
		t.Error("the row says who it is")
	}
	thief := w.visitor(t)
	if a := thief.get("/v1/me/cases", "Cookie: __Host-session="+base64.RawURLEncoding.EncodeToString(id)); a.status != 401 {
		t.Errorf("the row's id logs in: %d", a.status)
	}
}

// TestWhoTheyAre: a person is found by each number that she has and has had, wherever the
// provider tells them.
func TestWhoTheyAre(t *testing.T) {
	for _, apart := range []bool{false, true} {
		w := newTown(t)
		w.eid.NumbersApart = apart
		w.send(t, "h1", newlys)
		w.send(t, "h2", oskars)
		w.send(t, "h3", before)
		for person, want := range map[string]int{elin: 0, newly: 1, oskar: 2} {
			b := w.visitor(t)
			b.mustLogIn(person)
			if status, count := b.cases(); status != 200 || count != want {
				t.Errorf("numbers apart %v: person %s sees %d cases with %d", apart, person, count, status)
			}
		}
	}
}

// TestReturnsThatLogNobodyIn: what comes back from the e-ID must belong to a login that
// this very browser began, at this very provider.
func TestReturnsThatLogNobodyIn(t *testing.T) {
	w := newTown(t)
	change := func(address string, f func(url.Values)) string {
		u, _ := url.Parse(address)
		q := u.Query()
		f(q)
		u.RawQuery = q.Encode()
		return u.String()
	}
	for _, test := range []struct {
		name, why string
		come      func(b *visitor) answer
		status    int
		slug      string
	}{
		{"login CSRF", "39: the attacker's own return in another browser", func(b *visitor) answer {
			attacker := w.visitor(t)
			return b.get(attacker.choose(attacker.leave("/login"), marta, eidsim.LoA3))
		}, 400, "login-failed"},
		{"login CSRF while a login is on its way", "39", func(b *visitor) answer {
			attacker := w.visitor(t)
			b.leave("/login")
			return b.get(attacker.choose(attacker.leave("/login"), marta, eidsim.LoA3))
		}, 400, "login-failed"},
		{"another's code", "39: PKCE, the code was asked for with another challenge", func(b *visitor) answer {
			attacker := w.visitor(t)
			theirs, _ := url.Parse(attacker.choose(attacker.leave("/login"), marta, eidsim.LoA3))
			return b.get(change(b.choose(b.leave("/login"), elin, eidsim.LoA3), func(q url.Values) { q.Set("code", theirs.Query().Get("code")) }))
		}, 400, "login-failed"},
		{"no state", "39", func(b *visitor) answer {
			return b.get(change(b.choose(b.leave("/login"), elin, eidsim.LoA3), func(q url.Values) { q.Del("state") }))
		}, 400, "login-failed"},
		{"another state", "39", func(b *visitor) answer {
			return b.get(change(b.choose(b.leave("/login"), elin, eidsim.LoA3), func(q url.Values) { q.Set("state", strings.Repeat("A", 43)) }))
		}, 400, "login-failed"},
		{"a state with a tail", "39", func(b *visitor) answer {
			return b.get(change(b.choose(b.leave("/login"), elin, eidsim.LoA3), func(q url.Values) { q.Set("state", q.Get("state")+"\n") }))
		}, 400, "login-failed"},
		{"the state twice", "39", func(b *visitor) answer {
			return b.get(change(b.choose(b.leave("/login"), elin, eidsim.LoA3), func(q url.Values) { q.Add("state", q.Get("state")) }))
		}, 400, "login-failed"},
		{"no code", "39", func(b *visitor) answer {
			return b.get(change(b.choose(b.leave("/login"), elin, eidsim.LoA3), func(q url.Values) { q.Del("code") }))
		}, 400, "login-failed"},
		{"the code twice", "39", func(b *visitor) answer {
			return b.get(change(b.choose(b.leave("/login"), elin, eidsim.LoA3), func(q url.Values) { q.Add("code", "x") }))
		}, 400, "login-failed"},
		{"a code and an error", "39", func(b *visitor) answer {
			return b.get(change(b.choose(b.leave("/login"), elin, eidsim.LoA3), func(q url.Values) { q.Set("error", "access_denied") }))
		}, 400, "login-failed"},
		{"nothing", "39", func(b *visitor) answer { b.leave("/login"); return b.get("/login/done") }, 400, "login-failed"},
		{"an unreadable query", "39", func(b *visitor) answer { return b.get("/login/done?code=%zz;state=1") }, 400, "login-failed"},
		{"another iss", "39: mix-up", func(b *visitor) answer {
			return b.get(change(b.choose(b.leave("/login"), elin, eidsim.LoA3), func(q url.Values) { q.Set("iss", "https://other.example") }))
		}, 400, "login-failed"},
		{"no iss", "39: the provider says that it gives one", func(b *visitor) answer {
			return b.get(change(b.choose(b.leave("/login"), elin, eidsim.LoA3), func(q url.Values) { q.Del("iss") }))
		}, 400, "login-failed"},
		{"another nonce", "39: what was asked for is not what is answered", func(b *visitor) answer {
			at := change(b.leave("/login"), func(q url.Values) { q.Set("nonce", "abc") })
			return b.get(b.choose(at, elin, eidsim.LoA3))
		}, 400, "login-failed"},
		{"no nonce", "39: the provider refuses", func(b *visitor) answer {
			at := change(b.leave("/login"), func(q url.Values) { q.Del("nonce") })
			return b.get(b.get(at).header.Get("Location"))
		}, 400, "login-failed"},
		{"no challenge", "39: PKCE taken away on the way", func(b *visitor) answer {
			at := change(b.leave("/login"), func(q url.Values) { q.Del("code_challenge"); q.Del("code_challenge_method") })
			return b.get(b.get(at).header.Get("Location"))
		}, 400, "login-failed"},
		{"another challenge", "39: PKCE changed on the way", func(b *visitor) answer {
			at := change(b.leave("/login"), func(q url.Values) { q.Set("code_challenge", strings.Repeat("A", 43)) })
			return b.get(b.choose(at, elin, eidsim.LoA3))
		}, 400, "login-failed"},
		{"too late", "ten minutes", func(b *visitor) answer {
			at := b.leave("/login")
			w.later(10 * time.Minute)
			return b.get(b.choose(at, elin, eidsim.LoA3))
		}, 400, "login-failed"},
		{"a cookie that was changed", "39", func(b *visitor) answer {
			back := b.choose(b.leave("/login"), elin, eidsim.LoA3)
			u, _ := url.Parse(w.pages.URL)
			cookies := b.client.Jar.Cookies(u)
			for _, c := range cookies {
				other := map[bool]string{true: "y", false: "x"}[c.Value[20] == 'x']
				c.Value, c.Path, c.Secure = c.Value[:20]+other+c.Value[21:], "/", true
			}
			b.client.Jar.SetCookies(u, cookies)
			return b.get(back)
		}, 400, "login-failed"},
		{"a cookie of another login", "39", func(b *visitor) answer {
			back := b.choose(b.leave("/login"), elin, eidsim.LoA3)
			u, _ := url.Parse(w.pages.URL)
			first := b.client.Jar.Cookies(u)
			b.leave("/login")
			both := b.client.Jar.Cookies(u)
			for _, c := range both {
				if c.Name != first[0].Name {
					b.client.Jar.SetCookies(u, []*http.Cookie{{Name: first[0].Name, Value: c.Value, Path: "/", Secure: true}})
				}
			}
			return b.get(back)
		}, 400, "login-failed"},
		{"cancelled", "the citizen changed her mind", func(b *visitor) answer {
			return b.get(b.choose(b.leave("/login"), "none", eidsim.LoA3))
		}, 403, "login-cancelled"},
		{"a level that is too low", "40", func(b *visitor) answer {
			return b.get(b.choose(b.leave("/login"), elin, eidsim.LoA2))
		}, 403, "acr-too-low"},
		{"the provider says that no level will do", "40", func(b *visitor) answer {
			back := b.choose(b.leave("/login"), "none", eidsim.LoA3)
			return b.get(change(back, func(q url.Values) { q.Set("error", "unmet_authentication_requirements") }))
		}, 403, "acr-too-low"},
		{"the provider is out of order", "in its own words", func(b *visitor) answer {
			back := b.choose(b.leave("/login"), "none", eidsim.LoA3)
			return b.get(change(back, func(q url.Values) { q.Set("error", "temporarily_unavailable") }))
		}, 503, "login-unavailable"},
		{"an address to come back to", "39: redirect_uri variant", func(b *visitor) answer {
			return b.get("/login?redirect_uri=https%3A%2F%2Fevil.example")
		}, 400, "validation-failed"},
		{"another's page to lead to", "39", func(b *visitor) answer { return b.get("/login?to=https%3A%2F%2Fevil.example") }, 400, "validation-failed"},
		{"another's page, without a scheme", "39", func(b *visitor) answer { return b.get("/login?to=%2F%2Fevil.example") }, 400, "validation-failed"},
		{"another's page, with a backslash", "39", func(b *visitor) answer { return b.get("/login?to=%2F%5Cevil.example") }, 400, "validation-failed"},
		{"another's page, by dots", "39", func(b *visitor) answer { return b.get("/login?to=%2Fmina-arenden%2F..%2F..%2Fv1") }, 400, "validation-failed"},
		{"another's page, with a line end", "39", func(b *visitor) answer { return b.get("/login?to=%2Fmina%0D%0ASet-Cookie:a") }, 400, "validation-failed"},
		{"two pages to lead to", "39", func(b *visitor) answer { return b.get("/login?to=%2Fa&to=%2Fb") }, 400, "validation-failed"},
		{"in a circle", "the login leads to no login", func(b *visitor) answer { return b.get("/login?to=%2Flogin") }, 400, "validation-failed"},
		{"posted", "39: the return is a navigation", func(b *visitor) answer { return b.visit("POST", "/login/done", "") }, 405, "method-not-allowed"},
		{"a variant of the address", "39: redirect_uri variant", func(b *visitor) answer { return b.get("/login/done/") }, 404, "not-found"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := w.visitor(t)
			a := test.come(b)
			if a.status != test.status || slugIn(a) != test.slug {
				t.Errorf("%d %s, want %d %s: %s", a.status, slugIn(a), test.status, test.slug, test.why)
			}
			for _, cookie := range a.header.Values("Set-Cookie") {
				if strings.HasPrefix(cookie, "__Host-session=") {
					t.Error("a session was begun")
				}
			}
			b.mustBeOut(test.why)
			w.later(time.Minute) // so that the peer's calls are not too many
		})
	}
	b := w.visitor(t)
	back := b.choose(b.leave("/login"), elin, eidsim.LoA3)
	if b.get(back).status != 303 {
		t.Fatal("not logged in")
	}
	if a := w.visitor(t).get(back); a.status != 400 {
		t.Errorf("the return again, elsewhere: %d", a.status)
	}
	if a := b.get(back); a.status != 400 {
		t.Errorf("the return again: %d", a.status)
	}
	if status, _ := b.cases(); status != 200 {
		t.Error("a return that came again logged her out")
	}
}

// TestWordsThatAreNotBelieved: the provider's word counts only when it is signed by the
// provider, to us, now, for this login, and of a person.
func TestWordsThatAreNotBelieved(t *testing.T) {
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	set := func(name string, v any) func(map[string]any) {
		return func(claims map[string]any) {
			if claims[name] = v; v == nil {
				delete(claims, name)
			}
		}
	}
	const pin, coordination = "https://id.oidc.se/claim/personalIdentityNumber", "https://id.oidc.se/claim/coordinationNumber"
	for _, test := range []struct {
		name   string
		claims func(map[string]any)
		wire   func(*http.Request, *http.Response)
		status int
		slug   string
	}{
		{"as it is", func(map[string]any) {}, nil, 303, ""},
		{"of another issuer", set("iss", "https://other.example"), nil, 400, "login-failed"},
		{"to another", set("aud", "another"), nil, 400, "login-failed"},
		{"to several, for nobody", set("aud", []string{"knutpunkt", "another"}), nil, 400, "login-failed"},
		{"for another", set("azp", "another"), nil, 400, "login-failed"},
		{"of yesterday", set("exp", 1000000000), nil, 400, "login-failed"},
		{"of tomorrow", set("nbf", 9000000000), nil, 400, "login-failed"},
		{"without a nonce", set("nonce", nil), nil, 400, "login-failed"},
		{"of another token", set("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"), nil, 400, "login-failed"},
		{"at no level", set("acr", nil), nil, 403, "acr-too-low"},
		{"at a level like ours", set("acr", eidsim.LoA3+"x"), nil, 403, "acr-too-low"},
		{"of a number that is none", set(pin, "198810032387"), says("/userinfo", set(pin, nil)), 403, "login-without-number"},
		{"of a number in another spelling", set(pin, "19881003-2386"), says("/userinfo", set(pin, nil)), 403, "login-without-number"},
		{"of nobody", set(pin, nil), says("/userinfo", set(pin, nil)), 403, "login-without-number"},
		{"of a number that is no text", set(pin, 198810032386), nil, 400, "login-failed"},
		{"and userinfo of another person", func(map[string]any) {}, says("/userinfo", set("sub", "another")), 400, "login-failed"},
		{"and userinfo of another number", func(map[string]any) {}, says("/userinfo", set(pin, "199409272383")), 400, "login-failed"},
		{"and userinfo of one more number", func(map[string]any) {}, says("/userinfo", set(coordination, newlys)), 303, ""},
		{"not there", func(map[string]any) {}, says("/token", set("id_token", nil)), 400, "login-failed"},
		{"unsigned", func(map[string]any) {}, says("/token", func(v map[string]any) {
			parts := strings.Split(v["id_token"].(string), ".")
			v["id_token"] = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + parts[1] + "."
		}), 400, "login-failed"},
		{"signed by another", func(map[string]any) {}, says("/token", func(v map[string]any) {
			payload, _ := base64.RawURLEncoding.DecodeString(strings.Split(v["id_token"].(string), ".")[1])
			signer, _ := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: stranger, KeyID: "eidsim"}}, nil)
			signed, _ := signer.Sign(payload)
			v["id_token"], _ = signed.CompactSerialize()
		}), 400, "login-failed"},
		{"signed with our own secret", func(map[string]any) {}, says("/token", func(v map[string]any) {
			payload, _ := base64.RawURLEncoding.DecodeString(strings.Split(v["id_token"].(string), ".")[1])
			signer, _ := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: bytes.Repeat([]byte(eidKey), 3)}, nil)
			signed, _ := signer.Sign(payload)
			v["id_token"], _ = signed.CompactSerialize()
		}), 400, "login-failed"},
		{"no answer that can be read", func(map[string]any) {}, func(r *http.Request, resp *http.Response) {
			if strings.HasSuffix(r.URL.Path, "/token") {
				resp.Body = io.NopCloser(strings.NewReader("<h1>" + canary))
			}
		}, 503, "login-unavailable"},
		{"and keys that are not there", func(map[string]any) {}, func(r *http.Request, resp *http.Response) {
			if strings.HasSuffix(r.URL.Path, "/keys") {
				resp.StatusCode = 503
			}
		}, 503, "login-unavailable"},
		{"and keys that cannot be read", func(map[string]any) {}, func(r *http.Request, resp *http.Response) {
			if strings.HasSuffix(r.URL.Path, "/keys") {
				resp.Body = io.NopCloser(strings.NewReader("<h1>" + canary))
			}
		}, 503, "login-unavailable"},
		{"without an end", func(map[string]any) {}, func(r *http.Request, resp *http.Response) {
			if strings.HasSuffix(r.URL.Path, "/userinfo") {
				resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"a":"`), endless{}))
			}
		}, 503, "login-unavailable"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newTown(t)
			w.eid.Bend, w.wire.bend = test.claims, test.wire
			b := w.visitor(t)
			a := b.logIn(elin)
			if a.status != test.status || slugIn(a) != test.slug {
				t.Errorf("%d %s, want %d %s", a.status, slugIn(a), test.status, test.slug)
			}
			if test.status != 303 {
				b.mustBeOut(test.name)
			}
			if strings.Contains(w.log.String(), canary) {
				t.Error("the log says who it is")
			}
		})
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// TestSessionsEnd: unused for fifteen minutes, and after eight hours of use.
func TestSessionsEnd(t *testing.T) {
	w := newTown(t)
	b := w.visitor(t)
	b.mustLogIn(elin)
	w.later(14 * time.Minute)
	if status, _ := b.cases(); status != 200 {
		t.Fatalf("after 14 minutes: %d", status)
	}
	w.later(14 * time.Minute)
	if status, _ := b.cases(); status != 200 {
		t.Fatalf("in use, after 28 minutes: %d", status)
	}
	w.later(15 * time.Minute)
	b.mustBeOut("unused for 15 minutes")

	b.mustLogIn(elin)
	for minutes := 0; minutes < 8*60-10; minutes += 10 {
		w.later(10 * time.Minute)
		if status, _ := b.cases(); status != 200 {
			t.Fatalf("in use, after %d minutes: %d", minutes+10, status)
		}
	}
	w.later(10 * time.Minute)
	b.mustBeOut("after eight hours")
}

// TestAUseIsNotedOnceAMinute: reading does not write.
func TestAUseIsNotedOnceAMinute(t *testing.T) {
	w := newTown(t)
	b := w.visitor(t)
	b.mustLogIn(elin)
	db, err := sql.Open("sqlite", "file:"+filepath.Join(w.dir, "knutpunkt.db")+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	seen := func() (ns int64) {
		if err := db.QueryRow("SELECT seen FROM sessions").Scan(&ns); err != nil {
			t.Fatal(err)
		}
		return ns
	}
	first := seen()
	w.later(30 * time.Second)
	b.cases()
	if seen() != first {
		t.Error("noted after half a minute")
	}
	w.later(31 * time.Second)
	b.cases()
	if seen() == first {
		t.Error("not noted after a minute")
	}
}

// TestLoginsSurviveARestart: those that are done, and those that are on their way.
func TestLoginsSurviveARestart(t *testing.T) {
	w := newTown(t)
	b, late := w.visitor(t), w.visitor(t)
	b.mustLogIn(elin)
	back := late.choose(late.leave("/login?to=%2Fmina-arenden%2Fabc"), marta, eidsim.LoA3)
	w.stop()
	w.begin(t)
	if status, _ := b.cases(); status != 200 {
		t.Errorf("after a restart: %d", status)
	}
	if a := late.get(back); a.status != 303 || a.header.Get("Location") != "/mina-arenden/abc" {
		t.Errorf("a login over a restart: %d %s", a.status, a.body)
	}
}

// TestTheProviderIsDown: the hub starts and runs without it, says so in plain words, does
// not run it over, and finds it when it is back.
func TestTheProviderIsDown(t *testing.T) {
	w := newTown(t, func(w *town) { w.wire.cut.Store(true) })
	b := w.visitor(t)
	a := b.get("/login", "Accept: text/html,*/*;q=0.8")
	if a.status != 503 || !strings.Contains(a.body, "Det går inte att logga in just nu") || a.header.Get("Retry-After") == "" ||
		!strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
		t.Errorf("%d %v %s", a.status, a.header, a.body)
	}
	if a := b.get("/login", "Accept: text/html", "Accept-Language: en"); !strings.Contains(a.body, "Logging in is not possible at the moment") {
		t.Errorf("in English: %s", a.body)
	}
	for range 20 {
		if a := b.get("/login"); a.status != 503 || slugIn(a) != "login-unavailable" {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	if n := w.wire.asked.Load(); n != 1 {
		t.Errorf("the provider was called %d times", n)
	}
	if !strings.Contains(w.log.String(), "no connection") {
		t.Error("the log does not say why")
	}
	if a := ask(t, w.public, "GET", "/v1/submissions", "", bearer(portalToken)); a.status != 200 {
		t.Errorf("clients are answered with %d", a.status)
	}
	w.wire.cut.Store(false)
	w.later(5 * time.Second)
	at := b.leave("/login")
	back := b.choose(at, elin, eidsim.LoA3)
	w.wire.cut.Store(true)
	if a := b.get(back); a.status != 503 || slugIn(a) != "login-unavailable" {
		t.Errorf("down in the middle: %d", a.status)
	}
	w.wire.cut.Store(false)
	b.mustLogIn(elin)
	w.later(14 * time.Minute)
	b.cases()
	w.wire.cut.Store(true) // who is logged in needs no provider
	w.later(14 * time.Minute)
	if status, _ := b.cases(); status != 200 {
		t.Errorf("logged in, and the provider is down: %d", status)
	}
	w.later(24 * time.Hour) // what it said of itself is old, and still the best there is
	b.leave("/login")
}

// TestKeysOutOfReach: where the provider keeps its keys at a host that the hub may not call,
// who logs in is told that logging in is not possible now, and the log why.
func TestKeysOutOfReach(t *testing.T) {
	w := newTown(t, func(w *town) {
		w.wire.bend = says("/openid-configuration", func(told map[string]any) { told["jwks_uri"] = "https://keys.invalid/all" })
	})
	b := w.visitor(t)
	if a := b.logIn(elin); a.status != 503 || slugIn(a) != "login-unavailable" || a.header.Get("Retry-After") == "" {
		t.Errorf("%d %s", a.status, a.body)
	}
	if !strings.Contains(w.log.String(), "fetch the keys that it signs with: ") {
		t.Error("the log does not say why")
	}
	b.mustBeOut("nobody has vouched for her")
}

// TestProvidersThatAreNotBelieved: what describes itself wrongly is not sent anybody.
func TestProvidersThatAreNotBelieved(t *testing.T) {
	set := func(name string, v any) func(*http.Request, *http.Response) {
		return says("/openid-configuration", func(told map[string]any) { told[name] = v })
	}
	for name, bend := range map[string]func(*http.Request, *http.Response){
		"another issuer":               set("issuer", "https://other.example"),
		"a login in the open":          set("authorization_endpoint", "http://192.0.2.1/authorize"),
		"a login that is no address":   set("authorization_endpoint", "javascript:alert(1)"),
		"codes in the open":            set("token_endpoint", "http://192.0.2.1/token"),
		"keys in the open":             set("jwks_uri", "http://192.0.2.1/keys"),
		"a logout in the open":         set("end_session_endpoint", "http://192.0.2.1/logout"),
		"something else than metadata": func(_ *http.Request, resp *http.Response) { resp.Body = io.NopCloser(strings.NewReader("<h1>")) },
		"not found":                    func(_ *http.Request, resp *http.Response) { resp.StatusCode = 404 },
	} {
		t.Run(name, func(t *testing.T) {
			w := newTown(t, func(w *town) { w.wire.bend = bend })
			if a := w.visitor(t).get("/login"); a.status != 503 || slugIn(a) != "login-unavailable" {
				t.Errorf("%d %s", a.status, a.header.Get("Location"))
			}
		})
	}
}

// TestLogOut: the session ends here and there, and nobody else's page can do it.
func TestLogOut(t *testing.T) {
	w := newTown(t)
	b := w.visitor(t)
	b.mustLogIn(elin)
	stolen := b.client.Jar.Cookies(mustParse(w.pages.URL))
	for _, headers := range [][]string{
		{"Sec-Fetch-Site: cross-site", "Origin: https://evil.example"}, {"Origin: https://evil.example"}, {"Origin: null"},
		{"Sec-Fetch-Site: same-site", "Origin: " + w.pages.URL}, {"Sec-Fetch-Site: none"}, nil,
	} {
		if a := b.visit("POST", "/logout", "", headers...); a.status != 403 || slugIn(a) != "cross-origin" || len(a.header.Values("Set-Cookie")) > 0 {
			t.Errorf("%v: %d %s", headers, a.status, slugIn(a))
		}
	}
	if a := b.get("/logout"); a.status != 200 || !strings.Contains(a.body, `<form method="post" action="/logout">`) {
		t.Errorf("the page: %d", a.status)
	}
	if status, _ := b.cases(); status != 200 {
		t.Fatal("logged out by another's page")
	}
	a := b.visit("POST", "/logout", "", "Sec-Fetch-Site: same-origin", "Origin: "+w.pages.URL)
	wait, there, _ := strings.Cut(a.header.Get("Refresh"), "; url=")
	if a.status != 200 || wait != "0" || !strings.HasPrefix(there, w.op.URL+"/op/logout?") || strings.Contains(there, canary) || strings.Contains(there, "id_token") {
		t.Errorf("%d, led to %s", a.status, there)
	}
	if to := b.get(there).header.Get("Location"); to != w.pages.URL+"/logout" {
		t.Errorf("the e-ID leads to %s", to)
	}
	if a := b.get("/logout"); a.status != 200 || !strings.Contains(a.body, "Du är utloggad") {
		t.Errorf("after: %d", a.status)
	}
	b.mustBeOut("after logging out")
	for _, c := range stolen {
		if a := w.visitor(t).get("/v1/me/cases", "Cookie: "+c.Name+"="+c.Value); a.status != 401 {
			t.Errorf("the old cookie: %d", a.status)
		}
	}
	if len(stolen) == 0 {
		t.Error("there was no cookie")
	}
	w.login.Logout = false
	b.mustLogIn(elin)
	if a := b.visit("POST", "/logout", "", "Origin: "+w.pages.URL); a.status != 303 || a.header.Get("Location") != "/logout" {
		t.Errorf("without the provider: %d", a.status)
	}
	b.mustBeOut("after logging out here alone")
}

func mustParse(address string) *url.URL {
	u, err := url.Parse(address)
	if err != nil {
		panic(err)
	}
	return u
}

// TestALoginEndsTheOneBefore in the same browser, and what its cookie was is worth nothing.
func TestALoginEndsTheOneBefore(t *testing.T) {
	w := newTown(t)
	b := w.visitor(t)
	b.mustLogIn(elin)
	old := b.client.Jar.Cookies(mustParse(w.pages.URL))
	b.mustLogIn(elin)
	for _, c := range old {
		if a := w.visitor(t).get("/v1/me/cases", "Cookie: "+c.Name+"="+c.Value); a.status != 401 {
			t.Errorf("the session before: %d", a.status)
		}
	}
}

// TestTheWall: a citizen is no client, a client is no citizen, and where nobody can log in
// there is nothing.
func TestTheWall(t *testing.T) {
	w := newTown(t)
	b := w.visitor(t)
	b.mustLogIn(elin)
	for _, test := range []struct {
		name, method, path string
		headers            []string
		citizen            bool
		status             int
	}{
		{"a citizen where clients read", "GET", "/v1/submissions", nil, true, 401},
		{"a citizen where clients read one", "GET", "/v1/submissions/01ARZ3NDEKTSV4RRFFQ69G5FAV", nil, true, 401},
		{"a citizen where clients post", "POST", "/v1/submissions", []string{jsonBody}, true, 401},
		{"a citizen where platforms post", "POST", "/v1/sources/oep", []string{"Content-Type: application/xml"}, true, 401},
		{"a client where citizens read", "GET", "/v1/me/cases", []string{bearer(portalToken)}, false, 401},
		{"a client where citizens follow", "GET", "/v1/me/events", []string{bearer(portalToken)}, false, 401},
		{"a client who says that it is a citizen", "GET", "/v1/me/cases", []string{bearer(portalToken), "Cookie: __Host-session=" + strings.Repeat("A", 43)}, false, 401},
		{"a cookie that is none", "GET", "/v1/me/cases", []string{"Cookie: __Host-session=x"}, false, 401},
		{"two cookies", "GET", "/v1/me/cases", []string{"Cookie: __Host-session=" + strings.Repeat("A", 43)}, true, 401},
		{"a token in the address", "GET", "/v1/me/cases?access_token=x", nil, true, 400},
		{"another site's script", "GET", "/v1/me/cases", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: cors", "Origin: https://evil.example"}, true, 403},
		{"another site's link", "GET", "/v1/me/cases", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"}, true, 200},
		{"nobody's address", "GET", "/v1/me/nothing", nil, true, 404},
		{"the operators' listener", "GET", "/console", nil, true, 404},
	} {
		t.Run(test.name, func(t *testing.T) {
			from := w.visitor(t)
			if test.citizen {
				from = b
			}
			a := from.visit(test.method, test.path, "", test.headers...)
			if a.status != test.status {
				t.Errorf("%d %s", a.status, a.body)
			}
			if a.status == 401 && a.header.Get("Www-Authenticate") == "" {
				t.Error("a 401 without a challenge")
			}
		})
	}
	without := newBed(t)
	for _, path := range []string{"/login", "/login/done?code=x&state=y", "/logout", "/mina-arenden", "/v1/me/cases", "/v1/me/events"} {
		if a := ask(t, without.public, "GET", path, ""); a.status != 404 {
			t.Errorf("without a login, %s: %d", path, a.status)
		}
	}
	if a := ask(t, without.public, "POST", "/logout", "", "Sec-Fetch-Site: same-origin"); a.status != 404 {
		t.Errorf("without a login, logging out: %d", a.status)
	}
}

// TestSeveralLoginsAtOnce: two tabs of one browser, and many browsers.
func TestSeveralLoginsAtOnce(t *testing.T) {
	w := newTown(t)
	w.send(t, "h1", canary)
	b := w.visitor(t)
	first, second := b.leave("/login?to=%2Fmina-arenden%2Ffirst"), b.leave("/login?to=%2Fmina-arenden%2Fsecond")
	if to := b.get(b.choose(second, elin, eidsim.LoA3)).header.Get("Location"); to != "/mina-arenden/second" {
		t.Errorf("the second tab is led to %q", to)
	}
	if to := b.get(b.choose(first, elin, eidsim.LoA3)).header.Get("Location"); to != "/mina-arenden/first" {
		t.Errorf("the first tab is led to %q", to)
	}
	for range 6 {
		b.leave("/login")
	}
	var begun int
	for _, c := range b.client.Jar.Cookies(mustParse(w.pages.URL)) {
		if strings.HasPrefix(c.Name, "__Host-login-") {
			begun++
		}
	}
	if begun == 0 || begun > 4 {
		t.Errorf("%d logins are kept in the browser", begun)
	}
	w.later(time.Minute)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			person, want := elin, 1
			if i%2 == 1 {
				person, want = marta, 0
			}
			b := w.visitor(t)
			if a := b.logIn(person); a.status != 303 {
				t.Errorf("%d %s", a.status, a.body)
			}
			if status, count := b.cases(); status != 200 || count != want {
				t.Errorf("sees %d cases with %d", count, status)
			}
		})
	}
	all.Wait()
}

// TestWhoLogsInTooOften waits, and others do not.
func TestWhoLogsInTooOften(t *testing.T) {
	w := newTown(t)
	b := w.visitor(t)
	var refused answer
	for range 70 {
		if a := b.get("/login/done"); a.status == 429 {
			refused = a
		}
	}
	if refused.status != 429 || refused.header.Get("Retry-After") == "" {
		t.Error("nobody was held back")
	}
	w.later(10 * time.Second)
	b.mustLogIn(elin)
}

// TestWeAreKnownByAKey: private_key_jwt, where the provider wants that.
func TestWeAreKnownByAKey(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	w := newTown(t, func(w *town) {
		w.login.Secret, w.login.Key, w.login.KeyID = hub.Secret{}, key, "k1"
		w.wire.sends = func(r *http.Request) { // the e-ID of the tests knows secrets alone, so the wire judges
			if !strings.HasSuffix(r.URL.Path, "/token") {
				return
			}
			text, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(text))
			form, _ := url.ParseQuery(string(text))
			signed, err := jwt.ParseSigned(form.Get("client_assertion"), []jose.SignatureAlgorithm{jose.ES256})
			if err != nil {
				t.Errorf("the assertion: %v", err)
				return
			}
			var said jwt.Claims
			err = signed.Claims(&key.PublicKey, &said)
			if err == nil {
				err = said.ValidateWithLeeway(jwt.Expected{Issuer: "knutpunkt", Subject: "knutpunkt", AnyAudience: jwt.Audience{w.op.URL + "/op/token"}, Time: w.clock()}, 0)
			}
			if err != nil || said.ID == "" || signed.Headers[0].KeyID != "k1" || r.Header.Get("Authorization") != "" || form.Get("client_id") != "knutpunkt" ||
				form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
				t.Errorf("we are not known: %v", err)
				return
			}
			r.SetBasicAuth("knutpunkt", eidKey)
		}
	})
	w.visitor(t).mustLogIn(elin)
}

// TestTheDoorOut: the provider is reached through the hub's one door, and only where the
// configuration gives leave.
func TestTheDoorOut(t *testing.T) {
	through := func(address func(*town) string) func(*town) {
		return func(w *town) {
			g, err := outbound.GrantFor(address(w))
			if err != nil {
				t.Fatal(err)
			}
			door := outbound.Open([]outbound.Grant{g}, nil, w.clock)
			w.login.HTTP, w.login.Reads = door.HTTP(), door.Reads()
		}
	}
	newTown(t, through(func(w *town) string { return w.op.URL })).visitor(t).mustLogIn(elin)
	w := newTown(t, through(func(*town) string { return "http://127.0.0.1:1" }))
	if a := w.visitor(t).get("/login"); a.status != 503 || !strings.Contains(w.log.String(), "has no grant") {
		t.Errorf("without leave: %d", a.status)
	}
}

// TestASecretThatIsNotKnown is the installation's fault, and nobody else's.
func TestASecretThatIsNotKnown(t *testing.T) {
	w := newTown(t, func(w *town) { w.login.Secret = hub.NewSecret("an old one") })
	if a := w.visitor(t).logIn(elin); a.status != 503 || !strings.Contains(w.log.String(), "does not know us") {
		t.Errorf("%d %s", a.status, a.body)
	}
}
