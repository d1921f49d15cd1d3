package deploy

import (
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/enginetest"
	"github.com/knutpunkt/knutpunkt/hub/meter"
)

// A rule is one alert.
type rule struct {
	Alert, Expr, For    string
	Labels, Annotations map[string]string
}

func alerts(t testing.TB) (all []rule) {
	t.Helper()
	file := shaped[struct {
		Groups []struct {
			Name  string
			Rules []rule
		}
	}](t, "prometheus/alerts.yml")
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

// TestAlertsSayWhatToDo: each waits a while, has a severity, and says in Swedish what is the matter and what to do
// about it; and the page that it leads to tells more under the alert's own name, and of no others.
func TestAlertsSayWhatToDo(t *testing.T) {
	const page = "https://github.com/knutpunkt/knutpunkt/blob/main/docs/sv/nar-nagot-gar-fel.md#"
	var named []string
	for _, a := range alerts(t) {
		named = append(named, a.Alert)
		severity := a.Labels["severity"]
		if a.For == "" || severity != "critical" && severity != "warning" {
			t.Errorf("%s waits %q and is %q", a.Alert, a.For, severity)
		}
		if a.Annotations["summary"] == "" || a.Annotations["description"] == "" {
			t.Errorf("%s does not say what is the matter, or what to do", a.Alert)
		}
		if a.Annotations["runbook_url"] != page+strings.ToLower(a.Alert) {
			t.Errorf("%s leads to %s", a.Alert, a.Annotations["runbook_url"])
		}
	}
	var told []string
	for _, m := range regexp.MustCompile(`(?m)^### (Knutpunkt\w+)$`).FindAllStringSubmatch(read(t, "../docs/sv/nar-nagot-gar-fel.md"), -1) {
		told = append(told, m[1])
	}
	if !slices.Equal(named, told) {
		t.Errorf("the alerts are\n%s\nand the page tells of\n%s", strings.Join(named, "\n"), strings.Join(told, "\n"))
	}
}

// TestPrometheusTakesItAll has Prometheus's own tool read the files, and play the alerts' tests; in those each alert
// is seen to go off.
func TestPrometheusTakesItAll(t *testing.T) {
	promtool := tool(t, "promtool", "prometheus")
	for _, args := range [][]string{
		{"check", "config", "prometheus/prometheus.yml"},
		{"check", "rules", "--lint=all", "--lint-fatal", "prometheus/alerts.yml"},
		{"test", "rules", "prometheus/alerts_test.yml", "prometheus/alerts_days_test.yml"},
	} {
		if said, err := run(t, promtool, args...); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, said)
		}
	}
	played := read(t, "prometheus/alerts_test.yml") + read(t, "prometheus/alerts_days_test.yml")
	for _, a := range alerts(t) {
		if !strings.Contains(played, `ALERTS{alertname="`+a.Alert+`", alertstate="firing", severity="`+a.Labels["severity"]+`"`) {
			t.Errorf("no test sees %s go off", a.Alert)
		}
	}
}

// A dashboard is Grafana's own JSON (schema version 39), strictly as far as ours go.
type dashboard struct {
	UID, Title, Description, Timezone, Refresh string
	Tags                                       []string
	SchemaVersion, GraphTooltip                int
	Editable                                   bool
	Time                                       struct{ From, To string }
	Templating                                 struct{ List []variable }
	Panels                                     []panel
}

type variable struct {
	Name, Label, Type string
	Query             any
	Datasource        *datasource
	Refresh, Sort     int
	Hide              int
	Multi, IncludeAll bool
	AllValue          string
}

type datasource struct{ Type, UID string }

type panel struct {
	ID                       int
	Type, Title, Description string
	Datasource               *datasource
	Targets                  []target
	FieldConfig              *fieldConfig
	Options                  map[string]any
	GridPos                  struct{ H, W, X, Y int }
	Collapsed                bool
	Panels                   []panel
}

type target struct {
	RefID              string
	Datasource         datasource
	Expr, LegendFormat string
	Instant, Range     bool
}

type fieldConfig struct {
	Defaults struct {
		Unit       string
		Decimals   *int
		Min        *float64
		Mappings   []map[string]any
		Thresholds struct {
			Mode  string
			Steps []struct {
				Color string
				Value *float64
			}
		}
		Color  struct{ Mode string }
		Custom map[string]any
	}
	Overrides []struct {
		Matcher    struct{ ID, Options string }
		Properties []struct {
			ID    string
			Value any
		}
	}
}

func dashboards(t testing.TB) map[string]dashboard {
	t.Helper()
	files, err := filepath.Glob("grafana/*.json")
	if err != nil || len(files) != 3 {
		t.Fatal("there are not three dashboards", files, err)
	}
	all := map[string]dashboard{}
	for _, file := range files {
		all[file] = shaped[dashboard](t, file)
	}
	return all
}

// TestDashboardsAreWhole: every panel says what it shows, in which unit, and stands where no other does.
func TestDashboardsAreWhole(t *testing.T) {
	units := []string{"short", "s", "bytes", "reqps", "ops", "cpm"} // that Grafana knows
	kinds := []string{"stat", "timeseries", "bargauge", "state-timeline"}
	for file, d := range dashboards(t) {
		ids, taken := map[int]bool{}, map[[2]int]string{}
		for _, p := range d.Panels {
			at := file + ": " + p.Title
			if ids[p.ID] || p.ID == 0 {
				t.Errorf("%s: its id is another's", at)
			}
			ids[p.ID] = true
			g := p.GridPos
			if g.X+g.W > 24 || g.W == 0 || g.H == 0 {
				t.Errorf("%s is outside: %+v", at, g)
			}
			for x := g.X; x < g.X+g.W; x++ {
				for y := g.Y; y < g.Y+g.H; y++ {
					if other := taken[[2]int{x, y}]; other != "" {
						t.Fatalf("%s lies over %s", at, other)
					}
					taken[[2]int{x, y}] = p.Title
				}
			}
			if p.Type == "row" {
				continue
			}
			unit := p.FieldConfig.Defaults.Unit
			if !slices.Contains(kinds, p.Type) || !slices.Contains(units, unit) || p.Title == "" || p.Description == "" || len(p.Targets) == 0 {
				t.Errorf("%s: a %s in %q says %q", at, p.Type, unit, p.Description)
			}
			for _, q := range p.Targets {
				if q.Expr == "" || q.LegendFormat == "" && len(p.Targets) > 1 || q.Datasource != *p.Datasource || q.Datasource.UID != "${datasource}" {
					t.Errorf("%s: its query %s asks %+v", at, q.RefID, q)
				}
			}
		}
	}
}

// TestGrafanaIsGivenThem reads what tells Grafana where it all is.
func TestGrafanaIsGivenThem(t *testing.T) {
	shaped[struct {
		APIVersion int `json:"apiVersion"`
		Providers  []struct {
			Name, Folder, Type string
			AllowUIUpdates     bool `json:"allowUiUpdates"`
			Options            struct{ Path string }
		}
	}](t, "grafana/provisioning/dashboards/knutpunkt.yaml")
	shaped[struct {
		APIVersion  int `json:"apiVersion"`
		Datasources []struct {
			Name, Type, UID, Access, URL string
			IsDefault                    bool
			JSONData                     struct{ TimeInterval string }
		}
	}](t, "grafana/provisioning/datasources/prometheus.yaml")
}

// queries gives everything that is asked of Prometheus here, by where it is asked.
func queries(t testing.TB) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, a := range alerts(t) {
		all["alert "+a.Alert] = a.Expr
	}
	for file, d := range dashboards(t) {
		for _, p := range d.Panels {
			for _, q := range p.Targets {
				all[fmt.Sprintf("%s, %s (%d%s)", file, p.Title, p.ID, q.RefID)] = q.Expr
			}
		}
	}
	return all
}

// TestQueriesAreQueries has Prometheus parse every one: as rules, which it checks without being started.
func TestQueriesAreQueries(t *testing.T) {
	promtool := tool(t, "promtool", "prometheus")
	var rules strings.Builder
	rules.WriteString("groups:\n  - name: queries\n    rules:\n")
	for at, q := range queries(t) {
		fmt.Fprintf(&rules, "      - record: asked:%d\n        # %s\n        expr: %q\n", strings.Count(rules.String(), "record"), at, q)
	}
	file := filepath.Join(t.TempDir(), "queries.yml")
	write(t, file, rules.String(), 0o600)
	if said, err := run(t, promtool, "check", "rules", "--lint=none", file); err != nil {
		t.Errorf("%v\n%s", err, said)
	}
}

var (
	series  = regexp.MustCompile(`\b((?:knutpunkt|process|go|up)\b_?\w*|(?:knutpunkt|process|go)_\w+)(?:\{([^}]*)\})?`)
	matcher = regexp.MustCompile(`(\w+)(=~|!=|!~|=)"([^"]*)"`)
	grouped = regexp.MustCompile(`\b(?:by|on) \(([^)]*)\)`)
)

// asked are the series in a query, with what is asked of their labels.
func asked(query string) map[string][][]string {
	all := map[string][][]string{}
	for _, m := range series.FindAllStringSubmatch(query, -1) {
		all[m[1]] = append(all[m[1]], matcher.FindAllStringSubmatch(m[2], -1)...)
	}
	return all
}

// TestQueriesAskWhatIsCounted holds every query against the list of what is counted: the series, the labels that it
// picks and groups by, and the values that those can have.
func TestQueriesAskWhatIsCounted(t *testing.T) {
	counted := map[string]meter.Series{}
	for _, s := range meter.Catalogue() {
		counted[s.Name] = s
	}
	for at, query := range queries(t) {
		labels := []string{"instance", "job", "le"}
		for name, matchers := range asked(query) {
			s, known := counted[histogram.ReplaceAllString(name, "")]
			if strings.HasPrefix(name, "knutpunkt_") && !known {
				t.Errorf("%s asks for %s, which is not counted", at, name)
			}
			labels = append(labels, s.Labels...)
			for _, m := range matchers {
				if label := m[1]; !slices.Contains(s.Labels, label) && label != "job" {
					t.Errorf("%s asks for the %s of %s, which has %v", at, label, name, s.Labels)
				}
				for value := range strings.SplitSeq(m[3], "|") {
					if values := closed[m[1]]; values != nil && !slices.Contains(values, value) {
						t.Errorf("%s asks for the %s %s, which there is none of", at, m[1], value)
					}
				}
			}
		}
		for _, g := range grouped.FindAllStringSubmatch(query, -1) {
			for label := range strings.SplitSeq(g[1], ",") {
				if label = strings.TrimSpace(label); !slices.Contains(labels, label) {
					t.Errorf("%s groups by %s, which nothing in it has", at, label)
				}
			}
		}
	}
}

// closed are the values that a label can have, where that is a closed list.
var closed = map[string][]string{
	"reason": words(hub.Reasons...),
	"kind":   append(words(hub.GapKinds...), "case", "citizen", "console"),
	"cause":  words(hub.Down, hub.Credentials, hub.AddressChanged, hub.ContractBroken, hub.Busy, hub.Paused),
	"state": words(hub.Accepted, hub.Enriching, hub.EnrichWait, hub.Routed, hub.Attention, hub.Completed,
		hub.Rejected, hub.Withdrawn, hub.Purged),
	"mode":    {"sqlite-full", "pg-local", "pg-sync", "degraded", hub.Unreachable},
	"role":    {"deliver", "find", "lookup", "fetch", "tell", "changes", "poll", "sent"},
	"outcome": words(hub.Yes, hub.No, hub.NotNow, hub.DontKnow),
	"result":  {"new", "replayed", "refused"},
}

func words[T ~string](closed ...T) (all []string) {
	for _, one := range closed {
		all = append(all, string(one))
	}
	return all
}

var histogram = regexp.MustCompile(`_(bucket|count|sum)$`)

// TestWhatAllReplicasSayIsNotAddedUp: what is read from the Store is the same in each, so its highest counts; what a
// process counts itself is added up, or told by instance.
func TestWhatAllReplicasSayIsNotAddedUp(t *testing.T) {
	shared := map[string]bool{}
	for _, s := range meter.Catalogue() {
		shared[s.Name] = s.Shared
	}
	of := regexp.MustCompile(`\b(sum|max|min|count|avg)(?: by \([^)]*\))? ?\((?:(?:rate|increase|delta|abs|predict_linear)\()*(knutpunkt_\w+)`)
	for at, query := range queries(t) {
		found := of.FindAllStringSubmatch(query, -1)
		for _, m := range found {
			if isShared := shared[histogram.ReplaceAllString(m[2], "")]; isShared && m[1] != "max" && m[1] != "min" {
				t.Errorf("%s makes of %s, which every replica tells alike, its %s", at, m[2], m[1])
			}
		}
		for name := range asked(query) {
			taken := slices.ContainsFunc(found, func(m []string) bool { return m[2] == name })
			if shared[name] && !taken && !strings.Contains(query, "unless on (instance) "+name) {
				t.Errorf("%s asks for %s of each replica, and would say it once for each", at, name)
			}
		}
	}
}

// TestQueriesFindWhatAHubTells asks hubs that run, on SQLite with traffic and on PostgreSQL with Kafka, and looks for
// every series that a query names.
func TestQueriesFindWhatAHubTells(t *testing.T) {
	told := map[string]bool{"up": true}
	for _, page := range pages(t) {
		for _, m := range regexp.MustCompile(`(?m)^(\w+)[ {]`).FindAllStringSubmatch(page, -1) {
			told[m[1]] = true
		}
	}
	for at, query := range queries(t) {
		for name := range asked(query) {
			if !told[name] {
				t.Errorf("%s asks for %s, which no hub tells", at, name)
			}
		}
	}
}

// pages gives what hubs tell at /metrics that between them have all there is to tell of: a demo's, with systems and
// traffic, and one of several replicas', which collects forms from a topic.
func pages(t testing.TB) []string {
	t.Helper()
	brokers, in := enginetest.Kafka(t), install(t)
	systems := filepath.Join(in.configuration, "routes/exempelby/systems.yaml")
	write(t, systems, read(t, systems)+fmt.Sprintf(`
torg:
  connector: kafka
  brokers: ["kafka://%s"]
  forms: { topic: exempelby.formular, group: knutpunkt }
`, strings.Join(brokers, `", "kafka://`)), 0o644)
	route := read(t, filepath.Join(in.configuration, "routes/exempelby/felanmalan.yaml"))
	write(t, filepath.Join(in.configuration, "routes/exempelby/torg.yaml"), strings.Replace(route, "system: hemsidan", "system: torg", 1), 0o644)
	replica := start(t, hubOptions{in: in, environment: []string{
		"KNUTPUNKT_STORE=" + enginetest.Postgres(t), "KNUTPUNKT_BUS=kafka://" + strings.Join(brokers, ","),
	}})
	replica.post(t)
	_, ofReplica := get(t, replica.operator+"/metrics")
	return []string{ofReplica, demonstrated(t)}
}

// demonstrated plays the demo until systems have answered, and gives what its hub tells then.
func demonstrated(t testing.TB) (page string) {
	t.Helper()
	first := enginetest.FreePorts(t, 31_850, 32_600, 25) // above those of docs
	demo := exec.Command(built(t), "demo", "--dir", filepath.Join(t.TempDir(), "demo"), "--port", fmt.Sprint(first))
	must(t, demo.Start())
	t.Cleanup(func() { demo.Process.Kill(); demo.Wait() })
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(time.Minute); ; {
		if answer, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/metrics", first+1)); err == nil {
			text, _ := io.ReadAll(answer.Body)
			answer.Body.Close()
			if page = string(text); strings.Contains(page, `outcome="yes",role="deliver"`) {
				return page
			}
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("no system has answered within a minute:\n%s", page)
		}
	}
}
