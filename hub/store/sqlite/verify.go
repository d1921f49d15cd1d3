package sqlite

import (
	"archive/tar"
	"bufio"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/seal"
	"github.com/knutpunkt/knutpunkt/hub/store/rows"
)

// ErrBackup says that a file is no backup that can be restored here: another file, cut
// short, damaged, newer than this program, or sealed with other keys.
var ErrBackup = errors.New("the backup cannot be used")

// An Account is what a backup was found to hold, all of it opened and compared.
type Account struct {
	Manifest
	Unsettled Unsettled
	Damaged   []Damage // that was so when the backup was made: the rest of it is whole
	Moved     string   // where everything is, if it had been moved when the backup was made: no hub starts on it; "" otherwise
}

// A Damage is a file, or what a form says, that cannot be read as it was received; or
// something that stands beside the forms.
type Damage struct {
	Form hub.ID // "" for what is no form's
	File string // "" for the form itself; in words what it is that is no form's
}

// Unsettled is what a hub would have to find out, if it went on from a backup.
type Unsettled struct {
	Cases int // with anything unsettled
	Forms int // that had not been planned
	Ask   int // deliveries whose system can be asked whether it has them
	Again int // that are sent again, since their system knows them again
	Held  int // that rest with a person: nobody can be asked
	Rest  int // forms that rest with a person already
}

// Verify proves a backup without touching a Store: every byte is decrypted, the database
// is looked through, every form and every file is opened with the keys and compared with
// its hash, and everything is counted. What was damaged already is told of. The database is unpacked to a folder of its own
// meanwhile.
func Verify(ctx context.Context, file string, keys *seal.Keys, o BackupOptions) (Account, error) {
	dir, err := os.MkdirTemp("", "knutpunkt-verify-")
	if err != nil {
		return Account{}, fmt.Errorf("verify: %w", err)
	}
	defer os.RemoveAll(dir)
	a, err := unpack(ctx, file, dir, keys, o, false)
	if err != nil {
		return Account{}, fmt.Errorf("verify: %w", err)
	}
	return a, nil
}

// unpack verifies a backup and leaves the database in dir; the files too, if they are to
// be kept.
func unpack(ctx context.Context, file, dir string, keys *seal.Keys, o BackupOptions, keep bool) (Account, error) {
	f, err := os.Open(file)
	if err != nil {
		return Account{}, err
	}
	defer f.Close()
	stat, err := f.Stat()
	if err != nil {
		return Account{}, err
	}
	watched := &watched{until: until{ctx, f}, o: o, total: stat.Size()}
	plain, err := openBackup(keys, watched)
	if err != nil {
		return Account{}, err
	}
	u := &unpacking{ctx: ctx, dir: dir, keys: keys, keep: keep, tar: tar.NewReader(plain)}
	if err := u.run(); err != nil {
		return Account{}, unusable(err)
	}
	if _, err := io.Copy(io.Discard, plain); err != nil { // only its end says that it is whole
		return Account{}, unusable(err)
	}
	return u.account, nil
}

// unusable says in words what the seal of the whole and the tar only say in their own.
func unusable(err error) error {
	var opened *seal.OpenError
	ofTheWhole := errors.As(err, &opened) && opened.Place.Table == backupTable
	if ofTheWhole || errors.Is(err, tar.ErrHeader) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errDamagedBackup
	}
	return err
}

var errDamagedBackup = fmt.Errorf("%w: it is damaged or cut short", ErrBackup)

// openBackup reads what comes before the stream, and gives the stream.
func openBackup(keys *seal.Keys, r io.Reader) (io.Reader, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	line, _ := in.ReadSlice('\n') // another file may have no lines at all
	var format int
	var name string
	fmt.Sscanf(string(line), backupMagic+" %d %s\n", &format, &name)
	if string(line) != backupHead(format, name) {
		return nil, fmt.Errorf("%w: the file is no backup made by knutpunkt", ErrBackup)
	}
	if format != backupFormat {
		return nil, fmt.Errorf("%w: it has format %d, and this knutpunkt knows %d", ErrBackup, format, backupFormat)
	}
	wrapped := make([]byte, wrapSize)
	if _, err := io.ReadFull(in, wrapped); err != nil {
		return nil, fmt.Errorf("%w: it is cut short", ErrBackup)
	}
	key, err := keys.DataKey(seal.Unattributed, backupRow(name), wrapped)
	if errors.Is(err, seal.ErrNoKey) {
		return nil, fmt.Errorf("%w: it was sealed with other keys than those of this key file", ErrBackup)
	}
	if err != nil {
		return nil, errDamagedBackup
	}
	plain, err := key.OpenReader(backupPlace(name), in)
	if err != nil {
		return nil, unusable(err)
	}
	return plain, nil
}

// wrapSize is the size of a wrapped data key, as hub/seal tells it.
const wrapSize = 66 // bytes

// An unpacking takes a backup apart, part by part.
type unpacking struct {
	ctx  context.Context
	dir  string
	keys *seal.Keys
	keep bool // the files
	tar  *tar.Reader

	store   *Store               // the database, once it has been unpacked
	known   map[string]knownBlob // every file that the database tells of, until it has come
	parts   []Part
	account Account
}

// A knownBlob is whose a file is, and what it must be.
type knownBlob struct {
	of   hub.ID
	blob hub.Blob // without a hash when no form tells of it any more
}

func (u *unpacking) run() error {
	if err := os.Mkdir(filepath.Join(u.dir, filesPart), 0o700); err != nil {
		return err
	}
	defer func() {
		if u.store != nil {
			u.store.Close()
		}
	}()
	for {
		header, err := u.tar.Next()
		if err == io.EOF {
			return fmt.Errorf("%w: it has no manifest", ErrBackup)
		}
		if err != nil {
			return err
		}
		id, isFile := strings.CutPrefix(header.Name, filesPart)
		switch {
		case u.store == nil && header.Name == databasePart:
			err = u.database(header.Size)
		case u.store != nil && isFile:
			err = u.file(id, header.Size)
		case u.store != nil && header.Name == manifestPart:
			return u.manifest()
		default:
			err = fmt.Errorf("%w: it has a part that no backup has", ErrBackup)
		}
		if err != nil {
			return err
		}
	}
}

// database unpacks the database and opens all that is in it.
func (u *unpacking) database(size int64) error {
	path := filepath.Join(u.dir, databasePart)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	sum := sha256.New()
	_, err = io.Copy(io.MultiWriter(f, sum), u.tar)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	u.parts = append(u.parts, partOf(databasePart, size, sum))
	if u.store, err = newStore(path, u.keys, Options{}); err != nil {
		return err
	}
	if u.store.read, err = openCopy(path); err != nil {
		return err
	}
	if err := u.lookThrough(); err != nil {
		return err
	}
	if err := u.openForms(); err != nil {
		return err
	}
	return u.store.OpenLoose(u.ctx, u.account.Holds.Schema, func(what string) {
		u.account.Damaged = append(u.account.Damaged, Damage{File: what})
	})
}

func partOf(name string, size int64, sum hash.Hash) Part {
	return Part{name, size, hex.EncodeToString(sum.Sum(nil))}
}

func (u *unpacking) lookThrough() (err error) {
	db := u.store.read
	found, _, err := findDamage(u.ctx, db, "integrity_check")
	if err != nil {
		return err
	}
	if len(found) > 0 {
		return fmt.Errorf("%w: %w: %s", ErrBackup, ErrDamaged, strings.Join(found, "; "))
	}
	steps, err := migrationTexts()
	if err != nil {
		return err
	}
	if u.account.Holds, err = holding(u.ctx, db); err != nil {
		return err
	}
	if version := u.account.Holds.Schema; version > len(steps) {
		return fmt.Errorf("%w: %w", ErrBackup, rows.NewerSchema(version, len(steps)))
	}
	if err := u.store.KnowsKeys(u.ctx); err != nil {
		return fmt.Errorf("%w: %w", ErrBackup, err)
	}
	if u.account.Holds.Schema >= movable {
		if u.account.Moved, _, err = movedTo(u.ctx, db); err != nil {
			return err
		}
	}
	u.account.Unsettled, err = countUnsettled(u.ctx, db)
	return err
}

func countUnsettled(ctx context.Context, db *sql.DB) (n Unsettled, err error) {
	row := db.QueryRowContext(ctx, `SELECT count(DISTINCT case_id),
		coalesce(sum(kind = 'form' AND state IN ('ACCEPTED', 'ENRICHING', 'ENRICH_WAIT')), 0),
		coalesce(sum(kind = 'document' AND state <> 'HELD' AND level = ?), 0),
		coalesce(sum(kind = 'document' AND state <> 'HELD' AND level = ?), 0),
		coalesce(sum(kind = 'document' AND (state = 'HELD' OR level = ?)), 0),
		coalesce(sum(kind = 'form' AND state = 'HELD'), 0)
		FROM progress WHERE `+rows.Unsettled, hub.Lookup, hub.Idempotent, hub.Blind)
	if err := row.Scan(&n.Cases, &n.Forms, &n.Ask, &n.Again, &n.Held, &n.Rest); err != nil {
		return n, fmt.Errorf("count what is not settled: %w", err)
	}
	return n, nil
}

// openForms opens every form with all that is stored beside it, and learns which files are
// to come.
func (u *unpacking) openForms() error {
	db := u.store.read
	u.known = map[string]knownBlob{}
	if err := u.eachBlob("SELECT id, submission FROM blobs WHERE content IS NULL"); err != nil {
		return err
	}
	ids, err := names(u.ctx, db, "SELECT id FROM submissions ORDER BY n")
	if err != nil {
		return err
	}
	for _, id := range ids {
		err := u.openForm(hub.ID(id))
		if errors.Is(err, hub.ErrContents) {
			u.account.Damaged = append(u.account.Damaged, Damage{Form: hub.ID(id)})
		} else if err != nil {
			return fmt.Errorf("%w: form %s: %w", ErrBackup, id, err)
		}
	}
	return nil
}

func (u *unpacking) eachBlob(text string) error {
	rows, err := u.store.read.QueryContext(u.ctx, text)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		var of hub.ID
		if err := rows.Scan(&id, &of); err != nil {
			return err
		}
		u.known[id] = knownBlob{of: of}
	}
	return rows.Err()
}

func (u *unpacking) openForm(id hub.ID) error {
	sub, err := u.store.Submission(u.ctx, hub.AsHub(), id)
	if err != nil {
		return err
	}
	facts, err := u.store.Facts(u.ctx, hub.AsHub(), id)
	if err != nil {
		return err
	}
	blobs := slices.Collect(maps.Values(facts.Fetched))
	if sub.Original != (hub.Blob{}) {
		blobs = append(blobs, sub.Original)
	}
	for _, a := range sub.Attachments {
		if a.Blob != (hub.Blob{}) { // one that is referred to is among the fetched, or not here yet
			blobs = append(blobs, a.Blob)
		}
	}
	for _, b := range blobs {
		if _, isFile := u.known[b.ID]; isFile {
			u.known[b.ID] = knownBlob{id, b}
		} else if err := u.openSmall(id, b); err != nil {
			return err
		}
	}
	return nil
}

// openSmall reads a file that lies in its row.
func (u *unpacking) openSmall(id hub.ID, b hub.Blob) error {
	r, err := u.store.Open(u.ctx, hub.AsHub(), id, b)
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(io.Discard, r)
	return err
}

// file takes one file as it lies on disk, and opens it on its way.
func (u *unpacking) file(id string, size int64) error {
	known, ok := u.known[id]
	if !ok {
		return fmt.Errorf("%w: it has a file that its database does not tell of", ErrBackup)
	}
	delete(u.known, id)
	sum, to := sha256.New(), io.Discard
	var kept *os.File
	if u.keep {
		var err error
		if kept, err = os.OpenFile(filepath.Join(u.dir, filesPart, id), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
			return err
		}
		defer kept.Close()
		to = kept
	}
	sealed := io.TeeReader(u.tar, io.MultiWriter(sum, to))
	if err := u.store.OpenFile(u.ctx, known.of, id, known.blob, sealed); err != nil { // told apart from a damaged backup by what follows it
		u.account.Damaged = append(u.account.Damaged, Damage{known.of, id})
	}
	if _, err := io.Copy(io.Discard, sealed); err != nil {
		return err
	}
	u.parts = append(u.parts, partOf(filesPart+id, size, sum))
	if kept != nil {
		return kept.Sync()
	}
	return nil
}

// manifest holds what has come against what the backup says that it holds.
func (u *unpacking) manifest() error {
	counted := u.account.Holds
	text, err := io.ReadAll(u.tar)
	if err != nil {
		return err
	}
	if json.Unmarshal(text, &u.account.Manifest) != nil {
		return fmt.Errorf("%w: its manifest cannot be read", ErrBackup)
	}
	for _, id := range u.account.Missing {
		u.account.Damaged = append(u.account.Damaged, Damage{u.known[id].of, id})
		delete(u.known, id)
	}
	said := append([]Part{u.account.Database}, u.account.Files...)
	switch {
	case len(u.known) > 0:
		return fmt.Errorf("%w: %d files that its database tells of are not in it", ErrBackup, len(u.known))
	case !slices.Equal(said, u.parts):
		return fmt.Errorf("%w: its parts are not those of its manifest", ErrBackup)
	case !sameHolding(counted, u.account.Holds):
		return fmt.Errorf("%w: it does not hold as much as its manifest says", ErrBackup)
	}
	return nil
}

func sameHolding(a, b Holding) bool {
	return a.Schema == b.Schema && a.Cases == b.Cases && a.Newest.Equal(b.Newest) && maps.Equal(a.Forms, b.Forms)
}

// watched tells how much has been read.
type watched struct {
	until
	o     BackupOptions
	done  int64
	total int64
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.until.Read(p)
	w.done += int64(n)
	w.o.tell(w.done, w.total)
	return n, err
}
