package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/cmd/knutpunkt-chaos/bugs"
)

// A catch is by which scenario a bug is found, and what the harness says of it. The
// number is that of what must hold, where it is found at rest.
type catch struct{ bug, scenario, says string }

var caught = []catch{
	{"m1", "killed-at-202", "1 lost"},
	{"m2", "fsync-before-202", "fsyncs of the store"},
	{"m3", "unclear", "being held did not come about"},
	{"m4", "stale-answer", "the stale no"},
	{"m5", "nobody-forgotten", "1 lost"},
	{"m6", "other-credential", "was answered with 202"},
	{"m7", "redirects", "redirects were followed"},
	{"m8", "in-order", "overtook what comes before it"},
	{"m9", "late-success", "the late yes"},
	{"m10", "same-key-later", "the same key is"},
	{"m11", "odd-content", "13 canaries"},
}

// TestEveryBugIsFound plants each bug and plays the scenario that is about it: it must be
// red, and say why. The same scenarios without a bug must not be.
func TestEveryBugIsFound(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes half a minute")
	}
	binary := filepath.Join(t.TempDir(), "knutpunkt")
	if err := bugs.Build(t.Context(), "../..", binary); err != nil {
		t.Fatal(err)
	}
	play := func(bug string, scenarios ...string) (code int, said string) {
		var out bytes.Buffer
		o := options{
			seed: 7, municipalities: 2, binary: binary, dir: t.TempDir(), scenarios: scenarios, patience: 12 * time.Second,
			env: []string{"KNUTPUNKT_BUG=" + bug, "KNUTPUNKT_SWEEP=50ms"},
		}
		code = o.run(t.Context(), &out)
		return code, out.String()
	}
	var all sync.WaitGroup // they wait more than they work
	var without []string
	for _, c := range caught {
		if why := scenarioNamed(c.scenario).needs; why != nil && why(options{binary: binary}) != "" {
			untested(t, c.bug+": "+why(options{binary: binary}))
			continue
		}
		without = append(without, c.scenario)
		all.Go(func() {
			if code, said := play(c.bug, c.scenario); code != exitViolated || !strings.Contains(said, c.says) {
				t.Errorf("%s survives %s: exit %d, and not %q:\n%s", c.bug, c.scenario, code, c.says, said)
			}
		})
	}
	all.Go(func() {
		if code, said := play("", without...); code != exitHeld {
			t.Errorf("without a bug: exit %d\n%s", code, said)
		}
	})
	all.Wait()
	for _, bug := range bugs.All {
		if bug.Applies() && !slices.ContainsFunc(caught, func(c catch) bool { return c.bug == bug.Name }) {
			t.Errorf("%s (%s) is looked for by nobody", bug.Name, bug.What)
		}
	}
}

// untested says what this machine cannot test. What can be installed must be, where
// everything is to be tested (CI is set); what the machine forbids, it forbids there too.
func untested(t *testing.T, what string) {
	t.Helper()
	if _, err := exec.LookPath("strace"); err != nil && os.Getenv("CI") != "" {
		t.Errorf("NOT TESTED: %s", what)
	} else {
		t.Logf("NOT TESTED: %s", what)
	}
}
