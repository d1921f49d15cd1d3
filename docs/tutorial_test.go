package docs

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestTheTutorialIsPlayed does all that the tutorial has a newcomer do, in order, with the
// files and the commands that it shows, against a demo that runs; and then looks at the
// citizen's page, as the tutorial has her do in a browser.
func TestTheTutorialIsPlayed(t *testing.T) {
	t.Parallel()
	p := newPlayer(t, "sv/forsta-integrationen.md")
	for _, b := range p.blocks {
		p.play(b)
	}
	if p.ran < 20 {
		t.Errorf("only %d commands were run", p.ran)
	}
	if page := p.citizenSees("Testperson 8"); !strings.Contains(page, "Felanmälan gata och park") {
		t.Errorf("she sees\n%s", page)
	}
}

// A player is a newcomer who does as a page says.
type player struct {
	*testing.T
	binary, dir string
	port        int // the first of the ports, which a page calls 8700
	blocks      []block
	demo        *exec.Cmd
	forms       map[string]string // what the page calls a form: what it is called here
	ran         int
}

var shownPort = regexp.MustCompile(`127\.0\.0\.1:87(\d\d)`)

func newPlayer(t *testing.T, page string) *player {
	t.Helper()
	for _, tool := range []string{"sh", "curl"} {
		_, err := exec.LookPath(tool)
		switch {
		case err == nil:
		case os.Getenv("CI") != "":
			t.Fatalf("the page uses %s, which is not here, and CI must have it", tool)
		default:
			t.Skipf("the page uses %s, which is not here", tool)
		}
	}
	p := &player{T: t, binary: built(t), dir: filepath.Join(t.TempDir(), "kept"), forms: map[string]string{}}
	p.port, _ = strconv.Atoi(freePorts(t))
	text := shownPort.ReplaceAllStringFunc(read(t, page), func(shown string) string {
		above, _ := strconv.Atoi(shown[len(shown)-2:])
		return fmt.Sprintf("127.0.0.1:%d", p.port+above)
	})
	p.blocks = blocksOf(page, strings.ReplaceAll(text, "/tmp/knutpunkt", p.dir))
	t.Cleanup(p.stopDemo)
	return p
}

// play writes the file, makes the change or runs the commands that a block shows.
func (p *player) play(b block) {
	p.Helper()
	appended, isAppended := strings.CutPrefix(b.above, "Lägg till sist i `")
	changed, isChanged := strings.CutPrefix(b.above, "Ändra i `")
	switch {
	case b.lang == "console":
		for _, c := range commandsOf(b.text) {
			p.ran++
			p.do(b, c)
		}
	case isAppended:
		appended = filepath.Join(p.dir, strings.TrimSuffix(appended, "`:"))
		p.write(appended, read(p.T, appended)+b.text)
	case isChanged:
		p.change(filepath.Join(p.dir, strings.TrimSuffix(changed, "`:")), b)
	case b.file != "":
		p.write(filepath.Join(p.dir, b.file), b.text)
	}
}

func (p *player) write(file, text string) {
	p.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		p.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		p.Fatal(err)
	}
}

// change puts the lines that a block adds in the place of those that it takes away.
func (p *player) change(file string, b block) {
	p.Helper()
	var old, changed strings.Builder
	for line := range strings.Lines(b.text) {
		if line[0] == '-' {
			old.WriteString(line[1:])
		} else {
			changed.WriteString(line[1:])
		}
	}
	text := read(p.T, file)
	if strings.Count(text, old.String()) != 1 {
		p.Fatalf("%s:%d: the file does not hold, once,\n%s", b.page, b.line, old.String())
	}
	p.write(file, strings.Replace(text, old.String(), changed.String(), 1))
}

// do runs a command until it says what the page shows: one that only looks is run again,
// since what it looks for may be on its way.
func (p *player) do(b block, c command) {
	p.Helper()
	if strings.HasPrefix(c.line, "knutpunkt demo ") {
		p.startDemo(b, c)
		return
	}
	ctx, cancel := context.WithTimeout(p.Context(), time.Minute)
	defer cancel()
	again := time.NewTicker(100 * time.Millisecond) // so that the hub gets to work, too
	defer again.Stop()
	for ; ; <-again.C {
		cmd := exec.Command("sh", "-c", p.withForms(c.line))
		cmd.Dir, cmd.Env = p.dir, append(os.Environ(), "PATH="+filepath.Dir(p.binary)+":"+os.Getenv("PATH"))
		said, _ := cmd.CombinedOutput()
		code := cmd.ProcessState.ExitCode()
		if code == c.exits && p.matches(c.shown, string(said)) {
			return
		}
		if ctx.Err() != nil || !looks(c.line) {
			p.Fatalf("%s:%d: %s exits with %d and says\n%s\nand the page shows\n%s", b.page, b.line, c.line, code, said, c.shown)
		}
	}
}

// looks reports whether a command changes nothing.
func looks(line string) bool {
	return strings.HasPrefix(line, "knutpunkt deliveries show") ||
		strings.HasPrefix(line, "curl") && !strings.Contains(line, "--data") && !strings.Contains(line, "-o ")
}

var formID = regexp.MustCompile(`\b01[0-9A-HJKMNP-TV-Z]{24}\b`)

// withForms calls the forms of a page what they are called here.
func (p *player) withForms(text string) string {
	return formID.ReplaceAllStringFunc(text, func(id string) string {
		if known, is := p.forms[id]; is {
			return known
		}
		return id
	})
}

// matches reports whether a command says what the page shows, and learns what the forms that
// the page names for the first time are called here.
func (p *player) matches(shown, said string) bool {
	var fresh []string
	want := formID.ReplaceAllStringFunc(shown, func(id string) string {
		if known, is := p.forms[id]; is {
			return known
		}
		fresh = append(fresh, id)
		return "FORM"
	})
	m := regexp.MustCompile(strings.ReplaceAll(pattern(want).String(), "FORM", `(\w{26})`)).FindStringSubmatch(said)
	for i, id := range fresh {
		if m != nil {
			p.forms[id] = m[i+1]
		}
	}
	return m != nil
}

// startDemo starts the demo anew, and waits until it has said what the page shows.
func (p *player) startDemo(b block, c command) {
	p.Helper()
	p.stopDemo()
	ready := make(chan struct{})
	said := &transcript{want: pattern(c.shown), enough: func() { close(ready) }}
	p.demo = exec.Command(p.binary, append(c.args[1:], "--port", fmt.Sprint(p.port))...)
	p.demo.Stdout, p.demo.Stderr = said, said
	if err := p.demo.Start(); err != nil {
		p.Fatal(err)
	}
	select {
	case <-ready:
	case <-time.After(30 * time.Second):
		p.Fatalf("%s:%d: %s does not say\n%s\nbut\n%s", b.page, b.line, c.line, c.shown, said)
	}
}

// stopDemo is the Ctrl-C of the page.
func (p *player) stopDemo() {
	if p.demo != nil {
		p.demo.Process.Signal(syscall.SIGINT)
		p.demo.Wait()
		p.demo = nil
	}
}

// citizenSees logs in with the demo's e-ID, and gives what she then reads.
func (p *player) citizenSees(name string) string {
	p.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		p.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	get := func(resp *http.Response, err error) (*url.URL, string) {
		p.Helper()
		if err != nil {
			p.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			p.Fatalf("status %d: %v", resp.StatusCode, err)
		}
		return resp.Request.URL, string(text)
	}
	asked, page := get(browser.Get(fmt.Sprintf("http://127.0.0.1:%d/login?to=/mina-arenden", p.port)))
	choice := regexp.MustCompile(`value="(\d+)"[^>]*> <span><strong>` + name + `\b`).FindStringSubmatch(page)
	if choice == nil {
		p.Fatalf("nobody can be %s:\n%s", name, page)
	}
	_, page = get(browser.PostForm(asked.String(), url.Values{"person": {choice[1]}, "level": {"http://id.elegnamnden.se/loa/1.0/loa3"}}))
	return page
}
