package meter

import (
	"net/http"

	"github.com/knutpunkt/knutpunkt/hub"
)

// Calls stands beside a system's way out: each request within a Stage says to what trace it
// belongs, and by what the system answers our clock is held against its.
func (m *Meter) Calls(id hub.SystemID) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper { return &calls{m, id, next} }
}

type calls struct {
	m    *Meter
	id   hub.SystemID
	next http.RoundTripper
}

func (c *calls) RoundTrip(req *http.Request) (*http.Response, error) {
	req, end := c.m.traces.requested(req, c.id)
	resp, err := c.next.RoundTrip(req)
	end(resp)
	if err == nil {
		if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
			c.m.clocks.hear(c.id, date, c.m.clock())
		}
	}
	return resp, err
}
