package verbs

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors"
	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/bus"
	"github.com/knutpunkt/knutpunkt/hub/config"
	"github.com/knutpunkt/knutpunkt/hub/meter"
	"github.com/knutpunkt/knutpunkt/hub/outbound"
	"github.com/knutpunkt/knutpunkt/hub/web"
)

// An installation is one Knutpunkt, wired: what serve runs, and what the demo runs
// beside its simulators.
type installation struct {
	dir       string
	overrides []config.Override
	settings  *config.Settings
	systems   []hub.Opened
	log       *slog.Logger
	store     hub.Store
	bus       hub.Bus
	statuses  *bus.Statuses // the topic that the feed is made known on; nil for none
	meter     *meter.Meter
	hub       *hub.Hub
	web       *web.Server
}

// A seam is where something may come between the hub and what it works with. Nothing
// does, but in the chaos build: clocks that jump, calls that fail or kill.
var seam = struct {
	clock    func() time.Time
	sweep    time.Duration // between looks for due rows; 0 is the hub's own
	lowWater int64         // free bytes below which nothing is accepted; 0 is the store's own
	store    func(hub.Store) hub.Store
	bus      func(hub.Bus) hub.Bus
	env      func(hub.Env) hub.Env                     // lent to a connector
	system   func(hub.SystemID, hub.System) hub.System // as the connector opened it
	incoming func(http.Handler) http.Handler           // calls to the public API

	origin      func(origin) origin // of a move
	destination func(destination) destination
}{
	clock: time.Now, store: asItIs[hub.Store], bus: asItIs[hub.Bus], env: asItIs[hub.Env],
	system: func(_ hub.SystemID, s hub.System) hub.System { return s }, incoming: asItIs[http.Handler],
	origin: asItIs[origin], destination: asItIs[destination],
}

func asItIs[T any](t T) T { return t }

// open wires an installation out of the configuration in dir, top to bottom. Whatever
// before is, it stands before the Store and sees all that happens.
func open(ctx context.Context, dir string, overrides []config.Override, log *slog.Logger,
	before ...func(hub.Store) hub.Store) (*installation, error) {
	in := &installation{dir: dir, overrides: overrides, log: log, meter: meter.New(seam.clock)}
	var err error
	if in.settings, err = config.ReadSettings(dir, overrides...); err != nil {
		return nil, err
	}
	bundle, err := readBundle(dir)
	if err != nil {
		return nil, err
	}
	boot := rand.Text()
	if err := in.trace(in.settings.Traces, boot); err != nil {
		return nil, err
	}
	kept, err := openStore(ctx, in.settings, boot, log)
	if err != nil {
		return nil, err
	}
	in.store = in.meter.Store(seam.store(kept))
	for _, wrap := range before {
		in.store = wrap(in.store)
	}
	if in.systems, err = in.openSystems(ctx); err != nil {
		in.close()
		return nil, err
	}
	wakes, statuses, err := openBus(in.settings.Kafka, log)
	if err != nil {
		in.close()
		return nil, err
	}
	in.bus, in.statuses = seam.bus(in.meter.Bus(wakes)), statuses
	in.hub = hub.New(hub.Options{
		Store: in.store, Bus: in.bus, Publisher: publisher(statuses), Bundle: bundle, Reopen: config.Open, Systems: in.systems,
		Boot: boot, Clock: seam.clock, Jitter: mathrand.Float64, Log: log, Sweep: seam.sweep,
		Trace: in.meter.Stages(),
	})
	if err := in.hub.Activate(ctx, bundle); err != nil {
		in.close()
		return nil, fmt.Errorf("store the configuration: %w", err)
	}
	in.meter.Watch(in.hub, in.store, log)
	login, err := loginFor(in.settings.Login)
	if err != nil {
		in.close()
		return nil, err
	}
	in.web = web.New(web.Options{
		Hub: in.hub, Clients: clients(in.settings), People: operators(in.settings), Proxies: in.settings.Proxies,
		Version: version(), Restored: kept.Restored, Login: login,
	})
	in.meter.Streams(in.web.Streams)
	return in, nil
}

// close lets go of everything that open took, as far as it came.
func (in *installation) close() {
	if in.bus != nil {
		in.bus.Close()
	}
	if in.statuses != nil {
		in.statuses.Close()
	}
	for _, s := range in.systems {
		if s.Close != nil {
			s.Close()
		}
	}
	if in.store != nil {
		in.store.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), tracePatience)
	defer cancel()
	in.meter.Close(ctx)
}

// tracePatience is how long what waits to be told a collector may delay the end.
const tracePatience = 3 * time.Second

// trace has it told how long things take, through a door that leads to the collector alone.
func (in *installation) trace(t *config.Traces, boot string) error {
	if t == nil {
		return nil
	}
	grants, err := grantsFor([]string{t.To})
	if err != nil {
		return fmt.Errorf("knutpunkt.yaml:%d: traces: %w", t.Line, err)
	}
	settings, err := tlsFor(t.TLS)
	if err != nil {
		return fmt.Errorf("knutpunkt.yaml:%d: traces: tls: %w", t.Line, err)
	}
	in.meter.Trace(meter.Traces{
		To: t.To, Ratio: t.Ratio, Token: t.Token, HTTP: outbound.Open(grants, settings, seam.clock).HTTP(),
		Boot: boot, Version: version(), Log: in.log,
	})
	return nil
}

// readBundle reads, checks and compiles what the municipalities' people write.
func readBundle(dir string) (*hub.Bundle, error) {
	if problems := config.Check(os.DirFS(dir), connectors.All); len(problems) > 0 {
		return nil, config.Problems(problems)
	}
	archive, err := config.Read(os.DirFS(dir))
	if err != nil {
		return nil, err
	}
	return config.Open(archive)
}

// openSystems connects every system of every municipality, each behind a door of
// its own.
func (in *installation) openSystems(ctx context.Context) ([]hub.Opened, error) {
	configured, err := config.Systems(in.dir, connectors.All)
	if err != nil {
		return nil, err
	}
	byName := map[string]hub.Connector{}
	for _, c := range connectors.All {
		byName[c.Name] = c
	}
	var opened []hub.Opened
	var failed []error
	for _, c := range configured {
		system, err := in.openSystem(ctx, byName[c.Connector], c)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		opened = append(opened, hub.Opened{
			System: in.meter.System(c.ID, c.Connector, seam.system(c.ID, system)), ID: c.ID, Words: c.Words,
			Concurrency: c.Concurrency, Pace: c.Pace, Poll: c.Poll, Closed: within(c.Maintenance),
			Reports: c.Reports, Connector: c.Connector,
		})
	}
	return opened, errors.Join(failed...)
}

// within tells whether a time lies in one of the windows.
func within(windows []config.Window) func(time.Time) bool {
	return func(t time.Time) bool {
		return slices.ContainsFunc(windows, func(w config.Window) bool { return w.Holds(t) })
	}
}

func (in *installation) openSystem(ctx context.Context, c hub.Connector, s config.System) (hub.System, error) {
	door, settings, err := doorTo(s, in.meter.Calls(s.ID))
	if err != nil {
		return hub.System{}, err
	}
	return c.Certified(s.Certificates...).Open(ctx, seam.env(hub.Env{
		ID: s.ID, HTTP: door.HTTP(), Reads: door.Reads(), Dial: door.Dial, TLS: settings,
		Log: in.log.With("system", s.ID), Clock: seam.clock,
		Mapping:   func(name string) (hub.Mapping, error) { return config.Mapping(os.DirFS(in.dir), name) },
		Residents: hub.ResidentsOf(in.store, s.ID, s.Municipality),
	}), s.Decode)
}

// doorTo gives the way out to one system, and what is shown and wanted there of
// certificates. Whoever stands beside the door sees each call.
func doorTo(s config.System, beside ...func(http.RoundTripper) http.RoundTripper) (*outbound.Door, *tls.Config, error) {
	grants, err := grantsFor(s.Addresses)
	if err != nil {
		return nil, nil, fmt.Errorf("%s:%d: %w", s.File, s.Line, err)
	}
	settings, err := tlsFor(s.TLS)
	if err != nil {
		return nil, nil, fmt.Errorf("%s:%d: tls: %w", s.File, s.Line, err)
	}
	return outbound.Open(grants, settings, seam.clock, beside...), settings, nil
}

// grantsFor makes of the addresses that somebody has written leave to call them.
func grantsFor(addresses []string) ([]outbound.Grant, error) {
	var grants []outbound.Grant
	for _, address := range addresses {
		g, err := outbound.GrantFor(address)
		if err != nil {
			return nil, err
		}
		grants = append(grants, g)
	}
	return grants, nil
}

// loginFor gives citizens their way in, through a door that leads to the e-ID alone; nil
// where there are no pages for them.
func loginFor(l *config.Login) (*web.Login, error) {
	if l == nil {
		return nil, nil
	}
	grants, err := grantsFor(l.Addresses)
	if err != nil {
		return nil, fmt.Errorf("knutpunkt.yaml:%d: login: %w", l.Line, err)
	}
	door := outbound.Open(grants, nil, seam.clock)
	return &web.Login{
		Issuer: l.Issuer, Client: l.Client, Secret: l.Secret, Key: l.Key, KeyID: l.KeyID, Levels: l.Levels,
		Address: l.Address, Logout: l.Logout, HTTP: door.HTTP(), Reads: door.Reads(),
	}, nil
}

// tlsFor reads a system's certificate and the authority that it trusts. Nil means
// the machine's authorities, and no certificate of ours.
func tlsFor(t config.TLS) (*tls.Config, error) {
	if t == (config.TLS{}) {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.Certificate != "" {
		pair, err := tls.LoadX509KeyPair(t.Certificate, t.Key)
		if err != nil {
			return nil, fmt.Errorf("%s and %s are not a PEM certificate and its key", t.Certificate, t.Key)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		c.RootCAs = x509.NewCertPool()
		if err != nil || !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no PEM certificates", t.CA)
		}
	}
	return c, nil
}

func clients(s *config.Settings) []web.Client {
	var cs []web.Client
	for _, c := range s.Clients {
		cs = append(cs, web.Client{
			Name: c.Name, Municipalities: c.Municipalities, Services: c.Services, Secrets: c.Secrets,
			Systems: c.Systems, DerivedKey: c.Key == config.Derived, Kundhandelser: c.Kundhandelser,
		})
	}
	return cs
}

func operators(s *config.Settings) []web.Operator {
	var os []web.Operator
	for _, o := range s.People {
		os = append(os, web.Operator{Name: o.Name, Municipalities: o.Municipalities, Secret: o.Secret})
	}
	return os
}
