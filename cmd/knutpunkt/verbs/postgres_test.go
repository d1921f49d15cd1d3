package verbs

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/enginetest"
)

// Who looks beside a hub on PostgreSQL sees what one on SQLite would show, and nobody is shown a
// password.
func TestBesideAHubOnPostgres(t *testing.T) {
	s, url := newSite(t), enginetest.Postgres(t)
	s.write("secrets/store", "the-password")
	s.write("knutpunkt.yaml", strings.Replace(read(filepath.Join(s.dir, "knutpunkt.yaml")),
		"store: sqlite:data/knutpunkt.db", "store: "+url+"\nstore-password: file:secrets/store", 1))
	says := func(code int, want string, args ...string) {
		t.Helper()
		said := squeezed(runs(t, code, append(args, "--config", s.dir)...))
		if !strings.Contains(said, squeezed(want)) || strings.Contains(said, "the-password") {
			t.Errorf("knutpunkt %s says\n%s\nwant %q", strings.Join(args, " "), said, want)
		}
	}
	says(0, "is empty: knutpunkt serve makes its tables", "doctor")
	says(1, "start knutpunkt serve once", "deliveries", "list")

	hubNow := s.serve()
	form := s.accepted("kept", "form-0001")
	s.eventually("delivered", func() bool { return s.isAt(form.ID, hub.Delivered) })
	says(0, "ok store PostgreSQL", "doctor")
	says(0, "1 hub shares it, the first since", "doctor")
	says(0, "kept DELIVERED N-1", "deliveries", "list")
	says(0, "attempt 1", "deliveries", "show", string(form.ID))
	says(1, "pg_basebackup", "backup", "--to", filepath.Join(t.TempDir(), "copy"))
	says(1, "pg_basebackup", "restore", filepath.Join(t.TempDir(), "copy"))
	says(1, "there is no way back", "move", "--to", url)
	hubNow.stops(t)
	if _, err := os.Stat(filepath.Join(s.dir, "data")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("something was kept on this machine")
	}

	other := newSite(t)
	s.write("secrets/keys.json", read(filepath.Join(other.dir, "secrets", "keys.json")))
	says(1, "WRONG keys", "doctor")
	says(1, "key", "serve")
}

// A server that is down, or not there, is told of in words, by every verb.
func TestAServerThatIsDown(t *testing.T) {
	server, err := enginetest.StartPostgres(t.Context(), t.TempDir())
	enginetest.Need(t, err)
	t.Cleanup(func() { server.Close() })
	s := newSite(t)
	s.keepIn(server.URL("postgres"))
	hubNow := s.serve()
	s.accepted("kept", "form-0001")
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	await(t, "turned away", func() bool { return s.post("kept", "form-0002").status == http.StatusServiceUnavailable })
	said := squeezed(runs(t, 1, "doctor", "--config", s.dir))
	for _, want := range []string{"WRONG store postgres://127.0.0.1", "no forms are taken", "see that PostgreSQL runs"} {
		if !strings.Contains(said, want) {
			t.Errorf("doctor says\n%s\nwant %q", said, want)
		}
	}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.accepted("kept", "form-0002")
	hubNow.stops(t)
}
