package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/hub/store/rows"
)

// A folder keeps the files that are too large for rows, each sealed and named by its
// blob's ID. One that is being written ends in .part, and it becomes a file by its rename,
// before the transaction that tells of it. So a row never tells of a file that is not
// there; what no row tells of was never received.
type folder struct{ path string }

const unfinished = ".part"

func (f folder) file(id string) string { return filepath.Join(f.path, id) }

func (f folder) create(id string) (*os.File, error) {
	file, err := os.OpenFile(f.file(id)+unfinished, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrNotExist) {
		if err := os.MkdirAll(f.path, 0o700); err != nil {
			return nil, err
		}
		return os.OpenFile(f.file(id)+unfinished, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	}
	return file, err
}

// A part is durable, apart from its name, when it has been closed.
type part struct{ *os.File }

func (p part) Close() error {
	if err := p.Sync(); err != nil {
		p.File.Close()
		return err
	}
	return p.File.Close()
}

// Create begins a part.
func (e engine) Create(_ context.Context, id string) (io.WriteCloser, error) {
	file, err := e.files.create(id)
	if err != nil {
		return nil, err
	}
	return part{file}, nil
}

// Keep makes finished parts files, durably.
func (e engine) Keep(ids []string) error {
	for _, id := range ids {
		if err := os.Rename(e.files.file(id)+unfinished, e.files.file(id)); err != nil {
			return err
		}
	}
	return syncDir(e.files.path)
}

// Whole is so of every file: they are durable when they are closed.
func (e engine) Whole(rows.Asker, io.WriteCloser) error { return nil }

// Open opens a file that was kept.
func (e engine) Open(_ context.Context, id string) (io.ReadCloser, error) {
	return os.Open(e.files.file(id))
}

// Drop removes a file. Once the disk has failed nobody knows whether a row tells of it: then
// it is left for the sweep at the next start.
func (e engine) Drop(id string) {
	if e.broken.Load() != nil {
		return
	}
	os.Remove(e.files.file(id) + unfinished)
	os.Remove(e.files.file(id))
}

// orphanAge is how long a file is kept that no row tells of: long enough to restore a
// database that was put back to an older state by mistake.
const orphanAge = 24 * time.Hour

// sweep removes what a killed process left half written: parts at once, and files of forms
// that were never received when they are old.
func (s *Store) sweep(ctx context.Context) error {
	entries, err := os.ReadDir(s.files.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("sweep files: %w", err)
	}
	return engine{s}.Look(ctx, func(q rows.Asker) error {
		for _, entry := range entries {
			dead, err := s.isDead(q, entry)
			if err != nil {
				return fmt.Errorf("sweep files: %w", err)
			}
			if dead {
				os.Remove(s.files.file(entry.Name()))
			}
		}
		return nil
	})
}

func (s *Store) isDead(q rows.Asker, entry os.DirEntry) (bool, error) {
	if strings.HasSuffix(entry.Name(), unfinished) {
		return true, nil
	}
	stat, err := entry.Info()
	if err != nil || s.o.Clock().Sub(stat.ModTime()) < orphanAge {
		return false, err
	}
	told, err := q.Query("SELECT 1 FROM blobs WHERE id = ?", entry.Name())
	if err != nil {
		return false, err
	}
	defer told.Close()
	return !told.Next() && told.Err() == nil, told.Err()
}
