package sifsim

import (
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/certify"
	"github.com/knutpunkt/knutpunkt/hub"
)

// Subject is what it takes to examine a connector to Public 360.
func Subject() certify.Subject {
	form := certify.File("formulär.xml", "text/xml", "<a/>")
	form.Print = true
	return certify.Subject{
		Config: "url: {{URL}}\nauthkey: {{SECRET}}\n",
		Fake:   func() certify.Fake { return newFake() },
		Deliveries: map[string]hub.Delivery{
			"case": {
				Document: hub.NewDocument("application/json", []byte(aCaseAndItsDocument)),
				Files:    []hub.File{certify.File("Ritning.pdf", "application/pdf", "%PDF"), form},
			},
			"document": {
				Document: hub.NewDocument("application/json", []byte(aCompletion)),
				Files:    []hub.File{form},
			},
		},
		Refusal: saysWith200(certify.Name + " " + certify.Number + " is locked"),
		Fault:   saysWith200("The timeout period elapsed prior to completion of " + certify.Name + " " + certify.Number),
	}
}

const aCaseAndItsDocument = `{
	"contacts": [
		{"ref": "sökande", "person": {"PersonalIdNumber": "` + certify.Number + `", "FirstName": "` + certify.Name + `", "LastName": "Exempelsson", "Active": true,
			"PrivateAddress": {"StreetAddress": "Provgatan 12", "ZipCode": "371 33", "ZipPlace": "KARLSKRONA"}}},
		{"ref": "bolag", "enterprise": {"EnterpriseNumber": "2021004748", "Name": "Provbolaget AB"}}
	],
	"case": {"Title": "Bygglov för altan", "CaseType": "recno:2", "Status": "recno:5", "StartDate": "2026-01-15T06:40:00Z",
		"AccessCode": "recno:1", "Contacts": [
			{"Role": "recno:6", "ReferenceNumber": "ref:sökande", "IsUnofficial": true},
			{"Role": "recno:7", "ReferenceNumber": "ref:bolag"}]},
	"document": {"Title": "Ansökan", "Archive": "recno:2", "Category": "recno:110", "Status": "recno:1",
		"Contacts": [{"Role": "recno:5", "ReferenceNumber": "ref:sökande"}]},
	"files": {"form": {"Title": "Ansökan", "Status": "recno:1", "VersionFormat": "recno:3"}, "attachment": {"Status": "recno:1"}}
}`

const aCompletion = `{
	"contacts": [],
	"document": {"CaseNumber": "BUN 2026/00001", "Title": "Komplettering", "Archive": "recno:2", "Category": "recno:110"},
	"files": {"form": {"Title": "Komplettering"}}
}`

// saysWith200 is how the product says that something went wrong.
func saysWith200(what string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"Recno":0,"Successful":false,"ErrorMessage":"SI.Biz.Core.ServiceFramework.BizException: `+what+`","ErrorDetails":null}`)
	}
}

// A fake is the simulator, with one case in it, on a clock that goes on by a second whenever
// something is moved.
type fake struct {
	*Sim
	moved *atomic.Int64
}

func newFake() fake {
	f := fake{moved: new(atomic.Int64)}
	sim, err := New(Options{AuthKey: certify.Secret, Clock: func() time.Time {
		return time.Date(2026, 3, 2, 9, 0, int(f.moved.Load()), 0, time.UTC)
	}})
	if err != nil {
		panic(err) // in memory there is nothing that can fail
	}
	if _, err := sim.answer("CaseService/CreateCase", object{"Title": "Ett ärende"}, Fault{}); err != nil {
		panic(err)
	}
	f.Sim = sim
	return f
}

func (f fake) Cases() int { return f.count(CaseEntry) }

func (f fake) Parts() int {
	parts := f.count(DocumentEntry)
	for _, e := range f.Ledger() {
		parts += len(e.Files)
	}
	return parts
}

func (f fake) count(kind Kind) (n int) {
	for _, e := range f.Ledger() {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// Move notes a word when it is told, as the product does, whatever day it is given.
func (f fake) Move(number, word string, _ time.Time) {
	f.moved.Add(1)
	f.Sim.Move(number, word)
}
