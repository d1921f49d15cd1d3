package web_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// tallyOf is a tally of today as Karlskrona's portal posts it; each change is
// "name=JSON" and replaces or adds a member, or, without a value, leaves it out.
func tallyOf(changes ...string) string {
	return members(map[string]string{
		"municipality": `"1080"`, "source": `"portal"`, "service": `"altan"`, "day": `"` + string(today()) + `"`,
		"sent": "2", "ids": `["1","2"]`,
	}, changes...)
}

func members(given map[string]string, changes ...string) string {
	for _, c := range changes {
		name, value, _ := strings.Cut(c, "=")
		if delete(given, name); value != "" {
			given[name] = value
		}
	}
	var all []string
	for name, value := range given {
		all = append(all, `"`+name+`":`+value)
	}
	return "{" + strings.Join(all, ",") + "}"
}

func today() hub.Date { return hub.DayOf(time.Now()) }

func (b *bed) tally(t *testing.T, body, token string) answer {
	t.Helper()
	return ask(t, b.public, "POST", "/v1/tallies", body, bearer(token), jsonBody)
}

// TestTally: a platform is told at once what is missing, and what is said again takes the
// place of what was said before.
func TestTally(t *testing.T) {
	b := newBed(t)
	b.submit(t, "1")
	for _, test := range []struct{ name, body, want string }{
		{"one is missing", tallyOf(), `{"received":1,"missing":1,"ids":["2"]}`},
		{"a number alone", tallyOf("ids=", "sent=3"), `{"received":1,"missing":2,"ids":[]}`},
		{"all is here", tallyOf(`ids=["1"]`, "sent=1"), `{"received":1,"missing":0,"ids":[]}`},
		{"nothing was sent", tallyOf("ids=[]", "sent=0"), `{"received":0,"missing":0,"ids":[]}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			for range 2 {
				if a := b.tally(t, test.body, portalToken); a.status != http.StatusOK || strings.TrimSpace(a.body) != test.want {
					t.Errorf("%d %s, want %s", a.status, a.body, test.want)
				}
			}
		})
	}
	tallies, err := b.store.Tallies(t.Context(), hub.AsHub(), today(), today())
	if err != nil || len(tallies) != 1 || tallies[0].Sent != 0 || tallies[0].By != "portal" {
		t.Errorf("%+v, %v", tallies, err)
	}
}

// TestATallyOfASharedPlatform: a form that is another municipality's is here, to who may see
// both, and is missing to who may not.
func TestATallyOfASharedPlatform(t *testing.T) {
	b := newBed(t)
	for i, m := range []string{"1080", "1285"} {
		a := ask(t, b.public, "POST", "/v1/sources/oep", fmt.Sprintf("<form %s 701 ref-%d 1>", m, i), bearer(oepToken), "Content-Type: application/xml")
		if a.status != http.StatusAccepted {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	said := tallyOf(`source="oep"`, `service="701"`, `ids=["ref-0","ref-1"]`)
	if a := b.tally(t, said, oepToken); strings.TrimSpace(a.body) != `{"received":2,"missing":0,"ids":[]}` {
		t.Errorf("who may see both is told %s", a.body)
	}
	if a := b.tally(t, said, portalToken); strings.TrimSpace(a.body) != `{"received":1,"missing":1,"ids":["ref-1"]}` {
		t.Errorf("who may see one is told %s", a.body)
	}
	balances, err := b.hub.Reconciliation(t.Context(), today(), today())
	if err != nil || len(balances) != 2 {
		t.Fatalf("%+v, %v", balances, err)
	}
	for _, of := range balances {
		if of.Sent != 1 || of.Begun != 1 || of.Count(hub.NotReceived) != 0 || of.Unexplained != 0 {
			t.Errorf("%+v", of)
		}
	}
}

// TestTalliesThatAreRefused: every field that is wrong is pointed at, and nothing is stored.
func TestTalliesThatAreRefused(t *testing.T) {
	b := newBed(t)
	tomorrow, _, _ := today().Bounds()
	for _, test := range []struct {
		name, body, token string
		status            int
		want              []string
	}{
		{"everything is missing", `{}`, portalToken, 422, []string{"/municipality", "/source", "/service", "/day", "/sent"}},
		{"unknown member", tallyOf("handled=1"), portalToken, 422, []string{"unknown-property"}},
		{"a day that is none", tallyOf(`day="2026-02-30"`), portalToken, 422, []string{"/day", "date"}},
		{"a day that is to come", tallyOf(`day="` + string(hub.DayOf(tomorrow.AddDate(0, 0, 2))) + `"`), portalToken, 422, []string{"/day", "out-of-range"}},
		{"too long ago", tallyOf(`day="2001-01-01"`), portalToken, 422, []string{"/day", "out-of-range"}},
		{"less than nothing", tallyOf("sent=-1"), portalToken, 422, []string{"/sent", "out-of-range"}},
		{"another number than references", tallyOf("sent=3"), portalToken, 422, []string{"/ids", "count"}},
		{"the same twice", tallyOf(`ids=["1","1"]`), portalToken, 422, []string{"/ids/1", "repeated"}},
		{"an empty reference", tallyOf(`ids=["1",""]`), portalToken, 422, []string{"/ids/1", "required"}},
		{"a long reference", tallyOf(`ids=["1","` + strings.Repeat("x", 201) + `"]`), portalToken, 422, []string{"/ids/1", "too-long"}},
		{"too many references", tallyOf("sent=10001", "ids=["+strings.Repeat(`"x",`, 10_000)+`"x"]`), portalToken, 422, []string{"/ids", "too-many"}},
		{"unknown system", tallyOf(`source="platform"`), portalToken, 422, []string{"/source"}},
		{"another municipality", tallyOf(`municipality="1285"`), portalToken, 403, []string{"municipality-mismatch"}},
		{"another e-service", tallyOf(`municipality="1285"`), eslovToken, 403, []string{"forbidden-scope"}},
		{"nobody", tallyOf(), ghostToken, 401, []string{"unauthorized"}},
		{"not JSON", "sent=2", portalToken, 400, []string{"malformed-json"}},
		{"too large", tallyOf(`service="` + strings.Repeat("x", 3<<20) + `"`), portalToken, 413, []string{"payload-too-large"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := b.tally(t, test.body, test.token)
			if a.status != test.status {
				t.Errorf("%d %s, want %d", a.status, a.body, test.status)
			}
			for _, want := range test.want {
				if !strings.Contains(a.body, want) {
					t.Errorf("nothing says %s: %s", want, a.body)
				}
			}
		})
	}
	if tallies, err := b.store.Tallies(t.Context(), hub.AsHub(), "2000-01-01", today()); err != nil || len(tallies) != 0 {
		t.Errorf("%+v, %v", tallies, err)
	}
}

// A ledger counts what citizens sent in, as it is told to.
type ledger struct {
	mu   sync.Mutex
	sent []hub.Sent
	err  error
}

func (l *ledger) say(err error, ids ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent, l.err = nil, err
	for _, id := range ids {
		l.sent = append(l.sent, hub.Sent{ID: id, At: time.Now()})
	}
}

func (l *ledger) Sent(context.Context, string, time.Time, time.Time) ([]hub.Sent, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sent, l.err
}

// reconciled is what the operators' API answers.
type reconciled struct {
	Day      hub.Date
	Balances []struct {
		hub.Balance
		Title  string
		Closed bool
	}
}

// TestReconciliation: each form that is not where it should be is named on the page, with
// whose it is, and in numbers; and with all in its place the day is closed.
func TestReconciliation(t *testing.T) {
	b := makeBed(t)
	platform := &ledger{}
	b.counter = platform
	b.start(t)
	delivered := b.submit(t, "1")
	b.await(t, delivered.Case, hub.Registrerat)
	b.diarium.say(hub.Reject(errors.New("HTTP status 422")))
	refused := b.submit(t, "2")
	unknown := b.submit(t, "3", `service="nobody-knows"`)
	awaitPage(t, b, "Ingen väg är beskriven")
	awaitPage(t, b, refused.ID)
	platform.say(nil, "1", "2", "lost-form-17", "198810032386")
	var got reconciled
	day := fmt.Sprintf(`{"day":"%s"}`, today())
	decode(t, ask(t, b.operator, "POST", "/v1/reconciliation", day, registrator, jsonBody), &got)
	if len(got.Balances) != 2 || got.Day != today() {
		t.Fatalf("%+v", got)
	}
	altan := got.Balances[0]
	if !altan.Told || altan.Sent != 4 || altan.Received != 2 || altan.Unexplained != 0 || altan.Closed || altan.Title != "Bygglov för <altan>, Karlskrona kommun" {
		t.Errorf("%+v", altan)
	}
	if altan.Count(hub.NotReceived) != 2 || altan.Count(hub.Resting) != 1 || len(altan.Legs) != 1 || altan.Legs[0].Accepted != 1 {
		t.Errorf("%+v", altan)
	}
	page := ask(t, b.operator, "GET", "/console/avstamning", "").body
	for _, want := range []string{
		"Bygglov för &lt;altan&gt;, Karlskrona kommun", "2 inte mottagna, 2 att göra något åt", "4 formulär", "lost-form-17",
		"Vilar hos en människa, diarium (Karlskrona kommun): ", "/console/cases/" + refused.Case, "/console/cases/" + unknown.Case,
		"Diarium (Karlskrona kommun): 1 kvitterat av 2", "Den som förvaltar ", "kan vara ett personnummer", "Fråga plattformarna igen", "inget kom in",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("nothing says %q", want)
		}
	}
	if strings.Contains(page, "198810032386") {
		t.Error("a personnummer is on the page")
	}
	checkSilent(t, page)
	if other := ask(t, b.operator, "GET", "/console/avstamning", "", eslovare).body; strings.Contains(other, "altan") || strings.Contains(other, "lost-form-17") {
		t.Error("another municipality sees it")
	}
	decode(t, ask(t, b.operator, "GET", "/v1/reconciliation", "", eslovare), &got)
	if len(got.Balances) != 0 {
		t.Errorf("another municipality is told %+v", got)
	}
}

// TestAClosedDay: with everything in its place there is nothing to do, and the page says so.
func TestAClosedDay(t *testing.T) {
	b := newBed(t)
	r := b.submit(t, "1")
	b.await(t, r.Case, hub.Registrerat)
	b.tally(t, tallyOf(`ids=["1"]`, "sent=1"), portalToken)
	var got reconciled
	decode(t, ask(t, b.operator, "GET", "/v1/reconciliation?day="+string(today()), "", gruppledare), &got)
	if len(got.Balances) != 1 || !got.Balances[0].Closed || got.Balances[0].Sent != 1 || got.Balances[0].Legs[0].Accepted != 1 {
		t.Errorf("%+v", got)
	}
	if page := ask(t, b.operator, "GET", "/console/avstamning", "").body; !strings.Contains(page, "allt stämmer, 1 formulär") || strings.Contains(page, `<details class="day open"`) {
		t.Error("the day is not closed")
	}
}

// TestAskingAgain: who asks the platforms is told when they do not answer.
func TestAskingAgain(t *testing.T) {
	b := makeBed(t)
	platform := &ledger{}
	b.counter = platform
	b.start(t)
	const posted = "Content-Type: application/x-www-form-urlencoded"
	on := func(day string) answer {
		return askOnce(t, b, "/recount", "day="+day, registrator, posted)
	}
	if a := on(string(today())); a.status != 303 || a.header.Get("Location") != "/console/avstamning?said=counted" {
		t.Errorf("%d %s", a.status, a.header.Get("Location"))
	}
	platform.say(hub.Unavailable(errors.New("nobody answers"), hub.Down))
	if a := on(string(today())); a.header.Get("Location") != "/console/avstamning?said=not-counted" {
		t.Errorf("%d %s", a.status, a.header.Get("Location"))
	}
	if page := ask(t, b.operator, "GET", "/console/avstamning?said=not-counted", "").body; !strings.Contains(page, "Ingen plattform svarade") {
		t.Error("nothing says that nobody answered")
	}
	if a := ask(t, b.operator, "POST", "/v1/reconciliation", fmt.Sprintf(`{"day":"%s"}`, today()), registrator, jsonBody); a.status != 503 || !strings.Contains(a.body, "no-answer") {
		t.Errorf("%d %s", a.status, a.body)
	}
	for name, a := range map[string]answer{
		"no day": on("2026-02-30"), "to come": on("2999-01-01"),
		"in a query": ask(t, b.operator, "GET", "/v1/reconciliation?day=2999-01-01", "", registrator),
		"another":    ask(t, b.operator, "GET", "/v1/reconciliation?month=1", "", registrator),
	} {
		if a.status != 422 && a.status != 400 {
			t.Errorf("%s: %d", name, a.status)
		}
	}
	for _, a := range []answer{
		askOnce(t, b, "/recount", "day="+string(today()), posted), ask(t, b.operator, "GET", "/v1/reconciliation", ""),
	} {
		if a.status != 401 {
			t.Errorf("somebody who has not said who she is: %d", a.status)
		}
	}
}

// askOnce posts a page's form and follows nowhere.
func askOnce(t *testing.T, b *bed, path, body string, headers ...string) answer {
	t.Helper()
	client := b.operator.Client()
	before := client.CheckRedirect
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	defer func() { client.CheckRedirect = before }()
	return ask(t, b.operator, "POST", path, body, headers...)
}
