package deploy

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// A balancer is HAProxy with the configuration of the three replicas, before backends of the test's own.
type balancer struct {
	url, console string
	client       *http.Client
}

// balance runs HAProxy. The file is as it is shipped, but for where the replicas and the certificate are, for Docker's
// name server, and for how many may call.
func balance(t testing.TB, replicas ...*httptest.Server) balancer {
	t.Helper()
	haproxy := tool(t, "haproxy", "haproxy")
	config := read(t, "compose/haproxy.cfg")
	port, console := freePort(t), freePort(t)
	edit := []string{":8443 ", fmt.Sprintf("127.0.0.1:%s ", port), "bind :8701", "bind 127.0.0.1:" + console,
		"/run/secrets/site.pem", certificate(t), " resolvers docker init-addr last,libc,none", "", "inter 2s", "inter 200ms", "port 8701 ", "",
		"maxconn 25000", "maxconn 100"}
	for i, name := range []string{"knutpunkt-a", "knutpunkt-b", "knutpunkt-c"} {
		address := "127.0.0.1:1" // nobody
		if i < len(replicas) {
			address = replicas[i].Listener.Addr().String()
		}
		edit = append(edit, name+":8700", address, name+":8701", address)
	}
	path := filepath.Join(t.TempDir(), "haproxy.cfg")
	write(t, path, strings.NewReplacer(edit...).Replace(config), 0o600)
	if said, err := run(t, haproxy, "-c", "-f", path); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	command := exec.Command(haproxy, "-db", "-f", path)
	must(t, command.Start())
	t.Cleanup(func() { command.Process.Signal(syscall.SIGKILL); command.Wait() })
	ours := &tls.Config{InsecureSkipVerify: true} // the certificate is of the test's own
	b := balancer{"https://127.0.0.1:" + port, "http://127.0.0.1:" + console,
		&http.Client{Transport: &http.Transport{TLSClientConfig: ours, ForceAttemptHTTP2: true}}}
	b.await(t, b.url+"/")
	b.await(t, b.console+"/")
	return b
}

// await asks until a replica that is ready answers.
func (b balancer) await(t testing.TB, url string) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(20 * time.Second); ; {
		if answer, err := b.client.Get(url); err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("no replica answers through the balancer")
		}
	}
}

func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// certificate makes one for a site, with its key, as HAProxy wants them.
func certificate(t testing.TB) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	what := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, what, what, &key.PublicKey, key)
	must(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	both := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})...)
	path := filepath.Join(t.TempDir(), "site.pem")
	write(t, path, string(both), 0o600)
	return path
}

// replica answers like a hub that is ready, and hands the rest to do.
func replica(t testing.TB, do http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" && r.URL.Path != "/readyz" && r.URL.Path != "/healthz" {
			do(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// TestStreamsPassTheBalancerLineByLine has a replica write a line only when the one before it has been read.
func TestStreamsPassTheBalancerLineByLine(t *testing.T) {
	heard := map[string]chan bool{"/v1/me/events": make(chan bool), "/console/cases/1/events": make(chan bool)}
	b := balance(t, replica(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for line := 0; ; line++ {
			fmt.Fprintf(w, "data: %d\n", line)
			w.(http.Flusher).Flush()
			select {
			case <-heard[r.URL.Path]: // and not from who reads another one that is not at its end yet
			case <-r.Context().Done():
				return
			}
		}
	}))
	for _, of := range []struct{ listener, path string }{{b.url, "/v1/me/events"}, {b.console, "/console/cases/1/events"}} {
		follow(t, b.client, of.listener+of.path, heard[of.path])
	}
}

// follow reads a stream, tells of each line that it has heard it, and wants the next at once.
func follow(t testing.TB, client *http.Client, url string, heard chan<- bool) {
	t.Helper()
	answer, err := client.Get(url)
	must(t, err)
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	const many = 20
	var waits []time.Duration
	for line := range many {
		asked := time.Now()
		if !lines.Scan() || lines.Text() != fmt.Sprintf("data: %d", line) {
			t.Fatalf("%s: line %d is %q", url, line, lines.Text())
		}
		if waits = append(waits, time.Since(asked)); line < many-1 {
			heard <- true
		}
	}
	slices.Sort(waits)
	if usual := waits[many/2]; usual > 100*time.Millisecond { // a busy machine keeps some of them waiting, and not most
		t.Errorf("%s: a line usually takes %v: something waits for company", url, usual)
	}
}

// TestUploadsPassTheBalancerAsTheyCome has a sender go on only when the replica has what was sent so far.
func TestUploadsPassTheBalancerAsTheyCome(t *testing.T) {
	arrived := make(chan string)
	b := balance(t, replica(t, func(w http.ResponseWriter, r *http.Request) {
		for part := make([]byte, 5); ; {
			if _, err := io.ReadFull(r.Body, part); err != nil {
				w.WriteHeader(http.StatusAccepted)
				return
			}
			arrived <- string(part)
		}
	}))
	body, form := io.Pipe()
	go func() {
		for range 3 {
			io.WriteString(form, "part\n")
			if got := <-arrived; got != "part\n" {
				t.Errorf("what arrives is %q", got)
			}
		}
		form.Close()
	}()
	answer, err := b.client.Post(b.url+"/v1/submissions", "application/json", body)
	must(t, err)
	if answer.Body.Close(); answer.StatusCode != http.StatusAccepted {
		t.Errorf("status %d", answer.StatusCode)
	}
}

// TestTheBalancerSendsNoFormTwice has a replica die with a form in its hands: whoever sent it is told, and decides.
func TestTheBalancerSendsNoFormTwice(t *testing.T) {
	var seen atomic.Int64
	dies := func(w http.ResponseWriter, r *http.Request) {
		seen.Add(1)
		io.Copy(io.Discard, r.Body)
		panic(http.ErrAbortHandler)
	}
	b := balance(t, replica(t, dies), replica(t, dies), replica(t, dies))
	b.client.Transport = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // HTTP/1.1: nobody repeats a call for us
	if answer, err := b.client.Post(b.url+"/v1/submissions", "application/json", strings.NewReader("{}")); err == nil {
		if answer.Body.Close(); answer.StatusCode < 500 {
			t.Errorf("status %d", answer.StatusCode)
		}
	}
	if n := seen.Load(); n != 1 {
		t.Errorf("the form was sent %d times", n)
	}
}

// TestTheBalancerTellsWhoCalls: a hub believes what its proxies say of that, and nothing that was said to them.
func TestTheBalancerTellsWhoCalls(t *testing.T) {
	told := make(chan http.Header, 1)
	b := balance(t, replica(t, func(_ http.ResponseWriter, r *http.Request) { told <- r.Header }))
	r, err := http.NewRequestWithContext(t.Context(), "GET", b.url+"/mina-arenden", nil)
	must(t, err)
	r.Header.Set("X-Forwarded-For", "192.0.2.1")
	r.Header.Set("X-Forwarded-Proto", "http")
	answer, err := b.client.Do(r)
	must(t, err)
	answer.Body.Close()
	h := <-told
	from := h.Values("X-Forwarded-For")
	if h.Get("X-Forwarded-Proto") != "https" || len(from) == 0 || !strings.HasSuffix(from[len(from)-1], "127.0.0.1") {
		t.Errorf("a replica is told %v by %v", from, h.Values("X-Forwarded-Proto"))
	}
}
