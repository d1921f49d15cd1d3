// Package declared is a business system that stands in systems.yaml and in no Go: what its operations
// are, where the receipt stands in an answer and what an answer means, how it is asked whether it has a
// Key, how files follow, and how it tells what happens to its cases.
//
// The connectors rest and soap are made of it. What they add is how a call is written and how what comes
// back is read: a Making hands over a document, a Question asks, and both give the answer as a Node, into
// which systems.yaml has its paths.
//
// A delivery is the document, and then the files one by one. Where the system can be asked, Deliver looks
// before it makes anything and goes on from what is there. In errors and addresses there is nothing of
// what is delivered or answered: of an answer, its status and a fingerprint.
package declared

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A Destination takes deliveries by what systems.yaml says about its operations, by name.
type Destination struct {
	Env        hub.Env
	Operations map[string]Operation
}

// An Operation is what systems.yaml says about one, read.
type Operation struct {
	Name      string
	Level     hub.Level
	Lag       time.Duration
	Protected bool
	KeyHeader string  // the header that carries the Key; "" for none
	Key       Pointer // where the mapping has written the Key in the document; nil for nowhere
	Receipt   ReceiptPlace
	Make      Making
	Find      *Find  // nil when it cannot be asked
	Files     *Files // nil when the document goes alone
}

// A Making hands over the document of a delivery and gives what was answered. Its errors are the hub's
// answers.
type Making func(ctx context.Context, d hub.Delivery) (Node, error)

// A Question asks what changes nothing. It gives hub.ErrNotFound where the system says that there is no
// such thing, and any other error when it could not be asked.
type Question func(ctx context.Context, client *http.Client, v Values) (Node, error)

// System is a system that takes deliveries where it has operations, and tells where it has changes or status;
// those are nil where it has not.
func System(taking *Destination, changes *Changes, status *Status) hub.System {
	s := hub.System{Can: taking.Capabilities()}
	if len(taking.Operations) > 0 {
		s.Destination, s.Checker = taking, taking
	}
	if changes != nil {
		s.Tracker = changes
	}
	if status != nil {
		s.Poller = status
	}
	return s
}

// Capabilities tell what the operations can be trusted with. It is what somebody has written about them: a
// level above blind holds only where a certificate says so too.
func (s *Destination) Capabilities() hub.Capabilities {
	can := hub.Capabilities{}
	for name, o := range s.Operations {
		can[name] = hub.Capability{
			Level: o.Level, Claimed: true, Lag: o.Lag, Protected: o.Protected, Announces: true,
		}
	}
	return can
}

// Deliver hands d over, or what an earlier attempt left of it. Until this attempt has made something, a
// look that fails is a *not now*. From then on what fails is a *don't know*, also where the system says
// *not now*: what was made may not be visible yet, and a new attempt must see it. At a blind operation
// so is a *no* to a file: the document is there, and the next attempt would make another.
func (s *Destination) Deliver(ctx context.Context, d hub.Delivery) (hub.Receipt, error) {
	o, err := s.operationOf(d)
	if err != nil {
		return hub.Receipt{}, hub.Reject(err)
	}
	receipt, made, err := s.documentOf(ctx, o, d)
	if err != nil {
		return hub.Receipt{}, fmt.Errorf("%s: %w", o.Name, err)
	}
	there, err := s.handFiles(ctx, o, d, receipt, made && o.Level != hub.Idempotent)
	receipt.Parts = there.parts()
	if err == nil {
		return receipt, nil
	}
	err = fmt.Errorf("%s: %s: %w", o.Name, there, err)
	a, _, _ := hub.AnswerOf(receipt, err)
	if a == hub.NotNow && (made || there.made) || a == hub.No && o.Level == hub.Blind {
		err = hub.Unsure(err)
	}
	return receipt, err
}

// documentOf gives the receipt of the document, and whether this attempt has made it.
func (s *Destination) documentOf(ctx context.Context, o *Operation, d hub.Delivery) (r hub.Receipt, made bool, err error) {
	if o.Level == hub.Lookup {
		r, err = s.look(ctx, s.Env.HTTP, o, d)
		switch {
		case err == nil:
			return r, false, nil
		case !errors.Is(err, hub.ErrNotFound):
			return r, false, fmt.Errorf("find: %w", onlyAsked(err))
		}
	}
	answer, err := o.Make(ctx, d)
	if err != nil {
		return hub.Receipt{}, false, err
	}
	r, err = o.Receipt.read(answer, d.Key, s.Env.Clock())
	return r, true, err
}

// Find looks for what an earlier attempt made. A document without all of its files is hub.ErrNotFound:
// Deliver goes on from there. Two cases under one Key are hub.ErrCannotTell, as is any operation that
// cannot be asked.
func (s *Destination) Find(ctx context.Context, d hub.Delivery) (hub.Receipt, error) {
	o, err := s.operationOf(d)
	switch {
	case err != nil:
		return hub.Receipt{}, err
	case o.Find == nil || o.Files != nil && o.Files.Find == nil:
		return hub.Receipt{}, hub.ErrCannotTell
	}
	receipt, err := s.look(ctx, s.Env.Reads, o, d)
	if err != nil || o.Files == nil {
		return receipt, err
	}
	there, err := s.lookForFiles(ctx, s.Env.Reads, o, d, receipt)
	switch {
	case err != nil:
		return hub.Receipt{}, fmt.Errorf("files: %w", err)
	case !there.whole():
		return hub.Receipt{}, hub.ErrNotFound
	}
	receipt.Parts = there.parts()
	return receipt, nil
}

// operationOf gives what d is to have done, when d is fit for it.
func (s *Destination) operationOf(d hub.Delivery) (*Operation, error) {
	o, known := s.Operations[d.Operation]
	if !known {
		return nil, errors.New("the system has no such operation in systems.yaml")
	}
	if breaches := s.Check(d); len(breaches) > 0 {
		return nil, fmt.Errorf("%s: %s", o.Name, breaches[0].Text)
	}
	return &o, nil
}

// Check tells whether a document carries the Key, where the system is to get it by that: else
// nobody could ask about it.
func (s *Destination) Check(d hub.Delivery) []hub.Breach {
	key := s.Operations[d.Operation].Key
	if key == nil {
		return nil
	}
	tree, err := ReadNode(d.Document.Reveal(), isXML(d.Document), MaxList)
	if err == nil && key.text(tree) == string(d.Key) {
		return nil
	}
	return []hub.Breach{{
		Path: key.String(), Text: "key.document says that the delivery's Key stands at " + key.String() + ": write ${delivery.key} there",
	}}
}

func isXML(d hub.Document) bool { return strings.Contains(d.Type, "xml") }

// A Find is how a system is asked about a Key.
type Find struct {
	Ask     Question
	List    Pointer // nil when the answer is the case itself
	Receipt ReceiptPlace
	Among   bool // others' cases may stand in the list
}

// look asks for the receipt of d's Key.
func (s *Destination) look(ctx context.Context, client *http.Client, o *Operation, d hub.Delivery) (hub.Receipt, error) {
	tree, err := o.Find.Ask(ctx, client, ValuesOf(d))
	if err != nil {
		return hub.Receipt{}, err
	}
	if o.Find.List == nil {
		return o.Find.Receipt.read(tree, d.Key, s.Env.Clock())
	}
	hits, isList := o.Find.List.list(tree)
	if !isList {
		return hub.Receipt{}, noList(o.Find.List)
	}
	return o.Find.only(hits, d.Key, s.Env.Clock())
}

// only gives the receipt of the one hit that is key's.
func (f *Find) only(hits []Node, key hub.Key, now time.Time) (hub.Receipt, error) {
	var receipts []hub.Receipt
	for i, hit := range hits {
		if f.Among && !f.Receipt.repeats(hit, key) {
			continue
		}
		r, err := f.Receipt.read(hit, key, now)
		if err != nil {
			return hub.Receipt{}, fmt.Errorf("hit %d of %s: %w", i+1, f.List, err)
		}
		receipts = append(receipts, r)
	}
	switch {
	case len(receipts) == 1:
		return receipts[0], nil
	case len(receipts) > 1:
		return hub.Receipt{}, fmt.Errorf("%w: the key is there twice", hub.ErrCannotTell)
	case len(hits) > 0:
		return hub.Receipt{}, fmt.Errorf("%w: of what stands at %s nothing has the key at %s", hub.ErrNotFound, f.List, f.Receipt.Echo)
	}
	return hub.Receipt{}, fmt.Errorf("%w: there is no hit at %s", hub.ErrNotFound, f.List)
}

// onlyAsked makes a *not now* of what failed when nothing had been made but a question put; a question that
// is refused is no fault of the document. What is there twice stays a *don't know*: a person must look.
func onlyAsked(err error) error {
	a, _, cause := hub.AnswerOf(hub.Receipt{Number: "none"}, err)
	switch {
	case errors.Is(err, ErrPlace):
		return hub.Reject(err)
	case a == hub.Yes, a == hub.NotNow, errors.Is(err, hub.ErrCannotTell):
		return err
	case a == hub.No:
		return hub.Unavailable(err, hub.ContractBroken)
	case cause != "":
		return hub.Unavailable(err, cause)
	}
	return hub.Later(err, 0)
}

// A ReceiptPlace says where a receipt stands in an answer.
type ReceiptPlace struct{ Number, Ref, Echo, At Pointer }

// read reads a receipt. One that is not there, or is somebody else's, is no answer at all: the error says
// where it was looked for.
func (p *ReceiptPlace) read(n Node, key hub.Key, now time.Time) (hub.Receipt, error) {
	r := hub.Receipt{Number: p.Number.text(n), Ref: p.Ref.text(n), At: now}
	switch {
	case p.Echo != nil && p.Echo.text(n) == "":
		return hub.Receipt{}, strangeAt(p.Echo, "the answer does not repeat the key: nothing can be read at %s")
	case p.Echo != nil && !p.repeats(n, key):
		return hub.Receipt{}, strangeAt(p.Echo, "the answer is about another key: what stands at %s is not the delivery's")
	case r.Number == "":
		return hub.Receipt{}, strangeAt(p.Number, "no receipt in the answer: nothing can be read at %s")
	case p.Ref != nil && r.Ref == "":
		return hub.Receipt{}, strangeAt(p.Ref, "no receipt in the answer: nothing can be read at %s")
	}
	if at, ok := parseTime(p.At.text(n)); ok {
		r.At = at
	}
	return r, nil
}

// strangeAt says of a place of systems.yaml, and of nothing that stands there, why an answer is none.
func strangeAt(p Pointer, format string) error { return hub.Strange(fmt.Errorf(format, p)) }

func noList(p Pointer) error { return strangeAt(p, "no list in the answer: there is none at %s") }

// repeats reports whether an answer, or a hit, says that it is about key.
func (p *ReceiptPlace) repeats(n Node, key hub.Key) bool { return p.Echo.text(n) == string(key) }

// refOf is what the system calls what it gave a receipt of.
func refOf(r hub.Receipt) string {
	if r.Ref != "" {
		return r.Ref
	}
	return r.Number
}
