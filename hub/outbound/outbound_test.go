package outbound

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// door opens a door to one server.
func door(t *testing.T, address string) *Door {
	t.Helper()
	g, err := GrantFor(address)
	if err != nil {
		t.Fatal(err)
	}
	return Open([]Grant{g}, nil, time.Now)
}

func server(t *testing.T, h http.HandlerFunc) *httptest.Server {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func answerTo(err error) hub.Answer {
	a, _, _ := hub.AnswerOf(hub.Receipt{}, err)
	return a
}

func TestOnlyGrantedAddressesAreReached(t *testing.T) {
	var calls atomic.Int32
	other := server(t, func(http.ResponseWriter, *http.Request) { calls.Add(1) })
	d := door(t, "https://diarium.example/api")
	_, err := d.HTTP().Post(other.URL, "text/plain", strings.NewReader("x"))
	if !errors.Is(err, ErrEgress) || answerTo(err) != hub.NotNow || calls.Load() != 0 {
		t.Errorf("an address without a grant: %v, %d calls", err, calls.Load())
	}
	if _, err := d.Dial(t.Context(), "tcp", other.Listener.Addr().String()); !errors.Is(err, ErrEgress) {
		t.Errorf("Dial without a grant: %v", err)
	}
}

func TestNumbersThatNobodyMayReach(t *testing.T) {
	named := &Door{grants: []Grant{{"https", "diarium.example", "443"}}}
	literal := &Door{grants: []Grant{{"http", "127.0.0.1", "8713"}}}
	for _, tc := range []struct {
		ip   string
		door *Door
		want bool
		why  string
	}{
		{"10.1.2.3", named, true, "business systems are internal"},
		{"192.168.4.5", named, true, "business systems are internal"},
		{"127.0.0.1", named, false, "a name that means this machine is a trap"},
		{"127.0.0.1", literal, true, "written literally"},
		{"127.0.0.2", literal, false, "another one was written"},
		{"169.254.169.254", literal, false, "metadata"},
		{"::ffff:127.0.0.1", literal, false, "an address inside an address"},
		{"64:ff9b::a9fe:a9fe", named, false, "metadata behind NAT64"},
		{"2002:7f00:1::", named, false, "loopback behind 6to4"},
		{"100.64.0.1", named, false, "carrier-grade NAT"},
		{"fe80::1", named, false, "link-local"},
		{"::1", literal, false, "not written"},
	} {
		if got := tc.door.mayReach(netip.MustParseAddr(tc.ip)); got != tc.want {
			t.Errorf("%s: %v, want %v: %s", tc.ip, got, tc.want, tc.why)
		}
	}
}

func TestWhatLeftAndWhatDidNot(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	cut := server(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		panic(http.ErrAbortHandler)
	})
	for _, tc := range []struct {
		name, url string
		want      hub.Answer
	}{
		{"nobody listens", closed.URL, hub.NotNow},
		{"taken, and then the line is cut", cut.URL, hub.DontKnow},
	} {
		_, err := door(t, tc.url).HTTP().Post(tc.url, "text/plain", strings.NewReader("x"))
		if got := answerTo(err); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

func TestADeliveryIsSentOnceAndARedirectIsNotFollowed(t *testing.T) {
	var calls atomic.Int32
	s := server(t, func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		http.Redirect(w, r, "/login", http.StatusFound)
	})
	resp, err := door(t, s.URL).HTTP().Post(s.URL, "text/plain", strings.NewReader("x"))
	if err != nil || resp.StatusCode != 302 || calls.Load() != 1 {
		t.Fatalf("%v, %d calls, %v", resp, calls.Load(), err)
	}
	resp.Body.Close()
	if answerTo(hub.ByStatus(resp, time.Now())) != hub.DontKnow {
		t.Error("a redirect may be the answer to a case that was stored")
	}
}

func TestReadsAreTriedAgainAndDeliveriesAreNot(t *testing.T) {
	var calls atomic.Int32
	s := server(t, func(w http.ResponseWriter, _ *http.Request) {
		if calls.Add(1) < 3 {
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	d := door(t, s.URL)
	resp, err := d.Reads().Post(s.URL, "text/xml", strings.NewReader("question"))
	if err != nil || resp.StatusCode != 200 || calls.Load() != 3 {
		t.Fatalf("reads: %d calls, %v", calls.Load(), err)
	}
	resp.Body.Close()
	calls.Store(0)
	resp, err = d.HTTP().Post(s.URL, "text/xml", strings.NewReader("case"))
	if err != nil || resp.StatusCode != 502 || calls.Load() != 1 {
		t.Fatalf("delivery: %d calls, %v", calls.Load(), err)
	}
	resp.Body.Close()
}

// A byte every ten seconds would hold a worker for hours.
func TestATrickleIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		b := newBody(&trickle{ctx}, cancel)
		begun := time.Now()
		_, err := io.ReadAll(b)
		if err == nil || time.Since(begun) > bodyTimeout+10*time.Second {
			t.Errorf("read for %v: %v", time.Since(begun), err)
		}
		b.Close()
	})
}

// Somebody who accepts and never reads would hold a worker for ever.
func TestWhoNeverReadsIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		b := newBody(io.NopCloser(strings.NewReader(strings.Repeat("x", 100))), cancel)
		b.Read(make([]byte, 10)) // the transport takes a little, and then no more
		time.Sleep(bodyTimeout + time.Second)
		if ctx.Err() == nil {
			t.Error("the call goes on")
		}
		b.Close()
	})
}

type trickle struct{ ctx context.Context }

func (r *trickle) Read(p []byte) (int, error) {
	select {
	case <-time.After(10 * time.Second):
		p[0] = 'x'
		return 1, nil
	case <-r.ctx.Done():
		return 0, r.ctx.Err()
	}
}

func (r *trickle) Close() error { return nil }

func TestProxiesOfTheEnvironmentAreIgnored(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://192.0.2.1:1")
	s := server(t, func(http.ResponseWriter, *http.Request) {})
	resp, err := door(t, s.URL).HTTP().Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}

func TestGrantFor(t *testing.T) {
	for address, want := range map[string]string{
		"https://Diarium.example/api?x": "https://diarium.example:443",
		"http://127.0.0.1:8713":         "http://127.0.0.1:8713",
		"http://[::1]/":                 "http://[::1]:80",
		"smtp://post.example":           "smtp://post.example:587",
		"smtps://post.example":          "smtps://post.example:465",
		"kafkas://k1.example":           "kafkas://k1.example:9093",
		"kafka://127.0.0.1":             "kafka://127.0.0.1:9092",
	} {
		if g, err := GrantFor(address); err != nil || g.String() != want {
			t.Errorf("%s: %v, %v", address, g, err)
		}
	}
	for _, address := range []string{"", "diarium.example", "file:///etc/passwd", "gopher://x", "http://"} {
		if _, err := GrantFor(address); err == nil {
			t.Errorf("%s has a grant", address)
		}
	}
}
