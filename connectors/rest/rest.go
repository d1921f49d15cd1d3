// Package rest hands deliveries to any business system that has an HTTP interface with JSON or XML, and
// asks it what has happened to its cases. What its calls look like stands in systems.yaml, and what an
// operation can be trusted with stands there too: the system itself says neither.
//
// A delivery is the document, and then the files one by one. Where the system can be asked, Deliver looks
// before it makes anything and goes on from what is there. In errors and addresses there is nothing of
// what is delivered or answered: of an answer, its status and a fingerprint.
package rest

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// New is the connector, for connectors.All.
var New = hub.Define("rest", "Hands documents and files to any system with an HTTP interface, and asks how they get on.", open)

func open(_ context.Context, env hub.Env, c Config) (hub.System, error) {
	var r reader
	r.system(c)
	s := &system{
		env: env, url: strings.TrimRight(c.URL, "/"), operations: map[string]operation{},
		xml: r.oneOf("format", c.Format, "json", "xml") == "xml", changes: r.changes(c.Changes),
	}
	can := hub.Capabilities{}
	for name, o := range c.Operations {
		read := r.operation(name, o)
		s.operations[name] = read
		can[name] = hub.Capability{Level: read.level, Lag: read.lag, Protected: read.protected, Announces: true}
	}
	if err := r.err(); err != nil {
		return hub.System{}, err
	}
	s.way = newWay(env, c)
	opened := hub.System{Can: can}
	if len(s.operations) > 0 {
		opened.Destination = s
	}
	if s.changes != nil {
		opened.Tracker = s
	}
	return opened, nil
}

// A system is one business system.
type system struct {
	env        hub.Env
	url        string // without a slash at its end
	xml        bool
	way        *way
	operations map[string]operation
	changes    *changes
}

// An operation is what systems.yaml says about one, read.
type operation struct {
	name        string
	method      string
	path        template
	level       hub.Level
	lag         time.Duration
	protected   bool
	keyHeader   string  // "" for none
	keyDocument pointer // nil for none
	receipt     receiptPlace
	statuses    map[string]meaning
	find        *find  // nil when it cannot be asked
	files       *files // nil when the document goes alone
}

// saysKey reports whether the system gets the Key.
func (o *operation) saysKey() bool {
	return o.keyHeader != "" || o.keyDocument != nil || o.path.has("key")
}

// A receiptPlace says where a receipt stands in an answer.
type receiptPlace struct{ number, ref, echo, at pointer }

// A find is how a system is asked about a Key.
type find struct {
	path    template
	list    pointer // nil when the answer is the case itself
	receipt receiptPlace
	none    int // the status that says that there is none; 0 for no such status
}

// Deliver hands d over, or what an earlier attempt left of it. Until this attempt has made something, a
// look that fails is a *not now*. From then on what fails is a *don't know*, also where the system says
// *not now*: what was made may not be visible yet, and a new attempt must see it. At a blind operation
// so is a *no* to a file: the document is there, and the next attempt would make another.
func (s *system) Deliver(ctx context.Context, d hub.Delivery) (hub.Receipt, error) {
	o, err := s.operationOf(d)
	if err != nil {
		return hub.Receipt{}, hub.Reject(err)
	}
	receipt, made, err := s.documentOf(ctx, o, d)
	if err != nil {
		return hub.Receipt{}, fmt.Errorf("%s: %w", o.name, err)
	}
	there, err := s.handFiles(ctx, o, d, receipt, made && o.level != hub.Idempotent)
	receipt.Parts = there.parts()
	if err == nil {
		return receipt, nil
	}
	err = fmt.Errorf("%s: %s: %w", o.name, there, err)
	a, _, _ := hub.AnswerOf(receipt, err)
	if a == hub.NotNow && (made || there.made) || a == hub.No && o.level == hub.Blind {
		err = hub.Unsure(err)
	}
	return receipt, err
}

// documentOf gives the receipt of the document, and whether this attempt has made it.
func (s *system) documentOf(ctx context.Context, o *operation, d hub.Delivery) (r hub.Receipt, made bool, err error) {
	if o.level == hub.Lookup {
		r, err = s.look(ctx, s.env.HTTP, o, d)
		if !errors.Is(err, hub.ErrNotFound) {
			return r, false, onlyAsked(err)
		}
	}
	r, err = s.create(ctx, o, d)
	return r, true, err
}

// Find looks for what an earlier attempt made. A document without all of its files is hub.ErrNotFound:
// Deliver goes on from there. Two cases under one Key are hub.ErrCannotTell, as is any operation that
// cannot be asked.
func (s *system) Find(ctx context.Context, d hub.Delivery) (hub.Receipt, error) {
	o, err := s.operationOf(d)
	switch {
	case err != nil:
		return hub.Receipt{}, err
	case o.find == nil || o.files != nil && o.files.find == nil:
		return hub.Receipt{}, hub.ErrCannotTell
	}
	receipt, err := s.look(ctx, s.env.Reads, o, d)
	if err != nil || o.files == nil {
		return receipt, err
	}
	there, err := s.lookForFiles(ctx, s.env.Reads, o, d, receipt)
	switch {
	case err != nil:
		return hub.Receipt{}, err
	case !there.whole():
		return hub.Receipt{}, hub.ErrNotFound
	}
	receipt.Parts = there.parts()
	return receipt, nil
}

// operationOf gives what d is to have done, when d is fit for it.
func (s *system) operationOf(d hub.Delivery) (*operation, error) {
	o, known := s.operations[d.Operation]
	if !known {
		return nil, errors.New("the system has no such operation in systems.yaml")
	}
	if o.keyDocument == nil {
		return &o, nil
	}
	tree, err := readNode(d.Document.Reveal(), strings.Contains(d.Document.Type, "xml"), maxList)
	if err != nil || o.keyDocument.text(tree) != string(d.Key) {
		return nil, fmt.Errorf("%s: the document does not carry the delivery's key where key.document says", o.name)
	}
	return &o, nil
}

// create sends the document and reads the receipt.
func (s *system) create(ctx context.Context, o *operation, d hub.Delivery) (hub.Receipt, error) {
	end, err := o.path.fill(valuesOf(d))
	if err != nil {
		return hub.Receipt{}, hub.Reject(err)
	}
	header := http.Header{"Content-Type": {d.Document.Type}}
	if o.keyHeader != "" {
		header.Set(o.keyHeader, string(d.Key))
	}
	a, err := s.call(ctx, s.env.HTTP, call{
		method: o.method, end: end, header: header, body: bytesBody(d.Document.Reveal()), statuses: o.statuses, lag: o.lag,
	})
	if err != nil {
		return hub.Receipt{}, err
	}
	tree, err := s.read(a, maxAnswer)
	if err != nil {
		return hub.Receipt{}, err
	}
	return o.receipt.read(tree, d.Key, s.env.Clock())
}

// read reads a receipt. One that is not there, or is somebody else's, is no answer at all.
func (p *receiptPlace) read(n node, key hub.Key, now time.Time) (hub.Receipt, error) {
	r := hub.Receipt{Number: p.number.text(n), Ref: p.ref.text(n), At: now}
	if p.echo != nil && p.echo.text(n) != string(key) {
		return hub.Receipt{}, hub.Strange(errors.New("the answer is about another key"))
	}
	if r.Number == "" || p.ref != nil && r.Ref == "" {
		return hub.Receipt{}, hub.Strange(errors.New("no receipt in the answer"))
	}
	if at, ok := parseTime(p.at.text(n)); ok {
		r.At = at
	}
	return r, nil
}

// look asks for the receipt of d's Key.
func (s *system) look(ctx context.Context, client *http.Client, o *operation, d hub.Delivery) (hub.Receipt, error) {
	tree, err := s.ask(ctx, client, o.find.path, valuesOf(d), o.find.none)
	if err != nil {
		return hub.Receipt{}, err
	}
	if o.find.list == nil {
		return o.find.receipt.read(tree, d.Key, s.env.Clock())
	}
	hits, isList := o.find.list.list(tree)
	switch {
	case !isList:
		return hub.Receipt{}, hub.Strange(errors.New("no list in the answer"))
	case len(hits) == 0:
		return hub.Receipt{}, hub.ErrNotFound
	}
	var receipts []hub.Receipt
	for _, hit := range hits {
		r, err := o.find.receipt.read(hit, d.Key, s.env.Clock())
		if err != nil {
			return hub.Receipt{}, err
		}
		receipts = append(receipts, r)
	}
	if len(receipts) > 1 {
		return hub.Receipt{}, fmt.Errorf("%w: the key is there twice", hub.ErrCannotTell)
	}
	return receipts[0], nil
}

// ask makes a call that changes nothing. The status none is hub.ErrNotFound.
func (s *system) ask(ctx context.Context, client *http.Client, path template, v values, none int) (node, error) {
	end, err := path.fill(v)
	if err != nil {
		return nil, err
	}
	a, err := s.call(ctx, client, call{method: http.MethodGet, end: end, none: none})
	if err != nil {
		return nil, err
	}
	return s.read(a, maxList)
}

// onlyAsked makes a *not now* of what failed when nothing had been made but a question put; a question that
// is refused is no fault of the document. What is there twice stays a *don't know*: a person must look.
func onlyAsked(err error) error {
	a, _, cause := hub.AnswerOf(hub.Receipt{Number: "none"}, err)
	switch {
	case errors.Is(err, errPlace):
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

// sumOf is a file's SHA-256 as it is written.
func sumOf(f hub.File) string { return hex.EncodeToString(f.Blob.SHA256[:]) }

// namesOf gives each file the name that the citizen gave it, and a number where two have the same.
func namesOf(files []hub.File) []string {
	var names []string
	for i, f := range files {
		name := strings.Map(printable, strings.ToValidUTF8(f.Name, "_"))
		name = cmp.Or(strings.TrimSpace(name), fmt.Sprintf("fil-%02d", i+1))
		stem, ending := name, ""
		if dot := strings.LastIndexByte(name, '.'); dot > 0 {
			stem, ending = name[:dot], name[dot:]
		}
		for n := 2; slices.Contains(names, name); n++ {
			name = fmt.Sprintf("%s (%d)%s", stem, n, ending)
		}
		names = append(names, name)
	}
	return names
}

// printable takes away what could end a header or begin a folder.
func printable(r rune) rune {
	if isControl(r) || r == '/' || r == '\\' || r == '"' {
		return '_'
	}
	return r
}
