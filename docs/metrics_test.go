package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/config"
	"github.com/knutpunkt/knutpunkt/hub/meter"
)

// TestEverySeriesIsExplained holds the tables of metrics against those that there are: each is
// there once, with its labels, and with whose it is.
func TestEverySeriesIsExplained(t *testing.T) {
	row := regexp.MustCompile("(?m)^\\| `(knutpunkt_\\w+)` \\| ([a-z, ]*?) ?\\| (\\w+) \\| ([^|]+) \\|")
	explained := map[string]int{}
	whose := map[bool]string{true: "lagrets", false: "processens"}
	all := meter.Catalogue()
	for _, m := range row.FindAllStringSubmatch(read(t, "sv/matvarden.md"), -1) {
		explained[m[1]]++
		i := slices.IndexFunc(all, func(s meter.Series) bool { return s.Name == m[1] })
		switch {
		case i < 0:
			t.Errorf("the page tells of %s, which is not there", m[1])
		case strings.TrimSpace(m[2]) != strings.Join(all[i].Labels, ", "):
			t.Errorf("%s has the labels %v, and the page says %q", m[1], all[i].Labels, m[2])
		case m[3] != whose[all[i].Shared]:
			t.Errorf("%s is %s, and the page says %s", m[1], whose[all[i].Shared], m[3])
		}
	}
	for _, s := range all {
		if explained[s.Name] != 1 {
			t.Errorf("%s is explained %d times", s.Name, explained[s.Name])
		}
	}
}

// TestNoPageTellsOfAMetricThatIsNotThere, on any page.
func TestNoPageTellsOfAMetricThatIsNotThere(t *testing.T) {
	there := map[string]bool{"knutpunkt_audit_unsigned_rows": true} // said not to be there
	for _, s := range meter.Catalogue() {
		for _, part := range []string{"", "_bucket", "_count", "_sum"} {
			there[s.Name+part] = true
		}
	}
	for _, page := range pages(t) {
		for _, name := range regexp.MustCompile(`\bknutpunkt_[a-z_]+`).FindAllString(read(t, page), -1) {
			if !there[name] {
				t.Errorf("%s tells of %s, which is not there", page, name)
			}
		}
	}
}

// TestWhatATraceCanSayIsTold holds the names that the page has against the hub's own, and its
// example against what reads it.
func TestWhatATraceCanSayIsTold(t *testing.T) {
	page := read(t, "sv/matvarden.md")
	for _, name := range []string{hub.StageEnrich, hub.StageRender, hub.StageDelivery, hub.StageTelling, "receive", "commit", "report"} {
		if !strings.Contains(page, "`"+name+"`") {
			t.Errorf("the page does not tell of %s", name)
		}
	}
	example := regexp.MustCompile("(?s)```yaml\n(traces:.*?)```").FindStringSubmatch(page)
	if example == nil {
		t.Fatal("the page shows no traces:")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "knutpunkt.yaml"), []byte(example[1]), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("INSAMLARE", "hemligt")
	s, err := config.ReadSettings(dir)
	if err != nil || s.Traces == nil || s.Traces.Ratio != .1 {
		t.Errorf("the page's example is %+v: %v", s, err)
	}
}
