package verbs

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// rapidReset begins requests over HTTP/2 and takes each back at once, as fast as it
// goes. The server works it off or ends the connection, and others are served. The
// frames are written by hand: no client would do it.
func rapidReset(t *testing.T, b *hostileBed) {
	p, base, roots := b.serveTLS(t)
	address := fmt.Sprintf("127.0.0.1:%d", base)
	c, err := tls.Dial("tcp", address, &tls.Config{RootCAs: roots, NextProtos: []string{"h2"}})
	if err != nil || c.ConnectionState().NegotiatedProtocol != "h2" {
		t.Fatalf("no HTTP/2: %v", err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(30 * time.Second))
	before := p.resetPeak(t)
	ended := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, c)
		ended <- err
	}()
	io.WriteString(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"+string(frame(settingsFrame, 0, 0, nil)))
	const requests = 100_000
	sent := 0
	for ; sent < requests && err == nil; sent += 100 {
		var burst bytes.Buffer
		for i := range 100 {
			stream := uint32(2*(sent+i) + 1)
			burst.Write(frame(headersFrame, endStream|endHeaders, stream, askForContract))
			burst.Write(frame(resetFrame, 0, stream, []byte{0, 0, 0, 8})) // CANCEL
		}
		_, err = c.Write(burst.Bytes())
	}
	if err == nil {
		c.CloseWrite()
	}
	<-ended
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}}
	resp, err := client.Get("https://" + address + "/openapi.json")
	if err != nil || resp.StatusCode != 200 || resp.ProtoMajor != 2 || resp.Header.Get("Strict-Transport-Security") == "" {
		t.Fatalf("after %d requests taken back: %+v, %v", sent, resp, err)
	}
	resp.Body.Close()
	p.checkGrowth(t, before)
}

// The frames of HTTP/2 (RFC 9113) that are needed.
const (
	headersFrame, resetFrame, settingsFrame = 1, 3, 4
	endStream, endHeaders                   = 1, 4
)

// askForContract is the header block of GET https://x/openapi.json (RFC 7541): three
// names of the static table, two of them with values of ours.
var askForContract = []byte("\x82\x87\x04\x0d/openapi.json\x01\x01x")

func frame(kind, flags byte, stream uint32, content []byte) []byte {
	n := len(content)
	head := []byte{
		byte(n >> 16), byte(n >> 8), byte(n), kind, flags,
		byte(stream >> 24), byte(stream >> 16), byte(stream >> 8), byte(stream),
	}
	return append(head, content...)
}

// serveTLS starts a second process, which speaks TLS, on a configuration of its own.
func (b *hostileBed) serveTLS(t *testing.T) (p *process, base int, roots *x509.CertPool) {
	t.Helper()
	dir := t.TempDir()
	base = freePorts(t)
	o := demoOptions{dir: dir, port: base}
	if _, err := o.stage(); err != nil {
		t.Fatal(err)
	}
	certificate, key := selfSigned(t)
	for file, text := range map[string][]byte{
		"secrets/public.pem": certificate, "secrets/public-key.pem": key,
		"knutpunkt.yaml": []byte(read(filepath.Join(dir, "knutpunkt.yaml")) + "tls:\n  certificate: file:secrets/public.pem\n  key: file:secrets/public-key.pem\n"),
	} {
		if err := os.WriteFile(filepath.Join(dir, file), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p = start(t, "serve", "--config", dir)
	await(t, "ready", func() bool { return answers(fmt.Sprintf("http://127.0.0.1:%d/readyz", base+1), 200) })
	t.Cleanup(func() {
		if p.end(syscall.SIGTERM); p.ProcessState.ExitCode() != 0 {
			t.Errorf("exit %d: %s", p.ProcessState.ExitCode(), p.errs.String())
		}
	})
	roots = x509.NewCertPool()
	roots.AppendCertsFromPEM(certificate)
	return p, base, roots
}

// selfSigned makes a certificate for this machine, and its key, in PEM.
func selfSigned(t *testing.T) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	of := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "knutpunkt.example"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	text, err := x509.CreateCertificate(rand.Reader, of, of, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: text}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
}
