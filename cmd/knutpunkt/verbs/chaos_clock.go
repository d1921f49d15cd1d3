//go:build chaos

package verbs

import (
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// An offsetClock is the machine's clock and what a file says that it goes wrong by. The
// file is read each time: whoever writes it knows that the hub has seen it.
type offsetClock struct {
	file   string
	offset atomic.Int64
}

func (c *offsetClock) now() time.Time {
	text, _ := os.ReadFile(c.file)
	if d, err := time.ParseDuration(strings.TrimSpace(string(text))); err == nil {
		c.offset.Store(int64(d)) // a file that is half written says nothing
	}
	return time.Now().Add(time.Duration(c.offset.Load()))
}
