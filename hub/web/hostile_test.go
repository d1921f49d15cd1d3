package web_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestHostile posts what nobody should post. Each gets its exact answer, and nothing
// of it is stored.
func TestHostile(t *testing.T) {
	b := newBed(t)
	auth, key := bearer(portalToken), "Idempotency-Key: 6f1c1b1e-0001"
	post := []string{auth, key, jsonBody}
	var contract written
	decode(t, ask(t, b.public, "GET", "/openapi.json", ""), &contract)
	for _, test := range []struct {
		name, why    string
		method, path string
		body         string
		headers      []string
		status       int
		slug, detail string // detail: a code in the problem
		header       string // one that the answer must have
	}{
		// 8.1 HTTP
		{"unknown path", "11–12", "GET", "/v1/nothing", "", []string{auth}, 404, "not-found", "", ""},
		{"unknown path outside", "12", "GET", "/nothing", "", nil, 404, "not-found", "", ""},
		{"root", "no login, no citizen pages", "GET", "/", "", nil, 404, "not-found", "", ""},
		{"TRACE", "11", "TRACE", "/v1/submissions", "", []string{auth}, 405, "method-not-allowed", "", "Allow"},
		{"PUT on collection", "11", "PUT", "/v1/submissions", "", []string{auth}, 405, "method-not-allowed", "", "Allow"},
		{"made-up method", "11", "BREW", "/v1/submissions", "", []string{auth}, 405, "method-not-allowed", "", "Allow"},
		{"PATCH on one", "11", "PATCH", "/v1/submissions/01ARZ3NDEKTSV4RRFFQ69G5FAV", "", []string{auth}, 405, "method-not-allowed", "", "Allow"},
		{"two slashes", "13", "POST", "//v1/submissions", "{}", post, 404, "not-found", "", ""},
		{"dots", "13", "POST", "/v1/../v1/submissions", "{}", post, 404, "not-found", "", ""},
		{"dots, nobody", "13: there is nothing to be known for", "POST", "/v1/../v1/submissions", "{}", nil, 404, "not-found", "", ""},
		{"trailing slash", "13", "GET", "/v1/submissions/", "", []string{auth}, 404, "not-found", "", ""},
		{"id with slash", "14", "GET", "/v1/submissions/a%2F..%2Fbcdefgh", "", []string{auth}, 404, "not-found", "", ""},
		{"id with NUL", "14", "GET", "/v1/submissions/aaaaaaaaaa%00b", "", []string{auth}, 404, "not-found", "", ""},
		{"id of 300", "14", "GET", "/v1/submissions/" + strings.Repeat("a", 300), "", []string{auth}, 404, "not-found", "", ""},
		{"id with SQL", "14", "GET", "/v1/submissions/'%3B%20DROP%20TABLE", "", []string{auth}, 404, "not-found", "", ""},
		{"id of a file", "14", "GET", "/v1/submissions/..%2f..%2fetc%2fpasswd", "", []string{auth}, 404, "not-found", "", ""},
		{"no content type", "16", "POST", "/v1/submissions", "{}", []string{auth, key}, 415, "unsupported-media-type", "", "Accept-Post"},
		{"text", "16", "POST", "/v1/submissions", "{}", []string{auth, key, "Content-Type: text/plain"}, 415, "unsupported-media-type", "", "Accept-Post"},
		{"UTF-16", "16", "POST", "/v1/submissions", "{}", []string{auth, key, "Content-Type: application/json; charset=utf-16"}, 415, "unsupported-media-type", "", ""},
		{"parameter twice", "16", "POST", "/v1/submissions", "{}", []string{auth, key, "Content-Type: application/json; charset=utf-8; charset=utf-8"}, 415, "unsupported-media-type", "", ""},
		{"two content types", "16", "POST", "/v1/submissions", "{}", []string{auth, key, jsonBody, "Content-Type: multipart/form-data; boundary=x"}, 415, "unsupported-media-type", "", ""},
		{"compressed", "17", "POST", "/v1/submissions", "{}", append(post, "Content-Encoding: gzip"), 415, "unsupported-media-type", "", "Accept-Post"},
		{"wants HTML", "18", "GET", "/v1/submissions", "", []string{auth, "Accept: text/html"}, 406, "not-acceptable", "", ""},
		{"wants no JSON", "18", "GET", "/v1/submissions", "", []string{auth, "Accept: application/json;q=0, text/html"}, 406, "not-acceptable", "", ""},

		// 8.2 who calls
		{"nobody", "23", "GET", "/v1/submissions", "", nil, 401, "unauthorized", "", "Www-Authenticate"},
		{"nobody, one", "23", "GET", "/v1/submissions/01ARZ3NDEKTSV4RRFFQ69G5FAV", "", nil, 401, "unauthorized", "", "Www-Authenticate"},
		{"nobody, nowhere", "23: the same for every path", "GET", "/v1/nothing", "", nil, 401, "unauthorized", "", "Www-Authenticate"},
		{"nobody, posting", "23", "POST", "/v1/submissions", "{}", []string{jsonBody}, 401, "unauthorized", "", "Www-Authenticate"},
		{"a stranger", "23", "GET", "/v1/submissions", "", []string{bearer(ghostToken)}, 401, "unauthorized", "", "Www-Authenticate"},
		{"Basic", "23", "GET", "/v1/submissions", "", []string{"Authorization: Basic cG9ydGFsOmhlbW"}, 401, "unauthorized", "", ""},
		{"two credentials", "23", "GET", "/v1/submissions", "", []string{auth, bearer(eslovToken)}, 401, "unauthorized", "", ""},
		{"token in query", "98", "GET", "/v1/submissions?access_token=" + portalToken, "", nil, 400, "token-in-query", "", ""},
		{"other's municipality", "28", "POST", "/v1/submissions", form("h1", `municipality="1285"`), post, 403, "municipality-mismatch", "", ""},
		{"list by municipality", "31", "GET", "/v1/submissions?municipality=1285", "", []string{auth}, 400, "validation-failed", "query", ""},
		{"filter injection", "31", "GET", "/v1/submissions?state=held'%20OR%201=1", "", []string{auth}, 400, "validation-failed", "state", ""},
		{"limit too high", "31", "GET", "/v1/submissions?limit=1000000", "", []string{auth}, 422, "validation-failed", "limit", ""},
		{"limit below", "31", "GET", "/v1/submissions?limit=-1", "", []string{auth}, 422, "validation-failed", "limit", ""},
		{"limit no number", "31", "GET", "/v1/submissions?limit=ten", "", []string{auth}, 400, "validation-failed", "limit", ""},
		{"cursor garbage", "31", "GET", "/v1/submissions?after=..%2F", "", []string{auth}, 400, "validation-failed", "after", ""},
		{"mass assignment: state", "32", "POST", "/v1/submissions", form("h1", `state="DELIVERED"`), post, 422, "validation-failed", "unknown-property", ""},
		{"mass assignment: id", "32", "POST", "/v1/submissions", form("h1", `id="01ARZ3"`), post, 422, "validation-failed", "unknown-property", ""},
		{"mass assignment: tenant", "32", "POST", "/v1/submissions", form("h1", `tenant_id="1285"`), post, 422, "validation-failed", "unknown-property", ""},
		{"mass assignment: received", "32", "POST", "/v1/submissions", form("h1", `received_at="2020-01-01"`), post, 422, "validation-failed", "unknown-property", ""},

		// 8.3 the envelope
		{"empty", "41", "POST", "/v1/submissions", " ", post, 400, "malformed-json", "empty", ""},
		{"null", "41", "POST", "/v1/submissions", "null", post, 422, "validation-failed", "wrong-type", ""},
		{"list", "41", "POST", "/v1/submissions", "[]", post, 422, "validation-failed", "wrong-type", ""},
		{"text", "41", "POST", "/v1/submissions", `"x"`, post, 422, "validation-failed", "wrong-type", ""},
		{"nothing in it", "41", "POST", "/v1/submissions", "{}", post, 422, "validation-failed", "required", ""},
		{"truncated", "42", "POST", "/v1/submissions", form("h1")[:50], post, 400, "malformed-json", "truncated", ""},
		{"trailing", "42", "POST", "/v1/submissions", form("h1") + "x", post, 400, "malformed-json", "trailing", ""},
		{"two documents", "42", "POST", "/v1/submissions", form("h1") + form("h1"), post, 400, "malformed-json", "trailing", ""},
		{"key twice", "43", "POST", "/v1/submissions", form("h1", `answers={"pnr":1,"pnr":2}`), post, 400, "malformed-json", "duplicate-key", ""},
		{"case twin", "43", "POST", "/v1/submissions", form("h1", `answers={"pnr":1,"PNR":2}`), post, 400, "malformed-json", "duplicate-key", ""},
		{"invalid UTF-8", "44", "POST", "/v1/submissions", strings.Replace(form("h1"), "Exemplet", "\xff", 1), post, 400, "malformed-json", "encoding", ""},
		{"lone surrogate", "44", "POST", "/v1/submissions", strings.Replace(form("h1"), "Exemplet", `\ud800`, 1), post, 400, "malformed-json", "encoding", ""},
		{"UTF-16 bytes", "44", "POST", "/v1/submissions", "\xff\xfe{\x00}\x00", post, 400, "malformed-json", "encoding", ""},
		{"65 deep", "45", "POST", "/v1/submissions", form("h1", "answers="+strings.Repeat(`{"a":`, 65)+"1"+strings.Repeat("}", 65)), post, 400, "malformed-json", "too-deep", ""},
		{"10,000 deep", "45", "POST", "/v1/submissions", strings.Repeat("[", 10_000), post, 400, "malformed-json", "too-deep", ""},
		{"control character", "46", "POST", "/v1/submissions", form("h1", `service="a\u0000b"`), post, 422, "control-character", "control-character", ""},
		{"line break", "46", "POST", "/v1/submissions", form("h1", `source={"system":"portal","id":"1\n2"}`), post, 422, "control-character", "control-character", ""},
		{"huge number", "47", "POST", "/v1/submissions", form("h1", `attachments=[{"size":1e400}]`), post, 422, "validation-failed", "wrong-type", ""},
		{"long number", "47", "POST", "/v1/submissions", form("h1", `attachments=[{"size":18446744073709551616}]`), post, 422, "validation-failed", "wrong-type", ""},
		{"2 MiB", "48", "POST", "/v1/submissions", form("h1", `answers={"a":"`+strings.Repeat("a", 2<<20)+`"}`), post, 413, "payload-too-large", "", "Connection"},
		{"100,000 fields", "49", "POST", "/v1/submissions", form("h1", "answers={"+fields(100_000)+"}"), post, 413, "payload-too-large", "", ""},
		{"field over 1 MiB", "49", "POST", "/v1/submissions", form("h1", `answers={"a":"`+strings.Repeat("a", 1<<20+1)+`"}`), post, 413, "payload-too-large", "", ""},
		{"version 99", "50", "POST", "/v1/submissions", form("h1", `v=99`), post, 422, "unsupported-version", "unsupported-version", ""},
		{"version as text", "50", "POST", "/v1/submissions", form("h1", `v="1"`), post, 422, "unsupported-version", "", ""},
		{"service out of scope", "52", "POST", "/v1/submissions", form("h1", `municipality="1285"`, `service="999"`), []string{bearer(eslovToken), key, jsonBody}, 403, "forbidden-scope", "", ""},
		{"wrong checksum", "53", "POST", "/v1/submissions", person("198810032387"), post, 422, "invalid-identity", "invalid-identity", ""},
		{"ten digits", "53", "POST", "/v1/submissions", person("8810032386"), post, 422, "invalid-identity", "", ""},
		{"with a plus", "53", "POST", "/v1/submissions", person("19121212+1212"), post, 422, "invalid-identity", "", ""},
		{"31 February", "53", "POST", "/v1/submissions", person("198802312388"), post, 422, "invalid-identity", "", ""},
		{"organisation as person", "53", "POST", "/v1/submissions", person("162021004748"), post, 422, "invalid-identity", "", ""},
		{"person and organisation", "one party", "POST", "/v1/submissions", form("h1", `applicant={"personalIdentityNumber":"`+canary+`","organisationNumber":"2021004748"}`), post, 422, "validation-failed", "one-of", ""},
		{"kommunkod as number", "always text", "POST", "/v1/submissions", form("h1", `municipality=1080`), post, 422, "validation-failed", "wrong-type", ""},
		{"kommunkod of three", "always four digits", "POST", "/v1/submissions", form("h1", `municipality="108"`), post, 422, "validation-failed", "not-a-kommunkod", ""},
		{"submitted is no time", "RFC 3339", "POST", "/v1/submissions", form("h1", `submitted="1912-12-12 12:12"`), post, 422, "validation-failed", "not-a-time", ""},
		{"unknown system", "a name of the municipality's", "POST", "/v1/submissions", form("h1", `source={"system":"nothing","id":"1"}`), post, 422, "unknown-system", "unknown-system", ""},
		{"other's system", "28", "POST", "/v1/submissions", form("h1", `source={"system":"eslov.portal","id":"1"}`), post, 422, "unknown-system", "", ""},
		{"ambiguous system", "two have the name", "POST", "/v1/submissions", form("h1", `source={"system":"blankett","id":"1"}`), post, 409, "ambiguous-system", "", ""},
		{"files declared, none sent", "the envelope is strict", "POST", "/v1/submissions", form("h1", `attachments=[{"name":"a"}]`), post, 422, "validation-failed", "no-files", ""},

		// 8.6 keys
		{"no key", "82", "POST", "/v1/submissions", form("h1"), []string{auth, jsonBody}, 400, "idempotency-key-missing", "", "Link"},
		{"short key", "83", "POST", "/v1/submissions", form("h1"), []string{auth, jsonBody, "Idempotency-Key: short"}, 400, "idempotency-key-invalid", "", ""},
		{"long key", "83", "POST", "/v1/submissions", form("h1"), []string{auth, jsonBody, "Idempotency-Key: " + strings.Repeat("k", 129)}, 400, "idempotency-key-invalid", "", ""},
		{"empty quoted key", "83", "POST", "/v1/submissions", form("h1"), []string{auth, jsonBody, `Idempotency-Key: ""`}, 400, "idempotency-key-invalid", "", ""},
		{"key with blanks", "83", "POST", "/v1/submissions", form("h1"), []string{auth, jsonBody, "Idempotency-Key: aaaa bbbb cccc"}, 400, "idempotency-key-invalid", "", ""},
		{"key is a person", "83", "POST", "/v1/submissions", form("h1"), []string{auth, jsonBody, "Idempotency-Key: " + canary}, 400, "idempotency-key-invalid", "", ""},
		{"key has a person", "83", "POST", "/v1/submissions", form("h1"), []string{auth, jsonBody, "Idempotency-Key: form:19881003-2386:1"}, 400, "idempotency-key-invalid", "", ""},
		{"key has ten digits", "83", "POST", "/v1/submissions", form("h1"), []string{auth, jsonBody, "Idempotency-Key: altan-8810032386"}, 400, "idempotency-key-invalid", "", ""},
		{"two keys", "83", "POST", "/v1/submissions", form("h1"), append(post, "Idempotency-Key: another-key-1"), 400, "idempotency-key-invalid", "", ""},

		// 8.7 and what is not here
		{"metrics", "104", "GET", "/metrics", "", nil, 404, "not-found", "", ""},
		{"pprof", "104", "GET", "/debug/pprof/", "", nil, 404, "not-found", "", ""},
		{"admin", "104", "GET", "/admin", "", nil, 404, "not-found", "", ""},
		{"console", "the operator's listener only", "GET", "/console", "", nil, 404, "not-found", "", ""},
		{"stream with token in query", "98", "GET", "/v1/submissions/01ARZ3NDEKTSV4RRFFQ69G5FAV/events?token=" + portalToken, "", nil, 400, "token-in-query", "", ""},
		{"stream without credential", "98", "GET", "/v1/submissions/01ARZ3NDEKTSV4RRFFQ69G5FAV/events", "", nil, 401, "unauthorized", "", ""},
		{"stream from another site", "98", "GET", "/v1/submissions/01ARZ3NDEKTSV4RRFFQ69G5FAV/events", "", []string{auth, "Origin: https://evil.example"}, 403, "cross-origin", "", ""},
		{"stream for another site", "98", "GET", "/v1/submissions/01ARZ3NDEKTSV4RRFFQ69G5FAV/events", "", []string{auth, "Sec-Fetch-Site: cross-site"}, 403, "cross-origin", "", ""},

		// a platform's own format
		{"source unknown", "a name of the caller's", "POST", "/v1/sources/nothing", "<form>", []string{auth, "Content-Type: text/xml"}, 404, "not-found", "", ""},
		{"source of another", "30", "POST", "/v1/sources/eslov.portal", "<form>", []string{auth, "Content-Type: text/xml"}, 404, "not-found", "", ""},
		{"source that reads nothing", "it posts our own JSON", "POST", "/v1/sources/portal", "<form>", []string{auth, "Content-Type: text/xml"}, 404, "not-found", "", ""},
		{"source ambiguous", "design §6", "POST", "/v1/sources/blankett", "<form>", []string{auth, "Content-Type: text/xml"}, 409, "ambiguous-system", "", ""},
		{"source, no type", "16", "POST", "/v1/sources/oep", "<form>", []string{auth}, 415, "unsupported-media-type", "", "Accept-Post"},
		{"source, DOCTYPE", "60", "POST", "/v1/sources/oep", "<doctype-not-allowed>", []string{auth, "Content-Type: text/xml"}, 400, "malformed-xml", "doctype-not-allowed", ""},
		{"source, too deep", "62", "POST", "/v1/sources/oep", "<too-deep>", []string{auth, "Content-Type: text/xml"}, 400, "malformed-xml", "too-deep", ""},
		{"source, too large", "62", "POST", "/v1/sources/oep", "<too-large>", []string{auth, "Content-Type: text/xml"}, 413, "payload-too-large", "too-large", ""},
		{"source, another form", "well-formed but none of its kind", "POST", "/v1/sources/oep", "<not-a-flowinstance>", []string{auth, "Content-Type: text/xml"}, 422, "validation-failed", "not-a-flowinstance", ""},
		{"source, whose is it", "design §6", "POST", "/v1/sources/oep", "<form - 701 1 1>", []string{auth, "Content-Type: text/xml"}, 422, "validation-failed", "municipality-missing", ""},
		{"source, not the client's", "28", "POST", "/v1/sources/oep", "<form 1285 701 1 1>", []string{auth, "Content-Type: text/xml"}, 403, "municipality-mismatch", "", ""},
		{"source, out of scope", "52", "POST", "/v1/sources/oep", "<form 1080 999 1 1>", []string{bearer(oepToken), "Content-Type: text/xml"}, 403, "forbidden-scope", "", ""},
		{"source in a folder, another's form", "28", "POST", "/v1/sources/karlskrona.blankett", "<form 1285 701 1 1>", []string{bearer(oepToken), "Content-Type: text/xml"}, 403, "municipality-mismatch", "", ""},
		{"source, a file too large", "70", "POST", "/v1/sources/oep", "<form 1080 701 1 1>" + strings.Repeat("a", 1<<20), []string{bearer(oepToken), "Content-Type: text/xml"}, 413, "payload-too-large", "", "Connection"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := ask(t, b.public, test.method, test.path, test.body, test.headers...)
			p := problemIn(t, a)
			if a.status != test.status || p.Type != "/problems/"+test.slug {
				t.Fatalf("%d %s, want %d %s (%s)\n%s", a.status, p.Type, test.status, test.slug, test.why, a.body)
			}
			if test.detail != "" && p.Code != test.detail && !hasCode(p, test.detail) {
				t.Errorf("no code %s in %s", test.detail, a.body)
			}
			if test.header != "" && a.header.Get(test.header) == "" && test.header != "Connection" {
				t.Errorf("no header %s", test.header)
			}
			checkSilent(t, a.body)
			if says := contract.answers(test.method, test.path); says != nil && says[strconv.Itoa(a.status)] == nil {
				t.Errorf("openapi.json does not say that %s %s may be answered with %d", test.method, test.path, a.status)
			}
		})
	}
	if n := b.count(t); n != 0 {
		t.Errorf("%d submissions were stored", n)
	}
	checkSilent(t, b.log.String())
}

// A written contract: it is openapi.json, as far as it tells what may be answered.
type written struct {
	Paths map[string]map[string]json.RawMessage
}

// answers gives the statuses that the contract has for a call, nil where it has none.
func (w written) answers(method, path string) map[string]json.RawMessage {
	path, _, _ = strings.Cut(path, "?")
	for pattern, operations := range w.Paths {
		form := regexp.MustCompile("^" + regexp.MustCompile(`\{[a-z]+\}`).ReplaceAllString(pattern, "[^/]+") + "$")
		var operation struct{ Responses map[string]json.RawMessage }
		if form.MatchString(path) && json.Unmarshal(operations[strings.ToLower(method)], &operation) == nil {
			return operation.Responses
		}
	}
	return nil
}

type problem struct {
	Type, Title, Detail, Instance, Code string
	Status                              int
	Errors                              []struct{ Pointer, Code string }
}

// problemIn reads a problem and checks what every problem has.
func problemIn(t *testing.T, a answer) problem {
	t.Helper()
	var p problem
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		t.Fatalf("%d is answered with %s: %s", a.status, got, a.body)
	}
	decode(t, a, &p)
	if p.Status != a.status || p.Title == "" || p.Detail == "" || !strings.HasPrefix(p.Instance, "urn:uuid:") {
		t.Errorf("an incomplete problem: %s", a.body)
	}
	return p
}

func hasCode(p problem, code string) bool {
	for _, e := range p.Errors {
		if e.Code == code {
			return true
		}
	}
	return false
}

// checkSilent finds what must not be seen again: numbers, tokens, answers.
func checkSilent(t *testing.T, text string) {
	t.Helper()
	for _, secret := range []string{canary, canary[2:], "198810032387", "hemlighet", ghostToken, "Exemplet", "evil.example", "DROP"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q was said again: %s", secret, text[max(0, strings.Index(text, secret)-200):])
		}
	}
}

func fields(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"f%d":1`, i)
	}
	return b.String()
}

func person(number string) string {
	return form("h1", `applicant={"personalIdentityNumber":"`+number+`"}`)
}

// TestAllFaultsAtOnce: whoever is to mend a form is told everything in one answer.
func TestAllFaultsAtOnce(t *testing.T) {
	b := newBed(t)
	body := `{"municipality":"108","source":{"system":"portal","id":""},"submitted":"now","applicant":{"personalIdentityNumber":"1"}}`
	a := ask(t, b.public, "POST", "/v1/submissions", body, bearer(portalToken), jsonBody, "Idempotency-Key: all-at-once")
	p := problemIn(t, a)
	want := []string{"/municipality", "/service", "/source/id", "/submitted", "/answers", "/applicant/personalIdentityNumber"}
	got := map[string]bool{}
	for _, e := range p.Errors {
		got[e.Pointer] = true
	}
	for _, pointer := range want {
		if !got[pointer] {
			t.Errorf("nothing is said of %s: %s", pointer, a.body)
		}
	}
	if p.Type != "/problems/validation-failed" {
		t.Errorf("several sorts of faults are %s", p.Type)
	}
}

// TestRaw speaks to the listener without a client that would put it right.
func TestRaw(t *testing.T) {
	b := newBed(t)
	head := "Host: x\r\n" + bearer(portalToken) + "\r\nIdempotency-Key: raw-key-0001\r\nContent-Type: application/json\r\n"
	for _, test := range []struct{ name, why, request, want string }{
		{"no Host", "1", "GET /v1/submissions HTTP/1.1\r\n\r\n", "400"},
		{"two lengths", "2", "POST /v1/submissions HTTP/1.1\r\n" + head + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", "400"},
		{"unknown coding", "4", "POST /v1/submissions HTTP/1.1\r\n" + head + "Transfer-Encoding: identity, chunked\r\n\r\n", "501"},
		{"length and chunks", "3", "POST /v1/submissions HTTP/1.1\r\n" + head + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", "422 validation-failed"},
		{"bad chunk", "5", "POST /v1/submissions HTTP/1.1\r\n" + head + "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\nzz\r\n", "400 malformed-request"},
		{"big headers", "8", "GET /v1/submissions HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 40<<10) + "\r\n\r\n", "431"},
		{"odd Expect", "10", "POST /v1/submissions HTTP/1.1\r\n" + head + "Expect: 200-ok\r\nContent-Length: 2\r\n\r\n{}", "417"},
		{"bad escape", "15", "GET /v1/%zz HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
		{"unclean path", "13", "POST /v1/./submissions HTTP/1.1\r\n" + head + "Content-Length: 2\r\n\r\n{}", "404 not-found"},
		{"key with control", "83", "POST /v1/submissions HTTP/1.1\r\n" + strings.Replace(head, "raw-key-0001", "raw-key\x01001", 1) + "Content-Length: 2\r\n\r\n{}", "400"},
	} {
		t.Run(test.name, func(t *testing.T) {
			conn, err := net.Dial("tcp", b.public.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			io.WriteString(conn, strings.Replace(test.request, "\r\n", "\r\nConnection: close\r\n", 1))
			got, _ := io.ReadAll(conn)
			status, slug, _ := strings.Cut(test.want, " ")
			if !strings.HasPrefix(string(got), "HTTP/1.1 "+status) || !strings.Contains(string(got), slug) {
				t.Errorf("want %s (%s): %.400s", test.want, test.why, got)
			}
		})
	}
	if n := b.count(t); n != 0 {
		t.Errorf("%d submissions were stored", n)
	}
}

// TestNothingFollowsChunks: a server before us may have seen a length as well, and by it
// another call behind the chunks. There is none.
func TestNothingFollowsChunks(t *testing.T) {
	b := newBed(t)
	conn, err := net.Dial("tcp", b.public.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "POST /v1/submissions HTTP/1.1\r\nHost: x\r\nContent-Length: 300\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"+
		"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n")
	got, err := io.ReadAll(conn)
	if n := strings.Count(string(got), "HTTP/1.1 "); n != 1 || err != nil {
		t.Errorf("%d answers, %v: %.300s", n, err, got)
	}
}

// TestLenient posts what must be received: content is a citizen's.
func TestLenient(t *testing.T) {
	b := newBed(t)
	for i, test := range []struct {
		name, why string
		changes   []string
	}{
		{"unknown service", "51", []string{`service="nobody-knows"`}},
		{"organisation", "53", []string{`applicant={"organisationNumber":"2021004748"}`}},
		{"organisation with 16", "53", []string{`applicant={"organisationNumber":"162021004748"}`}},
		{"samordningsnummer", "53", []string{`applicant={"personalIdentityNumber":"198206822390"}`}},
		{"anonymous", "none", []string{"applicant"}},
		{"wrong number in the form", "54", []string{`answers={"barn":"198810032387"}`}},
		{"1900", "56", []string{`submitted="1900-01-01T00:00:00Z"`}},
		{"2999", "56", []string{`submitted="2999-01-01T00:00:00Z"`}},
		{"odd characters", "57", []string{`answers={"a":"\u202e\u200b😀a\u030a𠮷"}`}},
		{"attacks", "58", []string{`answers={"a":"=cmd|' /C calc'!A0","b":"<script>","c":"{{7*7}}","d":"${jndi:x}","e":"'; DROP TABLE"}`}},
		{"controls in content", "46", []string{`answers={"a":"\u0000\u0001"}`}},
		{"numbers", "47", []string{`answers={"a":1e400,"b":18446744073709551616,"c":191212121212345678}`}},
		{"empty answers", "content", []string{`answers={}`}},
		{"version 1", "50", []string{`v=1`}},
		{"full name of the system", "design §6", []string{`source={"system":"karlskrona.portal","id":"full","version":"1"}`}},
		{"no version", "optional", []string{`source={"system":"portal","id":"unversioned"}`}},
		{"shared system by name", "design §6", []string{`source={"system":"oep","id":"77","version":"1"}`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := b.submit(t, fmt.Sprintf("lenient%d", i), test.changes...)
			a := ask(t, b.public, "GET", "/v1/submissions/"+r.ID, "", bearer(portalToken))
			if a.status != 200 || !strings.Contains(a.body, `"id":"`+r.ID+`"`) {
				t.Errorf("%s: %d %s", test.why, a.status, a.body)
			}
			checkSilent(t, a.body)
		})
	}
	checkSilent(t, b.log.String())
}

// TestRateLimit holds back who calls too often, and nobody else.
func TestRateLimit(t *testing.T) {
	b := makeBed(t)
	b.tune = slowly
	b.start(t)
	var limited answer
	for range 50 {
		a := ask(t, b.public, "GET", "/v1/submissions", "", bearer(portalToken))
		if a.status == 429 {
			limited = a
		}
	}
	if limited.status != 429 || limited.header.Get("Retry-After") == "" || problemIn(t, limited).Type != "/problems/rate-limited" {
		t.Errorf("fifty calls at once are answered with %+v", limited)
	}
	if a := ask(t, b.public, "GET", "/v1/submissions", "", bearer(eslovToken)); a.status != 200 {
		t.Errorf("another client is held back too: %d", a.status)
	}
}

// TestDegraded takes nothing that cannot be kept.
func TestDegraded(t *testing.T) {
	b := newBed(t)
	if a := ask(t, b.operator, "GET", "/readyz", ""); a.status != 200 || !strings.Contains(a.body, "sqlite-full") {
		t.Errorf("readyz: %d %s", a.status, a.body)
	}
	b.disk.Store(10)
	a := ask(t, b.public, "POST", "/v1/submissions", form("d1"), bearer(portalToken), jsonBody, "Idempotency-Key: degraded-1")
	if p := problemIn(t, a); a.status != 507 || p.Type != "/problems/storage-degraded" || a.header.Get("Retry-After") == "" {
		t.Errorf("on a full disk: %d %s", a.status, a.body)
	}
	if a := ask(t, b.operator, "GET", "/readyz", ""); a.status != http.StatusServiceUnavailable || !strings.Contains(a.body, "degraded") {
		t.Errorf("readyz: %d %s", a.status, a.body)
	}
	if a := ask(t, b.operator, "GET", "/healthz", ""); a.status != 200 {
		t.Errorf("healthz: %d", a.status)
	}
}

// TestLanguages: a problem is told in the language that was asked for.
func TestLanguages(t *testing.T) {
	b := newBed(t)
	for _, test := range []struct{ accept, want string }{
		{"", "Finns inte"}, {"en", "Not found"}, {"sv-SE, en;q=0.5", "Finns inte"}, {"sv;q=0.1, en-GB", "Not found"}, {"de", "Finns inte"},
	} {
		a := ask(t, b.public, "GET", "/v2", "", "Accept-Language: "+test.accept)
		if p := problemIn(t, a); p.Title != test.want {
			t.Errorf("%q gives %q", test.accept, p.Title)
		}
	}
}

// TestProblemPages: every type that a problem can have leads to an explanation.
func TestProblemPages(t *testing.T) {
	b := newBed(t)
	for _, slug := range []string{"not-found", "malformed-json", "idempotency-key-missing", "storage-degraded"} {
		page := ask(t, b.public, "GET", "/problems/"+slug, "", "Accept: text/html,*/*;q=0.8")
		if page.status != 200 || !strings.Contains(page.body, `lang="sv"`) || page.header.Get("Content-Security-Policy") == "" {
			t.Errorf("%s: %d %s", slug, page.status, page.body)
		}
		var text struct{ Title, Detail string }
		told := ask(t, b.public, "GET", "/problems/"+slug, "", "Accept: application/json", "Accept-Language: en")
		if json.Unmarshal([]byte(told.body), &text); text.Title == "" || text.Detail == "" {
			t.Errorf("%s: %s", slug, told.body)
		}
	}
	if a := ask(t, b.public, "GET", "/problems/no-such-problem", ""); a.status != 404 {
		t.Errorf("an unknown problem is explained: %d", a.status)
	}
}
