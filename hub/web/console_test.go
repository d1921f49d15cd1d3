package web_test

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// TestTheFrontDoor: who writes the listener's address alone comes to the console.
func TestTheFrontDoor(t *testing.T) {
	b := newBed(t)
	if a := ask(t, b.operator, "GET", "/", ""); a.status != http.StatusOK || !strings.Contains(a.body, "<h1>Felkorgen</h1>") {
		t.Errorf("answered %d %s", a.status, a.body)
	}
}

// TestConsoleCase: one case is told in plain words, with what it is waiting for.
func TestConsoleCase(t *testing.T) {
	b := newBed(t)
	r := b.submit(t, "1")
	b.await(t, r.Case, hub.Registrerat)
	page := ask(t, b.operator, "GET", "/console/cases/"+r.ID, "", "Accept: text/html")
	if page.status != 200 {
		t.Fatalf("%d %s", page.status, page.body)
	}
	for _, want := range []string{
		`lang="sv"`, "Bygglov för &lt;altan&gt;", "Karlskrona kommun", "Inkommet", "Registrerat", "Under handläggning",
		"Beslutat", "väntas senast", "SBN 2026/1", "karlskrona.diarium", "Levererat", "ja, med kvittens", `aria-current="step"`,
		"<noscript>", `href="#content"`, "<h1>", `role="status"`,
	} {
		if !strings.Contains(page.body, want) {
			t.Errorf("nothing says %s", want)
		}
	}
	for tag, directive := range map[string]string{"style": "style-src", "script": "script-src"} {
		_, rest, _ := strings.Cut(page.body, "<"+tag+">")
		text, _, _ := strings.Cut(rest, "</"+tag+">")
		sum := sha256.Sum256([]byte(text))
		if want := directive + " 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(page.header.Get("Content-Security-Policy"), want) {
			t.Errorf("the browser will not use the page's own %s", tag)
		}
	}
	policy := page.header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || strings.Contains(page.body, "http") {
		t.Errorf("the page may reach out: %s", policy)
	}
	checkSilent(t, page.body)
	list := ask(t, b.operator, "GET", "/console", "")
	if list.status != 200 || !strings.Contains(list.body, "/console/cases/"+r.Case) {
		t.Errorf("the list: %d %s", list.status, list.body)
	}
	checkSilent(t, list.body)
}

// TestConsoleHeld: what rests with a person says why, what it means and what to do.
func TestConsoleHeld(t *testing.T) {
	b := newBed(t)
	b.diarium.say(hub.Reject(errors.New("HTTP status 422")))
	refused := b.submit(t, "1")
	unknown := b.submit(t, "2", `service="nobody-knows"`)
	watching, end := b.hub.WatchCase("")
	defer end()
	for id, wants := range map[string][]string{
		refused.ID: {"Vilar hos en människa", "svarade nej", "HTTP status 422", "Den sökande ser", "Rätta det som systemet klagar på", "Den som förvaltar"},
		unknown.ID: {"Ingen väg är beskriven", "E-tjänst nobody-knows"},
	} {
		for tries := 0; ; tries++ {
			page := ask(t, b.operator, "GET", "/console/cases/"+id, "")
			if !strings.Contains(page.body, "class=\"held\"") && tries < 200 {
				select {
				case <-watching.Poked():
				case <-time.After(10 * time.Millisecond):
				}
				continue
			}
			for _, want := range wants {
				if !strings.Contains(page.body, want) {
					t.Errorf("nothing says %q", want)
				}
			}
			break
		}
	}
	list := ask(t, b.operator, "GET", "/console", "")
	held, _, _ := strings.Cut(list.body, "Senast rörda ärenden")
	if !strings.Contains(held, refused.ID) || !strings.Contains(held, unknown.ID) {
		t.Error("what rests is not on the list")
	}
	a := ask(t, b.public, "GET", "/v1/submissions/"+refused.ID, "", bearer(portalToken))
	told := regexp.MustCompile(`"received":"[^"]*"`).ReplaceAllString(a.body, "") // any number may stand in a time
	if !strings.Contains(told, `"state":"held"`) || strings.Contains(told, "422") || strings.Contains(told, "refused") {
		t.Errorf("the platform is told %s", a.body)
	}
	a = ask(t, b.public, "GET", "/v1/submissions?state=held&limit=1", "", bearer(portalToken))
	var listed struct {
		Submissions []struct{ ID, State string }
		Next        string
	}
	decode(t, a, &listed)
	if len(listed.Submissions) != 1 || listed.Submissions[0].ID != refused.ID || listed.Next != refused.ID {
		t.Errorf("held, one at a time: %s", a.body)
	}
	a = ask(t, b.public, "GET", "/v1/submissions?state=held&after="+listed.Next, "", bearer(portalToken))
	if decode(t, a, &listed); len(listed.Submissions) != 1 || listed.Submissions[0].ID != unknown.ID {
		t.Errorf("the rest: %s", a.body)
	}
}

// TestConsoleLive: an open page is sent what has changed.
func TestConsoleLive(t *testing.T) {
	b := newBed(t)
	b.diarium.say(hub.Later(errors.New("closed"), time.Second))
	r := b.submit(t, "1")
	resp := open(t, b.operator, "GET", "/console/cases/"+r.ID+"/events", "")
	defer resp.Body.Close()
	f := newFollower(t, resp)
	for e, ok := f.next(); !strings.Contains(e.data, "Nytt försök"); e, ok = f.next() {
		if !ok {
			t.Fatal("the waiting is never shown")
		}
	}
	b.diarium.say(nil)
	for e, ok := f.next(); !strings.Contains(e.data, "SBN 2026/1"); e, ok = f.next() {
		if !ok {
			t.Fatal("the receipt is never shown")
		}
	}
}

// TestConsoleIsForThisMachine: a page that gives its own name our address, or that
// reads from elsewhere, gets nothing.
func TestConsoleIsForThisMachine(t *testing.T) {
	b := newBed(t)
	for _, test := range []struct {
		name, host string
		headers    []string
		want       int
	}{
		{"address", "127.0.0.1:8701", nil, 200},
		{"localhost", "localhost:8701", nil, 200},
		{"rebound name", "evil.example:8701", nil, 403},
		{"another site's script", "localhost", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"another site's origin", "localhost", []string{"Origin", "https://evil.example"}, 403},
	} {
		t.Run(test.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), "GET", b.operator.URL+"/console", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = test.host
			if test.headers != nil {
				req.Header.Set(test.headers[0], test.headers[1])
			}
			resp, err := b.operator.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != test.want {
				t.Errorf("%d, want %d", resp.StatusCode, test.want)
			}
		})
	}
	for path, want := range map[string]int{
		"/console/cases/01ARZ3NDEKTSV4RRFFQ69G5FAV": 404, "/console/": 404, "/v1/submissions": 404, "/healthz": 200,
	} {
		if a := ask(t, b.operator, "GET", path, "", "Accept: text/html"); a.status != want {
			t.Errorf("%s: %d", path, a.status)
		}
	}
}

// TestWithdraw: a form can be taken back until something has been sent on.
func TestWithdraw(t *testing.T) {
	b := newBed(t)
	held := b.submit(t, "1", `service="nobody-knows"`)
	f := b.follow(t, held.ID, "")
	f.step()
	for range 2 {
		if a := ask(t, b.public, "DELETE", "/v1/submissions/"+held.ID, "", bearer(portalToken)); a.status != 204 || a.body != "" {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	if step, _ := f.step(); step != "atertaget" || f.beats > 0 {
		t.Errorf("who follows is told %s, after %d heartbeats", step, f.beats)
	}
	sent := b.submit(t, "2")
	b.await(t, sent.Case, hub.Registrerat)
	a := ask(t, b.public, "DELETE", "/v1/submissions/"+sent.ID, "", bearer(portalToken))
	if p := problemIn(t, a); a.status != 409 || p.Type != "/problems/state-conflict" {
		t.Errorf("%d %s", a.status, a.body)
	}
	var s struct {
		State, Ref string
		Deliveries []struct{ System, State, Receipt string }
	}
	a = ask(t, b.public, "GET", "/v1/submissions/"+sent.ID, "", bearer(portalToken))
	if decode(t, a, &s); s.State != "delivered" || s.Ref != "SBN 2026/1" || s.Deliveries[0].Receipt != "SBN 2026/1" {
		t.Errorf("stands as %s", a.body)
	}
}
