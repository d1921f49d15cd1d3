// Package enginetest starts real servers for tests: PostgreSQL and Apache Kafka. It is
// imported from tests and from the chaos harness only.
//
// Where a Docker engine answers, a server is a container of the vendor's own image.
// Otherwise it is a child of this process: PostgreSQL from the machine's package, Kafka
// from jars that Maven fetches once into the user's cache. Either way it listens on
// 127.0.0.1 only, and ends with the process that started it, however that ends.
//
// Outside CI a test whose engine cannot be had is skipped, loudly. With CI set it fails.
package enginetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// ErrMissing says that this machine has no such engine, and what would bring it.
var ErrMissing = errors.New("engine is missing")

// Postgres gives the URL of a fresh, empty database, in a server that the tests of this
// process share. The database goes with the test.
func Postgres(t testing.TB) string {
	t.Helper()
	s, err := sharedPostgres()
	Need(t, err)
	name := fmt.Sprintf("test_%d", databases.Add(1))
	if _, err := s.SQL(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := s.SQL(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return s.URL(name)
}

// Kafka gives the addresses of a broker that the tests of this process share. Topics that
// a test makes should bear names of their own.
func Kafka(t testing.TB) []string {
	t.Helper()
	c, err := sharedKafka()
	Need(t, err)
	return c.Addresses()
}

// Need skips the test when err says that an engine is missing, outside CI, and fails it
// for every other error.
func Need(t testing.TB, err error) {
	t.Helper()
	switch {
	case errors.Is(err, ErrMissing) && os.Getenv("CI") == "":
		t.Skipf("NOT TESTED: %v", err)
	case err != nil:
		t.Fatal(err)
	}
}

// startWithin is how long a shared server may take, on a machine with much else to do.
const startWithin = 2 * time.Minute

var (
	databases      atomic.Int64
	sharedPostgres = sync.OnceValues(func() (*Server, error) { return shared(StartPostgres) })
	sharedKafka    = sync.OnceValues(func() (*Cluster, error) {
		return shared(func(ctx context.Context, dir string) (*Cluster, error) { return StartKafka(ctx, dir, 1) })
	})
)

// shared starts a server in a folder of its own, which goes when this process does.
func shared[S any](start func(context.Context, string) (S, error)) (none S, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	dir, err := os.MkdirTemp("", "knutpunkt-engine-")
	if err != nil {
		return none, fmt.Errorf("make a folder for a server: %w", err)
	}
	if err := guard(dir, leaveNothing); err != nil {
		return none, err
	}
	s, err := start(ctx, dir)
	if errors.Is(err, ErrMissing) {
		os.RemoveAll(dir)
	}
	return s, err
}

// tail gives the end of what a server wrote, for an error.
func tail(path string) string {
	b, _ := os.ReadFile(path)
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return filepath.Base(path) + ": " + strings.Join(lines[max(0, len(lines)-8):], " | ")
}
