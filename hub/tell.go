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
	t := Telling{Key: p.Key, Ref: r.submission.Source, Status: c.told(p), Receipts: c.receiptsFor(c.Voice)}
	if !d.system.Notifies {
		return t, nil // whom a case is about is nobody else's to know
	}
	all, err := d.everybodyIn(ctx, c, "")
	route := d.bundle.Load().Route(c.Municipality, c.Source, c.Service)
	t.To = all.contacts(route, d.system.Can.Of("").Protected)
	return t, err
}

// told is what a telling tells: the same each time. A row of a release that did not keep it
// tells how the case stands now.
func (c *Case) told(p Progress) Status {
	if p.Told != nil {
		return *p.Told
	}
	return Status{
		Case: c.ID, Submission: p.Submission, Step: p.Step, At: p.Since, Ref: c.Ref, Ball: BallAt(p.Step), Owner: c.Municipality,
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
