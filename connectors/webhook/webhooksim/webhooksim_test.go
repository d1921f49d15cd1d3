package webhooksim_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/webhook/webhooksim"
)

var noon = time.Date(2026, 3, 2, 11, 0, 0, 0, time.UTC)

const key = "en nyckel som är lång nog att skriva under med"

func open(t *testing.T, dir string) *webhooksim.Sim {
	t.Helper()
	sim, err := webhooksim.New(webhooksim.Options{
		Dir: dir, Clock: func() time.Time { return noon },
		Secrets: []string{"whsec_" + base64.StdEncoding.EncodeToString([]byte(key))},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sim.Close() })
	return sim
}

const good = `{"type":"status","timestamp":"2026-03-02T11:00:00Z","data":{"case":"c","submission":"s","step":"beslutat"}}`

// post signs a webhook and sends it.
func post(sim http.Handler, id string, at time.Time, key, body string) int {
	mac := hmac.New(sha256.New, []byte(key))
	fmt.Fprintf(mac, "%s.%d.%s", id, at.Unix(), body)
	req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	req.Header.Set("webhook-id", id)
	req.Header.Set("webhook-timestamp", fmt.Sprint(at.Unix()))
	req.Header.Set("webhook-signature", "v1a,x v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	w := httptest.NewRecorder()
	sim.ServeHTTP(w, req)
	return w.Code
}

func TestWhatItBelieves(t *testing.T) {
	for _, c := range []struct {
		name, key, body string
		at              time.Time
		status          int
	}{
		{"signed now", key, good, noon, 204},
		{"signed a little before", key, good, noon.Add(-4 * time.Minute), 204},
		{"signed long ago", key, good, noon.Add(-6 * time.Minute), 401},
		{"signed in time to come", key, good, noon.Add(6 * time.Minute), 401},
		{"signed by somebody else", "en annan nyckel", good, noon, 401},
		{"nothing in it", key, "{}", noon, 422},
		{"a name twice", key, strings.Replace(good, `"type"`, `"type":"a","type"`, 1), noon, 422},
		{"too long", key, good + strings.Repeat(" ", 20<<10), noon, 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			sim := open(t, "")
			if status := post(sim, "m1", c.at, c.key, c.body); status != c.status || sim.Heard() == 1 != (status == 204) {
				t.Errorf("status %d and not %d, and %d heard", status, c.status, sim.Heard())
			}
		})
	}
}

// TestItRemembers what it heard before it was closed.
func TestItRemembers(t *testing.T) {
	dir := t.TempDir()
	sim := open(t, dir)
	post(sim, "m1", noon, key, good)
	sim.Close()
	again := open(t, dir)
	post(again, "m1", noon, key, good)
	post(again, "m2", noon, key, good)
	heard := again.Ledger()
	if len(heard) != 3 || heard[0].Repeat || !heard[1].Repeat || heard[2].Repeat || again.Heard() != 2 {
		t.Errorf("it remembers %+v", heard)
	}
}
