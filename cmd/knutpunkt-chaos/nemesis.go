package main

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/navet/navetsim"
	"github.com/knutpunkt/knutpunkt/connectors/sif/sifsim"
)

// A nemesis does to the hub what happens to programs, and to its surroundings what happens to those.
type nemesis struct {
	stage *stage
	rng   *rand.Rand

	mu        sync.Mutex
	struck    map[moment]int
	faults    int // of the register and of the diaria
	failed    []error
	takeovers []takeover
	away      []absence
	watching  sync.WaitGroup // for takeovers
}

func newNemesis(s *stage) *nemesis {
	return &nemesis{stage: s, rng: rand.New(rand.NewPCG(s.plan.seed, 2)), struck: map[moment]int{}}
}

// rage strikes for a while, and leaves a hub that runs.
func (n *nemesis) rage(ctx context.Context, kills int, during time.Duration) {
	ctx, calm := context.WithCancel(ctx)
	var all sync.WaitGroup
	all.Go(func() {
		begun := time.Now()
		n.strikeHub(ctx, kills, during)
		pause(ctx, during-time.Since(begun))
		calm()
	})
	all.Go(func() { n.spoilLines(ctx) })
	all.Go(func() { n.failRegister(ctx) })
	all.Go(func() { n.failDiaria(ctx) })
	all.Go(func() { n.stopBroker(ctx, during) })
	all.Wait()
	n.watching.Wait()
}

// strikeHub kills, stops and pauses the process, or one replica after the other, at moments that are
// drawn. It strikes as often as it is to, also when that takes longer than was meant.
func (n *nemesis) strikeHub(ctx context.Context, kills int, during time.Duration) {
	begun := time.Now()
	for i := range kills {
		at := time.Duration(float64(during) / float64(kills) * (float64(i) + 0.2 + 0.5*n.rng.Float64()))
		pause(ctx, at-time.Since(begun))
		if ctx.Err() != nil {
			return
		}
		h := n.stage.hubs[n.rng.IntN(len(n.stage.hubs))]
		switch n.rng.IntN(6) {
		case 0:
			h.pause(ctx, time.Duration(300+n.rng.IntN(1500))*time.Millisecond)
		case 1:
			h.terminate(2 * time.Second) // in the middle of things it may take longer: then it dies
			n.revive(ctx, h, 0)
		}
		n.killAt(ctx, h, moments[i%len(moments)])
		n.revive(ctx, h, time.Duration(n.rng.IntN(3))*700*time.Millisecond)
		if n.rng.IntN(3) == 0 { // again, while it picks itself up
			pause(ctx, time.Duration(n.rng.IntN(400))*time.Millisecond)
			n.kill(ctx, h, "twice")
			n.revive(ctx, h, 0)
		}
		if i == kills/2 {
			n.restartPostgres(ctx)
		}
	}
}

// kill kills a replica, and sees how the others take over what it had in hand.
func (n *nemesis) kill(ctx context.Context, h *hub, why string) bool {
	boot := h.hand()
	if !h.kill(why) {
		return false
	}
	if killed := time.Now(); boot != "" {
		n.watching.Go(func() {
			if t, seen := n.stage.watch(context.WithoutCancel(ctx), h.name, boot, killed); seen {
				n.mu.Lock()
				defer n.mu.Unlock()
				n.takeovers = append(n.takeovers, t)
			}
		})
	}
	return true
}

// killAt kills a replica when a moment comes, or, if it does not come soon, now. Of several it is not
// always the one whose moment it was.
func (n *nemesis) killAt(ctx context.Context, h *hub, m moment) {
	if m != anyTime {
		n.stage.hook.arm(m, func() { n.kill(ctx, h, string(m)) })
		for range 40 {
			pause(ctx, 50*time.Millisecond)
			if !n.stage.hook.waiting() {
				n.note(m)
				return
			}
		}
		if n.stage.hook.disarm() {
			n.note(m)
			return
		}
	}
	if n.kill(ctx, h, string(anyTime)) {
		n.note(anyTime)
	}
}

func (n *nemesis) note(m moment) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.struck[m]++
}

// revive starts a hub again after a while. A hub that does not start is a finding of its own.
func (n *nemesis) revive(ctx context.Context, h *hub, after time.Duration) {
	pause(ctx, after)
	if err := n.stage.start(context.WithoutCancel(ctx), h); err != nil {
		n.mu.Lock()
		n.failed = append(n.failed, err)
		n.mu.Unlock()
	}
}

// restartPostgres ends the database under all replicas at once, without a checkpoint, and starts it.
func (n *nemesis) restartPostgres(ctx context.Context) {
	if n.stage.database == "" || ctx.Err() != nil {
		return
	}
	n.stage.struck = append(n.stage.struck, blow{At: time.Now(), To: ofPostgres, What: "kill"})
	n.keepAway(ofPostgres, func() error {
		err := n.stage.engines.postgres.Kill()
		if err == nil {
			err = n.stage.engines.postgres.Start(context.WithoutCancel(ctx))
		}
		return err
	})
}

// keepAway notes from when to when an engine is away.
func (n *nemesis) keepAway(of string, do func() error) {
	away := absence{Of: of, From: time.Now()}
	err := do()
	away.To = time.Now()
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.away = append(n.away, away); err != nil {
		n.failed = append(n.failed, err)
	}
}

// awayFor is how long the broker is away at most.
const awayFor = time.Minute

// stopBroker has the broker away for a third of the time. What is due must be found all the same.
func (n *nemesis) stopBroker(ctx context.Context, during time.Duration) {
	if n.stage.engines == nil || n.stage.engines.kafka == nil {
		return
	}
	pause(ctx, during/5)
	n.keepAway(ofKafka, func() error {
		stopped := n.stage.engines.kafka.Kill(1)
		pause(ctx, min(during/3, awayFor))
		return errors.Join(stopped, n.stage.engines.kafka.Start(context.WithoutCancel(ctx), 1))
	})
}

// spoilLines spoils the line to one system after the other.
func (n *nemesis) spoilLines(ctx context.Context) {
	rng := rand.New(rand.NewPCG(n.stage.plan.seed, 3))
	for ctx.Err() == nil {
		pause(ctx, time.Duration(1000+rng.IntN(2500))*time.Millisecond)
		r := n.stage.relays[rng.IntN(len(n.stage.relays))]
		r.spoil(ctx, toxics[rng.IntN(len(toxics))], time.Duration(200+rng.IntN(1000))*time.Millisecond)
	}
}

// failRegister lets the register fail, now and then for a while.
func (n *nemesis) failRegister(ctx context.Context) {
	rng := rand.New(rand.NewPCG(n.stage.plan.seed, 4))
	ways := []navetsim.Fault{navetsim.Down, navetsim.Page, navetsim.Garbage, navetsim.Truncated, navetsim.TooMany}
	for ctx.Err() == nil {
		pause(ctx, time.Duration(500+rng.IntN(4000))*time.Millisecond)
		way := ways[rng.IntN(len(ways))]
		if rng.IntN(3) > 0 {
			n.stage.register.Fail(way)
		} else {
			n.stage.register.FailAlways(way)
			pause(ctx, time.Duration(300+rng.IntN(1200))*time.Millisecond)
			n.stage.register.Mend()
		}
		n.count()
	}
}

// failDiaria lets one diarium or another fail once, in a way of its own.
func (n *nemesis) failDiaria(ctx context.Context) {
	rng := rand.New(rand.NewPCG(n.stage.plan.seed, 5))
	ways := []sifsim.Fault{
		{Way: sifsim.Lost}, {Way: sifsim.FailBefore}, {Way: sifsim.FailAfter}, {Way: sifsim.Truncated}, {Way: sifsim.LoginPage},
		{Way: sifsim.Redirect}, {Way: sifsim.Blank}, {Way: sifsim.Lost, At: "DocumentService/CreateDocument"},
		{Way: sifsim.FailAfter, At: "DocumentService/CreateDocument"}, {Way: sifsim.RefuseSuccessful}, {Way: sifsim.Refuse},
	}
	for ctx.Err() == nil {
		pause(ctx, time.Duration(500+rng.IntN(1500))*time.Millisecond)
		for _, folder := range slices.Sorted(maps.Keys(n.stage.diaria)) {
			if rng.IntN(3) == 0 {
				n.stage.diaria[folder].Fail(ways[rng.IntN(len(ways))])
				n.count()
			}
		}
	}
}

func (n *nemesis) count() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.faults++
}

// mend ends everything that fails.
func (s *stage) mend() {
	for _, x := range s.systems {
		x.heal()
	}
	s.register.Mend()
	for _, d := range s.diaria {
		d.Heal()
	}
}
