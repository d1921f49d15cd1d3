package docs

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub/enginetest"
)

// TestCommandsDoAsShown runs every knutpunkt that the README and the guide show, and
// holds what it says against what is shown. What `make` does is not run again here.
func TestCommandsDoAsShown(t *testing.T) {
	t.Parallel()
	binary := built(t)
	for page, dir := range map[string]string{
		"../README.md": "..", "sv/route.md": onDisk(t), "sv/mappning.md": onDisk(t), "sv/drift.md": t.TempDir(),
	} {
		kept := filepath.Join(t.TempDir(), "kept")
		var onPostgres []command // which come last: then all of it is in PostgreSQL
		for _, b := range blocksOf(page, read(t, page)) {
			if b.lang != "console" {
				continue
			}
			for _, c := range commandsOf(strings.ReplaceAll(b.text, "/tmp/knutpunkt", kept)) {
				if strings.Contains(c.line, shownDatabase) {
					onPostgres = append(onPostgres, c)
					continue
				}
				c.run(t, binary, dir)
			}
		}
		if len(onPostgres) > 0 {
			t.Run("on PostgreSQL", func(t *testing.T) {
				database := enginetest.Postgres(t)
				for _, c := range onPostgres {
					c.on(database).run(t, binary, dir)
				}
			})
		}
	}
}

// shownDatabase is the address that the guide shows.
const shownDatabase = "postgres://knutpunkt@db.exempelby.example/knutpunkt?sslmode=verify-full"

// on gives the command on a database that is there.
func (c command) on(database string) command {
	c.args = slices.Clone(c.args)
	for i, arg := range c.args {
		c.args[i] = strings.ReplaceAll(arg, shownDatabase, database)
	}
	return c
}

// TestMain takes away what the tests have built.
func TestMain(m *testing.M) {
	code := m.Run()
	os.RemoveAll(buildFolder)
	os.Exit(code)
}

var buildFolder = filepath.Join(os.TempDir(), fmt.Sprintf("knutpunkt-docs-%d", os.Getpid()))

var build = sync.OnceValue(func() error {
	if err := os.MkdirAll(buildFolder, 0o700); err != nil {
		return err
	}
	out, err := exec.Command("go", "build", "-o", filepath.Join(buildFolder, "knutpunkt"), "../cmd/knutpunkt").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
})

// built gives the program, built once for all tests.
func built(t *testing.T) string {
	t.Helper()
	if err := build(); err != nil {
		t.Fatalf("build: %v", err)
	}
	return filepath.Join(buildFolder, "knutpunkt")
}

// onDisk writes the guide's configuration to a folder.
func onDisk(t *testing.T) string {
	dir := t.TempDir()
	for name, file := range guide(t) {
		name = filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, file.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// A command is one line that a page shows, and what the page says comes of it.
type command struct {
	line  string
	args  []string
	shown string
	exits int // with this code; a page shows one that is not 0 by an echo $? after the command
}

func commandsOf(text string) []command {
	var all []command
	for line := range strings.Lines(text) {
		switch typed, is := strings.CutPrefix(line, "$ "); {
		case typed == "echo $?\n":
			all = append(all, command{args: []string{"echo"}})
		case is:
			all = append(all, command{line: strings.TrimSpace(typed), args: words(typed)})
		case all[len(all)-1].args[0] == "echo":
			all = all[:len(all)-1]
			all[len(all)-1].exits, _ = strconv.Atoi(strings.TrimSpace(line))
		default:
			all[len(all)-1].shown += line
		}
	}
	return all
}

// words splits a line as a shell does: what stands in quotes is one word.
func words(typed string) []string {
	var all []string
	for i, part := range strings.Split(strings.TrimSpace(typed), `"`) {
		if i%2 == 1 {
			all = append(all, part)
		} else {
			all = append(all, strings.Fields(part)...)
		}
	}
	return all
}

// run runs a command in a folder until it ends, or, if it goes on, until it has said
// what is shown. The demo gets ports of its own.
func (c command) run(t *testing.T, binary, dir string) {
	t.Helper()
	if c.args[0] != "knutpunkt" {
		return
	}
	args := c.args[1:]
	if args[0] == "demo" {
		args = append(args, "--port", freePorts(t))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	said := &transcript{want: pattern(c.shown)}
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, append(os.Environ(), secretFor(args)...), said, said
	if args[0] == "serve" {
		said.enough = func() { go stopWhenReady(ctx, cmd.Process, said.operator()) }
	}
	if err := cmd.Run(); cmd.ProcessState.ExitCode() != c.exits {
		t.Errorf("%s: %v\n%s", strings.Join(c.args, " "), err, said.text.String())
	}
	if !said.met() {
		t.Errorf("%s says\n%s\nand the page shows\n%s", strings.Join(c.args, " "), said.text.String(), c.shown)
	}
}

// secretFor gives the variable with the secret of who a command is run as.
func secretFor(args []string) []string {
	as, config := slices.Index(args, "--as"), slices.Index(args, "--config")
	if as < 0 || config < 0 {
		return nil
	}
	secret, err := os.ReadFile(filepath.Join(args[config+1], "secrets", args[as+1]))
	if err != nil {
		return nil
	}
	return []string{"KNUTPUNKT_OPERATOR_SECRET=" + strings.TrimSpace(string(secret))}
}

// stopWhenReady asks a hub that serves whether it is ready, and then ends it as an
// operator would.
func stopWhenReady(ctx context.Context, serving *os.Process, operator string) {
	defer serving.Signal(syscall.SIGTERM)
	for ctx.Err() == nil {
		if answer, err := http.Get("http://" + operator + "/readyz"); err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return
			}
		}
	}
}

// pattern makes of what is shown what it allows: … is anything within a line, and alone
// on a line any lines at all.
func pattern(shown string) *regexp.Regexp {
	var p strings.Builder
	for line := range strings.Lines(shown) {
		if line == "…\n" {
			p.WriteString(`(?:.*\n)*`)
			continue
		}
		p.WriteString(strings.ReplaceAll(regexp.QuoteMeta(line), "…", ".*"))
	}
	return regexp.MustCompile("^" + p.String() + "$")
}

// A transcript is what a command says. When that is what is wanted, it has said enough.
type transcript struct {
	mu     sync.Mutex
	text   bytes.Buffer
	want   *regexp.Regexp
	enough func()
}

func (s *transcript) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text.Write(p)
	if s.enough != nil && s.want.Match(s.text.Bytes()) {
		s.enough()
		s.enough, s.want = nil, regexp.MustCompile("")
	}
	return len(p), nil
}

// String gives all that has been said.
func (s *transcript) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

var operatorAt = regexp.MustCompile(`"operator":"([^"]+)"`)

// operator finds where the operators' listener is; it is asked for while s is locked.
func (s *transcript) operator() string {
	if m := operatorAt.FindStringSubmatch(s.text.String()); m != nil {
		return m[1]
	}
	return ""
}

func (s *transcript) met() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.want.Match(s.text.Bytes())
}

// freePorts gives the first of the ports that a demo may listen on, above those of verbs' own demos.
func freePorts(t *testing.T) string {
	t.Helper()
	return strconv.Itoa(enginetest.FreePorts(t, 31_100, 31_850, 25))
}
