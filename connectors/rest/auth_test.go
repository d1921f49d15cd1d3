package rest_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A guard gives tokens and lets the last one in.
type guard struct {
	given, let atomic.Int32
	lasts      int              // seconds; 0: it does not say
	gives      http.HandlerFunc // instead of a token
	shuts      atomic.Bool      // lets nobody in
}

func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/token" && g.gives != nil:
		g.gives(w, r)
	case r.URL.Path == "/token":
		user, secret, _ := r.BasicAuth()
		if r.FormValue("grant_type") != "client_credentials" || user != "knut" || secret != "nyckel" || r.FormValue("scope") != "write read" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":"t%d","token_type":"Bearer","expires_in":%d}`, g.given.Add(1), g.lasts)
	case g.shuts.Load() || r.Header.Get("Authorization") != fmt.Sprintf("Bearer t%d", g.given.Load()):
		w.WriteHeader(http.StatusUnauthorized)
	default:
		io.Copy(io.Discard, r.Body)
		g.let.Add(1)
		io.WriteString(w, `{"number":"ÄR 1","id":"c1","reference":"`+strings.TrimPrefix(r.URL.RawQuery, "reference=")+`"}`)
	}
}

const oauth2Config = `
oauth2: { url: https://arende.example/api/token, client: knut, secret: env:TOKEN, scopes: [write, read] }
`

func TestToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &guard{lasts: 600}
		tw := &town{t: t, system: opened(t, serve(t, g), oauth2Config+levels[hub.Blind])}
		must := func(given int32, why string) {
			t.Helper()
			if _, err := tw.deliver(aDelivery("01JH-arende", 1)); err != nil || g.given.Load() != given {
				t.Errorf("%d tokens were given, want %d: %s; %v", g.given.Load(), given, why, err)
			}
		}
		must(1, "there was none")
		must(1, "it is kept")
		time.Sleep(9*time.Minute + time.Second)
		must(2, "it is near its end")
		g.given.Add(1)
		must(4, "it was taken back: 401, and fetched anew")
		g.shuts.Store(true)
		r, err := tw.deliver(aDelivery("01JH-arende", 1))
		if a, cause := answerOf(r, err); a != hub.NotNow || cause != hub.Credentials || g.given.Load() != 5 {
			t.Errorf("%s (%s) after %d tokens, want a new one tried once: %v", a, cause, g.given.Load(), err)
		}
		tw.wantSilence()
	})
}

// TestOneToken: many deliveries at the same time need one token.
func TestOneToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &guard{}
		tw := &town{t: t, system: opened(t, serve(t, g), oauth2Config+levels[hub.Blind])}
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				if _, err := tw.system.Destination.Deliver(t.Context(), aDelivery(fmt.Sprint("01JH", i), 0)); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if g.given.Load() != 1 || g.let.Load() != 20 {
			t.Errorf("%d tokens, %d deliveries", g.given.Load(), g.let.Load())
		}
	})
}

// TestNoToken: without a token nothing of the delivery has left, whatever went wrong.
func TestNoToken(t *testing.T) {
	tests := []struct {
		name   string
		status int
		body   string
		cause  hub.Cause
		wait   time.Duration
	}{
		{"refused", 400, `{"error":"invalid_client","error_description":"nyckel Alva"}`, hub.Credentials, 0},
		{"not let in", 401, `nyckel`, hub.Credentials, 0},
		{"refused with 200", 200, `{"error":"invalid_client"}`, hub.Credentials, 0},
		{"moved", 302, ``, hub.AddressChanged, 0},
		{"not there", 404, ``, hub.AddressChanged, 0},
		{"busy", 503, ``, "", 7 * time.Second},
		{"broken", 500, `nyckel`, hub.Down, 0},
		{"login page", 200, `<html>nyckel</html>`, "", 0},
		{"no token in it", 200, `{}`, "", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &guard{gives: func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Retry-After", "7")
					if strings.HasPrefix(test.body, "{") {
						w.Header().Set("Content-Type", "application/json")
					}
					w.WriteHeader(test.status)
					io.WriteString(w, test.body)
				}}
				tw := &town{t: t, system: opened(t, serve(t, g), oauth2Config+levels[hub.Blind])}
				r, err := tw.deliver(aDelivery("01JH-arende", 0))
				if a, wait, cause := hub.AnswerOf(r, err); a != hub.NotNow || cause != test.cause || wait != test.wait || g.let.Load() > 0 {
					t.Errorf("%s (%s, %v), want not now (%s, %v): %v", a, cause, wait, test.cause, test.wait, err)
				}
				tw.wantSilence()
			})
		})
	}
}
