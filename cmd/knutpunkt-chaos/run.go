package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"time"
)

// run tells the whole story: what is to run, the directed scenarios, the random run, and the report.
func (o options) run(ctx context.Context, out io.Writer) (code int) {
	r := &report{Seed: o.seed, Revision: revision(), Began: time.Now().UTC()}
	fmt.Fprintf(out, "seed %d, revision %s\n", r.Seed, r.Revision)
	dir, remove, err := o.folder()
	if err != nil {
		return r.failed(out, o.report, err)
	}
	defer func() {
		if code == exitHeld {
			remove()
		} else {
			fmt.Fprintln(out, "everything is kept in", dir)
		}
	}()
	if o.binary == "" {
		if o.binary, err = build(ctx, dir); err != nil {
			return r.failed(out, o.report, err)
		}
	}
	r.Binary = versionOf(ctx, o.binary)
	fmt.Fprintln(out, r.Binary)
	if o.engines == nil {
		if o.engines, err = openEngines(ctx, filepath.Join(dir, "engines"), o.store, o.bus); err != nil {
			return r.failed(out, o.report, err)
		}
		defer o.engines.close()
	}
	o.playAll(ctx, filepath.Join(dir, "scenarios"), func(p played) { r.add(out, p) })
	if len(o.scenarios) == 0 || slices.Contains(o.scenarios, none) {
		if err := o.random(ctx, filepath.Join(dir, "random"), out, r); err != nil {
			return r.failed(out, o.report, err)
		}
	}
	if len(o.scenarios) == 0 || slices.Contains(o.scenarios, growth) {
		if err := o.grow(ctx, filepath.Join(dir, growth), out, r); err != nil {
			return r.failed(out, o.report, err)
		}
	}
	if ctx.Err() != nil {
		return r.failed(out, o.report, fmt.Errorf("it was interrupted"))
	}
	return r.end(out, o.report)
}

// folder gives where everything is kept, and what removes it.
func (o options) folder() (dir string, remove func(), err error) {
	if o.dir != "" {
		return o.dir, func() {}, os.MkdirAll(o.dir, 0o700)
	}
	dir, err = os.MkdirTemp("", "knutpunkt-chaos-")
	return dir, func() { os.RemoveAll(dir) }, err
}

// random plays the random run: forms come in while things fail, then everything is mended, and when all
// has come to rest it is held against the ledgers.
func (o options) random(ctx context.Context, dir string, out io.Writer, r *report) error {
	during := o.duration * 45 / 100
	s, err := o.openStage(ctx, dir, o.replicas, o.env, draw(o.seed, o.municipalities, o.forms, during*9/10))
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.startAll(ctx); err != nil {
		return err
	}
	fmt.Fprintf(out, "random run: %d municipalities, %d forms, %d kills within %v\n", o.municipalities, len(s.plan.forms()), o.kills, during)
	e := s.perform(ctx, o.kills, during)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := s.conclude(ctx, e); err != nil {
		return err
	}
	r.judge(newView(e))
	r.print(out)
	return nil
}

// perform has forms come in while the nemesis rages, mends everything, and waits for rest.
func (s *stage) perform(ctx context.Context, kills int, during time.Duration) *evidence {
	e := &evidence{}
	follow := newCitizens(ctx, s.platforms, s.plan)
	follow.choose()
	sending, stop := context.WithTimeout(ctx, during+2*time.Minute)
	defer stop()
	sent := make(chan struct{})
	go func() { s.platforms.send(sending, s.plan); close(sent) }()
	n := newNemesis(s)
	n.rage(ctx, kills, during)
	s.mend()
	e.mended = time.Now()
	for _, h := range s.hubs {
		n.revive(ctx, h, 0)
	}
	<-sent
	e.postingEnded = time.Now()
	s.awaitRest(ctx, e, restAfterRetries+10*time.Second)
	e.readings = follow.end()
	e.feeds = map[string][]line{}
	for _, r := range e.readings {
		e.feeds[r.ID] = follow.whole(context.WithoutCancel(ctx), r)
	}
	e.struck, e.faults, e.takeovers, e.away = n.struck, n.faults, n.takeovers, n.away
	for _, err := range n.failed {
		e.failures = append(e.failures, err.Error())
	}
	return e
}

// awaitRest waits until nothing moves by itself any more.
func (s *stage) awaitRest(ctx context.Context, e *evidence, within time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for quiet := 0; ctx.Err() == nil; {
		now := &evidence{}
		if s.readAPI(ctx, now) == nil && atRest(now.shown) {
			if quiet++; quiet == 1 {
				e.rested = time.Now()
			}
			if quiet == 3 { // what the systems still had to tell has been told
				return
			}
		} else {
			quiet, e.rested = 0, time.Time{}
		}
		pause(ctx, 700*time.Millisecond)
	}
	e.rested = time.Time{}
}

// atRest reports whether everything is delivered, withdrawn, or waits for a person.
func atRest(shown map[string]submission) bool {
	held := map[string]bool{}
	for _, x := range shown {
		if x.State == "held" {
			held[x.Case] = true
		}
	}
	for _, x := range shown {
		switch x.State {
		case "received", "looking-up", "waiting":
			return false
		case "on-its-way":
			if !held[x.Case] {
				return false
			}
		}
		for _, d := range x.Deliveries {
			switch d.State {
			case "on-its-way", "retrying", "unclear":
				return false
			case "waiting":
				if !held[x.Case] {
					return false
				}
			}
		}
	}
	return true
}

// conclude asks everything that can only be asked at the end.
func (s *stage) conclude(ctx context.Context, e *evidence) error {
	s.sendAgain(ctx, e)
	s.platforms.client.CloseIdleConnections()
	pause(ctx, time.Second)
	e.after = s.usageOf(s.hub.pid())
	e.after.Goroutines = s.goroutines(ctx)
	for _, h := range s.hubs {
		if !h.terminate(40 * time.Second) {
			e.failures = append(e.failures, h.name+" did not stop when it was asked to")
		}
	}
	if err := s.startAll(ctx); err != nil {
		return err
	}
	s.awaitRest(ctx, &evidence{}, restWithin)
	e.before = s.usageOf(s.hub.pid())
	e.before.Goroutines = s.goroutines(ctx)
	if err := s.collect(ctx, e); err != nil {
		return err
	}
	for _, h := range s.hubs {
		h.terminate(40 * time.Second)
	}
	own, err := s.spill.search(s.in.dir)
	if err != nil {
		return err
	}
	others, err := s.searchEngines(ctx)
	e.searched, e.spilled, e.heard = own+others, s.spill.findings(), s.spill.heard
	return err
}

// sendAgain sends some of what was received again, the same and otherwise, under the same keys.
func (s *stage) sendAgain(ctx context.Context, e *evidence) {
	rng := rand.New(rand.NewPCG(s.plan.seed, 6))
	all := s.platforms.ledger.all()
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	forms := map[string]*form{}
	for _, f := range s.plan.forms() {
		forms[f.name()] = f
	}
	for _, p := range all {
		if f := forms[p.Form]; p.What == ok && p.Salt == 0 && len(e.again) < 40 {
			e.again = append(e.again, s.platforms.until(ctx, f, p.Key), s.platforms.until(ctx, f.salted(), p.Key))
		}
	}
}

func (s *stage) goroutines(ctx context.Context) float64 {
	var e evidence
	if s.readMetrics(ctx, &e) != nil {
		return 0
	}
	return e.metrics["go_goroutines"]
}

// revision is that of the harness itself.
func revision() string {
	info, found := debug.ReadBuildInfo()
	if found {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				return s.Value
			}
		}
	}
	return "unknown"
}
