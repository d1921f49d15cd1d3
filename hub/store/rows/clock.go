package rows

import (
	"context"
	"slices"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// farthest is how far ahead anything waits: the longest backoff, with its jitter.
var farthest = hub.Backoff(hub.MaxAttempts, 1)

// A clock that was wrong and is set back leaves rows waiting for a time that has become far
// away. They are brought nearer. What comes first and what comes next is not the clock's to
// tell in the Store, but the numbers'.

// HeedClock looks at the start whether the clock stands before what has happened already.
func (s *Store) HeedClock(ctx context.Context) error {
	now, last := s.o.Clock(), Instant(s.acted.Load())
	if now.Before(last.Add(-time.Minute)) {
		s.o.Log.Warn("the clock stands before the last line of the audit log", "clock", now.UTC(), "last", last)
	}
	return s.bringNearer(ctx)
}

// ClockWentBack sees to it while the hub runs.
func (s *Store) ClockWentBack(now, before time.Time) {
	s.o.Log.Warn("the clock was set back", "clock", now.UTC(), "before", before.UTC())
	if err := s.bringNearer(context.Background()); err != nil {
		s.o.Log.Error("bring rows nearer", "error", err)
	}
}

func (s *Store) bringNearer(ctx context.Context) error {
	for {
		n, err := s.bringSomeNearer(ctx)
		if err != nil || n == 0 {
			return err
		}
		s.o.Log.Warn("rows waited for a time too far away and are taken up sooner", "rows", n)
	}
}

const farRows = `SELECT DISTINCT key, case_id FROM progress
	WHERE queue IS NOT NULL AND (since > ? OR due > ?) LIMIT 200`

// bringSomeNearer moves some of the rows that are due later than anything is ever put off,
// or that say that they have waited since a time to come: those go on waiting as long as
// they were to.
func (s *Store) bringSomeNearer(ctx context.Context) (n int, err error) {
	now := s.o.Clock()
	err = s.commit(ctx, func(b *Tx) error {
		rows, err := rowsOf(b, farRows, Nanos(now), Nanos(now.Add(farthest)))
		n = len(rows)
		for _, r := range rows {
			if err == nil {
				err = b.bringNearer(r, now)
			}
		}
		return err
	})
	return n, err
}

func (b *Tx) bringNearer(r row, now time.Time) error {
	before, err := b.load(r.id)
	if err != nil {
		return err
	}
	after := before
	after.Submissions, after.Deliveries = slices.Clone(before.Submissions), slices.Clone(before.Deliveries)
	p := after.Find(r.key)
	if p.Since.After(now) {
		p.Since, p.Due = now, now.Add(max(p.Due.Sub(p.Since), 0))
	}
	if limit := now.Add(farthest); p.Due.After(limit) {
		p.Due = limit
	}
	return b.write(before, after, &hub.Effects{})
}
