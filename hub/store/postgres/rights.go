package postgres

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
)

// ErrRights says that the user who connects may not do all that a Store does: what it then may
// not write, a delivery's attempt perhaps, would rest in silence.
var ErrRights = errors.New("its user has not the rights")

// assertRights refuses a user who may not use everything that is there.
func assertRights(ctx context.Context, conn *pgx.Conn) error {
	lacks, err := lacking(ctx, conn)
	if err == nil && len(lacks) > 0 {
		err = fmt.Errorf("%w to %s: %s", ErrRights, strings.Join(lacks, ", "), HowOwned)
	}
	return err
}

// HowOwned says who must own what, and how that comes about.
const HowOwned = "it must own the database and the tables in it: ALTER DATABASE … OWNER TO …, and ALTER TABLE … OWNER TO … for each"

// makes finds the tables and the sequences that a migration makes, by name.
var makes = regexp.MustCompile(`(?m)^CREATE (?:TABLE|SEQUENCE) (?:IF NOT EXISTS )?(\w+)`)

// lacking names what there is of ours that the user may not read and write; and the schema, by
// name, when nothing can be made in it, as months and newer tables are. What is not there yet is
// not lacking.
func lacking(ctx context.Context, conn *pgx.Conn) (all []string, err error) {
	steps, err := migrationTexts()
	if err != nil {
		return nil, err
	}
	var ours []string
	for _, made := range makes.FindAllStringSubmatch(strings.Join(steps, "\n"), -1) {
		ours = append(ours, made[1])
	}
	rows, err := conn.Query(ctx, `SELECT coalesce('schema ' || current_schema(), 'a schema') WHERE has_schema_privilege(current_schema(), 'CREATE') IS NOT TRUE
		UNION ALL (SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relname = ANY($1)
		AND NOT CASE relkind WHEN 'S' THEN has_sequence_privilege(oid, 'USAGE')
		ELSE has_table_privilege(oid, 'SELECT')
		AND has_table_privilege(oid, 'INSERT') AND has_table_privilege(oid, 'UPDATE') AND has_table_privilege(oid, 'DELETE') END
		ORDER BY relname)`, ours)
	if err != nil {
		return nil, fmt.Errorf("read rights: %w", told(err))
	}
	all, err = pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("read rights: %w", told(err))
	}
	return all, nil
}
