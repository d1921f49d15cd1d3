package sqlite

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/seal"
)

// Bookmark gives how far a register's files have been read.
func (s *Store) Bookmark(ctx context.Context, register hub.SystemID) (b hub.Bookmark, err error) {
	err = s.look(ctx, func(q asker) error {
		b, err = bookmarkOf(q, register)
		return err
	})
	if err != nil {
		return b, fmt.Errorf("read bookmark of %s: %w", register, err)
	}
	return b, nil
}

func bookmarkOf(q asker, register hub.SystemID) (b hub.Bookmark, err error) {
	var asOf int64
	_, err = one(q, "SELECT files, from_file, posts, as_of, note FROM bookmarks WHERE register = ?",
		[]any{register}, &b.Files, &b.From, &b.Posts, &asOf, &b.Note)
	b.AsOf = instant(asOf)
	return b, err
}

// Residents gives those of some persons whom a register that files feed tells of.
func (s *Store) Residents(ctx context.Context, register hub.SystemID, ids []hub.PersonID) ([]hub.Person, error) {
	var told []hub.Person
	err := s.look(ctx, func(q asker) error {
		at, err := bookmarkOf(q, register)
		if err != nil {
			return err
		}
		for _, id := range ids {
			r := residentRow{register: register, person: s.keys.Index("person", id.Reveal())}
			there, err := one(q, `SELECT file, municipality, data_key, sealed FROM residents
				WHERE register = ? AND person = ? AND file BETWEEN ? AND ? ORDER BY file DESC LIMIT 1`,
				[]any{register, r.person, max(at.From, 1), at.Files}, &r.file, &r.municipality, &r.wrapped, &r.sealed)
			if err != nil {
				return err
			}
			if !there || r.sealed == nil {
				continue
			}
			p, err := s.openResident(r)
			if err != nil {
				return err
			}
			told = append(told, p)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read residents of %s: %w", register, err)
	}
	return told, nil
}

// KeepResidents stores what a part of a file says, together with how far that is.
func (s *Store) KeepResidents(ctx context.Context, register hub.SystemID, m hub.Municipality, at hub.Bookmark,
	told []hub.Person, gone []hub.PersonID) error {
	rows, err := s.residentRows(register, m, at, told, gone)
	if err == nil {
		err = s.commit(ctx, func(b *batch) error { return b.keepResidents(register, at, rows) })
	}
	if err != nil {
		return fmt.Errorf("write residents of %s: %w", register, err)
	}
	return nil
}

// A residentRow is what one file says of one person.
type residentRow struct {
	register        hub.SystemID
	person          []byte
	file            int
	municipality    hub.Municipality
	wrapped, sealed []byte // nil for who is in the register no more
}

func (r residentRow) place() seal.Place {
	row := fmt.Sprint(r.register, " ", hex.EncodeToString(r.person), " ", r.file)
	return seal.Place{Municipality: string(r.municipality), Table: "residents", Row: row, Column: "sealed"}
}

// residentRows seals what is told, before anybody waits for the writer.
func (s *Store) residentRows(register hub.SystemID, m hub.Municipality, at hub.Bookmark, told []hub.Person,
	gone []hub.PersonID) ([]residentRow, error) {
	file := at.Files
	if at.Posts > 0 {
		file++
	}
	var rows []residentRow
	for _, p := range told {
		r := residentRow{register: register, person: s.keys.Index("person", p.ID.Reveal()), file: file, municipality: m}
		plain, err := hub.RevealAnswers([]hub.RegisterAnswer{{Persons: []hub.Person{p}}})
		if err != nil {
			return nil, err
		}
		key, wrapped, err := s.keys.NewDataKey(string(m), r.place().Row)
		if err != nil {
			return nil, err
		}
		if r.sealed, err = key.Seal(r.place(), plain); err != nil {
			return nil, err
		}
		r.wrapped = wrapped
		rows = append(rows, r)
	}
	for _, id := range gone {
		rows = append(rows, residentRow{register: register, person: s.keys.Index("person", id.Reveal()), file: file, municipality: m})
	}
	return rows, nil
}

func (s *Store) openResident(r residentRow) (hub.Person, error) {
	plain, err := s.openLoose(r.place(), r.wrapped, r.sealed)
	if err != nil {
		return hub.Person{}, err
	}
	answers, err := hub.RestoreAnswers(plain)
	if err != nil || len(answers) != 1 || len(answers[0].Persons) != 1 {
		return hub.Person{}, hub.ErrContents
	}
	return answers[0].Persons[0], nil
}

func (b *batch) keepResidents(register hub.SystemID, at hub.Bookmark, rows []residentRow) error {
	was, err := bookmarkOf(b, register)
	switch {
	case err != nil:
		return err
	case !at.Follows(was):
		return hub.ErrConflict
	case at.Posts > 0 && at.Posts <= was.Posts: // a file is read from its beginning again
		err = b.forgetStaged(register, was)
	}
	if err != nil {
		return err
	}
	for _, r := range rows {
		if err := b.putResident(r); err != nil {
			return err
		}
	}
	if at.Files > was.Files {
		if err := b.forgetReplaced(register, at); err != nil {
			return err
		}
	}
	return b.exec(`INSERT INTO bookmarks (register, files, from_file, posts, as_of, note) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (register) DO UPDATE SET files = excluded.files, from_file = excluded.from_file,
		posts = excluded.posts, as_of = excluded.as_of, note = excluded.note`,
		register, at.Files, at.From, at.Posts, nanos(at.AsOf), at.Note)
}

func (b *batch) putResident(r residentRow) error {
	if r.wrapped != nil {
		if err := b.noteWrap(r.municipality, r.wrapped); err != nil {
			return err
		}
	}
	err := b.exec("UPDATE residents SET until = ? WHERE register = ? AND person = ? AND file < ? AND until = 0",
		r.file, r.register, r.person, r.file)
	if err != nil {
		return err
	}
	return b.exec(`INSERT INTO residents (register, person, file, until, municipality, data_key, sealed) VALUES (?, ?, ?, 0, ?, ?, ?)
		ON CONFLICT (register, person, file) DO UPDATE SET municipality = excluded.municipality,
		data_key = excluded.data_key, sealed = excluded.sealed`,
		r.register, r.person, r.file, r.municipality, r.wrapped, r.sealed)
}

// forgetStaged takes away what has been kept of a file that is not whole.
func (b *batch) forgetStaged(register hub.SystemID, was hub.Bookmark) error {
	return errors.Join(
		b.exec("DELETE FROM residents WHERE register = ? AND file > ?", register, was.Files),
		b.exec("UPDATE residents SET until = 0 WHERE register = ? AND until > ?", register, was.Files))
}

// forgetReplaced takes away what no longer counts, now that a file has been read whole.
func (b *batch) forgetReplaced(register hub.SystemID, at hub.Bookmark) error {
	return errors.Join(
		b.exec("DELETE FROM residents WHERE register = ? AND file < ?", register, at.From),
		b.exec("DELETE FROM residents WHERE register = ? AND until BETWEEN 1 AND ?", register, at.Files))
}

const undecided = `SELECT p.key, p.case_id FROM progress p JOIN cases c ON c.id = p.case_id
	WHERE p.system = ? AND p.ref IS NOT NULL AND p.kind = 'document' AND p.state IN ('DELIVERED', 'CONFIRMED')
	AND (p.ref, p.key) > (coalesce((SELECT ref FROM progress WHERE key = ?), ''), ?)
	AND c.step NOT IN ('beslutat', 'avslutat', 'atertaget', 'avvisat')
	ORDER BY p.ref, p.key LIMIT ?`

// Undecided gives the documents that a system has taken and whose citizen has not read
// Beslutat or an end of her case.
func (s *Store) Undecided(ctx context.Context, system hub.SystemID, after hub.Key, n int) ([]hub.Claim, error) {
	var claims []hub.Claim
	err := s.look(ctx, func(q asker) error {
		rows, err := rowsOf(q, undecided, system, after, after, n)
		if err != nil {
			return err
		}
		for _, row := range rows {
			c, err := loadCase(q, row.id)
			if err != nil {
				return err
			}
			claims = append(claims, hub.Claim{Case: c, Key: row.key})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read what %s has not decided: %w", system, err)
	}
	return claims, nil
}
