package rows

import (
	"context"
	"fmt"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// KeepSession stores a citizen's login that has just begun, or that it is still in use. One
// that was ended meanwhile is not brought back: ErrNotFound.
func (s *Store) KeepSession(ctx context.Context, n hub.Session) error {
	err := s.commit(ctx, func(b *Tx) error {
		if !n.Seen.After(n.Begun) {
			return b.Exec("INSERT INTO sessions (id, sealed, begun, seen) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
				n.ID[:], n.Sealed, Nanos(n.Begun), Nanos(n.Seen))
		}
		var seen int64
		found, err := one(b, "SELECT seen FROM sessions WHERE id = ?", []any{n.ID[:]}, &seen)
		switch {
		case err != nil:
			return err
		case !found:
			return hub.ErrNotFound
		case seen >= Nanos(n.Seen):
			return nil
		}
		return b.Exec("UPDATE sessions SET seen = ? WHERE id = ?", Nanos(n.Seen), n.ID[:])
	})
	if err != nil {
		return fmt.Errorf("write session: %w", err)
	}
	return nil
}

// Session gives a login by its ID.
func (s *Store) Session(ctx context.Context, id [32]byte) (hub.Session, error) {
	n := hub.Session{ID: id}
	var begun, seen int64
	err := s.look(ctx, func(q Asker) error {
		found, err := one(q, "SELECT sealed, begun, seen FROM sessions WHERE id = ?", []any{id[:]}, &n.Sealed, &begun, &seen)
		if err == nil && !found {
			err = hub.ErrNotFound
		}
		return err
	})
	if err != nil {
		return hub.Session{}, fmt.Errorf("read session: %w", err)
	}
	n.Begun, n.Seen = Instant(begun), Instant(seen)
	return n, nil
}

// EndSession forgets a login, and all that were last in use before a time.
func (s *Store) EndSession(ctx context.Context, id [32]byte, before time.Time) error {
	err := s.commit(ctx, func(b *Tx) error {
		return b.Exec("DELETE FROM sessions WHERE id = ? OR seen < ?", id[:], Nanos(before))
	})
	if err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	return nil
}
