package verbs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors"
	"github.com/knutpunkt/knutpunkt/connectors/navet/navetsim"
	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/config"
	"github.com/knutpunkt/knutpunkt/hub/seal"
)

// A site is a hub of the chaos build in a municipality that has a system of each level,
// and what the hub is told and what it did.
type site struct {
	*testing.T
	dir    string
	base   int
	desk   *desk
	navet  *navetsim.Sim
	secret string

	mu     sync.Mutex
	offset time.Duration // what the hub's clock shows too much
}

// chaosBinary builds the chaos build, once.
var chaosBinary = sync.OnceValues(func() (string, error) {
	path := filepath.Join(filepath.Dir(binary), "knutpunkt-chaos-build")
	out, err := exec.Command("go", "build", "-tags", "chaos", "-o", path, "..").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("build: %w\n%s", err, out)
	}
	return path, err
})

// newSite makes a configuration and starts what surrounds the hub. The folder may be
// one that is there, such as a small disk.
func newSite(t *testing.T, dir ...string) *site {
	t.Helper()
	s := &site{T: t, base: freePorts(t), desk: newDesk(), secret: "the-secret-of-the-portal"}
	if s.dir = t.TempDir(); len(dir) > 0 {
		s.dir = dir[0]
	}
	server := httptest.NewServer(s.desk)
	t.Cleanup(server.Close)
	s.write("secrets/portal", s.secret)
	s.write("secrets/desk", "the-secret-of-the-desk")
	navet := s.startNavet()
	for name, text := range siteFiles {
		s.write(name, strings.NewReplacer(
			"DESK", server.URL, "NAVET", navet,
			"LISTEN", fmt.Sprintf("127.0.0.1:%d", s.base), "OPERATOR", fmt.Sprintf("127.0.0.1:%d", s.base+1),
		).Replace(text))
	}
	for _, folder := range []string{"in", "done", "box"} {
		if err := os.MkdirAll(filepath.Join(s.dir, "bygg", folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := seal.Init(filepath.Join(s.dir, "secrets", "keys.json"), "1080"); err != nil {
		t.Fatal(err)
	}
	s.certify(map[hub.SystemID]hub.Level{"karlskrona.kept": hub.Idempotent, "karlskrona.asked": hub.Lookup})
	return s
}

// certify writes what the vendor's test systems would have proved.
func (s *site) certify(levels map[hub.SystemID]hub.Level) {
	systems, err := config.Systems(s.dir, connectors.All)
	if err != nil {
		s.Fatal(err)
	}
	for _, system := range systems {
		if levels[system.ID] == "" {
			continue
		}
		text, err := hub.Certificate{
			Connector: system.Connector, System: system.ID, Entry: system.Entry, Against: hub.TestSystem, Kit: 1,
			Operations: map[string]hub.Level{"case": levels[system.ID]},
		}.Text()
		if err != nil {
			s.Fatal(err)
		}
		s.write(config.CertificateFile(system.ID), string(text))
	}
}

func (s *site) write(name, text string) {
	path := filepath.Join(s.dir, filepath.FromSlash(name))
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		s.Fatal(err)
	}
}

// startNavet starts the register and gives its address.
func (s *site) startNavet() string {
	tls, err := navetsim.TLS(filepath.Join(s.dir, "secrets"))
	if err != nil {
		s.Fatal(err)
	}
	if s.navet, err = navetsim.New(navetsim.Options{Clock: time.Now}); err != nil {
		s.Fatal(err)
	}
	server := httptest.NewUnstartedServer(s.navet)
	server.TLS = tls
	server.StartTLS()
	s.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// The configuration. The services are called after what they go by.
var siteFiles = map[string]string{
	"knutpunkt.yaml": `listen: LISTEN
operator: OPERATOR
store: sqlite:data/knutpunkt.db
bus: memory
keys: file:secrets/keys.json
clients:
  portal:
    municipalities: ["1080"]
    services: ["*"]
    secrets: [file:secrets/portal]
    key: header
`,
	"routes/karlskrona/municipality.yaml": "code: \"1080\"\nname: Karlskrona kommun\n",
	"routes/karlskrona/systems.yaml": `portal: { connector: json }
navet:
  connector: navet
  url: https://NAVET/na/na_epersondata/V4/personpostXML
  org-number: "162021004748"
  order: 00000236-FO01-0002
  tls: { certificate: file:secrets/navet.pem, key: file:secrets/navet-key.pem, ca: file:secrets/navet-ca.pem }
kept:
  connector: rest
  url: DESK/kept
  token: file:secrets/desk
  poll: 100ms
  operations:
    case: { path: /cases, level: idempotent, key: { header: X-Key }, receipt: { number: /number, echo: /key },
            files: { path: "/cases/{ref}/files/{n}" } }
  changes: { path: "/changes?since={cursor}", list: /changes, next: /next, id: /id, key: /key, ref: /number, word: /word, at: /at }
  words: { öppet: under-handlaggning }
asked:
  connector: rest
  url: DESK/asked
  token: file:secrets/desk
  operations:
    case: { path: /cases, level: lookup, lag: 1s, key: { header: X-Key }, receipt: { number: /number, echo: /key },
            find: { path: "/cases?key={key}", list: /cases, number: /number, echo: /key },
            files: { path: "/cases/{ref}/files/{n}", find: { path: "/cases/{ref}/files", list: /files, n: /n } } }
forgot:
  connector: rest
  url: DESK/forgot
  token: file:secrets/desk
  operations:
    case: { path: /cases, key: { header: X-Key }, receipt: { number: /number, echo: /key },
            files: { path: "/cases/{ref}/files/{n}" } }
bygg: { connector: filedrop, folder: file:bygg/in, done: file:bygg/done }
box: { connector: filedrop, folder: file:bygg/box }
`,
	"routes/karlskrona/kept.yaml":   route("kept", "  - { to: kept, mapping: desk/case, step: registrerat, voice: true }\n"),
	"routes/karlskrona/asked.yaml":  route("asked", "  - { to: asked, mapping: desk/case, step: registrerat, voice: true }\n"),
	"routes/karlskrona/forgot.yaml": route("forgot", "  - { to: forgot, mapping: desk/case, step: registrerat, voice: true }\n"),
	"routes/karlskrona/chain.yaml": route("chain", "  - { to: asked, mapping: desk/case, step: registrerat, voice: true }\n"+
		"  - { to: kept, mapping: desk/case, after: asked }\n"),
	"routes/karlskrona/person.yaml": route("person", "  - { to: bygg, mapping: bygg/case, step: registrerat, voice: true }\n",
		"parties:\n  - { role: sökande }\nenrich:\n  - { register: navet, person: \"${parties.sökande}\", as: sökande }\n"),
	"routes/karlskrona/box.yaml":             route("box", "  - { to: box, mapping: bygg/case, step: registrerat, voice: true }\n"),
	"mappings/desk/case.yaml":                "operation: case\noutput: json\nschema: none\ndocument:\n  title: ${service.title}\n  came: ${isodate(inkommen)}\n  text?: ${answers.text}\n",
	"mappings/bygg/case.yaml":                "operation: file\noutput: json\nschema: none\ndocument:\n  title: ${service.title}\n  came: ${isodate(inkommen)}\n",
	"mappings/desk/case.test/one/given.json": givenForm,
	"mappings/desk/case.test/one/want.json":  `{"title":"Ett","came":"2026-03-02","text":"hej"}`,
	"mappings/bygg/case.test/one/given.json": givenForm,
	"mappings/bygg/case.test/one/want.json":  `{"title":"Ett","came":"2026-03-02"}`,
}

const givenForm = `{"municipality":{"code":"1080","name":"Karlskrona kommun"},"title":"Ett",
	"submission":{"id":"1","service":"ett","inkommen":"2026-03-02T10:00:00+01:00","answers":{"text":"hej"}}}`

func route(service, legs string, more ...string) string {
	return fmt.Sprintf("title: Ett\nfrom: { system: portal, service: %s }\n%sdeliver:\n%s"+
		"protected: hold\nkeep: 90 dagar\ndecision: KS 2026-1\nowner: chaos@karlskrona.example\n", service, strings.Join(more, ""), legs)
}

// serve starts the hub and waits until it is ready or has died. Settings are
// NAME=value, as the chaos build takes them.
func (s *site) serve(settings ...string) *process {
	s.Helper()
	p := s.start(settings...)
	await(s.T, "ready", func() bool { return p.isOver() || s.get("readyz", s.base+1) == http.StatusOK })
	return p
}

func (s *site) start(settings ...string) *process {
	s.Helper()
	bin, err := chaosBinary()
	if err != nil {
		s.Fatal(err)
	}
	cmd := exec.Command(bin, "serve", "--config", s.dir)
	cmd.Env = append(os.Environ(), "KNUTPUNKT_SWEEP=50ms", "KNUTPUNKT_CLOCK_OFFSET="+s.clockFile())
	cmd.Env = append(cmd.Env, settings...)
	return startCommand(s.T, cmd)
}

func (p *process) isOver() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// killed waits until the hub has killed itself.
func (p *process) killed(t *testing.T) {
	t.Helper()
	p.finish(t)
	if status := p.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGKILL {
		t.Fatalf("it ended by itself and was not killed: %s: %s", p.ProcessState, lastLine(&p.errs))
	}
}

// stops ends the hub as an operator does.
func (p *process) stops(t *testing.T) {
	t.Helper()
	p.end(syscall.SIGTERM)
	if code := p.ProcessState.ExitCode(); code != 0 {
		t.Errorf("a clean stop exits %d: %s", code, lastLine(&p.errs))
	}
}

func (s *site) clockFile() string { return filepath.Join(s.dir, "clock") }

// skip moves the hub's clock.
func (s *site) skip(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offset += d
	if err := os.WriteFile(s.clockFile(), []byte(s.offset.String()), 0o600); err != nil {
		s.Error(err)
	}
}

// eventually asks until ok, while the hub's time flies.
func (s *site) eventually(what string, ok func() bool) {
	s.Helper()
	await(s.T, what, func() bool {
		if ok() {
			return true
		}
		s.skip(2 * time.Second)
		return false
	})
}

func (s *site) url(path string) string { return fmt.Sprintf("http://127.0.0.1:%d/%s", s.base, path) }

func (s *site) get(path string, port int) int {
	resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/%s", port, path))
	if err != nil {
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}

// An answered is what a platform got for its form. The status is 0 when nobody answered.
type answered struct {
	status   int
	replayed bool
	header   http.Header
	ID       hub.ID
	Received time.Time
}

// post sends a form in, once. What it says follows from its key.
func (s *site) post(service, key string) answered { return s.postText(service, key, "hej "+key) }

func (s *site) postText(service, key, text string) (a answered) {
	body, err := json.Marshal(map[string]any{
		"municipality": "1080", "service": service, "applicant": map[string]any{"personalIdentityNumber": "199409272383"},
		"source":  map[string]any{"system": "portal", "id": key, "version": "1"},
		"answers": map[string]any{"text": text},
	})
	if err != nil {
		s.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url("v1/submissions"), bytes.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+s.secret)
	req.Header.Set("Idempotency-Key", key)
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return a
	}
	defer resp.Body.Close()
	said, _ := io.ReadAll(resp.Body)
	if json.Unmarshal(said, &a) != nil {
		return answered{} // cut off in the middle
	}
	a.status, a.header = resp.StatusCode, resp.Header
	a.replayed = resp.Header.Get("Idempotent-Replayed") == "true"
	return a
}

// accepted posts until the hub answers 202, as a good platform does.
func (s *site) accepted(service, key string) (a answered) {
	s.Helper()
	await(s.T, "accepted", func() bool {
		a = s.post(service, key)
		return a.status == http.StatusAccepted
	})
	return a
}

// underWay posts a form to a service and waits until its system has the document in hand,
// and does not answer before it is released.
func (s *site) underWay(system string) (form answered, release func()) {
	s.Helper()
	release = s.desk.holds()
	s.Cleanup(release)
	form = s.accepted(system, "form-0001")
	await(s.T, "under way", func() bool { posts, _, _ := s.desk.total(system); return posts == 1 })
	return form, release
}

// beside opens the store beside the hub.
func (s *site) beside() (store hub.Store, leave func()) {
	s.Helper()
	store, err := openReader(s.Context(), s.dir, nil)
	if err != nil {
		s.Fatal(err)
	}
	return store, func() { store.Close() }
}

// look tells how the case of a form stands.
func (s *site) look(id hub.ID) hub.Case {
	s.Helper()
	store, leave := s.beside()
	defer leave()
	c, err := store.CaseOf(s.Context(), hub.AsHub(), id)
	if err != nil {
		s.Fatal(err)
	}
	return c
}

// row tells how a form or a delivery stands.
func (s *site) row(id hub.ID, k hub.Key) hub.Progress {
	s.Helper()
	c := s.look(id)
	p := c.Find(k)
	if p == nil {
		s.Fatalf("there is no %s", k)
	}
	return *p
}

// feed gives all that readers were told, and sees to it that no number is missing.
func (s *site) feed() []hub.Status {
	s.Helper()
	store, leave := s.beside()
	defer leave()
	lines, err := store.Statuses(s.Context(), hub.AsHub(), "", 0, 1000)
	if err != nil {
		s.Fatal(err)
	}
	for i, line := range lines {
		if line.Seq != uint64(i+1) {
			s.Errorf("line %d of the feed has number %d", i+1, line.Seq)
		}
	}
	return lines
}

// told counts how often readers were told of a Step.
func (s *site) told(step hub.Step) (n int) {
	s.Helper()
	for _, line := range s.feed() {
		if line.Step == step {
			n++
		}
	}
	return n
}

// isAt reports whether every delivery of a form is in one of the states.
func (s *site) isAt(id hub.ID, states ...hub.State) bool {
	s.Helper()
	c, n := s.look(id), 0
	for _, d := range c.Deliveries {
		if d.Kind != hub.DocumentKind {
			continue
		}
		n++
		there := false
		for _, state := range states {
			there = there || d.State == state
		}
		if !there {
			return false
		}
	}
	return n > 0
}

// A desk is the business systems of a site. It makes a case of each document that comes
// whole, and knows what it was sent, also what it did not take.
type desk struct {
	mu      sync.Mutex
	came    map[string]int               // POSTs whose document came whole, by system and key
	halves  map[string]int               // those that broke off
	bytes   map[string]map[[32]byte]bool // what came, to see that it is the same each time
	cases   map[string][]string
	files   map[string]map[string]bool // by number
	changes []map[string]any
	made    int
	refuse  map[string]int // statuses that are answered instead, by system
	slow    chan struct{}  // nil, or what answers wait for
	lag     time.Duration  // how long each answer takes
}

func newDesk() *desk {
	return &desk{
		came: map[string]int{}, halves: map[string]int{}, bytes: map[string]map[[32]byte]bool{}, cases: map[string][]string{},
		files: map[string]map[string]bool{}, refuse: map[string]int{},
	}
}

// count tells how many documents came whole for a key, and how many cases were made.
func (d *desk) count(system string, key hub.Key) (posts, cases int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	name := system + " " + string(key)
	return d.came[name], len(d.cases[name])
}

// total tells the same for all keys of a system.
func (d *desk) total(system string) (posts, halves, cases int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, n := range d.came {
		if strings.HasPrefix(name, system+" ") {
			posts += n
		}
	}
	for name, n := range d.halves {
		if strings.HasPrefix(name, system+" ") {
			halves += n
		}
	}
	for name, made := range d.cases {
		if strings.HasPrefix(name, system+" ") {
			cases += len(made)
		}
	}
	return posts, halves, cases
}

// differs reports whether anything came a second time with other bytes.
func (d *desk) differs() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, versions := range d.bytes {
		if len(versions) > 1 {
			return true
		}
	}
	return false
}

// answers makes a system answer with a status instead of taking anything; 0 mends it.
func (d *desk) answers(system string, status int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refuse[system] = status
}

// holds makes every answer wait until what it gives is called.
func (d *desk) holds() (release func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	held := make(chan struct{})
	d.slow = held
	return sync.OnceFunc(func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.slow = nil
		close(held)
	})
}

// takes has every answer take so long.
func (d *desk) takes(lag time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lag = lag
}

func (d *desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if len(path) < 2 {
		http.NotFound(w, r)
		return
	}
	system := path[0]
	switch {
	case path[1] == "changes":
		d.tell(w)
	case len(path) == 2 && r.Method == http.MethodPost:
		d.take(w, r, system)
	case len(path) == 2:
		d.find(w, system, r.URL.Query().Get("key"))
	case r.Method == http.MethodGet:
		d.listFiles(w, path[2])
	default:
		d.takeFile(w, r, path[2], path[4])
	}
}

func (d *desk) take(w http.ResponseWriter, r *http.Request, system string) {
	name := system + " " + r.Header.Get("X-Key")
	document, err := io.ReadAll(r.Body)
	d.mu.Lock()
	if err != nil {
		d.halves[name]++
		d.mu.Unlock()
		return
	}
	d.came[name]++
	if d.bytes[name] == nil {
		d.bytes[name] = map[[32]byte]bool{}
	}
	d.bytes[name][sha256.Sum256(document)] = true
	status, slow, lag := d.refuse[system], d.slow, time.After(d.lag)
	if status != 0 {
		d.mu.Unlock()
		w.WriteHeader(status)
		return
	}
	if system != "kept" || len(d.cases[name]) == 0 {
		d.made++
		d.cases[name] = append(d.cases[name], fmt.Sprintf("N-%d", d.made))
	}
	number := d.cases[name][len(d.cases[name])-1]
	d.mu.Unlock()
	if slow != nil {
		<-slow
	}
	<-lag
	writeJSON(w, map[string]any{"number": number, "key": r.Header.Get("X-Key")})
}

func (d *desk) find(w http.ResponseWriter, system, key string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	found := []any{}
	for _, number := range d.cases[system+" "+key] {
		found = append(found, map[string]any{"number": number, "key": key})
	}
	writeJSON(w, map[string]any{"cases": found})
}

func (d *desk) takeFile(w http.ResponseWriter, r *http.Request, number, n string) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.files[number] == nil {
		d.files[number] = map[string]bool{}
	}
	d.files[number][n] = true
	writeJSON(w, map[string]any{})
}

func (d *desk) listFiles(w http.ResponseWriter, number string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	found := []any{}
	for n := range d.files[number] {
		found = append(found, map[string]any{"n": n})
	}
	writeJSON(w, map[string]any{"files": found})
}

// move lets a case at the kept desk go on.
func (d *desk) move(key hub.Key, word string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.changes = append(d.changes, map[string]any{
		"id": fmt.Sprint("E-", len(d.changes)+1), "key": key, "number": d.cases["kept "+string(key)][0],
		"word": word, "at": time.Now().UTC().Format(time.RFC3339),
	})
}

// tell tells all changes each time, as systems may.
func (d *desk) tell(w http.ResponseWriter) {
	d.mu.Lock()
	defer d.mu.Unlock()
	writeJSON(w, map[string]any{"changes": append([]map[string]any{}, d.changes...), "next": fmt.Sprint("C-", len(d.changes))})
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}
