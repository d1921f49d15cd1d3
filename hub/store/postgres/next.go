//go:build !chaos

package postgres

// moreMigrations are those of a version to come: none, but in the chaos harness.
var moreMigrations []string
