package verbs

import (
	"context"
	"sync"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/navet/navetsim"
	"github.com/knutpunkt/knutpunkt/connectors/oep/oepsim"
	"github.com/knutpunkt/knutpunkt/connectors/sif/sifsim"
	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/web/eidsim"
)

// A cast is the citizens of the demo and the forms that they send in.
type cast struct {
	sims  *simulators
	forms int
	hurry bool
	begun time.Time

	mu       sync.Mutex
	received map[string]bool // ids that the hub answered 202 with
	refused  int
}

func newCast(sims *simulators, forms int, hurry bool) *cast {
	c := &cast{sims: sims, forms: forms, hurry: hurry, begun: time.Now(), received: map[string]bool{}}
	c.remember()
	return c
}

// remember counts what the platform has got a 202 for, whoever had it posted.
func (c *cast) remember() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.sims.platform.Ledger() {
		if e.What == oepsim.Posted && e.Status/100 == 2 {
			c.received[e.Receipt] = true
		}
	}
}

// atOnce is how many citizens are at their forms at the same time.
const atOnce = 8

// A part is one citizen: what she sends in, in order.
type part []func(context.Context) (id string, err error)

// perform has every form sent in. What an earlier performance left unanswered comes
// first.
func (c *cast) perform(ctx context.Context, tell *narrator) {
	bar := tell.bar(c.forms)
	parts := make(chan part)
	var citizens sync.WaitGroup
	for range c.citizens() {
		citizens.Go(func() {
			for p := range parts {
				c.play(ctx, p, bar)
			}
		})
	}
	c.sims.resubmit(ctx)
	c.remember()
	for _, p := range c.parts() {
		select {
		case parts <- p:
		case <-ctx.Done():
		}
		c.pause(ctx)
	}
	close(parts)
	citizens.Wait()
}

func (c *cast) citizens() int {
	if c.hurry {
		return atOnce
	}
	return 1
}

// pause lets a reader of the story keep up.
func (c *cast) pause(ctx context.Context) {
	if c.hurry {
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(1500 * time.Millisecond):
	}
}

func (c *cast) play(ctx context.Context, p part, bar func()) {
	for _, send := range p {
		id, err := send(ctx)
		c.mu.Lock()
		if err == nil {
			c.received[id] = true
		} else if ctx.Err() == nil {
			c.refused++
		}
		c.mu.Unlock()
		bar()
	}
}

// parts deals out the forms: of ten, most are about decks and preschool, and the rest are
// what Eslöv's website and Karlstad's intranet post. Who is to complete a deck does so
// after the first form is in.
func (c *cast) parts() []part {
	var parts []part
	for left, seed := c.forms, c.firstSeed(); left > 0; seed++ {
		p := c.part(seed)
		p = p[:min(len(p), left)]
		parts = append(parts, p)
		left -= len(p)
	}
	return parts
}

// firstSeed begins where an earlier performance in the same folder ended.
func (c *cast) firstSeed() int {
	seed := -1
	for _, e := range c.sims.platform.Ledger() {
		if e.What == oepsim.SentIn {
			seed = max(seed, e.Seed)
		}
	}
	return seed + 1
}

func (c *cast) part(seed int) part {
	at := c.begun.Add(-time.Duration(seed%50) * time.Minute)
	switch seed % 10 {
	case 9:
		return part{func(ctx context.Context) (string, error) { return c.sims.postMusic(ctx, seed) }}
	case 3:
		return part{func(ctx context.Context) (string, error) { return c.sims.postLeave(ctx, seed) }}
	case 7:
		if seed/10 < len(pupils) {
			return part{func(ctx context.Context) (string, error) { return c.sims.postChoice(ctx, seed) }}
		}
	case 1, 5, 8:
		return part{c.platform(oepsim.Fill(oepsim.Preschool, seed, at))}
	}
	f := oepsim.Fill(oepsim.Deck, seed, at)
	if f.Completes() {
		return part{c.platform(f), c.platform(f.Complete(c.begun))}
	}
	return part{c.platform(f)}
}

func (c *cast) platform(f oepsim.Form) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) { return c.sims.submit(ctx, f) }
}

// goOn sends in a form now and then, for who looks at the pages.
func (c *cast) goOn(ctx context.Context) {
	for seed := c.firstSeed(); ctx.Err() == nil; seed++ {
		select {
		case <-ctx.Done():
			return
		case <-time.After(8 * time.Second):
		}
		c.play(ctx, c.part(seed), func() {})
	}
}

// misfortunes let systems fail while the forms come in: answers that are lost after
// the case was made, a diarium that is busy, a register and a platform that are down.
func (c *cast) misfortunes(ctx context.Context) {
	diarium := c.sims.diaria["karlskrona"]
	diarium.Fail(sifsim.Fault{Way: sifsim.Lost}, sifsim.Fault{Way: sifsim.Lost, At: "DocumentService/CreateDocument"},
		sifsim.Fault{Way: sifsim.Busy}, sifsim.Fault{Way: sifsim.LoginPage})
	c.sims.navet.FailAlways(navetsim.Down)
	c.sims.platform.Fail(oepsim.Busy, oepsim.Busy)
	select {
	case <-ctx.Done():
	case <-time.After(3 * time.Second):
	}
	c.sims.navet.Mend()
}

// citizens are those whom the demo's e-ID lets anybody be.
func citizens() []eidsim.Person {
	var all []eidsim.Person
	for _, p := range []struct{ number, about string }{
		{"199001012385", "har ärenden i två kommuner"},
		{"198707012392", "är vårdnadshavare i ett ärende som någon annan har skickat in"},
		{"198604069883", "har sökt förskoleplats"},
		{"199409272383", "har anmält ett barn till kulturskolan i Eslöv"},
		{"198501139995", "har sökt bygglov"},
		{"198206822390", "har ett samordningsnummer"},
		{"197910039283", "har skyddade personuppgifter"},
		{"196512073245", "har kanske inga ärenden än"},
	} {
		id, err := hub.ParsePersonID(p.number)
		if err != nil {
			panic("a test person's number is none")
		}
		all = append(all, eidsim.Person{Number: id, About: p.about})
	}
	return all
}
