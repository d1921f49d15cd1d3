package rows

import (
	"crypto/rand"
	"encoding/binary"
	"sync"
	"time"
)

// Crockford's alphabet keeps the order of the numbers that it writes.
const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// A ulids gives ULIDs: 48 bits of milliseconds and 80 random ones, twenty-six
// characters. Within a process each is greater than the one before it, also when
// the clock is set back.
type ulids struct {
	clock func() time.Time

	mu     sync.Mutex
	millis uint64
	high   uint16 // the upper 16 of the random bits
	low    uint64
}

func (u *ulids) next() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	if now := uint64(u.clock().UnixMilli()); now > u.millis {
		var fresh [10]byte
		rand.Read(fresh[:])
		u.millis, u.high, u.low = now, binary.BigEndian.Uint16(fresh[:]), binary.BigEndian.Uint64(fresh[2:])
		u.high &= 0x7fff // room to count up in
	} else if u.low++; u.low == 0 {
		u.high++
	}
	return u.text()
}

func (u *ulids) text() string {
	var id [26]byte
	millis := u.millis
	for i := 9; i >= 0; i-- {
		id[i] = crockford[millis&31]
		millis >>= 5
	}
	high, low := u.high, u.low
	for i := 25; i >= 10; i-- {
		id[i] = crockford[low&31]
		low = low>>5 | uint64(high&31)<<59
		high >>= 5
	}
	return string(id[:])
}
