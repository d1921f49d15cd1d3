package rows

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// SaveNotice stores a service notice, or what it has become, and gives it its ID.
func (s *Store) SaveNotice(ctx context.Context, n hub.Notice) (hub.Notice, error) {
	if n.ID == "" {
		n.ID = s.o.NewID()
	}
	err := s.commit(ctx, func(b *Tx) error {
		return b.Exec(`INSERT INTO notices (id, municipality, swedish, english, begins, ends, by) VALUES (?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET swedish = excluded.swedish, english = excluded.english,
			begins = excluded.begins, ends = excluded.ends, by = excluded.by`,
			n.ID, n.Municipality, n.Swedish, n.English, Nanos(n.From), Nanos(n.Until), n.By)
	})
	if err != nil {
		return hub.Notice{}, fmt.Errorf("write notice: %w", err)
	}
	return n, nil
}

// Notices gives the service notices that have not ended, of all municipalities.
func (s *Store) Notices(ctx context.Context, now time.Time) ([]hub.Notice, error) {
	var notices []hub.Notice
	err := s.look(ctx, func(q Asker) error {
		return each(q, `SELECT id, municipality, swedish, english, begins, ends, by FROM notices
			WHERE ends > ? ORDER BY begins, id`, []any{Nanos(now)}, func(rows *sql.Rows) error {
			var n hub.Notice
			var from, until int64
			err := rows.Scan(&n.ID, &n.Municipality, &n.Swedish, &n.English, &from, &until, &n.By)
			n.From, n.Until = Instant(from), Instant(until)
			notices = append(notices, n)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read notices: %w", err)
	}
	return notices, nil
}
