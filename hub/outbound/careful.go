package outbound

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// errNotSent says that nothing of a request left us.
var errNotSent = errors.New("nothing was sent: no connection")

// errNoAnswer says that a request left us and no whole answer came back.
var errNoAnswer = errors.New("sent, but no answer came")

// errUntrusted says that one of the two ends did not accept the other's certificate.
var errUntrusted = errors.New("nothing was sent: a certificate was not accepted")

// untrusted reports whether TLS failed on a certificate: theirs here, or ours there.
// With TLS 1.3 the other end's refusal may come after we have begun to write, and
// even then nothing was read of it.
func untrusted(err error) bool {
	var verification *tls.CertificateVerificationError
	var alert tls.AlertError
	return errors.As(err, &verification) || errors.As(err, &alert) || strings.Contains(err.Error(), "remote error: tls:")
}

// careful tells apart what certainly did not leave from what may have arrived, and
// takes addresses out of the errors.
type careful struct {
	door *Door
	next http.RoundTripper
}

// RoundTrip gives hub.Unavailable when nothing was written, and a plain error, a
// *don't know*, when anything was.
func (c *careful) RoundTrip(req *http.Request) (*http.Response, error) {
	port := req.URL.Port()
	if port == "" {
		port = usual[req.URL.Scheme]
	}
	if !c.door.granted(req.URL.Scheme, req.URL.Hostname(), port) {
		return nil, hub.Unavailable(ErrEgress, hub.AddressChanged)
	}
	var wrote, silenced atomic.Bool
	caller := req.Context()
	trace := &httptrace.ClientTrace{
		GotConn: func(got httptrace.GotConnInfo) {
			unannounced := hub.Announce(caller) != nil
			silenced.Store(unannounced) // of the latest connection: the transport may take another by itself
			if unannounced {            // by closing it: a cancelled request may be written all the same
				got.Conn.Close()
			}
		},
		WroteHeaderField: func(string, []string) { wrote.Store(true) },
	}
	ctx, cancel := context.WithCancel(httptrace.WithClientTrace(caller, trace))
	req = req.WithContext(ctx)
	if req.Body != nil && req.Body != http.NoBody { // who does not read what we send holds nobody either
		req.Body = newBody(req.Body, cancel)
	}
	resp, err := c.next.RoundTrip(req)
	switch {
	case err == nil:
		resp.Body = &answered{newBody(resp.Body, cancel)}
		return resp, nil
	case errors.Is(err, ErrEgress):
		err = hub.Unavailable(ErrEgress, hub.AddressChanged)
	case silenced.Load():
		err = hub.Later(errNotSent, time.Minute)
	case untrusted(err):
		err = hub.Unavailable(errUntrusted, hub.Credentials)
	case !wrote.Load():
		err = hub.Unavailable(errNotSent, hub.Down)
	default:
		err = errNoAnswer
	}
	cancel()
	return nil, err
}

// A body is cut when it comes slower than leastRate for longer than bodyTimeout: a
// trickle holds nobody, and a large file has the time that it needs.
type body struct {
	io.ReadCloser
	cancel context.CancelFunc
	timer  *time.Timer
	credit int64 // bytes that have come since the timer was set
}

func newBody(rc io.ReadCloser, cancel context.CancelFunc) *body {
	return &body{ReadCloser: rc, cancel: cancel, timer: time.AfterFunc(bodyTimeout, cancel)}
}

// answered is a response's body: when it is closed the connection is let go.
type answered struct{ *body }

func (a *answered) Close() error {
	err := a.body.Close()
	a.cancel()
	return err
}

// earns is how much must come for the time to be given once more.
const earns = int64(leastRate * bodyTimeout / time.Second)

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil { // it has come to its end
		b.timer.Stop()
		return n, err
	}
	if b.credit += int64(n); b.credit >= earns {
		b.credit = 0
		b.timer.Reset(bodyTimeout)
	}
	return n, err
}

// Close ends the watch.
func (b *body) Close() error {
	b.timer.Stop()
	return b.ReadCloser.Close()
}
