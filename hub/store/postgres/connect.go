package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/knutpunkt/knutpunkt/hub"
)

// A pools is how a process is connected: three kinds of connections, beside the one by which
// others know that it lives.
type pools struct {
	write *sql.DB // for those who write rows, one each, and the sequencer
	read  *sql.DB
	parts *sql.DB // for large files
}

const (
	writersAtOnce = 6
	readersAtOnce = 12
	partsAtOnce   = 4
)

// openPools opens no connection yet. Who writes gets none that beforeWriting refuses.
func openPools(c *pgx.ConnConfig, beforeWriting func(context.Context, *pgx.Conn) error) pools {
	return pools{
		// Who writes finds all by its index, whatever the server believes that it knows of a table that
		// was empty a minute ago.
		write: openPool(c, writersAtOnce+2, map[string]string{"statement_timeout": "12s", "lock_timeout": "5s",
			"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off"}, unlessShut, assertDurable, beforeWriting),
		read: openPool(c, readersAtOnce, map[string]string{"statement_timeout": "10s", "lock_timeout": "2s"}, anyhow, assertDurable),
		// What a form's own commit makes durable need not be so before: a commit that waits for the
		// disk, or for a standby, takes with it all that was written before it.
		parts: openPool(c, partsAtOnce, map[string]string{"statement_timeout": "12s", "synchronous_commit": "off"}, unlessShut),
	}
}

// anyhow uses a connection again as it is.
func anyhow(context.Context, *pgx.Conn) error { return nil }

// unlessShut uses no connection again that was made while the database took no writes: it would
// not notice that it takes them again. PostgreSQL tells so from version 14.
func unlessShut(_ context.Context, conn *pgx.Conn) error {
	if conn.PgConn().ParameterStatus("default_transaction_read_only") == "on" || conn.PgConn().ParameterStatus("in_hot_standby") == "on" {
		return driver.ErrBadConn
	}
	return nil
}

// openPool opens a pool whose connections are asserted when they are made, and asked again before they are used again.
func openPool(c *pgx.ConnConfig, most int, settings map[string]string, again func(context.Context, *pgx.Conn) error,
	asserts ...func(context.Context, *pgx.Conn) error) *sql.DB {
	db := stdlib.OpenDB(with(c, settings), stdlib.OptionResetSession(again), stdlib.OptionAfterConnect(func(ctx context.Context, conn *pgx.Conn) (err error) {
		for _, assert := range asserts {
			if err = assert(ctx, conn); err != nil {
				conn.Close(ctx)
				break
			}
		}
		return err
	}))
	db.SetMaxOpenConns(most)
	db.SetMaxIdleConns(most)
	db.SetConnMaxIdleTime(5 * time.Minute)
	return db
}

func (p pools) all() []*sql.DB { return []*sql.DB{p.write, p.read, p.parts} }

// stats gives how many connections are in use, and how long they have been waited for.
func (p pools) stats() (sum sql.DBStats) {
	for _, db := range p.all() {
		one := db.Stats()
		sum.InUse += one.InUse
		sum.WaitDuration += one.WaitDuration
	}
	return sum
}

func (p pools) close() (err error) {
	for _, db := range p.all() {
		err = errors.Join(err, db.Close())
	}
	return err
}

// connection gives one of a pool, which has been seen to work within the last second.
func connection(ctx context.Context, db *sql.DB) (*sql.Conn, error) {
	soon, cancel := context.WithTimeout(ctx, dialWithin)
	defer cancel()
	conn, err := db.Conn(soon)
	switch {
	case err == nil:
		return conn, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case soon.Err() != nil:
		return nil, fmt.Errorf("%w: no connection within %v", hub.ErrUnreachable, dialWithin)
	}
	return nil, told(err)
}

// ErrForgets says that the server is set so that it can lose what it has committed.
var ErrForgets = errors.New("the database is not durable")

// assertDurable hands out no connection that would forget what it has committed.
func assertDurable(ctx context.Context, conn *pgx.Conn) error {
	forgets, err := forgetting(ctx, conn)
	if err == nil && len(forgets) > 0 {
		err = fmt.Errorf("%w: %s. Set it as PostgreSQL has it from the start, for the server and for this user", ErrForgets, strings.Join(forgets, ", "))
	}
	return err
}

// forgetting names the settings by which a commit could be lost, as they are now.
func forgetting(ctx context.Context, conn *pgx.Conn) (all []string, err error) {
	rows, err := conn.Query(ctx, `SELECT name || '=' || setting FROM pg_settings
		WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') AND setting = 'off' ORDER BY 1`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// oldest is the first version of PostgreSQL that the hub is tested on.
const oldest = 13

// assertFit refuses a server that the hub cannot be sure of: one that is too old, keeps text in
// another encoding, or is a standby.
func assertFit(ctx context.Context, conn *pgx.Conn) error {
	var version int
	var encoding string
	var standby bool
	row := conn.QueryRow(ctx, `SELECT current_setting('server_version_num')::int, current_setting('server_encoding'), pg_is_in_recovery()`)
	if err := row.Scan(&version, &encoding, &standby); err != nil {
		return told(err)
	}
	switch {
	case version < oldest*10000:
		return fmt.Errorf("PostgreSQL %d is too old: %d or newer is needed", version/10000, oldest)
	case encoding != "UTF8":
		return fmt.Errorf("the database keeps text as %s: make one with ENCODING 'UTF8'", encoding)
	case standby:
		return errors.New("the server is a standby, where nothing can be written: name the one that it follows, or all of them with target_session_attrs=read-write")
	}
	return nil
}

// A reach remembers for a moment that the database could not be reached, so that those who wait
// to write are told so together, and not each after a second of its own.
type reach struct{ none atomic.Bool }

const noneFor = 300 * time.Millisecond

func (r *reach) connection(db *sql.DB) (*sql.Conn, error) {
	if r.none.Load() {
		return nil, fmt.Errorf("%w: a moment ago it could not", hub.ErrUnreachable)
	}
	conn, err := connection(context.Background(), db)
	if errors.Is(err, hub.ErrUnreachable) {
		r.none.Store(true)
		time.AfterFunc(noneFor, func() { r.none.Store(false) })
	}
	return conn, err
}
