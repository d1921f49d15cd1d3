package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

// scenarios are the stories, in the order in which a form travels.
func scenarios() []scenario {
	return []scenario{
		{Name: "other-credential", What: "a form for another municipality is refused", tell: otherCredential, rests: true},
		{Name: "killed-at-202", What: "what was answered with 202 outlives a kill at that moment", tell: killedAt202, rests: true},
		{Name: "fsync-before-202", What: "no 202 leaves before its fsync, as strace sees it", needs: needsStrace, tell: fsyncBefore202},
		{Name: "same-key-later", What: "a key is the same form after hours and after a month", needs: needsClock, tell: sameKeyLater, rests: true},
		{Name: "odd-content", What: "content that no parser takes is held, and quoted nowhere", tell: oddContent, rests: true},
		{Name: "nobody-forgotten", What: "what comes due late, or was left by a dead process, is found", tell: nobodyForgotten, rests: true},
		{Name: "in-order", What: "a completion waits for what comes before it", tell: inOrder, rests: true},
		{Name: "redirects", What: "a redirect is never followed", tell: redirects},
		{Name: "unclear", What: "an answer that was lost is asked about, or put before a person", tell: unclear, rests: true},
		{Name: "killed-while-sending", What: "a process that dies with a document at a system leaves no double", tell: killedWhileSending, rests: true},
		{Name: "clean-stop", What: "a stop that was asked for leaves nothing in doubt", tell: cleanStop, rests: true},
		{Name: "late-success", What: "a yes that comes after the lease is not thrown away", needs: needsClock, tell: lateSuccess, rests: true},
		{Name: "stale-answer", What: "a no that comes after the lease moves nothing", needs: needsClock, tell: staleAnswer, rests: true},
		{Name: "early-report", What: "a report that comes before the receipt is no receipt for the files", tell: earlyReport, rests: true},
		{Name: "rolling-upgrade", What: "replicas become the next version one by one while forms come in, and do not go back", needs: needsNext, tell: rollingUpgrade, rests: true, replicas: 3},
	}
}

func otherCredential(ctx context.Context, a *act) {
	a.start(ctx)
	f := a.form("plain", 1, 1)
	p := a.platforms.untilAs(ctx, f, f.Key, a.plan.municipalities[1])
	a.expect(p.Status == http.StatusForbidden, "a form for another municipality was answered with %d", p.Status)
	a.post(ctx, f)
}

func killedAt202(ctx context.Context, a *act) {
	for n := range 5 {
		a.start(ctx)
		f := a.form("plain", n, 1)
		a.hook.arm(after202, func() { a.hub.kill("a 202 was read") })
		a.post(ctx, f)
	}
	a.start(ctx)
}

// oneAtATime is how many forms are sent in one after the other to count fsyncs.
const oneAtATime = 15

func needsStrace(o options) string {
	if o.store == ofPostgres {
		return "the store is not the hub's own file"
	}
	if exec.Command("strace", "-f", "-o", os.DevNull, "true").Run() != nil {
		return "strace is not there, or may not look"
	}
	return ""
}

// fsyncBefore202 counts the fsyncs of the store while forms that only come in and are held are sent, one
// at a time: each costs two commits, and no two of them can share an fsync.
func fsyncBefore202(ctx context.Context, a *act) {
	trace := filepath.Join(a.dir, "strace")
	a.hub.command = append([]string{"strace", "-f", "-y", "-e", "trace=fsync,fdatasync", "-e", "signal=none", "-o", trace}, a.hub.command...)
	a.start(ctx)
	before := fsyncs(trace)
	for n := range oneAtATime {
		f := a.form("plain", n, 1)
		f.Oddity = noRoute
		p := a.post(ctx, f)
		a.await(ctx, "a hold", 5*time.Second, func() bool { return a.at(ctx, p.ID, "") == "held" })
	}
	got := fsyncs(trace) - before
	a.expect(got >= 2*oneAtATime, "%d forms were received and held with %d fsyncs of the store", oneAtATime, got)
}

// fsyncs counts those of the store's files in what strace wrote.
func fsyncs(trace string) (n int) {
	file, err := os.Open(trace)
	if err != nil {
		return 0
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if strings.Contains(lines.Text(), "knutpunkt.db") && strings.Contains(lines.Text(), "sync(") {
			n++
		}
	}
	return n
}

func sameKeyLater(ctx context.Context, a *act) {
	a.start(ctx)
	f := a.form("plain", 1, 1)
	first := a.post(ctx, f)
	for _, later := range []time.Duration{2 * time.Hour, 31 * 24 * time.Hour} {
		a.clock(ctx, later)
		again := a.post(ctx, f)
		a.expect(again.ID == first.ID && again.Received.Equal(first.Received), "after %v the same key is %s and not %s", later, again.ID, first.ID)
		other := *f
		other.Source, other.salt = "S-other", 1
		p := a.post(ctx, &other)
		a.expect(p.Status == http.StatusUnprocessableEntity, "after %v other content under the key is answered with %d", later, p.Status)
	}
}

// clock moves the hub's clock further and waits until the hub can have seen it.
func (a *act) clock(ctx context.Context, by time.Duration) {
	a.moveClock(by)
	pause(ctx, 100*time.Millisecond)
}

func oddContent(ctx context.Context, a *act) {
	a.start(ctx)
	for n, spoil := range []func(*form){
		func(f *form) { f.Child, f.Oddity = spoiledNumber(f.Municipality.people[0].ID), badNumber },
		func(f *form) { f.Amount, f.Oddity = `"cirka kanarie"`, unreadable },
		func(f *form) { f.Amount, f.Oddity = `{"kanarie": "kanarie"}`, unreadable },
		func(f *form) { f.Submitted = "2999-12-31T23:59:59Z" },
		func(f *form) { f.Text = "kanarie \u202e \u00a0 👩‍👩‍👧" },
		func(f *form) { f.Lines = []string{"", "kanarie\u0007"} },
	} {
		f := a.form("person", n, 1)
		spoil(f)
		a.post(ctx, f)
	}
}

func nobodyForgotten(ctx context.Context, a *act) {
	a.script(recognises, func(c call) fault {
		if c.Form == "S-0000@1" && c.Nth == 1 {
			return tooMany
		}
		return ""
	})
	a.start(ctx)
	for n := range 6 {
		f := a.form("plain", n, 1)
		a.post(ctx, f)
		a.await(ctx, "the first post", 5*time.Second, func() bool { return n > 0 || a.posts(recognises, f.name()) > 0 })
	}
	a.script(recognises, func(call) fault { return tooMany })
	for n := range 20 {
		a.post(ctx, a.form("plain", 10+n, 1))
	}
	a.hub.kill("with everything waiting")
	a.script(recognises, func(call) fault { return "" })
	a.start(ctx)
}

// inOrder has the first form of one case wait and that of another be refused, at a system whose
// documents do not need the number of what comes before.
func inOrder(ctx context.Context, a *act) {
	var open atomic.Bool
	a.script(recognises, func(c call) fault {
		switch {
		case c.Form == "S-0001@1":
			return refuses
		case c.Form == "S-0002@1" && !open.Load():
			return tooMany
		}
		return ""
	})
	a.start(ctx)
	for number := 1; number <= 2; number++ {
		for version := 1; version <= 3; version++ {
			a.post(ctx, a.form("person", number, version))
		}
		first := fmt.Sprintf("S-%04d@1", number)
		a.await(ctx, "the first post", 10*time.Second, func() bool { return a.posts(recognises, first) > 0 })
	}
	pause(ctx, 1500*time.Millisecond)
	for _, later := range []string{"S-0001@2", "S-0001@3", "S-0002@2", "S-0002@3"} {
		a.expect(a.posts(recognises, later) == 0, "%s overtook what comes before it", later)
	}
	open.Store(true)
}

func redirects(ctx context.Context, a *act) {
	for _, kind := range []string{recognises, tells, forgets} {
		a.script(kind, func(c call) fault {
			return map[string]fault{"S-0001@1": found302, "S-0002@1": redirect307, "S-0003@1": seeOther303}[c.Form]
		})
	}
	for number := 1; number <= 3; number++ {
		a.start(ctx)
		f := a.form("blind", number, 1)
		p := a.post(ctx, f)
		a.await(ctx, "the redirect", 15*time.Second, func() bool { return a.posts(forgets, f.name()) > 0 && a.posts(recognises, f.name()) > 0 })
		a.await(ctx, "a hold of what was redirected", 5*time.Second, func() bool { return a.at(ctx, p.ID, forgets) == "held" })
		a.hub.kill("to close the circuits")
	}
	a.expect(a.sunk.Load() == 0, "%d redirects were followed", a.sunk.Load())
}

func unclear(ctx context.Context, a *act) {
	for _, kind := range []string{recognises, tells, forgets} {
		a.script(kind, func(c call) fault {
			if c.Nth == 1 {
				return lost
			}
			return ""
		})
	}
	a.start(ctx)
	blind, chain := a.post(ctx, a.form("blind", 1, 1)), a.post(ctx, a.form("chain", 2, 1))
	a.await(ctx, "the posts", 5*time.Second, func() bool { return a.posts(forgets, "") > 0 && a.posts(tells, "") > 0 })
	pause(ctx, time.Second)
	a.hub.kill("with answers lost")
	a.start(ctx)
	a.await(ctx, "being held", 10*time.Second, func() bool { return a.at(ctx, blind.ID, forgets) == "held" })
	a.await(ctx, "being found", 20*time.Second, func() bool { return a.at(ctx, chain.ID, tells) == "delivered" })
	a.expect(a.posts(tells, "") == 1, "what can be asked about was sent %d times", a.posts(tells, ""))
}

func killedWhileSending(ctx context.Context, a *act) {
	for _, kind := range []string{recognises, tells, forgets} {
		a.script(kind, func(c call) fault {
			if c.Nth == 1 && c.Kind == voiceOf(a.plan, c.Form) {
				a.hub.kill("a system has a document")
			}
			return "" // it makes the case all the same
		})
	}
	for n, service := range []string{"blind", "chain", "plain"} {
		a.start(ctx)
		f := a.form(service, n, 1)
		a.post(ctx, f)
		a.await(ctx, "the kill", 5*time.Second, func() bool { return a.hub.pid() == 0 })
	}
	a.start(ctx)
}

// voiceOf gives the system that the citizen hears of a form.
func voiceOf(p *plan, name string) string {
	for _, f := range p.forms() {
		if f.name() == name {
			return f.Service.legs[0].To
		}
	}
	return ""
}

func cleanStop(ctx context.Context, a *act) {
	for _, kind := range []string{recognises, forgets} {
		a.script(kind, func(call) fault { time.Sleep(time.Second); return "" })
	}
	a.start(ctx)
	for n := range 3 {
		a.post(ctx, a.form("blind", n, 1))
	}
	a.await(ctx, "the posts", 5*time.Second, func() bool { return a.systems[forgets].began() >= 3 })
	a.expect(a.hub.terminate(20*time.Second), "the hub did not stop cleanly")
	a.start(ctx)
	for _, c := range a.systems[forgets].ledger.all() {
		id, _, _ := strings.Cut(c.Key, "-")
		a.await(ctx, "what was under way being delivered", 5*time.Second, func() bool { return a.at(ctx, id, forgets) == "delivered" })
	}
}

// pastLease is longer than any lease.
const pastLease = 11 * time.Minute

func lateSuccess(ctx context.Context, a *act) {
	answer := make(chan struct{})
	a.script(forgets, func(call) fault { <-answer; return "" })
	a.start(ctx)
	p := a.post(ctx, a.form("blind", 1, 1))
	a.await(ctx, "the post", 5*time.Second, func() bool { return a.systems[forgets].began() == 1 })
	a.clock(ctx, pastLease)
	a.await(ctx, "being held", 20*time.Second, func() bool { return a.at(ctx, p.ID, forgets) == "held" })
	close(answer)
	a.await(ctx, "the late yes being heard", 10*time.Second, func() bool { return a.at(ctx, p.ID, forgets) == "delivered" })
}

// staleAnswer has a first call hang until the row is long in other hands, and then say no, while the
// second call is under way.
func staleAnswer(ctx context.Context, a *act) {
	answers := map[int]chan struct{}{1: make(chan struct{}), 2: make(chan struct{})}
	a.script(recognises, func(c call) fault {
		if answer := answers[c.Nth]; answer != nil {
			<-answer
		}
		if c.Nth == 1 {
			return refuses
		}
		return ""
	})
	a.start(ctx)
	p := a.post(ctx, a.form("plain", 1, 1))
	a.await(ctx, "the post", 5*time.Second, func() bool { return a.systems[recognises].began() == 1 })
	a.moveClock(pastLease)
	a.await(ctx, "the second post", 25*time.Second, func() bool {
		a.moveClock(time.Second) // what waits need not wait as long as it says
		return a.systems[recognises].began() == 2
	})
	close(answers[1])
	pause(ctx, 1500*time.Millisecond)
	a.expect(a.at(ctx, p.ID, recognises) == "on-its-way", "the stale no made it %s", a.at(ctx, p.ID, recognises))
	close(answers[2])
	a.await(ctx, "being delivered", 10*time.Second, func() bool { return a.at(ctx, p.ID, recognises) == "delivered" })
}

func earlyReport(ctx context.Context, a *act) {
	for _, kind := range []string{recognises, tells} {
		a.systems[kind].silent = false
		a.script(kind, func(c call) fault {
			if c.Nth == 1 {
				return lost
			}
			return ""
		})
	}
	a.start(ctx)
	f := a.form("chain", 1, 1)
	f.Files = []file{{Name: canary + ".pdf", Type: "application/pdf", Size: 1000, seed: 1}}
	a.post(ctx, f)
}

// began counts the documents that a system has begun to take, answered or not.
func (s *system) began() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.begun
}
