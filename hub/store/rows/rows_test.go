package rows_test

import (
	"crypto/sha256"
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/seal"
	"github.com/knutpunkt/knutpunkt/hub/store/sqlite"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func newStore(t testing.TB) (s *sqlite.Store, path string) {
	t.Helper()
	dir := t.TempDir()
	keyFile := filepath.Join(dir, "keys.json")
	if err := seal.Init(keyFile, "1080"); err != nil {
		t.Fatal(err)
	}
	keys, err := seal.Open("file:" + keyFile)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, "knutpunkt.db")
	s, err = sqlite.Open(t.Context(), path, keys, sqlite.Options{Boot: "test", Clock: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, path
}

// What a transaction that failed would have changed is not remembered.
func TestRollbackForgets(t *testing.T) {
	s, _ := newStore(t)
	form := hub.Arrival{
		Submission: hub.Submission{
			Municipality: "1080", Service: "bygglov-altan", Source: hub.Ref{System: "karlskrona.etjanst", ID: "1", Version: "1"},
		},
		Client: "etjanst", Key: "k", Fingerprint: sha256.Sum256([]byte("1")), Now: noon,
	}
	failing, err := s.ReceiveAndFail(form, errors.New("and then something else fails"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Write(t.Context(), failing); err == nil {
		t.Fatal("it did not fail")
	}
	got, err := s.Receive(t.Context(), form)
	if err != nil || got.Replayed || len(got.Case.Submissions) != 1 || got.Effects.Statuses[0].Seq != 1 {
		t.Errorf("after a rollback: replayed %v, %d forms in the case, %v", got.Replayed, len(got.Case.Submissions), err)
	}
}

// Nothing that is asked often looks at more than what it is about, however much there is
// beside it.
func TestQueryPlans(t *testing.T) {
	s, path := newStore(t)
	anna, err := hub.ParsePersonID("189001019802")
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, q := range s.Questions(anna, noon) {
		plan := planOf(t, db, q.Text)
		if sorts := strings.Contains(plan, "TEMP B-TREE"); !strings.Contains(plan, q.Want) || sorts != q.Sorts ||
			strings.Contains(plan, "SCAN feed") || strings.Contains(plan, "SCAN s\n") {
			t.Errorf("%s is answered by\n%s\nwant %s, sorting %v", q.Name, plan, q.Want, q.Sorts)
		}
	}
}

func planOf(t *testing.T, db *sql.DB, query string) string {
	t.Helper()
	args := make([]any, strings.Count(query, "?"))
	rows, err := db.Query("EXPLAIN QUERY PLAN "+query, args...)
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
