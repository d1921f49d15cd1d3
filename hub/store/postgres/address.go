package postgres

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/knutpunkt/knutpunkt/hub"
)

// An Address says which database, and the password; that is zero where a password file, the
// environment or a certificate tells who we are, as libpq has it.
type Address struct {
	URL      string // postgres://user@host:port/database?sslmode=…
	Password hub.Secret
}

// String gives the address without anything secret in it.
func (a Address) String() string {
	u, err := url.Parse(a.URL)
	if err != nil || u.Scheme == "" {
		return "the database"
	}
	return u.Scheme + "://" + u.Host + u.Path
}

// dialWithin is how long anybody waits for a connection: who posts a form is told within it
// that it cannot be stored now.
const dialWithin = time.Second

var errAddress = errors.New("the address of the database cannot be read; one is postgres://user@host:5432/database?sslmode=verify-full")

// config reads the address. What pgx says of one that it cannot read quotes it, so that is
// not told.
func (a Address) config() (*pgx.ConnConfig, error) {
	c, err := pgx.ParseConfig(a.URL)
	if err != nil {
		return nil, errAddress
	}
	if a.Password != (hub.Secret{}) {
		c.Password = a.Password.Reveal()
	}
	c.ConnectTimeout = 2 * dialWithin
	set := c.RuntimeParams
	set["timezone"] = "UTC"
	set["client_encoding"] = "UTF8"
	set["jit"] = "off" // it takes longer than all that we ask
	// Who has waited for a lock sees what was committed meanwhile, however the server is set.
	set["default_transaction_isolation"] = "read committed"
	set["idle_in_transaction_session_timeout"] = "10s"
	return c, nil
}

// connect opens one connection, with an error that may be told.
func connect(ctx context.Context, c *pgx.ConnConfig) (*pgx.Conn, error) {
	conn, err := pgx.ConnectConfig(ctx, c)
	if err = told(err); err == nil {
		return conn, nil
	}
	if e := (*refused)(nil); errors.As(err, &e) && e.code == wrongPassword && c.Password == "" {
		err = fmt.Errorf("no password was given: write store-password:, or give one by PGPASSFILE or PGPASSWORD: %w", err)
	}
	return nil, err
}

// with gives the same for a session of its own kind.
func with(c *pgx.ConnConfig, settings map[string]string) pgx.ConnConfig {
	of := c.Copy()
	for name, value := range settings {
		of.RuntimeParams[name] = value
	}
	return *of
}
