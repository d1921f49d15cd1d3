package rows

import (
	"fmt"
	"io/fs"
)

// Migrations gives the texts of an engine's migrations/NNNN.sql in order, the first of which
// makes version 1.
func Migrations(from fs.FS) ([]string, error) {
	names, err := fs.Glob(from, "migrations/*.sql") // sorted
	if err != nil {
		return nil, fmt.Errorf("list migrations: %w", err)
	}
	var texts []string
	for _, name := range names {
		text, err := fs.ReadFile(from, name)
		if err != nil {
			return nil, fmt.Errorf("read migration: %w", err)
		}
		texts = append(texts, string(text))
	}
	return texts, nil
}

// NewerSchema refuses a database that is newer than this program: what an older one wrote into
// it could not be trusted.
func NewerSchema(version, known int) error {
	return fmt.Errorf("the database has version %d, and this knutpunkt knows %d: "+
		"run the knutpunkt that wrote it, or a newer one", version, known)
}

// Readable refuses a database that this program cannot read as it is.
func Readable(version, known int) error {
	switch {
	case version > known:
		return NewerSchema(version, known)
	case version < known:
		return fmt.Errorf("the database has version %d, and this knutpunkt reads version %d: "+
			"start knutpunkt serve once, which brings it there", version, known)
	}
	return nil
}
