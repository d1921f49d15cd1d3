package rows

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// handlingTimes finds, for each Step that an e-service's cases came to for the first time
// after a time, how long that took from when the case's first form came in, which has the
// ID of the case. What ends a case without a decision has taken no time.
const handlingTimes = `SELECT f.step, f.at - s.inkommen FROM feed f JOIN submissions s ON s.id = f.case_id
	WHERE f.municipality = ? AND f.service = ? AND f.at > ? AND f.seq IS NOT NULL AND f.step <> '` + string(hub.Inkommet) + `'
	AND f.step <> '` + string(hub.Atertaget) + `' AND f.step <> '` + string(hub.Avvisat) + `' AND NOT EXISTS (
		SELECT 1 FROM feed earlier WHERE earlier.case_id = f.case_id AND earlier.seq < f.seq AND earlier.step = f.step)`

// Handling gives how long an e-service's cases have taken from when they came in, for each
// Step that they came to after a time.
func (s *Store) Handling(ctx context.Context, m hub.Municipality, service string, after time.Time) (map[hub.Step]hub.Spread, error) {
	took := map[hub.Step][]time.Duration{}
	err := s.lookAtLines(ctx, func(q Asker) error {
		return each(q, handlingTimes, []any{m, service, Nanos(after)}, func(rows *sql.Rows) error {
			var step hub.Step
			var d int64
			err := rows.Scan(&step, &d)
			took[step] = append(took[step], max(0, time.Duration(d)))
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read handling times: %w", err)
	}
	spreads := map[hub.Step]hub.Spread{}
	for step, ds := range took {
		spreads[step] = spreadOf(ds)
	}
	return spreads, nil
}

// spreadOf gives the shortest time that half of some kept to, and nine of ten.
func spreadOf(ds []time.Duration) hub.Spread {
	slices.Sort(ds)
	return hub.Spread{N: len(ds), Median: ds[(len(ds)-1)/2], Ninety: ds[(9*len(ds)+9)/10-1]}
}
