package eidsim

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
)

var (
	//go:embed page.html
	pageText string
	//go:embed page.css
	style string

	pages = template.Must(template.New("page").Parse(pageText))
)

// policy lets the page use its own style and nothing else. Where its form may lead is not
// said, since it leads to another site by way of a redirect.
var policy = func() string {
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; style-src 'sha256-" +
		base64.StdEncoding.EncodeToString(sum[:]) + "'"
}()

// A choice is a person as the page lists her. It never shows her number.
type choice struct{ Value, Name, Kind, About string }

// page shows whom one can be to who was asked rightly, and else that she was not.
func (p *Provider) page(w http.ResponseWriter, status int, asked bool) {
	v := struct {
		Style      template.CSS
		Asked      bool
		Choices    []choice
		LoA2, LoA3 string
	}{template.CSS(style), asked, nil, LoA2, LoA3}
	for i, value := range p.choices() {
		v.Choices = append(v.Choices, p.Persons[i].choice(i, value))
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", "sv")
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	pages.Execute(w, v)
}

// choices are what the form calls the persons.
func (p *Provider) choices() []string {
	values := make([]string, len(p.Persons))
	for i := range p.Persons {
		values[i] = strconv.Itoa(i + 1)
	}
	return values
}

func (p Person) choice(i int, value string) choice {
	c := choice{Value: value, Name: fmt.Sprintf("Testperson %d, född %s", i+1, p.Number.Reveal()[:4]), Kind: "personnummer", About: p.About}
	switch {
	case p.Number.IsCoordination():
		c.Kind = "samordningsnummer"
	case !p.Before.IsZero():
		c.Kind = "personnummer, hade tidigare ett samordningsnummer"
	}
	return c
}
