package verbs

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A listening is whom webhooks are sent to. It remembers by which ids.
type listening struct {
	mu  sync.Mutex
	ids []string
}

func (l *listening) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ids = append(l.ids, r.Header.Get("Webhook-Id"))
}

func (l *listening) heard() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.ids...)
}

// A system is paused, over a restart, and taken up again; and one that has lost what it was
// told is told it again, once that has been counted.
func TestSystems(t *testing.T) {
	s, l := newStaff(t), &listening{}
	receiver := httptest.NewServer(l)
	defer receiver.Close()
	s.write("secrets/hook", "whsec_"+base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32))))
	s.write("routes/karlskrona/systems.yaml", read(filepath.Join(s.dir, "routes/karlskrona/systems.yaml"))+fmt.Sprintf("hook: { connector: webhook, url: %s/, secrets: [file:secrets/hook] }\n", receiver.URL))
	s.write("routes/karlskrona/kept.yaml", strings.Replace(siteFiles["routes/karlskrona/kept.yaml"], "protected:", "tell: [hook]\nprotected:", 1))
	running := s.run()

	systems := func(who string, args ...string) (text string, code int) {
		cmd := exec.Command(binary, append(append([]string{"systems"}, args...), "--config", s.dir)...)
		if who != "" {
			cmd.Args = append(cmd.Args, "--as", who)
		}
		cmd.Env = append(os.Environ(), secretVariable+"=the-secret-of-"+who)
		p := startCommand(t, cmd)
		code = p.finish(t)
		return p.out.String() + p.errs.String(), code
	}
	must := func(want, who string, args ...string) {
		t.Helper()
		if said, code := systems(who, args...); code != 0 || !strings.Contains(said, want) {
			t.Fatalf("%s exits %d and says %s, without %q", strings.Join(args, " "), code, said, want)
		}
	}
	since := time.Now().Add(-time.Hour).In(hub.Stockholm).Format("2006-01-02 15:04")
	for _, test := range []struct {
		name, who, says string
		args            []string
	}{
		{"nobody", "", "--as NAME", []string{"pause", "karlskrona.kept", "--reason", "byte av server"}},
		{"no reason", "registrator", "--reason TEXT", []string{"pause", "karlskrona.kept"}},
		{"no system", "registrator", "Finns inte", []string{"pause", "karlskrona.faxen", "--reason", "byte av server"}},
		{"not paused", "registrator", "inte pausat", []string{"resume", "karlskrona.kept", "--reason", "klart"}},
		{"no period", "registrator", "--since says", []string{"retell", "karlskrona.hook"}},
		{"no time", "registrator", "--since is a time in Sweden", []string{"retell", "karlskrona.hook", "--since", "i går"}},
		{"who is not told", "registrator", "not-told", []string{"retell", "karlskrona.kept", "--since", since}},
	} {
		if said, code := systems(test.who, test.args...); code == 0 || !strings.Contains(said, test.says) {
			t.Errorf("%s: exits %d and says %s", test.name, code, said)
		}
	}

	must("Är pausat av registrator sedan", "registrator", "pause", "karlskrona.kept", "--reason", "byte av server")
	form := s.accepted("kept", "form-0001")
	await(t, "in turn", func() bool { return s.isAt(form.ID, hub.Ready) })
	running.stops(t)
	s.run()
	must("karlskrona.kept    rest       1        Är pausat av registrator sedan", "gruppledare", "list")
	if posts, _, _ := s.desk.total("kept"); posts != 0 {
		t.Errorf("it was called %d times", posts)
	}
	must("I bruk.", "gruppledare", "resume", "karlskrona.kept", "--reason", "bytet är klart")

	const count = "2 besked i 1 ärende, 1 kommun" // that it came in, and that it is registered
	await(t, "counted", func() bool {
		said, _ := systems("registrator", "retell", "karlskrona.hook", "--since", since)
		return strings.Contains(said, count)
	})
	if n := len(l.heard()); n != 2 {
		t.Errorf("counted, and told %d times", n)
	}
	must(count+": berättas igen.", "registrator", "retell", "karlskrona.hook", "--since", since, "--yes")
	await(t, "told again", func() bool { return len(l.heard()) == 4 })
	if ids := l.heard(); ids[0] != ids[2] || ids[1] != ids[3] || ids[0] == ids[1] || ids[0] == "" {
		t.Errorf("told by the ids %v", ids)
	}
}
