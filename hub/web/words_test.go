package web_test

import (
	"strings"
	"testing"

	"github.com/knutpunkt/knutpunkt/hub"
)

// TestAWordThatNobodyHasTranslated goes all the way: it is heard, an operator is told, the
// table is mended, and the case moves on.
func TestAWordThatNobodyHasTranslated(t *testing.T) {
	b := newBed(t)
	_, c := b.registered(t, "1")
	const word = `Klart & "expedierat"`
	b.tell(t, diariumTells, diariumNew, reported("e-1", c.Ref, word)).mustBe(t, "a word that is new", 202, "taken")
	b.tell(t, diariumTells, diariumNew, reported("e-2", "SBN 2026/9", "KLART & \"EXPEDIERAT\"")).mustBe(t, "the same of another case", 202, "kept")
	if step := b.step(t, c.ID); step != hub.Registrerat {
		t.Fatalf("a word that nobody knows has moved the case to %s", step)
	}

	var told struct {
		Words []struct {
			System, Name, Municipality, Word, File, Line string
			Cases                                        int
		}
		Steps []string
	}
	decode(t, ask(t, b.operator, "GET", "/v1/words", "", registrator), &told)
	if len(told.Words) != 1 || len(told.Steps) != len(hub.Steps) {
		t.Fatalf("%+v", told)
	}
	w := told.Words[0]
	if w.System != "karlskrona.diarium" || w.Municipality != "1080" || w.Word != word || w.Cases != 1 || w.File != "routes/karlskrona/systems.yaml" ||
		w.Line != `"klart \u0026 \"expedierat\"": STEG` {
		t.Errorf("%+v", w)
	}
	if a := ask(t, b.operator, "GET", "/v1/words", "", eslovare); strings.Contains(a.body, "diarium") {
		t.Errorf("another municipality's operator reads %s", a.body)
	}
	if a := ask(t, b.operator, "GET", "/v1/words", ""); a.status != 401 {
		t.Errorf("who says nothing of herself is answered %d", a.status)
	}

	const escaped = "Klart &amp; &#34;expedierat&#34;"
	if page := ask(t, b.operator, "GET", "/console/ord", "", registrator).body; !strings.Contains(page, escaped) || strings.Contains(page, word) {
		t.Errorf("the page does not show the word as it is: %s", page)
	}
	if page := ask(t, b.operator, "GET", "/console/ord", "").body; strings.Contains(page, "expedierat") || !strings.Contains(page, "diarium (Karlskrona kommun)") {
		t.Errorf("to who has not said who she is: %s", page)
	}
	list := ask(t, b.operator, "GET", "/console", "").body
	if !strings.Contains(list, "1 ord som ingen har översatt") || !strings.Contains(list, `href="/console/ord"`) || strings.Contains(list, "expedierat") {
		t.Error("the work list does not tell of it, or tells too much")
	}
	if strings.Contains(b.log.String(), "expedierat") {
		t.Error("the word is in the log")
	}

	b.stop()
	b.words[hub.Normal(word)] = hub.Beslutat
	b.start(t)
	b.await(t, string(c.ID), hub.Beslutat)
	if page := ask(t, b.operator, "GET", "/console/ord", "", registrator).body; !strings.Contains(page, "Alla ord är översatta") {
		t.Errorf("when it is translated: %s", page)
	}
	if list := ask(t, b.operator, "GET", "/console", "").body; strings.Contains(list, "som ingen har översatt") {
		t.Error("the work list still tells of it")
	}
	b.tell(t, diariumTells, diariumNew, reported("e-1", c.Ref, word)).mustBe(t, "the report again", 200, "heard-before")
}
