package verbs

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/web/eidsim"
)

// citizenRows are about citizens who log in, and those who would rather be somebody else.
func (b *hostileBed) citizenRows() []hostileRow {
	return []hostileRow{
		{n: 29, name: "a client that may only ask", act: func(t *testing.T, b *hostileBed) {
			form := call("POST", "/v1/submissions", b.form(), b.as("mina-arenden"), isJSON, b.key())
			b.send(t, form).is(t, "403 forbidden-scope", "")
		}},
		{n: 33, name: "another citizen's case", act: anotherCitizensCase},
		{n: 34, name: "a citizen among the operators", act: aCitizenElsewhere},
		{n: 39, name: "a login from another site", act: foreignLogins},
		{n: 40, name: "a weak e-ID", act: func(t *testing.T, b *hostileBed) {
			a := b.newVisitor(t).logIn(t, citizen, eidsim.LoA2)
			a.is(t, "403 acr-too-low", "")
		}},
		{n: 97, name: "subscribers that lead astray", act: badSubscribers},
		{n: 100, name: "a citizen's sixth stream", act: aCitizensSixthStream},
	}
}

// A visitor has cookies, and goes where it is sent.
type visitor struct {
	*hostileBed
	cookies map[string]string
}

func (b *hostileBed) newVisitor(t *testing.T) *visitor {
	t.Helper()
	return &visitor{b, map[string]string{}}
}

// openEID starts the e-ID that the configuration names.
func (b *hostileBed) openEID(t *testing.T) {
	t.Helper()
	pages := fmt.Sprintf("http://127.0.0.1:%d", b.base)
	provider, err := eidsim.New(eidsim.Options{
		Issuer: fmt.Sprintf("http://127.0.0.1:%d", b.base+eidPort), Client: "knutpunkt", Secret: hub.NewSecret(b.secret("login")),
		Back: []string{pages + "/login/done"}, Ended: []string{pages + "/logout"}, Persons: citizens(), Clock: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", b.base+eidPort))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: provider}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
}

// open asks the hub for a page, with the browser's cookies.
func (w *visitor) open(t *testing.T, path string, headers ...string) *hostileAnswer {
	t.Helper()
	var cookies []string
	for name, value := range w.cookies {
		cookies = append(cookies, name+"="+value)
	}
	slices.Sort(cookies)
	if len(cookies) > 0 {
		headers = append(headers, "Cookie: "+strings.Join(cookies, "; "))
	}
	a := w.send(t, call("GET", path, "", append([]string{fmt.Sprintf("Host: 127.0.0.1:%d", w.base)}, headers...)...))
	for _, c := range a.Cookies() {
		if w.cookies[c.Name] = c.Value; c.MaxAge < 0 {
			delete(w.cookies, c.Name)
		}
	}
	return a
}

// toEID begins a login, and gives where the e-ID is asked for one.
func (w *visitor) toEID(t *testing.T) string {
	t.Helper()
	a := w.open(t, "/login?to=/mina-arenden")
	if a.StatusCode != http.StatusFound && a.StatusCode != http.StatusSeeOther {
		t.Fatalf("%d: %.300s", a.StatusCode, a.body)
	}
	return a.Header.Get("Location")
}

// fromEID has the e-ID say who somebody is, and gives where it sends her.
func (w *visitor) fromEID(t *testing.T, asked, number, level string) string {
	t.Helper()
	who := slices.IndexFunc(citizens(), func(p eidsim.Person) bool { return p.Number.Reveal() == number })
	chosen := url.Values{"person": {fmt.Sprint(who + 1)}, "level": {level}}
	stays := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := stays.PostForm(asked, chosen)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	_, path, _ := strings.Cut(resp.Header.Get("Location"), fmt.Sprintf(":%d", w.base))
	return path
}

func (w *visitor) logIn(t *testing.T, number, level string) *hostileAnswer {
	t.Helper()
	return w.open(t, w.fromEID(t, w.toEID(t), number, level), "Accept: application/json")
}

const somebodyElse = "198604069883" // one of Skatteverket's test numbers

func anotherCitizensCase(t *testing.T, b *hostileBed) {
	id := b.send(t, b.post(b.form())).id(t)
	b.expect(id, "COMPLETED")
	own, other := b.newVisitor(t), b.newVisitor(t)
	own.logIn(t, citizen, eidsim.LoA3)
	other.logIn(t, somebodyElse, eidsim.LoA3)
	if a := own.open(t, "/mina-arenden/"+id); a.StatusCode != http.StatusOK {
		t.Errorf("her own case: %d", a.StatusCode)
	}
	none := other.open(t, "/mina-arenden/"+noSuchID)
	for _, path := range []string{"/mina-arenden/" + id, "/mina-arenden/" + id + "/kvittens"} {
		a := other.open(t, path)
		a.is(t, "404 not-found", "")
		if path == "/mina-arenden/"+id && withoutID(a.body) != withoutID(none.body) {
			t.Errorf("what is another's is told from what is not there")
		}
	}
	for _, path := range []string{"/v1/me/cases", "/mina-arenden"} {
		if a := other.open(t, path); a.StatusCode != http.StatusOK || strings.Contains(a.body, id) {
			t.Errorf("%s: %d, or another's case is in it", path, a.StatusCode)
		}
	}
}

// withoutID leaves out what names the call itself.
func withoutID(body string) string {
	return regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`).ReplaceAllString(body, "")
}

// aCitizenElsewhere shows her login where clients and operators show theirs, and a client
// its secret where citizens log in.
func aCitizenElsewhere(t *testing.T, b *hostileBed) {
	w := b.newVisitor(t)
	w.logIn(t, citizen, eidsim.LoA3)
	w.open(t, "/v1/submissions").is(t, "401 unauthorized", "")
	cookie := ""
	for name, value := range w.cookies {
		cookie = "Cookie: " + name + "=" + value
	}
	b.decide(t, "decisions", `{"key":"`+noSuchID+`","verb":"release","reason":"`+hiddenReason+`"}`, cookie).is(t, "401 unknown-operator", "")
	b.send(t, b.get("/v1/me/cases")).is(t, "401 not-logged-in", "")
	b.send(t, b.get("/v1/me/events")).is(t, "401 not-logged-in", "")
}

// foreignLogins come back from an e-ID in ways that nobody was sent there.
func foreignLogins(t *testing.T, b *hostileBed) {
	b.newVisitor(t).open(t, "/login/done?code="+hiddenToken+"&state="+hiddenToken, "Accept: application/json").is(t, "400 login-failed", "")
	begun, other := b.newVisitor(t), b.newVisitor(t)
	back := begun.fromEID(t, begun.toEID(t), citizen, eidsim.LoA3)
	other.toEID(t)
	other.open(t, back, "Accept: application/json").is(t, "400 login-failed", "")
	for _, change := range [][2]string{{"iss=http", "iss=https"}, {"state=", "state=x"}, {"code=", "kod="}} {
		if !strings.Contains(back, change[0]) {
			t.Fatalf("the e-ID does not send %s", change[0])
		}
		w := b.newVisitor(t)
		w.open(t, strings.Replace(w.fromEID(t, w.toEID(t), citizen, eidsim.LoA3), change[0], change[1], 1), "Accept: application/json").is(t, "400 login-failed", "")
		w.open(t, "/v1/me/cases").is(t, "401 not-logged-in", "")
	}
	if a := begun.open(t, back); a.StatusCode != http.StatusSeeOther {
		t.Errorf("the login that was begun: %d", a.StatusCode)
	}
	begun.open(t, back, "Accept: application/json").is(t, "400 login-failed", "") // a code works once
}

func aCitizensSixthStream(t *testing.T, b *hostileBed) {
	w := b.newVisitor(t)
	w.logIn(t, citizen, eidsim.LoA3)
	cookie := ""
	for name, value := range w.cookies {
		cookie = "Cookie: " + name + "=" + value
	}
	for range 5 {
		c := b.dial(t, "127.0.0.1")
		defer c.Close()
		io.WriteString(c, call("GET", "/v1/me/events", "", cookie))
		if text, err := io.ReadAll(io.LimitReader(c, 15)); err != nil || !strings.Contains(string(text), "200") {
			t.Fatalf("%q: %v", text, err)
		}
	}
	b.send(t, call("GET", "/v1/me/events", "", cookie)).is(t, "429 rate-limited", "")
	b.send(t, call("GET", "/v1/me/events?token="+hiddenToken, "", cookie)).is(t, "400 token-in-query", "")
	b.send(t, call("GET", "/v1/me/events", "", cookie, "Sec-Fetch-Site: cross-site")).is(t, "403 cross-origin", "")
}

// A subscriber is told of cases by webhook, and answers as it likes.
type subscriber struct {
	mu     sync.Mutex
	called int
	trap   string
}

func (s *subscriber) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.called++
	n := s.called
	s.mu.Unlock()
	switch n % 3 {
	case 1:
		http.Redirect(w, r, s.trap, http.StatusTemporaryRedirect)
	case 2:
		for range 200 { // 200 MiB, as fast as it is read
			if _, err := w.Write(make([]byte, 1<<20)); err != nil {
				return
			}
		}
	default:
		w.WriteHeader(http.StatusGone)
	}
}

func (s *subscriber) times() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.called
}

// configureSubscriber has the free texts told to somebody whose answers are bad.
func (b *hostileBed) configureSubscriber(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b.told = &subscriber{trap: "http://" + b.trap.Addr().String()}
	server := &http.Server{Handler: b.told}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	b.write(t, "secrets/besked", "whsec_YmVza2VkZW5zLWhlbWxpZ2hldC0wMTIzNDU2Nzg5\n")
	b.add(t, "routes/karlskrona/systems.yaml", fmt.Sprintf("\nbesked:\n  connector: webhook\n  url: http://%s/\n  secrets: [file:secrets/besked]\n", l.Addr()))
	file := "routes/karlskrona/prov-fri.yaml"
	b.write(t, file, strings.Replace(read(filepath.Join(b.dir, file)), "protected:", "tell: [besked]\nprotected:", 1))
}

// badSubscribers redirect, never end their answers, and have gone: none is followed, none
// is read to its end (the process would grow), and what has gone rests with a person.
func badSubscribers(t *testing.T, b *hostileBed) {
	for range 6 {
		b.expect(b.send(t, b.post(b.form())).id(t), "COMPLETED")
	}
	await(t, "told", func() bool { return b.told.times() >= 6 })
	await(t, "rests with a person", func() bool { return strings.Contains(b.operatorPage(t, "/console"), "besked") })
	b.checkNothingFetched(t)
}
