package kafkasim

import (
	"encoding/binary"
	"net"
	"strconv"
	"sync"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A Relay stands before a real broker, as the address that callers know it by, so that what is said can be
// lost on the way: the exam is the same as with a Sim, and the answers are the broker's own. It has callers
// speak the versions of the protocol that a Sim knows.
type Relay struct {
	Broker  string     // HOST:PORT
	Written func() int // how many records the topic has

	mu     sync.Mutex
	refuse int16
}

// Cases is how many records the topic has.
func (r *Relay) Cases() int { return r.Written() }

// Told is for those who are told of cases: nobody is.
func (r *Relay) Told() int { return 0 }

// Turn has every record refused, in the broker's place.
func (r *Relay) Turn(a hub.Answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refuse = map[hub.Answer]int16{hub.No: TooLarge, hub.NotNow: NotEnoughReplicas}[a]
}

// Serve passes on what one caller says, a request at a time, and what the broker answers.
func (r *Relay) Serve(conn net.Conn) {
	defer conn.Close()
	broker, err := net.Dial("tcp", r.Broker)
	if err != nil {
		return
	}
	defer broker.Close()
	for {
		request, err := frame(conn)
		if err != nil {
			return
		}
		answer := r.ownAnswer(request)
		if answer == nil {
			if _, err := broker.Write(writing{}.bytes(request)); err != nil {
				return
			}
			if answer, err = frame(broker); err != nil {
				return
			}
			if binary.BigEndian.Uint16(request) == metadata {
				answer = renamed(answer, conn.LocalAddr())
			}
		}
		if _, err := conn.Write(writing{}.bytes(answer)); err != nil {
			return
		}
	}
}

// ownAnswer gives what is not for the broker to answer; nil for the rest.
func (r *Relay) ownAnswer(request []byte) []byte {
	q := &reading{left: request}
	key, version, correlation := q.int16(), q.int16(), q.int32()
	q.text()
	r.mu.Lock()
	refuse := r.refuse
	r.mu.Unlock()
	switch {
	case key == apiVersions:
		return append(writing{}.int32(correlation), New(1).know(version)...)
	case key == produce && refuse != 0:
		sim := New(1 << 10)
		sim.Refuse(refuse)
		return append(writing{}.int32(correlation), sim.takeRecords(q)...)
	}
	return nil
}

// renamed has an answer about brokers say that each is at an address.
func renamed(answer []byte, at net.Addr) []byte {
	host, port, _ := net.SplitHostPort(at.String())
	number, _ := strconv.Atoi(port)
	r := &reading{left: answer}
	w := writing{}.int32(r.int32())
	var brokers writing
	n := r.each(func() {
		brokers = brokers.int32(r.int32()).text(host).int32(int32(number)).int16(-1)
		r.text()
		r.int32()
		r.text() // of its rack
	})
	return append(append(w.int32(int32(n)), brokers...), r.left...)
}
