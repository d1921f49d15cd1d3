package web_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A stage has cases in all the situations that pages tell of.
type stage struct {
	*bed
	her                                                       string // her session, as a header
	decided, inProgress, needed, elsewhere, registered, stuck receipt
	held                                                      string
}

func setStage(t testing.TB) *stage {
	t.Helper()
	s := &stage{bed: citizenBed(t)}
	s.her = s.logIn(t, canary)
	for i := range 11 { // so that there is something to measure
		s.decided = s.submit(t, fmt.Sprint("m", i))
		s.await(t, s.decided.Case, hub.Registrerat)
		s.says(t, s.decided, hub.UnderHandlaggning)
		s.says(t, s.decided, hub.Beslutat)
	}
	s.inProgress = s.submit(t, "p1")
	s.await(t, s.inProgress.Case, hub.Registrerat)
	s.says(t, s.inProgress, hub.UnderHandlaggning)
	s.needed = s.submit(t, "k1")
	s.await(t, s.needed.Case, hub.Registrerat)
	s.says(t, s.needed, hub.KompletteringBehov)
	a := s.post(t, "stage-reg-1", parts(submission(form("r1", `attachments=[{"name":"Ritning.pdf","type":"application/pdf"},{"name":"Situationsplan över tomten.pdf","type":"application/pdf"}]`)),
		file("Ritning.pdf", "en ritning"), file("Situationsplan över tomten.pdf", "en plan")))
	decode(t, a, &s.registered)
	s.await(t, s.registered.Case, hub.Registrerat)
	a = ask(t, s.public, "POST", "/v1/submissions", form("e1", `municipality="1285"`, `service="701"`), bearer(eslovToken), jsonBody, "Idempotency-Key: stage-eslov-1")
	decode(t, a, &s.elsewhere)
	s.held = s.hold(t, 1, hub.ReasonRule, hub.FormKind)
	if err := s.store.Follow(t.Context(), hub.CaseID(s.held), hub.Following{Persons: []hub.PersonID{numbered(t, canary)}}, time.Now()); err != nil {
		t.Fatal(err)
	}
	s.diarium.say(hub.Unavailable(errors.New("HTTP status 503"), hub.Down))
	s.stuck = s.submit(t, "s1")
	s.awaitOn(t, "/mina-arenden/"+s.stuck.Case, s.her, "svarar inte")
	notice := hub.Notice{
		Swedish: "E-legitimation kan vara långsam i kväll.", English: "Logging in may be slow tonight.",
		From: time.Now().Add(-time.Hour), Until: time.Now().Add(5 * time.Hour), By: "gruppledare",
	}
	if _, err := s.store.SaveNotice(t.Context(), notice); err != nil {
		t.Fatal(err)
	}
	return s
}

// says has the diarium tell that one of several cases has moved on.
func (s *stage) says(t testing.TB, r receipt, step hub.Step) {
	t.Helper()
	said := hub.Report{
		System: "karlskrona.diarium", ID: r.ID + string(step), Key: hub.KeyOf(hub.ID(r.ID), "diarium"), Word: "x", Step: step, At: time.Now(),
	}
	if _, err := s.store.Report(t.Context(), "karlskrona.diarium", []hub.Report{said}, "1", time.Now()); err != nil {
		t.Fatal(err)
	}
}

// TestAccess: axe-core finds nothing on any page, in either language, on a desktop's
// screen and a phone's, by day and by night.
func TestAccess(t *testing.T) {
	axe, b := axe(t), openBrowser(t)
	s := setStage(t)
	b.logIn(s.public.URL, s.her)
	citizens := map[string]string{
		"start": "/", "cases": "/mina-arenden", "decided": "/mina-arenden/" + s.decided.Case, "in-progress": "/mina-arenden/" + s.inProgress.Case,
		"more-needed": "/mina-arenden/" + s.needed.Case, "registered": "/mina-arenden/" + s.registered.Case, "stuck": "/mina-arenden/" + s.stuck.Case,
		"held": "/mina-arenden/" + s.held, "elsewhere": "/mina-arenden/" + s.elsewhere.Case, "receipt": "/mina-arenden/" + s.registered.Case + "/kvittens",
		"not-found": "/mina-arenden/01ARZ3NDEKTSV4RRFFQ69G5FAV", "nowhere": "/nowhere", "logged-out": "/logout",
	}
	widths := []struct {
		name          string
		width, height int64
	}{{"desktop", 1280, 900}, {"phone", 320, 640}}
	for _, screen := range widths {
		b.size(screen.width, screen.height)
		for name, path := range citizens {
			for _, language := range []string{"sv", "en"} {
				b.visit(s.public.URL + path + "?lang=" + language)
				nights := []bool{false}
				if language == "sv" { // colours say the same in both
					nights = []bool{false, true}
				}
				for _, night := range nights {
					what := strings.Join([]string{name, language, screen.name}, "-")
					if b.dark(night); night {
						what += "-night"
					}
					b.checkAccess(axe, what)
					b.picture(what)
				}
			}
		}
		operators := map[string]string{
			"list": "/console", "case": "/console/cases/" + s.held, "stuck": "/console/cases/" + s.stuck.Case, "problem": "/problems/state-conflict",
			"missing": "/console/cases/01ARZ3NDEKTSV4RRFFQ69G5FAV", "question": "/console/fraga", "notices": "/console/driftmeddelanden",
			"reconciliation": "/console/avstamning", "words": "/console/ord", "systems": "/console/system",
		}
		if heap := heapOn(t, s.bed); heap != "" {
			operators["heap"] = heap
		}
		b.dark(false)
		b.identify(gruppledare)
		for name, path := range operators {
			b.visit(s.operator.URL + path)
			b.checkAccess(axe, "console-"+name+"-"+screen.name)
			b.picture("console-" + name + "-" + screen.name)
		}
		b.identify("Authorization: ")
	}
}

// TestAccessOfAnAnswer: nor on the page that answers an operator's question.
func TestAccessOfAnAnswer(t *testing.T) {
	axe, b := axe(t), openBrowser(t)
	s := setStage(t)
	b.identify(gruppledare)
	b.visit(s.operator.URL + "/console/fraga")
	b.run(chromedp.SendKeys(`[name="reference"]`, s.stuck.ID), chromedp.SendKeys(`[name="reason"]`, called))
	b.follow(`main form button`)
	b.await("Så här ser den sökande ärendet")
	b.checkAccess(axe, "console-answer")
	b.picture("console-answer")
}

// heapOn gives the address of a heap on the work list.
func heapOn(t testing.TB, b *bed) string {
	t.Helper()
	var list struct{ Cards []struct{ ID, Sort string } }
	decode(t, ask(t, b.operator, "GET", "/v1/worklist", "", registrator), &list)
	for _, c := range list.Cards {
		if c.Sort == "held" {
			return "/console/heaps/" + c.ID
		}
	}
	return ""
}

// TestWithoutScripts: a browser that runs no scripts shows all that there is, and a link
// to have it again.
func TestWithoutScripts(t *testing.T) {
	b := openBrowser(t)
	s := setStage(t)
	b.run(emulation.SetScriptExecutionDisabled(true))
	b.logIn(s.public.URL, s.her)
	b.visit(s.public.URL + "/mina-arenden?lang=sv")
	var text string
	b.run(chromedp.Text("main", &text))
	for _, want := range []string{"Bygglov för altan", "Eslövs kommun", "Mottaget, väntar på att registreras", "Ladda om sidan"} {
		if !strings.Contains(text, want) {
			t.Errorf("nothing says %q", want)
		}
	}
	b.follow("#case-" + s.registered.Case)
	b.follow("#receipt")
	b.run(chromedp.Text("main", &text))
	if !strings.Contains(text, "Ritning.pdf") || strings.Contains(text, "Skriv ut\n") {
		t.Errorf("the receipt: %s", text)
	}
	b.follow(`a[hreflang="en"]`)
	if b.run(chromedp.Text("main", &text)); !strings.Contains(text, "Checksum") {
		t.Errorf("the receipt in English: %s", text)
	}
}

// TestByKeyboard: the tabulator key reaches everything that can be used, in the order that
// it stands in, and shows where it is.
func TestByKeyboard(t *testing.T) {
	b := openBrowser(t)
	s := setStage(t)
	b.logIn(s.public.URL, s.her)
	for _, path := range []string{"/", "/mina-arenden", "/mina-arenden/" + s.registered.Case, "/mina-arenden/" + s.registered.Case + "/kvittens"} {
		b.visit(s.public.URL + path + "?lang=sv")
		if get[bool](b, `document.getElementById("line") !== null`) {
			b.await("Sidan uppdateras av sig själv.") // in the place of a link
		}
		all := get[int](b, `(() => { window.usable = [...document.querySelectorAll("a[href], button, input, select, textarea, summary")].filter((e) => e.checkVisibility()); return usable.length })()`)
		for i := range all {
			b.run(chromedp.KeyEvent(kb.Tab))
			at := get[struct {
				Place   int
				Visible bool
				Name    string
			}](b, `(() => { const e = document.activeElement, r = e.getBoundingClientRect(), s = getComputedStyle(e);
				return {place: usable.indexOf(e), name: e.outerHTML,
					visible: s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2 && r.width > 0 && r.right > 0 && r.bottom > 0 && r.top < innerHeight} })()`)
			if at.Place != i || !at.Visible {
				t.Errorf("%s: key press %d leads to %d of %d, seen: %v: %s", path, i+1, at.Place, all, at.Visible, at.Name)
			}
		}
	}
}

// A front is the one address that browsers know the hub by, whatever process is behind it.
type front struct {
	*httptest.Server
	behind atomic.Pointer[http.Handler]
}

func newFront(t testing.TB, b *bed) *front {
	f := &front{}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := f.behind.Load()
		if h == nil {
			panic(http.ErrAbortHandler) // nobody is there
		}
		(*h).ServeHTTP(w, r)
	}))
	t.Cleanup(func() { b.web.EndStreams(); f.Close() })
	f.open(b)
	return f
}

func (f *front) open(b *bed) {
	h := b.web.Public()
	f.behind.Store(&h)
}

// kill takes the hub away in the middle of whatever it does.
func (f *front) kill(b *bed) {
	f.behind.Store(nil)
	f.CloseClientConnections()
	b.stop()
}

// await waits until the page says something.
func (b *chromium) await(text string) {
	b.t.Helper()
	quoted, _ := json.Marshal(text)
	get[bool](b, `new Promise((found) => {
		const look = () => document.querySelector("main").innerText.includes(`+string(quoted)+`) && found(true);
		new MutationObserver(look).observe(document.body, {subtree: true, childList: true, characterData: true, attributes: true});
		look() })`)
}

// TestLive: on an open page a case goes through its Steps by itself, while the hub is
// killed and restarted twice: no Step is missed, each is told once, and focus stays where
// it was.
func TestLive(t *testing.T) {
	b := openBrowser(t)
	hubs := citizenBed(t)
	hubs.diarium.say(hub.Later(errors.New("closed"), time.Second))
	r := hubs.submit(t, "1")
	f := newFront(t, hubs)
	b.logIn(f.URL, hubs.logIn(t, canary))
	b.visit(f.URL + "/mina-arenden/" + r.Case + "?lang=sv")
	b.await("Sidan uppdateras av sig själv.")
	b.run(chromedp.Evaluate(`window.heard = []; new MutationObserver(() => heard.push(document.getElementById("news").textContent))
		.observe(document.getElementById("news"), {childList: true, characterData: true, subtree: true});
		document.getElementById("receipt").focus()`, nil))

	hubs.diarium.say(nil)
	b.await("Ärendet är registrerat hos kommunen")
	f.kill(hubs)
	b.await("Förbindelsen är bruten.")
	hubs.start(t)
	hubs.wear(t)
	f.open(hubs)
	b.await("Sidan uppdateras av sig själv.")
	hubs.report(t, r, hub.UnderHandlaggning)
	b.await("En handläggare på kommunen arbetar")
	f.kill(hubs)
	b.await("Förbindelsen är bruten.")
	hubs.start(t)
	hubs.wear(t)
	hubs.report(t, r, hub.KompletteringBehov) // while nobody can hear
	hubs.report(t, r, hub.Beslutat)
	f.open(hubs)
	b.await("Kommunen har fattat beslut")

	heard := get[[]string](b, `heard`)
	for _, step := range []string{"Registrerat", "Under handläggning", "Beslutat"} {
		if n := strings.Count(strings.Join(heard, "\n"), "Bygglov för altan: "+step); n != 1 {
			t.Errorf("%s is told %d times: %q", step, n, heard)
		}
	}
	if at := get[string](b, `document.activeElement.id`); at != "receipt" {
		t.Errorf("focus has gone to %q", at)
	}
	if shown := get[int](b, `document.querySelectorAll(".track li").length`); shown != 4 {
		t.Errorf("%d Steps are shown", shown)
	}
}

// TestLeftOpen: a page that stands open when its citizen has logged out elsewhere shows
// nothing of her cases any more.
func TestLeftOpen(t *testing.T) {
	b := openBrowser(t)
	hubs := citizenBed(t)
	r := hubs.submit(t, "1")
	her := hubs.logIn(t, canary)
	b.logIn(hubs.public.URL, her)
	b.visit(hubs.public.URL + "/mina-arenden/" + r.Case + "?lang=sv")
	b.await("Sidan uppdateras av sig själv.")
	hubs.logOut(t, her)
	b.run(chromedp.Evaluate(`document.dispatchEvent(new Event("visibilitychange"))`, nil))
	b.await("Du är inte inloggad längre.")
	if left := get[string](b, `document.title + document.querySelector("main").textContent`); strings.Contains(left, "Bygglov") || strings.Contains(left, r.Case) {
		t.Errorf("it still says %q", left)
	}
}

// TestUnseen: a page that nobody sees fetches nothing, and has the latest when it is seen.
func TestUnseen(t *testing.T) {
	b := openBrowser(t)
	hubs := citizenBed(t)
	hubs.diarium.say(hub.Later(errors.New("closed"), time.Second))
	r := hubs.submit(t, "1")
	b.logIn(hubs.public.URL, hubs.logIn(t, canary))
	b.visit(hubs.public.URL + "/mina-arenden/" + r.Case + "?lang=sv")
	b.await("Sidan uppdateras av sig själv.")
	b.run(chromedp.Evaluate(`window.unseen = true; window.asked = 0; window.askTheHub = fetch;
		window.fetch = (...call) => { asked++; return askTheHub(...call) };
		Object.defineProperty(document, "hidden", {get: () => unseen});
		window.heard = new Promise((done) => stream.addEventListener("status", (e) => JSON.parse(e.data).step === "registrerat" && done()));
		0`, nil))
	hubs.diarium.say(nil)
	asked := get[int](b, `heard.then(() => new Promise((done) => {
		const look = () => waiting ? requestAnimationFrame(look) : done(asked);
		look() }))`)
	if asked != 0 {
		t.Errorf("it fetched itself %d times", asked)
	}
	b.run(chromedp.Evaluate(`unseen = false; document.dispatchEvent(new Event("visibilitychange"))`, nil))
	b.await("Ärendet är registrerat hos kommunen")
}
