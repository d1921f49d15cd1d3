package certify

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// What is asked of a Teller.
var tellerCases = []struct {
	test
	run func(*teller)
}{
	{test{"told twice", "the hub may tell again, and the citizen must hear it once"}, (*teller).twice},
	{test{"each", "two who follow a case are two to tell"}, (*teller).each},
	{test{"nobody", "where nobody is to be told there is nothing to wait for"}, (*teller).nobody},
	{test{"no", "a refusal must reach a person, and in no words of the platform's"}, (*teller).no},
	{test{"not now", "a busy platform says when to come back"}, (*teller).notNow},
	{test{"not there", "what never left may be told again"}, (*teller).notThere},
	{test{"nonsense", "a login page with 200 OK has heard nothing"}, (*teller).nonsense},
	{test{"don't know", "a lost answer is told again, and heard once"}, (*teller).dontKnow},
	{test{"redirect", "a redirect sends a citizen's case to an address that nobody chose"}, (*teller).redirect},
	{test{"cancelled", "the hub must be able to stop"}, (*teller).cancelled},
	{test{"slow", "one slow platform must not hold the hub"}, (*teller).slow},
}

// A teller is a Teller under examination.
type teller struct {
	*exam
	calls int // how many calls one telling is
	heard int // what the platform then has heard
}

func (e *exam) teller() {
	e.begin("teller", tellerCases[0].test)
	l, cases := &teller{exam: e}, tellerCases
	switch {
	case e.Fake == nil && e.Peer == nil || e.Told == (hub.Ref{}):
		e.fail("the Subject must have a Fake or a Peer, and a form to tell about: Told")
		return
	case e.Fake == nil:
		cases = peerCases
	default:
		if _, ok := e.Fake().(Listener); !ok {
			e.fail("the Fake must count what it has heard: give it Told() int")
			return
		}
	}
	for _, c := range cases {
		e.begin("teller", c.test)
		c.run(l)
	}
}

func (l *teller) twice() {
	l.faulty(fault{}, func(t *trial) {
		if err := t.tell(l.ctx, hub.Registrerat); err != nil {
			l.fail("Tell: %s", word(err))
		}
		l.calls, l.heard = t.line.count(), t.heard()
		if l.heard == 0 {
			l.fail("Tell gives no error, but the platform has heard nothing")
		}
		t.tell(l.ctx, hub.Registrerat)
		if t.heard() != l.heard {
			l.fail("told twice, the platform has heard it twice")
		}
		for _, step := range []hub.Step{hub.Inkommet, hub.UnderHandlaggning, hub.KompletteringBehov,
			hub.Beslutat, hub.Avslutat, hub.Atertaget, hub.Avvisat} {
			if err := t.tell(l.ctx, step); err != nil {
				l.fail("Tell of %s: %s", step, word(err))
			}
		}
	})
}

// each tells one person, and then, another system, both.
func (l *teller) each() {
	if len(l.To) < 2 {
		return
	}
	one := 0
	l.faulty(fault{}, func(t *trial) {
		if err := t.tellTo(l.ctx, hub.Registrerat, l.To[:1]); err != nil {
			l.fail("Tell of one person: %s", word(err))
		}
		one = t.heard()
	})
	if one == 0 || one >= l.heard {
		l.fail("of one person who is told %d hear it, of two %d", one, l.heard)
	}
}

func (l *teller) nobody() {
	if len(l.To) == 0 {
		return
	}
	l.faulty(fault{}, func(t *trial) {
		if err := t.tellTo(l.ctx, hub.Registrerat, nil); err != nil || t.heard() > 0 {
			l.fail("with nobody to tell Tell gives %s, and %d have heard", told(err), t.heard())
		}
	})
}

func (l *teller) no() {
	effects := []variant{{"422", refuses}}
	if l.Refusal != nil {
		effects = append(effects, variant{"the platform's own no", serve(l.Refusal)})
	}
	for _, v := range effects {
		l.answers(v.name, 1, v.do, hub.No)
	}
}

func (l *teller) notNow() {
	l.faulty(fault{0, isBusy}, func(t *trial) {
		err := t.tell(l.ctx, hub.Registrerat)
		if a, wait, _ := hub.AnswerOf(hub.Receipt{}, err); a != hub.NotNow || wait != 7*time.Second {
			l.fail("to 503 with Retry-After: 7 Tell gives %s, not a Later of 7 s", told(err))
		}
	})
}

func (l *teller) notThere() {
	l.faulty(fault{}, func(t *trial) {
		t.line.vanish()
		if err := t.tell(l.ctx, hub.Registrerat); err == nil || verdict(hub.Receipt{}, err) != hub.NotNow {
			l.fail("when nobody is there Tell gives %s, not a Later", told(err))
		}
	})
}

func (l *teller) nonsense() {
	for at := 1; at <= l.calls; at++ {
		l.answers("a login page", at, asksLogin, hub.DontKnow)
	}
}

// dontKnow loses the answer to each call, and tells again.
func (l *teller) dontKnow() {
	for at := 1; at <= l.calls; at++ {
		for _, v := range losses[:2] { // of what a platform answers in the body, little need be read
			l.faulty(fault{at, v.do}, func(t *trial) {
				if err := t.tell(l.ctx, hub.Registrerat); err == nil || verdict(hub.Receipt{}, err) != hub.DontKnow {
					l.fail("after %s Tell gives %s, not a plain error", v.name, told(err))
				}
				t.line.heal()
				if err := t.tell(l.ctx, hub.Registrerat); err != nil || t.heard() != l.heard {
					l.fail("told again after %s, the platform has heard %d things and not %d, and Tell gives %s",
						v.name, t.heard(), l.heard, told(err))
				}
			})
		}
	}
}

func (l *teller) redirect() {
	for at := 1; at <= l.calls; at++ {
		l.answers("a redirect", at, moves, hub.DontKnow)
		l.answers("a redirect", at, movesBody, hub.DontKnow)
	}
}

// answers demands an answer to a fault.
func (l *teller) answers(name string, at int, do effect, want hub.Answer) {
	l.faulty(fault{at, do}, func(t *trial) {
		if err := t.tell(l.ctx, hub.Registrerat); err == nil || verdict(hub.Receipt{}, err) != want {
			l.fail("to %s Tell gives %s, not %s", name, told(err), want)
		}
	})
}

func (l *teller) cancelled() {
	l.faulty(fault{}, func(t *trial) {
		ctx, cancel := context.WithCancel(l.ctx)
		cancel()
		if err := t.tell(ctx, hub.Registrerat); err == nil || verdict(hub.Receipt{}, err) == hub.No {
			l.fail("under a cancelled context Tell gives %s", told(err))
		}
	})
}

func (l *teller) slow() {
	begun := make(chan struct{})
	l.faulty(fault{0, trickles(begun)}, func(t *trial) {
		ctx, cancel := cancelWhen(l.ctx, begun)
		defer cancel()
		if err := t.tell(ctx, hub.Registrerat); err == nil || verdict(hub.Receipt{}, err) != hub.DontKnow {
			l.fail("of an answer that never ends, given up, Tell makes %s, not a plain error", told(err))
		}
	})
}

// tell tells that the case of the Subject's form has come to a Step, to whoever the
// Subject says that there is to tell.
func (t *trial) tell(ctx context.Context, step hub.Step) error { return t.tellTo(ctx, step, t.To) }

func (t *trial) tellTo(ctx context.Context, step hub.Step, to []hub.Contact) error {
	const of = "01JNCERT000000000000000001"
	at := t.clock()
	telling := hub.Telling{
		Key: hub.KeyOf(of, fmt.Sprint("tell-", step.Rank())), Ref: t.Told, To: slices.Clone(to),
		Receipts: []hub.Receipt{{Number: "KS 2026/00001", At: at}},
		Status: hub.Status{
			Seq: 1, Case: of, Submission: of, Step: step, At: at, Expect: at.AddDate(0, 0, 14),
			Ref: "KS 2026/00001", Ball: hub.BallAt(step), Owner: "1080",
		},
	}
	_, err := attempt(t, ctx, "Tell", func(ctx context.Context) (struct{}, error) {
		return struct{}{}, t.system.Teller.Tell(ctx, telling)
	})
	return err
}

func (t *trial) heard() (n int) {
	if t.line.peer != nil {
		return t.line.peer.Told()
	}
	t.line.with(func(f Fake) { n = f.(Listener).Told() })
	return n
}

func told(err error) string {
	if err == nil {
		return "no error"
	}
	return word(err)
}
