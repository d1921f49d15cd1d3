package web_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/web"
)

// unreached is a Store that at times cannot be reached.
type unreached struct {
	hub.Store
	gone atomic.Bool
}

func (u *unreached) err() error {
	if u.gone.Load() {
		return hub.ErrUnreachable
	}
	return nil
}

func (u *unreached) Durability(ctx context.Context) string {
	if u.gone.Load() {
		return hub.Unreachable
	}
	return u.Store.Durability(ctx)
}

func (u *unreached) List(ctx context.Context, v hub.Viewer, f hub.Filter) ([]hub.Line, error) {
	if err := u.err(); err != nil {
		return nil, err
	}
	return u.Store.List(ctx, v, f)
}

func (u *unreached) Statuses(ctx context.Context, v hub.Viewer, c hub.CaseID, after uint64, limit int) ([]hub.Status, error) {
	if err := u.err(); err != nil {
		return nil, err
	}
	return u.Store.Statuses(ctx, v, c, after, limit)
}

func (u *unreached) Receive(ctx context.Context, a hub.Arrival) (hub.Received, error) {
	if err := u.err(); err != nil {
		return hub.Received{}, err
	}
	return u.Store.Receive(ctx, a)
}

func (u *unreached) Session(ctx context.Context, id [32]byte) (hub.Session, error) {
	if err := u.err(); err != nil {
		return hub.Session{}, err
	}
	return u.Store.Session(ctx, id)
}

// TestTheStoreCannotBeReached: who calls meanwhile is asked to come back, nobody is told that
// something is received, and a stream that stands open goes on afterwards without a gap.
func TestTheStoreCannotBeReached(t *testing.T) {
	b := newBed(t)
	b.diarium.say(hub.Later(errors.New("closed"), time.Hour))
	r := b.submit(t, "1")
	f := b.follow(t, r.ID, "")
	f.step()
	store := b.store.(*unreached)
	store.gone.Store(true)
	for _, call := range []struct{ name, method, path, body, who string }{
		{"a form", "POST", "/v1/submissions", form("2"), bearer(portalToken)},
		{"a list", "GET", "/v1/submissions", "", bearer(portalToken)},
	} {
		a := ask(t, b.public, call.method, call.path, call.body, call.who, jsonBody, "Idempotency-Key: unreached-1")
		if a.status != 503 || slugIn(a) != "unavailable" || a.header.Get("Retry-After") == "" {
			t.Errorf("%s: %d %s", call.name, a.status, a.body)
		}
	}
	if a := ask(t, b.operator, "GET", "/readyz", ""); a.status != 503 || !strings.Contains(a.body, hub.Unreachable) {
		t.Errorf("readyz: %d %s", a.status, a.body)
	}
	if a := ask(t, b.operator, "GET", "/healthz", ""); a.status != 200 {
		t.Errorf("healthz, which has no need of the store: %d", a.status)
	}
	if strings.Contains(b.log.String(), "call failed") {
		t.Error("each call that fails so is a line in the log")
	}
	late := b.follow(t, r.ID, "")
	store.gone.Store(false)
	b.report(t, r, hub.UnderHandlaggning)
	if step, _ := f.step(); step != "under-handlaggning" {
		t.Errorf("the stream goes on with %s", step)
	}
	for _, want := range []string{"inkommet", "under-handlaggning"} {
		if step, _ := late.step(); step != want {
			t.Errorf("the stream that was opened meanwhile tells %s, want %s", step, want)
		}
	}
}

// neighbour is the Store of a second process, for tests: the first one takes over for both.
type neighbour struct{ hub.Store }

func (neighbour) Recover(context.Context, string, time.Time) (int, error) { return 0, nil }

// beside begins a second process on the same Store.
func (b *bed) beside(t testing.TB) *web.Server {
	t.Helper()
	made, shown := b.made, b.shown
	made.Store = neighbour{made.Store}
	shown.Hub = hub.New(made)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { shown.Hub.Run(ctx); close(ended) }()
	other := web.New(shown)
	t.Cleanup(func() { other.EndStreams(); cancel(); <-ended })
	return other
}

// inTurn has calls answered by one after the other, as a load balancer does that remembers nobody.
func inTurn(all ...http.Handler) http.Handler {
	var n atomic.Int64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		all[int(n.Add(1))%len(all)].ServeHTTP(w, r)
	})
}

// TestTwoProcessesLogIn: each step of a login comes to another process than the one before it, and
// so does each page; who logs out is logged out at both.
func TestTwoProcessesLogIn(t *testing.T) {
	w := newTown(t)
	both := inTurn(w.web.Public(), w.beside(t).Public())
	w.serving.Store(&both)
	w.send(t, "first", canary)
	for range 2 { // begun at the one, and at the other
		she := w.visitor(t)
		she.mustLogIn(elin)
		for range 4 {
			if status, n := she.cases(); status != 200 || n != 1 {
				t.Errorf("her cases: %d, %d of them", status, n)
			}
		}
		if a := she.visit("POST", "/logout", "", "Sec-Fetch-Site: same-origin", "Origin: "+w.pages.URL); a.status >= 400 {
			t.Fatalf("logged out: %d %s", a.status, a.body)
		}
		she.mustBeOut("logged out at one of them")
		she.mustBeOut("logged out at one of them, asked at the other")
		she.get("/mina-arenden") // one more call, so that the next login begins at the other
	}
}

// TestTwoProcessesAreOne: what was posted to the one is known at the other under the same key,
// and a stream goes on there where it broke off.
func TestTwoProcessesAreOne(t *testing.T) {
	b := newBed(t)
	b.diarium.say(hub.Later(errors.New("closed"), time.Second))
	first := b.submit(t, "1")
	f := b.follow(t, first.ID, "")
	_, seen := f.step()
	f.resp.Body.Close()
	other := b.beside(t)
	b.public, b.operator = serve(t, other.Public(), other), serve(t, other.Operator(http.NotFoundHandler()), other)
	if again := b.submit(t, "1"); again != first {
		t.Errorf("posted again it is %+v, and was %+v", again, first)
	}
	on := b.follow(t, first.ID, seen)
	b.diarium.say(nil)
	if step, _ := on.step(); step != "registrerat" {
		t.Errorf("the stream goes on with %s", step)
	}
}
