package enginetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// A process is one server as it runs: a child of ours, or a container.
type process interface {
	// start begins it, with the folder as it was left.
	start(ctx context.Context) error

	// end sends a signal and waits until the server is no more. Of one that does not run
	// it does nothing.
	end(signal syscall.Signal) error

	// gone is closed when the server that was started last is no more.
	gone() <-chan struct{}

	// run gives what a program that comes with the server answers.
	run(ctx context.Context, program string, args ...string) ([]byte, error)

	// remove leaves nothing of it behind.
	remove() error
}

// A child is a server that is a child of this process.
type child struct {
	name    string // of the pid and log files, in dir
	dir     string // what it has
	orphan  syscall.Signal
	as      *syscall.Credential
	command func() []string
	bin     string // where its programs lie

	cmd   *exec.Cmd
	ended chan struct{}
}

func (c *child) start(context.Context) error {
	log, err := os.OpenFile(c.log(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("open the log of a server: %w", err)
	}
	defer log.Close() // the server has its own
	words := c.command()
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = c.dir, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: c.as} // Ctrl-C is ours to hand on
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", c.name, err)
	}
	ended := make(chan struct{})
	last := fmt.Sprintf("-%d %d", c.orphan, cmd.Process.Pid) // the words that the guard says to kill
	err = os.WriteFile(c.pid(), []byte(last), 0o644)
	go func() {
		cmd.Wait()
		os.Remove(c.pid())
		close(ended)
	}()
	c.cmd, c.ended = cmd, ended
	return err
}

func (c *child) log() string { return filepath.Join(c.dir, c.name+".log") }
func (c *child) pid() string { return filepath.Join(c.dir, c.name+".pid") }

func (c *child) gone() <-chan struct{} { return c.ended }

// patience is how long a server may take to end before it is made to.
const patience = 30 * time.Second

func (c *child) end(signal syscall.Signal) error {
	if c.ended == nil {
		return nil
	}
	if err := c.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", c.name, err)
	}
	select {
	case <-c.ended:
		return nil
	case <-time.After(patience):
		c.cmd.Process.Kill()
		<-c.ended
		return fmt.Errorf("stop %s: it had to be killed after %v", c.name, patience)
	}
}

func (c *child) run(ctx context.Context, program string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(c.bin, program), args...)
	cmd.Dir = c.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.as}
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil, fmt.Errorf("run %s: %w: %s", program, err, exit.Stderr)
	}
	return out, err
}

func (c *child) remove() error { return nil }

// What a guard does when the process that it watches is no more: it ends the servers in
// the folder, waits for them, and then takes the folder away, or does not. Of a container
// it leaves nothing, where there is a docker command.
const (
	leaveFolder  = `read -r _; for f in "$0"/*.pid; do [ -f "$f" ] && kill $(cat "$f"); done 2>/dev/null`
	leaveNothing = leaveFolder + `
for f in "$0"/*.pid; do while [ -f "$f" ] && kill -0 $(cut -d" " -f2 "$f"); do sleep 0.1; done; done 2>/dev/null
rm -rf "$0"`
	leaveNoContainer = `read -r _; docker rm --force --volumes "$0" >/dev/null 2>&1`
)

// guard starts a shell that does what is told when this process ends, in whatever way: it
// reads from a pipe whose other end only we have.
func guard(dir, what string) error {
	hold, mine, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("guard a server: %w", err)
	}
	defer hold.Close() // the shell has its own
	cmd := exec.Command("sh", "-c", what, dir)
	cmd.Stdin = hold
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // it outlives us, and Ctrl-C
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("guard a server: %w", err)
	}
	go func() { cmd.Wait(); mine.Close() }() // which also keeps our end of the pipe open
	return nil
}
