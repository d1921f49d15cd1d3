package certify

import (
	"context"
	"slices"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// What is asked of a Poller.
var pollerCases = []struct {
	test
	run func(*poller)
}{
	{test{"a word twice", "what is told again must be known as the same"}, (*poller).twice},
	{test{"goes on", "a new word is heard, also one that is dated earlier than the last"}, (*poller).goesOn},
	{test{"nonsense", "a system that cannot answer has not said that nothing happened"}, (*poller).nonsense},
	{test{"not there", "a system that is down has not said that nothing happened"}, (*poller).notThere},
	{test{"cancelled", "the hub must be able to stop"}, (*poller).cancelled},
	{test{"slow", "one slow system must not hold the hub"}, (*poller).slow},
}

// A poller is a Poller under examination.
type poller struct{ *exam }

func (e *exam) poller() {
	e.begin("poller", pollerCases[0].test)
	if e.Fake == nil {
		e.fail("the Subject must have a Fake")
		return
	}
	if _, ok := e.Fake().(Mover); !ok {
		e.fail("the Fake's cases must move: give it Move(number, word string, at time.Time)")
		return
	}
	for _, c := range pollerCases {
		e.begin("poller", c.test)
		c.run(&poller{e})
	}
}

// moved has a case that has come to a word, and asks about it.
func (p *poller) moved(f func(*trial, aCase)) {
	p.faulty(fault{}, func(t *trial) {
		c := t.makeCase(p.exam)
		t.move(c.receipt.Number, firstWord, t.clock())
		t.line.inject(fault{})
		f(t, c)
	})
}

func (p *poller) twice() {
	p.moved(func(t *trial, c aCase) {
		once, err := t.poll(p.ctx, c)
		if err != nil {
			p.fail("Poll: %s", word(err))
			return
		}
		if !tells(once, firstWord) {
			p.fail("Poll does not tell of a case that has moved")
		}
		p.own(once, c)
		again, _ := t.poll(p.ctx, c)
		if !slices.Equal(idsOf(once), idsOf(again)) {
			p.fail("asked twice, Poll gives other IDs")
		}
	})
}

// own demands that Reports are of the case that was asked about, and each has a name.
func (p *poller) own(reports []hub.Report, c aCase) {
	ids := idsOf(reports)
	slices.Sort(ids)
	if slices.Contains(ids, "") || len(slices.Compact(ids)) != len(reports) {
		p.fail("the IDs of Reports are not unique")
	}
	for _, r := range reports {
		if !c.reportedBy(r) {
			p.fail("a Report has neither the Key nor the reference of its case")
		}
	}
}

func (p *poller) goesOn() {
	p.moved(func(t *trial, c aCase) {
		before, err := t.poll(p.ctx, c)
		if err != nil {
			return
		}
		t.move(c.receipt.Number, secondWord, t.clock().Add(-time.Minute))
		after, err := t.poll(p.ctx, c)
		if err != nil || !tells(after, secondWord) {
			p.fail("a word that is dated a minute before the last is never told")
		}
		for _, r := range after {
			same := slices.ContainsFunc(before, func(b hub.Report) bool { return b.ID == r.ID })
			if r.Word == secondWord && same || r.Word == firstWord && !same {
				p.fail("two words have the same ID, or one has two")
			}
		}
	})
}

func (p *poller) nonsense() {
	for _, v := range unanswers {
		p.moved(func(t *trial, c aCase) {
			t.line.inject(fault{0, v.do})
			if reports, err := t.poll(p.ctx, c); err == nil {
				p.fail("after %s Poll gives %d reports and no error", v.name, len(reports))
			}
		})
	}
	for _, v := range charsets {
		p.moved(func(t *trial, c aCase) {
			t.line.inject(fault{0, v.do})
			t.poll(p.ctx, c) // it may be read or not, without a panic
		})
	}
}

func (p *poller) notThere() {
	p.moved(func(t *trial, c aCase) {
		t.line.vanish()
		if _, err := t.poll(p.ctx, c); err == nil {
			p.fail("when nobody is there Poll gives no error")
		}
	})
}

func (p *poller) cancelled() {
	p.moved(func(t *trial, c aCase) {
		ctx, cancel := context.WithCancel(p.ctx)
		cancel()
		if _, err := t.poll(ctx, c); err == nil {
			p.fail("under a cancelled context Poll gives no error")
		}
	})
}

func (p *poller) slow() {
	for _, endless := range []func(chan struct{}) effect{trickles, drips} {
		p.moved(func(t *trial, c aCase) {
			begun := make(chan struct{})
			t.line.inject(fault{0, endless(begun)})
			ctx, cancel := cancelWhen(p.ctx, begun)
			defer cancel()
			if _, err := t.poll(ctx, c); err == nil {
				p.fail("of an answer that never ends, given up, Poll makes no error")
			}
		})
	}
}

func (t *trial) poll(ctx context.Context, c aCase) ([]hub.Report, error) {
	return attempt(t, ctx, "Poll", func(ctx context.Context) ([]hub.Report, error) {
		return t.system.Poller.Poll(ctx, c.delivery, c.receipt)
	})
}
