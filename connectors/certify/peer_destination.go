package certify

import (
	"context"
	"errors"

	"github.com/knutpunkt/knutpunkt/hub"
)

// What is asked beside of a Destination that speaks something else than HTTP. The kit knows nothing of what
// is said; it loses each answer in turn, and looks at what the system has then.
var peerDestinationCases = []struct {
	test
	run func(*destination)
}{
	{test{"no", "a refusal must reach a person at once"}, func(d *destination) { d.turned(hub.No) }},
	{test{"not now", "what is not taken now may be later"}, func(d *destination) { d.turned(hub.NotNow) }},
	{test{"nonsense", "what answers in another protocol has taken nothing, and refused nothing"}, (*destination).babble},
	{test{"don't know", "a lost answer must not make a second case"}, (*destination).lost},
	{test{"slow", "one slow system must not hold the hub, and has perhaps taken what it was given"}, (*destination).hangs},
	{test{"find", "who cannot ask must not say that there is nothing: the hub would send again"}, (*destination).unheard},
}

func (d *destination) turned(a hub.Answer) {
	d.faulty(fault{}, func(t *trial) {
		t.line.peer.Turn(a)
		if r, err := t.deliver(d, 1); verdict(r, err) != a {
			d.fail("to a system that says %s Deliver gives %s", a, said(r, err))
		}
	})
}

func (d *destination) babble() {
	d.met(lapse{babble: true}, func(t *trial) {
		if r, err := t.deliver(d, 1); verdict(r, err) == hub.Yes || verdict(r, err) == hub.No {
			d.fail("to a login page Deliver gives %s", said(r, err))
		}
	})
}

// lost loses each answer in turn: with the line cut for good, and for a moment.
func (d *destination) lost() {
	for at := 1; at <= d.answers(); at++ {
		for _, passes := range []bool{false, true} {
			d.met(lapse{at: at, passes: passes}, func(t *trial) {
				r, err := t.deliver(d, 1)
				d.truthful(t, r, err)
				d.goOn(t, 1)
				d.next(t)
			})
		}
	}
}

// next delivers another case after one whose answer was lost: it must not be taken for that one.
func (d *destination) next(t *trial) {
	r, err := t.deliver(d, 2)
	if twice := (tally{2 * d.whole.cases, 2 * d.whole.parts}); err != nil || t.got() != twice {
		d.fail("another Key after a lost answer: Deliver gives %s, and the system has %v, not %v", said(r, err), t.got(), twice)
	}
}

// hangs never gives an answer, each in turn, until the hub gives up.
func (d *destination) hangs() {
	for at := 1; at <= d.answers(); at++ {
		begun := make(chan struct{})
		d.met(lapse{at: at, begun: begun}, func(t *trial) {
			ctx, cancel := cancelWhen(d.ctx, begun)
			defer cancel()
			r, err := t.deliverBy(ctx, d, 1)
			d.truthful(t, r, err)
			d.goOn(t, 1)
		})
	}
}

// unheard asks about a delivery that is there, and loses each answer in turn.
func (d *destination) unheard() {
	if d.can.Level == hub.Blind {
		return
	}
	for at, asked := 1, true; asked; at++ {
		d.faulty(fault{}, func(t *trial) {
			t.deliver(d, 1)
			t.pass(d.can.Lag)
			t.line.inject(fault{})
			t.line.fallSilent(lapse{at: at})
			r, err := t.find(d, 1)
			if asked = t.line.count() >= at; asked && (err == nil || errors.Is(err, hub.ErrNotFound)) {
				d.fail("when answer %d to the question is lost Find gives %s", at, said(r, err))
			}
		})
	}
}

// answers is how many a peer gives to the first delivery of a system that has just been opened.
func (d *destination) answers() (n int) {
	d.faulty(fault{}, func(t *trial) {
		t.deliver(d, 1)
		n = t.line.count()
	})
	return n
}

// truthful demands that what Deliver says of a delivery that was broken off is not gainsaid by what there is.
func (d *destination) truthful(t *trial, r hub.Receipt, err error) {
	switch a, has := verdict(r, err), t.got(); {
	case a == hub.No, a == hub.Yes && has != d.whole, a == hub.NotNow && has != tally{}:
		d.fail("an answer was lost, the system has %v, and Deliver gives %s", has, said(r, err))
	}
}

// met runs f on a new system that falls silent.
func (d *destination) met(s lapse, f func(*trial)) {
	d.faulty(fault{}, func(t *trial) {
		t.line.fallSilent(s)
		f(t)
	})
}

func (l *line) fallSilent(s lapse) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lapse = s
}

// tried notes when a delivery was first handed over that may have been taken, as the hub does.
func (t *trial) tried(number int, r hub.Receipt, err error) {
	if a := verdict(r, err); a != hub.Yes && a != hub.DontKnow {
		return
	}
	if _, before := t.doubts[number]; !before {
		t.doubts[number] = t.clock()
	}
}

// deliverBy hands over a delivery as the hub does.
func (t *trial) deliverBy(ctx context.Context, d *destination, number int) (hub.Receipt, error) {
	example := t.example(d, number)
	r, err := attempt(t, ctx, "Deliver", func(ctx context.Context) (hub.Receipt, error) {
		return t.system.Destination.Deliver(ctx, example)
	})
	t.tried(number, r, err)
	return r, err
}
