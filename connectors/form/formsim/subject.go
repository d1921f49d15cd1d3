package formsim

import (
	"encoding/base64"

	"github.com/knutpunkt/knutpunkt/connectors/certify"
	"github.com/knutpunkt/knutpunkt/hub"
)

// Subject is what it takes to examine a connector that reads forms by a mapping.
func Subject() certify.Subject {
	ref := hub.Fetch{Kind: "file", File: "bilagor/17/intyg.pdf"}
	return certify.Subject{
		Config:  "format: json\nmapping: intranat/blankett\ncontent: bilagor.content\nfiles: {{URL}}\ntoken: {{SECRET}}\n",
		Mapping: func(string) (hub.Mapping, error) { return reader{}, nil },
		Fake: func() certify.Fake {
			return &Platform{Token: certify.Secret, Files: map[string]string{ref.File: "%PDF-1.7 ett intyg"}}
		},
		Forms: []certify.Form{
			{Name: "a form", Type: "application/json", Body: form("")},
			{Name: "a form with files", Type: "application/json", Body: form(`
				{"name": "intyg.pdf", "type": "application/pdf", "content": "` + base64.StdEncoding.EncodeToString([]byte("%PDF-1.7")) + `"},
				{"name": "ritning.pdf", "fetch": "` + ref.File + `"}`)},
		},
		Broken: []certify.Form{
			{Name: "a form without a number", Type: "application/json", Body: `{"blankett": "ledighet", "svar": {"namn": "` + certify.Name + `"}}`},
			{Name: "a number twice", Type: "application/json", Body: `{"nummer": "1", "nummer": "2", "blankett": "ledighet", "svar": {}}`},
			{Name: "a list", Type: "application/json", Body: `["` + certify.Number + `"]`},
			{Name: "a number that is none", Type: "application/json", Body: `{"nummer": ["` + certify.Number + `"], "blankett": "ledighet", "svar": {}}`},
			{Name: "no answers", Type: "application/json", Body: `{"nummer": "1", "blankett": "ledighet"}`},
			{Name: "not base64", Type: "application/json", Body: form(`{"name": "` + certify.Name + `.pdf", "content": "` + certify.Name + ` och "}`)},
			{Name: "half of base64", Type: "application/json", Body: form(`{"name": "a.pdf", "content": "JVBER"}`)},
			{Name: "a file that is nowhere", Type: "application/json", Body: form(`{"name": "a.pdf"}`)},
		},
		Files: map[hub.Fetch]string{ref: "%PDF-1.7 ett intyg"},
	}
}

func form(files string) string {
	return `{"nummer": "L-1", "blankett": "ledighet", "svar": {"namn": "` + certify.Name + `", "personnummer": "` + certify.Number + `",
		"timmar": 4.50, "åäö": ["x", null, true]}, "bilagor": [` + files + `]}`
}
