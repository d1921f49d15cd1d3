package web_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/knutpunkt/knutpunkt/hub"
)

// TestAccessForTheFirstLine: axe-core finds nothing on the pages by which operators answer
// citizens and write to them, by day and by night, on a screen and on a phone.
func TestAccessForTheFirstLine(t *testing.T) {
	b := newBed(t)
	b.diarium.say(hub.Later(errors.New("HTTP status 503"), time.Hour))
	one := b.submit(t, "77")
	b.awaitState(t, one, one.ID+"-diarium", hub.RetryWait)
	ask(t, b.public, "POST", "/v1/submissions", form("77", `municipality="1285"`, `service="701"`), bearer(eslovToken), jsonBody, "Idempotency-Key: eslov-77-000")
	b.writeNotice(t, gruppledare, `{"municipality":"*","swedish":"Allt är segt i dag.","english":"All is slow today.","until":"`+in(time.Hour)+`"}`)
	b.writeNotice(t, registrator, `{"municipality":"1080","swedish":"Stängt i jul.","from":"`+in(time.Hour)+`","until":"`+in(2*time.Hour)+`"}`)
	browser, text := openBrowser(t), axe(t)
	browser.visit(strings.Replace(b.operator.URL, "http://", "http://gruppledare:hemlig-g@", 1) + "/login")
	asks := func(reference, until string) []chromedp.Action {
		return []chromedp.Action{
			chromedp.Navigate(b.operator.URL + "/console/fraga"), chromedp.SendKeys("#reference", reference, chromedp.ByQuery), chromedp.SendKeys("#reason", called, chromedp.ByQuery),
			chromedp.Submit("#reason", chromedp.ByQuery), chromedp.WaitVisible(until, chromedp.ByQuery),
		}
	}
	for _, page := range []struct {
		name    string
		actions []chromedp.Action
	}{
		{"driftmeddelanden", []chromedp.Action{chromedp.Navigate(b.operator.URL + "/console/driftmeddelanden"), chromedp.Click("summary", chromedp.ByQuery), chromedp.WaitVisible("details form", chromedp.ByQuery)}},
		{"fraga", []chromedp.Action{chromedp.Navigate(b.operator.URL + "/console/fraga"), chromedp.WaitVisible("#reference", chromedp.ByQuery)}},
		{"fraga-ett", asks(one.Case, ".seen .case")},
		{"fraga-flera", asks("77", ".hits form")},
		{"fraga-inget", asks("78", ".said")},
	} {
		browser.run(page.actions...)
		for _, width := range []int64{1280, 360} {
			browser.size(width, 900)
			for _, night := range []bool{false, true} {
				browser.dark(night)
				browser.checkAccess(text, page.name)
			}
		}
		browser.picture("console-" + page.name)
		browser.dark(false)
	}
}
