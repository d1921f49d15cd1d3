package verbs

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/oep/oepsim"
)

// A hostileBed is one running process with a configuration of its own: the shipped
// one, and services that pass a text on to a folder as it is.
type hostileBed struct {
	dir   string
	base  int
	serve *process
	log   string       // of the processes that have ended
	trap  net.Listener // nothing must ever call it
	fell  atomic.Int64 // how often it did
	told  *subscriber  // hears of the free texts

	mu        sync.Mutex
	forms     int
	accepted  map[string]string // by ID: how it is to be listed in the end, "" for anyhow
	delivered map[string]string // by ID: the text that the system is to get
	replays   map[string]string // request: the Location that it got
	said      bytes.Buffer      // all that was ever answered
	traces    bytes.Buffer      // all that was ever told a collector
	until     time.Time
}

// What must never be seen again, beside every secret: numbers, names and addresses
// that the rows are full of.
const (
	citizen     = "199001012385" // one of Skatteverket's test numbers
	wrongNumber = "199001012386"
	hiddenName  = "Hemligamnsson"
	hiddenFile  = "hemligt-intyg"
	hiddenPeer  = "203.0.113.77"
	hiddenToken = "gissad-nyckel-4711"

	hiddenReason = "ett skäl som ingen annan ska se"
)

func newHostileBed(t *testing.T) *hostileBed {
	t.Helper()
	b := &hostileBed{
		dir: t.TempDir(), base: freePorts(t), accepted: map[string]string{}, delivered: map[string]string{}, replays: map[string]string{},
	}
	o := demoOptions{dir: b.dir, port: b.base}
	if _, err := o.stage(); err != nil {
		t.Fatal(err)
	}
	var err error
	if b.trap, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	b.configure(t)
	t.Cleanup(func() { b.trap.Close() })
	go func() {
		for {
			c, err := b.trap.Accept()
			if err != nil {
				return
			}
			b.fell.Add(1)
			c.Close()
		}
	}()
	b.openEID(t)
	b.begin(t)
	return b
}

// configure adds clients, a platform and services to the shipped configuration.
func (b *hostileBed) configure(t *testing.T) {
	t.Helper()
	var clients strings.Builder
	for _, client := range []struct{ name, services string }{{"portalen", `"*"`}, {"smal", "fri"}, {"ivrig", `"*"`}, {"tillfallig", `"*"`}} {
		fmt.Fprintf(&clients, "\n  %s:\n    municipalities: [\"1080\"]\n    services: [%s]\n    secrets: [file:secrets/%s-client]\n    systems: [portal]\n    key: header",
			client.name, client.services, client.name)
		b.write(t, "secrets/"+client.name+"-client", "nyckel-till-"+client.name+"-0123456789\n")
	}
	settings := read(filepath.Join(b.dir, "knutpunkt.yaml"))
	b.write(t, "knutpunkt.yaml", regexp.MustCompile(`(?m)^clients:.*$`).ReplaceAllStringFunc(settings, func(line string) string { return line + clients.String() }))
	b.add(t, "knutpunkt.yaml", "proxies: [127.0.0.2]\ntraces: { to: "+b.collector(t)+"/v1/traces }\n")
	b.add(t, "routes/karlskrona/systems.yaml", "\nportal:\n  connector: json\n\narkiv:\n  connector: filedrop\n  folder: file:data/arkiv/in\n  done: file:data/arkiv/done\n")
	b.configureReports(t)
	b.add(t, "routes/shared/systems.yaml", "  print: false\n")
	b.route(t, "fri", "portal, service: fri", "arkiv", "fri")
	b.configureSubscriber(t)
	b.route(t, "latin", "portal, service: latin", "arkiv", "latin")
	b.route(t, "oep", `oep, service: "790"`, "arkiv", "fri")
	given := `{"municipality":{"code":"1080","name":"Karlskrona kommun"},"title":"Fri text","submission":{"id":"01KA0000000000000000000101","service":"fri","inkommen":"2026-03-01T23:30:00+01:00","answers":{"text":"hej"}}}`
	b.write(t, "mappings/prov/fri.yaml", "operation: file\noutput: json\nschema: none\ndocument: { text?: \"${answers.text}\" }\n")
	b.write(t, "mappings/prov/fri.test/a/given.json", given)
	b.write(t, "mappings/prov/fri.test/a/want.json", `{"text":"hej"}`)
	b.write(t, "mappings/prov/latin.yaml", "operation: file\noutput: xml\nschema: none\ncharset: iso-8859-1\ndocument: { Text: \"${answers.text}\" }\n")
	b.write(t, "mappings/prov/latin.test/a/given.json", given)
	b.write(t, "mappings/prov/latin.test/a/want.xml", "<Text>hej</Text>")
	for _, folder := range []string{"in", "done"} {
		if err := os.MkdirAll(filepath.Join(b.dir, "data/arkiv", folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
}

// collector takes traces, as OpenTelemetry's own does, and gives its address.
func (b *hostileBed) collector(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		told, _ := io.ReadAll(r.Body)
		b.mu.Lock()
		defer b.mu.Unlock()
		b.traces.Write(told)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// route adds one that passes a text on to a system.
func (b *hostileBed) route(t *testing.T, name, from, to, mapping string) {
	t.Helper()
	b.write(t, "routes/karlskrona/prov-"+name+".yaml", fmt.Sprintf("title: Fri text\nfrom: { system: %s }\ndeliver:\n  - { to: %s, mapping: prov/%s, voice: true }\n"+
		"protected: hold\nkeep: 90 dagar\ndecision: KS 2026-1\nowner: prov@karlskrona.example\n", from, to, mapping))
}

func (b *hostileBed) write(t *testing.T, file, text string) {
	t.Helper()
	path := filepath.Join(b.dir, file)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (b *hostileBed) add(t *testing.T, file, text string) {
	t.Helper()
	b.write(t, file, read(filepath.Join(b.dir, file))+text)
}

func (b *hostileBed) begin(t *testing.T) {
	t.Helper()
	b.serve = start(t, "serve", "--config", b.dir)
	await(t, "ready", func() bool {
		select {
		case <-b.serve.done:
			t.Fatalf("it ended: %s", b.serve.errs.String())
		default:
		}
		return answers(fmt.Sprintf("http://127.0.0.1:%d/readyz", b.base+1), 200)
	})
}

// token gives what a client shows.
func (b *hostileBed) token(client string) string { return b.secret(client + "-client") }

func (b *hostileBed) secret(name string) string {
	return strings.TrimSpace(read(filepath.Join(b.dir, "secrets", name)))
}

// as gives the header by which a client is known.
func (b *hostileBed) as(client string) string { return "Authorization: Bearer " + b.token(client) }

// call writes a request as it goes over the wire. Headers are written "Name: value";
// Host, Connection and the length are there unless given.
func call(method, path, body string, headers ...string) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s %s HTTP/1.1\r\n", method, path)
	given := strings.Join(headers, "\r\n") + "\r\n"
	for _, usual := range []string{"Host: knutpunkt.example", "Connection: close", fmt.Sprintf("Content-Length: %d", len(body))} {
		name, _, _ := strings.Cut(usual, ":")
		if !strings.Contains("\r\n"+given, "\r\n"+name+":") && !(name == "Content-Length" && strings.Contains(given, "Transfer-Encoding:")) {
			text.WriteString(usual + "\r\n")
		}
	}
	if len(headers) > 0 {
		text.WriteString(given)
	}
	return text.String() + "\r\n" + body
}

const (
	isJSON = "Content-Type: application/json"
	isXML  = "Content-Type: application/xml"
)

// get asks for a path as portalen.
func (b *hostileBed) get(path string, headers ...string) string {
	return call("GET", path, "", append([]string{b.as("portalen")}, headers...)...)
}

// post posts an envelope as portalen, under a key of its own.
func (b *hostileBed) post(body string, headers ...string) string {
	return call("POST", "/v1/submissions", body, append([]string{b.as("portalen"), isJSON, b.key()}, headers...)...)
}

// oep posts a form as the form platform does.
func (b *hostileBed) oep(body string, headers ...string) string {
	if len(headers) == 0 {
		headers = []string{isXML}
	}
	return call("POST", "/v1/sources/oep", body, append([]string{b.as("oep")}, headers...)...)
}

// next numbers what is sent, so that no two forms are the same.
func (b *hostileBed) next() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.forms++
	return b.forms
}

func (b *hostileBed) key() string { return fmt.Sprintf("Idempotency-Key: nyckel-%06d", b.next()) }

// form gives an envelope for the service that passes text on. Each change is
// "name=JSON" and replaces or adds a member; without a value it leaves it out.
func (b *hostileBed) form(changes ...string) string {
	members := map[string]json.RawMessage{
		"municipality": json.RawMessage(`"1080"`), "service": json.RawMessage(`"fri"`),
		"source":    json.RawMessage(fmt.Sprintf(`{"system":"portal","id":"%d","version":"1"}`, b.next())),
		"applicant": json.RawMessage(`{"personalIdentityNumber":"` + citizen + `"}`),
		"answers":   json.RawMessage(`{"text":"` + hiddenName + `"}`),
	}
	for _, change := range changes {
		name, value, _ := strings.Cut(change, "=")
		if delete(members, name); value != "" {
			members[name] = json.RawMessage(value)
		}
	}
	return object(members)
}

// object writes members as they are: what is no JSON must not be put right.
func object(members map[string]json.RawMessage) string {
	var text []string
	for name, value := range members {
		text = append(text, strconv.Quote(name)+":"+string(value))
	}
	return "{" + strings.Join(text, ",") + "}"
}

// flow gives a form as the platform writes it, whose text is passed on. Each change is
// a pair of what stands there and what shall.
func (b *hostileBed) flow(changes ...string) string {
	text := strings.NewReplacer("NUMBER", strconv.Itoa(500_000+b.next())).Replace(flowInstance)
	return strings.NewReplacer(changes...).Replace(text)
}

const flowInstance = `<FlowInstance xmlns="http://www.oeplatform.org/version/2.0/schemas/flowinstance">
<Header><Flow><FamilyID>790</FamilyID><Version>1</Version><FlowID>1</FlowID><Name>Fri text</Name></Flow>
<FlowInstanceID>NUMBER</FlowInstanceID><LastSubmitted>2026-01-27T16:05:44</LastSubmitted></Header>
<Values><text>Åke Ängö</text></Values>
<ExtraParameters><Parameters><Parameter><Name>municipalityId</Name><Value>1080</Value></Parameter></Parameters></ExtraParameters>
</FlowInstance>`

// multi gives an envelope with files after it; each part is its Content-Disposition
// after "form-data; ", a line, and its content.
func (b *hostileBed) multi(parts ...string) string {
	return call("POST", "/v1/submissions", multipart(parts...), b.as("portalen"), b.key(), isMultipart)
}

const isMultipart = "Content-Type: multipart/form-data; boundary=grans"

func multipart(parts ...string) string {
	var text strings.Builder
	for _, p := range parts {
		head, content, _ := strings.Cut(p, "\n")
		text.WriteString("--grans\r\nContent-Disposition: form-data; " + head + "\r\n\r\n" + content + "\r\n")
	}
	return text.String() + "--grans--\r\n"
}

func envelopePart(text string) string { return "name=\"submission\"\n" + text }

func filePart(name, content string) string {
	return `name="file"; filename="` + name + "\"\n" + content
}

// A hostileAnswer is what came back, read to its end.
type hostileAnswer struct {
	*http.Response
	body string
	rest string // what followed it on the connection
}

// send writes a request to a connection of its own and reads what comes back.
func (b *hostileBed) send(t *testing.T, request string) *hostileAnswer {
	t.Helper()
	return b.sendFrom(t, "127.0.0.1", request)
}

func (b *hostileBed) sendFrom(t *testing.T, peer, request string) *hostileAnswer {
	t.Helper()
	c := b.dial(t, peer)
	defer c.Close()
	go io.WriteString(c, request) // it may be cut short by the answer
	return b.answer(t, c)
}

func (b *hostileBed) dial(t *testing.T, peer string) net.Conn {
	t.Helper()
	return b.dialPort(t, peer, b.base)
}

func (b *hostileBed) dialPort(t *testing.T, peer string, port int) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(peer)}}
	c, err := d.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(60 * time.Second))
	return c
}

// answer reads one answer and whatever follows it.
func (b *hostileBed) answer(t *testing.T, c net.Conn) *hostileAnswer {
	t.Helper()
	in := bufio.NewReader(c)
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("half an answer: %v", err)
	}
	a := &hostileAnswer{Response: resp, body: string(body)}
	if resp.Close {
		rest, _ := io.ReadAll(in)
		a.rest = string(rest)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	fmt.Fprintf(&b.said, "%v\n%s\n", resp.Header, body)
	if id, is := strings.CutPrefix(resp.Header.Get("Location"), "/v1/submissions/"); is && resp.StatusCode == http.StatusAccepted {
		if _, there := b.accepted[id]; !there {
			b.accepted[id] = ""
		}
	}
	return a
}

// id gives the ID of what was received.
func (a *hostileAnswer) id(t *testing.T) string {
	t.Helper()
	id, is := strings.CutPrefix(a.Header.Get("Location"), "/v1/submissions/")
	if a.StatusCode != http.StatusAccepted || !is {
		t.Fatalf("%d without a place: %.500s", a.StatusCode, a.body)
	}
	return id
}

func (b *hostileBed) expect(id, becomes string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.accepted[id] = becomes
}

// passesOn posts a text and notes that the system is to get it byte for byte.
func (b *hostileBed) passesOn(t *testing.T, text string) {
	t.Helper()
	answer, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	id := b.send(t, b.post(b.form(`answers={"text":`+string(answer)+`}`))).id(t)
	b.expect(id, "COMPLETED")
	b.delivered[id] = text
}

// archived gives the text that the system got.
func (b *hostileBed) archived(id string) string {
	var document struct{ Text string }
	json.Unmarshal([]byte(read(filepath.Join(b.dir, "data/arkiv/in", id+"-arkiv.json"))), &document)
	return document.Text
}

// standsAs waits until the hub tells that a form has come to a state.
func (b *hostileBed) standsAs(t *testing.T, id, state string) {
	t.Helper()
	await(t, state, func() bool {
		return strings.Contains(b.send(t, b.get("/v1/submissions/"+id)).body, `"state":"`+state+`"`)
	})
}

// files counts what lies beside the database.
func (b *hostileBed) files() int {
	entries, _ := os.ReadDir(filepath.Join(b.dir, "data/knutpunkt.db.files"))
	return len(entries)
}

// warm lets the process take into memory what it keeps there anyway.
func (b *hostileBed) warm(t *testing.T) {
	t.Helper()
	for range 20 {
		b.expect(b.send(t, b.post(b.form())).id(t), "COMPLETED")
	}
	b.expect(b.send(t, b.multi(envelopePart(b.form()), filePart("a.txt", strings.Repeat("a", 1<<20)))).id(t), "COMPLETED")
	b.send(t, b.oep(string(oepsim.Fill(oepsim.Deck, 1, time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)).Body))).id(t)
}

// resetPeak forgets how large the process has been, and gives how large it is.
func (p *process) resetPeak(t *testing.T) int64 {
	t.Helper()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.Process.Pid), []byte("5"), 0); err != nil {
		t.Logf("the peak counts from the start: %v", err)
	}
	return p.peak(t)
}

// peak gives the most memory that the process has had since resetPeak, in bytes.
func (p *process) peak(t *testing.T) int64 {
	t.Helper()
	found := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindStringSubmatch(read(fmt.Sprintf("/proc/%d/status", p.Process.Pid)))
	if found == nil {
		t.Skip("this system does not tell how large a process is")
	}
	kib, _ := strconv.ParseInt(found[1], 10, 64)
	return kib << 10
}

// checkGrowth requires that the process has not grown by more than 64 MiB.
func (p *process) checkGrowth(t *testing.T, before int64) {
	t.Helper()
	if peak := p.peak(t); peak > before+64<<20 {
		t.Errorf("the process grew from %d to %d MiB", before>>20, peak>>20)
	}
}

// waited reports whether so much time has passed since it was first asked.
func (b *hostileBed) waited(d time.Duration) bool {
	if b.until.IsZero() {
		b.until = time.Now().Add(d)
	}
	return time.Now().After(b.until)
}

func (b *hostileBed) checkNothingFetched(t *testing.T) {
	t.Helper()
	if n := b.fell.Load(); n > 0 {
		t.Errorf("an address out of a caller's content was called %d times", n)
	}
}

// checkReplaysAfterRestart kills the process and sends again what was received before:
// each is answered as the first time.
func (b *hostileBed) checkReplaysAfterRestart(t *testing.T) {
	t.Helper()
	if len(b.replays) == 0 {
		t.Fatal("there is nothing to send again")
	}
	b.serve.end(syscall.SIGKILL)
	b.log = b.serve.errs.String() + b.serve.out.String()
	b.begin(t)
	for request, location := range b.replays {
		a := b.send(t, request)
		if a.StatusCode != http.StatusAccepted || a.Header.Get("Location") != location || a.Header.Get("Idempotent-Replayed") != "true" {
			t.Errorf("sent again: %d %v, want %s", a.StatusCode, a.Header, location)
		}
	}
}

// checkSilence looks everywhere for what must never be seen: in what was answered, the
// log, the metrics, the traces, the pages, the list, and in every byte that the hub keeps.
func (b *hostileBed) checkSilence(t *testing.T) {
	t.Helper()
	places := map[string]string{"the answers": b.said.String(), "the list": fmt.Sprint(rows(t, b.dir))}
	for _, page := range []string{"/metrics", "/console", "/readyz"} {
		places[page] = b.operatorPage(t, page)
	}
	for id := range b.accepted {
		places["/console/cases"] += b.operatorPage(t, "/console/cases/"+id)
	}
	b.serve.end(syscall.SIGTERM)
	b.log += b.serve.errs.String() + b.serve.out.String()
	places["the log"] = b.log
	b.mu.Lock()
	places["the traces"] = b.traces.String()
	b.mu.Unlock()
	kept := 0
	filepath.WalkDir(filepath.Join(b.dir, "data"), func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			t.Fatal(err)
		case e.IsDir() && e.Name() == "arkiv": // the system's own folder
			return fs.SkipDir
		case !e.IsDir():
			kept++
			places[e.Name()] = read(path)
		}
		return nil
	})
	if kept < 2 || !strings.Contains(places["knutpunkt.db"], "SQLite format 3") || !strings.Contains(b.log, `"msg":"received"`) ||
		!strings.Contains(places["/metrics"], "knutpunkt_") || !strings.Contains(places["the traces"], "deliver") || !strings.Contains(places["the list"], "COMPLETED") {
		t.Fatalf("%d files were looked through: nothing was tested", kept)
	}
	canaries := []string{citizen, citizen[2:], "19900101-2385", "900101-2385", wrongNumber, hiddenName, hiddenFile, hiddenPeer, hiddenToken, hiddenReason, "injicerat", "Kvarnbyn", b.secret("registrator"), b.secret("gruppledare"), arkivSigns, eslovSigns}
	for _, client := range []string{"oep", "hemsidan", "mina-arenden", "portalen", "smal", "ivrig", "tillfallig"} {
		canaries = append(canaries, b.token(client))
	}
	for place, text := range places {
		for _, canary := range canaries {
			if at := strings.Index(text, canary); at >= 0 {
				t.Errorf("%s is in %s: …%q…", canary, place, text[max(0, at-150):min(len(text), at+80)])
			}
		}
	}
	for line := range strings.Lines(b.log) {
		if !json.Valid([]byte(line)) {
			t.Errorf("a line of the log is no JSON: %.200s", line)
		}
	}
}

func (b *hostileBed) operatorPage(t *testing.T, path string) string {
	t.Helper()
	resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d%s", b.base+1, path))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
