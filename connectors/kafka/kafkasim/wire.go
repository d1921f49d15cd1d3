package kafkasim

import (
	"encoding/binary"
	"errors"
	"io"
)

// A reading is a request, read from its beginning. What is not there reads as nothing, and short tells of it.
type reading struct {
	left  []byte
	short bool
}

func (r *reading) take(n int) []byte {
	if n < 0 || n > len(r.left) {
		r.left, r.short = nil, true
		return make([]byte, max(0, min(n, 8)))
	}
	taken := r.left[:n]
	r.left = r.left[n:]
	return taken
}

func (r *reading) int16() int16 { return int16(binary.BigEndian.Uint16(r.take(2))) }
func (r *reading) int32() int32 { return int32(binary.BigEndian.Uint32(r.take(4))) }
func (r *reading) int64() int64 { return int64(binary.BigEndian.Uint64(r.take(8))) }

// text reads a string; a null one is "".
func (r *reading) text() string {
	n := r.int16()
	if n < 0 || r.short {
		return ""
	}
	return string(r.take(int(n)))
}

// bytes reads bytes; null are none.
func (r *reading) bytes() []byte {
	n := r.int32()
	if n < 0 || r.short {
		return nil
	}
	return r.take(int(n))
}

// each reads an array; a null one is empty.
func (r *reading) each(f func()) (n int) {
	n = int(r.int32())
	for i := 0; i < n && !r.short; i++ {
		f()
	}
	return n
}

// A writing is an answer.
type writing []byte

func (w writing) int8(v int8) writing      { return append(w, byte(v)) }
func (w writing) int16(v int16) writing    { return binary.BigEndian.AppendUint16(w, uint16(v)) }
func (w writing) int32(v int32) writing    { return binary.BigEndian.AppendUint32(w, uint32(v)) }
func (w writing) int64(v int64) writing    { return binary.BigEndian.AppendUint64(w, uint64(v)) }
func (w writing) text(s string) writing    { return append(w.int16(int16(len(s))), s...) }
func (w writing) bytes(b []byte) writing   { return append(w.int32(int32(len(b))), b...) }
func (w writing) uvarint(v uint64) writing { return binary.AppendUvarint(w, v) }

// largest is many times what there is to say, in bytes.
const largest = 32 << 20

var errFrame = errors.New("this is no request")

// frame reads what follows a length of four bytes.
func frame(from io.Reader) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(from, length[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(length[:])
	if n > largest {
		return nil, errFrame
	}
	body := make([]byte, n)
	_, err := io.ReadFull(from, body)
	return body, err
}
