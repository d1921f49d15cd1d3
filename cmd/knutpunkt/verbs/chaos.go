//go:build chaos

package verbs

import (
	"os"
	"strconv"
	"time"
)

// The chaos build is Knutpunkt with a hand on its seams. It is told by its environment:
//
//	KNUTPUNKT_FAILPOINT     what fails, where and when: see failpoints
//	KNUTPUNKT_CLOCK_OFFSET  a file that holds a duration, such as -1h or 8760h: what the
//	                        hub's clock shows too much. It may be written while the hub runs
//	KNUTPUNKT_SWEEP         how often due rows are looked for, such as 50ms
//	KNUTPUNKT_LOW_WATER     free bytes below which nothing is accepted, for disks that are small
//
// Without any of them it is the ordinary build.
func init() {
	points, err := parseFailpoints(os.Getenv("KNUTPUNKT_FAILPOINT"))
	if err != nil {
		panic(err)
	}
	if file := os.Getenv("KNUTPUNKT_CLOCK_OFFSET"); file != "" {
		seam.clock = (&offsetClock{file: file}).now
	}
	seam.sweep, _ = time.ParseDuration(os.Getenv("KNUTPUNKT_SWEEP"))
	seam.lowWater, _ = strconv.ParseInt(os.Getenv("KNUTPUNKT_LOW_WATER"), 10, 64)
	seam.store = points.store
	seam.bus = points.bus
	seam.env = points.env
	seam.system = points.system
	seam.incoming = points.incoming
	seam.origin, seam.destination = points.origin, points.destination
}
