package verbs

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/config"
	"github.com/knutpunkt/knutpunkt/hub/outbound"
)

// reachFor is how long one address may take.
const reachFor = 15 * time.Second

// systems calls at every address of every system, all at once, and tells of them in
// the order of the configuration.
func (d *doctor) systems(ctx context.Context, all []config.System) {
	seen := make([]*doctor, len(all))
	var calls sync.WaitGroup
	for i, s := range all {
		seen[i] = &doctor{now: d.now}
		calls.Go(func() { seen[i].system(ctx, s) })
	}
	calls.Wait()
	for _, one := range seen {
		d.findings = append(d.findings, one.findings...)
	}
}

func (d *doctor) system(ctx context.Context, s config.System) {
	about := string(s.ID)
	d.certificateFile(about, s.TLS.Certificate, "our certificate for it", about+" does not let us in: deliveries to it, or look-ups, wait")
	d.certificateFile(about, s.TLS.CA, "the authority that its certificate is checked by", "its certificate is no longer believed: deliveries to it, or look-ups, wait")
	if len(s.Addresses) == 0 {
		d.ok(about, "has no address to call at")
		return
	}
	door, settings, err := doorTo(s)
	if err != nil {
		d.wrong(about, err.Error(), "knutpunkt serve does not start", "mend that line, or the files that it names")
		return
	}
	called := map[outbound.Grant]bool{}
	for _, address := range s.Addresses {
		grant, err := outbound.GrantFor(address)
		if err == nil && !called[grant] {
			called[grant] = true
			d.address(ctx, s.ID, door, settings, grant)
		}
	}
}

// address calls at one address, step by step, so that it can say at which it failed.
func (d *doctor) address(ctx context.Context, id hub.SystemID, door *outbound.Door, settings *tls.Config, g outbound.Grant) {
	ctx, cancel := context.WithTimeout(ctx, reachFor)
	defer cancel()
	about := string(id)
	waits := "what is for " + about + " waits until it answers, and nothing is lost"
	conn, err := door.Dial(ctx, "tcp", net.JoinHostPort(g.Host, g.Port))
	if err != nil {
		found, do := whyNotReached(err)
		d.wrong(about, g.String()+": "+found, waits, do)
		return
	}
	defer conn.Close()
	if g.Scheme == "https" || g.Scheme == "smtps" || g.Scheme == "kafkas" {
		secure, err := d.handshake(ctx, conn, settings, g.Host)
		if err != nil {
			found, do := whyNotTrusted(err)
			d.wrong(about, g.String()+": "+found, waits, do)
			if cert := refused(err); cert != nil {
				d.certificate(about, cert, "its certificate", waits)
			}
			return
		}
		d.certificate(about, secure.ConnectionState().PeerCertificates[0], "its certificate",
			"from then on it is not believed: "+waits)
		conn = secure
	}
	d.ok(about, g.String()+" answers")
	if g.Scheme != "https" && g.Scheme != "http" {
		return // only HTTP says what the time is
	}
	if their, ok := dateOf(ctx, conn, g); ok {
		d.skew(about, their)
	}
}

func (d *doctor) handshake(ctx context.Context, conn net.Conn, settings *tls.Config, host string) (*tls.Conn, error) {
	if settings == nil {
		settings = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	settings = settings.Clone()
	settings.ServerName, settings.NextProtos = host, []string{"http/1.1"}
	secure := tls.Client(conn, settings)
	return secure, secure.HandshakeContext(ctx)
}

// whyNotReached says in words why there is no connection.
func whyNotReached(err error) (found, do string) {
	var name *net.DNSError
	var timeout net.Error
	switch {
	case errors.Is(err, outbound.ErrEgress):
		return "its name leads to an address where no system may be", "ask those who run the name server; write the address itself if it is this machine"
	case errors.As(err, &name):
		return "its name is not known to the name server", "see that it is written right, and ask those who run the name server"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "nobody answers", "a firewall may be between us: ask those who run the network; else ask those who run it"
	}
	return "nobody listens there", "ask those who run it whether it is down; see that the port is written right"
}

// whyNotTrusted says in words why the two ends do not take each other for who they are.
func whyNotTrusted(err error) (found, do string) {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &unknown):
		return "its certificate is from an authority that is not believed", "name the right one under tls: ca: in its systems.yaml, after you have asked those who run it"
	case errors.As(err, &name):
		return "its certificate is for another name", "see that the address is written as its certificate has it"
	case errors.As(err, &invalid):
		return "its certificate is not valid now", "have those who run it renew it; see that our clock is right"
	case strings.Contains(err.Error(), "remote error"):
		return "it does not take our certificate", "name the right certificate and key under tls: in its systems.yaml; ask those who run it which they know us by"
	}
	return "it does not speak TLS as we do", "see that the port is right; ask those who run it for TLS 1.2 or later"
}

// refused gives the certificate that was not believed.
func refused(err error) *x509.Certificate {
	var verification *tls.CertificateVerificationError
	if errors.As(err, &verification) && len(verification.UnverifiedCertificates) > 0 {
		return verification.UnverifiedCertificates[0]
	}
	return nil
}

// dateOf asks what the time is there, with a request that says nothing.
func dateOf(ctx context.Context, conn net.Conn, g outbound.Grant) (time.Time, bool) {
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline)
	}
	head := &http.Request{Method: http.MethodHead, URL: &url.URL{Scheme: g.Scheme, Host: net.JoinHostPort(g.Host, g.Port), Path: "/"}, Close: true}
	if head.Write(conn) != nil {
		return time.Time{}, false
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), head)
	if err != nil {
		return time.Time{}, false
	}
	answer.Body.Close()
	at, err := http.ParseTime(answer.Header.Get("Date"))
	return at, err == nil
}

// skew compares clocks; theirs is given in whole seconds.
func (d *doctor) skew(about string, their time.Time) {
	off := d.now().Sub(their)
	if off.Abs() < time.Minute {
		return
	}
	found := fmt.Sprintf("our clock and that of %s differ by %s", about, off.Abs().Round(time.Second))
	means := "certificates and tokens may be refused, and times in documents may be wrong"
	if off.Abs() < 5*time.Minute {
		d.note(soon, "clock", found, means, "see which of them is right, and set it by NTP")
		return
	}
	d.wrong("clock", found, means, "see which of them is right, and set it by NTP")
}

// — certificates —

func (d *doctor) ownCertificate() {
	d.certificateFile("certificate", d.settings.TLS.Certificate, "the certificate of our own API", "platforms do not believe us: no forms come in")
}

// certificateFile looks at the first certificate in a PEM file; at nothing when none is
// named.
func (d *doctor) certificateFile(about, path, what, stops string) {
	if path == "" {
		return
	}
	text, err := os.ReadFile(path)
	block, _ := pem.Decode(text)
	if err == nil && block != nil {
		if cert, err := x509.ParseCertificate(block.Bytes); err == nil {
			d.certificate(about, cert, what, stops)
			return
		}
	}
	d.wrong(about, what+", "+path+", cannot be read as a certificate", stops, "put a PEM certificate there")
}

// certificate says how long a certificate lasts.
func (d *doctor) certificate(about string, c *x509.Certificate, what, stops string) {
	now := d.now()
	days := int(c.NotAfter.Sub(now).Hours() / 24)
	const renew = "renew it, and put it in place before"
	switch {
	case now.Before(c.NotBefore):
		d.wrong(about, fmt.Sprintf("%s is not valid until %s", what, swedish(c.NotBefore)), stops, "see that our clock is right")
	case now.After(c.NotAfter):
		d.wrong(about, fmt.Sprintf("%s ended %s", what, swedish(c.NotAfter)), stops, "renew it now")
	case days < 7:
		d.wrong(about, fmt.Sprintf("%s ends in %s, %s", what, many(days, "day", "days"), swedish(c.NotAfter)), "then "+stops, renew)
	case days < 60:
		within := "60"
		if days < 30 {
			within = "30"
		}
		d.note(soon, about, fmt.Sprintf("%s ends within %s days, %s", what, within, swedish(c.NotAfter)), "then "+stops, renew)
	default:
		d.ok(about, fmt.Sprintf("%s lasts until %s", what, swedish(c.NotAfter)))
	}
}
