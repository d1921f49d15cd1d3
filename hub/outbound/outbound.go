// Package outbound is the one door out. Whatever the hub says to anybody (a
// system, a register, an address that somebody wrote in systems.yaml) goes through
// an HTTP client or a dialer that is made here.
//
// Business systems are internal, so refusing private addresses would refuse the
// very systems we serve. The rule is a list instead: an address that is written in
// systems.yaml is its own grant, by scheme, host and port, and nothing else is
// reached. It is held twice: by name before the name is looked up, and by number
// after, so that a name that comes to mean another machine leads nowhere.
//
// Nothing is tried twice here behind the hub's back. Redirects are not followed:
// one that was would turn a POST into a GET and a login page into a receipt.
// Proxies of the environment are not used. Reads, and reads only, have a few short
// retries inside the call.
package outbound

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A Grant is an address that may be reached.
type Grant struct {
	Scheme string // http, https, smtp, smtps, kafka or kafkas
	Host   string // as it is written: a name, or an IP address
	Port   string
}

// usual are the schemes that an address can have, with the port that each means when none is written.
var usual = map[string]string{"http": "80", "https": "443", "smtp": "587", "smtps": "465", "kafka": "9092", "kafkas": "9093"}

// GrantFor reads a grant out of an address such as https://diarium.example/api.
func GrantFor(address string) (Grant, error) {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || usual[u.Scheme] == "" {
		return Grant{}, errors.New("not an http, https, smtp, smtps, kafka or kafkas address")
	}
	g := Grant{u.Scheme, strings.ToLower(u.Hostname()), u.Port()}
	if g.Port == "" {
		g.Port = usual[u.Scheme]
	}
	return g, nil
}

// ErrEgress says that an address has no grant, or leads where none may go.
var ErrEgress = errors.New("the address has no grant in systems.yaml")

// Limits on one call. The time for a body grows with it, so that a large file has
// time and a trickle has not.
const (
	dialTimeout   = 5 * time.Second
	headerTimeout = 30 * time.Second
	bodyTimeout   = 30 * time.Second
	leastRate     = 10 << 10 // bytes a second
	headerLimit   = 64 << 10
)

// A Door lets one system's connector out to that system's own addresses.
type Door struct {
	grants []Grant
	dialer net.Dialer
	http   *http.Client
	reads  *http.Client
}

// Open makes the door of one system. The TLS settings are the system's own; nil
// means the machine's authorities and no certificate of ours. Each call goes by those
// beside it, who may add headers to a copy of it, and who hand on whatever comes back.
func Open(grants []Grant, tlsConfig *tls.Config, clock func() time.Time, beside ...func(http.RoundTripper) http.RoundTripper) *Door {
	d := &Door{grants: grants}
	d.dialer = net.Dialer{Timeout: dialTimeout, ControlContext: d.control}
	transport := &http.Transport{
		Proxy: nil, DialContext: d.Dial, TLSClientConfig: tlsConfig, TLSHandshakeTimeout: dialTimeout,
		ResponseHeaderTimeout: headerTimeout, MaxResponseHeaderBytes: headerLimit,
		DisableCompression: true, MaxIdleConnsPerHost: 16, IdleConnTimeout: 60 * time.Second,
		ForceAttemptHTTP2: true,
	}
	d.http = &http.Client{Transport: &careful{d, transport}, CheckRedirect: stay}
	for _, wrap := range beside {
		d.http.Transport = wrap(d.http.Transport)
	}
	d.reads = retrying(d.http, clock)
	return d
}

// HTTP is the client for deliveries: each request is sent once.
func (d *Door) HTTP() *http.Client { return d.http }

// Reads is the client for look-ups: what was not sent, or met a gateway's 502, 503
// or 504, is tried twice more within a few seconds.
func (d *Door) Reads() *http.Client { return d.reads }

// Dial connects to a granted address, for what is not HTTP.
func (d *Door) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil || !d.granted("", host, port) {
		return nil, ErrEgress
	}
	return d.dialer.DialContext(ctx, network, address)
}

// stay hands the redirect itself to whoever asked.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func (d *Door) granted(scheme, host, port string) bool {
	for _, g := range d.grants {
		if g.Host == strings.ToLower(host) && g.Port == port && (scheme == "" || scheme == g.Scheme) {
			return true
		}
	}
	return false
}

// retrying wraps a client for reads. The library's own defaults are not ours: it
// would log addresses, obey any Retry-After, and retry every 5xx.
func retrying(c *http.Client, clock func() time.Time) *http.Client {
	r := retryablehttp.NewClient()
	r.HTTPClient, r.Logger, r.ErrorHandler = c, nil, retryablehttp.PassthroughErrorHandler
	r.RetryMax, r.RetryWaitMin, r.RetryWaitMax = 2, 200*time.Millisecond, 2*time.Second
	r.CheckRetry = func(ctx context.Context, resp *http.Response, err error) (bool, error) {
		switch {
		case ctx.Err() != nil:
			return false, ctx.Err()
		case err != nil:
			return errors.Is(err, errNotSent), nil
		}
		return resp.StatusCode >= 502 && resp.StatusCode <= 504, nil
	}
	r.Backoff = func(least, most time.Duration, n int, resp *http.Response) time.Duration {
		wait := least << n
		if resp != nil {
			wait = max(wait, hub.RetryAfter(resp.Header, clock()))
		}
		return min(wait, most)
	}
	std := r.StandardClient()
	std.CheckRedirect = stay
	return std
}

// String lists the grants, for people who wonder what may be reached.
func (g Grant) String() string {
	return fmt.Sprintf("%s://%s", g.Scheme, net.JoinHostPort(g.Host, g.Port))
}
