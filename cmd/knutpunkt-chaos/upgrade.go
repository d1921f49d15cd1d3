package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

// next has a chaos build be the version that comes after it: its database has one migration more.
const next = "KNUTPUNKT_CHAOS_NEXT"

func needsNext(o options) string {
	_, err := exec.LookPath("go")
	switch {
	case o.store != ofPostgres:
		return "one process has the store for itself, so replicas cannot be replaced"
	case err != nil && !knowsNext(o.binary):
		return "this binary cannot be the next version, and there is no go to build one that can"
	}
	return ""
}

func knowsNext(binary string) bool {
	program, err := os.ReadFile(binary)
	return err == nil && bytes.Contains(program, []byte(next))
}

// While a version is replaced, so many send forms, one after the other, and each of them so many at most.
const (
	upgradeSenders = 3
	upgradeForms   = 90
)

// rollingUpgrade replaces one replica after the other by the next version while forms come in. What has
// been at the next version does not go back.
func rollingUpgrade(ctx context.Context, a *act) {
	if !a.becomeChaosBuild(ctx) {
		return
	}
	if err := a.startAll(ctx); err != nil {
		a.bad = append(a.bad, err.Error())
		return
	}
	sending, replaced := context.WithCancel(ctx)
	sent := a.sendMeanwhile(sending)
	before := a.hub.env
	for _, h := range a.hubs {
		pause(ctx, time.Second)
		a.expect(h.terminate(40*time.Second), "%s did not stop cleanly", h.name)
		h.env = append(h.env[:len(h.env):len(h.env)], next+"=1")
		if err := a.stage.start(ctx, h); err != nil {
			a.bad = append(a.bad, "the next version: "+err.Error())
		}
	}
	pause(ctx, time.Second)
	replaced()
	forms := <-sent
	a.expect(forms >= upgradeSenders, "only %d forms were sent while replicas were replaced", forms)
	a.refuses(ctx, before)
}

// becomeChaosBuild has all processes of the act be of a build that can be the next version.
func (a *act) becomeChaosBuild(ctx context.Context) bool {
	if knowsNext(a.binary) {
		return true
	}
	a.binary = filepath.Join(a.dir, "knutpunkt-chaos-build")
	build := exec.CommandContext(ctx, "go", "build", "-tags", "chaos", "-o", a.binary, "github.com/knutpunkt/knutpunkt/cmd/knutpunkt")
	if out, err := build.CombinedOutput(); err != nil {
		a.bad = append(a.bad, fmt.Sprintf("build the next version: %v: %.300s", err, out))
		return false
	}
	for _, h := range a.hubs {
		h.command = []string{a.binary}
	}
	return true
}

// sendMeanwhile sends forms until ctx is done, and then gives how many.
func (a *act) sendMeanwhile(ctx context.Context) <-chan int {
	var waiting [upgradeSenders][]*form // made before: the plan is nobody's to change meanwhile
	for i := range waiting {
		for n := range upgradeForms {
			service := []string{"plain", "chain", "blind"}[n%3]
			waiting[i] = append(waiting[i], a.form(service, i*upgradeForms+n, 1))
		}
	}
	var all sync.WaitGroup
	counts := make([]int, len(waiting))
	for i, forms := range waiting {
		all.Go(func() {
			for _, f := range forms {
				if ctx.Err() != nil {
					return
				}
				a.post(context.WithoutCancel(ctx), f)
				counts[i]++
				pause(ctx, 50*time.Millisecond)
			}
		})
	}
	sent := make(chan int, 1)
	go func() {
		all.Wait()
		n := 0
		for _, c := range counts {
			n += c
		}
		sent <- n
	}()
	return sent
}

// refuses expects that a process with this environment, that of the version before, does not start.
func (a *act) refuses(ctx context.Context, env []string) {
	at, err := freeAddresses()
	if err != nil {
		a.bad = append(a.bad, err.Error())
		return
	}
	old := &hub{name: "hub-old", in: a.in, at: at, command: []string{a.binary}, env: env, logs: a.hub.logs}
	if old.start(ctx) == nil {
		a.bad = append(a.bad, "the old version starts on what the next one has made of the database")
		old.kill("it should not run")
	}
}
