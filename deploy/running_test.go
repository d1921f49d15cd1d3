package deploy

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var buildFolder = filepath.Join(os.TempDir(), fmt.Sprintf("knutpunkt-deploy-%d", os.Getpid()))

// TestMain takes away what the tests have built.
func TestMain(m *testing.M) {
	code := m.Run()
	os.RemoveAll(buildFolder)
	os.Exit(code)
}

var build = sync.OnceValue(func() error {
	if err := os.MkdirAll(buildFolder, 0o755); err != nil { // the container's user looks in here too
		return err
	}
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		return err
	}
	recipe := regexp.MustCompile(`(?m)^\tCGO_ENABLED=0 go (build .*) -o bin/knutpunkt (\S+)$`).FindSubmatch(makefile)
	if recipe == nil {
		return errors.New("the Makefile does not build bin/knutpunkt without cgo")
	}
	command := exec.Command("go", append(strings.Fields(string(recipe[1])), "-o", filepath.Join(buildFolder, "knutpunkt"), string(recipe[2]))...)
	command.Dir, command.Env = "..", append(os.Environ(), "CGO_ENABLED=0")
	if said, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, said)
	}
	return nil
})

// built gives the program, built once for all tests as the Makefile builds it, and so the image.
func built(t testing.TB) string {
	t.Helper()
	if err := build(); err != nil {
		t.Fatalf("build: %v", err)
	}
	return filepath.Join(buildFolder, "knutpunkt")
}

// secretsOf are what the example's files of secrets have in them, but for the keys.
var secretsOf = map[string]string{"hemsidan-client": "example-client", "registrator": "example-operator", "felanmalan": "example-system"}

// An installation is the example's configuration in a folder, with its secrets beside it.
type installation struct{ configuration, secrets, data string }

// install copies the example, and has its secrets and its data in folders of the test's own.
func install(t testing.TB) installation {
	t.Helper()
	dir := t.TempDir()
	in := installation{filepath.Join(dir, "etc"), filepath.Join(dir, "secrets"), filepath.Join(dir, "data")}
	must(t, os.CopyFS(in.configuration, os.DirFS("configuration")))
	for _, file := range []string{"knutpunkt.yaml", "routes/exempelby/systems.yaml"} {
		at := filepath.Join(in.configuration, file)
		write(t, at, strings.ReplaceAll(read(t, at), "/run/secrets", in.secrets), 0o644)
	}
	for _, folder := range []string{in.secrets, in.data} {
		must(t, os.Mkdir(folder, 0o700))
	}
	for name, text := range secretsOf {
		write(t, filepath.Join(in.secrets, name), text, 0o400)
	}
	if said, err := run(t, built(t), "keys", "init", "--config", in.configuration); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	return in
}

func write(t testing.TB, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// A serving is a knutpunkt that serves.
type serving struct {
	command          *exec.Cmd
	public, operator string // http://…
	ended            chan struct{}
}

// hubOptions say how a hub is run. The zero value runs the example on SQLite, as this user.
type hubOptions struct {
	in          installation
	before      []string            // what runs it
	environment []string            // beside where it listens
	as          *syscall.Credential // nil is as this process
}

// start runs a hub until the test is over, and waits until it serves.
func start(t testing.TB, o hubOptions) *serving {
	t.Helper()
	if o.in == (installation{}) {
		o.in = install(t)
	}
	args := append(o.before, built(t), "serve", "--config", o.in.configuration)
	h := &serving{command: exec.Command(args[0], args[1:]...), ended: make(chan struct{})}
	h.command.Dir = o.in.data
	h.command.Env = append([]string{"KNUTPUNKT_LISTEN=127.0.0.1:0", "KNUTPUNKT_OPERATOR=localhost:0",
		"KNUTPUNKT_STORE=sqlite:" + filepath.Join(o.in.data, "knutpunkt.db")}, o.environment...)
	h.command.SysProcAttr = &syscall.SysProcAttr{Credential: o.as, Setpgid: true}
	said, err := h.command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := h.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		syscall.Kill(-h.command.Process.Pid, syscall.SIGKILL)
		<-h.ended
	})
	if heard := h.awaitServing(said); h.public == "" {
		t.Fatalf("it does not serve:\n%s", heard)
	}
	return h
}

// awaitServing reads what a hub says until it has said where it listens, and the rest beside.
func (h *serving) awaitServing(said io.Reader) (heard string) {
	lines := bufio.NewScanner(said)
	for h.public == "" && lines.Scan() {
		heard += lines.Text() + "\n"
		var line struct{ Msg, Listen, Operator string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "serving" {
			h.public, h.operator = "http://"+line.Listen, "http://"+line.Operator
		}
	}
	go func() {
		io.Copy(io.Discard, said)
		h.command.Wait()
		close(h.ended)
	}()
	return heard
}

// stop ends a hub as an orchestrator does, and holds it to what that gives it time for.
func (h *serving) stop(t testing.TB) {
	t.Helper()
	syscall.Kill(-h.command.Process.Pid, syscall.SIGTERM)
	select {
	case <-h.ended:
	case <-time.After(40 * time.Second):
		t.Fatal("it does not stop within 40 s")
	}
	if code := h.command.ProcessState.ExitCode(); code != 0 {
		t.Errorf("a clean stop ends with exit code %d", code)
	}
}

// post hands a form over and wants 202.
func (h *serving) post(t testing.TB) {
	t.Helper()
	const form = `{"v": 1, "municipality": "0001", "service": "felanmalan", "formVersion": "1",
		"source": {"system": "hemsidan", "id": "1", "version": "1"},
		"answers": {"gata": "Storgatan 12", "beskrivning": "Lampan är släckt"}}`
	r, err := http.NewRequestWithContext(t.Context(), "POST", h.public+"/v1/submissions", strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+secretsOf["hemsidan-client"])
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", "felanmalan-1")
	if status, body := ask(t, r); status != http.StatusAccepted {
		t.Fatalf("a form is answered with %d: %s", status, body)
	}
}

func get(t testing.TB, url string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return ask(t, r)
}

func ask(t testing.TB, r *http.Request) (status int, body string) {
	t.Helper()
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// inTheContainer is who the image runs as.
var inTheContainer = &syscall.Credential{Uid: 65532, Gid: 65532}

// TestItServesAsInAContainer runs the binary as the user of the image, with nothing but its data to write to, and
// its secrets as each orchestrator shows them.
func TestItServesAsInAContainer(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can become the container's user")
	}
	for _, show := range []struct {
		name, why string
		secrets   func(t testing.TB, in installation)
	}{
		{"compose", "each is a file of the user's own", showAsCompose},
		{"kubernetes", "root's files behind symbolic links, which a group of the user's may read", showAsKubernetes},
	} {
		t.Run(show.name, func(t *testing.T) {
			in := install(t)
			handOver(t, in, show.secrets)
			h := start(t, hubOptions{in: in, as: inTheContainer})
			for _, probe := range []string{"/healthz", "/readyz"} {
				if status, body := get(t, h.operator+probe); status != http.StatusOK {
					t.Errorf("%s: %d %s", probe, status, body)
				}
			}
			h.post(t)
			h.stop(t)
		})
	}
}

// handOver lets the container's user come to an installation: its data are the user's own, and the secrets are shown as
// somebody shows them.
func handOver(t testing.TB, in installation, show func(testing.TB, installation)) {
	t.Helper()
	for _, folder := range []string{filepath.Dir(filepath.Dir(in.data)), filepath.Dir(in.data), in.configuration} {
		must(t, os.Chmod(folder, 0o755))
	}
	show(t, in)
	must(t, os.Chown(in.data, 65532, 65532))
}

func showAsCompose(t testing.TB, in installation) {
	t.Helper()
	own(t, in.secrets, 0o400, 65532, 65532)
	must(t, os.Chown(in.secrets, 65532, 65532))
}

// showAsKubernetes does with secrets and configuration what a kubelet does with volumes: the files are in a folder of
// their own, which a link leads to, so that all of them change at once; and with fsGroup the group may read them.
func showAsKubernetes(t testing.TB, in installation) {
	t.Helper()
	own(t, in.secrets, 0o440, 0, 65532)
	for _, folder := range []string{in.secrets, in.configuration} {
		must(t, os.Chmod(folder, 0o755))
		version := filepath.Join(filepath.Dir(folder), filepath.Base(folder)+".version")
		must(t, os.Rename(folder, version))
		must(t, os.Mkdir(folder, 0o755))
		must(t, os.Rename(version, filepath.Join(folder, "..2026_11_22")))
		must(t, os.Symlink("..2026_11_22", filepath.Join(folder, "..data")))
		entries, err := os.ReadDir(filepath.Join(folder, "..data"))
		must(t, err)
		for _, e := range entries {
			must(t, os.Symlink(filepath.Join("..data", e.Name()), filepath.Join(folder, e.Name())))
		}
	}
}

// own gives each file in a folder to somebody.
func own(t testing.TB, folder string, mode os.FileMode, user, group int) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	must(t, err)
	for _, e := range entries {
		path := filepath.Join(folder, e.Name())
		must(t, os.Chown(path, user, group))
		must(t, os.Chmod(path, mode))
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
