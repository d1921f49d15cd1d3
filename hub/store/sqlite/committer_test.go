package sqlite

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/seal"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func newTestStore(t testing.TB, o Options) *Store {
	t.Helper()
	dir := t.TempDir()
	keyFile := filepath.Join(dir, "keys.json")
	if err := seal.Init(keyFile, "1080", "1082"); err != nil {
		t.Fatal(err)
	}
	keys, err := seal.Open("file:" + keyFile)
	if err != nil {
		t.Fatal(err)
	}
	o.Boot, o.Clock = "test", func() time.Time { return noon }
	s, err := Open(context.Background(), filepath.Join(dir, "knutpunkt.db"), keys, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func form(instance string) hub.Arrival {
	return hub.Arrival{
		Submission: hub.Submission{
			Municipality: "1080", Service: "bygglov-altan",
			Source:  hub.Ref{System: "karlskrona.etjanst", ID: instance, Version: "1"},
			Answers: hub.NewAnswers(map[string]any{"arende": instance, "text": strings.Repeat("x", 1000)}),
		},
		Client: "etjanst", Key: "key-of-" + instance, Fingerprint: sha256.Sum256([]byte(instance)), Now: noon,
	}
}

// together has the committer find all ops waiting at once.
func together(s *Store, do ...func(*batch) error) []error {
	errs := make([]error, len(do))
	var all sync.WaitGroup
	gate := make(chan struct{})
	entered := make(chan struct{})
	all.Go(func() {
		s.commit(context.Background(), func(*batch) error { close(entered); <-gate; return nil })
	})
	<-entered
	for i := range do {
		all.Go(func() { errs[i] = s.commit(context.Background(), do[i]) })
	}
	for len(s.c.ops) < len(do) {
		runtime.Gosched() // the queue has no signal of its own
	}
	close(gate)
	all.Wait()
	return errs
}

func TestGroupCommit(t *testing.T) {
	s := newTestStore(t, Options{})
	write := func(system string) func(*batch) error {
		return func(b *batch) error {
			return b.exec("INSERT INTO cursors (system, cursor, saved) VALUES (?, 'x', 0)", system)
		}
	}
	refused := func(*batch) error { return hub.ErrLost }
	broken := func(b *batch) error { return b.exec("INSERT INTO cursors (system) VALUES (NULL)") }
	half := func(b *batch) error {
		if err := write("half")(b); err != nil {
			return err
		}
		return hub.ErrConflict
	}
	for _, tc := range []struct {
		name, why string
		do        []func(*batch) error
		fails     []bool
		commits   int64
	}{
		{"three", "one fsync serves them", []func(*batch) error{write("1"), write("2"), write("3")}, []bool{false, false, false}, 1},
		{"a refusal among them", "it disturbs nobody", []func(*batch) error{write("4"), refused, write("5")}, []bool{false, true, false}, 1},
		{"an error of SQL", "the others are run again, each by itself", []func(*batch) error{write("6"), broken, write("7")}, []bool{false, true, false}, 2},
		{"a refusal after a write", "what it wrote is undone", []func(*batch) error{write("8"), half, write("9")}, []bool{false, true, false}, 2},
		{"refusals only", "there is nothing to commit", []func(*batch) error{refused, refused}, []bool{true, true}, 0},
	} {
		before := s.c.commits.Load()
		for i, err := range together(s, tc.do...) {
			if (err != nil) != tc.fails[i] {
				t.Errorf("%s: number %d: %v: %s", tc.name, i, err, tc.why)
			}
		}
		if n := s.c.commits.Load() - before; n != tc.commits {
			t.Errorf("%s: %d commits, want %d: %s", tc.name, n, tc.commits, tc.why)
		}
	}
	var n int
	if err := s.read.QueryRow("SELECT count(*) FROM cursors").Scan(&n); n != 9 || err != nil {
		t.Errorf("%d were written, want 9", n)
	}
}

// What a transaction that failed would have changed is not remembered.
func TestRollbackForgets(t *testing.T) {
	s := newTestStore(t, Options{})
	in, err := s.prepare(form("1"))
	if err != nil {
		t.Fatal(err)
	}
	errs := together(s, func(b *batch) error {
		if _, err := b.receive(in); err != nil {
			return err
		}
		return errors.New("and then something else fails")
	})
	if errs[0] == nil {
		t.Fatal("it did not fail")
	}
	got, err := s.Receive(t.Context(), form("1"))
	if err != nil || got.Replayed || len(got.Case.Submissions) != 1 || got.Effects.Statuses[0].Seq != 1 {
		t.Errorf("after a rollback: replayed %v, %d forms in the case, %v", got.Replayed, len(got.Case.Submissions), err)
	}
}

// A full database refuses forms without keeping half of one, and takes them when there is
// room again.
func TestFullDisk(t *testing.T) {
	s := newTestStore(t, Options{})
	limit := func(pages string) {
		err := s.commit(t.Context(), func(b *batch) error {
			rows, err := b.query("PRAGMA max_page_count = " + pages)
			if err == nil {
				rows.Close()
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	limit("1") // no more than there are
	accepted, refused := 0, 0
	for i := range 200 {
		_, err := s.Receive(t.Context(), form(fmt.Sprint(i)))
		switch {
		case err == nil:
			accepted++
		case errors.Is(err, hub.ErrStorage):
			refused++
		default:
			t.Fatalf("on a full disk: %v", err)
		}
	}
	if accepted == 0 && refused == 0 || refused == 0 {
		t.Fatalf("%d accepted, %d refused: the disk was not full", accepted, refused)
	}
	limit("1000000")
	for i := range 200 {
		got, err := s.Receive(t.Context(), form(fmt.Sprint(i)))
		if err != nil {
			t.Fatal(err)
		}
		if got.Replayed {
			accepted--
		}
	}
	if accepted != 0 {
		t.Errorf("%d more had been accepted than are there", accepted)
	}
	lines, err := s.List(t.Context(), hub.AsHub(), hub.Filter{Limit: 1000})
	if err != nil || len(lines) != 200 {
		t.Errorf("%d forms are there, want 200: %v", len(lines), err)
	}
}

// TestBrokenDisk runs itself as a process whose files may not grow: a write that fails with
// another error than "no room" must end it, since nothing that the disk says afterwards can
// be believed.
func TestBrokenDisk(t *testing.T) {
	if os.Getenv("SQLITE_TEST_BROKEN_DISK") != "" {
		breakDisk(t)
		return
	}
	child := exec.Command(os.Args[0], "-test.run=^TestBrokenDisk$")
	child.Env = append(os.Environ(), "SQLITE_TEST_BROKEN_DISK=1")
	out, err := child.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 74 {
		t.Errorf("the process ended with %v, want status 74:\n%s", err, out)
	}
}

func breakDisk(t *testing.T) {
	s := newTestStore(t, Options{Fatal: func(error) { os.Exit(74) }})
	signal.Ignore(syscall.SIGXFSZ)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 64 << 10, Max: 64 << 10}); err != nil {
		t.Skip("files cannot be limited here")
	}
	for i := range 1000 {
		if _, err := s.Receive(t.Context(), form(fmt.Sprint(i))); err != nil {
			t.Fatalf("the process went on after: %v", err)
		}
	}
}

// Nothing that is asked often looks at more than what it is about, however much there is
// beside it.
func TestQueryPlans(t *testing.T) {
	s := newTestStore(t, Options{})
	anna, err := hub.ParsePersonID("189001019802")
	if err != nil {
		t.Fatal(err)
	}
	citizen, handler := hub.AsCitizen(anna), hub.AsHandler("h", "1080")
	client := hub.AsClient("c", []hub.Municipality{"1080", "1082"}, nil)
	feed := func(v hub.Viewer, c hub.CaseID) string { text, _ := s.feedQuery(v, c, 0); return text }
	list := func(v hub.Viewer, f hub.Filter) string { text, _ := s.listQuery(v, f); return text }
	overdue, _ := s.overdueQuery(citizen, noon)
	days := hub.Filter{From: noon, Until: noon.Add(time.Hour)}
	for _, tc := range []struct {
		name  string
		query string
		want  string
		sorts bool
	}{
		{"claim", dueRows, "INDEX progress_due (queue=? AND municipality=? AND due<?)", false},
		{"whose turn", nextMunicipality, "INDEX progress_due (queue=? AND municipality>?)", false},
		{"oldest", nextDue, "INDEX progress_due (queue=? AND municipality>?)", false},
		{"recover", leasedRows, "INDEX progress_leased", false},
		{"report", byRef, "INDEX progress_ref (system=? AND ref=?)", false},
		{"feed of the hub", feed(hub.AsHub(), ""), "SEARCH feed USING INTEGER PRIMARY KEY (rowid>?)", false},
		{"feed of a case", feed(handler, "x"), "INDEX feed_case (case_id=? AND seq>?)", false},
		{"feed of a municipality", feed(handler, ""), "INDEX feed_municipality (municipality=? AND seq>?)", false},
		{"feed of several", feed(client, ""), "SEARCH feed USING INTEGER PRIMARY KEY (rowid>?)", false},
		{"feed of a citizen", feed(citizen, ""), "INDEX feed_case (case_id=? AND seq>?)", true},
		{"list of a municipality", list(handler, hub.Filter{}), "INDEX submissions_municipality (municipality=? AND n>?)", false},
		{"list of several", list(client, hub.Filter{}), "SEARCH s USING INTEGER PRIMARY KEY (rowid>?)", false},
		{"list of a citizen", list(citizen, hub.Filter{}), "INDEX submissions_case (case_id=? AND n>?)", true},
		{"what is held", list(handler, hub.Filter{State: hub.Held}), "INDEX progress_held", true},
		{"what is held for a reason", list(handler, hub.Filter{Reason: hub.ReasonRefused}), "INDEX progress_held (reason=?)", true},
		{"list of some days", list(handler, days), "INDEX submissions_municipality (municipality=? AND n>? AND n<?)", false},
		{"where some days begin and end", list(handler, days), "SEARCH submissions USING COVERING INDEX submissions_inkommen (inkommen>? AND inkommen<?)", false},
		{"list of some days of several", list(client, days), "SEARCH s USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)", false},
		{"what is held of some days", list(handler, hub.Filter{State: hub.Held, From: noon}), "INDEX progress_held", true},
		{"who follows a case", whoFollows, "COVERING INDEX followers_case (case_id=?)", false},
		{"who else follows", anyOthers, "COVERING INDEX followers_case (case_id=?)", false},
		{"what is overdue", overdue, "SEARCH followers USING PRIMARY KEY (person=?)", false},
		{"handling times", handlingTimes, "SEARCH f USING INDEX feed_service (municipality=? AND service=? AND at>?)", false},
		{"the first time of a step", handlingTimes, "SEARCH earlier USING INDEX feed_case (case_id=? AND seq<?)", false},
		{"a reference of ours", byOurs, "SEARCH submissions USING INDEX sqlite_autoindex_submissions_1 (id=?)", false},
		{"a diarienummer", byOurs, "SEARCH cases USING COVERING INDEX cases_ref (ref=?)", false},
		{"whose number it may be", nextSystem, "COVERING INDEX progress_ref (system>?)", false},
		{"a system's number", byTheirs, "INDEX progress_ref (system=? AND ref=?)", true},
		{"reports that wait for a word", waitingReports(3), "INDEX reports_marked (system=? AND mark=?)", true},
		{"what was told since", toldSince, "INDEX reports_case (case_id=? AND rowid>?)", false},
		{"how much was told", countTold, "SEARCH p USING INDEX progress_told (system=? AND since>? AND since<?)", true},
		{"how much was told after it", countTold, "SEARCH p USING INDEX progress_case (case_id=? AND place>?)", true},
		{"what was told", casesTold, "SEARCH p USING INDEX progress_told (system=? AND since>? AND since<?)", false},
		{"which systems are paused", presentPauses, "SCAN pauses USING INDEX pauses_present", false},
		{"untranslated words", usedWords, "SEARCH r USING INTEGER PRIMARY KEY (rowid=?)", true},
		{"what words were used of last", usedWords, "SEARCH reports USING COVERING INDEX reports_marked (system=? AND mark=?)", true},
		{"how many words", countWords, "SCAN words", false},
		{"what a register says of somebody", saysOf, "SEARCH residents USING PRIMARY KEY (register=? AND person=? AND file>? AND file<?)", false},
		{"what a file said in vain", idle[0].rows, "SEARCH residents USING COVERING INDEX residents_file (register=? AND file>?)", false},
		{"what was said before an extract", idle[1].rows, "SEARCH residents USING COVERING INDEX residents_file (register=? AND file<?)", false},
		{"what a later file replaced", idle[2].rows, "SEARCH n EXISTS USING PRIMARY KEY (register=? AND person=? AND file>? AND file<?)", false},
		{"who is gone", idle[3].rows, "SEARCH residents USING", false},
		{"what is not decided", undecided, "SEARCH p USING INDEX progress_ref (system=? AND (ref,key)>(?,?))", false},
	} {
		plan := planOf(t, s, tc.query)
		if sorts := strings.Contains(plan, "TEMP B-TREE"); !strings.Contains(plan, tc.want) || sorts != tc.sorts ||
			strings.Contains(plan, "SCAN feed") || strings.Contains(plan, "SCAN s\n") {
			t.Errorf("%s is answered by\n%s\nwant %s, sorting %v", tc.name, plan, tc.want, tc.sorts)
		}
	}
}

func planOf(t *testing.T, s *Store, query string) string {
	t.Helper()
	args := make([]any, strings.Count(query, "?"))
	rows, err := s.read.Query("EXPLAIN QUERY PLAN "+query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var plan strings.Builder
	for rows.Next() {
		var id, parent, unused int
		var step string
		if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
			t.Fatal(err)
		}
		plan.WriteString(step + "\n")
	}
	return plan.String()
}

func TestULIDs(t *testing.T) {
	now := noon
	ids := &ulids{clock: func() time.Time { return now }}
	last := ""
	for i := range 10000 {
		switch i {
		case 5000:
			now = now.Add(time.Millisecond)
		case 7000:
			now = now.Add(-time.Hour)
		}
		id := ids.next()
		if len(id) != 26 || id <= last || id[0] > '7' {
			t.Fatalf("%s comes after %s", id, last)
		}
		last = id
	}
	known := &ulids{millis: 1469918176385, high: 0x86be, low: 0xf3c5e44b5f7f6e31}
	if got := known.text(); !strings.HasPrefix(got, "01ARYZ6S41") || len(got) != 26 {
		t.Errorf("1469918176385 ms is written %s", got)
	}
}

func TestRecent(t *testing.T) {
	r := newRecent[int, int](10)
	for i := range 100 {
		r.put(i, i)
		r.get(0)
	}
	if _, ok := r.get(0); !ok {
		t.Error("what is used all the time was forgotten")
	}
	if _, ok := r.get(50); ok {
		t.Error("what was used long ago is remembered")
	}
	if len(r.young)+len(r.old) > 20 {
		t.Errorf("%d are remembered", len(r.young)+len(r.old))
	}
}
