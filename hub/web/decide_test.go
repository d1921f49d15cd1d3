package web_test

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// An act is an answer to a decision.
type act struct {
	Key, Case, State, Outcome, Proposed, Text string
}

// decideAs posts a decision, whose further members are written as in form.
func (b *bed) decideAs(t testing.TB, who, key, verb string, members ...string) answer {
	t.Helper()
	body := `{"key":"` + key + `","verb":"` + verb + `","reason":"mappningen är rättad"`
	for _, m := range members {
		name, value, _ := strings.Cut(m, "=")
		body += `,"` + name + `":` + value
	}
	return ask(t, b.operator, "POST", "/v1/decisions", body+"}", who, jsonBody)
}

// rests waits until a row is held, and gives its Key: the form's own, or its delivery's.
func (b *bed) rests(t testing.TB, r receipt, delivery bool) string {
	t.Helper()
	key := r.ID
	if delivery {
		key += "-diarium"
	}
	b.awaitState(t, r, key, hub.Held)
	return key
}

func (b *bed) awaitState(t testing.TB, r receipt, key string, want hub.State) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := b.store.Case(t.Context(), hub.AsHub(), hub.CaseID(r.Case))
		if err != nil {
			t.Fatal(err)
		}
		p := c.Find(hub.Key(key))
		if p != nil && p.State == want {
			return
		}
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatalf("%s never came to %s", key, want)
		}
	}
}

// TestDecide: what was refused is sent again by who says why, and it is told in the log
// who did it.
func TestDecide(t *testing.T) {
	b := newBed(t)
	b.diarium.say(hub.Reject(errors.New("HTTP status 422")))
	r := b.submit(t, "1")
	key := b.rests(t, r, true)
	b.diarium.say(nil)
	a := b.decideAs(t, registrator, key, "release")
	var done act
	decode(t, a, &done)
	if a.status != 200 || done.Outcome != "sent" || done.Case != r.Case || done.Text == "" || done.Proposed != "" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	b.await(t, r.Case, hub.Registrerat)
	var file struct {
		Rows []struct{ Key, State, Receipt string }
		Acts []struct{ What, By, Reason, Text string }
	}
	decode(t, ask(t, b.operator, "GET", "/v1/cases/"+key, "", registrator), &file)
	found := false
	for _, act := range file.Acts {
		found = found || act.What == "release" && act.By == "registrator" && act.Reason == "mappningen är rättad" && act.Text != ""
	}
	if !found || len(file.Rows) != 2 || file.Rows[1].Receipt != "SBN 2026/1" {
		t.Errorf("the file is %+v", file)
	}
	if strings.Contains(b.log.String(), "rättad") || !strings.Contains(b.log.String(), `"by":"registrator"`) {
		t.Error("the log must say who, and never why")
	}
	if a := b.decideAs(t, registrator, key, "release"); a.status != 409 || problemIn(t, a).Detail != "Det vilar inte hos en människa. Någon annan kan ha hunnit före." {
		t.Errorf("released twice: %d %s", a.status, a.body)
	}
}

// TestDecisionsThatAreRefused: nothing is decided by who is nobody, for another
// municipality, without a reason, or with somebody's number in it.
func TestDecisionsThatAreRefused(t *testing.T) {
	b := newBed(t)
	key := b.rests(t, b.submit(t, "1", `service="nobody-knows"`), false)
	nowhere := "01ARZ3NDEKTSV4RRFFQ69G5FAV"
	post := func(who, body string, headers ...string) answer {
		return ask(t, b.operator, "POST", "/v1/decisions", body, append([]string{who, jsonBody}, headers...)...)
	}
	release := `{"key":"` + key + `","verb":"release","reason":"ny väg"}`
	for _, test := range []struct {
		name   string
		answer answer
		status int
		slug   string
		detail string // a word of the problem
	}{
		{"nobody", post("X-Nobody: 1", release), 401, "unknown-operator", ""},
		{"wrong secret", post(as("registrator", "gissning"), release), 401, "unknown-operator", ""},
		{"unknown name", post(as("ingen", "hemlig-r"), release), 401, "unknown-operator", ""},
		{"somebody else's secret", post(as("registrator", "hemlig-g"), release), 401, "unknown-operator", ""},
		{"a client's token", post(bearer(portalToken), release), 401, "unknown-operator", ""},
		{"another municipality's", post(eslovare, release), 404, "not-found", ""},
		{"nothing there", post(eslovare, strings.Replace(release, key, nowhere, 1)), 404, "not-found", ""},
		{"no such row", post(registrator, strings.Replace(release, key, key+"-diarium", 1)), 404, "not-found", ""},
		{"no reason", post(registrator, `{"key":"`+key+`","verb":"release"}`), 422, "validation-failed", "required"},
		{"blank reason", post(registrator, `{"key":"`+key+`","verb":"release","reason":"    "}`), 422, "validation-failed", "required"},
		{"short reason", post(registrator, `{"key":"`+key+`","verb":"release","reason":"ok"}`), 422, "validation-failed", "length"},
		{"long reason", post(registrator, `{"key":"`+key+`","verb":"release","reason":"`+strings.Repeat("å", 501)+`"}`), 422, "validation-failed", "length"},
		{"a person in the reason", post(registrator, `{"key":"`+key+`","verb":"release","reason":"gäller 19881003-2386"}`), 422, "personal-number", "personal-number"},
		{"a person in the number", post(registrator, `{"key":"`+key+`","verb":"waive","reason":"för hand","number":"198810032386"}`), 422, "personal-number", "personal-number"},
		{"a number of other signs", post(registrator, `{"key":"`+key+`","verb":"waive","reason":"för hand","number":"<b>"}`), 422, "validation-failed", "pattern"},
		{"no such verb", post(registrator, `{"key":"`+key+`","verb":"delete","reason":"bort med det"}`), 422, "validation-failed", "enum"},
		{"more than is known", post(registrator, `{"key":"`+key+`","verb":"release","reason":"ny väg","by":"kommundirektören"}`), 422, "validation-failed", "unknown-property"},
		{"no JSON", post(registrator, `key=`+key), 400, "malformed-json", ""},
		{"a form", ask(t, b.operator, "POST", "/v1/decisions", release, registrator, "Content-Type: text/plain"), 415, "unsupported-media-type", ""},
		{"too much", post(registrator, `{"reason":"`+strings.Repeat("a", 20<<10)+`"}`), 413, "payload-too-large", ""},
		{"anew for a form", post(registrator, `{"key":"`+key+`","verb":"release","reason":"ny väg","anew":true}`), 409, "state-conflict", "Bara en leverans"},
		{"another site's page", post(registrator, release, "Sec-Fetch-Site: cross-site"), 403, "cross-origin", ""},
		{"another site's link", post(registrator, release, "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"), 403, "cross-origin", ""},
		{"another origin", post(registrator, release, "Origin: https://evil.example"), 403, "cross-origin", ""},
		{"the list, nobody", ask(t, b.operator, "GET", "/v1/worklist", ""), 401, "unknown-operator", ""},
		{"what is held, nobody", ask(t, b.operator, "GET", "/v1/held", ""), 401, "unknown-operator", ""},
		{"a case, nobody", ask(t, b.operator, "GET", "/v1/cases/"+key, ""), 401, "unknown-operator", ""},
		{"a case of another's", ask(t, b.operator, "GET", "/v1/cases/"+key, "", eslovare), 404, "not-found", ""},
		{"a page of another's", ask(t, b.operator, "GET", "/console/cases/"+key, "", eslovare, "Accept: application/json"), 404, "not-found", ""},
		{"held by a word that is none", ask(t, b.operator, "GET", "/v1/held?order=desc", "", registrator), 400, "validation-failed", "query"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := problemIn(t, test.answer)
			if test.answer.status != test.status || p.Type != "/problems/"+test.slug || !strings.Contains(test.answer.body, test.detail) {
				t.Errorf("%d %s, want %d %s %s", test.answer.status, test.answer.body, test.status, test.slug, test.detail)
			}
			if asked := test.answer.header.Get("Www-Authenticate"); (test.status == 401) != strings.HasPrefix(asked, "Basic realm=") {
				t.Errorf("asked for with %q", asked)
			}
			checkSilent(t, strings.ReplaceAll(test.answer.body, "hemlighet", ""))
		})
	}
	other := func(a answer) string { p := problemIn(t, a); return p.Title + p.Detail }
	if hers, none := post(eslovare, release), post(eslovare, strings.Replace(release, key, nowhere, 1)); other(hers) != other(none) {
		t.Error("another municipality's row is answered otherwise than one that is not there")
	}
	b.awaitState(t, receipt{Case: key}, key, hub.Held)
}

// TestGuessesAreHeldBack: who shows wrong secrets is soon asked to wait, and then even the
// right one is not looked at. Nobody else is held back by that.
func TestGuessesAreHeldBack(t *testing.T) {
	b := newBed(t)
	last := 0
	for range 12 {
		last = ask(t, b.operator, "GET", "/v1/worklist", "", as("registrator", "gissning")).status
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("after a dozen guesses: %d", last)
	}
	if a := ask(t, b.operator, "GET", "/v1/worklist", "", registrator); a.status != 429 || a.header.Get("Retry-After") == "" {
		t.Errorf("the right one at once: %d", a.status)
	}
	if a := ask(t, b.operator, "GET", "/v1/worklist", "", gruppledare); a.status != 200 {
		t.Errorf("somebody else: %d", a.status)
	}
	if strings.Contains(b.log.String(), "gissning") {
		t.Error("a guess is in the log")
	}
}

// TestFourEyes: what may double a case takes two persons, and the second one approves
// what she has read.
func TestFourEyes(t *testing.T) {
	b := newBed(t)
	b.diarium.say(errors.New("the answer was lost"))
	r := b.submit(t, "1")
	key := b.rests(t, r, true)
	b.diarium.say(nil)
	var first, second act
	decode(t, b.decideAs(t, registrator, key, "release"), &first)
	if first.Outcome != "proposed" || first.State != "HELD" || first.Proposed == "" {
		t.Fatalf("a blind release by one: %+v", first)
	}
	approve := func(who, proposed string) answer {
		return ask(t, b.operator, "POST", "/v1/approvals", `{"key":"`+key+`","proposed":"`+proposed+`","reason":"tittat i diariet"}`, who, jsonBody)
	}
	slug := func(a answer) string { return strings.TrimPrefix(problemIn(t, a).Type, "/problems/") }
	if a := approve(registrator, first.Proposed); a.status != 409 || slug(a) != "four-eyes-required" {
		t.Errorf("her own: %d %s", a.status, a.body)
	}
	decode(t, b.decideAs(t, registrator, key, "waive", `number="SBN 2026/77"`), &second)
	if a := approve(gruppledare, first.Proposed); a.status != 409 || slug(a) != "version-conflict" {
		t.Errorf("what is no longer proposed: %d %s", a.status, a.body)
	}
	if a := approve(eslovare, second.Proposed); a.status != 404 {
		t.Errorf("somebody of another municipality: %d %s", a.status, a.body)
	}
	for name, proposed := range map[string]string{"nothing": "", "no time": "igår"} {
		if a := approve(gruppledare, proposed); a.status != 422 {
			t.Errorf("approving %s: %d %s", name, a.status, a.body)
		}
	}
	var worklist struct {
		Cards []struct{ Proposed int }
	}
	if decode(t, ask(t, b.operator, "GET", "/v1/worklist", "", gruppledare), &worklist); len(worklist.Cards) != 1 || worklist.Cards[0].Proposed != 1 {
		t.Errorf("the work list: %+v", worklist)
	}
	a := approve(gruppledare, second.Proposed)
	var done act
	if decode(t, a, &done); a.status != 200 || done.Outcome != "waived" || done.State != "WAIVED" {
		t.Errorf("approved: %d %s", a.status, a.body)
	}
	if a := approve(gruppledare, second.Proposed); a.status != 409 || slug(a) != "version-conflict" {
		t.Errorf("approved twice: %d %s", a.status, a.body)
	}
	b.await(t, r.Case, hub.Registrerat)
	if b.diarium.taken != 0 {
		t.Error("it was sent too")
	}
}

// TestDecideOnPages: the pages alone are enough, without scripts: the buttons that are
// there work, the outcome is said, and reasons are shown to who has signed in.
func TestDecideOnPages(t *testing.T) {
	b := newBed(t)
	b.diarium.say(errors.New("the answer was lost"))
	r := b.submit(t, "1")
	key := b.rests(t, r, true)
	fields := func(pairs ...string) string {
		v := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			v.Set(pairs[i], pairs[i+1])
		}
		return v.Encode()
	}
	const posted, html = "Content-Type: application/x-www-form-urlencoded", "Accept: text/html"
	page := ask(t, b.operator, "GET", "/console/cases/"+r.Case, "", html)
	for _, want := range []string{"Skicka igen", "Ordnat för hand", "En andra person måste godkänna", `action="/decide"`, "Logga in"} {
		if !strings.Contains(page.body, want) {
			t.Errorf("nothing says %q", want)
		}
	}
	for _, never := range []string{"Avvisa formuläret", "Återta formuläret"} {
		if strings.Contains(page.body, never) {
			t.Errorf("%q is offered, and would be refused", never)
		}
	}
	waive := fields("key", key, "verb", "waive", "number", "SBN 2026/9", "reason", "hittade det\r\ni diariet")
	if a := ask(t, b.operator, "POST", "/decide", waive, posted, html); a.status != 401 || !strings.HasPrefix(a.header.Get("Www-Authenticate"), "Basic") {
		t.Errorf("a browser is not asked who she is: %d", a.status)
	}
	if a := ask(t, b.operator, "POST", "/decide", waive, posted, html, registrator, "Origin: https://evil.example"); a.status != 403 {
		t.Errorf("another site's form: %d", a.status)
	}
	if a := ask(t, b.operator, "POST", "/decide", strings.Replace(waive, "diariet", "diariet+881003-2386", 1), posted, html, registrator); a.status != 422 ||
		!strings.Contains(a.body, "personnummer") || strings.Contains(a.body, "2386") {
		t.Errorf("a person in the reason: %d %s", a.status, a.body)
	}
	if a := ask(t, b.operator, "POST", "/decide", fields("key", key, "verb", "waive", "reason", ""), posted, html, registrator); a.status != 422 || !strings.Contains(a.body, "Skriv ett skäl.") {
		t.Errorf("no reason: %d %s", a.status, a.body)
	}
	a := ask(t, b.operator, "POST", "/decide", waive, posted, html, registrator)
	if a.status != 200 || !strings.Contains(a.body, "Väntar på en andra person. Ditt beslut är antecknat") || !strings.Contains(a.body, "Be en kollega") {
		t.Errorf("proposed: %d %s", a.status, a.body)
	}
	page = ask(t, b.operator, "GET", "/console/cases/"+r.Case, "", html)
	if !strings.Contains(page.body, "registrator föreslog") || strings.Contains(page.body, "hittade det") {
		t.Error("who has not signed in must see that something is proposed, and not why")
	}
	page = ask(t, b.operator, "GET", "/login?to="+r.Case, "", html, gruppledare)
	_, rest, _ := strings.Cut(page.body, `name="proposed" value="`)
	proposed, _, _ := strings.Cut(rest, `"`)
	if !strings.Contains(page.body, "Skäl: ”hittade det i diariet”") || !strings.Contains(page.body, "Inloggad som <strong>gruppledare") {
		t.Errorf("who has signed in must see why: %s", page.body)
	}
	a = ask(t, b.operator, "POST", "/approve", fields("key", key, "proposed", strings.ReplaceAll(proposed, "&#43;", "+"), "reason", "stämmer"), posted, html, gruppledare)
	if a.status != 200 || !strings.Contains(a.body, "Antecknat som ordnat för hand.") || !strings.Contains(a.body, "SBN 2026/9") {
		t.Errorf("approved: %d %s", a.status, a.body)
	}
	if a := ask(t, b.operator, "GET", "/console?said=all&released=3&proposed=1", ""); !strings.Contains(a.body, "3 tas om. 1 väntar på en andra person.") {
		t.Error("the outcome for all of a card is not said")
	}
	if a := ask(t, b.operator, "GET", "/console?said=%3Cb%3E&released=%3Cb%3E", ""); a.status != 200 || strings.Contains(a.body, "<b>") {
		t.Error("an address speaks on the page")
	}
}

// TestReleaseAllOfACard: one cause is one card, and one press of its button tries again
// with what was on the page.
func TestReleaseAllOfACard(t *testing.T) {
	b := newBed(t)
	b.diarium.say(hub.Reject(errors.New("HTTP status 422")))
	var all []receipt
	for i := range 3 {
		all = append(all, b.submit(t, strconv.Itoa(i+1)))
		b.rests(t, all[i], true)
	}
	var worklist struct {
		Cards []struct {
			ID, Title, Command string
			Count              int
			Again              bool
			Keys               []string
		}
	}
	decode(t, ask(t, b.operator, "GET", "/v1/worklist", "", registrator), &worklist)
	if len(worklist.Cards) != 1 || worklist.Cards[0].Count != 3 || !worklist.Cards[0].Again || len(worklist.Cards[0].Keys) != 3 ||
		!strings.Contains(worklist.Cards[0].Title, "Nekat av systemet i diarium till diarium (Karlskrona kommun), Bygglov för <altan>: 3 ärenden") {
		t.Fatalf("the work list: %+v", worklist)
	}
	if a := ask(t, b.operator, "GET", "/v1/worklist", "", eslovare); strings.Contains(a.body, "Nekat") {
		t.Errorf("another municipality sees %s", a.body)
	}
	card := worklist.Cards[0]
	page := ask(t, b.operator, "GET", "/console/heaps/"+card.ID, "")
	for _, r := range all {
		if !strings.Contains(page.body, r.ID+"-diarium") {
			t.Errorf("the list of the card lacks %s", r.ID)
		}
	}
	if a := ask(t, b.operator, "GET", "/console/heaps/"+card.ID, "", eslovare); a.status != 404 {
		t.Errorf("another municipality's card: %d", a.status)
	}
	var held struct{ Rows []struct{ Key string } }
	decode(t, ask(t, b.operator, "GET", "/v1/held?reason=refused&system=karlskrona.diarium&municipality=1080", "", registrator), &held)
	if len(held.Rows) != 3 {
		t.Errorf("held: %+v", held)
	}
	b.diarium.say(nil)
	form := url.Values{"heap": {card.ID}, "until": {time.Now().UTC().Format(time.RFC3339Nano)}, "reason": {"rättat i diariet"}}
	a := ask(t, b.operator, "POST", "/release", form.Encode(), "Content-Type: application/x-www-form-urlencoded", registrator)
	if a.status != 200 || !strings.Contains(a.body, "3 tas om.") {
		t.Errorf("%d %s", a.status, a.body)
	}
	for _, r := range all {
		b.await(t, r.Case, hub.Registrerat)
	}
	if a := ask(t, b.operator, "GET", "/console", ""); !strings.Contains(a.body, "Inget ligger i felkorgen.") {
		t.Errorf("the work list is not empty: %s", a.body)
	}
}

// TestWithoutOperators: nobody can decide, and it is said what to add.
func TestWithoutOperators(t *testing.T) {
	b := makeBed(t)
	b.start(t)
	b.web.AllowOperators(nil)
	r := b.submit(t, "1", `service="nobody-knows"`)
	key := b.rests(t, r, false)
	if a := b.decideAs(t, registrator, key, "release"); a.status != 403 || !strings.Contains(a.body, "operators:") {
		t.Errorf("%d %s", a.status, a.body)
	}
	page := ask(t, b.operator, "GET", "/console/cases/"+r.Case, "")
	if !strings.Contains(page.body, "lägg till <code>operators:</code>") || strings.Contains(page.body, "<form") {
		t.Errorf("the page offers what nobody can do: %s", page.body)
	}
}
