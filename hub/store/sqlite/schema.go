package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"github.com/knutpunkt/knutpunkt/hub/store/rows"
	"time"
)

// migrations/NNNN.sql brings a database from version NNNN-1 to NNNN. A file that has
// been released is never changed.
//
//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the database to the newest version, in one transaction. A database
// that is newer than this program is refused: what an older one wrote into it could
// not be trusted.
func migrate(ctx context.Context, conn *sql.Conn, now time.Time) error {
	return inTransaction(ctx, conn, func() error { return migrateInside(ctx, conn, now) })
}

// inTransaction has do write on a connection, all of it or nothing.
func inTransaction(ctx context.Context, conn *sql.Conn, do func() error) error {
	if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	if err := do(); err != nil {
		conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
		return err
	}
	if _, err := conn.ExecContext(ctx, "COMMIT"); err != nil {
		return fmt.Errorf("commit transaction: %w", err)
	}
	return nil
}

func migrateInside(ctx context.Context, conn *sql.Conn, now time.Time) error {
	_, err := conn.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS migrations (
		version INTEGER NOT NULL PRIMARY KEY, applied INTEGER NOT NULL) STRICT`)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	steps, err := migrationTexts()
	if err != nil {
		return err
	}
	var version int
	row := conn.QueryRowContext(ctx, "SELECT coalesce(max(version), 0) FROM migrations")
	if err := row.Scan(&version); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if version > len(steps) {
		return rows.NewerSchema(version, len(steps))
	}
	for i, step := range steps[version:] {
		n := version + i + 1
		if _, err := conn.ExecContext(ctx, step); err != nil {
			return fmt.Errorf("migrate to version %d: %w", n, err)
		}
		_, err := conn.ExecContext(ctx, "INSERT INTO migrations VALUES (?, ?)", n, rows.Nanos(now))
		if err != nil {
			return fmt.Errorf("migrate to version %d: %w", n, err)
		}
	}
	return nil
}

// checkVersion refuses a database that this program cannot read as it is.
func checkVersion(ctx context.Context, db *sql.DB) error {
	steps, err := migrationTexts()
	if err != nil {
		return err
	}
	var version int
	if err := db.QueryRowContext(ctx, "SELECT max(version) FROM migrations").Scan(&version); err != nil {
		return fmt.Errorf("read schema version: %w", err)
	}
	return rows.Readable(version, len(steps))
}

// migrationTexts gives the migrations in order.
func migrationTexts() ([]string, error) { return rows.Migrations(migrations) }
