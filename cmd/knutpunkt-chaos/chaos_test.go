package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A short run against the real binary: the harness works from end to end, and the hub holds.
func TestChaos(t *testing.T) {
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
