package rows

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/seal"
)

// Bookmark gives how far a register's files have been read.
func (s *Store) Bookmark(ctx context.Context, register hub.SystemID) (b hub.Bookmark, err error) {
	err = s.look(ctx, func(q Asker) error {
		b, err = bookmarkOf(q, register)
		return err
	})
	if err != nil {
		return b, fmt.Errorf("read bookmark of %s: %w", register, err)
	}
	return b, nil
}

func bookmarkOf(q Asker, register hub.SystemID) (b hub.Bookmark, err error) {
	var asOf int64
	_, err = one(q, "SELECT files, shown, from_file, posts, as_of, note FROM bookmarks WHERE register = ?",
		[]any{register}, &b.Files, &b.Shown, &b.From, &b.Posts, &asOf, &b.Note)
	b.AsOf = Instant(asOf)
	return b, err
}

// Residents gives those of some persons whom a register that files feed tells of, or will.
func (s *Store) Residents(ctx context.Context, register hub.SystemID, ids []hub.PersonID, coming bool) ([]hub.Person, error) {
	rows, err := s.findResidents(ctx, register, ids, coming)
	var told []hub.Person
	for _, r := range rows {
		var p hub.Person
		if p, err = s.openResident(r); err != nil {
			break
		}
		told = append(told, p)
	}
	if err != nil {
		return nil, fmt.Errorf("read residents of %s: %w", register, err)
	}
	return told, nil
}

const saysOf = `SELECT file, municipality, data_key, sealed FROM residents
	WHERE register = ? AND person = ? AND file BETWEEN ? AND ? ORDER BY file DESC LIMIT 1`

// findResidents gives the rows that say something, sealed.
func (s *Store) findResidents(ctx context.Context, register hub.SystemID, ids []hub.PersonID, coming bool) (found []residentRow, err error) {
	return found, s.look(ctx, func(q Asker) error {
		at, err := bookmarkOf(q, register)
		if err != nil {
			return err
		}
		first, last := at.Sees(coming)
		for _, id := range ids {
			r := residentRow{register: register, person: s.keys.Index("person", id.Reveal())}
			_, err := one(q, saysOf, []any{register, r.person, first, last}, &r.file, &r.municipality, &r.wrapped, &r.sealed)
			if err != nil {
				return err
			}
			if r.sealed != nil {
				found = append(found, r)
			}
		}
		return nil
	})
}

// KeepResidents stores what a part of a file says, together with how far that is.
func (s *Store) KeepResidents(ctx context.Context, register hub.SystemID, m hub.Municipality, at hub.Bookmark,
	told []hub.Person, gone []hub.PersonID) error {
	err := s.beginReading(ctx, register, at)
	var rows []residentRow
	if err == nil {
		rows, err = s.sealResidents(register, m, at.Reading(), told, gone)
	}
	if err == nil {
		err = s.commit(ctx, func(b *Tx) error { return b.keepResidents(register, at, rows) })
	}
	if err != nil {
		return fmt.Errorf("write residents of %s: %w", register, err)
	}
	if at.Posts == 0 {
		if err := s.forgetIdle(ctx, register); err != nil { // whoever keeps something next tries again
			s.o.Log.Warn("what no longer counts is still stored", "system", register, "error", err)
		}
	}
	return nil
}

// beginReading makes room for a part. Before the first of a file nothing is left of one that
// was read in vain.
func (s *Store) beginReading(ctx context.Context, register hub.SystemID, at hub.Bookmark) error {
	if err := s.engine.Room(); err != nil {
		return err
	}
	was, err := s.Bookmark(ctx, register)
	switch {
	case err != nil:
		return err
	case !at.Follows(was):
		return hub.ErrConflict
	case was.Posts > 0:
		return nil
	}
	return s.forgetIdle(ctx, register)
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

// sealResidents seals what is told, before anybody waits for the writer.
func (s *Store) sealResidents(register hub.SystemID, m hub.Municipality, file int, told []hub.Person, gone []hub.PersonID) ([]residentRow, error) {
	var rows []residentRow
	row := func(id hub.PersonID) residentRow {
		return residentRow{register: register, person: s.keys.Index("person", id.Reveal()), file: file, municipality: m}
	}
	for _, p := range told {
		r := row(p.ID)
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
		rows = append(rows, row(id))
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

func (b *Tx) keepResidents(register hub.SystemID, at hub.Bookmark, rows []residentRow) error {
	if err := b.alone("register", []byte(register)); err != nil {
		return err
	}
	was, err := bookmarkOf(b, register)
	switch {
	case err != nil:
		return err
	case !at.Follows(was):
		return hub.ErrConflict
	}
	for _, r := range rows {
		if err := b.putResident(r); err != nil {
			return err
		}
	}
	return b.Exec(`INSERT INTO bookmarks (register, files, shown, from_file, posts, as_of, note) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (register) DO UPDATE SET files = excluded.files, shown = excluded.shown, from_file = excluded.from_file,
		posts = excluded.posts, as_of = excluded.as_of, note = excluded.note`,
		register, at.Files, at.Shown, at.From, at.Posts, Nanos(at.AsOf), at.Note)
}

func (b *Tx) putResident(r residentRow) error {
	if r.wrapped != nil {
		if err := b.noteWrap(r.municipality, r.wrapped); err != nil {
			return err
		}
	}
	return b.Exec(`INSERT INTO residents (register, person, file, municipality, data_key, sealed) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (register, person, file) DO UPDATE SET municipality = excluded.municipality,
		data_key = excluded.data_key, sealed = excluded.sealed`,
		r.register, r.person, r.file, r.municipality, r.wrapped, r.sealed)
}

// idle are the sorts of rows that nobody will ever see, in the order in which they go: what
// says that somebody is gone stays for as long as there is anything that says otherwise.
var idle = []struct {
	rows string
	args func(hub.Bookmark) []any
}{
	{"SELECT person, file FROM residents WHERE register = ? AND file > ? LIMIT 500", // of a file that was read in vain
		func(at hub.Bookmark) []any { return []any{at.Reading()} }},
	{"SELECT person, file FROM residents WHERE register = ? AND file < ? LIMIT 500", // from before the last extract
		func(at hub.Bookmark) []any { return []any{at.From} }},
	{`SELECT person, file FROM residents r WHERE register = ? AND file < ? AND EXISTS (SELECT 1 FROM residents n
		WHERE n.register = r.register AND n.person = r.person AND n.file > r.file AND n.file <= ?) LIMIT 500`, // replaced by a later file
		func(at hub.Bookmark) []any { return []any{at.Shown, at.Shown} }},
	{"SELECT person, file FROM residents WHERE register = ? AND sealed IS NULL AND file <= ? LIMIT 500",
		func(at hub.Bookmark) []any { return []any{at.Shown} }},
}

// forgetIdle deletes the rows that nobody will ever see, some at a time, so that nobody waits
// long behind it.
func (s *Store) forgetIdle(ctx context.Context, register hub.SystemID) error {
	for {
		at, rows, err := s.findIdle(ctx, register)
		if err != nil || len(rows) == 0 {
			return err
		}
		err = s.commit(ctx, func(b *Tx) error {
			if err := b.alone("register", []byte(register)); err != nil {
				return err
			}
			now, err := bookmarkOf(b, register)
			if err != nil || now.Files != at.Files || now.Posts != at.Posts {
				return errors.Join(err, hub.ErrConflict) // somebody reads a file meanwhile
			}
			for _, r := range rows {
				if err := b.Exec("DELETE FROM residents WHERE register = ? AND person = ? AND file = ?", register, r.person, r.file); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
}

func (s *Store) findIdle(ctx context.Context, register hub.SystemID) (at hub.Bookmark, found []residentRow, err error) {
	err = s.look(ctx, func(q Asker) error {
		if at, err = bookmarkOf(q, register); err != nil {
			return err
		}
		for _, sort := range idle {
			err := each(q, sort.rows, slices.Concat([]any{register}, sort.args(at)), func(rows *sql.Rows) error {
				var r residentRow
				err := rows.Scan(&r.person, &r.file)
				found = append(found, r)
				return err
			})
			if err != nil || len(found) > 0 {
				return err
			}
		}
		return nil
	})
	return at, found, err
}
