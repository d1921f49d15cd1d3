package verbs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/seal"
	"github.com/knutpunkt/knutpunkt/hub/store/postgres"
	"github.com/knutpunkt/knutpunkt/hub/store/sqlite"
)

// postgres looks at a store in PostgreSQL.
func (d *doctor) postgres(ctx context.Context, keys *seal.Keys) {
	const about = "store"
	at := addressOf(d.settings.Store)
	c, err := postgres.Examine(ctx, at, keys)
	switch {
	case errors.Is(err, hub.ErrUnreachable):
		d.wrong(about, fmt.Sprintf("%s: %v", at, err), "no forms are taken: platforms are answered 503 and come back. Nothing that was received is lost",
			"see that PostgreSQL runs, that this machine reaches it, and that its address is right")
		return
	case err != nil:
		d.wrong(about, fmt.Sprintf("%s: %v", at, err), "knutpunkt serve does not start",
			"see that the user, its password (store-password:, PGPASSFILE or PGPASSWORD) and the database are right")
		return
	}
	if len(c.Lacks) > 0 {
		d.wrong(about, fmt.Sprintf("the user of %s has not the rights to %s", at, strings.Join(c.Lacks, ", ")), "knutpunkt serve does not start, and what one that runs cannot write rests until it can",
			postgres.HowOwned)
	}
	if c.Empty {
		d.note(nothing, about, fmt.Sprintf("%s is empty: knutpunkt serve makes its tables, and knutpunkt move carries an installation over to it", at), "", "")
	}
	d.keepsCommits(about, at, c)
	if d.takesUs(about, at, keys, c) {
		d.sharers(about, c)
		d.behind(about, c)
		d.putBack(ctx, about, at, keys)
		d.clock(c.Last)
	}
}

// keepsCommits tells of a server that could lose what it has answered for.
func (d *doctor) keepsCommits(about string, at postgres.Address, c postgres.Condition) {
	if len(c.Forgets) > 0 {
		d.wrong(about, fmt.Sprintf("%s is set to %s", at, strings.Join(c.Forgets, ", ")), "what is answered with 202 could be lost when the server dies; knutpunkt serve does not start",
			"set it to on, as PostgreSQL has it from the start: for the server, for the database and for this user")
	}
	if c.Standby {
		d.wrong(about, fmt.Sprintf("%s is a standby, where nothing can be written", at), "no forms are taken", "name the server that it follows, or all of them with ?target_session_attrs=read-write")
	}
	if c.Shut {
		d.wrong(about, fmt.Sprintf("%s is set to take no writes (default_transaction_read_only)", at), "no forms are taken, and nothing is delivered",
			"find out who did so and why, a full disk perhaps; then ALTER DATABASE … RESET default_transaction_read_only: the hub goes on by itself")
	}
}

// takesUs tells whether the hub can use what is there, and how it is.
func (d *doctor) takesUs(about string, at postgres.Address, keys *seal.Keys, c postgres.Condition) bool {
	switch {
	case c.Empty || len(c.Forgets) > 0 || c.Standby || len(c.Lacks) > 0:
		return false
	case c.Half:
		d.wrong(about, fmt.Sprintf("an installation is on its way to %s, and not all of it has come", at), "knutpunkt serve does not start on it; it starts where the installation was",
			"run knutpunkt move again, to its end")
		return false
	case c.Version > c.Known:
		d.wrong(about, fmt.Sprintf("it has schema version %d, and this knutpunkt knows %d", c.Version, c.Known), "knutpunkt serve does not start", "run the knutpunkt that wrote it, or a newer one")
		return false
	case c.Version < c.Known:
		d.note(soon, about, fmt.Sprintf("it has schema version %d, and this knutpunkt has %d", c.Version, c.Known), "the next knutpunkt serve brings it there, and an older knutpunkt cannot go back", "make a backup first")
		return false
	}
	if c.Keys != nil {
		d.wrong("keys", c.Keys.Error(), "knutpunkt serve does not start: it would never read what is stored", "put the key file back that was used when it was stored, the same on every machine")
	} else if keys != nil {
		d.ok("keys", "mode 0600, and they open what the store holds")
	}
	version, _, _ := strings.Cut(c.Server, " ") // of whose package it is comes after
	d.ok(about, fmt.Sprintf("PostgreSQL %s, %s, %s, at %s", version, c.Mode, bytesOf(c.Size), at))
	return true
}

// sharers tells which processes have the database.
func (d *doctor) sharers(about string, c postgres.Condition) {
	if len(c.Peers) > 0 {
		oldest := c.Peers[0].Started
		for _, p := range c.Peers {
			if p.Started.Before(oldest) {
				oldest = p.Started
			}
		}
		d.ok(about, fmt.Sprintf("%s it, the first since %s", many(len(c.Peers), "hub shares", "hubs share"), swedish(oldest)))
	}
	if c.MaxConnections > 0 && c.Connections*10 >= c.MaxConnections*9 {
		d.note(soon, about, fmt.Sprintf("%d of PostgreSQL's %d connections are taken", c.Connections, c.MaxConnections), "the next hub that starts may not be let in",
			"raise max_connections, or have others use fewer")
	}
}

// putBack tells of a database that was found to be an older copy.
func (d *doctor) putBack(ctx context.Context, about string, at postgres.Address, keys *seal.Keys) {
	s, err := postgres.OpenReadOnly(ctx, at, keys, d.now)
	if err != nil {
		return // which has been told of
	}
	defer s.Close()
	if since, cases, err := s.Restored(ctx); err == nil && !since.IsZero() {
		d.restored(about, sqlite.RestoreState{Since: since, Why: "it came from another server, or from a backup", Cases: cases, Done: true})
	}
}

// Beyond these, something has stopped that never rests.
const (
	numberedWithin = 10 * time.Second
	shortest       = 5 * time.Minute
)

// behind tells of what waits that should not.
func (d *doctor) behind(about string, c postgres.Condition) {
	if c.UnnumberedSince > numberedWithin {
		d.wrong(about, fmt.Sprintf("%s waited for a number since %s", many(int(c.Unnumbered), "line has", "lines have"), ago(c.UnnumberedSince)), "citizens and platforms are not told of what has happened since",
			"see that a hub runs; if one does, see its log")
	}
	if c.OldestTransaction > shortest {
		d.note(soon, about, "a transaction has been open since "+ago(c.OldestTransaction), "PostgreSQL cannot clean up after anything that has changed since, and gets slower",
			"find out whose it is: SELECT pid, usename, application_name, xact_start FROM pg_stat_activity ORDER BY xact_start; end it if nobody needs it")
	}
}
