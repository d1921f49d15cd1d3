package hub

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"sync"
	"time"
)

// A Collector fetches forms itself, where a platform leaves them for somebody to take: a
// topic, a queue. Its system's Source reads them.
type Collector interface {
	// Collect hands over what lies there, in the order in which it lies, until ctx is done or
	// it must begin anew; its error says why it could not go on. It calls reading, which costs
	// nothing, when it has come to all that is its own to read. What take has returned nil for
	// is on disk, and may be let go of there; not before. Where take gives an error it is ctx
	// that has ended.
	Collect(ctx context.Context, reading func(), take func(context.Context, Collected) error) error
}

// Collected is what a Collector has found: a form, as far as it knows.
type Collected struct {
	Place  string // what it is called there: the same whenever it is handed over
	Type   string // media type
	Body   []byte
	Broken *Malformed   // why it cannot be read, when its Collector knows already
	Keeper Municipality // whose people see it when it is no form; "" for those of the folder that the system stands in
}

// Unread is the e-service of what was found and is no form that can be received. It has no
// route, and is held: what cannot be read is lost no more than what can.
const Unread = "oläst"

// collect takes what a system's Collector finds for as long as the hub runs.
func (h *Hub) collect(ctx context.Context, s Opened) {
	for ctx.Err() == nil {
		err := h.collectOnce(ctx, s)
		switch {
		case ctx.Err() != nil:
		case err == nil:
			h.collectsFrom(s.ID)
		case h.gates[s.ID].notCollected(err):
			h.Log.Warn("forms cannot be collected", "system", s.ID, "cause", noteOf(err))
		}
		pauseFor(ctx, collectAgain)
	}
}

// collectOnce collects until that must begin anew. When it has read for a while, forms are
// collected: what breaks as soon as something is read has not worked.
func (h *Hub) collectOnce(ctx context.Context, s Opened) error {
	ctx, end := context.WithCancel(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer end()
	reading := sync.OnceFunc(func() {
		watching.Go(func() {
			if pauseFor(ctx, collectedFor); ctx.Err() == nil {
				h.collectsFrom(s.ID)
			}
		})
	})
	return s.Collector.Collect(ctx, reading, func(ctx context.Context, f Collected) error { return h.takeCollected(ctx, s, f) })
}

func (h *Hub) collectsFrom(id SystemID) {
	if h.gates[id].collected() {
		h.Log.Info("forms are collected again", "system", id)
	}
}

// Uncollected tells of the systems that forms cannot be collected from, in their order, and why
// not: what lies there stays there.
func (h *Hub) Uncollected() []Circuit {
	var all []Circuit
	for _, s := range h.Systems {
		if c := h.gates[s.ID].collecting(); c.Cause != "" {
			all = append(all, c)
		}
	}
	return all
}

// notCollected notes why forms cannot be collected, and reports whether that is news.
func (g *gate) notCollected(err error) (news bool) {
	_, _, cause := AnswerOf(Receipt{Number: "asked"}, err)
	g.mu.Lock()
	defer g.mu.Unlock()
	before := g.uncollected
	g.uncollected = Circuit{g.circuit.System, cmp.Or(cause, Down), before.Since, noteOf(err)}
	if before.Cause == "" {
		g.uncollected.Since = g.clock()
	}
	return before.Cause != g.uncollected.Cause
}

// collected notes that forms are collected, and reports whether they could not be until now.
func (g *gate) collected() (news bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	news = g.uncollected.Cause != ""
	g.uncollected = Circuit{}
	return news
}

// collecting tells why forms are not collected; its Cause is "" while they are, and while nobody
// expects it, since the system rests.
func (g *gate) collecting() Circuit {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.rests(g.clock()) {
		return Circuit{}
	}
	return g.uncollected
}

// Waits of who collects: before it begins anew; before it is taken to have come through, longer
// than a Collector tries what fails; and before it tries again to receive.
const (
	collectAgain = 5 * time.Second
	collectedFor = 20 * time.Second
	receiveFirst = 250 * time.Millisecond
	receiveMost  = 30 * time.Second
)

// pauseFor waits, or until ctx is done.
func pauseFor(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// takeCollected has the Store receive what was found: as the form that it is, or else held, for
// people to see. It comes back when that is on disk, or when ctx is done. While nothing can be
// received, or the system is paused, what was found waits where it lies.
func (h *Hub) takeCollected(ctx context.Context, s Opened, f Collected) error {
	for wait := receiveFirst; ; wait = min(2*wait, receiveMost) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		err := h.tryCollected(ctx, s, f)
		if err == nil {
			return nil
		}
		if !errors.Is(err, errClosed) {
			h.failed("receive what was collected", err, "system", s.ID)
		}
		pauseFor(ctx, wait)
	}
}

func (h *Hub) tryCollected(ctx context.Context, s Opened, f Collected) error {
	if h.gates[s.ID].closedFor() > 0 {
		return errClosed
	}
	if h.Store.Durability(ctx) == "degraded" {
		return ErrStorage
	}
	broken := f.Broken
	if broken == nil {
		err := h.receiveCollected(ctx, s, func(into Intake) (Submission, error) { return h.readCollected(ctx, s, f, into) })
		switch {
		case errors.Is(err, ErrKeyReused):
			broken = &Malformed{"id-reused", "another form has come under the same id before"}
		case errors.Is(err, ErrTooLarge):
			broken = &Malformed{"too-large", "it is larger than a form, or a file in it, may be"}
		case !errors.As(err, &broken):
			return err
		}
	}
	h.Log.Warn("what was collected is no form, and is held", "system", s.ID, "kind", broken.Kind)
	err := h.hold(ctx, s, f, broken, f.Body)
	if errors.Is(err, ErrTooLarge) {
		err = h.hold(ctx, s, f, broken, nil) // its bytes lie where they lay, for as long as they do
	}
	if errors.Is(err, ErrKeyReused) {
		return nil // the same is held already, and was said to be wrong in other words
	}
	return err
}

// receiveCollected makes durable what read makes of what was found.
func (h *Hub) receiveCollected(ctx context.Context, s Opened, read func(Intake) (Submission, error)) error {
	intake, err := h.Store.Intake(ctx)
	if err != nil {
		return err
	}
	defer intake.Close()
	form, err := read(intake)
	if err != nil {
		return err
	}
	_, err = h.Receive(ctx, Arrival{Submission: form, Client: string(s.ID), Intake: intake})
	return err
}

// readCollected has the system's Source read it, by the rules that hold for what is posted: the
// envelope strictly, the content not at all. A Source that panics is no reason to stop.
func (h *Hub) readCollected(ctx context.Context, s Opened, f Collected, into Intake) (form Submission, err error) {
	defer func() {
		if recover() != nil {
			err = &Malformed{"panic", "the connector panicked while it was read"}
		}
	}()
	original, err := into.Put(ctx, bytes.NewReader(f.Body))
	if err != nil {
		return form, err
	}
	form, err = s.Source.Read(ctx, Incoming{Type: f.Type, Body: bytes.NewReader(f.Body), Place: f.Place}, into)
	if err != nil {
		return form, err
	}
	form.Source.System, form.Original, form.OriginalType = s.ID, original, f.Type
	own := h.Bundle().owner(s.ID)
	switch {
	case own != "" && form.Municipality != "" && form.Municipality != own:
		return form, &Malformed{"municipality-mismatch", "what stands in one municipality's folder posts for no other"}
	case own != "":
		form.Municipality = own
	case form.Municipality == "":
		return form, &Malformed{"municipality-missing", "the form does not say whose it is"}
	}
	return form, nil
}

// hold receives what is no form as something that a person can see: where it lay, what is wrong
// with it, and its bytes. It is known by where it lay and by its bytes together: something else
// may have lain there, when a topic has been made anew.
func (h *Hub) hold(ctx context.Context, s Opened, f Collected, why *Malformed, body []byte) error {
	sum := sha256.Sum256(f.Body)
	known := f.Place + "#" + hex.EncodeToString(sum[:8])
	return h.receiveCollected(ctx, s, func(into Intake) (Submission, error) {
		original, err := into.Put(ctx, bytes.NewReader(body))
		return Submission{
			Municipality: cmp.Or(h.Bundle().owner(s.ID), f.Keeper), Service: Unread, Source: Ref{System: s.ID, ID: known},
			Answers:  NewAnswers(map[string]any{"place": f.Place, "kind": why.Kind, "detail": why.Detail}),
			Original: original, OriginalType: f.Type,
		}, err
	})
}

// whyUnread tells people what is wrong with what is no form.
func whyUnread(s Submission) error {
	said, _ := s.Answers.Reveal().(map[string]any)
	return stop(ReasonUnreadable, "it is no form that can be received: %v: %v (%v)", said["kind"], said["detail"], said["place"])
}

// owner gives the municipality whose folder a system stands in; "" for a shared one.
func (b *Bundle) owner(id SystemID) Municipality {
	folder, _, _ := strings.Cut(string(id), ".")
	for code, text := range b.Municipalities {
		if text.Folder == folder {
			return code
		}
	}
	return ""
}
