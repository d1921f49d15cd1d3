package verbs

import (
	"bufio"
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/oep/oepsim"
	"github.com/knutpunkt/knutpunkt/hub"
)

// The crash matrix: docs/crash-matrix.md names what each of these exercises. The hub is
// the chaos build, which kills itself where it is told to.

// A crash is one point to die at, once, and what must be so afterwards.
type crash struct {
	name  string
	why   string
	at    string // the failpoint
	goes  string // the service, which is called after the system that it goes to
	saw   int    // documents that the system had when the hub died
	posts int    // documents that it had in the end
	cases int    // cases that it made of them
	ends  hub.State
}

var onTheWayIn = []crash{
	{"K1", "nothing of it was read", "in-headers@POST:1:kill", "kept", 0, 1, 1, hub.Delivered},
	{"K2", "half of it was read", "in-half@POST:1:kill", "kept", 0, 1, 1, hub.Delivered},
	{"K3", "its files are on disk and nothing knows of them", "before-receive:1:kill", "kept", 0, 1, 1, hub.Delivered},
	{"K5", "it is on disk and nobody has been told", "after-receive:1:kill", "kept", 0, 1, 1, hub.Delivered},
	{"K6", "it is answered and nobody has been woken", "before-wake:1+:error,before-apply-Planned:1+:sleep=1m,in-answered@POST:1:kill", "kept", 0, 1, 1, hub.Delivered},
	{"K7", "it is answered and the wake is lost with memory", "before-apply-Planned:1+:sleep=1m,in-answered@POST:1:kill", "kept", 0, 1, 1, hub.Delivered},
	{"K11 before", "it is not planned", "before-apply-Planned:1:kill", "chain", 0, 1, 1, hub.Delivered},
	{"K11 after", "it is planned, for both systems", "after-apply-Planned:1:kill", "chain", 0, 1, 1, hub.Delivered},
}

var onTheWayOut = []crash{
	{"K12 idempotent", "claimed, without an attempt row", "before-apply-Started:1:kill", "kept", 0, 1, 1, hub.Delivered},
	{"K12 lookup", "claimed, without an attempt row", "before-apply-Started:1:kill", "asked", 0, 1, 1, hub.Delivered},
	{"K12 blind", "claimed, without an attempt row", "before-apply-Started:1:kill", "forgot", 0, 1, 1, hub.Delivered},
	{"K13 idempotent", "an attempt row and no connection", "after-apply-Started:1:kill", "kept", 0, 1, 1, hub.Delivered},
	{"K13 lookup", "an attempt row and no connection", "after-apply-Started:1:kill", "asked", 0, 1, 1, hub.Delivered},
	{"K13 blind", "an attempt row and not on the wire: it never left", "after-apply-Started:1:kill", "forgot", 0, 1, 1, hub.Delivered},
	{"K13 blind, on the wire", "nobody can know whether it left", "after-apply-OnWire:1:kill", "forgot", 0, 0, 0, hub.Held},
	{"K14 idempotent", "the system has half a document", "out-half@POST:1:kill", "kept", 0, 1, 1, hub.Delivered},
	{"K14 lookup", "the system has half a document", "out-half@POST:1:kill", "asked", 0, 1, 1, hub.Delivered},
	{"K14 blind", "the system has half a document", "out-half@POST:1:kill", "forgot", 0, 0, 0, hub.Held},
	{"K15 idempotent", "the system has the case and has begun to say so", "out-answering@POST:1:kill", "kept", 1, 2, 1, hub.Delivered},
	{"K15 lookup", "the system has the case and has begun to say so", "out-answering@POST:1:kill", "asked", 1, 1, 1, hub.Delivered},
	{"K15 blind", "the system has the case and has begun to say so", "out-answering@POST:1:kill", "forgot", 1, 1, 1, hub.Held},
	{"K16 idempotent", "the answer is half read", "out-answered@POST:1:kill", "kept", 1, 2, 1, hub.Delivered},
	{"K16 lookup", "the answer is half read", "out-answered@POST:1:kill", "asked", 1, 1, 1, hub.Delivered},
	{"K16 blind", "the answer is half read", "out-answered@POST:1:kill", "forgot", 1, 1, 1, hub.Held},
	{"K17 idempotent", "the receipt is in memory alone", "before-apply-Answered:1:kill", "kept", 1, 2, 1, hub.Delivered},
	{"K17 lookup", "the receipt is in memory alone", "before-apply-Answered:1:kill", "asked", 1, 1, 1, hub.Delivered},
	{"K17 blind", "the receipt is in memory alone", "before-apply-Answered:1:kill", "forgot", 1, 1, 1, hub.Held},
	{"K18", "the receipt is on disk and who waits for it is not woken", "after-apply-Answered:1:kill", "chain", 1, 1, 1, hub.Delivered},
	{"K29 idempotent", "the case is made and the files are not there", "out-connected@/files/:1:kill", "kept", 1, 2, 1, hub.Delivered},
	{"K29 lookup", "the case is made and the files are not there", "out-connected@/files/:1:kill", "asked", 1, 1, 1, hub.Delivered},
	{"K29 blind", "the case is made and the files are not there", "out-connected@/files/:1:kill", "forgot", 1, 1, 1, hub.Held},
}

// TestKilledOnTheWayIn kills the hub between the first byte of a form and its deliveries
// (K1 to K7, K11): whoever got a 202 need do nothing more, and whoever did not posts
// again and is received once.
func TestKilledOnTheWayIn(t *testing.T) {
	for _, c := range onTheWayIn {
		t.Run(c.name, func(t *testing.T) { t.Parallel(); c.run(t) })
	}
}

// TestKilledOnTheWayOut kills the hub between the claim of a delivery and its receipt
// (K12 to K18, K29), at each level.
func TestKilledOnTheWayOut(t *testing.T) {
	for _, c := range onTheWayOut {
		t.Run(c.name, func(t *testing.T) { t.Parallel(); c.run(t) })
	}
}

func (c crash) run(t *testing.T) {
	s := newSite(t)
	system := c.goes
	if system == "chain" {
		system = "asked"
	}
	hubNow := s.serve("KNUTPUNKT_FAILPOINT=" + c.at)
	first := s.post(c.goes, "form-0001")
	hubNow.killed(t)
	if posts, _, _ := s.desk.total(system); posts != c.saw {
		t.Errorf("%s: the system had %d documents when the hub died, want %d", c.why, posts, c.saw)
	}
	hubNow = s.serve()
	again := s.accepted(c.goes, "form-0001")
	if first.status == http.StatusAccepted && (again.ID != first.ID || !again.Received.Equal(first.Received) || !again.replayed) {
		t.Errorf("posted again it is %v, replayed %v, and was %v", again.ID, again.replayed, first.ID)
	}
	states := []hub.State{c.ends}
	if c.ends == hub.Delivered {
		states = append(states, hub.Confirmed)
	}
	s.eventually("settled", func() bool { return s.isAt(again.ID, states...) })
	if posts, _, cases := s.desk.total(system); posts != c.posts || cases != c.cases {
		t.Errorf("%s: the system got %d documents and has %d cases of them, want %d and %d", c.why, posts, cases, c.posts, c.cases)
	}
	if s.desk.differs() {
		t.Error("the same delivery was sent with other bytes")
	}
	for _, d := range s.look(again.ID).Deliveries {
		if d.State == hub.Held && d.Reason != hub.ReasonUnclear {
			t.Errorf("held as %s, want unclear", d.Reason)
		}
	}
	if n := s.told(hub.Inkommet); n != 1 {
		t.Errorf("the citizen was told %d times that the form came in", n)
	}
	hubNow.stops(t)
}

// A form that waits for a register asks again until what it said is on disk (K8 to K10).
// However often the process dies meanwhile, it is no fault of the form.
func TestKilledAtTheRegister(t *testing.T) {
	for _, c := range []struct {
		name, at string
		deaths   int
		asked    int
	}{
		{"K8", "before-lookup:1:kill", hub.MaxCrashes + 1, 1},
		{"K9", "after-lookup:1:kill", hub.MaxCrashes + 1, hub.MaxCrashes + 2},
		{"K10", "after-apply-Looking:1:kill", 1, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			for range c.deaths {
				hubNow := s.serve("KNUTPUNKT_FAILPOINT=" + c.at)
				s.post("person", "form-0001")
				hubNow.killed(t)
			}
			hubNow := s.serve()
			again := s.accepted("person", "form-0001")
			s.eventually("delivered", func() bool { return s.isAt(again.ID, hub.Delivered) })
			if n := len(s.navet.Ledger()); n != c.asked {
				t.Errorf("the register was asked %d times, want %d", n, c.asked)
			}
			hubNow.stops(t)
		})
	}
}

// What a system tells is taken in once, whatever it repeats (K19, K20), and whoever
// follows a case goes on from where she was (K21).
func TestKilledWhileASystemTells(t *testing.T) {
	for _, c := range []struct{ name, at string }{
		{"K19", "before-report@kept:1:kill"}, {"K20", "after-report@kept:1:kill"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			hubNow := s.serve("KNUTPUNKT_FAILPOINT=" + c.at)
			form := s.accepted("kept", "form-0001")
			s.eventually("delivered", func() bool { return s.isAt(form.ID, hub.Delivered) })
			last := s.follow(form.ID, "", hub.Registrerat)
			s.desk.move(hub.KeyOf(form.ID, "kept"), "öppet")
			hubNow.killed(t)
			hubNow = s.serve()
			s.follow(form.ID, last, hub.UnderHandlaggning)
			if n := s.told(hub.UnderHandlaggning); n != 1 {
				t.Errorf("it is told %d times", n)
			}
			hubNow.stops(t)
		})
	}
}

// follow reads the stream of a case after a line, until a Step comes, and gives the id
// of its line. No line may come twice.
func (s *site) follow(id hub.ID, after string, until hub.Step) (last string) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 30*time.Second)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, s.url("v1/submissions/"+string(id)+"/events"), nil)
	req.Header.Set("Authorization", "Bearer "+s.secret)
	if after != "" {
		req.Header.Set("Last-Event-ID", after)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.Fatal(err)
	}
	defer resp.Body.Close()
	seen := map[string]bool{after: true}
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if n, is := strings.CutPrefix(lines.Text(), "id:"); is {
			if last = strings.TrimSpace(n); seen[last] {
				s.Errorf("line %s comes twice", last)
			}
			seen[last] = true
		}
		if strings.HasPrefix(lines.Text(), "data:") && strings.Contains(lines.Text(), `"`+string(until)+`"`) {
			return last
		}
	}
	s.Fatalf("the stream ends before it tells %s", until)
	return ""
}

// The platform is told once more of what nobody remembers that it was told, and knows
// that it has heard it (K22).
func TestKilledAfterThePlatformWasTold(t *testing.T) {
	t.Parallel()
	o := demoOptions{dir: t.TempDir(), port: freePorts(t)}
	if _, err := o.stage(); err != nil {
		t.Fatal(err)
	}
	sims, err := openSimulators(o.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer sims.close()
	if err := sims.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := &site{T: t, dir: o.dir, base: o.port}
	hubNow := s.serve("KNUTPUNKT_FAILPOINT=after-tell@oep:1:kill")
	if _, err := sims.submit(t.Context(), oepsim.Fill(oepsim.Preschool, 1, time.Now())); err != nil {
		t.Fatal(err)
	}
	hubNow.killed(t)
	hubNow = s.serve()
	count := func(what oepsim.What) (n int) {
		for _, e := range sims.platform.Ledger() {
			if e.What == what {
				n++
			}
		}
		return n
	}
	s.eventually("told again", func() bool { return count(oepsim.Repeated) > 0 })
	if count(oepsim.StatusSet)+count(oepsim.Confirmed) == 0 {
		t.Error("what was repeated had never been said")
	}
	hubNow.stops(t)
}

// A schema that was half changed when the process died is changed whole at the next
// start (K25).
func TestKilledWhileTheSchemaIsChanged(t *testing.T) {
	for _, at := range []string{"pwrite64:signal=SIGKILL:when=1", "pwrite64:signal=SIGKILL:when=40", "fsync:signal=SIGKILL:when=2"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.traced("data/knutpunkt.db-wal", at).killed(t)
			hubNow := s.serve()
			s.accepted("kept", "form-0001")
			hubNow.stops(t)
		})
	}
}

// A form that arrives while the disk is being written is received once, whatever of it
// had come to the disk (K3, K4).
func TestKilledWhileTheDiskIsWritten(t *testing.T) {
	for _, c := range []struct{ name, file, at string }{
		{"K3", "data/knutpunkt.db.files", "fsync:signal=SIGKILL:when=1"},
		{"K4 before the log is written", "data/knutpunkt.db-wal", "pwrite64:signal=SIGKILL:when=1"},
		{"K4 in the middle of it", "data/knutpunkt.db-wal", "pwrite64:signal=SIGKILL:when=9"},
		{"K4 before it is durable", "data/knutpunkt.db-wal", "fsync:signal=SIGKILL:when=1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			hubNow := s.serve()
			s.trace(hubNow, c.file, c.at)
			large := strings.Repeat("text ", 60_000) // its original becomes a file
			first := s.postText("kept", "form-0001", large)
			hubNow.killed(t)
			hubNow = s.serve()
			var again answered
			await(t, "accepted", func() bool {
				again = s.postText("kept", "form-0001", large)
				return again.status == http.StatusAccepted
			})
			if first.status == http.StatusAccepted && first.ID != again.ID {
				t.Errorf("it was %s and is %s", first.ID, again.ID)
			}
			s.eventually("delivered", func() bool { return s.isAt(again.ID, hub.Delivered, hub.Confirmed) })
			if _, _, cases := s.desk.total("kept"); cases != 1 || s.told(hub.Inkommet) != 1 {
				t.Errorf("%d cases of one form, which came in %d times", cases, s.told(hub.Inkommet))
			}
			if left, _ := filepath.Glob(filepath.Join(s.dir, "data", "knutpunkt.db.files", "*.part")); len(left) > 0 {
				t.Errorf("%d half files are left", len(left))
			}
			hubNow.stops(t)
		})
	}
}

// A delivery keeps the configuration that it was planned with, also when the process
// dies while a new one is taken into use (K26).
func TestKilledWhileTheConfigurationIsChanged(t *testing.T) {
	for _, at := range []string{"before-bundle:2:kill", "after-bundle:2:kill"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.desk.answers("kept", http.StatusServiceUnavailable)
			hubNow := s.serve("KNUTPUNKT_FAILPOINT=" + at)
			form := s.accepted("kept", "form-0001")
			s.eventually("tried", func() bool { posts, _, _ := s.desk.total("kept"); return posts > 0 })
			s.write("routes/karlskrona/kept.yaml", strings.Replace(siteFiles["routes/karlskrona/kept.yaml"], "title: Ett", "title: Två", 1))
			hubNow.Process.Signal(syscall.SIGHUP)
			hubNow.killed(t)
			hubNow = s.serve()
			s.desk.answers("kept", 0)
			s.eventually("delivered", func() bool { return s.isAt(form.ID, hub.Delivered) })
			if s.desk.differs() {
				t.Error("it was delivered by the new configuration")
			}
			hubNow.stops(t)
		})
	}
}

// A stop that takes too long is cut short, and what was under way is a don't know (K27).
func TestKilledWhileItStops(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	hubNow := s.serve()
	form, release := s.underWay("asked")
	hubNow.Process.Signal(syscall.SIGTERM)
	await(t, "stopping", func() bool { return s.get("readyz", s.base+1) != http.StatusOK })
	hubNow.end(syscall.SIGKILL)
	release()
	hubNow = s.serve()
	s.eventually("delivered", func() bool { return s.isAt(form.ID, hub.Delivered) })
	if posts, _, cases := s.desk.total("asked"); posts != 1 || cases != 1 {
		t.Errorf("%d documents and %d cases of one form", posts, cases)
	}
	hubNow.stops(t)
}

// Content that takes the process with it each time is held, and the others are delivered
// (K28).
func TestContentThatKillsTheProcess(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	hubNow := s.serve("KNUTPUNKT_FAILPOINT=before-apply-Planned:1:kill")
	s.post("kept", "form-0001")
	hubNow.killed(t)
	id := s.first()
	deadly := "KNUTPUNKT_FAILPOINT=after-submission@" + string(id) + ":1:kill" // as it is decoded
	for deaths := 1; ; deaths++ {
		hubNow = s.serve(deadly)
		await(t, "dead or held", func() bool { return hubNow.isOver() || s.row(id, hub.Key(id)).State == hub.Held })
		if !hubNow.isOver() {
			break
		}
		if deaths > hub.MaxCrashes {
			t.Fatalf("it takes the process with it for the %dth time", deaths+1)
		}
	}
	other := s.accepted("kept", "form-0002")
	s.eventually("delivered", func() bool { return s.isAt(other.ID, hub.Delivered) })
	if reason := s.row(id, hub.Key(id)).Reason; reason != hub.ReasonCrashLoop {
		t.Errorf("held as %s", reason)
	}
	hubNow.stops(t)
}

// Who only stood beside when the process died, however often, is no suspect for long.
func TestRestartsHoldNobody(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.desk.answers("kept", http.StatusServiceUnavailable)
	hubNow := s.serve()
	var forms []hub.ID
	for _, key := range []string{"form-0001", "form-0002", "form-0003"} {
		id := s.accepted("kept", key).ID
		await(t, "planned", func() bool { return s.isAt(id, hub.Ready, hub.RetryWait) })
		forms = append(forms, id)
	}
	hubNow.end(syscall.SIGKILL)
	s.desk.answers("kept", 0)
	for range 2 * hub.MaxCrashes {
		s.skip(time.Hour) // all of them are due
		s.serve("KNUTPUNKT_FAILPOINT=after-claim-deliveries@kept:1:kill").killed(t)
	}
	s.skip(time.Hour)
	hubNow = s.serve()
	for _, id := range forms {
		s.eventually("delivered", func() bool { return s.isAt(id, hub.Delivered) })
	}
	hubNow.stops(t)
}

// first gives the only form that the hub knows.
func (s *site) first() hub.ID {
	s.Helper()
	store, leave := s.beside()
	defer leave()
	lines, err := store.List(s.Context(), hub.AsHub(), hub.Filter{})
	if err != nil || len(lines) != 1 {
		s.Fatalf("the hub knows %d forms, %v", len(lines), err)
	}
	return lines[0].Submission.Submission
}
