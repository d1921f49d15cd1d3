package verbs

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/oep/oepsim"
	"github.com/knutpunkt/knutpunkt/hub"
)

func TestTheStoryIsPlayedToItsEnd(t *testing.T) {
	t.Parallel()
	for _, story := range [][]string{nil, {"--story", "bad-monday"}} {
		t.Run(fmt.Sprint(story), func(t *testing.T) {
			t.Parallel()
			args := append([]string{"demo", "--once", "--forms", "40", "--port", fmt.Sprint(freePorts(t))}, story...)
			p := start(t, args...)
			if code := p.finish(t); code != 0 {
				t.Errorf("exit %d: %s%s", code, p.out.String(), p.errs.String())
			}
			tally := regexp.MustCompile(`^40 received, \d+ delivered, \d+ held, 0 lost$`)
			if line := lastLine(&p.out); !tally.MatchString(line) {
				t.Errorf("the last line is %q", line)
			}
		})
	}
}

// A story that was killed is accounted for whole by the next one in its folder: also the
// forms that no hub had answered for when it died.
func TestAKilledStoryIsAccountedFor(t *testing.T) {
	t.Parallel()
	dir, base := t.TempDir(), freePorts(t)
	play := func(forms string) *process {
		return start(t, "demo", "--once", "--forms", forms, "--dir", dir, "--port", fmt.Sprint(base))
	}
	ledger := func() string { return read(filepath.Join(dir, "simulators", "oep", "oepsim.jsonl")) }
	killed := play("300")
	await(t, "in the middle", func() bool { return strings.Count(ledger(), `"posted"`) > 30 })
	killed.end(syscall.SIGKILL)
	want := fmt.Sprintf("%d received, ", strings.Count(ledger(), `"sent-in"`)+1)
	p := play("1")
	if code := p.finish(t); code != 0 {
		t.Errorf("exit %d: %s", code, p.errs.String())
	}
	if line := lastLine(&p.out); !strings.HasPrefix(line, want) {
		t.Errorf("the last line is %q, want %s…", line, want)
	}
}

// After 202 nothing is lost and nothing is doubled, however often the process is
// killed. The ledgers of those who sent and of those who received decide.
func TestKilledInTheMiddle(t *testing.T) {
	t.Parallel()
	dir, base := t.TempDir(), freePorts(t)
	demo := start(t, "demo", "--once", "--forms", "300", "--dir", dir, "--port", fmt.Sprint(base))
	posted := func() int {
		return strings.Count(read(filepath.Join(dir, "simulators", "oep", "oepsim.jsonl")), `"posted"`)
	}
	await(t, "in the middle", func() bool { return posted() > 60 })
	demo.end(syscall.SIGKILL)

	surroundings := start(t, "simulators", "--dir", dir)
	ready := fmt.Sprintf("http://127.0.0.1:%d/readyz", base+1)
	for range 2 {
		serve := start(t, "serve", "--config", dir)
		await(t, "ready", func() bool { return answers(ready, http.StatusOK) })
		serve.end(syscall.SIGKILL)
	}
	serve := start(t, "serve", "--config", dir)
	await(t, "at rest", func() bool { return answers(ready, http.StatusOK) && settled(rows(t, dir)) })
	await(t, "told everything", func() bool { return len(unanswered(t, dir)) == 0 })
	await(t, "at rest again", func() bool { return settled(rows(t, dir)) })
	serve.end(syscall.SIGTERM)
	if code := serve.ProcessState.ExitCode(); code != 0 {
		t.Errorf("a clean stop exits %d: %s", code, serve.errs.String())
	}
	surroundings.end(syscall.SIGTERM) // whoever writes the ledgers is done with them
	compare(t, dir)
}

// unanswered gives the forms that the platform has no answer for.
func unanswered(t *testing.T, dir string) []oepsim.Form {
	t.Helper()
	sim, err := oepsim.New(oepsim.Options{Dir: copied(t, filepath.Join(dir, "simulators", "oep")), Clock: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer sim.Close()
	return sim.Unanswered()
}

// copied gives a copy of a folder, since whoever writes in it still runs.
func copied(t *testing.T, dir string) string {
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

// compare holds the hub's list against everybody's ledgers.
func compare(t *testing.T, dir string) {
	t.Helper()
	sims, err := openSimulators(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer sims.close()
	listed := rows(t, dir)
	received := 0
	for _, e := range sims.platform.Ledger() {
		if e.What != oepsim.Posted {
			continue
		}
		received++
		if _, there := listed[e.Receipt]; !there || e.Status != http.StatusAccepted {
			t.Errorf("the platform has status %d for a form that the hub lists as %q", e.Status, listed[e.Receipt])
		}
	}
	if received < 60 {
		t.Fatalf("only %d forms were received: nothing was tested", received)
	}
	var tally tally
	store, err := openReader(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	sims.bygg.Step()
	for id := range listed {
		tally.add(t.Context(), store, sims, hub.ID(id))
	}
	for _, fault := range tally.faults {
		t.Error(fault)
	}
	if tally.lost+tally.moving > 0 || tally.delivered == 0 || tally.held == 0 {
		t.Errorf("%+v", tally)
	}
}

func read(file string) string {
	text, _ := os.ReadFile(file)
	return string(text)
}

// What breaks the contract leaves no trace; what only is not understood is received,
// and rests where a person sees it.
func TestBrokenAndUnknownForms(t *testing.T) {
	dir, base := t.TempDir(), freePorts(t)
	o := demoOptions{dir: dir, port: base}
	if _, err := o.stage(); err != nil {
		t.Fatal(err)
	}
	serve := start(t, "serve", "--config", dir)
	await(t, "ready", func() bool { return answers(fmt.Sprintf("http://127.0.0.1:%d/readyz", base+1), 200) })
	post := func(body string) int {
		req, _ := http.NewRequest("POST", fmt.Sprintf("http://127.0.0.1:%d/v1/sources/oep", base), strings.NewReader(body))
		req.Header.Set("Content-Type", "application/xml")
		req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(read(filepath.Join(dir, "secrets", "oep-client"))))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	good := string(oepsim.Fill(oepsim.Deck, 1, time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)).Body)
	for _, broken := range []string{"", "<a>", good + good, strings.Replace(good, "<FlowInstance", "<!DOCTYPE x><FlowInstance", 1)} {
		if status := post(broken); status != http.StatusBadRequest {
			t.Errorf("a broken form: status %d, want 400", status)
		}
	}
	if listed := rows(t, dir); len(listed) != 0 {
		t.Errorf("broken forms left %d rows", len(listed))
	}
	if status := post(strings.Replace(good, "<FamilyID>702<", "<FamilyID>799<", 1)); status != http.StatusAccepted {
		t.Errorf("a form for an unknown service: status %d, want 202", status)
	}
	held := func() bool {
		for _, row := range rows(t, dir) {
			if strings.Contains(row, "HELD no-route") {
				return true
			}
		}
		return false
	}
	await(t, "held", held)
	serve.end(syscall.SIGTERM)
	if number := regexp.MustCompile(`\b(19|20)\d{10}\b`); number.MatchString(serve.errs.String()) {
		t.Error("the log holds what looks like a personnummer")
	}
}

func TestServeSaysWhatIsMissing(t *testing.T) {
	dir, base := t.TempDir(), freePorts(t)
	if err := writeConfiguration(dir, base); err != nil {
		t.Fatal(err)
	}
	p := start(t, "serve", "--config", dir)
	if code := p.finish(t); code != 1 || !strings.Contains(p.errs.String(), "knutpunkt.yaml:16: secrets names a file") {
		t.Errorf("without secrets: exit %d: %s", code, p.errs.String())
	}
	if err := makeSecrets(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "secrets", "keys.json")); err != nil {
		t.Fatal(err)
	}
	p = start(t, "serve", "--config", dir)
	if code := p.finish(t); code != 1 || !strings.Contains(p.errs.String(), "knutpunkt keys init") {
		t.Errorf("without keys: exit %d: %s", code, p.errs.String())
	}
	p = start(t, "keys", "init", "--config", dir)
	if code := p.finish(t); code != 0 {
		t.Fatalf("keys init: %s", p.errs.String())
	}
	first := start(t, "serve", "--config", dir)
	await(t, "ready", func() bool { return answers(fmt.Sprintf("http://127.0.0.1:%d/readyz", base+1), 200) })
	p = start(t, "serve", "--config", dir, "--listen", fmt.Sprintf("127.0.0.1:%d", base+2), "--operator", fmt.Sprintf("127.0.0.1:%d", base+3))
	if code := p.finish(t); code != 1 || !strings.Contains(p.errs.String(), "already running") {
		t.Errorf("a second one: exit %d: %s", code, p.errs.String())
	}
	first.end(syscall.SIGTERM)
	if code := first.ProcessState.ExitCode(); code != 0 {
		t.Errorf("a clean stop exits %d: %s", code, first.errs.String())
	}
}
