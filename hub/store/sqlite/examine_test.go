package sqlite_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/knutpunkt/knutpunkt/hub/seal"
	"github.com/knutpunkt/knutpunkt/hub/store/sqlite"
)

func TestExamine(t *testing.T) {
	p := place{t.TempDir(), newKeys(t)}
	s := p.open(t)
	withFiles(t, s, "1")
	look := func(t *testing.T, p place) sqlite.Condition {
		t.Helper()
		c, err := sqlite.Examine(t.Context(), p.path(""), p.keys)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	sound := func(c sqlite.Condition) bool {
		return len(c.Damage)+len(c.Missing) == 0 && c.Durable == nil && c.Keys == nil && c.Version == c.Known && c.Restore == nil
	}
	if c := look(t, p); !sound(c) || c.Mode != 0o600 || c.Running != os.Getpid() || !c.Last.Equal(noon) || c.Size < 1000 || c.Disk.Free == 0 {
		t.Errorf("beside a hub: %+v", c)
	}
	s.Close()
	for _, tc := range []struct {
		name  string
		spoil func(t *testing.T, p *place)
		found func(c sqlite.Condition) bool
	}{
		{"nothing", func(*testing.T, *place) {}, sound},
		{"other keys", func(t *testing.T, p *place) { p.keys = newKeys(t) }, func(c sqlite.Condition) bool {
			return errors.Is(c.Keys, seal.ErrNoKey)
		}},
		{"a file is gone", func(t *testing.T, p *place) { os.RemoveAll(p.path(".files")) }, func(c sqlite.Condition) bool {
			return len(c.Missing) == 1
		}},
		{"it is newer", func(t *testing.T, p *place) { alter(t, p.path(""), "INSERT INTO migrations VALUES (99, 0)") }, func(c sqlite.Condition) bool {
			return c.Version == 99 && c.Known < 99
		}},
		{"a restore is pending", func(t *testing.T, p *place) {
			alter(t, p.path(""), "INSERT INTO restores (since, why, after, cases, done) VALUES (1, 'x', '', 0, 0)")
		}, func(c sqlite.Condition) bool { return c.Restore != nil && !c.Restore.Done }},
		{"it is no database", func(t *testing.T, p *place) {
			if err := os.WriteFile(p.path(""), []byte(strings.Repeat("nothing ", 1000)), 0o644); err != nil {
				t.Fatal(err)
			}
		}, func(c sqlite.Condition) bool { return len(c.Damage) == 1 }},
		{"an index tells another thing than its table", func(t *testing.T, p *place) {
			root := func(of string) int {
				return count(t, p.path(""), fmt.Sprintf("SELECT rootpage FROM sqlite_schema WHERE name = '%s'", of))
			}
			swap(t, p.path(""), root("feed_case"), root("feed_municipality"), count(t, p.path(""), "PRAGMA page_size"))
		}, func(c sqlite.Condition) bool {
			return len(c.Damage) == 1 && strings.HasPrefix(c.Damage[0], "table feed:")
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := p.copied(t)
			tc.spoil(t, &p)
			if c := look(t, p); !tc.found(c) {
				t.Errorf("it finds %+v", c)
			}
		})
	}
}

// swap puts two pages in each other's place.
func swap(t *testing.T, path string, a, b, size int) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range size {
		x, y := (a-1)*size+i, (b-1)*size+i
		content[x], content[y] = content[y], content[x]
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}
