package certify

import (
	"context"
	"errors"

	"github.com/knutpunkt/knutpunkt/hub"
)

// What is asked of a Register.
var registerCases = []struct {
	test
	run func(*register)
}{
	{test{"found", "what the register knows is told, about the one who was asked for"}, (*register).found},
	{test{"not found", "only the register's own word means that somebody is not there"}, (*register).notFound},
	{test{"protected", "an unmarked protected person is found by whoever looks for her"}, (*register).protected},
	{test{"mismatch", "one person's facts in another's case is a leak and a wrong decision"}, (*register).mismatch},
	{test{"nonsense", "garbage is never facts, and never says that somebody does not exist"}, (*register).nonsense},
	{test{"not there", "a register that is down does not say that somebody does not exist"}, (*register).notThere},
	{test{"cancelled", "the hub must be able to stop"}, (*register).cancelled},
	{test{"slow", "one slow register must not hold the hub"}, (*register).slow},
	{test{"parallel", "many forms are enriched at the same time"}, (*register).parallel},
}

// A register is a Register under examination, and whom it is asked about.
type register struct {
	*exam
	known, another, unknown, marked hub.PersonID
	calls                           int // how many calls one look-up is
}

func (e *exam) register() {
	e.begin("register", test{"found", "what the register knows is told, about the one who was asked for"})
	r := &register{exam: e}
	for _, p := range []struct {
		into *hub.PersonID
		from string
		what string
	}{
		{&r.known, e.Persons.Known, "Known"}, {&r.another, e.Persons.Another, "Another"},
		{&r.unknown, e.Persons.Unknown, "Unknown"}, {&r.marked, e.Persons.Protected, "Protected"},
	} {
		id, err := hub.ParsePersonID(p.from)
		if err != nil {
			e.fail("Persons.%s of the Subject is no personnummer of twelve digits", p.what)
			return
		}
		*p.into = id
	}
	for _, c := range registerCases {
		e.begin("register", c.test)
		c.run(r)
	}
}

func (r *register) found() {
	r.faulty(fault{}, func(t *trial) {
		p, err := t.lookup(r.ctx, r.known)
		switch {
		case err != nil:
			r.fail("Lookup of who is known: %s", word(err))
		case p.ID != r.known:
			r.fail("Lookup gives somebody else than who was asked for")
		case p.AsOf.IsZero():
			r.fail("the answer does not say when we asked: AsOf is Env.Clock's time")
		case p.Protection != hub.NotProtected:
			r.fail("who has no mark is given as protected")
		}
		r.calls = t.line.count()
	})
}

func (r *register) notFound() {
	r.faulty(fault{}, func(t *trial) {
		if p, err := t.lookup(r.ctx, r.unknown); !errors.Is(err, hub.ErrNotFound) {
			r.fail("Lookup of who is not there gives %s, not ErrNotFound", found(p, err))
		}
	})
}

func (r *register) protected() {
	r.faulty(fault{}, func(t *trial) {
		switch p, err := t.lookup(r.ctx, r.marked); {
		case err != nil:
			r.fail("Lookup of who is protected, and has no address: %s", word(err))
		case !p.Protected():
			r.fail("who is protected is given as not protected")
		case p.Address != nil:
			r.fail("who has skyddad folkbokföring is given with a folkbokföringsadress")
		}
	})
}

// mismatch has the register answer about somebody else.
func (r *register) mismatch() {
	if r.Fake == nil {
		return
	}
	r.faulty(fault{}, func(t *trial) {
		var recorded []*answer
		t.line.inject(fault{0, records(&recorded)})
		if _, err := t.lookup(r.ctx, r.another); err != nil {
			r.fail("Lookup of Persons.Another: %s", word(err))
			return
		}
		t.line.inject(fault{0, replays(&recorded)})
		if p, err := t.lookup(r.ctx, r.known); !errors.Is(err, hub.ErrMismatch) {
			r.fail("when the answer is about somebody else Lookup gives %s, not ErrMismatch", found(p, err))
		}
	})
}

func (r *register) nonsense() {
	wrong := append(unanswers[:len(unanswers):len(unanswers)],
		variant{"other JSON", say(200, json, `{"hej":"hopp"}`)},
		variant{"other XML", say(200, xml, `<?xml version="1.0"?><hej>hopp</hej>`)},
	)
	for _, v := range wrong {
		for at := 1; at <= r.calls; at++ {
			r.faulty(fault{at, v.do}, func(t *trial) {
				if p, err := t.lookup(r.ctx, r.known); err == nil || errors.Is(err, hub.ErrNotFound) {
					r.fail("to %s Lookup gives %s", v.name, found(p, err))
				}
			})
		}
	}
}

func (r *register) notThere() {
	if r.Fake == nil {
		return
	}
	r.faulty(fault{}, func(t *trial) {
		t.line.vanish()
		p, err := t.lookup(r.ctx, r.known)
		if err == nil || verdict(hub.Receipt{}, err) != hub.NotNow {
			r.fail("when nobody is there Lookup gives %s, not what Env.Reads gave: a Later", found(p, err))
		}
	})
}

func (r *register) cancelled() {
	r.faulty(fault{}, func(t *trial) {
		ctx, cancel := context.WithCancel(r.ctx)
		cancel()
		if p, err := t.lookup(ctx, r.known); err == nil || errors.Is(err, hub.ErrNotFound) {
			r.fail("under a cancelled context Lookup gives %s", found(p, err))
		}
	})
}

func (r *register) slow() {
	begun := make(chan struct{})
	r.faulty(fault{0, trickles(begun)}, func(t *trial) {
		ctx, cancel := cancelWhen(r.ctx, begun)
		defer cancel()
		if p, err := t.lookup(ctx, r.known); err == nil || errors.Is(err, hub.ErrNotFound) {
			r.fail("of an answer that never ends, given up, Lookup makes %s", found(p, err))
		}
	})
}

func (r *register) parallel() {
	r.faulty(fault{}, func(t *trial) {
		errs := make([]error, many)
		together(many, func(i int) {
			id := r.known
			if i%2 == 1 {
				id = r.another
			}
			var p hub.Person
			if p, errs[i] = t.system.Register.Lookup(r.ctx, id); errs[i] == nil && p.ID != id {
				errs[i] = hub.ErrMismatch
			}
		})
		if err := errors.Join(errs...); err != nil {
			t.hear("Lookup", err)
			r.fail("%d look-ups at the same time: %s", many, word(err))
		}
	})
}

func (t *trial) lookup(ctx context.Context, id hub.PersonID) (hub.Person, error) {
	return attempt(t, ctx, "Lookup", func(ctx context.Context) (hub.Person, error) {
		return t.system.Register.Lookup(ctx, id)
	})
}

func found(_ hub.Person, err error) string {
	if err == nil {
		return "a Person"
	}
	return word(err)
}

// word tells what an error is to the hub, without repeating it.
func word(err error) string {
	switch {
	case errors.Is(err, hub.ErrMismatch):
		return "ErrMismatch"
	case errors.Is(err, hub.ErrGone):
		return "ErrGone"
	}
	return answerTo(err)
}
