package hub

import (
	"context"
	"errors"
	"strings"
	"time"
)

// A dispatcher takes deliveries to one system. Each system has its own, so that a
// slow one never slows another.
type dispatcher struct {
	*Hub
	system Opened
	gate   *gate
	wake   chan struct{}
	busy   crew
}

// run claims what is due, never more than the system bears, until ctx is done;
// then it waits for what is under way.
func (d *dispatcher) run(ctx context.Context) {
	defer d.busy.wait()
	d.sweep(ctx, d.wake, d.take)
}

func (d *dispatcher) take(ctx context.Context) (more bool) {
	busy := d.busy.size()
	free := d.gate.free(busy)
	if free == 0 || busy > 1 && 2*free < d.gate.room() {
		return false // a claim is a transaction: it is made for several
	}
	claims, err := d.Store.ClaimDeliveries(ctx, d.system.ID, d.lease(), d.Clock(), free)
	if err != nil {
		d.failed("claim deliveries", err, "system", d.system.ID)
		return false
	}
	for _, claim := range claims {
		d.busy.start(func() {
			d.settle(ctx, claim)
			poke(d.wake)
		})
	}
	return len(claims) == free
}

// settle carries one claimed row to its next state. The work ends before the lease
// does; what came of it is committed all the same.
func (d *dispatcher) settle(ctx context.Context, claim Claim) {
	p := *claim.Case.Find(claim.Key)
	ctx, done := d.stage(context.WithoutCancel(ctx), stageOf(claim.Case, p))
	work, cancel := context.WithTimeout(ctx, leaseFor-fence)
	e := d.attempt(work, claim.Case, p)
	cancel()
	if e != nil {
		d.commit(ctx, claim.Case.ID, p, e)
	}
	done(outcomeOf(e))
}

// commit writes what an attempt came to. Where that cannot be done it is a don't know, as
// after a death.
func (d *dispatcher) commit(ctx context.Context, id CaseID, p Progress, e Event) {
	var after Case
	var fx Effects
	written := d.insist(p, func() (err error) {
		after, fx, err = d.Store.Apply(ctx, id, e)
		return err
	})
	if written {
		d.follow(fx)
		d.letGo(after, p)
	}
}

// letGo forgets a form that has come to rest: delivered everywhere, or for a while.
func (d *dispatcher) letGo(c Case, p Progress) {
	form, now := c.Find(Key(p.Submission)), c.Find(p.Key)
	if form == nil || form.Ended() || now.State == Held || now.State == RetryWait {
		d.recent.forget(p.Submission)
	}
}

// attempt does what the row's state asks for and gives the event that it came to;
// nil when somebody else has moved the row on.
func (d *dispatcher) attempt(ctx context.Context, c Case, p Progress) Event {
	switch {
	case p.Kind == TellingKind:
		return d.tell(ctx, c, p)
	case d.system.Destination == nil:
		return d.stopped(p, &stopped{ReasonNoConnector, "nothing is connected under this name"})
	}
	delivery, err := d.prepared(ctx, c, p)
	var stop *stopped
	switch {
	case errors.As(err, &stop):
		return d.stopped(p, stop)
	case err != nil && p.State == Reconciling:
		return Asked{When: When{d.Clock()}, Key: p.Key, Lease: p.Lease, Finding: Broken, Note: "the question could not be put", Jitter: d.Jitter()}
	case err != nil:
		return d.unready(p, err)
	case p.State == Reconciling:
		return d.ask(ctx, p, delivery)
	}
	return d.deliver(ctx, c, p, delivery)
}

// unready puts a row back that the Store could not be read, or written, for.
func (d *dispatcher) unready(p Progress, err error) Event {
	d.failed("prepare delivery", err, "delivery", p.Key)
	return d.answered(p, Receipt{}, Later(errUnready, time.Minute))
}

// errUnready says that nothing was sent, because of ourselves.
var errUnready = errors.New("could not be prepared")

// prepared makes the delivery; a mapping that panics stops this delivery only.
func (d *dispatcher) prepared(ctx context.Context, c Case, p Progress) (delivery Delivery, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = stop(ReasonCrashLoop, "panic while it was rendered")
		}
	}()
	err = d.cautiously(ctx, c.ID, p, func() (err error) {
		delivery, err = d.delivery(ctx, c, p)
		return err
	})
	if err == nil {
		delivery.InDoubt, err = d.inDoubt(ctx, p)
	}
	return delivery, err
}

// deliver hands the delivery over. The attempt row is committed when the system is
// about to be called, and not while there is a queue before it.
func (d *dispatcher) deliver(ctx context.Context, c Case, p Progress, delivery Delivery) Event {
	if d.announces(p) {
		ctx = d.announced(ctx, c, p)
	}
	return d.try(ctx, c, p, delivery.Document.SHA256(), func() (Receipt, error) {
		r, err := d.system.Destination.Deliver(ctx, delivery)
		if err == nil && r.Number == "" {
			err = Strange(errNoReceipt)
		}
		return r, delivery.damage.explain(err)
	})
}

// errNoReceipt is an answer that says nothing: a don't know.
var errNoReceipt = errors.New("no receipt in the answer")

// try makes one attempt: the row first, then the call.
func (d *dispatcher) try(ctx context.Context, c Case, p Progress, sum [32]byte, call func() (Receipt, error)) Event {
	var receipt Receipt
	var failed error // of the attempt row
	err := d.gate.call(ctx, func() (err error) {
		var begun bool
		if begun, failed = d.begin(ctx, c, p, sum); !begun {
			return errNotCalled
		}
		receipt, err = call()
		return err
	})
	switch {
	case failed != nil:
		return d.unready(p, failed)
	case errors.Is(err, errNotCalled):
		return nil
	}
	e := d.answered(p, receipt, err)
	d.Log.Info("attempt", "delivery", p.Key, "system", d.system.ID, "answer", e.Answer)
	return e
}

// begin commits the attempt row: from here on, silence is a don't know. It is not
// begun when somebody else has moved the row on, or its document is another one.
func (d *dispatcher) begin(ctx context.Context, c Case, p Progress, sum [32]byte) (begun bool, err error) {
	started := Started{
		When: When{d.Clock()}, Key: p.Key, Lease: p.Lease, SHA256: sum, Announced: d.announces(p),
	}
	after, fx, err := d.Store.Apply(ctx, c.ID, started)
	switch {
	case errors.Is(err, ErrLost):
		return false, nil
	case err != nil:
		return false, err
	}
	d.follow(fx)
	return after.Find(p.Key).State == Sending, nil
}

// ask puts the question before anything is sent again.
func (d *dispatcher) ask(ctx context.Context, p Progress, delivery Delivery) Event {
	e := Asked{When: When{d.Clock()}, Key: p.Key, Lease: p.Lease, Jitter: d.Jitter()}
	var receipt Receipt
	asked, err := d.gate.visit(ctx, func() (err error) {
		receipt, err = d.system.Destination.Find(ctx, delivery)
		return err
	})
	if asked && err != nil && !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrCannotTell) {
		d.gate.learnFrom(err) // that it can be asked does not mean that it takes deliveries
	}
	switch {
	case err == nil && receipt.Number != "":
		e.Finding, e.Receipt = Found, receipt
	case errors.Is(err, ErrNotFound):
		e.Finding = NotThere
	case errors.Is(err, ErrCannotTell):
		e.Finding, e.Note = CannotTell, "the system cannot tell"
	default:
		e.Finding, e.Note = Broken, "the system does not answer the question"
		if !asked || d.gate.open().Cause != "" {
			e.Finding, e.Note = OutOfOrder, "the system is out of order"
		}
	}
	e.At = d.Clock()
	d.Log.Info("asked", "delivery", p.Key, "system", d.system.ID, "finding", e.Finding)
	return e
}

func (d *dispatcher) answered(p Progress, r Receipt, err error) Answered {
	a, wait, cause := AnswerOf(r, err)
	e := Answered{
		When: When{d.Clock()}, Key: p.Key, Lease: p.Lease, Answer: a, Wait: wait, Cause: cause,
		Jitter: d.Jitter(),
	}
	if errors.Is(err, errClosed) || errors.Is(err, errFull) || errors.Is(err, errUnready) {
		e.Cause = Busy // no fault of the document
	}
	if a == DontKnow || a == NotNow && cause == "" {
		e.Cause = d.gate.open().Cause // nor is what a system does while it is out of order
	}
	if a == Yes {
		e.Receipt = r
	} else if err != nil {
		e.Note, e.Partly = noteOf(err), r.Number != ""
	}
	var stop *stopped
	if errors.As(err, &stop) && (a != DontKnow || p.Level != Blind) {
		e.Reason, e.Note = stop.reason, stop.note
	}
	return e
}

// noteOf gives what people may read of an error: connectors promise that their
// texts hold no value, and the certificate checks it.
func noteOf(err error) string {
	text := err.Error()
	return strings.ToValidUTF8(text[:min(len(text), 200)], "")
}

func (d *dispatcher) stopped(p Progress, s *stopped) Event {
	d.Log.Warn("held", "delivery", p.Key, "system", d.system.ID, "reason", s.reason)
	return Stopped{When{d.Clock()}, p.Key, p.Lease, s.reason, s.note}
}
