package rest_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
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
	"github.com/knutpunkt/knutpunkt/connectors/rest"
	"github.com/knutpunkt/knutpunkt/connectors/rest/restsim"
	"github.com/knutpunkt/knutpunkt/hub"
)

// A town is a business system and a hub's connection to it, on a network and a clock of their own: it
// is made in a bubble of synctest.
type town struct {
	t      *testing.T
	sim    *restsim.Sim
	system hub.System
	errors []string // the texts of all errors that came out
}

func newTown(t *testing.T, level hub.Level) *town {
	t.Helper()
	o := restsim.Options{Level: level, Clock: time.Now, Token: "nyckel"}
	if level == hub.Lookup {
		o.Lag = 2 * time.Second
	}
	sim, err := restsim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return &town{t: t, sim: sim, system: opened(t, serve(t, sim), levels[level]+"token: env:TOKEN\n")}
}

// opened opens a system by what its entry in systems.yaml says.
func opened(t *testing.T, client *http.Client, config string) hub.System {
	t.Helper()
	system, err := open(t, client, config)
	if err != nil {
		t.Fatal(err)
	}
	return system
}

func open(t *testing.T, client *http.Client, config string) (hub.System, error) {
	t.Setenv("TOKEN", "nyckel")
	env := hub.Env{ID: "karlskrona.arende", HTTP: client, Reads: client, Log: slog.New(slog.DiscardHandler), Clock: time.Now}
	return rest.New.Open(t.Context(), env, connectortest.Decode(t, rest.New)("url: https://arende.example/api\n"+config))
}

// serve gives a client of a server that is reached through memory, so that a bubble's clock moves
// on when all wait.
func serve(t *testing.T, handler http.Handler) *http.Client {
	network := &memory{conns: make(chan net.Conn)}
	server := &http.Server{
		Handler:  http.StripPrefix("/api", handler),
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0),
	}
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
		Document: hub.NewDocument("application/json", fmt.Appendf(nil, `{"reference":%q,"sokande":%q}`, key, person)),
	}
	for i := range files {
		d.Files = append(d.Files, aFile("Alva.pdf", fmt.Sprintf("%%PDF %d", max(i, 1))))
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

func answerOf(r hub.Receipt, err error) (hub.Answer, hub.Cause) {
	a, _, cause := hub.AnswerOf(r, err)
	return a, cause
}

// settle does what the hub does after each answer. It gives the receipt, or why a person must look.
func (tw *town) settle(d hub.Delivery) (hub.Receipt, string) {
	can := tw.system.Can.Of(d.Operation)
	for range 10 {
		r, err := tw.deliver(d)
		a, _ := answerOf(r, err)
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
	want := restsim.Count{Cases: 1, Files: map[string]int{}}
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
		for _, canary := range []string{person, "Alva", "Exempelsson", "nyckel", "arende.example", "ÄR 2"} {
			if strings.Contains(said, canary) {
				tw.t.Errorf("%q is said: %s", canary, said)
			}
		}
	}
}

const receiptConfig = `
    receipt: { number: /number, ref: /id, echo: /reference }
`

// TestStatuses holds each row of the table of statuses, where the first call is the one that makes the case.
func TestStatuses(t *testing.T) {
	receipt := `{"number":"ÄR 2026/00001","id":"c1","reference":"01JH-arende"}`
	tests := []struct {
		name   string
		status int
		header http.Header
		body   string
		errors string // in systems.yaml
		answer hub.Answer
		cause  hub.Cause
		wait   time.Duration
		why    string
	}{
		{"201", 201, nil, receipt, "", hub.Yes, "", 0, "a receipt"},
		{"200", 200, nil, receipt, "", hub.Yes, "", 0, "a receipt"},
		{"202", 202, nil, receipt, "", hub.Yes, "", 0, "a receipt"},
		{"201 without number", 201, nil, `{"id":"c1","reference":"01JH-arende"}`, "", hub.DontKnow, hub.ContractBroken, 0, "something was perhaps made"},
		{"201 without id", 201, nil, `{"number":"ÄR 2026/00001","reference":"01JH-arende"}`, "", hub.DontKnow, hub.ContractBroken, 0, "its files could not follow"},
		{"201 about another", 201, nil, `{"number":"ÄR 2026/00001","id":"c1","reference":"01JG-arende"}`, "", hub.DontKnow, hub.ContractBroken, 0, "crossed answers"},
		{"201 about nobody", 201, nil, `{"number":"ÄR 2026/00001","id":"c1"}`, "", hub.DontKnow, hub.ContractBroken, 0, "crossed answers"},
		{"204", 204, nil, "", "", hub.DontKnow, hub.ContractBroken, 0, "no receipt"},
		{"200 and nothing", 200, nil, "", "", hub.DontKnow, hub.ContractBroken, 0, "no receipt"},
		{"200 and half", 200, nil, receipt[:20], "", hub.DontKnow, hub.ContractBroken, 0, "no receipt"},
		{"login page", 200, http.Header{"Content-Type": {"text/html"}}, "<html>", "", hub.DontKnow, hub.ContractBroken, 0, "no receipt"},
		{"301", 301, http.Header{"Location": {"/x"}}, "", "", hub.DontKnow, hub.AddressChanged, 0, "never followed"},
		{"303", 303, http.Header{"Location": {"/x"}}, "", "", hub.DontKnow, hub.AddressChanged, 0, "perhaps the answer to what was stored"},
		{"307", 307, http.Header{"Location": {"/x"}}, "", "", hub.DontKnow, hub.AddressChanged, 0, "never followed"},
		{"400", 400, nil, person, "", hub.No, "", 0, "this document will never be taken"},
		{"401", 401, nil, "", "", hub.NotNow, hub.Credentials, 0, "no fault of the document"},
		{"403", 403, nil, "", "", hub.NotNow, hub.Credentials, 0, "no fault of the document"},
		{"404", 404, nil, "", "", hub.NotNow, hub.AddressChanged, 0, "no fault of the document"},
		{"405", 405, nil, "", "", hub.NotNow, hub.AddressChanged, 0, "no fault of the document"},
		{"409", 409, nil, receipt, "", hub.DontKnow, "", 0, "nobody has said what it means"},
		{"409 that is a receipt", 409, nil, receipt, `{ "409": accepted }`, hub.Yes, "", 0, "it says which case it is"},
		{"409 without one", 409, nil, `{}`, `{ "409": accepted }`, hub.DontKnow, hub.ContractBroken, 0, "it does not say which case it is"},
		{"409 about another", 409, nil, strings.ReplaceAll(receipt, "01JH", "01JG"), `{ "409": accepted }`, hub.DontKnow, hub.ContractBroken, 0, "crossed answers"},
		{"410", 410, nil, "", "", hub.NotNow, hub.AddressChanged, 0, "no fault of the document"},
		{"411", 411, nil, "", "", hub.No, "", 0, "this document will never be taken"},
		{"413", 413, nil, "", "", hub.No, "", 0, "this document will never be taken"},
		{"414", 414, nil, "", "", hub.No, "", 0, "this document will never be taken"},
		{"415", 415, nil, "", "", hub.No, "", 0, "this document will never be taken"},
		{"418", 418, nil, "", "", hub.DontKnow, "", 0, "who knows"},
		{"422", 422, nil, person, "", hub.No, "", 0, "this document will never be taken"},
		{"429", 429, http.Header{"Retry-After": {"7"}}, "", "", hub.NotNow, hub.Busy, 7 * time.Second, "it says when to come back"},
		{"503", 503, nil, "", "", hub.NotNow, hub.Busy, 0, "it does not say when"},
		{"503 for ever", 503, http.Header{"Retry-After": {"999999999"}}, "", "", hub.NotNow, hub.Busy, 6 * time.Hour, "clamped"},
		{"503 yesterday", 503, http.Header{"Retry-After": {"Fri, 31 Dec 1999 23:59:59 GMT"}}, "", "", hub.NotNow, hub.Busy, time.Second, "clamped"},
		{"503 before now", 503, http.Header{"Retry-After": {"-1"}}, "", "", hub.NotNow, hub.Busy, time.Second, "clamped"},
		{"503 nonsense", 503, http.Header{"Retry-After": {"snart"}}, "", "", hub.NotNow, hub.Busy, 0, "the hub's own schedule"},
		{"500", 500, nil, "", "", hub.DontKnow, "", 0, "nobody knows what a 500 has done"},
		{"502", 502, nil, "", "", hub.DontKnow, "", 0, "nobody knows what is behind a gateway"},
		{"504", 504, nil, "", "", hub.DontKnow, "", 0, "nobody knows what is behind a gateway"},
		{"500 that means no", 500, nil, person, `{ "500": refused }`, hub.No, "", 0, "so it is certified"},
		{"503 that means nothing", 503, nil, "", `{ "503": dont-know }`, hub.DontKnow, "", 0, "it may come after the case was made"},
		{"404 that means no", 404, nil, "", `{ 404: refused, 4xx: later }`, hub.No, "", 0, "the status goes before its class"},
		{"class", 418, http.Header{"Retry-After": {"9"}}, "", `{ 404: refused, 4xx: later }`, hub.NotNow, "", 9 * time.Second, "all others of the class"},
		{"credentials", 400, nil, "", `{ 400: credentials }`, hub.NotNow, hub.Credentials, 0, "its way of saying 401"},
		{"address", 400, nil, "", `{ 400: address-changed }`, hub.NotNow, hub.AddressChanged, 0, "its way of saying 404"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					for name, values := range test.header {
						w.Header()[name] = values
					}
					w.WriteHeader(test.status)
					io.WriteString(w, test.body)
				}))
				config := "operations:\n  case:\n    path: /cases\n    key: { document: /reference }" + receiptConfig
				if test.errors != "" {
					config += "    errors: " + test.errors + "\n"
				}
				tw := &town{t: t, system: opened(t, client, config)}
				r, err := tw.deliver(aDelivery("01JH-arende", 0))
				if a, wait, cause := hub.AnswerOf(r, err); a != test.answer || cause != test.cause || wait != test.wait {
					t.Errorf("%s (%s, %v), want %s (%s, %v): %s; %v", a, cause, wait, test.answer, test.cause, test.wait, test.why, err)
				}
				tw.wantSilence()
			})
		})
	}
}

// TestFaults delivers through every fault at every call, at a system of each level, and counts.
func TestFaults(t *testing.T) {
	tests := []struct {
		way    restsim.Way
		answer hub.Answer // at the call that makes the case
		taken  bool       // what the system has, whatever it says
		why    string
	}{
		{restsim.Lost, hub.DontKnow, true, "a lost answer must not make a second case"},
		{restsim.Dropped, hub.DontKnow, false, "nobody knows what was taken"},
		{restsim.Busy, hub.NotNow, false, "it says so"},
		{restsim.Denied, hub.NotNow, false, "no fault of the document"},
		{restsim.Redirect, hub.DontKnow, false, "perhaps the answer to what was stored"},
		{restsim.RedirectAll, hub.DontKnow, false, "never followed"},
		{restsim.Gone, hub.NotNow, false, "no fault of the document"},
		{restsim.Html, hub.DontKnow, false, "no receipt"},
		{restsim.Empty, hub.DontKnow, true, "no receipt"},
		{restsim.Truncated, hub.DontKnow, true, "no receipt"},
		{restsim.NoNumber, hub.DontKnow, true, "no receipt"},
		{restsim.WrongEcho, hub.DontKnow, true, "crossed answers"},
		{restsim.Refused, hub.No, false, "it says so"},
		{restsim.FailBefore, hub.DontKnow, false, "nobody knows what a 500 has done"},
		{restsim.FailAfter, hub.DontKnow, true, "nobody knows what a 500 has done"},
		{restsim.Slow, hub.DontKnow, true, "an answer that never ends"},
	}
	for level := range levels {
		for _, test := range tests {
			t.Run(string(level)+" "+string(test.way), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					tw := newTown(t, level)
					d := aDelivery("01JH-arende", 3)
					tw.sim.Fail(restsim.Fault{Way: test.way})
					r, err := tw.deliver(d)
					if a, _ := answerOf(r, err); a != test.answer {
						t.Errorf("%s, want %s: %s; %v", a, test.answer, test.why, err)
					}
					if n := tw.sim.Count("01JH-arende").Cases; (n == 1) != test.taken {
						t.Errorf("the system has %d cases", n)
					}
					tw.wantSilence()
					if level == hub.Blind && test.answer == hub.DontKnow {
						return // a person decides
					}
					if level != hub.Blind { // and then at each call that follows
						time.Sleep(3 * time.Second)
						for _, at := range []restsim.Place{restsim.Find, restsim.Files, restsim.File, restsim.File} {
							if test.way != restsim.Refused && test.way != restsim.WrongEcho {
								tw.sim.Fail(restsim.Fault{Way: test.way, At: at})
							}
						}
					}
					if _, end := tw.settle(d); end != "" {
						t.Errorf("it ends %q", end)
					}
					tw.wantOnce(d)
					tw.wantSilence()
				})
			})
		}
	}
}

// TestGoesOn stops a delivery of nineteen files before the last, and lets it go on.
func TestGoesOn(t *testing.T) {
	for _, level := range []hub.Level{hub.Idempotent, hub.Lookup} {
		for _, way := range []restsim.Way{restsim.Dropped, restsim.Lost, restsim.Busy} {
			t.Run(string(level)+" "+string(way), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					tw := newTown(t, level)
					d := aDelivery("01JH-arende", 19)
					tw.sim.Fail(restsim.Fault{Way: way, At: restsim.File, After: 18})
					r, err := tw.deliver(d)
					if a, _ := answerOf(r, err); a != hub.DontKnow || !strings.Contains(err.Error(), "18 of 19 files are there") {
						t.Fatalf("%s, %v", a, err)
					}
					time.Sleep(2 * time.Second)
					if _, err := tw.system.Destination.Find(t.Context(), d); (err == nil) != (way == restsim.Lost) {
						t.Errorf("find: %v", err)
					}
					before := len(tw.sim.Ledger())
					r, end := tw.settle(d)
					if end != "" || len(r.Parts) != 19 || r.Parts[18].Ref == "" || len(tw.sim.Ledger())-before > 1 {
						t.Errorf("%q, %d parts, %d more entries", end, len(r.Parts), len(tw.sim.Ledger())-before)
					}
					tw.wantOnce(d)
					for _, e := range tw.sim.Ledger() {
						if e.N == 3 && level == hub.Lookup && e.Name != "Alva (3).pdf" {
							t.Errorf("the third file of one name is called %s", e.Name)
						}
					}
				})
			})
		}
	}
}

// TestRefusedFile: a person must know that the rest is there.
func TestRefusedFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tw := newTown(t, hub.Idempotent)
		tw.sim.Fail(restsim.Fault{Way: restsim.Refused, At: restsim.File, After: 1})
		r, err := tw.deliver(aDelivery("01JH-arende", 3))
		if a, _ := answerOf(r, err); a != hub.No || !strings.Contains(err.Error(), "the document and 1 of 3 files are there") {
			t.Errorf("%s, %v", a, err)
		}
		tw.wantSilence()
	})
}

// TestUnasked: what could not be asked for is not said to be missing.
func TestUnasked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tw := newTown(t, hub.Idempotent)
		d := aDelivery("01JH-arende", 3)
		tw.deliver(d)
		tw.sim.Fail(restsim.Fault{Way: restsim.Busy, At: restsim.Files})
		if _, err := tw.deliver(d); err == nil || !strings.Contains(err.Error(), "could not be asked for") {
			t.Errorf("%v", err)
		}
	})
}

// TestTwice: which of two cases under one Key is the right one, no hub can know.
func TestTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tw := newTown(t, hub.Lookup)
		d := aDelivery("01JH-arende", 0)
		tw.sim.Fail(restsim.Fault{Way: restsim.Twice})
		tw.deliver(d)
		time.Sleep(2 * time.Second)
		if _, err := tw.system.Destination.Find(t.Context(), d); !errors.Is(err, hub.ErrCannotTell) {
			t.Errorf("find: %v", err)
		}
		if r, err := tw.deliver(d); err == nil || tw.sim.Count("01JH-arende").Cases != 2 {
			t.Errorf("again: %v, %v", r, err)
		}
	})
}

func TestKeyInTheDocument(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim, _ := restsim.New(restsim.Options{Level: hub.Lookup, Clock: time.Now})
		config := strings.ReplaceAll(levels[hub.Lookup], "/cases?reference={key}\n    level", "/cases\n    key: { document: /reference }\n    level")
		tw := &town{t: t, sim: sim, system: opened(t, serve(t, sim), config)}
		d := aDelivery("01JH-arende", 1)
		if _, end := tw.settle(d); end != "" {
			t.Errorf("it ends %q: %v", end, tw.errors)
		}
		tw.wantOnce(d)
		for _, wrong := range []string{`{"reference":"01JG-arende"}`, `{}`, `{"reference":`, ``} {
			d.Document = hub.NewDocument("application/json", []byte(wrong))
			if r, err := tw.deliver(d); !isNo(r, err) {
				t.Errorf("a document that says another key: %v", err)
			}
			if broken := tw.system.Checker.Check(d); len(broken) != 1 || broken[0].Path != "/reference" {
				t.Errorf("a mapping that writes no key is told of by %v", broken)
			}
		}
		if len(tw.sim.Ledger()) != 2 {
			t.Error("it was sent")
		}
	})
}

func isNo(r hub.Receipt, err error) bool {
	a, _ := answerOf(r, err)
	return a == hub.No
}

// TestConventions: the case in another's document, in XML, with Basic, headers, and numbers that must be escaped.
func TestConventions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []string
		client := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			user, secret, _ := r.BasicAuth()
			asked = append(asked, fmt.Sprint(r.Method, " ", r.URL.RequestURI(), " ", user, secret, r.Header.Get("X-Tenant"), r.Header.Get("X-Api-Key")))
			w.Header().Set("Content-Type", "application/xml")
			io.WriteString(w, `<?xml version="1.0"?><s:Svar xmlns:s="urn:x"><s:Handling id="17"><s:Nummer>ÄR 1/2</s:Nummer>
				<s:Nyckel>01JH-arende</s:Nyckel><s:Tid>2026-03-02T09:00:00</s:Tid></s:Handling></s:Svar>`)
		}))
		system := opened(t, client, `
format: xml
user: knut
secret: env:TOKEN
headers: { X-Tenant: "1080" }
secret-headers: { X-Api-Key: env:TOKEN }
operations:
  case:
    method: PUT
    path: /cases/{case.diarium.number}/documents/{key}?ref={case.diarium.ref}
    level: lookup
    receipt: { number: /Svar/Handling/Nummer, ref: /Svar/Handling/@id, echo: /Svar/Handling/Nyckel, at: /Svar/Handling/Tid }
    find: { path: "/documents?key={key}", list: /Svar/Ingen, number: /Nummer, ref: /@id, echo: /Nyckel }
`)
		d := aDelivery("01JH-arende", 0)
		if r, err := system.Destination.Deliver(t.Context(), d); !isNo(r, err) || len(asked) != 1 {
			t.Errorf("without the case: %v", err)
		}
		asked, d.Receipts = nil, map[string]hub.Receipt{"diarium": {Number: "KS 2026/1"}}
		r, err := system.Destination.Deliver(t.Context(), d)
		if err != nil || r.Number != "ÄR 1/2" || r.Ref != "17" || r.At.Hour() != 9 || r.At.Location() != hub.Stockholm {
			t.Errorf("%+v, %v", r, err)
		}
		want := []string{
			"GET /documents?key=01JH-arende knutnyckel1080nyckel",
			"PUT /cases/KS%202026%2F1/documents/01JH-arende?ref=KS+2026%2F1 knutnyckel1080nyckel",
		}
		if diff := cmp.Diff(want, asked); diff != "" {
			t.Error(diff)
		}
	})
}

// TestFindInXML: hits are the elements of one name.
func TestFindInXML(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hits := `<Hits><Hit id="17"><Number>ÄR 1</Number><Key>01JH-arende</Key></Hit></Hits>`
		client := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, hits) }))
		system := opened(t, client, `
format: xml
operations:
  case:
    path: /cases?key={key}
    level: lookup
    receipt: { number: /Case/Number }
    find: { path: "/cases?key={key}", list: /Hits/Hit, number: /Number, ref: /@id, echo: /Key }
`)
		r, err := system.Destination.Find(t.Context(), aDelivery("01JH-arende", 0))
		if err != nil || r.Number != "ÄR 1" || r.Ref != "17" {
			t.Errorf("%+v, %v", r, err)
		}
		for text, want := range map[string]bool{`<Hits/>`: true, `<Other/>`: false, `<Hits>`: false} {
			hits = text
			if _, err := system.Destination.Find(t.Context(), aDelivery("01JH-arende", 0)); errors.Is(err, hub.ErrNotFound) != want {
				t.Errorf("%s: %v", text, err)
			}
		}
	})
}

// TestFind: only what certainly is not there may be sent again.
func TestFind(t *testing.T) {
	one := `{"number":"ÄR 1","id":"c1","reference":"01JH-arende"}`
	const alone, list = `path: "/cases/{key}"`, `path: "/cases?reference={key}", list: /cases`
	tests := []struct {
		name, find string
		status     int
		body       string
		want       error // nil: a receipt; errAny: an error that is neither of the others
	}{
		{"there", alone, 200, one, nil},
		{"not there", alone, 404, "", hub.ErrNotFound},
		{"another status for it", alone + ", not-found: 204", 204, "", hub.ErrNotFound},
		{"another", alone, 200, strings.ReplaceAll(one, "01JH", "01JG"), errAny},
		{"hit", list, 200, `{"cases":[` + one + `]}`, nil},
		{"no hit", list, 200, `{"cases":[]}`, hub.ErrNotFound},
		{"two hits", list, 200, `{"cases":[` + one + `,` + one + `]}`, hub.ErrCannotTell},
		{"all cases of the system", list, 200, `{"cases":[` + one + `,{"number":"ÄR 2","id":"c2","reference":"x"}]}`, errAny},
		{"no list", list, 200, `{}`, errAny},
		{"wrong address", list, 404, "", errAny},
		{"404 for no hit", list + ", not-found: 404", 404, "", hub.ErrNotFound},
		{"login page", list, 200, "<html>", errAny},
		{"busy", list, 503, "", errAny},
		{"redirect", alone, 302, "", errAny},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.WriteHeader(test.status)
					io.WriteString(w, test.body)
				}))
				system := opened(t, client, "operations:\n  case:\n    path: /cases?k={key}\n    level: lookup"+receiptConfig+
					"    find: { "+test.find+", number: /number, ref: /id, echo: /reference }\n")
				r, err := system.Destination.Find(t.Context(), aDelivery("01JH-arende", 0))
				known := errors.Is(err, hub.ErrNotFound) || errors.Is(err, hub.ErrCannotTell)
				switch {
				case test.want == nil && (err != nil || r.Number != "ÄR 1" || r.Ref != "c1"),
					test.want == errAny && (err == nil || known),
					test.want != nil && test.want != errAny && !errors.Is(err, test.want):
					t.Errorf("%+v, %v", r, err)
				}
			})
		})
	}
}

var errAny = errors.New("any")

// TestReferenceThatLeadsElsewhere: what a system calls a case becomes part of an address.
func TestReferenceThatLeadsElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ref, paths := "", []string{}
		client := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			paths = append(paths, r.URL.EscapedPath())
			fmt.Fprintf(w, `{"number":"1","id":%q,"reference":"01JH-arende"}`, ref)
		}))
		system := opened(t, client, levels[hub.Blind])
		for given, want := range map[string]string{
			"..": "", ".": "", "a/../../b?c#d": "/cases/a%2F..%2F..%2Fb%3Fc%23d/files/1",
		} {
			ref, paths = given, nil
			r, err := system.Destination.Deliver(t.Context(), aDelivery("01JH-arende", 1))
			if want == "" && (err == nil || len(paths) != 1) || want != "" && (err != nil || paths[1] != want) {
				t.Errorf("%s: called %q, %+v, %v", given, paths, r, err)
			}
		}
	})
}

// TestStreams hands over a file of 300 MB that exists nowhere.
func TestStreams(t *testing.T) {
	const size = 300 << 20
	sim, err := restsim.New(restsim.Options{Level: hub.Idempotent, Clock: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.StripPrefix("/api", sim))
	defer server.Close()
	sum := sha256.New()
	io.Copy(sum, io.LimitReader(zeros{}, size))
	f := aFile("Film", "")
	f.Blob = hub.Blob{ID: "Film", Size: size, SHA256: [32]byte(sum.Sum(nil))}
	f.Open = func(context.Context) (io.ReadCloser, error) { return io.NopCloser(io.LimitReader(zeros{}, size)), nil }
	system := opened(t, toServer(server), levels[hub.Idempotent])
	d := aDelivery("01JH-arende", 0)
	d.Files = []hub.File{f}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := system.Destination.Deliver(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if allocated := after.TotalAlloc - before.TotalAlloc; len(sim.Ledger()) != 2 || allocated > size/10 {
		t.Errorf("%d entries, %d bytes were allocated", len(sim.Ledger()), allocated)
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

func TestChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tw := newTown(t, hub.Lookup)
		r, _ := tw.deliver(aDelivery("01JH-arende", 0))
		for i := range 150 { // two pages
			tw.sim.Move(r.Number, fmt.Sprint("ord ", i), time.Now())
		}
		var cursor hub.Cursor
		heard := map[string]bool{}
		for range 3 {
			reports, next, err := tw.system.Tracker.Changes(t.Context(), cursor)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range reports {
				heard[r.Word] = r.Key == "01JH-arende" && r.Ref == "c1" && r.At.Equal(time.Now())
			}
			cursor = next
		}
		if len(heard) != 150 || !heard["ord 149"] || cursor != "150" {
			t.Errorf("%d words were heard, cursor %s", len(heard), cursor)
		}
		for _, way := range []restsim.Way{restsim.Busy, restsim.Html, restsim.Truncated, restsim.Redirect, restsim.Gone} {
			tw.sim.Fail(restsim.Fault{Way: way, At: restsim.Changes})
			if reports, next, err := tw.system.Tracker.Changes(t.Context(), "17"); err == nil || next != "17" || len(reports) > 0 {
				t.Errorf("%s: %d reports, cursor %s, %v", way, len(reports), next, err)
			}
		}
	})
}

// TestChangesByTime asks a system that has no cursor of its own.
func TestChangesByTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var since string
		body := `[{"id":7,"case":"c1","word":"Beslutat","at":"2000-01-01T02:00:00","undone":true},{"id":6,"case":"c1","word":"Öppet","at":"2000-01-01T00:30:00Z"}]`
		client := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			since = r.FormValue("from")
			io.WriteString(w, body)
		}))
		system := opened(t, client, `
changes: { path: "/log?from={cursor}", list: /, id: /id, ref: /case, word: /word, at: /at, correction: /undone, overlap: 10s }
`)
		if system.Destination != nil {
			t.Error("without operations it takes deliveries")
		}
		reports, next, err := system.Tracker.Changes(t.Context(), "")
		want := []hub.Report{
			{ID: "7", Ref: "c1", Word: "Beslutat", At: time.Date(2000, 1, 1, 2, 0, 0, 0, hub.Stockholm), Correction: true},
			{ID: "6", Ref: "c1", Word: "Öppet", At: time.Date(2000, 1, 1, 0, 30, 0, 0, time.UTC)},
		}
		if diff := cmp.Diff(want, reports); diff != "" || err != nil || next != "2000-01-01T00:59:50Z" || since != "1999-12-02T00:00:00Z" {
			t.Errorf("from %s to %s, %v\n%s", since, next, err, diff)
		}
		for _, wrong := range []string{`{}`, `[{}]`, `[{"id":7,"case":"c1","word":"x","at":"igår"}]`, `[{"id":7,"word":"x","at":"2000-01-01T02:00:00"}]`} {
			body = wrong
			if _, same, err := system.Tracker.Changes(t.Context(), next); err == nil || same != next {
				t.Errorf("%s: %v, cursor %s", wrong, err, same)
			}
		}
		if _, _, err := system.Tracker.Changes(t.Context(), "igår"); err == nil {
			t.Error("a cursor that is none of ours is taken")
		}
	})
}

func TestConfig(t *testing.T) {
	good := "operations:\n  case:\n    path: /cases?r={key}\n    level: idempotent\n    receipt: { number: /n, echo: /r }\n"
	files := "    files: { path: \"/cases/{ref}/files/{n}\" }\n"
	tests := []struct{ name, config, says string }{
		{"as it should be", good + files, ""},
		{"nothing to do", "format: json\n", "operations"},
		{"format", good + "format: csv\n", "format"},
		{"two ways in", good + "token: env:TOKEN\nuser: a\nsecret: env:TOKEN\n", "only one"},
		{"user without secret", good + "user: a\n", "belong together"},
		{"level", strings.ReplaceAll(good, "idempotent", "sure"), "operations.case.level"},
		{"path without slash", strings.ReplaceAll(good, "/cases", "cases"), "operations.case.path"},
		{"path upwards", strings.ReplaceAll(good, "/cases", "/../admin"), "upwards"},
		{"path with fragment", strings.ReplaceAll(good, "{key}", "{key}#x"), "#"},
		{"path with a person", strings.ReplaceAll(good, "{key}", "{personnummer}"), "only {key}"},
		{"path with a number that nobody has", strings.ReplaceAll(good, "{key}", "{key}{number}"), "only {key}"},
		{"method", good + "    method: DELETE\n", "method"},
		{"pointer", strings.ReplaceAll(good, "/n,", "n,"), "receipt.number"},
		{"idempotent without key", strings.ReplaceAll(good, "{key}", "x"), "needs the key"},
		{"replayed header at lookup", strings.ReplaceAll(good, "idempotent", "lookup") + "    key: { header: idempotency-key }\n", "sends calls"},
		{"replayed header at every call", good + "headers: { Idempotency-Key: x }\n", "Idempotency-Key"},
		{"secret in the clear", good + "headers: { Authorization: Bearer x }\n", "Authorization"},
		{"lookup without find", strings.ReplaceAll(good, "idempotent", "lookup"), "needs find"},
		{"blind with find", strings.ReplaceAll(good, "    level: idempotent\n", "") + "    find: { path: \"/c/{key}\", number: /n, echo: /r }\n", "not blind"},
		{"find without echo", good + "    find: { path: \"/c/{key}\", number: /n }\n", "echo is missing"},
		{"find without key", good + "    find: { path: /c, number: /n, echo: /r }\n", "must say {key}"},
		{"files that land twice", good + strings.ReplaceAll(files, "/{n}", ""), "idempotent needs files.find"},
		{"fields without form", good + strings.ReplaceAll(files, " }\n", ", field: x }\n"), "multipart"},
		{"status", good + "    errors: { 200: refused }\n", "400 to 599"},
		{"class", good + "    errors: { 4xx: accepted }\n", "whole class"},
		{"meaning", good + "    errors: { 400: perhaps }\n", "means one of"},
		{"echo of what it never got", "operations:\n  case:\n    path: /cases\n    receipt: { number: /n, echo: /r }\n", "cannot repeat"},
		{"changes without cursor", good + "changes: { path: /c, list: /l, id: /i, key: /k, word: /w, at: /a }\n", "{cursor}"},
		{"changes of nothing", good + "changes: { path: \"/c?s={cursor}\", list: /l, id: /i, word: /w, at: /a }\n", "ref or key"},
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

// TestREADME demands that each key is explained in the README, and that its entries work.
func TestREADME(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range keysOf(reflect.TypeFor[rest.Config]()) {
		if !regexp.MustCompile("[`.]" + name + "[`.]").Match(text) {
			t.Errorf("the key %s is not explained", name)
		}
	}
	t.Setenv("KARLSKRONA_ARENDE_TOKEN", "nyckel")
	entries := regexp.MustCompile("(?s)```yaml\n.*?connector: rest\n  url: [^\n]*\n(.*?)```").FindAllSubmatch(text, -1)
	if len(entries) != len(levels)+1 {
		t.Errorf("%d entries, want one of each level, and one that is asked about each case", len(entries))
	}
	for _, entry := range entries {
		if _, err := open(t, http.DefaultClient, strings.ReplaceAll("\n"+string(entry[1]), "\n  ", "\n")); err != nil {
			t.Error(err)
		}
	}
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

// TestLedger: what a system has said that it took, it has after a crash.
func TestLedger(t *testing.T) {
	dir := t.TempDir()
	o := restsim.Options{Dir: dir, Level: hub.Idempotent, Clock: time.Now}
	deliver := func() *restsim.Sim {
		sim, err := restsim.New(o)
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(http.StripPrefix("/api", sim))
		defer server.Close()
		if _, err := opened(t, toServer(server), levels[hub.Idempotent]).Destination.Deliver(t.Context(), aDelivery("01JH-arende", 2)); err != nil {
			t.Fatal(err)
		}
		sim.Close()
		return sim
	}
	before := deliver().Ledger()
	f, err := os.OpenFile(dir+"/rest.jsonl", os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(f, `{"kind":"case","at":`) // never answered for
	f.Close()
	if after := deliver().Ledger(); len(before) != 3 || len(after) != 3 {
		t.Errorf("%d entries, and then %d", len(before), len(after))
	}
}

func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `[]`, `null`, `{"number":"ÄR 1","id":"c1","reference":"01JH-arende"}`, `{"number":1,"id":{},"reference":[]}`,
		`{"cases":[{"number":"ÄR 1","id":"c1","reference":"01JH-arende"}],"files":[]}`, `{"changes":[{"id":1}],"next":""}`,
		`<Case><number>1</number></Case>`, `<!DOCTYPE html>`, `{"number":"` + strings.Repeat("9", 2000) + `"}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, answer string) {
		client := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(answer)), Request: r}, nil
		})}
		for _, format := range []string{"json", "xml"} {
			system := opened(t, client, "format: "+format+"\n"+levels[hub.Lookup])
			d := aDelivery("01JH-arende", 0)
			if r, err := system.Destination.Deliver(t.Context(), d); err == nil && (r.Number == "" || !bytes.Contains([]byte(answer), []byte("01JH"))) && !strings.Contains(answer, `\u`) && !strings.Contains(answer, "&#") {
				t.Errorf("the receipt %+v was made of an answer without our key", r)
			}
			if _, next, err := system.Tracker.Changes(t.Context(), "1"); err != nil && next != "1" {
				t.Errorf("the cursor moved to %s over an error", next)
			}
		}
	})
}
