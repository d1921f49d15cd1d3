package web_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/web"
)

// A told line is one event of a stream.
type told struct{ id, event, data string }

// A follower reads a stream.
type follower struct {
	t     testing.TB
	resp  *http.Response
	lines *bufio.Scanner
	beats int
}

func (b *bed) follow(t testing.TB, id, after string) *follower {
	t.Helper()
	headers := []string{bearer(portalToken)}
	if after != "" {
		headers = append(headers, "Last-Event-ID: "+after)
	}
	resp := open(t, b.public, "GET", "/v1/submissions/"+id+"/events", "", headers...)
	t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != 200 {
		t.Fatalf("follow: %d", resp.StatusCode)
	}
	return newFollower(t, resp)
}

func newFollower(t testing.TB, resp *http.Response) *follower {
	return &follower{t: t, resp: resp, lines: bufio.NewScanner(resp.Body)}
}

// next gives the next event; none at the stream's end.
func (f *follower) next() (e told, ok bool) {
	for f.lines.Scan() {
		name, value, _ := strings.Cut(f.lines.Text(), ": ")
		switch name {
		case "id":
			e.id = value
		case "event":
			e.event = value
		case "data":
			e.data += value
		case "":
			if f.lines.Text() != "" {
				f.beats++
			} else if e.event != "" {
				return e, true
			}
		}
	}
	return e, false
}

func (f *follower) step() (step, id string) {
	f.t.Helper()
	e, ok := f.next()
	var line struct {
		Case, Step, Ball string
		At               time.Time
		Expect           *time.Time
	}
	if !ok || e.event != "status" || json.Unmarshal([]byte(e.data), &line) != nil || line.Case == "" || line.At.IsZero() {
		f.t.Fatalf("no status: %+v", e)
	}
	return line.Step, e.id
}

func TestFollow(t *testing.T) {
	b := newBed(t)
	b.diarium.say(hub.Later(errors.New("closed"), time.Second))
	r := b.submit(t, "1")
	f := b.follow(t, r.ID, "")
	h := f.resp.Header
	if h.Get("Content-Type") != "text/event-stream" || h.Get("Cache-Control") != "no-store" || h.Get("X-Accel-Buffering") != "no" {
		t.Errorf("headers: %v", h)
	}
	if f.lines.Scan(); f.lines.Text() != "retry: 3500" { // between two and five seconds, halfway by the bed's Jitter
		t.Errorf("who follows is to come back like everybody else: %s", f.lines.Text())
	}
	if step, id := f.step(); step != "inkommet" || id == "" {
		t.Errorf("begins with %s", step)
	}
	b.diarium.say(nil)
	if step, _ := f.step(); step != "registrerat" {
		t.Errorf("goes on with %s", step)
	}
	b.web.EndStreams()
	if e, ok := f.next(); ok {
		t.Errorf("goes on after the end: %+v", e)
	}
}

// TestFollowAcrossRestart: nothing is missed and nothing comes twice.
func TestFollowAcrossRestart(t *testing.T) {
	b := newBed(t)
	b.diarium.say(hub.Later(errors.New("closed"), time.Second))
	r := b.submit(t, "1")
	b.submit(t, "2") // whose lines stand between those of the first
	f := b.follow(t, r.ID, "")
	_, seen := f.step()
	b.stop()
	if e, ok := f.next(); ok {
		t.Errorf("goes on after the end: %+v", e)
	}
	b.diarium.say(nil)
	b.start(t)
	b.await(t, r.Case, hub.Registrerat)
	again := b.follow(t, r.ID, seen)
	step, last := again.step()
	if step != "registrerat" {
		t.Errorf("resumes with %s", step)
	}
	for _, after := range []string{"0", last} {
		got, want := b.follow(t, r.ID, after), "inkommet"
		if after == last {
			b.report(t, r, hub.Beslutat)
			want = "beslutat"
		}
		if step, _ := got.step(); step != want {
			t.Errorf("after %s comes %s, want %s", after, step, want)
		}
	}
}

// report has the diarium tell that a case has moved on.
func (b *bed) report(t testing.TB, r receipt, step hub.Step) {
	t.Helper()
	report := hub.Report{
		System: "karlskrona.diarium", ID: rand.Text(), Key: hub.KeyOf(hub.ID(r.ID), "diarium"), Word: "x", Step: step, At: time.Now(),
	}
	heard, err := b.store.Report(t.Context(), "karlskrona.diarium", []hub.Report{report}, "1", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range heard {
		for _, s := range h.Effects.Statuses {
			b.hub.Bus.Wake(t.Context(), hub.Wake{Case: s.Case})
		}
	}
}

func TestLastEventID(t *testing.T) {
	b := newBed(t)
	r := b.submit(t, "1")
	b.await(t, r.Case, hub.Registrerat)
	path := "/v1/submissions/" + r.ID + "/events"
	for _, garbage := range []string{"x", "-1", "1.5", "1 OR 1=1", "99999999999999999999999"} {
		a := ask(t, b.public, "GET", path, "", bearer(portalToken), "Last-Event-ID: "+garbage)
		if p := problemIn(t, a); a.status != 400 || p.Code != "last-event-id" {
			t.Errorf("%q: %d %s", garbage, a.status, a.body)
		}
	}
	f := b.follow(t, r.ID, "999999")
	if e, _ := f.next(); e.event != "resync" {
		t.Errorf("from the future: %+v", e)
	}
	if step, _ := f.step(); step != "inkommet" {
		t.Errorf("after a resync comes %s", step)
	}
	if a := ask(t, b.public, "GET", path+"?after=1", "", bearer(portalToken)); a.status != 400 {
		t.Errorf("a query on a stream: %d", a.status)
	}
	if a := ask(t, b.public, "GET", path, "", bearer(portalToken), "Accept: application/json"); a.status != 406 {
		t.Errorf("a stream as JSON: %d", a.status)
	}
	if a := ask(t, b.public, "HEAD", path, "", bearer(portalToken)); a.status != 405 {
		t.Errorf("HEAD of a stream: %d", a.status)
	}
}

func TestFiveStreams(t *testing.T) {
	b := newBed(t)
	r := b.submit(t, "1")
	var fifth *follower
	for range 5 {
		fifth = b.follow(t, r.ID, "")
	}
	path := "/v1/submissions/" + r.ID + "/events"
	a := ask(t, b.public, "GET", path, "", bearer(portalToken))
	if p := problemIn(t, a); a.status != 429 || p.Type != "/problems/rate-limited" || a.header.Get("Retry-After") == "" {
		t.Errorf("the sixth: %d %s", a.status, a.body)
	}
	fifth.resp.Body.Close()
	deadline := time.After(10 * time.Second)
	for {
		resp := open(t, b.public, "GET", path, "", bearer(portalToken))
		resp.Body.Close()
		if resp.StatusCode == 200 {
			return
		}
		select {
		case <-deadline:
			t.Fatal("the place of a follower who left is never free")
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// TestWall: what belongs to another municipality is not there, to the byte.
func TestWall(t *testing.T) {
	b := newBed(t)
	r := b.submit(t, "1")
	for _, method := range []string{"GET", "DELETE"} {
		for _, end := range []string{"", "/events"} {
			if method == "DELETE" && end != "" {
				continue
			}
			theirs := ask(t, b.public, method, "/v1/submissions/"+r.ID+end, "", bearer(eslovToken))
			nothing := ask(t, b.public, method, "/v1/submissions/01ARZ3NDEKTSV4RRFFQ69G5FAV"+end, "", bearer(eslovToken))
			p, q := problemIn(t, theirs), problemIn(t, nothing)
			p.Instance, q.Instance = "", ""
			if theirs.status != 404 || nothing.status != 404 || fmt.Sprint(p) != fmt.Sprint(q) {
				t.Errorf("%s%s: %d %s and %d %s", method, end, theirs.status, theirs.body, nothing.status, nothing.body)
			}
		}
	}
	if a := ask(t, b.public, "GET", "/v1/submissions?after="+r.ID, "", bearer(eslovToken)); a.body != `{"submissions":[]}`+"\n" {
		t.Errorf("with another's cursor: %s", a.body)
	}
	if a := ask(t, b.public, "GET", "/v1/submissions", "", bearer(eslovToken)); strings.Contains(a.body, r.ID) {
		t.Error("the list has another's case")
	}
}

// inBubble serves on a network in memory, where 30 s pass in no time.
func inBubble(t *testing.T, b *bed) func() net.Conn {
	b.build(t)
	l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: b.web.Public()}
	web.Harden(server)
	server.RegisterOnShutdown(b.web.EndStreams)
	go server.Serve(l)
	t.Cleanup(func() {
		server.Shutdown(context.Background())
		b.stop()
	})
	return func() net.Conn {
		client, far := net.Pipe()
		l.conns <- far
		return client
	}
}

type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return &local{c}, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// local is a connection from this machine.
type local struct{ net.Conn }

func (local) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// TestSlowBodies: who sends less than 1 KiB a second is not waited for; who sends
// more is, however long it takes.
func TestSlowBodies(t *testing.T) {
	b := makeBed(t)
	synctest.Test(t, func(t *testing.T) {
		dial := inBubble(t, b)
		head := "POST /v1/submissions HTTP/1.1\r\nHost: x\r\n" + bearer(portalToken) + "\r\nIdempotency-Key: slow-body-1\r\n"

		conn := dial()
		fmt.Fprintf(conn, "%s%s\r\nContent-Length: 10\r\n\r\n{\"a", head, jsonBody)
		begun := time.Now()
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || resp.StatusCode != http.StatusRequestTimeout || !resp.Close {
			t.Errorf("three bytes and silence: %v, %v", resp, err)
		}
		if waited := time.Since(begun); waited > 31*time.Second {
			t.Errorf("waited %v", waited)
		}
		conn.Close()

		conn = dial()
		body := parts(submission(form("slow")), file("a", strings.Repeat("a", 200<<10)))
		var sent sync.WaitGroup
		sent.Go(func() {
			fmt.Fprintf(conn, "%s%s\r\nContent-Length: %d\r\n\r\n", head, boundary, len(body))
			for len(body) > 0 {
				n := min(2<<10, len(body))
				conn.Write([]byte(body[:n]))
				body = body[n:]
				time.Sleep(time.Second)
			}
		})
		resp, err = http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || resp.StatusCode != http.StatusAccepted {
			t.Errorf("2 KiB a second for 100 s: %v, %v", resp, err)
		}
		sent.Wait()
		conn.Close()
	})
}

// TestHeartbeat: an idle stream says that it is there each 15 s, and ends there when
// its client may no longer call.
func TestHeartbeat(t *testing.T) {
	b := makeBed(t)
	synctest.Test(t, func(t *testing.T) {
		dial := inBubble(t, b)
		recorder := httptest.NewRecorder()
		req := httptest.NewRequest("POST", "/v1/submissions", strings.NewReader(form("1", `service="nobody"`)))
		req.RemoteAddr = "127.0.0.1:1"
		req.Header.Set("Authorization", "Bearer "+portalToken)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Idempotency-Key", "heartbeat-1")
		b.web.Public().ServeHTTP(recorder, req)
		var r receipt
		decode(t, answer{body: recorder.Body.String()}, &r)

		conn := dial()
		defer conn.Close()
		fmt.Fprintf(conn, "GET /v1/submissions/%s/events HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n", r.ID, bearer(portalToken))
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		time.AfterFunc(5*time.Minute, func() { b.web.Allow(nil) })
		f := newFollower(t, resp)
		for ok := true; ok; _, ok = f.next() {
		}
		lasted := time.Since(begun)
		if f.beats < 18 || f.beats > 21 || lasted < 5*time.Minute || lasted > 5*time.Minute+16*time.Second {
			t.Errorf("%d beats in %v", f.beats, lasted)
		}
	})
}
