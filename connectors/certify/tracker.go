package certify

import (
	"context"
	"slices"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// What is asked of a Tracker.
var trackerCases = []struct {
	test
	run func(*tracker)
}{
	{test{"a word twice", "what is told again must be known as the same"}, (*tracker).twice},
	{test{"goes on", "every word is heard, also one that comes late and is dated earlier"}, (*tracker).goesOn},
	{test{"out of order", "a word is what it was, whatever has come since and however it is dated"}, (*tracker).outOfOrder},
	{test{"nonsense", "a system that cannot answer has not said that nothing happened"}, (*tracker).nonsense},
	{test{"cancelled", "the hub must be able to stop"}, (*tracker).cancelled},
	{test{"slow", "one slow system must not hold the hub"}, (*tracker).slow},
}

// A tracker is a Tracker under examination.
type tracker struct{ *exam }

func (e *exam) tracker() {
	e.begin("tracker", trackerCases[0].test)
	if e.Fake == nil {
		e.fail("the Subject must have a Fake")
		return
	}
	if _, ok := e.Fake().(Mover); !ok {
		e.fail("the Fake's cases must move: give it Move(number, word string, at time.Time)")
		return
	}
	for _, c := range trackerCases {
		e.begin("tracker", c.test)
		c.run(&tracker{e})
	}
}

// The words are of no system: which Step one means stands in systems.yaml.
const (
	firstWord  = "öppet"
	secondWord = "tilldelat"
)

// twice asks twice from the beginning.
func (k *tracker) twice() {
	k.faulty(fault{}, func(t *trial) {
		c := t.makeCase(k.exam)
		t.move(c.receipt.Number, firstWord, t.clock())
		once, _, err := t.changes(k.ctx, "")
		if err != nil {
			k.fail("Changes: %s", word(err))
			return
		}
		i := slices.IndexFunc(once, func(r hub.Report) bool { return r.Word == firstWord })
		if i < 0 {
			k.fail("Changes does not tell of a case that has moved")
			return
		}
		if !c.reportedBy(once[i]) {
			k.fail("a Report has neither the Key nor the reference of its case")
		}
		again, _, _ := t.changes(k.ctx, "")
		if !slices.Equal(idsOf(once), idsOf(again)) {
			k.fail("asked twice from the beginning, Changes gives other IDs")
		}
		ids := idsOf(once)
		slices.Sort(ids)
		if slices.Contains(ids, "") || len(slices.Compact(ids)) != len(once) {
			k.fail("the IDs of Reports are not unique")
		}
	})
}

// goesOn asks from where it was, when a word has come that is dated before the last.
func (k *tracker) goesOn() {
	k.faulty(fault{}, func(t *trial) {
		receipt := t.makeCase(k.exam).receipt
		t.move(receipt.Number, firstWord, t.clock())
		before, cursor, err := t.changes(k.ctx, "")
		if err != nil {
			return
		}
		if cursor == "" && len(before) > 0 {
			k.fail("the cursor makes no progress")
		}
		t.move(receipt.Number, secondWord, t.clock().Add(-time.Minute))
		after, _, err := t.changes(k.ctx, cursor)
		if err != nil || !tells(after, secondWord) {
			k.fail("a word that is dated a minute before the last is never told")
		}
		for _, r := range after {
			same := slices.ContainsFunc(before, func(b hub.Report) bool { return b.ID == r.ID })
			if r.Word == secondWord && same || r.Word == firstWord && !same {
				k.fail("two words have the same ID, or one has two")
			}
		}
	})
}

// outOfOrder asks from the beginning again, when a word has come that is dated before the
// first, and then has the system say once more what it said at first.
func (k *tracker) outOfOrder() {
	k.faulty(fault{}, func(t *trial) {
		receipt := t.makeCase(k.exam).receipt
		t.move(receipt.Number, firstWord, t.clock())
		var answers []*answer
		t.line.inject(fault{0, records(&answers)})
		before, cursor, err := t.changes(k.ctx, "")
		if err != nil {
			return
		}
		t.line.inject(fault{})
		t.move(receipt.Number, secondWord, t.clock().Add(-time.Minute))
		all, _, err := t.changes(k.ctx, "")
		if err != nil || !tells(all, secondWord) {
			k.fail("asked from the beginning, Changes does not tell of the word that is dated a minute before the last")
		}
		k.known(before, all)
		t.line.inject(fault{0, replays(&answers)})
		again, _, err := t.changes(k.ctx, cursor)
		if err == nil {
			k.known(again, before)
		}
	})
}

// known demands that a word that has been told is the same when it is told again. A system
// that knows only where a case stands does not tell it again.
func (k *tracker) known(some, all []hub.Report) {
	for _, r := range some {
		for _, again := range all {
			if again.Word == r.Word && (again.ID != r.ID || !again.At.Equal(r.At)) {
				k.fail("a word that has been told has another ID or time when it is told again")
			}
		}
	}
}

func (k *tracker) slow() {
	for _, endless := range []func(chan struct{}) effect{trickles, drips} {
		begun := make(chan struct{})
		k.faulty(fault{0, endless(begun)}, func(t *trial) {
			ctx, cancel := cancelWhen(k.ctx, begun)
			defer cancel()
			if _, _, err := t.changes(ctx, ""); err == nil {
				k.fail("of an answer that never ends, given up, Changes makes no error")
			}
		})
	}
}

func (k *tracker) nonsense() {
	for _, v := range unanswers {
		k.faulty(fault{}, func(t *trial) {
			receipt := t.makeCase(k.exam).receipt
			t.move(receipt.Number, firstWord, t.clock())
			t.line.inject(fault{0, v.do})
			if _, cursor, err := t.changes(k.ctx, ""); err == nil || cursor != "" {
				k.fail("after %s Changes gives %s and the cursor moves: %t", v.name, told(err), cursor != "")
			}
		})
	}
	k.faulty(fault{}, func(t *trial) {
		t.line.vanish()
		if _, _, err := t.changes(k.ctx, ""); err == nil {
			k.fail("when nobody is there Changes gives no error")
		}
	})
}

func (k *tracker) cancelled() {
	k.faulty(fault{}, func(t *trial) {
		ctx, cancel := context.WithCancel(k.ctx)
		cancel()
		if _, _, err := t.changes(ctx, ""); err == nil {
			k.fail("under a cancelled context Changes gives no error")
		}
	})
}

// aCase is a delivery that a system has taken.
type aCase struct {
	delivery hub.Delivery
	receipt  hub.Receipt
}

// reportedBy reports whether a Report can be known to be of the case.
func (c aCase) reportedBy(r hub.Report) bool {
	return r.Key != "" && r.Key == c.delivery.Key || r.Ref != "" && (r.Ref == c.receipt.Ref || r.Ref == c.receipt.Number)
}

// makeCase has the system get a case, where it also takes deliveries.
func (t *trial) makeCase(e *exam) aCase {
	if t.system.Destination != nil {
		for _, operation := range e.operations(t.system.Can) {
			d := &destination{exam: e, operation: operation}
			if r, err := t.deliver(d, 1); err == nil {
				return aCase{t.example(d, 1), r}
			}
		}
	}
	return aCase{receipt: hub.Receipt{Number: "KS 2026/00001"}}
}

func tells(reports []hub.Report, word string) bool {
	return slices.ContainsFunc(reports, func(r hub.Report) bool { return r.Word == word })
}

func (t *trial) move(number, word string, at time.Time) {
	t.line.with(func(f Fake) { f.(Mover).Move(number, word, at) })
}

func (t *trial) changes(ctx context.Context, since hub.Cursor) ([]hub.Report, hub.Cursor, error) {
	type told struct {
		reports []hub.Report
		cursor  hub.Cursor
	}
	got, err := attempt(t, ctx, "Changes", func(ctx context.Context) (told, error) {
		reports, cursor, err := t.system.Tracker.Changes(ctx, since)
		return told{reports, cursor}, err
	})
	return got.reports, got.cursor, err
}

func idsOf(rs []hub.Report) []string {
	var ids []string
	for _, r := range rs {
		ids = append(ids, r.ID)
	}
	return ids
}
