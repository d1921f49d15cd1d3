package rows

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// followersBy are the blind indexes of whom a Following names, in their order; nil for none.
func (s *Store) followersBy(f *hub.Following) [][]byte {
	if f == nil {
		return nil
	}
	all := make([][]byte, 0, len(f.Persons))
	for _, p := range f.Persons {
		all = append(all, s.keys.Index("person", p.Reveal()))
	}
	return all
}

// Follow says who may follow a case beside who sent its forms in.
func (s *Store) Follow(ctx context.Context, c hub.CaseID, f hub.Following, now time.Time) error {
	persons := s.followersBy(&f)
	err := s.commit(ctx, func(b *Tx) error {
		if _, err := b.load(c); err != nil {
			return err
		}
		return b.putOthers(c, persons, now)
	})
	if err != nil {
		return fmt.Errorf("write followers of case %s: %w", c, err)
	}
	return nil
}

// putOthers writes who may follow a case beside who sent its forms in, in the place of who
// could before. Mostly that is nobody, and was.
func (b *Tx) putOthers(c hub.CaseID, persons [][]byte, now time.Time) error {
	var had int
	if _, err := one(b, anyOthers, []any{c}, &had); err != nil {
		return err
	}
	if had > 0 {
		if err := b.Exec("DELETE FROM followers WHERE case_id = ? AND checked <> 0", c); err != nil {
			return err
		}
	}
	return b.addFollowers(persons, c, now)
}

func (b *Tx) addFollowers(persons [][]byte, c hub.CaseID, now time.Time) error {
	for _, person := range persons {
		if err := b.addFollower(person, c, now); err != nil {
			return err
		}
	}
	return nil
}

const anyOthers = "SELECT count(*) FROM followers WHERE case_id = ? AND checked <> 0"

// addFollower lets somebody follow a case: for good, when she sent a form of it in and
// checked is zero; else for a while from then.
func (b *Tx) addFollower(person []byte, c hub.CaseID, checked time.Time) error {
	return b.Exec(`INSERT INTO followers (person, case_id, checked) VALUES (?, ?, ?)
		ON CONFLICT (person, case_id) DO UPDATE SET checked = `+b.s.dialect.Least+`(followers.checked, excluded.checked)`, person, c, Nanos(checked))
}

// freshSince is since when a register must have said that somebody may follow a case.
func (s *Store) freshSince() int64 { return Nanos(s.o.Clock().Add(-hub.FollowingLasts)) }

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
	err := s.look(ctx, func(q Asker) error {
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
	return text, append(args, Nanos(now.Add(-hub.FollowingLasts)))
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
	err := s.lookAtLines(ctx, func(q Asker) error {
		err := each(q, text+" LIMIT ?", append(args, limitOf(limit)), func(rows *sql.Rows) error {
			line, _, err := scanStatus(rows)
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
func (s *Store) addFollowers(q Asker, lines []hub.Told) (err error) {
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

const whoFollows = "SELECT person FROM followers WHERE case_id = ? AND (checked = 0 OR checked > ?)"

func (s *Store) followersOf(q Asker, id hub.CaseID) ([]hub.Mark, error) {
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
	err := s.lookAtLines(ctx, func(q Asker) error {
		_, err := one(q, "SELECT coalesce(max(seq), 0) FROM feed", nil, &end)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("read the end of the feed: %w", err)
	}
	return uint64(end), nil
}
