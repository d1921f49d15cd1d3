package web_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// The secrets that systems sign with in the tests. The diarium has two: one is being changed.
var (
	diariumOld = hub.NewSecret("whsec_ZGlhcml1bS1vbGQtc2VjcmV0LTAwMDAwMDE=")
	diariumNew = hub.NewSecret("whsec_ZGlhcml1bS1uZXctc2VjcmV0LTAwMDAwMDI=")
	eslovSigns = hub.NewSecret("whsec_ZXNsb3Ytc2VjcmV0LW9mLWl0cy1vd24tMDM=")
	formSigns  = hub.NewSecret("whsec_YmxhbmtldHQtc2VjcmV0LWthcmxza3JvbmE=")
	sharedSign = hub.NewSecret("whsec_YmxhbmtldHQtc2VjcmV0LWdlbWVuc2FtLTE=")
)

const diariumTells = "/v1/systems/karlskrona.diarium/status"

// reported gives a report; each change is "name=JSON" as in form.
func reported(event, ref, word string, changes ...string) string {
	members := map[string]json.RawMessage{
		"event": json.RawMessage(strconv.Quote(event)), "ref": json.RawMessage(strconv.Quote(ref)), "word": json.RawMessage(strconv.Quote(word)),
		"at": json.RawMessage(`"2026-03-02T09:00:00+01:00"`),
	}
	for _, c := range changes {
		name, value, _ := strings.Cut(c, "=")
		if delete(members, name); value != "" {
			members[name] = json.RawMessage(value)
		}
	}
	text, err := json.Marshal(members)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// signs gives the headers by which a body is signed now.
func signs(secret hub.Secret, body string) []string {
	return signsAt(secret, "msg-1", time.Now(), body)
}

func signsAt(secret hub.Secret, id string, at time.Time, body string) []string {
	return []string{
		jsonBody, "webhook-id: " + id, fmt.Sprintf("webhook-timestamp: %d", at.Unix()),
		"webhook-signature: " + hub.WebhookSignature(secret, id, at, []byte(body)),
	}
}

// tell posts a report that its system has signed.
func (b *bed) tell(t testing.TB, path string, secret hub.Secret, body string) answer {
	t.Helper()
	return ask(t, b.public, "POST", path, body, signs(secret, body)...)
}

// registered gives a case that the diarium has taken, and what it is called there.
func (b *bed) registered(t testing.TB, id string) (receipt, hub.Case) {
	t.Helper()
	r := b.submit(t, id)
	b.await(t, r.Case, hub.Registrerat)
	c, err := b.store.Case(t.Context(), hub.AsHub(), hub.CaseID(r.Case))
	if err != nil {
		t.Fatal(err)
	}
	return r, c
}

func (a answer) mustBe(t testing.TB, name string, status int, says string) {
	t.Helper()
	var told struct{ Type, Outcome string }
	if err := json.Unmarshal([]byte(a.body), &told); err != nil || a.status != status || told.Type+told.Outcome != says {
		t.Errorf("%s: %d %s, want %d %s", name, a.status, a.body, status, says)
	}
}

func (b *bed) step(t testing.TB, id hub.CaseID) hub.Step {
	t.Helper()
	c, err := b.store.Case(t.Context(), hub.AsHub(), id)
	if err != nil {
		t.Fatal(err)
	}
	return c.Step
}

func TestASystemTellsOfACase(t *testing.T) {
	b := newBed(t)
	r, c := b.registered(t, "1")
	handling := reported("e-1", c.Ref, " Under Handläggning ")
	b.tell(t, diariumTells, diariumNew, handling).mustBe(t, "a report", 202, "taken")
	if step := b.step(t, c.ID); step != hub.UnderHandlaggning {
		t.Fatalf("answered with 202, and the case is at %s", step)
	}
	b.tell(t, diariumTells, diariumOld, handling).mustBe(t, "the same again, by the old secret", 200, "heard-before")
	b.tell(t, "/v1/systems/diarium/status", diariumNew, reported("e-2", "", "Beslutat", `key="`+r.ID+`-diarium"`, "ref=")).
		mustBe(t, "by our key, and the name alone", 202, "taken")
	b.tell(t, diariumTells, diariumNew, reported("e-3", c.Ref, "under handläggning")).mustBe(t, "a step back", 202, "taken")
	if step := b.step(t, c.ID); step != hub.Beslutat {
		t.Errorf("after a step back the case is at %s", step)
	}
	b.tell(t, diariumTells, diariumNew, reported("e-4", c.Ref, "under handläggning", "correction=true")).mustBe(t, "a correction", 202, "taken")
	if step := b.step(t, c.ID); step != hub.UnderHandlaggning {
		t.Errorf("after a correction the case is at %s", step)
	}
	lines, err := b.store.Statuses(t.Context(), hub.AsHub(), c.ID, 0, 0)
	if err != nil || len(lines) != 5 {
		t.Errorf("the citizen reads %d lines, want 5: inkommet, registrerat, handling, decided, and handling again (%v)", len(lines), err)
	}
}

// TestAReportNamedByAPerson: a system may make its reports' ids of personnummer. They are known
// again, and do not stand in the database.
func TestAReportNamedByAPerson(t *testing.T) {
	b := newBed(t)
	_, c := b.registered(t, "1")
	for _, event := range []string{another + "-7", "SBN 19900101 2385"} {
		told := reported(event, c.Ref, "Under handläggning")
		b.tell(t, diariumTells, diariumNew, told).mustBe(t, event, 202, "taken")
		b.tell(t, diariumTells, diariumNew, told).mustBe(t, event+" again", 200, "heard-before")
		for _, part := range []string{"", "-wal"} {
			kept, err := os.ReadFile(filepath.Join(b.dir, "knutpunkt.db"+part))
			if err != nil || bytes.Contains(kept, []byte(event)) {
				t.Errorf("%s stands in knutpunkt.db%s (%v)", event, part, err)
			}
		}
	}
}

// TestReportsThatNeverCome: who begins many and sends none keeps nobody else from being heard,
// and is not waited for.
func TestReportsThatNeverCome(t *testing.T) {
	b := newBed(t)
	_, c := b.registered(t, "1")
	var slow net.Conn
	for range 64 {
		conn, err := net.Dial("tcp", b.public.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 999\r\nExpect: 100-continue\r\n\r\n", diariumTells)
		if said, err := bufio.NewReader(conn).ReadString('\n'); !strings.Contains(said, "100") {
			t.Fatalf("%q (%v)", said, err) // it has a seat when its body is waited for
		}
		slow = conn
	}
	decided := reported("e-1", c.Ref, "Beslutat")
	b.tell(t, diariumTells, diariumNew, decided).mustBe(t, "from where they come", 429, "/problems/rate-limited")
	elsewhere := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	r, err := http.NewRequest("POST", b.public.URL+diariumTells, strings.NewReader(decided))
	if err != nil {
		t.Fatal(err)
	}
	for _, header := range signs(diariumNew, decided) {
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Set(name, value)
	}
	taken, err := (&http.Transport{DialContext: elsewhere.DialContext, DisableKeepAlives: true}).RoundTrip(r)
	if err != nil || taken.StatusCode != 202 {
		t.Fatalf("from elsewhere: %+v (%v)", taken, err)
	}
	taken.Body.Close()
	if rest, _ := io.ReadAll(slow); !strings.Contains(string(rest), "408") {
		t.Errorf("what never came is answered with %q", rest)
	}
}

// TestAReportBeforeItsReceipt: what is not known yet is kept, and heard when it is.
func TestAReportBeforeItsReceipt(t *testing.T) {
	b := newBed(t)
	early := reported("e-1", "SBN 2026/1", "Beslutat")
	b.tell(t, diariumTells, diariumNew, early).mustBe(t, "about nothing", 202, "kept")
	b.tell(t, diariumTells, diariumNew, early).mustBe(t, "about nothing, again", 200, "heard-before")
	r := b.submit(t, "1")
	b.await(t, r.Case, hub.Beslutat)
	b.tell(t, diariumTells, diariumNew, early).mustBe(t, "when it is known", 200, "heard-before")
}

// TestAReportFromTheFuture: it happened now, or the case would stand in a time that never comes.
func TestAReportFromTheFuture(t *testing.T) {
	b := newBed(t)
	_, c := b.registered(t, "1")
	before := time.Now()
	b.tell(t, diariumTells, diariumNew, reported("e-1", c.Ref, "Beslutat", `at="2226-03-02T09:00:00+01:00"`)).mustBe(t, "from the future", 202, "taken")
	c, err := b.store.Case(t.Context(), hub.AsHub(), c.ID)
	if err != nil || c.Step != hub.Beslutat || c.StepAt.Before(before.Add(-time.Second)) || c.StepAt.After(time.Now()) {
		t.Errorf("it is %s since %s (%v)", c.Step, c.StepAt, err)
	}
}

func TestWhoMayReport(t *testing.T) {
	b := newBed(t)
	r, c := b.registered(t, "1")
	body := reported("e-1", c.Ref, "Beslutat")
	now := time.Now()
	without := func(name string) []string {
		var kept []string
		for _, h := range signs(diariumNew, body) {
			if !strings.HasPrefix(h, name) {
				kept = append(kept, h)
			}
		}
		return kept
	}
	v1a := signs(diariumNew, body)
	v1a[3] = strings.Replace(v1a[3], "v1,", "v1a,", 1)
	for _, tc := range []struct {
		name, path string
		headers    []string
		status     int
		says       string
	}{
		{"without a signature", diariumTells, without("webhook-signature"), 401, "/problems/signature-invalid"},
		{"with a client's token", diariumTells, []string{jsonBody, bearer(portalToken)}, 401, "/problems/signature-invalid"},
		{"another system's secret", diariumTells, signs(eslovSigns, body), 401, "/problems/signature-invalid"},
		{"another body", diariumTells, signs(diariumNew, body+" "), 401, "/problems/signature-invalid"},
		{"only v1a", diariumTells, v1a, 401, "/problems/signature-invalid"},
		{"too old", diariumTells, signsAt(diariumNew, "msg-1", now.Add(-6*time.Minute), body), 401, "/problems/timestamp-out-of-range"},
		{"too early", diariumTells, signsAt(diariumNew, "msg-1", now.Add(6*time.Minute), body), 401, "/problems/timestamp-out-of-range"},
		{"a time in words", diariumTells, append(without("webhook-timestamp"), "webhook-timestamp: now"), 401, "/problems/timestamp-out-of-range"},
		{"an id with a full stop", diariumTells, signsAt(diariumNew, "msg.1", now, body), 400, "/problems/webhook-id-invalid"},
		{"no such system", "/v1/systems/karlskrona.nothing/status", signs(diariumNew, body), 404, "/problems/not-found"},
		{"no such system, unsigned", "/v1/systems/karlskrona.nothing/status", []string{jsonBody}, 404, "/problems/not-found"},
		{"a system without secrets", "/v1/systems/karlskrona.portal/status", signs(diariumNew, body), 404, "/problems/not-found"},
		{"a name that two have", "/v1/systems/blankett/status", signs(formSigns, body), 409, "/problems/ambiguous-system"},
	} {
		ask(t, b.public, "POST", tc.path, body, tc.headers...).mustBe(t, tc.name, tc.status, tc.says)
	}
	unknown := ask(t, b.public, "POST", "/v1/systems/karlskrona.nothing/status", body, signs(diariumNew, body)...)
	closed := ask(t, b.public, "POST", "/v1/systems/karlskrona.portal/status", body, signs(diariumNew, body)...)
	if withoutInstance(unknown.body) != withoutInstance(closed.body) {
		t.Errorf("a system that is not there is told from one that may not report: %s %s", unknown.body, closed.body)
	}

	foreign := reported("e-9", "", "Beslutat", `key="`+r.ID+`-diarium"`, "ref=")
	b.tell(t, "/v1/systems/eslov.portal/status", eslovSigns, foreign).mustBe(t, "another municipality's case", 404, "/problems/not-found")
	b.tell(t, "/v1/systems/eslov.portal/status", eslovSigns, foreign).mustBe(t, "another municipality's case, again", 404, "/problems/not-found")
	b.tell(t, "/v1/systems/karlskrona.blankett/status", formSigns, reported("e-1", c.Ref, "Beslutat")).
		mustBe(t, "another system's reference, which is its own business", 202, "kept")
	if step := b.step(t, c.ID); step != hub.Registrerat {
		t.Errorf("somebody else has moved the case to %s", step)
	}
	if !strings.Contains(b.log.String(), "told of another system's case") {
		t.Error("that a system tells of another's case is not in the log")
	}
	for _, s := range []hub.Secret{diariumOld, diariumNew, eslovSigns} {
		if strings.Contains(b.log.String(), s.Reveal()) {
			t.Error("a secret is in the log")
		}
	}
}

// withoutInstance takes out of a problem what is new in each call.
func withoutInstance(body string) string {
	before, after, _ := strings.Cut(body, `"instance":"urn:uuid:`)
	return before + after[min(len(after), 36):]
}

func TestWhatIsNoReport(t *testing.T) {
	b := newBed(t)
	_, c := b.registered(t, "1")
	for _, tc := range []struct {
		name, body string
		status     int
		says       string
	}{
		{"no JSON", "ref=1", 400, "/problems/malformed-json"},
		{"two documents", reported("e-1", c.Ref, "Beslutat") + "{}", 400, "/problems/malformed-json"},
		{"a name twice", `{"event":"1","event":"2","ref":"x","word":"y","at":"2026-03-02T09:00:00Z"}`, 400, "/problems/malformed-json"},
		{"a list", "[" + reported("e-1", c.Ref, "Beslutat") + "]", 422, "/problems/validation-failed"},
		{"a free text", reported("e-1", c.Ref, "Beslutat", `comment="Alva har ringt"`), 422, "/problems/validation-failed"},
		{"no event", reported("", c.Ref, "Beslutat"), 422, "/problems/validation-failed"},
		{"about nothing at all", reported("e-1", "", "Beslutat"), 422, "/problems/validation-failed"},
		{"no word", reported("e-1", c.Ref, " "), 422, "/problems/validation-failed"},
		{"a tag in the word", reported("e-1", c.Ref, "<b>Beslutat</b>"), 422, "/problems/validation-failed"},
		{"a personnummer in the word", reported("e-1", c.Ref, "Beslutat för "+canary), 422, "/problems/validation-failed"},
		{"a hidden sign in the word", reported("e-1", c.Ref, "Beslutat\u202e"), 422, "/problems/control-character"},
		{"a control character", reported("e-1", c.Ref, "Be\\tslutat"), 202, "taken"}, // a backslash and a t
		{"a long word", reported("e-1a", c.Ref, strings.Repeat("å", 201)), 422, "/problems/validation-failed"},
		{"no time", reported("e-1", c.Ref, "Beslutat", "at="), 422, "/problems/validation-failed"},
		{"a time without a zone", reported("e-1", c.Ref, "Beslutat", `at="2026-03-02T09:00:00"`), 422, "/problems/validation-failed"},
		{"the beginning of time", reported("e-1", c.Ref, "Beslutat", `at="0001-01-01T00:00:00Z"`), 422, "/problems/validation-failed"},
		{"a correction in words", reported("e-1", c.Ref, "Beslutat", `correction="ja"`), 422, "/problems/validation-failed"},
		{"too much", strings.Repeat(" ", 64<<10) + reported("e-1", c.Ref, "Beslutat"), 413, "/problems/payload-too-large"},
	} {
		b.tell(t, diariumTells, diariumNew, tc.body).mustBe(t, tc.name, tc.status, tc.says)
	}
	xml := signs(diariumNew, "<report/>")
	xml[0] = "Content-Type: application/xml"
	ask(t, b.public, "POST", diariumTells, "<report/>", xml...).mustBe(t, "XML", 415, "/problems/unsupported-media-type")
	if step := b.step(t, c.ID); step != hub.Registrerat {
		t.Errorf("what was refused has moved the case to %s", step)
	}
	if strings.Contains(b.log.String(), "Alva") || strings.Contains(b.log.String(), canary) {
		t.Error("what a caller wrote is in the log")
	}
}

// TestAReportOnWhatIsOver: a form that was taken back is not told of, whatever a system says.
func TestAReportOnWhatIsOver(t *testing.T) {
	b := newBed(t)
	b.closed.Store(true)
	r := b.submit(t, "1")
	key := string(hub.KeyOf(hub.ID(r.ID), "diarium"))
	b.planned(t, r.ID)
	if a := ask(t, b.public, "DELETE", "/v1/submissions/"+r.ID, "", bearer(portalToken)); a.status >= 300 {
		t.Fatalf("withdraw: %d %s", a.status, a.body)
	}
	body := reported("e-1", "", "Beslutat", `key="`+key+`"`, "ref=", "correction=true")
	b.tell(t, diariumTells, diariumNew, body).mustBe(t, "what was taken back", 409, "/problems/state-conflict")
	b.tell(t, diariumTells, diariumNew, body).mustBe(t, "what was taken back, again", 409, "/problems/state-conflict")
	if step := b.step(t, hub.CaseID(r.Case)); step != hub.Atertaget {
		t.Errorf("the case is at %s", step)
	}
}

// planned waits until a form's deliveries have been decided.
func (b *bed) planned(t testing.TB, id string) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := b.store.CaseOf(t.Context(), hub.AsHub(), hub.ID(id))
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Deliveries) > 0 {
			return
		}
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal("the form was never planned")
		}
	}
}

// TestReportsAreHeldBack as clients are.
func TestReportsAreHeldBack(t *testing.T) {
	b := makeBed(t)
	b.tune = slowly
	b.start(t)
	var got []int
	for i := range 8 {
		got = append(got, b.tell(t, diariumTells, diariumNew, reported(strconv.Itoa(i), "SBN 2026/1", "Beslutat")).status)
	}
	if got[0] != 202 || got[len(got)-1] != http.StatusTooManyRequests {
		t.Errorf("%v", got)
	}
	if a := b.tell(t, "/v1/systems/eslov.portal/status", eslovSigns, reported("1", "x", "Beslutat")); a.status != 202 {
		t.Errorf("another system is held back with it: %d", a.status)
	}
}

// TestAReportThatCannotBeStored is asked for again.
func TestAReportThatCannotBeStored(t *testing.T) {
	b := newBed(t)
	b.store.Close()
	a := b.tell(t, diariumTells, diariumNew, reported("1", "SBN 2026/1", "Beslutat"))
	a.mustBe(t, "without a store", 503, "/problems/unavailable")
	if a.header.Get("Retry-After") == "" {
		t.Error("it is not said when to try again")
	}
}

// TestAReportOverARestart: one whose answer the system never got is sent again, to a hub that
// has been started anew, and counts once.
func TestAReportOverARestart(t *testing.T) {
	b := newBed(t)
	_, c := b.registered(t, "1")
	body := reported("e-1", c.Ref, "Beslutat")
	b.tell(t, diariumTells, diariumNew, body).mustBe(t, "a report", 202, "taken")
	b.stop()
	b.start(t)
	b.tell(t, diariumTells, diariumNew, body).mustBe(t, "the same again", 200, "heard-before")
	if lines, err := b.store.Statuses(t.Context(), hub.AsHub(), c.ID, 0, 0); err != nil || len(lines) != 3 {
		t.Errorf("the citizen reads %d lines, want 3 (%v)", len(lines), err)
	}
}

// TestTheSameReportAtOnce: a system that is impatient is heard once.
func TestTheSameReportAtOnce(t *testing.T) {
	b := newBed(t)
	_, c := b.registered(t, "1")
	body := reported("e-1", c.Ref, "Beslutat")
	const senders = 8
	answers := make(chan int, senders)
	for range senders {
		go func() { answers <- b.tell(t, diariumTells, diariumNew, body).status }()
	}
	got := map[int]int{}
	for range senders {
		got[<-answers]++
	}
	if got[202] != 1 || got[200] != senders-1 {
		t.Errorf("%v", got)
	}
	if lines, err := b.store.Statuses(t.Context(), hub.AsHub(), c.ID, 0, 0); err != nil || len(lines) != 3 {
		t.Errorf("the citizen reads %d lines, want 3 (%v)", len(lines), err)
	}
}
