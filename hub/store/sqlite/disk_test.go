package sqlite

import (
	"errors"
	"os"
	"syscall"
	"testing"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/store/rows"
)

// What is being written when the disk is full gets the room of the ballast, at once; new
// forms do not, until there is plenty of room again.
func TestBallast(t *testing.T) {
	free := int64(10_000_000)
	const size = 1 << 20
	s := newTestStore(t, Options{
		Ballast: size, LowWater: 1_000_000,
		DiskFree: func() (int64, int64, error) { return free, 100_000_000, nil },
	})
	if !s.disk.ballast.aboard() {
		t.Fatal("there is room, and no ballast")
	}
	fullUntilThrown := func(b *rows.Tx) error {
		if s.disk.ballast.aboard() {
			return syscall.ENOSPC
		}
		return b.Exec("INSERT INTO cursors (system, cursor, saved) VALUES ('x', 'x', 0)")
	}
	if err := (engine{s}).Commit(t.Context(), fullUntilThrown); err != nil {
		t.Errorf("a result is not committed: %v", err)
	}
	if s.broken.Load() != nil {
		t.Error("a full disk is taken for a broken one")
	}
	for _, step := range []struct {
		free   int64
		room   bool
		aboard bool
	}{
		{1_100_000, false, false}, {1_250_000, false, false}, {1_250_000 + size, true, true}, {1_100_000, true, true}, {999_999, false, true},
	} {
		free = step.free
		_, err := s.Receive(t.Context(), form("1"))
		if errors.Is(err, hub.ErrStorage) == step.room || s.disk.ballast.aboard() != step.aboard {
			t.Errorf("with %d free: ballast aboard %v, %v", free, s.disk.ballast.aboard(), err)
		}
	}
	if stat, err := os.Stat(s.path() + ".ballast"); err != nil || stat.Mode().Perm() != 0o600 {
		t.Errorf("the ballast: %v", err)
	}
}
