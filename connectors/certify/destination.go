package certify

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/knutpunkt/knutpunkt/hub"
)

// What is asked of every operation of a Destination, in this order.
var destinationCases = []struct {
	test
	run func(*destination)
}{
	{test{"no", "a refusal must reach a person at once, and in no words of the system's"}, (*destination).no},
	{test{"not now", "a busy system says when to come back"}, (*destination).notNow},
	{test{"not there", "an attempt that never left is no don't know"}, (*destination).notThere},
	{test{"nonsense", "a login page with 200 OK is no receipt, and no refusal"}, (*destination).nonsense},
	{test{"fault inside", "200 OK says that the call came through, and not that anything was taken"}, (*destination).faultInside},
	{test{"charset", "a number that nobody can read finds no case"}, (*destination).charset},
	{test{"don't know", "a lost answer must not make a second case"}, (*destination).dontKnow},
	{test{"taken away", "what a system has taken from its folder is there no less than what it has not"}, (*destination).takenAway},
	{test{"cut between calls", "half a delivery is no delivery, and is gone on with, not begun again"}, (*destination).cutBetween},
	{test{"broken file", "half a file is no file"}, (*destination).brokenFile},
	{test{"redirect", "a redirect sends a citizen's form to an address that nobody chose"}, (*destination).redirect},
	{test{"cancelled", "the hub must be able to stop"}, (*destination).cancelled},
	{test{"slow", "one slow system must not hold the hub, and has perhaps taken what it was given"}, (*destination).slow},
	{test{"parallel", "deliveries of many cases go out at the same time"}, (*destination).parallel},
	{test{"sent twice", "what comes twice under one Key is one case, where the system is said to see to that"}, (*destination).sentTwice},
	{test{"answers twice", "what was said of one case, and is said again, is not about another"}, (*destination).saidAgain},
	{test{"find", "who cannot ask must not say that there is nothing: the hub would send again"}, (*destination).find},
}

// A destination is one operation of a Destination under examination.
type destination struct {
	*exam
	operation string
	can       hub.Capability
	whole     tally // what one delivery makes
	making    []int // the calls, from 1, that make something
	mute      []int // the calls that are answered by a status and no more
	calls     int   // how many calls one delivery is
}

func (e *exam) destination(operation string, can hub.Capability) {
	d := &destination{exam: e, operation: operation, can: can}
	role := "destination " + operation
	e.begin(role, test{"yes", "a delivery that is taken gives a receipt, and is taken once"})
	if !d.yes() {
		return
	}
	cases := destinationCases
	if e.Peer != nil {
		cases = slices.Concat(cases, peerDestinationCases)
	}
	for _, c := range cases {
		e.begin(role, c.test)
		c.run(d)
	}
}

// yes delivers when all is well, and again. It learns what a delivery consists of.
func (d *destination) yes() bool {
	t := d.trial()
	defer t.close()
	if t.broken {
		return false
	}
	if _, err := t.find(d, 2); !d.mayFind(err) || err == nil {
		d.fail("Find of what was never delivered gives %s", d.told(err))
	}
	t.line.inject(fault{})
	receipt, err := t.deliver(d, 1)
	if err != nil {
		d.fail("Deliver: %s", d.text(err))
		return false
	}
	d.learn(t)
	d.checkReceipt(t, receipt)
	switch {
	case d.whole == tally{}:
		d.fail("Deliver gives a receipt, but the system has got nothing")
		return false
	case d.whole.cases > 1:
		d.fail("one delivery makes %d cases", d.whole.cases)
	case d.unsized():
		d.fail("the fake must count the parts of its cases too: give it Parts() int")
		return false
	}
	d.goOn(t, 1)
	d.another(t, receipt)
	return true
}

// another delivers under another Key, which is another case.
func (d *destination) another(t *trial, first hub.Receipt) {
	second, err := t.deliver(d, 2)
	once, twice := d.whole, tally{2 * d.whole.cases, 2 * d.whole.parts}
	switch {
	case err != nil:
		d.fail("Deliver under another Key: %s", said(second, err))
	case d.can.Level != hub.Blind && t.got() != twice:
		d.fail("another Key: the system has %v, not twice %v", t.got(), once)
	case once.cases > 0 && second.Number == first.Number:
		d.fail("another Key gives the same number")
	}
}

// learn remembers what one delivery makes, in which calls.
func (d *destination) learn(t *trial) {
	d.whole, d.making, d.mute = t.got(), nil, nil
	t.line.mu.Lock()
	defer t.line.mu.Unlock()
	d.calls = len(t.line.calls)
	for i, c := range t.line.calls {
		if c.made {
			d.making = append(d.making, i+1)
		}
		if c.mute {
			d.mute = append(d.mute, i+1)
		}
	}
}

// unsized reports whether the fake cannot tell half a delivery from a whole one.
func (d *destination) unsized() bool {
	return d.whole.parts == 0 && len(d.Deliveries[d.operation].Files) > 0
}

// told tells what was answered, with the error's own text where it may be said.
func (d *destination) told(err error) string {
	if err == nil {
		return answerTo(err)
	}
	return answerTo(err) + ": " + d.text(err)
}

func (d *destination) checkReceipt(t *trial, r hub.Receipt) {
	if r.Number == "" {
		d.fail("Deliver gives a receipt without a number, and no error")
	}
	if r.At.IsZero() {
		d.fail("the receipt has no time: the system's, else ours")
	}
	handed := map[string]bool{}
	for _, p := range r.Parts {
		handed[p.SHA256] = true
	}
	for _, f := range t.example(d, 1).Files {
		if sum := f.Blob.SHA256; !handed[hex.EncodeToString(sum[:])] {
			d.fail("the receipt has no Part for one of the files")
			return
		}
	}
}

// no has the system refuse.
func (d *destination) no() {
	refusals := []variant{{"422", refuses}}
	if d.Refusal != nil {
		refusals = append(refusals, variant{"the system's own no", serve(d.Refusal)})
	}
	for _, v := range refusals {
		d.faulty(fault{d.first(), v.do}, func(t *trial) {
			if r, err := t.deliver(d, 1); verdict(r, err) != hub.No {
				d.fail("to %s Deliver gives %s, not a Reject", v.name, said(r, err))
			}
		})
	}
}

func (d *destination) notNow() {
	for _, at := range []int{d.first(), 0} {
		d.faulty(fault{at, isBusy}, func(t *trial) {
			r, err := t.deliver(d, 1)
			if a, wait, _ := hub.AnswerOf(r, err); a != hub.NotNow || wait != 7*time.Second {
				d.fail("to 503 with Retry-After: 7 Deliver gives %s, not a Later of 7 s", said(r, err))
			}
		})
	}
}

func (d *destination) notThere() {
	t := d.trial()
	defer t.close()
	if t.broken {
		return
	}
	t.line.vanish()
	if t.folder != nil {
		os.RemoveAll(t.dir)
	}
	if r, err := t.deliver(d, 1); verdict(r, err) != hub.NotNow {
		d.fail("when nobody is there Deliver gives %s, not a Later", said(r, err))
	}
	if r, err := t.find(d, 1); err == nil || errors.Is(err, hub.ErrNotFound) {
		d.fail("when nobody is there Find gives %s", said(r, err))
	}
}

func (d *destination) nonsense() {
	for _, at := range d.making {
		pages := []variant{{"a login page", asksLogin}}
		if !slices.Contains(d.mute, at) {
			pages = append(pages, variant{"an empty 200", isEmpty})
		}
		for _, v := range pages {
			d.faulty(fault{at, v.do}, func(t *trial) { d.mustDoubt(t, fmt.Sprintf("%s at call %d", v.name, at)) })
		}
	}
}

// faultInside has the system say with 200 OK that something went wrong.
func (d *destination) faultInside() {
	faults := faultsInside
	if d.Fault != nil {
		faults = slices.Concat(faults, []variant{{"the system's own fault inside a 200", serve(d.Fault)}})
	}
	for _, at := range d.making {
		if slices.Contains(d.mute, at) {
			continue
		}
		for _, v := range faults {
			d.faulty(fault{at, v.do}, func(t *trial) {
				if r, err := t.deliver(d, 1); verdict(r, err) == hub.Yes {
					d.fail("to %s at call %d Deliver gives a receipt", v.name, at)
				}
			})
		}
	}
}

// charset has the system answer in another charset than it says.
func (d *destination) charset() {
	for _, v := range charsets {
		for at := 1; at <= d.calls; at++ {
			d.faulty(fault{at, v.do}, func(t *trial) {
				r, err := t.deliver(d, 1)
				if err == nil && garbled(r.Number) {
					d.fail("of %s at call %d Deliver makes a receipt whose number nobody can read", v.name, at)
				}
				if verdict(r, err) == hub.No {
					d.fail("to %s at call %d Deliver gives a Reject", v.name, at)
				}
				d.goOn(t, 1)
			})
		}
	}
}

// garbled reports whether a text has been read in another charset than it was written in.
func garbled(text string) bool {
	return !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return r == utf8.RuneError || unicode.IsControl(r) })
}

// mustDoubt demands the fourth answer.
func (d *destination) mustDoubt(t *trial, what string) {
	if r, err := t.deliver(d, 1); err == nil || verdict(r, err) != hub.DontKnow {
		d.fail("after %s Deliver gives %s, not a plain error", what, said(r, err))
	}
}

func (d *destination) dontKnow() {
	if len(d.making) == 0 {
		return
	}
	last := d.making[len(d.making)-1]
	for _, loss := range losses {
		d.faulty(fault{last, loss.do}, func(t *trial) {
			d.mustDoubt(t, "the case is made, and then "+loss.name)
			d.goOn(t, 1)
		})
	}
}

// takenAway has a system that reads a folder empty it.
func (d *destination) takenAway() {
	if d.Folder == nil {
		return
	}
	d.faulty(fault{}, func(t *trial) {
		if _, err := t.deliver(d, 1); err == nil {
			t.folder.Take()
			d.goOn(t, 1)
		}
	})
}

// cutBetween cuts the line after each call but the last one that makes something.
func (d *destination) cutBetween() {
	for at := 1; at <= d.calls; at++ {
		if len(d.making) > 0 && at == d.making[len(d.making)-1] {
			continue
		}
		d.faulty(fault{at, cuts}, func(t *trial) {
			r, err := t.deliver(d, 1)
			made := t.got()
			switch {
			case err == nil && made != d.whole:
				d.fail("cut after call %d of %d, Deliver gives a receipt", at, d.calls)
			case verdict(r, err) == hub.No, made != tally{} && verdict(r, err) == hub.NotNow:
				d.fail("cut after call %d of %d, Deliver gives %s", at, d.calls, said(r, err))
			}
			d.goOn(t, 1)
		})
	}
}

func (d *destination) brokenFile() {
	for i := range d.Deliveries[d.operation].Files {
		d.faulty(fault{}, func(t *trial) {
			delivery := t.example(d, 1)
			delivery.Files[i] = t.lend(d.Deliveries[d.operation].Files[i], func() bool { return true })
			r, err := attempt(t, d.ctx, "Deliver", func(ctx context.Context) (hub.Receipt, error) {
				return t.system.Destination.Deliver(ctx, delivery)
			})
			if a := verdict(r, err); a == hub.Yes || a == hub.No {
				d.fail("when file %d breaks off Deliver gives %s", i+1, said(r, err))
			}
			d.goOn(t, 1)
		})
	}
}

func (d *destination) redirect() {
	for _, at := range d.making {
		for _, do := range []effect{moves, movesBody} {
			d.faulty(fault{at, do}, func(t *trial) { d.mustDoubt(t, "a redirect") })
		}
	}
}

func (d *destination) cancelled() {
	d.faulty(fault{}, func(t *trial) {
		ctx, cancel := context.WithCancel(d.ctx)
		cancel()
		r, err := t.deliverBy(ctx, d, 1)
		if a := verdict(r, err); a == hub.Yes || a == hub.No {
			d.fail("under a cancelled context Deliver gives %s", said(r, err))
		}
		if t.got() != (tally{}) {
			d.fail("under a cancelled context Deliver makes something")
		}
		if d.can.Level == hub.Blind {
			return
		}
		r, err = t.findBy(ctx, d, 1)
		if err == nil || errors.Is(err, hub.ErrNotFound) && t.line.count() == 0 && d.calls > 0 {
			d.fail("under a cancelled context Find gives %s", said(r, err))
		}
	})
}

func (d *destination) slow() {
	if len(d.making) == 0 {
		return
	}
	for _, endless := range []func(chan struct{}) effect{trickles, drips} {
		begun := make(chan struct{})
		d.faulty(fault{d.first(), endless(begun)}, func(t *trial) {
			ctx, cancel := cancelWhen(d.ctx, begun)
			defer cancel()
			if r, err := t.deliverBy(ctx, d, 1); err == nil || verdict(r, err) != hub.DontKnow {
				d.fail("of an answer that never ends, given up, Deliver makes %s, not a plain error", said(r, err))
			}
		})
	}
	d.faulty(fault{0, spells}, func(t *trial) {
		if r, err := t.deliver(d, 1); verdict(r, err) != hub.Yes {
			d.fail("of answers that come byte by byte Deliver makes %s", said(r, err))
		}
		d.goOn(t, 1)
	})
}

// cancelWhen gives a context that ends when c is closed.
func cancelWhen(parent context.Context, c <-chan struct{}) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(parent)
	go func() {
		select {
		case <-c:
		case <-ctx.Done():
		}
		cancel()
	}()
	return ctx, cancel
}

// many is how many deliveries go out at the same time.
const many = 20

func (d *destination) parallel() {
	d.faulty(fault{}, func(t *trial) {
		receipts, errs := make([]hub.Receipt, many), make([]error, many)
		together(many, func(i int) {
			receipts[i], errs[i] = t.system.Destination.Deliver(d.ctx, t.example(d, i+1))
		})
		numbers := map[string]bool{}
		for i, err := range errs {
			if t.hear("Deliver", err); err != nil {
				d.fail("one of %d deliveries at the same time: %s", many, d.text(err))
				return
			}
			numbers[receipts[i].Number] = true
		}
		if want := (tally{many * d.whole.cases, many * d.whole.parts}); t.got() != want {
			d.fail("%d deliveries at the same time make %v, not %v", many, t.got(), want)
		}
		if d.whole.cases > 0 && len(numbers) != many {
			d.fail("%d deliveries at the same time give %d numbers", many, len(numbers))
		}
	})
}

// together calls f n times at once.
func together(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}

// find asks about a delivery that is there, in every way that asking can fail.
func (d *destination) find() {
	if d.Fake == nil || d.can.Level == hub.Blind {
		return
	}
	for _, v := range unanswers {
		d.faulty(fault{}, func(t *trial) {
			t.deliver(d, 1)
			t.pass(d.can.Lag)
			t.line.inject(fault{0, v.do})
			if r, err := t.find(d, 1); err == nil || errors.Is(err, hub.ErrNotFound) {
				d.fail("after %s Find gives %s", v.name, said(r, err))
			}
		})
	}
}

// sentTwice has each call that makes something come twice.
func (d *destination) sentTwice() {
	if d.can.Level != hub.Idempotent {
		return
	}
	for _, at := range d.making {
		d.faulty(fault{at, comesTwice}, func(t *trial) {
			r, err := t.deliver(d, 1)
			switch {
			case verdict(r, err) != hub.Yes:
				d.fail("when call %d comes twice Deliver gives %s", at, said(r, err))
			case t.got() != d.whole:
				d.fail("call %d comes twice: the system has %v, not %v", at, t.got(), d.whole)
			}
			d.goOn(t, 1)
		})
	}
}

// saidAgain has the system say again, of another Key, what it has said of one.
func (d *destination) saidAgain() {
	if d.can.Level == hub.Blind {
		return
	}
	var answers []*answer
	d.faulty(fault{0, records(&answers)}, func(t *trial) {
		t.deliver(d, 1)
		t.pass(d.can.Lag)
		t.line.inject(fault{0, records(&answers)})
		answers = nil
		if _, err := t.find(d, 1); err != nil || len(answers) == 0 {
			return
		}
		t.line.inject(fault{0, replays(&answers)})
		if r, err := t.find(d, 2); err == nil {
			d.fail("when the system says again what it said of another Key Find gives %s", said(r, err))
		}
	})
}

// goOn heals the system and does what the hub does after a don't know: it asks, and
// then delivers again under the same Key. One whole case must come of it.
func (d *destination) goOn(t *trial, number int) {
	t.line.heal()
	t.pass(d.can.Lag)
	whole := t.got() == d.whole
	found, err := t.find(d, number)
	switch {
	case d.can.Level == hub.Blind:
		if !errors.Is(err, hub.ErrCannotTell) {
			d.fail("the operation is blind, but Find gives %s, not ErrCannotTell", said(found, err))
		}
		return
	case err == nil && !whole:
		d.fail("Find gives a receipt of a delivery that is not whole")
	case whole && err != nil && !d.cannotTell(err):
		d.fail("Find of a delivery that is there gives %s", said(found, err))
	case !whole && !d.mayFind(err):
		d.fail("Find of a delivery that is not there, or not whole, gives %s, not ErrNotFound", said(found, err))
	case err == nil:
		d.checkReceipt(t, found)
	}
	again, err := t.deliver(d, number)
	switch {
	case err != nil:
		d.fail("the same Key again gives %s", said(again, err))
	case t.got() != d.whole:
		d.fail("the same Key again: the system has %v, not %v", t.got(), d.whole)
	case found.Number != "" && (again.Number != found.Number || again.Ref != found.Ref):
		d.fail("the same Key again gives another receipt")
	}
}

// mayFind reports whether err is right of what is not there.
func (d *destination) mayFind(err error) bool {
	return errors.Is(err, hub.ErrNotFound) && d.can.Level != hub.Blind || d.cannotTell(err)
}

// cannotTell reports whether err says, rightly, that the system cannot be asked.
func (d *destination) cannotTell(err error) bool {
	return errors.Is(err, hub.ErrCannotTell) && d.can.Level != hub.Lookup
}

// first is the first call that makes something; 0, every one, where none does.
func (d *destination) first() int {
	if len(d.making) == 0 {
		return 0
	}
	return d.making[0]
}

func (t *trial) deliver(d *destination, number int) (hub.Receipt, error) {
	return t.deliverBy(d.ctx, d, number)
}

func (t *trial) find(d *destination, number int) (hub.Receipt, error) {
	return t.findBy(d.ctx, d, number)
}

func (t *trial) findBy(ctx context.Context, d *destination, number int) (hub.Receipt, error) {
	return attempt(t, ctx, "Find", func(ctx context.Context) (hub.Receipt, error) {
		return t.system.Destination.Find(ctx, t.example(d, number))
	})
}

// example is the delivery with that number: the author's, under a Key of its own.
func (t *trial) example(d *destination, number int) hub.Delivery {
	x := d.Deliveries[d.operation]
	id := fmt.Sprintf("01JNCERT%018d", number)
	x.Key, x.Operation, x.InDoubt = hub.KeyOf(hub.ID(id), "diarium"), d.operation, t.doubts[number]
	if d.Vary != nil {
		x = d.Vary(x, number)
	}
	if x.Case == "" {
		x.Case = hub.CaseID(id)
	}
	if x.Municipality == "" {
		x.Municipality = "1080"
	}
	if x.Document.Reveal() == nil {
		x.Document = hub.NewDocument("application/xml; charset=utf-8", []byte(
			"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<arende><sokande><personnummer>"+Number+
				"</personnummer><namn>"+Name+"</namn></sokande></arende>\n"))
	}
	files := make([]hub.File, len(x.Files))
	for i, f := range x.Files {
		files[i] = t.lend(f, func() bool { return false })
	}
	x.Files = files
	return x
}

// Person gives an example's person, by one of the official test numbers. Another number is a
// mistake of the author's.
func Person(number string) hub.PersonID {
	id, err := hub.ParsePersonID(number)
	if err != nil {
		panic("certify: the example's person has no personnummer of twelve digits")
	}
	return id
}

// File makes an attachment for an example.
func File(name, mediaType, content string) hub.File {
	sum := sha256.Sum256([]byte(content))
	size := int64(len(content))
	return hub.File{
		Attachment: hub.Attachment{
			Name: name, Type: mediaType, Size: size,
			Blob: hub.Blob{ID: hex.EncodeToString(sum[:6]), Size: size, SHA256: sum},
		},
		Open: func(context.Context) (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader([]byte(content))), nil
		},
	}
}

func verdict(r hub.Receipt, err error) hub.Answer {
	a, _, _ := hub.AnswerOf(r, err)
	return a
}

// said tells what a connector answered, in the words of the four answers. It does not
// repeat the error: that may be what is wrong with it.
func said(r hub.Receipt, err error) string {
	if err == nil && r.Number == "" {
		return "an empty receipt"
	}
	return answerTo(err)
}

func answerTo(err error) string {
	switch {
	case err == nil:
		return "a receipt"
	case errors.Is(err, hub.ErrNotFound):
		return "ErrNotFound"
	case errors.Is(err, hub.ErrCannotTell):
		return "ErrCannotTell"
	}
	switch a, wait, _ := hub.AnswerOf(hub.Receipt{}, err); a {
	case hub.No:
		return "a Reject"
	case hub.NotNow:
		return fmt.Sprintf("a Later of %v", wait)
	}
	return "a plain error"
}
