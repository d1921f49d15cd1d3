// Package formsim is a form platform that posts JSON of its own, and keeps the files that its forms refer
// to until they are fetched.
package formsim

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A Platform has files, by their paths. Whoever fetches one shows the Token.
type Platform struct {
	Token string
	Files map[string]string
}

// ServeHTTP gives a file.
func (p *Platform) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	content, there := p.Files[strings.TrimPrefix(r.URL.Path, "/")]
	switch {
	case r.Header.Get("Authorization") != "Bearer "+p.Token:
		http.Error(w, "who is it?", http.StatusUnauthorized)
	case !there:
		http.NotFound(w, r)
	default:
		w.Header().Set("Content-Type", "application/pdf")
		io.WriteString(w, content)
	}
}

// Cases: a platform makes none.
func (*Platform) Cases() int { return 0 }

// A reader is what a mapping of the platform's forms does, without a mapping's language: the kit that
// examines the connector has none.
type reader struct{}

func (reader) Operation() string { return "submission" }

// Render makes Knutpunkt's own JSON of a form.
func (reader) Render(k hub.Known) (hub.Document, error) {
	form, _ := k.Submission.Answers.Reveal().(map[string]any)
	if form["nummer"] == nil {
		return hub.Document{}, &hub.MappingError{Where: "mappings/intranat/blankett.yaml:5", Reason: hub.ReasonMapping, Text: "${answers.nummer} has no value"}
	}
	var text bytes.Buffer
	err := json.NewEncoder(&text).Encode(map[string]any{
		"municipality": "1080", "service": form["blankett"], "source": map[string]any{"id": form["nummer"]},
		"answers": form["svar"], "attachments": form["bilagor"],
	})
	if err != nil {
		return hub.Document{}, errors.New("the form cannot be written")
	}
	return hub.NewDocument("application/json", text.Bytes()), nil
}
