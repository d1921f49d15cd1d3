package web_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/web"
)

// other is another of Skatteverket's official test numbers.
const other = "189104019816"

// citizenBed is a bed with a login, and with a municipality that has a look of its own.
func citizenBed(t testing.TB) *bed {
	t.Helper()
	b := makeBed(t)
	b.tune = func(o *web.Options) {
		o.Login = &web.Login{Issuer: "https://e-id.invalid", Client: "knutpunkt", Address: "https://pages.invalid"}
	}
	b.start(t)
	b.wear(t)
	return b
}

const logo = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 40"><path d="M4 4h32v20L20 38 4 24z" fill="#fff" stroke="#111"/></svg>`

// wear gives the municipalities their looks.
func (b *bed) wear(t testing.TB) {
	t.Helper()
	dressed := bundle()
	dressed.Municipalities["1080"] = hub.MunicipalityText{
		Code: "1080", Name: "Karlskrona kommun", Folder: "karlskrona", Colour: "#0b5c3a",
		Logo: &hub.Logo{Type: "image/svg+xml", Bytes: []byte(logo)}, Help: "Kontaktcenter, 0455-30 30 00",
	}
	dressed.Municipalities["1285"] = hub.MunicipalityText{Code: "1285", Name: "Eslövs kommun", Folder: "eslov", Colour: "#ffd400"}
	dressed.Routes[0].Title, dressed.Routes[0].English = "Bygglov för altan", "Building permit for a deck"
	dressed.Routes[0].Expect = map[hub.Step]hub.Term{hub.Registrerat: {N: 2, Unit: hub.WorkingDays}, hub.Beslutat: {N: 10, Unit: hub.Weeks}}
	if err := b.hub.Activate(t.Context(), dressed); err != nil {
		t.Fatal(err)
	}
}

func numbered(t testing.TB, number string) hub.PersonID {
	t.Helper()
	p, err := hub.ParsePersonID(number)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// logIn gives the header of somebody who has logged in.
func (b *bed) logIn(t testing.TB, number string) string {
	t.Helper()
	cookie := b.web.LogIn(t, numbered(t, number))
	return "Cookie: " + cookie.Name + "=" + cookie.Value
}

// logOut ends her session, as the button on the pages does.
func (b *bed) logOut(t testing.TB, her string) {
	t.Helper()
	if a := ask(t, b.public, "POST", "/logout", "", her, "Sec-Fetch-Site: same-origin"); a.status != 200 {
		t.Fatalf("log out: %d %s", a.status, a.body)
	}
}

// page asks for a page as a browser does, and gives its text as people read it.
func (b *bed) page(t testing.TB, path string, headers ...string) answer {
	t.Helper()
	a := ask(t, b.public, "GET", path, "", append([]string{"Accept: text/html"}, headers...)...)
	a.body = html.UnescapeString(a.body)
	return a
}

func wants(t testing.TB, page answer, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(page.body, text) {
			t.Errorf("nothing says %q", text)
		}
	}
	if t.Failed() && testing.Verbose() {
		t.Log(page.body)
	}
}

func wantsNot(t testing.TB, page answer, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if strings.Contains(page.body, text) {
			t.Errorf("it says %q", text)
		}
	}
}

// TestPagesNeedALogin: without one there are none; with one, who is not logged in is led
// to it and back.
func TestPagesNeedALogin(t *testing.T) {
	b := newBed(t)
	paths := []string{"/", "/mina-arenden", "/mina-arenden/01ARZ3NDEKTSV4RRFFQ69G5FAV", "/mina-arenden/01ARZ3NDEKTSV4RRFFQ69G5FAV/kvittens", "/logo/1080"}
	for _, path := range paths {
		if a := b.page(t, path); a.status != 404 {
			t.Errorf("%s: %d without a login", path, a.status)
		}
	}
	with := citizenBed(t)
	with.public.Client().CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for _, path := range paths[1:4] {
		if a := with.page(t, path); a.status != 303 || !strings.HasPrefix(a.header.Get("Location"), "/login?to=%2Fmina-arenden") {
			t.Errorf("%s: %d to %s", path, a.status, a.header.Get("Location"))
		}
	}
	a := with.page(t, "/")
	wants(t, a, "Följ dina ärenden", `href="/login?to=%2Fmina-arenden"`, "Karlskrona kommun", "Eslövs kommun", "Kontaktcenter", `src="/logo/1080"`)
	wantsNot(t, a, "/logout")
	wants(t, with.page(t, "/", with.logIn(t, canary)), "Till mina ärenden", `action="/logout"`)
}

// TestMine: a citizen sees all of her cases, in every municipality, the newest first, and
// nobody else sees anything of them.
func TestMine(t *testing.T) {
	b := citizenBed(t)
	her := b.logIn(t, canary)
	wants(t, b.page(t, "/mina-arenden", her), "Du har inga ärenden här än.")
	first := b.submit(t, "1")
	b.await(t, first.Case, hub.Registrerat)
	a := ask(t, b.public, "POST", "/v1/submissions", form("2", `municipality="1285"`, `service="701"`), bearer(eslovToken), jsonBody, "Idempotency-Key: key-eslov-2")
	var second receipt
	if decode(t, a, &second); a.status != 202 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	page := b.page(t, "/mina-arenden", her)
	wants(t, page, "Bygglov för altan", "Karlskrona kommun", "Eslövs kommun", "E-tjänst 701", "SBN 2026/1", first.Case, second.Case,
		"--accent: #0b5c3a", "Vem ska göra något nu?", "Kommunen.", `lang="sv"`)
	if strings.Index(page.body, second.Case) > strings.Index(page.body, first.Case) {
		t.Error("the newest is not first")
	}
	checkPolicy(t, page)
	stranger := b.logIn(t, other)
	mine := b.page(t, "/mina-arenden", stranger)
	wants(t, mine, "Du har inga ärenden här än.")
	wantsNot(t, mine, "Bygglov", "SBN", first.Case)
	for _, path := range []string{"/mina-arenden/" + first.Case, "/mina-arenden/" + first.Case + "/kvittens"} {
		for _, language := range []string{"?lang=sv", "?lang=en"} {
			a := b.page(t, path+language, stranger)
			if a.status != 404 {
				t.Errorf("another's %s: %d", path, a.status)
			}
			wantsNot(t, a, "Bygglov", "Building", "SBN", "Karlskrona")
		}
	}
	never := b.page(t, "/mina-arenden/01ARZ3NDEKTSV4RRFFQ69G5FAV", stranger)
	theirs := b.page(t, "/mina-arenden/"+first.Case, stranger)
	if theirs.status != never.status || strings.ReplaceAll(theirs.body, first.Case, "") != strings.ReplaceAll(never.body, "01ARZ3NDEKTSV4RRFFQ69G5FAV", "") {
		t.Error("another's case is told from none at all")
	}
	checkSilent(t, mine.body)
}

// checkPolicy holds each style and script of a page against what its policy allows.
func checkPolicy(t testing.TB, page answer) {
	t.Helper()
	policy := page.header.Get("Content-Security-Policy")
	for tag, directive := range map[string]string{"style": "style-src", "script": "script-src"} {
		var allowed string
		for part := range strings.SplitSeq(policy, ";") {
			if name, rest, _ := strings.Cut(strings.TrimSpace(part), " "); name == directive {
				allowed = rest
			}
		}
		for _, found := range regexp.MustCompile(`(?s)<`+tag+`>(.*?)</`+tag+`>`).FindAllStringSubmatch(page.body, -1) {
			sum := sha256.Sum256([]byte(found[1]))
			if !strings.Contains(allowed, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'") {
				t.Errorf("the browser will not use a %s of the page", tag)
			}
		}
	}
	if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || strings.Contains(page.body, " style=") {
		t.Errorf("the page allows too much: %s", policy)
	}
}

// TestCasePage: a case is told of with its Steps and their days, what is promised and who
// is to act, in both languages, and it wears its municipality.
func TestCasePage(t *testing.T) {
	b := citizenBed(t)
	r := b.submit(t, "1")
	b.await(t, r.Case, hub.Registrerat)
	her := b.logIn(t, canary)
	now := time.Now().In(hub.Stockholm)
	decided := hub.Term{N: 10, Unit: hub.Weeks}.After(now)
	months := []string{"", "januari", "februari", "mars", "april", "maj", "juni", "juli", "augusti", "september", "oktober", "november", "december"}
	swedish := b.page(t, "/mina-arenden/"+r.Case, her)
	wants(t, swedish, "<h1>Bygglov för altan</h1>", "Karlskrona kommun", `src="/logo/1080"`, `href="?lang=en"`, "Inkommet", "Registrerat", "Under handläggning", "Beslutat",
		"väntas senast "+fmt.Sprintf("%d %s", decided.Day(), months[decided.Month()]), "SBN 2026/1", "i dag kl.", `aria-current="step"`, "Kommunen.",
		"Du behöver inte göra något nu.", "inom 2 arbetsdagar", "inom 10 veckor", "för få ärenden", "Kontaktcenter, 0455-30 30 00", "/kvittens", r.Case)
	wantsNot(t, swedish, "karlskrona.diarium", "DELIVERED", "Levererat")
	checkPolicy(t, swedish)
	checkSilent(t, swedish.body)
	english := b.page(t, "/mina-arenden/"+r.Case, her, "Accept-Language: en-GB,sv;q=0.5")
	wants(t, english, `<html lang="en"`, "<h1>Building permit for a deck</h1>", "Received", "Registered", "In progress", "Decided", "expected by",
		"The municipality.", "within 2 working days", "today at", `lang="sv" hreflang="sv">Svenska`)
	wantsNot(t, english, "Inkommet", "väntas", "ärende")
	for _, next := range []struct {
		step  hub.Step
		texts []string
	}{
		{hub.UnderHandlaggning, []string{"En handläggare på kommunen arbetar med ärendet."}},
		{hub.KompletteringBehov, []string{"Komplettering behövs", "Du.", "Kommunen väntar på dig."}},
		{hub.Beslutat, []string{"Kommunen har fattat beslut.", "Ingen.", "Inga fler steg väntas."}},
		{hub.Avslutat, []string{"Avslutat", "Ärendet är avslutat."}},
	} {
		b.report(t, r, next.step)
		wants(t, b.page(t, "/mina-arenden/"+r.Case, her), next.texts...)
	}
}

// TestOneTimeForInkommet: a form that was sent in the evening before it reached us came in
// then, wherever a citizen reads it. Only the receipt also says when we had it.
func TestOneTimeForInkommet(t *testing.T) {
	b := citizenBed(t)
	sent := time.Now().In(hub.Stockholm).AddDate(0, 0, -1).Truncate(time.Minute)
	r := b.submit(t, "1", `submitted="`+sent.Format(time.RFC3339)+`"`)
	her := b.logIn(t, canary)
	came := `<time datetime="` + sent.Format(time.RFC3339) + `">i går kl. ` + sent.Format("15:04") + `</time>`
	onTrack := `<span class="name">Inkommet</span><span class="when">` + came
	check := func() {
		t.Helper()
		wants(t, b.page(t, "/mina-arenden", her), "Kom in "+came, onTrack)
		wants(t, b.page(t, "/mina-arenden/"+r.Case, her), "<dt>Kom in</dt><dd>"+came, onTrack)
	}
	check() // while it is where the case is, and when that has been done
	b.await(t, r.Case, hub.Registrerat)
	check()
	wants(t, b.page(t, "/mina-arenden/"+r.Case+"/kvittens", her), "<strong>"+sent.Format(time.DateTime), r.Received.In(hub.Stockholm).Format(time.DateTime))
}

// TestLanguageIsRemembered: who has chosen a language has it from then on, whatever the
// browser asks for.
func TestLanguageIsRemembered(t *testing.T) {
	b := citizenBed(t)
	a := b.page(t, "/?lang=en", "Accept-Language: sv")
	wants(t, a, "Follow your cases", `<html lang="en"`)
	cookie, _, _ := strings.Cut(a.header.Get("Set-Cookie"), ";")
	if a.header.Get("Content-Language") != "en" || cookie == "" {
		t.Fatalf("%v", a.header)
	}
	wants(t, b.page(t, "/", "Accept-Language: sv", "Cookie: "+cookie), "Follow your cases")
	wants(t, b.page(t, "/?lang=sv", "Cookie: "+cookie), "Följ dina ärenden")
	wants(t, b.page(t, "/?lang=%3Cscript%3E", "Accept-Language: en"), "Follow your cases")
	wants(t, b.page(t, "/", "Cookie: language=tlh"), "Följ dina ärenden")
}

// TestStuckPage: with the diarium down the page says so in words, since when, who is on it
// and what to do; nothing of what the system answered is there.
func TestStuckPage(t *testing.T) {
	b := citizenBed(t)
	b.diarium.say(hub.Unavailable(errors.New("HTTP status 503 from https://diarium.invalid/x"), hub.Down))
	r := b.submit(t, "1")
	her := b.logIn(t, canary)
	page := b.awaitOn(t, "/mina-arenden/"+r.Case, her, "Mottaget, väntar på att registreras")
	wants(t, page, "Kommunens system svarar inte just nu.", "De som sköter systemet", "Skicka det inte igen.", "i dag kl.",
		"Du behöver inte göra något nu.", "väntar</span>")
	wantsNot(t, page, "Någon annan än du", "503", "diarium.invalid", "karlskrona.diarium", "RETRY")
	english := b.page(t, "/mina-arenden/"+r.Case+"?lang=en", her)
	wants(t, english, "Received, waiting to be registered", "The municipality's system is not answering right now.", "Do not send it again.")
	wants(t, b.page(t, "/mina-arenden", her), "Kommunens system svarar inte just nu.")
}

func (b *bed) awaitOn(t testing.TB, path, who, text string) answer {
	t.Helper()
	for {
		if page := b.page(t, path, who); strings.Contains(page.body, text) {
			return page
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-t.Context().Done():
			t.Fatalf("%s never says %q", path, text)
		}
	}
}

// TestHeldPagesAreAlike: whatever a form rests for, its page says the same.
func TestHeldPagesAreAlike(t *testing.T) {
	b := citizenBed(t)
	her := b.logIn(t, canary)
	pages := map[hub.Reason]string{}
	for i, r := range []hub.Reason{hub.ReasonProtected, hub.ReasonMapping, hub.ReasonNoPerson, hub.ReasonCrashLoop} {
		key := b.hold(t, i, r, hub.FormKind)
		if err := b.store.Follow(t.Context(), hub.CaseID(key), hub.Following{Persons: []hub.PersonID{numbered(t, canary)}}, time.Now()); err != nil {
			t.Fatal(err)
		}
		page := b.page(t, "/mina-arenden/"+key, her)
		wants(t, page, "Mottaget, väntar på att registreras", "En person på kommunen ser över det för hand", "Kommunens registrator")
		wantsNot(t, page, "rad 12", "kydd", string(r))
		pages[r] = regexp.MustCompile(key+`|\d\d:\d\d(:\d\d)?|data-key="[^"]*"`).ReplaceAllString(page.body, "")
	}
	for r, page := range pages {
		if page != pages[hub.ReasonProtected] {
			t.Errorf("held %s is told from held %s", r, hub.ReasonProtected)
		}
	}
}

// TestReceipt: who sent a form in has its receipt, with what can be proved by it; who only
// follows the case has none.
func TestReceipt(t *testing.T) {
	b := citizenBed(t)
	text := form("r1", `attachments=[{"name":"Ritning 1.pdf","type":"application/pdf"}]`)
	a := b.post(t, "receipt-1", parts(submission(text), file("Ritning.pdf", "en ritning")))
	var r receipt
	if decode(t, a, &r); a.status != 202 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	b.await(t, r.Case, hub.Registrerat)
	original, drawing := sha256.Sum256([]byte(text)), sha256.Sum256([]byte("en ritning"))
	her := b.logIn(t, canary)
	page := b.page(t, "/mina-arenden/"+r.Case+"/kvittens", her)
	wants(t, page, "Kvittens", "Bygglov för altan", "Karlskrona kommun", r.ID, "r1", "SBN 2026/1", r.Received.In(hub.Stockholm).Format("2006-01-02 15:04:05"),
		hex.EncodeToString(original[:]), "Ritning 1.pdf", hex.EncodeToString(drawing[:]), "10 byte")
	wantsNot(t, page, canary, "Exemplet 4:12")
	checkPolicy(t, page)
	wants(t, b.page(t, "/mina-arenden/"+r.Case+"/kvittens?lang=en", her), "Receipt", "Checksum (SHA-256)", "10 bytes")
	if err := b.store.Follow(t.Context(), hub.CaseID(r.Case), hub.Following{Persons: []hub.PersonID{numbered(t, other)}}, time.Now()); err != nil {
		t.Fatal(err)
	}
	follower := b.logIn(t, other)
	followed := b.page(t, "/mina-arenden/"+r.Case, follower)
	wants(t, followed, "Bygglov för altan")
	wantsNot(t, followed, "kvittens")
	if a := b.page(t, "/mina-arenden/"+r.Case+"/kvittens", follower); a.status != 404 {
		t.Errorf("who only follows has a receipt: %d", a.status)
	}
}

// TestLogo: a municipality's picture is a picture and nothing more.
func TestLogo(t *testing.T) {
	b := citizenBed(t)
	a := ask(t, b.public, "GET", "/logo/1080", "")
	if a.status != 200 || a.body != logo || a.header.Get("Content-Type") != "image/svg+xml" || a.header.Get("X-Content-Type-Options") != "nosniff" ||
		!strings.Contains(a.header.Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("%d %v", a.status, a.header)
	}
	for _, path := range []string{"/logo/1285", "/logo/9999", "/logo/../x", "/logo/abc"} {
		if a := ask(t, b.public, "GET", path, ""); a.status != 404 {
			t.Errorf("%s: %d", path, a.status)
		}
	}
}

// TestNoticesOnCitizensPages: a service notice is on the pages of those whom it is for.
func TestNoticesOnCitizensPages(t *testing.T) {
	b := citizenBed(t)
	now := time.Now()
	for _, n := range []hub.Notice{
		{Swedish: "Stängt i natt.", English: "Closed tonight.", From: now.Add(-time.Hour), Until: now.Add(time.Hour), By: "registrator"},
		{Municipality: "1285", Swedish: "Bara Eslöv.", From: now.Add(-time.Hour), Until: now.Add(time.Hour), By: "eslovare"},
	} {
		if _, err := b.store.SaveNotice(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	r := b.submit(t, "1")
	her := b.logIn(t, canary)
	page := b.page(t, "/mina-arenden/"+r.Case, her)
	wants(t, page, "Stängt i natt.", "Driftmeddelanden")
	wantsNot(t, page, "Bara Eslöv.", "registrator<")
	wants(t, b.page(t, "/?lang=en"), "Closed tonight.", "Bara Eslöv.", `lang="sv"><p>`)
}

// TestHandlingTimes: what is measured is told when there are enough cases to say so.
func TestHandlingTimes(t *testing.T) {
	b := citizenBed(t)
	var last receipt
	for i := range 10 {
		last = b.submit(t, fmt.Sprint(i))
		b.await(t, last.Case, hub.Registrerat)
	}
	page := b.page(t, "/mina-arenden/"+last.Case, b.logIn(t, canary))
	wants(t, page, "Hälften av ärendena är registrerade inom 1 minut, nio av tio inom 1 minut.", "inom 2 arbetsdagar", "för få ärenden för att säga något än")
}

// TestPromisePassed: when the promised day has passed the page says so itself.
func TestPromisePassed(t *testing.T) {
	b := citizenBed(t)
	late := bundle()
	late.Routes[0].Expect = map[hub.Step]hub.Term{hub.Beslutat: {N: -3, Unit: hub.Days}}
	if err := b.hub.Activate(context.Background(), late); err != nil {
		t.Fatal(err)
	}
	r := b.submit(t, "1")
	b.await(t, r.Case, hub.Registrerat)
	page := b.page(t, "/mina-arenden/"+r.Case, b.logIn(t, canary))
	wants(t, page, "Det tar längre tid än vi har lovat", "Vi lovade att ärendet skulle vara beslutat senast", "skulle ha varit klart")
}

// TestAnOpenPageKeepsNobodyLoggedIn: that a page fetches itself again is no use of a
// session, or nobody who leaves a page open would ever be logged out.
func TestAnOpenPageKeepsNobodyLoggedIn(t *testing.T) {
	w := newTown(t)
	b := w.visitor(t)
	b.mustLogIn(elin)
	w.later(10 * time.Minute)
	if a := b.get("/mina-arenden", "Sec-Fetch-Mode: cors", "Sec-Fetch-Site: same-origin"); a.status != 200 {
		t.Fatalf("%d", a.status)
	}
	w.later(5 * time.Minute)
	b.mustBeOut("only a page was open")
}
