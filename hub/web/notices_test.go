package web_test

import (
	"net/url"
	"strings"
	"testing"
	"time"
)

// A told notice is one as JSON tells of it.
type toldNotice struct {
	ID, Municipality, Swedish, English, By string
	From, Until                            time.Time
}

func notices(t testing.TB, a answer) []toldNotice {
	t.Helper()
	var told struct{ Notices []toldNotice }
	if decode(t, a, &told); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	return told.Notices
}

// in gives a time from now as JSON has it.
func in(d time.Duration) string { return time.Now().Add(d).Format(time.RFC3339) }

func (b *bed) writeNotice(t testing.TB, who, body string) answer {
	t.Helper()
	return ask(t, b.operator, "POST", "/v1/notices", body, who, jsonBody)
}

// TestNotices: what an operator writes is told to whom it is for, while it is time, and to
// anybody who asks; and who wrote it is told to operators only.
func TestNotices(t *testing.T) {
	b := newBed(t)
	public := func(municipality string) []toldNotice {
		return notices(t, ask(t, b.public, "GET", "/v1/notices?municipality="+municipality, ""))
	}
	if none := public("1080"); len(none) != 0 {
		t.Fatalf("there is something before anything is written: %+v", none)
	}
	var hers, all, coming toldNotice
	decode(t, b.writeNotice(t, registrator, `{"municipality":"1080","swedish":" Diariet är <stängt>. ","english":"Closed.","until":"`+in(time.Hour)+`"}`), &hers)
	decode(t, b.writeNotice(t, gruppledare, `{"municipality":"*","swedish":"Allt är segt.","until":"`+in(time.Hour)+`"}`), &all)
	decode(t, b.writeNotice(t, registrator, `{"municipality":"1080","swedish":"Stängt i jul.","from":"`+in(time.Hour)+`","until":"`+in(2*time.Hour)+`"}`), &coming)
	if hers.Swedish != "Diariet är <stängt>." || hers.By != "registrator" || hers.From.IsZero() || coming.ID == "" {
		t.Errorf("written: %+v, %+v", hers, coming)
	}
	for municipality, want := range map[string][]string{"1080": {hers.ID, all.ID}, "1285": {all.ID}, "0114": {all.ID}} {
		var ids []string
		for _, n := range public(municipality) {
			if ids = append(ids, n.ID); n.By != "" {
				t.Error("everybody is told who wrote it")
			}
		}
		if strings.Join(ids, " ") != strings.Join(want, " ") {
			t.Errorf("to %s: %v, want %v", municipality, ids, want)
		}
	}
	if got := notices(t, ask(t, b.operator, "GET", "/v1/notices", "", registrator)); len(got) != 3 || got[0].By != "registrator" {
		t.Errorf("to her: %+v", got)
	}
	if got := notices(t, ask(t, b.operator, "GET", "/v1/notices", "", eslovare)); len(got) != 1 || got[0].ID != all.ID {
		t.Errorf("to a colleague elsewhere: %+v", got)
	}

	b.writeNotice(t, gruppledare, `{"id":"`+hers.ID+`","swedish":"Diariet är öppet igen.","until":"`+in(time.Minute)+`"}`)
	if got := public("1080"); len(got) != 2 || got[0].Swedish != "Diariet är öppet igen." && got[1].Swedish != "Diariet är öppet igen." {
		t.Errorf("changed: %+v", got)
	}
	b.writeNotice(t, registrator, `{"id":"`+hers.ID+`","end":true}`)
	b.writeNotice(t, registrator, `{"id":"`+coming.ID+`","end":true}`)
	if got := public("1080"); len(got) != 1 || got[0].ID != all.ID {
		t.Errorf("ended: %+v", got)
	}
	if !strings.Contains(b.log.String(), `"msg":"notice written","notice":"`+hers.ID+`","by":"registrator"`) {
		t.Error("the log does not tell who wrote")
	}
}

// TestNoticeOnLines: it is written in a field of several lines, and shown as one.
func TestNoticeOnLines(t *testing.T) {
	b := newBed(t)
	a := b.writeNotice(t, registrator, `{"municipality":"1080","swedish":" Diariet är stängt.\r\nDet öppnar\u00a0kl. 8. ","until":"`+in(time.Hour)+`"}`)
	if !strings.Contains(a.body, `"swedish":"Diariet är stängt. Det öppnar kl. 8."`) {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// TestNoticesThatAreRefused: nobody writes for another's citizens, and nothing is shown
// that has no end, no text, or somebody's number in it.
func TestNoticesThatAreRefused(t *testing.T) {
	b := newBed(t)
	var all, elsewhere toldNotice
	decode(t, b.writeNotice(t, gruppledare, `{"municipality":"*","swedish":"Till alla.","until":"`+in(time.Hour)+`"}`), &all)
	decode(t, b.writeNotice(t, eslovare, `{"municipality":"1285","swedish":"Till Eslöv.","until":"`+in(time.Hour)+`"}`), &elsewhere)
	hour := in(time.Hour)
	with := func(members string) string { return `{"municipality":"1080",` + members + `}` }
	for _, test := range []struct {
		name, who, body string
		status          int
		says            string
	}{
		{"nobody", "X-Nobody: 1", with(`"swedish":"Hej","until":"` + hour + `"`), 401, "unknown-operator"},
		{"a client", bearer(portalToken), with(`"swedish":"Hej","until":"` + hour + `"`), 401, "unknown-operator"},
		{"another municipality", eslovare, with(`"swedish":"Hej","until":"` + hour + `"`), 422, "/municipality"},
		{"no such municipality", gruppledare, `{"municipality":"0114","swedish":"Hej","until":"` + hour + `"}`, 422, "/municipality"},
		{"to nobody", gruppledare, `{"swedish":"Hej","until":"` + hour + `"}`, 422, "/municipality"},
		{"all, by who has one", registrator, `{"municipality":"*","swedish":"Hej","until":"` + hour + `"}`, 422, "/municipality"},
		{"a change of what is to all, by who has one", registrator, `{"id":"` + all.ID + `","end":true}`, 422, "/municipality"},
		{"another's", registrator, `{"id":"` + elsewhere.ID + `","end":true}`, 404, "not-found"},
		{"nothing there", registrator, `{"id":"01ARZ3NDEKTSV4RRFFQ69G5FAV","end":true}`, 404, "not-found"},
		{"moved elsewhere", gruppledare, `{"id":"` + elsewhere.ID + `","municipality":"1080","swedish":"Hej","until":"` + hour + `"}`, 422, "/municipality"},
		{"an end of nothing", registrator, with(`"end":true`), 422, "/swedish"},
		{"no Swedish", registrator, with(`"english":"Hello","until":"` + hour + `"`), 422, "/swedish"},
		{"no end", registrator, with(`"swedish":"Hej"`), 422, "/until"},
		{"an end that has been", registrator, with(`"swedish":"Hej","until":"2020-01-01T00:00:00Z"`), 422, "too-early"},
		{"an end before its beginning", registrator, with(`"swedish":"Hej","from":"` + in(2*time.Hour) + `","until":"` + hour + `"`), 422, "too-early"},
		{"an end that nobody will see", registrator, with(`"swedish":"Hej","until":"2206-01-01T00:00:00Z"`), 422, "too-late"},
		{"no time", registrator, with(`"swedish":"Hej","from":"i morgon","until":"` + hour + `"`), 422, "/from"},
		{"too long", registrator, with(`"swedish":"` + strings.Repeat("å", 501) + `","until":"` + hour + `"`), 422, "length"},
		{"a person", registrator, with(`"swedish":"Gäller 19881003-2386","until":"` + hour + `"`), 422, "personal-number"},
		{"a person in English", registrator, with(`"swedish":"Hej","english":"About 881003 2386","until":"` + hour + `"`), 422, "personal-number"},
		{"a hidden sign", registrator, with(`"swedish":"a\u202eb","until":"` + hour + `"`), 422, "control-character"},
		{"more than is known", registrator, with(`"swedish":"Hej","until":"` + hour + `","by":"kommundirektören"`), 422, "unknown-property"},
		{"another site's page", registrator + "\nOrigin: https://evil.example", with(`"swedish":"Hej","until":"` + hour + `"`), 403, "cross-origin"},
	} {
		t.Run(test.name, func(t *testing.T) {
			who, more, _ := strings.Cut(test.who, "\n")
			headers := []string{who, jsonBody}
			if more != "" {
				headers = append(headers, more)
			}
			a := ask(t, b.operator, "POST", "/v1/notices", test.body, headers...)
			if a.status != test.status || !strings.Contains(a.body, test.says) {
				t.Errorf("%d %s, want %d %s", a.status, a.body, test.status, test.says)
			}
			checkSilent(t, strings.ReplaceAll(a.body, "hemlighet", ""))
		})
	}
	for _, query := range []string{"", "?municipality=", "?municipality=Karlskrona", "?municipality=1080&municipality=1285", "?municipality=1080&order=desc"} {
		if a := ask(t, b.public, "GET", "/v1/notices"+query, ""); a.status != 400 {
			t.Errorf("asked for with %q: %d", query, a.status)
		}
	}
	if left := notices(t, ask(t, b.operator, "GET", "/v1/notices", "", gruppledare)); len(left) != 2 {
		t.Errorf("something was written all the same: %+v", left)
	}
}

// TestNoticesOnPages: the page alone is enough, without scripts, and it offers each what
// she may do.
func TestNoticesOnPages(t *testing.T) {
	b := newBed(t)
	const posted, html, path = "Content-Type: application/x-www-form-urlencoded", "Accept: text/html", "/console/driftmeddelanden"
	if a := ask(t, b.operator, "GET", path, "", html); !strings.Contains(a.body, `href="/login?to=driftmeddelanden"`) || strings.Contains(a.body, "<form") {
		t.Errorf("who has not signed in is offered %s", a.body)
	}
	if a := ask(t, b.operator, "GET", "/login?to=driftmeddelanden", "", html, registrator); !strings.Contains(a.body, "<h1>Driftmeddelanden</h1>") ||
		!strings.Contains(a.body, "Karlskrona kommun") || strings.Contains(a.body, "Eslövs kommun") || strings.Contains(a.body, "Alla kommuner") {
		t.Errorf("she is offered %s", a.body)
	}
	if a := ask(t, b.operator, "GET", path, "", html, gruppledare); !strings.Contains(a.body, `<option value="*">Alla kommuner</option>`) || !strings.Contains(a.body, "Eslövs kommun") {
		t.Errorf("who has all municipalities is offered %s", a.body)
	}
	swedish := time.Now().Add(26*time.Hour).Format("2006-01-02") + "T20:00"
	form := url.Values{"municipality": {"1080"}, "swedish": {"Diariet är\r\n<stängt>."}, "english": {""}, "from": {""}, "until": {swedish}}
	if a := ask(t, b.operator, "POST", "/notice", form.Encode(), posted, html); a.status != 401 {
		t.Errorf("nobody wrote: %d", a.status)
	}
	a := ask(t, b.operator, "POST", "/notice", form.Encode(), posted, html, registrator)
	for _, want := range []string{"Driftmeddelandet är sparat.", "Diariet är &lt;stängt&gt;.", "skrevs av registrator", "Avsluta nu", "Ändra", strings.Replace(swedish, "T", " ", 1) + ":00", `value="` + swedish + `"`} {
		if !strings.Contains(a.body, want) {
			t.Errorf("nothing says %q: %s", want, a.body)
		}
	}
	if form.Set("until", "2027-03-28T02:30"); ask(t, b.operator, "POST", "/notice", form.Encode(), posted, html, registrator).status != 422 {
		t.Error("an hour that the clocks leap over is a time")
	}
	if form.Set("swedish", "gäller 881003-2386"); !strings.Contains(ask(t, b.operator, "POST", "/notice", form.Encode(), posted, html, registrator).body, "Texten på svenska ser ut att innehålla ett personnummer.") {
		t.Error("a person is let through, or it is not said what is wrong")
	}
	written := notices(t, ask(t, b.operator, "GET", "/v1/notices", "", registrator))
	if len(written) != 1 {
		t.Fatalf("written: %+v", written)
	}
	a = ask(t, b.operator, "POST", "/notice", url.Values{"id": {written[0].ID}, "end": {"ja"}}.Encode(), posted, html, registrator)
	if !strings.Contains(a.body, "visas inte längre") || !strings.Contains(a.body, "Inget driftmeddelande visas") {
		t.Errorf("ended: %s", a.body)
	}
}
