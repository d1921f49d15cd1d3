package sqlite_test

import (
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/seal"
	"github.com/knutpunkt/knutpunkt/hub/store/sqlite"
)

// asVersion gives a copy of a place whose database was made by an older Knutpunkt: by its
// migrations alone, with as much of what the present one holds as there was room for.
func (p place) asVersion(t *testing.T, version int) place {
	t.Helper()
	older := place{t.TempDir(), p.keys}
	db, err := sql.Open("sqlite", older.path(""))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1) // what is attached is one connection's
	must := func(text string, args ...any) {
		t.Helper()
		if _, err := db.Exec(text, args...); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	must("PRAGMA journal_mode = WAL")
	must("CREATE TABLE migrations (version INTEGER NOT NULL PRIMARY KEY, applied INTEGER NOT NULL) STRICT")
	for n := 1; n <= version; n++ {
		must(string(read(t, filepath.Join("migrations", fmt.Sprintf("%04d.sql", n)))))
		must("INSERT INTO migrations VALUES (?, 0)", n)
	}
	must("ATTACH ? AS present", p.path(""))
	for _, table := range column(t, db, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name <> 'migrations'") {
		columns := strings.Join(column(t, db, "SELECT name FROM pragma_table_info(?)", table), ", ")
		must(fmt.Sprintf("INSERT INTO %s (%s) SELECT DISTINCT %s FROM present.%s", table, columns, columns, table))
	}
	return older
}

func column(t *testing.T, db *sql.DB, query string, args ...any) (values []string) {
	t.Helper()
	rows, err := db.Query(query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var value string
		if err := rows.Scan(&value); err != nil {
			t.Fatal(err)
		}
		values = append(values, value)
	}
	return values
}

var anna, bertil = person("189001019802"), person("189104019816")

func person(digits string) hub.PersonID {
	p, err := hub.ParsePersonID(digits)
	if err != nil {
		panic(err)
	}
	return p
}

func sees(t *testing.T, s *sqlite.Store, p hub.PersonID, c hub.CaseID) bool {
	_, err := s.Case(t.Context(), hub.AsCitizen(p), c)
	return err == nil
}

// An older database goes on as it was: whose case it was sees it, and what was under way goes
// on to its end by the rules of the present one.
func TestFromVersion3(t *testing.T) {
	p := place{t.TempDir(), newKeys(t)}
	s := p.open(t)
	both := func(instance string) hub.Arrival {
		a := arrival(instance)
		a.Tellers, a.Followers = []hub.SystemID{"karlskrona.etjanst"}, []hub.PersonID{anna, bertil}
		return a
	}
	if _, err := s.Receive(t.Context(), both("1")); err != nil {
		t.Fatal(err)
	}
	settled := plan(t, s)
	waiting, err := s.Receive(t.Context(), both("2"))
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = p.asVersion(t, 3).open(t)
	if !sees(t, s, anna, settled.ID) || !sees(t, s, bertil, settled.ID) || !sees(t, s, anna, waiting.Case.ID) {
		t.Error("a citizen does not see her case any more")
	}
	c, err := s.Case(t.Context(), hub.AsHub(), settled.ID)
	if err != nil || !slices.Equal(c.Tellers, []hub.SystemID{"karlskrona.etjanst"}) {
		t.Errorf("%v are told: %v", c.Tellers, err)
	}
	if ids, err := s.Named(t.Context(), hub.AsHub(), "2"); err != nil || !slices.Equal(ids, []hub.CaseID{waiting.Case.ID}) {
		t.Errorf("the platform's own reference names %v: %v", ids, err)
	}
	claims, err := s.ClaimSubmissions(t.Context(), hub.Lease{Boot: "a"}, noon, 1)
	if err != nil || len(claims) != 1 {
		t.Fatalf("%d forms are under way: %v", len(claims), err)
	}
	k := claims[0].Key
	_, _, err = s.Settle(t.Context(), waiting.Case.ID, hub.Planned{When: hub.When{At: noon}, Key: k, Lease: claims[0].Case.Find(k).Lease},
		hub.Facts{Following: &hub.Following{Persons: []hub.PersonID{anna}}})
	if err != nil {
		t.Fatal(err)
	}
	if !sees(t, s, anna, waiting.Case.ID) || !sees(t, s, bertil, waiting.Case.ID) {
		t.Error("whom a form named when that was enough does not see her case any more")
	}
}

// What stands beside the forms comes back from a backup, and what cannot be opened of it is
// named and stops nothing. Nobody is logged in by it.
func TestRestoreBesideForms(t *testing.T) {
	p := place{t.TempDir(), newKeys(t)}
	s := p.open(t)
	secret := [32]byte{1}
	session := hub.Session{ID: secret, Sealed: []byte("x"), Begun: noon, Seen: noon}
	tally := hub.Tally{Municipality: "1080", Source: "karlskrona.etjanst", Service: "bygglov", Day: "2026-11-20", Sent: 1, IDs: []string{"F-1"}}
	reports := []hub.Report{{ID: "1", Word: "utreds", At: noon}}
	_, err := s.Report(t.Context(), "karlskrona.diarium", reports, "", noon)
	pause := hub.Pause{System: "karlskrona.diarium", Since: noon, By: "registrator", Reason: "byte av server"}
	if err := errors.Join(err, s.KeepSession(t.Context(), session), s.SaveTally(t.Context(), tally), s.Pause(t.Context(), pause)); err != nil {
		t.Fatal(err)
	}
	planned(t, s, "1")
	s.Close()
	copied := p.copied(t)
	restore := func(t *testing.T, p place) (*sqlite.Store, sqlite.Account) {
		at := place{t.TempDir(), p.keys}
		a, err := sqlite.Restore(t.Context(), backUp(t, p), at.path(""), p.keys, backupOptions)
		if err != nil {
			t.Fatal(err)
		}
		return at.open(t), a
	}
	t.Run("whole", func(t *testing.T) {
		s, a := restore(t, p)
		words, err := s.Untranslated(t.Context(), hub.AsHub())
		if err != nil || len(words) != 1 || words[0].Text != "utreds" || len(a.Damaged) > 0 {
			t.Errorf("%d words came back, and %v is damaged: %v", len(words), a.Damaged, err)
		}
		tallies, err := s.Tallies(t.Context(), hub.AsHub(), "2026-11-20", "2026-11-20")
		if err != nil || len(tallies) != 1 || !slices.Equal(tallies[0].IDs, tally.IDs) {
			t.Errorf("%d tallies came back: %v", len(tallies), err)
		}
		if pauses, err := s.Pauses(t.Context()); err != nil || !slices.Equal(pauses, []hub.Pause{pause}) {
			t.Errorf("paused are %+v: %v", pauses, err)
		}
		if _, err := s.Session(t.Context(), secret); !errors.Is(err, hub.ErrNotFound) {
			t.Errorf("somebody is logged in by a backup: %v", err)
		}
	})
	t.Run("damaged", func(t *testing.T) {
		p := p.copied(t)
		alter(t, p.path(""), "UPDATE words SET text = zeroblob(40)")
		alter(t, p.path(""), "UPDATE sent SET ids = zeroblob(40)")
		alter(t, p.path(""), "UPDATE pauses SET data_key = zeroblob(40)")
		s, a := restore(t, p)
		if len(a.Damaged) != 3 || a.Damaged[0].File != "a word of karlskrona.diarium" || a.Damaged[1].File != "the tally of karlskrona.etjanst of 2026-11-20" ||
			a.Damaged[2].File != "why karlskrona.diarium was paused" {
			t.Errorf("it names %v", a.Damaged)
		}
		if words, err := s.Untranslated(t.Context(), hub.AsHub()); err != nil || len(words) != 1 || words[0].Text != "" {
			t.Errorf("%d words are there: %v", len(words), err)
		}
		if _, err := s.Tallies(t.Context(), hub.AsHub(), "2026-11-20", "2026-11-20"); !errors.Is(err, hub.ErrContents) {
			t.Errorf("a tally that says nothing: %v, want ErrContents", err)
		}
		if pauses, err := s.Pauses(t.Context()); err != nil || len(pauses) != 1 || pauses[0].Reason != "" {
			t.Errorf("paused are %+v: %v", pauses, err)
		}
		if err := s.Resume(t.Context(), pause.System, "registrator", "klart", noon); err != nil {
			t.Errorf("it cannot be taken up again: %v", err)
		}
	})
	t.Run("an older copy put back", func(t *testing.T) {
		s := p.open(t)
		if _, err := s.Session(t.Context(), secret); err != nil {
			t.Errorf("after a restart: %v", err)
		}
		planned(t, s, "2")
		s.Close()
		p.putBack(t, copied)
		if _, err := p.open(t).Session(t.Context(), secret); !errors.Is(err, hub.ErrNotFound) {
			t.Errorf("somebody is logged in by an older copy: %v", err)
		}
	})
}

// What was indexed before the index key was rotated is found as before.
func TestRotatedIndex(t *testing.T) {
	keyFile := filepath.Join(t.TempDir(), "keys.json")
	p := place{t.TempDir(), newKeysAt(t, keyFile)}
	s := p.open(t)
	a := arrival("1")
	a.Followers = []hub.PersonID{anna}
	got, err := s.Receive(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	plan(t, s)
	deliverAll(t, s)
	tell := func(id string) {
		t.Helper()
		_, err := s.Report(t.Context(), levels[0].System, []hub.Report{{ID: id, Ref: "1", Word: "Utreds", At: noon}}, "", noon)
		if err != nil {
			t.Fatal(err)
		}
	}
	tell("before")
	s.Close()
	if err := seal.RotateIndex(keyFile); err != nil {
		t.Fatal(err)
	}
	if p.keys, err = seal.Open("file:" + keyFile); err != nil {
		t.Fatal(err)
	}
	s = p.open(t)
	tell("after")
	if words, err := s.Untranslated(t.Context(), hub.AsHub()); err != nil || len(words) != 1 || words[0].Cases != 1 {
		t.Errorf("one word is %d: %v", len(words), err)
	}
	if !sees(t, s, anna, got.Case.ID) || sees(t, s, bertil, got.Case.ID) {
		t.Error("who sees it is not as it was")
	}
	told, err := s.Tail(t.Context(), 0, 0)
	marks := s.Marks(hub.AsCitizen(anna))
	if err != nil || len(told) == 0 || !slices.ContainsFunc(marks, func(m hub.Mark) bool { return slices.Contains(told[0].Followers, m) }) {
		t.Errorf("the tail does not know her: %v", err)
	}
	if ids, err := s.Named(t.Context(), hub.AsHub(), "1"); err != nil || !slices.Contains(ids, got.Case.ID) {
		t.Errorf("the platform's own reference names %v: %v", ids, err)
	}
	if _, err := s.Translate(t.Context(), levels[0].System, map[string]hub.Step{"utreds": hub.UnderHandlaggning}, noon); err != nil {
		t.Fatal(err)
	}
	if words, err := s.Untranslated(t.Context(), hub.AsHub()); err != nil || len(words) != 0 {
		t.Errorf("%d words are untranslated still: %v", len(words), err)
	}
}

// A system that calls everything by a new word does not fill the disk with them, and what it
// said is heard all the same.
func TestMostWords(t *testing.T) {
	s := open(t, t.TempDir(), newKeys(t), sqlite.Options{Boot: "a", Clock: still})
	a := arrival("1")
	a.Voice = levels[0].System
	if _, err := s.Receive(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	c := plan(t, s)
	deliverAll(t, s)
	var rs []hub.Report
	for i := range 600 {
		rs = append(rs, hub.Report{ID: fmt.Sprint(i), Key: c.Deliveries[0].Key, Word: fmt.Sprint("ord ", i), At: noon.Add(time.Duration(i))})
	}
	if _, err := s.Report(t.Context(), levels[0].System, rs, "", noon); err != nil {
		t.Fatal(err)
	}
	if words, err := s.Untranslated(t.Context(), hub.AsHub()); err != nil || len(words) != 500 {
		t.Errorf("%d words are kept, want 500: %v", len(words), err)
	}
	counts, err := s.Counts(t.Context(), noon)
	if n := counts.Words[levels[0].System]; err != nil || n != 500 || len(counts.Words) != 1 {
		t.Errorf("%d are counted: %v", n, err)
	}
	fxs, err := s.Translate(t.Context(), levels[0].System, map[string]hub.Step{"ord 599": hub.Beslutat}, noon)
	if err != nil || len(fxs) != 1 || len(fxs[0].Statuses) != 1 {
		t.Errorf("a word that was not kept moves %d cases: %v", len(fxs), err)
	}
}

// A word that comes with every case costs no more to tell of when it has come very often: it
// tells of the cases that it was used of last.
func TestAWordThatIsUsedOften(t *testing.T) {
	s := open(t, t.TempDir(), newKeys(t), sqlite.Options{Boot: "a", Clock: still})
	deliveries := map[string]hub.Key{}
	for _, instance := range []string{"1", "2"} {
		a := arrival(instance)
		a.Voice = levels[0].System
		if _, err := s.Receive(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		deliveries[instance] = plan(t, s).Deliveries[0].Key
	}
	deliverAll(t, s)
	n := 0
	tell := func(instance string, times int) {
		t.Helper()
		var rs []hub.Report
		for range times {
			n++
			rs = append(rs, hub.Report{ID: fmt.Sprint(n), Key: deliveries[instance], Word: "noterat", At: noon})
		}
		if _, err := s.Report(t.Context(), levels[0].System, rs, "", noon); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		instance     string
		times, cases int
	}{{"1", 1, 1}, {"2", 999, 2}, {"2", 1, 1}} {
		tell(tc.instance, tc.times)
		words, err := s.Untranslated(t.Context(), hub.AsHub())
		if err != nil || len(words) != 1 || words[0].Cases != tc.cases {
			t.Errorf("after %d times: %+v, want a word of %d cases: %v", n, words, tc.cases, err)
		}
	}
}
