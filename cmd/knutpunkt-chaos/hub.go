package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A hub is a process that is put through it all, one run of it after the other. Where there
// are several they are replicas of each other: one installation, each at addresses of its own.
type hub struct {
	name    string
	in      *installation
	at      addresses
	command []string // the binary, after whatever watches it
	env     []string
	logs    string // the folder of what it wrote on its two streams

	mu      sync.Mutex
	process *exec.Cmd
	gone    chan struct{} // closed when the process is
	boot    string        // by which the process has things in hand; "" where that is not looked for
	runs    int
	blows   []blow
}

// A blow is something that was done to the hub, or with it; or to what it stands on.
type blow struct {
	At   time.Time `json:"at"`
	To   string    `json:"to"`   // the replica, or the engine
	What string    `json:"what"` // start, ready, kill, stop (asked to), stopped (did so), pause, continue
	Why  string    `json:"why,omitempty"`
	Exit int       `json:"exit,omitempty"` // of stopped
}

// readyWithin is how long a start may take, on a machine with much else to do.
const readyWithin = 30 * time.Second

// start runs the hub and waits until it says that it is ready.
func (h *hub) start(ctx context.Context) error {
	h.mu.Lock()
	if h.process != nil {
		h.mu.Unlock()
		return nil
	}
	err := h.launch()
	gone := h.gone
	h.mu.Unlock()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for {
		if h.ready(ctx) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.note("ready", "", 0)
			return nil
		}
		select {
		case <-gone:
			return fmt.Errorf("the hub ended by itself; see %s", h.logs)
		case <-ctx.Done():
			return fmt.Errorf("the hub was not ready within %v; see %s", readyWithin, h.logs)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (h *hub) launch() error {
	h.runs++
	log, err := os.OpenFile(filepath.Join(h.logs, fmt.Sprintf("%s-%03d.log", h.name, h.runs)), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() // the process has its own
	args := append(h.command[1:len(h.command):len(h.command)], "serve", "--config", h.in.dir)
	p := exec.Command(h.command[0], args...)
	p.Stdout, p.Stderr = log, log
	p.Env = append(os.Environ(), "TMPDIR="+filepath.Join(h.in.dir, "tmp"))
	p.Env = append(p.Env, "KNUTPUNKT_LISTEN="+h.at.listen, "KNUTPUNKT_OPERATOR="+h.at.operator)
	p.Env = append(p.Env, h.env...)
	p.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is ours to hand on
	if err := p.Start(); err != nil {
		return fmt.Errorf("start the hub: %w", err)
	}
	gone := make(chan struct{})
	go func() { p.Wait(); close(gone) }()
	h.process, h.gone, h.boot = p, gone, ""
	h.note("start", "", 0)
	return nil
}

func (h *hub) note(what, why string, exit int) {
	h.blows = append(h.blows, blow{time.Now(), h.name, what, why, exit})
}

// ready reports whether the hub says that it is.
func (h *hub) ready(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+h.at.operator+"/readyz", nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// kill ends the process at once, whatever it is doing, and reports whether there was one.
func (h *hub) kill(why string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.process == nil {
		return false
	}
	h.note("kill", why, 0)
	h.signal(syscall.SIGKILL)
	<-h.gone
	h.process = nil
	return true
}

// signal reaches the process and whatever watches it.
func (h *hub) signal(s syscall.Signal) {
	if err := syscall.Kill(-h.process.Process.Pid, s); errors.Is(err, syscall.ESRCH) {
		h.process.Process.Signal(s)
	}
}

// terminate asks the process to stop, and kills it when it has not within patience.
func (h *hub) terminate(patience time.Duration) (clean bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.process == nil {
		return false
	}
	h.note("stop", "", 0)
	h.signal(syscall.SIGTERM)
	select {
	case <-h.gone:
	case <-time.After(patience):
		h.note("kill", "it did not stop", 0)
		h.signal(syscall.SIGKILL)
		<-h.gone
		h.process = nil
		return false
	}
	exit := h.process.ProcessState.ExitCode()
	h.note("stopped", "", exit)
	h.process = nil
	return exit == 0
}

// pause stops the process in the middle of whatever it does, for a while.
func (h *hub) pause(ctx context.Context, d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.process == nil {
		return
	}
	h.note("pause", "", 0)
	h.signal(syscall.SIGSTOP)
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
	h.signal(syscall.SIGCONT)
	h.note("continue", "", 0)
}

// known notes by what name the process that runs now has things in hand.
func (h *hub) known(boot string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.boot = boot
}

// hand gives by what name the process that was started last has things in hand, "" when nobody knows.
func (h *hub) hand() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.boot
}

// pid gives the process that runs now, 0 for none.
func (h *hub) pid() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.process == nil {
		return 0
	}
	return h.process.Process.Pid
}

// history gives what was done to the hub, oldest first.
func (h *hub) history() []blow {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]blow(nil), h.blows...)
}

// history gives what was done to all of the replicas, and to what they stand on, oldest first.
func (s *stage) history() (all []blow) {
	for _, h := range s.hubs {
		all = append(all, h.history()...)
	}
	all = append(all, s.struck...)
	slices.SortStableFunc(all, func(a, b blow) int { return a.At.Compare(b.At) })
	return all
}

// deaths gives when processes ended without having been asked to.
func deaths(history []blow) (at []time.Time) {
	for _, b := range history {
		if b.What == "kill" {
			at = append(at, b.At)
		}
	}
	return at
}

// build makes the binary of the working tree.
func build(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "knutpunkt")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", path, "github.com/knutpunkt/knutpunkt/cmd/knutpunkt")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build knutpunkt: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return path, nil
}
