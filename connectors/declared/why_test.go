package declared_test

import (
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/connectortest"
	"github.com/knutpunkt/knutpunkt/connectors/rest"
	"github.com/knutpunkt/knutpunkt/connectors/soap"
	"github.com/knutpunkt/knutpunkt/hub"
)

// TestAQuestionThatFailsSaysWhy: whoever has written systems.yaml is told which of its lines does not fit
// what the system answers, and nothing of what it answered.
func TestAQuestionThatFailsSaysWhy(t *testing.T) {
	const (
		jsonHit = `{"hits":[{"number":"PT-00014","ref":"01JH-arende"}]}`
		xmlHits = `<Hits><Hit><Number>PT-00014</Number><Ref>01JH-arende</Ref></Hit></Hits>`
		list    = "list: /hits, number: /number, echo: /ref"
		hits    = "list: /Hits/Hit, number: /Number, echo: /Ref"
		soapAsk = "request: \"<t:Ask>{key}</t:Ask>\", not-found: NoSuch, "
	)
	for _, c := range []struct {
		name   string
		system string // the connector, and its format
		find   string
		status int
		answer string
		want   string // "" for a receipt
	}{
		{"all is well", "json", list, 200, jsonHit, ""},
		{"all is well in XML", "xml", hits, 200, xmlHits, ""},
		{"not let in", "json", list, 401, "PT-00014", "HTTP status 401"},
		{"a wrong path", "json", list, 404, "PT-00014", "HTTP status 404"},
		{"a wrong path, where a status says that there is none", "json", "number: /number, echo: /ref", 404, "PT-00014", "not found: HTTP status 404"},
		{"XML where JSON is said", "json", list, 200, xmlHits, "the answer begins as XML does, and format says json"},
		{"JSON where XML is said", "xml", hits, 200, jsonHit, "the answer begins as JSON does, and format says xml"},
		{"nothing that can be read", "json", list, 200, `PT-00014`, "the answer cannot be read: JSON: malformed at byte 0"},
		{"no list", "json", "list: /cases, number: /number, echo: /ref", 200, jsonHit, "no list in the answer: there is none at /cases"},
		{"no list in XML", "xml", "list: /Traffar/Hit, number: /Number, echo: /Ref", 200, xmlHits, "no list in the answer: there is none at /Traffar/Hit"},
		{"an empty list", "json", list, 200, `{"hits":[]}`, "not found: there is no hit at /hits"},
		{"no list in it", "json", "list: /hits/0/number, number: /number, echo: /ref", 200, jsonHit, "no list in the answer: there is none at /hits/0/number"},
		{"what the list stands in", "xml", "list: /Hits, number: /Number, echo: /Ref", 200, xmlHits,
			"hit 1 of /Hits: the answer does not repeat the key: nothing can be read at /Ref"},
		{"a path from the root", "xml", "list: /Hits/Hit, number: /Hit/Number, echo: /Ref", 200, xmlHits,
			"hit 1 of /Hits/Hit: no receipt in the answer: nothing can be read at /Hit/Number"},
		{"no ref", "json", list + ", ref: /a~1b~0c", 200, jsonHit, "hit 1 of /hits: no receipt in the answer: nothing can be read at /a~1b~0c"},
		{"an object for a number", "json", "list: /hits, number: /, echo: /ref", 200, jsonHit,
			"hit 1 of /hits: no receipt in the answer: nothing can be read at /"},
		{"no echo", "json", "number: /hits/0/number, echo: /key", 200, jsonHit, "the answer does not repeat the key: nothing can be read at /key"},
		{"another's", "json", "list: /hits, number: /ref, echo: /number", 200, jsonHit,
			"hit 1 of /hits: the answer is about another key: what stands at /number is not the delivery's"},
		{"others'", "json", "list: /hits, among: yes, number: /ref, echo: /number", 200, jsonHit,
			"not found: of what stands at /hits nothing has the key at /number"},
		{"a code for none", "json", list + `, result: { path: /code, values: { "0": accepted, "7": not-found } }`, 200, `{"code":7}`, "not found: code 7"},
		{"no code", "json", list + `, result: { path: /code, values: { "0": accepted } }`, 200, jsonHit,
			"the answer does not say how it went: nothing can be read at /code"},
		{"the Body", "soap", soapAsk + "number: /Hits/Hit/Number, echo: /Hits/Hit/Ref", 200, xmlHits, ""},
		{"a wrong path in a Body", "soap", soapAsk + "number: /Hits/Number, echo: /Hits/Hit/Ref", 200, xmlHits,
			"no receipt in the answer: nothing can be read at /Hits/Number"},
		{"a list that a Body has not", "soap", soapAsk + "list: /Answer/Hit, number: /Number, echo: /Ref", 200, xmlHits,
			"no list in the answer: there is none at /Answer/Hit"},
		{"a Fault for none", "soap", soapAsk + "number: /Hits/Number, echo: /Hits/Ref", 500,
			`<e:Fault><faultcode>e:NoSuch</faultcode><faultstring>PT-00014</faultstring></e:Fault>`, "not found: Fault NoSuch"},
		{"no service there", "soap", soapAsk + "number: /Hits/Number, echo: /Hits/Ref", 404, xmlHits, "HTTP status 404"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			asked := system(t, c.system, c.find, c.status, c.answer)
			d := hub.Delivery{Key: "01JH-arende", Operation: "case", Document: hub.NewDocument("application/xml", []byte(`<D>01JH-arende</D>`))}
			switch r, err := asked.Find(t.Context(), d); {
			case c.want == "" && (err != nil || r.Number != "PT-00014"):
				t.Errorf("Find gives %+v, %v", r, err)
			case c.want != "" && (err == nil || err.Error() != c.want):
				t.Errorf("Find gives %v, want %s", err, c.want)
			}
			if c.want == "" || strings.HasPrefix(c.want, hub.ErrNotFound.Error()) {
				return
			}
			if _, err := asked.Deliver(t.Context(), d); err == nil || err.Error() != "case: find: "+c.want {
				t.Errorf("Deliver gives %v, which must say that it is the question that fails", err)
			}
		})
	}
}

// system opens one that answers the same to whatever comes.
func system(t *testing.T, kind, find string, status int, answer string) hub.Destination {
	t.Helper()
	connector, config := rest.New, "format: "+kind+"\noperations: { case: { path: /cases, level: lookup, key: { document: /D }, "+
		"receipt: { number: /n }, find: { path: \"/cases?k={key}\", "+find+" } } }\n"
	if kind == "soap" {
		connector, config = soap.New, "namespaces: { t: urn:t }\noperations: { case: { action: make, level: lookup, key: { document: /D }, "+
			"receipt: { number: /n }, find: { "+find+" } } }\n"
		answer = `<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>` + answer + `</e:Body></e:Envelope>`
	}
	client := &http.Client{Transport: always(func(r *http.Request) *http.Response {
		return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(answer)), Request: r}
	})}
	env := hub.Env{ID: "karlskrona.verket", HTTP: client, Reads: client, Log: slog.New(slog.DiscardHandler), Clock: time.Now}
	opened, err := connector.Open(t.Context(), env, connectortest.Decode(t, connector)("url: https://verket.example/api\n"+config))
	if err != nil {
		t.Fatal(err)
	}
	return opened.Destination
}

// always answers a request without a network.
type always func(*http.Request) *http.Response

func (a always) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		io.Copy(io.Discard, r.Body)
		r.Body.Close()
	}
	return a(r), nil
}
