package web_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// FuzzRequest: whatever stands in a request, it is answered: with what is there, or
// with a problem of the catalogue, and never with a fault of ours.
func FuzzRequest(f *testing.F) {
	head := " HTTP/1.1\r\nHost: x\r\n" + bearer(portalToken) + "\r\n"
	for _, seed := range []string{
		"GET /v1/submissions" + head + "\r\n", "GET /v1/submissions?limit=-1&state=held" + head + "\r\n", "TRACE /v1/../v1/%2e" + head + "\r\n",
		"DELETE /v1/submissions/01ARZ3NDEKTSV4RRFFQ69G5FAV" + head + "\r\n", "GET /problems/not-found HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\n\r\n",
		"POST /v1/submissions" + head + jsonBody + "\r\nIdempotency-Key: nyckel-0001\r\nContent-Length: 2\r\n\r\n{}",
		"POST /v1/sources/oep HTTP/1.1\r\nHost: x\r\n" + bearer(oepToken) + "\r\nContent-Type: text/xml; charset=latin1\r\nContent-Length: 22\r\n\r\n<form 1080 701 17 v1> ",
		"GET //v1/submissions?token=x HTTP/1.1\r\nHost: x\r\nX-Forwarded-Proto: http\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n",
	} {
		f.Add(seed)
	}
	b := newBed(f)
	f.Fuzz(func(t *testing.T, text string) {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
		if err != nil {
			return // net/http answers by itself
		}
		b.mustAnswer(t, b.web.Public(), r)
	})
}

// FuzzOperatorRequest: the same for what operators ask and decide.
func FuzzOperatorRequest(f *testing.F) {
	b := newBed(f)
	metrics := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	key := b.rests(f, b.submit(f, "1", `service="nobody-knows"`), false)
	post := func(path, media, body string) string {
		return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", path, registrator, media, len(body), body)
	}
	for _, seed := range []string{
		"GET /console?state=held&after=%00 HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\n\r\n", "GET /console/heaps/aaaaaaaaaaaa HTTP/1.1\r\nHost: [::1]:8701\r\n\r\n",
		"GET /v1/worklist?limit=-1 HTTP/1.1\r\nHost: 127.0.0.1\r\n" + registrator + "\r\n\r\n", "GET /v1/cases/" + key + " HTTP/1.1\r\nHost: 127.0.0.1\r\n" + registrator + "\r\n\r\n",
		post("/v1/decisions", "application/json", `{"key":"`+key+`","verb":"reject","reason":"inget för oss"}`),
		post("/v1/approvals", "application/json", `{"key":"`+key+`","proposed":"2026-01-01T00:00:00Z","reason":"ja"}`),
		post("/decide", "application/x-www-form-urlencoded", "key="+key+"&verb=release&reason=%C3%A5&anew=1"),
		post("/release", "application/x-www-form-urlencoded", "key=%zz&key=2"),
		"GET /login?to=//evil.example HTTP/1.1\r\nHost: 127.0.0.1\r\n" + registrator + "\r\n\r\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
		if err != nil || strings.HasSuffix(r.URL.Path, "/events") {
			return // net/http answers by itself; or there is no end to it
		}
		w := b.mustAnswer(t, b.web.Operator(metrics), r)
		if to := w.Header().Get("Location"); to != "" && !strings.HasPrefix(to, "/console") {
			t.Fatalf("it leads to %q", to)
		}
	})
}

// FuzzParts: whatever comes in parts is received, or refused with a problem.
func FuzzParts(f *testing.F) {
	good := submission(form("fuzz"))
	for _, seed := range []string{
		parts(good), parts(good, file("a.pdf", "%PDF-1.7"), "name=\"plan\"; filename*=UTF-8''%C3%A5.txt\nx"), parts(file("a", "a"), good), "--grans--\r\n", "",
		parts(good)[:200], strings.Replace(parts(good), "form-data", "attachment", 1), parts(good, file(strings.Repeat("a", 20<<10), "x")),
		parts(submission(form("fuzz", `attachments=[{"size":1,"name":"../x"}]`)), file("a", "a")), strings.Replace(parts(good), "\r\n\r\n", "\r\nContent-Transfer-Encoding: base64\r\n\r\n", 1),
		parts(good, "name=\"file\"; filename=\"a\x00b\"\nx"), strings.ReplaceAll(parts(good), "\r\n", "\n"),
	} {
		f.Add(seed)
	}
	b := newBed(f)
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest("POST", "/v1/submissions", strings.NewReader(body))
		for _, h := range []string{bearer(portalToken), boundary, "Idempotency-Key: nyckel-med-delar"} {
			name, value, _ := strings.Cut(h, ": ")
			r.Header.Set(name, value)
		}
		b.mustAnswer(t, b.web.Public(), r)
	})
}

// mustAnswer requires an answer that is no fault of ours, and says nothing that it must
// not.
func (b *bed) mustAnswer(t *testing.T, h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	r.RemoteAddr = "127.0.0.1:4711"
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r.WithContext(ctx))
	if w.Code >= 500 || ctx.Err() != nil {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if w.Code >= 400 && r.Method != http.MethodHead && !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
		problemIn(t, answer{w.Code, w.Header(), w.Body.String()})
	}
	checkSilent(t, b.log.String())
	b.log.forget()
	return w
}
