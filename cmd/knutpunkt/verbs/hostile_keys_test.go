package verbs

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// keyRows send again.
func (b *hostileBed) keyRows() []hostileRow {
	keyed := func(key string) string {
		return call("POST", "/v1/submissions", b.form(), b.as("portalen"), isJSON, "Idempotency-Key: "+key)
	}
	rows := []hostileRow{
		{n: 82, name: "no key", request: call("POST", "/v1/submissions", b.form(), b.as("portalen"), isJSON), want: "400 idempotency-key-missing", headers: []string{"Link"}},
		{n: 83, name: "quoted", request: keyed(`"a-quoted-key"`), want: "202"},
		{n: 83, name: "two keys", request: b.post(b.form(), b.key()), want: "400 idempotency-key-invalid"},
		{n: 83, name: "control character", request: keyed("nyckel\x01nyckel"), want: "400"},
		{n: 84, name: "sent again", act: sentAgain},
		{n: 84, name: "sent again when it is purged", notYet: "nothing is purged"},
		{n: 85, name: "other content", act: otherContent},
		{n: 86, name: "written in another way", act: rewritten},
		{n: 87, name: "a hundred at once, one key", act: func(t *testing.T, b *hostileBed) {
			key := b.key()
			body := b.form()
			b.hundred(t, func() string { return call("POST", "/v1/submissions", body, b.as("portalen"), isJSON, key) })
		}},
		{n: 87, name: "a hundred at once, one form", act: func(t *testing.T, b *hostileBed) {
			body := b.form()
			b.hundred(t, func() string { return b.post(body) })
		}},
		{n: 87, name: "a hundred at once, of the platform's own", act: func(t *testing.T, b *hostileBed) {
			body := b.flow()
			b.hundred(t, func() string { return b.oep(body) })
		}},
		{n: 88, name: "another client's key", act: anothersKey},
	}
	for _, key := range []string{`""`, "short", strings.Repeat("k", 129), "aaaa bbbb cccc", citizen, "702-" + citizen, "form:19900101-2385:1", "altan-9001012385", "nyckel/1/nyckel", "nyckel-åäö"} {
		rows = append(rows, hostileRow{n: 83, name: fmt.Sprintf("%.14q", key), request: keyed(key), want: "400 idempotency-key-invalid"})
	}
	return rows
}

// sentAgain at once, and later after a restart: the same place, and no second row.
func sentAgain(t *testing.T, b *hostileBed) {
	for _, request := range []string{b.post(b.form()), b.oep(b.flow()), b.multi(envelopePart(b.form()), filePart("a.txt", "hej"))} {
		first := b.send(t, request)
		b.expect(first.id(t), "COMPLETED")
		again := b.send(t, request)
		if again.id(t) != first.id(t) || again.Header.Get("Idempotent-Replayed") != "true" || first.Header.Get("Idempotent-Replayed") != "" {
			t.Errorf("sent again: %v", again.Header)
		}
		b.replays[request] = first.Header.Get("Location")
	}
}

func otherContent(t *testing.T, b *hostileBed) {
	key, source := b.key(), fmt.Sprintf(`source={"system":"portal","id":"%d","version":"1"}`, b.next())
	post := func(key string, changes ...string) *hostileAnswer {
		return b.send(t, call("POST", "/v1/submissions", b.form(changes...), b.as("portalen"), isJSON, key))
	}
	b.expect(post(key, source).id(t), "COMPLETED")
	post(key, source, `answers={"text":"another"}`).is(t, "422 idempotency-key-reused", "")
	post(key).is(t, "422 idempotency-key-reused", "")
	post(b.key(), source, `answers={"text":"another"}`).is(t, "422 idempotency-key-reused", "")
	form := b.flow()
	b.expect(b.send(t, b.oep(form)).id(t), "COMPLETED")
	b.send(t, b.oep(strings.Replace(form, "Åke", "Eva", 1))).is(t, "422 idempotency-key-reused", "")
}

// rewritten: the same form is the same whatever its boundary, and the order of its
// names.
func rewritten(t *testing.T, b *hostileBed) {
	key, n := b.key(), b.next()
	one := fmt.Sprintf(`{"municipality":"1080","service":"fri","source":{"system":"portal","id":"%d"},"answers":{"a":1,"text":"å"}}`, n)
	two := fmt.Sprintf(`{ "answers": {"text":"\u00e5", "a":1}, "source":{"id":"%d","system":"portal"},"service":"fri","municipality":"1080"}`, n)
	post := func(body, boundary string) *hostileAnswer {
		body = strings.ReplaceAll(multipart(envelopePart(body), filePart("a.txt", "hej")), "--grans", "--"+boundary)
		return b.send(t, call("POST", "/v1/submissions", body, b.as("portalen"), key, "Content-Type: multipart/form-data; boundary="+boundary))
	}
	first, second := post(one, "grans"), post(two, "annan")
	if first.id(t) != second.id(t) || second.Header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("one form in two ways became %s and %s", first.id(t), second.id(t))
	}
	b.expect(first.id(t), "COMPLETED")
}

// hundred sends the same form a hundred times at once: one is new.
func (b *hostileBed) hundred(t *testing.T, request func() string) {
	t.Helper()
	var all sync.WaitGroup
	var mu sync.Mutex
	fresh, places := 0, map[string]bool{}
	for range 100 {
		all.Go(func() {
			a := b.send(t, request())
			mu.Lock()
			defer mu.Unlock()
			switch {
			case a.StatusCode == http.StatusConflict && a.Header.Get("Retry-After") != "":
			case a.StatusCode != http.StatusAccepted:
				t.Errorf("%d %s", a.StatusCode, a.body)
			default:
				places[a.Header.Get("Location")] = true
				if a.Header.Get("Idempotent-Replayed") == "" {
					fresh++
				}
			}
		})
	}
	all.Wait()
	if fresh != 1 || len(places) != 1 {
		t.Errorf("a hundred became %d new in %d places", fresh, len(places))
	}
}

func anothersKey(t *testing.T, b *hostileBed) {
	key := b.key()
	first := b.send(t, call("POST", "/v1/submissions", b.form(), b.as("portalen"), isJSON, key))
	second := b.send(t, call("POST", "/v1/submissions", b.form(), b.as("smal"), isJSON, key))
	if first.id(t) == second.id(t) || second.Header.Get("Idempotent-Replayed") != "" {
		t.Errorf("another client's key is taken for ours: %v", second.Header)
	}
}
