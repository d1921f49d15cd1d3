package certify

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A line is what lies between a connector and a fake: a server on this machine with a
// fault switch, and the HTTP clients and the dialer that lead to it and nowhere else.
// The fake gets one call at a time, and whole ones only.
type line struct {
	fake     Fake
	peer     Peer
	url      string
	listener net.Listener
	server   *http.Server
	pool     *http.Transport

	mu    sync.Mutex
	fault fault
	down  bool     // hangs up on everybody
	gone  bool     // nobody listens any more
	calls []call   // since the fault was set
	asked []string // the addresses of all calls
	wrong []string // what was done that no fault explains

	// Of a peer:
	lapse    lapse
	dialed   int // how often the dialer that is lent was used
	answered int // how often somebody called
}

// A call is one request that came through.
type call struct {
	made bool // the fake had more afterwards
	mute bool // its answer is a status and no more
}

// A tally is what a system has.
type tally struct{ cases, parts int }

func count(system any) (n tally) {
	if c, ok := system.(interface{ Cases() int }); ok {
		n.cases = c.Cases()
	}
	if c, ok := system.(PartsCounter); ok {
		n.parts = c.Parts()
	}
	return n
}

// newLine connects a fake, or a peer; without either every call is answered with 404.
func newLine(fake Fake, peer Peer) (*line, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.New("no port on this machine to listen at")
	}
	l := &line{fake: fake, peer: peer, listener: listener, url: "http://" + listener.Addr().String()}
	l.server = &http.Server{Handler: l}
	l.pool = &http.Transport{DialContext: l.dial, MaxIdleConnsPerHost: 32}
	if peer != nil {
		go l.introduce()
	} else {
		go l.server.Serve(listener)
	}
	return l, nil
}

func (l *line) close() {
	l.pool.CloseIdleConnections()
	l.server.Close()
	l.listener.Close()
}

// doorHeader tells through which of the lent clients a request came.
const doorHeader = "Knutpunkt-Certify"

// A door is one of the clients that are lent to a connector.
type door struct {
	name string
	line *line
}

var (
	errNotSent  = errors.New("nothing was sent: no connection")
	errNoAnswer = errors.New("sent, but no answer came")
)

// RoundTrip gives the errors that the hub's own door out gives: hub.Unavailable when
// nothing was written, a plain error when anything was, and no addresses in them.
func (d door) RoundTrip(r *http.Request) (*http.Response, error) {
	var wrote atomic.Bool
	trace := &httptrace.ClientTrace{WroteHeaderField: func(string, []string) { wrote.Store(true) }}
	marked := r.Clone(httptrace.WithClientTrace(r.Context(), trace))
	marked.Header.Set(doorHeader, d.name)
	resp, err := d.line.pool.RoundTrip(marked)
	switch {
	case err == nil:
		return resp, nil
	case !wrote.Load():
		return nil, hub.Unavailable(errNotSent, hub.Down)
	}
	return nil, errNoAnswer
}

const (
	deliveries = "Env.HTTP"
	reads      = "Env.Reads"
)

// client is as the hub lends it: it follows no redirects.
func (l *line) client(name string) *http.Client {
	return &http.Client{
		Transport:     door{name, l},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// dial leads to the fake, and refuses as a machine where nobody listens.
func (l *line) dial(ctx context.Context, network, address string) (net.Conn, error) {
	refused := &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	if address != l.listener.Addr().String() {
		l.object("it calls another address than the one in its config")
		return nil, refused
	}
	l.mu.Lock()
	gone := l.gone
	l.dialed++
	l.mu.Unlock()
	if gone {
		return nil, refused
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}

func (l *line) object(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wrong = append(l.wrong, what)
}

// inject sets a fault for the calls from now on; heal takes all faults away.
func (l *line) inject(f fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fault, l.calls = f, nil
}

func (l *line) vanish() {
	l.mu.Lock()
	l.gone = true
	l.mu.Unlock()
	l.pool.CloseIdleConnections()
}

func (l *line) heal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fault, l.lapse, l.down, l.gone = fault{}, lapse{}, false, false
}

func (l *line) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.calls)
}

// taken is what the fake has.
func (l *line) taken() tally {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.peer != nil {
		return count(l.peer)
	}
	return count(l.fake)
}

// with lets f use the fake between two calls.
func (l *line) with(f func(Fake)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(l.fake)
}

// ServeHTTP takes a call: it goes on to the fake, or the fault has it.
func (l *line) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		hangUp(w)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	l.mu.Lock()
	l.calls, l.asked = append(l.calls, call{}), append(l.asked, r.URL.String())
	number, f, down := len(l.calls), l.fault, l.down
	l.mu.Unlock()
	switch {
	case r.Header.Get(doorHeader) == "":
		l.object("it has an HTTP client of its own: use " + deliveries + " and " + reads)
	case r.URL.Path == elsewhere:
		l.object("it follows a redirect")
	}
	switch {
	case down:
		hangUp(w)
	case f.do != nil && (f.at == 0 || f.at == number):
		f.do(l, w, r)
	default:
		l.pass(number, r).copyTo(w)
	}
}

// pass has the fake answer a call.
func (l *line) pass(number int, r *http.Request) *answer {
	a := &answer{header: http.Header{}}
	if l.fake == nil {
		http.NotFound(a, r)
		return a
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	before := count(l.fake)
	l.fake.ServeHTTP(a, r)
	c := call{made: count(l.fake) != before, mute: a.body.Len() == 0}
	if number <= len(l.calls) {
		l.calls[number-1] = c
	}
	if c.made && r.Header.Get(doorHeader) == reads {
		l.wrong = append(l.wrong, "it makes things through "+reads+", which may send again: use "+deliveries)
	}
	return a
}

// An answer is what a fake said, before it is sent.
type answer struct {
	status int
	header http.Header
	body   bytes.Buffer
}

func (a *answer) Header() http.Header { return a.header }
func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

func (a *answer) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(b)
}

func (a *answer) copyTo(w http.ResponseWriter) {
	for name, values := range a.header {
		w.Header()[name] = values
	}
	a.WriteHeader(http.StatusOK)
	w.WriteHeader(a.status)
	w.Write(a.body.Bytes())
}

func hangUp(w http.ResponseWriter) {
	if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
		conn.Close()
	}
}

// cut hangs up, on this call and on those that follow.
func (l *line) cut(w http.ResponseWriter) {
	l.mu.Lock()
	l.down = true
	l.mu.Unlock()
	hangUp(w)
}
