package verbs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/knutpunkt/knutpunkt/hub/config"
	"github.com/knutpunkt/knutpunkt/hub/web"
)

func serveCommand() *cobra.Command {
	var dir string
	var flags overrides
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the hub",
		Long: `Run the hub on the configuration in a folder: knutpunkt.yaml, routes/, mappings/ and
schemas/. The same check as "knutpunkt check" is made first, and nothing starts on a
configuration with problems.

SIGHUP reads routes, mappings, schemas, clients and operators again. SIGTERM stops accepting, finishes
what is under way, and exits.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
			in, err := open(cmd.Context(), dir, flags.list(), log)
			if err != nil {
				return err
			}
			defer in.close()
			return in.serve(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&dir, "config", ".", "the folder of the configuration")
	flags.register(cmd)
	return cmd
}

// overrides are the settings that a flag may stand in for.
type overrides struct{ listen, operator, store, bus, keys string }

func (o *overrides) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.listen, "listen", "", "host:port of the public API")
	f.StringVar(&o.operator, "operator", "", "host:port of the console, /metrics, /healthz and /readyz")
	f.StringVar(&o.store, "store", "", "where to keep everything, such as sqlite:data/knutpunkt.db or postgres://USER@HOST/DATABASE")
	f.StringVar(&o.bus, "bus", "", "what wakes those who wait: memory, or kafkas://HOST:PORT,HOST:PORT")
	f.StringVar(&o.keys, "keys", "", "the keys that personal data are sealed with, such as file:keys.json")
}

func (o *overrides) list() []config.Override {
	var all []config.Override
	for _, f := range []config.Override{
		{Key: "listen", Value: o.listen, From: "--listen"}, {Key: "operator", Value: o.operator, From: "--operator"},
		{Key: "store", Value: o.store, From: "--store"}, {Key: "bus", Value: o.bus, From: "--bus"},
		{Key: "keys", Value: o.keys, From: "--keys"},
	} {
		if f.Value != "" {
			all = append(all, f)
		}
	}
	return append(all, config.Environment(os.Environ())...)
}

// patience is how long a clean stop may take before it is cut short. What was cut
// short is a don't know, and is asked about at the next start.
const patience = 30 * time.Second

// serve runs both listeners and the journey until ctx is done.
func (in *installation) serve(ctx context.Context) error {
	public, err := net.Listen("tcp", in.settings.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s: the address is in use or not this machine's", in.settings.Listen)
	}
	operator, err := net.Listen("tcp", in.settings.Operator)
	if err != nil {
		public.Close()
		return fmt.Errorf("operator on %s: the address is in use or not this machine's", in.settings.Operator)
	}
	servers := []*http.Server{
		{Handler: in.meter.Incoming(seam.incoming(in.web.Public()))}, {Handler: in.web.Operator(in.meter.Page())},
	}
	failed := make(chan error, len(servers))
	for i, l := range []net.Listener{public, operator} {
		web.Harden(servers[i])
		servers[i].RegisterOnShutdown(in.web.EndStreams)
		go func() { failed <- in.listen(servers[i], l, i == 0) }()
	}
	in.log.Info("serving", "listen", public.Addr().String(), "operator", operator.Addr().String(),
		"durability", in.store.Durability(ctx), "revision", in.hub.Bundle().Revision)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	journey := make(chan error, 1)
	go func() { journey <- in.hub.Run(ctx) }()
	stopReloading := in.reloadOnHangup(ctx)
	defer stopReloading()

	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	cancel()
	return errors.Join(err, in.shutdown(servers, journey))
}

func (in *installation) reload(ctx context.Context) error {
	settings, err := config.ReadSettings(in.dir, in.overrides...)
	if err != nil {
		return err
	}
	bundle, err := readBundle(in.dir)
	if err != nil {
		return err
	}
	if err := in.hub.Activate(ctx, bundle); err != nil {
		return err
	}
	in.web.Allow(clients(settings))
	in.web.AllowOperators(operators(settings))
	return nil
}

func (in *installation) listen(s *http.Server, l net.Listener, public bool) error {
	tls := in.settings.TLS
	if public && tls.Certificate != "" {
		return s.ServeTLS(l, tls.Certificate, tls.Key)
	}
	return s.Serve(l)
}

// shutdown lets what is under way come to its end, within patience: callers on both
// listeners, and the journey.
func (in *installation) shutdown(servers []*http.Server, journey <-chan error) error {
	in.log.Info("stopping")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var callers sync.WaitGroup
	for _, s := range servers {
		callers.Go(func() {
			if s.Shutdown(ctx) != nil {
				s.Close() // whoever was in the middle of a form posts it again
			}
		})
	}
	callers.Wait()
	select {
	case err := <-journey:
		return err
	default:
	}
	select {
	case err := <-journey:
		return err
	case <-ctx.Done():
		return errors.New("stopped before everything under way had come to its end")
	}
}

// reloadOnHangup takes changed routes, mappings and schemas, and changed clients and
// operators, into use at SIGHUP. A configuration with problems is refused, loudly, and what runs goes on.
func (in *installation) reloadOnHangup(ctx context.Context) (stop func()) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	go func() {
		for range hangup {
			if err := in.reload(ctx); err != nil {
				in.log.Error("the new configuration is not used", "problems", err.Error())
			}
		}
	}()
	return func() {
		signal.Stop(hangup)
		close(hangup)
	}
}
