package kafka_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/knutpunkt/knutpunkt/connectors/connectortest"
	"github.com/knutpunkt/knutpunkt/connectors/kafka"
	"github.com/knutpunkt/knutpunkt/connectors/kafka/kafkasim"
	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

func TestConfig(t *testing.T) {
	decode := connectortest.Decode(t, kafka.New)
	const good = "brokers: [\"kafkas://k1.example:9093\", \"kafkas://k2.example\"]\ndocuments: { topic: a }\n"
	const forms = "brokers: [\"kafkas://k1.example\"]\nforms: { topic: f, group: g }\n"
	const shared = "brokers: [\"kafkas://k1.example\"]\nforms: { topic: f, group: g, municipalities: [\"1080\", \"1081\"], keeper: \"1080\" }\n"
	t.Setenv("A", "hemligt")
	for _, c := range []struct {
		name, text, wrong string
		id                hub.SystemID
	}{
		{"good", good, "", "a.b"},
		{"with an account", good + "user: u\npassword: env:A\nlogin: plain\n", "", "a.b"},
		{"forms", forms, "", "a.b"},
		{"shared forms", shared, "", "shared.b"},
		{"no broker", "brokers: []\ndocuments: { topic: a }\n", "brokers", "a.b"},
		{"no address", "brokers: [k1.example]\ndocuments: { topic: a }\n", "brokers", "a.b"},
		{"in the open", "brokers: [\"kafka://k1.example\"]\ndocuments: { topic: a }\n", "kafkas://", "a.b"},
		{"of both kinds", "brokers: [\"kafkas://k1.example\", \"kafka://127.0.0.1\"]\ndocuments: { topic: a }\n", "brokers", "a.b"},
		{"no topic", "brokers: [\"kafkas://k1.example\"]\n", "no topic", "a.b"},
		{"a topic that none is called", strings.Replace(good, "topic: a", "topic: å", 1), "documents.topic", "a.b"},
		{"a topic that is here", strings.Replace(good, "topic: a", "topic: \".\"", 1), "neither . nor ..", "a.b"},
		{"a topic that is above", strings.Replace(forms, "topic: f", "topic: \"..\"", 1), "neither . nor ..", "a.b"},
		{"the longest topic", strings.Replace(forms, "topic: f", "topic: "+strings.Repeat("f", 180), 1), "", "a.b"},
		{"a topic that ids have no room for", strings.Replace(forms, "topic: f", "topic: "+strings.Repeat("f", 181), 1), "180", "a.b"},
		{"one topic to write and to read", good + "forms: { topic: a, group: g }\n", "come back as a form", "a.b"},
		{"a topic to write and one to read", good + "forms: { topic: f, group: g }\n", "", "a.b"},
		{"half an account", good + "user: u\n", "belong together", "a.b"},
		{"a way that is none", good + "user: u\npassword: env:A\nlogin: gssapi\n", "login", "a.b"},
		{"no group", strings.Replace(forms, "group: g", "group: \"\"", 1), "group", "a.b"},
		{"another's forms in a folder", shared, "forms", "a.b"},
		{"nobody to keep", forms, "keeper", "shared.b"},
		{"no kommunkod", strings.Replace(shared, `"1081"`, `"108"`, 1), "kommunkod", "shared.b"},
	} {
		_, err := kafka.New.Open(t.Context(), hub.Env{ID: c.id}, decode(c.text))
		if (err == nil) != (c.wrong == "") || err != nil && !strings.Contains(err.Error(), c.wrong) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// reader is the Source of a system that reads a topic.
func reader(t testing.TB, id hub.SystemID, forms string) hub.Source {
	s, err := kafka.New.Open(context.Background(), hub.Env{ID: id}, connectortest.Decode(t, kafka.New)("brokers: [\"kafkas://k1.example\"]\nforms: "+forms+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	return s.Source
}

func TestWhatIsNoForm(t *testing.T) {
	own := reader(t, "karlskrona.torg", "{ topic: f, group: g }")
	shared := reader(t, "shared.torg", "{ topic: f, group: g, municipalities: [\"1080\"], keeper: \"1080\" }")
	const event, plain = "application/cloudevents+json", "application/json"
	for _, c := range []struct {
		name, mediaType, text, kind string // "" for a form
		from                        hub.Source
	}{
		{"without an id", plain, `{"service":"7","source":{},"answers":{}}`, "", own},
		{"by its own name", plain, `{"service":"7","source":{"system":"torg"},"answers":{}}`, "", own},
		{"by its whole name", plain, `{"service":"7","source":{"system":"karlskrona.torg"},"answers":{}}`, "", own},
		{"of a municipality that is served", plain, `{"municipality":"1080","service":"7","source":{},"answers":{}}`, "", shared},
		{"answers that nobody foresaw", plain, `{"service":"7","source":{},"answers":{"a":[1,null,{"b":[]}]}}`, "", own},
		{"another platform", plain, `{"service":"7","source":{"system":"oep"},"answers":{}}`, kafka.UnknownSystem, own},
		{"another municipality", plain, `{"municipality":"1285","service":"7","source":{},"answers":{}}`, kafka.ForbiddenTenant, shared},
		{"of nobody", plain, `{"service":"7","source":{},"answers":{}}`, kafka.ForbiddenTenant, shared},
		{"a member that is none", plain, `{"service":"7","source":{},"answers":{},"extra":1}`, string(document.UnknownProperty), own},
		{"no answers", plain, `{"service":"7","source":{}}`, "required", own},
		{"nobody's number", plain, `{"service":"7","source":{},"answers":{},"applicant":{"personalIdentityNumber":"189001019803"}}`, "invalid-identity", own},
		{"nothing", plain, ``, string(document.Empty), own},
		{"two", plain, `{"service":"7","source":{},"answers":{}} {}`, string(document.Trailing), own},
		{"a file to fetch", plain, `{"service":"7","source":{},"answers":{},"attachments":[{"name":"a","fetch":"x"}]}`, kafka.FetchUnsupported, own},
		{"a file without content", plain, `{"service":"7","source":{},"answers":{},"attachments":[{"name":"a"}]}`, kafka.ContentMissing, own},
		{"another file", plain, `{"service":"7","source":{},"answers":{},"attachments":[{"name":"a","content":"aGVq","size":4}]}`, kafka.AttachmentMismatch, own},
		{"too large", plain, `{"service":"7","source":{},"answers":{"a":"` + strings.Repeat("x", 3<<20) + `"}}`, string(document.TooLarge), own},
		{"an event of another version", event, `{"specversion":"0.3","id":"1","source":"/a","type":"b","data":{}}`, kafka.NotAnEvent, own},
		{"an event without data", event, `{"specversion":"1.0","id":"1","source":"/a","type":"b"}`, kafka.NotJSON, own},
		{"an event with base64", event, `{"specversion":"1.0","id":"1","source":"/a","type":"b","data_base64":"e30="}`, kafka.NotJSON, own},
		{"an event with half a form", event, `{"specversion":"1.0","id":"1","source":"/a","type":"b","data":{"service":"7"}}`, "required", own},
	} {
		s, err := c.from.Read(t.Context(), hub.Incoming{Type: c.mediaType, Body: strings.NewReader(c.text), Place: "f-0-7"}, nowhere{})
		var broken *hub.Malformed
		switch {
		case c.kind == "" && (err != nil || s.Source.ID != "f-0-7" || s.Service != "7"):
			t.Errorf("%s: %v", c.name, err)
		case c.kind != "" && (!errors.As(err, &broken) || broken.Kind != c.kind):
			t.Errorf("%s: %v, want %s", c.name, err, c.kind)
		}
	}
}

// nowhere takes files and keeps nothing but what they are known by.
type nowhere struct{}

func (nowhere) Put(_ context.Context, r io.Reader) (hub.Blob, error) {
	content, err := io.ReadAll(r)
	return hub.Blob{ID: "1", Size: int64(len(content)), SHA256: sha256.Sum256(content)}, err
}

// TestSchema: what the schema for platforms allows is what is read.
func TestSchema(t *testing.T) {
	schema, err := document.CompileJSONSchema(os.DirFS("../../schemas"), "knutpunkt/record.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range kafkasim.Subject().Forms {
		if err := schema.Validate([]byte(form.Body)); err != nil {
			t.Errorf("%s: %v", form.Name, err)
		}
	}
	for _, text := range []string{`{"service":"7"}`, `{"specversion":"1.0","id":"1","source":"/a","type":"b","data":{}}`} {
		if schema.Validate([]byte(text)) == nil {
			t.Errorf("%s is allowed", text)
		}
	}
}

// FuzzRead: whatever lies on a topic, reading it neither breaks nor lets half a form through, and what is said
// of it is not what was in it.
func FuzzRead(f *testing.F) {
	for _, form := range kafkasim.Subject().Forms {
		f.Add(form.Type, []byte(form.Body))
	}
	for _, form := range kafkasim.Subject().Broken {
		f.Add(form.Type, []byte(form.Body))
	}
	f.Add("application/cloudevents+json", []byte(`[]`))
	f.Add("", []byte("\x00"))
	source := reader(f, "karlskrona.torg", "{ topic: f, group: g }")
	f.Fuzz(func(t *testing.T, mediaType string, text []byte) {
		s, err := source.Read(t.Context(), hub.Incoming{Type: mediaType, Body: bytes.NewReader(text), Place: "f-0-7"}, nowhere{})
		var broken *hub.Malformed
		switch {
		case err != nil && !errors.As(err, &broken):
			t.Fatal("an error that nobody can be told of")
		case err != nil && (broken.Kind == "" || broken.Detail == ""):
			t.Fatal("nothing is said of what is wrong")
		case err == nil && (s.Service == "" || s.Source.ID == "" || s.Answers.Reveal() == nil):
			t.Fatal("half a form is let through")
		}
	})
}
