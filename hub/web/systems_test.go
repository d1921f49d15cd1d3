package web_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// toldSystem is a system as an operator is told of it.
type toldSystem struct {
	System, Name, Cause, Note, Uncollected, Text string
	Waiting, Cases                               int
	Pauses, Tells                                bool
	Paused                                       *struct{ By, Reason string }
}

// system gives a system as somebody is told of it, or nil.
func (b *bed) system(t testing.TB, id, who string) *toldSystem {
	t.Helper()
	var all struct{ Systems []toldSystem }
	decode(t, ask(t, b.operator, "GET", "/v1/systems", "", who), &all)
	for i := range all.Systems {
		if all.Systems[i].System == id {
			return &all.Systems[i]
		}
	}
	return nil
}

func (b *bed) pausing(t testing.TB, who, id string, paused bool, reason string) answer {
	t.Helper()
	body := fmt.Sprintf(`{"system":%q,"paused":%t,"reason":%q}`, id, paused, reason)
	return ask(t, b.operator, "POST", "/v1/pauses", body, who, jsonBody)
}

// TestAPausedSystem: what is for it waits and is one card, until somebody takes it up again;
// and who paused it is seen, also after a restart.
func TestAPausedSystem(t *testing.T) {
	const diarium, why = "karlskrona.diarium", "byte av server till klockan 15"
	b := newBed(t)
	if a := b.pausing(t, registrator, diarium, true, why); a.status != 200 || !strings.Contains(a.body, "Är pausat av registrator sedan ") {
		t.Fatalf("paused: %d %s", a.status, a.body)
	}
	if a := b.pausing(t, gruppledare, diarium, true, why); a.status != 409 || !strings.Contains(a.body, "redan pausat") {
		t.Errorf("paused twice: %d %s", a.status, a.body)
	}
	r := b.submit(t, "1")
	b.awaitState(t, r, r.ID+"-diarium", hub.Ready)
	b.stop()
	b.start(t)
	page := awaitPage(t, b, "Diarium (Karlskrona kommun) är pausat av registrator sedan ")
	if !strings.Contains(page, "1 ärende väntar") || !strings.Contains(page, "systems resume karlskrona.diarium") || strings.Contains(page, why) {
		t.Errorf("the card says %s", page)
	}
	st := b.system(t, diarium, registrator)
	if st == nil || st.Cause != "paused" || st.Note != "registrator" || st.Waiting != 1 || st.Cases != 1 || !st.Pauses || st.Tells ||
		st.Paused == nil || st.Paused.By != "registrator" || st.Paused.Reason != why {
		t.Errorf("she is told %+v", st)
	}
	if other := b.system(t, diarium, eslovare); other != nil {
		t.Errorf("another municipality is told %+v", other)
	}
	if b.diarium.taken != 0 {
		t.Error("it was called")
	}
	if a := b.pausing(t, gruppledare, diarium, false, "bytet är klart"); a.status != 200 || !strings.Contains(a.body, "I bruk.") {
		t.Errorf("taken up: %d %s", a.status, a.body)
	}
	b.await(t, r.Case, hub.Registrerat)
	if a := b.pausing(t, gruppledare, diarium, false, "bytet är klart"); a.status != 409 || !strings.Contains(a.body, "inte pausat") {
		t.Errorf("taken up twice: %d %s", a.status, a.body)
	}
	if strings.Contains(b.log.String(), why) || strings.Contains(b.log.String(), "bytet är klart") {
		t.Error("people's own words are in the log")
	}
}

// TestPausesThatAreRefused: each pauses what is for her municipalities, and says why.
func TestPausesThatAreRefused(t *testing.T) {
	b := newBed(t)
	for _, test := range []struct {
		name, who, body string
		status          int
		says            string
	}{
		{"nobody", "X-Nobody: 1", `{"system":"karlskrona.diarium","paused":true,"reason":"byte"}`, 401, "unknown-operator"},
		{"a client", bearer(portalToken), `{"system":"karlskrona.diarium","paused":true,"reason":"byte"}`, 401, "unknown-operator"},
		{"another municipality's", eslovare, `{"system":"karlskrona.diarium","paused":true,"reason":"byte"}`, 404, "not-found"},
		{"nothing there", registrator, `{"system":"karlskrona.faxen","paused":true,"reason":"byte"}`, 404, "not-found"},
		{"shared, by who has one", registrator, `{"system":"shared.oep","paused":true,"reason":"byte"}`, 422, "/system"},
		{"no system", registrator, `{"paused":true,"reason":"byte"}`, 422, "/system"},
		{"neither paused nor not", registrator, `{"system":"karlskrona.diarium","reason":"byte"}`, 422, "/paused"},
		{"no reason", registrator, `{"system":"karlskrona.diarium","paused":true}`, 422, "/reason"},
		{"a person", registrator, `{"system":"karlskrona.diarium","paused":true,"reason":"19881003-2386 ringde"}`, 422, "personal-number"},
		{"more than is known", registrator, `{"system":"karlskrona.diarium","paused":true,"reason":"byte","until":"kl 15"}`, 422, "unknown-property"},
		{"another site's page", registrator + "\nOrigin: https://evil.example", `{"system":"karlskrona.diarium","paused":true,"reason":"byte"}`, 403, "cross-origin"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := ask(t, b.operator, "POST", "/v1/pauses", test.body, append(strings.Split(test.who, "\n"), jsonBody)...)
			if a.status != test.status || !strings.Contains(a.body, test.says) {
				t.Errorf("%d %s, want %d %s", a.status, a.body, test.status, test.says)
			}
		})
	}
	if a := ask(t, b.operator, "GET", "/v1/systems", ""); a.status != 401 {
		t.Errorf("nobody reads the list: %d", a.status)
	}
	if a := b.pausing(t, gruppledare, "shared.oep", true, "byte"); a.status != 200 {
		t.Errorf("who has all municipalities pauses what is shared: %d %s", a.status, a.body)
	}
	if st := b.system(t, "karlskrona.diarium", registrator); st.Cause != "" {
		t.Errorf("something was paused all the same: %+v", st)
	}
}

// A listener is told, and remembers by which keys.
type listener struct {
	mu   sync.Mutex
	keys []hub.Key
	more chan struct{}
}

func (l *listener) Tell(_ context.Context, t hub.Telling) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keys = append(l.keys, t.Key)
	l.more <- struct{}{}
	return nil
}

// told waits for a number of tellings, and gives the keys of all.
func (l *listener) told(t testing.TB, n int) []hub.Key {
	t.Helper()
	for range n {
		select {
		case <-l.more:
		case <-t.Context().Done():
			t.Fatal("nothing more is told")
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(slices.Values(l.keys))
}

// told is a bed whose platform has been told of two cases.
func toldBed(t *testing.T) (*bed, *listener, []hub.Key) {
	b := makeBed(t)
	l := &listener{more: make(chan struct{}, 100)}
	b.teller = l
	b.start(t)
	for _, id := range []string{"1", "2"} {
		r := b.submit(t, id)
		b.await(t, r.Case, hub.Registrerat)
	}
	keys := l.told(t, 2)
	for _, k := range keys {
		id, _, _ := strings.Cut(string(k), "-")
		b.awaitState(t, receipt{Case: id}, string(k), hub.Delivered)
	}
	return b, l, keys
}

// TestRetellings: counted first, and then told again as it was told.
func TestRetellings(t *testing.T) {
	b, l, keys := toldBed(t)
	period := func(more string) string {
		return `{"system":"karlskrona.portal","from":"` + in(-time.Hour) + `"` + more + `}`
	}
	retell := func(who, body string) answer {
		return ask(t, b.operator, "POST", "/v1/retellings", body, who, jsonBody)
	}
	var counted struct {
		Until, Text                     string
		Tellings, Cases, Municipalities int
		Done                            bool
	}
	decode(t, retell(registrator, period("")), &counted)
	if counted.Done || counted.Tellings != 2 || counted.Cases != 2 || counted.Municipalities != 1 || counted.Text != "2 besked i 2 ärenden, 1 kommun" {
		t.Errorf("counted: %+v", counted)
	}
	for _, test := range []struct {
		name, who, body string
		status          int
		says            string
	}{
		{"another count", registrator, period(`,"expect":3`), 409, "count-conflict"},
		{"nobody", "X-Nobody: 1", period(""), 401, "unknown-operator"},
		{"another municipality's", eslovare, period(""), 404, "not-found"},
		{"a system that is not told", registrator, strings.Replace(period(""), "portal", "diarium", 1), 422, "not-told"},
		{"a system that writes to people", registrator, strings.Replace(period(""), "portal", "post", 1), 422, "writes-to-people"},
		{"no system", registrator, `{"from":"` + in(-time.Hour) + `"}`, 422, "/system"},
		{"no beginning", registrator, `{"system":"karlskrona.portal"}`, 422, "/from"},
		{"no time", registrator, `{"system":"karlskrona.portal","from":"i går"}`, 422, "/from"},
		{"what is to come", registrator, period(`,"until":"` + in(time.Hour) + `"`), 422, "/until"},
		{"an end before the beginning", registrator, period(`,"until":"` + in(-2*time.Hour) + `"`), 422, "/until"},
		{"more than is known", registrator, period(`,"force":true`), 422, "unknown-property"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if a := retell(test.who, test.body); a.status != test.status || !strings.Contains(a.body, test.says) {
				t.Errorf("%d %s, want %d %s", a.status, a.body, test.status, test.says)
			}
		})
	}
	same := period(`,"until":"` + counted.Until + `","expect":2`)
	if a := retell(registrator, same); a.status != 200 || !strings.Contains(a.body, `"done":true`) {
		t.Fatalf("told again: %d %s", a.status, a.body)
	}
	if got, want := l.told(t, 2), []hub.Key{keys[0], keys[0], keys[1], keys[1]}; !slices.Equal(got, want) {
		t.Errorf("told by the keys %v, want %v", got, want)
	}
	if a := retell(registrator, same); a.status != 409 {
		t.Errorf("the same again: %d %s", a.status, a.body)
	}
	id, _, _ := strings.Cut(string(keys[0]), "-")
	if page := ask(t, b.operator, "GET", "/console/cases/"+id, "").body; !strings.Contains(page, "Beskeden berättades igen") {
		t.Error("the case's page does not tell of it")
	}
}

// TestSystemsOnPages: the page alone is enough, without scripts, and it offers each what she
// may do.
func TestSystemsOnPages(t *testing.T) {
	b, l, _ := toldBed(t)
	const posted, html, path = "Content-Type: application/x-www-form-urlencoded", "Accept: text/html", "/console/system"
	has := func(what, page string, wants ...string) {
		t.Helper()
		for _, want := range wants {
			if no, found := strings.CutPrefix(want, "!"); strings.Contains(page, no) == found {
				t.Errorf("%s: %q: %s", what, want, page)
			}
		}
	}
	post := func(address, who string, fields url.Values) answer {
		return ask(t, b.operator, "POST", address, fields.Encode(), posted, html, who)
	}
	pausing := url.Values{"system": {"karlskrona.diarium"}, "paused": {"ja"}, "reason": {"byte av\r\nserver"}}
	if a := post("/pause", "X-Nobody: 1", pausing); a.status != 401 {
		t.Errorf("nobody paused: %d", a.status)
	}
	has("paused", post("/pause", registrator, pausing).body, "Systemet är pausat.", "Är pausat av registrator sedan", "Skäl: byte av server", "Ta upp igen")
	has("who has not signed in", ask(t, b.operator, "GET", path, "", html).body,
		`href="/login?to=system"`, "Är pausat av registrator", "Skälet visas för den som är inloggad", "!byte av server", "!<form")
	has("signed in", ask(t, b.operator, "GET", "/login?to=system", "", html, registrator).body,
		"<h1>System</h1>", `id="p-karlskrona.portal"`, `id="t-karlskrona.portal"`, `id="s-shared.oep"`, `!id="p-shared.oep"`, "!eslov.portal")
	has("who has all", ask(t, b.operator, "GET", path, "", html, gruppledare).body, `id="p-shared.oep"`, `id="p-eslov.portal"`)
	pausing.Del("paused")
	has("taken up", post("/pause", registrator, pausing).body, "Systemet är i bruk igen.", "!Är pausat")
	has("no reason", post("/pause", registrator, url.Values{"system": {"karlskrona.diarium"}}).body, "Skriv ett skäl.")
	pausing.Set("system", "shared.oep")
	has("shared", post("/pause", registrator, pausing).body, "pausas bara av den som har alla kommuner")

	wall := func(d time.Duration) string { return time.Now().Add(d).In(hub.Stockholm).Format("2006-01-02T15:04") }
	telling := url.Values{"system": {"karlskrona.portal"}, "from": {wall(-time.Hour)}, "until": {""}}
	counted := post("/retell", registrator, telling).body
	has("counted", counted, "Berätta igen för portal (Karlskrona kommun): 2 besked i 2 ärenden, 1 kommun", `name="expect" value="2"`)
	for _, name := range []string{"from", "until", "expect"} {
		value := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindStringSubmatch(counted)
		if value == nil {
			t.Fatalf("the page does not say %s", name)
		}
		telling.Set(name, strings.ReplaceAll(value[1], "&#43;", "+"))
	}
	has("told again", post("/retell", registrator, telling).body, "Beskeden står i tur att berättas igen.")
	l.told(t, 2)
	has("counted again", post("/retell", registrator, telling).body, "Det är inte lika många besked")
	telling.Set("expect", "")
	has("none are left", post("/retell", registrator, telling).body, "0 besked i 0 ärenden", "!name=\"expect\"")
	telling.Set("until", wall(2*time.Hour))
	has("what is to come", post("/retell", registrator, telling).body, "Perioden ska sluta efter att den börjar, och senast nu.")
}

// A lockedBox is where forms lie and nobody gets at them.
type lockedBox struct{}

func (lockedBox) Collect(context.Context, func(), func(context.Context, hub.Collected) error) error {
	return hub.Unavailable(errors.New("the brokers do not let us in"), hub.Credentials)
}

// TestFormsThatCannotBeFetched are a card and a word on the page of systems, for those whom they are for.
func TestFormsThatCannotBeFetched(t *testing.T) {
	b := makeBed(t)
	b.collects = lockedBox{}
	b.start(t)
	page := awaitPage(t, b, "Formulär kan inte hämtas från blankett (Karlskrona kommun) sedan ")
	for _, want := range []string{"the brokers do not let us in", "knutpunkt doctor", "inget tas bort därifrån"} {
		if !strings.Contains(page, want) {
			t.Errorf("the card does not say %q", want)
		}
	}
	st := b.system(t, "karlskrona.blankett", registrator)
	if st == nil || st.Uncollected == "" || st.Cause != "" || !strings.HasPrefix(st.Text, "Formulär kan inte hämtas därifrån sedan ") {
		t.Errorf("it is told as %+v", st)
	}
	if other := b.system(t, "karlskrona.diarium", registrator); other.Uncollected != "" {
		t.Errorf("another is told as %+v", other)
	}
	if a := ask(t, b.operator, "GET", "/v1/worklist", "", eslovare); a.status != 200 || strings.Contains(a.body, "uncollected") {
		t.Errorf("another municipality is told %s", a.body)
	}
}
