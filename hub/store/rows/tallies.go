package rows

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/seal"
)

// SaveTally stores what a platform says that it has sent, in the place of what it said of
// the same day before.
func (s *Store) SaveTally(ctx context.Context, t hub.Tally) error {
	ids, err := json.Marshal(t.IDs)
	if err != nil {
		return hub.ErrContents
	}
	at := tallyPlace(t)
	key, wrapped, err := s.keys.NewDataKey(at.Municipality, at.Row)
	if err == nil {
		ids, err = key.Seal(at, ids)
	}
	if err != nil {
		return fmt.Errorf("write tally: %w", err)
	}
	err = s.commit(ctx, func(b *Tx) error {
		if err := b.noteWrap(hub.Municipality(at.Municipality), wrapped); err != nil {
			return err
		}
		return b.Exec(`INSERT INTO sent (municipality, source, service, day, sent, data_key, ids, by, at)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (day, municipality, source, service) DO UPDATE SET
			sent = excluded.sent, data_key = excluded.data_key, ids = excluded.ids, by = excluded.by, at = excluded.at`,
			t.Municipality, t.Source, t.Service, t.Day, t.Sent, wrapped, ids, t.By, Nanos(t.At))
	})
	if err != nil {
		return fmt.Errorf("write tally: %w", err)
	}
	return nil
}

// tallyPlace is where a tally's references lie: under its municipality's key, if it has one.
func tallyPlace(t hub.Tally) seal.Place {
	m := seal.Unattributed
	if t.Municipality != "" {
		m = string(t.Municipality)
	}
	row := strings.Join([]string{string(t.Day), string(t.Municipality), string(t.Source), t.Service}, " ")
	return seal.Place{Municipality: m, Table: "sent", Row: row, Column: "ids"}
}

// Tallies gives what platforms have said of the days from a day to another, both included.
func (s *Store) Tallies(ctx context.Context, v hub.Viewer, from, to hub.Date) ([]hub.Tally, error) {
	var tallies []hub.Tally
	err := s.look(ctx, func(q Asker) error {
		return each(q, `SELECT municipality, source, service, day, sent, data_key, ids, by, at FROM sent
			WHERE day >= ? AND day <= ? ORDER BY day, municipality, source, service`, []any{from, to}, func(rows *sql.Rows) error {
			var t hub.Tally
			var wrapped, ids []byte
			var at int64
			err := rows.Scan(&t.Municipality, &t.Source, &t.Service, &t.Day, &t.Sent, &wrapped, &ids, &t.By, &at)
			if err != nil || !v.Sees(t.Municipality, t.Service) {
				return err
			}
			t.At = Instant(at)
			t.IDs, err = s.openTally(t, wrapped, ids)
			tallies = append(tallies, t)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read tallies: %w", err)
	}
	return tallies, nil
}

// openTally refuses what it cannot open: a day without references would look as if each
// form of it had come.
func (s *Store) openTally(t hub.Tally, wrapped, sealed []byte) (ids []string, err error) {
	plain, err := s.openLoose(tallyPlace(t), wrapped, sealed)
	if err == nil && json.Unmarshal(plain, &ids) != nil {
		err = hub.ErrContents
	}
	return ids, err
}

// openLoose opens what stands beside the forms and has a data key of its own.
func (s *Store) openLoose(at seal.Place, wrapped, sealed []byte) ([]byte, error) {
	key, err := s.keys.DataKey(at.Municipality, at.Row, wrapped)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", hub.ErrContents, err)
	}
	plain, err := key.Open(at, sealed)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", hub.ErrContents, err)
	}
	return plain, nil
}
