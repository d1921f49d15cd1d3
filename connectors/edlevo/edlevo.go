// Package edlevo saves choices of school in Edlevo, Tietoevry's system for schools, through its School
// Search version 4, and asks its Application Status version 1 how they are getting on: XML over HTTP, GET
// for what is asked and POST for what is saved.
//
// Edlevo gives no receipt and has no place for our Key. But it shows a child with its applications, one of
// each sort at the most, so that what was sent is looked for by what it is: whose child, which guardian, when,
// and which schools in which order. Where an application of the same sort is there that is not the one, nothing
// is saved, since that would take the place of another guardian's, and a person decides.
//
// By the vendor's contract the child's number and the license key stand in the addresses that are called. They
// are in none of our errors and logs; what machines on the way write down is told of in the README.
package edlevo

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// New is the connector, for connectors.All.
var New = hub.Define("edlevo", "Saves choices of school in Edlevo, and asks it how they are getting on.", open)

// Config is what systems.yaml says about one Edlevo.
type Config struct {
	URL       string        `yaml:"url" doc:"where School Search v4 begins: the address before /SaveApplicationNextYear"`
	Status    string        `yaml:"status,omitempty" doc:"where Application Status v1 begins; nobody is asked how cases are getting on when left out"`
	License   hub.Secret    `yaml:"license" doc:"the license key"`
	LicenseIn string        `yaml:"license-in,omitempty" doc:"where the key is said, as LicenseKey: query (when left out) or header"`
	Stamps    bool          `yaml:"stamps,omitempty" doc:"yes: Edlevo writes its own time as createdat, so that ours is not there to know an application by"`
	Lag       time.Duration `yaml:"lag,omitempty" doc:"how long what was saved may be invisible; 2s when left out"`
}

// The operations that a mapping can name.
const (
	operationApplication = "application" // an application, or the word that none is made
	operationConsent     = "consent"     // the other guardian's answer to an application
)

func open(_ context.Context, env hub.Env, c Config) (hub.System, error) {
	if c.LicenseIn == "" {
		c.LicenseIn = inQuery
	}
	if c.Lag == 0 {
		c.Lag = 2 * time.Second
	}
	if err := c.check(); err != nil {
		return hub.System{}, err
	}
	s := &site{env: env, conf: c, turns: newTurns()}
	can := hub.Capability{Level: hub.Lookup, Lag: c.Lag}
	opened := hub.System{Destination: s, Can: hub.Capabilities{operationApplication: can, operationConsent: can}}
	if c.Status != "" {
		opened.Poller = s
	}
	return opened, nil
}

// check finds everything that is wrong with c, all at once.
func (c Config) check() error {
	var wrong []error
	for key, address := range map[string]string{"url": c.URL, "status": c.Status} {
		if address != "" && !isBase(address) || key == "url" && address == "" {
			wrong = append(wrong, fmt.Errorf("%s: must be an http or https address without query and user", key))
		}
	}
	if c.License.Reveal() == "" {
		wrong = append(wrong, errors.New("license: must not be empty"))
	}
	if c.LicenseIn != inQuery && c.LicenseIn != inHeader {
		wrong = append(wrong, errors.New("license-in: must be query or header"))
	}
	if c.Lag < 0 {
		wrong = append(wrong, errors.New("lag: must not be negative"))
	}
	return errors.Join(wrong...)
}

func isBase(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http") && u.User == nil &&
		u.RawQuery == "" && !u.ForceQuery && u.Fragment == ""
}

// A site is one municipality's Edlevo.
type site struct {
	env   hub.Env
	conf  Config
	turns *turns
}

// Deliver saves d, unless an earlier attempt has. Its receipt's Ref is the application's id as Edlevo writes
// it, and the Number the same without braces; what has no id there goes by the delivery's Key.
//
// A look that fails before anything has been saved is a *not now*. From then on what fails is a *don't know*.
func (s *site) Deliver(ctx context.Context, d hub.Delivery) (hub.Receipt, error) {
	w, err := readWish(d)
	if err != nil {
		return hub.Receipt{}, hub.Reject(err)
	}
	done, err := s.turns.take(ctx, w.about)
	if err != nil {
		return hub.Receipt{}, hub.Later(err, 0)
	}
	defer done()
	found, err := s.look(ctx, s.env.HTTP, w)
	switch {
	case err != nil:
		return hub.Receipt{}, onlyAsked(err)
	case found.is == another:
		return hub.Receipt{}, hub.Reject(w.inTheWay())
	case found.is == missing:
		if err := s.save(ctx, w, d); err != nil {
			return hub.Receipt{}, err
		}
		if found, err = s.look(ctx, s.env.HTTP, w); err != nil {
			return hub.Receipt{}, hub.Unsure(fmt.Errorf("it is saved, and cannot be read back: %w", err))
		}
	}
	if found.is != ours {
		return hub.Receipt{}, errors.New("it is saved, and is not what Edlevo shows")
	}
	return found.receipt(d.Key, s.env.Clock()), nil
}

// Find looks for what an earlier attempt saved. Another application in its place is hub.ErrCannotTell: ours
// may have been there before it.
func (s *site) Find(ctx context.Context, d hub.Delivery) (hub.Receipt, error) {
	w, err := readWish(d)
	if err != nil {
		return hub.Receipt{}, err
	}
	found, err := s.look(ctx, s.env.Reads, w)
	switch {
	case err != nil:
		return hub.Receipt{}, err
	case found.is == another:
		return hub.Receipt{}, fmt.Errorf("%w: %w", hub.ErrCannotTell, w.inTheWay())
	case found.is == missing:
		return hub.Receipt{}, hub.ErrNotFound
	}
	return found.receipt(d.Key, s.env.Clock()), nil
}

// onlyAsked makes a *not now* of what failed when nothing had been saved but a question put. A refused
// question stays a *no*: the number in it is the document's.
func onlyAsked(err error) error {
	switch a, _, cause := hub.AnswerOf(hub.Receipt{Number: "none"}, err); {
	case a != hub.DontKnow:
		return err
	case cause != "":
		return hub.Unavailable(err, cause)
	}
	return hub.Later(err, 0)
}

// receipt is what Edlevo shows, as a receipt.
func (f finding) receipt(key hub.Key, now time.Time) hub.Receipt {
	r := hub.Receipt{Number: string(key), At: now}
	if f.id != "" {
		r.Number, r.Ref = strings.Trim(f.id, "{}"), f.id
	}
	if !f.at.IsZero() {
		r.At = f.at
	}
	return r
}
