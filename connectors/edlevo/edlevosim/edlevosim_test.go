package edlevosim

import (
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub/document"
)

const child, mother, father = "201601012394", "199409272383", "199208142399"

// An application of the mother's for the year to come, to those schools that can be chosen.
func nextYear(units ...string) string {
	var choices string
	for _, u := range units {
		choices += "<connectedschoolchoices><unitid>" + u + "</unitid><status>NotAnswered</status><schoolname>S</schoolname>" +
			"<schoolnamewithgrades>S-1</schoolnamewithgrades><wantssiblingpriority>false</wantssiblingpriority></connectedschoolchoices>"
	}
	return `<schoolsearch xmlns="` + space + `"><applicationnextyear><childssn>` + child + `</childssn><confirmationemail/>` +
		`<applicationtype>NextYear</applicationtype><legalguardian1signedssn>` + mother + `</legalguardian1signedssn><phonenumber/>` +
		`<phonenumberissecret>true</phonenumberissecret><altphonenumber/><altphonenumberissecret>true</altphonenumberissecret>` +
		`<updatedby>` + mother + `</updatedby><createdat>2026-03-02T08:59:30</createdat><createdby>` + mother + `</createdby>` + choices +
		`<searchedgrade>1</searchedgrade><notapplying>false</notapplying><notappliedreasonid>None</notappliedreasonid><notappliedtreason/>` +
		`<hasappliedtootherschools>false</hasappliedtootherschools><otherschoolname/></applicationnextyear></schoolsearch>`
}

func open(t *testing.T, dir string) *Sim {
	t.Helper()
	schema, err := document.CompileXSD(os.DirFS("../../../schemas"), "edlevo/schoolsearch-4.xsd")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	s, err := New(Options{
		Dir: dir, Clock: func() time.Time { return now }, License: "nyckel", Schema: schema,
		Guardians: map[string][]string{child: {mother, father}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// call gives the status, and the answer as text.
func call(s *Sim, method, address, body string) (int, string) {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(method, address, strings.NewReader(body)))
	return w.Code, w.Body.String()
}

func TestItRefusesWhatTheRealOneWould(t *testing.T) {
	const key = "?LicenseKey=nyckel"
	for _, c := range []struct {
		name, method, address, body string
		status                      int
		says                        string
	}{
		{"no license", "POST", "/SaveApplicationNextYear", nextYear("3011"), 401, "API is not authenticated"},
		{"another license", "GET", "/GetChildWithApplication?child=" + child + "&LicenseKey=x", "", 401, ""},
		{"another method", "GET", "/SaveApplicationNextYear" + key, "", 405, ""},
		{"no such service", "GET", "/DeleteApplication" + key, "", 404, ""},
		{"no number", "GET", "/GetChildWithApplication" + key, "", 400, "child is missing"},
		{"no number of a person", "GET", "/GetCompulsorySchoolChoiceApplications" + key, "", 400, "PersonId is missing"},
		{"no XML", "POST", "/SaveApplicationNextYear" + key, "{}", 400, "Error in given XML"},
		{"against the schema", "POST", "/SaveApplicationNextYear" + key, strings.Replace(nextYear("3011"), "<altphonenumber/>", "", 1), 400, "schema"},
		{"another service", "POST", "/SaveApplicationReelection" + key, nextYear("3011"), 400, "another service"},
		{"unknown school", "POST", "/SaveApplicationNextYear" + key, nextYear("3011", "9999"), 200, "Okänd skola 9999"},
		{"independent, in the wrong list", "POST", "/SaveApplicationNextYear" + key, nextYear("4102"), 200, "Okänd skola"},
		{"too many", "POST", "/SaveApplicationNextYear" + key, nextYear("3011", "3017", "3024", "3031"), 200, "Högst 3"},
		{"an id that is nobody's", "POST", "/SaveApplicationNextYear" + key, strings.Replace(nextYear("3011"), "<confirmationemail/>",
			"<applicationid>{17084B40-08F5-4BCD-A739-C0D08C176BAD}</applicationid><confirmationemail/>", 1), 200, "finns inte"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, "")
			status, text := call(s, c.method, c.address, c.body)
			if status != c.status || !strings.Contains(text, c.says) || status == 200 && !strings.Contains(text, `status="ERROR"`) {
				t.Errorf("it answers %d: %s", status, text)
			}
			if n := s.Count(""); n != (Count{}) {
				t.Errorf("it took %+v", n)
			}
		})
	}
}

// TestItIsWhatItWas: what was saved, answered and moved is so after it was closed; and what is saved over
// another takes its place, which is counted.
func TestItIsWhatItWas(t *testing.T) {
	const key = "LicenseKey=nyckel"
	dir := t.TempDir()
	s := open(t, dir)
	for range 2 {
		if status, text := call(s, "POST", "/SaveApplicationNextYear?"+key, nextYear("3011")); status != 200 || !strings.Contains(text, `"OK"`) {
			t.Fatalf("it answers %d: %s", status, text)
		}
	}
	id := idOf(child, "applicationnextyear")
	answer := `<schoolsearch xmlns="` + space + `"><applicationanswer><applicationid>` + id + `</applicationid><answeringguardianssn>` +
		father + `</answeringguardianssn><answer>Agree</answer></applicationanswer></schoolsearch>`
	if _, text := call(s, "POST", "/SaveApplicationAnswer?"+key, answer); !strings.Contains(text, `"OK"`) {
		t.Fatal(text)
	}
	if err := s.Move(strings.Trim(id, "{}"), "Oense"); err != nil {
		t.Fatal(err)
	}
	shown := func(s *Sim) string {
		_, a := call(s, "GET", "/GetChildWithApplication?child="+child+"&"+key, "")
		_, b := call(s, "GET", "/GetCompulsorySchoolChoiceApplications?PersonId="+child+"&"+key, "")
		_, c := call(s, "GET", "/GetChildren?ssn="+father+"&"+key, "")
		return a + b + c
	}
	before := shown(s)
	for _, want := range []string{id, "<consentstatus>Agree<", "<status>Oense<", "<ssn>" + child + "<"} {
		if !strings.Contains(before, want) {
			t.Errorf("it does not show %s", want)
		}
	}
	s.Close()
	again := open(t, dir)
	if shown(again) != before {
		t.Error("it shows something else when it is opened again")
	}
	if n := again.Count(child); n != (Count{Saved: 2, Replaced: 1, Answered: 1}) {
		t.Errorf("it counts %+v", n)
	}
}
