package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"github.com/knutpunkt/knutpunkt/hub/store/rows"
	"os"
	"path/filepath"
	"time"
)

// A copy of the database that is put back knows nothing of what was delivered since it
// was made, and would deliver it again. So the database and a file beside it keep the
// same mark, and a database that is behind the file, or unknown to it, is found out at
// the start, before anything is delivered.

// A mark is what the file PATH.epoch says.
type mark struct {
	Epoch string `json:"epoch"` // the run of the hub that wrote it
	Audit int64  `json:"audit"` // how far the audit log had certainly come
}

func (s *Store) markPath() string { return s.path() + ".epoch" }

// readMark reads the file beside the database; ok is false when it says nothing that can
// be understood.
func readMark(path string) (m mark, ok bool, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return mark{}, false, nil
	}
	if err != nil {
		return mark{}, false, fmt.Errorf("read %s: %w", filepath.Base(path), err)
	}
	return m, json.Unmarshal(text, &m) == nil && m.Epoch != "", nil
}

// writeMark replaces the file beside the database: whoever reads it after a crash reads
// the old one or the new one.
func writeMark(path string, m mark) error {
	text, err := json.Marshal(m)
	if err == nil {
		err = replaceFile(path, append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	return nil
}

func replaceFile(path string, content []byte) error {
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// A history is what the database itself says of the runs that it has seen.
type history struct {
	epoch, before string // "" in one from before there were epochs, or a new one
	audit         int64
	cases         bool // it holds any
	pending       bool // it is known already to be an older copy, and not all cases have been told
}

func readHistory(ctx context.Context, db rowQuerier) (h history, err error) {
	row := db.QueryRowContext(ctx, `SELECT coalesce((SELECT id FROM epoch), ''), coalesce((SELECT before FROM epoch), ''),
		(SELECT coalesce(max(seq), 0) FROM audit), EXISTS (SELECT 1 FROM cases),
		EXISTS (SELECT 1 FROM restores WHERE done = 0)`)
	if err := row.Scan(&h.epoch, &h.before, &h.audit, &h.cases, &h.pending); err != nil {
		return history{}, fmt.Errorf("read epoch: %w", err)
	}
	return h, nil
}

// A rowQuerier is a connection, or a pool of them.
type rowQuerier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// doubt says why a database cannot be the one that ran here last; "" when it can. The
// file may still name the run before, whose process died between its two writes.
func (h history) doubt(beside mark, ok bool) string {
	switch {
	case !ok && h.epoch != "" && h.cases:
		return "it has no epoch file beside it: it was copied here"
	case !ok:
		return ""
	case h.epoch == "":
		return "it comes from an older Knutpunkt than the one that ran here last"
	case beside.Epoch != h.epoch && beside.Epoch != h.before:
		return "another database ran here last"
	case h.audit < beside.Audit:
		return fmt.Sprintf("its audit log ends at %d, and it had come to %d", h.audit, beside.Audit)
	}
	return ""
}

// beginEpoch gives this run of the hub a name of its own, in the database and then in the
// file. Whatever is found out is in the database before the file is changed.
func (s *Store) beginEpoch(ctx context.Context, conn *sql.Conn) error {
	beside, ok, err := readMark(s.markPath())
	if err != nil {
		return err
	}
	h, err := readHistory(ctx, conn)
	if err != nil {
		return err
	}
	s.epoch = rand.Text()
	err = inTransaction(ctx, conn, func() error {
		if why := h.doubt(beside, ok); why != "" && !h.pending {
			if err := noteRestore(ctx, conn, why, s.o.Clock()); err != nil {
				return err
			}
		}
		_, err := conn.ExecContext(ctx, `INSERT INTO epoch (one, id, before) VALUES (1, ?, ?)
			ON CONFLICT (one) DO UPDATE SET id = excluded.id, before = excluded.before`, s.epoch, beside.Epoch)
		return err
	})
	if err != nil {
		return fmt.Errorf("begin epoch: %w", err)
	}
	s.mark(h.audit)
	return nil
}

// noteRestore has every unsettled case told, when the hub opens the database next. Nobody is
// logged in by an older copy: who was may have logged out since.
func noteRestore(ctx context.Context, conn *sql.Conn, why string, now time.Time) error {
	if _, err := conn.ExecContext(ctx, "DELETE FROM sessions"); err != nil {
		return err
	}
	_, err := conn.ExecContext(ctx, "INSERT INTO restores (since, why, after, cases, done) VALUES (?, ?, '', 0, 0)",
		rows.Nanos(now), why)
	return err
}

// mark writes how far the audit log has come. Where that fails the file is behind, and
// what is behind is no false alarm.
func (s *Store) mark(audit int64) {
	if err := writeMark(s.markPath(), mark{s.epoch, audit}); err != nil {
		s.o.Log.Warn("the epoch file could not be written", "error", err)
		return
	}
	s.marked = audit
}

// markEvery is how far behind the file may be: what was put back from a copy younger than
// this, of a hub that was killed, is not found out.
const markEvery = 2 * time.Second

// keepWatch keeps the file up to date, and an eye on the clock, until the Store is closed.
func (s *Store) keepWatch() {
	defer close(s.unwatched)
	tick := time.NewTicker(markEvery)
	defer tick.Stop()
	for latest := s.o.Clock(); ; {
		select {
		case <-tick.C:
		case <-s.queue.Stopped():
			s.markNews()
			return
		}
		s.markNews()
		now := s.o.Clock()
		if now.Before(latest.Add(-time.Minute)) {
			s.ClockWentBack(now, latest)
		}
		latest = now
	}
}

func (s *Store) markNews() {
	if audit := s.writer.Audited(); audit != s.marked {
		s.mark(audit)
	}
}
