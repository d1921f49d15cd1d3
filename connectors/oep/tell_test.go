package oep_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/oep"
	"github.com/knutpunkt/knutpunkt/connectors/oep/oepsim"
	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

var names = map[hub.Step]string{
	hub.Registrerat: "Mottagen", hub.UnderHandlaggning: "Under behandling",
	hub.KompletteringBehov: "Komplettering behövs", hub.Beslutat: "Klart",
}

var registered = hub.Status{Step: hub.Registrerat, Ref: "SBF 2026-000117"}

// told gives what a platform has heard since it was opened, without times.
func told(sim *oepsim.Sim) []oepsim.Entry {
	var heard []oepsim.Entry
	for _, e := range sim.Ledger() {
		if e.What != oepsim.SentIn && e.What != oepsim.Posted {
			e.At = time.Time{}
			heard = append(heard, e)
		}
	}
	return heard
}

// TestTellAJourney tells of a whole case: each Step once, the diarienummer once.
func TestTellAJourney(t *testing.T) {
	sim, url, forms := platform(t)
	teller := open(t, oep.Config{URL: url, Statuses: names}).Teller
	instance := forms[0].Instance
	ref := hub.Ref{System: "karlskrona.oep", ID: strconv.Itoa(instance), Version: forms[0].Version}
	for _, s := range []hub.Status{
		{Step: hub.Inkommet}, // is not in the table
		registered,
		{Step: hub.UnderHandlaggning, Ref: registered.Ref},
		{Step: hub.KompletteringBehov, Ref: registered.Ref},
		{Step: hub.Beslutat, Ref: registered.Ref},
	} {
		if err := teller.Tell(t.Context(), hub.Telling{Ref: ref, Status: s}); err != nil {
			t.Fatalf("%s: %v", s.Step, err)
		}
	}
	want := []oepsim.Entry{
		{What: oepsim.Confirmed, Instance: instance, Number: registered.Ref, System: "diarium"},
		{What: oepsim.StatusSet, Instance: instance, Word: "Mottagen", Event: 1},
		{What: oepsim.StatusSet, Instance: instance, Word: "Under behandling", Event: 2},
		{What: oepsim.StatusSet, Instance: instance, Word: "Komplettering behövs", Event: 3},
		{What: oepsim.StatusSet, Instance: instance, Word: "Klart", Event: 4},
	}
	if got := told(sim); !reflect.DeepEqual(got, want) {
		t.Errorf("the platform heard\n%+v\nand not\n%+v", got, want)
	}
}

// TestToldTwiceHeardOnce loses the platform's reply and tells it again, as the hub
// does after a don't know.
func TestToldTwiceHeardOnce(t *testing.T) {
	sim, url, forms := platform(t)
	teller := open(t, oep.Config{URL: url, Statuses: names}).Teller
	ref := hub.Ref{ID: strconv.Itoa(forms[0].Instance)}
	for lost := 2; lost >= 0; lost-- {
		if lost > 0 {
			sim.Fail(oepsim.ReplyLost)
		}
		err := teller.Tell(t.Context(), hub.Telling{Ref: ref, Status: registered})
		if answer, _, _ := hub.AnswerOf(hub.Receipt{Number: "told"}, err); (answer == hub.Yes) != (lost == 0) || answer == hub.NotNow {
			t.Errorf("with the reply lost the answer is %s: %v", answer, err)
		}
	}
	if err := teller.Tell(t.Context(), hub.Telling{Ref: ref, Status: registered}); err != nil {
		t.Fatal(err)
	}
	heard := map[oepsim.What]int{}
	for _, e := range told(sim) {
		heard[e.What]++
	}
	if heard[oepsim.Confirmed] != 1 || heard[oepsim.StatusSet] != 1 || heard[oepsim.Repeated] < 2 {
		t.Errorf("it was heard more than once: %v", heard)
	}
}

func TestTellTheNumberOfAReceipt(t *testing.T) {
	sim, url, forms := platform(t)
	teller := open(t, oep.Config{URL: url, Numbers: "Platina"}).Teller
	ref := hub.Ref{ID: strconv.Itoa(forms[1].Instance)}
	receipts := []hub.Receipt{{Ref: "without a number"}, {Number: "BUN 2026-000123"}}
	if err := teller.Tell(t.Context(), hub.Telling{Ref: ref, Status: hub.Status{Step: hub.Registrerat}, Receipts: receipts}); err != nil {
		t.Fatal(err)
	}
	heard := told(sim)
	if len(heard) != 1 || heard[0].Number != "BUN 2026-000123" || heard[0].System != "Platina" {
		t.Errorf("the platform heard %+v", heard)
	}
}

// TestTellWhatGoesWrong gives every way in which a platform does not do as it is told.
func TestTellWhatGoesWrong(t *testing.T) {
	sim, url, forms := platform(t)
	known := hub.Ref{ID: strconv.Itoa(forms[0].Instance)}
	for _, c := range []struct {
		name, why string
		fault     oepsim.Fault
		ref       hub.Ref
		status    string
		answer    hub.Answer
		wait      time.Duration
	}{
		{"unknown instance", "no repeat will make it exist", "", hub.Ref{ID: "5640"}, "Mottagen", hub.No, 0},
		{"unknown status", "systems.yaml must be mended", "", known, "Mottaget", hub.No, 0},
		{"no instance", "it cannot be asked for", "", hub.Ref{ID: "198206822390"}, "Mottagen", hub.No, 0},
		{"control character", "it cannot be written", "", known, "Mot\x01tagen", hub.No, 0},
		{"fault with a text", "it may be mended by itself", oepsim.FaultText, known, "Mottagen", hub.DontKnow, 0},
		{"busy", "it says when to come back", oepsim.Busy, known, "Mottagen", hub.NotNow, 7 * time.Second},
		{"login page", "a page with 200 is no answer", oepsim.LoginPage, known, "Mottagen", hub.DontKnow, 0},
		{"reply lost", "it may have been heard", oepsim.ReplyLost, known, "Mottagen", hub.DontKnow, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			sim.Fail(c.fault)
			defer sim.Heal()
			system := open(t, oep.Config{URL: url, Statuses: map[hub.Step]string{hub.Beslutat: c.status}})
			err := system.Teller.Tell(t.Context(), hub.Telling{Ref: c.ref, Status: hub.Status{Step: hub.Beslutat}})
			answer, wait, _ := hub.AnswerOf(hub.Receipt{Number: "told"}, err)
			if answer != c.answer || wait != c.wait {
				t.Errorf("the answer is %s, %s (%v): %s", answer, wait, err, c.why)
			}
			if strings.Contains(err.Error(), "5640") || strings.Contains(err.Error(), canary) {
				t.Errorf("the error repeats what the platform said: %v", err)
			}
		})
	}
}

// TestTellByStatus gives the answers that have no fault in them.
func TestTellByStatus(t *testing.T) {
	body, code := "", 200
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(code)
		io.WriteString(w, body)
	}))
	defer server.Close()
	teller := open(t, oep.Config{URL: server.URL, Statuses: names}).Teller
	fault := `<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/"><S:Body><S:Fault><faultstring>%s</faultstring>%s</S:Fault></S:Body></S:Envelope>`
	other := `<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/"><S:Body>` +
		`<confirmDeliveryResponse xmlns="http://www.oeplatform.org/version/1.0/schemas/integration/callback"/></S:Body></S:Envelope>`
	for _, c := range []struct {
		name   string
		code   int
		body   string
		answer hub.Answer
		cause  hub.Cause
	}{
		{"credentials", 401, "", hub.NotNow, hub.Credentials},
		{"wrong address", 404, "<html>", hub.NotNow, hub.AddressChanged},
		{"redirect", 302, "", hub.DontKnow, hub.AddressChanged},
		{"no text", 500, "", hub.DontKnow, ""},
		{"empty", 200, "", hub.DontKnow, hub.ContractBroken},
		{"other answer", 200, other, hub.DontKnow, hub.ContractBroken},
		{"access by detail", 500, fmt.Sprintf(fault, canary, "<detail><AccessDeniedFault/></detail>"), hub.No, ""},
		{"access by text", 500, fmt.Sprintf(fault, "Access denied for "+canary, ""), hub.No, ""},
		{"fault with 200", 200, fmt.Sprintf(fault, "The requested status was not found", ""), hub.No, ""},
		{"entity", 500, "<!DOCTYPE a [<!ENTITY b 'c'>]>" + fmt.Sprintf(fault, "&b;", ""), hub.DontKnow, ""},
		{"endless", 200, strings.Repeat("<a>", 1<<20), hub.DontKnow, hub.ContractBroken},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, body = c.code, c.body
			err := teller.Tell(t.Context(), hub.Telling{Ref: hub.Ref{ID: "1"}, Status: hub.Status{Step: hub.Beslutat}})
			answer, _, cause := hub.AnswerOf(hub.Receipt{Number: "told"}, err)
			if answer != c.answer || cause != c.cause {
				t.Errorf("the answer is %s, %s: %v", answer, cause, err)
			}
			if strings.Contains(err.Error(), canary) {
				t.Errorf("the error repeats what the platform said")
			}
		})
	}
}

// TestTellTogether tells of many cases at once.
func TestTellTogether(t *testing.T) {
	sim, url, forms := platform(t)
	teller := open(t, oep.Config{URL: url, Statuses: names}).Teller
	var all sync.WaitGroup
	for range 20 {
		for _, f := range forms {
			all.Go(func() {
				if err := teller.Tell(t.Context(), hub.Telling{Ref: hub.Ref{ID: strconv.Itoa(f.Instance)}, Status: registered}); err != nil {
					t.Error(err)
				}
			})
		}
	}
	all.Wait()
	for _, f := range forms {
		if sim.Status(f.Instance) != "Mottagen" {
			t.Errorf("the status of family %s is %s", f.Kind, sim.Status(f.Instance))
		}
	}
}

// TestToldAsTheContractsSay holds what the hub sends against both published
// contracts, and its requests against recorded ones.
func TestToldAsTheContractsSay(t *testing.T) {
	dir := filepath.Join(formats(t), "oep")
	var contracts []document.Validator
	for _, name := range []string{"IntegrationCallbackService.xsd", "sundsvall-callback.xsd"} {
		contract, err := document.CompileXSD(os.DirFS(dir), name)
		if err != nil {
			t.Fatal(err)
		}
		contracts = append(contracts, contract)
	}
	seen := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen++
		operation := operationOf(t, r.Body)
		doc, err := document.WriteXML(operation, document.Style{})
		if err != nil {
			t.Error(err)
		}
		for _, contract := range contracts {
			if err := contract.Validate(doc); err != nil {
				t.Errorf("%s: %v", operation.Local(), err)
			}
		}
		fmt.Fprintf(w, `<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/"><S:Body><%sResponse xmlns="%s"><eventID>7</eventID></%[1]sResponse></S:Body></S:Envelope>`,
			operation.Local(), operation.Space())
	}))
	defer server.Close()
	teller := open(t, oep.Config{URL: server.URL, Statuses: names, Events: true}).Teller
	if err := teller.Tell(t.Context(), hub.Telling{Ref: hub.Ref{ID: "320115"}, Status: registered}); err != nil || seen != 3 {
		t.Errorf("%d operations, %v", seen, err)
	}
}

// operationOf finds the operation in a SOAP request.
func operationOf(t *testing.T, body io.Reader) *document.Element {
	t.Helper()
	envelope, err := document.ReadXML(body, document.Limits{})
	if err != nil || len(envelope.Child("Body").Children) != 1 {
		t.Fatalf("a request without one operation: %v", err)
	}
	return envelope.Child("Body").Children[0]
}

// TestRecordedExchanges plays what was recorded between a municipality and its
// platform: the hub must send what was sent, and understand what was answered.
func TestRecordedExchanges(t *testing.T) {
	dir := filepath.Join(formats(t), "oep", "samples")
	for _, c := range []struct {
		file   string
		conf   oep.Config
		ref    hub.Ref
		status hub.Status
		answer hub.Answer
	}{
		{
			"callback-confirmdelivery-exchange.json", oep.Config{Numbers: "TestSystem"},
			hub.Ref{ID: "123"}, hub.Status{Step: hub.Registrerat, Ref: "1234567890"}, hub.Yes,
		},
		{
			"callback-setstatus-not-found-exchange.json",
			oep.Config{Principal: "John Doe", Statuses: map[hub.Step]string{hub.Beslutat: "Inskickat"}},
			hub.Ref{ID: "5640"}, hub.Status{Step: hub.Beslutat}, hub.No,
		},
	} {
		t.Run(c.file, func(t *testing.T) {
			exchange := readExchange(t, dir, c.file)
			recorded := operationOf(t, strings.NewReader(exchange.Request.BodyPatterns[0].EqualToXML))
			var asked *document.Element
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked = operationOf(t, r.Body)
				w.Header().Set("Content-Type", exchange.Response.Headers.ContentType)
				w.WriteHeader(exchange.Response.Status)
				w.Write(exchange.answer(t, dir))
			}))
			defer server.Close()
			c.conf.URL = server.URL
			err := open(t, c.conf).Teller.Tell(t.Context(), hub.Telling{Ref: c.ref, Status: c.status})
			if answer, _, _ := hub.AnswerOf(hub.Receipt{Number: "told"}, err); answer != c.answer {
				t.Errorf("the answer is %s: %v", answer, err)
			}
			want, got := recorded.Tree().(map[string]any), asked.Tree().(map[string]any)
			delete(want, "logMessage") // ours has none
			if p, ok := want["principal"].(map[string]any); ok {
				p["userID"] = p["name"] // ours has no account of the person's
			}
			if asked.Space() != recorded.Space() || asked.Local() != recorded.Local() || !reflect.DeepEqual(got, want) {
				t.Errorf("asked %s %v and not %v", asked.Local(), got, want)
			}
		})
	}
}

type exchange struct {
	Request struct {
		BodyPatterns []struct{ EqualToXML string }
	}
	Response struct {
		BodyFileName, Body string
		Status             int
		Headers            struct {
			ContentType string `json:"Content-Type"`
		}
	}
}

func readExchange(t *testing.T, dir, name string) exchange {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	var e exchange
	if err := json.Unmarshal(text, &e); err != nil {
		t.Fatal(err)
	}
	return e
}

func (e exchange) answer(t *testing.T, dir string) []byte {
	if e.Response.BodyFileName == "" {
		return []byte(e.Response.Body)
	}
	body, err := os.ReadFile(filepath.Join(dir, e.Response.BodyFileName))
	if err != nil {
		t.Error(err)
	}
	return body
}

// TestAnswersMadeAfterTheContract reads the two answers to setStatus: the first, and
// that to a repeat.
func TestAnswersMadeAfterTheContract(t *testing.T) {
	dir := filepath.Join(formats(t), "handmade")
	for _, name := range []string{"oep-setstatus-response.xml", "oep-setstatus-repeat-response.xml"} {
		answer, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(w, bytes.NewReader(answer))
		}))
		err = open(t, oep.Config{URL: server.URL, Statuses: names}).Teller.Tell(t.Context(), hub.Telling{Ref: hub.Ref{ID: "1"}, Status: hub.Status{Step: hub.Beslutat}})
		server.Close()
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestEvents: a line for each status that was changed, and never two.
func TestEvents(t *testing.T) {
	added := func(sim *oepsim.Sim) (lines []string) {
		for _, e := range told(sim) {
			if e.What == oepsim.EventAdded {
				lines = append(lines, e.Word)
			}
		}
		return lines
	}
	decided := hub.Status{Step: hub.Beslutat, Ref: registered.Ref, At: noon}
	for _, c := range []struct {
		name, why string
		off       bool
		lost      int32 // which call's reply is lost the first time; 0 for none
		lines     []string
	}{
		{"said once", "", false, 0, []string{"Registrerat med diarienummer SBF 2026-000117", "Beslutat"}},
		{"not asked for", "systems.yaml does not say events", true, 0, nil},
		{"the status' reply is lost", "whether it was changed is not known", false, 2, []string{"Beslutat"}},
		{"the line's reply is lost", "it is there already", false, 3, []string{"Registrerat med diarienummer SBF 2026-000117", "Beslutat"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			sim, _, forms := platform(t)
			var calls atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if calls.Add(1) == c.lost {
					sim.Fail(oepsim.ReplyLost)
				}
				sim.ServeHTTP(w, r)
			}))
			defer server.Close()
			teller := open(t, oep.Config{URL: server.URL, Statuses: names, Events: !c.off}).Teller
			ref := hub.Ref{ID: strconv.Itoa(forms[0].Instance)}
			for _, s := range []hub.Status{registered, registered, decided, decided} {
				err := teller.Tell(t.Context(), hub.Telling{Ref: ref, Status: s})
				if answer, _, _ := hub.AnswerOf(hub.Receipt{Number: "told"}, err); answer != hub.Yes && (answer != hub.DontKnow || calls.Load() != c.lost) {
					t.Errorf("the answer is %s: %v", answer, err)
				}
			}
			if lines := added(sim); !reflect.DeepEqual(lines, c.lines) {
				t.Errorf("the lines are %q and not %q: %s", lines, c.lines, c.why)
			}
		})
	}
}
