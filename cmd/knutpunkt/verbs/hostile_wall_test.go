package verbs

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// wallRows try to be somebody else.
func (b *hostileBed) wallRows() []hostileRow {
	eslov := `municipality="1285"`
	rows := []hostileRow{
		{n: 23, name: "nobody, everywhere the same", act: nobodyIsAnswered},
		{n: 24, name: "a token that has expired", notYet: "clients show secrets, and those have no lifetime"},
		{n: 25, name: "tokens that say how to trust them", act: forgedTokens},
		{n: 26, name: "a token for somebody else", request: call("GET", "/v1/submissions", "", "Authorization: Bearer "+token(`{"alg":"RS256"}`, `{"aud":"another","iss":"https://idp.example"}`)), want: "401 unauthorized"},
		{n: 27, name: "a secret that is taken away", slow: true, act: revoked},
		{n: 28, name: "another municipality in the body", request: b.post(b.form(eslov)), want: "403 municipality-mismatch"},
		{n: 28, name: "another municipality's source", request: call("POST", "/v1/sources/eslov.hemsidan", "<a/>", b.as("portalen"), isXML), want: "404 not-found"},
		{n: 28, name: "another municipality's form", request: call("POST", "/v1/submissions", b.form(eslov), b.as("smal"), isJSON, b.key()), want: "403 municipality-mismatch"},
		{n: 30, name: "another municipality's form by its ID", act: othersAreNotThere},
		{n: 31, name: "list of another municipality", request: b.get("/v1/submissions?municipality=1285"), want: "400 validation-failed", code: "query"},
		{n: 31, name: "injection", request: b.get("/v1/submissions?state=held'%20OR%201=1"), want: "400 validation-failed", code: "state"},
		{n: 31, name: "a million", request: b.get("/v1/submissions?limit=1000000"), want: "422 validation-failed", code: "limit"},
		{n: 31, name: "less than none", request: b.get("/v1/submissions?limit=-1"), want: "422 validation-failed", code: "limit"},
		{n: 34, name: "a client among the operators", act: func(t *testing.T, b *hostileBed) {
			b.decide(t, "decisions", `{"key":"`+noSuchID+`","verb":"release","reason":"`+hiddenReason+`"}`, b.as("oep")).is(t, "401 unknown-operator", "")
		}},
		{n: 35, name: "approves what is her own", act: fourEyes},
		{n: 36, name: "approves what is not proposed any more", act: outdated},
		{n: 37, name: "writes without having read", notYet: "nothing is written over; an approval names the proposal that was read (36)"},
		{n: 38, name: "the host's administrator reads content", notYet: "no page and no command shows content"},
		{n: 39, name: "a decision from another site", act: func(t *testing.T, b *hostileBed) {
			body := `{"key":"` + noSuchID + `","verb":"release","reason":"` + hiddenReason + `"}`
			for _, h := range []string{"Origin: https://evil.example", "Sec-Fetch-Site: cross-site", "Host: evil.example"} {
				b.decide(t, "decisions", body, b.basic("registrator"), h).is(t, "403 cross-origin", "")
			}
		}},
	}
	for _, extra := range []string{`state="DELIVERED"`, `tenant_id="1285"`, `received_at="2020-01-01T00:00:00Z"`, `id="` + noSuchID + `"`} {
		rows = append(rows, hostileRow{n: 32, name: extra, request: b.post(b.form(extra)), want: "422 validation-failed", code: "unknown-property"})
	}
	return rows
}

// nobodyIsAnswered the same whatever is asked for, there or not.
func nobodyIsAnswered(t *testing.T, b *hostileBed) {
	shape := func(a *hostileAnswer) string {
		a.is(t, "401 unauthorized", "")
		if got := a.Header.Get("Www-Authenticate"); got != `Bearer realm="knutpunkt"` {
			t.Errorf("Www-Authenticate is %q", got)
		}
		before, _, _ := strings.Cut(a.body, `"instance"`)
		return before
	}
	want := ""
	for _, path := range []string{"/v1/submissions", "/v1/submissions/" + noSuchID, "/v1/nothing", "/v1/sources/oep", "/v1/submissions/" + noSuchID + "/events"} {
		for _, who := range []string{"", "Authorization: Bearer " + hiddenToken, "Authorization: Basic b2VwOmhlbWxpZ3Q=", "Authorization: Bearer", b.as("oep") + "\r\n" + b.as("smal")} {
			var headers []string
			if who != "" {
				headers = []string{who}
			}
			got := shape(b.send(t, call("GET", path, "", headers...)))
			if want == "" {
				want = got
			}
			if got != want {
				t.Errorf("%s is told apart: %s", path, got)
			}
		}
	}
}

// token writes a JSON Web Token that nobody has signed.
func token(header, claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(header)) + "." + encode([]byte(claims)) + "." + encode([]byte("signature"))
}

func forgedTokens(t *testing.T, b *hostileBed) {
	address := "http://" + b.trap.Addr().String() + "/keys"
	for _, header := range []string{
		`{"alg":"none"}`, `{"alg":"HS256"}`, `{"alg":"RS256","jku":"` + address + `"}`, `{"alg":"RS256","x5u":"` + address + `"}`,
		`{"alg":"RS256","jwk":{"kty":"RSA","e":"AQAB","n":"AQ"}}`, `{"alg":"RS256","kid":"../../secrets/oep-client"}`,
	} {
		b.send(t, call("GET", "/v1/submissions", "", "Authorization: Bearer "+token(header, `{"sub":"oep"}`))).is(t, "401 unauthorized", "")
	}
}

// revoked: a secret that is taken away opens nothing any more, and what it opened ends.
func revoked(t *testing.T, b *hostileBed) {
	id := b.send(t, call("POST", "/v1/submissions", b.form(), b.as("tillfallig"), isJSON, b.key())).id(t)
	with := b.as("tillfallig")
	c := b.dial(t, "127.0.0.1")
	defer c.Close()
	io.WriteString(c, call("GET", "/v1/submissions/"+id+"/events", "", with))
	stream, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || stream.StatusCode != 200 {
		t.Fatalf("%+v: %v", stream, err)
	}
	b.write(t, "secrets/tillfallig-client", "en-annan-nyckel-9876543210\n")
	b.serve.Process.Signal(syscall.SIGHUP)
	taken := time.Now()
	await(t, "refused", func() bool {
		return b.send(t, call("GET", "/v1/submissions/"+id, "", with)).StatusCode == http.StatusUnauthorized
	})
	if d := time.Since(taken); d > 5*time.Second {
		t.Errorf("the secret was good for another %s", d)
	}
	if _, err := io.Copy(io.Discard, stream.Body); err != nil {
		t.Errorf("the stream broke off: %v", err)
	}
	if d := time.Since(taken); d > 20*time.Second {
		t.Errorf("the stream went on for %s", d)
	}
}

// othersAreNotThere: what one may not see is answered like what is not there.
func othersAreNotThere(t *testing.T, b *hostileBed) {
	kulturskola := b.form(`municipality="1285"`, `service="kulturskola"`, fmt.Sprintf(`source={"system":"hemsidan","id":"%d"}`, b.next()),
		`answers={"barn":{"personnummer":"`+wrongNumber+`"},"instrument":["fiol"]}`)
	a := b.send(t, call("POST", "/v1/submissions", kulturskola, b.as("hemsidan"), isJSON, b.key()))
	b.expect(a.id(t), "HELD rule")
	tried := 0
	for _, ask := range b.addressesOfOne(t) {
		want := "404 not-found"
		if strings.HasPrefix(ask.path, "/mina-arenden/") {
			want = "303 not-logged-in" // a citizen's page asks first who she is
		}
		var bodies []string
		for _, id := range []string{a.id(t), noSuchID} {
			got := b.send(t, call(ask.method, strings.Replace(ask.path, "{id}", id, 1), "", b.as("portalen")))
			got.is(t, want, "")
			before, _, _ := strings.Cut(got.body, `"instance"`)
			bodies = append(bodies, before)
		}
		if bodies[0] != bodies[1] {
			t.Errorf("%s %s tells them apart: %q", ask.method, ask.path, bodies)
		}
		tried++
	}
	if tried < 3 {
		t.Errorf("only %d addresses were tried", tried)
	}
	if list := b.send(t, b.get("/v1/submissions?after="+a.id(t))); list.StatusCode != 200 || strings.Contains(list.body, `"1285"`) {
		t.Errorf("from another's place in the list: %d %s", list.StatusCode, list.body)
	}
}

// An address is one that the contract has.
type address struct{ method, path string }

// addressesOfOne gives every address of a single form, so that a new one is tried too.
func (b *hostileBed) addressesOfOne(t *testing.T) []address {
	t.Helper()
	var contract struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal([]byte(b.send(t, call("GET", "/openapi.json", "")).body), &contract); err != nil {
		t.Fatal(err)
	}
	var all []address
	for path, operations := range contract.Paths {
		for method := range operations {
			if strings.Contains(path, "{id}") && method != "parameters" {
				all = append(all, address{strings.ToUpper(method), path})
			}
		}
	}
	return all
}

// fourEyes: what takes two persons is not carried out by one.
func fourEyes(t *testing.T, b *hostileBed) {
	id, proposed := b.propose(t)
	b.approve(t, "registrator", id, proposed).is(t, "409 four-eyes-required", "")
	b.expect(id, "HELD")
}

// outdated: what has been approved once, or was never proposed, is not approved.
func outdated(t *testing.T, b *hostileBed) {
	id, proposed := b.propose(t)
	b.approve(t, "gruppledare", id, "2026-01-01T00:00:00Z").is(t, "409 version-conflict", "")
	b.approve(t, "gruppledare", id, proposed).is(t, "200", "")
	b.approve(t, "gruppledare", id, proposed).is(t, "409 version-conflict", "")
	b.expect(id, "REJECTED")
}

// propose has an operator propose that a form be refused, and gives the proposal's name.
func (b *hostileBed) propose(t *testing.T) (id, proposed string) {
	t.Helper()
	id = b.send(t, b.post(b.form(`service="ingen-vet"`))).id(t)
	b.standsAs(t, id, "held")
	a := b.decide(t, "decisions", `{"key":"`+id+`","verb":"reject","reason":"`+hiddenReason+`"}`, b.basic("registrator"))
	var outcome struct{ Outcome, Proposed string }
	if json.Unmarshal([]byte(a.body), &outcome); outcome.Outcome != "proposed" {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	return id, outcome.Proposed
}

func (b *hostileBed) approve(t *testing.T, who, id, proposed string) *hostileAnswer {
	t.Helper()
	return b.decide(t, "approvals", `{"key":"`+id+`","proposed":"`+proposed+`","reason":"`+hiddenReason+`"}`, b.basic(who))
}

// decide posts to the operators' listener.
func (b *hostileBed) decide(t *testing.T, what, body string, headers ...string) *hostileAnswer {
	t.Helper()
	headers = append(headers, isJSON)
	if !strings.Contains(strings.Join(headers, "\r\n"), "Host: ") {
		headers = append(headers, "Host: 127.0.0.1")
	}
	c := b.dialPort(t, "127.0.0.1", b.base+1)
	defer c.Close()
	go io.WriteString(c, call("POST", "/v1/"+what, body, headers...))
	return b.answer(t, c)
}

// basic gives the header by which an operator is known.
func (b *hostileBed) basic(who string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(who+":"+b.secret(who)))
}
