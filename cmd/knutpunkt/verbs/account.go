package verbs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/edlevo/edlevosim"
	"github.com/knutpunkt/knutpunkt/connectors/sif/sifsim"
	"github.com/knutpunkt/knutpunkt/hub"
)

// settleWithin is how long the demo waits for everything to come to rest. Systems
// that were out of order are tried again within it.
const settleWithin = 3 * time.Minute

// accountFor waits until everything has come to rest, and then holds what the hub
// says against the ledgers of those who sent and of those who received.
func accountFor(ctx context.Context, in *installation, sims *simulators, c *cast) error {
	ctx, cancel := context.WithTimeout(ctx, settleWithin)
	defer cancel()
	atRest := awaitRest(ctx, in.store)
	if err := sims.readFolders(); err != nil {
		return err
	}
	t := tally{received: len(c.received)}
	for id := range c.received {
		t.add(context.WithoutCancel(ctx), in.store, sims, hub.ID(id))
	}
	for _, fault := range t.faults {
		fmt.Fprintln(os.Stderr, fault)
	}
	if c.refused > 0 {
		fmt.Fprintf(os.Stderr, "%d forms were refused by the hub\n", c.refused)
	}
	if !atRest {
		fmt.Fprintf(os.Stderr, "%d forms had not come to rest within %v\n", t.moving, settleWithin)
	}
	if err := reconcileToday(ctx, in); err != nil {
		t.faults = append(t.faults, err.Error())
		fmt.Fprintln(os.Stderr, err)
	}
	fmt.Printf("%d received, %d delivered, %d held, %d lost\n", t.received, t.delivered, t.held, t.lost)
	if len(t.faults) > 0 || t.lost > 0 || t.moving > 0 || c.refused > 0 {
		return told(exitFailed)
	}
	return nil
}

// awaitRest waits until nothing goes on by itself any more.
func awaitRest(ctx context.Context, s hub.Store) bool {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		counts, err := s.Counts(ctx, time.Now())
		if err == nil && quiet(counts) {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}

func quiet(c hub.Counts) bool {
	for state, n := range c.States {
		if n > 0 && unfinished(state) {
			return false
		}
	}
	return true
}

// A tally is what became of the forms that the hub answered 202 for.
type tally struct {
	received, delivered, held, lost, moving int
	faults                                  []string
}

// add accounts for one form.
func (t *tally) add(ctx context.Context, s hub.Store, sims *simulators, id hub.ID) {
	c, err := s.CaseOf(ctx, hub.AsHub(), id)
	if errors.Is(err, hub.ErrNotFound) {
		t.lost++
		t.fault(id, "was answered with 202 and is nowhere")
		return
	}
	if err != nil {
		t.moving++
		t.fault(id, "cannot be read")
		return
	}
	p := c.Find(hub.Key(id))
	switch {
	case p.State == hub.Completed:
		t.delivered++
	case unfinished(p.State):
		t.moving++
	default:
		t.held++
	}
	for _, d := range c.Deliveries {
		if d.Submission == id && d.Kind == hub.DocumentKind {
			t.compare(sims, id, d)
		}
	}
}

// compare holds a delivery against what its system says that it has. Something that
// the hub calls delivered must be there, once; nothing may be there twice.
func (t *tally) compare(sims *simulators, id hub.ID, d hub.Progress) {
	times := sims.times(d)
	switch {
	case times > 1:
		t.fault(id, fmt.Sprintf("is at %s %d times", d.System, times))
	case times == 0 && d.Settled():
		t.lost++
		t.fault(id, fmt.Sprintf("is said to be at %s and is not", d.System))
	}
}

func (t *tally) fault(id hub.ID, what string) { t.faults = append(t.faults, string(id)+" "+what) }

// times tells how often a system has what a delivery handed over.
func (s *simulators) times(d hub.Progress) int {
	switch d.System {
	case "karlskrona.bygg":
		return s.bygg.Taken(string(d.Key))
	case "karlstad.lon":
		return s.lon.Taken(string(d.Key))
	case "eslov.edlevo":
		return schoolHas(s.edlevo, d)
	}
	folder, _, _ := strings.Cut(string(d.System), ".")
	if diarium := s.diaria[folder]; diarium != nil {
		return diariumHas(diarium, d)
	}
	return 0
}

// diariumHas counts cases for what makes a case, and documents for what is added to
// one.
func diariumHas(d *sifsim.Sim, p hub.Progress) int {
	count := d.Count(string(p.Key))
	if p.Operation == "case" {
		return max(count.Cases, count.Documents)
	}
	return count.Documents
}

// schoolHas counts how often the application that a delivery's receipt names has been saved,
// or answered.
func schoolHas(s *edlevosim.Sim, p hub.Progress) (n int) {
	if p.Receipt == nil {
		return 0
	}
	for _, e := range s.Ledger() {
		wanted := e.Kind == edlevosim.SavedEntry
		if p.Leg == "svar" {
			wanted = e.Kind == edlevosim.AnsweredEntry
		}
		if wanted && (e.ID == p.Receipt.Ref || e.ID == p.Receipt.Number) {
			n++
		}
	}
	return n
}
