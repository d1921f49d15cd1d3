package hub

import (
	"context"
	"errors"
	"maps"
	"slices"
)

// Who mends a mapping tries the draft on forms that have come in, before anybody activates
// it: the same stored answers of people and registers, the same receipts, and nothing sent.
// She reads a whole document so, so that she did, and why, is in the case's log first.

// A Draft is what somebody wants to try a mapping that the hub does not have with.
type Draft struct {
	Submission ID
	File       string // the mapping's, by which the route's leg is found
	Leg        string // the leg, where several use the mapping; "" for the one that does
	Operation  string // that the draft is for
	By, Reason string // who wants to see it, and why
}

// A Rehearsal is what a draft's document is made of, and what was made of it before.
type Rehearsal struct {
	Case   CaseID
	Key    Key // of the delivery whose document it is, or would be
	Leg    string
	System SystemID
	State  State // of that delivery; "" where there is none yet
	Form   Form  // the schema of the answers; nil for none
	Known  Known
	Sent   Document // as the delivery has it; the zero Document where none has been made
}

// Rehearse gathers what a draft is tried with, as far as v may see it, after it is written
// down who looks. It gives ErrNotFound for a form that v may not see, and ErrConflict, with
// a text for who tried, where no such document could be made: for want of a leg, before
// registers have answered, and of a protected person where the route or the system forbids it.
func (h *Hub) Rehearse(ctx context.Context, v Viewer, d Draft) (Rehearsal, error) {
	c, err := h.Store.CaseOf(ctx, v, d.Submission)
	if err != nil {
		return Rehearsal{}, err
	}
	b := h.bundle.Load()
	route := b.Route(c.Municipality, c.Source, c.Service)
	leg, err := route.legOf(d, c.Begins(Key(d.Submission)))
	if err != nil {
		return Rehearsal{}, err
	}
	r, err := h.remember(ctx, d.Submission)
	if errors.As(err, new(*stopped)) {
		return Rehearsal{}, conflict("what is stored cannot be read")
	} else if err != nil {
		return Rehearsal{}, err
	}
	p := c.rowOf(d.Submission, leg)
	known, err := h.rehearsed(c, p, r, b, route, leg, d.Operation)
	if err != nil {
		return Rehearsal{}, err
	}
	looked := Looked{When: When{h.Clock()}, By: d.By, Reason: d.Reason, Leg: leg.Name}
	if _, _, err := h.Store.Apply(ctx, c.ID, looked); err != nil {
		return Rehearsal{}, err
	}
	h.Log.Info("looked at", "case", c.ID, "by", d.By, "document", leg.Name)
	return Rehearsal{
		Case: c.ID, Key: p.Key, Leg: leg.Name, System: leg.To, State: p.State, Known: known,
		Form: route.formOf(r.submission), Sent: h.made(ctx, c, p, r),
	}, nil
}

// legOf finds the leg that a draft is for: by its name, or else by the mapping that it
// takes the place of.
func (r *Route) legOf(d Draft, first bool) (Leg, error) {
	if r == nil {
		return Leg{}, conflict("no route takes such forms now")
	}
	legs := slices.DeleteFunc(slices.Clone(r.Legs), func(l Leg) bool {
		of, named := l.Mapping.(interface{ Path() string })
		return d.Leg != "" && l.Name != d.Leg || d.Leg == "" && (!named || of.Path() != d.File || !l.On.Fits(first))
	})
	switch len(legs) {
	case 0:
		return Leg{}, conflict("no leg of the present route is for that form and mapping")
	case 1:
		return legs[0], nil
	}
	return Leg{}, conflict("several legs use that mapping")
}

// rowOf gives a leg's delivery of a form: the one that stands, or one as it would begin.
func (c *Case) rowOf(id ID, leg Leg) Progress {
	for _, p := range slices.Backward(c.Deliveries) {
		if p.Kind == DocumentKind && p.Submission == id && p.Leg == leg.Name && p.State != Cancelled {
			return p
		}
	}
	return Progress{Key: KeyOf(id, leg.Name), Kind: DocumentKind, Submission: id, Leg: leg.Name, System: leg.To}
}

// rehearsed is what the document may be made of, behind the same walls as one that is sent.
func (h *Hub) rehearsed(c Case, p Progress, r *remembered, b *Bundle, route *Route, leg Leg, operation string) (Known, error) {
	if r.read != b.Revision && route.read(r.submission).err != nil {
		return Known{}, conflict("the form does not fit the present route")
	}
	known := h.knownTo(c, p, r, b, route)
	for _, e := range route.Enrich {
		if _, asked := known.Answers[e.As]; !asked {
			return known, conflict("its registers have not answered")
		}
	}
	if known.Withhold && (route.Protected != Withhold || h.mayKnow(p.System, operation, known) != nil) {
		return known, conflict("a protected person is in it")
	}
	before := route.before(leg)
	maps.DeleteFunc(known.Receipts, func(leg string, _ Receipt) bool { return !slices.Contains(before, leg) })
	if c.firstOf(leg.Name) == p.Key {
		delete(known.Case, leg.Name) // it is what came of this document
	}
	return known, nil
}

// firstOf gives the delivery whose receipt is the case's first of a leg; "" for none.
func (c *Case) firstOf(leg string) Key {
	for _, d := range c.Deliveries {
		if d.Kind == DocumentKind && d.Leg == leg && d.Receipt != nil {
			return d.Key
		}
	}
	return ""
}

// before names the legs whose receipts are there when a leg's document is made.
func (r *Route) before(leg Leg) (names []string) {
	for leg.After != "" && !slices.Contains(names, leg.After) {
		names = append(names, leg.After)
		for _, l := range r.Legs {
			if l.Name == names[len(names)-1] {
				leg = l
			}
		}
	}
	return names
}

// made gives the document that a delivery has; none where it has not been made, or cannot
// be made the same again.
func (h *Hub) made(ctx context.Context, c Case, p Progress, r *remembered) Document {
	if p.SHA256 == [32]byte{} {
		return Document{}
	}
	doc, there := r.documents[p.Key]
	if !there {
		doc, _ = h.render(ctx, c, p, r)
	}
	if doc.SHA256() != p.SHA256 {
		return Document{}
	}
	return doc
}

func (r *Route) formOf(s Submission) Form {
	if r.Form == nil {
		return nil
	}
	return r.Form(s.FormVersion)
}
