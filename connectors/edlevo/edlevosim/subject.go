package edlevosim

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/certify"
	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// Subject is what it takes to examine a connector to Edlevo.
//
// The vendor's contract has children's numbers in addresses, and those of guardians who answer, so that
// theirs are none of the kit's canaries. The number and the name that nobody is to see elsewhere are those of
// the guardian who applies; the license key is said in a header.
func Subject() certify.Subject {
	return certify.Subject{
		Config: "url: {{URL}}/SchoolSearch\nstatus: {{URL}}/ApplicationStatus\nlicense: {{SECRET}}\nlicense-in: header\n",
		Fake:   func() certify.Fake { return newFake() },
		Deliveries: map[string]hub.Delivery{
			"application": {Document: exampleOf(anApplicationForNextYear)},
			"consent":     {Document: exampleOf(aConsent)},
		},
		Vary: vary,
		Refusal: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/xml; charset=utf-8")
			io.WriteString(w, `<schoolsearch xmlns="`+space+`"><result status="ERROR"><errormessage>`+certify.Name+
				`, `+certify.Number+`, får inte välja skola</errormessage></result></schoolsearch>`)
		},
	}
}

// children are whom the examples are about, one each.
var children = []string{
	"201407122397", "201605062395", "201704042397", "201901282382", "202001012398", "202101102388", "201401012396",
	"201401022387", "201401032394", "201401042385", "201501012395", "201501022386", "201501032393", "201501042384",
	"201601012394", "201601022385", "201601032392", "201601042383", "201701012393", "201701022384",
}

// others are the children's other guardians, in the same order.
var others = []string{
	"198001139297", "198104059293", "198207059299", "198310159283", "198501139995", "198604069883", "198707012392",
	"198810032386", "199011172393", "199110012391", "199208142399", "199306302382", "199409272383", "199606272392",
	"199803282384", "196001062626", "196011242820", "196110182547", "196210053143", "196310072993",
}

func exampleOf(text string) hub.Document {
	return hub.NewDocument("application/xml; charset=utf-8", []byte(text))
}

// vary gives each example a child of its own: what is saved about one child is one application.
func vary(d hub.Delivery, number int) hub.Delivery {
	n := (number - 1) % len(children)
	text := strings.NewReplacer(
		children[0], children[n], others[0], others[n], idOf(children[0], ofNow), idOf(children[n], ofNow),
	).Replace(string(d.Document.Reveal()))
	d.Document = hub.NewDocument(d.Document.Type, []byte(text))
	return d
}

const ofNow = "applicationcurrentyear"

var anApplicationForNextYear = `<?xml version="1.0" encoding="UTF-8"?>
<schoolsearch xmlns="` + space + `"><applicationnextyear>` + application("NextYear") +
	`<notapplying>false</notapplying><notappliedreasonid>None</notappliedreasonid><notappliedtreason/>` +
	`<hasappliedtootherschools>false</hasappliedtootherschools><otherschoolname/></applicationnextyear></schoolsearch>`

var aConsent = `<?xml version="1.0" encoding="UTF-8"?>
<schoolsearch xmlns="` + space + `"><applicationanswer><applicationid>` + idOf(children[0], ofNow) + `</applicationid>` +
	`<answeringguardianssn>` + others[0] + `</answeringguardianssn><answer>Agree</answer></applicationanswer></schoolsearch>`

// application is what all sorts of applications say, of the first child.
func application(sort string) string {
	return `<childssn>` + children[0] + `</childssn><confirmationemail>` + certify.Name + `@example.com</confirmationemail>` +
		`<applicationtype>` + sort + `</applicationtype><legalguardian1signedssn>` + certify.Number + `</legalguardian1signedssn>` +
		`<phonenumber>0701740621</phonenumber><phonenumberissecret>false</phonenumberissecret><altphonenumber/>` +
		`<altphonenumberissecret>false</altphonenumberissecret><updatedby>` + certify.Number + `</updatedby>` +
		`<createdat>2026-03-02T08:59:30</createdat><createdby>` + certify.Number + `</createdby>` +
		`<connectedschoolchoices><unitid>3011</unitid><status>NotAnswered</status><schoolname>Centralskolan</schoolname>` +
		`<schoolnamewithgrades>Centralskolan-1</schoolnamewithgrades><wantssiblingpriority>true</wantssiblingpriority></connectedschoolchoices>` +
		`<searchedgrade>1</searchedgrade>`
}

// A fake is the simulator, where every child has an application that the other guardian is to answer.
type fake struct{ *Sim }

func newFake() fake {
	sim, err := New(Options{
		License: certify.Secret, Guardians: guardians(),
		Clock: func() time.Time { return time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC) },
	})
	if err != nil {
		panic(err) // it opens no file
	}
	for _, a := range unanswered() {
		sim.childOf(a.Child).applications[a.Of], sim.byID[a.ID] = &a, &a
	}
	return fake{sim}
}

func guardians() map[string][]string {
	of := map[string][]string{}
	for i, child := range children {
		of[child] = []string{certify.Number, others[i]}
	}
	return of
}

// unanswered are the applications that a fake begins with. They are read once: fakes are made by the hundred.
var unanswered = sync.OnceValue(func() (all []anApplication) {
	for n, child := range children {
		d := vary(hub.Delivery{Document: exampleOf("<" + ofNow + ">" + application("CurrentYear") + "</" + ofNow + ">")}, n+1)
		text, err := document.ReadXML(bytes.NewReader(d.Document.Reveal()), document.Limits{})
		if err != nil {
			panic(err) // it stands above
		}
		all = append(all, anApplication{Entry: Entry{Of: ofNow, Child: hash(child), ID: idOf(child, ofNow)}, text: text})
	}
	return all
})

// Cases counts what has been saved and answered.
func (f fake) Cases() int {
	n := f.Count("")
	return n.Saved + n.Answered
}

func (f fake) Move(number, word string, _ time.Time) { f.Sim.Move(number, word) }
