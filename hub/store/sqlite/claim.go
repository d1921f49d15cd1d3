package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// ClaimSubmissions takes up to n submissions in hand that are due.
func (s *Store) ClaimSubmissions(ctx context.Context, l hub.Lease, now time.Time, n int) ([]hub.Claim, error) {
	return s.claim(ctx, forms, l, now, n)
}

// ClaimDeliveries takes up to n deliveries to a system in hand that are due.
func (s *Store) ClaimDeliveries(ctx context.Context, system hub.SystemID, l hub.Lease, now time.Time, n int) ([]hub.Claim, error) {
	return s.claim(ctx, string(system), l, now, n)
}

func (s *Store) claim(ctx context.Context, queue string, l hub.Lease, now time.Time, n int) ([]hub.Claim, error) {
	var claims []hub.Claim
	err := s.commit(ctx, func(b *batch) (err error) {
		claims, err = b.claim(claiming{queue, l, now}, n)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("claim from %s: %w", queue, err)
	}
	for i := range claims {
		claims[i].Case = own(claims[i].Case)
	}
	return claims, nil
}

// A claiming is what one claim is after.
type claiming struct {
	queue string
	lease hub.Lease
	now   time.Time
}

// claim takes rows in rounds, from one municipality after the other, so that one that
// floods the hub does not make the others wait.
func (b *batch) claim(c claiming, n int) ([]hub.Claim, error) {
	ms, err := b.waitingMunicipalities(c.queue)
	if err != nil {
		return nil, err
	}
	var claims []hub.Claim
	for len(claims) < n {
		before := len(claims)
		share := max(1, (n-len(claims))/max(1, len(ms)))
		for _, m := range ms {
			got, err := b.take(c, m, min(share, n-len(claims)))
			if err != nil {
				return nil, err
			}
			if len(got) > 0 {
				claims = append(claims, got...)
				b.turns[c.queue] = m
			}
		}
		if len(claims) == before {
			break
		}
	}
	return claims, nil
}

const nextMunicipality = `SELECT municipality FROM progress
	WHERE queue = ? AND municipality > ? ORDER BY municipality LIMIT 1`

// waitingMunicipalities gives those that have something in a queue, beginning after the
// one that was served last. It leaps from one to the next in the index.
func (b *batch) waitingMunicipalities(queue string) ([]hub.Municipality, error) {
	var ms []hub.Municipality
	for m := hub.Municipality(""); ; {
		found, err := one(b, nextMunicipality, []any{queue, m}, &m)
		if err != nil {
			return nil, err
		}
		if !found {
			break
		}
		ms = append(ms, m)
	}
	turn, _ := slices.BinarySearch(ms, b.turns[queue]+"\x00")
	return append(ms[turn:], ms[:turn]...), nil
}

const dueRows = `SELECT key, case_id FROM progress
	WHERE queue = ? AND municipality = ? AND due <= ? ORDER BY due LIMIT ?`

// take claims the oldest n due rows of one municipality.
func (b *batch) take(c claiming, m hub.Municipality, n int) ([]hub.Claim, error) {
	rows, err := rowsOf(b, dueRows, c.queue, m, nanos(c.now), n)
	if err != nil {
		return nil, err
	}
	var claims []hub.Claim
	for _, row := range rows {
		lease := hub.Lease{Boot: c.lease.Boot, Token: b.token(), Until: c.lease.Until}
		after, _, err := b.apply(row.id, hub.Claimed{When: hub.When{At: c.now}, Key: row.key, Lease: lease})
		if errors.Is(err, hub.ErrLost) {
			continue
		}
		if err != nil {
			return nil, err
		}
		claims = append(claims, hub.Claim{Case: after, Key: row.key})
	}
	return claims, nil
}

// token gives a lease's token: greater than any before it, also those of earlier boots.
func (b *batch) token() int64 {
	b.tokens++
	return b.boot<<32 + b.tokens
}

type row struct {
	key hub.Key
	id  hub.CaseID
}

func rowsOf(q asker, text string, args ...any) ([]row, error) {
	var rows []row
	err := each(q, text, args, func(r *sql.Rows) error {
		var found row
		err := r.Scan(&found.key, &found.id)
		rows = append(rows, found)
		return err
	})
	return rows, err
}

const leasedRows = `SELECT key, case_id FROM progress
	WHERE lease_boot <> '' AND (lease_boot <> ? OR lease_until <> 0 AND lease_until < ?)`

// recoverAtOnce is how many rows Recover moves in one transaction.
const recoverAtOnce = 200

// Recover takes out of dead hands. There is one process, so every lease of another boot
// is a dead one's.
func (s *Store) Recover(ctx context.Context, boot string, now time.Time) (int, error) {
	var dead []row
	err := s.commit(ctx, func(b *batch) (err error) {
		dead, err = rowsOf(b, leasedRows, boot, nanos(now))
		return err
	})
	moved := 0
	for chunk := range slices.Chunk(dead, recoverAtOnce) {
		if err != nil {
			break
		}
		n := 0
		err = s.commit(ctx, func(b *batch) (err error) {
			n, err = b.release(chunk, boot, now)
			return err
		})
		moved += n
	}
	if err != nil {
		return moved, fmt.Errorf("recover: %w", err)
	}
	return moved, nil
}

func (b *batch) release(rows []row, boot string, now time.Time) (moved int, err error) {
	for _, r := range rows {
		c, err := b.load(r.id)
		if err != nil {
			return 0, err
		}
		p := c.Find(r.key)
		if p == nil || !dead(p.Lease, boot, now) {
			continue
		}
		_, _, err = b.apply(r.id, hub.Lapsed{When: hub.When{At: now}, Key: r.key, Lease: p.Lease})
		if errors.Is(err, hub.ErrLost) {
			continue
		}
		if err != nil {
			return 0, err
		}
		moved++
	}
	return moved, nil
}

func dead(l hub.Lease, boot string, now time.Time) bool {
	return l.Boot != boot || !l.Until.IsZero() && l.Until.Before(now)
}
