package hub

import (
	"context"
	"errors"
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
	d.sweep(ctx, d.wake, func() bool { return d.take(ctx) })
}

func (d *dispatcher) take(ctx context.Context) (more bool) {
	free := min(d.gate.free(), cap(d.gate.calls)-d.busy.size())
	if free <= 0 {
		return false
	}
	claims, err := d.Store.ClaimDeliveries(ctx, d.system.ID, d.lease(), d.Clock(), free)
	if err != nil {
		d.Log.Error("claim deliveries", "system", d.system.ID, "error", err)
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

// settle carries one claimed row to its next state.
func (d *dispatcher) settle(ctx context.Context, claim Claim) {
	p := *claim.Case.Find(claim.Key)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaseFor-fence)
	defer cancel()
	e := d.attempt(ctx, claim.Case, p)
	if e == nil {
		return
	}
	_, fx, err := d.Store.Apply(ctx, claim.Case.ID, e)
	if err != nil && !errors.Is(err, ErrLost) {
		// The row keeps its lease and its attempt: when the lease ends it is a don't know.
		d.Log.Error("settle delivery", "delivery", p.Key, "error", err)
		return
	}
	d.follow(fx)
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
	case err != nil:
		d.Log.Error("prepare delivery", "delivery", p.Key, "error", err)
		return d.answered(p, Receipt{}, Later(err, time.Minute))
	case p.State == Reconciling:
		return d.ask(ctx, p, delivery)
	}
	if !d.begun(ctx, c, p, delivery.Document.SHA256()) {
		return nil
	}
	return d.deliver(ctx, p, delivery)
}

// prepared makes the delivery; a mapping that panics stops this delivery only.
func (d *dispatcher) prepared(ctx context.Context, c Case, p Progress) (delivery Delivery, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = stop(ReasonCrashLoop, "panic while it was rendered")
		}
	}()
	return d.delivery(ctx, c, p)
}

// begun commits the attempt row: from here on, silence is a don't know.
func (d *dispatcher) begun(ctx context.Context, c Case, p Progress, sum [32]byte) bool {
	after, fx, err := d.Store.Apply(ctx, c.ID, Started{When{d.Clock()}, p.Key, p.Lease, sum})
	if err != nil {
		if !errors.Is(err, ErrLost) {
			d.Log.Error("start attempt", "delivery", p.Key, "error", err)
		}
		return false
	}
	d.follow(fx)
	return after.Find(p.Key).State == Sending // else it was held: its document is another one
}

func (d *dispatcher) deliver(ctx context.Context, p Progress, delivery Delivery) Event {
	var receipt Receipt
	err := d.gate.call(ctx, func() (err error) {
		receipt, err = d.safely(func() (Receipt, error) { return d.system.Destination.Deliver(ctx, delivery) })
		if err == nil && receipt.Number == "" {
			err = Strange(errNoReceipt)
		}
		return err
	})
	e := d.answered(p, receipt, err)
	d.Log.Info("attempt", "delivery", p.Key, "system", d.system.ID, "answer", e.Answer)
	return e
}

// errNoReceipt is an answer that says nothing: a don't know.
var errNoReceipt = errors.New("no receipt in the answer")

// ask puts the question before anything is sent again.
func (d *dispatcher) ask(ctx context.Context, p Progress, delivery Delivery) Event {
	e := Asked{When: When{d.Clock()}, Key: p.Key, Lease: p.Lease, Jitter: d.Jitter()}
	var receipt Receipt
	err := d.gate.call(ctx, func() (err error) {
		receipt, err = d.safely(func() (Receipt, error) { return d.system.Destination.Find(ctx, delivery) })
		return err
	})
	switch {
	case err == nil && receipt.Number != "":
		e.Finding, e.Receipt = Found, receipt
	case errors.Is(err, ErrNotFound):
		e.Finding = NotThere
	case errors.Is(err, ErrCannotTell):
		e.Finding, e.Note = CannotTell, "the system cannot tell"
	default:
		e.Finding, e.Note = Broken, "the system does not answer the question"
	}
	e.At = d.Clock()
	d.Log.Info("asked", "delivery", p.Key, "system", d.system.ID, "finding", e.Finding)
	return e
}

// tell has the platform told of a Status.
func (d *dispatcher) tell(ctx context.Context, c Case, p Progress) Event {
	if d.system.Teller == nil {
		return d.stopped(p, &stopped{ReasonNoConnector, "the platform can no longer be told"})
	}
	r, err := d.remember(ctx, p.Submission)
	if err != nil {
		return d.answered(p, Receipt{}, Later(err, time.Minute))
	}
	if !d.begun(ctx, c, p, [32]byte{}) {
		return nil
	}
	err = d.gate.call(ctx, func() error {
		_, err := d.safely(func() (Receipt, error) {
			return Receipt{}, d.system.Teller.Tell(ctx, r.submission.Source, c.status(p), c.receiptsFor(c.Voice))
		})
		return err
	})
	return d.answered(p, Receipt{Number: string(p.Step), At: d.Clock()}, err)
}

// safely runs a connector; one that panics has given no answer.
func (d *dispatcher) safely(f func() (Receipt, error)) (r Receipt, err error) {
	defer func() {
		if p := recover(); p != nil {
			d.Log.Error("connector panicked", "system", d.system.ID)
			err = errors.New("the connector panicked")
		}
	}()
	return f()
}

func (d *dispatcher) answered(p Progress, r Receipt, err error) Answered {
	a, wait, cause := AnswerOf(r, err)
	e := Answered{
		When: When{d.Clock()}, Key: p.Key, Lease: p.Lease, Answer: a, Wait: wait, Cause: cause,
		Jitter: d.Jitter(),
	}
	if errors.Is(err, errClosed) {
		e.Cause = Down
	}
	if a == Yes {
		e.Receipt = r
	} else if err != nil {
		e.Note = noteOf(err)
	}
	return e
}

// noteOf gives what people may read of an error: connectors promise that their
// texts hold no value, and the certificate checks it.
func noteOf(err error) string {
	text := err.Error()
	return text[:min(len(text), 200)]
}

func (d *dispatcher) stopped(p Progress, s *stopped) Event {
	d.Log.Warn("held", "delivery", p.Key, "system", d.system.ID, "reason", s.reason)
	return Stopped{When{d.Clock()}, p.Key, p.Lease, s.reason, s.note}
}

// status is the line that a telling tells.
func (c *Case) status(p Progress) Status {
	return Status{
		Case: c.ID, Submission: p.Submission, Step: p.Step, At: p.Since, Ref: c.Ref,
		Ball: BallAt(p.Step), Owner: c.Municipality,
	}
}

// receiptsFor gives what one system has given receipts for, earliest first.
func (c *Case) receiptsFor(s SystemID) []Receipt {
	var rs []Receipt
	for _, d := range c.Deliveries {
		if d.Kind == DocumentKind && d.System == s && d.Receipt != nil {
			rs = append(rs, *d.Receipt)
		}
	}
	return rs
}
