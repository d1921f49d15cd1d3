package edlevo_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/edlevo"
	"github.com/knutpunkt/knutpunkt/connectors/edlevo/edlevosim"
	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
	"github.com/knutpunkt/knutpunkt/hub/outbound"
)

// A child with two guardians, and a license: what nobody is to see in an error or a log.
const (
	child   = "201601012394"
	mother  = "199409272383"
	father  = "199208142399"
	license = "LICENS-4711-HEMLIG"
)

// A town is an Edlevo and a hub's connection to it.
type town struct {
	t      *testing.T
	sim    *edlevosim.Sim
	system hub.System
	log    bytes.Buffer

	mu     sync.Mutex
	now    time.Time
	asked  []*url.URL
	errors []string // the texts of all errors that came out
}

func newTown(t *testing.T, o edlevosim.Options, c edlevo.Config) *town {
	t.Helper()
	tw := &town{t: t, now: time.Date(2026, 3, 2, 9, 0, 0, 0, hub.Stockholm)}
	o.Clock, o.License, o.Schema = tw.clock, license, schema(t, "../../schemas", "edlevo/schoolsearch-4.xsd")
	if o.Guardians == nil {
		o.Guardians = map[string][]string{child: {mother, father}}
	}
	var err error
	if tw.sim, err = edlevosim.New(o); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tw.mu.Lock()
		tw.asked = append(tw.asked, r.URL)
		tw.mu.Unlock()
		tw.sim.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	c.URL, c.Status, c.License = server.URL+"/LES/SchoolSearch/", server.URL+"/LES/Status", hub.NewSecret(license)
	tw.system = opened(t, tw.env(server.URL), c)
	t.Cleanup(tw.mustBeSilent)
	return tw
}

func opened(t testing.TB, e hub.Env, c edlevo.Config) hub.System {
	t.Helper()
	system, err := edlevo.New.Open(t.Context(), e, func(into any) error { *into.(*edlevo.Config) = c; return nil })
	if err != nil {
		t.Fatal(err)
	}
	return system
}

// env is what the hub lends, with its own door out.
func (tw *town) env(address string) hub.Env {
	grant, err := outbound.GrantFor(address)
	if err != nil {
		tw.t.Fatal(err)
	}
	door := outbound.Open([]outbound.Grant{grant}, nil, tw.clock)
	log := slog.New(slog.NewTextHandler(&tw.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	return hub.Env{ID: "eslov.edlevo", HTTP: door.HTTP(), Reads: door.Reads(), Log: log, Clock: tw.clock}
}

func (tw *town) clock() time.Time {
	tw.mu.Lock()
	defer tw.mu.Unlock()
	return tw.now
}

func (tw *town) pass(d time.Duration) {
	tw.mu.Lock()
	defer tw.mu.Unlock()
	tw.now = tw.now.Add(d)
}

func (tw *town) deliver(d hub.Delivery) (hub.Receipt, error) {
	r, err := tw.system.Destination.Deliver(tw.t.Context(), d)
	tw.hear(err)
	return r, err
}

func (tw *town) find(d hub.Delivery) (hub.Receipt, error) {
	r, err := tw.system.Destination.Find(tw.t.Context(), d)
	tw.hear(err)
	return r, err
}

func (tw *town) poll(d hub.Delivery, r hub.Receipt) ([]hub.Report, error) {
	reports, err := tw.system.Poller.Poll(tw.t.Context(), d, r)
	tw.hear(err)
	return reports, err
}

func (tw *town) hear(err error) {
	if err != nil {
		tw.mu.Lock()
		defer tw.mu.Unlock()
		tw.errors = append(tw.errors, fmt.Sprintf("%s %+v", err, err))
	}
}

// mustBeSilent demands that nothing that came out says whom it was about, where, or by which key.
func (tw *town) mustBeSilent() {
	for _, text := range append(tw.errors, tw.log.String()) {
		for _, canary := range []string{child[2:], mother[2:], father[2:], license, "Alva", "Exempelsson", "127.0.0.1", "LicenseKey"} {
			if strings.Contains(text, canary) {
				tw.t.Errorf("%q holds %q", text, canary)
			}
		}
	}
}

func schema(t testing.TB, folder, name string) document.Validator {
	t.Helper()
	v, err := document.CompileXSD(os.DirFS(folder), name)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// A form is what a choice of school says here.
type form struct {
	kind     string // NextYear when empty
	guardian string
	at       string
	schools  []string // in order; the mark ! is before an independent one
}

func (f form) delivery() hub.Delivery {
	elements := map[string]string{"NextYear": "applicationnextyear", "Reelection": "applicationreelection", "CurrentYear": "applicationcurrentyear"}
	if f.kind == "" {
		f.kind = "NextYear"
	}
	var choices string
	for _, independent := range []bool{false, true} {
		for _, s := range f.schools {
			unit, isIndependent := strings.CutPrefix(s, "!")
			if isIndependent != independent {
				continue
			}
			list := map[bool]string{false: "connectedschoolchoices", true: "notconnectedschoolchoices"}[independent]
			choices += "<" + list + "><unitid>" + unit + "</unitid><status>NotAnswered</status><schoolname>" + nameOf(unit) +
				"</schoolname><schoolnamewithgrades>" + nameOf(unit) + "-1</schoolnamewithgrades><wantssiblingpriority>false</wantssiblingpriority></" + list + ">"
		}
	}
	text := "<childssn>" + child + "</childssn><confirmationemail>alva@example.com</confirmationemail><applicationtype>" + f.kind +
		"</applicationtype><legalguardian1signedssn>" + f.guardian + "</legalguardian1signedssn><phonenumber>0701740621</phonenumber>" +
		"<phonenumberissecret>false</phonenumberissecret><altphonenumber/><altphonenumberissecret>false</altphonenumberissecret><updatedby>" +
		f.guardian + "</updatedby><createdat>" + f.at + "</createdat><createdby>" + f.guardian + "</createdby>" + choices + "<searchedgrade>1</searchedgrade>"
	if f.kind == "NextYear" {
		text += "<notapplying>false</notapplying><notappliedreasonid>None</notappliedreasonid><notappliedtreason/>" +
			"<hasappliedtootherschools>false</hasappliedtootherschools><otherschoolname/>"
	}
	return delivery("application", "<"+elements[f.kind]+">"+text+"</"+elements[f.kind]+">")
}

func nameOf(unit string) string {
	for _, s := range edlevosim.Schools {
		if fmt.Sprint(s.Unit) == unit {
			return s.Name
		}
	}
	return "Okända skolan"
}

func delivery(operation, inside string) hub.Delivery {
	text := "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<schoolsearch xmlns=\"http://open.tieto.com/edu/schoolsearch/v4\">" + inside + "</schoolsearch>"
	return hub.Delivery{
		Key: "01KA0000000000000000000400-edlevo", Case: "01KA0000000000000000000400", Municipality: "1285", Operation: operation,
		Document: hub.NewDocument("application/xml; charset=utf-8", []byte(text)),
	}
}

func unmade(reason string) hub.Delivery {
	return delivery("application", "<applicationnotapplying><childid>"+child+"</childid><reason>"+reason+
		"</reason><reasontext>Vi flyttar.</reasontext><createdby>"+mother+"</createdby></applicationnotapplying>")
}

func consent(id, guardian, answer string) hub.Delivery {
	return delivery("consent", "<applicationanswer><applicationid>"+id+"</applicationid><answeringguardianssn>"+guardian+
		"</answeringguardianssn><answer>"+answer+"</answer></applicationanswer>")
}

var hers = form{guardian: mother, at: "2026-03-02T08:59:30", schools: []string{"3011", "3017", "!4102"}}

func TestEveryKindIsSavedOnce(t *testing.T) {
	for name, d := range map[string]hub.Delivery{
		"next year":    hers.delivery(),
		"reelection":   form{"Reelection", mother, hers.at, []string{"3017"}}.delivery(),
		"current year": form{"CurrentYear", mother, hers.at, []string{"!4102"}}.delivery(),
		"none":         unmade("OtherReason"),
	} {
		t.Run(name, func(t *testing.T) {
			tw := newTown(t, edlevosim.Options{}, edlevo.Config{})
			if _, err := tw.find(d); !errors.Is(err, hub.ErrNotFound) {
				t.Errorf("Find before gives %v", err)
			}
			first, err := tw.deliver(d)
			if err != nil || first.Number == "" || strings.ContainsAny(first.Number, "{}") || first.At.IsZero() {
				t.Fatalf("Deliver gives %+v, %v", first, err)
			}
			found, err := tw.find(d)
			again, errAgain := tw.deliver(d)
			if err != nil || errAgain != nil || found.Number != first.Number || again.Number != first.Number || again.Ref != first.Ref {
				t.Errorf("found %+v, %v; again %+v, %v; want %+v", found, err, again, errAgain, first)
			}
			if n := tw.sim.Count(child); n.Saved != 1 {
				t.Errorf("it is saved %d times", n.Saved)
			}
		})
	}
}

func TestAnswers(t *testing.T) {
	asking := "GetChildWithApplication"
	for _, c := range []struct {
		name   string
		fault  edlevosim.Fault
		answer hub.Answer
		cause  hub.Cause
		saved  int
		why    string
	}{
		{"error inside 200", edlevosim.Fault{Way: edlevosim.Errors}, hub.No, "", 0, "a status of its own says no"},
		{"400", edlevosim.Fault{Way: edlevosim.Bad}, hub.No, "", 0, "the document is wrong"},
		{"401", edlevosim.Fault{Way: edlevosim.Denied}, hub.NotNow, hub.Credentials, 0, "the license is wrong for all"},
		{"403", edlevosim.Fault{Way: edlevosim.Forbidden}, hub.NotNow, hub.Credentials, 0, "the license is wrong for all"},
		{"404", edlevosim.Fault{Way: edlevosim.Gone}, hub.NotNow, hub.AddressChanged, 0, "the address is wrong for all"},
		{"503", edlevosim.Fault{Way: edlevosim.Busy}, hub.NotNow, hub.Busy, 0, "it is busy"},
		{"500, not saved", edlevosim.Fault{Way: edlevosim.FailBefore}, hub.DontKnow, "", 0, "nobody knows"},
		{"500, saved", edlevosim.Fault{Way: edlevosim.FailAfter}, hub.DontKnow, "", 1, "nobody knows"},
		{"answer lost", edlevosim.Fault{Way: edlevosim.Lost}, hub.DontKnow, "", 1, "nobody knows"},
		{"line cut", edlevosim.Fault{Way: edlevosim.Dropped}, hub.DontKnow, "", 0, "nobody knows"},
		{"login page", edlevosim.Fault{Way: edlevosim.LoginPage}, hub.DontKnow, hub.ContractBroken, 0, "HTML is no answer"},
		{"redirect", edlevosim.Fault{Way: edlevosim.Redirect}, hub.DontKnow, hub.AddressChanged, 0, "nobody chose that address"},
		{"half an answer", edlevosim.Fault{Way: edlevosim.Truncated}, hub.DontKnow, hub.ContractBroken, 1, "half is none"},
		{"empty", edlevosim.Fault{Way: edlevosim.Empty}, hub.DontKnow, hub.ContractBroken, 1, "nothing was said"},
		{"neither OK nor ERROR", edlevosim.Fault{Way: edlevosim.Mute}, hub.DontKnow, hub.ContractBroken, 1, "nothing was said"},
		{"another version", edlevosim.Fault{Way: edlevosim.OldVersion}, hub.DontKnow, hub.ContractBroken, 1, "its words may mean other things"},
		{"invisible", edlevosim.Fault{Way: edlevosim.Late}, hub.DontKnow, "", 1, "what was saved cannot be seen yet"},
		{"overtaken", edlevosim.Fault{Way: edlevosim.Overtaken}, hub.DontKnow, "", 2, "another's took its place at once"},
		{"read back, half", edlevosim.Fault{Way: edlevosim.Truncated, At: asking, After: 1}, hub.DontKnow, "", 1, "it is saved"},
		{"read back, 401", edlevosim.Fault{Way: edlevosim.Denied, At: asking, After: 1}, hub.DontKnow, "", 1, "it is saved"},
		{"read back, wrong charset", edlevosim.Fault{Way: edlevosim.Mislabel, At: asking, After: 1}, hub.DontKnow, "", 1, "it is saved"},
		{"look, 401", edlevosim.Fault{Way: edlevosim.Denied, At: asking}, hub.NotNow, hub.Credentials, 0, "only asked"},
		{"look, lost", edlevosim.Fault{Way: edlevosim.Lost, At: asking}, hub.NotNow, "", 0, "only asked"},
		{"look, 500", edlevosim.Fault{Way: edlevosim.FailAfter, At: asking}, hub.NotNow, "", 0, "only asked"},
		{"look, login page", edlevosim.Fault{Way: edlevosim.LoginPage, At: asking}, hub.NotNow, hub.ContractBroken, 0, "only asked"},
		{"look, wrong charset", edlevosim.Fault{Way: edlevosim.Mislabel, At: asking}, hub.NotNow, hub.ContractBroken, 0, "only asked"},
		{"look, another child", edlevosim.Fault{Way: edlevosim.Crossed, At: asking}, hub.No, "", 0, "a person must see whose number it is"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tw := newTown(t, edlevosim.Options{}, edlevo.Config{})
			tw.sim.Fail(c.fault)
			r, err := tw.deliver(hers.delivery())
			answer, _, cause := hub.AnswerOf(r, err)
			if answer != c.answer || cause != c.cause {
				t.Errorf("Deliver gives %s (%s), want %s (%s), since %s: %v", answer, cause, c.answer, c.cause, c.why, err)
			}
			if n := tw.sim.Count(child); n.Saved != c.saved {
				t.Errorf("%d are saved, want %d", n.Saved, c.saved)
			}
			tw.goesOn(c.fault.Way)
		})
	}
}

// goesOn does what the hub does next, when all is well again: it asks, and sends what is not there.
func (tw *town) goesOn(after edlevosim.Way) {
	tw.sim.Heal()
	tw.pass(time.Minute)
	saved := tw.sim.Count(child).Saved
	found, err := tw.find(hers.delivery())
	switch {
	case after == edlevosim.Overtaken:
		if !errors.Is(err, hub.ErrCannotTell) {
			tw.t.Errorf("with another in its place Find gives %v", err)
		}
		return
	case saved == 0 && !errors.Is(err, hub.ErrNotFound), saved == 1 && err != nil:
		tw.t.Errorf("with %d saved Find gives %+v, %v", saved, found, err)
	}
	if _, err := tw.deliver(hers.delivery()); err != nil {
		tw.t.Errorf("sent again: %v", err)
	}
	if n := tw.sim.Count(child); n.Saved != 1 || n.Replaced != 0 {
		tw.t.Errorf("in the end %d are saved, and %d took another's place", n.Saved, n.Replaced)
	}
}

func TestWhatIsReadInOddCharacters(t *testing.T) {
	for _, way := range []edlevosim.Way{edlevosim.UTF16, edlevosim.WideUTF16, edlevosim.Mark} {
		t.Run(string(way), func(t *testing.T) {
			tw := newTown(t, edlevosim.Options{}, edlevo.Config{})
			tw.sim.Fail(edlevosim.Fault{Way: way, At: "*", Always: true})
			r, err := tw.deliver(hers.delivery())
			if err != nil {
				t.Fatal(err)
			}
			if reports, err := tw.poll(hers.delivery(), r); err != nil || len(reports) != 1 || reports[0].Word != "Utskickad" {
				t.Errorf("Poll gives %v, %v", reports, err)
			}
		})
	}
}

// TestNothingTakesAnothersPlace: where anything of the same sort is there that was not sent by this delivery,
// nothing is saved, and a person is told why.
func TestNothingTakesAnothersPlace(t *testing.T) {
	for _, c := range []struct {
		name  string
		there hub.Delivery
		ours  hub.Delivery
	}{
		{"the other guardian's", form{guardian: father, at: hers.at, schools: hers.schools}.delivery(), hers.delivery()},
		{"her own, of another time", form{guardian: mother, at: "2026-03-01T20:00:00", schools: hers.schools}.delivery(), hers.delivery()},
		{"another order", form{guardian: mother, at: hers.at, schools: []string{"3017", "3011", "!4102"}}.delivery(), hers.delivery()},
		{"one school less", form{guardian: mother, at: hers.at, schools: []string{"3011"}}.delivery(), hers.delivery()},
		{"none is applied for", unmade("Unknown"), hers.delivery()},
		{"an application, and none is to be made", hers.delivery(), unmade("Unknown")},
		{"another reason for none", unmade("Unknown"), unmade("OtherReason")},
	} {
		t.Run(c.name, func(t *testing.T) {
			tw := newTown(t, edlevosim.Options{}, edlevo.Config{})
			if _, err := tw.deliver(c.there); err != nil {
				t.Fatal(err)
			}
			r, err := tw.deliver(c.ours)
			if a, _, _ := hub.AnswerOf(r, err); a != hub.No || !strings.Contains(err.Error(), "take its place") {
				t.Errorf("Deliver gives %s: %v", a, err)
			}
			if _, err := tw.find(c.ours); !errors.Is(err, hub.ErrCannotTell) {
				t.Errorf("Find gives %v", err)
			}
			if n := tw.sim.Count(child); n.Saved != 1 {
				t.Errorf("%d are saved", n.Saved)
			}
		})
	}
}

func TestAnotherSortIsNotInTheWay(t *testing.T) {
	tw := newTown(t, edlevosim.Options{}, edlevo.Config{})
	for _, kind := range []string{"NextYear", "CurrentYear", "Reelection"} {
		if _, err := tw.deliver(form{kind, mother, hers.at, []string{"3011"}}.delivery()); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// TestTwoGuardiansAtOnce: both choose in the same moment; one is saved, and the other is a person's.
func TestTwoGuardiansAtOnce(t *testing.T) {
	tw := newTown(t, edlevosim.Options{}, edlevo.Config{})
	his := form{guardian: father, at: hers.at, schools: []string{"3024"}}
	answers := make([]hub.Answer, 16)
	var both sync.WaitGroup
	for i := range answers {
		d := []hub.Delivery{hers.delivery(), his.delivery()}[i%2]
		both.Go(func() {
			r, err := tw.deliver(d)
			answers[i], _, _ = hub.AnswerOf(r, err)
		})
	}
	both.Wait()
	yes, no := answers[0], answers[1]
	if yes == hub.No {
		yes, no = no, yes
	}
	for i, a := range answers {
		if a != answers[i%2] {
			t.Errorf("the same delivery is answered %s and %s", a, answers[i%2])
		}
	}
	if n := tw.sim.Count(child); yes != hub.Yes || no != hub.No || n.Saved != 1 || n.Replaced != 0 {
		t.Errorf("the answers are %s and %s, %d are saved and %d took another's place", yes, no, n.Saved, n.Replaced)
	}
}

func TestWaitingForATurnEndsWithTheContext(t *testing.T) {
	tw := newTown(t, edlevosim.Options{}, edlevo.Config{})
	begun, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		once.Do(func() { close(begun) })
		<-goOn
		tw.sim.ServeHTTP(w, r)
	}))
	defer slow.Close()
	system := opened(t, tw.env(slow.URL), edlevo.Config{URL: slow.URL, License: hub.NewSecret(license)})
	var first sync.WaitGroup
	first.Go(func() {
		if _, err := system.Destination.Deliver(t.Context(), hers.delivery()); err != nil {
			t.Errorf("the first: %v", err)
		}
	})
	<-begun
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, err := system.Destination.Deliver(ctx, hers.delivery())
	if a, _, _ := hub.AnswerOf(r, err); a != hub.NotNow {
		t.Errorf("the second, given up, gives %s: %v", a, err)
	}
	close(goOn)
	first.Wait()
}

// TestEdlevoWritesItsOwnTimes: with stamps the time says only what is older than the form.
func TestEdlevoWritesItsOwnTimes(t *testing.T) {
	tw := newTown(t, edlevosim.Options{Stamps: true}, edlevo.Config{Stamps: true})
	tw.sim.Fail(edlevosim.Fault{Way: edlevosim.Lost})
	if _, err := tw.deliver(hers.delivery()); err == nil {
		t.Fatal("the answer was lost")
	}
	if r, err := tw.find(hers.delivery()); err != nil || r.Number == "" {
		t.Errorf("Find gives %+v, %v", r, err)
	}
	later := hers
	later.at = "2026-03-02T10:30:00"
	if _, err := tw.find(later.delivery()); !errors.Is(err, hub.ErrCannotTell) {
		t.Errorf("an application older than the form is found for it: %v", err)
	}
}

func TestConsent(t *testing.T) {
	applied := func(t *testing.T) (*town, hub.Receipt) {
		tw := newTown(t, edlevosim.Options{}, edlevo.Config{})
		r, err := tw.deliver(hers.delivery())
		if err != nil {
			t.Fatal(err)
		}
		return tw, r
	}
	t.Run("once", func(t *testing.T) {
		tw, r := applied(t)
		d := consent(r.Ref, father, "Agree")
		if _, err := tw.find(d); !errors.Is(err, hub.ErrNotFound) {
			t.Errorf("Find before gives %v", err)
		}
		tw.sim.Fail(edlevosim.Fault{Way: edlevosim.Lost})
		if got, err := tw.deliver(d); err == nil {
			t.Errorf("a lost answer gives %+v", got)
		}
		found, err := tw.find(d)
		again, errAgain := tw.deliver(d)
		if err != nil || errAgain != nil || found.Ref != r.Ref || again.Ref != r.Ref || tw.sim.Count(child).Answered != 1 {
			t.Errorf("found %+v, %v; again %+v, %v; answered %d times", found, err, again, errAgain, tw.sim.Count(child).Answered)
		}
	})
	t.Run("answered otherwise", func(t *testing.T) {
		tw, r := applied(t)
		if _, err := tw.deliver(consent(r.Ref, father, "Disagree")); err != nil {
			t.Fatal(err)
		}
		got, err := tw.deliver(consent(r.Ref, father, "Agree"))
		if a, _, _ := hub.AnswerOf(got, err); a != hub.No {
			t.Errorf("another answer gives %s: %v", a, err)
		}
	})
	t.Run("nobody's", func(t *testing.T) {
		tw, _ := applied(t)
		got, err := tw.deliver(consent("{17084B40-08F5-4BCD-A739-C0D08C176BAD}", father, "Agree"))
		if a, _, _ := hub.AnswerOf(got, err); a != hub.No {
			t.Errorf("an answer to nothing gives %s: %v", a, err)
		}
	})
}

// TestWhatContradictsItselfIsNoAnswer: a child that is said to have an application, and shown without it, has
// not been said to have none.
func TestWhatContradictsItselfIsNoAnswer(t *testing.T) {
	for name, inside := range map[string]string{
		"not shown":  "<child><ssn>" + child + "</ssn><hasappliedtonextyear>true</hasappliedtonextyear></child>",
		"without id": "<child><ssn>" + child + "</ssn><applicationnextyear/><hasappliedtonextyear>true</hasappliedtonextyear></child>",
		"no child":   "",
	} {
		said := `<schoolsearch xmlns="http://open.tieto.com/edu/schoolsearch/v4">` + inside + "</schoolsearch>"
		system := answering(t, &said)
		r, err := system.Destination.Deliver(t.Context(), hers.delivery())
		if a, _, cause := hub.AnswerOf(r, err); a != hub.NotNow || cause != hub.ContractBroken {
			t.Errorf("%s: Deliver gives %s (%s): %v", name, a, cause, err)
		}
		if _, err := system.Destination.Find(t.Context(), hers.delivery()); err == nil || errors.Is(err, hub.ErrNotFound) {
			t.Errorf("%s: Find gives %v", name, err)
		}
	}
}

func TestTheLicenseIsSaidWhereItIsToBe(t *testing.T) {
	for in, inAddress := range map[string]bool{"": true, "query": true, "header": false} {
		tw := newTown(t, edlevosim.Options{}, edlevo.Config{LicenseIn: in})
		if _, err := tw.deliver(hers.delivery()); err != nil {
			t.Errorf("license-in %q: %v", in, err)
		}
		for _, u := range tw.asked {
			if got := u.Query().Get("LicenseKey") == license; got != inAddress {
				t.Errorf("license-in %q: the address %s has it: %t", in, u.Path, got)
			}
			if save := strings.HasPrefix(u.Path, "/LES/SchoolSearch/Save"); save && strings.Contains(u.RawQuery, child[2:]) {
				t.Error("what is saved stands in an address")
			}
		}
	}
}

func TestDocumentsThatAreNoWishes(t *testing.T) {
	const space = `<schoolsearch xmlns="http://open.tieto.com/edu/schoolsearch/v4">`
	for name, d := range map[string]hub.Delivery{
		"no XML":            {Operation: "application", Document: hub.NewDocument("application/xml", []byte("{}"))},
		"nothing in it":     {Operation: "application", Document: hub.NewDocument("application/xml", []byte(space+"</schoolsearch>"))},
		"another version":   {Operation: "application", Document: hub.NewDocument("application/xml", []byte(strings.Replace(space, "v4", "v3", 1)+"<applicationnextyear><childssn>"+child+"</childssn></applicationnextyear></schoolsearch>"))},
		"nobody's":          delivery("application", "<applicationnextyear><childssn/></applicationnextyear>"),
		"two":               delivery("application", "<applicationnextyear/><applicationnotapplying/>"),
		"another operation": {Operation: "consent", Document: hers.delivery().Document},
		"no operation":      {Document: hers.delivery().Document},
	} {
		t.Run(name, func(t *testing.T) {
			tw := newTown(t, edlevosim.Options{}, edlevo.Config{})
			r, err := tw.deliver(d)
			if a, _, _ := hub.AnswerOf(r, err); a != hub.No || len(tw.asked) > 0 {
				t.Errorf("Deliver gives %s after %d calls: %v", a, len(tw.asked), err)
			}
		})
	}
}

func TestConfig(t *testing.T) {
	good := edlevo.Config{URL: "https://edlevo.example/LES", License: hub.NewSecret(license)}
	for want, change := range map[string]func(*edlevo.Config){
		"":           func(*edlevo.Config) {},
		"url":        func(c *edlevo.Config) { c.URL = "https://edlevo.example/LES?LicenseKey=1" },
		"url:":       func(c *edlevo.Config) { c.URL = "https://edlevo.example/LES#v4" },
		"status":     func(c *edlevo.Config) { c.Status = "edlevo.example" },
		"license:":   func(c *edlevo.Config) { c.License = hub.Secret{} },
		"license-in": func(c *edlevo.Config) { c.LicenseIn = "body" },
		"lag":        func(c *edlevo.Config) { c.Lag = -time.Second },
	} {
		c := good
		change(&c)
		_, err := edlevo.New.Open(t.Context(), hub.Env{}, func(into any) error { *into.(*edlevo.Config) = c; return nil })
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	s := opened(t, hub.Env{}, good)
	if s.Poller != nil || s.Can.Of("application").Protected || s.Can.Of("application").Level != hub.Lookup {
		t.Errorf("it can %+v, and polls: %t", s.Can, s.Poller != nil)
	}
}
