package oepsim_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/oep/oepsim"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

var noon = time.Date(2026, 3, 2, 11, 0, 0, 0, time.UTC)

func open(t *testing.T, dir string) *oepsim.Sim {
	t.Helper()
	sim, err := oepsim.New(oepsim.Options{
		Dir: dir, Clock: func() time.Time { return noon }, User: "knutpunkt", Password: "hemligt",
		Wait: func(time.Duration) <-chan time.Time { // as long as it takes a test
			now := make(chan time.Time, 1)
			now <- noon
			return now
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sim.Close() })
	return sim
}

// ask calls a platform as the hub's account.
func ask(sim http.Handler, method, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.SetBasicAuth("knutpunkt", "hemligt")
	r.Header.Set("Content-Type", "text/xml; charset=utf-8")
	w := httptest.NewRecorder()
	sim.ServeHTTP(w, r)
	return w
}

// TestFormsKeepToTheContract holds the filled-in forms against schemas of the kind
// that the platform makes for each form.
func TestFormsKeepToTheContract(t *testing.T) {
	dir := os.Getenv("KNUTPUNKT_FORMATS")
	if dir == "" {
		t.Skip("KNUTPUNKT_FORMATS names no folder")
	}
	for kind, schema := range map[oepsim.Kind]string{
		oepsim.Preschool: "oep-schema-9101.xsd", oepsim.Deck: "oep-schema-9102.xsd",
	} {
		contract, err := document.CompileXSD(os.DirFS(filepath.Join(dir, "handmade")), schema)
		if err != nil {
			t.Fatal(err)
		}
		for seed := range 60 {
			f := oepsim.Fill(kind, seed, noon)
			for _, body := range [][]byte{f.Body, f.Complete(noon.Add(time.Hour)).Body} {
				if err := contract.Validate(body); err != nil {
					t.Errorf("family %s, seed %d: %v", kind, seed, err)
				}
			}
		}
	}
}

// TestFillIsPure: a form that is filled in again after a restart is the same bytes.
func TestFillIsPure(t *testing.T) {
	seen := map[string]bool{}
	for _, kind := range []oepsim.Kind{oepsim.Preschool, oepsim.Deck} {
		for seed := range 100 {
			f := oepsim.Fill(kind, seed, noon)
			if again := oepsim.Fill(kind, seed, noon); !bytes.Equal(f.Body, again.Body) {
				t.Fatalf("family %s, seed %d: other bytes the second time", kind, seed)
			}
			if key := strconv.Itoa(f.Instance); seen[key] {
				t.Fatalf("family %s, seed %d: the instance of another form", kind, seed)
			} else {
				seen[key] = true
			}
			later := f.Complete(noon.Add(time.Hour))
			if later.Instance != f.Instance || later.Version <= f.Version || bytes.Equal(later.Body, f.Body) {
				t.Fatalf("family %s, seed %d: no completion", kind, seed)
			}
		}
	}
}

// TestPrologs: one family is written as platforms do by themselves, the other as they
// do when told to write UTF-8.
func TestPrologs(t *testing.T) {
	for kind, want := range map[oepsim.Kind]struct{ prolog, text string }{
		oepsim.Preschool: {`<?xml version="1.0" encoding="ISO-8859-1" standalone="no"?>`, "f\xf6rskola"},
		oepsim.Deck:      {`<?xml version="1.1" encoding="UTF-8"?>`, "för altan"},
	} {
		body := string(oepsim.Fill(kind, 0, noon).Body)
		if !strings.HasPrefix(body, want.prolog) || !strings.Contains(body, want.text) {
			t.Errorf("family %s is written in another way", kind)
		}
	}
	found := slices.ContainsFunc([]int{0, 1, 2, 3, 4, 5, 6, 7}, func(seed int) bool {
		return bytes.Contains(oepsim.Fill(oepsim.Preschool, seed, noon).Body, []byte("]]>&#8211;<![CDATA["))
	})
	if !found {
		t.Error("no form has a character that its charset lacks")
	}
}

// TestSubmitUntilAnswered: the same bytes are posted until the hub has answered, and
// no longer.
func TestSubmitUntilAnswered(t *testing.T) {
	var mu sync.Mutex // a lost answer leaves nothing between one call and the next
	var posts []string
	answers := []int{503, 500, 429, 202}
	hub := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		sum := sha256.Sum256(body)
		mu.Lock()
		defer mu.Unlock()
		posts = append(posts, hex.EncodeToString(sum[:])+r.Header.Get("Authorization"))
		if len(posts) == 1 {
			panic(http.ErrAbortHandler) // the first answer is lost
		}
		w.WriteHeader(answers[len(posts)-2])
		io.WriteString(w, `{"id":"01JQ0000000000000000000000"}`)
	}))
	defer hub.Close()
	sim := open(t, "")
	f := oepsim.Fill(oepsim.Deck, 3, noon)
	id, err := sim.Submit(t.Context(), hub.Client(), hub.URL, "token", f)
	if err != nil || id != "01JQ0000000000000000000000" {
		t.Fatalf("the receipt is %q, %v", id, err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(posts) != 5 || len(slices.Compact(posts)) != 1 || !strings.HasSuffix(posts[0], "Bearer token") {
		t.Errorf("%d posts of %d different", len(posts), len(slices.Compact(posts)))
	}
	last := sim.Ledger()[1]
	if last.What != oepsim.Posted || last.Status != 202 || last.Receipt != id || len(sim.Unanswered()) != 0 {
		t.Errorf("the ledger says %+v", last)
	}
}

func TestSubmitStopsAtARefusal(t *testing.T) {
	hub := httptest.NewServer(http.NotFoundHandler())
	defer hub.Close()
	sim := open(t, "")
	if _, err := sim.Submit(t.Context(), hub.Client(), hub.URL, "token", oepsim.Fill(oepsim.Deck, 3, noon)); err == nil {
		t.Error("a refusal is no receipt")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := sim.Submit(ctx, hub.Client(), hub.URL, "token", oepsim.Fill(oepsim.Deck, 4, noon)); !errors.Is(err, context.Canceled) {
		t.Errorf("a stop gives %v", err)
	}
	if len(sim.Unanswered()) != 1 {
		t.Error("what was stopped is still to be posted")
	}
}

// TestRestart: the platform remembers what it was told, and what it has left to post,
// also when its last line was cut in the middle.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	sim := open(t, dir)
	f := oepsim.Fill(oepsim.Deck, 4, noon)
	later := f.Complete(noon.Add(48 * time.Hour))
	for _, form := range []oepsim.Form{f, later} {
		if err := sim.SendIn(form); err != nil {
			t.Fatal(err)
		}
	}
	ask(sim, "POST", "/api/callback", setStatus(f.Instance, "Mottagen"))
	ask(sim, "POST", "/api/callback", confirm(f.Instance))
	sim.Close()
	file, err := os.OpenFile(filepath.Join(dir, "oepsim.jsonl"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(file, `{"at":"2026-03`)
	file.Close()

	sim = open(t, dir)
	waiting := sim.Unanswered()
	if len(waiting) != 2 || !bytes.Equal(waiting[0].Body, f.Body) || !bytes.Equal(waiting[1].Body, later.Body) {
		t.Errorf("%d forms are left to post, or other ones", len(waiting))
	}
	if sim.Status(f.Instance) != "Mottagen" {
		t.Error("the status is forgotten")
	}
	again := ask(sim, "POST", "/api/callback", setStatus(f.Instance, "Klart"))
	if !strings.Contains(again.Body.String(), "<eventID>2</eventID>") {
		t.Error("the events begin anew")
	}
	ask(sim, "POST", "/api/callback", confirm(f.Instance))
	if n := len(sim.Ledger()); n != 6 || sim.Ledger()[5].What != oepsim.Repeated {
		t.Errorf("the ledger has %d lines and ends with %s", n, sim.Ledger()[n-1].What)
	}
	ledger, err := os.ReadFile(filepath.Join(dir, "oepsim.jsonl"))
	if err != nil || bytes.Contains(ledger, []byte("sson")) || bytes.Count(ledger, []byte("\n")) != 6 {
		t.Errorf("the file holds a name, or a line that was cut: %v", err)
	}
}

const envelope = `<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Header/><e:Body>%s</e:Body></e:Envelope>`

const space = `xmlns="http://www.oeplatform.org/version/1.0/schemas/integration/callback"`

func setStatus(instance int, name string) string {
	return fmt.Sprintf(envelope, fmt.Sprintf(`<setStatus %s><flowInstanceID>%d</flowInstanceID><statusAlias>%s</statusAlias>`+
		`<principal><name>K</name><userID>k</userID></principal></setStatus>`, space, instance, name))
}

func confirm(instance int) string {
	return fmt.Sprintf(envelope, fmt.Sprintf(`<confirmDelivery %s><flowInstanceID>%d</flowInstanceID>`+
		`<externalID><ID>SBF 2026-1</ID><System>diarium</System></externalID><delivered>true</delivered></confirmDelivery>`, space, instance))
}

// TestCallbackRefusesWhatAPlatformWould: the simulator is no help if it takes anything.
func TestCallbackRefusesWhatAPlatformWould(t *testing.T) {
	sim := open(t, "")
	f := oepsim.Fill(oepsim.Deck, 1, noon)
	if err := sim.SendIn(f); err != nil {
		t.Fatal(err)
	}
	whole := setStatus(f.Instance, "Mottagen")
	change := func(from, to string) string { return strings.Replace(whole, from, to, 1) }
	for _, c := range []struct {
		name, body, says string
		code             int
	}{
		{"as it should be", whole, "<eventID>1</eventID>", 200},
		{"a repeat", whole, "<eventID>0</eventID>", 200},
		{"no namespace", change(space, ""), "Unmarshalling", 500},
		{"other order", change(`<name>K</name><userID>k</userID>`, `<userID>k</userID><name>K</name>`), "Unmarshalling", 500},
		{"unknown element", change("<principal>", "<more/><principal>"), "Unmarshalling", 500},
		{"unknown operation", fmt.Sprintf(envelope, "<addEvent "+space+"/>"), "Unmarshalling", 500},
		{"SOAP 1.2", change("http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope"), "Unmarshalling", 500},
		{"no XML", "hej", "Unmarshalling", 500},
		{"by externalID", change(fmt.Sprintf("<flowInstanceID>%d</flowInstanceID>", f.Instance), "<externalID><ID>1</ID><System>d</System></externalID>"), "Not implemented", 500},
		{"unknown instance", change(strconv.Itoa(f.Instance), "5640"), "flow instance with ID 5640 was not found", 500},
		{"unknown status", change("Mottagen", "Mottaget"), "StatusNotFoundFault", 500},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := ask(sim, "POST", "/api/callback", c.body)
			if w.Code != c.code || !strings.Contains(w.Body.String(), c.says) ||
				w.Header().Get("Content-Type") != "text/xml;charset=ISO-8859-1" {
				t.Errorf("it answers %d %s", w.Code, w.Body)
			}
			if _, err := document.ReadXML(w.Body, document.Limits{}); err != nil {
				t.Errorf("the answer is no XML: %v", err)
			}
		})
	}
	r := httptest.NewRequest("POST", "/api/callback", strings.NewReader(whole))
	r.SetBasicAuth("knutpunkt", "fel")
	w := httptest.NewRecorder()
	if sim.ServeHTTP(w, r); w.Code != http.StatusUnauthorized {
		t.Errorf("the wrong password is answered with %d", w.Code)
	}
}

// TestRest reads what the platform has, in each of the ways it may be written.
func TestRest(t *testing.T) {
	sim := open(t, "")
	for seed := range 3 {
		if err := sim.SendIn(oepsim.Fill(oepsim.Preschool, seed, noon)); err != nil {
			t.Fatal(err)
		}
	}
	f := oepsim.Fill(oepsim.Preschool, 0, noon)
	one := fmt.Sprintf("/api/instanceapi/getinstance/%d/", f.Instance)
	if w := ask(sim, "GET", one+"xml", ""); !bytes.Equal(w.Body.Bytes(), f.Body) {
		t.Error("the form is not the one that was sent in")
	}
	sim.Fail(oepsim.XML11)
	if w := ask(sim, "GET", one+"xml", ""); !strings.HasPrefix(w.Body.String(), `<?xml version="1.1"`) || !strings.Contains(w.Body.String(), "förskola") {
		t.Error("the form is not in XML 1.1")
	}
	if w := ask(sim, "GET", one+"pdf", ""); !strings.HasPrefix(w.Body.String(), "%PDF-") {
		t.Error("the print is no PDF")
	}
	status := fmt.Sprintf("/api/instanceapi/getstatus/%d", f.Instance)
	if e, err := document.ReadXML(ask(sim, "GET", status, "").Body, document.Limits{}); err != nil || e.Value("name") != "Inskickat" || e.Value("contentType") != "SUBMITTED" {
		t.Errorf("the status is %s, %v", e.Value("name"), err)
	}
	list := "/api/instanceapi/getinstances/family/701/Inskickat?fromDate=2026-03-02&toDate=2026-03-02"
	sim.Break(oepsim.BareList)
	sim.Fail(oepsim.TwiceInList)
	for _, want := range []int{4, 3} {
		w := ask(sim, "GET", list, "")
		bare := strings.HasPrefix(w.Body.String(), "<FlowInstances>")
		e, err := document.ReadXML(w.Body, document.Limits{})
		if err != nil || len(e.All("FlowInstance")) != want || !bare {
			t.Errorf("the list has %d and not %d instances: %v", len(e.All("FlowInstance")), want, err)
		}
	}
	sim.Heal()
	if w := ask(sim, "GET", strings.Replace(list, "03-02&", "03-03&", 1), ""); strings.Contains(w.Body.String(), "<flowInstanceID>") {
		t.Error("the list holds what was added before fromDate")
	}
	for _, path := range []string{"/api/instanceapi/getinstance/1/xml", "/api/instanceapi/getstatus/1", "/api/fileuploadqueryapi/getfile/1/2/3", one + "doc"} {
		if w := ask(sim, "GET", path, ""); w.Code != http.StatusNotFound {
			t.Errorf("%s is answered with %d", path, w.Code)
		}
	}
}

// TestHang: who calls is left waiting until it gives up, or the platform closes.
func TestHang(t *testing.T) {
	sim := open(t, "")
	sim.Break(oepsim.Hang)
	left, leave := context.WithCancel(t.Context())
	leave()
	for _, ctx := range []context.Context{left, t.Context()} {
		r := httptest.NewRequestWithContext(ctx, "GET", "/api/instanceapi/getstatus/1", nil)
		r.SetBasicAuth("knutpunkt", "hemligt")
		w := httptest.NewRecorder()
		answered := make(chan struct{})
		go func() {
			defer close(answered)
			sim.ServeHTTP(w, r)
		}()
		if ctx != left {
			sim.Close()
		}
		<-answered
		if w.Body.Len() > 0 {
			t.Error("it answers although it hangs")
		}
	}
}
