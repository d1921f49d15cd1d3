package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A follower is a hub.Following as it is written.
type follower struct {
	through string
	persons [][]byte // blind indexes, in their order
}

func (s *Store) followers(fs []hub.Following) []follower {
	var all []follower
	for _, f := range fs {
		of := follower{through: f.Through}
		for _, p := range f.Persons {
			of.persons = append(of.persons, s.keys.Index("person", p.Reveal()))
		}
		slices.SortFunc(of.persons, bytes.Compare)
		all = append(all, of)
	}
	return all
}

// putFollowers writes who may follow a case. What a form says is kept under its own ID and
// lasts; what a register says holds for a while.
func (b *batch) putFollowers(c hub.CaseID, form hub.ID, fs []follower, now time.Time) error {
	for _, f := range fs {
		var err error
		if f.through == "" {
			err = b.putNamed(c, form, f.persons)
		} else {
			err = b.replaceFollowers(c, f.through, f.persons, now)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// putNamed writes whom a form names. Mostly that is who sent it, as it came in.
func (b *batch) putNamed(c hub.CaseID, form hub.ID, persons [][]byte) error {
	var had [][]byte
	err := each(b, whoIsNamed, []any{c, form}, func(rows *sql.Rows) error {
		var index []byte
		err := rows.Scan(&index)
		had = append(had, index)
		return err
	})
	if err != nil || slices.EqualFunc(had, persons, bytes.Equal) {
		return err
	}
	return b.replaceFollowers(c, string(form), persons, time.Time{})
}

const whoIsNamed = "SELECT person FROM followers WHERE case_id = ? AND through = ? ORDER BY person"

func (b *batch) replaceFollowers(c hub.CaseID, through string, persons [][]byte, checked time.Time) error {
	if err := b.exec("DELETE FROM followers WHERE case_id = ? AND through = ?", c, through); err != nil {
		return err
	}
	for _, person := range persons {
		if err := b.addFollower(person, c, through, checked); err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) addFollower(person []byte, c hub.CaseID, through string, checked time.Time) error {
	return b.exec("INSERT INTO followers (person, case_id, through, checked) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
		person, c, through, nanos(checked))
}

// Follow says who may follow a case now, in the place of who could through the same look-ups
// and by its first form, whose ID the case has.
func (s *Store) Follow(ctx context.Context, c hub.CaseID, fs []hub.Following, now time.Time) error {
	follow := s.followers(fs)
	err := s.commit(ctx, func(b *batch) error {
		if _, err := b.load(c); err != nil {
			return err
		}
		return b.putFollowers(c, hub.ID(c), follow, now)
	})
	if err != nil {
		return fmt.Errorf("write followers of case %s: %w", c, err)
	}
	return nil
}

// freshSince is since when a register must have said that somebody may follow a case.
func (s *Store) freshSince() int64 { return nanos(s.o.Clock().Add(-hub.FollowingLasts)) }

// indexes are the blind indexes of the numbers that a citizen has or has had.
func (s *Store) indexes(v hub.Viewer) [][]byte {
	persons, _ := v.Citizen()
	var all [][]byte
	for _, p := range persons {
		if !p.IsZero() {
			all = append(all, s.keys.Indexes("person", p.Reveal())...)
		}
	}
	return all
}

// Overdue gives the cases that a citizen follows through a register that has to be asked
// again before she sees them.
func (s *Store) Overdue(ctx context.Context, v hub.Viewer, now time.Time) ([]hub.CaseID, error) {
	text, args := s.overdueQuery(v, now)
	var ids []hub.CaseID
	err := s.look(ctx, func(q asker) error {
		return each(q, text, args, func(rows *sql.Rows) error {
			var id hub.CaseID
			err := rows.Scan(&id)
			ids = append(ids, id)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read followed cases: %w", err)
	}
	return ids, nil
}

// overdueQuery finds the cases that none of a citizen's numbers sees any more.
func (s *Store) overdueQuery(v hub.Viewer, now time.Time) (string, []any) {
	var args []any
	for _, index := range s.indexes(v) {
		args = append(args, index)
	}
	text := "SELECT case_id FROM followers WHERE person IN (" + marks(len(args)) +
		") GROUP BY case_id HAVING min(checked) <> 0 AND max(checked) <= ? ORDER BY case_id"
	return text, append(args, nanos(now.Add(-hub.FollowingLasts)))
}

// Marks gives what a citizen is known by in Tail.
func (s *Store) Marks(v hub.Viewer) []hub.Mark {
	var all []hub.Mark
	for _, index := range s.indexes(v) {
		all = append(all, hub.Mark(index))
	}
	return all
}

// Tail gives the lines of the feed after seq, in its order, with who follows each case.
func (s *Store) Tail(ctx context.Context, after uint64, limit int) ([]hub.Told, error) {
	text, args := s.feedQuery(hub.AsHub(), "", after)
	var lines []hub.Told
	err := s.look(ctx, func(q asker) error {
		err := each(q, text+" LIMIT ?", append(args, limitOf(limit)), func(rows *sql.Rows) error {
			line, err := s.statusFor(q, hub.AsHub(), rows)
			lines = append(lines, hub.Told{Status: line})
			return err
		})
		if err != nil {
			return err
		}
		return s.addFollowers(q, lines)
	})
	if err != nil {
		return nil, fmt.Errorf("read the end of the feed: %w", err)
	}
	return lines, nil
}

// addFollowers asks once for each case, however many of the lines it has.
func (s *Store) addFollowers(q asker, lines []hub.Told) (err error) {
	known := map[hub.CaseID][]hub.Mark{}
	for i := range lines {
		id := lines[i].Case
		if _, ok := known[id]; !ok {
			if known[id], err = s.followersOf(q, id); err != nil {
				return err
			}
		}
		lines[i].Followers = known[id]
	}
	return nil
}

const whoFollows = "SELECT DISTINCT person FROM followers WHERE case_id = ? AND (checked = 0 OR checked > ?)"

func (s *Store) followersOf(q asker, id hub.CaseID) ([]hub.Mark, error) {
	var all []hub.Mark
	err := each(q, whoFollows, []any{id, s.freshSince()}, func(rows *sql.Rows) error {
		var index []byte
		err := rows.Scan(&index)
		all = append(all, hub.Mark(index))
		return err
	})
	return all, err
}

// FeedEnd gives the number of the feed's last line, 0 when it is empty.
func (s *Store) FeedEnd(ctx context.Context) (uint64, error) {
	var end int64
	err := s.look(ctx, func(q asker) error {
		_, err := one(q, "SELECT coalesce(max(seq), 0) FROM feed", nil, &end)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("read the end of the feed: %w", err)
	}
	return uint64(end), nil
}
