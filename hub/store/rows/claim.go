package rows

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
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
	if err := s.engine.Living(); err != nil {
		return nil, fmt.Errorf("claim from %s: %w", queue, err)
	}
	var claims []hub.Claim
	err := s.commit(ctx, func(b *Tx) (err error) {
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
func (b *Tx) claim(c claiming, n int) ([]hub.Claim, error) {
	ms, err := b.waitingMunicipalities(c.queue)
	if err != nil {
		return nil, err
	}
	var claims []hub.Claim
	for len(claims) < n {
		before := len(claims)
		share := max(1, (n-len(claims))/max(1, len(ms)))
		for _, m := range ms {
			if len(claims) == n {
				break
			}
			got, err := b.take(c, m, min(share, n-len(claims)))
			if err != nil {
				return nil, err
			}
			if len(got) > 0 {
				claims = append(claims, got...)
				b.s.turns.Store(c.queue, m)
			}
		}
		if len(claims) == before {
			break
		}
	}
	return claims, nil
}

// waitingMunicipalities leaps from one to the next in the index.
const waitingMunicipalities = `WITH RECURSIVE waiting (municipality) AS (
		SELECT min(municipality) FROM progress WHERE queue = ?
		UNION ALL
		SELECT (SELECT min(p.municipality) FROM progress p WHERE p.queue = ? AND p.municipality > waiting.municipality)
		FROM waiting WHERE waiting.municipality IS NOT NULL)
	SELECT municipality FROM waiting WHERE municipality IS NOT NULL`

// waitingMunicipalities gives those that have something in a queue, beginning after the
// one that was served last.
func (b *Tx) waitingMunicipalities(queue string) ([]hub.Municipality, error) {
	var ms []hub.Municipality
	err := each(b, waitingMunicipalities, []any{queue, queue}, func(rows *sql.Rows) error {
		var m hub.Municipality
		err := rows.Scan(&m)
		ms = append(ms, m)
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(ms)
	last, _ := b.s.turns.Load(queue)
	served, _ := last.(hub.Municipality)
	turn, _ := slices.BinarySearch(ms, served+"\x00")
	return append(ms[turn:], ms[:turn]...), nil
}

// take claims the oldest n due rows of one municipality.
func (b *Tx) take(c claiming, m hub.Municipality, n int) ([]hub.Claim, error) {
	rows, err := rowsOf(b, b.s.dialect.Due, c.queue, m, Nanos(c.now), n)
	if err != nil {
		return nil, err
	}
	if err := b.know(rows); err != nil {
		return nil, err
	}
	var claims []hub.Claim
	for _, row := range rows {
		lease := hub.Lease{Boot: c.lease.Boot, Token: b.s.token(), Until: c.lease.Until}
		after, _, err := b.apply(row.id, hub.Claimed{When: hub.When{At: c.now}, Key: row.key, Lease: lease})
		if errors.Is(err, hub.ErrLost) {
			continue
		}
		if err != nil {
			return nil, err
		}
		b.taken = append(b.taken, inHand{row, lease})
		claims = append(claims, hub.Claim{Case: after, Key: row.key})
	}
	return claims, nil
}

// know reads the cases of rows whose cases this transaction has locked.
func (b *Tx) know(rows []row) error {
	if b.s.dialect.Lock == "" || len(rows) == 0 {
		return nil
	}
	var ids []hub.CaseID
	for _, r := range rows {
		if _, ok := b.cases[r.id]; !ok {
			ids = append(ids, r.id)
		}
	}
	cases, err := loadCases(b, ids)
	maps.Copy(b.cases, cases)
	return err
}

// An inHand is a row that a transaction gave to somebody.
type inHand struct {
	row
	lease hub.Lease
}

// doubt remembers what was given by a transaction of which nobody knows whether it was
// committed: whoever asked got an error, so that nobody is at work on it. Recover takes it back.
func (s *Store) doubt(given []inHand) {
	s.doubting.Lock()
	defer s.doubting.Unlock()
	s.doubtful = append(s.doubtful, given...)
}

// takeBack lets go of what was given in doubt. The number is of what was indeed.
func (s *Store) takeBack(ctx context.Context, now time.Time) (moved int, err error) {
	s.doubting.Lock()
	given := s.doubtful
	s.doubtful = nil
	s.doubting.Unlock()
	if len(given) == 0 {
		return 0, nil
	}
	err = s.commit(ctx, func(b *Tx) error {
		moved = 0
		for _, g := range given {
			_, _, err := b.apply(g.id, hub.Lapsed{When: hub.When{At: now}, Key: g.key, Lease: g.lease})
			switch {
			case err == nil:
				moved++
			case !errors.Is(err, hub.ErrLost) && !errors.Is(err, hub.ErrNotFound):
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.doubt(given)
	}
	return moved, err
}

// token gives a lease's token: greater than any before it, also those of earlier boots.
func (s *Store) token() int64 { return s.number<<32 + s.tokens.Add(1) }

type row struct {
	key hub.Key
	id  hub.CaseID
}

func rowsOf(q Asker, text string, args ...any) ([]row, error) {
	var rows []row
	err := each(q, text, args, func(r *sql.Rows) error {
		var found row
		err := r.Scan(&found.key, &found.id)
		rows = append(rows, found)
		return err
	})
	return rows, err
}

func leasedRows(alive int) string {
	return `SELECT key, case_id FROM progress WHERE lease_boot <> '' AND (lease_boot NOT IN (` + marks(alive) + `)
		OR lease_until <> 0 AND lease_until < ?)`
}

// recoverAtOnce is how many rows Recover moves in one transaction.
const recoverAtOnce = 200

// Recover takes out of dead hands.
func (s *Store) Recover(ctx context.Context, boot string, now time.Time) (int, error) {
	alive, sure, err := s.engine.Alive(ctx)
	if err != nil {
		return 0, fmt.Errorf("recover: %w", err)
	}
	holders := holders{boot, alive, sure, now}
	var dead []row
	err = s.look(ctx, func(q Asker) (err error) {
		dead, err = rowsOf(q, leasedRows(len(alive)), holders.args()...)
		return err
	})
	moved := 0
	if err == nil {
		moved, err = s.takeBack(ctx, now)
	}
	for chunk := range slices.Chunk(dead, recoverAtOnce) {
		if err != nil {
			break
		}
		n := 0
		err = s.commit(ctx, func(b *Tx) (err error) {
			n, err = b.release(chunk, holders)
			return err
		})
		moved += n
	}
	if err != nil {
		return moved, fmt.Errorf("recover: %w", err)
	}
	return moved, nil
}

func (b *Tx) release(rows []row, h holders) (moved int, err error) {
	for _, r := range rows {
		c, err := b.load(r.id)
		if err != nil {
			return 0, err
		}
		p := c.Find(r.key)
		if p == nil || !h.dead(p.Lease) {
			continue
		}
		_, _, err = b.apply(r.id, hub.Lapsed{When: hub.When{At: h.now}, Key: r.key, Lease: p.Lease})
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

// holders are the processes whose leases hold.
type holders struct {
	boot  string // this one
	alive []string
	sure  bool // whoever is not among them is dead
	now   time.Time
}

func (h holders) args() (args []any) {
	for _, boot := range h.alive {
		args = append(args, boot)
	}
	return append(args, Nanos(h.now))
}

// othersClock is how much earlier another process's clock may be believed to stand.
const othersClock = time.Minute

func (h holders) dead(l hub.Lease) bool {
	now := h.now
	if l.Boot != h.boot {
		now = now.Add(-othersClock)
	}
	gone := h.sure && !slices.Contains(h.alive, l.Boot)
	return l.Boot != "" && (gone || !l.Until.IsZero() && l.Until.Before(now))
}
