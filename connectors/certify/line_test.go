package certify

import (
	"net/http"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/outbound"
)

// TestLentClientIsTheHubs holds the client that the kit lends against the one that the
// hub lends: a connector must meet the same errors in its test as at work.
func TestLentClientIsTheHubs(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(*line)
	}{
		{"all is well", func(*line) {}},
		{"a cut line", func(l *line) { l.inject(fault{0, cuts}) }},
		{"a redirect", func(l *line) { l.inject(fault{0, moves}) }},
		{"nobody there", func(l *line) { l.close() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, err := newLine(nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(l.close)
			grant, err := outbound.GrantFor(l.url)
			if err != nil {
				t.Fatal(err)
			}
			c.set(l)
			theirs := outbound.Open([]outbound.Grant{grant}, nil, time.Now).HTTP()
			if kit, hub := outcome(l.client(deliveries), l.url), outcome(theirs, l.url); kit != hub {
				t.Errorf("the kit's client gives %v, the hub's %v", kit, hub)
			}
		})
	}
}

type lentAnswer struct {
	status int
	answer hub.Answer
	cause  hub.Cause
}

func outcome(c *http.Client, url string) lentAnswer {
	resp, err := c.Post(url, "text/plain", nil)
	if err == nil {
		resp.Body.Close()
		return lentAnswer{status: resp.StatusCode}
	}
	a, _, cause := hub.AnswerOf(hub.Receipt{}, err)
	return lentAnswer{answer: a, cause: cause}
}
