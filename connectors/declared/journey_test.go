package declared_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/json"
	"github.com/knutpunkt/knutpunkt/connectors/rest"
	"github.com/knutpunkt/knutpunkt/connectors/rest/exercisesim"
	"github.com/knutpunkt/knutpunkt/connectors/soap"
	"github.com/knutpunkt/knutpunkt/connectors/soap/soapsim"
	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/config"
	"github.com/knutpunkt/knutpunkt/hub/seal"
	"github.com/knutpunkt/knutpunkt/hub/store/sqlite"
)

// A place is a municipality whose only business system is described by files alone.
type place struct {
	system, mapping, schema string // files
	handler                 http.Handler
	loses                   func()                         // the next answer to what makes a case
	decides                 func(number string)            // has the case come to an end
	took                    func() (cases int, key string) // what the system has
}

const theRoute = `
title: Felanmälan
from: { system: hemsidan, service: fel }
answers: services/fel.json
deliver:
  - to: verket
    mapping: verket/anmalan
    step: registrerat
    voice: true
protected: hold
keep: 1 år
decision: TN 2026-1
owner: gata@karlskrona.example
`

const theForm = `{"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "properties": {"vad": {"type": "string"}}}`

// street is a system with an HTTP interface that takes XML by an XSD and answers in JSON.
func street(t *testing.T) place {
	sim, err := exercisesim.New(exercisesim.Options{Clock: time.Now, Pace: []time.Duration{time.Minute, 3 * time.Minute}})
	if err != nil {
		t.Fatal(err)
	}
	return place{
		system: `
  connector: rest
  url: https://verket.example/api
  operations:
    report:
      path: /arenden
      level: lookup
      key: { document: /Felanmalan/Referens }
      receipt: { number: /nummer, echo: /referens }
      find: { path: "/arenden?referens={key}", list: /arenden, number: /nummer, echo: /referens }
  status: { path: "/arenden/{number}", word: /status, at: /andrad }
  words: { mottaget: registrerat, planerat: under-handlaggning, åtgärdat: beslutat }
`,
		mapping: `
operation: report
output: xml
schema: verket.xsd
document:
  Felanmalan:
    $attrs: { xmlns: "urn:felanmalan:1.0" }
    Referens: ${delivery.key}
    Inkommen: ${isodate(inkommen)}
    Kategori: GATA
    Plats: Ronnebygatan
    Beskrivning: ${answers.vad}
`,
		schema:  "../rest/exercisesim/felanmalan-1.0.xsd",
		handler: sim,
		loses: func() {
			sim.Feel(exercisesim.Forgets)
			time.AfterFunc(time.Second, func() { sim.Feel(exercisesim.Up) })
		},
		decides: func(string) {}, // by itself, in three minutes
		took: func() (int, string) {
			all := sim.Ledger()
			return len(all), all[0].Key
		},
	}
}

// environment is one that speaks SOAP.
func environment(t *testing.T) place {
	sim, err := soapsim.New(soapsim.Options{Clock: time.Now, Level: hub.Lookup, Lag: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return place{
		system: "\n  connector: soap\n  url: https://verket.example/Arende.svc" +
			strings.ReplaceAll(soapsim.Config(hub.Lookup), "\n", "\n  ") + "words: { klart: beslutat }\n",
		mapping: `
operation: case
output: xml
schema: verket.xsd
document:
  RegistreraArende:
    $attrs: { xmlns: "urn:exempel:arende" }
    Referens: ${delivery.key}
    Rubrik: ${answers.vad}
    Sokande: { Personnummer: "199001012385", Namn: Åsa }
`,
		schema:  "../soap/soapsim/arende-1.0.xsd",
		handler: sim,
		loses:   func() { sim.Fail(soapsim.Fault{Way: soapsim.Lost}) },
		decides: func(number string) { sim.Move(number, "Klart", time.Now()) },
		took: func() (int, string) {
			key := sim.Ledger()[0].Key
			return sim.Count(key).Cases, key
		},
	}
}

// TestBySystemsYAMLAlone sends a form to a system that no Go knows: the answer is lost, the case is found and
// not made again, and the citizen hears how it ends.
func TestBySystemsYAMLAlone(t *testing.T) {
	for name, make := range map[string]func(*testing.T) place{"REST": street, "SOAP": environment} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := make(t)
				lost := &losses{Handler: p.handler}
				p.handler = lost
				in := installed(t, p)
				p.loses()
				received := in.send(t)
				c := in.until(t, received, func(c hub.Case) bool { return c.Step == hub.Registrerat })
				cases, key := p.took()
				if d := c.Deliveries[0]; lost.n.Load() != 1 || cases != 1 || key != string(d.Key) || d.Receipt == nil || c.Ref != d.Receipt.Number {
					t.Errorf("%d answers were lost, there are %d cases under %s, and the citizen reads %q", lost.n.Load(), cases, key, c.Ref)
				}
				p.decides(c.Ref)
				in.until(t, received, func(c hub.Case) bool { return c.Step == hub.Beslutat })
			})
		})
	}
}

// losses counts the answers that are lost.
type losses struct {
	http.Handler
	n atomic.Int32
}

func (l *losses) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer func() {
		if lost := recover(); lost != nil {
			l.n.Add(1)
			panic(lost)
		}
	}()
	l.Handler.ServeHTTP(w, r)
}

// An installation is a hub with a Store of its own.
type installation struct {
	hub   *hub.Hub
	store *sqlite.Store
}

func installed(t *testing.T, p place) *installation {
	dir := t.TempDir()
	schema, err := os.ReadFile(p.schema)
	if err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{
		"routes/karlskrona/municipality.yaml": "code: \"1080\"\nname: Karlskrona kommun\n",
		"routes/karlskrona/systems.yaml":      "hemsidan:\n  connector: json\nverket:" + p.system,
		"routes/karlskrona/fel.yaml":          theRoute,
		"mappings/verket/anmalan.yaml":        p.mapping,
		"schemas/services/fel.json":           theForm,
		"schemas/verket.xsd":                  string(schema),
	} {
		file = filepath.Join(dir, file)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	archive, err := config.Read(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	bundle, err := config.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	return run(t, bundle, opened(t, dir, serve(t, p.handler)))
}

// opened opens what stands in systems.yaml.
func opened(t *testing.T, dir string, client *http.Client) (all []hub.Opened) {
	kinds := []hub.Connector{json.New, rest.New, soap.New}
	systems, err := config.Systems(dir, kinds)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range systems {
		for _, kind := range kinds {
			if kind.Name != s.Connector {
				continue
			}
			env := hub.Env{ID: s.ID, HTTP: client, Reads: client, Log: slog.New(slog.DiscardHandler), Clock: time.Now}
			system, err := kind.Open(t.Context(), env, s.Decode)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, hub.Opened{System: system, ID: s.ID, Words: s.Words, Poll: time.Minute})
		}
	}
	return all
}

func run(t *testing.T, bundle *hub.Bundle, systems []hub.Opened) *installation {
	dir := t.TempDir()
	if err := seal.Init(filepath.Join(dir, "keys.json"), "1080"); err != nil {
		t.Fatal(err)
	}
	keys, err := seal.Open("file:" + filepath.Join(dir, "keys.json"))
	if err != nil {
		t.Fatal(err)
	}
	store, err := sqlite.Open(context.Background(), filepath.Join(dir, "k.db"), keys, sqlite.Options{
		Boot: "boot", Clock: time.Now, DiskFree: func() (int64, int64, error) { return 1 << 40, 1 << 41, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	h := hub.New(hub.Options{
		Store: store, Bus: silence{}, Bundle: bundle, Boot: "boot", Clock: time.Now, Systems: systems,
		Jitter: func() float64 { return 0.5 }, Log: slog.New(slog.DiscardHandler), Sweep: 5 * time.Second, Book: 24 * time.Hour,
	})
	if err := h.Activate(context.Background(), bundle); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { h.Run(ctx); close(done) }()
	t.Cleanup(func() {
		cancel()
		<-done
		store.Close()
	})
	return &installation{h, store}
}

// silence is a Bus that never wakes anybody: whoever waits looks for herself.
type silence struct{}

func (silence) Wake(context.Context, hub.Wake) {}
func (silence) Wakes(context.Context) (<-chan hub.Wake, error) {
	return make(chan hub.Wake), nil
}
func (silence) Close() error { return nil }

func (in *installation) send(t *testing.T) hub.Received {
	intake, err := in.store.Intake(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer intake.Close()
	original, err := intake.Put(t.Context(), strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := in.hub.Receive(t.Context(), hub.Arrival{Client: "hemsidan", Intake: intake, Submission: hub.Submission{
		Municipality: "1080", Service: "fel", Source: hub.Ref{System: "karlskrona.hemsidan", ID: "1", Version: "1"},
		Answers: hub.NewAnswers(map[string]any{"vad": "Hål i gatan"}), Original: original,
	}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// until lets time pass until the case is as wanted, or a day is over.
func (in *installation) until(t *testing.T, r hub.Received, ok func(hub.Case) bool) (c hub.Case) {
	for begun := time.Now(); time.Since(begun) < 24*time.Hour; time.Sleep(time.Second) {
		var err error
		if c, err = in.store.CaseOf(t.Context(), hub.AsHub(), r.Submission.ID); err != nil {
			t.Fatal(err)
		}
		if ok(c) {
			return c
		}
	}
	t.Fatalf("the case is %s, and its progress %+v", c.Step, c.Find(hub.Key(r.Submission.ID)))
	return c
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
