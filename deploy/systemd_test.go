package deploy

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// unit writes the unit with the binary where it lies here, for tools that look for it.
func unit(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "knutpunkt.service")
	text := strings.ReplaceAll(read(t, "systemd/knutpunkt.service"), "/usr/local/bin/knutpunkt", built(t))
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestSystemdTakesTheUnit has systemd read it and say what it does not understand.
func TestSystemdTakesTheUnit(t *testing.T) {
	analyze := tool(t, "systemd-analyze", "systemd")
	if said, err := run(t, analyze, "verify", unit(t)); err != nil || said != "" {
		t.Errorf("%v\n%s", err, said)
	}
	sysusers := tool(t, "systemd-sysusers", "systemd")
	users, err := filepath.Abs("systemd/knutpunkt.sysusers")
	must(t, err)
	if said, err := run(t, sysusers, "--dry-run", users); err != nil {
		t.Errorf("%v\n%s", err, said)
	}
}

// TestTheUnitIsShutIn has systemd judge how exposed it is, from 0 to 10; below 2 is what it calls OK.
func TestTheUnitIsShutIn(t *testing.T) {
	analyze := tool(t, "systemd-analyze", "systemd")
	if said, err := run(t, analyze, "security", "--offline=yes", "--threshold=15", unit(t)); err != nil {
		t.Errorf("%v\n%s", err, said)
	}
}

// TestTheUnitStartsAgainWhatADiskStopped holds it against the exit codes of serve: 74 is a disk that failed, and is
// to be started again; 64 is a command line that nobody understands, and is not.
func TestTheUnitStartsAgainWhatADiskStopped(t *testing.T) {
	codes := read(t, "../cmd/knutpunkt/verbs/verbs.go")
	for _, want := range []string{`exitUsage   = 64`, `exitStorage = 74`} {
		if !strings.Contains(codes, want) {
			t.Fatalf("the exit codes are others than is thought here: %s", want)
		}
	}
	lines := strings.Split(read(t, "systemd/knutpunkt.service"), "\n")
	for _, want := range []string{"Restart=on-failure", "RestartPreventExitStatus=64", "StartLimitIntervalSec=0", "TimeoutStopSec=45",
		"ExecReload=/bin/kill -HUP $MAINPID", "ProtectSystem=strict", "NoNewPrivileges=yes", "StateDirectory=knutpunkt"} {
		if !slices.Contains(lines, want) {
			t.Errorf("it does not say %s", want)
		}
	}
}

// TestTheFilterLetsThroughWhatServeCalls watches a hub take a form, deliver and stop, and holds what it asked of the
// kernel against what the unit's filter allows.
func TestTheFilterLetsThroughWhatServeCalls(t *testing.T) {
	strace, analyze := tool(t, "strace", "strace"), tool(t, "systemd-analyze", "systemd")
	in := install(t)
	log := filepath.Join(in.data, "calls")
	o := hubOptions{in: in, before: []string{strace, "--follow-forks", "--quiet=all", "--output=" + log}}
	if os.Getuid() == 0 { // as which SQLite does more
		handOver(t, in, showAsCompose)
		o.as = inTheContainer
	}
	h := start(t, o)
	h.post(t)
	h.stop(t)
	allowed := filtered(t, analyze)
	for _, call := range regexp.MustCompile(`(?m)^\d+ +(\w+)\(`).FindAllStringSubmatch(read(t, log), -1) {
		if !allowed[call[1]] {
			t.Errorf("serve calls %s, which the filter refuses", call[1])
			allowed[call[1]] = true
		}
	}
}

// filtered gives the system calls that the unit allows, by systemd's own lists.
func filtered(t testing.TB, analyze string) map[string]bool {
	t.Helper()
	allowed := map[string]bool{}
	for _, line := range regexp.MustCompile(`(?m)^SystemCallFilter=(~?)(.*)$`).FindAllStringSubmatch(read(t, "systemd/knutpunkt.service"), -1) {
		for _, set := range strings.Fields(line[2]) {
			for _, call := range callsIn(t, analyze, set) {
				allowed[call] = line[1] == ""
			}
		}
	}
	return allowed
}

func callsIn(t testing.TB, analyze, set string) (calls []string) {
	t.Helper()
	said, err := run(t, analyze, "--no-pager", "syscall-filter", set)
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	for _, word := range strings.Fields(regexp.MustCompile(`(?m)#.*$`).ReplaceAllString(said, "")) {
		if word == set {
			continue
		}
		if strings.HasPrefix(word, "@") {
			calls = append(calls, callsIn(t, analyze, word)...)
		} else {
			calls = append(calls, word)
		}
	}
	return calls
}
