//go:build chaos

package verbs

import (
	"context"
	"io"
	"net/http"
	"net/http/httptrace"

	"github.com/knutpunkt/knutpunkt/hub"
)

// env puts the failpoints on a system's way out.
func (ps failpoints) env(e hub.Env) hub.Env {
	e.HTTP, e.Reads = ps.client(e.HTTP, string(e.ID)), ps.client(e.Reads, string(e.ID))
	return e
}

func (ps failpoints) client(c *http.Client, system string) *http.Client {
	failing := *c
	failing.Transport = &failingTransport{c.Transport, ps, system}
	return &failing
}

type failingTransport struct {
	next   http.RoundTripper
	ps     failpoints
	system string
}

// RoundTrip passes the places of one call. What is to fail before the answer has come
// is cut off, so that it fails as a connection does.
func (t *failingTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	place := func(name string) error { return t.ps.pass(name, t.system+" "+req.Method+" "+req.URL.Path) }
	ctx, cut := context.WithCancel(req.Context())
	orCut := func(name string) {
		if place(name) != nil {
			cut()
		}
	}
	req = req.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn:              func(httptrace.GotConnInfo) { orCut("out-connected") },
		WroteHeaders:         func() { orCut("out-headers") },
		WroteRequest:         func(httptrace.WroteRequestInfo) { orCut("out-sent") },
		GotFirstResponseByte: func() { orCut("out-answering") },
	}))
	if req.Body != nil {
		req.Body = &halved{req.Body, req.ContentLength / 2, func() error { return place("out-half") }}
	}
	resp, err := t.next.RoundTrip(req)
	if err == nil {
		resp.Body = &cutAfter{resp.Body, cut, func() error { return place("out-body") }}
		err = place("out-answered")
	}
	if err != nil {
		cut()
		return nil, err
	}
	return resp, nil
}

// halved is a body of which it is known when half has been read.
type halved struct {
	io.ReadCloser
	left int64 // until then; 0 when it has been, or its length is not known
	pass func() error
}

func (b *halved) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return b.ReadCloser.Read(p)
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	if b.left -= int64(n); b.left == 0 && err == nil {
		err = b.pass()
	}
	return n, err
}

// cutAfter lets go of an answer's call when the answer has been read.
type cutAfter struct {
	io.ReadCloser
	cut  func()
	pass func() error
}

func (b *cutAfter) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		if failed := b.pass(); failed != nil {
			err = failed
		}
	}
	return n, err
}

func (b *cutAfter) Close() error {
	b.cut()
	return b.ReadCloser.Close()
}

// incoming puts the failpoints around each call to the public API.
func (ps failpoints) incoming(next http.Handler) http.Handler {
	if len(ps) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		place := func(name string) error { return ps.pass(name, r.Method+" "+r.URL.Path) }
		if place("in-headers") != nil {
			panic(http.ErrAbortHandler)
		}
		r.Body = &halved{r.Body, r.ContentLength / 2, func() error { return place("in-half") }}
		next.ServeHTTP(w, r)
		http.NewResponseController(w).Flush()
		place("in-answered")
	})
}
