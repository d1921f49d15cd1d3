// Package sif registers cases and documents in Tietoevry Public 360 through its SIF interface, JSON
// RPC: POST {url}/{Service}/{Method} with the body {"parameter": {…}}.
//
// A delivery is several calls: each contact, the case, its document with the files. None of them can
// be taken back and the case and the document are not deduplicated by the system, so that Deliver
// looks before each of them. The case is recognised by its ExternalId and the document by the Note of
// its files: both are the delivery's Key.
//
// The field names and types are those of the product's SOAP contract and of two public adapters; the
// values of codes are each site's own and stand in the mappings.
package sif

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// New is the connector, for connectors.All.
var New = hub.Define("sif", "Registers cases and documents in Public 360 over SIF, and tells how they get on.", open)

// Config is what systems.yaml says about one Public 360.
type Config struct {
	URL          string        `yaml:"url" doc:"where the RPC begins: the address before /CaseService/CreateCase"`
	AuthKey      hub.Secret    `yaml:"authkey" doc:"the key in the header Authorization: authkey …"`
	ClientID     string        `yaml:"client-id,omitempty" doc:"what the hub is called there; nothing is said when left out"`
	ClientIDIn   string        `yaml:"client-id-in,omitempty" doc:"where client-id is said: query (clientId=…, when left out) or header (clientid: …)"`
	ExternalType string        `yaml:"external-type,omitempty" doc:"the Type of the ExternalId of the hub's cases; KNUTPUNKT when left out"`
	IDDigits     int           `yaml:"personal-id-digits,omitempty" doc:"how many digits the site wants in a PersonalIdNumber: 12 (when left out) or 10"`
	Lag          time.Duration `yaml:"lag,omitempty" doc:"how long a case that was made may be invisible to a search; 2s when left out"`
}

// The operations that a mapping can name.
const (
	operationCase     = "case"     // contacts, a new case and its first document
	operationDocument = "document" // contacts and a document in the case that document.CaseNumber names
)

func open(_ context.Context, env hub.Env, c Config) (hub.System, error) {
	c = c.withDefaults()
	if err := c.check(); err != nil {
		return hub.System{}, err
	}
	s := &site{env: env, conf: c}
	can := hub.Capability{Level: hub.Lookup, Lag: c.Lag, Protected: true}
	return hub.System{
		Destination: s, Tracker: s,
		Can: hub.Capabilities{operationCase: can, operationDocument: can},
	}, nil
}

func (c Config) withDefaults() Config {
	if c.ClientIDIn == "" {
		c.ClientIDIn = "query"
	}
	if c.ExternalType == "" {
		c.ExternalType = "KNUTPUNKT"
	}
	if c.IDDigits == 0 {
		c.IDDigits = 12
	}
	if c.Lag == 0 {
		c.Lag = 2 * time.Second
	}
	return c
}

// check finds everything that is wrong with c, all at once.
func (c Config) check() error {
	var wrong []error
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.User != nil {
		wrong = append(wrong, errors.New("url: must be an http or https address without query and user"))
	}
	if c.AuthKey.Reveal() == "" {
		wrong = append(wrong, errors.New("authkey: must not be empty"))
	}
	if c.ClientIDIn != "query" && c.ClientIDIn != "header" {
		wrong = append(wrong, errors.New("client-id-in: must be query or header"))
	}
	if c.IDDigits != 12 && c.IDDigits != 10 {
		wrong = append(wrong, errors.New("personal-id-digits: must be 12 or 10"))
	}
	if c.Lag < 0 {
		wrong = append(wrong, errors.New("lag: must not be negative"))
	}
	return errors.Join(wrong...)
}

// A site is one municipality's Public 360.
type site struct {
	env  hub.Env
	conf Config
}

// Deliver registers d, or what an earlier attempt left of it. Its receipt's Number is the case's
// number, and the Ref of each part is the number of the document that holds the file.
//
// Until something has been made, a look-up or a contact that fails is a *not now*: both can be had again.
// From then on what fails is a *don't know*, also where the system says *not now*: what this attempt made
// may not be visible yet, and a new attempt must see it.
func (s *site) Deliver(ctx context.Context, d hub.Delivery) (hub.Receipt, error) {
	reg, err := readRegistration(d, s.conf)
	if err != nil {
		return hub.Receipt{}, hub.Reject(err)
	}
	there, madeSome, err := s.register(ctx, reg)
	if err == nil {
		return there.receipt(reg), nil
	}
	err = there.soFar(reg, err)
	if a, _, _ := hub.AnswerOf(hub.Receipt{}, err); madeSome && a == hub.NotNow {
		err = hub.Unsure(err)
	}
	if madeSome || reg.newCase != nil { // a part of it is there
		return hub.Receipt{Number: there.caseNumber}, err
	}
	return hub.Receipt{}, err
}

// register makes what is missing, each part once. It tells what is there, also when it fails, and
// whether it has made any of it.
func (s *site) register(ctx context.Context, reg *registration) (there made, madeSome bool, err error) {
	if err := s.synchronise(ctx, reg); err != nil {
		return there, false, err
	}
	if there, err = s.look(ctx, s.env.HTTP, reg); err != nil {
		return there, false, err
	}
	if there.caseNumber == "" {
		if there.caseNumber, err = s.createCase(ctx, reg); err != nil {
			return there, false, err
		}
		madeSome = true
	}
	for !there.whole(reg) {
		if err := s.addFiles(ctx, reg, &there); err != nil {
			return there, madeSome, err
		}
		madeSome = true
	}
	there.at = s.env.Clock()
	return there, madeSome, nil
}

// Find looks for what an earlier attempt made. A case without its document, or a document that lacks
// a file, is hub.ErrNotFound: Deliver goes on from there. Two cases or documents under one Key are
// hub.ErrCannotTell.
func (s *site) Find(ctx context.Context, d hub.Delivery) (hub.Receipt, error) {
	reg, err := readRegistration(d, s.conf)
	if err != nil {
		return hub.Receipt{}, err
	}
	there, err := s.look(ctx, s.env.Reads, reg)
	switch {
	case errors.Is(err, errTwo):
		return hub.Receipt{}, fmt.Errorf("%w: %w", hub.ErrCannotTell, err)
	case err != nil:
		return hub.Receipt{}, err
	case there.caseNumber == "" || !there.whole(reg):
		return hub.Receipt{}, hub.ErrNotFound
	}
	return there.receipt(reg), nil
}

// errTwo says that a person must look, since nobody can know which is the right one.
var errTwo = errors.New("what carries the delivery's key is there twice, or is not what was sent")

// look asks what is already there of a registration.
func (s *site) look(ctx context.Context, client *http.Client, reg *registration) (made, error) {
	there := made{caseNumber: reg.caseNumber, at: s.env.Clock(), titles: map[string]bool{}}
	if reg.newCase != nil {
		found, err := s.caseOf(ctx, client, reg.key)
		if err != nil || found == nil {
			return there, err
		}
		there.caseNumber = text(found, "CaseNumber")
		if at, ok := parseTime(text(found, "CreatedDate")); ok {
			there.at = at
		}
	}
	if reg.document == nil {
		return there, nil
	}
	return there, s.lookForDocument(ctx, client, reg, &there)
}

// caseOf finds the case whose ExternalId is key; nil where there is none.
func (s *site) caseOf(ctx context.Context, client *http.Client, key hub.Key) (map[string]any, error) {
	const method = "CaseService/GetCases"
	answer, err := s.ask(ctx, client, method, map[string]any{
		"ExternalId": s.externalID(key), "MaxReturnedCases": 2, "Page": 0,
	})
	if err != nil {
		return nil, err
	}
	cases, err := answer.list(method, "Cases", 0)
	if err != nil {
		return nil, err
	}
	for _, c := range cases {
		if id, _ := c["ExternalId"].(map[string]any); text(id, "Id") != string(key) || text(c, "CaseNumber") == "" {
			return nil, hub.Strange(fmt.Errorf("%s: the answer is about another case", method))
		}
	}
	switch {
	case len(cases) > 1 || answer.count("TotalCount") > 1:
		return nil, fmt.Errorf("%s: %w", method, errTwo)
	case len(cases) == 0:
		return nil, nil
	}
	return cases[0], nil
}

func (s *site) externalID(key hub.Key) map[string]any {
	return map[string]any{"Id": string(key), "Type": s.conf.ExternalType}
}

// pageSize is how many cases or documents are asked for at a time, and maxPages how many times, so that
// an answer without end comes to one.
const (
	pageSize = 100
	maxPages = 1000
)

// lookForDocument reads all documents of the case and takes down what ours holds.
func (s *site) lookForDocument(ctx context.Context, client *http.Client, reg *registration, there *made) error {
	const method = "DocumentService/GetDocuments"
	return s.pages(ctx, client, method, "Documents", map[string]any{
		"CaseNumber": there.caseNumber, "IncludeFiles": true, "IncludeFileData": false,
		"MaxReturnedDocuments": pageSize,
	}, func(document map[string]any) error {
		number := text(document, "DocumentNumber")
		if in := text(document, "CaseNumber"); number == "" || in != "" && in != there.caseNumber {
			return hub.Strange(fmt.Errorf("%s: the answer is about another case", method))
		}
		titles := reg.titlesIn(document)
		switch {
		case titles == nil:
			return nil
		case there.document != "" && there.document != number:
			return fmt.Errorf("%s: %w", method, errTwo)
		}
		there.document = number
		for _, title := range titles {
			if there.titles[title] || !reg.has(title) {
				return fmt.Errorf("%s: %w", method, errTwo)
			}
			there.titles[title] = true
		}
		return nil
	})
}

// pages asks for page after page and gives each item of the list to take.
func (s *site) pages(ctx context.Context, client *http.Client, method, list string, parameter map[string]any,
	take func(map[string]any) error) error {
	for page := range maxPages {
		parameter["Page"] = page
		answer, err := s.ask(ctx, client, method, parameter)
		if err != nil {
			return err
		}
		items, err := answer.list(method, list, page)
		if err != nil {
			return err
		}
		for _, item := range items {
			if err := take(item); err != nil {
				return err
			}
		}
		if answer.lastPage(page, len(items)) {
			return nil
		}
	}
	return hub.Strange(fmt.Errorf("%s: pages without end", method))
}

// A made is what the system has of a registration.
type made struct {
	caseNumber string          // "" for none
	document   string          // its number, "" for none
	titles     map[string]bool // of the files that are in it
	at         time.Time
}

// whole reports whether every part is there, given that the case is.
func (m *made) whole(reg *registration) bool {
	return reg.document == nil || m.document != "" && len(m.titles) == len(reg.files)
}

// soFar says in an error how much of the registration is there: a person who reads it sees what is
// missing, and the next attempt sends no more than that.
func (m *made) soFar(reg *registration, err error) error {
	switch {
	case m.document != "" && len(reg.files) > 0:
		return fmt.Errorf("%d of %d files are there: %w", len(m.titles), len(reg.files), err)
	case reg.newCase != nil && m.caseNumber != "":
		return fmt.Errorf("the case is there, and not its document: %w", err)
	}
	return err
}

func (m *made) receipt(reg *registration) hub.Receipt {
	r := hub.Receipt{Number: m.caseNumber, At: m.at}
	for _, f := range reg.files {
		r.Parts = append(r.Parts, hub.Part{SHA256: hex.EncodeToString(f.Blob.SHA256[:]), Ref: m.document})
	}
	return r
}

// synchronise has each contact created or brought up to date, and remembers its recno.
func (s *site) synchronise(ctx context.Context, reg *registration) error {
	for _, c := range reg.contacts {
		method := "ContactService/SynchronizePrivatePerson"
		if c.enterprise {
			method = "ContactService/SynchronizeEnterprise"
		}
		answer, err := s.ask(ctx, s.env.HTTP, method, c.fields)
		if err != nil {
			return err
		}
		recno := answer.recno()
		if recno == "" {
			return hub.Unavailable(fmt.Errorf("%s: neither a refusal nor a recno", method), hub.ContractBroken)
		}
		reg.recnos[c.ref] = "recno:" + recno
	}
	return nil
}

func (s *site) createCase(ctx context.Context, reg *registration) (number string, err error) {
	const method = "CaseService/CreateCase"
	parameter, err := reg.withContacts(reg.newCase)
	if err != nil {
		return "", hub.Reject(err)
	}
	parameter["ExternalId"] = s.externalID(reg.key)
	answer, err := s.create(ctx, method, parameter, nil)
	if err != nil {
		return "", err
	}
	if number = text(answer, "CaseNumber"); number == "" || answer.recno() == "" {
		return "", hub.Strange(fmt.Errorf("%s: neither a refusal nor a number", method))
	}
	return number, nil
}

// addFiles makes the document with as many of the files as one call can carry, or adds to it those that
// still are missing.
func (s *site) addFiles(ctx context.Context, reg *registration, there *made) error {
	files := reg.next(there.titles)
	method, parameter := "DocumentService/UpdateDocument", map[string]any{"DocumentNumber": there.document}
	if there.document == "" {
		var err error
		if parameter, err = reg.withContacts(reg.document); err != nil {
			return hub.Reject(err)
		}
		method, parameter["CaseNumber"] = "DocumentService/CreateDocument", there.caseNumber
	}
	answer, err := s.create(ctx, method, parameter, files)
	if err != nil {
		return err
	}
	number := text(answer, "DocumentNumber")
	if number == "" || answer.recno() == "" || there.document != "" && number != there.document {
		return hub.Strange(fmt.Errorf("%s: neither a refusal nor the document's number", method))
	}
	there.document = number
	for _, f := range files {
		there.titles[f.title] = true
	}
	return nil
}
