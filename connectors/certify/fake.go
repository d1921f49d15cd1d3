package certify

import (
	"net"
	"net/http"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A Fake is a small system that works: it takes what is right, remembers it, and
// answers as the real one does when all is well. Faults are not its business, and
// neither are locks: it gets one call at a time, and whole ones only.
type Fake interface {
	http.Handler
	// Cases counts the cases that the system has. A register has none.
	Cases() int
}

// A Folder is a system that reads what is put in a folder.
type Folder interface {
	// Cases counts the deliveries that the system would read in the folder, and those that it has taken.
	Cases() int
	// Take has the system take all that it would read, and put it where it keeps what it has taken.
	Take()
}

// A PartsCounter is a Fake or a Folder that counts what is in its cases: documents
// and files. It is needed where a delivery is several calls, or has files.
type PartsCounter interface{ Parts() int }

// A Mover is a Fake whose cases move, as when a person works on them. A Tracker must
// then tell of it.
type Mover interface {
	// Move has the case with that number come to word, in the system's own words, at
	// that time.
	Move(number, word string, at time.Time)
}

// A Listener is a Fake that can be told of cases.
type Listener interface {
	// Told counts what has been heard, by each person where persons are told: the same
	// said twice to the same counts once.
	Told() int
}

// A Peer is a small system that works, and speaks another protocol than HTTP. It may be
// called by many at the same time. One that takes deliveries has Cases() int, too.
type Peer interface {
	Listener
	// Serve talks with one caller until either hangs up. What it has taken it remembers
	// before it says so, and each thing that it says is one Write.
	Serve(net.Conn)
	// Turn has it give that hub.Answer to whatever it is told from now on, in words that
	// quote Number and Name: hub.No for good, or hub.NotNow.
	Turn(hub.Answer)
}

// A Slow fake shows what it has taken first after a while, which its connector must
// declare as Capability.Lag.
type Slow interface {
	// Pass has time pass.
	Pass(time.Duration)
}
