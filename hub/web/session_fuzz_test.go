package web

import (
	"crypto/sha256"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"
)

// FuzzLoginCookie: whatever comes back from a provider or stands in a cookie, only what was
// sealed for a login under its state is taken for one.
func FuzzLoginCookie(f *testing.F) {
	state := sha256.Sum256([]byte("state"))
	sealed := attempt{Nonce: "n", Verifier: "v", To: "/mina-arenden"}
	whole, err := sealed.seal(state)
	if err != nil {
		f.Fatal(err)
	}
	text := encodeSecret(state)
	for _, value := range []string{whole, whole[:len(whole)-1], whole + "A", "", "AQ", "=", whole + whole} {
		f.Add(value, text, "state="+text+"&code=c")
	}
	f.Add(whole, text+"A", "state="+text+"&state="+text)
	f.Add(whole, strings.Repeat("A", 43), "code=%zz")
	f.Add(whole, text[:42]+"_", "state="+text+"&error=access_denied")
	f.Fuzz(func(t *testing.T, value, shown, query string) {
		if secret, ok := decodeSecret(shown); ok && encodeSecret(secret) != shown {
			t.Fatal("a secret can be written in two ways")
		}
		if a, ok := openAttempt(value, state); ok && a != sealed {
			t.Fatal("opened what was never sealed")
		}
		back, err := readReturn(query)
		if err == nil && (back.code == "") == (back.failure == "") {
			t.Fatal("a return with a code and an error, or neither")
		}
		if err == nil && strings.Count(query, "state=") == 1 && back.state == [32]byte{} && !strings.Contains(query, strings.Repeat("A", 42)) {
			t.Fatal("a return without a state")
		}
	})
}

// FuzzWhereTo: a login leads to a path of this host, whatever is asked for.
func FuzzWhereTo(f *testing.F) {
	for _, query := range []string{"", "to=/mina-arenden", "to=//evil.example", "to=/\\evil", "to=https:evil", "to=/a/../b", "to=/a%0d%0ab", "to=/.", "to=/~a", "to=/a//b", "to="} {
		f.Add(query)
	}
	base := &url.URL{Scheme: "https", Host: "vasby.example", Path: "/login"}
	f.Fuzz(func(t *testing.T, query string) {
		to, err := whereTo(query)
		if err != nil {
			return
		}
		led, err := base.Parse(to)
		if err != nil || led.Host != base.Host || led.Scheme != base.Scheme || led.Path != to || led.RawQuery != "" || strings.ContainsAny(to, "\r\n\\") {
			t.Fatalf("%q leads to %v", query, led)
		}
	})
}

// TestPeers: who calls is told by our own proxies alone, one network is one peer, and the
// memory of them is bounded.
func TestPeers(t *testing.T) {
	s := &Server{Options: Options{Proxies: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}}}
	for _, test := range []struct{ name, remote, passed, want string }{
		{"directly", "192.0.2.1:5", "", "192.0.2.1/32"},
		{"directly, and says otherwise", "192.0.2.1:5", "198.51.100.7", "192.0.2.1/32"},
		{"by a proxy", "10.1.0.9:5", "198.51.100.7", "198.51.100.7/32"},
		{"by two proxies", "10.1.0.9:5", "198.51.100.7, 10.1.3.3", "198.51.100.7/32"},
		{"by a proxy, and says otherwise", "10.1.0.9:5", "203.0.113.1, 198.51.100.7", "198.51.100.7/32"},
		{"by a proxy that does not say", "10.1.0.9:5", "", "10.1.0.9/32"},
		{"by a proxy that says nonsense", "10.1.0.9:5", "unknown", "10.1.0.9/32"},
		{"IPv6", "[2001:db8:1:2:3::4]:5", "", "2001:db8:1:2::/64"},
		{"IPv4 in IPv6", "[::ffff:192.0.2.1]:5", "", "192.0.2.1/32"},
		{"a zone", "[fe80::1%eth0]:5", "", "fe80::/64"},
		{"nobody", "@", "", "invalid Prefix"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/login", nil)
			r.RemoteAddr = test.remote
			if test.passed != "" {
				r.Header.Set("X-Forwarded-For", test.passed)
			}
			if got := s.peerOf(r).String(); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
	var p peers
	now := time.Now()
	first := netip.MustParsePrefix("192.0.2.1/32")
	for range peerAtOnce {
		if !p.allow(first, now) {
			t.Fatal("held back too early")
		}
	}
	if p.allow(first, now) {
		t.Error("not held back")
	}
	address := netip.MustParseAddr("10.0.0.0")
	for range 2 * mostPeers {
		address = address.Next()
		one, _ := address.Prefix(32)
		if !p.allow(one, now) {
			t.Fatal("another is held back")
		}
		if len(p.known) > mostPeers {
			t.Fatal("the memory grows")
		}
	}
}

// TestOwnPage: only a page of ours posts, by either of the headers that browsers send.
func TestOwnPage(t *testing.T) {
	s := &Server{Options: Options{Login: &Login{Address: "https://vasby.example"}}}
	for _, test := range []struct {
		name, site, origin string
		want               bool
	}{
		{"our page", "same-origin", "https://vasby.example", true},
		{"our page in an older browser", "", "https://vasby.example", true},
		{"our page, and the host is another behind a proxy", "", "https://vasby.example", true},
		{"by the host that was called", "", "https://inside.example", true},
		{"another site", "cross-site", "https://vasby.example", false},
		{"a neighbour", "same-site", "https://other.vasby.example", false},
		{"by hand", "none", "", false},
		{"another origin", "", "https://evil.example", false},
		{"an origin that tells nothing", "", "null", false},
		{"nothing", "", "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := &http.Request{Host: "inside.example", Header: http.Header{}}
			for name, value := range map[string]string{"Sec-Fetch-Site": test.site, "Origin": test.origin} {
				if value != "" {
					r.Header.Set(name, value)
				}
			}
			if got := s.isOwnPage(r); got != test.want {
				t.Errorf("%v", got)
			}
		})
	}
}
