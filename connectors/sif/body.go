package sif

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"sync"

	"github.com/knutpunkt/knutpunkt/hub/document"
)

// errFile says that a file could not be read to its end, or was not of the size that is known.
var errFile = errors.New("a file could not be read")

// A body is a request: text, and files that are written as base64 while they are read, so that a file
// of any size costs a buffer. It can be opened again.
type body struct {
	parts  []part
	length int64 // in bytes
}

// A part is either text or a file.
type part struct {
	text []byte
	file *file
}

// newBody writes {"parameter": …} with the files as the parameter's Files.
func newBody(parameter map[string]any, files []file) (*body, error) {
	text, err := document.WriteJSON(map[string]any{"parameter": parameter})
	if err != nil {
		return nil, err
	}
	b := &body{}
	if len(files) == 0 {
		b.add(text)
		return b, nil
	}
	b.add(bytes.TrimSuffix(text, []byte("}}")))
	for i := range files {
		fields, err := document.WriteJSON(files[i].fields)
		if err != nil {
			return nil, err
		}
		before := []byte(`,`)
		if i == 0 {
			before = []byte(`,"Files":[`)
		}
		b.add(before, bytes.TrimSuffix(fields, []byte("}")), []byte(`,"Base64Data":"`))
		b.addFile(&files[i])
		b.add([]byte(`"}`))
	}
	b.add([]byte(`]}}`))
	return b, nil
}

func (b *body) add(texts ...[]byte) {
	for _, text := range texts {
		b.parts = append(b.parts, part{text: text})
		b.length += int64(len(text))
	}
}

func (b *body) addFile(f *file) {
	b.parts = append(b.parts, part{file: f})
	b.length += (f.size() + 2) / 3 * 4
}

func (b *body) open(ctx context.Context) io.ReadCloser {
	return &bodyReader{ctx: ctx, parts: b.parts}
}

// A bodyReader reads one part after the other. The HTTP library may close it while it is being read.
type bodyReader struct {
	ctx   context.Context
	mu    sync.Mutex
	parts []part
	now   io.ReadCloser // the first of parts; nil until it is read
}

func (r *bodyReader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.parts) > 0 {
		if err := r.begin(); err != nil {
			return 0, err
		}
		n, err := r.now.Read(p)
		if err == io.EOF {
			err = r.end()
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.EOF
}

func (r *bodyReader) begin() error {
	switch first := r.parts[0]; {
	case r.now != nil:
	case first.file == nil:
		r.now = io.NopCloser(bytes.NewReader(first.text))
	default:
		content, err := first.file.Open(r.ctx)
		if err != nil {
			return errFile
		}
		r.now = &encoder{file: content, left: first.file.size()}
	}
	return nil
}

func (r *bodyReader) end() error {
	err := r.now.Close()
	r.now, r.parts = nil, r.parts[1:]
	return err
}

// Close ends the reading, wherever it is.
func (r *bodyReader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now != nil {
		r.now.Close()
	}
	r.now, r.parts = nil, nil
	return nil
}

// An encoder gives a file as base64.
type encoder struct {
	file io.ReadCloser
	left int64 // bytes that the file has still to give
	raw  [6 << 10]byte
	text [8 << 10]byte
	out  []byte // of text, what is not yet read
}

func (e *encoder) Read(p []byte) (int, error) {
	if len(e.out) == 0 {
		n, err := io.ReadFull(e.file, e.raw[:])
		e.left -= int64(n)
		ended := err == io.EOF || err == io.ErrUnexpectedEOF
		if err != nil && !ended || e.left < 0 || ended && e.left != 0 {
			return 0, errFile
		}
		if n == 0 {
			return 0, io.EOF
		}
		base64.StdEncoding.Encode(e.text[:], e.raw[:n])
		e.out = e.text[:base64.StdEncoding.EncodedLen(n)]
	}
	n := copy(p, e.out)
	e.out = e.out[n:]
	return n, nil
}

func (e *encoder) Close() error { return e.file.Close() }
