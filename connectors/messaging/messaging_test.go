package messaging_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/connectortest"
	"github.com/knutpunkt/knutpunkt/connectors/messaging"
	"github.com/knutpunkt/knutpunkt/connectors/messaging/messagingsim"
	"github.com/knutpunkt/knutpunkt/hub"
)

const (
	alva = connectortest.Number
	vera = "199001012385"
)

func TestConformance(t *testing.T) {
	s := messagingsim.Subject()
	s.Connector = messaging.New
	connectortest.Run(t, s)
}

var noon = time.Date(2026, 3, 2, 11, 0, 0, 0, time.UTC)

func newSim(t *testing.T, o messagingsim.Options) *messagingsim.Sim {
	t.Helper()
	if o.Clock == nil {
		o.Clock = func() time.Time { return noon }
	}
	sim, err := messagingsim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sim.Close() })
	return sim
}

func person(t *testing.T, number string) hub.PersonID {
	t.Helper()
	id, err := hub.ParsePersonID(number)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// told is what is told in these tests, to whom.
func told(t *testing.T, numbers ...string) hub.Telling {
	telling := hub.Telling{Key: "01JNAK0000000000000000000C-tell-2", Status: hub.Status{Step: hub.Registrerat, At: noon}}
	for _, n := range numbers {
		telling.To = append(telling.To, hub.Contact{Person: person(t, n)})
	}
	return telling
}

// A bench is a messaging system, what is called there, and the connector to it.
type bench struct {
	*messagingsim.Sim
	system hub.System
	log    bytes.Buffer
	now    time.Time

	mu     sync.Mutex
	called []string
	bodies [][]byte
}

func newBench(t *testing.T, o messagingsim.Options, c messaging.Config) *bench {
	t.Helper()
	b := &bench{now: noon}
	o.Clock = func() time.Time { return b.now }
	b.Sim = newSim(t, o)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		b.mu.Lock()
		b.called, b.bodies = append(b.called, r.URL.String()), append(b.bodies, body)
		b.mu.Unlock()
		b.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	c.URL, c.Party, c.Municipality = server.URL+"/messaging/", server.URL+"/party", "1080"
	c.Page = "https://e-tjanster.karlskrona.example/mina-arenden"
	if o.Client != "" {
		c.OAuth2 = messaging.OAuth2{URL: server.URL + "/token", Client: o.Client, Secret: hub.NewSecret("hemligt")}
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	env := hub.Env{
		ID: "karlskrona.meddelanden", HTTP: client, Reads: client, Log: slog.New(slog.NewTextHandler(&b.log, nil)),
		Clock: func() time.Time { return b.now },
	}
	var err error
	b.system, err = messaging.New.Open(context.Background(), env, func(into any) error {
		*into.(*messaging.Config) = c
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// calls are the addresses that have been called, in order.
func (b *bench) calls() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.called)
}

func (b *bench) tell(t *testing.T, telling hub.Telling) error {
	t.Helper()
	err := b.system.Teller.Tell(t.Context(), telling)
	for what, text := range map[string]string{"the error": errorText(err), "the log": b.log.String(), "an address": strings.Join(b.calls(), " ")} {
		for _, secret := range []string{alva[2:], vera[2:], messagingsim.PartyID(alva), "hemligt"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s tells who it is about: %s", what, text)
			}
		}
	}
	return err
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestEachIsTold: everybody gets the same, and nothing about the case.
func TestEachIsTold(t *testing.T) {
	b := newBench(t, messagingsim.Options{Client: "knutpunkt", Secret: "hemligt"}, messaging.Config{
		SMS: "Karlskrona", Email: messaging.Sender{Name: "Karlskrona kommun", Address: "svara-inte@karlskrona.example"},
	})
	if err := b.tell(t, told(t, alva, vera)); err != nil {
		t.Fatal(err)
	}
	var parties, texts []string
	for _, e := range b.Ledger() {
		parties, texts = append(parties, e.Party), append(texts, e.Text)
		if e.Reference != "01JNAK0000000000000000000C-tell-2" {
			t.Errorf("its reference is %s", e.Reference)
		}
	}
	if want := []string{messagingsim.PartyID(alva), messagingsim.PartyID(vera)}; !reflect.DeepEqual(parties, want) {
		t.Errorf("told are %v and not %v", parties, want)
	}
	const says = "Du har ett nytt meddelande i Mina ärenden: https://e-tjanster.karlskrona.example/mina-arenden\n" +
		"In English: there is news about one of your cases."
	if !reflect.DeepEqual(texts, []string{says, says}) {
		t.Errorf("they are told %q", texts)
	}
	want := []string{"/token", "/party/1080/PRIVATE/partyIds", "/messaging/1080/messages", "/messaging/1080/messages"}
	if !reflect.DeepEqual(b.calls(), want) {
		t.Errorf("called %v and not %v", b.calls(), want)
	}
}

// TestWhatBecomesOfAMessage gives every answer to a message, and to the two calls before it.
func TestWhatBecomesOfAMessage(t *testing.T) {
	for _, c := range []struct {
		name, why string
		fault     messagingsim.Fault
		answer    hub.Answer
		wait      time.Duration
		cause     hub.Cause
		sent      int
	}{
		{"sent", "", messagingsim.Fault{}, hub.Yes, 0, "", 1},
		{"not wanted", "she has been told as well as she can be", messagingsim.Fault{Way: messagingsim.NotWanted}, hub.Yes, 0, "", 0},
		{"no settings", "she finds it in Mina ärenden", messagingsim.Fault{Way: messagingsim.NoSettings}, hub.Yes, 0, "", 0},
		{"failed", "it may go better later", messagingsim.Fault{Way: messagingsim.Failed}, hub.NotNow, 0, "", 0},
		{"new word", "nobody knows what it means", messagingsim.Fault{Way: messagingsim.NewWord}, hub.DontKnow, 0, hub.ContractBroken, 1},
		{"no message in it", "nobody knows what became of it", messagingsim.Fault{Way: messagingsim.Empty}, hub.DontKnow, 0, hub.ContractBroken, 1},
		{"refused", "a person must look", messagingsim.Fault{Way: messagingsim.Refused}, hub.No, 0, "", 0},
		{"busy", "it says when", messagingsim.Fault{Way: messagingsim.Busy}, hub.NotNow, 7 * time.Second, hub.Busy, 0},
		{"gateway", "it may have been sent", messagingsim.Fault{Way: messagingsim.Gateway}, hub.DontKnow, 0, "", 1},
		{"lost", "it may have been sent", messagingsim.Fault{Way: messagingsim.Lost}, hub.DontKnow, 0, "", 1},
		{"page", "a gate stands before it", messagingsim.Fault{Way: messagingsim.LoginPage}, hub.DontKnow, 0, hub.ContractBroken, 0},
		{"old token", "a new one is fetched", messagingsim.Fault{Way: messagingsim.Denied}, hub.Yes, 0, "", 1},
		{"nobody knows who", "nothing was sent", messagingsim.Fault{Way: messagingsim.Busy, At: messagingsim.Parties}, hub.NotNow, 7 * time.Second, hub.Busy, 0},
		{"no token", "nothing was sent", messagingsim.Fault{Way: messagingsim.Denied, At: messagingsim.Token}, hub.NotNow, 0, hub.Credentials, 0},
		{"refused a token", "nothing was sent", messagingsim.Fault{Way: messagingsim.Refused, At: messagingsim.Token}, hub.NotNow, 0, hub.Credentials, 0},
		{"busy with tokens", "nothing was sent", messagingsim.Fault{Way: messagingsim.Busy, At: messagingsim.Token}, hub.NotNow, 7 * time.Second, "", 0},
		{"a page for a token", "nothing was sent", messagingsim.Fault{Way: messagingsim.LoginPage, At: messagingsim.Token}, hub.NotNow, 0, "", 0},
		{"a token is lost", "nothing was sent", messagingsim.Fault{Way: messagingsim.Lost, At: messagingsim.Token}, hub.NotNow, 0, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, messagingsim.Options{Client: "knutpunkt", Secret: "hemligt"}, messaging.Config{})
			if c.fault.Way != messagingsim.Passes {
				b.Fail(c.fault)
			}
			err := b.tell(t, told(t, alva))
			answer, wait, cause := hub.AnswerOf(hub.Receipt{Number: "told"}, err)
			if answer != c.answer || wait != c.wait || cause != c.cause || b.Sent() != c.sent {
				t.Errorf("the answer is %s, %s, %s (%v), and %d were sent: %s", answer, wait, cause, err, b.Sent(), c.why)
			}
			if err := b.tell(t, told(t, alva)); err != nil || b.Sent() != max(c.sent, 1) && c.answer != hub.Yes {
				t.Errorf("told again, %d were sent: %v", b.Sent(), err)
			}
		})
	}
}

// TestOneFails: who has heard does not hear again because another could not be told.
func TestOneFails(t *testing.T) {
	b := newBench(t, messagingsim.Options{}, messaging.Config{})
	b.Fail(messagingsim.Fault{}, messagingsim.Fault{Way: messagingsim.Failed})
	if err := b.tell(t, told(t, alva, vera)); err == nil {
		t.Fatal("half of it is taken for the whole")
	}
	if err := b.tell(t, told(t, alva, vera)); err != nil {
		t.Fatal(err)
	}
	for _, e := range b.Ledger() {
		if e.Repeat {
			t.Error("somebody hears it twice")
		}
	}
	if b.Sent() != 2 {
		t.Errorf("%d have heard", b.Sent())
	}
}

// TestWhomNobodyKnows is not told, and keeps nobody else from hearing.
func TestWhomNobodyKnows(t *testing.T) {
	b := newBench(t, messagingsim.Options{Unknown: []string{alva}}, messaging.Config{})
	if err := b.tell(t, told(t, alva, vera)); err != nil || b.Sent() != 1 {
		t.Errorf("%d are told: %v", b.Sent(), err)
	}
	if !strings.Contains(b.log.String(), "01JNAK0000000000000000000C-tell-2") {
		t.Error("nothing is said of it")
	}
}

// TestNobodyToTell calls nobody.
func TestNobodyToTell(t *testing.T) {
	b := newBench(t, messagingsim.Options{}, messaging.Config{Steps: []hub.Step{hub.Beslutat}})
	if err := b.tell(t, told(t)); err != nil || len(b.calls()) > 0 {
		t.Errorf("with nobody to tell %v is called: %v", b.calls(), err)
	}
	if err := b.tell(t, told(t, alva)); err != nil || len(b.calls()) > 0 {
		t.Errorf("of a step that is not told %v is called: %v", b.calls(), err)
	}
}

// TestTokenIsKept until it grows old.
func TestTokenIsKept(t *testing.T) {
	b := newBench(t, messagingsim.Options{Client: "knutpunkt", Secret: "hemligt"}, messaging.Config{})
	for i, c := range []struct {
		after  time.Duration
		tokens int
	}{{0, 1}, {10 * time.Minute, 1}, {4 * time.Minute, 2}} {
		b.now = b.now.Add(c.after)
		telling := told(t, alva)
		telling.Key += hub.Key(rune('a' + i))
		if err := b.tell(t, telling); err != nil || b.Tokens() != c.tokens {
			t.Errorf("after %s more %d tokens have been fetched: %v", c.after, b.Tokens(), err)
		}
	}
}

// TestProtected: a messaging system carries the mark only where systems.yaml says so.
func TestProtected(t *testing.T) {
	for _, protected := range []bool{false, true} {
		b := newBench(t, messagingsim.Options{}, messaging.Config{Protected: protected})
		if got := b.system.Can.Of("").Protected; got != protected {
			t.Errorf("protected: %t is read as %t", protected, got)
		}
	}
}

func TestConfig(t *testing.T) {
	decode := connectortest.Decode(t, messaging.New)
	good := "url: https://api.example/m\nparty: https://api.example/p\nmunicipality: \"1080\"\npage: https://a.example\n"
	t.Setenv("A", "hemligt")
	for _, c := range []struct{ text, wrong string }{
		{strings.Replace(good, `"1080"`, "karlskrona", 1), "municipality"},
		{good + "sms: Karlskrona kommun\n", "sms"},
		{good + "email: { name: Karlskrona, address: ingen }\n", "email"},
		{good + "steps: [klart]\n", "Step"},
		{good + "token: env:A\noauth2: { url: https://api.example/token, client: knutpunkt, secret: env:A }\n", "only one"},
		{strings.Replace(good, "page: https://a.example", "page: mina-arenden", 1), "page"},
	} {
		_, err := messaging.New.Open(t.Context(), hub.Env{ID: "a.b"}, decode(c.text))
		if err == nil || !strings.Contains(err.Error(), c.wrong) {
			t.Errorf("%q: %v", c.text, err)
		}
	}
}
