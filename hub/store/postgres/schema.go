package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/knutpunkt/knutpunkt/hub/store/rows"
)

// migrations/NNNN.sql brings a database from version NNNN-1 to NNNN. A file that has been
// released is never changed. Each one only adds: tables, indexes, and columns that may be left
// out, since processes of the version before run on beside it until they have been replaced.
// What nobody uses any more is taken away two versions later.
//
//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the database to the newest version, in one transaction; of several processes
// that start at once, one does so while the others wait. A database that is newer than this
// program is refused: what an older one wrote into it could not be trusted.
func migrate(ctx context.Context, conn *pgx.Conn, now time.Time) error {
	steps, err := migrationTexts()
	if err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1, 0)", migrating); err != nil {
			return fmt.Errorf("migrate: %w", told(err))
		}
		// Everybody who reads or writes waits behind one who waits for a whole table: not for long.
		if _, err := tx.Exec(ctx, "SET LOCAL lock_timeout = '2s'"); err != nil {
			return fmt.Errorf("migrate: %w", told(err))
		}
		return migrateInside(ctx, tx, steps, now)
	})
}

func migrateInside(ctx context.Context, tx pgx.Tx, steps []string, now time.Time) error {
	version, err := schemaVersion(ctx, tx)
	if err != nil {
		return err
	}
	if version > len(steps) {
		return rows.NewerSchema(version, len(steps))
	}
	for i, step := range steps[version:] {
		n := version + i + 1
		if _, err := tx.Exec(ctx, step); err != nil {
			return fmt.Errorf("migrate to version %d: %w", n, told(err))
		}
		if _, err := tx.Exec(ctx, "INSERT INTO migrations VALUES ($1, $2)", n, rows.Nanos(now)); err != nil {
			return fmt.Errorf("migrate to version %d: %w", n, told(err))
		}
	}
	return nil
}

// A querier is a connection, or a transaction.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// schemaVersion gives 0 for a database with nothing of ours in it.
func schemaVersion(ctx context.Context, q querier) (version int, err error) {
	var there bool
	err = q.QueryRow(ctx, "SELECT to_regclass('migrations') IS NOT NULL").Scan(&there)
	if err == nil && there {
		err = q.QueryRow(ctx, "SELECT coalesce(max(version), 0) FROM migrations").Scan(&version)
	}
	if err != nil {
		return 0, fmt.Errorf("read schema version: %w", told(err))
	}
	return version, nil
}

// checkVersion refuses a database that this program cannot read as it is.
func checkVersion(ctx context.Context, q querier) error {
	steps, err := migrationTexts()
	if err != nil {
		return err
	}
	version, err := schemaVersion(ctx, q)
	switch {
	case err != nil:
		return err
	case version == 0:
		return errors.New("there is nothing of Knutpunkt's in the database: start knutpunkt serve once, which makes its tables")
	}
	return rows.Readable(version, len(steps))
}

// migrationTexts gives the migrations in order.
func migrationTexts() ([]string, error) {
	texts, err := rows.Migrations(migrations)
	return append(texts, moreMigrations...), err
}
