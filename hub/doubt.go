package hub

import (
	"context"
	"fmt"
	"time"
)

// inDoubt gives when the first attempt of a delivery began that may have been taken; zero
// when there is none.
func (h *Hub) inDoubt(ctx context.Context, p Progress) (time.Time, error) {
	if p.Attempts == 0 {
		return time.Time{}, nil
	}
	attempts, err := h.Store.Attempts(ctx, AsHub(), p.Key)
	if err != nil {
		return time.Time{}, fmt.Errorf("read attempts: %w", err)
	}
	for _, a := range attempts {
		if a.Answer == DontKnow || a.Answer == "" {
			return a.Started, nil
		}
	}
	return time.Time{}, nil
}
