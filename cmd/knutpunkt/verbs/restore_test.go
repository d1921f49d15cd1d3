package verbs

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/oep/oepsim"
	"github.com/knutpunkt/knutpunkt/connectors/sif/sifsim"
	"github.com/knutpunkt/knutpunkt/hub"
)

// A backup is made in the middle of an outage; the outage ends and everything is
// delivered; the disk is lost. The backup knows nothing of what was delivered since, and
// nothing of it may be delivered once more.
func TestABackupThatIsOlderThanItsDeliveries(t *testing.T) {
	t.Parallel()
	const forms = 6
	dir, sims, ready := outage(t, forms)
	serve := start(t, "serve", "--config", dir)
	await(t, "ready", func() bool { return answers(ready, http.StatusOK) })
	submit(t, sims, forms)
	await(t, "waiting for the diarium", func() bool {
		return strings.Count(fmt.Sprint(rows(t, dir)), "ROUTED") == forms
	})
	backup := filepath.Join(t.TempDir(), "backup")
	said := runs(t, 0, "backup", "--config", dir, "--to", backup)
	if !strings.Contains(said, fmt.Sprintf("%d forms", forms)) {
		t.Errorf("backup says %q", said)
	}
	sims.diaria["karlskrona"].Heal()
	await(t, "delivered", func() bool { return strings.Count(fmt.Sprint(rows(t, dir)), "COMPLETED") == forms })
	if said := runs(t, 1, "restore", "--config", dir, backup); !strings.Contains(said, "already running") {
		t.Errorf("a restore under a hub that runs says %q", said)
	}
	serve.end(syscall.SIGKILL)
	lose(t, filepath.Join(dir, "data", "knutpunkt.db"))

	if said := runs(t, 1, "doctor", "--config", dir); !strings.Contains(said, "the database "+filepath.Join(dir, "data", "knutpunkt.db")+" is gone") {
		t.Errorf("doctor says\n%s", said)
	}
	if said := runs(t, 0, "restore", "--verify", "--config", dir, backup); !strings.Contains(said, "6 deliveries may have arrived since") {
		t.Errorf("verify says\n%s", said)
	}
	runs(t, 0, "restore", "--config", dir, backup)
	serve = start(t, "serve", "--config", dir)
	await(t, "found out", func() bool {
		listed := fmt.Sprint(rows(t, dir))
		return strings.Count(listed, "diarium DELIVERED")+strings.Count(listed, "diarium CONFIRMED") == forms &&
			strings.Count(listed, "bygg HELD unclear") == forms
	})
	if said := runs(t, 0, "doctor", "--config", dir); !strings.Contains(said, "it is an older copy, put back just now") {
		t.Errorf("doctor says\n%s", said)
	}
	serve.end(syscall.SIGTERM)
	compareOnce(t, dir, sims)
}

// outage sets a stage on which the diarium is out of order, and the building system keeps
// nothing of what it has taken, so that nobody can ask it.
func outage(t *testing.T, forms int) (dir string, sims *simulators, ready string) {
	t.Helper()
	dir = t.TempDir()
	base := freePorts(t)
	o := demoOptions{dir: dir, port: base, forms: forms}
	if _, err := o.stage(); err != nil {
		t.Fatal(err)
	}
	systems := filepath.Join(dir, "routes", "karlskrona", "systems.yaml")
	var kept [][]byte
	for line := range bytes.Lines([]byte(read(systems))) {
		if !bytes.HasPrefix(line, []byte("  done:")) {
			kept = append(kept, line)
		}
	}
	if err := os.WriteFile(systems, bytes.Join(kept, nil), 0o600); err != nil {
		t.Fatal(err)
	}
	sims, err := openSimulators(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sims.close)
	if err := sims.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	sims.diaria["karlskrona"].Fail(sifsim.Fault{Way: sifsim.Unauthorized, Always: true})
	return dir, sims, fmt.Sprintf("http://127.0.0.1:%d/readyz", base+1)
}

func submit(t *testing.T, sims *simulators, forms int) {
	t.Helper()
	for i := range forms {
		f := oepsim.Fill(oepsim.Deck, i+1, time.Now())
		if _, err := sims.submit(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
}

// runs runs a command to its end, and gives what it says.
func runs(t *testing.T, want int, args ...string) string {
	t.Helper()
	p := start(t, args...)
	code := p.finish(t)
	said := p.out.String() + p.errs.String()
	if code != want {
		t.Errorf("%s: exit %d, want %d:\n%s", strings.Join(args, " "), code, want, said)
	}
	return said
}

// lose removes a store as a disk takes it with it, but for the file that tells of its
// epoch: what is left of a disk is never what one would choose.
func lose(t *testing.T, path string) {
	t.Helper()
	for _, end := range []string{"", "-wal", "-shm", ".files"} {
		if err := os.RemoveAll(path + end); err != nil {
			t.Fatal(err)
		}
	}
}

// compareOnce holds every delivery against what its system has: there once.
func compareOnce(t *testing.T, dir string, sims *simulators) {
	t.Helper()
	store, err := openReader(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for id := range rows(t, dir) {
		c, err := store.CaseOf(t.Context(), hub.AsHub(), hub.ID(id))
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range c.Deliveries {
			if n := sims.times(d); d.Kind == hub.DocumentKind && n != 1 {
				t.Errorf("%s is at %s %d times", d.Key, d.System, n)
			}
		}
	}
}

func TestDoctorFindsWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	o := demoOptions{dir: dir, port: freePorts(t)}
	if _, err := o.stage(); err != nil {
		t.Fatal(err)
	}
	sims, err := openSimulators(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sims.close)
	if err := sims.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	keys := filepath.Join(dir, "secrets", "keys.json")
	for _, tc := range []struct {
		name   string
		spoil  func() error
		mend   func() error
		code   int
		want   []string
		absent string
	}{
		{"nothing", nil, nil, 0, []string{"ok     configuration", "http://127.0.0.1", "answers", "note   hub"}, "WRONG"},
		{"a key file that others may read", func() error { return os.Chmod(keys, 0o644) }, func() error { return os.Chmod(keys, 0o600) },
			1, []string{"WRONG  keys", "chmod 600"}, ""},
		{"a secret that others may read",
			func() error { return os.Chmod(filepath.Join(dir, "secrets", "oep-client"), 0o644) },
			func() error { return os.Chmod(filepath.Join(dir, "secrets", "oep-client"), 0o600) },
			1, []string{"WRONG  configuration", "others may read"}, "the-secret"},
		{"a misspelt key", func() error {
			return os.WriteFile(filepath.Join(dir, "routes", "eslov", "extra.yaml"), []byte("titel: x\n"), 0o600)
		}, func() error { return os.Remove(filepath.Join(dir, "routes", "eslov", "extra.yaml")) },
			1, []string{"routes/eslov/extra.yaml:1", "knutpunkt check"}, ""},
		{"systems that are down", func() error { sims.close(); return nil }, nil,
			1, []string{"WRONG  karlskrona.diarium", "nobody listens there", "nothing is lost"}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.spoil != nil {
				if err := tc.spoil(); err != nil {
					t.Fatal(err)
				}
			}
			said := squeezed(runs(t, tc.code, "doctor", "--config", dir))
			for _, want := range tc.want {
				if !strings.Contains(said, squeezed(want)) {
					t.Errorf("it does not say %q:\n%s", want, said)
				}
			}
			if tc.absent != "" && strings.Contains(said, tc.absent) {
				t.Errorf("it says %q:\n%s", tc.absent, said)
			}
			if tc.mend != nil {
				if err := tc.mend(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// squeezed takes the columns out of a table.
func squeezed(s string) string { return strings.Join(strings.Fields(s), " ") }
