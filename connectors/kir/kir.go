// Package kir is a municipality's own register of its residents (kommuninvånarregister). Nobody is
// called: Skatteverket's files feed it (Navets avisering), an extract of everybody first (grunduttag)
// and then the changes, and the hub's Store keeps it, sealed.
//
// The files are XML, Navetavisering of release 7_2.28, in UTF-8 or ISO-8859-1; how a post in them is
// read is told in package folkbokforing. A file counts when it is whole, fits its own numbers and comes
// in its turn, and is not seen before. Until then, and after a file that was refused, the register says
// what it said.
//
// In a change, what is absent or blank is as it was. A mark of protection is cleared by an explicit N
// alone, from an order that delivers marks; of two words about one person the strictest holds. Whom the
// register does not know well enough, or not recently enough, it says so of (hub.ErrPartly), so that
// another register is asked.
package kir

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/folkbokforing"
	"github.com/knutpunkt/knutpunkt/hub"
)

// New is the connector, for connectors.All.
var New = hub.Define("kir", "Keeps a municipality's own register of residents, fed by Skatteverket's files (Navets avisering).", open)

// Config is what systems.yaml says about one municipality's register.
type Config struct {
	Municipality string                 `yaml:"municipality" own:"yes" doc:"the kommunkod of those who are in the register, in quotes; who moves elsewhere leaves it"`
	Order        string                 `yaml:"order" doc:"the order with Skatteverket (BestallningsId), NNNNNNNN-FONN-NNNN; a file of another order is refused"`
	Delivers     folkbokforing.Delivers `yaml:"delivers,omitempty" doc:"what the order delivers, of protection (01003 and 01020), names, addresses and relations; all of them when left out"`
	Fresh        time.Duration          `yaml:"fresh,omitempty" doc:"how long after its day the latest file counts as recent; 26h when left out. After that another register is asked"`
	FirstChange  int                    `yaml:"first-change,omitempty" doc:"the LopNr of the first file of changes after an extract, where the extract is not numbered in the same series"`
}

// usuallyFresh suits a file a day: the next one may be two hours late.
const usuallyFresh = 26 * time.Hour

func open(_ context.Context, env hub.Env, c Config) (hub.System, error) {
	if err := c.check(); err != nil {
		return hub.System{}, err
	}
	if c.Fresh == 0 {
		c.Fresh = usuallyFresh
	}
	r := &register{env: env, conf: c}
	return hub.System{Register: r, Importer: r}, nil
}

var (
	orderFormat = regexp.MustCompile(`^[0-9]{8}-FO[0-9]{2}-[0-9]{4}$`)
	kommunkod   = regexp.MustCompile(`^[0-9]{4}$`)
)

// check finds everything that is wrong with c, all at once.
func (c Config) check() error {
	var wrong []error
	if !kommunkod.MatchString(c.Municipality) {
		wrong = append(wrong, errors.New(`municipality: must be a kommunkod of four digits in quotes, such as "1285"`))
	}
	if !orderFormat.MatchString(c.Order) {
		wrong = append(wrong, errors.New("order: must have the form NNNNNNNN-FONN-NNNN"))
	}
	if err := c.Delivers.Check(); err != nil {
		wrong = append(wrong, err)
	}
	if c.Fresh < 0 {
		wrong = append(wrong, errors.New("fresh: must be a while, such as 26h"))
	}
	if c.FirstChange < 0 || c.FirstChange > highestSerial {
		wrong = append(wrong, fmt.Errorf("first-change: must be a LopNr, 1 to %d", highestSerial))
	}
	return errors.Join(wrong...)
}

type register struct {
	env  hub.Env
	conf Config
}

// Lookup tells of one resident, as of the latest file that was read whole. Whose number has been
// changed is told of under the new one, and the number asked for is the first of Previous. The dead
// are told of as such.
//
// It gives hub.ErrNotFound for who is not in the register, as everybody is while it is empty, and
// hub.ErrPartly, with what is known, when that is too little or too old to go on alone.
func (r *register) Lookup(ctx context.Context, id hub.PersonID) (hub.Person, error) {
	at, err := r.env.Residents.Bookmark(ctx)
	if err != nil {
		return hub.Person{}, err
	}
	asked, err := r.known(ctx, id)
	if err != nil {
		return hub.Person{}, err
	}
	found, err := r.follow(ctx, asked)
	if err != nil {
		return hub.Person{}, err
	}
	found = folkbokforing.OfDay(found, r.today())
	found.AsOf = at.AsOf
	if !r.suffices(found) || r.env.Clock().After(r.until(at)) {
		return found, hub.ErrPartly
	}
	return found, nil
}

func (r *register) known(ctx context.Context, id hub.PersonID) (hub.Person, error) {
	told, err := r.env.Residents.Known(ctx, id)
	if err != nil {
		return hub.Person{}, err
	}
	if len(told) == 0 {
		return hub.Person{}, hub.ErrNotFound
	}
	return told[0], nil
}

// maxHops is how many times one look-up follows a changed number.
const maxHops = 3

// follow finds who has a number now. References point both ways, so that each is tried, and none
// twice. Where none leads to a number in use, what is known is that the old one is not.
func (r *register) follow(ctx context.Context, asked hub.Person) (hub.Person, error) {
	former, strictest := []hub.PersonID{asked.ID}, asked.Protection
	found, next := asked, asked.Previous
	for hops := 0; folkbokforing.Replaced(found.Left) && len(next) > 0 && hops < maxHops; {
		id := next[0]
		if next = next[1:]; slices.Contains(former, id) {
			continue
		}
		hops++
		p, err := r.known(ctx, id)
		if errors.Is(err, hub.ErrNotFound) {
			continue
		}
		if err != nil {
			return hub.Person{}, err
		}
		folkbokforing.Raise(&p, strictest)
		if strictest = p.Protection; !folkbokforing.Replaced(p.Left) {
			p.Previous = union(former, p.Previous)
			return p, nil
		}
		former, next = append(former, id), append(next, p.Previous...)
	}
	folkbokforing.Raise(&asked, strictest)
	return asked, nil
}

func union(a, b []hub.PersonID) []hub.PersonID {
	a = slices.Clone(a)
	for _, id := range b {
		if !slices.Contains(a, id) {
			a = append(a, id)
		}
	}
	return a
}

// suffices reports whether what is known of somebody is enough to go by.
func (r *register) suffices(p hub.Person) bool {
	has, must := p.Delivered, r.conf.Delivers.Blocks()
	return p.Protection != hub.ProtectionUnknown && !folkbokforing.Replaced(p.Left) &&
		(has.Name || !must.Name) && (has.Address || !must.Address) && (has.Relations || !must.Relations)
}

// until is when the register is no longer recent. A file is dated by day, so its day is over first.
func (r *register) until(at hub.Bookmark) time.Time {
	if at.AsOf.IsZero() {
		return time.Time{}
	}
	return at.AsOf.In(hub.Stockholm).AddDate(0, 0, 1).Add(r.conf.Fresh)
}

func (r *register) today() time.Time { return r.env.Clock().In(hub.Stockholm) }

// Fed tells how the register stands.
func (r *register) Fed(ctx context.Context) (hub.Fed, error) {
	at, err := r.env.Residents.Bookmark(ctx)
	if err != nil {
		return hub.Fed{}, err
	}
	p, err := placeOf(at)
	if err != nil {
		return hub.Fed{}, err
	}
	return hub.Fed{Bookmark: at, Until: r.until(at), Next: r.wanted(p)}, nil
}
