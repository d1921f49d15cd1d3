// The bench holds Knutpunkt against a floor: the smallest honest program that keeps the
// same promises by hand. Both take the same forms from the same clients and hand the same
// documents to the same neighbours, turn by turn, in one process on one machine; and what
// is printed are ratios within that one run, since times say more of the machine than of
// the program. Beside that it weighs open streams against bare ones of net/http, and has
// them told of a storm.
//
//	go run .                  # a minute or two
//	go run . -profile DIR     # and CPU profiles of both in DIR, for go tool pprof
//	go run . -enforce         # exit 1 when a budget is not kept
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"time"
)

// The budgets.
const (
	leastSpeed   = 0.40 // times the floor's, end to end
	fewestFolded = 8    // forms that are received in one transaction, at 64 clients
	mostBacklog  = 1.5  // times the price of a claim, when ten times as much waits
	mostMemory   = 1.3  // times what a bare net/http stream takes
)

type options struct {
	forms, clients, rounds, backlog, streams int
	profile                                  string
}

func main() {
	if os.Getenv(asAudience) != "" {
		if err := attend(); err != nil {
			fmt.Fprintln(os.Stderr, "audience:", err)
			os.Exit(1)
		}
		return
	}
	var o options
	flag.IntVar(&o.forms, "forms", 3000, "forms in each round")
	flag.IntVar(&o.clients, "clients", 64, "clients that post at a time")
	flag.IntVar(&o.rounds, "rounds", 5, "rounds of each side; medians are printed")
	flag.IntVar(&o.backlog, "backlog", 100_000, "deliveries that wait when some are claimed, against a tenth of it")
	flag.IntVar(&o.streams, "streams", 10_000, "streams that are open at a time")
	flag.StringVar(&o.profile, "profile", "", "folder for a CPU profile of each side")
	enforce := flag.Bool("enforce", false, "exit 1 when a budget is not kept")
	flag.Parse()
	kept, err := o.run()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	if *enforce && !kept {
		os.Exit(1)
	}
}

// run measures and prints, and tells whether every budget is kept.
func (o options) run() (kept bool, err error) {
	fmt.Printf("Knutpunkt against the floor: %d forms, %d clients, medians of %d rounds\n", o.forms, o.clients, o.rounds)
	all, err := o.compare(load{o.forms, o.clients, true}, o.profile)
	if err != nil {
		return false, err
	}
	speed := all.median(byTime)
	fmt.Printf("end to end: %.2f × floor (budget ≥ %.2f)\n", speed, leastSpeed)
	fmt.Printf("  by CPU time alone: %.2f × floor\n", all.median(byCPU))
	fmt.Printf("  transactions: %.1f × the floor's\n", all.median(commits))
	fmt.Printf("  bytes allocated: %.1f × the floor's\n", all.median(allocated))
	fmt.Printf("  bytes still held: %.1f × the floor's\n", all.median(held))

	accepting, err := o.compare(load{o.forms, o.clients, false}, "")
	if err != nil {
		return false, err
	}
	folded := accepting.median(func(p pair) float64 { return ratio(uint32(o.forms), p.hub.commits) })
	fmt.Printf("accepting alone: %.2f × floor\n", accepting.median(byTime))
	fmt.Printf("  by CPU time alone: %.2f × floor\n", accepting.median(byCPU))
	fmt.Printf("  commits for each form: 1/%.0f (budget ≤ 1/%d)\n", folded, fewestFolded)

	dearer, err := backlogPrice(o.backlog)
	if err != nil {
		return false, err
	}
	fmt.Printf("a claim with %d waiting: %.2f × one with %d (budget ≤ %.1f)\n",
		o.backlog, dearer, o.backlog/10, mostBacklog)

	s, err := measureStreams(o.streams, storm)
	if err != nil {
		return false, err
	}
	if s.open < o.streams {
		fmt.Printf("this process may have no more than %d streams open\n", s.open)
	}
	fmt.Printf("an idle stream, of %d: %.2f × a bare net/http stream's memory, which is %.0f KiB (budget ≤ %.1f)\n",
		s.open, s.memory, s.bare, mostMemory)
	fmt.Printf("a storm of %d lines a second, kept up with at %.2f × that: %d streams dropped (budget 0), %.1f %% of the lines received (budget 100 %%)\n",
		stormRate, s.speed, s.dropped, 100*s.arrived)
	return speed >= leastSpeed && folded >= fewestFolded && dearer <= mostBacklog && s.kept(), nil
}

// storm is how long the storm of status lines lasts.
const storm = 5 * time.Second

// What a pair is compared by: speed as the floor's price for ours, all else as ours for
// the floor's.
func byTime(p pair) float64    { return ratio(p.floor.wall, p.hub.wall) }
func byCPU(p pair) float64     { return ratio(p.floor.cpu, p.hub.cpu) }
func commits(p pair) float64   { return ratio(p.hub.commits, p.floor.commits) }
func allocated(p pair) float64 { return ratio(p.hub.allocated, p.floor.allocated) }
func held(p pair) float64      { return ratio(p.hub.live, p.floor.live) }

// A pair is what the same load cost on either side, one right after the other.
type pair struct{ floor, hub cost }

type pairs []pair

// compare runs a load on both sides by turns. The first turn warms up and is not counted.
func (o options) compare(l load, profiles string) (pairs, error) {
	var all pairs
	for round := range o.rounds + 1 {
		last := round == o.rounds
		floor, err := o.turn("floor", openFloor, l, profiles, last)
		if err != nil {
			return nil, fmt.Errorf("the floor: %w", err)
		}
		hub, err := o.turn("knutpunkt", openKnutpunkt, l, profiles, last)
		if err != nil {
			return nil, fmt.Errorf("knutpunkt: %w", err)
		}
		if round > 0 {
			all = append(all, pair{floor, hub})
		}
	}
	return all, nil
}

// turn measures one side, with a profile of it when it is to be had.
func (o options) turn(name string, open opener, l load, profiles string, last bool) (cost, error) {
	if profiles == "" || !last {
		return measure(open, l)
	}
	out, err := os.Create(filepath.Join(profiles, name+".pprof"))
	if err != nil {
		return cost{}, err
	}
	defer out.Close()
	if err := pprof.StartCPUProfile(out); err != nil {
		return cost{}, err
	}
	defer pprof.StopCPUProfile()
	return measure(open, l)
}

// median gives the middle of what each pair is by itself.
func (ps pairs) median(of func(pair) float64) float64 {
	values := make([]float64, len(ps))
	for i, p := range ps {
		values[i] = of(p)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

func ratio[N ~int64 | ~uint64 | ~uint32](a, b N) float64 { return float64(a) / float64(max(b, 1)) }
