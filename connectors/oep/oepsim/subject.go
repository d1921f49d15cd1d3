package oepsim

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/certify"
	"github.com/knutpunkt/knutpunkt/hub"
)

// Subject is what it takes to examine a connector to Open ePlatform.
func Subject() certify.Subject {
	noon := time.Date(2026, 3, 2, 11, 0, 0, 0, time.UTC)
	deck := Fill(Deck, 0, noon)
	return certify.Subject{
		Config: "url: {{URL}}\nuser: knutpunkt\npassword: {{SECRET}}\n" +
			"statuses: { registrerat: Mottagen, beslutat: Klart }\n",
		Fake: func() certify.Fake { return newFake(noon, deck) },
		Forms: []certify.Form{
			{Name: "small", Type: "application/xml", Body: small},
			{Name: "deck", Type: "application/xml", Body: string(deck.Body)},
			{Name: "preschool", Type: "application/xml", Body: string(Fill(Preschool, 2, noon).Body)},
		},
		Broken: []certify.Form{
			{Name: "no instance", Type: "application/xml", Body: strings.Replace(small, "320342", certify.Number, 1)},
			{Name: "no base64", Type: "application/xml", Body: strings.Replace(small, "QUJD", certify.Name+"*", 1)},
		},
		Files: deck.referred(),
		Told:  hub.Ref{ID: strconv.Itoa(deck.Instance), Version: deck.Version},
	}
}

// small is a form with nothing odd in it, for the kit to break.
const small = `<FlowInstance xmlns="http://www.oeplatform.org/version/2.0/schemas/flowinstance">
<Header>
<Flow><FamilyID>702</FamilyID><Version>5</Version><FlowID>9102</FlowID><Name>` + certify.Name + `</Name></Flow>
<FlowInstanceID>320342</FlowInstanceID>
<FirstSubmitted>2026-01-20T10:30:00</FirstSubmitted>
<LastSubmitted>2026-01-27T16:05:44</LastSubmitted>
</Header>
<Values>
<sokande><QueryID>1</QueryID><Name>Sökande</Name><SocialSecurityNumber>` + certify.Number + `</SocialSecurityNumber></sokande>
<ritningar><QueryID>2</QueryID><Name>Ritningar</Name>
<File><ID>9</ID><Name>a.pdf</Name><Size>3</Size><EncodedData>QUJD</EncodedData></File>
</ritningar>
</Values>
<ExtraParameters><Parameters><Parameter><Name>municipalityId</Name><Value>1080</Value></Parameter></Parameters></ExtraParameters>
</FlowInstance>`

// referred gives the files that a form only refers to, and its print.
func (f Form) referred() map[hub.Fetch]string {
	instance := strconv.Itoa(f.Instance)
	files := map[hub.Fetch]string{
		{Kind: "print", Instance: instance}: string(pdf(f.Kind.flow().Name, fmt.Sprintf("%s %d", f.Version, f.Instance))),
	}
	for _, file := range f.files {
		if !file.inline {
			ref := hub.Fetch{Kind: "file", Instance: instance, Question: strconv.Itoa(file.query), File: strconv.Itoa(file.id)}
			files[ref] = string(file.content)
		}
	}
	return files
}

// A fake is the simulated platform, to which a form has been sent in. It is given no cases.
type fake struct{ *Sim }

func newFake(now time.Time, f Form) fake {
	sim, err := New(Options{Clock: func() time.Time { return now }, User: "knutpunkt", Password: certify.Secret})
	if err == nil {
		err = sim.SendIn(f)
	}
	if err != nil {
		panic(err) // in memory there is nothing that can fail
	}
	return fake{sim}
}

func (fake) Cases() int { return 0 }

// Told counts what the platform heard, repeats left out.
func (f fake) Told() (n int) {
	for _, e := range f.Ledger() {
		if e.What == StatusSet || e.What == Confirmed {
			n++
		}
	}
	return n
}
