package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/knutpunkt/knutpunkt/hub/enginetest"
)

// Engines are what replicas stand on, besides the folder of their configuration: a real PostgreSQL and a
// real Kafka broker. Nil, and without one of them, a hub has its store in its own folder, and a bus
// within its own process.
type engines struct {
	dir      string
	postgres *enginetest.Server
	kafka    *enginetest.Cluster
	stages   atomic.Int64
}

// What --store and --bus may be.
const (
	ofSQLite   = "sqlite"
	ofPostgres = "postgres"
	ofMemory   = "memory"
	ofKafka    = "kafka"
)

// openEngines starts those that are asked for.
func openEngines(ctx context.Context, dir, store, bus string) (e *engines, err error) {
	if store != ofPostgres && bus != ofKafka {
		return nil, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	e = &engines{dir: dir}
	if store == ofPostgres {
		if e.postgres, err = enginetest.StartPostgres(ctx, dir); err != nil {
			return nil, err
		}
	}
	if bus == ofKafka {
		if e.kafka, err = enginetest.StartKafka(ctx, dir, 1); err != nil {
			return nil, errors.Join(err, e.close())
		}
	}
	return e, nil
}

func (e *engines) close() (err error) {
	if e != nil && e.kafka != nil {
		err = e.kafka.Close()
	}
	if e != nil && e.postgres != nil {
		err = errors.Join(err, e.postgres.Close())
	}
	return err
}

// prepare gives what knutpunkt.yaml says of the store and of the bus of one more installation, which
// shares neither with the others; and its database, "" for SQLite.
func (e *engines) prepare(ctx context.Context) (settings, database string, err error) {
	store, bus := "sqlite:data/knutpunkt.db", "bus: memory"
	if e == nil {
		return "store: " + store + "\n" + bus, "", nil
	}
	name := fmt.Sprintf("stage_%d", e.stages.Add(1))
	if e.kafka != nil {
		bus = fmt.Sprintf("bus: kafka://%s\nkafka: { wakes: %s.wakes }\nstatuses: %s.statuses", strings.Join(e.kafka.Addresses(), ","), name, name)
	}
	if e.postgres != nil {
		database, store = name, e.postgres.URL(name)
		_, err = e.postgres.SQL(ctx, "CREATE DATABASE "+name)
	}
	return "store: " + store + "\n" + bus, database, err
}

// A takeover is how the living took over what a replica had in hand when it was killed.
type takeover struct {
	Killed time.Time     `json:"killed"`
	From   string        `json:"from"`
	Rows   int           `json:"rows"`
	Took   time.Duration `json:"took"` // until nothing of it is in the dead one's hand
	Whole  bool          `json:"whole"`
}

// takeoverWithin is how long the living may take to see that one of them is dead, on a machine with
// much else to do.
const takeoverWithin = 15 * time.Second

// boot gives by what name the replica that was started last has things in hand.
func (s *stage) boot(ctx context.Context) (string, error) {
	return s.engines.postgres.SQLIn(ctx, s.database, "SELECT name FROM boots ORDER BY n DESC LIMIT 1")
}

// inHandOf counts what a process has in hand, alive or dead.
func (s *stage) inHandOf(ctx context.Context, boot string) (rows int, err error) {
	text, err := s.engines.postgres.SQLIn(ctx, s.database, "SELECT count(*) FROM progress WHERE lease_boot = '"+boot+"'")
	if err == nil {
		_, err = fmt.Sscan(text, &rows)
	}
	return rows, err
}

// watch sees how what a dead replica had in hand is taken over. A takeover that cannot be seen to its
// end, since PostgreSQL went away meanwhile, is none.
func (s *stage) watch(ctx context.Context, of, boot string, killed time.Time) (t takeover, seen bool) {
	t = takeover{Killed: killed, From: of}
	rows, err := s.inHandOf(ctx, boot)
	if t.Rows = rows; err != nil || rows == 0 {
		return t, false
	}
	for rows > 0 && time.Since(killed) < 2*takeoverWithin {
		pause(ctx, 50*time.Millisecond)
		if rows, err = s.inHandOf(ctx, boot); err != nil {
			return t, false
		}
	}
	t.Took, t.Whole = time.Since(killed), rows == 0
	return t, true
}

// An absence is a while in which an engine was not there.
type absence struct {
	Of   string    `json:"of"`
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// withoutStore reports whether PostgreSQL was away at any time between two others.
func (v *view) withoutStore(from, to time.Time) bool {
	return slices.ContainsFunc(v.away, func(a absence) bool { return a.Of == ofPostgres && a.To.After(from) && a.From.Before(to) })
}

// then tells what came of an absence.
func (a absence) then(v *view) string {
	if a.Of == ofKafka {
		return fmt.Sprintf("%d documents came to systems meanwhile", a.delivered(v.calls))
	}
	for _, p := range v.posts {
		if p.What == ok && !p.Replayed && p.At.After(a.To) {
			return fmt.Sprintf("%v later a form was received", p.At.Sub(a.To).Round(time.Millisecond))
		}
	}
	return "no form came in afterwards"
}

// delivered counts the documents that systems first got while the engine was away, and cannot have
// been woken for.
func (a absence) delivered(calls []call) (n int) {
	for _, c := range calls {
		if c.What == "post" && c.Nth == 1 && c.At.After(a.From.Add(2*time.Second)) && c.At.Before(a.To) {
			n++
		}
	}
	return n
}

// drop lets go of an installation's database: a server that starts again looks through all that it has.
func (e *engines) drop(database string) {
	if database != "" {
		e.postgres.SQL(context.Background(), "DROP DATABASE "+database+" WITH (FORCE)") // or it goes with the server
	}
}

// searchEngines looks through all that the engines have written, and through the database as it is when
// it is read.
func (s *stage) searchEngines(ctx context.Context) (files int, err error) {
	if s.engines == nil {
		return 0, nil
	}
	if s.database != "" {
		dump, err := s.engines.postgres.Dump(ctx, s.database)
		if err != nil {
			return 0, err
		}
		s.spill.text("the dump of the database", dump)
	}
	return s.spill.search(filepath.Clean(s.engines.dir))
}
