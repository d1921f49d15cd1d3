package knutpunkt_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt"
	"github.com/knutpunkt/knutpunkt/connectors"
	"github.com/knutpunkt/knutpunkt/connectors/oep"
	"github.com/knutpunkt/knutpunkt/connectors/oep/oepsim"
	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/config"
)

func TestNothingIsWrongWithTheShippedConfiguration(t *testing.T) {
	for _, p := range config.Check(knutpunkt.Files, connectors.All) {
		t.Error(p)
	}
}

func TestEveryFormOfTheDemoHasItsRoute(t *testing.T) {
	b, at := bundle(t), time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	for seed := range 60 {
		for _, kind := range []oepsim.Kind{oepsim.Preschool, oepsim.Deck} {
			form := oepsim.Fill(kind, seed, at)
			takesItsRoute(t, b, form.Body)
			takesItsRoute(t, b, form.Complete(at.Add(time.Hour)).Body)
		}
	}
}

func TestEveryFormOfTheFormatsHasItsRoute(t *testing.T) {
	formats := os.Getenv("KNUTPUNKT_FORMATS")
	if formats == "" {
		t.Skip("KNUTPUNKT_FORMATS does not say where the platforms' sample forms are")
	}
	samples, err := filepath.Glob(filepath.Join(formats, "handmade", "oep-flowinstance-70*.xml"))
	if err != nil || len(samples) == 0 {
		t.Fatalf("KNUTPUNKT_FORMATS holds no sample forms: %v", err)
	}
	b := bundle(t)
	for _, sample := range samples {
		body, err := os.ReadFile(sample)
		if err != nil {
			t.Fatal(err)
		}
		takesItsRoute(t, b, body)
	}
}

// takesItsRoute sees to it that a form is known, fits its schema, and names the
// persons that its route asks the register about first.
func takesItsRoute(t *testing.T, b *hub.Bundle, body []byte) {
	t.Helper()
	s := readForm(t, body)
	route := b.Route(s.Municipality, s.Source.System, s.Service)
	if route == nil {
		t.Fatalf("no route takes %s from %s in %s", s.Service, s.Source.System, s.Municipality)
	}
	answers, err := route.Form(s.FormVersion).Fit(s.Answers)
	if err != nil {
		t.Fatalf("%s: %v", route.Name, err)
	}
	s.Answers = answers
	for _, rule := range route.Parties {
		parties, err := rule.Find(hub.Known{Submission: s})
		if err != nil || len(parties) != 1 {
			t.Errorf("%s: %d parties are %s: %v", route.Name, len(parties), rule.Role, err)
		}
	}
}

func readForm(t *testing.T, body []byte) hub.Submission {
	t.Helper()
	env := hub.Env{ID: "shared.oep", Log: slog.New(slog.DiscardHandler), Clock: func() time.Time { return time.Time{} }}
	decode := config.Decode("url: https://platform.example\nuser: hub\npassword: env:ANY\n",
		func(string) (string, bool) { return "secret", true })
	platform, err := oep.New.Open(t.Context(), env, decode)
	if err != nil {
		t.Fatal(err)
	}
	s, err := platform.Source.Read(t.Context(), hub.Incoming{Type: "application/xml", Body: bytes.NewReader(body)}, hashes{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func bundle(t *testing.T) *hub.Bundle {
	t.Helper()
	archive, err := config.Read(knutpunkt.Files)
	if err != nil {
		t.Fatal(err)
	}
	b, err := config.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// hashes keeps of each file its size and hash alone.
type hashes struct{}

func (hashes) Put(_ context.Context, r io.Reader) (hub.Blob, error) {
	h := sha256.New()
	n, err := io.Copy(h, r)
	return hub.Blob{Size: n, SHA256: [32]byte(h.Sum(nil))}, err
}
