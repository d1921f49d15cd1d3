package verbs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/knutpunkt/knutpunkt/hub"
)

// staff is a site whose people decide, over the hub that runs.
type staff struct{ *site }

func newStaff(t *testing.T) staff {
	s := staff{newSite(t)}
	settings := "operators:\n"
	for name, municipalities := range map[string]string{"registrator": `["1080"]`, "gruppledare": `["*"]`} {
		s.write("secrets/"+name, "the-secret-of-"+name)
		settings += fmt.Sprintf("  %s: { municipalities: %s, secret: file:secrets/%s }\n", name, municipalities, name)
	}
	s.write("knutpunkt.yaml", read(filepath.Join(s.dir, "knutpunkt.yaml"))+settings)
	return s
}

// run starts the hub, as it is shipped.
func (s staff) run() *process {
	s.Helper()
	p := start(s.T, "serve", "--config", s.dir)
	await(s.T, "ready", func() bool { return p.isOver() || s.get("readyz", s.base+1) == 200 })
	return p
}

// says runs knutpunkt deliveries as somebody, and gives what it said and its exit code.
func (s staff) says(who string, args ...string) (text string, code int) {
	s.Helper()
	args = append([]string{"deliveries"}, append(args, "--config", s.dir)...)
	if who != "" {
		args = append(args, "--as", who)
	}
	cmd := exec.Command(binary, args...)
	cmd.Env = append(os.Environ(), secretVariable+"=the-secret-of-"+who)
	p := startCommand(s.T, cmd)
	code = p.finish(s.T)
	return p.out.String() + p.errs.String(), code
}

// must is says for what is to succeed, and say something.
func (s staff) must(want, who string, args ...string) {
	s.Helper()
	if text, code := s.says(who, args...); code != 0 || !strings.Contains(text, want) {
		s.Errorf("%s as %s exits %d and says\n%s\nwithout %q", strings.Join(args, " "), who, code, text, want)
	}
}

func (s staff) mustNot(want, who string, args ...string) {
	s.Helper()
	if text, code := s.says(who, args...); code == 0 || !strings.Contains(text, want) {
		s.Errorf("%s as %s exits %d and says\n%s\nwithout %q", strings.Join(args, " "), who, code, text, want)
	}
}

// rests posts a form that a system answers with a status, and waits until its delivery
// rests with a person.
func (s staff) rests(system, key string, status int) (delivery string) {
	s.Helper()
	s.desk.answers(system, status)
	form := s.accepted(system, key)
	await(s.T, "held", func() bool { return s.isAt(form.ID, hub.Held) })
	return string(hub.KeyOf(form.ID, system))
}

func (s staff) awaitAt(delivery string, state hub.State) {
	s.Helper()
	form, _, _ := strings.Cut(delivery, "-")
	await(s.T, string(state), func() bool { return s.isAt(hub.ID(form), state) })
}

// What rests leaves the work list by a decision that somebody gave her name and a reason,
// and where a case may become two, or leaves us undelivered, by two persons.
func TestPeopleDecide(t *testing.T) {
	s := newStaff(t)
	hubRuns := s.run()

	refused := s.rests("asked", "refused-1", 422)
	s.mustNot("--as NAME", "", "release", refused, "--reason", "rättat")
	s.mustNot("--reason TEXT", "registrator", "release", refused)
	s.mustNot("personnummer", "registrator", "release", refused, "--reason", "gäller 19881003-2386")
	s.mustNot("Finns inte", "registrator", "release", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "--reason", "rättat")
	s.desk.answers("asked", 0)
	s.must("står i tur att skickas igen", "registrator", "release", refused, "--reason", "rättat i systemet")
	s.awaitAt(refused, hub.Delivered)
	s.mustNot("vilar inte hos", "registrator", "release", refused, "--reason", "en gång till")
	if posts, cases := s.desk.count("asked", hub.Key(refused)); cases != 1 || posts > 2 {
		t.Errorf("released once, posted %d times, %d cases", posts, cases)
	}
	if text, _ := s.says("", "show", refused); !strings.Contains(text, "release  -  by registrator") || strings.Contains(text, "rättat") {
		t.Errorf("the log beside the hub tells who, and not why: %s", text)
	}
	s.must("release  -  by registrator: rättat i systemet", "gruppledare", "show", refused)

	unclear := s.rests("forgot", "unclear-1", 500)
	s.desk.answers("forgot", 0)
	s.must("Väntar på en andra person", "registrator", "release", unclear, "--reason", "finns inte i systemet")
	s.mustNot("En annan person måste godkänna", "registrator", "approve", unclear, "--reason", "jag tycker det själv")
	s.must("registrator proposed at", "", "show", unclear)
	s.must("finns inte i systemet\n", "gruppledare", "approve", unclear, "--reason", "har också letat")
	s.awaitAt(unclear, hub.Delivered)
	s.mustNot("inget väntar på en andra person", "gruppledare", "approve", unclear, "--reason", "en gång till")

	byHand := s.rests("forgot", "by-hand-1", 500)
	s.must("Väntar på en andra person", "gruppledare", "waive", byHand, "--number", "SBN 2026/17", "--reason", "registrerat för hand")
	s.must("ordnat för hand, med nummer SBN 2026/17", "registrator", "approve", byHand, "--reason", "stämmer")
	s.awaitAt(byHand, hub.Waived)
	form, _, _ := strings.Cut(byHand, "-")
	if c := s.look(hub.ID(form)); c.Ref != "SBN 2026/17" || c.Submissions[0].State != hub.Completed {
		t.Errorf("by hand: %s, known as %q", c.Submissions[0].State, c.Ref)
	}

	unknown := s.accepted("nobody-knows", "unknown-1")
	await(t, "held", func() bool { return s.look(unknown.ID).Submissions[0].State == hub.Held })
	s.must("Formuläret är återtaget", "registrator", "withdraw", string(unknown.ID), "--reason", "den sökande ångrade sig")
	rejected := s.accepted("nobody-knows", "unknown-2")
	await(t, "held", func() bool { return s.look(rejected.ID).Submissions[0].State == hub.Held })
	s.must("Väntar på en andra person", "registrator", "reject", string(rejected.ID), "--reason", "reklam")
	s.must("Formuläret är avvisat", "gruppledare", "approve", string(rejected.ID), "--reason", "ja, reklam")

	hubRuns.end(syscall.SIGTERM)
	s.mustNot("no hub answers on", "registrator", "release", refused, "--reason", "rättat")
	if log := hubRuns.errs.String(); strings.Contains(log, "rättat") || strings.Contains(log, "secret-of") {
		t.Error("the log holds a reason or a secret")
	}
}

// One cause is many rows: they are counted before anything is done, and nothing is done
// without a yes.
func TestAllThatRestsForOneCauseIsReleased(t *testing.T) {
	s := newStaff(t)
	s.run()
	var all []string
	for i := range 3 {
		all = append(all, s.rests("asked", fmt.Sprint("refused-", i), 422))
	}
	other := s.rests("kept", "refused-other", 422)
	s.desk.answers("asked", 0)
	s.desk.answers("kept", 0)
	few := []string{"release", "--all", "--held", "refused", "--system", "karlskrona.asked", "--municipality", "1080", "--reason", "rättat"}
	s.must("3 ärenden i 1 kommun vilar (refused).\nInget är gjort", "registrator", few...)
	s.mustNot("--held REASON", "registrator", "release", "--all", "--reason", "rättat")
	s.mustNot("nothing is held for mapping-eror", "registrator", "release", "--all", "--held", "mapping-eror", "--reason", "rättat")
	s.must("3 tas om, 0 väntar på en andra person, 0 gick inte.", "registrator", append(few, "--yes")...)
	for _, delivery := range all {
		s.awaitAt(delivery, hub.Delivered)
	}
	if form, _, _ := strings.Cut(other, "-"); !s.isAt(hub.ID(form), hub.Held) {
		t.Error("what was not asked for was released too")
	}
}

// A secret is taken into use, and out of it, without a stop.
func TestOperatorsAreReadAgainAtHangup(t *testing.T) {
	s := newStaff(t)
	hubRuns := s.run()
	held := s.rests("asked", "refused-1", 422)
	s.write("secrets/registrator", "another-secret")
	hubRuns.Process.Signal(syscall.SIGHUP)
	await(t, "refused", func() bool {
		text, code := s.says("registrator", "show", held)
		return code != 0 && strings.Contains(text, "Okänt namn")
	})
	s.desk.answers("asked", 0)
	s.must("skickas igen", "gruppledare", "release", held, "--reason", "rättat")
}
