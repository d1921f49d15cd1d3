package verbs

import (
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
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/config"
	"github.com/knutpunkt/knutpunkt/hub/enginetest"
)

// An installation is moved while forms stream in, and its systems take their time. Whoever gets
// no answer sends again; nothing is lost and nothing is there twice, and everybody goes on from
// where she was.
func TestMoveUnderLoad(t *testing.T) {
	for _, tc := range []struct {
		name, why string
		stop      syscall.Signal
	}{
		{"stopped", "what is under way comes to its end", syscall.SIGTERM},
		{"killed", "what is under way is in dead hands", syscall.SIGKILL},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s, url := newSite(t), enginetest.Postgres(t)
			s.desk.takes(200 * time.Millisecond)
			hubNow := s.serve()
			first := s.accepted("kept", "form-0001")
			s.eventually("delivered", func() bool { return s.isAt(first.ID, hub.Delivered) })
			last := s.follow(first.ID, "", hub.Registrerat)
			number := s.row(first.ID, hub.KeyOf(first.ID, "kept")).Receipt.Number

			platform := s.streamIn("kept", "asked")
			platform.awaits(20)
			if said := runs(t, exitAgain, "move", "--config", s.dir, "--to", url, "--wait", "1ms"); !strings.Contains(said, "give the same command again") {
				t.Errorf("of a hub that is not stopped it says %q", said)
			}
			stopped := start(t, "move", "--config", s.dir, "--to", url)
			await(t, "waiting for the hub to be stopped", func() bool { return strings.Contains(stopped.out.String(), "Stop the hub now") })
			stopped.end(syscall.SIGINT)
			if code := stopped.finish(t); code != exitAgain || !strings.Contains(stopped.out.String(), "Stopped. Nothing is lost: give the same command again") {
				t.Errorf("who stops it is told %d: %s%s", code, stopped.out.String(), stopped.errs.String())
			}
			moving := start(t, "move", "--config", s.dir, "--to", url)
			await(t, "waiting for the hub to be stopped", func() bool { return strings.Contains(moving.out.String(), "Stop the hub now") })
			platform.awaits(40)
			hubNow.end(tc.stop)
			if code := moving.finish(t); code != 0 {
				t.Fatalf("exit %d: %s%s", code, moving.out.String(), moving.errs.String())
			}
			t.Log(moving.out.String())
			s.refuses("sqlite:data/knutpunkt.db", "the database has been moved")
			if said := runs(t, 1, "backup", "--config", s.dir, "--to", filepath.Join(t.TempDir(), "copy")); !strings.Contains(said, "Back up PostgreSQL instead") {
				t.Errorf("a backup of what has been moved says %q", said)
			}
			s.keepIn(url)
			hubNow = s.serve()
			platform.awaits(60)
			s.desk.move(hub.KeyOf(first.ID, "kept"), "öppet")
			s.follow(first.ID, last, hub.UnderHandlaggning)
			platform.stop()
			s.desk.takes(0)

			sent := platform.accepted()
			s.eventually("delivered", func() bool { return s.allAt(sent, hub.Delivered, hub.Confirmed) })
			for key, form := range sent {
				if again := s.accepted(form.service, key); again.ID != form.ID || !again.Received.Equal(form.Received) || !again.replayed {
					t.Errorf("%s is %s now, and was %s", key, again.ID, form.ID)
				}
				if _, cases := s.desk.count(form.service, hub.KeyOf(form.ID, form.service)); cases != 1 {
					t.Errorf("%s is at %s %d times", form.ID, form.service, cases)
				}
			}
			if now := s.row(first.ID, hub.KeyOf(first.ID, "kept")).Receipt.Number; now != number {
				t.Errorf("its number is %s, and was %s", now, number)
			}
			if s.desk.differs() {
				t.Error("the same delivery was sent with other bytes")
			}
			s.feed()
			hubNow.stops(t)
		})
	}
}

// allAt reports whether the documents of all forms are in one of the states.
func (s *site) allAt(sent map[string]sentIn, states ...hub.State) bool {
	s.Helper()
	store, leave := s.beside()
	defer leave()
	for _, form := range sent {
		c, err := store.CaseOf(s.Context(), hub.AsHub(), form.ID)
		if err != nil {
			s.Fatalf("%s was answered with 202: %v", form.ID, err)
		}
		if p := c.Find(hub.KeyOf(form.ID, form.service)); p == nil || !slices.Contains(states, p.State) {
			return false
		}
	}
	return true
}

// keepIn has the next hub keep everything in a PostgreSQL database.
func (s *site) keepIn(url string) {
	s.write("knutpunkt.yaml", strings.Replace(read(filepath.Join(s.dir, "knutpunkt.yaml")), "sqlite:data/knutpunkt.db", url, 1))
}

// refuses has a hub refuse to start on a store, and say why.
func (s *site) refuses(store, why string) {
	s.Helper()
	if said := runs(s.T, 1, "serve", "--config", s.dir, "--store", strings.Replace(store, "sqlite:data", "sqlite:"+s.dir+"/data", 1)); !strings.Contains(said, why) {
		s.Errorf("a hub on %s says %q, want %q", store, said, why)
	}
}

// isDiagnosed has doctor say what is wrong with a store.
func (s *site) isDiagnosed(store, wrong string) {
	s.Helper()
	cmd := exec.Command(binary, "doctor", "--config", s.dir)
	cmd.Env = append(os.Environ(), "KNUTPUNKT_STORE="+store)
	p := startCommand(s.T, cmd)
	if code := p.finish(s.T); code != exitFailed || !strings.Contains(p.out.String(), wrong) {
		s.Errorf("doctor exits %d and says\n%s\nwant %q", code, p.out.String(), wrong)
	}
}

// A platform sends forms in, one after another, and each again until it is accepted.
type platform struct {
	s    *site
	over chan struct{}
	done sync.WaitGroup

	mu    sync.Mutex
	forms map[string]sentIn
}

type sentIn struct {
	answered
	service string
}

// streamIn has a platform send forms to some services until it is stopped.
func (s *site) streamIn(services ...string) *platform {
	p := &platform{s: s, over: make(chan struct{}), forms: map[string]sentIn{}}
	for _, service := range services {
		p.done.Go(func() {
			for n := 0; p.send(service, fmt.Sprintf("%s-%04d", service, n)); n++ {
			}
		})
	}
	s.Cleanup(p.stop)
	return p
}

// send sends a form until it is accepted; it is false when the platform was stopped.
func (p *platform) send(service, key string) bool {
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		if a := p.s.post(service, key); a.status == http.StatusAccepted {
			p.mu.Lock()
			p.forms[key] = sentIn{a, service}
			p.mu.Unlock()
		} else if a.status != 0 && a.status < 500 {
			p.s.Errorf("%s is answered %d", key, a.status)
		} else {
			select {
			case <-p.over:
				return false
			case <-again.C:
				continue
			}
		}
		select {
		case <-p.over:
			return false
		case <-again.C:
			return true
		}
	}
}

// awaits waits until so many forms have been accepted.
func (p *platform) awaits(n int) {
	p.s.Helper()
	await(p.s.T, fmt.Sprintf("%d forms accepted", n), func() bool { return len(p.accepted()) >= n })
}

func (p *platform) accepted() map[string]sentIn {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := map[string]sentIn{}
	for key, form := range p.forms {
		all[key] = form
	}
	return all
}

func (p *platform) stop() {
	p.mu.Lock()
	select {
	case <-p.over:
	default:
		close(p.over)
	}
	p.mu.Unlock()
	p.done.Wait()
}

// A move is killed at each of its points. The same command goes on where it was, and meanwhile
// one side at the most is served.
func TestMoveKilled(t *testing.T) {
	s := newSite(t)
	hubNow := s.serve()
	var forms []hub.ID
	for n := range 5 {
		forms = append(forms, s.accepted("kept", fmt.Sprintf("form-%04d", n)).ID)
	}
	forms = append(forms, s.postText("kept", "form-large", strings.Repeat("å", 100<<10)).ID) // which is a file of its own
	hubNow.end(syscall.SIGKILL)
	runs(t, exitUsage, "move", "--config", s.dir)
	runs(t, exitUsage, "move", "--config", s.dir, "--to", "sqlite:elsewhere.db")
	if said := runs(t, 1, "move", "--config", s.dir, "--to", "postgres://knut:hemligt@127.0.0.1/knut"); !strings.Contains(said, "--to: store has a password in it") {
		t.Errorf("of a password in the address it says %q", said)
	}
	bin, err := chaosBinary()
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		at     string
		served string // and refused everywhere else
	}{
		{"before-carry-cases:1", "sqlite"}, {"after-carry-submissions:1", "sqlite"}, {"before-carry-audit:1", "sqlite"}, {"before-keep-file:1", "sqlite"},
		{"after-keep-file:1", "sqlite"}, {"before-left:1", "sqlite"}, {"after-left:1", ""}, {"before-whole:1", ""}, {"after-whole:1", "postgres"},
	} {
		t.Run(tc.at, func(t *testing.T) {
			t.Parallel()
			url, dir := enginetest.Postgres(t), filepath.Join(t.TempDir(), "data")
			if err := os.CopyFS(dir, os.DirFS(filepath.Join(s.dir, "data"))); err != nil {
				t.Fatal(err)
			}
			store := "sqlite:" + filepath.Join(dir, "knutpunkt.db")
			cmd := exec.Command(bin, "move", "--config", s.dir, "--store", store, "--to", url)
			cmd.Env = append(os.Environ(), "KNUTPUNKT_FAILPOINT="+tc.at+":kill")
			startCommand(t, cmd).killed(t)
			// Of two hubs that may not serve, each says why, and touches nothing.
			here := &site{T: t, dir: s.dir}
			if tc.served != "sqlite" {
				here.refuses(store, "the database has been moved")
			}
			if tc.served != "postgres" {
				here.refuses(url, "run knutpunkt move again")
			}
			if tc.at == "after-left:1" {
				here.isDiagnosed(store, "everything in it has been moved to "+url)
				here.isDiagnosed(url, "run knutpunkt move again")
			}
			said := runs(t, 0, "move", "--config", s.dir, "--store", store, "--to", url)
			if want := map[bool]string{true: "moved already", false: "Moved: "}[tc.served == "postgres"]; !strings.Contains(said, want) {
				t.Errorf("it says %q, want %q", said, want)
			}
			here.has(url, forms)
		})
	}
}

// has opens each form in a store, as it came.
func (s *site) has(store string, forms []hub.ID) {
	s.Helper()
	there, err := openReader(s.Context(), s.dir, []config.Override{{Key: "store", Value: store, From: "--store"}})
	if err != nil {
		s.Fatal(err)
	}
	defer there.Close()
	for _, id := range forms {
		form, err := there.Submission(s.Context(), hub.AsHub(), id)
		if err != nil {
			s.Errorf("%s: %v", id, err)
			continue
		}
		original, err := there.Open(s.Context(), hub.AsHub(), id, form.Original)
		if err == nil {
			_, err = io.Copy(io.Discard, original)
			original.Close()
		}
		if err != nil {
			s.Errorf("%s as it came: %v", id, err)
		}
	}
}
