package verbs

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const noSuchID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"

// httpRows break HTTP itself.
func (b *hostileBed) httpRows() []hostileRow {
	list := "GET /v1/submissions HTTP/1.1\r\n"
	post := "POST /v1/submissions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + b.as("portalen") + "\r\nIdempotency-Key: nyckel-http\r\n" + isJSON + "\r\n"
	rows := []hostileRow{
		{n: 1, name: "no Host", request: list + "\r\n", want: "400"},
		{n: 2, name: "two lengths", request: post + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", want: "400"},
		{n: 3, name: "length and chunks, and a second request inside", act: chunksWin},
		{n: 4, name: "unknown coding", request: post + "Transfer-Encoding: identity, chunked\r\n\r\n", want: "501"},
		{n: 5, name: "bad chunk", request: post + "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\nzz\r\n", want: "400 malformed-request", closed: true},
		{n: 5, name: "bad chunk in a file", act: badChunkInFile},
		{n: 6, name: "ten bytes promised, three sent", slow: true, act: silentBody},
		{n: 7, name: "a thousand slow headers", act: slowHeaders},
		{n: 8, name: "large headers", request: list + "Host: x\r\nX: " + strings.Repeat("x", 33<<10) + "\r\n\r\n", want: "431"},
		{n: 9, name: "a body of 100 bytes a second", slow: true, act: slowBody},
		{n: 10, name: "odd Expect", request: post + "Expect: 200-ok\r\nContent-Length: 2\r\n\r\n{}", want: "417"},
		{n: 15, name: "bad escape", request: "GET /v1/%zz HTTP/1.1\r\nHost: x\r\n\r\n", want: "400"},
		{n: 12, name: "unknown path", request: b.get("/v1/nothing"), want: "404 not-found"},
		{n: 12, name: "unknown path, outside", request: call("GET", "/nothing", ""), want: "404 not-found"},
		{n: 17, name: "compressed", request: b.post("\x1f\x8b\x08\x00", "Content-Encoding: gzip"), want: "415 unsupported-media-type", headers: []string{"Accept-Post: application/json, multipart/form-data"}},
		{n: 18, name: "wants a page", request: b.get("/v1/submissions", "Accept: text/html"), want: "406 not-acceptable"},
		{n: 18, name: "wants anything but JSON", request: b.get("/v1/submissions", "Accept: application/json;q=0, image/*"), want: "406 not-acceptable"},
		{n: 19, name: "in the open, says a proxy of ours", act: func(t *testing.T, b *hostileBed) {
			b.sendFrom(t, "127.0.0.2", b.get("/v1/submissions", "X-Forwarded-Proto: http")).is(t, "403 insecure-transport", "")
		}},
		{n: 20, name: "says who it is, and nobody asked", act: claimsAreIgnored},
		{n: 21, name: "ten thousand at once", act: flood},
		{n: 22, name: "rapid reset", act: rapidReset},
	}
	for _, method := range []string{"TRACE", "BREW", "PUT", "PATCH"} {
		rows = append(rows, hostileRow{n: 11, name: method, request: call(method, "/v1/submissions", "", b.as("portalen")), want: "405 method-not-allowed", headers: []string{"Allow: POST, GET, HEAD"}})
	}
	for _, path := range []string{"//v1/submissions", "/v1/../v1/submissions", "/v1/./submissions", "/v1//submissions", "/v1/submissions/"} {
		rows = append(rows, hostileRow{n: 13, name: path, request: call("POST", path, "{}", b.as("portalen"), isJSON), want: "404 not-found"})
	}
	for _, id := range []string{"a%2F..%2Fbcdefgh", "aaaaaaaaaa%00b", strings.Repeat("a", 300), "'%3B%20DROP%20TABLE", "..%2f..%2fetc%2fpasswd", "..%252f..%252fetc%252fpasswd", "aaaaaaaaaa;b=c"} {
		rows = append(rows, hostileRow{n: 14, name: id[:10], request: b.get("/v1/submissions/" + id), want: "404 not-found"})
	}
	for name, said := range map[string][]string{
		"none": nil, "text": {"Content-Type: text/plain"}, "UTF-16": {isJSON + "; charset=utf-16"},
		"a parameter twice": {isJSON + "; charset=utf-8; charset=utf-8"}, "two": {isJSON, isMultipart}, "garbage": {"Content-Type: /;=,"},
	} {
		rows = append(rows, hostileRow{
			n: 16, name: name, request: call("POST", "/v1/submissions", "{}", append(said, b.as("portalen"), b.key())...),
			want: "415 unsupported-media-type", headers: []string{"Accept-Post: application/json, multipart/form-data"},
		})
	}
	return rows
}

// chunksWin: the chunks are the body, and what follows them is no second request.
func chunksWin(t *testing.T, b *hostileBed) {
	request := "POST /v1/submissions HTTP/1.1\r\nHost: x\r\n" + b.as("portalen") + "\r\n" + b.key() + "\r\n" + isJSON +
		"\r\nContent-Length: 300\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" + call("GET", "/openapi.json", "")
	c := b.dial(t, "127.0.0.1")
	defer c.Close()
	io.WriteString(c, request)
	all, _ := io.ReadAll(c)
	if n := bytes.Count(all, []byte("HTTP/1.1 ")); n != 1 || !bytes.Contains(all, []byte("/problems/validation-failed")) {
		t.Errorf("%d answers: %.600s", n, all)
	}
}

func badChunkInFile(t *testing.T, b *hostileBed) {
	before := b.files()
	start := multipart(envelopePart(b.form()), filePart("a.bin", strings.Repeat("a", 3<<20)))
	start = start[:len(start)-40]
	request := fmt.Sprintf("POST /v1/submissions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n%s\r\n%s\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\nzz\r\n",
		b.as("portalen"), b.key(), isMultipart, len(start), start)
	b.send(t, request).is(t, "400 malformed-request", "")
	await(t, "cleared away", func() bool { return b.files() == before })
}

// silentBody: who goes silent in the middle is told so when its time is over.
func silentBody(t *testing.T, b *hostileBed) {
	c := b.dial(t, "127.0.0.1")
	defer c.Close()
	io.WriteString(c, strings.Replace(b.post("{\"a"), "Content-Length: 3", "Content-Length: 10", 1))
	b.answer(t, c).is(t, "408 request-timeout", "")
}

// slowBody sends for half a minute, too little of it.
func slowBody(t *testing.T, b *hostileBed) {
	c := b.dial(t, "127.0.0.1")
	defer c.Close()
	io.WriteString(c, strings.Replace(b.post(""), "Content-Length: 0", "Content-Length: 1000000", 1))
	go func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for range tick.C {
			if _, err := io.WriteString(c, "{         "); err != nil {
				return
			}
		}
	}()
	a := b.answer(t, c)
	a.is(t, "408 request-timeout", "")
	if !a.Close {
		t.Error("the connection is kept")
	}
}

// slowHeaders: a thousand callers who never finish hinder nobody, and are cut off.
func slowHeaders(t *testing.T, b *hostileBed) {
	var all sync.WaitGroup
	begun := time.Now()
	for range 1000 {
		c := b.dial(t, "127.0.0.1")
		all.Go(func() {
			defer c.Close()
			tick := time.NewTicker(60 * time.Millisecond)
			defer tick.Stop()
			go func() {
				io.WriteString(c, "GET /v1/submissions HTTP/1.1\r\nX: ")
				for range tick.C {
					if _, err := io.WriteString(c, "x"); err != nil {
						return
					}
				}
			}()
			if got, _ := io.ReadAll(c); len(got) > 0 && !bytes.HasPrefix(got, []byte("HTTP/1.1 400 ")) {
				t.Errorf("a header that never ends is answered with %.100s", got)
			}
		})
	}
	served := 0
	for time.Since(begun) < 4*time.Second {
		asked := time.Now()
		b.send(t, b.get("/v1/submissions?limit=1")).is(t, "200", "")
		if d := time.Since(asked); d > 10*time.Second {
			t.Errorf("another caller waited %s", d)
		}
		served++
	}
	all.Wait()
	if d := time.Since(begun); served == 0 || d > 40*time.Second {
		t.Errorf("%d others were served, and the slow ones held out for %s", served, d)
	}
}

// claimsAreIgnored: what a peer that is no proxy of ours says of itself changes nothing.
func claimsAreIgnored(t *testing.T, b *hostileBed) {
	for _, claim := range []string{"X-Forwarded-For: " + hiddenPeer, "X-Forwarded-Host: " + hiddenPeer, "X-Forwarded-Proto: http", "Forwarded: for=" + hiddenPeer + ";proto=http"} {
		b.send(t, b.get("/v1/submissions?limit=1", claim)).is(t, "200", "")
	}
}

// flood: who calls without end is held back, and nobody else.
func flood(t *testing.T, b *hostileBed) {
	one := call("GET", "/v1/submissions/"+noSuchID, "", b.as("ivrig"), "Connection: keep-alive")
	var limited *http.Response
	var answered atomic.Int64
	begun := time.Now()
	var mu sync.Mutex
	var all sync.WaitGroup
	for range 8 {
		c := b.dial(t, "127.0.0.1")
		all.Go(func() {
			defer c.Close()
			const times = 3000
			go io.WriteString(c, strings.Repeat(one, times))
			in := bufio.NewReader(c)
			for range times {
				resp, err := http.ReadResponse(in, nil)
				if err != nil {
					t.Errorf("the connection broke: %v", err)
					return
				}
				io.Copy(io.Discard, resp.Body)
				answered.Add(1)
				if resp.StatusCode == http.StatusTooManyRequests {
					mu.Lock()
					limited = resp
					mu.Unlock()
					return
				}
			}
		})
	}
	all.Wait()
	if perSecond := float64(answered.Load()) / time.Since(begun).Seconds(); limited == nil && perSecond < 2500 {
		t.Skipf("this machine answers %.0f a second: too few to be held back", perSecond)
	}
	if limited == nil || limited.Header.Get("Retry-After") == "" || limited.Header.Get("Content-Type") != "application/problem+json" {
		t.Fatalf("nobody was held back: %+v", limited)
	}
	b.send(t, b.get("/v1/submissions?limit=1")).is(t, "200", "")
}
