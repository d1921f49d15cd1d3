package verbs

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub/enginetest"
)

// These tests run the binary as people run it, and kill it as machines do.

var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "knutpunkt-test-")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "knutpunkt")
	if out, err := exec.Command("go", "build", "-o", binary, "..").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %s\n", out)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// A process is one run of the binary.
type process struct {
	*exec.Cmd
	out, errs spoken
	done      chan struct{}
}

// A spoken text is what a process has said so far: it can be read while it speaks.
type spoken struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *spoken) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *spoken) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// start runs the binary until it ends by itself, is killed, or the test is over.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	return startCommand(t, exec.Command(binary, args...))
}

func startCommand(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{Cmd: cmd, done: make(chan struct{})}
	p.Stdout, p.Stderr = &p.out, &p.errs
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.Wait(); close(p.done) }()
	t.Cleanup(func() { p.end(syscall.SIGKILL) })
	return p
}

// end sends a signal and waits until the process is gone.
func (p *process) end(s os.Signal) {
	p.Process.Signal(s)
	<-p.done
}

// finish waits until the process ends by itself and gives its exit code.
func (p *process) finish(t *testing.T) int {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(2 * time.Minute):
		p.end(syscall.SIGKILL)
		t.Fatalf("it does not end:\n%s", p.errs.String())
	}
	return p.ProcessState.ExitCode()
}

// freePorts finds a first port with those above it free that the demo listens on.
func freePorts(t *testing.T) int {
	t.Helper()
	return enginetest.FreePorts(t, 20_000, 31_000, exercisePort+1)
}

// await asks again until ok.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(90 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("not %s within 90 s", what)
		case <-tick.C:
		}
	}
}

// answers reports whether an address answers with a status.
func answers(url string, status int) bool {
	resp, err := http.Get(url)
	if err != nil {
		return false
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	return resp.StatusCode == status
}

func lastLine(b fmt.Stringer) string {
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	return lines[len(lines)-1]
}

// rows lists what the hub says of its forms: state and deliveries, by id.
func rows(t *testing.T, dir string) map[string]string {
	t.Helper()
	p := start(t, "deliveries", "list", "--config", dir, "--limit", "10000")
	if code := p.finish(t); code != 0 {
		t.Fatalf("deliveries list: exit %d: %s", code, p.errs.String())
	}
	listed := map[string]string{}
	for _, line := range strings.Split(strings.TrimSpace(p.out.String()), "\n")[1:] {
		id, rest, _ := strings.Cut(line, " ")
		listed[id] = rest
	}
	return listed
}

func settled(listed map[string]string) bool {
	for _, row := range listed {
		if !strings.Contains(row, "COMPLETED") && !strings.Contains(row, "HELD") {
			return false
		}
	}
	return true
}
