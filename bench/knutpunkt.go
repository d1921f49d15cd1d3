package main

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/json"
	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/bus"
	"github.com/knutpunkt/knutpunkt/hub/config"
	"github.com/knutpunkt/knutpunkt/hub/outbound"
	"github.com/knutpunkt/knutpunkt/hub/store/sqlite"
	"github.com/knutpunkt/knutpunkt/hub/web"
)

// A knutpunkt is the real one, wired as `knutpunkt serve` wires it: everything but the
// metrics' wrappers and the connectors, which are as small as the neighbours are.
type knutpunkt struct {
	hub    *hub.Hub
	store  *sqlite.Store
	bus    *bus.Bus
	web    *listener
	cancel context.CancelFunc
	ran    chan error
}

func openKnutpunkt(dir string, at *neighbours) (junction, error) {
	keys, err := openKeys(dir)
	if err != nil {
		return nil, err
	}
	bundle, systems, err := configure(dir, at)
	if err != nil {
		return nil, err
	}
	k := &knutpunkt{ran: make(chan error, 1)}
	log, boot := slog.New(slog.NewJSONHandler(io.Discard, nil)), rand.Text()
	o := sqlite.Options{Boot: boot, Clock: time.Now, Log: log}
	k.store, err = sqlite.Open(context.Background(), databaseIn(dir), keys, o)
	if err != nil {
		return nil, err
	}
	k.bus = bus.Memory(log)
	k.hub = hub.New(hub.Options{
		Store: k.store, Bus: k.bus, Bundle: bundle, Reopen: config.Open, Systems: systems,
		Boot: boot, Clock: time.Now, Jitter: mathrand.Float64, Log: log,
	})
	if err := k.hub.Activate(context.Background(), bundle); err != nil {
		return nil, err
	}
	server := web.New(web.Options{
		Hub: k.hub, Rate: 1e6, // more than anybody posts: how fast it can be is what is measured
		Clients: []web.Client{{
			Name: "hemsidan", Municipalities: []hub.Municipality{municipality}, Services: []string{"*"},
			Secrets: []hub.Secret{hub.NewSecret(token)}, Systems: []string{"hemsidan"},
		}},
	})
	k.web, err = listen(server.Public())
	return k, err
}

// configure writes the installation to a folder within dir, with the neighbours' address
// in it, and reads it as serve does.
func configure(dir string, at *neighbours) (*hub.Bundle, []hub.Opened, error) {
	dir, err := os.MkdirTemp(dir, "config-")
	if err != nil {
		return nil, nil, err
	}
	if err := os.CopyFS(dir, installation(".")); err != nil {
		return nil, nil, err
	}
	file := filepath.Join(dir, "routes/karlskrona/systems.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, err
	}
	text = []byte(strings.ReplaceAll(string(text), "PORT", at.port))
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, nil, err
	}
	archive, err := config.Read(os.DirFS(dir))
	if err != nil {
		return nil, nil, err
	}
	bundle, err := config.Open(archive)
	if err != nil {
		return nil, nil, err
	}
	systems, err := connect(dir)
	return bundle, systems, err
}

func connect(dir string) ([]hub.Opened, error) {
	kinds := map[string]hub.Connector{}
	for _, c := range connectors {
		kinds[c.Name] = c
	}
	configured, err := config.Systems(dir, connectors)
	if err != nil {
		return nil, err
	}
	var opened []hub.Opened
	for _, c := range configured {
		var grants []outbound.Grant
		for _, address := range c.Addresses {
			g, err := outbound.GrantFor(address)
			if err != nil {
				return nil, err
			}
			grants = append(grants, g)
		}
		door := outbound.Open(grants, nil, time.Now)
		system, err := kinds[c.Connector].Open(context.Background(), hub.Env{
			ID: c.ID, HTTP: door.HTTP(), Reads: door.Reads(), Dial: door.Dial,
			Log: slog.New(slog.DiscardHandler), Clock: time.Now,
		}, c.Decode)
		if err != nil {
			return nil, err
		}
		opened = append(opened, hub.Opened{System: system, ID: c.ID, Concurrency: c.Concurrency})
	}
	return opened, nil
}

var connectors = []hub.Connector{json.New, neighbourly}

func (k *knutpunkt) url() string { return k.web.url }

func (k *knutpunkt) start() error {
	ctx, cancel := context.WithCancel(context.Background())
	k.cancel = cancel
	go func() { k.ran <- k.hub.Run(ctx) }()
	return nil
}

// completed counts the forms that have come all the way, by their rows.
func (k *knutpunkt) completed() int {
	counts, err := k.store.Counts(context.Background(), time.Now())
	if err != nil {
		return 0
	}
	return int(counts.States[hub.Completed])
}

func (k *knutpunkt) close() {
	k.web.close()
	if k.cancel != nil {
		k.cancel()
		<-k.ran
	}
	k.bus.Close()
	k.store.Close()
}
