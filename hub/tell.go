package hub

import "context"

// tell has somebody told of a Status.
func (d *dispatcher) tell(ctx context.Context, c Case, p Progress) Event {
	if d.system.Teller == nil {
		return d.stopped(p, &stopped{ReasonNoConnector, "nobody can be told under this name any more"})
	}
	t, err := d.telling(ctx, c, p)
	if err != nil {
		return d.unready(p, err)
	}
	return d.try(ctx, c, p, [32]byte{}, func() (Receipt, error) {
		return Receipt{Number: string(p.Step), At: d.Clock()}, d.system.Teller.Tell(ctx, t)
	})
}

// telling is what a row tells, to whom.
func (d *dispatcher) telling(ctx context.Context, c Case, p Progress) (Telling, error) {
	r, err := d.remember(ctx, p.Submission)
	if err != nil {
		return Telling{}, err
	}
	status, err := d.status(ctx, c, p)
	if err != nil {
		return Telling{}, err
	}
	t := Telling{Key: p.Key, Ref: r.submission.Source, Status: status, Receipts: c.receiptsFor(c.Voice)}
	if p.System == c.Source {
		return t, nil // the platform tells its own citizens
	}
	facts, err := d.Store.Facts(ctx, AsHub(), p.Submission)
	if err != nil {
		return Telling{}, err
	}
	route := d.bundle.Load().Route(c.Municipality, c.Source, c.Service)
	t.To = contacts(route, r.submission.Parties, facts.Answers, d.system.Can.Of("").Protected)
	return t, nil
}

// status is the line of the feed that a telling tells.
func (d *dispatcher) status(ctx context.Context, c Case, p Progress) (Status, error) {
	lines, err := d.Store.Statuses(ctx, AsHub(), c.ID, 0, 1000)
	s := Status{
		Case: c.ID, Submission: p.Submission, Step: p.Step, At: p.Since, Ref: c.Ref,
		Ball: BallAt(p.Step), Owner: c.Municipality,
	}
	for _, l := range lines {
		if l.Step == p.Step {
			s.At, s.Expect = l.At, l.Expect
		}
	}
	return s, err
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
