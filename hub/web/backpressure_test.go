package web_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"

	"github.com/knutpunkt/knutpunkt/hub"
)

// Who has as many forms on their way in as one client may have is asked to come back.
// What has come in goes on meanwhile, and so do the other clients.
func TestOneClientFillsOnlyItsOwnSeats(t *testing.T) {
	const seats = 256
	b := newBed(t)
	var bodies []*io.PipeWriter
	statuses, seated := make(chan int, seats), make(chan struct{}, seats)
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(int, textproto.MIMEHeader) error { seated <- struct{}{}; return nil },
	})
	for n := range seats { // each has said where it is going, and says no more
		from, to := io.Pipe()
		bodies = append(bodies, to)
		go func() {
			req, _ := http.NewRequestWithContext(ctx, "POST", b.public.URL+"/v1/submissions", from)
			req.Header.Set("Authorization", "Bearer "+portalToken)
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Expect", "100-continue") // which is answered to who has a seat
			req.Header.Set("Idempotency-Key", fmt.Sprintf("on-its-way-%d", n))
			resp, err := b.public.Client().Do(req)
			if err != nil {
				statuses <- 0
				return
			}
			resp.Body.Close()
			statuses <- resp.StatusCode
		}()
		io.WriteString(to, "{")
	}
	for range seats {
		<-seated
	}
	refused := b.json(t, "one-too-many", form("one-too-many"))
	if refused.status != 429 || refused.header.Get("Retry-After") == "" || problemIn(t, refused).Type != "/problems/rate-limited" {
		t.Errorf("one too many: %d %s", refused.status, refused.body)
	}
	if a := ask(t, b.public, "GET", "/v1/submissions", "", bearer(portalToken)); a.status != 200 {
		t.Errorf("the same client cannot read: %d", a.status)
	}
	other := ask(t, b.public, "POST", "/v1/sources/oep", "<form 1080 altan 1 1>", bearer(oepToken), xmlBody)
	if other.status != http.StatusAccepted {
		t.Errorf("another client is held back: %d %s", other.status, other.body)
	}
	for n, to := range bodies { // and now they come, one after the other
		io.WriteString(to, strings.TrimPrefix(form(fmt.Sprintf("on-its-way-%d", n)), "{"))
		to.Close()
	}
	for range seats {
		if status := <-statuses; status != http.StatusAccepted {
			t.Fatalf("a form that was on its way is answered with %d", status)
		}
	}
	r := b.submit(t, "one-too-many")
	b.await(t, r.ID, hub.Registrerat)
}
