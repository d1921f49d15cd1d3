package rows

import (
	"context"
	"os"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

func planted(bug string) bool { return os.Getenv("KNUTPUNKT_BUG") == bug }

// commitLater returns when what is to be written has been decided, and the commit
// comes a while after.
func (s *Store) commitLater(ctx context.Context, do func(*Tx) error) error {
	if !planted("m1") {
		return s.commit(ctx, do)
	}
	decided := make(chan error, 8)
	go func() {
		err := s.commit(context.WithoutCancel(ctx), func(b *Tx) error {
			err := do(b)
			decided <- err
			time.Sleep(100 * time.Millisecond)
			return err
		})
		decided <- err
	}()
	return <-decided
}

// A cursor is the last key that was claimed from each queue. The one Writer of SQLite alone uses it.
var cursor = map[string]hub.Key{}

func passedBy(queue string, key hub.Key) bool {
	if !planted("m5") {
		return false
	}
	if key <= cursor[queue] {
		return true
	}
	cursor[queue] = key
	return false
}

func ofTheLastHour(text string, args []any, now time.Time) (string, []any) {
	if !planted("m10") {
		return text, args
	}
	return text + " AND submission IN (SELECT id FROM submissions WHERE received > ?)",
		append(args, Nanos(now.Add(-time.Hour)))
}
