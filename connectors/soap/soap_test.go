package soap_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/knutpunkt/knutpunkt/connectors/connectortest"
	"github.com/knutpunkt/knutpunkt/connectors/soap"
	"github.com/knutpunkt/knutpunkt/connectors/soap/soapsim"
	"github.com/knutpunkt/knutpunkt/hub"
)

// A town is a business system and a hub's connection to it, on a network and a clock of their own: it
// is made in a bubble of synctest.
type town struct {
	t      *testing.T
	sim    *soapsim.Sim
	system hub.System
	errors []string // the texts of all errors that came out
}

const wayIn = "username-token: { user: knut, secret: env:TOKEN }\n"

func newTown(t *testing.T, o soapsim.Options, more string) *town {
	t.Helper()
	o.Clock, o.Secret = time.Now, "nyckel"
	if o.Level == hub.Lookup {
		o.Lag = 2 * time.Second
	}
	sim, err := soapsim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return &town{t: t, sim: sim, system: opened(t, serve(t, sim), wayIn+more+soapsim.Config(o.Level))}
}

// opened opens a system by what its entry in systems.yaml says.
func opened(t testing.TB, client *http.Client, config string) hub.System {
	t.Helper()
	system, err := open(t, client, config)
	if err != nil {
		t.Fatal(err)
	}
	return system
}

func open(t testing.TB, client *http.Client, config string) (hub.System, error) {
	t.Setenv("TOKEN", "nyckel")
	env := hub.Env{ID: "karlskrona.miljo", HTTP: client, Reads: client, Log: slog.New(slog.DiscardHandler), Clock: time.Now}
	return soap.New.Open(t.Context(), env, connectortest.Decode(t, soap.New)("url: https://miljo.example/Arende.svc\n"+config))
}

// serve gives a client of a server that is reached through memory, so that a bubble's clock moves
// on when all wait.
func serve(t *testing.T, handler http.Handler) *http.Client {
	network := &memory{conns: make(chan net.Conn)}
	server := &http.Server{Handler: handler, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	go server.Serve(network)
	transport := &http.Transport{DialTLSContext: network.dial}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
	})
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

type memory struct {
	conns chan net.Conn
	once  sync.Once
}

func (m *memory) Accept() (net.Conn, error) {
	if c, ok := <-m.conns; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}
func (m *memory) Close() error   { m.once.Do(func() { close(m.conns) }); return nil }
func (m *memory) Addr() net.Addr { return &net.UnixAddr{} }
func (m *memory) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case m.conns <- theirs:
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

const person = "199001012385"

// aDelivery is a form with so many files, the first two of which are the same.
func aDelivery(key string, files int) hub.Delivery {
	d := hub.Delivery{
		Key: hub.Key(key), Operation: "case",
		Document: hub.NewDocument("application/xml; charset=utf-8", fmt.Appendf(nil, `<?xml version="1.0" encoding="UTF-8"?>
<RegistreraArende xmlns="urn:exempel:arende"><Referens>%s</Referens><Rubrik>Altan &amp; å</Rubrik><Sokande>`+
			`<Personnummer>%s</Personnummer><Namn>Alva</Namn></Sokande></RegistreraArende>`, key, person)),
	}
	for i := range files {
		d.Files = append(d.Files, aFile(`Alva <&> "1".pdf`, fmt.Sprintf("%%PDF %d", max(i, 1))))
	}
	return d
}

func aFile(name, content string) hub.File {
	return hub.File{
		Attachment: hub.Attachment{Name: name, Type: "application/pdf", Size: int64(len(content)),
			Blob: hub.Blob{ID: name, Size: int64(len(content)), SHA256: sha256.Sum256([]byte(content))}},
		Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(content)), nil },
	}
}

// deliver makes one attempt, with the patience that the hub has.
func (tw *town) deliver(d hub.Delivery) (hub.Receipt, error) {
	ctx, cancel := context.WithTimeout(tw.t.Context(), time.Minute)
	defer cancel()
	r, err := tw.system.Destination.Deliver(ctx, d)
	if err != nil {
		tw.errors = append(tw.errors, err.Error())
	}
	return r, err
}

// settle does what the hub does after each answer. It gives the receipt, or why a person must look.
func (tw *town) settle(d hub.Delivery) (hub.Receipt, string) {
	can := tw.system.Can.Of(d.Operation)
	for range 10 {
		r, err := tw.deliver(d)
		a, _, _ := hub.AnswerOf(r, err)
		switch {
		case a == hub.Yes:
			return r, ""
		case a == hub.No:
			return r, "refused"
		case a == hub.NotNow, can.Level == hub.Idempotent:
			time.Sleep(time.Second)
			continue
		case can.Level == hub.Blind:
			return r, "unclear"
		}
		for range 2 {
			time.Sleep(can.Lag)
			r, err := tw.system.Destination.Find(tw.t.Context(), d)
			switch {
			case err == nil:
				return r, ""
			case errors.Is(err, hub.ErrCannotTell):
				return r, "unclear"
			}
		}
	}
	return hub.Receipt{}, "gave up"
}

// wantOnce demands that d has been taken whole, once.
func (tw *town) wantOnce(d hub.Delivery) {
	tw.t.Helper()
	want := soapsim.Count{Cases: 1, Files: map[string]int{}}
	for _, f := range d.Files {
		want.Files[hex.EncodeToString(f.Blob.SHA256[:])]++
	}
	if diff := cmp.Diff(want, tw.sim.Count(string(d.Key))); diff != "" {
		tw.t.Errorf("what was taken (-want +got):\n%s", diff)
	}
}

// wantSilence demands that no error says anything of a person, a file or a secret.
func (tw *town) wantSilence() {
	tw.t.Helper()
	for _, said := range tw.errors {
		for _, canary := range []string{person, "Alva", "Exempelsson", "nyckel", "miljo.example", "MK-2"} {
			if strings.Contains(said, canary) {
				tw.t.Errorf("%q is said: %s", canary, said)
			}
		}
	}
}

// TestFaults delivers through every fault at every call, at a system of each level and version, and counts.
func TestFaults(t *testing.T) {
	tests := []struct {
		way    soapsim.Way
		answer hub.Answer // at the call that makes the case
		taken  bool       // what the system has, whatever it says
		why    string
	}{
		{soapsim.Lost, hub.DontKnow, true, "a lost answer must not make a second case"},
		{soapsim.Dropped, hub.DontKnow, false, "nobody knows what was taken"},
		{soapsim.Busy, hub.NotNow, false, "the status says so, whatever the Fault in it says"},
		{soapsim.Denied, hub.NotNow, false, "no fault of the document"},
		{soapsim.Redirect, hub.DontKnow, false, "perhaps the answer to what was stored"},
		{soapsim.Gone, hub.NotNow, false, "no fault of the document"},
		{soapsim.Html, hub.DontKnow, false, "no receipt"},
		{soapsim.ClientFault, hub.No, false, "what was sent is at fault"},
		{soapsim.FaultIn200, hub.No, false, "a Fault is a Fault with any status"},
		{soapsim.DetailFault, hub.NotNow, false, "systems.yaml says so"},
		{soapsim.ServerFault, hub.DontKnow, false, "nobody knows what it had done before it failed"},
		{soapsim.FaultAfter, hub.DontKnow, true, "nobody knows what it had done before it failed"},
		{soapsim.RefusedCode, hub.No, false, "systems.yaml says what the code means"},
		{soapsim.LaterCode, hub.NotNow, false, "systems.yaml says what the code means"},
		{soapsim.UnknownCode, hub.DontKnow, true, "nobody has said what the code means"},
		{soapsim.NoCode, hub.DontKnow, true, "it does not say how it went"},
		{soapsim.Empty, hub.DontKnow, true, "no receipt"},
		{soapsim.Truncated, hub.DontKnow, true, "no receipt"},
		{soapsim.WrongEcho, hub.DontKnow, true, "crossed answers"},
		{soapsim.Latin1, hub.Yes, true, "Swedish systems write so, and say it"},
		{soapsim.WrongCharset, hub.DontKnow, true, "a number that nobody can read finds no case"},
		{soapsim.Parts, hub.DontKnow, true, "what is not read is no receipt"},
		{soapsim.Slow, hub.DontKnow, true, "an answer that never ends"},
		{soapsim.Trickle, hub.Yes, true, "a slow answer is an answer"},
	}
	for _, o := range []soapsim.Options{{Level: hub.Idempotent}, {Level: hub.Lookup}, {Level: hub.Blind}, {Level: hub.Lookup, SOAP12: true}} {
		for _, test := range tests {
			t.Run(fmt.Sprint(o.Level, " ", o.SOAP12, " ", test.way), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					more := ""
					if o.SOAP12 {
						more = "version: \"1.2\"\n"
					}
					tw := newTown(t, o, more)
					d := aDelivery("01JH-miljo", 3)
					tw.sim.Fail(soapsim.Fault{Way: test.way})
					r, err := tw.deliver(d)
					if a, _, _ := hub.AnswerOf(r, err); a != test.answer {
						t.Errorf("%s, want %s: %s; %v", a, test.answer, test.why, err)
					}
					if n := tw.sim.Count("01JH-miljo").Cases; (n == 1) != test.taken {
						t.Errorf("the system has %d cases", n)
					}
					tw.wantSilence()
					if o.Level == hub.Blind && (test.answer == hub.DontKnow || test.answer == hub.Yes) {
						return // a person decides, or all is done
					}
					if o.Level != hub.Blind && test.answer != hub.No { // and then at each call that follows
						time.Sleep(3 * time.Second)
						for _, at := range []soapsim.Place{soapsim.Find, soapsim.Files, soapsim.File, soapsim.File} {
							tw.sim.Fail(soapsim.Fault{Way: test.way, At: at})
						}
					}
					if r, end := tw.settle(d); end != "" || !strings.HasSuffix(r.Number, " Å") {
						t.Errorf("it ends %q with %q", end, r.Number)
					}
					tw.wantOnce(d)
					tw.wantSilence()
				})
			})
		}
	}
}

// TestFaultNames holds each row of the table of Faults, in the words of both versions.
func TestFaultNames(t *testing.T) {
	soap11 := func(code, detail string) string {
		return `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:x="urn:x"><s:Body><s:Fault><faultcode>` + code +
			`</faultcode><faultstring>` + person + `</faultstring><detail>` + detail + `</detail></s:Fault></s:Body></s:Envelope>`
	}
	soap12 := func(code, subcodes, detail string) string {
		return `<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope" xmlns:x="urn:x"><e:Body><e:Fault><e:Code><e:Value>` + code + `</e:Value>` +
			subcodes + `</e:Code><e:Reason><e:Text>` + person + `</e:Text></e:Reason><e:Detail>` + detail + `</e:Detail></e:Fault></e:Body></e:Envelope>`
	}
	subcode := func(name, inner string) string {
		return `<e:Subcode><e:Value>` + name + `</e:Value>` + inner + `</e:Subcode>`
	}
	tests := []struct {
		name   string
		status int
		body   string
		faults string // in systems.yaml
		answer hub.Answer
		cause  hub.Cause
	}{
		{"client", 500, soap11("s:Client", ""), "", hub.No, ""},
		{"client with 200", 200, soap11("Client", ""), "", hub.No, ""},
		{"client, in detail", 500, soap11("s:Client.Address", ""), "", hub.No, ""},
		{"server", 500, soap11("s:Server", ""), "", hub.DontKnow, ""},
		{"server with 400", 400, soap11("s:Server", ""), "", hub.DontKnow, ""},
		{"another version", 500, soap11("s:VersionMismatch", ""), "", hub.NotNow, hub.ContractBroken},
		{"header not understood", 500, soap11("s:MustUnderstand", ""), "", hub.NotNow, hub.ContractBroken},
		{"not let in, as in SOAP 1.1", 500, soap11("s:Client.Authentication", ""), "", hub.NotNow, hub.Credentials},
		{"not let in, as in WS-Security", 500, soap11("wsse:FailedAuthentication", ""), "", hub.NotNow, hub.Credentials},
		{"unknown code", 500, soap11("x:Kaffe", ""), "", hub.DontKnow, ""},
		{"nothing at all", 500, soap11("", ""), "", hub.DontKnow, ""},
		{"the detail says more", 500, soap11("s:Client", "<x:UpptagenFault/>"), "{ UpptagenFault: later }", hub.NotNow, ""},
		{"the detail is not known", 500, soap11("s:Client", "<x:UpptagenFault/>"), "{ AnnanFault: later }", hub.No, ""},
		{"client means nothing there", 500, soap11("s:Client", ""), "{ Client: dont-know }", hub.DontKnow, ""},
		{"server means no there", 500, soap11("s:Server", ""), "{ Server: refused }", hub.No, ""},
		{"sender", 500, soap12("e:Sender", "", ""), "", hub.No, ""},
		{"receiver", 500, soap12("e:Receiver", "", ""), "", hub.DontKnow, ""},
		{"subcode says more", 500, soap12("e:Sender", subcode("x:Locked", ""), ""), "{ Locked: later }", hub.NotNow, ""},
		{"innermost subcode first", 500, soap12("e:Sender", subcode("x:Locked", subcode("x:For-Ever", "")), ""), "{ Locked: later, For-Ever: refused }", hub.No, ""},
		{"detail before subcode", 500, soap12("e:Sender", subcode("x:Locked", ""), "<x:Borta/>"), "{ Locked: later, Borta: address-changed }", hub.NotNow, hub.AddressChanged},
		{"403 says more", 403, soap11("s:Server", ""), "", hub.NotNow, hub.Credentials},
		{"429 says more", 429, soap11("s:Client", ""), "", hub.NotNow, hub.Busy},
		{"no Fault", 500, "<html/>", "", hub.DontKnow, ""},
		{"a Fault that is none of SOAP's", 200, strings.ReplaceAll(soap11("s:Client", ""), "s:Fault", "x:Fault"), "", hub.DontKnow, hub.ContractBroken},
		{"an envelope that is none", 200, strings.ReplaceAll(soap11("s:Client", ""), "schemas.xmlsoap.org", "x"), "", hub.DontKnow, hub.ContractBroken},
		{"XML that is no envelope", 200, "<a/>", "", hub.DontKnow, hub.ContractBroken},
		{"an empty Body", 200, `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body/></s:Envelope>`, "", hub.DontKnow, hub.ContractBroken},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Content-Type", "text/xml; charset=utf-8")
					w.WriteHeader(test.status)
					io.WriteString(w, test.body)
				}))
				config := "operations:\n  case:\n    receipt: { number: /A/B }\n"
				if test.faults != "" {
					config = "faults: " + test.faults + "\n" + config
				}
				tw := &town{t: t, system: opened(t, client, config)}
				r, err := tw.deliver(aDelivery("01JH-miljo", 0))
				if a, _, cause := hub.AnswerOf(r, err); a != test.answer || cause != test.cause {
					t.Errorf("%s (%s), want %s (%s): %v", a, cause, test.answer, test.cause, err)
				}
				tw.wantSilence()
			})
		})
	}
}

// TestEnvelope: what is sent, byte for byte.
func TestEnvelope(t *testing.T) {
	latin := hub.NewDocument("text/xml; charset=iso-8859-1", []byte("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n<a:Ny xmlns:a=\"urn:x\"><Namn>\xc5sa &lt;3</Namn></a:Ny>"))
	const operations = "operations:\n  case:\n    action: urn:x/Ny\n    receipt: { number: /A/B }\n"
	tests := []struct {
		name, config, contentType, action, body string
	}{
		{
			"1.1", operations, "text/xml; charset=utf-8", `"urn:x/Ny"`,
			`<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>` +
				`<a:Ny xmlns:a="urn:x"><Namn>Åsa &lt;3</Namn></a:Ny></soap:Body></soap:Envelope>`,
		}, {
			"1.2 with a header", `
version: "1.2"
namespaces: { z: "urn:z" }
header: <z:In soap:mustUnderstand="1" Till="{action}">{secret.ord}</z:In>
secrets: { ord: env:TOKEN }
` + operations, `application/soap+xml; charset=utf-8; action="urn:x/Ny"`, "",
			`<soap:Envelope xmlns:soap="http://www.w3.org/2003/05/soap-envelope" xmlns:z="urn:z"><soap:Header>` +
				`<z:In soap:mustUnderstand="1" Till="urn:x/Ny">nyckel</z:In></soap:Header><soap:Body>` +
				`<a:Ny xmlns:a="urn:x"><Namn>Åsa &lt;3</Namn></a:Ny></soap:Body></soap:Envelope>`,
		}, {
			"as a text", operations + "    request: <In xmlns=\"urn:y\"><xml>{document}</xml></In>\n", "text/xml; charset=utf-8", `"urn:x/Ny"`,
			`<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body><In xmlns="urn:y"><xml>` +
				`&lt;?xml version=&#34;1.0&#34; encoding=&#34;UTF-8&#34;?&gt;&#xA;&lt;a:Ny xmlns:a=&#34;urn:x&#34;&gt;&lt;Namn&gt;Åsa &amp;lt;3&lt;/Namn&gt;&lt;/a:Ny&gt;` +
				`</xml></In></soap:Body></soap:Envelope>`,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got *http.Request
			var body []byte
			client := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				got = r
				body, _ = io.ReadAll(r.Body)
				return nil, io.ErrUnexpectedEOF
			})}
			opened(t, client, test.config).Destination.Deliver(t.Context(), hub.Delivery{Operation: "case", Document: latin})
			want := "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" + test.body
			if diff := cmp.Diff(want, string(body)); diff != "" || got.Header.Get("Content-Type") != test.contentType || got.Header.Get("SOAPAction") != test.action {
				t.Errorf("%s, %s\n%s", got.Header.Get("Content-Type"), got.Header.Get("SOAPAction"), diff)
			}
		})
	}
}

// TestPlaces: what goes into a request cannot end it.
func TestPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tw := newTown(t, soapsim.Options{Level: hub.Lookup}, "")
		d := aDelivery(`01JH-<&>"'{ref}-miljo`, 0)
		d.Document = hub.NewDocument("text/xml", []byte(strings.Replace(string(aDelivery("01JH", 1).Document.Reveal()), "01JH", "01JH-&lt;&amp;&gt;\"'{ref}-miljo", 1)))
		d.Files = aDelivery("", 2).Files
		if _, end := tw.settle(d); end != "" {
			t.Errorf("it ends %q: %v", end, tw.errors)
		}
		tw.wantOnce(d)
		for _, e := range tw.sim.Ledger()[1:] {
			if e.Name != `Alva <&> _1_.pdf` && e.Name != `Alva <&> _1_ (2).pdf` {
				t.Errorf("a file is called %s", e.Name)
			}
		}
	})
}

// TestGoesOn stops a delivery of nineteen files before the last, and lets it go on.
func TestGoesOn(t *testing.T) {
	for _, level := range []hub.Level{hub.Idempotent, hub.Lookup} {
		synctest.Test(t, func(t *testing.T) {
			tw := newTown(t, soapsim.Options{Level: level}, "")
			d := aDelivery("01JH-miljo", 19)
			tw.sim.Fail(soapsim.Fault{Way: soapsim.Lost, At: soapsim.File, After: 18})
			if _, err := tw.deliver(d); err == nil || !strings.Contains(err.Error(), "18 of 19 files are there") {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Second)
			if r, err := tw.system.Destination.Find(t.Context(), d); err != nil || len(r.Parts) != 19 || r.Parts[18].Ref == "" {
				t.Errorf("find: %+v, %v", r, err)
			}
			tw.wantOnce(d)
		})
	}
}

// TestStreams hands over a file of 100 MB that exists nowhere.
func TestStreams(t *testing.T) {
	const size = 100 << 20
	sim, err := soapsim.New(soapsim.Options{Level: hub.Idempotent, Clock: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.Header.Get("SOAPAction"), `LaggTillFil"`) { // the simulator's own reading is no part of this
			io.Copy(io.Discard, r.Body)
			io.WriteString(w, `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><LaggTillFilResponse><LaggTillFilResult>`+
				`<Kod>0</Kod><FilId>f1</FilId></LaggTillFilResult></LaggTillFilResponse></s:Body></s:Envelope>`)
			if want := int64((size + 2) / 3 * 4); r.ContentLength < want || r.ContentLength > want+1500 {
				t.Errorf("%d bytes came", r.ContentLength)
			}
			return
		}
		sim.ServeHTTP(w, r)
	}))
	defer server.Close()
	f := aFile("Film", "")
	f.Blob = hub.Blob{ID: "Film", Size: size}
	f.Open = func(context.Context) (io.ReadCloser, error) { return io.NopCloser(io.LimitReader(zeros{}, size)), nil }
	system := opened(t, toServer(server), wayIn+strings.Split(soapsim.Config(hub.Idempotent), "      find:\n")[0])
	d := aDelivery("01JH-miljo", 0)
	d.Files = []hub.File{f}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := system.Destination.Deliver(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > size/10 {
		t.Errorf("%d bytes were allocated", allocated)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// toServer leads every call to a server on this machine, whatever its address.
func toServer(s *httptest.Server) *http.Client {
	return &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		r.URL.Scheme, r.URL.Host = "http", s.Listener.Addr().String()
		return http.DefaultTransport.RoundTrip(r)
	})}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestNews: what has happened to cases is heard in both ways, and what cannot be heard is no silence.
func TestNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tw := newTown(t, soapsim.Options{Level: hub.Idempotent}, "")
		r, _ := tw.deliver(aDelivery("01JH-miljo", 0))
		for i := range 150 { // two pages
			tw.sim.Move(r.Number, fmt.Sprint("läge ", i), time.Now())
		}
		var cursor hub.Cursor
		heard := map[string]bool{}
		for range 3 {
			reports, next, err := tw.system.Tracker.Changes(t.Context(), cursor)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range reports {
				heard[r.Word] = r.Key == "01JH-miljo" && r.Ref == "a1" && r.At.Equal(time.Now())
			}
			cursor = next
		}
		if len(heard) != 150 || !heard["läge 149"] || cursor != "150" {
			t.Errorf("%d words were heard, cursor %s", len(heard), cursor)
		}
		for _, way := range []soapsim.Way{soapsim.Busy, soapsim.Html, soapsim.Truncated, soapsim.ServerFault, soapsim.NoCode, soapsim.UnknownCode} {
			tw.sim.Fail(soapsim.Fault{Way: way, At: soapsim.News})
			if reports, next, err := tw.system.Tracker.Changes(t.Context(), "17"); err == nil || next != "17" || len(reports) > 0 {
				t.Errorf("%s: %d reports, cursor %s, %v", way, len(reports), next, err)
			}
		}
	})
	synctest.Test(t, func(t *testing.T) {
		tw := newTown(t, soapsim.Options{Level: hub.Lookup}, "")
		d := aDelivery("01JH-miljo", 0)
		r, _ := tw.deliver(d)
		tw.sim.Move(r.Number, "Pågående", time.Now())
		tw.sim.Move(r.Number, "Beslutat", time.Now().Add(time.Second))
		once, err := tw.system.Poller.Poll(t.Context(), d, r)
		again, _ := tw.system.Poller.Poll(t.Context(), d, r)
		if diff := cmp.Diff(once, again); diff != "" || err != nil || len(once) != 2 || once[1].Word != "Beslutat" || once[0].Key != d.Key ||
			once[0].ID == once[1].ID || strings.Contains(once[0].ID, "Pågående") {
			t.Errorf("%+v, %v\n%s", once, err, diff)
		}
		if _, err := tw.system.Poller.Poll(t.Context(), d, hub.Receipt{Number: "MK-1"}); !errors.Is(err, hub.ErrNotFound) {
			t.Errorf("of a case that is not there: %v", err)
		}
		for _, way := range []soapsim.Way{soapsim.Busy, soapsim.Html, soapsim.Truncated, soapsim.ServerFault, soapsim.UnknownCode} {
			tw.sim.Fail(soapsim.Fault{Way: way, At: soapsim.Status})
			if reports, err := tw.system.Poller.Poll(t.Context(), d, r); err == nil || len(reports) > 0 {
				t.Errorf("%s: %d reports, %v", way, len(reports), err)
			}
		}
	})
}

func TestConfig(t *testing.T) {
	const (
		good  = "operations:\n  case:\n    action: urn:x/Ny\n    level: lookup\n    key: { document: /Ny/Ref }\n    receipt: { number: /A/B }\n"
		find  = "    find: { request: \"<F>{key}</F>\", list: /S/L, number: /N, echo: /K }\n"
		files = "    files: { request: \"<F>{content}</F>\", find: { request: \"<L>{ref}</L>\", list: /S/L, n: /N } }\n"
		news  = "changes: { request: \"<C>{cursor}</C>\", list: /S/L, ref: /R, word: /W, at: /A }\n"
		polls = "status: { request: \"<C>{ref}</C>\", word: /S/W }\n"
	)
	all := good + find + files
	tests := []struct{ name, config, says string }{
		{"as it should be", all + news + polls, ""},
		{"nothing to do", "version: \"1.1\"\n", "operations"},
		{"version", "version: \"1.3\"\n" + all, "version"},
		{"action", strings.Replace(all, "urn:x/Ny", `'urn:"x'`, 1), "operations.case.action"},
		{"request that is no XML", strings.Replace(all, "</F>", "", 1), "operations.case.find.request"},
		{"request of two elements", strings.Replace(all, "<F>{key}</F>", "<F>{key}</F><G/>", 1), "one element"},
		{"prefix of nothing", strings.Replace(all, "<F>{key}</F>", "<a:F>{key}</a:F>", 1), "operations.case.find.request"},
		{"prefix of the envelope", "namespaces: { soap: \"urn:x\" }\n" + all, "namespaces"},
		{"text between elements", strings.Replace(all, "<F>{key}</F>", "<F>a<b/>{key}</F>", 1), "operations.case.find.request"},
		{"place of nothing", strings.Replace(all, "{ref}", "{personnummer}", 1), "only {key}"},
		{"find without key", strings.Replace(all, "{key}", "x", 1), "must say {key}"},
		{"find among without key", strings.Replace(strings.Replace(all, "{key}", "{document:/Ny/Pnr}", 1), "list: /S/L, number", "list: /S/L, among: yes, number", 1), ""},
		{"find of one that says nothing", strings.Replace(all, "list: /S/L, number", "number", 1), "how does the system say"},
		{"lookup without find", good, "needs find"},
		{"blind with find", strings.Replace(all, "    level: lookup\n", "", 1), "not blind"},
		{"without key", strings.Replace(all, "    key: { document: /Ny/Ref }\n", "", 1), "needs the key"},
		{"file without content", strings.Replace(all, "{content}", "x", 1), "{content}"},
		{"file with content twice", strings.Replace(all, "<F>{content}</F>", "<F><a>{content}</a>{content}</F>", 1), "operations.case.files.request"},
		{"idempotent without a way to know files", strings.Replace(good, "lookup", "idempotent", 1) + "    files: { request: \"<F>{content}</F>\" }\n", "idempotent needs files.find"},
		{"document in a request", good + find + "    request: <I>{document}</I>\n", ""},
		{"no document in a request", good + find + "    request: <I/>\n", "must say {document}"},
		{"fault that means yes", "faults: { Dubblett: accepted }\n" + all, "a Fault means one of"},
		{"code without yes", all + "    result: { path: /A/K, values: { \"1\": refused } }\n", "which code says that all is well"},
		{"code that means nothing", all + "    result: { path: /A/K, values: { \"0\": accepted, \"1\": kanske } }\n", "a code means one of"},
		{"delivery that is not there", all + "    result: { path: /A/K, values: { \"0\": accepted, \"1\": not-found } }\n", "a code means one of"},
		{"SOAPAction as a header", "headers: { SoapAction: x }\n" + all, "see action"},
		{"header that is no XML", "header: <a>\n" + all, "header: XML"},
		{"header with a secret that nobody has", "header: <a>{secret.b}</a>\n" + all, "header: only {action}"},
		{"header with an action that is not said", "header: <a>{action}</a>\n" + strings.Replace(all, "    action: urn:x/Ny\n", "", 1), "which is it?"},
		{"changes without cursor", strings.Replace(news, "{cursor}", "x", 1), "{cursor}"},
		{"changes of nothing", strings.Replace(news, "ref: /R, ", "", 1), "ref or key"},
		{"first without next", strings.Replace(news, "list", "first: x, list", 1), "changes.first"},
		{"status of nothing", all + strings.Replace(polls, "{ref}", "x", 1), "status.request"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := open(t, http.DefaultClient, test.config)
			if (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("open: %v, want it to say %q", err, test.says)
			}
		})
	}
}

// entries are the entries in the README, in order.
func entries(t *testing.T) (all []string) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range regexp.MustCompile("(?s)```yaml\n.*?connector: soap\n  url: [^\n]*\n(.*?)```").FindAllSubmatch(text, -1) {
		all = append(all, strings.ReplaceAll("\n"+string(entry[1]), "\n  ", "\n"))
	}
	return all
}

// TestREADME demands that each key is explained in the README, and that its entries work: the first one at
// the simulator.
func TestREADME(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range keysOf(reflect.TypeFor[soap.Config]()) {
		if !regexp.MustCompile("[`.]" + name + "[`.]").Match(text) {
			t.Errorf("the key %s is not explained", name)
		}
	}
	for _, name := range []string{"MILJO", "BYGGR", "SYSTEM"} {
		t.Setenv("KARLSKRONA_"+name+"_SECRET", "nyckel")
	}
	all := entries(t)
	if len(all) != 4 {
		t.Fatalf("%d entries, want 4", len(all))
	}
	for _, entry := range all {
		if _, err := open(t, http.DefaultClient, entry); err != nil {
			t.Error(err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		tw := newTown(t, soapsim.Options{Level: hub.Lookup}, "")
		tw.system = opened(t, serve(t, tw.sim), all[0])
		d := aDelivery("01JH-miljo", 2)
		if _, end := tw.settle(d); end != "" {
			t.Errorf("it ends %q: %v", end, tw.errors)
		}
		tw.wantOnce(d)
	})
}

func keysOf(t reflect.Type) (names []string) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		names = append(names, name)
		inner := f.Type
		if inner.Kind() == reflect.Map {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct && strings.Contains(inner.PkgPath(), "/connectors/") {
			names = append(names, keysOf(inner)...)
		}
	}
	return names
}

// aPermit is an application in the words of the building permit system.
const aPermit = `<SaveNewArende xmlns="www.tekis.se/ServiceContract"><message><HandlaggarSign>SYSTEM</HandlaggarSign>
<Arende xmlns:a="www.tekis.se/arende" diarieprefix="BYGG"><a:intressentLista><a:intressent persOrgNr="19900101-2385" arForetag="false"/>
</a:intressentLista><a:externRef>01JH-bygg</a:externRef></Arende></message></SaveNewArende>`

// TestBuildingPermits: the README's example takes an application, finds it again among the applicant's own
// cases after a lost answer, and hears what happens to it.
func TestBuildingPermits(t *testing.T) {
	envelope := func(inside string) string {
		return `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>` + inside + `</s:Body></s:Envelope>`
	}
	synctest.Test(t, func(t *testing.T) {
		var asked []string
		taken, lose := false, true
		client := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			action := strings.Trim(filepath.Base(r.Header.Get("SOAPAction")), `"`)
			asked = append(asked, action)
			switch {
			case action == "SaveNewArende" && strings.Contains(string(body), "<a:externRef>01JH-bygg</a:externRef>"):
				taken = true
				if lose {
					panic(http.ErrAbortHandler)
				}
				io.WriteString(w, envelope(`<SaveNewArendeResponse xmlns="www.tekis.se/ServiceContract"><SaveNewArendeResult><Dnr>BYGG 2026-000017</Dnr></SaveNewArendeResult></SaveNewArendeResponse>`))
			case action == "GetRelateradeArendenByPersOrgNr" && strings.Contains(string(body), "<t:persOrgNr>19900101-2385</t:persOrgNr>"):
				ours := ""
				if taken {
					ours = `<arende dnr="BYGG 2026-000017"><externRef xmlns="www.tekis.se/arende">01JH-bygg</externRef></arende>`
				}
				io.WriteString(w, envelope(`<GetRelateradeArendenByPersOrgNrResponse xmlns="www.tekis.se/ServiceContract"><GetRelateradeArendenByPersOrgNrResult>`+
					`<arende dnr="BYGG 2019-000001"/><arende xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:nil="true"/>`+ours+
					`</GetRelateradeArendenByPersOrgNrResult></GetRelateradeArendenByPersOrgNrResponse>`))
			case action == "GetArende" && strings.Contains(string(body), "<t:dnr>BYGG 2026-000017</t:dnr>"):
				io.WriteString(w, envelope(`<GetArendeResponse xmlns="www.tekis.se/ServiceContract"><GetArendeResult dnr="BYGG 2026-000017"><handelseLista xmlns="www.tekis.se/arende">`+
					`<handelse handelseId="1"><startDatum>2026-03-02T10:00:00</startDatum><handelsetyp>ANSÖKAN</handelsetyp></handelse>`+
					`<handelse handelseId="2"><startDatum>2026-03-04</startDatum><handelsetyp>UNDER</handelsetyp></handelse>`+
					`<handelse handelseId="3"><startDatum>2026-03-05</startDatum></handelse></handelseLista></GetArendeResult></GetArendeResponse>`))
			default:
				w.WriteHeader(http.StatusInternalServerError)
			}
		}))
		t.Setenv("KARLSKRONA_BYGGR_SECRET", "nyckel")
		all := entries(t)
		d := hub.Delivery{Key: "01JH-bygg", Operation: "SaveNewArende", Document: hub.NewDocument("text/xml", []byte(aPermit))}
		tw := &town{t: t, system: opened(t, client, all[2])}
		r, end := tw.settle(d)
		if end != "" || r.Number != "BYGG 2026-000017" {
			t.Errorf("it ends %q with %s", end, r.Number)
		}
		if want := []string{"GetRelateradeArendenByPersOrgNr", "SaveNewArende", "GetRelateradeArendenByPersOrgNr"}; !reflect.DeepEqual(asked, want) {
			t.Errorf("asked %q, want %q", asked, want)
		}
		tw.wantSilence()
		blind := opened(t, client, all[1])
		lose = false
		if r, err := blind.Destination.Deliver(t.Context(), d); err != nil || r.Number != "BYGG 2026-000017" {
			t.Errorf("%+v, %v", r, err)
		}
		reports, err := blind.Poller.Poll(t.Context(), d, r)
		want := []hub.Report{
			{ID: "BYGG 2026-000017 1", Ref: "BYGG 2026-000017", Key: "01JH-bygg", Word: "ANSÖKAN", At: time.Date(2026, 3, 2, 10, 0, 0, 0, hub.Stockholm)},
			{ID: "BYGG 2026-000017 2", Ref: "BYGG 2026-000017", Key: "01JH-bygg", Word: "UNDER", At: time.Date(2026, 3, 4, 0, 0, 0, 0, hub.Stockholm)},
		}
		if diff := cmp.Diff(want, reports); diff != "" || err != nil {
			t.Errorf("%v\n%s", err, diff)
		}
	})
}

// TestRecordedAnswers reads what such a system has really said, where the recordings are at hand.
func TestRecordedAnswers(t *testing.T) {
	folder := os.Getenv("KNUTPUNKT_FORMATS")
	if folder == "" {
		t.Skip("KNUTPUNKT_FORMATS is not set")
	}
	recorded := func(name string) []byte {
		text, err := os.ReadFile(filepath.Join(folder, "diarium/byggr/samples", name))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	var exchange struct{ Response struct{ Body string } }
	if err := json.Unmarshal(recorded("SaveNewArende-exchange.json"), &exchange); err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		answer := exchange.Response.Body
		if strings.HasSuffix(r.Header.Get("SOAPAction"), `GetArende"`) {
			answer = string(recorded("GetArende-response.xml"))
		}
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(answer)), Request: r}, nil
	})}
	t.Setenv("KARLSKRONA_BYGGR_SECRET", "nyckel")
	system := opened(t, client, entries(t)[1])
	d := hub.Delivery{Key: "01JH-bygg", Operation: "SaveNewArende", Document: hub.NewDocument("text/xml", []byte(aPermit))}
	r, err := system.Destination.Deliver(t.Context(), d)
	if err != nil || r.Number != "BYGG 2021-000200" {
		t.Errorf("%+v, %v", r, err)
	}
	if reports, err := system.Poller.Poll(t.Context(), d, r); err != nil || len(reports) == 0 || reports[0].Word != "ANSÖKAN" || reports[0].At.IsZero() {
		t.Errorf("%+v, %v", reports, err)
	}
}

// TestLedger: what a system has said that it took, it has after a crash.
func TestLedger(t *testing.T) {
	dir := t.TempDir()
	deliver := func() int {
		sim, err := soapsim.New(soapsim.Options{Dir: dir, Level: hub.Idempotent, Clock: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		defer sim.Close()
		server := httptest.NewServer(sim)
		defer server.Close()
		if _, err := opened(t, toServer(server), soapsim.Config(hub.Idempotent)).Destination.Deliver(t.Context(), aDelivery("01JH-miljo", 2)); err != nil {
			t.Fatal(err)
		}
		return len(sim.Ledger())
	}
	if before, after := deliver(), deliver(); before != 3 || after != 3 {
		t.Errorf("%d entries, and then %d", before, after)
	}
}

func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		``, `<a/>`, `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body/></s:Envelope>`,
		`<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault><faultcode>s:Client</faultcode></s:Fault></s:Body></s:Envelope>`,
		`<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body><s:Fault><s:Code><s:Value>s:Sender</s:Value></s:Code></s:Fault></s:Body></s:Envelope>`,
		`<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><HittaArendenResponse><HittaArendenResult><Kod>0</Kod><Arenden><Arende>` +
			`<Arendenummer>1</Arendenummer><ArendeId>2</ArendeId><Referens>01JH-miljo</Referens></Arende></Arenden></HittaArendenResult></HittaArendenResponse></s:Body></s:Envelope>`,
		`<!DOCTYPE html>`, `<?xml version="1.0" encoding="ISO-8859-1"?><a/>`,
	} {
		f.Add(seed, "text/xml; charset=iso-8859-1", 200)
		f.Add(seed, "text/xml", 500)
	}
	var says func(*http.Request) (*http.Response, error)
	client := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) { return says(r) })}
	var systems []hub.System
	for _, level := range []hub.Level{hub.Idempotent, hub.Lookup, hub.Blind} {
		systems = append(systems, opened(f, client, soapsim.Config(level)))
	}
	f.Fuzz(func(t *testing.T, answer, mediaType string, status int) {
		says = func(r *http.Request) (*http.Response, error) {
			return &http.Response{
				StatusCode: status, Header: http.Header{"Content-Type": {mediaType}},
				Body: io.NopCloser(strings.NewReader(answer)), Request: r,
			}, nil
		}
		d := aDelivery("01JH-miljo", 1)
		for _, system := range systems {
			if r, err := system.Destination.Deliver(t.Context(), d); err == nil && (r.Number == "" || !strings.Contains(answer, "01JH") && !strings.Contains(answer, "&#")) {
				t.Errorf("the receipt %+v was made of an answer without our key", r)
			}
			if system.Tracker != nil {
				if _, next, err := system.Tracker.Changes(t.Context(), "1"); err != nil && next != "1" {
					t.Errorf("the cursor moved to %s over an error", next)
				}
			}
		}
	})
}
