package postgres_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/enginetest"
	"github.com/knutpunkt/knutpunkt/hub/seal"
	"github.com/knutpunkt/knutpunkt/hub/store/postgres"
	"github.com/knutpunkt/knutpunkt/hub/store/storetest"
)

func TestStore(t *testing.T) { storetest.Run(t, newBed) }

// A bed is a database. To kill its process is to have the server end its sessions.
type bed struct {
	url   string
	keys  *seal.Keys
	clock func() time.Time
	store *postgres.Store
	boot  string
}

func newBed(t testing.TB, clock func() time.Time) storetest.Bed {
	return &bed{url: newDatabase(t), keys: newKeys(t), clock: clock}
}

func (b *bed) Open(t testing.TB, boot string) hub.Store {
	t.Helper()
	b.store, b.boot = open(t, b.url, b.keys, postgres.Options{Boot: boot, Clock: b.clock}), boot
	return b.store
}

func (b *bed) Kill(t testing.TB) {
	t.Helper()
	b.store.Abandon()
	endSessions(t, b.url, b.boot)
}

// model makes, once, the database that all others here are copies of. They are not dropped:
// that would have the server write all of its memory to disk, and it goes with this process.
var (
	model     sync.Once
	server    string
	databases atomic.Int64
)

// newDatabase makes a database that has our tables already, which is quicker than to make them.
func newDatabase(t testing.TB) string {
	t.Helper()
	model.Do(func() {
		server = enginetest.Postgres(t)
		execute(t, named(t, "postgres"), "CREATE DATABASE model")
		open(t, named(t, "model"), newKeys(t), postgres.Options{Boot: "boot-0", Clock: time.Now}).Close()
	})
	if server == "" {
		t.Skip("NOT TESTED: no PostgreSQL on this machine")
	}
	name := fmt.Sprintf("bed_%d", databases.Add(1))
	execute(t, named(t, "postgres"), "CREATE DATABASE "+name+" TEMPLATE model")
	return named(t, name)
}

func execute(t testing.TB, url, statement string) {
	t.Helper()
	db := ask(t, url)
	defer db.Close()
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
}

// named gives the URL of a database on the server that all tests share.
func named(t testing.TB, database string) string {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + database
	return u.String()
}

// open opens a Store that calls others dead as soon as it does not see them.
func open(t testing.TB, url string, keys *seal.Keys, o postgres.Options) *postgres.Store {
	t.Helper()
	s, err := postgres.OpenImpatient(t.Context(), postgres.Address{URL: url}, keys, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func newKeys(t testing.TB) *seal.Keys {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys.json")
	if err := seal.Init(path, storetest.Municipalities...); err != nil {
		t.Fatal(err)
	}
	keys, err := seal.Open("file:" + path)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// ask opens a connection to a database beside the Store.
func ask(t testing.TB, url string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

const sessionsOf = "FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'knutpunkt ' || $1"

// endSessions ends all sessions of a process, and waits until the server knows that they are gone.
func endSessions(t testing.TB, url, boot string) {
	t.Helper()
	db := ask(t, url)
	for left := true; left; {
		if _, err := db.Exec("SELECT pg_terminate_backend(pid) "+sessionsOf, boot); err != nil {
			t.Fatal(err)
		}
		if err := db.QueryRow("SELECT count(*) > 0 "+sessionsOf, boot).Scan(&left); err != nil {
			t.Fatal(err)
		}
	}
	db.Close()
}

var background = context.Background()
