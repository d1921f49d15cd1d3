package rows

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// WorkList gives what rests with people and what waits for others, gathered by cause.
// It costs as much as there is of that, however much has been delivered.
func (s *Store) WorkList(ctx context.Context, v hub.Viewer) ([]hub.Heap, error) {
	var heaps []hub.Heap
	err := s.look(ctx, func(q Asker) error {
		for _, gather := range []func(Asker, hub.Viewer, *[]hub.Heap) error{s.gatherHeld, s.gatherForms, s.gatherDeliveries} {
			if err := gather(q, v, &heaps); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read work list: %w", err)
	}
	return heaps, nil
}

const heldHeaps = `SELECT p.municipality, p.reason, p.kind, p.system, p.leg, c.service, p.note, p.doubt,
		count(*), count(DISTINCT p.case_id), min(p.since), count(*) FILTER (WHERE p.rare LIKE '%%"proposal":{%%')
	FROM progress p JOIN cases c ON c.id = p.case_id WHERE p.state = 'HELD' AND %s
	GROUP BY 1, 2, 3, 4, 5, 6, 7, 8 ORDER BY 11`

func (s *Store) gatherHeld(q Asker, v hub.Viewer, heaps *[]hub.Heap) error {
	condition, args := s.wall(v, s.dialect.Unindexed+"p.municipality", "p.case_id")
	first := len(*heaps)
	err := each(q, fmt.Sprintf(heldHeaps, condition), args, func(rows *sql.Rows) error {
		h := hub.Heap{State: hub.Held}
		var since int64
		err := rows.Scan(&h.Municipality, &h.Reason, &h.Kind, &h.System, &h.Leg, &h.Service, &h.Note, &h.Doubt,
			&h.Count, &h.Cases, &since, &h.Proposed)
		h.Since = Instant(since)
		if v.Sees(h.Municipality, h.Service) {
			*heaps = append(*heaps, h)
		}
		return err
	})
	if err != nil {
		return err
	}
	for i := range (*heaps)[first:] {
		if err := heldKeys(q, &(*heaps)[first+i]); err != nil {
			return err
		}
	}
	return nil
}

// heldKeys names the oldest rows of a heap, and those before all others that wait for a
// second person.
func heldKeys(q Asker, h *hub.Heap) error {
	return each(q, `SELECT p.key FROM progress p JOIN cases c ON c.id = p.case_id
		WHERE p.state = 'HELD' AND p.reason = ? AND p.municipality = ? AND p.kind = ? AND p.system = ? AND p.leg = ?
		AND c.service = ? AND p.note = ? AND p.doubt = ? ORDER BY (coalesce(p.rare, '') LIKE '%"proposal":{%') DESC, p.since LIMIT ?`,
		[]any{h.Reason, h.Municipality, h.Kind, h.System, h.Leg, h.Service, h.Note, h.Doubt, hub.HeapKeys},
		func(rows *sql.Rows) error {
			var k hub.Key
			err := rows.Scan(&k)
			h.Keys = append(h.Keys, k)
			return err
		})
}

func (s *Store) gatherForms(q Asker, v hub.Viewer, heaps *[]hub.Heap) error {
	condition, args := s.wall(v, s.dialect.Unindexed+"municipality", "case_id")
	return each(q, `SELECT municipality, note, count(*), count(DISTINCT case_id), min(since) FROM progress
		WHERE state = 'ENRICH_WAIT' AND `+condition+` GROUP BY 1, 2 ORDER BY 5`, args, func(rows *sql.Rows) error {
		h := hub.Heap{State: hub.EnrichWait, Kind: hub.FormKind}
		var since int64
		err := rows.Scan(&h.Municipality, &h.Note, &h.Count, &h.Cases, &since)
		h.Since = Instant(since)
		*heaps = append(*heaps, h)
		return err
	})
}

// gatherDeliveries counts what stands before each system: what is due, or will be.
func (s *Store) gatherDeliveries(q Asker, v hub.Viewer, heaps *[]hub.Heap) error {
	condition, args := s.wall(v, s.dialect.Unindexed+"municipality", "case_id")
	return each(q, `SELECT municipality, queue, count(*), count(DISTINCT case_id), min(since) FROM progress
		WHERE queue IS NOT NULL AND queue <> '`+forms+`' AND `+condition+` GROUP BY queue, municipality ORDER BY 5`, args,
		func(rows *sql.Rows) error {
			var h hub.Heap
			var since int64
			err := rows.Scan(&h.Municipality, &h.System, &h.Count, &h.Cases, &since)
			h.Since = Instant(since)
			*heaps = append(*heaps, h)
			return err
		})
}

// Acts gives the lines of the audit log about a case, in their order.
func (s *Store) Acts(ctx context.Context, v hub.Viewer, id hub.CaseID) ([]hub.Act, error) {
	var acts []hub.Act
	var sealed [][]byte
	var places []int64
	var c hub.Case
	err := s.lookAtLines(ctx, func(q Asker) error {
		if err := s.visibleCase(q, v, id); err != nil {
			return err
		}
		var err error
		if c, err = loadCase(q, id, ""); err != nil {
			return err
		}
		return each(q, "SELECT seq, "+s.dialect.Act+", at, key, what, note, by, reason FROM audit WHERE case_id = ? AND seq IS NOT NULL ORDER BY seq", []any{id},
			func(rows *sql.Rows) error {
				var a hub.Act
				var place, at int64
				var reason []byte
				err := rows.Scan(&a.Seq, &place, &at, &a.Key, &a.What, &a.Note, &a.By, &reason)
				a.At = Instant(at)
				acts, sealed, places = append(acts, a), append(sealed, reason), append(places, place)
				return err
			})
	})
	for i := range acts {
		if err != nil || sealed[i] == nil {
			continue
		}
		acts[i].Reason, err = s.openReason(ctx, c, acts[i], places[i], sealed[i])
		if errors.Is(err, hub.ErrContents) {
			err = nil // who did what can be read all the same
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read acts of case %s: %w", id, err)
	}
	return acts, nil
}

func (s *Store) openReason(ctx context.Context, c hub.Case, a hub.Act, place int64, sealed []byte) (string, error) {
	p := c.Find(a.Key)
	if p == nil {
		return "", hub.ErrContents
	}
	owned, err := s.dataKey(ctx, p.Submission)
	if err != nil {
		return "", err
	}
	plain, err := owned.key.Open(reasonPlace(c.Municipality, place), sealed)
	if err != nil {
		return "", fmt.Errorf("%w: %w", hub.ErrContents, err)
	}
	return string(plain), nil
}

// orphanAfter is how long a report may wait for its delivery before people are told.
const orphanAfter = 24 * time.Hour

const orphans = "SELECT count(*) FROM reports WHERE case_id IS NULL AND heard < ?"
