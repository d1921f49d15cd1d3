package web

import (
	"context"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// noticesIn is as much of a Store as a noticeBoard needs.
type noticesIn struct {
	hub.Store
	asked int
}

func (s *noticesIn) Notices(context.Context, time.Time) ([]hub.Notice, error) {
	s.asked++
	return []hub.Notice{{ID: "1"}}, nil
}

// TestNoticeBoard: however many pages ask, the Store is asked once in a while, and at once
// when somebody has written.
func TestNoticeBoard(t *testing.T) {
	var store noticesIn
	var board noticeBoard
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for _, step := range []struct {
		after time.Duration
		wrote bool
		asked int
	}{{0, false, 1}, {noticesLast - 1, false, 1}, {1, false, 2}, {0, true, 3}, {0, false, 3}} {
		if now = now.Add(step.after); step.wrote {
			board.forget()
		}
		all, err := board.at(t.Context(), &store, now)
		if err != nil || len(all) != 1 || store.asked != step.asked {
			t.Fatalf("%+v: %d notices, %v, asked %d times", step, len(all), err, store.asked)
		}
	}
}
