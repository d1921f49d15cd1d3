package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/navet/navetsim"
	"github.com/knutpunkt/knutpunkt/connectors/sif/sifsim"
)

// A stage is one installation with everything around it: platforms, a register, business systems, and
// the lines between. The random run has one, and each directed scenario one of its own.
type stage struct {
	dir       string
	plan      *plan
	in        *installation
	hubs      []*hub
	hub       *hub     // the first of them, and mostly the only one
	engines   *engines // what it stands on besides its own folder
	database  string   // in the engines' PostgreSQL; "" for SQLite
	hook      *hook
	systems   map[string]*system
	relays    []*relay
	register  *navetsim.Sim
	diaria    map[string]*sifsim.Sim // by the municipality's folder
	platforms *platforms
	spill     *spill
	sunk      atomic.Int64 // calls that came to where redirects lead
	struck    []blow       // what was done to the engines; written by the nemesis alone

	binary  string
	servers []*http.Server
	closers []func()
}

// openStage sets everything up for so many replicas. None of them is started.
func (o options) openStage(ctx context.Context, dir string, replicas int, env []string, p *plan) (_ *stage, err error) {
	s := &stage{
		dir: dir, plan: p, binary: o.binary, engines: o.engines, hook: &hook{}, systems: map[string]*system{},
		diaria: map[string]*sifsim.Sim{}, spill: newSpill(p),
		in: &installation{dir: filepath.Join(dir, "knutpunkt"), plan: p, addresses: map[string]string{}},
	}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	for _, sub := range []string{"knutpunkt/secrets", "knutpunkt/tmp", "knutpunkt/logs", "ledgers"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, err
		}
	}
	if err := s.openAround(); err != nil {
		return nil, err
	}
	if s.in.engines, s.database, err = o.engines.prepare(ctx); err != nil {
		return nil, err
	}
	if err := s.openHubs(replicas, env); err != nil {
		return nil, err
	}
	if err := s.in.write(ctx, s.binary); err != nil {
		return nil, err
	}
	posts, err := openLedger[post](filepath.Join(dir, "ledgers", "platforms.jsonl"))
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, func() { posts.close() })
	s.platforms = newPlatforms(s.in, posts, s.hook, s.spill)
	return s, nil
}

// openHubs gives each replica its addresses.
func (s *stage) openHubs(replicas int, env []string) error {
	for n := range max(1, replicas) {
		at, err := freeAddresses()
		if err != nil {
			return err
		}
		h := &hub{name: "hub", in: s.in, at: at, command: []string{s.binary}, env: env, logs: filepath.Join(s.in.dir, "logs")}
		if replicas > 1 {
			h.name = fmt.Sprintf("hub-%d", n+1)
		}
		s.in.at, s.hubs = append(s.in.at, at), append(s.hubs, h)
	}
	s.hub = s.hubs[0]
	return nil
}

// startAll starts every replica, one after the other.
func (s *stage) startAll(ctx context.Context) error {
	for _, h := range s.hubs {
		if err := s.start(ctx, h); err != nil {
			return err
		}
	}
	return nil
}

// start starts one, and learns by what name it has things in hand.
func (s *stage) start(ctx context.Context, h *hub) error {
	if err := h.start(ctx); err != nil || s.database == "" || h.hand() != "" {
		return err
	}
	boot, err := s.boot(ctx)
	h.known(boot)
	return err
}

// openAround starts what stands around the hub.
func (s *stage) openAround() error {
	sink, err := s.serve(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s.sunk.Add(1)
		w.WriteHeader(http.StatusCreated)
	}), nil)
	if err != nil {
		return err
	}
	for _, kind := range []string{recognises, tells, forgets} {
		l, err := openLedger[call](filepath.Join(s.dir, "ledgers", kind+".jsonl"))
		if err != nil {
			return err
		}
		s.closers = append(s.closers, func() { l.close() })
		s.systems[kind] = newSystem(kind, s.plan, l, s.hook, sink, &s.sunk)
		address, err := s.serve(s.systems[kind], nil)
		if err != nil {
			return err
		}
		r, err := newRelay(kind, address)
		if err != nil {
			return err
		}
		s.relays = append(s.relays, r)
		s.closers = append(s.closers, r.close)
		s.in.addresses[kind] = r.address()
	}
	if err := s.openRegister(); err != nil {
		return err
	}
	return s.openDiaria()
}

func (s *stage) openRegister() (err error) {
	var people []navetsim.Person
	for _, m := range s.plan.municipalities {
		people = append(people, m.people...)
	}
	s.register, err = navetsim.New(navetsim.Options{Dir: filepath.Join(s.dir, "ledgers", "navet"), Clock: time.Now, Persons: people})
	if err != nil {
		return err
	}
	s.closers = append(s.closers, func() { s.register.Close() })
	secure, err := navetsim.TLS(filepath.Join(s.in.dir, "secrets"))
	if err != nil {
		return err
	}
	s.in.addresses["navet"], err = s.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.hook.reached(duringAsk)
		s.register.ServeHTTP(w, r)
	}), secure)
	return err
}

// diaryPace is how fast the diaria handle their cases.
var diaryPace = []time.Duration{time.Second, 3 * time.Second, 6 * time.Second}

// openDiaria opens a diarium for each municipality that has one.
func (s *stage) openDiaria() error {
	for _, m := range s.plan.municipalities {
		if !m.Diarium {
			continue
		}
		d, err := sifsim.New(sifsim.Options{
			Dir: filepath.Join(s.dir, "ledgers", diary, m.Folder), Clock: time.Now, Prefix: m.Code, Pace: diaryPace,
		})
		if err != nil {
			return err
		}
		s.diaria[m.Folder] = d
		s.closers = append(s.closers, func() { d.Close() })
		if s.in.addresses[diary+m.Folder], err = s.serve(d, nil); err != nil {
			return err
		}
	}
	return nil
}

// serve listens on a free port of this machine.
func (s *stage) serve(h http.Handler, secure *tls.Config) (address string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("listen: %w", err)
	}
	address = l.Addr().String()
	if secure != nil {
		l = tls.NewListener(l, secure)
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	s.servers = append(s.servers, server)
	go server.Serve(l)
	return address, nil
}

// close ends every process and every server.
func (s *stage) close() {
	for _, h := range s.hubs {
		h.kill("the end")
	}
	for _, server := range s.servers {
		server.Close()
	}
	for _, end := range s.closers {
		end()
	}
}
