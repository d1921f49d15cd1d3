package verbs

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/config"
	"github.com/knutpunkt/knutpunkt/hub/seal"
	"github.com/knutpunkt/knutpunkt/hub/store/postgres"
	"github.com/knutpunkt/knutpunkt/hub/store/sqlite"
)

// A keeper is a Store that also tells whether it is an older copy, put back.
type keeper interface {
	hub.Store
	Restored(ctx context.Context) (since time.Time, cases int, err error)
}

// openStore opens what the hub keeps everything in.
func openStore(ctx context.Context, s *config.Settings, boot string, log *slog.Logger) (keeper, error) {
	keys, err := seal.Open("file:" + s.Keys)
	if err != nil {
		return nil, err
	}
	fatal := func(err error) {
		log.Error("the disk has failed; what was answered with 202 is on it", "error", err)
		os.Exit(exitStorage)
	}
	if s.Store.Postgres != "" {
		return postgres.Open(ctx, addressOf(s.Store), keys, postgres.Options{Boot: boot, Clock: seam.clock, Log: log})
	}
	if err := os.MkdirAll(filepath.Dir(s.Store.SQLite), 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the store: %w", err)
	}
	return sqlite.Open(ctx, s.Store.SQLite, keys, sqlite.Options{
		Boot: boot, Clock: seam.clock, Log: log, Ballast: sqlite.Ballast, LowWater: seam.lowWater, Fatal: fatal,
	})
}

// openReader opens the store beside a hub that may be running.
func openReader(ctx context.Context, dir string, over []config.Override) (hub.Store, error) {
	s, err := config.ReadSettings(dir, over...)
	if err != nil {
		return nil, err
	}
	keys, err := seal.Open("file:" + s.Keys)
	if err != nil {
		return nil, err
	}
	if s.Store.Postgres != "" {
		return postgres.OpenReadOnly(ctx, addressOf(s.Store), keys, time.Now)
	}
	if _, err := os.Stat(s.Store.SQLite); err != nil {
		return nil, fmt.Errorf("there is no store at %s yet: knutpunkt serve makes it", s.Store.SQLite)
	}
	return sqlite.OpenReadOnly(ctx, s.Store.SQLite, keys, time.Now)
}

func addressOf(s config.Store) postgres.Address {
	return postgres.Address{URL: s.Postgres, Password: s.Password}
}
