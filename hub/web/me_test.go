package web_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/web"
)

// followMine opens a stream as who has logged in.
func (b *bed) followMine(t testing.TB, who, after string) *follower {
	t.Helper()
	headers := []string{who}
	if after != "" {
		headers = append(headers, "Last-Event-ID: "+after)
	}
	resp := open(t, b.public, "GET", "/v1/me/events", "", headers...)
	t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("follow: %d", resp.StatusCode)
	}
	return newFollower(t, resp)
}

// submitAs posts a form of a person.
func (b *bed) submitAs(t testing.TB, id, person string, changes ...string) receipt {
	t.Helper()
	return b.submit(t, id, append(changes, `applicant={"personalIdentityNumber":"`+person+`"}`)...)
}

// TestFollowMine: a citizen is told of her own cases in every municipality, also of those
// that begin while she follows, and of nobody else's.
func TestFollowMine(t *testing.T) {
	b := citizenBed(t)
	her := b.logIn(t, canary)
	first := b.submitAs(t, "1", canary)
	b.await(t, first.Case, hub.Registrerat)
	f := b.followMine(t, her, "")
	h := f.resp.Header
	if h.Get("Content-Type") != "text/event-stream" || h.Get("Cache-Control") != "no-store" || h.Get("X-Accel-Buffering") != "no" {
		t.Errorf("headers: %v", h)
	}
	told := func(of receipt, steps ...string) (last string) {
		t.Helper()
		for _, want := range steps {
			e, _ := f.next()
			var line struct{ Case, Step string }
			json.Unmarshal([]byte(e.data), &line)
			if e.event != "status" || line.Case != of.Case || line.Step != want {
				t.Fatalf("told %+v, want that %s is %s", e, of.Case, want)
			}
			last = e.id
		}
		return last
	}
	told(first, "inkommet", "registrerat")
	theirs := b.submitAs(t, "2", other)
	b.await(t, theirs.Case, hub.Registrerat)
	a := ask(t, b.public, "POST", "/v1/submissions", form("3", `municipality="1285"`, `service="701"`), bearer(eslovToken), jsonBody, "Idempotency-Key: key-eslov-3")
	var elsewhere receipt
	decode(t, a, &elsewhere)
	told(elsewhere, "inkommet")
	b.report(t, first, hub.Beslutat)
	last := told(first, "beslutat")

	b.stop()
	if e, ok := f.next(); ok {
		t.Errorf("goes on after the end: %+v", e)
	}
	b.start(t)
	third := b.submitAs(t, "4", canary)
	f = b.followMine(t, her, last)
	told(third, "inkommet", "registrerat")
	f = b.followMine(t, b.logIn(t, other), last) // another's number: only one's own
	b.report(t, theirs, hub.Beslutat)
	told(theirs, "beslutat")
}

// TestWhoMayFollowMine: she who is logged in, on our own pages, five at a time.
func TestWhoMayFollowMine(t *testing.T) {
	b := citizenBed(t)
	her := b.logIn(t, canary)
	for _, test := range []struct {
		name, path string
		headers    []string
		status     int
	}{
		{"nobody", "/v1/me/events", nil, 401},
		{"a client", "/v1/me/events", []string{bearer(portalToken)}, 401},
		{"a token in the address", "/v1/me/events?token=x", []string{her}, 400},
		{"a query", "/v1/me/events?after=1", []string{her}, 400},
		{"another site", "/v1/me/events", []string{her, "Origin: https://evil.example"}, 403},
		{"another site, and the browser says so", "/v1/me/events", []string{her, "Sec-Fetch-Site: cross-site"}, 403},
		{"garbage", "/v1/me/events", []string{her, "Last-Event-ID: x"}, 400},
		{"a number below all", "/v1/me/events", []string{her, "Last-Event-ID: -1"}, 400},
		{"as JSON", "/v1/me/events", []string{her, "Accept: application/json"}, 406},
		{"a list for another site", "/v1/me/cases", []string{her, "Origin: https://evil.example"}, 403},
		{"a list after nothing", "/v1/me/cases?after=", []string{her}, 400},
		{"a list by another name", "/v1/me/cases?limit=5", []string{her}, 400},
	} {
		t.Run(test.name, func(t *testing.T) {
			if a := ask(t, b.public, "GET", test.path, "", test.headers...); a.status != test.status {
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
	for range 5 {
		b.followMine(t, her, "")
	}
	a := ask(t, b.public, "GET", "/v1/me/events", "", b.logIn(t, canary)) // in another browser
	if p := problemIn(t, a); a.status != 429 || p.Type != "/problems/rate-limited" || a.header.Get("Retry-After") == "" {
		t.Errorf("the sixth: %d %s", a.status, a.body)
	}
	b.followMine(t, b.logIn(t, other), "")

	without := newBed(t)
	for _, path := range []string{"/v1/me/events", "/v1/me/cases"} {
		if a := ask(t, without.public, "GET", path, ""); a.status != 404 {
			t.Errorf("%s without a login: %d", path, a.status)
		}
	}
}

// TestFromTheFuture: where a citizen stood cannot be known, so she is told everything.
func TestFromTheFuture(t *testing.T) {
	b := citizenBed(t)
	r := b.submitAs(t, "1", canary)
	b.await(t, r.Case, hub.Registrerat)
	f := b.followMine(t, b.logIn(t, canary), "999999")
	if e, _ := f.next(); e.event != "resync" {
		t.Errorf("from the future: %+v", e)
	}
	for _, want := range []string{"inkommet", "registrerat"} {
		if step, _ := f.step(); step != want {
			t.Errorf("after a resync comes %s, want %s", step, want)
		}
	}
}

// TestPrefixOfTheFeed: whatever is received, reported, broken off and begun again in
// whatever order, what a citizen has been told is the feed of her cases from its beginning,
// without a gap and without a repeat.
func TestPrefixOfTheFeed(t *testing.T) {
	b := citizenBed(t)
	her := b.logIn(t, canary)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 1))
	steps := []hub.Step{hub.UnderHandlaggning, hub.KompletteringBehov, hub.UnderHandlaggning, hub.Beslutat}
	var cases []receipt
	moved := map[string]int{}
	var told []string
	last := ""
	f := b.followMine(t, her, "")
	catchUp := func() {
		t.Helper()
		want, err := b.store.Statuses(t.Context(), hub.AsCitizen(numbered(t, canary)), "", 0, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for len(told) < len(want) {
			_, last = f.step()
			told = append(told, last)
		}
		for i, line := range want {
			if told[i] != fmt.Sprint(line.Seq) {
				t.Fatalf("told %v, and the feed is %v", told, want)
			}
		}
	}
	reconnect := func() {
		f.resp.Body.Close()
		b.awaitSeat(t, her)
		f = b.followMine(t, her, last)
	}
	for i := range 60 {
		switch n := dice.IntN(20); {
		case n < 8:
			r := b.submitAs(t, fmt.Sprint(i), []string{canary, other}[dice.IntN(2)])
			b.await(t, r.Case, hub.Registrerat)
			cases = append(cases, r)
		case n < 13 && len(cases) > 0:
			r := cases[dice.IntN(len(cases))]
			if moved[r.Case] < len(steps) {
				b.report(t, r, steps[moved[r.Case]])
				moved[r.Case]++
			}
		case n < 16:
			catchUp()
		case n < 19:
			reconnect()
		default:
			b.stop()
			b.start(t)
			f = b.followMine(t, her, last)
		}
	}
	catchUp()
}

// awaitSeat waits until another stream may be opened: that one has left is not known at
// once.
func (b *bed) awaitSeat(t testing.TB, who string) {
	t.Helper()
	for {
		resp := open(t, b.public, "GET", "/v1/me/events", "", who)
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return
		}
		select {
		case <-t.Context().Done():
			t.Fatal("the place of a follower who left is never free")
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// TestNoWordAfterLogout: what happens when she has logged out is not told to the browser that
// she left open.
func TestNoWordAfterLogout(t *testing.T) {
	b := citizenBed(t)
	her := b.logIn(t, canary)
	r := b.submitAs(t, "1", canary)
	b.await(t, r.Case, hub.Registrerat)
	f := b.followMine(t, her, "")
	f.step()
	f.step()
	b.logOut(t, her)
	b.report(t, r, hub.Beslutat)
	if e, ok := f.next(); ok {
		t.Errorf("told %+v", e)
	}
}

// TestLoggedOutWhileOpen: who is logged in no longer is told no more, at the next
// heartbeat at the latest; and a stream alone keeps nobody logged in.
func TestLoggedOutWhileOpen(t *testing.T) {
	for _, test := range []struct {
		name        string
		out         func(*bed)
		most, least time.Duration
	}{
		{"she logs out", func(b *bed) { b.store.EndSession(context.Background(), [32]byte{}, time.Now()) }, 5*time.Minute + 16*time.Second, 5 * time.Minute},
		{"she has left", func(*bed) {}, 16 * time.Minute, 15 * time.Minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := makeBed(t)
			b.tune = func(o *web.Options) {
				o.Login = &web.Login{Issuer: "https://e-id.invalid", Client: "knutpunkt", Address: "https://pages.invalid"}
			}
			synctest.Test(t, func(t *testing.T) {
				dial := inBubble(t, b)
				cookie := b.logIn(t, canary)
				conn := dial()
				defer conn.Close()
				fmt.Fprintf(conn, "GET /v1/me/events HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n", cookie)
				resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil || resp.StatusCode != http.StatusOK {
					t.Fatal(resp, err)
				}
				begun := time.Now()
				time.AfterFunc(5*time.Minute, func() { test.out(b) })
				f := newFollower(t, resp)
				for ok := true; ok; _, ok = f.next() {
				}
				if lasted := time.Since(begun); lasted < test.least || lasted > test.most {
					t.Errorf("%d beats in %v", f.beats, lasted)
				}
			})
		})
	}
}

// TestMyCases: a citizen's cases in every municipality, the newest first, with the names
// of things, a hundred at a time.
func TestMyCases(t *testing.T) {
	b := citizenBed(t)
	her := b.logIn(t, canary)
	type mine struct {
		Case, Service, Title, Step, Ball, Ref string
		Municipality                          struct{ Code, Name string }
		At, Inkommen                          time.Time
		Expect                                *time.Time
	}
	type page struct {
		Cases []mine
		Next  string
	}
	list := func(query string, headers ...string) (p page) {
		t.Helper()
		a := ask(t, b.public, "GET", "/v1/me/cases"+query, "", append(headers, her)...)
		if a.status != 200 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		decode(t, a, &p)
		return p
	}
	if p := list(""); p.Cases == nil || len(p.Cases) != 0 || p.Next != "" {
		t.Errorf("before anything was sent: %+v", p)
	}
	first := b.submitAs(t, "1", canary)
	b.await(t, first.Case, hub.Registrerat)
	theirs := b.submitAs(t, "2", other)
	ask(t, b.public, "POST", "/v1/submissions", form("3", `municipality="1285"`, `service="701"`), bearer(eslovToken), jsonBody, "Idempotency-Key: key-eslov-3")
	p := list("")
	if len(p.Cases) != 2 || p.Cases[1].Case != first.Case || p.Cases[0].Case == theirs.Case {
		t.Fatalf("%+v", p)
	}
	got := p.Cases[1]
	if got.Municipality.Code != "1080" || got.Municipality.Name != "Karlskrona kommun" || got.Service != "altan" || got.Title != "Bygglov för altan" ||
		got.Step != "registrerat" || got.Ball != "municipality" || got.Ref != "SBN 2026/1" || got.Expect == nil || !got.Expect.After(got.At) ||
		!got.Inkommen.Equal(first.Received) {
		t.Errorf("%+v", got)
	}
	if got := p.Cases[0]; got.Municipality.Name != "Eslövs kommun" || got.Title != "E-tjänst 701" || got.Step != "inkommet" || got.Expect != nil || got.Ref != "" {
		t.Errorf("%+v", got)
	}
	if english := list("", "Accept-Language: en"); english.Cases[1].Title != "Building permit for a deck" {
		t.Errorf("in English: %+v", english.Cases[1])
	}
	for i := range 100 {
		b.submitAs(t, fmt.Sprint("many-", i), canary)
	}
	p = list("")
	rest := list("?after=" + p.Next)
	if len(p.Cases) != 100 || len(rest.Cases) != 2 || rest.Next != "" || rest.Cases[1].Case != first.Case {
		t.Errorf("%d and then %d, of 102", len(p.Cases), len(rest.Cases))
	}
	all := append(p.Cases, rest.Cases...)
	if !slices.IsSortedFunc(all, func(a, b mine) int { return strings.Compare(b.Case, a.Case) }) {
		t.Error("they are not in order")
	}
}
