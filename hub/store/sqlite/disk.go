package sqlite

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"

	"github.com/knutpunkt/knutpunkt/hub"
	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// lockFile takes the lock that one process holds as long as it lives. The kernel lets go
// of it with the process, however that ends. The file tells others who has it.
func lockFile(path string) (io.Closer, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock store: %w", err)
	}
	if err := lock(f); err != nil {
		defer f.Close()
		pid, _ := io.ReadAll(io.LimitReader(f, 20))
		return nil, fmt.Errorf("%w (pid %s)", err, strings.TrimSpace(string(pid)))
	}
	if err := writePID(f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func lock(f *os.File) error {
	if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		return ErrRunning
	}
	return nil
}

// ErrRunning says that another process has the database.
var ErrRunning = errors.New("already running")

func writePID(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return fmt.Errorf("lock store: %w", err)
	}
	if _, err := f.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0); err != nil {
		return fmt.Errorf("lock store: %w", err)
	}
	return nil
}

// A watermark tells whether there is room for more forms. SQLite alone cannot: on a
// full disk it refuses one transaction and takes a smaller one a moment later.
type watermark struct {
	measure func() (free, total int64, err error)
	low     int64 // 0 for the default
	ballast ballast

	mu    sync.Mutex
	below bool
}

// room reports whether the disk is above its watermark, with the ballast aboard. Once it
// was below, it must rise a quarter above it first, so that accepting does not flutter.
func (w *watermark) room() bool {
	free, total, err := w.measure()
	if err != nil {
		return false
	}
	need := w.mark(total)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.below {
		need += need / 4
	}
	if free >= need && !w.ballast.aboard() {
		w.below = free < need+w.ballast.size || w.ballast.takeAboard() != nil
	} else {
		w.below = free < need
	}
	return !w.below
}

// mark is how much of a disk must be free.
func (w *watermark) mark(total int64) int64 {
	if w.low != 0 {
		return w.low
	}
	return max(total/20, 1<<30)
}

// full hears that a write found no room, whatever the measure says: there may be a quota.
// What is left, and the ballast, is for what has been accepted already.
func (w *watermark) full() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.below = true
	w.ballast.throwOverboard() // what cannot be thrown gives no room
}

// isBelow gives what was found last, without measuring.
func (w *watermark) isBelow() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.below
}

func diskFree(path string) (free, total int64, err error) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(path, &fs); err != nil {
		return 0, 0, fmt.Errorf("measure disk: %w", err)
	}
	return int64(fs.Bavail) * int64(fs.Bsize), int64(fs.Blocks) * int64(fs.Bsize), nil
}

// isFull tells the errors that only mean that there is no room. The index of the log grows
// by whole pages, and SQLite reports a full disk as an error of that index; nothing that was
// committed is in it.
func isFull(err error) bool {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code()&0xff == lib.SQLITE_FULL || e.Code() == lib.SQLITE_IOERR_SHMSIZE
	}
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// isBroken tells the errors after which nothing that the disk says can be believed: a
// failed fsync is reported once, and the next one succeeds without having written.
func isBroken(err error) bool {
	var e *sqlite.Error
	if errors.As(err, &e) {
		code := e.Code() & 0xff
		return code == lib.SQLITE_IOERR || code == lib.SQLITE_READONLY
	}
	return errors.Is(err, syscall.EIO) || errors.Is(err, syscall.EROFS)
}

// judge makes of an error from the disk what the hub is to know of it, and ends the
// process when the disk has failed.
func (s *Store) judge(err error) error {
	switch {
	case err == nil:
		return nil
	case isFull(err):
		s.disk.full()
		return hub.ErrStorage
	case isBroken(err):
		s.fail(err)
	}
	return err
}

func (s *Store) fail(err error) {
	if s.queue != nil && s.broken.CompareAndSwap(nil, &err) {
		s.o.Log.Error("the disk has failed", "error", err)
		s.o.Fatal(err)
	}
}
