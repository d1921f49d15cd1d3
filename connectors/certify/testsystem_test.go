package certify_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/certify"
	"github.com/knutpunkt/knutpunkt/connectors/connectortest"
	"github.com/knutpunkt/knutpunkt/hub"
)

// TestTestSystems tries connectors, with a mistake or none, against a system that is really there.
func TestTestSystems(t *testing.T) {
	for _, c := range []struct {
		flaw      flaw
		operation string
		name      string // of the case that finds it; "" for none
	}{
		{none, "arende", ""},
		{none, "handlingar", ""},
		{none, "anteckning", "yes"}, // it is blind: there is nothing to prove
		{newKey, "arende", "yes"},
		{neverFinds, "arende", "yes"},
		{sharesState, "arende", "yes"},
		{hidesLag, "handlingar", "yes"},
		{downIsDoubt, "arende", "not there"},
		{lossIsLater, "arende", "don't know"},
		{boasts, "handlingar", "sent twice"},
		{anyKey, "arende", "answers twice"},
		{missesNumber, "arende", "yes"},
		{repeatsNumber, "arende", "yes"},
		{missesNumber, "handlingar", "yes"},
	} {
		t.Run(string(c.flaw)+" "+c.operation, func(t *testing.T) {
			t.Parallel()
			system, told := testSystem(t, c.flaw, c.operation)
			level, findings := certify.Try(t.Context(), system)
			found := slices.ContainsFunc(findings, func(f certify.Finding) bool { return f.Case == c.name })
			if c.name != "" && (!found || level != "") || c.name == "" && (len(findings) > 0 || level == "") {
				t.Errorf("the level is %q; not found by %q; these were:\n%v", level, c.name, findings)
			}
			for _, a := range told.diarium.cases {
				if !slices.Contains(told.made, a.Number) && !slices.ContainsFunc(told.unread, a.isOf) {
					t.Errorf("%s is made under %s, and nobody is told: made are %v, unread %v", a.Number, a.Key, told.made, told.unread)
				}
			}
		})
	}
}

// isOf reports whether a case was made under a Key, or under what a connector has made of it.
func (a *arende) isOf(key hub.Key) bool { return strings.HasPrefix(a.Key, string(key)) }

// A telling is what whoever lends a diarium for trying is told of it.
type telling struct {
	diarium *fake
	made    []string  // numbers
	unread  []hub.Key // of which no number could be read
}

// testSystem is the diarium of fake_test.go at an address, where time passes only while the kit waits.
func testSystem(t *testing.T, f flaw, operation string) (certify.TestSystem, *telling) {
	var mu sync.Mutex
	diarium := lateFake().(*fake)
	told := &telling{diarium: diarium}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		diarium.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	c := diariumWith(f, "destination "+operation)
	keys := 0
	return certify.TestSystem{
		Open: func(between func(http.RoundTripper) http.RoundTripper) (hub.System, error) {
			client := &http.Client{Transport: between(server.Client().Transport)}
			return c.Open(t.Context(), hub.Env{ID: "karlskrona.diarium", HTTP: client, Reads: client, Clock: time.Now}, func(into any) error {
				*into.(*config) = config{URL: server.URL, Token: hub.NewSecret(connectortest.Secret)}
				return nil
			})
		},
		Operation: operation,
		Key:       func() hub.Key { keys++; return hub.Key(fmt.Sprint("01JNTRY-", keys)) },
		Delivery: func(key hub.Key) (hub.Delivery, error) {
			d := hub.Delivery{Key: key, Operation: operation, Document: hub.NewDocument("application/json", []byte("{}"))}
			if operation == "handlingar" {
				d.Files = []hub.File{certify.File("ritning.pdf", "application/pdf", "%PDF")}
			}
			return d, nil
		},
		Wait: func(_ context.Context, lag time.Duration) error {
			mu.Lock()
			defer mu.Unlock()
			diarium.Pass(lag)
			return nil
		},
		Made:   func(_ hub.Key, number string) { told.made = append(told.made, number) },
		Unread: func(key hub.Key) { told.unread = append(told.unread, key) },
	}, told
}
