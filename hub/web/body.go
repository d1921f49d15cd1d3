package web

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"
)

// A body is what a caller sends. It must come with at least 1 KiB a second, measured
// over 30 s, and its first failure is kept, since who reads it may take it for
// something else.
type body struct {
	from    io.ReadCloser
	control *http.ResponseController
	timer   *time.Timer
	owed    int // bytes that must come before the timer ends
	ended   bool
	failed  error
}

const (
	pace       = 1 << 10
	paceWindow = 30 * time.Second
)

// longAgo is a deadline that ends a read or a write that is under way. Deadlines are
// set when a timer ends and not ahead, so that they need no clock.
var longAgo = time.Unix(1, 0)

// openBody takes over the reading of a call's body, up to most bytes. From here on
// its pace is the deadline, and not the listener's own.
func openBody(c *call, most int64) *body {
	b := &body{
		from: http.MaxBytesReader(c.w, c.r.Body, most), control: http.NewResponseController(c.w),
		owed: pace * int(paceWindow/time.Second),
	}
	b.control.SetReadDeadline(time.Time{})
	b.control.SetWriteDeadline(time.Time{})
	b.timer = time.AfterFunc(paceWindow, func() { b.control.SetReadDeadline(longAgo) })
	c.r.Body = b
	return b
}

// readBody reads a call's whole body, of at most so many bytes.
func (c *call) readBody(most int64) ([]byte, error) {
	if c.r.ContentLength > most {
		return nil, refusal("payload-too-large")
	}
	b := openBody(c, most)
	defer b.Close()
	return io.ReadAll(b)
}

func (b *body) Read(p []byte) (int, error) {
	if b.failed != nil {
		return 0, b.failed
	}
	n, err := b.from.Read(p)
	if b.owed -= n; b.owed <= 0 {
		b.owed = pace * int(paceWindow/time.Second)
		b.timer.Reset(paceWindow)
	}
	var tooLong *http.MaxBytesError
	switch {
	case err == nil:
	case err == io.EOF:
		b.ended = true
	case errors.As(err, &tooLong):
		b.failed = refusal("payload-too-large")
	case errors.Is(err, os.ErrDeadlineExceeded):
		b.failed = refusal("request-timeout")
	default:
		b.failed = refusal("malformed-request")
	}
	if b.failed != nil {
		return n, b.failed
	}
	return n, err
}

// Close ends the watch over the body's pace.
func (b *body) Close() error {
	b.timer.Stop()
	return b.from.Close()
}
