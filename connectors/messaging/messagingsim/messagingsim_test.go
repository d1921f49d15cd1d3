package messagingsim_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/messaging/messagingsim"
)

func open(t *testing.T, dir string) *messagingsim.Sim {
	t.Helper()
	sim, err := messagingsim.New(messagingsim.Options{
		Dir: dir, Clock: func() time.Time { return time.Unix(0, 0) }, Unknown: []string{"198707012392"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sim.Close() })
	return sim
}

func post(sim http.Handler, address, body string) (int, string) {
	w := httptest.NewRecorder()
	sim.ServeHTTP(w, httptest.NewRequest(http.MethodPost, address, strings.NewReader(body)))
	return w.Code, w.Body.String()
}

var party = messagingsim.PartyID("199001012385")

func message(more string) string {
	return `{"messages":[{"party":{"partyId":"` + party + `","externalReferences":[{"key":"a","value":"1"}]},"message":"hej"` + more + `}]}`
}

func TestWhatItTakes(t *testing.T) {
	for _, c := range []struct {
		name, body string
		status     int
	}{
		{"a message", message(""), 201},
		{"with senders", message(`,"sender":{"sms":{"name":"Åmåls komm."},"email":{"name":"Åmål","address":"a@b.se"}}`), 201},
		{"a long sender", message(`,"sender":{"sms":{"name":"Åmåls kommun"}}`), 400},
		{"a sender without an address", message(`,"sender":{"email":{"name":"Åmål"}}`), 400},
		{"an unknown field", message(`,"text":"hej"`), 400},
		{"no message", `{"messages":[]}`, 400},
		{"to a number", strings.Replace(message(""), party, "199001012385", 1), 400},
		{"a reference without a value", strings.Replace(message(""), `"1"`, `""`, 1), 400},
		{"no JSON", "hej", 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			sim := open(t, "")
			if status, _ := post(sim, "/messaging/1080/messages", c.body); status != c.status || sim.Sent() == 1 != (status == 201) {
				t.Errorf("status %d and not %d, and %d sent", status, c.status, sim.Sent())
			}
		})
	}
}

func TestWhomItKnows(t *testing.T) {
	status, text := post(open(t, ""), "/party/1080/PRIVATE/partyIds", `["199001012385","198707012392"]`)
	if want := `{"199001012385":"` + party + `"}`; status != 200 || strings.TrimSpace(text) != want {
		t.Errorf("it answers %d %s and not %s", status, text, want)
	}
	if status, _ := post(open(t, ""), "/party/1080/PRIVATE/partyIds", `["900101-2385"]`); status != 400 {
		t.Errorf("a number of ten digits is answered with %d", status)
	}
}

// TestItRemembers what it sent before it was closed.
func TestItRemembers(t *testing.T) {
	dir := t.TempDir()
	sim := open(t, dir)
	post(sim, "/messaging/1080/messages", message(""))
	sim.Close()
	again := open(t, dir)
	post(again, "/messaging/1080/messages", message(""))
	sent := again.Ledger()
	if len(sent) != 2 || sent[0].Repeat || !sent[1].Repeat || sent[0].Party != party || again.Sent() != 1 {
		t.Errorf("it remembers %+v", sent)
	}
}
