package webhook_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	standard "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/knutpunkt/knutpunkt/connectors/connectortest"
	"github.com/knutpunkt/knutpunkt/connectors/webhook"
	"github.com/knutpunkt/knutpunkt/connectors/webhook/webhooksim"
	"github.com/knutpunkt/knutpunkt/hub"
)

func TestConformance(t *testing.T) {
	s := webhooksim.Subject()
	s.Connector = webhook.New
	connectortest.Run(t, s)
}

func newSim(t *testing.T, now time.Time, secrets ...string) *webhooksim.Sim {
	t.Helper()
	sim, err := webhooksim.New(webhooksim.Options{Clock: func() time.Time { return now }, Secrets: secrets})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sim.Close() })
	return sim
}

var (
	before = secret("den gamla, 24 byte lång.")
	after  = secret("den nya, som är längre än den gamla var")
)

func secret(key string) string { return "whsec_" + base64.StdEncoding.EncodeToString([]byte(key)) }

// told is what is told in these tests.
func told(at time.Time) hub.Telling {
	return hub.Telling{
		Key: "01JNAK0000000000000000000C-tell-2", Ref: hub.Ref{System: "karlskrona.json", ID: "hemligt-nummer"},
		Status: hub.Status{
			Case: "01JNAK0000000000000000000C", Submission: "01JNAK0000000000000000000S", Step: hub.Registrerat,
			At: at, Expect: at.AddDate(0, 0, 14), Ref: "SBF 2026-000117", Ball: hub.Council, Owner: "1080",
		},
		Receipts: []hub.Receipt{{Number: "SBF 2026-000117"}},
		To:       []hub.Contact{{Email: "alva@example.se", Phone: "+46701234567"}},
	}
}

func open(t *testing.T, now time.Time, c webhook.Config) hub.Teller {
	t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	env := hub.Env{ID: "karlskrona.portal", HTTP: client, Log: slog.New(slog.DiscardHandler), Clock: func() time.Time { return now }}
	system, err := webhook.New.Open(context.Background(), env, func(into any) error {
		*into.(*webhook.Config) = c
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return system.Teller
}

// TestAsTheStandardSays has the standard's own library believe what is sent, by each of two secrets.
func TestAsTheStandardSays(t *testing.T) {
	now := time.Now() // the library has no other clock
	var header http.Header
	var text []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header = r.Header
		text, _ = io.ReadAll(r.Body)
	}))
	defer server.Close()
	teller := open(t, now, webhook.Config{URL: server.URL, Secrets: []hub.Secret{hub.NewSecret(after), hub.NewSecret(before)}})
	if err := teller.Tell(t.Context(), told(now)); err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{before, after} {
		receiver, err := standard.NewWebhook(s)
		if err != nil {
			t.Fatal(err)
		}
		if err := receiver.Verify(text, header); err != nil {
			t.Errorf("not believed by %d bytes of secret: %v", len(s), err)
		}
		if receiver.Verify(append(text, ' '), header) == nil {
			t.Error("another body is believed")
		}
	}
	if got := header.Get("webhook-id"); got != "01JNAK0000000000000000000C-tell-2" {
		t.Errorf("its id is %s", got)
	}
}

// TestWhatItSays: ids and a Step, the same each time, and nothing of a person.
func TestWhatItSays(t *testing.T) {
	at := time.Date(2026, 3, 2, 10, 0, 0, 0, hub.Stockholm)
	var texts []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		texts = append(texts, string(text))
		w.WriteHeader(http.StatusAccepted)
	}))
	defer server.Close()
	c := webhook.Config{URL: server.URL, Secrets: []hub.Secret{hub.NewSecret(before)}}
	for _, now := range []time.Time{at, at.Add(time.Hour)} {
		if err := open(t, now, c).Tell(t.Context(), told(at)); err != nil {
			t.Fatal(err)
		}
	}
	want := `{"type":"status","timestamp":"2026-03-02T09:00:00Z","data":{"case":"01JNAK0000000000000000000C",` +
		`"submission":"01JNAK0000000000000000000S","step":"registrerat","at":"2026-03-02T09:00:00Z",` +
		`"expect":"2026-03-16T09:00:00Z","ball":"municipality","ref":"SBF 2026-000117"}}`
	if len(texts) != 2 || texts[0] != want || texts[1] != want {
		t.Errorf("it says\n%s\nand not twice\n%s", strings.Join(texts, "\n"), want)
	}
	c.Type, texts = "se.karlskrona.status", nil
	unknown := told(at)
	unknown.Status.Expect, unknown.Status.Ref = time.Time{}, ""
	if err := open(t, at, c).Tell(t.Context(), unknown); err != nil {
		t.Fatal(err)
	}
	var said map[string]any
	if err := json.Unmarshal([]byte(texts[0]), &said); err != nil || said["type"] != "se.karlskrona.status" {
		t.Errorf("it says %s", texts[0])
	}
	if expect, said := said["data"].(map[string]any)["expect"]; !said || expect != nil || strings.Contains(texts[0], "ref") {
		t.Errorf("of what is not known it says %s", texts[0])
	}
}

// TestTheExample has the README's example believed, and sent.
func TestTheExample(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(readme), "```\nPOST /knutpunkt\n")
	written, after, _ := strings.Cut(example, "```")
	head, body, _ := strings.Cut(written, "\n\n")
	_, after, _ = strings.Cut(after, "when the secret is `")
	secret, _, _ := strings.Cut(after, "`")
	header := http.Header{}
	for line := range strings.SplitSeq(head, "\n") {
		name, value, _ := strings.Cut(line, ": ")
		header.Set(name, value)
	}
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	body = strings.TrimSpace(body)
	if err := hub.VerifyWebhook([]hub.Secret{hub.NewSecret(secret)}, header, []byte(body), at); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		if string(text) != body {
			t.Errorf("what is sent is\n%s", text)
		}
		for name := range header {
			if r.Header.Get(name) != header.Get(name) {
				t.Errorf("%s is %s", name, r.Header.Get(name))
			}
		}
	}))
	defer server.Close()
	teller := open(t, at, webhook.Config{URL: server.URL, Secrets: []hub.Secret{hub.NewSecret(secret)}})
	if err := teller.Tell(t.Context(), told(at)); err != nil {
		t.Error(err)
	}
}

// TestOnlyItsSteps: what a receiver has not asked for is told at once, by saying nothing.
func TestOnlyItsSteps(t *testing.T) {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	sim := newSim(t, now)
	server := httptest.NewServer(sim)
	defer server.Close()
	teller := open(t, now, webhook.Config{
		URL: server.URL, Secrets: []hub.Secret{hub.NewSecret(before)}, Steps: []hub.Step{hub.Beslutat},
	})
	for _, step := range []hub.Step{hub.Inkommet, hub.Registrerat, hub.Beslutat} {
		telling := told(now)
		telling.Status.Step = step
		if err := teller.Tell(t.Context(), telling); err != nil {
			t.Errorf("%s: %v", step, err)
		}
	}
	if heard := sim.Ledger(); len(heard) != 1 || heard[0].Step != "beslutat" {
		t.Errorf("it heard %+v", heard)
	}
}

// TestAnswers gives everything that a receiver may do.
func TestAnswers(t *testing.T) {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name, why string
		fault     webhooksim.Fault
		answer    hub.Answer
		wait      time.Duration
		cause     hub.Cause
		heard     int
	}{
		{"heard", "", "", hub.Yes, 0, "", 1},
		{"gone", "a person must look: nobody listens any more", webhooksim.Gone, hub.No, 0, "", 0},
		{"busy", "it says when", webhooksim.Busy, hub.NotNow, 7 * time.Second, hub.Busy, 0},
		{"broken", "it may have heard", webhooksim.Broken, hub.DontKnow, 0, "", 1},
		{"moved", "nobody follows to an address that nobody wrote", webhooksim.Moved, hub.DontKnow, 0, hub.AddressChanged, 0},
		{"login page", "a gate stands before it", webhooksim.LoginPage, hub.DontKnow, 0, hub.ContractBroken, 0},
		{"lost", "it may have heard", webhooksim.Lost, hub.DontKnow, 0, "", 1},
		{"endless", "2xx is said, and the rest is not listened to", webhooksim.Endless, hub.Yes, 0, "", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			sim := newSim(t, now, before)
			server := httptest.NewServer(sim)
			defer server.Close()
			teller := open(t, now, webhook.Config{URL: server.URL + "/hemlig-adress", Secrets: []hub.Secret{hub.NewSecret(before)}})
			if c.fault != "" {
				sim.Fail(c.fault)
			}
			err := teller.Tell(t.Context(), told(now))
			answer, wait, cause := hub.AnswerOf(hub.Receipt{Number: "told"}, err)
			if answer != c.answer || wait != c.wait || cause != c.cause || sim.Heard() != c.heard {
				t.Errorf("the answer is %s, %s, %s (%v), and %d heard: %s", answer, wait, cause, err, sim.Heard(), c.why)
			}
			if err != nil && (strings.Contains(err.Error(), "hemlig") || strings.Contains(err.Error(), "127.0.0.1")) {
				t.Errorf("the error tells the address: %v", err)
			}
			if err := teller.Tell(t.Context(), told(now)); err != nil || sim.Heard() != 1 {
				t.Errorf("told again, %d have been heard: %v", sim.Heard(), err)
			}
		})
	}
}

// TestASecretThatCannotSign is found out, and shows itself nowhere.
func TestASecretThatCannotSign(t *testing.T) {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	teller := open(t, now, webhook.Config{URL: "https://portal.example", Secrets: []hub.Secret{hub.NewSecret("whsec_kort")}})
	err := teller.Tell(t.Context(), told(now))
	if a, _, cause := hub.AnswerOf(hub.Receipt{}, err); a != hub.NotNow || cause != hub.Credentials || strings.Contains(err.Error(), "kort") {
		t.Errorf("the answer is %s, %s: %v", a, cause, err)
	}
}

func TestConfig(t *testing.T) {
	decode := connectortest.Decode(t, webhook.New)
	for _, c := range []struct{ text, wrong string }{
		{"url: http://portal.example\nsecrets: [env:A]\n", "https"},
		{"url: https://portal.example\nsecrets: []\n", "secrets"},
		{"url: https://portal.example\nsecrets: [env:A, env:A, env:A]\n", "secrets"},
		{"url: https://portal.example\nsecrets: [env:A]\nsteps: [klart]\n", "Step"},
		{"url: https://portal.example\nsecrets: [env:A]\ntype: \"två ord\"\n", "type"},
		{"url: https://portal.example\nsecrets: [hemlig]\n", "env:NAME"},
		{"url: https://portal.example\n", "secrets"},
	} {
		t.Setenv("A", before)
		var out bytes.Buffer
		_, err := webhook.New.Open(t.Context(), hub.Env{ID: "a.b", Log: slog.New(slog.NewTextHandler(&out, nil))}, decode(c.text))
		if err == nil || !strings.Contains(err.Error(), c.wrong) {
			t.Errorf("%q: %v", c.text, err)
		}
	}
}
