package exercisesim_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/rest/exercisesim"
)

const report = `<Felanmalan xmlns="urn:felanmalan:1.0"><Referens>R-1</Referens><Inkommen>2026-03-02</Inkommen>` +
	`<Kategori>BELYSNING</Kategori><Plats>Storgatan 1</Plats><Beskrivning>Lampan är trasig</Beskrivning></Felanmalan>`

// A caller calls one exercise system, whose clock it holds.
type caller struct {
	t      *testing.T
	url    string
	sim    *exercisesim.Sim
	now    time.Time
	accept string
}

func newCaller(t *testing.T, dir string) *caller {
	t.Helper()
	c := &caller{t: t, now: time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)}
	var err error
	c.sim, err = exercisesim.New(exercisesim.Options{
		Dir: dir, Token: "hemligt", Pace: []time.Duration{time.Minute, time.Hour}, Clock: func() time.Time { return c.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(c.sim)
	t.Cleanup(func() { server.Close(); c.sim.Close() })
	c.url = server.URL
	return c
}

// call gives an answer's status and text; 0 when there was none.
func (c *caller) call(method, path, body string) (int, string) {
	c.t.Helper()
	req, err := http.NewRequest(method, c.url+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/xml; charset=utf-8")
	req.Header.Set("Authorization", "Bearer hemligt")
	req.Header.Set("Accept", c.accept)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, ""
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestAReportBecomesACase(t *testing.T) {
	c := newCaller(t, t.TempDir())
	status, answer := c.call("POST", "/api/arenden", report)
	if status != 201 || !strings.Contains(answer, `"nummer":"FEL-00001","referens":"R-1"`) {
		t.Errorf("it answers %d: %s", status, answer)
	}
	for after, word := range map[time.Duration]string{0: "Mottaget", time.Minute: "Planerat", 2 * time.Hour: "Åtgärdat"} {
		c.now = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC).Add(after)
		if _, answer := c.call("GET", "/api/arenden/FEL-00001", ""); !strings.Contains(answer, `"status":"`+word+`"`) {
			t.Errorf("after %v it says %s, want %s", after, answer, word)
		}
	}
	if _, answer := c.call("GET", "/api/arenden?referens=R-1", ""); strings.Count(answer, `"nummer"`) != 1 {
		t.Errorf("it finds %s", answer)
	}
	c.accept = "application/xml"
	if _, answer := c.call("GET", "/api/arenden?referens=R-1", ""); !strings.Contains(answer, "<svar><arende><nummer>FEL-00001</nummer>") {
		t.Errorf("in XML it finds %s", answer)
	}
	if _, page := c.call("GET", "/", ""); !strings.Contains(page, "FEL-00001  BELYSNING") {
		t.Errorf("people read %s", page)
	}
}

func TestWhatDoesNotFitIsRefused(t *testing.T) {
	c := newCaller(t, "")
	for why, body := range map[string]string{
		"no such category": strings.Replace(report, "BELYSNING", "LAMPA", 1),
		"too long":         strings.Replace(report, "Storgatan 1", strings.Repeat("a", 61), 1),
		"another schema":   strings.Replace(report, ":1.0", ":2.0", 1),
		"no XML":           "{}",
	} {
		if status, _ := c.call("POST", "/api/arenden", body); status != 422 {
			t.Errorf("%s: it answers %d", why, status)
		}
	}
	if n := len(c.sim.Ledger()); n != 0 {
		t.Errorf("it has taken %d", n)
	}
}

// TestMoods: in which of them it takes reports, and answers for them.
func TestMoods(t *testing.T) {
	for _, row := range []struct {
		mood   string
		status int
		taken  int
	}{{"uppe", 201, 1}, {"nere", 503, 0}, {"nekar", 422, 0}, {"tappar-svar", 0, 1}} {
		c := newCaller(t, "")
		if status, _ := c.call("PUT", "/ovning", row.mood); status != 200 {
			t.Fatalf("it cannot be %s", row.mood)
		}
		if status, _ := c.call("POST", "/api/arenden", report); status != row.status || len(c.sim.Ledger()) != row.taken {
			t.Errorf("%s: it answers %d and has taken %d", row.mood, status, len(c.sim.Ledger()))
		}
	}
	if status, _ := newCaller(t, "").call("PUT", "/ovning", "sur"); status != 400 {
		t.Errorf("a mood that there is none of gets %d", status)
	}
}

func TestItRemembers(t *testing.T) {
	dir := t.TempDir()
	c := newCaller(t, dir)
	c.call("POST", "/api/arenden", report)
	c.sim.Close()
	again := newCaller(t, dir)
	if _, answer := again.call("POST", "/api/arenden", report); !strings.Contains(answer, "FEL-00002") {
		t.Errorf("it goes on with %s", answer)
	}
}

func TestStrangersAreNotLetIn(t *testing.T) {
	c := newCaller(t, "")
	resp, err := http.Post(c.url+"/api/arenden", "application/xml", strings.NewReader(report))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("it answers %d", resp.StatusCode)
	}
}
