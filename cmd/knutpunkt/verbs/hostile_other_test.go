package verbs

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// otherRows are about streams, what operators write, and the log.
func (b *hostileBed) otherRows() []hostileRow {
	rows := []hostileRow{
		{n: 95, name: "taken back too late", act: takenBackTooLate},
		{n: 96, name: "a call to where none may go", act: hostileSubscribers},
		{n: 98, name: "stream, token in the address", request: call("GET", "/v1/submissions/"+noSuchID+"/events?access_token="+hiddenToken, ""), want: "400 token-in-query"},
		{n: 98, name: "stream, nobody", request: call("GET", "/v1/submissions/"+noSuchID+"/events", ""), want: "401 unauthorized", headers: []string{"Www-Authenticate"}},
		{n: 98, name: "stream, from another site", request: b.get("/v1/submissions/"+noSuchID+"/events", "Origin: https://evil.example"), want: "403 cross-origin"},
		{n: 98, name: "stream, for another site", request: b.get("/v1/submissions/"+noSuchID+"/events", "Sec-Fetch-Site: cross-site"), want: "403 cross-origin"},
		{n: 99, name: "places in a stream", act: lastSeen},
		{n: 100, name: "a sixth stream", act: sixthStream},
		{n: 101, name: "systems that nobody may have", act: hostileSystems},
		{n: 102, name: "a mapping that cannot be", act: hostileMapping},
		{n: 103, name: "a path out of the folder", notYet: "no address takes a path; the commands that do are the operator's own"},
		{n: 105, name: "lines for the log", act: logInjection},
	}
	for _, path := range []string{"/metrics", "/debug/pprof/", "/admin", "/console", "/readyz"} {
		rows = append(rows, hostileRow{n: 104, name: path, request: b.get(path), want: "404 not-found"})
	}
	return rows
}

func takenBackTooLate(t *testing.T, b *hostileBed) {
	remove := func(id string) *hostileAnswer {
		return b.send(t, call("DELETE", "/v1/submissions/"+id, "", b.as("portalen")))
	}
	sent := b.send(t, b.post(b.form())).id(t)
	b.expect(sent, "COMPLETED")
	b.standsAs(t, sent, "delivered")
	remove(sent).is(t, "409 state-conflict", "")
	held := b.send(t, b.post(b.form(`service="ingen-vet"`))).id(t)
	b.expect(held, "WITHDRAWN")
	b.standsAs(t, held, "held")
	for range 2 {
		remove(held).is(t, "204", "")
	}
}

func lastSeen(t *testing.T, b *hostileBed) {
	id := b.send(t, b.post(b.form())).id(t)
	path := "/v1/submissions/" + id + "/events"
	for _, garbage := range []string{"x", "-1", "1e3", "99999999999999999999", "1\t2"} {
		b.send(t, b.get(path, "Last-Event-ID: "+garbage)).is(t, "400 validation-failed", "last-event-id")
	}
	b.standsAs(t, id, "delivered")
	c := b.dial(t, "127.0.0.1")
	defer c.Close()
	io.WriteString(c, b.get(path, "Last-Event-ID: 999999999"))
	in := bufio.NewReader(c)
	resp, err := http.ReadResponse(in, nil)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%+v: %v", resp, err)
	}
	lines, want := bufio.NewScanner(resp.Body), []string{"event: resync", "event: status"}
	for len(want) > 0 && lines.Scan() {
		if strings.HasPrefix(lines.Text(), "event: ") && lines.Text() != want[0] {
			t.Fatalf("%s, want %s", lines.Text(), want[0])
		}
		if lines.Text() == want[0] {
			want = want[1:]
		}
	}
	if len(want) > 0 {
		t.Errorf("the stream ended before %s", want[0])
	}
}

func sixthStream(t *testing.T, b *hostileBed) {
	id := b.send(t, call("POST", "/v1/submissions", b.form(), b.as("smal"), isJSON, b.key())).id(t)
	follow := call("GET", "/v1/submissions/"+id+"/events", "", b.as("smal"))
	for range 5 {
		c := b.dial(t, "127.0.0.1")
		defer c.Close()
		io.WriteString(c, follow)
		if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || resp.StatusCode != 200 {
			t.Fatalf("%+v: %v", resp, err)
		}
	}
	a := b.send(t, follow)
	a.is(t, "429 rate-limited", "")
	if a.Header.Get("Retry-After") == "" {
		t.Error("it is not told how long to wait")
	}
}

// hostileSystems: a configuration with an address that nobody may have is not run.
func hostileSystems(t *testing.T, b *hostileBed) {
	b.refusesAddresses(t, "routes/shared/systems.yaml", `(?m)^  url: .*$`)
}

// hostileSubscribers are written in systems.yaml, and nowhere else.
func hostileSubscribers(t *testing.T, b *hostileBed) {
	b.refusesAddresses(t, "routes/eslov/systems.yaml", `(?m)^  url: http://127\.0\.0\.1:\d+/besked$`)
}

// refusesAddresses requires that nobody may be called at a place where no system is.
func (b *hostileBed) refusesAddresses(t *testing.T, file, where string) {
	t.Helper()
	for _, address := range []string{
		"http://192.0.2.1/", "https://user:hemligt@platform.example/", "http://169.254.169.254/latest", "https://169.254.169.254/", "https://[fe80::1]/",
		"https://[::ffff:169.254.169.254]/", "file:///etc/passwd", "gopher://platform.example/", "https:///",
	} {
		b.refuses(t, file, regexp.MustCompile(where).ReplaceAllLiteralString(read(filepath.Join(b.dir, file)), `  url: "`+address+`"`))
	}
}

// refuses requires that a configuration with this in a file is refused, with its place.
func (b *hostileBed) refuses(t *testing.T, file, text string) {
	t.Helper()
	dir := t.TempDir()
	for _, part := range []string{"routes", "mappings", "schemas"} {
		if err := os.CopyFS(filepath.Join(dir, part), os.DirFS(filepath.Join(b.dir, part))); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, "check", dir)
	if code, said := p.finish(t), p.out.String()+p.errs.String(); code != 1 || !strings.Contains(said, file+":") {
		t.Errorf("exit %d: %s\n%s", code, text, said)
	}
}

func hostileMapping(t *testing.T, b *hostileBed) {
	for _, document := range []string{
		`document: { "a><b": x }`, `document: { a: "${answers.a.b.c(}" }`, `document: { a: "${os.exit(1)}" }`, "document: &a [*a]", `document: { A: x, B: y }`,
	} {
		b.refuses(t, "mappings/prov/latin.yaml", "operation: file\noutput: xml\nschema: none\n"+document+"\n")
	}
}

// logInjection puts lines of a log wherever a caller may write. That none comes into
// the log is seen when all is over.
func logInjection(t *testing.T, b *hostileBed) {
	const line = `%0a{"level":"error","msg":"injicerat"}`
	b.send(t, b.get("/v1/"+strings.NewReplacer(`"`, "%22", "{", "%7b", "}", "%7d").Replace(line))).is(t, "404 not-found", "")
	b.send(t, b.get("/v1/submissions?limit=1", `User-Agent: \n{"msg":"injicerat"}`, `Request-Id: injicerat`, `Traceparent: injicerat`)).is(t, "200", "")
	written := `\n{\"level\":\"error\",\"msg\":\"injicerat\"}`
	for _, change := range []string{`formVersion="` + written + `"`, `answers={"text":"` + written + `","` + written + `":1}`} {
		b.send(t, b.post(b.form(change)))
	}
}
