package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/knutpunkt/knutpunkt/hub/seal"
	"github.com/knutpunkt/knutpunkt/hub/store/rows"
)

// A Condition is how a Store was found, by somebody who only looked.
type Condition struct {
	Size    int64       // bytes of the database with its log
	Mode    os.FileMode // of the database
	Running int         // the process that has it; 0 for none
	Version int         // of its schema
	Known   int         // the newest version that this program knows
	Damage  []string    // with the names of tables, in SQLite's words
	Missing []string    // files that it tells of and that are not there
	Durable error       // why a connection to it would forget; nil when none would
	Keys    error       // why the keys cannot open what it holds; nil when they can
	Last    time.Time   // of the last line of the audit log; zero without any
	Moved   string      // where it is now, once it has been carried over to another engine; "" otherwise
	Restore *RestoreState
	Copy    string // why the next start will take it for an older copy; "" when it will not, or while a process has it
	Disk    DiskState
}

// A RestoreState tells of a database that was found to be an older copy, put back.
type RestoreState struct {
	Since time.Time
	Why   string
	Cases int  // that had anything unsettled
	Done  bool // all of them have been told
}

// A DiskState is how much room there is.
type DiskState struct {
	Free, Total int64 // bytes
	Low         int64 // the watermark: forms are taken above it
	Ballast     bool  // kept for when it is full
}

// Examine looks at a Store, also beside the process that writes it, and changes nothing.
// The error is for what cannot be looked at; what was found wrong is in the Condition.
func Examine(ctx context.Context, path string, keys *seal.Keys) (Condition, error) {
	c := Condition{Running: runner(path + ".lock")}
	for _, end := range []string{"", "-wal"} {
		stat, err := os.Stat(path + end)
		if err != nil && end == "" {
			return c, fmt.Errorf("examine store: %w", err)
		}
		if err == nil {
			c.Size += stat.Size()
		}
		if end == "" {
			c.Mode = stat.Mode().Perm()
		}
	}
	if err := c.measure(path); err != nil {
		return c, err
	}
	s, err := newStore(path, keys, Options{})
	if err != nil {
		return c, err
	}
	defer s.Close()
	if s.read, err = openReaders(path); err != nil {
		return c, fmt.Errorf("examine store: %w", err)
	}
	if err := c.examine(ctx, s); err != nil {
		return c, fmt.Errorf("examine store: %w", err)
	}
	return c, nil
}

func (c *Condition) measure(path string) (err error) {
	d := &c.Disk
	if d.Free, d.Total, err = diskFree(filepath.Dir(path)); err != nil {
		return err
	}
	d.Low = (&watermark{}).mark(d.Total)
	d.Ballast = ballast{path + ".ballast", Ballast}.aboard()
	return nil
}

func (c *Condition) examine(ctx context.Context, s *Store) error {
	if err := s.read.PingContext(ctx); err != nil { // a connection is judged when it is made
		switch err = damaged(err); {
		case errors.Is(err, ErrDamaged):
			c.Damage = []string{"it cannot be read at all"}
		case errors.Is(err, errForgets):
			c.Durable = err
		default:
			return err
		}
		return nil
	}
	var err error
	if c.Damage, _, err = findDamage(ctx, s.read, "integrity_check"); err != nil || len(c.Damage) > 0 {
		if errors.Is(err, ErrDamaged) {
			c.Damage, err = []string{"it cannot be read at all"}, nil
		}
		return err
	}
	steps, err := migrationTexts()
	if err != nil {
		return err
	}
	c.Known = len(steps)
	if err := s.read.QueryRowContext(ctx, "SELECT max(version) FROM migrations").Scan(&c.Version); err != nil {
		return err
	}
	if c.Version != c.Known {
		return nil // what else there is would be asked for in other words
	}
	if s.keys != nil {
		c.Keys = s.KnowsKeys(ctx)
	}
	return c.read(ctx, s)
}

func (c *Condition) read(ctx context.Context, s *Store) (err error) {
	var last int64
	if err := s.read.QueryRowContext(ctx, "SELECT coalesce((SELECT at FROM audit ORDER BY seq DESC LIMIT 1), 0)").Scan(&last); err != nil {
		return err
	}
	c.Last = rows.Instant(last)
	if c.Moved, _, err = movedTo(ctx, s.read); err != nil {
		return err
	}
	if c.Running == 0 {
		beside, ok, err := readMark(s.markPath())
		if err != nil {
			return err
		}
		h, err := readHistory(ctx, s.read)
		if err != nil {
			return err
		}
		c.Copy = h.doubt(beside, ok)
	}
	var r RestoreState
	var since int64
	row := s.read.QueryRowContext(ctx, "SELECT since, why, cases, done FROM restores ORDER BY n DESC LIMIT 1")
	switch err := row.Scan(&since, &r.Why, &r.Cases, &r.Done); {
	case err == nil:
		r.Since = rows.Instant(since)
		c.Restore = &r
	case !errors.Is(err, sql.ErrNoRows):
		return err
	}
	ids, err := names(ctx, s.read, "SELECT id FROM blobs WHERE content IS NULL ORDER BY id")
	for _, id := range ids {
		if _, err := os.Stat(s.files.file(id)); err != nil {
			c.Missing = append(c.Missing, id)
		}
	}
	return err
}

// runner gives the process that a lock file names, if it is alive; 0 otherwise.
func runner(lock string) int {
	f, err := os.Open(lock)
	if err != nil {
		return 0
	}
	defer f.Close()
	text, _ := io.ReadAll(io.LimitReader(f, 20))
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 0 || errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return 0
	}
	return pid
}
