package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/seal"
	"github.com/knutpunkt/knutpunkt/hub/store/sqlite"
)

// levels are the deliveries of the forms here: one of each level.
var levels = []hub.Plan{
	{Leg: "asked", System: "karlskrona.diarium", Operation: "case", Level: hub.Lookup, Lag: time.Second},
	{Leg: "again", System: "karlskrona.kort", Operation: "put", Level: hub.Idempotent},
	{Leg: "blind", System: "karlskrona.fax", Operation: "fax", Level: hub.Blind},
}

// planned receives a form and plans its deliveries.
func planned(t *testing.T, s *sqlite.Store, instance string) hub.Case {
	t.Helper()
	if _, err := s.Receive(t.Context(), arrival(instance)); err != nil {
		t.Fatal(err)
	}
	return plan(t, s)
}

// plan plans the deliveries of the one form that waits.
func plan(t *testing.T, s *sqlite.Store) hub.Case {
	t.Helper()
	claims, err := s.ClaimSubmissions(t.Context(), hub.Lease{Boot: "a"}, noon, 1)
	if err != nil || len(claims) != 1 {
		t.Fatalf("%d claimed: %v", len(claims), err)
	}
	c := claims[0].Case
	plan := hub.Planned{When: hub.When{At: noon}, Key: claims[0].Key, Lease: c.Find(claims[0].Key).Lease, Revision: "r", Deliveries: levels}
	if c, _, err = s.Settle(t.Context(), c.ID, plan, hub.Facts{}); err != nil {
		t.Fatal(err)
	}
	return c
}

// deliverAll has every system take what there is for it.
func deliverAll(t *testing.T, s *sqlite.Store) {
	t.Helper()
	for _, l := range levels {
		claims, err := s.ClaimDeliveries(t.Context(), l.System, hub.Lease{Boot: "a"}, noon, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, claim := range claims {
			lease := claim.Case.Find(claim.Key).Lease
			for _, e := range []hub.Event{
				hub.Started{When: hub.When{At: noon}, Key: claim.Key, Lease: lease},
				hub.Answered{When: hub.When{At: noon}, Key: claim.Key, Lease: lease, Answer: hub.Yes, Receipt: hub.Receipt{Number: "1", At: noon}},
			} {
				if _, _, err := s.Apply(t.Context(), claim.Case.ID, e); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// A place is where a Store lies, with what tests do to it behind its back.
type place struct {
	dir  string
	keys *seal.Keys
}

func (p place) path(end string) string { return filepath.Join(p.dir, "knutpunkt.db"+end) }

func (p place) open(t *testing.T) *sqlite.Store {
	t.Helper()
	return open(t, p.dir, p.keys, sqlite.Options{Boot: "a", Clock: still})
}

// copied gives the place as a killed process would leave it.
func (p place) copied(t *testing.T) place {
	t.Helper()
	to := place{t.TempDir(), p.keys}
	if err := os.CopyFS(to.dir, os.DirFS(p.dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

// putBack puts the database of an older copy in the place of the present one, as somebody
// does who knows no better.
func (p place) putBack(t *testing.T, older place) {
	t.Helper()
	for _, end := range []string{"", "-wal", "-shm"} {
		os.Remove(p.path(end))
		if content, err := os.ReadFile(older.path(end)); err == nil {
			if err := os.WriteFile(p.path(end), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestOldCopies(t *testing.T) {
	for _, tc := range []struct {
		name, why string
		older     bool
		play      func(t *testing.T, p place) place // from a place in which one form waits, and whose Store is open
	}{
		{"a clean stop", "nothing happened behind our back", false, func(t *testing.T, p place) place {
			s := p.open(t)
			deliverAll(t, s)
			s.Close()
			return p
		}},
		{"a kill", "the file is behind, which is no sign of anything", false, func(t *testing.T, p place) place {
			deliverAll(t, p.open(t))
			return p.copied(t)
		}},
		{"killed between the two writes of an epoch", "the file names the run before", false, func(t *testing.T, p place) place {
			before := p.copied(t)
			p.open(t).Close()
			copyFile(t, before.path(".epoch"), p.path(".epoch"))
			return p
		}},
		{"killed there twice", "it names it still", false, func(t *testing.T, p place) place {
			before := p.copied(t)
			for range 2 {
				p.open(t).Close()
				copyFile(t, before.path(".epoch"), p.path(".epoch"))
			}
			return p
		}},
		{"a copy of this run", "the audit log had come further", true, func(t *testing.T, p place) place {
			s := p.open(t)
			older := p.copied(t)
			deliverAll(t, s)
			s.Close()
			p.putBack(t, older)
			return p
		}},
		{"a copy of the run before", "its epoch is over", true, func(t *testing.T, p place) place {
			older := p.copied(t)
			s := p.open(t)
			deliverAll(t, s)
			s.Close()
			p.putBack(t, older)
			return p
		}},
		{"a copy of long ago, when there were no epochs", "the file knows of one", true, func(t *testing.T, p place) place {
			alter(t, p.path(""), "DELETE FROM epoch")
			return p
		}},
		{"the first start after there were none", "there is no file either", false, func(t *testing.T, p place) place {
			alter(t, p.path(""), "DELETE FROM epoch")
			os.Remove(p.path(".epoch"))
			return p
		}},
		{"copied to another machine, without the file", "nobody knows what the other machine did since", true, func(t *testing.T, p place) place {
			os.Remove(p.path(".epoch"))
			return p
		}},
		{"a file that cannot be read", "nobody knows what it said", true, func(t *testing.T, p place) place {
			if err := os.WriteFile(p.path(".epoch"), []byte("{"), 0o600); err != nil {
				t.Fatal(err)
			}
			return p
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := place{t.TempDir(), newKeys(t)}
			s := p.open(t)
			c := planned(t, s, "1")
			s.Close()
			p = tc.play(t, p)
			s = p.open(t)
			since, cases, err := s.Restored(t.Context())
			if err != nil || since.IsZero() == tc.older {
				t.Fatalf("since %v, %d cases, %v: %s", since, cases, err, tc.why)
			}
			if tc.older {
				compareRestored(t, s, c.ID)
			}
			s.Close()
			s = p.open(t)
			if again, _, err := s.Restored(t.Context()); err != nil || !again.Equal(since) {
				t.Errorf("the next start says since %v, want %v: %v", again, since, err)
			}
		})
	}
}

// compareRestored looks at what has become of one delivery of each level.
func compareRestored(t *testing.T, s *sqlite.Store, id hub.CaseID) {
	t.Helper()
	c, err := s.Case(t.Context(), hub.AsHub(), id)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]hub.State{"asked": hub.Unknown, "again": hub.Ready, "blind": hub.Held}
	for _, d := range c.Deliveries {
		if state, is := want[d.Leg]; is && d.State != state {
			t.Errorf("the delivery that is %s is %s, want %s", d.Leg, d.State, state)
		}
	}
}

// A form that was received and not planned when the copy was made may have been delivered
// all the same.
func TestFormsOfAnOldCopy(t *testing.T) {
	p := place{t.TempDir(), newKeys(t)}
	s := p.open(t)
	if _, err := s.Receive(t.Context(), arrival("1")); err != nil {
		t.Fatal(err)
	}
	s.Close()
	os.Remove(p.path(".epoch"))
	s = p.open(t)
	c := plan(t, s)
	for leg, state := range map[string]hub.State{"asked": hub.Unknown, "again": hub.Ready, "blind": hub.Held} {
		for _, d := range c.Deliveries {
			if d.Leg == leg && d.State != state {
				t.Errorf("the delivery that is %s is %s, want %s", leg, d.State, state)
			}
		}
	}
	if len(c.Deliveries) != 3 {
		t.Errorf("there are %d deliveries", len(c.Deliveries))
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Killed while it tells the cases, it goes on where it was: each is told, and once.
func TestRestoreGoesOn(t *testing.T) {
	p := place{t.TempDir(), newKeys(t)}
	s := p.open(t)
	const forms = 450
	for i := range forms {
		if _, err := s.Receive(t.Context(), arrival(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	os.Remove(p.path(".epoch"))
	ctx, cancel := context.WithCancel(t.Context())
	var asked atomic.Int32
	clock := func() time.Time { // it is asked the time for each case
		if asked.Add(1) == 300 {
			cancel()
		}
		return noon
	}
	_, err := sqlite.Open(ctx, p.path(""), p.keys, sqlite.Options{Boot: "b", Clock: clock})
	if err == nil {
		t.Fatal("it was handed out before everybody had been told")
	}
	s = p.open(t)
	if since, cases, err := s.Restored(t.Context()); err != nil || since.IsZero() || cases != forms {
		t.Errorf("since %v, %d cases, want %d: %v", since, cases, forms, err)
	}
	s.Close()
	told := count(t, p.path(""), "SELECT count(*) FROM audit WHERE what = 'restored' AND case_id <> ''")
	twice := count(t, p.path(""), "SELECT count(*) FROM (SELECT 1 FROM audit WHERE what = 'restored' AND case_id <> '' GROUP BY case_id HAVING count(*) > 1)")
	if told != forms || twice != 0 {
		t.Errorf("%d were told, %d of them twice; want %d and none", told, twice, forms)
	}
}

func count(t *testing.T, path, query string) (n int) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow(query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// A damaged page is found before anything is written, and the table is named.
func TestDamage(t *testing.T) {
	p := place{t.TempDir(), newKeys(t)}
	s := p.open(t)
	for i := range 50 {
		if _, err := s.Receive(t.Context(), arrival(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	root := count(t, p.path(""), "SELECT rootpage FROM sqlite_schema WHERE name = 'progress'")
	size := count(t, p.path(""), "PRAGMA page_size")
	for _, tc := range []struct {
		name string
		at   int64
		want string
	}{
		{"a page of a table", int64(root-1) * int64(size), "table progress"},
		{"the first page", 0, "the database is damaged"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := p.copied(t)
			f, err := os.OpenFile(p.path(""), os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteAt([]byte(strings.Repeat("\xa5", 64)), tc.at); err != nil {
				t.Fatal(err)
			}
			f.Close()
			_, err = sqlite.Open(t.Context(), p.path(""), p.keys, sqlite.Options{Boot: "b", Clock: still})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("it says %v, want %q", err, tc.want)
			}
		})
	}
}

// A clock that was a year ahead, and is set right, leaves nothing waiting for a year: what
// waited a minute waits a minute.
func TestClockSetBack(t *testing.T) {
	dir, keys := t.TempDir(), newKeys(t)
	ahead := noon.AddDate(1, 0, 0)
	s := open(t, dir, keys, sqlite.Options{Boot: "a", Clock: func() time.Time { return ahead }})
	if _, err := s.Receive(t.Context(), arrival("1")); err != nil {
		t.Fatal(err)
	}
	claims, err := s.ClaimSubmissions(t.Context(), hub.Lease{Boot: "a"}, ahead, 1)
	if err != nil || len(claims) != 1 {
		t.Fatal(err)
	}
	c := claims[0].Case
	later := hub.Postponed{When: hub.When{At: ahead}, Key: claims[0].Key, Lease: c.Find(claims[0].Key).Lease, Until: ahead.Add(time.Minute)}
	if _, _, err := s.Apply(t.Context(), c.ID, later); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = open(t, dir, keys, sqlite.Options{Boot: "b", Clock: still})
	claims, err = s.ClaimSubmissions(t.Context(), hub.Lease{Boot: "b"}, noon.Add(time.Minute), 1)
	if err != nil || len(claims) != 1 {
		t.Errorf("a minute after the clock was set right it cannot be claimed: %v", err)
	}
	if _, err := s.Receive(t.Context(), arrival("2")); err != nil {
		t.Fatal(err)
	}
	s.Close()
	path := filepath.Join(dir, "knutpunkt.db")
	if n := count(t, path, "SELECT count(*) FROM audit a JOIN audit b ON b.seq = a.seq + 1 WHERE b.at < a.at"); n != 0 {
		t.Errorf("%d lines of the audit log stand before the line above them", n)
	}
}

// The same while the hub runs.
func TestClockSetBackMeanwhile(t *testing.T) {
	dir, keys := t.TempDir(), newKeys(t)
	synctest.Test(t, func(t *testing.T) {
		var ahead atomic.Int64
		ahead.Store(int64(365 * 24 * time.Hour))
		clock := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		s := open(t, dir, keys, sqlite.Options{Boot: "a", Clock: clock})
		a := arrival("1")
		a.Now = clock()
		if _, err := s.Receive(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		ahead.Store(0)
		claim := func() int {
			claims, err := s.ClaimSubmissions(t.Context(), hub.Lease{Boot: "a"}, clock(), 1)
			if err != nil {
				t.Fatal(err)
			}
			return len(claims)
		}
		if claim() != 0 {
			t.Error("it was claimed before anybody had looked at the clock")
		}
		time.Sleep(5 * time.Second)
		if claim() != 1 {
			t.Error("it waits for next year")
		}
		s.Close()
	})
}

// A database has one hub, whatever name it goes by and whatever became of the lock's file.
func TestOneHubForEachDatabase(t *testing.T) {
	dir, keys := t.TempDir(), newKeys(t)
	open(t, dir, keys, sqlite.Options{Boot: "a", Clock: still})
	path := filepath.Join(dir, "knutpunkt.db")
	other := filepath.Join(t.TempDir(), "knutpunkt.db")
	if err := os.Symlink(path, other); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, other} {
		if _, err := sqlite.Open(t.Context(), name, keys, sqlite.Options{Boot: "b", Clock: still}); !errors.Is(err, sqlite.ErrRunning) {
			t.Errorf("a second hub: %v", err)
		}
		os.Remove(path + ".lock") // by somebody who tidies up
	}
}

// Where a database was, a hub does not begin from nothing: a supervisor that starts it again
// within a second is not to make the loss good for ever.
func TestADatabaseThatIsGone(t *testing.T) {
	dir, keys := t.TempDir(), newKeys(t)
	open(t, dir, keys, sqlite.Options{Boot: "a", Clock: still}).Close()
	path := filepath.Join(dir, "knutpunkt.db")
	os.Remove(path)
	for range 2 {
		_, err := sqlite.Open(t.Context(), path, keys, sqlite.Options{Boot: "b", Clock: still})
		if err == nil || !strings.Contains(err.Error(), "the database is gone") {
			t.Errorf("it starts: %v", err)
		}
	}
	os.Remove(path + ".epoch")
	open(t, dir, keys, sqlite.Options{Boot: "c", Clock: still})
}
