package web_test

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestLoggingInInABrowser goes the whole way in a real one, over plain HTTP to this very
// machine as in the demo: it keeps our cookies, no policy of ours stands in its way, and
// what a reader meets on the way can be used by everybody.
func TestLoggingInInABrowser(t *testing.T) {
	rules := axe(t)
	w := newTown(t)
	b := openBrowser(t)
	at := func(want string) {
		t.Helper()
		if is := get[string](b, `location.href`); !strings.HasPrefix(is, want) {
			t.Fatalf("at %s, not %s", is, want)
		}
	}
	look := func(name string) {
		t.Helper()
		for _, dark := range []bool{false, true} {
			b.dark(dark)
			for _, width := range []int64{320, 1280} {
				b.size(width, 800)
				b.checkAccess(rules, name)
			}
			b.picture(name + map[bool]string{true: "-dark"}[dark])
		}
	}
	choose := func(person, level, button string) {
		t.Helper()
		b.visit(w.pages.URL + "/login")
		at(w.op.URL + "/op/authorize?")
		b.run(chromedp.Click(`[name=person][value="`+person+`"]`), chromedp.Click(`[name=level][value$="`+level+`"]`))
		_, err := chromedp.RunResponse(b, chromedp.Click(button))
		if err != nil {
			t.Fatal(err)
		}
	}

	b.visit(w.pages.URL + "/login?lang=sv")
	look("eid")
	choose(elin, "loa2", "button:not([name])")
	at(w.pages.URL + "/login/done?")
	look("login-too-low")
	choose(elin, "loa3", "button[name=cancel]")
	at(w.pages.URL + "/login/done?")
	look("login-cancelled")
	choose(oskar, "loa3", "button:not([name])")
	at(w.pages.URL + "/mina-arenden")

	b.visit(w.pages.URL + "/logout")
	look("logout")
	ended, err := chromedp.RunResponse(b, chromedp.Click(`form[action="/logout"] button`))
	if err != nil || ended.Status != 200 {
		t.Fatalf("logging out: %v %v", ended, err)
	}
	b.run(chromedp.WaitVisible(`a[href="/login"]`))
	at(w.pages.URL + "/logout") // by way of the e-ID
	look("logged-out")
	b.visit(w.pages.URL + "/mina-arenden")
	at(w.op.URL + "/op/authorize?")

	b.visit(w.op.URL + "/op/authorize?client_id=another")
	look("eid-refused")
	w.wire.cut.Store(true)
	w.stop()
	w.begin(t)
	b.visit(w.pages.URL + "/login")
	look("login-unavailable")
	b.visit(w.pages.URL + "/logout?lang=en")
	look("logged-out-en")
}
