package sqlite

import (
	"context"
	"database/sql"
	"testing"
)

// What there was no time to look at is said by name, and the connection is as good as before.
func TestNoTimeToLook(t *testing.T) {
	s := newTestStore(t, Options{})
	if _, err := s.Receive(t.Context(), form("1")); err != nil {
		t.Fatal(err)
	}
	conn, err := s.read.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	tables, err := names(t.Context(), conn, "SELECT name FROM sqlite_schema WHERE type = 'table'")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	found, unchecked, err := findDamage(ctx, &impatient{conn, 3, cancel}, "quick_check")
	if err != nil || len(found) > 0 || len(unchecked) != len(tables)-2 {
		t.Errorf("after two of %d tables: found %v, not checked %v, %v", len(tables), found, unchecked, err)
	}
	found, unchecked, err = findDamage(t.Context(), conn, "quick_check")
	if err != nil || len(found)+len(unchecked) > 0 {
		t.Errorf("with time enough: found %v, not checked %v, %v", found, unchecked, err)
	}
}

// impatient has had enough after some questions.
type impatient struct {
	querier
	left   int
	cancel func()
}

func (i *impatient) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if i.left--; i.left < 0 {
		i.cancel()
	}
	return i.querier.QueryContext(ctx, query, args...)
}
