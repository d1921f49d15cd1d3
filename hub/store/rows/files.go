package rows

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/seal"
)

// smallFile is up to what size a file lies in a row, in the transaction of its form. A
// larger one is a file of its own.
const smallFile = 64 << 10 // bytes

// keepFiles makes finished files durable, under their names.
func (s *Store) keepFiles(blobs []*sealing) error {
	var ids []string
	for _, b := range blobs {
		if b.file != nil {
			ids = append(ids, b.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return s.engine.Judge(s.engine.Files().Keep(ids))
}

// drop removes what is left of blobs that no row tells of.
func (s *Store) drop(blobs ...*sealing) {
	for _, b := range blobs {
		if b.file != nil {
			b.file.Close()
			s.engine.Files().Drop(b.ID)
		}
	}
}

// A sealing is a blob that is being written: in memory while it is small, else sealed
// to a part as it comes.
type sealing struct {
	hub.Blob
	ctx     context.Context // of who writes it
	s       *Store
	key     seal.DataKey
	limit   int64
	small   bytes.Buffer
	file    io.WriteCloser
	sealer  io.WriteCloser
	sum     hash.Hash
	written error // the first failure
}

func (s *Store) newSealing(ctx context.Context, key seal.DataKey, limit int64) *sealing {
	return &sealing{Blob: hub.Blob{ID: s.o.NewID()}, ctx: ctx, s: s, key: key, limit: limit, sum: sha256.New()}
}

func (b *sealing) Write(p []byte) (int, error) {
	if b.written != nil {
		return 0, b.written
	}
	b.written = b.write(p)
	if b.written != nil {
		return 0, b.written
	}
	return len(p), nil
}

func (b *sealing) write(p []byte) error {
	b.Size += int64(len(p))
	if b.Size > b.limit {
		return hub.ErrTooLarge
	}
	b.sum.Write(p)
	if b.file == nil && b.Size <= smallFile {
		b.small.Write(p)
		return nil
	}
	if b.file == nil {
		if err := b.spill(); err != nil {
			return b.s.engine.Judge(err)
		}
	}
	_, err := b.sealer.Write(p)
	return b.s.engine.Judge(err)
}

// spill moves what was small to a part.
func (b *sealing) spill() (err error) {
	if b.file, err = b.s.engine.Files().Create(b.ctx, b.ID); err != nil {
		return err
	}
	if b.sealer, err = b.key.SealWriter(streamPlace(b.ID), b.file); err != nil {
		return err
	}
	_, err = b.sealer.Write(b.small.Bytes())
	b.small = bytes.Buffer{}
	return err
}

// finish makes a part durable, except for its name.
func (b *sealing) finish() error {
	if b.written != nil {
		return b.written
	}
	b.sum.Sum(b.SHA256[:0])
	if b.file == nil {
		return nil
	}
	if err := b.sealer.Close(); err != nil {
		return b.s.engine.Judge(err)
	}
	return b.s.engine.Judge(b.file.Close())
}

func streamPlace(id string) seal.Place { return seal.Place{Table: "blobs", Row: id} }

// An intake holds the files of a form on its way in, sealed by a key that no one can
// find again unless the form is received.
type intake struct {
	s     *Store
	key   seal.DataKey
	blobs []*sealing
	total int64
}

// Intake opens a place for the files of a form that is on its way in.
func (s *Store) Intake(context.Context) (hub.Intake, error) {
	if err := s.engine.Room(); err != nil {
		return nil, err
	}
	return &intake{s: s, key: s.keys.NewLooseKey()}, nil
}

// Put seals what r gives, to its end.
func (in *intake) Put(ctx context.Context, r io.Reader) (hub.Blob, error) {
	limit := min(in.s.o.File, in.s.o.Submission-in.total)
	b := in.s.newSealing(ctx, in.key, limit)
	_, err := io.Copy(b, r)
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = b.finish()
	}
	if err != nil {
		in.s.drop(b)
		return hub.Blob{}, fmt.Errorf("put file: %w", err)
	}
	in.total += b.Size
	in.blobs = append(in.blobs, b)
	return b.Blob, nil
}

// Close removes what was not received.
func (in *intake) Close() error {
	in.s.drop(in.blobs...)
	in.blobs = nil
	return nil
}

// holds reports whether a file came in here.
func (in *intake) holds(b hub.Blob) bool {
	for _, other := range in.blobs {
		if other.Blob == b {
			return true
		}
	}
	return false
}

// assertWhole refuses files of which something was lost before anything told of them.
func (b *Tx) assertWhole(blobs ...*sealing) error {
	for _, blob := range blobs {
		if blob.file == nil {
			continue
		}
		if err := b.s.engine.Files().Whole(b, blob.file); err != nil {
			return err
		}
	}
	return nil
}

// insertBlob writes the row of a blob; a small one's content is in it.
func (b *Tx) insertBlob(of hub.ID, blob *sealing, content []byte) error {
	if blob.file != nil {
		content = nil
	}
	return b.Exec("INSERT INTO blobs (id, submission, content) VALUES (?, ?, ?)", blob.ID, of, content)
}

// sealSmall seals the content of a blob that lies in its row; nil for one that does not.
func (b *sealing) sealSmall(m hub.Municipality) ([]byte, error) {
	if b.file != nil {
		return nil, nil
	}
	return b.key.Seal(blobPlace(m, b.ID), b.small.Bytes())
}

func blobPlace(m hub.Municipality, id string) seal.Place {
	return seal.Place{Municipality: string(m), Table: "blobs", Row: id, Column: "content"}
}

// Fetched seals the bytes of a referred file, beside the submission, and remembers whose
// they are: it need not be fetched again, whatever happens next.
func (s *Store) Fetched(ctx context.Context, id hub.ID, attachment int, fill func(io.Writer) error) (hub.Blob, error) {
	owned, err := s.dataKey(ctx, id)
	if err != nil {
		return hub.Blob{}, err
	}
	b := s.newSealing(ctx, owned.key, s.o.File)
	err = fill(b)
	if err == nil {
		err = b.finish()
	}
	if err == nil {
		err = s.keepFetched(ctx, id, owned, attachment, b)
	}
	if err != nil {
		if !errors.Is(err, ErrUnknown) { // a row may tell of it
			s.drop(b)
		}
		return hub.Blob{}, fmt.Errorf("keep file %d of %s: %w", attachment, id, err)
	}
	return b.Blob, nil
}

func (s *Store) keepFetched(ctx context.Context, id hub.ID, owned ownedKey, attachment int, b *sealing) error {
	content, err := b.sealSmall(owned.municipality)
	if err != nil {
		return err
	}
	mark, err := owned.sealBlob(fetchedPlace(owned.municipality, id, attachment), b.Blob)
	if err != nil {
		return err
	}
	if err := s.keepFiles([]*sealing{b}); err != nil {
		return err
	}
	return s.commit(ctx, func(tx *Tx) error {
		if err := tx.assertWhole(b); err != nil {
			return err
		}
		if err := tx.insertBlob(id, b, content); err != nil {
			return err
		}
		return tx.putFetched(id, attachment, mark)
	})
}

func (b *Tx) putFetched(id hub.ID, attachment int, sealed []byte) error {
	return b.Exec(`INSERT INTO fetched (submission, attachment, blob) VALUES (?, ?, ?)
		ON CONFLICT (submission, attachment) DO UPDATE SET blob = excluded.blob`, id, attachment, sealed)
}

// Open gives a file's bytes, verified against their hash as they are read. Bytes that are
// not those that were stored end in hub.ErrContents instead of io.EOF.
func (s *Store) Open(ctx context.Context, v hub.Viewer, id hub.ID, b hub.Blob) (io.ReadCloser, error) {
	var content []byte
	err := s.look(ctx, func(q Asker) error {
		if _, err := s.visible(q, v, id); err != nil {
			return err
		}
		found, err := one(q, "SELECT content FROM blobs WHERE id = ? AND submission = ?", []any{b.ID, id}, &content)
		if err == nil && !found {
			return hub.ErrNotFound
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open file of %s: %w", id, err)
	}
	owned, err := s.dataKey(ctx, id)
	if err != nil {
		return nil, err
	}
	plain, closer, err := s.plain(ctx, owned, b, content)
	if err != nil {
		return nil, fmt.Errorf("open file of %s: %w", id, contentsOr(err))
	}
	return &verifying{plain: plain, closer: closer, want: b, sum: sha256.New()}, nil
}

// contentsOr tells content that is gone or another's from a machine that cannot read now: of
// too many open files nobody's content is damaged.
func contentsOr(err error) error {
	if errors.Is(err, os.ErrNotExist) || errors.As(err, new(*seal.OpenError)) {
		return fmt.Errorf("%w: %w", hub.ErrContents, err)
	}
	return err
}

// plain opens what is in a row, or in the folder where that is nil.
func (s *Store) plain(ctx context.Context, owned ownedKey, b hub.Blob, content []byte) (io.Reader, io.Closer, error) {
	if content != nil {
		plain, err := owned.key.Open(blobPlace(owned.municipality, b.ID), content)
		return bytes.NewReader(plain), io.NopCloser(nil), err
	}
	file, err := s.engine.Files().Open(ctx, b.ID)
	if err != nil {
		return nil, nil, err
	}
	plain, err := owned.key.OpenReader(streamPlace(b.ID), file)
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return plain, file, nil
}

// verifying gives its end only to bytes whose number and hash are right.
type verifying struct {
	plain  io.Reader
	closer io.Closer
	want   hub.Blob
	sum    hash.Hash
	size   int64
}

func (r *verifying) Read(p []byte) (int, error) {
	n, err := r.plain.Read(p)
	r.sum.Write(p[:n])
	r.size += int64(n)
	var damaged *seal.OpenError
	switch {
	case errors.As(err, &damaged):
		return n, fmt.Errorf("%w: %w", hub.ErrContents, err)
	case err != io.EOF:
		return n, err
	case r.size != r.want.Size || [32]byte(r.sum.Sum(nil)) != r.want.SHA256:
		return n, fmt.Errorf("%w: not the bytes that were stored", hub.ErrContents)
	}
	return n, io.EOF
}

func (r *verifying) Close() error { return r.closer.Close() }
