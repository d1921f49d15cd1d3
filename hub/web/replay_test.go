package web_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/web"
)

const xmlBody = "Content-Type: text/xml; charset=iso-8859-1"

func (b *bed) json(t testing.TB, key, body string, headers ...string) answer {
	t.Helper()
	return ask(t, b.public, "POST", "/v1/submissions", body, append([]string{bearer(portalToken), jsonBody, "Idempotency-Key: " + key}, headers...)...)
}

func TestSentAgain(t *testing.T) {
	b := newBed(t)
	first := b.json(t, "the-first-key", form("1"))
	var r receipt
	decode(t, first, &r)
	if first.status != 202 || first.header.Get("Location") != "/v1/submissions/"+r.ID || r.Case != r.ID || r.Step != "inkommet" || r.Received.IsZero() {
		t.Fatalf("%d %s", first.status, first.body)
	}
	reordered := `{"service":"altan","answers":{"fastighet":"Exemplet 4:12"}, "municipality":"1080","applicant":{"personalIdentityNumber":"` +
		canary + `"},"source":{"version":"1","id":"1","system":"portal"}}`
	for _, test := range []struct {
		name, why, key, body string
		status               int
		slug                 string
	}{
		{"same", "84", "the-first-key", form("1"), 202, ""},
		{"quoted key", "83", `"the-first-key"`, form("1"), 202, ""},
		{"reordered", "86", "the-first-key", reordered, 202, ""},
		{"same form, other key", "85", "another-key", form("1"), 202, ""},
		{"other content", "85", "the-first-key", form("1", `answers={"a":1}`), 422, "idempotency-key-reused"},
		{"other content, other key", "85", "a-third-key", form("1", `answers={"a":1}`), 422, "idempotency-key-reused"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := b.json(t, test.key, test.body)
			switch {
			case a.status != test.status:
				t.Errorf("%d %s (%s)", a.status, a.body, test.why)
			case test.slug != "":
				if p := problemIn(t, a); p.Type != "/problems/"+test.slug {
					t.Error(a.body)
				}
			case a.header.Get("Location") != first.header.Get("Location") || a.header.Get("Idempotent-Replayed") != "true":
				t.Errorf("not the first receipt: %v", a.header)
			}
		})
	}
	if n := b.count(t); n != 1 {
		t.Errorf("one form became %d", n)
	}
}

func TestSentAgainAfterRestartAndInParts(t *testing.T) {
	b := newBed(t)
	first := b.post(t, "in-parts-0001", parts(submission(form("1")), file("a.txt", "hej")))
	b.stop()
	b.start(t)
	body := strings.ReplaceAll(parts(submission(form("1")), file("a.txt", "hej")), "--grans", "--annan")
	again := ask(t, b.public, "POST", "/v1/submissions", body, bearer(portalToken), "Idempotency-Key: in-parts-0001", "Content-Type: multipart/form-data; boundary=annan")
	if again.header.Get("Location") != first.header.Get("Location") || again.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("with a new boundary after a restart: %d %s", again.status, again.body)
	}
}

func TestKeysAreTheClientsOwn(t *testing.T) {
	b := newBed(t)
	b.submit(t, "1")
	a := ask(t, b.public, "POST", "/v1/submissions", form("1", `municipality="1285"`, `service="701"`), bearer(eslovToken), jsonBody, "Idempotency-Key: key-1-000")
	if a.status != 202 || a.header.Get("Idempotent-Replayed") != "" {
		t.Errorf("another client's key is taken for ours: %d %s", a.status, a.body)
	}
}

func TestTwins(t *testing.T) {
	b := newBed(t)
	for _, test := range []struct {
		name string
		key  func(int) string
	}{
		{"same key", func(int) string { return "the-same-key" }},
		{"same source", func(i int) string { return fmt.Sprintf("twin-key-%03d", i) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := b.count(t)
			answers := make([]answer, 100)
			var all sync.WaitGroup
			for i := range answers {
				all.Go(func() { answers[i] = b.json(t, test.key(i), form(strings.ReplaceAll(test.name, " ", "-"))) })
			}
			all.Wait()
			fresh := 0
			for _, a := range answers {
				if a.status != http.StatusAccepted {
					t.Fatalf("%d %s", a.status, a.body)
				}
				if a.header.Get("Location") != answers[0].header.Get("Location") {
					t.Error("two places for one form")
				}
				if a.header.Get("Idempotent-Replayed") == "" {
					fresh++
				}
			}
			if n := b.count(t) - before; fresh != 1 || n != 1 {
				t.Errorf("a hundred twins: %d new, %d stored", fresh, n)
			}
		})
	}
}

func TestSources(t *testing.T) {
	b := newBed(t)
	take := func(form string, headers ...string) answer {
		t.Helper()
		return ask(t, b.public, "POST", "/v1/sources/oep", form, append([]string{bearer(oepToken), xmlBody}, headers...)...)
	}
	first := take("<form 1080 701 17 v1> and the rest of it")
	var r receipt
	decode(t, first, &r)
	if first.status != 202 || first.header.Get("Location") != "/v1/submissions/"+r.ID {
		t.Fatalf("%d %s", first.status, first.body)
	}
	s, err := b.store.Submission(t.Context(), hub.AsHub(), hub.ID(r.ID))
	if err != nil || s.Source.System != "shared.oep" || s.Municipality != "1080" || s.Original.Size != 40 || len(s.Attachments) != 1 {
		t.Errorf("the form is not kept as it came: %v, original of %d bytes", err, s.Original.Size)
	}
	if again := take("<form 1080 701 17 v1> and the rest of it"); again.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("the platform's own reference is not enough: %d %s", again.status, again.body)
	}
	completion := take("<form 1080 701 17 v2>")
	var c receipt
	if decode(t, completion, &c); c.Case != r.Case || c.ID == r.ID {
		t.Errorf("a completion is no case of its own: %s", completion.body)
	}
	if other := take("<form 1285 701 17 v1>"); other.status != 202 {
		t.Errorf("a shared platform posts for both: %d %s", other.status, other.body)
	}
	folder := ask(t, b.public, "POST", "/v1/sources/karlskrona.blankett", "<form - 701 1 1>", bearer(oepToken), xmlBody)
	if folder.status != 202 {
		t.Errorf("a platform of one municipality posts for that one: %d %s", folder.status, folder.body)
	}
	checkSilent(t, b.log.String())
}

// TestSourcesOfAClient: a client that may post as one system may not post as others.
func TestSourcesOfAClient(t *testing.T) {
	b := makeBed(t)
	b.tune = func(o *web.Options) { o.Clients[2].Systems = []string{"blankett"} }
	b.start(t)
	for path, want := range map[string]int{"/v1/sources/oep": 403, "/v1/sources/karlskrona.blankett": 202} {
		if a := ask(t, b.public, "POST", path, "<form 1080 701 1 1>", bearer(oepToken), xmlBody); a.status != want {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	a := ask(t, b.public, "POST", "/v1/submissions", form("1"), bearer(oepToken), jsonBody)
	if p := problemIn(t, a); p.Type != "/problems/forbidden-scope" {
		t.Errorf("JSON as another system: %d %s", a.status, a.body)
	}
}
