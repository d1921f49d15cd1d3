//go:build chaos

package postgres

import "os"

// moreMigrations make a version to come of this one, where the harness asks for it: replicas
// are replaced by those of the next version while they run, and what that adds must not be in
// the way of the others.
var moreMigrations = func() []string {
	if os.Getenv("KNUTPUNKT_CHAOS_NEXT") == "" {
		return nil
	}
	return []string{`ALTER TABLE cases ADD COLUMN next text NOT NULL DEFAULT '';
		CREATE INDEX cases_next ON cases (next) WHERE next <> '';
		CREATE TABLE next (one boolean PRIMARY KEY);`}
}()
