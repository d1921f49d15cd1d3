package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/bus"
	"github.com/knutpunkt/knutpunkt/hub/store/sqlite"
	"github.com/knutpunkt/knutpunkt/hub/web"
)

// A streaming is what open streams come to.
type streaming struct {
	open    int     // streams, each of a case of its own
	bare    float64 // KiB that a bare net/http stream takes
	memory  float64 // that one of ours takes, for a bare one's
	speed   float64 // lines a second of the storm, for stormRate
	arrived float64 // share of all lines that came to their streams, in order and once
	dropped int     // streams that ended
}

// kept tells whether the budgets are.
func (s streaming) kept() bool {
	return s.memory <= mostMemory && s.dropped == 0 && s.arrived == 1
}

// stormRate is how many lines a second a storm has.
const stormRate = 3000

// measureStreams opens n streams on a bare net/http server and on ours, weighs both while
// they are idle, and has ours tell of a storm that lasts for a time. Who follows is in a
// process of its own.
func measureStreams(n int, lasts time.Duration) (streaming, error) {
	s := streaming{open: min(n, mostStreams())}
	bare, err := weighBare(s.open)
	if err != nil {
		return s, fmt.Errorf("a bare net/http server: %w", err)
	}
	s.bare = bare / 1024
	dir, err := os.MkdirTemp("", "knutpunkt-bench-")
	if err != nil {
		return s, err
	}
	defer os.RemoveAll(dir)
	town, err := openTown(dir, s.open)
	if err != nil {
		return s, err
	}
	defer town.close()
	before := weight()
	a, err := gather(town.web.url, town.paths())
	if err != nil {
		return s, err
	}
	defer a.leave()
	s.memory = (weight() - before) / float64(s.open) / bare
	s.speed, err = town.storm(lasts)
	if err != nil {
		return s, err
	}
	lines, err := town.lines()
	if err != nil {
		return s, err
	}
	seen, err := a.hear(lines)
	s.arrived, s.dropped = ratio(uint64(seen.Lines), lines), seen.Ended
	return s, err
}

// mostStreams is how many connections this process may have, with some left for files.
func mostStreams() int {
	const others = 200
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	limit.Cur = limit.Max
	syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit) // who may not has the limit that there is
	syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit)
	return int(min(limit.Cur, 1<<30)) - others
}

// weight gives the bytes that are in use by what lives: objects and stacks.
func weight() float64 {
	for range 3 {
		runtime.GC() // a stack that was deep once is halved by each
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapInuse + m.StackInuse)
}

// weighBare gives the bytes that a stream takes which does nothing but stay open.
func weighBare(n int) (float64, error) {
	l, err := listen(http.HandlerFunc(stayOpen))
	if err != nil {
		return 0, err
	}
	defer l.close()
	before := weight()
	a, err := gather(l.url, slices.Repeat([]string{"/"}, n))
	if err != nil {
		return 0, err
	}
	defer a.leave()
	return (weight() - before) / float64(n), nil
}

func stayOpen(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	control.SetReadDeadline(time.Time{})
	control.SetWriteDeadline(time.Time{})
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	io.WriteString(w, "retry: 2000\n\n")
	control.Flush()
	<-r.Context().Done()
}

// A town is a hub with cases that move on when their system says so.
type town struct {
	hub    *hub.Hub
	store  *sqlite.Store
	bus    *bus.Bus
	web    *listener
	forms  []hub.ID
	told   int // reports, so far
	cancel context.CancelFunc
	ran    chan error
}

// openTown opens a hub in dir that has n cases, all of which are registered.
func openTown(dir string, n int) (*town, error) {
	keys, err := openKeys(dir)
	if err != nil {
		return nil, err
	}
	log := slog.New(slog.NewJSONHandler(io.Discard, nil))
	t := &town{ran: make(chan error, 1), bus: bus.Memory(log)}
	t.store, err = sqlite.Open(context.Background(), databaseIn(dir), keys, sqlite.Options{Boot: "bench", Clock: time.Now, Log: log})
	if err != nil {
		return nil, err
	}
	t.hub = hub.New(hub.Options{
		Store: t.store, Bus: t.bus, Bundle: registered, Boot: "bench", Clock: time.Now, Jitter: mathrand.Float64, Log: log,
		Systems: []hub.Opened{{
			ID: slowSystem, System: hub.System{Destination: yes{}, Can: hub.Capabilities{"arende": {Level: hub.Idempotent}}},
			Words: map[string]hub.Step{"handläggs": hub.UnderHandlaggning, "komplettera": hub.KompletteringBehov},
		}},
	})
	if err := t.hub.Activate(context.Background(), registered); err != nil {
		return nil, err
	}
	server := web.New(web.Options{Hub: t.hub, Rate: 1e6, Streams: n, Clients: []web.Client{{
		Name: "hemsidan", Municipalities: []hub.Municipality{municipality}, Services: []string{"*"},
		Secrets: []hub.Secret{hub.NewSecret(token)},
	}}})
	if t.web, err = listen(server.Public()); err != nil {
		return nil, err
	}
	var ctx context.Context
	ctx, t.cancel = context.WithCancel(context.Background())
	go func() { t.ran <- t.hub.Run(ctx) }()
	return t, t.settle(n)
}

// registered is a configuration with one route, to a system that says yes to everything.
var registered = &hub.Bundle{
	Revision: "streams", Archive: []byte("streams"),
	Municipalities: map[hub.Municipality]hub.MunicipalityText{municipality: {Code: municipality, Name: "Karlskrona kommun"}},
	Routes: []*hub.Route{{
		Name: "bygglov", Municipality: municipality, From: "karlskrona.hemsidan", Service: "bygglov", Protected: hub.Hold,
		Legs: []hub.Leg{{Name: "diarium", To: slowSystem, Mapping: note{}, Step: hub.Registrerat, Voice: true}},
	}},
}

type note struct{}

func (note) Operation() string { return "arende" }
func (note) Render(hub.Known) (hub.Document, error) {
	return hub.NewDocument("text/plain", []byte("ett ärende")), nil
}

type yes struct{}

func (yes) Deliver(_ context.Context, d hub.Delivery) (hub.Receipt, error) {
	return hub.Receipt{Number: string(d.Key)}, nil
}
func (yes) Find(context.Context, hub.Delivery) (hub.Receipt, error) {
	return hub.Receipt{}, hub.ErrNotFound
}

// settle receives n forms, each of a case of its own, and waits until all are registered.
func (t *town) settle(n int) error {
	t.forms = make([]hub.ID, n)
	var all sync.WaitGroup
	var next atomic.Int64
	failed := make(chan error, 256)
	for range cap(failed) {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				r, err := t.hub.Receive(context.Background(), hub.Arrival{Now: time.Now(), Submission: hub.Submission{
					Municipality: municipality, Service: "bygglov", Answers: hub.NewAnswers(map[string]any{}),
					Source: hub.Ref{System: "karlskrona.hemsidan", ID: fmt.Sprint(i)},
				}})
				if err != nil {
					failed <- err
					return
				}
				t.forms[i] = r.Submission.ID
			}
		})
	}
	all.Wait()
	close(failed)
	if err := <-failed; err != nil {
		return err
	}
	const linesEach = 2 // Inkommet and Registrerat
	for last, since := uint64(0), time.Now(); ; time.Sleep(10 * time.Millisecond) {
		lines, err := t.lines()
		switch {
		case err != nil || lines == linesEach*uint64(n):
			return err
		case lines > last:
			last, since = lines, time.Now()
		case time.Since(since) > time.Minute:
			return fmt.Errorf("%d lines of %d cases", lines, n)
		}
	}
}

// lines gives how many lines the feed has.
func (t *town) lines() (uint64, error) { return t.store.FeedEnd(context.Background()) }

func (t *town) paths() []string {
	paths := make([]string, len(t.forms))
	for i, id := range t.forms {
		paths[i] = "/v1/submissions/" + string(id) + "/events"
	}
	return paths
}

// storm has the system tell of case after case, stormRate times a second. It gives how
// much of that speed the hub kept up with.
func (t *town) storm(lasts time.Duration) (speed float64, err error) {
	const beat = 20 * time.Millisecond
	const each = int(stormRate * beat / time.Second)
	tick := time.NewTicker(beat)
	defer tick.Stop()
	begun := time.Now()
	for range lasts / beat {
		if _, err := t.hub.Hear(context.Background(), slowSystem, t.reports(each)); err != nil {
			return 0, err
		}
		<-tick.C
	}
	return ratio(lasts, time.Since(begun)), nil
}

// reports gives the next n: each case by turns is handled, and then to be completed.
func (t *town) reports(n int) []hub.Report {
	reports := make([]hub.Report, n)
	for i := range reports {
		word := "handläggs"
		if t.told/len(t.forms)%2 == 1 {
			word = "komplettera"
		}
		form := t.forms[t.told%len(t.forms)]
		reports[i] = hub.Report{ID: fmt.Sprint(t.told), Key: hub.KeyOf(form, "diarium"), Word: word, At: time.Now()}
		t.told++
	}
	return reports
}

func (t *town) close() {
	t.web.close()
	t.cancel()
	<-t.ran
	t.bus.Close()
	t.store.Close()
}
