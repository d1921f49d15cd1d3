package sif_test

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
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/knutpunkt/knutpunkt/connectors/sif"
	"github.com/knutpunkt/knutpunkt/connectors/sif/sifsim"
	"github.com/knutpunkt/knutpunkt/hub"
)

const caseDocument = `{
	"contacts": [
		{"ref": "sökande", "person": {"PersonalIdNumber": "199001012385", "FirstName": "Alva", "LastName": "Exempelsson", "Active": true,
			"PrivateAddress": {"StreetAddress": "Provgatan 12", "ZipCode": "371 33", "ZipPlace": "KARLSKRONA"}}},
		{"ref": "bolag", "enterprise": {"EnterpriseNumber": "2021004748", "Name": "Provbolaget AB"}}
	],
	"case": {"Title": "Bygglov för altan", "CaseType": "recno:2", "Status": "recno:5", "StartDate": "2026-01-15T06:40:00Z",
		"AccessCode": "recno:1", "Contacts": [
			{"Role": "recno:6", "ReferenceNumber": "ref:sökande", "IsUnofficial": true},
			{"Role": "recno:7", "ReferenceNumber": "ref:bolag"}]},
	"document": {"Title": "Ansökan", "Archive": "recno:2", "Category": "recno:110", "Status": "recno:1",
		"Contacts": [{"Role": "recno:5", "ReferenceNumber": "ref:sökande"}]},
	"files": {"form": {"Title": "Ansökan", "Status": "recno:1", "VersionFormat": "recno:3"}, "attachment": {"Status": "recno:1"}}
}`

// documentDocument is a completion of the case %s.
const documentDocument = `{
	"contacts": [],
	"document": {"CaseNumber": %q, "Title": "Komplettering", "Archive": "recno:2", "Category": "recno:110"},
	"files": {"form": {"Title": "Komplettering"}}
}`

// A town is a Public 360 and a hub's connection to it, on a network and a clock of their own: it is
// made in a bubble of synctest.
type town struct {
	t      *testing.T
	sim    *sifsim.Sim
	system hub.System
	log    bytes.Buffer
	errors []string // the texts of all errors that came out
}

func newTown(t *testing.T, o sifsim.Options, c sif.Config) *town {
	t.Helper()
	o.Clock, o.AuthKey, o.ClientID = time.Now, "nyckel", "knutpunkt"
	if o.Lag == 0 {
		o.Lag = time.Second
	}
	sim, err := sifsim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	tw := &town{t: t, sim: sim}
	c.URL, c.AuthKey, c.ClientID = "http://public360.example/SI.WS.Core/JSON", hub.NewSecret("nyckel"), "knutpunkt"
	tw.system = opened(t, env(serve(t, sim), slog.New(slog.NewTextHandler(&tw.log, nil))), c)
	return tw
}

func opened(t testing.TB, e hub.Env, c sif.Config) hub.System {
	t.Helper()
	system, err := sif.New.Open(t.Context(), e, func(into any) error { *into.(*sif.Config) = c; return nil })
	if err != nil {
		t.Fatal(err)
	}
	return system
}

// answering gives a system that answers everything with what said is then.
func answering(t testing.TB, said *string) hub.System {
	t.Helper()
	client := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		io.Copy(io.Discard, r.Body)
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(*said)), Request: r}, nil
	})}
	return opened(t, env(client, slog.New(slog.DiscardHandler)),
		sif.Config{URL: "http://public360.example", AuthKey: hub.NewSecret("nyckel")})
}

func env(client *http.Client, log *slog.Logger) hub.Env {
	return hub.Env{ID: "karlskrona.diarium", HTTP: client, Reads: client, Log: log, Clock: time.Now}
}

// serve gives a client of a server that is reached through memory, so that a bubble's clock moves
// on when all wait.
func serve(t *testing.T, handler http.Handler) *http.Client {
	network := &memory{conns: make(chan net.Conn)}
	server := &http.Server{Handler: handler, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	go server.Serve(network)
	transport := &http.Transport{DialContext: network.dial}
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

// caseDelivery is a first form with two attachments of one name.
func caseDelivery(key string) hub.Delivery {
	return hub.Delivery{
		Key: hub.Key(key), Operation: "case", Document: hub.NewDocument("application/json", []byte(caseDocument)),
		Files: []hub.File{
			aFile("Ritning.pdf", "application/pdf", "%PDF fasad"), aFile("Ritning.pdf", "application/pdf", "%PDF plan"),
			printed(aFile("formulär", "application/octet-stream", "<FlowInstance/>")),
		},
	}
}

func completion(key, caseNumber string) hub.Delivery {
	return hub.Delivery{
		Key: hub.Key(key), Operation: "document",
		Document: hub.NewDocument("application/json", fmt.Appendf(nil, documentDocument, caseNumber)),
		Files:    []hub.File{printed(aFile("formulär.xml", "application/xml", "<FlowInstance n='2'/>"))},
	}
}

func aFile(name, mediaType, content string) hub.File {
	return hub.File{
		Attachment: hub.Attachment{Name: name, Type: mediaType, Size: int64(len(content)),
			Blob: hub.Blob{ID: name, Size: int64(len(content)), SHA256: sha256.Sum256([]byte(content))}},
		Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(content)), nil },
	}
}

func printed(f hub.File) hub.File {
	f.Print = true
	return f
}

// deliver makes one attempt, with the patience that the hub has.
func (tw *town) deliver(d hub.Delivery) (hub.Receipt, error) {
	ctx, cancel := context.WithTimeout(tw.t.Context(), time.Minute)
	defer cancel()
	r, err := tw.system.Destination.Deliver(ctx, d)
	tw.note(err)
	return r, err
}

func (tw *town) find(d hub.Delivery) (hub.Receipt, error) {
	r, err := tw.system.Destination.Find(tw.t.Context(), d)
	tw.note(err)
	return r, err
}

func (tw *town) note(err error) {
	if err != nil {
		tw.errors = append(tw.errors, err.Error())
	}
}

// settle does what the hub does: after a don't know it asks, after the lag and twice, before it sends
// again. It gives the receipt, or why a person must look.
func (tw *town) settle(d hub.Delivery) (hub.Receipt, string) {
	lag := tw.system.Can.Of(d.Operation).Lag
	for range 10 {
		r, err := tw.deliver(d)
		switch a, _, _ := hub.AnswerOf(r, err); a {
		case hub.Yes:
			return r, ""
		case hub.No:
			return hub.Receipt{}, "refused"
		case hub.NotNow:
			time.Sleep(time.Second)
			continue
		}
		for misses := 0; misses < 2; {
			time.Sleep(lag)
			r, err := tw.find(d)
			switch {
			case err == nil:
				return r, ""
			case errors.Is(err, hub.ErrCannotTell):
				return hub.Receipt{}, "unclear"
			case errors.Is(err, hub.ErrNotFound):
				misses++
			}
		}
	}
	return hub.Receipt{}, "gave up"
}

// wantOnce demands that each part of d has been made exactly once.
func (tw *town) wantOnce(d hub.Delivery, cases int) {
	tw.t.Helper()
	want := sifsim.Count{Cases: cases, Documents: 1, Files: map[string]int{}}
	for _, f := range d.Files {
		want.Files[hex.EncodeToString(f.Blob.SHA256[:])] = 1
	}
	if diff := cmp.Diff(want, tw.sim.Count(string(d.Key))); diff != "" {
		tw.t.Errorf("what was made (-want +got):\n%s", diff)
	}
}

// wantNoCanary demands that no person stands in anything that was written or said.
func (tw *town) wantNoCanary() {
	tw.t.Helper()
	said := strings.Join(append(tw.errors, tw.log.String()), "\n")
	for _, canary := range []string{"199001012385", "9001012385", "Alva", "Exempelsson", "Provgatan", "nyckel"} {
		if strings.Contains(said, canary) {
			tw.t.Errorf("%q is said:\n%s", canary, said)
		}
	}
}

func TestDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tw := newTown(t, sifsim.Options{Prefix: "SBN"}, sif.Config{})
		d := caseDelivery("01JH-diarium")
		r, err := tw.deliver(d)
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("SBN %d/00001", time.Now().Year()); r.Number != want || len(r.Parts) != 3 || r.Parts[2].Ref != want+"-1" {
			t.Errorf("receipt %+v, want the number %s and three parts in its first document", r, want)
		}
		tw.wantOnce(d, 1)
		time.Sleep(time.Minute)
		again, err := tw.deliver(d)
		if err != nil || again.Number != r.Number {
			t.Errorf("again: %v, %v; want %s", again, err, r.Number)
		}
		tw.wantOnce(d, 1)
		if found, err := tw.find(d); err != nil || found.Number != r.Number || !cmp.Equal(found.Parts, r.Parts) {
			t.Errorf("found %+v, %v; want %+v", found, err, r)
		}
		later := completion("01JJ-komplettering", r.Number)
		if _, err := tw.find(later); !errors.Is(err, hub.ErrNotFound) {
			t.Errorf("find before it was sent: %v, want %v", err, hub.ErrNotFound)
		}
		if got, err := tw.deliver(later); err != nil || got.Number != r.Number || got.Parts[0].Ref != r.Number+"-2" {
			t.Errorf("completion: %+v, %v; want a second document in %s", got, err, r.Number)
		}
		tw.wantOnce(later, 0)
	})
}

// TestFaults delivers through every fault, at every call that makes something, and counts.
func TestFaults(t *testing.T) {
	const createCase, createDocument = "CaseService/CreateCase", "DocumentService/CreateDocument"
	tests := []struct {
		way    sifsim.Way
		answer hub.Answer // to the attempt that it strikes, at a create
		cause  hub.Cause
		end    string // "" where a receipt comes in the end
		why    string
	}{
		{sifsim.Refuse, hub.No, "", "refused", "status 200 can be a refusal"},
		{sifsim.RefuseSuccessful, hub.No, "", "refused", "an error text is a refusal, whatever Successful says"},
		{sifsim.Blank, hub.DontKnow, hub.ContractBroken, "", "no refusal and no id says nothing"},
		{sifsim.Lost, hub.DontKnow, "", "", "a lost answer must not make a second case"},
		{sifsim.FailBefore, hub.DontKnow, "", "", "nobody knows what a 500 has done"},
		{sifsim.FailAfter, hub.DontKnow, "", "", "nobody knows what a 500 has done"},
		{sifsim.Hang, hub.DontKnow, "", "", "it may have been taken"},
		{sifsim.Trickle, hub.DontKnow, hub.ContractBroken, "", "an answer that never ends is none"},
		{sifsim.Truncated, hub.DontKnow, hub.ContractBroken, "", "half an answer is none"},
		{sifsim.LoginPage, hub.DontKnow, hub.ContractBroken, "", "a login page is no receipt"},
		{sifsim.Redirect, hub.DontKnow, hub.AddressChanged, "", "a 303 is often the answer to what was stored"},
	}
	for _, test := range tests {
		for _, at := range []string{createCase, createDocument, "completion"} {
			t.Run(string(test.way)+" at "+at, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					tw := newTown(t, sifsim.Options{}, sif.Config{})
					d, cases, strikes := caseDelivery("01JH-diarium"), 1, at
					if at == "completion" {
						first, _ := tw.settle(caseDelivery("01JG-diarium"))
						d, cases, strikes = completion("01JH-komplettering", first.Number), 0, createDocument
					}
					tw.sim.Fail(sifsim.Fault{Way: test.way, At: strikes})
					r, err := tw.deliver(d)
					if a, _, cause := hub.AnswerOf(r, err); a != test.answer || cause != test.cause {
						t.Errorf("the answer is %s (%s), want %s (%s): %s; %v", a, cause, test.answer, test.cause, test.why, err)
					}
					tw.sim.Heal()
					tw.sim.Fail(sifsim.Fault{Way: test.way, At: strikes})
					time.Sleep(2 * time.Second)
					if _, end := tw.settle(d); end != "" {
						if end != test.end {
							t.Errorf("it ends %q, want %q: %s", end, test.end, test.why)
						}
						tw.sim.Heal() // and a person lets it go on
						tw.settle(d)
					}
					tw.wantOnce(d, cases)
					tw.wantNoCanary()
				})
			})
		}
	}
}

// TestNotNow covers what fails before anything has been made.
func TestNotNow(t *testing.T) {
	const person, getCases = "ContactService/SynchronizePrivatePerson", "CaseService/GetCases"
	tests := []struct {
		way   sifsim.Way
		cause hub.Cause
	}{
		{sifsim.Unauthorized, hub.Credentials}, {sifsim.NotFound, hub.AddressChanged}, {sifsim.Busy, hub.Busy},
		{sifsim.Redirect, hub.AddressChanged}, {sifsim.LoginPage, hub.ContractBroken}, {sifsim.Truncated, hub.ContractBroken},
		{sifsim.FailBefore, ""}, {sifsim.FailAfter, ""}, {sifsim.Lost, ""}, {sifsim.Hang, ""},
	}
	for _, test := range tests {
		for _, at := range []string{person, getCases} {
			t.Run(string(test.way)+" at "+at, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					tw := newTown(t, sifsim.Options{}, sif.Config{})
					tw.sim.Fail(sifsim.Fault{Way: test.way, At: at})
					d := caseDelivery("01JH-diarium")
					r, err := tw.deliver(d)
					if a, _, cause := hub.AnswerOf(r, err); a != hub.NotNow || cause != test.cause {
						t.Errorf("the answer is %s (%s), want not-now (%s): %v", a, cause, test.cause, err)
					}
					if _, wait, _ := hub.AnswerOf(r, err); test.way == sifsim.Busy && wait != 7*time.Second {
						t.Errorf("wait %s, want the 7s that were asked for", wait)
					}
					if n := tw.sim.Count(string(d.Key)).Cases; n != 0 {
						t.Errorf("%d cases were made", n)
					}
					if _, end := tw.settle(d); end != "" {
						t.Errorf("it ends %q", end)
					}
					tw.wantOnce(d, 1)
					tw.wantNoCanary()
				})
			})
		}
	}
}

func TestNotNowAfterTheCase(t *testing.T) {
	for _, way := range []sifsim.Way{sifsim.Unauthorized, sifsim.NotFound, sifsim.Busy} {
		t.Run(string(way), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tw := newTown(t, sifsim.Options{Lag: 4 * time.Second}, sif.Config{Lag: 5 * time.Second})
				tw.sim.Fail(sifsim.Fault{Way: way, At: "DocumentService/CreateDocument"})
				d := caseDelivery("01JH-diarium")
				r, err := tw.deliver(d)
				if a, _, _ := hub.AnswerOf(r, err); a != hub.DontKnow {
					t.Errorf("the answer is %s, want dont-know: the case that was made cannot be seen yet; %v", a, err)
				}
				if _, err := tw.find(d); !errors.Is(err, hub.ErrNotFound) {
					t.Errorf("find: %v, want %v: a case without its document is not whole", err, hub.ErrNotFound)
				}
				time.Sleep(5 * time.Second)
				tw.settle(d)
				tw.wantOnce(d, 1)
			})
		})
	}
}

// TestRefusedConnection: what never left us is certainly not taken.
func TestRefusedConnection(t *testing.T) {
	nobody := &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
		return nil, hub.Unavailable(errors.New("nothing was sent"), hub.Down) // as the one door out says it
	})}
	system := opened(t, env(nobody, nil), sif.Config{URL: "http://public360.example", AuthKey: hub.NewSecret("nyckel")})
	_, err := system.Destination.Deliver(t.Context(), caseDelivery("01JH-diarium"))
	if a, _, cause := hub.AnswerOf(hub.Receipt{}, err); a != hub.NotNow || cause != hub.Down {
		t.Errorf("the answer is %s (%s), want not-now (down): %v", a, cause, err)
	}
	if strings.Contains(err.Error(), "public360.example") {
		t.Errorf("the error quotes the address: %v", err)
	}
}

func TestTwoHits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tw := newTown(t, sifsim.Options{}, sif.Config{})
		d := caseDelivery("01JH-diarium")
		tw.sim.Fail(sifsim.Fault{Way: sifsim.TwoHits, Always: true})
		r, err := tw.deliver(d)
		if a, _, _ := hub.AnswerOf(r, err); a != hub.DontKnow {
			t.Errorf("the answer is %s, want dont-know: nobody knows which case is the right one; %v", a, err)
		}
		if _, err := tw.find(d); !errors.Is(err, hub.ErrCannotTell) {
			t.Errorf("find: %v, want %v", err, hub.ErrCannotTell)
		}
		if n := tw.sim.Count(string(d.Key)).Cases; n != 0 {
			t.Errorf("%d cases were made", n)
		}
	})
}

func TestCrossedAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tw := newTown(t, sifsim.Options{}, sif.Config{})
		d := caseDelivery("01JH-diarium")
		tw.sim.Fail(sifsim.Fault{Way: sifsim.Crossed}, sifsim.Fault{Way: sifsim.Crossed})
		r, err := tw.deliver(d)
		if a, _, cause := hub.AnswerOf(r, err); a != hub.DontKnow || cause != hub.ContractBroken {
			t.Errorf("the answer is %s (%s), want dont-know (contract-broken): %v", a, cause, err)
		}
		if _, err := tw.find(d); err == nil || errors.Is(err, hub.ErrNotFound) || errors.Is(err, hub.ErrCannotTell) {
			t.Errorf("find: %v, want an error that is asked again", err)
		}
		tw.settle(d)
		tw.wantOnce(d, 1)
	})
}

// TestLag shows why a don't know waits: a Find at once does not see what was made.
func TestLag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tw := newTown(t, sifsim.Options{Lag: 3 * time.Second}, sif.Config{Lag: 3 * time.Second})
		d := caseDelivery("01JH-diarium")
		tw.sim.Fail(sifsim.Fault{Way: sifsim.Lost})
		tw.deliver(d)
		if _, err := tw.find(d); !errors.Is(err, hub.ErrNotFound) {
			t.Fatalf("find at once: %v", err)
		}
		if lag := tw.system.Can.Of("case").Lag; lag != 3*time.Second {
			t.Errorf("the lag of the operation is %s", lag)
		}
		time.Sleep(3 * time.Second)
		if _, end := tw.settle(d); end != "" {
			t.Errorf("it ends %q", end)
		}
		tw.wantOnce(d, 1)
	})
}

// TestLate: a case that shows late is waited for as long as the config says that it may take.
func TestLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tw := newTown(t, sifsim.Options{}, sif.Config{Lag: time.Minute})
		d := caseDelivery("01JH-diarium")
		tw.sim.Fail(sifsim.Fault{Way: sifsim.Late}, sifsim.Fault{Way: sifsim.Lost, At: "DocumentService/CreateDocument"})
		tw.deliver(d)
		if _, err := tw.find(d); !errors.Is(err, hub.ErrNotFound) {
			t.Fatalf("find at once: %v", err)
		}
		time.Sleep(tw.system.Can.Of("case").Lag)
		if _, end := tw.settle(d); end != "" {
			t.Errorf("it ends %q", end)
		}
		tw.wantOnce(d, 1)
	})
}

// TestBatches: large files go in calls of their own, and a call that is lost is not made again.
func TestBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tw := newTown(t, sifsim.Options{}, sif.Config{})
		d := caseDelivery("01JH-diarium")
		d.Files = nil
		for i := range 4 {
			d.Files = append(d.Files, largeFile(fmt.Sprintf("bilaga %d", i), 12<<20))
		}
		tw.sim.Fail(sifsim.Fault{Way: sifsim.Lost, At: "DocumentService/UpdateDocument"})
		r, end := tw.settle(d)
		if end != "" || len(r.Parts) != 4 {
			t.Errorf("it ends %q with %d parts", end, len(r.Parts))
		}
		tw.wantOnce(d, 1)
		updates := 0
		for _, e := range tw.sim.Ledger() {
			if e.Kind == sifsim.FilesEntry {
				updates++
			}
		}
		if updates != 3 {
			t.Errorf("%d calls added files to the document, want 3", updates)
		}
	})
}

// TestEighteenOfNineteen: when the call that carries the last file fails, whoever reads of it sees how
// far it came, and only that file goes again.
func TestEighteenOfNineteen(t *testing.T) {
	const update = "DocumentService/UpdateDocument"
	for _, way := range []sifsim.Way{
		sifsim.Lost, sifsim.Busy, sifsim.FailBefore, sifsim.FailAfter, sifsim.Truncated, sifsim.LoginPage, sifsim.Unauthorized, sifsim.Refuse,
	} {
		t.Run(string(way), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tw := newTown(t, sifsim.Options{}, sif.Config{})
				d := caseDelivery("01JH-diarium")
				d.Files = nil
				for n := range 18 {
					d.Files = append(d.Files, aFile(fmt.Sprintf("Ritning %d.pdf", n+1), "application/pdf", fmt.Sprint("%PDF ", n)))
				}
				d.Files = append(d.Files, largeFile("Film", 21<<20))
				tw.sim.Fail(sifsim.Fault{Way: way, At: update})
				r, err := tw.deliver(d)
				if a, _, _ := hub.AnswerOf(r, err); a == hub.Yes || a == hub.NotNow || (a == hub.No) != (way == sifsim.Refuse) {
					t.Errorf("the answer is %s: %v", a, err)
				}
				if !strings.HasPrefix(err.Error(), "18 of 19 files are there: "+update) {
					t.Errorf("the error says %q", err)
				}
				time.Sleep(2 * time.Second)
				r, end := tw.settle(d)
				if end != "" || len(r.Parts) != 19 {
					t.Errorf("it ends %q, with %d parts", end, len(r.Parts))
				}
				for i, part := range r.Parts {
					if part.SHA256 != hex.EncodeToString(d.Files[i].Blob.SHA256[:]) || part.Ref != r.Number+"-1" {
						t.Errorf("part %d is %+v", i+1, part)
					}
				}
				tw.wantOnce(d, 1)
				tw.wantSent(18, 1)
			})
		})
	}
}

// wantSent demands how many files the system took, call by call.
func (tw *town) wantSent(want ...int) {
	tw.t.Helper()
	var got []int
	for _, e := range tw.sim.Ledger() {
		if e.Kind == sifsim.DocumentEntry || e.Kind == sifsim.FilesEntry {
			got = append(got, len(e.Files))
		}
	}
	if !slices.Equal(got, want) {
		tw.t.Errorf("the calls brought %v files, want %v", got, want)
	}
}

// largeFile is a file that is made while it is read.
func largeFile(name string, size int64) hub.File {
	block := make([]byte, 1<<16)
	copy(block, name)
	open := func() io.Reader {
		return io.LimitReader(&repeated{block: block}, size)
	}
	sum := sha256.New()
	io.Copy(sum, open())
	f := aFile(name, "application/pdf", "")
	f.Size, f.Blob.Size, f.Blob.SHA256 = size, size, [32]byte(sum.Sum(nil))
	f.Open = func(context.Context) (io.ReadCloser, error) { return io.NopCloser(open()), nil }
	return f
}

type repeated struct {
	block []byte
	at    int
}

func (r *repeated) Read(p []byte) (int, error) {
	n := copy(p, r.block[r.at:])
	r.at = (r.at + n) % len(r.block)
	return n, nil
}

// TestFlatMemory sends a file of 100 MiB, and neither side may hold more than a little of it.
func TestFlatMemory(t *testing.T) {
	sim, err := sifsim.New(sifsim.Options{Clock: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sim)
	defer server.Close()
	system := opened(t, env(server.Client(), slog.New(slog.DiscardHandler)), sif.Config{URL: server.URL, AuthKey: hub.NewSecret("nyckel")})
	d := caseDelivery("01JH-diarium")
	d.Files = append(d.Files, largeFile("Film", 100<<20))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := system.Destination.Deliver(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if used := (after.TotalAlloc - before.TotalAlloc) >> 20; used > 8 {
		t.Errorf("%d MiB were allocated in all for a file of 100 MiB", used)
	}
}

func TestFileThatCannotBeRead(t *testing.T) {
	broken := map[string]func(context.Context) (io.ReadCloser, error){
		"gone":      func(context.Context) (io.ReadCloser, error) { return nil, errors.New("/secret/path Alva") },
		"too short": func(context.Context) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("%P")), nil },
		"too long": func(context.Context) (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader("%PDF fasad och mer")), nil
		},
	}
	for name, open := range broken {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tw := newTown(t, sifsim.Options{}, sif.Config{})
				d := caseDelivery("01JH-diarium")
				whole := d.Files[0].Open
				d.Files[0].Open = open
				r, err := tw.deliver(d)
				if a, _, _ := hub.AnswerOf(r, err); a != hub.DontKnow {
					t.Errorf("the answer is %s, want dont-know: %v", a, err)
				}
				if n := tw.sim.Count(string(d.Key)).Documents; n != 0 {
					t.Errorf("%d documents were made of a file that is not whole", n)
				}
				d.Files[0].Open = whole
				time.Sleep(time.Minute)
				tw.settle(d)
				tw.wantOnce(d, 1)
				tw.wantNoCanary()
			})
		})
	}
}

// TestRestart: the simulator remembers over a restart what a delivery needs to resume.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		tw := newTown(t, sifsim.Options{Dir: dir, Pace: []time.Duration{time.Minute}}, sif.Config{})
		d := caseDelivery("01JH-diarium")
		tw.sim.Fail(sifsim.Fault{Way: sifsim.Lost, At: "DocumentService/CreateDocument"})
		tw.deliver(d)
		tw.sim.Close()
		time.Sleep(2 * time.Minute)
		again := newTown(t, sifsim.Options{Dir: dir, Pace: []time.Duration{time.Minute}}, sif.Config{})
		if _, err := again.find(d); err != nil {
			t.Errorf("find after the restart: %v", err)
		}
		again.settle(d)
		again.wantOnce(d, 1)
		reports, _, err := again.system.Tracker.Changes(t.Context(), "")
		if err != nil || len(reports) != 1 || reports[0].Word != "Tilldelat för handläggning" {
			t.Errorf("reports %+v, %v; want the word that came while it was down", reports, err)
		}
		again.sim.Close()
	})
}

func TestChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pace := []time.Duration{time.Hour, 2 * time.Hour, 3 * time.Hour}
		tw := newTown(t, sifsim.Options{Pace: pace}, sif.Config{})
		numbers := map[string]bool{}
		for i := range 205 { // three pages
			d := caseDelivery(fmt.Sprintf("01JH%03d-diarium", i))
			d.Files = d.Files[2:]
			r, err := tw.deliver(d)
			if err != nil {
				t.Fatal(err)
			}
			numbers[r.Number] = true
		}
		var cursor hub.Cursor
		heard := map[string]string{} // word by case
		ids := map[string]bool{}
		for range 8 {
			reports, next, err := tw.system.Tracker.Changes(t.Context(), cursor)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range reports {
				if !ids[r.ID] {
					ids[r.ID], heard[r.Ref] = true, r.Word
				}
				if !numbers[r.Ref] {
					t.Fatalf("a report about %s, which is none of ours", r.Ref)
				}
			}
			cursor = next
			time.Sleep(30 * time.Minute)
		}
		if len(heard) != 205 || len(ids) != 4*205 {
			t.Errorf("%d cases and %d changes were heard, want 205 and 820", len(heard), len(ids))
		}
		for number, word := range heard {
			if word != "Beslutat" {
				t.Errorf("the last word of %s is %s", number, word)
			}
		}
		reports, next, err := tw.system.Tracker.Changes(t.Context(), cursor)
		if err != nil || next != cursor || len(reports) != 205 && len(reports) != 0 {
			t.Errorf("nothing new: %d reports, cursor moved: %v, %v", len(reports), next != cursor, err)
		}
	})
}

// TestAChangeOfTheFarFuture: one case with a mistyped year is not to be the last that is
// ever heard of.
func TestAChangeOfTheFarFuture(t *testing.T) {
	answer := `{"Successful":true,"TotalCount":1,"TotalPageCount":1,"Cases":[{"Recno":1,"CaseNumber":"BUN 2026/00001",
		"ExternalId":{"Id":"01JH-diarium","Type":"KNUTPUNKT"},"LastChangedDate":"9999-12-31T23:59:59","Status":"Beslutat"}]}`
	system := answering(t, &answer)
	const cursor = "2026-01-15T07:41:10.000Z"
	reports, next, err := system.Tracker.Changes(t.Context(), cursor)
	if err != nil || len(reports) != 1 || next != cursor {
		t.Errorf("%d reports, cursor %s, %v; want one, heard, and the cursor as it was", len(reports), next, err)
	}
}

func TestChangesThatFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tw := newTown(t, sifsim.Options{}, sif.Config{})
		for _, way := range []sifsim.Way{sifsim.Truncated, sifsim.LoginPage, sifsim.FailAfter, sifsim.Lost, sifsim.Busy} {
			tw.sim.Fail(sifsim.Fault{Way: way, At: "CaseService/GetCases"})
			reports, cursor, err := tw.system.Tracker.Changes(t.Context(), "2026-01-15T07:00:00.000Z")
			if err == nil || len(reports) != 0 || cursor != "2026-01-15T07:00:00.000Z" {
				t.Errorf("%s: %d reports, cursor %s, %v; want an error and the same cursor", way, len(reports), cursor, err)
			}
		}
		if _, _, err := tw.system.Tracker.Changes(t.Context(), "igår"); err == nil {
			t.Error("a cursor that is none of ours is taken")
		}
	})
}

// TestOtherCases: what others register in the same diarium is none of the hub's.
func TestOtherCases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tw := newTown(t, sifsim.Options{}, sif.Config{ExternalType: "ANNAT"})
		tw.deliver(caseDelivery("01JH-diarium"))
		tw.system = opened(t, env(serve(t, tw.sim), slog.New(slog.DiscardHandler)), sif.Config{
			URL: "http://public360.example", AuthKey: hub.NewSecret("nyckel"), ClientID: "knutpunkt", ClientIDIn: "header"})
		time.Sleep(time.Minute)
		if reports, _, err := tw.system.Tracker.Changes(t.Context(), ""); err != nil || len(reports) != 0 {
			t.Errorf("%d reports, %v", len(reports), err)
		}
	})
}

func TestDocumentsThatAreNone(t *testing.T) {
	tests := []struct{ name, operation, document, why string }{
		{"no JSON", "case", `<Arende/>`, "another system's document"},
		{"a field of its own", "case", `{"case":{"Title":"x"},"extra":1}`, "nothing is passed over"},
		{"no case", "case", `{"document":{"Title":"x"}}`, "there is nothing to make"},
		{"case with number", "case", `{"case":{"Title":"x"},"document":{"CaseNumber":"BUN 2026/00001"}}`, "which case is meant?"},
		{"no number", "document", `{"document":{"Title":"x"}}`, "there is no case to put it in"},
		{"contact of both kinds", "case", `{"contacts":[{"ref":"a","person":{},"enterprise":{}}],"case":{"Title":"x"},"document":{}}`, "which is it?"},
		{"unknown contact", "case", `{"case":{"Title":"x","Contacts":[{"ReferenceNumber":"ref:Alva"}]},"document":{}}`, "nobody is called so"},
		{"operation", "remiss", caseDocument, "it is certified for nothing else"},
		{"files without document", "case", `{"case":{"Title":"x"}}`, "a file would be lost"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tw := newTown(t, sifsim.Options{}, sif.Config{})
				d := caseDelivery("01JH-diarium")
				d.Operation, d.Document = test.operation, hub.NewDocument("application/json", []byte(test.document))
				r, err := tw.deliver(d)
				if a, _, _ := hub.AnswerOf(r, err); a != hub.No {
					t.Errorf("the answer is %s, want no: %s; %v", a, test.why, err)
				}
				if n := len(tw.sim.Ledger()); n != 0 {
					t.Errorf("%d entries were made", n)
				}
				tw.wantNoCanary()
			})
		})
	}
}

// TestCaseAlone: a case without files, and one without a document, are recognised too.
func TestCaseAlone(t *testing.T) {
	for name, document := range map[string]string{
		"no document": `{"case":{"Title":"Anmälan"}}`,
		"no files":    `{"case":{"Title":"Anmälan"},"document":{"Title":"Anmälan"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tw := newTown(t, sifsim.Options{}, sif.Config{})
				d := hub.Delivery{Key: "01JH-diarium", Operation: "case", Document: hub.NewDocument("application/json", []byte(document))}
				tw.sim.Fail(sifsim.Fault{Way: sifsim.Lost}, sifsim.Fault{Way: sifsim.Lost, At: "DocumentService/CreateDocument"})
				if _, end := tw.settle(d); end != "" {
					t.Errorf("it ends %q", end)
				}
				kinds := map[sifsim.Kind]int{}
				for _, e := range tw.sim.Ledger() {
					kinds[e.Kind]++
				}
				if kinds[sifsim.CaseEntry] != 1 || kinds[sifsim.DocumentEntry] > 1 {
					t.Errorf("made %v", kinds)
				}
			})
		})
	}
}

func TestManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tw := newTown(t, sifsim.Options{}, sif.Config{})
		for range 6 {
			tw.sim.Fail(sifsim.Fault{Way: sifsim.Lost}, sifsim.Fault{Way: sifsim.Lost, At: "DocumentService/CreateDocument"})
		}
		var all sync.WaitGroup
		for i := range 20 {
			one := &town{t: t, sim: tw.sim, system: tw.system}
			all.Go(func() { one.settle(caseDelivery(fmt.Sprintf("01JH%02d-diarium", i))) })
		}
		all.Wait()
		for i := range 20 {
			tw.wantOnce(caseDelivery(fmt.Sprintf("01JH%02d-diarium", i)), 1)
		}
	})
}

func TestConfig(t *testing.T) {
	good := sif.Config{URL: "https://public360.example/SI.WS.Core/JSON", AuthKey: hub.NewSecret("nyckel")}
	tests := []struct {
		name   string
		change func(*sif.Config)
		says   string
	}{
		{"as it should be", func(*sif.Config) {}, ""},
		{"no address", func(c *sif.Config) { c.URL = "public360.example" }, "url"},
		{"address with query", func(c *sif.Config) { c.URL += "?authkey=x" }, "url"},
		{"no key", func(c *sif.Config) { c.AuthKey = hub.Secret{} }, "authkey"},
		{"client id nowhere", func(c *sif.Config) { c.ClientIDIn = "body" }, "client-id-in"},
		{"eleven digits", func(c *sif.Config) { c.IDDigits = 11 }, "personal-id-digits"},
		{"negative lag", func(c *sif.Config) { c.Lag = -1 }, "lag"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := good
			test.change(&c)
			_, err := sif.New.Open(t.Context(), hub.Env{}, func(into any) error { *into.(*sif.Config) = c; return nil })
			if (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("open: %v, want it to say %q", err, test.says)
			}
		})
	}
	for _, f := range sif.New.Fields {
		if f.Doc == "" {
			t.Errorf("the field %s is not explained", f.Name)
		}
	}
}

func TestTenDigits(t *testing.T) {
	var sent bytes.Buffer
	client := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		io.Copy(&sent, r.Body)
		return nil, io.EOF
	})}
	system := opened(t, env(client, nil), sif.Config{URL: "http://public360.example", AuthKey: hub.NewSecret("nyckel"), IDDigits: 10})
	system.Destination.Deliver(t.Context(), caseDelivery("01JH-diarium"))
	if !strings.Contains(sent.String(), `"PersonalIdNumber":"9001012385"`) {
		t.Errorf("the number that was sent has not ten digits")
	}
}

// TestREADME holds the sample in the README against what systems.yaml may say.
func TestREADME(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, sample, found := strings.Cut(string(text), "```yaml\n")
	sample, _, _ = strings.Cut(sample, "```")
	if !found || !strings.Contains(sample, "connector: sif") {
		t.Fatal("there is no sample of systems.yaml")
	}
	known := []string{"connector", "words", "tls", "pace", "window"}
	for _, f := range sif.New.Fields {
		known = append(known, f.Name)
	}
	for _, m := range regexp.MustCompile(`(?m)^  ([a-z-]+):`).FindAllStringSubmatch(sample, -1) {
		if !slices.Contains(known, m[1]) {
			t.Errorf("the sample has the field %s, which is none", m[1])
		}
	}
}

func FuzzReply(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `null`, `[]`, `{"Successful":true}`, `{"Successful":true,"Recno":1,"CaseNumber":"BUN 2026/00001","DocumentNumber":"BUN 2026/00001-1"}`,
		`{"Successful":false,"ErrorMessage":"SI.Biz.Core.ServiceFramework.BizException: Title is required <operation>CreateCase</operation>"}`,
		`{"Successful":true,"ErrorMessage":"\n","Recno":0}`, `{"Successful":true,"Cases":[],"TotalCount":0,"TotalPageCount":0}`,
		`{"Successful":true,"Cases":[{"Recno":1,"CaseNumber":"BUN 2026/00001","ExternalId":{"Id":"01JH-diarium","Type":"KNUTPUNKT"},"LastChangedDate":"2026-01-15T07:41:10","Status":"Beslutat"}],"TotalCount":1,"TotalPageCount":1,"Recno":7,"Documents":[{"DocumentNumber":"a","CaseNumber":"BUN 2026/00001","Files":[{"Title":"Ansökan","Note":"01JH-diarium"}]}]}`,
		`<!DOCTYPE html>`, `{"Successful":true,"TotalPageCount":999999999,"Cases":[]}`, `{"Successful":"true","Recno":"1"}`,
	} {
		f.Add(seed)
	}
	answer := ""
	system := answering(f, &answer)
	f.Fuzz(func(t *testing.T, reply string) {
		answer = reply
		d := caseDelivery("01JH-diarium")
		if r, err := system.Destination.Deliver(t.Context(), d); err == nil && (r.Number == "" || !strings.Contains(reply, "CaseNumber")) {
			t.Errorf("the receipt %+v was made of an answer without a number", r)
		}
		if r, err := system.Destination.Find(t.Context(), d); err == nil && !strings.Contains(reply, "Note") {
			t.Errorf("found %+v in an answer without our key", r)
		}
		if _, cursor, err := system.Tracker.Changes(t.Context(), ""); err != nil && cursor != "" {
			t.Errorf("the cursor moved to %s over an error", cursor)
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestRefusalIsNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tw := newTown(t, sifsim.Options{}, sif.Config{})
		tw.sim.Fail(sifsim.Fault{Way: sifsim.Refuse})
		_, err := tw.deliver(caseDelivery("01JH-diarium"))
		for _, want := range []string{"CaseService/CreateCase", "BizException", "CaseType", "fingerprint "} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("the refusal is %q, and does not say %q", err, want)
			}
		}
		tw.wantNoCanary()
	})
}
