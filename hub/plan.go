package hub

import (
	"context"
	"errors"
	"strings"
)

// planned decides the deliveries, and renders every document that can be rendered
// now: a mistake shows before anything has been sent anywhere.
func (j *journey) planned(ctx context.Context) Event {
	j.rendered = &remembered{
		submission: j.known.Submission, answers: j.known.list(j.route), documents: map[Key]Document{},
		read: j.bundle.Revision,
	}
	var plans []Plan
	first := j.w.c.Begins(j.w.key)
	for _, leg := range j.route.Legs {
		if !leg.On.Fits(first) {
			continue
		}
		plan, err := j.plan(ctx, leg, first)
		if err != nil {
			return j.outcome(j.w, err)
		}
		plans = append(plans, plan)
	}
	return Planned{
		When: When{j.Clock()}, Key: j.w.key, Lease: j.w.lease, Revision: j.bundle.Revision,
		Voice: j.route.Voice(), Tellers: j.tellers(j.known.Submission.Source.System, j.route),
		Expect: j.route.Promised(j.known.Submission.Inkommen), Deliveries: plans,
	}
}

func (j *journey) plan(ctx context.Context, leg Leg, first bool) (Plan, error) {
	d := j.dispatchers[leg.To]
	if d == nil || d.system.Destination == nil {
		return Plan{}, stop(ReasonNoConnector, "%s is no system that is connected", leg.To)
	}
	plan := j.Hub.plan(leg)
	if err := j.mayKnow(plan.System, plan.Operation, j.known); err != nil {
		return Plan{}, err
	}
	if leg.After != "" || !first {
		return plan, nil // it may read receipts that are yet to come
	}
	key := KeyOf(j.known.Submission.ID, leg.Name)
	j.known.Key = key
	doc, err := j.make(ctx, j.w.c, leg, j.known)
	if err != nil {
		return plan, err
	}
	plan.SHA256 = doc.SHA256()
	j.rendered.documents[key] = doc
	return plan, nil
}

// plan is what a leg wants made, as its system can do it now.
func (h *Hub) plan(leg Leg) Plan {
	plan := Plan{
		Leg: leg.Name, System: leg.To, Operation: leg.Mapping.Operation(), Level: Blind,
		After: leg.After, Step: leg.Step,
	}
	if d := h.dispatchers[leg.To]; d != nil {
		can := d.system.Can.Of(plan.Operation)
		plan.Level, plan.Lag = can.Level, can.Lag
	}
	return plan
}

// unrenderable says why a document could not be rendered, in the mapping's words.
func unrenderable(err error) error {
	var m *MappingError
	if errors.As(err, &m) {
		return stop(m.Reason, "%s: %s", m.Where, m.Text)
	}
	return stop(ReasonMapping, "the document could not be rendered")
}

// delivery makes the Delivery of a row: the document from memory, or rendered
// again from what is stored, by the configuration that the row is bound to.
func (h *Hub) delivery(ctx context.Context, c Case, p Progress) (Delivery, error) {
	r, err := h.remember(ctx, p.Submission)
	if err != nil {
		return Delivery{}, err
	}
	doc, ok := r.documents[p.Key]
	if !ok || doc.SHA256() != p.SHA256 {
		if doc, err = h.render(ctx, c, p, r); err != nil {
			return Delivery{}, err
		}
	}
	d := &damage{}
	return Delivery{
		Key: p.Key, Case: c.ID, Municipality: c.Municipality, Operation: p.Operation,
		Document: doc, Files: h.files(r.submission, d), Receipts: c.Receipts(), damage: d,
	}, nil
}

func (h *Hub) render(ctx context.Context, c Case, p Progress, r *remembered) (Document, error) {
	b, err := h.revision(ctx, p.Revision)
	if err != nil {
		return Document{}, err
	}
	route := b.Route(c.Municipality, c.Source, c.Service)
	if route == nil {
		return Document{}, stop(ReasonNoRoute, "the route is gone from revision %s", b.Revision)
	}
	for _, leg := range route.Legs {
		if leg.Name == p.Leg {
			known := h.knownTo(c, p, r, b, route)
			if err := h.mayKnow(p.System, p.Operation, known); err != nil {
				return Document{}, err
			}
			return h.make(ctx, c, leg, known)
		}
	}
	return Document{}, stop(ReasonNoRoute, "the leg %s is gone from revision %s", p.Leg, b.Revision)
}

// mayKnow stops who is protected before a system that, as it is now, cannot carry the mark.
func (h *Hub) mayKnow(s SystemID, operation string, known Known) error {
	d := h.dispatchers[s]
	if known.Withhold && (d == nil || !d.system.Can.Of(operation).Protected) {
		return stop(ReasonProtected, "%s cannot carry a mark of protected identity", s)
	}
	return nil
}

// knownTo is everything that a delivery's document may be made of.
func (h *Hub) knownTo(c Case, p Progress, r *remembered, b *Bundle, route *Route) Known {
	known := Known{
		Key: p.Key, Submission: r.submission, Title: route.Title, Council: b.Municipalities[route.Municipality],
		Answers: map[string]RegisterAnswer{}, Receipts: map[string]Receipt{}, Case: route.receipts(c),
	}
	if r.read != b.Revision {
		if read := route.read(known.Submission); read.err == nil {
			known.Submission.Answers, known.Submission.Parties = read.answers, read.parties
		}
	}
	known.Submission.Attachments = present(known.Submission.Attachments)
	for _, a := range r.answers {
		known.Answers[a.As] = a
		for _, person := range a.Persons {
			known.Withhold = known.Withhold || person.Protected()
		}
	}
	for _, d := range c.Deliveries {
		if d.Submission == p.Submission && d.Receipt != nil {
			known.Receipts[d.Leg] = *d.Receipt
		}
	}
	return known
}

// receipts are what the case's legs gave first. A case that people have registered by
// hand has the number that they gave it, at the system that the citizen hears.
func (r *Route) receipts(c Case) map[string]Receipt {
	got, voice := c.FirstReceipts(), r.Voice()
	for _, leg := range r.Legs {
		if _, there := got[leg.Name]; !there && c.Ref != "" && leg.To == voice {
			got[leg.Name] = Receipt{Number: c.Ref}
		}
	}
	return got
}

// files are what goes with every delivery: the attachments in order, and then the
// platform's print of the form, or else the form as it came.
func (h *Hub) files(s Submission, d *damage) []File {
	var files []File
	printed := false
	for _, a := range present(s.Attachments) {
		printed = printed || a.Print
		files = append(files, h.file(s.ID, a, len(files)+1, d))
	}
	if !printed && s.Original.ID != "" {
		files = append(files, h.file(s.ID, s.original(), len(files)+1, d))
	}
	return files
}

// original is the form as it came, as a file of its own.
func (s Submission) original() Attachment {
	kind, _, _ := strings.Cut(s.OriginalType, ";")
	_, ending, _ := strings.Cut(kind, "/")
	if ending != "xml" && ending != "json" {
		kind, ending = "application/octet-stream", "bin"
	}
	return Attachment{Name: "formulär." + ending, Type: kind, Size: s.Original.Size, Blob: s.Original, Print: true}
}

// remember finds what is known of a submission, in memory or in the Store.
func (h *Hub) remember(ctx context.Context, id ID) (*remembered, error) {
	if r := h.recent.get(id); r != nil {
		return r, nil
	}
	s, err := h.Store.Submission(ctx, AsHub(), id)
	if err != nil {
		return nil, damaged(err)
	}
	facts, err := h.Store.Facts(ctx, AsHub(), id)
	if err != nil {
		return nil, damaged(err)
	}
	for i, b := range facts.Fetched {
		s.Attachments[i].Blob = b
	}
	return &remembered{submission: s, answers: facts.Answers}, nil
}

// damaged tells stored content that cannot be read from a Store that cannot: the
// first never mends itself.
func damaged(err error) error {
	if errors.Is(err, ErrContents) {
		return stop(ReasonCorrupt, "what is stored cannot be read: see the backup")
	}
	return err
}

// revision finds a configuration, the active one or the one that a delivery was
// planned with.
func (h *Hub) revision(ctx context.Context, revision string) (*Bundle, error) {
	if b := h.bundle.Load(); b.Revision == revision {
		return b, nil
	}
	if b, ok := h.older.Load(revision); ok {
		return b.(*Bundle), nil
	}
	archive, err := h.Store.Bundle(ctx, revision)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	b, err := h.Reopen(archive)
	if err != nil && h.isBehind(ctx) {
		return nil, errUnready // it may be of a later release, as the process is that made it
	}
	if err != nil {
		return nil, stop(ReasonMapping, "the configuration %s, which it was planned with, cannot be opened", revision)
	}
	h.older.Store(revision, b)
	return b, nil
}
