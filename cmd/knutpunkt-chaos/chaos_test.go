package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub/enginetest"
)

// A short run against the real binary: the harness works from end to end, and the hub holds.
func TestChaos(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it takes a minute")
	}
	file := filepath.Join(t.TempDir(), "report.json")
	o := options{
		seed: 4, duration: 16 * time.Second, forms: 60, kills: 6, municipalities: 8, scenarios: []string{"none"},
		dir: t.TempDir(), report: file,
	}
	if code := o.run(t.Context(), t.Output()); code == exitViolated {
		t.Error("something did not hold")
	}
	if text, err := os.ReadFile(file); err != nil || !strings.Contains(string(text), `"seed": 4`) {
		t.Error("there is no report with the seed in it")
	}
}

// Processes over a real PostgreSQL and a real Kafka: what the harness does with them works, and so do they.
// make chaos-replicas has the long run.
func TestReplicas(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it takes half a minute")
	}
	e, err := openEngines(t.Context(), t.TempDir(), ofPostgres, ofKafka)
	enginetest.Need(t, err)
	defer e.close()
	o := options{
		seed: 4, municipalities: 2, patience: restWithin, dir: t.TempDir(),
		store: ofPostgres, bus: ofKafka, engines: e, scenarios: []string{"rolling-upgrade", "killed-while-sending"},
	}
	if code := o.run(t.Context(), t.Output()); code != exitHeld {
		t.Errorf("exit %d", code)
	}
}
