package verbs

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestWordsAreListed with the line to add, to an operator, and whatever a system wrote does
// nothing to her terminal.
func TestWordsAreListed(t *testing.T) {
	t.Setenv(secretVariable, "hemlig-r")
	said := `{"words":[
		{"system":"karlskrona.diarium","name":"diarium (Karlskrona kommun)","municipality":"1080","word":"Expedierat","cases":2,
		 "first":"2026-03-02T08:00:00Z","last":"2026-03-02T09:00:00Z","file":"routes/karlskrona/systems.yaml","line":"\"expedierat\": STEG"},
		{"system":"eslov.diarium","municipality":"1285","word":"\u001b[2Jklart","cases":1,"first":"2026-03-02T08:00:00Z","last":"2026-03-02T09:00:00Z",
		 "file":"routes/eslov/systems.yaml","line":"\"\\u001b[2jklart\": STEG"}],"steps":["inkommet","beslutat"]}`
	hub := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, secret, _ := r.BasicAuth()
		if r.URL.Path != "/v1/words" || name != "registrator" || secret != "hemlig-r" {
			http.Error(w, "{}", http.StatusUnauthorized)
			return
		}
		io.WriteString(w, said)
	}))
	defer hub.Close()
	list := func(flags ...string) string {
		var out bytes.Buffer
		cmd := wordsCommand()
		cmd.SetOut(&out)
		cmd.SetArgs(append([]string{"--as", "registrator", "--operator", strings.TrimPrefix(hub.URL, "http://")}, flags...))
		if err := cmd.ExecuteContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	all := list()
	for _, want := range []string{"Expedierat", `"expedierat": STEG`, "routes/karlskrona/systems.yaml, diarium", "2026-03-02 09:00:00", "klart", "STEG is one of: inkommet, beslutat"} {
		if !strings.Contains(all, want) {
			t.Errorf("%s is not told:\n%s", want, all)
		}
	}
	if strings.Contains(all, "\x1b") {
		t.Errorf("the terminal is told what to do: %q", all)
	}
	if one := list("--municipality", "1080"); !strings.Contains(one, "Expedierat") || strings.Contains(one, "eslov") {
		t.Errorf("of one municipality:\n%s", one)
	}
	said = `{"words":[],"steps":[]}`
	if none := list(); !strings.Contains(none, "every word is translated") {
		t.Errorf("of none:\n%s", none)
	}
}
