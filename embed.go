// Package knutpunkt holds the configuration that ships with Knutpunkt: the very
// files that stand in this folder, which `knutpunkt demo` runs.
package knutpunkt

import "embed"

// Files are knutpunkt.yaml, routes/, mappings/ and schemas/.
//
//go:embed knutpunkt.yaml routes mappings schemas
var Files embed.FS
