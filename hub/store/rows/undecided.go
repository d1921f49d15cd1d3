package rows

import (
	"context"
	"fmt"

	"github.com/knutpunkt/knutpunkt/hub"
)

const undecided = `SELECT p.key, p.case_id FROM progress p JOIN cases c ON c.id = p.case_id
	WHERE p.system = ? AND p.ref IS NOT NULL AND p.kind = 'document' AND p.state IN ('DELIVERED', 'CONFIRMED')
	AND (p.ref, p.key) > (coalesce((SELECT ref FROM progress WHERE key = ?), ''), ?)
	AND c.step NOT IN ('beslutat', 'avslutat', 'atertaget', 'avvisat')
	ORDER BY p.ref, p.key LIMIT ?`

// Undecided gives the documents that a system has taken and whose citizen has not read
// Beslutat or an end of her case.
func (s *Store) Undecided(ctx context.Context, system hub.SystemID, after hub.Key, n int) ([]hub.Claim, error) {
	var claims []hub.Claim
	err := s.look(ctx, func(q Asker) error {
		rows, err := rowsOf(q, undecided, system, after, after, n)
		if err != nil {
			return err
		}
		for _, row := range rows {
			c, err := loadCase(q, row.id, "")
			if err != nil {
				return err
			}
			claims = append(claims, hub.Claim{Case: c, Key: row.key})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read what %s has not decided: %w", system, err)
	}
	return claims, nil
}
