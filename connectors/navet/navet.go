// Package navet asks Navet, Skatteverket's population register, about persons: SOAP over mutual
// TLS, the operation personpostXML in version 4, one person a call.
//
// What an answer carries is decided by the municipality's order with Skatteverket, so that a block
// which did not come says nothing. The contract is Skatteverket's WSDL and XSD of release 7_2.28; how
// a post is read is told in package folkbokforing. What is read is never guessed: an answer that is
// not plainly about the person asked for, and about nobody else, is an error and no facts.
//
// A look-up is a read although it is a POST, and may be asked again.
package navet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"

	"github.com/knutpunkt/knutpunkt/connectors/folkbokforing"
	"github.com/knutpunkt/knutpunkt/hub"
)

// New is the connector, for connectors.All.
var New = hub.Define("navet", "Asks Skatteverket's population register Navet about persons, over SOAP.", open)

// Config is what systems.yaml says about one municipality's order with Navet. The client certificate
// stands in the system's own tls:.
type Config struct {
	URL       string                 `yaml:"url" doc:"where personpostXML V4 is, such as https://www2.skatteverket.se/na/na_epersondata/V4/personpostXML"`
	OrgNumber string                 `yaml:"org-number" doc:"the municipality's organisationsnummer, ten digits or twelve that begin with 16, in quotes"`
	Order     string                 `yaml:"order" doc:"the order with Skatteverket (BestallningsId), NNNNNNNN-FONN-NNNN"`
	Delivers  folkbokforing.Delivers `yaml:"delivers,omitempty" doc:"what the order delivers, of protection (01003 and 01020), names, addresses and relations; all of them when left out"`
	Faults    map[string]string      `yaml:"faults,omitempty" doc:"what a Felkod of Navet's means: refused (a person must look), later or credentials; refused for those not listed"`
}

func open(_ context.Context, env hub.Env, c Config) (hub.System, error) {
	if err := c.check(); err != nil {
		return hub.System{}, err
	}
	org, _ := hub.ParseOrgNumber(c.OrgNumber) // checked above
	return hub.System{Register: &register{env: env, conf: c, org: org}}, nil
}

var orderFormat = regexp.MustCompile(`^[0-9]{8}-FO[0-9]{2}-[0-9]{4}$`)

// check finds everything that is wrong with c, all at once.
func (c Config) check() error {
	var wrong []error
	if !isSafe(c.URL) {
		wrong = append(wrong, errors.New(
			"url: must be an https address without query, user or fragment (http only on this machine)"))
	}
	if _, err := hub.ParseOrgNumber(c.OrgNumber); err != nil {
		wrong = append(wrong, errors.New(
			"org-number: must be ten digits, or twelve that begin with 16, with a check digit that holds"))
	}
	if !orderFormat.MatchString(c.Order) {
		wrong = append(wrong, errors.New("order: must have the form NNNNNNNN-FONN-NNNN"))
	}
	if err := c.Delivers.Check(); err != nil {
		wrong = append(wrong, err)
	}
	for code, means := range c.Faults {
		if known, _ := number(code); known != code || !slices.Contains(meanings, meaning(means)) {
			wrong = append(wrong, fmt.Errorf("faults: each must be a number (Felkod) and one of %v", meanings))
			break
		}
	}
	return errors.Join(wrong...)
}

// isSafe reports whether personal numbers may be sent to address: they go in the clear only within
// this machine.
func isSafe(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	here := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	return u.Scheme == "https" || u.Scheme == "http" && here
}

type register struct {
	env  hub.Env
	conf Config
	org  hub.OrgNumber
}

// maxHops is how many times one look-up follows a changed number.
const maxHops = 3

// Lookup asks about one person. Whose number has been changed is looked up under the new one, and
// the number asked for is the first of Previous. The dead and the emigrated are answered about as
// such.
//
// It gives hub.ErrNotFound for who is not in the register, hub.ErrMismatch when the answer is about
// somebody else, hub.Unavailable and hub.Later where Navet or its doorman says so, hub.Reject when
// Navet will never answer this question, hub.Strange for an answer that is none, and a plain error for
// everything else.
func (r *register) Lookup(ctx context.Context, id hub.PersonID) (hub.Person, error) {
	asked, err := r.ask(ctx, id)
	if err != nil {
		return hub.Person{}, fmt.Errorf("ask Navet: %w", err)
	}
	found := asked
	if asked.replaced() {
		if found, err = r.follow(ctx, asked); err != nil {
			return hub.Person{}, fmt.Errorf("ask Navet about a changed number: %w", err)
		}
	}
	found.person.AsOf = r.env.Clock()
	return found.person, nil
}

// follow finds the post that old refers to and that is in use. References point both ways, from old
// to new and from new to old, so that each is tried, and none twice. Where none leads to a number in
// use, what is known is the old number's own post.
func (r *register) follow(ctx context.Context, old post) (post, error) {
	former := []hub.PersonID{old.person.ID}
	protection := old.person.Protection
	for next, hops := old.references, 0; len(next) > 0 && hops < maxHops; {
		id := next[0]
		next = next[1:]
		if slices.Contains(former, id) {
			continue
		}
		hops++
		p, err := r.ask(ctx, id)
		if errors.Is(err, hub.ErrNotFound) {
			continue
		}
		if err != nil {
			return post{}, err
		}
		folkbokforing.Raise(&p.person, protection)
		if !p.replaced() {
			p.person.Previous = union(former, p.person.Previous)
			return p, nil
		}
		protection = p.person.Protection
		former, next = append(former, id), append(next, p.references...)
	}
	folkbokforing.Raise(&old.person, protection)
	return old, nil
}

func union(a, b []hub.PersonID) []hub.PersonID {
	for _, id := range b {
		if !slices.Contains(a, id) {
			a = append(a, id)
		}
	}
	return a
}
