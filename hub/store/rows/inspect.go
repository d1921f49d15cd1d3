package rows

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/knutpunkt/knutpunkt/hub"
)

// OpenLoose opens everything that is sealed and is no form's, and tells of what cannot be
// opened, in words. The schema is SQLite's version of a copy that may be older than this program: what
// came with a later one is not asked for.
func (s *Store) OpenLoose(ctx context.Context, schema int, damaged func(what string)) error {
	if schema < 4 {
		return nil
	}
	return s.look(ctx, func(q Asker) error {
		for _, open := range []func(Asker, func(string)) error{s.openWords, s.openTallies, s.openPauses} {
			if err := open(q, damaged); err != nil {
				return err
			}
		}
		if schema < 5 {
			return nil
		}
		return s.openResidents(q, damaged)
	})
}

// openResidents opens what files have told of a municipality's residents.
func (s *Store) openResidents(q Asker, damaged func(string)) error {
	spoiled := map[hub.SystemID]int{}
	err := each(q, "SELECT register, person, file, municipality, data_key, sealed FROM residents WHERE sealed IS NOT NULL", nil,
		func(rows *sql.Rows) error {
			var r residentRow
			if err := rows.Scan(&r.register, &r.person, &r.file, &r.municipality, &r.wrapped, &r.sealed); err != nil {
				return err
			}
			if _, err := s.openResident(r); err != nil {
				spoiled[r.register]++
			}
			return nil
		})
	for _, register := range slices.Sorted(maps.Keys(spoiled)) {
		damaged(fmt.Sprintf("what %s tells of %d residents", register, spoiled[register]))
	}
	return err
}

func (s *Store) openWords(q Asker, damaged func(string)) error {
	return each(q, "SELECT system, mark, data_key, text FROM words", nil, func(rows *sql.Rows) error {
		var system hub.SystemID
		var mark, wrapped, text []byte
		if err := rows.Scan(&system, &mark, &wrapped, &text); err != nil {
			return err
		}
		if _, err := s.openLoose(wordPlace(system, mark), wrapped, text); err != nil {
			damaged(fmt.Sprintf("a word of %s", system))
		}
		return nil
	})
}

func (s *Store) openTallies(q Asker, damaged func(string)) error {
	return each(q, "SELECT municipality, source, service, day, data_key, ids FROM sent", nil, func(rows *sql.Rows) error {
		var t hub.Tally
		var wrapped, ids []byte
		if err := rows.Scan(&t.Municipality, &t.Source, &t.Service, &t.Day, &wrapped, &ids); err != nil {
			return err
		}
		if _, err := s.openTally(t, wrapped, ids); err != nil {
			damaged(fmt.Sprintf("the tally of %s of %s", t.Source, t.Day))
		}
		return nil
	})
}

// openPauses opens why systems were paused, and taken up again.
func (s *Store) openPauses(q Asker, damaged func(string)) error {
	return each(q, "SELECT system, since, data_key, reason, ended_reason FROM pauses", nil, func(rows *sql.Rows) error {
		var system hub.SystemID
		var since int64
		var wrapped, reason, ended []byte
		if err := rows.Scan(&system, &since, &wrapped, &reason, &ended); err != nil {
			return err
		}
		_, err := s.openLoose(pausePlace(system, since, "reason"), wrapped, reason)
		if err == nil && ended != nil {
			_, err = s.openLoose(pausePlace(system, since, "ended_reason"), wrapped, ended)
		}
		if err != nil {
			damaged(fmt.Sprintf("why %s was paused", system))
		}
		return nil
	})
}

// OpenFile reads the sealed bytes of a large file of a form to their end, and compares what
// they open to with what the form tells of it; zero where nothing does.
func (s *Store) OpenFile(ctx context.Context, of hub.ID, id string, want hub.Blob, sealed io.Reader) error {
	owned, err := s.dataKey(ctx, of)
	if err != nil {
		return err
	}
	plain, err := owned.key.OpenReader(streamPlace(id), sealed)
	if err != nil {
		return err
	}
	if want != (hub.Blob{}) {
		plain = &verifying{plain: plain, want: want, sum: sha256.New()}
	}
	_, err = io.Copy(io.Discard, plain)
	return err
}
