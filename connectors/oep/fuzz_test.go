package oep_test

import (
	"bytes"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/knutpunkt/knutpunkt/connectors/oep"
	"github.com/knutpunkt/knutpunkt/hub"
)

// FuzzAnswer: whatever a platform says to a telling, only its own word for it is a yes,
// and nothing of what it said is said again.
func FuzzAnswer(f *testing.F) {
	const soap = `<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/"><S:Body>BODY</S:Body></S:Envelope>`
	for _, body := range []string{
		`<setStatusResponse xmlns="http://www.oeplatform.org/version/1.0/schemas/integration/callback"/>`,
		`<S:Fault><faultcode>S:Server</faultcode><faultstring>Flow instance not found</faultstring></S:Fault>`,
		`<S:Fault><detail><AccessDeniedFault/></detail></S:Fault>`, `<S:Fault><faultstring>kanariefågel</faultstring></S:Fault>`, "",
	} {
		f.Add(200, []byte(strings.Replace(soap, "BODY", body, 1)))
		f.Add(500, []byte(strings.Replace(soap, "BODY", body, 1)))
	}
	f.Add(302, []byte("<html>"))
	f.Add(200, []byte("<!DOCTYPE a>"))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if status < 200 || status > 599 {
			return
		}
		teller := answering(t, status, body).Teller
		err := teller.Tell(t.Context(), hub.Telling{Ref: hub.Ref{ID: "300001"}, Status: hub.Status{Step: hub.UnderHandlaggning}})
		if err == nil && (status/100 != 2 || !bytes.Contains(body, []byte("setStatusResponse"))) {
			t.Errorf("%d %q is taken for a yes", status, body)
		}
		if err != nil && strings.Contains(err.Error(), "kanariefågel") {
			t.Errorf("the platform's words are said again: %v", err)
		}
	})
}

// FuzzFetch: a file that is fetched is what came, whole, or it is an error. What refers
// to it leads nowhere but to the platform.
func FuzzFetch(f *testing.F) {
	f.Add("file", "300001", "8206", "9", []byte("%PDF-1.4"))
	f.Add("print", "300001", "", "", []byte("%PDF-1.4"))
	f.Add("print", "300001", "", "", []byte("<html>Logga in</html>"))
	f.Add("file", "../..", "1?a=b", "@evil.example", []byte("x"))
	f.Add("file", "1", "00", "-1", []byte{})
	f.Fuzz(func(t *testing.T, kind, instance, question, file string, content []byte) {
		var got bytes.Buffer
		err := answering(t, 200, content).Fetcher.Fetch(t.Context(), hub.Fetch{Kind: kind, Instance: instance, Question: question, File: file}, &got)
		if err == nil && !bytes.Equal(got.Bytes(), content) {
			t.Errorf("of %d bytes %d were fetched", len(content), got.Len())
		}
		if n, wrong := strconv.Atoi(instance); err == nil && (wrong != nil || n < 1) {
			t.Errorf("the form %q was asked for", instance)
		}
	})
}

// days are all that may stand in an address beside its path.
var days = regexp.MustCompile(`^fromDate=\d{4}-\d\d-\d\d&toDate=\d{4}-\d\d-\d\d$`)

// answering gives a platform that always says the same, and requires that nobody else is
// called.
func answering(t *testing.T, status int, body []byte) hub.System {
	t.Helper()
	client := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.URL.Host != "e-tjanster.example" || r.URL.RawQuery != "" && !days.MatchString(r.URL.RawQuery) || strings.Contains(r.URL.Path, "..") {
			t.Errorf("%s was called", r.URL)
		}
		return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body)), Request: r}, nil
	})}
	system, err := oep.New.Open(t.Context(), hub.Env{ID: "karlskrona.oep", HTTP: client, Reads: client, Clock: clock}, func(into any) error {
		*into.(*oep.Config) = oep.Config{
			URL: "https://e-tjanster.example", User: "knutpunkt", Password: hub.NewSecret("hemligt"),
			Statuses: map[hub.Step]string{hub.UnderHandlaggning: "Under behandling"},
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return system
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
