package enginetest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync/atomic"
	"testing"
)

// nextPorts lets tests that run at the same time look in different places, in other processes too.
var nextPorts atomic.Int64

func init() { nextPorts.Store(rand.Int64N(1 << 32)) }

// FreePorts gives the first of n ports in a row that nobody listens on, from one port on and
// below another. Packages whose tests run beside each other look each in a range of its own:
// engines from 15000 to 20000, and whole demos above that. All of them lie below those that the
// system hands out by itself, so what was stopped finds its ports free when it starts again.
func FreePorts(t testing.TB, from, below, n int) int {
	t.Helper()
	first, err := freePorts(from, below, n)
	if err != nil {
		t.Fatal(err)
	}
	return first
}

func freePort() (int, error) { return freePorts(15_000, 20_000, 1) }

func freePorts(from, below, n int) (int, error) {
	places := (below - from) / n
	for range places {
		first := from + n*int(nextPorts.Add(1)%int64(places))
		if allFree(first, n) {
			return first, nil
		}
	}
	return 0, fmt.Errorf("find %d free ports in a row: there are none from %d to %d", n, from, below)
}

func allFree(first, n int) bool {
	for port := first; port < first+n; port++ {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			return false
		}
		l.Close()
	}
	return true
}
