package rows

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/seal"
)

// Pause stores that a system is paused.
func (s *Store) Pause(ctx context.Context, p hub.Pause) error {
	at := pausePlace(p.System, Nanos(p.Since), "reason")
	key, wrapped, err := s.keys.NewDataKey(at.Municipality, at.Row)
	if err != nil {
		return fmt.Errorf("pause %s: %w", p.System, err)
	}
	reason, err := key.Seal(at, []byte(p.Reason))
	if err != nil {
		return fmt.Errorf("pause %s: %w", p.System, err)
	}
	err = s.commit(ctx, func(b *Tx) error {
		switch _, paused, err := b.present(p.System); {
		case err != nil:
			return err
		case paused:
			return hub.ErrConflict
		}
		if err := b.noteWrap(hub.Municipality(at.Municipality), wrapped); err != nil {
			return err
		}
		return b.Exec("INSERT INTO pauses (system, since, by, data_key, reason, ended, ended_by) VALUES (?, ?, ?, ?, ?, 0, '')",
			p.System, Nanos(p.Since), p.By, wrapped, reason)
	})
	if err != nil {
		return fmt.Errorf("pause %s: %w", p.System, err)
	}
	return nil
}

// Resume stores that a system is no longer paused, by whom and why.
func (s *Store) Resume(ctx context.Context, system hub.SystemID, by, reason string, now time.Time) error {
	err := s.commit(ctx, func(b *Tx) error {
		p, paused, err := b.present(system)
		switch {
		case err != nil:
			return err
		case !paused:
			return hub.ErrConflict
		}
		sealed, err := s.sealEnd(system, p, reason)
		if err != nil {
			return err
		}
		return b.Exec("UPDATE pauses SET ended = ?, ended_by = ?, ended_reason = ? WHERE n = ?", Nanos(now), by, sealed, p.n)
	})
	if err != nil {
		return fmt.Errorf("resume %s: %w", system, err)
	}
	return nil
}

// A presentPause is the row of one that lasts.
type presentPause struct {
	n, since int64
	wrapped  []byte
}

func (b *Tx) present(system hub.SystemID) (p presentPause, paused bool, err error) {
	paused, err = one(b, "SELECT n, since, data_key FROM pauses WHERE system = ? AND ended = 0", []any{system}, &p.n, &p.since, &p.wrapped)
	return p, paused, err
}

// sealEnd seals why a pause has ended. A damaged key is no reason why it may not end.
func (s *Store) sealEnd(system hub.SystemID, p presentPause, reason string) ([]byte, error) {
	at := pausePlace(system, p.since, "ended_reason")
	key, err := s.keys.DataKey(at.Municipality, at.Row, p.wrapped)
	if err != nil {
		return nil, nil
	}
	return key.Seal(at, []byte(reason))
}

// pausePlace is where the words about a pause lie: a system may be several municipalities'.
func pausePlace(system hub.SystemID, since int64, column string) seal.Place {
	row := string(system) + " " + strconv.FormatInt(since, 10)
	return seal.Place{Municipality: seal.Unattributed, Table: "pauses", Row: row, Column: column}
}

// Pauses gives the systems that are paused.
func (s *Store) Pauses(ctx context.Context) ([]hub.Pause, error) {
	var pauses []hub.Pause
	err := s.look(ctx, func(q Asker) error {
		return each(q, presentPauses, nil, func(rows *sql.Rows) error {
			var p hub.Pause
			var since int64
			var wrapped, reason []byte
			if err := rows.Scan(&p.System, &since, &p.By, &wrapped, &reason); err != nil {
				return err
			}
			plain, err := s.openLoose(pausePlace(p.System, since, "reason"), wrapped, reason)
			if errors.Is(err, hub.ErrContents) {
				err = nil // it is paused all the same
			}
			p.Since, p.Reason = Instant(since), string(plain)
			pauses = append(pauses, p)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read pauses: %w", err)
	}
	return pauses, nil
}

const presentPauses = "SELECT system, since, by, data_key, reason FROM pauses WHERE ended = 0 ORDER BY system"

// told are the tellings of a Retelling's period: see hub.Retelling. It says what the index
// says, word for word.
const told = `progress p JOIN cases c ON c.id = p.case_id
	WHERE p.kind = 'telling' AND p.state = 'DELIVERED' AND p.system = ? AND p.since >= ? AND p.since < ?`

// countTold counts with what was told of each case in the period all from there on.
const countTold = `WITH first AS MATERIALIZED (
	SELECT p.case_id AS id, c.municipality, c.service, p.system, count(*) AS told, min(p.place) AS place FROM ` + told + ` GROUP BY 1, 2, 3, 4)
	SELECT municipality, service, count(*), sum(told), sum((SELECT count(*) FROM progress p WHERE p.case_id = first.id
		AND p.place >= first.place AND p.kind = 'telling' AND p.state = 'DELIVERED' AND p.system = first.system))
	FROM first GROUP BY 1, 2`

const casesTold = "SELECT p.case_id, c.municipality, c.service FROM " + told + " ORDER BY p.since"

// CountTold gives how much a Teller was told in a period, and since, of the cases that v
// may see.
func (s *Store) CountTold(ctx context.Context, v hub.Viewer, r hub.Retelling) (hub.Extent, error) {
	var extent hub.Extent
	municipalities := map[hub.Municipality]bool{}
	err := s.look(ctx, func(q Asker) error {
		return each(q, countTold, []any{r.System, Nanos(r.From), Nanos(r.Until)}, func(rows *sql.Rows) error {
			var m hub.Municipality
			var service string
			var cases, tellings, all int
			err := rows.Scan(&m, &service, &cases, &tellings, &all)
			if err == nil && v.Sees(m, service) {
				municipalities[m] = true
				extent.Cases, extent.Tellings, extent.Later = extent.Cases+cases, extent.Tellings+tellings, extent.Later+all-tellings
			}
			return err
		})
	})
	if err != nil {
		return hub.Extent{}, fmt.Errorf("count what %s was told: %w", r.System, err)
	}
	extent.Municipalities = len(municipalities)
	return extent, nil
}

// CasesTold gives some of those cases, at most n: those first that were told of first.
func (s *Store) CasesTold(ctx context.Context, v hub.Viewer, r hub.Retelling, n int) ([]hub.CaseID, error) {
	var ids []hub.CaseID
	seen := map[hub.CaseID]bool{}
	err := s.look(ctx, func(q Asker) error {
		return each(q, casesTold, []any{r.System, Nanos(r.From), Nanos(r.Until)}, func(rows *sql.Rows) error {
			var id hub.CaseID
			var m hub.Municipality
			var service string
			if err := rows.Scan(&id, &m, &service); err != nil || seen[id] || !v.Sees(m, service) {
				return err
			}
			if len(ids) == n {
				return errEnough
			}
			seen[id] = true
			ids = append(ids, id)
			return nil
		})
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, fmt.Errorf("read what %s was told: %w", r.System, err)
	}
	return ids, nil
}
