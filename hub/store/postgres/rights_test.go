package postgres_test

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/store/postgres"
)

// Who may not write all of our tables is refused at the start, and told of by who looks: what one
// of them cannot take would rest in silence.
func TestAUserWithoutTheRights(t *testing.T) {
	database, keys := newDatabase(t), newKeys(t)
	user := fmt.Sprintf("poor_%d", databases.Load()) // the server is shared
	execute(t, database, "CREATE ROLE "+user+" LOGIN")
	at := postgres.Address{URL: as(t, database, user)}
	for _, tc := range []struct {
		name, granted string
		lacks         []string // among others, where anything is lacking
	}{
		{"nothing", "REVOKE CREATE ON SCHEMA public FROM PUBLIC", []string{"schema public", "attempts", "audit_n", "migrations"}},
		{"to read alone", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO " + user, []string{"schema public", "attempts", "migrations"}},
		{"all but to delete", "GRANT CREATE ON SCHEMA public TO " + user + "; GRANT INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO " + user + "; " +
			"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO " + user, []string{"attempts", "tallies"}},
		{"everything", "GRANT DELETE ON ALL TABLES IN SCHEMA public TO " + user + "; GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO " + user, nil},
		{"one taken back", "REVOKE UPDATE ON attempts FROM " + user, []string{"attempts"}},
	} {
		execute(t, database, tc.granted)
		c, err := postgres.Examine(t.Context(), at, keys)
		if err != nil {
			t.Errorf("%s: who looks is told %v", tc.name, err)
		}
		for _, lack := range tc.lacks {
			if !slices.Contains(c.Lacks, lack) {
				t.Errorf("%s: %v is lacking, without %s", tc.name, c.Lacks, lack)
			}
		}
		if len(tc.lacks) == 0 != (len(c.Lacks) == 0) {
			t.Errorf("%s: %v is lacking", tc.name, c.Lacks)
		}
		s, err := postgres.Open(t.Context(), at, keys, postgres.Options{Boot: "boot-1", Clock: time.Now})
		if len(tc.lacks) == 0 != (err == nil) || err != nil && (!errors.Is(err, postgres.ErrRights) || !strings.Contains(err.Error(), "OWNER TO")) {
			t.Errorf("%s: the start is told %v", tc.name, err)
		}
		if err == nil {
			s.Close()
		}
	}
}

// as has another user connect.
func as(t *testing.T, database, user string) string {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User(user)
	return u.String()
}

// A server that speaks no TLS is not taken for a network that is broken.
func TestAServerWithoutTLS(t *testing.T) {
	database := newDatabase(t)
	at := postgres.Address{URL: strings.Replace(database, "sslmode=disable", "sslmode=require", 1)}
	_, err := postgres.Examine(t.Context(), at, newKeys(t))
	if !errors.Is(err, hub.ErrUnreachable) || !strings.Contains(err.Error(), "it speaks no TLS") {
		t.Errorf("it is told as %v", err)
	}
}
