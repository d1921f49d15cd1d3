package verbs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/knutpunkt/knutpunkt/connectors/navet/navetsim"
	"github.com/knutpunkt/knutpunkt/connectors/sif/sifsim"
	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/web/eidsim"
)

// A citizen follows her case in a real browser, through four Steps, while the hub is killed
// and started again twice: no Step is missed, shown twice or taken back, and the page is
// never loaded anew. Nobody else sees it, and the first line sees just what she sees. When
// a diarium is down her page says so.
func TestACitizenFollowsHerCases(t *testing.T) {
	t.Parallel()
	town := newTown(t)
	hubRuns := town.serve()
	elin := town.browser()
	elin.logIn(musicians[0].applicant)
	elin.sees("Du har inga ärenden här än.")
	elin.run(chromedp.Evaluate(recorder, nil))
	operator := town.browser()
	operator.signIn("gruppledare")
	operator.announces("Kommunens diarium är segt i dag.")

	town.navet.FailAlways(navetsim.Hang)
	first := town.sendIn("1080", musicians[0])
	elin.isShown("Inkommet")
	elin.sees("Kommunens diarium är segt i dag.")
	hubRuns.end(syscall.SIGKILL)
	elin.sees("Förbindelsen är bruten.")
	town.navet.Mend()
	hubRuns = town.serve()
	elin.isShown("Registrerat")

	hubRuns.end(syscall.SIGKILL)
	elin.sees("Förbindelsen är bruten.")
	town.handles("karlskrona", "Under handläggning")
	town.serve()
	elin.isShown("Under handläggning")
	town.handles("karlskrona", "Beslutat")
	elin.isShown("Beslutat")
	elin.sees("Sidan uppdateras av sig själv.")
	elin.picture("beslutat")
	town.checkShown(elin.recorded())

	t.Run("the first line sees just what she sees", func(t *testing.T) {
		elin.on(t).opens("/mina-arenden/"+first, http.StatusOK)
		operator := operator.on(t)
		operator.run(
			chromedp.Navigate(town.operator+"/console/fraga"), chromedp.SendKeys("#reference", first, chromedp.ByQuery),
			chromedp.SendKeys("#reason", "hon har ringt", chromedp.ByQuery),
			chromedp.Click(`//button[text()="Visa ärendet"]`, chromedp.BySearch), chromedp.WaitVisible(".seen .case", chromedp.ByQuery),
		)
		operator.picture("fraga")
		if hers, operators := elin.textOf(".case"), operator.textOf(".seen .case"); hers == "" || hers != operators {
			t.Errorf("she sees\n%s\nand the operator\n%s", hers, operators)
		}
	})
	t.Run("another citizen gets 404", func(t *testing.T) {
		other := town.browser().on(t)
		other.logIn(musicians[1].applicant)
		other.sees("Du har inga ärenden här än.")
		other.opens("/mina-arenden/"+first, http.StatusNotFound)
		other.opens("/mina-arenden/"+first+"/kvittens", http.StatusNotFound)
	})
	t.Run("two municipalities, and one's diarium is down", func(t *testing.T) {
		elin := elin.on(t)
		elin.opens("/mina-arenden", http.StatusOK)
		town.stops("eslov")
		town.sendIn("1285", musicians[0])
		elin.sees("Eslövs kommun")
		within, cancel := context.WithTimeout(elin.Context, time.Minute)
		defer cancel()
		elin.runIn(within, chromedp.WaitVisible(`//*[contains(@class,"entry")][.//*[contains(text(),"Eslövs kommun")]]//*[contains(text(),"Mottaget, väntar på att registreras")]`, chromedp.BySearch))
		if text := elin.textOf("main"); !strings.Contains(text, "Karlskrona kommun") || !strings.Contains(text, "svarar inte just nu") {
			t.Errorf("with a diarium down her page says\n%s", text)
		}
		elin.picture("eslov-ligger-nere")
	})
}

// recorder has a page keep all that it ever shows of how far its cases have come: where they
// are now, which words of the feed are told of, and what is read aloud.
const recorder = `(() => {
  window.recorded = [];
  let last = "";
  const look = () => {
    const one = {
      now: [...document.querySelectorAll(".track [aria-current=step] .name")].map((e) => e.textContent),
      told: [...document.querySelectorAll(".track [data-key]")].map((e) => e.dataset.key + " " + e.querySelector(".name").textContent),
      aloud: document.getElementById("news").textContent,
    };
    if (JSON.stringify(one) !== last) { last = JSON.stringify(one); window.recorded.push(one); }
  };
  new MutationObserver(look).observe(document.documentElement, { subtree: true, childList: true, characterData: true, attributes: true });
  look();
})()`

// A shown moment is what the page showed until something on it changed.
type shown struct {
	Now   []string
	Told  []string
	Aloud string
}

// checkShown sees to it that a page with one case showed each Step once, in order.
func (town *town) checkShown(moments []shown) {
	town.Helper()
	steps := []string{hub.Inkommet.Swedish(), hub.Registrerat.Swedish(), hub.UnderHandlaggning.Swedish(), hub.Beslutat.Swedish()}
	var now, told, aloud []string
	for _, m := range moments {
		if step := strings.Join(m.Now, " and "); step != "" && (len(now) == 0 || now[len(now)-1] != step) {
			now = append(now, step)
		}
		for _, one := range m.Told {
			if !slices.Contains(told, one) {
				told = append(told, one)
			}
		}
		if m.Aloud != "" && (len(aloud) == 0 || aloud[len(aloud)-1] != m.Aloud) {
			aloud = append(aloud, m.Aloud)
		}
	}
	if !slices.Equal(now, steps) {
		town.Errorf("the page showed %q, one after the other", now)
	}
	if len(told) != len(steps) || len(aloud) != len(steps) {
		town.Errorf("the page told of %q, and had read aloud %q", told, aloud)
	}
	for i := range min(len(told), len(aloud), len(steps)) {
		if !strings.HasSuffix(told[i], " "+steps[i]) || !strings.Contains(aloud[i], steps[i]) {
			town.Errorf("for %s it told of %q and read %q aloud", steps[i], told[i], aloud[i])
		}
	}
	if town.Failed() {
		for _, m := range moments {
			town.Logf("%+v", m)
		}
	}
}

// — the town —

// A town is the shipped mappings with an e-ID and the same e-service in two municipalities,
// what surrounds them, and the hub as a process of its own.
type town struct {
	*testing.T
	*simulators
	people           []hub.PersonID // that one can be
	public, operator string
	forms            int
}

func newTown(t *testing.T) *town {
	t.Helper()
	findBrowser(t)
	dir, port := t.TempDir(), freePorts(t)
	town := &town{
		T: t, public: fmt.Sprintf("http://127.0.0.1:%d", port), operator: fmt.Sprintf("http://127.0.0.1:%d", port+1),
		people: []hub.PersonID{person(t, musicians[0].applicant), person(t, musicians[1].applicant)},
	}
	if err := writeConfiguration(dir, port); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	write("secrets/eid", "the-secret-of-the-hub")
	write("knutpunkt.yaml", strings.NewReplacer("PUBLIC", town.public, "LISTEN", town.public[len("http://"):],
		"OPERATOR", town.operator[len("http://"):], "ISSUER", town.startProvider()).Replace(townSettings))
	if err := os.RemoveAll(filepath.Join(dir, "routes")); err != nil {
		t.Fatal(err)
	}
	for _, m := range []struct {
		folder, name, code string
		diarium            int
		secret             string
	}{
		{"karlskrona", "Karlskrona kommun", "1080", port + karlskronaDiarium, "diarium-authkey"},
		{"eslov", "Eslövs kommun", "1285", port + eslovDiarium, "eslov-diarium-authkey"},
	} {
		write("routes/"+m.folder+"/municipality.yaml", fmt.Sprintf("code: %q\nname: %s\n", m.code, m.name))
		write("routes/"+m.folder+"/systems.yaml", fmt.Sprintf(townSystems, port+navetPort, m.diarium, m.secret))
		write("routes/"+m.folder+"/kulturskola.yaml", townRoute)
	}
	town.startSimulators(dir)
	return town
}

const townSettings = `listen: LISTEN
operator: OPERATOR
store: sqlite:data/knutpunkt.db
bus: memory
keys: file:secrets/keys.json
clients:
  hemsidan: { municipalities: ["1080", "1285"], services: [kulturskola], secrets: [file:secrets/hemsidan-client], key: header }
operators:
  gruppledare: { municipalities: ["*"], secret: file:secrets/gruppledare }
login:
  issuer: ISSUER
  client: knutpunkt
  secret: file:secrets/eid
  acr: ["http://id.elegnamnden.se/loa/1.0/loa3"]
  address: PUBLIC
`

const townSystems = `hemsidan: { connector: json }
navet:
  connector: navet
  url: https://127.0.0.1:%d/na/na_epersondata/V4/personpostXML
  org-number: "162021004748"
  order: 00000236-FO01-0002
  tls: { certificate: file:secrets/navet.pem, key: file:secrets/navet-key.pem, ca: file:secrets/navet-ca.pem }
diarium:
  connector: sif
  url: http://127.0.0.1:%d
  authkey: file:secrets/%s
  poll: 200ms
  words: { Registrerat: registrerat, Under handläggning: under-handlaggning, Beslutat: beslutat }
`

const townRoute = `title: Anmälan till kulturskolan
from: { system: hemsidan, service: kulturskola }
answers: services/kulturskola.json
parties:
  - { role: sökande, follows: true }
  - { role: barn, id: "${answers.barn.personnummer}" }
enrich:
  - { register: navet, person: "${parties.barn}", as: barn }
deliver:
  - { to: diarium, mapping: diarium/kulturskola, step: registrerat, voice: true }
protected: hold
expect: { registrerat: 3 arbetsdagar, beslutat: 6 veckor }
keep: 1 år
decision: KS 2026-61
owner: kultur@eslov.example
`

// startProvider starts the development e-ID and gives its address.
func (town *town) startProvider() string {
	server := httptest.NewUnstartedServer(nil)
	issuer := "http://" + server.Listener.Addr().String()
	o := eidsim.Options{
		Issuer: issuer, Client: "knutpunkt", Secret: hub.NewSecret("the-secret-of-the-hub"),
		Back: []string{town.public + "/login/done"}, Clock: time.Now,
	}
	for _, p := range town.people {
		o.Persons = append(o.Persons, eidsim.Person{Number: p})
	}
	provider, err := eidsim.New(o)
	if err != nil {
		town.Fatal(err)
	}
	server.Config.Handler = provider
	server.Start()
	town.Cleanup(server.Close)
	return issuer
}

// startSimulators starts what the hub speaks to. The diaria handle nothing by themselves.
func (town *town) startSimulators(dir string) {
	if err := makeSecrets(dir); err != nil {
		town.Fatal(err)
	}
	sims, err := openSimulators(dir)
	if err != nil {
		town.Fatal(err)
	}
	town.Cleanup(sims.close)
	for _, d := range sims.diaria {
		d.Pace = nil
	}
	if err := sims.start(town.Context()); err != nil {
		town.Fatal(err)
	}
	town.simulators = sims
}

func person(t *testing.T, number string) hub.PersonID {
	t.Helper()
	p, err := hub.ParsePersonID(number)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// serve starts the hub, and waits until it is ready.
func (town *town) serve() *process {
	town.Helper()
	p := start(town.T, "serve", "--config", town.dir)
	await(town.T, "ready", func() bool { return p.isOver() || answers(town.operator+"/readyz", http.StatusOK) })
	if p.isOver() {
		town.Fatalf("the hub does not start: %s", p.errs.String())
	}
	return p
}

// sendIn posts a form for somebody and gives the ID of its case.
func (town *town) sendIn(municipality string, who struct{ child, applicant string }) string {
	town.Helper()
	town.forms++
	body, err := json.Marshal(map[string]any{
		"municipality": municipality, "service": "kulturskola", "applicant": map[string]any{"personalIdentityNumber": who.applicant},
		"source":  map[string]any{"system": "hemsidan", "id": fmt.Sprintf("K-%d", town.forms), "version": "1"},
		"answers": map[string]any{"barn": map[string]any{"personnummer": who.child}, "instrument": []string{"fiol"}, "årskurs": 3},
	})
	if err != nil {
		town.Fatal(err)
	}
	id, err := town.send(town.Context(), posting{"hemsidan-client", "/v1/submissions", fmt.Sprintf("kulturskola-%06d", town.forms), body})
	if err != nil {
		town.Fatal(err)
	}
	return id
}

// handles has a diarium bring its first case to where a word of its own says.
func (town *town) handles(folder, word string) {
	town.Helper()
	for _, e := range town.diaria[folder].Ledger() {
		if e.Kind == sifsim.CaseEntry {
			if err := town.diaria[folder].Move(e.Number, word); err != nil {
				town.Fatal(err)
			}
			return
		}
	}
	town.Fatalf("the diarium in %s has no case", folder)
}

// stops has a diarium answer nobody any more.
func (town *town) stops(folder string) {
	for _, s := range town.servers {
		if s.Handler == http.Handler(town.diaria[folder]) {
			s.Close()
		}
	}
}

// — the browsers —

// findBrowser skips a test where there is no Chromium, except where there must be one.
func findBrowser(t *testing.T) {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if _, err := exec.LookPath(name); err == nil {
			return
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatal("there is no Chromium here, and CI must have one")
	}
	t.Skip("there is no Chromium here")
}

// A browser is a whole one of its own, so that its cookies are nobody else's.
type browser struct {
	*testing.T
	context.Context
	town *town
}

func (town *town) browser() *browser {
	town.Helper()
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.WindowSize(1100, 1400))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium has no other way as root
	}
	ctx, end := chromedp.NewExecAllocator(context.Background(), options...)
	town.Cleanup(end)
	quiet := chromedp.WithErrorf(func(string, ...any) {}) // its driver knows not every word of every Chromium
	ctx, end = chromedp.NewContext(ctx, quiet)
	town.Cleanup(end)
	if err := chromedp.Run(ctx); err != nil { // it lives as long as the context of its first errand
		town.Fatalf("the browser does not start: %v", err)
	}
	return &browser{town.T, ctx, town}
}

// on gives the same browser for a part of a test.
func (b *browser) on(t *testing.T) *browser { return &browser{t, b.Context, b.town} }

// longest is more than anything takes that comes at all.
const longest = 90 * time.Second

func (b *browser) run(actions ...chromedp.Action) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context, longest)
	defer cancel()
	b.runIn(ctx, actions...)
}

func (b *browser) runIn(ctx context.Context, actions ...chromedp.Action) {
	b.Helper()
	if err := chromedp.Run(ctx, actions...); err != nil {
		b.Fatalf("the browser: %v; its page says\n%s", err, b.textOf("body"))
	}
}

// logIn goes to the cases by way of the e-ID.
func (b *browser) logIn(number string) {
	b.Helper()
	i := slices.Index(b.town.people, person(b.T, number)) + 1
	b.run(
		network.Enable(), network.SetExtraHTTPHeaders(network.Headers{"Accept-Language": "sv"}),
		chromedp.Navigate(b.town.public+"/mina-arenden"),
		chromedp.Click(fmt.Sprintf(`input[name=person][value="%d"]`, i), chromedp.ByQuery),
		chromedp.Click(`//button[text()="Legitimera"]`, chromedp.BySearch), chromedp.WaitVisible("#live", chromedp.ByQuery),
	)
}

// signIn has the browser say who its operator is.
func (b *browser) signIn(name string) {
	b.Helper()
	secret := strings.TrimSpace(read(filepath.Join(b.town.dir, "secrets", name)))
	at, err := url.Parse(b.town.operator + "/login")
	if err != nil {
		b.Fatal(err)
	}
	at.User = url.UserPassword(name, secret)
	b.run(chromedp.Navigate(at.String()))
}

// announces has an operator write a notice to all.
func (b *browser) announces(text string) {
	b.Helper()
	b.run(
		chromedp.Navigate(b.town.operator+"/console/driftmeddelanden"), chromedp.SendKeys("#s-new", text, chromedp.ByQuery),
		chromedp.SetValue("#m-new", "*", chromedp.ByQuery),
		chromedp.SetValue("#u-new", time.Now().Add(time.Hour).In(hub.Stockholm).Format("2006-01-02T15:04"), chromedp.ByQuery),
		chromedp.Click(`//button[text()="Visa för alla som det gäller"]`, chromedp.BySearch),
	)
	b.sees("Driftmeddelandet är sparat.")
	b.picture("driftmeddelanden")
}

// opens loads one of the public pages, which must answer with a status.
func (b *browser) opens(path string, status int) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context, longest)
	defer cancel()
	resp, err := chromedp.RunResponse(ctx, chromedp.Navigate(b.town.public+path))
	if err != nil || resp.Status != int64(status) {
		b.Fatalf("%s: %+v, %v, want %d", path, resp, err, status)
	}
}

// sees waits until the page says something.
func (b *browser) sees(text string) {
	b.Helper()
	b.run(chromedp.WaitVisible(fmt.Sprintf(`//main//*[contains(text(),%q)]`, text), chromedp.BySearch))
}

// isShown waits until the page says that its case has come to a Step.
func (b *browser) isShown(step string) {
	b.Helper()
	b.run(chromedp.WaitVisible(fmt.Sprintf(`//*[@aria-current="step"]/*[text()=%q]`, step), chromedp.BySearch))
}

func (b *browser) recorded() (moments []shown) {
	b.Helper()
	b.run(chromedp.Evaluate("window.recorded", &moments))
	return moments
}

// textOf gives what stands in a part of the page.
func (b *browser) textOf(selector string) (text string) {
	ctx, cancel := context.WithTimeout(b.Context, longest)
	defer cancel()
	chromedp.Run(ctx, chromedp.Evaluate(fmt.Sprintf("document.querySelector(%q)?.textContent ?? ''", selector), &text))
	return strings.Join(strings.Fields(text), " ")
}

// picture keeps what the page looks like, where the one who runs the tests wants to see it.
func (b *browser) picture(name string) {
	folder := os.Getenv("KNUTPUNKT_PICTURES")
	if folder == "" {
		return
	}
	ctx, cancel := context.WithTimeout(b.Context, longest)
	defer cancel()
	var png []byte
	if err := chromedp.Run(ctx, chromedp.FullScreenshot(&png, 100)); err != nil {
		b.Errorf("no picture of %s: %v", name, err)
	} else if err := os.WriteFile(filepath.Join(folder, name+".png"), png, 0o644); err != nil {
		b.Error(err)
	}
}
