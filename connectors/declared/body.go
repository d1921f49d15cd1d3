package declared

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"sync"

	"github.com/knutpunkt/knutpunkt/hub"
)

// errFile says that a file could not be read.
var errFile = errors.New("a file could not be read")

// A Body is what a call carries. It can be opened again; the zero value is none.
type Body struct {
	Open   func(context.Context) (io.ReadCloser, error)
	Length int64 // in bytes
}

// Bytes is a body that is in memory.
func Bytes(b []byte) Body {
	open := func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }
	return Body{open, int64(len(b))}
}

// Content streams a file: however large, it costs a buffer.
func Content(f hub.File) Body {
	return Body{func(ctx context.Context) (io.ReadCloser, error) {
		r, err := f.Open(ctx)
		if err != nil {
			return nil, errFile
		}
		return r, nil
	}, f.Blob.Size}
}

// Wrapped puts something before and after a body.
func Wrapped(before []byte, b Body, after []byte) Body {
	return Body{func(ctx context.Context) (io.ReadCloser, error) {
		inner, err := b.Open(ctx)
		if err != nil {
			return nil, err
		}
		all := io.MultiReader(bytes.NewReader(before), inner, bytes.NewReader(after))
		return struct {
			io.Reader
			io.Closer
		}{all, inner}, nil
	}, int64(len(before)) + b.Length + int64(len(after))}
}

// Base64 writes a body as base64, as it is read.
func Base64(b Body) Body {
	return Body{func(ctx context.Context) (io.ReadCloser, error) {
		inner, err := b.Open(ctx)
		if err != nil {
			return nil, err
		}
		return &encoder{inner: inner}, nil
	}, (b.Length + 2) / 3 * 4}
}

// An encoder gives what it reads as base64.
type encoder struct {
	inner io.ReadCloser
	raw   [6 << 10]byte
	text  [8 << 10]byte
	out   []byte // of text, what is not yet read
	err   error  // what comes when all of out is read
}

func (e *encoder) Read(p []byte) (int, error) {
	if len(e.out) == 0 {
		if e.err != nil {
			return 0, e.err
		}
		e.more()
	}
	n := copy(p, e.out)
	e.out = e.out[n:]
	return n, nil
}

func (e *encoder) more() {
	n, err := io.ReadFull(e.inner, e.raw[:])
	if err == io.ErrUnexpectedEOF {
		err = io.EOF
	}
	if err != nil && err != io.EOF {
		n, err = 0, errFile
	}
	base64.StdEncoding.Encode(e.text[:], e.raw[:n])
	e.out, e.err = e.text[:base64.StdEncoding.EncodedLen(n)], err
}

func (e *encoder) Close() error { return e.inner.Close() }

// A reopened is a body that is opened when it is first read, unless it is open already. The HTTP library
// may close it while it is being read.
type reopened struct {
	ctx  context.Context
	body Body

	mu     sync.Mutex
	now    io.ReadCloser
	closed bool
}

func (r *reopened) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return 0, errFile
	}
	if r.now == nil {
		now, err := r.body.Open(r.ctx)
		if err != nil {
			return 0, err
		}
		r.now = now
	}
	return r.now.Read(p)
}

func (r *reopened) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	if r.now == nil {
		return nil
	}
	return r.now.Close()
}
