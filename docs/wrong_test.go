package docs

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// TestWhatGoesWrongIsToldAsItIs holds what the page says that a citizen reads, and how long
// is tried, against what is so.
func TestWhatGoesWrongIsToldAsItIs(t *testing.T) {
	page, texts := read(t, "sv/nar-nagot-gar-fel.md"), read(t, "../hub/web/minaarenden_texts.go")
	quotes := regexp.MustCompile(`”([^”]+)”`).FindAllStringSubmatch(page, -1)
	if len(quotes) < 7 {
		t.Errorf("only %d sentences are quoted", len(quotes))
	}
	for _, quote := range quotes {
		if !strings.Contains(texts, `"`+quote[1]+`"`) {
			t.Errorf("no citizen reads: %s", quote[1])
		}
	}
	var waits []string
	for n := 1; n <= 8; n++ {
		waits = append(waits, inSwedish(hub.Backoff(n, 0.5)))
	}
	last := fmt.Sprintf("och sedan var %s, ungefär, tills %d försök är gjorda", inSwedish(hub.Backoff(9, 0.5)), hub.MaxAttempts)
	if told := "Efter " + strings.Join(waits, ", ") + " " + last; !strings.Contains(page, told) {
		t.Errorf("the page does not say: %s", told)
	}
	for _, reason := range regexp.MustCompile("`([a-z]+-?[a-z]*)`").FindAllStringSubmatch(section(page, "## Vad som är säkert att trycka på"), -1) {
		if !isReason(reason[1]) {
			t.Errorf("%s is no reason", reason[1])
		}
	}
}

func inSwedish(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	}
	return fmt.Sprintf("%.0f h", d.Hours())
}

// section gives what stands under a heading.
func section(page, heading string) string {
	_, below, _ := strings.Cut(page, heading+"\n")
	below, _, _ = strings.Cut(below, "\n## ")
	return below
}

func isReason(name string) bool {
	for _, r := range hub.Reasons {
		if string(r) == name {
			return true
		}
	}
	return false
}
