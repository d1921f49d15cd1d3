package postgres

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/store/rows"
)

// partSize is how much of a file lies in one row, in bytes; the last has what is left. With what
// goes around it on its way it just fits a buffer of 256 KiB, which are used again.
const partSize = 255 << 10

// parts are where large files lie: sealed bytes in rows of table parts, in order from 0. They
// are written as they come, one by one, so a file of any size takes the memory of one part, and
// no transaction is open while a client is slow. The form's own commit makes them durable.
type parts struct{ *Store }

// Create begins a file.
func (p parts) Create(ctx context.Context, id string) (io.WriteCloser, error) {
	return &partWriter{parts: p, ctx: ctx, id: id, buffer: make([]byte, 0, partSize)}, nil
}

// A partWriter writes a part when it is full.
type partWriter struct {
	parts
	ctx    context.Context
	id     string
	n      int64
	buffer []byte
	closed bool
}

func (w *partWriter) Write(p []byte) (written int, err error) {
	for len(p) > 0 {
		n := copy(w.buffer[len(w.buffer):partSize], p)
		w.buffer, p, written = w.buffer[:len(w.buffer)+n], p[n:], written+n
		if len(w.buffer) == partSize {
			if err := w.flush(); err != nil {
				return written, err
			}
		}
	}
	return written, nil
}

// flush writes a part by PostgreSQL's binary COPY, which pgx sends without gathering it in memory
// once more.
func (w *partWriter) flush() error {
	conn, err := connection(w.ctx, w.pools.parts)
	if err != nil {
		return err
	}
	defer conn.Close()
	err = conn.Raw(func(driver any) error {
		_, err := driver.(*stdlib.Conn).Conn().PgConn().CopyFrom(w.ctx, w.row(), "COPY parts (blob, n, written, content) FROM STDIN BINARY")
		return err
	})
	if err != nil {
		return unlessLeft(w.ctx, err)
	}
	w.n, w.buffer = w.n+1, w.buffer[:0]
	return nil
}

// row is the part as COPY has it: see "Binary Format" in PostgreSQL's page on COPY.
func (w *partWriter) row() io.Reader {
	head := append([]byte("PGCOPY\n\xff\r\n\x00"), 0, 0, 0, 0, 0, 0, 0, 0) // no flags, no extension
	head = binary.BigEndian.AppendUint16(head, 4)                          // fields
	head = binary.BigEndian.AppendUint32(head, uint32(len(w.id)))
	head = append(head, w.id...)
	for _, n := range []int64{w.n, rows.Nanos(w.o.Clock())} {
		head = binary.BigEndian.AppendUint32(head, 8)
		head = binary.BigEndian.AppendUint64(head, uint64(n))
	}
	head = binary.BigEndian.AppendUint32(head, uint32(len(w.buffer)))
	return io.MultiReader(bytes.NewReader(head), bytes.NewReader(w.buffer), bytes.NewReader([]byte{0xff, 0xff}))
}

// Close writes what is left.
func (w *partWriter) Close() error {
	if w.closed {
		return nil
	}
	w.closed = true
	if len(w.buffer) == 0 && w.n > 0 {
		return nil
	}
	return w.flush()
}

// Keep has nothing to do: the row that tells of a file makes it one.
func (p parts) Keep([]string) error { return nil }

// Whole counts the parts. A server that ended by itself, or another in its place, may be back
// without the last that it had taken in.
func (p parts) Whole(q rows.Asker, file io.WriteCloser) error {
	w, ours := file.(*partWriter)
	if !ours {
		return errors.New("the file is another store's")
	}
	found, err := q.Query("SELECT count(*) FROM parts WHERE blob = ?", w.id)
	if err != nil {
		return err
	}
	defer found.Close()
	var n int64
	for found.Next() {
		err = found.Scan(&n)
	}
	if err = cmp.Or(err, found.Err()); err == nil && n != w.n {
		err = fmt.Errorf("%w for a moment, and lost a part of a file that was on its way in", hub.ErrUnreachable)
	}
	return err
}

// Drop removes a file that no row tells of. What cannot be removed now is swept away later.
func (p parts) Drop(id string) {
	ctx, cancel := context.WithTimeout(context.Background(), dialWithin)
	defer cancel()
	p.pools.parts.ExecContext(ctx, "DELETE FROM parts WHERE blob = $1 AND NOT EXISTS (SELECT 1 FROM blobs WHERE id = $1)", id)
}

// Open reads a file, a part at a time.
func (p parts) Open(ctx context.Context, id string) (io.ReadCloser, error) {
	r := &partReader{parts: p, ctx: ctx, id: id}
	switch err := r.next(); err {
	case nil:
		return r, nil
	case io.EOF:
		return nil, os.ErrNotExist
	default:
		return nil, err
	}
}

type partReader struct {
	parts
	ctx  context.Context
	id   string
	n    int64
	part []byte // the present one
	left []byte // of it
}

func (r *partReader) Read(p []byte) (int, error) {
	for len(r.left) == 0 {
		if err := r.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.left)
	r.left = r.left[n:]
	return n, nil
}

// next reads the next part, io.EOF when there are no more. That a file ends too early is found
// out by what it is sealed with.
func (r *partReader) next() error {
	conn, err := connection(r.ctx, r.pools.read)
	if err != nil {
		return err
	}
	defer conn.Close()
	err = conn.Raw(func(driver any) error { return r.fetch(driver.(*stdlib.Conn).Conn()) })
	if err == io.EOF {
		return err
	}
	return unlessLeft(r.ctx, err)
}

// fetch takes the next part out of pgx's own buffer, into the one of the part before it.
func (r *partReader) fetch(conn *pgx.Conn) error {
	found, err := conn.Query(r.ctx, "SELECT content FROM parts WHERE blob = $1 AND n = $2", r.id, r.n)
	if err != nil {
		return err
	}
	defer found.Close()
	if !found.Next() {
		return cmp.Or(found.Err(), io.EOF)
	}
	r.part = append(r.part[:0], found.RawValues()[0]...)
	r.left, r.n = r.part, r.n+1
	found.Close()
	return found.Err()
}

func (r *partReader) Close() error { return nil }

// orphanAge is how long parts are kept that no row tells of.
const orphanAge = 24 * time.Hour

// sweepParts removes what was written of forms that were never received.
func (s *Store) sweepParts(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, `DELETE FROM parts WHERE written < $1 AND written > 0
		AND NOT EXISTS (SELECT 1 FROM blobs WHERE id = parts.blob)`, rows.Nanos(s.o.Clock().Add(-orphanAge)))
	return err
}
