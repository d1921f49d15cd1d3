package web

import (
	"net/http"
	"strings"
	"testing"
)

// FuzzIdempotencyKey: a key that is taken is one of the contract's, and nobody's number.
func FuzzIdempotencyKey(f *testing.F) {
	for _, seed := range []string{"", "short", "nyckel-000001", `"nyckel-000001"`, `""`, "199001012385", "form:19900101-2385:1", "9001012385-x", "6f1c1b1e-1988-1003-2386-198810032386", "a\x00bcdefgh", strings.Repeat("k", 129)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, said string) {
		key, err := idempotencyKey(http.Header{"Idempotency-Key": {said}})
		switch {
		case err != nil && key != "":
			t.Fatal("a key beside an error")
		case err != nil:
			return
		case key != strings.Trim(said, `"`) || len(key) < 8 || len(key) > 128 || strings.ContainsAny(key, "\" \r\n\t\x00/\\"):
			t.Fatalf("%q is taken for %q", said, key)
		}
		for digits := range strings.FieldsFuncSeq(key, func(r rune) bool { return r < '0' || r > '9' }) {
			if !aUUID.MatchString(key) && isPerson(digits) {
				t.Fatalf("%q names somebody", key)
			}
		}
	})
}

// FuzzLastSeen: the place in a stream that a caller says is a place, or refused.
func FuzzLastSeen(f *testing.F) {
	for _, seed := range []string{"0", "17", "-1", "1e3", " 1", "99999999999999999999", "9223372036854775808", "017", "+1", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, said string) {
		seq, err := lastSeen(&http.Request{Header: http.Header{"Last-Event-Id": {said}}})
		if err == nil && (strings.Trim(said, "0123456789") != "" || seq > 1<<63-1) || err != nil && seq != 0 {
			t.Fatalf("%q is place %d: %v", said, seq, err)
		}
		if err != nil && problemOf(err).status != http.StatusBadRequest {
			t.Fatalf("%q is answered with %v", said, err)
		}
	})
}

// FuzzFilter: a list is asked for in the words of the contract, or not given.
func FuzzFilter(f *testing.F) {
	for _, seed := range []string{"", "limit=10", "limit=0", "limit=1000000", "state=held", "state=HELD", "after=01ARZ3NDEKTSV4RRFFQ69G5FAV", "after=../", "municipality=1285", "limit=1&limit=2", "%zz", "limit=%31", ";limit=1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		filter, err := filterOf(query)
		if err != nil {
			if p := problemOf(err); p.status != 400 && p.status != 422 || p.code == "" {
				t.Fatalf("answered with %d %s", p.status, p.code)
			}
			return
		}
		if filter.Limit < 1 || filter.Limit > mostList || filter.After != "" && !segments["{id}"].MatchString(string(filter.After)) {
			t.Fatalf("%q is taken for %+v", query, filter)
		}
	})
}

// FuzzPreferences: what a caller would rather have is read without harm, and what is
// refused is not among it.
func FuzzPreferences(f *testing.F) {
	for _, seed := range []string{"", "application/json", "text/html, */*;q=0.1", "application/json;q=0", "a;q=1e999", ";,;q=", "sv-SE, en;q=0.5", "*;q=NaN"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, said string) {
		h := http.Header{"Accept": {said}, "Accept-Language": {said}}
		if l := language(h); l != "sv" && l != "en" {
			t.Fatalf("the language is %q", l)
		}
		for _, name := range preferences(h, "Accept") {
			if name == "" || name != strings.TrimSpace(strings.ToLower(name)) {
				t.Fatalf("%q is preferred", name)
			}
		}
		if preferred := preferences(h, "Accept"); len(preferred) == 0 && !accepts(h, jsonType) {
			t.Fatal("who says nothing takes nothing")
		}
	})
}
