package web_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// An answered question, as JSON tells of it.
type answeredQuestion struct {
	Cases []struct{ ID, Title, Municipality, Step, Ref string }
	Seen  *struct {
		Title, Step, Ball string
		Stuck             []string
		Track             []struct{ Name, When, Said string }
	}
	Next *struct {
		Step, Promised, By string
		Late               bool
		Waits              []string
	}
}

const called = "den sökande har ringt"

func (b *bed) question(t testing.TB, who, reference string) answeredQuestion {
	t.Helper()
	a := ask(t, b.operator, "POST", "/v1/questions", `{"reference":"`+reference+`","reason":"`+called+`"}`, who, jsonBody)
	var got answeredQuestion
	if decode(t, a, &got); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	return got
}

// looks gives who has looked at a case, and why.
func (b *bed) looks(t testing.TB, id string) (whoAndWhy []string) {
	t.Helper()
	acts, err := b.store.Acts(t.Context(), hub.AsHub(), hub.CaseID(id))
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range acts {
		if a.What == "looked at" {
			whoAndWhy = append(whoAndWhy, a.By+": "+a.Reason)
		}
	}
	return whoAndWhy
}

// TestQuestion: by any of its names a case is shown as its citizen sees it, with what is
// expected next; and that somebody looked, and why, is in its audit log each time.
func TestQuestion(t *testing.T) {
	b := newBed(t)
	r := b.submit(t, "2026-4711")
	b.await(t, r.Case, hub.Registrerat)
	b.awaitState(t, r, r.ID, hub.Completed)
	for i, reference := range []string{r.Case, r.ID, "SBN 2026/1", " SBN 2026/1 ", "2026-4711"} {
		got := b.question(t, registrator, reference)
		if len(got.Cases) != 1 || got.Cases[0].ID != r.Case || got.Cases[0].Ref != "SBN 2026/1" || got.Cases[0].Title != "Bygglov för <altan>" {
			t.Fatalf("%q means %+v", reference, got.Cases)
		}
		if got.Seen == nil || got.Seen.Step != "Registrerat" || len(got.Seen.Track) != 4 || got.Seen.Track[0].When == "" {
			t.Errorf("%q shows %+v", reference, got.Seen)
		}
		if got.Next == nil || got.Next.Step != "under-handlaggning" || got.Next.Promised != "beslutat" || got.Next.By == "" || got.Next.Late ||
			len(got.Next.Waits) != 1 || !strings.Contains(got.Next.Waits[0], "Nästa besked från diarium (Karlskrona kommun)") {
			t.Errorf("%q expects %+v", reference, got.Next)
		}
		if looks := b.looks(t, r.Case); len(looks) != i+1 || looks[i] != "registrator: "+called {
			t.Errorf("after %d looks: %q", i+1, looks)
		}
	}
	mimic := b.submit(t, r.Case)
	if got := b.question(t, registrator, r.Case); len(got.Cases) != 1 || got.Cases[0].ID != r.Case || mimic.Case == r.Case {
		t.Errorf("a platform's number stands before our own: %+v", got.Cases)
	}
	page := ask(t, b.operator, "GET", "/console/cases/"+r.Case, "", registrator)
	if !strings.Contains(page.body, "Lästes, så som den sökande ser det") || !strings.Contains(page.body, called) {
		t.Error("the case's page does not tell who looked, and why")
	}
	if page := ask(t, b.operator, "GET", "/console/cases/"+r.Case, ""); strings.Contains(page.body, called) {
		t.Error("why somebody looked is told to anybody")
	}
	if log := b.log.String(); strings.Contains(log, called) || strings.Contains(log, "2026-4711") || !strings.Contains(log, `"msg":"looked at"`) {
		t.Error("the log must say who, and never why or what was asked for")
	}
}

// TestQuestionWithoutAnAnswer: what is another municipality's is as if it were not there,
// and nothing of it is shown or written.
func TestQuestionWithoutAnAnswer(t *testing.T) {
	b := newBed(t)
	r := b.submit(t, "1")
	b.await(t, r.Case, hub.Registrerat)
	for _, reference := range []string{r.Case, "SBN 2026/1", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "bygglov"} {
		if got := b.question(t, eslovare, reference); len(got.Cases) != 0 || got.Seen != nil || got.Next != nil {
			t.Errorf("another municipality's operator asks for %q: %+v", reference, got)
		}
	}
	if looks := b.looks(t, r.Case); len(looks) != 0 {
		t.Errorf("she looked: %q", looks)
	}
}

// TestQuestionWithSeveralAnswers: a platform's number that several cases have shows none
// of them until one is picked.
func TestQuestionWithSeveralAnswers(t *testing.T) {
	b := newBed(t)
	here := b.submit(t, "77")
	a := ask(t, b.public, "POST", "/v1/submissions", form("77", `municipality="1285"`, `service="701"`), bearer(eslovToken), jsonBody, "Idempotency-Key: eslov-77-000")
	var there receipt
	if decode(t, a, &there); a.status != http.StatusAccepted {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if got := b.question(t, gruppledare, "77"); len(got.Cases) != 2 || got.Seen != nil || got.Next != nil {
		t.Fatalf("who sees both is shown %+v", got)
	}
	for _, r := range []receipt{here, there} {
		if looks := b.looks(t, r.Case); len(looks) != 0 {
			t.Errorf("a list is no look: %q", looks)
		}
	}
	if got := b.question(t, eslovare, "77"); len(got.Cases) != 1 || got.Cases[0].ID != there.Case || got.Seen == nil {
		t.Errorf("who sees one is shown %+v", got)
	}
	const posted = "Content-Type: application/x-www-form-urlencoded"
	page := ask(t, b.operator, "POST", "/ask", url.Values{"reference": {"77"}, "reason": {called}}.Encode(), posted, gruppledare)
	if !strings.Contains(page.body, "2 ärenden har den referensen") || !strings.Contains(page.body, `name="reference" value="`+here.Case+`"`) {
		t.Errorf("the page shows %s", page.body)
	}
	if got := b.question(t, gruppledare, here.Case); got.Seen == nil || len(b.looks(t, here.Case)) != 1 {
		t.Errorf("the one that was picked: %+v", got)
	}
}

// TestQuestionsThatAreRefused: nobody looks without a name and a reason, and a
// personnummer is neither taken, nor repeated, nor logged.
func TestQuestionsThatAreRefused(t *testing.T) {
	b := newBed(t)
	r := b.submit(t, "1")
	b.await(t, r.Case, hub.Registrerat)
	for _, test := range []struct {
		name, who, body string
		status          int
		says            string
	}{
		{"nobody", "X-Nobody: 1", `{"reference":"` + r.Case + `","reason":"` + called + `"}`, 401, "unknown-operator"},
		{"a client", bearer(portalToken), `{"reference":"` + r.Case + `","reason":"` + called + `"}`, 401, "unknown-operator"},
		{"no reason", registrator, `{"reference":"` + r.Case + `"}`, 422, "/reason"},
		{"no reference", registrator, `{"reference":"  ","reason":"` + called + `"}`, 422, "required"},
		{"too long", registrator, `{"reference":"` + strings.Repeat("å", 65) + `","reason":"` + called + `"}`, 422, "length"},
		{"two lines", registrator, `{"reference":"a\nb","reason":"` + called + `"}`, 422, "control-character"},
		{"a person", registrator, `{"reference":"` + canary + `","reason":"` + called + `"}`, 422, "personal-number"},
		{"a person in short", registrator, `{"reference":"881003-2386","reason":"` + called + `"}`, 422, "personal-number"},
		{"a person in the reason", registrator, `{"reference":"` + r.Case + `","reason":"19881003 2386 ringde"}`, 422, "personal-number"},
		{"more than is known", registrator, `{"reference":"` + r.Case + `","reason":"` + called + `","by":"någon"}`, 422, "unknown-property"},
		{"another site's page", registrator + "\nOrigin: https://evil.example", `{"reference":"` + r.Case + `","reason":"` + called + `"}`, 403, "cross-origin"},
	} {
		t.Run(test.name, func(t *testing.T) {
			who, more, _ := strings.Cut(test.who, "\n")
			headers := []string{who, jsonBody}
			if more != "" {
				headers = append(headers, more)
			}
			a := ask(t, b.operator, "POST", "/v1/questions", test.body, headers...)
			if a.status != test.status || !strings.Contains(a.body, test.says) || strings.Contains(a.body, "2386") {
				t.Errorf("%d %s, want %d %s", a.status, a.body, test.status, test.says)
			}
		})
	}
	if log := b.log.String(); strings.Contains(log, "2386") {
		t.Error("the log has a personnummer")
	}
	if looks := b.looks(t, r.Case); len(looks) != 0 {
		t.Errorf("somebody looked: %q", looks)
	}
}

// TestQuestionOnPage: the page alone is enough, without scripts, and what is asked is
// never in an address.
func TestQuestionOnPage(t *testing.T) {
	b := newBed(t)
	b.diarium.say(hub.Later(errors.New("HTTP status 503"), time.Hour))
	r := b.submit(t, "1")
	b.awaitState(t, r, r.ID+"-diarium", hub.RetryWait)
	const posted, html = "Content-Type: application/x-www-form-urlencoded", "Accept: text/html"
	if a := ask(t, b.operator, "GET", "/console/fraga", "", html); a.status != 401 || !strings.HasPrefix(a.header.Get("Www-Authenticate"), "Basic") {
		t.Errorf("a browser is not asked who she is: %d", a.status)
	}
	page := ask(t, b.operator, "GET", "/login?to=fraga", "", html, registrator)
	for _, want := range []string{"<h1>Fråga om ett ärende</h1>", `method="post" action="/ask"`, "Skriv aldrig ett personnummer här.", `href="/console/fraga"`} {
		if !strings.Contains(page.body, want) {
			t.Errorf("nothing says %q: %s", want, page.body)
		}
	}
	asked := func(reference, reason string) answer {
		return ask(t, b.operator, "POST", "/ask", url.Values{"reference": {reference}, "reason": {reason}}.Encode(), posted, html, registrator)
	}
	page = asked(r.Case, called)
	for _, want := range []string{
		"Bygglov för &lt;altan&gt;", "Inkommet", "Vad som väntas härnäst", "<dd>Registrerat</dd>", "<dd>Beslutat senast 20", "Handlingen till diarium (Karlskrona kommun): Togs inte emot än",
		`href="/console/cases/` + r.Case + `"`, "Att du tittade, och varför, står nu i ärendets logg.",
	} {
		if !strings.Contains(page.body, want) {
			t.Errorf("nothing says %q: %s", want, page.body)
		}
	}
	checkSilent(t, page.body)
	if page = asked("ABC-1", called); page.status != 200 || !strings.Contains(page.body, "Inget ärende i dina kommuner har den referensen.") || strings.Contains(page.body, "ABC-1") {
		t.Errorf("what is not there: %d %s", page.status, page.body)
	}
	if page = asked("881003-2386", called); page.status != 422 || !strings.Contains(page.body, "ser ut att vara ett personnummer") || strings.Contains(page.body, "2386") {
		t.Errorf("a person: %d %s", page.status, page.body)
	}
	b.web.AllowOperators(nil)
	if page = ask(t, b.operator, "GET", "/console/fraga", "", html); page.status != 200 || strings.Contains(page.body, "<form") || !strings.Contains(page.body, "operators:") {
		t.Errorf("without operators: %d %s", page.status, page.body)
	}
}
