package verbs

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A hostile row is something that nobody should send, and exactly what it gets. The
// rows are numbered from 1 to 105, so that none is forgotten: what there is nothing to
// answer for yet says so.
type hostileRow struct {
	n       int
	name    string
	request string                            // as it goes over the wire
	want    string                            // a status, and the problem's slug where there is one: "404 not-found"
	code    string                            // which of the problem's rules
	headers []string                          // that the answer has: "Allow: GET", or only a name
	closed  bool                              // the connection is
	becomes string                            // of what is received: how it is listed in the end
	act     func(t *testing.T, b *hostileBed) // where a row is more than one question
	slow    bool                              // it waits for a limit in time, beside the others
	notYet  string                            // why nothing answers for it
}

// hostileRows are all of them, in their order.
func hostileRows(b *hostileBed) []hostileRow {
	return slices.Concat(b.httpRows(), b.wallRows(), b.envelopeRows(), b.xmlRows(), b.fileRows(), b.keyRows(), b.reportRows(), b.citizenRows(), b.otherRows())
}

const lastHostileRow = 105

// TestHostile sends every row to one process that runs as people run it. Each gets its
// answer, nothing that is refused leaves a trace, and the process stays as it was.
func TestHostile(t *testing.T) {
	t.Parallel()
	b := newHostileBed(t)
	rows := hostileRows(b)
	numbered(t, rows)
	b.warm(t)
	before := b.serve.resetPeak(t)
	var waiting sync.WaitGroup
	for _, r := range rows {
		run := func() { t.Run(fmt.Sprintf("%d %s", r.n, r.name), func(t *testing.T) { b.try(t, r) }) }
		switch {
		case r.notYet != "":
		case r.slow:
			waiting.Go(run)
		default:
			run()
		}
	}
	waiting.Wait()
	b.serve.checkGrowth(t, before)
	if !answers(fmt.Sprintf("http://127.0.0.1:%d/healthz", b.base+1), 200) {
		t.Fatal("the process is not well")
	}
	b.accountForAll(t)
	b.checkNothingFetched(t)
	b.checkReplaysAfterRestart(t)
	b.checkSilence(t)
}

// numbered requires every row from the first to the last.
func numbered(t *testing.T, rows []hostileRow) {
	t.Helper()
	has := map[int]bool{}
	for _, r := range rows {
		has[r.n] = true
		if sends := r.request != "" || r.act != nil; sends == (r.notYet != "") {
			t.Errorf("row %d %s: it is either tried or says why not", r.n, r.name)
		}
	}
	for n := 1; n <= lastHostileRow; n++ {
		if !has[n] {
			t.Errorf("row %d is missing", n)
		}
	}
}

// try sends a row and holds the answer against what it is to be.
func (b *hostileBed) try(t *testing.T, r hostileRow) {
	if r.act != nil {
		r.act(t, b)
		return
	}
	a := b.send(t, r.request)
	a.is(t, r.want, r.code)
	for _, h := range r.headers {
		name, value, given := strings.Cut(h, ": ")
		if got := a.Header.Get(name); got == "" || given && got != value {
			t.Errorf("%s is %q, want %q", name, got, value)
		}
	}
	if r.closed && !a.Close {
		t.Error("the connection is kept")
	}
	if r.becomes != "" {
		b.expect(a.id(t), r.becomes)
	}
}

// is holds an answer against a status and the slug and code of a problem. A refusal
// without a slug is net/http's own, before anything of ours, and ends the connection.
func (a *hostileAnswer) is(t *testing.T, want, code string) {
	t.Helper()
	status, slug, _ := strings.Cut(want, " ")
	if fmt.Sprint(a.StatusCode) != status {
		t.Fatalf("%d, want %s: %.500s", a.StatusCode, want, a.body)
	}
	if a.StatusCode >= 400 && slug == "" && (!a.Close || a.Header.Get("Request-Id") != "") {
		t.Errorf("not from net/http, or the connection is kept: %v", a.Header)
	}
	if slug == "" {
		return
	}
	var p struct {
		Type, Title, Detail, Instance, Code string
		Status                              int
		Errors                              []struct{ Pointer, Code string }
	}
	if media := a.Header.Get("Content-Type"); media != "application/problem+json" || json.Unmarshal([]byte(a.body), &p) != nil {
		t.Fatalf("no problem, but %s: %.500s", media, a.body)
	}
	if p.Type != "/problems/"+slug || p.Status != a.StatusCode || p.Title == "" || p.Detail == "" || !strings.HasPrefix(p.Instance, "urn:uuid:") {
		t.Errorf("want %s: %s", want, a.body)
	}
	has := p.Code == code
	for _, e := range p.Errors {
		has = has || e.Code == code
	}
	if code != "" && !has {
		t.Errorf("no code %s: %s", code, a.body)
	}
}

// accountForAll waits until everything that was received has come to what it should,
// and requires that nothing else is there.
func (b *hostileBed) accountForAll(t *testing.T) {
	t.Helper()
	var wrong []string
	await(t, "come to rest", func() bool {
		wrong = nil
		listed := rows(t, b.dir)
		for id, want := range b.accepted {
			if got, there := listed[id]; !there || !strings.Contains(got, want) {
				wrong = append(wrong, fmt.Sprintf("%s is %q, want %q", id, got, want))
			}
			delete(listed, id)
		}
		for id := range listed {
			t.Fatalf("%s was never answered with 202", id)
		}
		return len(wrong) == 0 || b.waited(30*time.Second)
	})
	for _, w := range wrong {
		t.Error(w)
	}
	for id, want := range b.delivered {
		if got := b.archived(id); got != want {
			t.Errorf("the system got %q, want %q", got, want)
		}
	}
}
