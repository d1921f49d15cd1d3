package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/knutpunkt/knutpunkt/hub/seal"
)

// Restore verifies a backup and puts it where a Store is to be, at path. It refuses when
// anything is there, or a hub runs there. What it puts there is marked, so that the next
// hub that opens it finds out what became of all that was not settled before it delivers.
func Restore(ctx context.Context, file, path string, keys *seal.Keys, o BackupOptions) (Account, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return Account{}, errors.New("restore: the path cannot be made absolute")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return Account{}, fmt.Errorf("restore: %w", err)
	}
	lock, err := lockFile(path + ".lock")
	if err != nil {
		return Account{}, fmt.Errorf("restore: %w", err)
	}
	defer lock.Close()
	for _, end := range []string{"", "-wal", "-shm"} {
		if _, err := os.Lstat(path + end); !errors.Is(err, os.ErrNotExist) {
			return Account{}, fmt.Errorf("restore: there is a database here already: move %s%s away first. "+
				"A backup is never put over one", path, end)
		}
	}
	a, err := restoreTo(ctx, file, path, keys, o)
	if err != nil {
		return Account{}, fmt.Errorf("restore: %w", err)
	}
	return a, nil
}

// staging is where a backup is unpacked, on the disk where it is to lie.
func staging(path string) string { return path + ".restoring" }

func restoreTo(ctx context.Context, file, path string, keys *seal.Keys, o BackupOptions) (Account, error) {
	dir := staging(path)
	if err := os.RemoveAll(dir); err != nil {
		return Account{}, err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return Account{}, err
	}
	a, err := unpack(ctx, file, dir, keys, o, true)
	if err != nil {
		os.RemoveAll(dir)
		return Account{}, err
	}
	why := "restored from the backup of " + a.Made.Format(time.RFC3339)
	if err := markRestored(ctx, filepath.Join(dir, databasePart), why, o.Clock()); err != nil {
		return Account{}, err
	}
	return a, putInPlace(dir, path)
}

// markRestored has the next hub start by finding out.
func markRestored(ctx context.Context, path, why string, now time.Time) error {
	db, err := openWriter(path)
	if err != nil {
		return err
	}
	defer db.Close()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := migrate(ctx, conn, now); err != nil {
		return err
	}
	if err := inTransaction(ctx, conn, func() error { return noteRestore(ctx, conn, why, now) }); err != nil {
		return err
	}
	return checkpoint(ctx, conn)
}

// checkpoint has all of the log be in the database itself.
func checkpoint(ctx context.Context, conn *sql.Conn) error {
	var busy, logged, moved int
	row := conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	if err := row.Scan(&busy, &logged, &moved); err != nil || busy != 0 {
		return errors.Join(errors.New("the mark could not be written into the database"), err)
	}
	return nil
}

// putInPlace moves files first and the database last: it is what a hub looks for.
func putInPlace(dir, path string) error {
	if err := os.MkdirAll(path+".files", 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(filepath.Join(dir, filesPart))
	if err != nil {
		return err
	}
	for _, entry := range entries {
		from := filepath.Join(dir, filesPart, entry.Name())
		if err := os.Rename(from, filepath.Join(path+".files", entry.Name())); err != nil {
			return err
		}
	}
	if err := syncDir(path + ".files"); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(dir, databasePart), path); err != nil {
		return err
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return err
	}
	return os.RemoveAll(dir)
}

// unlessHalfRestored refuses to begin with an empty database where a restore was stopped
// half way, and tidies up after one that was stopped at its end.
func (s *Store) unlessHalfRestored() error {
	dir := staging(s.path())
	if _, err := os.Lstat(dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if _, err := os.Lstat(s.path()); errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("a restore was stopped half way: run knutpunkt restore FILE again, "+
			"or remove %s to begin without anything", dir)
	}
	return os.RemoveAll(dir)
}
