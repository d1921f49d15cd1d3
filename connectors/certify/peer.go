package certify

import (
	"io"
	"net"

	"github.com/knutpunkt/knutpunkt/hub"
)

// What is asked of a Teller that speaks something else than HTTP. The kit knows nothing of
// what is said; it loses each answer in turn, and looks whether the Teller tells the truth.
var peerCases = []struct {
	test
	run func(*teller)
}{
	{test{"told twice", "the hub may tell again, and what is the same must be known to be"}, (*teller).twice},
	{test{"each", "two who follow a case are two to tell"}, (*teller).each},
	{test{"nobody", "where nobody is to be told there is nothing to wait for"}, (*teller).nobody},
	{test{"no", "a refusal must reach a person, and in no words of the system's"}, (*teller).refused},
	{test{"not now", "what is not taken now may be later"}, (*teller).putOff},
	{test{"not there", "what never left may be told again"}, (*teller).notThere},
	{test{"nonsense", "what answers in another protocol has heard nothing"}, (*teller).babble},
	{test{"don't know", "a lost answer is told again, and never taken for a no"}, (*teller).lost},
	{test{"cancelled", "the hub must be able to stop"}, (*teller).cancelled},
	{test{"slow", "one slow system must not hold the hub"}, (*teller).hangs},
}

func (l *teller) refused() { l.turned(hub.No) }
func (l *teller) putOff()  { l.turned(hub.NotNow) }

func (l *teller) turned(a hub.Answer) {
	l.faulty(fault{}, func(t *trial) {
		t.line.peer.Turn(a)
		if err := t.tell(l.ctx, hub.Registrerat); err == nil || verdict(hub.Receipt{}, err) != a {
			l.fail("to a system that says %s Tell gives %s", a, told(err))
		}
	})
}

func (l *teller) babble() {
	l.met(lapse{babble: true}, func(t *trial) {
		if err := t.tell(l.ctx, hub.Registrerat); err == nil || verdict(hub.Receipt{}, err) == hub.No {
			l.fail("to a login page Tell gives %s", told(err))
		}
	})
}

// lost loses each answer in turn, and tells again.
func (l *teller) lost() {
	one := l.To[:min(1, len(l.To))]
	for at := 1; at <= l.calls; at++ {
		l.met(lapse{at: at}, func(t *trial) { l.recovers(t, t.tell(l.ctx, hub.Registrerat)) })
		l.met(lapse{at: at}, func(t *trial) { l.truthful(t, t.tellTo(l.ctx, hub.Registrerat, one)) })
	}
}

// hangs never gives an answer, each in turn, until the hub gives up.
func (l *teller) hangs() {
	for at := 1; at <= l.calls; at++ {
		begun := make(chan struct{})
		l.met(lapse{at: at, begun: begun}, func(t *trial) {
			ctx, cancel := cancelWhen(l.ctx, begun)
			defer cancel()
			l.recovers(t, t.tell(ctx, hub.Registrerat))
		})
	}
}

// met runs f on a new system that falls silent.
func (l *teller) met(s lapse, f func(*trial)) {
	l.faulty(fault{}, func(t *trial) {
		t.line.mu.Lock()
		t.line.lapse = s
		t.line.mu.Unlock()
		f(t)
	})
}

// recovers demands that what was broken off is told by and by, to everybody.
func (l *teller) recovers(t *trial, err error) {
	if err == nil && t.heard() < l.heard || err != nil && verdict(hub.Receipt{}, err) == hub.No {
		l.fail("after a lost answer Tell gives %s", told(err))
	}
	t.line.heal()
	if err := t.tell(l.ctx, hub.Registrerat); err != nil || t.heard() != l.heard {
		l.fail("told again after a lost answer, %d have heard it and not %d, and Tell gives %s", t.heard(), l.heard, told(err))
	}
}

// truthful demands that who has heard is never said to certainly not have.
func (l *teller) truthful(t *trial, err error) {
	if err != nil && verdict(hub.Receipt{}, err) == hub.NotNow && t.heard() > 0 {
		l.fail("it has been heard and the answer was lost, and Tell gives %s", told(err))
	}
}

// A lapse is what becomes of one of a peer's answers. The zero value is none.
type lapse struct {
	at     int           // which answer, from 1: it is lost, and the line is cut
	passes bool          // and can be used again at once; else it is cut for good
	begun  chan struct{} // when not nil, it is closed instead, and the line held until the caller hangs up
	babble bool          // whoever calls is answered with a login page
}

// introduce has the peer talk with whoever calls.
func (l *line) introduce() {
	for {
		conn, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.mu.Lock()
		l.answered++
		babbles, down := l.lapse.babble, l.down
		l.mu.Unlock()
		switch {
		case babbles:
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"+loginPage)
			conn.Close()
		case down:
			conn.Close()
		default:
			go l.peer.Serve(overheard{conn, l})
		}
	}
}

// An overheard connection is a peer's end of one. Each Write is an answer.
type overheard struct {
	net.Conn
	line *line
}

func (o overheard) Write(b []byte) (int, error) {
	l := o.line
	l.mu.Lock()
	l.calls = append(l.calls, call{})
	s, down := l.lapse, l.down
	silent := s.at == len(l.calls)
	if silent && s.begun == nil {
		l.down, down = !s.passes, true
	}
	l.mu.Unlock()
	switch {
	case down:
		o.Close()
		return 0, net.ErrClosed
	case silent:
		close(s.begun)
		io.Copy(io.Discard, o.Conn)
		return 0, net.ErrClosed
	}
	return o.Conn.Write(b)
}
