package rows

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/knutpunkt/knutpunkt/hub"
)

// Named gives the cases that a reference is the name of.
func (s *Store) Named(ctx context.Context, v hub.Viewer, reference string) ([]hub.CaseID, error) {
	var ids []hub.CaseID
	if reference == "" {
		return nil, nil
	}
	err := s.look(ctx, func(q Asker) error {
		found, err := s.named(q, reference)
		if err != nil {
			return err
		}
		for _, id := range found {
			switch err := s.visibleCase(q, v, id); {
			case err == nil && !slices.Contains(ids, id):
				ids = append(ids, id)
			case err != nil && !errors.Is(err, hub.ErrNotFound):
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for a reference: %w", err)
	}
	return ids, nil
}

const (
	byOurs     = "SELECT case_id FROM submissions WHERE id = ? UNION SELECT id FROM cases WHERE ref = ? AND ref <> ''"
	nextSystem = "SELECT system FROM progress WHERE ref IS NOT NULL AND system > ? ORDER BY system LIMIT 1"
	byTheirs   = "SELECT DISTINCT case_id FROM progress WHERE system = ? AND ref = ?"
)

// named finds a reference as our own or the citizen's, then as a number that each system may
// have given, and then as each platform's own.
func (s *Store) named(q Asker, reference string) (ids []hub.CaseID, err error) {
	add := func(rows *sql.Rows) error {
		var id hub.CaseID
		err := rows.Scan(&id)
		ids = append(ids, id)
		return err
	}
	if err := each(q, byOurs, []any{reference, reference}, add); err != nil {
		return nil, err
	}
	for system := ""; ; {
		more, err := one(q, nextSystem, []any{system}, &system)
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
		if err := each(q, byTheirs, []any{system, reference}, add); err != nil {
			return nil, err
		}
	}
	origins, err := originsOf(q)
	for _, o := range origins {
		of, err := s.instance(q, o, reference)
		if err != nil {
			return nil, err
		}
		if of != "" {
			ids = append(ids, of)
		}
	}
	return ids, err
}

func originsOf(q Asker) (origins []origin, err error) {
	err = each(q, "SELECT municipality, source FROM origins", nil, func(rows *sql.Rows) error {
		var o origin
		err := rows.Scan(&o.municipality, &o.source)
		origins = append(origins, o)
		return err
	})
	return origins, err
}

// Has tells which of a platform's own references are forms that have been received.
func (s *Store) Has(ctx context.Context, v hub.Viewer, source hub.SystemID, m hub.Municipality, ids []string) (map[string]hub.ID, error) {
	has := map[string]hub.ID{}
	err := s.look(ctx, func(q Asker) error {
		for _, id := range ids {
			of, err := s.instance(q, origin{m, source}, id)
			if err != nil {
				return err
			}
			if of == "" {
				continue
			}
			switch err := s.visibleCase(q, v, of); {
			case err == nil:
				has[id] = hub.ID(of)
			case !errors.Is(err, hub.ErrNotFound):
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for received forms: %w", err)
	}
	return has, nil
}

// instance gives the case of a platform's own reference, "" for none.
func (s *Store) instance(q Asker, o origin, id string) (of hub.CaseID, err error) {
	for _, index := range s.keys.Indexes("case", string(o.municipality), string(o.source), id) {
		found, err := one(q, "SELECT id FROM cases WHERE instance = ?", []any{index}, &of)
		if found || err != nil {
			return of, err
		}
	}
	return "", nil
}
