package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// ErrDamaged says that a database is not as SQLite left it.
var ErrDamaged = errors.New("the database is damaged")

// checkFor is how long a start may take to look for damage. What there was no time for is
// said, and is doctor's to look at.
const checkFor = 5 * time.Second

// checkAtStart refuses a database in which a quick look finds damage: what would be
// written into it could be lost with it.
func (s *Store) checkAtStart(ctx context.Context, conn *sql.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, checkFor)
	defer cancel()
	found, unchecked, err := findDamage(ctx, conn, "quick_check")
	switch {
	case err != nil:
		return err
	case len(found) > 0:
		return fmt.Errorf("%w: %s. Nothing was started. Keep the file, put a backup in its place "+
			"(knutpunkt restore FILE), and let knutpunkt doctor tell what is found", ErrDamaged, strings.Join(found, "; "))
	case len(unchecked) > 0:
		s.o.Log.Warn("not all of the database was looked through for damage: knutpunkt doctor does it",
			"seconds", checkFor.Seconds(), "not checked", strings.Join(unchecked, " "))
	}
	return nil
}

// findDamage looks through the tables, one by one, by PRAGMA quick_check or
// integrity_check. It gives what it found with the tables' names, in SQLite's words, which
// quote nothing stored; and the tables that ctx left no time for.
func findDamage(ctx context.Context, q querier, check string) (found, unchecked []string, err error) {
	tables, err := names(context.WithoutCancel(ctx), q, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
	if err != nil {
		return nil, nil, damaged(err)
	}
	for _, table := range tables {
		if ctx.Err() != nil {
			unchecked = append(unchecked, table)
			continue
		}
		lines, err := names(ctx, q, fmt.Sprintf("PRAGMA %s(%s)", check, table))
		switch {
		case err != nil && ctx.Err() != nil:
			unchecked = append(unchecked, table)
		case err != nil && !errors.Is(damaged(err), ErrDamaged):
			return nil, nil, fmt.Errorf("look for damage in %s: %w", table, err)
		case err != nil:
			found = append(found, "table "+table+": it cannot be read")
		case len(lines) != 1 || lines[0] != "ok":
			found = append(found, "table "+table+": "+inOneLine(lines))
		}
	}
	return found, unchecked, nil
}

// inOneLine gives the first few findings about a table.
func inOneLine(lines []string) string {
	var told []string
	for _, line := range strings.Split(strings.Join(lines, "\n"), "\n") {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "***") {
			told = append(told, line)
		}
	}
	if more := len(told) - 3; more > 0 {
		told = append(told[:3], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(told, ", ")
}

type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func names(ctx context.Context, q querier, text string) ([]string, error) {
	rows, err := q.QueryContext(ctx, text)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		found = append(found, name)
	}
	return found, rows.Err()
}

// damaged names the errors by which SQLite says that a file is no database of its, or not
// any more.
func damaged(err error) error {
	var e *sqlite.Error
	if errors.As(err, &e) {
		switch e.Code() & 0xff {
		case lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB:
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
	}
	return err
}
