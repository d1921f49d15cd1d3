package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"modernc.org/sqlite"
)

// How every connection is set. SQLite's own defaults are not ours: they neither
// wait for a lock, nor keep foreign keys, nor overwrite what is deleted.
var pragmas = []string{
	"busy_timeout(5000)", "synchronous(FULL)", "foreign_keys(ON)", "secure_delete(ON)",
	"trusted_schema(OFF)", "temp_store(MEMORY)", "cache_size(-32768)",
}

// openWriter opens the pool of the one connection that writes. Its transactions
// take the write lock when they begin: one that reads first and asks for the lock
// later fails whenever somebody was faster.
func openWriter(path string) (*sql.DB, error) {
	ours := []string{"journal_mode(WAL)", "wal_autocheckpoint(4000)", "journal_size_limit(67108864)"}
	db, err := open(path, "rwc", append(ours, pragmas...), "_txlock=immediate")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

// openReaders opens the pool of those that read. They never wait for the writer,
// nor it for them. Each keeps pages of its own, in turn the same ones: few are enough,
// and the machine keeps the others for all of them.
func openReaders(path string) (*sql.DB, error) {
	db, err := open(path, "ro", append(slices.Clone(pragmas), "cache_size(-4096)"), "_query_only=1")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(readersAtOnce + 1) // and one for what is checked at the start
	return db, nil
}

// openCopy opens a copy that nobody writes: one within a backup, which has no log.
func openCopy(path string) (*sql.DB, error) {
	connector, err := connectorTo(path, "ro", nil, "immutable=1&_query_only=1")
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

func open(path, mode string, pragmas []string, extra string) (*sql.DB, error) {
	connector, err := connectorTo(path, mode, pragmas, extra)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(asserting{connector}), nil
}

func connectorTo(path, mode string, pragmas []string, extra string) (driver.Connector, error) {
	path, err := filepath.Abs(path) // what is relative would be read as the name of a machine
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	address := url.URL{Scheme: "file", Path: path}
	query := "mode=" + mode + "&_dqs=0&_defensive=1&" + extra
	for _, p := range pragmas {
		query += "&_pragma=" + p
	}
	address.RawQuery = query
	connector, err := sqlite.NewConnector(address.String())
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	return connector, nil
}

// asserting hands out no connection that would forget what it has committed.
type asserting struct{ driver.Connector }

func (a asserting) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := a.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	if err := assertDurable(ctx, conn); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

var errForgets = errors.New("the database is not durable")

func assertDurable(ctx context.Context, conn driver.Conn) error {
	mode, err := pragma(ctx, conn, "journal_mode")
	if err != nil {
		return err
	}
	synchronous, err := pragma(ctx, conn, "synchronous")
	if err != nil {
		return err
	}
	if !strings.EqualFold(mode, "wal") || synchronous < "2" {
		return fmt.Errorf("%w: journal_mode=%s synchronous=%s, where WAL and 2 are needed: "+
			"is it on a network disk?", errForgets, mode, synchronous)
	}
	return nil
}

func pragma(ctx context.Context, conn driver.Conn, name string) (string, error) {
	rows, err := conn.(driver.QueryerContext).QueryContext(ctx, "PRAGMA "+name, nil)
	if err != nil {
		return "", fmt.Errorf("read pragma %s: %w", name, err)
	}
	defer rows.Close()
	value := make([]driver.Value, 1)
	if err := rows.Next(value); err != nil && err != io.EOF {
		return "", fmt.Errorf("read pragma %s: %w", name, err)
	}
	return fmt.Sprint(value[0]), nil
}
