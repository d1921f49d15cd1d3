package rest_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/knutpunkt/knutpunkt/connectors/rest/restsim"
	"github.com/knutpunkt/knutpunkt/hub"
)

// TestStatusOfOneCase: what is told of a case is known when it is told again, and what cannot be heard is no
// silence.
func TestStatusOfOneCase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim, err := restsim.New(restsim.Options{Clock: time.Now, Token: "nyckel"})
		if err != nil {
			t.Fatal(err)
		}
		tw := &town{t: t, sim: sim, system: opened(t, serve(t, sim), "token: env:TOKEN\n"+restsim.ConfigAsked())}
		d := aDelivery("01JH-arende", 0)
		r, err := tw.deliver(d)
		if err != nil {
			t.Fatal(err)
		}
		sim.Move(r.Number, "Öppet hos Alva", time.Now())
		once, err := tw.system.Poller.Poll(t.Context(), d, r)
		if err != nil || len(once) != 1 || once[0].Word != "Öppet hos Alva" || once[0].Key != d.Key || once[0].Ref != "c1" || !once[0].At.Equal(time.Now()) ||
			once[0].ID == "" || strings.Contains(once[0].ID, "Alva") {
			t.Errorf("%+v, %v", once, err)
		}
		time.Sleep(time.Hour)
		sim.Move(r.Number, "Öppet hos Alva", time.Now()) // again: another line of its history
		again, err := tw.system.Poller.Poll(t.Context(), d, r)
		if err != nil || len(again) != 2 || again[0].ID != once[0].ID || again[1].ID == once[0].ID {
			t.Errorf("%+v, %v", again, err)
		}
		if _, err := tw.system.Poller.Poll(t.Context(), d, hub.Receipt{Number: "ÄR 7", Ref: "c7"}); !errors.Is(err, hub.ErrNotFound) {
			t.Errorf("of a case that is not there: %v", err)
		}
		for _, way := range []restsim.Way{restsim.Busy, restsim.Html, restsim.Truncated, restsim.Redirect, restsim.FailBefore, restsim.Denied} {
			sim.Fail(restsim.Fault{Way: way, At: restsim.Status})
			if reports, err := tw.system.Poller.Poll(t.Context(), d, r); err == nil || errors.Is(err, hub.ErrNotFound) || len(reports) > 0 {
				t.Errorf("%s: %d reports, %v", way, len(reports), err)
			}
		}
	})
}

// TestStatusThatIsTheCase: a system that shows a case as it is, in its own ways.
func TestStatusThatIsTheCase(t *testing.T) {
	d, r := aDelivery("01JH-arende", 0), hub.Receipt{Number: "ÄR 1"}
	tests := []struct {
		name, config, body string
		want               []hub.Report // without their IDs; nil for an error
	}{
		{"word and time", "word: /s, at: /t", `{"s":"Klart","t":"2026-03-02"}`, []hub.Report{{Word: "Klart", At: time.Date(2026, 3, 2, 0, 0, 0, 0, hub.Stockholm)}}},
		{"word alone", "word: /s", `{"s":"Klart"}`, []hub.Report{{Word: "Klart"}}},
		{"word of two", "word: /typ + /utfall", `{"typ":"BESLUT","utfall":"Bifall"}`, []hub.Report{{Word: "BESLUT Bifall"}}},
		{"word of one of two", "word: /typ + /utfall", `{"typ":"BESLUT"}`, []hub.Report{{Word: "BESLUT"}}},
		{"correction", "word: /s, correction: /c", `{"s":"Öppet","c":true}`, []hub.Report{{Word: "Öppet", Correction: true}}},
		{"list", "list: /h, word: /s", `{"h":[{"s":"Öppet"},{},{"s":"Klart"}]}`, []hub.Report{{Word: "Öppet"}, {Word: "Klart"}}},
		{"nothing has happened", "list: /h, word: /s", `{"h":[]}`, []hub.Report{}},
		{"no list", "list: /h, word: /s", `{}`, nil},
		{"no word", "word: /s", `{}`, nil},
		{"no time", "word: /s, at: /t", `{"s":"Klart"}`, nil},
		{"no id", "word: /s, id: /i", `{"s":"Klart"}`, nil},
		{"code that says that all is well", `word: /s, result: { path: /ok, values: { "true": accepted } }`, `{"ok":true,"s":"Klart"}`, []hub.Report{{Word: "Klart"}}},
		{"code that does not", `word: /s, result: { path: /ok, values: { "true": accepted } }`, `{"ok":false,"s":"Klart"}`, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			client := &http.Client{Transport: answers(200, test.body)}
			poller := opened(t, client, levels[hub.Blind]+`status: { path: "/c/{number}", `+test.config+" }\n").Poller
			got, err := poller.Poll(t.Context(), d, r)
			if (err != nil) != (test.want == nil) {
				t.Fatalf("%+v, %v", got, err)
			}
			ids := map[string]bool{}
			for i := range got {
				ids[got[i].ID], got[i].ID = true, ""
			}
			for i := range test.want {
				test.want[i].Ref, test.want[i].Key = "ÄR 1", d.Key
			}
			if len(ids) != len(got) || len(got) != len(test.want) || len(got) > 0 && !cmp.Equal(got, test.want) {
				t.Errorf("%+v, want %+v", got, test.want)
			}
		})
	}
}

// answers says the same to whatever is asked.
func answers(status int, body string) roundTrip {
	return func(r *http.Request) (*http.Response, error) {
		if r.Body != nil {
			io.Copy(io.Discard, r.Body)
		}
		return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	}
}

// TestCodes: some systems say 200 whatever happened.
func TestCodes(t *testing.T) {
	const config = `
operations:
  case:
    path: /cases
    level: lookup
    key: { document: /reference }
    receipt: { number: /number }
    result: { path: /code, values: { "0": accepted, "17": refused, "90": later, "401": credentials, "500": contract-broken } }
    find: { path: "/c/{key}", list: /hits, number: /number, echo: /reference, result: { path: /code, values: { "0": accepted, "404": not-found } } }
`
	tests := []struct {
		name, find, body string
		answer           hub.Answer
		cause            hub.Cause
	}{
		{"taken", `{"code":404}`, `{"code":0,"number":"ÄR 1"}`, hub.Yes, ""},
		{"refused", `{"code":404}`, `{"code":"17","number":"ÄR 1"}`, hub.No, ""},
		{"later", `{"code":404}`, `{"code":90}`, hub.NotNow, ""},
		{"not let in", `{"code":404}`, `{"code":401}`, hub.NotNow, hub.Credentials},
		{"wrong contract", `{"code":404}`, `{"code":500}`, hub.NotNow, hub.ContractBroken},
		{"another code", `{"code":404}`, `{"code":4711,"number":"ÄR 1"}`, hub.DontKnow, ""},
		{"no code", `{"code":404}`, `{"number":"ÄR 1"}`, hub.DontKnow, hub.ContractBroken},
		{"an empty list that says why", `{"code":99,"hits":[]}`, `{"code":0,"number":"ÄR 1"}`, hub.NotNow, ""},
		{"an empty list", `{"code":0,"hits":[]}`, `{"code":0,"number":"ÄR 1"}`, hub.Yes, ""},
		{"there already", `{"code":0,"hits":[{"number":"ÄR 7","reference":"01JH-arende"}]}`, ``, hub.Yes, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			client := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				if r.Method == http.MethodGet {
					return answers(200, test.find)(r)
				}
				return answers(200, test.body)(r)
			})}
			r, err := opened(t, client, config).Destination.Deliver(t.Context(), aDelivery("01JH-arende", 0))
			if a, cause := answerOf(r, err); a != test.answer || cause != test.cause {
				t.Errorf("%s (%s), want %s (%s): %v", a, cause, test.answer, test.cause, err)
			}
		})
	}
}

// TestNoFilesByCode: where a code says that a case has no files, all of them are yet to be sent.
func TestNoFilesByCode(t *testing.T) {
	config := "operations:\n  case:\n    path: /cases?k={key}\n    level: lookup" + receiptConfig + `
    find: { path: "/c/{key}", list: /hits, number: /number, echo: /reference }
    files:
      path: /files/{n}
      find: { path: /files, list: /files, n: /n, result: { path: /code, values: { "0": accepted, "404": not-found } } }
`
	sent := false
	client := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		switch {
		case r.Method == http.MethodPut:
			sent = true
			return answers(204, "")(r)
		case strings.HasPrefix(r.URL.Path, "/api/c/"):
			return answers(200, `{"hits":[{"number":"ÄR 1","reference":"01JH-arende"}]}`)(r)
		case sent:
			return answers(200, `{"code":0,"files":[{"n":1}]}`)(r)
		}
		return answers(200, `{"code":404}`)(r)
	})}
	destination, d := opened(t, client, config).Destination, aDelivery("01JH-arende", 1)
	if _, err := destination.Find(t.Context(), d); !errors.Is(err, hub.ErrNotFound) {
		t.Errorf("before: %v, want %v", err, hub.ErrNotFound)
	}
	if r, err := destination.Deliver(t.Context(), d); err != nil || len(r.Parts) != 1 || !sent {
		t.Errorf("%d parts, sent %t: %v", len(r.Parts), sent, err)
	}
	if r, err := destination.Find(t.Context(), d); err != nil || len(r.Parts) != 1 {
		t.Errorf("after: %d parts: %v", len(r.Parts), err)
	}
}

// TestAmong: where others' cases stand in the list, ours is the one that repeats the Key.
func TestAmong(t *testing.T) {
	config := "operations:\n  case:\n    path: /cases?k={key}\n    level: lookup" + receiptConfig +
		"    find: { path: \"/c/{key}\", list: /, among: yes, number: /number, echo: /reference }\n"
	ours, other := `{"number":"ÄR 1","reference":"01JH-arende"}`, `{"number":"ÄR 2","reference":"x"},{"number":"ÄR 3"}`
	for body, want := range map[string]error{
		"[" + other + "," + ours + "]":              nil,
		"[" + other + "]":                           hub.ErrNotFound,
		"[" + ours + "," + other + "," + ours + "]": hub.ErrCannotTell,
	} {
		system := opened(t, &http.Client{Transport: answers(200, body)}, config)
		r, err := system.Destination.Find(t.Context(), aDelivery("01JH-arende", 0))
		if !errors.Is(err, want) || err == nil && r.Number != "ÄR 1" {
			t.Errorf("%s: %+v, %v", body, r, err)
		}
	}
}
