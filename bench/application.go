package main

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// filledIn is the form as the platform posts it.
type filledIn struct {
	Municipality string `json:"municipality"`
	Service      string `json:"service"`
	FormVersion  string `json:"formVersion"`
	Source       struct {
		System  string `json:"system"`
		ID      string `json:"id"`
		Version string `json:"version"`
	} `json:"source"`
	Submitted string `json:"submitted"`
	Answers   struct {
		Applicant struct {
			Personnummer string `json:"personnummer"`
			Email        string `json:"epost"`
			Phone        string `json:"telefon"`
		} `json:"sökande"`
		Property string `json:"fastighet"`
		Measures []struct {
			Code string `json:"kod"`
			Text string `json:"text"`
		} `json:"åtgärder"`
		Size struct {
			Length any `json:"längd"`
			Width  any `json:"bredd"`
			Height any `json:"höjd"`
		} `json:"mått"`
		Building struct {
			From string `json:"från"`
			To   string `json:"till"`
		} `json:"byggtid"`
		Description string `json:"beskrivning"`
	} `json:"answers"`
}

// inkommen is the day that the form came in.
func (f filledIn) inkommen() string {
	submitted, err := time.Parse(time.RFC3339, f.Submitted)
	if now := time.Now(); err != nil || submitted.After(now) {
		submitted = now
	}
	return submitted.In(hub.Stockholm).Format(time.DateOnly)
}

func (q question) json() []byte {
	text, _ := json.Marshal(q)
	return text
}

// registration is the document that the diarium wants.
func (a *application) registration() []byte {
	text, _ := json.Marshal(struct {
		Title        string `json:"title"`
		Received     string `json:"received"`
		Applicant    string `json:"applicant"`
		Personnummer string `json:"personnummer"`
		Unit         string `json:"unit"`
	}{
		"Bygglov för altan, " + a.form.Answers.Property, a.form.inkommen(),
		a.person.Given + " " + a.person.Family, a.person.Personnummer, "SBN",
	})
	return text
}

// ansokan is the document that the building system wants.
func (a *application) ansokan() []byte {
	form, person := &a.form.Answers, a.person
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<Ansokan xmlns="urn:knutpunkt:bench:ansokan" ref="`)
	escape(&b, a.form.Source.ID)
	b.WriteString(`">`)
	element(&b, "Diarienummer", a.number)
	element(&b, "Inkommen", a.form.inkommen())
	element(&b, "Kommun", a.form.Municipality)
	b.WriteString("<Sokande>")
	element(&b, "Personnummer", person.Personnummer)
	element(&b, "Namn", person.Given+" "+person.Family)
	element(&b, "Gata", person.Street)
	element(&b, "Postnummer", spaced(person.Postcode))
	element(&b, "Ort", person.City)
	optional(&b, "Epost", form.Applicant.Email)
	optional(&b, "Telefon", form.Applicant.Phone)
	b.WriteString("</Sokande>")
	element(&b, "Fastighet", form.Property)
	for _, m := range form.Measures {
		b.WriteString(`<Atgard kod="`)
		escape(&b, m.Code)
		b.WriteString(`">`)
		escape(&b, m.Text)
		b.WriteString("</Atgard>")
	}
	element(&b, "Langd", fmt.Sprint(form.Size.Length))
	element(&b, "Bredd", fmt.Sprint(form.Size.Width))
	if form.Size.Height != nil {
		element(&b, "Hojd", fmt.Sprint(form.Size.Height))
	}
	element(&b, "Fran", form.Building.From)
	element(&b, "Till", form.Building.To)
	element(&b, "Beskrivning", form.Description)
	b.WriteString("</Ansokan>")
	return []byte(b.String())
}

// spaced writes a postcode as letters are addressed: 371 31.
func spaced(postcode string) string {
	if len(postcode) != 5 {
		return postcode
	}
	return postcode[:3] + " " + postcode[3:]
}

func element(b *strings.Builder, name, text string) {
	b.WriteString("<" + name + ">")
	escape(b, text)
	b.WriteString("</" + name + ">")
}

func optional(b *strings.Builder, name, text string) {
	if text != "" {
		element(b, name, text)
	}
}

func escape(b *strings.Builder, text string) { xml.EscapeText(b, []byte(text)) }
