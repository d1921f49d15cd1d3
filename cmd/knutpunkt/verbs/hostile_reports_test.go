package verbs

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// The systems that tell unasked, and what they sign with.
const (
	arkivTells      = "/v1/systems/karlskrona.arkiv/status"
	eslovTells      = "/v1/systems/eslov.diarium/status"
	stangtTells     = "/v1/systems/stangt/status"
	arkivSigns      = "whsec_YXJraXZldHMtaGVtbGlnaGV0LTAxMjM0NTY3ODk="
	eslovSigns      = "whsec_ZXNsb3ZzLWRpYXJpdW0taGVtbGlnaGV0LTAxMjM="
	karlskronaSigns = "whsec_a2FybHNrcm9uYXMtZGlhcml1bS1oZW1saWdoZXQ="
	stangtSigns     = "whsec_c3TDpG5ndC1oZW1saWdoZXQtMDEyMzQ1Njc4OTA="
)

// configureReports lets some systems tell unasked, one of which is always closed.
func (b *hostileBed) configureReports(t *testing.T) {
	t.Helper()
	b.add(t, "routes/karlskrona/systems.yaml", "\nstangt:\n  connector: filedrop\n  folder: file:data/arkiv/in\n  maintenance: [\"sun-sat 00:00-24:00\"]\n  words: { Beslutat: beslutat }\n")
	b.route(t, "stangd", "portal, service: stangd", "stangt", "fri")
	for _, s := range []struct{ folder, system, secret string }{
		{"karlskrona", "arkiv", arkivSigns}, {"karlskrona", "stangt", stangtSigns},
		{"karlskrona", "diarium", karlskronaSigns}, {"eslov", "diarium", eslovSigns},
	} {
		file, secret := "routes/"+s.folder+"/systems.yaml", "secrets/"+s.folder+"-"+s.system+"-reports"
		entry := "\n" + s.system + ":\n"
		b.write(t, secret, s.secret+"\n")
		b.write(t, file, strings.Replace(read(filepath.Join(b.dir, file)), entry, entry+"  reports: [file:"+secret+"]\n", 1))
	}
	file := "routes/karlskrona/systems.yaml"
	b.write(t, file, strings.Replace(read(filepath.Join(b.dir, file)), "\narkiv:\n", "\narkiv:\n  words: { beslutat: beslutat }\n", 1))
}

// reportRows are about systems that tell of cases, and those that pretend to be them.
func (b *hostileBed) reportRows() []hostileRow {
	body := report("89", "ingen", "Beslutat")
	v1a := strings.Replace(signed(arkivSigns, "m1", time.Now(), body)[3], "v1,", "v1a,", 1)
	refused := func(n int, name, want, path string, headers ...string) hostileRow {
		return hostileRow{n: n, name: name, request: call("POST", path, body, headers...), want: want}
	}
	now := time.Now()
	return []hostileRow{
		refused(89, "a report without a signature", "401 signature-invalid", arkivTells, isJSON),
		refused(89, "a report with a token", "401 signature-invalid", arkivTells, isJSON, b.as("portalen")),
		refused(89, "a report with another's secret", "401 signature-invalid", arkivTells, signed(eslovSigns, "m1", now, body)...),
		refused(89, "a report with a key pair's signature", "401 signature-invalid", arkivTells, append(signed(arkivSigns, "m1", now, body)[:3], v1a)...),
		refused(89, "a report of a system that is not there", "404 not-found", "/v1/systems/karlskrona.inget/status", signed(arkivSigns, "m1", now, body)...),
		refused(89, "a report of a system that may not", "404 not-found", "/v1/systems/karlskrona.portal/status", signed(arkivSigns, "m1", now, body)...),
		refused(89, "a report of either of two systems", "409 ambiguous-system", "/v1/systems/diarium/status", signed(arkivSigns, "m1", now, body)...),
		{n: 90, name: "a report out of time", act: outOfTime},
		{n: 91, name: "a report again", act: toldAgain},
		{n: 92, name: "a report on another's case", act: anothersCase},
		{n: 93, name: "a report on nothing", act: func(t *testing.T, b *hostileBed) {
			b.tell(t, arkivTells, arkivSigns, report("93", "okänd", "Beslutat")).is(t, "202", "")
		}},
		{n: 94, name: "a word that nobody knows", act: unknownWord},
		{n: 95, name: "a report on what was taken back", act: tellsOfWithdrawn},
		{n: 95, name: "a report on what is purged", notYet: "nothing is purged"},
	}
}

// report gives what a system tells. Members come after the usual ones, as they are written.
func report(event, ref, word string, members ...string) string {
	text := fmt.Sprintf(`{"event":%q,"ref":%q,"word":%q,"at":"2026-03-02T09:00:00+01:00"`, event, ref, word)
	return text + strings.Join(append([]string{""}, members...), ",") + "}"
}

// signed gives the headers of what a system signs.
func signed(secret, id string, at time.Time, body string) []string {
	return []string{
		isJSON, "Webhook-Id: " + id, fmt.Sprintf("Webhook-Timestamp: %d", at.Unix()),
		"Webhook-Signature: " + hub.WebhookSignature(hub.NewSecret(secret), id, at, []byte(body)),
	}
}

// tell has a system tell something now.
func (b *hostileBed) tell(t *testing.T, path, secret, body string) *hostileAnswer {
	t.Helper()
	return b.send(t, call("POST", path, body, signed(secret, "m1", time.Now(), body)...))
}

func outOfTime(t *testing.T, b *hostileBed) {
	body := report("90", "ingen", "Beslutat")
	try := func(want string, headers []string) {
		t.Helper()
		b.send(t, call("POST", arkivTells, body, headers...)).is(t, want, "")
	}
	now := time.Now()
	for _, off := range []time.Duration{-6 * time.Minute, 6 * time.Minute} {
		try("401 timestamp-out-of-range", signed(arkivSigns, "m1", now.Add(off), body))
	}
	for _, text := range []string{"nu", "1.5e9", "", "99999999999999999999"} {
		headers := signed(arkivSigns, "m1", now, body)
		headers[2] = "Webhook-Timestamp: " + text
		try("401 timestamp-out-of-range", headers)
	}
	try("400 webhook-id-invalid", signed(arkivSigns, "m.1", now, body))
}

// toldAgain: what is told twice is heard once.
func toldAgain(t *testing.T, b *hostileBed) {
	id := b.delivers(t)
	body := report("91", "", "Beslutat", `"key":"`+id+`-arkiv"`)
	b.tell(t, arkivTells, arkivSigns, body).is(t, "202", "")
	b.tell(t, arkivTells, arkivSigns, body).is(t, "200", "")
	if a := b.send(t, b.get("/v1/submissions/"+id)); !strings.Contains(a.body, `"step":"beslutat"`) {
		t.Errorf("%s", a.body)
	}
}

// delivers gives a form that its system has taken.
func (b *hostileBed) delivers(t *testing.T) (id string) {
	t.Helper()
	id = b.send(t, b.post(b.form())).id(t)
	b.expect(id, "COMPLETED")
	b.standsAs(t, id, "delivered")
	return id
}

func anothersCase(t *testing.T, b *hostileBed) {
	id := b.delivers(t)
	body := report("92", "", "Beslutat", `"key":"`+id+`-arkiv"`)
	for range 2 {
		b.tell(t, eslovTells, eslovSigns, body).is(t, "404 not-found", "")
	}
	if a := b.send(t, b.get("/v1/submissions/"+id)); strings.Contains(a.body, "beslutat") {
		t.Errorf("another municipality's system has moved the case: %s", a.body)
	}
}

func unknownWord(t *testing.T, b *hostileBed) {
	id := b.delivers(t)
	key := `"key":"` + id + `-arkiv"`
	tell := func(body string) *hostileAnswer { return b.tell(t, arkivTells, arkivSigns, body) }
	tell(report("94", "", "Expedierat i Kvarnbyn", key)).is(t, "202", "")
	if a := b.send(t, b.get("/v1/submissions/"+id)); strings.Contains(a.body, `"step":"beslutat"`) {
		t.Errorf("a word that nobody knows has moved the case: %s", a.body)
	}
	if list := b.operatorPage(t, "/console"); !strings.Contains(list, "1 ord som ingen har översatt") {
		t.Error("no operator is told of the word")
	}
	if page := b.operatorPage(t, "/console/ord"); strings.Contains(page, "Kvarnbyn") {
		t.Error("who has not said who she is reads the word")
	}
	tell(strings.Repeat(" ", 1<<20)+report("94", "", "Beslutat", key)).is(t, "413 payload-too-large", "")
	tell(report("94", "", "Beslutat", key, `"comment":"`+hiddenName+` har ringt"`)).is(t, "422 validation-failed", "unknown-property")
	tell(report("94", "", "<script>alert(1)</script>", key)).is(t, "422 validation-failed", "markup")
	tell(report("94", "", "Beslutat för "+citizen, key)).is(t, "422 validation-failed", "mentions-a-person")
	tell(report("94", "", strings.Repeat("x", 201), key)).is(t, "422 validation-failed", "too-long")
	tell(`{"event":"94","event":"95","ref":"x","word":"y"}`).is(t, "400 malformed-json", "duplicate-key")
	xml := signed(arkivSigns, "m1", time.Now(), "<a/>")
	xml[0] = isXML
	b.send(t, call("POST", arkivTells, "<a/>", xml...)).is(t, "415 unsupported-media-type", "")
}

func tellsOfWithdrawn(t *testing.T, b *hostileBed) {
	id := b.send(t, b.post(b.form(`service="stangd"`))).id(t)
	b.expect(id, "WITHDRAWN")
	await(t, "planned", func() bool { return strings.Contains(rows(t, b.dir)[id], "stangt READY") })
	b.send(t, call("DELETE", "/v1/submissions/"+id, "", b.as("portalen"))).is(t, "204", "")
	body := report("95", "", "Beslutat", `"key":"`+id+`-stangt"`, `"correction":true`)
	for range 2 {
		b.tell(t, stangtTells, stangtSigns, body).is(t, "409 state-conflict", "")
	}
}
