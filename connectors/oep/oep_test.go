package oep_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/connectortest"
	"github.com/knutpunkt/knutpunkt/connectors/oep"
	"github.com/knutpunkt/knutpunkt/connectors/oep/oepsim"
	"github.com/knutpunkt/knutpunkt/hub"
)

// noon is when everything in these tests happens.
var noon = time.Date(2026, 3, 2, 11, 0, 0, 0, time.UTC)

func clock() time.Time { return noon }

// open opens a platform by its config, with what is not under test filled in.
func open(t testing.TB, c oep.Config) hub.System {
	t.Helper()
	system, err := tryOpen(c)
	if err != nil {
		t.Fatal(err)
	}
	return system
}

func tryOpen(c oep.Config) (hub.System, error) {
	if c.URL == "" {
		c.URL = "https://e-tjanster.example"
	}
	c.User, c.Password = "knutpunkt", hub.NewSecret("hemligt")
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	env := hub.Env{ID: "karlskrona.oep", HTTP: client, Reads: client, Log: slog.New(slog.DiscardHandler), Clock: clock}
	return oep.New.Open(context.Background(), env, func(into any) error {
		*into.(*oep.Config) = c
		return nil
	})
}

// platform starts a simulated platform in which one deck and one preschool form have
// been sent in.
func platform(t testing.TB) (*oepsim.Sim, string, []oepsim.Form) {
	t.Helper()
	sim, err := oepsim.New(oepsim.Options{Clock: clock, User: "knutpunkt", Password: "hemligt"})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	t.Cleanup(func() { sim.Close() })
	forms := []oepsim.Form{oepsim.Fill(oepsim.Deck, 0, noon), oepsim.Fill(oepsim.Preschool, 0, noon)}
	for _, f := range forms {
		if err := sim.SendIn(f); err != nil {
			t.Fatal(err)
		}
	}
	return sim, server.URL, forms
}

// blobs keep what they are given, in memory, up to a limit per file.
type blobs struct {
	mu      sync.Mutex
	limit   int64 // 0 is none
	forget  bool  // keep sizes and sums only
	content map[string][]byte
}

func (b *blobs) Put(_ context.Context, r io.Reader) (hub.Blob, error) {
	sum := sha256.New()
	var content strings.Builder
	w := io.MultiWriter(sum, &content)
	if b.forget {
		w = sum
	}
	if b.limit > 0 {
		r = io.LimitReader(r, b.limit+1)
	}
	n, err := io.Copy(w, r)
	if err != nil {
		return hub.Blob{}, err
	}
	if b.limit > 0 && n > b.limit {
		return hub.Blob{}, hub.ErrTooLarge
	}
	blob := hub.Blob{Size: n, SHA256: [32]byte(sum.Sum(nil))}
	blob.ID = string(blob.SHA256[:8])
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.content == nil {
		b.content = map[string][]byte{}
	}
	b.content[blob.ID] = []byte(content.String())
	return blob, nil
}

// read reads a form as the municipality's own platform's.
func read(t testing.TB, body io.Reader, b hub.Blobs) (hub.Submission, error) {
	t.Helper()
	source := open(t, oep.Config{Municipality: "1080"}).Source
	return source.Read(t.Context(), hub.Incoming{Type: "application/xml", Body: body}, b)
}

// formats gives the authorities' and platforms' real files, or skips the test.
func formats(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("KNUTPUNKT_FORMATS")
	if dir == "" {
		t.Skip("KNUTPUNKT_FORMATS names no folder")
	}
	if _, err := os.Stat(filepath.Join(dir, "oep")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// at follows map keys down an answer's tree.
func at(t testing.TB, tree any, path ...string) any {
	t.Helper()
	for i, name := range path {
		node, ok := tree.(map[string]any)
		if !ok {
			t.Fatalf("%s is no table", strings.Join(path[:i], "/"))
		}
		if tree, ok = node[name]; !ok {
			t.Fatalf("there is no %s", strings.Join(path[:i+1], "/"))
		}
	}
	return tree
}

func malformedAs(t testing.TB, err error) string {
	t.Helper()
	var m *hub.Malformed
	if !errors.As(err, &m) {
		t.Fatalf("the error is no *hub.Malformed: %v", err)
	}
	return m.Kind
}

func TestOpenRefusesWhatCannotBeMeant(t *testing.T) {
	for name, c := range map[string]oep.Config{
		"no address":             {URL: "e-tjanster"},
		"secret in the address":  {URL: "https://user:secret@e-tjanster.example"},
		"kommunkod without zero": {Municipality: "114"},
		"Step that is none":      {Statuses: map[hub.Step]string{"klar": "Klart"}},
		"Step without a name":    {Statuses: map[hub.Step]string{hub.Beslutat: " "}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tryOpen(c)
			if err == nil || !strings.Contains(err.Error(), "karlskrona.oep") || strings.Contains(err.Error(), "secret") {
				t.Errorf("open says %v; it should name the system, the field and no value", err)
			}
		})
	}
}

// TestREADME reads the sample in the README as an entry of systems.yaml is read.
func TestREADME(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, sample, _ := strings.Cut(string(text), "```yaml\noep:\n  connector: oep\n")
	sample, _, found := strings.Cut(sample, "```")
	if !found {
		t.Fatal("there is no sample of systems.yaml")
	}
	t.Setenv("KARLSKRONA_OEP_PASSWORD", "hemligt")
	var c oep.Config
	fields := strings.ReplaceAll(strings.TrimPrefix(sample, "  "), "\n  ", "\n")
	if err := connectortest.Decode(t, oep.New)(fields)(&c); err != nil {
		t.Fatal(err)
	}
	if _, err := tryOpen(c); err != nil {
		t.Error(err)
	}
}

// TestConformance has the kit examine the connector against the simulated platform.
func TestConformance(t *testing.T) {
	s := oepsim.Subject()
	s.Connector = oep.New
	connectortest.Run(t, s)
}
