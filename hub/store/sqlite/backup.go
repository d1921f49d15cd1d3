package sqlite

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/seal"
	"github.com/knutpunkt/knutpunkt/hub/store/rows"
)

// A backup is one file: a line that says what it is and names it, the key that it is sealed
// with, wrapped by the key file's key for what is no municipality's own, and a sealed
// stream (hub/seal). In the stream is a tar: the database, the files that it tells of, as
// they lie on disk, and at last the manifest, which has the hash of each.
//
//	knutpunkt-backup 1 NAME␤ │ wrap, 66 bytes │ stream
const (
	backupMagic  = "knutpunkt-backup"
	backupFormat = 1
	databasePart = "knutpunkt.db"
	filesPart    = "files/"
	manifestPart = "manifest.json"
	backupTable  = "backup" // of what seals the whole
)

// A Manifest says what a backup holds.
type Manifest struct {
	Made     time.Time `json:"made"`
	By       string    `json:"by"` // the version of Knutpunkt
	Holds    Holding   `json:"holds"`
	Database Part      `json:"database"`
	Files    []Part    `json:"files"`
	Missing  []string  `json:"missing,omitempty"` // files that the database tells of and that were gone already
}

// A Holding is what a database holds.
type Holding struct {
	Schema int                      `json:"schema"`
	Forms  map[hub.Municipality]int `json:"forms"`
	Cases  int                      `json:"cases"`
	Newest time.Time                `json:"newest"` // when the last form came; zero without any
}

// AllForms counts the forms of all municipalities.
func (h Holding) AllForms() (n int) {
	for _, forms := range h.Forms {
		n += forms
	}
	return n
}

// A Part is a file within a backup.
type Part struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"` // bytes
	SHA256 string `json:"sha256"`
}

// BackupOptions are what Backup, Verify and Restore must be told.
type BackupOptions struct {
	Clock    func() time.Time
	By       string                  // the version of Knutpunkt
	Progress func(done, total int64) // bytes; nil for nobody who watches
}

func (o BackupOptions) tell(done, total int64) {
	if o.Progress != nil {
		o.Progress(done, total)
	}
}

// Backup writes everything that a Store holds at path to a new file, sealed, also beside
// the process that writes the Store: as it was at one instant, with its files. The keys are
// not in it. A file that is there already is not touched. A database that has been moved is
// refused with ErrMoved: whoever went on copying it would believe that there are backups.
func Backup(ctx context.Context, path string, keys *seal.Keys, to string, o BackupOptions) (Manifest, error) {
	m, err := backup(ctx, path, keys, to, o)
	if err != nil {
		return Manifest{}, fmt.Errorf("back up: %w", err)
	}
	return m, nil
}

func backup(ctx context.Context, path string, keys *seal.Keys, to string, o BackupOptions) (m Manifest, err error) {
	if _, err := os.Lstat(to); !errors.Is(err, os.ErrNotExist) {
		return m, fmt.Errorf("%s is there already, and a backup is never written over", to)
	}
	part, err := lockPart(to + unfinished)
	if err != nil {
		return m, err
	}
	defer part.Close()
	defer os.Remove(part.Name())
	copied := to + ".db" + unfinished
	defer os.Remove(copied)
	made := o.Clock().UTC()
	if err := snapshot(ctx, path, copied); err != nil {
		return m, err
	}
	w := &backupWriter{o: o, files: folder{path + ".files"}, manifest: Manifest{Made: made, By: o.By}}
	if err := w.write(ctx, copied, keys, part); err != nil {
		return m, err
	}
	if err := part.Sync(); err != nil {
		return m, err
	}
	if err := os.Rename(part.Name(), to); err != nil {
		return m, err
	}
	return w.manifest, syncDir(filepath.Dir(to))
}

// lockPart opens the unfinished file, which one process writes at a time; what a killed
// one left is written over.
func lockPart(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = lock(f)
	if err == nil {
		err = f.Truncate(0)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	return f, nil
}

// snapshot copies the database as it is at one instant. SQLite does it within one read
// transaction, which holds up nobody who writes. Its online backup would not do: that one
// begins anew each time that another process has written.
func snapshot(ctx context.Context, path, to string) error {
	if err := os.WriteFile(to, nil, 0o600); err != nil { // VACUUM takes an empty file, and keeps its mode
		return err
	}
	db, err := open(path, "ro", pragmas, "")
	if err != nil {
		return err
	}
	defer db.Close()
	if err := checkVersion(ctx, db); err != nil {
		return damaged(err)
	}
	if address, at, err := movedTo(ctx, db); err != nil {
		return err
	} else if address != "" {
		return fmt.Errorf("%w to %s, %s: nothing has come in here since. Back up PostgreSQL instead, with its own tools, "+
			"pg_basebackup or pg_dump, and end what makes backups here", ErrMoved, address, at.Format(time.RFC3339))
	}
	if _, err := db.ExecContext(ctx, "VACUUM INTO ?", to); err != nil {
		return fmt.Errorf("copy the database: %w", damaged(err))
	}
	return nil
}

// A backupWriter writes one backup.
type backupWriter struct {
	o        BackupOptions
	files    folder
	manifest Manifest
	tar      *tar.Writer
	done     int64
	total    int64
}

func (w *backupWriter) write(ctx context.Context, copied string, keys *seal.Keys, to io.Writer) error {
	db, err := openCopy(copied)
	if err != nil {
		return err
	}
	defer db.Close()
	if w.manifest.Holds, err = holding(ctx, db); err != nil {
		return err
	}
	ids, err := names(ctx, db, "SELECT id FROM blobs WHERE content IS NULL ORDER BY id")
	if err != nil {
		return err
	}
	if err := w.measure(copied, ids); err != nil {
		return err
	}
	sealed, err := sealBackup(keys, to)
	if err != nil {
		return err
	}
	w.tar = tar.NewWriter(sealed)
	if w.manifest.Database, err = w.add(ctx, databasePart, copied); err != nil {
		return err
	}
	for _, id := range ids {
		p, err := w.add(ctx, filesPart+id, w.files.file(id))
		if errors.Is(err, os.ErrNotExist) { // one that is lost is no reason to lose the others
			w.manifest.Missing = append(w.manifest.Missing, id)
			continue
		}
		if err != nil {
			return err
		}
		w.manifest.Files = append(w.manifest.Files, p)
	}
	if err := w.addManifest(); err != nil {
		return err
	}
	return errors.Join(w.tar.Close(), sealed.Close())
}

// measure finds out how much there is to write, for who watches.
func (w *backupWriter) measure(copied string, ids []string) error {
	paths := []string{copied}
	for _, id := range ids {
		paths = append(paths, w.files.file(id))
	}
	for _, path := range paths {
		stat, err := os.Stat(path)
		switch {
		case err == nil:
			w.total += stat.Size()
		case !errors.Is(err, os.ErrNotExist):
			return fmt.Errorf("measure: %w", err)
		}
	}
	return nil
}

// sealBackup writes what comes before the stream, and gives the stream.
func sealBackup(keys *seal.Keys, to io.Writer) (io.WriteCloser, error) {
	name := rand.Text()
	key, wrapped, err := keys.NewDataKey(seal.Unattributed, backupRow(name))
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(to, backupHead(backupFormat, name)+string(wrapped)); err != nil {
		return nil, err
	}
	return key.SealWriter(backupPlace(name), to)
}

// backupHead is the line that a backup begins with.
func backupHead(format int, name string) string {
	return fmt.Sprintf("%s %d %s\n", backupMagic, format, name)
}

func backupRow(name string) string       { return "backup " + name }
func backupPlace(name string) seal.Place { return seal.Place{Table: backupTable, Row: name} }

// add writes one file as a part.
func (w *backupWriter) add(ctx context.Context, name, path string) (Part, error) {
	f, err := os.Open(path)
	if err != nil {
		return Part{}, err
	}
	defer f.Close()
	stat, err := f.Stat()
	if err != nil {
		return Part{}, err
	}
	if err := w.tar.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: stat.Size()}); err != nil {
		return Part{}, err
	}
	sum := sha256.New()
	_, err = io.Copy(io.MultiWriter(w.tar, sum, w), &until{ctx, f})
	return partOf(name, stat.Size(), sum), err
}

// Write counts what has been written.
func (w *backupWriter) Write(p []byte) (int, error) {
	w.done += int64(len(p))
	w.o.tell(w.done, w.total)
	return len(p), nil
}

func (w *backupWriter) addManifest() error {
	text, err := json.MarshalIndent(w.manifest, "", "  ")
	if err != nil {
		return err
	}
	if err := w.tar.WriteHeader(&tar.Header{Name: manifestPart, Mode: 0o600, Size: int64(len(text))}); err != nil {
		return err
	}
	_, err = io.Copy(w.tar, bytes.NewReader(text))
	return err
}

// until reads as long as nobody has had enough of it.
type until struct {
	ctx context.Context
	r   io.Reader
}

func (u *until) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.Read(p)
}

// holding counts what a database holds.
func holding(ctx context.Context, db *sql.DB) (Holding, error) {
	h := Holding{Forms: map[hub.Municipality]int{}}
	var newest int64
	row := db.QueryRowContext(ctx, `SELECT (SELECT max(version) FROM migrations), (SELECT count(*) FROM cases),
		(SELECT coalesce(max(received), 0) FROM submissions)`)
	if err := row.Scan(&h.Schema, &h.Cases, &newest); err != nil {
		return h, fmt.Errorf("count what there is: %w", damaged(err))
	}
	h.Newest = rows.Instant(newest)
	rows, err := db.QueryContext(ctx, "SELECT municipality, count(*) FROM submissions GROUP BY municipality")
	if err != nil {
		return h, fmt.Errorf("count forms: %w", damaged(err))
	}
	defer rows.Close()
	for rows.Next() {
		var m hub.Municipality
		var n int
		if err := rows.Scan(&m, &n); err != nil {
			return h, fmt.Errorf("count forms: %w", damaged(err))
		}
		h.Forms[m] = n
	}
	return h, rows.Err()
}

// syncDir makes renames in a folder durable.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
