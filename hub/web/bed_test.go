package web_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/bus"
	"github.com/knutpunkt/knutpunkt/hub/seal"
	"github.com/knutpunkt/knutpunkt/hub/store/sqlite"
	"github.com/knutpunkt/knutpunkt/hub/web"
)

// Who calls in the tests. The tokens are canaries too: they must never be seen again.
const (
	portalToken = "portal-hemlighet-1"
	eslovToken  = "eslov-hemlighet-2"
	oepToken    = "oep-hemlighet-3"
	ghostToken  = "nobody-knows-me"
)

// canary is a personnummer out of Skatteverket's official test numbers.
const canary = "198810032386"

// A bed is a whole hub with both its listeners, on a database of its own.
type bed struct {
	dir      string
	keys     *seal.Keys
	log      *locked
	web      *web.Server
	hub      *hub.Hub
	store    hub.Store
	public   *httptest.Server
	operator *httptest.Server
	diarium  *diarium
	counter  hub.Counter         // of Karlskrona's own platform; nil where it cannot be asked
	teller   hub.Teller          // that platform; nil where it is not told
	importer hub.Importer        // Karlskrona's register of residents; nil where it is no such
	collects hub.Collector       // of where Karlskrona's forms lie; nil where they are posted
	closed   atomic.Bool         // the diarium is in its maintenance window
	words    map[string]hub.Step // the diarium's own
	stop     func()
	disk     atomic.Int64 // free bytes
	boots    int
	boot     string
	made     hub.Options // the hub
	shown    web.Options // and its face
	tune     func(*web.Options)
	shape    func(*hub.Bundle) // changes the configuration before it is used
	clock    func() time.Time
}

func newBed(t testing.TB) *bed {
	t.Helper()
	b := makeBed(t)
	b.start(t)
	return b
}

func makeBed(t testing.TB) *bed {
	t.Helper()
	b := &bed{dir: t.TempDir(), log: &locked{}, diarium: &diarium{}, tune: func(*web.Options) {}, clock: time.Now}
	b.shape = func(*hub.Bundle) {}
	b.words = map[string]hub.Step{"under handläggning": hub.UnderHandlaggning, "beslutat": hub.Beslutat}
	b.disk.Store(1 << 40)
	path := filepath.Join(b.dir, "keys.json")
	if err := seal.Init(path, "1080", "1285"); err != nil {
		t.Fatal(err)
	}
	var err error
	if b.keys, err = seal.Open("file:" + path); err != nil {
		t.Fatal(err)
	}
	return b
}

// start begins, or begins again on what is on disk.
func (b *bed) start(t testing.TB) {
	t.Helper()
	b.build(t)
	b.public = serve(t, b.web.Public(), b.web)
	b.operator = serve(t, b.web.Operator(http.NotFoundHandler()), b.web)
}

func (b *bed) build(t testing.TB) {
	t.Helper()
	b.boots++
	b.boot = "boot-" + string(rune('a'+b.boots))
	log := slog.New(slog.NewJSONHandler(b.log, nil))
	store, err := sqlite.Open(t.Context(), filepath.Join(b.dir, "knutpunkt.db"), b.keys, sqlite.Options{
		Boot: b.boot, Clock: b.clock, Log: log, File: 1 << 20, Submission: 2 << 20, LowWater: 1000,
		DiskFree: func() (int64, int64, error) { return b.disk.Load(), 1 << 40, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	b.store = &unreached{Store: store}
	wakes := bus.Memory(log)
	routes := bundle()
	b.shape(routes)
	b.made = hub.Options{
		Store: b.store, Bus: wakes, Bundle: routes, Boot: b.boot, Clock: b.clock,
		Jitter: func() float64 { return 0.5 }, Log: log, Systems: []hub.Opened{
			{ID: "karlskrona.portal", System: hub.System{Counter: b.counter, Teller: b.teller}},
			{ID: "karlskrona.post", System: hub.System{Teller: b.teller, Notifies: true}}, {
				ID: "karlskrona.diarium", System: hub.System{Destination: b.diarium},
				Closed: func(time.Time) bool { return b.closed.Load() }, Words: b.words, Reports: []hub.Secret{diariumOld, diariumNew},
			},
			{ID: "eslov.portal", Reports: []hub.Secret{eslovSigns}}, {ID: "shared.oep", System: hub.System{Source: lines{}}},
			{ID: "karlskrona.blankett", System: hub.System{Source: lines{}, Collector: b.collects}, Reports: []hub.Secret{formSigns}},
			{ID: "karlskrona.kir", System: hub.System{Importer: b.importer}},
			{ID: "shared.blankett", System: hub.System{Source: lines{}}, Reports: []hub.Secret{sharedSign}},
		},
	}
	b.hub = hub.New(b.made)
	if err := b.hub.Activate(t.Context(), routes); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { b.hub.Run(ctx) })
	b.stop = sync.OnceFunc(func() {
		b.web.EndStreams()
		if b.public != nil {
			b.public.Close()
			b.operator.Close()
		}
		cancel()
		running.Wait()
		wakes.Close()
		store.Close()
	})
	t.Cleanup(b.stop)
	o := web.Options{Hub: b.hub, Version: "test", Clients: clients(), People: people()}
	b.tune(&o)
	b.web, b.shown = web.New(o), o
}

func clients() []web.Client {
	return []web.Client{
		{Name: "portal", Municipalities: []hub.Municipality{"1080"}, Services: []string{"*"}, Secrets: secrets(portalToken)},
		{Name: "eslov", Municipalities: []hub.Municipality{"1285"}, Services: []string{"701"}, Secrets: secrets("old-one", eslovToken)},
		{
			Name: "oep", Municipalities: []hub.Municipality{"1080", "1285"}, Services: []string{"701", "702", "altan"},
			Secrets: secrets(oepToken), DerivedKey: true,
		},
	}
}

func people() []web.Operator {
	return []web.Operator{
		{Name: "registrator", Municipalities: []hub.Municipality{"1080"}, Secret: hub.NewSecret("hemlig-r")},
		{Name: "gruppledare", Municipalities: []hub.Municipality{"*"}, Secret: hub.NewSecret("hemlig-g")},
		{Name: "eslovare", Municipalities: []hub.Municipality{"1285"}, Secret: hub.NewSecret("hemlig-e")},
	}
}

// as is the header of an operator who says who she is.
func as(name, secret string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+secret))
}

var (
	registrator = as("registrator", "hemlig-r")
	gruppledare = as("gruppledare", "hemlig-g")
	eslovare    = as("eslovare", "hemlig-e")
)

func secrets(texts ...string) []hub.Secret {
	var all []hub.Secret
	for _, s := range texts {
		all = append(all, hub.NewSecret(s))
	}
	return all
}

func bundle() *hub.Bundle {
	return &hub.Bundle{
		Revision: "r1", Archive: []byte("r1"),
		Municipalities: map[hub.Municipality]hub.MunicipalityText{
			"1080": {Code: "1080", Name: "Karlskrona kommun", Folder: "karlskrona"},
			"1285": {Code: "1285", Name: "Eslövs kommun", Folder: "eslov"},
		},
		Routes: []*hub.Route{{
			Name: "altan", Municipality: "1080", Title: "Bygglov för <altan>", From: "karlskrona.portal", Service: "altan",
			Own: true, Protected: hub.Hold, Expect: map[hub.Step]hub.Term{hub.Beslutat: {N: 10, Unit: hub.Weeks}},
			Legs: []hub.Leg{{Name: "diarium", To: "karlskrona.diarium", Mapping: plain{}, Step: hub.Registrerat, Voice: true}},
		}},
	}
}

// plain renders every form as the same document.
type plain struct{}

func (plain) Operation() string { return "arende" }
func (plain) Render(hub.Known) (hub.Document, error) {
	return hub.NewDocument("text/plain", []byte("ett ärende")), nil
}

// A diarium gives a number to each delivery, or says what it is told to say.
type diarium struct {
	mu    sync.Mutex
	says  error
	taken int
}

func (d *diarium) say(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.says = err
}

func (d *diarium) Deliver(context.Context, hub.Delivery) (hub.Receipt, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.says != nil {
		return hub.Receipt{}, d.says
	}
	d.taken++
	return hub.Receipt{Number: "SBN 2026/" + string(rune('0'+d.taken))}, nil
}

func (d *diarium) Find(context.Context, hub.Delivery) (hub.Receipt, error) {
	return hub.Receipt{}, hub.ErrCannotTell
}

// lines is a platform's format of the tests: "<form municipality service id version>"
// and then anything. It holds all the ways in which a source can fail.
type lines struct{}

func (lines) Read(ctx context.Context, in hub.Incoming, b hub.Blobs) (hub.Submission, error) {
	head, err := bufio.NewReaderSize(in.Body, 64).ReadString('>')
	if err != nil {
		return hub.Submission{}, &hub.Malformed{Kind: "truncated", Detail: "XML: truncated at line 1"}
	}
	words := strings.Fields(strings.Trim(head, "<>"))
	if words[0] != "form" {
		return hub.Submission{}, &hub.Malformed{Kind: words[0], Detail: "XML: " + words[0] + " at line 1"}
	}
	for len(words) < 5 {
		words = append(words, "")
	}
	if words[1] == "-" {
		words[1] = ""
	}
	file, err := b.Put(ctx, strings.NewReader("en bilaga"))
	return hub.Submission{
		Municipality: hub.Municipality(words[1]), Service: words[2],
		Source:      hub.Ref{ID: words[3], Version: words[4]},
		Answers:     hub.NewAnswers(map[string]any{"namn": "Elin"}),
		Attachments: []hub.Attachment{{Name: "a.txt", Type: "text/plain", Size: file.Size, Blob: file}},
	}, err
}

func serve(t testing.TB, h http.Handler, s *web.Server) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	web.Harden(server.Config)
	server.Config.RegisterOnShutdown(s.EndStreams)
	server.Start()
	return server
}

// A locked buffer takes a log.
type locked struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// forget begins a log anew.
func (l *locked) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Reset()
}

// An answer is what came back, read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

// ask makes a call. Headers are written "Name: value"; one without a value is removed.
func ask(t testing.TB, server *httptest.Server, method, path, body string, headers ...string) answer {
	t.Helper()
	resp := open(t, server, method, path, body, headers...)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return answer{resp.StatusCode, resp.Header, string(text)}
}

func open(t testing.TB, server *httptest.Server, method, path, body string, headers ...string) *http.Response {
	t.Helper()
	var from io.Reader
	if body != "" {
		from = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, from)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ":")
		if value = strings.TrimSpace(value); value == "" {
			req.Header.Del(name)
		} else {
			req.Header.Add(name, value)
		}
	}
	resp, err := server.Client().Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return resp
}

func bearer(token string) string { return "Authorization: Bearer " + token }

const jsonBody = "Content-Type: application/json"

// form gives an envelope; each change is "name=JSON" and replaces or adds a member,
// or, without a value, leaves it out.
func form(id string, changes ...string) string {
	members := map[string]json.RawMessage{
		"municipality": json.RawMessage(`"1080"`), "service": json.RawMessage(`"altan"`),
		"source":    json.RawMessage(`{"system":"portal","id":"` + id + `","version":"1"}`),
		"applicant": json.RawMessage(`{"personalIdentityNumber":"` + canary + `"}`),
		"answers":   json.RawMessage(`{"fastighet":"Exemplet 4:12"}`),
	}
	for _, c := range changes {
		name, value, _ := strings.Cut(c, "=")
		if delete(members, name); value != "" {
			members[name] = json.RawMessage(value)
		}
	}
	text, err := json.Marshal(members)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// receipt is the body of a 202.
type receipt struct {
	ID, Case, Step string
	Received       time.Time
}

func (b *bed) submit(t testing.TB, id string, changes ...string) receipt {
	t.Helper()
	a := ask(t, b.public, "POST", "/v1/submissions", form(id, changes...), bearer(portalToken), jsonBody, "Idempotency-Key: key-"+id+"-000")
	if a.status != http.StatusAccepted {
		t.Fatalf("submit: %d %s", a.status, a.body)
	}
	var r receipt
	decode(t, a, &r)
	return r
}

func decode(t testing.TB, a answer, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), into); err != nil {
		t.Fatalf("answer %d is no such JSON: %s", a.status, a.body)
	}
}

// count gives how many submissions the hub has.
func (b *bed) count(t testing.TB) int {
	t.Helper()
	all, err := b.store.List(t.Context(), hub.AsHub(), hub.Filter{Limit: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// await waits for a status of a case, woken by the feed.
func (b *bed) await(t testing.TB, id string, step hub.Step) {
	t.Helper()
	watching, end := b.hub.WatchCase(hub.CaseID(id))
	defer end()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := b.store.Case(t.Context(), hub.AsHub(), hub.CaseID(id))
		if err != nil {
			t.Fatal(err)
		}
		if c.Step == step {
			return
		}
		select {
		case <-watching.Poked():
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatalf("%s never came to %s", id, step)
		}
	}
}

func slowly(o *web.Options) { o.Rate = 2 }
