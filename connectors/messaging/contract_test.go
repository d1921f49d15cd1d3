package messaging_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/knutpunkt/knutpunkt/connectors/messaging"
	"github.com/knutpunkt/knutpunkt/connectors/messaging/messagingsim"
	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// contract compiles a schema of a published OpenAPI file, which is not part of the project.
func contract(t *testing.T, file, schema string) document.Validator {
	t.Helper()
	folder := os.Getenv("KNUTPUNKT_FORMATS")
	if folder == "" {
		t.Skip("KNUTPUNKT_FORMATS does not say where the contracts are")
	}
	text, err := os.ReadFile(filepath.Join(folder, "sundsvall", file))
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := yaml.Unmarshal(text, &tree); err != nil {
		t.Fatal(err)
	}
	all, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	compiled, err := document.CompileJSONSchema(fstest.MapFS{
		"all.json": {Data: all}, "one.json": {Data: []byte(`{"$ref": "all.json#` + schema + `"}`)},
	}, "one.json")
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

// TestAsTheContractsSay holds what is sent, and what the simulator answers, against the contracts that such
// systems publish.
func TestAsTheContractsSay(t *testing.T) {
	asked := map[string]document.Validator{
		"/party/1080/PRIVATE/partyIds": contract(t, "party-2.2.yml",
			"/paths/~1{municipalityId}~1PRIVATE~1partyIds/post/requestBody/content/application~1json/schema"),
		"/messaging/1080/messages": contract(t, "messaging-7.10.yml", "/components/schemas/MessageRequest"),
	}
	result := contract(t, "messaging-7.10.yml", "/components/schemas/MessageBatchResult")
	for _, c := range []messaging.Config{
		{},
		{SMS: "Karlskrona"},
		{SMS: "Åmål", Email: messaging.Sender{Name: "Åmåls kommun", Address: "svara-inte@amal.example"}},
	} {
		b := newBench(t, messagingsim.Options{}, c)
		if err := b.tell(t, told(t, alva, vera)); err != nil {
			t.Fatal(err)
		}
		if len(b.called) != 3 {
			t.Errorf("called %v", b.called)
		}
		for i, address := range b.called {
			if err := asked[address].Validate(b.bodies[i]); err != nil {
				t.Errorf("%s: %v", address, err)
			}
		}
		if answer := answerTo(b, b.called[1], b.bodies[1]); result.Validate([]byte(answer)) != nil {
			t.Errorf("the simulator answers %s", answer)
		}
	}
}

// TestEveryWordOfTheContract is understood.
func TestEveryWordOfTheContract(t *testing.T) {
	status := contract(t, "messaging-7.10.yml", "/components/schemas/MessageStatus")
	known := []string{"PENDING", "AWAITING_FEEDBACK", "SENT", "NOT_SENT", "FAILED", "NO_CONTACT_SETTINGS_FOUND", "NO_CONTACT_WANTED"}
	for _, word := range known {
		if err := status.Validate([]byte(`"` + word + `"`)); err != nil {
			t.Errorf("%s is no word of the contract", word)
		}
		answer := `{"messages":[{"deliveries":[{"status":"` + word + `"}]}]}`
		teller := answering(t, answer)
		a, _, cause := hub.AnswerOf(hub.Receipt{Number: "told"}, teller.Tell(t.Context(), told(t, alva)))
		if a == hub.DontKnow || cause != "" {
			t.Errorf("%s is not understood", word)
		}
	}
}

// answerTo is what the simulator answers to a call.
func answerTo(b *bench, address string, body []byte) string {
	w := httptest.NewRecorder()
	b.ServeHTTP(w, httptest.NewRequest(http.MethodPost, address, bytes.NewReader(body)))
	return w.Body.String()
}

// answering is a messaging system that knows everybody, and says the same of every message.
func answering(t *testing.T, text string) hub.Teller {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/partyIds") {
			json.NewEncoder(w).Encode(map[string]string{alva: messagingsim.PartyID(alva)})
			return
		}
		w.WriteHeader(http.StatusCreated)
		io.WriteString(w, text)
	}))
	t.Cleanup(server.Close)
	env := hub.Env{ID: "a.b", HTTP: server.Client(), Reads: server.Client(), Clock: time.Now}
	system, err := messaging.New.Open(t.Context(), env, func(into any) error {
		*into.(*messaging.Config) = messaging.Config{
			URL: server.URL, Party: server.URL, Municipality: "1080", Page: "https://a.example",
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return system.Teller
}
