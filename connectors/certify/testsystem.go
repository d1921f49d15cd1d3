package certify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A TestSystem is one that a vendor lends for trying. The kit knows nothing of what is said
// to it; it loses answers on the way, and goes by what the system itself says afterwards.
// What has been made there stays there.
type TestSystem struct {
	// Open connects it, with between on the way that each of the clients of Env takes.
	Open      func(between func(http.RoundTripper) http.RoundTripper) (hub.System, error)
	Operation string
	// Deliver makes a delivery that nobody has made before, and the same one for the same Key.
	Delivery func(hub.Key) (hub.Delivery, error)
	Key      func() hub.Key // one that nobody has used
	Wait     func(context.Context, time.Duration) error
	Made     func(hub.Key, string) // is told of each case that is made, by its number
	// Unread is told at the end of each Key that was sent and of which no number of its own could be
	// read: what it made, if anything, is there under the Key.
	Unread func(hub.Key)
}

// What is asked of an operation of a TestSystem, after it has been seen to work.
var testSystemCases = []struct {
	test
	run func(*probation)
}{
	{test{"not there", "an attempt that never left is no don't know"}, (*probation).notSent},
	{test{"don't know", "a lost answer must not make a second case"}, (*probation).lost},
	{test{"sent twice", "what comes twice under one Key is one case"}, (*probation).sentTwice},
	{test{"answers twice", "what was said of one case, and is said again, is not about another"}, (*probation).saidAgain},
	{test{"news", "questions that get no answer which can be understood stop the deliveries too"}, (*probation).news},
}

// Try proves what an operation of a TestSystem says of itself: its level, or Findings. A second
// case that the system never speaks of it cannot see: whoever can look there counts what is Made, and
// looks for what is Unread.
func Try(ctx context.Context, s TestSystem) (hub.Level, []Finding) {
	p := &probation{exam: &exam{ctx: ctx}, TestSystem: s, line: new(lossyLine), made: map[hub.Key][]string{}}
	defer p.tellUnread()
	role := "destination " + s.Operation
	p.begin(role, test{"yes", "a delivery that is taken gives a receipt, and is taken once"})
	if !p.opens() || !p.yes() {
		return "", p.findings
	}
	for _, c := range testSystemCases {
		p.begin(role, c.test)
		c.run(p)
	}
	if len(p.findings) > 0 {
		return "", p.findings
	}
	return p.can.Level, nil
}

// A probation is an operation of a TestSystem under examination.
type probation struct {
	*exam
	TestSystem
	line   *lossyLine
	system hub.System
	can    hub.Capability
	calls  int // how many calls one delivery is
	first  hub.Delivery
	taken  hub.Receipt          // of the first
	made   map[hub.Key][]string // the numbers of each, of which there is to be one
	unread []hub.Key            // those that were sent since a number of theirs was last read
}

func (p *probation) opens() bool {
	var err error
	if p.system, err = p.Open(p.line.between); err != nil {
		p.fail("Open: %v", err)
		return false
	}
	p.can = p.system.Can.Of(p.Operation)
	switch {
	case p.system.Destination == nil:
		p.fail("the system takes no deliveries")
	case p.can.Level == hub.Blind:
		p.fail("the operation is blind: that needs no proof, and cannot be asked for any")
	default:
		return true
	}
	return false
}

// yes delivers when all is well, and again, and another.
func (p *probation) yes() bool {
	d, ok := p.fresh()
	if !ok {
		return false
	}
	if r, err := p.find(d); !p.absent(err) {
		p.fail("Find of what was never delivered %s", comes(r, err))
		return false
	}
	p.line.set(nil)
	receipt, err := p.deliver(d)
	if err != nil {
		p.fail("Deliver %s", comes(receipt, err))
		return false
	}
	p.first, p.taken = d, receipt
	p.is(d, receipt)
	p.goOn(d, true)
	return p.another() && len(p.findings) == 0
}

// another delivers under another Key, and counts the calls. At the first there may have been
// one for a token.
func (p *probation) another() bool {
	d, ok := p.fresh()
	if !ok {
		return false
	}
	p.line.set(nil)
	r, err := p.deliver(d)
	if err != nil {
		p.fail("Deliver under another Key %s", comes(r, err))
		return false
	}
	p.calls = p.line.count()
	p.is(d, r)
	return true
}

// notSent cuts the line before anything is sent.
func (p *probation) notSent() {
	d, ok := p.fresh()
	if !ok {
		return
	}
	p.line.set(cutFirst)
	if r, err := p.deliver(d); verdict(r, err) != hub.NotNow {
		p.fail("when nobody is there Deliver does not say not now: it %s", comes(r, err))
	}
	if r, err := p.find(d); err == nil || errors.Is(err, hub.ErrNotFound) {
		p.fail("when nobody is there Find %s", comes(r, err))
	}
	p.goOn(d, false)
}

// lost loses the answer to each call of a delivery in turn.
func (p *probation) lost() {
	for at := 1; at <= p.calls; at++ {
		d, ok := p.fresh()
		if !ok {
			return
		}
		p.line.set(loses(at))
		r, err := p.deliver(d)
		last := at == p.calls
		if a := verdict(r, err); a == hub.Yes || a == hub.No || last && a != hub.DontKnow {
			p.fail("when the answer to call %d of %d is lost Deliver %s", at, p.calls, comes(r, err))
		}
		p.goOn(d, last)
	}
}

// sentTwice has each call come twice, where the system says that it knows what it has.
func (p *probation) sentTwice() {
	if p.can.Level != hub.Idempotent {
		return
	}
	d, ok := p.fresh()
	if !ok {
		return
	}
	p.line.set(sendsTwice)
	r, err := p.deliver(d)
	if err != nil {
		p.fail("when each call comes twice Deliver %s", comes(r, err))
	} else {
		p.is(d, r)
	}
	p.goOn(d, err == nil)
}

// saidAgain has what was said of one case said again of another.
func (p *probation) saidAgain() {
	d, ok := p.fresh()
	if !ok {
		return
	}
	var answers []*kept
	p.line.set(keeps(&answers))
	if _, err := p.find(p.first); err != nil || len(answers) == 0 {
		p.line.set(nil)
		return
	}
	p.line.set(says(answers))
	if _, err := p.find(d); err == nil {
		p.fail("when the system says again what it said of another Key Find takes it")
	}
	p.line.set(nil)
}

// news asks what has happened to a case that is there, and to all, as the hub does of each system that tells.
func (p *probation) news() {
	p.line.set(nil)
	if p.system.Poller != nil {
		if _, err := p.system.Poller.Poll(p.ctx, p.first, p.taken); err != nil {
			p.fail("asked how a case is getting on that is there, the system %s", comes(hub.Receipt{}, err))
		}
	}
	if p.system.Tracker != nil {
		if _, _, err := p.system.Tracker.Changes(p.ctx, ""); err != nil {
			p.fail("asked what has happened to its cases, the system %s", comes(hub.Receipt{}, err))
		}
	}
}

// goOn heals the line and does what the hub does after a don't know: it asks, when what was
// made can be seen, and then delivers again under the same Key. Where the last answer was the
// one that was lost, the whole delivery is there.
func (p *probation) goOn(d hub.Delivery, whole bool) {
	p.line.set(nil)
	if err := p.Wait(p.ctx, p.can.Lag); err != nil {
		p.fail("broken off")
		return
	}
	found, err := p.find(d)
	switch {
	case err == nil:
		p.is(d, found)
	case whole && !p.cannotTell(err):
		p.fail("Find of a delivery that is there %s", comes(found, err))
	case !whole && !p.absent(err):
		p.fail("Find of a delivery that is not there, or not whole, %s", comes(found, err))
	}
	again, err := p.deliver(d)
	if err != nil {
		p.fail("Deliver under the same Key again %s", comes(again, err))
		return
	}
	p.is(d, again)
}

// is demands that a Key has one number, and that it is no other's.
func (p *probation) is(d hub.Delivery, r hub.Receipt) {
	numbers := p.made[d.Key]
	switch {
	case r.Number == "":
		p.fail("there is a receipt without a number, and no error")
		p.doubt(d.Key)
		return
	case len(numbers) == 0 && slices.Contains(slices.Concat(slices.Collect(maps.Values(p.made))...), r.Number):
		p.fail("two Keys have the same number")
		p.doubt(d.Key)
		return
	case len(numbers) > 0 && numbers[0] != r.Number:
		p.fail("the same Key again gives another number: there are two cases now")
	}
	p.unread = slices.DeleteFunc(p.unread, func(key hub.Key) bool { return key == d.Key })
	if !slices.Contains(numbers, r.Number) {
		p.made[d.Key] = append(numbers, r.Number)
		p.Made(d.Key, r.Number)
	}
}

// doubt remembers that a Key may have made what no number has been read of.
func (p *probation) doubt(key hub.Key) {
	if !slices.Contains(p.unread, key) {
		p.unread = append(p.unread, key)
	}
}

func (p *probation) tellUnread() {
	for _, key := range p.unread {
		p.Unread(key)
	}
}

// absent reports whether err is right of what is not there, and cannotTell whether it says,
// rightly, that the system cannot be asked.
func (p *probation) absent(err error) bool {
	return errors.Is(err, hub.ErrNotFound) || p.cannotTell(err)
}
func (p *probation) cannotTell(err error) bool {
	return errors.Is(err, hub.ErrCannotTell) && p.can.Level != hub.Lookup
}

func (p *probation) fresh() (hub.Delivery, bool) {
	d, err := p.Delivery(p.Key())
	if err != nil {
		p.fail("the document cannot be made: %v", err)
	}
	return d, err == nil
}

func (p *probation) deliver(d hub.Delivery) (hub.Receipt, error) {
	r, err := p.system.Destination.Deliver(p.ctx, d)
	if verdict(r, err) == hub.DontKnow {
		p.doubt(d.Key)
	}
	return r, err
}

func (p *probation) find(d hub.Delivery) (hub.Receipt, error) {
	return p.system.Destination.Find(p.ctx, d)
}

// comes tells what came of a call, for whoever has written systems.yaml, with the error's own text: a
// connector promises that it holds nothing of what is delivered or answered.
func comes(r hub.Receipt, err error) string {
	switch {
	case err == nil && r.Number == "":
		return "gives a receipt without a number"
	case err == nil:
		return "gives a receipt"
	case errors.Is(err, hub.ErrNotFound):
		return "finds nothing" + beyond(hub.ErrNotFound, err)
	case errors.Is(err, hub.ErrCannotTell):
		return "cannot tell" + beyond(hub.ErrCannotTell, err)
	}
	switch a, wait, _ := hub.AnswerOf(r, err); {
	case a == hub.No:
		return fmt.Sprintf("says no: %v", err)
	case a == hub.NotNow && wait > 0:
		return fmt.Sprintf("says not now, but in %v: %v", wait, err)
	case a == hub.NotNow:
		return fmt.Sprintf("says not now: %v", err)
	}
	return fmt.Sprintf("fails: %v", err)
}

// beyond gives what an error says more than the one that it is known by.
func beyond(known, err error) string {
	_, more, _ := strings.Cut(err.Error(), known.Error())
	return more
}

// A lossyLine lies between a connector and a system that is really there. What becomes of a
// call is for its mishap to say.
type lossyLine struct {
	mu     sync.Mutex
	calls  int // since the mishap was set
	mishap mishap
}

// A mishap makes a call, or does not; nil makes it. The calls are counted from 1.
type mishap func(number int, next http.RoundTripper, r *http.Request) (*http.Response, error)

func (l *lossyLine) set(m mishap) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mishap, l.calls = m, 0
}

func (l *lossyLine) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.calls
}

func (l *lossyLine) between(next http.RoundTripper) http.RoundTripper { return lossy{l, next} }

// lossy is one of the clients' ways through the line.
type lossy struct {
	line *lossyLine
	next http.RoundTripper
}

func (l lossy) RoundTrip(r *http.Request) (*http.Response, error) {
	l.line.mu.Lock()
	l.line.calls++
	number, m := l.line.calls, l.line.mishap
	l.line.mu.Unlock()
	if m == nil {
		return l.next.RoundTrip(r)
	}
	return m(number, l.next, r)
}

// cutFirst sends nothing.
func cutFirst(int, http.RoundTripper, *http.Request) (*http.Response, error) {
	return nil, hub.Unavailable(errNotSent, hub.Down)
}

// loses has the system answer a call, and nobody hear it; the line is cut from then on.
func loses(at int) mishap {
	return func(number int, next http.RoundTripper, r *http.Request) (*http.Response, error) {
		if number > at {
			return cutFirst(number, next, r)
		}
		resp, err := next.RoundTrip(r)
		if err != nil || number < at {
			return resp, err
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		return nil, errNoAnswer
	}
}

// sendsTwice sends each call twice, and gives the second answer.
func sendsTwice(_ int, next http.RoundTripper, r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		body, err = io.ReadAll(r.Body)
		if r.Body.Close(); err != nil {
			return nil, errNotSent
		}
	}
	first, second := r.Clone(r.Context()), r.Clone(r.Context())
	first.Body, second.Body = io.NopCloser(bytes.NewReader(body)), io.NopCloser(bytes.NewReader(body))
	resp, err := next.RoundTrip(first)
	if err != nil {
		return nil, err
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	return next.RoundTrip(second)
}

// A kept answer can be given again.
type kept struct {
	resp http.Response
	body []byte
}

func (k *kept) again(r *http.Request) *http.Response {
	resp := k.resp
	resp.Request, resp.Body = r, io.NopCloser(bytes.NewReader(k.body))
	return &resp
}

// keeps remembers what is answered.
func keeps(into *[]*kept) mishap {
	return func(_ int, next http.RoundTripper, r *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return nil, err
		}
		k := &kept{*resp, body}
		*into = append(*into, k)
		return k.again(r), nil
	}
}

// says gives what was kept, in the same order, whatever is asked.
func says(answers []*kept) mishap {
	return func(number int, _ http.RoundTripper, r *http.Request) (*http.Response, error) {
		return answers[min(number, len(answers))-1].again(r), nil
	}
}
