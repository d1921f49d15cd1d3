package web

import (
	"io/fs"
	"regexp"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// TestCitizensHaveWords: nothing that a citizen can be told is without words in either
// language, and the pages say nothing that there is no text for.
func TestCitizensHaveWords(t *testing.T) {
	check := func(what string, said text, there bool) {
		if !there || said.sv == "" || said.en == "" {
			t.Errorf("%s has no words", what)
		}
	}
	for name, said := range texts {
		check(name, said, true)
	}
	for _, s := range hub.Steps {
		said, there := stepTexts[s]
		check(string(s), said, there)
		said, there = leadTexts[s]
		check("what "+string(s)+" means", said, there)
		if s.Rank() > hub.Inkommet.Rank() && s.Rank() < hub.Atertaget.Rank() {
			said, there = reachedTexts[s]
			check("a promise of "+string(s), said, there)
			said, there = manyReachedTexts[s]
			check("what is measured of "+string(s), said, there)
		}
	}
	for _, b := range []hub.Ball{hub.Applicant, hub.Council, hub.Other, hub.Nobody} {
		said, there := ballTexts[b]
		check("ball with "+string(b), said, there)
		said, there = ballMeans[b]
		check("what it means that the ball is with "+string(b), said, there)
	}
	for _, h := range []hub.Hindrance{hub.Delayed, hub.FactsWait, hub.PlannedStop, hub.SystemOut, hub.Halted, hub.WithPerson} {
		said, there := stuckWhats[h]
		check(string(h), said, there)
	}
	for _, p := range []hub.Piece{hub.WholeCase, hub.LaterForm, hub.OneOfSystems} {
		said, there := stuckTitles[p]
		check(string(p), said, there)
	}
	for _, k := range []hub.Keeper{hub.Registrar, hub.Operations, hub.Supplier} {
		said, there := keeperTexts[k]
		check("kept by "+string(k), said, there)
	}
	for _, u := range []hub.Unit{minutes, hours, hub.Days, hub.WorkingDays, hub.Weeks, hub.Months, hub.Years} {
		said, there := unitTexts[u]
		check("one of "+string(u), said[0], there)
		check("many of "+string(u), said[1], there)
	}
	says := regexp.MustCompile(`\.Say "([a-z0-9-]+)"`)
	files, err := fs.Glob(pageFiles, "pages/citizen-*.html")
	if err != nil || len(files) == 0 {
		t.Fatal("no pages")
	}
	for _, file := range files {
		for _, said := range says.FindAllStringSubmatch(readPage(file), -1) {
			if _, there := texts[said[1]]; !there {
				t.Errorf("%s says %q, which is no text", file, said[1])
			}
		}
	}
}

// TestColoursAreRead: whatever colour a municipality has, what is written on it, and what
// is drawn with it, can be read.
func TestColoursAreRead(t *testing.T) {
	for r := 0; r < 256; r += 15 {
		for g := 0; g < 256; g += 15 {
			for b := 0; b < 256; b += 15 {
				c := colour{uint8(r), uint8(g), uint8(b)}
				if got := contrast(c, c.ink()); got < readable {
					t.Fatalf("%s on %s: %.2f", c.ink(), c, got)
				}
				for _, paper := range []colour{byDay, white, byNight, {0x14, 0x18, 0x1c}} {
					on := c.on(byDay)
					if paper.luminance() < 0.5 {
						on = c.on(byNight)
					}
					if got := contrast(on, paper); got < readable {
						t.Fatalf("%s as %s on %s: %.2f", c, on, paper, got)
					}
				}
			}
		}
	}
	if contrast(black, white) != 21 || parseColour("#0b5c3a") != (colour{0x0b, 0x5c, 0x3a}) || parseColour("red") != usual || parseColour("") != usual {
		t.Error("colours are read wrongly")
	}
}

// TestTimesInWords: times are told in what people reckon in, never less than it took.
func TestTimesInWords(t *testing.T) {
	const day = 24 * time.Hour
	for _, test := range []struct {
		took   time.Duration
		sv, en string
	}{
		{0, "inom 1 minut", "within 1 minute"}, {61 * time.Second, "inom 2 minuter", "within 2 minutes"},
		{61 * time.Minute, "inom 2 timmar", "within 2 hours"}, {day, "inom 24 timmar", "within 24 hours"},
		{2*day + 1, "inom 3 dagar", "within 3 days"}, {14 * day, "inom 14 dagar", "within 14 days"},
		{15 * day, "inom 3 veckor", "within 3 weeks"}, {98 * day, "inom 14 veckor", "within 14 weeks"},
		{100 * day, "inom 4 månader", "within 4 months"}, {365 * day, "inom 12 månader", "within 12 months"},
	} {
		if sv, en := tongue("sv").within(test.took), tongue("en").within(test.took); sv != test.sv || en != test.en {
			t.Errorf("%s is %q and %q", test.took, sv, en)
		}
	}
	now := time.Date(2026, 11, 22, 23, 30, 0, 0, time.UTC) // the 23rd in Sweden
	for _, test := range []struct {
		at     time.Time
		sv, en string
	}{
		{now, "i dag kl. 00:30", "today at 00:30"}, {now.Add(-time.Hour), "i går kl. 23:30", "yesterday at 23:30"},
		{now.AddDate(0, -1, 0), "23 oktober kl. 01:30", "23 October at 01:30"}, {now.AddDate(-1, 0, 0), "23 november 2025 kl. 00:30", "23 November 2025 at 00:30"},
	} {
		if sv, en := tongue("sv").moment(test.at, now), tongue("en").moment(test.at, now); sv != test.sv || en != test.en {
			t.Errorf("%s is %q and %q", test.at, sv, en)
		}
	}
}
